"""Texts that must not be shown: in a repr, a log line, or the local variables of a traceback."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, Self

from hsframe.errors import MetadataError

_HALF: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: What is shown in the place of a secret.
HIDDEN: Final = "<secret>"


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
        return HIDDEN

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
        return f"'{HIDDEN}'"

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
        return HIDDEN

    def __format__(self, _: str) -> str:
        return HIDDEN


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
