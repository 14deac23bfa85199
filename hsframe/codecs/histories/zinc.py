"""Rows of a Zinc history: commas and line ends are found, the cells between them read by the kernels.

How this can be no more lenient than the exact parser: what a kernel takes is a timestamp, a number or a unit by the
narrowest reading of the grammar, byte for byte. All else is copied into a small Zinc body under the same header, each
different cell once in a row of its own, each unusual line as it stands, and the exact parser reads that. It must give
one row a line. A row that is whole in itself is the same row between other rows, so both bodies say the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hsframe.codecs.histories.beats import Beat, Beats, beat_of
from hsframe.codecs.histories.cells import ABSENT, boxed
from hsframe.codecs.histories.instants import instant_us
from hsframe.codecs.histories.numbers import read_numbers
from hsframe.codecs.histories.rows import HistoryRows
from hsframe.codecs.histories.words import Block, Bools, Floats, Ints, Positions, Words
from hsframe.codecs.zinc import decode_zinc
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.zones import zone

__all__ = ["ZincRows", "head_length"]

_STAMP = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_ZONE = re.compile(rb"(?: ([A-Z][A-Za-z0-9_+/-]*))?")
_DIGITS: Final = rb"[0-9]+(?:_+[0-9]+)*"
_NUMBER = re.compile(rb"-?" + _DIGITS + rb"(?:\." + _DIGITS + rb")?(?:[eE][+-]?" + _DIGITS + rb")?")
_UNIT = re.compile(rb"(?:[A-Za-z%_/$\x80-\xff][A-Za-z%_/$\x80-\xff0-9]*)?")
_TRIES: Final = 16
_LONGEST_UNIT: Final = 48
_COMMA, _LINE_END, _RETURN, _BLANK, _MINUS = 44, 10, 13, 32, 45


def head_length(body: bytes) -> int:
    """The length of the first two lines with their ends, 0 where they are not whole."""
    first = body.find(b"\n")
    second = body.find(b"\n", first + 1) if first >= 0 else -1
    return second + 1


@dataclass(frozen=True, slots=True)
class _Sample:
    """A line that taught something, with the row that it is and the column whose unit it showed."""

    line: bytes
    row: int
    place: int | None


@dataclass(slots=True)
class _Lines:
    """Lines that have a cell for each column: their numbers (None: all), begins, and their cells' places."""

    shaped: Positions | None
    begins: Positions
    starts: Positions
    ends: Positions


