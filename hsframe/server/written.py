"""A folder that is served keeps what is written to it: in a file of SQLite, before the write is answered.

A row of samples is the last word on one instant of one point: a value, NA, or that the sample was removed. A row of
records is one that was committed, as a Zinc dict, or NULL where it was removed. Both count before what the files have.
SQLite sees to it that a program that is killed leaves all of a write, or nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from hsframe.codecs.zinc import parse_value
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import MetadataError, ZoneError
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Change, Samples

FILE: Final = "written.sqlite"
_VALUE, _NA, _REMOVED = range(3)
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS points (id TEXT PRIMARY KEY, kind TEXT, unit TEXT);
CREATE TABLE IF NOT EXISTS samples (id TEXT, ts_us INTEGER, val, state INTEGER, PRIMARY KEY (id, ts_us)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, rec TEXT);
CREATE TABLE IF NOT EXISTS removed (id TEXT PRIMARY KEY);
"""


class WrittenFolder(Database):
    """A database of the files of a folder and of what is written to it."""

    def __init__(self, folder: Path, *, name: str) -> None:
        super().__init__(name=name)
        self._file = folder / FILE
        self._known = self._places()
        self._waiting: dict[str, str | None] = {}
        """The units of samples whose point the files no longer have."""

    def _places(self) -> list[tuple[int, int] | None]:
        """Which folder it is, and which file: where a disk was taken away, another folder has the same name."""
        found = [place.stat() if place.exists() else None for place in (self._file.parent, self._file)]
        return [one and (one.st_dev, one.st_ino) for one in found]

    def store(self, changes: Sequence[Change]) -> None:
        """Change histories: all of it or, where the file cannot be written, nothing, and a refusal."""
        with self._writing() as connection:
            for change in changes:
                point = change.rec["id"].val, change.rec["kind"], change.rec.get("unit")
                connection.execute("REPLACE INTO points VALUES (?, ?, ?)", point)
                connection.executemany("REPLACE INTO samples VALUES (?, ?, ?, ?)", _rows(change))
        super().store(changes)

    def check(self, rec: Mapping[str, Any]) -> None:
        """Refuse a record that cannot be served, also one of another unit than that of the samples that wait for it."""
        super().check(rec)
        id = rec["id"].val
        if id in self._waiting and (unit := self._waiting[id]) != rec.get("unit"):
            raise MetadataError(
                f"{self._file} has samples of @{id} of the unit {unit}, which waited for it; the record has the unit "
                f"{rec.get('unit')}; expected {unit}"
            )

    def commit(self, records: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Change records: all of them or, where the file cannot be written, none, and a refusal."""
        with self._writing() as connection:
            for key, rec in records.items():
                text = None if rec is None else write_value(dict(rec))
                connection.execute("REPLACE INTO records VALUES (?, ?)", (key, text))
                if rec is None:
                    connection.execute("DELETE FROM samples WHERE id = ?", (key,))
                    connection.execute("DELETE FROM points WHERE id = ?", (key,))
                    connection.execute("REPLACE INTO removed VALUES (?)", (key,))
                else:
                    connection.execute("UPDATE points SET unit = ? WHERE id = ?", (rec.get("unit"), key))
        super().commit(records)
        for key in records:
            self._waiting.pop(key, None)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._places() != self._known:
            raise OpRefusal(
                f"{self._file} is not written: it, or its folder, was replaced or removed while it is served; nothing "
                "was stored; bring it back: writes are then taken again. A start without it forgets what was written "
                "before",
                "IOErr",
            )
        try:
            with closing(sqlite3.connect(self._file)) as connection, connection:
                connection.executescript(_TABLES)
                yield connection
        except sqlite3.Error as error:
            raise OpRefusal(f"{self._file} cannot be written: {error}; nothing was stored", "IOErr") from error
        finally:
            self._known[1] = self._places()[1]  # the first write makes it

    def restore(self) -> None:
        """Take in what was written before; that of points that the files no longer have waits for them.

        A record that was committed counts before that of the files. MetadataError where the file cannot be read, or a
        point of the files has another kind or unit now.
        """
        if not self._file.exists():
            return
        try:
            with closing(sqlite3.connect(self._file)) as connection:
                connection.executescript(_TABLES)
                removed = connection.execute("SELECT id FROM removed").fetchall()
                records = connection.execute("SELECT id, rec FROM records").fetchall()
                points = connection.execute("SELECT id, kind, unit FROM points").fetchall()
                rows = connection.execute("SELECT id, ts_us, val, state FROM samples ORDER BY id, ts_us").fetchall()
        except sqlite3.Error as error:
            raise MetadataError(
                f"{self._file}, which has what was written here, cannot be read: {error}; "
                "put a copy of it in its place, or move it elsewhere: then it counts no more"
            ) from error
        committed: dict[str, Any] = {id: None if text is None else parse_value(text) for id, text in records}
        for (id,) in removed:
            self.remove(id)
        recs = {rec["id"].val: rec for rec in self} | committed
        for id, kind, unit in points:
            if id not in recs:
                self._waiting[id] = unit
            elif (rec := recs[id]) is not None and (kind, unit) != (now := (rec.get("kind"), rec.get("unit"))):
                raise MetadataError(
                    f"{self._file} has samples of @{id} of the kind {kind} and the unit {unit}, and in the files the "
                    f"point has the kind {now[0]} and the unit {now[1]}; move one of the two elsewhere"
                )
            self._histories.setdefault(id, Samples(kind))
        for rec in committed.values():
            if rec is not None:
                try:
                    self.check(rec)
                except (MetadataError, ZoneError) as error:
                    raise MetadataError(
                        f"{self._file} has a record that cannot be served with the files as they are now: {error}; "
                        "move one of the two elsewhere"
                    ) from error
        for id, own in groupby(rows, itemgetter(0)):
            if id in self._histories:
                _merge(self._histories[id], [row[1:] for row in own])
        super().commit(committed)


def _rows(change: Change) -> Iterator[tuple[str, int, Any, int]]:
    id = change.rec["id"].val
    values = change.values.tolist() if isinstance(change.values, np.ndarray) else change.values
    for ts_us, value, is_na in zip(change.ts_us.tolist(), values, change.na.tolist(), strict=True):
        yield id, ts_us, value, _NA if is_na else _VALUE
    for ts_us in change.removed_us.tolist():
        yield id, ts_us, None, _REMOVED


def _merge(samples: Samples, rows: list[tuple[int, Any, int]]) -> None:
    kept = [row for row in rows if row[2] != _REMOVED]
    samples.merge(
        np.array([ts_us for ts_us, _, _ in kept], np.int64),
        [value for _, value, _ in kept],  # a NaN is NULL in SQLite, and None is NaN in an array of numbers
        np.array([state == _NA for _, _, state in kept], np.bool_),
    )
    samples.remove(np.array([ts_us for ts_us, _, state in rows if state == _REMOVED], np.int64))
