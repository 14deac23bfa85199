"""JSON version 3 (standard: chapter Json, the older of the two).

A value that JSON does not have is a string with a type code in front: ``n:72.5 °F``, ``r:id Name``, ``m:``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from hsframe.codecs.json_text import Misfit, dump, load, load_cells, one_row, read_each, read_grid, read_list, read_tags
from hsframe.codecs.positions import MAX_DEPTH, too_deep
from hsframe.codecs.zinc_scalars import coord_of, date_of, datetime_of, decimal_of, number_of, time_of
from hsframe.codecs.zinc_write import as_number, coord_texts, datetime_text, grid_tags, number_text, time_text
from hsframe.errors import CodecError, ZoneError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr

__all__ = ["cells_from_json3", "decode_json3", "encode_json3", "grid_from_json3", "value_from_json3", "value_to_json3"]

_SOURCE: Final = "json v3"
_EXACT_INT: Final = 2**53
_COORD = re.compile(r"\s*([^,\s]+)\s*,\s*([^,\s]+)\s*")
# Beyond this many different texts remembering would only cost memory.
_REMEMBERED: Final = 100_000


def decode_json3(body: bytes | str) -> Grid:
    """The grid of a JSON text of version 3.

    Parameters
    ----------
    body : bytes or str
        A grid object, or a bare dict, which is a grid of one row.

    Returns
    -------
    Grid
        Without ``ver`` in its meta.

    Raises
    ------
    CodecError
        The text is not JSON (with line and column), or not a grid (with the path to what is wrong).

    Examples
    --------
    >>> decode_json3('{"meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":"n:72.5 °F"}]}')[0]["a"]
    Number(72.5, '°F')
    """
    return grid_from_json3(load(body, _SOURCE))


def grid_from_json3(value: Any) -> Grid:
    """The grid of what ``json.loads`` gives; see :func:`decode_json3`."""
    try:
        if not isinstance(value, dict):
            raise Misfit("the body is no object", '{"meta": {"ver": "3.0"}, "cols": [...], "rows": [...]}', value)
        reader = _Reader()
        if "cols" not in value:
            return one_row(value, reader.read)
        return reader.grid(value, 0)
    except Misfit as misfit:
        raise misfit.error(_SOURCE) from None


def value_from_json3(value: Any) -> Any:
    """The value of what ``json.loads`` gives.

    Raises
    ------
    CodecError
        It is none; the error says the path to what is wrong.

    Examples
    --------
    >>> value_from_json3(["r:a Main meter", "m:", "s:m:"])
    [Ref('a', 'Main meter'), MARKER, 'm:']
    """
    try:
        return _Reader().read(value, 0)
    except Misfit as misfit:
        raise misfit.error(_SOURCE) from None


def cells_from_json3(joined: Sequence[bytes], counts: Sequence[int]) -> list[list[Any]]:
    r"""The values of cells, column by column; see :func:`hsframe.codecs.json4.cells_from_json4`.

    Raises
    ------
    CodecError
        A text is not one whole value.

    Examples
    --------
    >>> cells_from_json3([b'"n:72",\n"m:"', b'true'], [2, 1])
    [[Number(72), MARKER], [True]]
    """
    reader = _Reader()
    try:
        return [reader.cells(values, "", 0) for values in load_cells(joined, counts, _SOURCE)]
    except Misfit as misfit:
        raise misfit.error(_SOURCE) from None


class _Texts(dict[str | None, Any]):
    """Texts that were read before, and null: a column repeats itself, and its values are immutable."""

    def __missing__(self, text: str) -> Any:
        if text.__class__ is not str:
            raise TypeError("this cell is no text")
        value = _read_text(text)
        if len(self) < _REMEMBERED:
            self[text] = value
        return value


class _Reader:
    def __init__(self) -> None:
        self.texts = _Texts({None: None})

    def read(self, value: Any, depth: int) -> Any:
        if value.__class__ is str:
            return self.texts[value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, dict):
            if _is_grid(value):
                return self.grid(value, depth + 1)
            return read_tags(value, self.read, depth + 1)
        if isinstance(value, list):
            return read_list(value, self.read, depth + 1)
        if isinstance(value, int | float):
            # Version 3 writes "n:72"; a bare number has no other meaning, so it is taken.
            return number_of(str(value)) if isinstance(value, int) else Number(value)
        raise Misfit(f"{type(value).__name__} is no type of JSON", "what json.loads gives")

    def grid(self, value: Mapping[str, Any], depth: int) -> Grid:
        return read_grid(value, self.read, self.cells, _inline_meta, depth)

    def cells(self, cells: list[Any], name: str, depth: int) -> list[Any]:
        try:
            return list(map(self.texts.__getitem__, cells))
        except (TypeError, Misfit):
            # A cell that is no text, or a text that is wrong: one by one, to read the one and to place the other.
            return read_each(cells, name, self.read, depth)


def _inline_meta(col: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tag for name, tag in col.items() if name != "name"}


def _is_grid(value: Mapping[str, Any]) -> bool:
    """Version 3 marks a nested grid by nothing but its shape."""
    meta = value.get("meta")
    return (
        isinstance(meta, dict)
        and "ver" in meta
        and isinstance(value.get("cols"), list)
        and isinstance(value.get("rows"), list)
    )


def _read_text(text: str) -> Any:
    if text[1:2] != ":":
        return text
    read = _BY_CODE.get(text[0])
    # "C:\\Temp": no code is called so, and a server that forgot the "s:" meant the text.
    return text if read is None else read(text[2:])


def _no_more(value: Any) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text:
            raise Misfit("there is text behind a code that has none", 'the code alone, or "s:" before a text', text)
        return value

    return read


def _read_number(text: str) -> Number:
    decimal, _, unit = text.partition(" ")
    if decimal in ("INF", "-INF", "NaN"):
        return Number(float(decimal))
    if decimal_of(decimal) is None:
        raise Misfit("no number", 'a text like "n:72.5 °F"', text)
    return number_of(decimal, unit or None)


def _read_ref(text: str) -> Ref:
    val, space, dis = text.partition(" ")
    if not val:
        raise Misfit("a ref without an id", 'a text like "r:id Name"', text)
    return Ref(val, dis if space else None)


def _calendar(of: Callable[[str], Any], example: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = of(text)
        except (ValueError, OverflowError, ZoneError) as error:
            raise Misfit(f"not in the calendar or the zone table ({error})", f"a text like {example}", text) from None
        if value is None:
            raise Misfit("no date or time", f"a text like {example}", text)
        return value

    return read


def _datetime(text: str) -> datetime | None:
    instant, _, zone_name = text.partition(" ")
    return datetime_of(instant, zone_name)


def _read_coord(text: str) -> Coord:
    match = _COORD.fullmatch(text)
    if match is None or decimal_of(match[1]) is None or decimal_of(match[2]) is None:
        raise Misfit("no coordinate", 'a text like "c:37.55,-77.45"', text)
    return coord_of(match[1], match[2])


def _read_xstr(text: str) -> XStr | Bin:
    type_name, colon, val = text.partition(":")
    if not type_name or not colon:
        raise Misfit("no typed text", 'a text like "x:Type:text"', text)
    return Bin(val) if type_name == "Bin" else XStr(type_name, val)


_BY_CODE: Final[dict[str, Callable[[str], Any]]] = {
    "m": _no_more(MARKER),
    "-": _no_more(REMOVE),
    "z": _no_more(NA),
    "n": _read_number,
    "r": _read_ref,
    "s": str,
    "u": Uri,
    "y": Symbol,
    "d": _calendar(date_of, '"d:2010-03-13"'),
    "h": _calendar(time_of, '"h:08:12:05"'),
    "t": _calendar(_datetime, '"t:2010-03-11T23:55:00-05:00 New_York"'),
    "c": _read_coord,
    "x": _read_xstr,
    "b": Bin,
}


def encode_json3(grid: Grid) -> bytes:
    """The grid in JSON of version 3, in UTF-8.

    Parameters
    ----------
    grid : Grid
        Its cells are kinds; plain ints and floats are written as numbers without unit.

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        A value that the format cannot write: a naive datetime, an id with a space, a column tag called ``name``, an
        object of another type.

    Examples
    --------
    >>> encode_json3(Grid({}, ["a"], [[Number(72.5, "°F")]])).decode()
    '{"meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":"n:72.5 °F"}]}'
    """
    return dump(_write_grid(grid, 0), _SOURCE)


def value_to_json3(value: Any) -> Any:
    """What ``json.dumps`` writes as the value in version 3.

    Raises
    ------
    CodecError
        The format cannot write the value.

    Examples
    --------
    >>> value_to_json3([Number(72.5, "°F"), "16:30", "x"])
    ['n:72.5 °F', 's:16:30', 'x']
    """
    return _write(value, 0)


def _refused(problem: str, expected: str) -> CodecError:
    return CodecError(problem, expected=expected, source=_SOURCE)


def _write(value: Any, depth: int) -> Any:
    write = _BY_TYPE.get(type(value))
    if write is not None:
        return write(value)
    # The order matters: a datetime is a date.
    if isinstance(value, str):
        return _write_str(value)
    if isinstance(value, datetime):
        return "t:" + datetime_text(value, " ", _SOURCE)
    if isinstance(value, Grid):
        return _write_grid(value, depth + 1)
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes | bytearray):
        if depth >= MAX_DEPTH:
            raise _refused(too_deep(), f"at most {MAX_DEPTH}")
        if isinstance(value, Mapping):
            tags = {name: _write(tag, depth + 1) for name, tag in value.items()}
            if _is_grid(tags):
                raise _refused("this dict would read as a grid", "a dict without the tags meta.ver, cols and rows")
            return tags
        return [_write(item, depth + 1) for item in value]
    return _write_number(as_number(value, _SOURCE))


def _write_grid(grid: Grid, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _refused(too_deep(), f"at most {MAX_DEPTH}")
    cols = []
    for col in grid.cols:
        if "name" in col.meta:
            raise _refused(
                f"the column {col.name!r} has a tag 'name', for which version 3 has no place", "another name of the tag"
            )
        cols.append({"name": col.name, **{name: _write(tag, depth) for name, tag in col.meta.items()}})
    columns = [[_write(cell, depth) for cell in column] for column in grid.columns]
    names = grid.col_names
    return {
        "meta": {"ver": "3.0", **{name: _write(tag, depth) for name, tag in grid_tags(grid).items()}},
        "cols": cols or [{"name": "empty"}],
        "rows": [
            {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
            for row in zip(*columns, strict=True)
        ],
    }


def _write_str(text: str) -> str:
    return "s:" + text if ":" in text else text


def _write_number(number: Number) -> str:
    text = "n:" + number_text(number.val)
    return text if number.unit is None else f"{text} {number.unit}"


def _write_ref(ref: Ref) -> str:
    if not ref.val or " " in ref.val:
        raise _refused(f"{ref.val!r} cannot be the id of a ref", "an id without a space")
    return "r:" + ref.val if ref.dis is None else f"r:{ref.val} {ref.dis}"


def _write_xstr(xstr: XStr) -> str:
    if not xstr.type or ":" in xstr.type:
        raise _refused(f"{xstr.type!r} cannot be a type name", "a capital letter, then letters, digits or _")
    return f"x:{xstr.type}:{xstr.val}"


_BY_TYPE: Final[dict[type, Callable[[Any], Any]]] = {
    type(None): lambda _: None,
    Marker: lambda _: "m:",
    Remove: lambda _: "-:",
    Na: lambda _: "z:",
    bool: lambda value: value,
    Number: _write_number,
    str: _write_str,
    Uri: lambda value: "u:" + value.val,
    Ref: _write_ref,
    Symbol: lambda value: "y:" + value.val,
    date: lambda value: "d:" + value.isoformat(),
    time: lambda value: "h:" + time_text(value, _SOURCE),
    datetime: lambda value: "t:" + datetime_text(value, " ", _SOURCE),
    Coord: lambda value: "c:{},{}".format(*coord_texts(value, _SOURCE)),
    XStr: _write_xstr,
    Bin: lambda value: "b:" + value.mime,
}
