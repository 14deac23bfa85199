"""How much is due of a column, and the gaps where it is missing."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from hsframe.arrays import Instants
from hsframe.durations import DAY_US
from hsframe.frame.reads import Read
from hsframe.frame.stamps import Interval
from hsframe.frame.trend import index_zone_of, time_index
from hsframe.intervals.regular import edges_around, parse_step
from hsframe.zones import zone

# A sample may be late or early by a tenth of a step.
_TOLERANCE: Final = 10


class Gap(NamedTuple):
    """Where something is due and missing: from the instant of the first of it up to the next that is there.

    At most up to the end of what was read.
    """

    begin: pd.Timestamp
    end: pd.Timestamp
    missing: int


def due_of_samples(ts_us: Instants, step_us: int, read: Read, tz: tzinfo | None) -> tuple[int, list[Gap]]:
    """How many are due of a point with one sample a step, in the span of the read or from its first to its last."""
    start_us, end_us = read.known_from(ts_us)
    if start_us is not None and end_us is not None:
        ts_us = ts_us[(ts_us >= start_us) & (ts_us < end_us)]  # without those that boundary= has added
        if not len(ts_us):
            due = -(-(end_us - start_us) // step_us)
            return due, _gaps(np.array([start_us]), np.array([end_us]), np.array([due]), tz)
    if not len(ts_us):
        return 0, []
    early_us = step_us // _TOLERANCE
    before = 0 if start_us is None else max(int(ts_us[0] - start_us) // step_us, 0)
    after = 0 if end_us is None else max(int(end_us - 1 - early_us - ts_us[-1]) // step_us, 0)
    steps = np.diff(ts_us)
    # The samples that should be after each; those that come early, between others, count together.
    between = np.rint(steps / step_us).astype(np.int64)
    lost = np.concatenate([[before], np.maximum(between - 1, 0), [after]])
    expected = before + after + int(between.sum()) + round(int(steps[between == 0].sum()) / step_us) + 1
    begins = _later(np.append(ts_us[:1], ts_us), np.append(-before, np.ones(len(ts_us), dtype=np.int64)) * step_us, tz)
    ends = np.append(ts_us, ts_us[-1:] if end_us is None else end_us)  # after the last one nothing is missing, or all
    return expected, _gaps(begins, ends, lost, tz)


def _later(ts_us: Instants, by_us: Instants, tz: tzinfo | None) -> Instants:
    """Instants some steps later; steps of days are those of the calendar, of 23 and 25 hours where a clock changes."""
    if tz is None or (by_us % DAY_US).any():
        return ts_us + by_us
    walls = time_index(time_index(ts_us, tz).tz_localize(None).asi8 + by_us, None)
    is_first = np.ones(len(walls), dtype=bool)
    later: Instants = walls.tz_localize(tz, ambiguous=is_first, nonexistent="shift_forward").as_unit("us").asi8
    return later


def due_of_intervals(
    ts_us: Instants, edges_us: Instants, stamps_us: Instants, tz: tzinfo | None
) -> tuple[int, list[Gap]]:
    """How many are due of values over intervals: one in each, whose stamp is one of `stamps_us`."""
    there = np.isin(stamps_us, ts_us)
    changes = np.flatnonzero(np.diff(np.concatenate([[True], there, [True]])))
    firsts, nexts = changes[::2], changes[1::2]
    return len(there), _gaps(edges_us[firsts], edges_us[nexts], nexts - firsts, tz)


def _gaps(begins: Instants, ends: Instants, lost: Instants, tz: tzinfo | None) -> list[Gap]:
    where = np.flatnonzero(lost)
    return list(map(Gap, time_index(begins[where], tz), time_index(ends[where], tz), lost[where].tolist()))


def rows_of_group(
    index: pd.DatetimeIndex, interval: Interval, ts_us: Instants, at_us: int
) -> tuple[Instants, Instants] | None:
    """The edges and the stamps of the rows, of an unknown zone, that have a value or were over at an instant."""
    step, stamps_us = parse_step(interval.length), index.as_unit("us").asi8
    later = index[-1:] + pd.DateOffset(months=step.months, days=step.days, microseconds=step.elapsed_us)
    edges_us = np.append(stamps_us, later.as_unit("us").asi8)
    over_us = at_us - (DAY_US if index.tz is None else 0)  # of local times not known exactly
    count = np.count_nonzero((edges_us[1:] <= over_us) | (stamps_us <= ts_us.max(initial=0)))
    return (edges_us[: count + 1], stamps_us[:count]) if count else None


def intervals_of(
    index: pd.DatetimeIndex, interval: Interval | None, ts_us: Instants, read: Read, tz: str | None
) -> tuple[Instants, Instants] | None:
    """The edges and the stamps of the intervals that a column has rows for; None where it has samples, or no rows.

    Of a read these are all from its first row to the last that was over at its present, or that has a value, by the
    calendar of the point; of rows that pandas made regular, as ``resample`` does, the rows.
    """
    if index.freq is not None and len(index):
        stamps_us = index.as_unit("us").asi8
        return np.append(stamps_us, (index[-1:] + index.freq).as_unit("us").asi8), stamps_us
    if interval is None:
        return None
    start_us, end_us = read.known_from(ts_us)
    if not len(ts_us) and (start_us is None or end_us is None or start_us == end_us):
        return None
    first_us = int(ts_us[0]) if start_us is None else start_us
    last_us = int(ts_us.max(initial=first_us if end_us is None else end_us - 1))
    at = zone("UTC") if index.tz is None else zone(tz) if tz else index_zone_of([], index.tz)
    calendar_us = edges_around(interval, first_us, last_us, at)
    inner_us = calendar_us[(calendar_us > first_us) & (calendar_us < last_us)]
    stamps_us = np.unique([first_us, *inner_us, last_us])
    if interval.label == "end":
        return np.append(calendar_us[calendar_us < first_us][-1], stamps_us), stamps_us
    return np.append(stamps_us, calendar_us[calendar_us > last_us][0]), stamps_us
