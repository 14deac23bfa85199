"""Days of 23, 24 and 25 hours, computed by hand: every aggregation, with gaps, false readings, resets and states.

Times are hours since the local midnight of New York, on the day that loses an hour, on an ordinary one, and on the one
that repeats an hour. So all days are alike but for their end, and a value that depends on it is given three times.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hsframe.columns import BoolColumn, NumberColumn, StrColumn
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.trend import trend_frame
from hsframe.intervals.regular import intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, rules_of
from hsframe.kinds import MARKER, NA, Number
from hsframe.spans import resolve
from hsframe.zones import zone

HOUR = 3_600_000_000
NAN = math.nan
DAYS = {"2026-03-08": 23, "2026-06-01": 24, "2026-11-01": 25}
HOURLY = Number(1, "h")

# Samples: {hour since midnight: value}. "Every hour" is from 4 hours before the day to 4 hours after its end.


def every_hour(value, *, without=(), **odd):
    return {h: odd.get(f"h{h}", value(h)) for h in range(-4, 30) if h not in without}


RAMP = every_hour(lambda h: float(h))  # kW: 0 at midnight, 1 at one, ...
TWO = every_hour(lambda h: 2.0)
METER = every_hour(lambda h: 1000.0 + 10 * h)
# Set back to 0 after its reading of 11 o'clock (1110); at 12 it shows the 10 that it has counted since.
RESET = every_hour(lambda h: 1000.0 + 10 * h if h < 12 else 10.0 * (h - 11))
# A register of 1000: 990 at 9 o'clock, 0 at 10.
REGISTER = every_hour(lambda h: (900.0 + 10 * h) % 1000)
FIVES = every_hour(lambda h: 5.0)
SETPOINT = {-30: 70.0, 6: 72.0, 18: 74.0}
FAN = {-2: False, 6: True, 9: False, 21: True}
FAN_LOST = {-2: False, 6: True, 9: False, 20: None, 21: True}  # NA at 20
MODE = {-50: "off", 5: "heat", 15: "cool"}

KW = {"kind": "Number", "unit": "kW"}
KWH = {"kind": "Number", "unit": "kWh"}
READING = {**KWH, "hisTotalized": MARKER}
AMOUNT = {**KWH, "hisMode": "consumption", "hisInterval": HOURLY}
COV = {"kind": "Number", "unit": "°F", "hisMode": "cov"}
BOOL, STR = {"kind": "Bool"}, {"kind": "Str"}

# record, samples, settings, aggregation, the value of the day (or of those of 23, 24 and 25 hours), its unit
TABLE: list[tuple[dict[str, Any], dict[int, Any], dict[str, Any], str, Any, str | None]] = [
    # A ramp: from 0 to the length of the day.
    (KW, RAMP, {}, "mean", (11.5, 12, 12.5), "kW"),  # half of the length
    (KW, RAMP, {}, "avg", (11, 11.5, 12), "kW"),  # of 0, 1, ..., 22: one less than the length, halved
    (KW, RAMP, {}, "integral", (264.5, 288, 312.5), "kWh"),  # the triangle: length x length / 2
    (KW, RAMP, {}, "delta", (23, 24, 25), "kW"),
    (KW, RAMP, {}, "step", 0, "kW"),
    (KW, RAMP, {}, "linear", 0, "kW"),
    (KW, RAMP, {}, "min", 0, "kW"),
    (KW, RAMP, {}, "max", (22, 23, 24), "kW"),  # the sample at the next midnight is the next day's
    (KW, RAMP, {}, "first", 0, "kW"),
    (KW, RAMP, {}, "last", (22, 23, 24), "kW"),
    (KW, RAMP, {}, "count", (23, 24, 25), None),
    (KW, RAMP, {}, "coverage", 1, None),
    # Nothing between 6 and 12 o'clock, which is more than 3 hours: 6 hours are unknown, 5 samples are not there.
    *(
        (KW, every_hour(lambda h: 2.0, without=range(7, 12)), {}, *rest)
        for rest in [
            ("mean", 2, "kW"),
            ("integral", NAN, "kWh"),
            ("coverage", (17 / 23, 18 / 24, 19 / 25), None),
            ("count", (18, 19, 20), None),
            ("avg", 2, "kW"),
            ("delta", 0, "kW"),
        ]
    ),
    (KW, every_hour(lambda h: 2.0, without=range(7, 12)), {"min_coverage": 0.7}, "integral", (34, 36, 38), "kWh"),
    (KW, every_hour(lambda h: 2.0, without=range(7, 12)), {"max_gap": "6h"}, "integral", (46, 48, 50), "kWh"),
    # Nothing between 6 and 20: known are 9, 10, 11 hours, less than half of each day.
    (KW, every_hour(lambda h: 2.0, without=range(7, 20)), {}, "mean", NAN, "kW"),
    (KW, every_hour(lambda h: 2.0, without=range(7, 20)), {}, "coverage", (9 / 23, 10 / 24, 11 / 25), None),
    # Nothing around midnight: at 4 o'clock it begins.
    (KW, every_hour(lambda h: 2.0, without=range(-4, 4)), {}, "linear", NAN, "kW"),
    (KW, every_hour(lambda h: 2.0, without=range(-4, 4)), {}, "coverage", (19 / 23, 20 / 24, 21 / 25), None),
    # NA at 10 o'clock: a line is unknown from 9 to 11.
    (KW, every_hour(lambda h: 2.0, h10=NA), {}, "coverage", (21 / 23, 22 / 24, 23 / 25), None),
    (KW, every_hour(lambda h: 2.0, h10=NA), {}, "count", (22, 23, 24), None),
    (KW, every_hour(lambda h: 2.0, h10=NA), {}, "integral", NAN, "kWh"),
    # A spike is a sample like others in all but delta: 2 everywhere and 102 at 10 adds a triangle of 100 x 2 h / 2.
    (KW, every_hour(lambda h: 2.0, h10=102.0), {}, "integral", (146, 148, 150), "kWh"),
    (KW, every_hour(lambda h: 2.0, h10=102.0), {}, "max", 102, "kW"),
    (KW, every_hour(lambda h: 2.0, h10=math.inf), {}, "max", math.inf, "kW"),
    (KW, every_hour(lambda h: 2.0, h10=math.inf), {}, "coverage", (21 / 23, 22 / 24, 23 / 25), None),
    # A meter that counts 10 kWh an hour.
    (READING, METER, {}, "delta", (230, 240, 250), "kWh"),
    (READING, every_hour(lambda h: 1000.0 + 10 * h, h5=0.0), {}, "delta", (230, 240, 250), "kWh"),  # a false zero
    (READING, every_hour(lambda h: 1000.0 + 10 * h, h0=0.0), {}, "delta", (230, 240, 250), "kWh"),  # at midnight
    (READING, every_hour(lambda h: 1000.0 + 10 * h, h5=9e6), {}, "delta", (230, 240, 250), "kWh"),  # a false high
    (READING, every_hour(lambda h: 1000.0 + 10 * h, h5=NA), {}, "delta", (230, 240, 250), "kWh"),
    (READING, every_hour(lambda h: 1000.0 + 10 * h, without=range(7, 18)), {}, "delta", (230, 240, 250), "kWh"),
    (READING, every_hour(lambda h: 1000.0 + 10 * h, without=range(-3, 4)), {}, "delta", NAN, "kWh"),  # at its edge
    (READING, RESET, {}, "delta", (230, 240, 250), "kWh"),
    (READING, {**REGISTER}, {"rollover": 1000}, "delta", (230, 240, 250), "kWh"),
    ({**READING, "hisRollover": Number(1, "MWh")}, REGISTER, {}, "delta", (230, 240, 250), "kWh"),
    (READING, REGISTER, {}, "delta", (220, 230, 240), "kWh"),  # not known to roll over: a reset, which loses 10
    (READING, RESET, {"rollover": False}, "delta", (-880, -870, -860), "kWh"),  # 1000 at midnight, 120, 130, 140
    # Amounts of an hour.
    (AMOUNT, FIVES, {}, "sum", (115, 120, 125), "kWh"),
    (AMOUNT, FIVES, {}, "coverage", 1, None),
    (AMOUNT, every_hour(lambda h: 5.0, without=[10]), {}, "sum", NAN, "kWh"),
    (AMOUNT, every_hour(lambda h: 5.0, without=[10]), {"min_coverage": 0.9}, "sum", (110, 115, 120), "kWh"),
    (AMOUNT, every_hour(lambda h: 5.0, without=[10]), {}, "coverage", (22 / 23, 23 / 24, 24 / 25), None),
    ({**KWH, "hisMode": "consumption"}, every_hour(lambda h: 5.0, without=[10]), {}, "sum", (110, 115, 120), "kWh"),
    ({**KWH, "hisMode": "consumption"}, FIVES, {}, "coverage", NAN, None),  # nothing says how many are due
    # Change of value: 70 from the day before, 72 from 6 on, 74 from 18 on.
    (COV, SETPOINT, {}, "step", 70, "°F"),
    # (6 x 70 + 12 x 72 + 5 x 74) / 23; 6 x 74: 1728 / 24; 7 x 74: 1802 / 25
    (COV, SETPOINT, {}, "mean", (1654 / 23, 72, 72.08), "°F"),
    (COV, SETPOINT, {}, "avg", 73, "°F"),
    (COV, SETPOINT, {}, "min", 70, "°F"),  # it held at midnight
    (COV, SETPOINT, {}, "max", 74, "°F"),
    (COV, SETPOINT, {}, "first", 72, "°F"),
    (COV, SETPOINT, {}, "last", 74, "°F"),
    (COV, SETPOINT, {}, "delta", 4, "Δ°F"),
    (COV, SETPOINT, {}, "count", 2, None),
    (COV, SETPOINT, {}, "coverage", 1, None),
    (COV, SETPOINT, {"max_gap": "10h"}, "coverage", (15 / 23, 16 / 24, 17 / 25), None),  # 6 to 16, and from 18 on
    (COV, SETPOINT, {}, "linear", NAN, "°F"),  # 30 hours before and 6 after: further apart than 3
    # A fan: on from 6 to 9, and from 21 on.
    (BOOL, FAN, {}, "step", False, None),
    (BOOL, FAN, {}, "mean", (5 / 23, 6 / 24, 7 / 25), None),
    (BOOL, FAN, {}, "integral", (5, 6, 7), "hr"),
    (BOOL, FAN, {}, "avg", 2 / 3, None),  # on, off, on
    (BOOL, FAN, {}, "min", False, None),
    (BOOL, FAN, {}, "max", True, None),
    (BOOL, FAN, {}, "first", True, None),
    (BOOL, FAN, {}, "last", True, None),
    (BOOL, FAN, {}, "count", 3, None),
    (BOOL, FAN, {}, "starts", 2, None),
    (BOOL, FAN, {}, "duration", {"False": 18, "True": (5, 6, 7)}, "hr"),
    (BOOL, FAN, {}, "share", {"False": (18 / 23, 18 / 24, 18 / 25), "True": (5 / 23, 6 / 24, 7 / 25)}, None),
    (BOOL, FAN, {}, "coverage", 1, None),
    # The same, unknown from 20 to 21: on or off in that hour, and whether it started at 21.
    (BOOL, FAN_LOST, {}, "coverage", (22 / 23, 23 / 24, 24 / 25), None),
    (BOOL, FAN_LOST, {}, "starts", NAN, None),
    (BOOL, FAN_LOST, {"min_coverage": 0.9}, "starts", 1, None),
    (BOOL, FAN_LOST, {}, "duration", {"False": NAN, "True": NAN}, "hr"),
    (BOOL, FAN_LOST, {"min_coverage": 0.9}, "duration", {"False": 17, "True": (5, 6, 7)}, "hr"),
    (BOOL, FAN_LOST, {}, "share", {"False": (17 / 22, 17 / 23, 17 / 24), "True": (5 / 22, 6 / 23, 7 / 24)}, None),
    # A mode.
    (STR, MODE, {}, "step", "off", None),
    (STR, MODE, {}, "first", "heat", None),
    (STR, MODE, {}, "last", "cool", None),
    (STR, MODE, {}, "count", 2, None),
    (STR, MODE, {}, "coverage", 1, None),
    (STR, MODE, {}, "duration", {"cool": (8, 9, 10), "heat": 10, "off": 5}, "hr"),
    (
        {**STR, "enum": "off,heat,cool,fault"},
        MODE,
        {},
        "share",
        {
            "off": (5 / 23, 5 / 24, 5 / 25),
            "heat": (10 / 23, 10 / 24, 10 / 25),
            "cool": (8 / 23, 9 / 24, 10 / 25),
            "fault": 0,
        },
        None,
    ),
]


def computed(record, samples, settings, agg, day, interval="1D"):
    """The frame of a day; of the samples only those that the rule says it needs, and the last one before."""
    span = resolve(day, "New_York")
    point = Point.from_record({"id": "@a", "tz": "New_York", **record})
    ((rule,),) = rules_of(
        [point], [PointSampling.from_record(record)], ["a"], IntervalSettings(interval, agg, **settings)
    )
    ts_us = np.array([span.start_us + hour * HOUR for hour in samples], dtype=np.int64)
    cells = list(samples.values())
    na = pa.array([cell is None or cell is NA for cell in cells])
    values = [None if missing else cell for cell, missing in zip(cells, na.to_pylist(), strict=True)]
    column = {
        "Number": lambda: NumberColumn(pa.array(values, pa.float64()), record.get("unit"), na),
        "Bool": lambda: BoolColumn(pa.array(values, pa.bool_()), na),
        "Str": lambda: StrColumn(pa.array(values, pa.string()), na),
    }[record["kind"]]()
    near = History(point, ts_us, column).clip(span.start_us - rule.before_us, span.end_us + rule.after_us)
    grid = intervals(span.start_us, span.end_us, parse_step(interval), zone("New_York"))
    pairs = interval_histories([near], {"New_York": grid}, {"a": [rule]}, now_us=10**18)
    return trend_frame([found for _, found in pairs])


def cells(column):
    if column.dtype == "category":
        return column.tolist()
    return column.to_numpy(dtype=np.float64, na_value=NAN).tolist()


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("record", "samples", "settings", "agg", "value", "unit"),
    TABLE,
    ids=[f"{n}-{row[3]}" for n, row in enumerate(TABLE)],
)
@pytest.mark.filterwarnings("ignore::hsframe.GapWarning", "ignore::hsframe.ReadWarning")
def test_a_day_computed_by_hand(day, record, samples, settings, agg, value, unit):
    df = computed(record, samples, settings, agg, day)
    assert len(df) == 1
    expected = value if isinstance(value, dict) else {None: value}
    assert df.columns.tolist() == ["a" if state is None else ("a", state) for state in expected]
    for label, right in zip(df.columns, expected.values(), strict=True):
        one = right[list(DAYS).index(day)] if isinstance(right, tuple) else right
        assert cells(df[label]) == ([one] if isinstance(one, str) else pytest.approx([float(one)], nan_ok=True))
        assert (df[label].dtype == "boolean") == isinstance(one, bool)
        assert getattr(df[label].dtype, "unit", None) == unit


def test_every_aggregation_is_in_the_table():
    from typing import get_args

    from hsframe.intervals.rules import Aggregation

    assert {row[3] for row in TABLE} == set(get_args(Aggregation))


@pytest.mark.parametrize(("day", "length"), DAYS.items())
def test_the_quarters_of_a_day_computed_by_hand(day, length):
    # 0-6, 6-12, 12-18, 18 up to the end or 24, and the hour that is left of 25.
    fan = computed(BOOL, FAN, {}, "duration", day, "6h")
    assert cells(fan["a", "True"]) == {23: [0, 3, 0, 2], 24: [0, 3, 0, 3], 25: [0, 3, 0, 3, 1]}[length]
    assert cells(fan["a", "False"]) == {23: [6, 3, 6, 3], 24: [6, 3, 6, 3], 25: [6, 3, 6, 3, 0]}[length]
    starts = computed(BOOL, FAN, {}, "starts", day, "6h")
    assert cells(starts["a"]) == [0, 1, 0, 1, *([0] if length == 25 else [])]
    # The ramp: its middle times six hours.
    energy = computed(KW, RAMP, {}, "integral", day, "6h")
    assert cells(energy["a"]) == {23: [18, 54, 90, 102.5], 24: [18, 54, 90, 126], 25: [18, 54, 90, 126, 24.5]}[length]
    meter = computed(READING, RESET, {}, "delta", day, "6h")
    assert cells(meter["a"]) == {23: [60, 60, 60, 50], 24: [60] * 4, 25: [60, 60, 60, 60, 10]}[length]
    share = computed(AMOUNT, every_hour(lambda h: 5.0, without=[10]), {}, "coverage", day, "6h")
    assert cells(share["a"]) == pytest.approx([1, 5 / 6, 1, 1, *([1] if length == 25 else [])])


def test_the_days_are_those_of_new_york():
    for day, length in DAYS.items():
        span = resolve(day, "New_York")
        assert (span.end_us - span.start_us) / HOUR == length
        assert str(pd.Timestamp(span.start_us, unit="us", tz="America/New_York")).startswith(f"{day} 00:00:00")
