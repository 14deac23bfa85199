"""The text of a body, and errors that name the line, the column and the text around a position in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TypedDict

from hsframe.errors import CodecError
from hsframe.options import Limits

# How deep lists, dicts and grids may nest where they are written. Records nest two or three deep. It is the same in all
# formats, and what is read by default, so that what one reads another can write.
MAX_DEPTH: Final = Limits().nesting
TOO_DEEP: Final = "lists, dicts and grids nest more than {} deep"


class TooDeep(TypedDict):
    """What an error says of a body whose lists, dicts and grids nest too deep."""

    problem: str
    expected: str
    limit: str


def too_deep(limits: Limits) -> TooDeep:
    most = limits.nesting
    expected = f"at most {most}; limits=hsframe.Limits(nesting=...) sets how deep"
    return {"problem": TOO_DEEP.format(most), "expected": expected, "limit": "nesting"}


@contextmanager
def guarded(body: bytes | str, source: str, limits: Limits) -> Iterator[None]:
    """Around the reading of a body: its text must fit into memory, and its nesting into the stack of the caller."""
    try:
        if isinstance(body, bytes):
            limits.check_memory(len(body) + text_bytes(body), source)
        yield
    except RecursionError:  # where the caller has used most of the stack
        raise CodecError(**too_deep(limits), source=source) from None


#: What an empty grid takes at least, with its text.
GRID_BYTES: Final = 2_000
# The first byte of a character that has four.
_WIDEST: Final = re.compile(rb"[\xf0-\xff]")
# The memory of what each of these may begin at most: an object, a list, one more item, one more key or a typed text.
_WEIGHTS: Final = {"{": 200, "[": 112, ",": 104, ":": 260}
# The same by what is there: a text beside its characters, what is read of one with a type, a number with its place, a
# key's place, a key that no other object has, and an object of version 4 that is a scalar value.
_TEXT_BYTES, _TYPED_BYTES, _NUMBER_BYTES, _PLACE_BYTES, _KEY_BYTES, _LEAF_BYTES = 72, 184, 96, 44, 240, 80
#: An object that says that it is a scalar value, and turns out to be a dict, takes so much more.
SCALAR_BYTES: Final = _WEIGHTS["{"] - _LEAF_BYTES
_MOST_KEYS: Final = 100_000  # are looked at, whether they are different ones
# Some texts of JSON and what is between them; a text and what it may be: a key, a kind, or what has a type.
_SOME_TEXTS: Final = re.compile(r'[^"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"?+[^"]*+){0,2000}+', re.DOTALL)
_TEXT: Final = re.compile(
    r'"(?:(_kind|marker|number|ref|dateTime|uri|date)"|([b-ln-y]:)?+[^"\\]*+(?:\\.[^"\\]*+)*+"?+)', re.DOTALL
)
_KEY: Final = re.compile(r'"([^"\\]*+)"[ \t\r\n]*+:')
_BLANKS: Final = re.compile(r"[ \t\r\n]++")
_BEFORE, _AFTER = 24, 24
_MANY_CHARS: Final = 4_000
# Some escapes and the text around them; it does not end between the two surrogates of a character.
_SOME_ESCAPES: Final = re.compile(r"[^\\]*+(?:\\.?+[^\\]*+){0,2000}+(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def text_bytes(body: bytes) -> int:
    """The memory of the text of a body: Python gives all its characters the bytes of the widest one."""
    return len(body) * (1 if body.isascii() else 4 if _WIDEST.search(body) else 2)


def check_objects(text: str, source: str, limits: Limits, beside: int = 0) -> int:
    """The memory of a text of JSON with its values, at most, and `beside` it; CodecError before any is made."""
    weight = beside + 3 * sys.getsizeof(text) + sum(text.count(mark) * size for mark, size in _WEIGHTS.items())
    try:
        limits.check_memory(weight, source)
    except CodecError:
        limits.check_memory(weight := beside + _weight(text), source)
    return weight


def _weight(text: str) -> int:
    """The memory by what is there, which takes longer to see: each text of JSON is one letter, that of `_mark`."""
    weight, keys = len(text) + sys.getsizeof(text), set[str]()
    for part in _SOME_TEXTS.findall(text):
        marks = _BLANKS.sub("", _TEXT.sub(_mark, part))
        markers, leaves = marks.count("{k:m}"), marks.count("{k:l")
        typed, places, objects = marks.count("t"), marks.count(":"), marks.count("{")
        texts = sum(map(marks.count, "klmst")) - places
        weight += sys.getsizeof(part) * (2 if typed else 1)
        weight += _TEXT_BYTES * (texts - markers - leaves) + _TYPED_BYTES * typed + _PLACE_BYTES * (places - markers)
        weight += _WEIGHTS["{"] * (objects - markers - leaves) + _LEAF_BYTES * leaves + _WEIGHTS["["] * marks.count("[")
        weight += _NUMBER_BYTES * max(marks.count(",") + 1 - texts, 0)
        if len(keys) < _MOST_KEYS:
            keys.update(_KEY.findall(part))
        else:
            weight += _KEY_BYTES * places
    return weight + _KEY_BYTES * len(keys)


def _mark(text: re.Match[str]) -> str:
    """The letter for a text: the key _kind, the kind marker, a kind of leaf, a text with a type, or another string."""
    if text[1]:
        return {"_kind": "k", "marker": "m"}.get(text[1], "l")
    return "t" if text[2] else "s"


def text_of(body: bytes | str, source: str) -> str:
    """The text of a body in UTF-8, without the byte order mark that some servers send first.

    Haxall writes what is beyond U+FFFF as two surrogates of three bytes each, in some formats; they are joined. Bytes
    that are not UTF-8 raise CodecError, with the line and column of the first bad one.
    """
    if isinstance(body, str):
        return without_lone_surrogates(body.removeprefix("\ufeff"))
    try:
        return bytes(body).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        with suppress(UnicodeDecodeError):
            return without_lone_surrogates(bytes(body).decode("utf-8-sig", "surrogatepass"))
        # With "utf-8-sig" positions count from the end of the byte order mark.
        bad = error.start + (3 if bytes(body[:3]) == b"\xef\xbb\xbf" else 0)
        begin = body.rfind(b"\n", 0, bad) + 1
        before = bytes(body[begin:bad]).decode("utf-8", "replace").removeprefix("\ufeff")
        raise CodecError(
            f"byte 0x{body[bad]:02x} is not UTF-8",
            line=body.count(b"\n", 0, bad) + 1,
            column=len(before) + 1,
            snippet=before[-_BEFORE:] + bytes(body[bad : bad + _AFTER]).decode("utf-8", "replace").split("\n")[0],
            expected="text in UTF-8; the standard allows no other encoding",
            source=source,
        ) from None


def excerpt(text: str, pos: int) -> str:
    begin = max(text.rfind("\n", 0, pos) + 1, pos - _BEFORE)
    end = text.find("\n", pos)
    return text[begin : min(len(text) if end < 0 else end, pos + _AFTER)].rstrip("\r")


def error_at(text: str, pos: int, problem: str, expected: str, source: str, limit: str = "") -> CodecError:
    """The error for a position in a text; line and column count from 1, in characters."""
    return CodecError(
        problem,
        line=text.count("\n", 0, pos) + 1,
        column=pos - text.rfind("\n", 0, pos),
        snippet=excerpt(text, pos),
        expected=expected,
        source=source,
        limit=limit,
    )


def escape_parts(text: str) -> Sequence[str]:
    """The parts of a text for ``re.sub``, which keeps an object for each escape that it replaces, until the last."""
    return _SOME_ESCAPES.findall(text) if len(text) > _MANY_CHARS else (text,)


def without_lone_surrogates(text: str) -> str:
    r"""The text with surrogate pairs joined, and U+FFFD for a half without its other half.

    Java and JavaScript write U+1F600 as ``\ud83d\ude00``; a half alone is not a character, and UTF-8 cannot carry it.
    """
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
