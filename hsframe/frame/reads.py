"""What a frame was read as: by point its aggregations, and the time over which its samples are all there.

It is in the catalog (:mod:`hsframe.frame.points`), so it goes where attrs go, and into Parquet. Times are epoch
microseconds, of local time those that it would be in UTC::

    {"reads": {id: {"aggs": {"delta": "kWh"}, "time": (start, end, first, last)}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pandas as pd

from hsframe.frame.histories import Instants
from hsframe.frame.points import note, noted

_KEY: Final = "reads"


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a point.

    `aggs` has the unit of the values for each aggregation; of samples there is none. `time` is the span, half-open, or
    of intervals the first and the last row; and then the first and the last row with a value, or None.
    """

    aggs: Mapping[str, str | None] = field(default_factory=dict)
    time: tuple[int, int, int | None, int | None] | None = None

    def __post_init__(self) -> None:
        if self.time is not None:  # JSON makes a list of it
            start_us, end_us, first_us, last_us = self.time
            object.__setattr__(self, "time", (start_us, end_us, first_us, last_us))

    def known_from(self, ts_us: Instants) -> tuple[int | None, int | None]:
        """From where up to where nothing is unknown, of a column with these instants; None on a side that was cut.

        Whether it was cut is told by its first and last value alone, so never by the columns beside it.
        """
        if self.time is None:
            return None, None
        start_us, end_us, first_us, last_us = self.time
        first, last = (int(ts_us[0]), int(ts_us[-1])) if len(ts_us) else (None, None)
        return start_us if first == first_us else None, end_us if last == last_us else None


def note_reads(df: pd.DataFrame, reads: Mapping[str, Read | Mapping[str, Any]] | None) -> None:
    """Put into a frame's catalog what was read, or the entry of another one; only the attrs change."""
    if reads:
        note(df, _KEY, {ident: asdict(one) if isinstance(one, Read) else one for ident, one in reads.items()})


def reads_of(df: pd.DataFrame) -> dict[str, Read]:
    """What the catalog of a frame says was read of its points, by their ids."""
    return {ident: Read(**entry) for ident, entry in (noted(df, _KEY) or {}).items()}


def united_reads(frames: Iterable[pd.DataFrame]) -> dict[str, Read]:
    """What was read in some frames together; the time is that from the start of one to the end of another."""
    found: dict[str, Read] = {}
    for df in frames:
        for ident, one in reads_of(df).items():
            found[ident] = united(found[ident], one) if ident in found else one
    return found


def united(one: Read, other: Read) -> Read:
    """What was read of a point in two parts, over the time from the start of one to the end of the other."""
    time = None
    if one.time and other.time:
        firsts, lasts = (
            [us for us in pair if us is not None] for pair in zip(one.time[2:], other.time[2:], strict=True)
        )
        time = (
            min(one.time[0], other.time[0]),
            max(one.time[1], other.time[1]),
            min(firsts, default=None),
            max(lasts, default=None),
        )
    return Read({**one.aggs, **other.aggs}, time)
