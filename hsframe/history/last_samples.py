"""The last sample of each point before an instant, which may have been written long ago.

Each search reaches further back than the one before, and only for the points that have no sample so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Final, Unpack

import numpy as np

from hsframe.durations import DAY_US
from hsframe.frame.histories import History
from hsframe.frame.values import null_mask
from hsframe.history.plan import GUESSED_ROWS_A_DAY
from hsframe.history.point_records import PointRecord
from hsframe.history.read import ReadOptions, read_histories
from hsframe.history.source import Source
from hsframe.spans import Span, from_epoch_us

FIRST_DEPTH_US: Final = DAY_US
# How far back each search reaches; the last one, after these, reaches as far as the caller allows.
_DEPTHS_US: Final = (FIRST_DEPTH_US, 8 * DAY_US, 40 * DAY_US, 400 * DAY_US)


async def last_samples(
    source: Source,
    records: Sequence[PointRecord],
    ends_us: Mapping[str, int],
    reach_us: int,
    *,
    searched_us: int = 0,
    **options: Unpack[ReadOptions],
) -> list[History]:
    """The last sample of each point before an end, and at most `reach_us` before it.

    `ends_us` has the end for each zone; the last `searched_us` before it are known to be empty. NA counts as a sample.
    A point without one is left out. Records must have zones; else as :func:`hsframe.history.read.read_batches`.
    """
    found: dict[str, History] = {}
    for depth_us in sorted({*(depth for depth in _DEPTHS_US if depth < reach_us), reach_us}):
        if depth_us <= searched_us:
            continue
        windows: dict[int, list[PointRecord]] = {}
        for record in records:
            if record.id not in found:
                windows.setdefault(ends_us[record.tz], []).append(_sparse(record) if searched_us else record)
        seen: dict[str, History] = {}
        for end_us, some in windows.items():
            span = span_of(end_us - depth_us, end_us - searched_us)
            for history in await read_histories(source, some, span, **options):
                last, known = _last(history), seen.get(history.point.id)
                if last is not None and (known is None or last.ts_us[0] >= known.ts_us[0]):
                    seen[history.point.id] = last
        found |= seen
        searched_us = depth_us
    return list(found.values())


def span_of(start_us: int, end_us: int) -> Span:
    """The span between two instants."""
    return Span(from_epoch_us(start_us, UTC), from_epoch_us(end_us, UTC))


def _sparse(record: PointRecord) -> PointRecord:
    """The point with few expected samples, as a whole day was empty: so it may share a batch with many others."""
    return replace(record, irregular=False, rows_a_day=max(1.0, (record.rows_a_day or GUESSED_ROWS_A_DAY) / 10))


def _last(history: History) -> History | None:
    """The last sample of a history; of two rows at one instant, the later row."""
    kept = np.flatnonzero(~null_mask(history.values))
    if not len(kept):
        return None
    instants = history.ts_us[kept]
    place = int(kept[len(kept) - 1 - int(np.argmax(instants[::-1]))])
    return History(history.point, history.ts_us[place : place + 1], history.values[place : place + 1])
