"""When a condition holds, against a slow model: steps and lines with gaps and NA, and spans cut anywhere."""

from __future__ import annotations

import itertools
import operator
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.columns import BoolColumn, NumberColumn, StrColumn
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.intervals.conditions import truth_of
from hsframe.intervals.rules import PointSampling, Rule, rule_of_time
from hsframe.intervals.truth import FALSE, TRUE, UNKNOWN, Truth, union
from hsframe.kinds import NA, Number

MINUTE = 60_000_000
OPERATORS = {
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt},
    **{"<=": operator.le, ">": operator.gt, ">=": operator.ge},
}


def truth(codes):
    """A piece a minute."""
    return Truth(np.arange(len(codes) + 1), np.array(codes, dtype=np.int8))


CODES = st.lists(st.sampled_from([TRUE, FALSE, UNKNOWN]), min_size=1, max_size=40)


def slow_episodes(codes, merge=0, least=0, start=0):
    """Minute by minute; [first, last + 1), and whether an end of the span cuts it."""
    runs = [
        [start + own[0][0], start + own[-1][0] + 1]
        for code, group in itertools.groupby(enumerate(codes), key=lambda item: item[1])
        if (own := list(group)) and code == TRUE
    ]
    joined = []
    for run in runs:
        if joined and run[0] - joined[-1][1] <= merge:
            joined[-1][1] = run[1]
        else:
            joined.append(run)
    ends = (start, start + len(codes))
    return [(a, b) for a, b in joined if b - a >= least or a == ends[0] or b == ends[1]]


@given(st.lists(st.tuples(st.integers(0, 6), CODES), min_size=1, max_size=3))
def test_all_of_some_are_true_in_the_minutes_of_the_model(some):
    truths = [Truth(start + np.arange(len(codes) + 1), np.array(codes, dtype=np.int8)) for start, codes in some]
    minutes = [
        [codes[minute - start] if 0 <= minute - start < len(codes) else UNKNOWN for minute in range(50)]
        for start, codes in some
    ]
    expected = [FALSE if FALSE in codes else min(codes) for codes in zip(*minutes, strict=True)]
    assert Truth.all_of(truths).at(np.arange(50)).tolist() == expected
    known = [[minute for minute, code in enumerate(codes) if code != UNKNOWN] for codes in minutes]
    first, end = max(own[0] if own else 50 for own in known), min(own[-1] + 1 if own else 0 for own in known)
    own = slow_episodes(expected[first:end], start=first)
    found = Truth.all_known(truths)
    assert pairs(found.episodes()) == own
    assert not own or (found.edges_us[0], found.edges_us[-1]) == (first, end)


def pairs(windows):
    return list(zip(*(one.tolist() for one in windows), strict=True))


@given(CODES, st.integers(0, 6), st.integers(0, 6))
def test_episodes_are_those_of_the_model(codes, merge, least):
    assert pairs(truth(codes).episodes(merge, least)) == slow_episodes(codes, merge, least)


@given(CODES, st.data(), st.integers(0, 6))
def test_any_cut_of_the_span_glued_is_the_whole(codes, data, merge):
    """Windows that touch at a cut are one, and what is merged then is what is merged of the whole."""
    whole = truth(codes)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(codes)), max_size=6)) | {0, len(codes)})
    parts = [whole.clip(a, b) for a, b in itertools.pairwise(cuts)]
    for part, (a, b) in zip(parts, itertools.pairwise(cuts), strict=True):
        assert pairs(part.episodes()) == slow_episodes(codes[a:b], start=a)
    windows = [part.episodes() for part in parts]
    starts, ends = union((np.concatenate([w[0] for w in windows]), np.concatenate([w[1] for w in windows])))
    assert pairs((starts, ends)) == pairs(whole.episodes())
    assert pairs(Truth.of_windows((starts, ends)).clip(0, len(codes)).episodes(merge)) == pairs(whole.episodes(merge))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=12), st.randoms())
def test_the_union_of_windows_is_that_of_their_minutes(windows, random):
    random.shuffle(windows)
    starts = np.array([a for a, _ in windows], dtype=np.int64)
    found = Truth.of_windows((starts, starts + np.array([n for _, n in windows], dtype=np.int64)))
    within = {minute for a, n in windows for minute in range(a, a + n)}
    assert found.at(np.arange(-5, 50)).tolist() == [int(minute in within) for minute in range(-5, 50)]


# Conditions on samples ------------------------------------------------------------------------------------------------


@st.composite
def samples(draw):
    minutes = sorted(draw(st.sets(st.integers(0, 200), max_size=15)))
    cell = st.sampled_from([None, 0.0, 1.0, 2.0, 3.0, 7.0, float("inf")])
    return minutes, draw(st.lists(cell, min_size=len(minutes), max_size=len(minutes)))


