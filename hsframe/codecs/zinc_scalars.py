"""Scalars of Zinc: text to value (standard: chapter Zinc).

Above each pattern is the production of the grammar that it implements. :func:`scan_scalar` reads one scalar at a
position of a longer text; :class:`Cells` reads a text that is one whole scalar, and remembers it. Both use the same
scanners.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from sys import getsizeof
from typing import Any, Final

from hsframe.caller_warnings import warn_caller
from hsframe.codecs.body_text import error_at, escape_parts, without_lone_surrogates
from hsframe.errors import CodecError, UnitWarning
from hsframe.kinds import (
    MARKER,
    MAX_EXACT_INT,
    NA,
    REMOVE,
    UNIT,
    Bin,
    Coord,
    Number,
    Ref,
    Symbol,
    Uri,
    XStr,
    unchecked_number,
    unchecked_ref,
)
from hsframe.zones import check_offset, zone_or_utc

_SOURCE: Final = "zinc"

# <digits>   := <digit> (<digit> | "_")*      an underscore before a letter begins a unit: 10_foo is 10 of unit _foo
# <decimal>  := ["-"] <digits> ["." <digits>] [<exp>]
# <exp>      := ("e" | "E") ["+" | "-"] <digits>
# In no pattern here does the repeat of a group keep the way back: that takes 150 bytes for each character.
_DIGITS = r"[0-9](?:[0-9_]*[0-9])?"
# Haxall reads hexadecimal digits too, without a unit.
_DECIMAL = rf"-?{_DIGITS}(?:\.{_DIGITS})?(?:[eE][+-]?{_DIGITS})?"
# <unit>     := <unitChar>*    <unitChar> := <alpha> | "%" | "_" | "/" | "$" | any character over 128
# Digits after the first character (m2) are not in the grammar; servers of the Java family read and keep them.
_UNIT_FIRST = r"[A-Za-z%_/$\u0081-\U0010ffff]"
# One of e and digits would read as an exponent.
_UNIT = rf"(?![eE][0-9]){_UNIT_FIRST}(?:{_UNIT_FIRST}|[0-9])*"
_HEX = rf"0x[0-9A-Fa-f][0-9A-Fa-f_]*+(?!{_UNIT_FIRST}|[0-9])"
# <date>     := YYYY-MM-DD
# <time>     := hh:mm:ss.FFFFFFFFF      one by itself may lack seconds, and a digit of its hour, as Haxall reads it
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_LONE_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?"
# <dateTime> := <date> "T" <time> <offset> [" " <zoneName>]    <offset> := "Z" | ("+" | "-") hh:mm
# A whole IANA id ("America/New_York") is taken too; the zone table decides what is a zone. In a list without commas
# the word after an offset may be a value of its own: NA, M, INF, Type("text").
_OFFSET = r"Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = r"(?!(?:INF|NaN)\b|[A-Za-z0-9_]+\()[A-Z][A-Za-z0-9_+\-/]{2,}"
# A scalar that begins with a digit or a minus: <dateTime> | <date> | <time> | <number>
_DIGIT_FIRST = re.compile(
    rf"({_DATE})(?:(T{_TIME}(?:{_OFFSET}))(?: +({_ZONE}))?)?|({_LONE_TIME})"
    rf"|({_HEX}|{_DECIMAL})({_UNIT})?|-INF(?:{_UNIT})?"
)
# A number that is a whole cell may have a unit of the server's own making: deg C, m^3. What could begin another value
# cannot be in it. Its length is bounded, so that no text takes the square of its time.
_NUMBER_OF_CELL = re.compile(
    rf"(?>({_HEX}|{_DECIMAL}))((?![eE][+-]?[0-9]){_UNIT_FIRST}[^,:\"`()\[\]{{}}<>@\x00-\x1f]{{0,47}}?)"
    r"(?=[ \t]*(?:[,\r\n]|>>|\Z))"
)
# Where nothing follows the unit, it may be any text.
_NUMBER_ONLY = re.compile(rf"(?>({_DECIMAL}))((?![eE][+-]?[0-9]){_UNIT_FIRST}.*)?", re.DOTALL)
_DATETIME_ONLY = re.compile(rf"{_DATE}T{_TIME}(?:{_OFFSET})")
_DATE_ONLY = re.compile(_DATE)
_TIME_ONLY = re.compile(_LONE_TIME)
_DECIMAL_ONLY = re.compile(rf"{_HEX}|{_DECIMAL}")
# <str>      := '"' <strChar>* '"'     <strChar> := <unicodeChar> | "\" <escape>
# <escape>   := b f n r t " \ $ | "u" <hex> <hex> <hex> <hex>      Haxall also reads \' and \`, and writes \u{1f}
# A line end inside is a string that was never closed; other control characters are kept as they are.
_STR = re.compile(r'"([^"\\\r\n]*)"|"([^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+)"')
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|u\{(?:0?[0-9A-Fa-f]{1,5}|10[0-9A-Fa-f]{4})\}|.)", re.DOTALL)
ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", **{char: char for char in "\"\\$'`"}}
# <uri>      := "`" <uriChar>* "`"     <uriChar> := <unicodeChar> | "\" <escape> | "\" and one of : / ? # [ ] @ \ & = ;
# Before one of these the backslash stays: it is part of the uri, which has it where the character separates nothing.
_URI = re.compile(r"`([^`\\\r\n]*)`|`([^`\\\r\n]*+(?:\\[^\r\n][^`\\\r\n]*+)*+)`")
_URI_ESCAPED: Final = ESCAPED | {char: f"\\{char}" for char in r":/?#[]@\&=;"}
# <ref>      := "@" <refChar>* [" " <str>]     <refChar> := <alpha> | <digit> | "_" | ":" | "-" | "." | "~"
_REF = re.compile(r'@([A-Za-z0-9_:\-.~]+)(?: +"([^"\\\r\n]*)"| +(?="))?')
# <symbol>   := "^" <refChar>*
_SYMBOL = re.compile(r"\^([A-Za-z0-9_:\-.~]+)")
# <null> := "N"  <marker> := "M"  <remove> := "R"  <na> := "NA"  <bool> := "T" | "F"  and "INF" | "NaN" of <number>
_WORD = re.compile(r"[A-Z][A-Za-z0-9_]*")
_INF = re.compile(rf"INF(?:{_UNIT})?")
_WORDS: Final[dict[str, Any]] = {
    "N": None,
    "M": MARKER,
    "R": REMOVE,
    "NA": NA,
    "T": True,
    "F": False,
    "INF": Number(float("inf")),
    "NaN": Number(float("nan")),
}
# <coord>    := "C(" <coordDeg> "," <coordDeg> ")"
_COORD = re.compile(rf"C\([ ]*({_DECIMAL})[ ]*,[ ]*({_DECIMAL})[ ]*\)")
# <xstr>     := <typeName> "(" <str> ")"
_XSTR = re.compile(r"([A-Z][A-Za-z0-9_]*)\([ ]*(?=\")")
_CLOSE = re.compile(r"[ ]*\)")
# <bin>      := "Bin(" <binChar>* ")"      version 2.0
_BIN = re.compile(r"Bin\(([^\"()\r\n]*)\)")
_BLANKS = re.compile(r"[ \t]*")

# These make one object, with one text at most beside that of its characters.
_ONE_TEXT, _TWO_TEXTS = 80, 144
_OF_ONE_TEXT: Final = frozenset('"`^-0123456789')
_NEGATIVE_INF: Final = Number(float("-inf"))
_EXPECTED: Final = 'a value: "text", @ref, ^symbol, `uri`, a number, a date, M, N, T, F, NA, ...'


def skip_blanks(text: str, pos: int) -> int:
    return _BLANKS.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere


def scan_scalar(text: str, pos: int) -> tuple[Any, int]:
    """The scalar (None for ``N``) that begins at a position of a text, no blank before it, and the position after it.

    CodecError where there is none, with its line and column in the whole text.
    """
    scan = _BY_FIRST.get(text[pos : pos + 1])
    if scan is None:
        raise _error(text, pos, "no value begins here")
    return scan(text, pos)


def _error(text: str, pos: int, problem: str, expected: str = _EXPECTED) -> CodecError:
    return error_at(text, pos, problem, expected, _SOURCE)


def _scan_digit_first(text: str, pos: int) -> tuple[Any, int]:
    match = _DIGIT_FIRST.match(text, pos)
    if match is None:
        raise _error(text, pos, "no number begins here", "digits after the minus, or -INF")
    day, clock, zone_name, only_time, decimal, unit = match.groups()
    if decimal is not None:
        return number_of(decimal, unit), match.end()
    try:
        if clock is not None:
            return _instant(day + clock, zone_name), match.end()
        if day is not None:
            if text.startswith("T", match.end()):
                raise ValueError(f"{text[pos : pos + 25]!r} has no time or offset of a clock")
            return date.fromisoformat(day), match.end()
        if only_time is not None:
            return _clock(only_time), match.end()
    except (ValueError, OverflowError) as error:
        raise _error(text, pos, f"no such date or time ({error})", "one that the calendar has") from None
    return _NEGATIVE_INF, match.end()


def number_of(decimal: str, unit: str | None = None) -> Number:
    """The number of a <decimal>: an int where the text is integral and below 2**53, else a float."""
    if "_" in decimal:
        decimal = decimal.replace("_", "")
    if decimal.startswith("0x"):
        decimal = str(int(decimal, 16)) if len(decimal) < 300 else "1e999"
    # 16 digits hold every int below 2**53; int() of thousands of digits is slow, and refused by Python.
    if "." not in decimal and len(decimal) <= 17:
        try:
            whole = int(decimal)
        except ValueError:  # it has an exponent
            return unchecked_number(float(decimal), unit)
        if -MAX_EXACT_INT < whole < MAX_EXACT_INT:
            return unchecked_number(whole, unit)
    return unchecked_number(float(decimal), unit)


def kept_unit(unit: str) -> str:
    """A unit as the server writes it, with a UnitWarning where no unit can be called so: it must not stop a read."""
    if (problem := UNIT.problem(unit)) is not None:
        warn_caller(
            f"{problem}: the standard allows {UNIT.expected}. It is kept as the server writes it, but converts to no "
            "other unit and cannot be written back; have it corrected on the server",
            UnitWarning,
            "unit names",
        )
    return unit


def scan_number_of_cell(text: str, pos: int) -> tuple[Number, int] | None:
    """Read the number that begins at a position and is a whole cell, with any unit; None where there is none."""
    match = _NUMBER_OF_CELL.match(text, pos)
    return None if match is None else (number_of(match[1], kept_unit(match[2])), match.end())


def number_of_text(text: str) -> Number | None:
    """The number of a whole text with its unit, of any characters; None where it is none."""
    if text in ("INF", "-INF", "NaN"):
        return Number(float(text))
    match = _NUMBER_ONLY.fullmatch(text)
    return None if match is None else number_of(match[1], match[2] and kept_unit(match[2]))


def is_decimal(text: str) -> bool:
    return _DECIMAL_ONLY.fullmatch(text) is not None


def _instant(text: str, zone_name: str | None) -> datetime:
    """The offset decides the instant; the zone, UTC where none is named, only labels it."""
    stamp = datetime.fromisoformat(text)
    local = stamp.astimezone(zone_or_utc(zone_name or "UTC"))
    if zone_name and local.utcoffset() != stamp.utcoffset():
        check_offset(stamp, zone_name)
    return local


def datetime_of(text: str, zone_name: str | None) -> datetime | None:
    """The DateTime of ``2021-01-01T00:00:00-05:00`` and a separate zone name, as in JSON.

    None where the text is not a <dateTime>. What the calendar or the zone table does not have raises ValueError,
    OverflowError or ZoneError.
    """
    return _instant(text, zone_name) if _DATETIME_ONLY.fullmatch(text) else None


def date_of(text: str) -> date | None:
    """The Date of a whole text, None where it is not a <date>; ValueError where the calendar has no such day."""
    return date.fromisoformat(text) if _DATE_ONLY.fullmatch(text) else None


def time_of(text: str) -> time | None:
    """The Time of a whole text, None where it is not a <time>; ValueError where the clock has no such time."""
    return _clock(text) if _TIME_ONLY.fullmatch(text) else None


def _clock(text: str) -> time:
    return time.fromisoformat(text if text[2] == ":" else f"0{text}")


def scan_str(text: str, pos: int) -> tuple[str, int]:
    match = _STR.match(text, pos)
    if match is None:
        raise _error(text, pos, "this string does not end in its line", 'a closing "; a line end inside is written \\n')
    plain, escaped = match.groups()
    if plain is not None:
        return plain, match.end()
    return _unescaped(text, pos + 1, escaped), match.end()


def _unescaped(text: str, begin: int, escaped: str, known: Mapping[str, str] = ESCAPED) -> str:
    """The characters of a text with escapes, which begins at `begin`; `known` are the escapes of one character."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        char = known.get(code)
        if char is None:
            if len(code) == 1:
                codes = " ".join(f"\\{code}" for code in known)
                raise _error(text, begin + match.start(), f"no such escape: \\{code}", rf"one of \uXXXX {codes}")
            char = chr(int(code[1:].strip("{}"), 16))
        return char

    unescaped = []
    for part in escape_parts(escaped):
        unescaped.append(_ESCAPE.sub(one, part))
        begin += len(part)
    return without_lone_surrogates("".join(unescaped))


