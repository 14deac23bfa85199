"""The scalars of Jeto: which texts are values of which spec, both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from functools import partial
from typing import Any, Final, NamedTuple

from hsframe.codecs.json_common import (
    Misfit,
    calendar_value,
    coord_value,
    datetime_value,
    fitting,
    json_number,
    xstr_value,
)
from hsframe.codecs.value_writer import coord_texts, datetime_text, time_text, united_text
from hsframe.codecs.zinc_scalars import date_of, number_of_text, time_of
from hsframe.codecs.zinc_write import write_value
from hsframe.kinds import ID, MARKER, NA, REMOVE, SYMBOL, TYPE, Bin, Coord, Number, Ref, Symbol, Uri, XStr

SOURCE: Final = "jeto"
STR, BOOL, NUMBER, REF = "sys::Str", "sys::Bool", "sys::Number", "sys::Ref"
_XSTR: Final = re.compile(rf"xstr::({TYPE.pattern.pattern})")


# ---- texts to values


def _only(text: str, value: Any) -> Callable[[str], Any]:
    def read(found: str) -> Any:
        if found != text:
            raise Misfit("not the text of this kind", f'"{text}"', found)
        return value

    return read


def _read_bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise Misfit("not a Bool", '"true" or "false"', text)
    return text == "true"


def _read_number(text: str) -> Number:
    if (number := number_of_text(text)) is None:
        raise Misfit("not a number", 'a text like "72.5°F", or "NaN", "INF", "-INF"', text)
    return number


def _read_coord(text: str) -> Coord:
    return coord_value(text[2:-1] if text.startswith("C(") and text.endswith(")") else "", text, '"C(37.55,-77.45)"')


NUMBERS: Final = frozenset({NUMBER, "sys::Int", "sys::Float"})
BY_SPEC: Final[dict[str, Callable[[str], Any]]] = {
    STR: str,
    BOOL: _read_bool,
    **dict.fromkeys(NUMBERS, _read_number),
    "sys::Date": lambda text: calendar_value(date_of, text, '"2010-03-13"'),
    "sys::Time": lambda text: calendar_value(time_of, text, '"08:12:05"'),
    "sys::DateTime": lambda text: datetime_value(text, '"2010-03-11T23:55:00-05:00 New_York"'),
    "sys::Uri": Uri,
    REF: lambda text: Ref(fitting(ID, text.removeprefix("@"))),
    "sys::Marker": _only("✓", MARKER),
    "sys::NA": _only("NA", NA),
    "sys::None": _only("∅", REMOVE),
    "sys::Span": partial(XStr, "Span"),
    "ph::Symbol": lambda text: Symbol(fitting(SYMBOL, text)),
    "ph::Coord": _read_coord,
}


def text_reader(spec: Any) -> Callable[[str], Any] | None:
    """What reads the texts of a spec; None for one that is not a scalar of Haystack."""
    if spec.__class__ is not str:
        return None
    if spec not in BY_SPEC and (match := _XSTR.fullmatch(spec)):
        return partial(xstr_value, match[1])
    return BY_SPEC.get(spec)


# ---- values to texts


class Scalar(NamedTuple):
    """A scalar that is to be written: how where its spec is known, and how in a box."""

    spec: str
    bare: Any
    text: str
    dis: str | None = None


def _as(spec: str, text_of: Callable[[Any], str]) -> Callable[[Any], Scalar]:
    def write(value: Any) -> Scalar:
        text = text_of(value)
        return Scalar(spec, text, text)

    return write


def _write_number(number: Number) -> Scalar:
    text = united_text(number, SOURCE)
    is_bare = number.unit is None and text not in ("NaN", "INF", "-INF")
    return Scalar(NUMBER, json_number(text) if is_bare else text, text)


def _write_ref(ref: Ref) -> Scalar:
    val = ID.checked(ref.val, SOURCE)
    return Scalar(REF, val, val, ref.dis)


def _write_xstr(value: XStr) -> Scalar:
    if value.type == "Span":
        return Scalar("sys::Span", value.val, value.val)
    # Servers make this text of one in their answers.
    return Scalar(f"xstr::{TYPE.checked(value.type, SOURCE)}", write_value(value), value.val)


#: How each kind is written.
SCALARS: Final[Mapping[type, Callable[[Any], Any]]] = {
    type(None): lambda _: None,
    str: _as(STR, str),
    bool: lambda value: Scalar(BOOL, value, str(value).lower()),
    Number: _write_number,
    date: _as("sys::Date", date.isoformat),
    time: _as("sys::Time", lambda value: time_text(value, SOURCE)),
    datetime: _as("sys::DateTime", lambda value: datetime_text(value, SOURCE)),
    Uri: _as("sys::Uri", lambda value: value.val),
    Ref: _write_ref,
    type(MARKER): _as("sys::Marker", lambda _: "✓"),
    type(NA): _as("sys::NA", lambda _: "NA"),
    type(REMOVE): _as("sys::None", lambda _: "∅"),
    Symbol: _as("ph::Symbol", lambda value: SYMBOL.checked(value.val, SOURCE)),
    Coord: _as("ph::Coord", lambda value: "C({},{})".format(*coord_texts(value, SOURCE))),
    XStr: _write_xstr,
    Bin: lambda value: _write_xstr(XStr("Bin", value.mime)),
}
