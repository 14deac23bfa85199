"""What is sent again, when, and for how long; docs/how-to/when-something-goes-wrong.md has the table.

A server that is busy or away gets a few requests in all, however many points a verb reads: the requests of one verb
share its deadline, and what they find out about the server. Of those that fail at the same time one asks again, after
pauses that grow, and the others wait for its answer. Where it gives up the others do, and nothing more is sent again
until the server has answered something.

A request may also fail because it asks for too much. So ``about`` is asked beside a hisRead that keeps failing: if that
is answered, the planner makes the request smaller; if not, the server is down, and the planner sends nothing more. A
request that `IS_SMALLEST` needs no such question, and gets the whole patience.

That a verb waits, and until when, is in the log and in the bar of a read (:func:`waiting`).
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeVar

from hsframe.caller_warnings import cleaned
from hsframe.client.request_log import LoggedRequest, log_wait
from hsframe.durations import SECOND_US, Duration, duration_us
from hsframe.errors import (
    ConnectionLostError,
    HTTPStatusError,
    MetadataError,
    NetworkError,
    NotConnectedError,
    RequestTimeoutError,
)
from hsframe.protocol.http import HttpAnswer
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.request_grids import Op

_T = TypeVar("_T")

DEFAULT_RETRIES: Final = 4
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
# A longer wait that a server asks for needs a deadline, which says that the caller has the time.
_LONGEST_WAIT_S: Final = 60.0
# A request that runs out of time may ask for too much: it is not sent again and again, with 30 s each time.
_LONGEST_SLOW_S: Final = 60.0
_YEAR_S: Final = 365 * 86_400.0


class _Fault(NamedTuple):
    """What may be sent again after a failure, and what the reason may be.

    The server has not run the request: any op may; or nobody knows: those that do no harm a second time, or, as the
    server may be at it still and store old samples over newer ones, those that only read. The reason is the server, or
    the size of the request: hardly ("load"), if it fails a second time ("size"), or at once ("time").
    """

    again: Literal["any", "harmless", "reads"]
    cause: Literal["server", "load", "size", "time"]

    def allows(self, op: Op) -> bool:
        return self.again == "any" or op.get or (op.repeatable and self.again == "harmless")


_FAULTS: Final[Mapping[int | type[NetworkError], _Fault]] = {
    NotConnectedError: _Fault("any", "server"),
    429: _Fault("any", "server"),
    503: _Fault("harmless", "load"),
    502: _Fault("harmless", "size"),
    ConnectionLostError: _Fault("harmless", "size"),
    504: _Fault("reads", "size"),
    RequestTimeoutError: _Fault("reads", "time"),
}


def _fault(outcome: object) -> tuple[_Fault | None, float | None]:
    """The fault of an answer or an error, if it is one that may pass; and how long the server asks to wait."""
    if isinstance(outcome, HttpAnswer):
        # What the op itself has failed at fails again, whatever the status.
        fault = _FAULTS.get(outcome.meant_status) if outcome.error_grid is None else None
        return fault, outcome.retry_after_s
    if isinstance(outcome, HTTPStatusError):
        return _FAULTS.get(outcome.status), outcome.retry_after_s
    return next((_FAULTS[kind] for kind in _FAULTS if isinstance(kind, type) and isinstance(outcome, kind)), None), None


@dataclass
class Patience:
    """What the requests of one verb share: its deadline, and what they found out.

    One request is sent again `retries` times. What was found out holds until something is answered: `is_large`, that
    other ops are answered, and nothing that can be made smaller is sent again; `is_spent`, that nothing is sent again;
    `is_down`, that a smaller request would have failed too. `requests` and `bytes` count what was sent and answered,
    but for logins.
    """

    retries: int
    deadline_s: float | None = None
    is_large: bool = False
    is_spent: bool = False
    is_down: bool = False
    requests: int = 0
    bytes: int = 0
    waiting: str = ""
    _answers: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _started_s: float = field(default_factory=lambda: _now_s())

    @property
    def left_s(self) -> float:
        return math.inf if self.deadline_s is None else max(self._started_s + self.deadline_s - _now_s(), 0.0)

    async def answer(
        self,
        op: Op,
        send: Callable[[], Awaitable[_T]],
        log: LoggedRequest,
        is_there: Callable[[], Awaitable[object]] | None = None,
        *,
        if_busy: bool = False,
    ) -> _T:
        """The answer to what `send` sends, as often as the op may be sent; raises what it raised last.

        `is_there` sends a small request in the place of one that could be made smaller. With `if_busy` nothing is sent
        again that the size of the request may be to blame for.
        """
        first_s, tries, has_turn, is_last = _now_s(), 0, False, False
        try:
            while True:
                outcome = await _outcome(send)
                fault, wait_s = _fault(outcome)
                if fault is None or not fault.allows(op) or (if_busy and fault.cause in ("size", "time")):
                    break
                pause_s = _pause_s(tries) if wait_s is None else wait_s
                if not has_turn:
                    seen = self._answers
                    has_turn = await self._turn.acquire()
                    answers = self._answers
                    if answers != seen:  # another request was answered while this one waited for its turn
                        self._turn.release()
                        pause_s, has_turn = 0.0, False
                if self.is_spent or (self.is_large and (is_there is not None or fault.cause == "time")):
                    break
                if is_last:  # others are answered, and this one has failed once more
                    self.is_large = True
                    break
                if ended := self._end(fault, tries, pause_s, first_s):
                    log.ended = ended if self.retries else ""
                    if self._answers == answers:  # no other request either, since this one has failed
                        is_down = fault.cause == "server" or (fault.cause == "load" and wait_s is not None)
                        self.is_large = not is_down and is_there is not None and await self._is_answered(is_there)
                        self.is_spent = not self.is_large
                        self.is_down = is_down or (is_there is not None and self.is_spent)
                    break
                if is_there is not None and (fault.cause, tries) in (("time", 0), ("size", 1)):
                    is_last = await self._is_answered(is_there)
                    self.is_large = is_last and fault.cause == "time"
                    if self.is_large:
                        break
                why = f"HTTP {outcome.status}" if isinstance(outcome, HttpAnswer) else type(outcome).__name__
                log.fault = f" after {why}"
                if pause_s:
                    self._note_wait(op, why, tries, pause_s)
                await asyncio.sleep(pause_s)
                tries += 1
                log.retries += 1
        finally:
            if has_turn:
                self._turn.release()
                self.waiting = ""
        if isinstance(outcome, NetworkError):
            raise outcome
        if fault is None:
            self._note_answer()
        return outcome

    async def _is_answered(self, is_there: Callable[[], Awaitable[object]]) -> bool:
        if _fault(await _outcome(is_there))[0] is not None:
            return False
        self._note_answer()
        return True

    def _note_wait(self, op: Op, why: str, tries: int, pause_s: float) -> None:
        """Say it to who looks; in the log the first pause, and the long ones that the server asks for."""
        is_first, end = not self.waiting, "" if self.deadline_s is None else f", until {_clock(self.left_s)}"
        # So short that a bar of 80 columns has it all.
        self.waiting = f"waits ({op.name}: {why}), try {tries + 2} of {self.retries + 1} at {_clock(pause_s)}{end}"
        if is_first or pause_s > _LONGEST_PAUSE_S:
            log_wait(self.waiting)

    def _note_answer(self) -> None:
        self._answers += 1
        self.is_large = self.is_spent = self.is_down = False

    def _end(self, fault: _Fault, tries: int, pause_s: float, first_s: float) -> str:
        """Why a request is not sent again, for the message; empty if it is."""
        now_s = _now_s()
        if tries >= self.retries:
            return f"that is retries={self.retries}"
        if pause_s >= self.left_s:
            return f"the next pause would pass the deadline of {self.deadline_s:g} s"
        if self.deadline_s is None and pause_s > _LONGEST_WAIT_S:
            return f"without a deadline= no pause is longer than {_LONGEST_WAIT_S:g} s"
        if fault.again == "reads" and now_s - first_s > _LONGEST_SLOW_S:
            return f"what times out is not repeated for longer than {_LONGEST_SLOW_S:g} s"
        return ""

    @asynccontextmanager
    async def limited(self, where: str) -> AsyncIterator[None]:
        """Cancel the block when the deadline of the verb passes; `where` is the request, for the message."""
        until_s = None if self.deadline_s is None else self._started_s + self.deadline_s
        try:
            if until_s is not None and until_s <= _now_s():
                raise TimeoutError  # nothing is sent
            async with asyncio.timeout_at(until_s):
                yield
            return
        except TimeoutError:
            error = RequestTimeoutError(
                f"{where}: the deadline of {self.deadline_s:g} s for the whole verb has passed; give a longer "
                "deadline=, or ask for less"
            )
        error.is_final = True
        raise error


class Retries:
    """The settings of one client, and the patience of its verb that runs: a verb may be many requests, in many tasks.

    `retries` is how often a request is sent again, `deadline` the seconds (or a duration) that a verb may take. The
    `secrets` are those of the client, which no error and no warning of its verbs holds.
    """

    def __init__(self, retries: int, deadline: Duration | float | None) -> None:
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise MetadataError(f"retries must be a whole number, 0 or more; got {retries!r}")
        self._retries = retries
        self._deadline_s = None if deadline is None else duration_us(deadline, "deadline", plain="s") / SECOND_US
        self.secrets = KnownSecrets()

    def patience(self) -> Patience:
        """The patience of the verb that runs, or a new one for a request by itself."""
        of, patience = _RUNNING.get() or (None, None)
        return patience if of is self and patience is not None else Patience(self._retries, self._deadline_s)

    @contextmanager
    def one_verb(self, *, anew: bool = False) -> Iterator[None]:
        """All requests in the block share one patience, also those of its tasks; a block in a block is part of it.

        With `anew` it is a verb of its own, without a deadline: what is left to do after one.
        """
        patience = Patience(self._retries) if anew else self.patience()
        token = _RUNNING.set((self, patience))
        try:
            with self.secrets.out_of_errors(), cleaned(self.secrets.redacted_message):
                yield
        finally:
            _RUNNING.reset(token)

    def splits(self) -> bool:
        """Whether a request that fails is made smaller: in a verb, unless `IS_SMALLEST`."""
        return (_RUNNING.get() or (None,))[0] is self and not IS_SMALLEST.get()


_RUNNING: Final[ContextVar[tuple[Retries, Patience] | None]] = ContextVar("the verb that runs", default=None)
IS_SMALLEST: Final[ContextVar[bool]] = ContextVar("what is sent cannot be made smaller", default=False)


def waiting() -> str:
    """For whom and until when the verb that runs waits; empty where it does not."""
    return "" if (running := _RUNNING.get()) is None else running[1].waiting


def _clock(after_s: float) -> str:
    """The local time after some seconds, with the day where that is another one."""
    now = datetime.now().astimezone()
    then = now + timedelta(seconds=min(after_s, _YEAR_S))
    return f"{then:%H:%M:%S}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _pause_s(tries: int) -> float:
    """The pause before the next try; other clients of the same server get other lengths."""
    return min(_FIRST_PAUSE_S * 2.0**tries, _LONGEST_PAUSE_S) * random.uniform(0.5, 1)  # noqa: S311 - no secret


async def _outcome(send: Callable[[], Awaitable[_T]]) -> _T | NetworkError:
    try:
        return await send()
    except NetworkError as error:
        return error
