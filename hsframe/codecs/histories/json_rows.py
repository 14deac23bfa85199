"""Rows of a JSON history, of either version: all rows walk along the texts that one row taught.

Every row has a position. For each key in turn the text in front of its value is compared, then the value's pattern;
rows that fit move on, a row without the key stays where it is, and has no cell. A row is read only if its position
ends where the next row begins, so every byte of it was compared, or read by a kernel. All other rows go to the exact
parser, each one alone an object of JSON, together with every row that taught something: no guess stays unchecked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np

from hsframe.codecs import decode_exact
from hsframe.codecs.histories.beats import Beats
from hsframe.codecs.histories.cells import ABSENT, boxed
from hsframe.codecs.histories.instants import instant_us
from hsframe.codecs.histories.json_beats import narrow_beat, wide_beat
from hsframe.codecs.histories.json_patterns import Key, Pattern, constant_pattern, pattern_of, shape_of
from hsframe.codecs.histories.numbers import number_ends, read_numbers
from hsframe.codecs.histories.rows import HistoryRows
from hsframe.codecs.histories.wide_beats import WideBeats
from hsframe.codecs.histories.words import Block, Bools, Floats, Ints, Positions, equal_bytes
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.zones import haystack_name, zone

__all__ = ["JsonRows", "head_length"]

_ROWS = re.compile(rb'"rows"\s*:\s*\[\s*(?=\{)')
_BLANKS: Final = b" \t\r\n"
_TRIES: Final = 16
_MOST_PATTERNS: Final = 40
_MOST_SHAPES: Final = 64


def head_length(body: bytes) -> int:
    """The length of a body up to its first row, 0 where there is none."""
    match = _ROWS.search(body)
    return match.end() if match else 0


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What a row taught: a pattern of one of its keys (`place` is None for the timestamp)."""

    text: bytes
    row: int
    place: int | None
    pattern: Pattern


