"""The doubles of a unit array and their dtype: the base of its operators, reductions and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pandas.api.extensions import ExtensionArray

from hsframe.arrays import Floats
from hsframe.errors import UnitError
from hsframe.unit_array.dtype import UnitDtype
from hsframe.units.scalars import UnitFunctions, UnitRows
from hsframe.units.unit_rules import conversion


class UnitValues(UnitFunctions, ExtensionArray):
    """Doubles and the dtype that knows their unit; the array is made of the classes that derive from it."""

    _data: Floats
    _dtype: UnitDtype
    _readonly: bool = False

    if TYPE_CHECKING:  # UnitArray has them

        @classmethod
        def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> Self: ...

    @classmethod
    def _simple(cls, values: Floats, dtype: UnitDtype) -> Self:
        self = cls.__new__(cls)
        self._data = values
        self._dtype = dtype
        return self

    def _plain(self) -> Floats:
        return self._data

    def _like(self, values: Any, unit: str | None) -> Any:
        """The result of an operation: an array with its unit, or plain values where there is none."""
        if unit is None or not isinstance(values, np.ndarray) or values.dtype != np.float64:
            return values
        if values.ndim > 1:
            raise UnitError(UnitRows.REFUSAL)
        return self._simple(values, self._dtype if unit == self._dtype.unit else UnitDtype(unit))

    def magnitudes_in(self, unit: str, what: str) -> Floats:
        """The values in a unit, where an operation mixes units; `what` is its verb, for the error."""
        change = conversion(self.unit, unit, f"{what} {self.unit} and {unit}")
        return self._data if change is None else change(self._data)

    @property
    def dtype(self) -> UnitDtype:
        """The dtype."""
        return self._dtype

    @property
    def unit(self) -> str:
        """The symbol of the unit."""
        return self._dtype.unit

    @property
    def magnitudes(self) -> Floats:
        """The values without their unit, as they are kept: neither a copy nor to be written to."""
        return self._data
