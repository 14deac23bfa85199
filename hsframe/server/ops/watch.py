"""watchSub, watchPoll, watchUnsub."""

from __future__ import annotations

from typing import Any

from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.server.ops.records import grid_of
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call, duration_s


def watch_sub(call: Call) -> Grid:
    """Open a watch (meta ``watchDis``) or add to one (meta ``watchId``); rows in the order of the request."""
    meta = call.grid.meta
    ids = call.ids() if len(call.grid) else []
    lease, dis = meta.get("lease"), meta.get("watchDis")
    lease_s = None if lease is None else duration_s(lease, "lease")
    watches = call.state.watches
    if meta.get("watchId") is not None:
        watch = watches.find(meta["watchId"])
    elif isinstance(dis, str):
        watch = watches.open(lease_s)
    else:
        raise OpRefusal("the request's meta has neither watchDis (a new watch) nor watchId (add to one)", "ArgErr")
    found = map(call.database.get, ids)
    recs = [None if rec is None else call.database.shown(rec) for rec in found]
    # The client is sent the records as they are now.
    watch.seen |= {rec["id"].val: call.database.revision(rec["id"]) for rec in recs if rec is not None}
    return grid_of(recs, meta={"watchId": watch.id, "lease": Number(round(watch.lease_s), "sec")})


def watch_poll(call: Call) -> Grid:
    """The records that changed since the last poll; with the marker ``refresh``, all."""
    watch = call.state.watches.find(_watch_id(call))
    changed = call.state.watches.changes(watch, refresh=call.grid.meta.get("refresh") is not None)
    return grid_of([*map(call.database.shown, changed)], meta={"watchId": watch.id})


def watch_unsub(call: Call) -> Grid:
    """Take ids out of a watch, or close it with the marker ``close``."""
    watch_id = _watch_id(call)
    if call.grid.meta.get("close") is not None:
        call.state.watches.close(watch_id)
        return Grid()
    watch = call.state.watches.find(watch_id)
    for ref in call.ids() if len(call.grid) else []:
        watch.seen.pop(ref.val, None)
    return Grid()


def _watch_id(call: Call) -> Any:
    watch_id = call.grid.meta.get("watchId")
    if watch_id is None:
        raise OpRefusal("the request's meta has no watchId", "ArgErr")
    return watch_id
