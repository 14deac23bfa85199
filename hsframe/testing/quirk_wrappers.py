"""Quirks of other servers for the embedded server: functions that wrap its ops, and a middleware that wraps HTTP.

The server itself follows the standard. It lets a test replace its ops (``app[SERVED_OPS]``), decide in a call which
samples are in a window and when written ones are stored (:class:`hsframe.server.state.Call`), and add middlewares, as
any application of aiohttp does.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import pyarrow as pa
from aiohttp import web

from hsframe.codecs import encode
from hsframe.codecs.formats import mime_of
from hsframe.codecs.zinc import parse_value
from hsframe.columns import NumberColumn
from hsframe.errors import CodecError, SpanError
from hsframe.grid import Grid, Value
from hsframe.kinds import NA, REMOVE, Number
from hsframe.protocol.version5 import JSON
from hsframe.server.app import LOGINS, SERVED_OPS, STATE
from hsframe.server.refusal import HttpRefusal, OpRefusal
from hsframe.server.samples import Samples
from hsframe.server.state import Call, ref_of
from hsframe.server.version4 import request_format
from hsframe.server.version5 import version_of
from hsframe.spans import range_text, resolve
from hsframe.testing.quirks import quirks_named
from hsframe.zones import zone

Quirks = Mapping[str, float]
Run = Callable[[Call], Grid]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_GET_ONLY: Final = ("about", "ops", "formats", "close")
_WRITES: Final = ("hisWrite", "pointWrite")
_MISSING: Final = ("close", "defs", "libs", "filetypes")
SILENT_CAPS: Final = ("cap-first", "cap-newest", "point-cap-first", "point-cap-newest")
VERSIONS: Final = {"only-4": ("4",), "only-5": ("5",), "no-versions": ()}
_OF_WINDOWS: Final = {"ignore-range", "start-exclusive", "extra-samples", "point-cap-first", "point-cap-newest"}
_COOKIE: Final = "hsframe-session"
_HANG_S: Final = 60.0
_OUTAGE_EVERY: Final = 40
_JSON: Final = re.compile(r"application/(json|vnd\.haystack\+json|\*)(;\s*version=\d)?")
_JSON5: Final = re.compile(r"application/vnd\.haystack\+json(;\s*version=\d)?")  # the other names are of Jeto
# A list, for the op runs in a thread that has a copy of the context.
_rows: ContextVar[list[int]] = ContextVar("rows of the hisRead that this request asks for")


def with_quirks(names: Iterable[str]) -> Callable[[web.Application], None]:
    """A function that gives an application these quirks, or those of these servers, before it is served.

    Unknown names raise MetadataError, see :func:`hsframe.testing.quirks.quirks_named`.

    >>> from hsframe.server.app import make_app
    >>> from hsframe.server.database import Database
    >>> with_quirks(["niagara", "rowcap=1000"])(make_app(Database()))
    """
    quirks = quirks_named(names)

    def change(app: web.Application) -> None:
        ops = app[SERVED_OPS]
        waiting: list[tuple[float, Callable[[], None]]] = []
        requests = itertools.count()

        def late(call: Call, run: Run) -> Grid:
            now_s = call.state.clock.monotonic_s()
            while waiting and waiting[0][0] <= now_s:
                waiting.pop(0)[1]()
            return run(replace(call, store=lambda do: waiting.append((now_s + quirks["late-write"], do))))

        wrap_op(app, "read", partial(_read, quirks))
        wrap_op(app, "hisRead", partial(_his_read, quirks))
        wrap_op(app, "hisWrite", partial(_his_write, quirks))
        if "mixed-up" in quirks:
            wrap_op(app, "hisRead", _mixed_up(int(quirks["mixed-up"])))
        if "late-write" in quirks:
            for name in ops:
                wrap_op(app, name, late)
        if "get-only-about" in quirks:
            ops["close"] = replace(ops["close"], get=True)
        for name, versions in VERSIONS.items():
            if name in quirks:
                app[STATE].versions = versions
        if "no-close" in quirks:
            for name in _MISSING:
                del ops[name]

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if "outage" in quirks and next(requests) % _OUTAGE_EVERY < quirks["outage"]:
                return web.Response(status=502, headers={"Retry-After": "0"}, text="nothing answers this gateway\n")
            return await _http(quirks, request, handler)

        app.middlewares.append(middleware)

    return change


def wrap_op(app: web.Application, op: str, wrapper: Callable[[Call, Run], Grid]) -> None:
    """Have an application run a wrapper in place of an op; the wrapper gets the call, and the op itself to run.

    >>> from hsframe.server.app import make_app
    >>> from hsframe.server.database import Database
    >>> wrap_op(make_app(Database()), "read", lambda call, run: run(call))
    """
    served = app[SERVED_OPS][op]
    app[SERVED_OPS][op] = replace(served, run=lambda call: wrapper(call, served.run))


def _read(quirks: Quirks, call: Call, run: Run) -> Grid:
    grid = run(call)
    if "bare-unknown" in quirks and call.grid.has_col("id"):
        rows = [dict(row) or {"id": of} for row, of in zip(grid, call.ids(), strict=True)]
        grid = Grid.from_rows(grid.meta, dict.fromkeys(["id", *grid.col_names]), rows)
    if "empty-read-404" in quirks and not len(grid):
        raise HttpRefusal(404, "nothing found")
    return grid


def _his_write(quirks: Quirks, call: Call, run: Run) -> Grid:
    def floor(when: Value | None) -> Value | None:
        return when.replace(microsecond=0) if isinstance(when, datetime) else when

    if "drop-batch-write" in quirks and call.grid.meta.get("id") is None:
        call = replace(call, store=lambda _: None)
    if "floor-1s" in quirks and call.grid.has_col("ts"):
        columns = dict(zip(call.grid.col_names, call.grid.columns, strict=True))
        columns["ts"] = list(map(floor, columns["ts"]))
        call = replace(call, grid=Grid(call.grid.meta, call.grid.cols, list(columns.values())))
    if "remove-na" in quirks or "remove-ignored" in quirks:
        instead = NA if "remove-na" in quirks else None
        cells = [[instead if cell is REMOVE else cell for cell in column] for column in call.grid.columns]
        call = replace(call, grid=Grid(call.grid.meta, call.grid.cols, cells))
    return run(call)


def _his_read(quirks: Quirks, call: Call, run: Run) -> Grid:
    def between(samples: Samples, start_us: int, end_us: int | None) -> slice:
        if "ignore-range" in quirks:
            return _cut(quirks, "point-cap", slice(0, len(samples)))
        later_us, extra = int("start-exclusive" in quirks), int("extra-samples" in quirks)
        inside = samples.between(start_us + later_us, None if end_us is None else end_us + later_us)
        inside = slice(max(inside.start - extra, 0), min(inside.stop + extra, len(samples)))
        return _cut(quirks, "point-cap", inside)

    is_old_form = "id0-batch" in quirks and call.grid.has_col("id0")
    if is_old_form:
        call = replace(call, grid=_standard_batch(call))
    elif call.grid.meta.get("range") is not None and len(call.grid):
        call = _batch_call(quirks, call)
    if "dates-only" in quirks:
        call = _in_utc(call)
    grid = run(replace(call, between=between) if quirks.keys() & _OF_WINDOWS else call)
    if "zone-of-range" in quirks:
        _check_zone(call)
    meta, columns = dict(grid.meta), [column[_cut(quirks, "cap", slice(0, len(grid)))] for column in grid.columns]
    limits = [limit for name, limit in quirks.items() if name in SILENT_CAPS]
    if "his-limit" in quirks and limits:
        meta |= {"hisLimit": Number(limits[0])}
    if is_old_form:
        meta |= {f"id{number}": col.meta["id"] for number, col in enumerate(grid.cols[1:])}
    if "text-times" in quirks:
        meta |= {name: when.isoformat() for name, when in grid.meta.items() if isinstance(when, datetime)}
    if "float32" in quirks:
        columns = [_single(column) if isinstance(column, NumberColumn) else column for column in columns]
    if "reversed-rows" in quirks:
        columns = [tuple(column)[::-1] for column in columns]
    return _capped(quirks, Grid(meta, grid.col_names if is_old_form else grid.cols, columns))


def _mixed_up(every: int) -> Callable[[Call, Run], Grid]:
    """What answers each request of which it knows only the number of it; a request that comes again is known."""
    answers: dict[bytes, Grid] = {}

    def mix_up(call: Call, run: Run) -> Grid:
        key = encode(call.grid, "zinc")
        is_new, before = key not in answers, next(reversed(answers.values()), None)
        answers[key] = run(call)
        return before if is_new and before is not None and len(answers) % every == 0 else answers[key]

    return mix_up


def _cut(quirks: Quirks, name: str, rows: slice) -> slice:
    """The first or the newest of some rows, without a word."""
    first = min(rows.start + int(quirks.get(f"{name}-first", rows.stop)), rows.stop)
    return slice(max(rows.stop - int(quirks.get(f"{name}-newest", rows.stop)), rows.start), first)


def _in_utc(call: Call) -> Call:
    """The call with its dates as instants of UTC's days."""
    row = call.one_row()
    if "id" not in row or "range" not in row:
        return call  # the op refuses it
    try:
        span = resolve(str(row["range"]), "UTC", call.state.clock.now())
        if "T" in str(row["range"]):
            raise SpanError("an instant")
    except SpanError:
        raise OpRefusal(f"hisRead: bad range: invalid date {row['range']!r}: trailing input", "") from None
    asked = range_text(span.start_us, span.end_us, "UTC")
    return replace(call, grid=Grid.from_rows({}, ["id", "range"], [{"id": row["id"], "range": asked}]))


