"""One Parquet file of samples: written in row groups, read by point and time.

Chosen by measurement, for 100 million samples of a building: zstd 1 (files of zstd 3 are as large, and take a tenth
longer); instants as differences (0.01 instead of 3 to 4 bytes); row groups of 64k rows (the year of one point takes
66 ms, of 128k rows 76, of 1M twice that); statistics on id and ts only.
"""

from __future__ import annotations

import bisect
import json
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hsframe.archive.layout import ROWS_SCHEMA, Partition
from hsframe.archive.storage import MEMORY, Storage, words_of
from hsframe.arrays import Instants
from hsframe.errors import CodecError, MetadataError
from hsframe.spans import epoch_us

ROW_GROUP: Final = 1 << 16
_FIRST_ROWS: Final = 4096
_DECIMALS: Final = 6
ASK_CHECK: Final = "; hsframe.Archive(...).check() says what to do"
Bounds: TypeAlias = tuple[int, int, int]
START_US, END_US = -(1 << 62), 1 << 62
"""Before and after all instants; also those of a file of which the log has no statistics."""


class Ids:
    """The ids of some points, to look for."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.all = frozenset(ids)
        self._sorted = sorted(self.all)

    def has_between(self, first: str, last: str) -> bool:
        """Whether one of them is between two ids, both included."""
        place = bisect.bisect_left(self._sorted, first)
        return place < len(self._sorted) and self._sorted[place] <= last


@dataclass(slots=True)
class DataFile:
    """A file of a table: its path below the table, and the ids and instants that its rows are between."""

    path: str
    partition: Partition = ("", 0)
    rows: int = 0
    size: int = 0
    ids: tuple[str, str] = ("", "")
    ts_us: tuple[int, int] = (END_US, START_US)

    def may_have(self, ids: Ids | None, start_us: int, end_us: int) -> bool:
        """Whether it may have rows of some points, of any for None, in a half-open window."""
        is_of_time = self.ts_us[0] < end_us and self.ts_us[1] >= start_us
        return is_of_time and (ids is None or ids.has_between(*self.ids))

    @property
    def is_own(self) -> bool:
        """Whether it was written here, so that it is sorted, and the log has its ids and instants."""
        return self.ts_us[0] != START_US and re.search(r"/[0-9a-f]{32}\.parquet\Z", self.path) is not None

    @property
    def statistics(self) -> str:
        """What the log of the table says of its rows. It has milliseconds only: the last instant is rounded up."""
        if not self.ids[1]:  # it has no samples, but points
            return json.dumps({"numRecords": self.rows})
        low, high = self.ts_us[0] // 1000, -(-self.ts_us[1] // 1000)
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": {"id": self.ids[0], "ts": _milliseconds(low)},
                "maxValues": {"id": self.ids[1], "ts": _milliseconds(high)},
                "nullCount": {"id": 0, "ts": 0},
            }
        )


def _milliseconds(epoch_ms: int) -> str:
    # Outside of Python's calendar: the last day of a point in the west ends in the year 10000 of UTC.
    first_ms, last_ms = (epoch(when) // 1000 for when in (datetime.min, datetime.max))
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(max(epoch_ms, first_ms), last_ms))
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written(storage: Storage, partition: Partition, parts: Iterable[pa.Table]) -> DataFile:
    """A new file of rows, each part sorted by id and ts and in row groups of its own; none is there without rows."""
    path = f"period={partition[0]}/bucket={partition[1]}/{uuid4().hex}.parquet"  # no other has the name
    file, parquet = DataFile(path, partition), None
    with storage.writing(file.path) as sink:
        for rows in parts:
            if not rows.num_rows:
                continue
            rows = rows.select(ROWS_SCHEMA.names).cast(ROWS_SCHEMA)
            parquet = parquet or pq.ParquetWriter(sink, rows.schema, **file_settings(rows))
            parquet.write_table(rows, row_group_size=ROW_GROUP)
            ts_us, runs = instants(rows), runs_of(rows)
            first, last = file.ids if file.rows else (runs[0][0], "")
            file.ids = min(first, runs[0][0]), max(last, runs[-1][0])
            file.ts_us = min(file.ts_us[0], int(ts_us.min())), max(file.ts_us[1], int(ts_us.max()))
            file.rows += rows.num_rows
        if parquet is not None:
            parquet.close()
            file.size = sink.tell()
    if not file.rows:
        storage.delete(file.path)
    return file


def file_settings(rows: pa.Table) -> dict[str, Any]:
    """The settings of a file, by its first rows.

    Values of up to six digits after the point repeat: a dictionary takes least. Others, as single precision made wide,
    do not: their bytes by place take less.
    """
    texts = ["id", "text", "unit"]
    first = rows.column("value").slice(0, _FIRST_ROWS).drop_null().to_numpy()
    is_decimal = len(first) == 0 or float(np.mean(np.round(first, _DECIMALS) == first)) > 0.9
    return {
        "write_statistics": ["id", "ts"],
        "write_batch_size": ROW_GROUP,
        "store_schema": False,  # else readers give dictionaries back, and times are not of UTC everywhere
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [*texts, *(["value"] if is_decimal else [])],
        "column_encoding": {"ts": "DELTA_BINARY_PACKED"} | ({} if is_decimal else {"value": "BYTE_STREAM_SPLIT"}),
        "write_page_checksum": True,
        "memory_pool": MEMORY,
    }


def count_ids(storage: Storage, file: DataFile) -> Counter[str]:
    """How many rows of a file each point has."""
    counts: Counter[str] = Counter()
    with opened(storage, file.path) as parquet:
        for number in range(parquet.num_row_groups):
            found = parquet.read_row_group(number, columns=["id"], use_threads=False).column("id").value_counts()
            counts.update({entry["values"]: entry["counts"] for entry in found.to_pylist()})
    return counts


def runs_of(rows: pa.Table) -> list[tuple[str, int, int]]:
    """The points of rows that are sorted by id, whose ids are one dictionary: where those of each begin and end."""
    ids = rows.column("id").combine_chunks()
    if not len(ids):
        return []
    codes = ids.indices.to_numpy()
    ends = [*(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(ids)]
    texts = ids.dictionary.take(pa.array(codes[np.array(ends) - 1])).to_pylist()
    return list(zip(texts, [0, *ends[:-1]], ends, strict=True))


def bounds_of(rows: pa.Table) -> dict[str, Bounds]:
    """The first and last instant of each point in rows that are sorted, and how many there are."""
    ts_us = instants(rows)
    return {ident: (int(ts_us[begin]), int(ts_us[end - 1]), end - begin) for ident, begin, end in runs_of(rows)}


def instants(rows: pa.Table | pa.RecordBatch) -> Instants:
    """The instants, in epoch microseconds."""
    found: Instants = rows.column("ts").cast(pa.int64()).to_numpy()
    return found


def read_rows(
    storage: Storage, file: DataFile, ids: Ids | None, start_us: int, end_us: int
) -> Iterator[tuple[int, npt.NDArray[np.int64], pa.Table]]:
    """The rows of some points, of all for None, in a half-open window.

    For each row group that has some: where it begins in the file, which of its rows these are, and the rows. Row groups
    that cannot have such rows are not read.
    """
    with opened(storage, file.path) as parquet:
        begin = 0
        for number in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(number)
            if _may_have(group, ids, start_us, end_us):
                rows = row_group(parquet, number)
                places = _places(rows, ids, start_us, end_us)
                if len(places):
                    is_run = places[-1] - places[0] + 1 == len(places)  # of one point it is: nothing is copied
                    yield begin, places, rows.slice(places[0], len(places)) if is_run else rows.take(places)
            begin += group.num_rows


@contextmanager
def opened(storage: Storage, path: str, schema: pa.Schema = ROWS_SCHEMA) -> Generator[pq.ParquetFile]:
    """A file to read; CodecError where it is not there, or is damaged: each page has a checksum."""
    where = f"{storage.uri}/{path}"
    try:
        texts = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        with pq.ParquetFile(storage.open(path), read_dictionary=texts, page_checksum_verification=True) as file:
            if (names := file.schema_arrow.names)[: len(schema)] != schema.names:
                raise pa.ArrowKeyError(f"its columns are {', '.join(names)}")
            yield file
    except (pa.ArrowException, OSError, KeyError) as error:  # damaged pages are an OSError without a number
        what = f"is damaged or has not the columns of its table ({str(error).partition(chr(10))[0]})"
        if isinstance(error, FileNotFoundError):
            what = "is not there, and the table counts it: vacuum() took it, where this is an older version, or "
            what += "another program did"
        elif isinstance(error, OSError) and error.errno:
            raise MetadataError(f"{where} cannot be read: {words_of(error)}") from error
        raise CodecError(f"{where} {what}{ASK_CHECK}", expected="a file of the archive", source="parquet") from error


def row_group(parquet: pq.ParquetFile, number: int) -> pa.Table:
    """The rows of a row group, whatever other columns another program has put there."""
    return parquet.read_row_group(number, use_threads=False).select(ROWS_SCHEMA.names).cast(ROWS_SCHEMA)


def _may_have(group: pq.RowGroupMetaData, ids: Ids | None, start_us: int, end_us: int) -> bool:
    if ids is not None:  # first: most row groups have other points, and the statistics of times take longer to read
        by_id = group.column(0).statistics
        if by_id is not None and by_id.has_min_max and not ids.has_between(by_id.min, by_id.max):
            return False
    by_ts = group.column(1).statistics
    if by_ts is None or not by_ts.has_min_max:
        return True
    first_us, last_us = ts_bounds(by_ts)
    return first_us < end_us and last_us >= start_us


def ts_bounds(statistics: pq.Statistics) -> tuple[int, int]:
    """The first and last instant of a row group."""
    try:
        return epoch(statistics.min), epoch(statistics.max)
    except (OverflowError, ValueError):  # outside of Python's calendar, which no other program has written
        return statistics.min_raw, statistics.max_raw


def epoch(when: datetime) -> int:
    """The epoch microseconds of a statistic, which pyarrow gives as a datetime."""
    return epoch_us(when if when.tzinfo is not None else when.replace(tzinfo=UTC))


def _places(rows: pa.Table, ids: Ids | None, start_us: int, end_us: int) -> npt.NDArray[np.int64]:
    ts_us = instants(rows)
    inside = (ts_us >= start_us) & (ts_us < end_us)
    if ids is not None:
        column = rows.column("id").combine_chunks()
        wanted = np.array([text in ids.all for text in column.dictionary.to_pylist()], dtype=bool)
        if not wanted.all():
            inside &= wanted[column.indices.to_numpy()]
    return np.arange(len(inside)) if inside.all() else np.flatnonzero(inside)
