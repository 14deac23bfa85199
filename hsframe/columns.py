"""Columns of a grid that hold a history as Arrow arrays.

A column is a sequence whose items are kinds (:mod:`hsframe.kinds`); these make an item only when it is asked for.
They hold ``pyarrow`` arrays, chunked or not, that someone else made: this module does not import pyarrow.

Three things are kept apart, as the wire keeps them: null (no sample: an Arrow null), NA (set in `na`) and NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from hsframe.kinds import NA, Number
from hsframe.zones import zone

__all__ = ["ArrowColumn", "BoolColumn", "NumberColumn", "StrColumn", "TimeColumn"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT_INT = 2.0**53


class ArrowColumn(Sequence[Any]):
    """The base: a sequence over an Arrow array.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray
        The cells; a null is no sample.
    na : pyarrow boolean array or None
        True where the cell is NA; there `values` is null. None where no cell is.
    """

    __slots__ = ("na", "values")

    def __init__(self, values: Any, na: Any = None) -> None:
        self.values = values
        self.na = na

    def _item(self, value: Any) -> Any:
        return value

    def _sliced(self, values: Any, na: Any) -> ArrowColumn:
        return type(self)(values, na)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self.values))
            if step != 1:
                return [self[i] for i in range(start, stop, step)]
            count = max(stop - start, 0)
            na = None if self.na is None else self.na.slice(start, count)
            return self._sliced(self.values.slice(start, count), na)
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

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equality is by content

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} cells>"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.values, self.na))


class TimeColumn(ArrowColumn):
    """Instants: int64 microseconds since 1970-01-01T00:00Z, all written in one zone.

    Parameters
    ----------
    values : pyarrow int64 array
        Epoch microseconds.
    tz : str
        The Haystack name of the zone, as the server wrote it.
    """

    __slots__ = ("_zone", "tz")

    def __init__(self, values: Any, tz: str) -> None:
        super().__init__(values)
        self.tz = tz
        self._zone = zone(tz)

    def _item(self, value: Any) -> datetime:
        return (_EPOCH + timedelta(microseconds=value)).astimezone(self._zone)

    def _sliced(self, values: Any, na: Any) -> TimeColumn:
        return TimeColumn(values, self.tz)

    def __reduce__(self) -> tuple[object, ...]:
        return (TimeColumn, (self.values, self.tz))


class NumberColumn(ArrowColumn):
    """Numbers of one unit as doubles.

    Parameters
    ----------
    values : pyarrow double array
        The magnitudes.
    unit : str or None
        The unit of every finite value, as the server wrote it. NaN and the infinities carry none.
    na : pyarrow boolean array or None
        Where the cell is NA.
    """

    __slots__ = ("unit",)

    def __init__(self, values: Any, unit: str | None = None, na: Any = None) -> None:
        super().__init__(values, na)
        self.unit = unit

    def _item(self, value: Any) -> Number:
        if value.is_integer() and abs(value) < _EXACT_INT:
            return Number(int(value), self.unit)
        return Number(value, self.unit)

    def _sliced(self, values: Any, na: Any) -> NumberColumn:
        return NumberColumn(values, self.unit, na)

    def __reduce__(self) -> tuple[object, ...]:
        return (NumberColumn, (self.values, self.unit, self.na))


class BoolColumn(ArrowColumn):
    """Truth values as an Arrow boolean array."""

    __slots__ = ()


class StrColumn(ArrowColumn):
    """Texts as an Arrow string or dictionary array."""

    __slots__ = ()