def _scan_uri(text: str, pos: int) -> tuple[Uri, int]:
    match = _URI.match(text, pos)
    if match is None:
        raise _error(text, pos, "this uri does not end in its line", "a closing `")
    plain, escaped = match.groups()
    return Uri(_unescaped(text, pos + 1, escaped, _URI_ESCAPED) if plain is None else plain), match.end()


def _scan_ref(text: str, pos: int) -> tuple[Ref, int]:
    match = _REF.match(text, pos)
    if match is None:
        raise _error(text, pos, "this ref has no id", "@ and letters, digits or _:-.~")
    val, dis = match.groups()
    if dis is not None:
        return unchecked_ref(val, dis), match.end()
    end = match.end()
    if text[end - 1] != " ":
        return unchecked_ref(val, None), end
    dis, end = scan_str(text, end)
    return unchecked_ref(val, dis), end


def _scan_symbol(text: str, pos: int) -> tuple[Symbol, int]:
    match = _SYMBOL.match(text, pos)
    if match is None:
        raise _error(text, pos, "this symbol has no name", "^ and letters, digits or _:-.~")
    return Symbol(match[1]), match.end()


def _scan_word_first(text: str, pos: int) -> tuple[Any, int]:
    match = _WORD.match(text, pos)
    assert match is not None
    word, end = match[0], match.end()
    if text[end : end + 1] == "(":
        return _scan_call(text, pos, end)
    if word.startswith("INF") and (inf := _INF.match(text, pos)):
        return _WORDS["INF"], inf.end()
    if word in _WORDS:
        return _WORDS[word], end
    raise _error(text, pos, f"no value is called {word}", 'N, M, R, NA, T, F, INF, NaN, C(lat,lng) or Type("text")')


