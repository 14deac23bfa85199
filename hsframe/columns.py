"""Columns of a grid: histories as Arrow arrays, and tags of records, dictionary-encoded or made when needed.

A column is a sequence whose items are kinds (:mod:`hsframe.kinds`). Those of a history make an item only when it is
read; those of records make all their items when the first one is read, because whoever reads one record reads many.
They hold ``pyarrow`` and ``numpy`` arrays, but this module imports neither.

Three things are kept apart, as the wire keeps them: null (no sample: an Arrow null), NA (set in `na`) and NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from hsframe.kinds import MAX_EXACT_INT, NA, Number, Ref
from hsframe.spans import from_epoch_us
from hsframe.zones import zone


class _Column(Sequence[Any]):
    """What all columns have in common; `_fields` are the arguments of the constructor."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equality is by content

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} cells>"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), tuple(getattr(self, field) for field in self._fields))


class ArrowColumn(_Column):
    """The base: a sequence over an Arrow array.

    Where `values` is null there is no sample, unless `na` is true there, which means NA; without `na` no cell is NA.
    """

    __slots__ = ("na", "values")
    _fields: ClassVar[tuple[str, ...]] = ("values", "na")

    def __init__(self, values: Any, na: Any = None) -> None:
        self.values = values
        self.na = na

    def _item(self, value: Any) -> Any:
        return value

    def sliced(self, values: Any, na: Any) -> ArrowColumn:
        """A column of the same class over a part of the cells, which the caller has sliced from both arrays."""
        taken = {"values": values, "na": na}
        return type(self)(*(taken[field] if field in taken else getattr(self, field) for field in self._fields))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self.values))
            if step != 1:
                return [self[i] for i in range(start, stop, step)]
            count = max(stop - start, 0)
            na = None if self.na is None else self.na.slice(start, count)
            return self.sliced(self.values.slice(start, count), na)
        length = len(self.values)
        if not -length <= index < length:
            raise IndexError(f"cell {index} of a column of {length}")
        index %= length
        if self.na is not None and self.na[index].as_py():
            return NA
        value = self.values[index].as_py()
        return None if value is None else self._item(value)

    def __iter__(self) -> Iterator[Any]:
        item = self._item
        cells = (None if value is None else item(value) for value in self.values.to_pylist())
        if self.na is None:
            return cells
        return (NA if is_na else cell for cell, is_na in zip(cells, self.na.to_pylist(), strict=True))


class TimeColumn(ArrowColumn):
    """Instants: int64 microseconds since 1970-01-01T00:00Z, all in the zone that the server called `tz`."""

    __slots__ = ("_zone", "tz")
    _fields = ("values", "tz")

    def __init__(self, values: Any, tz: str) -> None:
        super().__init__(values)
        self.tz = tz
        self._zone = zone(tz)

    def _item(self, value: Any) -> datetime:
        return from_epoch_us(value, self._zone)


class NumberColumn(ArrowColumn):
    """Numbers as doubles, all of one unit, as the server wrote it; NaN and the infinities carry none."""

    __slots__ = ("unit",)
    _fields = ("values", "unit", "na")

    def __init__(self, values: Any, unit: str | None = None, na: Any = None) -> None:
        super().__init__(values, na)
        self.unit = unit

    def _item(self, value: Any) -> Number:
        if value.is_integer() and abs(value) < MAX_EXACT_INT and (value or math.copysign(1, value) > 0):
            return Number(int(value), self.unit)
        return Number(value, self.unit)


class BoolColumn(ArrowColumn):
    """Truth values as an Arrow boolean array."""

    __slots__ = ()


class StrColumn(ArrowColumn):
    """Texts as an Arrow string or dictionary array."""

    __slots__ = ()


class TagColumn(_Column):
    """The base of a column of records: all cells are made when the first one is read."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[Any] | None = None

    def _make(self) -> list[Any]:
        raise NotImplementedError

    @property
    def _cells(self) -> list[Any]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, index: int | slice) -> Any:
        return (self._made or self._cells)[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cells)


class LazyColumn(TagColumn):
    """Wraps an ArrowColumn and keeps its cells, which the ArrowColumn itself makes again at each read."""

    __slots__ = _fields = ("column",)

    def __init__(self, column: ArrowColumn) -> None:
        super().__init__()
        self.column = column

    def _make(self) -> list[Any]:
        return list(self.column)

    def __len__(self) -> int:
        return len(self.column)


class DictionaryColumn(TagColumn):
    """A dictionary-encoded column: `codes` holds for each row an index into `values`, or -1 for a null.

    Rows share immutable values; of a list or a dict each row gets its own copy.
    """

    __slots__ = _fields = ("codes", "values")

    def __init__(self, codes: Any, values: Sequence[Any]) -> None:
        super().__init__()
        self.codes = codes
        self.values = values

    @property
    def shares_all(self) -> bool:
        """Whether all values are immutable."""
        return {list, dict}.isdisjoint(map(type, self.values))

    def _make(self) -> list[Any]:
        values = [*self.values, None]
        if self.shares_all:
            return [values[code] for code in self.codes.tolist()]
        return [_deep_copy(values[code]) for code in self.codes.tolist()]

    def __len__(self) -> int:
        return len(self.codes)


class RefColumn(TagColumn):
    """Refs: Arrow texts of their ids without ``@``, and of their display names, None if no Ref has one."""

    __slots__ = _fields = ("values", "names")

    def __init__(self, values: Any, names: Any = None) -> None:
        super().__init__()
        self.values = values
        self.names = names

    def _make(self) -> list[Any]:
        ids = self.values.to_pylist()
        names = [None] * len(ids) if self.names is None else self.names.to_pylist()
        return [None if val is None else Ref(val, dis) for val, dis in zip(ids, names, strict=True)]

    def __len__(self) -> int:
        return len(self.values)


def _deep_copy(value: Any) -> Any:
    if isinstance(value, list):
        return [_deep_copy(item) for item in value]
    if isinstance(value, dict):
        return {name: _deep_copy(item) for name, item in value.items()}
    return value
