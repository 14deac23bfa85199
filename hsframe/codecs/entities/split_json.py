"""The rows of a JSON grid split into cells, all rows at once.

Every row has a position. In each step all rows read a key, guess where its value ends, and go on after the comma;
each byte between two values is compared. The text of a value counts once a JSON parser has taken it as one whole value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hsframe.arrays import Bools
from hsframe.codecs.entities.split_cells import ColumnCells, SplitBody, Splitter
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import (
    PAD,
    Block,
    Ints,
    Positions,
    Words,
    equal_bytes,
    lowest_bits,
    zero_bytes,
)
from hsframe.codecs.json_text import json_value_length
from hsframe.options import Limits

_TAIL: Final = re.compile(rb"[ \t\r\n]*\][ \t\r\n]*\}[ \t\r\n]*")
_NEXT_ROW: Final = re.compile(rb"([ \t\r\n]*,[ \t\r\n]*)\{")
_FIRST_KEY: Final = re.compile(rb'\{"[A-Za-z0-9_]*"(:[ \t\r\n]*)')
_GAP: Final = re.compile(rb'(,[ \t\r\n]*)"[A-Za-z0-9_]+":')
_KIND: Final = b'{"_kind"'
_QUOTE, _COMMA, _OPEN, _CLOSE, _LIST = b'",{}['
_ENDS, QUOTES, _CLOSES, _LIST_CLOSES, _OPENS, _LIST_OPENS = range(6)
_SETS: Final = (b",}", b'"', b"}", b"]", b"{", b"[")
_CLOSING: Final = {_QUOTE: QUOTES, _OPEN: _CLOSES, _LIST: _LIST_CLOSES}
_LEAST_OBJECT, _FEW_BYTES = 8, 1_000_000
_NAME: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_NAMES: Final = 5_000
_TRIES: Final = 64
_ONE: Final = np.uint64(1)
_QUOTE_BYTES: Final = np.uint64(0x2222222222222222)
# The longest comma or colon with the blanks after it.
_MOST_BETWEEN: Final = 60
_MOST_STEPS: Final = 2_000
# Where the cells of some rows are kept while they are found: a table of at most this many places.
_TABLE_PLACES: Final = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 500, 20_000


class ColumnNames:
    """A hash table of names that needs one look for each key: no two names share a slot.

    It raises NeedsExactParserError for names that it does not hold: not plain, very long, or very many.
    """

    def __init__(self, names: Sequence[str]) -> None:
        texts = [name.encode() for name in names]
        if len(texts) > _MOST_NAMES or not all(map(_NAME.fullmatch, texts)):
            raise NeedsExactParserError
        #: The bytes of each name.
        self.lengths: Ints = np.array([len(text) for text in texts], np.int64)
        # With the quote after it no name is the beginning of another one.
        texts = [text + b'"' for text in texts]
        count = max(2, -(-max(map(len, texts)) // 8))
        self._words = [_words_at(texts, at) for at in range(count)]
        self._masks = [_words_at([b"\xff" * len(text) for text in texts], at) for at in range(count)]
        rng = np.random.default_rng()
        for attempt in range(_TRIES):
            bits = min(len(texts).bit_length() + 4 + attempt // 4, 22)
            self._shift = np.uint64(64 - bits)
            self._factors: Words = rng.integers(0, 2**63, 3, np.uint64) * np.uint64(2) + np.uint64(1)
            slots = self._slots(self._words[0], self._words[1])
            if len(np.unique(slots)) == len(texts):
                self._table = np.zeros(1 << bits, np.int64)
                self._table[slots] = np.arange(len(texts))
                return
        raise NeedsExactParserError

    def _slots(self, first: Words, second: Words) -> Ints:
        slots = (first * self._factors[0] ^ second * self._factors[1]) * self._factors[2] >> self._shift
        result: Ints = slots.view(np.int64)
        return result

    def find(self, block: Block, starts: Positions) -> Ints:
        """The number of the name that begins at each place and ends at a quote, -1 for one that is not in the table."""
        first = block.words[starts]
        lowest = lowest_bits(zero_bytes(first ^ _QUOTE_BYTES))
        # Up to the quote, whose byte has no high bit; all of a word without one.
        first &= lowest - _ONE
        second = np.zeros(len(starts), np.uint64)
        long = np.flatnonzero(lowest == 0)
        if len(long):
            rest = block.words[starts[long] + 8]
            second[long] = rest & (lowest_bits(zero_bytes(rest ^ _QUOTE_BYTES)) - _ONE)
        numbers = self._table.take(self._slots(first, second))
        known = (self._words[0].take(numbers) == first) & (self._words[1].take(numbers) == second)
        for at in range(2, len(self._words)):
            long = np.flatnonzero(known & (self.lengths.take(numbers) >= 8 * at))
            if len(long):
                these = numbers[long]
                rest = block.words[starts[long] + 8 * at] & self._masks[at].take(these)
                known[long] = self._words[at].take(these) == rest
        numbers[~known] = -1
        return numbers


def _words_at(texts: Sequence[bytes], at: int) -> Words:
    return np.array([int.from_bytes(text[8 * at : 8 * at + 8], "little") for text in texts], np.uint64)


def split_json(body: bytes, begin: int, names: Sequence[str], limits: Limits) -> SplitBody:
    """The cells of a grid in JSON, of either version, whose first row begins at `begin`; `names` are its columns.

    It raises NeedsExactParserError where the rows are of another form than servers write, or wrong.
    """
    known = ColumnNames(names)
    first = _FIRST_KEY.search(body, begin)
    gap = _GAP.search(body, begin)
    # The places of rows that hold nothing would take several times the memory of the body.
    if first is None or body.count(b"{") * _LEAST_OBJECT > len(body) + _FEW_BYTES:
        raise NeedsExactParserError
    between = gap[1] if gap else b","
    # A block has no room behind it for long ones.
    if max(len(first[1]), len(between)) > _MOST_BETWEEN:
        raise NeedsExactParserError
    return _JsonSplitter(body, known, limits, colon=first[1], gap=between).rows(begin)


class _JsonSplitter(Splitter):
    """Splits one body; `colon` and `gap` are a colon and a comma with the blanks after them."""

    def __init__(self, body: bytes, names: ColumnNames, limits: Limits, *, colon: bytes, gap: bytes) -> None:
        super().__init__(body, _SETS, _CLOSING, limits)
        self.names = names
        self.width = len(names.lengths)
        self.colon = colon
        self.gap = gap
        self.kind_at = len(_KIND) + len(colon) + 1

    def rows(self, begin: int) -> SplitBody:
        starts, between = self.row_starts(begin)
        self.limits.check("cells", len(starts) * self.width, "json")
        while True:
            ends, columns = self.walk_all(starts)
            true = self.true_rows(starts, ends, between)
            if len(true) == len(starts):
                return SplitBody(self.block, self.index, self.awkward, len(true), columns, self.limits)
            starts = starts[true]

    def row_starts(self, begin: int) -> tuple[Positions, bytes]:
        """Where rows may begin, and the text between two of them; objects within a row may be among them."""
        octets, words = self.block.octets, self.block.words
        first = np.array([begin + PAD])
        match = _NEXT_ROW.match(self.body, begin + self.value_length(begin + PAD))
        if match is None or len(match[1]) > _MOST_BETWEEN:
            return first, b""
        between = match[1]
        count = self.body.count(between + b"{")
        self.check_memory(count, count)
        if b"\n" in between:
            found = self.awkward[octets[self.awkward] == ord("\n")] - between.index(b"\n")
        else:
            found = np.sort(self.index.pairs(_CLOSES, _OPENS, 1 + len(between))) + 1
        found = found[(found > first) & (found < len(octets) - PAD)]
        after = found + len(between)
        whole = (octets[found - 1] == _CLOSE) & equal_bytes(self.block, found, between) & (octets[after] == _OPEN)
        after = after[whole]
        after = after[words[after] != np.uint64(int.from_bytes(_KIND, "little"))]
        return np.concatenate((first, after)), between

    def walk_all(self, starts: Positions) -> tuple[Positions, list[ColumnCells]]:
        """Where the rows end, 0 for no row, and their cells. Some rows at a time, to keep the table small."""
        at_once = min(max(_TABLE_PLACES // self.width, _LEAST_ROWS), _MOST_ROWS)
        all_ends = []
        parts: list[list[tuple[Ints, Ints]]] = [[] for _ in range(self.width)]
        cells = 0
        for first in range(0, len(starts), at_once):
            ends, table = self.walk(starts[first : first + at_once])
            all_ends.append(ends)
            for part, places in zip(parts, table, strict=True):
                rows = np.flatnonzero(places)
                part.append((rows + first, places[rows]))
                cells += len(rows)
            self.check_memory(len(starts), cells)
        columns = []
        for part in parts:
            rows, places = (np.concatenate(arrays) for arrays in zip(*part, strict=True))
            columns.append(ColumnCells(rows, places >> 32, places & 0xFFFFFFFF))
        return np.concatenate(all_ends), columns

    def walk(self, starts: Positions) -> tuple[Positions, Ints]:
        """Where some rows end, and a table of their cells.

        The table has one line per column. An entry is the start of a row's cell in the upper 32 bits and its end in the
        lower, which a body below 2 GiB allows, or 0.
        """
        octets = self.block.octets
        table = np.zeros((self.width, len(starts)), np.int64)
        ends = np.zeros(len(starts), np.int64)
        count = 0
        rows, places = np.arange(len(starts)), starts + 1
        empty = octets[places] == _CLOSE
        ends[rows[empty]] = places[empty]
        rows, places = rows[~empty], places[~empty]
        for _ in range(_MOST_STEPS):
            if not len(rows):
                break
            columns, begins, value_ends, ok = self.step(places)
            if not ok.all():
                # Not a row but an object in a list within a row; or the body is wrong. true_rows() finds out.
                rows, columns, begins, value_ends = rows[ok], columns[ok], begins[ok], value_ends[ok]
            table[columns, rows] = (begins << 32) | value_ends
            count += len(rows)
            more = octets[value_ends] == _COMMA
            if not more.all():
                ends[rows[~more]] = value_ends[~more]
                rows, value_ends = rows[more], value_ends[more]
            ok = equal_bytes(self.block, value_ends, self.gap)
            if not ok.all():
                rows, value_ends = rows[ok], value_ends[ok]
            places = value_ends + len(self.gap)
        if len(rows) or np.count_nonzero(table) != count:
            raise NeedsExactParserError  # a row without an end, or with two cells of one column
        return ends, table

    def step(self, places: Positions) -> tuple[Ints, Positions, Positions, Bools]:
        """The columns and values of the keys at these places, and where there are any."""
        octets = self.block.octets
        columns = self.names.find(self.block, places + 1)
        ok = (columns >= 0) & (octets[places] == _QUOTE)
        after_name = places + 2 + self.names.lengths.take(columns)
        ok &= equal_bytes(self.block, after_name, self.colon)
        begins = after_name + len(self.colon)
        first = octets[begins]
        ends = self.guess_ends(begins, first)
        odd = (octets[ends] != _COMMA) & (octets[ends] != _CLOSE) | self.nests(begins, ends, first)
        odd = np.flatnonzero(odd & ok)
        if len(odd):
            self.find_ends(begins, ends, odd)
            after = octets[ends[odd]]
            ok[odd] = (after == _COMMA) | (after == _CLOSE)
        return columns, begins, ends, ok

    def nests(self, begins: Positions, ends: Positions, first: npt.NDArray[np.uint8]) -> Bools:
        """Where a value holds objects or lists, so that the first closing bracket need not be the value's."""
        octets = self.block.octets
        nests = np.zeros(len(begins), bool)
        objects = np.flatnonzero(first == _OPEN)
        at = begins[objects]
        # A few bytes are enough for a guess: {"_kind":"...
        kind = octets[at + self.kind_at]
        plain = (octets[at + 2] == ord("_")) & (kind != ord("g"))
        plain &= (kind != ord("d")) | (octets[at + self.kind_at + 1] != ord("i"))
        objects = objects[~plain]
        nests[objects] = self.holds(_OPENS, begins[objects], ends[objects])
        lists = np.flatnonzero(first == _LIST)
        nests[lists] = self.holds(_LIST_OPENS, begins[lists], ends[lists])
        return nests

    def value_length(self, begin: int) -> int:
        if (length := json_value_length(self.body, begin - PAD)) is None:
            raise NeedsExactParserError
        return length

    def true_rows(self, starts: Positions, ends: Positions, between: bytes) -> Ints:
        """Which of the places are rows: the first, and each that begins where the one before it ends."""
        next_starts = ends + 1 + len(between)
        true = np.arange(len(starts))
        if not (next_starts[:-1] == starts[1:]).all():
            number = {start: place for place, start in enumerate(starts.tolist())}
            chain = [0]
            while (after := number.get(int(next_starts[chain[-1]]))) is not None:
                chain.append(after)
            true = np.array(chain)
        ends = ends[true]
        whole = (self.block.octets[ends] == _CLOSE).all() and equal_bytes(self.block, ends[:-1] + 1, between).all()
        if not whole or not _TAIL.fullmatch(self.body, int(ends[-1]) + 1 - PAD):
            raise NeedsExactParserError
        return true
