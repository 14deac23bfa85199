"""Cells that were cut out of a body: for each, its row, its column and its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hsframe.codecs.entities.marks import Marks
from hsframe.codecs.histories.words import Block, Ints, Positions

__all__ = ["Cells", "ColumnCells", "Table"]

_MOST_PLACES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """The cells of one column: the rows that have one, in order, and where each stands."""

    rows: Ints
    starts: Positions
    ends: Positions


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of a body.

    Attributes
    ----------
    block : Block
        The body.
    marks : Marks
        Its marks.
    awkward : int64 ndarray
        Places of control characters and backslashes, in order.
    length : int
        The number of rows.
    columns : list of ColumnCells
        The cells of each column.
    """

    block: Block
    marks: Marks
    awkward: Positions
    length: int
    columns: list[ColumnCells]


class Table:
    """Collects cells in any order, some rows at a time, and gives them column by column.

    Parameters
    ----------
    width : int
        The number of columns.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._first = 0
        self._length = 0
        self._count = 0
        # The start of a cell above its end, or 0: a body is below 2 GiB.
        self._places: Ints = np.zeros(0, np.int64)
        self._parts: list[list[tuple[Ints, Ints]]] = [[] for _ in range(width)]

    @property
    def rows_at_once(self) -> int:
        """How many rows may be open: as many as keep the table small."""
        return min(max(_MOST_PLACES // self._width, 500), 20_000)

    def open(self, first: int, length: int) -> None:
        """Take cells of so many rows, from the first one on."""
        self._first, self._length, self._count = first, length, 0
        self._places = np.zeros(self._width * length, np.int64)

    def put(self, rows: Ints, columns: Ints, starts: Positions, ends: Positions) -> None:
        """Add cells of open rows."""
        self._count += len(rows)
        self._places[columns * self._length + (rows - self._first)] = (starts << 32) | ends

    def close(self) -> bool:
        """Keep the cells of the open rows; False where a row has two cells of one column."""
        count = 0
        for parts, places in zip(self._parts, self._places.reshape(self._width, -1), strict=True):
            rows = np.flatnonzero(places)
            count += len(rows)
            parts.append((rows + self._first, places[rows]))
        return count == self._count

    def columns(self, number: Ints | None) -> list[ColumnCells]:
        """The cells of each column.

        Parameters
        ----------
        number : int64 ndarray or None
            The number that each row shall have, -1 for what was none; None where all rows keep theirs.
        """
        found = []
        for parts in self._parts:
            rows, places = parts[0] if len(parts) == 1 else (np.concatenate(part) for part in zip(*parts, strict=True))
            if number is not None:
                rows = number[rows]
                rows, places = rows[rows >= 0], places[rows >= 0]
            found.append(ColumnCells(rows, places >> 32, places & 0xFFFFFFFF))
        return found
