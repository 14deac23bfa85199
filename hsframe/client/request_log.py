"""The one log line of a request: what it was, how large, how long, how often; never a header, never a secret.

One that has to wait for the server has another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hsframe.errors import HsFrameError, NetworkError

_log: Final = logging.getLogger("hsframe")
WAITS: Final = logging.getLogger("hsframe.waits")


@dataclass
class LoggedRequest:
    """What is counted while a request runs; `fault` is why it was sent again, `ended` why it is not."""

    bytes: int = 0
    retries: int = 0
    fault: str = ""
    ended: str = ""
    outcome: str = "ok"
    silent: bool = False


def log_wait(what: str) -> None:
    """Log that a request waits to be sent again; its own line comes when it ends."""
    WAITS.info(what)


@contextmanager
def logged(op: str, points: int = 0, *, unfinished: str = "cancelled") -> Iterator[LoggedRequest]:
    """Log one line when the block ends; `unfinished` is the outcome of one that neither ended nor failed.

    A NetworkError says how often the request was sent, how long that took, and why not longer.
    """
    request = LoggedRequest()
    started_s = time.perf_counter()
    outcome = unfinished
    try:
        yield request
        outcome = request.outcome
    except HsFrameError as error:
        outcome = type(error).__name__
        if isinstance(error, NetworkError) and (request.retries or request.ended):
            times = f"{request.retries + 1} times" if request.retries else "once"
            took = f"{time.perf_counter() - started_s:.1f} s"
            error.args = (f"{error} (sent {times} in {took}{request.ended and '; '}{request.ended})",)
        raise
    finally:
        ms = (time.perf_counter() - started_s) * 1000
        if not request.silent:
            _log.info(
                "%s points=%d bytes=%d ms=%.1f retries=%d%s %s",
                op, points, request.bytes, ms, request.retries, request.fault, outcome,
            )  # fmt: skip
