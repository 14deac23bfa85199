"""What a read is given by its caller: a server or an archive, and where it reports its progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.dialects import Dialect

if TYPE_CHECKING:
    from hsframe.client import Client


@runtime_checkable
class WholeSource(Protocol):
    """An archive: it gives exact and whole histories, so nothing is planned and nothing proven; else as a client."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """Its kind, uri and version, and the requests and bytes of the verb that runs: see `hsframe.frame.reads`."""

    @property
    def dialect(self) -> Dialect:
        """What is known about it, as the zone of points without a ``tz``."""

    async def about(self, *, raw: Literal[True]) -> Grid: ...
    async def read(self, filter: str, limit: int | None = None, *, raw: Literal[True]) -> Grid: ...
    async def read_by_ids(self, ids: Sequence[Ref], *, checked: bool, raw: Literal[True]) -> Grid: ...

    def read_us(self, ident: str) -> tuple[int, int]:
        """The half-open window of a point that it was brought in step with, which may be empty."""

    async def histories(self, points: Sequence[Point], start_us: int, end_us: int | None) -> list[History]:
        """The history of each point in a half-open window; without an end all that there is."""


Source: TypeAlias = "Client[Any] | WholeSource"
"""What records and histories are read from. What a client answers may be limited, lack points of a batch, or hold more
than the range: the planner handles that."""


class Progress:
    """How much there is to read, and how much was read.

    Subclasses override :meth:`changed` to show it; it is called on the event loop, after each answer. What a part of a
    `whole` reads counts there too.
    """

    def __init__(self, whole: Progress | None = None) -> None:
        self.total = self.done = 0.0  # points times microseconds: known before the first answer
        self.answers = self.samples = 0
        self._is_all, self._whole = False, whole

    def expect(self, size: float) -> None:
        self.total += 0.0 if self._is_all else size
        self.changed()

    def expect_all(self, size: float) -> None:
        """Expect what several reads to come have together; none of them adds its own then."""
        self.expect(size)
        self._is_all = True

    def advance(self, size: float, samples: int) -> None:
        self.done = min(self.done + size, self.total)
        self.answers += 1
        self.samples += samples
        if self._whole is not None:
            self._whole.advance(size, samples)
        self.changed()

    def changed(self) -> None:
        """Called after each change; does nothing here."""
