"""Reads the samples for values over regular intervals: those inside, and those before and after that are needed too.

How far before and after depends on the rule of each point (:mod:`hsframe.intervals.rules`). To interpolate, it is
the longest gap that may be bridged. A value that holds until it changes may have been written long ago: then the last
sample before the intervals is searched (:mod:`hsframe.history.read`).
"""

from __future__ import annotations

from collections.abc import Sequence

from hsframe.client.in_thread import in_thread
from hsframe.frame.histories import History
from hsframe.frame.points import ColumnLabel
from hsframe.frame.values import null_mask
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord, with_zones
from hsframe.history.read import FIRST_DEPTH_US, nearest_samples, read_histories, span_of
from hsframe.history.source import Source
from hsframe.intervals.gaps import warn_of_gaps, warn_of_meters, warn_of_start
from hsframe.intervals.regular import intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, rules_of
from hsframe.spans import SpanLike
from hsframe.zones import zone


async def read_intervals(
    source: Source,
    records: Sequence[PointRecord],
    span: SpanLike,
    settings: IntervalSettings,
    labels: Sequence[ColumnLabel],
    options: ReadOptions,
) -> list[History]:
    """The histories of some points, one value per interval.

    A point has one history for each of its aggregations and states; its samples are read and searched once for all.

    A span without an end ends now. `labels` are those of the points' columns, because the mappings in `settings` may
    use them. A setting that makes no sense for a point is refused before any history is read, as far as its record
    shows. What the values lack is warned of (:mod:`hsframe.intervals.gaps`).
    """
    now_us, step = options.now_us, parse_step(settings.interval, options.week_start)
    points = [record.point for record in records]
    samplings = [PointSampling.from_record(record.tags) for record in records]
    rules = rules_of(points, samplings, labels, settings)
    rules_by_id = {point.id: own for point, own in zip(points, rules, strict=True)}
    records = await with_zones(source, records)
    spans = options.spans(span, (one.tz for one in records))
    partial = settings.edges == "partial"
    grids = {}
    for tz, one in spans.items():
        end_us = now_us if one.end_us is None else one.end_us
        grids[tz] = intervals(one.start_us, end_us, step, zone(tz), partial=partial, now_us=now_us)
    if settings.edges is None and not step.elapsed_us:
        warn_of_start(settings.interval, grids, {tz: one.start_us for tz, one in spans.items()})

    windows: dict[tuple[int, int], list[PointRecord]] = {}
    searches: dict[int, list[tuple[PointRecord, int]]] = {}
    for record in records:
        own, grid = rules_by_id[record.id], grids[record.tz]
        held = [rule for rule in own if rule.holds and rule.before_us]
        # One window for all aggregations of a point: the widest that any of them needs.
        before_us = max(min(rule.before_us, FIRST_DEPTH_US) if rule in held else rule.before_us for rule in own)
        after_us = max(rule.after_us for rule in own)
        if held:
            gap_us = max(rule.gap_us for rule in held)
            if grid.end_us > now_us:
                after_us = max(after_us, gap_us)  # a sample in the future holds until the next one
            # A start at the first instant is one if false had held up to it.
            until_us = grid.start_us - any(rule.agg == "starts" for rule in held)
            searches.setdefault(gap_us, []).append((record, until_us))
        windows.setdefault((grid.start_us - before_us, grid.end_us + after_us), []).append(record)

    found: dict[str, list[History]] = {record.id: [] for record in records}
    for (start_us, end_us), some in windows.items():
        for history in await read_histories(source, some, span_of(start_us, end_us), options):
            found[history.point.id].append(history)
    starts_us = {tz: grid.start_us for tz, grid in grids.items()}
    for gap_us, pairs in searches.items():
        some = [record for record, until_us in pairs if not _has_sample(found[record.id], until_us)]
        for history in await nearest_samples(source, some, starts_us, gap_us, options, searched_us=FIRST_DEPTH_US):
            found[history.point.id].insert(0, history)

    read = [history for record in records if not options.has_failed(record.id) for history in found[record.id]]

    def resampled() -> list[History]:
        results = interval_histories(read, grids, rules_by_id, now_us=now_us, several=settings.several)
        warn_of_gaps(read, results)
        warn_of_meters(results)
        return [history for _, history in results]

    return await in_thread(resampled)


def _has_sample(histories: Sequence[History], until_us: int) -> bool:
    return any(bool(((one.ts_us <= until_us) & ~null_mask(one.values)).any()) for one in histories)
