"""An archive as the database of the embedded server: read-only, and nothing is held of it but its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hsframe.archive.histories import histories_of
from hsframe.archive.samples import END_US, START_US, read_samples
from hsframe.archive.tables import Place, Tables
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.kinds import Ref
from hsframe.server.database import Database
from hsframe.server.samples import Samples


class ArchiveDatabase(Database):
    """The records of an archive, and its samples, which are read when they are asked for.

    Before each op it goes to the newest version: what a sync brings meanwhile is there with the next request.
    """

    def __init__(self, place: Place) -> None:
        self._tables = Tables.open(place)
        self._records_of = -1
        super().__init__(name=place.uri.rstrip("/").rpartition("/")[2])
        self.refusal = "this server gives what an archive has, and takes nothing; write to the server that it is from"
        self.keep_up = lambda _: self._follow()
        self._follow()

    def _follow(self) -> None:
        self._tables.refresh()
        points = self._tables.points
        if self._records_of != points.version:
            for record in points.records().values():
                if record.shown != self.get(record.id):
                    self.add(record.shown)
            self._records_of = points.version

    def history(self, id: Ref | str) -> Samples:
        """All samples of a point; what is changed in them does not last."""
        return self.histories([id.val if isinstance(id, Ref) else id], None, None)[0]

    def histories(self, ids: Sequence[str], start_us: int | None, end_us: int | None) -> list[Samples]:
        """The samples of some points in a half-open window."""
        window = START_US if start_us is None else start_us, END_US if end_us is None else end_us
        rows = read_samples(self._tables.samples, ids, *window)
        points = [Point.from_record(self._recs[id]) for id in ids]
        return [_Read(history) for history in histories_of(rows, points)]


class _Read(Samples):
    """Samples as a file has them: a value of another unit than the record's keeps its own."""

    def __init__(self, history: History) -> None:
        super().__init__("Number")
        self.ts_us = history.ts_us
        self._cells = history.values

    def column(self, part: slice, unit: str | None) -> Sequence[Any]:
        return self._cells[part]
