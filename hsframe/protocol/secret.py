"""Texts that must not be shown: in a repr, a log line, or the local variables of a traceback."""

from __future__ import annotations

import html
import json
import re
from array import array
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from os.path import commonprefix
from typing import Any, Final, Self
from urllib.parse import unquote_to_bytes

from hsframe.errors import CallError, HsFrameError, MetadataError, chain_of
from hsframe.grid import Grid

_HALF: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HIDDEN: Final = "<secret>"
# The parts of a header with credentials, and their names, if they have one.
_PART: Final = re.compile(r"(?:([\w.-]+)=(?![=\s]|$))?([^\s,;\"]+)")
_HEAD_CHARS: Final = 16  # so much of a long secret is not shown either
_SHORTEST: Final = 4  # what is shorter is in too many words
_KEPT: Final = 400
_PIECE: Final = re.compile(r"%([0-9A-Fa-f]{2})|[\x00-$&-\x7f]+|.", re.DOTALL)


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

    A server or a proxy may repeat the headers of a request in its error, also cut off somewhere, or as a uri or a form
    has it. So all texts are compared as `_decoded` gives them.
    """

    def __init__(self) -> None:
        self._texts: deque[HiddenStr] = deque(maxlen=_KEPT)
        self._own: list[HiddenStr] = []
        self._uri = ""

    def add_own(self, secret: Secret, user: str = "", uri: str = "") -> None:
        """A password or a token, which a server may know and show without having been sent it: SCRAM sends a proof.

        What is shown of a connection anyway, its `user` and its `uri`, is no secret.
        """
        self._uri = uri
        if not secret or secret.reveal() == user:  # as the password of a demo may be
            return
        for form in (str, _base64, _base64url, html.escape, _in_json, _in_php_json, _hex, _upper_hex):
            self._own += _compared(form(secret.reveal()))
        self._own += _compared(_base64(f"{user}:{secret.reveal()}"))

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
                    parts = [("", str(value))] if isinstance(value, HiddenStr) else []
            for part, text in parts:
                if part.lower() not in ("username", "hash"):  # which are no secrets
                    found = (form for one in (text, *_inside(text)) for form in _compared(one))
                    self._texts += (form for form in found if form not in self._texts)

    def is_in(self, body: bytes) -> bool:
        decoded = unquote_to_bytes(body).replace(b"+", b" ")
        return any(text[:_HEAD_CHARS].encode("latin-1") in decoded for text in (*self._own, *self._texts))

    def redacted(self, text: str) -> str:
        """What a server says, with ``<secret>`` in the place of each secret."""
        return _without({*self._own, *self._texts}, text)

    def redacted_message(self, text: str) -> str:
        """A whole message: without the secrets, but for those that its own words may hold, of letters or in the uri.

        Taken out of "the server says", a password would be known to be "server".
        """
        return _without({one for one in (*self._own, *self._texts) if not one.isalpha() and one not in self._uri}, text)

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


def _without(secrets: Iterable[str], text: str) -> str:
    (decoded, places), spans, parts, end = _decoded(text), list[tuple[int, int]](), list[str](), 0
    for secret in secrets:
        at = -1
        while (at := decoded.find(secret[:_HEAD_CHARS], at + 1)) >= 0:
            same = commonprefix([decoded[at : at + len(secret)], secret])  # noqa: RUF071 - characters, not folders
            spans.append((places[at], places[at + len(same)]))
    if not spans:
        return text
    for at, to in sorted(spans):  # which overlap: the forms of a secret begin alike
        parts += [text[end:at], "\0"]
        end = max(end, to)
    return re.sub("\0+", _HIDDEN, "".join([*parts, text[end:]]))  # at the end: "secret" may be one


def _inside(text: str) -> tuple[str, ...]:
    """The password of a Basic login, or else what a text of base64 holds, and its proof; nothing of another text."""
    bare = text.rstrip("=")
    with suppress(ValueError):
        inside = urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()
        proof = inside.rpartition(",p=")[2] if inside.startswith("c=") else ""
        return inside.partition(":")[2] or inside, proof
    return ()


def _decoded(text: str) -> tuple[str, array[int]]:
    """The bytes of a text, each as a character, without the escapes of uris and forms; and where each begins in it."""
    parts, places = list[str](), array("Q")
    for piece in _PIECE.finditer(text):
        code = piece[1]
        parts.append(chr(int(code, 16)) if code else piece[0].encode("utf-8", "surrogatepass").decode("latin-1"))
        is_run = len(parts[-1]) == len(piece[0])
        places.extend(range(*piece.span()) if is_run else [piece.start()] * len(parts[-1]))
    places.append(len(text))
    return "".join(parts).replace("+", " "), places


def _compared(secret: str) -> list[HiddenStr]:
    """A secret as texts have it that are compared: as it is sent in a uri, or by itself, if it is long enough."""
    forms = {_decoded(secret)[0], _decoded(secret.replace("%", "%25"))[0]}
    return [HiddenStr(form) for form in forms if len(form) >= _SHORTEST]


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode().rstrip("=")


def _base64url(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _in_php_json(text: str) -> str:
    return _in_json(text).replace("/", "\\/")


def _hex(text: str) -> str:
    return text.encode().hex()


def _upper_hex(text: str) -> str:
    return _hex(text).upper()
