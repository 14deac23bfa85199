"""What is on disk against what the tables say, file by file, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from hsframe.archive.compact import pieces
from hsframe.archive.delta import DeltaLog, SampleTable
from hsframe.archive.layout import Partition
from hsframe.archive.parquet_file import FAR_US, DataFile, epoch, opened, row_group, used_ids
from hsframe.archive.samples import read_samples, sort_keys
from hsframe.archive.tables import Tables
from hsframe.archive.versions import orphans
from hsframe.errors import HsFrameError
from hsframe.spans import from_epoch_us

Report: TypeAlias = Callable[[str, str, str], None]
"""Takes the path below the archive, what is wrong, and what to do about it."""

_COMPACT: Final = "compact() writes its rows anew"


def check(tables: Tables, now_us: int) -> pd.DataFrame:
    """A row for each problem."""
    found: list[tuple[str, str, str]] = []
    ids = _check_samples(tables.samples, lambda *problem: found.append(problem))
    _check_points(tables, ids, now_us, lambda *problem: found.append(problem))
    return pd.DataFrame(found, columns=["path", "problem", "what_to_do"]).astype("str")


def _check_samples(table: SampleTable, report: Report) -> set[str]:
    """Report on the samples; gives the ids that occur."""
    broken = _check_files(table, "samples", report)
    ids: set[str] = set()
    by_partition: dict[Partition, list[DataFile]] = {}
    disordered: set[Partition] = set()
    for file in table.files():
        if file.path in broken:
            continue
        path = f"samples/{file.path}"
        try:
            if not _check_rows(table, file, ids, lambda *problem, path=path: report(path, *problem)):
                disordered.add(file.partition)
            by_partition.setdefault(file.partition, []).append(file)
        except HsFrameError as error:
            report(path, str(error), _anew(table, file.ts_us[0]))
    for partition, files in by_partition.items():
        if table.layout.has(partition) and (len(files) > 1 or partition in disordered):
            _check_twice(table, partition, files, report)
    return ids


def _check_points(tables: Tables, ids: set[str], now_us: int, report: Report) -> None:
    log = tables.points
    broken = _check_files(log, "points", report)
    if broken:
        return
    try:
        records = log.records()
    except HsFrameError as error:
        report("points", str(error), _back(log, log.version))
        return
    for ident in sorted(ids - records.keys()):
        report("points", f"there are samples of @{ident}, and no record", f"sync('@{ident}') reads it")
    for ident, record in records.items():
        if record.read_us and not record.read_us[0] <= record.read_us[1] <= now_us:
            since, until = (from_epoch_us(us, UTC).isoformat() for us in record.read_us)
            what = f"@{ident} is noted as read from {since} until {until}: a clock was wrong"
            report("points", what, "sync() puts it right")


def _check_files(log: DeltaLog, name: str, report: Report) -> set[str]:
    """Report on files that are not there, of another size, or uncounted; gives those that cannot be read."""
    there, broken = log.storage.listing(), set()
    for row in log.rows_of_files():
        stored = there.get(row["path"])
        if stored is None or stored.size != row["size_bytes"]:
            what = "it is not there" if stored is None else f"it has {stored.size} bytes"
            since = row.get("min.ts")
            advice = _anew(log, since and epoch(since)) if name == "samples" else _back(log, log.version)
            report(f"{name}/{row['path']}", f"{what}, and the table counts {row['size_bytes']} bytes", advice)
            broken.add(row["path"])
    for path in orphans(log, there, log.commits()):
        what = "no version counts it: a program was killed before it did, or is about to"
        report(f"{name}/{path}", what, "vacuum() removes it when it is an hour old")
    return broken


def _check_rows(table: SampleTable, file: DataFile, ids: set[str], report: Callable[[str, str], None]) -> bool:
    """Report on the rows of a file; whether they are in order, each instant of a point once."""
    is_of_layout = table.layout.has(file.partition)
    ordered, once, lies, misplaced, count = True, True, False, 0, 0
    start_us, end_us = table.layout.bounds_us(file.partition[0]) if is_of_layout else (0, 0)
    last = ("", -FAR_US)
    with opened(table.storage, file.path) as parquet:
        for number in range(parquet.num_row_groups):
            rows = row_group(parquet, number)
            if not rows.num_rows:
                continue
            (owner, ts_us), own = sort_keys(rows), used_ids(rows)
            ends = [(rows["id"][place].as_py(), int(ts_us[place])) for place in (0, -1)]
            steps = np.where(np.diff(owner) == 0, np.diff(ts_us), np.diff(owner))
            ordered &= last <= ends[0] and bool((steps >= 0).all())
            once &= last != ends[0] and bool((steps != 0).all())
            last = ends[1]
            misplaced += int(((ts_us < start_us) | (ts_us >= end_us)).sum())
            misplaced += sum(table.layout.bucket(one) != file.partition[1] for one in own)
            span = int(ts_us.min()), int(ts_us.max())
            lies |= not _within(min(own), max(own), *file.ids) or not _within(*span, *file.ts_us)
            for column, actual in enumerate([(min(own), max(own)), span]):
                known = parquet.metadata.row_group(number).column(column).statistics
                if known is not None and known.has_min_max:
                    noted = (epoch(known.min), epoch(known.max)) if column else (known.min, known.max)
                    lies |= not _within(*actual, *noted)
            ids.update(own)
            count += rows.num_rows
    if file.ts_us[0] == -FAR_US:
        report("the log has no statistics of it, so every read looks into it: another program put it in", _COMPACT)
    elif lies or count != file.rows:
        report("its statistics are not those of its rows, so that reads pass over some", _COMPACT)
    if not ordered:
        report("its rows are not sorted by id and ts: another program wrote it", _COMPACT)
    if misplaced:
        report(f"{misplaced} of its rows are of another partition, where no read looks for them", _back(table, None))
    return ordered and once


def _within(low: object, high: object, first: object, last: object) -> bool:
    return bool(first <= low and high <= last)  # type: ignore[operator]


def _check_twice(table: SampleTable, partition: Partition, files: Sequence[DataFile], report: Report) -> None:
    for some, start_us, end_us in pieces(table, files, table.layout.bounds_us(partition[0])):
        rows = read_samples(table, some, start_us, end_us, files)
        owner, ts_us = sort_keys(rows)
        twice = np.flatnonzero((np.diff(owner) == 0) & (np.diff(ts_us) == 0))
        if len(twice):
            ident, when = rows["id"][int(twice[0])].as_py(), from_epoch_us(int(ts_us[twice].min()), UTC)
            report(
                f"samples/period={partition[0]}/bucket={partition[1]}",
                f"{len(twice)} samples are there twice, the first of @{ident}: another program put them in",
                f"sync(since='{when:%Y-%m-%d}') leaves each once, as the server has it",
            )


def _anew(log: DeltaLog, since_us: int | None) -> str:
    since = "..." if since_us in (None, -FAR_US) else f"'{from_epoch_us(since_us or 0, UTC):%Y-%m-%d}'"
    return (
        "put it back from a backup; or remove what is left of it, take it out of the table with "
        f"deltalake.DeltaTable({log.storage.uri!r}).repair(), and read its samples anew with sync(since={since})"
    )


def _back(log: DeltaLog, version: int | None) -> str:
    which = "the version before it" if version is None else f"a version before {version}"
    return f"take the table back to {which} with deltalake.DeltaTable({log.storage.uri!r}).restore(version), and sync()"
