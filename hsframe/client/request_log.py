"""The one log line of a request: what it was, how large, how long, how often; never a header, never a secret."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Tally"]

_LOG: Final = logging.getLogger("hsframe")


@dataclass
class Tally:
    """What is counted while a call runs, and logged when it ends, under the logger ``hsframe`` at INFO.

    Parameters
    ----------
    op : str
        The op's wire name, or ``"login"``.
    points : int
        How many points or records were asked for by id.
    """

    op: str
    points: int = 0
    bytes: int = 0
    retries: int = 0
    _started_s: float = field(default_factory=time.perf_counter)

    def log(self, outcome: str) -> None:
        """Write the line; `outcome` is ``"ok"`` or the name of an error's class."""
        ms = (time.perf_counter() - self._started_s) * 1000
        _LOG.info(
            "%s points=%d bytes=%d ms=%.1f retries=%d %s",
            self.op, self.points, self.bytes, ms, self.retries, outcome,
        )  # fmt: skip
