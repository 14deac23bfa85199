"""Reads the histories of points over a span, each sample once; with what is around it, or as values over intervals.

How requests are divided and sent, within the limits of the server, is in :mod:`hsframe.history.planner`. The last
sample before an instant, or the first one after, may be far away: each search reaches further than the one before, and
only for the points that have no sample so far.

How far before and after an interval samples are needed depends on the rule of each point
(:mod:`hsframe.intervals.rules`). To interpolate, it is the longest gap that may be bridged. A value that holds until it
changes may have been written long ago: then the last sample before the intervals is searched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC
from typing import Final, Literal

import numpy as np
import pandas as pd

from hsframe.client.in_thread import in_thread
from hsframe.durations import DAY_US, HOUR_US
from hsframe.errors import MetadataError, NetworkError
from hsframe.frame.histories import History
from hsframe.frame.points import ColumnLabel
from hsframe.frame.values import null_mask
from hsframe.history.his_answers import warn_of_rounding, warn_of_units
from hsframe.history.plan import GUESSED_ROWS_A_DAY, ReadOptions, Window, groups_of
from hsframe.history.planner import Planner
from hsframe.history.point_records import PointRecord, find_records, with_zones
from hsframe.history.source import Source, WholeSource
from hsframe.intervals.conditions import conditions_of, parse_condition, truth_of, windows_of
from hsframe.intervals.gaps import warn_of_gaps, warn_of_meters, warn_of_start
from hsframe.intervals.regular import Intervals, intervals, parse_step
from hsframe.intervals.resample import interval_histories
from hsframe.intervals.rules import IntervalSettings, PointSampling, Rule, rule_of_time, rules_of
from hsframe.intervals.truth import Truth
from hsframe.kinds import Ref
from hsframe.protocol.answers import named
from hsframe.spans import FIRST, LAST, Span, SpanLike, epoch_us, from_epoch_us
from hsframe.zones import zone

FIRST_DEPTH_US: Final = DAY_US
# How far each search reaches; the last one, after these, reaches as far as the caller allows.
_DEPTHS_US: Final = (FIRST_DEPTH_US, 8 * DAY_US, 40 * DAY_US, 400 * DAY_US)
_AROUND_US: Final = HOUR_US
BOUNDARY_REACH_US: Final = 400 * DAY_US

Boundary = Literal["none", "before", "both"]


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
    warn_of_rounding(found)
    return found


async def read_with_boundary(
    source: Source, records: Sequence[PointRecord], span: SpanLike, boundary: Boundary, options: ReadOptions
) -> list[History]:
    """The histories of a span, with the last sample before it and, for ``"both"``, the first one from its end on.

    These are searched for up to 400 days away; the read of the span itself has an hour around it, where most points
    have one. Else as :func:`read_histories`.
    """
    now_us, records = options.now_us, await with_zones(source, records)
    zones = {record.id: record.tz for record in records}
    spans = options.spans(span, zones.values())
    read = await read_histories(source, records, {tz: _around(one, boundary) for tz, one in spans.items()}, options)

    async def beside(at_us: Mapping[str, int], after: bool, *depths_us: int) -> list[History]:
        own = [(one, at_us[tz]) for one in read if (tz := zones[one.point.id]) in at_us]
        near = _nearest_of([one.clip(us, None) if after else one.clip(None, us) for one, us in own], after)
        left = [record for record in records if record.tz in at_us and record.id not in near]
        more = await nearest_samples(
            source, left, at_us, BOUNDARY_REACH_US, options, is_after=after, searched_us=_AROUND_US, depths_us=depths_us
        )
        return [*near.values(), *more]

    found = await beside({tz: one.start_us for tz, one in spans.items()}, False, *_DEPTHS_US)
    own_spans = [spans[zones[one.point.id]] for one in read]
    found += [one.clip(own.start_us, own.end_us) for one, own in zip(read, own_spans, strict=True)]
    ends_us = {tz: one.end_us for tz, one in spans.items() if one.end_us is not None and boundary == "both"}
    found += await beside({tz: us for tz, us in ends_us.items() if us <= now_us}, True, *_DEPTHS_US)
    # What is after the present is empty, but for forecasts: one search is enough.
    found += await beside({tz: us for tz, us in ends_us.items() if us > now_us}, True)
    places = {record.id: place for place, record in enumerate(records)}
    kept = [history for history in found if not options.has_failed(history.point.id)]
    return sorted(kept, key=lambda history: places[history.point.id])  # of one point in order of time, as they were


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
        warn_of_start(settings.interval, grids, {tz: one.start_us for tz, one in spans.items()}, now_us)

    where = None
    if settings.where is not None:
        conditions = conditions_of(settings.where)
        where = Truth.all_of([await _where(source, one, grids.values(), options) for one in conditions])
    found = await _samples_for(source, records, rules_by_id, grids, options)
    for record in records:
        end_us, after_us = grids[record.tz].end_us, max(rule.after_us for rule in rules_by_id[record.id])
        lasts_us = [int(one.ts_us.max()) for one in found[record.id] if len(one.ts_us)]
        if lasts_us and end_us - after_us <= max(lasts_us) < end_us:
            options.open_ends.add(record.id)
    read = [history for record in records if not options.has_failed(record.id) for history in found[record.id]]

    def resampled() -> list[History]:
        results = interval_histories(read, grids, rules_by_id, now_us=now_us, several=settings.several, where=where)
        warn_of_gaps(read, results)
        warn_of_meters(results)
        return [history for _, history in results]

    return await in_thread(resampled)


async def _samples_for(
    source: Source,
    records: Sequence[PointRecord],
    rules_by_id: Mapping[str, Sequence[Rule]],
    grids: Mapping[str, Intervals],
    options: ReadOptions,
) -> dict[str, list[History]]:
    """The samples by id that the rules of some points need of what is in the intervals and around them."""
    now_us = options.now_us
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
        some = [
            record
            for record, until_us in pairs
            if not any(((one.ts_us <= until_us) & ~null_mask(one.values)).any() for one in found[record.id])
        ]
        for history in await nearest_samples(source, some, starts_us, gap_us, options, searched_us=FIRST_DEPTH_US):
            found[history.point.id].insert(0, history)
    return found


async def _where(source: Source, where: object, grids: Collection[Intervals], options: ReadOptions) -> Truth:
    """When a condition holds, over all of the grids. Without its point there is no answer, so its error is raised."""
    if isinstance(where, pd.DataFrame):
        return Truth.of_windows(windows_of(where))
    name = parse_condition(where)[0]
    records = await with_zones(source, await find_records(source, name))
    if len(records) > 1:
        raise MetadataError(
            f"where={where!r} is of {len(records)} points: {named([Ref(record.id) for record in records])}; name one"
        )
    (record,), options = records, replace(options, failures=None)
    rule = rule_of_time(PointSampling.from_record(record.tags))
    edges_us = np.array([min(grid.start_us for grid in grids), max(grid.end_us for grid in grids)])
    found = await _samples_for(source, records, {record.id: [rule]}, {record.tz: Intervals.of(edges_us)}, options)
    return await in_thread(truth_of, found[record.id], where, rule, options.now_us)


def _around(span: Span, boundary: Boundary) -> Span:
    """A span with some time before it and, for ``"both"``, after it, where most points have a sample."""
    start_us, end_us = span.start_us - _AROUND_US, span.end_us
    if end_us is None:
        return Span(span_of(start_us, start_us).start, None)
    return span_of(start_us, end_us + _AROUND_US * (boundary == "both"))


async def nearest_samples(
    source: Source,
    records: Sequence[PointRecord],
    from_us: Mapping[str, int],
    reach_us: int,
    options: ReadOptions,
    *,
    is_after: bool = False,
    searched_us: int = 0,
    depths_us: Sequence[int] = _DEPTHS_US,
) -> list[History]:
    """The last sample of each point before an instant, or the first one at or after it, at most `reach_us` away.

    `from_us` has the instant for each zone; the next `searched_us` are known to be empty. NA counts as a sample.
    A point without one is left out. Records must have zones; else as :func:`read_batches`.
    """
    found: dict[str, History] = {}
    steps_us = sorted({*(depth for depth in depths_us if searched_us < depth < reach_us), reach_us})
    if source.dialect.his_read_batch is False:  # each step is a request for each point that is left: fewer, wider ones
        steps_us = sorted({*steps_us[: searched_us == 0], *steps_us[::-2]})
    for depth_us in steps_us:
        some = [record for record in records if record.id not in found]
        if searched_us > 0 or not depths_us:  # few samples are expected: so each may share a batch with many others
            few = [max(1.0, (record.rows_a_day or GUESSED_ROWS_A_DAY) / 10) for record in some]
            some = [replace(one, irregular=False, rows_a_day=rows) for one, rows in zip(some, few, strict=True)]
        if not some or depth_us <= searched_us:
            break
        bounds = (searched_us, depth_us) if is_after else (-depth_us, -searched_us)
        spans = {tz: span_of(at_us + bounds[0], at_us + bounds[1]) for tz, at_us in from_us.items()}
        found |= _nearest_of(await read_histories(source, some, spans, options), is_after)
        searched_us = depth_us
    return list(found.values())


def span_of(start_us: int, end_us: int) -> Span:
    """The span between two instants, as far as the calendar goes."""
    start_us, end_us = (min(max(us, epoch_us(FIRST)), epoch_us(LAST)) for us in (start_us, end_us))
    return Span(from_epoch_us(start_us, UTC), from_epoch_us(end_us, UTC))


def _nearest_of(histories: Sequence[History], is_after: bool) -> dict[str, History]:
    """By id the first or the last sample that some histories have of each point; a point without one is left out."""
    seen: dict[str, History] = {}
    for history in histories:
        one, known = _nearest(history, is_after), seen.get(history.point.id)
        if one is not None and (known is None or (one.ts_us[0] >= known.ts_us[0]) != is_after):
            seen[history.point.id] = one
    return seen


def _nearest(history: History, is_after: bool) -> History | None:
    """The last or the first sample of a history; of two rows at one instant, the later row."""
    kept = np.flatnonzero(~null_mask(history.values))[::-1]
    if not len(kept):
        return None
    instants = history.ts_us[kept]
    place = int(kept[int(np.argmin(instants) if is_after else np.argmax(instants))])
    return History(history.point, history.ts_us[place : place + 1], history.values[place : place + 1])
