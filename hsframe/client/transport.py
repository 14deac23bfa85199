"""HTTP by aiohttp: one request, one answer; no redirects, no cookies, no retries.

The only module of the client that uses aiohttp, which does not notice that a packed body was cut: it is unpacked here.
Each exception of aiohttp becomes one of ours, made outside of the handler and without a cause, because the frames of an
HTTP library hold headers, and headers hold tokens.
"""

from __future__ import annotations

import asyncio
import math
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Final

import aiohttp

from hsframe.client.tls_failures import lost_connection_hint, tls_failure
from hsframe.client.unpacking import Unpacker
from hsframe.codecs.body_text import text_of
from hsframe.durations import SECOND_US, Duration, duration_us
from hsframe.errors import (
    CodecError,
    ConnectionLostError,
    NetworkError,
    NotConnectedError,
    RequestTimeoutError,
    TruncatedBodyError,
    in_short,
)
from hsframe.options import Limits
from hsframe.protocol.http import HttpAnswer, HttpRequest
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.proxies import Proxy
from hsframe.protocol.secret import HiddenStr

DEFAULT_TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 1 << 18
# aiohttp takes 8,190 bytes; a cookie of a firewall or a long policy is no reason not to read an answer. It needs
# quadratic time for folded headers: 3.5 s for 1 MiB.
_HEADER_BYTES: Final = 1 << 18
# What aiohttp says of wrong HTTP, before it shows what came.
_SAYS: Final = re.compile(r"[^:'\"\n]*")
# Its parser in C shows the beginning of an answer whose status line has a line break in it, as where Haxall's server of
# version 5 repeats the words of an error there: nothing behind that line can be read.
_BROKEN_STATUS: Final = re.compile(r"b(['\"])HTTP/1\.[01] ([3-5]\d\d) (.*)\1\s", re.DOTALL)
# It names its setting of TLS in what it says of each connection, also of one that has none.
_ITS_TLS: Final = re.compile(r" ssl:(\w+|<[^>]*>)(?= \[)")
LISTENERS: Final[list[Callable[[HttpAnswer, bool | None], None]]] = []
"""Called with each answer, which has its request and its body, and whether it is whole, None where nobody waited for
the rest; one that never came has the status 0. The logins are among them: see :mod:`hsframe.testing.recording`."""

_BREAKS_TLS: Final = (ConnectionResetError, ssl.SSLError)
# Where there is a proxy, it looks for the host of the server.
_OF_PROXY: Final = (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError, aiohttp.ClientConnectorDNSError)


