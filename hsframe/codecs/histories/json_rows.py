"""The shape of JSON rows, of either version: texts learned from one row, with which all rows are compared.

Servers differ in spacing, in the order of keys and in how they escape; one server writes all its rows alike. A row is
read with Python's JSON scanner to see where each key's value is; what lies between are texts that other rows must
repeat. Then every row has a position. For each key in turn the text before its value is compared, and the texts around
its number; rows that fit move on, a row without the key stays where it is, and has no cell. A row is ok only if
its position ends where its close begins, so every byte of it was compared, or is within a cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from hsframe.arrays import Bools
from hsframe.codecs.formats import NeedsExactParserError, decode_exact
from hsframe.codecs.histories.byte_words import Block, Positions, ends_of, equal_bytes
from hsframe.codecs.histories.row_shape import Hole, Key, RowShape, SplitRows
from hsframe.codecs.histories.stamps import STAMP_TEXT, read_stamps
from hsframe.codecs.json_text import json_value_length, scan_json, skip_json_blanks
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.options import Limits

_ROWS = re.compile(rb'"rows"\s*:\s*\[\s*(?=\{)')
_BLANKS: Final = " \t\r\n"
# Longer texts are not worth repeating, and must not reach beyond the room around a block.
_LONGEST: Final = 400

_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# Version 4: an object with one of these in "val", and with no key twice. Version 3: a text with a type code.
_V4_STAMP = re.compile(rf'"val"\s*:\s*"({STAMP_TEXT})"')
_V4_NUMBER = re.compile(rf'"val"\s*:\s*({_NUMBER})(?=[\s,}}])')
_V3_STAMP = re.compile(rf'"t:({STAMP_TEXT})(?: [^"\\]*)?"')
_V3_NUMBER = re.compile(rf'"n:({_NUMBER})(?: [^"]*)?"')
_BARE_NUMBER = re.compile(f"({_NUMBER})")
_DATETIME_KEYS: Final = frozenset({"_kind", "val", "tz"})
_NUMBER_KEYS: Final = frozenset({"_kind", "val", "unit"})

_scan_pairs = json.JSONDecoder(object_pairs_hook=lambda pairs: pairs).raw_decode


def head_length(body: bytes) -> int:
    """The length of a body up to its first row, 0 where there are no rows."""
    match = _ROWS.search(body)
    return match.end() if match else 0


class JsonRows(RowShape):
    """See :class:`RowShape`; `names` are the columns beside the timestamps, `short` the version that was asked for."""

    usual_tail = b"]}"

    def __init__(self, head: bytes, names: Sequence[str], short: str, limits: Limits) -> None:
        super().__init__(head, len(names), limits)
        self._short = short
        self._places: dict[str, int | None] = {name: place for place, name in enumerate(names)} | {"ts": None}
        self._names = [json.dumps(name).encode() for name in names]
        self._keys_by_place: dict[int | None, Key] = {}
        self._begin = b""
        self._rare = 0

    def bounds(self, block: Block, start: int, end: int) -> Positions:
        """See :meth:`RowShape.bounds`; a row is whole when the next one begins."""
        if not self._begin and not self._learn_begin(block.text(start, end)):
            return np.zeros(0, np.int64)
        found: Positions = np.flatnonzero(block.octets[start:end] == self._begin[self._rare]) + (start - self._rare)
        found = found[found >= start]
        found = found[equal_bytes(block, found, self._begin)]
        if len(found) > 1 and found[0] != start:
            raise NeedsExactParserError
        return found

    def _learn_begin(self, text: bytes) -> bool:
        """Learn how rows begin and end from the first one; False while a second one is not there."""
        length = json_value_length(text)
        second = text.find(b"{", length or len(text))
        if second < 0:
            return False
        row = _scanned(text[:second])
        if row is None or "".join(row[1].split()) != "},":
            raise NeedsExactParserError
        self._begin, self.close = row[0][0][1].encode(), row[1].encode()
        # Rows are found by the byte of their beginning that is rarest in a row.
        counts = [text[:second].count(self._begin[at : at + 1]) for at in range(len(self._begin))]
        self._rare = counts.index(min(counts))
        return True

    def learn(self, row: bytes) -> list[int] | None:
        scanned = _scanned(row)
        if scanned is None:
            return None
        is_new = not self.keys
        if is_new:
            values = {name: value for name, _, value in scanned[0]}
            hole = _hole(values.get("ts", ""), _V4_STAMP, _V3_STAMP, _DATETIME_KEYS)
            if hole is None or not self._places.keys() >= values.keys():
                return None
            self.stamp = values["ts"].encode()
            self.keys = [Key(self._places[name], lead.encode()) for name, lead, _ in scanned[0]]
            next(key for key in self.keys if key.place is None).hole = hole
            self._keys_by_place = {key.place: key for key in self.keys}
        learned: list[int] = []
        # New keys, by the place of the known one that they follow here.
        following: dict[int | None, list[Key]] = {}
        known: Key | None = None
        for name, lead, value in scanned[0]:
            place = self._places.get(name, -1)
            key = self._keys_by_place.get(place)
            if key is None:
                if known is None or place == -1:
                    continue
                key = Key(place, lead.encode())
                following.setdefault(known.place, []).append(key)
            else:
                known = key
            if place is not None and key.hole is None:
                key.hole = self.hole_of(value.encode())
                if key.hole is not None:
                    learned.append(place)
        if following:
            self.keys = [one for key in self.keys for one in (key, *following.get(key.place, ()))]
            self._keys_by_place = {key.place: key for key in self.keys}
        return learned if learned or is_new or following else None

    def hole_of(self, value: bytes) -> Hole | None:
        return _hole(value.decode("utf-8", "replace"), _V4_NUMBER, _V3_NUMBER, _NUMBER_KEYS)

    def is_value(self, text: bytes) -> bool:
        try:
            json.loads(text.decode())
        except (ValueError, RecursionError):
            return False
        return True

    def split(self, block: Block, starts: Positions, nexts: Positions) -> SplitRows:
        here = starts.copy()
        times = np.zeros(len(starts), np.int64)
        ok = np.ones(len(starts), bool)
        begins = np.zeros((len(starts), self.width), np.int64)
        ends = np.zeros((len(starts), self.width), np.int64)
        fits = np.zeros((len(starts), self.width), bool)
        for key in self.keys:
            last = nexts - len(self.close) if key is self.keys[-1] else None
            if key.place is None and key.hole is not None:
                before = key.lead + key.hole.before
                ok &= equal_bytes(block, here, before)
                times, is_stamp, lengths = read_stamps(block, here + len(before), key.hole.after)
                ok &= is_stamp
                here = np.where(ok, here + lengths + (len(before) + len(key.hole.after)), here)
            elif key.place is not None:
                place = key.place
                begins[:, place], ends[:, place], fits[:, place] = self._cells(block, key, here, last)
                # A wrong row may look as if it went on in the next ones, and beyond the block.
                here = np.minimum(ends[:, place], nexts)
        ok &= here + len(self.close) == nexts
        ok &= equal_bytes(block, here, self.close)
        return SplitRows(times, ok, begins, ends, fits)

    @staticmethod
    def _cells(block: Block, key: Key, here: Positions, last: Positions | None) -> tuple[Positions, Positions, Bools]:
        """The cells of a key, from the position of each row; `last` are their ends, known for the last key."""
        begins, ends, fits = here + len(key.lead), here.copy(), np.zeros(len(here), bool)
        if key.hole is not None:
            before, after = key.hole.before, key.hole.after
            fits = equal_bytes(block, here, key.lead + before)
            hole = begins + len(before)
            hole_ends = ends_of(block, hole, after[0] if after else None) if last is None else last - len(after)
            fits &= hole_ends > hole
            if after:
                fits &= equal_bytes(block, hole_ends, after)
            ends = hole_ends + len(after)
            if fits.all():
                return begins, ends, fits
        rest = np.flatnonzero(~fits)
        has_key = equal_bytes(block, here[rest], key.lead)
        absent, present = rest[~has_key], rest[has_key]
        begins[absent] = ends[absent] = here[absent]
        ends[present] = _value_ends(block, begins[present]) if last is None else last[present]
        # A key without a value is not an absent cell: the key's text is not a value, so the row is not ok.
        empty = present[ends[present] <= begins[present]]
        begins[empty], ends[empty] = here[empty], begins[empty]
        return begins, ends, fits

    @property
    def texts_a_row(self) -> int:
        return self.width

    def row_with(self, texts: Sequence[bytes]) -> bytes:
        cells = (name + b":" + text for name, text in zip(self._names, texts, strict=False))
        return b'{"ts":' + self.stamp + b"," + b",".join(cells) + b"},"

    def last_row(self, rest: bytes) -> tuple[bytes, bytes]:
        length = json_value_length(rest)
        if length is None:
            raise NeedsExactParserError
        return rest[:length] + b",", rest[length:]

    def exactly(self, rows: Sequence[bytes], tail: bytes) -> Grid:
        """See :meth:`RowShape.exactly`: a row is an object by itself, so it is the same row between other ones."""
        try:
            alone = [row.decode().rstrip(_BLANKS) for row in rows]
            for row in alone:
                if not row.endswith(",") or not isinstance(json.loads(row[:-1]), dict):
                    raise NeedsExactParserError
            # Where rows are put between head and tail must be where the grid's rows are, and nowhere deeper.
            if len(decode_exact(self.head + tail, self._short, self.limits)):
                raise NeedsExactParserError
            body = self.head + ",".join(row[:-1] for row in alone).encode() + tail
            return decode_exact(body, self._short, self.limits)
        except (CodecError, ValueError, RecursionError):
            raise NeedsExactParserError from None


def _scanned(text: bytes) -> tuple[list[tuple[str, str, str]], str] | None:
    """The keys of a row, each with the text before its value and its value, and the text at the row's end.

    None where it is not a JSON object, or has a key twice.
    """
    keys: list[tuple[str, str, str]] = []
    begin, at = 0, 1
    try:
        row = text.decode()
        if not row.startswith("{"):
            return None
        while True:
            name, at = scan_json(row, skip_json_blanks(row, at))
            at = skip_json_blanks(row, at)
            if not isinstance(name, str) or row[at : at + 1] != ":":
                return None
            at = skip_json_blanks(row, at + 1)
            _, end = scan_json(row, at)
            keys.append((name, row[begin:at], row[at:end]))
            begin = end
            at = skip_json_blanks(row, end)
            if row[at : at + 1] != ",":
                break
            at += 1
    except (ValueError, RecursionError):
        return None
    names = [name for name, _, _ in keys]
    if row[at : at + 1] != "}" or len(set(names)) != len(names) or max(len(lead) for _, lead, _ in keys) > _LONGEST:
        return None
    return keys, row[begin:]


def _hole(value: str, v4: re.Pattern[str], v3: re.Pattern[str], names: frozenset[str]) -> Hole | None:
    """The hole of a value by the patterns of the two versions, an object having no keys but the names."""
    if value.startswith("{"):
        match = v4.search(value)
        match = match if match and _is_plain_object(value, names) else None
    else:
        match = v3.fullmatch(value) or (_BARE_NUMBER.fullmatch(value) if v3 is _V3_NUMBER else None)
    if match is None:
        return None
    before, after = value[: match.start(1)].encode(), value[match.end(1) :].encode()
    return Hole(before, after) if max(len(before), len(after)) <= _LONGEST else None


def _is_plain_object(value: str, names: frozenset[str]) -> bool:
    """Whether an object has each of its keys once, only these keys, and no object or list within."""
    pairs: Any
    try:
        pairs, _ = _scan_pairs(value)
    except (ValueError, RecursionError):
        return False
    keys = [key for key, _ in pairs]
    return (
        len(set(keys)) == len(keys)
        and names.issuperset(keys)
        and not any(isinstance(item, list) for _, item in pairs)
        and value.count('"val"') == 1
    )


def _value_ends(block: Block, starts: Positions) -> Positions:
    """Where values that are not plain numbers are likely to end; the exact parser checks that they do."""
    first = block.octets[starts]
    ends: Positions = starts + 4 + (first == ord("f"))  # true, null; false
    for opening, closing in ((ord('"'), ord('"')), (ord("{"), ord("}"))):
        here = np.flatnonzero(first == opening)
        if len(here):
            ends[here] = ends_of(block, starts[here] + 1, closing, _LONGEST) + 1
    return ends
