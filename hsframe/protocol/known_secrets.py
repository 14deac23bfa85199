"""What a server says, without the secrets of the connection, in whatever way it writes them."""

from __future__ import annotations

import html
import json
import re
from array import array
from base64 import b64encode, urlsafe_b64decode
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote

from hsframe.errors import CallError, HsFrameError, chain_of
from hsframe.grid import Grid
from hsframe.protocol.secret import HIDDEN, HiddenStr, Secret

# The parts of a header with credentials, and their names, if they have one.
_PART: Final = re.compile(r"(?:([\w.-]+)=(?![=\s]|$))?([^\s,;\"]+)")
_HEAD_CHARS: Final = 8  # so much of a longer secret is not shown either
_LETTERS: Final = 16  # the same, of letters alone, which may be a word
_SHORTEST: Final = 4  # what is shorter is in too many words
_KEPT: Final = 100
# So much of what a server says is looked through, and shown: a trace may be so long. A secret may go on after it.
_LOOKED: Final = 20_000
_BEHIND: Final = 1_000
_MOST_TAGS: Final = 1_000
_MARKS: Final = {"incomplete", "more"}
# What a server says of any wrong password. A word that is left out of it would be known to be the password.
_OF_ANY: Final = re.compile(r"the user name or the password is wrong| wrong passwords; try again in ")
# A secret is split into characters, of which signs may be doubled, with the backslashes before them.
_RUN: Final = re.compile(r"(?P<slashes>\\*)(?P<signs>(?P<sign>[^\w\\%&\0-\x1f])(?:\\*(?P=sign))*|[^\\]|$)", re.DOTALL)
_MOST: Final = 16  # escapes of escapes; without a bound a search could take the square of a text's length
_SLASH: Final = r"\\(?![uxUX]|0?[0-3][0-7]{2})"  # which begins no escape
_SLASHES: Final = rf"(?:{_SLASH}){{0,{_MOST}}}+"
_BETWEEN_HEX: Final = r"(?:0x|\W){0,4}"
# Each character can be taken in one way only: of n ways between 8 characters a search would try n to the eighth.
_BETWEEN_BASE64: Final = rf"(?:\s|{_SLASH}|(?<=\\)[rn]){{0,{2 * _MOST}}}"
_CONTROLS: Final = dict(zip("\a\b\t\n\v\f\r", "abtnvfr", strict=True))  # as \t and \n are written
_IN_BASE64: Final = {"+": "+- ", "/": "/_"}


