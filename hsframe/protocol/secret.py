"""Texts that must not be shown: in a repr, a log line, or the local variables of a traceback."""

from __future__ import annotations

import html
import json
import re
from array import array
from base64 import b64encode, urlsafe_b64decode
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
from typing import Any, Final, Self
from urllib.parse import unquote

from hsframe.errors import CallError, HsFrameError, MetadataError, chain_of
from hsframe.grid import Grid

_HALF: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HIDDEN: Final = "<secret>"
# The parts of a header with credentials, and their names, if they have one.
_PART: Final = re.compile(r"(?:([\w.-]+)=(?![=\s]|$))?([^\s,;\"]+)")
_HEAD_CHARS: Final = 8  # so much of a longer secret is not shown either
_LETTERS: Final = 16  # the same, of letters alone, which may be a word
_SHORTEST: Final = 4  # what is shorter is in too many words
_KEPT: Final = 100
_LOOKED_BYTES: Final = 1 << 16
# A secret is split into characters, of which signs may be doubled, with the backslashes before them.
_RUN: Final = re.compile(r"(?P<slashes>\\*)(?P<signs>(?P<sign>[^\w\\%&])(?:\\*(?P=sign))*|[^\\]|$)", re.DOTALL)
_MOST: Final = 16  # escapes of escapes; without a bound a search could take the square of a text's length
_SLASHES: Final = rf"(?:\\(?![uxUX])){{0,{_MOST}}}+"
_BETWEEN_HEX: Final = r"(?:0x|\W){0,4}"
_BETWEEN_BASE64: Final = r"(?:\s|\\+[rn]?){0,8}"
_IN_BASE64: Final = {"+": "+- ", "/": "/_"}


class Secret:
    """A password or a token; only :meth:`reveal` gives it out.

    Call `reveal` inside the expression that needs it, so that no local variable of a traceback holds the text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return str.__str__(self._text)  # it may be a HiddenSetting

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return _HIDDEN

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled or copied; make a new one where it is needed")


class HiddenStr(str):
    """The value of a header that holds a secret: the text for the wire, hidden in every repr.

    Libraries pass header values around as ``str`` and keep them in local variables; a traceback prints those by
    their repr. A copy is hidden too; it is not pickled, which would write the text to a file or a network.

    >>> {"Authorization": HiddenStr("BEARER authToken=abc")}
    {'Authorization': '<secret>'}
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{_HIDDEN}'"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "a secret is not pickled; give it where it is needed, as by HSFRAME_PASSWORD in its environment"
        )


class HiddenSetting(HiddenStr):
    """A setting that is or holds a secret, where a person may come upon it: hidden also when it is printed.

    A :class:`Secret` of it has the text. The value of a header must not be one: HTTP libraries take ``str()`` of it.

    >>> f"{HiddenSetting('s3cret')}", str(HiddenSetting("s3cret")), "%s" % HiddenSetting("s3cret")
    ('<secret>', '<secret>', '<secret>')
    """

    __slots__ = ()

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, _: str) -> str:
        return _HIDDEN


def hidden(value: Any) -> Any:
    """The same, hidden: a text as a text still; what should have been one, for :func:`check_texts` to refuse.

    Nothing raises before all is hidden: the frame that raises shows its arguments.
    """
    if value is None or isinstance(value, HiddenSetting):
        return value
    return HiddenSetting(value) if isinstance(value, str) else Secret(value)


def hidden_headers(headers: Any) -> Any:
    """The headers with hidden values; what is no mapping, hidden as a whole."""
    if not isinstance(headers, Mapping):
        return hidden(headers)
    return {name: HiddenStr(value) if isinstance(value, str) else hidden(value) for name, value in headers.items()}


def check_texts(headers: object = None, **settings: object) -> None:
    """Raise a MetadataError for what is no text or cannot be sent, by the name of the setting; it may be a secret."""
    if not (headers is None or isinstance(headers, Mapping)):
        raise MetadataError("headers must be a mapping of names to texts, as {'X-Api-Key': '...'}")
    names = {
        f"the header {name!r}" if isinstance(name, str) else "the name of a header": (name, value)
        for name, value in (headers or {}).items()
    }
    for what, value in (settings | names).items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(part is None or isinstance(part, str) for part in parts):
            raise MetadataError(f"{what} must be a text (str)")
        if any(part and _HALF.search(part) for part in parts):
            raise MetadataError(f"{what} holds half of a surrogate pair, which is no character and cannot be sent")
        if (what == "token" or what in names) and any(part and _CONTROL.search(part) for part in parts):
            raise MetadataError(f"{what} must be one line; it holds a line break or another control character")


