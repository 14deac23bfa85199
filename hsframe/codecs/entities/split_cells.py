"""A body split into cells: where each cell is, column by column, and what the splitters of both formats share.

The places of quotes, commas and brackets are found once for the whole body, one bit per byte. Then one question, "where
is the next one after here?", is answered for all rows at once by a shift and a few more operations on 64 bits.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hsframe.arrays import Bools
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import PAD, Block, Ints, Positions, Words, bit_index
from hsframe.options import Limits

_PIECE: Final = 1 << 18
# Where this many words hold nothing, the place is in a long text, and going on word by word would take long.
_MOST_WORDS: Final = 16
# No more than one byte of so many is a line end, a backslash or the like, where records have some tags.
_FEW_AWKWARD: Final = 8
# The memory of a body with its block and index, for each of its bytes; of the places of a row, and of a cell.
_BODY_BYTES, _ROW_BYTES, _CELL_BYTES = 5, 56, 34
_ONE: Final = np.uint64(1)
_BACKSLASH: Final = ord("\\")
# Where more ends than one per this many bytes must be found one by one, the exact parser is as fast.
_ODD_BYTES: Final = 500
_ALWAYS_ODD: Final = 200


def block_of(body: bytes) -> Block:
    """A body with room on both sides; it begins at :data:`~hsframe.codecs.histories.byte_words.PAD`."""
    block = Block(len(body))
    block.octets[PAD : PAD + len(body)] = np.frombuffer(body, np.uint8)
    return block


class ByteIndex:
    """The places of several sets of bytes in a block; each set is asked for by its number.

    Places in `escaped` do not count, whatever the byte there is. The number of a set times the `stride`, added to a
    place, asks for that set: so one question may ask for different sets at different places.
    """

    def __init__(self, block: Block, sets: Sequence[bytes], escaped: Positions) -> None:
        octets = block.octets
        room = (len(octets) // 64 + 3) * 8
        bits = np.zeros((len(sets), room), np.uint8)
        for begin in range(0, len(octets), _PIECE):
            piece = octets[begin : begin + _PIECE]
            for row, chars in zip(bits, sets, strict=True):
                found = piece == chars[0]
                for char in chars[1:]:
                    found |= piece == char
                packed = np.packbits(found, bitorder="little")
                row[begin >> 3 : (begin >> 3) + len(packed)] = packed
        counts = np.full(room, 0xFF, np.uint8)
        np.bitwise_and.at(counts, escaped >> 3, ~np.left_shift(1, escaped & 7).astype(np.uint8))
        bits &= counts
        # After the body every bit is set: there is always a next one, and it is inside the padding.
        bits[:, (PAD + block.size) // 8 + 1 :] = 0xFF
        self.stride = room * 8
        self._bits = bits
        self._bytes: Positions | None = None
        flat = bits.reshape(-1)
        self._words: Words = np.ndarray((len(flat) - 7,), "<u8", flat, strides=(1,))

    def next(self, places: Positions) -> Positions:
        """The next one at or after each place, both with the set's number times the stride."""
        found = self._words[places >> 3] >> (places & 7).view(np.uint64)
        result = places + bit_index(found)
        missing = np.flatnonzero(found == 0)
        onward = (places[missing] >> 3) + 8
        for _ in range(_MOST_WORDS):
            if not len(missing):
                return result
            found = self._words[onward]
            result[missing] = (onward << 3) + bit_index(found)
            missing, onward = missing[found == 0], onward[found == 0] + 8
        if len(missing):
            if self._bytes is None:
                self._bytes = np.flatnonzero(self._bits)
            onward = self._bytes[np.searchsorted(self._bytes, onward)]
            result[missing] = (onward << 3) + bit_index(self._words[onward])
        return result

    def find(self, number: int, places: Positions) -> Positions:
        """The next one of a set at or after each place."""
        shift = number * self.stride
        return self.next(places + shift) - shift

    def pairs(self, first: int, second: int, distance: int) -> Positions:
        """The places of one set that have one of another set `distance` bytes (below 64) after them; not in order."""
        one, two = self._bits[first].view(np.uint64), self._bits[second].view(np.uint64)
        both = two >> np.uint64(distance)
        both[:-1] |= two[1:] << np.uint64(64 - distance)
        both &= one
        places = np.flatnonzero(both)
        left = both[places]
        found = [places[:0]]
        while len(places):
            found.append(places * 64 + bit_index(left))
            left &= left - _ONE
            places, left = places[left != 0], left[left != 0]
        return np.concatenate(found)

    def within(self, places: Positions, ends: Positions) -> Bools:
        """Whether there is one at or after each place and before its end, which is not before the place."""
        found = self._words[places >> 3] >> (places & 7).view(np.uint64)
        result: Bools = (places + bit_index(found) < ends) & (found != 0)
        rest = np.flatnonzero((found == 0) & (((places >> 3) + 8) << 3 < ends))
        if len(rest):
            result[rest] = self.next(places[rest]) < ends[rest]
        return result