class KnownSecrets:
    """The secrets that one connection has, has sent or got, to take them out of what a server says.

    A server or a proxy may repeat them in its error, escaped in any way, and cut off: so the first 8 characters of a
    longer secret are enough to know it by, where backslashes and equal signs count as one with what follows them. What
    is letters alone may be a word: then it takes more, up to 16.
    """

    def __init__(self) -> None:
        self._own: list[HiddenStr] = []
        self._texts: deque[HiddenStr] = deque(maxlen=_KEPT)
        self._escaped, self._encoded = lru_cache(2 * _KEPT)(_escaped), lru_cache(_KEPT)(_encoded)
        self._uri = ""

    def add_own(self, secret: Secret, user: str = "", uri: str = "") -> None:
        """A password or a token, which a server may know and show without having been sent it: SCRAM sends a proof.

        What is shown of a connection anyway, its `user` and its `uri`, is no secret.
        """
        self._uri = uri.lower()
        if secret.reveal() != user:  # as the password of a demo may be
            self._add(self._own, secret.reveal())

    def learn(self, headers: Iterable[tuple[str, str]]) -> None:
        """The secrets in the headers of a request or an answer: those of logins and cookies, and hidden values."""
        for name, value in headers:
            match name.lower():
                case "authorization" | "proxy-authorization":
                    parts = _PART.findall(value.partition(" ")[2])
                case "authentication-info" | "cookie":
                    parts = _PART.findall(value)
                case "set-cookie":
                    parts = _PART.findall(value.partition(";")[0])
                case _:
                    parts = []
                    if isinstance(value, HiddenStr):
                        self._add(self._own, value)
            for part, text in parts:
                if part.lower() not in ("username", "hash"):  # which are no secrets
                    self._add(self._texts, text, *_inside(text))

    @staticmethod
    def _add(known: list[HiddenStr] | deque[HiddenStr], *texts: str) -> None:
        known.extend(HiddenStr(text) for text in texts if len(text.encode()) >= _SHORTEST and text not in known)

    def is_in(self, body: bytes) -> bool:
        """Whether a body holds a secret as it is, or escaped in its beginning: an answer may be very long."""
        if any(text[:_HEAD_CHARS].encode() in body for text in (*self._own, *self._texts)):
            return True
        return self.redacted(text := body[:_LOOKED].decode("utf-8", "replace")) != text

    def redacted(self, text: str, *, is_kept: bool = False) -> str:
        """What a server says, with ``<secret>`` in the place of each secret.

        What `is_kept` in a file is so whole, and also without tokens that are encoded, which takes longer.
        """
        return self._without(text, lambda _: False, is_kept)

    def redacted_message(self, text: str) -> str:
        """A whole message: without the secrets, but for those that its own words may hold, of letters or in the uri.

        Taken out of "the server says", a password would be known to be "server".
        """
        return self._without(text, lambda found: found.isalpha() or found.lower() in self._uri)

    def _without(self, text: str, is_shown: Callable[[str], bool], is_kept: bool = False) -> str:
        forms = [form for secret in (*self._own, *self._texts) for form in self._escaped(secret)]
        forms += [form for one in (*self._own, *(self._texts if is_kept else ())) for form in self._encoded(one)]
        if len(text) < _SHORTEST or not forms:  # as the "OK" of each answer
            return text
        most = len(text) if is_kept else _LOOKED
        looked = text[: most + _BEHIND]
        parts, end = list[str](), 0
        spans = (span for form in forms for span in form.spans(looked))
        shown = [found.span() for found in _OF_ANY.finditer(looked)]
        spans = (span for span in spans if not any(at <= span[0] and span[1] <= to for at, to in shown))
        for at, to in sorted(span for span in spans if not is_shown(looked[slice(*span)])):  # which may overlap
            if at < most:
                parts += [looked[end:at], "\0"]
                end = max(end, to)
        parts += [looked[end:most], "..." * (len(text) > most)]
        return re.sub("\0+", HIDDEN, "".join(parts)) if end else "".join(parts)

    @contextmanager
    def out_of_errors(self) -> Generator[None]:
        """A block whose errors hold no secret, wherever a server put it and whatever code quotes that."""
        try:
            yield
        except HsFrameError as error:
            for link in chain_of(error):
                if isinstance(link, HsFrameError):
                    link.args = tuple(self.redacted_message(arg) if isinstance(arg, str) else arg for arg in link.args)
                    texts = {name: value for name, value in vars(link).items() if isinstance(value, str)}
                    vars(link).update((name, self.redacted_message(value)) for name, value in texts.items())
                if isinstance(link, CallError) and link.grid is not None:
                    link.grid = self._with_clean_meta(link.grid)
            raise

    def redacted_error(self, grid: Grid) -> Grid:
        """An error grid, its meta alone, or one marked as incomplete, without secrets; others as they are: data."""
        if grid.is_error:
            return self._with_clean_meta(Grid(grid.meta))
        return self._with_clean_meta(grid) if _MARKS & grid.meta.keys() else grid

    def _with_clean_meta(self, grid: Grid) -> Grid:
        # HIDDEN is no name of a tag, and could not be written.
        meta = {
            name if name in _MARKS or self.redacted(name) == name else "secret": self._cleaned(value)
            for name, value in islice(grid.meta.items(), _MOST_TAGS)
        }
        return Grid(meta, grid.cols, grid.columns)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redacted(value)
        text = "\n".join(islice(_texts(value), _LOOKED + 1))  # with more it is longer than what is looked through
        return value if self.redacted(text) == text else HIDDEN


@dataclass(frozen=True, slots=True, repr=False)
class _Form:
    """A way to write a secret: a pattern for its beginning, and one for each further character."""

    head: re.Pattern[str]
    tail: tuple[str, ...]

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        end = 0
        while found := self.head.search(text, end):
            end = found.end()
            for character in self.tail:
                if not (more := re.compile(character).match(text, end)):
                    break
                end = more.end()
            yield found.start(), end


def _form(characters: Iterable[str], patterns: Iterable[str], between: str) -> _Form:
    shown, (first, *others) = "".join(characters), patterns
    patterns = [first, *(between + one for one in others)]
    at = next((count for count in range(_HEAD_CHARS, _LETTERS) if not shown[:count].isalpha()), _LETTERS)
    return _Form(re.compile("".join(patterns[:at])), tuple(patterns[at:]))


def _escaped(secret: str) -> list[_Form]:
    """The ways to write a secret character by character; it may be sent in a uri's escapes, and repeated without."""
    forms = list[_Form]()
    for text in {str.__str__(secret), unquote(secret), html.unescape(unquote(secret))}:
        if not text.strip("\\") or len(text.encode("utf-8", "replace")) < _SHORTEST:
            continue
        runs = [run for run in _RUN.finditer(text.replace("+", " ")) if run[0]]
        forms.append(_form((run[0] for run in runs), map(_run, runs), _SLASHES))
    return forms


