"""The synchronous face: :func:`connect`, and :class:`Session` with every verb as a method.

Async is the core. A session runs the methods of its :class:`hsframe.Client` through a runner
(:mod:`hsframe.runners`), and makes frames of the grids that come back. What is said here about requests, errors and
logins is what the client does.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, overload

import pandas as pd

from hsframe.client import Client
from hsframe.connection import Connection
from hsframe.errors import MetadataError
from hsframe.frame.entities import entity_frame
from hsframe.frame.histories import grid_histories, is_history
from hsframe.frame.in_units import Units
from hsframe.frame.points import Point, as_points
from hsframe.frame.regular import duration_us, parse_step
from hsframe.frame.resample import Aggregation
from hsframe.frame.trend import Header, Missing, Shape, trend_frame
from hsframe.grid import Grid
from hsframe.history.archive import checked_path, write_archive
from hsframe.history.intervals import Shaping
from hsframe.history.latest import latest_frame, read_latest
from hsframe.history.read import HowToRead
from hsframe.kinds import Number, Ref
from hsframe.protocol.login import AuthScheme
from hsframe.protocol.ops import as_ref
from hsframe.protocol.secret import HiddenStr, Secret
from hsframe.reading import OnError, Reading, limits_of, read_frame
from hsframe.runners import runner_named
from hsframe.spans import SpanLike
from hsframe.watching import Duration
from hsframe.writing import write_frame

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from hsframe.tls import TLSConfig

__all__ = ["Session", "connect", "default_kept", "default_session"]

T = TypeVar("T")

_CONNECT_FIRST: Final = "there is no session: call hsframe.connect(...) first"


def connect(
    uri: str | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    token: str | None = None,
    auth: AuthScheme = "auto",
    allow_insecure: bool = False,
    format: str = "zinc",
    tls: TLSConfig | None = None,
    timeout: aiohttp.ClientTimeout | float | None = None,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    runner: Literal["thread", "nested"] = "thread",
    max_concurrency: int = 6,
) -> Session:
    """Connect to a Haystack server; the session becomes the default one of the module's verbs.

    Nothing is sent yet: the login is part of the first request.

    Parameters
    ----------
    uri : str, optional
        Where the API is, as ``"http://127.0.0.1:8080/api"``; a trailing slash makes no difference. Environment:
        ``HSFRAME_URI``.
    user, password : str, optional
        Environment: ``HSFRAME_USER``, ``HSFRAME_PASSWORD``. A user that is ``""`` is nobody: anonymous access.
    token : str, optional
        A bearer token in place of a login. Environment: ``HSFRAME_TOKEN``, where neither `user` nor `password` is
        given here.
    auth : str
        The login scheme: ``"auto"`` takes the one that the server offers.
    allow_insecure : bool
        Allow PLAINTEXT and Basic over plain http to another machine.
    format : {"zinc", "json", "json3"}
        The wire format of requests and answers; ``"json"`` is version 4.
    tls : TLSConfig, optional
        A client certificate, an authority of one's own.
    timeout : float or aiohttp.ClientTimeout, optional
        Seconds that one request may take; 30 by default.
    proxy : str, optional
        ``http://user:password@host:port``.
    headers : mapping, optional
        Extra headers for every request.
    runner : {"thread", "nested"}
        How the asynchronous core is run, see :mod:`hsframe.runners`.
    max_concurrency : int
        How many requests of one read or write run at once.

    Returns
    -------
    Session

    Raises
    ------
    MetadataError
        There is no uri, or a setting is none of those that exist.

    Examples
    --------
    >>> with connect("http://127.0.0.1:8080/api/", "demo", "demo") as s:
    ...     s
    <Session http://127.0.0.1:8080/api as demo>
    """
    global _default
    uri = uri if uri is not None else os.environ.get("HSFRAME_URI")
    if not uri:
        raise MetadataError(
            "there is no uri to connect to: give one, as in hsframe.connect('http://127.0.0.1:8080/api', 'user', "
            "'password'), or set HSFRAME_URI"
        )
    if token is None and user is None and password is None:
        token = os.environ.get("HSFRAME_TOKEN") or None
    if token is None:
        user = user if user is not None else os.environ.get("HSFRAME_USER", "")
        password = password if password is not None else os.environ.get("HSFRAME_PASSWORD", "")
    if max_concurrency < 1:
        raise MetadataError(f"max_concurrency is {max_concurrency}; at least one request must run at a time")
    # What follows may raise, and a traceback can show local variables.
    where, secrets = Secret(uri), (Secret(password or ""), None if token is None else Secret(token))
    proxy = None if proxy is None else HiddenStr(proxy)
    headers = {name: HiddenStr(value) for name, value in (headers or {}).items()}
    del uri, password, token

    def make_client() -> Client:
        word, ticket = secrets
        return Client(
            where.reveal(),
            user or "",
            word.reveal(),
            token=None if ticket is None else ticket.reveal(),
            auth=auth,
            allow_insecure=allow_insecure,
            format=format,
            tls=tls,
            timeout=timeout,
            proxy=proxy,
            headers=headers,
        )

    session = Session(Connection(make_client, runner_named(runner)), user=user or "", max_concurrency=max_concurrency)
    _default = session
    return session


def default_session() -> Session:
    """The session of the last :func:`connect`.

    Raises
    ------
    MetadataError
        There is none, or it was closed.
    """
    if _default is None:
        raise MetadataError(_CONNECT_FIRST)
    return _default


_default: Session | None = None


@contextmanager
def default_kept() -> Iterator[None]:
    """What is connected inside the block does not become the default session."""
    global _default
    kept = _default
    try:
        yield
    finally:
        _default = kept


class Session:
    """A connection to one server, made by :func:`connect`; use it as a context manager, or call :meth:`close`.

    Methods may be called from any thread, and inside a running event loop, as in Jupyter.

    Attributes
    ----------
    uri : str
        Without credentials.
    """

    def __init__(self, connection: Connection, *, user: str, max_concurrency: int) -> None:
        self.uri = connection.uri
        self._connection = connection
        self._user = user
        self._max_concurrency = max_concurrency
        # The points that were read here: their display names may be labels of a frame that is written.
        self._known: dict[str, Point] = {}

    # -- the connection ------------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The asynchronous client, open, on the loop of the session's runner.

        With ``runner="nested"`` it can be awaited in the notebook. With ``runner="thread"`` its loop is another one:
        use :meth:`run`.
        """
        return self._connection.client

    @property
    def known_points(self) -> list[Point]:
        """The points that were read in this session."""
        return list(self._known.values())

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, timeout_s: float | None = None) -> T:
        """Run a coroutine function of one's own on the session's loop and wait for its result.

        Parameters
        ----------
        fn : coroutine function
            Called with the client and `args`.
        *args
        timeout_s : float, optional
            Seconds after which it is cancelled.

        Examples
        --------
        >>> async def both(client):                             # doctest: +SKIP
        ...     return await asyncio.gather(client.about(), client.ops())
        >>> about, ops = session.run(both)                      # doctest: +SKIP
        """
        return self._connection.run(fn, self.client, *args, timeout_s=timeout_s)

    def close(self) -> None:
        """End the session: send the op ``close`` to the server and close every connection. Twice does no harm."""
        global _default
        if _default is self:
            _default = None
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        who = f" as {self._user}" if self._user else ""
        return f"<Session {self.uri}{who}{', closed' if self._connection.is_closed else ''}>"

    def _ask(self, name: str, *args: Any) -> Grid:
        return self._connection.ask(name, *args)

    # -- records -------------------------------------------------------------------------------------------------

    def about(self) -> pd.DataFrame:
        """What the server says of itself.

        Returns
        -------
        DataFrame
            One row: ``serverName``, ``haystackVersion``, ``tz``, ``productName``, ...
        """
        return entity_frame(self._ask("about"))

    def ops(self) -> pd.DataFrame:
        """The operations that the server knows, a row each."""
        return entity_frame(self._ask("ops"))

    def formats(self) -> pd.DataFrame:
        """The formats that the server takes and gives, a row each: ``mime``, ``receive``, ``send``."""
        return entity_frame(self._ask("formats"))

    def defs(self, filter: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """The server's definitions, a row each.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return entity_frame(self._ask("defs", filter, limit))

    def libs(self, filter: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """The server's libraries of definitions, a row each.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return entity_frame(self._ask("libs", filter, limit))

    def filetypes(self, filter: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """The file types that the server knows, a row each.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return entity_frame(self._ask("filetypes", filter, limit))

    def read(self, filter: str, limit: int | None = None) -> pd.DataFrame:
        """Records by filter.

        Parameters
        ----------
        filter : str
            As ``'point and temp and siteRef->dis == "HQ"'``.
        limit : int, optional
            At most so many.

        Returns
        -------
        DataFrame
            A row a record, a column a tag (:func:`hsframe.frame.entities.entity_frame`); it can be given to
            :meth:`his_read` as it is.

        Raises
        ------
        CallError
            The server refused; a filter that it cannot understand, for one.
        IncompleteError
            The server says that there is more, and no `limit` was given.
        """
        return self._records(self._ask("read", filter, limit))

    def read_by_ids(self, ids: Iterable[Ref | str]) -> pd.DataFrame:
        """Records by id, in the order of the ids.

        Parameters
        ----------
        ids : iterable of Ref or str

        Returns
        -------
        DataFrame
            A row a record, as :meth:`read` gives it.

        Raises
        ------
        UnknownRecError
            Ids that the server does not know; the message names them.
        """
        return self._records(self._ask("read_by_ids", [ids] if isinstance(ids, Ref | str) else list(ids)))

    def nav(self, nav_id: Any = None) -> pd.DataFrame:
        """The children of a node of the navigation tree, those of the root without `nav_id`; a row each."""
        return self._records(self._ask("nav", nav_id))

    def _records(self, grid: Grid) -> pd.DataFrame:
        self._remember(Point.from_record(row) for row in grid if "id" in row and ("point" in row or "kind" in row))
        return entity_frame(grid)

    def _remember(self, points: Iterable[Point]) -> None:
        self._known.update((point.id, point) for point in points)

    # -- histories -----------------------------------------------------------------------------------------------

    @overload
    def his_read(
        self,
        points: Any,
        span: SpanLike,
        *,
        header: Header = ...,
        shape: Literal["wide", "long"] = ...,
        tz: str | tzinfo = ...,
        week_start: str = ...,
        units: Units = ...,
        na: Missing = ...,
        interval: str | timedelta | None = ...,
        agg: Aggregation | Mapping[str, Aggregation] | None = ...,
        max_gap: str | timedelta | Mapping[str, str | timedelta] | None = ...,
        min_coverage: float | None = ...,
        rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = ...,
        on_error: OnError = ...,
        limit_rows: int | None = ...,
        chunk: str | timedelta | None = ...,
        max_concurrency: int | None = ...,
        progress: bool | None = ...,
    ) -> pd.DataFrame: ...
    @overload
    def his_read(
        self,
        points: Any,
        span: SpanLike,
        *,
        header: Header = ...,
        shape: Literal["dict"],
        tz: str | tzinfo = ...,
        week_start: str = ...,
        units: Units = ...,
        na: Missing = ...,
        interval: str | timedelta | None = ...,
        agg: Aggregation | Mapping[str, Aggregation] | None = ...,
        max_gap: str | timedelta | Mapping[str, str | timedelta] | None = ...,
        min_coverage: float | None = ...,
        rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = ...,
        on_error: OnError = ...,
        limit_rows: int | None = ...,
        chunk: str | timedelta | None = ...,
        max_concurrency: int | None = ...,
        progress: bool | None = ...,
    ) -> dict[str, pd.DataFrame]: ...
    def his_read(
        self,
        points: Any,
        span: SpanLike,
        *,
        header: Header = "dis",
        shape: Shape = "wide",
        tz: str | tzinfo = "point",
        week_start: str = "monday",
        units: Units = "native",
        na: Missing = "nan",
        interval: str | timedelta | None = None,
        agg: Aggregation | Mapping[str, Aggregation] | None = None,
        max_gap: str | timedelta | Mapping[str, str | timedelta] | None = None,
        min_coverage: float | None = None,
        rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = None,
        on_error: OnError = "raise",
        limit_rows: int | None = None,
        chunk: str | timedelta | None = None,
        max_concurrency: int | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """The histories of some points as a frame: every sample once, at its instant, in its unit.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame
            A filter; an id (``"@p:demo:r:1"``) or several; or the frame that :meth:`read` gave. Of the records that
            a filter finds, those with a history are read.
        span : str, date, datetime, or (start, end)
            Half-open, in each point's own zone, whatever `tz` is: ``"today"``, ``"lastWeek"``, ``"-7d"``,
            ``"2026-01"``, ``"2026-01-01,2026-01-31"``, ``("2026-01-01T08:00", "2026-01-01T12:00")``;
            :mod:`hsframe.spans` has all forms.
        header : {"dis", "id"} or callable
            Names of the columns: display names, made unique with the id where two are equal; ids; or what a function
            of the point gives.
        shape : {"wide", "long", "dict"}
            A column a point; a row a sample; or a frame a point.
        tz : str or tzinfo
            The zone of the index; ``"point"`` is that of the points.
        week_start : str
            The day on which the weeks of `span` and `interval` start: ``"monday"``, ``"sunday"``, ...
        units : {"native", "si", "ip"} or mapping
            The units of the columns: the points' own; metric; inch-pound; or ``{"°F": "°C", "@id": "MW"}``, whose
            keys are ids, labels or units.
        na : {"nan", "flag"}
            ``"flag"``: a second column behind each point's tells NA, NaN and null apart, see
            :mod:`hsframe.frame.flags`. Not together with `interval`.
        interval : str or timedelta, optional
            A row an interval instead of a row an instant: ``"15min"``, ``"1h"``, ``"1D"``, ``"1W"``, ``"1M"``, from
            local midnight of each point, days of 23 and 25 hours included. The rows are the whole intervals that
            start in `span`, see :mod:`hsframe.frame.regular`.
        agg : str or mapping, optional
            What an interval's value is: ``"step"``, ``"linear"``, ``"mean"``, ``"integral"``, ``"delta"``, ``"sum"``,
            ``"min"``, ``"max"``, ``"first"``, ``"last"``, ``"count"``; for all points, or by id, label or unit. By
            default what is right for the kind of point: the value that held for Bool, Str and change of value, the
            growth of a meter's running total, else the mean over time. :mod:`hsframe.frame.resample` says it all.
        max_gap : str, timedelta or mapping, optional
            The longest time between samples that is bridged, or for which a value holds.
        min_coverage : float, optional
            The share of an interval that must be known for its mean or integral.
        rollover : float, Number, bool or mapping, optional
            The size of a meter's register, for ``"delta"``; False: a meter may run backwards.
        on_error : {"raise", "warn", "catalog"}
            What to do about a point that cannot be read: raise its error; or leave it out, as a whole, and say so
            with a warning or only in ``df.hs.catalog``. That a login is refused is raised in any case.
        limit_rows : int, optional
            The most rows that one request may be expected to be answered with; a server that gives fewer is found
            out, and remembered.
        chunk : str or timedelta, optional
            The longest time that one request may reach over, as ``"7D"``.
        max_concurrency : int, optional
            How many requests run at once; by default as :func:`connect` was told.
        progress : bool, optional
            Whether to draw a bar after two seconds (with tqdm). By default in a notebook and in a terminal.

        Returns
        -------
        DataFrame or dict of str to DataFrame
            Index ``ts``, ``datetime64[us, zone]``, strictly increasing. Number columns with a unit are
            ``unit[°F]`` (float64 inside, NaN where there is no sample), Bool ``boolean``, Str ``category``.
            ``df.hs.catalog`` is a table of what became of each point: rows, status, reason. A point that could not be
            read has no column; with ``shape="dict"`` it has a frame without one. The table is in ``df.attrs``, which
            operations of pandas may drop: take it from this frame.

        Raises
        ------
        SpanError
            The span or the interval cannot be understood.
        UnknownRecError, MetadataError
            The server does not know an id; no point is meant; a setting has no meaning for a point, or nothing says
            whether its energy counts up or comes in amounts.
        UnitError
            A unit of `units` that a column does not convert to; an `agg` without a meaning in a unit.
        CallError, NetworkError, AuthError, CodecError
            The server refused, or gave no usable answer. Nothing partial is returned.

        Warns
        -----
        ZoneWarning
            The points are in several zones and share one index, which is UTC then.
        GapWarning
            Points whose samples are all further apart than `max_gap`, so that no interval has a value.
        ReadWarning
            With ``on_error="warn"``: points that could not be read.
        """
        # A wrong setting is refused before anything is read.
        trend_frame(
            [], header=header, shape=shape, tz=tz, units="native" if isinstance(units, Mapping) else units, na=na
        )
        shaping = None
        if interval is not None:
            if na != "nan":
                raise MetadataError("na='flag' tells samples apart, and with interval= there are none; leave one out")
            parse_step(interval, week_start)
            shaping = Shaping(interval, agg, max_gap, min_coverage, rollover)
        elif (agg, max_gap, min_coverage, rollover) != (None,) * 4:
            raise MetadataError(
                "agg=, max_gap=, min_coverage= and rollover= say what an interval's value is; give interval= too, as "
                "in interval='15min'"
            )
        how: HowToRead = {
            "limits": limits_of(limit_rows, chunk),
            "max_concurrency": self._max_concurrency if max_concurrency is None else max_concurrency,
        }
        return read_frame(
            self.run,
            Reading(points, span, week_start, header, shaping, how),
            remember=self._remember,
            shape=shape,
            tz=tz,
            units=units,
            na=na,
            on_error=on_error,
            progress=progress,
        )

    def latest(
        self,
        points: Any,
        *,
        units: Units = "native",
        tz: str | tzinfo = "point",
        max_age: str | timedelta = "400D",
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
        max_age : str or timedelta
            How far back the last sample is looked for.

        Returns
        -------
        DataFrame
            A row a point, also where nothing is known: ``id``, ``dis``, ``ts``, ``value``, ``unit``, ``source``
            (``"his"`` or ``"cur"``), ``status``; :mod:`hsframe.history.latest` says what they mean.

        Raises
        ------
        SpanError
            `max_age` is no length of time. Else as :meth:`his_read`.

        Warns
        -----
        ZoneWarning
            The points are in several zones, and ``ts`` is in UTC.
        """
        reach_us = duration_us(max_age, "max_age")
        read = functools.partial(read_latest, max_concurrency=self._max_concurrency)
        rows = self.run(read, points, reach_us)
        self._remember(row.point for row in rows)
        return latest_frame(rows, units=units, tz=tz)

    def his_write(
        self,
        df: pd.DataFrame | pd.Series[Any],
        *,
        points: Any = None,
        dry_run: bool = False,
        verify: bool = False,
        inf: Literal["refuse", "send"] = "refuse",
        convert: bool = False,
    ) -> pd.DataFrame:
        """Write a frame's samples to the histories of its points.

        Everything is checked first: what cannot be written right is refused, and then nothing is sent. Missing
        values are no samples. Instants are those of the index; the zone that is written is the point's own.

        Parameters
        ----------
        df : DataFrame or Series
            Index: zone-aware times. A column finds its point by `points`, by what :meth:`his_read` noted in the
            frame, by a label that is an id, or by a display name that is unique among the points read in this session.
        points : mapping of label to id, list of points, or DataFrame, optional
            Which point a column belongs to.
        dry_run : bool
            Check everything, compare it with what the server has, and send nothing.
        verify : bool
            Read back what was written and compare. A server may store later than it answers: a look that finds too
            little is repeated for some seconds. Single precision, six significant digits and whole seconds, as some
            servers keep them, are no difference.
        inf : {"refuse", "send"}
            What to do with infinite values.
        convert : bool
            Whether a column in another unit is converted to its point's; else it is refused.

        Returns
        -------
        DataFrame
            A row a point with samples: ``id``, ``dis``, ``unit``, ``tz`` (str), ``rows`` (int64), ``first``, ``last``
            (``datetime64[us, UTC]``), ``status``: ``"written"`` (the server took all of it), ``"dry run"``,
            ``"verified"`` or ``"differs"``.

            With `dry_run` or `verify` also what the server has of these rows, as counts: ``new`` (with `verify`
            ``missing``), ``same``, ``different``; and of the first that is different ``first_difference`` (its
            instant), ``on_server`` and ``in_frame`` (its values).

        Raises
        ------
        ZoneError, UnitError, MetadataError
            Naive times, another unit, an instant that comes twice, a column without a point; column and place named.
        UnknownRecError
            The server does not know a point.
        CallError, NetworkError, AuthError
            The server refused, or gave no usable answer. The same write again does no harm.

        Notes
        -----
        A write that breaks off, by an error or by Ctrl-C, is looked after: what was under way is read back, and the
        exception, whichever it is, has a note and a ``report``, a row a point: ``rows``, ``written``, ``unknown``
        (under way, and the server could not be asked), ``status`` (``"written"``, ``"partly written"``, ``"not
        written"``, ``"unknown"``) and ``reason``.
        """
        return write_frame(
            self.run,
            df,
            points=points,
            known=self.known_points,
            remember=self._remember,
            dry_run=dry_run,
            verified=verify,
            inf=inf,
            convert=convert,
            max_concurrency=self._max_concurrency,
        )

    def export(
        self,
        points: Any,
        span: SpanLike,
        path: str | os.PathLike[str],
        *,
        header: Header = "dis",
        tz: str | tzinfo = "point",
        week_start: str = "monday",
    ) -> Path:
        """Read histories into a Parquet file, with units, zones and ids in its metadata.

        Parameters
        ----------
        points, span, header, tz, week_start
            As for :meth:`his_read`.
        path : path
            The file; it is there whole or not at all. :func:`hsframe.read_parquet` gives the frame back, and other
            tools read plain doubles.

        Returns
        -------
        Path

        Raises
        ------
        MetadataError
            There is no such folder. Else as :meth:`his_read`.
        """
        target = checked_path(path)
        return write_archive(self.his_read(points, span, header=header, tz=tz, week_start=week_start), target)

    # -- the server itself ---------------------------------------------------------------------------------------

    def doctor(self, point: Ref | str | None = None) -> pd.DataFrame:
        """What the server can do, asked question by question, with advice.

        Nothing is written to the server. It logs in once more, to see how that goes, and closes that session at the
        end. What is found out is remembered for all sessions of this process with the same uri; nothing is kept on
        disk. How reads come out right does not depend on it, only how many requests they need.

        Parameters
        ----------
        point : Ref or str, optional
            The id of a point with a history to try things with; one is looked for otherwise.

        Returns
        -------
        DataFrame
            A row a question: ``question``, ``answer``, ``advice`` (empty where there is none). A server that cannot
            be reached, or refuses the login, is an answer too.
        """
        from hsframe.diagnosis.doctor import examine, findings_frame

        ident = None if point is None else as_ref(point).val

        async def visit(_: Client) -> pd.DataFrame:
            async with self._connection.another_client() as client:
                return findings_frame(await examine(client, ident))

        return self.run(visit)

    # -- everything else -----------------------------------------------------------------------------------------

    def point_write(
        self, id: Ref | str, level: int, val: Any, who: str = "", duration: Number | timedelta | None = None
    ) -> pd.DataFrame:
        """Write a value at a level of a point's priority array; None takes the level's value away.

        Parameters
        ----------
        id : Ref or str
        level : int
            1 (highest) to 17 (the default value).
        val : Number, bool, str or None
        who : str
            Who writes; the user by default.
        duration : Number or timedelta, optional
            How long it holds, at level 8.

        Returns
        -------
        DataFrame
            The server's answer, mostly empty.
        """
        return entity_frame(self._ask("point_write", id, level, val, who, duration))

    def point_write_array(self, id: Ref | str) -> pd.DataFrame:
        """The priority array of a point: a row a level, with ``level``, ``levelDis``, ``val``, ``who``."""
        return entity_frame(self._ask("point_write_array", id))

    def watch_sub(
        self, ids: Iterable[Ref | str], watch_dis: str, lease: Number | timedelta | None = None
    ) -> pd.DataFrame:
        """Open a watch on some records.

        Parameters
        ----------
        ids : iterable of Ref or str
        watch_dis : str
            What the server's list of watches calls it.
        lease : Number or timedelta, optional
            How long the watch is to live between polls; the server may give another time.

        Returns
        -------
        DataFrame
            The records as they are now; ``df.attrs["watchId"]`` is what :meth:`watch_poll` wants.
        """
        return self._watched(self._ask("watch_sub", list(ids), watch_dis, lease))

    def watch_poll(self, watch_id: str, refresh: bool = False) -> pd.DataFrame:
        """The records of a watch that changed since the last poll.

        Parameters
        ----------
        watch_id : str
            ``df.attrs["watchId"]`` of what :meth:`watch_sub` gave.
        refresh : bool
            All records, changed or not.
        """
        return self._watched(self._ask("watch_poll", watch_id, refresh))

    def watch_unsub(self, watch_id: str, ids: Iterable[Ref | str]) -> None:
        """Take some records out of a watch.

        Parameters
        ----------
        watch_id : str
        ids : iterable of Ref or str
            As the frame of :meth:`watch_sub` has them.
        """
        self._ask("watch_unsub", watch_id, list(ids))

    def watch_close(self, watch_id: str) -> None:
        """Close a watch."""
        self._ask("watch_close", watch_id)

    def watch(
        self,
        points: Any,
        poll: Duration = "5s",
        *,
        dis: str = "hsframe",
        lease: Duration | None = None,
        checked: bool = True,
        empty: bool = False,
        patience: Duration = "1min",
    ) -> Iterator[pd.DataFrame]:
        """Watch records: a frame of all of them as they are, then each time one of those that changed.

        ``for frame in session.watch("point and cur"): ...`` waits between the frames. A watch that is lost (an error
        grid, a lease that ran out, a lost session, a server that was restarted) is opened anew, and what changed
        meanwhile comes once. Leaving the loop, by ``break``, an exception or Ctrl-C, closes the watch.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame
            A filter, for the records that it finds now; ids; or the frame that :meth:`read` gave.
        poll : str, number or timedelta
            How long to wait between polls: ``"5s"``, ``"1min"``, seconds as a number.
        dis : str
            What the server's list of watches calls it.
        lease : same as `poll`, optional
            How long the server shall keep the watch between polls. Where it keeps it for less than two polls, it is
            polled more often.
        checked : bool
            False: an unknown id gives a record of nothing but that id.
        empty : bool
            Whether a poll without changes gives a frame too, without rows.
        patience : same as `poll`
            How long the server may be out of reach.

        Yields
        ------
        DataFrame
            A row a record, as :meth:`read` gives it, under the id that the server gives it; ``curVal`` is in its unit
            where all rows have one, else of ``Number``.

        Raises
        ------
        UnknownRecError
            `checked`, and the server does not know some of the ids.
        CallError, NetworkError
            The watch cannot be opened, or the server was out of reach for longer than `patience`.
        MetadataError
            A duration that is none; a filter that finds nothing.
        """
        wanted = points if isinstance(points, str) else [Ref(point.id) for point in as_points(points)]
        grids = self._connection.each(
            lambda client: client.watch(
                wanted, poll, dis=dis, lease=lease, checked=checked, empty=empty, patience=patience, raw=True
            )
        )
        with closing(grids):
            for grid in grids:
                yield self._watched(grid)

    def _watched(self, grid: Grid) -> pd.DataFrame:
        df = entity_frame(grid)
        df.attrs["watchId"] = str(grid.meta.get("watchId", ""))
        return df

    def invoke_action(self, id: Ref | str, action: str, args: Mapping[str, Any] | Grid | None = None) -> pd.DataFrame:
        """Call an action of a record; the answer is whatever the server makes of it."""
        return self._frame(self._ask("invoke_action", id, action, args))

    def eval(self, expr: str) -> pd.DataFrame:
        """Evaluate an Axon expression (SkySpark, Haxall).

        Returns
        -------
        DataFrame
            A trend frame where the answer is shaped like a history (``hisRead``, ``hisRollup``), in the units that
            the answer names, or else those of points that this session has read; else a row a record. A lone value
            is the one cell of a column ``val``.

        Raises
        ------
        CallError
            The expression failed; ``error.trace`` has the server's stack trace.
        IncompleteError
            The server says that its answer is not whole.
        HTTPStatusError
            404: the server has no Axon.
        """
        return self._frame(self._ask("eval", expr))

    def eval_all(self, exprs: Iterable[str]) -> list[pd.DataFrame]:
        """Evaluate several Axon expressions in one request (SkySpark); on Haxall one after the other.

        Parameters
        ----------
        exprs : iterable of str

        Returns
        -------
        list of DataFrame
            In the order of the expressions, each as :meth:`eval` gives it.

        Raises
        ------
        CallError
            An expression failed; the message says which.
        """
        grids = self._connection.run(functools.partial(self.client.eval_all, exprs, raw=True))
        return [self._frame(grid) for grid in grids]

    def _frame(self, grid: Grid) -> pd.DataFrame:
        """The frame of any answer; of a history with what is known of its points."""
        if is_history(grid):
            return trend_frame(grid_histories(grid, self._known))
        return entity_frame(grid)

    def call(self, op: str, grid: Grid | None = None) -> Grid:
        """Send a request grid to any op of the server, by its name on the wire; gives the answer's grid.

        Raises
        ------
        CallError
            The server answered with an error grid.
        """
        return self._connection.run(self.client.call, op, grid if grid is not None else Grid())
