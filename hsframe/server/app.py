"""The HTTP side of the server (standard: chapter HttpApi): one handler from a request to an answer.

An error of HTTP is a code (400, 401, 403 to 406, 408, 413, 415, 429, 501, 503) with a line of text; a refusal by the op
is HTTP 200 with an error grid. Formats go by the headers Accept, Content-Type and Accept-Encoding.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, ParamSpec, TypeVar, Unpack

from aiohttp import web

from hsframe.caller_warnings import unsaid
from hsframe.codecs import decode, encode
from hsframe.codecs.formats import FORMATS, media_type, mime_of, short_of
from hsframe.codecs.zinc import parse_value
from hsframe.errors import CodecError, HsFrameError
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
# Below this, a gzip header and a second copy cost more than the bytes.
_MIN_GZIP: Final = 1024
# What is asked, answered or written by more takes long: it has threads of its own, and what is short waits for none of
# it. All else than HTTP is in a thread, for the event loop has the connections of all clients.
_FEW_BYTES: Final = 512
_FEW_CELLS: Final = 10_000
# What so many requests read or write is in memory together.
_THREADS: Final = 4

_WILDCARDS: Final = {"*/*": "text/zinc", "text/*": "text/zinc", "application/*": "application/json"}

_log = logging.getLogger("hsframe.server")


@dataclass(frozen=True)
class MediaFormat:
    short: str
    mime: str


@dataclass(frozen=True)
class _Asked:
    """What a request asks: the arguments of a GET, or a body and its format."""

    query: Mapping[str, str]
    body: bytes
    short: str


@dataclass(frozen=True)
class _Written:
    """An answer as it is sent; `rows` for the log."""

    body: bytes
    headers: Mapping[str, str]
    rows: int


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
    try:
        answer = await _answer(request, name)
        if isinstance(answer, web.Response):
            response = answer
        else:
            found = f"{answer.rows} rows"
            response = web.Response(body=answer.body, headers=answer.headers)
    except HttpRefusal as refusal:
        response = web.Response(status=refusal.status, text=refusal.reason + "\n", headers=refusal.headers)
    size = 0 if not isinstance(response.body, bytes) else len(response.body)
    took_ms = (time.perf_counter() - started) * 1e3
    _log.debug("%s %r: %d, %s, %d bytes, %.1f ms", request.method, name, response.status, found, size, took_ms)
    return response


async def _answer(request: web.Request, name: str) -> web.Response | _Written:
    """Everything from the method to the written answer of the op."""
    if request.method not in ("GET", "POST"):
        raise HttpRefusal(501, f"the method {request.method} is not implemented; use GET or POST")
    logins = request.app[LOGINS]
    authorization, address = request.headers.get("Authorization"), _address(request)
    admitted = logins.admit(authorization, address) if logins.are_needed else LoggedIn("")
    if isinstance(admitted, HiddenStr):
        return web.Response(headers={"Authentication-Info": admitted})
    call = Call(name, Grid(), request.app[STATE], admitted.user, logins.role_of(admitted.user), address)
    op = request.app[SERVED_OPS].get(name)
    if op is None:
        raise HttpRefusal(404, f"there is no op {name!r}; the ops are listed by {PREFIX}/ops")
    if request.method == "GET" and not op.get:
        raise HttpRefusal(405, f"GET is not allowed for the op {op.name!r}: use POST", {"Allow": "POST"})
    if op.role == "viewer":
        request = request.clone(client_max_size=min(request.client_max_size, _MAX_READ_BODY))
    chosen = answer_format(accept := request.headers.get("Accept"))
    if chosen is None:
        formats = ", ".join(["application/json", *(known.mime for known in FORMATS.values())])
        raise HttpRefusal(406, f"nothing in 'Accept: {accept}' is a format of this server; the formats: {formats}")
    write = partial(_write, name, chosen, packs=accepts_gzip(request.headers.get("Accept-Encoding")))
    short = _body_format(request)
    try:  # before its body is read: that may take much memory, and long
        if op.writes and call.database.refusal:  # before the role: no role helps
            raise OpRefusal(f"{name}: {call.database.refusal}", "ReadOnlyErr")
        call.check_role(op.role)
    except OpRefusal as refusal:
        refused = error_grid(name, refusal)
        if op.changes(call.grid):
            journal.changed(call, refused)
        return write(refused)
    async with request.app[BODIES].read(request) if short else nullcontext(b"") as body:
        asked = _Asked(dict(request.query.items()), body, short)
        is_short = name != "hisRead" and len(body) + len(request.query_string) <= _FEW_BYTES
        pool = request.app[_SHORT if is_short else _LONG]
        async with request.app[_TURNS] if len(body) > _LARGE_BODY else nullcontext():
            grid, written = await _in_thread(pool, _work, op, call, asked, write)
        if written is None:
            written = await _in_thread(request.app[_LONG], write, grid)
    if name == "close":
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


def _work(op: Op, call: Call, asked: _Asked, write: Callable[[Grid], _Written]) -> tuple[Grid, _Written | None]:
    """The answer of an op, in a thread; written too where that is short."""
    limits = Limits(cells=_MAX_READ_CELLS) if op.role == "viewer" else Limits()
    call = replace(call, grid=_request_grid(asked, limits))
    grid = _run(op, call)
    if op.changes(call.grid):
        journal.changed(call, grid)
    is_short = len(grid) * len(grid.cols) < _FEW_CELLS
    return grid, write(grid) if is_short else None


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


def _body_format(request: web.Request) -> str:
    """The short name of the format of a body; empty of a GET, whose arguments are in its query."""
    if request.method == "GET":
        return ""
    content_type = request.headers.get("Content-Type")
    short = request_format(content_type)
    if short is None:
        what = "without a Content-Type" if content_type is None else f"of 'Content-Type: {content_type}'"
        raise HttpRefusal(415, f"a request {what} is not read here; the formats: text/zinc, text/trio, JSON")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # The standard has none, and a packed megabyte unpacks to a gigabyte.
        raise HttpRefusal(415, "a packed request is not read here: send it without Content-Encoding")
    return short


@unsaid()
def _request_grid(asked: _Asked, limits: Limits) -> Grid:
    try:
        if asked.short:
            return decode(asked.body, asked.short, limits=limits)
        row = {name: _argument(text) for name, text in asked.query.items()}
        return Grid.from_rows(None, list(row), [row]) if row else Grid()
    except HsFrameError as error:
        if isinstance(error, CodecError) and error.limit == "cells":
            what = f"the body has more than {limits.cells:,} cells, and of this op no more are read"
            raise HttpRefusal(413, what) from None
        raise HttpRefusal(400, f"the request cannot be read: {error}") from None


def _argument(text: str) -> Any:
    """A query parameter: a value in Zinc, else a Str."""
    try:
        return parse_value(text)
    except CodecError:
        return text


def _write(name: str, chosen: MediaFormat, grid: Grid, *, packs: bool) -> _Written:
    try:
        body = encode(grid, chosen.short)
    except (CodecError, OverflowError) as error:
        # Some formats cannot carry some kinds, and none a year after 9999; the client can ask for another.
        refusal = OpRefusal(f"the answer cannot be written as {chosen.mime}: {error}", "CodecErr")
        body = encode(error_grid(name, refusal), chosen.short)
    # Caches must not keep answers: the same request has another answer tomorrow.
    headers = {"Content-Type": chosen.mime, "Cache-Control": "no-cache, no-store", "Vary": "Accept, Accept-Encoding"}
    if packs and len(body) >= _MIN_GZIP:
        # Level 1 is four times as fast as the default, and histories shrink to a tenth all the same.
        body, headers = gzip.compress(body, compresslevel=1, mtime=0), headers | {"Content-Encoding": "gzip"}
    return _Written(body, headers, len(grid))


def _format(kind: str, params: dict[str, str]) -> MediaFormat | None:
    """The format of a media type; None where this server does not have it."""
    if params.get("charset", "utf-8") not in ("utf-8", "utf8"):
        return None
    if kind in _WILDCARDS:
        kind, params = _WILDCARDS[kind], {}
    short = short_of(f"{kind};version={params.get('version', '')}") if "/" in kind else None
    if short is None or kind == "application/json":
        return None if short is None else MediaFormat(short, kind)
    return MediaFormat(short, f"{kind}; charset=utf-8" if kind.startswith("text/") else mime_of(short))


def answer_format(accept: str | None) -> MediaFormat | None:
    """The best format for an Accept header; without one, Zinc. None where there is none (HTTP 406).

    A quality that is not a number counts as 1; among equal ones a named type goes before a wildcard, then the first.
    """
    if accept is None or not accept.strip():
        return _format("*/*", {})
    offers = []
    for kind, params in map(media_type, accept.split(",")):
        found, quality = _format(kind, params), _quality(params)
        if found is not None and quality > 0:
            offers.append((quality, "*" not in kind, found))
    return max(offers, key=lambda offer: offer[:2])[2] if offers else None


def request_format(content_type: str | None) -> str | None:
    """The short name of the format of a request body; None where the server does not read it (HTTP 415)."""
    kind, params = media_type(content_type or "")
    found = None if "*" in kind else _format(kind, params)
    return None if found is None or FORMATS[found.short].read is None else found.short


def accepts_gzip(accept_encoding: str | None) -> bool:
    for coding, params in map(media_type, (accept_encoding or "").split(",")):
        if coding in ("gzip", "x-gzip"):
            return _quality(params) > 0
    return False


def _quality(params: dict[str, str]) -> float:
    try:
        quality = float(params.get("q", "1"))
    except ValueError:
        return 1.0
    return quality if math.isfinite(quality) else 1.0