def _encoded(secret: str) -> list[_Form]:
    """The ways to write a secret in hex, and in base64, of itself or of a text that it is part of."""
    forms = list[_Form]()
    texts = {str.__str__(secret), *(json.dumps(str.__str__(secret), ensure_ascii=one)[1:-1] for one in (True, False))}
    for coded in {text.encode(encoding, "replace") for text in texts for encoding in ("utf-8", "latin-1")}:
        pairs = [f"{byte:02x}" for byte in coded]
        forms.append(_form(pairs, (f"(?i:{pair})" for pair in pairs), _BETWEEN_HEX))
        for before in range(3):  # so many bytes of its first group of three are another's
            sixes = b64encode(b"\0" * before + coded).decode()
            whole = sixes[(before * 8 + 5) // 6 : (before + len(coded)) * 8 // 6]
            forms.append(_form(whole, (_one_of(_IN_BASE64.get(one, one)) for one in whole), _BETWEEN_BASE64))
    return forms


def _run(run: re.Match[str]) -> str:
    """A pattern of a character, of any number of the same sign, as SQL doubles quotes, or of backslashes."""
    slashes, signs = run["slashes"], run["signs"]
    one = _character(signs[:1]) if signs else ""
    if run["sign"]:
        count = signs.count(run["sign"])
        between = f"{_one_of(chr(92))}{{0,{_MOST}}}" if "\\" in signs else _SLASHES
        one += f"(?:{between}{one}){{{count - 1},{3 * count}}}+"
    if slashes:  # which _SLASHES took, if they were not escaped
        more, slash = len(slashes) - 1, _one_of(slashes[0])
        # Of many in a text a secret begins at the first, or at the last: to look from each would take long.
        first = "" if run.start() else r"(?<!\\)"
        one = rf"(?:{first}{slash}(?:{_SLASHES}{slash}){{{more},{more + _MOST}}}?|(?<=\\)\\??){_SLASHES}{one}"
    return one


@lru_cache(512)
def _character(character: str) -> str:
    """A pattern of a character in either case: escaped, as bytes of UTF-8 also read as others, or as surrogates."""
    cased = {character, character.lower(), character.upper()}
    ways = [_one_of("".join(sorted(one for one in cased if len(one) == 1)).replace(" ", " +"))]
    for one in cased:
        pieces = [list(one)]
        if not one.isascii():
            # Most bytes are the same character in both: named twice, a search would try each of them twice.
            pieces.append(
                ["".join(sorted({chr(byte), bytes([byte]).decode("cp1252", "ignore")})) for byte in one.encode()]
            )
            utf_16 = array("H", one.encode("utf-16"))[1:]
            pieces.append([chr(unit) for unit in utf_16])
        ways += (_SLASHES.join(map(_one_of, piece)) for piece in pieces if len(piece) > 1)
    return f"(?:{'|'.join(ways)})"


@lru_cache(512)
def _one_of(characters: str) -> str:
    """A pattern of one of some characters: itself, or as uris, JSON, programs and HTML escape it."""
    numbers = ("03o", "d", "x", "02x", "04x", "08x")
    octal, tens, sixteens, two, four, eight = ("|".join(format(ord(one), way) for one in characters) for way in numbers)
    wanted = set(characters)
    names = "".join("|" + name for name, value in html5.items() if value in wanted and name.endswith(";"))
    ways = [
        rf"%(?:25){{0,{_MOST}}}(?i:{two}|u(?:{four}))",
        rf"\\(?:0?(?:{octal}))",
        rf"\\(?i:x(?:{two})|u(?:{four})|u(?:{eight})|[ux]\{{0{{0,6}}(?:{sixteens})\}})",
        rf"&(?:amp;){{0,{_MOST}}}(?:#(?:0{{0,6}}(?:{tens})|(?i:x0{{0,6}}(?:{sixteens})));{names})",
    ]
    # After a backslash that _SLASHES took, or this.
    ways += (rf"(?:(?<=\\)|\\){_CONTROLS[one]}" for one in characters if one in _CONTROLS)
    ways += map(re.escape, characters)
    return f"(?:{'|'.join(ways)})"


def _texts(value: Any) -> Iterator[str]:
    """The names and values of what may be nested, as deep as it goes."""
    match value:
        case str():
            yield value
        case Grid():
            for nested in (value.meta, {col.name: col.meta for col in value.cols}, *value.columns):
                yield from _texts(nested)
        case Mapping():
            for name, nested in value.items():
                yield name
                yield from _texts(nested)
        case Sequence():
            for nested in value:
                yield from _texts(nested)
        case _:
            yield repr(value)


def _inside(text: str) -> tuple[str, ...]:
    """The password of a Basic login, or else what a text of base64 holds, and its proof; nothing of another text."""
    bare = text.rstrip("=")
    with suppress(ValueError):
        inside = urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()
        proof = inside.rpartition(",p=")[2] if inside.startswith("c=") else ""
        return inside.partition(":")[2] or inside, proof
    return ()
