"""Durations that a person writes: ``"15min"``, ``"1.5h"``, ``"500ms"``, a timedelta, or a Number with a unit of time.

=============  ==================================================================================================
unit           spellings, in upper or lower case but for the months
=============  ==================================================================================================
microseconds   ``us``, ``µs``, ``microsecond(s)``
milliseconds   ``ms``, ``millisecond(s)``
seconds        ``s``, ``sec(s)``, ``second(s)``
minutes        ``min(s)``, ``minute(s)``
hours          ``h``, ``hr(s)``, ``hour(s)``
days           ``d``, ``day(s)``
weeks          ``w``, ``wk(s)``, ``week(s)``
months         ``M``, ``ME``, ``MS``, ``mo``, ``mon``, ``month(s)``
quarters       ``Q``, ``QE``, ``QS``, ``quarter(s)``
years          ``Y``, ``YE``, ``YS``, ``yr(s)``, ``year(s)``
=============  ==================================================================================================

``m`` is refused: it could be minutes or months. ``ms`` is milliseconds and ``MS`` pandas' start of a month, so the
case of these two matters. A unit without a number means one of it. A day has 24 hours where a length is wanted;
months, quarters and years have no length, so only spans and intervals, which go by the calendar, take them.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, TypeAlias

from hsframe.errors import SpanError, in_short
from hsframe.kinds import Number

Duration: TypeAlias = str | timedelta | Number
"""``"5s"``, ``"2 min"``, ``"1.5h"``, a timedelta, or a Number with a unit of time."""

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

LENGTHS_US: Final = {
    **{"us": 1, "ms": 1000, "s": SECOND_US, "min": MINUTE_US, "h": HOUR_US},
    **{"d": DAY_US, "w": 7 * DAY_US},
}
"""The units that have a length, in microseconds."""
MONTHS: Final = {"mo": 1, "q": 3, "y": 12}
"""The units of the calendar that have none, in months."""

_UNITS: Final = {
    name: unit
    for unit, names in {
        "us": "us µs microsecond microseconds",
        "ms": "ms millisecond milliseconds",
        "s": "s sec secs second seconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "d": "d day days",
        "w": "w wk wks week weeks",
        "mo": "M MS me mo mon month months",
        "q": "q qe qs quarter quarters",
        "y": "y ye ys yr yrs year years",
    }.items()
    for name in names.split()
}
_BY_CASE: Final = ("m", "ms")
_TEXT: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)?\s*([A-Za-z\xb5\u03bc]*)")
_EXPECTED: Final = "a number and a unit of time (ms, s, min, h, D or W), as in '90s', '2 min' or '1.5h', or a timedelta"
# An instant is an int64 of microseconds: what is longer than this cannot be added to one.
_LONGEST_US: Final = 10_000 * 365 * DAY_US


def amount_of(value: object, where: str, expected: str = _EXPECTED, *, plain: str | None = None) -> tuple[float, str]:
    """The count and the unit of an amount of time; the count is an int where it is whole, and may be 0 or negative.

    The unit is ``us``, ``ms``, ``s``, ``min``, ``h``, ``d``, ``w``, or ``mo``, ``q`` or ``y``, which have no length; a
    timedelta of whole days is days. A number without a unit is in `plain`, or refused. A SpanError begins with `where`
    the value stands and names what was `expected`.

    >>> amount_of("1.5h", "chunk='1.5h'"), amount_of("M", "interval='M'")
    ((1.5, 'h'), (1, 'mo'))
    """
    count: float
    if isinstance(value, timedelta) and value == value:  # NaT is a timedelta to isinstance
        whole_us = value // timedelta(microseconds=1)
        return (whole_us, "us") if whole_us % DAY_US else (whole_us // DAY_US, "d")
    if isinstance(value, Number):
        count, name = value.val, value.unit
    elif isinstance(value, str) and value.strip() and (match := _TEXT.fullmatch(value.strip())):
        count, name = 1 if match[1] is None else float(match[1]), match[2]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        count, name = value, getattr(value, "unit", None)  # a value of a unit column has one
    else:
        raise SpanError(f"{where} is not an amount of time; expected {expected}")
    if name == "m":
        raise SpanError(f"{where}: 'm' could be minutes or months; write '15min' or '1mo'")
    unit = plain
    if name:
        name = name.replace("\u03bc", "\xb5")  # the Greek letter for the micro sign, which looks the same
        unit = _UNITS.get(name) or (None if name.lower() in _BY_CASE else _UNITS.get(name.lower()))
    if unit is None:
        reason = f"{in_short(name)!r} is not a unit of time" if name else "it has no unit of time"
        raise SpanError(f"{where}: {reason}; expected {expected}")
    return (int(count) if isinstance(count, float) and count.is_integer() else count), unit


def duration_us(value: Duration | float, what: str, *, plain: str | None = None) -> int:
    """The length of a duration in microseconds; a day is 24 hours here, and a number without a unit is in `plain`.

    A SpanError names `what` it is: no amount of time, not positive, or one without a fixed length (a month, a year).

    >>> duration_us("1.5h", "max_gap"), duration_us(Number(500, "ms"), "poll"), duration_us(2, "poll", plain="s")
    (5400000000, 500000, 2000000)
    """
    expected = f"{_EXPECTED}, or a number alone, in {plain}" if plain else _EXPECTED
    where = f"{what}={in_short(repr(value))}"
    count, unit = amount_of(value, where, expected, plain=plain)
    if unit in MONTHS:
        raise SpanError(
            f"{where}: months, quarters and years differ in length, and a fixed one is needed here; expected {expected}"
        )
    length_us = count * LENGTHS_US[unit]
    if not 0.5 < length_us <= _LONGEST_US:  # neither is NaN
        raise SpanError(f"{where} must be positive and at most 10,000 years; expected {expected}")
    return round(length_us)
