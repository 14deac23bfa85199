"""Trio: records as plain text, one tag per line (standard: chapter Trio).

A file is records with a line of dashes between them. Trio has no place for the tags of a grid and of its columns, for
the order of columns that a record does not have, and for a record without tags; all else is kept.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from hsframe.codecs.body_text import error_at, text_of, too_deep
from hsframe.codecs.value_writer import to_bytes
from hsframe.codecs.zinc import ZincReader
from hsframe.codecs.zinc_write import encode_zinc, write_value
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NAME, Marker
from hsframe.options import Limits

_SOURCE: Final = "trio"

# <separator> := "-"+       a line that begins with a dash
# <comment>   := "//" ...   a line of its own
# <tag>       := <name> [":" <value>]
_TAG = re.compile(rf"({NAME.pattern.pattern})[ \t]*(?::[ \t]*(.*))?", re.DOTALL)
# A text that needs no quotes, unless it would read as a value of Zinc.
_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9 ,._/-]+")
# What begins with one of these is a value of Zinc or an error, never a text without quotes.
_ZINC_FIRST: Final = frozenset('"`@^[{<')
_CALL = re.compile(r"[A-Z][A-Za-z0-9_]*\(")
_BLOCK_NAMES: Final = ("Zinc:", "Trio:")
# The memory of a tag's line and its place in a record, whose name and value the reader of Zinc counts; of a cell.
_TAG_BYTES, _CELL_BYTES = 208, 9
_INDENT: Final = "  "


def decode_trio(body: bytes | str, limits: Limits = Limits()) -> Grid:
    r"""The records of a Trio text as the rows of a grid; CodecError, with line and column, where it is not Trio.

    A column for each tag in the order in which the records bring them; no meta. Comments are skipped; ``true`` and
    ``false`` are taken beside ``T`` and ``F``, texts without quotes too.

    >>> grid = decode_trio('dis: Site 1\nsite\n---\ndis: "Site 2"\narea: 50ft²\n')
    >>> [dict(row) for row in grid]
    [{'dis': 'Site 1', 'site': MARKER}, {'dis': 'Site 2', 'area': Number(50, 'ft²')}]
    """
    return _Reader(text_of(body, _SOURCE), 0, ZincReader(limits)).grid()


class _Reader:
    def __init__(self, text: str, depth: int, zinc: ZincReader) -> None:
        self.zinc, self.limits = zinc, zinc.limits
        zinc.beside += 2 * sys.getsizeof(text) + _TAG_BYTES * text.count("\n")
        self.limits.check_memory(zinc.beside, _SOURCE)
        self.text = text.replace("\r\n", "\n")
        self.depth = depth
        self.lines = self.text.split("\n")
        self.number = 0
        self.records: list[dict[str, Any]] = []
        self.names: dict[str, None] = {}

    def grid(self) -> Grid:
        record: dict[str, Any] = {}
        while self.number < len(self.lines):
            line = self.lines[self.number]
            if line.startswith("-"):
                self.end_record(record)
                record = {}
                self.number += 1
            elif not line.strip() or line.startswith("//"):
                self.number += 1
            else:
                begin = self.number
                name, value = self.tag(line)
                if name in record:
                    raise self.error(begin, 0, f"the tag {name} stands twice in this record", "a line of dashes before")
                record[name] = value
        self.end_record(record)
        made = self.zinc.made_bytes + _CELL_BYTES * len(self.names) * len(self.records)
        self.limits.check_memory(self.zinc.beside + made, _SOURCE)
        return Grid.from_rows({}, list(self.names), self.records)

    def end_record(self, record: dict[str, Any]) -> None:
        if record:
            self.records.append(record)
            self.names.update(dict.fromkeys(record))
            self.limits.check("columns", len(self.names), _SOURCE)
            self.limits.check("cells", len(self.names) * len(self.records), _SOURCE)

    def tag(self, line: str) -> tuple[str, Any]:
        match = _TAG.fullmatch(line.rstrip(" \t"))
        if match is None:
            raise self.error(self.number, 0, "no tag begins here", "name, name:value, a line of dashes or // comment")
        name, text = self.zinc.shared_name(match[1]), match[2]
        begin = self.number
        self.number += 1
        if text is None:
            return name, MARKER
        if text == "":
            return name, "\n".join(self.block())
        if text in _BLOCK_NAMES:
            return name, self.nested(text, begin)
        column = match.start(2)
        return name, self.value(text if text != "[" else self.list_lines(column), begin, column)

    def block(self) -> list[str]:
        """The indented lines that follow, without their indent and without the blank lines at the end."""
        lines = []
        while self.number < len(self.lines):
            line = self.lines[self.number]
            if line.strip() and line[0] not in " \t":
                break
            lines.append(line)
            self.number += 1
        while lines and not lines[-1].strip():
            lines.pop()
        width = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
        return [line[width:] for line in lines]

    def list_lines(self, column: int) -> str:
        """The list that begins at a column of the line before, up to the line that closes it, as one line.

        Comments in it are blanked out, so that its length stays that of the text.
        """
        lines = [self.lines[self.number - 1][column:]]
        while self.number < len(self.lines):
            line = self.lines[self.number]
            is_comment = line.lstrip(" \t").startswith("//")
            # Haxall takes the closing bracket at the begin of a line, too.
            if not is_comment and line[:1] not in ("", " ", "\t", "]"):
                break
            lines.append(" " * len(line) if is_comment else line)
            self.number += 1
        return " ".join(lines).rstrip()

    def nested(self, name: str, begin: int) -> Any:
        if self.depth == self.limits.nesting:
            raise self.error(begin, 0, **too_deep(self.limits))
        block = "\n".join(self.block())
        try:
            if name == "Zinc:":
                return self.zinc.whole_grid(block) if block.startswith("ver:") else self.zinc.whole_value(block)
            rows = _Reader(block, self.depth + 1, self.zinc).grid()
        except CodecError as error:
            # The lines count in the whole text; the columns are left out, because the indent is gone.
            line = None if error.line is None else begin + 1 + error.line
            raise error.changed(line=line, column=None, source=_SOURCE) from None
        return dict(rows[0]) if len(rows) == 1 else [dict(row) for row in rows]

    def value(self, text: str, number: int, column: int) -> Any:
        try:
            return _value(text, self.zinc)
        except CodecError as error:
            column += (error.column or 1) - 1
            raise self.error(number, column, error.problem, error.expected, error.limit) from None

    def error(self, number: int, column: int, problem: str, expected: str, limit: str = "") -> CodecError:
        pos = sum(len(line) + 1 for line in self.lines[:number]) + column
        return error_at(self.text, pos, problem, expected, _SOURCE, limit)


def _value(text: str, zinc: ZincReader) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text in ("M", "N"):  # texts, as Haxall reads them: the phase of a meter, the size of a valve
        return text
    try:
        return zinc.whole_value(text)
    except CodecError:
        # A text without quotes: "Main Street", "2nd floor". What begins like nothing but Zinc is an error.
        if text[0] in _ZINC_FIRST or _CALL.match(text):
            raise
        return text


def encode_trio(grid: Grid) -> bytes:
    r"""The rows of the grid as Trio records, in UTF-8; it writes what Zinc can write.

    The grid's meta and the tags of its columns have no place in Trio and are left out, like a row without any tag.

    >>> print(encode_trio(Grid.from_rows({}, ["dis", "site"], [{"dis": "HQ", "site": MARKER}])).decode(), end="")
    dis:HQ
    site
    """
    records = ["".join(_tag(name, value) for name, value in row.items()) for row in grid if row]
    return to_bytes("---\n".join(records), _SOURCE)


def _tag(name: str, value: Any) -> str:
    # Zinc checks the name, too.
    text = write_value({name: value})[1:-1]
    if isinstance(value, Marker):
        return f"{name}\n"
    text = text[len(name) + 1 :]
    if "\n" in text:
        block = encode_zinc(value).decode().rstrip("\n") if isinstance(value, Grid) else text
        return f"{name}:Zinc:\n" + "".join(f"{_INDENT}{line}\n" for line in block.split("\n"))
    is_safe = isinstance(value, str) and _SAFE.fullmatch(value) and value == value.rstrip(" ")
    if is_safe and _value(value, ZincReader(Limits())) == value:
        return f"{name}:{value}\n"
    return f"{name}:{text}\n"