def _standard_batch(call: Call) -> Grid:
    """One row with ``range``, ``id0``, ``id1``, ... in the standard's form: meta ``range`` and one row per id."""
    row = call.one_row()
    names = sorted((name for name in row if re.fullmatch(r"id\d+", name)), key=lambda name: int(name[2:]))
    return Grid.from_rows({"range": row.get("range")}, ["id"], [{"id": ref_of(row[name], name)} for name in names])


def _batch_call(quirks: Quirks, call: Call) -> Call:
    """The call that answers a batch in the standard's form, or a refusal."""
    meta = call.grid.meta
    if "no-batch" in quirks or "id0-batch" in quirks:
        raise OpRefusal("UnknownNameException: range", "UnknownNameException")
    if "first-id-only" in quirks:
        row = {"id": call.ids()[0], "range": meta["range"]}
        return replace(call, grid=Grid.from_rows(None, list(row), [row]))
    if len(call.grid) > quirks.get("idcap", len(call.grid)):
        raise OpRefusal(f"too many points: the limit is {quirks['idcap']:.0f}", "LimitErr")
    if "mixed-zones" in quirks and meta.get("tz") is None:
        first = call.database.get(call.ids()[0]) or {}
        return replace(call, grid=Grid({**meta, "tz": first.get("tz")}, call.grid.cols, call.grid.columns))
    return call


