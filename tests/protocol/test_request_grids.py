"""Request grids of each op, byte by byte in Zinc where the standard shows them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hsframe.codecs import decode, encode
from hsframe.errors import MetadataError, SpanError, ZoneError
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol import request_grids
from hsframe.protocol.dialects import Dialect

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("request_grid", "zinc"),
    [
        (request_grids.read_request("site"), 'ver:"3.0"\nfilter\n"site"\n'),
        (request_grids.read_request("point", 2), 'ver:"3.0"\nfilter,limit\n"point",2\n'),
        (request_grids.read_by_ids_request(["@a", Ref("b")]), 'ver:"3.0"\nid\n@a\n@b\n'),
        (request_grids.read_by_ids_request("a"), 'ver:"3.0"\nid\n@a\n'),
        (request_grids.nav_request(), 'ver:"3.0"\nempty\n'),
        (request_grids.nav_request(Ref("site-ny")), 'ver:"3.0"\nnavId\n@site-ny\n'),
        (request_grids.read_request(), 'ver:"3.0"\nempty\n'),
        (request_grids.read_request("marker", 3), 'ver:"3.0"\nfilter,limit\n"marker",3\n'),
        (request_grids.his_read_request("a", "today"), 'ver:"3.0"\nid,range\n@a,"today"\n'),
        (request_grids.his_read_batch_request(["a", "b"], "2026-11-02"), 'ver:"3.0" range:"2026-11-02"\nid\n@a\n@b\n'),
        (
            request_grids.his_read_batch_request(["a"], "today", "London"),
            'ver:"3.0" range:"today" tz:"London"\nid\n@a\n',
        ),
        (request_grids.point_write_array_request("a"), 'ver:"3.0"\nid\n@a\n'),
        (request_grids.point_write_request("a", 16, 72.5), 'ver:"3.0"\nid,level,val\n@a,16,72.5\n'),
        (
            request_grids.point_write_request("a", 8, Number(60, "°F"), "py", Number(10, "min")),
            'ver:"3.0"\nid,level,val,who,duration\n@a,8,60°F,"py",10min\n',
        ),
        (
            request_grids.point_write_request("a", 8, True, duration=timedelta(minutes=1)),
            'ver:"3.0"\nid,level,val,duration\n@a,8,T,60s\n',
        ),
        (
            request_grids.watch_sub_request(["a"], "My Watch", Number(5, "min")),
            'ver:"3.0" watchDis:"My Watch" lease:5min\nid\n@a\n',
        ),
        (request_grids.watch_sub_request("a", "W", "1.5min"), 'ver:"3.0" watchDis:"W" lease:90s\nid\n@a\n'),
        (request_grids.watch_unsub_request("w-1", "@a"), 'ver:"3.0" watchId:"w-1"\nid\n@a\n'),
        (
            request_grids.point_write_request("a", 8, True, duration="500ms"),
            'ver:"3.0"\nid,level,val,duration\n@a,8,T,0.5s\n',
        ),
        (request_grids.watch_sub_request(["a"], "W", watch_id="w-1"), 'ver:"3.0" watchId:"w-1" watchDis:"W"\nid\n@a\n'),
        (request_grids.watch_poll_request("w-1"), 'ver:"3.0" watchId:"w-1"\nempty\n'),
        (request_grids.watch_poll_request("w-1", refresh=True), 'ver:"3.0" watchId:"w-1" refresh\nempty\n'),
        (request_grids.watch_unsub_request("w-1", ["a"]), 'ver:"3.0" watchId:"w-1"\nid\n@a\n'),
        (request_grids.watch_close_request("w-1"), 'ver:"3.0" watchId:"w-1" close\nempty\n'),
        (
            request_grids.invoke_action_request("ahu-1", "reset", {"duration": Number(30, "s"), "n": 3}),
            'ver:"3.0" id:@ahu-1 action:"reset"\nduration,n\n30s,3\n',
        ),
        (request_grids.invoke_action_request("ahu-1", "reset"), 'ver:"3.0" id:@ahu-1 action:"reset"\nempty\n'),
        (request_grids.eval_request("readAll(site)"), 'ver:"3.0"\nexpr\n"readAll(site)"\n'),
    ],
)
def test_request_grids(request_grid: Grid, zinc: str) -> None:
    assert encode(request_grid, "zinc").decode() == zinc
    # The same request in each format that requests go out in.
    for short in ("json4", "json3"):
        assert decode(encode(request_grid, short), short) == request_grid


def test_json4_requests_say_that_they_are_grids() -> None:
    # Haxall reads a v4 request only with this.
    assert b'"_kind":"grid"' in encode(request_grids.read_request("site"), "json4").replace(b" ", b"")


@pytest.mark.parametrize("level", ["16", 16.5, float("nan"), None])
def test_a_level_that_is_no_whole_number_is_refused(level: Any) -> None:
    with pytest.raises(MetadataError, match=r"from 1 .* to 17"):
        request_grids.point_write_request("a", level, 1)


def test_a_level_out_of_a_table_is_a_float() -> None:
    assert request_grids.point_write_request("a", np.float64(8), 1)[0]["level"] == Number(8)


def test_an_auto_point_write_has_a_null_value() -> None:
    assert list(request_grids.point_write_request("a", 8, None)[0]) == ["id", "level"]
    assert "val" in request_grids.point_write_request("a", 8, None).col_names


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ("today", "today"),
        (date(2026, 1, 1), "2026-01-01"),
        ((date(2026, 1, 1), date(2026, 1, 31)), "2026-01-01,2026-01-31"),
        (datetime(2026, 1, 1, tzinfo=NEW_YORK), "2026-01-01T00:00:00-05:00 New_York"),
        (
            (datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK), datetime(2026, 11, 1, 1, 30, fold=1, tzinfo=NEW_YORK)),
            "2026-11-01T01:30:00-04:00 New_York,2026-11-01T01:30:00-05:00 New_York",
        ),
        (datetime(2026, 1, 1, 0, 0, 0, 250000, tzinfo=UTC), "2026-01-01T00:00:00.250000Z UTC"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/London")), "2026-01-01T00:00:00Z London"),
        (datetime(2026, 1, 1, tzinfo=ZoneInfo("Etc/GMT-3")), "2026-01-01T00:00:00+03:00 GMT-3"),
    ],
)
def test_ranges(span: Any, text: str) -> None:
    assert request_grids.as_range(span) == text


def test_a_naive_range_is_refused() -> None:
    with pytest.raises(ZoneError, match="no time zone"):
        request_grids.as_range(datetime(2026, 1, 1))


@pytest.mark.parametrize("span", [None, 5, (), (date(2026, 1, 1), None), (date(2026, 1, 1),) * 3, ("a", "b")])
def test_what_is_no_range_is_refused(span: Any) -> None:
    with pytest.raises(SpanError, match="a range of hisRead must be 'today'"):
        request_grids.as_range(span)


@pytest.mark.parametrize("bad", ["", "@", None, 3, b"a"])
def test_what_is_no_id(bad: Any) -> None:
    with pytest.raises(MetadataError, match="an id must be a Ref"):
        request_grids.as_ref(bad)


def test_no_ids_at_all() -> None:
    for make in (
        lambda: request_grids.read_by_ids_request([]),
        lambda: request_grids.his_read_batch_request([], "today"),
        lambda: request_grids.watch_sub_request([], "x"),
    ):
        with pytest.raises(MetadataError, match="no ids"):
            make()


def test_kinds_from_what_people_write() -> None:
    assert request_grids.as_kind(np.float64(1.5)) == Number(1.5)
    assert request_grids.as_kind(np.int32(3)) == Number(3)
    assert request_grids.as_kind(np.bool_(True)) is True
    assert request_grids.as_kind({"a": 1, "b": (1, "x")}) == {"a": Number(1), "b": [Number(1), "x"]}
    assert request_grids.as_kind(MARKER) is MARKER
    assert request_grids.as_kind(timedelta(seconds=0.5)) == Number(0.5, "s")


def test_which_ops_may_be_sent_again() -> None:
    for name, op in request_grids.OPS.items():
        assert name == op.name
        assert not (op.get and not op.repeatable), "what GET serves has no side effects"
    assert not request_grids.OPS["watchPoll"].repeatable
    assert not request_grids.OPS["invokeAction"].repeatable


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "a b", "a?b", "é/"])
def test_what_is_no_op(bad: str) -> None:
    with pytest.raises(MetadataError, match="letters and digits"):
        request_grids.op_of(bad)


def test_own_ops_and_dotted_ops() -> None:
    assert request_grids.op_of("myOp") == request_grids.Op("myOp")
    assert request_grids.op_of("sys.api.ping").get is False


@pytest.mark.parametrize(
    ("request_grid", "ids"),
    [
        (request_grids.read_by_ids_request(["a", "b"]), "ab"),
        (request_grids.his_read_batch_request(["a", "b"], "today"), "ab"),
        (request_grids.his_read_id0_request(["a", "b"], "today"), "ab"),
        (request_grids.watch_unsub_request("w", ["c"]), "c"),
        (Grid({"id": Ref("a")}, ["ts", "val"], [[], []]), "a"),
        (Grid({}, ["ts", Col("v0", {"id": Ref("a")}), Col("v1", {"id": Ref("b")})], [[], [], []]), "ab"),
        (request_grids.eval_request("readById(@a)"), ""),
        (request_grids.nav_request(Ref("a")), ""),
    ],
)
def test_ids_of_a_request(request_grid: Grid, ids: str) -> None:
    assert [ref.val for ref in request_grids.ids_of(request_grid)] == list(ids)


def test_a_query_holds_one_row_without_meta() -> None:
    assert request_grids.query_of(Grid()) == {}
    assert request_grids.query_of(request_grids.read_request("site", 2)) == {"filter": "site", "limit": Number(2)}
    assert request_grids.query_of(request_grids.read_by_ids_request(["a", "b"])) is None
    assert request_grids.query_of(request_grids.watch_poll_request("w")) is None


def test_methods_are_learnt_per_op() -> None:
    dialect = Dialect()
    about, read, close = request_grids.OPS["about"], request_grids.OPS["read"], request_grids.OPS["close"]
    assert dialect.method(about, has_arguments=False) == "GET"
    assert dialect.method(read, has_arguments=True) == "POST"
    assert dialect.method(close, has_arguments=False) == "POST"
    assert dialect.switch_method(close, "POST") == "GET"
    assert dialect.method(close, has_arguments=False) == "GET"
    assert dialect.switch_method(about, "GET") == "POST"
    assert dialect.method(about, has_arguments=False) == "POST"
    assert dialect.method(read, has_arguments=True) == "POST"


@pytest.mark.parametrize("limit", [-1, 1.5, "3", float("nan")])
def test_a_limit_is_a_count(limit: Any) -> None:
    with pytest.raises(MetadataError, match=r"limit must be a whole number from 0 up, or None; got "):
        request_grids.read_request("point", limit)


@pytest.mark.parametrize("filter", [["a"], 3, Ref("a")])
def test_a_filter_is_a_text(filter: Any) -> None:
    with pytest.raises(MetadataError, match=r"a filter must be a text, as .*; got .*; read_by_ids takes ids"):
        request_grids.read_request(filter)


def test_any_integer_limits() -> None:
    for limit in (0, 3, np.int32(3)):
        assert request_grids.read_request("point", limit)[0]["limit"] == Number(int(limit))
