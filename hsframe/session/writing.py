"""A frame to a server's histories: checked, sent, and accounted for however it ends."""

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
from hsframe.history.verify import look
from hsframe.history.write import settle, write_histories
from hsframe.history.write import verify as read_back
from hsframe.history.write_report import WriteReport

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client
    from hsframe.frame.points import Point

__all__ = ["write_frame"]

# After an error, and after a cancellation (Ctrl-C, above all), when someone waits for the prompt.
_SETTLE_S: Final = 15.0
_SETTLE_WHEN_CANCELLED_S: Final = 3.0


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
    """Write a frame as :meth:`hsframe.Session.his_write` tells.

    A cancelled write is looked after, too: it ends some seconds later, or at once when it is cancelled again. `known`
    are the points that the session has read; `remember` takes those whose records were read here.
    """
    columns = await in_thread(functools.partial(frame_columns, df, points, known, inf=inf, convert=convert))
    records = {record.id: record for record in await read_records(client, [c.point.id for c in columns])}
    remember(record.point for record in records.values())
    samples = await in_thread(lambda: [column.samples(records[column.point.id].point) for column in columns])
    report = WriteReport(samples, records)
    if dry_run:
        await look(client, report.entries, max_concurrency=max_concurrency)
        return report.table("dry run")
    with report.on_errors():  # also onto a second cancellation, while the first is looked after
        try:
            await write_histories(client, report, max_concurrency=max_concurrency)
            if verify:
                await read_back(client, report, max_concurrency=max_concurrency)
        except BaseException as error:
            wait_s = _SETTLE_S if isinstance(error, Exception) else _SETTLE_WHEN_CANCELLED_S
            await _settle(client, report, wait_s, max_concurrency)
            raise
    return report.table("verified" if verify else "written")


async def _settle(client: Client, report: WriteReport, wait_s: float, max_concurrency: int) -> None:
    """Find out what became of the samples that were under way; what is not known in time stays unknown."""
    # A task of its own: in one that was cancelled, the TaskGroup of Python 3.13 cancels again when a read fails.
    task = asyncio.create_task(settle(client, report, max_concurrency=max_concurrency))
    try:
        await asyncio.wait((task,), timeout=wait_s)
    finally:
        task.cancel()
        with suppress(HsFrameError, asyncio.CancelledError):
            await task
