"""An archive as it is read: by the verbs of a session, and by other engines."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from hsframe.archive.points import point_frame
from hsframe.archive.source import ArchiveSource
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables, has_archive
from hsframe.caller_warnings import DeferredWarnings
from hsframe.cards import card
from hsframe.durations import Duration
from hsframe.errors import HsFrameError
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.session.base import ReadingBase
from hsframe.session.default import set_default
from hsframe.session.inventory_verbs import InventoryVerbs
from hsframe.session.matrix_verb import MatrixVerb
from hsframe.session.reading_verbs import ReadingVerbs
from hsframe.session.runners import runner_named
from hsframe.session.session import Session, next_of
from hsframe.session.signatures import T
from hsframe.spans import SpanLike

if TYPE_CHECKING:
    import pyarrow.dataset as ds


class _Verbs(ReadingVerbs, InventoryVerbs, MatrixVerb):
    """The verbs that only read, of one version of an archive."""

    def __init__(self, source: ArchiveSource, known: dict[str, Point]) -> None:
        self.source, self._known, self._sites = source, known, set[str]()

    def _one_verb(self) -> AbstractContextManager[ArchiveSource]:
        return nullcontext(self.source)


class ArchiveReads(ReadingBase):
    """The base class of :class:`hsframe.Archive`: where it is, its tables, and what reads them."""

    _verbs: _Verbs | None = None
    is_closed = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, str] | None = None,
        version: int | None = None,
    ) -> None:
        self._storage = Storage(os.fspath(path), storage_options)
        self._version = version
        self._tables: Tables | None = None
        super().__init__()
        if has_archive(self._storage):  # which refuses a folder of other things
            self._opened()

    def __repr__(self) -> str:
        try:
            return f"<Archive {self.uri}: {self._opened().summary()}>"
        except HsFrameError:  # there is none, or its place cannot be reached
            return f"<Archive {self.uri}>"

    def _repr_html_(self) -> str:
        place, _, holds = repr(self)[1:-1].removeprefix("Archive ").partition(": ")
        return card("Archive", {"place": place, "holds": holds})

    @property
    def uri(self) -> str:
        """Where it is, as ``df.hs.source`` has it: a folder or the uri of an object store."""
        return self._storage.uri.rstrip("/\\")

    def _opened(self) -> Tables:
        """The tables, at the newest version unless this is an older one."""
        if self._tables is None:
            self._tables = Tables.open(self._storage, self._version)
        elif self._version is None:
            self._tables.refresh()
        return self._tables

    read = Session.read
    read_by_ids = Session.read_by_ids
    find = Session.find
    tree = Session.tree
    inventory = Session.inventory
    estimate = Session.estimate
    his_read = Session.his_read
    his_iter = Session.his_iter
    latest = Session.latest
    matrix = Session.matrix
    export = Session.export

    def _run(self, verb: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        with DeferredWarnings():
            return runner_named("thread").run(verb, self._reading())

    def use(self) -> Self:
        """Let the functions of the package, as ``hsframe.his_read``, read from this archive, until the next connect."""
        self.is_closed = False
        set_default(self)
        return self

    def close(self) -> None:
        """End ``use()``; nothing else is open."""
        self.is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _each(self, verb: Callable[[Any], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
        """The items of a verb, all of one version."""
        runner, items = runner_named("thread"), verb(self._reading())
        runner.hold()  # a loop that ends closes what it has begun
        try:
            while (item := self._run(lambda _: next_of(items))) is not None:
                yield item[0]
        finally:
            runner.run(items.aclose)
            runner.release()

    def _reading(self) -> _Verbs:
        """The verbs for one read."""
        tables = self._opened()
        if self._verbs is None or self._verbs.source.state != tables.state:
            self._verbs = _Verbs(ArchiveSource(tables), self._known)
        return self._verbs

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_") and hasattr(Session, name):
                raise AttributeError(
                    f"an archive has no {name}(): it is read, and sync() brings more; take a session with a server"
                )
            raise AttributeError(f"an Archive has no attribute {name!r}")

    @property
    def points(self) -> pd.DataFrame:
        """One row per point; it can be given to the verbs as their points.

        ``id``, ``dis``, ``kind``, ``unit``, ``tz``; ``since`` and ``until`` (UTC): the window that was read.
        """
        return point_frame(self._opened().records().values())

    def to_arrow(
        self, points: PointsLike | None = None, span: SpanLike | None = None, columns: Sequence[str] | None = None
    ) -> ds.Scanner:
        """The samples as a scanner of pyarrow; DuckDB takes it too, others its ``to_reader()`` or ``to_table()``.

        For Polars ``polars.scan_delta`` of the folder ``samples`` is better: it reads only what a query needs.

        Parameters
        ----------
        points, span : optional
            As for :meth:`Session.his_read`; by default all samples.
        columns : sequence of str, optional
            Of ``id``, ``ts`` (UTC), ``value``, ``text``, ``unit``.

        Returns
        -------
        pyarrow.dataset.Scanner
            Its rows come in no order: only those of one file are sorted by ``id`` and ``ts``. It reads later, and what
            is damaged inside of a file is an error of pyarrow then; :meth:`check` names the file.
        """
        return self._run(lambda verbs: verbs.source.scanner(points, span, columns))

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

        stored = StoredVersion.of(self._storage.uri, self._storage.options, self._opened().state)
        return partitioned(stored, PartitionedRead(points, span, by=by, **settings))
