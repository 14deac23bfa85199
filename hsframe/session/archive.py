"""Archive: histories in a folder of open files, in step with a server, that answers as a session does."""

from __future__ import annotations

import functools
import operator
import os
import time
from collections.abc import Iterable
from datetime import date
from typing import Any, Literal, Self, SupportsIndex, get_args

import pandas as pd

from hsframe.archive.add import Adding
from hsframe.archive.check import check
from hsframe.archive.compact import compact
from hsframe.archive.delta import vacuum, version_at, version_table
from hsframe.archive.samples import Existing, young_from
from hsframe.archive.sync import sync_archive
from hsframe.archive.tables import Tables
from hsframe.caller_warnings import warn_caller
from hsframe.client import Client
from hsframe.durations import Duration, amount_of, duration_us
from hsframe.errors import MetadataError, ReadWarning, SpanError, check_choice
from hsframe.frame.parquet import FileLike, parquet_files, read_parquet
from hsframe.frame.points_like import PointsLike
from hsframe.history.plan import ReadOptions, RequestLimits
from hsframe.session.archive_reads import ArchiveReads
from hsframe.session.default import default_session
from hsframe.session.progress_bar import progress_of
from hsframe.session.reading import OnError, failure_text
from hsframe.session.session import Session
from hsframe.spans import SpanLike


