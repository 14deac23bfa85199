"""The integral over time of the columns of a frame: of power the energy of each day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.columns import NumberColumn
from hsframe.durations import HOUR_US, Duration
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.histories import History
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.points import Point, attach, points_of
from hsframe.frame.reads import Read, note_reads, reads_of
from hsframe.frame.stamps import Interval, note_interval, noted_interval
from hsframe.frame.trend import TIMES_OF_TEXT, is_of_text, trend_frame
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

    The rules are those of ``docs/intervals.md``, and so are days of 23 and 25 hours, and what is not known. A
    missing value is taken for no sample, since a frame does not tell it from NA. What lies before the first and after
    the last row is not known either, so an interval there is missing: read beyond the span, as with
    ``boundary="both"``, for the last day to be whole. A value that holds (of Bool, and with change of value) does so to
    the end of the span that was read, or else to the last sample of its column. Between spans that
    :func:`hsframe.concat` put together nothing is known, however long `max_gap` is. Where pandas has taken rows out, or
    put frames together, nothing tells that they are missing, and the value before them holds on.

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
        A column of texts, an index that is not of zone-aware times or not in order; rows that are made of intervals.
    SpanError
        `interval` cannot be understood, or none starts in the frame.

    Examples
    --------
    >>> index = pd.date_range("2026-11-01", "2026-11-02", freq="15min", tz="America/New_York")
    >>> df = pd.DataFrame({"Meter": pd.array(np.ones(len(index)), dtype="unit[kW]")}, index=index)
    >>> df.hs.integrate("1D")["Meter"].iloc[0]  # a day of 25 hours
    UnitFloat(25.0, 'kWh')
    """
    if over := noted_interval(df):
        raise MetadataError(
            f"the rows are made of intervals of {over.length} and are no samples: read them with agg='integral' "
            "(of days and longer no one length can be the factor of all: days have 23, 24 and 25 hours)"
        )
    index, df = df.index, in_one_unit(df)
    if not isinstance(index, pd.DatetimeIndex):
        advice = TIMES_OF_TEXT if is_of_text(index) else "df.set_index('ts'), or df.loc['Site']"
        raise MetadataError(f"the index must be of times, and is of {index.dtype}: {advice}")
    if index.tz is None:
        raise ZoneError("the times are naive, so no day of them is known; say their zone with df.tz_localize(...)")
    if not len(index):
        raise MetadataError("there are no rows to integrate")
    if not index.is_monotonic_increasing or not index.is_unique:
        raise MetadataError(
            "the index must be of times in order, each once: df.sort_index(), df.groupby(level=0).first()"
        )
    labels = [str(label) for label in df.columns]
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise MetadataError(f"two columns are called {twice[0]!r}; rename one")
    if others := [label for label, dtype in zip(df.columns, df.dtypes, strict=True) if dtype.kind not in "biuf"]:
        raise MetadataError(
            f"column {others[0]!r} is {df[others[0]].dtype} and has no integral; expected numbers or Bool: leave out "
            f"what is none, with df.drop(columns={others!r})"
        )
    ts_us = index.as_unit("us").asi8
    known, own_tz = points_of(df), haystack_name(index.tz)
    points = [
        replace(
            known.get(label) or Point(str(label), str(label)),
            unit=unit_of_dtype(dtype),
            kind="Bool" if dtype.kind == "b" else "Number",
        )
        for label, dtype in zip(df.columns, df.dtypes, strict=True)
    ]
    settings = IntervalSettings(interval, "integral", max_gap, min_coverage, edges=edges)
    samplings = [PointSampling.from_record(point.his_tags()) for point in points]
    if index.freq is not None and len(index) > 1:  # rows that pandas has made may be further apart than the samples
        usual_us = int(np.median(np.diff(ts_us)))
        samplings = [
            replace(sampling, interval_us=usual_us) if usual_us > (sampling.interval_us or HOUR_US) else sampling
            for sampling in samplings
        ]
    rules = dict(zip(labels, rules_of(points, samplings, labels, settings), strict=True))
    step, start_us, end_us = parse_step(interval), int(ts_us[0]), int(ts_us[-1])
    grids = {
        tz: intervals(start_us, end_us, step, zone(tz), partial=edges == "partial")
        for tz in dict.fromkeys(point.tz or own_tz for point in points)
    }
    # What holds does so to the end of the span that was read, or to its own last sample: not to that of another column.
    reads_before, until_us, histories = reads_of(df), dict.fromkeys(labels, end_us), []
    for place, (label, point) in enumerate(zip(labels, points, strict=True)):
        column = df.iloc[:, place]
        there = column.notna().to_numpy(dtype=bool)
        values = NumberColumn(pa.array(column[there].to_numpy(dtype=np.float64)), point.unit)
        history = History(replace(point, id=label, dis=label, tz=point.tz or own_tz), ts_us[there], values)
        if there.any():
            history, until_us[label] = _known_in_spans(history, reads_before.get(point.id, Read()))
        histories.append(history)
    results = interval_histories(histories, grids, rules, now_us=until_us)
    warn_of_gaps(histories, results, sign="")
    result = trend_frame([history for _, history in results], tz=index.tz)
    result.columns = df.columns
    result.index.name = index.name
    made: dict[Any, Point] = {label: one.point for label, (_, one) in zip(df.columns, results, strict=True)}
    reads = reads_of(result)
    attach(result, {label: replace(made[label], id=point.id, dis=point.dis) for label, point in known.items()})
    note_reads(result, {point.id: reads[str(label)] for label, point in known.items()})
    note_interval(result, Interval.of(interval, "start"))
    return result


def _known_in_spans(history: History, read: Read) -> tuple[History, int]:
    """The samples, with one that is not known at the end of each span that was read; and the end of the last."""
    assert isinstance(history.values, NumberColumn)
    parts = [(part.known_from(own_us)[1] or 0, own_us) for part, own_us in read.parts(history.ts_us) if len(own_us)]
    lasts_us = np.array([own_us[-1] for _, own_us in parts])
    ends_us = np.maximum([end_us for end_us, _ in parts], lasts_us)
    places = np.cumsum([len(own_us) for _, own_us in parts])[:-1]
    ts_us = np.insert(history.ts_us, places, np.maximum(ends_us, lasts_us + 1)[:-1])
    values = np.insert(history.values.values.to_numpy(), places, np.nan)
    return replace(history, ts_us=ts_us, values=NumberColumn(pa.array(values), history.point.unit)), int(ends_us[-1])
