"""What versions 3 and 4 of JSON and Jeto share, both ways: lists, dicts, grids, the path to what is wrong.

Each (:mod:`~hsframe.codecs.json3`, :mod:`~hsframe.codecs.json4`, :mod:`~hsframe.codecs.jeto`) says how its scalars
look, and which objects are grids.
"""

from __future__ import annotations

import abc
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Sized
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from hsframe.codecs.body_text import SCALAR_BYTES, check_objects, text_of, too_deep
from hsframe.codecs.json_text import load_json
from hsframe.codecs.value_writer import ValueWriter, grid_tags, to_bytes
from hsframe.codecs.zinc_scalars import coord_of, datetime_of
from hsframe.errors import CodecError, MetadataError, in_short
from hsframe.grid import Col, Grid
from hsframe.kinds import MAX_EXACT_INT, NAME, Bin, Coord, Number, TextRule, XStr
from hsframe.options import Limits

#: How many different texts are remembered; with more, a column hardly repeats itself.
REMEMBERED: Final = 100_000

_NO_VALUE: Final = object()
_COORD = re.compile(r"\s*([^,\s]+)\s*,\s*([^,\s]+)\s*")
# Where fewer cells than one of so many have a value, the values are put into their columns one by one.
_SPARSE: Final = 8
_CELL_BYTES: Final = 9
_T = TypeVar("_T")


