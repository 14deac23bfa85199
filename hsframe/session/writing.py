"""Writes a frame to histories: checks it, sends it, and reports what was stored however the write ends."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from hsframe.client.in_thread import in_thread
from hsframe.errors import HsFrameError
from hsframe.frame.his_grids import frame_columns
from hsframe.history.point_records import read_records
from hsframe.history.verify import read_back
from hsframe.history.write import check_sent, verify_histories, write_histories
from hsframe.history.write_report import WriteReport

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client
    from hsframe.frame.points import Point

__all__ = ["write_frame"]

# How long to read back after an error, and after a cancellation (usually Ctrl-C), when the user waits for the prompt.
_CHECK_S: Final = 15.0
_CHECK_WHEN_CANCELLED_S: Final = 3.0


async def write_frame(
    client: Client,
    df: pd.DataFrame | pd.Series[Any],
    *,
    points: Any,
    known: Sequence[Point],
    remember: Callable[[Iterable[Point]], None],
    dry_run: bool,
    verify: bool,
    inf: Literal["refuse", "send"],
    convert: bool,
    max_concurrency: int,
) -> pd.DataFrame:
    """Write a frame as :meth:`hsframe.Session.his_write` describes.

    A cancelled write still reads back what it has sent: it ends some seconds later; cancelled again, it ends at once.
    `known` are the points that the session has read; `remember` is called with those whose records are read here.
    """
    columns = await in_thread(functools.partial(frame_columns, df, points, known, inf=inf, convert=convert))
    records = {record.id: record for record in await read_records(client, [c.point.id for c in columns])}
    remember(record.point for record in records.values())
    samples = await in_thread(lambda: [column.samples(records[column.point.id].point) for column in columns])
    report = WriteReport(samples, records)
    if dry_run:
        await read_back(client, report.entries, max_concurrency=max_concurrency)
        return report.table("dry run")
    with report.on_errors():  # also for a second cancellation, during the reading back
        try:
            await write_histories(client, report, max_concurrency=max_concurrency)
            if verify:
                await verify_histories(client, report, max_concurrency=max_concurrency)
        except BaseException as error:
            wait_s = _CHECK_S if isinstance(error, Exception) else _CHECK_WHEN_CANCELLED_S
            await _check_sent(client, report, wait_s, max_concurrency)
            raise
    return report.table("verified" if verify else "written")


async def _check_sent(client: Client, report: WriteReport, wait_s: float, max_concurrency: int) -> None:
    """Read back the samples whose status is not known, for at most `wait_s`; then it stays unknown."""
    # A task of its own: in a cancelled one, the TaskGroup of Python 3.13 cancels again when a read fails.
    task = asyncio.create_task(check_sent(client, report, max_concurrency=max_concurrency))
    try:
        await asyncio.wait((task,), timeout=wait_s)
    finally:
        task.cancel()
        with suppress(HsFrameError, asyncio.CancelledError):
            await task
