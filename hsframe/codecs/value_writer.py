"""What all writers share: writing nested values, and the texts of numbers, dates, times and coordinates."""

from __future__ import annotations

import abc
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

from hsframe.codecs.body_text import MAX_DEPTH, TOO_DEEP
from hsframe.errors import CodecError, MetadataError, ZoneError
from hsframe.grid import Grid
from hsframe.kinds import MAX_EXACT_INT, UNIT, Coord, Number
from hsframe.zones import haystack_name

_Written = TypeVar("_Written")


class ValueWriter(abc.ABC, Generic[_Written]):
    """Writes values; a subclass for each format, called `source` in errors, says how each kind is written."""

    source: ClassVar[str]
    scalars: Mapping[type, Callable[[Any], _Written]]

    @abc.abstractmethod
    def grid_of(self, grid: Grid, depth: int) -> _Written:
        """A grid at a depth of nesting, 0 for the whole body."""

    @abc.abstractmethod
    def dict_of(self, tags: Mapping[str, Any], depth: int) -> _Written:
        """A dict at a depth."""

    @abc.abstractmethod
    def list_of(self, items: list[_Written]) -> _Written:
        """A list of what was written."""

    def write(self, value: Any, depth: int = 0) -> _Written:
        write = self.scalars.get(type(value))
        if write is not None:
            return write(value)
        if isinstance(value, str):
            return self.scalars[str](value)
        # A class derived from datetime, like the Timestamp of pandas.
        if isinstance(value, datetime):
            return self.scalars[datetime](value)
        if isinstance(value, Grid):
            self.check_depth(depth)
            return self.grid_of(value, depth + 1)
        if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes | bytearray):
            self.check_depth(depth)
            if isinstance(value, Mapping):
                return self.dict_of(value, depth + 1)
            return self.list_of([self.write(item, depth + 1) for item in value])
        return self.scalars[Number](self._number(value))

    @classmethod
    def check_depth(cls, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise cls.refused(TOO_DEEP.format(MAX_DEPTH), f"at most {MAX_DEPTH}")

    @classmethod
    def refused(cls, problem: str, expected: str) -> CodecError:
        return CodecError(problem, expected=expected, source=cls.source)

    def _number(self, value: Any) -> Number:
        """A number of Python or numpy, or a UnitFloat with its unit, as a Number; everything else is refused."""
        # numpy registers its numbers with these classes; but not its bool.
        if isinstance(value, numbers.Real | Decimal):
            try:
                return Number(value)  # type: ignore[arg-type]  # of any class
            except MetadataError as error:
                raise self.refused(str(error), "a number that a double holds") from None
        raise self.refused(
            f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be written",
            "one of the kinds in hsframe.kinds, or None, bool, str, list, dict, date, time, datetime, Grid",
        )


def to_bytes(text: str, source: str) -> bytes:
    """The text in UTF-8; a surrogate without its other half is refused."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CodecError(
            f"the character U+{ord(text[error.start]):04X} is half of a surrogate pair, which UTF-8 cannot carry",
            snippet=ascii(text[max(0, error.start - 20) : error.start + 4])[1:-1],
            expected="text of whole characters; take the lone half out of it",
            source=source,
        ) from None


def grid_tags(grid: Grid) -> dict[str, Any]:
    """The tags of a grid but for ``ver``, which is the format's."""
    return {name: value for name, value in grid.meta.items() if name != "ver"}


def number_text(val: float) -> str:
    """The shortest decimal that reads back as the same double; without a point where it is integral below 2**53.

    NaN and the infinities are ``NaN``, ``INF`` and ``-INF``.
    """
    if isinstance(val, int):
        if -MAX_EXACT_INT < val < MAX_EXACT_INT:
            return str(int(val))
        val = float(val)
    if not math.isfinite(val):
        return "NaN" if math.isnan(val) else "INF" if val > 0 else "-INF"
    if val.is_integer() and abs(val) < MAX_EXACT_INT and (val or math.copysign(1, val) > 0):
        return str(int(val))
    return float.__repr__(float(val))


def united_text(number: Number, source: str) -> str:
    """The number and its unit in one text; CodecError where the unit could be read as part of the number."""
    text = number_text(number.val)
    if number.unit is None:
        return text
    # 0xab is a number in hexadecimal.
    text = f"{text}.0" if text == "0" and number.unit[0] == "x" else text
    return text + UNIT.checked(number.unit, source)


def datetime_text(when: datetime, source: str) -> str:
    """A DateTime as ``2021-01-01T00:00:00-05:00 New_York``, with the Haystack name of its zone.

    The offset is in whole minutes, as the standard has it. Where a zone's is not (local mean time, before about
    1900), the same instant is written with the offset truncated to minutes: the offset decides the instant.
    """
    try:
        offset = when.utcoffset()
    except ValueError:  # pandas.NaT is a datetime without a time
        raise CodecError(
            f"the datetime {when!r} is not an instant", expected="an aware datetime, or None", source=source
        ) from None
    if offset is None or when.tzinfo is None:
        raise CodecError(
            f"the datetime {when.isoformat()} has no time zone",
            expected="an aware datetime: when.replace(tzinfo=zoneinfo.ZoneInfo('America/New_York'))",
            source=source,
        )
    try:
        name = haystack_name(when.tzinfo)
    except ZoneError as error:
        raise CodecError(
            f"the datetime {when.isoformat()} cannot be written: {error}",
            expected="a zone of the IANA data base",
            source=source,
        ) from None
    if offset.seconds % 60 or offset.microseconds:
        offset = timedelta(minutes=int(offset.total_seconds() / 60))
        try:
            when = when.astimezone(UTC).astimezone(timezone(offset))
        except OverflowError:
            raise CodecError(
                f"the datetime {when.isoformat()} cannot be written: it is at the end of the calendar",
                expected="a year between 1 and 9999 in every zone",
                source=source,
            ) from None
    text = when.isoformat(timespec=_timespec(when.microsecond)).replace("+00:00", "Z")
    return f"{text} {name}"


def time_text(clock: time, source: str) -> str:
    if clock.tzinfo is not None:
        raise CodecError(
            f"the time {clock.isoformat()} has a time zone", expected="a datetime.time without tzinfo", source=source
        )
    return clock.isoformat(timespec=_timespec(clock.microsecond))


def _timespec(microsecond: int) -> str:
    return "seconds" if not microsecond else "microseconds" if microsecond % 1000 else "milliseconds"


def coord_floats(coord: Coord, source: str) -> tuple[float, float]:
    lat, lng = float(coord.lat), float(coord.lng)
    if not (math.isfinite(lat) and math.isfinite(lng)):
        raise CodecError(f"{coord} is nowhere", expected="finite degrees", source=source)
    return lat, lng


def coord_texts(coord: Coord, source: str) -> tuple[str, str]:
    """Latitude and longitude without exponents, which readers of coordinates do not expect."""
    lat, lng = (format(Decimal(repr(degrees)), "f") for degrees in coord_floats(coord, source))
    return lat, lng
