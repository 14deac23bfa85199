"""What became of each sample of a write, kept while it runs, so that it can be said however the write ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.columns import ArrowColumn
from hsframe.errors import HsFrameError
from hsframe.frame.histories import History, Instants, grid_histories
from hsframe.frame.points import Point
from hsframe.frame.trend import time_index
from hsframe.grid import Grid
from hsframe.history.compare import DIFFERENT, MISSING, SAME, Comparison
from hsframe.zones import zone

__all__ = ["OPEN", "SENT", "STORED", "Entry", "Ledger"]

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
    """The samples of one point.

    Parameters
    ----------
    history : History
        Without nulls, in order of time, each instant once.
    fate : int8 ndarray
        For each sample `OPEN`, `SENT` or `STORED`.
    comparison : Comparison or None
        With what the server has, where that was read.
    error : HsFrameError or None
        Why the point was not written.
    """

    history: History
    fate: npt.NDArray[np.int8]
    comparison: Comparison | None = None
    error: HsFrameError | None = None

    @property
    def point(self) -> Point:
        """The point."""
        return self.history.point

    @property
    def id(self) -> str:
        """The point's id."""
        return self.history.point.id

    @property
    def is_stored(self) -> bool:
        """Whether the server has every sample."""
        return bool(np.all(self.fate == STORED))

    def count(self, fate: int) -> int:
        """How many samples met a fate."""
        return int(np.count_nonzero(self.fate == fate))

    def mark(self, ts_us: Instants, fate: int) -> None:
        """Note the fate of the samples at some instants; what is stored stays so."""
        place = np.searchsorted(self.history.ts_us, ts_us)
        place = place[place < len(self.fate)]
        at = np.zeros(len(self.fate), dtype=np.bool_)
        at[place[np.isin(self.history.ts_us[place], ts_us)]] = True
        self.fate[at & (self.fate != STORED)] = fate

    def rest(self) -> History:
        """The samples that the server does not have yet."""
        keep = self.fate != STORED
        if keep.all():
            return self.history
        column = self.history.values
        assert isinstance(column, ArrowColumn)
        values = column._sliced(column.values.filter(keep), None)
        return replace(self.history, ts_us=self.history.ts_us[keep], values=values)

    def compared(self, comparison: Comparison) -> None:
        """Note what the server has; what it has as it was sent is stored."""
        self.comparison = comparison
        self.fate[comparison.state == SAME] = STORED


@dataclass(slots=True, eq=False)
class Ledger:
    """All points of a write that have samples, in the order of the frame's columns.

    Attributes
    ----------
    entries : dict of id to Entry
    """

    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, grids: Iterable[Grid], points: Mapping[str, Point]) -> Ledger:
        """The samples of some batch grids, all of them open, in the order of the points."""
        found: dict[str, Entry] = {}
        for grid in grids:
            for history in grid_histories(grid, points):
                samples = _without_nulls(history)
                if len(samples.ts_us):
                    found[samples.point.id] = Entry(samples, np.zeros(len(samples.ts_us), dtype=np.int8))
        return cls({ident: found[ident] for ident in points if ident in found})

    def __iter__(self) -> Any:
        return iter(self.entries.values())

    def mark(self, ids: Iterable[str], ts_us: Instants, fate: int) -> None:
        """Note the fate of the samples that some points have at some instants."""
        for ident in ids:
            self.entries[ident].mark(ts_us, fate)

    def unsettled(self) -> list[Entry]:
        """The points with samples of which it is not known whether the server has them."""
        return [entry for entry in self if entry.count(SENT)]

    def settle(self, entries: Iterable[Entry]) -> None:
        """After a look at the server: what it does not have, it does not have."""
        for entry in entries:
            entry.fate[entry.fate == SENT] = OPEN

    # -- what is said -------------------------------------------------------------------------------------------

    def report(self, kind: Literal["dry run", "written", "verified", "broken off"]) -> pd.DataFrame:
        """The report of a write, a row a point.

        Parameters
        ----------
        kind : str
            ``"dry run"`` (nothing was sent, and compared), ``"written"``, ``"verified"`` (written, and read back), or
            ``"broken off"``.

        Returns
        -------
        DataFrame
            The columns that :meth:`hsframe.session.Session.his_write` tells of.
        """
        entries = list(self)
        texts = {
            name: _texts([getattr(entry.point, name) for entry in entries]) for name in ("id", "dis", "unit", "tz")
        }
        columns: dict[str, Any] = {
            **texts,
            "rows": _counts([len(entry.fate) for entry in entries]),
            "first": _times([int(entry.history.ts_us[0]) for entry in entries]),
            "last": _times([int(entry.history.ts_us[-1]) for entry in entries]),
            "status": _texts([_status(entry, kind) for entry in entries]),
        }
        if kind in ("dry run", "verified"):
            columns |= _differences(entries, "new" if kind == "dry run" else "missing")
        if kind == "broken off":
            columns["written"] = _counts([entry.count(STORED) for entry in entries])
            columns["unknown"] = _counts([entry.count(SENT) for entry in entries])
            columns["reason"] = _texts(["" if entry.error is None else str(entry.error) for entry in entries])
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """What was stored and what was not, in a sentence or two."""
        groups: dict[str, list[Entry]] = {}
        for entry in self:
            groups.setdefault(_status(entry, "broken off"), []).append(entry)
        parts = [f"{status}: {_named(groups[status])}" for status in _STATUSES if status in groups]
        return "; ".join(parts) + ". The same write again is harmless: it sends the same samples"


