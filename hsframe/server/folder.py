"""A folder of Parquet files as a database: exported files can be served, and read again by any client.

A file is a table with one column of times and one column per point. The metadata of hsframe's own files describes the
points (``hsframe:unit``, ``hsframe:id``, ``hsframe:dis``, ``hsframe:tz``, ``hsframe:his``); a column without metadata
is a point named after the file and the column, in the zone of the times, without unit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.arrays import Instants
from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning, ZoneError
from hsframe.frame.arrow import field_entries
from hsframe.frame.parquet import read_table
from hsframe.frame.points import TIDY_COLUMNS, Point
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.server.written import WrittenFolder
from hsframe.spans import from_epoch_us
from hsframe.zones import haystack_name

_NOT_IN_A_REF: Final = re.compile(r"[^A-Za-z0-9_:\-.~]+")
# Tags that must be equal where one point is in several files.
_IDENTITY: Final = ("kind", "unit", "tz")


def parquet_folder(path: str | os.PathLike[str]) -> Database:
    """The ``*.parquet`` files of a folder, in the order of their names, as a database: one site, an equip a file.

    Each column is a point. Null and NaN are not samples. A point that is in several files has the samples of all; where
    two files have the same instant, the later file counts. Columns that are not of numbers, truth values or texts are
    left out, with a ReadWarning. What clients write is kept beside the files, see :mod:`hsframe.server.written`.

    CodecError for a damaged file. MetadataError where there is no such folder or no file in it, a file without a column
    of times that have a zone, or a point that is in two files with different units, kinds or zones.
    """
    folder = Path(path)
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise MetadataError(f"{folder} has no *.parquet files and no archive; hsframe.export(...) makes either")
    name = folder.resolve().name or "folder"
    database = WrittenFolder(folder, name=name)
    changed_ms = max(file.stat().st_mtime_ns for file in files) // 1_000_000
    database.mod = from_epoch_us(changed_ms * 1000, UTC)  # a restart alone changes no record
    add_tables(database, ((str(file), file.stem, f"file-{file.stem}-", read_table(file)) for file in files))
    database.restore()
    return database


def add_tables(database: Database, tables: Iterable[tuple[str, str, str, pa.Table]]) -> None:
    """Add tables to a database, as one site, each as an equip.

    Each has the words for it in an error, its name, and what the id of a column begins with that has none.
    """
    site = Ref("site", database.name)
    for where, name, prefix, table in tables:
        _add_table(database, site, where, name, prefix, table)
    zones = {rec["tz"] for rec in database.query("point")}
    database.tz = zones.pop() if len(zones) == 1 else "UTC"
    database.add({"id": site, "site": MARKER, "dis": database.name, "tz": database.tz})


def _add_table(database: Database, site: Ref, where: str, name: str, prefix: str, table: pa.Table) -> None:
    if tuple(table.column_names[: len(TIDY_COLUMNS)]) == TIDY_COLUMNS:
        raise MetadataError(f"{where} has a row per sample (shape='tidy'); what is served has a column per point")
    index = (table.schema.pandas_metadata or {}).get("index_columns", ())  # goes before other columns of times
    fields = sorted(table.schema, key=lambda field: field.name not in index)
    time_field = next((field for field in fields if pa.types.is_timestamp(field.type)), None)
    if time_field is None or time_field.type.tz is None:
        found = ", ".join(f"{field.name} ({field.type})" for field in table.schema)
        raise MetadataError(f"{where} has no column of times with a zone; it has {found or 'no columns'}")
    times = table[time_field.name]
    if times.null_count:
        raise MetadataError(f"{where} has rows without a time, in its column {time_field.name!r}")
    ts_us = times.cast(pa.timestamp("us", time_field.type.tz), safe=False).cast(pa.int64()).to_numpy()
    equip = Ref("file-" + _NOT_IN_A_REF.sub("_", name), name)
    database.add({"id": equip, "equip": MARKER, "dis": name, "siteRef": site})
    columns: dict[Ref, str] = {}
    for field in table.schema:
        kind = _kind(field.type)
        if field.name == time_field.name:
            continue
        if kind is None:
            warn_caller(f"{where}: the column {field.name!r} is not served; no history has {field.type}", ReadWarning)
            continue
        stated = field_entries(field)
        id = Ref(stated.get("id") or _NOT_IN_A_REF.sub("_", prefix + field.name))
        rec = {
            **Point(id.val, field.name, his=stated.get("his")).his_tags(),
            "id": id,
            "dis": stated.get("dis", field.name),
            "point": MARKER,
            "his": MARKER,
            "kind": kind,
            "tz": stated.get("tz") or _zone_of(time_field.type.tz, where),
            "siteRef": site,
            "equipRef": equip,
        }
        if kind == "Number" and "unit" in stated:
            rec["unit"] = stated["unit"]
        if id in columns:
            raise MetadataError(
                f"{where} has the point {id} in two columns, {columns[id]!r} and {field.name!r}, as several "
                "aggregations have; a point that is served has one"
            )
        columns[id] = field.name
        _add_point(database, rec, ts_us, table[field.name], where)


def _zone_of(tz: str, where: str) -> str:
    try:
        return haystack_name(pa.lib.string_to_tzinfo(tz) if tz[0] in "+-" else tz)
    except ZoneError as error:
        raise MetadataError(f"the times of {where} are in no zone of Haystack: {error}") from error


def _kind(of: pa.DataType) -> str | None:
    if pa.types.is_dictionary(of):
        of = of.value_type
    if pa.types.is_floating(of) or pa.types.is_integer(of) or pa.types.is_decimal(of):
        return "Number"
    if pa.types.is_boolean(of):
        return "Bool"
    return "Str" if pa.types.is_string(of) or pa.types.is_large_string(of) else None


def _add_point(
    database: Database, rec: Mapping[str, Any], ts_us: Instants, column: pa.ChunkedArray, where: str
) -> None:
    known = database.get(rec["id"])
    if known is None:
        database.add(rec)
    elif differ := [tag for tag in _IDENTITY if known.get(tag) != rec.get(tag)]:
        what = ", ".join(f"{tag} {known.get(tag)!r} and {rec.get(tag)!r}" for tag in differ)
        raise MetadataError(f"{rec['id']} ({rec['dis']}) in {where} is another point than before it: {what}")
    if rec["kind"] == "Number":
        column = column.cast(pa.float64(), safe=False)
        there = pc.fill_null(pc.invert(pc.is_nan(column)), False)
    else:
        there = pc.is_valid(column)
    keep = np.asarray(there.to_numpy(), np.bool_)
    if rec["kind"] == "Str":
        values: Any = [text for text in column.to_pylist() if text is not None]
    else:
        values = column.filter(there).to_numpy()
    database.history(rec["id"]).merge(ts_us[keep], values, np.zeros(int(keep.sum()), np.bool_))
