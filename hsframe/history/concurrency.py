"""Limits how many requests run at once; the parts of a request that was split go before new requests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

_T = TypeVar("_T")

# Between the end of a request and the start of the next one the event loop has some steps to run.
_IDLE_STEPS: Final = 10


class ConcurrencyLimit:
    """A semaphore that admits the request with the greatest `depth` (times it was split) first.

    A request that failed is split in halves. If these had to wait until all planned requests were sent, a server that
    is down would get every one of them before the first error is final, and so would one whose limit is not known yet.
    """

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()
        self._wakes = 0
        self._numbers = itertools.count()

    @asynccontextmanager
    async def turn(self, depth: int) -> AsyncIterator[None]:
        """Wait until the request may be sent; the block holds the place."""
        if self._free:
            self._free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (-depth, next(self._numbers), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release()  # its turn had come, but it was cancelled
                raise
        try:
            yield
        finally:
            self._release()

    async def quiet(self) -> bool:
        """Wait until no request runs or waits for its turn: True; or until someone calls :meth:`wake`: False."""
        idle, wakes = 0, self._wakes
        while idle < _IDLE_STEPS and self._wakes == wakes:
            if self._free == self._count and all(turn.done() for _, _, turn in self._waiting):
                idle += 1
                await asyncio.sleep(0)
            else:
                idle = 0
                self._changed.clear()
                await self._changed.wait()
        return self._wakes == wakes

    def wake(self) -> None:
        self._wakes += 1
        self._changed.set()

    def _release(self) -> None:
        # Not handed out at once, so that the same task can ask first: for half of the request that has just failed.
        self._free += 1
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
        if self._free == self._count:
            self._changed.set()


async def all_of(coroutines: Iterable[Coroutine[object, object, _T]]) -> list[_T]:
    """The results of all coroutines; the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]  # there is more than one only if several failed at the same time
    else:
        return [task.result() for task in tasks]
    raise first  # out here, it keeps what led to it; and IPython would show an error after a group in its own way
