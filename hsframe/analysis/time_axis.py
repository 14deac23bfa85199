"""The axis of local time: instants as they follow one another, labelled by the clock of a zone and its changes."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.durations import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from hsframe.frame.histories import Instants
from hsframe.frame.trend import time_index

_MOST: Final = 9  # labels side by side
_CLOCK_US: Final = [
    *(count * SECOND_US for count in (1, 5, 15, 30)),
    *(count * MINUTE_US for count in (1, 5, 15, 30)),
    *(count * HOUR_US for count in (1, 3, 6, 12)),
]
_CALENDAR: Final = {"1D": 1, "2D": 2, "W-MON": 7, "2W-MON": 14, "MS": 30, "3MS": 91, "YS": 365, "2YS": 730, "5YS": 1826}
_LIMITS_US: Final = tuple(pd.Timestamp(text).value // 1000 for text in ("1700", "2250"))
_FEW: Final = 4  # changes of a clock; more lines than these would hide what is drawn


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


def local_ticks(start_us: int, end_us: int, tz: tzinfo) -> Instants:
    """Instants with round times of the local clock, in order; of an hour that it repeats both, as far as hours show."""
    start_us, end_us = max(start_us, _LIMITS_US[0]), min(end_us, _LIMITS_US[1])
    step_us = next((step for step in _CLOCK_US if step * _MOST >= end_us - start_us), None)
    if step_us is None:
        days = (end_us - start_us) / DAY_US
        step = next(
            (freq for freq, length in _CALENDAR.items() if length * _MOST >= days), f"{int(days / 3650 / _MOST) + 1}0YS"
        )
        first, last = time_index(np.array([start_us, end_us]), tz).tz_localize(None)
        walls = pd.date_range(first.normalize(), last, freq=step)
        is_first = np.ones(len(walls), dtype=bool)
        us: Instants = walls.tz_localize(tz, ambiguous=is_first, nonexistent="shift_forward").as_unit("us").asi8
        return us[(us >= start_us) & (us <= end_us)]
    each_us = min(step_us, 15 * MINUTE_US)  # zones are whole quarters of an hour from UTC
    us = np.arange(-(-start_us // each_us) * each_us, end_us + 1, each_us)
    shown = us[(us + offsets_us(us, tz)) % step_us == 0]
    if step_us in (HOUR_US, 3 * HOUR_US):
        beside = [[at, at - max(-by, 0)] for at, by in clock_changes(start_us, end_us, tz)]
        shown = np.union1d(shown, np.ravel(beside).astype(np.int64))
    within: Instants = shown[(shown >= start_us) & (shown <= end_us)]
    return within


def tick_labels(us: Instants, tz: tzinfo) -> list[str]:
    """What stands under the ticks: a date where it begins, and the zone's abbreviation beside a change of its clock."""
    if not len(us):
        return []
    times, offsets = time_index(us, tz), offsets_us(us, tz)
    apart_us = int(np.diff(us).min()) if len(us) > 1 else HOUR_US
    clock, below = ("%H:%M:%S" if apart_us < MINUTE_US else "%H:%M", "%a %d %b"), "%Y"
    if apart_us > 360 * DAY_US:
        return [f"{time:%Y}" for time in times]
    forms = clock if apart_us < 20 * HOUR_US else ("%d %b" if apart_us < 27 * DAY_US else "%b",)
    # An hour on either side of a change shows the abbreviation, on a line that all others leave free.
    is_near = np.logical_or(*(offsets_us(us + beside_us, tz) != offsets for beside_us in (-HOUR_US, HOUR_US)))
    is_near &= len(forms) > 1
    if is_near.any() and (times.minute == 0).all():
        forms = ("%Hh", *forms[1:])  # the two hours stand close together
    labels, before = [], None
    for near, time in zip(is_near, times, strict=True):
        lines = [f"{time:{forms[0]}}", *[f"{time:%Z}" if near else ""][: int(is_near.any())]]
        lines += [
            f"{time:{one}}" for one in (*forms[1:], below) if before is None or f"{before:{one}}" != f"{time:{one}}"
        ]
        labels.append("\n".join(lines))
        before = time
    return labels


def label_in_local_time(axes: Any, tz: tzinfo) -> None:
    """Label the instants of axes that share them, in a zone; changes of its clock between two instants are dotted."""
    from matplotlib import ticker

    def ticks_us(numbers: Any) -> Instants:
        us: Instants = np.rint(np.asarray(numbers, dtype=np.float64) * DAY_US).astype(np.int64)
        return us

    class Ticks(ticker.Locator):
        def __call__(self) -> Any:
            view: Any = self.axis
            return self.tick_values(*view.get_view_interval())

        def tick_values(self, vmin: float, vmax: float) -> Any:
            first_us, last_us = ticks_us(sorted([vmin, vmax])).tolist()
            return local_ticks(first_us, last_us, tz) / DAY_US

        def nonsingular(self, v0: float, v1: float) -> tuple[float, float]:
            return (v0 - 1 / 24, v1 + 1 / 24) if v1 - v0 < 1 / 1440 else super().nonsingular(v0, v1)

    class Labels(ticker.Formatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{time_index(ticks_us([x]), tz)[0]:%Y-%m-%d %H:%M:%S %Z}"

        def format_ticks(self, values: Any) -> list[str]:
            return tick_labels(ticks_us(values), tz)

    axes[-1].xaxis.set_major_locator(Ticks())
    axes[-1].xaxis.set_major_formatter(Labels())
    axes[-1].tick_params(axis="x", labelsize="x-small")
    start_us, end_us = ticks_us(axes[0].get_xlim()).tolist()
    changes, text = [one for one in clock_changes(start_us, end_us, tz) if start_us < one[0] < end_us], str(tz)
    if 0 < len(changes) <= _FEW:
        ticks = np.array([at_us for at_us, _ in changes]) / DAY_US
        for axis in axes:
            across = axis.get_xaxis_transform()
            axis.vlines(ticks, 0, 1, transform=across, color="black", linewidth=0.8, linestyle=":", zorder=3)
        days = [
            f"{'forward' if by_us > 0 else 'back'} on {time_index(np.array([at_us]), tz)[0]:%d %b}"
            for at_us, by_us in changes
        ]
        text += f" (dotted: the clock goes {', '.join(days)})"
    axes[-1].set_xlabel(text)