def _scan_call(text: str, pos: int, end: int) -> tuple[Any, int]:
    if (match := _COORD.match(text, pos)) and (coord := coord_of(match[1], match[2])):
        return coord, match.end()
    if match := _XSTR.match(text, pos):
        val, end = scan_str(text, match.end())
        close = _CLOSE.match(text, end)
        if close is None:
            raise _error(text, end, f"{match[1]}( is not closed", ")")
        return (Bin(val) if match[1] == "Bin" else XStr(match[1], val)), close.end()
    if match := _BIN.match(text, pos):
        return Bin(match[1]), match.end()
    raise _error(text, end, "these parentheses hold no text and no coordinate", 'Type("text") or C(lat,lng)')


def coord_of(lat: str, lng: str) -> Coord | None:
    """The Coord of two texts; None where one is no <decimal>, or beyond the doubles."""
    degrees = [float(number_of(text).val) for text in (lat, lng) if is_decimal(text)]
    return Coord(*degrees) if len(degrees) == 2 and all(map(math.isfinite, degrees)) else None


_BY_FIRST: Final[dict[str, Callable[[str, int], tuple[Any, int]]]] = {
    '"': scan_str,
    "`": _scan_uri,
    "@": _scan_ref,
    "^": _scan_symbol,
    **dict.fromkeys("-0123456789", _scan_digit_first),
    **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _scan_word_first),
}


