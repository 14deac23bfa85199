"""One op, from request grid to answer grid: login, HTTP method, retries, decoding, one log line.

What may be sent again is decided here and nowhere else:

- The session is lost (401, 403, a login page): the server did not run the op, so any op is sent again, once, after one
  new login for all calls that wait.
- The connection broke, and nobody knows whether the op ran: only ops that can be repeated are sent again
  (:class:`hsframe.protocol.request_grids.Op`), at most twice.
- The server is busy (429, 503) and asks for a short wait: again after it, at most twice.
- The server takes the op by another HTTP method (405), or reads nothing but Zinc (415): again in that way.

For a streamed answer only a lost session is retried. The next poll of a watch is another request, not
a retry; so is the second form of an op whose first was refused, as ``eval`` where there is no ``evalAll``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

from hsframe.client.decoding import Decoder
from hsframe.client.login_session import LoginSession
from hsframe.client.request_log import LoggedRequest, logged
from hsframe.client.transport import Transport
from hsframe.codecs import encode
from hsframe.codecs.formats import mime_of
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import AuthError, CallError, HsFrameError, NetworkError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import check_answer
from hsframe.protocol.dialects import Method, remembered
from hsframe.protocol.http import (
    ConnectionLostError,
    HttpAnswer,
    HttpRequest,
    TruncatedBodyError,
    http_failure,
    is_html,
    login_page,
    looks_like_grid,
    retry_after_s,
    status_advice,
)
from hsframe.protocol.login_steps import Credentials, LoginResult
from hsframe.protocol.request_grids import OPS, Op, ids_of, query_of

__all__ = ["RequestSender"]

_ZINC: Final = mime_of("zinc")
_RETRIES: Final = 2
_FIRST_PAUSE_S: Final = 0.1
# A longer wait that a server asks for is left to the caller, who sees the seconds in the error.
_LONGEST_WAIT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 5.0
# An error grid or a page is recognized by the beginning of an answer, before anything is given out.
_PEEK_BYTES: Final = 1 << 12
_END_BYTES: Final = 16


class RequestSender:
    """Sends the requests of one client, which share the connection pool, the login and the dialect.

    `base` is the API's uri without a trailing slash, `mime` the wire format of requests and answers. The dialect is
    shared with the other clients of this uri.
    """

    def __init__(self, transport: Transport, base: str, credentials: Credentials, mime: str) -> None:
        self.base = base
        self.mime = mime
        self.caller = "Client"  # as its user calls what sends these calls
        self.dialect = remembered(base)
        self.decoder = Decoder(base, mime, self.dialect, transport.limits)
        self._transport = transport
        self._session = LoginSession(transport, base, credentials, self.dialect, mime)

    def url(self, op: str) -> str:
        """The address of an op."""
        return f"{self.base}/{op}"

    async def call(self, op: Op, request: Grid, *, limit: int | None = None) -> Grid:
        """Send a request grid, give the answer grid; raises as :class:`hsframe.Client` says.

        The ids in the request are those that an error grid may call unknown; `limit` is the one in the request.
        """
        ids = ids_of(request)
        with logged(op.name, len(ids)) as log:
            answer = await self._exchange(op, request, log)
            grid = await self.decoder.grid(answer, op, logged_in=self._session.logged_in)
            self.dialect.answered = True
            self._check(grid, answer, op, ids, limit)
            return grid

    async def call_all(self, op: Op, request: Grid) -> list[Grid]:
        """Send a request grid, give the grids of an answer that holds several; errors among them are not raised."""
        with logged(op.name) as log:
            answer = await self._exchange(op, request, log)
            grids = await self.decoder.grids(answer, op, logged_in=self._session.logged_in)
            self.dialect.answered = True
            if answer.status != 200:
                self._check(grids[0], answer, op)
            return grids

    async def stream(self, op: Op, request: Grid) -> AsyncGenerator[bytes, None]:
        """Send a request grid, give the body of its answer as it arrives; error grids and pages are raised.

        A connection that breaks later raises too: what was given before is incomplete. The time-out counts from
        one piece to the next. Close the generator (``contextlib.aclosing``) to leave early.
        """
        ids = ids_of(request)
        with logged(op.name, len(ids), unfinished="left early") as log:
            login = await self.log_in()
            line_end = self.dialect.line_end
            for first_try in (True, False):
                http = self._http(op.name, request, login, self._method(op, request))
                async with aclosing(self._transport.stream(http, unbounded=True)) as parts:
                    head = await _next_head(parts)
                    start, whole = await _peek(parts)
                    answer = replace(head, body=start)
                    if whole or head.status != 200 or is_html(answer) or _may_be_error(start):
                        rest = b"".join([part async for part in parts if isinstance(part, bytes)])
                        answer = replace(head, body=start + rest)
                        if first_try and (again := await self._login_again(answer, login, log)):
                            login = again
                            continue
                        self._check_token(answer, login, op)
                        self._check_end(answer, answer.body, op, line_end)
                        grid = await self.decoder.grid(answer, op, logged_in=self._session.logged_in)
                        self._check(grid, answer, op, ids)
                    log.bytes = len(answer.body)
                    yield answer.body
                    end = answer.body
                    async for part in parts:
                        assert isinstance(part, bytes)
                        log.bytes += len(part)
                        end = end[-_END_BYTES:] + part[-_END_BYTES:]
                        yield part
                    self._check_end(answer, end, op, line_end)
                    return

    async def end(self) -> None:
        """Send the op ``close`` if a login opened a session on the server; failures are only logged."""
        login = self._session.forget()
        if login is None or not login.on_server:
            return
        op = OPS["close"]
        with suppress(HsFrameError), logged(op.name) as log:
            answer = await self._send(op, Grid(), login, log, timeout_s=_CLOSE_TIMEOUT_S)
            if answer.status != 200:
                log.outcome = f"HTTP {answer.status}"

    async def log_in(self) -> LoginResult:
        """The current login; logs in if there was none yet."""
        self.check_loop()
        if not self._transport.is_open:
            raise NetworkError(
                f"the {self.caller} of {self.base} is not open; use it inside 'async with {self.caller}(...) as ...:', "
                f"or await its __aenter__() first; a closed {self.caller} stays closed"
            )
        return await self._session.current()

    def check_loop(self) -> None:
        """Refuse a call from another event loop than that of the connections, where some calls would hang."""
        loop = self._transport.loop
        if loop is not None and loop is not asyncio.get_running_loop():
            raise HsFrameError(
                f"the {self.caller} of {self.base} belongs to the event loop in which it was opened, which is "
                f"{'closed' if loop.is_closed() else 'another one'}; open one in each loop, by 'async with "
                f"{self.caller}(...) as ...:'; call that of a Session by its run()"
            )

    async def raw_exchange(
        self,
        op: str,
        request: Grid,
        *,
        method: Method = "POST",
        accept: str = "zinc",
        body: str = "zinc",
        login: LoginResult | None = None,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        """One request and its unchecked answer, to examine a server: no other method, no new login, no retry.

        `accept` and `body` are the short names of the formats to answer in and to write the request in.
        """
        login = login or await self.log_in()
        http = self._http(op, request, login, method, accept=mime_of(accept), body_mime=mime_of(body))
        return await self._transport.fetch(http, timeout_s=timeout_s)

    # -- one request ---------------------------------------------------------------------------------------------

    async def _exchange(self, op: Op, request: Grid, log: LoggedRequest) -> HttpAnswer:
        login = await self.log_in()
        answer = await self._send(op, request, login, log)
        if again := await self._login_again(answer, login, log):
            login = again
            answer = await self._send(op, request, login, log)
        self._check_token(answer, login, op)
        log.bytes = len(answer.body)
        return answer

    def _check_token(self, answer: HttpAnswer, login: LoginResult, op: Op) -> None:
        refused = answer.status in (401, 403) or login_page(answer)
        if refused and login.scheme == "bearer" and not looks_like_grid(answer):
            failure = http_failure(answer, op.name, self.url(op.name), logged_in=True)
            raise AuthError(f"the token is not accepted: {failure}")

    def _check_end(self, answer: HttpAnswer, end: bytes, op: Op, line_end: bool | None) -> None:
        if not self.dialect.takes_end(answer, end[-_END_BYTES:], line_end):
            raise TruncatedBodyError(
                f"{op.name} at {self.url(op.name)}: the body may be cut: it ends with the connection, and not as its "
                "format does; nothing is returned. If the server always ends its Zinc so, ask again"
            )

    def _check(self, grid: Grid, answer: HttpAnswer, op: Op, ids: Sequence[Ref] = (), limit: int | None = None) -> None:
        try:
            check_answer(grid, op.name, self.url(op.name), ids, limit)
        except CallError as error:
            if answer.status != 200:
                advice = status_advice(answer, op.name)
                error.args = (f"{error} (HTTP {answer.status}{': ' + advice if advice else ''})",)
            raise

    async def _login_again(self, answer: HttpAnswer, login: LoginResult, log: LoggedRequest) -> LoginResult | None:
        """A new login to send the same request with, if the answer means that the session is lost."""
        if not self._session.is_lost(login, answer):
            return None
        log.retries += 1
        return await self._session.renew(login)

    async def _send(
        self, op: Op, request: Grid, login: LoginResult, log: LoggedRequest, timeout_s: float | None = None
    ) -> HttpAnswer:
        """Send, and send again where that is harmless; another method after 405."""
        method = self._method(op, request)
        line_end = self.dialect.line_end
        method_changed = False
        retries = 0
        while True:
            pause_s: float | None = None
            failure: ConnectionLostError | None = None
            http = self._http(op.name, request, login, method)
            try:
                answer = await self._transport.fetch(http, timeout_s=timeout_s)
                self._check_end(answer, answer.body, op, line_end)
            except ConnectionLostError as error:
                failure = error
                if op.repeatable:
                    pause_s = _FIRST_PAUSE_S * 2**retries
            else:
                if answer.status == 405 and not method_changed and self._has_other_method(op, request, method):
                    method, method_changed = self.dialect.switch_method(op, method), True
                    continue
                if answer.status == 415 and method == "POST" and self._body_mime != _ZINC:
                    self.dialect.zinc_requests = True
                    continue
                if answer.status == 413 and op.name == "hisWrite":  # elsewhere it is the answer that is too large
                    self.dialect.limit_body(len(http.body or b""))
                if answer.status == 429 or (answer.status == 503 and op.repeatable):
                    pause_s = retry_after_s(answer)
            if pause_s is None or pause_s > _LONGEST_WAIT_S or retries == _RETRIES:
                if failure is not None:
                    raise failure
                return answer
            retries += 1
            log.retries += 1
            await asyncio.sleep(pause_s)

    def _method(self, op: Op, request: Grid) -> Method:
        method = self.dialect.method(op, has_arguments=bool(request.cols or request.meta))
        return "POST" if query_of(request) is None else method

    def _has_other_method(self, op: Op, request: Grid, refused: Method) -> bool:
        if refused == "GET":
            return True
        # haystack-py serves close by GET alone; an op with arguments goes by GET if the standard allows it.
        return query_of(request) is not None and (op.get or not request.cols)

    def _http(
        self, op: str, request: Grid, login: LoginResult, method: Method, *, accept: str = "", body_mime: str = ""
    ) -> HttpRequest:
        headers = {**login.headers, "Accept": accept or self.mime}
        if method == "GET":
            cells = query_of(request) or {}
            params = {name: write_value(value) for name, value in cells.items()}
            return HttpRequest(method, self.url(op), op, headers, params)
        headers["Content-Type"] = body_mime or self._body_mime
        return HttpRequest(method, self.url(op), op, headers, body=encode(request, headers["Content-Type"]))

    @property
    def _body_mime(self) -> str:
        return _ZINC if self.dialect.zinc_requests else self.mime


async def _next_head(parts: AsyncIterator[HttpAnswer | bytes]) -> HttpAnswer:
    head = await anext(parts)
    assert isinstance(head, HttpAnswer)
    return head


async def _peek(parts: AsyncIterator[HttpAnswer | bytes]) -> tuple[bytes, bool]:
    """The first bytes of a body, and whether that is all of it."""
    start = b""
    async for part in parts:
        assert isinstance(part, bytes)
        start += part
        if len(start) >= _PEEK_BYTES:
            return start, False
    return start, True


def _may_be_error(start: bytes) -> bool:
    """Whether a body's first bytes may name a tag of an error: then the body is read whole and checked first."""
    # Zinc has the grid's tags in its first line; JSON has them before the rows or, rarely, after them: not found there.
    where = start.split(b"\n", 1)[0] if start.startswith(b"ver:") else start
    return b"err" in where or b"incomplete" in where or b"more" in where
