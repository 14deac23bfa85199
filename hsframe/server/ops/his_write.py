"""hisWrite: store samples of one point, or of several side by side.

Everything is checked before anything is stored. The zone, the kind and the unit must be the point's own (a Number
without unit is taken as one of the point's); nothing is converted. Rows may come in any order and twice: of equal
instants the last one wins. A null cell is not a sample; the value ``R`` deletes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from hsframe.arrays import Instants
from hsframe.columns import NumberColumn, TimeColumn
from hsframe.errors import ZoneError
from hsframe.grid import Grid
from hsframe.kinds import NA, REMOVE, Number
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Change
from hsframe.server.state import Call, checked_value, ref_of
from hsframe.spans import epoch_us
from hsframe.zones import haystack_name, zone_key


def his_write(call: Call) -> Grid:
    """Store samples: meta ``id`` and columns ``ts``, ``val``; or columns ``ts``, ``v0``, ... each with meta ``id``."""
    grid = call.grid
    if not grid.has_col("ts"):
        raise OpRefusal(f"the request has no column 'ts'; it has {', '.join(grid.col_names) or '(none)'}", "ArgErr")
    value_cols = [col for col in grid.cols if col.name != "ts"]
    single = grid.meta.get("id")
    if single is not None and [col.name for col in value_cols] != ["val"]:
        raise OpRefusal(
            f"one point is written with the columns ts and val; the request has {', '.join(grid.col_names)}", "ArgErr"
        )
    if not value_cols:
        raise OpRefusal("the request has no column of values", "ArgErr")
    times: dict[str, Instants] = {}  # by zone, so that the rows of a batch are not checked again for each point
    changes = []
    for col in value_cols:
        id = col.meta.get("id") if single is None else single
        if id is None:
            raise OpRefusal(
                f"the column {col.name!r} has no id in its meta, and the grid's meta has none; expected the id of the "
                "point in one of them",
                "ArgErr",
            )
        rec = call.his_point(ref_of(id, f"the column {col.name!r}" if single is None else "the request's meta"))
        tz = rec["tz"]
        if tz not in times:
            times[tz] = _instants(grid.column("ts"), rec)
        cells = grid.column(col.name)
        changes.append(_change(cells, times[tz], rec, col.name))
    call.store(lambda: call.database.store(changes))
    return Grid()


def _instants(times: Sequence[Any], rec: Mapping[str, Any]) -> Instants:
    """Epoch microseconds of the timestamps, each in the point's zone."""
    key = zone_key(rec["tz"])
    if isinstance(times, TimeColumn) and len(times) and not times.values.null_count and zone_key(times.tz) == key:
        return np.asarray(times.values.to_numpy(zero_copy_only=False), np.int64)
    instants = np.empty(len(times), np.int64)
    for row, when in enumerate(times):
        if not isinstance(when, datetime) or when.tzinfo is None:
            raise OpRefusal(f"ts of row {row} is {when!r}; expected a DateTime", "ArgErr")
        if getattr(when.tzinfo, "key", None) != key:
            try:
                name = haystack_name(when.tzinfo)
            except ZoneError:
                name = str(when.tzinfo)
            raise OpRefusal(
                f"ts of row {row} is in the zone {name}, and {rec['id']} ({rec.get('dis')}) is in {rec['tz']}; write "
                "the instants in the point's own zone",
                "ZoneErr",
            )
        instants[row] = epoch_us(when)
    return instants


def _change(cells: Sequence[Any], ts_us: Instants, rec: Mapping[str, Any], column: str) -> Change:
    kind, units = rec["kind"], (None, rec.get("unit"))
    none = np.empty(0, np.int64)
    if kind == "Number" and isinstance(cells, NumberColumn) and not cells.values.null_count and cells.unit in units:
        # Most writes are such, and need no object per cell.
        return Change(rec, ts_us, cells.values.to_numpy(), np.zeros(len(cells), np.bool_), none)
    cells = list(cells)
    kept = [row for row, cell in enumerate(cells) if cell is not None and cell is not REMOVE]
    na = np.array([cells[row] is NA for row in kept], np.bool_)
    blank: Any = {"Number": 0.0, "Bool": False, "Str": ""}[kind]
    values = [
        blank if is_na else checked_value(cells[row], rec, f"{column} of row {row}")
        for row, is_na in zip(kept, na.tolist(), strict=True)
    ]
    plain: Any = [value.val if isinstance(value, Number) else value for value in values]
    removed = [row for row, cell in enumerate(cells) if cell is REMOVE]
    return Change(rec, ts_us[kept] if kept else none, plain, na, ts_us[removed] if removed else none)
