"""One column of a history to one pandas array.

The cells of a history may come in several pieces, one per request. Where they are Arrow columns no Python object is
made for a row. What the array is:

- Number of one unit: ``UnitArray``; without a unit: plain float64; of several units: object of ``Number``
- Bool: ``boolean``; Str: ``category``, the states of the record's ``enum`` in its order, then what else occurs, sorted
- anything else, and kinds mixed: object
- null, NA and NaN are missing; INF stays
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from hsframe.arrays import Bools, Floats, Places
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.kinds import NA, Na, Number, same
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype
from hsframe.units import find

# An extension array, or a float64 or object ndarray: what a DataFrame takes as a column.
ValueArray = Any

_NUMERIC_TYPES = frozenset({Number, int, float})


@dataclass(frozen=True, slots=True)
class _Piece:
    """The cells of one request, understood: `data` is float64, an Arrow bool or an Arrow string array."""

    kind: str
    cells: Sequence[Any]
    data: Any = None
    units: frozenset[str | None] = frozenset()


def value_array(
    columns: Sequence[Sequence[Any]],
    unit: str | None = None,
    kind: str | None = None,
    states: Sequence[str] | None = None,
) -> ValueArray:
    """The pandas array of a history: a UnitArray, or a float64 or object ndarray, or ``boolean``, or categorical.

    The cells come in pieces, in order. Numbers that come without a unit take `unit`, that of the point's record, where
    no other unit is beside them; numbers with another unit keep theirs. `kind`, the record's too, decides only
    where no cell has a value; its `states` are categories of texts whether they occur or not. Missing is NaN (``pd.NA``
    in ``boolean``).
    """
    pieces = [_piece(column) for column in columns]
    kinds = {piece.kind for piece in pieces} - {"none"}
    if not kinds:
        kinds = {{"Bool": "bool", "Str": "str"}.get(kind or "", "number")}
    if kinds == {"number"}:
        return _numbers(pieces, unit)
    if kinds == {"bool"}:
        bools: Any = pd.BooleanDtype()  # __from_arrow__ is in the interface of dtypes, not in the stubs
        return bools.__from_arrow__(pa.chunked_array(_chunks(pieces, pa.bool_()), pa.bool_()))
    if kinds == {"str"}:
        return _category(_chunks(pieces, pa.string()), states or ())
    return object_array(cell for piece in pieces for cell in piece.cells)


def object_array(cells: Iterable[Any]) -> npt.NDArray[np.object_]:
    """Cells as Python objects; null, NA and NaN are NaN."""
    found = [np.nan if cell is None or cell is NA or is_nan(cell) else cell for cell in cells]
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array


def is_nan(cell: Any) -> bool:
    """Whether a cell of a history is the Number NaN, or the float."""
    return cell.val != cell.val if isinstance(cell, Number) else isinstance(cell, float) and cell != cell


def _piece(column: Sequence[Any]) -> _Piece:
    if isinstance(column, ArrowColumn) and column.values.null_count == len(column):
        return _Piece("none", column)  # its kind does not matter
    if isinstance(column, NumberColumn):
        # An Arrow null, be it null or NA, becomes NaN here.
        return _Piece("number", column, column.values.to_numpy(zero_copy_only=False), frozenset({column.unit}))
    if isinstance(column, BoolColumn | StrColumn):
        return _Piece("bool" if isinstance(column, BoolColumn) else "str", column, column.values)
    cells = list(column) if isinstance(column, ArrowColumn) else column
    types = set(map(type, cells)) - {type(None), Na}
    if not types:
        return _Piece("none", cells)
    if types <= _NUMERIC_TYPES:
        numbers = [c if type(c) is Number else None if c is None or c is NA else Number(c) for c in cells]
        floats = np.array([np.nan if number is None else number.val for number in numbers], dtype=np.float64)
        units = {number.unit for number in numbers if number is not None}
        if None in units and len(units) > 1:
            # NaN and INF carry no unit; they do not mean a value without one.
            finite = np.isfinite(floats).tolist()
            units = {number.unit for number, is_finite in zip(numbers, finite, strict=True) if number and is_finite}
        return _Piece("number", numbers, floats, frozenset(units))
    if types in ({bool}, {str}):
        kind, data_type = ("bool", pa.bool_()) if types == {bool} else ("str", pa.string())
        return _Piece(kind, cells, pa.array([None if cell is NA else cell for cell in cells], data_type))
    return _Piece("object", cells)


def _numbers(pieces: Sequence[_Piece], record_unit: str | None) -> ValueArray:
    unit, mixed = _common_unit(pieces, record_unit)
    if mixed:
        return object_array(cell for piece in pieces for cell in piece.cells)
    parts = [np.full(len(p.cells), np.nan) if p.data is None else p.data for p in pieces]
    floats: Floats = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts])
    if unit is not None:
        return UnitArray(floats, dtype=UnitDtype(unit))  # it copies what is not its own before it writes
    return floats if floats.flags.writeable else floats.copy()  # Arrow's memory is read-only; people write into frames


def _common_unit(pieces: Sequence[_Piece], record_unit: str | None) -> tuple[str | None, bool]:
    """The one unit of all numbers, and whether there are several instead."""
    distinct: list[str] = []
    for piece in pieces:
        for symbol in sorted(symbol for symbol in piece.units if symbol is not None):
            if not any(same_unit(symbol, other) for other in distinct):
                distinct.append(symbol)
    if not distinct:
        return record_unit, False
    if len(distinct) > 1:
        return None, True
    # One unit: the record's spelling of it, where the record means the same.
    of_record = record_unit is not None and same_unit(distinct[0], record_unit)
    unit = record_unit if of_record else distinct[0]
    bare = any(None in p.units and (len(p.units) > 1 or bool(np.isfinite(p.data).any())) for p in pieces)
    return unit, bare and not of_record


def same_unit(a: str | None, b: str | None) -> bool:
    """Whether two symbols name one unit: equal, or two spellings of one unit of the table."""
    if a == b or a is None or b is None:
        return a == b
    known = find(a)
    return known is not None and known == find(b)


def _chunks(pieces: Iterable[_Piece], data_type: pa.DataType) -> list[pa.Array]:
    chunks: list[pa.Array] = []
    for piece in pieces:
        data = pa.nulls(len(piece.cells), data_type) if piece.data is None else piece.data
        chunks.extend(data.chunks if isinstance(data, pa.ChunkedArray) else [data])
    return chunks


def _category(parts: Sequence[pa.Array], states: Sequence[str]) -> pd.Categorical:
    chunks = []
    for part in parts:
        plain = part.cast(pa.string()) if pa.types.is_dictionary(part.type) and part.dictionary.null_count else part
        encoded = plain if pa.types.is_dictionary(plain.type) else plain.dictionary_encode()
        chunks.append(encoded.cast(pa.dictionary(pa.int32(), pa.string())))
    whole = pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
    texts = np.array(whole.chunk(0).dictionary.to_pylist() if whole.num_chunks else [], dtype=object)
    codes = np.concatenate(
        [np.empty(0, np.int32), *(c.indices.fill_null(-1).to_numpy(zero_copy_only=False) for c in whole.chunks)]
    )
    # Texts that occur and are no state come after them, sorted: however a read was split, the dtype is the same.
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(texts)))
    used = used[np.argsort(texts[used])] if len(used) else used
    numbers = {text: number for number, text in enumerate(dict.fromkeys([*states, *texts[used]]))}
    place = np.full(len(texts) + 1, -1, dtype=np.int32)  # the last is where code -1 lands
    place[used] = [numbers[text] for text in texts[used]]
    return pd.Categorical.from_codes(place[codes], categories=pd.Index(list(numbers), dtype="str"))


def kind_of(array: ValueArray) -> str | None:
    """The kind of the values of an array that :func:`value_array` made; None where they do not tell one."""
    if array.dtype.kind == "b":
        return "Bool"
    if isinstance(array, pd.Categorical):
        return "Str"
    if array.dtype == np.float64:
        return None if bool(np.isnan(array).all()) else "Number"
    return "Number" if array.dtype.kind == "f" or all(cell != cell or type(cell) is Number for cell in array) else None


def null_mask(column: Sequence[Any]) -> Bools:
    """Where a cell is null, that is, no sample; NA and NaN are samples."""
    if isinstance(column, ArrowColumn):
        mask = bools_of(column.values.is_null())
        return mask if column.na is None else mask & ~bools_of(column.na)
    return np.fromiter((cell is None for cell in column), dtype=bool, count=len(column))


def bools_of(mask: pa.Array | pa.ChunkedArray) -> Bools:
    """An Arrow mask as NumPy has it; a null is False."""
    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)


def count_differing(array: ValueArray, left: Places, right: Places) -> int:
    """How many of the cells at `left` have another value than those at `right`; missing equals missing."""
    a, b = array.take(left), array.take(right)
    if isinstance(array, UnitArray) or (isinstance(array, np.ndarray) and array.dtype == np.float64):
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        return int(np.count_nonzero((x != y) & ~(np.isnan(x) & np.isnan(y))))
    gone = zip(a.tolist(), b.tolist(), pd.isna(a).tolist(), pd.isna(b).tolist(), strict=True)
    return sum(1 for x, y, no_x, no_y in gone if not (no_x and no_y) and (no_x or no_y or not same(x, y)))
