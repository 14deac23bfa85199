"""A Delta table: which files count, by its log, and how that changes.

delta-rs keeps the log; the files are written and read here, see :mod:`hsframe.archive.parquet_file`. Its own writer
sorts nothing and takes five times the memory, and two of its ``optimize.compact()`` at once double the rows
(deltalake 1.6.6).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from hsframe.archive.layout import PARTITION_COLUMNS, SAMPLE_SCHEMA, Layout
from hsframe.archive.parquet_file import DataFile, epoch
from hsframe.archive.storage import Storage
from hsframe.errors import MetadataError

# Two commits that name the same application at the same version exclude each other, whatever else is in them: also a
# rewrite and a compaction of the same files, which delta-rs lets pass beside each other.
_APPLICATION: Final = "hsframe"


class DeltaLog:
    """The log of one table, as one version has it; :meth:`refresh` goes to the newest one."""

    partition_columns: ClassVar[list[str]] = []

    def __init__(self, uri: str, options: Mapping[str, str] | None = None, version: int | None = None) -> None:
        self.storage = Storage(uri, options)
        try:
            self._table = DeltaTable(uri, version=version, storage_options=dict(options or {}))
        except TableNotFoundError as error:
            raise MetadataError(
                f"there is no archive in {uri}; hsframe.export(points, span, path) makes one"
            ) from error
        except DeltaError as error:
            raise MetadataError(f"the archive in {uri} cannot be opened: {error}") from error
        self.layout = Layout.of_configuration(self._table.metadata().configuration, uri)

    @classmethod
    def _create(cls, uri: str, schema: pa.Schema, layout: Layout, options: Mapping[str, str] | None) -> Self:
        DeltaTable.create(
            uri,
            schema,
            mode="ignore",  # two programs may make it at once
            partition_by=cls.partition_columns,
            configuration={**layout.configuration, "delta.dataSkippingStatsColumns": "id,ts"},
            storage_options=dict(options or {}),
            raise_if_key_not_exists=False,  # it knows Delta's own keys only
        )
        return cls(uri, options)

    @property
    def version(self) -> int:
        """The version of the table."""
        return self._table.version()

    def refresh(self) -> None:
        """Go to the newest version."""
        self._table.update_incremental()

    def rows_of_files(self) -> list[dict[str, Any]]:
        """What the log says of each file that counts."""
        found: list[dict[str, Any]] = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
        return found

    def commit_actions(self, actions: Sequence[AddAction | RemoveAction]) -> bool:
        """Make a version that differs by these actions; False if someone else has made one meanwhile."""
        properties = CommitProperties(
            max_commit_retries=0, app_transactions=[Transaction(_APPLICATION, self.version + 1)]
        )
        try:
            self._table.create_write_transaction(
                [*actions], "append", self._table.schema(), self.partition_columns, commit_properties=properties
            )
        except CommitFailedError:
            return False
        self.refresh()  # the object keeps its version, and its next commit would fail
        return True

    def versions(self) -> list[tuple[int, datetime, str]]:
        """The versions that the log still has: number, when it was made, and by which operation."""
        return [
            (entry["version"], datetime.fromtimestamp(entry["timestamp"] / 1000, UTC), str(entry.get("operation", "")))
            for entry in self._table.history()
        ]


class SampleTable(DeltaLog):
    """The files of the samples."""

    partition_columns: ClassVar[list[str]] = PARTITION_COLUMNS
    _files: tuple[int, list[DataFile]] | None = None

    @classmethod
    def create(cls, uri: str, layout: Layout, options: Mapping[str, str] | None = None) -> Self:
        """A new table; the one that is there, where there is one already."""
        return cls._create(uri, SAMPLE_SCHEMA, layout, options)

    def files(self) -> list[DataFile]:
        """The files that count."""
        if self._files is None or self._files[0] != self.version:
            self._files = self.version, [_file_of(row) for row in self.rows_of_files()]
        return self._files[1]

    def commit(self, added: Sequence[DataFile], removed: Iterable[DataFile] = (), *, changes_rows: bool = True) -> bool:
        """Make a version with these files more and these fewer; False if someone else has made one meanwhile.

        Then the new files are removed from the storage.
        """
        now_ms = int(time.time() * 1000)
        adds = [
            AddAction(
                file.path,
                file.size,
                {"period": file.partition[0], "bucket": str(file.partition[1])},
                now_ms,
                changes_rows,
                file.statistics,
            )
            for file in added
        ]
        removes = [RemoveAction(file.path, changes_rows, now_ms, file.size) for file in removed]
        if self.commit_actions([*removes, *adds]):
            return True
        for file in added:
            self.storage.delete(file.path)
        return False


def _file_of(row: Mapping[str, Any]) -> DataFile:
    try:
        ts_us = epoch(row["min.ts"]), epoch(row["max.ts"])
        partition = row["partition.period"], row["partition.bucket"]
        ids = row["min.id"], row["max.id"]
        return DataFile(row["path"], partition, row["num_records"], row["size_bytes"], ids, ts_us)
    except (KeyError, AttributeError, TypeError) as error:
        raise MetadataError(
            f"the file {row.get('path')} was put into the table by another program, without the smallest and largest "
            "id and ts; hsframe.Archive(...).check() says what to do"
        ) from error
