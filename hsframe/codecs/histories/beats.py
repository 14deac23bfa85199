"""Rows of one point that repeat byte for byte but for the clock and the number: one look at each row reads it all.

The kernels of timestamps and numbers look at a place a time; rows that a body has taught need less. Between the number
of one row and the number of the next stand always the same bytes, with one timestamp among them. So a record of fixed
length is copied for each row boundary, the number's last eight bytes in front, and the records are compared with their
neighbours as plain words. Where nothing changes, what was checked for the first record of a run holds for all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from hsframe.codecs.histories.numbers import read_numbers
from hsframe.codecs.histories.stamps import StampReader, clock_seconds
from hsframe.codecs.histories.words import Block, Bools, Floats, Ints, Positions, Words

__all__ = ["Beat", "Beats", "beat_of"]

_WORD: Final = 8
_DATE: Final = 11  # YYYY-MM-DDT
_OFFSET: Final = 6  # -05:00
# Records must stay within the room around a block.
_LONGEST: Final = 480
# A beat that most rows miss is made anew by a later row, so often at most: a zone changes its form twice a year.
_MOST_MISSES: Final = 12
_LOOKS: Final = 64
_LOW_40: Final = np.uint64((1 << 40) - 1)
_SIX_BYTES: Final = np.uint64(0xFFFFFFFFFFFF)


class Beat:
    """Reads rows of the form ``lead stamp middle number close``, the number up to the row's own close.

    Parameters
    ----------
    lead, middle, close : bytes
        The texts of a row in front of the timestamp, between it and the number, and behind the number.
    offset : bool
        Whether timestamps end in an offset; else they end in ``Z``.

    Attributes
    ----------
    head_length, close_length : int
        The bytes of a row in front of the number and behind it.
    """

    def __init__(self, lead: bytes, middle: bytes, close: bytes, *, offset: bool) -> None:
        self.offset = offset
        behind_clock = middle if offset else b"Z" + middle
        self.head_length = len(lead) + _DATE + _WORD + (_OFFSET if offset else 0) + len(behind_clock)
        self.close_length = len(close)
        self._mark = len(lead) + _DATE + _WORD
        # The clock shall be a word of the record; the number's eight bytes begin `shift` bytes behind its start.
        before_clock = _WORD + len(close) + len(lead) + _DATE
        self._shift = -before_clock % _WORD
        self._clock = (before_clock + self._shift) // _WORD
        number, clock = self._shift + _WORD, _WORD
        in_offset = _OFFSET if offset else 0
        stamp = bytes(_DATE + clock + in_offset)
        text = bytes(number) + close + lead + stamp + behind_clock
        in_close = bytes(number) + b"\xff" * len(close)
        in_head = bytes(len(in_close)) + b"\xff" * len(lead) + stamp + b"\xff" * len(behind_clock)
        varies = bytes(len(in_close) + len(lead)) + b"\xff" * _DATE + bytes(clock) + b"\xff" * in_offset
        self._width = -(-len(text) // _WORD)
        self._text, self._in_close, self._in_head, varies_words = map(self._words, (text, in_close, in_head, varies))
        compared = self._in_close | self._in_head | varies_words
        self._partial = [
            (at, mask)
            for at, mask in enumerate(compared)
            if int(mask) not in (0, 0xFFFFFFFFFFFFFFFF) and at != self._clock
        ]
        self._is_compared: Bools = compared != 0
        self._tiled: Bools = np.zeros(0, bool)

    def _words(self, text: bytes) -> Words:
        return np.frombuffer(text.ljust(self._width * _WORD, b"\0"), np.uint64)

    def is_likely(self, block: Block, bounds: Positions) -> bool:
        """Whether most of a few rows have a timestamp of this form: reading rows of another one is wasted."""
        marks = block.octets[bounds[: -1 : max(len(bounds) // _LOOKS, 1)] + self._mark]
        fits = (marks == ord("+")) | (marks == ord("-")) if self.offset else marks == ord("Z")
        return bool(2 * np.count_nonzero(fits) > len(marks))

    def read(self, block: Block, bounds: Positions, stamps: StampReader) -> tuple[Ints, Floats, Bools]:
        """The rows between the given bounds.

        Parameters
        ----------
        block : Block
        bounds : int64 ndarray
            Where the rows begin, and where the last one ends: one more than rows.
        stamps : StampReader
            It knows the dates.

        Returns
        -------
        us : int64 ndarray
            Epoch microseconds, where ok.
        values : float64 ndarray
            Where ok.
        ok : bool ndarray
            Whether every byte of the row was compared, or read by a kernel.
        """
        us, last, ok = self.read_around(block, bounds, stamps)
        ends = bounds[1:] - self.close_length
        values, is_number = read_numbers(block, bounds[:-1] + self.head_length, ends, last)
        ok &= is_number
        return us, values, ok

    def read_around(self, block: Block, bounds: Positions, stamps: StampReader) -> tuple[Ints, Words, Bools]:
        """What :meth:`read` says but for the number: its place is the eight bytes in front of each row's close.

        Returns
        -------
        us : int64 ndarray
            Epoch microseconds, where ok.
        last : uint64 ndarray
            The eight bytes in front of each row's close.
        ok : bool ndarray
            Whether all bytes up to the end of the middle, and the close, are what they should be.
        """
        records = self._records(block, bounds)
        last = records[1:, 0]
        if self._shift:
            last = (last >> np.uint64(8 * self._shift)) | (records[1:, 1] << np.uint64(64 - 8 * self._shift))
        seconds, ok = clock_seconds(records[:-1, self._clock])
        lengths, runs = self._runs(records)
        head_fits = (((runs ^ self._text) & self._in_head) == 0).all(axis=1)
        close_fits = (((runs ^ self._text) & self._in_close) == 0).all(axis=1)
        # Rows of another form have anything where the offset should be: nothing of it is worth a look.
        fitting = np.flatnonzero(head_fits)
        midnights = np.zeros(len(runs), np.int64)
        midnights[fitting], head_fits[fitting] = self._midnights(runs[fitting], stamps)
        us = np.repeat(midnights, lengths)[:-1]
        us += seconds.view(np.int64) * 1_000_000
        # The last record has no row behind it, the first one none in front.
        if not (head_fits.all() and close_fits.all()):
            ok &= np.repeat(head_fits, lengths)[:-1]
            ok &= np.repeat(close_fits, lengths)[1:]
        return us, last, ok

    def _records(self, block: Block, bounds: Positions) -> Words:
        size = self._width * _WORD
        # NumPy copies items of any size as fast as single words; overlapping ones it does not copy beforehand.
        items = np.ndarray((len(block.octets) - size,), f"V{size}", block.octets, strides=(1,))
        copied = items[bounds - (self.close_length + _WORD + self._shift)]
        return copied.view(np.uint64).reshape(len(bounds), self._width)

    def _runs(self, records: Words) -> tuple[Positions, Words]:
        """Runs of records that differ in the clock and the number only: their lengths, and the first record of each."""
        count, width = records.shape
        for at, mask in self._partial:
            records[:, at] &= mask
        if len(self._tiled) < count * width:
            self._tiled = np.tile(self._is_compared, count + count // 4)
        flat = records.ravel()
        differs = flat[width:] != flat[:-width]
        differs &= self._tiled[: len(differs)]
        at = np.flatnonzero(differs) // width + 1
        if len(at):
            at = at[np.concatenate(([True], at[1:] != at[:-1]))]
        firsts = np.concatenate(([0], at))
        return np.diff(firsts, append=count), records[firsts]

    def _midnights(self, runs: Words, stamps: StampReader) -> tuple[Ints, Bools]:
        """The instant of midnight of each run, and whether it has one."""
        tails = runs[:, self._clock - 1]  # Y-MM-DDT
        heads = (runs[:, self._clock - 2] >> np.uint64(40)) | ((tails & _LOW_40) << np.uint64(24))  # YYYY-MM-
        offsets = runs[:, self._clock + 1] & _SIX_BYTES if self.offset else np.zeros(len(runs), np.uint64)
        return stamps.midnights(heads, tails, offsets)


def beat_of(block: Block, start: int, lead: bytes, middle: bytes, close: bytes) -> Beat | None:
    """The beat of rows as the one that starts at a place; None where its timestamp is of another form.

    Parameters
    ----------
    block : Block
    start : int
        Where a row begins.
    lead, middle, close : bytes
        As for :class:`Beat`.
    """
    mark = block.octets[start + len(lead) + 19]
    if len(lead) + len(middle) + len(close) > _LONGEST or mark not in (ord("+"), ord("-"), ord("Z")):
        return None
    return Beat(lead, middle, close, offset=bool(mark != ord("Z")))


class Beats:
    """The beat of a body, as long as its rows keep to one.

    Parameters
    ----------
    stamps : StampReader
        It knows the dates.
    """

    def __init__(self, stamps: StampReader) -> None:
        self._stamps = stamps
        self._beat: Beat | None = None
        self._misses = 0

    def read(
        self, block: Block, bounds: Positions, make: Callable[[], Beat | None]
    ) -> tuple[Ints, Floats, Bools] | None:
        """As :meth:`Beat.read`, by a beat that `make` gives when one is needed; None where there is none."""
        if self._misses > _MOST_MISSES:
            return None
        if self._beat is None:
            self._beat = make()
        if self._beat is None or not self._beat.is_likely(block, bounds):
            self._misses += 1
            self._beat = None
            return None
        read = self._beat.read(block, bounds, self._stamps)
        if 2 * np.count_nonzero(read[2]) < len(bounds):
            self._misses += 1
            self._beat = None
        return read
