"""A picture of a frame: one axis per unit, states as bands, local time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.analysis.bands import Band, band, draw_bands, state_codes
from hsframe.analysis.frame_samples import FrameSamples, one_of
from hsframe.analysis.lines import is_meter, line_of
from hsframe.analysis.picture_style import COLOURS, GREY, LEGEND, axes_for, escaped, name_text
from hsframe.analysis.time_axis import label_dates, label_in_local_time
from hsframe.arrays import Floats, Instants
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, MetadataError
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.points import column_points, listed_columns
from hsframe.frame.reads import reads_of, source_of, source_text
from hsframe.frame.trend import TIMES_OF_TEXT, in_order_of_time, is_of_text
from hsframe.intervals.conditions import windows_of
from hsframe.unit_array.dtype import unit_of_dtype

_STATES: Final = "states"
_GROWTH: Final = "growth"
_HELD: Final = {"step", "last"}  # values of samples, which hold
_STYLES: Final = ("-", "--", ":", "-.")
_INFINITE: Final = 1e300  # what is beyond, matplotlib finds no ticks for
_AROUND_ONE: Final = 1 / 24  # the days beside a lone row
_MOST: Final = len(COLOURS) * len(_STYLES)


def plot(
    df: pd.DataFrame,
    *,
    y: Hashable | list[Any] = None,
    x: Hashable = None,
    ax: Any = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    episodes: pd.DataFrame | None = None,
    **kwargs: Any,
) -> Any:
    """Draw the columns over time, those of one unit on one axis that is labelled with it; or against one of them.

    - **Numbers** are lines from sample to sample, and those that hold (``hisMode`` ``"cov"``, or rows of intervals by
      ``agg="step"`` or ``"last"``) steps. A line is broken by NA and by a gap: where two samples are further apart than
      ``max_gap`` of :doc:`Values over intervals </explanation/intervals>` and than three usual steps. In a frame that
      was not read, and in rows of intervals, each missing value breaks it. A value between two breaks is a dot.
      Infinite ones are counted in the legend and not drawn.
    - **Meters** (``hisTotalized``) have an axis of their own: what they have counted since their first sample, by the
      rules of ``agg="delta"``, so that resets and false readings are no cliffs.
    - **Bool and texts** are bands: a row a column, a colour a state. After 12 states the rarer ones are "others"; where
      a state changes more often than a picture can show it is "several".
    - Time is that of the index's zone. In a day of 25 hours both repeated hours are there, and a dotted line is where
      the clock changes, with the time that it shows then.
    - Colours are those of Okabe and Ito. After 28 lines on one axis the further ones are grey; see `y`.

    What the frame was read from and when, where it knows that, stands above.

    Parameters
    ----------
    df : DataFrame
        A wide frame. Of a matrix take one group, or one column by group: the message has the line.
    y : label or list of labels, optional
        The columns to draw, all by default.
    x : label, optional
        The column to draw the numbers against, a dot for each row in which both have a value. Samples of two points
        seldom share their instants: take rows of intervals, with ``interval=`` in the read or ``df.hs.resample``.
    ax : matplotlib Axes, optional
        Where to draw what fits on one axis, in place of a new figure.
    title : str, optional
        The title of the figure.
    figsize : (float, float), optional
        Width and height in inches.
    episodes : DataFrame, optional
        Of ``df.hs.episodes(...)``, or another with zone-aware times in ``start`` and ``end``: these times are shaded.
    **kwargs
        For ``Axes.plot``, as ``color="red"``; a line is called by its column.

    Returns
    -------
    ndarray of matplotlib Axes
        One per unit, from above, in the order of the columns; the figure is ``axes[0].figure``.

    Raises
    ------
    MetadataError
        matplotlib is not installed; no column can be drawn, or the rows are of several sites; they take more than
        20 axes, or several and `ax`; a row without a time; episodes beside rows whose times are no instants; what
        ``Axes.plot`` does not take.
    """
    if "label" in kwargs:
        raise MetadataError("label=: a line is called by its column; rename that, as in df.rename(columns={'a': 'b'})")
    df = in_one_unit(in_order_of_time(df), refuse=False)
    samples, limits = _samples_of(df), _limits(df)
    places = list(range(df.shape[1])) if y is None else _places(df, y)
    against = None if x is None else _places(df, x)[0]
    if places == [against]:
        raise MetadataError(f"x= and y= are one column, {x!r}; draw it over time, without x=, or against another one")
    if against is not None and df.dtypes.iloc[against].kind not in "biuf":
        raise MetadataError(f"x={x!r} must be a column of numbers, and is of {df.dtypes.iloc[against]}")
    groups: dict[tuple[str, str], list[int]] = {}  # the places of the columns that share an axis, by what it shows
    coded = {}
    for place in places:
        dtype = df.dtypes.iloc[place]
        if against is None and (found := state_codes(df.iloc[:, place])):
            coded[place] = found
            groups.setdefault((_STATES, ""), []).append(place)
        elif pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "b" and place != against:
            shown = _GROWTH if against is None and samples is not None and is_meter(samples, place) else ""
            groups.setdefault((shown, unit_of_dtype(dtype) or ""), []).append(place)
    if not groups:
        raise MetadataError(f"no column can be drawn; the columns are {listed_columns(df)}")
    index = df.index.get_level_values(0)  # of intervals with label="both" the start
    if is_of_text(index):
        raise MetadataError(f"the times of the index are texts, which have no place in time; {TIMES_OF_TEXT}")
    if df.index.nlevels > 1 and not isinstance(index, pd.DatetimeIndex):
        raise MetadataError(
            f"the index has the levels {', '.join(map(str, df.index.names))}: {one_of(df.index)}.hs.plot(), or one "
            f"column, as in df[{df.columns[groups[next(iter(groups))][0]]!r}].unstack({df.index.names[0]!r}).hs.plot()"
        )
    names = {place: name_text(df.columns[place]) for own in groups.values() for place in own}
    heights = []
    for (shown, _), own in groups.items():
        entries = (
            [state for place in own for state in coded[place][1]] if shown == _STATES else [names[one] for one in own]
        )
        legend = sum(0.2 + 0.14 * text.count("\n") for text in list(dict.fromkeys(entries))[: _MOST + 1])
        heights.append(max(0.7 + 0.42 * len(own) if shown == _STATES else 2.4, 0.3 + legend))
    zone = getattr(index, "tz", None) if against is None else None
    if episodes is not None and zone is None:
        raise MetadataError("where episodes are in rows whose times have no zone is not known: tz_localize them")
    windows = None if episodes is None else windows_of(episodes)
    names_of_axes = [name_text(unit or shown or "no unit") for shown, unit in groups]
    size = figsize or (10.0, 1.0 + sum(heights))
    axes = axes_for(names_of_axes, ax, size, "plot", kwargs, sharex=True, height_ratios=heights)
    for axis, ((shown, unit), own) in zip(axes, groups.items(), strict=True):
        axis.grid(alpha=0.3)
        if shown == _STATES:
            bands = [
                _band(names[one], _drawn(df, samples, one, coded[one][0]), coded[one][1], of_rows=samples is None)
                for one in own
            ]
            draw_bands(axis, bands)
            continue
        is_one = against is not None and len(own) == 1
        label = _with_unit(df, own[0]) if is_one else name_text(f"{unit}, {shown}" if shown else unit)
        if (other := axis.get_ylabel()) not in ("", label):
            raise MetadataError(f"ax= is labelled {other!r}, and this is {label or 'without a unit'}: draw on another")
        axis.set_ylabel(label)
        if not axis.lines:  # further ones in an axis that was given go on with the colours
            axis.set_prop_cycle(color=COLOURS * len(_STYLES), linestyle=np.repeat(_STYLES, len(COLOURS)).tolist())
        for number, place in enumerate(own):
            style = {"color": GREY, "linestyle": "-", "zorder": 1, **kwargs} if number >= _MOST else kwargs
            if against is None:
                _line(axis, *_drawn(df, samples, place), names[place], style)
            else:
                ours, theirs = (df.iloc[:, one].to_numpy(np.float64, na_value=np.nan) for one in (place, against))
                dots = {"linestyle": "", "marker": ".", "alpha": 0.6, **style}
                _line(axis, theirs, np.where(np.isnan(theirs), np.nan, ours), False, names[place], dots)
        handles, labels = axis.get_legend_handles_labels()
        if len(own) > _MOST:
            labels = [*labels[:_MOST], f"{len(own) - _MOST} more: choose by y="]
        if not is_one or labels != [names[own[0]]]:  # which the axis says already
            axis.legend(handles[: len(labels)], labels, **LEGEND)
    if title is not None:
        (axes[0].figure.suptitle if ax is None else ax.set_title)(escaped(title))
    axes[0].set_title(source_text(df), loc="right", fontsize="x-small", color="gray")
    if against is not None:
        axes[-1].set_xlabel(_with_unit(df, against))
    elif not len(df):
        axes[-1].set_xticks([])
    elif isinstance(index, pd.DatetimeIndex):
        first, last = (index[[0, -1]].as_unit("us").asi8 / DAY_US).tolist()
        around = 0 if first < last else _AROUND_ONE
        axes[0].update_datalim([(first - around, 0), (last + around, 0)], updatey=False)  # also where no row has values
        axes[-1].margins(x=0.01)
        if np.isfinite(limits[0]):
            left, right = axes[0].get_xlim()
            margin = 0.01 * (limits[1] - limits[0])
            axes[0].set_xlim(max(left, limits[0] - margin), min(right, limits[1] + margin))
        if zone:
            label_in_local_time(axes, zone)
        else:
            label_dates(axes[-1])
    if windows is not None:
        _shade(axes, *windows)
    return axes


def _with_unit(df: pd.DataFrame, place: int) -> str:
    unit = unit_of_dtype(df.dtypes.iloc[place])
    return name_text(df.columns[place]) + (f" [{escaped(unit)}]" if unit else "")


def _limits(df: pd.DataFrame) -> tuple[float, float]:
    """The span that was read, in days, where rows have a sample a point on either side that ``boundary=`` has added."""
    source, index = source_of(df), df.index.get_level_values(0)
    if source and source["start"] and isinstance(index, pd.DatetimeIndex) and index.tz:
        start, end = pd.Timestamp(source["start"]), pd.Timestamp(source["end"] or index.max())
        if 0 < ((index < start) | (index > end)).sum() <= 2 * df.shape[1]:
            return start.value / 1000 / DAY_US, end.value / 1000 / DAY_US
    return -np.inf, np.inf


def _places(df: pd.DataFrame, labels: Any) -> list[int]:
    """The places of columns, chosen as pandas does it."""
    numbers = pd.DataFrame([range(df.shape[1])], columns=df.columns)
    named = labels if isinstance(labels, list) else [labels]
    try:
        found: list[int] = numbers[named].iloc[0].tolist()
    except KeyError:
        wrong = [label for label in named if label not in df.columns]
        raise MetadataError(
            f"there is no column {', '.join(map(repr, wrong))}; the columns are {listed_columns(df)}"
        ) from None
    if len({*found}) < len(found):
        raise MetadataError(f"a column is drawn once, and {named} has one twice")
    return found


def _drawn(
    df: pd.DataFrame, samples: FrameSamples | None, place: int, codes: Floats | None = None
) -> tuple[Any, Floats, bool]:
    """The line of a column: where and what it is, NaN where it is broken; and whether each value holds."""
    if samples is not None:
        ts_us, values, is_step = line_of(samples, place, codes)
        return ts_us.astype("M8[us]"), values, is_step
    index = df.index.get_level_values(0)
    times = index.tz_convert(None) if isinstance(index, pd.DatetimeIndex) and index.tz else index
    values = df.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan) if codes is None else codes
    return times.to_numpy(), values, _aggs_of(df, place) <= _HELD


def _line(axis: Any, times: Any, values: Floats, is_step: bool, name: str, style: dict[str, Any]) -> None:
    known = np.abs(values) < _INFINITE
    if infinite := int(np.sum(~known & ~np.isnan(values))):
        name += f" ({infinite} infinite)"
    values = np.where(known, values, np.nan)
    style = {"drawstyle": "steps-post", **style} if is_step else style
    (line,) = axis.plot(times, values, label=name if known.any() else f"{name} (no values)", **style)
    alone = known & ~np.append(False, known[:-1]) & ~np.append(known[1:], False)
    if alone.any():
        axis.plot(times[alone], values[alone], ".", color=line.get_color())


def _band(name: str, drawn: tuple[Any, Floats, bool], states: list[str], *, of_rows: bool) -> Band:
    times, codes, _ = drawn
    starts = times.astype("M8[us]").astype(np.int64) / DAY_US if times.dtype.kind == "M" else np.arange(len(times)) / 1
    # Samples end where nothing is known any more; the last of the rows is as long as the others.
    length = float(np.median(np.diff(starts))) if of_rows and len(starts) > 1 else 0.0
    return band(name, starts, codes, list(map(name_text, states)), float(starts[-1]) + length if len(starts) else 0.0)


def _shade(axes: Any, starts_us: Instants, ends_us: Instants) -> None:
    starts, ends = starts_us / DAY_US, ends_us / DAY_US
    limits = axes[0].get_xlim()  # of the rows, in a picture of which those far away have no place
    bars = list(zip(starts, ends - starts, strict=True))
    for axis in axes:
        across = axis.get_xaxis_transform()
        axis.broken_barh(bars, (0, 1), transform=across, color="#D55E00", alpha=0.2, zorder=0, gid="episodes")
    axes[0].set_xlim(limits)


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
