"""Silent caps: a server that answers the first or the newest rows of a range, and says nothing of the others.

Users of SkySpark, PI and InfluxDB meet such limits. An answer is *suspect* if it has 100 rows or more, more than the
largest answer that was proven whole in this read, or as many as a limit that is known. It is *proven* by asking for the
ends of its window alone, up to its first row and from its last row on: if there is nothing else, it is whole. A limit
of fewer than 100 rows is not found out, since a proof would double the requests of each small read.

The limit may be one of the rows of a batch or of the samples of each point in it, so both are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from hsframe.caller_warnings import warn_caller
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, IncompleteError, ReadWarning
from hsframe.frame.histories import History, Instants
from hsframe.frame.values import null_mask
from hsframe.history.concurrency import ConcurrencyLimit
from hsframe.history.his_answers import reaches_outside, sample_count
from hsframe.history.plan import Request, Window
from hsframe.kinds import Ref
from hsframe.protocol.answers import SUSPECT_FROM_ROWS, named, overlapping
from hsframe.protocol.dialects import Dialect

# What comes while a read runs is no sign of a limit, so a limit is remembered if more samples were missing than these.
MAY_BE_NEW: Final = 2
_MOST_PIECES: Final = 16
_NO_INSTANTS: Final = np.empty(0, dtype=np.int64)
_CENTURY_US: Final = 36_525 * DAY_US
_ROUND: Final = 500  # limits of rows are multiples of it; of other histories one in 500 is


@dataclass(frozen=True)
class Answer:
    """The histories of an answer as they came, and clipped to the window; `limit` is one that the answer names."""

    raw: Sequence[History]
    inside: Sequence[History]
    limit: int | None = None

    @property
    def rows(self) -> int:
        return len(self.raw[0].ts_us)

    @property
    def longest(self) -> int:
        return max(map(sample_count, self.raw))

    @cached_property
    def instants(self) -> list[Instants]:
        """The instants of its rows, and of each point with as many samples as the longest."""
        are_rows = self.longest in (self.rows, 0)
        longest = [] if are_rows else [one for one in self.raw if sample_count(one) == self.longest]
        return [self.raw[0].ts_us, *map(_own, longest)]

    @cached_property
    def extents(self) -> tuple[tuple[int, int, int], ...]:
        """How many rows and samples of its longest points it has, from when to when."""
        return tuple((len(ts_us), *_extent(ts_us)) for ts_us in self.instants)

    @property
    def ends_us(self) -> tuple[int, int]:
        """The latest of the first instants, and the earliest of the last ones, of its rows and its longest points."""
        return max(first for _, first, _ in self.extents), min(last for _, _, last in self.extents)


class RowCaps:
    """What one read knows of the limits of rows. Sizes are the rows of an answer, and the samples of its longest point.

    An answer that is smaller than another one was not cut, so the largest is proven last, and most need no proof.
    """

    def __init__(self, dialect: Dialect, limit_rows: int) -> None:
        self.dialect = dialect
        self.limit_rows = limit_rows
        self.limits: set[int] = set()
        self.largest = self.proven = (SUSPECT_FROM_ROWS - 1, SUSPECT_FROM_ROWS - 1)
        self.extents: set[tuple[tuple[int, int, int], ...]] = set()
        self.turns = ConcurrencyLimit(1)

    def is_at_limit(self, answer: Answer) -> bool:
        """Whether it has as many rows, or a point as many samples, as a limit of the server that is known."""
        sizes = {answer.rows, answer.longest} - {0}
        return not sizes.isdisjoint({answer.limit, self.dialect.row_cap, *self.limits})

    def own_limit(self, answer: Answer) -> int | None:
        """The caller's limit, if nothing else makes the answer suspect."""
        limit, servers = self.limit_rows, (answer.limit, self.dialect.row_cap)
        is_own = limit < SUSPECT_FROM_ROWS and limit in (answer.rows, answer.longest) and limit not in servers
        return limit if is_own else None

    def is_suspect(self, answer: Answer, window: Window) -> bool:
        """Whether rows may be missing."""
        sizes = [*zip((answer.rows, answer.longest), self.largest, self.proven, strict=True)]
        if self.is_at_limit(answer) or self.limit_rows in (answer.rows, answer.longest):
            return True
        if any(size > proven and size >= largest for size, largest, proven in sizes):
            return True
        # As many as were proven: regular samples, or a limit that was reached there without a row too much.
        if not any(size == proven >= SUSPECT_FROM_ROWS for size, _, proven in sizes):
            return False
        return answer.extents not in self.extents and any(_ends_early(ts_us, window) for ts_us in answer.instants)

    def note(self, answer: Answer, *, is_whole: bool | None = None) -> None:
        """Note the size of an answer, and whether it was proven whole or seems to be cut."""
        rows, longest = answer.rows, answer.longest
        self.largest = max(self.largest[0], rows), max(self.largest[1], longest)
        if is_whole:
            self.proven = max(self.proven[0], rows), max(self.proven[1], longest)
            self.extents.add(answer.extents)
        elif is_whole is False:
            self.limits |= {rows, longest}

    def note_proof(self, answer: Answer, request: Request, *, is_whole: bool) -> None:
        """Note what the ends have shown; of whole dates they show nothing of the rows outside of the window."""
        if not is_whole or not (self.dialect.dates_only and reaches_outside(answer.raw, request)):
            self.note(answer, is_whole=is_whole)

    async def has_more(
        self, send: Callable[[Request], Awaitable[Answer | None]], end: Request, answer: Answer, request: Request
    ) -> bool:
        """Whether one end of a window has samples that an answer does not have, as far as a few requests show."""
        try:
            found = await send(replace(end, is_exact=True))
            for dates, new in dates_of_end(end, answer) if self.dialect.dates_only else []:
                beside = await send(dates)
                if beside is not None and added(beside.raw, answer.raw, [new]) > 0:
                    return True
        except HsFrameError:
            return True  # as the planner will show when it reads the end
        if found is None:
            return True
        is_clipped = not reaches_outside(found.raw, end)
        if is_clipped and found.longest and self.dialect.ignores_range:  # it did once: the server is another one since
            self.dialect.ignores_range = False
        if added(found.inside, answer.inside, [end.window]) > 0:
            return True
        if not is_clipped and not self.dialect.dates_only:  # the range of the end was ignored, so it shows nothing
            warn_of_unproven(answer, request)
        return is_clipped and found.rows >= answer.rows


