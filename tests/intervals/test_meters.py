"""Meters with false readings, resets and roll-overs; sums that say what they cover; intervals that the span cuts."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.columns import NumberColumn
from hsframe.errors import MetadataError, SpanError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.intervals.meters import doubtful_steps, false_readings
from hsframe.intervals.regular import Intervals, intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, Rule, rules_of
from hsframe.kinds import Number
from hsframe.spans import resolve
from hsframe.zones import zone

METERS = Path(__file__).parents[2] / "notebooks" / "meters"
MINUTE = 60_000_000
HOUR = 60 * MINUTE
NAN = float("nan")
FAR = 10**18
GAP = 3 * HOUR
START = resolve("2026-06-01", "UTC").start_us
NEW_YORK_DAYS = {"2026-03-08": 23, "2026-06-01": 24, "2026-11-01": 25}


def results(ts, values, rule, edges, tz="UTC", unit="kWh"):
    column = NumberColumn(pa.array(np.asarray(values, dtype=np.float64)), unit)
    history = History(Point("a", "a", unit, tz, "Number"), np.asarray(ts, dtype=np.int64), column)
    near = history.clip(int(edges[0]) - rule.before_us, int(edges[-1]) + rule.after_us)
    grids = {tz: Intervals.of(np.asarray(edges, dtype=np.int64))}
    ((_, found),) = interval_histories([near], grids, {"a": [rule]}, now_us=FAR)
    return found.values.values.to_numpy(zero_copy_only=False).tolist(), found.over.spikes


def days(count):
    return START + np.arange(count + 1) * 24 * HOUR


def every(minutes, count, start=START):
    return start + np.arange(count) * minutes * MINUTE


# Meters of eight kinds ------------------------------------------------------------------------------------------------

HOURS = np.arange(73)


def with_readings(values, **at):
    changed = np.asarray(values, dtype=np.float64).copy()
    for place, value in at.items():
        changed[int(place[1:])] = value
    return changed


COUNTING = 1_003_000.0 + 100 * HOURS
PV = np.concatenate([np.clip((np.arange(24) - 6) * 4.0, 0, 40) for _ in range(3)] + [[0.0]])
FLAT = np.full(73, 5_000.0)


@pytest.mark.parametrize(
    ("values", "expected", "spikes", "rollover"),
    [
        (COUNTING, 2400, 0, True),
        # One zero, and three in a row, in the hours and at midnight.
        (with_readings(COUNTING, h30=0), 2400, 1, True),
        (with_readings(COUNTING, h24=0), 2400, 1, True),
        (with_readings(COUNTING, h30=0, h31=0), 2400, 2, True),
        (with_readings(COUNTING, h30=0, h35=0, h38=-1), 2400, 3, True),
        # False and high.
        (with_readings(COUNTING, h30=11_000_000), 2400, 1, True),
        (with_readings(COUNTING, h24=11_000_000, h48=9_000_000), 2400, 2, True),
        (with_readings(COUNTING, h30=11_000_000), 2400, 1, 2e6),
        # Set back to 0 at each midnight.
        (np.append(np.tile(np.arange(24) * 100.0, 3), 0.0) + 100, 2400, 0, True),
        # Exchanged, for a new one and for one that had counted before.
        (np.concatenate([COUNTING[:30], np.arange(43) * 100.0 + 100]), 2400, 0, True),
        (PV, 40, 0, True),
        (FLAT, 0, 0, True),
        (with_readings(FLAT, h30=0, h31=0), 0, 2, True),
        ((999_000.0 + 100 * HOURS) % 1_000_000, 2400, 0, 1e6),
        (with_readings((997_000.0 + 100 * HOURS) % 1_000_000, h40=0), 2400, 1, 1e6),
    ],
)
def test_meters_of_eight_kinds(values, expected, spikes, rollover):
    rule = Rule("delta", is_step=False, gap_us=GAP, rollover=rollover)
    ts = every(60, len(values))
    found, left_out = results(ts, values, rule, days(3))
    kept = ~false_readings(ts, values, rollover, GAP)
    assert not len(doubtful_steps(ts[kept], values[kept], rollover))
    assert (left_out, len(found)) == (spikes, 3)
    assert found == pytest.approx([expected] * 3)


def test_a_counter_that_is_set_back_every_day_and_read_every_12_hours_has_no_false_readings():
    ts = every(720, 15)
    rule = Rule("delta", is_step=False, gap_us=25 * HOUR)
    # Read at midnight, where it shows 0, and at noon; then at 11 and 23 h.
    assert results(ts, np.append(np.tile([0.0, 1200], 7), 0), rule, days(7))[1] == 0
    found, spikes = results(ts + 11 * HOUR, np.append(np.tile([1100.0, 2300], 7), 1100), rule, days(7))
    assert spikes == 0
    assert found[1:-1] == pytest.approx([2300 - 1200 + 1100] * 5, rel=0.1)
    # It shows 5 at midnight, and the readings begin or end with its first or last day.
    evenings = np.tile([5.0, 1200], 7)
    for values in (evenings, evenings[1:], np.append(evenings, 6), np.append(evenings[1:], 6)):
        assert not false_readings(ts[: len(values)], values, True, 25 * HOUR).any()
    # Nothing was used before and after the one day, and on a Sunday little.
    assert results(ts, np.append([0.0] * 6, [1200] + [0] * 8), rule, days(7))[1] == 0
    assert results(ts, [0, 1200, 0, 1200, 0, 40, 0, 1200, 0, 1200, 0, 40, 0, 1200, 0], rule, days(7))[1] == 0


def test_a_meter_exchanged_for_one_that_shows_more_is_no_spike():
    values = [500.0, 510, 1_000_000, 1_000_000, 1_000_010, 1_000_020]
    assert not false_readings(every(1, 6), np.array(values), True, GAP).any()


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 0], [5.0, 0, 0], [0.0, 0, 5]])
def test_a_reading_without_one_before_and_after_it_is_never_false(values):
    assert not false_readings(every(60, len(values)), np.array(values), True, GAP).any()


def test_a_meter_that_runs_backwards_has_no_false_readings():
    values = with_readings(COUNTING, h30=0)
    assert results(every(60, 73), values, Rule("delta", False, GAP, rollover=False), days(3)) == ([2400] * 3, 0)
    temperatures = [70.0, 71, 0, 71, 70]
    assert results(every(60, 5), temperatures, Rule("delta", False, GAP), every(60, 5), unit="°F")[1] == 0


def test_zeros_that_last_longer_than_max_gap_are_a_reset():
    """The worst case of the rule: nothing near enough says that the meter had not been set back."""
    values = COUNTING.copy()
    values[30:34] = 0
    found, spikes = results(every(60, 73), values, Rule("delta", False, GAP), days(3))
    assert (spikes, found[1]) == (0, COUNTING[34] + 500 + 1400)
    assert results(every(60, 73), values, Rule("delta", False, 5 * HOUR), days(3)) == ([2400] * 3, 4)


LOST_AROUND_ZERO = np.delete(with_readings(COUNTING, h30=0), [29, 31]), np.delete(HOURS, [29, 31])
SET_BACK_THEN_HIGH = with_readings(np.append(COUNTING[:30], 100.0 * np.arange(43) + 10), h31=1e6)


@pytest.mark.parametrize(
    ("values", "hours", "doubtful", "rollover"),
    [
        (with_readings(COUNTING, h30=0, h32=0), HOURS, [31, 33], True),
        (with_readings(COUNTING, h30=0, h31=10_000_000), HOURS, [31, 32], True),
        (with_readings(COUNTING, h30=10_000_000, h31=0), HOURS, [30, 32], True),
        (with_readings(COUNTING, h30=0, h31=3), HOURS, [32], True),
        (with_readings(COUNTING, h30=1, h31=0), HOURS, [32], True),
        (with_readings(COUNTING, h30=1e7, h31=1e7 + 5), HOURS, [30, 32], True),
        (with_readings(COUNTING, h30=0, h31=0, h32=0, h33=0), HOURS, [34], True),
        (with_readings(COUNTING, h30=0, h32=0), HOURS, [30, 31, 32, 33], 1_100_000.0),
        (*LOST_AROUND_ZERO, [32], True),
        (SET_BACK_THEN_HIGH, HOURS, [31], True),
        # An exchanged meter that has counted before; true or not, nobody can know.
        (np.append(COUNTING[:30], COUNTING[30:] - 600_000), HOURS, [30], True),
    ],
)
def test_a_reset_after_which_far_more_than_usual_is_added_is_doubtful(values, hours, doubtful, rollover):
    ts = START + hours * HOUR
    assert not false_readings(ts, values, rollover, GAP).any()
    steps = doubtful_steps(ts, values, rollover)
    assert ((ts[steps + 1] - START) // HOUR).tolist() == doubtful


@pytest.mark.parametrize("minutes", [1, 60])
def test_a_burst_of_a_counter_that_is_set_back_every_day_is_not_doubtful(minutes):
    """A water meter, still for most of the day, with draws of 1 to 5 liters."""
    rng = np.random.default_rng(7)
    used = np.where(rng.random(60 * 24 * 60 // minutes) < 0.1, rng.integers(1, 6, 60 * 24 * 60 // minutes), 0)
    of_day = np.concatenate([np.cumsum(day) for day in used.reshape(60, -1)]).astype(np.float64)
    assert not len(doubtful_steps(every(minutes, len(of_day)), of_day, True))


HOURS_OF_MONTH = np.arange(30 * 24)


def set_back_at(hour, used):
    """A counter that is set back each day at an hour."""
    parts = np.split(used, np.flatnonzero(hour == HOURS_OF_MONTH % 24))
    return np.concatenate([np.cumsum(part) for part in parts])


def used_in(hours, most, least):
    rng = np.random.default_rng(3)
    return np.where(np.isin(HOURS_OF_MONTH % 24, hours), most, least) * rng.uniform(0.8, 1.2, len(HOURS_OF_MONTH))


BURSTS = {
    "boiler": (7, used_in([6, 7], 100.0, 4.0)),
    "boiler of three hours": (7, used_in([5, 6, 7], 100.0, 4.0)),
    "storage heater": (23, used_in([23, 0], 40.0, 0.3)),
    "batch": (0, used_in([0, 1], 300.0, 0.5)),
    "water": (7, used_in([6, 7, 12, 18], 60.0, 0.5) * (np.random.default_rng(4).random(len(HOURS_OF_MONTH)) < 0.4)),
}


@pytest.mark.parametrize(("hour", "used"), BURSTS.values(), ids=BURSTS)
def test_a_meter_that_is_set_back_each_day_may_count_much_right_after_it(hour, used):
    values, ts = set_back_at(hour, used), every(60, len(used))
    assert not len(doubtful_steps(ts, values, True))
    assert not len(doubtful_steps(ts[240:], values[240:], True))
    # What is odd at another time of day is odd.
    away = (hour + 12) % 24 + 24 * 15
    odd = with_readings(values + 1e6, **{f"h{away}": 0, f"h{away + 2}": 0})
    assert {away + 1, away + 3} <= {int(step) + 1 for step in doubtful_steps(ts, odd, True)}


def test_three_resets_tell_no_time_of_day():
    hour, used = BURSTS["boiler"]
    values, ts = set_back_at(hour, used)[24:], every(60, 29 * 24)
    for count in (1, 2, 3, 4):
        until = 24 * (count - 1) + 20
        assert len(doubtful_steps(ts[:until], values[:until], True)) == (count if count < 4 else 0)


def test_a_meter_may_be_set_back_by_the_clock_or_once_a_day():
    """At 07:00 in New York, which is 11:00 and 12:00 in UTC; and at any time of each day."""
    index = pd.date_range("2026-10-25", "2026-11-08", freq="1h", tz="America/New_York", unit="us")
    used = np.where(np.isin(index.hour, [6, 7]), 100.0, 4.0)
    values = np.concatenate([np.cumsum(part) for part in np.split(used, np.flatnonzero(index.hour == 7))])
    assert not len(doubtful_steps(index.asi8, values, True))
    at = [24 * day + hour for day, hour in enumerate([6, 11, 3, 18, 9, 22, 1, 14, 7, 16, 4, 20])]
    used = np.full(12 * 24, 4.0)
    used[at] = 100
    values = np.concatenate([np.cumsum(part) for part in np.split(used, at)])
    assert not len(doubtful_steps(every(60, len(values)), values, True))


@pytest.mark.parametrize("rollover", [True, 1_100_000.0])
@pytest.mark.parametrize(
    "false",
    [{0: 0.0, 2: 0.0}, {0: 0.0, 1: 3.0}, {0: 1.0, 1: 0.0}, {0: 7e6, 1: 7e6 + 5}, dict.fromkeys(range(4), 0.0)],
)
def test_what_is_false_at_one_time_of_each_day_is_doubtful(false, rollover):
    """Zeros with a reading between, two false ones that differ, zeros that last: of a meter that is never set back."""
    values = 1_003_000.0 + 10 * HOURS_OF_MONTH
    for place, value in false.items():
        values[5 + place == HOURS_OF_MONTH % 24] = value
    steps = doubtful_steps(every(60, len(values)), values, rollover)
    assert len({step // 24 for step in steps}) == 30


@given(
    st.integers(0, 23),
    st.sampled_from([5.0, 100.0, 3000.0]),
    st.sets(st.integers(2, 140), max_size=4),
    st.sets(st.integers(1, 143), max_size=4),
    st.sampled_from([1, 3, 24]),
)
def test_the_deltas_of_a_meter_that_is_set_back_each_day_do_not_depend_on_the_span(hour, most, zeros, cuts, hours):
    used = np.where(np.isin(HOURS_OF_MONTH % 24, [hour, hour + 1]), most, 4.0)
    values = with_readings(set_back_at(hour, used)[: 7 * 24], **{f"h{place}": 0 for place in zeros})
    edges = every(60 * hours, 6 * 24 // hours + 1)
    rule = Rule("delta", False, GAP)
    whole, spikes = results(every(60, len(values)), values, rule, edges)
    parts = [
        results(every(60, len(values)), values, rule, edges[first : last + 1])
        for first, last in itertools.pairwise(sorted({0, len(edges) - 1} | {cut // hours for cut in cuts}))
    ]
    np.testing.assert_allclose([value for part, _ in parts for value in part], whole, rtol=1e-12, atol=1e-9)
    assert sum(left_out for _, left_out in parts) == spikes


def test_after_a_long_time_without_readings_a_reset_may_have_counted_much():
    values = np.append(COUNTING[:30], 100.0 * np.arange(43) + 50_000)
    ts = START + np.append(HOURS[:30], HOURS[30:] + 500) * HOUR
    assert not len(doubtful_steps(ts, values, True))


def test_a_false_zero_of_a_meter_that_sends_changes_is_left_out():
    rule = Rule("delta", is_step=True, gap_us=400 * 24 * HOUR)
    ts = START + np.array([-30, -1, 10, 10.25, 10.5, 20, 47]) * HOUR
    values = [0.0, 1_000_000, 1_000_100, 0, 1_000_110, 1_000_200, 1_000_300]
    assert results(ts, values, rule, days(2)) == ([200, 100], 1)


def test_a_false_reading_at_the_edge_of_an_interval_leaves_its_interpolation_to_its_neighbours():
    values = [1000.0, 1010, 0, 1030, 1040]
    found, spikes = results(every(60, 5), values, Rule("delta", False, GAP), every(60, 5))
    assert (found, spikes) == ([10, 10, 10, 10], 1)
    # An unknown sample beside it stays unknown.
    found, _ = results(every(60, 6), [1000.0, 1010, 0, NAN, 1040, 1050], Rule("delta", False, GAP), every(60, 6))
    np.testing.assert_equal(found, [10, NAN, NAN, NAN, 10])


@pytest.mark.parametrize(
    ("name", "tz"),
    [
        ("il-electricity-cdd-hdd-hourly", "America/Chicago"),
        ("uk-electricity-hdd-only-hourly-sample-0", "Europe/London"),
    ],
)
def test_real_meters(name, tz):
    """Nothing true is taken for false, whatever the meter's sort; and a false reading is found, wherever it is."""
    table = pd.read_csv(METERS / f"{name}.csv.gz").dropna()
    stamps = pd.to_datetime(table["start"], utc=True)
    hours = (stamps - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy().astype(np.int64) * 1_000_000
    used = table["value"].to_numpy()
    total = 1e6 + np.cumsum(used)
    of_day = table["value"].groupby(stamps.dt.tz_convert(tz).dt.date).cumsum().to_numpy()
    for readings, each in [(total, 1), (of_day, 1), (of_day - used, 1), *((of_day[k:], 12) for k in range(12))]:
        ts = hours[len(hours) - len(readings) :: each]
        for reach in (3, 25, 72):
            assert not false_readings(ts, readings[::each], True, reach * HOUR).any()
        assert not len(doubtful_steps(ts, readings[::each], True))
    for place in range(2, len(total) - 4, 499):
        for absurd in (0.0, 1e9):
            assert false_readings(hours, with_readings(total, **{f"h{place}": absurd}), True, 30 * HOUR).sum() == 1


EVENTS = ("count", "count", "count", "flat", "zero", "low", "high", "reset")


@st.composite
def meters(draw):
    """Readings of a meter that counts, stands still, fails and is set back, at odd distances."""
    ts, values, now, total = [], [], START, draw(st.sampled_from([0.0, 50.0, 1e6]))
    for event in draw(st.lists(st.sampled_from(EVENTS), min_size=8, max_size=40)):
        now += draw(st.sampled_from([15, 60, 60, 60, 120, 200, 400])) * MINUTE
        total = draw(st.sampled_from([0.0, 5.0])) if event == "reset" else total + 10 * (event == "count")
        ts.append(now)
        values.append({"zero": 0.0, "low": 5.0, "high": 7e7}.get(event, total))
    edges = np.arange(START, now + 8 * HOUR, draw(st.sampled_from([HOUR, 4 * HOUR])))
    cuts = sorted(draw(st.sets(st.integers(1, len(edges) - 2), max_size=3)) | {0, len(edges) - 1})
    return ts, values, edges, cuts


@given(
    meters(),
    st.booleans(),
    st.sampled_from([HOUR, 2 * HOUR, 3 * HOUR, 5 * HOUR]),
    st.sampled_from([True, 8e7, False]),
)
@example(
    # Two false readings that touch: whether 5:00 has a reading depends on the last one, almost 3 x max_gap later.
    (
        (START + np.array([0, 1, 2, 3, 4, 4.9, 6.8, 6.9, 7.4, 7.9, 9.9, 12.9]) * HOUR).astype(np.int64),
        [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4, 1e6 + 5, 5, 5, 1e6 + 6, 1e6 + 6, 5, 1e6 + 7],
        every(60, 16),
        [0, 5, 15],
    ),
    False,
    3 * HOUR,
    True,
)
def test_no_result_depends_on_where_the_span_is_cut(case, is_step, gap_us, rollover):
    ts, values, edges, cuts = case
    rule = Rule("delta", is_step, gap_us, rollover=rollover)
    whole, spikes = results(ts, values, rule, edges)
    parts = [results(ts, values, rule, edges[first : last + 1]) for first, last in itertools.pairwise(cuts)]
    # Sums of 7e7 and of 10 differ in the last digits by the order of adding.
    np.testing.assert_allclose([value for part, _ in parts for value in part], whole, rtol=1e-12, atol=1e-6)
    assert sum(left_out for _, left_out in parts) == spikes


# Sums -----------------------------------------------------------------------------------------------------------------

AMOUNTS = Rule("sum", False, GAP, interval_us=15 * MINUTE)


def test_a_sum_of_a_part_is_missing():
    month = [START, START + 30 * 24 * HOUR]
    whole, part = every(15, 30 * 96), every(15, 10 * 96)
    assert results(whole, np.full(len(whole), 25.0), AMOUNTS, month)[0] == [72_000]
    np.testing.assert_equal(results(part, np.full(len(part), 25.0), AMOUNTS, month)[0], [NAN])
    assert results(part, np.full(len(part), 25.0), Rule("sum", False, GAP, 0.3, interval_us=15 * MINUTE), month)[0] == [
        24_000
    ]
    # How often it is sampled is never guessed.
    assert results(part, np.full(len(part), 25.0), Rule("sum", False, GAP), month)[0] == [24_000]


@pytest.mark.parametrize(("day", "hours"), NEW_YORK_DAYS.items())
@pytest.mark.parametrize("minutes", [15, 60, 24 * 60])
def test_the_samples_of_a_day_of_23_24_and_25_hours(day, hours, minutes):
    span = resolve(day, "New_York")
    daily = minutes == 24 * 60
    ts = np.array([span.start_us]) if daily else every(minutes, hours * 60 // minutes, span.start_us)
    rule = Rule("sum", False, GAP, interval_us=minutes * MINUTE)
    edges = [span.start_us, span.end_us]
    assert results(ts, np.ones(len(ts)), rule, edges, "New_York")[0] == [len(ts)]
    np.testing.assert_equal(results(ts[1:], np.ones(len(ts) - 1), rule, edges, "New_York")[0], [NAN])
    unknown = np.ones(len(ts))
    unknown[-1] = NAN
    np.testing.assert_equal(results(ts, unknown, rule, edges, "New_York")[0], [NAN])


def test_samples_of_which_an_interval_has_less_than_one():
    """A sample an hour over quarters of an hour is in one of four; the others have none and no sum."""
    rule = Rule("sum", False, GAP, interval_us=HOUR)
    np.testing.assert_equal(results(every(60, 2), [4, 8], rule, every(15, 9))[0], [4, NAN, NAN, NAN, 8, NAN, NAN, NAN])


@pytest.mark.parametrize(("day", "hours"), NEW_YORK_DAYS.items())
def test_a_meter_over_a_day_of_23_24_and_25_hours(day, hours):
    """10 kWh in each hour; at 09:00 and 10:00 the meter shows nothing, and at 15:00 it is exchanged."""
    span = resolve(day, "New_York")
    ts = every(60, hours + 1, span.start_us)
    values = 50_000.0 + 10 * np.arange(hours + 1)
    values[9:11] = 0
    values[15:] = 10 * np.arange(hours - 14)
    found, spikes = results(ts, values, Rule("delta", False, GAP), [span.start_us, span.end_us], "New_York")
    assert (found, spikes) == ([10 * (hours - 1)], 2)  # what was counted in the hour of the exchange nobody knows


# Settings that no point uses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"agg": "max", "min_coverage": 0.5}, r"min_coverage= is for means, integrals and states, .* \(agg: max\)"),
        ({"agg": {"@m": "sum", "@p": "max"}, "min_coverage": 0.5}, r"sums of points whose record has hisInterval"),
        ({"agg": {"@m": "sum", "@p": "last"}, "max_gap": "1h"}, r"max_gap= .* \(agg: last, sum\)"),
        ({"agg": "mean", "rollover": 1e6}, r"rollover= is for agg='delta'"),
        ({"agg": {"@m": "delta"}, "rollover": {"@p": 1e6}}, r"rollover= .* none of its points .* \(agg: None\)"),
    ],
)
def test_a_setting_that_no_point_uses_is_refused(settings, message):
    points = [Point("m", "Meter", "kWh", "UTC", "Number"), Point("p", "Power", "kW", "UTC", "Number")]
    with pytest.raises(MetadataError, match=message):
        rules_of(points, [PointSampling()] * 2, ["Meter", "Power"], IntervalSettings("1h", **settings))


