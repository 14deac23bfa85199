"""A whole body to a grid of records by columns, or the word that only the exact parser can read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from hsframe.codecs.entities.cells import Cells
from hsframe.codecs.entities.json3_cells import Json3Reader
from hsframe.codecs.entities.json4_cells import Json4Reader
from hsframe.codecs.entities.json_cuts import cut_rows
from hsframe.codecs.entities.readings import Reader, read_columns
from hsframe.codecs.entities.zinc_cells import ZincReader
from hsframe.codecs.entities.zinc_cuts import cut_lines
from hsframe.codecs.json3 import Json3
from hsframe.codecs.json4 import Json4
from hsframe.codecs.json_common import has_kinds
from hsframe.codecs.zinc import decode_zinc
from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["try_records"]

_JSON_ROWS: Final = re.compile(rb'"rows"\s*:\s*\[\s*(?=\{)')
_ZINC_HEAD: Final = re.compile(rb"[^\n]*\n[^\n]*\n")
_LONGEST: Final = 2**31 - 65_536


def try_records(body: bytes, short: str) -> Grid | None:
    """The grid of a body of many records, its columns as :mod:`hsframe.columns` has them.

    Parameters
    ----------
    body : bytes
        An answer in UTF-8.
    short : str
        ``"zinc"``, ``"json4"`` or ``"json3"``.

    Returns
    -------
    Grid or None
        What the exact parser gives, cell by cell; None where the body is so unusual, so large or so wrong that the
        exact parser has to read it whole.
    """
    if len(body) > _LONGEST or not _is_utf8(body):
        return None
    return _zinc(body) if short == "zinc" else _json(body)


def _json(body: bytes) -> Grid | None:
    match = _JSON_ROWS.search(body)
    if match is None:
        return None
    has_version_4 = has_kinds(body)
    head = _empty_grid(body[: match.end()] + b"]}", (Json4() if has_version_4 else Json3()).decode)
    cells = None if head is None else cut_rows(body, match.end(), head.col_names)
    if head is None or cells is None:
        return None
    return _grid(head, cells, Json4Reader(body, cells) if has_version_4 else Json3Reader(body, cells))


def _zinc(body: bytes) -> Grid | None:
    match = _ZINC_HEAD.match(body)
    # In version 2.0 a text may stand behind each value.
    if match is None or b'"2.0"' in match[0]:
        return None
    head = _empty_grid(match[0], decode_zinc)
    # A lone column's null is an empty line, which ends a grid.
    if head is None or len(head.cols) < 2:
        return None
    cells = cut_lines(body, match.end(), len(head.cols))
    return None if cells is None else _grid(head, cells, ZincReader(body, cells))


def _empty_grid(head: bytes, decode: Callable[[bytes], Grid]) -> Grid | None:
    """The grid without rows; None where the head is none, so that the rows are not those of the outer grid."""
    try:
        grid = decode(head)
    except CodecError:
        return None
    return grid if grid.cols and not len(grid) else None


def _grid(head: Grid, cells: Cells, reader: Reader) -> Grid | None:
    try:
        columns = read_columns(reader, cells.columns)
    except CodecError:
        return None
    return Grid(head.meta, head.cols, columns)


def _is_utf8(body: bytes) -> bool:
    offsets = np.array([0, len(body)], np.int32)
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(body)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
