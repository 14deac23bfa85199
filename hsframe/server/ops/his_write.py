"""hisWrite: store samples of one point, or of several side by side.

Everything is checked before anything is stored. The zone, the kind and the unit must be the point's own (a Number
without unit is taken as one of the point's); nothing is converted. Rows may come in any order and twice: of equal
instants the last one wins. A null cell is not a sample; the value ``R`` deletes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import ZoneError
from hsframe.grid import Grid
from hsframe.kinds import NA, REMOVE, Number
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Times
from hsframe.server.state import Call, checked_value, ref_of
from hsframe.spans import epoch_us
from hsframe.zones import haystack_name, zone_key


@dataclass(frozen=True)
class _Batch:
    rec: Mapping[str, Any]
    ts_us: Times
    values: NDArray[Any] | list[str]
    na: NDArray[np.bool_]
    removed_us: Times


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
    times: dict[str, Times] = {}  # by zone, so that the rows of a batch are not checked again for each point
    batches = []
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
        batches.append(_from_arrow(cells, times[tz], rec) or _from_cells(cells, times[tz], rec, col.name))
    call.store(lambda: _store(call.database, batches))
    return Grid()


def _store(database: Database, batches: Sequence[_Batch]) -> None:
    for batch in batches:
        if database.get(batch.rec["id"]) is not None:
            samples = database.history(batch.rec["id"])
            samples.merge(batch.ts_us, batch.values, batch.na)
            if len(batch.removed_us):
                samples.remove(batch.removed_us)


def _instants(times: Sequence[Any], rec: Mapping[str, Any]) -> Times:
    """Epoch microseconds of the timestamps, each in the point's zone."""
    key = zone_key(rec["tz"])
    if isinstance(times, TimeColumn):
        if times.values.null_count:
            raise OpRefusal("a row has no ts; expected a DateTime in each row", "ArgErr")
        if len(times) and zone_key(times.tz) != key:
            raise _zone_refusal(times.tz, rec, 0)
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
            raise _zone_refusal(name, rec, row)
        instants[row] = epoch_us(when)
    return instants


def _zone_refusal(name: str, rec: Mapping[str, Any], row: int) -> OpRefusal:
    return OpRefusal(
        f"ts of row {row} is in the zone {name}, and {rec['id']} ({rec.get('dis')}) is in {rec['tz']}; write the "
        "instants in the point's own zone",
        "ZoneErr",
    )


def _from_arrow(cells: Sequence[Any], ts_us: Times, rec: Mapping[str, Any]) -> _Batch | None:
    """The samples of an Arrow column, without one object per cell; None where it is not of the point's kind."""
    kind = rec["kind"]
    fits = (
        (kind == "Number" and isinstance(cells, NumberColumn) and cells.unit in (None, rec.get("unit")))
        or (kind == "Bool" and isinstance(cells, BoolColumn))
        or (kind == "Str" and isinstance(cells, StrColumn))
    )
    if not fits:
        return None
    assert isinstance(cells, NumberColumn | BoolColumn | StrColumn)
    null = np.asarray(cells.values.is_null().to_numpy(zero_copy_only=False), np.bool_)
    na = np.zeros(len(cells), np.bool_) if cells.na is None else np.asarray(cells.na.to_numpy(zero_copy_only=False))
    keep = ~null | na
    values: Any
    if isinstance(cells, StrColumn):
        texts = cells.values.to_pylist()
        values = [texts[i] or "" for i in np.flatnonzero(keep)]
    else:
        values = cells.values.fill_null(False if kind == "Bool" else 0.0).to_numpy(zero_copy_only=False)[keep]
    return _Batch(rec, ts_us[keep], values, na[keep], np.empty(0, np.int64))


def _from_cells(cells: Sequence[Any], ts_us: Times, rec: Mapping[str, Any], column: str) -> _Batch:
    kind = rec["kind"]
    blank: str | float = "" if kind == "Str" else 0.0
    keep: list[int] = []
    values: list[bool | str | float] = []
    na: list[bool] = []
    removed: list[int] = []
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        if cell is REMOVE:
            removed.append(row)
            continue
        keep.append(row)
        value = blank if cell is NA else checked_value(cell, rec, f"{column} of row {row}")
        values.append(value.val if isinstance(value, Number) else value)
        na.append(cell is NA)
    stored: Any = values if kind == "Str" else np.array(values, np.float64 if kind == "Number" else np.bool_)
    rows = np.array(keep, np.intp)
    return _Batch(rec, ts_us[rows], stored, np.array(na, np.bool_), ts_us[np.array(removed, np.intp)])
