"""Histories to a frame: the request, checked before anything is read, and the outcome of each point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from hsframe.caller_warnings import DeferredWarnings, told_once, warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.durations import SECOND_US, Duration, duration_us
from hsframe.errors import HsFrameError, MetadataError, ReadWarning, check_choice
from hsframe.frame.histories import History
from hsframe.frame.in_units import Units
from hsframe.frame.labels import Header
from hsframe.frame.origin import note_source
from hsframe.frame.outcomes import note_outcomes, outcomes_of
from hsframe.frame.points import ColumnLabel, Point, noted
from hsframe.frame.points_like import PointsLike
from hsframe.frame.reads import united_reads
from hsframe.frame.stamps import Interval, Label, note_interval
from hsframe.frame.trend import Missing, Shape, check_settings, index_zone_of, trend_frame
from hsframe.frame.values import null_mask
from hsframe.history.intervals import read_intervals
from hsframe.history.nearest_samples import Boundary, read_with_boundary
from hsframe.history.plan import ReadOptions, RequestLimits
from hsframe.history.point_records import find_records, read_labels
from hsframe.history.read import read_histories
from hsframe.history.source import Source
from hsframe.intervals.regular import parse_step
from hsframe.intervals.rules import Aggregations, Edges, IntervalSettings
from hsframe.kinds import Number, Ref
from hsframe.protocol.answers import named
from hsframe.session.progress_bar import progress_of
from hsframe.spans import Span, SpanLike, from_epoch_us

OnError: TypeAlias = Literal["raise", "warn", "catalog"]
TrendFrames: TypeAlias = pd.DataFrame | dict[str, pd.DataFrame]

# The settings that say what an interval and its value are.
_OF_INTERVALS: Final = ("agg", "max_gap", "min_coverage", "rollover", "edges", "label")


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The parameters of :meth:`hsframe.Session.his_read`, checked when it is made."""

    points: PointsLike
    span: SpanLike
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
    label: Label = "start"
    boundary: Boundary = "none"
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
                    "clock that is set back shows 01:00 twice; take tz='point', or one frame a point with shape='dict'"
                )
            if self.shape not in ("wide", "dict") and not intervals.is_flat:
                raise MetadataError(
                    f"shape={self.shape!r} has one value a row, and agg={self.agg!r} gives several columns a point; "
                    "take shape='wide' or 'dict'"
                )
        elif given := [name for name in _OF_INTERVALS if getattr(self, name) not in (None, "start")]:
            raise MetadataError(
                f"there is no interval for {'=, '.join(given)}=; give interval= too, as in interval='15min'"
            )
        elif self.tz == "local":
            index_zone_of([], self.tz)  # refuses it, in words
        _ = self.limits  # raises where they are not valid

    @property
    def intervals(self) -> IntervalSettings | None:
        """The settings of intervals; None for a read of samples."""
        if self.interval is None:
            return None
        return IntervalSettings(self.interval, self.agg, self.max_gap, self.min_coverage, self.rollover, self.edges)

    @property
    def limits(self) -> RequestLimits:
        """How large one request to the server may be, and how many run at once."""
        window_us = None if self.chunk is None else duration_us(self.chunk, "chunk")
        if window_us is not None and window_us < SECOND_US:
            raise MetadataError(f"chunk must be a second or more; got {self.chunk!r}")
        limits = RequestLimits(window_us=window_us)
        given = {"rows": self.limit_rows, "max_concurrency": self.max_concurrency}
        return replace(limits, **{name: value for name, value in given.items() if value is not None})


async def read_frame(source: Source, request: ReadRequest) -> tuple[TrendFrames, list[Point]]:
    """Read as :meth:`hsframe.Session.his_read` describes; gives also the points whose records were read."""
    failures: dict[str, HsFrameError] = {}
    with DeferredWarnings(), told_once(source.dialect.told):
        async with progress_of(request.progress, "his_read") as progress:
            kept = None if request.on_error == "raise" else failures
            options = ReadOptions(
                week_start=request.week_start, limits=request.limits, failures=kept, progress=progress
            )
            points, labels, histories = await _histories(source, request, failures, options)
            spans = options.spans(request.span, (one.point.tz for one in histories if one.point.tz is not None))
            histories = _with_spans(histories, spans, options.now_us)
        frames = await in_thread(_frame, request, labels, histories, failures)
        note_origin(_several(frames), source, options, spans.values())
        return frames, points if request.interval is None else _with_what_was_made(points, frames, request.label)


def note_origin(frames: Iterable[pd.DataFrame], source: Source, options: ReadOptions, spans: Collection[Span]) -> None:
    """Note in some frames what they were read from, over the time that all spans together take."""
    start_us = min((span.start_us for span in spans), default=None)
    ends_us = [span.end_us for span in spans if span.end_us is not None]
    end_us = max(ends_us, default=None) if len(ends_us) == len(spans) else None
    times = {"start": start_us, "end": end_us, "at": options.now_us}
    texts = {name: None if us is None else from_epoch_us(us, UTC).isoformat() for name, us in times.items()}
    entry = {**source.origin, **texts, "seconds": (datetime.now(UTC) - options.now).total_seconds()}
    for df in frames:
        note_source(df, entry)


def _several(frames: TrendFrames) -> list[pd.DataFrame]:
    return list(frames.values()) if isinstance(frames, dict) else [frames]


def _with_what_was_made(points: Sequence[Point], frames: TrendFrames, label: Label) -> list[Point]:
    """The points with what was read of them that is no sample of theirs, for a session to remember."""
    reads = united_reads(_several(frames))
    ends = "" if label == "start" else f"values at the ends of their intervals (label={label!r})"
    made = {ident: ends or one.made for ident, one in reads.items()}
    return [replace(point, made=made.get(point.id, "")) for point in points]


async def _histories(
    source: Source, request: ReadRequest, failures: dict[str, HsFrameError], options: ReadOptions
) -> tuple[list[Point], dict[str, ColumnLabel], list[History]]:
    """The points whose records were read; by id the labels of all; and the histories of those that did not fail."""
    records = await find_records(source, request.points, failures=options.failures)
    points = [record.point for record in records]
    # The labels that the columns would have if all points had been read.
    asked = [*points, *(Point(ident, ident) for ident in failures)]
    labels = await read_labels(source, records, asked, "id" if request.shape == "tidy" else request.header)
    if not records:  # no point is known, so settings that name single points cannot be checked
        return points, labels, []
    if request.intervals is not None:
        of_records = [labels[record.id] for record in records]
        histories = await read_intervals(source, records, request.span, request.intervals, of_records, options)
    elif request.boundary != "none":
        histories = await read_with_boundary(source, records, request.span, request.boundary, options)
    else:
        histories = await read_histories(source, records, request.span, options)
    return points, labels, histories


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
    for df in frames:
        note_outcomes(df, outcomes)
        if request.interval is not None:
            note_interval(df, Interval.of(request.interval, request.label))
    return result


def failure_text(failures: Mapping[str, HsFrameError], total: int, lacking: str) -> str:
    """The warning of points that could not be read; `lacking` is what of them is not in the frame."""
    ids = named([Ref(ident) for ident in failures])
    first = next(iter(failures.values()))
    return (
        f"{len(failures)} of {total} points could not be read and have no {lacking}: {ids}; of the first: {first}. "
        "df.hs.catalog has the reason of each"
    )
