"""Writes a frame to histories: checks it, sends it, and reports what was stored however the write ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from hsframe.client.in_thread import in_thread
from hsframe.errors import HsFrameError, UnknownRecError, check_choice
from hsframe.frame.his_grids import frame_columns
from hsframe.frame.match import could_be_id, frame_of, unknown_column
from hsframe.history.point_records import read_records
from hsframe.history.remove import Removal
from hsframe.history.verify import read_back, read_back_until
from hsframe.history.write import check_sent, write_histories
from hsframe.history.write_report import Existing, WriteReport

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client
    from hsframe.frame.points import Point

# How long to read back after an error, and after a cancellation (usually Ctrl-C) or the deadline of the verb.
_CHECK_S: Final = 15.0
_CHECK_WHEN_CANCELLED_S: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class WriteRequest:
    """The parameters of :meth:`hsframe.Session.his_write`."""

    df: pd.DataFrame | pd.Series[Any]
    _: KW_ONLY
    points: Any = None
    dry_run: bool = False
    verify: bool = False
    inf: Literal["refuse", "send"] = "refuse"
    convert: bool = False
    existing: Existing = "replace"

    def __post_init__(self) -> None:
        check_choice("existing", self.existing, get_args(Existing))


async def checked(client: Client, request: WriteRequest, known: Sequence[Point]) -> WriteReport:
    """The samples, checked against the records of their points; `known` are points that were read before."""
    df = frame_of(request.df)
    columns = await in_thread(
        lambda: frame_columns(df, request.points, known, inf=request.inf, convert=request.convert, words_are_ids=True)
    )
    try:
        records = {record.id: record for record in await read_records(client, [c.point.id for c in columns])}
    except UnknownRecError as error:
        for column in columns:
            if column.label == column.point.id in error.ids and could_be_id(column.label):
                raise unknown_column(column.label, df) from error
        raise
    samples = await in_thread(lambda: [column.samples(records[column.point.id].point) for column in columns])
    return WriteReport(samples, records, request.existing)


async def write_checked(client: Client, request: WriteRequest, report: WriteReport) -> pd.DataFrame:
    """Write what was checked, as :meth:`hsframe.Session.his_write` describes.

    A cancelled write still reads back what it has sent: it ends some seconds later; cancelled again, it ends at once.
    """
    if request.dry_run or request.existing != "replace":
        await read_back(client, report.entries)
    if request.existing != "replace":
        report.keep_existing(dry_run=request.dry_run)
    if request.dry_run:
        return report.table("dry run")

    async def write() -> None:
        await write_histories(client, report)
        if request.verify:
            left = [entry for entry in report.entries if not entry.is_verified]
            await read_back_until(client, left, there=lambda entry: entry.is_verified)

    await _looked_after(client, report, write, lambda: check_sent(client, report))
    return report.table("verified" if request.verify else "written")


async def remove_checked(client: Client, removal: Removal) -> pd.DataFrame:
    """Remove what was found, as :meth:`hsframe.Session.his_remove` describes; a cancelled one ends as a write does."""
    await _looked_after(client, removal.report, removal.run, removal.check)
    return removal.table("removed")


async def _looked_after(
    client: Client,
    report: WriteReport,
    write: Callable[[], Awaitable[None]],
    check: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Write; where that is interrupted, check for some seconds what the server has, and add the report to the error."""
    patience = client.sender.retries.patience()
    with report.on_errors():  # also for a second cancellation, during the reading back
        try:
            async with patience.limited(f"hisWrite at {client.sender.url('hisWrite')}"):
                await write()
        except BaseException as error:
            more_s = patience.left_s if isinstance(error, Exception) else 0.0
            await _checked_for(min(_CHECK_WHEN_CANCELLED_S + more_s, _CHECK_S), client, check)
            raise


async def _checked_for(wait_s: float, client: Client, check: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Read back the samples whose status is not known, for at most `wait_s`; then it stays unknown."""
    # A task of its own: in a cancelled one, the TaskGroup of Python 3.13 cancels again when a read fails.
    with client.sender.retries.one_verb(anew=True):
        task = asyncio.create_task(check())
    task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, also if nobody waits any more
    try:
        await asyncio.wait((task,), timeout=wait_s)
    finally:
        task.cancel()
        await asyncio.wait((task,))  # awaiting the task itself would take a cancellation of this one for the task's
    if not task.cancelled() and not isinstance(error := task.exception(), HsFrameError | None):
        raise error
