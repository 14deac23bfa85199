"""Zinc: Grid to text (standard: chapter Zinc).

Lines end in LF; there is no byte order mark and one line end at the end: some servers refuse anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

from hsframe.codecs.value_writer import (
    ValueWriter,
    coord_texts,
    datetime_text,
    grid_tags,
    time_text,
    to_bytes,
    united_text,
)
from hsframe.codecs.zinc_scalars import ESCAPED
from hsframe.grid import Grid
from hsframe.kinds import ID, NAME, SYMBOL, TYPE, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr

_SOURCE: Final = "zinc"

_TO_ESCAPE = re.compile(r'["\\$\x00-\x1f]')
_ESCAPES: Final = {char: f"\\{code}" for code, char in ESCAPED.items()}
# A backslash that is part of the uri, or a character that must be escaped.
_URI_PART = re.compile(r"\\[:/?#\[\]@\\&=;]|[`\x00-\x1f\\]")


def encode_zinc(grid: Grid) -> bytes:
    r"""The grid in Zinc 3.0, in UTF-8, with one line end at the end.

    Plain ints and floats are written as numbers without unit. CodecError for a name, an id, a unit or a value that Zinc
    cannot write: a naive datetime, an object of another type.

    >>> encode_zinc(Grid({"dis": "Site"}, ["id"], [[Ref("a")]]))
    b'ver:"3.0" dis:"Site"\nid\n@a\n'
    """
    return to_bytes(_WRITER.grid_of(grid, 0), _SOURCE)


def write_value(value: Any) -> str:
    """The Zinc text of one value, ``N`` for None; on one line unless the value holds a grid.

    CodecError for a value that Zinc cannot write.

    >>> write_value({"site": Symbol("site"), "area": Number(1200, "m²")})
    '{site:^site area:1200m²}'
    """
    return _WRITER.write(value, 0)


def _str(text: str) -> str:
    if _TO_ESCAPE.search(text) is None:
        return f'"{text}"'
    return '"' + _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match[0]) or _code(match[0]), text) + '"'


def _code(char: str) -> str:
    return f"\\u{ord(char):04x}"


def _uri(uri: Uri) -> str:
    # All readers agree on \uXXXX. After "\`" haystack-core and haystack-java keep the backslash, Haxall does not.
    return f"`{_URI_PART.sub(lambda match: match[0] if match[0][1:] else _code(match[0]), uri.val)}`"


def _ref(ref: Ref) -> str:
    text = "@" + ID.checked(ref.val, _SOURCE)
    return text if ref.dis is None else f"{text} {_str(ref.dis)}"


class _Writer(ValueWriter[str]):
    source = _SOURCE
    scalars = {  # noqa: RUF012 - nobody changes it
        type(None): lambda _: "N",
        Marker: lambda _: "M",
        Remove: lambda _: "R",
        Na: lambda _: "NA",
        bool: lambda value: "T" if value else "F",
        Number: lambda value: united_text(value, _SOURCE),
        str: _str,
        Uri: _uri,
        Ref: _ref,
        Symbol: lambda value: "^" + SYMBOL.checked(value.val, _SOURCE),
        date: date.isoformat,
        time: lambda value: time_text(value, _SOURCE),
        datetime: lambda value: datetime_text(value, _SOURCE),
        Coord: lambda value: "C({},{})".format(*coord_texts(value, _SOURCE)),
        XStr: lambda value: f"{TYPE.checked(value.type, _SOURCE)}({_str(value.val)})",
        Bin: lambda value: f"Bin({_str(value.mime)})",
    }

    def grid_of(self, grid: Grid, depth: int) -> str:
        head = 'ver:"3.0"' + self.tags(grid_tags(grid), depth)
        if not grid.cols:
            text = head + "\nempty\n"
        else:
            cols = ",".join(NAME.checked(col.name, _SOURCE) + self.tags(col.meta, depth) for col in grid.cols)
            # A lone empty cell would be an empty line, which ends a grid.
            null = "N" if len(grid.cols) == 1 else ""
            columns = [
                [null if cell is None else self.write(cell, depth) for cell in column] for column in grid.columns
            ]
            text = "\n".join([head, cols, *map(",".join, zip(*columns, strict=True)), ""])
        return f"<<\n{text}>>" if depth else text

    def dict_of(self, tags: Mapping[str, Any], depth: int) -> str:
        return "{" + self.tags(tags, depth)[1:] + "}"

    def list_of(self, items: list[str]) -> str:
        return "[" + ",".join(items) + "]"

    def tags(self, tags: Mapping[str, Any], depth: int) -> str:
        """The tags, each after a blank."""
        texts = []
        for name, value in tags.items():
            text = " " + NAME.checked(name, _SOURCE)
            texts.append(text if isinstance(value, Marker) else f"{text}:{self.write(value, depth)}")
        return "".join(texts)


_WRITER: Final = _Writer()
