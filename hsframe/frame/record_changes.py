"""What was edited in a frame of records, tag by tag, against the records themselves.

A cell of a frame does not say its kind: a text may be a Str, a Ref or a Uri, True a Marker or a Bool. It has the kind
that the tag has in the record or, where it has none there, in the other records. A tag that none of them has is what
the dtype says (:mod:`hsframe.frame.entities`), or a Ref where its name ends in ``Ref`` and the text begins with ``@``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.points import DIS_SUFFIX, display_name
from hsframe.grid import Value
from hsframe.kinds import MARKER, REMOVE, Marker, Number, Ref, Symbol, Uri
from hsframe.protocol.request_grids import as_kind, as_ref
from hsframe.unit_array.scalars import is_missing

_OF_TEXT: Final = {Ref: as_ref, Uri: Uri, Symbol: Symbol}


@dataclass(frozen=True, slots=True)
class RecordChange:
    """The tags of one record that are to change, each with its value before and after; None is no tag."""

    id: Ref | None
    dis: str
    mod: Value | None
    tags: Mapping[str, tuple[Value | None, Value | None]]

    def row(self) -> dict[str, Any]:
        """The row of a request: a tag that is to go is Remove."""
        told: dict[str, Any] = {} if self.id is None else {"id": self.id}
        told |= {} if self.mod is None else {"mod": self.mod}
        return {**told, **{tag: REMOVE if new is None else new for tag, (_, new) in self.tags.items()}}


def record_changes(df: pd.DataFrame, records: Mapping[str, Mapping[str, Any]], add: bool) -> list[RecordChange]:
    """The records of a frame that differ from those of the server, by id; with `add` those too that it does not have.

    MetadataError where a row is of no such record, of one that another has changed since the frame was read, or of one
    that another row changes too.
    """
    if not df.columns.is_unique:
        raise MetadataError(f"the frame has several columns {df.columns[df.columns.duplicated()][0]!r}; keep one")
    tags = [
        tag for tag in df.columns if isinstance(tag, str) and tag not in ("id", "mod") and not _is_of_names(tag, df)
    ]
    kinds = {tag: {type(rec[tag]) for rec in records.values() if rec.get(tag) is not None} for tag in tags}
    columns = {str(tag): df[tag].tolist() for tag in ("id", "mod", *tags) if tag in df}
    markers = {tag for tag in tags if df[tag].dtype == np.bool_}
    found = dict[Ref | int, RecordChange]()
    for place in range(len(df)):
        row = {tag: cells[place] for tag, cells in columns.items()}
        id = None if is_missing(row["id"]) else as_ref(row["id"])
        old: Mapping[str, Any] | None = {} if id is None else records.get(id.val)
        if (id is None or old is None) and not add:
            what = "no id" if id is None else f"the id {id}, which the server does not have"
            raise MetadataError(f"row {place} of the frame has {what}; add=True adds such records; nothing was sent")
        if old and "mod" in row and not _is_same(mod := as_kind(_plain(row["mod"])), old.get("mod")):
            raise MetadataError(
                f"{id} ({display_name(old)}) was changed on the server since the frame was read: its mod is "
                f"{old.get('mod')}, and in the frame {mod}; read it again and edit that; nothing was sent"
            )
        changed = {}
        for tag in tags:
            was = (old or {}).get(tag)
            new = _value(row[tag], was, kinds[tag], is_marker=tag in markers, tag=tag)
            is_nothing = is_missing(was) or (isinstance(was, Number) and math.isnan(was.val))
            if not (_is_same(new, was) or (new is None and is_nothing)):
                changed[tag] = (was, new)
        if changed:
            if id in found:
                raise MetadataError(f"the frame has two rows of {id} with changes; expected one; nothing was sent")
            dis = display_name(old or {"id": id, **{tag: new for tag, (_, new) in changed.items()}})
            found[id or place] = RecordChange(id, dis, (old or {}).get("mod"), changed)
    return list(found.values())


def _is_of_names(tag: str, df: pd.DataFrame) -> bool:
    """Whether a column has the display names of the Refs beside it, which are their own records'."""
    return tag.endswith(DIS_SUFFIX) and tag.removesuffix(DIS_SUFFIX) in df


def _plain(cell: Any) -> Any:
    return None if is_missing(cell) else cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell


def _value(cell: Any, was: Any, kinds: set[type], *, is_marker: bool, tag: str) -> Any:
    cell = as_kind(_plain(cell))
    kinds = {type(was)} if was is not None else kinds
    if isinstance(cell, bool) and (kinds == {Marker} or (not kinds and is_marker)):
        return MARKER if cell else None
    if isinstance(cell, str):
        for kind, made in _OF_TEXT.items():
            if kinds == {kind} or (kind is Ref and not kinds and tag.endswith("Ref") and cell.startswith("@")):
                return made(cell)
    if isinstance(cell, Number) and cell.unit is None and isinstance(was, Number):
        return Number(cell.val, was.unit)  # one without a unit is in that of the tag, as for samples
    if isinstance(cell, datetime) and isinstance(was, datetime):
        return cell.astimezone(was.tzinfo)
    return cell


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one.astimezone(UTC) == other.astimezone(UTC)  # == of one zone does not tell an hour from its repeat
    return type(one) is type(other) and bool(one == other)


def changes_table(changes: Iterable[tuple[RecordChange, str]]) -> pd.DataFrame:
    """A row a record and tag: ``id``, ``dis``, ``tag``, ``old``, ``new``, ``status``; one that goes has one row."""
    rows: list[Sequence[Any]] = []
    for change, status in changes:
        who = (None if change.id is None else change.id.val, change.dis)
        rows += [(*who, tag, old, new, status) for tag, (old, new) in (change.tags or {"": (None, None)}).items()]
    table = pd.DataFrame(rows, columns=["id", "dis", "tag", "old", "new", "status"], dtype=object)
    return table.astype(dict.fromkeys(("id", "dis", "tag", "status"), "str"))
