"""Zinc: Grid to text (standard: chapter Zinc).

Lines end in LF; there is no byte order mark and one line end at the end: some servers refuse anything else.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

from hsframe.codecs.positions import MAX_DEPTH, too_deep
from hsframe.errors import CodecError, ZoneError
from hsframe.grid import Grid
from hsframe.kinds import Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr
from hsframe.zones import haystack_name

__all__ = [
    "as_number",
    "coord_floats",
    "coord_texts",
    "datetime_text",
    "encode_zinc",
    "grid_tags",
    "number_text",
    "str_text",
    "time_text",
    "to_bytes",
    "write_value",
]

_SOURCE: Final = "zinc"
_EXACT_INT: Final = 2**53

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_REF = re.compile(r"[A-Za-z0-9_:\-.~]+")
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
# What reads as an exponent (e5) cannot be written as a unit.
_UNIT = re.compile(r"(?![eE][0-9])[A-Za-z%_/$\u0081-\U0010ffff][A-Za-z0-9%_/$\u0081-\U0010ffff]*")
_TO_ESCAPE = re.compile(r'["\\$\x00-\x1f]')
_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "$": "\\$",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
# An escape that stays as it is, or a character that would end the uri or the line.
_URI_PART = re.compile(r"\\[^\x00-\x1f]|[`\x00-\x1f\\]")


def encode_zinc(grid: Grid) -> bytes:
    r"""The grid in Zinc 3.0, in UTF-8.

    Parameters
    ----------
    grid : Grid
        Its cells are kinds; plain ints and floats are written as numbers without unit.

    Returns
    -------
    bytes
        With one line end at the end.

    Raises
    ------
    CodecError
        A name, an id, a unit or a value that Zinc cannot write: a naive datetime, an object of another type.

    Examples
    --------
    >>> encode_zinc(Grid({"dis": "Site"}, ["id"], [[Ref("a")]]))
    b'ver:"3.0" dis:"Site"\nid\n@a\n'
    """
    return to_bytes(_grid_text(grid, 0), _SOURCE)


def write_value(value: Any) -> str:
    """The Zinc text of one value; ``N`` for None.

    Parameters
    ----------
    value : any kind

    Returns
    -------
    str
        On one line unless the value holds a grid.

    Raises
    ------
    CodecError
        Zinc cannot write the value.

    Examples
    --------
    >>> write_value({"site": Symbol("site"), "area": Number(1200, "m²")})
    '{site:^site area:1200m²}'
    """
    return _value_text(value, 0)


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


def _refused(problem: str, expected: str) -> CodecError:
    return CodecError(problem, expected=expected, source=_SOURCE)


def _grid_text(grid: Grid, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise _refused(too_deep(), f"at most {MAX_DEPTH}")
    lines = ['ver:"3.0"' + _tags(grid_tags(grid), depth, " ")]
    if not grid.cols:
        return lines[0] + "\nempty\n"
    lines.append(",".join(_name(col.name, "column") + _tags(col.meta, depth, " ") for col in grid.cols))
    # A lone empty cell would be an empty line, which ends a grid.
    null = "N" if len(grid.cols) == 1 else ""
    columns = [[null if cell is None else _value_text(cell, depth) for cell in column] for column in grid.columns]
    lines.extend(map(",".join, zip(*columns, strict=True)))
    lines.append("")
    return "\n".join(lines)


def grid_tags(grid: Grid) -> dict[str, Any]:
    """The tags of a grid but for ``ver``, which is the format's."""
    return {name: value for name, value in grid.meta.items() if name != "ver"}


def _name(name: str, what: str) -> str:
    if _ID.fullmatch(name) is None:
        raise _refused(f"{name!r} cannot be the name of a {what}", "a lower-case letter, then letters, digits or _")
    return name


def _tags(tags: Mapping[str, Any], depth: int, before: str = "") -> str:
    """The tags, each with `before` in front."""
    if not tags:
        return ""
    texts = []
    for name, value in tags.items():
        text = _name(name, "tag")
        texts.append(before + (text if isinstance(value, Marker) else f"{text}:{_value_text(value, depth)}"))
    return "".join(texts)


def _value_text(value: Any, depth: int) -> str:
    write = _BY_TYPE.get(type(value))
    if write is not None:
        return write(value)
    # The order matters: a datetime is a date.
    if isinstance(value, str):
        return str_text(value)
    if isinstance(value, datetime):
        return datetime_text(value, " ", _SOURCE)
    if isinstance(value, Grid):
        return f"<<\n{_grid_text(value, depth + 1)}>>"
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes | bytearray):
        if depth >= MAX_DEPTH:
            raise _refused(too_deep(), f"at most {MAX_DEPTH}")
        if isinstance(value, Mapping):
            return "{" + _tags(value, depth + 1, " ")[1:] + "}"
        return "[" + ",".join(_value_text(item, depth + 1) for item in value) + "]"
    return _number(as_number(value, _SOURCE))


def as_number(value: Any, source: str) -> Number:
    """A plain number of Python or numpy as a Number; everything else is refused."""
    # numpy registers its numbers with these classes; its bool is none of them.
    if isinstance(value, numbers.Real):
        return Number(int(value) if isinstance(value, numbers.Integral) else float(value))
    raise CodecError(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be written",
        expected="one of the kinds in hsframe.kinds, or None, bool, str, list, dict, date, time, datetime, Grid",
        source=source,
    )


