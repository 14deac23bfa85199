"""commit: records added, changed and removed, as SkySpark and Haxall have it: all rows of a request, or none.

A record has a ``mod``, the instant of its last commit or of when it was made; what changes or removes it names the same
``mod``, so that nobody undoes what another one has committed meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hsframe.errors import MetadataError, ZoneError
from hsframe.grid import Grid
from hsframe.kinds import REMOVE, Ref
from hsframe.server.ops.records import grid_of
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call, ref_of

_MILLISECOND = timedelta(milliseconds=1)


def commit(call: Call) -> Grid:
    """Add, update or remove the records of the rows, as meta ``commit`` says; the answer has them as they are now.

    In an update a null changes nothing, and Remove takes a tag away.
    """
    mode = call.grid.meta.get("commit")
    if mode not in ("add", "update", "remove"):
        raise OpRefusal(f"Unknown commit mode: {mode}; expected meta commit with add, update or remove", "ArgErr")
    done: dict[str, dict[str, Any] | None] = {}
    for number, row in enumerate(call.grid):
        tags = {tag: value for tag, value in row.items() if value is not None}
        where = f"row {number}"
        if mode == "add":
            id = ref_of(tags.get("id") or Ref(str(uuid.uuid4())), where)
            if id.val in done or call.database.get(id) is not None:
                raise OpRefusal(f"{where}: there is a record {id} already; update changes it", "CommitErr")
            done[id.val] = _checked(call, {}, {**tags, "id": id})
            continue
        id = ref_of(tags.pop("id", None), where)
        if id.val in done:
            raise OpRefusal(f"{where}: {id} has two rows; expected one with all its changes", "ArgErr")
        old, mod = call.rec(id), tags.pop("mod", None)
        if mod != old.get("mod"):
            raise OpRefusal(f"{id.val}: {_text(old.get('mod'))} != {_text(mod)}", "ConcurrentChangeErr")
        done[id.val] = None if mode == "remove" else _checked(call, old, tags)
    call.database.commit(done)
    return grid_of([rec for rec in done.values() if rec is not None])


def _checked(call: Call, old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The record after its changes; a refusal where the server could not serve it."""
    rec = {tag: value for tag, value in {**old, **changes}.items() if value is not REMOVE}
    try:
        call.database.check(rec)
    except (MetadataError, ZoneError) as error:
        raise OpRefusal(str(error), "CommitErr") from error
    now = call.state.clock.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    before = old.get("mod")
    return {**rec, "mod": max(now, before + _MILLISECOND) if isinstance(before, datetime) else now}


def _text(mod: Any) -> str:
    return mod.isoformat() if isinstance(mod, datetime) else "none" if mod is None else repr(mod)
