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
# Past `_MOST_HELD` who brings less than `_SMALL` in so long is refused, and so is who has a turn and brings less than
# this: others wait.
_LITTLE: Final = 2**20
_LITTLE_S: Final = 3.0


class Bodies:
    """The bytes that have arrived of requests that are not answered yet."""

    def __init__(self) -> None:
        self.held = 0
        self._turns = _AT_ONCE
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def read(self, request: web.Request) -> AsyncIterator[bytes]:
        """The body of a request, which counts until the block ends."""
        most, body, has_turn = request.client_max_size, BytesIO(), False
        now_s = asyncio.get_running_loop().time
        ends_s = now_s() + _MAX_S
        try:
            _check_size(request.content_length or 0, most)  # said at once
            while not request.content.at_eof():
                before = body.tell()
                try:
                    async with asyncio.timeout_at(min(ends_s, now_s() + _LITTLE_S)):
                        async for part in request.content.iter_any():
                            self.held += body.write(part)
                            _check_size(body.tell(), most)
                            if not has_turn and body.tell() - before > _SMALL and self.held > _MOST_HELD:
                                break
                except TimeoutError:
                    enough = _LITTLE if has_turn else _SMALL
                    if now_s() >= ends_s:
                        what = f"was not here after {_MAX_S:g} s; send less at once"
                    elif self.held > _MOST_HELD and body.tell() > _SMALL and body.tell() - before < enough:
                        what = f"came too slowly: less than {enough:,} bytes in {_LITTLE_S:g} s, where memory is short"
                    else:
                        continue
                    raise HttpRefusal(408, f"the body of the request {what}", {"Connection": "close"}) from None
                if not has_turn and not request.content.at_eof():
                    since_s = now_s()
                    has_turn = await self._room()
                    ends_s += now_s() - since_s  # it is not this client that was slow
            yield body.getvalue()  # without a copy
        finally:
            self.held -= body.tell()
            self._turns += has_turn
            self._freed.set()

    async def _room(self) -> bool:
        """Wait for memory, or for a turn past it; whether it is a turn, which the caller gives back."""
        while self.held > _MOST_HELD and not self._turns:
            self._freed.clear()
            await self._freed.wait()
        is_turn = self.held > _MOST_HELD
        self._turns -= is_turn
        return is_turn


def _check_size(size: int, most: int) -> None:
    if 0 < most < size:
        raise HttpRefusal(413, f"the body has {size:,} bytes or more, and of this op {most:,} are read")
