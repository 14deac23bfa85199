"""The state of a running server, and the calls that its ops answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hsframe.durations import SECOND_US, duration_us
from hsframe.errors import SpanError
from hsframe.grid import Grid, Value
from hsframe.kinds import Number, Ref
from hsframe.server.clock import Clock
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Samples
from hsframe.server.users import ROLES, Role
from hsframe.server.watches import Watches

# Of one request; each is looked up, and in a history is a column of the answer.
_MOST_IDS: Final = 10_000

_TYPES: Final = {"Number": Number, "Bool": bool, "Str": str}


class State:
    versions: tuple[str, ...] = ("4", "5")
    """Of the protocol; none where the server is older than the header that names one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.watches = Watches(database, clock)
        self.booted = clock.now()
        self.lock = threading.Lock()
        """Held while an op runs, but for one that reads records only, or reads from a database of files."""


@dataclass(frozen=True)
class Call:
    """One call of an op: its name on the wire, the request, and who calls; the user is ``""`` without a login.

    A test that imitates another server sets which samples are `between` two instants, and when a hisWrite is stored.
    """

    op: str
    grid: Grid
    state: State
    user: str
    role: Role = "admin"
    address: str = ""
    between: Callable[[Samples, int, int | None], slice] = Samples.between
    store: Callable[[Callable[[], None]], None] = lambda do: do()

    @property
    def database(self) -> Database:
        return self.state.database

    def may(self, role: Role) -> bool:
        """Whether the user may do what needs a role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def check_role(self, role: Role) -> None:
        """A refusal where the user may not do what needs a role."""
        if not self.may(role):
            what = f"the user {self.user!r} has the role {self.role}, and {self.op} needs the role {role}"
            raise OpRefusal(f"{what}; who runs this server may give it", "PermissionErr")

    def ids(self) -> list[Ref]:
        """The ids of the rows, in order; a refusal where a row has none, or the rows are too many."""
        if not self.grid.has_col("id"):
            raise OpRefusal("the request has no column 'id'; expected one row per id", "ArgErr")
        if len(self.grid) > _MOST_IDS:
            raise OpRefusal(
                f"the request has {len(self.grid):,} ids, and the limit is {_MOST_IDS:,}; ask in several requests",
                "LimitErr",
            )
        return [ref_of(value, f"row {number}") for number, value in enumerate(self.grid.column("id"))]

    def one_row(self) -> dict[str, Any]:
        """The only row; a refusal where there is none, or several."""
        if len(self.grid) != 1:
            raise OpRefusal(f"{self.op} takes one row, and the request has {len(self.grid)}", "ArgErr")
        return dict(self.grid[0])

    def rec(self, ref: Ref) -> dict[str, Any]:
        """The record of an id; a refusal where there is none."""
        rec = self.database.get(ref)
        if rec is None:
            raise OpRefusal(f"there is no record {ref}", "UnknownRecErr")
        return dict(rec)

    def his_point(self, ref: Ref) -> dict[str, Any]:
        """The record of a point that has a history and a zone; a refusal where it lacks one."""
        rec = self.rec(ref)
        if "his" not in rec or rec.get("kind") not in self.database.his_kinds:
            raise OpRefusal(f"{ref} ({rec.get('dis')}) has no history: it lacks the tag 'his' or a kind", "NotHisErr")
        if not isinstance(rec.get("tz"), str):
            raise OpRefusal(f"{ref} ({rec.get('dis')}) has no time zone: it lacks the tag 'tz'", "NotHisErr")
        return rec


def ref_of(value: Any, where: str) -> Ref:
    """The Ref of a cell; a Str is taken as the text of one, as GET arguments and old clients write it."""
    if isinstance(value, Ref):
        return value
    if isinstance(value, str) and value:
        return Ref(value)
    raise OpRefusal(f"the id of {where} is {value!r}; expected a Ref, as @a-1", "ArgErr")


def duration_s(value: object, what: str) -> float:
    """A positive Number with a unit of time in seconds; without a unit it is in seconds."""
    if not isinstance(value, Number):
        raise OpRefusal(f"{what} is {value!r}; expected a positive Number with a unit of time, as 5min", "ArgErr")
    try:
        return duration_us(value, what, plain="s") / SECOND_US
    except SpanError as error:
        raise OpRefusal(str(error), "ArgErr") from error


def checked_value(val: Value, rec: Mapping[str, Any], where: str) -> bool | str | Number:
    """The value, if it is of the point's kind and unit; a Number gets the point's unit. A refusal names `where`."""
    kind, unit = rec.get("kind"), rec.get("unit")
    if isinstance(val, bool | str | Number) and isinstance(val, _TYPES.get(str(kind), ())):
        if not isinstance(val, Number) or val.unit == unit:
            return val
        if val.unit is None:
            return Number(val.val, unit)
        raise OpRefusal(
            f"{where} is {val}, and the unit of {rec['id']} ({rec.get('dis')}) is {unit}; the server converts nothing",
            "UnitErr",
        )
    raise OpRefusal(f"{where} is {val!r}, and {rec['id']} ({rec.get('dis')}) is a point of kind {kind}", "Err")
