"""The history of one point in memory: sorted instants and their values, as arrays.

Instants are int64 microseconds since 1970-01-01T00:00Z, strictly increasing. Values are float64 (Number), bool
(Bool) or texts (Str). NA is a separate mask, so that NA, NaN and the infinities differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hsframe.arrays import Bools, Instants, Places
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn

Kind = Literal["Number", "Bool", "Str"]

_DTYPES: Final[dict[str, type[Any]]] = {"Number": np.float64, "Bool": np.bool_, "Str": np.object_}


class Samples:
    """Samples of one point, none at first; where `na` is true, the entry of `values` has no meaning."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.ts_us: Instants = np.empty(0, np.int64)
        self.values: NDArray[Any] = np.empty(0, _DTYPES[kind])
        self.na: Bools = np.empty(0, np.bool_)

    def __len__(self) -> int:
        return len(self.ts_us)

    def between(self, start_us: int, end_us: int | None) -> slice:
        """The samples in ``[start, end)``, epoch microseconds, as a slice of the arrays; ``None`` is an open end."""
        first = int(np.searchsorted(self.ts_us, start_us))
        return slice(first, len(self) if end_us is None else max(first, int(np.searchsorted(self.ts_us, end_us))))

    def column(self, part: slice, unit: str | None) -> Sequence[Any]:
        values, na = self.values[part], self.na[part]
        mask = na if na.any() else None
        na_array = pa.array(na) if na.any() else None
        if self.kind == "Number":
            return NumberColumn(pa.array(values, mask=mask), unit, na_array)
        if self.kind == "Bool":
            return BoolColumn(pa.array(values, mask=mask), na_array)
        return StrColumn(pa.array(values, pa.string(), mask=mask), na_array)

    def merge(self, ts_us: Instants, values: NDArray[Any] | Sequence[Any], na: Bools) -> None:
        """Add samples in any order; of equal instants the last one wins, and new ones replace old ones."""
        fresh = np.asarray(values, _DTYPES[self.kind])
        all_ts = np.concatenate([self.ts_us, ts_us])
        order = np.argsort(all_ts, kind="stable")
        sorted_ts = all_ts[order]
        last = np.ones(len(order), np.bool_)
        last[:-1] = sorted_ts[1:] != sorted_ts[:-1]
        keep = order[last]
        self.ts_us = sorted_ts[last]
        self.values = np.concatenate([self.values, fresh])[keep]
        self.na = np.concatenate([self.na, na])[keep]

    def remove(self, ts_us: Instants) -> None:
        keep = ~np.isin(self.ts_us, ts_us)
        self.ts_us, self.values, self.na = self.ts_us[keep], self.values[keep], self.na[keep]


@dataclass(frozen=True)
class Change:
    """What a hisWrite does to one point: samples, in any order, as :meth:`Samples.merge` takes them, and removals."""

    rec: Mapping[str, Any]
    ts_us: Instants
    values: NDArray[Any] | list[Any]
    na: Bools
    removed_us: Instants


def placed(cells: Sequence[Any], rows: Places, length: int) -> Sequence[Any]:
    """A column of that `length` in which each cell is in its row; the other rows are null."""
    if not isinstance(cells, ArrowColumn):
        column: list[Any] = [None] * length
        for row, cell in zip(rows.tolist(), cells, strict=True):
            column[row] = cell
        return column
    of_row = np.full(length, -1)
    of_row[rows] = np.arange(len(cells))
    taken = pa.array(of_row, mask=of_row < 0)
    return cells.sliced(cells.values.take(taken), None if cells.na is None else cells.na.take(taken).fill_null(False))
