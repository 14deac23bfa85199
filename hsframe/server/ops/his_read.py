"""hisRead: the samples of one point, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from hsframe.columns import ArrowColumn, TimeColumn
from hsframe.errors import ZoneError
from hsframe.frame.histories import union_of
from hsframe.grid import Col, Grid
from hsframe.kinds import Ref
from hsframe.server.ranges import parse_range
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Times
from hsframe.server.state import Call, ref_of
from hsframe.spans import Span, epoch_us
from hsframe.zones import zone


def his_read(call: Call) -> Grid:
    """Samples of one point (one row ``id``, ``range``) or of several (meta ``range``, rows ``id``)."""
    meta = call.grid.meta
    if meta.get("range") is not None:
        recs, tz = _batch(call, call.ids(), meta.get("tz"))
        bounds, columns = _samples(call, recs, meta["range"], tz)
        cols = [Col("ts"), *(Col(f"v{number}", {"id": _shown(rec)}) for number, rec in enumerate(recs))]
        return Grid(bounds, cols, columns)
    row = call.one_row()
    if row.get("range") is None:
        raise OpRefusal("the request has no range: neither a column (one point) nor meta (several)", "ArgErr")
    rec = call.his_point(ref_of(row.get("id"), "the row"))
    bounds, columns = _samples(call, [rec], row["range"], rec["tz"])
    return Grid({"id": _shown(rec), **bounds}, ["ts", "val"], columns)


def _batch(call: Call, ids: Sequence[Ref], tz: Any) -> tuple[list[dict[str, Any]], str]:
    """The records of the points of a batch, and the zone that they are read in."""
    unknown = [ref for ref in ids if call.database.get(ref) is None]
    if unknown:
        raise OpRefusal(f"there are no records {', '.join(map(str, unknown))}", "UnknownRecErr")
    recs = list(map(call.his_point, ids))
    if not recs:
        raise OpRefusal("the batch has no rows; expected one row per id", "ArgErr")
    if tz is not None and not isinstance(tz, str):
        raise OpRefusal(f'meta tz is {tz!r}; expected a Str, as "New_York"', "ArgErr")
    zones = {rec["tz"] for rec in recs}
    if tz is None and len(zones) > 1:
        raise OpRefusal(
            f"the points of a batch must share one zone, and these have {', '.join(sorted(zones))}; send one "
            "request per zone, or name a zone in meta tz",
            "ArgErr",
        )
    return recs, tz if tz is not None else recs[0]["tz"]


def _samples(call: Call, recs: Sequence[Mapping[str, Any]], range_: Any, tz: str) -> tuple[dict[str, Any], list[Any]]:
    """The bounds of a range in a zone, and the columns: the instants, then the samples of each point."""
    try:
        local = zone(tz)
    except ZoneError as error:
        raise OpRefusal(str(error), "ZoneErr") from error
    span = parse_range(range_, local, call.state.clock.now())
    histories = [call.database.history(rec["id"]) for rec in recs]
    parts = [call.between(samples, span.start_us, span.end_us) for samples in histories]
    ts_us = union_of(samples.ts_us[part] for samples, part in zip(histories, parts, strict=True))
    columns: list[ArrowColumn] = [TimeColumn(pa.array(ts_us), tz)]
    for rec, samples, part in zip(recs, histories, parts, strict=True):
        own = samples.ts_us[part]
        at = None if len(own) == len(ts_us) else np.searchsorted(ts_us, own)
        columns.append(samples.column(part, rec.get("unit"), at, len(ts_us)))
    return _bounds(call, span, ts_us), columns


def _bounds(call: Call, span: Span, ts_us: Times) -> dict[str, Any]:
    end = span.end
    if end is None:
        # An open end: that of the last sample, and at least the present.
        now = call.state.clock.now()
        last = int(ts_us[-1]) + 1 if len(ts_us) else 0
        end = (now + timedelta(microseconds=max(last - epoch_us(now), 0))).astimezone(span.start.tzinfo)
    return {"hisStart": span.start, "hisEnd": max(end, span.start)}


def _shown(rec: Mapping[str, Any]) -> Ref:
    dis = rec.get("dis")
    return Ref(rec["id"].val, dis if isinstance(dis, str) else rec["id"].dis)