def test_a_setting_that_one_point_uses_may_stand_for_all():
    points = [Point("m", "Meter", "kWh", "UTC", "Number"), Point("p", "Power", "kW", "UTC", "Number")]
    fifteen = PointSampling.from_record({"kind": "Number", "hisInterval": Number(15, "min")})
    settings = IntervalSettings("1h", {"@m": "sum"}, min_coverage=0.8, max_gap="1h")
    (meter,), (power,) = rules_of(points, [fifteen, PointSampling()], ["Meter", "Power"], settings)
    assert (meter.min_coverage, power.min_coverage, meter.interval_us) == (0.8, 0.8, 15 * MINUTE)
    settings = IntervalSettings("1h", {"@m": "delta"}, rollover=1e6)
    assert [rule.rollover for (rule,) in rules_of(points, [fifteen] * 2, ["Meter", "Power"], settings)] == [1e6] * 2


# The edges of the span ------------------------------------------------------------------------------------------------


def partly(span, step, tz="Berlin"):
    window = resolve(span, tz)
    return intervals(window.start_us, window.end_us, parse_step(step), zone(tz), partial=True), window


def test_partial_intervals_cover_the_span_and_nothing_else():
    grid, window = partly("2026-06-10,2026-08-20", "1M")
    assert (grid.start_us, grid.end_us) == (window.start_us, window.end_us)
    assert np.diff(grid.edges_us).tolist() == [21 * 24 * HOUR, 31 * 24 * HOUR, 20 * 24 * HOUR]
    grid, window = partly("2026-06-10", "1M")
    assert grid.edges_us.tolist() == [window.start_us, window.end_us]
    whole, _ = partly("2026-06", "1D")
    assert len(whole) == 30
    # A day of 25 hours, cut at noon, which is after 13 of them.
    grid, _ = partly("2026-10-25T12:00,2026-10-26T06:00", "1D")
    assert np.diff(grid.edges_us).tolist() == [12 * HOUR, 6 * HOUR]


