"""A picture of days and hours: a column a day, a row an hour of the local clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hsframe.analysis.frame_samples import FrameSamples
from hsframe.analysis.picture_style import axes_for, escaped, name_text
from hsframe.analysis.resample import resampled
from hsframe.analysis.time_axis import label_dates, offsets_us
from hsframe.arrays import Floats, Instants
from hsframe.durations import DAY_US, HOUR_US, Duration
from hsframe.errors import MetadataError
from hsframe.frame.points import listed_columns
from hsframe.frame.reads import source_text
from hsframe.frame.trend import in_order_of_time
from hsframe.intervals.regular import parse_step
from hsframe.intervals.rules import Aggregation, IntervalSettings
from hsframe.unit_array.dtype import unit_of_dtype


def heatmap(
    df: pd.DataFrame,
    *,
    interval: Duration | None = None,
    agg: Aggregation | None = None,
    ax: Any = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    **kwargs: Any,
) -> Any:
    """Draw each column as a grid of days and hours of the local clock, a colour a value.

    A cell is the value of one interval by the rules of ``df.hs.resample(interval, agg)``, which are those of a read:
    the mean of a temperature, what a meter has counted, what held of a Bool. On the day on which a clock goes forward
    the hour that it skips has no cell; on the day on which it goes back the cell of the repeated hour is divided: below
    is the first of the two, above the second. What has no value is hatched, infinite values too. Texts are left out.

    Parameters
    ----------
    df : DataFrame
        Samples, or rows of intervals (``df.hs.interval``), which are drawn as they are where `interval` and `agg` are
        left out; in either case with zone-aware times, each once. Of more than 20 columns choose some.
    interval : str or timedelta, optional
        At most an hour, as ``"15min"``; an hour by default.
    agg : str, optional
        As for ``df.hs.resample``, by default what is right for each column.
    ax : matplotlib Axes, optional
        Where to draw one column, in place of a new figure.
    title : str, optional
        The title of the figure.
    figsize : (float, float), optional
        Width and height in inches.
    **kwargs
        For ``Axes.imshow``, as ``cmap="viridis"``, or ``vmin=0, vmax=100`` for one scale in all grids.

    Returns
    -------
    ndarray of matplotlib Axes
        One per column; the unit is on the colour bar beside it.

    Raises
    ------
    MetadataError, SpanError, ZoneError, UnitError
        As ``df.hs.resample`` has them; an interval of more than an hour; no column of numbers or Bool, or several and
        `ax`; what ``Axes.imshow`` does not take.

    Examples
    --------
    >>> index = pd.date_range("2026-10-30", "2026-11-03", freq="15min", tz="America/New_York")
    >>> df = pd.DataFrame({"Meter": pd.array(index.hour, dtype="unit[kW]")}, index=index)
    >>> axes = df.hs.heatmap(title="A week with a day of 25 hours")  # doctest: +SKIP
    """
    df = in_order_of_time(df)
    samples = FrameSamples(df)
    samples.has_warned = True  # a picture does not warn of what the frame does not know
    if interval is None and agg is None and samples.interval is not None:
        values, length = samples.df, samples.interval.length
    else:
        values, length = (
            resampled(samples, IntervalSettings(interval or "1h", agg, edges="whole")),
            str(interval or "1h"),
        )
    if not 0 < (step_us := parse_step(interval or length).elapsed_us) <= HOUR_US:
        raise MetadataError(f"a heat map has hours, and these are intervals of {length}; expected at most '1h'")
    places = [place for place, dtype in enumerate(values.dtypes) if pd.api.types.is_numeric_dtype(dtype)]
    if not places:
        raise MetadataError(f"no column can be drawn; the columns are {listed_columns(df)}")
    across = min(len(places), 2)
    size = figsize or (10.0, 1.0 + 2.6 * -(-len(places) // across))
    names = [name_text(values.columns[place]) for place in places]
    axes = axes_for(names, ax, size, "imshow", kwargs, across, sharex=True, sharey=True)
    figure = axes[0].figure
    index: Any = values.index
    ts_us, tz = index.as_unit("us").asi8, index.tz
    for axis, name, place in zip(axes, names, places, strict=True):
        dtype = values.dtypes.iloc[place]
        cells, first = day_cells(ts_us, values.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan), step_us, tz)
        is_bool = dtype.kind == "b"
        look = {"cmap": "cividis", **({"vmin": 0, "vmax": 1} if is_bool else {}), **kwargs}
        extent = (first - 0.5, first - 0.5 + cells.shape[1], 0, 24)  # the label of a day stands below its middle
        image = axis.imshow(cells, origin="lower", aspect="auto", interpolation="none", extent=extent, **look)
        bar = figure.colorbar(image, ax=axis, label=escaped(unit_of_dtype(dtype) or ""))
        if is_bool:
            bar.set_ticks([0, 1], labels=["false", "true"])
        axis.patch.set(hatch="xxx", facecolor="white", edgecolor="#C0C0C0")
        axis.set_title(name, fontsize="small")
        axis.set_yticks([0, 6, 12, 18, 24], ["00:00", "06:00", "12:00", "18:00", "24:00"], fontsize="small")
        label_dates(axis, fewest=min(cells.shape[1], 4 // across), most=12 // across)
    if title is not None:
        (figure.suptitle if ax is None else ax.set_title)(escaped(title))
    (figure.supxlabel if ax is None else ax.set_xlabel)(f"{tz}   {source_text(df)}", fontsize="x-small", color="gray")
    return axes


def day_cells(ts_us: Instants, values: Floats, step_us: int, tz: Any) -> tuple[Floats, int]:
    """The values by half steps of the local clock (rows) and days (columns), NaN where there is none; the first day.

    Both halves of a step have its value; but of one that the clock repeats each has its own.
    """
    if not len(ts_us):
        return np.full((2 * DAY_US // step_us, 1), np.nan), 0
    walls_us = ts_us + offsets_us(ts_us, tz)
    first = int(walls_us.min() // DAY_US)
    days, slots = walls_us // DAY_US - first, walls_us % DAY_US // step_us
    cells = np.full((2 * DAY_US // step_us, int(days.max()) + 1), np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    again = pd.Index(days * DAY_US + slots).duplicated()
    for half, own in ((0, ~again), (1, ~again), (1, again)):
        cells[2 * slots[own] + half, days[own]] = values[own]
    return cells, first
