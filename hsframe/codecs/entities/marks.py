"""Where the marks of a format stand in a body: bits, and the next mark behind each of many places.

Quotes, commas and brackets are found once for the whole body, a bit a byte. Then one question, "where is the next one
behind here?", is answered for all rows at once by a shift and a few more operations on 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hsframe.codecs.histories.words import PAD, Block, Bools, Positions, Words

__all__ = ["Marks", "block_of", "escaped_places"]

_PIECE: Final = 1 << 18
# A place from which this many words hold no mark is in a long text; looking on word by word would take long.
_MOST_WORDS: Final = 16
_ONE: Final = np.uint64(1)
# In NumPy from version 2.0 on.
_bits_of: Final[Callable[[Words], npt.NDArray[np.uint8]] | None] = getattr(np, "bitwise_count", None)
_BACKSLASH: Final = ord("\\")


def block_of(body: bytes) -> Block:
    """A body with room on both sides; it begins at :data:`~hsframe.codecs.histories.words.PAD`."""
    block = Block(len(body))
    block.octets[PAD : PAD + len(body)] = np.frombuffer(body, np.uint8)
    return block


class Marks:
    """The places of several sets of bytes in a block.

    Parameters
    ----------
    block : Block
        The body.
    sets : sequence of bytes
        Each set is asked for by its number.
    escaped : int64 ndarray
        Places that are no mark, whatever stands there.

    Attributes
    ----------
    stride : int
        The number of a set times this, added to a place, asks for that set: so one question may ask for different
        sets at different places.
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
        if len(escaped):
            what = octets[escaped]
            for row, chars in zip(bits, sets, strict=True):
                here = escaped[np.isin(what, np.frombuffer(chars, np.uint8))]
                np.bitwise_and.at(row, here >> 3, ~np.left_shift(1, here & 7).astype(np.uint8))
        # Behind the body there are nothing but marks: there is always a next one, and it is in the room there.
        bits[:, (PAD + block.size) // 8 + 1 :] = 0xFF
        self.stride = room * 8
        self._bits = bits
        self._all: dict[int, Positions] = {}
        flat = bits.reshape(-1)
        self._words: Words = np.ndarray((len(flat) - 7,), "<u8", flat, strides=(1,))

    def next(self, places: Positions) -> Positions:
        """The next mark at or behind each place, both with the set's number times the stride."""
        found = self._words[places >> 3] >> (places & 7).view(np.uint64)
        result = places + _lowest_bit(found)
        missing = np.flatnonzero(found == 0)
        onward = ((places[missing] >> 3) + 8) << 3
        for _ in range(_MOST_WORDS):
            if not len(missing):
                return result
            found = self._words[onward >> 3]
            result[missing] = onward + _lowest_bit(found)
            missing, onward = missing[found == 0], onward[found == 0] + 64
        if len(missing):
            result[missing] = self._next_by_search(onward)
        return result

    def pairs(self, first: int, second: int, distance: int) -> Positions:
        """The places of marks of a set behind which a mark of another set stands, less than 64 bytes away."""
        one, two = self._bits[first].view(np.uint64), self._bits[second].view(np.uint64)
        both = two >> np.uint64(distance)
        both[:-1] |= two[1:] << np.uint64(64 - distance)
        both &= one
        places = np.flatnonzero(both)
        left = both[places]
        found = []
        while len(places):
            found.append(places * 64 + _lowest_bit(left))
            left = left & (left - _ONE)
            more = np.flatnonzero(left)
            places, left = places[more], left[more]
        return np.sort(np.concatenate(found)) if found else places

    def within(self, places: Positions, ends: Positions) -> Bools:
        """Whether there is a mark at or behind each place and before its end, which is not before the place."""
        found = self._words[places >> 3] >> (places & 7).view(np.uint64)
        result: Bools = places + _lowest_bit(found) < ends
        result &= found != 0
        rest = np.flatnonzero((found == 0) & (((places >> 3) + 8) << 3 < ends))
        if len(rest):
            result[rest] = self.next(places[rest]) < ends[rest]
        return result

    def _next_by_search(self, places: Positions) -> Positions:
        result = np.empty_like(places)
        numbers = places // self.stride
        for number in np.unique(numbers).tolist():
            marks = self._all.get(number)
            if marks is None:
                bits = np.unpackbits(self._bits[number], bitorder="little")
                marks = self._all[number] = np.flatnonzero(bits) + number * self.stride
            here = numbers == number
            result[here] = marks[np.searchsorted(marks, places[here])]
        return result


def _lowest_bit(values: Words) -> Positions:
    """The number of the lowest bit that is set; anything for 0."""
    if _bits_of is not None:
        return _bits_of(values ^ (values - _ONE)).astype(np.int64) - 1
    lowest = values & (~values + _ONE)
    # A power of two is exact as a float, whose exponent counts the bits below.
    index: Positions = (lowest.astype(np.float64).view(np.int64) >> 52) - 1023
    return index


def escaped_places(block: Block) -> tuple[Positions, Positions]:
    """Places behind a backslash that escapes, and places of control characters and backslashes, in order.

    Two backslashes are an escaped backslash, from the first one of a run on.
    """
    octets = block.octets
    found = [np.empty(0, np.int64)]
    for begin in range(PAD, PAD + block.size, _PIECE):
        piece = octets[begin : min(begin + _PIECE, PAD + block.size)]
        is_awkward = piece < 0x20
        is_awkward |= piece == _BACKSLASH
        found.append(np.flatnonzero(is_awkward) + begin)
    awkward = np.concatenate(found)
    slashes = awkward[block.octets[awkward] == _BACKSLASH]
    if not len(slashes):
        return slashes, awkward
    place = np.arange(len(slashes))
    begins: Bools = np.ones(len(slashes), bool)
    begins[1:] = np.diff(slashes) != 1
    run = np.maximum.accumulate(np.where(begins, place, 0))
    return slashes[((place - run) & 1) == 0] + 1, awkward


def holds(sorted_places: Positions, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
    """Where one of the places lies between start and end."""
    result: npt.NDArray[np.bool_] = np.searchsorted(sorted_places, starts) != np.searchsorted(sorted_places, ends)
    return result
