"""Divides a read into requests; nothing is sent here.

- A :class:`Group` holds the points that may share a request: same zone, similar rows per day. It is divided into
  batches, smaller groups whose points are read together.
- A :class:`Request` is one hisRead: the points of a batch over one half-open window. The windows of a batch cover the
  span without overlap, so each sample belongs to exactly one of them. The number of windows depends on the rows per
  day, known from the record or from earlier answers.

The range in a request is one second longer at both ends than its window (:attr:`Request.asked`), because some servers
leave out a sample at the start (nHaystack on Niagara) or include one at the end. Answers are clipped to the window.
Only whether a window has rows at all is asked for as it `is_exact`: else those of the seconds beside it come too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from numbers import Real
from typing import Final

from hsframe.durations import DAY_US, SECOND_US
from hsframe.errors import HsFrameError, MetadataError
from hsframe.history.point_records import PointRecord
from hsframe.history.source import Progress
from hsframe.spans import Span, SpanLike, epoch_us, range_text, resolve_in

RANGE_PADDING_US: Final = SECOND_US  # the coarsest resolution of a server (Haxall keeps whole seconds)
# Assumed if nothing is known: a sample every 15 minutes.
GUESSED_ROWS_A_DAY: Final = 96.0
# Samples of one answer: few enough that the answers in memory stay smaller than the finished frame, many enough that
# the round trips to the server do not dominate.
_LEAST_CELLS: Final = 80_000
_MOST_CELLS: Final = 500_000
_ANSWERS_A_READ: Final = 36
# A row of a batch has one timestamp for all points: with fewer points, timestamps are a large part of the answer.
_MIN_POINTS_PER_BATCH: Final = 25
POINTS_A_BATCH: Final = 50
# Irregular points share no timestamps: in a batch each row has one value, and nulls for all the other points. So many
# of these take as long to decode as one request more, some milliseconds.
_NULLS_A_REQUEST: Final = 35_000
_PROBED_POINTS: Final = 10

GroupKey = tuple[str, bool, int | None]
"""What the points of a group have in common: zone, whether they are irregular, and rows per day, rounded coarsely."""


def check_count(value: object, what: str) -> None:
    """Refuse what is not a number, or less than 1; `what` is the name of the setting."""
    if not (isinstance(value, Real) and float(value) >= 1):
        raise MetadataError(f"{what} must be a number, 1 or more; got {value!r}")


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How large one request may be, and how many run at once: by default as many as the client says.

    `cells` is the number of samples in one answer, all its points together; if None, it is set between 80,000 and
    500,000 by the size of the read, `total_cells`. `rows` is the number of rows in one answer, `window_us` the longest
    window.
    """

    cells: int | None = None
    rows: int = 100_000
    points: int = 100
    window_us: int | None = None
    max_concurrency: int | None = None
    total_cells: float = 0.0

    def __post_init__(self) -> None:
        check_count(self.rows, "limit_rows")
        if self.max_concurrency is not None:
            check_count(self.max_concurrency, "max_concurrency")

    def with_row_cap(self, row_cap: int | None) -> RequestLimits:
        """These limits, with `rows` below the most that the server gives in one answer."""
        if row_cap is None:
            return self
        return replace(self, rows=max(min(self.rows, row_cap - 2), 1))  # the padding may add one at each end

    @property
    def most_cells(self) -> int:
        by_size = int(min(max(self.total_cells / _ANSWERS_A_READ, _LEAST_CELLS), _MOST_CELLS))
        return by_size if self.cells is None else self.cells

    def times_too_large(self, rows: float, records: Sequence[PointRecord]) -> float:
        """The ratio of an expected answer with this many rows to the largest one allowed."""
        # Most cells of irregular points are null.
        width = min(len(records), 2) if records[0].irregular else len(records)
        return max(rows / self.rows, rows * width / self.most_cells)


