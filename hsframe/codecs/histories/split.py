"""Bodies of hisWrite: one, or several under a size that servers take."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

import numpy as np

from hsframe.codecs.histories.encode import row_texts
from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["LIMIT_BYTES", "encode_history", "split_history"]

#: Servers are known that break the connection above 2 MiB.
LIMIT_BYTES: Final = 2 << 20


def encode_history(grid: Grid, short: str, *, nan_as_null: bool = False) -> bytes:
    r"""A history as a body of hisWrite.

    Parameters
    ----------
    grid : Grid
        Columns ``ts`` and one a point; Arrow columns are written without an object a row.
    short : str
        ``"zinc"``, ``"json"`` or ``"json4"``, ``"json3"``.
    nan_as_null : bool
        Whether NaN is written as a null cell, which is no sample, and not as the value ``NaN``.

    Returns
    -------
    bytes
        What decodes to the grid again. Infinities are written by name, numbers by their shortest text, the zone by
        the name that the column has.

    Raises
    ------
    CodecError
        A value that the format cannot write.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from hsframe.columns import NumberColumn, TimeColumn
    >>> times = TimeColumn(pa.array([0, 60_000_000]), "UTC")
    >>> encode_history(Grid({}, ["ts", "val"], [times, NumberColumn(pa.array([1.5, 2.0]), "kW")]), "zinc")
    b'ver:"3.0"\nts,val\n1970-01-01T00:00:00Z UTC,1.5kW\n1970-01-01T00:01:00Z UTC,2kW\n'
    """
    short = "json4" if short == "json" else short
    texts = row_texts(grid, short, nan_as_null=nan_as_null)
    if texts is None or len(grid) == 0:
        return _encode_exactly(grid, short, nan_as_null)
    # It grows without a copy and gives its buffer away: blocks are written where memory is warm, and the body once.
    body = BytesIO()
    body.write(texts.head)
    skip = texts.skip
    for block in texts.blocks:
        body.write(_octets(block)[skip:])
        skip = 0
    body.write(texts.tail)
    return body.getvalue()


def split_history(grid: Grid, short: str, limit_bytes: int = LIMIT_BYTES, *, nan_as_null: bool = False) -> list[bytes]:
    """A history as bodies of hisWrite that are no longer than a limit, cut between rows.

    Parameters
    ----------
    grid, short, nan_as_null
        As :func:`encode_history`.
    limit_bytes : int
        The most bytes of a body.

    Returns
    -------
    list of bytes
        Each a whole body with the same meta and columns; the rows in order, each once.

    Raises
    ------
    CodecError
        One row with the header is longer than the limit, or a value that the format cannot write.
    """
    short = "json4" if short == "json" else short
    texts = row_texts(grid, short, nan_as_null=nan_as_null)
    if texts is None or len(grid) == 0:
        return list(_split_exactly(grid, short, limit_bytes, nan_as_null))
    room = limit_bytes - len(texts.head) - len(texts.tail)
    bodies: list[bytes] = []
    pieces: list[Any] = []
    used = 0

    def close() -> None:
        nonlocal pieces, used
        bodies.append(b"".join([texts.head, pieces[0][texts.skip :], *pieces[1:], texts.tail]))
        pieces, used = [], 0

    for block in texts.blocks:
        offsets = np.frombuffer(block.buffers()[1], np.int32)[block.offset : block.offset + len(block) + 1]
        ends = offsets.astype(np.int64) - int(offsets[0])
        octets = _octets(block)
        row = 0
        while row < len(block):
            # The comma in front of the first row of a body is not written.
            free = room - used + (0 if pieces else texts.skip)
            last = int(np.searchsorted(ends, ends[row] + free, side="right")) - 1
            if last > row:
                pieces.append(octets[int(ends[row]) : int(ends[last])])
                used += int(ends[last] - ends[row]) - (texts.skip if len(pieces) == 1 else 0)
                row = last
            elif pieces:
                close()
            else:
                raise _too_long(int(ends[row + 1] - ends[row]) + limit_bytes - room, limit_bytes, short)
    if pieces:
        close()
    return bodies


def _octets(block: Any) -> memoryview:
    """The bytes of the texts of an Arrow binary array."""
    ends = np.frombuffer(block.buffers()[1], np.int32)
    return memoryview(block.buffers()[2])[int(ends[block.offset]) : int(ends[block.offset + len(block)])]


def _too_long(length: int, limit: int, short: str) -> CodecError:
    return CodecError(
        f"one row with its header is {length} bytes long, more than the limit of {limit}",
        expected="fewer columns in one body, or a greater limit",
        source=short,
    )


def _encode_exactly(grid: Grid, short: str, nan_as_null: bool) -> bytes:
    from hsframe.codecs import encode_exact

    return encode_exact(_without_nan(grid) if nan_as_null else grid, short)


def _without_nan(grid: Grid) -> Grid:
    columns = [[None if _is_nan(cell) else cell for cell in column] for column in grid.columns]
    return Grid(grid.meta, grid.cols, columns)


def _is_nan(cell: Any) -> bool:
    val = getattr(cell, "val", cell)
    return isinstance(val, float) and val != val


def _split_exactly(grid: Grid, short: str, limit: int, nan_as_null: bool) -> Iterator[bytes]:
    body = _encode_exactly(grid, short, nan_as_null)
    if len(body) <= limit:
        yield body
    elif len(grid) < 2:
        raise _too_long(len(body), limit, short)
    else:
        middle = len(grid) // 2
        for begin, end in ((0, middle), (middle, len(grid))):
            part = Grid(grid.meta, grid.cols, [column[begin:end] for column in grid.columns])
            yield from _split_exactly(part, short, limit, nan_as_null)
