"""One examination: the client, what was seen so far, and one way to ask without any help from fall-backs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hsframe.codecs import decode
from hsframe.codecs.formats import formats_by_start, has_kinds
from hsframe.errors import CallError, CodecError, HsFrameError, HTTPStatusError, RequestTimeoutError
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.protocol.answers import check_answer
from hsframe.protocol.dialects import Dialect, Method
from hsframe.protocol.http import ConnectionLostError, HttpAnswer, http_failure, looks_like_grid

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hsframe.client import Client

__all__ = ["Answer", "Examination", "Finding", "Sample", "Seen", "brief"]

Answer = tuple[str, str]
"""What was found, and what to do about it."""

_BRIEF_CHARS: Final = 160


@dataclass(frozen=True, slots=True)
class Finding:
    """A question, what was found, and what to do about it; no advice where all is well."""

    question: str
    answer: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one exchange: an answer, if any did; its grid, or else the error that a client would raise."""

    answer: HttpAnswer | None
    grid: Grid | None
    error: HsFrameError | None

    @property
    def status(self) -> int:
        """The HTTP status, 0 where no answer came."""
        return 0 if self.answer is None else self.answer.status

    @property
    def format(self) -> str | None:
        """The short name of the format that the body looks to be in; None where it looks like none of ours."""
        body = b"" if self.answer is None else self.answer.body
        possible = formats_by_start(body)
        if "json4" in possible:
            return "json4" if has_kinds(body) else "json3"
        return possible[0] if possible else None

    def rows(self) -> Grid:
        """The grid; where there is none, the error is raised."""
        if self.grid is None:
            assert self.error is not None
            raise self.error
        return self.grid


@dataclass(frozen=True, slots=True)
class Sample:
    """A piece of one point's history, as the server answered it: what the questions about ranges are asked with.

    The ``tz`` of the point is known; the instants are sorted, each once.
    """

    point: Point
    start_us: int
    end_us: int
    ts_us: npt.NDArray[np.int64]


@dataclass
class Examination:
    """The client, which is open, and what was seen so far; one question builds on another's answer.

    `point` is the id of the point to read histories of; None: one is looked for.
    """

    client: Client
    point: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    clock_s: float | None = None
    records: list[Mapping[str, Any]] = field(default_factory=list)
    sample: Sample | None = None
    largest: HttpAnswer | None = None

    @property
    def dialect(self) -> Dialect:
        """What is remembered of the server."""
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
    ) -> Seen:
        """Ask once, and give what came, be it an error."""
        answer: HttpAnswer | None = None
        try:
            answer = await self.client.sender.raw_exchange(
                op, request, method=method, accept=accept, body=body, timeout_s=timeout_s
            )
            if answer.status == 200 and (self.largest is None or len(answer.body) > len(self.largest.body)):
                self.largest = answer
            return Seen(answer, self._grid_of(answer, op, accept), None)
        except HsFrameError as error:
            return Seen(answer, None, error)

    def _grid_of(self, answer: HttpAnswer, op: str, accept: str) -> Grid:
        url = self.client.sender.url(op)
        failure = http_failure(answer, op, url, logged_in=True)
        if failure is not None and not looks_like_grid(answer):
            raise failure
        grid = decode(answer.body, "zinc" if answer.body.startswith(b"ver:") else accept)
        check_answer(grid, op, url)
        return grid


def brief(error: HsFrameError) -> str:
    """An error in a few words, for a cell of a table.

    Examples
    --------
    >>> brief(HTTPStatusError("read at http://...", status=406, url="http://..."))
    'HTTP 406'
    """
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
