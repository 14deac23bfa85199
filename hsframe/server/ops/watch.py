"""watchSub, watchPoll, watchUnsub."""

from __future__ import annotations

from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.server.durations import duration_s
from hsframe.server.ops.records import grid_of
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call

__all__ = ["watch_poll", "watch_sub", "watch_unsub"]


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
        watch = watches.open(dis, lease_s)
    else:
        raise OpRefusal("the request's meta has neither watchDis (a new watch) nor watchId (add to one)", "ArgErr")
    recs = [call.database.get(ref) for ref in ids]
    watches.add(watch, [rec["id"].val for rec in recs if rec is not None])
    return grid_of(recs, meta={"watchId": watch.id, "lease": Number(round(watch.lease_s), "sec")})


def watch_poll(call: Call) -> Grid:
    """The records that changed since the last poll; with the marker ``refresh``, all."""
    watch_id = call.grid.meta.get("watchId")
    if watch_id is None:
        raise OpRefusal("the request's meta has no watchId", "ArgErr")
    watch = call.state.watches.find(watch_id)
    changed = call.state.watches.changes(watch, refresh=call.grid.meta.get("refresh") is not None)
    return grid_of(changed, meta={"watchId": watch.id})


def watch_unsub(call: Call) -> Grid:
    """Take ids out of a watch, or close it with the marker ``close``."""
    meta = call.grid.meta
    if meta.get("watchId") is None:
        raise OpRefusal("the request's meta has no watchId", "ArgErr")
    if meta.get("close") is not None:
        call.state.watches.close(meta["watchId"])
        return Grid()
    watch = call.state.watches.find(meta["watchId"])
    for ref in call.ids() if len(call.grid) else []:
        watch.seen.pop(ref.val, None)
    return Grid()
