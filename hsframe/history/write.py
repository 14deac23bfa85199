"""Writing histories: what was checked is sent, and what is called written was taken by the server.

The grids come from :func:`hsframe.frame.his_grids.frame_to_his_grids`, which refuses what cannot be written right
before anything is sent. Several points of one zone go as a batch; but a server may answer a batch with 200 and forget
it (haystack-py), so a batch is believed only when it has been read back, and else its points are written one by one.
The same samples again change nothing, so repeating is safe.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.columns import ArrowColumn, NumberColumn, TimeColumn
from hsframe.errors import CallError, HsFrameError, HTTPStatusError, RequestTimeoutError
from hsframe.frame.histories import History, grid_histories
from hsframe.frame.points import Point
from hsframe.frame.trend import time_index
from hsframe.grid import Grid
from hsframe.history.read import read_histories
from hsframe.history.windows import STEP_US, Target
from hsframe.kinds import Number, Ref
from hsframe.spans import Span, from_epoch_us
from hsframe.zones import zone

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["Written", "report_frame", "write_histories", "written_of"]

_log = logging.getLogger("hsframe.history")

# Servers take bodies of 2 MiB at least (rusty-haystack closes the line beyond); a row is counted generously.
_BODY_BYTES: Final = 2 * 2**20
_ROW_BYTES: Final = 110
_CELL_BYTES: Final = 60
# Below this a batch and its reading back cost as much as one request a point.
_BATCH_FROM: Final = 3
# hisWrite is asynchronous on Haxall: a read right after it may be stale.
_LOOKS_AFTER_S: Final = (0.0, 0.25, 0.75, 2.0)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one point's samples.

    Parameters
    ----------
    point : Point
    rows : int
        Samples.
    first_us, last_us : int or None
        The first and the last instant, in microseconds since 1970-01-01T00:00Z.
    status : str
        ``"dry run"`` or ``"written"``.
    """

    point: Point
    rows: int
    first_us: int | None
    last_us: int | None
    status: str


def written_of(grids: Iterable[Grid], points: Mapping[str, Point], status: str) -> list[Written]:
    """An entry for each point of some batch grids."""
    return [
        Written(
            history.point,
            len(history.ts_us),
            int(history.ts_us[0]) if len(history.ts_us) else None,
            int(history.ts_us[-1]) if len(history.ts_us) else None,
            status,
        )
        for grid in grids
        for history in _samples(grid, points)
    ]


def report_frame(entries: Sequence[Written]) -> pd.DataFrame:
    """The report of a write, a row a point.

    Returns
    -------
    DataFrame
        Columns ``id``, ``dis``, ``unit``, ``tz`` (str), ``rows`` (int64), ``first``, ``last``
        (``datetime64[us, UTC]``) and ``status`` (``"dry run"`` or ``"written"``).
    """
    missing = np.iinfo(np.int64).min
    texts: dict[str, Any] = {
        name: pd.array([getattr(entry.point, name) for entry in entries], dtype="str")
        for name in ("id", "dis", "unit", "tz")
    }
    times = {
        name: time_index(np.array([missing if us is None else us for us in all_us], dtype=np.int64), zone("UTC"), None)
        for name, all_us in (("first", [e.first_us for e in entries]), ("last", [e.last_us for e in entries]))
    }
    rows = np.array([entry.rows for entry in entries], dtype=np.int64)
    status = pd.array([entry.status for entry in entries], dtype="str")
    return pd.DataFrame({**texts, "rows": rows, **times, "status": status})


async def write_histories(
    client: Client,
    grids: Sequence[Grid],
    targets: Mapping[str, Target],
    *,
    max_concurrency: int = 6,
    body_bytes: int = _BODY_BYTES,
) -> None:
    """Write some batch grids, each of one zone.

    Parameters
    ----------
    client : Client
    grids : sequence of Grid
        From :func:`hsframe.frame.his_grids.frame_to_his_grids`.
    targets : mapping of id to Target
        The records of their points.
    max_concurrency : int
        How many requests run at once.
    body_bytes : int
        How long the body of a request may be, about.

    Raises
    ------
    CallError
        The server refused a point. The message says which points were written and which were not.
    NetworkError, AuthError
        No usable answer came; some of the samples may have been written. The same write again is harmless.
    """
    writer = _Writer(client, targets, max_concurrency, body_bytes)
    for grid in grids:
        await writer.write(grid)


