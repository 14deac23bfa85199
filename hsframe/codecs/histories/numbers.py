"""Texts of numbers to doubles, all cells at once, and to the last bit what ``float(text)`` gives.

The form is ``-?digits[.digits]``, no leading zero, as all three formats write numbers. Up to eight characters fit a
word: their digits are an integer below 2**53, the scale a power of ten below 10**23, so one division rounds right.
Up to 24 characters are checked in words and converted by Arrow, which rounds right too. The rest (exponents, more
digits) is checked by a regular expression. Underscores, names and nonsense are not ok: the exact parser decides.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.histories.byte_words import (
    CACHED_CELLS,
    DOTS,
    ZEROS,
    Block,
    Bools,
    Floats,
    Positions,
    Words,
    byte_index,
    eight_digits,
    not_digits,
    texts_of,
    zero_bytes,
)

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
        rest = rest[_is_digit(first) & _is_digit(final) & (lengths[rest] >= 3) & (lengths[rest] <= _LONGEST)]
    if len(rest):
        values[rest], ok[rest] = _long(block, starts[rest], ends[rest])
    return values, ok


def _is_digit(octets: npt.NDArray[np.uint8]) -> Bools:
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