class Transport:
    """An HTTP connection pool to one server.

    :class:`hsframe.Client` describes the settings; the values of `headers` are treated as secrets. Cookies are
    never stored or sent (Haxall refuses a request that returns its cookie), redirects never followed.
    """

    def __init__(
        self,
        *,
        timeout: aiohttp.ClientTimeout | Duration | float | None = None,
        connector: aiohttp.BaseConnector | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
        headers: Mapping[str, str] | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self.limits = limits
        self.secrets = KnownSecrets()
        self._timeout = _timeout_of(timeout)
        self._connector = connector
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._headers = {name: HiddenStr(value) for name, value in (headers or {}).items()}
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # that of the pool, once it was opened

    @property
    def is_open(self) -> bool:
        return self.loop is not None and not self.loop.is_closed() and self._session is not None

    @property
    def timeout_s(self) -> float:
        """How long a request may take."""
        return self._timeout.total or math.inf

    async def open(self) -> None:
        """Make the pool; it belongs to the running event loop."""
        if self._session is None:
            self.loop = asyncio.get_running_loop()
            self._session = aiohttp.ClientSession(
                connector=self._connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                raise_for_status=False,
                # Packed answers are asked for by name: another list may hold what no library here can unpack.
                headers={"User-Agent": "hsframe", "Accept-Encoding": "gzip, deflate", **self._headers},
                skip_auto_headers=("Content-Type",),
                auto_decompress=False,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
            )
            # aiohttp would send a GET again by itself; a step of a login must not be sent twice.
            self._session._retry_connection = False

    async def close(self) -> None:
        """Close every connection; a second time does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def fetch(self, request: HttpRequest, *, timeout_s: float | None = None) -> HttpAnswer:
        """Send a request and read the whole answer; `timeout_s` is a shorter time-out than the transport's own."""
        head: HttpAnswer | None = None
        whole = BytesIO()  # its value shares its memory: a large body is there once
        async for part in self.stream(request, timeout_s=timeout_s):
            if isinstance(part, HttpAnswer):
                head = part
            else:
                whole.write(part)
        assert head is not None
        return replace(head, body=whole.getvalue())

    async def stream(
        self, request: HttpRequest, *, timeout_s: float | None = None, unbounded: bool = False
    ) -> AsyncGenerator[HttpAnswer | bytes, None]:
        """Send a request; gives the answer's head (without a body), then the body in chunks as it arrives.

        Close the generator (``contextlib.aclosing``) to leave early. With `unbounded` the time-out counts from one
        piece to the next, and the whole may take as long as it takes.
        """
        where, is_https = f"{request.op} at {request.url}", request.url.startswith("https:")
        session = self._session
        if session is None:
            raise NetworkError(f"{where}: not sent, the connection was closed meanwhile")
        timeout = self._timeout
        if timeout_s is not None:
            timeout = aiohttp.ClientTimeout(total=min(timeout_s, timeout.total or timeout_s))
        if unbounded:
            sock_read = timeout.sock_read or timeout.total
            timeout = aiohttp.ClientTimeout(None, timeout.connect or timeout.total, sock_read, timeout.sock_connect)
        proxy, proxy_headers = self._proxy, {} if self._proxy is None else self._proxy.headers
        for headers in (request.headers, self._headers, proxy_headers):
            self.secrets.learn(headers.items())
        body: Unpacker | None = None
        response: aiohttp.ClientResponse | None = None
        head, heard = HttpAnswer(0, secrets=self.secrets, request=request), BytesIO()
        is_whole: bool | None = False
        failure: NetworkError | None = None
        listeners = tuple(LISTENERS)  # who begins to listen later would hear a part of it
        try:
            async with session.request(
                request.method,
                request.url,
                params=request.params,
                # To an http server the proxy reads the request itself; to an https server only the CONNECT before it.
                headers={**request.headers, **({} if is_https else proxy_headers)},
                # A file is sent in pieces; aiohttp 3.14 warns that large bytes, sent at once, hold up the loop.
                data=None if request.body is None else BytesIO(request.body),
                timeout=timeout,
                ssl=self._tls,
                proxy=None if proxy is None else proxy.uri,
                proxy_headers=(proxy_headers or None) if is_https else None,
                allow_redirects=False,
            ) as response:
                head = HttpAnswer(
                    response.status,
                    # aiohttp keeps its bytes that are not UTF-8 as halves of surrogate pairs.
                    self.secrets.redacted(_text((response.reason or "").encode("utf-8", "surrogateescape"))),
                    tuple((_text(name), _text(value)) for name, value in response.raw_headers),
                    proxy=None if is_https else proxy,
                    secrets=self.secrets,
                    request=request,
                )
                self.secrets.learn(head.headers)
                yield head
                if head.status != 200:
                    where += f" (HTTP {head.status})"
                body = Unpacker(head.header("Content-Encoding"), self.limits, where)
                if not head.header("Content-Encoding"):
                    self.limits.check("answer_bytes", response.content_length or 0, where, is_all=True)
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    body.feed(chunk)
                    while piece := await body.piece():
                        if listeners:
                            heard.write(piece)
                        yield piece
                body.finish(may_be_empty=head.status != 200)
                is_whole = True
            return
        except (asyncio.CancelledError, GeneratorExit):
            is_whole = None
            raise
        except aiohttp.ClientResponseError as error:
            failure = self._failure(error, request, where, timeout, 0)
            if broken := _BROKEN_STATUS.search(error.message):
                reason = self.secrets.redacted(" ".join(_unescaped(broken[3]).split()))
                head, is_whole = replace(head, status=int(broken[2]), reason=reason), True
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            received = 0 if body is None else body.received
            failure = self._failure(error, request, where, timeout, received)
        finally:
            del response  # a traceback would show it, with its headers
            for listen in listeners:
                listen(replace(head, body=heard.getvalue()), is_whole)
        if head.status and is_whole:
            yield head
            return
        assert failure is not None
        raise failure

    def _failure(
        self, error: BaseException, request: HttpRequest, where: str, timeout: aiohttp.ClientTimeout, received: int
    ) -> NetworkError:
        """The error of ours for one of aiohttp's; keeps its class name and text, drops its frames."""
        hint, is_https = request.hint, request.url.startswith("https:")
        secrets, proxy = self.secrets, self._proxy
        found = type(error).__name__
        # The texts of these hold what came: the beginning of an answer, with its headers.
        if str(error) and not isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientResponseError):
            found += f": {in_short(secrets.redacted(_ITS_TLS.sub('', str(error))))}"
        may_be = lost_connection_hint(is_https=is_https) if proxy is None else f"; {proxy.advice}"
        if proxy is not None:
            if isinstance(error, aiohttp.ClientHttpProxyError):
                found = f"it answers HTTP {error.status} and says {in_short(secrets.redacted(error.message))!r}"
            if isinstance(error, _OF_PROXY):
                # One that restarts is waited for; a name that nobody knows, and its refusal, do not pass.
                kind = NotConnectedError if isinstance(error, aiohttp.ClientProxyConnectionError) else NetworkError
                return kind(f"{where}: {proxy} cannot be used ({found}); {proxy.advice}")
            where += f" through {proxy}"
        unused = Proxy.unused(request.url) if hint and proxy is None else ""  # where nothing was ever answered
        if isinstance(error, TimeoutError):
            less = {
                "login": "",
                "hisWrite": "write less at once, or ",
                "hisRead": "ask for less at once, as his_read(..., chunk='1D', limit_rows=10_000) does, or ",
            }.get(where.split()[0], "ask for less at once, or ")
            return RequestTimeoutError(f"{where}: {_within(error, timeout)}; {less}give a longer timeout={unused}")
        if isinstance(error, aiohttp.ClientPayloadError):
            return TruncatedBodyError(
                f"{where}: the body broke off after {received} bytes ({found}); nothing is returned"
            )
        is_connecting = isinstance(error, aiohttp.ClientConnectorError)
        if what := tls_failure(error, is_connecting=is_connecting):
            return NetworkError(f"{where}: {secrets.redacted(what)}")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return NetworkError(f"{where}: no host has that name ({found}){hint}{unused}")
        if isinstance(error, aiohttp.ClientConnectorError) and is_https and isinstance(error.os_error, _BREAKS_TLS):
            return NotConnectedError(
                f"{where}: the connection broke while TLS began ({type(error.os_error).__name__})"
                f"{may_be}; or the server's TLS is older than 1.2"
            )
        if isinstance(error, aiohttp.ClientConnectorError):
            return NotConnectedError(f"{where}: nothing answers there ({found}); is the server running?{hint}{unused}")
        if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
            may_be = may_be if hint else ""
            return ConnectionLostError(f"{where}: the connection broke before the answer was there ({found}){may_be}")
        if isinstance(error, aiohttp.ClientResponseError):
            says = _SAYS.match(error.message)[0].strip()  # type: ignore[index]  # it matches everywhere
            if says.startswith("Got more than"):
                return NetworkError(
                    f"{where}: a header or the first line of the answer is longer than the {_HEADER_BYTES:,} bytes "
                    "that are read; see what writes it, the server or a proxy before it, and have it shortened there"
                )
            may_be = "" if is_https and proxy is None else may_be
            return NetworkError(f"{where}: what answers there is not valid HTTP ({found}: {says}){may_be}")
        return NetworkError(f"{where}: the request failed ({found})")


