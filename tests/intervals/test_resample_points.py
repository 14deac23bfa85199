"""Histories over regular intervals, against a slow model in plain Python, and what an engineer expects."""

from __future__ import annotations

import bisect
import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.columns import BoolColumn, NumberColumn, StrColumn
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.histories import History
from hsframe.frame.per_point import per_point
from hsframe.frame.points import Point, points_of
from hsframe.frame.trend import trend_frame
from hsframe.intervals.meters import reading_deltas
from hsframe.intervals.regular import Intervals, intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, Rule, rules_of
from hsframe.intervals.samples import IntervalSamples
from hsframe.kinds import MARKER, NA, Number
from hsframe.spans import resolve
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone
from tests.intervals.clock_changes import CHANGES

MINUTE = 60_000_000
HOUR = 60 * MINUTE
NAN = math.nan
FAR = 10**18


# The model ------------------------------------------------------------------------------------------------------------


class Model:
    """A history as a function of time, asked instant by instant, in exact arithmetic."""

    def __init__(self, ts, values, *, is_step, gap, now=FAR, rollover=True):
        self.ts, self.values, self.is_step, self.gap, self.now = ts, values, is_step, gap, now
        self.rollover = rollover
        self.reach = 3 * HOUR if is_step else max(gap, 3 * HOUR)

    def at(self, x):
        """The value at x, None where it is not known."""
        place = bisect.bisect_right(self.ts, x) - 1
        if place < 0:
            return None
        t, v = self.ts[place], self.values[place]
        if self.is_step:
            until = self.ts[place + 1] if place + 1 < len(self.ts) else max(self.now, t)
            return v if math.isfinite(v) and (x == t or x < min(until, t + self.gap)) else None
        if x == t:
            return v if math.isfinite(v) else None
        if place + 1 == len(self.ts):
            return None
        t1, v1 = self.ts[place + 1], self.values[place + 1]
        if t1 - t > self.gap or not math.isfinite(v) or not math.isfinite(v1):
            return None
        return Fraction(v) + (Fraction(v1) - Fraction(v)) * Fraction(x - t) / (t1 - t)

    def area(self, a, b):
        """Value x time in [a, b), and over what time it is known."""
        breaks = {a, b, *self.ts, *(t + self.gap for t in self.ts), self.now}
        inner = sorted(x for x in breaks if a <= x <= b)
        area, covered = Fraction(0), 0
        for p, q in itertools.pairwise(inner):
            value = self.at(Fraction(p + q, 2))
            if value is not None:
                area += Fraction(value) * (q - p)
                covered += q - p
        return area, covered

    def samples(self, a, b):
        return [v for t, v in zip(self.ts, self.values, strict=True) if a <= t < b and not math.isnan(v)]

    def growth(self, v0, v1):
        grown = Fraction(v1) - Fraction(v0)
        if self.rollover is False:
            return grown
        if self.rollover is not True and grown < -Fraction(self.rollover) / 2:
            return grown + Fraction(self.rollover)
        return Fraction(v1) if 0 <= v1 < Fraction(v0) / 2 else grown

    def kept(self):
        """The readings without those that are false, found one flat run after the other."""
        known = [(t, v) for t, v in zip(self.ts, self.values, strict=True) if math.isfinite(v)]
        if self.rollover is False:
            return known

        def rate(place):
            (t0, v0), (t1, v1) = known[place : place + 2]
            return float(self.growth(v0, v1)) / (t1 - t0)

        def beside(place):
            """The steps that can be compared: none, or the growth per time of one, None where it is a fall."""
            if not 0 <= place < len(known) - 1 or known[place + 1][0] - known[place][0] > self.reach:
                return []
            return [None if known[place + 1][1] < known[place][1] / 2 else rate(place)]

        spikes = set()
        first = 1
        while first < len(known) - 1:
            end = first
            while end < len(known) and known[end][1] == known[first][1]:
                end += 1
            if end == len(known):
                break
            (t0, held), (_, odd), (t1, found) = known[first - 1], known[first], known[end]
            is_low, is_high = odd < held / 2, odd > 2 * held > 0 and found < odd
            if (is_low or is_high) and found >= held and t1 - t0 <= self.reach:
                around = [*beside(first - 2), *beside(end)]
                rising = [one for one in around if one is not None]
                implied = max(rate(first - 1), rate(end - 1))
                is_counter = None in beside(end if is_low else first - 2)
                if implied > 10 * max([*rising, (found - held) / (t1 - t0)]) and not is_counter:
                    spikes.update(range(first, end))
            first = end
        return [reading for place, reading in enumerate(known) if place not in spikes]

    def reading(self, x):
        """What the meter has counted from its first reading up to x, None where there is no reading."""
        known = self.kept()
        if not self.is_step:
            before, after = [one for one in known if one[0] <= x], [one for one in known if one[0] > x]
            if not before or (before[-1][0] != x and not after):
                return None
            # Between two readings that are too far apart, or with an unknown sample between them, there is none.
            left, right = before[-1][0], x if before[-1][0] == x else after[0][0]
            unknown = [t for t, v in zip(self.ts, self.values, strict=True) if not math.isfinite(v)]
            if right - left > self.gap or any(left < t < right for t in unknown):
                return None
        elif self.at(x) is None:
            return None
        total = Fraction(0)
        for (t0, v0), (t1, v1) in itertools.pairwise(known):
            if t1 <= x:
                total += self.growth(v0, v1)
            elif t0 < x and not self.is_step:
                total += self.growth(v0, v1) * Fraction(x - t0) / (t1 - t0)
        return total

    def interval(self, agg, a, b, coverage):
        found = self.samples(a, b)
        if agg in ("step", "linear"):
            return self.at(a)
        if agg in ("mean", "integral"):
            area, covered = self.area(a, b)
            if not covered or covered < coverage * (b - a):
                return None
            return area / covered if agg == "mean" else area / HOUR
        if agg == "coverage":
            return Fraction(self.area(a, b)[1], b - a)
        if agg == "delta":
            first, last = self.reading(a), self.reading(b)
            return None if first is None or last is None else last - first
        if agg == "count":
            return len(found)
        if agg in ("min", "max") and self.is_step and (held := self.at(a)) is not None:
            found = [*found, held]
        if not found:
            return None
        if agg in ("sum", "avg"):
            return sum(map(Fraction, found)) / (len(found) if agg == "avg" else 1)
        return {"min": min, "max": max, "first": lambda x: x[0], "last": lambda x: x[-1]}[agg](found)


