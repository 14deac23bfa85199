"""The rows of a JSON grid cut into cells, all rows at once.

Every row has a position. In each step all rows read a key, guess where its value ends by the first mark that can end
it, and go on behind the comma; each byte between two values is compared. A guess can be wrong, so a value's text
counts only once a JSON parser has taken it as one whole value: who reads the cells does that. Rows that are not of
this form make the answer None, and then the exact parser reads the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hsframe.codecs.entities.cells import Cells, Table
from hsframe.codecs.entities.marks import Marks, block_of, escaped_places
from hsframe.codecs.entities.names import Names
from hsframe.codecs.histories.words import PAD, Bools, Ints, Positions, equal_bytes

__all__ = ["QUOTES", "cut_rows"]

_TAIL: Final = re.compile(rb"[ \t\r\n]*\][ \t\r\n]*\}[ \t\r\n]*")
_NEXT_ROW: Final = re.compile(rb"([ \t\r\n]*,[ \t\r\n]*)\{")
_BLANKS: Final = rb"[ \t\r\n]*"
_FIRST_KEY: Final = re.compile(rb'\{"[A-Za-z0-9_]*":([ \t\r\n]*)')
_GAP: Final = re.compile(rb',([ \t\r\n]*)"[A-Za-z0-9_]+":')
_KIND: Final = b'{"_kind"'
_QUOTE, _COMMA, _COLON, _OPEN, _CLOSE, _LIST = b'",:{}['
_PLAIN_ENDS, QUOTES, _CLOSES, _LIST_CLOSES, _OPENS, _LIST_OPENS = range(6)
_SETS: Final = (b",}", b'"', b"}", b"]", b"{", b"[")
# With more values than this share whose end must be looked for one by one, the exact parser is as quick.
_MOST_ODD_SHARE: Final = 20
_ALWAYS_ODD: Final = 200
_SHORT: Final = 3
_MOST_BETWEEN: Final = 60
_MOST_STEPS: Final = 2_000

_scan = json.JSONDecoder().raw_decode


def cut_rows(body: bytes, begin: int, names: Sequence[str]) -> Cells | None:
    """The cells of a body.

    Parameters
    ----------
    body : bytes
        A grid in JSON, of either version.
    begin : int
        Where the first row begins.
    names : sequence of str
        The columns.

    Returns
    -------
    Cells or None
        None where the rows are of another form than servers write, or wrong.
    """
    try:
        known = Names(names)
    except ValueError:
        return None
    first = _FIRST_KEY.search(body, begin)
    gap = _GAP.search(body, begin)
    if first is None:
        return None
    return _Cutter(body, begin, known, colon=first[1], gap=gap[1] if gap else b"").cut()


class _Cutter:
    """Cuts one body; `colon` and `gap` are the blanks behind a colon and behind a comma."""

    def __init__(self, body: bytes, begin: int, names: Names, *, colon: bytes, gap: bytes) -> None:
        self.body = body
        self.begin = begin
        self.names = names
        self.table = Table(len(names))
        self.colon = b":" + colon
        self.gap = b"," + gap
        self.block = block = block_of(body)
        escaped, self.awkward = escaped_places(block)
        self.marks = marks = Marks(block, _SETS, escaped)
        # By the first byte of a value: which marks to look for, and how many bytes of the mark belong to the value.
        self.sets = np.zeros(256, np.int64)
        self.sets[[_QUOTE, _OPEN, _LIST]] = np.array([QUOTES, _CLOSES, _LIST_CLOSES]) * marks.stride
        self.own = np.zeros(256, np.int64)
        self.own[[_QUOTE, _OPEN, _LIST]] = 1
        self.kind_at = len(_KIND) + len(self.colon) + 1
        self.odd = 0

    def cut(self) -> Cells | None:
        starts, between = self.row_starts()
        ends = np.zeros(len(starts), np.int64)
        at_once = self.table.rows_at_once
        for first in range(0, len(starts), at_once):
            rows = np.arange(first, min(first + at_once, len(starts)))
            self.table.open(first, len(rows))
            if not self.walk(rows, starts, ends) or not self.table.close():
                return None
        true = self.true_rows(starts, ends, between)
        if true is None:
            return None
        number = None
        if len(true) != len(starts):
            number = np.full(len(starts), -1)
            number[true] = np.arange(len(true))
        return Cells(self.block, self.marks, self.awkward, len(true), self.table.columns(number))

    def walk(self, rows: Ints, starts: Positions, ends: Positions) -> bool:
        """Find the cells of some rows, and where the rows end, 0 where that is no row; False where they do not end."""
        octets = self.block.octets
        places = starts[rows] + 1
        empty = octets[places] == _CLOSE
        ends[rows[empty]] = places[empty]
        rows, places = rows[~empty], places[~empty]
        for _ in range(_MOST_STEPS):
            if not len(rows):
                return True
            columns, begins, behinds, ok = self.step(places)
            if not ok.all():
                # No row at all, but an object in a list of one; or the body is wrong. The chain of rows will tell.
                rows, columns, begins, behinds = rows[ok], columns[ok], begins[ok], behinds[ok]
            self.table.put(rows, columns, begins, behinds)
            more = octets[behinds] == _COMMA
            if not more.all():
                done = ~more
                ends[rows[done]] = behinds[done]
                rows, behinds = rows[more], behinds[more]
            ok = self.stands(behinds, self.gap)
            if not ok.all():
                rows, behinds = rows[ok], behinds[ok]
            places = behinds + len(self.gap)
        return False

    def row_starts(self) -> tuple[Positions, bytes]:
        """Where rows may begin, and what stands between two of them; objects within a row may be among them."""
        octets, words = self.block.octets, self.block.words
        begin = self.begin + PAD
        length = self.value_length(self.begin)
        match = _NEXT_ROW.match(self.body, self.begin + length) if length else None
        if match is None or len(match[1]) > _MOST_BETWEEN:
            return np.array([begin]), b""
        between = match[1]
        if b"\n" in between:
            at = between.index(b"\n")
            found = self.awkward[octets[self.awkward] == ord("\n")] - at
        else:
            found = self.marks.pairs(_CLOSES, _OPENS, 1 + len(between)) + 1
        found = found[(found > begin) & (found < len(octets) - PAD)]
        after = found + len(between)
        whole = (octets[found - 1] == _CLOSE) & equal_bytes(self.block, found, between) & (octets[after] == _OPEN)
        after = after[whole]
        after = after[words[after] != np.uint64(int.from_bytes(_KIND, "little"))]
        return np.concatenate((np.array([begin]), after)), between

    def step(self, places: Positions) -> tuple[Ints, Positions, Positions, Bools]:
        """The columns and values of the keys at these places, and where there are such."""
        octets, marks = self.block.octets, self.marks
        names = places + 1
        columns = self.names.find(self.block, names)
        ok = columns >= 0
        ok &= octets[places] == _QUOTE
        closes = names + self.names.lengths.take(columns)
        ok &= self.stands(closes + 1, self.colon)
        begins = closes + 1 + len(self.colon)
        first = octets[begins]
        sets = self.sets[first]
        ends = marks.next(begins + 1 + sets) - sets + self.own[first]
        odd = (octets[ends] != _COMMA) & (octets[ends] != _CLOSE) | self.nests(begins, ends, first)
        if odd.any():
            self.find_ends(begins, ends, ok, np.flatnonzero(odd & ok))
        return columns, begins, ends, ok

    def stands(self, places: Positions, text: bytes) -> Bools:
        """Where a short text stands."""
        if len(text) > _SHORT:
            return equal_bytes(self.block, places, text)
        result: Bools = self.block.octets[places] == text[0]
        for at in range(1, len(text)):
            result &= self.block.octets[places + at] == text[at]
        return result

    def nests(self, begins: Positions, ends: Positions, first: npt.NDArray[np.uint8]) -> Bools:
        """Where a value may hold objects or lists, so that the first mark that closes need not close the value."""
        nests = np.zeros(len(begins), bool)
        octets = self.block.octets
        objects = np.flatnonzero(first == _OPEN)
        if len(objects):
            at = begins[objects]
            # A look at a few bytes is enough for a guess: {"_kind":"...
            kind = octets[at + self.kind_at]
            plain = (octets[at + 2] == ord("_")) & (kind != ord("g"))
            plain &= (kind != ord("d")) | (octets[at + self.kind_at + 1] != ord("i"))
            self.mark_holders(nests, objects[~plain], begins, ends, _OPENS)
        lists = np.flatnonzero(first == _LIST)
        if len(lists):
            self.mark_holders(nests, lists, begins, ends, _LIST_OPENS)
        return nests

    def mark_holders(self, nests: Bools, which: Ints, begins: Positions, ends: Positions, opens: int) -> None:
        if len(which):
            shift = opens * self.marks.stride
            nests[which] = self.marks.within(
                begins[which] + 1 + shift, np.maximum(ends[which], begins[which] + 1) + shift
            )

    def find_ends(self, begins: Positions, ends: Positions, ok: Bools, which: Ints) -> None:
        """Put right the ends of some values, one by one; not ok where one is wrong, or there are too many."""
        self.odd += len(which)
        if self.odd > _ALWAYS_ODD + len(self.body) // 40 // _MOST_ODD_SHARE:
            ok[which] = False
            return
        for index in which.tolist():
            length = self.value_length(int(begins[index]) - PAD)
            if length is None:
                ok[index] = False
            else:
                ends[index] = begins[index] + length
        octets = self.block.octets[ends[which]]
        ok[which] &= (octets == _COMMA) | (octets == _CLOSE)

    def value_length(self, at: int) -> int | None:
        """The bytes of the value at a place of the body, with blanks behind it."""
        size = 512
        while True:
            text = self.body[at : at + size].decode("utf-8", "ignore")
            try:
                _, end = _scan(text)
                if end < len(text):
                    break
            except (ValueError, RecursionError):
                pass
            if at + size >= len(self.body) or size > 1 << 20:
                return None
            size *= 8
        return len(text[:end].encode())

    def true_rows(self, starts: Positions, ends: Positions, between: bytes) -> Ints | None:
        """Which of the places are rows: the first, and each that begins where the one before it ends."""
        tail = int(ends[-1]) + 1
        true = np.arange(len(starts))
        follow = ends[:-1] + 1 + len(between) == starts[1:]
        if not follow.all():
            number = {start: place for place, start in enumerate(starts.tolist())}
            chain = [0]
            behind = (ends + 1 + len(between)).tolist()
            while (after := number.get(behind[chain[-1]])) is not None:
                chain.append(after)
            true = np.array(chain)
            tail = int(ends[chain[-1]]) + 1
        if not (self.block.octets[ends[true]] == _CLOSE).all():
            return None
        if len(true) > 1 and not equal_bytes(self.block, ends[true][:-1] + 1, between).all():
            return None
        return true if _TAIL.fullmatch(self.body, tail - PAD) else None
