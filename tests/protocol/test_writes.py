"""Request grids of hisWrite: both forms taken, one sent, the same instants in the points' zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from hsframe.codecs import encode
from hsframe.columns import NumberColumn, TimeColumn
from hsframe.errors import MetadataError, ZoneError
from hsframe.grid import Col, Grid, GridBuilder
from hsframe.kinds import NA, Number, Ref
from hsframe.protocol.writes import his_write_batch_requests, his_write_request, points_of_batch, samples_of

A, B, C = Ref("a"), Ref("b"), Ref("c")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def single(items: Any, tz: str | None) -> str:
    times, values = samples_of(A, items)
    return encode(his_write_request(A, times, values, tz), "zinc").decode()


def test_a_single_write_in_the_points_zone() -> None:
    assert single([{"ts": NOON, "val": Number(72.5, "°F")}], "New_York") == (
        'ver:"3.0" id:@a\nts,val\n2026-07-01T08:00:00-04:00 New_York,72.5°F\n'
    )


def test_the_repeated_hour_stays_two_hours() -> None:
    instants = [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)]
    sent = single([{"ts": when, "val": 1} for when in instants], "New_York")
    assert "2026-11-01T01:30:00-04:00 New_York,1\n2026-11-01T01:30:00-05:00 New_York,1\n" in sent


@pytest.mark.parametrize(
    "when",
    [
        NOON,
        NOON.astimezone(ZoneInfo("Australia/Brisbane")),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
        pd.Timestamp(NOON),
        pd.Timestamp("2026-07-01T12:00:00.000000999Z"),
    ],
)
def test_any_zone_of_the_caller_gives_the_same_sample(when: datetime) -> None:
    assert single([{"ts": when, "val": True}], "London").endswith("2026-07-01T13:00:00+01:00 London,T\n")


def test_a_point_without_tz_goes_as_it_is() -> None:
    when = NOON.astimezone(ZoneInfo("Europe/London"))
    assert single([{"ts": when, "val": 1}], None).endswith("2026-07-01T13:00:00+01:00 London,1\n")


def test_null_samples_are_left_out_and_na_stays() -> None:
    sent = single([{"ts": NOON, "val": None}, {"ts": NOON, "val": NA}, {"ts": NOON}], "UTC")
    assert sent.count("2026-07-01") == 1
    assert sent.endswith(",NA\n")


def test_a_grid_of_samples() -> None:
    grid = GridBuilder().add_col("ts").add_col("val").add_row({"ts": NOON, "val": Number(1, "kW")}).to_grid()
    assert single(grid, "UTC") == single([{"ts": NOON, "val": Number(1, "kW")}], "UTC")
    # As hisRead gave it.
    assert single(Grid({"id": B, "hisStart": NOON}, grid.cols, grid.columns), "UTC").startswith('ver:"3.0" id:@a\n')


def test_arrow_columns_change_their_zone_without_objects() -> None:
    times = TimeColumn(pa.array([1_782_907_200_000_000]), "UTC")
    values = NumberColumn(pa.array([1.5]), "kW")
    got_times, got_values = samples_of(A, Grid({}, ["ts", "val"], [times, values]))
    request = his_write_request(A, got_times, got_values, "New_York")
    assert isinstance(request.columns[0], TimeColumn)
    assert request.columns[0].tz == "New_York"
    assert request.columns[0].values is times.values
    assert request.columns[1] is values
    assert request.columns[0][0] == times[0]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"ts": NOON, "val": 1}, {"time": NOON, "val": 1}], "sample 1 has time, val"),
        ([{"ts": NOON, "val": 1, "unit": "kW"}], "sample 0"),
        ([(NOON, 1)], "sample 0 has tuple"),
        ([{"ts": "2026-01-01", "val": 1}], "row 0 has no time in ts but '2026-01-01'"),
        (Grid({}, ["ts", "v0", "v1"], [(), (), ()]), "columns ts, v0, v1; expected ts and val"),
        (Grid(), "expected ts and val"),
    ],
)
def test_what_are_no_samples(items: Any, words: str) -> None:
    with pytest.raises(MetadataError, match=words):
        samples_of(A, items)


def test_a_naive_time_is_refused_with_its_row() -> None:
    naive = datetime(2026, 1, 1, 8, 15)
    with pytest.raises(ZoneError, match=r"hisWrite of @a: row 1, 2026-01-01 08:15:00, has no time zone"):
        samples_of(A, [{"ts": NOON, "val": 1}, {"ts": naive, "val": 1}])
    with pytest.raises(ZoneError, match="row 0"):
        points_of_batch(Grid({}, ["ts", Col("v0", {"id": A})], [[naive], [Number(1)]]))


def standard(*ids: Ref) -> Grid:
    cols = ["ts", *(Col(f"v{n}", {"id": of}) for n, of in enumerate(ids))]
    return Grid({}, cols, [[NOON], *([Number(n)] for n in range(len(ids)))])


def test_both_forms_of_a_batch_become_the_standard_one() -> None:
    by_meta = Grid({"id": A, "id1": B, "noWarn": True}, ["ts", "v0", "v1"], [[NOON], [1], [None]])
    (request,) = his_write_batch_requests(by_meta, points_of_batch(by_meta), {A: "New_York", B: "New_York"})
    assert encode(request, "zinc").decode() == (
        'ver:"3.0" noWarn:T\nts,v0 id:@a,v1 id:@b\n2026-07-01T08:00:00-04:00 New_York,1,\n'
    )
    by_cols = standard(A, B)
    (request,) = his_write_batch_requests(by_cols, points_of_batch(by_cols), {A: "UTC", B: "UTC"})
    assert [dict(col.meta) for col in request.cols] == [{}, {"id": A}, {"id": B}]
    assert dict(request.meta) == {}


def test_points_of_several_zones_go_in_a_request_each() -> None:
    grid = standard(A, B, C)
    requests = his_write_batch_requests(grid, points_of_batch(grid), {A: "London", B: "Brisbane", C: "London"})
    assert [[col.meta["id"] for col in request.cols[1:]] for request in requests] == [[A, C], [B]]
    assert [request.col_names for request in requests] == [["ts", "v0", "v1"], ["ts", "v0"]]
    assert [request[0]["v0"] for request in requests] == [Number(0), Number(1)]
    assert [str(request[0]["ts"]) for request in requests] == ["2026-07-01 13:00:00+01:00", "2026-07-01 22:00:00+10:00"]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (Grid({}, ["ts", "v0"], [(), ()]), "the columns v0 have no id"),
        (Grid({}, ["ts", Col("v0", {"id": A}), "v1"], [(), (), ()]), "the columns v1 have no id"),
        (Grid({}, [Col("v0", {"id": A}), "ts"], [(), ()]), "expected ts, v0, v1"),
        (Grid(), "expected ts, v0, v1"),
        (standard(A, B, A), "@a has more than one column"),
    ],
)
def test_what_is_no_batch(grid: Grid, words: str) -> None:
    with pytest.raises(MetadataError, match=words):
        points_of_batch(grid)
