"""One examination: the client, what was found so far, and a way to ask without fall-backs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hsframe.client.request_log import LoggedRequest
from hsframe.codecs.formats import format_of_body
from hsframe.errors import (
    CallError,
    CodecError,
    ConnectionLostError,
    HsFrameError,
    HTTPStatusError,
    RequestTimeoutError,
)
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.protocol.answers import check_answer
from hsframe.protocol.dialects import Dialect, Method
from hsframe.protocol.http import HttpAnswer
from hsframe.protocol.request_grids import op_of

if TYPE_CHECKING:
    from hsframe.arrays import Instants
    from hsframe.client import Client

Answer = tuple[str, str]
"""The answer to a question, and advice."""

_BRIEF_CHARS: Final = 160


@dataclass(frozen=True, slots=True)
class Finding:
    """A question, its answer, and advice; empty where all is well."""

    question: str
    answer: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one request: the HTTP answer, if one came; its grid, or the error that a client would raise."""

    answer: HttpAnswer | None
    grid: Grid | None
    error: HsFrameError | None

    @property
    def status(self) -> int:
        """The HTTP status, 0 where no answer came."""
        return 0 if self.answer is None else self.answer.status

    @property
    def format(self) -> str | None:
        """The short name of the format of the body, by its content; None for an unknown one."""
        return None if self.answer is None else format_of_body(self.answer.body)

    def rows(self) -> Grid:
        """The grid; without one the error is raised."""
        if self.grid is None:
            assert self.error is not None
            raise self.error
        return self.grid


@dataclass(frozen=True, slots=True)
class HistoryPiece:
    """A piece of one point's history, as the server answered it, for the questions about ranges.

    The ``tz`` of the point is known; the instants are sorted, each once.
    """

    point: Point
    start_us: int
    end_us: int
    ts_us: Instants


@dataclass
class Examination:
    """The client, which is open, and what was found so far; later questions use it."""

    client: Client
    point: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    clock_s: float | None = None
    records: list[Mapping[str, Any]] = field(default_factory=list)
    piece: HistoryPiece | None = None
    range_is_exact: bool | None = None
    largest: HttpAnswer | None = None
    log: LoggedRequest = field(default_factory=LoggedRequest)

    @property
    def dialect(self) -> Dialect:
        return self.client.dialect

    async def ask(
        self,
        op: str,
        request: Grid,
        *,
        method: Method = "POST",
        accept: str = "zinc",
        body: str = "zinc",
        timeout_s: float | None = None,
    ) -> Reply:
        """Send one request; the reply may be an error. That of a server that stays busy is raised: it says nothing."""
        answer, sender = None, self.client.sender
        try:
            answer = await sender.raw_exchange(
                op, request, method=method, accept=accept, body=body, timeout_s=timeout_s, log=self.log
            )
            if answer.status == 200 and (self.largest is None or len(answer.body) > len(self.largest.body)):
                self.largest = answer
            grid = await sender.decoder.grid(answer, op_of(op))
            check_answer(grid, op, sender.url(op))
            return Reply(answer, grid, None)
        except HsFrameError as error:
            if answer is not None and answer.meant_status in (429, 503):
                raise
            return Reply(answer, None, error)


def brief(error: HsFrameError) -> str:
    """An error in a few words, for a cell of a table."""
    if isinstance(error, HTTPStatusError):
        said = "" if error.reason.strip() in ("", str(error.status)) else f" ({error.reason.strip()})"
        text = f"HTTP {error.status}{said}"
    elif isinstance(error, RequestTimeoutError):
        text = "no answer in time"
    elif isinstance(error, ConnectionLostError):
        text = "the connection broke"
    elif isinstance(error, CallError) and error.dis:
        text = f"an error: {error.dis}"
    elif isinstance(error, CodecError):
        text = f"a malformed body: {error.problem}"
    else:
        text = str(error)
    return text if len(text) <= _BRIEF_CHARS else text[: _BRIEF_CHARS - 3] + "..."
