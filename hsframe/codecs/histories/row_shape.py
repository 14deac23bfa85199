"""What the rows of one history look like: texts that every row repeats, and values between them.

Formats differ in how the beginning of a row is found, in how a row is split into cells and in how a body is made of
rows; that is a :class:`RowShape`. How rows are read, and how what was read is checked, is the same for all of them
(:mod:`hsframe.codecs.histories.row_reader`).
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

from hsframe.arrays import Bools
from hsframe.codecs.histories.byte_words import Block, Ints, Positions
from hsframe.grid import Grid
from hsframe.options import Limits


@dataclass(frozen=True, slots=True)
class Hole:
    """The texts of a value before and after its timestamp or its number, which is the hole."""

    before: bytes
    after: bytes


@dataclass(slots=True)
class Key:
    """One value of each row; `lead` is the text between it and the value before.

    `place` is the column, not counting the timestamps, or None for the timestamp. `hole` is None until a number was
    seen: a column may begin with nulls, or hold no numbers at all.
    """

    place: int | None
    lead: bytes
    hole: Hole | None = None


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Rows split into a timestamp and cells, in arrays with one row per row and one column per column.

    `times` are epoch microseconds, where `ok`: every byte of the row is the timestamp, a text that was learned, or
    within a cell. An absent cell ends where it starts. `fits`: the texts around the hole of the column's key are there,
    so that only its number is to be read.
    """

    times: Ints
    ok: Bools
    starts: Positions
    ends: Positions
    fits: Bools


class RowShape(abc.ABC):
    """The shape of the rows of one body: a head up to its first row, and `width` columns beside the timestamps.

    `keys` are in the order of the text, none until a row was learned. `close` is the text after the last value of a
    row, up to the next row, and `stamp` that of a timestamp of this body, for rows that are made up.
    """

    #: What ends a body after its last row.
    usual_tail: bytes = b""

    def __init__(self, head: bytes, width: int, limits: Limits) -> None:
        self.head = head
        self.limits = limits
        self.width = width
        self.keys: list[Key] = []
        self.close = b""
        self.stamp = b""

    def holes(self) -> list[Hole | None]:
        """The hole of each column; None where no number was seen."""
        found: list[Hole | None] = [None] * self.width
        for key in self.keys:
            if key.place is not None:
                found[key.place] = key.hole
        return found

    def texts_between(self) -> list[bytes] | None:
        """The texts of a row around its timestamp and its numbers; None where it may be anything else."""
        if not self.keys or self.keys[0].place is not None:
            return None
        texts = [b""]
        for key in self.keys:
            if key.hole is None:
                return None
            texts[-1] += key.lead + key.hole.before
            texts.append(key.hole.after)
        return [*texts[:-1], texts[-1] + self.close]

    @abc.abstractmethod
    def bounds(self, block: Block, start: int, end: int) -> Positions:
        """Where the whole rows begin, and where the last of them ends; nothing where there is none."""

    @abc.abstractmethod
    def learn(self, row: bytes) -> list[int] | None:
        """Learn from a row: all of its shape if it is the first, else keys and holes that are new.

        Gives the columns whose hole is new; None where nothing was learned.
        """

    @abc.abstractmethod
    def hole_of(self, value: bytes) -> Hole | None:
        """The hole of a value's text, if it is a number."""

    @abc.abstractmethod
    def split(self, block: Block, starts: Positions, nexts: Positions) -> SplitRows:
        """Split rows into their cells, by where each begins and where the next one does."""

    def is_value(self, text: bytes) -> bool:
        """Whether the text of a cell is one value and nothing else, where the exact parser cannot find out."""
        return True

    @property
    @abc.abstractmethod
    def texts_a_row(self) -> int:
        """How many texts :meth:`row_with` takes."""

    @abc.abstractmethod
    def row_with(self, texts: Sequence[bytes]) -> bytes:
        """A row whose first cells have these texts: if they are not one value each, it is not a row."""

    @abc.abstractmethod
    def last_row(self, rest: bytes) -> tuple[bytes, bytes]:
        """The last row of a body, if there is one, and what follows it, of what follows the whole rows."""

    @abc.abstractmethod
    def exactly(self, rows: Sequence[bytes], tail: bytes) -> Grid:
        """What the exact parser says of a body of these rows: a row each, or it raises NeedsExactParserError."""