def escaped_places(block: Block) -> tuple[Positions, Positions]:
    """Places after a backslash that escapes, and places of control characters and backslashes, in order.

    Two backslashes are an escaped backslash, from the first one of a run on. NeedsExactParserError where there are so
    many of these bytes that their places would take much more memory than the body.
    """
    octets = block.octets
    found, awkward_bytes = [np.empty(0, np.int64)], 0
    for begin in range(PAD, PAD + block.size, _PIECE):
        piece = octets[begin : min(begin + _PIECE, PAD + block.size)]
        found.append(np.flatnonzero((piece < 0x20) | (piece == _BACKSLASH)) + begin)
        awkward_bytes += len(found[-1])
        if _FEW_AWKWARD * awkward_bytes > block.size + _PIECE:
            raise NeedsExactParserError
    awkward = np.concatenate(found)
    slashes = awkward[octets[awkward] == _BACKSLASH]
    if not len(slashes):
        return slashes, awkward
    place = np.arange(len(slashes))
    begins: Bools = np.ones(len(slashes), bool)
    begins[1:] = np.diff(slashes) != 1
    run = np.maximum.accumulate(np.where(begins, place, 0))
    return slashes[((place - run) & 1) == 0] + 1, awkward


def any_between(sorted_places: Positions, starts: Positions, ends: Positions) -> Bools:
    """Where one of the places lies between start and end."""
    result: Bools = np.searchsorted(sorted_places, starts) != np.searchsorted(sorted_places, ends)
    return result


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """The cells of one column: the rows that have one, in order, and where each is."""

    rows: Ints
    starts: Positions
    ends: Positions


@dataclass(frozen=True, slots=True)
class SplitBody:
    """All cells of a body, column by column.

    `index` knows where its quotes and brackets are, and `awkward` are the places of its control characters and
    backslashes, in order. `length` is the number of rows. What is made of them must keep the `limits`.
    """

    block: Block
    index: ByteIndex
    awkward: Positions
    length: int
    columns: list[ColumnCells]
    limits: Limits


def split_bytes(block: Block, rows: int, cells: int) -> int:
    """The memory that a body takes whose cells are split."""
    return _BODY_BYTES * block.size + _ROW_BYTES * rows + _CELL_BYTES * cells


class Splitter(abc.ABC):
    """Splits one body.

    The end of a value is guessed by its first byte and the next byte that can end such a value. A guess can be wrong,
    so the text of a cell counts only once the exact codec has taken it as one whole value: the reader of the cells does
    that. Rows of another form than servers write raise :class:`~hsframe.codecs.formats.NeedsExactParserError`.

    `sets` are the sets of bytes to find, those that end a plain value first. `closing` names the set that closes a
    value that is not plain, by its first byte.
    """

    def __init__(self, body: bytes, sets: Sequence[bytes], closing: Mapping[int, int], limits: Limits) -> None:
        self.limits = limits
        self.body = body
        self.block = block_of(body)
        escaped, self.awkward = escaped_places(self.block)
        self.index = ByteIndex(self.block, sets, escaped)
        # By the first byte of a value: which set to look for, and how many bytes of what is found belong to the value.
        self._sets = np.zeros(256, np.int64)
        self._own = np.zeros(256, np.int64)
        for first, number in closing.items():
            self._sets[first] = number * self.index.stride
            self._own[first] = 1
        self._odd = 0

    def check_memory(self, rows: int, cells: int) -> None:
        """Raise a CodecError where the places of so many rows and cells take more memory than is allowed."""
        self.limits.check_memory(split_bytes(self.block, rows, cells), "records")

    def guess_ends(self, begins: Positions, first: npt.NDArray[np.uint8]) -> Positions:
        """The likely ends of values, from their first bytes."""
        sets, own = self._sets[first], self._own[first]
        return self.index.next(begins + own + sets) - sets + own

    def holds(self, number: int, begins: Positions, ends: Positions) -> Bools:
        """Whether a byte of a set is in a value after its first byte."""
        inner = begins + 1 + number * self.index.stride
        return self.index.within(inner, np.maximum(ends + number * self.index.stride, inner))

    def find_ends(self, begins: Positions, ends: Positions, which: Ints) -> None:
        self._odd += len(which)
        if self._odd > _ALWAYS_ODD + len(self.body) // _ODD_BYTES:
            raise NeedsExactParserError
        for index in which.tolist():
            ends[index] = begins[index] + self.value_length(int(begins[index]))

    @abc.abstractmethod
    def value_length(self, begin: int) -> int:
        """The bytes of the value at a place of the block, with the blanks after it."""
