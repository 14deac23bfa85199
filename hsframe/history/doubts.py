"""Whether a read that fails is hopeless: what is as small as can be fails too, in the same words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from hsframe.client.retries import as_small_as_can_be
from hsframe.durations import SECOND_US
from hsframe.errors import AuthError, HsFrameError
from hsframe.history.failures import likeness, may_be_too_large
from hsframe.history.plan import Group, Request, Window
from hsframe.kinds import Ref
from hsframe.protocol.answers import named

__all__ = ["Doubts"]

_FAILURES_IN_A_ROW: Final = 4
# So many points alone are asked for, spread over the read; those of a small read are asked for one by one anyway.
_SAMPLE_POINTS: Final = 3
_FEW_POINTS: Final = 8


class Doubts:
    """Looks, after the first failure of a read and after some in a row without an answer, whether any request would do.

    Without it a server whose hisRead is down, while other ops are answered, would get hundreds of ever smaller ones.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []  # of each group, over the whole span
        self._failures_in_a_row = _FAILURES_IN_A_ROW
        self._looking = asyncio.Lock()

    def expect(self, groups: Sequence[Group]) -> None:
        """Note what the read is of."""
        self.requests = [Request(group.records, group.window) for group in groups]

    def end(self) -> None:
        """Something was answered."""
        self._failures_in_a_row = 0

    async def are_over(self) -> None:
        """Wait until nobody looks: what is new is not sent before."""
        async with self._looking:
            pass

    async def look(
        self, error: HsFrameError, request: Request, ask: Callable[[Request], Awaitable[object]]
    ) -> HsFrameError | None:
        """After the failure of a request: the error that all requests would fail with, if they would."""
        if error.is_final or isinstance(error, AuthError):
            return None
        singles = [single for one in self.requests for single in one.in_points()]
        self._failures_in_a_row += 1
        async with self._looking:
            few = len(singles) <= _FEW_POINTS and not may_be_too_large(error)
            if self._failures_in_a_row < _FAILURES_IN_A_ROW or few:
                return None
            self._failures_in_a_row = 0
            said = likeness(error, [record.id for record in request.records])
            places = sorted({(len(singles) - 1) * part // (_SAMPLE_POINTS - 1) for part in range(_SAMPLE_POINTS)})
            samples = [singles[place] for place in places]
            for sample in samples:
                start_us = sample.window.start_us
                try:
                    with as_small_as_can_be():
                        await ask(replace(sample, window=Window(start_us, start_us + SECOND_US)))
                    return None
                except HsFrameError as found:
                    if found.is_final:
                        return found
                    if likeness(found, [sample.records[0].id]) != said:
                        return None
        names = named([Ref(sample.records[0].id) for sample in samples])
        error.args = (f"{error}; one second of {names} alone fails like this too, so nothing more was sent",)
        return error
