"""A Delta table: which files count, by its log, and how that changes.

delta-rs keeps the log; the files are written and read here, see :mod:`hsframe.archive.parquet_file`. Its own writer
sorts nothing and takes five times the memory, and two of its ``optimize.compact()`` at once double the rows
(deltalake 1.6.6).
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Self
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa

from hsframe.archive.layout import PARTITION_COLUMNS, SAMPLE_SCHEMA, Layout
from hsframe.archive.parquet_file import END_US, START_US, DataFile, epoch, opened
from hsframe.archive.storage import Storage, Stored, reaching, words_of
from hsframe.durations import HOUR_US
from hsframe.errors import CodecError, MetadataError, SpanError
from hsframe.spans import from_epoch_us, resolve

with suppress(ModuleNotFoundError):  # without the extra, which Storage() names
    from deltalake import CommitProperties, DeltaTable, Transaction
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
    from deltalake.transaction import AddAction, RemoveAction

# Two commits that name the same application at the same version exclude each other, whatever else is in them: also a
# rewrite and a compaction of the same files, which delta-rs lets pass beside each other.
_APPLICATION: Final = "hsframe"
_LOG: Final = "_delta_log"
_ENTRY: Final = _LOG + "/{:020}.json"
_SETTINGS: Final = {
    "delta.dataSkippingStatsColumns": "id,ts",
    # A report of last year may name a version; by default it is forgotten after 30 days, with all its files there.
    "delta.logRetentionDuration": "interval 400 days",
    # A commit reads the entries since the last checkpoint: with one each 100, as delta-rs has it, it takes 9 ms of CPU,
    # with one each 20 half of it.
    "delta.checkpointInterval": "20",
}
_LEAST_BYTES: Final = 20  # of an entry with an action
# delta-rs cuts the last instant of its files to milliseconds.
_CUT_US: Final = 999
# Neither what is hidden nor the log; delta-rs writes to names with a '#' at their end first.
_DATA: Final = re.compile(r"(?!_)(.*/)?[^._/][^/]*\.parquet")
# A file that no version counts may be that of a commit to come, unless it is older.
_WRITING_US: Final = HOUR_US


class DeltaLog:
    """The log of one table, as one version has it; :meth:`refresh` goes to the newest one."""

    schema: ClassVar[pa.Schema]
    partition_columns: ClassVar[list[str]] = []
    notes: Callable[[], dict[str, str]] = dict  # what a commit notes

    def __init__(self, storage: Storage, version: int | None = None) -> None:
        self.storage = storage
        self._open(version)

    def _open(self, version: int | None = None) -> None:
        uri, self._files = self.storage.uri, list[DataFile]()
        try:
            self._table = DeltaTable(uri, version=version, storage_options=self.storage.options)
        except TableNotFoundError as error:
            raise MetadataError(f"there is no archive in {uri}; another program may have removed it") from error
        except (DeltaError, OSError) as error:
            which = "" if version is None else f"version {version} of "
            raise MetadataError(
                f"{which}the archive in {uri} cannot be opened: {words_of(error)}; {self.advice()}"
            ) from error
        self.state, self._files_of = self._state(), -1
        if self._table.protocol().min_reader_version > 1:  # its files alone do not tell which rows count
            raise MetadataError(
                f"another program has changed {uri}, so that its files alone do not tell its rows ("
                f"{', '.join(self._table.protocol().reader_features or ['column mapping'])}); read it with "
                "deltalake.DeltaTable"
            )
        self.layout = Layout.of_configuration(self._table.metadata().configuration, uri)

    @classmethod
    def create(cls, storage: Storage, layout: Layout) -> Self:
        """A new table; the one that is there, where there is one already."""
        # Two programs may make it at once. Where both found none, "ignore" makes the later one fail (delta-rs 1.6).
        with reaching(storage.uri), suppress(CommitFailedError):
            DeltaTable.create(
                storage.uri,
                cls.schema,
                mode="ignore",
                partition_by=cls.partition_columns,
                configuration={**layout.configuration, **_SETTINGS},
                storage_options=storage.options,
                raise_if_key_not_exists=False,  # it knows Delta's own keys only
            )
        return cls(storage)

    @property
    def version(self) -> int:
        return self._table.version()

    def _state(self) -> tuple[int, int]:
        """The version, and when it was written, where that is known: in a table made anew its number means another."""
        with suppress(OSError):
            if self.storage.folder is not None:
                return self.version, (self.storage.folder / _ENTRY.format(self.version)).stat().st_mtime_ns
        return self.version, 0

    def _refuse_damaged(self) -> None:
        """Refuse an empty entry since the last checkpoint: delta-rs takes it for a version that changes nothing."""
        log, this = self.storage.listing(_LOG), _ENTRY.format(self.version).removesuffix(".json")
        last = max(
            (path[: len(this)] for path in log if ".checkpoint" in path and path[: len(this)] <= this), default=""
        )
        if any(last < path[:-5] <= this and log[path].size < _LEAST_BYTES for path in log if path.endswith(".json")):
            raise MetadataError(f"the log of the archive in {self.storage.uri} is damaged: {self.advice()}")

    def damaged(self) -> list[int]:
        """The versions whose entries of the log are empty or half written, as a power cut may leave the last ones."""
        return [version for version in self._entries() if not self._lines(_ENTRY.format(version))]

    def _entries(self) -> list[int]:
        """The versions of which the log has an entry."""
        return sorted(int(path[-25:-5]) for path in self.storage.listing(_LOG) if re.search(r"/\d{20}\.json$", path))

    def _lines(self, path: str) -> list[dict[str, Any]]:
        with suppress(ValueError, FileNotFoundError), self.storage.open(path) as file:
            return [json.loads(line) for line in file.read().splitlines()]
        return []

    def advice(self) -> str:
        """What to do about a log that cannot be read, or not all of it."""
        how = "sync to another folder"
        if (damaged := self.damaged()) and self._has_files_of(damaged[0] - 1):
            how = f"remove {_ENTRY.format(damaged[0])}, which is empty or half written, and all later versions, and "
            how += "sync(), which reads anew what they told of; add() anew what was added"
        elif not damaged and (broken := self._needless_checkpoints()):
            how = f"remove {' and '.join(broken)}: the log has all that they tell without them, so nothing is lost"
        return f"put the archive back from a backup, or {how}"

    def _needless_checkpoints(self) -> list[str]:
        """The summaries of the log that cannot be read, where it is whole from the last one that can be read on."""
        log, last = self.storage.listing(_LOG), f"{_LOG}/_last_checkpoint"
        broken, since = list[str](), 0
        for path in sorted(path for path in log if re.search(r"/\d{20}\.checkpoint\..*parquet$", path)):
            try:
                with opened(self.storage, path, pa.schema([])):
                    since = int(path[len(_LOG) + 1 :][:20]) + 1
            except CodecError:
                broken.append(path)
        named = [_ENTRY.format(line.get("version", 0))[:-4] + "checkpoint" for line in self._lines(last)]
        is_lost = not all(any(path.startswith(name) for path in log) for name in named)
        is_whole = {*(entries := self._entries())} >= {*range(since, max(entries, default=since) + 1)}
        return [*broken, *{last} & log.keys()] if is_whole and (broken or is_lost) else []

    def _has_files_of(self, version: int) -> bool:
        """Whether all files of a version are still there; :meth:`vacuum` takes those of older ones."""
        try:
            files = DeltaTable(self.storage.uri, version=version, storage_options=self.storage.options).file_uris()
        except (DeltaError, OSError, OverflowError):
            return False
        there = {path.rpartition("/")[2] for path in self.storage.listing()}
        return all(unquote(path).rpartition("/")[2] in there for path in files)

    def refresh(self) -> None:
        """Go to the newest version, also where the table was made anew meanwhile."""
        if self._state() != self.state:
            self._open()
            return
        following = (self.storage.folder or Path()) / _ENTRY.format(self.version + 1)
        if self.state[1] and not following.exists():  # delta-rs takes a millisecond to find that there is none
            return
        try:
            self._table.update_incremental()
            self.state = self._state()
        except (DeltaError, OSError):  # it was made anew in an object store
            self._open()

    def files(self) -> list[DataFile]:
        """The files that count."""
        if self._files_of != self.version:
            self._refuse_damaged()
            rows = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
            self._files, self._files_of = [_file_of(row) for row in rows], self.version
        return self._files

    def commit(self, added: Sequence[DataFile], removed: Iterable[DataFile] = (), *, changes_rows: bool = True) -> bool:
        """Make a version with these files more and these fewer; False if someone else has made one meanwhile."""
        now_ms = int(time.time() * 1000)
        gone = {file.path: file for file in removed}
        version, before = self.version, self.files()
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(path, changes_rows, now_ms, file.size) for path, file in gone.items()
        ]
        for file in added:
            partition = dict(zip(self.partition_columns, map(str, file.partition), strict=False))
            actions.append(AddAction(file.path, file.size, partition, now_ms, changes_rows, file.statistics))
        properties = CommitProperties(
            custom_metadata=self.notes(),
            max_commit_retries=0,
            app_transactions=[Transaction(_APPLICATION, self.version + 1)],
        )
        try:
            self._table.create_write_transaction(
                actions, "append", self._table.schema(), self.partition_columns, commit_properties=properties
            )
        except CommitFailedError:
            return False
        except (DeltaError, OSError) as error:
            raise MetadataError(
                f"{self.storage.uri} cannot be changed: {words_of(error)}; repeat it when that can be done"
            ) from error
        if self.storage.folder is not None:  # on the disk before what is noted of it: delta-rs leaves that open
            with reaching(self.storage.uri), open(self.storage.folder / _ENTRY.format(version + 1), "rb+") as log:
                os.fsync(log.fileno())
        self.refresh()  # the object keeps its version, and its next commit would fail
        # Unless someone else has made another meanwhile: what the log says of all files takes long to read.
        self._files_of, self._files = version + 1, [*(file for file in before if file.path not in gone), *added]
        return True

    def setting(self, key: str) -> str | None:
        return self._table.metadata().configuration.get(key)

    def change_settings(self, settings: dict[str, str]) -> None:
        """Change settings of the table, which makes a version where one is another."""
        while any(self.setting(key) != text for key, text in settings.items()):
            with suppress(CommitFailedError):  # someone else has made a version meanwhile
                self._table.alter.set_table_properties(settings, raise_if_not_exists=False)
            self.refresh()

    def discard(self, files: Iterable[DataFile]) -> None:
        """Remove files that were written, and that no version counts."""
        for file in files:
            self.storage.delete(file.path)

    def commit_of(self, version: int) -> Commit:
        """What a version has changed; FileNotFoundError where the log has forgotten it, or its entry is damaged."""
        found: dict[str, list[Any]] = {"commitInfo": [{}], "add": [], "remove": []}
        if not (lines := self._lines(_ENTRY.format(version))):
            raise FileNotFoundError(_ENTRY.format(version))
        for line in lines:
            for name, entry in line.items():
                found.setdefault(name, []).append(entry)
        info, files = found["commitInfo"][-1], [*found["add"], *found["remove"]]
        is_compaction = bool(files) and not any(entry.get("dataChange") for entry in files)
        return Commit(
            version,
            info.get("timestamp", 0) * 1000,
            "compact" if is_compaction else str(info.get("operation", "")).lower(),
            {unquote(one["path"]): json.loads(one.get("stats") or "{}").get("numRecords") for one in found["add"]},
            {unquote(one["path"]) for one in found["remove"]},
            info,
        )

    def commits(self) -> list[Commit]:
        """What the versions have changed, the newest first, as far back as they can be put together from the log."""
        found: list[Commit] = []
        with suppress(FileNotFoundError):
            found.extend(map(self.commit_of, range(self.version, -1, -1)))
        names = self.storage.listing(_LOG)
        # A version that is no checkpoint needs all commits since one.
        while len(found) > 1 and found[-1].version:
            if any(name.startswith(_ENTRY.format(found[-1].version)[:-4] + "check") for name in names):
                break
            found.pop()
        return found


@dataclass(frozen=True, slots=True)
class Commit:
    """What a version has changed: the files that it took away, and those that it added with their rows."""

    version: int
    at_us: int
    operation: str
    added: Mapping[str, int | None]
    removed: Collection[str]
    info: Mapping[str, Any]


class SampleTable(DeltaLog):
    schema = SAMPLE_SCHEMA
    partition_columns = PARTITION_COLUMNS


def _file_of(row: Mapping[str, Any]) -> DataFile:
    """The file of an entry of the log; one that another program put there may be without statistics."""
    partition = row.get("partition.period", ""), row.get("partition.bucket", 0)
    file = DataFile(row["path"], partition, row["num_records"] or 0)
    file.size = row["size_bytes"]
    file.ids, file.ts_us = ("", chr(sys.maxunicode)), (START_US, END_US)
    if all(row.get(name) is not None for name in ("min.id", "max.id", "min.ts", "max.ts")):
        file.ids, file.ts_us = (row["min.id"], row["max.id"]), (epoch(row["min.ts"]), epoch(row["max.ts"]) + _CUT_US)
    return file


def version_table(log: DeltaLog) -> pd.DataFrame:
    """A row per version, the newest first; `readable` is whether the log and all files of it are still there."""
    commits, there = log.commits(), log.storage.listing()
    files = {file.path: None if file.ts_us[0] == START_US else file.rows for file in log.files()}
    known = {path: rows for commit in commits for path, rows in commit.added.items()} | files
    found = []
    for commit in commits:
        rows = None if None in files.values() else sum(filter(None, files.values()))
        when = from_epoch_us(commit.at_us, UTC)
        found.append((commit.version, when, commit.operation, rows, len(files), files.keys() <= there.keys()))
        files = {path: rows for path, rows in files.items() if path not in commit.added}
        files |= {path: known.get(path) for path in commit.removed}
    df = pd.DataFrame(found, columns=["version", "at", "operation", "rows", "files", "readable"])
    return df.astype({"at": "datetime64[us, UTC]", "operation": "str", "rows": "Int64"})


def version_at(log: DeltaLog, when: str | date) -> int:
    """The version that was the newest at a time, in UTC; of a day or a longer span at its end."""
    span, now, commits = resolve((when, when), UTC), datetime.now(UTC), log.commits()
    if span.start > now or (isinstance(when, datetime) and when.tzinfo is None):
        raise SpanError(f"the time of a version must be past, and have a zone, as '2026-11-01T09:00Z'; got {when!r}")
    if found := next((commit for commit in commits if commit.at_us <= (span.end_us or 0)), None):
        return found.version
    first = commits[-1]
    raise MetadataError(
        f"no version of {log.storage.uri} was there at {span.end}, or it can no longer "
        f"be read; the oldest is {first.version}, of {from_epoch_us(first.at_us, UTC).isoformat()}"
    )


def vacuum(log: DeltaLog, cutoff_us: int) -> list[tuple[str, int, str]]:
    """Remove files that no version counts that was the newest at a time or later, and what killed writers have left.

    Gives the path of each, its bytes, and the reason.
    """
    before = log.storage.listing()
    log.storage.remove_left_parts()
    there = log.storage.listing()
    parts = [path for path in before.keys() - there.keys() if path.endswith(".part")]
    removed = [(path, before[path].size, "a writer that was killed left it") for path in sorted(parts)]
    commits = log.commits()
    lost = {path: commit for commit in reversed(commits) for path in commit.removed}
    counted = {file.path for file in log.files()}
    found = {
        path: f"only versions up to {commit.version - 1} have it"
        for path, commit in lost.items()
        if commit.at_us < cutoff_us and path in there and path not in counted
    }
    found |= {
        path: "no version counts it"
        for path in (() if log.damaged() else orphans(log, there, commits))  # a damaged entry may have named it
        if there[path].changed_us < time.time_ns() // 1000 - _WRITING_US
    }
    for path, reason in sorted(found.items()):
        log.storage.delete(path)
        removed.append((path, there[path].size, reason))
    return removed


def orphans(log: DeltaLog, there: Mapping[str, Stored], commits: Sequence[Commit]) -> Iterable[str]:
    """The files of samples that no version counts, of those that are there."""
    named = {file.path for file in log.files()}.union(*(commit.added.keys() | {*commit.removed} for commit in commits))
    return [path for path in there if _DATA.match(path) and path not in named]
