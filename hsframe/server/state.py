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
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Samples
from hsframe.server.watches import Watches

__all__ = ["Call", "State", "ref_of"]


@dataclass
class State:
    """One running server.

    Parameters
    ----------
    database : Database
    clock : Clock
    """

    database: Database
    clock: Clock
    watches: Watches = field(init=False)
    booted: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.watches = Watches(self.database, self.clock)
        self.booted = self.clock.now()


def _at_once(do: Callable[[], None]) -> None:
    do()


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
    between : callable
        Which samples are in a window; a test that plays another server has its own.
    store : callable
        Does what stores the samples of a hisWrite: at once, unless a test says otherwise.
    """

    op: str
    grid: Grid
    state: State
    user: str
    between: Callable[[Samples, int, int | None], slice] = Samples.between
    store: Callable[[Callable[[], None]], None] = _at_once

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
