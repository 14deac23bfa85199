"""Whether a read that fails is hopeless: what is as small as can be fails too, in the same words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from hsframe.client.retries import IS_SMALLEST
from hsframe.durations import SECOND_US
from hsframe.errors import AuthError, HsFrameError
from hsframe.history.failures import likeness, may_be_too_large
from hsframe.history.plan import Request, Window
from hsframe.kinds import Ref
from hsframe.protocol.answers import named

_FAILURES_IN_A_ROW: Final = 4
_FEW_POINTS: Final = 8  # of so small a read each point is asked for anyway


class Doubts:
    """Looks, after the first failure of a read and after some in a row without an answer, whether any request would do.

    Without it a server whose hisRead is down, while other ops are answered, would get hundreds of ever smaller ones.
    `wholes` have the points of the read, each over the whole span; `failures` is set to 0 by an answer; what is new is
    not sent while somebody is `looking`.
    """

    def __init__(self) -> None:
        self.wholes: Sequence[Request] = ()
        self.failures = _FAILURES_IN_A_ROW
        self.looking = asyncio.Lock()
        self.found: HsFrameError | None = None

    async def look(
        self, error: HsFrameError, request: Request, ask: Callable[[Request], Awaitable[object]]
    ) -> HsFrameError | None:
        """After the failure of a request: the error that all requests would fail with, if they would."""
        self.failures += 1
        async with self.looking:
            few = sum(len(one.records) for one in self.wholes) <= _FEW_POINTS and not may_be_too_large(error)
            is_known = self.found is not None or error.is_final or isinstance(error, AuthError)
            if is_known or few or self.failures < _FAILURES_IN_A_ROW:
                return self.found
            self.failures = 0
            singles = [single for whole in self.wholes for single in whole.in_points()]
            samples = [singles[place] for place in sorted({0, len(singles) // 2, len(singles) - 1})]
            said, first = likeness(error, [record.id for record in request.records]), None
            token = IS_SMALLEST.set(True)
            try:
                for sample in samples:
                    start_us = sample.window.start_us
                    try:
                        await ask(replace(sample, window=Window(start_us, start_us + SECOND_US)))
                        return None
                    except HsFrameError as found:
                        if likeness(found, [sample.records[0].id]) != said:
                            return found if found.is_final else None
                        first = first or found  # it had the whole patience
            finally:
                IS_SMALLEST.reset(token)
        assert first is not None
        names = named([Ref(sample.records[0].id) for sample in samples])
        first.args = (f"{first}; it is so for one second of {names} alone, so nothing more was sent",)
        self.found = first
        return first
