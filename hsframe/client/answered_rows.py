"""The rows of a streamed answer, counted: whether some may be missing, and what to ask for them.

The rule is that of :mod:`hsframe.history.row_caps`, for one answer at a time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hsframe.durations import SECOND_US
from hsframe.errors import IncompleteError, SpanError
from hsframe.grid import Grid
from hsframe.protocol.answers import SUSPECT_FROM_ROWS
from hsframe.spans import Span, dates_text, range_text, resolve

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

__all__ = ["WITHOUT_A_WORD", "AnsweredRows"]

WITHOUT_A_WORD: Final = (
    "the server gives {} rows at most and left out others without a word, which cannot be asked for; what was given "
    "before this error is not whole. Stream points one by one, or use his_read of a session"
)


class AnsweredRows:
    """The rows so far, and of each column of values the samples: how many, the first and the last instant.

    `limit` is one that the answer names.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.columns: dict[str, tuple[int, int, int]] = {}
        self.tz = "UTC"

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.columns["ts"][0] if self.columns else 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        if not batch.num_rows:
            return
        self.tz = batch.schema.field("ts").metadata[b"hsframe:tz"].decode()
        for name, own in _samples(batch).items():
            if len(own):
                count, first_us, last_us = self.columns.get(name, (0, int(own[0]), int(own[0])))
                self.columns[name] = count + len(own), min(first_us, int(own.min())), max(last_us, int(own.max()))

    def is_suspect(self, row_cap: int | None) -> bool:
        """Whether rows may be missing; `row_cap` is a limit that is known."""
        counts = {count for count, _, _ in self.columns.values()}
        return max(counts, default=0) > SUSPECT_FROM_ROWS or not counts.isdisjoint({self.limit, row_cap})

    def span_of(self, request: Grid) -> Span | None:
        """The range of a request; None for one that only this server knows."""
        with suppress(SpanError):
            return resolve(str(request.meta.get("range") or request[0]["range"]), self.tz)
        return None

    def end_of(self, request: Grid, span: Span, *, is_tail: bool, dates_only: bool | None) -> Grid | None:
        """The request for what lies before the first row of an answer, or from its last one on, if the range has more.

        Of a batch the samples of its longest points count too.
        """
        longest = max((count for name, (count, _, _) in self.columns.items() if name != "ts"), default=0)
        extents = [
            (first, last) for name, (count, first, last) in self.columns.items() if name == "ts" or count == longest
        ]
        if not extents:
            return None
        first_us, last_us = max(first for first, _ in extents), min(last for _, last in extents)
        if not (span.end_us is None or last_us < span.end_us) if is_tail else first_us <= span.start_us:
            return None
        start_us, end_us = (last_us // SECOND_US * SECOND_US, span.end_us) if is_tail else (span.start_us, first_us)
        asked = dates_text(start_us, end_us) if dates_only else range_text(start_us, end_us, self.tz)
        if request.meta:
            return Grid({**request.meta, "range": asked}, request.cols, request.columns)
        return Grid({}, request.cols, [request.column("id"), (asked,)])

    def missing(self, batch: pa.RecordBatch, span: Span, *, is_tail: bool) -> pa.RecordBatch:
        """The rows of a batch after the last row so far, or before the first, in a span.

        Raises
        ------
        IncompleteError
            A sample between the rows that have been given: the limit is one of each point, and cuts some before others.
        """
        _, first_us, last_us = self.columns["ts"]
        samples = _samples(batch)
        ts_us = samples["ts"]
        is_new = (ts_us > last_us if is_tail else ts_us < first_us) & (ts_us >= span.start_us)
        if span.end_us is not None:
            is_new &= ts_us < span.end_us
        for name, own in samples.items():
            _, own_first, own_last = self.columns.get(name, (0, last_us + 1, first_us - 1))
            if ((own > own_last) & (own <= last_us) if is_tail else (own < own_first) & (own >= first_us)).any():
                raise IncompleteError(f"hisRead, column {name}: {WITHOUT_A_WORD.format(self.rows)}")
        return batch.filter(is_new)

    def adjoins(self, part: AnsweredRows, *, is_tail: bool) -> bool:
        """Whether a part has rows, and all of them are at the end that it was asked for."""
        _, first_us, last_us = self.columns["ts"]
        _, part_first, part_last = part.columns.get("ts", (0, 0, 0))
        return part_first >= last_us // SECOND_US * SECOND_US if is_tail else 0 < part_last < first_us

    def copy(self) -> AnsweredRows:
        """What there is now, which does not change any more."""
        copied = AnsweredRows()
        copied.columns = dict(self.columns)
        return copied


def _samples(batch: pa.RecordBatch) -> dict[str, npt.NDArray[np.int64]]:
    """The instants of the rows, under ``ts``, and of the samples of each column of values."""
    ts_us = batch.column("ts").cast("int64").to_numpy()
    names = [name for name in batch.schema.names if not name.endswith(".na")]
    return {name: ts_us[batch.column(name).is_valid().to_numpy(zero_copy_only=False)] for name in names}
