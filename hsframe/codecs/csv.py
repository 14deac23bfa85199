"""CSV: Grid to a table for spreadsheets (standard: chapter Csv). It keeps no kinds and is never read.

Cells as in the standard: a marker is a check mark, a ref is ``@id Name``, a Bool is ``true`` or ``false``, a Str,
a Uri and a Symbol are their text, everything else is its Zinc text. The head holds display names.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hsframe.codecs.value_writer import to_bytes
from hsframe.codecs.zinc_write import write_value
from hsframe.grid import Grid
from hsframe.kinds import Bin, Marker, Ref, Symbol, Uri

_MARK: Final = "\N{CHECK MARK}"
# RFC 4180 quotes commas, quotes and line ends; blanks at an end are quoted because some readers drop them, and an
# empty text because an empty cell is null.
_TO_QUOTE = re.compile(r'[,"\r\n]|^[ \t]|[ \t]$|^$')


def encode_csv(grid: Grid) -> bytes:
    r"""The grid as CSV in UTF-8 without byte order mark, lines ending in LF; it writes what Zinc can write.

    The grid's meta and the tags of its columns, but for ``dis``, are left out. Null is an empty cell, an empty text is
    ``""``.

    >>> from hsframe.grid import Col
    >>> cols = [Col("id"), Col("site", {"dis": "Is a site"})]
    >>> grid = Grid.from_rows({}, cols, [{"id": Ref("a", "HQ"), "site": True}])
    >>> encode_csv(grid)
    b'id,Is a site\n@a HQ,true\n'
    """
    head = [_quoted(dis if isinstance(dis := col.meta.get("dis"), str) else col.name) for col in grid.cols]
    # Readers skip empty lines, and a lone empty cell would be one.
    null = '""' if len(grid.cols) == 1 else ""
    columns = [[null if cell is None else _quoted(_cell_text(cell)) for cell in column] for column in grid.columns]
    lines = [",".join(head), *map(",".join, zip(*columns, strict=True)), ""]
    return to_bytes("\n".join(lines), "csv")


def _cell_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Marker):
        return _MARK
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Ref):
        return str(value) if value.dis is None else f"{value} {value.dis}"
    if isinstance(value, Uri | Symbol):
        return value.val
    if isinstance(value, Bin):
        return value.mime
    if isinstance(value, Grid):
        # A spreadsheet has no place for a table in a cell; Haxall writes the name of a class.
        return "<<grid>>"
    return write_value(value)


def _quoted(text: str) -> str:
    if _TO_QUOTE.search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'
