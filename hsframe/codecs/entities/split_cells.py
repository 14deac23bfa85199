"""A body split into cells: where each cell is, column by column, and what the splitters of both formats share."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hsframe.codecs.entities.byte_index import ByteIndex, block_of, escaped_places
from hsframe.codecs.exact import NeedsExactParserError
from hsframe.codecs.histories.byte_words import Block, Bools, Ints, Positions

# Where more ends than one per this many bytes must be found one by one, the exact parser is as fast.
_ODD_BYTES: Final = 500
_ALWAYS_ODD: Final = 200


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """The cells of one column: the rows that have one, in order, and where each is."""

    rows: Ints
    starts: Positions
    ends: Positions


@dataclass(frozen=True, slots=True)
class SplitBody:
    """All cells of a body, column by column.

    `index` knows where its quotes and brackets are, and `awkward` are the places of its control characters and
    backslashes, in order. `length` is the number of rows.
    """

    block: Block
    index: ByteIndex
    awkward: Positions
    length: int
    columns: list[ColumnCells]


class Splitter(abc.ABC):
    """Splits one body.

    The end of a value is guessed by its first byte and the next byte that can end such a value. A guess can be wrong,
    so the text of a cell counts only once the exact codec has taken it as one whole value: the reader of the cells does
    that. Rows of another form than servers write raise :class:`~hsframe.codecs.exact.NeedsExactParserError`.

    `sets` are the sets of bytes to find, those that end a plain value first. `closing` names the set that closes a
    value that is not plain, by its first byte.
    """

    def __init__(self, body: bytes, sets: Sequence[bytes], closing: Mapping[int, int]) -> None:
        self.body = body
        self.block = block_of(body)
        escaped, self.awkward = escaped_places(self.block)
        self.index = ByteIndex(self.block, sets, escaped)
        # By the first byte of a value: which set to look for, and how many bytes of what is found belong to the value.
        self._sets = np.zeros(256, np.int64)
        self._own = np.zeros(256, np.int64)
        for first, number in closing.items():
            self._sets[first] = number * self.index.stride
            self._own[first] = 1
        self._odd = 0

    def guess_ends(self, begins: Positions, first: npt.NDArray[np.uint8]) -> Positions:
        """The likely ends of values, from their first bytes."""
        sets, own = self._sets[first], self._own[first]
        return self.index.next(begins + own + sets) - sets + own

    def holds(self, number: int, begins: Positions, ends: Positions) -> Bools:
        """Whether a byte of a set is in a value after its first byte."""
        inner = begins + 1 + number * self.index.stride
        return self.index.within(inner, np.maximum(ends + number * self.index.stride, inner))

    def find_ends(self, begins: Positions, ends: Positions, which: Ints) -> None:
        """Correct the ends of some values, one by one."""
        self._odd += len(which)
        if self._odd > _ALWAYS_ODD + len(self.body) // _ODD_BYTES:
            raise NeedsExactParserError
        for index in which.tolist():
            ends[index] = begins[index] + self.value_length(int(begins[index]))

    @abc.abstractmethod
    def value_length(self, begin: int) -> int:
        """The bytes of the value at a place of the block, with the blanks after it."""
