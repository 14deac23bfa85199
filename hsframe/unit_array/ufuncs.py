"""NumPy's functions over unit arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.errors import UnitError
from hsframe.unit_array.reductions import UnitReductions
from hsframe.units.functions import magnitudes, refuse_several

_REDUCTIONS: Final = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_or: "any",
    np.logical_and: "all",
}
_ACCUMULATIONS: Final = {np.add: "cumsum", np.multiply: "cumprod", np.maximum: "cummax", np.minimum: "cummin"}


class UnitUfuncs(UnitReductions):
    """The part of a unit array that NumPy's functions call."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # A function that does not keep a unit gives plain arrays; a wrong unit is never given. out= is taken for
        # plain arrays only.
        if any(isinstance(item, pd.Series | pd.Index | pd.DataFrame) for item in inputs):
            return NotImplemented
        if method == "__call__" and not kwargs:
            return self._called(ufunc, inputs)
        if method == "reduce" and ufunc in _REDUCTIONS and not kwargs.get("keepdims") and "out" not in kwargs:
            return self._reduce(_REDUCTIONS[ufunc], skipna=False)
        if method == "accumulate" and ufunc in _ACCUMULATIONS and "out" not in kwargs:
            return self._accumulate(_ACCUMULATIONS[ufunc], skipna=False)
        refuse_several(inputs, f"np.{ufunc.__name__}, called so,")
        return getattr(ufunc, method)(*map(magnitudes, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Only for ``@`` and ``dot``, whose result pandas gives the unit of the operands, as if kW times kW were kW.
        if func is not np.dot:
            return np.empty(0).__array_function__(func, (np.ndarray,), args, kwargs)  # NumPy's own
        left, right = args[:2]
        if max(np.ndim(left), np.ndim(right)) > 1:
            raise UnitError(
                f"a frame @ a column of {self.unit} has no rule of units; take the plain numbers of both, as in "
                "df.hs.magnitude() @ column.hs.magnitude()"
            )
        products = left * right
        return np.add.reduce(products) if np.ndim(left) == np.ndim(right) else products
