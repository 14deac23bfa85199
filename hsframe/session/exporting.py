"""Histories into files: the request of an export, checked before anything is read, and what became of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import pandas as pd

from hsframe.caller_warnings import DeferredWarnings, told_once, warn_caller
from hsframe.client.in_thread import in_thread, one_thread
from hsframe.errors import HsFrameError, MetadataError, ReadWarning, check_choice
from hsframe.frame.labels import Header
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.frame.reads import outcomes_in
from hsframe.frame.whole_file import checked_path, local_path
from hsframe.history.estimate import dry_run_table, shares_of_read
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import find_records, with_zones
from hsframe.history.source import Progress, Source
from hsframe.history.unread import unread_of, warn_of_unread
from hsframe.kinds import Ref
from hsframe.protocol.answers import named
from hsframe.session.progress_bar import progress_of
from hsframe.session.reading import ReadRequest, note_origin, read_frame
from hsframe.spans import SpanLike

if TYPE_CHECKING:
    from hsframe.archive.export import Export
    from hsframe.archive.storage import Storage

FileLayout: TypeAlias = Literal["wide", "tidy"]
OnExportError: TypeAlias = Literal["raise", "warn"]
_SUFFIX: Final = ".parquet"
_OTHER_KINDS: Final = (".csv", ".tsv", ".txt", ".xls", ".xlsx", ".json", ".pq", ".arrow", ".feather", ".gz", ".zip")


@dataclass(frozen=True)
class ExportRequest:
    """The parameters of :meth:`hsframe.Session.export`, checked when it is made."""

    points: PointsLike
    span: SpanLike
    path: str | os.PathLike[str]
    _: KW_ONLY
    layout: FileLayout | None = None
    header: Header = "dis"
    tz: str | tzinfo = "point"
    week_start: str = "monday"
    on_error: OnExportError = "raise"
    dry_run: bool = False
    max_concurrency: int | None = None
    progress: bool | None = None
    storage_options: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.layout is not None:
            check_choice("layout", self.layout, get_args(FileLayout))
        check_choice("on_error", self.on_error, get_args(OnExportError))
        if os.fspath(self.path).lower().endswith(_OTHER_KINDS):
            raise MetadataError(
                f"{os.fspath(self.path)!r} would be the folder of an archive, and is named like a file; a file ends in "
                f"{_SUFFIX}, and for CSV take df.to_csv(), or hsframe his-read --csv"
            )
        if not self.is_file and self.is_wide:
            raise MetadataError(
                f"layout='wide' is one file, and {os.fspath(self.path)!r} does not end in {_SUFFIX}; leave layout= out "
                "for an archive"
            )
        if not self.is_file and self.tz != "point":
            raise MetadataError("an archive is in UTC, and its zone is chosen when it is read; leave tz= out")
        is_uri = local_path(self.path) is None
        if is_uri and self.is_wide:
            raise MetadataError("a wide file is written to this machine; take layout='tidy' for a uri, or an archive")
        _ = self.read  # refuses what does not fit
        if not is_uri and self.is_file:
            checked_path(self.path)  # before anything is read: a long read must not fail at its end

    @property
    def is_file(self) -> bool:
        """Whether one file is wanted, and not an archive."""
        return os.fspath(self.path).lower().endswith(_SUFFIX)

    @property
    def is_wide(self) -> bool:
        """Whether a column per point is wanted."""
        return self.layout == "wide" or (self.layout is None and self.is_file)

    @property
    def read(self) -> ReadRequest:
        """The read that has the same samples."""
        return ReadRequest(
            self.points,
            self.span,
            header=self.header,
            shape="wide" if self.is_wide else "tidy",
            tz=self.tz,
            week_start=self.week_start,
            on_error=self.on_error,
            max_concurrency=self.max_concurrency,
            progress=self.progress,
        )

    @property
    def target(self) -> Path | str:
        """What the export gives: the path, and of a uri its text."""
        return local_path(self.path) or os.fspath(self.path)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written: its points, why some could not be read, by id, and how many samples."""

    points: list[Point]
    failures: Mapping[str, object]
    rows: int


async def export(source: Source, request: ExportRequest) -> Exported | pd.DataFrame:
    """Export as :meth:`hsframe.Session.export` describes; with `dry_run` only the table of what is expected."""
    with DeferredWarnings(), told_once(source.dialect.told), one_thread():
        if request.dry_run:
            found, _ = await _found(source, request, Progress())
            if request.is_wide:  # one read, as any other
                shares = shares_of_read(found.records, found.spans, found.options)
                return dry_run_table(((record, "", "") for record in found.records), shares)
            return await in_thread(found.expected, *_storage_of(request))
        if request.is_wide:
            return await _wide(source, request)
        async with progress_of(request.progress, "export") as bar:
            storage, name = _storage_of(request)
            found, unknown = await _found(source, request, bar)

            def note(df: pd.DataFrame) -> None:
                note_origin([df], source, found.options, found.spans.values())

            rows = await (found.to_file(storage, name, request.tz, note) if name else found.to_archive(storage))
        points, failures = [record.point for record in found.records], unknown | (found.options.failures or {})
        if failures:
            ids, first = named([Ref(ident) for ident in failures]), next(iter(failures.values()))
            warn_caller(
                f"{len(failures)} of {len(unknown) + len(points)} points could not be read, and are not all in "
                f"{request.path}: {ids}; of the first: {first}",
                ReadWarning,
            )
        return Exported(points, failures, rows)


async def _wide(source: Source, request: ExportRequest) -> Exported:
    from hsframe.archive.stage import STAGE
    from hsframe.frame.parquet import write_parquet  # pyarrow's Parquet, loaded when it is needed

    frame, points = await read_frame(source, request.read)
    assert isinstance(frame, pd.DataFrame)
    await in_thread(write_parquet, frame, request.path)
    # What a tidy export of this name has left is of no use any more.
    target = Path(request.target)
    await in_thread(shutil.rmtree, target.with_name(STAGE.format(target.name)), True)
    outcomes = outcomes_in(frame).values()
    failed = {one["id"]: one["reason"] for one in outcomes if one["status"] == "failed"}
    return Exported(points, failed, sum(one["rows"] for one in outcomes))


async def _found(source: Source, request: ExportRequest, progress: Progress) -> tuple[Export, dict[str, HsFrameError]]:
    """The points and windows of an export, and the errors of points that are unknown."""
    from hsframe.archive.export import Export
    from hsframe.archive.server_identity import expect_login, server_of

    if not request.is_file:
        await expect_login(source, _storage_of(request)[0])
    raises, unknown = request.on_error == "raise", dict[str, HsFrameError]()
    records = await find_records(source, request.points, failures=None if raises else unknown)
    options = ReadOptions(
        week_start=request.week_start, limits=request.read.limits, failures=None if raises else {}, progress=progress
    )
    records = await with_zones(source, records)
    spans = options.spans(request.span, (record.tz for record in records))
    warn_of_unread(await unread_of(source, records, spans, options), len(records))
    return Export(source, records, spans, request.span, options, await server_of(source)), unknown


def _storage_of(request: ExportRequest) -> tuple[Storage, str]:
    """Where an archive is, and no name; of a file the folder, and its name in there."""
    from hsframe.archive.storage import Storage

    path, options = os.fspath(request.path), request.storage_options or {}
    if not request.is_file:
        return Storage(path, options), ""
    if (file := local_path(path)) is not None:
        file = Path(os.path.realpath(file))  # a link stays one: the file that it leads to is written
        return Storage(str(file.parent), options), file.name
    folder, _, name = path.rpartition("/")
    return Storage(folder, options), name
