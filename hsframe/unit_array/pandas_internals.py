"""pandas' internals that unit arrays use, all in one place (pandas 3.1).

pandas reduces, ranks and groups float64 by these functions. Going through them makes a unit column as fast as a
plain one and equal to it in every digit; the public interface offers an extension array none of them.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from hsframe.arrays import Floats


def _inside(module: str) -> Any:
    # By name, because pandas' stubs do not have its internals.
    return importlib.import_module(f"pandas.{module}")


algorithms: Final = _inside("core.algorithms")
missing: Final = _inside("core.missing")
nanops: Final = _inside("core.nanops")
quantile_with_mask: Final = _inside("core.array_algos.quantile").quantile_with_mask
format_array: Final = _inside("io.formats.format").format_array
_GroupOperation: Final = _inside("core.groupby.ops").WrappedCythonOp


def grouped(values: Floats, how: str, has_dropped_na: bool, **kwargs: Any) -> Any:
    """The result of a group operation on plain doubles, as ``groupby`` computes it for a float64 column."""
    operation = _GroupOperation(how=how, has_dropped_na=has_dropped_na)
    return operation.cython_operation(values=values, axis=0, **kwargs)
