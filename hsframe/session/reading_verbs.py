"""The verbs that only read records and histories, from a server or from an archive."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pandas as pd

from hsframe.caller_warnings import told_once, warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.durations import Duration, duration_us
from hsframe.errors import HsFrameError, MetadataError, ReadWarning, check_choice
from hsframe.frame.entities import entity_frame
from hsframe.frame.in_units import Units, check_units
from hsframe.frame.points import DIS_SUFFIX, Point
from hsframe.frame.points_like import PointsLike
from hsframe.grid import Grid
from hsframe.history.latest import At, latest_frame, read_latest
from hsframe.history.plan import ReadOptions
from hsframe.history.read import span_of
from hsframe.history.source import Source
from hsframe.protocol.request_grids import Ids, as_refs
from hsframe.session.base import ReadingBase
from hsframe.session.progress_bar import progress_of
from hsframe.session.reading import (
    IterRequest,
    OnError,
    ReadRequest,
    TrendFrames,
    failure_text,
    note_origin,
    parts_of,
    read_frame,
)
from hsframe.session.reading_episodes import read_episodes
from hsframe.session.signatures import Overloaded, P, Q, takes


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
else:
    _OneFrame = _FramePerPoint = ReadRequest

# What a person looks for in a frame of records stands first.
_FIRST: Final = {
    name: place
    for place, name in enumerate(("id", "dis", "navName", "kind", "unit", "spec", "tz", "siteRef", "equipRef"))
}


class ReadingVerbs(ReadingBase):
    """Records and histories to frames."""

    async def read(self, filter: str, limit: int | None = None) -> pd.DataFrame:
        """Records by filter.

        Parameters
        ----------
        filter : str
            As ``'point and temp and siteRef->dis == "HQ"'``; a Number compares with its unit only: ``curVal > 20°C``.
            The name of a spec finds the records of it and of those derived from it, where the server knows specs:
            ``"ph.points::ZoneAirTempSensor"``, or ``'ph.points::ZoneAirTempSensor and siteRef->dis == "HQ"'``. So it is
            in every filter that a verb takes.
        limit : int, optional
            The most records to give.

        Returns
        -------
        DataFrame
            One row per record, one column per tag (:mod:`hsframe.frame.entities`): first ``id``, ``dis``, ``navName``,
            ``kind``, ``unit``, ``spec``, ``tz``, ``siteRef``, ``equipRef``, then the others as the server has them;
            ``id`` and ``dis`` also where no record is found. ``spec`` is the name of the record's spec, where any has
            one (:meth:`hsframe.Session.specs`). :meth:`his_read` takes it as its points.

        Raises
        ------
        CallError
            The server refused, for example a filter that it does not understand.
        IncompleteError
            The server says that there is more, and no `limit` was given.
        """
        if not isinstance(filter, str):
            raise MetadataError(f"filter must be a text, as 'point and temp'; got {filter!r}; read_by_ids takes ids")
        return await self._records(lambda source: source.read(filter, limit, raw=True))

    async def read_by_ids(self, ids: Ids) -> pd.DataFrame:
        """Records by id, in the order of the ids.

        Parameters
        ----------
        ids : Ref, str or iterable of them

        Returns
        -------
        DataFrame
            One row per record, as :meth:`read` gives it.

        Raises
        ------
        UnknownRecError
            Ids that the server does not know; the message names them.
        """
        refs = as_refs(ids, "read")
        return await self._records(lambda source: source.read_by_ids(refs, checked=True, raw=True))

    @_by_shape(_OneFrame, _FramePerPoint)
    async def his_read(self, request: ReadRequest) -> TrendFrames:
        """The histories of some points as a frame: every sample once, at its instant, in its unit.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame
            A filter; an id (``"@p:demo:r:1"``) or several; or the frame that :meth:`read` gave. Of the records that
            a filter finds, those with a history are read. A display name that one point has, exactly so, is taken as
            its id; for that all points are read. :meth:`find` looks for names that are written in other ways.
        span : str, date, datetime, (start, end), or frame of episodes
            A date means its whole day, also as the end, and an instant as the end is not in the span. In each point's
            own zone, whatever `tz` is: ``"today"``, ``"lastWeek"``, ``"last14wholeDays"``, ``"-7d"`` (up to now),
            ``"2026-01"``, ``"2026-01-01,2026-01-31"`` with all of the 31st, ``("2026-01-01T08:00",
            "2026-01-01T12:00")`` without a sample at 12:00; :mod:`hsframe.spans` has all forms. Or a frame with
            ``start`` and ``end``, as ``df.hs.episodes(...)`` gives it: only these windows are read, and each has its
            rows, where two overlap too.
            With `interval` these are the whole intervals that begin in it: an episode shorter than one may have no row,
            and the sum of the rows is not that of the episode, for which read samples and take ``df.hs.over``.
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
            wall time of each point without a zone, so that the same month of several zones is one row. For hours of
            several zones by their own clocks take ``matrix(..., index="local")``.
        week_start : str
            The day on which the weeks of `span` and `interval` start: ``"monday"``, ``"sunday"``, ...
        units : {"native", "si", "ip"}, unit or mapping
            The units of the columns: the points' own; metric; inch-pound; ``"°C"`` for each that converts to it, and
            at least one must; or ``{"°F": "°C", "@id": "MW"}``, whose keys are ids, labels or units.
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
            gives columns of two levels, ``point`` and ``agg``. All rules:
            :doc:`Values over intervals </explanation/intervals>`.
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
        where : str, Ref, tuple, frame of episodes or list, optional
            Only the time in which it holds counts in an interval, and `coverage` is the share of it that is known: the
            Bool point ``"@fan-run"``, or a filter that finds one; ``("@oat", ">", Number(65, "°F"))``, whose unit is
            converted (``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``); the windows of some episodes; or a list of these
            that all hold.
        label : {"start", "end", "both"}
            Which end of its interval a row is labelled with: ``"end"`` as weather and utility files are (it cannot be
            written back); ``"both"`` is an index of two levels, ``start`` and ``end``. ``df.hs.interval`` has it, and
            says where pandas loses it.
        boundary : {"none", "before", "both"}
            Samples around the span, each at its own instant: ``"before"``, the last one before it, which says what held
            when it began; ``"both"``, the first one from its end on too. Each is looked for up to 400 days away; a
            point without one has none. Of episodes around the window of each. Not together with `interval`, which reads
            by itself what it needs.
        pad : str or timedelta, optional
            How far to read before and after each episode.
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
            Index ``ts``, ``datetime64[us, zone]``, strictly increasing; of episodes ``episode`` (by the index of their
            frame) and ``ts``. Number columns with a unit are ``unit[°F]`` (float64 inside, NaN where there is no
            sample), Bool ``boolean``, Str ``category``: all states of the record's ``enum`` in its order, then values
            that it does not list, with a ReadWarning. ``df.hs.catalog`` is a table of what became of each point: rows,
            status, reason. A point that could not be read has no column; with ``shape="dict"`` it has a frame without
            one. The table is in ``df.attrs``, which operations of pandas may drop, or keep as that of the first of
            several frames: take it from this one.

        Raises
        ------
        SpanError
            The span or the interval cannot be understood.
        UnknownRecError, MetadataError
            The server does not know an id, and no point has that name (the message has what comes near); several have
            it; no point is found; a setting has no meaning for a point, or nothing tells whether its energy is a
            running total or an amount per sample.
        UnitError
            A unit of `units` that a column does not convert to; an `agg` without a meaning in a unit.
        CallError, NetworkError, AuthError, CodecError
            The server refused, or gave no usable answer. Nothing partial is returned.

        Warns
        -----
        ZoneWarning
            Each once a server: the points are in several zones and share one index, which is UTC then; its offsets
            contradict its zones, or the zone files of this machine are old (:mod:`hsframe.zones`).
        GapWarning
            Points whose samples are all further apart than `max_gap`, so that no interval has a value. Sums of points
            whose record has no ``hisInterval``: nothing tells whether samples are missing. Days before the first row.
        ReadWarning
            With ``on_error="warn"``: points that could not be read. A read that is expected to be large
            (:mod:`hsframe.options`). Points without a tag that `header` names. A text of `where` that is no state of
            its point. Points of kind Number whose samples are texts. False readings of a meter that a ``"delta"``
            leaves out, such as a zero in between; readings that add over ten times what is usual, near a reset or
            roll-over, which may be false.

        Examples
        --------
        >>> points = 'power and siteRef->dis == "Harbor Tower"'
        >>> df = hsframe.his_read(points, "lastWeek")  # doctest: +SKIP
        >>> hours = hsframe.his_read(points, "lastMonth", interval="1h")  # doctest: +SKIP
        >>> kwh = hsframe.his_read("@nyc-meter-kwh", "2026-01", interval="1D", header="navName")  # doctest: +SKIP
        """
        with self._one_verb() as source:
            frame: TrendFrames
            if isinstance(request.span, pd.DataFrame):
                frame, points = await read_episodes(source, request, request.span)
            else:
                frame, points = await read_frame(source, request)
        self._remember(points)
        return frame

    @takes(IterRequest)
    async def his_iter(self, request: IterRequest) -> AsyncGenerator[pd.DataFrame, None]:
        """Histories as one frame after the other, each of some points over a part of the span, in bounded memory.

        The points come in their order, those of each zone by themselves, `points_at_once` together; of these all parts
        of the span in order of time, before the next points. The parts are whole days, weeks, months, ... of local
        time, but for the first and the last one, which the span cuts. A part without samples has a frame without rows;
        one in which no `interval` starts is in the frame of the part beside it.

        Parameters
        ----------
        points, span, ...
            As for :meth:`his_read`, and each frame is as that gives it for its points and its part. ``shape="dict"`` is
            not taken: ``points_at_once=1`` gives a frame per point.
        by : str or timedelta
            The length of the parts: ``"1D"``, ``"1W"``, ``"1M"``, ``"1Q"``, ``"1Y"``.
        points_at_once : int
            The most points of one frame.

        Yields
        ------
        DataFrame
            As of :meth:`his_read`. Columns are called as in one frame of all points.

        Raises
        ------
        SpanError
            `by` is no such length, or less than a day. Else as :meth:`his_read`, before the frame that fails.
        """
        async with progress_of(request.progress, "his_iter") as progress:
            with self._one_verb() as source:
                parts = await parts_of(source, request, progress)
            for part in parts:
                with self._one_verb() as source:
                    frame, points = await read_frame(source, *part, progress)
                self._remember(points)
                assert isinstance(frame, pd.DataFrame)
                yield frame

    async def latest(
        self,
        points: PointsLike,
        *,
        at: At | None = None,
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
        at : str, date, datetime, or iterable of these, optional
            The value at an instant instead, or at several: the last sample at it or before. ``"2026-11-01T08:00"`` is
            8:00 in each point's own zone, as ``"yesterday 08:00"`` is, a date its midnight; ``"-2h"`` is two hours ago.
            Of a time that a clock repeats it is the first one, and for one that it skips the instant of the change.
            The present value of a record is not used. An instant later than now has no value (status ``"future"``) but
            that of a forecast.
        units : {"native", "si", "ip"}, unit or mapping
            As for :meth:`his_read`.
        tz : str or tzinfo
            The zone of ``ts`` and ``at``; ``"point"`` is that of the points, or UTC where they have several.
        max_age : str, timedelta or Number
            How far back the last sample is looked for.
        on_error : {"raise", "warn", "catalog"}
            As for :meth:`his_read`; a point that could not be read has a row all the same, of status ``"failed"``.

        Returns
        -------
        DataFrame
            One row per point, also where nothing is known: ``id``, ``dis``, ``ts``, ``age`` (``timedelta64[us]``: from
            `ts` to the moment of the read, or to `at`), ``value`` (with its unit), ``unit``, ``source`` (``"his"`` or
            ``"cur"``), ``status``; :mod:`hsframe.history.latest` says what they mean. Status ``"ok"`` means that the
            last sample is a value, and ``age`` how old: of a point that is silent for a week it is still ``"ok"``.
            With `at` a row per point and instant, in the order given, and the instant in column ``at``; of points in
            several zones 8:00 is several instants, and ``df.groupby("id").cumcount()`` has the place of each in `at`,
            for a table by it.

        Raises
        ------
        SpanError
            `max_age` is not a length of time; `at` is not an instant. Else as :meth:`his_read`.

        Warns
        -----
        ReadWarning
            With ``on_error="warn"``: points that could not be read.
        """
        reach_us = duration_us(max_age, "max_age")
        check_choice("on_error", on_error, get_args(OnError))
        check_units(units)
        failures: dict[str, HsFrameError] = {}
        options = ReadOptions(failures=None if on_error == "raise" else failures)
        with self._one_verb() as source, told_once(source.dialect.told):
            rows = await read_latest(source, points, reach_us, options, at)
            df = await in_thread(functools.partial(latest_frame, rows, units=units, tz=tz, with_at=at is not None))
            ends_us = [row.at_us for row in rows if row.at_us is not None] or [options.now_us]
            note_origin([df], source, options, [span_of(min(ends_us) - reach_us, max(ends_us))])
        if failures and on_error == "warn":
            warn_caller(failure_text(failures, df["id"].nunique(), "value"), ReadWarning)
        self._remember(row.point for row in rows if row.point.id not in failures)
        return df

    async def _records(self, read: Callable[[Source], Awaitable[Grid]]) -> pd.DataFrame:
        options = ReadOptions()
        with self._one_verb() as source:
            grid = await read(source)
            points, df = await in_thread(_points_and_frame, grid)
            note_origin([df], source, options, [])
        self._remember(points)
        if grid.has_col("site"):
            self._sites.update(str(row["id"]) for row in grid if "site" in row and "id" in row)
        return df


def _points_and_frame(grid: Grid) -> tuple[list[Point], pd.DataFrame]:
    points = [Point.from_record(row) for row in grid if "id" in row and ("point" in row or "kind" in row)]
    df = entity_frame(grid)
    if not len(df):  # it has at least the columns that a person goes on with
        names = {name: pd.array([], dtype="str") for name in ("id", "dis")}
        df = pd.DataFrame(names).join(df.drop(columns=[*names, "empty"], errors="ignore"))
    return points, df[sorted(df, key=lambda name: _FIRST.get(str(name).removesuffix(DIS_SUFFIX), len(_FIRST)))]
