"""Exports: samples of fixed windows in an archive at rest, or in one tidy file.

What a file is made of is staged beside it (:mod:`hsframe.archive.stage`), and written in one pass in order of id. So
the same command goes on where it was killed, and a file has its name only when it is whole.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hsframe.archive.fill import Filling, Job, expected_table
from hsframe.archive.layout import ROWS_SCHEMA
from hsframe.archive.parquet_file import END_US, ROW_GROUP, file_settings, instants
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.server_identity import known_records
from hsframe.archive.stage import STAGE, Stage
from hsframe.archive.storage import Storage, reaching
from hsframe.archive.sync import differences, fill_archive
from hsframe.client.in_thread import in_thread
from hsframe.errors import MetadataError
from hsframe.frame.arrow import frame_to_arrow
from hsframe.frame.histories import History
from hsframe.frame.reads import Read, checksum, note_reads, note_source, source_of
from hsframe.frame.trend import trend_frame
from hsframe.frame.values import bools_of
from hsframe.frame.whole_file import alone_in
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord
from hsframe.history.source import Source
from hsframe.history.unread import part_read
from hsframe.spans import Span, from_epoch_us

# The samples of a tidy frame, as a file has them; what repeats is a dictionary, as in a frame.
_TIDY_SCHEMA: Final = ROWS_SCHEMA.set(3, pa.field("text", pa.string()))

# Of a point the first and the last instant with a value, how many there are, and the checksum of those without.
_Found: TypeAlias = tuple[int | None, int | None, int, int]
_Note: TypeAlias = Callable[[pd.DataFrame], None]


@dataclass(frozen=True, slots=True)
class Export:
    """Points with their zones, the span in each zone, and how they are read."""

    source: Source
    records: Sequence[PointRecord]
    spans: Mapping[str, Span]
    asked: object  # the span as it was given: a relative one moves
    options: ReadOptions
    server: str = ""  # as an archive notes it

    async def to_archive(self, storage: Storage) -> int:
        """Read what an archive does not have yet of these windows; gives how many samples were new."""
        jobs = await in_thread(self._jobs, storage)
        for job in jobs:
            if job.status == "changed":
                error = MetadataError(f"{job.record.point}: {job.reason}")
                if self.options.failures is None:
                    raise error
                self.options.failures[job.record.id] = error
        new = (await fill_archive(self.source, storage, self.records, jobs, self.options, server=self.server)).new
        return new.total()

    async def to_file(self, storage: Storage, name: str, tz: str | tzinfo, note: _Note) -> int:
        """Read into one file; `note` says in its frame what it is from. Gives how many samples it has."""
        hidden = storage.inside(STAGE.format(name))
        with _alone(hidden.folder, name):
            stage = await in_thread(self._stage, hidden)
            for path in stage.useless:
                await in_thread(hidden.delete, path)
            jobs = [self._job(record, stage.window_of(record)) for record in self.records]
            await Filling(self.source, stage, None, self.options).run([job for job in jobs if not job.status])
            rows = await in_thread(self._write, stage, storage, name, tz, note)
            await in_thread(stage.remove)
        return rows

    def _stage(self, hidden: Storage) -> Stage:
        request = self.server or self.source.origin["uri"], self.asked, self.options.week_start
        return Stage(hidden, repr(request), self.options.now_us)

    def expected(self, storage: Storage, name: str) -> pd.DataFrame:
        """What this is expected to take, a row per point; `storage` has what of it was read already."""
        if not name:
            return expected_table(self._jobs(storage), self.options)
        stage = self._stage(storage.inside(STAGE.format(name)))
        jobs = [self._job(one, stage.window_of(one)) for one in self.records]
        return expected_table(jobs, self.options, has_beside=False)

    def _jobs(self, storage: Storage) -> list[Job]:
        """What is to be read of each point, beside what an archive has; a status where it is nothing."""
        known = known_records(storage, self.server)
        both = [(record, known.get(record.id)) for record in self.records]
        return [self._job(record, old.known_us if old else None, old) for record, old in both]

    def _job(self, record: PointRecord, known_us: tuple[int, int] | None, old: ArchivedRecord | None = None) -> Job:
        start_us, end_us = self._window(record)
        if known_us is None:
            return Job(record, start_us, end_us, start_us, before_us=start_us)
        differing, (since_us, until_us) = differences(old, record) if old else "", known_us
        if not differing and since_us <= start_us:  # what is between two windows is read too: there are no holes
            is_there = end_us is not None and end_us <= until_us
            return Job(record, until_us, end_us, since_us, status="same" if is_there else "")
        longer_us = None if end_us is None else max(end_us, until_us)
        job = Job(record, start_us, longer_us, min(since_us, start_us), before_us=start_us)
        if differing and since_us < start_us:
            job.status, job.reason = "changed", f"{differing}; export it to another folder, so as not to mix them"
        return job

    def _window(self, record: PointRecord) -> tuple[int, int | None]:
        span = self.spans[record.tz]
        return span.start_us, span.end_us

    def _write(self, stage: Stage, storage: Storage, name: str, tz: str | tzinfo, note: _Note) -> int:
        """Write the samples to a file, in order of id and time; gives how many there are."""
        records = [record for record in self.records if not self.options.has_failed(record.id)]
        found: dict[str, _Found] = {}
        count, parquet = 0, None
        with storage.writing(name) as sink:
            for rows in self._in_order(stage, records, found):
                if parquet is None:
                    parquet = pq.ParquetWriter(sink, ROWS_SCHEMA, **file_settings(rows))
                if rows.num_rows:
                    parquet.write_table(rows, row_group_size=ROW_GROUP)
                count += rows.num_rows
            assert parquet is not None
            reads = {}
            for record in records:
                start_us, end_us = self._window(record)
                first_us, last_us, values, missing = found.get(record.id, (None, None, 0, 0))
                present_us = max(self.options.now_us, (last_us or 0) + 1)
                part = part_read(self.source, record, (start_us, min(END_US if end_us is None else end_us, present_us)))
                reads[record.id] = Read({}, ((*part, (first_us,), (last_us,)),) if part else (), values, missing)
            parquet.add_key_value_metadata(_metadata(records, tz, reads, found.keys(), note, stage.begun_us))
            parquet.close()
        return count

    def _in_order(self, stage: Stage, records: Sequence[PointRecord], found: dict[str, _Found]) -> Iterator[pa.Table]:
        """The samples, by id and time, in whole row groups; `found` gets what a point has."""
        held = ROWS_SCHEMA.empty_table()
        for record in sorted(records, key=lambda one: one.id):
            start_us, end_us = self._window(record)
            for rows in stage.samples(record, start_us, END_US if end_us is None else end_us):
                value, text = rows.column("value"), rows.column("text")
                is_value = ~np.isnan(value.to_numpy(zero_copy_only=False))
                if text.null_count < len(text):
                    is_value |= bools_of(text.is_valid())
                first_us, last_us, values, missing = found.get(record.id, (None, None, 0, 0))
                ts_us = instants(rows)
                if count := int(is_value.sum()):
                    first_us = int(ts_us[is_value.argmax()]) if first_us is None else first_us
                    last_us = int(ts_us[len(ts_us) - 1 - is_value[::-1].argmax()])
                missing = checksum(ts_us[~is_value], missing)
                found[record.id] = first_us, last_us, values + count, missing
                held = pa.concat_tables([held, rows])
                if count := held.num_rows // ROW_GROUP * ROW_GROUP:
                    yield held.slice(0, count).unify_dictionaries()
                    held = held.slice(count)
        yield held.unify_dictionaries()


def _metadata(
    records: Sequence[PointRecord],
    tz: str | tzinfo,
    reads: Mapping[str, Read],
    with_rows: Collection[str],
    note: _Note,
    begun_us: int,
) -> dict[str, Any]:
    """What :func:`hsframe.read_parquet` needs to give the frame back, as the file of a tidy frame has it."""
    empty = [History(one.point, np.empty(0, np.int64), ()) for one in records]
    rowless = [history for history in empty if history.point.id not in with_rows]
    df, of_rowless = (trend_frame(some, header="id", shape="tidy", tz=tz) for some in (empty, rowless))
    assert isinstance(df, pd.DataFrame)
    assert isinstance(of_rowless, pd.DataFrame)
    df["unit"] = of_rowless["unit"]  # the units of the others are in their rows
    note_reads(df, reads)
    note(df)
    note_source(df, {**(source_of(df) or {}), "at": from_epoch_us(begun_us, UTC).isoformat()})
    metadata = frame_to_arrow(df).schema.metadata
    # pyarrow writes the schema at the beginning, when the samples were not seen yet.
    schema = _TIDY_SCHEMA.with_metadata(metadata).serialize().to_pybytes()
    return {**metadata, "ARROW:schema": base64.b64encode(schema)}


@contextmanager
def _alone(folder: Path | None, name: str) -> Generator[None]:
    """A block that no other program is in for the same folder; it is made where there is none."""
    if folder is None:
        yield
        return
    with reaching(str(folder.parent)):
        folder.mkdir(exist_ok=True)
    try:
        where = folder.with_name(name)
        with alone_in(folder, f"another program exports to {where}; wait for it, or take another name"):
            yield
    finally:
        with suppress(OSError):  # it is not empty: the same command goes on there
            folder.rmdir()
