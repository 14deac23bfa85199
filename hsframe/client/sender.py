"""One op, from request grid to answer grid: login, HTTP method, formats, decoding, one log line.

What may be sent again after which failure is decided by :mod:`hsframe.client.retries`. Here are the cases in which the
server has refused the request before it ran the op, so that any op is sent again:

- The session is lost (401, 403, a login page): once, after one new login for all calls that wait.
- The server takes the op by another HTTP method (405), does not read this format (415, 400), or knows JSON by its plain
  name only (406): in that way, which is remembered. So it is with the version of the protocol, unless one was given.

Of a streamed answer this holds until its first rows are given out. The next poll of a watch is another request, not a
retry; so is the second form of an op whose first was refused, as ``eval`` where there is no ``evalAll``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

from hsframe.client.decoding import Decoder
from hsframe.client.login_session import LoginSession
from hsframe.client.request_log import LoggedRequest, logged
from hsframe.client.retries import Patience, Retries
from hsframe.client.transport import Transport
from hsframe.codecs import encode
from hsframe.codecs.formats import mime_of
from hsframe.errors import CallError, HsFrameError, NetworkError, TruncatedBodyError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import check_answer
from hsframe.protocol.dialects import Method, remembered
from hsframe.protocol.http import HttpAnswer, HttpRequest
from hsframe.protocol.login_steps import Credentials, LoginResult
from hsframe.protocol.request_grids import OPS, Op, ids_of, query_of
from hsframe.protocol.version5 import (
    HEADER,
    JSON,
    Args,
    Version,
    VersionSetting,
    Wire,
    as_version4,
    other_version,
    wire_of,
)

_ZINC: Final = mime_of("zinc")
# A server that does not answer must not hold up a script at its end; it ends the session by itself.
_CLOSE_TIMEOUT_S: Final = 2.0
# An error grid or a page is recognized by the beginning of an answer, before anything is given out.
_PEEK_BYTES: Final = 1 << 12
_END_BYTES: Final = 16

Fetch: TypeAlias = Callable[[HttpRequest], Awaitable[HttpAnswer]]


class RequestSender:
    """Sends the requests of one client, which share the connection pool, the login and the dialect of its uri."""

    def __init__(
        self,
        transport: Transport,
        base: str,
        credentials: Credentials,
        mime: str,
        retries: Retries,
        version: VersionSetting = "auto",
    ) -> None:
        self.base = base
        self.mime = mime
        self.retries = retries
        retries.secrets = transport.secrets
        self.caller = "Client"  # as its user calls what sends these calls
        self.dialect = remembered(base)
        self.decoder = Decoder(base, mime, self.dialect, transport.limits, transport.secrets)
        self._transport = transport
        self._version = version
        self._session = LoginSession(transport, base, credentials, _ZINC, self.dialect)

    @property
    def version(self) -> Version:
        """The version of the protocol that the next request speaks."""
        return self.dialect.version if self._version == "auto" else self._version

    def note_versions(self, spoken: object) -> None:
        """Of the versions that a server says that it speaks, take 5 where it does not name 4."""
        if isinstance(spoken, list) and {"4", "5"} & {*map(str, spoken)} == {"5"}:
            self.dialect.version = 5

    def url(self, op: str) -> str:
        return f"{self.base}/{op}"

    async def call(self, op: Op, request: Grid, patience: Patience | None = None, *, limit: int | None = None) -> Grid:
        """Send a request grid, which may have a `limit`, give the answer; errors as :class:`hsframe.Client` has."""
        ids = ids_of(request)
        with self._logged(op, len(ids), patience) as (log, patience):
            started_s = time.perf_counter()
            answer = await self._exchange(op, request, log, patience)
            self.dialect.quickest_s = min(self.dialect.quickest_s, time.perf_counter() - started_s)
            grid = await self.decoder.grid(answer, op)
            self.dialect.answered = True
            self._check(grid, answer, op, ids, limit)
            return as_version4(op.name, request, grid) if HEADER in answer.request.headers else grid

    async def call_all(self, op: Op, request: Grid) -> list[Grid]:
        """Send a request grid, give the grids of an answer that holds several; errors among them are not raised."""
        with self._logged(op) as (log, patience):
            answer = await self._exchange(op, request, log, patience)
            grids = await self.decoder.grids(answer, op)
            self.dialect.answered = True
            if answer.status != 200:
                self._check(grids[0], answer, op)
            return grids

    async def value(self, op: Op, args: Args, read: Callable[[bytes], Any] | None = None) -> Any:
        """Send arguments by name; gives the value of the answer in version 5, and in 4 its grid.

        The value is read from Jeto, unless `read` says otherwise.
        """
        with self._logged(op) as (log, patience):
            answer = await self._exchange(op, args, log, patience)
            if HEADER in answer.request.headers and answer.status in (200, 204) and not answer.err_name:
                value = None if answer.status == 204 else await self.decoder.value(answer, op, read)
                if isinstance(value, Grid):
                    value = self.decoder.secrets.redacted_error(value)
                    self._check(value, answer, op)
                return value
            grid = await self.decoder.grid(answer, op)
            self._check(grid, answer, op)
            return grid

    async def stream(self, op: Op, request: Grid) -> AsyncGenerator[bytes, None]:
        """Send a request grid, give the body of its answer as it arrives; error grids and pages are raised.

        A connection that breaks later raises too: what was given before is incomplete. The time-out counts from
        one piece to the next. Close the generator (``contextlib.aclosing``) to leave early.
        """
        ids = ids_of(request)
        line_end = self.dialect.line_end
        with self._logged(op, len(ids), unfinished="left early") as (log, patience):
            async with aclosing(_Stream(self._transport)) as stream:
                answer = await self._exchange(op, request, log, patience, stream.begin)
                if stream.is_whole:
                    self._check_end(answer, answer.body, op.name, line_end)
                    grid = await self.decoder.grid(answer, op)
                    self._check(grid, answer, op, ids)
                yield answer.body
                end = answer.body
                while True:
                    async with patience.limited(f"{op.name} at {self.url(op.name)}"):
                        part = await stream.next()
                    if part is None:
                        break
                    log.bytes += len(part)
                    end = end[-_END_BYTES:] + part[-_END_BYTES:]
                    yield part
                self._check_end(answer, end, op.name, line_end)

    async def end(self) -> None:
        """Send the op ``close`` if a login opened a session on the server; failures are only logged."""
        login = self._session.forget()
        if login is None or not login.on_server:
            return
        op = OPS["close"]
        with suppress(HsFrameError), logged(op.name) as log:
            answer = await self._send(op, Grid(), login, partial(self._transport.fetch, timeout_s=_CLOSE_TIMEOUT_S))
            if answer.status != 200:
                log.outcome = f"HTTP {answer.status}"

    def expect_scram(self) -> None:
        """Let nothing answer that logs in by less than SCRAM, as if this had been done before."""
        self._session.expect_scram()

    async def log_in(self, patience: Patience | None = None, op: str = "") -> LoginResult:
        """The current login, for an op; logs in if there was none yet."""
        self.check_loop()
        if not self._transport.is_open:
            raise NetworkError(
                f"the {self.caller} of {self.base} is not open; use it inside 'async with {self.caller}(...) as ...:', "
                f"or await its __aenter__() first; a closed {self.caller} stays closed"
            )
        with self._transport.secrets.out_of_errors():
            return await self._session.current(patience or self.retries.patience(), op)

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
        log: LoggedRequest | None = None,
    ) -> HttpAnswer:
        """One request and its unchecked answer, to examine a server: no other method, no new login.

        It is sent again only where the server is busy; `log` counts that. `accept` and `body` are the formats to answer
        in and to write the request in: short names, or `JSON`.
        """
        login = login or await self.log_in()
        accept = accept if accept == JSON else mime_of(accept)
        wire = wire_of(op, request, self.version)
        http = self._http(op, wire, login, method, accept=accept, body_mime=mime_of(body))
        send = partial(self._transport.fetch, http, timeout_s=timeout_s)
        reading = Op(op, get=True, repeatable=True)
        with self._transport.secrets.out_of_errors():
            return await self.retries.patience().answer(reading, send, log or LoggedRequest(), if_busy=True)

    @contextmanager
    def _logged(
        self, op: Op, points: int = 0, patience: Patience | None = None, *, unfinished: str = "cancelled"
    ) -> Iterator[tuple[LoggedRequest, Patience]]:
        """One log line; an error says whether others would fail too."""
        patience = patience or self.retries.patience()
        with self._transport.secrets.out_of_errors(), logged(op.name, points, unfinished=unfinished) as log:
            try:
                yield log, patience
            except NetworkError as error:
                error.is_final |= patience.is_down
                raise
            finally:
                patience.requests += 1 + log.retries
                patience.bytes += log.bytes

    async def _exchange(
        self, op: Op, request: Grid | Args, log: LoggedRequest, patience: Patience, fetch: Fetch | None = None
    ) -> HttpAnswer:
        splits = op.name == "hisRead" and self.retries.splits()
        # What is known before: an answer that is cut at the same place each time does not show how the server writes.
        plain_fetch = partial(self._fetch, self.dialect.line_end)
        fetch = fetch or plain_fetch
        async with patience.limited(f"{op.name} at {self.url(op.name)}"):
            login, is_new = await self.log_in(patience, op.name), False
            while True:
                send = partial(self._send, op, request, login, fetch)
                about = partial(self._send, OPS["about"], Grid(), login, plain_fetch)
                answer = await patience.answer(op, send, log, about if splits else None)
                failure = await self._session.refusal(login, answer, about, patience)
                if is_new or not self._session.is_lost(login, answer):
                    break
                log.retries += 1
                login, is_new = await self._session.renew(login, patience, op.name), True
        if failure is not None:
            raise failure
        self._session.note_acceptance(login, answer)
        log.bytes = len(answer.body)
        return answer

    def _check_end(self, answer: HttpAnswer, end: bytes, op: str, line_end: bool | None) -> None:
        if not self.dialect.takes_end(answer, end[-_END_BYTES:], line_end):
            raise TruncatedBodyError(
                f"{op} at {self.url(op)}: the body may be cut: it ends with the connection, and not as its "
                "format does; nothing is returned. If the server always ends its Zinc so, ask again"
            )

    def _check(self, grid: Grid, answer: HttpAnswer, op: Op, ids: Sequence[Ref] = (), limit: int | None = None) -> None:
        try:
            check_answer(grid, op.name, self.url(op.name), ids, limit)
        except CallError as error:
            if answer.status != 200:
                advice = "" if answer.err_name else answer.advice
                error.args = (f"{error} (HTTP {answer.status}{': ' + advice if advice else ''})",)
            raise

    async def _fetch(self, line_end: bool | None, http: HttpRequest) -> HttpAnswer:
        answer = await self._transport.fetch(http)
        self._check_end(answer, answer.body, http.op, line_end)
        return answer

    async def _send(
        self, op: Op, request: Grid | Args, login: LoginResult, fetch: Fetch, *, version_changed: bool = False
    ) -> HttpAnswer:
        """Send, and send again where the server refused the version, the method or the format."""
        wire = wire_of(op.name, request, self.version)
        query = None if wire.is_whole or wire.args else query_of(wire.grid)
        method = self.dialect.method(op, has_arguments=wire.has_arguments)
        method, method_changed = "POST" if query is None else method, False
        while True:
            http = self._http(op.name, wire, login, method)
            answer = await fetch(http)
            if self._version == "auto" and not version_changed and (other := other_version(answer)):
                self.dialect.version = other
                if answer.is_grid and wire_of(op.name, request, other) == replace(wire, version=other, is_whole=False):
                    # The server is older than versions, and has run the op: it is asked so in version 4.
                    headers = {name: value for name, value in http.headers.items() if name != HEADER}
                    return replace(answer, request=replace(http, headers=headers))
                return await self._send(op, request, login, fetch, version_changed=True)
            status = answer.meant_status if answer.error_grid is None else 200
            is_json = wire.args is None and http.headers.get("Content-Type", _ZINC) != _ZINC
            # haystack-py serves close by GET alone; an op with arguments goes by GET if the standard allows it.
            may_be_got = query is not None and (op.get or not wire.has_arguments)
            if status == 405 and not method_changed and (method == "GET" or may_be_got):
                method, method_changed = self.dialect.switch_method(op, method), True
            elif is_json and (
                # The format may be why it is refused; where it was read before, a 400 is another's.
                status in (406, 415) or (status == 400 and self.dialect.zinc_requests is None)
            ):
                self.dialect.zinc_requests = True
                self.dialect.plain_json |= status == 406
            elif status == 406 and wire.version == 4 and http.headers["Accept"] not in (_ZINC, JSON):
                self.dialect.plain_json = True
            else:
                if is_json and answer.status == 200 and self.dialect.zinc_requests is None:
                    self.dialect.zinc_requests = False
                if status == 413 and op.name == "hisWrite":  # elsewhere it is the answer that is too large
                    self.dialect.limit_body(len(http.body or b""))
                return answer

    def _http(
        self, op: str, wire: Wire, login: LoginResult, method: Method, *, accept: str = "", body_mime: str = ""
    ) -> HttpRequest:
        # JSON by its plain name is another one in version 5.
        plain = self.dialect.plain_json and self.mime != _ZINC and wire.version == 4
        headers = {**login.headers, "Accept": accept or wire.accept or (JSON if plain else self.mime)}
        if wire.version == 5:
            headers[HEADER] = "5"
        body, params, hint = wire.body, None, self.dialect.uri_hint
        if method == "GET":
            body, params = None, wire.params
        elif body is not None:
            headers["Content-Type"] = JSON
        else:
            headers["Content-Type"] = body_mime or (_ZINC if self.dialect.zinc_requests else self.mime)
            body = encode(wire.grid, headers["Content-Type"])
        return HttpRequest(method, self.url(wire.name), op, headers, params, body, hint)


class _Stream:
    """An answer whose first bytes are looked at before any are given out; the request may be sent again until then."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._parts: AsyncGenerator[HttpAnswer | bytes, None] | None = None
        self.is_whole = False

    async def begin(self, request: HttpRequest) -> HttpAnswer:
        """Send a request; gives the answer with its first bytes, or whole where it may be an error."""
        await self.aclose()
        self._parts = self._transport.stream(request, unbounded=True)
        head = await anext(self._parts)
        assert isinstance(head, HttpAnswer)
        start, self.is_whole = b"", False
        while not self.is_whole and len(start) < _PEEK_BYTES:
            start += (part := await self.next()) or b""
            self.is_whole = part is None
        answer = replace(head, body=start)
        if head.status != 200 or answer.is_html or _may_be_error(start):
            self.is_whole = True
            return replace(head, body=start + b"".join([part async for part in self._parts if isinstance(part, bytes)]))
        return answer

    async def next(self) -> bytes | None:
        assert self._parts is not None
        part = await anext(self._parts, None)
        assert not isinstance(part, HttpAnswer)
        return part

    async def aclose(self) -> None:
        if self._parts is not None:
            await self._parts.aclose()


def _may_be_error(start: bytes) -> bool:
    """Whether a body's first bytes may name a tag of an error: then the body is read whole and checked first."""
    # Zinc has the grid's tags in its first line; JSON has them before the rows or, rarely, after them: not found there.
    where = start.split(b"\n", 1)[0] if start.startswith(b"ver:") else start
    return b"err" in where or b"incomplete" in where or b"more" in where
