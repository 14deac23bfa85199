"""What the readers of rows share: the sink, the table, and the rows that wait for the exact parser."""

from __future__ import annotations

import abc
import math
from typing import Any, Final

import numpy as np

from hsframe.codecs.histories.cells import ABSENT, boxed
from hsframe.codecs.histories.sink import Sink
from hsframe.codecs.histories.stamps import StampReader
from hsframe.codecs.histories.table import Table
from hsframe.codecs.histories.words import Block
from hsframe.grid import Grid
from hsframe.kinds import Number

__all__ = ["HistoryRows"]

# With more unusual rows than this share, the exact parser is the better reader of the whole.
_MOST_ODD_SHARE: Final = 8
_ALWAYS_ODD: Final = 500


class HistoryRows(abc.ABC):
    """Reads the rows of one body.

    Parameters
    ----------
    head : bytes
        The body up to its first row.
    width : int
        Columns beside the timestamps, at least one.

    Attributes
    ----------
    sink : Sink
        The rows that were taken.
    table : Table
        The cells that are no plain numbers.
    tz : str
        The zone's name, once rows are settled.
    units : list of str or None
        The unit of each column's plain numbers, once rows are settled.
    """

    #: What ends a body behind its last row.
    usual_tail: bytes = b""

    def __init__(self, head: bytes, width: int) -> None:
        self.head = head
        self.width = width
        self.sink = Sink(width)
        self.table = Table()
        self.tz = ""
        self.units: list[str | None] = [None] * width
        self._stamps = StampReader()
        self._odd: list[tuple[int, bytes]] = []
        self._odd_count = 0

    @abc.abstractmethod
    def take(self, block: Block, start: int, end: int) -> int | None:
        """Read the rows that are whole.

        Returns
        -------
        int or None
            The bytes that were read; None where something is so unusual that only the exact parser can say.
        """

    @abc.abstractmethod
    def settle(self, tail: bytes) -> Grid | None:
        """Let the exact parser read all unusual rows that were taken, and each row that taught something.

        Parameters
        ----------
        tail : bytes
            What ends the body.

        Returns
        -------
        Grid or None
            The grid of the header and these rows; None where only the exact parser can read the body, and say what
            is wrong with it.
        """

    @abc.abstractmethod
    def finish(self, rest: bytes) -> Grid | None:
        """Settle all rows, the last one too.

        Parameters
        ----------
        rest : bytes
            What follows the rows that were taken.
        """

    def start_window(self) -> None:
        """Forget the rows, which were settled, and keep what they taught."""
        self.sink = Sink(self.width)
        self.table.forget_added()

    @property
    def _is_unusual(self) -> bool:
        return self.table.is_crowded or self._odd_count > _ALWAYS_ODD + self.sink.length // _MOST_ODD_SHARE

    def _hold_place(self, text: bytes) -> None:
        """Add one row that the exact parser has to read."""
        self._odd.append((self.sink.length, text))
        self.sink.append(np.zeros(1, np.int64), np.full((1, self.width), boxed(ABSENT)))

    def _put(self, row: int, us: int, values: list[Any]) -> None:
        """Fill a row that the exact parser read."""
        self.sink.put(row, us, [self._cell(value, self.units[place]) for place, value in enumerate(values)])

    def _cell(self, value: Any, unit: str | None) -> float:
        if value is None:
            return float(boxed(ABSENT))
        if isinstance(value, Number) and value.unit == unit and math.isfinite(value.val):
            return float(value.val)
        return float(boxed(self.table.add(value)))
