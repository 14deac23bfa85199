"""Values of points in the units that someone wants: ``units="si"``, ``"ip"``, or a mapping."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError, UnitError
from hsframe.frame.per_point import per_point
from hsframe.frame.points import ColumnLabel, Point
from hsframe.frame.values import is_nan
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype
from hsframe.unit_array.scalars import is_missing, unit_of
from hsframe.units import convert, converter, convertible
from hsframe.units.systems import unit_in

Units = str | Mapping[str, str]
"""``"native"``, ``"si"``, ``"ip"``, or a mapping of id, label, display name or unit to a unit or a system."""


def targets_in_units(units: Units, points: Sequence[Point], labels: Sequence[ColumnLabel]) -> list[str | None]:
    """For each point the unit or system that it is wanted in, None for its own; MetadataError for any other `units`."""
    if units == "native":
        return [None] * len(points)
    if isinstance(units, Mapping):
        return [None if target == "native" else target for target in per_point(units, points, labels, "units")]
    if units not in ("si", "ip"):
        raise MetadataError(
            f"units={units!r} is unknown; expected 'native', 'si', 'ip', or a mapping, as in {{'°F': '°C'}} or "
            "{'@id': 'kW'}"
        )
    return [units] * len(points)


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
    if target in ("si", "ip"):
        return array
    raise UnitError(f"column {label!r} has no unit ({array.dtype}), so it cannot be read in {target}")


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
