"""Answers that their clients do not read: they may take so much memory in all, and so long with nothing read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from weakref import WeakKeyDictionary

from aiohttp import web

from hsframe.server.refusal import HttpRefusal

_UNREAD_S: Final = 120.0
# Of all clients together; past it only what is small is answered. The answers themselves are in memory once more.
_MOST_UNREAD: Final = 128 * 2**20
_SMALL: Final = 2**16


class Unread:
    """What is still to be sent on each connection, and since when it has not become less."""

    def __init__(self) -> None:
        self._left: WeakKeyDictionary[asyncio.Transport, tuple[int, float]] = WeakKeyDictionary()

    async def note(self, request: web.BaseRequest, _: web.StreamResponse) -> None:
        """Take note of a connection, before an answer is sent on it."""
        if request.transport is not None:
            self._left.setdefault(request.transport, (0, 0.0))

    def admit(self, size: int) -> None:
        """A refusal where there is no memory for an answer."""
        if size > _SMALL and sum(one.get_write_buffer_size() for one in self._left) > _MOST_UNREAD:
            what = f"clients have {_MOST_UNREAD:,} bytes of answers to read; ask again later, or for less at once"
            raise HttpRefusal(503, what, {"Retry-After": "10"})

    def cut_off_idle(self, now_s: float) -> None:
        """Cut off who has read nothing for too long: aiohttp would wait for ever, also when it closes."""
        for transport, (before, since_s) in list(self._left.items()):
            left = transport.get_write_buffer_size()
            if left == 0 or left < before or before == 0:
                since_s = now_s
            elif now_s - since_s >= _UNREAD_S:
                transport.abort()
            self._left[transport] = left, since_s

    async def _cut_off_again(self) -> None:
        while True:
            self.cut_off_idle(asyncio.get_running_loop().time())
            await asyncio.sleep(_UNREAD_S / 10)

    async def lifespan(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._cut_off_again())
        yield
        task.cancel()
        await asyncio.wait([task])
