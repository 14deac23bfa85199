"""Aggregates while a condition holds, against a slow model minute by minute."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.columns import NumberColumn
from hsframe.errors import MetadataError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.trend import trend_frame
from hsframe.intervals.regular import Intervals
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, Rule, rules_of
from hsframe.intervals.truth import FALSE, TRUE, UNKNOWN, Truth

MINUTE = 60_000_000
HOUR = 60 * MINUTE
POINT = Point("a", "a", "kW", "UTC", "Number")
AGGS = ("mean", "integral", "coverage", "count", "avg", "sum", "min", "max", "first", "last", "delta")


@st.composite
def cases(draw):
    edges = [0, *itertools.accumulate(draw(st.lists(st.integers(1, 60), min_size=1, max_size=4)))]
    minutes = sorted(draw(st.sets(st.integers(-60, edges[-1] + 30), max_size=25)))
    cell = st.sampled_from([None, 1.0, 2.0, 3.0, 5.0])
    codes = draw(st.lists(st.sampled_from([TRUE, TRUE, FALSE, UNKNOWN]), min_size=edges[-1], max_size=edges[-1]))
    runs = draw(st.integers(1, 20))  # each code for some minutes
    codes = [codes[minute // runs] for minute in range(edges[-1])]
    return edges, minutes, draw(st.lists(cell, min_size=len(minutes), max_size=len(minutes))), codes


def value_at(minutes, values, at, is_step, gap):
    """The value at a time, None where it is not known."""
    place = max((i for i, minute in enumerate(minutes) if minute <= at), default=None)
    if place is None or values[place] is None:
        return None
    if is_step:
        return Fraction(values[place]) if at < minutes[place] + gap else None
    if at == minutes[place]:
        return Fraction(values[place])
    if place + 1 == len(minutes) or values[place + 1] is None or minutes[place + 1] - minutes[place] > gap:
        return None
    share = (at - minutes[place]) / Fraction(minutes[place + 1] - minutes[place])
    return Fraction(values[place]) * (1 - share) + Fraction(values[place + 1]) * share


def model(minutes, values, own, codes, is_step, gap):
    """All aggregates of the minutes of an interval, None for missing."""
    true, may = [m for m in own if codes[m] == TRUE], [m for m in own if codes[m] != FALSE]
    middles = [value_at(minutes, values, m + Fraction(1, 2), is_step, gap) for m in true]
    known = [value for value in middles if value is not None]
    samples = [v for m, v in zip(minutes, values, strict=True) if m in true and v is not None]
    begins = [m for m in true if m == own[0] or codes[m - 1] != TRUE]  # what held there is one of the values
    held = [v for m in begins if is_step and (v := value_at(minutes, values, m, True, gap)) is not None]
    return {
        "mean": sum(known) / len(known) if known and 2 * len(known) >= len(may) else None,
        "integral": sum(known, Fraction(0)) / 60 if len(known) == len(may) else None,
        "coverage": Fraction(len(known), len(may)) if may else None,
        "count": len(samples),
        "avg": sum(samples) / len(samples) if samples else None,
        "sum": sum(samples) if samples else None,
        "min": min([*samples, *held], default=None),
        "max": max([*samples, *held], default=None),
        "first": samples[0] if samples else None,
        "last": samples[-1] if samples else None,
    }


@given(cases(), st.booleans(), st.sampled_from([7, 30, 1000]))
def test_the_values_are_those_of_the_minutes_in_which_it_holds(case, is_step, gap):
    edges, minutes, values, codes = case
    na = pa.array([value is None for value in values], pa.bool_())
    column = NumberColumn(pa.array(values, pa.float64()), "kW", na)
    history = History(POINT, np.array(minutes, dtype=np.int64) * MINUTE, column)
    grid = {"UTC": Intervals.of(np.array(edges, dtype=np.int64) * MINUTE)}

    def frame(rules, where):
        found = interval_histories([history], grid, {"a": rules}, now_us=10**18, several=True, where=where)
        return trend_frame([one for _, one in found])

    rules = [Rule(agg, is_step, gap * MINUTE) for agg in AGGS if agg not in ("sum", "delta")]
    df = frame(rules, Truth(np.arange(edges[-1] + 1) * MINUTE, np.array(codes, dtype=np.int8)))["a"]
    for row, (a, b) in enumerate(itertools.pairwise(edges)):
        expected = model(minutes, values, range(a, b), codes, is_step, gap)
        for rule in rules:
            found, right = df[rule.agg].iloc[row], expected[rule.agg]
            assert math.isnan(found) if right is None else float(found) == pytest.approx(float(right)), rule.agg
    # Where it holds all the time nothing is otherwise; where it never does there is nothing, and the sums are 0.
    always, never = (Truth(np.array([-(10**17), 10**17]), np.array([code], dtype=np.int8)) for code in (TRUE, FALSE))
    rules = [Rule(agg, is_step, gap * MINUTE, interval_us=5 * MINUTE) for agg in AGGS if agg != "sum"]
    pd.testing.assert_frame_equal(frame(rules, always), frame(rules, None))
    nothing = frame(rules, never)["a"]
    assert (nothing[["integral", "delta", "count"]].hs.magnitude().to_numpy() == 0).all()
    assert nothing.drop(columns=["integral", "delta", "count"]).isna().all(axis=None)


@given(cases(), st.booleans())
def test_the_delta_is_the_sum_of_those_of_the_parts(case, is_step):
    """A part of which the condition is not known may count, so the delta is not known either."""
    edges, minutes, _, codes = case
    readings = pa.array(np.arange(len(minutes)) * 3.0)
    history = History(POINT, np.array(minutes, dtype=np.int64) * MINUTE, NumberColumn(readings, "kWh"))
    rule = Rule("delta", is_step, 30 * MINUTE)

    def deltas(edges, where=None):
        grid = {"UTC": Intervals.of(np.array(edges, dtype=np.int64) * MINUTE)}
        ((_, found),) = interval_histories([history], grid, {"a": [rule]}, now_us=10**18, where=where)
        return found.values.values.to_numpy()

    where = Truth(np.arange(edges[-1] + 1) * MINUTE, np.array(codes, dtype=np.int8))
    expected = []
    for a, b in itertools.pairwise(edges):
        cuts = [a, *(m for m in range(a + 1, b) if codes[m] != codes[m - 1]), b]
        own = deltas(cuts)
        parts = [(own[i], codes[cut]) for i, cut in enumerate(cuts[:-1])]
        expected.append(sum(d if code == TRUE else math.nan if code == UNKNOWN else 0.0 for d, code in parts))
    np.testing.assert_allclose(deltas(edges, where), expected, rtol=1e-12, atol=1e-12)


def test_a_sum_lacks_no_sample_that_is_due_while_it_holds():
    """Two runs of 20 minutes of which each has one sample at least, and one of them has none."""
    point = Point("m", "m", "kWh", "UTC", "Number")
    where = Truth(np.array([0, 20, 40, 60, 120]) * MINUTE, np.array([1, 0, 1, 0], dtype=np.int8))
    rule = Rule("sum", False, HOUR, interval_us=15 * MINUTE)
    for minutes, expected in (([5, 20, 35, 50], 2.0), ([5, 35], math.nan)):
        history = History(point, np.array(minutes) * MINUTE, NumberColumn(pa.array(np.ones(len(minutes))), "kWh"))
        grid = {"UTC": Intervals.of(np.array([0, 120]) * MINUTE)}
        ((_, found),) = interval_histories([history], grid, {"m": [rule]}, now_us=10**18, where=where)
        np.testing.assert_equal(found.values.values.to_numpy(), [expected])


def test_the_value_at_an_instant_is_none_over_the_time_in_which_something_holds():
    for agg in ("step", "linear", None):
        settings = IntervalSettings("1h", agg, where="@fan")
        with pytest.raises(MetadataError, match=r"one instant, and where= .*agg={'@a': 'mean'}"):
            rules_of([POINT], [PointSampling(is_step=True, agg="step")], ["a"], settings)
