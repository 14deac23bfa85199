"""Plans: windows tile their span, points are not lost, and requests are not larger than allowed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.frame.points import Point
from hsframe.history.windows import GUESSED_ROWS_A_DAY, Limits, Request, Target, Window, groups_of
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


def target(
    ident: str, tz: str = "New_York", rows_a_day: float | None = 96.0, irregular: bool = False, most: int | None = None
) -> Target:
    return Target(Point(ident, ident, tz=tz), rows_a_day, irregular, most)


def plan(
    targets: Sequence[Target], span_in: Callable[[str], Span], *, batch: bool = True, limits: Limits | None = None
) -> list[Request]:
    """The requests of all groups, as they are when nothing has been found out."""
    limits = limits or Limits()
    groups = groups_of(targets, span_in)
    cells = limits.cells_of(sum(group.cells(NOW_US) for group in groups))
    lanes = [lane for group in groups for lane in group.lanes(limits, cells, NOW_US, batch=batch)]
    return [request for lane in lanes for request in lane.requests(limits, cells, NOW_US)]


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
densities = st.sampled_from([None, 24.0, 95.7, 96.0, 96.2, 1440.0, 86_400.0]) | st.floats(0.01, 10**5)
targets_of_all_sorts = st.lists(
    st.builds(target, st.integers(0, 10**9).map(str), zones, densities, st.booleans()),
    max_size=40,
    unique_by=lambda one: one.point.id,
)
limits = st.builds(Limits, st.integers(100, 10**6), st.integers(100, 10**5), st.integers(1, 50))


@given(targets_of_all_sorts, instants, st.integers(1, 10**14), limits, st.booleans())
def test_each_points_windows_tile_its_span(
    targets: list[Target], start: int, length: int, limits: Limits, batch: bool
) -> None:
    span = Span(from_epoch_us(start, UTC), from_epoch_us(start + length, UTC))
    requests = plan(targets, lambda tz: span, batch=batch, limits=limits)
    assert limits.cells is not None
    for one in targets:
        own = [request.window for request in requests if one in request.targets]
        assert tile(own, Window(start, start + length))
    for request in requests:
        width = len(request.targets)
        assert len({(one.tz, one.irregular) for one in request.targets}) == 1
        assert width <= (limits.points if batch else 1)
        assert width <= 10 or not request.targets[0].irregular
        densities = [one.rows_a_day for one in request.targets]
        if None in densities:
            assert set(densities) == {None}  # what is known of one says nothing of the other
            continue
        assert max(densities) <= 1.5 * min(densities)
        # Points with instants of their own share no rows.
        rows_a_day = max(densities) * (width if request.targets[0].irregular else 1)
        rows = rows_a_day * request.window.length_us(NOW_US) / DAY_US
        # Cuts are at whole seconds, so a part may be a second longer than its share.
        slack = 1 + rows_a_day / 86_400
        assert rows <= limits.rows + slack
        cells_a_row = min(width, 2) if request.targets[0].irregular else width
        assert rows * cells_a_row <= limits.cells + slack * width


def test_spans_are_cut_in_each_points_own_zone() -> None:
    requests = plan(
        [target("a", "New_York"), target("b", "Brisbane"), target("c", "New_York")],
        lambda tz: resolve("2026-11-01", tz),
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
    )
    assert len(requests) == 11
    assert [request.window.end_us is None for request in requests] == [False] * 10 + [True]
    assert all(request.window.start_us < NOW_US for request in requests)
    assert plan([target("a")], lambda tz: resolve(from_epoch_us(NOW_US, UTC), tz))[0].window == Window(NOW_US, None)


def test_answers_are_of_a_size() -> None:
    def shape(points: int, span: str, rows_a_day: float | None = 96.0, irregular: bool = False) -> tuple[int, int]:
        targets = [target(str(number), rows_a_day=rows_a_day, irregular=irregular) for number in range(points)]
        requests = plan(targets, lambda tz: resolve(span, tz))
        return len({request.targets for request in requests}), len(requests)

    assert shape(1, "2026") == (1, 1)
    assert shape(100, "2026") == (2, 2 * 19)  # wide, and cut in time
    assert shape(1000, "2026-10") == (38, 38)  # as wide as the whole span allows: nothing is cut and joined
    assert shape(1000, "2026-10", None) == (38, 38)  # a quarter of an hour is the guess
    assert shape(1000, "2026-11-01") == (10, 10)
    assert shape(20, "2026-10", irregular=True) == (2, 2)
    assert shape(10_000, "2026", 24.0)[1] < 200  # more at once where more is read


def test_a_scout_asks_little_of_some_points_at_the_end() -> None:
    (group,) = groups_of([target(str(number)) for number in range(95)], lambda tz: resolve("2026", tz))
    scout = group.scout(NOW_US)
    assert len(scout.targets) == 10
    assert scout.window == Window(NOW_US - DAY_US, NOW_US)  # the year is not over
    (group,) = groups_of([target("a")], lambda tz: resolve("2026-03-08", tz))
    whole = resolve("2026-03-08", "New_York")
    assert whole.end_us is not None
    assert group.scout(NOW_US).window == Window(whole.end_us - 23 * 3_600_000_000 // 8, whole.end_us)
    (group,) = groups_of([target("a")], lambda tz: resolve("2030", tz))
    assert group.scout(NOW_US).window.length_us(NOW_US) == 0


def test_a_history_is_no_longer_than_its_record_says() -> None:
    long, short = target("a", rows_a_day=86_400.0), target("b", rows_a_day=86_400.0, most=1000)
    span = resolve("2026-10", "New_York")
    assert len(plan([long], lambda tz: span)) > 20
    assert len(plan([short], lambda tz: span)) == 1


def test_requests_are_halved_in_points_too() -> None:
    request = Request(tuple(target(name) for name in "abc"), Window(0, DAY_US))
    halves = request.in_points()
    assert halves is not None
    assert [[one.point.id for one in half.targets] for half in halves] == [["a"], ["b", "c"]]
    assert halves[0].in_points() is None
    assert [len(single.targets) for single in request.narrow()] == [1, 1, 1]
    assert request.size(NOW_US) == 3 * DAY_US


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
    assert Target.from_record(record, Point.from_record(record)) == target("a", "New_York", rows_a_day, irregular, most)


def test_what_nothing_says_is_guessed() -> None:
    (group,) = groups_of([target("a", rows_a_day=None)], lambda tz: resolve("2026-10", tz))
    assert group.cells(NOW_US) == 31 * GUESSED_ROWS_A_DAY
    assert group.with_density(7.0).cells(NOW_US) == 31 * 7
    assert group.with_density(None, irregular=True).irregular
