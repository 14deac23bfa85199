"""What became of each sample of a write, kept while it runs, so that it can be said however the write ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.errors import HsFrameError
from hsframe.frame.his_grids import PointSamples
from hsframe.frame.points import Point
from hsframe.frame.trend import time_index
from hsframe.history.compare import DIFFERENT, MISSING, SAME, Comparison
from hsframe.history.point_records import PointRecord
from hsframe.zones import zone

__all__ = ["OPEN", "SENT", "STORED", "Entry", "WriteReport"]

OPEN: Final = 0
"""Not on the server, as far as is known: not sent, or refused."""
SENT: Final = 1
"""On its way: sent, and no answer came, or none that proves anything."""
STORED: Final = 2
"""The server has it: it said so, or it was read back."""

_NO_TIME: Final = np.iinfo(np.int64).min
_NAMED: Final = 5


@dataclass(slots=True, eq=False)
class Entry:
    """The samples of one point, at least one, and what became of each: it is `OPEN`, `SENT` or `STORED`.

    `comparison` is with what the server has, where that was read; `error` is why the point was not written.
    """

    samples: PointSamples
    record: PointRecord
    status: npt.NDArray[np.int8] = field(init=False)
    comparison: Comparison | None = None
    error: HsFrameError | None = None

    def __post_init__(self) -> None:
        self.status = np.full(len(self.samples.ts_us), OPEN, dtype=np.int8)

    @property
    def point(self) -> Point:
        """The point."""
        return self.samples.point

    @property
    def is_stored(self) -> bool:
        """Whether the server has every sample."""
        return bool(np.all(self.status == STORED))

    @property
    def is_verified(self) -> bool:
        """Whether every sample was read back as it was sent."""
        return self.comparison is not None and self.comparison.all_same

    def count(self, status: int) -> int:
        """How many samples have a status."""
        return int(np.count_nonzero(self.status == status))

    def mark(self, first_us: int, last_us: int, status: int) -> None:
        """Note the status of the samples from one instant to another, both included; what is stored stays so."""
        start, stop = np.searchsorted(self.samples.ts_us, [first_us, last_us + 1])
        part = self.status[start:stop]
        part[part != STORED] = status

    def rest(self) -> PointSamples:
        """The samples that the server does not have yet."""
        return self.samples.only(self.status != STORED)

    def compared(self, comparison: Comparison) -> None:
        """Note what the server has; what it has as it was sent is stored."""
        self.comparison = comparison
        self.status[comparison.state == SAME] = STORED

    def settle(self) -> None:
        """After a look at the server: what it does not have, it does not have."""
        self.status[self.status == SENT] = OPEN


class WriteReport:
    """All points of a write that have samples, an entry each, in the order of the frame's columns."""

    def __init__(self, samples: Iterable[PointSamples], records: Mapping[str, PointRecord]) -> None:
        self.entries = [Entry(some, records[some.point.id]) for some in samples if len(some.ts_us)]

    def table(self, kind: Literal["dry run", "written", "verified", "broken off"]) -> pd.DataFrame:
        """The report of a write, a row a point; :meth:`hsframe.session.Session.his_write` tells of the columns.

        Of a ``"dry run"`` nothing was sent, and it was compared; what is ``"verified"`` was written and read back.
        """
        entries = self.entries
        columns: dict[str, Any] = {
            name: _texts(getattr(entry.point, name) for entry in entries) for name in ("id", "dis", "unit", "tz")
        }
        columns |= {
            "rows": _counts(len(entry.status) for entry in entries),
            "first": _times(int(entry.samples.ts_us[0]) for entry in entries),
            "last": _times(int(entry.samples.ts_us[-1]) for entry in entries),
            "status": _texts(_status(entry, kind) for entry in entries),
        }
        if kind in ("dry run", "verified"):
            columns |= _differences(entries, "new" if kind == "dry run" else "missing")
        if kind == "broken off":
            columns["written"] = _counts(entry.count(STORED) for entry in entries)
            columns["unknown"] = _counts(entry.count(SENT) for entry in entries)
            columns["reason"] = _texts("" if entry.error is None else str(entry.error) for entry in entries)
        return pd.DataFrame(columns)

    @contextmanager
    def on_errors(self) -> Iterator[None]:
        """Put onto whatever breaks off a write what was stored: a note, and ``report``, a row a point."""
        try:
            yield
        except BaseException as error:
            error.report = self.table("broken off")  # type: ignore[attr-defined]  # any exception takes attributes
            groups: dict[str, list[Entry]] = {
                name: [] for name in ("written", "partly written", "unknown", "not written")
            }
            for entry in self.entries:
                groups[_status(entry, "broken off")].append(entry)
            said = "; ".join(f"{status}: {_named(entries)}" for status, entries in groups.items() if entries)
            error.add_note(
                f"{said}. The same write again is harmless: it sends the same samples; the report of this error "
                "(error.report) has a row a point"
            )
            raise


def _status(entry: Entry, kind: str) -> str:
    if kind == "broken off":
        if entry.count(SENT):
            return "unknown"
        stored = entry.count(STORED)
        return "not written" if not stored else "written" if entry.is_stored else "partly written"
    if kind == "verified":
        return "verified" if entry.is_verified else "differs"
    return kind


def _named(entries: Sequence[Entry]) -> str:
    names = [
        f"@{entry.point.id} ({entry.count(STORED)} of {len(entry.status)} rows"
        + (f", {entry.count(SENT)} unknown)" if entry.count(SENT) else ")")
        for entry in entries[:_NAMED]
    ]
    more = len(entries) - _NAMED
    return ", ".join(names) + (f" and {more} more points" if more > 0 else "")


def _differences(entries: Sequence[Entry], not_there: str) -> dict[str, Any]:
    none = Comparison(np.empty(0, dtype=np.int8))
    seen = [entry.comparison or none for entry in entries]
    firsts = [
        _NO_TIME if one.first is None else int(entry.samples.ts_us[one.first])
        for entry, one in zip(entries, seen, strict=True)
    ]
    return {
        not_there: _counts(one.count(MISSING) for one in seen),
        "same": _counts(one.count(SAME) for one in seen),
        "different": _counts(one.count(DIFFERENT) for one in seen),
        "first_difference": _times(firsts),
        "on_server": pd.Series([one.there for one in seen], dtype=object),
        "in_frame": pd.Series([one.meant for one in seen], dtype=object),
    }


def _texts(texts: Iterable[str | None]) -> Any:
    return pd.array(list(texts), dtype="str")


def _counts(counts: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(counts, dtype=np.int64)


def _times(times_us: Iterable[int]) -> pd.DatetimeIndex:
    return time_index(np.fromiter(times_us, dtype=np.int64), zone("UTC"), None)
