"""Cells that are not plain numbers: remembered by a number, put where the double would be, and resolved at the end.

A column is decoded into doubles. A cell that the number kernel does not take (null, NA, INF, a Bool, a Str, whatever)
becomes a NaN whose payload is the number of its text in a table. So a column needs no second array while it grows, a
column of Bools is a column of such NaNs, and the exact parser reads each different text once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hsframe.arrays import Bools, Floats
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import Ints
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.kinds import NA, Number

_QUIET_NAN: Final = 0x7FF8_0000_0000_0000
_PAYLOAD: Final = 0x0007_FFFF_FFFF_FFFF

#: The number of 'there is no cell', and of a text that is not the text of one value.
ABSENT: Final = 0
INVALID: Final = -1
# With more different texts than this share of the cells, reading each of them once saves nothing.
_MOST_SHARE: Final = 4
_ALWAYS: Final = 2_000


class SpecialCells:
    """Cells by number: their texts while rows are read, their values once the exact parser read those.

    The first of the `values` is that of an absent cell; the numbers of the waiting `texts` follow those of the values.
    """

    def __init__(self) -> None:
        self.values: list[Any] = [None]
        self.texts: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._asked = 0
        self._lasting = 1

    def __contains__(self, text: bytes) -> bool:
        return text in self._numbers

    def numbers(self, texts: Sequence[bytes], count: int, is_value: Callable[[bytes], bool]) -> Ints:
        """The numbers of the different texts of `count` cells; new ones wait for their values."""
        self._asked += count
        for text in texts:
            if text not in self._numbers:
                valid = is_value(text)
                self._numbers[text] = len(self.values) + len(self.texts) if valid else INVALID
                if valid:
                    self.texts.append(text)
        if len(self._numbers) > _ALWAYS + self._asked // _MOST_SHARE:
            raise NeedsExactParserError
        return np.array([self._numbers[text] for text in texts], np.int64)

    def resolve(self, values: Sequence[Any]) -> None:
        assert len(values) == len(self.texts)
        self.values += values
        self.texts = []
        self._lasting = len(self.values)

    def add(self, value: Any) -> int:
        """The number of a value that has no text; no text may be waiting."""
        assert not self.texts
        self.values.append(value)
        return len(self.values) - 1

    def forget_added(self) -> None:
        """Forget the values that have no text, which nothing refers to any more."""
        del self.values[self._lasting :]


def boxed(numbers: Ints | int) -> Any:
    """The doubles that stand for cells with the given numbers in the table."""
    if isinstance(numbers, int):
        return np.array(_QUIET_NAN | numbers, np.int64).view(np.float64)[()]
    return (numbers | _QUIET_NAN).view(np.float64)


def _kind_of(values: Sequence[Any], has_numbers: bool) -> type | None:
    """The one kind of these cells, None where none says anything; it raises NeedsExactParserError for others."""
    told = [value for value in values if value is not None and value is not NA]
    kinds = {next((kind for kind in (bool, str, Number) if isinstance(value, kind)), object) for value in told}
    if has_numbers:
        kinds.add(Number)
    if len(kinds) > 1 or object in kinds:
        raise NeedsExactParserError
    return kinds.pop() if kinds else None


def column_of(cells: Floats, table: Sequence[Any], unit: str | None) -> ArrowColumn:
    """The column of a grid for decoded cells: plain numbers in `unit`, and boxed numbers of the `table` of all others.

    The cells become the column's own buffer. NeedsExactParserError where only Python objects can hold them: several
    units, several kinds, other kinds.
    """
    special = np.flatnonzero(np.isnan(cells))
    if len(special) == 0:
        return NumberColumn(pa.array(cells), unit)
    numbers: Ints = cells[special].view(np.int64) & _PAYLOAD
    used = np.unique(numbers).tolist() if len(table) < 1000 else np.flatnonzero(np.bincount(numbers)).tolist()
    values = [table[number] for number in used]
    has_numbers = len(special) < len(cells)
    kind = _kind_of(values, has_numbers)
    is_na = _lookup(used, [value is NA for value in values], bool)[numbers]
    is_null = _lookup(used, [value is None or value is NA for value in values], bool)[numbers]
    na, nulls = pa.array(_flags(len(cells), special[is_na])) if is_na.any() else None, int(is_null.sum())
    valid = pa.py_buffer(np.packbits(~_flags(len(cells), special[is_null]), bitorder="little")) if nulls else None
    if kind is Number or kind is None:
        units = {value.unit for value in values if isinstance(value, Number) and np.isfinite(value.val)}
        units |= {unit} if has_numbers else set()
        if len(units) > 1:
            raise NeedsExactParserError
        floats = [float(value.val) if isinstance(value, Number) else np.nan for value in values]
        cells[special] = _lookup(used, floats, np.float64)[numbers]
        doubles = pa.Array.from_buffers(pa.float64(), len(cells), [valid, pa.py_buffer(cells)], nulls)
        return NumberColumn(doubles, units.pop() if units else None, na)
    if kind is bool:
        truths = _lookup(used, [value is True for value in values], bool)[numbers]
        bits = pa.py_buffer(np.packbits(truths, bitorder="little"))
        return BoolColumn(pa.Array.from_buffers(pa.bool_(), len(cells), [valid, bits], nulls), na)
    words = [value for value in values if isinstance(value, str)]
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    codes = _lookup(used, [places.get(value, 0) if isinstance(value, str) else 0 for value in values], np.int32)
    buffer = pa.py_buffer(np.ascontiguousarray(codes[numbers]))
    indices = pa.Array.from_buffers(pa.int32(), len(cells), [valid, buffer], nulls)
    return StrColumn(pa.DictionaryArray.from_arrays(indices, pa.array(list(places), pa.string())), na)


def _lookup(used: Sequence[int], values: Sequence[Any], dtype: Any) -> Any:
    """An array in which the value of ``used[i]`` is at ``used[i]``."""
    table = np.zeros(max(used) + 1, dtype)
    table[list(used)] = values
    return table


def _flags(length: int, places: Ints) -> Bools:
    flags = np.zeros(length, bool)
    flags[places] = True
    return flags
