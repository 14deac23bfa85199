"""The base class of Client: opening, closing, and the form in which an op gives its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Self, cast

from hsframe.client.sender import RequestSender
from hsframe.client.streams import PointFacts
from hsframe.client.transport import Transport
from hsframe.client.watching import Watch
from hsframe.errors import NetworkError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import Rows, python_rows
from hsframe.protocol.request_grids import OPS

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with a default, as of Python 3.13; type checkers bring it along

    AnswerT = TypeVar("AnswerT", default=Rows)
else:
    from typing import TypeVar

    AnswerT = TypeVar("AnswerT")

NO_SUCH_OP: Final = (404, 501)
"""The statuses by which a server says that it does not have an op."""


class ClientBase(Generic[AnswerT]):
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
        state = "closed" if self._closed else "open" if self._transport.is_open else "not open"
        user = f" as {self._username!r}" if self._username else ""
        return f"<Client {self.base_url}{user}, {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Client is not pickled or copied: it holds connections and a password; make a new one")

    @property
    def base_url(self) -> str:
        """The API's uri, without user, password and trailing slash."""
        return self.sender.base

    @property
    def origin(self) -> Mapping[str, Any]:
        """What the frames say that are made of its answers: `hsframe.frame.origin` has the fields."""
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
