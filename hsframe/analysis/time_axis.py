"""The axis of local time: instants as they follow one another, labelled by the clock of a zone and its changes."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any, Final

import numpy as np

from hsframe.arrays import Instants
from hsframe.durations import DAY_US, MINUTE_US
from hsframe.frame.trend import time_index

_FEW: Final = 2  # changes of a clock, those of a year; more would hide what is drawn
# From years down to seconds: what stands below a tick, and below one that begins a year, a month, a day.
_FORMATS: Final = ["%Y", "%b", "%a %d", "%H:%M", "%H:%M", "%S.%f"]
_FIRST_FORMATS: Final = ["", "%Y", "%a %d %b", "%a %d %b", "%H:%M", "%H:%M"]


def offsets_us(us: Instants, tz: tzinfo) -> Instants:
    """How far the clock of a zone is from UTC."""
    offsets: Instants = time_index(us, tz).tz_localize(None).asi8 - us
    return offsets


def clock_changes(start_us: int, end_us: int, tz: tzinfo) -> list[tuple[int, int]]:
    """When a clock changes, to the minute, in the days from one instant to another, and by how much it goes forward."""
    found = []
    days_us = np.arange(start_us // DAY_US, end_us // DAY_US + 2) * DAY_US
    for day_us in days_us[:-1][np.diff(offsets_us(days_us, tz)) != 0]:
        minutes_us = np.arange(day_us, day_us + DAY_US + 1, MINUTE_US)
        shifts_us = np.diff(offsets_us(minutes_us, tz))
        place = int(np.flatnonzero(shifts_us)[0])
        found.append((int(minutes_us[place + 1]), int(shifts_us[place])))
    return found


def label_dates(axis: Any, tz: tzinfo | None = None, *, fewest: int = 3, most: int = 10) -> None:
    """Label days since 1970 as dates and times of a zone, at so many places."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    places = AutoDateLocator(tz, minticks=fewest, maxticks=most)  # type: ignore[no-untyped-call]  # it has no types
    axis.xaxis.set_major_locator(places)
    texts = ConciseDateFormatter(places, tz, _FORMATS, zero_formats=_FIRST_FORMATS)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_formatter(texts)
    axis.xaxis.get_offset_text().set_size("small")
    axis.tick_params(axis="x", labelsize="small")


def label_in_local_time(axes: Any, tz: tzinfo) -> None:
    """Label the instants of axes that share them, in a zone; changes of its clock between two instants are dotted."""
    label_dates(axes[-1], tz)
    start_us, end_us = (int(day * DAY_US) for day in axes[0].get_xlim())
    changes = [at_us for at_us, _ in clock_changes(start_us, end_us, tz) if start_us < at_us < end_us]
    if not 0 < len(changes) <= _FEW:
        axes[-1].set_xlabel(str(tz))
        return
    us = np.array(changes)
    pairs = list(zip(time_index(us - 1, tz), time_index(us, tz), strict=True))
    axes[0].set_xticks(us / DAY_US, [f"{after:%H:%M %Z}" for _, after in pairs], minor=True)
    for axis in axes:
        axis.xaxis.remove_overlapping_locs = False  # with a time of the clock, as 03:00 in spring
        axis.grid(which="minor", axis="x", color="black", linewidth=0.8, linestyle=":")
        axis.tick_params(which="minor", labelbottom=False, labeltop=axis is axes[0], labelsize="x-small", length=0)
    said = ", ".join(f"{before:%Z} to {after:%Z} on {after:%d %b}" for before, after in pairs)
    axes[-1].set_xlabel(f"{tz} (dotted: the clock goes from {said})")