class Archive(ArchiveReads):
    """Histories in a folder or an object store, as open files that every engine reads.

    Two Delta tables: ``samples``, a row per sample (``id``, ``ts``, ``value``, ``text``, ``unit``), and ``points``, the
    records. :meth:`sync` brings it in step with a server, and is the only method that asks one; all others read what is
    there. They answer as those of a session do, so a notebook written for a server runs on an archive.

    An archive knows from when until when it has read each point (:attr:`points`), not what was before or came later. A
    read that asks for such a time gives a ReadWarning, and the reason in ``df.hs.catalog`` of each point; one of which
    nothing of the span was read has the status ``"unread"``. Nothing is said of the future, of the last two hours up to
    the present, and of times shorter than the point's interval (an hour, where it has none), unless the last interval
    of a read needs the sample after it.

    Parameters
    ----------
    path : path-like or uri
        Where it is; the first :meth:`sync` makes it.
    storage_options : mapping, optional
        For an object store, as ``deltalake`` has them: ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...,
        ``AZURE_STORAGE_ACCOUNT_NAME``, ...; those of Google are environment variables.
    version : int, optional
        The samples as an older version had them; nothing can be changed then.

    Raises
    ------
    MetadataError
        The folder has other things in it, or an archive of a later hsframe.
    """

    def sync(
        self,
        points: PointsLike | None = None,
        *,
        session: Session | None = None,
        since: SpanLike | None = None,
        overlap: Duration = "2D",
        on_error: OnError = "catalog",
        max_concurrency: int | None = None,
        engine: Literal["local", "dask"] = "local",
        dry_run: bool = False,
        progress: bool | None = None,
        other_server: bool = False,
    ) -> pd.DataFrame:
        """Read what is missing from a server, and the last days once more for what came late or was corrected.

        It is safe to repeat, also after a program was killed, and to run twice at once.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame, optional
            As for :meth:`Session.his_read`; by default all points of the archive.
        session : Session, optional
            The server; by default that of :func:`hsframe.connect`.
        since : str, date or datetime, optional
            From when on new points are read, or ``(since, None)``; by default their record's ``hisStart``, or else ten
            years ago. Of a point that the archive has, what lies between `since` and the start of what was read comes
            too; where `since` is later than that start, all from `since` on is read once more. So the same command goes
            on after it was killed. The last sample before `since` is kept too where one may hold (change of value, or
            no ``hisInterval``), so that a state that seldom changes is known at the start; ``rows_new`` is without it.
        overlap : str or timedelta
            How much before the end of what was read is read once more.
        on_error, max_concurrency, progress
            As for :meth:`Session.his_read`; the table is the catalog. With ``engine="dask"`` there is no bar.
        engine : {"local", "dask"}
            ``"dask"``: the workers of the caller's Dask cluster read and write, `max_concurrency` groups of points at a
            time. They log in as `session` does, with the ``HSFRAME_PASSWORD`` (or token) of their environment, and
            all see `path`. What a worker that was lost had written is counted as there before.
        dry_run : bool
            Read the records alone, and write nothing: the table says what would be read.
        other_server : bool
            An archive notes its server, and takes nothing from another one. True: the server has moved, and this is
            the one from now on. Servers are told apart by their uri; on this machine, where tunnels end, not by the
            port, but by the name, zone, vendor and product that they report; another port gives a ReadWarning. It also
            notes the login: after one by SCRAM, a server that takes less or wants none is refused with an AuthError,
            unless it has moved, or ``connect(auth=...)`` names the scheme.

        Returns
        -------
        DataFrame
            One row per point: ``id``, ``dis``, ``rows_new``, ``rows_late`` (of the new ones those within what had been
            read before), ``rows_changed``, ``rows_removed``, ``first_change``, ``last_change`` (of the samples that
            came late, changed or were removed; UTC), ``first``, ``last`` (of what was read now), ``status`` and
            ``reason``. Samples that the server no longer has, or never had (:meth:`add`), are removed from what was
            read once more, and stay in the older version. The status is ``"synced"``, ``"same"``; ``"kept"``, where the
            server gave no sample at all of a point in one of the windows that it is read in (each request has one) and
            the archive has some: that is a fault more often than a removal, and they go only with a new archive;
            ``"changed"``, where the point has another unit, kind or zone than before and was not read (with `since` at
            or before the start of its history all of it is read anew); ``"gone"``, where the server has no such record
            any more; ``"failed"``.

            With `dry_run` the table of :meth:`Session.export`: what is expected of each point.

        Raises
        ------
        MetadataError
            The folder is no archive, or this is an older version of one, or it is from another server. Else as
            :meth:`Session.his_read`.
        """
        self._refuse_older("sync")
        check_choice("on_error", on_error, get_args(OnError))
        check_choice("engine", engine, ("local", "dask"))
        session = session or default_session()
        if not isinstance(session, Session):
            raise MetadataError(f"session must be one with a server, of hsframe.connect(...); got {session!r}")
        fill = None
        if engine == "dask":
            from hsframe.dask.sync import fill_on_workers  # Dask is an extra of its own

            fill = fill_on_workers(session, max_concurrency, self._storage)
        limits, overlap_us = RequestLimits(max_concurrency=max_concurrency), duration_us(overlap, "overlap")
        how: dict[str, Any] = {"since": since, "dry_run": dry_run, "fill": fill, "other_server": other_server}

        async def run(client: Client) -> pd.DataFrame:
            with client.sender.retries.one_verb():
                async with progress_of(progress, "sync") as bar:
                    options = ReadOptions(limits=limits, failures=None if on_error == "raise" else {}, progress=bar)
                    return await sync_archive(client, self._storage, points, options, overlap_us=overlap_us, **how)

        table = session.run(run)
        if on_error == "warn" and len(failed := table[table["status"] == "failed"]):
            reasons = dict(zip(failed["id"], failed["reason"], strict=True))
            warn_caller(failure_text(reasons, len(table), "new samples", "the table"), ReadWarning)
        return table

    def add(
        self,
        data: pd.DataFrame | pd.Series[Any] | FileLike | Iterable[FileLike],
        points: Any = None,
        *,
        existing: Existing = "refuse",
        convert: bool = False,
        dry_run: bool = False,
    ) -> pd.DataFrame:
        """Put the samples of a frame or of Parquet files into the archive, which is made where there is none.

        What is no sample of a point is refused as by :meth:`Session.his_write`: times that are ends or that have no
        zone, values of another kind or unit. So are all values over intervals that hsframe has made or read, also the
        means and extremes that `his_write` lets pass: they belong to another point. Files and tidy frames may have
        values of another kind than the record of their point says, where these were read so. All is looked at before
        anything is added, so files are read twice. It is safe to repeat.

        Missing values are left out, since in a wide frame they may be holes of other columns. They are added as NA (NaN
        too, which pandas makes the same) where the note of the read tells: in tidy frames, and in wide ones whose
        missing values are just those of the read. Where a frame has other samples than its read, since some were
        dropped, filled or resampled, the next :meth:`sync` reads the point again from there on.

        Parameters
        ----------
        data : DataFrame, Series, path, or iterable of paths
            A frame as ``his_read`` gives it, wide or tidy; or files, and folders of files, of :func:`hsframe.export`
            or :func:`hsframe.write_parquet`, which are read one after another.
        points : optional
            Which points the columns are, as for :meth:`Session.his_write`; of a tidy frame, records of its points.
        existing : {"refuse", "replace", "keep"}
            What becomes of samples that the archive has with another value. ``"refuse"``: if there is one, nothing of
            its frame or file is added, nor of later files. ``"replace"``: they get the new value, also where the old
            one came from the server; the next :meth:`sync` brings that back, of the days that it reads once more, and
            removes what the server has not there. ``"keep"``: they stay, and only what is new is added.
        convert : bool
            Convert values to the units of the points, instead of refusing those in another one.
        dry_run : bool
            Write nothing, and give the table of what would become of each point; each file is compared with the
            archive alone, not with the others.

        Returns
        -------
        DataFrame
            As of :meth:`sync`, and ``rows_kept``; of the first sample that the archive has with another value
            ``first_difference`` (its instant, UTC), ``in_archive`` and ``in_frame`` (the values). The status is
            ``"added"``, ``"same"``, ``"kept"`` where nothing is new and some were kept, or ``"refused"``. A point that
            the archive did not have gets a record by the frame's catalog.

            A point counts as read in the span that the frame says it was read in; where the frame does not say it, or
            has lost rows since, from the first sample up to the first gap: of more than four intervals (of one, where
            rows were lost), or of an hour where values come on change, are few, or are not evenly apart. The next
            :meth:`sync` goes on from there, so it fills the gap. A span that does not touch what was read before does
            not count: a later one is read by the next :meth:`sync`, an earlier one with its `since`.

        Raises
        ------
        MetadataError, UnitError, ZoneError, CodecError
            What is refused, with the column or the file. With ``existing="refuse"`` samples with another value;
            ``error.report`` is the table. Where a disk fails between two files, it says what was added.
        """
        self._refuse_older("add to")
        check_choice("existing", existing, get_args(Existing))
        adding = Adding(self._storage, _now_us(), points, existing, convert, dry_run)
        if isinstance(data, pd.DataFrame | pd.Series):
            return adding.run([("", lambda: data)])
        files = parquet_files(data)
        if gone := [file for file in files if isinstance(file, os.PathLike) and not os.path.exists(file)]:
            raise MetadataError(f"there is no file {gone[0]}; nothing was added")
        return adding.run([(str(file), functools.partial(read_parquet, file)) for file in files])

    def compact(self, overlap: Duration = "2D") -> pd.DataFrame:
        """Put the files of each partition together to one, sorted by id and ts; the samples stay as they are.

        Each sync adds files. It is safe beside a running :meth:`sync` or another ``compact``. The files put together
        stay for older versions, until :meth:`vacuum`.

        Parameters
        ----------
        overlap : str or timedelta
            Files with younger samples are left, because the next syncs write them anew; as in :meth:`sync`. ``"0D"``
            leaves none.

        Returns
        -------
        DataFrame
            One row per partition: ``period``, ``bucket``, ``files_before``, ``files_after``, ``bytes_before``,
            ``bytes_after``.
        """
        self._refuse_older("compact")
        return compact(self._opened().samples, young_from(_now_us(), _age_us(overlap, "overlap")))

    def vacuum(self, older_than: Duration = "90D") -> pd.DataFrame:
        """Remove files that only old versions need, and what programs that were killed have left.

        Versions that were the newest at any time in the last `older_than` stay readable, so that a report of these days
        can be made once more of what it was made of; with ``"0D"`` only the newest one does. However long it is, the
        log forgets a version after 400 days. A file that no version counts is removed when it is an hour old: a sync
        may be about to count it. No version is made. With ``"0D"`` a sync or a read that runs beside it may find that a
        file of its version is not there: repeat that.

        Returns
        -------
        DataFrame
            One row per file that was removed: ``path``, ``bytes``, ``reason``, which names the versions that can no
            longer be read; :attr:`versions` says it of all.
        """
        self._refuse_older("vacuum")
        tables, cutoff_us = self._opened(), _now_us() - _age_us(older_than, "older_than")
        logs = {"samples": tables.samples, "points": tables.points}
        found = [(f"{name}/{path}", *rest) for name, log in logs.items() for path, *rest in vacuum(log, cutoff_us)]
        return pd.DataFrame(found, columns=["path", "bytes", "reason"]).astype({"path": "str", "reason": "str"})

    def check(self) -> pd.DataFrame:
        """Compare what is on disk with what the tables say; nothing is changed.

        Every file of the newest version is read; those that only older versions have are not.

        Returns
        -------
        DataFrame
            One row per problem: ``path``, ``problem``, ``what_to_do``; none where all is well. Files that are not
            there, damaged, or that no version counts; rows that are not sorted, are there twice, or lie where no read
            looks; statistics that are not those of the rows; points without a record, or noted by a wrong clock;
            entries of the log that are empty or half written.
        """
        return check(self._opened(), _now_us())

    @property
    def versions(self) -> pd.DataFrame:
        """The versions of the samples that the log still has, the newest first.

        ``version``, ``at`` (UTC), ``operation``, ``rows`` and ``files`` of it, and whether it is ``readable``:
        :meth:`vacuum` takes files of old ones away, and the log forgets after 400 days.
        """
        return version_table(Tables.open(self._storage).samples)

    def at(self, version: SupportsIndex | str | date) -> Self:
        """The archive as it was when its samples had an older version; the records of the points are of that time too.

        By its number, as ``df.hs.source`` has it, or the one that was the newest at a time: ``"2026-11-01T09:00Z"``; at
        the end of a day or a month, in UTC: ``"2026-11-01"``, ``"lastMonth"``. MetadataError where there was none then,
        or it can no longer be read; SpanError where it is neither, begins later than now, or is a datetime without a
        zone. Of today, or of this month, it is the newest.
        """
        if isinstance(version, bool) or not isinstance(version, SupportsIndex | str | date):
            raise SpanError(f"version must be a number or a time; got {version!r}")
        if not isinstance(version, SupportsIndex):  # of a frame it is a NumPy int
            version = version_at(Tables.open(self._storage).samples, version)
        return type(self)(self._storage.uri, storage_options=self._storage.options, version=operator.index(version))

    def _refuse_older(self, verb: str) -> None:
        if self._version is not None:
            what = f"{self._storage.uri} is version {self._version}"
            raise MetadataError(f"{what}; open it without version= to {verb} it")


def _age_us(value: Duration, what: str) -> int:
    """The length of a duration, which may be zero."""
    return 0 if amount_of(value, f"{what}={value!r}")[0] == 0 else duration_us(value, what)


def _now_us() -> int:
    return time.time_ns() // 1000
