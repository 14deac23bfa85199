"""What keeps an archive in good order: its files, its versions, and what other programs did to it."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, get_args

import pandas as pd

from hsframe.archive.add import Adding
from hsframe.archive.check import check
from hsframe.archive.compact import compact
from hsframe.archive.samples import END_US, START_US, Existing
from hsframe.archive.scan import scanner
from hsframe.archive.source import ArchiveSource
from hsframe.archive.tables import Place, Tables
from hsframe.archive.versions import vacuum, version_table
from hsframe.durations import DAY_US, Duration, duration_us
from hsframe.errors import MetadataError, check_choice
from hsframe.frame.parquet import Source, parquet_files, read_parquet
from hsframe.frame.points_like import PointsLike
from hsframe.history.point_records import find_records
from hsframe.session.runners import runner_named
from hsframe.spans import Span, SpanLike, resolve_in

if TYPE_CHECKING:
    import pyarrow.dataset as ds


class ArchiveKeeping:
    """The methods of :class:`hsframe.Archive` that ask no server and make no frames of pandas."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, str] | None = None,
        version: int | None = None,
    ) -> None:
        if importlib.util.find_spec("deltalake") is None:
            raise MetadataError("an archive needs deltalake: pip install 'hsframe[archive]'")
        self._place = Place(os.fspath(path), dict(storage_options or {}))
        self._version = version
        self._tables: Tables | None = None
        self._place.has_archive  # noqa: B018 - refuses a folder of other things

    def __repr__(self) -> str:
        version = "" if self._version is None else f", version {self._version}"
        return f"<Archive {self._place.uri}{version}>"

    def _opened(self) -> Tables:
        """The tables, at the newest version unless this is an older one."""
        if self._tables is None:
            self._tables = Tables.open(self._place, self._version)
        elif self._version is None:
            self._tables.refresh()
        return self._tables

    def _refuse_older(self, verb: str) -> None:
        if self._version is not None:
            raise MetadataError(f"{self!r} is version {self._version}; open it without version= to {verb} it")

    def add(
        self,
        data: pd.DataFrame | pd.Series[Any] | Source | Iterable[Source],
        points: Any = None,
        *,
        existing: Existing = "replace",
        convert: bool = False,
    ) -> pd.DataFrame:
        """Put the samples of a frame or of Parquet files into the archive, which is made where there is none.

        What is no sample of a point is refused as by :meth:`Session.his_write`: amounts and other aggregations over
        intervals, times that are ends or that have no zone, values of another kind or unit. Missing values add and
        remove nothing. It is safe to repeat; of several files those before a bad one are added.

        Parameters
        ----------
        data : DataFrame, Series, path, or iterable of paths
            A frame as ``his_read`` gives it, wide or tidy; or files, and folders of files, of :func:`hsframe.export`
            or :func:`hsframe.write_parquet`, which are read one after another.
        points : optional
            Which points the columns are, as for :meth:`Session.his_write`; of a tidy frame, records of its points.
        existing : {"replace", "keep"}
            What becomes of a sample that the archive has, where it is another.
        convert : bool
            Convert values to the units of the points, instead of refusing those in another one.

        Returns
        -------
        DataFrame
            As of :meth:`sync`; the status is ``"added"``, ``"same"``, or ``"kept"`` where nothing is new and some were
            kept. A point that the archive did not have gets a record by the frame's catalog, and counts as read from
            its first sample to its last: the next :meth:`sync` goes on from there.
        """
        self._refuse_older("add to")
        check_choice("existing", existing, get_args(Existing))
        now_us = _now_us()
        adding = Adding(self._place, now_us, (now_us - 2 * DAY_US) // DAY_US * DAY_US, points, existing, convert)
        if isinstance(data, pd.DataFrame | pd.Series):
            return adding.run([("", data)])
        return adding.run((str(file), read_parquet(file)) for file in parquet_files(data))

    def compact(self, overlap: Duration = "2D") -> pd.DataFrame:
        """Put the files of each partition together to one, sorted by id and ts; the samples stay as they are.

        Each sync adds files. It is safe beside a running :meth:`sync` or another ``compact``. The files put together
        stay for older versions, until :meth:`vacuum`.

        Parameters
        ----------
        overlap : str or timedelta
            Files with younger samples are left, as those that the next syncs write anew: as in :meth:`sync`.

        Returns
        -------
        DataFrame
            One row per partition: ``period``, ``bucket``, ``files_before``, ``files_after``, ``bytes_before``,
            ``bytes_after``.
        """
        self._refuse_older("compact")
        young_us = (_now_us() - duration_us(overlap, "overlap")) // DAY_US * DAY_US
        return compact(self._opened().samples, young_us)

    def vacuum(self, older_than: Duration = "7D") -> pd.DataFrame:
        """Remove files that only old versions need, and what programs that were killed have left.

        Versions that were the newest at any time in the last `older_than` stay readable. A file that no version counts
        is removed when it is an hour old: a sync may be about to count it. No version is made.

        Returns
        -------
        DataFrame
            One row per file that was removed: ``path``, ``bytes``, ``reason``, which names the versions that can no
            longer be read; :attr:`versions` says it of all.
        """
        self._refuse_older("vacuum")
        tables, cutoff_us = self._opened(), _now_us() - duration_us(older_than, "older_than")
        logs = {"samples": tables.samples, "points": tables.points}
        found = [(f"{name}/{path}", *rest) for name, log in logs.items() for path, *rest in vacuum(log, cutoff_us)]
        return pd.DataFrame(found, columns=["path", "bytes", "reason"]).astype({"path": "str", "reason": "str"})

    def check(self) -> pd.DataFrame:
        """Compare what is on disk with what the tables say; every file is read, and nothing is changed.

        Returns
        -------
        DataFrame
            One row per problem: ``path``, ``problem``, ``what_to_do``; none where all is well. Files that are not
            there, damaged, or that no version counts; rows that are not sorted, are there twice, or lie where no read
            looks; statistics that are not those of the rows; points without a record, or noted by a wrong clock.
        """
        return check(self._opened(), _now_us())

    @property
    def versions(self) -> pd.DataFrame:
        """The versions of the samples that the log still has, the newest first.

        ``version``, ``at`` (UTC), ``operation``, ``rows`` and ``files`` of it, and whether it is ``readable``:
        :meth:`vacuum` takes files of old ones away, and the log forgets after 30 days.
        """
        return version_table(Tables.open(self._place).samples)

    def at(self, version: int) -> Self:
        """The archive as it was when its samples had an older version; the records of the points are of that time too.

        MetadataError where that version is not there, or can no longer be read.
        """
        found = type(self)(self._place.uri, storage_options=dict(self._place.options), version=version)
        found._opened()
        return found

    def to_arrow(
        self, points: PointsLike | None = None, span: SpanLike | None = None, columns: Sequence[str] | None = None
    ) -> ds.Scanner:
        """The samples as a scanner of pyarrow: ``to_reader()``, ``to_table()``; DuckDB and Polars take it too.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame, optional
            As for :meth:`Session.his_read`; by default all samples.
        span : optional
            As for :meth:`Session.his_read`, in each point's own zone.
        columns : sequence of str, optional
            Of ``id``, ``ts`` (UTC), ``value``, ``text``, ``unit``.

        Returns
        -------
        pyarrow.dataset.Scanner
            Its rows come in no order: only those of one file are sorted by ``id`` and ``ts``.
        """
        tables = self._opened()
        wanted: list[tuple[list[str] | None, int, int]] = [(None, START_US, END_US)]
        if points is not None or span is not None:
            source, given = ArchiveSource(tables), "point" if points is None else points
            records = runner_named("thread").run(find_records, source, given)
            ids: dict[str, list[str]] = {}
            for record in records:
                ids.setdefault(record.tz, []).append(record.id)
            spans = {} if span is None else resolve_in(ids, span)
            wanted = [(some, *_bounds_us(spans.get(tz))) for tz, some in ids.items()]
        return scanner(tables.samples, wanted, columns)

    def to_dask(self, points: PointsLike, span: SpanLike, *, by: Duration | None = None, **settings: Any) -> Any:
        """The histories of some points as a Dask DataFrame, whose partitions the workers read from the files.

        They read the version of now. Secret options of an object store are not sent to them: they have their own, as in
        ``AWS_SECRET_ACCESS_KEY``.

        Parameters
        ----------
        points, span, by
        **settings
            As for :func:`hsframe.dask.his_read`, which says what is given too.
        """
        from hsframe.dask.frames import PartitionedRead, partitioned  # Dask is an extra of its own
        from hsframe.dask.worker import StoredVersion

        stored = StoredVersion.of(self._place.uri, self._place.options, self._opened().samples.version)
        return partitioned(stored, PartitionedRead(points, span, by=by, **settings))


def _bounds_us(span: Span | None) -> tuple[int, int]:
    if span is None:
        return START_US, END_US
    return span.start_us, END_US if span.end_us is None else span.end_us


def _now_us() -> int:
    return time.time_ns() // 1000
