"""What a frame was read as: by point its aggregations, and the time over which its samples are all there.

It is in the catalog (:mod:`hsframe.frame.points`), so it goes where attrs go, and into Parquet. Times are epoch
microseconds, of local time those that it would be in UTC::

    {"reads": {id: {"aggs": {"delta": "kWh"}, "time": (start, end, firsts, lasts)}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.histories import Instants
from hsframe.frame.points import note, noted

_KEY: Final = "reads"

# The aggregations whose values could be samples of the point.
_LIKE_SAMPLES: Final = frozenset({"mean", "avg", "min", "max", "step", "linear", "first", "last"})
_Ends: TypeAlias = "tuple[int | None, ...]"


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a point.

    `aggs` has the unit of the values for each aggregation; of samples there is none. `time` is the span, half-open, of
    intervals from the first row to the last that was over at the present of the read; and then the first and the last
    rows with a value, or None, of each of its columns.
    """

    aggs: Mapping[str, str | None] = field(default_factory=dict)
    time: tuple[int, int, _Ends, _Ends] | None = None

    @property
    def made(self) -> str:
        """The aggregations whose values are no samples of the point, in words; empty without any."""
        amounts = [agg for agg in self.aggs if agg not in _LIKE_SAMPLES]
        return f"the {' and '.join(amounts)} over intervals" if amounts else ""

    def known_from(self, ts_us: Instants) -> tuple[int | None, int | None]:
        """From where up to where nothing is unknown, of a column with these instants; None on a side that was cut.

        Whether it was cut is told by its first and last value alone, so never by the columns beside it.
        """
        if self.time is None:
            return None, None
        start_us, end_us, firsts_us, lasts_us = self.time
        first, last = (int(ts_us[0]), int(ts_us[-1])) if len(ts_us) else (None, None)
        return start_us if first in firsts_us else None, end_us if last in lasts_us else None


def note_reads(df: pd.DataFrame, reads: Mapping[str, Read | Mapping[str, Any]] | None) -> None:
    """Put into a frame's catalog what was read, or the entry of another one; only the attrs change."""
    if reads:
        note(df, _KEY, {ident: asdict(_read_of(ident, one)) for ident, one in reads.items()})


def reads_of(df: pd.DataFrame) -> dict[str, Read]:
    """What the catalog of a frame says was read of its points, by their ids."""
    return {ident: _read_of(ident, entry) for ident, entry in (noted(df, _KEY) or {}).items()}


def _read_of(ident: str, entry: Any) -> Read:
    """A read, or that of an entry, of which JSON has made lists; what else is in it is passed over."""
    match entry:
        case Read():
            return entry
        case {"aggs": {**aggs}, "time": None | [int(), int(), [*_], [*_]] as time}:
            start_us, end_us, firsts_us, lasts_us = time or (0, 0, (), ())
            types, of_ends = {type(unit) for unit in aggs.values()}, {type(us) for us in (*firsts_us, *lasts_us)}
            if types <= {str, type(None)} and of_ends <= {int, type(None)}:
                return Read(entry["aggs"], time and (start_us, end_us, tuple(firsts_us), tuple(lasts_us)))
    raise MetadataError(f"the note of what was read of the point @{ident} has not its 'aggs' and 'time': {entry!r}")


def united_reads(frames: Iterable[pd.DataFrame]) -> dict[str, Read]:
    """What was read in some frames together; the time is that from the start of one to the end of another."""
    found: dict[str, Read] = {}
    for df in frames:
        for ident, one in reads_of(df).items():
            found[ident] = _united(found[ident], one) if ident in found else one
    return found


def _united(one: Read, other: Read) -> Read:
    if one.time is None or other.time is None:
        return Read({**one.aggs, **other.aggs})
    if list(one.aggs) != list(other.aggs):  # where one has fewer columns, nothing tells where another was cut
        return Read({**one.aggs, **other.aggs}, None)
    (start_us, end_us, *ends), (other_start_us, other_end_us, *other_ends) = one.time, other.time
    firsts, lasts = (
        tuple(pick((us for us in pair if us is not None), default=None) for pair in zip(own, others, strict=False))
        for pick, own, others in zip((min, max), ends, other_ends, strict=True)
    )
    first_us, spans = min(start_us, other_start_us), ((start_us, end_us), (other_start_us, other_end_us))
    last_us = max((end for start, end in spans if end > start), default=first_us)  # an empty one reaches nowhere
    return Read(one.aggs, (first_us, last_us, firsts, lasts))
