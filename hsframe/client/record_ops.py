"""The ops that describe a server and read its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, overload

from hsframe.client.base import NO_SUCH_OP, AnswerT, ClientBase
from hsframe.errors import CallError, HTTPStatusError
from hsframe.filters import explained
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.protocol import request_grids
from hsframe.protocol.answers import by_ids, rows_of_ids
from hsframe.protocol.request_grids import OPS, Ids, as_refs

# Servers parse a filter by recursion, so a long one may be refused.
_IDS_PER_FILTER: Final = 100


class RecordOps(ClientBase[AnswerT]):
    """About the server, and reads of records."""

    @overload
    async def about(self, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def about(self, *, raw: Literal[False] = False) -> AnswerT: ...
    async def about(self, *, raw: bool = False) -> AnswerT | Grid:
        """What the server is: one row with ``haystackVersion``, ``tz``, ``serverName``, ``productName``, ..."""
        return await self._op("about", Grid(), raw=raw)

    @overload
    async def ops(self, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def ops(self, *, raw: Literal[False] = False) -> AnswerT: ...
    async def ops(self, *, raw: bool = False) -> AnswerT | Grid:
        """The ops that the server has, one row per op."""
        return await self._op("ops", Grid(), raw=raw)

    @overload
    async def formats(self, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def formats(self, *, raw: Literal[False] = False) -> AnswerT: ...
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
    async def defs(self, filter: str | None = None, limit: int | None = None, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def defs(
        self, filter: str | None = None, limit: int | None = None, *, raw: Literal[False] = False
    ) -> AnswerT: ...
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
    async def libs(self, filter: str | None = None, limit: int | None = None, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def libs(
        self, filter: str | None = None, limit: int | None = None, *, raw: Literal[False] = False
    ) -> AnswerT: ...
    async def libs(self, filter: str | None = None, limit: int | None = None, *, raw: bool = False) -> AnswerT | Grid:
        """The libraries of definitions in use; `filter` and `limit` as in :meth:`defs`."""
        return await self._op("libs", request_grids.read_request(filter, limit), raw=raw, limit=limit)

    @overload
    async def filetypes(self, filter: str | None = None, limit: int | None = None, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def filetypes(
        self, filter: str | None = None, limit: int | None = None, *, raw: Literal[False] = False
    ) -> AnswerT: ...
    async def filetypes(
        self, filter: str | None = None, limit: int | None = None, *, raw: bool = False
    ) -> AnswerT | Grid:
        """The file types that the server reads and writes; `filter` and `limit` as in :meth:`defs`."""
        return await self._op("filetypes", request_grids.read_request(filter, limit), raw=raw, limit=limit)

    @overload
    async def read(self, filter: str, limit: int | None = None, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def read(self, filter: str, limit: int | None = None, *, raw: Literal[False] = False) -> AnswerT: ...
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
    async def read_by_ids(self, ids: Ids, *, checked: bool = True, raw: Literal[True]) -> Grid: ...
    @overload
    async def read_by_ids(self, ids: Ids, *, checked: bool = True, raw: Literal[False] = False) -> AnswerT: ...
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
    async def nav(self, nav_id: object = None, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def nav(self, nav_id: object = None, *, raw: Literal[False] = False) -> AnswerT: ...
    async def nav(self, nav_id: object = None, *, raw: bool = False) -> AnswerT | Grid:
        """The children of a node of the navigation tree, of its root without `nav_id`.

        A row's ``navId`` is what to ask next, of whatever kind it is; a row without one is a leaf.
        """
        return await self._op("nav", request_grids.nav_request(nav_id), raw=raw)


def _formats_of(filetypes: Grid) -> Grid:
    """File types as formats; Haxall names what reads and writes them, its API of version 5 says that it does."""
    names = {"receive": ("reader", "canRead"), "send": ("writer", "canWrite")}
    rows = [
        {"mime": row["mime"]} | {name: MARKER for name, tags in names.items() if any(row.get(tag) for tag in tags)}
        for row in filetypes
        if "mime" in row
    ]
    return Grid.from_rows({}, ["mime", *names], rows)
