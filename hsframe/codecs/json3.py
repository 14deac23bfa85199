"""JSON version 3 (standard: chapter Json, the older of the two).

A value that JSON does not have is a string that starts with a type code: ``n:72.5 °F``, ``r:id Name``, ``m:``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from hsframe.codecs.json_common import (
    REMEMBERED,
    JsonCodec,
    Misfit,
    calendar_value,
    coord_value,
    datetime_value,
    fitting,
    is_grid_shaped,
    xstr_value,
)
from hsframe.codecs.value_writer import coord_texts, datetime_text, number_text, time_text
from hsframe.codecs.zinc_scalars import date_of, is_decimal, kept_unit, number_of, time_of
from hsframe.grid import Col, Grid
from hsframe.kinds import ID, MARKER, NA, REMOVE, SYMBOL, TYPE, UNIT, Bin, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.options import Limits

_SOURCE: Final = "json v3"


class _Texts(dict[str | None, Any]):
    """Texts that were read before, and null: a column repeats itself, and its values are immutable."""

    def __missing__(self, text: str) -> Any:
        if text.__class__ is not str:
            raise TypeError("this cell is not a text")
        read = _BY_CODE.get(text[0]) if text[1:2] == ":" else None
        # "C:\\Temp": there is no such code; the server left out the "s:".
        value = text if read is None else read(text[2:])
        if len(self) < REMEMBERED:
            self[text] = value
        return value


def _no_more(value: Any) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text:
            raise Misfit("there is text after a code that takes none", 'the code alone, or "s:" before a text', text)
        return value

    return read


def _read_number(text: str) -> Number:
    decimal, _, unit = text.partition(" ")
    if decimal in ("INF", "-INF", "NaN"):
        return Number(float(decimal))
    if not is_decimal(decimal):
        raise Misfit("not a number", 'a text like "n:72.5 °F"', text)
    return number_of(decimal, kept_unit(unit) if unit else None)


def _read_ref(text: str) -> Ref:
    val, space, dis = text.partition(" ")
    return Ref(fitting(ID, val.removeprefix("@")), dis if space else None)


def _read_xstr(text: str) -> XStr | Bin:
    type_name, colon, val = text.partition(":")
    if not colon:
        raise Misfit("not a typed text", 'a text like "x:Type:text"', text)
    fitting(TYPE, type_name)
    return xstr_value(type_name, val)


_BY_CODE: Final[dict[str, Callable[[str], Any]]] = {
    "m": _no_more(MARKER),
    "-": _no_more(REMOVE),
    "z": _no_more(NA),
    "n": _read_number,
    "r": _read_ref,
    "s": str,
    "u": Uri,
    "y": lambda text: Symbol(fitting(SYMBOL, text)),
    "d": lambda text: calendar_value(date_of, text, '"d:2010-03-13"'),
    "h": lambda text: calendar_value(time_of, text, '"h:08:12:05"'),
    "t": lambda text: datetime_value(text, '"t:2010-03-11T23:55:00-05:00 New_York"'),
    "c": lambda text: coord_value(text, text, '"c:37.55,-77.45"'),
    "x": _read_xstr,
    "b": Bin,
}


def _write_number(number: Number) -> str:
    text = "n:" + number_text(number.val)
    return text if number.unit is None else f"{text} {UNIT.checked(number.unit, _SOURCE)}"


def _write_ref(ref: Ref) -> str:
    text = "r:" + ID.checked(ref.val, _SOURCE)
    return text if ref.dis is None else f"{text} {ref.dis}"


class Json3(JsonCodec):
    r"""Reads and writes version 3.

    >>> grid = Json3().decode('{"meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":"n:72.5 °F"}]}')
    >>> grid[0]["a"]
    Number(72.5, '°F')
    >>> Json3().read(["r:a Main meter", "m:", "s:m:"], 0)
    [Ref('a', 'Main meter'), MARKER, 'm:']
    >>> Json3().cells_from([b'"n:72",\n"m:"', b'true'], [2, 1])
    [[Number(72), MARKER], [True]]
    >>> Json3().write([Number(72.5, "°F"), "16:30", "x"])
    ['n:72.5 °F', 's:16:30', 'x']
    """

    source = _SOURCE
    example = '{"meta": {"ver": "3.0"}, "cols": [...], "rows": [...]}'
    scalars = {  # noqa: RUF012 - nobody changes it
        type(None): lambda _: None,
        type(MARKER): lambda _: "m:",
        type(REMOVE): lambda _: "-:",
        type(NA): lambda _: "z:",
        bool: lambda value: value,
        Number: _write_number,
        str: lambda text: "s:" + text if ":" in text else text,
        Uri: lambda value: "u:" + value.val,
        Ref: _write_ref,
        Symbol: lambda value: "y:" + SYMBOL.checked(value.val, _SOURCE),
        date: lambda value: "d:" + value.isoformat(),
        time: lambda value: "h:" + time_text(value, _SOURCE),
        datetime: lambda value: "t:" + datetime_text(value, _SOURCE),
        Coord: lambda value: "c:{},{}".format(*coord_texts(value, _SOURCE)),
        XStr: lambda value: f"x:{TYPE.checked(value.type, _SOURCE)}:{value.val}",
        Bin: lambda value: "b:" + value.mime,
    }

    def __init__(self, limits: Limits = Limits()) -> None:
        super().__init__(limits)
        self._texts = _Texts({None: None})

    def read_text(self, text: str) -> Any:
        return self._texts[text]

    def read_object(self, value: dict[str, Any], depth: int) -> Any:
        return self.read_grid(value, depth + 1) if _is_grid(value) else self.read_tags(value, depth + 1)

    def is_dict(self, value: Mapping[str, Any]) -> bool:
        return not _is_grid(value)

    def read_body(self, value: dict[str, Any]) -> Grid:
        return self.read_grid(value, 0) if is_grid_shaped(value) else self.read_row(value)

    def read_cells(self, cells: list[Any]) -> list[Any] | None:
        try:
            return list(map(self._texts.__getitem__, cells))
        except (TypeError, Misfit):
            return None  # a cell that is not a text, or a text that is wrong

    def col_tags(self, col: Mapping[str, Any]) -> dict[str, Any]:
        return {name: tag for name, tag in col.items() if name != "name"}

    def write_col(self, col: Col, depth: int) -> dict[str, Any]:
        if "name" in col.meta:
            raise self.refused(
                f"the column {col.name!r} has a tag 'name', for which version 3 has no place", "another name of the tag"
            )
        return {"name": col.name, **self.tags_of(col.meta, depth)}

    def dict_of(self, tags: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """A dict that does not look like a grid."""
        written = self.tags_of(tags, depth)
        if _is_grid(written):
            raise self.refused("this dict would read as a grid", "a dict without the tags meta.ver, cols and rows")
        return written


def _is_grid(value: Mapping[str, Any]) -> bool:
    """In version 3 nothing but its shape shows that an object is a grid."""
    meta = value.get("meta")
    return (
        isinstance(meta, dict)
        and "ver" in meta
        and isinstance(value.get("cols"), list)
        and isinstance(value.get("rows"), list)
    )
