"""The clock of the server: one object, so that a test can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's time."""

    def now(self) -> datetime:
        """The present instant in UTC, for histories and ``today``."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds that never go back, for leases and tokens."""
        return time.monotonic()


class ManualClock(Clock):
    """A clock that does not run; a test moves it from `start`, which is zone-aware."""

    def __init__(self, start: datetime) -> None:
        self._start = start.astimezone(UTC)
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic_s(self) -> float:
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds
