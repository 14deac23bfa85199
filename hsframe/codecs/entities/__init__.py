"""Records as columns: an answer of ``read`` to a grid whose columns share their values.

All rows are split into cells at once (:mod:`~hsframe.codecs.entities.split_cells`), then each column is read, each
different text once (:mod:`~hsframe.codecs.entities.read_cells`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import pyarrow as pa

from hsframe.codecs.body_text import text_bytes
from hsframe.codecs.entities.read_cells import CellReader, JsonCellReader
from hsframe.codecs.entities.split_json import split_json
from hsframe.codecs.entities.split_zinc import split_zinc
from hsframe.codecs.formats import NeedsExactParserError, has_kinds, may_be_jeto
from hsframe.codecs.histories.decode import head_length
from hsframe.codecs.json3 import Json3
from hsframe.codecs.json4 import Json4
from hsframe.codecs.zinc import cells_from_zinc, decode_zinc
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.options import Limits

__all__ = ["try_records"]

# The start and the end of a cell are kept in one integer of 64 bits.
_LONGEST: Final = 2**31 - 65_536


def try_records(body: bytes, short: str, limits: Limits = Limits()) -> Grid | None:
    """The grid of many records, its columns as :mod:`hsframe.columns` has them: what the exact parser gives.

    None where the exact parser has to read the body whole. `short` is ``"zinc"``, ``"json4"`` or ``"json3"``.
    """
    if len(body) > _LONGEST:
        return None
    try:
        limits.check_memory(len(body) + text_bytes(body), short)
        body.decode()  # cells are cut out of the bytes, and must be texts
        begin = head_length(body, short)
        if begin == 0:
            return None
        head, cells = _READERS[short](body, begin, limits)
        return Grid(head.meta, head.cols, cells.columns())
    except (NeedsExactParserError, CodecError, UnicodeDecodeError):
        pass
    pa.default_memory_pool().release_unused()  # which it would keep beside what the exact parser takes
    return None


def _json(body: bytes, begin: int, limits: Limits) -> tuple[Grid, CellReader]:
    if may_be_jeto(body):
        raise NeedsExactParserError
    codec = Json4(limits) if has_kinds(body) else Json3(limits)
    head = _empty_grid(body[:begin] + b"]}", codec.decode)
    return head, JsonCellReader(split_json(body, begin, head.col_names, limits), codec)


def _zinc(body: bytes, begin: int, limits: Limits) -> tuple[Grid, CellReader]:
    # In version 2.0 a text may follow each value.
    if b'"2.0"' in body[:begin]:
        raise NeedsExactParserError
    head = _empty_grid(body[:begin], partial(decode_zinc, limits=limits))
    # Where there is one column, null is an empty line, which ends a grid.
    if len(head.cols) < 2:
        raise NeedsExactParserError
    # No cell holds a line end, which would end its row.
    cells = split_zinc(body, begin, len(head.cols), limits)
    return head, CellReader(cells, b"\n", lambda joined, _, beside: cells_from_zinc(joined, limits, beside))


def _empty_grid(head: bytes, decode: Callable[[bytes], Grid]) -> Grid:
    """The grid without rows; where the head does not decode to one, the rows are those of a nested grid."""
    grid = decode(head)
    if not grid.cols or len(grid):
        raise NeedsExactParserError
    return grid


_READERS: Final = {"zinc": _zinc, "json4": _json, "json3": _json}
