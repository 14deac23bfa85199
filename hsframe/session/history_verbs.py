"""The verbs of a session that read and write histories."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.durations import Duration, duration_us
from hsframe.errors import HsFrameError, ReadWarning, check_choice
from hsframe.frame.in_units import Units
from hsframe.frame.points_like import PointsLike
from hsframe.history.latest import latest_frame, read_latest
from hsframe.history.nearest_samples import span_of
from hsframe.history.plan import ReadOptions
from hsframe.history.remove import Removal, Times
from hsframe.session.base import SessionBase
from hsframe.session.exporting import ExportRequest, expected_table, export
from hsframe.session.reading import OnError, ReadRequest, TrendFrames, failure_text, note_origin, read_frame
from hsframe.session.signatures import Overloaded, P, Q, takes
from hsframe.session.writing import WriteRequest, checked, remove_checked, write_checked
from hsframe.spans import SpanLike


def _by_shape(
    frame: Callable[P, ReadRequest], frames: Callable[Q, ReadRequest]
) -> Callable[
    [Callable[[Any, ReadRequest], Coroutine[Any, Any, TrendFrames]]],
    Overloaded[P, Coroutine[None, None, pd.DataFrame], Q, Coroutine[None, None, dict[str, pd.DataFrame]]],
]:
    """Let a verb that takes a request be called with its fields; the type of its result depends on ``shape``."""
    return takes(frame)  # type: ignore[return-value]


if TYPE_CHECKING:  # for type checkers: the fields of a request, once per type of result

    @dataclass(frozen=True)
    class _OneFrame(ReadRequest):
        shape: Literal["wide", "tidy"] = field(default="wide", kw_only=True)

    @dataclass(frozen=True)
    class _FramePerPoint(ReadRequest):
        shape: Literal["dict"] = field(kw_only=True)

    @dataclass(frozen=True)
    class _Export(ExportRequest):
        dry_run: Literal[False] = field(default=False, kw_only=True)

    @dataclass(frozen=True)
    class _DryRun(ExportRequest):
        dry_run: Literal[True] = field(kw_only=True)
else:
    _OneFrame = _FramePerPoint = ReadRequest
    _Export = _DryRun = ExportRequest


def _by_dry_run(
    path: Callable[P, ExportRequest], table: Callable[Q, ExportRequest]
) -> Callable[
    [Callable[[Any, ExportRequest], Coroutine[Any, Any, Path | str | pd.DataFrame]]],
    Overloaded[P, Coroutine[None, None, Path | str], Q, Coroutine[None, None, pd.DataFrame]],
]:
    return takes(path)  # type: ignore[return-value]


class HistoryVerbs(SessionBase):
    """Histories to frames, and frames to histories."""

    @_by_shape(_OneFrame, _FramePerPoint)
    async def his_read(self, request: ReadRequest) -> TrendFrames:
        """The histories of some points as a frame: every sample once, at its instant, in its unit.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame
            A filter; an id (``"@p:demo:r:1"``) or several; or the frame that :meth:`read` gave. Of the records that
            a filter finds, those with a history are read.
        span : str, date, datetime, or (start, end)
            A date means its whole day, also as the end, and an instant as the end is not in the span. In each point's
            own zone, whatever `tz` is: ``"today"``, ``"lastWeek"``, ``"-7d"``, ``"2026-01"``,
            ``"2026-01-01,2026-01-31"`` with all of the 31st, ``("2026-01-01T08:00", "2026-01-01T12:00")`` without a
            sample at 12:00; :mod:`hsframe.spans` has all forms.
        header : str, tuple of str, or callable
            Names of the columns: ``"dis"``, the display names, made unique with the id where two are equal; ``"id"``;
            a tag, as ``"navName"``; a path to a tag of another record, as ``"equipRef->dis"``; a tuple of these, for
            columns in levels; or what a function of the record gives. :mod:`hsframe.frame.labels` has the rules. Not
            with ``shape="tidy"``, which has no columns of points.
        shape : {"wide", "tidy", "dict"}
            One column per point; one row per sample, with columns ``id``, ``ts``, ``value``, ``text`` and ``unit``
            (:mod:`hsframe.frame.tidy`; names come by ``df.merge(points, on="id")``); or one frame per point.
        tz : str or tzinfo
            The zone of the index; ``"point"`` is that of the points. ``"local"``, for `interval` of a day and more: the
            wall time of each point without a zone, so that the same month of several zones is one row.
        week_start : str
            The day on which the weeks of `span` and `interval` start: ``"monday"``, ``"sunday"``, ...
        units : {"native", "si", "ip"} or mapping
            The units of the columns: the points' own; metric; inch-pound; or ``{"°F": "°C", "@id": "MW"}``, whose
            keys are ids, labels or units.
        na : {"nan", "flag"}
            ``"flag"``: a second column after each point's tells NA, NaN and null apart, see
            :mod:`hsframe.frame.flags`. Not together with `interval`.
        interval : str or timedelta, optional
            One row per interval instead of one per instant: ``"15min"``, ``"1h"``, ``"1D"``, ``"1W"``, ``"1M"``, from
            local midnight of each point, days of 23 and 25 hours included. The rows are the whole intervals that
            start in `span`, see :mod:`hsframe.intervals.regular`: ``"1M"`` from the 10th starts with the next month.
        agg : str, list or mapping, optional
            What an interval's value is: ``"step"``, ``"linear"``, ``"mean"``, ``"avg"``, ``"integral"``, ``"delta"``,
            ``"sum"``, ``"min"``, ``"max"``, ``"first"``, ``"last"``, ``"count"``, ``"coverage"``, and of states
            ``"duration"``, ``"share"``, ``"starts"``; for all points, or by id, label or unit. By
            default what is right for the kind of point: the value that held for Bool, Str and change of value, the
            delta of a meter's running total, else the mean over time. A list, for all or as a value of the mapping,
            gives columns of two levels, ``point`` and ``agg``. :mod:`hsframe.intervals.rules` has all rules.
        max_gap : str, timedelta or mapping, optional
            The longest time between samples that is bridged, or for which a value holds.
        min_coverage : float, optional
            The share of an interval that must be known for its mean or shares (by default 0.5), integral, sum,
            durations or starts (1).
        rollover : float, Number, bool or mapping, optional
            The size of a meter's register, for ``"delta"``, by default its record's ``hisRollover``; False: a meter
            may run backwards.
        edges : {"whole", "partial"}, optional
            ``"partial"``: `span` is covered exactly, and the first and last row are the parts of their intervals that
            it has. In a month to date (``"thisMonth"`` by ``"1M"``) the last row ends with the last sample of a point,
            if that is at most `max_gap` old. By default whole intervals, with a warning of days that are in none.
        label : {"start", "end", "both"}
            Which end of its interval a row is labelled with: ``"end"`` as weather and utility files are (it cannot be
            written back); ``"both"`` is an index of two levels, ``start`` and ``end``. ``df.hs.interval`` has it, and
            says where pandas loses it.
        boundary : {"none", "before", "both"}
            Samples around the span, each at its own instant: ``"before"``, the last one before it, which says what held
            when it began; ``"both"``, the first one from its end on too. Each is looked for up to 400 days away; a
            point without one has none. Not together with `interval`, which reads by itself what it needs.
        on_error : {"raise", "warn", "catalog"}
            What to do about a point that cannot be read: raise its error; or leave the whole point out, with a warning
            or only with an entry in ``df.hs.catalog``. A refused login is raised in any case.
        limit_rows : int, optional
            Requests are made so small that none should be answered with more rows. If the server allows fewer, that is
            found out and remembered.
        chunk : str or timedelta, optional
            The longest span of one request, as ``"7D"``.
        max_concurrency : int, optional
            How many requests run at once; by default the setting of :func:`connect`.
        progress : bool, optional
            Whether to draw a bar after two seconds (with tqdm). By default in a notebook and in a terminal.

        Returns
        -------
        DataFrame or dict of str to DataFrame
            Index ``ts``, ``datetime64[us, zone]``, strictly increasing. Number columns with a unit are
            ``unit[°F]`` (float64 inside, NaN where there is no sample), Bool ``boolean``, Str ``category``: all
            states of the record's ``enum`` in its order, then values that it does not list, with a ReadWarning.
            ``df.hs.catalog`` is a table of what became of each point: rows, status, reason. A point that could not be
            read has no column; with ``shape="dict"`` it has a frame without one. The table is in ``df.attrs``, which
            operations of pandas may drop, or keep as that of the first of several frames: take it from this one.

        Raises
        ------
        SpanError
            The span or the interval cannot be understood.
        UnknownRecError, MetadataError
            The server does not know an id; no point is found; a setting has no meaning for a point, or nothing tells
            whether its energy is a running total or an amount per sample.
        UnitError
            A unit of `units` that a column does not convert to; an `agg` without a meaning in a unit.
        CallError, NetworkError, AuthError, CodecError
            The server refused, or gave no usable answer. Nothing partial is returned.

        Warns
        -----
        ZoneWarning
            The points are in several zones and share one index, which is UTC then. Or, once a server: its offsets
            contradict its zones, or the zone files of this machine are old (:mod:`hsframe.zones`).
        GapWarning
            Points whose samples are all further apart than `max_gap`, so that no interval has a value. Sums of points
            whose record has no ``hisInterval``: nothing tells whether samples are missing. Days before the first row.
        ReadWarning
            With ``on_error="warn"``: points that could not be read. Points without a tag that `header` names. Points of
            kind Number whose samples are texts. False readings of a meter that a ``"delta"`` leaves out, such as a zero
            in between; readings that add over ten times what is usual, near a reset or roll-over, which may be false.
        """
        with self.client.sender.retries.one_verb():
            frame, points = await read_frame(self.client, request)
        self._remember(points)
        return frame

    async def latest(
        self,
        points: PointsLike,
        *,
        units: Units = "native",
        tz: str | tzinfo = "point",
        max_age: Duration = "400D",
        on_error: OnError = "raise",
    ) -> pd.DataFrame:
        """The latest value of some points: the last sample up to now, or else the present value of the record.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame
            As for :meth:`his_read`; of the records that a filter finds, all points, with a history or not.
        units : {"native", "si", "ip"} or mapping
            As for :meth:`his_read`.
        tz : str or tzinfo
            The zone of column ``ts``; ``"point"`` is that of the points.
        max_age : str, timedelta or Number
            How far back the last sample is looked for.
        on_error : {"raise", "warn", "catalog"}
            As for :meth:`his_read`; a point that could not be read has a row all the same, of status ``"failed"``.

        Returns
        -------
        DataFrame
            One row per point, also where nothing is known: ``id``, ``dis``, ``ts``, ``age`` (``timedelta64[us]``: from
            `ts` to the moment of the read), ``value`` (with its unit), ``unit``, ``source`` (``"his"`` or ``"cur"``),
            ``status``; :mod:`hsframe.history.latest` says what they mean.

        Raises
        ------
        SpanError
            `max_age` is not a length of time. Else as :meth:`his_read`.

        Warns
        -----
        ZoneWarning
            The points are in several zones, and ``ts`` is in UTC.
        ReadWarning
            With ``on_error="warn"``: points that could not be read.
        """
        reach_us = duration_us(max_age, "max_age")
        check_choice("on_error", on_error, get_args(OnError))
        failures: dict[str, HsFrameError] = {}
        options = ReadOptions(failures=None if on_error == "raise" else failures)
        with self.client.sender.retries.one_verb():
            rows = await read_latest(self.client, points, reach_us, options)
            df = await in_thread(functools.partial(latest_frame, rows, units=units, tz=tz))
            note_origin([df], self.client, options, [span_of(options.now_us - reach_us, options.now_us)])
        if failures and on_error == "warn":
            warn_caller(failure_text(failures, len(rows), "value"), ReadWarning)
        self._remember(row.point for row in rows if row.point.id not in failures)
        return df

    @takes(WriteRequest)
    async def his_write(self, request: WriteRequest) -> pd.DataFrame:
        """Write a frame's samples to the histories of its points.

        Everything is checked first: if anything cannot be written correctly, an error says so and nothing is sent.
        Missing values are not written, and remove nothing: :meth:`his_remove` does. Instants are those of the index,
        also of an index of Arrow timestamps or of datetime objects; the zone that is written is the point's own.

        Values over intervals are written as samples at their starts. Means, extremes and the like may go to the point
        they were made of, where they replace samples at these instants and stand beside all others. What is no value
        of the point, as a delta, sum, integral, count or coverage, is refused there: it would be read as one. So is a
        frame whose note pandas has dropped, where this session has read such values of a point that its name means.

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
            One row per point: ``id``, ``dis``, ``unit``, ``tz`` (str), ``rows`` (int64), ``first``,
            ``last`` (``datetime64[us, UTC]``), ``status``: ``"written"`` (the server took all of it), ``"dry run"``,
            ``"verified"`` or ``"differs"``; ``"kept"`` where the server had all, in a dry run ``"refused"`` where
            `existing` does; ``"no samples"`` where a column has no value. With ``existing="keep"`` and ``"refuse"``
            also ``kept``: how many stay as they are.

            With `dry_run` or `verify` also what the server has of these rows, as counts: ``new`` (with `verify`
            ``missing``), ``same``, ``different``; and of the first that is different ``first_difference`` (its
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
        (``"written"``, ``"partly written"``, ``"not written"``, ``"unknown"``) and ``reason``.
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
            One row per point: ``id``, ``dis``, ``rows`` (samples in the span), ``removed`` (of these, as read back),
            ``first``, ``last`` (``datetime64[us, UTC]``), ``status``: ``"dry run"``, ``"removed"``, ``"no samples"``.
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
            removal = await Removal.of(self.client, points, span, week_start=week_start)
            self._remember(record.point for record in removal.records)
            return removal.table("dry run") if dry_run else await remove_checked(self.client, removal)

    @_by_dry_run(_Export, _DryRun)
    async def export(self, request: ExportRequest) -> Path | str | pd.DataFrame:
        """Read histories into a Parquet file, or into an archive: open files in a folder, with units and points.

        A tidy file and an archive are written as answers arrive, so memory does not grow with points or samples; and
        the same command goes on where it was interrupted, also by kill -9. A wide file is one frame in memory, and is
        read anew.

        Parameters
        ----------
        points, span, week_start, max_concurrency, progress
            As for :meth:`his_read`.
        path : path-like or uri
            One file, where it ends in ``.parquet``: it is there whole or not at all. Anything else is the folder or the
            place in an object store of an archive, see :class:`hsframe.Archive`, whose ``sync`` may continue it. An
            archive that is there gets what it does not have of the span yet, and what is between: it has no holes.
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
            of those that it shares with others, so that they add up; without those that prove answers whole) and
            ``bytes``. They follow from the records (``hisInterval``, ``hisSize``); of those that do not tell, a sample
            each quarter of an hour is assumed.

        Raises
        ------
        MetadataError
            There is no such folder; it has other things in it; the disk is full; a point has another unit, kind or zone
            than in the archive; another program writes the same file. Else as :meth:`his_read`.

        Notes
        -----
        A tidy file is staged in an archive beside it, ``.NAME.parquet.export``, which is removed when the file has its
        name; remove it to begin anew. What was read before an interruption is not read again. Of a span that is not
        over, samples after the present are not taken for read.
        """
        if request.dry_run:
            with self.client.sender.retries.one_verb():
                return await expected_table(self.client, request)
        with self.client.sender.retries.one_verb():
            self._remember((await export(self.client, request)).points)
        return request.target
