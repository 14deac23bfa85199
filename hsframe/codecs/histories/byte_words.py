"""Eight bytes at a time: a body as overlapping 64-bit words, and the few things that kernels ask of a word.

A kernel looks at one place of many rows at once. ``block.words[positions]`` gives the eight bytes from each
position on as one little-endian integer, so a comparison with a text, a test for digits or a conversion is a handful of
integer operations for all rows, whatever their alignment. Nothing here knows what a history is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Words: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.int64]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
#: The words ``YYYY-MM-``, ``Y-MM-DDT`` and ``±hh:mm`` with two zero bytes; 0 for ``Z``.
Day: TypeAlias = tuple[int, int, int]

#: Bytes around a block that a kernel may read, and must not believe.
PAD: Final = 1024

#: So many cells are worked on at a time that they stay in the cache.
CACHED_CELLS: Final = 1 << 14

ZEROS: Final = np.uint64(0x3030303030303030)  # "00000000"
DOTS: Final = np.uint64(0x1E1E1E1E1E1E1E1E)  # "........" xor "00000000"
HIGH_BITS: Final = np.uint64(0x8080808080808080)
_LOW_BITS: Final = np.uint64(0x7F7F7F7F7F7F7F7F)
_ABOVE_NINE: Final = np.uint64(0x7676767676767676)


class Block:
    """A piece of a body of at most `size` bytes, in a buffer with room on both sides, reused from piece to piece.

    ``words[i]`` is ``octets[i:i+8]``, little-endian, at any ``i``: overlapping, not aligned, no copy. The keys of
    `days` are the days and offsets of the timestamps that were read.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.days: dict[Day, None] = {}
        self.octets: npt.NDArray[np.uint8] = np.zeros(size + 2 * PAD, np.uint8)
        self.words: Words = np.ndarray((len(self.octets) - 7,), "<u8", self.octets, strides=(1,))

    def text(self, start: int, end: int) -> bytes:
        return self.octets[start:end].tobytes()


@lru_cache
def literal_words(text: bytes) -> list[tuple[int, np.uint64, np.uint64]]:
    """A text as (offset, word, mask): what ``words[position + offset] & mask`` is where the text is.

    A text of eight bytes and more is covered by whole words, the last one overlapping; its mask is all ones.
    """
    if len(text) >= 8:
        offsets = [*range(0, len(text) - 7, 8)]
        if offsets[-1] != len(text) - 8:
            offsets.append(len(text) - 8)
        return [(at, _word(text[at : at + 8]), np.uint64(0xFFFFFFFFFFFFFFFF)) for at in offsets]
    return [(0, _word(text), np.uint64((1 << 8 * len(text)) - 1))] if text else []


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text.ljust(8, b"\0"), "little"))


def equal_bytes(block: Block, positions: Positions, text: bytes) -> Bools:
    """Whether a text is at each position; a position must have the text's length and a word before the end."""
    result: Bools | None = None
    for offset, word, mask in literal_words(text):
        here = block.words[offset:][positions]
        same = here == word if mask == 0xFFFFFFFFFFFFFFFF else (here & mask) == word
        result = same if result is None else result & same
    return np.ones(len(positions), bool) if result is None else result


def not_digits(values: Words) -> Words:
    """The high bit of every byte above nine, for words of digits minus ``"0"``.

    A carry can only come out of a byte that is above nine itself: a word is zero here only if all of its bytes are
    digits, and the lowest bit that is set is true.
    """
    return ((values + _ABOVE_NINE) | values) & HIGH_BITS


def zero_bytes(values: Words) -> Words:
    """The high bit of every byte that is zero, exactly."""
    return ~(((values & _LOW_BITS) + _LOW_BITS) | values | _LOW_BITS)


def lowest_bits(values: Words) -> Words:
    """The words with nothing but their lowest bit."""
    return values & (~values + np.uint64(1))


def byte_index(flags: Words) -> Ints:
    """Which byte has its high bit set as the first one (0 to 7), for words of high bits; not for 0."""
    return bit_index(flags) >> 3


def bit_index(values: Words) -> Ints:
    """The number of the lowest bit that is set; anything for 0."""
    # A power of two is exact as a float, whose exponent counts the bits below.
    index: Ints = (lowest_bits(values).astype(np.float64).view(np.int64) >> 52) - 1023
    return index


def eight_digits(values: Words) -> Words:
    """The numbers of words of eight digits minus ``"0"``, the first character the most significant."""
    pairs = values * np.uint64(10) + (values >> np.uint64(8))
    mask = np.uint64(0x000000FF000000FF)
    upper = (pairs & mask) * np.uint64(0x000F424000000064)  # 100 + (1_000_000 << 32)
    lower = ((pairs >> np.uint64(16)) & mask) * np.uint64(0x0000271000000001)  # 1 + (10_000 << 32)
    return (upper + lower) >> np.uint64(32)


def texts_of(block: Block, starts: Positions, ends: Positions, kind: Any = None) -> pa.Array:
    """Places as an Arrow binary array without a copy: every second item is the gap between two places, and null."""
    count = len(starts)
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0:-1:2] = starts
    offsets[1::2] = ends
    offsets[-1] = ends[-1] if count else 0
    valid = np.full((2 * count + 7) // 8, 0x55, np.uint8)
    buffers = [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(block.octets)]
    return pa.Array.from_buffers(kind or pa.binary(), 2 * count, buffers, null_count=count)


def coded_texts(block: Block, starts: Positions, ends: Positions) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """The different texts at places that grow from one to the next, and for each place the number of its text."""
    encoded = texts_of(block, starts, ends).dictionary_encode()
    codes = np.frombuffer(encoded.indices.buffers()[1], np.int32)[encoded.indices.offset :]
    return encoded.dictionary, codes[: 2 * len(starts) : 2]
