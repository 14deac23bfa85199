"""The base of Client: opening, closing, and the ops that describe a server and read its records."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeAlias, cast, overload

from hsframe.cards import card
from hsframe.client.sender import RequestSender
from hsframe.client.streams import PointFacts
from hsframe.client.transport import Transport
from hsframe.client.watching import Watch
from hsframe.codecs.formats import short_of
from hsframe.errors import CallError, HTTPStatusError, NetworkError
from hsframe.filters import explained
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.protocol import request_grids
from hsframe.protocol.answers import Rows, by_ids, python_rows, rows_of_ids
from hsframe.protocol.request_grids import OPS, Ids, as_ref, as_refs

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with a default, as of Python 3.13; type checkers bring it along

    AnswerT = TypeVar("AnswerT", default=Rows)
else:
    from typing import TypeVar

    AnswerT = TypeVar("AnswerT")

# Of the parameter `raw`, which says whether an op answers with a Grid.
Raw: TypeAlias = Literal[True]
Plain: TypeAlias = Literal[False]
NO_SUCH_OP: Final = (404, 501)
"""The statuses by which a server says that it does not have an op."""
# Servers parse a filter by recursion, so a long one may be refused.
_IDS_PER_FILTER: Final = 100


class RecordOps(Generic[AnswerT]):
    """The base of the classes that define the ops; generic in the type that an op gives without ``raw``."""

    def __init__(
        self, transport: Transport, sender: RequestSender, *, username: str, pythonic: bool, is_verified: bool
    ) -> None:
        self._transport = transport
        self._username = username
        self._pythonic = pythonic
        self.is_verified = is_verified  # https, with a certificate that is checked
        self._closed = False
        self.max_concurrency = 6  # of the requests that one read or write makes
        self._facts: dict[Ref, PointFacts] = {}
        self._same_records: set[tuple[Ref, Ref]] = set()  # pairs of ids that name one record
        self._watches: set[Watch] = set()
        self.sender = sender
        """Sends the requests of all ops."""
        self.dialect = sender.dialect
        """What is known of this server."""

    def __repr__(self) -> str:
        if not hasattr(self, "sender"):
            return "<Client that is being made>"  # a traceback of the constructor shows it
        user = f" as {self._username!r}" if self._username else ""
        return f"<Client {self.base_url}{user}, {self._state}>"

    @property
    def _state(self) -> str:
        return "closed" if self._closed else "open" if self._transport.is_open else "not open"

    def _repr_html_(self) -> str:
        return card("Client", {**self.known(), "state": self._state})

    def known(self) -> dict[str, str]:
        """What is known without a request, for people to see: of the server what it has said before."""
        dialect = self.sender.dialect
        about = dialect.about.get
        words = (about("serverName"), about("productName"), about("productVersion"))
        return {
            "uri": self.base_url,
            "server": " ".join(dict.fromkeys(word for word in words if word)),
            "user": self._username,
            "zone": about("tz") or dialect.tz or "",
            "format": short_of(self.sender.mime) or "",
            "latency": f"{dialect.quickest_s * 1000:,.0f} ms" if dialect.answered else "",
        }

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "a Client is not pickled or copied: it holds connections and a password; make a new one where it is "
            "needed, in a worker with a password from the worker's own environment"
        )

    @property
    def base_url(self) -> str:
        """The API's uri, without user, password and trailing slash."""
        return self.sender.base

    @property
    def origin(self) -> Mapping[str, Any]:
        """What the frames say that are made of its answers: `hsframe.frame.reads` has the fields."""
        verb = self.sender.retries.patience()
        return {"kind": "server", "uri": self.base_url, "version": None, "requests": verb.requests, "bytes": verb.bytes}

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is sent yet."""
        if self._closed:
            raise NetworkError(f"the {self.sender.caller} of {self.base_url} is closed; make a new one")
        await self._transport.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close, as :meth:`close`; an error of the block is never hidden by one of closing."""
        await self.close()

    async def close(self) -> None:
        """End the watches, send ``close`` if a login opened a session, close every connection; once.

        Failures are only logged: there is nothing left to do about them. Sessions of a given token are not closed.
        """
        if self._closed:
            return
        if self._transport.is_open:
            self.sender.check_loop()
        self._closed = True
        try:
            if self._transport.is_open:
                await asyncio.gather(*(watch.close() for watch in self._watches))
                await self.sender.end()
        finally:
            await self._transport.close()

    async def _op(self, name: str, request: Grid, *, raw: bool, limit: int | None = None) -> AnswerT | Grid:
        return self._answer(await self.sender.call(OPS[name], request, limit=limit), raw=raw)

    def _answer(self, grid: Grid, *, raw: bool) -> AnswerT | Grid:
        return cast(AnswerT, python_rows(grid)) if self._pythonic and not raw else grid

    @overload
    async def about(self, *, raw: Raw) -> Grid: ...
    @overload
    async def about(self, *, raw: Plain = False) -> AnswerT: ...
    async def about(self, *, raw: bool = False) -> AnswerT | Grid:
        """What the server is: one row with ``haystackVersion``, ``tz``, ``serverName``, ``productName``, ..."""
        grid = await self.sender.call(OPS["about"], Grid())
        if len(grid):
            self.sender.note_versions(grid[0].get("protocolVersions"))
            redacted = self.sender.decoder.secrets.redacted
            self.sender.dialect.about = {name: redacted(str(value)) for name, value in grid[0].items()}
        return self._answer(grid, raw=raw)

    @overload
    async def ops(self, *, raw: Raw) -> Grid: ...
    @overload
    async def ops(self, *, raw: Plain = False) -> AnswerT: ...
    async def ops(self, *, raw: bool = False) -> AnswerT | Grid:
        """The ops that the server has, one row per op."""
        return await self._op("ops", Grid(), raw=raw)

    @overload
    async def formats(self, *, raw: Raw) -> Grid: ...
    @overload
    async def formats(self, *, raw: Plain = False) -> AnswerT: ...
    async def formats(self, *, raw: bool = False) -> AnswerT | Grid:
        """The MIME types that the server reads (``receive``) and writes (``send``).

        A server of Haystack 4 that has ``filetypes`` in place of this op is asked for those.
        """
        try:
            return await self._op("formats", Grid(), raw=raw)
        except HTTPStatusError as error:
            if error.status not in NO_SUCH_OP:
                raise
        return self._answer(_formats_of(await self.sender.call(OPS["filetypes"], Grid())), raw=raw)

    @overload
    async def defs(self, filter: str | None = None, limit: int | None = None, *, raw: Raw) -> Grid: ...
    @overload
    async def defs(self, filter: str | None = None, limit: int | None = None, *, raw: Plain = False) -> AnswerT: ...
    async def defs(self, filter: str | None = None, limit: int | None = None, *, raw: bool = False) -> AnswerT | Grid:
        """The definitions in use, all or those that a filter finds.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return await self._op("defs", request_grids.read_request(filter, limit), raw=raw, limit=limit)

    @overload
    async def libs(self, filter: str | None = None, limit: int | None = None, *, raw: Raw) -> Grid: ...
    @overload
    async def libs(self, filter: str | None = None, limit: int | None = None, *, raw: Plain = False) -> AnswerT: ...
    async def libs(self, filter: str | None = None, limit: int | None = None, *, raw: bool = False) -> AnswerT | Grid:
        """The libraries of definitions in use; `filter` and `limit` as in :meth:`defs`."""
        return await self._op("libs", request_grids.read_request(filter, limit), raw=raw, limit=limit)

    @overload
    async def filetypes(self, filter: str | None = None, limit: int | None = None, *, raw: Raw) -> Grid: ...
    @overload
    async def filetypes(
        self, filter: str | None = None, limit: int | None = None, *, raw: Plain = False
    ) -> AnswerT: ...
    async def filetypes(
        self, filter: str | None = None, limit: int | None = None, *, raw: bool = False
    ) -> AnswerT | Grid:
        """The file types that the server reads and writes; `filter` and `limit` as in :meth:`defs`."""
        return await self._op("filetypes", request_grids.read_request(filter, limit), raw=raw, limit=limit)

    @overload
    async def read(self, filter: str, limit: int | None = None, *, raw: Raw) -> Grid: ...
    @overload
    async def read(self, filter: str, limit: int | None = None, *, raw: Plain = False) -> AnswerT: ...
    async def read(self, filter: str, limit: int | None = None, *, raw: bool = False) -> AnswerT | Grid:
        """The records that a filter finds.

        Parameters
        ----------
        filter : str
            As ``'point and sensor and siteRef->geoCity == "London"'`` (standard: chapter Filters).
        limit : int, optional
            The most rows to give.
        """
        with explained(filter):
            return await self._op("read", request_grids.read_request(filter, limit), raw=raw, limit=limit)

    @overload
    async def read_by_ids(self, ids: Ids, *, checked: bool = True, raw: Raw) -> Grid: ...
    @overload
    async def read_by_ids(self, ids: Ids, *, checked: bool = True, raw: Plain = False) -> AnswerT: ...
    async def read_by_ids(self, ids: Ids, *, checked: bool = True, raw: bool = False) -> AnswerT | Grid:
        """The records of these ids, in their order.

        Parameters
        ----------
        ids : Ref, str or iterable of them
        checked : bool
            False: an unknown id gives an empty row in its place.

        Raises
        ------
        UnknownRecError
            Some ids are unknown; ``error.ids`` has all of them.
        """
        refs = as_refs(ids, "read")
        grid = await self.sender.call(OPS["read"], request_grids.read_by_ids_request(refs), limit=len(refs))
        rows, final = rows_of_ids(grid, refs)
        if not final:
            grid = await self._with_missing(grid, [of for of, row in zip(refs, rows, strict=True) if row is None])
        return self._answer(by_ids(grid, refs, self.sender.url("read"), checked=checked), raw=raw)

    async def _with_missing(self, grid: Grid, missing: Sequence[Ref]) -> Grid:
        """The answer of a read by id, with the records that it left out where a filter finds them."""
        rows = [row for row in grid if isinstance(row.get("id"), Ref)]
        for start in range(0, len(missing), _IDS_PER_FILTER):
            filter = " or ".join(f"id == @{of.val}" for of in missing[start : start + _IDS_PER_FILTER])
            try:
                found = await self.sender.call(OPS["read"], request_grids.read_request(filter))
            except CallError:  # this server cannot compare ids: its first answer is all there is
                break
            rows += [row for row in found if isinstance(row.get("id"), Ref)]
        names = dict.fromkeys(["id", *(name for row in rows for name in row)])
        return Grid.from_rows(dict(grid.meta), names, rows)

    @overload
    async def nav(self, nav_id: object = None, *, raw: Raw) -> Grid: ...
    @overload
    async def nav(self, nav_id: object = None, *, raw: Plain = False) -> AnswerT: ...
    async def nav(self, nav_id: object = None, *, raw: bool = False) -> AnswerT | Grid:
        """The children of a node of the navigation tree, of its root without `nav_id`.

        A row's ``navId`` is what to ask next, of whatever kind it is; a row without one is a leaf. A text is sent as
        the Ref of that id where the server's own are Refs, which its root shows if nothing has before.
        """
        if isinstance(nav_id, str):
            if self.sender.dialect.nav_by_ref is None:
                await self._nav(None)
            nav_id = as_ref(nav_id) if self.sender.dialect.nav_by_ref else nav_id
        return self._answer(await self._nav(nav_id), raw=raw)

    async def _nav(self, nav_id: object) -> Grid:
        grid = await self.sender.call(OPS["nav"], request_grids.nav_request(nav_id))
        if nodes := [cell for cell in grid.column("navId") if cell is not None] if grid.has_col("navId") else []:
            self.sender.dialect.nav_by_ref = all(isinstance(node, Ref) for node in nodes)
        return grid


def _formats_of(filetypes: Grid) -> Grid:
    """File types as formats; Haxall names what reads and writes them, its API of version 5 says that it does."""
    names = {"receive": ("reader", "canRead"), "send": ("writer", "canWrite")}
    rows = [
        {"mime": row["mime"]} | {name: MARKER for name, tags in names.items() if any(row.get(tag) for tag in tags)}
        for row in filetypes
        if "mime" in row
    ]
    return Grid.from_rows({}, ["mime", *names], rows)
