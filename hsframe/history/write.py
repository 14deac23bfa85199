"""Writing histories: what was checked is sent, and what is called written was taken by the server.

The samples come from :func:`hsframe.frame.his_grids.frame_columns`, which refuses what cannot be written right before
anything is sent. Several points of one zone go as a batch; but a server may answer a batch with 200 and forget it
(haystack-py), so a batch is believed only when it has been read back, and what was not found is written point by
point. The same samples again change nothing, so repeating is safe.

What became of each sample stands in a :class:`~hsframe.history.write_report.WriteReport`, which outlives a write that
breaks off.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from hsframe.columns import NumberColumn, StrColumn, TimeColumn
from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    NetworkError,
    RequestTimeoutError,
)
from hsframe.frame.his_grids import batch_grid
from hsframe.grid import Grid
from hsframe.history.verify import look_for
from hsframe.history.write_report import OPEN, SENT, STORED, Entry, WriteReport
from hsframe.kinds import Ref
from hsframe.protocol.writes import his_write_request

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["settle", "verify", "write_histories"]

_log = logging.getLogger("hsframe.history")

# Servers take bodies of 2 MiB at least (rusty-haystack closes the line beyond). How long a row and a cell are is
# counted by the longest format, JSON of version 4, so that a body stays below in any.
_BODY_BYTES: Final = 2 * 2**20
_ROW_BYTES: Final = 110
_CELL_BYTES: Final = 80
# Below this a batch and its reading back cost as much as one request a point.
_BATCH_FROM: Final = 3
# A write that is too slow is halved so often: a server that is stuck must not be asked for ever.
_HALVINGS_WHEN_SLOW: Final = 3
# How long the samples of a batch may take to show; then they are written point by point, which harms nothing.
_BATCH_PAUSES_S: Final = (0.0, 0.25, 0.75, 1.5)
# After a failure someone waits for the answer: what an asynchronous server has not stored by then counts as not there.
_SETTLE_PAUSES_S: Final = (0.0, 0.25, 0.75)
# The op did not run: the status is decided before.
_NOT_RUN: Final = frozenset((400, 401, 403, 404, 405, 406, 411, 413, 415, 429, 501))
# Statuses that say nothing of the one point: the next one would meet the same.
_NEXT_FAILS_TOO: Final = frozenset((401, 403, 404, 405, 406, 415, 429, 501, 502, 503, 504))


async def write_histories(client: Client, report: WriteReport, *, max_concurrency: int) -> None:
    """Write the samples of a report; what becomes of each is noted there, as it becomes known.

    A point that the server refuses does not keep the others from being written; a CallError says at the end which were
    and which were not. After an error of the server or of the network as a whole nothing new is sent. Some samples
    may have been written then; the same write again is harmless.
    """
    writer = _Writer(client, max_concurrency)
    by_zone: dict[str, list[Entry]] = {}
    for entry in report.entries:
        by_zone.setdefault(entry.samples.tz, []).append(entry)
    for entries in by_zone.values():
        await writer.write(entries)
    if writer.stopped is not None:
        raise writer.stopped
    _raise_refusals(report.entries)


async def verify(client: Client, report: WriteReport, *, max_concurrency: int) -> None:
    """Read back what was written and not read back yet; what is not there after some patience is noted so."""
    left = [entry for entry in report.entries if not entry.is_verified]
    await look_for(client, left, max_concurrency=max_concurrency, there=lambda entry: entry.is_verified)


async def settle(client: Client, report: WriteReport, *, max_concurrency: int) -> None:
    """After a write that broke off: find out of each sample that was under way whether the server has it.

    A point that was refused, and cannot be read either, was not written. Where the server cannot be asked, it is not
    known (NetworkError, AuthError).
    """
    find = functools.partial(
        look_for,
        client,
        max_concurrency=max_concurrency,
        there=lambda entry: not entry.count(SENT),
        pauses_s=_SETTLE_PAUSES_S,
    )
    unsettled = [entry for entry in report.entries if entry.count(SENT)]
    try:
        await find(unsettled)
    except (CallError, CodecError):
        for entry in unsettled:
            try:
                await find([entry])
            except (CallError, CodecError):
                if not isinstance(entry.error, CallError):
                    continue
            entry.settle()
    else:
        for entry in unsettled:
            entry.settle()


class _Writer:
    def __init__(self, client: Client, max_concurrency: int) -> None:
        self.client = client
        self.dialect = client.dialect
        self.max_concurrency = max_concurrency
        self.limit = asyncio.Semaphore(max_concurrency)
        self.stopped: HsFrameError | None = None
        self.batch_refused = False

    async def write(self, entries: list[Entry]) -> None:
        """Write the samples of some points of one zone."""
        if len(entries) >= _BATCH_FROM and self.dialect.his_write_batch is not False and self.stopped is None:
            entries = await self.batch(entries)
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(self.single(entry))
        if self.batch_refused and self.dialect.his_write_batch is None and all(not entry.error for entry in entries):
            self.dialect.his_write_batch = False  # no batch has worked yet, and each of its points does

    async def batch(self, entries: list[Entry]) -> list[Entry]:
        """Write a batch; the points of which some samples could not be read back afterwards."""
        try:
            for piece in _pieces(batch_grid([entry.samples for entry in entries]), self.longest_body()):
                await self.send(piece, entries, proves=False)
        except (CallError, NetworkError, AuthError) as error:
            if _concerns_all(error):
                self.stopped = error
            else:
                _log.info("a batch hisWrite was refused: %s; writing point by point", error)
                self.batch_refused = True
            return entries
        try:
            left = await look_for(self.client, entries, max_concurrency=self.max_concurrency, pauses_s=_BATCH_PAUSES_S)
        except (CallError, HTTPStatusError, CodecError) as error:
            _log.info("a batch hisWrite could not be read back: %s; writing point by point", error)
            return entries
        if any(not entry.count(STORED) for entry in left):
            _log.info("a batch hisWrite was answered and its samples are not there: writing point by point")
            if self.dialect.his_write_batch is None:  # one that has worked was slow this time
                self.dialect.his_write_batch = False
        elif not left:
            self.dialect.his_write_batch = True
        return left

    async def single(self, entry: Entry) -> None:
        """Write the samples of one point that the server does not have yet; what went wrong is noted."""
        rest = entry.rest()
        times = TimeColumn(pa.array(rest.ts_us), rest.tz)
        whole = his_write_request(Ref(entry.point.id), times, rest.values, rest.tz)
        async with self.limit:
            try:
                for piece in _pieces(whole, self.longest_body()):
                    if self.stopped is not None:
                        entry.error = self.stopped
                        return
                    await self.send(piece, [entry], proves=True)
            except HsFrameError as error:
                entry.error = error
                if _concerns_all(error):
                    self.stopped = self.stopped or error

    def longest_body(self) -> int:
        """The bytes that a body may have, as far as the server's refusals have taught."""
        limit = self.dialect.body_limit
        return _BODY_BYTES if limit is None else min(_BODY_BYTES, limit)

    async def send(self, grid: Grid, entries: Sequence[Entry], *, proves: bool, slow: int = 0) -> None:
        """One hisWrite; one that is too large or too slow is sent in halves."""
        _mark(entries, grid, SENT)
        try:
            await self.client.call("hisWrite", grid)
        except HsFrameError as error:
            status = error.status if isinstance(error, HTTPStatusError) else None
            if status in _NOT_RUN:
                _mark(entries, grid, OPEN)
            is_slow = isinstance(error, RequestTimeoutError) and slow < _HALVINGS_WHEN_SLOW
            if not (status == 413 or is_slow) or len(grid) < 2:
                raise
            middle = len(grid) // 2
            for half in (_rows(grid, 0, middle), _rows(grid, middle, len(grid))):
                await self.send(half, entries, proves=proves, slow=slow + is_slow)
        else:
            if proves:
                _mark(entries, grid, STORED)