def overlapping_parts(request: Request, answer: Answer) -> list[tuple[Request, Answer]]:
    """A batch, divided so that the longest points of each part have samples at one time.

    If the limit is one of each point, the end of a window that begins before all samples of a point is cut as the
    whole window was, and proves nothing of that point.
    """
    longest = answer.longest
    if longest in (answer.rows, 0):
        return [(request, answer)]
    groups = overlapping({one.point.id: _extent(_own(one)) for one in answer.raw if sample_count(one) == longest})
    apart = {ident for group in groups[1:] for ident in group}
    groups[0] = [record.id for record in request.records if record.id not in apart]
    parts = []
    for ids in groups:
        raw, inside = ([one for one in histories if one.point.id in ids] for histories in (answer.raw, answer.inside))
        records = tuple(record for record in request.records if record.id in ids)
        parts.append((replace(request, records=records), replace(answer, raw=raw, inside=inside)))
    return parts


def unproven_ends(request: Request, answer: Answer) -> list[Request]:
    """The ends of the window, up to the first row of an answer and from its last one on, where no row is at the end.

    Of a batch the rows of its longest points count too, and the ends are those of all points.
    """
    first_us, last_us = answer.ends_us
    window = request.window
    if not window.is_open:
        first_us = min(first_us, window.end_us)
    ends = [Window(window.start_us, first_us)] if first_us > window.start_us else []
    if window.is_open or last_us < window.end_us:
        ends.append(replace(window, start_us=max(last_us, window.start_us), end_us=max(last_us, window.end_us)))
    return [replace(request, window=end) for end in ends]


def dates_of_end(end: Request, answer: Answer) -> list[tuple[Request, Window]]:
    """An end as two ranges of dates, the day of the answer's row beside it and those beyond, and what is new there.

    The range of the end itself has days before as well, which may fill an answer alone. The windows to ask for are as
    much shorter as :func:`hsframe.spans.dates_text` makes them longer. All dates were asked for before, so a row beyond
    the answer's rows, also one outside of the window, was left out.
    """
    first_us, last_us = answer.ends_us
    if first_us >= end.window.end_us:
        row_us, beyond = first_us, replace(end.window, end_us=first_us - 2 * DAY_US)
        new = Window(first_us - _CENTURY_US, first_us)
    else:
        row_us, beyond = last_us, replace(end.window, start_us=last_us + 2 * DAY_US)
        new = Window(last_us + 1, last_us + _CENTURY_US)
    day = Window(row_us + DAY_US, row_us - DAY_US)
    return [(replace(end, window=window), new) for window in (day, beyond)]


