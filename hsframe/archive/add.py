"""Samples of frames, of files too, into an archive: by the rules of a write to a server, and so refused alike."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.archive.fill import Job
from hsframe.archive.histories import histories_of, rows_of
from hsframe.archive.layout import ROWS_SCHEMA, Layout
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.samples import Changes, Existing, merge
from hsframe.archive.storage import Storage
from hsframe.archive.sync import known_records, outcome_table
from hsframe.archive.tables import Tables, has_archive
from hsframe.columns import NumberColumn
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, MetadataError
from hsframe.frame.his_grids import PointSamples, frame_columns
from hsframe.frame.histories import History
from hsframe.frame.match import frame_of
from hsframe.frame.points import Point, is_tidy, points_of
from hsframe.frame.points_like import as_points
from hsframe.frame.reads import Read, reads_of
from hsframe.frame.values import value_array
from hsframe.history.point_records import PointRecord
from hsframe.kinds import MARKER, Ref

# Samples of one commit. A frame is in memory, and all its points come at once: few commits are few files.
_ROWS_A_MERGE: Final = 2_000_000


@dataclass(slots=True)
class Adding:
    """One :meth:`hsframe.Archive.add`: its parameters, and what became of each point."""

    place: Storage
    now_us: int
    points: Any
    existing: Existing
    convert: bool
    changes: Changes = field(default_factory=Changes)
    jobs: dict[str, Job] = field(default_factory=dict)
    bounds_us: dict[str, tuple[int, int]] = field(default_factory=dict)
    windows_us: dict[str, tuple[int, int]] = field(default_factory=dict)
    records: Mapping[str, ArchivedRecord] = field(default_factory=dict)

    def run(self, frames: Sequence[tuple[str, Callable[[], Any]]]) -> pd.DataFrame:
        """Add frames, each with the name of its file or without; gives a row per point."""
        self.records = known_records(self.place)
        if has_archive(self.place):
            self._add(frames, Tables.open(self.place))
        else:  # its layout is that of all frames, and is fixed when it is made: they are read once before
            counts = self._add(frames, None)
            lengths_us = {ident: max(last - first, DAY_US) for ident, (first, last) in self.bounds_us.items()}
            layout = Layout.of_density(sum(count * DAY_US / lengths_us[ident] for ident, count in counts.items()))
            self.bounds_us.clear()
            self.windows_us.clear()
            self._add(frames, Tables.open_or_create(self.place, layout))
        for ident, job in self.jobs.items():
            job.first_us, job.last_us = self.bounds_us.get(ident, (None, None))
            kept = self.changes.kept[ident]
            is_changed = self.changes.new[ident] or self.changes.changed[ident]
            job.status = "added" if is_changed else "kept" if kept else "same"
            notes = [job.reason, f"{kept} samples are others in the archive, and stay" if kept else ""]
            job.reason = "; ".join(filter(None, notes))
        return outcome_table([*self.jobs.values()], self.changes, {})

    def _add(self, frames: Sequence[tuple[str, Callable[[], Any]]], tables: Tables | None) -> Counter[str]:
        """Add frames to the tables, or only check them where there are none; gives how many samples each point has."""
        counts: Counter[str] = Counter()
        try:
            for name, load in frames:
                try:
                    df = load()
                    reads, samples = reads_of(df), self._samples(df)
                    del df
                    if tables is not None:
                        self._merge(tables, samples)
                except HsFrameError as error:
                    if name:
                        what = "nothing was" if tables is None else "the files before it are"
                        error.add_note(f"in {name}; {what} added")
                    raise
                for one in samples:
                    counts[one.point.id] += len(one.ts_us)
                    own = int(one.ts_us[0]), int(one.ts_us[-1])
                    first_us, last_us = self.bounds_us.get(one.point.id, own)
                    self.bounds_us[one.point.id] = min(first_us, own[0]), max(last_us, own[1])
                    window = _window(one, reads.get(one.point.id, Read()))
                    start_us, end_us = self.windows_us.get(one.point.id, window)
                    self.windows_us[one.point.id] = min(start_us, window[0]), max(end_us, window[1])
        finally:
            if tables is not None:  # at the end: what is between two files may be in the third one
                tables.points.put(self._read_records())
        return counts

    def _read_records(self) -> Iterator[ArchivedRecord]:
        """The records of points with the windows that count as read; what is between two windows was not."""
        for ident, (start_us, end_us) in self.windows_us.items():
            record, known = self.jobs[ident].record, self.records.get(ident)
            window = start_us, max(start_us, min(end_us, self.now_us))
            if known is not None and known.read_us is not None:
                since_us, until_us = known.read_us
                if window[0] - record.due_us > until_us or window[1] + record.due_us < since_us:
                    continue
                window = min(since_us, window[0]), max(until_us, window[1])
            yield ArchivedRecord(record.tags, window)

    def _samples(self, df: Any) -> list[PointSamples]:
        """The samples of the points of a frame, of those that have some."""
        known = {ident: record.point for ident, record in self.records.items()}
        known |= {ident: job.record.point for ident, job in self.jobs.items()}
        found = []
        for part, *points in _wide(frame_of(df, tidy=True), self.points, known):
            columns = frame_columns(part, *points, inf="send", convert=self.convert)
            found += [column.samples(known.get(column.point.id, column.point)) for column in columns]
        for one in found:
            record = self.records.get(one.point.id) or ArchivedRecord(_tags(one))
            self.jobs.setdefault(one.point.id, Job(PointRecord.of(record.tags), 0, None, 0, reason=one.note))
        return [one for one in found if len(one.ts_us)]

    def _merge(self, tables: Tables, samples: list[PointSamples]) -> None:
        place = tables.samples.layout.place
        samples.sort(key=lambda one: place(one.point.id))
        ends = itertools.accumulate(len(one.ts_us) for one in samples)
        young_us = (self.now_us - 2 * DAY_US) // DAY_US * DAY_US
        for _, pairs in itertools.groupby(zip(samples, ends, strict=True), key=lambda pair: pair[1] // _ROWS_A_MERGE):
            some = [one for one, _ in pairs]
            rows = rows_of(History(self.jobs[one.point.id].record.point, one.ts_us, one.values) for one in some)
            window = int(min(one.ts_us[0] for one in some)), int(max(one.ts_us[-1] for one in some)) + 1
            ids = [one.point.id for one in some]
            self.changes.add(merge(tables.samples, rows, ids, *window, young_us=young_us, existing=self.existing))


def _window(samples: PointSamples, read: Read) -> tuple[int, int]:
    """The span in which a frame says that it was read, or from the first sample to the last."""
    parts = read.parts(samples.ts_us)
    (start_us, _), (_, end_us) = (part.known_from(ts_us) for part, ts_us in (parts[0], parts[-1]))
    first_us, last_us = int(samples.ts_us[0]), int(samples.ts_us[-1])
    return first_us if start_us is None else start_us, last_us + 1 if end_us is None else end_us


def _tags(samples: PointSamples) -> dict[str, Any]:
    """The record of a point, by what a frame says of it."""
    point, unit = samples.point, samples.values.unit if isinstance(samples.values, NumberColumn) else None
    kinds = {pa.bool_(): "Bool", pa.string(): "Str"}
    tags = {
        **point.his_tags(),
        "id": Ref(point.id, point.dis or None),
        "dis": point.dis or point.id,
        "point": MARKER,
        "his": MARKER,
        "kind": point.kind or kinds.get(samples.values.values.type, "Number"),
        "unit": point.unit or unit,
        "tz": samples.tz,
        "enum": ",".join(point.states or ()),
    }
    return {name: tag for name, tag in tags.items() if tag}


def _wide(
    df: pd.DataFrame, points: Any, known: Mapping[str, Point]
) -> Iterator[tuple[pd.DataFrame, Any, Collection[Point]]]:
    """A wide frame as it is, with the points that its labels may mean; a tidy one as a frame per point, with it."""
    if not is_tidy(df):
        yield df, points, known.values()
        return
    given = {point.id: point for point in (*points_of(df).values(), *known.values(), *as_points(points or []))}
    if df["id"].isna().any():
        raise MetadataError(f"row {int(df['id'].isna().argmax())} of this tidy frame has no id; nothing was added")
    df = df.sort_values("id", kind="stable")
    columns = {name: pa.array(df[name], from_pandas=True) for name in ("value", "text", "unit")}
    ids = pa.array(df["id"].astype("str"))
    # The place of a row stands for its time, which is checked with the others.
    rows = pa.table({"id": ids, "ts": pa.array(np.arange(len(df))).view(pa.timestamp("us", "UTC")), **columns})
    named = [given.get(ident, Point(ident, ident)) for ident in pc.unique(ids).to_pylist()]
    for history in histories_of(rows.cast(ROWS_SCHEMA), named):
        label = f"@{history.point.id}"
        times = pd.Index(df["ts"].iloc[history.ts_us])
        yield pd.Series(value_array([history.values]), times, name=label).to_frame(), {label: history.point}, ()
