"""What a failed read means: it was too large, one of its points is bad, neither, or no request at all would do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from hsframe.client.retries import IS_SMALLEST
from hsframe.durations import SECOND_US
from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    ConnectionLostError,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    NetworkError,
    RequestTimeoutError,
    TruncatedBodyError,
    UnknownRecError,
)
from hsframe.history.plan import Request, Window
from hsframe.kinds import Ref
from hsframe.protocol.answers import named

_LIMIT_WORDS: Final = re.compile(r"limit|too many|too large|exceed|time[d ]*-?out", re.IGNORECASE)
_POINT_WORDS: Final = re.compile(r"\b(points?|ids?|recs?|records?|refs?|entit(y|ies))\b", re.IGNORECASE)
# Words of a server that has not begun to write: who asks may not, or nobody may. Not those that one row may be to blame
# for, as "not allowed" or "unsupported": the rows before it may be stored.
_REFUSED_WORDS: Final = re.compile(r"permission|forbidden|unauthori[sz]ed|access denied|read-?only", re.IGNORECASE)
_ROW_WORDS: Final = re.compile(r"\b(rows?|samples?|values?|items?|cells?|bytes)\b", re.IGNORECASE)
# Words for an error of the caller, which a smaller request would make too; IllegalArgumentException, sys::ArgErr.
_CALLER_WORDS: Final = re.compile(
    r"arg(ument)?s?\W*(err|exception|\b)|parse\s*(err|exception)|syntax\s*err|bad request|"
    r"\b(invalid|illegal|unknown|unsupported|malformed|missing|bad)\s+(col|date|filter|func|id|name|op|param|range|zone)",
    re.IGNORECASE,
)
# With these statuses the server has not run the op.
_NOT_RUN: Final = frozenset((400, 401, 403, 404, 405, 406, 411, 413, 415, 429, 501))
_READ_CHARS: Final = 20_000  # of a server's words
# How often a request is halved before it is given up: often if the error mentions a limit, seldom if it may have
# another cause, because a server that is down must not get a thousand requests.
_HALVINGS: Final = 24
_HALVINGS_ON_SUSPICION: Final = 5
_FAILURES_IN_A_ROW: Final = 4
_FEW_POINTS: Final = 8  # of so small a read each point is asked for anyway


def halvings_after(error: HsFrameError) -> int:
    """How often to halve a request that failed with this error; 0 if smaller requests would fail in the same way."""
    if isinstance(error, UnknownRecError) or error.is_final:
        return 0
    if isinstance(error, IncompleteError):
        return _HALVINGS
    if isinstance(error, CallError):
        return _HALVINGS if _LIMIT_WORDS.search(_words(error)) else 0
    if isinstance(error, CodecError) and error.limit in ("answer_bytes", "cells"):
        return _HALVINGS  # our own limit: an archive asks for ten years, whatever there is of them
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


def is_suspicion(error: HsFrameError) -> bool:
    """Whether smaller requests are tried only because the cause is not known: nothing says that it was too large."""
    return halvings_after(error) == _HALVINGS_ON_SUSPICION


def is_limit_of_points(error: HsFrameError) -> bool:
    """Whether the error mentions a limit of points, not of rows."""
    words = _words(error) if isinstance(error, CallError) and not isinstance(error, IncompleteError) else ""
    return bool(_LIMIT_WORDS.search(words) and _POINT_WORDS.search(words) and not _ROW_WORDS.search(words))


def may_come_from_a_point(error: HsFrameError) -> bool:
    return isinstance(error, CallError | HTTPStatusError | CodecError) and not error.is_final


def likeness(error: HsFrameError, ids: Iterable[str]) -> object:
    """Equal for errors that say the same, whichever of the points they name."""
    if is_suspicion(error):
        return _HALVINGS_ON_SUSPICION  # a gateway says now this, now that
    words = _words(error) if isinstance(error, CallError) else getattr(error, "reason", "")
    for name in sorted(ids, key=len, reverse=True):
        words = words.replace(name, "@")
    # Numbers, and what a server makes up for each error: java.lang.Object@361d52e3, ref 45ad8fc37c07.
    return type(error), re.sub(r"\b[0-9a-f]*[0-9][0-9a-f]*\b", "0", words, flags=re.IGNORECASE)


def is_not_run(error: HsFrameError) -> bool:
    """Whether the server has refused a write before it stored any of it, as from who lacks a role."""
    if isinstance(error, AuthError):
        return True
    if isinstance(error, HTTPStatusError):
        return error.status in _NOT_RUN
    return isinstance(error, CallError) and bool(_REFUSED_WORDS.search(_words(error)))


def may_still_run(error: HsFrameError) -> bool:
    """Whether the server may still be busy with the request that failed: it has not answered, at most a gateway has."""
    if isinstance(error, HTTPStatusError):
        return error.status in (502, 504)
    return isinstance(error, NetworkError)


def _words(error: CallError) -> str:
    return f"{error.err_type[:_READ_CHARS]} {error.dis[:_READ_CHARS]}"


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
    # Whether one fails alone or several at once is a matter of time; the class must not be.
    kind = IncompleteError if all(isinstance(error, IncompleteError) for error in errors.values()) else CallError
    error = kind(
        f"the server refused to read {len(errors)} of {total} points: {ids}; the error of the first: {first}",
        getattr(first, "grid", None),
    )
    error.__cause__ = first
    return error


class Doubts:
    """Looks, after the first failure of a read and after some in a row without an answer, whether any request would do.

    Without it a server whose hisRead is down, while other ops are answered, would get hundreds of ever smaller ones.
    `wholes` have the points of the read, each over the whole span; `failures` is set to 0 by an answer; what is new is
    not sent while somebody is `looking`.
    """

    def __init__(self) -> None:
        self.wholes: Sequence[Request] = ()
        self.failures = _FAILURES_IN_A_ROW
        self.looking = asyncio.Lock()
        self.found: HsFrameError | None = None

    async def look(
        self, error: HsFrameError, request: Request, ask: Callable[[Request], Awaitable[object]]
    ) -> HsFrameError | None:
        """After the failure of a request: the error that all requests would fail with, if they would."""
        self.failures += 1
        async with self.looking:
            few = sum(len(one.records) for one in self.wholes) <= _FEW_POINTS and not may_be_too_large(error)
            is_known = self.found is not None or error.is_final or isinstance(error, AuthError)
            if is_known or few or self.failures < _FAILURES_IN_A_ROW:
                return self.found
            self.failures = 0
            singles = [single for whole in self.wholes for single in whole.in_points()]
            samples = [singles[place] for place in sorted({0, len(singles) // 2, len(singles) - 1})]
            said, first = likeness(error, [record.id for record in request.records]), None
            token = IS_SMALLEST.set(True)
            try:
                for sample in samples:
                    start_us = sample.window.start_us
                    try:
                        await ask(replace(sample, window=Window(start_us, start_us + SECOND_US)))
                        return None
                    except HsFrameError as found:
                        if likeness(found, [sample.records[0].id]) != said:
                            return found if found.is_final else None
                        first = first or found  # it had the whole patience
            finally:
                IS_SMALLEST.reset(token)
        assert first is not None
        names = named([Ref(sample.records[0].id) for sample in samples])
        first.args = (f"{first}; it is so for one second of {names} alone, so nothing more was sent",)
        self.found = first
        return first
