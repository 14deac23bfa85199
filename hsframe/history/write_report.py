"""The status of each sample of a write, kept while it runs, so that there is a report however the write ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.arrays import Codes
from hsframe.errors import CallError, HsFrameError, MetadataError
from hsframe.frame.his_grids import PointSamples
from hsframe.frame.histories import NAT_US
from hsframe.frame.points import Point
from hsframe.frame.trend import time_index
from hsframe.history.compare import DIFFERENT, MISSING, SAME, Comparison
from hsframe.history.point_records import PointRecord
from hsframe.spans import from_epoch_us
from hsframe.zones import zone

NOT_STORED: Final = 0
"""Not on the server, as far as is known: not sent, refused, or not there when read back."""
SENT: Final = 1
"""Sent, but no answer says whether the server has it; it may store it at any time."""
FAILED: Final = 2
"""Sent, and answered with an error: the server may have stored it before, but will not later."""
STORED: Final = 3
"""On the server: it has confirmed it, or the sample was read back."""

Existing = Literal["replace", "keep", "refuse"]

_NAMED: Final = 5


@dataclass(slots=True, eq=False)
class PointWrite:
    """The samples of one point to send, and the status of each: `NOT_STORED`, `SENT`, `FAILED` or `STORED`.

    `whole` are all that were to be written, of which the server has some that are `kept` as they are.
    `comparison` is that with the samples on the server, once they were read; `error` is why the point was not written;
    `looked_s` is for how long the samples were looked for, None if that is not done, or they could not be read.
    """

    samples: PointSamples
    record: PointRecord
    status: Codes = field(init=False)
    whole: PointSamples = field(init=False)
    kept: int = 0
    comparison: Comparison | None = None
    error: HsFrameError | None = None
    looked_s: float | None = None

    def __post_init__(self) -> None:
        self.whole = self.samples
        self.status = np.full(len(self.samples.ts_us), NOT_STORED, dtype=np.int8)

    @property
    def point(self) -> Point:
        return self.samples.point

    @property
    def is_stored(self) -> bool:
        return bool(np.all(self.status == STORED))

    @property
    def differs(self) -> bool:
        return self.comparison is not None and self.comparison.count(DIFFERENT) > 0

    @property
    def is_verified(self) -> bool:
        """Whether every sample was read back as it was sent."""
        return self.comparison is not None and self.comparison.all_same

    @property
    def unknown(self) -> int:
        """How many samples the server may have, or get later."""
        return self.count(SENT) + self.count(FAILED)

    def count(self, status: int) -> int:
        return int(np.count_nonzero(self.status == status))

    def mark(self, first_us: int, last_us: int, status: int) -> None:
        """Set the status of the samples from one instant to another, both included; stored samples stay stored."""
        start, stop = np.searchsorted(self.samples.ts_us, [first_us, last_us + 1])
        part = self.status[start:stop]
        part[part != STORED] = status
        if status == SENT:
            self.looked_s = None

    def rest(self) -> PointSamples:
        return self.samples.only(self.status != STORED)

    def compared(self, comparison: Comparison) -> None:
        """Keep a comparison with the samples on the server; those that are the same are stored.

        Those that it has confirmed and does not have, it may be storing (Haxall).
        """
        self.comparison = comparison
        self.status[comparison.state == SAME] = STORED
        self.status[(comparison.state == MISSING) & (self.status == STORED)] = SENT
        self.mark_failed_as_not_stored()

    def mark_failed_as_not_stored(self) -> None:
        """Samples whose write has failed and that were not found are not on the server."""
        self.status[self.status == FAILED] = NOT_STORED


class WriteReport:
    """One :class:`PointWrite` per point, in the order of the frame's columns; `entries` are those that have samples.

    `points` are those of all columns, as their records describe them. `existing` is what becomes of samples that are
    on the server, see :meth:`hsframe.session.Session.his_write`; `done` what is said of samples that were dealt with.
    """

    def __init__(
        self,
        samples: Iterable[PointSamples],
        records: Mapping[str, PointRecord],
        existing: Existing = "replace",
        done: Literal["written", "removed"] = "written",
    ) -> None:
        self.existing, self.done = existing, done
        self.points = [record.point for record in records.values()]
        self.all = [PointWrite(some, records[some.point.id]) for some in samples]
        self.entries = [entry for entry in self.all if len(entry.whole.ts_us)]

    def keep_existing(self, *, dry_run: bool) -> None:
        """After a comparison: count what is kept, and send the rest; an error where the server must have no other."""
        for entry in self.entries:
            assert entry.comparison is not None
            kept = (SAME, DIFFERENT) if self.existing == "keep" else (SAME,)
            entry.kept = sum(entry.comparison.count(state) for state in kept)
        if dry_run:
            return
        different = [entry for entry in self.entries if entry.differs]
        if self.existing == "refuse" and different:
            error = MetadataError(
                f"existing='refuse': the server has other values of {len(different)} of {len(self.entries)} points: "
                f"{'; '.join(map(_difference, different[:_NAMED]))}{'; ...' if len(different) > _NAMED else ''}. "
                "Nothing was sent; dry_run=True compares, existing='keep' sends what is new, 'replace' all"
            )
            error.report = self.table("dry run")
            raise error
        for entry in self.entries:
            assert entry.comparison is not None
            new = entry.comparison.state == MISSING
            entry.samples, entry.status = entry.samples.only(new), entry.status[new]
            entry.comparison = Comparison(entry.comparison.state[new])

    def table(self, kind: Literal["dry run", "written", "verified", "interrupted"]) -> pd.DataFrame:
        """The report of a write, one row per point; :meth:`hsframe.session.Session.his_write` explains the columns."""
        # In 80 columns pandas shows the first and the last columns: which point, and what became of it.
        entries, df = self.all, self.facts()
        if any(entry.whole.note for entry in entries):
            df["note"] = texts_of(entry.whole.note for entry in entries)
        if kind in ("dry run", "verified"):
            seen = [entry.comparison or Comparison(np.empty(0, dtype=np.int8)) for entry in entries]
            firsts = (
                NAT_US if one.first is None else int(entry.samples.ts_us[one.first])
                for entry, one in zip(entries, seen, strict=True)
            )
            df["first_difference"] = self._times(firsts)
            df["on_server"] = pd.Series([one.there for one in seen], dtype=object)
            df["in_frame"] = pd.Series([one.meant for one in seen], dtype=object)
        if kind == "interrupted":
            df["looked_s"] = np.array([entry.looked_s for entry in entries], dtype=np.float64)
            df[self.done] = counts_of(entry.count(STORED) for entry in entries)
            df["unknown"] = counts_of(entry.unknown for entry in entries)
        if self.existing != "replace":
            df["kept"] = counts_of(entry.kept for entry in entries)
        if kind in ("dry run", "verified"):
            states = {"same": SAME, "new" if kind == "dry run" else "missing": MISSING, "different": DIFFERENT}
            for name, state in states.items():
                df[name] = counts_of(one.count(state) for one in seen)
        df["status"] = texts_of(self._status(entry, kind) for entry in entries)
        if kind == "interrupted":
            df["reason"] = texts_of("" if entry.error is None else str(entry.error) for entry in entries)
        return df

    def facts(self) -> pd.DataFrame:
        """What was to be written, one row per point."""
        names, times = ("id", "dis", "unit", "tz"), [entry.whole.ts_us for entry in self.all]
        texts = {name: texts_of(getattr(entry.point, name) for entry in self.all) for name in names}
        first, last = (
            self._times(next(iter(own[ends]), NAT_US) for own in times) for ends in (slice(1), slice(-1, None))
        )
        return pd.DataFrame({**texts, "first": first, "last": last, "rows": counts_of(map(len, times))})

    def _times(self, times_us: Iterable[int]) -> pd.DatetimeIndex:
        """A column of instants in the zone of the points, in UTC if they have several; `NAT_US` is missing."""
        zones = {entry.point.tz for entry in self.all}
        own = zone(zones.pop() or "UTC") if len(zones) == 1 else zone("UTC")
        return time_index(np.fromiter(times_us, dtype=np.int64), own, None)

    @contextmanager
    def on_errors(self, *, sent: bool = True) -> Iterator[None]:
        """Add to an exception that interrupts the write what was stored: a note, and the table as ``report``.

        `sent` is whether a sample may have been sent in the block.
        """
        try:
            yield
        except BaseException as error:
            if getattr(error, "report", None) is not None:
                raise
            error.report = self.table("interrupted")  # type: ignore[attr-defined]  # any exception takes attributes
            rows = "The report of this error (error.report) has one row per point"
            if not sent:
                error.add_note(f"nothing was {self.done}: no sample was sent. {rows if self.all else ''}".rstrip())
                raise
            groups: dict[str, list[PointWrite]] = {
                name: [] for name in (self.done, f"partly {self.done}", "unknown", f"not {self.done}", "kept")
            }
            for entry in self.entries:
                groups[self._status(entry, "interrupted")].append(entry)
            said = "; ".join(f"{status}: {_named(entries)}" for status, entries in groups.items() if entries)
            repeat = "It is safe to repeat this write: it sends the same samples. "
            if any(isinstance(entry.error, CallError) for entry in self.entries):
                repeat = ""  # an op that is refused is refused again
            elif self.done == "removed":
                repeat = "It is safe to repeat this call: it removes what is left. "
            error.add_note(f"{said}. {repeat}{rows}")
            raise

    def _status(self, entry: PointWrite, kind: str) -> str:
        if not len(entry.whole.ts_us):
            return "no samples"
        if kind == "dry run":
            return "refused" if self.existing == "refuse" and entry.differs else kind
        if not len(entry.status):
            return "kept"
        if kind == "interrupted":
            if entry.unknown:
                return "unknown"
            stored = entry.count(STORED)
            return f"not {self.done}" if not stored else self.done if entry.is_stored else f"partly {self.done}"
        if kind == "verified":
            return "verified" if entry.is_verified else "differs"
        return kind


def _difference(entry: PointWrite) -> str:
    one = entry.comparison
    assert one is not None
    assert one.first is not None
    when = from_epoch_us(int(entry.samples.ts_us[one.first]), zone(entry.samples.tz)).isoformat()
    return (
        f"{entry.point} {one.count(DIFFERENT)} of {len(entry.status)} samples, first at {when} with {one.there} on the "
        f"server and {one.meant} in the frame"
    )


def _named(entries: Sequence[PointWrite]) -> str:
    names = []
    for entry in entries[:_NAMED]:
        looked = "could not be read back" if entry.looked_s is None else f"not there after {entry.looked_s:.1f} s"
        unknown = f", {entry.unknown} unknown: {looked}" if entry.unknown else ""
        if entry.count(STORED) and entry.looked_s is not None and isinstance(entry.error, CallError):
            unknown += ", found after an error: perhaps from before"
        names.append(f"@{entry.point.id} ({entry.count(STORED)} of {len(entry.status)} rows{unknown})")
    more = len(entries) - _NAMED
    return ", ".join(names) + (f" and {more} more points" if more > 0 else "")


def texts_of(texts: Iterable[str | None]) -> Any:
    return pd.array(list(texts), dtype="str")


def counts_of(counts: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(counts, dtype=np.int64)
