"""Client: its settings, and the ops for actions, Axon and any other op; the base classes have the rest."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar, Unpack, cast, overload
from urllib.parse import urlsplit

from hsframe.client.history_ops import HistoryOps
from hsframe.client.point_ops import PointOps
from hsframe.client.record_ops import NO_SUCH_OP, AnswerT, Plain, Raw, RecordOps
from hsframe.client.retries import DEFAULT_RETRIES, Retries
from hsframe.client.sender import RequestSender
from hsframe.client.transport import Transport
from hsframe.codecs.formats import CALL_FORMATS, mime_of, short_of
from hsframe.codecs.json3 import Json3
from hsframe.durations import Duration
from hsframe.errors import CodecError, HTTPStatusError, MetadataError
from hsframe.grid import Grid, GridBuilder
from hsframe.options import Limits
from hsframe.protocol import request_grids
from hsframe.protocol.answers import Rows, check_evaluated
from hsframe.protocol.login_steps import AUTH_SCHEMES, AuthScheme, Credentials
from hsframe.protocol.proxies import Proxy
from hsframe.protocol.request_grids import OPS, Id, op_of
from hsframe.protocol.secret import Secret, check_texts, hidden, hidden_headers
from hsframe.protocol.uris import is_loopback, split_user
from hsframe.protocol.version5 import VERSIONS, VersionSetting

if TYPE_CHECKING:
    import aiohttp

    from hsframe.client.tls import TLSConfig

Args: TypeAlias = Mapping[str, object] | Grid | None


_C = TypeVar("_C", bound=RecordOps[Any])


class _Settings(TypedDict, total=False):
    """What may be given by name in addition to `pythonic`; :class:`hsframe.Client` describes each."""

    timeout: aiohttp.ClientTimeout | Duration | float | None
    retries: int
    deadline: Duration | float | None
    connector: aiohttp.BaseConnector | None
    tls: TLSConfig | None
    format: str
    accept_format: str | None
    version: VersionSetting
    token: str | None
    auth: AuthScheme
    allow_insecure: bool
    proxy: str | None
    trust_env: bool
    headers: Mapping[str, str] | None
    limits: Limits


def _with_clean_errors(cls: type[_C]) -> type[_C]:
    """A class whose public coroutines and asynchronous generators, inherited ones too, raise errors without secrets.

    What a server wrote is looked at in many places, after it was decoded without an error; this is the way out of all.
    """

    def cleaned(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        async def answer(self: RecordOps[Any], *args: Any, **named: Any) -> Any:
            with self.sender.decoder.secrets.out_of_errors():
                return await method(self, *args, **named)

        @wraps(method)
        async def items(self: RecordOps[Any], *args: Any, **named: Any) -> AsyncGenerator[Any, None]:
            with self.sender.decoder.secrets.out_of_errors():
                async with aclosing(method(self, *args, **named)) as given:
                    async for item in given:
                        yield item

        return items if inspect.isasyncgenfunction(method) else answer

    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_") and (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)):
            setattr(cls, name, cleaned(method))
    return cls


@_with_clean_errors
class Client(HistoryOps[AnswerT], PointOps[AnswerT]):
    """A Haystack server, asynchronously: logs in by itself, one method per op.

    Use it as a context manager: leaving it sends the op ``close`` and closes every connection. Any number of calls
    may run at once; they share one login. A lost session logs in again and repeats the request once.

    Every op gives a list of dicts with plain Python values (a Number with a unit stays a `Number`, so do Ref, dates and
    times), or a :class:`~hsframe.Grid` with ``raw=True`` or in a client with ``pythonic=False``. A type checker has to
    see which: where `raw` is a variable, write ``await c.read(f, raw=True) if raw else await c.read(f)``.

    Parameters
    ----------
    base_url : str
        The API's uri, like ``http://host:port/api/demo/``. A user and password in it are taken out of it.
    username, password : str
        For SCRAM (SHA-256, SHA-512), PLAINTEXT or Basic, whichever the server offers; empty for anonymous access.
        They are kept for a new login, and never shown.
    timeout, retries, tls, token, auth, allow_insecure, proxy, trust_env, headers, limits, version
        As for :func:`hsframe.connect`; of the environment nothing counts but the proxies of `trust_env`.
    deadline : float, str or timedelta, optional
        How long an op may take, with its login and retries: seconds, or a duration such as ``"5min"``. An op that makes
        several requests (`his_write` reads the point's record before) has that long for each.
    connector : aiohttp.BaseConnector, optional
        For limits and pooling of your own; it is closed with the client.
    pythonic : bool
        False: every op gives the Grid.
    format : str
        The wire format of requests and answers, ``"zinc"``, ``"json4"`` (also ``"json"``) or ``"json3"``; every server
        supports ``"zinc"``. `accept_format` is another name of it.

    Raises
    ------
    MetadataError
        A setting has a value that it cannot have; nothing is sent before the first op.

    Notes
    -----
    Each op raises `AuthError` (the login is refused, or the server cannot prove itself), `NetworkError` and its
    subclasses (no connection, time-out, an HTTP error, a page instead of a grid), `CallError` and its subclasses (the
    server answers with an error grid, which is ``error.grid``) and `CodecError` (the body is malformed). Nothing
    partial is returned. No cookie is ever sent and no redirect followed. Each request is logged in one line, under the
    logger ``hsframe``, at INFO.

    Examples
    --------
    >>> import asyncio
    >>> from hsframe.kinds import Number, Ref
    >>> from hsframe.server.database import Database
    >>> from hsframe.testing.server import running_server
    >>> async def areas(uri):
    ...     async with Client(uri, "demo", "demo") as c:
    ...         return [site["area"] for site in await c.read("site")]
    >>> with running_server(Database([{"id": Ref("hq"), "site": True, "area": Number(1000, "m²")}])) as server:
    ...     asyncio.run(areas(server.uri))
    [Number(1000, 'm²')]
    """

    # fmt: off
    @overload
    def __init__(
        self: Client[Rows], base_url: str, username: str = "", password: str = "", *,
        pythonic: Literal[True] = True, **settings: Unpack[_Settings],
    ) -> None: ...
    @overload
    def __init__(
        self: Client[Grid], base_url: str, username: str = "", password: str = "", *,
        pythonic: Literal[False], **settings: Unpack[_Settings],
    ) -> None: ...
    @overload
    def __init__(
        self: Client[Rows | Grid], base_url: str, username: str = "", password: str = "", *,
        pythonic: bool, **settings: Unpack[_Settings],
    ) -> None: ...
    # fmt: on
    def __init__(
        self,
        base_url: str,
        username: str = "",
        password: str = "",
        *,
        timeout: aiohttp.ClientTimeout | Duration | float | None = None,
        retries: int = DEFAULT_RETRIES,
        deadline: Duration | float | None = None,
        connector: aiohttp.BaseConnector | None = None,
        tls: TLSConfig | None = None,
        pythonic: bool = True,
        format: str = "zinc",
        accept_format: str | None = None,
        version: VersionSetting = "auto",
        token: str | None = None,
        auth: AuthScheme = "auto",
        allow_insecure: bool = False,
        proxy: str | None = None,
        trust_env: bool = False,
        headers: Mapping[str, str] | None = None,
        limits: Limits = Limits(),
    ) -> None:
        # What follows may raise, and a traceback shows locals and arguments.
        base_url, password, token, proxy = hidden(base_url), hidden(password), hidden(token), hidden(proxy)
        username = username if isinstance(username, str) else hidden(username)
        headers = hidden_headers(headers)
        check_texts(
            headers, base_url=base_url, username=username, password=password, token=token, proxy=proxy, format=format
        )
        if tls is not None and not hasattr(tls, "client_context"):
            raise MetadataError(f"tls must be a TLSConfig; got the type {type(tls).__name__}")
        if not isinstance(limits, Limits):
            raise MetadataError(f"limits must be hsframe.Limits(...); got the type {type(limits).__name__}")
        secret, given_token = Secret(password or ""), Secret(token or "")
        username = username or ""
        base, url_user, url_password = split_user(base_url, "base_url")
        if url_user and not username:
            username, secret = url_user, Secret(url_password)
        del base_url, password, token, url_password
        format = accept_format or format or ""
        if short_of(format) not in CALL_FORMATS:
            raise MetadataError(f"format must be one of {', '.join(CALL_FORMATS)}")  # a secret by mistake is not shown
        if auth not in AUTH_SCHEMES:
            raise MetadataError(f"auth must be one of {', '.join(AUTH_SCHEMES)}")
        if version not in VERSIONS:
            known = ", ".join(map(repr, VERSIONS))
            raise MetadataError(
                f"version must be one of {known}, that of the protocol; found the {type(version).__name__} {version!r}"
            )
        through = Proxy.of(proxy, base, trust_env=trust_env)
        transport = Transport(
            timeout=timeout,
            connector=connector,
            tls=None if tls is None else tls.client_context(),
            proxy=through,
            headers=headers,
            limits=limits,
        )
        is_verified = base.startswith("https:") and (tls is None or tls.verify)
        is_here = through is None and is_loopback(urlsplit(base).hostname or "")
        cleartext_allowed = allow_insecure or is_verified or is_here
        credentials = Credentials(username, secret, given_token, auth, cleartext_allowed)
        sender = RequestSender(transport, base, credentials, mime_of(format), Retries(retries, deadline), version)
        super().__init__(transport, sender, username=username, pythonic=pythonic, is_verified=is_verified)

    @overload
    async def invoke_action(self, id: Id, action: str, args: Args = None, *, raw: Raw) -> Grid: ...
    @overload
    async def invoke_action(self, id: Id, action: str, args: Args = None, *, raw: Plain = False) -> AnswerT: ...
    async def invoke_action(self, id: Id, action: str, args: Args = None, *, raw: bool = False) -> AnswerT | Grid:
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
    async def eval(self, expr: str, *, raw: Raw) -> Grid: ...
    @overload
    async def eval(self, expr: str, *, raw: Plain = False) -> AnswerT: ...
    async def eval(self, expr: str, *, raw: bool = False) -> AnswerT | Grid:
        """The result of an Axon expression (SkySpark, Haxall)."""
        return await self._op("eval", request_grids.eval_request(expr), raw=raw)

    @overload
    async def eval_all(self, exprs: Iterable[str], *, raw: Raw) -> list[Grid]: ...
    @overload
    async def eval_all(self, exprs: Iterable[str], *, raw: Plain = False) -> list[AnswerT]: ...
    async def eval_all(self, exprs: Iterable[str], *, raw: bool = False) -> list[AnswerT] | list[Grid]:
        """The results of several Axon expressions, in their order, in one request (SkySpark).

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
            grids = await self.sender.call_all(OPS["evalAll"], request)
            check_evaluated(grids, texts, self.sender.url("evalAll"))
        except HTTPStatusError as error:
            if error.status not in NO_SUCH_OP:
                raise
            grids = []
            for number, text in enumerate(texts):
                answer = await self.sender.call_all(OPS["eval"], request_grids.eval_request(text))
                check_evaluated(answer, [text], self.sender.url("eval"), first=number)
                grids += answer
        answers = [self._answer(grid, raw=raw) for grid in grids]
        return cast("list[AnswerT]", answers)

    async def openapi(self) -> dict[str, Any]:
        """What a server of version 5 says of its ops: a document of OpenAPI 3.1, as JSON has it."""

        def read(body: bytes) -> dict[str, Any]:
            document = Json3(self._transport.limits).load(body)  # JSON as it is, without values of Haystack
            if not isinstance(document, dict) or "openapi" not in document:
                raise CodecError(
                    "the body is no document of OpenAPI", expected='an object with "openapi"', source="json"
                )
            return document

        return cast("dict[str, Any]", await self.sender.value(OPS["openapi"], {}, read))

    @overload
    async def call(self, op: str, grid: Grid | GridBuilder | None = None, /) -> Grid: ...
    @overload
    async def call(self, op: str, /, **args: object) -> Any: ...
    async def call(self, op: str, grid: Grid | GridBuilder | None = None, /, **args: object) -> Any:
        """Any op by its wire name: ``commit``, or what a server adds; arguments as :meth:`hsframe.Session.call` has.

        The answer is a Grid; to arguments by name it is in version 5 of the protocol what the op gives.
        """
        if not args:
            return await self.sender.call(op_of(op), Grid() if grid is None else request_grids.as_grid(grid, op))
        if grid is not None:
            raise MetadataError(f"{op}: give a grid or arguments by name, not both")
        return await self.sender.value(op_of(op), {name: request_grids.as_kind(one) for name, one in args.items()})
