"""So many requests at once, and what was begun is ended before more is begun."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["ConcurrencyLimit"]


class ConcurrencyLimit:
    """A semaphore with a queue in which the deeper a request is, the sooner comes its turn.

    A request that failed is cut in halves. Were they to wait behind all that was planned, a server that is down would
    be asked for everything before the first error is final, and one with a limit before the limit is known.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def turn(self, depth: int) -> AsyncIterator[None]:
        """Wait for a place among the requests under way, and keep it in the block."""
        if self._free:
            self._free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (-depth, next(self._numbers), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release()  # it had come, and is not taken
                raise
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        # Not handed on at once: what the same task sends next, the half of a request that failed, goes first.
        self._free += 1
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
