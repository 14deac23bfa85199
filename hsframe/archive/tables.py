"""The two tables of an archive, opened together."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Self, TypeAlias

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import END_US
from hsframe.archive.points import OF_SAMPLES, ArchivedRecord, PointTable
from hsframe.archive.storage import Storage, reaching
from hsframe.errors import MetadataError
from hsframe.spans import from_epoch_us

with suppress(ModuleNotFoundError):  # without the extra, which Storage() names
    from deltalake import DeltaTable


State: TypeAlias = tuple[tuple[int, int], tuple[int, int]]


def has_archive(storage: Storage) -> bool:
    """Whether both tables are there; MetadataError where there is something else."""
    found = [_has(storage, "samples"), _has(storage, "points")]
    folder = storage.folder
    if folder is not None and os.path.exists(folder) and not any(found):
        if not folder.is_dir():
            raise MetadataError(f"{folder} is a file; an archive is a folder")
        if strange := sorted({one.name for one in folder.iterdir()} - {"samples", "points"}):
            raise MetadataError(
                f"{folder} is no archive, and has other things in it ({', '.join(strange[:3])}); take a folder "
                "that is empty or not there yet"
            )
    return all(found)


def _has(storage: Storage, name: str) -> bool:
    with reaching(storage.uri):
        return bool(DeltaTable.is_deltatable(storage.inside(name).uri, storage.options))


@dataclass(frozen=True)
class Tables:
    samples: SampleTable
    points: PointTable

    def __post_init__(self) -> None:
        self.points.notes = lambda: {OF_SAMPLES: str(self.samples.version)}

    @classmethod
    def open(cls, storage: Storage, version: int | None = None) -> Self:
        """The tables that are there, or as they were when the samples had a version; MetadataError where they are not.

        The points are as they were before the next version, because what is noted of samples follows them.
        """
        if not has_archive(storage):
            if _has(storage, "samples"):
                raise MetadataError(
                    f"{storage.uri} has lost its table of points: put the folder points back from a backup, or read "
                    f"the points and their samples anew with Archive({storage.uri!r}).sync('point', since=...)"
                )
            raise MetadataError(
                f"there is no archive in {storage.uri}; Archive({storage.uri!r}).sync('point') makes one"
            )
        newest = cls(SampleTable(storage.inside("samples")), PointTable(storage.inside("points")))
        if version is None or version == newest.samples.version:
            return newest
        if not 0 <= version < newest.samples.version:
            raise MetadataError(f"{storage.uri} has no version {version}; the newest is {newest.samples.version}")
        gone = f"version {version} of {storage.uri} can no longer be read; its versions say which can"
        try:
            end_us = newest.samples.commit_of(version + 1).at_us
            before = [commit.version for commit in newest.points.commits() if commit.at_us < end_us]
        except FileNotFoundError as error:
            raise MetadataError(gone) from error
        samples = SampleTable(storage.inside("samples"), version)
        points = PointTable(storage.inside("points"), before[0] if before else None)
        for log in (samples, points):
            if not {file.path for file in log.files()} <= log.storage.listing().keys():
                raise MetadataError(f"{gone}: vacuum() has removed files of it")
        return cls(samples, points)

    def summary(self) -> str:
        """How much this version has: of the samples as its log says it, without reading one."""
        files = self.samples.files()
        ends_us = [us for file in files for us in file.ts_us if abs(us) < END_US]
        days = [f"{from_epoch_us(pick(ends_us), UTC):%Y-%m-%d}" for pick in (min, max) if ends_us]
        rows, size = (sum(getattr(file, name) for file in files) for name in ("rows", "size"))
        when = f" from {' to '.join(days)}" if days else ""
        version = self.samples.version
        return f"{self.points.count():,} points, {rows:,} samples{when}, {size / 1e6:,.2f} MB, version {version}"

    @property
    def state(self) -> State:
        """What changes with each version of either table."""
        return self.samples.state, self.points.state

    def records(self) -> dict[str, ArchivedRecord]:
        """The records; read of no time, where the samples are not those of which they tell."""
        records = self.points.records()
        if self.were_taken_back():
            unread = ((one.id, one.read_us and (one.read_us[0], one.read_us[0])) for one in records.values())
            return {ident: replace(records[ident], read_us=read_us) for ident, read_us in unread}
        return records

    def were_taken_back(self) -> bool:
        """Whether samples were taken back, or are of an older backup, since the points were noted."""
        have = self.samples.version
        with suppress(FileNotFoundError):  # the log has forgotten it
            noted = int(self.points.commit_of(self.points.version).info.get(OF_SAMPLES, have))
            later = [self.samples.commit_of(version).operation for version in range(noted + 1, have + 1)]
            return noted > have or not {"restore", "fsck"}.isdisjoint(later)
        return False

    def refresh(self) -> None:
        self.samples.refresh()
        self.points.refresh()

    @classmethod
    def open_or_create(cls, storage: Storage, layout: Layout) -> Self:
        """The tables that are there, or new ones in this layout."""
        if has_archive(storage):
            return cls.open(storage)
        if _has(storage, "samples"):  # the points were lost, or it is a table of another program, which is refused
            layout = SampleTable(storage.inside("samples")).layout
        # The samples last: a folder with points alone was not finished, and is made anew.
        points = PointTable.create(storage.inside("points"), layout)
        return cls(SampleTable.create(storage.inside("samples"), points.layout), points)
