"""NumPy's functions over unit arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.unit_array.reductions import UnitReductions
from hsframe.units.functions import magnitudes

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
        return getattr(ufunc, method)(*map(magnitudes, inputs), **kwargs)
