"""hisRead: the samples of one point, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from hsframe.columns import ArrowColumn, NumberColumn, TimeColumn
from hsframe.grid import Col, Grid
from hsframe.kinds import Number, Ref
from hsframe.server.ops.his_point import his_point
from hsframe.server.quirks import Quirks
from hsframe.server.ranges import Window, micros, parse_range
from hsframe.server.refusal import HttpRefusal, OpRefusal
from hsframe.server.samples import Samples, Times, union_of_times
from hsframe.server.state import Call, ref_of
from hsframe.zones import zone

__all__ = ["his_read"]

_Part = tuple[Mapping[str, Any], Samples, slice]


def his_read(call: Call) -> Grid:
    """Samples of one point (one row ``id``, ``range``) or of several (meta ``range``, rows ``id``)."""
    quirks = call.state.quirks
    if quirks.batch == "id0" and call.grid.has_col("id0"):
        row = call.one_row()
        ids = [ref_of(row[name], name) for name in sorted(row, key=_number_of) if name.startswith("id")]
        return _batch(call, ids, row.get("range"), None, old_form=True)
    if call.grid.meta.get("range") is None:
        row = call.one_row()
        if row.get("range") is None:
            raise OpRefusal("the request has no range: neither a column (one point) nor meta (several)", "ArgErr")
        return _single(call, ref_of(row.get("id"), "the row"), row["range"])
    if quirks.batch in ("none", "id0"):
        raise OpRefusal("UnknownNameException: range", "UnknownNameException")
    if quirks.batch == "first-id":
        return _single(call, call.ids()[0], call.grid.meta["range"])
    return _batch(call, call.ids(), call.grid.meta["range"], call.grid.meta.get("tz"))


def _number_of(name: str) -> int:
    digits = name.removeprefix("id")
    return int(digits) if digits.isdigit() else -1


def _single(call: Call, ref: Ref, range_: Any) -> Grid:
    rec = his_point(call, ref)
    tz = rec["tz"]
    window = _window(call, range_, [rec], tz)
    samples = call.database.history(rec["id"])
    part = _slice(samples, window, call.state.quirks)
    ts_us = samples.ts_us[part]
    columns: list[ArrowColumn] = [TimeColumn(pa.array(ts_us), tz), _values(samples.column(part, rec.get("unit")), call)]
    meta = {"id": _shown(rec), **_bounds(call, window, ts_us)}
    return _capped(call, Grid(meta, ["ts", "val"], columns))


def _batch(call: Call, ids: Sequence[Ref], range_: Any, tz: Any, *, old_form: bool = False) -> Grid:
    unknown = [ref for ref in ids if call.database.get(ref) is None]
    if unknown:
        raise OpRefusal(f"there are no records {', '.join(map(str, unknown))}", "UnknownRecErr")
    if call.state.quirks.id_cap is not None and len(ids) > call.state.quirks.id_cap:
        raise OpRefusal(f"too many points: the limit is {call.state.quirks.id_cap}", "LimitErr")
    recs = [his_point(call, ref) for ref in ids]
    if not recs:
        raise OpRefusal("the batch has no rows; expected one row an id", "ArgErr")
    if tz is not None and not isinstance(tz, str):
        raise OpRefusal(f'meta tz is {tz!r}; expected a Str, as "New_York"', "ArgErr")
    zones = {rec["tz"] for rec in recs}
    if tz is None and len(zones) > 1 and not call.state.quirks.mixed_zones:
        raise OpRefusal(
            f"the points of a batch must share one zone, and these have {', '.join(sorted(zones))}; ask once a zone, "
            "or name a zone in meta tz",
            "ArgErr",
        )
    tz = tz if tz is not None else recs[0]["tz"]
    window = _window(call, range_, recs, tz)
    parts: list[_Part] = []
    for point in recs:
        samples = call.database.history(point["id"])
        parts.append((point, samples, _slice(samples, window, call.state.quirks)))
    ts_us = union_of_times([samples.ts_us[part] for _, samples, part in parts])
    columns: list[ArrowColumn] = [TimeColumn(pa.array(ts_us), tz)]
    cols = [Col("ts")]
    meta: dict[str, Any] = _bounds(call, window, ts_us)
    for number, (rec, samples, part) in enumerate(parts):
        own = samples.ts_us[part]
        at = None if len(own) == len(ts_us) else np.searchsorted(ts_us, own)
        columns.append(_values(samples.column(part, rec.get("unit"), at, len(ts_us)), call))
        cols.append(Col(f"v{number}", None if old_form else {"id": _shown(rec)}))
        if old_form:
            meta[f"id{number}"] = _shown(rec)
    return _capped(call, Grid(meta, cols, columns))


def _window(call: Call, range_: Any, recs: Sequence[Mapping[str, Any]], tz: str) -> Window:
    try:
        local = zone(tz)
    except Exception as error:
        raise OpRefusal(str(error), "ZoneErr") from error
    window = parse_range(range_, local, call.state.clock.now())
    if call.state.quirks.zone_of_range and window.zone_name is not None and window.zone_name != local.key:
        raise OpRefusal(f"the range is of {window.zone_name} and {recs[0]['id']} of {local.key}", "RangeErr")
    return window


def _slice(samples: Samples, window: Window, quirks: Quirks) -> slice:
    if quirks.ignore_range:
        return slice(0, len(samples))
    inside = samples.between(
        window.start_us, window.end_us, start_open=quirks.start_exclusive, end_closed=quirks.start_exclusive
    )
    if quirks.extra_samples:
        return slice(max(inside.start - 1, 0), min(inside.stop + 1, len(samples)))
    return inside


def _bounds(call: Call, window: Window, ts_us: Times) -> dict[str, Any]:
    end = window.end
    if end is None:
        # An open end: what is there counts, and at least the time until now.
        now = call.state.clock.now()
        last = int(ts_us[-1]) + 1 if len(ts_us) else 0
        end = (now + timedelta(microseconds=max(last - micros(now), 0))).astimezone(window.start.tzinfo)
    start, end = window.start, max(end, window.start)
    if call.state.quirks.text_times:
        return {"hisStart": start.isoformat(), "hisEnd": end.isoformat()}
    return {"hisStart": start, "hisEnd": end}


def _shown(rec: Mapping[str, Any]) -> Ref:
    dis = rec.get("dis")
    return Ref(rec["id"].val, dis if isinstance(dis, str) else rec["id"].dis)


def _values(column: ArrowColumn, call: Call) -> ArrowColumn:
    if call.state.quirks.float32 and isinstance(column, NumberColumn):
        return NumberColumn(column.values.cast(pa.float32()).cast(pa.float64()), column.unit, column.na)
    return column


def _capped(call: Call, grid: Grid) -> Grid:
    quirks = call.state.quirks
    if quirks.reversed_rows:
        grid = Grid(grid.meta, grid.cols, [tuple(column)[::-1] for column in grid.columns])
    cap = quirks.row_cap
    if cap is None or len(grid) <= cap or quirks.cap_answer in ("cut", "hang"):
        return grid  # the last two are no matter of the grid
    if quirks.cap_answer == "error":
        raise OpRefusal(f"the answer exceeds the limit of {cap} rows", "LimitErr")
    if quirks.cap_answer != "incomplete":
        raise HttpRefusal(int(quirks.cap_answer), "the answer is too large")
    meta: dict[str, Any] = {**grid.meta, "incomplete": {"dis": f"more than {cap} rows", "limit": Number(cap)}}
    return Grid(meta, grid.cols, [column[:cap] for column in grid.columns])
