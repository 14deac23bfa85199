"""The HTTP side of the server (standard: chapter HttpApi): one handler from a request to an answer.

An error of HTTP is a code (400, 401, 403 to 406, 408, 413, 415, 429, 501, 503) with a line of text; a refusal by the op
is HTTP 200 with an error grid. The same address speaks version 5 of the protocol where it is asked for
(:mod:`hsframe.server.version5`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import Final, ParamSpec, TypeVar, Unpack

from aiohttp import web

from hsframe.grid import Grid
from hsframe.options import Limits
from hsframe.protocol.scram import ScramCredentials
from hsframe.protocol.secret import HiddenStr
from hsframe.server import journal
from hsframe.server.auth import LoggedIn, LoginOptions, Logins
from hsframe.server.bodies import Bodies
from hsframe.server.clock import Clock
from hsframe.server.database import Database
from hsframe.server.ops import OPS, Op
from hsframe.server.ops.point import apply_levels
from hsframe.server.refusal import HttpRefusal, OpRefusal, error_grid
from hsframe.server.state import Call, State
from hsframe.server.unread import Unread
from hsframe.server.users import UsersFile
from hsframe.server.version4 import Asked4, Written, refused4
from hsframe.server.version5 import Asked5, login_refused, refused5, unsupported, version_of

P = ParamSpec("P")
T = TypeVar("T")

PREFIX: Final = "/api"
STATE: Final = web.AppKey("state", State)
LOGINS: Final = web.AppKey("logins", Logins)
UNREAD: Final = web.AppKey("unread", Unread)
BODIES: Final = web.AppKey("bodies", Bodies)
SERVED_OPS: Final = web.AppKey("ops", dict[str, Op])
"""The ops that an application serves, by name; a test may replace them."""
PROXY: Final = web.AppKey("proxy", str)
_LONG: Final = web.AppKey("long", ThreadPoolExecutor)
_SHORT: Final = web.AppKey("short", ThreadPoolExecutor)
_TURNS: Final = web.AppKey("turns", asyncio.Semaphore)

_MAX_BODY: Final = 256 * 2**20
# Of an op for viewers, who send ids and filters: 10,000 ids of 200 bytes take 2 MB.
_MAX_READ_BODY: Final = 8 * 2**20
_MAX_READ_CELLS: Final = 100_000
# A larger body is decoded when it has one of `_THREADS` // 2 turns: what comes later finds a thread that is free.
_LARGE_BODY: Final = 2**20
# What is asked, answered or written by more takes long: it has threads of its own, and what is short waits for none of
# it. All else than HTTP is in a thread, for the event loop has the connections of all clients.
_FEW_BYTES: Final = 512
_FEW_CELLS: Final = 10_000
# What so many requests read or write is in memory together.
_THREADS: Final = 4

_log = logging.getLogger("hsframe.server")


def make_app(
    database: Database,
    users: Mapping[str, str | ScramCredentials] | UsersFile | None = None,
    *,
    clock: Clock | None = None,
    proxy: str = "",
    **options: Unpack[LoginOptions],
) -> web.Application:
    """The server as an application of aiohttp; its ops are under ``/api``.

    Without users there is no login. The options are those of :class:`~hsframe.server.auth.Logins`; an unknown hash, or
    fewer than 4096 iterations, is an AuthError. `proxy` is the address of a reverse proxy, whose word on the address
    of a client is taken.
    """
    clock = clock or Clock()
    app = web.Application(client_max_size=_MAX_BODY)
    app[STATE] = State(database, clock)
    app[PROXY] = proxy
    app[SERVED_OPS] = dict(OPS)
    app[LOGINS] = Logins(users or {}, clock, **options)
    app.router.add_route("*", PREFIX + "/{op}", _handle)
    app.router.add_route("*", PREFIX + "/{op}/", _handle)
    app.router.add_get("/", _front_page)
    app.router.add_get(PREFIX, _front_page)
    app.router.add_get(PREFIX + "/", _front_page)
    app[BODIES] = Bodies()
    app[UNREAD] = Unread()
    app.on_response_prepare.append(app[UNREAD].note)
    app.cleanup_ctx.extend([_pools, app[UNREAD].lifespan])
    return app


async def _pools(app: web.Application) -> AsyncIterator[None]:
    # Pools of its own, so that no thread is left when the application ends.
    with ThreadPoolExecutor(_THREADS, "hsframe-server") as long, ThreadPoolExecutor(1, "hsframe-server-short") as short:
        app[_LONG], app[_SHORT], app[_TURNS] = long, short, asyncio.Semaphore(_THREADS // 2)
        # They start all at once: a test that counts threads finds no new one of a server that others use too.
        barrier = threading.Barrier(_THREADS)
        for _ in range(_THREADS):
            long.submit(barrier.wait)
        short.submit(int)
        yield


async def _front_page(request: web.Request) -> web.Response:
    text = f"This is a Haystack server. Its uri is {request.url.origin()}{PREFIX}\n"
    return web.Response(text=text)


async def _handle(request: web.Request) -> web.StreamResponse:
    started = time.perf_counter()
    name = request.match_info["op"]
    found = "no grid"
    version = version_of(request) if request.app[STATE].versions else "4"
    try:
        answer = await _answer(request, name, version)
        if isinstance(answer, web.Response):
            response = answer
        else:
            found = f"{answer.rows} rows"
            response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    except HttpRefusal as refusal:
        response = refused4(refusal) if version == "4" else refused5(refusal)
    size = 0 if not isinstance(response.body, bytes) else len(response.body)
    took_ms = (time.perf_counter() - started) * 1e3
    _log.debug("%s %r: %d, %s, %d bytes, %.1f ms", request.method, name, response.status, found, size, took_ms)
    return response


async def _answer(request: web.Request, name: str, version: str) -> web.Response | Written:
    """Everything from the method to the written answer of the op."""
    if request.method not in ("GET", "POST"):
        raise HttpRefusal(501, f"the method {request.method} is not implemented; use GET or POST")
    logins, state = request.app[LOGINS], request.app[STATE]
    authorization, address = request.headers.get("Authorization"), _address(request)
    try:
        admitted = logins.admit(authorization, address) if logins.are_needed else LoggedIn("")
    except HttpRefusal as refusal:
        raise refusal if version == "4" else login_refused(refusal, authorization) from None
    if isinstance(admitted, HiddenStr):
        return web.Response(headers={"Authentication-Info": admitted})
    if state.versions and version not in state.versions:
        return refused5(unsupported(version, state.versions))
    asked = (Asked4 if version == "4" else Asked5)(request, name, request.app[SERVED_OPS])
    op = asked.op
    call = Call(op.name, Grid(), state, admitted.user, logins.role_of(admitted.user), address)
    if op.role == "viewer":
        request = request.clone(client_max_size=min(request.client_max_size, _MAX_READ_BODY))
    try:  # before its body is read: that may take much memory, and long
        if op.writes and call.database.refusal:  # before the role: no role helps
            raise OpRefusal(f"{name}: {call.database.refusal}", "ReadOnlyErr")
        call.check_role(op.role)
    except OpRefusal as refusal:
        refused = error_grid(name, refusal)
        if op.changes(call.grid):
            journal.changed(call, refused)
        return asked.written(refused)
    async with request.app[BODIES].read(request) if asked.short else nullcontext(b"") as body:
        is_short = op.name != "hisRead" and len(body) + len(request.query_string) <= _FEW_BYTES
        pool = request.app[_SHORT if is_short else _LONG]
        async with request.app[_TURNS] if len(body) > _LARGE_BODY else nullcontext():
            grid, written = await _in_thread(pool, _work, call, asked, body)
        if written is None:
            written = await _in_thread(request.app[_LONG], asked.written, grid)
    if op.name == "close":
        logins.end(admitted)
    if op.get:  # another has changed something: refused, its client would send it once more
        request.app[UNREAD].admit(len(written.body))
    return written


def _address(request: web.Request) -> str:
    """The address of a client. What stands before the last one in X-Forwarded-For is the client's own word."""
    address = request.remote or ""
    if address and address == request.app[PROXY]:
        told = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2].strip()
        with suppress(ValueError):
            return str(ip_address(told))
    return address


