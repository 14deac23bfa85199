"""The cells of a column to its values, each different text once.

A text that a column repeats is read once, by the exact codec, and its rows share the value. Where a column hardly
repeats itself, a format may have faster columns without an object per row; what they cannot hold is read exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.entities.split_cells import ColumnCells, SplitBody
from hsframe.codecs.histories.byte_words import Ints, Positions, coded_texts, equal_bytes, texts_of
from hsframe.columns import DictionaryColumn

_SAMPLE: Final = 48
_LARGE_SAMPLE: Final = 256
_FEW_ROWS: Final = 64
_MOST_CONSTANT: Final = 256


@dataclass(slots=True)
class _Plan:
    """How a column is made of its `count` joined texts: by the codes of the rows, else row by row."""

    rows: Ints
    joined: bytes
    count: int
    codes: npt.NDArray[np.int32] | None = None


class CellReader:
    """Reads the cells of one body.

    `separator` goes between two texts that are read together; no cell may hold it. `exact` gives the values of texts by
    the exact codec, column by column, from the joined texts of each column and their counts; it raises CodecError where
    a text is not one whole value.
    """

    def __init__(
        self,
        body: SplitBody,
        separator: bytes,
        exact: Callable[[Sequence[bytes], Sequence[int]], list[list[Any]]],
    ) -> None:
        self.body = body
        self.separator = separator
        self.exact = exact

    def typed_column(self, part: ColumnCells) -> Sequence[Any] | None:
        """The whole column, where its cells are of one of the forms that the format knows."""
        return None

    def read_some(self, part: ColumnCells, which: Ints) -> list[Any]:
        return self.exact([self.separator.join(self.texts(part, which))], [len(which)])[0] if len(which) else []

    def texts(self, part: ColumnCells, which: Ints) -> list[bytes]:
        return list(map(self.body.block.text, part.starts[which].tolist(), part.ends[which].tolist()))

    def compact_texts(self, starts: Positions, ends: Positions, kind: Any = None) -> pa.Array:
        """Texts of the body, without the gaps that :func:`texts_of` has between them."""
        texts = texts_of(self.body.block, starts, ends, kind)
        return texts.take(pa.array(np.arange(0, len(texts), 2)))

    def spread(self, rows: Ints, values: Sequence[Any]) -> list[Any]:
        """Values at their rows; None at all other rows."""
        column: list[Any] = [None] * self.body.length
        for row, value in zip(rows.tolist(), values, strict=True):
            column[row] = value
        return column

    def columns(self) -> list[Sequence[Any]]:
        """All columns; CodecError where a cell is not one whole value."""
        found = [self._column_or_plan(part) for part in self.body.columns]
        # The texts of all columns are read together: making a parser takes longer than reading a few texts.
        plans = [plan for plan in found if isinstance(plan, _Plan)]
        values = iter(self.exact([plan.joined for plan in plans], [plan.count for plan in plans]) if plans else ())
        columns: list[Sequence[Any]] = []
        for column in found:
            if not isinstance(column, _Plan):
                columns.append(column)
            elif column.codes is None:
                columns.append(self.spread(column.rows, next(values)))
            else:
                columns.append(DictionaryColumn(column.codes, next(values)))
        return columns

    def _column_or_plan(self, part: ColumnCells) -> Sequence[Any] | _Plan:
        count = len(part.rows)
        if not count:
            return DictionaryColumn(self._codes(part.rows, -1), ())
        sample = np.arange(0, count, max(count // _SAMPLE, 1))
        seen = set(self.texts(part, sample))
        if len(seen) == 1 and self._is_constant(part, text := next(iter(seen))):
            return _Plan(part.rows, text, 1, self._codes(part.rows, 0))
        if self._repeats(part, seen, len(sample)):
            texts, codes = coded_texts(self.body.block, part.starts, part.ends)
            if 2 * len(texts) <= count or count < _FEW_ROWS:
                return _Plan(part.rows, self._joined(texts), len(texts), self._codes(part.rows, codes))
        column = self.typed_column(part)
        if column is not None:
            return column
        return _Plan(part.rows, self._joined(self.compact_texts(part.starts, part.ends)), count)

    def _is_constant(self, part: ColumnCells, text: bytes) -> bool:
        if len(text) > _MOST_CONSTANT or not ((part.ends - part.starts) == len(text)).all():
            return False
        return bool(equal_bytes(self.body.block, part.starts, text).all())

    def _repeats(self, part: ColumnCells, seen: set[bytes], asked: int) -> bool:
        """Whether a sample has so many repeated texts that each text of the column may come twice on average."""
        count = len(part.rows)
        if count < _FEW_ROWS or 10 * len(seen) < 9 * asked:
            return True
        scattered = np.unique(np.random.default_rng(count).integers(0, count, _LARGE_SAMPLE))
        return len(scattered) - len(set(self.texts(part, scattered))) >= _LARGE_SAMPLE**2 // (2 * count)

    def _joined(self, texts: pa.Array) -> bytes:
        as_list = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
        result: bytes = pc.binary_join(as_list, self.separator)[0].as_py()
        return result

    def _codes(self, rows: Ints, codes: Any) -> npt.NDArray[np.int32]:
        all_codes = np.full(self.body.length, -1, np.int32)
        all_codes[rows] = codes
        return all_codes
