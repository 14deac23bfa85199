"""Degree days of an outdoor temperature."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any, Final, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.durations import DAY_US, Duration, duration_us
from hsframe.errors import MetadataError, UnitError, ZoneError, ZoneWarning, check_choice
from hsframe.frame.points import points_of
from hsframe.frame.trend import index_zone_of, time_index
from hsframe.intervals.regular import Intervals, intervals, parse_step
from hsframe.intervals.rules import IntervalSettings
from hsframe.intervals.samples import Floats, IntervalSamples
from hsframe.kinds import Number
from hsframe.spans import epoch_us, local_instant_us
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.unit_array.scalars import as_float
from hsframe.zones import zone_key

Kind = Literal["heating", "cooling"]
Method = Literal["hourly", "daily", "minmax"]
Temperatures = TypeVar("Temperatures", pd.DataFrame, "pd.Series[Any]")

_UNITS: Final = {"°F": "°daysF", "°C": "°daysC"}


def degree_days(
    temp: Temperatures,
    base: Number | float,
    kind: Kind,
    *,
    method: Method = "hourly",
    max_gap: Duration = "3h",
    min_coverage: float | None = None,
) -> Temperatures:
    """The degree days of each local day: how far, and for how long, it was colder or warmer than a base.

    Parameters
    ----------
    temp : Series or DataFrame
        Temperatures in °F or °C over time: samples, or values over intervals. Each stands for the time up to the next
        one, the last for as long as is usual. The days are those of the index's zone; ``tz_convert`` gives others.
    base : Number or float
        The base temperature. A plain number is in the unit of `temp`.
    kind : {"heating", "cooling"}
        Whether it counts what `temp` is below or above the base.
    method : {"hourly", "daily", "minmax"}
        ``"hourly"``: what `temp` is beyond the base, over time, divided by 24 hours: the mean degree-hours of CIBSE
        TM41. It counts a warm afternoon of a mild day, and the hours of a day of 23 or 25. ``"daily"``: what the
        day's mean over time is beyond the base, as CalTRACK has it. ``"minmax"``: what the middle between the day's
        lowest and highest value is beyond it, as the US National Weather Service has it (to base 65 °F).
    max_gap : str, timedelta or Number
        The longest time for which a value stands, as where the next ones are missing.
    min_coverage : float, optional
        The share of a day that must be known, else the result is missing. By default, as
        :mod:`hsframe.intervals.rules` has it for integrals, 1 with ``"hourly"``, and for means, 0.5 else.

    Returns
    -------
    Series or DataFrame
        One row per local day from the first to the last that has a value, also where the result is missing, in
        ``°daysF`` or ``°daysC``. They add up to months. The unit table has no conversion between the two, so convert
        `temp` first.

    Raises
    ------
    UnitError
        `temp` is not in °F or °C, or `base` does not convert to that.
    ZoneError, MetadataError
        The index is not of times with a zone, or an instant comes twice; a `kind` or `method` that does not exist.

    Warns
    -----
    ZoneWarning
        The zone of the index is not that of the points, as far as they are known.

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
    if not isinstance(temp.index, pd.DatetimeIndex) or temp.index.tz is None:
        raise ZoneError(
            f"a day is one of a time zone, and the index is {getattr(temp.index, 'dtype', None)} without one; expected "
            "what his_read gave, or tz_localize; of a matrix one site, as in df.loc['HQ', 'oat']"
        )
    tz = index_zone_of([], temp.index.tz)
    found = points_of(temp if isinstance(temp, pd.DataFrame) else temp.to_frame())
    if others := sorted({point.tz for point in found.values() if point.tz and zone_key(point.tz) != tz.key}):
        warn_caller(
            f"the days are those of {tz.key}, and the points are in {', '.join(others)}; use tz_convert, or read one "
            "frame a point with shape='dict'",
            ZoneWarning,
        )
    columns = [column for _, column in temp.items()] if isinstance(temp, pd.DataFrame) else [temp]
    series = [column.dropna().sort_index() for column in columns]
    instants = [pd.DatetimeIndex(column.index).as_unit("us") for column in series]
    days = _days([index for index in instants if len(index)], tz)
    gap_us = duration_us(max_gap, "max_gap")
    share = min_coverage if min_coverage is not None else 1.0 if method == "hourly" else 0.5
    arrays = []
    for column, index in zip(series, instants, strict=True):
        unit = unit_of_dtype(column.dtype)
        of_days = _UNITS.get(unit or "")
        if unit is None or of_days is None:
            raise UnitError(
                f"column {column.name!r} is in {unit or 'no unit'}; degree days are of a temperature in °F or °C"
            )
        low = as_float(base, unit, "take degree days to this base")
        sign = -1.0 if kind == "heating" else 1.0
        excess = sign * (np.asarray(column, dtype=np.float64) - low)
        arrays.append(UnitArray(_by_day(excess, index, days, method, gap_us, share), of_days))
    starts = time_index(days.labels_us, tz)
    if isinstance(temp, pd.DataFrame):
        result = pd.DataFrame(dict(enumerate(arrays)), index=starts)
        result.columns = temp.columns
        return result
    return pd.Series(arrays[0], index=starts, name=temp.name)


def _days(indexes: Sequence[pd.DatetimeIndex], tz: ZoneInfo) -> Intervals:
    """The local days from that of the first instant to that of the last."""
    if not indexes:
        return Intervals.of(np.zeros(1, dtype=np.int64))
    first, last = min(index[0] for index in indexes), max(index[-1] for index in indexes)
    midnight = datetime.combine(first.tz_convert(tz).date(), time())
    return intervals(local_instant_us(midnight, tz), epoch_us(last) + 1, parse_step("1D"), tz)


def _by_day(
    excess: Floats, index: pd.DatetimeIndex, days: Intervals, method: Method, gap_us: int, share: float
) -> Floats:
    ts_us = index.asi8
    if len(ts_us) and (twice := np.flatnonzero(np.diff(ts_us) == 0)).size:
        raise MetadataError(f"{index[twice[0]].isoformat()} comes twice; expected each instant once")
    samples = IntervalSamples(ts_us, days.edges_us)
    usual_us = int(np.median(np.diff(ts_us))) if len(ts_us) > 1 else 0
    end_us = int(ts_us[-1]) + usual_us if len(ts_us) else 0
    positive = np.maximum(excess, 0.0)
    area, known_us = samples.step_area(positive if method == "hourly" else excess, gap_us, end_us)
    if method == "hourly":
        result = area / DAY_US
    elif method == "daily":
        result = area / np.where(known_us > 0, known_us, np.nan)
    else:
        result = (samples.reduced(np.fmin, excess) + samples.reduced(np.fmax, excess)) / 2
    return np.where(known_us >= share * np.diff(days.edges_us), np.maximum(result, 0.0), np.nan)