def basic_authorization(user: str, password: Secret) -> HiddenStr:
    """The value of an ``Authorization`` header by Basic (RFC 7617)."""
    return HiddenStr("Basic " + b64encode(f"{user}:{password.reveal()}".encode()).decode("ascii"))


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
        return self.redacted(text := body[:_LOOKED_BYTES].decode("utf-8", "replace")) != text

    def redacted(self, text: str) -> str:
        """What a server says, with ``<secret>`` in the place of each secret."""
        return self._without(text, lambda _: False)

    def redacted_file(self, text: str) -> str:
        """The same for what is kept in a file: also without tokens that are encoded, which takes longer to look for."""
        return self._without(text, lambda _: False, is_kept=True)

    def redacted_message(self, text: str) -> str:
        """A whole message: without the secrets, but for those that its own words may hold, of letters or in the uri.

        Taken out of "the server says", a password would be known to be "server".
        """
        return self._without(text, lambda found: found.isalpha() or found.lower() in self._uri)

    def _known(self, is_kept: bool) -> Iterator[_Form]:
        for secret in (*self._own, *self._texts):
            yield from self._escaped(secret)
        for secret in (*self._own, *(self._texts if is_kept else ())):
            yield from self._encoded(secret)

    def _without(self, text: str, is_shown: Callable[[str], bool], is_kept: bool = False) -> str:
        if len(text) < _SHORTEST:  # as the "OK" of each answer
            return text
        parts, end = list[str](), 0
        spans = (span for form in self._known(is_kept) for span in form.spans(text))
        for at, to in sorted(span for span in spans if not is_shown(text[slice(*span)])):  # which may overlap
            parts += [text[end:at], "\0"]
            end = max(end, to)
        return re.sub("\0+", _HIDDEN, "".join([*parts, text[end:]])) if parts else text

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
                    link.grid = Grid(self._cleaned(link.grid.meta), link.grid.cols, link.grid.columns)
            raise

    def redacted_error(self, grid: Grid) -> Grid:
        """An error grid, or one marked as incomplete, without secrets; any other as it is: they are data."""
        if grid.is_error:
            grid = Grid(grid.meta, grid.cols, [self._cleaned(list(cells)) for cells in grid.columns])
        elif not {"incomplete", "more"} & grid.meta.keys():
            return grid
        return Grid(self._cleaned(grid.meta), grid.cols, grid.columns)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        if isinstance(value, Mapping):
            return {name: self._cleaned(item) for name, item in value.items()}
        shown = self.redacted(text := value if isinstance(value, str) else repr(value))
        return shown if isinstance(value, str) else value if shown == text else _HIDDEN


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
        one = rf"(?:{slash}(?:{_SLASHES}{slash}){{{more},{more + _MOST}}}?|(?<=\\)\\??){_SLASHES}{one}"
    return one


@lru_cache(512)
def _character(character: str) -> str:
    """A pattern of a character in either case: escaped, as bytes of UTF-8 also read as others, or as surrogates."""
    cased = {character, character.lower(), character.upper()}
    ways = [_one_of("".join(sorted(one for one in cased if len(one) == 1)).replace(" ", " +"))]
    for one in cased:
        pieces = [list(one)]
        if not one.isascii():
            pieces.append([chr(byte) + bytes([byte]).decode("cp1252", "ignore") for byte in one.encode()])
            utf_16 = array("H", one.encode("utf-16"))[1:]
            pieces.append([chr(unit) for unit in utf_16])
        ways += (_SLASHES.join(map(_one_of, piece)) for piece in pieces if len(piece) > 1)
    return f"(?:{'|'.join(ways)})"


@lru_cache(512)
def _one_of(characters: str) -> str:
    """A pattern of one of some characters: itself, or as uris, JSON, programs and HTML escape it."""
    numbers = ("d", "02x", "04x", "08x")
    tens, two, four, eight = ("|".join(format(ord(one), way) for one in characters) for way in numbers)
    wanted = set(characters)
    names = "".join("|" + name for name, value in html5.items() if value in wanted and name.endswith(";"))
    ways = [
        rf"%(?:25){{0,{_MOST}}}(?i:{two}|u(?:{four}))",
        rf"\\(?i:x(?:{two})|u(?:{four})|u(?:{eight})|[ux]\{{0{{0,6}}(?:{two})\}})",
        rf"&(?:amp;){{0,{_MOST}}}(?:#(?:0{{0,6}}(?:{tens})|(?i:x0{{0,6}}(?:{two})));{names})",
    ]
    ways += map(re.escape, characters)
    return f"(?:{'|'.join(ways)})"


def _inside(text: str) -> tuple[str, ...]:
    """The password of a Basic login, or else what a text of base64 holds, and its proof; nothing of another text."""
    bare = text.rstrip("=")
    with suppress(ValueError):
        inside = urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()
        proof = inside.rpartition(",p=")[2] if inside.startswith("c=") else ""
        return inside.partition(":")[2] or inside, proof
    return ()
