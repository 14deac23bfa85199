"""What was read for a tidy file so far: parts of samples, hidden beside it, of which it is made when all is there.

A part has the samples of some points in one window, and says which these are. It is there whole or not at all, so the
same command goes on where it was killed; and as Arrow has it in memory, which takes a fifth of the time of Parquet.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Final
from uuid import uuid4

import numpy as np
import pyarrow as pa

from hsframe.archive.layout import ROWS_SCHEMA, Layout
from hsframe.archive.parquet_file import END_US, ROW_GROUP, Bounds, instants
from hsframe.archive.storage import Storage, words_of
from hsframe.durations import DAY_US
from hsframe.errors import CodecError, MetadataError
from hsframe.history.point_records import PointRecord

STAGE: Final = ".{}.export"
"""The folder of the parts, by the name of the file."""
_KEY: Final = b"hsframe.part"
# Parts that stay open: those of a batch have some of each of its points, and are read once a point.
_MOST_OPEN: Final = 100


class Stage:
    """The parts in a folder that were read for a `request` within a day; others are as if they were not there."""

    layout: ClassVar[Layout] = Layout("year")  # windows need not end with a month

    def __init__(self, storage: Storage, request: str, now_us: int) -> None:
        self.storage = storage
        self._request, self.begun_us, self._count = request, now_us, 0
        self._opened = functools.lru_cache(_MOST_OPEN)(functools.partial(_open, storage))
        # Of each point, in order of time: the window of a part, its path, and the number of the batch if it has one.
        self._parts: dict[str, list[tuple[int, int, str, int | None]]] = {}
        # The paths of the others, and of those whose end a power cut has damaged; damage within a part is not seen.
        self.useless: list[str] = []
        for path in sorted(path for path in storage.listing() if path.endswith(".arrow")):
            part: dict[str, Any] = {}
            with suppress(CodecError, ValueError, KeyError, TypeError):
                part = json.loads(_open(storage, path).schema.metadata[_KEY])
            if part.get("request") == request and part["begun_us"] > now_us - DAY_US:
                self.begun_us = min(self.begun_us, part["begun_us"])
                self._take(path, part)
            else:
                self.useless.append(path)

    def window_of(self, record: PointRecord) -> tuple[int, int] | None:
        """From when until when a point is staged, with the unit, kind and zone that it has now."""
        parts = self._parts.get(_key_of(record))
        return (parts[0][0], parts[-1][1]) if parts else None

    def put(
        self, rows: pa.Table, bounds: Mapping[str, Bounds], records: Iterable[PointRecord], window: tuple[int, int]
    ) -> None:
        """Write a part: the rows of some points, sorted by id and ts, which are all that there is in a window."""
        points = {_key_of(one): bounds.get(one.id, (0, 0, 0))[2] for one in sorted(records, key=lambda one: one.id)}
        part = {"request": self._request, "begun_us": self.begun_us, "window": window, "points": points}
        path, begin = f"{self._count:08}-{uuid4().hex}.arrow", 0
        rows = _small(rows, window[0])
        schema = rows.schema.with_metadata({_KEY: json.dumps(part)})
        with self.storage.writing(path) as sink, pa.ipc.new_file(sink, schema) as file:
            for count in filter(None, points.values()):
                file.write_table(rows.slice(begin, count))
                begin += count
        self._take(path, part)

    def _take(self, path: str, part: Mapping[str, Any]) -> None:
        """Note a part: of each point it replaces what is there from its start on, or all where there would be a gap."""
        start_us, end_us = part["window"]
        self._count, number = self._count + 1, 0
        for key, count in part["points"].items():
            parts = self._parts.setdefault(key, [])
            if parts and not parts[0][0] <= start_us <= parts[-1][1]:
                parts.clear()
            while parts and parts[-1][0] >= start_us:
                parts.pop()
            parts.append((start_us, end_us, path, number if count else None))
            number += count > 0

    def samples(self, record: PointRecord, start_us: int, end_us: int) -> Iterator[pa.Table]:
        """The samples of a point in a window, in order of time, a row group or a little more at once."""
        parts = self._parts[_key_of(record)]
        ends_us = [*(part[0] for part in parts[1:]), END_US]
        held: list[pa.Table] = []
        for (from_us, _, path, number), until_us in zip(parts, ends_us, strict=True):
            window = max(from_us, start_us), min(until_us, end_us)
            if number is not None and window[0] < window[1]:
                with _whole(self.storage, path):
                    rows = _all_columns(self._opened(path).get_batch(number), record.id, from_us)
                here, there = np.searchsorted(instants(rows), window)
                held.append(rows.slice(here, there - here))
            if sum(rows.num_rows for rows in held) >= ROW_GROUP:
                yield pa.concat_tables(held)
                held = []
        if held:
            yield pa.concat_tables(held)

    def remove(self) -> None:
        """Remove all parts, after they are closed: Windows removes no open file."""
        self._opened.cache_clear()
        self.storage.remove()


def _open(storage: Storage, path: str) -> pa.ipc.RecordBatchFileReader:
    with _whole(storage, path):
        return pa.ipc.open_file(storage.open(path))


@contextmanager
def _whole(storage: Storage, path: str) -> Generator[None]:
    """A block that reads a part; CodecError where it is damaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise MetadataError(f"{storage.uri}/{path} cannot be read: {words_of(error)}") from error
        advice = "remove it, and the same command reads it again"
        raise CodecError(
            f"{storage.uri}/{path} is damaged ({error}); {advice}", expected="a part of an export"
        ) from error


def _key_of(record: PointRecord) -> str:
    """A point, and what its samples must have in common."""
    return repr((record.id, record.point.unit, record.point.kind, record.tz))


def _small(rows: pa.Table, start_us: int) -> pa.Table:
    """Rows without what is known or is nothing, in 13 bytes a sample: memory for files costs more than packing.

    A batch is of one point, so its id is not written; nor are texts, where there are none. Instants are milliseconds
    since the start of the window, and codes of units have a byte, where they can.
    """
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    del columns["id"]
    if rows.column("text").null_count == rows.num_rows:
        del columns["text"]
    since_us = instants(rows) - start_us
    since_ms = since_us // 1000
    if (since_ms * 1000 == since_us).all() and since_us.min(initial=0) >= 0 and since_ms.max(initial=0) < 1 << 32:
        columns["ts"] = pa.array(since_ms.astype(np.uint32))
    with suppress(pa.ArrowInvalid):
        columns["unit"] = columns["unit"].cast(pa.dictionary(pa.int8(), pa.string()))
    return pa.table(columns)


def _all_columns(batch: pa.RecordBatch, ident: str, start_us: int) -> pa.Table:
    """The rows of a batch, as they were before they were made small."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    if columns["ts"].type == pa.uint32():
        columns["ts"] = pa.array(columns["ts"].to_numpy().astype(np.int64) * 1000 + start_us)
    columns["id"] = pa.DictionaryArray.from_arrays(np.zeros(batch.num_rows, np.int32), pa.array([ident]))
    columns.setdefault("text", pa.nulls(batch.num_rows, ROWS_SCHEMA.field("text").type))
    return pa.table([columns[name] for name in ROWS_SCHEMA.names], ROWS_SCHEMA.names).cast(ROWS_SCHEMA)
