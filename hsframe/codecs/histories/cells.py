"""Cells that are no plain numbers: remembered by a number, put where the double would be, and resolved at the end.

A column is decoded into doubles. A cell that the number kernel does not take (null, NA, INF, a Bool, a Str, whatever)
becomes a NaN whose payload is the number of its text in a table. So a column needs no second array while it grows, a
column of Bools is a column of such NaNs, and the exact parser reads each different text once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hsframe.codecs.histories.words import Bools, Floats, Ints
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.kinds import NA, Number

__all__ = ["ABSENT", "boxed", "column_of", "kind_of"]

_QUIET_NAN: Final = 0x7FF8_0000_0000_0000
_PAYLOAD: Final = 0x0007_FFFF_FFFF_FFFF

#: The number of 'there is no cell'.
ABSENT: Final = 0


def boxed(numbers: Ints | int) -> Any:
    """The doubles that stand for cells with the given numbers in the table."""
    if isinstance(numbers, int):
        return np.array(_QUIET_NAN | numbers, np.int64).view(np.float64)[()]
    return (numbers | _QUIET_NAN).view(np.float64)


def unboxed(doubles: Floats) -> Ints:
    """The numbers in the table, for doubles that are :func:`boxed`."""
    result: Ints = doubles.view(np.int64) & _PAYLOAD
    return result


def kind_of(values: Sequence[Any], unit: str | None, has_numbers: bool) -> str | None:
    """What a column of these cells is.

    Parameters
    ----------
    values : sequence of kinds
        The different cells that are no plain numbers.
    unit : str or None
        The unit of the plain numbers.
    has_numbers : bool
        Whether there are plain numbers.

    Returns
    -------
    str or None
        ``"Number"``, ``"Bool"``, ``"Str"``; ``""`` where no cell says anything; None where the column can only be
        one of Python objects: several units, several kinds, other kinds.
    """
    kinds = {_kind(value, unit, has_numbers) for value in values if value is not None and value is not NA}
    if has_numbers:
        kinds.add("Number")
    if len(kinds) > 1:
        return None
    return kinds.pop() if kinds else ""


def _kind(value: Any, unit: str | None, has_numbers: bool) -> str | None:
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, str):
        return "Str"
    if isinstance(value, Number):
        return "Number"
    return None


def _units(values: Sequence[Any]) -> set[str | None]:
    return {value.unit for value in values if isinstance(value, Number) and np.isfinite(value.val)}


def column_of(cells: Floats, table: Sequence[Any], unit: str | None) -> ArrowColumn | None:
    """The column of a grid for decoded cells.

    Parameters
    ----------
    cells : float64 ndarray
        Plain numbers, and boxed numbers of the table; it becomes the column's own buffer.
    table : sequence of kinds
        The cells that are no plain numbers, by their number.
    unit : str or None
        The unit of the plain numbers.

    Returns
    -------
    ArrowColumn or None
        None where only Python objects can hold the cells: several units, several kinds, other kinds.
    """
    special = np.flatnonzero(np.isnan(cells))
    if len(special) == 0:
        return NumberColumn(pa.array(cells), unit)
    numbers = unboxed(cells[special])
    used = np.unique(numbers).tolist() if len(table) < 1000 else np.flatnonzero(np.bincount(numbers)).tolist()
    values = [table[number] for number in used]
    has_numbers = len(special) < len(cells)
    kind = kind_of(values, unit, has_numbers)
    if kind is None:
        return None
    is_na = _lookup(used, [value is NA for value in values], bool)[numbers]
    is_null = _lookup(used, [value is None or value is NA for value in values], bool)[numbers]
    na = _na_array(len(cells), special, is_na)
    if kind in ("Number", ""):
        units = _units(values) | ({unit} if has_numbers else set())
        if len(units) > 1:
            return None
        floats = [float(value.val) if isinstance(value, Number) else np.nan for value in values]
        cells[special] = _lookup(used, floats, np.float64)[numbers]
        valid = _validity(len(cells), special[is_null])
        doubles = pa.Array.from_buffers(pa.float64(), len(cells), [valid, pa.py_buffer(cells)], int(is_null.sum()))
        return NumberColumn(doubles, units.pop() if units else None, na)
    valid = _validity(len(cells), special[is_null])
    if kind == "Bool":
        truths = _lookup(used, [value is True for value in values], bool)[numbers]
        bits = pa.py_buffer(np.packbits(truths, bitorder="little"))
        return BoolColumn(pa.Array.from_buffers(pa.bool_(), len(cells), [valid, bits], int(is_null.sum())), na)
    words = [value for value in values if isinstance(value, str)]
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    codes = _lookup(used, [places.get(value, 0) if isinstance(value, str) else 0 for value in values], np.int32)
    indices = pa.Array.from_buffers(
        pa.int32(), len(cells), [valid, pa.py_buffer(np.ascontiguousarray(codes[numbers]))], int(is_null.sum())
    )
    return StrColumn(pa.DictionaryArray.from_arrays(indices, pa.array(list(places), pa.string())), na)


def _lookup(used: Sequence[int], values: Sequence[Any], dtype: Any) -> Any:
    """An array in which the value of ``used[i]`` stands at ``used[i]``."""
    table = np.zeros(max(used) + 1, dtype)
    table[list(used)] = values
    return table


def _validity(length: int, nulls: Ints) -> pa.Buffer | None:
    if len(nulls) == 0:
        return None
    valid = np.ones(length, bool)
    valid[nulls] = False
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def _na_array(length: int, special: Ints, is_na: Bools) -> pa.Array | None:
    if not is_na.any():
        return None
    na = np.zeros(length, bool)
    na[special[is_na]] = True
    return pa.array(na)