AGGS = ["step", "linear", "mean", "avg", "integral", "delta", "sum", "min", "max", "first", "last", "count", "coverage"]


@st.composite
def cases(draw):
    tz, day = draw(st.sampled_from(CHANGES))
    step = draw(st.sampled_from(["15min", "1h", "1D", "6h"]))
    begin = resolve(day, tz).start_us + draw(st.integers(-20, 20)) * HOUR
    hours = draw(st.integers({"1D": 25, "6h": 7}.get(step, 1), 60))
    grid = intervals(begin, begin + hours * HOUR, parse_step(step), zone(tz))
    # Minutes from an hour or more before to after: some of them fall on the edges.
    span = (grid.end_us - grid.start_us) // MINUTE
    quarters = draw(st.booleans())
    minutes = sorted(draw(st.sets(st.integers(-200, span + 200), max_size=40)))
    ts = [grid.start_us + minute * (15 if quarters else 1) * MINUTE for minute in minutes]
    value = st.one_of(st.integers(0, 100).map(float), st.just(NAN))
    values = draw(st.lists(value, min_size=len(ts), max_size=len(ts)))
    return tz, grid, ts, values


def history(ts, values, unit="kWh", tz="UTC", ident="a"):
    column = NumberColumn(pa.array(np.array(values, dtype=np.float64)), unit)
    return History(Point(ident, ident, unit, tz, "Number"), np.array(ts, dtype=np.int64), column)