class Misfit(Exception):
    """A JSON value that is not a Haystack value; each container that the exception leaves adds to the path."""

    def __init__(self, problem: str, expected: str, value: Any = _NO_VALUE, *, limit: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.limit = limit
        # A list or an object may be as long as the body.
        is_short = value is not _NO_VALUE and not isinstance(value, list | dict)
        self.snippet = json.dumps(value, default=repr)[:60] if is_short else ""
        self.parts: list[str] = []

    def at(self, part: str) -> Misfit:
        """The same, one container further out."""
        self.parts.append(part)
        return self

    def error(self, source: str) -> CodecError:
        path = "".join(reversed(self.parts)).lstrip(".")
        problem = f"{path}: {self.problem}" if path else self.problem
        return CodecError(problem, snippet=self.snippet, expected=self.expected, source=source, limit=self.limit)


class JsonCodec(ValueWriter[Any]):
    """Reads and writes JSON of one version.

    It remembers the scalars that it read, because columns repeat themselves: make one for each text.
    """

    #: Types of JSON values that need no reading.
    ready: ClassVar[frozenset[type]] = frozenset({bool})
    #: What a body looks like, for the message of an error.
    example: ClassVar[str]
    #: Whether control characters in a text must be escaped, as JSON has it.
    strict: ClassVar[bool] = True
    #: What a written grid has besides meta, cols and rows.
    grid_mark: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._cells_read = 0
        self._bytes = 0  # of memory, without the columns

    # ---- what differs between the versions

    def read_text(self, text: str) -> Any:
        return text

    @abc.abstractmethod
    def read_object(self, value: dict[str, Any], depth: int) -> Any:
        """The value of an object at a depth."""

    @abc.abstractmethod
    def is_dict(self, value: Mapping[str, Any]) -> bool:
        """Whether an object is a dict, and no grid nor another value."""

    @abc.abstractmethod
    def read_body(self, value: dict[str, Any]) -> Grid:
        """The grid of a whole body; a bare dict is a grid of one row."""

    @abc.abstractmethod
    def read_cells(self, cells: list[Any]) -> list[Any] | None:
        """The values of a column's cells, None among them; None where they must be read one by one."""

    @abc.abstractmethod
    def col_tags(self, col: Mapping[str, Any]) -> Any:
        """The tags, still as JSON, of a column's object."""

    @abc.abstractmethod
    def write_col(self, col: Col, depth: int) -> dict[str, Any]:
        """The object of a column."""

    def decode(self, body: bytes | str) -> Grid:
        """The grid of a text: of a grid object, or of a bare dict, which is a grid of one row.

        CodecError where it is not JSON (with line and column), or not a grid (with the path to what is wrong).
        """
        return self.grid_from(self.load(body))

    def load(self, body: bytes | str, beside: int = 0) -> Any:
        """The lists and dicts of a JSON text; so many bytes of memory are taken `beside` them.

        What :meth:`leaf` makes of an object takes its place as soon as it is read: it saves keeping a million objects
        that are one value each.

        CodecError, with line and column, where the text is not JSON (Python's ``NaN`` and ``Infinity`` are not), or
        where an object has a key twice: one of the values would be lost. Or where the text would take too much memory:
        the library makes all its objects before any of them can be looked at.
        """
        text = text_of(body, self.source)
        self._bytes = check_objects(text, self.source, self.limits, beside)
        return load_json(text, self.source, self.limits, self._object, strict=self.strict)

    def leaf(self, value: dict[str, Any]) -> Any:
        """The scalar value that an object is, where the version has such objects; else the object."""
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> Any:
        value = dict(pairs)
        if len(value) != len(pairs):
            names = [name for name, _ in pairs]
            twice = Counter(names).most_common(1)[0][0]
            problem = f"{twice!r} stands twice in one object"
            raise CodecError(problem, snippet=json.dumps(names)[:60], expected="each key once", source=self.source)
        leaf = self.leaf(value)
        if leaf is value and "_kind" in value:  # which was counted as a scalar value
            self._bytes += SCALAR_BYTES
            self.limits.check_memory(self._bytes, self.source)
        return leaf

    def grid_from(self, value: Any) -> Grid:
        """The grid of what ``json.loads`` gives; see :meth:`decode`."""
        try:
            if isinstance(value, list):
                return self._grid_of_list(value)
            if not isinstance(value, dict):
                raise Misfit("the body is not an object", self.example, value)
            return self.read_body(value)
        except Misfit as misfit:
            raise misfit.error(self.source) from None

    def _grid_of_list(self, values: list[Any]) -> Grid:
        """The grid that the reference server makes of a list: of records a row each, of grids a column of them."""
        if values and all(isinstance(value, dict) and self.is_dict(value) for value in values):
            return self._grid_of_records(values)
        items = self._items(values, -1)
        if len(items) == 1 and isinstance(items[0], Grid):
            return items[0]
        if items and all(isinstance(item, Grid) for item in items):
            return Grid({}, ["val"], [items])
        return self.grid_of_items(items)

    def grid_of_items(self, items: list[Any]) -> Grid:
        """The grid of a body that is a list of other values."""
        raise Misfit("the body is not an object, nor a list of records or grids", self.example)

    def _grid_of_records(self, rows: list[dict[str, Any]]) -> Grid:
        """Column by column: a second dict of each record would take as much memory as the first."""
        first: dict[str, int] = {}
        for index, row in enumerate(rows):
            row.pop("_kind", None)  # it is a dict
            for name in row:
                first.setdefault(name, index)
        self._count(first, len(rows))
        try:
            names = [fitting(NAME, name, f".rows[{index}]") for name, index in first.items()]
            return Grid({}, names, self._columns(names, rows, 0))
        except Misfit as misfit:
            misfit.parts[-1] = misfit.parts[-1].removeprefix(".rows")
            raise

    def cells_from(self, joined: Sequence[bytes], counts: Sequence[int], beside: int = 0) -> list[list[Any]]:
        """The values of many texts of one cell each, column by column.

        `joined` has for each column the texts of its cells, a comma and a line end between two of them, `counts` how
        many there are; so many bytes of memory are taken `beside` them. No text may hold two values beside each other.
        CodecError where a text is not one whole value.
        """
        # A string cannot contain a line end, so none spans two texts; and where there are as many values as texts,
        # each text is one value.
        values = self.load(b"[" + b",\n".join(joined) + b"\n]", beside)
        if len(values) != sum(counts):
            raise CodecError("a text is not one whole value", expected="a value of JSON", source=self.source)
        ends = itertools.accumulate(counts)
        try:
            return [self._cells(values[end - count : end], "", 0) for end, count in zip(ends, counts, strict=True)]
        except Misfit as misfit:
            raise misfit.error(self.source) from None

    def read(self, value: Any, depth: int) -> Any:
        """The value of JSON at a depth of nesting; what is not a value raises :class:`Misfit`."""
        kind = value.__class__
        if kind is str:
            return self.read_text(value)
        if value is None or kind in self.ready:
            return value
        if kind is dict:
            return self.read_object(value, depth)
        if kind is list:
            return self._items(value, depth + 1)
        if kind is int or kind is float:
            return Number(plain_number(value))
        raise Misfit(f"{kind.__name__} is not a type of JSON", "what json.loads gives")

    def _items(self, values: list[Any], depth: int) -> list[Any]:
        self._check_depth(depth)
        return _each(partial(self.read, depth=depth), values, "[{}]")

    def _check_depth(self, depth: int) -> None:
        if depth > self.limits.nesting:
            raise Misfit(**too_deep(self.limits))

    def _count(self, columns: Sized, rows: int) -> None:
        """Check the size of one grid before its columns are made; the cells of grids within it count too."""
        self.limits.check("columns", len(columns), self.source)
        self._cells_read += len(columns) * rows
        self.limits.check("cells", self._cells_read, self.source)
        self.limits.check_memory(self._bytes + _CELL_BYTES * self._cells_read, self.source)

    def read_tags(self, tags: dict[str, Any], depth: int) -> dict[str, Any]:
        """The values of tags, each in the place of what was read."""
        self._check_depth(depth)
        for name, value in tags.items():
            fitting(NAME, name)
            try:
                tags[name] = self.read(value, depth)
            except Misfit as misfit:
                raise misfit.at(f".{name}") from None
        return tags

    def read_row(self, tags: dict[str, Any]) -> Grid:
        """A bare dict as a grid of one row: so nHaystack answers ``about``."""
        self._count(tags, 1)
        values = self.read_tags(tags, 0)
        return Grid({}, list(values), [[value] for value in values.values()])

    def read_grid(self, value: Mapping[str, Any], depth: int) -> Grid:
        self._check_depth(depth)
        raw_meta, raw_cols, rows = value.get("meta", {}), value.get("cols"), value.get("rows", [])
        if not isinstance(raw_cols, list):
            raise Misfit("a grid without a list of columns", '"cols": [{"name": ...}]', raw_cols).at(".cols")
        if not isinstance(rows, list):
            raise Misfit("the rows are not a list", '"rows": [{...}]', rows).at(".rows")
        if not isinstance(raw_meta, dict):
            raise Misfit("the meta is not an object", '"meta": {"ver": "3.0"}', raw_meta).at(".meta")
        try:
            meta = self.read_tags(raw_meta, depth)
        except Misfit as misfit:
            raise misfit.at(".meta") from None
        meta.pop("ver", None)
        self._count(raw_cols, len(rows))
        cols = _each(partial(self._read_col, depth=depth), raw_cols, ".cols[{}]")
        names = {col.name for col in cols}
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise Misfit("a row that is not an object", '{"id": ...}', row).at(f".rows[{index}]")
            if not names.issuperset(row):
                stray = next(name for name in row if name not in names)
                # Version 4 lets an object say that it is a dict.
                if row.keys() - names != {"_kind"} or str(row["_kind"]).lower() != "dict":
                    raise Misfit("a cell without a column", f"a column called {in_short(repr(stray))}").at(
                        f".rows[{index}].{stray}"
                    )
        columns = self._columns([col.name for col in cols], rows, depth)
        try:
            return Grid(meta, cols, columns)
        except MetadataError as error:
            raise Misfit(str(error), "columns of different names").at(".cols") from None

    def _read_col(self, col: Any, depth: int) -> Col:
        if not isinstance(col, dict) or not isinstance(col.get("name"), str) or not col["name"]:
            raise Misfit("a column without a name", '{"name": "..."}', col)
        meta = self.col_tags(col)
        if not isinstance(meta, dict):
            raise Misfit("the meta is not an object", '"meta": {"unit": ...}', meta).at(".meta")
        return Col(fitting(NAME, col["name"]), self.read_tags(meta, depth))

    def _columns(self, names: Sequence[str], rows: Sequence[Mapping[str, Any]], depth: int) -> list[Sequence[Any]]:
        if _SPARSE * sum(map(len, rows)) >= len(names) * len(rows):
            return [self._cells([row.get(name) for row in rows], name, depth) for name in names]
        # An empty cell takes no time of its own: it has no bytes.
        there: defaultdict[str, dict[int, Any]] = defaultdict(dict)
        for index, row in enumerate(rows):
            for name, value in row.items():
                there[name][index] = value
        empty = (None,) * len(rows)
        columns: list[Sequence[Any]] = []
        for name in names:
            columns.append(empty)
            if name in there:
                columns[-1] = column = list(empty)
                places = list(there[name])
                read = self._cells([*there[name].values()], name, depth, places)
                for index, value in zip(places, read, strict=True):
                    column[index] = value
        return columns

    def _cells(self, cells: list[Any], name: str, depth: int, places: Sequence[int] | None = None) -> list[Any]:
        read = self.read_cells(cells)
        if read is None:
            return _each(partial(self.read, depth=depth), cells, f".rows[{{}}].{name}", places)
        return read

    def encode(self, grid: Grid) -> bytes:
        """The grid as a text in UTF-8; plain ints and floats are written as numbers without unit.

        CodecError for a value that the format cannot write: a naive datetime, an object of another type.
        """
        text = json.dumps(self.grid_of(grid, 0), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return to_bytes(text, self.source)

    def grid_of(self, grid: Grid, depth: int) -> dict[str, Any]:
        names = [NAME.checked(name, self.source) for name in grid.col_names]
        columns = [[self.write(cell, depth) for cell in column] for column in grid.columns]
        return {
            **self.grid_mark,
            "meta": {"ver": "3.0", **self.tags_of(grid_tags(grid), depth)},
            "cols": [self.write_col(col, depth) for col in grid.cols] or [{"name": "empty"}],
            "rows": [
                {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
                for row in zip(*columns, strict=True)
            ],
        }

    def tags_of(self, tags: Mapping[str, Any], depth: int) -> dict[str, Any]:
        return {NAME.checked(name, self.source): self.write(value, depth) for name, value in tags.items()}

    def dict_of(self, tags: Mapping[str, Any], depth: int) -> dict[str, Any]:
        return self.tags_of(tags, depth)

    def list_of(self, items: list[Any]) -> list[Any]:
        return items


def _each(read: Callable[[Any], Any], values: list[Any], path: str, places: Sequence[int] | None = None) -> list[Any]:
    """The values, each replaced by what is read of it: together they would take twice the memory.

    `path` is the path to one of them, with ``{}`` for its place.
    """
    place = 0
    try:
        for place, value in enumerate(values):
            values[place] = read(value)
    except Misfit as misfit:
        raise misfit.at(path.format(place if places is None else places[place])) from None
    return values


def is_grid_shaped(body: Mapping[str, Any]) -> bool:
    """Whether a body is a grid and no bare dict; one that lacks its columns is a grid that is wrong."""
    meta = body.get("meta")
    return "cols" in body or isinstance(body.get("rows"), list) or (isinstance(meta, dict) and "ver" in meta)


def fitting(rule: TextRule, text: str, at: str = "") -> str:
    if (problem := rule.problem(text)) is not None:
        raise Misfit(problem, rule.expected).at(at)
    return text


def plain_number(value: float) -> float:
    """A number of JSON: an int where it is one below 2**53, else the double, which may be infinite."""
    if -MAX_EXACT_INT < value < MAX_EXACT_INT:
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def json_number(text: str) -> float:
    """What JSON has of a finite number: an int where its text is integral."""
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def coord_value(degrees: str, text: str, example: str) -> Coord:
    """The Coord of ``37.55,-77.45``, which stands in a text."""
    match = _COORD.fullmatch(degrees)
    coord = None if match is None else coord_of(match[1], match[2])
    if coord is None:
        raise Misfit("not a coordinate", f"a text like {example}", text)
    return coord


def datetime_value(text: str, example: str) -> datetime:
    """The DateTime of ``2010-03-11T23:55:00-05:00 New_York``."""
    instant, _, name = text.partition(" ")
    return calendar_value(lambda _: datetime_of(instant, name), text, example)


def xstr_value(type_name: str, val: str) -> XStr | Bin:
    return Bin(val) if type_name == "Bin" else XStr(type_name, val)


def calendar_value(of: Callable[[str], _T | None], text: str, example: str, text_at: str = "") -> _T:
    """The date or time of a text; `text_at` is the path to the text."""
    try:
        value = of(text)
    except (ValueError, OverflowError) as error:
        raise Misfit(f"not in the calendar ({error})", f"a text like {example}", text).at(text_at) from None
    if value is None:
        raise Misfit("not a date or time", f"a text like {example}", text).at(text_at)
    return value
