"""A client before it has ops: its settings, how it is opened and closed, and what an op gives."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Literal, Self, TypedDict, Unpack, cast, overload
from urllib.parse import urlsplit

from hsframe.client.calls import Calls
from hsframe.client.streams import PointFacts
from hsframe.client.transport import Transport, split_user
from hsframe.codecs import short_of
from hsframe.errors import MetadataError, NetworkError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import Rows, python_rows
from hsframe.protocol.dialects import Dialect
from hsframe.protocol.login import AUTH_SCHEMES, AuthScheme, Credentials
from hsframe.protocol.request_grids import OPS
from hsframe.protocol.secret import HiddenStr, Secret

if TYPE_CHECKING:
    import aiohttp
    from typing_extensions import TypeVar  # with a default, as of Python 3.13; type checkers bring it along

    from hsframe.client.tls import TLSConfig

    AnswerT = TypeVar("AnswerT", default=Rows)
else:
    from typing import TypeVar

    AnswerT = TypeVar("AnswerT")

__all__ = ["AnswerT", "ClientBase"]

_FORMATS: Final = ("zinc", "json", "json4", "json3")


class _Settings(TypedDict, total=False):
    """What may be given by name beside `pythonic`; :class:`hsframe.Client` tells what each means."""

    timeout: aiohttp.ClientTimeout | float | None
    connector: aiohttp.BaseConnector | None
    tls: TLSConfig | None
    format: str
    accept_format: str | None
    token: str | None
    auth: AuthScheme
    allow_insecure: bool
    proxy: str | None
    headers: Mapping[str, str] | None


class ClientBase(Generic[AnswerT]):
    """What the ops of :class:`hsframe.Client` stand on; its parameters are told there.

    Notes
    -----
    ``Client`` is generic in what its ops give without ``raw``: ``Client`` alone is ``Client[Rows]``, and
    ``pythonic=False`` makes a ``Client[Grid]``.
    """

    # fmt: off
    @overload
    def __init__(
        self: ClientBase[Rows], base_url: str, username: str = "", password: str = "", *,
        pythonic: Literal[True] = True, **settings: Unpack[_Settings],
    ) -> None: ...
    @overload
    def __init__(
        self: ClientBase[Grid], base_url: str, username: str = "", password: str = "", *,
        pythonic: Literal[False], **settings: Unpack[_Settings],
    ) -> None: ...
    @overload
    def __init__(
        self: ClientBase[Rows | Grid], base_url: str, username: str = "", password: str = "", *,
        pythonic: bool, **settings: Unpack[_Settings],
    ) -> None: ...
    # fmt: on
    def __init__(
        self,
        base_url: str,
        username: str = "",
        password: str = "",
        *,
        timeout: aiohttp.ClientTimeout | float | None = None,
        connector: aiohttp.BaseConnector | None = None,
        tls: TLSConfig | None = None,
        pythonic: bool = True,
        format: str = "zinc",
        accept_format: str | None = None,
        token: str | None = None,
        auth: AuthScheme = "auto",
        allow_insecure: bool = False,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # What follows may raise, and a traceback shows locals and arguments.
        secrets = [Secret(password or ""), Secret(token or "")]
        headers = {name: HiddenStr(value) for name, value in (headers or {}).items()}
        proxy = None if proxy is None else HiddenStr(proxy)
        username = username or ""
        base, url_user, url_password = split_user(HiddenStr(base_url), "base_url")
        if url_user and not username:
            username, secrets[0] = url_user, Secret(url_password)
        del base_url, password, token, url_password
        self._base = base
        self._username = username
        self._pythonic = pythonic
        self._closed = False
        self._facts: dict[Ref, PointFacts] = {}
        short = _short_format(accept_format or format)
        if auth not in AUTH_SCHEMES:
            raise MetadataError(f"auth must be one of {', '.join(AUTH_SCHEMES)}; got {auth!r}")
        self._transport = Transport(
            timeout=timeout,
            connector=connector,
            tls=None if tls is None else tls.client_context(),
            proxy=proxy,
            headers=headers,
        )
        self._verified = verified = base.startswith("https:") and (tls is None or tls.verify)
        self._calls = Calls(
            self._transport,
            base,
            Credentials(username, *secrets),
            auth=auth,
            cleartext_allowed=allow_insecure or verified or (proxy is None and _is_loopback(base)),
            format=short,
        )

    def __repr__(self) -> str:
        transport = getattr(self, "_transport", None)  # a traceback of the constructor shows half a client
        state = "closed" if self._closed else "open" if transport is not None and transport.is_open else "not open"
        user = f" as {self._username!r}" if self._username else ""
        return f"<Client {self._base}{user}, {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Client is not pickled or copied: it holds connections and a password; make a new one")

    @property
    def base_url(self) -> str:
        """The API's uri, without user, password and trailing slash."""
        return self._base

    @property
    def dialect(self) -> Dialect:
        """What is known of this server."""
        return self._calls.dialect

    @property
    def calls(self) -> Calls:
        """What the ops stand on."""
        return self._calls

    @property
    def is_verified(self) -> bool:
        """Whether the line is https and the server's certificate is checked."""
        return self._verified

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        return _is_loopback(self._base)

    @property
    def pythonic(self) -> bool:
        """Whether ops give plain Python rows."""
        return self._pythonic

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is sent yet."""
        if self._closed:
            raise NetworkError(f"the client of {self.base_url} is closed; make a new one")
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, as :meth:`close`; an error of the block is never hidden by one of closing."""
        await self.close()

    async def close(self) -> None:
        """Send the op ``close`` if a login opened a session, then close every connection. A second time does nothing.

        What goes wrong on the way is only logged: there is nothing left to do about it. Sessions of a given token are
        left alone.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._transport.is_open:
                await self._calls.end()
        finally:
            await self._transport.close()

    async def _op(self, name: str, request: Grid, *, raw: bool, limit: int | None = None) -> AnswerT | Grid:
        return self._answer(await self._calls.call(OPS[name], request, limit=limit), raw=raw)

    def _answer(self, grid: Grid, *, raw: bool) -> AnswerT | Grid:
        """What an op gives for the grid that came."""
        return cast(AnswerT, python_rows(grid)) if self._pythonic and not raw else grid


def _short_format(name: str) -> str:
    short = short_of(name)
    if short not in _FORMATS:
        raise MetadataError(f"format must be one of {', '.join(_FORMATS)}; got {name!r}")
    return short


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
