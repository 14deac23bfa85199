"""The two tables of an archive, opened together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Self

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import FAR_US
from hsframe.archive.points import PointTable
from hsframe.archive.storage import Storage, reaching
from hsframe.errors import MetadataError
from hsframe.spans import from_epoch_us

with suppress(ModuleNotFoundError):  # without the extra, which Archive() names
    from deltalake import DeltaTable


def has_archive(storage: Storage) -> bool:
    """Whether both tables are there; MetadataError where there is something else."""
    with reaching(storage.uri):
        found = [DeltaTable.is_deltatable(storage.inside(one).uri, storage.options) for one in ("samples", "points")]
    folder = storage.folder
    if folder is not None and folder.exists() and not any(found):
        if not folder.is_dir():
            raise MetadataError(f"{folder} is a file; an archive is a folder")
        if strange := sorted({one.name for one in folder.iterdir()} - {"samples", "points"}):
            raise MetadataError(
                f"{folder} is no archive, and has other things in it ({', '.join(strange[:3])}); take a folder "
                "that is empty or not there yet"
            )
    return all(found)


@dataclass(frozen=True)
class Tables:
    """The samples and the points."""

    samples: SampleTable
    points: PointTable

    @classmethod
    def open(cls, storage: Storage, version: int | None = None) -> Self:
        """The tables that are there, or as they were when the samples had a version; MetadataError where they are not.

        The points are as they were before the next version, because what is noted of samples follows them.
        """
        if not has_archive(storage):
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
        """How much there is, by the logs alone, of what this version counts."""
        files = self.samples.files()
        ends_us = [us for file in files for us in file.ts_us if abs(us) < FAR_US]
        days = [f"{from_epoch_us(pick(ends_us), UTC):%Y-%m-%d}" for pick in (min, max) if ends_us]
        rows, size = (sum(getattr(file, name) for file in files) for name in ("rows", "size"))
        when = f" from {' to '.join(days)}" if days else ""
        version = self.samples.version
        return f"{self.points.count():,} points, {rows:,} samples{when}, {size / 1e6:,.1f} MB, version {version}"

    @property
    def versions(self) -> tuple[int, int]:
        """The versions of both."""
        return self.samples.version, self.points.version

    def refresh(self) -> None:
        """Go to the newest version of both."""
        self.samples.refresh()
        self.points.refresh()

    @classmethod
    def open_or_create(cls, storage: Storage, layout: Layout) -> Self:
        """The tables that are there, or new ones in this layout."""
        if has_archive(storage):
            return cls.open(storage)
        # The samples last: a folder with points alone was not finished, and is made anew.
        points = PointTable.create(storage.inside("points"), layout)
        return cls(SampleTable.create(storage.inside("samples"), points.layout), points)
