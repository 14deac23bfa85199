"""Answers of hisRead: put in the order of the requested points, clipped to the window, and joined over windows.

What an answer shows, as a range that its server ignores, or the ends of a window that may lack rows, is told here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hsframe.arrays import Instants
from hsframe.caller_warnings import warn_caller
from hsframe.columns import ArrowColumn, NumberColumn
from hsframe.durations import DAY_US
from hsframe.errors import CodecError, ReadWarning, UnitWarning
from hsframe.frame.histories import History, grid_histories
from hsframe.frame.values import null_mask
from hsframe.grid import Grid
from hsframe.history.plan import RANGE_PADDING_US, Request, Window
from hsframe.kinds import MAX_EXACT_INT, Number, Ref
from hsframe.protocol.answers import limit_of, named, overlapping
from hsframe.spans import epoch_us
from hsframe.units import convertible, find

Part = tuple[int, History]
"""The start of a window, in epoch microseconds, and the history that was read for it."""

_NEVER_US: Final = np.iinfo(np.int64).max
_NEAR_US: Final = 2 * RANGE_PADDING_US  # the padding of the range, and what rounding to whole seconds adds
_CENTURY_US: Final = 36_525 * DAY_US
_MOST_PIECES: Final = 16
_LARGEST_INT: Final = 2**64  # beyond it there are only doubles that were doubles before, as 3.4e38 for "no value"


@dataclass(frozen=True)
class Answer:
    """What a request got: the histories as they came, and clipped to its window; `limit` is the one that they name."""

    request: Request
    raw: Sequence[History]
    inside: Sequence[History]
    limit: int | None = None

    @classmethod
    def of(cls, grid: Grid, request: Request) -> Answer:
        """The histories of an answer, in the order of the request's points.

        The client has checked that a batch has all of them, and has put them in this order. Another number of columns
        of values is an error.
        """
        points = [record.point for record in request.records]
        histories = grid_histories(grid, ids=[point.id for point in points])
        if len(histories) != len(points):
            raise CodecError(
                f"the history of @{points[0].id} came with {len(histories)} columns of values",
                expected="one column of each point",
                source="hisRead",
            )
        raw = [replace(history, point=point) for history, point in zip(histories, points, strict=True)]
        return cls(request, raw, clipped(raw, request), limit_of(grid))

    @property
    def rows(self) -> int:
        return len(self.raw[0].ts_us)

    @property
    def longest(self) -> int:
        return max(map(sample_count, self.raw))

    @cached_property
    def instants(self) -> list[Instants]:
        """The instants of its rows, and of each point with as many samples as the longest."""
        are_rows = self.longest in (self.rows, 0)
        longest = [] if are_rows else [one for one in self.raw if sample_count(one) == self.longest]
        return [self.raw[0].ts_us, *map(sample_instants, longest)]

    @cached_property
    def extents(self) -> tuple[tuple[int, int, int], ...]:
        """How many rows and samples of its longest points it has, from when to when."""
        return tuple((len(ts_us), *_extent(ts_us)) for ts_us in self.instants)

    @property
    def ends_us(self) -> tuple[int, int]:
        """The latest of the first instants, and the earliest of the last ones, of its rows and its longest points."""
        return max(first for _, first, _ in self.extents), min(last for _, _, last in self.extents)

    @property
    def ends_early(self) -> bool:
        """Whether a row more would fit at one end of the window, as close as the closest two rows are."""
        window = self.request.window
        return window.is_open or any(
            max(first_us - window.start_us, window.end_us - last_us) > int(np.diff(np.sort(ts_us, kind="stable")).min())
            for ts_us, (_, first_us, last_us) in zip(self.instants, self.extents, strict=True)
        )

    @property
    def reaches_outside(self) -> bool:
        """Whether it has samples from outside of the window, more than one of each point on either side.

        One more, however far away, is what SkySpark 3 gives.
        """
        window, ts_us = self.request.window, self.raw[0].ts_us
        outside = (ts_us < window.start_us - _NEAR_US) | ((ts_us > window.end_us + _NEAR_US) & (not window.is_open))
        return int(np.count_nonzero(outside)) > 2 * len(self.raw)

    @property
    def ignores_range(self) -> bool:
        """Whether it reaches far outside of the window, as when the server ignores the range (haystack-py 0.1.10).

        Whole days do not count as such.
        """
        window, ts_us = self.request.window, self.raw[0].ts_us
        if window.is_open or not self.reaches_outside:
            return False
        far_us = max(2 * DAY_US, window.length_us)
        return bool(ts_us.min() < window.start_us - far_us or ts_us.max() > window.end_us + far_us)

    def is_of_another_time(self, meta: Mapping[str, Any]) -> bool:
        """Whether its grid's meta says that it is of another time than the window, and it has no rows of the window.

        Windows that adjoin overlap by the padding of their ranges; rows of that much do not count.
        """
        start, end = meta.get("hisStart"), meta.get("hisEnd")
        if not isinstance(start, datetime) or not isinstance(end, datetime):
            return False
        window = self.request.window
        margin_us = min(_NEAR_US, window.length_us // 4)
        low_us = window.start_us + margin_us
        high_us = _NEVER_US if window.is_open else window.end_us - margin_us
        if epoch_us(end) > low_us and epoch_us(start) < high_us:
            return False
        return not any(bool(((one.ts_us >= low_us) & (one.ts_us < high_us)).any()) for one in self.inside)

    def overlapping_parts(self) -> list[Answer]:
        """A batch, divided so that the longest points of each part have samples at one time.

        If the limit is one of each point, the end of a window that begins before all samples of a point is cut as the
        whole window was, and proves nothing of that point.
        """
        longest, records = self.longest, self.request.records
        if longest in (self.rows, 0):
            return [self]
        of_longest = [one for one in self.raw if sample_count(one) == longest]
        groups = overlapping({one.point.id: _extent(sample_instants(one)) for one in of_longest})
        apart = {ident for group in groups[1:] for ident in group}
        groups[0] = [record.id for record in records if record.id not in apart]
        parts = []
        for ids in groups:
            raw, inside = ([one for one in histories if one.point.id in ids] for histories in (self.raw, self.inside))
            own = tuple(record for record in records if record.id in ids)
            parts.append(replace(self, request=replace(self.request, records=own), raw=raw, inside=inside))
        return parts

    def unproven_ends(self) -> list[Request]:
        """The ends of the window, up to the first row and from the last one on, where no row is at the end.

        Of a batch the rows of its longest points count too, and the ends are those of all points.
        """
        first_us, last_us = self.ends_us
        window = self.request.window
        if not window.is_open:
            first_us = min(first_us, window.end_us)
        ends = [Window(window.start_us, first_us)] if first_us > window.start_us else []
        if window.is_open or last_us < window.end_us:
            ends.append(replace(window, start_us=max(last_us, window.start_us), end_us=max(last_us, window.end_us)))
        return [replace(self.request, window=end) for end in ends]

    def dates_of_end(self, end: Request) -> list[tuple[Request, Window]]:
        """An end as two ranges of dates, the day of the row beside it and those beyond, and what is new there.

        The range of the end itself has days before as well, which may fill an answer alone. The windows to ask for are
        as much shorter as :func:`hsframe.spans.dates_text` makes them longer. All dates were asked for before, so a row
        beyond the answer's rows, also one outside of the window, was left out.
        """
        first_us, last_us = self.ends_us
        if first_us >= end.window.end_us:
            row_us, beyond = first_us, replace(end.window, end_us=first_us - 2 * DAY_US)
            new = Window(first_us - _CENTURY_US, first_us)
        else:
            row_us, beyond = last_us, replace(end.window, start_us=last_us + 2 * DAY_US)
            new = Window(last_us + 1, last_us + _CENTURY_US)
        day = Window(row_us + DAY_US, row_us - DAY_US)
        return [(replace(end, window=window), new) for window in (day, beyond)]

    def pieces(self, end: Request) -> list[Request]:
        """An end of the window where rows are missing, divided by the time that the answer covers."""
        _, first_us, last_us = self.extents[0]
        covered_us = max(last_us - first_us, 1)
        return end.in_time(min(math.ceil(end.window.length_us / covered_us), _MOST_PIECES))

    def without(self, ends: Sequence[Request]) -> Answer:
        """The answer for the window without some ends."""
        window = self.request.window
        for end in ends:
            if end.window.start_us == window.start_us:
                window = replace(window, start_us=end.window.end_us)
            else:
                window = Window(window.start_us, end.window.start_us)
        return replace(self, request=replace(self.request, window=window))


def clipped(histories: Iterable[History], request: Request) -> list[History]:
    """The samples inside the exact window; histories that shared one array of instants still share one."""
    shared: dict[int, Instants] = {}
    inside_all = []
    for history in histories:
        is_known = shared.get(id(history.ts_us)) is history.ts_us  # all of them are inside
        inside = history if is_known else history.clip(*request.window.ends_us)
        if 2 * len(inside.ts_us) < len(history.ts_us):
            inside = _compact(inside)
        inside_all.append(replace(inside, ts_us=shared.setdefault(id(history.ts_us), inside.ts_us)))
    return inside_all


def _compact(history: History) -> History:
    """The same history, copied: a slice would keep the memory of the whole answer."""
    values = history.values
    if isinstance(values, ArrowColumn):
        na = None if values.na is None else _one_array([values.na])
        values = values.sliced(_one_array([values.values]), na)
    return replace(history, ts_us=history.ts_us.copy(), values=values)


def joined(parts: Iterable[Part]) -> list[History]:
    """One history per point, its windows in order of time; several if its windows differ in type or unit.

    As they are copied, the memory of the answers is free as soon as all windows of a batch have been read.
    """
    by_id: dict[str, list[Part]] = {}
    for part in parts:
        by_id.setdefault(part[1].point.id, []).append(part)
    times: dict[tuple[int, ...], Instants] = {}
    histories: list[History] = []
    for own in by_id.values():
        windows = [history for _, history in sorted(own, key=lambda part: part[0])]
        full = [history for history in windows if len(history.ts_us)] or windows[:1]
        values = full[0].values if len(full) == 1 else _concatenated([history.values for history in full])
        if values is None or len({history.sparse for history in full}) > 1:
            histories += full
            continue
        key = tuple(id(history.ts_us) for history in full)
        if key not in times:
            times[key] = full[0].ts_us if len(full) == 1 else np.concatenate([history.ts_us for history in full])
        histories.append(History(full[0].point, times[key], values, full[0].sparse))
    return histories


def _concatenated(columns: Sequence[Sequence[Any]]) -> ArrowColumn | None:
    """The cells of several columns in one; None if they differ in type or unit."""
    first = columns[0]
    if not isinstance(first, ArrowColumn) or pa.types.is_dictionary(first.values.type):
        return None
    alike: list[ArrowColumn] = []
    for column in columns:
        if type(column) is not type(first) or column.values.type != first.values.type:
            return None
        if isinstance(column, NumberColumn) and isinstance(first, NumberColumn) and column.unit != first.unit:
            return None
        alike.append(column)
    na = None
    if any(column.na is not None for column in alike):
        flags = (pa.array(np.zeros(len(column), dtype=bool)) if column.na is None else column.na for column in alike)
        na = _one_array(flags)
    return first.sliced(_one_array(column.values for column in alike), na)


def _one_array(arrays: Iterable[Any]) -> Any:
    chunks = [chunk for array in arrays for chunk in (array.chunks if isinstance(array, pa.ChunkedArray) else [array])]
    # These live as long as the frame; among the short-lived arrays of Arrow's own pool they would keep it large.
    return pa.concat_arrays(chunks, memory_pool=pa.system_memory_pool())


def warn_of_units(histories: Iterable[History]) -> None:
    """Warn of histories in a unit of another quantity than that of the record: they may be those of other points."""
    odd = {
        history.point: unit
        for history in histories
        for unit in _units(history.values)
        # A unit that the table does not have may be of any quantity.
        if find(unit) and find(own := history.point.unit or "") and not convertible(unit, own)
    }
    if odd:
        point, unit = next(iter(odd.items()))
        ids = named([Ref(point.id) for point in odd])
        warn_caller(
            f"{len(odd)} histories have values in a unit of another quantity than their records say: {ids}; those of "
            f"{point} are in {unit}, its record says {point.unit}. They keep the unit that came; the "
            "server may have answered for another point",
            UnitWarning,
        )


def _units(values: Sequence[Any]) -> set[str]:
    if isinstance(values, ArrowColumn):
        return {values.unit} if isinstance(values, NumberColumn) and values.unit and len(values) else set()
    return {cell.unit for cell in values if isinstance(cell, Number) and cell.unit}


def warn_of_rounding(histories: Iterable[History]) -> None:
    """Warn of numbers that a double holds rounded, if they are whole ones of 64 bits: counts, codes, addresses."""
    large = {one.point: value for one in histories if (value := _first_large(one.values)) is not None}
    if large:
        point, value = next(iter(large.items()))
        warn_caller(
            f"{len(large)} histories have numbers of 2**53 ({MAX_EXACT_INT:,}) or more: "
            f"{named([Ref(one.id) for one in large])}; {point} has {value:,.0f}. Here they are doubles, which round "
            "whole numbers of that size: the last digits may not be the server's. Let it give them as texts, or in a "
            "larger unit",
            ReadWarning,
        )


def _first_large(values: Sequence[Any]) -> float | None:
    if isinstance(values, NumberColumn):
        numbers = values.values.to_numpy(zero_copy_only=False)
    elif isinstance(values, ArrowColumn):
        return None
    else:
        numbers = np.array([float(cell.val) for cell in values if isinstance(cell, Number)])
    if max(np.fmax.reduce(numbers, initial=0), -np.fmin.reduce(numbers, initial=0)) < MAX_EXACT_INT:
        return None  # which takes no time: numbers are rarely as large
    sizes = np.abs(numbers)
    found = numbers[(sizes >= MAX_EXACT_INT) & (sizes <= _LARGEST_INT)]
    return float(found[0]) if len(found) else None


def sample_count(history: History) -> int:
    """The number of samples; nulls in a column of a batch do not count."""
    values = history.values
    if not history.sparse:
        return len(values)
    if isinstance(values, ArrowColumn):
        return int(len(values) - values.values.null_count + (0 if values.na is None else values.na.true_count))
    return sum(value is not None for value in values)


def sample_instants(history: History) -> Instants:
    return history.ts_us[~null_mask(history.values)]


def _extent(ts_us: Instants) -> tuple[int, int]:
    return int(ts_us.min()), int(ts_us.max())
