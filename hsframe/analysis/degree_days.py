"""Degree days of an outdoor temperature."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from hsframe.arrays import Floats, Instants
from hsframe.caller_warnings import warn_caller
from hsframe.durations import DAY_US, Duration, duration_us
from hsframe.errors import GapWarning, MetadataError, SpanError, UnitError, ZoneError, ZoneWarning, check_choice
from hsframe.frame.points import Point, points_of
from hsframe.frame.reads import note_source, source_of
from hsframe.frame.stamps import Interval, has_both_ends, interval_of, note_interval
from hsframe.frame.trend import TIMES_OF_TEXT, check_times, index_zone_of, is_of_text, time_index
from hsframe.intervals.regular import Intervals, Step, edges_around, intervals, parse_step
from hsframe.intervals.rules import IntervalSettings
from hsframe.intervals.samples import IntervalSamples
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.unit_array.scalars import as_float
from hsframe.zones import zone, zone_key

Kind = Literal["heating", "cooling"]
Method = Literal["hourly", "daily", "minmax"]
Temperatures = TypeVar("Temperatures", pd.DataFrame, "pd.Series[Any]")

_UNITS: Final = {"°F": "°daysF", "°C": "°daysC"}


def degree_days(
    temp: Temperatures,
    base: Number | float,
    kind: Kind,
    *,
    interval: Duration = "1D",
    method: Method = "hourly",
    max_gap: Duration = "3h",
    min_coverage: float | None = None,
    tz: str | tzinfo | None = None,
) -> Temperatures:
    """The degree days of each local day: how far, and for how long, it was colder or warmer than a base.

    Parameters
    ----------
    temp : Series or DataFrame
        Temperatures in °F or °C over time. Rows that stand for intervals (``df.hs.interval``) count for these,
        whether they are named by the start, the end or both; one that ``edges="partial"`` cut counts for all of its
        interval, unless ``label="both"`` says where it ends. Other rows are samples: each stands for the time up to
        the next one, the last for as long as is usual. Rows of a file that are named by their end need to be moved
        before: ``temp.index -= pd.Timedelta("1h")``.
    base : Number or float
        The base temperature. A plain number is in the unit of `temp`.
    kind : {"heating", "cooling"}
        Whether it counts what `temp` is below or above the base.
    interval : str or timedelta
        What a row of the result stands for: ``"1D"``, or several local days, ``"1W"``, ``"1M"`` (months), ``"1Y"``.
        It is missing where one of its days is: a sum of the others would be too small.
    method : {"hourly", "daily", "minmax"}
        ``"hourly"``: what `temp` is beyond the base, over time, divided by 24 hours: the mean degree-hours of CIBSE
        TM41. It counts a warm afternoon of a mild day, and the hours of a day of 23 or 25. ``"daily"``: what the
        day's mean over time is beyond the base, as CalTRACK has it, also of rows that are means of days.
        ``"minmax"``: what the middle between the day's lowest and highest value is beyond it, as the US National
        Weather Service has it (to base 65 °F).
    max_gap : str, timedelta or Number
        The longest time for which a sample stands, as where the next ones are missing. A row of an interval stands for
        that, and no longer: where one of hours is missing, its day is, unless `min_coverage` allows it.
    min_coverage : float, optional
        The share of a day that must be known, else the day is missing. By default 1 with ``"hourly"``, as for integrals
        (:doc:`Values over intervals </explanation/intervals>`), and 0.5 else, as for means.
    tz : str or tzinfo, optional
        The zone of the days, by default that of the index. Needed where the index is in UTC and no point says its zone,
        as of a site of a matrix.

    Returns
    -------
    Series or DataFrame
        One row per interval from that of the first value to that of the last, also where the result is missing, in
        ``°daysF`` or ``°daysC``. The unit table has no conversion between the two, so convert `temp` first.

    Raises
    ------
    UnitError
        `temp` is not in °F or °C, or `base` does not convert to that.
    ZoneError
        The index is not of times with a zone, or nothing says which days are meant, or rows of days are of others.
    MetadataError
        An instant comes twice, or a row has none; a `kind` or `method` that does not exist, or that needs more than a
        mean of each day.
    SpanError
        `interval` is shorter than a day.

    Warns
    -----
    ZoneWarning
        The zone of the index is not that of the points, as far as they are known.
    GapWarning
        There are values, and the result has none.

    Examples
    --------
    >>> hours = pd.date_range("2026-01-05", periods=24, freq="h", tz="America/New_York")
    >>> temp = pd.Series([59.0] * 12 + [71.0] * 12, index=hours, dtype="unit[°F]")
    >>> degree_days(temp, 65, "heating").tolist()
    [UnitFloat(3.0, '°daysF')]
    >>> degree_days(temp, Number(65, "°F"), "heating", method="daily").tolist()
    [UnitFloat(0.0, '°daysF')]
    """
    check_choice("kind", kind, get_args(Kind))
    check_choice("method", method, get_args(Method))
    IntervalSettings("1D", min_coverage=min_coverage)  # raises where it is not valid
    step, gap_us = parse_step(interval), duration_us(max_gap, "max_gap")
    if step.elapsed_us:
        raise SpanError(f"interval={interval!r} must be whole days, as '1D', '1W' or '1M': it counts what days have")
    df = temp if isinstance(temp, pd.DataFrame) else temp.to_frame()
    over, days_tz = interval_of(df), _zone_of_days(df, tz)
    own = parse_step(over.length) if over else None
    if over and own and not own.elapsed_us and (own.days != 1 or method != "daily"):
        raise MetadataError(
            f"the rows stand for {over.length} each, of which method={method!r} cannot be taken; "
            "expected rows of hours or samples, or method='daily' and rows of a day"
        )
    points: dict[Any, Point] = {**points_of(df)}
    units, held = [], []
    for name, column in df.items():
        unit, point = unit_of_dtype(column.dtype) or "", points.get(name)
        if unit not in _UNITS:
            raise UnitError(f"column {name!r} is in {unit or 'no unit'}; degree days are of a temperature in °F or °C")
        units.append(unit)
        held.append(_held(column.dropna(), over, zone(point.tz) if point and point.tz else days_tz, gap_us))
    rows = _rows([one.ts_us for one in held if len(one.ts_us)], step, days_tz)
    days = intervals(rows.start_us, rows.end_us, parse_step("1D"), days_tz) if len(rows) else rows
    share = min_coverage if min_coverage is not None else 1.0 if method == "hourly" else 0.5
    arrays = []
    for name, unit, one in zip(df.columns, units, held, strict=True):
        # Whether rows are these days; a span may have cut the first and the last, and one that is alone on one side.
        is_edge = np.isin([one.ts_us, one.ts_us + one.reach_us], days.edges_us)
        are_days = is_edge[0, 1:].all() and is_edge[1, :-1].all() and (len(one.ts_us) != 1 or is_edge.any())
        if own and not own.elapsed_us and not are_days:
            raise ZoneError(
                f"the rows of column {name!r} stand for days, and not for those of {days_tz.key}: the mean of one is "
                "of two of its days; give as tz= the zone of the rows' days, or take degree days of rows of hours"
            )
        low = as_float(base, unit, "take degree days to this base")
        excess = (one.values - low) * (-1.0 if kind == "heating" else 1.0)
        by_day = _by_day(excess, one, days, method, share)
        sums = np.add.reduceat(by_day, np.searchsorted(days.edges_us, rows.edges_us[:-1]))
        if len(excess) and np.isnan(sums).all():
            short = time_index(days.labels_us[np.isnan(by_day)], days_tz).strftime("%Y-%m-%d").tolist()
            advice = "" if own else f"; samples that are further apart need a longer max_gap than {max_gap!r}"
            warn_caller(
                f"column {name!r} has values, and no row of interval={interval!r} has degree days: too little is known "
                f"of {len(short)} days ({', '.join(short[:5] + ['...'] * (len(short) > 5))}). min_coverage= takes days "
                f"of which less is known{advice}",
                GapWarning,
            )
        arrays.append(UnitArray(sums, _UNITS[unit]))
    result = pd.DataFrame(dict(enumerate(arrays)), index=time_index(rows.labels_us, days_tz))
    result.columns = df.columns
    note_interval(result, Interval.of(interval, "start"))
    note_source(result, source_of(df))
    if isinstance(temp, pd.DataFrame):
        return result
    series = result.iloc[:, 0]
    series.name = temp.name
    return series


def _zone_of_days(df: pd.DataFrame, tz: str | tzinfo | None) -> ZoneInfo:
    times = df.index.get_level_values(0) if has_both_ends(df.index) else df.index
    if not isinstance(times, pd.DatetimeIndex) or times.tz is None:
        what = f"of the levels {df.index.names}" if isinstance(times, pd.MultiIndex) else f"{times.dtype} without one"
        if is_of_text(times):
            raise ZoneError(f"a day is one of a time zone, and the index is of texts; {TIMES_OF_TEXT}")
        raise ZoneError(
            f"a day is one of a time zone, and the index is {what}; expected what his_read gave, or tz_localize with "
            "the zone of the clock that wrote the times. Of a matrix take one site of index='utc' and say its zone, as "
            "in degree_days(df.loc['HQ', 'oat'], ..., tz='New_York')"
        )
    check_times(times)
    if tz is not None:
        return zone(tz) if isinstance(tz, str) else index_zone_of([], tz)
    own, names = index_zone_of([], times.tz), {point.tz for point in points_of(df).values() if point.tz}
    if not names and own.key.rpartition("/")[2] == "UTC":
        raise ZoneError(
            "the index is in UTC, and no point says which days are meant; say it with tz='New_York', or with tz='UTC'"
        )
    if others := sorted(name for name in names if zone_key(name) != own.key):
        warn_caller(
            f"the days are those of {own.key}, and the points are in {', '.join(others)}; say which you want with tz=, "
            "or read one frame a point with shape='dict'",
            ZoneWarning,
        )
    return own


class _Held(NamedTuple):
    """Values without missing ones, in order, and for how long each stands where the next does not follow earlier."""

    values: Floats
    ts_us: Instants
    reach_us: Instants


def _held(column: pd.Series[Any], over: Interval | None, tz: ZoneInfo, gap_us: int) -> _Held:
    """`over` is what the rows stand for, None for samples."""
    index = column.index
    starts_us, ends_us = (pd.DatetimeIndex(index.get_level_values(place)).as_unit("us").asi8 for place in (0, -1))
    order = np.argsort(starts_us, kind="stable")
    if over is not None and len(column) and over.label != "both":
        edges_us = edges_around(over, int(starts_us[order[0]]), int(starts_us[order[-1]]), tz)
        if over.label == "end":
            starts_us = edges_us[np.searchsorted(edges_us, ends_us, side="left") - 1]
        else:
            ends_us = edges_us[np.searchsorted(edges_us, starts_us, side="right")]
    starts_us, ends_us = starts_us[order], ends_us[order]
    if (twice := np.flatnonzero(np.diff(starts_us) == 0)).size:
        raise MetadataError(f"{index[order][twice[0]]} comes twice; expected each instant once")
    reach_us = ends_us - starts_us
    if over is None:
        reach_us = np.full(len(starts_us), gap_us)
        reach_us[-1:] = min(gap_us, int(np.median(np.diff(starts_us))) if len(starts_us) > 1 else 0)
    return _Held(np.asarray(column, dtype=np.float64)[order], starts_us, reach_us)


def _rows(instants: Sequence[Instants], step: Step, tz: ZoneInfo) -> Intervals:
    """The intervals from that of the first instant to that of the last."""
    if not instants:
        return Intervals.of(np.zeros(1, dtype=np.int64))
    first, last = min(int(ts_us[0]) for ts_us in instants), max(int(ts_us[-1]) for ts_us in instants)
    earlier = first - (step.days + 31 * step.months + 1) * DAY_US
    edges_us = intervals(earlier, last + 1, step, tz).edges_us
    return Intervals.of(edges_us[np.searchsorted(edges_us, first, side="right") - 1 :])


def _by_day(excess: Floats, held: _Held, days: Intervals, method: Method, share: float) -> Floats:
    samples = IntervalSamples(held.ts_us, days.edges_us)
    end_us = int(held.ts_us[-1] + held.reach_us[-1]) if len(excess) else 0
    values = np.maximum(excess, 0.0) if method == "hourly" else excess
    area, known_us = samples.step_area(values, held.reach_us, end_us)
    if method == "hourly":
        result = area / DAY_US
    elif method == "daily":
        result = area / np.where(known_us > 0, known_us, np.nan)
    else:
        result = (samples.reduced(np.fmin, excess) + samples.reduced(np.fmax, excess)) / 2
    return np.where(known_us >= share * np.diff(days.edges_us), np.maximum(result, 0.0), np.nan)
