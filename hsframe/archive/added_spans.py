"""The spans of a frame that is added to an archive: in which of them the history of a point counts as read.

A sync begins where they end. So what the frame may not have, as it lost rows or cannot tell, must not be in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from hsframe.archive.added_frames import Added
from hsframe.archive.parquet_file import END_US
from hsframe.arrays import Instants
from hsframe.columns import ArrowColumn
from hsframe.durations import DAY_US
from hsframe.frame.reads import Read
from hsframe.frame.values import bools_of
from hsframe.history.point_records import PointRecord

_INTERVALS_A_GAP: Final = 4


def read_windows(added: Added, read: Read, record: PointRecord, *, has_source: bool) -> Iterator[tuple[int, int]]:
    """The spans in which a frame says that it was read, where it has all rows of the read.

    Where nothing tells that, they are empty, and a sync begins there. A frame that does not say what it is from counts
    as read up to its first gap.
    """
    ts_us, values = added.history.ts_us, added.history.values
    if not len(ts_us):
        yield from ((us, us) for us in [*added.na_us[:1].tolist(), *(span[0] for span in read.spans)][:1])
        return
    is_noted = read.has(ts_us)
    if len(others_us := ts_us[~is_noted]):
        is_before = others_us < min(added.holes_us[~read.has(added.holes_us)], default=END_US)
        if has_source or not is_before[0]:
            yield int(others_us[0]), int(others_us[0])
        else:
            yield from _runs(others_us[is_before], _gap_us(others_us, record))
    is_null = bools_of(values.values.is_null()) if isinstance(values, ArrowColumn) else np.zeros(len(ts_us), bool)
    count = int((is_noted & ~is_null).sum())
    is_regular = record.rows_a_day is not None and not record.irregular
    gap_us = END_US
    if count != read.rows and is_regular:
        gap_us = _gap_us(ts_us, record) if read.rows is None else record.due_us
    lost = added.lost_na or (read.rows is not None and (count > read.rows or (count < read.rows and not is_regular)))
    for part, part_us in read.parts(ts_us[is_noted]):
        if not len(part_us):
            continue
        start_us, end_us = part.known_from(part_us)
        if lost or (count == read.rows and None in (start_us, end_us)):
            # As many values as were read, of which the first or the last is another one: they were resampled since.
            first_us = part.spans[0][0] if added.lost_na else int(part_us[0])
            yield first_us, first_us
        else:
            runs = _runs(part_us, gap_us)
            runs[0] = runs[0][0] if start_us is None else start_us, runs[0][1]
            runs[-1] = runs[-1][0], runs[-1][1] if end_us is None else end_us
            yield from runs


def joined(
    windows: Iterable[tuple[int, int]], own: tuple[int, int] | None, record: PointRecord, now_us: int
) -> tuple[int, int]:
    """The window without a gap around what an archive has read of a point, of a new point the earliest one."""
    runs: list[tuple[int, int]] = []
    for start_us, end_us in sorted([*windows, *([own] if own else [])]):
        end_us = max(start_us, min(end_us, now_us))
        if runs and start_us - record.due_us <= runs[-1][1]:
            runs[-1] = runs[-1][0], max(runs[-1][1], end_us)
        else:
            runs.append((start_us, end_us))
    return next(run for run in runs if own is None or run[0] <= own[0] <= run[1])


def _runs(ts_us: Instants, gap_us: int) -> list[tuple[int, int]]:
    """From the first to the last of some instants, without the steps that are longer than a gap."""
    cuts = np.flatnonzero(np.diff(ts_us) > gap_us) + 1
    firsts, lasts = (ts_us[np.concatenate(places)] for places in (([0], cuts), (cuts - 1, [-1])))
    return [*zip(firsts.tolist(), (lasts + 1).tolist(), strict=True)]


def _gap_us(ts_us: Instants, record: PointRecord) -> int:
    """The longest step from one sample to the next that counts as read.

    It is some intervals of the point, or of many samples that are mostly evenly apart, by a day at most. Else no step
    tells whether the value held or was not read: after an hour it is rather read once too often than never.
    """
    if record.irregular or record.rows_a_day:
        return record.due_us * (1 if record.irregular else _INTERVALS_A_GAP)
    steps_us, counts = np.unique(np.diff(ts_us), return_counts=True)
    # A few samples that are evenly apart, as two readings by hand, prove no interval.
    usual_us: list[int] = steps_us[(2 * counts > max(int(counts.sum()), 18)) & (steps_us <= DAY_US)].tolist()
    return max(record.due_us, _INTERVALS_A_GAP * sum(usual_us))
