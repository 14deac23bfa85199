"""JSON as both versions share it: text to lists and dicts, which version a body is, and the path to what is wrong."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from hsframe.codecs.positions import MAX_DEPTH, error_at, excerpt, text_of, too_deep, without_lone_surrogates
from hsframe.errors import CodecError, MetadataError
from hsframe.grid import Col, Grid

__all__ = [
    "Misfit",
    "check_depth",
    "dump",
    "has_kinds",
    "load",
    "load_cells",
    "one_row",
    "read_each",
    "read_grid",
    "read_list",
    "read_tags",
]

# json.loads makes lone surrogates of lone escapes; only a body that has such an escape is searched for them.
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_MISSING: Final = object()

#: A value of JSON and how deep it stands, to a value of Haystack; what does not fit raises :class:`Misfit`.
Reading = Callable[[Any, int], Any]
#: The same for the cells of the column of a name, None among them.
ReadingCells = Callable[[list[Any], str, int], list[Any]]


class Misfit(Exception):
    """A value of JSON that is none of Haystack; the path to it grows while the exception passes the containers."""

    def __init__(self, problem: str, expected: str, value: Any = _MISSING) -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        # A list or an object may be as long as the body.
        self.snippet = (
            "" if value is _MISSING or isinstance(value, list | dict) else json.dumps(value, default=repr)[:60]
        )
        self.parts: list[str] = []

    def at(self, part: str) -> Misfit:
        """The same, one container further out."""
        self.parts.append(part)
        return self

    def error(self, source: str) -> CodecError:
        """The error for the reader of the message, with the whole path."""
        path = "".join(reversed(self.parts)).lstrip(".")
        problem = f"{path}: {self.problem}" if path else self.problem
        return CodecError(problem, snippet=self.snippet, expected=self.expected, source=source)


def load(
    body: bytes | str,
    source: str,
    *,
    leaf_of: Callable[[dict[str, Any]], Any] | None = None,
) -> Any:
    """The lists and dicts of a JSON text.

    Parameters
    ----------
    body : bytes or str
        The text.
    source : str
        The format, for the message of an error.
    leaf_of : callable, optional
        Called with each object as soon as it is read; what it gives stands in the object's place. It saves keeping
        a million objects that are one value each. Not called where the text has escaped surrogates, which must be
        joined first: whoever reads the result must understand objects and leaves.

    Raises
    ------
    CodecError
        The text is not JSON; the error says line and column. Python's ``NaN`` and ``Infinity`` are no JSON.
    """
    text = text_of(body, source)
    escaped = _SURROGATE_ESCAPE.search(text) is not None
    try:
        try:
            value = json.loads(text, parse_constant=_no_constant, object_hook=None if escaped else leaf_of)
        except ValueError as error:
            if isinstance(error, json.JSONDecodeError | _NoConstantError):
                raise
            # Python refuses to make an int of thousands of digits; as a float it is what the standard has anyway.
            value = json.loads(text, parse_constant=_no_constant, parse_int=float)
    except json.JSONDecodeError as error:
        problem = "the text ends here" if error.pos >= len(text.rstrip()) else f"no JSON: {error.msg}"
        raise error_at(text, error.pos, problem, "a grid as a JSON object", source) from None
    except _NoConstantError as error:
        raise CodecError(f"{error} is no JSON", expected=f'"{error}" in quotes, as a number', source=source) from None
    except RecursionError:
        raise CodecError(too_deep(), snippet=excerpt(text, 0), expected=f"at most {MAX_DEPTH}", source=source) from None
    return _joined(value, 0, source) if escaped else value


def load_cells(
    joined: Sequence[bytes],
    counts: Sequence[int],
    source: str,
    *,
    leaf_of: Callable[[dict[str, Any]], Any] | None = None,
) -> list[list[Any]]:
    """The lists and dicts of many texts of one cell each, column by column.

    Parameters
    ----------
    joined : sequence of bytes
        For each column the texts of its cells, a comma and a line end between two of them. No text may hold two
        values beside each other.
    counts : sequence of int
        For each column how many texts there are.
    source, leaf_of
        See :func:`load`.

    Raises
    ------
    CodecError
        A text is not one whole value of JSON.
    """
    # A string cannot reach over a line end, so none reaches from text to text; and as many values as texts are one
    # value each.
    values = load(b"[" + b",\n".join(joined) + b"\n]", source, leaf_of=leaf_of)
    if len(values) != sum(counts):
        raise CodecError("a text is not one whole value", expected="a value of JSON", source=source)
    ends = itertools.accumulate(counts)
    return [values[end - count : end] for end, count in zip(ends, counts, strict=True)]


class _NoConstantError(ValueError):
    pass


def _no_constant(name: str) -> NoReturn:
    raise _NoConstantError(name)


def _joined(value: Any, depth: int, source: str) -> Any:
    """The value with no lone surrogate in any of its texts."""
    if isinstance(value, str):
        return without_lone_surrogates(value)
    if depth > 2 * MAX_DEPTH + 8:  # a grid is three levels of JSON; readers of the values count exactly
        raise CodecError(too_deep(), expected=f"at most {MAX_DEPTH}", source=source)
    if isinstance(value, list):
        return [_joined(item, depth + 1, source) for item in value]
    if isinstance(value, dict):
        return {without_lone_surrogates(key): _joined(item, depth + 1, source) for key, item in value.items()}
    return value


def has_kinds(body: bytes | str) -> bool:
    """Whether a JSON text has a key ``_kind``, which only version 4 has; every grid of version 4 has it.

    A quote within a string is escaped, so this is no part of a text.
    """
    return ('"_kind"' in body) if isinstance(body, str) else (b'"_kind"' in body)


def one_row(tags: Mapping[str, Any], read: Reading) -> Grid:
    """A bare dict as a grid of one row: so nHaystack answers ``about``."""
    return Grid({}, list(tags), [[value] for value in read_tags(tags, read, 0).values()])


def read_list(values: list[Any], read: Reading, depth: int) -> list[Any]:
    """The items of a list that stands at a depth."""
    check_depth(depth)
    items = []
    for index, value in enumerate(values):
        try:
            items.append(read(value, depth))
        except Misfit as misfit:
            raise misfit.at(f"[{index}]") from None
    return items


def read_tags(tags: Mapping[str, Any], read: Reading, depth: int, but: str = "") -> dict[str, Any]:
    """The tags of an object, without the one called `but`."""
    check_depth(depth)
    values = {}
    for name, value in tags.items():
        if name != but:
            try:
                values[name] = read(value, depth)
            except Misfit as misfit:
                raise misfit.at(f".{name}") from None
    return values


def check_depth(depth: int) -> None:
    """Refuse what nests too deep."""
    if depth > MAX_DEPTH:
        raise Misfit(too_deep(), f"at most {MAX_DEPTH}")


def read_grid(
    value: Mapping[str, Any],
    read: Reading,
    read_cells: ReadingCells,
    col_meta: Callable[[Mapping[str, Any]], Any],
    depth: int,
) -> Grid:
    """The grid of an object with ``cols`` and ``rows``.

    Parameters
    ----------
    value : mapping
        The object.
    read : callable
        A value of JSON and its depth, to a value.
    read_cells : callable
        The same for all cells of a column; it may be quicker, and must give the same.
    col_meta : callable
        The tags, still as JSON, of a column's object.
    depth : int
        How deep the grid stands.
    """
    check_depth(depth)
    raw_meta, raw_cols, rows = value.get("meta", {}), value.get("cols"), value.get("rows", [])
    if not isinstance(raw_cols, list):
        raise Misfit("a grid without a list of columns", '"cols": [{"name": ...}]', raw_cols).at(".cols")
    if not isinstance(rows, list):
        raise Misfit("the rows are no list", '"rows": [{...}]', rows).at(".rows")
    if not isinstance(raw_meta, dict):
        raise Misfit("the meta is no object", '"meta": {"ver": "3.0"}', raw_meta).at(".meta")
    try:
        meta = read_tags(raw_meta, read, depth, but="ver")
    except Misfit as misfit:
        raise misfit.at(".meta") from None
    cols = []
    for index, raw_col in enumerate(raw_cols):
        try:
            cols.append(_read_col(raw_col, read, col_meta, depth))
        except Misfit as misfit:
            raise misfit.at(f".cols[{index}]") from None
    names = {col.name for col in cols}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Misfit("a row that is no object", '{"id": ...}', row).at(f".rows[{index}]")
        if not names.issuperset(row):
            stray = next(name for name in row if name not in names)
            # Version 4 lets an object say that it is a dict.
            if row.keys() - names != {"_kind"} or row["_kind"] != "dict":
                raise Misfit("a cell without a column", f"a column called {stray!r}").at(f".rows[{index}].{stray}")
    columns = [read_cells([row.get(col.name) for row in rows], col.name, depth) for col in cols]
    try:
        return Grid(meta, cols, columns)
    except MetadataError as error:
        raise Misfit(str(error), "columns of different names").at(".cols") from None


def _read_col(col: Any, read: Reading, col_meta: Callable[[Mapping[str, Any]], Any], depth: int) -> Col:
    if not isinstance(col, dict) or not isinstance(col.get("name"), str):
        raise Misfit("a column without a name", '{"name": "..."}', col)
    meta = col_meta(col)
    if not isinstance(meta, dict):
        raise Misfit("the meta is no object", '"meta": {"unit": ...}', meta).at(".meta")
    return Col(col["name"], read_tags(meta, read, depth))


def read_each(cells: list[Any], name: str, read: Reading, depth: int) -> list[Any]:
    """The cells of the column of a name, one by one."""
    values: list[Any] = []
    try:
        for cell in cells:
            values.append(read(cell, depth))  # noqa: PERF401 - the length says which row was wrong
    except Misfit as misfit:
        raise misfit.at(f".{name}").at(f".rows[{len(values)}]") from None
    return values


def dump(value: Any, source: str) -> bytes:
    """The JSON text of lists and dicts, in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CodecError(
            f"the character U+{ord(text[error.start]):04X} is half of a surrogate pair, which UTF-8 cannot carry",
            snippet=ascii(text[max(0, error.start - 20) : error.start + 4])[1:-1],
            expected="text of whole characters; take the lone half out of it",
            source=source,
        ) from None
