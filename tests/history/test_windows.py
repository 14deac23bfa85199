"""Plans: windows tile their span, points are not lost, and requests are not larger than allowed."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.frame.points import Point
from hsframe.history.windows import Limits, Request, Target, Window, plan
from hsframe.kinds import Number, Ref
from hsframe.spans import Span, epoch_us, from_epoch_us, resolve

NOW_US = epoch_us(datetime(2026, 11, 18, 17, 30, tzinfo=UTC))
DAY_US = 86_400_000_000

instants = st.integers(0, 2 * 10**15)
windows = st.builds(
    lambda start, length: Window(start, None if length is None else start + length),
    instants,
    st.none() | st.integers(0, 10**15),
)


def target(ident: str, tz: str = "New_York", rows_a_day: float = 96.0, irregular: bool = False) -> Target:
    return Target(Point(ident, ident, tz=tz), rows_a_day, irregular)


def tile(parts: list[Window], whole: Window) -> bool:
    joints = all(one.end_us == two.start_us for one, two in itertools.pairwise(parts))
    return joints and parts[0].start_us == whole.start_us and parts[-1].end_us == whole.end_us


@given(windows, st.integers(1, 50))
def test_parts_tile_their_window(window: Window, count: int) -> None:
    parts = window.parts(count, NOW_US)
    assert 1 <= len(parts) <= count
    assert tile(parts, window)
    assert all(part.end_us is None or part.end_us >= part.start_us for part in parts)
    assert all(part.end_us is not None and part.end_us % 1_000_000 == 0 for part in parts[:-1])


@given(windows)
def test_halves_tile_their_window_and_end(window: Window) -> None:
    rounds = 0
    while (halves := window.halves(NOW_US)) is not None:
        assert tile(list(halves), window)
        assert halves[0].length_us(NOW_US) < window.length_us(NOW_US)
        window = halves[0]
        rounds += 1
    assert rounds < 60
    assert window.length_us(NOW_US) <= 2_000_000


zones = st.sampled_from(["New_York", "London", "Kathmandu", "Lord_Howe"])
targets_of_all_sorts = st.lists(
    st.builds(
        target, st.integers(0, 10**9).map(str), zones, st.sampled_from([24.0, 96.0, 1440.0, 86_400.0]), st.booleans()
    ),
    max_size=40,
    unique_by=lambda one: one.point.id,
)
limits = st.builds(Limits, st.integers(100, 10**6), st.integers(100, 10**5), st.integers(1, 50))


@given(targets_of_all_sorts, instants, st.integers(1, 10**14), limits, st.booleans())
def test_each_points_windows_tile_its_span(
    targets: list[Target], start: int, length: int, limits: Limits, batch: bool
) -> None:
    span = Span(from_epoch_us(start, UTC), from_epoch_us(start + length, UTC))
    requests = plan(targets, lambda tz: span, now_us=NOW_US, batch=batch, limits=limits)
    for one in targets:
        own = [request.window for request in requests if one in request.targets]
        assert tile(own, Window(start, start + length))
    for request in requests:
        assert len({(one.tz, one.rows_a_day) for one in request.targets}) == 1
        assert len(request.targets) <= (limits.points if batch else 1)
        assert len(request.targets) == 1 or not any(one.irregular for one in request.targets)
        rows = request.targets[0].rows_a_day * request.window.length_us(NOW_US) / DAY_US
        # Cuts are at whole seconds, so a part may be a second longer than its share.
        slack = 1 + request.targets[0].rows_a_day / 86_400
        assert rows <= limits.rows + slack
        assert rows * len(request.targets) <= limits.cells + slack * len(request.targets)


def test_spans_are_cut_in_each_points_own_zone() -> None:
    requests = plan(
        [target("a", "New_York"), target("b", "Brisbane"), target("c", "New_York")],
        lambda tz: resolve("2026-11-01", tz),
        now_us=NOW_US,
    )
    assert [[one.point.id for one in request.targets] for request in requests] == [["a", "c"], ["b"]]
    assert [request.window.length_us(NOW_US) for request in requests] == [25 * DAY_US // 24, DAY_US]


def test_one_step_more_is_asked_at_both_ends() -> None:
    day = resolve("2026-11-01", "New_York")
    request = Request((target("a"),), Window(day.start_us, day.end_us))
    assert request.asked == "2026-10-31T23:59:59-04:00 New_York,2026-11-02T00:00:01-05:00 New_York"
    # A window that does not start at a whole second: outwards.
    odd = Request((target("a", "UTC"),), Window(1_500_000, 2_500_000))
    assert odd.asked == "1970-01-01T00:00:00Z UTC,1970-01-01T00:00:04Z UTC"
    assert Request((target("a", "UTC"),), Window(0, None)).asked == "1969-12-31T23:59:59Z UTC"


def test_an_open_window_is_cut_before_the_present_and_stays_open() -> None:
    requests = plan(
        [target("a", rows_a_day=86_400)],
        lambda tz: resolve(from_epoch_us(NOW_US - 10 * DAY_US, UTC), tz),
        now_us=NOW_US,
    )
    assert len(requests) == 9
    assert [request.window.end_us is None for request in requests] == [False] * 8 + [True]
    assert all(request.window.start_us < NOW_US for request in requests)
    assert plan([target("a")], lambda tz: resolve(from_epoch_us(NOW_US, UTC), tz), now_us=NOW_US)[0].window == Window(
        NOW_US, None
    )


def test_a_year_of_a_hundred_points_is_a_handful_of_requests() -> None:
    targets = [target(str(number)) for number in range(100)]
    requests = plan(targets, lambda tz: resolve("2026", tz), now_us=NOW_US)
    assert 10 <= len(requests) <= 20
    assert all(len(request.targets) == 100 for request in requests)


def test_requests_are_halved_in_points_too() -> None:
    request = Request(tuple(target(name) for name in "abc"), Window(0, DAY_US))
    halves = request.in_points()
    assert halves is not None
    assert [[one.point.id for one in half.targets] for half in halves] == [["a"], ["b", "c"]]
    assert halves[0].in_points() is None
    assert [len(single.targets) for single in request.singles()] == [1, 1, 1]
    assert request.size(NOW_US) == 3 * DAY_US


@pytest.mark.parametrize(
    ("tags", "rows_a_day", "irregular"),
    [
        ({}, 96.0, False),
        ({"hisInterval": Number(5, "min")}, 288.0, False),
        ({"hisInterval": Number(1, "hr")}, 24.0, False),
        ({"hisInterval": Number(0, "min")}, 96.0, False),
        ({"hisInterval": Number(5, "kW")}, 96.0, False),
        ({"hisMode": "cov"}, 96.0, True),
        ({"hisMode": "sampled", "hisInterval": Number(1, "day")}, 1.0, False),
    ],
)
def test_the_record_says_how_dense_a_history_is(tags: dict[str, object], rows_a_day: float, irregular: bool) -> None:
    record = {"id": Ref("a"), "tz": "New_York", **tags}
    assert Target.from_record(record, Point.from_record(record)) == target_of(rows_a_day, irregular)


def target_of(rows_a_day: float, irregular: bool) -> Target:
    return Target(Point("a", "a", tz="New_York"), rows_a_day, irregular)
