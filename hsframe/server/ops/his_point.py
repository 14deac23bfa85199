"""Which records have a history."""

from __future__ import annotations

from typing import Any

from hsframe.kinds import Ref
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call

__all__ = ["his_point"]


def his_point(call: Call, ref: Ref) -> dict[str, Any]:
    """The record of a point that has a history.

    Raises
    ------
    OpRefusal
        No such record, or no point with a history and a zone.
    """
    rec = call.rec(ref)
    if "his" not in rec or rec.get("kind") not in ("Number", "Bool", "Str"):
        raise OpRefusal(f"{ref} ({rec.get('dis')}) has no history: it lacks the tag 'his' or a kind", "NotHisErr")
    if not isinstance(rec.get("tz"), str):
        raise OpRefusal(f"{ref} ({rec.get('dis')}) has no time zone: it lacks the tag 'tz'", "NotHisErr")
    return rec
