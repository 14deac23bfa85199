"""Reads the samples for values over regular intervals: those inside, and those before and after that are needed too.

How far before and after depends on the rule of each point (:mod:`hsframe.intervals.rules`). To interpolate, it is
the longest gap that may be bridged. A value that holds until it changes may have been written long ago: then the last
sample before the intervals is searched (:mod:`hsframe.history.last_samples`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Unpack

from hsframe.client.in_thread import in_thread
from hsframe.frame.histories import History
from hsframe.frame.trend import Header, labels_of
from hsframe.frame.values import null_mask
from hsframe.history.last_samples import FIRST_DEPTH_US, last_samples, span_of
from hsframe.history.point_records import PointRecord, with_zones
from hsframe.history.read import ReadOptions, read_histories
from hsframe.history.source import Source
from hsframe.intervals.gaps import warn_of_gaps, warn_of_meters, warn_of_start
from hsframe.intervals.regular import intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, rules_of
from hsframe.spans import SpanLike, epoch_us, resolve
from hsframe.zones import zone


async def read_intervals(
    source: Source,
    records: Sequence[PointRecord],
    span: SpanLike,
    settings: IntervalSettings,
    header: Header,
    **options: Unpack[ReadOptions],
) -> list[History]:
    """The histories of some points, one value per interval (:mod:`hsframe.intervals.rules` says which).

    The options are those of :func:`hsframe.history.read.read_batches`; a span without an end ends now. `header`
    says how the columns will be named, because the mappings in `settings` may use these names. A setting that makes no
    sense for a point is refused before any history is read, as far as its record shows. What the values lack is warned
    of (:mod:`hsframe.intervals.gaps`).
    """
    options["now"] = now = datetime.now(UTC)
    now_us, week_start = epoch_us(now), options.get("week_start", "monday")
    step = parse_step(settings.interval, week_start)
    points = [record.point for record in records]
    samplings = [PointSampling.from_record(record.tags) for record in records]
    rules = rules_of(points, samplings, labels_of(points, header), settings)
    rule_by_id = {point.id: rule for point, rule in zip(points, rules, strict=True)}
    records = await with_zones(source, records)
    spans = {tz: resolve(span, tz, now, week_start=week_start) for tz in dict.fromkeys(one.tz for one in records)}
    partial = settings.edges == "partial"
    grids = {
        tz: intervals(one.start_us, now_us if one.end_us is None else one.end_us, step, zone(tz), partial=partial)
        for tz, one in spans.items()
    }
    if settings.edges is None and not step.elapsed_us:
        warn_of_start(settings.interval, grids, {tz: one.start_us for tz, one in spans.items()})

    windows: dict[tuple[int, int], list[PointRecord]] = {}
    searches: dict[int, list[PointRecord]] = {}
    for record in records:
        rule, grid = rule_by_id[record.id], grids[record.tz]
        before_us, after_us = rule.before_us, rule.after_us
        if rule.holds and grid.end_us > now_us:
            after_us = max(after_us, rule.gap_us)  # a sample in the future holds until the next one
        if rule.holds and before_us:
            before_us = min(before_us, FIRST_DEPTH_US)
            searches.setdefault(rule.gap_us, []).append(record)
        windows.setdefault((grid.start_us - before_us, grid.end_us + after_us), []).append(record)

    found: dict[str, list[History]] = {record.id: [] for record in records}
    for (start_us, end_us), some in windows.items():
        for history in await read_histories(source, some, span_of(start_us, end_us), **options):
            found[history.point.id].append(history)
    starts_us = {tz: grid.start_us for tz, grid in grids.items()}
    for gap_us, some in searches.items():
        some = [record for record in some if not _has_sample(found[record.id], starts_us[record.tz])]
        for history in await last_samples(source, some, starts_us, gap_us, searched_us=FIRST_DEPTH_US, **options):
            found[history.point.id].insert(0, history)

    failures = options.get("failures") or {}
    read = [history for record in records if record.id not in failures for history in found[record.id]]

    def resampled() -> list[History]:
        results = interval_histories(read, grids, rule_by_id, now_us=now_us)
        warn_of_gaps(read, results, rule_by_id)
        warn_of_meters(results, rule_by_id)
        return results

    return await in_thread(resampled)


def _has_sample(histories: Sequence[History], until_us: int) -> bool:
    return any(bool(((one.ts_us <= until_us) & ~null_mask(one.values)).any()) for one in histories)
