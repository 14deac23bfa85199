"""The rows of a streamed answer, counted: whether some may be missing, and between which instants.

The rule is that of :mod:`hsframe.history.row_caps`, for one answer at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hsframe.durations import SECOND_US
from hsframe.errors import IncompleteError
from hsframe.protocol.answers import SUSPECT_FROM_ROWS, overlapping
from hsframe.spans import Span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


@dataclass
class AnsweredRows:
    """The rows so far, and of each column of values the samples: how many, the first and the last instant.

    `limit` is one that the answer names.
    """

    limit: int | None = None
    tz: str = "UTC"
    columns: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.columns["ts"][0] if self.columns else 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.tz = batch.schema.field("ts").metadata[b"hsframe:tz"].decode()
        for name, own in _samples(batch).items():
            if len(own):
                count, first_us, last_us = self.columns.get(name, (0, int(own[0]), int(own[0])))
                self.columns[name] = count + len(own), min(first_us, int(own.min())), max(last_us, int(own.max()))

    def is_suspect(self, row_cap: int | None) -> bool:
        """Whether rows may be missing; `row_cap` is a limit that is known."""
        counts = {count for count, _, _ in self.columns.values()}
        return max(counts, default=0) >= SUSPECT_FROM_ROWS or not counts.isdisjoint({self.limit, row_cap})

    def ends_of(self, span: Span, *, is_tail: bool) -> list[tuple[int, int | None]]:
        """From the last row on, or up to the first one, if the span has more.

        Of a batch the samples of its longest points count too: more than one end, if they are at different times.
        """
        extents = {name: (first_us, last_us) for name, (_, first_us, last_us) in self.columns.items()}
        counts = {name: count for name, (count, _, _) in self.columns.items() if name != "ts"}
        longest = {name: extents[name] for name, count in counts.items() if count == max(counts.values())}
        ends: list[tuple[int, int | None]] = []
        for names in overlapping(longest) or [[]]:
            firsts, lasts = zip(extents["ts"], *map(extents.get, names), strict=True)
            end = (min(lasts), span.end_us) if is_tail else (span.start_us, max(firsts))
            if end[1] is None or end[0] < end[1]:
                ends.append(end)
        return ends

    def reaches_outside(self, span: Span) -> bool:
        """Whether there are rows from before or after the span, and of the seconds beside it."""
        _, first_us, last_us = self.columns["ts"]
        is_late = span.end_us is not None and last_us > span.end_us + SECOND_US
        return is_late or first_us < span.start_us - SECOND_US

    def missing(self, batch: pa.RecordBatch, span: Span, *, is_tail: bool) -> pa.RecordBatch:
        """The rows of a batch after the last row so far, or before the first, in a span.

        A sample between the rows that have been given is an error: the limit is one of each point, and cuts some before
        others.
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
                raise self.cut_error(f"hisRead, column {name}")
        return batch.filter(is_new)

    def adjoins(self, part: AnsweredRows, *, is_tail: bool) -> bool:
        """Whether all rows of a part are at the end that it was asked for; some servers know whole seconds only."""
        _, first_us, last_us = self.columns["ts"]
        _, part_first, part_last = part.columns["ts"]
        return part_first >= last_us // SECOND_US * SECOND_US if is_tail else part_last < first_us

    def cut_error(self, where: str) -> IncompleteError:
        """The error for rows that cannot be asked for."""
        return IncompleteError(
            f"{where}: the server gives {self.rows} rows at most and left out others without a word, which cannot be "
            "asked for; what was given before this error is not whole. Stream points one by one, or use his_read of a "
            "session"
        )


def _samples(batch: pa.RecordBatch) -> dict[str, npt.NDArray[np.int64]]:
    """The instants of the rows, under ``ts``, and of the samples of each column of values."""
    ts_us = batch.column("ts").cast("int64").to_numpy()
    names = [name for name in batch.schema.names if not name.endswith(".na")]
    return {name: ts_us[batch.column(name).is_valid().to_numpy(zero_copy_only=False)] for name in names}
