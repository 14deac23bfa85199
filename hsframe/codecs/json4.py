"""JSON version 4, called Hayson (standard: chapter Json).

A value is JSON's own where JSON has it, else an object with ``_kind``. Numbers without unit are bare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final, TypeVar

from hsframe.codecs.json_text import Misfit, dump, load, load_cells, one_row, read_each, read_grid, read_list, read_tags
from hsframe.codecs.makers import make_number, make_ref
from hsframe.codecs.positions import MAX_DEPTH, too_deep
from hsframe.codecs.zinc_scalars import date_of, datetime_of, time_of
from hsframe.codecs.zinc_write import as_number, coord_floats, datetime_text, grid_tags, number_text, time_text
from hsframe.errors import CodecError, ZoneError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr

__all__ = ["cells_from_json4", "decode_json4", "encode_json4", "grid_from_json4", "value_from_json4", "value_to_json4"]

_SOURCE: Final = "json v4"
_EXACT_INT: Final = 2**53
# Beyond this many different instants remembering would only cost memory.
_REMEMBERED: Final = 100_000
_T = TypeVar("_T")


def decode_json4(body: bytes | str) -> Grid:
    """The grid of a JSON text of version 4.

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
    >>> decode_json4('{"_kind":"grid","cols":[{"name":"a"}],"rows":[{"a":{"_kind":"ref","val":"x"}}]}')[0]["a"]
    Ref('x')
    """
    return grid_from_json4(load(body, _SOURCE, leaf_of=_Leaves()))


def grid_from_json4(value: Any) -> Grid:
    """The grid of what ``json.loads`` gives, leaves made or not; see :func:`decode_json4`."""
    try:
        if not isinstance(value, dict):
            raise Misfit("the body is no object", '{"_kind": "grid", ...}', value)
        if value.get("_kind", "grid" if "cols" in value else "dict") == "dict":
            return one_row({name: tag for name, tag in value.items() if name != "_kind"}, _read)
        if value.get("_kind", "grid") != "grid":
            raise Misfit("the body is no grid", '{"_kind": "grid", ...}', value["_kind"]).at("._kind")
        return _read_grid(value, 0)
    except Misfit as misfit:
        raise misfit.error(_SOURCE) from None


def value_from_json4(value: Any) -> Any:
    """The value of what ``json.loads`` gives.

    Raises
    ------
    CodecError
        It is none; the error says the path to what is wrong.

    Examples
    --------
    >>> value_from_json4([72, {"_kind": "number", "val": 72.5, "unit": "°F"}, {"_kind": "marker"}])
    [Number(72), Number(72.5, '°F'), MARKER]
    """
    try:
        return _read(value, 0)
    except Misfit as misfit:
        raise misfit.error(_SOURCE) from None


def cells_from_json4(joined: Sequence[bytes], counts: Sequence[int]) -> list[list[Any]]:
    r"""The values of cells, column by column.

    Parameters
    ----------
    joined : sequence of bytes
        For each column the texts of its cells, in UTF-8, a comma and a line end between two of them. No text may hold
        two values beside each other.
    counts : sequence of int
        For each column how many texts there are.

    Raises
    ------
    CodecError
        A text is not one whole value.

    Examples
    --------
    >>> cells_from_json4([b'72,\n{"_kind":"marker"}', b'true'], [2, 1])
    [[Number(72), MARKER], [True]]
    """
    columns = load_cells(joined, counts, _SOURCE, leaf_of=_Leaves())
    try:
        return [_read_cells(values, "", 0) for values in columns]
    except Misfit as misfit:
        raise misfit.error(_SOURCE) from None


class _Leaves:
    """Makes a value of an object that holds nothing but scalars, while the JSON is read.

    Only of those that fill columns, and only where nothing is wrong with them: everything else stays an object, and
    :func:`_read`, which knows the path, reads or refuses it.
    """

    def __init__(self) -> None:
        # A column of instants repeats itself, and their values are immutable.
        self.instants: dict[tuple[str, str], datetime] = {}

    def __call__(self, value: dict[str, Any]) -> Any:
        kind = value.get("_kind")
        if kind == "marker":
            return MARKER
        if kind == "ref":
            val, dis = value.get("val"), value.get("dis")
            if val.__class__ is str and val[:1] != "@" and (dis is None or dis.__class__ is str):
                return make_ref(val, dis)
        elif kind == "number":
            val, unit = value.get("val"), value.get("unit")
            if unit is not None and (unit.__class__ is not str or not unit):
                return value
            if val.__class__ is float or (val.__class__ is int and -_EXACT_INT < val < _EXACT_INT):
                return make_number(val, unit)
        elif kind == "dateTime":
            val, tz = value.get("val"), value.get("tz")
            if val.__class__ is str and tz.__class__ is str:
                try:
                    return self.instants[val, tz]
                except KeyError:
                    return self.instant(value, val, tz)
        elif kind == "uri":
            val = value.get("val")
            if val.__class__ is str:
                return Uri(val)
        elif kind == "date":
            try:
                return _read_date(value, 0)
            except Misfit:
                return value
        return value

    def instant(self, value: dict[str, Any], val: str, tz: str) -> Any:
        try:
            instant = _read_datetime(value, 0)
        except Misfit:
            return value
        if len(self.instants) < _REMEMBERED:
            self.instants[val, tz] = instant
        return instant


def _read(value: Any, depth: int) -> Any:
    read = _BY_JSON_TYPE.get(type(value))
    if read is None:
        raise Misfit(f"{type(value).__name__} is no type of JSON", "what json.loads gives")
    return read(value, depth)


def _read_int(value: int, depth: int) -> Number:
    if -_EXACT_INT < value < _EXACT_INT:
        return Number(value)
    try:
        return Number(float(value))
    except OverflowError:
        return Number(float("inf") if value > 0 else float("-inf"))


def _read_object(value: dict[str, Any], depth: int) -> Any:
    kind = value.get("_kind")
    if kind is None:
        return read_tags(value, _read, depth + 1)
    read = _BY_KIND.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise Misfit("no such kind", "one of " + ", ".join(_BY_KIND), kind).at("._kind")
    return read(value, depth)


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise Misfit(f"a {value['_kind']} without the text {name!r}", "a string", text).at(f".{name}")
    return text


def _read_number(value: dict[str, Any], depth: int) -> Number:
    val, unit = value.get("val"), value.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise Misfit("the unit is no text", "a string", unit).at(".unit")
    if val.__class__ is float or (val.__class__ is int and -_EXACT_INT < val < _EXACT_INT):
        return Number(val, unit)
    if val.__class__ is int:
        return Number(_read_int(val, depth).val, unit)
    if isinstance(val, str) and val in ("INF", "-INF", "NaN"):
        return Number(float(val))
    raise Misfit("a number without a val", 'a number, or "INF", "-INF", "NaN"', val).at(".val")


def _read_ref(value: dict[str, Any], depth: int) -> Ref:
    dis = value.get("dis")
    if dis is not None and not isinstance(dis, str):
        raise Misfit("the display name is no text", "a string", dis).at(".dis")
    return Ref(_text(value, "val"), dis)


def _read_date(value: dict[str, Any], depth: int) -> date:
    return _calendar(date_of, _text(value, "val"), "2010-03-13")


def _read_time(value: dict[str, Any], depth: int) -> time:
    return _calendar(time_of, _text(value, "val"), "08:12:05")


def _read_datetime(value: dict[str, Any], depth: int) -> datetime:
    text, zone_name = _text(value, "val"), value.get("tz")
    if zone_name is not None and not isinstance(zone_name, str):
        raise Misfit("the zone is no text", "a string", zone_name).at(".tz")
    # Some servers write the zone behind the instant as well; `tz` goes first.
    instant, _, name = text.partition(" ")
    return _calendar(lambda text: datetime_of(text, zone_name or name), instant, "2010-03-11T23:55:00-05:00")


def _calendar(of: Callable[[str], _T | None], text: str, example: str) -> _T:
    try:
        value = of(text)
    except ZoneError as error:
        raise Misfit(str(error), "the name of a zone").at(".tz") from None
    except (ValueError, OverflowError) as error:
        raise Misfit(f"not in the calendar ({error})", f"a text like {example}", text).at(".val") from None
    if value is None:
        raise Misfit("no date or time", f"a text like {example}", text).at(".val")
    return value


def _read_coord(value: dict[str, Any], depth: int) -> Coord:
    degrees = []
    for name in ("lat", "lng"):
        number = value.get(name)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise Misfit(f"a coord without {name}", "a number", number).at(f".{name}")
        degrees.append(float(_read_int(number, depth).val) if isinstance(number, int) else number)
    return Coord(*degrees)


def _read_xstr(value: dict[str, Any], depth: int) -> XStr | Bin:
    type_name, val = _text(value, "type"), _text(value, "val")
    return Bin(val) if type_name == "Bin" else XStr(type_name, val)


def _read_grid(value: dict[str, Any], depth: int) -> Grid:
    return read_grid(value, _read, _read_cells, lambda col: col.get("meta", {}), depth)


def _read_cells(cells: list[Any], name: str, depth: int) -> list[Any]:
    return cells if _READY.issuperset(map(type, cells)) else read_each(cells, name, _read, depth)


_BY_JSON_TYPE: Final[dict[type, Callable[[Any, int], Any]]] = {
    str: lambda value, depth: value,
    type(None): lambda value, depth: None,
    bool: lambda value, depth: value,
    int: _read_int,
    float: lambda value, depth: Number(value),
    list: lambda value, depth: read_list(value, _read, depth + 1),
    dict: _read_object,
    # What :class:`_Leaves` has made.
    **dict.fromkeys((Marker, Ref, Number, datetime, Uri, date), lambda value, depth: value),
}
#: Types of cells that are values already.
_READY: Final = frozenset({str, type(None), bool, Marker, Ref, Number, datetime, Uri, date})
_BY_KIND: Final[dict[str, Callable[[dict[str, Any], int], Any]]] = {
    "marker": lambda value, depth: MARKER,
    "number": _read_number,
    "ref": _read_ref,
    "dateTime": _read_datetime,
    "symbol": lambda value, depth: Symbol(_text(value, "val")),
    "uri": lambda value, depth: Uri(_text(value, "val")),
    "date": _read_date,
    "time": _read_time,
    "coord": _read_coord,
    "xstr": _read_xstr,
    "na": lambda value, depth: NA,
    "remove": lambda value, depth: REMOVE,
    "dict": lambda value, depth: read_tags(value, _read, depth + 1, but="_kind"),
    "grid": lambda value, depth: _read_grid(value, depth + 1),
}


def encode_json4(grid: Grid) -> bytes:
    """The grid in JSON of version 4, in UTF-8.

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
        A value that the format cannot write: a naive datetime, an object of another type.

    Examples
    --------
    >>> encode_json4(Grid({}, ["a"], [[MARKER]])).decode()
    '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":{"_kind":"marker"}}]}'
    """
    return dump(_write_grid(grid, 0), _SOURCE)


def value_to_json4(value: Any) -> Any:
    """What ``json.dumps`` writes as the value in version 4.

    Raises
    ------
    CodecError
        The format cannot write the value.

    Examples
    --------
    >>> value_to_json4([Number(72), Number(72.5, "°F")])
    [72, {'_kind': 'number', 'val': 72.5, 'unit': '°F'}]
    """
    return _write(value, 0)


def _write(value: Any, depth: int) -> Any:
    write = _BY_TYPE.get(type(value))
    if write is not None:
        return write(value)
    # The order matters: a datetime is a date.
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime):
        return _write_datetime(value)
    if isinstance(value, Grid):
        return _write_grid(value, depth + 1)
    if isinstance(value, Mapping | Sequence) and not isinstance(value, bytes | bytearray):
        if depth >= MAX_DEPTH:
            raise CodecError(too_deep(), expected=f"at most {MAX_DEPTH}", source=_SOURCE)
        if isinstance(value, Mapping):
            return _write_tags(value, depth + 1)
        return [_write(item, depth + 1) for item in value]
    return _write_number(as_number(value, _SOURCE))


def _write_tags(tags: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if "_kind" in tags:
        raise CodecError(
            "a tag cannot be called '_kind', which version 4 keeps for itself",
            expected="a lower-case letter, then letters, digits or _",
            source=_SOURCE,
        )
    return {name: _write(value, depth) for name, value in tags.items()}


def _write_grid(grid: Grid, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise CodecError(too_deep(), expected=f"at most {MAX_DEPTH}", source=_SOURCE)
    cols: list[dict[str, Any]] = [
        {"name": col.name, "meta": _write_tags(col.meta, depth)} if col.meta else {"name": col.name}
        for col in grid.cols
    ]
    names = grid.col_names
    if "_kind" in names:
        _write_tags({"_kind": None}, depth)
    columns = [[_write(cell, depth) for cell in column] for column in grid.columns]
    return {
        "_kind": "grid",
        "meta": {"ver": "3.0", **_write_tags(grid_tags(grid), depth)},
        "cols": cols or [{"name": "empty"}],
        "rows": [
            {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
            for row in zip(*columns, strict=True)
        ],
    }


def _write_number(number: Number) -> Any:
    text = number_text(number.val)
    val: Any
    if text in ("NaN", "INF", "-INF"):
        return {"_kind": "number", "val": text}
    val = int(text) if text.lstrip("-").isdecimal() else float(text)
    return val if number.unit is None else {"_kind": "number", "val": val, "unit": number.unit}


def _write_ref(ref: Ref) -> dict[str, str]:
    if ref.dis is None:
        return {"_kind": "ref", "val": ref.val}
    return {"_kind": "ref", "val": ref.val, "dis": ref.dis}


def _write_datetime(when: datetime) -> dict[str, str]:
    val, _, name = datetime_text(when, " ", _SOURCE).partition(" ")
    return {"_kind": "dateTime", "val": val, "tz": name}


def _write_coord(coord: Coord) -> dict[str, Any]:
    lat, lng = coord_floats(coord, _SOURCE)
    return {"_kind": "coord", "lat": lat, "lng": lng}


_BY_TYPE: Final[dict[type, Callable[[Any], Any]]] = {
    type(None): lambda _: None,
    Marker: lambda _: {"_kind": "marker"},
    Remove: lambda _: {"_kind": "remove"},
    Na: lambda _: {"_kind": "na"},
    bool: lambda value: value,
    Number: _write_number,
    str: lambda value: value,
    Uri: lambda value: {"_kind": "uri", "val": value.val},
    Ref: _write_ref,
    Symbol: lambda value: {"_kind": "symbol", "val": value.val},
    date: lambda value: {"_kind": "date", "val": value.isoformat()},
    time: lambda value: {"_kind": "time", "val": time_text(value, _SOURCE)},
    datetime: _write_datetime,
    Coord: _write_coord,
    XStr: lambda value: {"_kind": "xstr", "type": value.type, "val": value.val},
    Bin: lambda value: {"_kind": "xstr", "type": "Bin", "val": value.mime},
}
