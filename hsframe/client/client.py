"""Client: all ops together; here actions, Axon and calls of any op."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, cast, overload

from hsframe.client.base import AnswerT
from hsframe.client.history_ops import HistoryOps
from hsframe.client.point_ops import PointOps
from hsframe.errors import HTTPStatusError
from hsframe.grid import Grid, GridBuilder
from hsframe.protocol import request_grids
from hsframe.protocol.answers import check_evaluated
from hsframe.protocol.request_grids import OPS, Id, op_of

__all__ = ["Client"]


class Client(HistoryOps[AnswerT], PointOps[AnswerT]):
    """A Haystack server, asynchronously: logs in by itself, one method an op.

    Use it as a context manager: leaving it sends the op ``close`` and closes every connection. Any number of calls
    may run at once; they share one login. A lost session logs in again and repeats the request once.

    Every op gives a list of dicts with plain Python values (a Number with a unit stays a `Number`, so do Ref, dates
    and times), or a :class:`~hsframe.Grid` with ``raw=True`` or in a client with ``pythonic=False``.

    Parameters
    ----------
    base_url : str
        The API's uri, like ``http://host:port/api/demo/``. A user and password in it are taken out of it.
    username, password : str
        For SCRAM (SHA-256, SHA-512), PLAINTEXT or Basic, whichever the server offers; empty for anonymous access.
        They are kept for a new login, and never shown.
    timeout : aiohttp.ClientTimeout or float, optional
        Of each request, seconds if a number; 30 s in all by default.
    connector : aiohttp.BaseConnector, optional
        For limits and pooling of your own; it is closed with the client.
    tls : TLSConfig, optional
        Own authorities, a client certificate.
    pythonic : bool
        False: every op gives the Grid.
    format : str
        The wire format of requests and answers: ``"zinc"`` (which every server speaks), ``"json"`` (version 4),
        ``"json3"``. `accept_format` is another name of it.
    token : str, optional
        A bearer token, in place of a user and password (or tried before them).
    auth : str
        ``"auto"``, or the only scheme to use: ``"scram"``, ``"plaintext"``, ``"basic"``, ``"bearer"``, ``"none"``.
    allow_insecure : bool
        Allow PLAINTEXT and Basic over http to another machine: whoever is on the way can read the password.
    proxy : str, optional
        ``http://user:password@host:port``. Nothing is taken from the environment.
    headers : mapping, optional
        Go on every request.

    Raises
    ------
    MetadataError
        A setting that is none; nothing is sent before the first op.

    Notes
    -----
    Each op raises `AuthError` (the login is refused, or the server cannot prove itself), `NetworkError` and its
    subclasses (no connection, time-out, an HTTP error, a page that is no grid), `CallError` and its subclasses (the
    server answers with an error grid, which is ``error.grid``) and `CodecError` (the body is malformed). Nothing
    partial is returned. No cookie is ever sent and no redirect followed. One line a request is logged under the logger
    ``hsframe``, at INFO.

    Examples
    --------
    >>> import asyncio
    >>> from hsframe.kinds import Number, Ref
    >>> from hsframe.server.database import Database
    >>> from hsframe.testing.server import running_server
    >>> async def sites(uri):
    ...     async with Client(uri, "demo", "demo") as c:
    ...         return await c.read("site")
    >>> with running_server(Database([{"id": Ref("hq"), "site": True, "area": Number(1000, "m²")}])) as server:
    ...     asyncio.run(sites(server.uri))
    [{'id': Ref('hq'), 'area': Number(1000, 'm²'), 'site': True}]
    """

    @overload
    async def invoke_action(
        self, id: Id, action: str, args: Mapping[str, object] | Grid | None = None, *, raw: Literal[True]
    ) -> Grid: ...
    @overload
    async def invoke_action(
        self, id: Id, action: str, args: Mapping[str, object] | Grid | None = None, *, raw: Literal[False] = False
    ) -> AnswerT: ...
    async def invoke_action(
        self, id: Id, action: str, args: Mapping[str, object] | Grid | None = None, *, raw: bool = False
    ) -> AnswerT | Grid:
        """Call an action that a record defines.

        Parameters
        ----------
        id : Ref or str
            The record.
        action : str
            The name of the action.
        args : mapping or Grid, optional
            Its arguments by name.
        """
        return await self._op("invokeAction", request_grids.invoke_action_request(id, action, args), raw=raw)

    @overload
    async def eval(self, expr: str, *, raw: Literal[True]) -> Grid: ...
    @overload
    async def eval(self, expr: str, *, raw: Literal[False] = False) -> AnswerT: ...
    async def eval(self, expr: str, *, raw: bool = False) -> AnswerT | Grid:
        """What an Axon expression gives (SkySpark, Haxall)."""
        return await self._op("eval", request_grids.eval_request(expr), raw=raw)

    @overload
    async def eval_all(self, exprs: Iterable[str], *, raw: Literal[True]) -> list[Grid]: ...
    @overload
    async def eval_all(self, exprs: Iterable[str], *, raw: Literal[False] = False) -> list[AnswerT]: ...
    async def eval_all(self, exprs: Iterable[str], *, raw: bool = False) -> list[AnswerT] | list[Grid]:
        """What several Axon expressions give, in their order, in one request (SkySpark).

        Where the server has no ``evalAll``, as Haxall, they go one after the other, up to the first that fails.

        Parameters
        ----------
        exprs : iterable of str

        Raises
        ------
        CallError
            An expression failed; the message says which. With ``evalAll`` all of them were evaluated nevertheless.
        IncompleteError
            The server did not answer each of them.
        """
        request = request_grids.eval_all_request(exprs)
        texts = [str(text) for text in request.column("expr")]
        try:
            grids = await self._calls.call_all(OPS["evalAll"], request)
            check_evaluated(grids, texts, self._calls.url("evalAll"))
        except HTTPStatusError as error:
            if error.status not in (404, 501):
                raise
            grids = []
            for number, text in enumerate(texts):
                answer = await self._calls.call_all(OPS["eval"], request_grids.eval_request(text))
                check_evaluated(answer, [text], self._calls.url("eval"), first=number)
                grids += answer
        answers = [self._answer(grid, raw=raw) for grid in grids]
        return cast("list[AnswerT]", answers)

    async def call(self, op: str, grid: Grid | GridBuilder | None = None) -> Grid:
        """Any op by its wire name, grid in and grid out: ``commit``, or what a server adds.

        Parameters
        ----------
        op : str
            As in the uri: ``"hisRead"``.
        grid : Grid, optional
            The request; empty by default.
        """
        request = grid.to_grid() if isinstance(grid, GridBuilder) else Grid() if grid is None else grid
        return await self._calls.call(op_of(op), request)
