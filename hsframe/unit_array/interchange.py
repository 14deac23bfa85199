"""Unit arrays and Arrow arrays: plain doubles, a missing value is null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from hsframe.unit_array.array import UnitArray
    from hsframe.unit_array.dtype import UnitDtype

__all__ = ["from_arrow", "to_arrow"]


def to_arrow(array: UnitArray, type: Any = None) -> pa.Array:
    """The doubles as an Arrow array; NaN is null, as pandas writes its own missing values."""
    import pyarrow as pa

    return pa.array(array._data, type=pa.float64() if type is None else type, from_pandas=True)


def from_arrow(array: pa.Array | pa.ChunkedArray, dtype: UnitDtype) -> UnitArray:
    """The unit array of Arrow numbers; a null is NaN."""
    import pyarrow as pa

    from hsframe.unit_array.array import UnitArray

    if array.type != pa.float64():
        array = array.cast(pa.float64())
    values = array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(zero_copy_only=False)
    # A buffer of Arrow's is read-only, and a column must not be.
    return UnitArray(np.require(values, np.float64, "W"), dtype)
