"""The verbs of a session that write histories, with a report of what was stored however they end, or export them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pandas as pd

from hsframe.client import Client
from hsframe.client.in_thread import in_thread
from hsframe.errors import HsFrameError, UnknownRecError, check_choice
from hsframe.frame.his_grids import frame_columns
from hsframe.frame.match import could_be_id, frame_of, unknown_column
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.history.point_records import PointRecord, read_records
from hsframe.history.remove import Removal, Times
from hsframe.history.write import check_sent, read_back, read_back_until, write_histories
from hsframe.history.write_report import Existing, PointWrite, WriteReport
from hsframe.session.base import SessionBase
from hsframe.session.exporting import ExportRequest, export
from hsframe.session.signatures import Overloaded, P, Q, takes
from hsframe.spans import SpanLike

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


if TYPE_CHECKING:  # for type checkers: the fields of a request, once per type of result

    @dataclass(frozen=True)
    class _Export(ExportRequest):
        dry_run: Literal[False] = field(default=False, kw_only=True)

    @dataclass(frozen=True)
    class _DryRun(ExportRequest):
        dry_run: Literal[True] = field(kw_only=True)
else:
    _Export = _DryRun = ExportRequest


def _by_dry_run(
    path: Callable[P, ExportRequest], table: Callable[Q, ExportRequest]
) -> Callable[
    [Callable[[Any, ExportRequest], Coroutine[Any, Any, Path | str | pd.DataFrame]]],
    Overloaded[P, Coroutine[None, None, Path | str], Q, Coroutine[None, None, pd.DataFrame]],
]:
    return takes(path)  # type: ignore[return-value]


async def checked(client: Client, request: WriteRequest, known: Sequence[Point]) -> WriteReport:
    """The samples, checked against the records of their points; `known` are points that were read before."""
    unsent = WriteReport((), {})
    with unsent.on_errors(sent=False):
        df = frame_of(request.df)
        columns = await in_thread(
            lambda: frame_columns(
                df, request.points, known, inf=request.inf, convert=request.convert, words_are_ids=True
            )
        )
        unsent.all = [PointWrite(column.unchecked(), PointRecord(column.point)) for column in columns]
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
    with report.on_errors(sent=False):
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


class HistoryVerbs(SessionBase):
    """Frames to histories, and histories to files."""

    @takes(WriteRequest)
    async def his_write(self, request: WriteRequest) -> pd.DataFrame:
        """Write a frame's samples to the histories of its points.

        Everything is checked first: if anything cannot be written correctly, an error says so and nothing is sent.
        Missing values are not written, and remove nothing: :meth:`his_remove` does. Instants are those of the index,
        also of an index of Arrow timestamps or of datetime objects; the zone that is written is the point's own.

        Values over intervals are written as samples at their starts. Means, extremes and the like may go to the point
        they were made of, also by ``resample``, where they replace samples at these instants and stand beside all
        others: ``different`` of a dry run counts these. What is no value of the point, as a delta, sum, integral, count
        or coverage, is refused there: it would be read as one. So is a frame whose note pandas has dropped, where this
        program has read such values of a point that its name means, from a server, an archive or a file. What was put
        into a frame of samples, ``raw["M"] = delta["M"]``, is taken for samples.

        Parameters
        ----------
        df : DataFrame or Series
            Index: zone-aware times. A column finds its point by `points`, by what :meth:`his_read` noted in the
            frame, by a label that is an id (with or without the ``@``), or by a display name that is unique among the
            points read in this session.
        points : mapping of label to id, list of points, or DataFrame, optional
            Which point a column belongs to. A list or frame of points is looked through for the labels; a column of a
            point that it leaves out is refused, and one column goes to one point whatever it is called.
        dry_run : bool
            Check everything, compare it with what the server has, and send nothing.
        verify : bool
            Read back what was written and compare. A server may store later than it answers: a comparison that
            finds too little is repeated for some seconds. Single precision, six significant digits and whole seconds,
            as some servers keep them, do not count as different.
        existing : {"replace", "keep", "refuse"}
            What becomes of samples that the server has at these instants. ``"replace"``: they get the new values.
            ``"keep"``: they stay, NA too, and only what is new is sent, as a backfill wants. ``"refuse"``: if one has
            another value, nothing is sent. What is the same is decided as with `verify`; on a server that has whole
            seconds only, a sample is taken to be there at the second before its instant.
        inf : {"refuse", "send"}
            What to do with infinite values.
        convert : bool
            Whether a column in another unit is converted to its point's; else it is refused. Numbers without a unit
            are taken to be in the point's.

        Returns
        -------
        DataFrame
            One row per point: ``id``, ``dis``, ``unit``, ``tz`` (str), ``first``, ``last`` (in the zone of the points,
            in UTC if they have several), ``rows`` (int64), ``status``: ``"written"`` (the server took all of it),
            ``"dry run"``, ``"verified"`` or ``"differs"``; ``"kept"`` where the server had all, in a dry run
            ``"refused"`` where `existing` does; ``"no samples"`` where a column has no value. With
            ``existing="keep"`` and ``"refuse"`` also ``kept``: how many stay as they are.

            With `dry_run` or `verify` also what the server has of these rows, as counts: ``same``, ``new`` (with
            `verify` ``missing``), ``different``; and of the first that is different ``first_difference`` (its
            instant), ``on_server`` and ``in_frame`` (its values). And ``note``, if a point got numbers without a unit,
            or has rows without a value, which are left out.

        Raises
        ------
        ZoneError, UnitError, MetadataError
            Naive times, another unit, an instant that comes twice, a column without a point; column and place named.
            With ``existing="refuse"`` samples with other values; ``error.report`` is the table of the dry run.
        UnknownRecError
            The server does not know a point.
        CallError, NetworkError, AuthError
            The server refused, or gave no usable answer. It is safe to repeat the write.

        Notes
        -----
        When a write is interrupted, by an error, by Ctrl-C or because its task was cancelled, the samples that had been
        sent without an answer are read back, several times for up to ten seconds (three after a deadline): the server
        may still be busy with them. What timed out is not sent again. The exception, whichever it is, has a note and a
        ``report`` with one row per point: ``rows``, ``written``, ``unknown`` (sent, and not there or not read so far;
        the server may store them later), ``looked_s`` (for how many seconds they were looked for), ``status``
        (``"written"``, ``"partly written"``, ``"not written"``, ``"unknown"``) and ``reason``. What was found by
        reading back counts as ``written``; after an error of the server it may have been there before. An error before
        anything was sent, as of a server that is down, has a note and a report that say so. A note is in every
        traceback, and not in ``str(error)``: ``logger.exception(...)`` has it, ``print(error)`` not.
        ``asyncio.timeout`` turns the cancellation into a TimeoutError: then the report is ``error.__cause__.report``.
        """
        with self.client.sender.retries.one_verb():
            report = await checked(self.client, request, self.known_points)
            self._remember(report.points)
            return await write_checked(self.client, request, report)

    async def his_remove(
        self, points: PointsLike, span: SpanLike | Times, *, dry_run: bool = False, week_start: str = "monday"
    ) -> pd.DataFrame:
        """Delete the samples of some points in a span, or at some instants, NA among them; the records stay.

        The value Remove is written at the instant of each sample, which Haxall takes for its removal; the standard
        leaves it open. So one sample goes first, of one point of each kind, and is read back for some seconds. The
        others follow only if it is gone; where the server has put something else there, the sample is written again.

        Parameters
        ----------
        points, week_start
            As for :meth:`his_read`, but no frame of samples, which does not stand for all that its points have.
        span : str, date, (start, end), DatetimeIndex, Series or list of times
            As for :meth:`his_read`; or the instants to remove, with a zone, of all points: ``bad.index`` of wrong rows
            ``bad``. A lone datetime is refused, as is a list of two: it could be either.
        dry_run : bool
            Read what there is, and send nothing.

        Returns
        -------
        DataFrame
            One row per point: ``id``, ``dis``, ``first``, ``last`` (in the zone of the points, in UTC if they have
            several), ``rows`` (samples in the span), ``removed`` (of these, as read back), ``status``: ``"dry run"``,
            ``"removed"``, ``"no samples"``.
            Where instants were given also ``absent``: at how many of them the point has no sample.

        Raises
        ------
        CallError
            The server does not remove samples, or still has some of them.
        MetadataError, SpanError, ZoneError
            Samples in place of points; what is no span; instants without a zone. Else as :meth:`his_read`.

        Notes
        -----
        An interrupted removal ends as an interrupted write does, see :meth:`his_write`; in the report of the exception
        ``removed`` stands for ``written``. It is safe to repeat.
        """
        with self.client.sender.retries.one_verb():
            with WriteReport((), {}, done="removed").on_errors(sent=False):
                removal = await Removal.of(self.client, points, span, week_start=week_start)
            self._remember(removal.report.points)
            if dry_run:
                return removal.table("dry run")
            await _looked_after(self.client, removal.report, removal.run, removal.check)
            return removal.table("removed")

    @_by_dry_run(_Export, _DryRun)
    async def export(self, request: ExportRequest) -> Path | str | pd.DataFrame:
        """Read histories into a Parquet file, or into an archive: open files in a folder, with units and points.

        A tidy file and an archive are written as answers arrive, so memory does not grow with points or samples. After
        an interruption, even a kill -9, the same command goes on where it was; for a tidy file within a day. A wide
        file is one frame in memory, and is read anew.

        Parameters
        ----------
        points, span, week_start, max_concurrency, progress
            As for :meth:`his_read`.
        path : path-like or uri
            One file, where it ends in ``.parquet``: it is there whole or not at all, in place of the one of that name.
            Anything else is the folder (made with those above it) or the place in an object store of an archive, see
            :class:`hsframe.Archive`, whose ``sync`` may continue it. An archive that is there gets what it does not
            have of the span yet, and what is between: it has no holes.
        layout : {"wide", "tidy"}, optional
            Of one file: ``"wide"``, a column per point, by default; ``"tidy"``, a row per sample, sorted by id and
            time. Both are as :meth:`his_read` gives them by ``shape=``. An archive is tidy.
        header, tz
            Of one file: as for :meth:`his_read`.
        on_error : {"raise", "warn"}
            What to do about a point that cannot be read: raise its error; or leave it out of a file, with a warning. An
            archive keeps what was read of it, and the same command reads on.
        dry_run : bool
            Read the records alone, write nothing, and give what is expected.
        storage_options : mapping, optional
            For an object store, as for :class:`hsframe.Archive`.

        Returns
        -------
        Path or str
            The path; of a uri its text. :func:`hsframe.read_parquet` gives the frame of a file back, other tools read
            plain doubles; ``hsframe.Archive(path)`` opens an archive.
        DataFrame
            With `dry_run`: a row per point, ``id``, ``dis``, and what is left to do: ``rows``, ``requests`` (its share
            of those that it shares with others, so that they add up; without those that prove answers whole, a few for
            each batch of points) and ``bytes``; ``status``: ``"dry run"``, or why there is nothing to do, and
            ``reason``. They follow from the records (``hisInterval``, ``hisSize``); of those that do not tell, a sample
            each quarter of an hour is assumed.

        Raises
        ------
        MetadataError
            There is no such folder for a file; that of an archive has other things in it; the disk is full; a point has
            another unit, kind or zone than in the archive; another program writes the same file. Else as
            :meth:`his_read`.

        Notes
        -----
        A tidy file is staged in a folder beside it, ``.NAME.parquet.export``, which is removed when the file has its
        name; remove it to begin anew. It takes 13 bytes a sample. What was read before an interruption is not read
        again, but for some seconds of it, and the samples beside the span of an archive, which come first. Of a span
        that is not over, samples after the present are not taken for read.
        """
        with self._one_verb() as source:
            done = await export(source, request)
        if isinstance(done, pd.DataFrame):
            return done
        self._remember(done.points)
        return request.target
