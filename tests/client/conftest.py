"""A server over a real socket that does as a test tells it: every quirk of every server, one answer at a time."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from hsframe.errors import AuthError
from hsframe.protocol.scram import MIN_ITERATIONS, ScramCredentials, ScramServer, b64url_decode, b64url_encode

USER, PASSWORD = "ann", "s3cret-pencil"
CREDENTIALS = ScramCredentials.from_password(PASSWORD, iterations=MIN_ITERATIONS)
EMPTY = b'ver:"3.0"\nempty\n'


@dataclass
class Seen:
    """A request as it came in."""

    method: str
    op: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    token: str


Answer = web.StreamResponse | bytes
Handler = Callable[["Seen"], Answer | Awaitable[Answer]]


@dataclass
class FakeServer:
    """Logs in by SCRAM, then answers each op by a handler of the test.

    Attributes
    ----------
    answers : dict
        Op to handler, bytes or a list of handlers that are used up one by one (the last one stays).
    seen : list
        The requests with an op, in order; the login's are in `login_steps`.
    tokens : set
        The sessions that are alive.
    """

    uri: str = ""
    anonymous: bool = False
    answers: dict[str, object] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    login_steps: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    login_delay_s: float = 0.0
    lost: Callable[[], web.StreamResponse] = field(default=lambda: web.Response(status=403, reason="Invalid authToken"))
    _scram: dict[str, ScramServer] = field(default_factory=dict)
    _handshakes: Iterator[int] = field(default_factory=itertools.count)

    def seen_ops(self) -> list[str]:
        return [f"{seen.method} {seen.op}" for seen in self.seen]

    def forget_sessions(self) -> None:
        self.tokens.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        params = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if scheme in ("HELLO", "SCRAM") and not self.anonymous:
            return await self._login(scheme, params)
        token = params.get("authToken", "")
        op = request.match_info["op"]
        seen = Seen(request.method, op, dict(request.query), dict(request.headers), await request.read(), token)
        self.seen.append(seen)
        if not self.anonymous and token not in self.tokens:
            return self.lost()
        if op == "close" and op not in self.answers:
            self.tokens.discard(token)
            return web.Response(body=EMPTY)
        answer = self.answers.get(op, EMPTY)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(seen)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="text/zinc", charset="utf-8")
        assert isinstance(answer, web.StreamResponse)
        return answer

    async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
        self.login_steps.append(scheme)
        if scheme == "HELLO":
            key = f"h{next(self._handshakes)}"  # not by those that are open: one of them ends before another
            self._scram[key] = ScramServer({USER: CREDENTIALS}.get, unknown=lambda: CREDENTIALS)
            offer = f"scram handshakeToken={key}, hash=SHA-256"
            return web.Response(status=401, headers={"WWW-Authenticate": offer, "Set-Cookie": "session=do-not-return"})
        key = params["handshakeToken"]
        data = b64url_decode(params["data"])
        if data.startswith("n,,"):
            await asyncio.sleep(self.login_delay_s)
            text = f"scram data={b64url_encode(self._scram[key].first(data))}, handshakeToken={key}, hash=SHA-256"
            return web.Response(status=401, headers={"WWW-Authenticate": text})
        try:
            final = self._scram.pop(key).final(data)
        except AuthError:
            return web.Response(status=403, reason="Auth failed: Invalid username or password")
        self.logins += 1
        token = f"tok-{self.logins}-q8Zx"
        self.tokens.add(token)
        info = f"authToken={token}, data={b64url_encode(final)}, hash=SHA-256"
        return web.Response(headers={"Authentication-Info": info, "Set-Cookie": "session=do-not-return; Path=/"})


@asynccontextmanager
async def serving(server: FakeServer | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeServer]:
    server = server or FakeServer()
    app = web.Application()
    app.router.add_route("*", "/api/demo/{op}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.uri = f"{'https' if tls else 'http'}://127.0.0.1:{port}/api/demo"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
def fake() -> type[FakeServer]:
    """The class; its module cannot be imported by the tests of every runner."""
    return FakeServer


@pytest.fixture
def serve() -> Callable[..., object]:
    return serving
