"""The ops by their names on the wire (standard: chapter Ops)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hsframe.grid import Grid
from hsframe.server.ops import info, point, records, watch
from hsframe.server.ops.commit import commit
from hsframe.server.ops.his_read import his_read
from hsframe.server.ops.his_write import his_write
from hsframe.server.state import Call
from hsframe.server.users import Role

__all__ = ["OPS", "Op"]


@dataclass(frozen=True)
class Op:
    """One op by its name on the wire; `get` allows GET, for ops that change nothing. Some write into the database."""

    name: str
    run: Callable[[Call], Grid]
    get: bool
    summary: str
    role: Role = "admin"  # the least that may call it; pointWrite needs more to write
    writes: bool = False

    def changes(self, request: Grid) -> bool:
        """Whether the request is to change something; pointWrite without a level reads."""
        return self.role != "viewer" or (self.writes and request.has_col("level"))


def _ops(call: Call) -> Grid:
    served = (op for op in OPS.values() if not (op.writes and call.database.refusal) and call.may(op.role))
    return info.ops_grid(call, [(op.name, op.summary, op.get) for op in served])


OPS: Final[Mapping[str, Op]] = {
    op.name: op
    for op in (
        Op("about", info.about, True, "What this server is", "viewer"),
        Op("ops", _ops, True, "The ops of this server", "viewer"),
        Op("formats", info.formats, True, "The formats that this server reads and writes", "viewer"),
        Op("defs", info.defs, True, "The definitions that this server knows", "viewer"),
        Op("libs", info.libs, True, "The libraries of definitions", "viewer"),
        Op("filetypes", info.filetypes, True, "The formats as definitions", "viewer"),
        Op("read", records.read, True, "Records by filter or by id", "viewer"),
        Op("nav", records.nav, True, "The tree of sites, equipment and points", "viewer"),
        Op("watchSub", watch.watch_sub, False, "Watch records for changes", "viewer"),
        Op("watchPoll", watch.watch_poll, False, "What changed since the last poll", "viewer"),
        Op("watchUnsub", watch.watch_unsub, False, "Stop watching", "viewer"),
        Op("pointWrite", point.point_write, False, "Command a point, or read its levels", "viewer", writes=True),
        Op("hisRead", his_read, True, "Samples of one point or of several", "viewer"),
        Op("hisWrite", his_write, False, "Store samples of one point or of several", "operator", writes=True),
        Op("invokeAction", point.invoke_action, False, "Run an action on a record", "operator", writes=True),
        Op("commit", commit, False, "Add, change or remove records", writes=True),
        # The application ends the session itself: it knows the token.
        Op("close", lambda _: Grid(), False, "End the session", "viewer"),
    )
}
