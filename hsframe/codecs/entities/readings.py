"""The cells of a column to its values, each different text once.

A text that a column repeats is read once, by the exact codec, and its rows share the value. Where a column hardly
repeats itself, a reader may know patterns that make no object a row; whatever does not fit them is read exactly.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.entities.cells import Cells, ColumnCells
from hsframe.codecs.histories.table import texts_of
from hsframe.codecs.histories.words import PAD, Bools, Ints, equal_bytes
from hsframe.columns import CodedColumn

__all__ = ["Reader", "compact", "full", "read_columns"]

_SAMPLE: Final = 48
_LARGE_SAMPLE: Final = 256
_FEW_ROWS: Final = 64
_MOST_CONSTANT: Final = 256


class Reader(abc.ABC):
    """What a format knows of its cells.

    Parameters
    ----------
    body : bytes
        The body.
    cells : Cells
        Its cells.
    """

    def __init__(self, body: bytes, cells: Cells) -> None:
        self.body = body
        self.cells = cells

    #: What stands between two texts that are read together; no cell may hold it.
    separator: bytes = b"\n"

    @abc.abstractmethod
    def read(self, joined: Sequence[bytes], counts: Sequence[int]) -> list[list[Any]]:
        """The values of texts by the exact codec.

        Parameters
        ----------
        joined : sequence of bytes
            For each column its texts, the separator between them.
        counts : sequence of int
            For each column how many texts it has.

        Raises
        ------
        CodecError
            A text is not one whole value.
        """

    def read_rich(self, part: ColumnCells) -> Sequence[Any] | None:
        """The whole column, where its cells are of a pattern that the reader knows."""
        return None

    def read_some(self, part: ColumnCells, which: Ints) -> list[Any]:
        """The values of some of a column's cells."""
        return self.read([self.separator.join(self.texts(part, which))], [len(which)])[0] if len(which) else []

    def joined(self, texts: pa.Array) -> bytes:
        """Texts as one, the separator between them."""
        as_list = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
        result: bytes = pc.binary_join(as_list, self.separator)[0].as_py()
        return result

    def texts(self, part: ColumnCells, which: Ints | None = None) -> list[bytes]:
        """The texts of a column's cells, or of some of them."""
        starts, ends = (part.starts, part.ends) if which is None else (part.starts[which], part.ends[which])
        body = self.body
        return [body[start:end] for start, end in zip((starts - PAD).tolist(), (ends - PAD).tolist(), strict=True)]


@dataclass(slots=True)
class _Plan:
    """How a column comes to be: from so many texts, by the codes of the rows, or row by row where there are none."""

    rows: Ints
    joined: bytes
    count: int
    codes: npt.NDArray[np.int32] | None = None


def read_columns(reader: Reader, parts: Iterable[ColumnCells]) -> list[Sequence[Any]]:
    """The columns with these cells.

    Raises
    ------
    CodecError
        A cell is not one whole value.
    """
    found = [_column_or_plan(reader, part) for part in parts]
    # The texts of all columns are read together: making a parser takes longer than reading a few texts.
    plans = [plan for plan in found if isinstance(plan, _Plan)]
    values = iter(reader.read([plan.joined for plan in plans], [plan.count for plan in plans]) if plans else ())
    columns: list[Sequence[Any]] = []
    for column in found:
        if not isinstance(column, _Plan):
            columns.append(column)
        elif column.codes is None:
            columns.append(full(reader.cells.length, column.rows, next(values)))
        else:
            columns.append(CodedColumn(column.codes, next(values)))
    return columns


def _column_or_plan(reader: Reader, part: ColumnCells) -> Sequence[Any] | _Plan:
    length = reader.cells.length
    count = len(part.rows)
    if not count:
        return CodedColumn(np.full(length, -1, np.int32), ())
    sample = np.arange(0, count, max(count // _SAMPLE, 1))
    seen = set(reader.texts(part, sample))
    if len(seen) == 1 and _is_constant(reader, part, text := next(iter(seen))):
        return _Plan(part.rows, text, 1, _codes(length, part.rows, 0))
    if _repeats(reader, part, seen, len(sample)):
        encoded = texts_of(reader.cells.block, part.starts, part.ends).dictionary_encode()
        texts = encoded.dictionary
        if 2 * len(texts) <= count or count < _FEW_ROWS:
            places = np.frombuffer(encoded.indices.buffers()[1], np.int32)[encoded.indices.offset :][: 2 * count : 2]
            return _Plan(part.rows, reader.joined(texts), len(texts), _codes(length, part.rows, places))
    column = reader.read_rich(part)
    if column is not None:
        return column
    return _Plan(part.rows, reader.joined(compact(texts_of(reader.cells.block, part.starts, part.ends))), count)


def _codes(length: int, rows: Ints, codes: Any) -> npt.NDArray[np.int32]:
    all_codes = np.full(length, -1, np.int32)
    all_codes[rows] = codes
    return all_codes


def _repeats(reader: Reader, part: ColumnCells, seen: set[bytes], asked: int) -> bool:
    """Whether so many texts stand twice among a few that all of them may be twice as many as the different ones."""
    count = len(part.rows)
    if count < _FEW_ROWS or 10 * len(seen) < 9 * asked:
        return True
    scattered = np.unique(np.random.default_rng(count).integers(0, count, _LARGE_SAMPLE))
    return len(scattered) - len(set(reader.texts(part, scattered))) >= _LARGE_SAMPLE**2 // (2 * count)


def compact(texts: pa.Array) -> pa.Array:
    """The texts of :func:`~hsframe.codecs.histories.table.texts_of` without the gaps between them."""
    return texts.take(pa.array(np.arange(0, len(texts), 2)))


def full(length: int, rows: Ints, values: list[Any]) -> list[Any]:
    """The values at their rows; None at all other rows."""
    if len(values) == length:
        return values
    column: list[Any] = [None] * length
    for row, value in zip(rows.tolist(), values, strict=True):
        column[row] = value
    return column


def _is_constant(reader: Reader, part: ColumnCells, text: bytes) -> bool:
    if len(text) > _MOST_CONSTANT or not ((part.ends - part.starts) == len(text)).all():
        return False
    same: Bools = equal_bytes(reader.cells.block, part.starts, text)
    return bool(same.all())
