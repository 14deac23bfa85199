"""Adds samples of frames and files to an archive, by the rules of a write to a server: the same is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pandas as pd

from hsframe.archive.added_frames import Added, added_samples, tags_of
from hsframe.archive.added_spans import joined, read_windows
from hsframe.archive.fill import Job
from hsframe.archive.histories import cell_of, rows_of
from hsframe.archive.layout import Layout
from hsframe.archive.points import SERVER_KEY, ArchivedRecord
from hsframe.archive.samples import Changes, Existing, merge, young_from
from hsframe.archive.server_identity import are_different_servers
from hsframe.archive.storage import Storage
from hsframe.archive.sync import outcome_table
from hsframe.archive.tables import Tables, has_archive
from hsframe.caller_warnings import warn_caller
from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, MetadataError, ReadWarning
from hsframe.frame.histories import History
from hsframe.frame.reads import Read, reads_of, source_of
from hsframe.history.point_records import PointRecord

# Samples of one commit. A frame is in memory, and all its points come at once: few commits are few files.
_ROWS_A_COMMIT: Final = 2_000_000


@dataclass(slots=True)
class Adding:
    """One :meth:`hsframe.Archive.add`: its parameters, and what became of each point."""

    storage: Storage
    now_us: int
    points: Any
    existing: Existing
    convert: bool
    dry_run: bool
    changes: Changes = field(default_factory=Changes)
    jobs: dict[str, Job] = field(default_factory=dict)
    bounds_us: dict[str, tuple[int, int]] = field(default_factory=dict)
    windows_us: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    begun_us: dict[str, int] = field(default_factory=dict)  # a sample of each point that was merged
    records: Mapping[str, ArchivedRecord] = field(default_factory=dict)
    server: str = ""  # of the archive, or of the first frame of a new one

    def run(self, frames: Sequence[tuple[str, Callable[[], Any]]]) -> pd.DataFrame:
        """Add frames, each with the name of its file or without; gives a row per point."""
        # All are looked at before one is added: none may be bad, and the layout of a new archive is that of all.
        tables = Tables.open(self.storage) if has_archive(self.storage) else None
        self.records = tables.records() if tables else {}
        self.server = (tables and tables.points.server) or ""
        self._add(frames, tables, is_trial=True)
        if not self.dry_run:
            self._refuse_others()
            lengths_us = {ident: max(last - first, DAY_US) for ident, (first, last) in self.bounds_us.items()}
            layout = Layout.of_density(sum(self.changes.new[ident] * DAY_US / us for ident, us in lengths_us.items()))
            self.bounds_us, self.windows_us, self.begun_us, self.changes = {}, {}, {}, Changes()
            self._add(frames, tables or Tables.open_or_create(self.storage, layout), is_trial=False)
        return self._table()

    def _add(self, frames: Sequence[tuple[str, Callable[[], Any]]], tables: Tables | None, *, is_trial: bool) -> None:
        """Add frames to the tables, or only look at them."""
        try:
            for number, (name, load) in enumerate(frames):
                try:
                    df = load()
                    reads = reads_of(df)
                    added = self._samples(df, reads, is_file=bool(name))
                    samples = [history for one in added for history in one.histories]
                    source = source_of(df) or {}
                    uri: str = source["uri"] if source.get("kind") == "server" else self.server
                    self.server = self.server or uri
                    if is_trial and are_different_servers(self.server, uri, by_port=True):
                        what = f"{name or 'this frame'} is from {uri}, and {self.storage.uri} from {self.server}"
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
                            tables.points.change_settings({SERVER_KEY: self.server})
                except HsFrameError as error:
                    if name:
                        is_some = not is_trial and bool(self.changes.new.total() or self.changes.changed.total())
                        whole = f"{number} of {len(frames)} files were added whole, and no more"
                        done = whole if is_some else "nothing was added"
                        error.args = (f"{done}, because of {name}: {error}", *error.args[1:])
                    if not is_trial:
                        error.report = self._table()
                    raise
                for each in added:
                    self._note(each, reads.get(each.history.point.id, Read()), has_source=bool(source))
        finally:
            if tables is not None and not is_trial:  # at the end: what is between two files may be in the third one
                tables.points.put(self._read_records())

    def _note(self, added: Added, read: Read, *, has_source: bool) -> None:
        """Note what there is of a point, and in which windows it counts as read."""
        ident = added.history.point.id
        for history in added.histories:
            own = int(history.ts_us[0]), int(history.ts_us[-1])
            first_us, last_us = self.bounds_us.get(ident, own)
            self.bounds_us[ident] = min(first_us, own[0]), max(last_us, own[1])
        windows = [*read_windows(added, read, self.jobs[ident].record, has_source=has_source)]
        if windows and (added.histories or added.lost_na):
            self.windows_us.setdefault(ident, []).extend(windows)
            self.begun_us.setdefault(ident, windows[0][0])  # one that has nothing but what was lost, too

    def _read_records(self) -> Iterator[ArchivedRecord]:
        """The records of points with the window without a gap that counts as read, of a new point the earliest."""
        for ident, begin_us in self.begun_us.items():
            windows = self.windows_us.get(ident, [(begin_us, begin_us)])  # an empty one where it failed in between
            record, known = self.jobs[ident].record, self.records.get(ident)
            own_us = known.read_us if known else None
            yield ArchivedRecord(record.tags, joined(windows, own_us, record, self.now_us))

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
        df = df.drop(columns=["rows_late", "first_change", "last_change"])  # of a sync alone
        more = pd.DataFrame(rows, columns=["rows_kept", "first_difference", "in_archive", "in_frame"], dtype=object)
        df.insert(5, "rows_kept", more.pop("rows_kept").astype("int64"))
        return df.join(more.astype({"first_difference": "datetime64[us, UTC]"}))

    def _samples(self, df: Any, reads: Mapping[str, Read], *, is_file: bool) -> list[Added]:
        """The samples of each point of a frame; what was read into a file may have another kind than its record."""
        known = {ident: record.point for ident, record in self.records.items()}
        known |= {ident: job.record.point for ident, job in self.jobs.items()}
        found = [*added_samples(df, self.points, known, reads, any_kind=is_file, convert=self.convert)]
        for one in found:
            record = self.records.get(one.history.point.id) or ArchivedRecord(tags_of(one.history))
            self.jobs.setdefault(record.id, Job(PointRecord.of(record.tags), 0, None, 0, reason=one.note))
        return found

    def _merge(self, tables: Tables, samples: list[History], *, dry_run: bool) -> None:
        samples.sort(key=lambda one: tables.samples.layout.sort_key(one.point.id))
        ends = itertools.accumulate(len(one.ts_us) for one in samples)
        young_us = young_from(self.now_us, 2 * DAY_US)
        for _, pairs in itertools.groupby(zip(samples, ends, strict=True), key=lambda pair: pair[1] // _ROWS_A_COMMIT):
            some = [one for one, _ in pairs]
            rows = rows_of(replace(one, point=self.jobs[one.point.id].record.point) for one in some)
            window = int(min(one.ts_us[0] for one in some)), int(max(one.ts_us[-1] for one in some)) + 1
            ids = [one.point.id for one in some]
            self.changes.add(
                merge(tables.samples, rows, ids, *window, young_us=young_us, existing=self.existing, dry_run=dry_run)
            )
            self.begun_us |= {one.point.id: int(one.ts_us[0]) for one in some}