def without(ends: Sequence[Request], request: Request) -> Request:
    """A request without the ends of its window."""
    window = request.window
    for end in ends:
        if end.window.start_us == window.start_us:
            window = replace(window, start_us=end.window.end_us)
        else:
            window = Window(window.start_us, end.window.start_us)
    return replace(request, window=window)


def pieces(end: Request, answer: Answer) -> list[Request]:
    """An end of a window where rows are missing, divided by the time that the answer covers."""
    _, first_us, last_us = answer.extents[0]
    covered_us = max(last_us - first_us, 1)
    return end.in_time(min(math.ceil(end.window.length_us / covered_us), _MOST_PIECES))


def added(rest: Sequence[History], before: Sequence[History], windows: Sequence[Window]) -> int:
    """How many instants that are not `before` `rest` has of a point, in some windows; the most of all points."""
    known: dict[str, list[Instants]] = {}
    for history in before:
        known.setdefault(history.point.id, []).append(_within(history, windows))
    more: Counter[str] = Counter()
    for history in rest:
        old_us = np.concatenate(known.get(history.point.id, [_NO_INSTANTS]))
        more[history.point.id] += len(np.setdiff1d(_within(history, windows), old_us))
    return max(more.values(), default=0)


def _within(history: History, windows: Sequence[Window]) -> Instants:
    """The instants of the samples in some windows; an end of an answer has few, and sets of all would take long."""
    ts_us = _own(history)
    inside = [(ts_us >= window.start_us) & (window.is_open | (ts_us < window.end_us)) for window in windows]
    return ts_us[np.logical_or.reduce(inside)]


def warn_of_unproven(answer: Answer, request: Request, *, of_day: bool = False) -> None:
    """Warn of an answer of a server that cannot be asked for the ends alone: of a day's rows, or a round number."""
    _, first_us, last_us = answer.extents[0]
    covers = first_us <= request.window.start_us and last_us >= request.window.end_us
    is_one_day = last_us - first_us < DAY_US
    sizes = [rows for rows in (answer.rows, answer.longest) if (is_one_day if of_day else rows % _ROUND == 0)]
    if sizes and not covers:
        warn_caller(
            f"hisRead of {_named(request)} over {request.asked}: exactly {sizes[0]} rows came. That may be the most "
            "that the server gives, and it cannot be asked whether there are others: it ignores the range, or takes "
            "dates only. Compare with the server's own pages, or raise its limit of rows",
            ReadWarning,
        )


def cut_error(answer: Answer, request: Request, limit_rows: int | None = None) -> IncompleteError:
    """The error for an answer whose other rows cannot be asked for, or not within the caller's `limit_rows`."""
    if limit_rows is not None:
        return IncompleteError(
            f"hisRead of {_named(request)} over {request.asked}: with limit_rows={limit_rows} no request shows whether "
            "there are more rows, for a row beside those that are wanted may fill its answer; nothing is returned. "
            f"Give a larger limit_rows; {max(100, 10 * limit_rows)} (say) makes few requests"
        )
    return IncompleteError(
        f"hisRead of {_named(request)} over {request.asked}: the server answers "
        f"with {answer.rows} rows at most, leaves out the others without a word, and cannot be asked for them alone; "
        "nothing is returned. Raise the limit of rows on the server, if it has such a setting"
    )


def _named(request: Request) -> str:
    return named([Ref(record.id) for record in request.records])


def _extent(ts_us: Instants) -> tuple[int, int]:
    return int(ts_us.min()), int(ts_us.max())


def _own(history: History) -> Instants:
    return history.ts_us[~null_mask(history.values)]


def _ends_early(ts_us: Instants, window: Window) -> bool:
    """Whether a row more would fit at one end of the window, as close as the closest two rows are."""
    if window.is_open:
        return True
    first_us, last_us = _extent(ts_us)
    return max(first_us - window.start_us, window.end_us - last_us) > int(np.diff(np.sort(ts_us)).min())
