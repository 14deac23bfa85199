"""The priority array of a writable point: 17 levels, the lowest number that holds a value wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hsframe.protocol.request_grids import LEVELS, MANUAL_LEVEL

DEFAULT_LEVEL: Final = LEVELS
LEVEL_NAMES: Final = {1: "emergency", MANUAL_LEVEL: "manual", DEFAULT_LEVEL: "default"}


@dataclass(frozen=True)
class LevelEntry:
    """The value of one level, who wrote it, and when, on the server's monotonic clock, it falls back to auto."""

    val: Any
    who: str
    expires_s: float | None = None


class PriorityArray:
    """The levels 1 to 17 of one point; an empty level is on auto."""

    def __init__(self) -> None:
        self._entries: dict[int, LevelEntry] = {}
        self.was_written = False

    def write(self, level: int, val: Any, who: str, expires_s: float | None = None) -> None:
        """Put a value on a level; None puts it back on auto."""
        self.was_written = True
        if val is None:
            self._entries.pop(level, None)
        else:
            self._entries[level] = LevelEntry(val, who, expires_s)

    def release(self) -> None:
        self._entries = {level: entry for level, entry in self._entries.items() if level == DEFAULT_LEVEL}

    def entry(self, level: int, now_s: float) -> LevelEntry | None:
        entry = self._entries.get(level)
        if entry is None or (entry.expires_s is not None and entry.expires_s <= now_s):
            return None
        return entry

    def effective(self, now_s: float) -> tuple[int, Any] | None:
        """The level that wins and its value; None where all are on auto."""
        for level in sorted(self._entries):
            if (entry := self.entry(level, now_s)) is not None:
                return level, entry.val
        return None