def number_text(val: float) -> str:
    """The shortest decimal that reads back as the same double; without a point where it is integral below 2**53.

    NaN and the infinities are ``NaN``, ``INF`` and ``-INF``.
    """
    if isinstance(val, int):
        if -_EXACT_INT < val < _EXACT_INT:
            return str(int(val))
        try:
            val = float(val)
        except OverflowError:
            return "INF" if val > 0 else "-INF"
    try:
        finite = math.isfinite(val)
    except TypeError:
        raise CodecError(f"a Number of {val!r} cannot be written", expected="an int or a float in it") from None
    if not finite:
        return "NaN" if math.isnan(val) else "INF" if val > 0 else "-INF"
    if val.is_integer() and abs(val) < _EXACT_INT and (val or math.copysign(1, val) > 0):
        return str(int(val))
    return float.__repr__(float(val))


def _number(number: Number) -> str:
    text = number_text(number.val)
    if number.unit is None:
        return text
    if _UNIT.fullmatch(number.unit) is None:
        raise _refused(f"{number.unit!r} cannot be a unit", "letters, %, _, /, $ and characters over 128")
    return text + number.unit


def str_text(text: str) -> str:
    """The text in quotes, with its escapes."""
    if _TO_ESCAPE.search(text) is None:
        return f'"{text}"'
    return '"' + _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def _uri(uri: Uri) -> str:
    def part(match: re.Match[str]) -> str:
        text = match[0]
        if len(text) == 2:
            return text
        return "\\" + text if text in "`\\" else f"\\u{ord(text):04x}"

    return f"`{_URI_PART.sub(part, uri.val)}`"


def _ref(ref: Ref) -> str:
    if _REF.fullmatch(ref.val) is None:
        raise _refused(f"{ref.val!r} cannot be the id of a ref", "letters, digits and _:-.~")
    return "@" + ref.val if ref.dis is None else f"@{ref.val} {str_text(ref.dis)}"


def _symbol(symbol: Symbol) -> str:
    if _REF.fullmatch(symbol.val) is None:
        raise _refused(f"{symbol.val!r} cannot be a symbol", "letters, digits and _:-.~")
    return "^" + symbol.val


def datetime_text(when: datetime, separator: str, source: str) -> str:
    """A DateTime as ``2021-01-01T00:00:00-05:00``, `separator`, and the Haystack name of its zone.

    The offset is in whole minutes, as the standard has it. Where a zone's is not (local mean time, before about
    1900), the text is the same instant at the offset cut to minutes: the offset decides the instant.
    """
    try:
        offset = when.utcoffset()
    except ValueError:  # NaT of pandas is a datetime that knows no clock
        raise CodecError(
            f"the datetime {when!r} is no instant", expected="an aware datetime, or None", source=source
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
    minutes = offset.days * 1440 + offset.seconds // 60
    place = "Z" if minutes == 0 else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    day = f"{when.year:04d}-{when.month:02d}-{when.day:02d}"
    clock = f"{when.hour:02d}:{when.minute:02d}:{when.second:02d}{_fraction(when.microsecond)}"
    return f"{day}T{clock}{place}{separator}{name}"


def time_text(clock: time, source: str) -> str:
    """A Time as ``08:12:05.123``."""
    if clock.tzinfo is not None:
        raise CodecError(
            f"the time {clock.isoformat()} has a time zone", expected="a datetime.time without tzinfo", source=source
        )
    return f"{clock.hour:02d}:{clock.minute:02d}:{clock.second:02d}{_fraction(clock.microsecond)}"


def _fraction(microsecond: int) -> str:
    if not microsecond:
        return ""
    return f".{microsecond // 1000:03d}" if microsecond % 1000 == 0 else f".{microsecond:06d}"


def coord_floats(coord: Coord, source: str) -> tuple[float, float]:
    """Latitude and longitude, which must be finite."""
    lat, lng = float(coord.lat), float(coord.lng)
    if not (math.isfinite(lat) and math.isfinite(lng)):
        raise CodecError(f"{coord} is nowhere", expected="finite degrees", source=source)
    return lat, lng


def coord_texts(coord: Coord, source: str) -> tuple[str, str]:
    """Latitude and longitude without exponent, which readers of coordinates do not expect."""
    lat, lng = (format(Decimal(repr(degrees)), "f") for degrees in coord_floats(coord, source))
    return lat, lng


def _xstr(xstr: XStr) -> str:
    if _TYPE_NAME.fullmatch(xstr.type) is None:
        raise _refused(f"{xstr.type!r} cannot be a type name", "a capital letter, then letters, digits or _")
    return f"{xstr.type}({str_text(xstr.val)})"


_BY_TYPE: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda _: "N",
    Marker: lambda _: "M",
    Remove: lambda _: "R",
    Na: lambda _: "NA",
    bool: lambda value: "T" if value else "F",
    Number: _number,
    str: str_text,
    Uri: _uri,
    Ref: _ref,
    Symbol: _symbol,
    date: date.isoformat,
    time: lambda value: time_text(value, _SOURCE),
    datetime: lambda value: datetime_text(value, " ", _SOURCE),
    Coord: lambda value: "C({},{})".format(*coord_texts(value, _SOURCE)),
    XStr: _xstr,
    Bin: lambda value: f"Bin({str_text(value.mime)})",
}
