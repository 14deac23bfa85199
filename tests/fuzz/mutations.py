"""Inputs that are wrong, made of inputs that are right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

_LONGEST = 20_000
_DIGITS = re.compile(rb"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS = re.compile(rb"[0-9A-Za-z]+")
_CLASSES = (b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NUMBERS = (
    *(b"0", b"-0", b"-1", b"00", b"007", b"1e0", b"1E+3", b"1e999", b"-1e-400", b"1_000", b"1__0", b"0x1f", b"+1"),
    *(
        b"2147483648",
        b"9007199254740993",
        b"-9223372036854775809",
        b"1" * 30,
        b"9" * 400,
        b"0." + b"1" * 40,
        b"1" * 5000,
    ),
    *(b"NaN", b"INF", b"-INF", b"Infinity", b"60", b"24", b"13", b"31", b"99", b"9999", b"10000", b".5", b"5."),
)
_NO_UTF8 = (
    b"\xff",
    b"\xc3",
    b"\x80",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f",
)
_CHARS = (
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"\r",
    b"\n",
    b"\t",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    "é€\U0001f600".encode(),
)
_PAIRS = ((b"[", b"]"), (b"{", b"}"), (b"(", b")"), (b'{"a":', b"}"), (b"{a:", b"}"), (b'<<ver:"3.0"\na\n', b"\n>>"))

Mutation = Callable[[Random, bytes], bytes]


def mutated(rnd: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of the seeds with a few mutations; `tokens` are the words of its grammar."""
    data, token = rnd.choice(seeds), partial(_token, tokens)
    mutations = (*_MUTATIONS, partial(_splice, seeds), token, token)
    for _ in range(rnd.choice((1, 1, 1, 1, 2, 3, 5))):
        data = rnd.choice(mutations)(rnd, data)[:_LONGEST]
    return data


def _part(rnd: Random, data: bytes) -> tuple[int, int]:
    begin = rnd.randint(0, len(data))
    return begin, min(len(data), begin + rnd.choice((1, 1, 2, 4, 16, 64, 400)))


def _flip(rnd: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rnd.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rnd.randrange(8)]) + data[at + 1 :]


def _char(rnd: Random, data: bytes) -> bytes:
    """Another digit for a digit, another letter for a letter: right in its grammar, and perhaps not in itself."""
    found = [*_WORDS.finditer(data)]
    if not found:
        return data
    at = rnd.randrange((word := rnd.choice(found)).start(), word.end())
    new = rnd.choice(next(chars for chars in _CLASSES if data[at : at + 1] in chars))
    return data[:at] + bytes([new]) + data[at + 1 :]


def _cut(rnd: Random, data: bytes) -> bytes:
    begin, end = _part(rnd, data)
    return data[:begin] + (b"" if rnd.random() < 0.2 else data[end:])


def _splice(seeds: Sequence[bytes], rnd: Random, data: bytes) -> bytes:
    """The beginning of this and the end of another one, or a part of the other one within this."""
    other = rnd.choice(seeds)
    begin, end = _part(rnd, other)
    at = rnd.randint(0, len(data))
    return data[:at] + (other[begin:] if rnd.random() < 0.5 else other[begin:end] + data[at:])


def _repeat(rnd: Random, data: bytes) -> bytes:
    begin, end = _part(rnd, data)
    return data[:end] + data[begin:end] * rnd.choice((1, 1, 2, 8, 100, 2000)) + data[end:]


def _line(rnd: Random, data: bytes) -> bytes:
    """A line twice, elsewhere, or not at all."""
    lines = data.split(b"\n")
    line = lines.pop(rnd.randrange(len(lines))) if rnd.random() < 0.5 else rnd.choice(lines)
    lines[(at := rnd.randint(0, len(lines))) : at] = [line] * rnd.randint(0, 2)
    return b"\n".join(lines)


def _token(tokens: Sequence[bytes], rnd: Random, data: bytes) -> bytes:
    """A word of the grammar at any place, or in the place of another one."""
    at, new = rnd.randint(0, len(data)), rnd.choice(tokens)
    if rnd.random() < 0.5 and (found := data.find(old := rnd.choice(tokens), at)) >= 0:
        return data[:found] + new + data[found + len(old) :]
    return data[:at] + new + data[at:]


def _number(rnd: Random, data: bytes) -> bytes:
    found = [*_DIGITS.finditer(data)]
    if not found:
        return data
    number = rnd.choice(found)
    return data[: number.start()] + rnd.choice(_NUMBERS) + data[number.end() :]


def _insert(rnd: Random, data: bytes) -> bytes:
    """Bytes that are no UTF-8, or characters that few texts have."""
    begin, end = _part(rnd, data)
    return data[:begin] + rnd.choice(_NO_UTF8 if rnd.random() < 0.5 else _CHARS) + data[begin if end % 2 else end :]


def _nest(rnd: Random, data: bytes) -> bytes:
    begin, end = _part(rnd, data)
    (opening, closing), depth = rnd.choice(_PAIRS), rnd.choice((1, 1, 2, 3, 63, 65, 500))
    return data[:begin] + opening * depth + data[begin:end] + closing * depth + data[end:]


_MUTATIONS: tuple[Mutation, ...] = (_char, _char, _number, _number, _flip, _cut, _repeat, _line, _insert, _nest)