def scalar_bytes(first: str) -> int:
    """The memory of a scalar that begins so, beside one text of its characters: a Ref or an XStr has two texts."""
    return _ONE_TEXT if first in _OF_ONE_TEXT else _TWO_TEXTS


class Cells(dict[str, Any]):
    """Cells that were read before, by their text: columns repeat texts, and the values are immutable.

    ``cells[text]`` is the scalar that the whole text is, blanks around it allowed, None for an empty text; a text
    that is not a scalar raises :class:`~hsframe.CodecError`.
    """

    # How many different texts are remembered; with more, a column hardly repeats itself.
    limit: Final = 100_000

    #: The memory of the values that were made.
    made_bytes = 0

    def __missing__(self, text: str) -> Any:
        first = text[:1]
        # As scalar_bytes, without a call for each of a million cells.
        self.made_bytes += getsizeof(text) + (_ONE_TEXT if first in _OF_ONE_TEXT else _TWO_TEXTS)
        scan = _BY_FIRST.get(first)
        if scan is not None:
            value, end = scan(text, 0)
        elif (pos := skip_blanks(text, 0)) < len(text):
            value, end = scan_scalar(text, pos)
        else:
            value, end = None, pos
        if end != len(text) and skip_blanks(text, end) != len(text):
            value, end = scan_number_of_cell(text, skip_blanks(text, 0)) or (value, end)
        if end != len(text) and skip_blanks(text, end) != len(text):
            raise _error(text, end, "this does not belong to the value", "the end of the value")
        if len(self) < self.limit:
            self[text] = value
        return value
