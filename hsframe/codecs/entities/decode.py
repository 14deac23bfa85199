"""A whole body to a grid of records by columns, or the word that only the exact parser can read it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa

from hsframe.codecs import decode_exact
from hsframe.codecs.entities.cells import ColumnCells
from hsframe.codecs.entities.json4_cells import Json4Reader
from hsframe.codecs.entities.json_cuts import cut_rows
from hsframe.codecs.entities.readings import Reader, read_columns
from hsframe.codecs.json_text import has_kinds
from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["try_records"]

_JSON_ROWS: Final = re.compile(rb'"rows"\s*:\s*\[\s*(?=\{)')


def try_records(body: bytes, short: str) -> Grid | None:
    """The grid of a body of many records, its columns as :mod:`hsframe.columns` has them.

    Parameters
    ----------
    body : bytes
        An answer in UTF-8.
    short : str
        ``"json4"``.

    Returns
    -------
    Grid or None
        What the exact parser gives, cell by cell; None where the body is so small, so unusual or so wrong that the
        exact parser has to read it whole.
    """
    if len(body) >= 2**31 - 4096 or not _is_utf8(body):
        return None
    return _json4(body) if short == "json4" else None


def _json4(body: bytes) -> Grid | None:
    match = _JSON_ROWS.search(body)
    if match is None or not has_kinds(body):
        return None
    head = _empty_grid(body[: match.end()] + b"]}")
    if head is None:
        return None
    cells = cut_rows(body, match.end(), head.col_names)
    parts = None if cells is None else cells.by_column(len(head.cols))
    if cells is None or parts is None:
        return None
    return _grid(head, Json4Reader(body, cells), parts)


def _empty_grid(head: bytes) -> Grid | None:
    """The grid without rows; None where the head is none, so that the rows are not those of the outer grid."""
    try:
        grid = decode_exact(head, "json4")
    except CodecError:
        return None
    return grid if grid.cols and not len(grid) else None


def _grid(head: Grid, reader: Reader, parts: Iterable[ColumnCells]) -> Grid | None:
    try:
        columns = read_columns(reader, parts)
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
