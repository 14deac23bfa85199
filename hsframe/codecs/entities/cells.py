"""Cells that were cut out of a body: for each, its row, its column and its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hsframe.codecs.entities.marks import Marks
from hsframe.codecs.histories.words import Block, Ints, Positions

__all__ = ["Cells", "ColumnCells", "Small", "Step", "by_column"]

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
    columns : list of ColumnCells
        The cells of each column.
    """

    block: Block
    marks: Marks
    awkward: Positions
    length: int
    columns: list[ColumnCells]


def by_column(step: Step, length: int, width: int) -> list[ColumnCells] | None:
    """The cells of each column; None where a row has two cells of one column.

    Parameters
    ----------
    step : Step
        All cells, in any order.
    length, width : int
        The numbers of rows and columns.
    """
    all_rows, all_columns, all_starts, all_ends = step
    order = np.argsort(all_columns.astype(np.int16), kind="stable")
    counts = np.bincount(all_columns, minlength=width)
    all_rows, all_starts, all_ends = all_rows[order], all_starts[order], all_ends[order]
    found = []
    at = 0
    for count in counts.tolist():
        rows, starts, ends = (part[at : at + count] for part in (all_rows, all_starts, all_ends))
        at += count
        place = np.zeros(length, np.int32)
        place[rows] = np.arange(1, count + 1, dtype=np.int32)
        present = np.flatnonzero(place)
        if len(present) != count:
            return None
        inner = place[present] - 1
        found.append(ColumnCells(present, starts[inner].astype(np.int64), ends[inner].astype(np.int64)))
    return found
