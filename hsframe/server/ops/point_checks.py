"""Checks of points: whether they have a history, and whether a value is of their kind and unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hsframe.grid import Value
from hsframe.kinds import Number, Ref
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call

_TYPES: Final = {"Number": Number, "Bool": bool, "Str": str}


def his_point(call: Call, ref: Ref) -> dict[str, Any]:
    """The record of a point that has a history and a zone; a refusal where it lacks one."""
    rec = call.rec(ref)
    if "his" not in rec or rec.get("kind") not in _TYPES:
        raise OpRefusal(f"{ref} ({rec.get('dis')}) has no history: it lacks the tag 'his' or a kind", "NotHisErr")
    if not isinstance(rec.get("tz"), str):
        raise OpRefusal(f"{ref} ({rec.get('dis')}) has no time zone: it lacks the tag 'tz'", "NotHisErr")
    return rec


def checked_value(val: Value, rec: Mapping[str, Any], where: str) -> bool | str | Number:
    """The value, if it is of the point's kind and unit; a Number gets the point's unit. A refusal names `where`."""
    kind, unit = rec.get("kind"), rec.get("unit")
    if isinstance(val, bool | str | Number) and isinstance(val, _TYPES.get(str(kind), ())):
        if not isinstance(val, Number) or val.unit == unit:
            return val
        if val.unit is None:
            return Number(val.val, unit)
        raise OpRefusal(
            f"{where} is {val}, and the unit of {rec['id']} ({rec.get('dis')}) is {unit}; the server converts nothing",
            "UnitErr",
        )
    raise OpRefusal(f"{where} is {val!r}, and {rec['id']} ({rec.get('dis')}) is a point of kind {kind}", "Err")
