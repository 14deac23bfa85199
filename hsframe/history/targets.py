"""From what a person calls points to records that can be read: a filter, ids, Refs, or the frame that ``read`` gave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from hsframe.errors import HsFrameError, MetadataError, UnknownRecError
from hsframe.filters import means_filter
from hsframe.frame.points import Point, as_points
from hsframe.history.windows import Target
from hsframe.kinds import Ref

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["find_targets", "targets_by_id", "targets_of"]

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IDS_A_READ: Final = 500


async def find_targets(
    client: Client,
    points: Any,
    *,
    tags: Sequence[str] = ("his", "point"),
    failures: dict[str, HsFrameError] | None = None,
) -> list[Target]:
    """The records of some points: zone, unit, kind, name, density.

    Parameters
    ----------
    client : Client
    points : str, Ref, Point, DataFrame, or an iterable of ids
        A str that starts with ``@`` is an id. Else, if it parses as a filter, it is one; else it is an id. A single
        word that finds nothing as a filter is tried as an id. Of the records that a filter finds, those with a
        history (tag ``his``) are taken; where the server marks none so, its points.
    tags : sequence of str
        Of the records that a filter finds, those with the first of these tags that any of them has.
    failures : dict of str to HsFrameError, optional
        Where the errors of unknown ids are put; without it they are raised.

    Returns
    -------
    list of Target
        In the order given, or in that of the server's answer to a filter; each point once.

    Raises
    ------
    UnknownRecError
        Ids that the server does not know; the message names them all.
    MetadataError
        Nothing that could be a point, or a filter that finds no point with a history.
    """
    if isinstance(points, str) and means_filter(points):
        return await _by_filter(client, points.strip(), tags)
    wanted = as_points(points.strip() if isinstance(points, str) else points)
    if not wanted:
        raise MetadataError("there are no points to read: what was given is empty; look some up with read('point')")
    return await targets_by_id(client, [point.id for point in wanted], failures)


async def _by_filter(client: Client, text: str, tags: Sequence[str]) -> list[Target]:
    grid = await client.read(text, raw=True)
    records: list[Mapping[str, Any]] = [row for row in grid if "id" in row]
    if not records and _WORD.fullmatch(text):
        try:
            return await targets_by_id(client, [text])
        except UnknownRecError as error:
            raise UnknownRecError(
                f"no record has the tag {text!r}, and none has the id @{text}; look points up with read('point')",
                ids=error.ids,
            ) from error
    for tag in tags:
        marked = [record for record in records if tag in record]
        if marked:
            return targets_of(marked)
    found = f"{len(records)} records, none of them a point" if records else "no record"
    raise MetadataError(f"the filter {text!r} finds {found}; expected points, as in 'point and his and temp'")


async def targets_by_id(
    client: Client, ids: Sequence[str], failures: dict[str, HsFrameError] | None = None
) -> list[Target]:
    """The records of some ids, in their order.

    Parameters
    ----------
    client : Client
    ids : sequence of str
    failures : dict of str to HsFrameError, optional
        Where the errors of unknown ids are put; without it they are raised.

    Raises
    ------
    UnknownRecError
        Ids that the server does not know; the message names them all.
    """
    records: list[Mapping[str, Any]] = []
    unknown: list[str] = []
    waiting = [list(ids[place : place + _IDS_A_READ]) for place in range(0, len(ids), _IDS_A_READ)]
    while waiting:
        some = waiting.pop(0)
        try:
            grid = await client.read_by_ids([Ref(ident) for ident in some], checked=False, raw=True)
        except UnknownRecError as error:
            # A server that refuses them all for one of them: the others are asked for again, if they are wanted.
            lost = [ident for ident in some if ident in error.ids]
            if not lost:
                raise
            unknown += lost
            if failures is not None and len(lost) < len(some):
                waiting.insert(0, [ident for ident in some if ident not in error.ids])
            continue
        # In the order asked; an unknown id is an empty row.
        unknown += [ident for ident, row in zip(some, grid, strict=True) if not row]
        records += [_asked(ident, row) for ident, row in zip(some, grid, strict=True) if row]
    if unknown and failures is None:
        names = ", ".join("@" + ident for ident in unknown[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise UnknownRecError(
            f"the server knows no record of {names}{more}; look points up with read('point and his')", ids=unknown
        )
    if failures is not None:
        failures.update((ident, UnknownRecError(f"the server knows no record of @{ident}")) for ident in unknown)
    return targets_of(records)


def _asked(ident: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record under the id that was asked for: a server may answer with a longer or a shorter form of it."""
    answered = row.get("id")
    return {**row, "id": Ref(ident, answered.dis if isinstance(answered, Ref) else None)}


def targets_of(records: Sequence[Mapping[str, Any]]) -> list[Target]:
    """The targets of records that were read; an id that comes twice is kept once."""
    found: dict[str, Target] = {}
    for record in records:
        point = Point.from_record(record)
        found.setdefault(point.id, Target.from_record(record, point))
    return list(found.values())