def rolled(histories, grid, *rules, now_us=FAR):
    many = histories if isinstance(histories, list) else [histories]
    by_id = {one.point.id: [rule] for one, rule in zip(many, rules, strict=True)}
    return [found for _, found in interval_histories(many, {one.point.tz: grid for one in many}, by_id, now_us=now_us)]


def floats(found):
    return found.values.values.to_numpy(zero_copy_only=False)


@given(
    cases(),
    st.sampled_from(AGGS),
    st.booleans(),
    st.sampled_from([15 * MINUTE, 3 * HOUR, 1000 * HOUR]),
    st.sampled_from([None, 0.25, 1.0]),
    st.sampled_from([True, False, 100.0]),
)
def test_every_aggregation_is_that_of_the_model(case, agg, is_step, gap, coverage, rollover):
    tz, grid, ts, values = case
    unit = "kW" if agg == "integral" else "kWh"
    rule = Rule(agg, is_step, gap, coverage, rollover)
    (found,) = rolled(history(ts, values, unit, tz), grid, rule)
    assert found.ts_us is grid.labels_us
    is_model_step = agg == "step" or (is_step and agg != "linear")
    model = Model(ts, values, is_step=is_model_step, gap=gap, rollover=rollover)
    share = coverage if coverage is not None else {"mean": 0.5}.get(agg, 1.0)
    expected = [model.interval(agg, a, b, Fraction(share)) for a, b in itertools.pairwise(grid.edges_us.tolist())]
    np.testing.assert_allclose(
        floats(found), [NAN if value is None else float(value) for value in expected], rtol=1e-9, atol=1e-9
    )
    assert found.point.unit == (None if agg in ("count", "coverage") else "kWh")


@given(cases(), st.sampled_from(["delta", "integral", "sum", "count"]), st.booleans(), st.integers(1, 40))
def test_sums_are_conservative(case, agg, is_step, each):
    """What the small intervals add up to is what the large ones that they tile have."""
    tz, grid, ts, values = case
    rule = Rule(agg, is_step, 1000 * HOUR)
    unit = "kW" if agg == "integral" else "kWh"
    (small,) = rolled(history(ts, values, unit, tz), grid, rule)
    edges = np.append(grid.edges_us[:-1:each], grid.edges_us[-1])
    (large,) = rolled(history(ts, values, unit, tz), Intervals.of(edges), rule)
    parts = np.split(floats(small), np.arange(each, len(grid), each))
    sums = np.array([part.sum() for part in parts])
    known = ~np.isnan(sums)
    if agg in ("delta", "integral"):
        np.testing.assert_allclose(floats(large)[known], sums[known], rtol=1e-9, atol=1e-9)
    else:
        totals = [np.nansum(part) if (~np.isnan(part)).any() else NAN for part in parts]
        np.testing.assert_allclose(floats(large), totals, rtol=1e-12)


@given(cases(), st.sampled_from(AGGS), st.booleans(), st.data())
def test_an_interval_does_not_depend_on_the_span_around_it(case, agg, is_step, data):
    """Of the samples before and after, those that the rule reaches are enough."""
    tz, grid, ts, values = case
    rule = Rule(agg, is_step, 5 * HOUR)
    unit = "kW" if agg == "integral" else "kWh"
    (whole,) = rolled(history(ts, values, unit, tz), grid, rule)
    start = data.draw(st.integers(0, len(grid) - 1))
    stop = data.draw(st.integers(start + 1, len(grid)))
    part = Intervals.of(grid.edges_us[start : stop + 1])
    near = history(ts, values, unit, tz).clip(part.start_us - rule.before_us, part.end_us + rule.after_us)
    (found,) = rolled(near, part, rule)
    np.testing.assert_allclose(floats(found), floats(whole)[start:stop], rtol=1e-12)


@given(cases(), st.booleans())
def test_integral_is_mean_times_hours(case, is_step):
    tz, grid, ts, values = case
    (mean,) = rolled(history(ts, values, "kW", tz), grid, Rule("mean", is_step, 1000 * HOUR, 1.0))
    (integral,) = rolled(history(ts, values, "kW", tz), grid, Rule("integral", is_step, 1000 * HOUR))
    np.testing.assert_allclose(floats(integral), floats(mean) * np.diff(grid.edges_us) / HOUR, rtol=1e-9)


