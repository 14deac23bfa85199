"""Reads back what was written, and compares.

A server may answer a hisWrite before it has stored the samples (Haxall). So if some are missing, they are read again a
few times, with growing pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from hsframe.client.in_thread import in_thread
from hsframe.durations import DAY_US, SECOND_US
from hsframe.frame.histories import History, Instants
from hsframe.history.compare import compare
from hsframe.history.nearest_samples import span_of
from hsframe.history.plan import ReadOptions
from hsframe.history.read import read_histories
from hsframe.history.write_report import PointWrite

if TYPE_CHECKING:
    from hsframe.client import Client

# The pauses before each reading back: 5.5 s in all.
_PAUSES_S: Final = (0.0, 0.25, 0.75, 1.5, 3.0)
# Samples further apart than this are read in separate windows, so that not all between them is read.
_GAP_US: Final = 7 * DAY_US
_MOST_WINDOWS: Final = 40


async def read_back(client: Client, entries: Sequence[PointWrite]) -> Sequence[PointWrite]:
    """Read the samples of some points from the server, and keep the comparison in each entry; returns the entries."""
    found: dict[str, list[History]] = {entry.point.id: [] for entry in entries}
    for first_us, last_us in _windows([entry.samples.ts_us for entry in entries]):
        times = [(entry.record, entry.samples.ts_us) for entry in entries]
        there = [record for record, ts_us in times if ((ts_us >= first_us) & (ts_us <= last_us)).any()]
        # A server of whole seconds keeps the first sample at the second before its instant.
        span = span_of(first_us // SECOND_US * SECOND_US, (last_us // SECOND_US + 1) * SECOND_US)
        for history in await read_histories(client, there, span, ReadOptions()):
            found[history.point.id].append(history)
    comparisons = await in_thread(lambda: [compare(found[entry.point.id], entry.samples) for entry in entries])
    for entry, comparison in zip(entries, comparisons, strict=True):
        entry.compared(comparison)
    return entries


async def read_back_until(
    client: Client,
    entries: Sequence[PointWrite],
    *,
    there: Callable[[PointWrite], bool] = lambda entry: entry.is_stored,
    pauses_s: Sequence[float] = _PAUSES_S,
    look: Callable[[Client, Sequence[PointWrite]], Awaitable[Sequence[PointWrite]]] = read_back,
) -> list[PointWrite]:
    """Read back until each entry is `there`, once after each pause; returns the entries that are still not.

    `look` reads some points, and returns those that could be read.
    """
    clock_s = asyncio.get_running_loop().time
    started_s = clock_s()
    left = list(entries)
    for pause_s in pauses_s:
        if not left:
            break
        await asyncio.sleep(pause_s)
        for entry in await look(client, left):
            entry.looked_s = clock_s() - started_s
        left = [entry for entry in left if not there(entry)]
    return left


def _windows(times: Sequence[Instants]) -> list[tuple[int, int]]:
    """The first and last instants of windows that together hold all samples, without the longest gaps."""
    if not times:
        return []
    ts_us = times[0] if len(times) == 1 else np.unique(np.concatenate(times))
    gaps = np.diff(ts_us)
    ends = np.flatnonzero(gaps > _GAP_US)
    if len(ends) >= _MOST_WINDOWS:
        ends = np.sort(np.argsort(gaps, kind="stable")[-(_MOST_WINDOWS - 1) :])
    firsts, lasts = ts_us[[0, *(ends + 1)]], ts_us[[*ends, -1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
