"""Writing histories: what was checked is sent, and what is called written was taken by the server.

The grids come from :func:`hsframe.frame.his_grids.frame_to_his_grids`, which refuses what cannot be written right
before anything is sent. Several points of one zone go as a batch; but a server may answer a batch with 200 and forget
it (haystack-py), so a batch is believed only when it has been read back, and what was not found is written point by
point. The same samples again change nothing, so repeating is safe.

What became of each sample stands in a :class:`~hsframe.history.write_report.Ledger`, which outlives a write that
breaks off.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from hsframe.columns import NumberColumn, TimeColumn
from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    NetworkError,
    RequestTimeoutError,
)
from hsframe.frame.histories import Instants
from hsframe.grid import Grid
from hsframe.history.verify import look_for
from hsframe.history.windows import Target
from hsframe.history.write_report import OPEN, SENT, STORED, Entry, Ledger
from hsframe.kinds import Ref

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


async def write_histories(
    client: Client,
    grids: Sequence[Grid],
    targets: Mapping[str, Target],
    ledger: Ledger,
    *,
    max_concurrency: int = 6,
    body_bytes: int = _BODY_BYTES,
) -> None:
    """Write some batch grids, each of one zone.

    A point that the server refuses does not keep the others from being written. After an error of the server or of
    the network as a whole nothing new is sent.

    Parameters
    ----------
    client : Client
    grids : sequence of Grid
        From :func:`hsframe.frame.his_grids.frame_to_his_grids`.
    targets : mapping of id to Target
        The records of their points.
    ledger : Ledger
        Of the same grids: what becomes of each sample is noted there, as it becomes known.
    max_concurrency : int
        How many requests run at once.
    body_bytes : int
        How long the body of a request may be, about; the server's own limit where it is known to be less.

    Raises
    ------
    CallError
        The server refused a point. The message says which points were written and which were not.
    NetworkError, AuthError
        No usable answer came; some of the samples may have been written. The same write again is harmless.
    """
    writer = _Writer(client, targets, ledger, max_concurrency, body_bytes)
    for grid in grids:
        await writer.write(grid)
    writer.raise_failure()


async def verify(client: Client, targets: Mapping[str, Target], ledger: Ledger, *, max_concurrency: int = 6) -> None:
    """Read back what was written and not read back yet; what is not there after some patience is noted so."""
    left = [entry for entry in ledger if not _is_verified(entry)]
    await look_for(client, left, targets, max_concurrency=max_concurrency, there=_is_verified)


async def settle(client: Client, targets: Mapping[str, Target], ledger: Ledger, *, max_concurrency: int = 6) -> None:
    """After a write that broke off: find out of each sample that was under way whether the server has it.

    A point that was refused, and cannot be read either, was not written.

    Raises
    ------
    NetworkError, AuthError
        The server could not be asked; of those points it is not known.
    """
    find = functools.partial(look_for, client, targets=targets, there=_is_settled, pauses_s=_SETTLE_PAUSES_S)
    unsettled = ledger.unsettled()
    try:
        await find(unsettled, max_concurrency=max_concurrency)
    except (CallError, CodecError):
        for entry in unsettled:
            try:
                await find([entry])
            except (CallError, CodecError):
                if not isinstance(entry.error, CallError):
                    continue
            ledger.settle([entry])
    else:
        ledger.settle(unsettled)


def _is_verified(entry: Entry) -> bool:
    return entry.comparison is not None and entry.comparison.all_same


def _is_settled(entry: Entry) -> bool:
    return not entry.count(SENT)


class _Writer:
    def __init__(
        self, client: Client, targets: Mapping[str, Target], ledger: Ledger, max_concurrency: int, body_bytes: int
    ) -> None:
        self.client = client
        self.targets = targets
        self.ledger = ledger
        self.dialect = client.dialect
        self.max_concurrency = max_concurrency
        self.slots = asyncio.Semaphore(max_concurrency)
        self.body_bytes = body_bytes
        self.stopped: HsFrameError | None = None
        self.batch_refused = False

    async def write(self, grid: Grid) -> None:
        entries = [entry for entry in map(self.entry_of, grid.cols[1:]) if entry is not None]
        if len(entries) >= _BATCH_FROM and self.dialect.his_write_batch is not False and self.stopped is None:
            entries = await self.batch(grid, entries)
        times = grid.columns[0]
        assert isinstance(times, TimeColumn)
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(self.single(entry, times.tz))
        if self.batch_refused and self.dialect.his_write_batch is None and all(not entry.error for entry in entries):
            self.dialect.his_write_batch = False  # no batch has worked yet, and each of its points does

    def entry_of(self, col: Any) -> Entry | None:
        return self.ledger.entries.get(col.meta["id"].val)

    async def batch(self, grid: Grid, entries: list[Entry]) -> list[Entry]:
        """Write a batch; the points of which some samples could not be read back afterwards."""
        ids = [entry.id for entry in entries]
        try:
            for piece in _pieces(grid, self.longest_body()):
                await self.send(piece, ids, proves=False)
        except (CallError, HTTPStatusError) as error:
            if _concerns_all(error):
                self.stopped = error
                return entries
            _log.info("a batch hisWrite was refused: %s; writing point by point", error)
            self.batch_refused = True
            return entries
        except (NetworkError, AuthError) as error:
            self.stopped = error
            return entries
        try:
            at_once = self.max_concurrency
            left = await look_for(self.client, entries, self.targets, max_concurrency=at_once, pauses_s=_BATCH_PAUSES_S)
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

    async def single(self, entry: Entry, tz: str) -> None:
        """Write the samples of one point that the server does not have yet; what went wrong is noted."""
        rest = entry.rest()
        whole = Grid({"id": Ref(entry.id)}, ["ts", "val"], [TimeColumn(pa.array(rest.ts_us), tz), rest.values])
        async with self.slots:
            try:
                for piece in _pieces(whole, self.longest_body()):
                    if self.stopped is not None:
                        entry.error = self.stopped
                        return
                    await self.send(piece, [entry.id], proves=True)
            except HsFrameError as error:
                entry.error = error
                if _concerns_all(error):
                    self.stopped = self.stopped or error

    def longest_body(self) -> int:
        """The bytes that a body may have, as far as the server's refusals have taught."""
        limit = self.dialect.body_limit
        return self.body_bytes if limit is None else min(self.body_bytes, limit)

    async def send(self, grid: Grid, ids: Sequence[str], *, proves: bool, slow: int = 0) -> None:
        """One hisWrite; one that is too large or too slow is sent in halves."""
        ts_us = _instants(grid)
        self.ledger.mark(ids, ts_us, SENT)
        try:
            await self.client.call("hisWrite", grid)
        except HsFrameError as error:
            status = error.status if isinstance(error, HTTPStatusError) else None
            if status in _NOT_RUN:
                self.ledger.mark(ids, ts_us, OPEN)
            is_slow = isinstance(error, RequestTimeoutError) and slow < _HALVINGS_WHEN_SLOW
            if not (status == 413 or is_slow) or len(grid) < 2:
                raise
            middle = len(grid) // 2
            await self.send(_rows(grid, 0, middle), ids, proves=proves, slow=slow + is_slow)
            await self.send(_rows(grid, middle, len(grid)), ids, proves=proves, slow=slow + is_slow)
        else:
            if proves:
                self.ledger.mark(ids, ts_us, STORED)

    def raise_failure(self) -> None:
        """Raise what kept points from being written, if anything did."""
        bad = [entry for entry in self.ledger if entry.error is not None]
        if self.stopped is not None:
            raise self.stopped
        if not bad:
            return
        first, error = bad[0], bad[0].error
        assert error is not None
        others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        if not isinstance(error, CallError | HTTPStatusError):
            raise error
        done = ", ".join("@" + entry.id for entry in self.ledger if entry.is_stored) or "none"
        raise CallError(
            f"the server refused the samples of @{first.id} ({first.point.dis}){others}: {error}; written "
            f"were {done}. The same write again is harmless",
            getattr(error, "grid", None),
        ) from error


def _concerns_all(error: HsFrameError) -> bool:
    """Whether an error says nothing of the one point that was written, so that the next one would meet it too."""
    if isinstance(error, HTTPStatusError):
        return error.status in _NEXT_FAILS_TOO
    return isinstance(error, NetworkError | AuthError)


def _instants(grid: Grid) -> Instants:
    times = grid.columns[0]
    assert isinstance(times, TimeColumn)
    return np.asarray(times.values.to_numpy(zero_copy_only=False), np.int64)


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
    """The bytes of the longest text in a column, or of its unit."""
    if isinstance(column, NumberColumn):
        return len((column.unit or "").encode())
    values = getattr(column, "values", None)
    if values is None or "string" not in str(values.type):
        return 0
    return max((2 * len(text.encode()) for text in set(values.to_pylist()) if text is not None), default=0)
