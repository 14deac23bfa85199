"""Writes a value at a level of a point: checks it against the point's record, sends it, and reads the level back."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

import pandas as pd

from hsframe.errors import HsFrameError, MetadataError, UnitError
from hsframe.frame.his_grids import taken_to_be_in
from hsframe.frame.points import Point
from hsframe.frame.values import same_unit
from hsframe.grid import Grid, Value
from hsframe.history.failures import may_still_run
from hsframe.history.point_records import read_records
from hsframe.kinds import Number, Ref
from hsframe.units import convert as convert_value

if TYPE_CHECKING:
    from hsframe.client import Client

_KINDS: Final = {Number: "Number", bool: "Bool", str: "Str"}
# How long to wait for the value to appear: a server may answer before it has written.
_PAUSES_S: Final = (0.0, 0.25, 0.75)
# Servers keep numbers in single precision or write six significant digits.
_SIX_DIGITS: Final = 1e-5

Levels = dict[int, Value]


async def write_point(client: Client, request: Grid, *, dry_run: bool, convert: bool) -> tuple[Point, pd.DataFrame]:
    """Write as :meth:`hsframe.AsyncSession.point_write` describes; gives the point of the record, and the report.

    `request` is a checked request of pointWrite, whose value is in any unit.
    """
    row = dict(request[0])
    of, level = row["id"], row["level"]
    assert isinstance(of, Ref)
    assert isinstance(level, Number)
    point = (await read_records(client, [of.val]))[0].point
    value, note = _checked(row.get("val"), point, convert=convert)
    place = int(level.val)
    if dry_run:
        return point, _report(point, place, value, "dry run", await _levels(client, of), note)
    request = Grid(request.meta, request.cols, [*request.columns[:2], (value,), *request.columns[3:]])
    try:
        await client.call("pointWrite", request)
    except HsFrameError as error:
        if may_still_run(error):
            error.add_note(
                f"it is not known whether the server has written level {place} of {of}, or will write it later; "
                f"point_write_array('{of}') shows what it has"
            )
        raise
    there: Levels = {}
    try:
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            there = await _levels(client, of)
            if is_written := _is_same(there.get(place), value):
                break
    except HsFrameError as error:  # it is written all the same
        note = "; ".join(filter(None, (note, f"the level could not be read back: {error}")))
        is_written = True
    return point, _report(point, place, value, "written" if is_written else "differs", there, note)


def _checked(value: Value | None, point: Point, *, convert: bool) -> tuple[Value | None, str]:
    """The value of the point's kind and in its unit, and a note about it; an error where it cannot be that."""
    if value is None:
        return None, ""
    where = f"the value {value} for {point}"
    kind = _KINDS.get(type(value))
    if kind is None or point.kind not in (None, kind):
        wanted = point.kind or "Number, Bool or Str"
        raise MetadataError(f"{where} must be of kind {wanted}; got {value!r}; nothing was sent")
    if not isinstance(value, Number) or not point.is_known or not math.isfinite(value.val):
        return value, ""
    if value.unit is None or same_unit(value.unit, point.unit):
        return Number(value.val, point.unit), "" if value.unit else taken_to_be_in(point.unit)
    way_out = "pass convert=True" if point.unit else "write float(value) if the number alone is meant"
    if point.unit is not None:
        try:
            converted = Number(convert_value(float(value.val), value.unit, point.unit), point.unit)
            if convert:
                return converted, ""
        except UnitError as error:
            way_out = str(error)
    raise UnitError(f"{where} is in {value.unit}, the point in {point.unit or 'none'}; {way_out}; nothing was sent")


async def _levels(client: Client, of: Ref) -> Levels:
    array = await client.point_write_array(of, raw=True)
    found = ((row.get("level"), row.get("val")) for row in array)
    return {int(level.val): val for level, val in found if isinstance(level, Number) and val is not None}


def _is_same(there: Value | None, meant: Value | None) -> bool:
    if isinstance(there, Number) and isinstance(meant, Number):
        is_own = there.unit is None or same_unit(there.unit, meant.unit)
        return there == meant or (is_own and math.isclose(there.val, meant.val, rel_tol=_SIX_DIGITS))
    return type(there) is type(meant) and there == meant


def _report(point: Point, level: int, value: Value | None, status: str, there: Levels, note: str) -> pd.DataFrame:
    strongest = min(there, default=None)
    row = {"id": point.id, "dis": point.dis, "unit": point.unit, "level": level, "value": value, "status": status}
    row |= {"on_server": there.get(level), "effective_level": strongest, "effective": there.get(strongest or 0)}
    texts = dict.fromkeys(("id", "dis", "unit", "status", "note"), "str")
    table = pd.DataFrame([{**row, "note": note}], dtype=object)
    return table.astype({**texts, "level": "int64", "effective_level": "Int64"})
