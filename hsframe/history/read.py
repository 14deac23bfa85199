"""Reads the histories of points over a span, each sample once.

How requests are divided and sent, within the limits of the server, is in :mod:`hsframe.history.planner`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from hsframe.errors import NetworkError
from hsframe.frame.histories import History
from hsframe.history.his_answers import warn_of_units
from hsframe.history.plan import ReadOptions, Window, groups_of
from hsframe.history.planner import Planner
from hsframe.history.point_records import PointRecord, with_zones
from hsframe.history.source import Source, WholeSource
from hsframe.kinds import Ref
from hsframe.protocol.answers import named
from hsframe.spans import Span, SpanLike


async def read_batches(
    source: Source, records: Sequence[PointRecord], span: SpanLike | Mapping[str, Span], options: ReadOptions
) -> AsyncGenerator[list[History], None]:
    """Yield the histories of points over a span, each sample once, one batch of points at a time.

    Only a few batches are in memory, however many points there are. The read is complete only if the loop ends without
    an error. To leave the loop early, use ``contextlib.aclosing``.

    `records` must not name a point twice. Each point has at least one history, all in one batch and in order of time.
    The span is half-open, dates being whole days, in each point's own zone (:mod:`hsframe.spans`), or one for each
    zone by its name.
    """
    records = await with_zones(source, records)
    spans = span if isinstance(span, Mapping) else options.spans(span, (record.tz for record in records))
    groups = groups_of(records, {tz: Window.of(one, options.now_us) for tz, one in spans.items()}.__getitem__)
    if isinstance(source, WholeSource):
        for group in groups:
            yield await source.histories([record.point for record in group.records], *group.window.ends_us)
        return
    async with aclosing(Planner(source, options).batches(groups)) as batches:
        async for histories in batches:
            yield histories


async def read_histories(
    source: Source, records: Sequence[PointRecord], span: SpanLike | Mapping[str, Span], options: ReadOptions
) -> list[History]:
    """All histories that :func:`read_batches` yields, in the order of `records`."""
    by_id: dict[str, list[History]] = {}
    try:
        async with aclosing(read_batches(source, records, span, options)) as batches:
            async for histories in batches:
                for history in histories:
                    by_id.setdefault(history.point.id, []).append(history)
    except NetworkError as error:
        if error.is_final and len(records) > 1:
            unread = [Ref(record.id) for record in records if record.id not in by_id]
            error.args = (f"{error}; {len(by_id)} of {len(records)} points had been read, not {named(unread)}",)
        raise
    found = [history for record in records if not options.has_failed(record.id) for history in by_id[record.id]]
    warn_of_units(found)
    return found
