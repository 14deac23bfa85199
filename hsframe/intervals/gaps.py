"""Warnings about what the values over intervals lack: samples close enough together, or a share that is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import numpy as np

from hsframe.caller_warnings import warn_caller
from hsframe.columns import NumberColumn
from hsframe.errors import GapWarning, ReadWarning
from hsframe.frame.flags import FLAG_DTYPE, flag_codes
from hsframe.frame.histories import History
from hsframe.intervals.regular import Intervals
from hsframe.intervals.rules import Rule
from hsframe.protocol.answers import named
from hsframe.spans import from_epoch_us
from hsframe.zones import zone


def warn_of_gaps(histories: Sequence[History], results: Sequence[tuple[Rule, History]], *, sign: str = "@") -> None:
    """Warn of points that have samples but no value: all of them too far apart, or too few in each interval.

    `histories` are as they were read, `results` what :func:`hsframe.intervals.resample.interval_histories` made of them
    by the rules that come with them. `sign` is what stands before the ids in a message.
    """
    empty = {
        result.point.id: (rule, result)
        for rule, result in results
        if not rule.in_part and _is_empty(result)  # else the condition of a part may never have held in an interval
    }
    parts: dict[str, list[History]] = {ident: [] for ident in empty}
    for history in histories:
        if history.point.id in empty:
            parts[history.point.id].append(history)
    lacking = []
    for (rule, result), own in zip(empty.values(), parts.values(), strict=True):
        codes = np.concatenate([flag_codes(part.values) for part in own])
        is_sample = codes != FLAG_DTYPE.categories.get_loc("null")
        ts_us, first = np.unique(np.concatenate([part.ts_us for part in own])[is_sample], return_index=True)
        has_value = codes[is_sample][first] < 0
        is_gap = has_value[1:] & has_value[:-1]  # beside NA nothing is bridged
        steps = np.diff(ts_us)[is_gap]
        longest_us, is_covered = int(steps.max(initial=0)), False
        is_apart = bool(rule.after_us and len(steps) and steps.min() > rule.gap_us)
        if not is_apart and len(result.ts_us) > 1 and result.over is not None:  # a person sees that one row is missing
            starts_us, ends_us = result.ts_us, result.over.ends_us
            is_inside = (ts_us >= starts_us[0]) & (ts_us < ends_us[-1])
            inside = ts_us[is_inside]
            longest_us = int(np.diff(ts_us)[is_gap & is_inside[1:] & is_inside[:-1]].max(initial=0))
            # Of a history that begins late or ends early no interval is covered, and no setting would help.
            if len(inside) and not rule.is_step:
                is_begun, is_over = starts_us >= inside[0] - rule.gap_us, ends_us <= inside[-1] + rule.gap_us
                is_covered = bool((is_begun & is_over).any())
            is_covered |= longest_us > rule.gap_us
        if is_apart or is_covered:
            gap = timedelta(microseconds=longest_us * (rule.bridges and longest_us > rule.gap_us))
            lacking.append((rule.covers and not is_apart, result.point, gap))
    if not lacking:
        return
    is_known_in_part, point, longest = lacking[0]
    name, ways = sign + point.id, []
    what = f"the longest gap of {name} is {longest}" if longest else "samples that are NA, left out or not read"
    if longest:
        ways.append(f"bridge such gaps, as in max_gap={{{name!r}: '{longest // timedelta(hours=1) + 1}h'}}")
    if is_known_in_part:
        ways.append(f"take what is there, with min_coverage={0.5 if longest else 0.9}")
    warn_caller(
        f"{_share(lacking, results)} have samples and no value in any interval, since each interval lacks some: "
        f"{named([sign + str(one).removeprefix('@') for _, one, _ in lacking])}; {what}"
        + "; " * bool(ways)
        + ", or ".join(ways),
        GapWarning,
    )


def _is_empty(result: History) -> bool:
    values = result.values
    return isinstance(values, NumberColumn) and bool(np.isnan(values.values.to_numpy(zero_copy_only=False)).all())


def warn_of_ends(histories: Sequence[History], results: Sequence[tuple[Rule, History]]) -> None:
    """Warn of meters in a frame whose readings reach both ends of no interval: as of a total over what was read."""
    for rule, result in results:
        if rule.agg != "delta" or result.over is None or not _is_empty(result):
            continue
        own = [one.ts_us[flag_codes(one.values) < 0] for one in histories if one.point.id == result.point.id]
        ts_us = np.unique(np.concatenate(own))
        if len(ts_us) < 2 or (ts_us[0] <= result.ts_us[0] and ts_us[-1] >= result.over.ends_us[-1]):
            continue
        first, last = (from_epoch_us(int(us), zone(result.point.tz or "UTC")).isoformat() for us in ts_us[[0, -1]])
        warn_caller(
            f"the delta of {result.point.id} is missing, since it needs a reading at both ends, and the readings are "
            f"from {first} to {last}: read with boundary='both', which has those around the span too",
            GapWarning,
        )


def _share(some: Collection[object], results: Sequence[tuple[Rule, History]]) -> str:
    return f"{len(some)} of {len({one.point.id for _, one in results})} points"


def warn_of_meters(results: Sequence[tuple[Rule, History]]) -> None:
    """Warn of sums that may be of a part of their interval, and of false readings that were left out."""
    unknown = [one.point for rule, one in results if rule.agg == "sum" and not rule.interval_us]
    if unknown:
        warn_caller(
            f"whether the sums of {_share(unknown, results)} are of whole intervals is unknown, since "
            f"their records do not say how often they are sampled (hisInterval): {named(unknown)}; "
            "where samples are missing the sum is too small. Compare with agg='count'",
            GapWarning,
        )
    places = [(one.point, us) for _, one in results if one.over for us in one.over.doubtful_us]
    if places:
        local = ((point.id, from_epoch_us(us, zone(point.tz or "UTC"))) for point, us in places[:5])
        instants = ", ".join(f"@{ident} at {when.isoformat()}" for ident, when in local)
        meters = {point.id for point, _ in places}
        warn_caller(
            f"{len(places)} readings of {_share(meters, results)} add more than ten times what their meter "
            f"usually does, near a drop that counts as a reset or a roll-over: {instants}"
            f"{', ...' if len(places) > 5 else ''}; if they are false, the deltas there are far too large. Look at the "
            "samples: rollover=False lets a false drop and what follows it cancel out, and a longer max_gap leaves out "
            "false readings that stay the same for longer",
            ReadWarning,
        )
    if odd := {one.point: one.over.spikes for _, one in results if one.over and one.over.spikes}:
        warn_caller(
            f"{sum(odd.values())} readings of {_share(odd, results)} are left out, since no "
            f"meter counts up to them and back, as zeros in between are: {named(list(odd))}; "
            "df.hs.catalog has how many of each",
            ReadWarning,
        )


def warn_of_start(interval: object, grids: Mapping[str, Intervals], starts_us: Mapping[str, int], now_us: int) -> None:
    """Warn of a span whose first days are in no row, and say whether its last row is over at `now_us`.

    The rows and the starts of the spans are by the Haystack name of the zone.
    """
    if late := [tz for tz, grid in grids.items() if grid.start_us > starts_us[tz]]:
        tz = late[0]
        begin, first, last = (
            from_epoch_us(us, zone(tz)).isoformat()
            for us in (starts_us[tz], grids[tz].start_us, int(grids[tz].labels_us[-1]))
        )
        is_open = f", and the last row, from {last} on, is not over yet" * (grids[tz].end_us > now_us)
        warn_caller(
            f"interval={interval!r}: the span begins at {begin} and its first row at {first}; what is between is in no "
            f"row{is_open}. edges='partial' gives it a row, edges='whole' leaves it out without this warning; the rows "
            "of a span as 'last14wholeDays' are whole and over",
            GapWarning,
        )
