"""The types of arrays that modules hand to one another."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int8]
"""Small numbers; what each means the module says that makes them."""
Instants: TypeAlias = npt.NDArray[np.int64]
"""Epoch microseconds."""
Places: TypeAlias = npt.NDArray[np.intp]
"""Places of entries in another array."""
