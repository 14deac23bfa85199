"""Any request that a client can write is answered or refused in words: no op fails for a reason of its own."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsframe.codecs import decode, encode
from hsframe.codecs.jeto import decode_jeto
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.server.app import SERVED_OPS, STATE, make_app
from hsframe.server.clock import ManualClock
from hsframe.server.database import Database
from hsframe.server.ops import OPS
from hsframe.server.refusal import HttpRefusal, OpRefusal, error_grid
from hsframe.server.state import Call
from hsframe.testing.quirk_wrappers import with_quirks
from hsframe.testing.quirks import QUIRKS
from hsframe.testing.server import running_server
from hsframe.zones import zone
from tests.server.conftest import Raw, small_building

NOW = datetime(2026, 11, 10, 17, 7, tzinfo=UTC)

scalars = st.one_of(
    st.none(),
    st.sampled_from(
        [MARKER, NA, REMOVE, True, False, Uri("u"), Symbol("site"), Coord(1, 2), XStr("T", "v"), Bin("a/b")]
    ),
    st.sampled_from(
        ["", "today", "yesterday", "2026-11-09", "2026-11-09,2026-11-10", "point", "site and", "@temp", "x"]
    ),
    st.sampled_from(["2026-11-01T01:30:00-04:00 New_York", "2026-11-01T01:30:00-04:00 New_York,2026-11-02T00:00:00Z"]),
    st.sampled_from(["temp", "kw", "fan", "mode", "sp", "lon", "ahu", "site", "nohis", "nowhere"]).map(Ref),
    st.builds(Number, st.floats() | st.integers(-1, 20), st.sampled_from([None, "°F", "kW", "min", "s"])),
    st.sampled_from([date(2026, 11, 9), date.min, date.max, time(1, 2)]),
    st.datetimes(datetime(2026, 11, 8), datetime(2026, 11, 11)).map(
        lambda when: when.replace(tzinfo=UTC).astimezone(zone("New_York"))
    ),
    st.just(datetime(2026, 11, 9, tzinfo=zone("London"))),
)
cells = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from("ab"), scalars, max_size=2)
names = st.sampled_from(
    ["id", "range", "filter", "limit", "navId", "level", "val", "who", "duration", "ts", "v0", "v1", "id0", "id1", "a"]
)
metas = st.dictionaries(
    st.sampled_from(["id", "range", "tz", "watchId", "watchDis", "lease", "close", "refresh", "action"]),
    cells.filter(lambda cell: cell is not None) | st.just("w"),
    max_size=3,
)
cols = st.lists(names, unique=True, max_size=4).flatmap(
    lambda chosen: st.tuples(*(st.builds(Col, st.just(name), st.just({}) | metas) for name in chosen))
)


@st.composite
def requests(draw: st.DrawFn) -> Grid:
    columns = draw(cols)
    rows = draw(st.integers(0, 3))
    return Grid(draw(metas), columns, [draw(st.lists(cells, min_size=rows, max_size=rows)) for _ in columns])


def app_of(building: Database, quirks: list[str]) -> web.Application:
    building.actions["a"] = lambda database, rec, args: Grid()
    app = make_app(building, clock=ManualClock(NOW))
    with_quirks(quirks)(app)
    return app


@pytest.mark.parametrize("op", list(OPS))
@given(request_=requests(), names=st.lists(st.sampled_from(sorted(set(QUIRKS) - {"slow", "rowcap"})), max_size=2))
@example(request_=Grid({}, ["id"], [[Ref("a")]]), names=["dates-only"])
@example(request_=Grid({}, ["range"], [["today"]]), names=["dates-only"])
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
def test_any_grid(op: str, request_: Grid, names: list[str], building: Any) -> None:
    numbered = [name + "=2" if "cap" in name else name for name in names]
    app = app_of(building(), numbered)
    app[STATE].watches._watches["w"] = app[STATE].watches.open(None)
    if op not in app[SERVED_OPS]:
        return
    try:
        answer = app[SERVED_OPS][op].run(Call(op, request_, app[STATE], "user"))
    except OpRefusal as caught:
        answer = error_grid(op, caught)
    except HttpRefusal as refusal:
        assert refusal.status in (404, 413, 500)  # noqa: PT017 - a quirk may do that, and then there is no answer to look at
        return
    for short in ("zinc", "json4", "json3"):
        assert len(decode(encode(answer, short), short)) == len(answer)


# Requests in JSON, which carries more than the other formats, as an id with a blank, or nesting that is too deep.
KW = {"_kind": "ref", "val": "kw"}
NOON = {"_kind": "dateTime", "val": "2026-11-09T12:00:00-05:00", "tz": "New_York"}
ASKED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ops", {}, {"filter": "def", "limit": 1}),
    ("read", {}, {"filter": "point", "limit": 2}),
    ("read", {}, {"id": KW}),
    ("nav", {}, {"navId": {"_kind": "ref", "val": "ahu"}}),
    ("watchSub", {"watchDis": "w", "lease": {"_kind": "number", "val": 5, "unit": "min"}}, {"id": KW}),
    ("watchSub", {"watchId": "w"}, {"id": KW}),
    ("watchPoll", {"watchId": "w", "refresh": {"_kind": "marker"}}, {}),
    ("watchUnsub", {"watchId": "w", "close": {"_kind": "marker"}}, {"id": KW}),
    ("pointWrite", {}, {"id": {"_kind": "ref", "val": "mode"}, "level": 8, "val": "on", "who": "me", "duration": 9}),
    ("pointWrite", {}, {"id": {"_kind": "ref", "val": "sp"}, "level": 9, "val": 20}),
    ("hisRead", {}, {"id": KW, "range": "2026-11-09"}),
    ("hisRead", {"range": "2026-11-09", "tz": "London"}, {"id": KW}),
    ("hisWrite", {"id": KW}, {"ts": NOON, "val": 1}),
    ("invokeAction", {"id": KW, "action": "a"}, {"x": 1}),
    ("commit", {"commit": "add"}, {"id": {"_kind": "ref", "val": "new"}, "dis": "New", "unit": "kW", "tz": "UTC"}),
    ("commit", {"commit": "add"}, {"point": {"_kind": "marker"}, "his": {"_kind": "marker"}, "kind": "Str"}),
    (
        "commit",
        {"commit": "update"},
        {"id": KW, "mod": {"_kind": "dateTime", "val": "2026-11-10T17:07:00Z", "tz": "UTC"}, "dis": "Other"},
    ),
]


def deep(depth: int) -> Any:
    return [deep(depth - 1)] if depth else 1


WRONG = [
    {"_kind": "number", "val": 3, "unit": "a\nb"},
    {"_kind": "ref", "val": "a b"},
    {"_kind": "dateTime", "val": "2026-11-09T12:00:00+05:17", "tz": "New_York"},
    *map(deep, (60, 62, 63, 64)),
]
texts = st.text(max_size=3) | st.sampled_from(["a b", "a\nb", "@kw", "w", "today", "0001-01-01,9999-12-31", "add", "T"])
tagged = st.fixed_dictionaries(
    {
        "_kind": st.sampled_from(
            ["marker", "na", "remove", "ref", "uri", "symbol", "number", "xstr", "date", "dateTime"]
        ),
        "val": texts | st.floats() | st.sampled_from(["INF", "9999-12-31", "9999-12-31T23:59:59.999999Z"]),
    },
    optional={"unit": texts, "dis": texts, "type": texts, "tz": texts | st.just("New_York")},
)
odd = st.sampled_from(WRONG) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | tagged,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, str]:
    """An op, and a request for it with an odd value in the place of an argument, or as one more."""
    op, meta, row = draw(st.sampled_from(ASKED))
    meta, row = dict(meta), dict(row)
    part = draw(st.sampled_from([part for part in (meta, row) if part]))
    part[draw(st.sampled_from([*part, "x"]))] = draw(odd)
    cols = [{"name": tag} for tag in row]
    return op, json.dumps({"_kind": "grid", "meta": {"ver": "3.0", **meta}, "cols": cols, "rows": [row] if row else []})


@given(st.lists(asked(), min_size=5, max_size=20))
def test_any_json(requests: list[tuple[str, str]]) -> None:
    """No op fails, and none stores what no answer can have."""
    database = small_building()
    database.actions["a"] = lambda database, rec, args: Grid()
    with running_server(database, users={}, clock=ManualClock(NOW)) as server:
        raw, watches = Raw(server), server.app[STATE].watches
        watches._watches["w"] = watches.open(None)
        for op, body in requests:
            database.update("kw", {"mod": NOW})
            answer = raw.send("POST", op, body, {"Content-Type": "application/json"})
            assert answer.status == 400 or answer.grid.meta.get("errType") not in ("InternalErr", "CodecErr")
        assert len(raw.get("read", filter="id").grid) >= len(small_building())
        assert len(raw.call("pointWrite", 'ver:"3.0"\nid\n@mode\n')) == 17


def boxed(val: str, spec: str) -> dict[str, str]:
    return {"val": val, "spec": f"sys::{spec}"}


# Arguments of version 5, in Jeto.
TYPED: list[tuple[str, dict[str, Any]]] = [
    ("read", {"filter": "point", "checked": False}),
    ("readAll", {"filter": "point", "opts": {"limit": boxed("2", "Number"), "search": "a", "gridMeta": {"a": "b"}}}),
    ("readById", {"id": "kw", "checked": True}),
    ("readByIds", {"ids": ["kw", boxed("fan", "Ref"), "nope"], "checked": "false"}),
    ("watchPoll", {"watchId": "w", "refresh": "✓", "curValSub": "✓"}),
    ("pointWrite", {"id": "sp", "level": 9, "val": boxed("20°F", "Number"), "who": "me", "duration": "5min"}),
    *(
        (op, {"req": {"meta": {"id": boxed("kw", "Ref"), "watchDis": "w", "lease": "5min", **meta}, **grid}})
        for op, meta in (
            ("hisWrite", {}),
            ("hisRead", {"range": "today"}),
            ("commit", {"commit": "add"}),
            ("nav", {}),
            ("watchSub", {}),
            ("watchUnsub", {"watchId": "w"}),
        )
        for grid in (
            {"cols": [{"name": "id", "of": "sys::Ref"}], "rows": [{"id": "kw"}]},
            {
                "cols": [{"name": "ts", "of": "sys::DateTime"}, {"name": "val", "of": "sys::Number"}],
                "rows": [{"ts": "2026-11-09T12:00:00-05:00 New_York", "val": 1}],
            },
        )
    ),
]
TYPED_WRONG = [boxed("a b", "Ref"), boxed("1", "Nope"), boxed("2026-11-09T12:00:00+05:17 New_York", "DateTime"), "✓", 5]


@st.composite
def typed(draw: st.DrawFn) -> tuple[str, str]:
    """An op of version 5 with its arguments, one of which, or a part of one, is an odd value."""
    op, args = draw(st.sampled_from(TYPED))
    args = json.loads(json.dumps(args))
    part: Any = args
    while isinstance(part, dict | list) and part:
        key = draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[key], dict | list) or not part[key] or draw(st.booleans()):
            part[key] = draw(odd | st.sampled_from(TYPED_WRONG))
            break
        part = part[key]
    return op, json.dumps(args)


@given(st.lists(typed(), min_size=5, max_size=20))
def test_any_arguments(requests: list[tuple[str, str]]) -> None:
    """No op of version 5 fails, and none stores what no answer can have."""
    with running_server(small_building(), users={}, clock=ManualClock(NOW)) as server:
        raw, watches = Raw(server), server.app[STATE].watches
        watches._watches["w"] = watches.open(None)
        for op, body in requests:
            answer = raw.send("POST", op, body, {"Content-Type": "application/json", "Xeto-Version": "5"})
            assert answer.status in (200, 400, 404, 500)
            assert "the op failed" not in answer.text
            if answer.status == 200:
                decode_jeto(answer.body)
        assert len(raw.get("read", filter="id").grid) >= len(small_building())


@given(
    st.lists(
        st.tuples(
            st.integers(-100, 100),
            st.sampled_from(
                [Number(1, "kW"), Number(2), NA, REMOVE, None, Number(float("nan")), Number(float("-inf"))]
            ),
        ),
        max_size=12,
    ),
    st.integers(-110, 110),
    st.integers(0, 100),
)
def test_what_is_written_is_read(building: Any, samples: list[tuple[int, Any]], start: int, length: int) -> None:
    """Against a dictionary, over the repeated hour of New York."""
    state = app_of(building(), [])[STATE]
    middle = datetime(2026, 11, 1, 6, tzinfo=UTC)
    local = zone("New_York")

    def at(minute: int) -> datetime:
        return (middle + timedelta(minutes=minute)).astimezone(local)

    rows = [{"ts": at(minute), "val": val} for minute, val in samples]
    written = Grid.from_rows({"id": Ref("kw")}, ["ts", "val"], rows)
    OPS["hisWrite"].run(Call("hisWrite", decode(encode(written, "zinc"), "zinc"), state, ""))
    model: dict[int, Any] = {}
    for minute, val in samples:
        if isinstance(val, Number) or val is NA:
            model[minute] = Number(val.val, "kW") if isinstance(val, Number) else NA
    for minute, val in samples:
        if val is REMOVE:
            model.pop(minute, None)
    span = ",".join(f"{when.isoformat()} New_York" for when in (at(start), at(start + length)))
    request_ = Grid.from_rows(None, ["id", "range"], [{"id": Ref("kw"), "range": span}])
    answer = OPS["hisRead"].run(Call("hisRead", request_, state, ""))
    found = [((row["ts"].astimezone(UTC) - middle) // timedelta(minutes=1), row["val"]) for row in answer]
    assert found == [(minute, model[minute]) for minute in sorted(model) if start <= minute < start + length]