_STATUSES: Final = ("written", "partly written", "unknown", "not written")


def _status(entry: Entry, kind: str) -> str:
    if kind == "broken off":
        if entry.count(SENT):
            return "unknown"
        stored = entry.count(STORED)
        return "not written" if not stored else "written" if stored == len(entry.fate) else "partly written"
    if kind == "verified":
        return "verified" if entry.comparison is not None and entry.comparison.all_same else "differs"
    return kind


def _named(entries: Sequence[Entry]) -> str:
    names = [
        f"@{entry.id} ({entry.count(STORED)} of {len(entry.fate)} rows"
        + (f", {entry.count(SENT)} unknown)" if entry.count(SENT) else ")")
        for entry in entries[:_NAMED]
    ]
    more = len(entries) - _NAMED
    return ", ".join(names) + (f" and {more} more points" if more > 0 else "")


def _differences(entries: Sequence[Entry], not_there: str) -> dict[str, Any]:
    none = Comparison(np.empty(0, dtype=np.int8))
    found = [entry.comparison or none for entry in entries]
    first_us = [
        _NO_TIME if seen.first is None else int(entry.history.ts_us[seen.first])
        for entry, seen in zip(entries, found, strict=True)
    ]
    return {
        not_there: _counts([seen.count(MISSING) for seen in found]),
        "same": _counts([seen.count(SAME) for seen in found]),
        "different": _counts([seen.count(DIFFERENT) for seen in found]),
        "first_difference": _times(first_us),
        "on_server": _objects([seen.there for seen in found]),
        "in_frame": _objects([seen.meant for seen in found]),
    }


def _texts(texts: Sequence[str | None]) -> Any:
    return pd.array(texts, dtype="str")


def _counts(counts: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.array(counts, dtype=np.int64)


def _times(times_us: Sequence[int]) -> pd.DatetimeIndex:
    return time_index(np.array(times_us, dtype=np.int64), zone("UTC"), None)


def _objects(values: Sequence[Any]) -> npt.NDArray[Any]:
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return cells


def _without_nulls(history: History) -> History:
    """The samples of a column of a batch, without the nulls of the join."""
    column = history.values
    assert isinstance(column, ArrowColumn)
    if column.values.null_count:
        valid = column.values.is_valid()
        keep = valid.to_numpy(zero_copy_only=False)
        values = column._sliced(column.values.filter(valid), None)
        history = replace(history, ts_us=history.ts_us[keep], values=values)
    return replace(history, sparse=False)
