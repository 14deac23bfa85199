"""Which column a key names, for the keys of all rows at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from hsframe.codecs.histories.words import Block, Ints, Positions, Words

__all__ = ["Names"]

_NAME: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST: Final = 64
_MOST: Final = 5_000
_TRIES: Final = 64
_MASKS: Final = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_FIRST_MASKS: Final = _MASKS[np.minimum(np.arange(_LONGEST + 1), 8)]
_SECOND_MASKS: Final = _MASKS[np.clip(np.arange(_LONGEST + 1) - 8, 0, 8)]


class Names:
    """A table of names that answers with one look for each key.

    Parameters
    ----------
    names : sequence of str
        The columns.

    Raises
    ------
    ValueError
        The names are of a kind that this table does not hold: not plain, very long, or very many.
    """

    def __init__(self, names: Sequence[str]) -> None:
        texts = [name.encode() for name in names]
        if len(set(texts)) != len(texts) or len(texts) > _MOST:
            raise ValueError("columns of equal names, or too many")
        if not all(_NAME.fullmatch(text) and len(text) <= _LONGEST for text in texts):
            raise ValueError("a name that is no plain word")
        count = max(2, -(-max(map(len, texts)) // 8))
        self._words: list[Words] = [
            np.array([int.from_bytes(text[8 * at : 8 * at + 8], "little") for text in texts], np.uint64)
            for at in range(count)
        ]
        self._lengths: Ints = np.array([len(text) for text in texts], np.int64)
        self._shift, self._table = 0, np.empty(0, np.int64)
        rng = np.random.default_rng()
        for attempt in range(_TRIES):
            bits = min(len(texts).bit_length() + 4 + attempt // 4, 22)
            self._shift = 64 - bits
            self._factors: Words = rng.integers(0, 2**63, 3, np.uint64) * np.uint64(2) + np.uint64(1)
            slots = self._slots(self._words[0], self._words[1], self._lengths)
            if len(np.unique(slots)) == len(texts):
                self._table = np.zeros(1 << bits, np.int64)
                self._table[slots] = np.arange(len(texts))
                return
        raise ValueError("names too much alike")

    def __len__(self) -> int:
        return len(self._lengths)

    def _slots(self, first: Words, second: Words, lengths: Ints) -> Ints:
        one, two, three = self._factors
        slots: Ints = ((((first * one) ^ (second * two)) + lengths.view(np.uint64)) * three >> self._shift).view(
            np.int64
        )
        return slots

    def find(self, block: Block, starts: Positions, lengths: Ints) -> Ints:
        """The number of each name, -1 for one that is not in the table."""
        capped = np.minimum(lengths, _LONGEST)
        first = block.words[starts]
        first &= _FIRST_MASKS.take(capped)
        second = block.words[8:][starts]
        second &= _SECOND_MASKS.take(capped)
        numbers = self._table.take(self._slots(first, second, lengths))
        known = self._words[0].take(numbers) == first
        known &= self._words[1].take(numbers) == second
        known &= self._lengths.take(numbers) == lengths
        for at, words in enumerate(self._words[2:], 2):
            long = np.flatnonzero(known & (lengths > 8 * at))
            if len(long):
                rest = block.words[starts[long] + 8 * at] & _MASKS[np.minimum(lengths[long] - 8 * at, 8)]
                known[long] = words[numbers[long]] == rest
        numbers[~known] = -1
        return numbers
