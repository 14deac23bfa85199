"""The rows of a Zinc grid cut into cells, all rows at once, a column at a time.

Every row has a position. For each column in turn the cell's end is guessed by its first character and the first mark
that can end such a value; a comma must stand there, behind the last cell the line's end. So all bytes of a line are
commas and cells. A cell's text counts once the exact parser has taken it as one whole value: the grammar reads a row
value by value, and a value that is whole in its text is read up to the same place in its line. Rows that are not of
this form make the answer None, and then the exact parser reads the body.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hsframe.codecs.entities.cells import Cells, ColumnCells
from hsframe.codecs.entities.marks import Marks, block_of, escaped_places
from hsframe.codecs.histories.words import PAD, Bools, Ints, Positions
from hsframe.codecs.zinc import value_length
from hsframe.errors import CodecError

__all__ = ["QUOTES", "cut_lines"]

_QUOTE, _COMMA, _TICK, _AT, _LIST, _DICT, _PAREN = b'",`@[{('
_LINE_END, _RETURN = b"\n\r"
_ENDS, QUOTES, _TICKS, _LIST_CLOSES, _DICT_CLOSES, _PAREN_CLOSES, _OPENS = range(7)
_SETS: Final = (b",\n\r", b'"', b"`", b"]", b"}", b")", b"[{<")
# The shortest cell that has a quote behind its first character is C("").
_SHORT: Final = 3
_MOST_ODD_SHARE: Final = 20
_ALWAYS_ODD: Final = 200


def cut_lines(body: bytes, begin: int, width: int) -> Cells | None:
    """The cells of a body.

    Parameters
    ----------
    body : bytes
        A grid in Zinc 3.0.
    begin : int
        Where the first row begins.
    width : int
        The number of columns, at least two.

    Returns
    -------
    Cells or None
        None where the rows are of another form than servers write, or wrong.
    """
    return _Cutter(body, begin, width).cut()


class _Cutter:
    """Cuts one body."""

    def __init__(self, body: bytes, begin: int, width: int) -> None:
        self.body = body.rstrip(b" \t\r\n")
        self.begin = begin + PAD
        self.width = width
        self.block = block = block_of(self.body)
        block.octets[PAD + len(self.body)] = _LINE_END  # the last line may lack its end
        escaped, self.awkward = escaped_places(block)
        self.marks = marks = Marks(block, _SETS, escaped)
        # By the first byte of a cell: which marks to look for, and how many bytes of the mark belong to the cell.
        self.sets = np.zeros(256, np.int64)
        sets = np.array([QUOTES, _TICKS, _LIST_CLOSES, _DICT_CLOSES])
        self.sets[[_QUOTE, _TICK, _LIST, _DICT]] = sets * marks.stride
        self.own = np.zeros(256, np.int64)
        self.own[[_QUOTE, _TICK, _LIST, _DICT]] = 1
        # Refs may have a name in quotes, and words a text in parentheses.
        self.quotes = np.zeros(256, bool)
        self.quotes[[_AT, *range(ord("A"), ord("Z") + 1)]] = True
        self.odd = 0

    def cut(self) -> Cells | None:
        octets = self.block.octets
        if len(self.body) + PAD <= self.begin:
            return None
        line_ends = self.awkward[octets[self.awkward] == _LINE_END]
        line_ends = np.append(line_ends[line_ends >= self.begin], PAD + len(self.body))
        places = np.concatenate(([self.begin], line_ends[:-1] + 1))
        line_ends -= octets[line_ends - 1] == _RETURN
        columns = []
        for _ in range(self.width):
            if (places > line_ends).any():
                return None  # this line has fewer cells
            ends = places.copy()
            rows = np.flatnonzero((octets[places] != _COMMA) & (places != line_ends))
            cells = self.step(places[rows], line_ends[rows])
            if cells is None:
                return None
            columns.append(ColumnCells(rows, places[rows], cells))
            ends[rows] = cells
            if not ((octets[ends] == _COMMA) | (ends == line_ends)).all():
                return None
            places = ends + 1
        # Behind the last cell there is the line's end, nowhere else.
        if not (places == line_ends + 1).all():
            return None
        return Cells(self.block, self.marks, self.awkward, len(line_ends), columns)

    def step(self, begins: Positions, line_ends: Positions) -> Positions | None:
        """The ends of the cells that begin at these places."""
        octets, marks = self.block.octets, self.marks
        first = octets[begins]
        sets, own = self.sets[first], self.own[first]
        ends = marks.next(begins + own + sets) - sets + own
        self.skip_texts(begins, ends, np.flatnonzero(self.quotes[first] & (ends - begins > _SHORT)))
        odd: Bools = (octets[ends] != _COMMA) & (ends != line_ends)
        nested = np.flatnonzero((first == _LIST) | (first == _DICT))
        if len(nested):
            shift = _OPENS * marks.stride
            inner = begins[nested] + 1
            odd[nested] |= marks.within(inner + shift, np.maximum(ends[nested], inner) + shift)
        if odd.any() and not self.find_ends(begins, ends, line_ends, np.flatnonzero(odd)):
            return None
        return ends

    def skip_texts(self, begins: Positions, ends: Positions, which: Ints) -> None:
        """Put right the ends of cells whose text in quotes or parentheses may hold a comma."""
        if not len(which):
            return
        octets, marks = self.block.octets, self.marks
        quotes = QUOTES * marks.stride
        opening = marks.next(begins[which] + quotes) - quotes
        has_text = opening < ends[which]
        rest = which[has_text]
        closing = marks.next(opening[has_text] + 1 + quotes) - quotes
        ends[rest] = marks.next(closing + 1)
        others = which[~has_text]
        coords = others[octets[begins[others] + 1] == _PAREN]
        if len(coords):
            shift = _PAREN_CLOSES * marks.stride
            ends[coords] = marks.next(begins[coords] + shift) - shift + 1

    def find_ends(self, begins: Positions, ends: Positions, line_ends: Positions, which: Ints) -> bool:
        """Put right the ends of some cells, one by one; False where one is wrong, or there are too many."""
        self.odd += len(which)
        if self.odd > _ALWAYS_ODD + len(self.body) // 16 // _MOST_ODD_SHARE:
            return False
        for index in which.tolist():
            begin = int(begins[index])
            try:
                ends[index] = begin + value_length(self.block.text(begin, int(line_ends[index])))
            except CodecError:
                return False
        return True