def _mark(entries: Sequence[Entry], grid: Grid, status: int) -> None:
    """Note the status of the samples in a piece of what is sent: all those of its span of time."""
    times = grid.columns[0]
    assert isinstance(times, TimeColumn)
    first_us, last_us = times.values[0].as_py(), times.values[-1].as_py()
    for entry in entries:
        entry.mark(first_us, last_us, status)


def _raise_refusals(entries: Sequence[Entry]) -> None:
    """Raise what kept points from being written, if anything did."""
    bad = [(entry, entry.error) for entry in entries if entry.error is not None]
    if not bad:
        return
    first, error = bad[0]
    if not isinstance(error, CallError | HTTPStatusError):
        raise error
    others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    done = ", ".join("@" + entry.point.id for entry in entries if entry.is_stored) or "none"
    raise CallError(
        f"the server refused the samples of @{first.point.id} ({first.point.dis}){others}: {error}; written "
        f"were {done}. The same write again is harmless",
        getattr(error, "grid", None),
    ) from error


def _concerns_all(error: HsFrameError) -> bool:
    """Whether an error says nothing of the one point that was written, so that the next one would meet it too."""
    if isinstance(error, HTTPStatusError):
        return error.status in _NEXT_FAILS_TOO
    return isinstance(error, NetworkError | AuthError)


def _rows(grid: Grid, start: int, stop: int) -> Grid:
    return Grid(grid.meta, grid.cols, [column[start:stop] for column in grid.columns])


def _pieces(grid: Grid, body_bytes: int) -> list[Grid]:
    """The rows of a grid in pieces whose bodies are short enough in any format."""
    width = _ROW_BYTES + sum(_CELL_BYTES + _longest(column) for column in grid.columns[1:])
    rows = max(body_bytes // width, 1)
    if len(grid) <= rows:
        return [grid]
    return [_rows(grid, start, min(start + rows, len(grid))) for start in range(0, len(grid), rows)]


def _longest(column: Sequence[object]) -> int:
    """The bytes of the longest text in a column, each of them escaped, or of its unit."""
    if isinstance(column, NumberColumn):
        return len((column.unit or "").encode())
    if isinstance(column, StrColumn):
        return 2 * (pc.max(pc.binary_length(column.values)).as_py() or 0)
    return 0
