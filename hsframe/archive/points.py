"""The points of an archive: their records as the server had them, and how far their histories were read.

The table has the records that points refer to as well (their equips, sites, spaces), so that a filter with a path and
a column header work without the server. It is one file, written anew by each change.

================  ============  =======================================================================================
column            in Parquet    what it holds
================  ============  =======================================================================================
``id``            string        the id of the record
``dis``           string        its display name
``kind``          string        of a point: Number, Bool, Str, ...; null of another record
``unit``          string        of a point: the unit of its record
``tz``            string        of a point: the Haystack name of its zone
``tags``          string        the whole record, as Haystack JSON (version 4)
``since``         timestamp     from when on its history was read, in UTC; null where it was not asked for
``until``         timestamp     until when; ``since`` where nothing could be read so far
================  ============  =======================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hsframe.archive.delta import DeltaLog
from hsframe.archive.parquet_file import DataFile, epoch, opened
from hsframe.codecs.json4 import Json4
from hsframe.frame.points import Point, display_name
from hsframe.history.point_records import READ_TAGS
from hsframe.spans import from_epoch_us

_TIME: Final = pa.timestamp("us", "UTC")
_SCHEMA: Final = pa.schema(
    [pa.field("id", pa.string(), nullable=False)]
    + [(name, pa.string()) for name in ("dis", "kind", "unit", "tz", "tags")]
    + [("since", _TIME), ("until", _TIME)]
)
SERVER_KEY: Final = "hsframe.server"
LOGIN_KEY: Final = "hsframe.login"
_JSON: Final = Json4()
OF_SAMPLES: Final = "hsframe.samples"
"""The note of a commit: of which version of the samples the records tell."""
# Tags that change by themselves: where only they differ, a record is as it was.
_VOLATILE: Final = frozenset(
    [f"cur{name}" for name in ("Val", "Status", "Err")]
    + [f"his{name}" for name in ("End", "EndVal", "Size", "Status", "Err")]
    + [f"write{name}" for name in ("Val", "Level", "Status", "Err")]
    + ["mod"]
)


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """A record, and for a point the half-open window in which its history was read.

    It is empty where the history was asked for from then on and could not be read, and None where it was not asked for.
    """

    tags: Mapping[str, Any]
    read_us: tuple[int, int] | None = None

    @property
    def known_us(self) -> tuple[int, int] | None:
        """The window in which its history was read; None where that is empty too."""
        return self.read_us if self.read_us and self.read_us[0] < self.read_us[1] else None

    @property
    def id(self) -> str:
        ident: str = self.tags["id"].val
        return ident

    @property
    def shown(self) -> Mapping[str, Any]:
        """Its tags for those who read them later: what was the present value then is a stale one now."""
        return {**self.tags, "curStatus": "stale"} if "curVal" in self.tags else self.tags

    @property
    def served(self) -> Mapping[str, Any]:
        """Its tags for those who read them from a server; of a point with the window in which the archive knows it."""
        window = zip(READ_TAGS, self.known_us or (0, 0), strict=True) if "point" in self.tags else ()
        return {**self.shown, **{name: from_epoch_us(us, UTC) for name, us in window}}

    @property
    def point(self) -> Point:
        return Point.from_record(self.tags)


class PointTable(DeltaLog):
    """The records, by id."""

    schema = _SCHEMA

    def records(self) -> dict[str, ArchivedRecord]:
        """All records of this version, in the order in which they came."""
        found: dict[str, ArchivedRecord] = {}
        for file in self.files():
            with opened(self.storage, file.path, _SCHEMA) as parquet:
                rows = parquet.read(columns=["tags", "since", "until"]).to_pylist()
            for row in rows:
                read_us = None if row["until"] is None else (epoch(row["since"]), epoch(row["until"]))
                record = ArchivedRecord(_JSON.read_tags(_JSON.load(row["tags"]), 0), read_us)
                found[record.id] = record
        return found

    @property
    def server(self) -> str | None:
        """The server that the histories are from, where it is known: see :mod:`hsframe.archive.server_identity`."""
        return self.setting(SERVER_KEY)

    def count(self) -> int:
        """How many points were read."""
        count = 0
        for file in self.files():
            with opened(self.storage, file.path, _SCHEMA) as parquet:
                until = parquet.read(columns=["until"])["until"]
                count += len(until) - until.null_count
        return count

    def put(
        self,
        changes: Iterable[ArchivedRecord],
        *,
        slack_us: int = 0,
        asked: Mapping[str, tuple[int, int]] = MappingProxyType({}),
        in_order: bool = False,
    ) -> None:
        """Add records, or replace those of the same id; with `in_order`, where these are all, in their order.

        One without a window leaves that which is noted, as another program may do meanwhile, or gets that of `asked`.
        Nothing is written where all are as they were, and their points were read no further than `slack_us`.
        """
        given = list(changes)
        while True:
            self.refresh()
            known = self.records()
            noted = {ident: one.read_us for ident, one in known.items()}
            changed = {
                one.id: replace(one, read_us=one.read_us or noted.get(one.id) or asked.get(one.id)) for one in given
            }
            wanted = changed if in_order and changed.keys() >= known.keys() else known | changed
            if [*wanted] == [*known] and all(_same(one, known[one.id], slack_us) for one in changed.values()):
                return
            file = DataFile(f"{uuid4().hex}.parquet", rows=len(wanted))
            with self.storage.writing(file.path) as sink:
                pq.write_table(_table(wanted.values()), sink, compression="zstd", store_schema=False)
                file.size = sink.tell()
            if self.commit([file], self.files()):
                return
            self.discard([file])


def point_frame(records: Iterable[ArchivedRecord]) -> pd.DataFrame:
    """The points among some records as a frame, a row each."""
    table = _table(record for record in records if record.read_us is not None)
    df: pd.DataFrame = table.drop_columns(["tags"]).to_pandas()
    return df.astype(dict.fromkeys(("id", "dis", "kind", "unit", "tz"), "str"))


def _same(one: ArchivedRecord, other: ArchivedRecord, slack_us: int) -> bool:
    if (one.read_us is None) != (other.read_us is None):
        return False
    (since_us, until_us), (start_us, end_us) = one.read_us or (0, 0), other.read_us or (0, 0)
    if since_us != start_us or not 0 <= until_us - end_us <= slack_us:
        return False
    a, b = ({name: tag for name, tag in record.tags.items() if name not in _VOLATILE} for record in (one, other))
    return a == b


def _table(records: Iterable[ArchivedRecord]) -> pa.Table:
    rows = []
    for record in records:
        point = record.point if "point" in record.tags else None
        about = point and (point.kind, point.unit, point.tz)
        tags = json.dumps(_JSON.dict_of(record.tags, 0), ensure_ascii=False)
        read_us = record.read_us or (None, None)
        row = record.id, display_name(record.tags), *(about or (None, None, None)), tags, *read_us
        rows.append(dict(zip(_SCHEMA.names, row, strict=True)))
    return pa.Table.from_pylist(rows, _SCHEMA)
