"""Numbers and Refs made without the checks of their constructors, for decoders that have made these checks.

A frozen dataclass takes twice as long to make as to read; an answer of ten thousand records has a hundred thousand.
"""

from __future__ import annotations

import math
from typing import Final

from hsframe.kinds import Number, Ref

_new: Final = object.__new__
# The slots' own descriptors set what the frozen class refuses to set.
_set_val: Final = Number.__dict__["val"].__set__
_set_unit: Final = Number.__dict__["unit"].__set__
_set_ref_val: Final = Ref.__dict__["val"].__set__
_set_ref_dis: Final = Ref.__dict__["dis"].__set__


def unchecked_number(val: float, unit: str | None) -> Number:
    """``Number(val, unit)`` for a unit that is not an empty text."""
    if unit is not None and not math.isfinite(val):
        return Number(val)
    number = _new(Number)
    _set_val(number, val)
    _set_unit(number, unit)
    return number


def unchecked_ref(val: str, dis: str | None) -> Ref:
    """``Ref(val, dis)`` for a val that does not start with ``@``."""
    ref = _new(Ref)
    _set_ref_val(ref, val)
    _set_ref_dis(ref, dis)
    return ref
