"""Sums, means and extremes of groups that follow one another, as ``resample`` makes them.

pandas' own functions walk through many columns at once and are slow on one, and a unit column is always one. Where
the rows of a group stand together NumPy reduces each run in one go: 500 columns in less time than plain ones. The
sums are NumPy's, which may differ from pandas' compensated ones in the last digit.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["reduce_runs"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_HOWS = frozenset({"sum", "mean", "min", "max"})


@dataclass(frozen=True, slots=True)
class _Runs:
    """Where the runs of equal codes begin, and their codes; `starts` is None where the codes are not in order."""

    starts: Codes | None
    codes: Codes
    lengths: Codes


# The columns of a frame are reduced one by one with the same codes: those of the last call are remembered.
_last: tuple[weakref.ref[Codes], _Runs] | None = None


def _runs(ids: Codes) -> _Runs:
    global _last
    last = _last
    if last is not None and last[0]() is ids:
        return last[1]
    if len(ids) == 0 or ids[0] < 0 or not (ids[1:] >= ids[:-1]).all():
        runs = _Runs(None, ids[:0], ids[:0])
    else:
        starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        runs = _Runs(starts, ids[starts], np.diff(np.append(starts, len(ids))))
    _last = (weakref.ref(ids), runs)
    return runs


def reduce_runs(values: Floats, how: str, ids: Codes, ngroups: int, min_count: int, kwargs: dict[str, Any]) -> Any:
    """One value a group, or None where this way does not lead and pandas' own has to be gone.

    Parameters
    ----------
    values : float64 ndarray
        The column; NaN is missing.
    how : str
        What to compute, as pandas calls it.
    ids : intp ndarray
        The group of each row; -1 is none.
    ngroups : int
        How many groups there are; one without rows is missing, its sum 0.
    min_count : int
        How many values a group needs at least.
    kwargs : dict
        pandas' other arguments; only ``skipna=True`` is known here.
    """
    if how not in _HOWS or any(name != "skipna" or value is not True for name, value in kwargs.items()):
        return None
    runs = _runs(ids)
    if runs.starts is None:
        return None
    missing = np.isnan(values)
    counts = runs.lengths
    if missing.any():
        counts = counts - np.add.reduceat(missing, runs.starts, dtype=np.intp)
        if how in ("sum", "mean"):
            values = np.where(missing, 0.0, values)
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
