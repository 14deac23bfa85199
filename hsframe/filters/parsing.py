"""The scanner and the parser of filters; each method is preceded by its rule of the grammar."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from hsframe.codecs.body_text import error_at
from hsframe.codecs.zinc_scalars import scan_scalar
from hsframe.errors import CallError, CodecError, HTTPStatusError
from hsframe.filters.tree import And, Compare, Filter, Has, Missing, Or, Spec
from hsframe.kinds import ID, NAME, Number, Ref

MAX_DEPTH: Final = 100
"""Parentheses may be nested this deep: deeper ones are not written by people, and recursion has a limit."""

_SOURCE: Final = "filter"
_OPS: Final = ("==", "!=", "<=", ">=", "<", ">")

# Servers of the Haxall family skip comments, and the spaces that browsers copy.
_SPACE = re.compile(r"(?:[ \t\r\n\xa0]++|//[^\n]*+)*+")
# name: a lower-case letter (or an underscore, as Haxall reads it), then letters, digits, underscores
_NAME = re.compile(r"[a-z_][A-Za-z0-9_]*")
_ID: Final = ID.pattern.pattern
# spec: an upper-case name, with its library before "::" or alone; a symbol; a relation of FIN, with a symbol and a ref
_SPEC = re.compile(
    r"(?:[a-z][A-Za-z0-9_]*(?:\.[a-z][A-Za-z0-9_]*+)*+::)?[A-Z][A-Za-z0-9_]*"
    rf"|\^{_ID}|[a-z][A-Za-z0-9_]*(?:-[a-z][A-Za-z0-9_]*+)*+\?(?: *\^{_ID})?(?: *@{_ID})?"
)
_CHARS_OF_IDS = re.compile(rf"(?:{_ID})?")
_VALUE = re.compile(r"[0-9\-\"`@^]")
_KEYWORDS: Final = frozenset(("and", "or", "not", "true", "false"))
_VALUE_EXPECTED: Final = "true, false, a Ref, Str, Uri, Number, Date, Time or Symbol"
_TERM_EXPECTED: Final = "a tag name, 'not', '(' or a spec name"
# What people write who know another language.
_HINTS: Final = {
    "=": "'==' means equal",
    "&": "'and' joins two terms",
    "|": "'or' joins two terms",
    "@": "an id is compared, as in id == @nyc",
    "!": "'not' before a path means that its tag is missing",
    **dict.fromkeys("'\u2018\u2019\u201c\u201d", 'a text stands in double quotes, as in "London"'),
}


class _Parser:
    def __init__(self, text: str, most_names: float) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.names = 0
        self.most_names = most_names
        self.skip()

    def fail(self, problem: str, expected: str = "", at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        hint = _HINTS.get(self.text[at : at + 1])
        raise error_at(self.text, at, problem, f"{expected}; {hint}" if hint else expected, _SOURCE)

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

    def count(self) -> None:
        self.names += 1
        if self.names > self.most_names:
            self.fail(f"there are more than {self.most_names:,} names of tags", "a shorter filter, or several")

    # term = "(" filter ")" | "not" path | path op value | path | spec | symbol | relation | [path] "*==" ref
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
            self.count()
            self.at = spec.end()
            self.skip()
            return Spec(spec.group())
        path = () if self.text.startswith("*==", self.at) else self.path(_TERM_EXPECTED)
        if self.take("*=="):
            begin, ref = self.at, self.value()
            if not isinstance(ref, Ref):
                self.fail("'*==' compares with a Ref only", "a Ref", begin)
            return Spec(f"{'->'.join(path)} *== {ref}".strip())
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
        self.count()
        self.at = match.end()
        self.skip()
        return match.group()

    # value = "true" | "false" | a scalar of Zinc: ref, str, uri, number, date, time, symbol
    def value(self) -> Any:
        begin = self.at
        for word in ("true", "false"):
            if self.keyword(word):
                return word == "true"
        if _VALUE.match(self.text, begin) is None:
            self.fail(f"found {self.found()}", _VALUE_EXPECTED)
        try:
            value, self.at = scan_scalar(self.text, begin)
        except CodecError as error:
            # Zinc counts lines and columns in the same text.
            raise error.changed(source=_SOURCE) from None
        if isinstance(value, Number) and not math.isfinite(value.val):
            self.fail(f"{self.text[begin : self.at]} is not a finite number", _VALUE_EXPECTED, begin)
        self.skip()
        return value


def parse(text: str, most_names: float = math.inf) -> Filter:
    """The filter that a text means; it compares by content, and ``str()`` of it is the canonical text.

    A text that is not a valid filter raises CodecError, whose source is ``"filter"``: it has line, column, the text
    around, and what was expected there. So does one with more names of tags and specs than `most_names`: the time to
    match a record grows with them.

    >>> str(parse("equip  and(ahu or  fcu)"))
    'equip and (ahu or fcu)'
    >>> parse("point and temp >").matches({})
    Traceback (most recent call last):
    hsframe.errors.CodecError: filter: found the end of the filter at line 1, column 17, near 'point and temp >'; \
    expected true, false, a Ref, Str, Uri, Number, Date, Time or Symbol
    """
    parser = _Parser(text, most_names)
    result = parser.filter()
    if parser.at < len(text):
        parser.fail(f"found {parser.found()} after the filter", "'and', 'or' or the end")
    return result


def means_filter(text: str) -> bool:
    """Whether a text that may be a filter or an id, where points are asked for, is to be tried as a filter first.

    An id starts with ``@``, or has only the characters of ids and does not parse. All else is a filter, also one that
    does not parse: the server may know more than the grammar, and if not, it says what is wrong. A lone word is a
    filter; that it finds nothing, only a server can tell.

    >>> means_filter("point and temp"), means_filter("@p:demo:r:1"), means_filter("p:demo:r:1"), means_filter("a && b")
    (True, False, False, True)
    """
    text = text.strip()
    if text.startswith("@"):
        return False
    return not _CHARS_OF_IDS.fullmatch(text) or _mistake(text) is None


@contextlib.contextmanager
def explained(filter: str) -> Iterator[None]:
    """Add to the error of a server that refuses a filter what is wrong with it, where the grammar tells.

    Servers say it in many ways, and few say the column. Of a filter that names a spec it may be that.
    """
    try:
        yield
    except (CallError, HTTPStatusError) as error:
        mistake = _mistake(filter)
        if mistake is None:
            if "no specs" not in str(error) and (name := _name_of_spec(parse(filter))):
                hint = f"the filter names the spec {name}: session.specs({name!r}) says whether the server knows it"
                error.args = (f"{error}; {hint}; any server finds records by tags", *error.args[1:])
            raise
        if str(mistake) not in str(error):
            error.args = (f"{error}; {mistake}", *error.args[1:])
        raise error from mistake.with_traceback(None)


def _mistake(text: str) -> CodecError | None:
    try:
        parse(text)
    except CodecError as error:
        return error
    return None


def _name_of_spec(filter: Filter) -> str | None:
    """The first name of a spec in a filter, with its library or without."""
    if isinstance(filter, And | Or):
        return next((name for term in filter.terms if (name := _name_of_spec(term))), None)
    return filter.name if isinstance(filter, Spec) and filter.name.rpartition("::")[2][:1].isupper() else None


def is_word(text: str) -> bool:
    """Whether a text is a lone word: a filter of one tag, and perhaps the id of a record."""
    return NAME.pattern.fullmatch(text.strip()) is not None
