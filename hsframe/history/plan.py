"""Which requests make a read: planning only, no I/O.

Points that may share a request make a :class:`Group`; a :class:`Batch` is as many of them as are read together, over
the whole span; its :class:`Request` s are that batch over one half-open window each. However a span is cut, the windows
tile it, so each sample belongs to exactly one of them. What is asked of the server reaches one step further at both
ends (:attr:`Request.asked`), because some servers leave the start out (nHaystack on Niagara) or the end in; the answer
is clipped to the exact window.

How many windows depends on how dense a history is. Its record may tell; else what was answered does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hsframe.durations import DAY_US, SECOND_US
from hsframe.errors import MetadataError
from hsframe.history.records import PointRecord
from hsframe.spans import Span, range_text

__all__ = ["Batch", "BatchKey", "Group", "Request", "RequestLimits", "Window", "groups_of"]

STEP_US: Final = SECOND_US  # servers keep whole seconds (Haxall) or finer
# Where nothing says how dense a history is: a sample in 15 minutes.
GUESSED_ROWS_A_DAY: Final = 96.0
# An answer's samples: few enough that the answers in flight and their decoding take less memory than the frame that
# is made, many enough that waiting for the server is not what takes the time.
_LEAST_CELLS: Final = 80_000
_MOST_CELLS: Final = 500_000
_ANSWERS_A_READ: Final = 36
# A batch writes each instant once for all its points: below so many the instants are a good part of the answer.
_WIDE_ENOUGH: Final = 25
_WIDE: Final = 50
# Points with instants of their own share none; in a batch each one's row is a row of nulls for the others.
_WIDE_IRREGULAR: Final = 10

BatchKey = tuple[str, bool, int | None]
"""What points have in common that may share a request: zone, irregular or not, about one density."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How large one request may be, and how many run at once.

    `cells` are the samples that an answer is expected to hold, over all its points; None: from 80,000 to 500,000, more
    where more is read. `rows` are its rows. `window_us` is the longest window, whatever the density.
    """

    cells: int | None = None
    rows: int = 100_000
    points: int = 100
    window_us: int | None = None
    max_concurrency: int = 6

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise MetadataError(f"max_concurrency is {self.max_concurrency}; at least one request must run at a time")

    def with_row_cap(self, row_cap: int | None) -> RequestLimits:
        """No more rows than a server is known to give at once."""
        if row_cap is None:
            return self
        return replace(self, rows=max(min(self.rows, row_cap - 2), 1))  # a step more is asked for at both ends

    def for_cells(self, total: float) -> RequestLimits:
        """With the samples of one answer, where nobody set them, as they suit a read of so many in all."""
        if self.cells is not None:
            return self
        return replace(self, cells=int(min(max(total / _ANSWERS_A_READ, _LEAST_CELLS), _MOST_CELLS)))

    @property
    def most_cells(self) -> int:
        """Samples that an answer is expected to hold."""
        return _LEAST_CELLS if self.cells is None else self.cells

    def times_too_large(self, rows: float, records: Sequence[PointRecord]) -> float:
        """How many times as large as it should be an answer of so many rows is."""
        # Of points with instants of their own most cells are null.
        width = min(len(records), 2) if records[0].irregular else len(records)
        return max(rows / self.rows, rows * width / self.most_cells)


@dataclass(frozen=True, slots=True)
class Window:
    """Instants from `start_us` up to `end_us`, which does not belong to it, in epoch microseconds.

    To one that `is_open` what comes later belongs too; `end_us` is the present then, up to which samples are expected.
    """

    start_us: int
    end_us: int
    is_open: bool = False

    @classmethod
    def of(cls, span: Span, now_us: int) -> Window:
        """The window of a span."""
        end_us = span.end_us
        if end_us is None:
            return cls(span.start_us, max(span.start_us, now_us), is_open=True)
        return cls(span.start_us, end_us)

    @property
    def length_us(self) -> int:
        """How long it is, an open one up to the present."""
        return self.end_us - self.start_us

    @property
    def days(self) -> float:
        """Its length in days of 24 hours."""
        return self.length_us / DAY_US

    def parts(self, count: int) -> list[Window]:
        """At most `count` windows of about one length that tile this one, cut at whole seconds."""
        cuts = {(self.start_us + self.length_us * number // count) // STEP_US * STEP_US for number in range(1, count)}
        inner = sorted(cut for cut in cuts if self.start_us < cut < self.end_us)
        starts, ends = [self.start_us, *inner], [*inner, self.end_us]
        closed = [Window(start, end) for start, end in zip(starts, ends, strict=True)]
        return [*closed[:-1], replace(closed[-1], is_open=self.is_open)]


@dataclass(frozen=True, slots=True)
class Request:
    """Some points of one zone over one window: one hisRead, a batch where they are several."""

    records: tuple[PointRecord, ...]
    window: Window

    @property
    def asked(self) -> str:
        """The range to ask for: one step more at both ends, in whole seconds, in the points' own zone."""
        start_us = (self.window.start_us // STEP_US - 1) * STEP_US
        end_us = None if self.window.is_open else (-(-self.window.end_us // STEP_US) + 1) * STEP_US
        return range_text(start_us, end_us, self.records[0].tz)

    @property
    def key(self) -> BatchKey:
        """That of its points."""
        return _key_of(self.records[0])

    @property
    def size(self) -> int:
        """Point-microseconds: what is compared with a request that was too large."""
        return len(self.records) * self.window.length_us

    def in_time(self, count: int = 2) -> list[Request]:
        """The same points over at most `count` windows; over the same one where it is too short to be cut."""
        return [replace(self, window=part) for part in self.window.parts(count)]

    def in_points(self, width: int = 1) -> list[Request]:
        """The same window for at most `width` points each."""
        return [
            replace(self, records=self.records[place : place + width]) for place in range(0, len(self.records), width)
        ]

    def halves(self, *, in_points: bool = False) -> list[Request]:
        """In two, in time where it can be and points are not wanted, else in points; none where it cannot be cut."""
        in_time = [] if in_points else self.in_time()
        halves = in_time if len(in_time) > 1 else self.in_points(-(-len(self.records) // 2))
        return halves if len(halves) > 1 else []


@dataclass(frozen=True, slots=True)
class Batch:
    """Some points that are read together, over a whole span, window by window."""

    records: tuple[PointRecord, ...]
    window: Window
    rows_a_day: float

    @property
    def whole(self) -> Request:
        """All of it in one request."""
        return Request(self.records, self.window)

    def requests(self, limits: RequestLimits) -> list[Request]:
        """One request a window; the windows tile the span, in order of time."""
        rows = max(self.rows_a_day * self.window.days, 1.0)
        if len(self.records) == 1 and self.records[0].most_rows is not None:
            rows = min(rows, self.records[0].most_rows)
        count = math.ceil(max(limits.times_too_large(rows, self.records), 1.0))
        if limits.window_us is not None:
            count = max(count, math.ceil(self.window.length_us / limits.window_us))
        return self.whole.in_time(count)


@dataclass(frozen=True, slots=True)
class Group:
    """Points that may share a request: of one zone, about one density, and all irregular or none.

    `window` is the span in their zone; `rows_a_day` the most that one of their records tells, None where none does.
    """

    records: tuple[PointRecord, ...]
    window: Window
    rows_a_day: float | None

    @property
    def irregular(self) -> bool:
        """Whether its points have instants of their own."""
        return self.records[0].irregular

    @property
    def density(self) -> float:
        """The rows that are expected of one of its points in a day."""
        return GUESSED_ROWS_A_DAY if self.rows_a_day is None else self.rows_a_day

    @property
    def cells(self) -> float:
        """The samples that are expected of all its points."""
        return len(self.records) * max(self.density * self.window.days, 1.0)

    def with_density(self, rows_a_day: float | None, *, irregular: bool = False) -> Group:
        """The group as it is known after some of its points were read."""
        records = tuple(replace(record, irregular=True) for record in self.records) if irregular else self.records
        return replace(self, records=records, rows_a_day=self.rows_a_day if rows_a_day is None else rows_a_day)

    def batches(self, limits: RequestLimits, *, one_by_one: bool = False) -> list[Batch]:
        """Its points, divided so that a batch over the whole span is an answer of the right size if it can be.

        Else it is as wide as it should be, and its requests are cut in time.
        """
        width = 1
        if not one_by_one:
            width = int(limits.most_cells * len(self.records) // self.cells)
            width = _WIDE if width < _WIDE_ENOUGH else width
            width = min(width, limits.points, _WIDE_IRREGULAR if self.irregular else width)
        count = math.ceil(len(self.records) / width)
        width = math.ceil(len(self.records) / count)  # about equally wide
        rows_a_day = self.density * (width if self.irregular else 1)
        whole = Request(self.records, self.window)
        return [Batch(request.records, self.window, rows_a_day) for request in whole.in_points(width)]

    def probe(self, now_us: int) -> Request:
        """A small request over the end of the span, some points of all: what it answers says how to read the rest."""
        last_us = min(self.window.end_us, max(now_us, self.window.start_us))
        first_us = last_us - min(DAY_US, (last_us - self.window.start_us) // 8)
        step = math.ceil(len(self.records) / _WIDE_IRREGULAR)
        return Request(self.records[::step], Window(first_us // STEP_US * STEP_US, last_us))


def groups_of(records: Sequence[PointRecord], window_in: Callable[[str], Window]) -> list[Group]:
    """The groups of some points, each there once and its zone known.

    `window_in` gives the span in a zone, by its Haystack name: the same words are other instants in each.
    """
    alike: dict[BatchKey, list[PointRecord]] = {}
    for record in records:
        alike.setdefault(_key_of(record), []).append(record)
    groups = []
    for (tz, _, about), some in alike.items():
        density = None if about is None else max(record.rows_a_day or 0.0 for record in some)
        groups.append(Group(tuple(some), window_in(tz), density))
    return groups


def _key_of(record: PointRecord) -> BatchKey:
    # Densities that differ by less than a half are about one.
    about = None if record.rows_a_day is None else round(2 * math.log2(max(record.rows_a_day, 1e-6)))
    return record.tz, record.irregular, about
