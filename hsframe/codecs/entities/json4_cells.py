"""Cells of JSON version 4 to values; ids, instants and numbers that differ from row to row by their patterns.

The text of a cell counts once Python's JSON parser has taken it as one whole value. Texts are joined by line ends: no
string can reach over one, and a text begins one value at most, so as many values as texts are one value each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from hsframe.codecs.entities.cells import ColumnCells
from hsframe.codecs.entities.json_cuts import QUOTES
from hsframe.codecs.entities.marks import holds
from hsframe.codecs.entities.readings import Reader, compact
from hsframe.codecs.histories.instants import instant_us
from hsframe.codecs.histories.stamps import StampReader
from hsframe.codecs.histories.table import texts_of
from hsframe.codecs.histories.words import PAD, Bools, Ints, Positions, equal_bytes
from hsframe.codecs.json4 import Json4
from hsframe.codecs.json_common import load_json
from hsframe.codecs.unchecked import unchecked_number
from hsframe.columns import LazyColumn, NumberColumn, RefColumn, StrColumn, TimeColumn
from hsframe.errors import CodecError, ZoneError
from hsframe.kinds import MAX_EXACT_INT, Ref
from hsframe.zones import zone

__all__ = ["Json4Reader"]

_B: Final = rb"[ ]?"
_REF: Final = re.compile(
    rb'(\{"_kind":' + _B + rb'"ref",' + _B + rb'"val":' + _B + rb'")[^"\\@][^"\\]*'
    rb'(?:(",' + _B + rb'"dis":' + _B + rb'")[^"\\]*)?"\}'
)
_STAMP: Final = re.compile(
    rb'(\{"_kind":' + _B + rb'"dateTime",' + _B + rb'"val":' + _B + rb'")'
    rb"[0-9-]{10}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
    rb'("(?:,' + _B + rb'"tz":' + _B + rb'"([A-Za-z0-9_+\-/]+)")?\})'
)
_NUMBER: Final = re.compile(
    rb'(\{"_kind":' + _B + rb'"number",' + _B + rb'"val":' + _B + rb")[^,}\"\[\]]+"
    rb"(," + _B + rb'"unit":' + _B + rb'"([^"\\\x00-\x1f]+)"\})'
)
_BARE: Final = re.compile(rb"-?[0-9][0-9.eE+-]*")
_MOST_UNITS: Final = 12
_LOOKS: Final = 16


class Json4Reader(Reader):
    """Reads the cells of one body."""

    separator = b",\n"

    def read(self, joined: Sequence[bytes], counts: Sequence[int]) -> list[list[Any]]:
        """The values of texts."""
        return Json4().cells_from(joined, counts)

    def read_rich(self, part: ColumnCells) -> Sequence[Any] | None:
        """A column of Refs, of instants in one zone, or of numbers."""
        texts = self.texts(part, np.arange(min(_LOOKS, len(part.rows))))
        first = texts[0]
        column: Sequence[Any] | None = None
        if first.startswith(b'"'):
            column = self.strings_column(part)
        elif match := _REF.fullmatch(first):
            column = self.refs(part, match[1], match[2])
        elif match := _STAMP.fullmatch(first):
            column = self.instants(part, match[1], match[2], (match[3] or b"UTC").decode())
        elif _BARE.fullmatch(first) and (bare := self.plain_numbers(part.starts, part.ends)):
            column = self.number_column(bare, None, part.rows)
        if column is None and any(map(_NUMBER.fullmatch, texts)):
            column = self.numbers(part)
        return column

    def strings_column(self, part: ColumnCells) -> Sequence[Any] | None:
        """Strings, those with escapes read exactly."""
        octets = self.cells.block.octets
        # What begins with a quote was cut behind the next one that no backslash escapes.
        ok = octets[part.starts] == ord('"')
        ok &= ~holds(self.cells.awkward, part.starts, part.ends)
        odd = np.flatnonzero(~ok)
        if 2 * len(odd) > len(ok):
            return None
        others = self.read_some(part, odd)
        if not all(type(value) is str for value in others):
            return None
        fit = np.flatnonzero(ok)
        rows = np.concatenate((part.rows[fit], part.rows[odd]))
        return LazyColumn(StrColumn(self.strings(part.starts[fit] + 1, part.ends[fit] - 1, others, rows)))

    def refs(self, part: ColumnCells, before: bytes, between: bytes | None) -> Sequence[Any] | None:
        """Refs of a pattern: `before` the id, and `between` it and the name; None without a name."""
        block, marks = self.cells.block, self.cells.marks
        shift = QUOTES * marks.stride
        begins = part.starts + len(before)
        closes = marks.next(begins + shift) - shift
        ok = equal_bytes(block, part.starts, before) & (block.octets[begins] != ord("@"))
        last = closes
        names = None
        if between is not None:
            ok &= equal_bytes(block, closes, between)
            names = closes + len(between)
            last = marks.next(names + shift) - shift
        ok &= (last + 2 == part.ends) & ~holds(self.cells.awkward, part.starts, part.ends)
        odd = np.flatnonzero(~ok)
        if 2 * len(odd) > len(ok):
            return None
        others = self.read_some(part, odd)
        if not all(type(value) is Ref for value in others):
            return None
        fit = np.flatnonzero(ok)
        rows = np.concatenate((part.rows[fit], part.rows[odd]))
        vals = self.strings(begins[fit], closes[fit], [ref.val for ref in others], rows)
        dis: Any = None
        if names is not None:
            dis = self.strings(names[fit], last[fit], [ref.dis for ref in others], rows)
        elif any(ref.dis is not None for ref in others):
            dis = self.strings(begins[:0], begins[:0], [None] * len(fit) + [ref.dis for ref in others], rows)
        return RefColumn(vals, dis)

    def strings(self, starts: Positions, ends: Positions, others: list[str | None], rows: Ints) -> pa.Array:
        """Texts at places of the body and others behind them, put in the order of the rows."""
        parts = []
        if len(starts):
            texts = texts_of(self.cells.block, starts, ends, pa.string())
            parts.append(compact(texts))
        if others or not parts:
            parts.append(pa.array(others, pa.string()))
        texts = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
        if len(rows) == self.cells.length and bool((rows == np.arange(len(rows))).all()):
            return texts
        places = np.full(self.cells.length, -1)
        places[rows] = np.arange(len(rows))
        return texts.take(pa.array(places, mask=places < 0))

    def instants(self, part: ColumnCells, before: bytes, behind: bytes, name: str) -> Sequence[Any] | None:
        """Instants of a pattern, all of the zone of a name."""
        block = self.cells.block
        try:
            label = zone(name)
        except ZoneError:
            return None
        stamps = part.starts + len(before)
        # Sorted by their days, because the reader looks a day up as often as it changes from row to row.
        order = np.argsort(block.words[2:][stamps])
        us, ok = np.empty(len(order), np.int64), np.empty(len(order), bool)
        us[order], ok[order], lengths = StampReader().read(block, stamps[order], behind)
        ok[order] &= (stamps + len(behind))[order] + lengths == part.ends[order]
        ok &= equal_bytes(block, part.starts, before)
        odd = np.flatnonzero(~ok)
        if 2 * len(odd) > len(ok):
            return None
        for index, value in zip(odd.tolist(), self.read_some(part, odd), strict=True):
            other = instant_us(value, label)
            if other is None:
                return None
            us[index] = other
        return LazyColumn(TimeColumn(self.spread(us, part.rows), name))

    def spread(self, values: Any, rows: Ints) -> pa.Array:
        """Values at their rows, null at all others."""
        if len(rows) == self.cells.length:
            return pa.array(values)
        spread = np.zeros(self.cells.length, values.dtype)
        spread[rows] = values
        absent: Bools = np.ones(self.cells.length, bool)
        absent[rows] = False
        return pa.array(spread, mask=absent)

    def numbers(self, part: ColumnCells) -> Sequence[Any] | None:
        """Numbers with units; what is none of the usual ones is read exactly."""
        block = self.cells.block
        is_object = block.octets[part.starts] == ord("{")
        left, others = np.flatnonzero(is_object), np.flatnonzero(~is_object)
        found: list[tuple[Ints, list[Any], str]] = []
        for _ in range(_MOST_UNITS):
            if not len(left):
                break
            match = _NUMBER.fullmatch(self.texts(part, left[:1])[0])
            if match is None:
                others, left = np.append(others, left[0]), left[1:]
                continue
            before, behind = match[1], match[2]
            starts, ends = part.starts[left], part.ends[left]
            fits = (ends - starts > len(before) + len(behind)) & equal_bytes(block, starts, before)
            fits &= equal_bytes(block, np.maximum(ends - len(behind), PAD), behind)
            here = left[fits]
            values = self.plain_numbers(part.starts[here] + len(before), part.ends[here] - len(behind))
            if values is None:
                break
            found.append((here, values, match[3].decode()))
            left = left[~fits]
        others = np.concatenate((others, left))
        if not found or 2 * len(others) > len(part.rows):
            return None
        if len(found) == 1 and not len(others):
            return self.number_column(found[0][1], found[0][2], part.rows[found[0][0]])
        column = np.empty(self.cells.length, object)
        for here, values, unit in found:
            column[part.rows[here]] = [unchecked_number(value, unit) for value in values]
        result: list[Any] = column.tolist()
        for row, other in zip(part.rows[others].tolist(), self.read_some(part, others), strict=True):
            result[row] = other
        return result

    def number_column(self, values: list[Any], unit: str | None, rows: Ints) -> Sequence[Any]:
        """The column of numbers that are below 2**53."""
        return LazyColumn(NumberColumn(self.spread(np.array(values, np.float64), rows), unit))

    def plain_numbers(self, starts: Positions, ends: Positions) -> list[Any] | None:
        """Numbers as JSON writes them; None where one is something else, or too large to be kept as it is."""
        text = b"[" + self.joined(compact(texts_of(self.cells.block, starts, ends))) + b"]"
        try:
            values = load_json(text, "json v4")
        except CodecError:
            return None
        if len(values) != len(starts) or not {int, float}.issuperset(map(type, values)):
            return None
        if values and not -MAX_EXACT_INT < min(values) <= max(values) < MAX_EXACT_INT:
            return None
        return list(values)
