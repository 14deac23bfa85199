"""Unit arrays and Arrow arrays: plain doubles, a missing value is null."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


def to_arrow(values: Floats, type: pa.DataType | None = None) -> pa.Array:
    """The doubles as an Arrow array; NaN is null, as pandas writes its own missing values."""
    import pyarrow as pa

    return pa.array(values, type=pa.float64() if type is None else type, from_pandas=True)


def from_arrow(array: pa.Array | pa.ChunkedArray) -> Floats:
    """The doubles of Arrow numbers; a null is NaN."""
    import pyarrow as pa

    if array.type != pa.float64():
        array = array.cast(pa.float64())
    values = array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(zero_copy_only=False)
    # A buffer of Arrow's is read-only, and a column must not be.
    return np.require(values, np.float64, "W")