# What an engineer expects ---------------------------------------------------------------------------------------------

START = resolve("2026-06-01", "UTC").start_us
LINEAR = {"is_step": False, "gap_us": 3 * HOUR}
STEP = {"is_step": True, "gap_us": 400 * 24 * HOUR}


def hours(count):
    return Intervals.of(START + np.arange(count + 1, dtype=np.int64) * HOUR)


def at(*hour_numbers):
    return [START + int(number * HOUR) for number in hour_numbers]


def one(ts, values, rule, grid, unit="kW", **kwargs):
    (found,) = rolled(history(ts, values, unit), grid, rule, **kwargs)
    return floats(found).tolist()


def test_a_mean_goes_by_time_and_not_by_the_number_of_samples():
    # A change of value: 10 for 55 minutes, then ten samples of 100 in 5 minutes.
    ts = [START, *(START + 55 * MINUTE + number * MINUTE // 2 for number in range(10))]
    assert one(ts, [10] + [100] * 10, Rule("mean", **STEP), hours(1)) == pytest.approx([(55 * 10 + 5 * 100) / 60])


def test_the_last_sample_holds_up_to_the_present():
    found = one(at(0), [5], Rule("step", **STEP), hours(4), now_us=at(2.5)[0])
    np.testing.assert_equal(found, [5, 5, 5, NAN])
    # Of the hour that runs, half is known.
    np.testing.assert_equal(one(at(0), [5], Rule("mean", **STEP), hours(4), now_us=at(2.5)[0]), [5, 5, 5, NAN])
    np.testing.assert_equal(one(at(0), [5], Rule("integral", **STEP), hours(4), now_us=at(2.5)[0]), [5, 5, NAN, NAN])


def test_na_stops_a_step_until_the_next_sample_and_a_line_on_both_sides():
    values = [0, NAN, 8, 10]
    np.testing.assert_equal(one(at(0, 1.5, 2.5, 3.5), values, Rule("step", **STEP), hours(5)), [0, 0, NAN, 8, 10])
    np.testing.assert_equal(
        one(at(0, 1.5, 2.5, 3.5), values, Rule("linear", **LINEAR), hours(5)), [0, NAN, NAN, 9, NAN]
    )


def test_a_gap_is_not_bridged():
    np.testing.assert_equal(
        one(at(0, 3, 6.5), [0, 3, 6.5], Rule("linear", **LINEAR), hours(8)), [0, 1, 2, 3, NAN, NAN, NAN, NAN]
    )
    rule = Rule("step", is_step=False, gap_us=2 * HOUR)
    np.testing.assert_equal(one(at(0, 3), [1, 2], rule, hours(6)), [1, 1, NAN, 2, 2, NAN])


def test_a_meter_counts_on_over_a_gap_within_an_interval():
    day = Intervals.of(START + np.arange(3, dtype=np.int64) * 24 * HOUR)
    ts = at(0, 2, 20, 24, 47, 49)
    assert one(ts, [0, 1, 10, 12, 30, 34], Rule("delta", **LINEAR), day, "kWh") == [12, 20]
    # Nothing says how the growth in a gap across midnight is divided.
    np.testing.assert_equal(one(at(0, 20, 28, 48), [0, 9, 19, 30], Rule("delta", **LINEAR), day, "kWh"), [NAN, NAN])


def test_a_meter_that_is_set_back_has_counted_from_0_since():
    assert one(at(0, 1, 2, 3), [990, 998, 3, 5], Rule("delta", **LINEAR), hours(3), "kWh") == [8, 3, 2]


def test_a_register_that_rolls_over():
    assert one(at(0, 1, 2, 3), [990, 998, 3, 5], Rule("delta", **LINEAR, rollover=1000.0), hours(3), "kWh") == [8, 5, 2]
    size = Number(1, "MWh")
    assert one(at(0, 1, 2), [990, 998, 3], Rule("delta", **LINEAR, rollover=size), hours(2), "kWh") == [8, 5]
    with pytest.raises(MetadataError, match=r"@a .* reading of 998.0, more than its rollover of 900.0"):
        one(at(0, 1), [990, 998], Rule("delta", **LINEAR, rollover=900.0), hours(1), "kWh")
    with pytest.raises(UnitError, match="rollover of @a"):
        one(at(0, 1), [1, 2], Rule("delta", **LINEAR, rollover=Number(1000, "m³")), hours(1), "kWh")


def test_the_growth_of_a_register_is_divided_between_its_hours_also_as_it_rolls_over():
    ts = at(0, 0.5, 1.5, 2)
    assert one(ts, [995, 998, 2, 4], Rule("delta", **LINEAR, rollover=1000.0), hours(2), "kWh") == pytest.approx([5, 4])


def test_a_small_drop_is_a_correction_and_no_reset():
    assert one(at(0, 1, 2), [1000, 999.9375, 1001], Rule("delta", **LINEAR), hours(2), "kWh") == [-0.0625, 1.0625]


def test_a_meter_that_runs_backwards_may():
    assert one(at(0, 1, 2), [3, 1, -2], Rule("delta", **LINEAR, rollover=False), hours(2), "kWh") == [-2, -3]


def test_the_difference_of_temperatures_is_no_temperature_and_no_reset():
    (found,) = rolled(history(at(0, 1, 2), [70, 30, 31], "°F"), hours(2), Rule("delta", **LINEAR))
    assert floats(found).tolist() == [-40, 1]
    assert found.values.unit == found.point.unit == "Δ°F"


def test_one_absurd_sample_does_not_touch_the_intervals_after_it():
    ts = at(*np.arange(0, 50, 0.25))
    values = np.full(len(ts), 3.0)
    values[5] = 3.4e38
    for agg, expected in (("mean", 3.0), ("integral", 3.0), ("sum", None), ("delta", 0.0)):
        unit = "kW" if agg in ("mean", "integral") else "kWh"
        found = one(ts, values, Rule(agg, **LINEAR), hours(49), unit)
        assert found[3:] == [12.0 if expected is None else expected] * 46


def test_infinite_values_are_samples_and_no_part_of_a_mean():
    ts, values = at(0, 0.5, 1, 1.5, 2), [1, math.inf, 2, 2, 2]
    assert one(ts, values, Rule("max", **LINEAR), hours(2)) == [math.inf, 2]
    np.testing.assert_equal(one(ts, values, Rule("mean", **LINEAR), hours(2)), [NAN, 2])
    np.testing.assert_equal(one(ts, [1, math.inf, -math.inf, 2, 2], Rule("last", **LINEAR), hours(2)), [math.inf, 2])
    values = [math.inf, -math.inf, 1, 1, 1]
    np.testing.assert_equal(one(ts, values, Rule("sum", **LINEAR), hours(2), "kWh"), [NAN, 2])


@pytest.mark.parametrize(
    ("unit", "result", "factor"),
    [("kW", "kWh", 1), ("cfm", "ft³", 60), ("L/s", "L", 3600), ("m³/h", "m³", 1), ("kVA", "kVAh", 1), (None, "hr", 1)],
)
def test_the_unit_of_an_integral(unit, result, factor):
    (found,) = rolled(history(at(0, 1), [2, 2], unit), hours(1), Rule("integral", **LINEAR))
    assert (found.values.unit, floats(found).tolist()) == (result, [2 * factor])


@pytest.mark.parametrize(
    ("agg", "unit", "message"),
    [
        ("integral", "°F", "no unit of °F x time; take the mean, or hsframe.degree_days$"),
        ("sum", "kW", "expected mean or 'integral'"),
        ("sum", "cfm", "how often it was sampled"),
        ("sum", "°F", "expected mean"),
    ],
)
def test_what_has_no_meaning_in_a_unit(agg, unit, message):
    with pytest.raises(UnitError, match=message):
        rolled(history(at(0, 1), [2, 2], unit), hours(1), Rule(agg, **LINEAR))


# Bool and Str ---------------------------------------------------------------------------------------------------------


def state(ts, cells, kind, ident="a"):
    if kind == "Bool":
        column = BoolColumn(
            pa.array([None if c is NA else c for c in cells], pa.bool_()), pa.array([c is NA for c in cells])
        )
    else:
        column = StrColumn(
            pa.array([None if c is NA else c for c in cells], pa.string()), pa.array([c is NA for c in cells])
        )
    return History(Point(ident, ident, None, "UTC", kind), np.array(ts, dtype=np.int64), column)


def frame(histories, grid, *rules, **kwargs):
    return trend_frame(rolled(histories, grid, *rules, **kwargs))


def test_a_bool_holds_and_stays_a_bool():
    fan = state(at(-5, 1.5, 2.5, 3.5), [True, False, NA, True], "Bool")
    df = frame(fan, hours(5), Rule("step", **STEP))
    assert df["a"].dtype == pd.BooleanDtype()
    assert df["a"].tolist() == [True, True, False, pd.NA, True]


def test_how_long_a_fan_ran():
    fan = state(at(-5, 1.5, 2.25), [True, False, True], "Bool")
    df = frame(fan, hours(4), Rule("integral", **STEP))
    assert df["a"].dtype == UnitDtype("hr")
    assert np.asarray(df["a"], dtype=float).tolist() == [1, 0.5, 0.75, 1]
    share = frame(fan, hours(4), Rule("mean", **STEP))
    assert share["a"].dtype == np.float64
    assert share["a"].tolist() == [1, 0.5, 0.75, 1]
    assert points_of(share)["a"].kind == "Number"


def test_the_extremes_of_a_bool_count_what_held_before():
    fan = state(at(-5, 1.5, 2.5), [True, False, True], "Bool")
    assert frame(fan, hours(4), Rule("min", **STEP))["a"].tolist() == [True, False, False, True]
    assert frame(fan, hours(4), Rule("max", **STEP))["a"].tolist() == [True, True, True, True]


def test_a_text_holds_and_stays_a_category():
    mode = state(at(0, 1.5, 2.5, 3.5), ["off", "heat", NA, "cool"], "Str")
    df = frame(mode, hours(5), Rule("step", **STEP))
    assert df["a"].astype(object).where(df["a"].notna(), None).tolist() == ["off", "off", "heat", None, "cool"]
    assert isinstance(df["a"].dtype, pd.CategoricalDtype)
    last = frame(mode, hours(5), Rule("last", **STEP))["a"]
    assert last.astype(object).where(last.notna(), None).tolist() == ["off", "heat", None, "cool", None]
    assert frame(mode, hours(5), Rule("count", **STEP))["a"].tolist() == [1, 1, 0, 1, 0]


@pytest.mark.parametrize(("kind", "agg"), [("Str", "mean"), ("Str", "max"), ("Bool", "sum"), ("Bool", "delta")])
def test_what_has_no_meaning_for_a_kind(kind, agg):
    cells = ["a", "b"] if kind == "Str" else [True, False]
    with pytest.raises(MetadataError, match=f"agg='{agg}' of @a has no meaning: its values are {kind}"):
        frame(state(at(0, 1), cells, kind), hours(1), Rule(agg, **STEP))


# Frames ---------------------------------------------------------------------------------------------------------------


def test_points_without_samples_keep_their_dtype_and_every_row():
    empty = [
        history([], [], "kW", ident="p"),
        state([], [], "Bool", "b"),
        state([], [], "Str", "s"),
    ]
    df = frame(empty, hours(3), Rule("mean", **LINEAR), Rule("step", **STEP), Rule("step", **STEP))
    assert len(df) == 3
    assert [str(dtype) for dtype in df.dtypes] == ["unit[kW]", "boolean", "category"]
    assert df.isna().all(axis=None)


def test_a_null_is_no_sample_in_a_batch_and_in_a_single_answer():
    cells = [Number(1, "kW"), None, Number(3, "kW")]
    point = Point("a", "a", "kW", "UTC", "Number")
    for sparse in (True, False):
        (found,) = rolled(History(point, np.array(at(0, 1, 2)), cells, sparse), hours(3), Rule("linear", **LINEAR))
        np.testing.assert_equal(floats(found), [1, 2, 3])


def test_windows_that_overlap_and_rows_out_of_order_are_put_right():
    first, second = history(at(1, 0), [1, 0]), history(at(1, 2), [5, 6])
    (found,) = rolled([first, second], hours(3), *[Rule("linear", **LINEAR)] * 2)
    assert floats(found).tolist() == [0, 5, 6]


def test_samples_of_several_units_are_converted_to_that_of_the_record():
    point = Point("a", "a", "kW", "UTC", "Number")
    cells = [Number(1, "kW"), NA, Number(0.003, "MW")]
    (found,) = rolled(History(point, np.array(at(0, 1, 2)), cells), hours(3), Rule("step", **LINEAR))
    assert found.values.unit == "kW"
    np.testing.assert_allclose(floats(found), [1, NAN, 3])
    with pytest.raises(UnitError, match=r"@a .* kW, °F, which"):
        rolled(History(point, np.array(at(0, 1)), [Number(1, "kW"), Number(1, "°F")]), hours(1), Rule("step", **LINEAR))


@pytest.mark.filterwarnings("ignore::hsframe.ReadWarning")  # a text in place of a Number
def test_samples_of_several_kinds_are_refused():
    with pytest.raises(MetadataError, match=r"@a .* several kinds"):
        rolled(
            History(Point("a", "a", None, "UTC", "Number"), np.array(at(0, 1)), [Number(1), "x"]),
            hours(1),
            Rule("step", **LINEAR),
        )


# What is taken where nothing is said ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "agg", "is_step", "gap"),
    [
        ({"kind": "Bool"}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Str", "hisMode": "sampled"}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Bool", "hisInterval": Number(15, "min")}, "step", True, 45 * MINUTE),
        ({"kind": "Bool", "hisInterval": Number(15, "min"), "hisMode": "cov"}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Number", "unit": "°F", "hisMode": "cov"}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Number", "unit": "°F", "hisCov": Number(1)}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Number", "unit": "°F", "hisInterpolate": "cov"}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Number", "unit": "kW", "hisMode": "sampled"}, None, False, 3 * HOUR),
        ({"kind": "Number", "unit": "kW", "hisInterval": Number(15, "min")}, None, False, 45 * MINUTE),
        ({"kind": "Number", "unit": "kWh", "hisTotalized": MARKER}, "delta", False, 3 * HOUR),
        ({"kind": "Number", "unit": "kWh", "hisTotalized": MARKER, "hisMode": "cov"}, "delta", True, 400 * 24 * HOUR),
        ({"kind": "Number", "unit": "kWh", "hisMode": "consumption"}, "sum", False, 3 * HOUR),
        ({"kind": "Number", "unit": "kWh", "hisMode": "cov"}, "step", True, 400 * 24 * HOUR),
        ({"kind": "Number", "hisTotalized": False}, None, False, 3 * HOUR),
    ],
)
def test_what_the_record_asks_for(record, agg, is_step, gap):
    point = Point.from_record({"id": "a", **record})
    ((rule,),) = rules_of([point], [PointSampling.from_record(record)], ["a"], IntervalSettings("1h"))
    assert (rule.agg, rule.is_step, rule.gap_us) == (agg, is_step, gap)