def test_an_empty_span_has_no_partial_intervals():
    with pytest.raises(SpanError, match="no interval starts in the span"):
        intervals(START, START, parse_step("1D"), zone("UTC"), partial=True)
    with pytest.raises(SpanError, match="or edges='partial'"):
        intervals(START + HOUR, START + 2 * HOUR, parse_step("1D"), zone("UTC"))


@given(st.integers(0, 24 * 90), st.integers(1, 24 * 90), st.sampled_from(["1D", "1W", "1M", "6h"]))
def test_the_whole_intervals_of_a_span_are_among_its_partial_ones(first, length, step):
    begin = START + first * HOUR
    end = begin + length * HOUR
    found = intervals(begin, end, parse_step(step), zone("New_York"), partial=True).edges_us
    around = intervals(begin - 400 * 24 * HOUR, end + 400 * 24 * HOUR, parse_step(step), zone("New_York")).edges_us
    assert found.tolist() == sorted({begin, *around[(around > begin) & (around < end)].tolist(), end})


# The interval of the present ------------------------------------------------------------------------------------------


def present(ts, values, rule, *, begin=START, end=START + 3 * 24 * HOUR, now, step="1D", unit="kWh"):
    column = NumberColumn(pa.array(np.asarray(values, dtype=np.float64)), unit)
    history = History(Point("a", "a", unit, "UTC", "Number"), np.asarray(ts, dtype=np.int64), column)
    grid = intervals(begin, end, parse_step(step), zone("UTC"), partial=True, now_us=now)
    ((_, found),) = interval_histories([history], {"UTC": grid}, {"a": [rule]}, now_us=now)
    assert len(found.values) == len(grid)
    return found.values.values.to_numpy(zero_copy_only=False).tolist()


