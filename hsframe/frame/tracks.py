"""The whole history of each point: its windows put together, in order of time, each instant once.

What is already in order is neither sorted nor copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from hsframe.arrays import Bools, Instants, Places
from hsframe.caller_warnings import warn_caller
from hsframe.errors import ReadWarning
from hsframe.frame.flags import FLAG_DTYPE, flag_codes, has_missing
from hsframe.frame.histories import History, OverIntervals
from hsframe.frame.points import Point
from hsframe.frame.reads import Read, checksum
from hsframe.frame.values import count_differing, kind_of, null_mask, value_array
from hsframe.protocol.answers import named
from hsframe.unit_array.dtype import unit_of_dtype

_COMPARED_ROWS = 1 << 18


@dataclass(slots=True)
class Track:
    """The whole history of one point: instants strictly increasing, and the values as pandas has them.

    `missing` is which of the rows are samples without a value, NA or NaN, which null is not; None if none is, and
    where no frame remembers it.
    """

    point: Point
    ts_us: Instants
    array: Any
    differing: int = 0
    missing: Bools | None = None
    flags: pd.Categorical | None = None
    over: OverIntervals | None = None
    span_us: tuple[int, int] | None = None

    def take(self, rows: Places) -> Track:
        """The track of some of its rows, in their order."""
        flags = None if self.flags is None else self.flags.take(rows)
        missing = None if self.missing is None else self.missing[rows]
        return replace(self, ts_us=self.ts_us[rows], array=self.array.take(rows), missing=missing, flags=flags)


def tracks_of(histories: Iterable[History], *, drop_null: bool, flags: bool = False) -> list[Track]:
    """The whole history of each point, its windows put together; `drop_null`: rows without a sample are left out."""
    by_point: dict[object, list[History]] = {}
    for history in histories:
        # Columns without an id are each a point of their own.
        levels = history.over.levels if history.over else ()
        by_point.setdefault((history.point.id or id(history), levels), []).append(history)
    # The points of a batch share their instants: look at them once.
    batches: dict[tuple[int, ...], list[list[History]]] = {}
    for parts in by_point.values():
        batches.setdefault(tuple(id(part.ts_us) for part in parts), []).append(parts)
    clocks = {key: _clock(batch, drop_null=drop_null) for key, batch in batches.items()}
    return [
        _track(parts, clocks[tuple(id(part.ts_us) for part in parts)], drop_null=drop_null, flags=flags)
        for parts in by_point.values()
    ]


def warn_of_values(tracks: Sequence[Track]) -> None:
    """Warn of values against the records of points, which stay: texts of Numbers, and texts that are no states."""
    numbers = [(one.point, one.array) for one in tracks if one.point.kind == "Number" and one.array.dtype.kind == "O"]
    found = [point for point, cells in numbers if any(isinstance(cell, str) for cell in cells)]
    if found:
        warn_caller(
            f"{len(found)} points of kind Number have texts among their samples: {named(found)}; their columns are no "
            "numbers and have no unit: have the kind in their records checked, or what writes the texts",
            ReadWarning,
        )
    strange = {
        str(track.point): texts
        for track in tracks
        if isinstance(track.array, pd.Categorical)
        and track.point.states
        and (texts := track.array.categories[len(track.point.states) :].tolist())
    }
    if strange:
        names = "; ".join(f"{name}: {', '.join(map(repr, texts[:5]))}" for name, texts in list(strange.items())[:3])
        warn_caller(
            f"{len(strange)} points have values that the tag enum of their records does not list ({names}); they are "
            "categories after those of the tag: have the tag checked, or what writes the values",
            ReadWarning,
        )


def reads_of_tracks(tracks: Sequence[Track]) -> dict[str, Read]:
    """What was read of each point, by its id."""
    found: dict[str, Read] = {}
    for track in tracks:
        one, aggs, span_us = found.get(track.point.id, Read()), {}, track.span_us
        if track.over is not None:
            aggs = {track.over.agg: unit_of_dtype(track.array.dtype)}
            start_us = int(track.ts_us[0])
            span_us = (start_us, int(track.ts_us[: track.over.ended].max(initial=start_us - 1)) + 1)
        spans, rows, missing = tuple[Any, ...](), one.rows, one.missing
        if span_us is not None:
            known = track.ts_us[~np.asarray(pd.isna(track.array), dtype=bool)]
            first, last = (int(known[0]), int(known[-1])) if len(known) else (None, None)
            firsts, lasts = one.spans[0][2:] if one.spans else ((), ())
            spans = ((*span_us, (*firsts, first), (*lasts, last)),)
            rows = (rows or 0) + len(known)
            missing = 0 if track.missing is None else checksum(track.ts_us[track.missing])
        found[track.point.id] = Read({**one.aggs, **aggs}, spans, rows, missing)
    return {ident: one for ident, one in found.items() if ident and (one.aggs or one.spans)}


_Clock: TypeAlias = tuple[Instants, bool, Places | None]


def _clock(batch: Sequence[Sequence[History]], *, drop_null: bool) -> _Clock:
    """The instants of all points of a batch, whether they increase, and the rows that they were taken from."""
    parts = batch[0]
    ts_us = parts[0].ts_us if len(parts) == 1 else np.concatenate([part.ts_us for part in parts])
    if not _increasing(ts_us):
        return ts_us, False, None
    absent = np.array([not drop_null])
    for own in batch:
        if not absent.any():  # each row has a sample of some point
            return ts_us, True, None
        absent = absent & _no_sample(own)
    if not absent.any():
        return ts_us, True, None
    kept = np.flatnonzero(~absent)  # rows in which no point has a sample are left out of a frame
    return ts_us[kept], True, kept


def _no_sample(parts: Sequence[History]) -> Bools:
    masks = [null_mask(part.values) if part.sparse else np.zeros(len(part.values), dtype=bool) for part in parts]
    return np.concatenate(masks)


def _increasing(ts_us: Instants) -> bool:
    return bool(np.all(ts_us[1:] > ts_us[:-1]))


def _track(parts: Sequence[History], clock: _Clock, *, drop_null: bool, flags: bool) -> Track:
    point = parts[0].point
    array = value_array([part.values for part in parts], point.unit, point.kind, point.states)
    if point.kind is None:
        # There was no record: only the values tell the unit and kind.
        kind = kind_of(array)
        point = replace(point, kind=kind, unit=point.unit or unit_of_dtype(array.dtype))
    if (over := parts[0].over) is not None:
        typed = array if over.dtype is None else pd.array(array, dtype=over.dtype)
        return Track(point, parts[0].ts_us, typed, over=over)
    why, span_us, missing = None, parts[0].span_us, None
    if flags:
        codes = np.concatenate([flag_codes(part.values, sparse=part.sparse) for part in parts])
        why = pd.Categorical.from_codes(codes, dtype=FLAG_DTYPE)
    if not (drop_null and span_us is None) and any(has_missing(part.values) for part in parts):
        missing = np.concatenate([flag_codes(part.values, sparse=True) for part in parts]) >= 0
    ts_us, increasing, kept = clock
    if kept is not None:  # the clock's instants are those of the rows kept, one array for the whole batch
        missing = None if missing is None else missing[kept]
        why = None if why is None else why.take(kept)
        return Track(point, ts_us, array.take(kept), missing=missing, flags=why, span_us=span_us)
    track = Track(point, ts_us, array, missing=missing, flags=why, span_us=span_us)
    if (drop_null or not increasing) and (absent := _no_sample(parts)).any():
        track = track.take(np.flatnonzero(~absent))
        increasing = increasing or _increasing(track.ts_us)
    if increasing:
        return track
    if _increasing(track.ts_us[::-1]):
        # Newest first, as some servers write: turned round, not sorted.
        return track.take(np.arange(len(track.ts_us) - 1, -1, -1))
    order = np.argsort(track.ts_us, kind="stable")
    ts_us = track.ts_us[order]
    last = np.append(ts_us[1:] != ts_us[:-1], True)  # of a run of equal instants
    if not last.all():
        track.differing = _count_lost(track.array, order, last)
    return track.take(order[last])


def _count_lost(array: Any, order: Places, last: Bools) -> int:
    """How many rows that are not the last of their instant have another value than that last one."""
    kept, lost = np.flatnonzero(last), np.flatnonzero(~last)
    differing = 0
    for begin in range(0, len(lost), _COMPARED_ROWS):  # few at a time, for they are copied
        here = lost[begin : begin + _COMPARED_ROWS]
        winner = kept[np.searchsorted(kept, here)]
        differing += count_differing(array, order[here], order[winner])
    return differing
