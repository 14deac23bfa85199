"""Sends samples to the server, reads them back, and notes which of them it has.

The samples come from :func:`hsframe.frame.his_grids.frame_columns`, which has checked them. Several points of one zone
are sent as a batch. As a server may answer a batch with 200 and drop it (haystack-py), a batch counts as written only
after it was read back; what was not found is written point by point. It is safe to send the same samples again.

A server may also answer a hisWrite before it has stored the samples (Haxall). So if some are missing, they are read
again a few times, with growing pauses.

The status of each sample is in a :class:`~hsframe.history.write_report.WriteReport`, also if the write is interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc

from hsframe.arrays import Instants
from hsframe.client.in_thread import in_thread
from hsframe.columns import NumberColumn, StrColumn, TimeColumn
from hsframe.durations import DAY_US, SECOND_US
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
from hsframe.frame.histories import History
from hsframe.grid import Grid
from hsframe.history.compare import compare
from hsframe.history.failures import is_not_run, may_still_run
from hsframe.history.plan import ReadOptions
from hsframe.history.read import read_histories, span_of
from hsframe.history.write_report import FAILED, NOT_STORED, SENT, STORED, PointWrite, WriteReport

if TYPE_CHECKING:
    from hsframe.client import Client

_log = logging.getLogger("hsframe.history")

# All known servers take bodies of 2 MiB (rusty-haystack closes the connection above). The bytes of a row and of a cell
# are those of the longest format, JSON of version 4.
BODY_BYTES: Final = 2 * 2**20
_ROW_BYTES: Final = 110
_CELL_BYTES: Final = 80
# For fewer points than this, a batch and its reading back cost as much as one request per point.
_BATCH_FROM: Final = 3
# The pauses before each reading back: 5.5 s in all.
_PAUSES_S: Final = (0.0, 0.25, 0.75, 1.5, 3.0)
# Samples further apart than this are read in separate windows, so that not all between them is read.
_GAP_US: Final = 7 * DAY_US
_MOST_WINDOWS: Final = 40
# How long to wait for the samples of a batch to appear; those that do not are written point by point.
_BATCH_PAUSES_S: Final = (0.0, 0.25, 0.75, 1.5)
# The same after a failure, when the user waits: what a server stores later than this stays unknown.
_CHECK_PAUSES_S: Final = (0.0, 0.25, 0.75, 1.5, 3.0, 4.0)
# Statuses that do not depend on the point: the next point would get the same one.
_NEXT_FAILS_TOO: Final = frozenset((401, 403, 404, 405, 406, 415, 429, 501, 502, 503, 504))


async def write_histories(client: Client, report: WriteReport) -> None:
    """Write the samples of a report, and note the status of each in it.

    If the server refuses a point, the others are written, and a CallError at the end names those that were and were
    not. After an error that is not about a single point (network, login, server), nothing more is sent; some samples
    may have been written then. It is safe to repeat the write.
    """
    writer = _Writer(client)
    by_zone: dict[str, list[PointWrite]] = {}
    for entry in report.entries:
        if not len(entry.status):
            continue  # the server has all of it
        by_zone.setdefault(entry.samples.tz, []).append(entry)
    for entries in by_zone.values():
        await writer.write(entries)
    if writer.stopped is not None:
        raise writer.stopped
    _raise_refusals(report.entries)


async def check_sent(client: Client, report: WriteReport) -> None:
    """After an interrupted write: find out which of the samples that were sent the server has.

    Samples without an answer are looked for several times: the server may still be busy with them. Those that are not
    found stay unknown. If the server cannot be reached, NetworkError or AuthError is raised.
    """
    left = [entry for entry in report.entries if entry.unknown and entry.looked_s is None]
    await read_back_until(
        client, left, there=lambda entry: not entry.unknown, pauses_s=_CHECK_PAUSES_S, look=_read_back_each
    )


async def read_back(client: Client, entries: Sequence[PointWrite]) -> Sequence[PointWrite]:
    """Read the samples of some points from the server, and keep the comparison in each entry; returns the entries."""
    found: dict[str, list[History]] = {entry.point.id: [] for entry in entries}
    for first_us, last_us in _windows([entry.samples.ts_us for entry in entries]):
        times = [(entry.record, entry.samples.ts_us) for entry in entries]
        there = [record for record, ts_us in times if ((ts_us >= first_us) & (ts_us <= last_us)).any()]
        # A server of whole seconds keeps the first sample at the second before its instant.
        span = span_of(first_us // SECOND_US * SECOND_US, (last_us // SECOND_US + 1) * SECOND_US)
        for history in await read_histories(client, there, span, ReadOptions()):
            found[history.point.id].append(history)
    comparisons = await in_thread(lambda: [compare(found[entry.point.id], entry.samples) for entry in entries])
    for entry, comparison in zip(entries, comparisons, strict=True):
        entry.compared(comparison)
    return entries


async def read_back_until(
    client: Client,
    entries: Sequence[PointWrite],
    *,
    there: Callable[[PointWrite], bool] = lambda entry: entry.is_stored,
    pauses_s: Sequence[float] = _PAUSES_S,
    look: Callable[[Client, Sequence[PointWrite]], Awaitable[Sequence[PointWrite]]] = read_back,
) -> list[PointWrite]:
    """Read back until each entry is `there`, once after each pause; returns the entries that are still not.

    `look` reads some points, and returns those that could be read.
    """
    clock_s = asyncio.get_running_loop().time
    started_s = clock_s()
    left = list(entries)
    for pause_s in pauses_s:
        if not left:
            break
        await asyncio.sleep(pause_s)
        for entry in await look(client, left):
            entry.looked_s = clock_s() - started_s
        left = [entry for entry in left if not there(entry)]
    return left


async def _read_back_each(client: Client, entries: Sequence[PointWrite]) -> Sequence[PointWrite]:
    """Read some points back, alone where one of them cannot be read; returns those that were read.

    A point that was refused, and cannot be read either, was not written.
    """
    try:
        return await read_back(client, entries)
    except RequestTimeoutError:  # a busy server; it is asked again
        return []
    except (CallError, CodecError):
        if len(entries) > 1:
            return [one for entry in entries for one in await _read_back_each(client, [entry])]
        if isinstance(entries[0].error, CallError):
            entries[0].mark_failed_as_not_stored()
        return []


class _Writer:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.dialect = client.dialect
        self.limit = asyncio.Semaphore(client.max_concurrency)
        self.stopped: HsFrameError | None = None
        self.batch_refused = False

    async def write(self, entries: list[PointWrite]) -> None:
        may_batch = self.dialect.his_write_batch is not False and not entries[0].samples.is_removal
        if len(entries) >= _BATCH_FROM and may_batch and self.stopped is None:
            entries = await self.batch(entries)
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(self.single(entry))
        if self.batch_refused and self.dialect.his_write_batch is None and all(not entry.error for entry in entries):
            self.dialect.his_write_batch = False  # no batch has worked so far, but each point alone has

    async def batch(self, entries: list[PointWrite]) -> list[PointWrite]:
        """Write a batch, and return the points that lack samples when it is read back."""
        try:
            whole = await in_thread(batch_grid, [entry.samples for entry in entries])
            for piece in _pieces(whole, self.dialect.body_limit):
                await self.send(piece, entries, proves=False)
        except (CallError, NetworkError, AuthError) as error:
            if _concerns_all(error):
                self.stopped = error
            else:
                _log.info("a batch hisWrite was refused: %s; writing point by point", error)
                self.batch_refused = True
            return entries
        try:
            left = await read_back_until(self.client, entries, pauses_s=_BATCH_PAUSES_S)
        except (CallError, HTTPStatusError, CodecError) as error:
            _log.info("a batch hisWrite could not be read back: %s; writing point by point", error)
            return entries
        if any(not entry.count(STORED) for entry in left):
            _log.info("a batch hisWrite was answered, but its samples are not on the server; writing point by point")
            if self.dialect.his_write_batch is None:  # if one has worked before, this one is slow
                self.dialect.his_write_batch = False
        elif not left:
            self.dialect.his_write_batch = True
        return left

    async def single(self, entry: PointWrite) -> None:
        """Write the samples of one point that are not stored yet; an error is kept in its entry."""
        rest = entry.rest()
        whole, proves = rest.grid(), not rest.is_removal  # which may be answered 200 and ignored
        async with self.limit:
            try:
                for piece in _pieces(whole, self.dialect.body_limit):
                    if self.stopped is not None:
                        entry.error = self.stopped
                        return
                    await self.send(piece, [entry], proves=proves)
            except HsFrameError as error:
                entry.error = error
                if _concerns_all(error):
                    self.stopped = self.stopped or error

    async def send(self, grid: Grid, entries: Sequence[PointWrite], *, proves: bool) -> None:
        """Send one hisWrite; if it is refused as too large, send it in halves.

        What timed out is not sent again: the server may be at it still, and would have twice the work.
        """
        _mark(entries, grid, SENT)
        try:
            await self.client.call("hisWrite", grid)
        except HsFrameError as error:
            if not may_still_run(error):
                _mark(entries, grid, NOT_STORED if is_not_run(error) else FAILED)
            if not (halves := halves_of(grid, error)):
                raise
            for half in halves:
                await self.send(half, entries, proves=proves)
        else:
            if proves:
                _mark(entries, grid, STORED)


def _mark(entries: Sequence[PointWrite], grid: Grid, status: int) -> None:
    """Set the status of the samples whose instants are within those of a grid."""
    times = grid.columns[0]
    assert isinstance(times, TimeColumn)
    first_us, last_us = times.values[0].as_py(), times.values[-1].as_py()
    for entry in entries:
        entry.mark(first_us, last_us, status)


def _raise_refusals(entries: Sequence[PointWrite]) -> None:
    bad = [(entry, entry.error) for entry in entries if entry.error is not None]
    if not bad:
        return
    first, error = bad[0]
    if not isinstance(error, CallError | HTTPStatusError):
        raise error
    others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    done = ", ".join("@" + entry.point.id for entry in entries if entry.count(STORED) and entry.is_stored)
    what, ended = ("to remove samples", "removed") if first.samples.is_removal else ("the samples", "written")
    raise CallError(
        f"the server refused {what} of {first.point}{others}: {error}" + (f"; {ended}: {done}" if done else ""),
        getattr(error, "grid", None),
    ) from error


def _concerns_all(error: HsFrameError) -> bool:
    """Whether an error does not depend on the point, so that the next point would get it too."""
    if isinstance(error, HTTPStatusError):
        return error.status in _NEXT_FAILS_TOO
    return isinstance(error, NetworkError | AuthError)


def rows_of(grid: Grid, start: int, stop: int) -> Grid:
    """Some rows of a grid, as a grid."""
    return Grid(grid.meta, grid.cols, [column[start:stop] for column in grid.columns])


def halves_of(grid: Grid, error: HsFrameError) -> list[Grid]:
    """What to send in place of a grid that a server or a proxy finds too large (413); nothing where that is no help."""
    if not (isinstance(error, HTTPStatusError) and error.status == 413) or len(grid) < 2:
        return []
    middle = len(grid) // 2
    return [rows_of(grid, 0, middle), rows_of(grid, middle, len(grid))]


def _pieces(grid: Grid, body_limit: int | None) -> list[Grid]:
    """The rows of a grid, divided so that each body is short enough in any format, and for a server with a limit."""
    body_bytes = min(BODY_BYTES, body_limit or BODY_BYTES)
    width = _ROW_BYTES + sum(_CELL_BYTES + _longest(column) for column in grid.columns[1:])
    rows = max(body_bytes // width, 1)
    return [rows_of(grid, start, start + rows) for start in range(0, len(grid), rows)]


def _longest(column: Sequence[object]) -> int:
    """The bytes of the longest text in a column, if each of them is escaped, or those of its unit."""
    if isinstance(column, NumberColumn):
        return len((column.unit or "").encode())
    if isinstance(column, StrColumn):
        return 2 * (pc.max(pc.binary_length(column.values)).as_py() or 0)
    return 0


def _windows(times: Sequence[Instants]) -> list[tuple[int, int]]:
    """The first and last instants of windows that together hold all samples, without the longest gaps."""
    if not times:
        return []
    ts_us = times[0] if len(times) == 1 else np.unique(np.concatenate(times))
    gaps = np.diff(ts_us)
    ends = np.flatnonzero(gaps > _GAP_US)
    if len(ends) >= _MOST_WINDOWS:
        ends = np.sort(np.argsort(gaps, kind="stable")[-(_MOST_WINDOWS - 1) :])
    firsts, lasts = ts_us[[0, *(ends + 1)]], ts_us[[*ends, -1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
