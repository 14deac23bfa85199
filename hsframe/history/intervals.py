"""Reading what regular intervals need: the samples in them, and those around them that decide about their edges.

How far around depends on the rule of each point (:mod:`hsframe.intervals.resample`). For a line between samples it is
the longest gap that may be bridged. A value that holds until it changes may have been written long ago: the last sample
before the intervals is looked for in windows that reach further and further back, for those points only that had none
in the nearer ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Unpack

import numpy as np

from hsframe.caller_warnings import caution
from hsframe.columns import NumberColumn
from hsframe.durations import DAY_US, Duration
from hsframe.errors import GapWarning
from hsframe.frame.histories import History, Instants
from hsframe.frame.trend import Header, labels_of
from hsframe.frame.values import null_mask
from hsframe.history.read import HowToRead, read_histories, with_zones
from hsframe.history.windows import GUESSED_ROWS_A_DAY, Target
from hsframe.intervals.regular import Intervals, Step, intervals, parse_step
from hsframe.intervals.resample import Aggregation, Nature, Rule, rules_of
from hsframe.intervals.rollup import interval_histories
from hsframe.kinds import Number
from hsframe.spans import Span, SpanLike, epoch_us, from_epoch_us, resolve
from hsframe.zones import zone

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["Shaping", "last_samples", "read_around", "read_intervals"]

# How far back each search for a last sample reaches; after the last of them as far as is allowed.
_DEPTHS_US: Final = (DAY_US, 8 * DAY_US, 40 * DAY_US, 400 * DAY_US)


@dataclass(frozen=True, slots=True)
class Shaping:
    """What a caller says of the intervals; the parameters are those of :meth:`hsframe.Session.his_read`."""

    interval: Duration
    agg: Aggregation | Mapping[str, Aggregation] | None = None
    max_gap: Duration | Mapping[str, Duration] | None = None
    min_coverage: float | None = None
    rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = None


async def read_intervals(
    client: Client,
    targets: Sequence[Target],
    span: SpanLike,
    shaping: Shaping,
    *,
    header: Header = "dis",
    now: datetime | None = None,
    week_start: str = "monday",
    **how: Unpack[HowToRead],
) -> list[History]:
    """The histories of some points, a value an interval (:mod:`hsframe.intervals.resample` says which).

    Parameters
    ----------
    client, targets, span, now, week_start, **how
        As for :func:`read_around`.
    shaping : Shaping
    header : {"dis", "id"} or callable
        How the columns will be called: the mappings in `shaping` may name them so.

    Returns
    -------
    list of History
        A point each, in the order of `targets`.

    Raises
    ------
    MetadataError, UnitError
        What is asked for has no meaning for a point, or nothing says what is meant; before anything is read as far as
        the records tell.
    SpanError
        The interval is none, or none starts in the span. Else as :func:`hsframe.history.read.read_histories`.

    Warns
    -----
    GapWarning
        Points that have samples and no value, because their samples are further apart than `max_gap`.
    """
    now = now or datetime.now(UTC)
    step = parse_step(shaping.interval, week_start)
    points = [target.point for target in targets]
    rules = rules_of(
        points,
        [Nature.from_record(target.record) for target in targets],
        labels_of(points, header),
        agg=shaping.agg,
        max_gap=shaping.max_gap,
        min_coverage=shaping.min_coverage,
        rollover=shaping.rollover,
    )
    by_id = {point.id: rule for point, rule in zip(points, rules, strict=True)}
    histories, grids = await read_around(client, targets, span, step, by_id, now=now, week_start=week_start, **how)
    results = interval_histories(histories, grids, by_id, now_us=epoch_us(now))
    _warn_of_gaps(histories, results, by_id)
    return results


def _warn_of_gaps(histories: Sequence[History], results: Sequence[History], rules: Mapping[str, Rule]) -> None:
    """Say which points have samples and yet no value, because no two of them are near enough to one another."""
    empty = {
        result.point.id: result.point
        for result in results
        if rules[result.point.id].after_us
        and isinstance(result.values, NumberColumn)
        and bool(np.isnan(result.values.values.to_numpy(zero_copy_only=False)).all())
    }
    instants: dict[str, list[Instants]] = {ident: [] for ident in empty}
    for history in histories:
        if history.point.id in empty:
            instants[history.point.id].append(history.ts_us[~null_mask(history.values)])
    apart = []
    for ident, parts in instants.items():
        steps = np.diff(np.unique(np.concatenate(parts)))
        if len(steps) and int(steps.min()) > rules[ident].gap_us:
            apart.append((empty[ident], timedelta(microseconds=int(np.median(steps)))))
    if apart:
        point, usual = apart[0]
        caution(
            f"{len(apart)} of {len(results)} points have samples and no value in any interval, since their samples are "
            f"further apart than max_gap: {', '.join('@' + point.id for point, _ in apart[:5])}"
            f"{', ...' if len(apart) > 5 else ''}; those of @{point.id} are {usual} apart, so give a longer one, as in "
            f"max_gap={{'@{point.id}': '7D'}}",
            GapWarning,
        )


async def read_around(
    client: Client,
    targets: Sequence[Target],
    span: SpanLike,
    step: Step,
    rules: Mapping[str, Rule],
    *,
    now: datetime | None = None,
    week_start: str = "monday",
    **how: Unpack[HowToRead],
) -> tuple[list[History], dict[str, Intervals]]:
    """The histories of some points over the intervals of a span, and as far around them as their rules reach.

    Parameters
    ----------
    client : Client
    targets : sequence of Target
    span : str, date, datetime, (start, end) or Span
        As for :func:`hsframe.history.read.read_histories`; one without an end ends now.
    step : Step
        How long the intervals are, in each point's own zone.
    rules : mapping of id to Rule
    now : datetime, optional
        Aware; the present by default.
    week_start : str
        The day on which the weeks of `span` start; those of `step` have their own.
    **how
        See :class:`hsframe.history.read.HowToRead`.

    Returns
    -------
    histories : list of History
        In the order of `targets`; windows of a point may follow one another in any order.
    grids : dict of str to Intervals
        By the zones of the points.

    Raises
    ------
    SpanError
        No interval starts in the span. Else as :func:`hsframe.history.read.read_histories`.
    """
    now = now or datetime.now(UTC)
    zoned = await with_zones(client, targets)
    grids: dict[str, Intervals] = {}
    for tz in dict.fromkeys(target.tz for target in zoned):
        window = resolve(span, tz, now, week_start=week_start)
        end_us = epoch_us(now) if window.end_us is None else window.end_us
        grids[tz] = intervals(window.start_us, end_us, step, zone(tz))
    windows: dict[tuple[int, int], list[Target]] = {}
    searches: dict[int, list[Target]] = {}
    for target in zoned:
        rule, grid = rules[target.point.id], grids[target.tz]
        after_us = rule.after_us
        if rule.holds and grid.end_us > epoch_us(now):
            after_us = max(after_us, rule.gap_us)  # samples of the future hold until the next one, too
        before_us = rule.before_us
        if rule.holds and before_us:
            before_us = min(before_us, _DEPTHS_US[0])
            searches.setdefault(rule.gap_us, []).append(target)
        windows.setdefault((grid.start_us - before_us, grid.end_us + after_us), []).append(target)
    found: dict[str, list[History]] = {target.point.id: [] for target in zoned}
    for (start_us, end_us), group in windows.items():
        for history in await read_histories(client, group, _span(start_us, end_us), now=now, **how):
            found[history.point.id].append(history)
    starts_us = {tz: grid.start_us for tz, grid in grids.items()}
    for gap_us, group in searches.items():
        missing = [one for one in group if not _has_sample(found[one.point.id], starts_us[one.tz])]
        for history in await last_samples(client, missing, starts_us, gap_us, done_us=_DEPTHS_US[0], now=now, **how):
            found[history.point.id].insert(0, history)
    return [history for target in zoned for history in found[target.point.id]], grids


def _span(start_us: int, end_us: int) -> Span:
    return Span(from_epoch_us(start_us, UTC), from_epoch_us(end_us, UTC))


def _has_sample(histories: Sequence[History], until_us: int) -> bool:
    return any(bool(((one.ts_us <= until_us) & ~null_mask(one.values)).any()) for one in histories)


async def last_samples(
    client: Client,
    targets: Sequence[Target],
    ends_us: Mapping[str, int],
    reach_us: int,
    *,
    now: datetime,
    done_us: int = 0,
    **how: Unpack[HowToRead],
) -> list[History]:
    """The last sample of each point before an instant.

    Parameters
    ----------
    client : Client
    targets : sequence of Target
        With their zones.
    ends_us : mapping of str to int
        By zone: the sample is before it.
    reach_us : int
        How long before it a sample may be.
    now : datetime
        The present, for the planner.
    done_us : int
        How long before it was looked at already, and nothing found.
    **how
        See :class:`hsframe.history.read.HowToRead`.

    Returns
    -------
    list of History
        One sample each, NA counting as one; points without any are not among them.

    Raises
    ------
    CallError, NetworkError, CodecError, AuthError
        As :func:`hsframe.history.read.read_histories`.
    """
    found: list[History] = []
    missing = list(targets)
    for depth_us in sorted({*(depth for depth in _DEPTHS_US if depth < reach_us), reach_us}):
        if depth_us <= done_us or not missing:
            continue
        windows: dict[int, list[Target]] = {}
        for target in missing:
            windows.setdefault(ends_us[target.tz], []).append(_sparse(target) if done_us else target)
        seen: dict[str, History] = {}
        for end_us, group in windows.items():
            span = _span(end_us - depth_us, end_us - done_us)
            for history in await read_histories(client, group, span, now=now, **how):
                last = _last(history)
                if last is not None and (
                    history.point.id not in seen or last.ts_us[0] >= seen[history.point.id].ts_us[0]
                ):
                    seen[history.point.id] = last
        found += seen.values()
        missing = [target for target in missing if target.point.id not in seen]
        done_us = depth_us
    return found


def _sparse(target: Target) -> Target:
    """A point of which a whole day was empty: few samples are expected, and so it goes well with others in a batch."""
    return replace(target, irregular=False, rows_a_day=max(1.0, (target.rows_a_day or GUESSED_ROWS_A_DAY) / 10))


def _last(history: History) -> History | None:
    """The last sample of a history, the later row where two are at one instant."""
    kept = np.flatnonzero(~null_mask(history.values))
    if not len(kept):
        return None
    instants = history.ts_us[kept]
    place = int(kept[len(kept) - 1 - int(np.argmax(instants[::-1]))])
    return History(history.point, history.ts_us[place : place + 1], history.values[place : place + 1])