class _Writer:
    def __init__(self, client: Client, targets: Mapping[str, Target], max_concurrency: int, body_bytes: int) -> None:
        self.client = client
        self.targets = targets
        self.points = {ident: target.point for ident, target in targets.items()}
        self.dialect = client.dialect
        self.max_concurrency = max_concurrency
        self.slots = asyncio.Semaphore(max_concurrency)
        self.body_bytes = body_bytes
        self.done: list[str] = []

    async def write(self, grid: Grid) -> None:
        histories = _samples(grid, self.points)
        if len(histories) >= _BATCH_FROM and self.dialect.his_write_batch is not False:
            histories = await self.batch(grid, histories)
        results = await asyncio.gather(*(self.single(grid, history) for history in histories), return_exceptions=True)
        bad = [
            (history, result)
            for history, result in zip(histories, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if not bad:
            return
        history, error = bad[0]
        if not isinstance(error, CallError | HTTPStatusError):
            raise error
        others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        done = ", ".join("@" + ident for ident in self.done) or "none"
        raise CallError(
            f"the server refused the samples of @{history.point.id} ({history.point.dis}){others}: {error}; written "
            f"were {done}. The same write again is harmless",
            getattr(error, "grid", None),
        ) from error

    async def batch(self, grid: Grid, histories: list[History]) -> list[History]:
        """Write a batch; the histories that could not be read back afterwards."""
        try:
            for piece in _pieces(grid, self.longest_body()):
                await self.send(piece)
        except (CallError, HTTPStatusError) as error:
            _log.info("a batch hisWrite was refused: %s; writing point by point", error)
            return histories
        left = histories
        for wait_s in _LOOKS_AFTER_S:
            await asyncio.sleep(wait_s)
            left = await self.unproven(left)
            if not left:
                break
        if len(left) == len(histories) or (left and self.dialect.his_write_batch is None):
            _log.info("a batch hisWrite was answered and its samples are not there: writing point by point")
            self.dialect.his_write_batch = False
        self.done += [history.point.id for history in histories if history not in left]
        return left

    async def unproven(self, histories: list[History]) -> list[History]:
        """The histories that are not on the server as they were sent."""
        start_us = min(int(history.ts_us[0]) for history in histories)
        last_us = max(int(history.ts_us[-1]) for history in histories)
        # A server that keeps whole seconds has the first sample a little before its instant.
        first_s, after_s = start_us // STEP_US, last_us // STEP_US + 1
        span = Span(from_epoch_us(first_s * STEP_US, UTC), from_epoch_us(after_s * STEP_US, UTC))
        found: dict[str, list[History]] = {}
        targets = [self.targets[history.point.id] for history in histories]
        for history in await read_histories(self.client, targets, span, max_concurrency=self.max_concurrency):
            found.setdefault(history.point.id, []).append(history)
        return [history for history in histories if not _holds(found.get(history.point.id, []), history)]

    async def single(self, grid: Grid, history: History) -> None:
        """Write the samples of one point."""
        times = grid.columns[0]
        assert isinstance(times, TimeColumn)
        own = TimeColumn(pa.array(history.ts_us), times.tz)
        whole = Grid({"id": Ref(history.point.id)}, ["ts", "val"], [own, history.values])
        for piece in _pieces(whole, self.longest_body()):
            async with self.slots:
                await self.send(piece)
        self.done.append(history.point.id)

    def longest_body(self) -> int:
        """The bytes that a body may have, as far as the server's refusals have taught."""
        limit = self.dialect.body_limit
        return self.body_bytes if limit is None else min(self.body_bytes, limit)

    async def send(self, grid: Grid) -> None:
        """One hisWrite; one that is too large or too slow is sent in halves."""
        try:
            await self.client.call("hisWrite", grid)
        except HsFrameError as error:
            too_large = isinstance(error, RequestTimeoutError) or (
                isinstance(error, HTTPStatusError) and error.status == 413
            )
            if not too_large or len(grid) < 2:
                raise
            middle = len(grid) // 2
            await self.send(_rows(grid, 0, middle))
            await self.send(_rows(grid, middle, len(grid)))


def _samples(grid: Grid, points: Mapping[str, Point]) -> list[History]:
    """The samples of a batch grid point by point, without the nulls of the join."""
    found = []
    for history in grid_histories(grid, points):
        column = history.values
        assert isinstance(column, ArrowColumn)
        if column.values.null_count:
            valid = column.values.is_valid()
            keep = valid.to_numpy(zero_copy_only=False)
            values = column._sliced(column.values.filter(valid), None)
            history = replace(history, ts_us=history.ts_us[keep], values=values)
        if len(history.ts_us):
            found.append(replace(history, sparse=False))
    return found


def _rows(grid: Grid, start: int, stop: int) -> Grid:
    return Grid(dict(grid.meta), grid.cols, [column[start:stop] for column in grid.columns])


def _pieces(grid: Grid, body_bytes: int) -> list[Grid]:
    """The rows of a grid in pieces whose bodies are short enough in any format."""
    width = _ROW_BYTES + sum(_CELL_BYTES + _longest(column) for column in grid.columns[1:])
    rows = max(body_bytes // width, 1)
    if len(grid) <= rows:
        return [grid]
    return [_rows(grid, start, min(start + rows, len(grid))) for start in range(0, len(grid), rows)]


def _longest(column: Sequence[Any]) -> int:
    """The bytes of the longest text in a column."""
    values = getattr(column, "values", None)
    if values is None or "string" not in str(values.type):
        return 0
    return max((2 * len(text.encode()) for text in set(values.to_pylist()) if text is not None), default=0)


def _holds(found: Sequence[History], sent: History) -> bool:
    """Whether the server has what was sent, be it in single precision or in whole seconds."""
    ts_us = np.concatenate([np.empty(0, dtype=np.int64), *(history.ts_us for history in found)])
    values: list[Any] = [value for history in found for value in _plain(history.values)]
    order = np.argsort(ts_us, kind="stable")
    # Of equal instants the last one counts; a null is no sample.
    in_order = zip(ts_us[order].tolist(), order.tolist(), strict=True)
    places = {us: place for us, place in in_order if values[place] is not None}
    wanted = [places.get(us, places.get(us // STEP_US * STEP_US)) for us in sent.ts_us.tolist()]
    if None in wanted:
        return False
    stored = [values[place] for place in wanted if place is not None]
    if not isinstance(sent.values, NumberColumn):
        return stored == _plain(sent.values)
    try:
        numbers = np.array(stored, dtype=np.float64)
    except (TypeError, ValueError):  # texts, or nothing, where numbers were sent
        return False
    # Of the two precisions the coarser decides; an infinity equals itself only.
    return bool(np.all(np.isclose(numbers, _plain(sent.values), rtol=2.0**-22, atol=0.0)))


def _plain(column: Sequence[Any]) -> list[Any]:
    """The cells as plain Python values: numbers without their unit, which the record has."""
    if isinstance(column, ArrowColumn):
        plain: list[Any] = column.values.to_pylist()
        return plain
    return [cell.val if isinstance(cell, Number) else cell for cell in column]
