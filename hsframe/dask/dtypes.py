"""Unit columns in Dask: what it must know of their dtype, and the scalars that it computes of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from dask.dataframe.extensions import make_array_nonempty, make_scalar
from dask.delayed import delayed

from hsframe.errors import UnitError, check_choice
from hsframe.frame.unit_results import unit_after
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype, unit_of_dtype
from hsframe.unit_array.scalars import UnitFloat

_STATISTICS: Final = ("sum", "mean", "min", "max", "std", "var", "sem", "quantile", "median_approximate")

# Values by which Dask tries out what an operation gives.
make_array_nonempty.register(UnitDtype, lambda dtype: UnitArray(np.array([1.0, np.nan]), dtype))
make_scalar.register(UnitDtype, lambda dtype: UnitFloat(1.0, dtype.unit))


def statistic(column: Any, how: str, *args: Any, **kwargs: Any) -> Any:
    """A statistic of a Dask column with its unit, which Dask's own ``column.mean()`` loses.

    Parameters
    ----------
    column : dask.dataframe.Series
        Of a unit dtype.
    how : str
        ``"sum"``, ``"mean"``, ``"min"``, ``"max"``, ``"std"``, ``"var"``, ``"sem"``, ``"quantile"`` (one),
        ``"median_approximate"``.
    *args, **kwargs
        What the column's method of that name takes.

    Returns
    -------
    dask.delayed.Delayed
        Computed, what pandas gives: Δ°F for the ``"std"`` of °F, a plain number for its ``"sum"``. ``dask.compute(a,
        b)`` computes several in one pass.

    Raises
    ------
    UnitError
        It is no column with a unit.

    Examples
    --------
    >>> import pandas as pd, dask.dataframe as dd
    >>> kw = dd.from_pandas(pd.Series([1.0, 2.0, 4.0], dtype="unit[kW]"), npartitions=2)
    >>> statistic(kw, "max").compute(scheduler="sync")
    UnitFloat(4.0, 'kW')
    """
    check_choice("how", how, _STATISTICS)
    unit = unit_of_dtype(getattr(column, "dtype", None))
    if unit is None:
        raise UnitError(f"statistic() takes a Dask column with a unit, as ddf['kW']; got a {type(column).__name__}")
    return delayed(_scalar)(getattr(column.astype("float64"), how)(*args, **kwargs), unit_after(how, unit))


def _scalar(value: float, unit: str | None) -> float:
    return float(value) if unit is None or value != value else UnitFloat(value, unit)
