"""The two tables of an archive, opened together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Layout
from hsframe.archive.points import PointTable
from hsframe.archive.storage import Storage, store_error
from hsframe.errors import MetadataError

with suppress(ModuleNotFoundError):  # without the extra, which Archive() names
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError


@dataclass(frozen=True)
class Place:
    """Where an archive is: a folder or a uri, with the options of its object store."""

    uri: str
    options: Mapping[str, str]

    def __post_init__(self) -> None:
        parts = urlsplit(self.uri)
        if parts.password or ("://" in self.uri and parts.query):
            raise MetadataError("the uri of an archive must be without password and query; give storage_options=")

    @property
    def samples(self) -> str:
        """The uri of the table of samples."""
        return f"{self.uri.rstrip('/')}/samples"

    @property
    def points(self) -> str:
        """The uri of the table of points."""
        return f"{self.uri.rstrip('/')}/points"

    def has_archive(self) -> bool:
        """Whether both tables are there; MetadataError where there is something else."""
        try:
            found = [DeltaTable.is_deltatable(uri, dict(self.options)) for uri in (self.samples, self.points)]
        except (OSError, DeltaError) as error:
            raise store_error(self.uri, error) from error
        if all(found):
            return True
        folder = Storage(self.uri, self.options).folder
        if folder is not None and folder.exists() and not any(found):
            if not folder.is_dir():
                raise MetadataError(f"{folder} is a file; an archive is a folder")
            if strange := sorted({one.name for one in folder.iterdir()} - {"samples", "points"}):
                raise MetadataError(
                    f"{folder} is no archive, and has other things in it ({', '.join(strange[:3])}); take a folder "
                    "that is empty or not there yet"
                )
        return False


@dataclass(frozen=True)
class Tables:
    """The samples and the points."""

    samples: SampleTable
    points: PointTable

    @classmethod
    def open(cls, place: Place, version: int | None = None) -> Self:
        """The tables that are there, or as they were when the samples had a version; MetadataError where they are not.

        The points are as they were before the next version, because what is noted of samples follows them.
        """
        if not place.has_archive():
            raise MetadataError(f"there is no archive in {place.uri}; Archive({place.uri!r}).sync('point') makes one")
        newest = cls(SampleTable(place.samples, place.options), PointTable(place.points, place.options))
        if version is None or version == newest.samples.version:
            return newest
        if not 0 <= version < newest.samples.version:
            raise MetadataError(f"{place.uri} has no version {version}; the newest is {newest.samples.version}")
        gone = f"version {version} of {place.uri} can no longer be read; its versions say which can"
        try:
            end_us = newest.samples.commit_of(version + 1).at_us
            before = [commit.version for commit in newest.points.commits() if commit.at_us < end_us]
        except FileNotFoundError as error:
            raise MetadataError(gone) from error
        samples = SampleTable(place.samples, place.options, version)
        points = PointTable(place.points, place.options, before[0] if before else None)
        for log in (samples, points):
            if not {row["path"] for row in log.rows_of_files()} <= log.storage.listing().keys():
                raise MetadataError(f"{gone}: vacuum() has removed files of it")
        return cls(samples, points)

    @property
    def versions(self) -> tuple[int, int]:
        """The versions of both."""
        return self.samples.version, self.points.version

    def refresh(self) -> None:
        """Go to the newest version of both."""
        self.samples.refresh()
        self.points.refresh()

    @classmethod
    def open_or_create(cls, place: Place, layout: Layout) -> Self:
        """The tables that are there, or new ones in this layout."""
        if place.has_archive():
            return cls.open(place)
        # The samples last: a folder with points alone was not finished, and is made anew.
        points = PointTable.create(place.points, layout, place.options)
        return cls(SampleTable.create(place.samples, points.layout, place.options), points)
