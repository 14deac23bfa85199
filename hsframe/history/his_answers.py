"""Answers of hisRead: put in the order of the requested points, clipped to the window, and joined over windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hsframe.caller_warnings import warn_caller
from hsframe.columns import ArrowColumn, NumberColumn
from hsframe.durations import DAY_US
from hsframe.errors import CodecError, UnitWarning
from hsframe.frame.histories import History, Instants, grid_histories
from hsframe.grid import Grid
from hsframe.history.plan import RANGE_PADDING_US, Request
from hsframe.kinds import Number, Ref
from hsframe.protocol.answers import named
from hsframe.spans import epoch_us
from hsframe.units import convertible, find

Part = tuple[int, History]
"""The start of a window, in epoch microseconds, and the history that was read for it."""

_NEVER_US: Final = np.iinfo(np.int64).max
_NEAR_US: Final = 2 * RANGE_PADDING_US  # the padding of the range, and what rounding to whole seconds adds


def answered(grid: Grid, request: Request) -> list[History]:
    """The histories of an answer, in the order of the request's points, not clipped yet.

    The client has checked that a batch has all of them, and has put them in this order. Another number of columns of
    values is an error.
    """
    points = [record.point for record in request.records]
    histories = grid_histories(grid, ids=[point.id for point in points])
    if len(histories) != len(points):
        raise CodecError(
            f"the history of @{points[0].id} came with {len(histories)} columns of values",
            expected="one column of each point",
            source="hisRead",
        )
    return [replace(history, point=point) for history, point in zip(histories, points, strict=True)]


def reaches_outside(histories: Sequence[History], request: Request) -> bool:
    """Whether an answer has samples from outside of its window, more than one of each point on either side.

    One more, however far away, is what SkySpark 3 gives.
    """
    window = request.window
    ts_us = histories[0].ts_us
    outside = (ts_us < window.start_us - _NEAR_US) | ((ts_us > window.end_us + _NEAR_US) & (not window.is_open))
    return int(np.count_nonzero(outside)) > 2 * len(histories)


def ignores_range(histories: Sequence[History], request: Request) -> bool:
    """Whether an answer reaches far outside of its window, as when the server ignores the range (haystack-py 0.1.10).

    Whole days do not count as such.
    """
    window = request.window
    if window.is_open or not reaches_outside(histories, request):
        return False
    ts_us = histories[0].ts_us
    far_us = max(2 * DAY_US, window.length_us)
    return bool(ts_us.min() < window.start_us - far_us or ts_us.max() > window.end_us + far_us)


def is_of_another_time(grid: Grid, inside: Sequence[History], request: Request) -> bool:
    """Whether an answer says of itself that it is of another time than the window, and has no rows of the window.

    Windows that adjoin overlap by the padding of their ranges; rows of that much do not count.
    """
    start, end = (grid.meta.get(name) for name in ("hisStart", "hisEnd"))
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return False
    window = request.window
    margin_us = min(_NEAR_US, window.length_us // 4)
    low_us = window.start_us + margin_us
    high_us = _NEVER_US if window.is_open else window.end_us - margin_us
    if epoch_us(end) > low_us and epoch_us(start) < high_us:
        return False
    return not any(bool(((one.ts_us >= low_us) & (one.ts_us < high_us)).any()) for one in inside)


def clipped(histories: Iterable[History], request: Request) -> list[History]:
    """The samples inside the exact window; histories that shared one array of instants still share one."""
    shared: dict[int, History] = {}
    inside_all = []
    for history in histories:
        inside = history.clip(*request.window.ends_us)
        if 2 * len(inside.ts_us) < len(history.ts_us):
            inside = _compact(inside)
        first = shared.setdefault(id(history.ts_us), inside)
        inside_all.append(replace(inside, ts_us=first.ts_us))
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


def sample_count(history: History) -> int:
    """The number of samples; nulls in a column of a batch do not count."""
    values = history.values
    if not history.sparse:
        return len(values)
    if isinstance(values, ArrowColumn):
        return int(len(values) - values.values.null_count + (0 if values.na is None else values.na.true_count))
    return sum(value is not None for value in values)