def _check_zone(call: Call) -> None:
    rec = call.rec(call.ids()[0])
    local = zone(rec["tz"])
    asked = call.grid.meta.get("range", call.grid[0].get("range"))
    with suppress(CodecError):  # today and yesterday name no zone
        first = parse_value(asked.split(",")[0]) if isinstance(asked, str) else asked
        if isinstance(first, datetime) and getattr(first.tzinfo, "key", local.key) != local.key:
            raise OpRefusal(f"the range is of {first.tzinfo} and {rec['id']} of {local.key}", "RangeErr")


def _single(column: NumberColumn) -> NumberColumn:
    return NumberColumn(column.values.cast(pa.float32()).cast(pa.float64()), column.unit, column.na)


def _capped(quirks: Quirks, grid: Grid) -> Grid:
    rows = len(grid)
    _rows.get().append(rows)
    if rows > quirks.get("rowcap", rows):
        raise OpRefusal(f"the answer exceeds the limit of {quirks['rowcap']:.0f} rows", "LimitErr")
    for status in (413, 500):
        if rows > quirks.get(f"rowcap-{status}", rows):
            raise HttpRefusal(status, "the answer is too large")
    cap = int(quirks.get("rowcap-incomplete", rows))
    if rows <= cap:
        return grid
    incomplete: Value = {"dis": f"more than {cap} rows", "limit": Number(cap)}
    return Grid({**grid.meta, "incomplete": incomplete}, grid.cols, [column[:cap] for column in grid.columns])


