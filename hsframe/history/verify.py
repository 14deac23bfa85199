"""Reading back what a write was to store.

A server may answer a hisWrite before it has stored anything (Haxall), so a look that finds too little is repeated, a
few times, with growing pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Final

import numpy as np

from hsframe.durations import DAY_US, SECOND_US
from hsframe.frame.histories import History, Instants
from hsframe.history.compare import compare
from hsframe.history.plan import RequestLimits
from hsframe.history.read import read_histories
from hsframe.history.write_report import Entry
from hsframe.spans import Span, from_epoch_us

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["look", "look_for"]

# The pauses before each look: 5.5 s in all.
_PAUSES_S: Final = (0.0, 0.25, 0.75, 1.5, 3.0)
# Samples that lie further apart are looked for in windows of their own: what lies between them is no one's business.
_GAP_US: Final = 7 * DAY_US
_MOST_WINDOWS: Final = 40


async def look(client: Client, entries: Sequence[Entry], *, max_concurrency: int) -> None:
    """Compare the samples of some points with what the server has, and note it in their entries."""
    found: dict[str, list[History]] = {entry.point.id: [] for entry in entries}
    limits = RequestLimits(max_concurrency=max_concurrency)
    for first_us, last_us in _windows([entry.samples.ts_us for entry in entries]):
        there = [entry.record for entry in entries if _has(entry.samples.ts_us, first_us, last_us)]
        # A server that keeps whole seconds has the first sample a little before its instant.
        start = from_epoch_us(first_us // SECOND_US * SECOND_US, UTC)
        span = Span(start, from_epoch_us((last_us // SECOND_US + 1) * SECOND_US, UTC))
        for history in await read_histories(client, there, span, limits=limits):
            found[history.point.id].append(history)
    for entry in entries:
        entry.compared(compare(found[entry.point.id], entry.samples))


async def look_for(
    client: Client,
    entries: Sequence[Entry],
    *,
    max_concurrency: int,
    there: Callable[[Entry], bool] = lambda entry: entry.is_stored,
    pauses_s: Sequence[float] = _PAUSES_S,
) -> list[Entry]:
    """Look until enough of each point is there, or patience ends: those of which not enough is there."""
    left = list(entries)
    for pause_s in pauses_s:
        if not left:
            break
        await asyncio.sleep(pause_s)
        await look(client, left, max_concurrency=max_concurrency)
        left = [entry for entry in left if not there(entry)]
    return left


def _windows(times: Sequence[Instants]) -> list[tuple[int, int]]:
    """First and last instants of windows that hold all samples and no long gaps."""
    if not times:
        return []
    ts_us = times[0] if len(times) == 1 else np.unique(np.concatenate(times))
    gaps = np.diff(ts_us)
    ends = np.flatnonzero(gaps > _GAP_US)
    if len(ends) >= _MOST_WINDOWS:
        ends = np.sort(np.argsort(gaps, kind="stable")[-(_MOST_WINDOWS - 1) :])
    firsts, lasts = ts_us[[0, *(ends + 1)]], ts_us[[*ends, -1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _has(ts_us: Instants, first_us: int, last_us: int) -> bool:
    return bool(np.searchsorted(ts_us, first_us) < np.searchsorted(ts_us, last_us, side="right"))