@pytest.mark.parametrize("is_step", [False, True])
def test_the_interval_of_the_present_ends_with_what_is_known(is_step):
    # A day and a half of quarters, 25 each, the last one ten minutes ago.
    ts, now = every(15, 145), START + 36 * HOUR + 10 * MINUTE
    ended = np.array([24.0, 36 + is_step / 6])  # what held last holds up to now

    def rows(agg, values, unit="kWh", gap=GAP):
        return present(ts, values, Rule(agg, is_step, gap, None, True, 15 * MINUTE), now=now, unit=unit)

    readings = 1e6 + 25 * np.arange(145.0)
    np.testing.assert_equal(rows("delta", readings), [2400, 1200, NAN])
    np.testing.assert_equal(rows("sum", np.full(145, 25.0)), [2400, 49 * 25, NAN])
    np.testing.assert_allclose(rows("integral", np.full(145, 10.0), "kW"), [*10 * np.diff(ended, prepend=0), NAN])
    np.testing.assert_equal(rows("mean", np.full(145, 10.0)), [10, 10, NAN])
    np.testing.assert_equal(rows("coverage", readings), [1, 1, 0])
    # Where the last reading is too long ago, the row is to end now, and there is no reading.
    np.testing.assert_equal(rows("delta", readings, gap=9 * MINUTE)[1:], [NAN, NAN])
    late = Rule("integral", is_step, GAP, None, True, 15 * MINUTE)
    np.testing.assert_equal(present(ts, readings, late, now=now + 4 * HOUR, unit="kW")[1:], [NAN, NAN])


