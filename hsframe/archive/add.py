"""Adds samples of frames and files to an archive, by the rules of a write to a server: the same is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.archive.fill import Job
from hsframe.archive.histories import cell_of, histories_of, rows_of
from hsframe.archive.layout import ROWS_SCHEMA, Layout
from hsframe.archive.parquet_file import END_US
from hsframe.archive.points import SERVER_KEY, ArchivedRecord
from hsframe.archive.samples import Changes, Existing, merge, young_from
from hsframe.archive.storage import Storage
from hsframe.archive.sync import are_others, known_records, outcome_table
from hsframe.archive.tables import Tables, has_archive
from hsframe.caller_warnings import warn_caller
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, MetadataError, ReadWarning, ZoneError
from hsframe.frame.his_grids import frame_columns
from hsframe.frame.histories import History, Instants
from hsframe.frame.match import frame_of
from hsframe.frame.points import TIDY_COLUMNS, Point, is_tidy, points_of
from hsframe.frame.points_like import as_points
from hsframe.frame.reads import Read, reads_of, source_of
from hsframe.frame.trend import is_of_text
from hsframe.frame.values import value_array
from hsframe.history.point_records import PointRecord
from hsframe.kinds import MARKER, NA, Na, Number, Ref
from hsframe.unit_array.dtype import unit_of_dtype

# Samples of one commit. A frame is in memory, and all its points come at once: few commits are few files.
_ROWS_A_COMMIT: Final = 2_000_000
_INTERVALS_A_GAP: Final = 4
_KINDS: Final = {NumberColumn: "Number", BoolColumn: "Bool", StrColumn: "Str"}


@dataclass(slots=True)
class Adding:
    """One :meth:`hsframe.Archive.add`: its parameters, and what became of each point."""

    place: Storage
    now_us: int
    points: Any
    existing: Existing
    convert: bool
    dry_run: bool
    changes: Changes = field(default_factory=Changes)
    jobs: dict[str, Job] = field(default_factory=dict)
    bounds_us: dict[str, tuple[int, int]] = field(default_factory=dict)
    windows_us: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    records: Mapping[str, ArchivedRecord] = field(default_factory=dict)
    server: str = ""  # of the archive, or of the first frame of a new one

    def run(self, frames: Sequence[tuple[str, Callable[[], Any]]]) -> pd.DataFrame:
        """Add frames, each with the name of its file or without; gives a row per point."""
        self.records = known_records(self.place)
        # All are looked at before one is added: none may be bad, and the layout of a new archive is that of all.
        tables = Tables.open(self.place) if has_archive(self.place) else None
        self.server = (tables and tables.points.server) or ""
        self._add(frames, tables, is_trial=True)
        if not self.dry_run:
            self._refuse_others()
            lengths_us = {ident: max(last - first, DAY_US) for ident, (first, last) in self.bounds_us.items()}
            layout = Layout.of_density(sum(self.changes.new[ident] * DAY_US / us for ident, us in lengths_us.items()))
            self.bounds_us, self.windows_us, self.changes = {}, {}, Changes()
            self._add(frames, tables or Tables.open_or_create(self.place, layout), is_trial=False)
        return self._table()

    def _add(self, frames: Sequence[tuple[str, Callable[[], Any]]], tables: Tables | None, *, is_trial: bool) -> None:
        """Add frames to the tables, or only look at them."""
        try:
            for number, (name, load) in enumerate(frames):
                try:
                    df = load()
                    reads = reads_of(df)
                    samples = self._samples(df, reads if name else {})
                    source = source_of(df) or {}
                    uri: str = source["uri"] if source.get("kind") == "server" else self.server
                    self.server = self.server or uri
                    if is_trial and are_others(self.server, uri, by_port=True):
                        what = f"{name or 'this frame'} is from {uri}, and {self.place.uri} from {self.server}"
                        warn_caller(f"{what}: if these are two servers, take an archive for each", ReadWarning)
                    del df
                    if tables is None:
                        for one in samples:
                            self.changes.new[one.point.id] += len(one.ts_us)
                    elif not is_trial or self.dry_run or self.existing == "refuse":
                        self._merge(tables, samples, dry_run=is_trial)
                    if not is_trial:
                        self._refuse_others()
                        if tables and not tables.points.server and self.server:
                            tables.points.change_setting(SERVER_KEY, self.server)
                except HsFrameError as error:
                    if name:
                        done = "nothing was" if is_trial or not number else f"only the {number} files before it are"
                        error.args = (f"{done} added, because of {name}: {error}", *error.args[1:])
                    if not is_trial:
                        error.report = self._table()
                    raise
                for one in samples:
                    own = int(one.ts_us[0]), int(one.ts_us[-1])
                    first_us, last_us = self.bounds_us.get(one.point.id, own)
                    self.bounds_us[one.point.id] = min(first_us, own[0]), max(last_us, own[1])
                    windows = _windows(one, reads.get(one.point.id, Read()), self.jobs[one.point.id].record)
                    self.windows_us.setdefault(one.point.id, []).extend(windows)
        finally:
            if tables is not None and not is_trial:  # at the end: what is between two files may be in the third one
                tables.points.put(self._read_records())

    def _read_records(self) -> Iterator[ArchivedRecord]:
        """The records of points with the window without a gap that counts as read, of a new point the earliest."""
        for ident, windows in self.windows_us.items():
            record, known = self.jobs[ident].record, self.records.get(ident)
            own = known.read_us if known else None
            runs: list[tuple[int, int]] = []
            for start_us, end_us in sorted([*windows, *([own] if own else [])]):
                end_us = max(start_us, min(end_us, self.now_us))
                if runs and start_us - record.due_us <= runs[-1][1]:
                    runs[-1] = runs[-1][0], max(runs[-1][1], end_us)
                else:
                    runs.append((start_us, end_us))
            window = next(run for run in runs if own is None or run[0] <= own[0] <= run[1])
            yield ArchivedRecord(record.tags, window)

    def _refuse_others(self) -> None:
        """Refuse samples that are others than those of the archive, where that is wanted."""
        table = self._table()
        refused = table[table["status"] == "refused"]
        if refused.empty:
            return
        first, others = refused.iloc[0], f", and of {len(refused) - 1} other points some are" * (len(refused) > 1)
        error = MetadataError(
            f"{first['rows_kept']} samples of {self.jobs[first['id']].record.point} are others than in the archive, "
            f"the first at {first['first_difference'].isoformat()}, which is {first['in_archive']} there and "
            f"{first['in_frame']} here{others}; they were not added; existing='keep' leaves those of the archive, "
            "'replace' takes these, and dry_run=True gives a table"
        )
        error.report = table
        raise error

    def _table(self) -> pd.DataFrame:
        """What became of each point, and of the first of its samples that the archive has with another value."""
        kept, rows = self.changes.kept, []
        for ident, job in self.jobs.items():
            job.first_us, job.last_us = self.bounds_us.get(ident, (None, None))
            is_changed = self.changes.new[ident] or self.changes.changed[ident]
            job.status = "added" if is_changed else "kept" if kept[ident] else "same"
            if kept[ident] and self.existing == "refuse":
                job.status = "refused"
            pair = self.changes.first.get(ident, ())
            cells = [cell_of(one["value"], one["text"], one["unit"], job.record.point.kind) for one in pair]
            rows.append((kept[ident], pair[0]["ts"] if pair else None, *(cells or (None, None))))
        df = outcome_table([*self.jobs.values()], self.changes, {})
        more = pd.DataFrame(rows, columns=["rows_kept", "first_difference", "in_archive", "in_frame"], dtype=object)
        df.insert(5, "rows_kept", more.pop("rows_kept").astype("int64"))
        return df.join(more.astype({"first_difference": "datetime64[us, UTC]"}))

    def _samples(self, df: Any, as_read: Collection[str]) -> list[History]:
        """The samples of each point of a frame that has any; one in `as_read` may have another kind than its record."""
        known = {ident: record.point for ident, record in self.records.items()}
        known |= {ident: job.record.point for ident, job in self.jobs.items()}
        found = []
        for part, *points in _parts(frame_of(_with_all_columns(df), tidy=True), self.points, known):
            if isinstance(part, History):
                found.append((part, ""))
                continue
            for column in frame_columns(part, *points, inf="send", convert=self.convert, samples_only=True):
                point = known.get(column.point.id, column.point)
                is_other = point.id in as_read and column.kind != point.kind
                one = column.samples(replace(point, kind=None, unit=None) if is_other else point)
                found.append((History(replace(point, tz=one.tz), one.ts_us, one.values), one.note))
        for history, note in found:
            record = self.records.get(history.point.id) or ArchivedRecord(_tags(history))
            self.jobs.setdefault(history.point.id, Job(PointRecord.of(record.tags), 0, None, 0, reason=note))
        return [history for history, _ in found if len(history.ts_us)]

    def _merge(self, tables: Tables, samples: list[History], *, dry_run: bool) -> None:
        place = tables.samples.layout.place
        samples.sort(key=lambda one: place(one.point.id))
        ends = itertools.accumulate(len(one.ts_us) for one in samples)
        young_us = young_from(self.now_us, 2 * DAY_US)
        for _, pairs in itertools.groupby(zip(samples, ends, strict=True), key=lambda pair: pair[1] // _ROWS_A_COMMIT):
            some = [one for one, _ in pairs]
            rows = rows_of(replace(one, point=self.jobs[one.point.id].record.point) for one in some)
            window = int(min(one.ts_us[0] for one in some)), int(max(one.ts_us[-1] for one in some)) + 1
            ids = [one.point.id for one in some]
            how: dict[str, Any] = {"young_us": young_us, "existing": self.existing, "dry_run": dry_run}
            self.changes.add(merge(tables.samples, rows, ids, *window, **how))


def _with_all_columns(df: Any) -> Any:
    """A frame with a row per sample as other programs write it, with id, ts and value at least, as a tidy one."""
    if not isinstance(df, pd.DataFrame) or not {"id", "value"} <= {*df.columns} or is_tidy(df):
        return df
    if df.index.name == "ts":
        df = df.reset_index()
    if "ts" not in df:
        raise MetadataError("a frame with a row per sample has the columns id, ts and value; this one has no ts")
    is_text, unit = df["value"].dtype.kind not in "biuf", unit_of_dtype(df["value"].dtype)
    values = np.nan if is_text else df["value"].hs.magnitude() if unit else df["value"]
    text = df.get("text", df["value"] if is_text else None)
    return df.assign(value=values, text=text, unit=df.get("unit", unit))[[*TIDY_COLUMNS]]


def _windows(samples: History, read: Read, record: PointRecord) -> Iterator[tuple[int, int]]:
    """The spans in which a frame says that it was read; where it says nothing, or may have lost rows, without gaps."""
    is_noted = read.has(samples.ts_us)
    if len(others_us := samples.ts_us[~is_noted]):
        yield from _runs(others_us, _gap_us(others_us, record))
    values, gap_us = samples.values, END_US
    count = len(values) - (values.values.null_count if isinstance(values, ArrowColumn) else 0)
    if read.rows is None and record.rows_a_day and not record.irregular:
        gap_us = _gap_us(samples.ts_us, record)
    elif count < (read.rows or 0):
        gap_us = record.due_us
    for part, ts_us in read.parts(samples.ts_us[is_noted]):
        start_us, end_us = part.known_from(ts_us)
        if not len(ts_us):
            continue
        if read.rows is not None and count >= read.rows and None in (start_us, end_us):
            # As many values as were read, of which the first or the last is another one: they were resampled since.
            yield from _runs(ts_us[:1], 0)
        else:
            runs = _runs(ts_us, gap_us)
            runs[0] = runs[0][0] if start_us is None else start_us, runs[0][1]
            runs[-1] = runs[-1][0], runs[-1][1] if end_us is None else end_us
            yield from runs


def _runs(ts_us: Instants, gap_us: int) -> list[tuple[int, int]]:
    """From the first to the last of some instants, without the steps that are longer than a gap."""
    cuts = np.flatnonzero(np.diff(ts_us) > gap_us) + 1
    firsts, lasts = (ts_us[np.concatenate(places)] for places in (([0], cuts), (cuts - 1, [-1])))
    return [*zip(firsts.tolist(), (lasts + 1).tolist(), strict=True)]


def _gap_us(ts_us: Instants, record: PointRecord) -> int:
    """The longest step from one sample to the next that counts as read.

    It is some intervals of the point, or of many samples that are mostly evenly apart, by a day at most. Else no step
    tells whether the value held or was not read: after an hour it is rather read once too often than never.
    """
    if record.irregular or record.rows_a_day:
        return record.due_us * (1 if record.irregular else _INTERVALS_A_GAP)
    steps_us, counts = np.unique(np.diff(ts_us), return_counts=True)
    # A few samples that are evenly apart, as two readings by hand, prove no interval.
    usual_us: list[int] = steps_us[(2 * counts > max(counts.sum(), 18)) & (steps_us <= DAY_US)].tolist()
    return max(record.due_us, _INTERVALS_A_GAP * sum(usual_us))


def _tags(samples: History) -> dict[str, Any]:
    """The record of a point, by what a frame says of it."""
    point, unit = samples.point, samples.values.unit if isinstance(samples.values, NumberColumn) else None
    tags = {
        **point.his_tags(),
        "id": Ref(point.id, point.dis or None),
        "dis": point.dis or point.id,
        "point": MARKER,
        "his": MARKER,
        "kind": point.kind or _KINDS.get(type(samples.values)),
        "unit": point.unit or unit,
        "tz": point.tz,
        "enum": ",".join(point.states or ()),
    }
    return {name: tag for name, tag in tags.items() if tag}


def _parts(
    df: pd.DataFrame, points: Any, known: Mapping[str, Point]
) -> Iterator[tuple[pd.DataFrame | History, Any, Collection[Point]]]:
    """A wide frame whole, a tidy one point by point, each with the points that it may be; a History needs no check."""
    if not is_tidy(df):
        yield df, points, known.values()
        return
    own = [] if points is None else as_points(points)
    catalog = {point.id: point for point in points_of(df).values()}
    given = {point.id: point for point in as_points([*own, *known.values(), *catalog.values()])}
    given |= {ident: replace(given[ident], kind=point.kind) for ident, point in catalog.items()}  # which its rows mean
    if df["id"].isna().any():
        raise MetadataError(f"row {int(df['id'].isna().argmax())} of this tidy frame has no id; nothing was added")
    if any(str(ident).startswith("@") for ident in df["id"].unique()):
        df = df.assign(id=df["id"].astype("str").str.removeprefix("@"))
    if is_of_text(pd.Index(df["ts"])):
        raise MetadataError(
            "the column ts of this tidy frame has texts, expected times with a zone; make them times with "
            "df.assign(ts=pd.to_datetime(df['ts'], utc=True).dt.tz_convert('America/New_York')); nothing was added"
        )
    if df["ts"].dtype.kind == "M" and not isinstance(df["ts"].dtype, pd.DatetimeTZDtype):
        raise ZoneError(
            "the times in the column ts of this tidy frame have no zone, so their instants are not known; say which "
            "zone they are in with df.assign(ts=df['ts'].dt.tz_localize('America/New_York')); nothing was added"
        )
    is_timed = isinstance(df["ts"].dtype, pd.DatetimeTZDtype) and df["ts"].notna().all()
    made = df["id"][df["text"].notna() & df["unit"].notna() & (df["unit"] != "")]  # no text that was read has a unit
    as_read = reads_of(df).keys() - {*made} if is_timed else ()
    df = df.sort_values(["id", "ts"] if is_timed else "id", kind="stable")
    ids = pa.array(df["id"].astype("str"))
    # The place of a row stands for its time, which is checked with the others.
    places = pa.array(np.arange(len(df))).view(pa.timestamp("us", "UTC"))
    try:
        columns = {  # one without values has any type in pandas, as that of numbers in what read_csv gives
            name: pa.array(df[name], from_pandas=True) if df[name].notna().any() else pa.nulls(len(df))
            for name in ("value", "text", "unit")
        }
        rows = pa.table({"id": ids, "ts": places, **columns}).cast(ROWS_SCHEMA)
    except pa.ArrowException as error:
        raise MetadataError(
            f"a tidy frame has numbers in 'value', and texts in 'text' and 'unit': {error}; nothing was added"
        ) from error
    others = df[df["unit"].eq("") & df["value"].notna() & ~df["value"].isin([0, 1])]["id"]
    if strange := [ident for ident in others.unique() if ident not in given or given[ident].kind != "Bool"]:
        raise MetadataError(f"@{strange[0]} has numbers with the unit '', which means true and false; none is None")
    kind = "Bool" if df["value"].dtype.kind == "b" else None
    named = [given.get(ident, Point(ident, ident, kind=kind)) for ident in pc.unique(ids).to_pylist()]
    for history in histories_of(rows, named):
        point, values, times = history.point, history.values, pd.Index(df["ts"].iloc[history.ts_us])
        kind = _KINDS.get(type(values)) or ("Number" if {*map(type, values)} <= {Number, Na} else None)
        array = value_array([values])
        # Of what was read, a row without a value is NA; else nothing tells it from the hole of a wide frame.
        is_na = np.asarray(pd.isna(array), dtype=bool) & (point.id in as_read)
        if point.id in as_read and (kind is None or point.kind not in (None, kind)):
            yield History(point, times[~is_na].as_unit("us").asi8, [one for one in values if one is not NA]), None, ()
        else:
            own_df = pd.Series(array, times, name=f"@{point.id}").to_frame()
            yield own_df[~is_na] if times.is_unique else own_df, {own_df.columns[0]: point}, ()
        if is_na.any():
            yield History(point, times[is_na].as_unit("us").asi8, [NA] * int(is_na.sum())), None, ()
