"""The scanner and the parser of filters; each method is preceded by its rule of the grammar."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Final, NoReturn, TypeVar

from hsframe.errors import CodecError, ZoneError
from hsframe.filters.tree import ESCAPES, And, Compare, Filter, Has, Missing, Or, Spec
from hsframe.kinds import MAX_EXACT_INT, Number, Ref, Symbol, Uri
from hsframe.zones import zone

__all__ = ["MAX_DEPTH", "is_word", "means_filter", "parse"]

_T = TypeVar("_T")

MAX_DEPTH: Final = 100
"""Parentheses may be nested this deep: deeper ones are not written by people, and recursion has a limit."""

_OPS: Final = ("==", "!=", "<=", ">=", "<", ">")

_SPACE = re.compile(r"[ \t\r\n]*")
# name: a lower-case letter (or an underscore, as Haxall reads it), then letters, digits, underscores
_NAME = re.compile(r"[a-z_][A-Za-z0-9_]*")
# spec: an upper-case name, with its library before "::" or alone
_SPEC = re.compile(r"(?:[a-z][A-Za-z0-9_]*(?:\.[a-z][A-Za-z0-9_]*)*::)?[A-Z][A-Za-z0-9_]*")
_REF = re.compile(r"@([A-Za-z0-9_:\-.~]+)")
_SYMBOL = re.compile(r"\^([a-z][A-Za-z0-9_:\-.~]*)")
_URI = re.compile(r"`((?:[^`\\\n\r]|\\[^\n\r])*)`")
# number: digits with underscores, fraction, exponent, unit (letters, % _ / $ and all beyond ASCII)
# An underscore may separate digits: the one after the last digit begins the unit, as custom units do.
_NUMBER = re.compile(
    r"(-?[0-9](?:[0-9_]*[0-9])?)(\.[0-9](?:[0-9_]*[0-9])?)?([eE][+-]?[0-9]+)?((?:[A-Za-z%_/$]|[^\x00-\x80])*)"
)
_DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)(?: ([A-Z][A-Za-z0-9_+\-]*))?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(\d{1,2}:\d\d)(:\d\d)?(\.\d+)?", re.ASCII)
_STR_PART = re.compile(r'[^"\\\n\r]+')
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_KEYWORDS: Final = frozenset(("and", "or", "not", "true", "false"))
_VALUE_EXPECTED: Final = "true, false, a Ref, Str, Uri, Number, Date, Time or Symbol"
_TERM_EXPECTED: Final = "a tag name, 'not', '(' or a spec name"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.skip()

    def fail(self, problem: str, expected: str = "", at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        before = self.text[:at]
        raise CodecError(
            problem,
            line=before.count("\n") + 1,
            column=at - (before.rfind("\n") + 1) + 1,
            snippet=self.text[max(at - 20, 0) : at + 20],
            expected=expected,
            source="filter",
        )

    def found(self) -> str:
        return "the end of the filter" if self.at >= len(self.text) else f"{self.text[self.at]!r}"

    def skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            self.skip()
            return True
        return False

    def keyword(self, word: str) -> bool:
        match = _NAME.match(self.text, self.at)
        if match is None or match.group() != word:
            return False
        self.at = match.end()
        self.skip()
        return True

    # filter = and ("or" and)*
    def filter(self) -> Filter:
        terms = [self.all_of()]
        while self.keyword("or"):
            terms.append(self.all_of())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    # and = term ("and" term)*
    def all_of(self) -> Filter:
        terms = [self.term()]
        while self.keyword("and"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    # term = "(" filter ")" | "not" path | path op value | path | spec
    def term(self) -> Filter:
        opened = self.at
        if self.take("("):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self.fail(f"parentheses are nested more than {MAX_DEPTH} deep", "a flatter filter", opened)
            inside = self.filter()
            if not self.take(")"):
                self.fail(f"a parenthesis is not closed: found {self.found()}", "'and', 'or' or ')'")
            self.depth -= 1
            return inside
        if self.keyword("not"):
            return Missing(self.path("a tag name: 'not' takes only a path"))
        spec = _SPEC.match(self.text, self.at)
        if spec is not None:
            self.at = spec.end()
            self.skip()
            return Spec(spec.group())
        path = self.path(_TERM_EXPECTED)
        for op in _OPS:
            if self.take(op):
                return Compare(path, op, self.value())
        return Has(path)

    # path = name ("->" name)*
    def path(self, expected: str) -> tuple[str, ...]:
        names = [self.name(expected)]
        while self.take("->"):
            names.append(self.name("a tag name after '->'"))
        return tuple(names)

    def name(self, expected: str) -> str:
        match = _NAME.match(self.text, self.at)
        if match is None:
            self.fail(f"found {self.found()}", expected)
        if match.group() in _KEYWORDS:
            self.fail(f"{match.group()!r} is a keyword and names no tag", expected)
        self.at = match.end()
        self.skip()
        return match.group()

    # value = "true" | "false" | ref | str | uri | number | date | time | symbol
    def value(self) -> Any:
        start = self.text[self.at : self.at + 1]
        value: Any
        if start == '"':
            value = self.string()
        elif start and (start in "0123456789-"):
            value = self.number_or_time()
        elif match := _REF.match(self.text, self.at):
            value = Ref(match.group(1))
            self.at = match.end()
        elif match := _URI.match(self.text, self.at):
            value = Uri(match.group(1))
            self.at = match.end()
        elif match := _SYMBOL.match(self.text, self.at):
            value = Symbol(match.group(1))
            self.at = match.end()
        elif (match := _NAME.match(self.text, self.at)) and match.group() in ("true", "false"):
            value = match.group() == "true"
            self.at = match.end()
        else:
            self.fail(f"found {self.found()}", _VALUE_EXPECTED)
        self.skip()
        return value

    def string(self) -> str:
        opened = self.at
        self.at += 1
        parts: list[str] = []
        while True:
            if match := _STR_PART.match(self.text, self.at):
                parts.append(match.group())
                self.at = match.end()
            char = self.text[self.at : self.at + 1]
            if char == '"':
                self.at += 1
                break
            if char != "\\":
                self.fail("a text is not closed", "'\"' on the same line", opened)
            letter = self.text[self.at + 1 : self.at + 2]
            if letter == "u":
                digits = _HEX.match(self.text, self.at + 2)
                if digits is None:
                    self.fail("a \\u escape needs four hexadecimal digits", "\\u00b0")
                parts.append(chr(int(digits.group(), 16)))
                self.at += 6
            elif letter in ESCAPES:
                parts.append(ESCAPES[letter])
                self.at += 2
            else:
                self.fail(f"\\{letter} is not a valid escape", '\\b \\f \\n \\r \\t \\" \\\\ \\$ or \\uXXXX')
        text = "".join(parts)
        try:
            # Two escapes may be the halves of one character beyond the first 65,536.
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.fail("a \\u escape is half of a surrogate pair", "both halves, or neither", opened)

    def number_or_time(self) -> Number | date | time | datetime:
        if match := _DATETIME.match(self.text, self.at):
            value: Number | date | time | datetime = self.date_time(match)
        elif match := _DATE.match(self.text, self.at):
            value = self.checked(date.fromisoformat, match.group(), "a date as 2026-03-08")
        elif match := _TIME.match(self.text, self.at):
            fraction = (match.group(3) or "")[:7]
            text = match.group(1).zfill(5) + (match.group(2) or ":00") + fraction.ljust(7, "0") * bool(fraction)
            value = self.checked(time.fromisoformat, text, "a time as 08:15:00")
        elif match := _NUMBER.match(self.text, self.at):
            value = self.number(match)
        else:
            self.fail(f"found {self.found()}", _VALUE_EXPECTED)
        self.at = match.end()
        return value

    def number(self, match: re.Match[str]) -> Number:
        whole, fraction, exponent, unit = match.groups()
        text = (whole + (fraction or "") + (exponent or "")).replace("_", "")
        real = float(text)
        if math.isinf(real):
            self.fail(f"{text} is beyond the numbers of 64 bits", "a finite number")
        if fraction is None and exponent is None and abs(real) < MAX_EXACT_INT:
            return Number(int(real), unit or None)
        return Number(real, unit or None)

    def date_time(self, match: re.Match[str]) -> datetime:
        clock, fraction, offset, name = match.groups()
        expected = "a DateTime as 2026-03-08T08:15:00-05:00 New_York"
        text = clock + ((fraction or "")[:7].ljust(7, "0") if fraction else "")
        when = self.checked(datetime.fromisoformat, text, expected)
        if offset == "Z":
            shift = timedelta(0)
        else:
            shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])) * (-1 if offset[0] == "-" else 1)
        if name is None and offset != "Z":
            self.fail("a DateTime with an offset needs the name of its zone", expected)
        try:
            return when.replace(tzinfo=timezone(shift)).astimezone(zone(name or "UTC"))
        except (ZoneError, ValueError, OverflowError) as error:
            self.fail(str(error), expected)

    def checked(self, make: Callable[[str], _T], text: str, expected: str) -> _T:
        try:
            return make(text)
        except ValueError as error:
            self.fail(f"{text} is not on the calendar or the clock: {error}", expected)


def parse(text: str) -> Filter:
    """The filter that a text means.

    Parameters
    ----------
    text : str
        For instance ``point and siteRef->geoCity == "London" and not virtual``.

    Returns
    -------
    Filter
        Compares by content; ``str()`` of it is the canonical text.

    Raises
    ------
    CodecError
        The text is not a valid filter; the error has line, column, the text around, and what was expected there. Its
        source is ``"filter"``.

    Examples
    --------
    >>> str(parse("equip  and(ahu or  fcu)"))
    'equip and (ahu or fcu)'
    >>> parse("point and temp >").matches({})
    Traceback (most recent call last):
    hsframe.errors.CodecError: filter: found the end of the filter at line 1, column 17, near 'point and temp >'; \
expected true, false, a Ref, Str, Uri, Number, Date, Time or Symbol
    """
    parser = _Parser(text)
    result = parser.filter()
    if parser.at < len(text):
        parser.fail(f"found {parser.found()} after the filter", "'and', 'or' or the end")
    return result


def means_filter(text: str) -> bool:
    """Whether a text that may be a filter or an id, where points are asked for, is to be tried as a filter first.

    A lone word is a filter; that it finds nothing, only a server can tell.

    Examples
    --------
    >>> means_filter("point and temp"), means_filter("@p:demo:r:1"), means_filter("p:demo:r:1")
    (True, False, False)
    """
    if text.strip().startswith("@"):
        return False
    try:
        parse(text)
    except CodecError:
        return False
    return True


def is_word(text: str) -> bool:
    """Whether a text is a lone word: a filter of one tag, and perhaps the id of a record."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text.strip()) is not None
