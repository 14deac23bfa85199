"""An archive as a source of reads: what a server is asked, answered from the two tables."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.dataset as ds

from hsframe.archive.histories import read_histories
from hsframe.archive.layout import FILE_SCHEMA
from hsframe.archive.parquet_file import END_US, START_US, DataFile, Ids, opened
from hsframe.archive.tables import Tables
from hsframe.client.in_thread import in_thread
from hsframe.errors import MetadataError
from hsframe.filters import parse
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.grid import Grid
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import find_records
from hsframe.history.unread import unread_of, warn_of_unread
from hsframe.kinds import Ref
from hsframe.protocol.answers import by_ids
from hsframe.protocol.dialects import Dialect
from hsframe.protocol.request_grids import read_request
from hsframe.spans import SpanLike, resolve_in


class ArchiveSource:
    """The records and samples of one version; see :class:`hsframe.history.source.WholeSource`."""

    def __init__(self, tables: Tables) -> None:
        self.dialect = Dialect(tz="UTC")
        self.state = tables.state
        self._samples = tables.samples
        self._records = tables.records()

    @property
    def origin(self) -> Mapping[str, Any]:
        """Where it is, and its version; nothing is asked of a server."""
        uri = self._samples.storage.uri.removesuffix("samples").rstrip("/\\")
        return {"kind": "archive", "uri": uri, "version": self.state[0][0], "requests": 0, "bytes": 0}

    def read_us(self, ident: str) -> tuple[int, int]:
        """The window of a point that was read; empty where nothing was."""
        return (self._records[ident].known_us if ident in self._records else None) or (0, 0)

    async def about(self, *, raw: Literal[True] = True) -> Grid:
        """The zone of points without a ``tz``; the records of an archive all have one."""
        return Grid.from_rows({}, ["tz"], [{"tz": self.dialect.tz}])

    async def read(self, filter: str, limit: int | None = None, *, raw: Literal[True] = True) -> Grid:
        read_request(filter, limit)  # refuses what is none
        wanted = parse(filter)
        found = (one.shown for one in self._records.values() if wanted.matches(one.shown, self._record))
        return _grid(itertools.islice(found, limit))

    async def read_by_ids(self, ids: Sequence[Ref], *, checked: bool, raw: Literal[True] = True) -> Grid:
        """Records by id, in the order of the ids; an empty row for an unknown one unless `checked`."""
        found = _grid(tags for ref in ids if (tags := self._record(ref)) is not None)
        return by_ids(found, ids, self._samples.storage.uri, checked=checked)

    async def histories(self, points: Sequence[Point], start_us: int, end_us: int | None) -> list[History]:
        """The history of each point in a half-open window, whole and in order of time."""
        return await in_thread(read_histories, self._samples, points, start_us, end_us)

    async def scanner(
        self, points: PointsLike | None, span: SpanLike | None, columns: Sequence[str] | None
    ) -> ds.Scanner:
        """The samples of some points in a span, of all for None, as a scanner of pyarrow, which filters as it reads."""
        if strange := [name for name in columns or () if name not in FILE_SCHEMA.names]:
            raise MetadataError(f"columns must be of {', '.join(FILE_SCHEMA.names)}; got {strange[0]!r}")
        ids: dict[str, list[str]] = {}
        asked = "point" if points is None and span is not None else points
        records = [] if asked is None else await find_records(self, asked)
        for record in records:
            ids.setdefault(record.tz, []).append(record.id)
        spans = {} if span is None else resolve_in(ids, span)
        warn_of_unread(await unread_of(self, records, spans, ReadOptions()), len(records))
        windows = {tz: (one.start_us, END_US if one.end_us is None else one.end_us) for tz, one in spans.items()}
        chosen, files = [], dict[str, DataFile]()
        for tz, some in ids.items() or [("", None)]:
            start_us, end_us = windows.get(tz, (START_US, END_US))
            wanted = None if some is None else Ids(some)
            files |= {file.path: file for file in self._samples.files() if file.may_have(wanted, start_us, end_us)}
            start, end = (pa.scalar(us, pa.int64()).cast(pa.timestamp("us", "UTC")) for us in (start_us, end_us))
            inside = (ds.field("ts") >= start) & (ds.field("ts") < end)
            chosen.append(inside if some is None else inside & ds.field("id").isin(some))
        # Not the filesystem of delta-rs: after it the interpreter may abort at its end (deltalake 1.6.6).
        filesystem, base = self._samples.storage.arrow
        paths = {f"{base}/{path}": file for path, file in sorted(files.items())}
        for info in filesystem.get_file_info([*paths]) if self._samples.storage.folder is not None else ():
            if info.size != paths[info.path].size:
                with opened(self._samples.storage, paths[info.path].path):
                    pass  # it says what is wrong
        form = ds.ParquetFileFormat(page_checksum_verification=True)
        fragments = [form.make_fragment(path, filesystem) for path in paths]
        dataset = ds.FileSystemDataset(fragments, FILE_SCHEMA, form, filesystem)
        return dataset.scanner(columns=columns, filter=functools.reduce(operator.or_, chosen))

    def _record(self, id: Ref | str) -> Mapping[str, Any] | None:
        record = self._records.get(id.val if isinstance(id, Ref) else id)
        return None if record is None else record.shown


def _grid(records: Iterable[Mapping[str, Any]]) -> Grid:
    rows = list(records)
    names = {name for row in rows for name in row}  # by name, as servers have them
    return Grid.from_rows({}, sorted(names, key=lambda name: (name != "id", name != "dis", name)), rows)
