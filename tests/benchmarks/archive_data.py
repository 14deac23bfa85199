"""Archives of a building by quarters of an hour, written by the archive's own writer; the same points for a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hsframe.archive.layout import ROWS_SCHEMA, Layout
from hsframe.archive.parquet_file import written
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.kinds import MARKER, Number, Ref

QUARTER_US = 900_000_000
_POINTS_AT_ONCE = 50

Ints = npt.NDArray[np.int64]


def ident_of(number: int) -> str:
    """The id of a point."""
    return f"p{number:05}"


def record(ident: str) -> dict[str, Any]:
    """The record of a point."""
    tags: dict[str, Any] = {"id": Ref(ident), "dis": f"Meter {ident}", "point": MARKER, "his": MARKER}
    return tags | {"kind": "Number", "unit": "kW", "tz": "UTC", "hisInterval": Number(15, "min")}


def quarters(start_us: int, end_us: int) -> Ints:
    """The instants from a quarter of an hour to another, which is not among them."""
    return np.arange(start_us, end_us, QUARTER_US, dtype=np.int64)


def values(numbers: Ints, ts_us: Ints) -> npt.NDArray[np.float64]:
    """A row a point: days with some noise, to a tenth; the same whenever they are asked for."""
    day = np.sin(ts_us[None, :] / 86.4e9 * 2 * np.pi + numbers[:, None])
    noise = (ts_us[None, :] // QUARTER_US * 7919 + numbers[:, None] * 104_729) % 1013 / 1013
    return np.round(50 + 20 * day + noise, 1)


def rows(numbers: Ints, ts_us: Ints) -> pa.Table:
    """The samples of some points at the same instants; the points in the order of their ids."""
    codes = np.repeat(np.arange(len(numbers), dtype=np.int32), len(ts_us))
    columns = [
        pa.DictionaryArray.from_arrays(codes, pa.array(map(ident_of, numbers))),
        pa.array(np.tile(ts_us, len(numbers))).cast(ROWS_SCHEMA.field("ts").type),
        pa.array(values(numbers, ts_us).ravel()),
        pa.nulls(len(codes), ROWS_SCHEMA.field("text").type),
        pa.DictionaryArray.from_arrays(np.zeros(len(codes), np.int32), pa.array(["kW"])),
    ]
    return pa.Table.from_arrays(columns, schema=ROWS_SCHEMA)


def write_archive(path: str, points: int, start_us: int, end_us: int, until_us: int) -> Tables:
    """An archive of some points with a file a partition, as after a compaction; noted as read until a later instant."""
    tables = Tables.open_or_create(Storage(path, {}), Layout.of_density(points * 96))
    tables.points.put(ArchivedRecord(record(ident_of(number)), (start_us, until_us)) for number in range(points))
    layout = tables.samples.layout
    for period, *part_us in layout.parts(start_us, end_us):
        of_bucket = [[n for n in range(points) if layout.bucket(ident_of(n)) == one] for one in range(layout.buckets)]
        files = [
            written(tables.samples.storage, (period, bucket), _parts(np.array(numbers), quarters(*part_us)))
            for bucket, numbers in enumerate(of_bucket)
        ]
        assert tables.samples.commit(files)
    return tables


def _parts(numbers: Ints, ts_us: Ints) -> Iterator[pa.Table]:
    for place in range(0, len(numbers), _POINTS_AT_ONCE):
        yield rows(numbers[place : place + _POINTS_AT_ONCE], ts_us)
