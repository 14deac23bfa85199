"""Rows that are equal byte for byte except for the clock and the numbers: each row is read in one pass.

The kernels of timestamps and numbers go through all rows once per value; rows that are alike need less. From the last
number of one row to the first number of the next the bytes are always the same, except for one timestamp. So for each
boundary between two rows a record of fixed length is copied: the last eight bytes of the number, then the bytes up to
the next number. The records are compared with their neighbours as plain words. In a run of equal records only the
first one is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hsframe.arrays import Bools, Floats
from hsframe.codecs.histories.byte_words import CACHED_CELLS, Block, Ints, Positions, Words, read_numbers
from hsframe.codecs.histories.cells import ABSENT, boxed
from hsframe.codecs.histories.row_shape import RowShape
from hsframe.codecs.histories.stamps import clock_seconds, midnights
from hsframe.durations import SECOND_US

_WORD: Final = 8
_DATE: Final = 11  # YYYY-MM-DDT
_OFFSET: Final = 6  # -05:00
# Records must not reach beyond the padding around a block.
_LONGEST: Final = 480
# How often the texts are learned again from a later row, when most rows do not have them: the form of a timestamp
# changes twice a year in some zones.
_MOST_MISSES: Final = 12
# Where more columns than this share are in no row, others are the better reader.
_MOST_ABSENT: Final = 8
_MOST_WIDE_MISSES: Final = 4
_LOOKS: Final = 64
_LOW_40: Final = np.uint64((1 << 40) - 1)
_SIX_BYTES: Final = np.uint64(0xFFFFFFFFFFFF)
# Bytes that can be in a timestamp or a number cannot be the delimiter after a number.
_INSIDE: Final = frozenset(b"0123456789+-.:TZeE")


class RepeatedRows:
    """Reads rows as long as they repeat; the shape knows the texts between the values."""

    def __init__(self, shape: RowShape) -> None:
        self._shape = shape
        self._boundary: _Boundary | None = None
        self._numbers: _Numbers | None = None
        self._misses = 0

    def read(self, block: Block, bounds: Positions) -> tuple[Ints, Floats, Bools] | None:
        """Rows of one number between the given bounds; None where they do not repeat.

        Gives instants, values, and whether every byte of the row was either compared or read by a kernel.
        """
        if self._shape.width > 1 or self._misses > _MOST_MISSES or self._shape.texts_between() is None:
            return None
        if self._boundary is not None and not self._boundary.is_likely(block, bounds):
            self._missed()
        boundary = self._boundary = self._boundary or self._boundary_at(block, int(bounds[-2]))
        if boundary is None or not boundary.is_likely(block, bounds):
            self._missed()
            return None
        us, last, ok = boundary.read(block, bounds)
        values, is_number = read_numbers(
            block, bounds[:-1] + boundary.head_length, bounds[1:] - boundary.close_length, last
        )
        ok &= is_number
        if 2 * np.count_nonzero(ok) < len(ok):
            self._missed()
        return us, values, ok

    def read_wide(self, block: Block, start: int, end: int) -> tuple[list[tuple[Ints, Floats]], int] | None:
        """Rows of several numbers, but for the last one that begins before `end`; None where one does not repeat.

        Gives pieces of instants and cells, one row per row of the grid, and the bytes that they take.

        Reading one key of all rows after the other would read memory that has left the cache. Here a delimiter that
        follows every number finds the ends of all numbers at once. It is all or nothing: where anything in a block
        differs, its rows are read by :meth:`RowShape.split`.
        """
        if self._shape.width == 1 or self._misses > _MOST_WIDE_MISSES or not self._shape.keys:
            return None
        if self._numbers is None:
            self._boundary = self._boundary_at(block, start)
            texts = self._shape.texts_between()
            self._numbers = None if self._boundary is None or texts is None else _numbers_of(texts)
        if self._numbers is None or self._boundary is None:
            self._missed()
            return None
        pieces, taken = self._numbers.read(block, start, end, self._boundary)
        if not taken:
            self._missed()
            return None
        # Keys may have another order than columns, and some columns may be in no row.
        places = [key.place for key in self._shape.keys if key.place is not None]
        if _MOST_ABSENT * len(places) < self._shape.width:
            self._missed()
            return None
        if places != list(range(self._shape.width)):
            for at, (times, found) in enumerate(pieces):
                cells = np.full((len(times), self._shape.width), boxed(ABSENT))
                cells[:, places] = found
                pieces[at] = times, cells
        return pieces, taken

    def _missed(self) -> None:
        self._misses += 1
        self._boundary = self._numbers = None

    def _boundary_at(self, block: Block, start: int) -> _Boundary | None:
        """The boundary of rows like the one that starts at a place; None where its timestamp has a fraction."""
        texts = self._shape.texts_between()
        if texts is None or len(texts) < 3 or len(texts[0]) + len(texts[1]) + len(texts[-1]) > _LONGEST:
            return None
        mark = block.octets[start + len(texts[0]) + 19]
        if mark not in (ord("+"), ord("-"), ord("Z")):
            return None
        return _Boundary(texts[0], texts[1], texts[-1], offset=bool(mark != ord("Z")))


class _Boundary:
    """Reads the bytes from the last number of a row to the first of the next: ``close lead stamp middle``.

    Timestamps end in an offset, or else in ``Z``. `head_length` and `close_length` are the bytes of a row before its
    first number and after its last one.
    """

    def __init__(self, lead: bytes, middle: bytes, close: bytes, *, offset: bool) -> None:
        self.offset = offset
        after_clock = middle if offset else b"Z" + middle
        self.head_length = len(lead) + _DATE + _WORD + (_OFFSET if offset else 0) + len(after_clock)
        self.close_length = len(close)
        self._mark = len(lead) + _DATE + _WORD
        # The clock must be a whole word of the record, so the number's eight bytes begin `shift` bytes after its start.
        before_clock = _WORD + len(close) + len(lead) + _DATE
        self._shift = -before_clock % _WORD
        self._clock = (before_clock + self._shift) // _WORD
        number, clock = self._shift + _WORD, _WORD
        in_offset = _OFFSET if offset else 0
        stamp = bytes(_DATE + clock + in_offset)
        text = bytes(number) + close + lead + stamp + after_clock
        in_close = bytes(number) + b"\xff" * len(close)
        in_head = bytes(len(in_close)) + b"\xff" * len(lead) + stamp + b"\xff" * len(after_clock)
        varies = bytes(len(in_close) + len(lead)) + b"\xff" * _DATE + bytes(clock) + b"\xff" * in_offset
        self._width = -(-len(text) // _WORD)
        masks = (text, in_close, in_head, varies)
        self._text, self._in_close, self._in_head, varying = (_padded([mask], self._width)[0] for mask in masks)
        compared = self._in_close | self._in_head | varying
        self._partial = [
            (at, mask)
            for at, mask in enumerate(compared)
            if int(mask) not in (0, 0xFFFFFFFFFFFFFFFF) and at != self._clock
        ]
        self._is_compared: Bools = compared != 0
        self._tiled: Bools = np.zeros(0, bool)

    def is_likely(self, block: Block, bounds: Positions) -> bool:
        """Whether most of a few rows have a timestamp of this form; if not, reading them here is wasted."""
        marks = block.octets[bounds[: -1 : max(len(bounds) // _LOOKS, 1)] + self._mark]
        fits = (marks == ord("+")) | (marks == ord("-")) if self.offset else marks == ord("Z")
        return bool(2 * np.count_nonzero(fits) > len(marks))

    def read(self, block: Block, bounds: Positions) -> tuple[Ints, Words, Bools]:
        """The rows between the given bounds, but for their numbers.

        Gives instants, the eight bytes before each row's close, and whether the bytes up to the end of the middle, and
        the close, are as expected.
        """
        records = _records(block, bounds - (self.close_length + _WORD + self._shift), self._width)
        size = self._width * _WORD
        # A copy, for what is compared is masked in place.
        last = np.ndarray((len(records) - 1,), "<u8", records, size + self._shift, (size,)).copy()
        seconds, ok = clock_seconds(records[:-1, self._clock])
        lengths, runs = self._runs(records)
        head_fits = (((runs ^ self._text) & self._in_head) == 0).all(axis=1)
        close_fits = (((runs ^ self._text) & self._in_close) == 0).all(axis=1)
        # Rows of another form have any bytes where the offset should be: do not read them as one.
        fitting = np.flatnonzero(head_fits)
        days = np.zeros(len(runs), np.int64)
        likely = runs[fitting]
        tails = likely[:, self._clock - 1]  # Y-MM-DDT
        heads = (likely[:, self._clock - 2] >> np.uint64(40)) | ((tails & _LOW_40) << np.uint64(24))  # YYYY-MM-
        offsets = likely[:, self._clock + 1] & _SIX_BYTES if self.offset else np.zeros(len(likely), np.uint64)
        days[fitting], head_fits[fitting] = midnights(block, heads, tails, offsets)
        us = np.repeat(days, lengths)[:-1]
        us += seconds.view(np.int64) * SECOND_US
        # The last record has no row after it, the first one none before it.
        if not (head_fits.all() and close_fits.all()):
            ok &= np.repeat(head_fits, lengths)[:-1]
            ok &= np.repeat(close_fits, lengths)[1:]
        return us, last, ok

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
        at = np.flatnonzero(differs) // width + 1  # in order already: np.unique would sort them
        firsts = np.concatenate(([0], at[np.diff(at, prepend=0) != 0]))
        return np.diff(firsts, append=count), records[firsts]


class _Numbers:
    """Reads the numbers of rows that have several: a delimiter shows where each ends, `gaps` is what lies between.

    The delimiter is `count` times in a row. For each number, `numbers` says which of them is the first one after it,
    and `backs` how many bytes after it.
    """

    def __init__(self, delimiter: int, numbers: Positions, backs: Positions, count: int, gaps: Sequence[bytes]) -> None:
        self._delimiter = delimiter
        self._numbers = numbers
        self._backs = backs
        self._count = count
        self._gaps = np.array([len(gap) for gap in gaps])
        self._width = 1 - (-max(map(len, gaps)) // _WORD)  # in words, the first one is the number's
        self._texts = _padded([bytes(_WORD) + gap for gap in gaps], self._width)
        self._masks = _padded([bytes(_WORD) + b"\xff" * len(gap) for gap in gaps], self._width)

    def read(self, block: Block, start: int, end: int, boundary: _Boundary) -> tuple[list[tuple[Ints, Floats]], int]:
        """The rows in pieces, and the bytes that they take: none where one is different."""
        found = np.flatnonzero(block.octets[start:end] == self._delimiter)
        count = len(found) // self._count - 1
        places = found[: max(count, 0) * self._count].reshape(-1, self._count)
        pieces = []
        begin = start
        step = max(CACHED_CELLS // len(self._numbers), 1)
        for row in range(0, count, step):
            ends = places[row : row + step].take(self._numbers, axis=1)
            ends += start - self._backs
            piece = self._piece(block, begin, ends, boundary)
            if piece is None:
                return [], 0
            pieces.append(piece)
            begin = int(ends[-1, -1]) + boundary.close_length
        return pieces, begin - start

    def _piece(self, block: Block, start: int, ends: Positions, boundary: _Boundary) -> tuple[Ints, Floats] | None:
        bounds = np.concatenate(([start], ends[:, -1] + boundary.close_length))
        times, last, ok = boundary.read(block, bounds)
        if not ok.all():
            return None
        records = _records(block, (ends[:, :-1] - _WORD).ravel(), self._width).reshape(len(ends), -1, self._width)
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
        starts[:, 0] = bounds[:-1] + boundary.head_length
        np.add(ends[:, :-1], self._gaps, out=starts[:, 1:])
        cells, is_number = read_numbers(block, starts.ravel(), ends.ravel(), words.ravel())
        return (times, cells.reshape(ends.shape)) if is_number.all() else None


def _numbers_of(texts: Sequence[bytes]) -> _Numbers | None:
    """The reader of numbers between texts, the first two around the timestamp; None where they share no delimiter."""
    after = texts[2:]
    gaps = texts[2:-1]
    delimiters = set(after[0]).intersection(*after[1:]) - _INSIDE
    if not delimiters or not gaps or max(map(len, gaps)) > _LONGEST:
        return None
    delimiter = min(sorted(delimiters), key=lambda delimiter: sum(text.count(delimiter) for text in texts))
    numbers, backs = [], []
    count = texts[0].count(delimiter) + texts[1].count(delimiter)
    for text in after:
        numbers.append(count)
        backs.append(text.index(delimiter))
        count += text.count(delimiter)
    return _Numbers(delimiter, np.array(numbers), np.array(backs), count, gaps)


def _padded(texts: Sequence[bytes], width: int) -> Words:
    """Texts as rows of `width` words."""
    return np.frombuffer(b"".join(text.ljust(width * _WORD, b"\0") for text in texts), np.uint64).reshape(-1, width)


def _records(block: Block, places: Positions, width: int) -> Words:
    """The `width` words from each place on, one row per place."""
    # NumPy copies items of any size as fast as single words, and items that overlap without a copy beforehand.
    items = np.ndarray((len(block.octets) - width * _WORD + 1,), f"V{width * _WORD}", block.octets, strides=(1,))
    return items[places].view(np.uint64).reshape(len(places), width)
