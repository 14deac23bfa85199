"""Jeto, the JSON of the Xeto HTTP API (protocol version 5): values both ways.

A body is a bare value and no grid around it. JSON has the Bools, the numbers and the texts; everything else is a text
too, and what it is says its *spec*: that of the column (``of``) or of the slot (`spec` of a dict, ``of`` of a grid), or
of a box around it. It is never guessed from the text.

======================  ====================  =======================================================
value                   spec                  text
======================  ====================  =======================================================
None                                          JSON's ``null``; no tag and no cell
Str                     sys::Str              the text, which needs no spec
Bool                    sys::Bool             JSON's ``true``; in a box ``"true"``
Number                  sys::Number           ``"72.5°F"``, ``"NaN"``, ``"INF"``, ``"-INF"``; without unit
                                              JSON's number, in a box ``"72.5"``
Date, Time              sys::Date, sys::Time  ``"2026-11-01"``, ``"08:12:05"``
DateTime                sys::DateTime         ``"2026-11-01T00:00:00-04:00 New_York"``, ``"...Z UTC"``
Uri                     sys::Uri              the uri as it is
Ref                     sys::Ref              the id without ``@``; a box may have a ``dis`` beside it
Marker, NA, Remove      sys::Marker, sys::NA, ``"✓"``, ``"NA"``, ``"∅"``
                        sys::None
Symbol                  ph::Symbol            the name without ``^``
Coord                   ph::Coord             ``"C(37.55,-77.45)"``
XStr of type Span       sys::Span             ``"today"``
other XStr, Bin         xstr::Type            the text; servers have no spec for them, so this one is ours
List                                          a list
Dict                                          an object; its tag ``spec``, a Ref, is written bare
Grid                    sys::Grid             ``{"spec":"sys::Grid","of","meta","cols":[{"name","of"}],"rows"}``
======================  ====================  =======================================================

A box is ``{"val":"72.5°F","spec":"sys::Number"}``. One of a spec that is not in the table stays a dict, with the Ref
`spec`, and is written (``auto``) as it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final, Literal, get_args

from hsframe.caller_warnings import DeferredWarnings
from hsframe.codecs.body_text import guarded
from hsframe.codecs.jeto_scalars import BOOL, BY_SPEC, NUMBERS, REF, SCALARS, SOURCE, STR, Scalar, text_reader
from hsframe.codecs.json_common import REMEMBERED, JsonCodec, Misfit, fitting, plain_number
from hsframe.codecs.value_writer import grid_tags, to_bytes
from hsframe.errors import CodecError
from hsframe.grid import Col, Grid, Value
from hsframe.kinds import ID, MARKER, NA, NAME, REMOVE, Bin, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.options import Limits

#: Which values are written in a box: those whose type nothing else says, all but lists, dicts and grids, or none.
Box = Literal["auto", "all", "none"]

_GRID: Final = "sys::Grid"
# The slots of the specs of the protocol itself that are neither Str nor Bool.
_SLOTS: Final[Mapping[str, Mapping[str, str]]] = {
    "sys.api::AboutInfo": {
        "serverTime": "sys::DateTime",
        "serverBootTime": "sys::DateTime",
        "productUri": "sys::Uri",
        "vendorUri": "sys::Uri",
    },
    "sys.api::OpInfo": {"noSideEffects": "sys::Marker"},
    "sys.api::FiletypeInfo": {"fileSpec": REF},
}


def decode_jeto(body: bytes | str, of: str = "", limits: Limits = Limits()) -> Value | None:
    """The value of a body, as bare as it came: a Grid, a dict, a list or a scalar; None for ``null``.

    Characters beyond U+FFFF may be two surrogates of three bytes each, and control characters may be unescaped: Haxall
    sends both.

    Parameters
    ----------
    body : bytes or str
        The whole body, in UTF-8.
    of : str
        The spec of a body that is a bare text: what the op declares to return.
    limits : Limits
        How much the body may hold.

    Raises
    ------
    CodecError
        The body is no JSON (with line and column), a value is none of its spec (with the path to it), or there is more
        than is allowed.

    Warns
    -----
    ZoneWarning, UnitWarning
        As :func:`hsframe.decode`.

    Examples
    --------
    >>> decode_jeto('{"id":{"val":"a","spec":"sys::Ref","dis":"A"},"spec":"ph::Site"}')
    {'id': Ref('a', 'A'), 'spec': Ref('ph::Site')}
    >>> decode_jeto('"72.5°F"'), decode_jeto('"72.5°F"', "sys::Number")
    ('72.5°F', Number(72.5, '°F'))
    """
    limits.check("answer_bytes", len(body), SOURCE, is_all=True)
    with DeferredWarnings(), guarded(body, SOURCE, limits):
        value: Value | None = Jeto(limits).value_of(body, of)
    return value


def encode_jeto(value: Value | Mapping[str, Any] | None, box: Box = "auto") -> bytes:
    """The value as a body, in UTF-8.

    Parameters
    ----------
    value : value of any kind, or None
        Plain numbers are Numbers.
    box : {"auto", "all", "none"}
        What is put into boxes. ``auto`` keeps everything: what no spec tells is in a box, and a column of one type
        says it once, in its ``of``. ``all`` keeps everything too. ``none`` loses types and the names of Refs.

    Raises
    ------
    CodecError
        A value or a name that Jeto cannot carry, or there is no such `box`.

    Examples
    --------
    >>> encode_jeto({"id": Ref("a"), "dis": "A", "area": Number(5, "m²")}, box="none").decode()
    '{"id":"a","dis":"A","area":"5m²"}'
    >>> encode_jeto({"n": 1}), encode_jeto(Grid({}, ["n"], [[1]]))
    (b'{"n":{"val":"1","spec":"sys::Number"}}', \
b'{"spec":"sys::Grid","cols":[{"name":"n","of":"sys::Number"}],"rows":[{"n":1}]}')
    """
    return Jeto(box=box).encode(value)


_OF_BOX: Final = frozenset({"val", "spec"})
_OF_REF: Final = _OF_BOX | {"dis"}


def _is_box(value: Mapping[str, Any]) -> bool:
    """Whether an object is a box: its `val` is bare and `spec` that of a scalar. Else it is a dict with such tags."""
    spec, kind = value.get("spec"), value.get("val").__class__
    if text_reader(spec) is None or not value.keys() <= (_OF_REF if spec == REF else _OF_BOX):
        return False
    return kind is str or (kind is bool and spec == BOOL) or (kind in (int, float) and spec in NUMBERS)


def _types(spec: Any) -> dict[str, str]:
    """The specs of the tags of a dict of a spec, by name, where they are known."""
    return {"spec": REF, **(_SLOTS.get(spec, {}) if isinstance(spec, str) else {})}


def _bare_spec(spec: Any) -> str | None:
    """The id of a `spec` or an `of` that can be written bare: a Ref without a name."""
    return spec.val if isinstance(spec, Ref) and spec.dis is None else None


def _spec_of_all(cells: list[Any]) -> str | None:
    """The one spec of the cells of a column that have no box for another reason; None where `of` would say nothing."""
    specs = {
        cell.spec if isinstance(cell, Scalar) and cell.spec in BY_SPEC else None
        for cell in cells
        if cell is not None and getattr(cell, "dis", None) is None
    }
    return specs.pop() if len(specs) == 1 and specs.isdisjoint((STR, BOOL)) else None


class Jeto(JsonCodec):
    r"""Reads and writes Jeto.

    >>> grid = Jeto().decode('{"spec":"sys::Grid","cols":[{"name":"a","of":"sys::Number"}],"rows":[{"a":"72.5°F"}]}')
    >>> grid[0]["a"]
    Number(72.5, '°F')
    >>> Jeto().decode('[1, "two", null]').column("val")
    [Number(1), 'two', None]
    >>> Jeto(box="all").write(["x", True, MARKER])
    [{'val': 'x', 'spec': 'sys::Str'}, {'val': 'true', 'spec': 'sys::Bool'}, {'val': '✓', 'spec': 'sys::Marker'}]
    """

    source = SOURCE
    strict = False
    example = '{"spec": "sys::Grid", ...}'
    ready = frozenset(
        {bool, Number, date, time, datetime, Uri, Ref, Symbol, Coord, XStr, Bin, *map(type, (MARKER, NA, REMOVE))}
    )
    scalars = SCALARS

    def __init__(self, limits: Limits = Limits(), box: Box = "auto") -> None:
        super().__init__(limits)
        if box not in get_args(Box):
            raise CodecError(f"{box!r} is no way to box", expected=" or ".join(get_args(Box)), source=SOURCE)
        self._box = box
        # Columns repeat themselves, and the values of texts are immutable.
        self._texts: dict[tuple[str, str], Any] = {}

    # ---- reading

    def value_of(self, body: bytes | str, of: str = "") -> Any:
        """See :func:`decode_jeto`."""
        value = self.load(body)
        try:
            return self._typed(value, of) if value.__class__ is str and text_reader(of) else self.read(value, -1)
        except Misfit as misfit:
            raise misfit.error(SOURCE) from None

    def grid_from(self, value: Any) -> Grid:
        """The grid that servers make of a value for other formats: of a scalar, one cell `val`."""
        if value is None:
            return Grid({}, ["empty"], [[]])
        return super().grid_from(value if isinstance(value, list | dict) else [value])

    def grid_of_items(self, items: list[Any]) -> Grid:
        return Grid({}, ["val"], [items])

    def _grid_of_records(self, rows: list[dict[str, Any]]) -> Grid:
        for index, row in enumerate(rows):
            self._type_tags(row, _types(row.get("spec")), f"[{index}]")
        return super()._grid_of_records(rows)

    def read_object(self, value: dict[str, Any], depth: int) -> Any:
        if value.get("spec") == _GRID:
            return self.read_grid(value, depth + 1)
        return self._unboxed(value) if _is_box(value) else self.read_tags(value, depth + 1)

    def is_dict(self, value: Mapping[str, Any]) -> bool:
        return value.get("spec") != _GRID and not _is_box(value)

    def read_body(self, value: dict[str, Any]) -> Grid:
        if value.get("spec") == _GRID:
            return self.read_grid(value, 0)
        return self.grid_of_items([self._unboxed(value)]) if _is_box(value) else self.read_row(value)

    def _unboxed(self, value: dict[str, Any]) -> Any:
        val, dis = value["val"], value.get("dis")
        if val.__class__ is not str:
            return val if val.__class__ is bool else Number(plain_number(val))
        if dis is not None and dis.__class__ is not str:
            raise Misfit("the display name is not a text", "a string", dis).at(".dis")
        try:
            made = self._typed(val, value["spec"])
        except Misfit as misfit:
            raise misfit.at(".val") from None
        return made if dis is None else Ref(made.val, dis)

    def _typed(self, text: str, spec: str) -> Any:
        key = spec, text
        if key not in self._texts:
            read = text_reader(spec)
            assert read is not None
            if len(self._texts) >= REMEMBERED:
                return read(text)
            self._texts[key] = read(text)
        return self._texts[key]

    def _type_tags(self, tags: dict[str, Any], types: Mapping[str, str], at: str = "") -> None:
        """Put values into the place of the bare texts of tags whose specs are known."""
        for name, text in tags.items():  # of a grid there may be a hundred thousand types, and as many empty rows
            if text.__class__ is str and (spec := types.get(name)) is not None:
                try:
                    tags[name] = self._typed(text, spec)
                except Misfit as misfit:
                    raise misfit.at(f"{at}.{name}") from None

    def read_tags(self, tags: dict[str, Any], depth: int) -> dict[str, Any]:
        self._type_tags(tags, _types(tags.get("spec")))
        return super().read_tags(tags, depth)

    def read_grid(self, value: Mapping[str, Any], depth: int) -> Grid:
        of, meta, cols, rows = value.get("of"), value.get("meta", {}), value.get("cols"), value.get("rows")
        if of is not None and isinstance(meta, dict):
            value = {**value, "meta": {**meta, "of": _read_of(of)}}
        types = _types(of)
        for col in cols if isinstance(cols, list) else ():
            if isinstance(col, dict) and isinstance(col.get("name"), str) and text_reader(col.get("of")):
                types[col["name"]] = col["of"]
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, dict):
                self._type_tags(row, types, f".rows[{index}]")
        return super().read_grid(value, depth)

    def read_cells(self, cells: list[Any]) -> list[Any] | None:
        return None

    def col_tags(self, col: Mapping[str, Any]) -> Any:
        meta, of = col.get("meta", {}), col.get("of")
        return meta if of is None or text_reader(of) or not isinstance(meta, dict) else {**meta, "of": _read_of(of)}

    # ---- writing

    def encode(self, value: Any) -> bytes:
        """See :func:`encode_jeto`."""
        text = json.dumps(self.write(value, -1), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return to_bytes(text, SOURCE)

    def write(self, value: Any, depth: int = 0, of: str | None = None) -> Any:
        """What JSON has of a value at a place whose spec is `of`, where it is known."""
        return self._boxed(super().write(value, depth), of)

    def _boxed(self, written: Any, of: str | None) -> Any:
        if not isinstance(written, Scalar):
            return written
        spec, bare, text, dis = written
        if self._box == "auto" and (of is None or spec == BOOL):
            of = BOOL if spec == BOOL else STR
        if self._box == "none" or (spec == of and dis is None):
            return bare
        return {"val": text, "spec": spec} if dis is None else {"val": text, "spec": spec, "dis": dis}

    def _types(self, spec: str | None) -> dict[str, str]:
        return _types(spec if self._box == "auto" else None)

    def tags_of(self, tags: Mapping[str, Any], depth: int) -> dict[str, Any]:
        types = self._types(_bare_spec(tags.get("spec")))
        return {NAME.checked(name, SOURCE): self.write(tag, depth, types.get(name)) for name, tag in tags.items()}

    def dict_of(self, tags: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """A dict that does not look like a grid or a box: there its `spec` is in a box."""
        written = self.tags_of(tags, depth)
        if self._box != "none" and not self.is_dict(written):
            written["spec"] = {"val": written["spec"], "spec": REF}
        return written

    def write_col(self, col: Col, depth: int) -> dict[str, Any]:
        written, meta = {"name": NAME.checked(col.name, SOURCE)}, dict(col.meta)
        # That of a scalar would be taken for the type of the cells, and is no tag then.
        if (of := _bare_spec(meta.get("of"))) and not text_reader(of):
            written["of"] = ID.checked(of, SOURCE)
            del meta["of"]
        return written | {"meta": self.tags_of(meta, depth)} if meta else written

    def grid_of(self, grid: Grid, depth: int) -> dict[str, Any]:
        written: dict[str, Any] = {"spec": _GRID}
        meta, of = grid_tags(grid), _bare_spec(grid.meta.get("of"))
        if of:
            written["of"] = ID.checked(of, SOURCE)
            del meta["of"]
        if meta:
            written["meta"] = self.tags_of(meta, depth)
        types = self._types(of)
        cols, columns = [], []
        for col, column in zip(grid.cols, grid.columns, strict=True):
            head, cells = self.write_col(col, depth), [super(Jeto, self).write(cell, depth) for cell in column]
            is_untyped = self._box == "auto" and "of" not in head and col.name not in types
            if is_untyped and (spec := _spec_of_all(cells)):
                head["of"] = types[col.name] = spec
            cols.append(head)
            columns.append([self._boxed(cell, types.get(col.name)) for cell in cells])
        names = grid.col_names
        written["cols"] = cols or [{"name": "empty"}]
        written["rows"] = [
            {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
            for row in zip(*columns, strict=True)
        ]
        return written


def _read_of(of: Any) -> Ref:
    if not isinstance(of, str):
        raise Misfit("the spec is not a text", "the name of a spec", of).at(".of")
    return Ref(fitting(ID, of, ".of"))
