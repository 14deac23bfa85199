"""Which column a key names, for the keys of all rows at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from hsframe.codecs.exact import NeedsExactParserError
from hsframe.codecs.histories.byte_words import Block, Ints, Positions, Words, lowest_bits, zero_bytes

_NAME: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST: Final = 5_000
_TRIES: Final = 64
_ONE: Final = np.uint64(1)
_QUOTES: Final = np.uint64(0x2222222222222222)


class ColumnNames:
    """A hash table of names that needs one look for each key: no two names share a slot.

    It raises NeedsExactParserError for names that it does not hold: not plain, very long, or very many.
    """

    def __init__(self, names: Sequence[str]) -> None:
        texts = [name.encode() for name in names]
        if len(texts) > _MOST or not all(map(_NAME.fullmatch, texts)):
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
        lowest = lowest_bits(zero_bytes(first ^ _QUOTES))
        # Up to the quote, whose byte has no high bit; all of a word without one.
        first &= lowest - _ONE
        second = np.zeros(len(starts), np.uint64)
        long = np.flatnonzero(lowest == 0)
        if len(long):
            rest = block.words[starts[long] + 8]
            second[long] = rest & (lowest_bits(zero_bytes(rest ^ _QUOTES)) - _ONE)
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
