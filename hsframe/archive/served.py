"""An archive as the database of the embedded server: read-only, and nothing is held of it but its records."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

from hsframe.archive.histories import read_histories
from hsframe.archive.storage import Storage
from hsframe.archive.tables import State, Tables
from hsframe.errors import IncompleteError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.kinds import Ref
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Samples

# Samples of one answer: some 150 MB while it is read and written.
_MOST: Final = 1_000_000


class ArchiveDatabase(Database):
    """The records of an archive, and its samples, which are read when they are asked for.

    Before each op it goes to the newest version: what a sync brings meanwhile is there with the next request. The tags
    ``archiveSince`` and ``archiveUntil`` of a point say in which window it was read; they are equal where in none.
    """

    his_kinds = (None, *["Number", "Bool", "Str", "Date", "Time", "DateTime", "Uri", "Ref", "Symbol", "Coord", "XStr"])
    reads_files = True

    def __init__(self, storage: Storage) -> None:
        self._tables = Tables.open(storage)
        self._records_of: State | None = None
        self._lock = threading.Lock()
        super().__init__(name=storage.uri.rstrip("/").rpartition("/")[2])
        self.refusal = "this server gives what an archive has, and takes nothing; write to the server that it is from"
        self.keep_up = lambda _: self._follow()
        self._follow()

    def _follow(self) -> None:
        with self._lock:
            self._tables.refresh()
            if self._records_of != self._tables.state:
                records = self._tables.records()
                for ident in {rec["id"].val for rec in self} - records.keys():  # the archive was made anew
                    self.remove(ident)
                for record in records.values():
                    if record.served != self.get(record.id):
                        self.add(record.served)
                self._records_of = self._tables.state

    def history(self, id: Ref | str) -> Samples:
        """All samples of a point; what is changed in them does not last."""
        return self.histories([id.val if isinstance(id, Ref) else id], None, None)[0]

    def histories(self, ids: Sequence[str], start_us: int | None, end_us: int | None) -> list[Samples]:
        """The samples of some points in a half-open window; a refusal where they are too many for one answer."""
        points = [Point.from_record(self._recs[id]) for id in ids]
        try:
            return list(map(_Read, read_histories(self._tables.samples, points, start_us, end_us, _MOST)))
        except IncompleteError as error:
            raise OpRefusal(f"{error}; ask for a shorter range, or fewer points", "LimitErr") from error


class _Read(Samples):
    """Samples as a file has them: a value of another unit than the record's keeps its own."""

    def __init__(self, history: History) -> None:
        super().__init__("Number")
        self.ts_us = history.ts_us
        self._cells = history.values

    def column(self, part: slice, unit: str | None) -> Sequence[Any]:
        return self._cells[part]
