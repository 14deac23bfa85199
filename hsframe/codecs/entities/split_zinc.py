"""The rows of a Zinc grid split into cells, all rows at once, one column after the other.

Every row has a position. For each column in turn the end of the cell is guessed; a comma must be there, or after the
last cell the end of the line. So all bytes of a line are commas and cells. The text of a cell counts once the exact
parser has taken it as one whole value: the grammar reads a row value by value, and a value that is whole in its text
is read up to the same place in its line.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hsframe.codecs.entities.split_cells import ColumnCells, SplitBody, Splitter
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import PAD, Ints, Positions
from hsframe.codecs.zinc import value_length
from hsframe.options import Limits

_QUOTE, _COMMA, _TICK, _AT, _LIST, _DICT, _PAREN = b'",`@[{('
_LINE_END, _RETURN = b"\n\r"
_ENDS, _QUOTES, _TICKS, _LIST_CLOSES, _DICT_CLOSES, _PAREN_CLOSES, _OPENS = range(7)
_SETS: Final = (b",\n\r", b'"', b"`", b"]", b"}", b")", b"[{<")
_CLOSING: Final = {_QUOTE: _QUOTES, _TICK: _TICKS, _LIST: _LIST_CLOSES, _DICT: _DICT_CLOSES}
# Refs may have a name in quotes, and words a text in parentheses.
_MAY_HAVE_TEXT: Final = np.isin(np.arange(256), [_AT, *range(ord("A"), ord("Z") + 1)])
# The shortest cell that has a quote after its first character is C("").
_SHORT: Final = 3


def split_zinc(body: bytes, begin: int, width: int, limits: Limits) -> SplitBody:
    """The cells of a grid in Zinc 3.0 of `width` columns, at least two, whose first row begins at `begin`.

    It raises NeedsExactParserError where the rows are of another form than servers write, or wrong.
    """
    # The last line may lack its end.
    return _ZincSplitter(body.rstrip(b" \t\r\n") + b"\n", _SETS, _CLOSING, limits).rows(begin + PAD, width)


class _ZincSplitter(Splitter):
    def rows(self, begin: int, width: int) -> SplitBody:
        octets = self.block.octets
        line_ends = self.awkward[octets[self.awkward] == _LINE_END]
        line_ends = line_ends[line_ends >= begin]
        if not len(line_ends):
            raise NeedsExactParserError
        self.limits.check("cells", len(line_ends) * width, "zinc")
        places = np.concatenate(([begin], line_ends[:-1] + 1))
        line_ends -= octets[line_ends - 1] == _RETURN
        columns: list[ColumnCells] = []
        cells = 0
        for _ in range(width):
            self.check_memory(len(places), cells + len(places))
            if (places > line_ends).any():
                raise NeedsExactParserError  # this line has fewer cells
            rows = np.flatnonzero((octets[places] != _COMMA) & (places != line_ends))
            begins = places[rows]
            ends = self.cell_ends(begins, line_ends[rows])
            columns.append(ColumnCells(rows, begins, ends))
            cells += len(rows)
            places[rows] = ends
            if not ((octets[places] == _COMMA) | (places == line_ends)).all():
                raise NeedsExactParserError
            places += 1
        # After the last cell there is the line's end, nowhere else.
        if not (places == line_ends + 1).all():
            raise NeedsExactParserError
        return SplitBody(self.block, self.index, self.awkward, len(line_ends), columns, self.limits)

    def cell_ends(self, begins: Positions, line_ends: Positions) -> Positions:
        octets = self.block.octets
        first = octets[begins]
        ends = self.guess_ends(begins, first)
        self.skip_texts(begins, ends, np.flatnonzero(_MAY_HAVE_TEXT[first] & (ends - begins > _SHORT)))
        odd = (octets[ends] != _COMMA) & (ends != line_ends)
        nested = np.flatnonzero((first == _LIST) | (first == _DICT))
        odd[nested] |= self.holds(_OPENS, begins[nested], ends[nested])
        self.find_ends(begins, ends, np.flatnonzero(odd))
        return ends

    def skip_texts(self, begins: Positions, ends: Positions, which: Ints) -> None:
        """Correct the ends of cells whose text in quotes or parentheses may hold a comma."""
        opening = self.index.find(_QUOTES, begins[which])
        has_text = opening < ends[which]
        ends[which[has_text]] = self.index.find(_ENDS, self.index.find(_QUOTES, opening[has_text] + 1) + 1)
        others = which[~has_text]
        coords = others[self.block.octets[begins[others] + 1] == _PAREN]
        ends[coords] = self.index.find(_PAREN_CLOSES, begins[coords]) + 1

    def value_length(self, begin: int) -> int:
        at = begin - PAD
        return value_length(self.body[at : self.body.index(b"\n", at)], self.limits)
