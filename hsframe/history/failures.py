"""What a failed read means: the request was too large, one of its points is bad, or neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from hsframe.errors import (
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    NetworkError,
    RequestTimeoutError,
    UnknownRecError,
)
from hsframe.history.plan import Request
from hsframe.kinds import Ref
from hsframe.protocol.answers import named
from hsframe.protocol.http import ConnectionLostError, TruncatedBodyError

_LIMIT_WORDS: Final = re.compile(r"limit|too many|too large|exceed|time[d ]*-?out", re.IGNORECASE)
_POINT_WORDS: Final = re.compile(r"\b(points?|ids?|recs?|records?|refs?|entit(y|ies))\b", re.IGNORECASE)
_ROW_WORDS: Final = re.compile(r"\b(rows?|samples?|values?|items?|cells?|bytes)\b", re.IGNORECASE)
# Words for an error of the caller, which a smaller request would make too; IllegalArgumentException, sys::ArgErr.
_CALLER_WORDS: Final = re.compile(
    r"arg(ument)?s?\W*(err|exception|\b)|parse\s*(err|exception)|syntax\s*err|bad request|"
    r"\b(invalid|illegal|unknown|unsupported|malformed|missing|bad)\s+(col|date|filter|func|id|name|op|param|range|zone)",
    re.IGNORECASE,
)
# How often a request is halved before it is given up: often if the error mentions a limit, seldom if it may have
# another cause, because a server that is down must not get a thousand requests.
_HALVINGS: Final = 24
_HALVINGS_ON_SUSPICION: Final = 5


def halvings_after(error: HsFrameError) -> int:
    """How often to halve a request that failed with this error; 0 if smaller requests would fail in the same way."""
    if isinstance(error, UnknownRecError) or error.is_final:
        return 0
    if isinstance(error, IncompleteError):
        return _HALVINGS
    if isinstance(error, CallError):
        return _HALVINGS if _LIMIT_WORDS.search(_words(error)) else 0
    if isinstance(error, HTTPStatusError):
        if error.status == 413 or (error.status in (200, 400) and _LIMIT_WORDS.search(error.reason)):
            return _HALVINGS  # the reason may come from a JSON error body
        if error.status == 500 and _CALLER_WORDS.search(error.reason) and not _LIMIT_WORDS.search(error.reason):
            return 0
        return _HALVINGS_ON_SUSPICION if error.status >= 500 else 0
    if isinstance(error, RequestTimeoutError | CodecError | TruncatedBodyError | ConnectionLostError):
        return _HALVINGS_ON_SUSPICION
    return 0


def may_be_too_large(error: HsFrameError) -> bool:
    return halvings_after(error) > 0


def is_limit_of_points(error: HsFrameError) -> bool:
    """Whether the error mentions a limit of points, not of rows."""
    words = _words(error) if isinstance(error, CallError) and not isinstance(error, IncompleteError) else ""
    return bool(_LIMIT_WORDS.search(words) and _POINT_WORDS.search(words) and not _ROW_WORDS.search(words))


def may_come_from_a_point(error: HsFrameError) -> bool:
    return isinstance(error, CallError | HTTPStatusError | CodecError) and not error.is_final


def likeness(error: HsFrameError, ids: Iterable[str]) -> object:
    """Equal for errors that say the same, whichever of the points they name."""
    if halvings_after(error) == _HALVINGS_ON_SUSPICION:
        return _HALVINGS_ON_SUSPICION  # a gateway says now this, now that
    words = _words(error) if isinstance(error, CallError) else getattr(error, "reason", "")
    for name in sorted(ids, key=len, reverse=True):
        words = words.replace(name, "@")
    # Numbers, and what a server makes up for each error: java.lang.Object@361d52e3, ref 45ad8fc37c07.
    return type(error), re.sub(r"\b[0-9a-f]*[0-9][0-9a-f]*\b", "0", words, flags=re.IGNORECASE)


def may_still_run(error: HsFrameError) -> bool:
    """Whether the server may still be busy with the request that failed: it has not answered, at most a gateway has."""
    if isinstance(error, HTTPStatusError):
        return error.status in (502, 504)
    return isinstance(error, NetworkError)


def _words(error: CallError) -> str:
    return f"{error.err_type} {error.dis}"


def with_point(error: HsFrameError, request: Request) -> HsFrameError:
    """The error with the point in its message, if the server refused a single point."""
    point = request.records[0].point
    if len(request.records) > 1 or not isinstance(error, CallError) or f"@{point.id}" in str(error):
        return error
    text = f"hisRead of {point} over {request.asked}: {error}"
    if isinstance(error, UnknownRecError):
        return UnknownRecError(text, ids=error.ids, grid=error.grid)
    return type(error)(text, error.grid)


def combined_error(errors: Mapping[str, BaseException], total: int) -> BaseException:
    """One error for several points, by id; it names all of them if the server refused each."""
    first = next(iter(errors.values()))
    if len(errors) == 1 or not all(isinstance(error, CallError) for error in errors.values()):
        return first
    ids = named([Ref(ident) for ident in errors])
    error = CallError(
        f"the server refused to read {len(errors)} of {total} points: {ids}; the error of the first: {first}",
        getattr(first, "grid", None),
    )
    error.__cause__ = first
    return error
