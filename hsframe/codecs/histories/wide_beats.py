"""Rows of many points that repeat byte for byte but for the clock and the numbers, read in the order of the bytes.

A walk looks at one key of all rows at a time, and meets memory that the cache has long forgotten. Here an octet that
stands between any two numbers finds all of their ends at once, and a record behind each number is compared with the
one of the row before. It is all or nothing: in a block in which anything is different, the rows are walked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hsframe.codecs.histories.beats import Beat
from hsframe.codecs.histories.numbers import read_numbers
from hsframe.codecs.histories.stamps import StampReader
from hsframe.codecs.histories.words import Block, Floats, Ints, Positions, Words

__all__ = ["WideBeat", "WideBeats", "WideRows", "wide_beat_of"]

_WORD: Final = 8
_LONGEST: Final = 480
# What may stand in a timestamp or a number cannot find the end of one.
_INSIDE: Final = frozenset(b"0123456789+-.:TZeE")
# So many cells are worked on at a time that they stay in the cache.
_CELLS: Final = 1 << 14
_MOST_MISSES: Final = 4


@dataclass(frozen=True, slots=True)
class WideRows:
    """Rows in pieces of times and cells (one row a row of the grid), and the bytes that they take."""

    rows: list[tuple[Ints, Floats]]
    taken: int


class WideBeat:
    """Reads rows of a timestamp and several numbers; see :func:`wide_beat_of`."""

    def __init__(self, around: Beat, octet: int, marks: Positions, backs: Positions, count: int, gaps: Sequence[bytes]):
        self._around = around
        self._octet = octet
        self._marks = marks
        self._backs = backs
        self._count = count
        self._gaps = np.array([len(gap) for gap in gaps])
        self._width = 1 - (-max(map(len, gaps)) // _WORD)  # in words, the number's own in front
        self._texts = self._words([bytes(_WORD) + gap for gap in gaps])
        self._masks = self._words([bytes(_WORD) + b"\xff" * len(gap) for gap in gaps])

    def _words(self, texts: Sequence[bytes]) -> Words:
        padded = b"".join(text.ljust(self._width * _WORD, b"\0") for text in texts)
        return np.frombuffer(padded, np.uint64).reshape(len(texts), self._width)

    def read(self, block: Block, start: int, end: int, stamps: StampReader) -> WideRows | None:
        """The rows from `start` on, without the last one that begins before `end`; None where one is different."""
        found = np.flatnonzero(block.octets[start:end] == self._octet)
        count = len(found) // self._count - 1
        if count < 1:
            return None
        places = found[: count * self._count].reshape(count, self._count)
        pieces = []
        begin = start
        step = max(_CELLS // len(self._marks), 1)
        for row in range(0, count, step):
            ends = places[row : row + step].take(self._marks, axis=1)
            ends += start - self._backs
            piece = self._read_piece(block, begin, ends, stamps)
            if piece is None:
                return None
            pieces.append(piece)
            begin = int(ends[-1, -1]) + self._around.close_length
        return WideRows(pieces, begin - start)

    def _read_piece(self, block: Block, start: int, ends: Positions, stamps: StampReader) -> tuple[Ints, Floats] | None:
        bounds = np.concatenate(([start], ends[:, -1] + self._around.close_length))
        times, last, ok = self._around.read_around(block, bounds, stamps)
        if not ok.all():
            return None
        size = self._width * _WORD
        items = np.ndarray((len(block.octets) - size + 1,), f"V{size}", block.octets, strides=(1,))
        records = items[(ends[:, :-1] - _WORD).ravel()].view(np.uint64).reshape(len(ends), -1, self._width)
        if (((records[0] ^ self._texts) & self._masks) != 0).any():
            return None
        differs = records[1:] ^ records[:-1]
        differs &= self._masks
        if differs.any():
            return None
        words = np.empty(ends.shape, np.uint64)
        words[:, :-1] = records[:, :, 0]
        words[:, -1] = last
        starts = np.empty(ends.shape, np.int64)
        starts[:, 0] = bounds[:-1] + self._around.head_length
        np.add(ends[:, :-1], self._gaps, out=starts[:, 1:])
        cells, is_number = read_numbers(block, starts.ravel(), ends.ravel(), words.ravel())
        return (times, cells.reshape(ends.shape)) if is_number.all() else None


def wide_beat_of(around: Beat, lead: bytes, middle: bytes, close: bytes, gaps: Sequence[bytes]) -> WideBeat | None:
    """The beat of rows of several numbers; None where no octet tells where they end.

    Parameters
    ----------
    around : Beat
        It reads all but the numbers and the gaps.
    lead, middle, close : bytes
        What stands in front of a row's timestamp, between it and the first number, and behind the last one.
    gaps : sequence of bytes
        What stands between each two numbers, at least one.
    """
    parts = [lead, middle, *gaps, close]
    behind = [*gaps, close]
    octets = set(behind[0]).intersection(*behind[1:]) - _INSIDE
    if not octets or max(map(len, gaps)) > _LONGEST:
        return None
    octet = min(sorted(octets), key=lambda octet: sum(part.count(octet) for part in parts))
    marks, backs = [], []
    mark = lead.count(octet) + middle.count(octet)
    for text in behind:
        marks.append(mark)
        backs.append(text.index(octet))
        mark += text.count(octet)
    return WideBeat(around, octet, np.array(marks), np.array(backs), mark, gaps)


class WideBeats:
    """The beat of a body of many points, as long as its rows keep to one."""

    def __init__(self, stamps: StampReader) -> None:
        self._stamps = stamps
        self._beat: WideBeat | None = None
        self._misses = 0

    def read(self, block: Block, start: int, end: int, make: Callable[[], WideBeat | None]) -> WideRows | None:
        """As :meth:`WideBeat.read`, by a beat that `make` gives when one is needed; None where there is none."""
        if self._misses > _MOST_MISSES:
            return None
        if self._beat is None:
            self._beat = make()
        read = None if self._beat is None else self._beat.read(block, start, end, self._stamps)
        if read is None:
            self._misses += 1
            self._beat = None
        return read
