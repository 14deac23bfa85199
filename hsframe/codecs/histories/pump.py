"""Pieces of a body to blocks: fill the buffer, let the rows be read, keep what is not a whole row yet."""

from __future__ import annotations

from typing import Final

import numpy as np

from hsframe.codecs.histories.rows import HistoryRows
from hsframe.codecs.histories.words import PAD, Block

__all__ = ["BLOCK_BYTES", "Pump"]

#: Large enough that the few hundred calls a block do not count, small enough that its columns stay in the cache.
BLOCK_BYTES: Final = 1 << 20
# Calls cost the same for few rows as for many: rows of many points are read in larger blocks.
_FEW_ROWS: Final = 2_000
_WIDE_BLOCKS: Final = 6


class Pump:
    """Hands a body to a reader in blocks.

    Parameters
    ----------
    rows : HistoryRows
        The reader of the rows.
    size : int
        Bytes of a block; a row that is longer is unusual.

    Attributes
    ----------
    taken : int
        The bytes of the rows that were read.
    """

    def __init__(self, rows: HistoryRows, size: int = BLOCK_BYTES) -> None:
        self._rows = rows
        self._block = Block(size)
        self._held = 0
        self.taken = 0

    def push(self, data: memoryview) -> bool:
        """Take more of the body; False where only the exact parser can read it."""
        at = 0
        while at < len(data):
            block, size = self._block, self._block.size
            count = min(len(data) - at, size - self._held)
            begin = PAD + self._held
            block.octets[begin : begin + count] = np.frombuffer(data[at : at + count], np.uint8)
            self._held += count
            at += count
            if self._held == size and not self._run():
                return False
        return True

    def _run(self) -> bool:
        taken = self._rows.take(self._block, PAD, PAD + self._held)
        if taken is None or (taken == 0 and self._held == self._block.size):
            return False
        octets = self._block.octets
        left = self._held - taken
        rest = octets[PAD + taken : PAD + self._held].copy()
        if self._is_narrow(taken):
            self._block = Block(_WIDE_BLOCKS * self._block.size)
            octets = self._block.octets
        octets[PAD : PAD + left] = rest
        self._held = left
        self.taken += taken
        return True

    def _is_narrow(self, taken: int) -> bool:
        """Whether the rows are so long that a block holds only a few: once, after the first block."""
        rows = self._rows.sink.length
        return self.taken == 0 and self._held == self._block.size and 0 < rows < _FEW_ROWS and taken > 0

    def flush(self) -> bool:
        """Read what is held, as far as it is whole rows."""
        return self._held == 0 or self._run()

    @property
    def held(self) -> bytes:
        """What was not read yet."""
        return self._block.text(PAD, PAD + self._held)
