"""Durations that clients send: the lease of a watch, how long a manual override holds."""

from __future__ import annotations

import math
from typing import Any, Final

from hsframe.kinds import Number
from hsframe.server.refusal import OpRefusal

__all__ = ["duration_s"]

# The symbols and names of the units of time in the standard's table.
_SECONDS: Final = {
    **dict.fromkeys(("ms", "millisecond"), 0.001),
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("min", "minute"), 60.0),
    **dict.fromkeys(("h", "hr", "hour"), 3600.0),
    "day": 86_400.0,
    **dict.fromkeys(("wk", "week"), 604_800.0),
}


def duration_s(value: Any, what: str) -> float:
    """The seconds that a Number with a unit of time means; without a unit it is taken as seconds.

    Parameters
    ----------
    value : Number
    what : str
        What the value is for: it is named in the refusal.

    Raises
    ------
    OpRefusal
        No Number, not positive, or a unit that is no time.

    Examples
    --------
    >>> duration_s(Number(5, "min"), "lease")
    300.0
    """
    if not isinstance(value, Number) or not math.isfinite(value.val) or value.val <= 0:
        raise OpRefusal(f"{what} is {value!r}; expected a positive Number with a unit of time, as 5min", "ArgErr")
    factor = 1.0 if value.unit is None else _SECONDS.get(value.unit)
    if factor is None:
        raise OpRefusal(f"{what} has the unit {value.unit!r}; expected one of {', '.join(_SECONDS)}", "ArgErr")
    return value.val * factor
