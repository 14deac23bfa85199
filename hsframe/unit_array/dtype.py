"""UnitDtype: a column of doubles and their unit."""

from __future__ import annotations

import builtins
import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pandas.api.extensions import ExtensionDtype, register_extension_dtype

from hsframe.arrays import Floats
from hsframe.errors import UnitError
from hsframe.unit_array.mixed import MixedUnitsDtype
from hsframe.units import converter, convertible

if TYPE_CHECKING:
    import pyarrow as pa

    from hsframe.unit_array.array import UnitArray

_NAME = re.compile(r"unit\[(.+)\]")


@register_extension_dtype
class UnitDtype(ExtensionDtype):
    """The dtype of numbers that share a unit.

    The values are float64 and missing ones are NaN; the unit belongs to the dtype, so whatever keeps the dtype keeps
    the unit. It is printed and can be given to ``astype`` as ``unit[°F]``.

    Parameters
    ----------
    unit : str
        A symbol, as the server writes it. Any text is legal: a server may have units of its own, which do not
        convert to others.

    Raises
    ------
    UnitError
        The unit is not a text, or an empty one.

    Notes
    -----
    The units of results, in arithmetic, comparisons, NumPy functions and reductions, follow
    :mod:`hsframe.units.unit_rules`. Different units where pandas wants one dtype (``df.iloc[0]``, ``df.mean()``,
    ``pd.concat`` of kW above W) are an object column of :class:`~hsframe.Number`, each with its unit;
    :func:`hsframe.concat` converts instead. Plain float64 comes from ``df.hs.magnitude()`` or
    ``df.to_numpy(dtype=float)``. What pandas computes on plain numbers gets its units back by ``df.hs.rolling``,
    ``df.hs.describe`` and :func:`hsframe.with_units`. ``df.to_parquet`` works, and pandas reads its file after
    ``import hsframe`` only; everybody reads that of :func:`hsframe.write_parquet`.

    Examples
    --------
    >>> import pandas as pd
    >>> temp = pd.Series([72.5, None], dtype=UnitDtype("°F"))
    >>> temp.dtype, temp.dtype.unit
    (unit[°F], '°F')
    >>> temp.astype("unit[°C]").iloc[0]
    UnitFloat(22.5, '°C')
    """

    _metadata = ("unit",)
    type = float
    kind = "f"
    itemsize = 8
    na_value = math.nan
    _is_numeric = True
    _can_hold_na = True

    array_type: ClassVar[builtins.type[UnitArray]]
    """Set by the module of the array, which imports this one."""

    unit: str

    def __init__(self, unit: str) -> None:
        if not isinstance(unit, str) or not unit:
            raise UnitError(f"a UnitDtype needs the symbol of a unit, as in UnitDtype('°F'); got {unit!r}")
        self.unit = unit

    @property
    def name(self) -> str:  # type: ignore[override]  # the stubs declare an attribute
        """``unit[°F]``."""
        return f"unit[{self.unit}]"

    @classmethod
    def construct_array_type(cls) -> builtins.type[UnitArray]:
        """The array class that belongs to this dtype."""
        return cls.array_type

    @classmethod
    def construct_from_string(cls, string: str) -> UnitDtype:
        """The dtype of a text like ``unit[°F]``; a TypeError for another text: pandas then asks the next dtype."""
        if not isinstance(string, str):
            raise TypeError(f"'construct_from_string' expects a string, got {type(string)}")
        match = _NAME.fullmatch(string)
        if match is None:
            raise TypeError(f"Cannot construct a '{cls.__name__}' from '{string}'")
        return cls(match[1])

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UnitDtype):
            return self.unit == other.unit
        return isinstance(other, str) and other == self.name

    def __hash__(self) -> int:
        return hash(("unit", self.unit))

    def _get_common_dtype(self, dtypes: list[Any]) -> Any:
        """Two names of one unit have a common dtype; anything else becomes objects, each with its unit."""
        if all(isinstance(dtype, UnitDtype) and self._same_unit(dtype) for dtype in dtypes):
            return self
        return MixedUnitsDtype.of(dtypes)

    def _same_unit(self, other: UnitDtype) -> bool:
        return self.unit == other.unit or (
            convertible(self.unit, other.unit) and converter(self.unit, other.unit).is_identity
        )

    def __from_arrow__(self, array: pa.Array | pa.ChunkedArray) -> UnitArray:
        """The array of Arrow doubles; a null is NaN."""
        return self.array_type(from_arrow(array), self)


def from_arrow(array: pa.Array | pa.ChunkedArray) -> Floats:
    """The doubles of Arrow numbers; a null is NaN."""
    import pyarrow as pa

    if array.type != pa.float64():
        array = array.cast(pa.float64())
    values = array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(zero_copy_only=False)
    # A buffer of Arrow's is read-only, and a column must not be.
    return np.require(values, np.float64, "W")


def unit_of_dtype(dtype: object) -> str | None:
    """The unit of a column's dtype, None where it has none.

    A zone-aware datetime dtype has an attribute of that name too: the resolution of its times.
    """
    return dtype.unit if isinstance(dtype, UnitDtype) else None
