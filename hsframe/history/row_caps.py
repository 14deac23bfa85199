"""Silent caps: a server that answers the first or the newest rows of a range, and says nothing of the others.

Users of SkySpark, PI and InfluxDB meet such limits. An answer is *suspect* if it has 100 rows or more, more than the
largest answer that was proven whole in this read, or as many as a limit that is known. It is *proven* by asking for the
ends of its window alone, up to its first row and from its last row on: if there is nothing else, it is whole. A limit
of fewer than 100 rows is not found out, since a proof would double the requests of each small read.

The limit may be one of the rows of a batch or of the samples of each point in it, so both are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from hsframe.arrays import Instants
from hsframe.caller_warnings import warn_caller
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, IncompleteError, ReadWarning
from hsframe.frame.histories import History
from hsframe.history.concurrency import ConcurrencyLimit
from hsframe.history.his_answers import Answer, sample_instants
from hsframe.history.plan import Request, Window
from hsframe.kinds import Ref
from hsframe.protocol.answers import SUSPECT_FROM_ROWS, named
from hsframe.protocol.dialects import Dialect

# What comes while a read runs is no sign of a limit, so a limit is remembered if more samples were missing than these.
MAY_BE_NEW: Final = 2
_NO_INSTANTS: Final = np.empty(0, dtype=np.int64)
_ROUND: Final = 500  # limits of rows are multiples of it; of other histories one in 500 is


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

    def is_suspect(self, answer: Answer) -> bool:
        """Whether rows may be missing."""
        sizes = [*zip((answer.rows, answer.longest), self.largest, self.proven, strict=True)]
        if self.is_at_limit(answer) or self.limit_rows in (answer.rows, answer.longest):
            return True
        if any(size > proven and size >= largest for size, largest, proven in sizes):
            return True
        # As many as were proven: regular samples, or a limit that was reached there without a row too much.
        if not any(size == proven >= SUSPECT_FROM_ROWS for size, _, proven in sizes):
            return False
        return answer.extents not in self.extents and answer.ends_early

    def note(self, answer: Answer, *, is_whole: bool | None = None) -> None:
        """Note the size of an answer, and whether it was proven whole or seems to be cut."""
        rows, longest = answer.rows, answer.longest
        self.largest = max(self.largest[0], rows), max(self.largest[1], longest)
        if is_whole:
            self.proven = max(self.proven[0], rows), max(self.proven[1], longest)
            self.extents.add(answer.extents)
        elif is_whole is False:
            self.limits |= {rows, longest}

    def note_proof(self, answer: Answer, *, is_whole: bool) -> None:
        """Note what the ends have shown; of whole dates they show nothing of the rows outside of the window."""
        if not is_whole or not (self.dialect.dates_only and answer.reaches_outside):
            self.note(answer, is_whole=is_whole)

    async def has_more(self, send: Callable[[Request], Awaitable[Answer | None]], end: Request, answer: Answer) -> bool:
        """Whether one end of a window has samples that an answer does not have, as far as a few requests show."""
        try:
            found = await send(replace(end, is_exact=True))
            for dates, new in answer.dates_of_end(end) if self.dialect.dates_only else []:
                beside = await send(dates)
                if beside is not None and added(beside.raw, answer.raw, [new]) > 0:
                    return True
        except HsFrameError:
            return True  # as the planner will show when it reads the end
        if found is None:
            return True
        is_clipped = not found.reaches_outside
        if is_clipped and found.longest and self.dialect.ignores_range:  # it did once: the server is another one since
            self.dialect.ignores_range = False
        if added(found.inside, answer.inside, [end.window]) > 0:
            return True
        if not is_clipped and not self.dialect.dates_only:  # the range of the end was ignored, so it shows nothing
            warn_of_unproven(answer)
        return is_clipped and found.rows >= answer.rows


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
    return np.concatenate([_NO_INSTANTS, *(sample_instants(history.clip(*window.ends_us)) for window in windows)])


def warn_of_unproven(answer: Answer, *, of_day: bool = False) -> None:
    """Warn of an answer of a server that cannot be asked for the ends alone: of a day's rows, or a round number."""
    window, (_, first_us, last_us) = answer.request.window, answer.extents[0]
    covers = first_us <= window.start_us and last_us >= window.end_us
    is_one_day = last_us - first_us < DAY_US
    sizes = [rows for rows in (answer.rows, answer.longest) if (is_one_day if of_day else rows % _ROUND == 0)]
    if sizes and not covers:
        warn_caller(
            f"{_what(answer)}: exactly {sizes[0]} rows came. That may be the most that the server gives, and it cannot "
            "be asked whether there are others: it ignores the range, or takes dates only. Compare with the server's "
            "own pages, or raise its limit of rows",
            ReadWarning,
        )


def cut_error(answer: Answer, limit_rows: int | None = None) -> IncompleteError:
    """The error for an answer whose other rows cannot be asked for, or not within the caller's `limit_rows`."""
    if limit_rows is not None:
        return IncompleteError(
            f"{_what(answer)}: with limit_rows={limit_rows} no request shows whether there are more rows, for a row "
            "beside those that are wanted may fill its answer; nothing is returned. Give a larger limit_rows; "
            f"{max(100, 10 * limit_rows)} (say) makes few requests"
        )
    return IncompleteError(
        f"{_what(answer)}: the server answers with {answer.rows} rows at most, leaves out the others without a word, "
        "and cannot be asked for them alone; nothing is returned. Raise the limit of rows on the server, if it has "
        "such a setting"
    )


def _what(answer: Answer) -> str:
    ids = [Ref(record.id) for record in answer.request.records]
    return f"hisRead of {named(ids)} over {answer.request.asked}"
