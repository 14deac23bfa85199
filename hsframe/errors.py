"""The tree of errors.

::

    HsFrameError
    ├── AuthError             the login was refused, or the server could not prove itself
    ├── NetworkError          no usable answer came over HTTP
    │   ├── NotConnectedError nothing answers there: the server has not seen the request
    │   ├── ConnectionLostError
    │   ├── RequestTimeoutError
    │   └── HTTPStatusError   an HTTP status other than success, or a JSON error in place of a grid
    ├── CallError             the server answered with an error grid
    │   ├── UnknownRecError   ids that the server does not know
    │   ├── IncompleteError   an answer without all that was asked for
    │   └── OtherPointError   the history of another point
    ├── CodecError            bytes that are not what their format promises
    │   └── TruncatedBodyError   an answer that ends too early; a ConnectionLostError too
    ├── UnitError             units that cannot be mixed or converted
    ├── ZoneError             a time zone that is unknown or missing
    ├── SpanError             a span or a length of time that cannot be understood
    └── MetadataError         a point, a column or a setting that is missing or ambiguous

None of them derives from ``ValueError`` or ``KeyError``: a stray ``except ValueError`` must not catch them.
A message says what happened, where, what was expected and what to do. No message holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from hsframe.tracebacks import rendered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hsframe.grid import Grid


_SHOWN_CHARS: Final = 300


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, each once: a chain may go round, as a failed login is the error of many calls."""
    seen = list[BaseException]()
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def in_short(text: str, end: int = 0) -> str:
    """What another program says, as a message has it: the first 300 characters, and so many of its `end`."""
    return text if len(text) <= _SHOWN_CHARS + end else f"{text[:_SHOWN_CHARS]}...{text[len(text) - end :]}"


class HsFrameError(Exception):
    """The root of all errors of this package.

    Attributes
    ----------
    report : DataFrame or None
        Of an error that interrupted or refused a write or a removal: what was stored, one row per point
        (:meth:`hsframe.Session.his_write`).
    is_final : bool
        Whether other requests of the same verb would fail too: the server was found down, or the deadline has passed.
    """

    report: Any = None
    is_final: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        # By the message and the attributes: Exception would call the class, which may need more than its message.
        return type(self).__new__, (type(self), *self.args), vars(self)

    def _render_traceback_(self) -> list[str]:
        return rendered(self)


class AuthError(HsFrameError):
    """The login was refused, or the server could not prove that it knows the password.

    The message names the user and the uri, never the password, a token or a proof.

    Parameters
    ----------
    message : str
        What happened, where, and what to do.
    refused : bool
        Whether the server refused a password, its proof or a token. The client does not send the same again at once:
        some servers lock a user out after a few attempts.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class NetworkError(HsFrameError):
    """No usable answer came over HTTP: no connection, a broken body, a page that is not a Haystack answer."""


class RequestTimeoutError(NetworkError):
    """A request was not answered in time."""


class ConnectionLostError(NetworkError):
    """The connection broke before the whole answer was there; the server may or may not have run the op."""


class NotConnectedError(NetworkError):
    """No connection was made: the server has not seen the request."""


class HTTPStatusError(NetworkError):
    """The server answered with an HTTP status other than success, or with a JSON error in place of a grid.

    Parameters
    ----------
    message : str
        What happened, where, and what to do.
    status : int
        The HTTP status code; 2xx where the body is a JSON error.
    url : str
        The address that was asked, without credentials.
    reason : str
        The text that the server sent with the code, or in the JSON error.
    retry_after_s : float or None
        Seconds that the server asks to wait (``Retry-After``).
    """

    def __init__(
        self, message: str, *, status: int, url: str, reason: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.url = url
        self.reason = reason
        self.retry_after_s = retry_after_s


class CallError(HsFrameError):
    """The server ran the op and answered with an error grid (standard: Ops, section Errors), or an ApiErr of the op.

    Parameters
    ----------
    message : str
        What happened and where.
    grid : Grid or None
        The error grid itself, or one that says the same as the ApiErr.
    """

    def __init__(self, message: str, grid: Grid | None = None) -> None:
        super().__init__(message)
        self.grid = grid

    @property
    def dis(self) -> str:
        """The server's own words: ``dis`` of the error grid."""
        return self._meta_text("dis")

    @property
    def trace(self) -> str:
        """The server's stack trace, where it sent one: ``errTrace``."""
        return self._meta_text("errTrace")

    @property
    def err_type(self) -> str:
        """The server's class of the error, where it sent one: ``errType``."""
        return self._meta_text("errType")

    def _meta_text(self, name: str) -> str:
        value = None if self.grid is None else self.grid.meta.get(name)
        return "" if value is None else str(value)


