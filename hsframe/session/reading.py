"""Histories to a frame: the request, checked before anything is read, and the outcome of each point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from hsframe.caller_warnings import DeferredWarnings, told_once, warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.durations import SECOND_US, Duration, duration_us
from hsframe.errors import HsFrameError, MetadataError, ReadWarning, SpanError, check_choice
from hsframe.frame.again import note_settings
from hsframe.frame.histories import History
from hsframe.frame.in_units import Units
from hsframe.frame.labels import Header
from hsframe.frame.points import ColumnLabel, Point, noted
from hsframe.frame.points_like import PointsLike
from hsframe.frame.reads import note_outcomes, note_source, outcomes_of
from hsframe.frame.stamps import Interval, Label, note_interval
from hsframe.frame.trend import Missing, Shape, check_settings, index_zone_of, trend_frame
from hsframe.frame.values import null_mask
from hsframe.history.estimate import shares_of_read, warn_of_large_read
from hsframe.history.plan import ReadOptions, RequestLimits, check_count
from hsframe.history.point_records import PointRecord, find_records, read_labels, with_zones
from hsframe.history.read import Boundary, read_histories, read_intervals, read_with_boundary
from hsframe.history.source import Progress, Source
from hsframe.history.unread import Unread, part_read, unread_of, warn_of_unread
from hsframe.intervals.conditions import Condition, conditions_of, parse_condition, windows_of
from hsframe.intervals.regular import intervals, parse_step
from hsframe.intervals.rules import Aggregations, Edges, IntervalSettings
from hsframe.kinds import Number, Ref
from hsframe.protocol.answers import named
from hsframe.session.progress_bar import progress_of
from hsframe.spans import Span, SpanLike, from_epoch_us
from hsframe.zones import zone

OnError: TypeAlias = Literal["raise", "warn", "catalog"]
TrendFrames: TypeAlias = pd.DataFrame | dict[str, pd.DataFrame]

# The settings that say what an interval and its value are.
_OF_INTERVALS: Final = ("agg", "max_gap", "min_coverage", "rollover", "edges", "where", "label")
_OF_FRAME: Final = ("header", "tz", "week_start", "units", "na", "interval", *_OF_INTERVALS, "boundary", "pad")


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The parameters of :meth:`hsframe.Session.his_read`, checked when it is made."""

    points: PointsLike
    span: SpanLike | pd.DataFrame
    _: KW_ONLY
    header: Header = "dis"
    shape: Shape = "wide"
    tz: str | tzinfo = "point"
    week_start: str = "monday"
    units: Units = "native"
    na: Missing = "nan"
    interval: Duration | None = None
    agg: Aggregations | Mapping[str, Aggregations] | None = None
    max_gap: Duration | Mapping[str, Duration] | None = None
    min_coverage: float | None = None
    rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = None
    edges: Edges | None = None
    where: Condition | pd.DataFrame | list[Condition | pd.DataFrame] | None = None
    label: Label = "start"
    boundary: Boundary = "none"
    pad: Duration | None = None
    on_error: OnError = "raise"
    limit_rows: int | None = None
    chunk: Duration | None = None
    max_concurrency: int | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_settings(header=self.header, shape=self.shape, tz=self.tz, units=self.units, na=self.na, label=self.label)
        check_choice("boundary", self.boundary, get_args(Boundary))
        check_choice("on_error", self.on_error, get_args(OnError))
        intervals = self.intervals
        if intervals is not None:
            if self.boundary != "none":
                raise MetadataError(
                    "boundary= adds the samples around a span, and interval= reads by itself what it needs of them; "
                    "leave one out"
                )
            if self.na != "nan":
                raise MetadataError("na='flag' tells samples apart, and with interval= there are none; leave one out")
            if parse_step(intervals.interval, self.week_start).elapsed_us and self.tz == "local":
                raise MetadataError(
                    f"tz='local' is for intervals of a day and more, and interval={self.interval!r} is shorter: a "
                    "clock that is set back shows 01:00 twice; take matrix(..., index='local'), which tells the two "
                    "apart, or tz='point', or one frame a point with shape='dict'"
                )
            if self.shape not in ("wide", "dict") and not intervals.is_flat:
                raise MetadataError(
                    f"shape={self.shape!r} has one value a row, and agg={self.agg!r} gives several columns a point; "
                    "take shape='wide' or 'dict'"
                )
        elif given := self._given(_OF_INTERVALS):
            raise MetadataError(
                f"there is no interval for {'=, '.join(given)}=; give interval= too, as in interval='15min'"
            )
        elif self.tz == "local":
            index_zone_of([], self.tz)  # refuses it, in words
        _ = self.limits  # raises where they are not valid
        if isinstance(self.span, pd.DataFrame):
            windows_of(self.span)
            usual = {"shape": ("wide",), "label": ("start",), "edges": (None, "whole")}
            refused = [name for name, choices in usual.items() if getattr(self, name) not in choices]
            if refused := [*refused, *["tz"] * (self.tz == "local")]:
                raise MetadataError(
                    f"{refused[0]}={getattr(self, refused[0])!r} is not for a read of episodes, which is a wide frame "
                    "of the rows that begin in each; leave it out"
                )
        elif self.pad is not None:
            raise MetadataError("pad= is how far to read around each of several episodes; the span is one: widen it")

    @property
    def of_frame(self) -> dict[str, object]:
        """The settings that are not the default ones and say what the frame is; one of a dict is a wide one."""
        return self._given(_OF_FRAME) | ({"shape": "tidy"} if self.shape == "tidy" else {})

    def _given(self, names: Iterable[str]) -> dict[str, object]:
        """Those of some settings that are not the default ones."""
        defaults = {one.name: one.default for one in fields(ReadRequest)}
        given = {name: getattr(self, name) for name in names}
        return {name: one for name, one in given.items() if isinstance(one, pd.DataFrame) or one != defaults[name]}

    @property
    def one_span(self) -> SpanLike:
        """The span of a read that is not of episodes."""
        if isinstance(self.span, pd.DataFrame):
            raise MetadataError("episodes are for his_read: read them there, or name one span here")
        return self.span

    @property
    def intervals(self) -> IntervalSettings | None:
        """The settings of intervals; None for a read of samples."""
        if self.interval is None:
            return None
        for one in () if self.where is None else conditions_of(self.where):
            if not isinstance(one, pd.DataFrame):
                parse_condition(one)
        return IntervalSettings(
            self.interval, self.agg, self.max_gap, self.min_coverage, self.rollover, self.edges, self.where
        )

    @property
    def limits(self) -> RequestLimits:
        """How large one request to the server may be, and how many run at once."""
        window_us = None if self.chunk is None else duration_us(self.chunk, "chunk")
        if window_us is not None and window_us < SECOND_US:
            raise MetadataError(f"chunk must be a second or more; got {self.chunk!r}")
        limits = RequestLimits(window_us=window_us)
        given = {"rows": self.limit_rows, "max_concurrency": self.max_concurrency}
        return replace(limits, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class IterRequest(ReadRequest):
    """The parameters of :meth:`hsframe.Session.his_iter`, checked when it is made."""

    shape: Literal["wide", "tidy"] = field(default="wide", kw_only=True)
    by: Duration = field(default="1M", kw_only=True)
    points_at_once: int = field(default=50, kw_only=True)

    def __post_init__(self) -> None:
        ReadRequest.__post_init__(self)
        check_choice("shape", self.shape, ("wide", "tidy"))
        check_count(self.points_at_once, "points_at_once")
        if parse_step(self.by, self.week_start).elapsed_us:
            raise SpanError(f"by={self.by!r} is less than a day; expected '1D', '1W', '1M', '1Q' or '1Y'")


@dataclass(frozen=True, slots=True)
class Found:
    """The records of points; by id the labels that all would have, those that cannot be read too; and the unknown."""

    records: Sequence[PointRecord]
    labels: Mapping[str, ColumnLabel]
    unknown: Mapping[str, HsFrameError]

    def of(self, records: Sequence[PointRecord]) -> Found:
        """Of some points, beside the unknown."""
        ids = [*(record.id for record in records), *self.unknown]
        return Found(records, {ident: self.labels[ident] for ident in ids}, self.unknown)


async def find(source: Source, request: ReadRequest) -> Found:
    """The points of a read."""
    unknown: dict[str, HsFrameError] = {}
    records = await find_records(source, request.points, failures=None if request.on_error == "raise" else unknown)
    asked = [*(record.point for record in records), *(Point(ident, ident) for ident in unknown)]
    header = "id" if request.shape == "tidy" else request.header
    return Found(records, await read_labels(source, records, asked, header), unknown)


def ends_us(
    request: ReadRequest, start_us: int, end_us: int, by: Duration, tz: ZoneInfo, of_points: Iterable[str]
) -> list[int]:
    """The ends of the parts of a window, each as long as `by` in the zone `tz`.

    Of a read of intervals each part has one that starts in it, in each zone of the points: one without a row would have
    no frame, so it is in the part before it.
    """
    if start_us >= end_us:
        return [start_us, end_us]
    parts = intervals(start_us, end_us, parse_step(by, request.week_start), tz, partial=True)
    starts_us = []
    if request.interval is not None and request.edges != "partial":
        step = parse_step(request.interval, request.week_start)
        starts_us = [intervals(start_us, end_us, step, zone(name)).labels_us for name in set(of_points)]
    cuts_us = [end_us]
    for edge_us in parts.edges_us[-2::-1].tolist():
        if all(np.diff(np.searchsorted(own_us, [edge_us, cuts_us[-1]]))[0] for own_us in starts_us):
            cuts_us.append(edge_us)
    return [start_us, *cuts_us[-2::-1]]


async def parts_of(source: Source, request: IterRequest, progress: Progress) -> Iterator[tuple[ReadRequest, Found]]:
    """The reads, one after the other, whose frames :meth:`hsframe.Session.his_iter` gives; they are expected."""
    found, options = await find(source, request), ReadOptions(week_start=request.week_start)
    if not found.records:
        return iter([(request, found)])
    groups: dict[str, list[PointRecord]] = {}
    for record in await with_zones(source, found.records):
        groups.setdefault(record.tz, []).append(record)
    spans = options.spans(request.one_span, groups)
    whole_rows = None if request.edges == "partial" else request.interval
    warn_of_unread(await unread_of(source, found.records, spans, options, whole_rows), len(found.labels))
    ends_by_tz = {tz: options.now_us if span.end_us is None else span.end_us for tz, span in spans.items()}
    progress.expect_all(sum(max(ends_by_tz[tz] - spans[tz].start_us, 0) * len(some) for tz, some in groups.items()))

    def parts() -> Iterator[tuple[ReadRequest, Found]]:
        for tz, records in groups.items():
            start_us, end_us = spans[tz].start_us, spans[tz].end_us
            last_us = max(options.now_us, start_us + 1) if end_us is None else end_us
            edges_us = ends_us(request, start_us, last_us, request.by, zone(tz), [tz])
            cuts = [from_epoch_us(us, zone(tz)) for us in edges_us[:-1]]
            for place in range(0, len(records), request.points_at_once):
                own = found.of(records[place : place + request.points_at_once])
                edges = request.edges
                for start, end in zip(cuts, [*cuts[1:], spans[tz].end], strict=True):
                    yield replace(request, span=Span(start, end), edges=edges), own
                    if request.interval is not None:  # what is before a later part is in the one before it
                        edges = edges or "whole"

    return parts()


async def read_frame(
    source: Source, request: ReadRequest, found: Found | None = None, whole: Progress | None = None
) -> tuple[TrendFrames, list[Point]]:
    """Read as :meth:`hsframe.Session.his_read` describes; gives also the points whose records were read.

    `found` are the points, where they were looked for already, and `whole` is what this is a part of.
    """
    failures: dict[str, HsFrameError] = {}
    with DeferredWarnings(), told_once(source.dialect.told):
        own = nullcontext(Progress(whole)) if whole else progress_of(request.progress, "his_read")
        async with own as progress:
            kept = None if request.on_error == "raise" else failures
            options = ReadOptions(
                week_start=request.week_start, limits=request.limits, failures=kept, progress=progress
            )
            is_part = found is not None  # whoever divides a read has warned of all parts together
            found = found or await find(source, request)
            failures.update(found.unknown)
            if not is_part:
                zoned = await with_zones(source, found.records)
                spans = options.spans(request.one_span, (one.tz for one in zoned))
                warn_of_large_read(shares_of_read(zoned, spans, options))
            histories = await _histories(source, request, found, options)
            spans = options.spans(request.one_span, (one.point.tz for one in histories if one.point.tz is not None))
            read = [record for record in found.records if record.id not in failures]
            whole_rows = None if request.edges == "partial" else request.interval
            unread = await unread_of(source, read, spans, options, whole_rows)
            if not is_part:
                warn_of_unread(unread, len(found.labels))
            known = {record.id: record for record in read}
            histories = [
                # What a frame says to have read counts as read wherever it is added.
                replace(one, span_us=one.span_us and part_read(source, known[one.point.id], one.span_us))
                for one in _with_spans(histories, spans, options.now_us)
            ]
        frames = await in_thread(_frame, request, found.labels, histories, failures, unread)
        note_origin(_several(frames), source, options, spans.values())
        for df in _several(frames):
            note_settings(df, request.of_frame)
        return frames, [record.point for record in found.records]


def note_origin(frames: Iterable[pd.DataFrame], source: Source, options: ReadOptions, spans: Collection[Span]) -> None:
    """Note in some frames what they were read from, over the time that all spans together take."""
    start_us = min((span.start_us for span in spans), default=None)
    ends_us = [span.end_us for span in spans if span.end_us is not None]
    end_us = max(ends_us, default=None) if len(ends_us) == len(spans) else None
    times = {"start": start_us, "end": end_us, "at": options.now_us}
    texts = {name: None if us is None else from_epoch_us(us, UTC).isoformat() for name, us in times.items()}
    entry = {**source.origin, **texts, "seconds": (datetime.now(UTC) - options.now).total_seconds()}
    source.dialect.largest_read = max(source.dialect.largest_read, (options.progress.samples, entry["seconds"]))
    for df in frames:
        note_source(df, entry)


def _several(frames: TrendFrames) -> list[pd.DataFrame]:
    return list(frames.values()) if isinstance(frames, dict) else [frames]


async def _histories(source: Source, request: ReadRequest, found: Found, options: ReadOptions) -> list[History]:
    records = found.records
    if not records:  # no point is known, so settings that name single points cannot be checked
        return []
    if request.intervals is not None:
        labels = [found.labels[record.id] for record in records]
        return await read_intervals(source, records, request.one_span, request.intervals, labels, options)
    if request.boundary != "none":
        return await read_with_boundary(source, records, request.one_span, request.boundary, options)
    return await read_histories(source, records, request.one_span, options)


def _with_spans(histories: Sequence[History], spans: Mapping[str, Span], now_us: int) -> list[History]:
    """The histories with the span that was read, up to the present, or to the last sample if that is later.

    Of values over intervals it is how many were over; one that the span cuts at the present is not.
    """
    lasts = dict[str, int]()
    for history in histories:
        if (later := history.ts_us > now_us).any():  # forecasts, of this point or of one beside it
            own_us = history.ts_us[later & ~null_mask(history.values)]
            lasts[history.point.id] = max(lasts.get(history.point.id, now_us), int(own_us.max(initial=now_us - 1)) + 1)
    found = []
    for history in histories:
        if history.over is not None:
            ended = int(np.searchsorted(history.over.ends_us, now_us, side="left"))
            history = replace(history, over=replace(history.over, ended=ended))
        elif (span := spans.get(history.point.tz or "")) is not None:
            present_us = lasts.get(history.point.id, now_us)
            end_us = present_us if span.end_us is None else min(span.end_us, present_us)
            history = replace(history, span_us=(span.start_us, max(span.start_us, end_us)))
        found.append(history)
    return found


def _frame(
    request: ReadRequest,
    labels: Mapping[str, ColumnLabel],
    histories: Sequence[History],
    failures: Mapping[str, HsFrameError],
    unread: Mapping[str, Unread],
) -> TrendFrames:
    if failures and request.on_error == "warn":
        warn_caller(failure_text(failures, len(labels), "column"), ReadWarning)
    result = trend_frame(
        histories,
        header=request.header,
        names=labels,
        shape=request.shape,
        tz=request.tz,
        units=request.units,
        na=request.na,
        label=request.label,
    )
    if isinstance(result, dict):
        # A point that failed has a frame without a column: nothing is known of its samples.
        own: dict[Any, pd.DataFrame] = result  # of a header in levels the labels are tuples
        own = {label: own[label] if label in own else trend_frame([], tz=request.tz) for label in labels.values()}
        result = own
    frames = _several(result)
    differing: dict[str, int] = {}
    for df in frames:
        differing |= noted(df, "differing") or {}
    outcomes = outcomes_of(labels, histories, {ident: str(error) for ident, error in failures.items()}, differing)
    for outcome in outcomes.values():
        if (lack := unread.get(outcome["id"])) is not None:
            is_nothing = lack.is_all and not outcome["rows"]
            outcome |= {"reason": lack.reason, "status": "unread" if is_nothing else outcome["status"]}
    for df in frames:
        note_outcomes(df, outcomes)
        if request.interval is not None:
            note_interval(df, Interval.of(request.interval, request.label))
    return result


def failure_text(failures: Mapping[str, object], total: int, lacking: str, told: str = "df.hs.catalog") -> str:
    """The warning of points that could not be read: what of them is `lacking`, and where the reasons are `told`."""
    ids = named([Ref(ident) for ident in failures])
    first = next(iter(failures.values()))
    return (
        f"{len(failures)} of {total} points could not be read and have no {lacking}: {ids}; of the first: {first}. "
        f"{told} has the reason of each"
    )
