"""Doubles to texts, all at once: the shortest text that reads back as the double.

Measured values mostly are short decimals: an integer below ten millions over 100, say. If that quotient is the double
itself, the integer's digits are its text: no other text of so few digits gives the same double. Those digits come out
of a table, four at a time. Arrow writes all other doubles, in the same form.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.histories.words import Bools, Floats, Ints, Words

__all__ = ["LONGEST", "number_texts"]

Fields: TypeAlias = npt.NDArray[np.void]

#: The most bytes of a field: the longest text of a double, as ``-2.2250738585072014e-308``.
LONGEST: Final = 24
_WORD: Final = 8
# Seven digits and a dot fill a word.
_DIGITS: Final = 7
_PLACES: Final = (2, 4)
_DOT, _MINUS = np.uint64(ord(".")), np.uint64(ord("-"))
_FEW: Final = 32


def number_texts(doubles: Floats) -> tuple[Fields, Ints]:
    """The texts of finite doubles.

    Parameters
    ----------
    doubles : float64 ndarray
        Neither NaN nor infinite.

    Returns
    -------
    fields : ndarray of void, of 8 or 24 bytes
        A text each, at the beginning of its field; what is behind it means nothing.
    lengths : int64 ndarray
        The bytes of each text.
    """
    rest = np.arange(len(doubles))
    texts: Words = np.zeros(len(doubles), np.uint64)
    lengths: Ints = np.zeros(len(doubles), np.int64)
    looks = doubles[:: max(len(doubles) // _FEW, 1)]
    for places in _PLACES:
        if len(rest) == 0 or not _decimals(looks, places)[2].any():
            continue
        found, sizes, ok = _decimals(doubles[rest], places)
        if len(rest) == len(doubles) and ok.all():
            return found.view(f"V{_WORD}"), sizes
        texts[rest[ok]], lengths[rest[ok]] = found[ok], sizes[ok]
        rest = rest[~ok]
    if len(rest) == 0:
        return texts.view(f"V{_WORD}"), lengths
    fields = np.zeros(len(doubles), f"V{LONGEST}")
    if len(rest) < len(doubles):
        fields.view(np.uint64)[:: LONGEST // _WORD] = texts
    fields[rest], lengths[rest] = _by_arrow(doubles[rest])
    return fields, lengths


def _decimals(doubles: Floats, places: int) -> tuple[Words, Ints, Bools]:
    """Texts of up to eight bytes as words, their lengths, and which doubles have such a text with so many places."""
    scale = 10**places
    sizes = np.abs(doubles)
    with np.errstate(over="ignore"):
        scaled = sizes * scale
    np.rint(scaled, out=scaled)
    ok = scaled / scale == sizes
    ok &= scaled < 10**_DIGITS
    negative = np.signbit(doubles)
    has_negative = bool(negative.any())
    if has_negative:
        ok &= ~(negative & (sizes == 0))
    if not ok.all():
        scaled[~ok] = 0
    number = scaled.astype(np.int64)
    upper = number // 10_000
    texts = _four_digits()[upper] | (_four_digits()[number - upper * 10_000] << np.uint64(32))
    whole = number // scale
    lengths = np.ones(len(doubles), np.int64)
    for power in range(1, _DIGITS - places):
        above = whole >= 10**power
        if not above.any():
            break
        lengths += above
    texts >>= ((8 - places - lengths) << 3).view(np.uint64)
    before_dot = (lengths << 3).view(np.uint64)
    low = texts & ((np.uint64(1) << before_dot) - np.uint64(1))
    texts ^= low
    texts <<= np.uint64(8)
    texts |= low
    texts |= _DOT << before_dot
    lengths += _kept(places)[number - whole * scale]
    if has_negative:
        lengths += negative
        ok &= lengths <= _WORD
        texts = np.where(negative, (texts << np.uint64(8)) | _MINUS, texts)
    return texts, lengths, ok


@cache
def _four_digits() -> Words:
    texts = b"".join(b"%04d\0\0\0\0" % number for number in range(10_000))
    return np.frombuffer(texts, np.uint64)


@cache
def _kept(places: int) -> Ints:
    """For a fraction of so many digits, how many bytes it has with its dot when the zeros at its end are left out."""
    texts = (f".{fraction:0{places}d}".rstrip("0") for fraction in range(10**places))
    return np.array([len(text) if len(text) > 1 else 0 for text in texts])


def _by_arrow(doubles: Floats) -> tuple[Any, Ints]:
    texts = pc.cast(pa.array(doubles), pa.string())
    ends = np.frombuffer(texts.buffers()[1], np.int32, len(doubles) + 1).astype(np.int64)
    octets = np.zeros(int(ends[-1]) + LONGEST, np.uint8)
    octets[: ends[-1]] = np.frombuffer(texts.buffers()[2], np.uint8, int(ends[-1]))
    items: Fields = np.ndarray((int(ends[-1]) + 1,), f"V{LONGEST}", octets, strides=(1,))
    return items[ends[:-1]], np.diff(ends)