class ZincRows(HistoryRows):
    """Reads the rows of one body into a sink.

    Parameters
    ----------
    head : bytes
        The first two lines.
    width : int
        Columns beside the timestamps, at least one.
    """

    def __init__(self, head: bytes, width: int) -> None:
        super().__init__(head, width)
        self._zone: bytes | None = None
        self._unit_texts: list[bytes | None] = [None] * width
        self._unit_words: list[tuple[int, Words, Words]] = []
        self._spaced = False
        self._started = False
        self._samples: list[_Sample] = []
        self._beats = Beats(self._stamps)

    def take(self, block: Block, start: int, end: int) -> int | None:
        """Read whole lines; blank lines at the end are left, for they may be the end of the grid."""
        octets = block.octets[start:end]
        ends = octets == _LINE_END
        if self.width == 1:
            # All that follows the timestamp is the one cell, whatever commas it holds.
            separators = np.flatnonzero(ends)
            line_ends = np.arange(len(separators))
        else:
            ends |= octets == _COMMA
            separators = np.flatnonzero(ends)
            line_ends = np.flatnonzero(octets[separators] == _LINE_END)
        separators += start
        stops = separators[line_ends]
        count = _without_blank_lines(block, start, stops)
        if count == 0:
            return 0
        stops = stops[:count]
        begins = np.concatenate(([start], stops[:-1] + 1))
        lines = self._shaped(separators, line_ends[:count], begins, stops)
        if lines is None or not self._read_lines(block, lines, begins, stops):
            return None
        return int(stops[-1]) + 1 - start

    def _shaped(
        self, separators: Positions, line_ends: Positions, begins: Positions, stops: Positions
    ) -> _Lines | None:
        """The lines with one comma a column; None where there is none."""
        if self.width == 1:
            return _Lines(None, begins, begins[:, None], stops[:, None])
        count, width = len(stops), self.width + 1
        if bool((line_ends == np.arange(1, count + 1) * width - 1).all()):
            corners = separators[: count * width].reshape(count, width)
            return _Lines(None, begins, corners[:, :-1] + 1, corners[:, 1:])
        shaped = np.flatnonzero(np.diff(line_ends, prepend=-1) == width)
        if len(shaped) == 0:
            return None
        corners = separators[line_ends[shaped][:, None] + np.arange(1 - width, 1)]
        return _Lines(shaped, begins[shaped], corners[:, :-1] + 1, corners[:, 1:])

    def _read_lines(self, block: Block, lines: _Lines, begins: Positions, stops: Positions) -> bool:
        if self._zone is None and not self._learn_zone(block, lines):
            return False
        by_beat = None if self.width > 1 else self._read_beat(block, begins, stops)
        if by_beat is not None:
            times, values, ok = by_beat
            rest = np.flatnonzero(~ok)
            if len(rest) == 0:
                self.sink.append(times, values[:, None])
                return True
            lines = _Lines(rest, begins[rest], begins[rest, None], stops[rest, None])
            times[rest], cells, ok[rest] = self._read_some(block, lines, begins, stops)
            values[rest] = cells[:, 0]
            cells = values[:, None]
            lines = _Lines(None, begins, lines.starts, lines.ends)
        else:
            times, cells, ok = self._read_some(block, lines, begins, stops)
        if lines.shaped is None and ok.all():
            self.sink.append(times, cells)
        else:
            rows = np.flatnonzero(ok) if lines.shaped is None else lines.shaped[ok]
            self._append_some(block, rows, times[ok], cells[ok], begins, stops)
        return not self._is_unusual

    def _read_beat(self, block: Block, begins: Positions, stops: Positions) -> tuple[Ints, Floats, Bools] | None:
        """The lines as rows of a beat, once the zone and the unit are known."""
        unit = self._unit_texts[0]
        if unit is None or self._zone is None or self._spaced:
            return None

        def beat() -> Beat | None:
            assert self._zone is not None
            line_end = b"\r\n" if block.octets[stops[-1] - 1] == _RETURN else b"\n"
            return beat_of(block, int(begins[-1]), b"", self._zone + b",", unit + line_end)

        return self._beats.read(block, np.append(begins, stops[-1] + 1), beat)

    def _read_some(
        self, block: Block, lines: _Lines, begins: Positions, stops: Positions
    ) -> tuple[Ints, Floats, Bools]:
        """Lines by the kernels of timestamps and numbers: instants, cells, and whether a line was read."""
        assert self._zone is not None
        times, ok, lengths = self._stamps.read(block, lines.begins, self._zone + b",")
        behind = lines.begins + lengths + (len(self._zone) + 1)
        if self.width == 1:
            lines.starts = behind[:, None]
        else:
            ok &= behind == lines.starts[:, 0]
        learned = self._learn(block, lines, ok)
        for row, place in learned:
            line = row if lines.shaped is None else int(lines.shaped[row])
            text = block.text(int(begins[line]), int(stops[line]))
            self._samples.append(_Sample(text, self.sink.length + line, place))
        return times, self._read_cells(block, lines, ok), ok

    def _append_some(
        self, block: Block, rows: Positions, times: Ints, cells: Floats, begins: Positions, stops: Positions
    ) -> None:
        """Append the lines that were read, and hold places for those that the exact parser has to read."""
        all_times = np.zeros(len(begins), np.int64)
        all_cells = np.full((len(begins), self.width), boxed(ABSENT))
        all_times[rows] = times
        all_cells[rows] = cells
        odd = np.ones(len(begins), bool)
        odd[rows] = False
        for row in np.flatnonzero(odd).tolist():
            self._odd.append((self.sink.length + row, block.text(int(begins[row]), int(stops[row]))))
        self._odd_count += int(odd.sum())
        self.sink.append(all_times, all_cells)

    # ---- cells

    def _places(self, block: Block, lines: _Lines) -> tuple[Positions, Positions]:
        """Where the cells begin and end, without the blank in front and the carriage return behind.

        A body whose lines end in both ways is read all the same: a cell with a carriage return is no plain number.
        """
        starts, ends = lines.starts, lines.ends
        if block.octets[ends[0, -1] - 1] == _RETURN:
            ends = ends.copy()
            ends[:, -1] -= block.octets[ends[:, -1] - 1] == _RETURN
        if self._spaced:
            starts = starts + ((block.octets[starts] == _BLANK) & (starts < ends))
        return starts, ends

    def _read_cells(self, block: Block, lines: _Lines, ok: Bools) -> Floats:
        """The cells of lines with the right number of commas, as doubles and boxed numbers of the table."""
        starts, ends = self._places(block, lines)
        places = [place for place, unit in enumerate(self._unit_texts) if unit is not None]
        if len(places) == self.width:
            cells, is_number = self._read_numbers(block, starts, ends)
        else:
            cells = np.empty(starts.shape)
            is_number = np.zeros(starts.shape, bool)
            if places:
                numbers, found = self._read_numbers(block, starts[:, places], ends[:, places])
                cells[:, places] = numbers
                is_number[:, places] = found
        if not is_number.all():
            self._read_specials(block, starts, ends, cells, ~is_number & ok[:, None])
        return cells

    def _read_numbers(self, block: Block, starts: Positions, ends: Positions) -> tuple[Floats, Bools]:
        lengths = np.array([len(text) for text in self._unit_texts if text is not None])
        number_ends = ends - lengths if lengths.any() else ends
        numbers, ok = read_numbers(block, np.ravel(starts), np.ravel(number_ends))
        is_number = ok.reshape(starts.shape)
        for back, words, masks in self._unit_words:
            is_number &= (block.words[ends - back] & masks) == words
        return numbers.reshape(starts.shape), is_number

    def _read_specials(self, block: Block, starts: Positions, ends: Positions, cells: Floats, special: Bools) -> None:
        absent = special & (starts == ends)
        if absent.any():
            cells[absent] = boxed(ABSENT)
            special &= ~absent
        if special.any():
            # In the order of the text, as rows of a C-ordered array are.
            cells[special] = boxed(self.table.numbers(block, starts[special], ends[special]))

    # ---- what the first rows teach

    def _learn_zone(self, block: Block, lines: _Lines) -> bool:
        for row in range(min(len(lines.begins), _TRIES)):
            text = block.text(int(lines.begins[row]), int(lines.ends[row, -1])).split(b",", 1)[0]
            stamp = _STAMP.match(text)
            name = _ZONE.fullmatch(text, stamp.end()) if stamp else None
            if stamp and name:
                self._zone = text[stamp.end() :]
                self.tz = (name[1] or b"UTC").decode()
                return True
        return False

    def _learn(self, block: Block, lines: _Lines, ok: Bools) -> list[tuple[int, int | None]]:
        """Find a number in each column in which none was seen; its unit is the column's.

        Returns the rows that taught something, each with the column whose unit it shows.
        """
        learned: list[tuple[int, int | None]] = []
        if not self._started and ok.any():
            self._started = True
            first = int(ok.argmax())
            self._spaced = bool((block.octets[lines.starts[first]] == _BLANK).any())
            learned.append((first, None))
        if None not in self._unit_texts:
            return learned
        starts, ends = self._places(block, lines)
        for place in range(self.width):
            if self._unit_texts[place] is not None:
                continue
            octets = block.octets[starts[:, place]]
            numeric = ((octets >= 48) & (octets <= 57)) | (octets == _MINUS)
            for row in np.flatnonzero(numeric & ok & (starts[:, place] < ends[:, place]))[:_TRIES].tolist():
                text = block.text(int(starts[row, place]), int(ends[row, place]))
                number = _NUMBER.match(text)
                unit = _UNIT.fullmatch(text, number.end()) if number else None
                if unit and len(unit[0]) <= _LONGEST_UNIT:
                    self._unit_texts[place] = unit[0]
                    learned.append((row, place))
                    break
        self._unit_words = _suffix_words([text for text in self._unit_texts if text is not None])
        return learned

    # ---- the exact parser's word

    def finish(self, rest: bytes) -> Grid | None:
        """Settle all rows: `rest` is blank lines, or a last line without an end."""
        if b"\n" in rest:
            return None if rest.strip(b"\r\n") else self.settle(rest)
        if not rest.strip(b" \t\r"):
            return self.settle(rest)
        self._hold_place(rest)
        return self.settle(b"")

    def settle(self, tail: bytes) -> Grid | None:
        """See :meth:`HistoryRows.settle`."""
        lines = [sample.line for sample in self._samples]
        if self.table.texts:
            stamp = b"2000-01-01T00:00:00Z" if not self._samples else lines[0].split(b",", 1)[0]
            lines += [stamp + b"," + text + b"," * (self.width - 1) for text in self.table.texts]
        lines += [line for _, line in self._odd]
        try:
            grid = decode_zinc(self.head + b"\n".join(lines) + (b"\n" if tail and lines else b"") + tail)
        except CodecError:
            return None
        if len(grid) != len(lines) or len(grid.cols) != self.width + 1:
            return None
        return grid if self._accept(grid) else None

    def _accept(self, grid: Grid) -> bool:
        """Compare what the kernels said, and fill in what they could not say."""
        try:
            label = zone(self.tz)
        except Exception:
            return False
        times = grid.columns[0]
        for index, sample in enumerate(self._samples):
            if instant_us(times[index], label) != self.sink.times[sample.row]:
                return False
            if sample.place is None:
                continue
            value = grid.columns[sample.place + 1][index]
            unit = (self._unit_texts[sample.place] or b"").decode() or None
            if not isinstance(value, Number) or value.unit != unit:
                return False
            self.units[sample.place] = unit
        count = len(self._samples)
        waiting = len(self.table.texts)
        self.table.resolve(list(grid.columns[1][count : count + waiting]) if waiting else [])
        for index, (row, _) in enumerate(self._odd, start=count + waiting):
            us = instant_us(times[index], label)
            if us is None:
                return False
            self._put(row, us, [column[index] for column in grid.columns[1:]])
        self._samples.clear()
        self._odd.clear()
        self._odd_count = 0
        return True


def _without_blank_lines(block: Block, start: int, stops: Positions) -> int:
    """How many lines there are in front of the blank ones at the end."""
    count = len(stops)
    while count:
        begin = int(stops[count - 2]) + 1 if count > 1 else start
        if block.text(begin, int(stops[count - 1])).strip(b"\r"):
            break
        count -= 1
    return count


def _suffix_words(texts: Sequence[bytes]) -> list[tuple[int, Words, Words]]:
    """For texts that end cells, one a column: (bytes back from the end, words, masks) of each eight bytes."""
    result = []
    for back in range(0, max(map(len, texts), default=0), 8):
        words, masks = [], []
        for text in texts:
            part = text[max(len(text) - back - 8, 0) : max(len(text) - back, 0)]
            words.append(int.from_bytes(part.rjust(8, b"\0"), "little"))
            masks.append(int.from_bytes((b"\xff" * len(part)).rjust(8, b"\0"), "little"))
        result.append((back + 8, np.array(words, np.uint64), np.array(masks, np.uint64)))
    return result
