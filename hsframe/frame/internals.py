"""The parts of pandas' inside that unit arrays use, all in one place (pandas 3.0 and 3.1).

pandas reduces, ranks and groups float64 by these functions. Going through them makes a unit column as fast as a
plain one and equal to it in every digit; the public interface offers an extension array none of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pandas.core import algorithms, missing, nanops
from pandas.core.array_algos.quantile import quantile_with_mask
from pandas.core.groupby.ops import WrappedCythonOp
from pandas.io.formats.format import format_array

__all__ = ["algorithms", "grouped", "format_array", "missing", "nanops", "quantile_with_mask"]


def grouped(values: npt.NDArray[np.float64], how: str, has_dropped_na: bool, **kwargs: Any) -> Any:
    """The result of a group operation on plain doubles, as ``groupby`` computes it for a float64 column."""
    kind_of = getattr(WrappedCythonOp, "get_kind_from_how", None)
    # pandas 3.0 wants the kind (aggregate, transform) told, 3.1 knows it.
    kind = {} if kind_of is None else {"kind": kind_of(how)}
    operation = WrappedCythonOp(how=how, has_dropped_na=has_dropped_na, **kind)
    return operation.cython_operation(values=values, axis=0, **kwargs)
