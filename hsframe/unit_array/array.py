"""UnitArray: doubles with one unit, as an extension array of pandas."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray
from pandas.api.indexers import check_array_indexer
from pandas.api.types import is_integer, pandas_dtype

from hsframe.arrays import Bools, Floats
from hsframe.errors import UnitError
from hsframe.kinds import Number
from hsframe.unit_array.arithmetic import UnitArithmetic
from hsframe.unit_array.dtype import UnitDtype
from hsframe.unit_array.mixed import MixedUnitsDtype, objects_of
from hsframe.unit_array.pandas_internals import algorithms, format_array, missing, quantile_with_mask
from hsframe.unit_array.reductions import UnitReductions
from hsframe.unit_array.scalars import UnitFloat, as_float, is_missing, unit_of
from hsframe.units import convert
from hsframe.units.scalars import UnitScalar

# Types that NumPy makes doubles of without a look at each value. UnitFloat and Number are looked at.
_PLAIN_TYPES = frozenset({float, int, type(None), np.float64, np.float32, np.int64, np.int32})
_DISPLAY_ROWS = 10_000


class UnitArray(UnitArithmetic, UnitReductions):
    """Doubles that share a unit: the array of a column of :class:`~hsframe.UnitDtype`.

    The units of results follow :mod:`hsframe.units.unit_rules`.

    Parameters
    ----------
    values : float64 ndarray, one-dimensional
        The magnitudes; NaN is missing. Not copied.
    dtype : UnitDtype or str
        The unit's dtype, or the unit's symbol.
    copy : bool, default False
        Whether to copy `values`.

    Raises
    ------
    TypeError
        `values` is not a one-dimensional float64 array; ``pandas.array(values, dtype=UnitDtype(...))`` takes anything.

    Examples
    --------
    >>> power = UnitArray(np.array([1.5, 2.5]), "kW")
    >>> power * UnitArray(np.array([2.0, 2.0]), "h")
    <UnitArray>
    [3.0, 5.0]
    Length: 2, dtype: unit[kWh]
    """

    _is_plain = False

    def __init__(self, values: Floats, dtype: UnitDtype | str, copy: bool = False) -> None:
        if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.ndim != 1:
            raise TypeError(
                "a UnitArray is made of a one-dimensional float64 array; for anything else use "
                "pandas.array(values, dtype=UnitDtype(...))"
            )
        self._data = values.copy() if copy else values
        self._dtype = dtype if isinstance(dtype, UnitDtype) else UnitDtype(dtype)

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> Self:
        if isinstance(scalars, pd.Series | pd.Index):
            scalars = scalars.array
        if dtype is None:
            dtype = _common_unit(scalars)
        dtype = pandas_dtype(dtype)
        if not isinstance(dtype, UnitDtype):
            raise TypeError(f"a UnitArray has a UnitDtype, not {dtype!r}")
        values = _magnitudes(scalars, dtype.unit)
        if copy and values is (scalars._data if isinstance(scalars, UnitArray) else scalars):
            values = values.copy()
        return cls._simple(values, dtype)

    @classmethod
    def _from_sequence_of_strings(cls, strings: Any, *, dtype: Any, copy: bool = False) -> Self:
        texts = pd.Series(strings, dtype="str")
        return cls._from_sequence(pd.to_numeric(texts).to_numpy(dtype=np.float64, na_value=np.nan), dtype=dtype)

    @classmethod
    def _from_scalars(cls, scalars: Any, *, dtype: Any) -> Self:
        # The result of a function that was called value by value: a column where all have one unit.
        units = {unit_of(item) for item in scalars if not is_missing(item)} or {dtype.unit}
        if len(units) > 1 or (unit := units.pop()) is None:
            raise TypeError(f"not all values are in {dtype.unit}")
        return cls._from_sequence(scalars, dtype=UnitDtype(unit))

    @classmethod
    def _from_factorized(cls, values: Floats, original: Self) -> Self:
        return cls._simple(values, original._dtype)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[Self]) -> Self:
        first = to_concat[0]
        return cls._simple(
            np.concatenate([part.magnitudes_in(first.unit, "concatenate") for part in to_concat]), first._dtype
        )

    @property
    def nbytes(self) -> int:
        """The bytes of the values."""
        return self._data.nbytes

    def __len__(self) -> int:
        return len(self._data)

    def isna(self) -> Bools:
        """Where values are missing."""
        return np.isnan(self._data)

    def copy(self) -> Self:
        """A copy."""
        return self._simple(self._data.copy(), self._dtype)

    def view(self, dtype: Any = None) -> Any:
        """The same values in a new array object; of another dtype, as NumPy views them."""
        if dtype is not None:
            return self._data.view(dtype)
        return self._share(self._data)

    def _share(self, values: Floats) -> Self:
        view = self._simple(values, self._dtype)
        view._readonly = self._readonly
        return view

    def ravel(self, order: Any = "C") -> Self:
        """The same values; its iterator gives plain numbers.

        pandas asks for this where it writes texts one by one, as for ``to_csv(decimal=",")``: a unit in each cell would
        make a text of a number.
        """
        flat = self._share(self._data)
        flat._is_plain = True
        return flat

    def __iter__(self) -> Iterator[float]:
        if self._is_plain:
            return iter(self._data.tolist())
        unit = self.unit
        return (UnitFloat(value, unit) if value == value else math.nan for value in self._data.tolist())

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str | None]:
        if not boxed:
            return lambda value: str(float(value))  # the last line names the unit
        if len(self._data) > _DISPLAY_ROWS:
            return "{:g}".format
        # pandas formats the values as objects one by one: each looks up what it is among its neighbours as float64.
        texts = dict(zip(self._data.tolist(), format_array(self._data, None), strict=True))
        return lambda value: texts.get(float(value), str(value)).strip()

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, tuple):
            item = _without_ellipsis(item)
        if isinstance(item, slice):
            return self._share(self._data[item])
        if is_integer(item):
            value = float(self._data[item])
            return UnitFloat(value, self.unit) if value == value else math.nan
        return self._simple(self._data[check_array_indexer(self, item)], self._dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._readonly:
            raise ValueError("Cannot modify read-only array")
        key = check_array_indexer(self, key)
        if not self._data.flags.writeable:
            self._data = self._data.copy()  # the memory is Arrow's, taken without a copy when the frame was made
        self._data[key] = self._value_to_set(value)

    def _value_to_set(self, value: Any) -> Any:
        if pd.api.types.is_list_like(value):
            return _magnitudes(value.array if isinstance(value, pd.Series | pd.Index) else value, self.unit)
        return as_float(value, self.unit, f"put {value!r} into a column of {self.unit}")

    def take(  # type: ignore[override]  # the stubs name the first argument as no version of pandas does
        self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None, **kwargs: Any
    ) -> Self:
        """Values at positions; with `allow_fill`, -1 is `fill_value`, or missing."""
        if allow_fill:
            fill_value = as_float(fill_value, self.unit, f"fill a column of {self.unit}")
        values = pd.api.extensions.take(self._data, indices, allow_fill=allow_fill, fill_value=fill_value)
        return self._simple(np.asarray(values), self._dtype)

    def interpolate(self, *, copy: bool = True, **kwargs: Any) -> Self:
        """Missing values replaced by interpolated ones, by the methods of ``Series.interpolate``."""
        values = self._data.copy() if copy else self._data
        # A DataFrame counts the axis of its blocks, which are two-dimensional; there is only one here.
        missing.interpolate_2d_inplace(values, **(kwargs | {"axis": 0}))
        return self._simple(values, self._dtype) if copy else self

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The values in another dtype: another unit converts, float64 takes the magnitudes, object makes Numbers.

        Raises
        ------
        UnitError
            The units do not convert.
        """
        dtype = pandas_dtype(dtype)
        if dtype == self._dtype:
            return self.copy() if copy else self
        if isinstance(dtype, UnitDtype):
            values = convert(self._data, self.unit, dtype.unit)
            return self._simple(values.copy() if values is self._data else values, dtype)
        if dtype == np.dtype(object) or isinstance(dtype, MixedUnitsDtype):
            return objects_of(self._data.tolist(), self.unit)
        if dtype == np.dtype(np.float64):
            return self._data.copy() if copy or self._readonly else self._data
        plain = pd.Series(self._data, copy=False).astype(dtype)
        return plain.array if not isinstance(plain.dtype, np.dtype) else plain.to_numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if dtype is not None and np.dtype(dtype) == np.dtype(object):
            return objects_of(self._data.tolist(), self.unit)
        if dtype is not None and np.dtype(dtype) != np.float64:
            return self._data.astype(dtype)
        if copy:
            return self._data.copy()
        # As pandas' own float64 columns do: what is inside a frame is not written through an array of it.
        values = self._data.view()
        values.flags.writeable = False
        return values

    def __arrow_array__(self, type: Any = None) -> Any:
        import pyarrow as pa

        # NaN is null, as pandas writes its own missing values.
        return pa.array(self._data, type=pa.float64() if type is None else type, from_pandas=True)

    def map(self, mapper: Any, na_action: Any = None) -> Any:
        """The results of a function or the entries of a mapping; a unit column where each result has the same unit."""
        if not callable(mapper) or isinstance(mapper, pd.Series):
            return algorithms.map_array(self._data, mapper, na_action=na_action)
        if na_action not in (None, "ignore"):
            raise ValueError(f"na_action must either be 'ignore' or None, {na_action} was passed")
        results = np.empty(len(self), dtype=object)
        for place, value in enumerate(self):
            results[place] = value if na_action == "ignore" and value != value else mapper(value)
        return self._cast_pointwise_result(results)

    def _cast_pointwise_result(self, values: Any) -> Any:
        # pandas calls this in two cases. The results of a function, value by value, are an array of objects: their
        # unit is known where each of them has one (_from_scalars). A value for a new row is put into the column as any
        # assignment is: a list of one or a double, or it comes after the column's own values, which are Numbers.
        if self._is_appended(values):
            with contextlib.suppress(TypeError):
                return self._from_sequence(values, dtype=self._dtype)
        if len({unit_of(item) for item in values} - {None}) > 1:  # pandas would make doubles of them
            values = objects_of(values)
        return super()._cast_pointwise_result(values)  # type: ignore[misc]  # the stubs leave it out

    def _is_appended(self, values: Any) -> bool:
        if isinstance(values, list) or values.dtype.kind in "iuf":
            return len(self) > 0 and len(values) == 1
        mine = [isinstance(item, Number) and item.unit == self.unit for item in values[:-1]]
        return any(mine) and all(is_own or is_missing(item) for is_own, item in zip(mine, values, strict=False))

    # Order, equality and place: what pandas asks by value, answered from the doubles.

    def _values_for_argsort(self) -> Floats:
        return self._data

    def _values_for_factorize(self) -> tuple[Floats, float]:
        return self._data, math.nan

    def unique(self) -> Any:
        """The different values in order of appearance."""
        return self._simple(algorithms.unique(self._data), self._dtype)

    def searchsorted(self, value: Any, side: Any = "left", sorter: Any = None) -> Any:
        """Where values belong in a sorted array; values of a convertible unit are converted."""
        return self._data.searchsorted(self._value_to_set(value), side=side, sorter=sorter)

    def duplicated(self, keep: Any = "first") -> Bools:
        """Which values were there before."""
        return np.asarray(algorithms.duplicated(self._data, keep=keep))

    def isin(self, values: Any) -> Bools:
        """Which values are among `values`; those of another unit are not, unless they convert."""
        if isinstance(values, UnitArray):
            try:
                values = values.magnitudes_in(self.unit, "look up")
            except UnitError:
                return np.zeros(len(self._data), dtype=np.bool_)
        elif isinstance(values, np.ndarray) and values.dtype == object:
            found = []
            for item in values:
                with contextlib.suppress(UnitError, TypeError):
                    found.append(as_float(item, self.unit, "look up"))
            values = np.array(found, dtype=np.float64)
        return np.asarray(algorithms.isin(self._data, values))

    def round(self, decimals: int = 0, *args: Any, **kwargs: Any) -> Any:
        """The values rounded."""
        return self._simple(self._data.round(decimals), self._dtype)

    def clip(self, lower: Any = None, upper: Any = None, **kwargs: Any) -> Any:
        """The values between two bounds of this or of a convertible unit."""
        bounds = [None if bound is None else self._value_to_set(bound) for bound in (lower, upper)]
        return self._simple(np.clip(self._data, *bounds), self._dtype)

    def _rank(self, *, axis: Any = 0, **kwargs: Any) -> Floats:
        return np.asarray(algorithms.rank(self._data, axis=axis, **kwargs), dtype=np.float64)

    def _quantile(self, qs: Floats, interpolation: str) -> Any:
        values = quantile_with_mask(self._data, np.isnan(self._data), np.nan, qs, interpolation)
        return self._simple(np.asarray(values, dtype=np.float64), self._dtype)

    def _mode(self, dropna: bool = True) -> Any:
        result = algorithms.mode(self._data, dropna=dropna)
        values = result[0] if isinstance(result, tuple) else result
        return self._simple(np.asarray(values, dtype=np.float64), self._dtype)


