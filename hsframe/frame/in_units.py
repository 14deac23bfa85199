"""Values of points in the units that someone wants: ``units="si"``, ``"°C"`` or a mapping; and frames in such units."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError, UnitError
from hsframe.frame.per_point import per_point
from hsframe.frame.points import ColumnLabel, Point, listed_columns
from hsframe.frame.values import is_nan
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype
from hsframe.unit_array.scalars import is_missing, unit_of
from hsframe.units import convert, converter, convertible, find
from hsframe.units.systems import system_of, unit_in
from hsframe.units.table import unknown

Units = str | Mapping[str, str]
"""``"native"``, ``"si"``, ``"ip"``, a unit, or a mapping of id, label, display name or unit to a unit or a system."""


def check_units(units: Units) -> None:
    """Refuse what no point can be read in; of a mapping this shows when the points are known."""
    if not isinstance(units, Mapping) and units != "native" and not system_of(units) and not find(str(units)):
        raise MetadataError(
            f"units={units!r} is not 'native', 'si', 'ip', a unit, or a mapping such as {{'°F': '°C', '@id': 'kW'}}: "
            + unknown(str(units))
        )


def targets_in_units(
    units: Units, points: Sequence[Point], labels: Sequence[ColumnLabel], arrays: Sequence[Any]
) -> list[str | None]:
    """For the values of each point the unit or system that they are wanted in, None for their own.

    A UnitError where all are wanted in one unit, and none converts.
    """
    if units == "native":
        return [None] * len(points)
    if isinstance(units, Mapping):
        return [None if target == "native" else target for target in per_point(units, points, labels, "units")]
    if not system_of(units) and arrays:
        return [units if converts else None for converts in _converting(arrays, units)]
    return [units] * len(points)


def _converting(arrays: Sequence[Any], target: str) -> list[bool]:
    """Which columns convert to a unit; a UnitError where none does."""
    found = [bool(own) and all(convertible(unit, target) for unit in own) for own in map(units_among, arrays)]
    if not any(found):
        units = {unit for array in arrays for unit in units_among(array)}
        listed, degrees, known = ", ".join(sorted(units)) or "(none)", f"°{target}", find(target)
        if known is None:
            raise UnitError(f"no column converts, of the units {listed}: {unknown(target)}")
        meant = f"; did you mean {degrees!r}?" if any(convertible(unit, degrees) for unit in units) else ""
        raise UnitError(f"no column converts to {target!r} ({known.name}); the units are {listed}{meant}")
    return found


def _dtype_in(unit: str, target: str, label: Hashable) -> UnitDtype:
    """The dtype of a column in another unit, or in the unit of a system; a UnitError where it does not convert."""
    symbol = unit_in(unit, target)
    try:
        converter(unit, symbol)
    except UnitError as error:
        raise UnitError(f"column {label!r}: {error}") from error
    return UnitDtype(symbol)


def in_units(array: Any, target: str, label: Hashable) -> Any:
    """The values of a point in a unit, or in the unit of a system; a UnitError, with the label, where that cannot be.

    A system leaves what has no unit as it is. In an object array of Numbers each is converted; where all have one unit
    then, the result is a UnitArray.
    """
    if isinstance(array, UnitArray):
        return array.astype(_dtype_in(array.unit, target, label), copy=False)
    if _is_objects(array):
        return _objects(array, target, label)
    if system_of(target):
        return array
    raise UnitError(f"column {label!r} has no unit ({array.dtype}), so it cannot be read in {target}")


def converted(array: Any, target: str, label: Hashable) -> Any:
    """As :func:`in_units`; a UnitError for what has no unit, also where a system is wanted."""
    if not units_among(array):
        raise UnitError(
            f"column {label!r} is {array.dtype} and has no unit to convert from; give it one with "
            "astype(hsframe.UnitDtype(...))"
        )
    return in_units(array, target, label)


def _objects(array: Any, target: str, label: Hashable) -> Any:
    converted = np.empty(len(array), dtype=object)
    for place, cell in enumerate(array):
        converted[place] = cell
        if isinstance(cell, Number) and cell.unit is not None:
            unit = _dtype_in(cell.unit, target, label).unit
            converted[place] = Number(convert(float(cell.val), cell.unit, unit), unit)
    numbers = [cell for cell in converted if isinstance(cell, Number)]
    units = {cell.unit for cell in numbers if np.isfinite(cell.val)}
    whole = len(numbers) + sum(1 for cell in converted if isinstance(cell, float)) == len(converted)
    if whole and len(units) == 1 and (common := units.pop()) is not None:
        return UnitArray(np.array([float(cell) for cell in converted], dtype=np.float64), common)
    return converted


def units_among(array: Any) -> list[str]:
    """The units of the values of a column, each once: one, or where they are objects several."""
    if isinstance(array, UnitArray):
        return [array.unit]
    return list(dict.fromkeys(filter(None, map(unit_of, array)))) if _is_objects(array) else []


def _is_objects(array: Any) -> bool:
    return isinstance(array, np.ndarray | pd.arrays.NumpyExtensionArray) and array.dtype.kind == "O"


def united(cells: Collection[object]) -> UnitArray | None:
    """Values in the unit of the first; None where they do not convert, or some or all have none."""
    values = [math.nan if is_missing(cell) or is_nan(cell) else cell for cell in cells]
    # A Number that is INF carries no unit.
    units = [
        unit
        for value in values
        if (unit := unit_of(value)) or not isinstance(value, float | Number) or math.isfinite(value)
    ]
    if not units or not all(unit and convertible(unit, units[0] or "") for unit in units):
        return None
    return UnitArray._from_sequence(values, dtype=UnitDtype(units[0] or ""))


def in_one_unit(df: pd.DataFrame, *, refuse: bool = True) -> pd.DataFrame:
    """The frame with unit columns in place of objects, each in the unit of its first value.

    pandas makes objects where it puts kW above W, and plain doubles of them in its statistics. A UnitError where values
    do not convert, or with ``refuse=False`` they stay.
    """
    if np.dtype(object) not in set(df.dtypes):
        return df
    result = df.copy(deep=False)
    for place, (label, column) in enumerate(df.items()):
        units = units_among(column.array)
        if isinstance(column.array, UnitArray) or not units:
            continue
        array = united(column.array)
        if array is not None:
            result.isetitem(place, array)
        elif refuse:
            also = " and in no unit" if all(convertible(unit, units[0]) for unit in units) else ""
            raise UnitError(
                f"column {label!r} has values in {' and '.join(units)}{also}, which are not of one unit; leave it out, "
                "or make a column of each"
            )
    return result


def mapped(df: pd.DataFrame, change: Callable[[Hashable, Any], Any]) -> pd.DataFrame:
    """The frame with `change` applied to each column with units; one that it returns unchanged shares its data."""
    result = df.copy(deep=False)
    for place, label in enumerate(df.columns):
        array = df.iloc[:, place].array
        if units_among(array) and (changed := change(label, array)) is not array:
            result.isetitem(place, changed)
    return result


def frame_in_units(df: pd.DataFrame, target: str | Mapping[Any, str]) -> pd.DataFrame:
    """The frame in other units, as ``df.hs.to`` describes it."""
    if isinstance(target, Mapping):
        return _columns_in_units(df, target)
    if system_of(target):
        return mapped(df, lambda label, array: in_units(array, target, label))
    result = df.copy(deep=False)
    for place in np.flatnonzero(_converting([column.array for _, column in df.items()], target)).tolist():
        result.isetitem(place, in_units(df.iloc[:, place].array, target, df.columns[place]))
    return result


def _columns_in_units(df: pd.DataFrame, targets: Mapping[Any, str]) -> pd.DataFrame:
    result, columns = df.copy(deep=False), df.columns
    in_each = [units_among(column.array) for _, column in df.items()]
    if missing := [label for label in targets if label not in columns and [label] not in in_each]:
        raise MetadataError(
            f"there is no column {', '.join(map(repr, missing))}, and none in such a unit; the columns are "
            f"{listed_columns(df)}"
        )
    # The columns that are named themselves come last, and win.
    for label, wanted in sorted(targets.items(), key=lambda item: item[0] in columns):
        # Columns may share a label, and one of the first level has all below it.
        found = columns.get_loc(label) if label in columns else [own == [label] for own in in_each]
        for place in np.atleast_1d(np.arange(len(columns))[found]):
            result.isetitem(int(place), converted(df.iloc[:, place].array, wanted, columns[place]))
    return result


def magnitudes(df: pd.DataFrame) -> pd.DataFrame:
    """The frame with plain float64 columns, as ``df.hs.magnitude`` describes it."""
    df = in_one_unit(df)
    arrays = [df.iloc[:, place].array for place in range(df.shape[1])]
    if not arrays or not all(isinstance(array, UnitArray) for array in arrays):
        return mapped(df, lambda _, array: array.magnitudes)
    block = np.stack([array.magnitudes for array in arrays])
    result = pd.DataFrame(block.T, index=df.index, columns=df.columns, copy=False)
    result.attrs = df.attrs
    return result