def slow_code(minutes, values, at, is_step, gap, now, holds, limit):
    """The code at an instant; None where a line is so near to its limit that a microsecond decides."""
    place = max((i for i, minute in enumerate(minutes) if minute <= at), default=None)
    if place is None or values[place] is None or values[place] == float("inf"):
        return UNKNOWN
    if at == minutes[place] and not holds(values[place], limit):
        return FALSE
    if is_step:
        end = minutes[place + 1] if place + 1 < len(minutes) else max(now, minutes[place])
        return int(holds(values[place], limit)) if at < min(end, minutes[place] + gap) else UNKNOWN
    if place + 1 == len(minutes) or values[place + 1] in (None, float("inf")):
        return UNKNOWN
    (a, b), (left, right) = values[place : place + 2], minutes[place : place + 2]
    if right - left > gap:
        return UNKNOWN
    value = Fraction(a) + (Fraction(b) - Fraction(a)) * (at - left) / (right - left)
    if a != b and abs(value - Fraction(limit)) <= abs(Fraction(b - a)) / ((right - left) * MINUTE):
        return None
    return int(holds(value, Fraction(limit)))


@given(
    samples(),
    st.sampled_from(list(OPERATORS)),
    st.sampled_from([0.0, 1.0, 1.7, 3.0]),
    st.booleans(),
    st.sampled_from([5, 30, 1000]),
    st.lists(st.fractions(-5, 260, max_denominator=7), min_size=20, max_size=20),
)
@example(([0, 1, 2], [1.0, 0.0, None]), "!=", 1.0, False, 5, [])
@example(([0, 1, 2], [2.0, 1.0, 3.0]), ">", 1.0, False, 5, [])
def test_a_condition_holds_when_the_model_says(found, sign, limit, is_step, gap, instants):
    minutes, values = found
    na = pa.array([value is None for value in values], pa.bool_())
    column = NumberColumn(pa.array(values, pa.float64()), "kW", na)
    history = History(Point("a", "a", "kW", "UTC", "Number"), np.array(minutes, dtype=np.int64) * MINUTE, column)
    rule = Rule("coverage", is_step, gap * MINUTE)
    (one, other) = (
        truth_of([history], ("@a", sign, wanted), rule, 220 * MINUTE) for wanted in (limit, Number(limit * 1000, "W"))
    )
    for at in [*instants, *map(Fraction, minutes)]:
        expected = slow_code(minutes, values, at, is_step, gap, 220, OPERATORS[sign], limit)
        at_us = np.array([round(at * MINUTE)])
        if expected is not None and abs(at * MINUTE - at_us[0]) < Fraction(1, 1000):
            assert one.at(at_us) == other.at(at_us) == expected, at


def test_a_line_crosses_its_limit_between_two_samples():
    column = NumberColumn(pa.array([60.0, 70.0, 60.0]), "°F")
    history = History(Point("oat", "Outside", "°F", "UTC", "Number"), np.array([0, 60, 120]) * MINUTE, column)
    rule = rule_of_time(PointSampling())
    warm = truth_of([history], ("@oat", ">", Number(20, "°C")), rule, 0)  # 68 °F
    assert pairs(warm.episodes()) == [(48 * MINUTE, 72 * MINUTE)]
    with pytest.raises(UnitError, match=r"kW, and @oat .Outside. is in °F"):
        truth_of([history], ("@oat", ">", Number(20, "kW")), rule, 0)
    with pytest.raises(MetadataError, match=r"compares True with @oat .*Number.*Number.65"):
        truth_of([history], "@oat", rule, 0)


def test_states_hold_until_the_next_one_and_na_ends_them():
    ts_us = np.array([0, 10, 20, 30]) * MINUTE
    point = Point("m", "m", None, "UTC", "Str")
    texts = History(point, ts_us, StrColumn(pa.array(["on", None, "on", "off"]), pa.array([False, True, False, False])))
    rule = rule_of_time(PointSampling(is_step=True))
    found = truth_of([texts], ("@m", "==", "on"), rule, 40 * MINUTE)
    assert pairs(found.episodes()) == [(0, 10 * MINUTE), (20 * MINUTE, 30 * MINUTE)]
    assert pairs(truth_of([texts], ("@m", "!=", "on"), rule, 40 * MINUTE).episodes()) == [(30 * MINUTE, 40 * MINUTE)]
    with pytest.raises(MetadataError, match="equal or not"):
        truth_of([texts], ("@m", "<", "on"), rule, 0)
    flag = History(Point("f", "f", None, "UTC", "Bool"), ts_us, BoolColumn(pa.array([True, False, None, True])))
    assert pairs(truth_of([flag], ("@f", "==", False), rule, 40 * MINUTE).episodes()) == [(10 * MINUTE, 30 * MINUTE)]
    unknown = History(Point("f", "f", None, "UTC", "Bool"), ts_us[:1], (NA,))
    assert pairs(truth_of([unknown], "@f", rule, 40 * MINUTE).episodes()) == []


@pytest.mark.parametrize("wrong", [5, ("@a",), ("@a", "over", 5), (5, ">", 5)])
def test_what_is_no_condition_is_refused(wrong):
    with pytest.raises(MetadataError, match=r"expected a point of kind Bool|is unknown; expected '=='"):
        truth_of([], wrong, Rule("coverage", True, 1), 0)
