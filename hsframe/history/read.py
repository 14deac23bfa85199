"""Reading histories: points grouped by zone, their spans resolved, and every sample given once.

How the requests are carried out, on servers that each have limits of their own, is in :mod:`hsframe.history.planner`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from hsframe.errors import HsFrameError
from hsframe.frame.histories import History
from hsframe.history.plan import RequestLimits, Window, groups_of
from hsframe.history.planner import Planner
from hsframe.history.progress import Progress
from hsframe.history.records import PointRecord, with_zones
from hsframe.history.source import Source
from hsframe.spans import SpanLike, epoch_us, resolve

__all__ = ["read_batches", "read_histories"]

_LIMITS: Final = RequestLimits()


async def read_batches(
    source: Source,
    records: Sequence[PointRecord],
    span: SpanLike,
    *,
    now: datetime | None = None,
    week_start: str = "monday",
    limits: RequestLimits = _LIMITS,
    failures: dict[str, HsFrameError] | None = None,
    progress: Progress | None = None,
) -> AsyncGenerator[list[History], None]:
    """The histories of some points over a span, each sample once, a batch of points as soon as all of it is there.

    Memory stays at some batches, however many points there are. What is yielded is the whole only if the loop ends
    without an error. Leave early with ``contextlib.aclosing``.

    Each point is given once, and has at least one history. Batches come in any order; in one the windows of a point are
    in order of time. The span is half-open, in each point's own zone (:mod:`hsframe.spans`).

    Errors of points that could not be read are put in `failures`, by id; those that are in it already are not read.
    Such points have no history in what is yielded, not even a part of one. Without it the first error is raised; a
    login that is refused (AuthError) is raised always.
    """
    now = now or datetime.now(UTC)
    now_us = epoch_us(now)
    groups = groups_of(
        await with_zones(source, records), lambda tz: Window.of(resolve(span, tz, now, week_start=week_start), now_us)
    )
    planner = Planner(source, limits, now_us, failures, progress or Progress())
    async with aclosing(planner.batches(groups)) as batches:
        async for histories in batches:
            yield histories


async def read_histories(
    source: Source,
    records: Sequence[PointRecord],
    span: SpanLike,
    *,
    now: datetime | None = None,
    week_start: str = "monday",
    limits: RequestLimits = _LIMITS,
    failures: dict[str, HsFrameError] | None = None,
    progress: Progress | None = None,
) -> list[History]:
    """What :func:`read_batches` yields, gathered, point by point in the order of `records`."""
    by_id: dict[str, list[History]] = {}
    batches = read_batches(
        source, records, span, now=now, week_start=week_start, limits=limits, failures=failures, progress=progress
    )
    async with aclosing(batches):
        async for histories in batches:
            for history in histories:
                by_id.setdefault(history.point.id, []).append(history)
    return [history for record in records if record.id not in (failures or {}) for history in by_id[record.id]]
