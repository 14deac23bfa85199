"""Texts that must not be shown: in a repr, a log line, or the local variables of a traceback."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from hsframe.errors import MetadataError

__all__ = ["HiddenStr", "Secret", "basic_authorization", "check_texts", "hidden", "hidden_headers"]


_HALF: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Secret:
    """A password or a token; only :meth:`reveal` gives it out.

    Call `reveal` inside the expression that needs it, so that no local variable of a traceback holds the text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled or copied; make a new one where it is needed")


class HiddenStr(str):
    """The value of a header that holds a secret: the text for the wire, hidden in every repr.

    Libraries pass header values around as ``str`` and keep them in local variables; a traceback prints those by
    their repr.

    Examples
    --------
    >>> {"Authorization": HiddenStr("BEARER authToken=abc")}
    {'Authorization': '<secret>'}
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<secret>'"


def hidden(value: Any) -> Any:
    """The same, hidden: a text as a text still; what should have been one, for :func:`check_texts` to refuse.

    Nothing raises before all is hidden: the frame that raises shows its arguments.
    """
    return value if value is None else HiddenStr(value) if isinstance(value, str) else Secret(value)


def hidden_headers(headers: Any) -> Any:
    """The headers with hidden values; what is no mapping, hidden as a whole."""
    if not isinstance(headers, Mapping):
        return hidden(headers)
    return {name: hidden(value) for name, value in headers.items()}


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