# pandas asks the dtype for the array's class, whose module imports that of the dtype.
UnitDtype.array_type = UnitArray


def _beside(number: UnitScalar[Any], other: Any, with_unit: bool) -> Any:
    # Of a Series only plain numbers: pandas, which would ask again for each of its arrays, makes doubles of N // 0.
    if not isinstance(other, np.ndarray | ExtensionArray | pd.Index | pd.Series) or other.ndim == 0:
        return None
    if (known := isinstance(other.dtype, UnitDtype)) or other.dtype == object or isinstance(other, np.ma.MaskedArray):
        return None if isinstance(other, pd.Series) or (known and not isinstance(other, pd.Index)) else number.boxed()
    if number.unit is None or not with_unit:
        return float(number.val)
    return UnitArray(np.full(other.shape[-1], float(number.val)), number.unit)


UnitScalar.beside = _beside


def _without_ellipsis(item: tuple[Any, ...]) -> Any:
    rest = tuple(part for part in item if part is not Ellipsis)
    if len(rest) > 1:
        raise IndexError("too many indices for array: a unit array has one dimension")
    return rest[0] if rest else slice(None)


def _common_unit(scalars: Any) -> UnitDtype:
    """The dtype of values that tell their unit themselves."""
    dtype = getattr(scalars, "dtype", None)
    if isinstance(dtype, UnitDtype):
        return dtype
    units = {unit_of(item) for item in scalars if not is_missing(item)}
    if len(units) != 1 or None in units:
        raise TypeError("a UnitArray needs a dtype: the values do not tell one unit")
    return UnitDtype(units.pop())  # type: ignore[arg-type]  # None was refused


def _magnitudes(scalars: Any, unit: str) -> Floats:
    """The doubles of values in a unit; not copied where they are that already."""
    what = f"put values into a column of {unit}"
    if isinstance(scalars, UnitArray):
        return scalars.magnitudes_in(unit, f"put {scalars.unit} into a column of")
    if isinstance(scalars, ExtensionArray):
        if scalars.dtype.kind in "iuf":
            return scalars.to_numpy(dtype=np.float64, na_value=np.nan)
        scalars = np.asarray(scalars, dtype=object)
    if isinstance(scalars, np.ndarray):
        if scalars.dtype.kind in "iuf":
            return scalars.astype(np.float64, copy=False)
        if scalars.dtype != object:
            raise TypeError(f"cannot {what}: they are {scalars.dtype}, not numbers")
    items = scalars if isinstance(scalars, list | tuple | np.ndarray) else list(scalars)
    if set(map(type, items)) <= _PLAIN_TYPES:
        return np.array(items, dtype=np.float64)
    return np.array([as_float(item, unit, what) for item in items], dtype=np.float64)
