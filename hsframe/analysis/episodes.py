"""Episodes: when something was so, from when to when; and what the columns of a frame were meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hsframe.analysis.frame_conditions import truths_in
from hsframe.analysis.frame_samples import FrameSamples
from hsframe.analysis.resample import NO_ROWS_US, label_as_before, named_columns, over_intervals
from hsframe.durations import Duration, duration_us
from hsframe.frame.points import attach, column_points
from hsframe.frame.trend import time_index
from hsframe.intervals.conditions import Where, windows_of
from hsframe.intervals.regular import Intervals
from hsframe.intervals.rules import Aggregations, IntervalSettings
from hsframe.intervals.truth import Truth, Windows


def episodes(
    df: pd.DataFrame,
    condition: Where,
    *,
    min: Duration | None = None,
    merge: Duration | None = None,
) -> pd.DataFrame:
    """When a condition holds, as half-open windows of time [start, end) in their order.

    It is about time and not about rows. A Bool or a text holds until the next sample; a number does so if its record
    says it (``hisMode`` ``"cov"``), else it is on the line between two samples and crosses a limit in between. A row of
    a mask holds until the next one, but no longer than a sample is known (``max_gap`` of :doc:`Values over intervals
    </explanation/intervals>`): a sample of the point whose name the mask has, or else of each point of the frame. A row
    of intervals (``df.hs.interval``) holds for its interval. What is not known ends an episode: NA, and a gap that is
    too long. What holds does so to the end of the span that was read; in a part of it, and in other frames, to the last
    row, so what begins there has no length and is none. What holds at the start of the span is known by the sample
    before it: read with ``boundary="before"``. Where that is not there, or was left out of the rows, it warns.

    In a wide frame of samples a value is also missing where only other points have a sample. A mask of a column of Bool
    (``~df["fan"]``) has no row there. A comparison of a number is False there: then nothing tells whether the mask is
    of that column alone, and one made of several is wrong. Give a condition or a list of them, or compare rows in
    which all have a value, read with ``interval=`` and ``agg="step"``, or filled: ``filled = df.ffill().dropna()``,
    and ``filled.hs.episodes((filled["heat"] > 5) | filled["fan"])``.

    :mod:`hsframe.analysis.frame_samples` says what a frame knows: from a sample that pandas has taken out or cleared,
    as from NA, nothing is known up to the next one. A frame that does not know its read, as after ``join`` of two,
    warns: put reads together with :func:`hsframe.concat`.

    Parameters
    ----------
    df : DataFrame
        With a zone-aware index in order of time.
    condition : Series of bool, str, Ref, tuple, DataFrame or list
        A mask of this frame, as ``df["heat"] > 5``, or with rows of its own, as a schedule, of which each holds up to
        the next and the last one for the shortest step; a frame of episodes, as those of another frame; a column of
        Bool, by label, id or display name; one with an operator and a value, ``("@oat", ">", Number(65, "°F"))``, whose
        unit is converted; or a list of conditions that all hold, each known by the samples of its own column:
        ``["@fan-run", ("@oat", ">", Number(65, "°F"))]``.
    min : str or timedelta, optional
        Shorter ones are left out. One that is open is kept: nobody knows how long it is.
    merge : str or timedelta, optional
        Before that, those that are at most so far apart become one, whatever is in between.

    Returns
    -------
    DataFrame
        A row each, index ``episode``: ``start`` and ``end`` in the zone of the frame, ``duration``
        (``timedelta64[us]``), and whether the first or the last instant that the frame knows cuts it, so that it may
        have begun earlier or ended later: ``open_start``, ``open_end``. One that goes on ends at the instant of the
        read (``df.hs.source``).

    Raises
    ------
    MetadataError, UnitError, ZoneError
        The condition is none, fits no column, or not its kind or unit; an index that is not of zone-aware times in
        order.

    Examples
    --------
    >>> index = pd.date_range("2026-11-01", periods=5, freq="1h", tz="America/New_York")
    >>> oat = pd.array([60.0, 70.0, 70.0, 60.0, 60.0], dtype="unit[°F]")
    >>> from hsframe import with_points
    >>> df = with_points(pd.DataFrame({"oat": oat, "fan": [False, True, True, False, True]}, index=index), {})
    >>> df.hs.episodes("fan")["duration"].tolist()
    [Timedelta('0 days 02:00:00')]
    >>> from hsframe import Number
    >>> df.hs.episodes(("oat", ">", Number(65, "°F")))["start"].iloc[0]
    Timestamp('2026-11-01 00:30:00-0400', tz='America/New_York')
    """
    samples = FrameSamples(df)
    limits_us = [0 if given is None else duration_us(given, name) for name, given in (("merge", merge), ("min", min))]
    truth = Truth.all_known(truths_in(samples, condition))
    starts_us, ends_us = truth.episodes(*limits_us)
    times = {name: time_index(us, samples.tz, None) for name, us in (("start", starts_us), ("end", ends_us))}
    found = pd.DataFrame(times).rename_axis("episode")
    is_cut = {"open_start": np.isin(starts_us, truth.edges_us[:1]), "open_end": np.isin(ends_us, truth.edges_us[-1:])}
    return found.assign(duration=found["end"] - found["start"], **is_cut)


def over(
    df: pd.DataFrame,
    episodes: pd.DataFrame,
    agg: Aggregations | Mapping[str, Aggregations],
    *,
    max_gap: Duration | Mapping[str, Duration] | None = None,
    min_coverage: float | None = None,
) -> pd.DataFrame:
    """Values of the columns over episodes, each by its own window, in any order and however they overlap.

    Parameters
    ----------
    df : DataFrame
        As for ``df.hs.resample``.
    episodes : DataFrame
        What :func:`episodes` gave, or any frame with zone-aware times in ``start`` and ``end``.
    agg : str, list or mapping
        As for ``df.hs.resample``, by time: ``{"kW": ["integral", "max"], "oat": "mean"}``.
    max_gap, min_coverage
        As for :meth:`hsframe.Session.his_read`: the integral over an episode of which a part is not known is missing.

    Returns
    -------
    DataFrame
        A row for each of `episodes`, with its index: ``episodes.join(df.hs.over(episodes, ...))``. Where `agg` has a
        list, all columns say which they are: ``"kW integral"``, ``"kW max"``, of states ``"fan duration True"``.

    Raises
    ------
    MetadataError, UnitError, ZoneError
        `episodes` has no such times; else as :meth:`hsframe.Session.his_read`.

    Examples
    --------
    >>> index = pd.date_range("2026-11-01", periods=5, freq="1h", tz="America/New_York")
    >>> kw = pd.array([1.0, 3.0, 3.0, 1.0, 1.0], dtype="unit[kW]")
    >>> from hsframe import with_points
    >>> df = with_points(pd.DataFrame({"kW": kw, "fan": [False, True, True, False, False]}, index=index), {})
    >>> fan = df.hs.episodes("fan")
    >>> fan.join(df.hs.over(fan, {"kW": ["integral", "max"]})).columns[5:].tolist()
    ['kW integral', 'kW max']
    >>> df.hs.over(fan, {"kW": "integral"})["kW"].tolist()
    [UnitFloat(5.0, 'kWh')]
    """
    samples, windows = FrameSamples(df), windows_of(episodes)
    places, aggs = named_columns(samples, agg)
    settings = IntervalSettings("1D", aggs, max_gap, min_coverage)
    layers, grids, rows = _layers(windows) or [[]], [], []  # without any the columns are there all the same
    for layer in layers:
        edges_us = np.unique(np.append(windows[0][layer], windows[1][layer])) if layer else NO_ROWS_US
        grids.append(dict.fromkeys(samples.zones, Intervals.of(edges_us, cut_us=tuple(edges_us.tolist()))))
        rows.append(np.searchsorted(edges_us, windows[0][layer]))
    found = over_intervals(samples, places, settings, grids)
    parts = [df.iloc[own].set_axis(layer) for df, own, layer in zip(found, rows, layers, strict=True)]
    result = pd.concat(parts).sort_index().set_axis(episodes.index)
    label_as_before(result, samples, places)
    if result.columns.nlevels > 1:  # pandas joins columns of one level alone to those of episodes
        points = column_points(result)
        result.columns = pd.Index([" ".join(filter(None, map(str, label))) for label in result.columns])
        attach(result, {label: one for label, one in zip(result.columns, points, strict=True) if one})
    return result


def _layers(windows: Windows) -> list[list[int]]:
    """The places of the windows, in layers in which none overlaps another."""
    (starts_us, ends_us), layers = windows, list[list[int]]()
    for place in np.argsort(starts_us, kind="stable").tolist():
        layer = next((one for one in layers if ends_us[one[-1]] <= starts_us[place]), None)
        if layer is None:
            layers.append(layer := [])
        layer.append(place)
    return layers
