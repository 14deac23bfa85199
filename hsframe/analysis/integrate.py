"""The integral over time of the columns of a frame: of power the energy of each day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.columns import BoolColumn, NumberColumn
from hsframe.durations import Duration
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.histories import History
from hsframe.frame.points import Point, attach, points_of
from hsframe.frame.trend import trend_frame
from hsframe.intervals.gaps import warn_of_gaps
from hsframe.intervals.regular import intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, rules_of
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.zones import haystack_name, zone


def integrate(
    df: pd.DataFrame,
    interval: Duration = "1D",
    *,
    max_gap: Duration | Mapping[str, Duration] | None = None,
    min_coverage: float | None = None,
    edges: Literal["whole", "partial"] = "whole",
) -> pd.DataFrame:
    """The integral of each column over regular intervals, kW to kWh, as ``his_read(..., agg="integral")`` gives it.

    The rules are those of :mod:`hsframe.intervals.rules`, and so are days of 23 and 25 hours, and what is not known. A
    missing value is taken for no sample, since a frame does not tell it from NA. What lies before the first and after
    the last row is not known either, so an interval there is missing: read beyond the span, as with
    ``boundary="both"``, for the last day to be whole.

    Parameters
    ----------
    df : DataFrame
        Columns of numbers, or of Bool (how long it was true); with a zone-aware index in order of time.
    interval : str or timedelta
        As for :meth:`hsframe.Session.his_read`, counted from local midnight of the point, or of the index where the
        column has no point.
    max_gap, min_coverage
        As for :meth:`hsframe.Session.his_read`.
    edges : {"whole", "partial"}
        ``"partial"``: the first and last interval end with the frame, and sums of rows are those of all of it.

    Returns
    -------
    DataFrame
        A row per interval that starts in the frame, in the zone of its index.

    Raises
    ------
    UnitError
        The table has no unit of a column's unit x time.
    MetadataError, ZoneError
        A column of texts, an index that is not of zone-aware times or not in order.
    SpanError
        `interval` cannot be understood, or none starts in the frame.

    Examples
    --------
    >>> index = pd.date_range("2026-11-01", "2026-11-02", freq="15min", tz="America/New_York")
    >>> df = pd.DataFrame({"Meter": pd.array(np.ones(len(index)), dtype="unit[kW]")}, index=index)
    >>> df.hs.integrate("1D")["Meter"].iloc[0]  # a day of 25 hours
    UnitFloat(25.0, 'kWh')
    """
    index = df.index
    if not isinstance(index, pd.DatetimeIndex) or not index.is_monotonic_increasing or not index.is_unique:
        raise MetadataError(
            "the index must be of times in order, each once: df.sort_index(), df[~df.index.duplicated()]"
        )
    if index.tz is None:
        raise ZoneError("the times are naive, so no day of them is known; say their zone with df.tz_localize(...)")
    ts_us = index.as_unit("us").asi8
    own_tz, known = haystack_name(index.tz), points_of(df)
    points = [
        replace(
            known.get(label) or Point(str(label), str(label), tz=own_tz),
            unit=unit_of_dtype(dtype),
            kind="Bool" if dtype.kind == "b" else "Number" if dtype.kind in "iuf" else "Str",
        )
        for label, dtype in zip(df.columns, df.dtypes, strict=True)
    ]
    labels = [str(label) for label in df.columns]
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise MetadataError(f"two columns are called {twice[0]!r}; rename one")
    settings = IntervalSettings(interval, "integral", max_gap, min_coverage, edges=edges)
    samplings = [PointSampling.from_record(point.his_tags()) for point in points]
    rules = dict(zip(labels, rules_of(points, samplings, labels, settings), strict=True))
    histories = [
        History(replace(point, id=label, tz=point.tz or own_tz), *_samples(df.iloc[:, place], ts_us, point.unit))
        for place, (label, point) in enumerate(zip(labels, points, strict=True))
    ]
    step, ends = parse_step(interval), (ts_us[0], ts_us[-1]) if len(ts_us) else (0, 0)
    grids = {
        tz: intervals(int(ends[0]), int(ends[1]), step, zone(tz), partial=edges == "partial")
        for tz in dict.fromkeys(history.point.tz or own_tz for history in histories)
    }
    results = interval_histories(histories, grids, rules, now_us=int(ends[1]))
    warn_of_gaps(histories, results)
    result = trend_frame([replace(one, point=replace(one.point, dis=one.point.id)) for _, one in results], tz=index.tz)
    result.columns = df.columns
    result.index.name = index.name
    attach(
        result,
        {
            label: replace(point, unit=history.point.unit, kind="Number", his=None)
            for label, point, (_, history) in zip(df.columns, points, results, strict=True)
            if label in known
        },
    )
    return result


def _samples(column: pd.Series[Any], ts_us: Any, unit: str | None) -> tuple[Any, BoolColumn | NumberColumn]:
    """The instants at which a column has a value, and these."""
    there = column.notna().to_numpy(dtype=bool)
    values = column.array[there]
    if column.dtype.kind == "b":
        return ts_us[there], BoolColumn(pa.array(np.asarray(values, dtype=bool)))
    return ts_us[there], NumberColumn(pa.array(np.asarray(values, dtype=np.float64)), unit)
