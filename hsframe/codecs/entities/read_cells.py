"""The cells of a column to values, each different text once.

A text that a column repeats is read once, by the exact codec, and its rows share the value. Where a column hardly
repeats itself, JSON has faster columns without an object per row, read by their form: texts, ids, instants, numbers.
Most cells of such a column have the same text before and after a value; all others are read by the exact codec.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.arrays import Bools
from hsframe.codecs.entities.split_cells import ColumnCells, SplitBody, any_between, split_bytes
from hsframe.codecs.entities.split_json import QUOTES
from hsframe.codecs.histories.byte_words import (
    PAD,
    Ints,
    Positions,
    coded_texts,
    equal_bytes,
    read_numbers,
    texts_of,
)
from hsframe.codecs.histories.stamps import STAMP_TEXT, check_offsets, instant_us, read_stamps
from hsframe.codecs.json3 import Json3
from hsframe.codecs.json_common import JsonCodec
from hsframe.columns import DictionaryColumn, LazyColumn, NumberColumn, RefColumn, StrColumn, TimeColumn
from hsframe.errors import ZoneError
from hsframe.kinds import ID, MAX_EXACT_INT, UNIT, Ref, unchecked_number
from hsframe.zones import zone

_SAMPLE: Final = 48
_LARGE_SAMPLE: Final = 256
_FEW_ROWS: Final = 64
# The memory of a number that is an object; of a value in an Arrow array, or the place of one that the exact codec reads
# and counts; of a cell while its column is made.
_OBJECT_BYTES, _ARROW_BYTES, _MAKING_BYTES = 100, 56, 300
_MOST_CONSTANT: Final = 256
_REF: Final = re.compile(rb'(\{"_kind": ?"ref", ?"val": ?")[^"\\@][^"\\]*(?:(", ?"dis": ?")[^"\\]*)?"\}')
# Each has three groups: the text before the value, the text after it, and the zone or the unit in that.
_STAMP_TEXT: Final = STAMP_TEXT.encode()
_ZONE: Final = rb"([A-Za-z0-9_+\-/]+)"
_STAMP3: Final = re.compile(rb'("t:)' + _STAMP_TEXT + rb"((?: " + _ZONE + rb')?")')
_STAMP4: Final = re.compile(
    rb'(\{"_kind": ?"dateTime", ?"val": ?")' + _STAMP_TEXT + rb'("(?:, ?"tz": ?"' + _ZONE + rb'")?\})'
)
_NUMBER_TEXT: Final = rb"-?[0-9][0-9.eE+-]*"
_UNIT: Final = rb'([^"\\\x00-\x1f]+)'
_NUMBER3: Final = re.compile(rb'("n:)' + _NUMBER_TEXT + rb"((?: " + _UNIT + rb')?")')
_NUMBER4: Final = re.compile(
    rb'(?:(\{"_kind": ?"number", ?"val": ?)' + _NUMBER_TEXT + rb'((?:, ?"unit": ?"' + _UNIT + rb'")?\})'
    rb"|" + _NUMBER_TEXT + rb")"
)
_MOST_UNITS: Final = 12
_LOOKS: Final = 16


@dataclass(slots=True)
class _Plan:
    """How a column is made of its `count` joined texts: by the codes of the rows, else row by row."""

    rows: Ints
    joined: bytes
    count: int
    codes: npt.NDArray[np.int32] | None = None


class CellReader:
    """Reads the cells of one body.

    `separator` goes between two texts that are read together; no cell may hold it. `exact` gives the values of texts by
    the exact codec, column by column, from the joined texts of each column and their counts, and the memory that is
    taken beside them; it raises CodecError where a text is not one whole value, or that would be too much.
    """

    def __init__(
        self,
        body: SplitBody,
        separator: bytes,
        exact: Callable[[Sequence[bytes], Sequence[int], int], list[list[Any]]],
    ) -> None:
        self.body = body
        self.separator = separator
        self.exact = exact
        self._bytes = split_bytes(body.block, body.length, sum(len(part.rows) for part in body.columns))

    def typed_column(self, part: ColumnCells) -> Sequence[Any] | None:
        """The whole column, where its cells are of one of the forms that the format knows."""
        return None

    def read_some(self, part: ColumnCells, which: Ints) -> list[Any]:
        joined = self.separator.join(self.texts(part, which))
        return self.exact([joined], [len(which)], self._bytes + len(joined))[0] if len(which) else []

    def texts(self, part: ColumnCells, which: Ints) -> list[bytes]:
        return list(map(self.body.block.text, part.starts[which].tolist(), part.ends[which].tolist()))

    def compact_texts(self, starts: Positions, ends: Positions, kind: Any = None) -> pa.Array:
        """Texts of the body, without the gaps that :func:`texts_of` has between them."""
        texts = texts_of(self.body.block, starts, ends, kind)
        return texts.take(pa.array(np.arange(0, len(texts), 2)))

    def spread(self, rows: Ints, values: Sequence[Any]) -> list[Any]:
        """Values at their rows; None at all other rows."""
        column: list[Any] = [None] * self.body.length
        for row, value in zip(rows.tolist(), values, strict=True):
            column[row] = value
        return column

    def columns(self) -> list[Sequence[Any]]:
        """All columns; CodecError where a cell is not one whole value, or all would take too much memory."""
        found = [self._column_or_plan(part) for part in self.body.columns]
        # The texts of all columns are read together: making a parser takes longer than reading a few texts.
        plans = [plan for plan in found if isinstance(plan, _Plan)]
        joined = [plan.joined for plan in plans]
        beside = self._bytes + 2 * sum(map(len, joined))  # the codec joins them once more
        values = iter(self.exact(joined, [plan.count for plan in plans], beside) if plans else ())
        columns: list[Sequence[Any]] = []
        for column in found:
            if not isinstance(column, _Plan):
                columns.append(column)
            elif column.codes is None:
                columns.append(self.spread(column.rows, next(values)))
            else:
                columns.append(DictionaryColumn(column.codes, next(values)))
        return columns

    def _column_or_plan(self, part: ColumnCells) -> Sequence[Any] | _Plan:
        count = len(part.rows)
        self.body.limits.check_memory(self._bytes + _MAKING_BYTES * count, "records")
        if not count:
            return DictionaryColumn(self._codes(part.rows, -1), ())
        sample = np.arange(0, count, max(count // _SAMPLE, 1))
        seen = set(self.texts(part, sample))
        if len(seen) == 1 and self._is_constant(part, text := next(iter(seen))):
            return _Plan(part.rows, text, 1, self._codes(part.rows, 0))
        if self._repeats(part, seen, len(sample)):
            texts, codes = coded_texts(self.body.block, part.starts, part.ends)
            if 2 * len(texts) <= count or count < _FEW_ROWS:
                self._bytes += _ARROW_BYTES * count
                return _Plan(part.rows, self._joined(texts), len(texts), self._codes(part.rows, codes))
        column = self.typed_column(part)
        if column is not None:
            self._bytes += (_OBJECT_BYTES if isinstance(column, list) else _ARROW_BYTES) * count
            return column
        self._bytes += _ARROW_BYTES * count
        return _Plan(part.rows, self._joined(self.compact_texts(part.starts, part.ends)), count)

    def _is_constant(self, part: ColumnCells, text: bytes) -> bool:
        if len(text) > _MOST_CONSTANT or not ((part.ends - part.starts) == len(text)).all():
            return False
        return bool(equal_bytes(self.body.block, part.starts, text).all())

    def _repeats(self, part: ColumnCells, seen: set[bytes], asked: int) -> bool:
        """Whether a sample has so many repeated texts that each text of the column may come twice on average."""
        count = len(part.rows)
        if count < _FEW_ROWS or 10 * len(seen) < 9 * asked:
            return True
        scattered = np.unique(np.random.default_rng(count).integers(0, count, _LARGE_SAMPLE))
        return len(scattered) - len(set(self.texts(part, scattered))) >= _LARGE_SAMPLE**2 // (2 * count)

    def _joined(self, texts: pa.Array) -> bytes:
        as_list = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
        result: bytes = pc.binary_join(as_list, self.separator)[0].as_py()
        return result

    def _codes(self, rows: Ints, codes: Any) -> npt.NDArray[np.int32]:
        all_codes = np.full(self.body.length, -1, np.int32)
        all_codes[rows] = codes
        return all_codes


class JsonCellReader(CellReader):
    """Reads the cells of one body of JSON; `codec` is the exact one."""

    def __init__(self, body: SplitBody, codec: JsonCodec) -> None:
        super().__init__(body, b",\n", codec.cells_from)
        # In version 3 a text with a colon after its first character may be of another kind.
        self._has_codes = isinstance(codec, Json3)
        self._stamp, self._number = (_STAMP3, _NUMBER3) if self._has_codes else (_STAMP4, _NUMBER4)

    def typed_column(self, part: ColumnCells) -> Sequence[Any] | None:
        """A column of texts, of Refs, of instants in one zone, or of numbers."""
        texts = self.texts(part, np.arange(min(_LOOKS, len(part.rows))))
        column: Sequence[Any] | None = None
        if match := self._stamp.fullmatch(texts[0]):
            column = self._instants(part, match[1], match[2], (match[3] or b"UTC").decode())
        elif match := _REF.fullmatch(texts[0]):
            column = self._refs(part, match[1], match[2])
        elif texts[0].startswith(b'"'):
            column = self._strings(part)
        if column is None and (numbers := list(filter(None, map(self._number.fullmatch, texts)))):
            column = self._numbers(part, max((match[1] or b"" for match in numbers), key=len))
        return column

    def _strings(self, part: ColumnCells) -> Sequence[Any] | None:
        """Texts, those with escapes read exactly."""
        octets = self.body.block.octets
        # What begins with a quote ends at the next one that no backslash escapes.
        fits = octets[part.starts] == ord('"')
        if self._has_codes:
            fits &= octets[part.starts + 2] != ord(":")
        fits &= ~any_between(self.body.awkward, part.starts, part.ends)
        parted = self._parted(part, fits, str)
        if parted is None:
            return None
        fit, others, rows = parted
        return LazyColumn(StrColumn(self._texts_at(part.starts[fit] + 1, part.ends[fit] - 1, others, rows)))

    def _refs(self, part: ColumnCells, before: bytes, between: bytes | None) -> Sequence[Any] | None:
        """Refs: `before` the id, and `between` it and the name; None without a name."""
        block, index = self.body.block, self.body.index
        begins = part.starts + len(before)
        closes = index.find(QUOTES, begins)
        fits = equal_bytes(block, part.starts, before) & (block.octets[begins] != ord("@"))
        last = closes
        names = begins
        if between is not None:
            fits &= equal_bytes(block, closes, between)
            names = closes + len(between)
            last = index.find(QUOTES, names)
        fits &= (last + 2 == part.ends) & ~any_between(self.body.awkward, part.starts, part.ends)
        parted = self._parted(part, fits, Ref)
        if parted is None:
            return None
        fit, others, rows = parted
        vals = self._texts_at(begins[fit], closes[fit], [ref.val for ref in others], rows)
        if not pc.all(pc.match_substring_regex(vals, f"^{ID.pattern.pattern}$")).as_py():
            return None
        if between is not None:
            return RefColumn(vals, self._texts_at(names[fit], last[fit], [ref.dis for ref in others], rows))
        return RefColumn(vals) if all(ref.dis is None for ref in others) else None

    def _instants(self, part: ColumnCells, before: bytes, after: bytes, name: str) -> Sequence[Any] | None:
        """Instants, all of the zone of a name."""
        block = self.body.block
        try:
            label = zone(name)
        except ZoneError:
            return None
        stamps = part.starts + len(before)
        # Sorted by their days, because the reader looks a day up as often as it changes from row to row.
        order = np.argsort(block.words[2:][stamps])
        us, fits = np.empty(len(order), np.int64), np.empty(len(order), bool)
        block.days.clear()
        us[order], fits[order], lengths = read_stamps(block, stamps[order], after)
        fits[order] &= (stamps + len(after))[order] + lengths == part.ends[order]
        fits &= equal_bytes(block, part.starts, before)
        parted = self._parted(part, fits, datetime)
        if parted is None or None in (instants := [instant_us(value, label) for value in parted[1]]):
            return None
        if name.encode() in before + after:  # the zone is named
            check_offsets(block.days, name)
        fit, _, rows = parted
        values = pa.concat_arrays([pa.array(us[fit]), pa.array(instants, pa.int64())])
        return LazyColumn(TimeColumn(self._spread_array(values, rows), name))

    def _numbers(self, part: ColumnCells, before: bytes) -> Sequence[Any] | None:
        """Numbers, with the text `before` most of them; of several units they become a list."""
        block = self.body.block
        is_number = equal_bytes(block, part.starts, before)
        left, others = np.flatnonzero(is_number), np.flatnonzero(~is_number)
        found: list[tuple[Ints, Any, str | None]] = []
        for _ in range(_MOST_UNITS):
            if not len(left):
                break
            match = self._number.fullmatch(self.texts(part, left[:1])[0])
            fits = np.zeros(len(left), bool)
            is_right = match is not None and (not match[3] or UNIT.pattern.fullmatch(match[3].decode()))
            if match is not None and is_right and (match[1] or b"") == before:
                after = match[2] or b""
                ends = part.ends[left] - len(after)
                values, fits = read_numbers(block, part.starts[left] + len(before), ends)
                fits &= equal_bytes(block, np.maximum(ends, PAD), after)
                fits &= (values != 0) | ~np.signbit(values)  # a column of doubles has no -0.0
                found.append((left[fits], values[fits], match[3].decode() if match[3] else None))
            others = np.append(others, left[:1][~fits[:1]])
            left = left[1:][~fits[1:]]
        others = np.append(others, left)
        if not found or 2 * len(others) > len(part.rows):
            return None
        if len(found) == 1 and not len(others):
            return LazyColumn(NumberColumn(self._spread_array(pa.array(found[0][1]), part.rows), found[0][2]))
        rows = np.concatenate([others, *(which for which, _, _ in found)])
        read = self.read_some(part, others)
        for _, values, unit in found:
            read += [
                unchecked_number(int(value) if value.is_integer() and abs(value) < MAX_EXACT_INT else value, unit)
                for value in values.tolist()
            ]
        return self.spread(part.rows[rows], read)

    def _parted(self, part: ColumnCells, fits: Bools, kind: type) -> tuple[Ints, list[Any], Ints] | None:
        """Which cells fit, the values of all others, and the rows of these and those.

        None where most cells do not fit, or one of them is of another kind.
        """
        fit, odd = np.flatnonzero(fits), np.flatnonzero(~fits)
        if len(odd) > len(fit):
            return None
        others = self.read_some(part, odd)
        if not all(type(value) is kind for value in others):
            return None
        return fit, others, np.concatenate((part.rows[fit], part.rows[odd]))

    def _texts_at(self, starts: Positions, ends: Positions, others: list[str | None], rows: Ints) -> pa.Array:
        """Texts at places of the body, and others, put in the order of the rows."""
        texts = pa.array(others, pa.string())
        if len(starts):
            texts = pa.concat_arrays([self.compact_texts(starts, ends, pa.string()), texts])
        return self._spread_array(texts, rows)

    def _spread_array(self, values: pa.Array, rows: Ints) -> pa.Array:
        if len(rows) == self.body.length and bool((rows == np.arange(len(rows))).all()):
            return values
        places = np.full(self.body.length, -1)
        places[rows] = np.arange(len(rows))
        return values.take(pa.array(places, mask=places < 0))