async def _in_thread(pool: ThreadPoolExecutor, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    call = partial(copy_context().run, do, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def _work(call: Call, asked: Asked4, body: bytes) -> tuple[Grid, Written | None]:
    """The answer of an op, in a thread; written too where that is short."""
    op = asked.op
    limits = Limits(cells=_MAX_READ_CELLS) if op.role == "viewer" else Limits()
    call = replace(call, grid=asked.grid(body, limits))
    grid = _run(op, call)
    if op.changes(call.grid):
        journal.changed(call, grid)
    is_short = len(grid) * len(grid.cols) < _FEW_CELLS
    return grid, asked.written(grid) if is_short else None


def _run(op: Op, call: Call) -> Grid:
    """The answer of an op; an error grid where it refuses, or fails."""
    state = call.state
    # A filter may take seconds, and so may files: neither holds up the others.
    is_beside = op.get and (state.database.reads_files or op.name != "hisRead")
    try:
        with state.lock:
            if state.database.keep_up is not None:
                state.database.keep_up(state.clock.now())
            apply_levels(state.database, state.clock.monotonic_s())
            if not is_beside:
                return op.run(call)
        return op.run(call)
    except OpRefusal as refusal:
        return error_grid(call.op, refusal)
    except HttpRefusal:
        raise
    except OverflowError:
        what = "there are times beyond the years 1 to 9999, which no answer can have; ask for a range without them"
        return error_grid(call.op, OpRefusal(what, "RangeErr"))
    except Exception as error:  # a bug of the server: the client gets an error grid, the log has it too
        journal.failed(call, error)
        return error_grid(call.op, OpRefusal(f"the op failed: {type(error).__name__}: {error}", "InternalErr"))
