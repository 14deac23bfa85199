"""Sums, means and extremes of groups that follow one another, as ``resample`` makes them.

pandas' own functions walk through many columns at once and are slow on one, and a unit column is always one. Where
the rows of a group follow one another, NumPy reduces each run in one go. Other rows are sorted by group, once for all
columns of a frame. The sums are NumPy's, which may differ from pandas' compensated ones in the last digits.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, NamedTuple

import numpy as np

from hsframe.arrays import Floats, Places

_HOWS = frozenset({"sum", "mean", "min", "max"})


# A group's rows are brought together where the same codes come again: a column costs less than the sorting by then.
_CALLS_BEFORE_SORTING = 2
# Up to here NumPy sorts codes by their digits, in the time of a few additions.
_MOST_GROUPS = 2**16 - 1


class _Runs(NamedTuple):
    """Where the runs of equal codes begin, their codes and lengths; the rows are in `order`, or as they are."""

    starts: Places
    codes: Places
    lengths: Places
    order: Places | None

    @classmethod
    def of(cls, ids: Places, order: Places | None = None) -> _Runs:
        starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        return cls(starts, ids[starts], np.diff(np.append(starts, len(ids))), order)


class _Memory(threading.local):
    """The runs of the last codes: the columns of a frame are reduced one by one, all with the same codes."""

    ids: weakref.ref[Places] | None = None
    ngroups = 0
    calls = 0
    runs: _Runs | None = None

    def found(self, ids: Places, ngroups: int) -> _Runs | None:
        """The runs of these codes; None where there are none, or not yet."""
        if self.ids is None or self.ids() is not ids or self.ngroups != ngroups:
            self.ids, self.ngroups, self.calls, self.runs = weakref.ref(ids), ngroups, 0, None
        self.calls += 1
        if self.calls == 1 and len(ids) and ids[0] >= 0 and (ids[1:] >= ids[:-1]).all():
            self.runs = _Runs.of(ids)
        elif self.runs is None and self.calls == _CALLS_BEFORE_SORTING + 1 and ngroups <= _MOST_GROUPS:
            # -1, the code of no group, becomes the greatest one.
            order = np.argsort(ids.astype(np.uint16), kind="stable")[: np.count_nonzero(ids >= 0)]
            self.runs = _Runs.of(ids[order], order) if len(order) else None
        return self.runs


_memory = _Memory()


def reduce_runs(values: Floats, how: str, ids: Places, ngroups: int, min_count: int, kwargs: dict[str, Any]) -> Any:
    """One value per group, or None where only pandas' own way gives the result.

    `how` is what pandas calls it, `ids` the group of each row, -1 for none, and `min_count` how many values a group
    needs. A group without rows is missing, its sum 0. Of pandas' other arguments only ``skipna=True`` is known here.
    """
    if how not in _HOWS or any(name != "skipna" or value is not True for name, value in kwargs.items()):
        return None
    runs = _memory.found(ids, ngroups)
    if runs is None:
        return None
    if runs.order is not None:
        values = values[runs.order]
    counts = runs.lengths
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        run_of = np.searchsorted(runs.starts, missing, side="right") - 1
        counts = counts - np.bincount(run_of, minlength=len(counts))
        if how in ("sum", "mean"):
            values = values.copy() if runs.order is None else values
            values[missing] = 0.0
    with np.errstate(all="ignore"):
        if how in ("min", "max"):
            found = (np.fmin if how == "min" else np.fmax).reduceat(values, runs.starts)
        else:
            found = np.add.reduceat(values, runs.starts)
            if how == "mean":
                found = found / counts
    least = max(min_count, 0 if how == "sum" else 1)
    if least > 0:
        found = np.where(counts < least, np.nan, found)
    if len(runs.codes) == ngroups:
        return found
    result = np.full(ngroups, 0.0 if how == "sum" and least == 0 else np.nan)
    result[runs.codes] = found
    return result
