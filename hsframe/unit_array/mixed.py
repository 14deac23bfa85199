"""What pandas makes of columns of different units when it asks for one dtype: objects, each Number with its unit.

pandas gives no hook for a *row*: ``df.iloc[0]`` takes ``array[i]`` of each column, a float whose unit would be lost
in an object array, and ``concat`` of rows asks the dtypes for a common one by the same question. The answer here is a
private dtype that nothing ever has: pandas takes it for an extension dtype and hands over the values to be made an
array of it, and what it gets is a plain object array of Numbers.

Reductions over columns (``df.sum(axis=1)`` of kW and °F) ask the same question and could only fail with an error
that names nothing, so they are refused with one that does.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from hsframe.errors import UnitError
from hsframe.kinds import Number
from hsframe.unit_array.scalars import UnitFloat

Objects = npt.NDArray[np.object_]


def objects_of(values: Iterable[object], unit: str | None = None) -> Objects:
    """An object array in which every float with a unit is a Number; `unit` is that of plain floats, NaN is missing."""
    items = list(values)
    result = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        if isinstance(item, UnitFloat):
            result[place] = Number(item.val, item.unit)
        elif unit is not None and isinstance(item, float):
            result[place] = math.nan if item != item else Number(item, unit)
        else:
            result[place] = item
    return result


class MixedUnitsDtype(ExtensionDtype):
    """The answer to 'which dtype have kW, °F and the others in common?': objects."""

    _metadata = ("units",)
    type = object
    kind = "O"
    name = "mixed units"
    na_value = math.nan
    # So that pandas makes a missing block of it by _empty(), which gives an object array of the right shape.
    _supports_2d = True

    def __init__(self, units: tuple[str, ...]) -> None:
        self.units = units

    @classmethod
    def of(cls, dtypes: Sequence[Any]) -> MixedUnitsDtype:
        """The common dtype of `dtypes`, at least one of which has a unit."""
        names = [str(dtype) for dtype in dtypes if not isinstance(dtype, cls)]
        names = [name.removeprefix("unit[").removesuffix("]") if name.startswith("unit[") else name for name in names]
        return cls(tuple(dict.fromkeys(names)))

    @classmethod
    def construct_array_type(cls) -> builtins.type[_Objects]:
        """The builder of the object arrays."""
        return _Objects

    @property
    def __getitem__(self) -> NoReturn:
        # DataFrame.astype looks for this to see whether it was given a dict. A frame is cast to this dtype only to
        # reduce or combine columns of different units.
        raise UnitError(
            f"columns of {_listed(self.units)} cannot be put together; convert them first with df.hs.to(...), "
            "or take the plain numbers with df.hs.magnitude()"
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


class _Objects(ExtensionArray):
    """No array is ever made of this class: each constructor gives a plain object array."""

    @classmethod
    def _from_sequence(cls, scalars: Iterable[object], *, dtype: Any = None, copy: bool = False) -> Any:
        if np.ndim(scalars) > 1:  # type: ignore[arg-type]  # of an iterable it is 0
            raise UnitError(
                "a frame of several units @ a frame has no rule of units; take the plain numbers of both, as in "
                "df.hs.magnitude() @ other.hs.magnitude()"
            )
        return objects_of(scalars)

    @classmethod
    def _empty(cls, shape: Any, dtype: Any) -> Any:
        return np.full(shape, math.nan, dtype=object)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[Any]) -> Any:
        return np.concatenate([np.asarray(part, dtype=object) for part in to_concat])