@dataclass(frozen=True)
class ReadOptions:
    """What all reads of one verb have in common.

    Errors of single points are put in `failures`, by id; points that are in it already are not read. If it is None, the
    first error is raised; a refused login (AuthError) is always raised. `open_ends` gets the ids of points without the
    sample after the last interval that this needs.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    week_start: str = "monday"
    limits: RequestLimits = RequestLimits()
    failures: dict[str, HsFrameError] | None = None
    progress: Progress = field(default_factory=Progress)
    open_ends: set[str] = field(default_factory=set)

    @property
    def now_us(self) -> int:
        return epoch_us(self.now)

    def spans(self, span: SpanLike, zones: Iterable[str]) -> dict[str, Span]:
        """What a span means in each of some zones, by the Haystack name of the zone."""
        return resolve_in(zones, span, self.now, week_start=self.week_start)

    def has_failed(self, ident: str) -> bool:
        return self.failures is not None and ident in self.failures


@dataclass(frozen=True, slots=True)
class Window:
    """The time from `start_us`, included, to `end_us`, excluded, in epoch microseconds.

    One that `is_open` has no end: later samples (forecasts) belong to it too, and `end_us` is the present time.
    """

    start_us: int
    end_us: int
    is_open: bool = False

    @classmethod
    def of(cls, span: Span, now_us: int) -> Window:
        end_us = span.end_us
        if end_us is None:
            return cls(span.start_us, max(span.start_us, now_us), is_open=True)
        return cls(span.start_us, end_us)

    @property
    def ends_us(self) -> tuple[int, int | None]:
        return self.start_us, None if self.is_open else self.end_us

    @property
    def length_us(self) -> int:
        """Its length; of an open one, up to the present time."""
        return self.end_us - self.start_us

    @property
    def days(self) -> float:
        return self.length_us / DAY_US

    def parts(self, count: int) -> list[Window]:
        """At most `count` windows of about equal length that cover this one, divided at whole seconds."""
        cuts = {(self.start_us + self.length_us * i // count) // SECOND_US * SECOND_US for i in range(1, count)}
        inner = sorted(cut for cut in cuts if self.start_us < cut < self.end_us)
        starts, ends = [self.start_us, *inner], [*inner, self.end_us]
        closed = [Window(start, end) for start, end in zip(starts, ends, strict=True)]
        return [*closed[:-1], replace(closed[-1], is_open=self.is_open)]


@dataclass(frozen=True, slots=True)
class Request:
    """One hisRead: one or more points of the same zone, over one window."""

    records: tuple[PointRecord, ...]
    window: Window
    is_exact: bool = False

    @property
    def asked(self) -> str:
        """The range to send: the window in whole seconds, padded at both ends, in the points' own zone."""
        start_us, end_us = self.window.ends_us
        if not self.is_exact:
            start_us = start_us // SECOND_US * SECOND_US - RANGE_PADDING_US
            end_us = None if end_us is None else -(-end_us // SECOND_US) * SECOND_US + RANGE_PADDING_US
        return range_text(start_us, end_us, self.records[0].tz)

    @property
    def group_key(self) -> GroupKey:
        return _key_of(self.records[0])

    @property
    def size(self) -> int:
        """Points times microseconds: to compare it with a request that was too large."""
        return len(self.records) * self.window.length_us

    def in_time(self, count: int = 2) -> list[Request]:
        """The same points over at most `count` shorter windows; just this one if it is too short to divide."""
        return [replace(self, window=part) for part in self.window.parts(count)]

    def in_points(self, width: int = 1) -> list[Request]:
        """The same window for at most `width` points each."""
        return [
            replace(self, records=self.records[place : place + width]) for place in range(0, len(self.records), width)
        ]

    def halves(self, *, in_points: bool = False) -> list[Request]:
        """Two halves: in time, or in points if `in_points` or the window is too short; empty if neither is possible."""
        in_time = [] if in_points else self.in_time()
        halves = in_time if len(in_time) > 1 else self.in_points(-(-len(self.records) // 2))
        return halves if len(halves) > 1 else []


@dataclass(frozen=True, slots=True)
class Group:
    """Points that may share a request: same zone, similar rows per day, and either all irregular or none.

    `window` is the span in their zone; `rows_a_day` the highest of their records, None if the records do not say.
    `density` is that or a guess, of one point, and `cells` how many samples are expected of all points together.
    """

    records: tuple[PointRecord, ...]
    window: Window
    rows_a_day: float | None

    @property
    def irregular(self) -> bool:
        return self.records[0].irregular

    @property
    def density(self) -> float:
        return GUESSED_ROWS_A_DAY if self.rows_a_day is None else self.rows_a_day

    @property
    def cells(self) -> float:
        return len(self.records) * max(self.density * self.window.days, 1.0)

    def with_density(self, rows_a_day: float | None, *, irregular: bool = False) -> Group:
        """The group with what a probe has shown about it; None leaves the rows per day as they are."""
        records = tuple(replace(record, irregular=True) for record in self.records) if irregular else self.records
        return replace(self, records=records, rows_a_day=self.rows_a_day if rows_a_day is None else rows_a_day)

    @property
    def whole(self) -> Request:
        return Request(self.records, self.window)

    def batches(self, limits: RequestLimits, *, one_by_one: bool = False) -> list[Group]:
        """The points, divided so that each batch over the whole span makes one answer of the right size.

        If that leaves too few points per batch, batches have the usual number of points and are divided in time.
        """
        width = 1
        if not one_by_one:
            width = int(limits.most_cells * len(self.records) // self.cells)
            width = POINTS_A_BATCH if width < _MIN_POINTS_PER_BATCH else width
            width = min(width, limits.points)
            if self.irregular:
                samples = max(self.density * self.window.days, 1.0)
                width = max(min(width, int(math.sqrt(_NULLS_A_REQUEST / samples))), 1)
        count = math.ceil(len(self.records) / width)
        width = math.ceil(len(self.records) / count)  # batches of about equal size
        return [replace(self, records=request.records) for request in self.whole.in_points(width)]

    def requests(self, limits: RequestLimits) -> list[Request]:
        """One request of all its points per window, in order of time."""
        rows = max(self.density * (len(self.records) if self.irregular else 1) * self.window.days, 1.0)
        if len(self.records) == 1 and self.records[0].most_rows is not None:
            rows = min(rows, self.records[0].most_rows)
        count = math.ceil(max(limits.times_too_large(rows, self.records), 1.0))
        if limits.window_us is not None:
            count = max(count, math.ceil(self.window.length_us / limits.window_us))
        return self.whole.in_time(count)

    def probe(self, now_us: int) -> Request:
        """A small request: some of the points, over at most the last day of the span."""
        last_us = min(self.window.end_us, max(now_us, self.window.start_us))
        first_us = last_us - min(DAY_US, (last_us - self.window.start_us) // 8)
        step = math.ceil(len(self.records) / _PROBED_POINTS)
        return Request(self.records[::step], Window(first_us // SECOND_US * SECOND_US, last_us))


def groups_of(records: Sequence[PointRecord], window_in: Callable[[str], Window]) -> list[Group]:
    """The points in groups; no point may come twice, and the zone of each must be known.

    `window_in` gives the span in a zone, by its Haystack name: "yesterday" is another window in each zone.
    """
    alike: dict[GroupKey, list[PointRecord]] = {}
    for record in records:
        alike.setdefault(_key_of(record), []).append(record)
    groups = []
    for (tz, _, about), some in alike.items():
        density = None if about is None else max(record.rows_a_day or 0.0 for record in some)
        groups.append(Group(tuple(some), window_in(tz), density))
    return groups


def expected(groups: Sequence[Group], limits: RequestLimits) -> dict[str, tuple[float, float]]:
    """For each point, by id, the rows that a read may give and its share of the requests; proofs are not counted."""
    limits = replace(limits, total_cells=sum(group.cells for group in groups))
    found = {}
    for batch in [batch for group in groups for batch in group.batches(limits)]:
        share = len(batch.requests(limits)) / len(batch.records)
        for record in batch.records:
            lasts_us = record.lasts_us(batch.window.start_us, batch.window.end_us)
            rows = (record.rows_a_day or GUESSED_ROWS_A_DAY) * lasts_us / DAY_US
            found[record.id] = rows if record.most_rows is None else min(rows, record.most_rows), share
    return found


def _key_of(record: PointRecord) -> GroupKey:
    # Rows per day that differ by less than a half count as similar.
    about = None if record.rows_a_day is None else round(2 * math.log2(max(record.rows_a_day, 1e-6)))
    return record.tz, record.irregular, about
