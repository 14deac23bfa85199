"""Buffers: for rows that were read, columns that grow in place; for bytes that arrive, blocks of whole rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from hsframe.arrays import Floats
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import PAD, Block, Ints
from hsframe.options import Limits

#: Large enough that the few hundred calls per block do not count, small enough that its columns stay in the cache.
BLOCK_BYTES: Final = 1 << 20
# Calls cost the same for few rows as for many: rows of many points are read in larger blocks.
_FEW_ROWS: Final = 2_000
_WIDE_BLOCKS: Final = 6
_KEPT_BYTES: Final = 16 << 20
# Rows of one row's size are expected; this much more is reserved, which costs nothing until it is written.
_RESERVE: Final = 1.1
_GROWTH: Final = 1.5


class RowBuffers:
    """Rows in order: instants, and cells of `width` columns beside the timestamps."""

    def __init__(self, width: int, limits: Limits) -> None:
        self.length = 0
        self._limits = limits
        self._times: Ints = np.empty(0, np.int64)
        self._cells: list[Floats] = [np.empty(0) for _ in range(width)]

    def reserve(self, rows: int) -> None:
        """Make room for as many rows in all, if they are more than there is room for."""
        if rows > len(self._times):
            self._times = _grown(self._times, self.length, rows)
            for place, cells in enumerate(self._cells):
                self._cells[place] = _grown(cells, self.length, rows)

    def expect(self, share_read: float) -> None:
        """Make room for a body of which a share was read."""
        rows = int(self.length / share_read * _RESERVE) + 1
        self.reserve(min(rows, self._limits.cells // (len(self._cells) + 1)))

    def append(self, times: Ints, cells: Floats) -> None:
        """Add rows; `cells` has one row per row of the grid."""
        end = self.length + len(times)
        self._limits.check("cells", end * (len(self._cells) + 1), "history")
        if end > len(self._times):
            self.reserve(max(end, int(len(self._times) * _GROWTH)) if self.length else end)
        self._times[self.length : end] = times
        for place, column in enumerate(self._cells):
            column[self.length : end] = cells[:, place]
        self.length = end

    def put(self, row: int, time: int, cells: Sequence[float]) -> None:
        """Fill a row that was added before it could be read."""
        self._times[row] = time
        for column, cell in zip(self._cells, cells, strict=True):
            column[row] = cell

    @property
    def times(self) -> Ints:
        return self._times[: self.length]

    def cells(self, place: int) -> Floats:
        return self._cells[place][: self.length]


_Number = TypeVar("_Number", bound=np.generic)


def _grown(old: npt.NDArray[_Number], used: int, rows: int) -> npt.NDArray[_Number]:
    new = np.empty(rows, old.dtype)
    new[:used] = old[:used]
    return new


class _Reader(Protocol):
    @property
    def rows(self) -> RowBuffers: ...

    def take(self, block: Block, start: int, end: int) -> int: ...


class BodyBuffer:
    """Hands a body to a reader in blocks of `size` bytes, and keeps what is not a whole row yet.

    `taken` counts the bytes of the rows that were read.
    """

    def __init__(self, reader: _Reader, size: int) -> None:
        self._reader = reader
        # glibc gives the memory of temporary arrays back to the system at once, which clears it again, until it has
        # seen a larger block come and go: rows of many points then take 1.5 times as long. This one is never touched.
        np.empty(_KEPT_BYTES, np.uint8)
        self._block = Block(size)
        self._held = 0
        self.taken = 0

    def push(self, data: memoryview) -> None:
        """Take more of the body; it raises NeedsExactParserError, as the reader does."""
        at = 0
        while at < len(data):
            count = min(len(data) - at, self._block.size - self._held)
            begin = PAD + self._held
            self._block.octets[begin : begin + count] = np.frombuffer(data[at : at + count], np.uint8)
            self._held += count
            at += count
            if self._held == self._block.size:
                self.flush()

    def flush(self) -> None:
        """Read what is held, as far as it is whole rows."""
        if not self._held:
            return
        taken = self._reader.take(self._block, PAD, PAD + self._held)
        is_full = self._held == self._block.size
        if is_full and not taken:
            raise NeedsExactParserError
        rest = self._block.octets[PAD + taken : PAD + self._held].copy()
        if is_full and not self.taken and self._reader.rows.length < _FEW_ROWS:
            self._block = Block(_WIDE_BLOCKS * self._block.size)
        self._held -= taken
        self._block.octets[PAD : PAD + self._held] = rest
        self.taken += taken

    @property
    def held(self) -> bytes:
        return self._block.text(PAD, PAD + self._held)
