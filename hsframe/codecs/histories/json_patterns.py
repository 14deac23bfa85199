"""What the rows of one JSON history look like, byte for byte, learned from a few of them.

Servers differ in spacing, in the order of keys and in how they escape; one server writes all its rows alike. A row is
read with Python's JSON scanner to see where each key's value stands; what lies between is a text that other rows must
repeat. A value is a text around one hole, a timestamp or a number, or it is a text without a hole.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hsframe.codecs.histories.cells import boxed

__all__ = ["Key", "Pattern", "RowShape", "constant_pattern", "pattern_of", "shape_of"]

# Longer texts are not worth repeating, and must not reach beyond the room around a block.
_LONGEST: Final = 400

_STAMP: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# Version 4: an object with one of these in "val", and with no key twice. Version 3: a text with a type code.
_V4_STAMP = re.compile(rf'"val"\s*:\s*"({_STAMP})"')
_V4_NUMBER = re.compile(rf'"val"\s*:\s*({_NUMBER})(?=[\s,}}])')
_V3_STAMP = re.compile(rf'"t:({_STAMP})(?: [^"\\]*)?"')
_V3_NUMBER = re.compile(rf'"n:({_NUMBER})(?: [^"]*)?"')
_BARE_NUMBER = re.compile(_NUMBER)
_DATETIME_KEYS: Final = frozenset({"_kind", "val", "tz"})
_NUMBER_KEYS: Final = frozenset({"_kind", "val", "unit"})
_BLANK = re.compile(r"[ \t\r\n]*")

_scan = json.JSONDecoder().raw_decode
_scan_pairs = json.JSONDecoder(object_pairs_hook=lambda pairs: pairs).raw_decode


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value: `before` and `behind` the hole; a constant has all of its text in `before`.

    `number` is the constant's in the table of cells, `boxed` the double that stands for it.
    """

    kind: Literal["stamp", "number", "constant"]
    before: bytes
    behind: bytes = b""
    number: int = 0
    boxed: float = 0.0


@dataclass(slots=True)
class Key:
    """A key of the rows: the text from the end of the value in front of it to its own value, and the values it had."""

    name: str
    lead: bytes
    patterns: list[Pattern] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowShape:
    """A row: its keys in order, each with the text in front of its value and the value, and the text at its end."""

    keys: list[tuple[str, bytes, str]]
    close: bytes


def shape_of(text: bytes) -> RowShape | None:
    """The shape of a row and what follows it up to the next row; None where it is no plain object."""
    try:
        row = text.decode()
    except UnicodeDecodeError:
        return None
    if not row.startswith("{"):
        return None
    keys: list[tuple[str, bytes, str]] = []
    begin, at = 0, 1
    try:
        while True:
            name, at = _scan(row, _skip(row, at))
            at = _skip(row, at)
            if not isinstance(name, str) or row[at : at + 1] != ":":
                return None
            at = _skip(row, at + 1)
            _, end = _scan(row, at)
            keys.append((name, row[begin:at].encode(), row[at:end]))
            begin = end
            at = _skip(row, end)
            if row[at : at + 1] != ",":
                break
            at += 1
    except (ValueError, RecursionError):
        return None
    names = [name for name, _, _ in keys]
    if row[at : at + 1] != "}" or len(set(names)) != len(names):
        return None
    return RowShape(keys, row[begin:].encode())


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()


def pattern_of(value: str, *, is_stamp: bool) -> Pattern | None:
    """The pattern of a value's text; None where it is too long, or no timestamp where one must be."""
    hole = _hole(value, is_stamp)
    if hole is not None:
        before, behind = value[: hole[0]].encode(), value[hole[1] :].encode()
        if max(len(before), len(behind)) <= _LONGEST:
            return Pattern("stamp" if is_stamp else "number", before, behind)
    text = value.encode()
    return None if is_stamp or len(text) > _LONGEST else Pattern("constant", text)


def constant_pattern(text: bytes, number: int) -> Pattern:
    """The pattern of a value that is always the same, by its number in the table of cells."""
    return Pattern("constant", text, number=number, boxed=boxed(number))


def _hole(value: str, is_stamp: bool) -> tuple[int, int] | None:
    if value.startswith("{"):
        match = (_V4_STAMP if is_stamp else _V4_NUMBER).search(value)
        if match is None or not _is_plain_object(value, _DATETIME_KEYS if is_stamp else _NUMBER_KEYS):
            return None
        return match.span(1)
    match = (_V3_STAMP if is_stamp else _V3_NUMBER).fullmatch(value)
    if match is not None:
        return match.span(1)
    if not is_stamp and _BARE_NUMBER.fullmatch(value):
        return (0, len(value))
    return None


def _is_plain_object(value: str, names: frozenset[str]) -> bool:
    """Whether an object has each of its keys once, only these keys, and no object or list within."""
    pairs: Any
    pairs, _ = _scan_pairs(value)
    keys = [key for key, _ in pairs]
    return (
        len(set(keys)) == len(keys)
        and names.issuperset(keys)
        and not any(isinstance(item, list) for _, item in pairs)
        and value.count('"val"') == 1
    )
