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

from hsframe.codecs.histories.table import texts_of
from hsframe.codecs.histories.words import (
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
    zero_bytes,
)

__all__ = ["number_ends", "read_numbers"]

_GRAMMAR: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_CHECKED: Final = 24
_LONGEST: Final = 48
_MINUS: Final = 0x1D  # "-" xor "0"
_DOT: Final = 0x1E
_TOP_BIT: Final = np.uint64(1 << 63)  # the high bit of the last byte
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
# By 8 * the index of the dot's byte in a word whose last byte is the last digit.
_SCALES: Final = np.array([10.0 ** (7 - bit // 8) for bit in range(64)])


def read_numbers(block: Block, starts: Positions, ends: Positions) -> tuple[Floats, Bools]:
    """The numbers between the given places.

    Parameters
    ----------
    block : Block
    starts, ends : int64 ndarrays
        Half-open places; a cell may be empty, or end before it starts.

    Returns
    -------
    values : float64 ndarray
        Where ok.
    ok : bool ndarray
    """
    lengths = ends - starts
    values, ok = _short(block, ends, lengths)
    if ok.all():
        return values, ok
    rest = np.flatnonzero(~ok & (lengths >= 3))  # what is shorter and not ok is no number
    if len(rest):
        first = block.octets[starts[rest]]
        first = np.where(first == ord("-"), block.octets[starts[rest] + 1], first)
        last = block.octets[ends[rest] - 1]
        rest = rest[_is_digit(first) & _is_digit(last) & (lengths[rest] <= _LONGEST)]
    if len(rest):
        values[rest], ok[rest] = _long(block, starts[rest], ends[rest])
    return values, ok


def _is_digit(octets: npt.NDArray[np.uint8]) -> Bools:
    result: Bools = (octets >= ord("0")) & (octets <= ord("9"))
    return result


def _short(block: Block, ends: Positions, lengths: Positions) -> tuple[Floats, Bools]:
    """Numbers of one to eight characters, out of the word that ends where they end."""
    fits = (lengths >= 1) & (lengths <= 8)
    shift = (np.uint64(64) - (np.where(fits, lengths, 8).view(np.uint64) << np.uint64(3))).astype(np.uint64)
    digits = (block.words[ends - 8] ^ ZEROS) & (_ALL << shift)
    negative = ((digits >> shift) & np.uint64(0xFF)) == _MINUS
    if negative.any():
        minus = negative.astype(np.uint64)
        digits ^= (minus * np.uint64(_MINUS)) << shift
        # The first digit stands one byte further on; a lone minus shifts out of the word, and is refused below.
        fits &= ~(negative & (lengths == 1))
        shift = np.minimum(shift + (minus << np.uint64(3)), np.uint64(56))
    dot = zero_bytes(digits ^ DOTS)
    has_dot = dot != 0
    dot_one = dot >> np.uint64(7)
    digits ^= dot_one * np.uint64(_DOT)
    # One dot at most, not at the end, not where the first digit should be, and nothing but digits beside it.
    ok = fits & (not_digits(digits) == 0) & ((dot & (dot - np.uint64(1))) == 0) & (dot < _TOP_BIT)
    ok &= ((dot >> shift) & np.uint64(0x80)) == 0
    # A zero that another digit follows; behind the last digit there is none, and behind a dot it is no leading zero.
    ok &= _no_leading_zero(digits, dot, shift)
    below = dot_one - np.uint64(1)
    if has_dot.all():
        joined = ((digits & below) << np.uint64(8)) | (digits & ~below)
        scale = _SCALES[byte_index(np.where(ok, dot, _TOP_BIT)) << 3]
    elif not has_dot.any():
        return np.where(negative, -1.0, 1.0) * eight_digits(digits).astype(np.float64), ok
    else:
        joined = np.where(has_dot, ((digits & below) << np.uint64(8)) | (digits & ~below), digits)
        scale = _SCALES[byte_index(np.where(has_dot & ok, dot, _TOP_BIT)) << 3]
    values = eight_digits(joined).astype(np.float64) / scale
    if negative.any():
        values = np.where(negative, -values, values)
    return values, ok


def _no_leading_zero(digits: Words, dot: Words, shift: Words) -> Bools:
    first_is_zero = ((digits >> shift) & np.uint64(0xFF)) == 0
    single = shift == np.uint64(56)
    second_is_dot = ((dot >> np.minimum(shift + np.uint64(8), np.uint64(56))) & np.uint64(0x80)) != 0
    result: Bools = ~first_is_zero | single | second_is_dot
    return result


def _long(block: Block, starts: Positions, ends: Positions) -> tuple[Floats, Bools]:
    """Numbers whose first and last characters are digits, or a minus and a digit."""
    values = np.zeros(len(starts))
    plain = _is_plain(block, starts, ends)
    if plain.any():
        converted = _convert(block, starts[plain], ends[plain])
        if converted is None:  # Arrow refuses what a double cannot hold; the exact parser says what becomes of it
            return values, np.zeros(len(starts), bool)
        values[plain] = converted
    other = np.flatnonzero(~plain)
    if len(other):
        texts = texts_of(block, starts[other], ends[other], pa.string())
        fit = pc.match_substring_regex(texts.take(np.arange(0, len(texts), 2)), _GRAMMAR)
        other = other[fit.to_numpy(zero_copy_only=False)]
    if len(other):
        converted = _convert(block, starts[other], ends[other])
        if converted is not None:
            values[other] = converted
            plain[other] = True
    return values, plain


def _is_plain(block: Block, starts: Positions, ends: Positions) -> Bools:
    """Whether nothing but digits and one dot stands behind the sign, for numbers of up to 24 characters."""
    starts = starts + (block.octets[starts] == ord("-"))
    lengths = ends - starts
    ok = lengths <= _CHECKED
    dots = np.zeros(len(starts), np.int64)
    for back in range(0, min(int(lengths.max()), _CHECKED), 8):
        inside = np.clip(lengths - back, 0, 8)
        # Shifting a word by 64 is not defined, so it is done in two steps.
        half = ((8 - inside) << 2).view(np.uint64)
        digits = (block.words[ends - (8 + back)] ^ ZEROS) & ((_ALL << half) << half)
        dot = zero_bytes(digits ^ DOTS)
        digits ^= (dot >> np.uint64(7)) * np.uint64(_DOT)
        ok &= (not_digits(digits) == 0) & ((dot & (dot - np.uint64(1))) == 0)
        dots += dot != 0
    ok &= dots <= 1
    leading_zero = (block.octets[starts] == ord("0")) & (block.octets[starts + 1] != ord("."))
    result: Bools = ok & ~leading_zero
    return result


def _convert(block: Block, starts: Positions, ends: Positions) -> Floats | None:
    try:
        doubles = pc.cast(texts_of(block, starts, ends, pa.string()), pa.float64())
    except pa.ArrowInvalid:
        return None
    buffer = doubles.buffers()[1]
    result: Floats = np.frombuffer(buffer, np.float64)[doubles.offset : doubles.offset + 2 * len(starts) : 2]
    return result


def number_ends(block: Block, starts: Positions) -> Positions:
    """Where the characters of a number (digits, dot, minus) stop, looking at most 48 bytes ahead."""
    ends = starts.copy()
    going: Positions | None = None
    for _ in range(0, 48, 8):
        here = ends if going is None else ends[going]
        digits = block.words[here] ^ ZEROS
        stop = not_digits(digits) & ~zero_bytes(digits ^ DOTS) & ~zero_bytes(digits ^ np.uint64(0x1D1D1D1D1D1D1D1D))
        found = stop != 0
        if going is None and found.all():
            return ends + byte_index(stop)
        step = np.where(found, byte_index(stop), 8)
        if going is None:
            ends += step
            going = np.flatnonzero(~found)
        else:
            ends[going] += step
            going = going[~found]
        if len(going) == 0:
            break
    return ends
