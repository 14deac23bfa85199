"""What the ops of a running server share, and what one call of an op is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.server.clock import Clock
from hsframe.server.database import Database
from hsframe.server.quirks import Quirks
from hsframe.server.refusal import OpRefusal
from hsframe.server.watches import Watches

__all__ = ["Call", "State", "ref_of"]


@dataclass
class State:
    """One running server.

    Parameters
    ----------
    database : Database
    clock : Clock
    quirks : Quirks
        What it does otherwise than the standard says.
    """

    database: Database
    clock: Clock
    quirks: Quirks
    watches: Watches = field(init=False)
    booted: datetime = field(init=False)
    _later: list[tuple[float, Callable[[], None]]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.watches = Watches(self.database, self.clock)
        self.booted = self.clock.now()

    def later(self, delay_s: float, do: Callable[[], None]) -> None:
        """Do something now, or with the first op after a delay."""
        if delay_s:
            self._later.append((self.clock.monotonic_s() + delay_s, do))
        else:
            do()

    def catch_up(self) -> None:
        """Do what has become due: called before each op."""
        now_s = self.clock.monotonic_s()
        due = [do for when_s, do in self._later if when_s <= now_s]
        self._later = [(when_s, do) for when_s, do in self._later if when_s > now_s]
        for do in due:
            do()
        if self.database.keep_up is not None:
            self.database.keep_up(self.clock.now())


@dataclass(frozen=True)
class Call:
    """One call of an op.

    Parameters
    ----------
    op : str
        The op's name on the wire.
    grid : Grid
        The request.
    state : State
    user : str
        Who calls; empty where the server asks for no login.
    """

    op: str
    grid: Grid
    state: State
    user: str

    @property
    def database(self) -> Database:
        """The records and histories."""
        return self.state.database

    def ids(self) -> list[Ref]:
        """The ids of the rows, in order.

        Raises
        ------
        OpRefusal
            A row has no ``id`` that is a Ref.
        """
        if not self.grid.has_col("id"):
            raise OpRefusal("the request has no column 'id'; expected one row an id", "ArgErr")
        return [ref_of(value, f"row {number}") for number, value in enumerate(self.grid.column("id"))]

    def one_row(self) -> dict[str, Any]:
        """The only row.

        Raises
        ------
        OpRefusal
            There is none, or several.
        """
        if len(self.grid) != 1:
            raise OpRefusal(f"{self.op} takes one row, and the request has {len(self.grid)}", "ArgErr")
        return dict(self.grid[0])

    def rec(self, ref: Ref) -> dict[str, Any]:
        """The record of an id.

        Raises
        ------
        OpRefusal
            There is none.
        """
        rec = self.database.get(ref)
        if rec is None:
            raise OpRefusal(f"there is no record {ref}", "UnknownRecErr")
        return dict(rec)


def ref_of(value: Any, where: str) -> Ref:
    """The Ref that a cell holds; a Str is taken as the text of one, as GET arguments and old clients write it.

    Raises
    ------
    OpRefusal
        Neither.
    """
    if isinstance(value, Ref):
        return value
    if isinstance(value, str) and value:
        return Ref(value)
    raise OpRefusal(f"the id of {where} is {value!r}; expected a Ref, as @a-1", "ArgErr")
