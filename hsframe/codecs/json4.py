"""JSON version 4, called Hayson (standard: chapter Json).

A value is JSON's own where JSON has it, else an object with ``_kind``. Numbers without unit are bare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from hsframe.codecs.json_common import (
    REMEMBERED,
    JsonCodec,
    Misfit,
    calendar_value,
    fitting,
    is_grid_shaped,
    json_number,
    plain_number,
    xstr_value,
)
from hsframe.codecs.value_writer import coord_floats, datetime_text, number_text, time_text
from hsframe.codecs.zinc_scalars import date_of, datetime_of, kept_unit, time_of
from hsframe.grid import Col, Grid
from hsframe.kinds import (
    ID,
    MARKER,
    NA,
    REMOVE,
    SYMBOL,
    TYPE,
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
from hsframe.options import Limits

_SOURCE: Final = "json v4"
_NUMBERS: Final = (int, float)  # bool is another class
_IS_ID, _IS_UNIT = ID.pattern.fullmatch, UNIT.pattern.fullmatch


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise Misfit(f"a {value['_kind']} without the text {name!r}", "a string", text).at(f".{name}")
    return text


def _read_number(value: dict[str, Any]) -> Number:
    val, unit = value.get("val"), value.get("unit")
    if unit is not None and unit.__class__ is not str:
        raise Misfit("the unit is not a text", "a string", unit).at(".unit")
    if val.__class__ in _NUMBERS:
        return unchecked_number(plain_number(val), kept_unit(unit) if unit and not _IS_UNIT(unit) else unit or None)
    if isinstance(val, str) and val in ("INF", "-INF", "NaN"):
        return Number(float(val))
    raise Misfit("a number without a val", 'a number, or "INF", "-INF", "NaN"', val).at(".val")


def _read_ref(value: dict[str, Any]) -> Ref:
    val, dis = value.get("val"), value.get("dis")
    if dis is not None and dis.__class__ is not str:
        raise Misfit("the display name is not a text", "a string", dis).at(".dis")
    if val.__class__ is str and _IS_ID(val):  # the usual case, without a call for each check
        return unchecked_ref(val, dis)
    return Ref(fitting(ID, _text(value, "val").removeprefix("@"), ".val"), dis)


def _read_datetime(value: dict[str, Any]) -> datetime:
    text, zone_name = _text(value, "val"), value.get("tz")
    if zone_name is not None and not isinstance(zone_name, str):
        raise Misfit("the zone is not a text", "a string", zone_name).at(".tz")
    # Some servers write the zone after the instant as well; `tz` takes precedence.
    instant, _, name = text.partition(" ")
    example = "2010-03-11T23:55:00-05:00"
    return calendar_value(lambda text: datetime_of(text, zone_name or name), instant, example, ".val")


def _read_coord(value: dict[str, Any]) -> Coord:
    degrees: list[float] = []
    for name in ("lat", "lng"):
        number: Any = value.get(name)
        if number.__class__ not in _NUMBERS or not math.isfinite(plain_number(number)):
            raise Misfit(f"a coord without {name}", "a finite number", number).at(f".{name}")
        degrees.append(float(number))
    return Coord(*degrees)


def _read_xstr(value: dict[str, Any]) -> XStr | Bin:
    type_name, val = fitting(TYPE, _text(value, "type"), ".type"), _text(value, "val")
    return xstr_value(type_name, val)


_BY_KIND: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "marker": lambda value: MARKER,
    "number": _read_number,
    "ref": _read_ref,
    "dateTime": _read_datetime,
    "symbol": lambda value: Symbol(fitting(SYMBOL, _text(value, "val"), ".val")),
    "uri": lambda value: Uri(_text(value, "val")),
    "date": lambda value: calendar_value(date_of, _text(value, "val"), "2010-03-13", ".val"),
    "time": lambda value: calendar_value(time_of, _text(value, "val"), "08:12:05", ".val"),
    "coord": _read_coord,
    "xstr": _read_xstr,
    "na": lambda value: NA,
    "remove": lambda value: REMOVE,
}


# The kinds that fill columns.
_LEAVES: Final = {kind: _BY_KIND[kind] for kind in ("marker", "number", "ref", "dateTime", "uri", "date")}
_KINDS: Final = {kind.lower(): kind for kind in (*_BY_KIND, "dict", "grid")}


def _kind_of(value: Mapping[str, Any]) -> Any:
    """What an object says that it is; older Hayson writes kinds with capitals: Marker, NA, XStr."""
    kind = value.get("_kind", "dict")
    return _KINDS.get(kind.lower(), kind) if isinstance(kind, str) else kind


def _write_number(number: Number) -> Any:
    text = number_text(number.val)
    if text in ("NaN", "INF", "-INF"):
        return {"_kind": "number", "val": text}
    val = json_number(text)
    return val if number.unit is None else {"_kind": "number", "val": val, "unit": UNIT.checked(number.unit, _SOURCE)}


def _write_ref(ref: Ref) -> dict[str, str]:
    written = {"_kind": "ref", "val": ID.checked(ref.val, _SOURCE)}
    return written if ref.dis is None else {**written, "dis": ref.dis}


def _write_datetime(when: datetime) -> dict[str, str]:
    val, _, name = datetime_text(when, _SOURCE).partition(" ")
    return {"_kind": "dateTime", "val": val, "tz": name}


def _write_coord(coord: Coord) -> dict[str, Any]:
    lat, lng = coord_floats(coord, _SOURCE)
    return {"_kind": "coord", "lat": lat, "lng": lng}


class Json4(JsonCodec):
    r"""Reads and writes version 4.

    >>> Json4().decode('{"_kind":"grid","cols":[{"name":"a"}],"rows":[{"a":{"_kind":"ref","val":"x"}}]}')[0]["a"]
    Ref('x')
    >>> Json4().read([72, {"_kind": "number", "val": 72.5, "unit": "°F"}, {"_kind": "marker"}], 0)
    [Number(72), Number(72.5, '°F'), MARKER]
    >>> Json4().cells_from([b'72,\n{"_kind":"marker"}', b'true'], [2, 1])
    [[Number(72), MARKER], [True]]
    >>> Json4().encode(Grid({}, ["a"], [[MARKER]])).decode()
    '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":{"_kind":"marker"}}]}'
    """

    source = _SOURCE
    example = '{"_kind": "grid", ...}'
    # What :meth:`leaf` makes.
    ready = frozenset({bool, type(MARKER), Ref, Number, datetime, Uri, date})
    grid_mark = {"_kind": "grid"}  # noqa: RUF012 - nobody changes it
    scalars = {  # noqa: RUF012
        type(None): lambda _: None,
        type(MARKER): lambda _: {"_kind": "marker"},
        type(REMOVE): lambda _: {"_kind": "remove"},
        type(NA): lambda _: {"_kind": "na"},
        bool: lambda value: value,
        Number: _write_number,
        str: str,
        Uri: lambda value: {"_kind": "uri", "val": value.val},
        Ref: _write_ref,
        Symbol: lambda value: {"_kind": "symbol", "val": SYMBOL.checked(value.val, _SOURCE)},
        date: lambda value: {"_kind": "date", "val": value.isoformat()},
        time: lambda value: {"_kind": "time", "val": time_text(value, _SOURCE)},
        datetime: _write_datetime,
        Coord: _write_coord,
        XStr: lambda value: {"_kind": "xstr", "type": TYPE.checked(value.type, _SOURCE), "val": value.val},
        Bin: lambda value: {"_kind": "xstr", "type": "Bin", "val": value.mime},
    }

    def __init__(self, limits: Limits = Limits()) -> None:
        super().__init__(limits)
        # A column of instants repeats itself, and their values are immutable.
        self._instants: dict[tuple[str, str], datetime] = {}

    def leaf(self, value: dict[str, Any]) -> Any:
        """The value of an object, made while the JSON is read.

        Only where it is valid: everything else stays an object, and :meth:`read`, which knows the path, refuses it.
        """
        kind = value.get("_kind")
        if kind.__class__ is not str or kind not in _LEAVES:
            return value
        try:
            return self._instant(value) if kind == "dateTime" else _LEAVES[kind](value)
        except Misfit:
            return value

    def _instant(self, value: dict[str, Any]) -> datetime:
        val, tz = value.get("val"), value.get("tz")
        if val.__class__ is not str or tz.__class__ is not str:
            return _read_datetime(value)
        instant = self._instants.get((val, tz))
        if instant is None:
            instant = _read_datetime(value)
            if len(self._instants) < REMEMBERED:
                self._instants[val, tz] = instant
        return instant

    def read_object(self, value: dict[str, Any], depth: int) -> Any:
        kind = _kind_of(value)
        if kind == "dict":
            return self.read_tags(value, depth + 1)
        if kind == "grid":
            return self.read_grid(value, depth + 1)
        read = _BY_KIND.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise Misfit("no such kind", "one of " + ", ".join(_KINDS.values()), kind).at("._kind")
        return read(value)

    def is_dict(self, value: Mapping[str, Any]) -> bool:
        return bool(_kind_of(value) == "dict")

    def read_tags(self, tags: dict[str, Any], depth: int) -> dict[str, Any]:
        """The tags of an object, also of the meta of a grid or a column, which may say that it is a dict."""
        kind = _kind_of(tags)
        if kind != "dict":
            raise Misfit("these are tags, and no value of another kind", '"_kind": "dict", or none', kind).at("._kind")
        tags.pop("_kind", None)
        return super().read_tags(tags, depth)

    def read_body(self, value: dict[str, Any]) -> Grid:
        kind = _kind_of(value) if "_kind" in value else "grid" if is_grid_shaped(value) else "dict"
        if kind == "dict":
            return self.read_row(value)
        if kind != "grid":
            raise Misfit("the body is not a grid", self.example, kind).at("._kind")
        return self.read_grid(value, 0)

    def read_cells(self, cells: list[Any]) -> list[Any] | None:
        return cells if _READY.issuperset(map(type, cells)) else None

    def col_tags(self, col: Mapping[str, Any]) -> Any:
        return col.get("meta", {})

    def write_col(self, col: Col, depth: int) -> dict[str, Any]:
        return {"name": col.name, "meta": self.tags_of(col.meta, depth)} if col.meta else {"name": col.name}


_READY: Final = Json4.ready | {str, type(None)}
