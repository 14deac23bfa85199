"""What counts as the same sample, whatever a server makes of it, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.frame.his_grids import PointSamples
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.history.compare import DIFFERENT, MISSING, SAME, compare
from hsframe.history.point_records import PointRecord
from hsframe.history.write import _windows
from hsframe.history.write_report import FAILED, NOT_STORED, SENT, STORED, PointWrite
from hsframe.kinds import NA, Number

POINT = Point("a", "A", "kW", "New_York", "Number")
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def history(values: Any, ts_us: Any = None, unit: str | None = "kW") -> History:
    times = np.arange(len(values)) * SECOND_US if ts_us is None else np.asarray(ts_us, dtype=np.int64)
    if isinstance(values, list) and any(isinstance(value, Number | type(NA)) for value in values):
        return History(POINT, times, values)
    return History(POINT, times, NumberColumn(pa.array(values, pa.float64()), unit))


def samples(values: Any, ts_us: Any = None) -> PointSamples:
    """What is to be written."""
    found = history(values, ts_us)
    assert isinstance(found.values, ArrowColumn)
    return PointSamples(POINT, "New_York", found.ts_us, found.values)


def states(found: list[History], meant: PointSamples) -> list[int]:
    return compare(found, meant).state.tolist()


reals = st.floats(min_value=-1e30, max_value=1e30, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-30)


@given(st.lists(reals, min_size=1, max_size=20), st.integers(6, 17))
def test_what_digits_and_single_precision_make_of_a_number_is_the_same(numbers: list[float], digits: int) -> None:
    meant = samples(numbers)
    single = [float(np.float32(number)) for number in numbers]
    for stored in (
        numbers,
        [float(f"{number:.{digits}g}") for number in numbers],
        single,
        [float(f"{number:.10g}") for number in single],
        [float(str(np.float32(number))) for number in numbers],
    ):
        assert compare([history(stored)], meant).all_same


@given(st.lists(reals.filter(bool), min_size=1, max_size=20), st.sampled_from([1.00001, 1.001, 2.0, -1.0, 0.0]))
def test_what_differs_by_more_is_different(numbers: list[float], factor: float) -> None:
    stored = [number * factor for number in numbers]
    assert states([history(stored)], samples(numbers)) == [DIFFERENT] * len(numbers)


def test_a_double_that_is_kept_whole_shows_small_changes() -> None:
    stored = [0.1234567890123, 1 / 3]
    assert states([history(stored)], samples([0.1234567890999, 1 / 3 + 1e-9])) == [DIFFERENT, DIFFERENT]


@pytest.mark.parametrize(
    ("stored", "meant", "state"),
    [
        (np.inf, np.inf, SAME),
        (-np.inf, np.inf, DIFFERENT),
        (np.inf, 1e300, DIFFERENT),  # single precision cannot hold it
        (0.0, 0.0, SAME),
        (0.0, 1e-3, DIFFERENT),
        (np.nan, 1.0, DIFFERENT),
    ],
)
def test_ends_of_the_numbers(stored: float, meant: float, state: int) -> None:
    assert states([history([stored])], samples([meant])) == [state]


def test_nothing_na_and_numbers_of_other_units() -> None:
    meant = samples([1.0, 2.0, 3.0, 4.0])
    found = history([None, NA, Number(3, "kW"), Number(4, "W")])
    seen = compare([found], meant)
    assert seen.state.tolist() == [MISSING, DIFFERENT, SAME, DIFFERENT]
    assert (seen.first, seen.there, seen.meant) == (1, NA, Number(2, "kW"))
    assert states([history([1.0], unit="W")], samples([1.0])) == [DIFFERENT]
    assert states([history([1.0], unit="kilowatt")], samples([1.0])) == [SAME]  # another spelling
    assert states([history([1.0], unit=None)], samples([1.0])) == [SAME]


def test_whole_seconds_only_where_the_server_keeps_no_others() -> None:
    meant = samples([1.0, 2.0], [500_000, 1_500_000])
    assert states([history([1.0, 2.0], [0, SECOND_US])], meant) == [SAME, SAME]
    assert states([history([1.0, 2.0, 5.0], [0, SECOND_US, 7_250_000])], meant) == [MISSING, MISSING]
    # Both fell into one second, and the last one wins there.
    assert states([history([2.0], [0])], samples([1.0, 2.0], [250_000, 500_000])) == [DIFFERENT, SAME]


def test_rows_in_any_order_and_windows_that_overlap() -> None:
    old, new = history([9.0, 2.0], [SECOND_US, 0]), history([3.0], [SECOND_US])
    assert states([old, new], samples([2.0, 3.0])) == [SAME, SAME]
    assert states([new, old], samples([2.0, 3.0])) == [SAME, DIFFERENT]


def test_truth_values_and_texts() -> None:
    times = np.arange(3) * SECOND_US
    truths = PointSamples(POINT, "New_York", times, BoolColumn(pa.array([True, False, True])))
    texts = PointSamples(POINT, "New_York", times, StrColumn(pa.array(["a", "b", "c"])))
    assert compare([History(POINT, times, [True, True, 1])], truths).state.tolist() == [SAME, DIFFERENT, DIFFERENT]
    seen = compare([History(POINT, times, ["a", "x", None])], texts)
    assert seen.state.tolist() == [SAME, DIFFERENT, MISSING]
    assert (seen.there, seen.meant) == ("x", "b")
    assert compare([History(POINT, times, texts.values)], truths).count(DIFFERENT) == 3


@given(st.lists(st.integers(0, 400 * DAY_US), min_size=1, max_size=120, unique=True))
def test_windows_hold_every_sample_and_no_long_gap(times: list[int]) -> None:
    ts_us = np.array(sorted(times), dtype=np.int64)
    windows = _windows([ts_us[::2], ts_us[1::2]] if len(ts_us) > 1 else [ts_us])
    assert len(windows) <= 40
    inside = [us for first, last in windows for us in ts_us.tolist() if first <= us <= last]
    assert inside == ts_us.tolist()
    if len(windows) < 40:
        for first, last in windows:
            within = ts_us[(ts_us >= first) & (ts_us <= last)]
            assert not len(within) or np.all(np.diff(within) <= 7 * DAY_US)


@given(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from([NOT_STORED, SENT, FAILED, STORED])),
        max_size=8,
    ),
    st.booleans(),
)
def test_the_status_of_samples(marks: list[tuple[int, int, int]], settled: bool) -> None:
    """Against a dict; what is stored stays stored; instants between the samples and beyond them do not count."""
    entry = PointWrite(samples(np.arange(10.0)), PointRecord(POINT))
    expected = dict.fromkeys(range(10), NOT_STORED)
    for first, last, status in marks:
        entry.mark(first * SECOND_US - 1, last * SECOND_US, status)
        expected |= {place: status for place in range(first, min(last, 9) + 1) if expected[place] != STORED}
    assert entry.status.tolist() == list(expected.values())
    rest = entry.rest()
    assert (rest.ts_us // SECOND_US).tolist() == [place for place, status in expected.items() if status != STORED]
    assert list(rest.values) == [Number(place, "kW") for place, status in expected.items() if status != STORED]
    assert entry.is_stored == (set(expected.values()) == {STORED})
    if settled:
        entry.mark_failed_as_not_stored()
        assert entry.count(FAILED) == 0
        assert entry.unknown == entry.count(SENT) == list(expected.values()).count(SENT)
        assert entry.count(STORED) == list(expected.values()).count(STORED)
