"""Eight bytes at a time: a body as overlapping 64-bit words, and the few things that kernels ask of a word.

A kernel looks at one place of many rows at once. ``block.words[positions]`` gives the eight bytes from each
position on as one little-endian integer, so a comparison with a text, a test for digits or a conversion is a handful of
integer operations for all rows, whatever their alignment. Nothing here knows what a history is.

Numbers become the doubles that ``float(text)`` gives, to the last bit. Their form is ``-?digits[.digits]``, no leading
zero, as all three formats write them. Up to eight characters fit a word: their digits are an integer below 2**53, the
scale a power of ten below 10**23, so one division rounds right. Up to 24 characters are checked in words and converted
by Arrow, which rounds right too. The rest (exponents, more digits) is checked by a regular expression. Underscores,
names and nonsense are not ok: the exact parser decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.arrays import Bools, Floats

Words: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.int64]
Ints: TypeAlias = npt.NDArray[np.int64]
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
_GRAMMAR: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_CHECKED: Final = 24
_LONGEST: Final = 48
_DOT: Final = 0x1E
_ONES: Final = np.uint64(0x0101010101010101)
_LAST_BYTE: Final = np.uint64(1 << 56)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
# The power of ten by the upper bits of the float 256.0 ** i, i the byte of the dot; 1 without a dot.
_SCALES: Final = np.ones(256)
_SCALES[127:135] = [10.0 ** (7 - byte) for byte in range(8)]


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


def read_numbers(block: Block, starts: Positions, ends: Positions, last: Words | None = None) -> tuple[Floats, Bools]:
    """The numbers between half-open places, where ok; a cell may be empty, or end before it starts.

    `last` are the eight bytes before each end, where the caller has them.
    """
    lengths = ends - starts
    values, ok = np.empty(len(starts)), np.empty(len(starts), bool)
    for at in range(0, len(starts), CACHED_CELLS):
        part = slice(at, at + CACHED_CELLS)
        words = block.words[ends[part] - 8] if last is None else last[part]
        values[part], ok[part] = _short(words, lengths[part])
    if ok.all():
        return values, ok
    rest = np.flatnonzero(~ok & (lengths >= 2))  # what is shorter and not ok is not a number
    if len(rest):
        negative = block.octets[starts[rest]] == ord("-")
        below = rest[negative & (lengths[rest] <= 9)]
        if len(below):
            numbers, ok[below] = _short(block.words[ends[below] - 8], lengths[below] - 1)
            values[below] = -numbers
            rest = rest[~ok[rest]]
            negative = block.octets[starts[rest]] == ord("-")
        first = np.where(negative, block.octets[starts[rest] + 1], block.octets[starts[rest]])
        final = block.octets[ends[rest] - 1]
        rest = rest[is_digit(first) & is_digit(final) & (lengths[rest] >= 3) & (lengths[rest] <= _LONGEST)]
    if len(rest):
        values[rest], ok[rest] = _long(block, starts[rest], ends[rest])
    return values, ok


def is_digit(octets: npt.NDArray[np.uint8]) -> Bools:
    result: Bools = (octets >= ord("0")) & (octets <= ord("9"))
    return result


def _short(last: Words, lengths: Positions) -> tuple[Floats, Bools]:
    """Numbers of one to eight characters without a sign, out of the words that end where they end."""
    # NumPy shifts by 64 and more, too: a cell of any other length is left without a first digit.
    shift = ((8 - lengths) << 3).view(np.uint64)
    digits = last ^ ZEROS
    digits &= _ALL << shift
    # Of all that a number may hold, only the dot has this bit; it is made a zero.
    dot = (digits >> np.uint64(4)) & _ONES
    digits ^= dot * np.uint64(_DOT)
    # Nothing but digits beside the dot: with nine added, a dot is a digit still, and what else has its bit is none.
    ok = not_digits(digits + dot * np.uint64(9)) == 0
    # One dot at most, and not at the end.
    below = dot - np.uint64(1)
    ok &= (dot & below) == 0
    ok &= dot < _LAST_BYTE
    # A dot was made a zero: this finds one where the first digit should be, too.
    zeros = np.flatnonzero(((digits >> shift) & np.uint64(0xFF)) == 0)
    if len(zeros):
        # Such a zero is the only digit, or is right before the dot.
        dots, shifts = dot[zeros], shift[zeros]
        ok[zeros] &= (dots >> shifts == np.uint64(1 << 8)) | ((shifts == np.uint64(56)) & (dots == 0))
    # The digits before the dot move up by one byte, over the dot: as if they were added 255 times more.
    digits += (digits & below) * np.minimum(dot, np.uint64(0xFF))
    scale = _SCALES[dot.astype(np.float64).view(np.int64) >> 55]
    return eight_digits(digits).astype(np.float64) / scale, ok


def _long(block: Block, starts: Positions, ends: Positions) -> tuple[Floats, Bools]:
    """Numbers whose first and last characters are digits, or a minus and a digit."""
    ok = _is_plain(block, starts, ends)
    other = np.flatnonzero(~ok)
    if len(other):
        texts = texts_of(block, starts[other], ends[other], pa.string())
        ok[other] = pc.match_substring_regex(texts.take(np.arange(0, len(texts), 2)), _GRAMMAR).to_numpy(False)
    values = np.zeros(len(starts))
    try:
        doubles = pc.cast(texts_of(block, starts[ok], ends[ok], pa.string()), pa.float64())
    except pa.ArrowInvalid:  # Arrow refuses what a double cannot hold; the exact parser decides
        return values, np.zeros(len(starts), bool)
    values[ok] = np.frombuffer(doubles.buffers()[1], np.float64)[doubles.offset : doubles.offset + len(doubles) : 2]
    return values, ok


def _is_plain(block: Block, starts: Positions, ends: Positions) -> Bools:
    """Whether nothing but digits and one dot follows the sign, for numbers of up to 24 characters."""
    starts = starts + (block.octets[starts] == ord("-"))
    lengths = ends - starts
    ok = lengths <= _CHECKED
    dots = np.zeros(len(starts), np.int64)
    for back in range(0, min(int(lengths.max()), _CHECKED), 8):
        inside = np.clip(lengths - back, 0, 8)
        shift = ((8 - inside) << 3).view(np.uint64)
        digits = (block.words[ends - (8 + back)] ^ ZEROS) & (_ALL << shift)
        dot = zero_bytes(digits ^ DOTS)
        digits ^= (dot >> np.uint64(7)) * np.uint64(_DOT)
        ok &= (not_digits(digits) == 0) & ((dot & (dot - np.uint64(1))) == 0)
        dots += dot != 0
    ok &= dots <= 1
    leading_zero = (block.octets[starts] == ord("0")) & (block.octets[starts + 1] != ord("."))
    result: Bools = ok & ~leading_zero
    return result


def ends_of(block: Block, starts: Positions, stop: int | None, most: int = _LONGEST) -> Positions:
    """Where the characters of numbers stop, at most `most` bytes ahead.

    `stop` is the byte that is expected after the numbers; None for any that is not a digit, dot or minus.
    """
    ends = starts.copy()
    going = np.arange(len(ends))
    flags = _stops(block.words[ends], stop)
    for _ in range(8, most, 8):
        is_open = flags == 0
        if not is_open.any():
            break
        ends[going] += np.where(is_open, 8, byte_index(flags))
        going = going[is_open]
        flags = _stops(block.words[ends[going]], stop)
    ends[going] += np.where(flags == 0, 8, byte_index(flags))
    return ends


def _stops(words: Words, stop: int | None) -> Words:
    if stop is not None:
        return zero_bytes(words ^ np.uint64(stop * 0x0101010101010101))
    digits = words ^ ZEROS
    return not_digits(digits) & ~zero_bytes(digits ^ DOTS) & ~zero_bytes(digits ^ np.uint64(0x1D1D1D1D1D1D1D1D))
