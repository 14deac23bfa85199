"""What is on disk against what the tables say, file by file, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from hsframe.archive.compact import pieces
from hsframe.archive.delta import DeltaLog, SampleTable, orphans
from hsframe.archive.layout import Partition
from hsframe.archive.parquet_file import ASK_CHECK, START_US, DataFile, opened, row_group, ts_bounds
from hsframe.archive.samples import read_samples, sort_keys
from hsframe.archive.tables import Tables
from hsframe.errors import HsFrameError
from hsframe.spans import from_epoch_us

Problem: TypeAlias = tuple[str, str, str]
"""The path below the archive, what is wrong, and what to do about it."""

_COMPACT: Final = "compact() writes its rows anew"


def check(tables: Tables, now_us: int) -> pd.DataFrame:
    """A row for each problem."""
    ids: set[str] = set()
    found = [*_in_samples(tables.samples, ids), *_in_points(tables, ids, now_us)]
    return pd.DataFrame(found, columns=["path", "problem", "what_to_do"]).astype("str")


def _in_samples(table: SampleTable, ids: set[str]) -> Iterator[Problem]:
    """The problems of the samples; the ids that occur are put in `ids`."""
    broken: set[str] = set()
    yield from _in_files(table, "samples", broken)
    again: set[Partition] = set()
    whole: dict[Partition, list[DataFile]] = {}
    for file in table.files():
        if file.path not in broken:
            try:
                problems, is_well = _in_rows(table, file, ids)
                whole.setdefault(file.partition, []).append(file)
                again |= set() if is_well and len(whole[file.partition]) == 1 else {file.partition}
            except HsFrameError as error:
                problems = [(_what(error), _anew(table))]
            yield from ((f"samples/{file.path}", *problem) for problem in problems)
    for partition in sorted(filter(table.layout.has, again)):
        for some, start_us, end_us in pieces(table, whole[partition], table.layout.bounds_us(partition[0])):
            rows = read_samples(table, some, start_us, end_us, whole[partition])
            owner, ts_us = sort_keys(rows)
            twice = np.flatnonzero((np.diff(owner) == 0) & (np.diff(ts_us) == 0))
            if len(twice):
                ident, when = rows["id"][int(twice[0])].as_py(), from_epoch_us(int(ts_us[twice].min()), UTC)
                yield (
                    f"samples/period={partition[0]}/bucket={partition[1]}",
                    f"{len(twice)} samples are there twice, the first of @{ident}: another program put them in",
                    f"sync(since='{when:%Y-%m-%dT%H:%M:%SZ}') leaves each once, as the server has it",
                )


def _in_points(tables: Tables, ids: set[str], now_us: int) -> Iterator[Problem]:
    log, broken = tables.points, set[str]()
    yield from _in_files(log, "points", broken)
    try:
        records = {} if broken else log.records()
    except HsFrameError as error:
        yield "points", _what(error), _back(log, log.version)
        return
    if records and records != tables.records():
        what = "samples are gone that they tell of: by restore() or repair(), or they are of an older backup"
        yield "points", what, "sync() reads anew what is missing"
    for ident in [] if broken else sorted(ids - records.keys()):
        yield "points", f"there are samples of @{ident}, and no record", f"sync('@{ident}') reads it"
    for ident, record in records.items():
        if record.read_us and not record.read_us[0] <= record.read_us[1] <= now_us:
            since, until = (from_epoch_us(us, UTC).isoformat() for us in record.read_us)
            what = f"@{ident} is noted as read from {since} until {until}: a clock was wrong"
            yield "points", what, "sync() puts it right"


def _in_files(log: DeltaLog, name: str, broken: set[str]) -> Iterator[Problem]:
    """Files that are not there, of another size, or uncounted; those that cannot be read are put in `broken`."""
    there = log.storage.listing()
    for file in log.files():
        stored = there.get(file.path)
        if stored is None or stored.size != file.size:
            what = "it is not there" if stored is None else f"it has {stored.size} bytes"
            advice = _anew(log) if name == "samples" else _back(log, log.version)
            yield f"{name}/{file.path}", f"{what}, and the table counts {file.size} bytes", advice
            broken.add(file.path)
    for version in log.damaged():
        yield f"{name}/_delta_log", f"version {version} is empty or half written, and does not count", log.advice()
    for path in orphans(log, there, log.commits()):
        what = "no version counts it: a program was killed before it did, or is about to, or the log has forgotten it"
        yield f"{name}/{path}", what, "vacuum() removes it when it is an hour old"


def _in_rows(table: SampleTable, file: DataFile, ids: set[str]) -> tuple[list[tuple[str, str]], bool]:
    """What is wrong with the rows of a file; whether they are in order, each instant of a point once."""
    start_us, end_us = table.layout.bounds_us(file.partition[0]) if table.layout.has(file.partition) else (0, 0)
    ordered, once, lies, misplaced, count = True, True, False, 0, 0
    last = ("", START_US)
    with opened(table.storage, file.path) as parquet:
        for number in range(parquet.num_row_groups):
            rows = row_group(parquet, number)
            if not rows.num_rows:
                continue
            (owner, ts_us), own = sort_keys(rows), rows.column("id").unique().to_pylist()
            ends = [(rows["id"][place].as_py(), int(ts_us[place])) for place in (0, -1)]
            steps = np.where(np.diff(owner) == 0, np.diff(ts_us), np.diff(owner))
            ordered &= last <= ends[0] and bool((steps >= 0).all())
            once &= last != ends[0] and bool((steps != 0).all())
            last = ends[1]
            misplaced += int(((ts_us < start_us) | (ts_us >= end_us)).sum())
            misplaced += sum(table.layout.bucket(one) != file.partition[1] for one in own)
            noted = [(*file.ids, *file.ts_us)]
            by_id, by_ts = (parquet.metadata.row_group(number).column(place).statistics for place in (0, 1))
            if by_id is not None and by_ts is not None and by_id.has_min_max and by_ts.has_min_max:
                noted.append((by_id.min, by_id.max, *ts_bounds(by_ts)))
            for low, high, start, end in noted:
                lies |= not (low <= min(own) and max(own) <= high and start <= ts_us.min() and ts_us.max() <= end)
            ids.update(own)
            count += rows.num_rows
    found = []
    if file.ts_us[0] == START_US:
        found = [("the log has no statistics of it, so every read looks into it: another program put it in", _COMPACT)]
    elif lies or count != file.rows:
        found = [("its statistics are not those of its rows, so that reads pass over some", _COMPACT)]
    if not ordered:
        found.append(("its rows are not sorted by id and ts: another program wrote it", _COMPACT))
    if misplaced:
        what = f"{misplaced} of its rows are of another partition, where no read looks for them"
        found.append((what, _back(table, None)))
    return found, ordered and once


def _what(error: HsFrameError) -> str:
    return str(error).partition(ASK_CHECK)[0]


def _anew(log: DeltaLog) -> str:
    return (
        "put it back from a backup; or remove what is left of it, take it out of the table with "
        f"deltalake.DeltaTable({log.storage.uri!r}).repair(), and sync(), which reads all anew"
    )


def _back(log: DeltaLog, version: int | None) -> str:
    which = "the version before it" if version is None else f"a version before {version}"
    return f"take the table back to {which} with deltalake.DeltaTable({log.storage.uri!r}).restore(version), and sync()"
