"""How long states last, as what share, and how often one starts: against a slow model, and what must add up."""

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

from hsframe.columns import BoolColumn, StrColumn
from hsframe.errors import MetadataError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.trend import trend_frame
from hsframe.intervals.regular import Intervals
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import Rule

MINUTE = 60_000_000
HOUR = 60 * MINUTE
FAR = 10**18
NAN = math.nan


def history(minutes, cells, kind="Bool", states=None):
    """Cells are True, False, a text, or None for NA."""
    column = BoolColumn if kind == "Bool" else StrColumn
    values = pa.array(cells, pa.bool_() if kind == "Bool" else pa.string())
    na = pa.array([cell is None for cell in cells])
    ts_us = np.array(minutes, dtype=np.int64) * MINUTE
    return History(Point("a", "a", None, "UTC", kind, states), ts_us, column(values, na))


def frame(found, edges, *aggs, gap=1000 * HOUR, coverage=None, now_us=FAR):
    grids = {"UTC": Intervals.of(np.array(edges, dtype=np.int64) * MINUTE)}
    rules = [Rule(agg, True, gap, coverage) for agg in aggs]
    pairs = interval_histories([found], grids, {"a": rules}, now_us=now_us, several=len(aggs) > 1)
    return trend_frame([one for _, one in pairs])


def floats(column):
    return column.to_numpy(dtype=np.float64, na_value=NAN).tolist()


# The model: minute by minute ------------------------------------------------------------------------------------------


def minute_states(minutes, cells, gap, end):
    """The state that holds in each minute from -200 on, None where it is not known."""
    found = []
    for minute in range(-200, end):
        place = max((i for i, at in enumerate(minutes) if at <= minute), default=-1)
        held = place >= 0 and minute < minutes[place] + gap
        found.append(cells[place] if held else None)
    return found


@st.composite
def cases(draw):
    edges = [0, *itertools.accumulate(draw(st.lists(st.integers(1, 90), min_size=1, max_size=5)))]
    minutes = sorted(draw(st.sets(st.integers(-150, edges[-1] + 20), max_size=20)))
    kind = draw(st.sampled_from(["Bool", "Str"]))
    cell = st.sampled_from([True, False, None] if kind == "Bool" else ["off", "on", "auto", None])
    return edges, minutes, draw(st.lists(cell, min_size=len(minutes), max_size=len(minutes))), kind


@given(cases(), st.sampled_from([7, 60, 10_000]), st.sampled_from([None, 0.3, 1.0]))
def test_the_times_of_states_are_those_of_the_model(case, gap, coverage):
    edges, minutes, cells, kind = case
    df = frame(
        history(minutes, cells, kind), edges, "duration", "share", "coverage", gap=gap * MINUTE, coverage=coverage
    )
    held = minute_states(minutes, cells, gap, edges[-1])
    seen = {one for one in held[200:] if one is not None}
    states = [False, True] if kind == "Bool" else sorted(seen)
    names = list(map(str, states)) or [""]
    assert df.columns.tolist() == [("a", agg, name) for agg in ("duration", "share") for name in names] + [
        ("a", "coverage", "")
    ]
    for row, (a, b) in enumerate(itertools.pairwise(edges)):
        own = held[200 + a : 200 + b]
        known = sum(one is not None for one in own)
        assert df["a", "coverage", ""].iloc[row] == pytest.approx(known / (b - a))
        for agg, default in (("duration", 1.0), ("share", 0.5)):
            needed = Fraction(default if coverage is None else coverage) * (b - a)
            whole = Fraction(60 if agg == "duration" else known)
            for state in states:
                value = df["a", agg, str(state)].iloc[row]
                if known and known >= needed:
                    assert float(value) == pytest.approx(float(own.count(state) / whole))
                else:
                    assert pd.isna(value)


@given(cases(), st.sampled_from([7, 60, 10_000]))
def test_starts_are_those_of_the_model(case, gap):
    edges, minutes, cells, kind = case
    if kind == "Str":
        cells = [None if cell is None else cell == "on" for cell in cells]
    df = frame(history(minutes, cells), edges, "starts", gap=gap * MINUTE)
    held = minute_states(minutes, cells, gap, edges[-1])
    assert df["a"].dtype == "Int64"
    for row, (a, b) in enumerate(itertools.pairwise(edges)):
        pairs = list(itertools.pairwise(held[199 + a : 200 + b]))
        value = df["a"].iloc[row]
        if None in held[200 + a : 200 + b]:
            assert value is pd.NA
        else:
            assert value == pairs.count((False, True))


