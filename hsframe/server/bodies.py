"""The bodies of requests: each may take so long to arrive; past some memory of all together few are read at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Final

from aiohttp import web

from hsframe.server.refusal import HttpRefusal

_MAX_S: Final = 120.0
# Of all clients together. It counts what has come, not what is announced: who sends a byte now and then leaves room.
_MOST_HELD: Final = 128 * 2**20
_AT_ONCE: Final = 4  # are read past that
_SMALL: Final = 2**16  # is always read


class Bodies:
    """The bytes that have arrived of requests that are not answered yet."""

    def __init__(self) -> None:
        self.held = 0
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def read(self, request: web.Request) -> AsyncIterator[bytes]:
        """The body of a request, which counts until the block ends."""
        most, body, has_turn = request.client_max_size, BytesIO(), False
        try:
            _check_size(request.content_length or 0, most)  # said at once
            try:
                async with asyncio.timeout(_MAX_S) as limit:
                    async for part in request.content.iter_any():
                        self.held += body.write(part)
                        _check_size(body.tell(), most)
                        if not has_turn and body.tell() > _SMALL and self.held > _MOST_HELD:
                            limit.reschedule(None)  # it is not this client that is slow
                            has_turn = await self._turns.acquire()
                            limit.reschedule(asyncio.get_running_loop().time() + _MAX_S)
            except TimeoutError:
                what = f"the body of the request was not here after {_MAX_S:g} s; send less at once"
                raise HttpRefusal(408, what, {"Connection": "close"}) from None
            yield body.getvalue()  # without a copy
        finally:
            self.held -= body.tell()
            if has_turn:
                self._turns.release()


def _check_size(size: int, most: int) -> None:
    if 0 < most < size:
        raise HttpRefusal(413, f"the body has {size:,} bytes or more, and of this op {most:,} are read")