def _text(raw: bytes) -> str:
    # Servers write non-ASCII reasons and names in UTF-8, or as they write a body; the rest is ASCII.
    try:
        return text_of(raw, "")
    except CodecError:
        return raw.decode("utf-8", "replace")


def _unescaped(shown: str) -> str:
    """The text of bytes as Python shows them."""
    return _text(shown.encode("latin-1", "replace").decode("unicode_escape").encode("latin-1", "replace"))


def _timeout_of(timeout: aiohttp.ClientTimeout | Duration | float | None) -> aiohttp.ClientTimeout:
    if isinstance(timeout, aiohttp.ClientTimeout):
        return timeout
    total_s = DEFAULT_TIMEOUT_S if timeout is None else duration_us(timeout, "timeout", plain="s") / SECOND_US
    return aiohttp.ClientTimeout(total=total_s)


def _within(error: BaseException, timeout: aiohttp.ClientTimeout) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        seconds, what = timeout.sock_connect or timeout.connect, "no connection was made"
    elif isinstance(error, aiohttp.SocketTimeoutError):
        seconds, what = timeout.sock_read, "nothing more was received"
    else:
        seconds, what = None, "there was no whole answer"
    seconds = timeout.total if seconds is None else seconds
    limit = "the time-out" if seconds is None else f"{seconds:g} s"
    return f"{what} within {limit}"