class JsonRows(HistoryRows):
    """Reads the rows of one body into a sink.

    Parameters
    ----------
    head : bytes
        The body up to its first row.
    names : sequence of str
        The columns beside the timestamps, at least one.
    short : str
        ``"json4"`` or ``"json3"``, as it was asked for.
    """

    usual_tail = b"]}"

    def __init__(self, head: bytes, names: Sequence[str], short: str) -> None:
        super().__init__(head, len(names))
        self._short = short
        self._places: dict[str, int | None] = {name: place for place, name in enumerate(names)} | {"ts": None}
        self._keys: list[Key] = []
        self._close = b""
        self._anchor: tuple[int, int] = (0, 0)
        self._shapes = 0
        self._lessons: list[_Lesson] = []
        self._has_unit = [False] * len(names)
        self._beats = Beats(self._stamps)
        self._wide_beats = WideBeats(self._stamps)

    def take(self, block: Block, start: int, end: int) -> int | None:
        """Read the rows behind which another row begins."""
        if not self._keys and not self._learn_first(block, start, end):
            return 0
        wide = self._read_wide(block, start, end) if self.width > 1 else None
        if wide is not None:
            return wide
        starts = self._row_starts(block, start, end)
        if len(starts) < 2:
            return 0
        if starts[0] != start:
            return None
        by_beat = self._read_beat(block, starts)
        if by_beat is not None and by_beat[2].all():
            self.sink.append(by_beat[0], by_beat[1][:, None])
            return int(starts[-1]) - start
        numbers = None if by_beat is None else np.flatnonzero(~by_beat[2])
        walk = self._walked(block, starts, numbers)
        if by_beat is None:
            times, cells = walk.times, walk.cells
        else:
            times, cells = by_beat[0], by_beat[1][:, None]
            times[numbers], cells[numbers] = walk.times, walk.cells
        self.sink.append(times, cells)
        return None if self._is_unusual else int(starts[-1]) - start

    def _walked(self, block: Block, bounds: Positions, numbers: Positions | None) -> _Walk:
        """Rows (None: all) read by walking; those that cannot be read wait for the exact parser."""
        if numbers is None:
            numbers = np.arange(len(bounds) - 1)
        starts, nexts = bounds[numbers], bounds[numbers + 1]
        while True:
            walk = self._walk(block, starts, nexts, numbers)
            ok = walk.ok
            if ok.all() or not self._learn_keys(block, starts, nexts, ok):
                break
        for row in np.flatnonzero(~ok).tolist():
            self._odd.append((self.sink.length + int(numbers[row]), block.text(int(starts[row]), int(nexts[row]))))
        if not ok.all():
            self._odd_count += int((~ok).sum())
            walk.cells[~ok] = boxed(ABSENT)
        return walk

    def _read_beat(self, block: Block, starts: Positions) -> tuple[Ints, Floats, Bools] | None:
        """Rows of a timestamp and a number by a beat, once both are known."""
        if self.width > 1:
            return None
        make = partial(narrow_beat, block, int(starts[-2]), self._keys, self._close)
        return self._beats.read(block, starts, make)

    def _read_wide(self, block: Block, start: int, end: int) -> int | None:
        """Rows of a timestamp and several numbers by a beat; the bytes read, None where the rows are others."""
        read = self._wide_beats.read(block, start, end, partial(wide_beat, block, start, self._keys, self._close))
        if read is None:
            return None
        # None is the timestamp, which a beat has in front.
        places = [place for key in self._keys if (place := self._places[key.name]) is not None]
        for times, cells in read.rows:
            if places != list(range(self.width)):
                found, cells = cells, np.full((len(times), self.width), boxed(ABSENT))
                cells[:, places] = found
            self.sink.append(times, cells)
        return read.taken

    # ---- where rows begin, and which keys they have

    def _learn_first(self, block: Block, start: int, end: int) -> bool:
        """Learn the keys of the first row; False while a second row is not there."""
        text = block.text(start, end)
        try:
            row = text.decode("utf-8", "ignore")
            _, length = json.JSONDecoder().raw_decode(row)
        except (ValueError, RecursionError):
            return False
        begin = len(row[:length].encode())
        second = text.find(b"{", begin)
        if second < 0:
            return False
        shape = shape_of(text[:second])
        if shape is None or shape.close.strip(_BLANKS).replace(b" ", b"").replace(b"\n", b"") != b"},":
            return False
        self._close = shape.close
        self._keys = [Key(name, lead) for name, lead, _ in shape.keys]
        if any(name not in self._places for name, _, _ in shape.keys):
            self._keys = []
            return False
        lead = self._keys[0].lead
        counts = [text.count(lead[at : at + 1]) for at in range(len(lead))]
        at = counts.index(min(counts))
        self._anchor = (lead[at], at)
        return True

    def _row_starts(self, block: Block, start: int, end: int) -> Positions:
        octet, back = self._anchor
        found: Positions = np.flatnonzero(block.octets[start:end] == octet) + (start - back)
        found = found[found >= start]
        return found[equal_bytes(block, found, self._keys[0].lead)]

    def _learn_keys(self, block: Block, starts: Positions, nexts: Positions, ok: Bools) -> bool:
        """Look for keys that were not met before among rows that do not fit; True where one was found."""
        for row in np.flatnonzero(~ok)[:_TRIES].tolist():
            self._shapes += 1
            if self._shapes > _MOST_SHAPES:
                return False
            shape = shape_of(block.text(int(starts[row]), int(nexts[row])))
            if shape is None:
                continue
            known = {key.name: at for at, key in enumerate(self._keys)}
            behind = -1
            for name, lead, _ in shape.keys:
                if name in known:
                    behind = known[name]
                elif name in self._places and behind >= 0:
                    self._keys.insert(behind + 1, Key(name, lead))
                    return True
        return False

    # ---- the walk

    def _walk(self, block: Block, starts: Positions, nexts: Positions, numbers: Positions) -> _Walk:
        walk = _Walk(starts, nexts, numbers, self.width)
        for key in self._keys:
            rows = self._read_usual(block, key, walk)
            if len(rows) == 0:
                continue
            place = self._places[key.name]
            here = walk.here[rows]
            has_key = equal_bytes(block, here, key.lead)
            if place is None:
                walk.ok[rows] &= has_key
            rows = rows[has_key]
            walk.here[rows] += len(key.lead)
            self._read_values(block, key, walk, rows)
        walk.ok &= walk.here + len(self._close) == nexts
        walk.ok &= equal_bytes(block, walk.here, self._close)
        return walk

    def _read_usual(self, block: Block, key: Key, walk: _Walk) -> Positions:
        """Read one key's values by its first pattern in all rows at once; gives the rows that do not fit."""
        pattern = key.patterns[0] if key.patterns else None
        if pattern is None or pattern.kind == "constant":
            return np.arange(len(walk.here))
        place = self._places[key.name]
        before = key.lead + pattern.before
        fits = equal_bytes(block, walk.here, before)
        begins = walk.here + len(before)
        read: Ints | Floats
        ends: Positions
        if place is None:
            read, is_read, lengths = self._stamps.read(block, begins, pattern.behind)
            ends = begins + lengths
            target: Ints | Floats = walk.times
        else:
            if key is self._keys[-1]:
                ends = walk.nexts - (len(self._close) + len(pattern.behind))
            else:
                ends = number_ends(block, begins, pattern.behind[0] if pattern.behind else None)
            read, is_read = read_numbers(block, begins, ends)
            target = walk.cells[:, place]
            if pattern.behind:
                fits &= equal_bytes(block, ends, pattern.behind)
        fits &= is_read
        ends += len(pattern.behind)
        if fits.all():
            target[:] = read
            walk.here = ends
            return np.zeros(0, np.int64)
        target[fits] = read[fits]
        walk.here = np.where(fits, ends, walk.here)
        return np.flatnonzero(~fits)

    def _read_values(self, block: Block, key: Key, walk: _Walk, rows: Positions) -> None:
        """Read one key's values in the given rows, and learn what is new about them."""
        place = self._places[key.name]
        tried = 0
        for _ in range(_TRIES):
            for pattern in key.patterns[tried:]:
                if len(rows):
                    rows = self._read_pattern(block, pattern, place, walk, rows)
            if len(rows) == 0:
                return
            tried = len(key.patterns)
            if not self._learn_value(block, key, walk, int(rows[0])):
                walk.ok[rows[0]] = False
                rows = rows[1:]
        walk.ok[rows] = False

    def _read_pattern(
        self, block: Block, pattern: Pattern, place: int | None, walk: _Walk, rows: Positions
    ) -> Positions:
        """Read the values that fit a pattern; gives back the rows that do not."""
        begins = walk.here[rows]
        fits = equal_bytes(block, begins, pattern.before)
        begins = begins + len(pattern.before)
        read: Ints | Floats | float = pattern.boxed
        ends = begins
        if pattern.kind == "stamp":
            read, is_read, lengths = self._stamps.read(block, begins, pattern.behind)
            ends = begins + lengths
            fits &= is_read
        elif pattern.kind == "number":
            ends = number_ends(block, begins, pattern.behind[0] if pattern.behind else None)
            read, is_read = read_numbers(block, begins, ends)
            fits &= is_read
        if pattern.behind and pattern.kind != "stamp":
            fits &= equal_bytes(block, ends, pattern.behind)
        ends = ends + len(pattern.behind)
        target = walk.times if place is None else walk.cells[:, place]
        if fits.all():
            target[rows] = read
            walk.here[rows] = ends
            return rows[:0]
        fit = rows[fits]
        target[fit] = read[fits] if isinstance(read, np.ndarray) else read
        walk.here[fit] = ends[fits]
        return rows[~fits]

    def _learn_value(self, block: Block, key: Key, walk: _Walk, row: int) -> bool:
        """Add the pattern of the value at which a row stands; False where it is not worth one."""
        if len(key.patterns) >= _MOST_PATTERNS:
            return False
        place = self._places[key.name]
        try:
            text = block.text(int(walk.here[row]), int(walk.nexts[row])).decode()
            _, length = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            return False
        value = text[:length]
        pattern = pattern_of(value, is_stamp=place is None)
        if pattern is None or (place is None and pattern in key.patterns):
            return False
        if pattern.kind == "constant" or pattern in key.patterns:
            # A number that its own pattern does not fit (an exponent) is a text like any other.
            constant = value.encode()
            pattern = constant_pattern(constant, self.table.number(constant))
        key.patterns.append(pattern)
        line = block.text(int(walk.starts[row]), int(walk.nexts[row]))
        self._lessons.append(_Lesson(line, self.sink.length + int(walk.numbers[row]), place, pattern))
        return True

    # ---- the exact parser's word

    def finish(self, rest: bytes) -> Grid | None:
        """Settle all rows: `rest` begins with the last row."""
        try:
            text = rest.decode()
            _, length = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            return None
        self._hold_place(text[:length].encode() + b",")
        return self.settle(text[length:].encode())

    def settle(self, tail: bytes) -> Grid | None:
        """See :meth:`HistoryRows.settle`."""
        rows = [_alone(lesson.text) for lesson in self._lessons] + [_alone(text) for _, text in self._odd]
        if None in rows:
            return None
        texts = [row for row in rows if row is not None]
        try:
            # Where rows are put between head and tail must be where the grid's rows are, and nowhere deeper.
            if len(decode_exact(self.head + tail, self._short)):
                return None
            grid = decode_exact(self.head + b",".join(texts) + tail, self._short)
        except CodecError:
            return None
        if len(grid) != len(texts) or len(grid.cols) != self.width + 1:
            return None
        return grid if self._accept(grid) else None

    def _accept(self, grid: Grid) -> bool:
        """Compare what the walk said, and fill in what it could not say."""
        times = grid.column("ts")
        columns = [column for col, column in zip(grid.cols, grid.columns, strict=True) if col.name != "ts"]
        if not self.tz:
            first = next((time for time in times if isinstance(time, datetime)), None)
            if first is None or first.tzinfo is None:
                return False
            self.tz = haystack_name(first.tzinfo)
        label = zone(self.tz)
        constants: dict[int, Any] = {}
        for index, lesson in enumerate(self._lessons):
            if lesson.place is None:
                if instant_us(times[index], label) != self.sink.times[lesson.row]:
                    return False
            elif not self._accept_value(lesson, columns[lesson.place][index], constants):
                return False
        base = len(self.table.values)
        self.table.resolve([constants[base + at] for at in range(len(self.table.texts))])
        for index, (row, _) in enumerate(self._odd, start=len(self._lessons)):
            us = instant_us(times[index], label)
            if us is None:
                return False
            self._put(row, us, [column[index] for column in columns])
        self._lessons.clear()
        self._odd.clear()
        self._odd_count = 0
        return True

    def _accept_value(self, lesson: _Lesson, value: Any, constants: dict[int, Any]) -> bool:
        place, pattern = lesson.place, lesson.pattern
        assert place is not None
        if pattern.kind == "constant":
            constants[pattern.number] = value
            return True
        if not isinstance(value, Number) or (self._has_unit[place] and value.unit != self.units[place]):
            return False
        self._has_unit[place] = True
        self.units[place] = value.unit
        return bool(self.sink.cells(place)[lesson.row] == value.val) or self._is_odd(lesson.row)

    def _is_odd(self, row: int) -> bool:
        return any(number == row for number, _ in self._odd)


class _Walk:
    """Where each row stands, and what was read."""

    __slots__ = ("cells", "here", "nexts", "numbers", "ok", "starts", "times")

    def __init__(self, starts: Positions, nexts: Positions, numbers: Positions, width: int) -> None:
        self.numbers = numbers
        self.starts = starts
        self.nexts = nexts
        self.here = starts.copy()
        self.ok: Bools = np.ones(len(starts), bool)
        self.times: Ints = np.zeros(len(starts), np.int64)
        self.cells: Floats = np.full((len(starts), width), boxed(ABSENT))


def _alone(text: bytes) -> bytes | None:
    """A row without the comma behind it; None where there is none, or the row is no object of JSON by itself."""
    row = text.rstrip(_BLANKS)
    if not row.endswith(b","):
        return None
    row = row[:-1]
    try:
        return row if isinstance(json.loads(row), dict) else None
    except (ValueError, RecursionError):
        return None
