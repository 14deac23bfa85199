"""The table of cells that are no plain numbers: their texts while rows are read, their values once resolved."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from hsframe.codecs.histories.words import Block, Ints, Positions

__all__ = ["Table", "texts_of"]

# With more different texts than this share of the cells, reading each of them once is no shortcut any more.
_MOST_SHARE: Final = 4
_ALWAYS: Final = 2_000


class Table:
    """Cells by number. Number 0 is 'there is no cell', a null.

    Attributes
    ----------
    values : list
        The values of the resolved numbers.
    texts : list of bytes
        The texts that are to be resolved, in the order of their numbers, behind those of `values`.
    """

    def __init__(self) -> None:
        self.values: list[Any] = [None]
        self.texts: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._asked = 0
        self._lasting = 1

    def numbers(self, block: Block, starts: Positions, ends: Positions) -> Ints:
        """The numbers of the texts at the given places; starts and ends grow from cell to cell."""
        self._asked += len(starts)
        encoded = texts_of(block, starts, ends).dictionary_encode()
        numbers = np.array([self.number(text) for text in encoded.dictionary.to_pylist()], np.int64)
        indices = encoded.indices
        places = np.frombuffer(indices.buffers()[1], np.int32)[indices.offset : indices.offset + 2 * len(starts) : 2]
        result: Ints = numbers[places]
        return result

    def number(self, text: bytes) -> int:
        """The number of a text; a new one waits for its value."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.values) + len(self.texts)
            self.texts.append(text)
        return number

    def resolve(self, values: list[Any]) -> None:
        """Give the waiting texts their values."""
        assert len(values) == len(self.texts)
        self.values += values
        self.texts = []
        self._lasting = len(self.values)

    def add(self, value: Any) -> int:
        """The number of a value that has no text; no text may be waiting."""
        assert not self.texts
        self.values.append(value)
        return len(self.values) - 1

    def forget_added(self) -> None:
        """Forget the values that have no text, which nothing refers to any more."""
        del self.values[self._lasting :]

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many different texts that the exact parser is the better reader."""
        return len(self._numbers) > _ALWAYS + self._asked // _MOST_SHARE


def texts_of(block: Block, starts: Positions, ends: Positions, kind: Any = None) -> pa.Array:
    """Places as an Arrow binary array without a copy: every second item is the gap between two places, and null."""
    count = len(starts)
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0:-1:2] = starts
    offsets[1::2] = ends
    offsets[-1] = ends[-1]
    valid = np.full((2 * count + 7) // 8, 0x55, np.uint8)
    buffers = [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(block.octets)]
    return pa.Array.from_buffers(kind or pa.binary(), 2 * count, buffers, null_count=count)
