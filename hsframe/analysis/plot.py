"""A picture of a frame: one axis per unit, labelled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hsframe.analysis.frame_samples import FrameSamples, one_of
from hsframe.errors import HsFrameError, MetadataError
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.points import column_points
from hsframe.frame.reads import reads_of, source_text
from hsframe.intervals.conditions import windows_of
from hsframe.unit_array.dtype import unit_of_dtype

_BOOL = "on / off"
_HELD = {"step", "last"}  # values of samples, which hold


def plot(
    df: pd.DataFrame,
    *,
    figsize: tuple[float, float] | None = None,
    episodes: pd.DataFrame | None = None,
    **kwargs: Any,
) -> Any:
    """Draw the columns over the index, those of one unit on one axis that is labelled with it.

    Parameters
    ----------
    df : DataFrame
        Numbers are drawn as lines from sample to sample, which NA breaks, and those that hold (``hisMode`` ``"cov"``,
        or rows of intervals by ``agg="step"`` or ``"last"``) as steps; Bool as steps on an axis of their own. In a
        frame that was not read, and in rows of intervals, each missing value breaks a line, and a value between two of
        them is a dot, as where points of several zones have days of their own. Texts are left out. The times on the
        axis are those of the index's zone. What the frame was read from and when, where it knows that, stands above.
    figsize : (float, float), optional
        Width and height in inches.
    episodes : DataFrame, optional
        Of ``df.hs.episodes(...)``, or another with zone-aware times in ``start`` and ``end``: these times are shaded.
    **kwargs
        For ``Axes.plot``.

    Returns
    -------
    ndarray of matplotlib Axes
        One per unit, from above, in the order of the columns; the figure is ``axes[0].figure``.

    Raises
    ------
    MetadataError
        matplotlib is not installed; no column can be drawn, or the rows are of several sites; episodes beside rows
        whose times are no instants.
    """
    try:
        from matplotlib import dates, pyplot
    except ImportError as error:
        raise MetadataError("drawing needs matplotlib: pip install 'hsframe[plot]'") from error
    df = in_one_unit(df, refuse=False)
    groups: dict[str, list[int]] = {}  # the places of the columns that share an axis, by its label
    for place, dtype in enumerate(df.dtypes):
        if pd.api.types.is_bool_dtype(dtype):
            groups.setdefault(_BOOL, []).append(place)
        elif pd.api.types.is_numeric_dtype(dtype):
            groups.setdefault(unit_of_dtype(dtype) or "", []).append(place)
    if not groups:
        raise MetadataError(f"no column can be drawn; the columns are {', '.join(map(str, df.columns)) or '(none)'}")
    index = df.index.get_level_values(0)  # of intervals with label="both" the start
    if df.index.nlevels > 1 and not isinstance(index, pd.DatetimeIndex):
        raise MetadataError(
            f"the index has the levels {', '.join(map(str, df.index.names))}: {one_of(df.index)}.hs.plot(), or one "
            f"column, as in df[{df.columns[groups[next(iter(groups))][0]]!r}].unstack({df.index.names[0]!r}).hs.plot()"
        )
    size = figsize or (10.0, 1.0 + 2.4 * len(groups))
    _, grid = pyplot.subplots(len(groups), 1, sharex=True, figsize=size, squeeze=False, layout="constrained")
    axes = grid[:, 0]
    # Instants are drawn as they follow one another, and only labelled in the zone: no hour is drawn twice or missing.
    zone = getattr(index, "tz", None)
    instants = index.tz_convert(None).to_numpy() if isinstance(index, pd.DatetimeIndex) and zone else index.to_numpy()
    samples = _samples_of(df)
    for axis, (label, places) in zip(axes, groups.items(), strict=True):
        for place in places:
            if samples is not None:
                ts_us, values, is_step = samples.drawn(place)
                times = ts_us.astype("M8[us]")
            else:
                times, values = instants, df.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan)
                is_step = label == _BOOL or _aggs_of(df, place) <= _HELD
            style = {"drawstyle": "steps-post", **kwargs} if is_step else kwargs
            name: Any = df.columns[place]  # of several levels those that are not empty
            text = ", ".join(filter(None, map(str, name))) if isinstance(name, tuple) else str(name)
            known = np.isfinite(values)
            (line,) = axis.plot(times, values, label=text if known.any() else f"{text} (no values)", **style)
            alone = known & ~np.append(False, known[:-1]) & ~np.append(known[1:], False)
            if alone.any():
                axis.plot(times[alone], values[alone], ".", color=line.get_color())
        axis.set_ylabel(label)
        if label == _BOOL:
            axis.set_yticks([0, 1], ["false", "true"])
        axis.legend(loc="best", fontsize="small")
        axis.grid(alpha=0.3)
    if episodes is not None:
        if zone is None:
            raise MetadataError("where episodes are in rows whose times have no zone is not known: tz_localize them")
        starts, ends = (dates.date2num(own_us.astype("M8[us]")) for own_us in windows_of(episodes))  # type: ignore[no-untyped-call]
        limits = axes[0].get_xlim()  # of the rows, in a picture of which those far away have no place
        for axis in axes:
            across = axis.get_xaxis_transform()
            bars = list(zip(starts, ends - starts, strict=True))
            axis.broken_barh(bars, (0, 1), transform=across, color="tab:red", alpha=0.15, zorder=0)
        axes[0].set_xlim(limits)
    axes[0].set_title(source_text(df), loc="right", fontsize="x-small", color="gray")
    if zone is not None:
        locator: Any = dates.AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
        axes[-1].xaxis.set_major_locator(locator)
        axes[-1].xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
        axes[-1].set_xlabel(str(zone))
    return axes


def _aggs_of(df: pd.DataFrame, place: int) -> set[str]:
    """By which aggregation a column of rows of intervals is; where nothing tells, by all that its point was read by."""
    names, point = df.columns.names, column_points(df)[place]
    read = reads_of(df).get(point.id) if point else None
    return {df.columns[place][names.index("agg")]} if "agg" in names else {*read.aggs} if read and read.aggs else {""}


def _samples_of(df: pd.DataFrame) -> FrameSamples | None:
    """The samples of a frame; None where its rows are none, or not in order of time."""
    try:
        samples = FrameSamples(df)
    except HsFrameError:
        return None
    return None if samples.interval is not None else samples
