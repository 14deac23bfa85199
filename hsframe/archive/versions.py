"""The versions of a table, and the files that only old ones need."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Final

import pandas as pd

from hsframe.archive.delta import Commit, DeltaLog
from hsframe.archive.parquet_file import FAR_US
from hsframe.archive.storage import Stored
from hsframe.spans import from_epoch_us

# A file that no version counts may be that of a commit to come, unless it is older.
_WRITING_US: Final = 3_600_000_000


def version_table(log: DeltaLog) -> pd.DataFrame:
    """A row per version, the newest first; `readable` is whether the log and all files of it are still there."""
    commits, there = log.commits(), log.storage.listing()
    files = {file.path: None if file.ts_us[0] == -FAR_US else file.rows for file in log.files()}
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
        for path in orphans(log, there, commits)
        if there[path].changed_us < time.time_ns() // 1000 - _WRITING_US
    }
    for path, reason in sorted(found.items()):
        log.storage.delete(path)
        removed.append((path, there[path].size, reason))
    return removed


def orphans(log: DeltaLog, there: Mapping[str, Stored], commits: Sequence[Commit]) -> Iterable[str]:
    """The files of samples that no version counts, of those that are there."""
    named = {file.path for file in log.files()}.union(*(commit.added.keys() | {*commit.removed} for commit in commits))
    return [path for path in there if _is_data(path) and path not in named]


def _is_data(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    # delta-rs writes to names with a '#' first.
    return not folder.startswith("_") and not name.startswith((".", "_")) and ".parquet" in name
