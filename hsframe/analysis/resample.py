"""The columns of a frame over regular intervals, as a read of the same samples gives them; of power the energy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from hsframe.analysis.frame_conditions import truths_in, warn_of_masks
from hsframe.analysis.frame_samples import FrameSamples
from hsframe.analysis.read_warnings import warn_of_read, warn_of_unknown
from hsframe.durations import Duration
from hsframe.errors import MetadataError
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.per_point import per_point
from hsframe.frame.points import ColumnLabel, attach, listed_columns, points_of
from hsframe.frame.reads import note_reads, reads_of
from hsframe.frame.stamps import Interval, note_interval, noted_interval
from hsframe.frame.trend import trend_frame
from hsframe.intervals.conditions import Where
from hsframe.intervals.gaps import warn_of_ends, warn_of_gaps, warn_of_meters
from hsframe.intervals.regular import Intervals, intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import Aggregations, IntervalSettings, rules_of
from hsframe.intervals.truth import Truth
from hsframe.kinds import Number
from hsframe.zones import zone

NO_ROWS_US: Final = np.array([0, 1])
"""The edges of an interval of which no row is wanted, but the columns are."""


def resample(
    df: pd.DataFrame,
    interval: Duration = "1D",
    agg: Aggregations | Mapping[str, Aggregations] | None = None,
    *,
    where: Where | None = None,
    max_gap: Duration | Mapping[str, Duration] | None = None,
    min_coverage: float | None = None,
    rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = None,
    edges: Literal["whole", "partial"] = "whole",
) -> pd.DataFrame:
    """Values of each column over regular intervals, as ``his_read(..., interval=, agg=)`` gives them.

    The rules are those of :doc:`Values over intervals </explanation/intervals>`: means go by time, days have 23 and 25
    hours, what is not known is missing. :mod:`hsframe.analysis.frame_samples` says what a frame knows; it does not know
    what lies before its first and after its last row: read beyond the span, as with ``boundary="both"``, for the last
    day to be whole. Where pandas has taken a sample out, nothing is known up to the next one. A frame that does not
    know its read, as after ``join`` or ``pd.concat``, warns: put reads together with :func:`hsframe.concat`.

    Parameters
    ----------
    df : DataFrame
        With a zone-aware index in order of time.
    interval : str or timedelta
        As for :meth:`hsframe.Session.his_read`, counted from local midnight of the point, or of the index where the
        column has no point.
    agg : str, list or mapping, optional
        As for :meth:`hsframe.Session.his_read`; but columns that a mapping does not name are left out.
    max_gap, min_coverage, rollover
        As for :meth:`hsframe.Session.his_read`.
    where : Series of bool, condition, frame of episodes, or a list of these, optional
        Only the time counts in which it is true, as for ``df.hs.episodes``, or that of some
        episodes; of a list, in which all are. Coverage is the share of that time.
    edges : {"whole", "partial"}
        ``"partial"``: the first and last interval end with the frame, and sums of rows are those of all of it.

    Returns
    -------
    DataFrame
        A row per interval that starts in the frame, in the zone of its index; dtypes and units are those of
        :meth:`hsframe.Session.his_read`.

    Raises
    ------
    UnitError, MetadataError
        As :meth:`hsframe.Session.his_read` has them.
    ZoneError
        The index is not of zone-aware times.
    SpanError
        `interval` cannot be understood, or none starts in the frame.

    Examples
    --------
    >>> index = pd.date_range("2026-10-31T12:00", "2026-11-02", freq="1h", tz="America/New_York")
    >>> power = pd.array([2.0] * 12 + [3.0] * 26, dtype="unit[kW]")
    >>> df = pd.DataFrame({"Meter": power, "Fan": index.hour < 6}, index=index)
    >>> df[["Meter"]].hs.resample("1D", "integral", where=df["Fan"])["Meter"].tolist()  # seven hours, two at 01:00
    [UnitFloat(21.0, 'kWh')]
    """
    return resampled(FrameSamples(df), IntervalSettings(interval, agg, max_gap, min_coverage, rollover, edges, where))


def resampled(samples: FrameSamples, asked: IntervalSettings) -> pd.DataFrame:
    """What :func:`resample` gives of samples."""
    interval, edges, where = asked.interval, asked.edges, asked.where
    places, aggs = named_columns(samples, asked.agg)
    settings = replace(asked, agg=aggs)
    step = parse_step(interval)
    grids = {
        tz: intervals(int(samples.ts_us[0]), samples.end_us, step, zone(tz), partial=edges == "partial")
        if len(samples.ts_us)
        else Intervals.of(NO_ROWS_US)
        for tz in samples.zones
    }
    truth = None if where is None else Truth.all_of(truths_in(samples, where))
    (result,) = over_intervals(samples, places, settings, [grids], truth)
    if not len(samples.ts_us):
        result = result.iloc[:0]
    reads = reads_of(result)
    label_as_before(result, samples, places)
    result.index.name = samples.df.index.name
    known = samples.catalog.items()
    note_reads(result, {point.id: reads[str(label)] for label, point in known if str(label) in reads})
    note_interval(result, Interval.of(interval, "start"))
    return result


def integrate(
    df: pd.DataFrame,
    interval: Duration = "1D",
    *,
    max_gap: Duration | Mapping[str, Duration] | None = None,
    min_coverage: float | None = None,
    edges: Literal["whole", "partial"] = "whole",
) -> pd.DataFrame:
    """The integral of each column over regular intervals, kW to kWh: ``df.hs.resample`` by ``agg="integral"``.

    Parameters
    ----------
    df : DataFrame
        Columns of numbers, or of Bool (how long it was true); with a zone-aware index in order of time.
    interval, max_gap, min_coverage, edges
        As for ``df.hs.resample``.

    Returns
    -------
    DataFrame
        A row per interval that starts in the frame, in the zone of its index: of kW ``unit[kWh]``, of Bool
        ``unit[hr]``.

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
    >>> df = pd.DataFrame({"Meter": pd.array([1.0] * len(index), dtype="unit[kW]")}, index=index)
    >>> df.hs.integrate("1D")["Meter"].iloc[0]  # a day of 25 hours
    UnitFloat(25.0, 'kWh')
    """
    if over := noted_interval(df):
        raise MetadataError(
            f"the rows are made of intervals of {over.length} and are no samples: read them with agg='integral' "
            "(of days and longer no one length can be the factor of all: days have 23, 24 and 25 hours)"
        )
    df = in_one_unit(df)
    if others := [label for label, dtype in zip(df.columns, df.dtypes, strict=True) if dtype.kind not in "biuf"]:
        raise MetadataError(
            f"column {others[0]!r} is {df[others[0]].dtype} and has no integral; expected numbers or Bool: leave out "
            f"what is none, with df.drop(columns={others!r})"
        )
    return resample(df, interval, "integral", max_gap=max_gap, min_coverage=min_coverage, edges=edges)


def named_columns(
    samples: FrameSamples, agg: Aggregations | Mapping[str, Aggregations] | None
) -> tuple[list[int], Aggregations | Mapping[str, Aggregations] | None]:
    """The places of the columns of which values are wanted, of a mapping those that it names, and the aggregations."""
    labels = [str(label) for label in samples.df.columns]
    if not isinstance(agg, Mapping):
        return samples.places, agg
    given = per_point(agg, samples.known, labels, "agg")
    places = [place for place in samples.places if given[place] is not None]
    if not places:
        raise MetadataError(f"agg={agg!r} names no column; the columns are {listed_columns(samples.df)}")
    return places, {labels[place]: given[place] for place in places}


def over_intervals(
    samples: FrameSamples,
    places: Sequence[int],
    settings: IntervalSettings,
    grids: Iterable[Mapping[str, Intervals]],
    where: Truth | None = None,
) -> list[pd.DataFrame]:
    """The values of some columns over the intervals of each grid, which is by the Haystack name of the zones."""
    points = [samples.points[place] for place in places]
    labels = [point.id for point in points]
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise MetadataError(f"two columns are called {twice[0]!r}; rename one")
    known, samplings = [samples.known[place] for place in places], [samples.sampling(place) for place in places]
    rules = dict(zip(labels, rules_of(known, samplings, labels, settings), strict=True))
    warn_of_read(samples, places)
    warn_of_masks(samples, places)
    warn_of_unknown(samples, dict(zip(places, rules.values(), strict=True)))
    columns = [samples.column(place) for place in places]
    histories = [history for own, _ in columns for history in own]
    until_us = {label: us for label, (_, us) in zip(labels, columns, strict=True)}
    names: dict[str, ColumnLabel] = {label: label for label in labels}
    if samples.df.columns.nlevels > 1:
        names = {label: tuple(map(str, samples.df.columns[place])) for label, place in zip(labels, places, strict=True)}
    frames = []
    for grid in grids:
        results = interval_histories(histories, grid, rules, now_us=until_us, several=settings.several, where=where)
        warn_of_gaps(histories, results, sign="")
        warn_of_ends(histories, results)
        warn_of_meters(results)
        frame = trend_frame([one for _, one in results], shape="wide", tz=samples.tz, names=names)
        assert isinstance(frame, pd.DataFrame)
        frames.append(frame)
    return frames


def label_as_before(result: pd.DataFrame, samples: FrameSamples, places: Sequence[int]) -> None:
    """Give the columns that were made of some of a frame their labels and points of before."""
    labels = [samples.df.columns[place] for place in places]
    made = dict(zip(labels, points_of(result).values(), strict=True))
    if len(labels) == len(result.columns) and result.columns.nlevels == samples.df.columns.nlevels:
        result.columns = samples.df.columns[list(places)]
    known = {label: samples.catalog[label] for label in labels if label in samples.catalog}
    attach(result, {label: replace(made[label], id=point.id, dis=point.dis) for label, point in known.items()})
