"""Samples of frames, of files too, into an archive: by the rules of a write to a server, and so refused alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.archive.fill import Job
from hsframe.archive.histories import rows_of
from hsframe.archive.layout import Layout
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.samples import Changes, Existing, merge
from hsframe.archive.sync import outcome_table
from hsframe.archive.tables import Place, Tables
from hsframe.columns import NumberColumn
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, MetadataError
from hsframe.frame.his_grids import PointSamples, frame_columns
from hsframe.frame.histories import History
from hsframe.frame.match import frame_of
from hsframe.frame.points import Point, is_tidy, points_of
from hsframe.frame.points_like import as_points
from hsframe.frame.values import object_array
from hsframe.history.point_records import PointRecord
from hsframe.kinds import MARKER, Number, Ref
from hsframe.unit_array.array import UnitArray

# Samples of one commit.
_ROWS_A_MERGE: Final = 2_000_000


@dataclass(slots=True)
class Adding:
    """One :meth:`hsframe.Archive.add`: its parameters, and what became of each point."""

    place: Place
    now_us: int
    young_us: int
    points: Any
    existing: Existing
    convert: bool
    changes: Changes = field(default_factory=Changes)
    jobs: dict[str, Job] = field(default_factory=dict)

    def run(self, frames: Iterable[tuple[str, Any]]) -> pd.DataFrame:
        """Add frames, each with the name of its file or without; gives a row per point."""
        for name, df in frames:
            try:
                self._add(df)
            except HsFrameError as error:
                if name:
                    error.add_note(f"in {name}; the files before it are added")
                raise
        for ident, job in self.jobs.items():
            kept = self.changes.kept[ident]
            is_changed = self.changes.new[ident] or self.changes.changed[ident]
            job.status = "added" if is_changed else "kept" if kept else "same"
            notes = [job.reason, f"{kept} samples are others in the archive, and stay" if kept else ""]
            job.reason = "; ".join(filter(None, notes))
        return outcome_table([*self.jobs.values()], self.changes, {})

    def _add(self, df: Any) -> None:
        tables = Tables.open(self.place) if self.place.has_archive else None
        records = {} if tables is None else tables.points.records()
        known = {ident: record.point for ident, record in records.items()}
        samples = []
        for part, *points in _wide(frame_of(df, tidy=True), self.points, known):
            columns = frame_columns(part, *points, inf="send", convert=self.convert)
            samples += [column.samples(known.get(column.point.id, column.point)) for column in columns]
        if tables is None:
            tables = Tables.open_or_create(self.place, Layout.of_density(sum(map(_rows_a_day, samples))))
        noted = []
        for one in samples:
            record = records.get(one.point.id) or ArchivedRecord(_tags(one))
            job = self.jobs.setdefault(one.point.id, Job(PointRecord.of(record.tags), 0, None, 0, reason=one.note))
            if not len(one.ts_us):
                continue
            first_us, last_us = int(one.ts_us[0]), int(one.ts_us[-1])
            job.first_us = min(first_us, first_us if job.first_us is None else job.first_us)
            job.last_us = max(last_us, last_us if job.last_us is None else job.last_us)
            if record.read_us is None:
                until_us = max(first_us, min(last_us + 1, self.now_us))
                noted.append(ArchivedRecord(record.tags, (first_us, until_us)))
        place = tables.samples.layout.place
        samples.sort(key=lambda one: place(one.point.id))
        for some in _groups(samples):
            self._merge(tables, some)
        tables.points.put(noted)

    def _merge(self, tables: Tables, samples: Sequence[PointSamples]) -> None:
        rows = rows_of(History(one.point, one.ts_us, one.values) for one in samples)
        ids = [one.point.id for one in samples]
        first_us, last_us = min(one.ts_us[0] for one in samples), max(one.ts_us[-1] for one in samples)
        found = merge(
            tables.samples, rows, ids, int(first_us), int(last_us) + 1, young_us=self.young_us, existing=self.existing
        )
        self.changes.add(found)


def _rows_a_day(samples: PointSamples) -> float:
    days = (samples.ts_us[-1] - samples.ts_us[0]) / DAY_US if len(samples.ts_us) else 0.0
    return len(samples.ts_us) / max(days, 1.0)


def _groups(samples: Iterable[PointSamples]) -> Iterator[list[PointSamples]]:
    """Points that have samples, so many together as one merge takes."""
    some: list[PointSamples] = []
    count = 0
    for one in samples:
        some += [one] if len(one.ts_us) else []
        count += len(one.ts_us)
        if count >= _ROWS_A_MERGE:
            yield some
            some, count = [], 0
    if some:
        yield some


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
    for ident, rows in df.groupby("id", observed=True, sort=False):
        label = f"@{ident}"
        point = given.get(str(ident), Point(str(ident), str(ident)))
        values = pd.Series(_cells(rows, point.kind), index=pd.Index(rows["ts"]), name=label)
        yield values.to_frame(), {label: point}, ()


def _cells(rows: pd.DataFrame, kind: str | None) -> Any:
    """The values of tidy rows of one point, as a wide frame has them."""
    texts, units = rows["text"], rows["unit"]
    numbers = rows["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    if not texts.notna().any():
        used = units.dropna().unique().tolist()
        if kind == "Bool" and not used:
            return pd.arrays.BooleanArray(numbers != 0, np.isnan(numbers))
        if not used:
            return numbers
        if len(used) == 1 and not (units.isna() & np.isfinite(numbers)).any():
            return UnitArray(numbers, used[0])
    cells = zip(numbers.tolist(), texts.tolist(), units.tolist(), strict=True)
    return object_array(text if isinstance(text, str) else _number(value, unit) for value, text, unit in cells)


def _number(value: float, unit: Any) -> Number | None:
    return None if np.isnan(value) else Number(value, unit if isinstance(unit, str) else None)
