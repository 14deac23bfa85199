"""Compares the samples on the server with those that were to be written.

Servers round samples. Haxall keeps single precision and whole seconds, haystack-py writes six significant digits,
others write ten. A value that differs only as one of these would have rounded it counts as the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hsframe.arrays import Bools, Codes, Floats, Instants, Places
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn
from hsframe.durations import SECOND_US
from hsframe.frame.his_grids import PointSamples
from hsframe.frame.histories import History
from hsframe.frame.values import null_mask, same_unit
from hsframe.kinds import Number

MISSING: Final = 0
SAME: Final = 1
DIFFERENT: Final = 2

# The relative difference of two texts of one double, and of one single-precision float in ten digits.
_ONE_DOUBLE: Final = 1e-12
_ONE_FLOAT: Final = 1e-9
# No known server writes fewer than six significant digits, which differ by at most 5e-6.
_SIX_DIGITS: Final = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The samples of one point, each `SAME` on the server, `DIFFERENT` there, or `MISSING`.

    `first` is the position of the first that is different; `there` is its value on the server, `meant` that to write.
    """

    state: Codes
    first: int | None = None
    there: Any = None
    meant: Any = None

    def count(self, state: int) -> int:
        return int(np.count_nonzero(self.state == state))

    @property
    def all_same(self) -> bool:
        return bool(np.all(self.state == SAME))


def compare(found: Sequence[History], meant: PointSamples) -> Comparison:
    """Compare what was read of a point, window by window, with its samples to write.

    Of several rows at one instant the last counts; a null is not a sample. Where samples are to be removed, those that
    are there are `MISSING`, those that are not are the `SAME`.
    """
    ts_us, cells, unit = _joined(found)
    place = np.searchsorted(ts_us, meant.ts_us)
    hit = _at(ts_us, place, meant.ts_us)
    if len(ts_us) and not hit.all() and not meant.is_removal and not np.any(ts_us % SECOND_US):
        # A server of whole seconds keeps a sample at the second before its instant.
        floored = meant.ts_us // SECOND_US * SECOND_US
        place = np.where(hit, place, np.searchsorted(ts_us, floored))
        hit |= _at(ts_us, place, floored)
    rows = np.flatnonzero(hit)
    stored = cells[place[rows]]
    if meant.is_removal:  # what is there is as good as missing: the server may still be at it
        state, same = np.where(hit, MISSING, SAME).astype(np.int8), np.zeros(len(rows), dtype=np.bool_)
    else:
        state, same = np.zeros(len(meant.ts_us), dtype=np.int8), _same(meant.values, rows, stored)
        state[rows] = np.where(same, SAME, DIFFERENT)
    if same.all():
        return Comparison(state)
    at = int(np.argmin(same))
    row = int(rows[at])
    there = stored[at]
    if _is_number(there):
        there = Number(there if isinstance(there, int) else float(there), unit or meant.point.unit)
    return Comparison(state, row, there, meant.values[row])


def _at(ts_us: Instants, place: Places, wanted: Instants) -> Bools:
    inside = place < len(ts_us)
    hit = np.zeros(len(place), dtype=np.bool_)
    hit[inside] = ts_us[place[inside]] == wanted[inside]
    return hit


def _joined(found: Sequence[History]) -> tuple[Instants, npt.NDArray[Any], str | None]:
    """All samples in order of time, each instant once: as doubles, or as objects if not all are Numbers of one unit."""
    parts = [_cells(history) for history in found]
    plain = all(cells.dtype == np.float64 for _, cells in parts)
    ts_us = np.concatenate([np.empty(0, dtype=np.int64), *(ts for ts, _ in parts)])
    empty = np.empty(0, dtype=np.float64 if plain else object)
    cells = np.concatenate([empty, *(part if plain else part.astype(object) for _, part in parts)])
    order = np.argsort(ts_us, kind="stable")
    ts_us, cells = ts_us[order], cells[order]
    last = np.ones(len(ts_us), dtype=np.bool_)
    last[:-1] = ts_us[1:] != ts_us[:-1]
    units = {history.values.unit for history in found if isinstance(history.values, NumberColumn)}
    return ts_us[last], cells[last], units.pop() if len(units) == 1 else None


def _cells(history: History) -> tuple[Instants, npt.NDArray[Any]]:
    """The samples that are not null: doubles in the point's unit, or plain values, NA and Numbers of other units."""
    column, own = history.values, history.point.unit
    there = ~null_mask(column)
    cells = np.empty(len(there), dtype=object)
    if isinstance(column, NumberColumn) and column.na is None and _is_own(column.unit, own):
        cells = np.asarray(column.values.to_numpy(zero_copy_only=False), np.float64)
    else:
        cells[:] = [cell.val if isinstance(cell, Number) and _is_own(cell.unit, own) else cell for cell in column]
    return history.ts_us[there], cells[there]


def _is_own(unit: str | None, own: str | None) -> bool:
    # If one of the two has no unit, they cannot differ.
    return unit is None or own is None or same_unit(unit, own)


def _same(meant: ArrowColumn, rows: Places, stored: npt.NDArray[Any]) -> Bools:
    wanted = meant.values.to_numpy(zero_copy_only=False)[rows]
    if not isinstance(meant, NumberColumn):
        kind = bool if isinstance(meant, BoolColumn) else str
        pairs = zip(wanted.tolist(), stored.tolist(), strict=True)
        return np.array([isinstance(cell, kind) and cell == want for want, cell in pairs], dtype=np.bool_)
    if stored.dtype != np.float64:
        stored = np.array([cell if _is_number(cell) else np.nan for cell in stored], dtype=np.float64)
    return _same_numbers(wanted, stored)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _same_numbers(meant: Floats, stored: Floats) -> Bools:
    with np.errstate(invalid="ignore", over="ignore"):
        single = meant.astype(np.float32).astype(np.float64)
        same = np.isclose(stored, meant, rtol=_ONE_DOUBLE, atol=0.0)
        same |= np.isclose(stored, single, rtol=_ONE_FLOAT, atol=0.0)
        # A value too large for single precision is not the same.
        same &= np.isfinite(stored) == np.isfinite(meant)
        near = ~same & np.isclose(stored, meant, rtol=_SIX_DIGITS, atol=0.0)
    for row in np.flatnonzero(near).tolist():
        value = float(stored[row])
        digits = max(len(repr(abs(value)).split("e")[0].replace(".", "").strip("0")), 6)  # 2 of 1500.0
        same[row] = any(float(f"{number:.{digits}g}") == value for number in (float(meant[row]), float(single[row])))
    return same
