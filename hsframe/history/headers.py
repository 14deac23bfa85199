"""The labels of columns, with what the records say that the Refs of points lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hsframe.frame.labels import Header, Tags, labels_of, levels_of
from hsframe.frame.points import ColumnLabel, Point, display_name
from hsframe.history.point_records import PointRecord, read_records
from hsframe.history.source import Source
from hsframe.kinds import Ref


async def read_labels(
    source: Source, records: Sequence[PointRecord], points: Sequence[Point], header: Header
) -> dict[str, ColumnLabel]:
    """By id the labels of some points (:mod:`hsframe.frame.labels`); `records` are those that are known.

    Each record that a path leads through is read once, together with others, and so are those whose display name a Ref
    does not tell. One that the server does not give is as one without tags.
    """
    known: dict[str, Tags] = {record.id: record.tags for record in records}
    found: dict[str, Tags] = dict(known)
    for path in levels_of(header):
        if "->" in path:
            values = await followed(source, known, [record.id for record in records], path.split("->"))
            found = {ident: {**tags, path: values[ident]} for ident, tags in found.items()}
        elif path != "id" and any(isinstance(ref := tags.get(path), Ref) and not ref.dis for tags in known.values()):
            names = await followed(source, dict(known), [record.id for record in records], [path, "dis"])
            found = {ident: {**tags, path: names[ident] or tags.get(path)} for ident, tags in found.items()}
    return dict(zip([point.id for point in points], labels_of(points, header, found), strict=True))


async def followed(source: Source, known: dict[str, Tags], ids: Sequence[str], path: Sequence[str]) -> dict[str, Any]:
    """What a path leads to from each record; the records on the way are added to `known`."""
    *steps, last = path
    at = {ident: known[ident] for ident in ids}
    for step in steps:
        refs = {ident: tags.get(step) for ident, tags in at.items()}
        wanted = {ref.val: ref for ref in refs.values() if isinstance(ref, Ref) and ref.val not in known}
        if wanted:
            read = {record.id: record.tags for record in await read_records(source, list(wanted), failures={})}
            # What is not given away has at least the name that is in the Ref.
            known.update({ident: read.get(ident, {"id": ref}) for ident, ref in wanted.items()})
        at = {ident: known[ref.val] if isinstance(ref, Ref) else {} for ident, ref in refs.items()}
    if last == "dis":
        return {ident: display_name(tags) or None for ident, tags in at.items()}
    return {ident: tags.get(last) for ident, tags in at.items()}