def test_a_lost_amount_is_missed_up_to_the_present_too():
    rule, now = Rule("sum", False, 45 * MINUTE, None, True, 15 * MINUTE), START + 36 * HOUR + 10 * MINUTE
    for shift in (0, 7, 14):  # wherever in the quarter the samples are
        ts = every(15, 144, START + shift * MINUTE)
        assert present(ts, np.ones(144), rule, now=now)[:2] == [96, 48]
        assert present(ts, np.ones(144), rule, now=now, begin=START + 24 * HOUR)[:1] == [48]
        np.testing.assert_equal(present(np.delete(ts, 120), np.ones(143), rule, now=now)[:2], [96, NAN])
    np.testing.assert_equal(present(every(15, 140), np.ones(140), rule, now=now)[:2], [96, NAN])


@pytest.mark.parametrize("ends_after", [-5, 0, 5, 10 * 60])
def test_a_month_to_date_is_one_wherever_its_span_ends(ends_after):
    now = START + 36 * HOUR + 10 * MINUTE
    rule = Rule("delta", False, GAP, None, True, 15 * MINUTE)
    end = now + ends_after * MINUTE
    assert present(every(15, 145), np.arange(145.0), rule, end=end, now=now, step="1M") == [144]
    # A whole interval that is over waits for its last reading.
    assert np.isnan(present(every(15, 96), np.arange(96.0), rule, now=START + 24 * HOUR + 5 * MINUTE)[0])


