"""Cells that were cut out of a body: for each, its row, its column and its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hsframe.codecs.entities.marks import Marks
from hsframe.codecs.histories.words import Block, Ints, Positions

__all__ = ["Cells", "ColumnCells", "Small", "Step"]

#: There are many cells, and their bodies are below 2 GiB.
Small: TypeAlias = npt.NDArray[np.int32]
#: The row, the column, the start and the end of some cells.
Step: TypeAlias = tuple[Small, ...]


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
    rows, columns, starts, ends : int32 ndarrays
        Of each cell.
    """

    block: Block
    marks: Marks
    awkward: Positions
    length: int
    rows: Small
    columns: Small
    starts: Small
    ends: Small

    def by_column(self, width: int) -> Iterator[ColumnCells] | None:
        """The cells of each column; None where a row has two cells of one column."""
        order = np.argsort(self.columns.astype(np.int16), kind="stable")
        counts = np.bincount(self.columns, minlength=width)
        rows, starts, ends = self.rows[order], self.starts[order], self.ends[order]
        found = []
        at = 0
        for count in counts.tolist():
            here = slice(at, at + count)
            at += count
            place = np.zeros(self.length, np.int32)
            place[rows[here]] = np.arange(1, count + 1, dtype=np.int32)
            present = np.flatnonzero(place)
            if len(present) != count:
                return None
            inner = place[present] - 1
            found.append(ColumnCells(present, starts[here][inner].astype(np.int64), ends[here][inner].astype(np.int64)))
        return iter(found)