def test_energy_without_a_word_is_never_guessed():
    points = [Point("a", "Meter", "kWh", "UTC", "Number"), Point("b", "Zone", "°F", "UTC", "Number")]
    samplings = [PointSampling(), PointSampling()]
    with pytest.raises(MetadataError, match=r"@a \(Meter\) in kWh .* agg=\{'@a': 'delta'\}"):
        rules_of(points, samplings, ["Meter", "Zone"], IntervalSettings("1h"))
    ((meter,), (temp,)) = rules_of(points, samplings, ["Meter", "Zone"], IntervalSettings("1h", agg={"kWh": "sum"}))
    assert (meter.agg, temp.agg) == ("sum", None)
    # Nor where only the samples tell that it is energy.
    with pytest.raises(MetadataError, match="@a in kWh"):
        rolled(history(at(0), [1], "kWh"), hours(1), Rule(None, **LINEAR))


def test_a_point_of_which_no_record_was_seen_is_taken_by_its_samples():
    fan = state(at(0), [True], "Bool")
    temp = history(at(0, 1), [70, 72], "°F", ident="t")
    bare = [
        History(Point("b", tz="UTC"), fan.ts_us, fan.values),
        History(Point("t", tz="UTC"), temp.ts_us, temp.values),
    ]
    df = frame(bare, hours(1), Rule(None, **LINEAR), Rule(None, **LINEAR))
    assert df["b"].tolist() == [True]
    assert df["t"].dtype == UnitDtype("°F")
    assert df["t"].tolist() == [71.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"agg": "median"}, "agg='median' is unknown"),
        ({"agg": {"@x": "mean"}}, "agg= names '@x', which is not an id, label or unit"),
        ({"agg": {"Metr": "mean"}}, "did you mean 'Meter'"),
        ({"min_coverage": 0}, "min_coverage must be more than 0 and at most 1; got 0"),
        ({"min_coverage": 1.5}, "min_coverage must be .* got 1.5"),
        ({"min_coverage": "half"}, "min_coverage must be .* got 'half'"),
        ({"rollover": -5}, "rollover of @a .* must be .* got -5"),
        ({"rollover": "1000"}, "rollover of @a .* got '1000'"),
        ({"rollover": math.inf}, "rollover of @a .* got inf"),
        ({"rollover": True}, "rollover of @a .* or False; where it is left out .* hisRollover; got True"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    points = [Point("a", "Meter", "kW", "UTC", "Number")]
    with pytest.raises(MetadataError, match=message):
        rules_of(points, [PointSampling()], ["Meter"], IntervalSettings("1h", **settings))


def test_what_the_records_tell_is_refused_before_anything_is_read():
    points = [Point("a", "Mode", None, "UTC", "Str"), Point("b", "Power", "kW", "UTC", "Number")]
    samplings = [PointSampling(is_step=True, agg="step"), PointSampling()]
    with pytest.raises(MetadataError, match="agg='mean' of @a"):
        rules_of(points, samplings, ["Mode", "Power"], IntervalSettings("1h", agg="mean"))
    with pytest.raises(UnitError, match="agg='sum' of @b"):
        rules_of(points, samplings, ["Mode", "Power"], IntervalSettings("1h", agg={"Power": "sum"}))


def test_a_setting_may_name_ids_labels_names_and_units():
    points = [Point("a", "Fan", "kW"), Point("b", "Fan", "kW"), Point("c", "T", "°F")]
    labels = ["Fan @a", "Fan @b", "T"]
    assert per_point({"a": 1, "Fan @b": 2, "°F": 3}, points, labels, "x") == [1, 2, 3]
    assert per_point({"@a": 1, "Fan": 2}, points, labels, "x") == [1, 2, None]
    assert per_point({"kW": 1}, points, labels, "x") == [1, 1, None]
    assert per_point(7, points, labels, "x") == [7, 7, 7]


# The parts ------------------------------------------------------------------------------------------------------------


def test_reading_deltas_of_one_reading_are_none():
    assert reading_deltas(np.array([5.0]), True).tolist() == []
    assert reading_deltas(np.array([]), True).tolist() == []


def test_intervals_without_samples():
    samples = IntervalSamples(np.empty(0, np.int64), hours(2).edges_us)
    assert samples.sample_counts(np.empty(0, bool)).tolist() == [0, 0]
    assert np.isnan(samples.reduced(np.add, np.empty(0))).all()
    assert samples.first_or_last(np.empty(0, bool), last=True).tolist() == [-1, -1]
    assert np.isnan(samples.linear_at(np.empty(0), HOUR)).all()
