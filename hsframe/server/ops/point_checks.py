"""What a point takes: which records have a history, which values fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hsframe.grid import Value
from hsframe.kinds import Number, Ref
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call

__all__ = ["fitting", "his_point"]

_TYPES: Final = {"Number": Number, "Bool": bool, "Str": str}


def his_point(call: Call, ref: Ref) -> dict[str, Any]:
    """The record of a point that has a history and a zone; a refusal where it is none."""
    rec = call.rec(ref)
    if "his" not in rec or rec.get("kind") not in _TYPES:
        raise OpRefusal(f"{ref} ({rec.get('dis')}) has no history: it lacks the tag 'his' or a kind", "NotHisErr")
    if not isinstance(rec.get("tz"), str):
        raise OpRefusal(f"{ref} ({rec.get('dis')}) has no time zone: it lacks the tag 'tz'", "NotHisErr")
    return rec


def fitting(val: Value, rec: Mapping[str, Any], where: str) -> bool | str | Number:
    """A value that fits a point; a Number gets the point's unit. `where` it stands is named in the refusal."""
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
