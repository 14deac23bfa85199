"""What a read asks of the place where the histories are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.dialects import Dialect

__all__ = ["Source"]


class Source(Protocol):
    """A server, behind :class:`hsframe.Client`, or whatever else answers these ops as a server does.

    Nothing of what it answers is believed unchecked: it may have limits, answer a batch in part, or more than was
    asked for. What it may raise is what a client raises.
    """

    @property
    def dialect(self) -> Dialect:
        """What is known of its habits; a read adds to it what it finds out."""

    async def about(self, *, raw: Literal[True]) -> Grid:
        """A row whose ``tz`` is the zone of points that name none."""

    async def read(self, filter: str, *, raw: Literal[True]) -> Grid:
        """Records by filter."""

    async def read_by_ids(self, ids: Sequence[Ref], *, checked: bool, raw: Literal[True]) -> Grid:
        """Records by id, in the order of the ids; an empty row for an unknown one."""

    async def his_read(self, id: Ref, range: str, *, raw: Literal[True]) -> Grid:
        """The history of one point."""

    async def his_read_batch(self, ids: Sequence[Ref], range: str, *, raw: Literal[True]) -> Grid:
        """The histories of several points of one zone, joined on time."""
