"""Where decoded rows go: arrays that grow in place, one of instants and one of cells a column."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hsframe.codecs.histories.words import Floats, Ints

__all__ = ["Sink"]

# Rows of one row's size are expected; this much more is reserved, which costs nothing until it is written.
_RESERVE = 1.1
_GROWTH = 1.5


class Sink:
    """Decoded rows in order.

    Parameters
    ----------
    width : int
        Columns beside the timestamps.

    Attributes
    ----------
    length : int
        Rows so far.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.length = 0
        self._times: Ints = np.empty(0, np.int64)
        self._cells: list[Floats] = [np.empty(0) for _ in range(width)]

    def reserve(self, rows: int) -> None:
        """Make room for as many rows in all, if they are more than there is room for."""
        if rows <= len(self._times):
            return
        self._times = _grown(self._times, self.length, rows)
        for place, cells in enumerate(self._cells):
            self._cells[place] = _grown(cells, self.length, rows)

    def expect(self, share_read: float) -> None:
        """Make room for a body of which a share was read."""
        if share_read > 0:
            self.reserve(int(self.length / share_read * _RESERVE) + 1)

    def append(self, times: Ints, cells: Floats) -> None:
        """Add rows; `cells` has one row a row of the grid."""
        end = self.length + len(times)
        if end > len(self._times):
            self.reserve(max(end, int(len(self._times) * _GROWTH)) if self.length else end)
        self._times[self.length : end] = times
        for place, column in enumerate(self._cells):
            column[self.length : end] = cells[:, place]
        self.length = end

    def put(self, row: int, time: int, cells: list[float]) -> None:
        """Fill a row that was added before it could be read."""
        self._times[row] = time
        for column, cell in zip(self._cells, cells, strict=True):
            column[row] = cell

    @property
    def times(self) -> Ints:
        """The instants so far."""
        return self._times[: self.length]

    def cells(self, place: int) -> Floats:
        """The cells of a column so far."""
        return self._cells[place][: self.length]


_Number = TypeVar("_Number", bound=np.generic)


def _grown(old: npt.NDArray[_Number], used: int, rows: int) -> npt.NDArray[_Number]:
    new = np.empty(rows, old.dtype)
    new[:used] = old[:used]
    return new