async def _http(quirks: Quirks, request: web.Request, handler: Handler) -> web.StreamResponse:
    op, headers = request.match_info.get("op", ""), request.headers
    scheme = headers.get("Authorization", "").partition(" ")[0].lower()
    if "login-page" in quirks and request.path == "/login":
        return web.Response(text="<!DOCTYPE html><html><body><h1>Log in</h1></body></html>", content_type="text/html")
    if "login-page" in quirks and op and not scheme and request.app[LOGINS].are_needed:
        return web.Response(status=303, headers={"Location": "/login"})
    if scheme not in ("hello", "scram", "plaintext"):  # a step of a login is not an op
        if refusal := _refused(quirks, request, op):
            return refusal
        await asyncio.sleep(quirks.get("slow", 0))
    if "json-v3" in quirks:
        names = _JSON5 if version_of(request) == "5" else _JSON
        accept = names.sub(mime_of("json3"), headers.get("Accept", ""))
        request = request.clone(headers={**headers, "Accept": accept})
    if "body-limit" in quirks:
        request = request.clone(client_max_size=int(quirks["body-limit"]))
    _rows.set(read := [0])
    response = await handler(request)
    rows = read[-1]
    if op in _WRITES:
        await asyncio.sleep(quirks.get("slow-write", 0))
    if "cookie-trap" in quirks and "Authentication-Info" in response.headers:
        response.set_cookie(_COOKIE, "1", httponly=True)
    if "expired-403" in quirks and response.status == 401 and scheme == "bearer":
        return web.Response(status=403, text="the session is unknown or has ended; log in again\n")
    for name in ("rowcap-cut", "rowcap-hang"):
        if rows > quirks.get(name, rows):
            return await _half_sent(request, response, hang_s=_HANG_S if name == "rowcap-hang" else 0.0)
    if rows > quirks.get("rowcap-gzip", rows) and isinstance(response, web.Response):
        assert isinstance(response.body, bytes)
        packed = response.body if "Content-Encoding" in response.headers else gzip.compress(response.body)
        cut = web.Response(body=packed[: len(packed) // 2], content_type=response.content_type)
        cut.headers["Content-Encoding"] = "gzip"
        return cut
    return response


def _refused(quirks: Quirks, request: web.Request, op: str) -> web.Response | None:
    is_post, headers = request.method == "POST", request.headers
    if "get-only-about" in quirks and is_post and op in _GET_ONLY:
        return web.Response(status=405, text="POST is not allowed here: use GET\n", headers={"Allow": "GET"})
    if "bare-accept" in quirks and "charset" in headers.get("Accept", ""):
        return web.Response(status=406, text="an Accept with a charset is not understood here\n")
    if "plain-json" in quirks and any("vnd." in headers.get(name, "") for name in ("Accept", "Content-Type")):
        return web.Response(status=406, text="JSON is application/json here\n")
    # In version 5 JSON is the arguments of a filter, which no grid can carry.
    is_grid = version_of(request) != "5" or headers.get("Content-Type") != JSON
    if "zinc-only" in quirks and is_post and is_grid and request_format(headers.get("Content-Type")) != "zinc":
        return web.Response(status=415, text="only text/zinc is read here\n")
    if "cookie-trap" in quirks and is_post and _COOKIE in request.cookies:
        return web.Response(status=400, text="Attest-Key header required\n")
    return None


async def _half_sent(request: web.Request, whole: web.StreamResponse, hang_s: float) -> web.StreamResponse:
    body = whole.body if isinstance(whole, web.Response) else None
    assert isinstance(body, bytes)
    response = web.StreamResponse(headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(hang_s)
    if request.transport is not None:
        request.transport.abort()
    return response
