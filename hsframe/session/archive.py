"""Archive: histories in a folder of open files, in step with a server, that answers as a session does."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import pandas as pd

from hsframe.archive.points import point_frame
from hsframe.archive.source import ArchiveSource
from hsframe.archive.sync import SyncRequest, sync_archive
from hsframe.caller_warnings import DeferredWarnings, warn_caller
from hsframe.client import Client
from hsframe.durations import Duration, duration_us
from hsframe.errors import ReadWarning, check_choice
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.history.plan import RequestLimits
from hsframe.session.archive_keeping import ArchiveKeeping
from hsframe.session.connection import next_of
from hsframe.session.default import default_session, set_default
from hsframe.session.matrix_verb import MatrixVerb
from hsframe.session.progress_bar import progress_of
from hsframe.session.reading import OnError
from hsframe.session.reading_verbs import ReadingVerbs
from hsframe.session.runners import runner_named
from hsframe.session.session import Session
from hsframe.session.signatures import T
from hsframe.spans import SpanLike


class _Verbs(ReadingVerbs, MatrixVerb):
    """The verbs that only read, for one read of an archive."""

    def __init__(self, source: ArchiveSource, known: dict[str, Point]) -> None:
        self._source, self._known = source, known

    def _one_verb(self) -> AbstractContextManager[ArchiveSource]:
        return nullcontext(self._source)


class Archive(ArchiveKeeping):
    """Histories in a folder or an object store, as open files that every engine reads.

    Two Delta tables: ``samples``, a row per sample (``id``, ``ts``, ``value``, ``text``, ``unit``), and ``points``, the
    records. :meth:`sync` brings it in step with a server, and is the only method that asks one; all others read what is
    there. They answer as those of a session do, so a notebook written for a server runs on an archive.

    Parameters
    ----------
    path : path-like or uri
        Where it is; the first :meth:`sync` makes it.
    storage_options : mapping, optional
        For an object store, as ``deltalake`` has them: ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...
    version : int, optional
        The samples as an older version had them; nothing can be changed then.

    Raises
    ------
    MetadataError
        The folder has other things in it, or an archive of a later hsframe.
    """

    _source: ArchiveSource | None = None
    is_closed = False

    @functools.cached_property
    def _known(self) -> dict[str, Point]:
        return {}

    read = Session.read
    read_by_ids = Session.read_by_ids
    his_read = Session.his_read
    his_iter = Session.his_iter
    latest = Session.latest
    matrix = Session.matrix

    def _run(self, verb: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        verbs = _Verbs(self._reading(), self._known)
        with DeferredWarnings():
            return runner_named("thread").run(verb, verbs)

    def use(self) -> Self:
        """Let the functions of the package, as ``hsframe.his_read``, read from this archive, until the next connect."""
        self.is_closed = False
        set_default(self)
        return self

    def close(self) -> None:
        """End :meth:`use`; nothing else is open."""
        self.is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _each(self, verb: Callable[[Any], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
        """The items of a verb, all of one version."""
        runner, items = runner_named("thread"), verb(_Verbs(self._reading(), self._known))
        runner.hold()  # a loop that ends closes what it has begun
        try:
            while (item := self._run(lambda _: next_of(items))) is not None:
                yield item[0]
        finally:
            runner.run(items.aclose)
            runner.release()

    def _reading(self) -> ArchiveSource:
        """The source for one read."""
        tables = self._opened()
        if self._source is None or self._source.versions != tables.versions:
            self._source = ArchiveSource(tables)
        return self._source

    @property
    def known_points(self) -> list[Point]:
        """The points that were read with this object."""
        return list(self._known.values())

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_") and hasattr(Session, name):
                raise AttributeError(
                    f"an archive has no {name}(): it is read, and sync() brings more; take a session with a server"
                )
            raise AttributeError(f"an Archive has no attribute {name!r}")

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
            From when on new points are read; their record's ``hisStart`` by default, or else ten years ago. Of points
            that are there, everything from then on is read anew.
        overlap : str or timedelta
            How much before the end of what was read is read once more.
        on_error : {"catalog", "warn", "raise"}
            What to do about points that cannot be read.
        max_concurrency : int, optional
            How many requests run at once; by default the setting of :func:`connect`.
        engine : {"local", "dask"}
            ``"dask"``: the workers of the caller's Dask cluster read and write, `max_concurrency` groups of points at a
            time. They log in as `session` does, with the ``HSFRAME_PASSWORD`` (or token) of their environment, and
            all see `path`. What a worker that was lost had written is counted as there before.
        dry_run : bool
            Read the records alone, and write nothing: the table says what would be read.
        progress : bool, optional
            Whether to draw a bar, as for :meth:`Session.his_read`; not with ``engine="dask"``.

        Returns
        -------
        DataFrame
            One row per point: ``id``, ``dis``, ``rows_new``, ``rows_changed``, ``rows_removed``, ``first``, ``last``
            (of what was read now; UTC), ``status`` and ``reason``. The status is ``"synced"``, ``"same"``;
            ``"kept"``, where the server gave no samples at all and the archive has some; ``"changed"``, where the
            point has another unit, kind or zone than before and was not read (with `since` at or before the start of
            its history all of it is read anew); ``"gone"``, where the server has no such record any more; ``"failed"``.

            With `dry_run` the table of :meth:`Session.export`: what is expected of each point.

        Raises
        ------
        MetadataError
            The folder is no archive, or this is an older version of one. Else as :meth:`Session.his_read`.
        """
        self._refuse_older("sync")
        check_choice("on_error", on_error, get_args(OnError))
        check_choice("engine", engine, ("local", "dask"))
        session = session or default_session()
        fill = None
        if engine == "dask":
            from hsframe.dask.sync import fill_on_workers  # Dask is an extra of its own
            from hsframe.dask.worker import Login, StoredVersion

            stored = StoredVersion.of(self._place.uri, self._place.options)
            fill = fill_on_workers(Login.of_session(session, max_concurrency), stored)
        request = SyncRequest(
            points,
            since,
            duration_us(overlap, "overlap"),
            on_error == "raise",
            dry_run,
            RequestLimits(max_concurrency=max_concurrency),
            fill=fill,
        )
        table = session.run(self._sync, request, progress)
        failed = table[table["status"] == "failed"]
        if on_error == "warn" and len(failed):
            warn_caller(
                f"{len(failed)} of {len(table)} points could not be read: {', '.join(failed['id'].head(5))}; of the "
                f"first: {failed['reason'].iloc[0]}",
                ReadWarning,
            )
        return table

    async def _sync(self, client: Client, request: SyncRequest, progress: bool | None) -> pd.DataFrame:
        with client.sender.retries.one_verb():
            async with progress_of(progress, "sync") as bar:
                return await sync_archive(client, self._place, replace(request, progress=bar))

    @property
    def points(self) -> pd.DataFrame:
        """One row per point; it can be given to the verbs as their points.

        ``id``, ``dis``, ``kind``, ``unit``, ``tz``; ``since`` and ``until`` (UTC): the window that was read.
        """
        return point_frame(self._opened().points.records().values())
