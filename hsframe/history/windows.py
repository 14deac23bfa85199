"""Which requests make a read: planning only, no I/O.

A plan is a list of :class:`Request`: some points of one zone, over one half-open window. However a span is cut, the
windows tile it, so each sample belongs to exactly one of them. What is asked of the server reaches one step further
at both ends (:attr:`Request.asked`), because some servers leave the start out or the end in; the answer is clipped to
the exact window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hsframe.frame.points import Point
from hsframe.kinds import Number
from hsframe.spans import Span, range_text

__all__ = ["Limits", "Request", "Target", "Window", "plan"]

STEP_US: Final = 1_000_000  # servers keep whole seconds or finer
_DAY_US: Final = 86_400_000_000
# Where a record does not say how dense its history is: a sample in 15 minutes.
_DEFAULT_ROWS_A_DAY: Final = 96.0
_SECONDS: Final = {
    "ms": 0.001, "millisecond": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0,
    "hr": 3600.0, "hour": 3600.0, "day": 86_400.0, "wk": 604_800.0, "week": 604_800.0, "mo": 2_592_000.0,
    "julian_month": 2_592_000.0, "yr": 31_536_000.0, "year": 31_536_000.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """How large one request may be.

    Parameters
    ----------
    cells : int
        Samples that an answer is expected to hold, over all its points.
    rows : int
        Rows that an answer is expected to hold.
    points : int
        Points in one batch.
    window_us : int or None
        The longest window, whatever the density; None: no such limit.
    """

    cells: int = 250_000
    rows: int = 100_000
    points: int = 100
    window_us: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A point to be read, with what decides how.

    Parameters
    ----------
    point : Point
        Its ``tz`` is known.
    rows_a_day : float
        The density that its record tells, or a guess.
    irregular : bool
        Whether its samples come at instants of their own (change of value): joined with others in a batch they
        would make a wide table of nulls, so it is read by itself.
    record : mapping
        All of its tags, as far as they were read.
    """

    point: Point
    rows_a_day: float = _DEFAULT_ROWS_A_DAY
    irregular: bool = False
    record: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], point: Point) -> Target:
        """The target of a record (tags ``hisMode``, ``hisInterval``)."""
        irregular = record.get("hisMode") == "cov" or record.get("hisCov") is not None
        interval = record.get("hisInterval")
        if isinstance(interval, Number) and interval.unit in _SECONDS and interval.val > 0:
            return cls(point, 86_400 / (interval.val * _SECONDS[interval.unit]), irregular, record)
        return cls(point, irregular=irregular, record=record)

    @property
    def tz(self) -> str:
        """The Haystack name of the point's zone."""
        assert self.point.tz is not None, "a target's zone is known before anything is planned"
        return self.point.tz


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

    def singles(self) -> list[Request]:
        """One request a target."""
        return [replace(self, targets=(target,)) for target in self.targets]

    def size(self, now_us: int) -> int:
        """Point-microseconds: what is compared with a request that was too large."""
        return len(self.targets) * self.window.length_us(now_us)


def plan(
    targets: Sequence[Target],
    span_in: Callable[[str], Span],
    *,
    now_us: int,
    batch: bool = True,
    limits: Limits | None = None,
) -> list[Request]:
    """The requests that read some points over a span.

    Parameters
    ----------
    targets : sequence of Target
        Each point once.
    span_in : callable
        The span in a zone, given by its Haystack name: the same words are other instants in each.
    now_us : int
        The present, in microseconds since 1970-01-01T00:00Z: an open span is cut up to there.
    batch : bool
        Whether several points may go into one request. They share a zone and a density then.
    limits : Limits, optional
        How large a request may be.

    Returns
    -------
    list of Request
        For each target its windows tile the span, in order of time.
    """
    limits = limits or Limits()
    requests: list[Request] = []
    for group in _groups(targets, batch=batch):
        span = span_in(group[0].tz)
        window = Window(span.start_us, span.end_us)
        days = window.length_us(now_us) / _DAY_US
        rows = max(group[0].rows_a_day * days, 1.0)
        # Wide and short rather than narrow and long: a batch writes each instant once for all its points.
        width = math.ceil(len(group) / math.ceil(len(group) / limits.points))
        count = math.ceil(max(rows / limits.rows, rows * width / limits.cells, 1.0))
        if limits.window_us is not None:
            count = max(count, math.ceil(window.length_us(now_us) / limits.window_us))
        for place in range(0, len(group), width):
            some = tuple(group[place : place + width])
            requests += [Request(some, part) for part in window.parts(count, now_us)]
    return requests


def _groups(targets: Sequence[Target], *, batch: bool) -> Iterator[list[Target]]:
    """Targets that may share a request: of one zone and one density, and regular."""
    together: dict[tuple[str, float], list[Target]] = {}
    for target in targets:
        if target.irregular or not batch:
            yield [target]
        else:
            together.setdefault((target.tz, target.rows_a_day), []).append(target)
    yield from together.values()
