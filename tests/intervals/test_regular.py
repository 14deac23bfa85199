"""Intervals of local time: days of 23, 24 and 25 hours, half-hour zones, days without a midnight."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import SpanError
from hsframe.intervals.regular import Step, intervals, parse_step
from hsframe.kinds import Number
from hsframe.spans import from_epoch_us, resolve
from hsframe.zones import zone
from tests.intervals.clock_changes import CHANGES

HOUR = 3_600_000_000
MINUTE = 60_000_000


def grid(span, step, tz):
    window = resolve(span, tz)
    return intervals(window.start_us, window.end_us, parse_step(step), zone(tz))


def lengths_in_hours(span, step, tz):
    return (np.diff(grid(span, step, tz).edges_us) / HOUR).tolist()


def walls(found, tz):
    return [from_epoch_us(int(us), zone(tz)).isoformat() for us in found.labels_us]


# The model: a clock that is looked at every minute --------------------------------------------------------------------


def model_edges(start_us, end_us, step, tz):
    """Edges from three days before the span to three after it, by looking at the clock every minute."""
    place = zone(tz)
    first = start_us // MINUTE * MINUTE - 3 * 24 * HOUR
    midnights, latest = [], None
    for us in range(first, end_us + 3 * 24 * HOUR, MINUTE):
        day = from_epoch_us(us, place).date()
        if latest is not None and day > latest:
            midnights.append(us)
        latest = day if latest is None else max(day, latest)
    if step.days == 1:
        return midnights
    edges = []
    for this, after in itertools.pairwise(midnights):
        us = this
        while us < after:
            edges.append(us)
            us += step.elapsed_us
    return edges


@given(
    st.sampled_from(CHANGES),
    st.sampled_from(["1D", "15min", "1h", "6h", "20min", "30s"]),
    st.integers(-30, 30),
    st.integers(1, 40),
    st.integers(0, 59),
)
def test_intervals_are_those_of_a_clock_that_is_looked_at_every_minute(change, text, offset_h, length_h, odd_min):
    tz, day = change
    start_us = resolve(day, tz).start_us + offset_h * HOUR + odd_min * MINUTE
    end_us = start_us + length_h * HOUR
    step = parse_step(text)
    expected = [us for us in model_edges(start_us, end_us, step, tz) if start_us <= us < end_us]
    if not expected:
        with pytest.raises(SpanError, match="no interval starts in the span"):
            intervals(start_us, end_us, step, zone(tz))
        return
    found = intervals(start_us, end_us, step, zone(tz))
    assert found.labels_us.tolist() == expected
    after = min(us for us in model_edges(start_us, end_us, step, tz) if us >= end_us)
    assert found.end_us == after


@given(
    st.sampled_from(CHANGES), st.sampled_from(["15min", "1h", "1D", "6h"]), st.lists(st.integers(-80, 80), min_size=3)
)
def test_the_intervals_of_spans_that_follow_one_another_are_those_of_the_whole(change, text, hours):
    tz, day = change
    step = parse_step(text)
    edges = sorted({resolve(day, tz).start_us + hour * HOUR + 7 * MINUTE for hour in [*hours, -200, 200]})
    parts = []
    for start_us, end_us in itertools.pairwise(edges):
        try:
            parts += intervals(start_us, end_us, step, zone(tz)).labels_us.tolist()
        except SpanError:
            continue
    assert parts == intervals(edges[0], edges[-1], step, zone(tz)).labels_us.tolist()


# What people expect ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tz", "day", "quarters", "hours"),
    [
        ("New_York", "2026-03-08", 92, [1.0] * 23),
        ("New_York", "2026-11-01", 100, [1.0] * 25),
        ("Lord_Howe", "2026-04-05", 98, [1.0] * 24 + [0.5]),
        ("Lord_Howe", "2026-10-04", 94, [1.0] * 23 + [0.5]),
        ("Sao_Paulo", "2018-11-04", 92, [1.0] * 23),
        ("Sao_Paulo", "2019-02-16", 100, [1.0] * 25),
        ("Kathmandu", "2026-11-01", 96, [1.0] * 24),
    ],
)
def test_a_local_day(tz, day, quarters, hours):
    assert len(grid(day, "15min", tz)) == quarters
    assert lengths_in_hours(day, "1h", tz) == hours
    assert lengths_in_hours(day, "1D", tz) == [sum(hours)]


def test_the_hour_that_the_clock_repeats_has_each_label_twice():
    found = walls(grid("2026-11-01", "30min", "New_York"), "New_York")
    assert found[2:6] == [
        "2026-11-01T01:00:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T01:00:00-05:00",
        "2026-11-01T01:30:00-05:00",
    ]


def test_steps_are_aligned_to_local_midnight():
    assert walls(grid(("2026-01-01T01:10", "2026-01-01T04:10"), "1h", "Kathmandu"), "Kathmandu") == [
        "2026-01-01T02:00:00+05:45",
        "2026-01-01T03:00:00+05:45",
        "2026-01-01T04:00:00+05:45",
    ]


def test_a_day_without_a_midnight_starts_when_it_starts():
    assert walls(grid(("2018-11-03", "2018-11-05"), "1D", "Sao_Paulo"), "Sao_Paulo") == [
        "2018-11-03T00:00:00-03:00",
        "2018-11-04T01:00:00-02:00",
        "2018-11-05T00:00:00-02:00",
    ]


def test_a_day_that_a_zone_left_out_is_no_interval():
    # Apia went from 29 to 31 December 2011.
    assert walls(grid(("2011-12-29", "2011-12-31"), "1D", "Apia"), "Apia") == [
        "2011-12-29T00:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
    ]
    assert len(grid(("2011-12-29", "2011-12-31"), "1h", "Apia")) == 48


def test_weeks_start_on_monday_and_months_on_the_first():
    assert walls(grid("2026-03", "1W", "London"), "London")[:2] == [
        "2026-03-02T00:00:00+00:00",
        "2026-03-09T00:00:00+00:00",
    ]
    assert walls(grid("2026", "1M", "London"), "London")[2:5] == [
        "2026-03-01T00:00:00+00:00",
        "2026-04-01T00:00:00+01:00",
        "2026-05-01T00:00:00+01:00",
    ]
    assert len(grid("2026", "1Q", "London")) == 4
    assert lengths_in_hours("2026", "1Y", "London") == [365 * 24]
    assert lengths_in_hours("2026-03", "1M", "London") == [31 * 24 - 1]


def test_weeks_start_on_the_day_that_is_asked_for():
    window = resolve("2026-03", "London")
    found = intervals(window.start_us, window.end_us, parse_step("1W", "Sunday"), zone("London"))
    assert [from_epoch_us(int(us), zone("London")).strftime("%a %d") for us in found.labels_us] == [
        "Sun 01",
        "Sun 08",
        "Sun 15",
        "Sun 22",
        "Sun 29",
    ]
    assert parse_step("7D", "sunday") == parse_step("7D")
    with pytest.raises(SpanError, match=r"week_start must be one of .*; got 'funday'"):
        parse_step("1W", "funday")


def test_several_days_are_counted_from_the_same_day_whatever_the_span():
    one, other = grid(("2026-01-01", "2026-02-10"), "3D", "London"), grid(("2026-01-05", "2026-02-10"), "3D", "London")
    assert set(other.labels_us.tolist()) < set(one.labels_us.tolist())


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("15min", Step(elapsed_us=15 * MINUTE)),
        ("h", Step(elapsed_us=HOUR)),
        ("2 hours", Step(elapsed_us=2 * HOUR)),
        ("1.5h", Step(elapsed_us=90 * MINUTE)),
        (Number(15, "min"), Step(elapsed_us=15 * MINUTE)),
        (Number(1, "day"), Step(days=1)),
        (Number(1, "mo"), Step(months=1)),
        ("1MS", Step(months=1)),
        ("10s", Step(elapsed_us=10_000_000)),
        (timedelta(minutes=5), Step(elapsed_us=5 * MINUTE)),
        (pd.Timedelta("1h"), Step(elapsed_us=HOUR)),
        (timedelta(days=1), Step(days=1)),
        ("1D", Step(days=1)),
        ("d", Step(days=1)),
        ("2W", Step(days=14)),
        ("1M", Step(months=1)),
        ("1ME", Step(months=1)),
        ("3mo", Step(months=3)),
        ("1Q", Step(months=3)),
        ("2Y", Step(months=24)),
    ],
)
def test_what_an_interval_may_be_called(text, step):
    assert parse_step(text) == step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5m", "minutes or months"),
        ("24h", "local day may have 23 or 25; for days write '1D'"),
        ("1440min", "for days write '1D'"),
        ("7h", "does not divide a day"),
        ("36h", "does not divide a day"),
        ("5mo", "does not divide a year"),
        ("5M", "does not divide a year"),
        ("0min", "must be positive"),
        ("0D", "must be positive"),
        (timedelta(0), "must be positive"),
        (timedelta(minutes=-15), "must be positive"),
        (timedelta(days=-1), "must be positive"),
        ("fortnight", "not a unit of time"),
        ("0.5D", "whole number of days"),
        ("1.5mo", "whole number of days"),
        ("1ms", "interval='1ms' is shorter than a second; expected '15min'"),
        (timedelta(milliseconds=500), "shorter than a second"),
    ],
)
def test_what_is_no_interval(text, message):
    with pytest.raises(SpanError, match=message):
        parse_step(text)


def test_a_span_in_which_no_interval_starts_is_refused():
    with pytest.raises(SpanError, match="no interval starts in the span"):
        grid(("2026-01-01T10:00", "2026-01-01T12:00"), "1D", "London")


def test_labels_are_the_starts():
    found = grid("2026-01-01", "1h", "UTC")
    assert found.start_us == found.labels_us[0] == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert found.end_us - found.labels_us[-1] == HOUR
