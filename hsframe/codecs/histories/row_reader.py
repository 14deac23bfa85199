"""Reads the rows of a history, of any shape: plain ones by kernels, learned and odd ones by the exact parser.

Why this is not more lenient than the exact parser: a kernel accepts only what is a timestamp or a number by the
narrowest reading of the grammar, between texts that are compared byte for byte with those learned from a row. All else
goes into a small body under the same header: each row that was learned from, each different text of a special cell in
a row of its own, each odd row as it is. The exact parser reads that body; its rows confirm what was guessed, and give
the values of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hsframe.arrays import Bools, Floats
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.buffers import RowBuffers
from hsframe.codecs.histories.byte_words import Block, Day, Ints, Positions, coded_texts, read_numbers
from hsframe.codecs.histories.cells import ABSENT, INVALID, SpecialCells, boxed, column_of
from hsframe.codecs.histories.repeated_rows import RepeatedRows
from hsframe.codecs.histories.row_shape import RowShape, SplitRows
from hsframe.codecs.histories.stamps import check_offsets, instant_us
from hsframe.columns import ArrowColumn, TimeColumn
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.options import Limits
from hsframe.zones import haystack_name, zone

# With more odd rows than this share, the exact parser is the better reader of the whole.
_MOST_ODD_SHARE: Final = 8
_ALWAYS_ODD: Final = 500
# Rows of JSON may lack most of their cells. A row takes time and memory for each column here, by the exact parser only
# for what is there; and rows of many columns are read some at a time.
_MOST_CELLS_A_BYTE: Final = 8
_CELLS_AT_ONCE: Final = 2_000_000
# How many rows that do not fit are searched for something new: per block, and per body.
_TRIES: Final = 16
_MOST_TRIES: Final = 64


@dataclass(frozen=True, slots=True)
class _LearnedRow:
    """A row that was learned from, its number, and the columns whose hole it showed."""

    text: bytes
    row: int
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Special:
    """Cells that are not plain numbers.

    `places` count the cells row by row; `codes` say which of the different `texts` each one has.
    """

    places: Positions
    texts: Sequence[bytes]
    codes: npt.NDArray[np.int32]


class RowReader:
    def __init__(self, shape: RowShape, limits: Limits) -> None:
        self.shape = shape
        self._limits = limits
        self.rows = RowBuffers(shape.width, limits)
        self._special = SpecialCells()
        self._repeated = RepeatedRows(shape)
        self._tz = ""
        self._units: list[str | None] = [None] * shape.width
        self._learned: list[_LearnedRow] = []
        self._odd: list[tuple[int, bytes]] = []
        self._tries = 0
        self._days: dict[Day, None] = {}

    def take(self, block: Block, start: int, end: int) -> int:
        block.days = self._days
        repeated = self._repeated.read_wide(block, start, end)
        if repeated is not None:
            for times, cells in repeated[0]:
                self.rows.append(times, cells)
            return repeated[1]
        bounds = self.shape.bounds(block, start, end)
        if len(bounds) < 2:
            return 0
        count, size = (len(bounds) - 1) * self.shape.width, int(bounds[-1]) - start
        if count > max(_CELLS_AT_ONCE, _MOST_CELLS_A_BYTE * size):
            raise NeedsExactParserError
        first = range(min(len(bounds) - 1, _TRIES))
        if not self.shape.keys and not any(self._learn(block, bounds[row], bounds[row + 1], row) for row in first):
            raise NeedsExactParserError
        at_once = _CELLS_AT_ONCE // self.shape.width + 1
        for row in range(0, len(bounds) - 1, at_once):
            self._take_rows(block, bounds[row : row + at_once + 1])
        return size

    def _take_rows(self, block: Block, bounds: Positions) -> None:
        times, cells, ok = self._read(block, bounds)
        if not ok.all():
            odd = np.flatnonzero(~ok)
            cells[odd] = boxed(ABSENT)
            for row in odd.tolist():
                self._odd.append((self.rows.length + row, block.text(int(bounds[row]), int(bounds[row + 1]))))
            if len(self._odd) > _ALWAYS_ODD + self.rows.length // _MOST_ODD_SHARE:
                raise NeedsExactParserError
        self.rows.append(times, cells)

    def _read(self, block: Block, bounds: Positions) -> tuple[Ints, Floats, Bools]:
        repeated = self._repeated.read(block, bounds)
        if repeated is None:
            return self._read_apart(block, bounds[:-1], bounds[1:], np.arange(len(bounds) - 1))
        times, values, ok = repeated
        cells = values[:, None]
        rest = np.flatnonzero(~ok)
        if len(rest):
            times[rest], cells[rest], ok[rest] = self._read_apart(block, bounds[rest], bounds[rest + 1], rest)
        return times, cells, ok

    def _read_apart(
        self, block: Block, starts: Positions, nexts: Positions, numbers: Positions
    ) -> tuple[Ints, Floats, Bools]:
        """Rows, by their numbers in the block, split into cells; again when something was learned from one."""
        while True:
            split = self.shape.split(block, starts, nexts)
            cells, fits = self._numbers(block, split)
            special = None if fits.all() else self._special_cells(block, split, cells, fits)
            new_rows = np.flatnonzero(~split.ok)[:_TRIES].tolist() if self._tries < _MOST_TRIES else []
            self._tries += len(new_rows)
            new_rows += [] if special is None else self._with_first_number(special)
            # A list: all of them are learned from before the next pass, not only those up to the first that helps.
            learned = [self._learn(block, starts[row], nexts[row], numbers[row]) for row in new_rows]
            if any(learned):
                continue
            if special is not None:
                found = self._special.numbers(special.texts, len(special.places), self.shape.is_value)
                cells.reshape(-1)[special.places] = boxed(found)[special.codes]
                # A row with a text that is not a value is not ok.
                if (found == INVALID).any():
                    split.ok[special.places[found[special.codes] == INVALID] // self.shape.width] = False
            return split.times, cells, split.ok

    def _numbers(self, block: Block, split: SplitRows) -> tuple[Floats, Bools]:
        """The cells that are plain numbers between the texts of their column, and which cells are."""
        holes = self.shape.holes()
        known = [place for place, hole in enumerate(holes) if hole is not None]
        before = np.array([len(hole.before) for hole in holes if hole is not None], np.int64)
        after = np.array([len(hole.after) for hole in holes if hole is not None], np.int64)
        starts, ends = split.starts, split.ends
        if len(known) < self.shape.width:
            starts, ends = starts[:, known], ends[:, known]
        numbers, is_number = read_numbers(
            block,
            (starts + before if before.any() else starts).ravel(),
            (ends - after if after.any() else ends).ravel(),
        )
        cells, fits = numbers.reshape(starts.shape), is_number.reshape(starts.shape)
        if len(known) < self.shape.width:
            found, is_found = cells, fits
            cells, fits = np.empty(split.starts.shape), np.zeros(split.starts.shape, bool)
            cells[:, known], fits[:, known] = found, is_found
        fits &= split.fits
        return cells, fits

    def _special_cells(self, block: Block, split: SplitRows, cells: Floats, fits: Bools) -> _Special | None:
        """The cells that are there and are not plain numbers; those that are not there become absent."""
        places = np.flatnonzero(~fits & split.ok[:, None])
        starts, ends = split.starts.ravel()[places], split.ends.ravel()[places]
        present = starts != ends
        if not present.all():
            cells.reshape(-1)[places[~present]] = boxed(ABSENT)
            places, starts, ends = places[present], starts[present], ends[present]
        if len(places) == 0:
            return None
        if (starts[1:] < starts[:-1]).any():  # keys may have another order than columns
            order = np.argsort(starts)
            places, starts, ends = places[order], starts[order], ends[order]
        dictionary, codes = coded_texts(block, starts, ends)
        return _Special(places, dictionary.to_pylist(), codes)

    def _with_first_number(self, special: _Special) -> list[int]:
        """Rows with a number in a column of which no number was seen, one for each such column."""
        without = np.array([hole is None for hole in self.shape.holes()])
        if not without.any() or all(text in self._special for text in special.texts):
            return []
        among = np.flatnonzero(without[special.places % self.shape.width])
        columns = special.places[among] % self.shape.width
        # Each text of each column once: points with instants of their own have one number a row, in any column.
        _, firsts = np.unique(columns * len(special.texts) + special.codes[among], return_index=True)
        rows: dict[int, int] = {}
        for column, first in zip(columns[firsts].tolist(), among[firsts].tolist(), strict=True):
            text = special.texts[special.codes[first]]
            if column not in rows and text not in self._special and self.shape.hole_of(text) is not None:
                rows[column] = int(special.places[first]) // self.shape.width
        return [*dict.fromkeys(rows.values())]

    def _learn(self, block: Block, start: int, end: int, row: int) -> bool:
        text = block.text(int(start), int(end))
        places = self.shape.learn(text)
        if places is not None:
            self._learned.append(_LearnedRow(text, self.rows.length + int(row), places))
        return places is not None

    def finish(self, rest: bytes) -> Grid:
        """Settle all rows, including one that may be in the rest after the rows that were taken."""
        last, tail = self.shape.last_row(rest)
        if last:
            self._odd.append((self.rows.length, last))
            self.rows.append(np.zeros(1, np.int64), np.full((1, self.shape.width), boxed(ABSENT)))
        return self.settle(tail)

    def settle(self, tail: bytes | None = None) -> Grid:
        """Let the exact parser read all rows that were learned from or are odd, and all special cells.

        Gives the grid of the header and these rows; `tail` is what ends the body, if not what usually does.
        """
        texts = [learned.text for learned in self._learned]
        special, each = self._special.texts, self.shape.texts_a_row
        texts += [self.shape.row_with(special[at : at + each]) for at in range(0, len(special), each)]
        texts += [text for _, text in self._odd]
        grid = self.shape.exactly(texts, self.shape.usual_tail if tail is None else tail)
        if len(grid) != len(texts) or len(grid.cols) != self.shape.width + 1:
            raise NeedsExactParserError
        self._accept(grid)
        if self._tz and (self._tz != "UTC" or b"UTC" in self.shape.stamp):  # a zone is named
            check_offsets(self._days, self._tz)
        return grid

    def _accept(self, grid: Grid) -> None:
        """Compare what was guessed, and fill in what could not be read."""
        if not len(grid):
            return
        times, columns = grid.columns[0], grid.columns[1:]
        if not self._tz:
            first = times[0]
            if not isinstance(first, datetime) or first.tzinfo is None:
                raise NeedsExactParserError
            self._tz = haystack_name(first.tzinfo)
        label = zone(self._tz)
        instants = [instant_us(time, label) for time in times]
        odd_rows = {row for row, _ in self._odd}
        for index, learned in enumerate(self._learned):
            if learned.row not in odd_rows and instants[index] != self.rows.times[learned.row]:
                raise NeedsExactParserError
            for place in learned.places:
                self._accept_unit(place, columns[place][index], self.rows.cells(place)[learned.row])
        count, waiting, each = len(self._learned), len(self._special.texts), self.shape.texts_a_row
        first_odd = count + -(-waiting // each)
        values = [column[row] for row in range(count, first_odd) for column in columns[:each]]
        self._special.resolve(values[:waiting])
        for index, (row, _) in enumerate(self._odd, start=first_odd):
            us = instants[index]
            if us is None:
                raise NeedsExactParserError
            cells = zip([column[index] for column in columns], self._units, strict=True)
            self.rows.put(row, us, [self._cell(value, unit) for value, unit in cells])
        self._learned.clear()
        self._odd.clear()

    def _accept_unit(self, place: int, value: Any, read: float) -> None:
        # An infinity has no unit, whatever is written after it.
        if not isinstance(value, Number) or not math.isfinite(value.val):
            raise NeedsExactParserError
        if not (read == value.val or math.isnan(read)):  # a special cell, or one of an odd row, was not read
            raise NeedsExactParserError
        self._units[place] = value.unit

    def _cell(self, value: Any, unit: str | None) -> float:
        if value is None:
            return float(boxed(ABSENT))
        if isinstance(value, Number) and value.unit == unit and math.isfinite(value.val):
            return float(value.val)
        return float(boxed(self._special.add(value)))

    def columns(self, *, keep: bool = False) -> list[ArrowColumn]:
        """The columns of the rows, which were settled.

        The buffers become the columns' own, unless they are to be kept because more rows will follow.
        """
        columns: list[ArrowColumn] = [TimeColumn(pa.array(self.rows.times), self._tz)]
        for place, unit in enumerate(self._units):
            cells = self.rows.cells(place)
            columns.append(column_of(cells.copy() if keep else cells, self._special.values, unit))
        return columns

    def forget_rows(self) -> None:
        """Forget the rows, which were settled, and keep what was learned from them."""
        self.rows = RowBuffers(self.shape.width, self._limits)
        self._special.forget_added()
