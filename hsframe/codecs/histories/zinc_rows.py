"""The shape of Zinc rows: lines of cells with commas between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from hsframe.arrays import Bools
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import Block, Positions, Words
from hsframe.codecs.histories.row_shape import Hole, Key, RowShape, SplitRows
from hsframe.codecs.histories.stamps import STAMP_TEXT, read_stamps
from hsframe.codecs.zinc import decode_zinc
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.options import Limits

_STAMP = re.compile(STAMP_TEXT.encode() + rb"((?: [A-Z][A-Za-z0-9_+/-]*)?)")
_DIGITS: Final = rb"[0-9](?:[0-9_]*[0-9])?"
_NUMBER = re.compile(rb"( ?)-?" + _DIGITS + rb"(?:\." + _DIGITS + rb")?(?:[eE][+-]?" + _DIGITS + rb")?")
# Not what is part of some numbers: 1e5 has no unit, nor has 0xab.
_UNIT = re.compile(rb"(?![eE][0-9]|x[0-9A-Fa-f][0-9A-Fa-f_]*$)(?:[A-Za-z%_/$\x80-\xff][A-Za-z%_/$\x80-\xff0-9]*)?")
_LONGEST_UNIT: Final = 48
_COMMA, _LINE_END, _RETURN, _BLANK = 44, 10, 13, 32


def head_length(body: bytes) -> int:
    """The length of the first two lines with their ends, 0 where they are not whole."""
    first = body.find(b"\n")
    second = body.find(b"\n", first + 1) if first >= 0 else -1
    return second + 1


class ZincRows(RowShape):
    def __init__(self, head: bytes, width: int, limits: Limits) -> None:
        super().__init__(head, width, limits)
        self._suffixes: list[tuple[int, Words, Words]] = []

    def bounds(self, block: Block, start: int, end: int) -> Positions:
        """See :meth:`RowShape.bounds`; blank lines at the end are left, for they may be the end of the grid."""
        nexts = np.flatnonzero(block.octets[start:end] == _LINE_END) + (start + 1)
        count = len(nexts)
        if count and not block.text(int(nexts[-2]) if count > 1 else start, int(nexts[-1])).strip(b"\r\n"):
            octets = block.octets[start : int(nexts[-1])]
            filled = np.flatnonzero((octets != _LINE_END) & (octets != _RETURN))
            count = int(np.searchsorted(nexts, filled[-1] + start, "right")) + 1 if len(filled) else 0
        return np.concatenate(([start], nexts[:count])) if count else nexts[:0]

    def learn(self, row: bytes) -> list[int] | None:
        close = b"\r\n" if row.endswith(b"\r\n") else b"\n"
        # All that follows the timestamp of a single point is the one cell, whatever commas it holds.
        stamp, *cells = row[: -len(close)].split(b",", 1 if self.width == 1 else -1)
        if len(cells) != self.width:
            return None
        is_first = not self.keys
        if is_first:
            match = _STAMP.fullmatch(stamp)
            if match is None:
                return None
            self.stamp, self.close = stamp, close
            self.keys = [Key(None, b"", Hole(b"", match[1])), *(Key(place, b",") for place in range(self.width))]
        learned = []
        for key, cell in zip(self.keys[1:], cells, strict=True):
            if key.hole is None and (hole := self.hole_of(cell)) is not None and key.place is not None:
                key.hole = hole
                learned.append(key.place)
        self._suffixes = _suffix_words([b"" if hole is None else hole.after for hole in self.holes()])
        return learned if learned or is_first else None

    def hole_of(self, value: bytes) -> Hole | None:
        """See :meth:`RowShape.hole_of`; the blank that some servers write after a comma belongs to it."""
        number = _NUMBER.match(value)
        unit = _UNIT.fullmatch(value, number.end()) if number else None
        if number is None or unit is None or len(unit[0]) > _LONGEST_UNIT:
            return None
        return Hole(number[1], unit[0])

    def split(self, block: Block, starts: Positions, nexts: Positions) -> SplitRows:
        hole = self.keys[0].hole
        assert hole is not None
        times, ok, lengths = read_stamps(block, starts, hole.after + b",")
        first = starts + lengths + (len(hole.after) + 1)
        stops = nexts - 1
        if self.width == 1:
            begins, ends = first[:, None], stops[:, None]
        else:
            commas = self._commas(block, starts, nexts, ok)
            begins, ends = commas + 1, np.empty(commas.shape, np.int64)
            ends[:, :-1], ends[:, -1] = commas[:, 1:], stops
            ok &= begins[:, 0] == first
        if len(self.close) == 2:
            # A body whose lines end in both ways is read all the same: a cell with a return is not a plain number.
            if self.width == 1:
                ends = ends.copy()
            ends[:, -1] -= block.octets[ends[:, -1] - 1] == _RETURN
        return SplitRows(times, ok, begins, ends, self._fitting(block, begins, ends))

    def _commas(self, block: Block, starts: Positions, nexts: Positions, ok: Bools) -> Positions:
        """Where the commas of each row are; a row with more or fewer of them than columns is not ok."""
        base, count, width = int(starts[0]), len(starts), self.width
        commas = np.flatnonzero(block.octets[base : int(nexts[-1])] == _COMMA) + base
        if len(commas) == count * width:
            corners = commas.reshape(count, width)
            if (corners[:, 0] >= starts).all() and (corners[:, -1] < nexts).all():
                return corners
        begins = np.searchsorted(commas, starts)
        shaped = np.searchsorted(commas, nexts) - begins == width
        ok &= shaped
        corners = np.repeat(starts[:, None], width, axis=1)
        corners[shaped] = commas[begins[shaped][:, None] + np.arange(width)]
        return corners

    def _fitting(self, block: Block, starts: Positions, ends: Positions) -> Bools:
        holes = self.holes()
        fits = np.ones(starts.shape, bool)
        for place, hole in enumerate(holes):
            if hole is None:
                fits[:, place] = False
            elif hole.before:
                fits[:, place] = block.octets[starts[:, place]] == _BLANK
        for back, words, masks in self._suffixes:
            fits &= (block.words[ends - back] & masks) == words
        return fits

    @property
    def texts_a_row(self) -> int:
        # No text but that of the only column holds a comma, so as many values as texts are one value each. The last
        # cell stays empty: there a text that ends in a return would be taken for a text and a line end.
        return max(self.width - 1, 1)

    def row_with(self, texts: Sequence[bytes]) -> bytes:
        # With the return of its line, for the same reason.
        return self.stamp + b"," + b",".join(texts) + b"," * (self.width - len(texts)) + self.close[:-1]

    def last_row(self, rest: bytes) -> tuple[bytes, bytes]:
        """See :meth:`RowShape.last_row`: blank lines, a last line without an end, or the last of rows that repeat."""
        line, end, tail = rest.partition(b"\n")
        if end:
            if tail.strip(b"\r\n"):
                raise NeedsExactParserError
            return (line, tail) if line.strip(b"\r") else (b"", rest)
        return (rest, b"") if rest.strip(b" \t\r") else (b"", rest)

    def exactly(self, rows: Sequence[bytes], tail: bytes) -> Grid:
        """See :meth:`RowShape.exactly`: a line that gives one row here gives the same row where it was."""
        lines = [row.removesuffix(b"\n") for row in rows]
        try:
            return decode_zinc(self.head + b"\n".join(lines) + (b"\n" if tail and lines else b"") + tail, self.limits)
        except CodecError:
            raise NeedsExactParserError from None


def _suffix_words(texts: Sequence[bytes]) -> list[tuple[int, Words, Words]]:
    """For texts that end cells, one per column: (bytes back from the end, words, masks) of each eight bytes."""
    result = []
    for back in range(0, max(map(len, texts), default=0), 8):
        words, masks = [], []
        for text in texts:
            part = text[max(len(text) - back - 8, 0) : max(len(text) - back, 0)]
            words.append(int.from_bytes(part.rjust(8, b"\0"), "little"))
            masks.append(int.from_bytes((b"\xff" * len(part)).rjust(8, b"\0"), "little"))
        result.append((back + 8, np.array(words, np.uint64), np.array(masks, np.uint64)))
    return result
