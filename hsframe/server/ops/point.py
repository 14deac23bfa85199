"""pointWrite and invokeAction: command a writable point on one of 17 levels, or read them; run an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.protocol.request_grids import LEVELS, MANUAL_LEVEL
from hsframe.server.database import Database
from hsframe.server.priority import LEVEL_NAMES, LevelEntry
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call, checked_value, duration_s, ref_of


def point_write(call: Call) -> Grid:
    """Read the priority array (one row ``id``), or write one level (``id``, ``level``, ``val``)."""
    row = call.one_row()
    if row.get("level") is not None:
        call.check_role("operator")
    rec = call.rec(ref_of(row.get("id"), "the row"))
    if "writable" not in rec:
        raise OpRefusal(f"{rec['id']} ({rec.get('dis')}) is not writable: it has no tag 'writable'", "NotWritableErr")
    if row.get("level") is None:
        if row.get("val") is not None:
            raise OpRefusal("the row has a value and no level; expected a level from 1 to 17", "ArgErr")
        return _array(call, rec)
    level = row["level"]
    if not isinstance(level, Number) or level.val not in range(1, LEVELS + 1):
        raise OpRefusal(f"the level is {level!r}; expected a whole Number from 1 to {LEVELS}", "ArgErr")
    val = row.get("val")
    if val is not None:
        val = checked_value(val, rec, "val")
    who = row.get("who")
    expires_s = None
    if row.get("duration") is not None:
        lasts_s = duration_s(row["duration"], "duration")
        if level.val == MANUAL_LEVEL:  # by the standard only this level has a duration; elsewhere it is ignored
            expires_s = call.state.clock.monotonic_s() + lasts_s
    levels = call.database.priorities(rec["id"])
    levels.write(int(level.val), val, who if isinstance(who, str) and who else call.user, expires_s)
    apply_levels(call.database, call.state.clock.monotonic_s())
    return Grid()


def apply_levels(database: Database, now_s: float) -> None:
    """Update the records of commanded points from their levels: a manual override may have run out."""
    for rec, levels in database.commanded():
        level, val = levels.effective(now_s) or (None, None)
        changes: dict[str, Any] = {"writeVal": val, "writeLevel": None if level is None else Number(level)}
        if all(rec.get(tag) == now for tag, now in changes.items()):
            continue
        if val is not None and "cur" in rec:
            changes["curVal"] = val  # as if the controller of the point obeyed at once
        database.update(rec["id"], changes)


def _array(call: Call, rec: Mapping[str, Any]) -> Grid:
    now_s = call.state.clock.monotonic_s()
    levels = call.database.priorities(rec["id"])
    rows = []
    for level in range(1, LEVELS + 1):
        entry = levels.entry(level, now_s) or LevelEntry(None, "")
        expires = None if entry.expires_s is None else Number(entry.expires_s - now_s, "sec")
        dis = f"{level} ({LEVEL_NAMES[level]})" if level in LEVEL_NAMES else str(level)
        rows.append((Number(level), dis, entry.val, entry.who or None, expires))
    return Grid({"id": rec["id"]}, ["level", "levelDis", "val", "who", "expires"], list(zip(*rows, strict=True)))


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
