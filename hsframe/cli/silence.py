"""What ``--silent-after`` says of points that went silent: a command that found no new samples has not failed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from hsframe.cli.messages import tell

if TYPE_CHECKING:
    from hsframe.session import Session
    from hsframe.session.archive import Archive

EXIT_CODE: Final = 4
_SHOWN: Final = 5  # points on stderr


def silent_points(args: argparse.Namespace, place: Session | Archive, ids: Iterable[str]) -> list[dict[str, Any]]:
    """The points without a sample for as long as ``--silent-after`` says, told on stderr; none without that option.

    Points that record changes are none of them: of these nothing is due.
    """
    if args.silent_after is None or not (refs := [f"@{ident}" for ident in ids]):
        return []
    from hsframe.frame.points_like import as_points
    from hsframe.intervals.rules import PointSampling

    def last_of(refs: list[str], **reach: str) -> Any:
        return place.latest(refs, tz="UTC", on_error="catalog", **reach)

    recent = last_of(refs, max_age=args.silent_after)
    late = recent.loc[recent["source"].ne("his").fillna(True) & recent["status"].ne("failed"), "id"]
    known = as_points(place.read_by_ids([f"@{ident}" for ident in late])) if len(late) else []
    sampled = [f"@{point.id}" for point in known if not PointSampling.from_record(point.his_tags()).is_step]
    rows = last_of(sampled).to_dict("records") if sampled else []
    silent = [{**one, "last": one["ts"].isoformat() if one["source"] == "his" else None} for one in rows]
    for one in silent[:_SHOWN]:
        since = f"its last sample is of {one['last']}" if one["last"] else "it has none"
        tell(args, f"@{one['id']} ({one['dis']}) has no sample of the last {args.silent_after}: {since}")
    if len(silent) > _SHOWN:
        tell(args, f"{len(silent) - _SHOWN} more points have no sample of the last {args.silent_after}")
    return [{name: one[name] for name in ("id", "dis", "last")} for one in silent]
