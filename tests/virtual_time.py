"""An hour of pauses in a second: an event loop whose clock jumps to the next timer where nothing else goes on.

Sockets, threads and all that is computed are real; only waiting is not. So the pauses and time-outs of a test are those
that users have, and none of them depends on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

# What was sent through a socket of this machine is there at once.
_QUIET_S = 0.005


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.skipped_s = 0.0
        self.in_threads = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return super().time() + self.skipped_s

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: object) -> None:
        self.in_threads -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]  # one class or another
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= _QUIET_S or self._loop.in_threads:
            return super().select(timeout)
        events = super().select(_QUIET_S)
        if not events:
            self._loop.skipped_s += timeout - _QUIET_S
        return events


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` with that loop, and the pauses that users have."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=_Loop) as runner:
        patch.setattr("hsframe.client.retries._FIRST_PAUSE_S", 0.2)
        patch.setattr("hsframe.history.write._BATCH_PAUSES_S", (0.0, 0.25, 0.75, 1.5))
        return runner.run(main)
