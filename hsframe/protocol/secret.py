"""Texts that must not be shown: in a repr, a log line, or the local variables of a traceback."""

from __future__ import annotations

from base64 import b64encode

__all__ = ["HiddenStr", "Secret", "basic_authorization"]


class Secret:
    """A password or a token; only :meth:`reveal` gives it out.

    Call `reveal` inside the expression that needs it, so that no local variable of a traceback holds the text.

    Examples
    --------
    >>> Secret("s3cret")
    <secret>
    >>> f"{Secret('s3cret')}"
    '<secret>'
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


def basic_authorization(user: str, password: Secret) -> HiddenStr:
    """The value of an ``Authorization`` header by Basic (RFC 7617)."""
    return HiddenStr("Basic " + b64encode(f"{user}:{password.reveal()}".encode()).decode("ascii"))
