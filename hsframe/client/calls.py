"""One op, from request grid to answer grid: login when needed, the method that the server takes, repeats, one log line.

What may be sent twice is decided here and nowhere else. After a lost session (401, 403, a login page) the server did
not run the op, so any op is repeated, once, after one new login for all who wait. After a broken line nobody knows, so
only ops that can be repeated are (:class:`hsframe.protocol.request_grids.Op`), at most twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from hsframe.client.in_thread import in_thread
from hsframe.client.logins import Logins
from hsframe.client.request_log import Tally
from hsframe.client.transport import Transport
from hsframe.codecs import decode, encode, mime_of, short_of
from hsframe.errors import AuthError, CodecError, HsFrameError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import check_answer
from hsframe.protocol.dialects import Method, remembered
from hsframe.protocol.http import (
    URI_HINT,
    HttpAnswer,
    LineCutError,
    http_failure,
    is_html,
    is_other_json,
    is_page_or_json,
    looks_like_grid,
    retry_after_s,
)
from hsframe.protocol.login import AuthScheme, Credentials, Session
from hsframe.protocol.request_grids import OPS, Op, query_of

__all__ = ["Calls"]

_ZINC: Final = mime_of("zinc")
_REPEATS: Final = 2
_FIRST_PAUSE_S: Final = 0.1
# A server that asks for a longer wait gets its answer from the caller, who sees the seconds in the error.
_LONGEST_WAIT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 5.0
# Above this a body is decoded in a thread, so that the event loop goes on with other requests.
_THREAD_BYTES: Final = 1 << 20
# A streamed answer is looked at before the first bytes go out: an error grid or a page shows here.
_PEEK_BYTES: Final = 1 << 12
_SHOWN_BYTES: Final = 60


class Calls:
    """The calls of one client: they share the connection pool, the session and what is known of the server.

    Parameters
    ----------
    transport : Transport
    base : str
        The API's uri without a trailing slash.
    credentials : Credentials
        Kept, because a lost session logs in again.
    auth, cleartext_allowed
        As :func:`hsframe.protocol.login.login`.
    format : str
        Short name of the wire format of requests and answers.

    Attributes
    ----------
    dialect : Dialect
        Shared with the other clients of this uri.
    """

    def __init__(
        self,
        transport: Transport,
        base: str,
        credentials: Credentials,
        *,
        auth: AuthScheme,
        cleartext_allowed: bool,
        format: str,
    ) -> None:
        self.dialect = remembered(base)
        self.base = base
        self.mime = mime_of(format)
        self._transport = transport
        self._decoding = asyncio.Lock()
        self._logins = Logins(
            transport, base, credentials, self.dialect, auth=auth, cleartext_allowed=cleartext_allowed, accept=self.mime
        )

    def url(self, op: str) -> str:
        """The address of an op."""
        return f"{self.base}/{op}"

    async def call(
        self, op: Op, request: Grid, *, ids: Iterable[Ref] = (), limit: int | None = None, points: int = 0
    ) -> Grid:
        """Send a request grid, give the answer grid.

        Parameters
        ----------
        op : Op
        request : Grid
        ids : iterable of Ref
            What is asked for, to name what is unknown.
        limit : int, optional
            The limit that the request has.
        points : int
            For the log line.

        Raises
        ------
        AuthError, NetworkError, CallError, CodecError
            As :class:`hsframe.Client` says.
        """
        tally = Tally(op.name, points)
        outcome = "cancelled"
        try:
            answer = await self._exchange(op, request, tally)
            tally.bytes = len(answer.body)
            grid = await self._grid_of(answer, op)
            self.dialect.answered = True
            check_answer(grid, op.name, self.url(op.name), ids, limit)
            outcome = "ok"
            return grid
        except HsFrameError as error:
            outcome = type(error).__name__
            raise
        finally:
            tally.log(outcome)

    async def call_all(self, op: Op, request: Grid) -> list[Grid]:
        """Send a request grid, give the grids of an answer that holds several; errors among them are not raised.

        Raises
        ------
        AuthError, NetworkError, CodecError
            As :class:`hsframe.Client` says.
        """
        tally = Tally(op.name)
        outcome = "cancelled"
        try:
            answer = await self._exchange(op, request, tally)
            tally.bytes = len(answer.body)
            grids = await self._grids_of(answer, op)
            self.dialect.answered = True
            outcome = "ok"
            return grids
        except HsFrameError as error:
            outcome = type(error).__name__
            raise
        finally:
            tally.log(outcome)

    async def stream(
        self, op: Op, request: Grid, *, ids: Iterable[Ref] = (), points: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Send a request grid, give the body of its answer as it arrives; error grids and pages are raised.

        A line that breaks later raises too: what was given until then is not the whole. Nothing is repeated but a
        login. The time-out counts from one piece to the next. Close the generator (``contextlib.aclosing``) to leave
        early.
        """
        tally = Tally(op.name, points)
        outcome = "left early"
        try:
            session = await self._logins.now()
            for last_try in (False, True):
                async with aclosing(self._open(op, request, session)) as parts:
                    head = await _next_head(parts)
                    start, whole = await _peek(parts)
                    answer = replace(head, body=start)
                    if whole or head.status != 200 or is_html(answer) or _may_be_error(start):
                        answer = replace(
                            head, body=start + b"".join([part async for part in parts if isinstance(part, bytes)])
                        )
                        if not last_try and self._logins.lost(answer, session):
                            tally.retries += 1
                            session = await self._logins.after(session)
                            continue
                        check_answer(await self._grid_of(answer, op), op.name, self.url(op.name), ids)
                        start = answer.body
                    tally.bytes = len(start)
                    yield start
                    async for part in parts:
                        assert isinstance(part, bytes)
                        tally.bytes += len(part)
                        yield part
                    outcome = "ok"
                    return
        except HsFrameError as error:
            outcome = type(error).__name__
            raise
        finally:
            tally.log(outcome)

    async def end(self) -> None:
        """Send the op ``close`` if a login opened a session on the server; what goes wrong is logged only."""
        session = self._logins.forget()
        if session is None or not session.on_server:
            return
        op = OPS["close"]
        tally = Tally(op.name)
        outcome = "cancelled"
        try:
            answer = await self._send(op, Grid(), session, tally, timeout_s=_CLOSE_TIMEOUT_S)
            outcome = "ok" if answer.status == 200 else f"HTTP {answer.status}"
        except HsFrameError as error:
            outcome = type(error).__name__
        finally:
            tally.log(outcome)

    async def session(self) -> Session:
        """The session that requests carry; logs in if there is none."""
        return await self._logins.now()

    async def probe(
        self,
        op: str,
        request: Grid,
        *,
        method: Method = "POST",
        accept: str = "zinc",
        body: str = "zinc",
        session: Session | None = None,
        timeout_s: float | None = None,
    ) -> HttpAnswer:
        """One exchange as it is, for a look at the server: no other method, no new login, no repeat, no check.

        Parameters
        ----------
        op : str
            By its wire name.
        accept, body : str
            Short names of the formats to answer in, and to write the request in.
        session : Session, optional
            In place of the current one.
        """
        session = session or await self._logins.now()
        mime = mime_of(accept)
        http: dict[str, Any] = {"headers": {**session.headers, "Accept": mime}}
        if method == "GET":
            http["params"] = _query_texts(query_of(request) or {})
        else:
            http["headers"]["Content-Type"] = mime_of(body)
            http["body"] = encode(request, mime_of(body))
        return await self._transport.fetch(method, self.url(op), op=op, timeout_s=timeout_s, **http)

    # -- one request ---------------------------------------------------------------------------------------------

    async def _exchange(self, op: Op, request: Grid, tally: Tally) -> HttpAnswer:
        session = await self._logins.now()
        answer = await self._send(op, request, session, tally)
        if self._logins.lost(answer, session):
            tally.retries += 1
            session = await self._logins.after(session)
            answer = await self._send(op, request, session, tally)
        if answer.status == 403 and session.scheme == "bearer" and not looks_like_grid(answer):
            failure = http_failure(answer, op.name, self.url(op.name), logged_in=True)
            raise AuthError(f"the token is not accepted: {failure}")
        return answer

    async def _send(
        self, op: Op, request: Grid, session: Session, tally: Tally, timeout_s: float | None = None
    ) -> HttpAnswer:
        """Send, and send again where that is harmless; another method after 405."""
        method = self._method(op, request)
        method_changed = False
        repeats = 0
        while True:
            pause_s: float | None = None
            failure: LineCutError | None = None
            http = self._http(op, request, session, method)
            try:
                answer = await self._transport.fetch(**http, timeout_s=timeout_s)
            except LineCutError as error:
                failure = error
                if op.repeatable:
                    pause_s = _FIRST_PAUSE_S * 2**repeats
            else:
                if answer.status == 405 and not method_changed and self._has_other_method(op, request, method):
                    method, method_changed = self.dialect.other(op, method), True
                    continue
                if answer.status == 415 and method == "POST" and self._body_mime != _ZINC:
                    self.dialect.zinc_requests = True
                    continue
                if answer.status == 413 and op.name == "hisWrite":  # elsewhere it is the answer that is too large
                    self.dialect.too_long(len(http.get("body", b"")))
                if answer.status == 429 or (answer.status == 503 and op.repeatable):
                    pause_s = retry_after_s(answer)
            if pause_s is None or pause_s > _LONGEST_WAIT_S or repeats == _REPEATS:
                if failure is not None:
                    raise failure
                return answer
            repeats += 1
            tally.retries += 1
            await asyncio.sleep(pause_s)

    def _method(self, op: Op, request: Grid) -> Method:
        method = self.dialect.method(op, has_arguments=bool(request.cols or request.meta))
        return "POST" if query_of(request) is None else method

    def _has_other_method(self, op: Op, request: Grid, refused: Method) -> bool:
        if refused == "GET":
            return True
        # haystack-py serves close by GET alone; an op with arguments goes by GET if the standard allows it.
        return query_of(request) is not None and (op.get or not request.cols)

    def _http(self, op: Op, request: Grid, session: Session, method: Method) -> dict[str, Any]:
        """The arguments of :meth:`Transport.fetch` for a request grid."""
        headers = {**session.headers, "Accept": self.mime}
        arguments: dict[str, Any] = {"method": method, "url": self.url(op.name), "op": op.name, "headers": headers}
        if method == "GET":
            arguments["params"] = _query_texts(query_of(request) or {})
        else:
            headers["Content-Type"] = self._body_mime
            arguments["body"] = encode(request, self._body_mime)
        return arguments

    @property
    def _body_mime(self) -> str:
        return _ZINC if self.dialect.zinc_requests else self.mime

    def _open(self, op: Op, request: Grid, session: Session) -> AsyncGenerator[HttpAnswer | bytes, None]:
        http = self._http(op, request, session, self._method(op, request))
        return self._transport.stream(**http, unbounded=True)

    async def _grid_of(self, answer: HttpAnswer, op: Op) -> Grid:
        """Decode an answer: an error grid goes before the HTTP code, the code before what else the body is."""
        url = self.url(op.name)
        failure = http_failure(answer, op.name, url, logged_in=self._logins.logged_in)
        if failure is not None and not looks_like_grid(answer):
            if self.dialect.answered and op.name == "read" and answer.status == 404 and not is_page_or_json(answer):
                return Grid()  # WideSky's way to say that nothing was found; a page would be a gateway's
            raise failure
        if answer.status == 204:
            return Grid()
        problem: CodecError | None = None
        grid: Grid | None = None
        try:
            if len(answer.body) > _THREAD_BYTES:
                # One after the other: it is the interpreter's work, and takes several times the body's memory.
                async with self._decoding:
                    grid = await in_thread(decode, answer.body, self._format_of(answer))
            else:
                grid = decode(answer.body, self._format_of(answer))
        except CodecError as error:
            problem = error
        if failure is not None and (grid is None or not grid.is_error):
            raise failure
        if problem is None and is_other_json(answer, op.name):
            start = answer.body[:_SHOWN_BYTES].decode("utf-8", "replace")
            problem = CodecError("a JSON object that is no grid", snippet=start, expected="a grid", source="json")
        if problem is not None:
            raise self.placed(problem, op)
        assert grid is not None
        return grid

    async def _grids_of(self, answer: HttpAnswer, op: Op) -> list[Grid]:
        start = answer.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
        if answer.status != 200 or not start.startswith((b"ver:", b"[")):
            return [await self._grid_of(answer, op)]
        from hsframe.codecs.eval_all import decode_all

        try:
            return await in_thread(decode_all, answer.body, self._format_of(answer))
        except CodecError as error:
            raise self.placed(error, op) from None

    def placed(self, problem: CodecError, op: Op) -> CodecError:
        """The same error, saying which answer it was found in; where none was a grid yet, what a uri looks like."""
        hint = "" if self.dialect.answered else f"; {URI_HINT}"
        return CodecError(
            problem.problem,
            line=problem.line,
            column=problem.column,
            snippet=problem.snippet,
            expected=f"{problem.expected}{hint}",
            source=f"{op.name} at {self.url(op.name)}: {problem.source}",
        )

    def _format_of(self, answer: HttpAnswer) -> str:
        return self.format_of(answer.body[:64], answer.header("Content-Type"))

    def format_of(self, start: bytes, content_type: str = "") -> str:
        """The short name of the format that a body is in, from its first bytes and from what was asked for.

        Servers' Content-Types come last: some call either version of JSON ``application/json``, some call all text.
        """
        start = start[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"ver:"):
            return "zinc"
        if start.startswith((b"{", b"[")):
            for mime in (self.mime, content_type):
                if (short := short_of(mime)) in ("json3", "json4"):
                    return short
            return "json4"
        return short_of(self.mime) or self.mime


def _query_texts(cells: Mapping[str, Any]) -> dict[str, str]:
    from hsframe.codecs.zinc_write import write_value

    return {name: write_value(value) for name, value in cells.items()}


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
    """Whether a body's first bytes name a tag that makes it no history: then it is decoded whole before it is given."""
    # Zinc has the grid's tags in its first line; JSON has them before the rows or, rarely, behind: not seen there.
    where = start.split(b"\n", 1)[0] if start.startswith(b"ver:") else start
    return b"err" in where or b"incomplete" in where or b"more" in where