class UnknownRecError(CallError):
    """The server does not know some of the ids that were asked for.

    Parameters
    ----------
    message : str
        What happened and where.
    ids : sequence of str
        The unknown ids, without ``@``.
    grid : Grid or None
        The server's answer, where there was one.
    """

    def __init__(self, message: str, *, ids: Sequence[str] = (), grid: Grid | None = None) -> None:
        super().__init__(message, grid)
        self.ids = tuple(ids)


class IncompleteError(CallError):
    """The server marks its answer as cut (meta ``incomplete`` or ``more``), or points of a batch are missing in it."""


class OtherPointError(CallError):
    """A history is of another point than the one that was asked for."""


class _CodecDetails(TypedDict, total=False):
    line: int | None
    column: int | None
    snippet: str
    expected: str
    source: str
    limit: str


class CodecError(HsFrameError):
    """Bytes or text that are not what their format promises.

    Parameters
    ----------
    problem : str
        What is wrong.
    line, column : int or None
        The place, both counted from 1; columns are counted in characters.
    snippet : str
        The text around the place.
    expected : str
        What the grammar allows there.
    source : str
        The format: ``"zinc"``, ``"json v4"``, ``"filter"``, ...
    limit : str
        The name of the limit that an answer is beyond (:class:`hsframe.Limits`); of any other problem empty.
    """

    def __init__(
        self,
        problem: str,
        *,
        line: int | None = None,
        column: int | None = None,
        snippet: str = "",
        expected: str = "",
        source: str = "",
        limit: str = "",
    ) -> None:
        self.problem = problem
        self.line = line
        self.column = column
        self.snippet = snippet
        self.expected = expected
        self.source = source
        self.limit = limit
        place = ""
        if line is not None:
            place = f" at line {line}" + ("" if column is None else f", column {column}")
        text = f"{source + ': ' if source else ''}{in_short(problem, _SHOWN_CHARS)}{place}"
        if snippet:
            text += f", near {in_short(snippet)!r}"
        if expected:
            text += f"; expected {expected}"
        super().__init__(text)

    def changed(self, **details: Unpack[_CodecDetails]) -> CodecError:
        """The same problem with other details, for a caller who knows more of its place."""
        own: dict[str, Any] = {name: getattr(self, name) for name in _CodecDetails.__annotations__}
        return CodecError(self.problem, **{**own, **details})


class TruncatedBodyError(CodecError, ConnectionLostError):
    """The body ended early: both a lost connection and a malformed body."""


class UnitError(HsFrameError):
    """Units that cannot be mixed, compared or converted."""


class ZoneError(HsFrameError):
    """A time zone that is unknown, or a time without one."""


class SpanError(HsFrameError):
    """A span or a length of time that cannot be understood."""


class MetadataError(HsFrameError):
    """A point, a column or a setting that is missing or ambiguous."""


class ZoneWarning(UserWarning):
    """Points of several zones in one index; offsets that contradict their zone, zone files that are old."""


class GapWarning(UserWarning):
    """Intervals without a value since samples are too far apart, sums of which samples may lack, days in no row."""


class UnitWarning(UserWarning):
    """Histories in a unit that measures something else than that of the point's record; units with a wrong name."""


class LoginWarning(UserWarning):
    """A server that wants no login, though a user was named: it answers everyone, or another one answers."""


class ReadWarning(UserWarning):
    """A frame is not all that was asked for: points, texts or readings are left out, or digits are lost.

    Or it does not know what was read, as after ``join`` of two reads. Which points, and why, is in ``df.hs.catalog``.
    """


class WriteWarning(UserWarning):
    """What was edited in a frame is not all sent, or refers to a record that is not there."""


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise a MetadataError where a parameter is none of its choices."""
    if value not in choices:
        *others, last = map(repr, choices)
        raise MetadataError(f"{name}={value!r} is unknown; expected {', '.join(others)} or {last}")
