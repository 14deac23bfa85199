"""Exports: samples of fixed windows in an archive at rest, or in one tidy file.

A file is staged in an archive beside it, hidden and removed at the end, and is made of it by one pass in order of id.
So the same command goes on where it was killed, and a file has its name only when it is whole.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hsframe.archive.delta import SampleTable
from hsframe.archive.fill import Job, bounds_of, expected_table
from hsframe.archive.layout import ROWS_SCHEMA, Layout
from hsframe.archive.parquet_file import ROW_GROUP, file_settings, instants, opened, row_group, ts_bounds
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.samples import sorted_rows
from hsframe.archive.storage import Storage, reaching
from hsframe.archive.sync import differences, fill_archive, known_records
from hsframe.archive.tables import Tables
from hsframe.client.in_thread import in_thread
from hsframe.durations import DAY_US
from hsframe.errors import MetadataError
from hsframe.frame.arrow import frame_to_arrow
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.reads import Read, note_reads, note_source, source_of
from hsframe.frame.trend import trend_frame
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord
from hsframe.history.source import Source
from hsframe.history.unread import part_read
from hsframe.spans import Span, from_epoch_us

if sys.platform != "win32":
    import fcntl

# Rows of the staged archive that are in memory at once, or those of one row group more.
_ROWS_A_PASS: Final = ROW_GROUP
# Of a stage: from which server, and from when until when the points of each zone are read.
_REQUEST_KEY: Final = "hsframe.request"
# The samples of a tidy frame, as a file has them; what repeats is a dictionary, as in a frame.
_TIDY_SCHEMA: Final = ROWS_SCHEMA.set(3, pa.field("text", pa.string()))


@dataclass(frozen=True, slots=True)
class Export:
    """Points with their zones, the span in each zone, and how they are read."""

    source: Source
    records: Sequence[PointRecord]
    spans: Mapping[str, Span]
    options: ReadOptions
    server: str = ""  # as an archive notes it

    async def to_archive(self, place: Storage, stage: Layout | None = None) -> int:
        """Read what an archive does not have yet of these windows; gives how many samples were new."""
        jobs = await in_thread(self._jobs, place, stage is not None)
        for job in jobs:
            if job.status == "changed":
                error = MetadataError(f"{job.record.point}: {job.reason}")
                if self.options.failures is None:
                    raise error
                self.options.failures[job.record.id] = error
        how: dict[str, Any] = {"server": self.server, "stage": stage}
        return (await fill_archive(self.source, place, self.records, jobs, self.options, **how)).new.total()

    async def to_file(self, place: Storage, name: str, tz: str | tzinfo, note: Callable[[pd.DataFrame], None]) -> int:
        """Read into one file in a place; `note` says in its frame what it is from. Gives how many samples it has."""
        stage = place.inside(f".{name}.export")
        with _alone(stage.folder, name):
            # In one bucket, so that each pass finds its points side by side.
            density = Layout.of_density(sum(record.rows_a_day or 0.0 for record in self.records))
            layout = Layout(density.period)
            begun_us = await in_thread(self._begun_us, stage, layout)

            def noted(df: pd.DataFrame) -> None:
                note(df)
                at = from_epoch_us(begun_us, UTC).isoformat()
                note_source(df, {**(source_of(df) or {}), "at": at})

            await self.to_archive(stage, layout)
            rows = await in_thread(self._write, Tables.open(stage), place, name, tz, noted)
            await in_thread(stage.remove)
        return rows

    def _begun_us(self, stage: Storage, layout: Layout) -> int:
        """When what is staged was begun to be read: of the same server and span within a day; else now, of nothing."""
        request: dict[str, Any] = {tz: [span.start_us, span.end_us] for tz, span in self.spans.items()}
        request["uri"] = self.server or self.source.origin["uri"]
        for _ in range(2):
            points = Tables.open_or_create(stage, layout).points
            begun_us, noted = points.commit_of(0).at_us, points.setting(_REQUEST_KEY)
            if noted is None and not points.records():
                points.change_setting(_REQUEST_KEY, json.dumps(request))
                return begun_us
            known = json.loads(noted or "{}")
            if begun_us > self.options.now_us - DAY_US and request.items() <= known.items():
                return begun_us
            for table in ("samples", "points"):  # not the folder, which is locked
                stage.inside(table).remove()
        raise MetadataError(f"another program changes {stage.uri}; repeat the export when it has ended")

    def expected(self, place: Storage | None, name: str = "") -> pd.DataFrame:
        """What this is expected to take, a row per point; `place` has what of it was read already."""
        place = place and (place.inside(f".{name}.export") if name else place)
        jobs = [self._job(one, None, False) for one in self.records] if place is None else self._jobs(place, bool(name))
        return expected_table(jobs, self.options)

    def _jobs(self, place: Storage, is_stage: bool) -> list[Job]:
        """What is to be read of each point, beside what an archive has; a status where it is nothing."""
        known = known_records(place, "" if is_stage else self.server)
        return [self._job(record, known.get(record.id), is_stage) for record in self.records]

    def _job(self, record: PointRecord, known: ArchivedRecord | None, is_stage: bool) -> Job:
        start_us, end_us = self.spans[record.tz].start_us, self.spans[record.tz].end_us
        anew = Job(record, start_us, end_us, start_us)
        if not is_stage:
            anew.before_us = start_us
        if known is None or known.known_us is None:
            return anew
        since_us, until_us = known.known_us
        differing = differences(known, record)
        if is_stage and (differing or not since_us <= start_us <= until_us):
            return anew  # it was of another command
        if not differing and since_us <= start_us:  # what is between two windows is read too: an archive has no holes
            is_there = end_us is not None and end_us <= until_us
            return Job(record, until_us, end_us, since_us, status="same" if is_there else "")
        longer_us = None if end_us is None else max(end_us, until_us)
        job = Job(record, start_us, longer_us, min(since_us, start_us), before_us=anew.before_us)
        if differing and since_us < start_us:
            job.status, job.reason = "changed", f"{differing}; export it to another folder, so as not to mix them"
        return job

    def _write(
        self, tables: Tables, place: Storage, name: str, tz: str | tzinfo, note: Callable[[pd.DataFrame], None]
    ) -> int:
        """Write the samples to a file, in order of id and time; gives how many there are."""
        records = [record for record in self.records if not self.options.has_failed(record.id)]
        last_us = max((file.ts_us[1] for file in tables.samples.files()), default=0) + 1
        spans = {record.id: self.spans[record.tz] for record in records}
        windows = {ident: (one.start_us, last_us if one.end_us is None else one.end_us) for ident, one in spans.items()}
        firsts: dict[str, int] = {}
        lasts: dict[str, int] = {}
        count, parquet = 0, None
        with place.writing(name) as sink:
            for rows in _in_order(tables.samples, windows):
                if parquet is None:
                    parquet = pq.ParquetWriter(sink, ROWS_SCHEMA, **file_settings(rows))
                parquet.write_table(rows, row_group_size=ROW_GROUP)
                count += rows.num_rows
                is_number = pc.fill_null(pc.invert(pc.is_nan(rows["value"])), False)
                is_value = pc.or_(is_number, pc.is_valid(rows["text"]))
                values = rows if pc.all(is_value, min_count=0).as_py() else rows.filter(is_value)
                for ident, (first, last, _) in bounds_of(values).items():
                    firsts.setdefault(ident, first)
                    lasts[ident] = last
            assert parquet is not None
            reads = {}
            for record, (ident, span) in zip(records, spans.items(), strict=True):
                present_us = max(self.options.now_us, lasts.get(ident, 0) + 1)
                end_us = present_us if span.end_us is None else min(span.end_us, present_us)
                part = part_read(self.source, record, (span.start_us, end_us))
                reads[ident] = Read({}, ((*part, (firsts.get(ident),), (lasts.get(ident),)),) if part else ())
            parquet.add_key_value_metadata(_metadata([record.point for record in records], tz, reads, note))
            parquet.close()
        return count


def _in_order(table: SampleTable, windows: Mapping[str, tuple[int, int]]) -> Iterator[pa.Table]:
    """The samples of some points in their windows, sorted by id and time, so many at once as memory may hold.

    Of a stage, whose row groups have one point each. Those of a window that was read twice may overlap.
    """
    places = []
    for file in table.files():
        with opened(table.storage, file.path) as parquet:
            for number in range(parquet.num_row_groups):
                ids, ts = (parquet.metadata.row_group(number).column(column).statistics for column in (0, 1))
                places.append((ids.min, *ts_bounds(ts), file.path, number))
    parts, count, end = [ROWS_SCHEMA.empty_table()], 0, ("", 0)
    for ident, first_us, last_us, path, number in sorted(place for place in places if place[0] in windows):
        if count >= _ROWS_A_PASS and (ident, first_us) > end:
            yield sorted_rows(pa.concat_tables(parts))
            parts, count = [], 0
        with opened(table.storage, path) as parquet:
            rows = row_group(parquet, number)
        here, there = np.searchsorted(instants(rows), windows[ident])
        parts.append(rows.slice(here, there - here))
        count, end = count + len(parts[-1]), max(end, (ident, last_us))
    yield sorted_rows(pa.concat_tables(parts))


def _metadata(
    points: Sequence[Point], tz: str | tzinfo, reads: Mapping[str, Read], note: Callable[[pd.DataFrame], None]
) -> dict[str, Any]:
    """What :func:`hsframe.read_parquet` needs to give the frame back, as the file of a tidy frame has it."""
    empty = [History(point, np.empty(0, np.int64), ()) for point in points]
    df = trend_frame(empty, header="id", shape="tidy", tz=tz)
    assert isinstance(df, pd.DataFrame)
    note_reads(df, reads)
    note(df)
    metadata = frame_to_arrow(df).schema.metadata
    # pyarrow writes the schema at the beginning, when the samples were not seen yet.
    schema = _TIDY_SCHEMA.with_metadata(metadata).serialize().to_pybytes()
    return {**metadata, "ARROW:schema": base64.b64encode(schema)}


@contextmanager
def _alone(folder: Path | None, name: str) -> Generator[None]:
    """A block that no other program is in for the same folder, where folders can be locked."""
    if folder is None or sys.platform == "win32":
        yield
        return
    with reaching(str(folder.parent)):
        folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise MetadataError(f"another program exports to {name}; wait for it, or take another name") from error
    finally:
        os.close(handle)
        with suppress(OSError):  # it is not empty: the same command goes on there
            folder.rmdir()