@given(cases())
def test_what_must_add_up(case):
    edges, minutes, cells, kind = case
    aggs = ["duration", "share", "coverage", *(["integral", "mean"] if kind == "Bool" else [])]
    df = frame(history(minutes, cells, kind), edges, *aggs, coverage=1e-9)
    hours = np.diff(edges) / 60
    known = np.array(floats(df["a", "coverage", ""]))
    durations, shares = (
        df.xs(agg, axis=1, level="agg").hs.magnitude().to_numpy().astype(float) for agg in ("duration", "share")
    )
    some = known > 0
    np.testing.assert_allclose(durations[some].sum(axis=1), (known * hours)[some])
    np.testing.assert_allclose(shares[some].sum(axis=1), 1)
    if kind == "Bool":
        np.testing.assert_array_equal(floats(df["a", "duration", "True"]), floats(df["a", "integral", ""]))
        np.testing.assert_allclose(floats(df["a", "share", "True"]), floats(df["a", "mean", ""]))


@given(cases(), st.integers(1, 4))
def test_durations_and_starts_of_small_intervals_add_up(case, each):
    edges, minutes, cells, kind = case
    aggs = ["duration", *(["starts"] if kind == "Bool" else [])]
    small = frame(history(minutes, cells, kind), edges, *aggs)
    large = frame(history(minutes, cells, kind), [*edges[:-1:each], edges[-1]], *aggs)
    for label in large.columns:
        sums = [part.sum() for part in np.split(np.array(floats(small[label])), range(each, len(small), each))]
        known = ~np.isnan(sums)
        np.testing.assert_allclose(np.array(floats(large[label]))[known], np.array(sums)[known], atol=1e-12)


# What an engineer expects ---------------------------------------------------------------------------------------------


def test_a_start_at_the_first_instant_needs_what_held_before_it():
    assert frame(history([-5, 0, 10], [False, True, False]), [0, 60], "starts")["a"].tolist() == [1]
    assert frame(history([-5, 0, 10], [True, True, False]), [0, 60], "starts")["a"].tolist() == [0]
    assert frame(history([0, 10], [True, False]), [0, 60], "starts")["a"].tolist() == [0]


def test_a_true_after_an_unknown_time_is_no_start():
    found = history([0, 10, 20, 30], [False, None, True, False])
    assert frame(found, [0, 60], "starts")["a"].isna().all()
    assert frame(found, [0, 60], "starts", coverage=0.5)["a"].tolist() == [0]


def test_the_states_of_the_record_are_columns_in_its_order_and_others_after_them():
    found = history([-100, 0, 30], ["fault", "slow", "off"], "Str", ("off", "slow", "fast"))
    with pytest.warns(match="enum"):
        df = frame(found, [0, 60], "duration")
    # The one that is not in the record was before the span: it makes no column.
    assert df.columns.tolist() == [("a", "off"), ("a", "slow"), ("a", "fast")]
    assert df.columns.names == ["point", "state"]
    assert df.iloc[0].tolist() == [0.5, 0.5, 0.0]
    assert {str(dtype) for dtype in df.dtypes} == {"unit[hr]"}


def test_a_state_before_the_span_makes_no_column():
    assert frame(history([-100, 0], ["a", "b"], "Str"), [0, 60], "share").columns.tolist() == [("a", "b")]


def test_a_point_without_a_known_state_has_a_column_all_the_same():
    df = frame(history([], [], "Str"), [0, 60, 120], "duration")
    assert df.columns.tolist() == [("a", "")]
    assert df.isna().all().all()
    assert len(df) == 2
    assert frame(history([], []), [0, 60], "duration").columns.tolist() == [("a", "False"), ("a", "True")]


def test_the_last_state_holds_up_to_the_present():
    df = frame(history([0, 30], ["off", "on"], "Str"), [0, 60, 120], "duration", "share", now_us=75 * MINUTE)
    assert floats(df["a", "duration", "on"]) == pytest.approx([0.5, NAN], nan_ok=True)
    assert floats(df["a", "share", "on"]) == pytest.approx([0.5, NAN], nan_ok=True)
    df = frame(history([0, 30], ["off", "on"], "Str"), [0, 60, 120], "duration", now_us=75 * MINUTE, coverage=0.25)
    assert floats(df["a", "on"]) == [0.5, 0.25]


@pytest.mark.parametrize(("agg", "kind"), [("starts", "Str"), ("avg", "Str"), ("sum", "Bool")])
def test_what_has_no_meaning_for_a_state(agg, kind):
    with pytest.raises(MetadataError, match=rf"agg='{agg}' of @a has no meaning: its values are {kind}"):
        frame(history([0], [True] if kind == "Bool" else ["on"], kind), [0, 60], agg)
