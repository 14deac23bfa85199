"""Durations that clients send: the lease of a watch, how long a manual override holds."""

from __future__ import annotations

from hsframe.durations import SECOND_US, duration_us
from hsframe.errors import SpanError
from hsframe.kinds import Number
from hsframe.server.refusal import OpRefusal

__all__ = ["duration_s"]


def duration_s(value: object, what: str) -> float:
    """The seconds that a Number with a unit of time means; without a unit it is taken as seconds.

    Parameters
    ----------
    value : Number
    what : str
        What the value is for: it is named in the refusal.

    Raises
    ------
    OpRefusal
        Not a Number, not positive, or its unit has no length of time.

    Examples
    --------
    >>> duration_s(Number(5, "min"), "lease")
    300.0
    """
    if not isinstance(value, Number):
        raise OpRefusal(f"{what} is {value!r}; expected a positive Number with a unit of time, as 5min", "ArgErr")
    try:
        return duration_us(value, what, plain="s") / SECOND_US
    except SpanError as error:
        raise OpRefusal(str(error), "ArgErr") from error