def test_samples_beyond_the_present_count():
    rule = Rule("mean", False, GAP)
    ts, now = every(60, 49), START + 30 * HOUR
    np.testing.assert_equal(present(ts, np.arange(49.0), rule, now=now), [12, 36, NAN])
    np.testing.assert_equal(present(ts[:44], np.arange(44.0), rule, now=now), [12, 33.5, NAN])


@given(
    st.sets(st.integers(-300, 2 * 24 * 60), max_size=30),
    st.integers(24 * 60 + 1, 48 * 60 - 1),
    st.sampled_from(["mean", "integral", "delta", "coverage"]),
    st.booleans(),
    st.sampled_from([20 * MINUTE, GAP, 30 * HOUR]),
    st.data(),
)
def test_the_row_of_the_present_is_that_of_a_span_that_ends_there(minutes, now_minute, agg, is_step, gap, data):
    now = START + now_minute * MINUTE
    ts = START + np.array(sorted(minute for minute in minutes if minute <= now_minute), dtype=np.int64) * MINUTE
    cells = data.draw(st.lists(st.sampled_from([1.0, 5.0, 40.0, NAN]), min_size=len(ts), max_size=len(ts)))
    values = np.array(cells, dtype=np.float64)
    rule = Rule(agg, is_step, gap)
    unit = "kW" if agg == "integral" else "kWh"
    first, row, after = present(ts, values, rule, now=now, unit=unit)
    known = ts[np.isfinite(values)]
    last = known[-1] if len(known) else -FAR
    ends = (not is_step or agg == "delta") and last > START + 24 * HOUR and now - last <= gap
    column = NumberColumn(pa.array(values), unit)
    history = History(Point("a", "a", unit, "UTC", "Number"), ts, column)
    edges = [START, START + 24 * HOUR, int(last) if ends else now]
    ((_, cut),) = interval_histories([history], {"UTC": Intervals.of(np.array(edges))}, {"a": [rule]}, now_us=now)
    np.testing.assert_equal([first, row], cut.values.values.to_numpy(zero_copy_only=False))
    assert after == 0 if agg == "coverage" else np.isnan(after)
