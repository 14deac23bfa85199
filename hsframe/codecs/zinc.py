"""Zinc: text to Grid (standard: chapter Zinc).

Above each method is the production of the grammar that it implements. Scalars are in
:mod:`hsframe.codecs.zinc_scalars`, writing is in :mod:`hsframe.codecs.zinc_write`.

Most rows need not be parsed by the grammar. The line is split at commas, and each piece is looked up in
:class:`~hsframe.codecs.zinc_scalars.Cells`. Where the pieces joined by commas are the line again, and each is one whole
scalar, the result is what the grammar gives: no scalar goes on after a comma outside of its quotes or parentheses. All
other rows are parsed by the grammar, and so every error comes from there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final

from hsframe.codecs.body_text import error_at, text_of, too_deep
from hsframe.codecs.zinc_ends import bracket_end
from hsframe.codecs.zinc_scalars import Cells, scalar_bytes, scan_number_of_cell, scan_scalar, scan_str
from hsframe.errors import CodecError, MetadataError
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NAME, Number
from hsframe.options import Limits

_SOURCE: Final = "zinc"

# The memory of a cell while the columns are made; of a value within another one: its text's head and its place, a list,
# a dict, a tag, a name that no other tag has, a column, a grid. What was made is checked at times.
_CELL_BYTES: Final = 18
_TEXT_BYTES, _LIST_BYTES, _DICT_BYTES, _TAG_BYTES, _NAME_BYTES = 72, 128, 208, 80, 184
_COL_BYTES, _GRID_BYTES = 400, 700
_CHECKED_BYTES: Final = 100_000
# So many commas may be in the texts of a row for one of its cells.
_COMMAS_A_CELL: Final = 100
# After a plain row some lines are read at once, then twice as many; at most so many characters.
_LINES_AHEAD: Final = 4
_MOST_AHEAD: Final = 1 << 16

# <ver> := "ver:" <str>
_VER = re.compile(r"[ \t]*ver[ \t]*:[ \t]*(?=\")")
_VERSIONS: Final = ("3.0", "2.0")
# <id>  := <alphaLo> (<alphaLo> | <alphaHi> | <digit> | "_")*
# Servers name tags of their own with a capital or an underscore first; nothing else can be there.
_ID = NAME.pattern
# <nl>  := "\n" | "\r\n"
_NL = re.compile(r"\r?\n")
# The last line may lack its end, or have half of one: a text that was cut between the two.
_NL_OR_END = re.compile(r"\r?\n|[ \t\r\n]*+\Z")
# A cell up to its comma, for cells that are not lists, dicts or grids: strings, uris and parentheses keep their commas.
_PIECE_TEXT = r"""(?:[^,"`(\[{<\r\n]++
    |"(?:[^"\\\r\n]|\\[^\r\n])*+"
    |`(?:[^`\\\r\n]|\\[^\r\n])*+`
    |\((?:[^"()\r\n]|"(?:[^"\\\r\n]|\\[^\r\n])*+")*+\)
    )*+"""
_PIECE = re.compile(rf"({_PIECE_TEXT}),", re.VERBOSE)
_PIECES = re.compile(rf"(?:{_PIECE_TEXT},)*+", re.VERBOSE)
_OPENS: Final = ("[", "{")
_NESTS: Final = ("[", "{", "<")
_BLANKS = re.compile(r"[ \t]*")
_BLANKS_AND_LINES = re.compile(r"[ \t\r\n]*")
_COLON = re.compile(r"[ \t]*:[ \t]*")
_SEPARATOR = re.compile(r"[ \t\r\n]*+(?:,[ \t\r\n]*)?")


def decode_zinc(body: bytes | str, limits: Limits = Limits()) -> Grid:
    r"""The grid of a Zinc text of version 3.0 or 2.0; CodecError, with line and column, where it is not Zinc.

    Lines end in LF or CRLF; a byte order mark, a missing final line end and several of them are taken. ``ver`` is not
    in the grid's meta.

    >>> grid = decode_zinc('ver:"3.0"\nid,area\n@a "HQ",1200.5m²\n')
    >>> grid[0]["id"], grid[0]["area"]
    (Ref('a', 'HQ'), Number(1200.5, 'm²'))
    """
    return ZincReader(limits).whole_grid(body)


def parse_value(text: str) -> Any:
    """The value of a Zinc text that is one scalar, list, dict or nested grid; None for an empty text and for ``N``.

    Blanks around the value are allowed. CodecError where the text is not a value, or goes on after it.

    >>> parse_value("[72.5°F, @a]")
    [Number(72.5, '°F'), Ref('a')]
    """
    return ZincReader(Limits()).whole_value(text)


def cells_from_zinc(joined: Sequence[bytes], limits: Limits = Limits(), beside: int = 0) -> list[list[Any]]:
    r"""The values of cells of version 3.0, column by column; CodecError where a text is not one whole value.

    `joined` has for each column the texts of its cells, a line end between two of them; so many bytes of memory are
    taken `beside` them.

    >>> cells_from_zinc([b"72\nM", b"[T]"])
    [[Number(72), MARKER], [[True]]]
    """
    reader = ZincReader(limits, beside=beside)
    columns: list[list[Any]] = []
    for texts in joined:
        columns.append(
            [
                reader.whole_value(text) if text[:1] in _OPENS else reader.cells[text]
                for text in texts.decode().split("\n")
            ]
        )
        reader.check_size(0)
    return columns


def value_length(text: bytes, limits: Limits) -> int:
    """The likely length of the value that a text in UTF-8 begins with; CodecError where none does.

    A list or a dict is not read, for it will be: it ends with the bracket that closes its first one.
    """
    if end := bracket_end(text):
        return end
    reader = ZincReader(limits, text.decode())
    reader.value(0)
    return len(reader.text[: reader.pos].encode())


class ZincReader:
    """A position in a text, and a method for each production of the grammar.

    What it makes of several texts counts together, and so do the bytes of memory that are taken `beside` it.
    """

    def __init__(self, limits: Limits, text: str = "", *, beside: int = 0) -> None:
        self.text = text
        self.limits = limits
        self.beside = beside
        self.cells_read = 0
        self.made_bytes = self._checked_bytes = 0
        self.pos = 0
        self.cells = Cells()
        self.names: dict[str, str] = {}
        self.version = _VERSIONS[0]

    def whole_grid(self, body: bytes | str) -> Grid:
        """See :func:`decode_zinc`."""
        self.text, self.pos, self.version = text_of(body, _SOURCE), 0, _VERSIONS[0]
        self.beside += len(body) if isinstance(body, bytes) else 0
        grid = self.grid(0)
        self.end("the end of the grid")
        return grid

    def whole_value(self, text: str) -> Any:
        """See :func:`parse_value`."""
        self.text, self.pos, self.version = text_of(text, _SOURCE), 0, _VERSIONS[0]
        self.skip_lines()
        value = None if self.at_end() else self.value(0)
        self.end("the end of the value")
        return value

    def error(self, problem: str, expected: str, pos: int | None = None) -> CodecError:
        return error_at(self.text, self.pos if pos is None else pos, problem, expected, _SOURCE)

    def skip(self) -> None:
        self.pos = _BLANKS.match(self.text, self.pos).end()  # type: ignore[union-attr]  # it matches everywhere

    def skip_lines(self) -> None:
        self.pos = _BLANKS_AND_LINES.match(self.text, self.pos).end()  # type: ignore[union-attr]

    def at(self, token: str) -> bool:
        return self.text.startswith(token, self.pos)

    def at_end(self) -> bool:
        return self.pos == len(self.text)

    def end(self, expected: str) -> None:
        self.skip_lines()
        if not self.at_end():
            raise self.error("the text goes on", expected)

    def nl(self, expected: str, *, or_end: bool) -> None:
        match = (_NL_OR_END if or_end else _NL).match(self.text, self.pos)
        if match is None:
            problem = "the text ends here" if self.at_end() else "this does not belong here"
            raise self.error(problem, expected)
        self.pos = match.end()

    def check_depth(self, depth: int) -> None:
        if depth > self.limits.nesting:
            raise error_at(self.text, self.pos, source=_SOURCE, **too_deep(self.limits))

    def count(self, made_bytes: int) -> None:
        self.made_bytes += made_bytes
        if self.made_bytes - self._checked_bytes > _CHECKED_BYTES:
            self.check_size(0)

    def check_size(self, cells: int) -> None:
        """Count more cells, also those of grids within a grid, and check them and the values that were made."""
        self.cells_read += cells
        self.limits.check("cells", self.cells_read, _SOURCE)
        self._checked_bytes = self.made_bytes
        # The characters of values that are within others count once more; those of cells were counted one by one.
        own = sys.getsizeof(self.text) + min(sys.getsizeof(self.text), self.made_bytes) + _CELL_BYTES * self.cells_read
        self.limits.check_memory(self.beside + own + self.made_bytes + self.cells.made_bytes, _SOURCE)

    # ---- <grid> := <gridMeta> <cols> [<row>]*

    def grid(self, depth: int) -> Grid:
        self.check_depth(depth)
        begin = self.pos
        meta = self.grid_meta(depth)
        cols = self.cols(depth)
        columns = self.rows(len(cols), depth)
        try:
            return Grid(meta, cols, columns)
        except MetadataError as error:
            raise self.error(str(error), "columns of different names", begin) from None

    # <gridMeta> := <ver> <meta> <nl>
    def grid_meta(self, depth: int) -> dict[str, Any]:
        match = _VER.match(self.text, self.pos)
        if match is None:
            raise self.error("no Zinc grid begins here", 'ver:"3.0"')
        version, self.pos = scan_str(self.text, match.end())
        if version not in _VERSIONS:
            raise self.error(f"Zinc of version {version!r} is unknown", 'ver:"3.0" or ver:"2.0"', match.end())
        self.version = version
        meta = self.meta(depth)
        meta.pop("ver", None)
        self.nl("a tag or the end of the line", or_end=False)
        return meta

    # <meta>      := (<tagMarker> | <tagPair>)*
    # <tagMarker> := <id>
    # <tagPair>   := <id> ":" <val>
    def meta(self, depth: int) -> dict[str, Any]:
        tags: dict[str, Any] = {}
        self.skip()
        while match := _ID.match(self.text, self.pos):
            self.tag(match, tags, depth, self.displayed)
            self.skip()
        return tags

    def tag(self, name: re.Match[str], tags: dict[str, Any], depth: int, read: Callable[[int], Any]) -> None:
        if name[0] in tags:
            raise self.error(f"the tag {name[0]} stands here twice", "each tag once")
        self.count(_TAG_BYTES)
        colon = _COLON.match(self.text, name.end())
        self.pos = (colon or name).end()
        tags[self.shared_name(name[0])] = read(depth) if colon else MARKER

    def shared_name(self, name: str) -> str:
        """The one object of a name that many dicts have."""
        if name not in self.names:
            self.count(_NAME_BYTES)
            self.names[name] = name
        return self.names[name]

    # <cols> := <col> ("," <col>)* <nl>
    # <col>  := <id> <meta>
    def cols(self, depth: int) -> list[Col]:
        cols = []
        while True:
            self.skip()
            match = _ID.match(self.text, self.pos)
            if match is None:
                problem = "the text ends before the columns" if self.at_end() else "no column name begins here"
                raise self.error(problem, "a name of a column: a letter, then letters, digits or _")
            self.pos = match.end()
            self.count(_COL_BYTES)
            cols.append(Col(match[0], self.meta(depth)))
            self.limits.check("columns", len(cols), _SOURCE)
            if not self.at(","):
                break
            self.pos += 1
        self.nl("a comma, a tag of the column or the end of the line", or_end=True)
        return cols

    def rows(self, width: int, depth: int) -> list[Sequence[Any]]:
        if depth == 0:
            self.check_lines(width)
        text, known = self.text, self.cells.__getitem__
        cells: list[Any] = []  # row by row: a list for each row would take more than its cells
        ahead = 0  # so many characters are likely to be plain rows
        while not self.at_end():
            end = text.rfind("\n", self.pos, self.pos + ahead)
            if end >= 0 and (plain := self.plain_rows(text[self.pos : end], width)) is not None:
                self.check_size(len(plain))
                cells += plain
                self.pos = end + 1
                ahead = min(2 * ahead, _MOST_AHEAD)
                continue
            end = text.find("\n", self.pos)
            line = (text[self.pos :] if end < 0 else text[self.pos : end]).removesuffix("\r")
            commas = line.count(",")
            if commas == width - 1:
                pieces = line.split(",")
                whole = width > 1 or line.strip(" \t") != ""
            else:
                # Where not all of the line is pieces, findall() would search from every place to the end of it; and a
                # list of many items would be a piece for each.
                is_likely = commas <= _COMMAS_A_CELL * width and _PIECES.fullmatch(line + ",")
                pieces = _PIECE.findall(line + ",") if is_likely else []
                whole = len(pieces) == width and ",".join(pieces) == line
            ahead = 0
            # A list, a dict or a grid is no piece, and finding that out by an error takes as long as reading it.
            if whole and not (line[:1] in _NESTS or ",[" in line or ",{" in line or ",<" in line):
                try:
                    row = list(map(known, pieces))
                except CodecError:
                    pass  # a comma within a value, or an error, which row() will locate
                else:
                    self.check_size(width)
                    cells += row
                    self.pos = len(text) if end < 0 else end + 1
                    ahead = _LINES_AHEAD * (len(line) + 1)
                    continue
            if not line.strip(" \t"):
                break
            found = self.row(width, depth)
            if found is None:
                break
            self.check_size(width)
            cells += found
        return [cells[place::width] for place in range(width)]

    def check_lines(self, width: int) -> None:
        """Refuse too many rows before they are read; a list, a dict or a grid may go on in the lines after it."""
        if self.text.count("\n", self.pos) * width > self.limits.cells:
            stop = min((at for mark in "[{<" if (at := self.text.find(mark, self.pos)) >= 0), default=len(self.text))
            rows = self.text[self.pos : stop].rstrip().count("\n")
            self.limits.check("cells", rows * width, _SOURCE)

    def plain_rows(self, lines: str, width: int) -> list[Any] | None:
        """The cells of lines of which each piece between commas is a scalar; None where one is not."""
        rows = lines.replace("\r\n", "\n").removesuffix("\r").split("\n")
        is_plain = set(map(str.count, rows, repeat(","))) == {width - 1}
        # Where there is one column, a line without a value ends the grid.
        if not is_plain or (width == 1 and not all(map(str.strip, rows, repeat(" \t")))):
            return None
        made = self.cells.made_bytes
        try:
            return list(map(self.cells.__getitem__, ",".join(rows).split(",")))
        except CodecError:
            self.cells.made_bytes = made
            return None

    # <row>  := <cell> ("," <cell>)* <nl>
    # <cell> := [<val>]
    def row(self, width: int, depth: int) -> list[Any] | None:
        """A row by the grammar; None where a nested grid closes instead."""
        self.skip()
        if depth and self.at(">>"):
            return None
        begin = self.pos
        row: list[Any] = []
        while True:
            self.skip()
            empty = self.text[self.pos : self.pos + 1] in ("", ",", "\r", "\n") or (depth and self.at(">>"))
            row.append(None if empty else self.cell(depth))
            self.skip()
            if not self.at(","):
                break
            self.pos += 1
        if not (depth and self.at(">>")):
            self.nl("a comma or the end of the line", or_end=True)
        if len(row) != width:
            raise self.error(f"this row has {len(row)} cells", f"{width}, one per column", begin)
        return row

    def cell(self, depth: int) -> Any:
        begin, value = self.pos, self.displayed(depth)
        self.skip()
        if isinstance(value, Number) and self.text[self.pos : self.pos + 1] not in ("", ",", "\r", "\n"):
            value, self.pos = scan_number_of_cell(self.text, begin) or (value, self.pos)
        return value

    # <val> := <scalar> | <list> | <dict> | "<<" <grid> ">>"
    def value(self, depth: int) -> Any:
        char = self.text[self.pos : self.pos + 1]
        if char == "[":
            self.count(_LIST_BYTES)
            return self.list(depth + 1)
        if char == "{":
            self.count(_DICT_BYTES)
            return self.dict(depth + 1)
        if char == "<":
            self.count(_GRID_BYTES)
            return self.nested_grid(depth + 1)
        self.count(_TEXT_BYTES + scalar_bytes(char))
        value, self.pos = scan_scalar(self.text, self.pos)
        return value

    def displayed(self, depth: int) -> Any:
        """A value; version 2.0 may have a display string after it, which is ignored."""
        value = self.value(depth)
        if self.version == "2.0":
            end = self.pos
            self.skip()
            if self.at('"'):
                _, end = scan_str(self.text, self.pos)
            self.pos = end
        return value

    def enter(self, depth: int, length: int) -> None:
        self.check_depth(depth)
        self.pos += length
        self.skip_lines()

    # <list> := "[" [<val> (","? <val>)* ","?] "]"
    def list(self, depth: int) -> list[Any]:
        begin = self.pos
        self.enter(depth, 1)
        items: list[Any] = []
        while not self.at("]"):
            if self.at_end():
                raise self.error("this list is not closed", "]", begin)
            items.append(self.value(depth))
            self.separator()
        self.pos += 1
        return items

    # <dict> := "{" [<tag> (","? <tag>)* ","?] "}"
    def dict(self, depth: int) -> dict[str, Any]:
        begin = self.pos
        self.enter(depth, 1)
        tags: dict[str, Any] = {}
        while not self.at("}"):
            match = _ID.match(self.text, self.pos)
            if match is None:
                if self.at_end():
                    raise self.error("this dict is not closed", "}", begin)
                raise self.error("no tag begins here", "a name of a tag, or }")
            self.tag(match, tags, depth, self.value)
            self.separator()
        self.pos += 1
        return tags

    def separator(self) -> None:
        self.pos = _SEPARATOR.match(self.text, self.pos).end()  # type: ignore[union-attr]  # it matches everywhere

    def nested_grid(self, depth: int) -> Grid:
        begin = self.pos
        if not self.at("<<"):
            raise self.error("no value begins here", "<< of a nested grid")
        self.enter(depth, 2)
        version = self.version
        grid = self.grid(depth)
        self.version = version
        self.skip_lines()
        if not self.at(">>"):
            problem = "this nested grid is not closed" if self.at_end() else "the nested grid goes on after its rows"
            raise self.error(problem, ">>", begin if self.at_end() else None)
        self.pos += 2
        return grid
