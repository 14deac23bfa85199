"""Records and histories in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hsframe.arrays import Bools, Instants
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import CodecError, MetadataError, ZoneError
from hsframe.filters import Filter, parse
from hsframe.grid import Grid
from hsframe.kinds import Number, Ref
from hsframe.server.priority import PriorityArray
from hsframe.server.samples import Change, Kind, Samples
from hsframe.spans import from_epoch_us
from hsframe.zones import zone

Action = Callable[["Database", Mapping[str, Any], Mapping[str, Any]], Grid]
"""A function that invokeAction calls with the database, the record and the arguments; it returns the answer."""


class Database:
    """The records of a server, the histories of its points, and their priority arrays.

    Every change of a record raises its revision, which is how a watch knows what to send. `tz` and `name` are those of
    the server, for ``about``. `actions` are the actions of invokeAction, by name. `keep_up` is called with the present
    time before each op: it updates whatever changes by itself up to that time. `mod` is the tag ``mod`` of records
    that are added without one, by default when this was made; commit changes it. `refusal` says why nothing can be
    written, where nothing can. `his_kinds` are the kinds of points that have histories. With `tells_samples` a point is
    read with ``hisStart``, ``hisEnd`` and ``hisSize``, as SkySpark and Haxall have it.

    Ops run in threads. One at a time changes something or reads samples; where a database reads files (`reads_files`),
    several read samples at once. Records are read beside all that: one is never changed, but replaced by another.

    >>> database = Database([{"id": Ref("a"), "site": True}])
    >>> [rec["id"].val for rec in database.query("site")]
    ['a']
    """

    his_kinds: Collection[str | None] = ("Number", "Bool", "Str")
    reads_files = False
    tells_samples = False

    def __init__(self, recs: Iterable[Mapping[str, Any]] = (), *, tz: str = "UTC", name: str = "hsframe") -> None:
        zone(tz)  # an unknown name fails here, not in the first answer
        self.tz = tz
        self.name = name
        self.actions: dict[str, Action] = {}
        self.keep_up: Callable[[datetime], None] | None = None
        self.refusal = ""
        now = datetime.now(UTC)
        self.mod = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._recs: dict[str, dict[str, Any]] = {}
        self._revisions: dict[str, int] = {}
        self._counter = itertools.count(1)
        self._histories: dict[str, Samples] = {}
        self._priorities: dict[str, PriorityArray] = {}
        for rec in recs:
            self.add(rec)

    def add(self, rec: Mapping[str, Any]) -> Ref:
        """Add a record, or replace the one with the same id.

        MetadataError where its ``id`` is not a Ref, or a point's ``tz`` no Str; ZoneError where no zone is called so.
        """
        id = rec.get("id")
        if not isinstance(id, Ref):
            raise MetadataError(f"a record needs an id that is a Ref; this one has {id!r} ({rec.get('dis')!r})")
        _check_zone(rec)
        # SkySpark and Haxall have a mod in each record from the start: so who reads one before its first commit is told
        # of the second, too. What cannot be committed is as it was given.
        self._recs[id.val] = {**rec} if self.refusal else {**rec, "mod": rec.get("mod", self.mod)}
        self._touch(id.val)
        return id

    def check(self, rec: Mapping[str, Any]) -> None:
        """Refuse a record that cannot be served: a commit asks before it is done, and so does a start that reads it.

        MetadataError where its ``unit`` or a point's ``tz`` is no Str, its ``kind`` is not that of the samples that
        are there, also while it lacks the tag ``his``, or no answer can have it, for JSON brings ids and units that are
        written in no format; ZoneError where no zone is called as its ``tz``.
        """
        try:
            write_value(dict(rec))
        except CodecError as error:
            raise MetadataError(f"{_named(rec)} cannot be written in an answer: {error.problem}") from error
        _check_zone(rec)
        _check_str(rec, "unit")
        samples = self._histories.get(rec["id"].val)
        if samples is not None and rec.get("kind") != samples.kind:
            raise MetadataError(
                f"{_named(rec)} has a history of kind {samples.kind}, which stays its kind; the record has "
                f"{rec.get('kind')!r}"
            )

    def update(self, id: Ref | str, changes: Mapping[str, Any]) -> None:
        """Change tags of a record, which must be there; None removes a tag."""
        key = _key(id)
        rec = self._recs.get(key)
        if rec is None:
            raise MetadataError(f"there is no record @{key} to change")
        self._recs[key] = {tag: value for tag, value in {**rec, **changes}.items() if value is not None}
        self._touch(key)

    def remove(self, id: Ref | str) -> None:
        key = _key(id)
        for table in (self._recs, self._histories, self._priorities):
            cast("dict[str, Any]", table).pop(key, None)
        self._touch(key)

    def commit(self, records: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Replace, add and remove records by id, all or none of them; None removes one."""
        for key, rec in records.items():
            if rec is None:
                self.remove(key)
            else:
                self.add(rec)

    def get(self, id: Ref | str) -> Mapping[str, Any] | None:
        return self._recs.get(_key(id))

    def query(self, filter: Filter | str, limit: int | None = None) -> list[Mapping[str, Any]]:
        """The records that match a filter, in the order in which they were added.

        CodecError where the text is not a filter, MetadataError where the filter names a spec.
        """
        wanted = parse(filter) if isinstance(filter, str) else filter
        recs = dict(self._recs)  # in one step: others add and replace some meanwhile
        found = (rec for rec in recs.values() if wanted.matches(rec, lambda ref: recs.get(ref.val)))
        return list(itertools.islice(found, limit))

    def shown(self, rec: Mapping[str, Any]) -> Mapping[str, Any]:
        """A record as it is read: its Refs that have a name have the present one, as SkySpark and Haxall write them.

        Of a point with what samples there are, where the database tells it.
        """
        rec = {tag: self._named_now(value) if isinstance(value, Ref) else value for tag, value in rec.items()}
        if not self.tells_samples or "his" not in rec:
            return rec
        samples = self._histories.get(rec["id"].val)
        ts_us = np.empty(0, np.int64) if samples is None else samples.ts_us
        found = {**rec, "hisSize": Number(len(ts_us))}
        if len(ts_us):
            tz = zone(rec.get("tz", self.tz))
            found |= {name: from_epoch_us(int(ts_us[at]), tz) for name, at in (("hisStart", 0), ("hisEnd", -1))}
        return found

    def _named_now(self, ref: Ref) -> Ref:
        dis = self._recs.get(ref.val, {}).get("dis")
        return Ref(ref.val, dis) if ref.dis is not None and isinstance(dis, str) else ref

    def revision(self, id: Ref | str) -> int:
        """A number that grows whenever the record changes; 0 for an id that was never used."""
        return self._revisions.get(_key(id), 0)

    def _touch(self, key: str) -> None:
        self._revisions[key] = next(self._counter)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        # A list is made in one step: a test may add records from another thread while a query runs.
        return iter(list(self._recs.values()))

    def __len__(self) -> int:
        return len(self._recs)

    def history(self, id: Ref | str) -> Samples:
        """The samples of a point, to be changed; empty at first.

        MetadataError where there is no such record, or its ``kind`` has no history here.
        """
        key = _key(id)
        return self._histories.setdefault(key, self.histories([key], None, None)[0])

    def histories(self, ids: Sequence[str], start_us: int | None, end_us: int | None) -> list[Samples]:
        """The samples of some points: at least those in a half-open window, here all that there are."""
        # To read a history that was never written begins none: the point may still become one of another kind.
        return [found if (found := self._histories.get(id)) is not None else Samples(self._his_kind(id)) for id in ids]

    def _his_kind(self, key: str) -> Kind:
        rec = self._recs.get(key)
        kind = None if rec is None else rec.get("kind")
        if kind not in self.his_kinds:
            raise MetadataError(
                f"@{key} has the kind {kind!r}; a history needs one of the kinds {', '.join(map(str, self.his_kinds))}"
                if rec is not None
                else f"there is no record @{key}"
            )
        return cast("Kind", kind)

    def set_history(
        self,
        id: Ref | str,
        ts_us: Instants,
        values: NDArray[Any] | list[str],
        na: Bools | None = None,
    ) -> None:
        """Replace the history of a point.

        The instants may come in any order; of equal ones the last wins. The values are of the point's kind: float64,
        bool, or texts; where `na` is true, the sample is NA.
        """
        self._histories.pop(_key(id), None)
        samples = self.history(id)
        times = np.asarray(ts_us, np.int64)
        samples.merge(times, values, np.zeros(len(times), np.bool_) if na is None else np.asarray(na, np.bool_))

    def store(self, changes: Sequence[Change]) -> None:
        """Change the histories of points that are still there."""
        for change in changes:
            if self.get(change.rec["id"]) is not None:
                samples = self.history(change.rec["id"])
                samples.merge(change.ts_us, change.values, change.na)
                if len(change.removed_us):
                    samples.remove(change.removed_us)

    def priorities(self, id: Ref | str) -> PriorityArray:
        """The 17 levels of a writable point; empty at first."""
        return self._priorities.setdefault(_key(id), PriorityArray())

    def commanded(self) -> list[tuple[Mapping[str, Any], PriorityArray]]:
        """The points of which a level was ever written, with their levels."""
        return [
            (self._recs[key], levels)
            for key, levels in self._priorities.items()
            if levels.was_written and key in self._recs
        ]


def _key(id: Ref | str) -> str:
    return id.val if isinstance(id, Ref) else id.removeprefix("@")


def _named(rec: Mapping[str, Any]) -> str:
    return f"{rec['id']} ({rec.get('dis')})"


def _check_zone(rec: Mapping[str, Any]) -> None:
    if "point" in rec or "his" in rec:
        _check_str(rec, "tz")
        try:
            zone(rec.get("tz", "UTC"))
        except ZoneError as error:
            raise ZoneError(f"{_named(rec)}: {error}") from error


def _check_str(rec: Mapping[str, Any], tag: str) -> None:
    if not isinstance(rec.get(tag, ""), str):
        raise MetadataError(f"{_named(rec)} has the {tag} {rec[tag]!r}; expected a Str")
