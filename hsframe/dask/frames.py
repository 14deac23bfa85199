"""Histories in partitions: which windows of which points, and the frame of each, read by a worker."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask.dataframe.utils import clear_known_categories

from hsframe.caller_warnings import DeferredWarnings
from hsframe.dask.worker import Login, Origin
from hsframe.durations import DAY_US, Duration
from hsframe.errors import MetadataError, SpanError
from hsframe.frame.trend import index_zone_of, time_index
from hsframe.history.plan import GUESSED_ROWS_A_DAY, ReadOptions
from hsframe.history.point_records import PointRecord, with_zones
from hsframe.history.read import span_of
from hsframe.history.source import Source
from hsframe.history.unread import unread_of, warn_of_unread
from hsframe.intervals.regular import parse_step
from hsframe.session.reading import Found, ReadRequest, ends_us, find, read_frame
from hsframe.session.signatures import takes
from hsframe.spans import epoch_us, from_epoch_us, resolve_in

# Samples of a partition: 32 MB wide, 120 MB tidy, and some 40 requests.
_SAMPLES: Final = 4_000_000
_LENGTHS: Final = ("1Y", "1Q", "1M", "1W", "1D")
_PROBED_POINTS: Final = 50
# What partitions, each of which is read by itself, can have.
_CHOICES: Final = {
    "shape": ("wide", "tidy"),
    "na": ("nan",),
    "edges": (None, "whole"),
    "label": ("start",),
    "boundary": ("none",),
    "on_error": ("raise",),
}
_BY_POINT: Final = ("units", "agg", "max_gap", "rollover")


@dataclass(frozen=True, slots=True)
class PartitionedRead(ReadRequest):
    """The parameters of :meth:`hsframe.Session.his_read`, and how long a partition is."""

    by: Duration | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        ReadRequest.__post_init__(self)
        refused = [name for name, choices in _CHOICES.items() if getattr(self, name) not in choices]
        refused += ["tz"] if self.tz == "local" else []
        refused += [name for name in _BY_POINT if self.shape == "tidy" and isinstance(getattr(self, name), Mapping)]
        if refused:
            name = refused[0]
            raise MetadataError(
                f"{name}={getattr(self, name)!r} is not for {self.shape} partitions, each of which is read by itself; "
                f"expected {' or '.join(map(repr, _CHOICES.get(name, ()))) or 'one of its other forms'}"
            )


@dataclass(frozen=True, slots=True)
class ServerRead(PartitionedRead):
    """The parameters of :func:`his_read`."""

    uri: str | None = None
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    connect: Mapping[str, Any] | None = field(default=None, kw_only=True)


@takes(ServerRead)
def his_read(request: ServerRead) -> dd.DataFrame:
    """The histories of some points as a Dask DataFrame whose partitions the workers read from the server.

    Records and one day of samples are read at once, in this process, to know columns, units and density; each worker
    process logs in by itself, once.

    Parameters
    ----------
    points, span
        As for :meth:`hsframe.Session.his_read`. The span has an end, and what it means is settled now.
    uri, user : str, optional
        By default ``HSFRAME_URI`` and ``HSFRAME_USER``, here and in the environment of each worker.
    password : callable, optional
        A function of a module that workers can import, called there. By default ``HSFRAME_PASSWORD`` in their
        environment. A text is refused: what Dask sends can be read by others.
    shape : {"wide", "tidy"}
        ``"wide"``: partitions by time, with divisions. ``"tidy"``: by points, sorted by id, and by time.
    by : str or timedelta, optional
        The length of a partition by the local calendar: ``"1D"``, ``"1M"``, ... By default some 4 million samples.
    connect : mapping, optional
        Other settings of :func:`hsframe.connect` that are not secret, as ``{"timeout": "2min"}``.
    max_concurrency : int, optional
        How many partitions are read at a time in the whole cluster, each by one request after another: 6 by default.
        Frames with another number are counted apart, and so are the processes of the scheduler ``"processes"``.
    header, tz, units, interval, ...
        As for :meth:`hsframe.Session.his_read`; what is not for partitions is refused.

    Returns
    -------
    dask.dataframe.DataFrame
        What :meth:`hsframe.Session.his_read` gives, without ``df.hs.catalog``. The categories of texts, and of ids and
        units in a tidy frame, are not known before it is computed. A partition with other columns, units or kinds is an
        error of its task. Each computation reads anew; ``ddf.persist()`` keeps what was read.

    Raises
    ------
    MetadataError
        The password would have to be sent; a setting is not for partitions; a wide span is another time in each zone of
        the points. Else as :meth:`hsframe.Session.his_read`.

    Examples
    --------
    >>> import dask, hsframe.dask
    >>> from hsframe.testing.server import running_server
    >>> tower = 'power and siteRef->dis == "Harbor Tower"'
    >>> with running_server(users={}) as server, dask.config.set(scheduler="sync"):
    ...     ddf = hsframe.dask.his_read(tower, "lastWeek", server.uri, by="1D")
    ...     hours = ddf.resample("1h").mean().compute()
    ...     hsframe.dask.close()
    >>> ddf.npartitions, set(hours.hs.units.values())
    (7, {'kW'})
    """
    login = Login.of(request.uri, request.user, request.password, request.connect or {}, request.max_concurrency)
    return partitioned(login, request)


def partitioned(origin: Origin, request: PartitionedRead) -> dd.DataFrame:
    """The Dask DataFrame of a read from a server or an archive."""
    with DeferredWarnings():
        return origin.run(_plan, origin, request)


async def _plan(source: Source, origin: Origin, request: PartitionedRead) -> Any:
    now = datetime.now(UTC)
    found = await find(source, request)
    records = await with_zones(source, found.records)
    is_wide = request.shape == "wide"
    records = records if is_wide else sorted(records, key=lambda record: record.id)
    windows: dict[tuple[int, int], list[PointRecord]] = {}
    spans = resolve_in((record.tz for record in records), request.one_span, now, week_start=request.week_start)
    for record in records:
        span = spans[record.tz]
        if span.end_us is None:
            raise SpanError(f"the span {request.span!r} has no end, which partitions need; give one")
        windows.setdefault((span.start_us, span.end_us), []).append(record)
    if is_wide and len(windows) > 1:
        ends = (from_epoch_us(us, UTC).isoformat() for us in (min(windows)[0], max(end for _, end in windows)))
        raise MetadataError(
            f"the span {request.span!r} is another time in each zone of the points; "
            f"give instants, as {tuple(ends)}, or take shape='tidy'"
        )
    options = ReadOptions(now, request.week_start)
    warn_of_unread(await unread_of(source, records, spans, options, request.interval), len(records))
    own = {one.name: getattr(request, one.name) for one in fields(ReadRequest)}
    index_zone = index_zone_of([record.point for record in records], request.tz)
    assert index_zone is not None, "tz='local' was refused"
    read = ReadRequest(**{**own, "points": (), "tz": index_zone, "progress": False, "max_concurrency": 1})

    # One day, the last one that is there, shows the columns and the density.
    start_us, end_us = next(iter(windows))
    day_us = max(start_us, min(epoch_us(now), end_us) - DAY_US)
    probed = records if is_wide else records[:: -(-len(records) // _PROBED_POINTS)]
    probe = replace(read, span=span_of(day_us, min(day_us + DAY_US, end_us)))
    if request.interval is not None and _days(request.interval) >= 1:
        probe = replace(probe, interval="1h")
    seen, _ = await read_frame(source, probe, found.of(probed))
    assert isinstance(seen, pd.DataFrame), "shape='dict' was refused"
    if seen.columns.nlevels > 1:
        raise MetadataError("a Dask DataFrame has no columns in levels; take one header, and one agg for a point")
    known = sum(record.rows_a_day or GUESSED_ROWS_A_DAY for record in probed)
    a_day = seen.size if is_wide else len(seen)
    a_point = (known if not a_day or request.interval else a_day) / len(probed)

    parts: list[tuple[ReadRequest, Found]] = []
    starts_us: list[int] = []
    for window, some in windows.items():
        edges_us, width = _cuts(request, window, some, a_point, index_zone)
        for place in range(0, len(some), width):
            of = found.of(some[place : place + width])
            parts += [(replace(read, span=span_of(*part)), of) for part in itertools.pairwise(edges_us)]
        starts_us += edges_us[:-1]
    meta = clear_known_categories(seen.iloc[:0])
    if len(spans) > 1:  # at an instant at which an interval begins in one zone, points of another may have no row
        meta = _nullable(meta, meta.columns)
    meta.attrs = {}
    # Dask includes the last one.
    divisions = tuple(time_index(np.array([*starts_us, end_us - 1]), index_zone)) if is_wide else None
    return dd.from_map(_Fetch(origin, meta, now), parts, meta=meta, divisions=divisions, label="his_read")


def _cuts(
    request: PartitionedRead, window: tuple[int, int], records: list[PointRecord], a_point: float, index_zone: ZoneInfo
) -> tuple[list[int], int]:
    """Where a window is cut, and how many of its points are in a partition."""
    is_wide, count = request.shape == "wide", len(records)
    least = 0.0 if request.interval is None else _days(request.interval)
    lengths = [length for length in _LENGTHS if _days(length) >= least]
    width = count if is_wide else min(count, _PROBED_POINTS)
    fitting = (length for length in lengths if a_point * width * _days(length) <= _SAMPLES)
    by = request.by or next(fitting, lengths[-1] if lengths else _LENGTHS[0])
    if _days(by) < least:
        raise MetadataError(f"by={by!r} is shorter than interval={request.interval!r}: partitions would lack rows")
    width = width if is_wide else max(int(_SAMPLES / (a_point * _days(by))), 1)
    return ends_us(request, *window, by, index_zone, (record.tz for record in records)), width


def _nullable(df: pd.DataFrame, columns: pd.Index) -> pd.DataFrame:
    """The frame with those of some columns that are counts as such that may be missing."""
    return df.astype({name: "Int64" for name, dtype in df.dtypes.items() if dtype == "int64" and name in columns})


def _days(length: Duration) -> float:
    step = parse_step(length)
    return step.elapsed_us / DAY_US + step.days + step.months * 30.5


@dataclass(frozen=True)
class _Fetch:
    """Reads a partition. `made` makes Dask take each frame for a new one, not for an older one that it has kept."""

    origin: Origin
    meta: pd.DataFrame
    made: datetime

    def __call__(self, part: tuple[ReadRequest, Found]) -> pd.DataFrame:
        """The frame of a partition; MetadataError where it is not as the meta says.

        The records of its points were read once, for all partitions.
        """
        df, _ = self.origin.run(read_frame, *part)
        assert isinstance(df, pd.DataFrame), "shape='dict' was refused"
        df = _nullable(df, self.meta.columns[self.meta.dtypes == "Int64"])
        found, expected = ({name: str(dtype) for name, dtype in one.dtypes.items()} for one in (df, self.meta))
        if list(found.items()) != list(expected.items()):
            name = next((name for name in {**expected, **found} if found.get(name) != expected.get(name)), "")
            raise MetadataError(
                f"the partition {part[0].span} has {found.get(name, 'nothing')} in column {name!r}, and the Dask "
                f"DataFrame {expected.get(name, 'no such column')}: its record has changed, or its samples are of "
                "another unit or kind than before. Make the frame anew, or read spans of one unit"
            )
        df.attrs = {}  # the notes of a partition are not those of the whole
        return df
