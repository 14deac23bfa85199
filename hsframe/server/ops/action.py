"""invokeAction."""

from __future__ import annotations

from hsframe.grid import Grid
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call, ref_of


def invoke_action(call: Call) -> Grid:
    """Run the action of meta ``action`` on the record of meta ``id``, with the row's cells as arguments."""
    meta = call.grid.meta
    rec = call.rec(ref_of(meta.get("id"), "the request's meta"))
    name = meta.get("action")
    action = call.database.actions.get(name) if isinstance(name, str) else None
    if action is None:
        known = ", ".join(sorted(call.database.actions)) or "none"
        raise OpRefusal(f"there is no action {name!r}; the actions of this server: {known}", "UnknownActionErr")
    if len(call.grid) > 1:
        raise OpRefusal(f"invokeAction takes at most one row of arguments, not {len(call.grid)}", "ArgErr")
    return action(call.database, rec, dict(call.grid[0]) if len(call.grid) else {})
