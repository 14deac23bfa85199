"""Which requests make a read: planning only, no I/O.

Points that may share a request make a :class:`Group`; a :class:`Lane` is as many of them as one batch takes, over the
whole span; its :class:`Request` s are that batch over one half-open window each. However a span is cut, the windows
tile it, so each sample belongs to exactly one of them. What is asked of the server reaches one step further at both
ends (:attr:`Request.asked`), because some servers leave the start out or the end in; the answer is clipped to the
exact window.

How many windows depends on how dense a history is. Its record may tell; else what was answered does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from hsframe.frame.points import Point
from hsframe.kinds import Number
from hsframe.spans import Span, epoch_us, range_text

__all__ = ["Group", "Lane", "Limits", "Request", "Target", "Window", "groups_of", "over"]

STEP_US: Final = 1_000_000  # servers keep whole seconds or finer
DAY_US: Final = 86_400_000_000
# Where nothing says how dense a history is: a sample in 15 minutes.
GUESSED_ROWS_A_DAY: Final = 96.0
_SECONDS: Final = {
    "ms": 0.001, "millisecond": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0,
    "hr": 3600.0, "hour": 3600.0, "day": 86_400.0, "wk": 604_800.0, "week": 604_800.0, "mo": 2_592_000.0,
    "julian_month": 2_592_000.0, "yr": 31_536_000.0, "year": 31_536_000.0,
}  # fmt: skip
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


Family = tuple[str, bool, int | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How large one request may be.

    Parameters
    ----------
    cells : int or None
        Samples that an answer is expected to hold, over all its points; None: from 80,000 to 500,000, more where
        more is read.
    rows : int
        Rows that an answer is expected to hold.
    points : int
        Points in one batch.
    window_us : int or None
        The longest window, whatever the density; None: no such limit.
    """

    cells: int | None = None
    rows: int = 100_000
    points: int = 100
    window_us: int | None = None

    def cells_of(self, total: float) -> int:
        """The samples of one answer, where so many are read in all."""
        if self.cells is not None:
            return self.cells
        return int(min(max(total / _ANSWERS_A_READ, _LEAST_CELLS), _MOST_CELLS))


@dataclass(frozen=True, slots=True)
class Target:
    """A point to be read, with what decides how.

    Parameters
    ----------
    point : Point
        Its ``tz`` is known.
    rows_a_day : float or None
        The density that its record tells, if it does.
    irregular : bool
        Whether its samples come at instants of their own (change of value): joined with many others in a batch they
        would make a wide table of nulls.
    most_rows : int or None
        As many samples as the history has in all (``hisSize``), if the record tells.
    record : mapping
        All of its tags, as far as they were read.
    """

    point: Point
    rows_a_day: float | None = None
    irregular: bool = False
    most_rows: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], point: Point) -> Target:
        """The target of a record (tags ``hisMode``, ``hisInterval``; ``hisSize`` between ``hisStart``, ``hisEnd``)."""
        irregular = record.get("hisMode") == "cov" or record.get("hisCov") is not None
        interval, size = record.get("hisInterval"), record.get("hisSize")
        most = int(size.val) if isinstance(size, Number) and math.isfinite(size.val) and size.val > 0 else None
        density = None
        if isinstance(interval, Number) and interval.unit in _SECONDS and interval.val > 0:
            density = 86_400 / (interval.val * _SECONDS[interval.unit])
        elif most is not None:
            start, end = (record.get(name) for name in ("hisStart", "hisEnd"))
            if isinstance(start, datetime) and isinstance(end, datetime) and epoch_us(end) - epoch_us(start) > DAY_US:
                density = most / ((epoch_us(end) - epoch_us(start)) / DAY_US)
        return cls(point, density, irregular, most, record)

    @property
    def tz(self) -> str:
        """The Haystack name of the point's zone."""
        assert self.point.tz is not None, "a target's zone is known before anything is planned"
        return self.point.tz

    @property
    def family(self) -> Family:
        """What targets have in common that may share a request: zone, regular or not, about one density."""
        # Densities that differ by less than a half are about one.
        about = None if self.rows_a_day is None else round(2 * math.log2(max(self.rows_a_day, 1e-6)))
        return self.tz, self.irregular, about


