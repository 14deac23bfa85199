"""Reads the histories of points over a span, each sample once.

How requests are divided and sent, within the limits of the server, is in :mod:`hsframe.history.planner`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, TypedDict, Unpack

from hsframe.errors import HsFrameError, NetworkError
from hsframe.frame.histories import History
from hsframe.history.his_answers import warn_of_units
from hsframe.history.plan import RequestLimits, Window, groups_of
from hsframe.history.planner import Planner
from hsframe.history.point_records import PointRecord, with_zones
from hsframe.history.source import Progress, Source, WholeSource
from hsframe.kinds import Ref
from hsframe.protocol.answers import named
from hsframe.spans import Span, SpanLike, epoch_us, resolve

_LIMITS: Final = RequestLimits()


class ReadOptions(TypedDict, total=False):
    """What may be given by name to each read of histories; :func:`read_batches` describes it."""

    now: datetime | None
    week_start: str
    limits: RequestLimits
    failures: dict[str, HsFrameError] | None
    progress: Progress | None


async def read_batches(
    source: Source,
    records: Sequence[PointRecord],
    span: SpanLike | Mapping[str, Span],
    *,
    now: datetime | None = None,
    week_start: str = "monday",
    limits: RequestLimits = _LIMITS,
    failures: dict[str, HsFrameError] | None = None,
    progress: Progress | None = None,
) -> AsyncGenerator[list[History], None]:
    """Yield the histories of points over a span, each sample once, one batch of points at a time.

    Only a few batches are in memory, however many points there are. The read is complete only if the loop ends without
    an error. To leave the loop early, use ``contextlib.aclosing``.

    `records` must not name a point twice. Each point has at least one history, all in one batch and in order of time.
    The span is half-open, dates being whole days, in each point's own zone (:mod:`hsframe.spans`), or one for each
    zone by its name. Errors of single points are put in `failures`, by id; points that are in it already are not read.
    If it is None, the first error is raised; a refused login (AuthError) is always raised.
    """
    now = now or datetime.now(UTC)
    now_us = epoch_us(now)

    def window(tz: str) -> Window:
        one = span[tz] if isinstance(span, Mapping) else resolve(span, tz, now, week_start=week_start)
        return Window.of(one, now_us)

    groups = groups_of(await with_zones(source, records), window)
    if isinstance(source, WholeSource):
        for group in groups:
            yield await source.histories([record.point for record in group.records], *group.window.ends_us)
        return
    planner = Planner(source, limits, now_us, failures, progress or Progress())
    async with aclosing(planner.batches(groups)) as batches:
        async for histories in batches:
            yield histories


async def read_histories(
    source: Source, records: Sequence[PointRecord], span: SpanLike | Mapping[str, Span], **options: Unpack[ReadOptions]
) -> list[History]:
    """All histories that :func:`read_batches` yields, in the order of `records`."""
    by_id: dict[str, list[History]] = {}
    try:
        async with aclosing(read_batches(source, records, span, **options)) as batches:
            async for histories in batches:
                for history in histories:
                    by_id.setdefault(history.point.id, []).append(history)
    except NetworkError as error:
        if error.is_final and len(records) > 1:
            unread = [Ref(record.id) for record in records if record.id not in by_id]
            error.args = (f"{error}; {len(by_id)} of {len(records)} points had been read, not {named(unread)}",)
        raise
    failures = options.get("failures") or {}
    found = [history for record in records if record.id not in failures for history in by_id[record.id]]
    warn_of_units(found)
    return found
