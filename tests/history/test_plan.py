"""Plans: windows tile their span, points are not lost, and requests are not larger than allowed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.frame.points import Point
from hsframe.history.plan import GUESSED_ROWS_A_DAY, Group, Request, RequestLimits, Window, groups_of
from hsframe.history.point_records import PointRecord
from hsframe.kinds import Number, Ref
from hsframe.spans import Span, epoch_us, from_epoch_us, resolve

NOW_US = epoch_us(datetime(2026, 11, 18, 17, 30, tzinfo=UTC))
DAY_US = 86_400_000_000

instants = st.integers(0, 2 * 10**15)
windows = st.builds(
    lambda start, length, is_open: Window(start, start + length, is_open),
    instants,
    st.integers(0, 10**15),
    st.booleans(),
)


def of_record(
    ident: str, tz: str = "New_York", rows_a_day: float | None = 96.0, irregular: bool = False, most: int | None = None
) -> PointRecord:
    return PointRecord(Point(ident, ident, tz=tz), rows_a_day, irregular, most)


def groups(records: Sequence[PointRecord], span_in: Callable[[str], Span]) -> list[Group]:
    return groups_of(records, lambda tz: Window.of(span_in(tz), NOW_US))


def plan(
    records: Sequence[PointRecord],
    span_in: Callable[[str], Span],
    *,
    one_by_one: bool = False,
    limits: RequestLimits | None = None,
) -> list[Request]:
    """The requests of all groups, as they are when nothing has been found out."""
    found = groups(records, span_in)
    limits = replace(limits or RequestLimits(), total_cells=sum(group.cells for group in found))
    batches = [batch for group in found for batch in group.batches(limits, one_by_one=one_by_one)]
    return [request for batch in batches for request in batch.requests(limits)]


def tile(parts: list[Window], whole: Window) -> bool:
    joints = all(one.end_us == two.start_us and not one.is_open for one, two in itertools.pairwise(parts))
    ends = parts[-1].end_us == whole.end_us and parts[-1].is_open == whole.is_open
    return joints and ends and parts[0].start_us == whole.start_us


@given(windows, st.integers(1, 50))
def test_parts_tile_their_window(window: Window, count: int) -> None:
    parts = window.parts(count)
    assert 1 <= len(parts) <= count
    assert tile(parts, window)
    assert all(part.length_us >= 0 for part in parts)
    assert all(part.end_us % 1_000_000 == 0 for part in parts[:-1])


@given(windows)
def test_halves_tile_their_window_and_end(window: Window) -> None:
    rounds = 0
    while halves := Request((of_record("a"),), window).halves():
        assert tile([half.window for half in halves], window)
        assert halves[0].window.length_us < window.length_us
        window = halves[0].window
        rounds += 1
    assert rounds < 60
    assert window.length_us <= 2_000_000


zones = st.sampled_from(["New_York", "London", "Kathmandu", "Lord_Howe"])
densities = st.sampled_from([None, 24.0, 95.7, 96.0, 96.2, 1440.0, 86_400.0]) | st.floats(0.01, 10**5)
records_of_all_sorts = st.lists(
    st.builds(of_record, st.integers(0, 10**9).map(str), zones, densities, st.booleans()),
    max_size=40,
    unique_by=lambda one: one.point.id,
)
some_limits = st.builds(RequestLimits, st.integers(100, 10**6), st.integers(100, 10**5), st.integers(1, 50))


@given(records_of_all_sorts, instants, st.integers(1, 10**13), some_limits, st.booleans())
def test_each_points_windows_tile_its_span(
    records: list[PointRecord], start: int, length: int, limits: RequestLimits, one_by_one: bool
) -> None:
    span = Span(from_epoch_us(start, UTC), from_epoch_us(start + length, UTC))
    requests = plan(records, lambda tz: span, one_by_one=one_by_one, limits=limits)
    assert limits.cells is not None
    own: dict[str, list[Window]] = {one.point.id: [] for one in records}
    for request in requests:
        for one in request.records:
            own[one.point.id].append(request.window)
    assert all(tile(windows, Window(start, start + length)) for windows in own.values())
    for request in requests:
        width = len(request.records)
        assert len({(one.tz, one.irregular) for one in request.records}) == 1
        assert width <= (1 if one_by_one else limits.points)
        assert width <= 10 or not request.records[0].irregular
        densities = [one.rows_a_day for one in request.records]
        if None in densities:
            assert set(densities) == {None}  # what is known of one says nothing of the other
            continue
        assert max(densities) <= 1.5 * min(densities)
        # Points with instants of their own share no rows.
        rows_a_day = max(densities) * (width if request.records[0].irregular else 1)
        rows = rows_a_day * request.window.length_us / DAY_US
        # Cuts are at whole seconds, so a part may be a second longer than its share.
        slack = 1 + rows_a_day / 86_400
        assert rows <= limits.rows + slack
        cells_a_row = min(width, 2) if request.records[0].irregular else width
        assert rows * cells_a_row <= limits.cells + slack * width


def test_spans_are_cut_in_each_points_own_zone() -> None:
    requests = plan(
        [of_record("a", "New_York"), of_record("b", "Brisbane"), of_record("c", "New_York")],
        lambda tz: resolve("2026-11-01", tz),
    )
    assert [[one.point.id for one in request.records] for request in requests] == [["a", "c"], ["b"]]
    assert [request.window.length_us for request in requests] == [25 * DAY_US // 24, DAY_US]


def test_one_step_more_is_asked_at_both_ends() -> None:
    day = resolve("2026-11-01", "New_York")
    request = Request((of_record("a"),), Window(day.start_us, day.end_us))
    assert request.asked == "2026-10-31T23:59:59-04:00 New_York,2026-11-02T00:00:01-05:00 New_York"
    # A window that does not start at a whole second: outwards.
    odd = Request((of_record("a", "UTC"),), Window(1_500_000, 2_500_000))
    assert odd.asked == "1970-01-01T00:00:00Z UTC,1970-01-01T00:00:04Z UTC"
    assert Request((of_record("a", "UTC"),), Window(0, NOW_US, is_open=True)).asked == "1969-12-31T23:59:59Z UTC"


def test_an_open_window_is_cut_before_the_present_and_stays_open() -> None:
    requests = plan(
        [of_record("a", rows_a_day=86_400)],
        lambda tz: resolve(from_epoch_us(NOW_US - 10 * DAY_US, UTC), tz),
    )
    assert len(requests) == 11
    assert [request.window.is_open for request in requests] == [False] * 10 + [True]
    assert all(request.window.start_us < NOW_US for request in requests)
    assert plan([of_record("a")], lambda tz: resolve(from_epoch_us(NOW_US, UTC), tz))[0].window == Window(
        NOW_US, NOW_US, is_open=True
    )


def test_answers_are_of_a_size() -> None:
    def shape(points: int, span: str, rows_a_day: float | None = 96.0, irregular: bool = False) -> tuple[int, int]:
        records = [of_record(str(number), rows_a_day=rows_a_day, irregular=irregular) for number in range(points)]
        requests = plan(records, lambda tz: resolve(span, tz))
        return len({request.records for request in requests}), len(requests)

    assert shape(1, "2026") == (1, 1)
    assert shape(100, "2026") == (2, 2 * 19)  # wide, and cut in time
    assert shape(1000, "2026-10") == (38, 38)  # as wide as the whole span allows: nothing is cut and joined
    assert shape(1000, "2026-10", None) == (38, 38)  # a quarter of an hour is the guess
    assert shape(1000, "2026-11-01") == (10, 10)
    # Few points with instants of their own, the fewer the more samples they have.
    assert shape(20, "2026-10", irregular=True) == (7, 7)
    assert shape(20, "2026-10-01", irregular=True) == (2, 2)
    assert shape(100, "2026-10", 1.0, irregular=True) == (4, 4)
    assert shape(2, "2026", irregular=True) == (2, 2)
    assert shape(10_000, "2026", 24.0)[1] < 200  # more at once where more is read


def test_a_probe_asks_little_of_some_points_at_the_end() -> None:
    (group,) = groups([of_record(str(number)) for number in range(95)], lambda tz: resolve("2026", tz))
    probe = group.probe(NOW_US)
    assert len(probe.records) == 10
    assert probe.window == Window(NOW_US - DAY_US, NOW_US)  # the year is not over
    (group,) = groups([of_record("a")], lambda tz: resolve("2026-03-08", tz))
    whole = resolve("2026-03-08", "New_York")
    assert whole.end_us is not None
    assert group.probe(NOW_US).window == Window(whole.end_us - 23 * 3_600_000_000 // 8, whole.end_us)
    (group,) = groups([of_record("a")], lambda tz: resolve("2030", tz))
    assert group.probe(NOW_US).window.length_us == 0


def test_a_history_is_no_longer_than_its_record_says() -> None:
    long, short = of_record("a", rows_a_day=86_400.0), of_record("b", rows_a_day=86_400.0, most=1000)
    span = resolve("2026-10", "New_York")
    assert len(plan([long], lambda tz: span)) > 20
    assert len(plan([short], lambda tz: span)) == 1


def test_requests_are_halved_in_points_too() -> None:
    request = Request(tuple(of_record(name) for name in "abc"), Window(0, DAY_US))
    halves = request.halves(in_points=True)
    assert [[one.id for one in half.records] for half in halves] == [["a", "b"], ["c"]]
    assert halves[1].halves(in_points=True) == []
    assert [len(single.records) for single in request.in_points()] == [1, 1, 1]
    assert request.size == 3 * DAY_US
    instant = Request(request.records, Window(0, 1))  # too short to be cut in time
    assert [len(half.records) for half in instant.halves()] == [2, 1]


START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tags", "rows_a_day", "irregular", "most"),
    [
        ({}, None, False, None),
        ({"hisInterval": Number(5, "min")}, 288.0, False, None),
        ({"hisInterval": Number(1, "hr"), "hisSize": Number(50)}, 24.0, False, 50),
        ({"hisInterval": Number(0, "min")}, None, False, None),
        ({"hisInterval": Number(5, "kW")}, None, False, None),
        ({"hisMode": "cov"}, None, True, None),
        ({"hisMode": "sampled", "hisInterval": Number(1, "day")}, 1.0, False, None),
        ({"hisSize": Number(480), "hisStart": START, "hisEnd": START + timedelta(10)}, 48.0, False, 480),
        ({"hisSize": Number(480), "hisStart": START, "hisEnd": START + timedelta(hours=1)}, None, False, 480),
        ({"hisSize": Number(480), "hisStart": "2026-01-01", "hisEnd": "2026-02-01"}, None, False, 480),
        ({"hisSize": Number(math.nan)}, None, False, None),
        ({"hisSize": Number(0)}, None, False, None),
    ],
)
def test_the_record_says_how_dense_a_history_is(
    tags: dict[str, object], rows_a_day: float | None, irregular: bool, most: int | None
) -> None:
    record = {"id": Ref("a"), "tz": "New_York", **tags}
    read = PointRecord.of(record)
    assert (read.id, read.tz) == ("a", "New_York")
    assert (read.rows_a_day, read.irregular, read.most_rows) == (rows_a_day, irregular, most)


def test_what_nothing_says_is_guessed() -> None:
    (group,) = groups([of_record("a", rows_a_day=None)], lambda tz: resolve("2026-10", tz))
    assert group.cells == 31 * GUESSED_ROWS_A_DAY
    assert group.with_density(7.0).cells == 31 * 7
    assert group.with_density(None, irregular=True).irregular