@dataclass(frozen=True, slots=True)
class Window:
    """Instants from `start_us` up to `end_us`, which does not belong to it; None: no end."""

    start_us: int
    end_us: int | None

    def halves(self, now_us: int) -> tuple[Window, Window] | None:
        """Two windows that tile this one, cut at a whole second; None where it is too short.

        An open window is cut before the present, where the samples are.
        """
        end_us = max(self.start_us, now_us) if self.end_us is None else self.end_us
        middle = (self.start_us + end_us) // 2 // STEP_US * STEP_US
        if not self.start_us < middle < end_us:
            return None
        return Window(self.start_us, middle), Window(middle, self.end_us)

    def parts(self, count: int, now_us: int) -> list[Window]:
        """At most `count` windows of about one length that tile this one, cut at whole seconds."""
        end_us = max(self.start_us, now_us) if self.end_us is None else self.end_us
        length = end_us - self.start_us
        cuts = {(self.start_us + length * number // count) // STEP_US * STEP_US for number in range(1, count)}
        inner = sorted(cut for cut in cuts if self.start_us < cut < end_us)
        starts, ends = [self.start_us, *inner], [*inner, self.end_us]
        return [Window(start, end) for start, end in zip(starts, ends, strict=True)]

    def length_us(self, now_us: int) -> int:
        """How long it is, an open one up to the present."""
        return (max(self.start_us, now_us) if self.end_us is None else self.end_us) - self.start_us


@dataclass(frozen=True, slots=True)
class Request:
    """Some targets of one zone over one window: one hisRead, a batch where there are several."""

    targets: tuple[Target, ...]
    window: Window

    @property
    def asked(self) -> str:
        """The range to ask for: one step more at both ends, in whole seconds, in the points' own zone."""
        start_us = (self.window.start_us // STEP_US - 1) * STEP_US
        end_us = self.window.end_us
        if end_us is not None:
            end_us = (-(-end_us // STEP_US) + 1) * STEP_US
        return range_text(start_us, end_us, self.targets[0].tz)

    def in_time(self, now_us: int) -> tuple[Request, Request] | None:
        """The same targets over both halves of the window; None where it is too short."""
        halves = self.window.halves(now_us)
        return None if halves is None else (replace(self, window=halves[0]), replace(self, window=halves[1]))

    def in_points(self) -> tuple[Request, Request] | None:
        """Both halves of the targets over the same window; None where there is one."""
        if len(self.targets) < 2:
            return None
        middle = len(self.targets) // 2
        return replace(self, targets=self.targets[:middle]), replace(self, targets=self.targets[middle:])

    def narrow(self, width: int = 1) -> list[Request]:
        """The same window in requests of at most so many targets."""
        return [
            replace(self, targets=self.targets[place : place + width]) for place in range(0, len(self.targets), width)
        ]

    def windows(self, count: int, now_us: int) -> list[Request]:
        """The same targets over at most so many windows."""
        return [replace(self, window=part) for part in self.window.parts(count, now_us)]

    @property
    def family(self) -> Family:
        """That of its targets."""
        return self.targets[0].family

    def size(self, now_us: int) -> int:
        """Point-microseconds: what is compared with a request that was too large."""
        return len(self.targets) * self.window.length_us(now_us)


def over(rows: float, targets: Sequence[Target], limits: Limits, cells: int) -> float:
    """How many times as large as it should be an answer of so many rows is; of irregular points most cells are null."""
    width = min(len(targets), 2) if targets[0].irregular else len(targets)
    return max(rows / limits.rows, rows * width / cells)


@dataclass(frozen=True, slots=True)
class Lane:
    """Some targets over a whole span: what one batch after the other reads, window by window."""

    targets: tuple[Target, ...]
    window: Window
    rows_a_day: float

    def requests(self, limits: Limits, cells: int, now_us: int) -> list[Request]:
        """One request a window; the windows tile the span, in order of time."""
        length_us = self.window.length_us(now_us)
        rows = max(self.rows_a_day * length_us / DAY_US, 1.0)
        most = [target.most_rows for target in self.targets]
        if len(most) == 1 and most[0] is not None:
            rows = min(rows, most[0])
        count = math.ceil(max(over(rows, self.targets, limits, cells), 1.0))
        if limits.window_us is not None:
            count = max(count, math.ceil(length_us / limits.window_us))
        return [Request(self.targets, part) for part in self.window.parts(count, now_us)]


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that may share a request: of one zone, about one density, and all regular or none.

    Parameters
    ----------
    targets : tuple of Target
    window : Window
        The span, in their zone.
    rows_a_day : float or None
        The most that one of their records tells; None: none does.
    """

    targets: tuple[Target, ...]
    window: Window
    rows_a_day: float | None

    @property
    def irregular(self) -> bool:
        """Whether its points have instants of their own."""
        return self.targets[0].irregular

    def cells(self, now_us: int) -> float:
        """The samples that are expected of all its points."""
        density = GUESSED_ROWS_A_DAY if self.rows_a_day is None else self.rows_a_day
        return len(self.targets) * max(density * self.window.length_us(now_us) / DAY_US, 1.0)

    def with_density(self, rows_a_day: float | None, *, irregular: bool = False) -> Group:
        """The group after a look at some of its points."""
        targets = tuple(replace(target, irregular=True) for target in self.targets) if irregular else self.targets
        return replace(self, targets=targets, rows_a_day=self.rows_a_day if rows_a_day is None else rows_a_day)

    def lanes(self, limits: Limits, cells: int, now_us: int, *, batch: bool = True) -> list[Lane]:
        """Its targets, divided so that a batch over the whole span is an answer of the right size if it can be.

        Else it is as wide as it should be, and its requests are cut in time.
        """
        density = GUESSED_ROWS_A_DAY if self.rows_a_day is None else self.rows_a_day
        rows = max(density * self.window.length_us(now_us) / DAY_US, 1.0)
        width = int(cells // rows)
        width = _WIDE if width < _WIDE_ENOUGH else width
        width = min(width, limits.points, _WIDE_IRREGULAR if self.irregular else width) if batch else 1
        count = math.ceil(len(self.targets) / max(width, 1))
        width = math.ceil(len(self.targets) / count)  # about equally wide
        density *= width if self.irregular else 1
        return [
            Lane(self.targets[place : place + width], self.window, density)
            for place in range(0, len(self.targets), width)
        ]

    def scout(self, now_us: int) -> Request:
        """A small request over the end of the span, some points of all: what it answers says how to read the rest."""
        end_us = self.window.end_us
        last_us = now_us if end_us is None else min(end_us, max(now_us, self.window.start_us))
        first_us = last_us - min(DAY_US, (last_us - self.window.start_us) // 8)
        step = math.ceil(len(self.targets) / _WIDE_IRREGULAR)
        return Request(self.targets[::step], Window(first_us // STEP_US * STEP_US, last_us))


def groups_of(targets: Sequence[Target], span_in: Callable[[str], Span]) -> list[Group]:
    """The groups of some points, over a span.

    Parameters
    ----------
    targets : sequence of Target
        Each point once.
    span_in : callable
        The span in a zone, given by its Haystack name: the same words are other instants in each.
    """
    together: dict[Family, list[Target]] = {}
    for target in targets:
        together.setdefault(target.family, []).append(target)
    groups = []
    for (tz, _, about), some in together.items():
        span = span_in(tz)
        density = None if about is None else max(target.rows_a_day or 0.0 for target in some)
        groups.append(Group(tuple(some), Window(span.start_us, span.end_us), density))
    return groups
