"""The samples of an archive: read by point and time, and changed so that each instant of a point is there once.

What is changed becomes visible by one commit. Each change is made of the version that it was compared with: where
someone else has committed meanwhile, it is compared anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import ROWS_SCHEMA, Layout, Partition
from hsframe.archive.parquet_file import (
    END_US,
    START_US,
    DataFile,
    Ids,
    bounds_of,
    instants,
    read_rows,
    runs_of,
    written,
)
from hsframe.arrays import Instants
from hsframe.durations import DAY_US
from hsframe.errors import IncompleteError
from hsframe.frame.values import bools_of

Existing: TypeAlias = Literal["refuse", "replace", "keep"]
"""What becomes of a sample that is there, where another one is added."""

_Row: TypeAlias = dict[str, Any]
_Places: TypeAlias = npt.NDArray[np.int64]


@dataclass(slots=True)
class Changes:
    """How many samples of each point, by id, are new, have another value, are gone, and were kept all the same.

    `late` ones are new within what had been read before. `spans` has the first and the last instant of those that came
    late, have another value or are gone, and `first` of the first one with another value the row that was there, and
    the other one.
    """

    new: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    first: dict[str, tuple[_Row, _Row]] = field(default_factory=dict)

    def add(self, other: Changes) -> None:
        for name in ("new", "changed", "removed", "kept", "late"):
            getattr(self, name).update(getattr(other, name))
        for ident, span in other.spans.items():
            self.widen(ident, *span)
        for ident, one in other.first.items():
            self.first[ident] = min(self.first.get(ident, one), one, key=lambda pair: pair[0]["ts"])

    def widen(self, ident: str, first_us: int, last_us: int) -> None:
        """Let the span of a point have two more instants."""
        own = self.spans.get(ident, (first_us, last_us))
        self.spans[ident] = min(own[0], first_us), max(own[1], last_us)


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows of a table, and where each comes from: the number of its file, and of its row in there."""

    rows: pa.Table
    files: Sequence[DataFile]
    file_numbers: npt.NDArray[np.int64]
    row_numbers: _Places


def read_samples(
    table: SampleTable,
    ids: Iterable[str] | None,
    start_us: int,
    end_us: int,
    files: Sequence[DataFile] | None = None,
    most: int | None = None,
) -> pa.Table:
    """The samples of some points, of all for None, in a half-open window, sorted by id and ts; of all or some files.

    IncompleteError where there are more than `most`.
    """
    rows = _find(table, None if ids is None else Ids(ids), start_us, end_us, files, most).rows
    rows = rows.unify_dictionaries().combine_chunks()
    owner, ts_us = sort_keys(rows)
    if _are_sorted(owner, ts_us):
        return rows
    # Parts of several points mostly come in order of time, and few numbers are sorted many times faster than instants.
    order = np.argsort(owner.astype(np.uint16) if owner.max() < 1 << 16 else owner, kind="stable")
    return rows.take(order if _are_sorted(owner[order], ts_us[order]) else np.lexsort((ts_us, owner)))


def _find(
    table: SampleTable,
    ids: Ids | None,
    start_us: int,
    end_us: int,
    among: Sequence[DataFile] | None = None,
    most: int | None = None,
) -> _Found:
    buckets = None if ids is None or among is not None else set(map(table.layout.bucket, ids.all))
    files = [
        file
        for file in (table.files() if among is None else among)
        if file.may_have(ids, start_us, end_us) and (buckets is None or file.partition[1] in buckets)
    ]
    parts, file_numbers, row_numbers = [], [], []
    for number, file in enumerate(files):
        for begin, places, rows in read_rows(table.storage, file, ids, start_us, end_us):
            parts.append(rows)
            if most is not None and sum(part.num_rows for part in parts) > most:
                raise IncompleteError(f"there are more than {most:,} samples, the limit of one read")
            file_numbers.append(np.full(len(places), number))
            row_numbers.append(begin + places)
    return _Found(
        pa.concat_tables([ROWS_SCHEMA.empty_table(), *parts]),
        files,
        np.concatenate([np.empty(0, np.int64), *file_numbers]),
        np.concatenate([np.empty(0, np.int64), *row_numbers]),
    )


def _are_sorted(owner: npt.NDArray[np.int32], ts_us: Instants) -> bool:
    begins = np.flatnonzero(owner[1:] != owner[:-1])
    rises = ts_us[1:] > ts_us[:-1]
    rises[begins] = owner[begins + 1] > owner[begins]
    return bool(rises.all())


def sort_keys(rows: pa.Table) -> tuple[npt.NDArray[np.int32], Instants]:
    """What rows, whose ids are one dictionary, are sorted by: the rank of the id among theirs, and the instant."""
    ids = rows.column("id").combine_chunks()
    texts = np.array(ids.dictionary.to_pylist() if len(ids) else [], dtype=object)
    rank = np.empty(len(texts), np.int32)
    rank[np.argsort(texts)] = np.arange(len(texts))
    return rank[ids.indices.to_numpy()] if len(ids) else np.empty(0, np.int32), instants(rows)


def young_from(now_us: int, overlap_us: int) -> int:
    """From when on samples are young, of whole days: the next syncs may correct them. Without an overlap none is."""
    return (now_us - overlap_us) // DAY_US * DAY_US if overlap_us else END_US


def merge(
    table: SampleTable,
    rows: pa.Table,
    ids: Iterable[str],
    start_us: int,
    end_us: int,
    *,
    add_only: Iterable[str] = (),
    known_us: Mapping[str, tuple[int, int]] | None = None,
    young_us: int = END_US,
    existing: Existing | None = None,
    dry_run: bool = False,
) -> Changes:
    """Make a half-open window of some points have exactly these samples, sorted by id and ts.

    Points in `add_only` lose no samples; new ones in the window of `known_us` count as late. With `existing` no point
    loses one, and unless it is ``"replace"`` those that are there stay as they are; with ``"refuse"`` and one that is
    another nothing is changed at all. Where nothing differs no version is made. New samples from `young_us` on get
    files of their own: what is read again and corrected soon must not take a whole month with it.
    """
    wanted, add_only = Ids(ids), set(add_only)
    while True:
        table.refresh()
        found = _find(table, wanted, start_us, end_us)
        differs = _difference(found.rows, rows, nan_is_na=existing is not None)
        if existing is not None:
            differs = replace(differs, gone=differs.gone[:0])
        held, first = differs.changed_new, {} if existing is None else _first(found.rows, rows, differs)
        if stays := existing in ("refuse", "keep"):
            differs = replace(differs, changed_old=held[:0], changed_new=held[:0])
        owners = found.rows.column("id").take(pa.array(differs.gone)).to_pylist()
        is_kept = np.array([owner in add_only for owner in owners], dtype=bool)
        gone = differs.gone[~is_kept]
        changes = Changes(
            _counts(rows, differs.new),
            _counts(rows, differs.changed_new),
            _counts(found.rows, gone),
            _counts(found.rows, differs.gone[is_kept]) + (_counts(rows, held) if stays else Counter()),
            first=first,
        )
        late = _late(rows, differs.new, known_us or {})
        changes.late = _counts(rows, late)
        for some, places in ((rows, late), (rows, differs.changed_new), (found.rows, gone)):
            for ident, (first_us, last_us, _) in bounds_of(some.select(["id", "ts"]).take(pa.array(places))).items():
                changes.widen(ident, first_us, last_us)
        if (
            dry_run
            or (existing == "refuse" and len(held))
            or not (len(differs.new) or len(differs.changed_new) or len(gone))
        ):
            return changes
        files: list[tuple[DataFile, DataFile | None]] = []
        try:
            files.extend(_new_files(table, found, rows, differs, gone, young_us))
        except BaseException:  # a full disk must not get fuller with each attempt
            table.discard(new for new, _ in files)
            raise
        # What becomes of an error in here is not known: the files stay, and vacuum() removes them if none counts them.
        if table.commit([new for new, _ in files if new.rows], [old for _, old in files if old is not None]):
            return changes
        table.discard(new for new, _ in files)


def _new_files(
    table: SampleTable, found: _Found, rows: pa.Table, differs: _Difference, gone: _Places, young_us: int
) -> Iterator[tuple[DataFile, DataFile | None]]:
    """The files of a change, each with the one that it is in place of."""
    new = rows if len(differs.new) == rows.num_rows else rows.take(differs.new)
    for partition, part in _by_partition(table.layout, new, young_us):
        yield written(table.storage, partition, [part]), None
    touched = np.concatenate([differs.changed_old, gone])
    for number in np.unique(found.file_numbers[touched]).tolist():
        file = found.files[number]
        of_file = found.file_numbers == number
        replaced = of_file[differs.changed_old]
        numbers = found.row_numbers[differs.changed_old[replaced]]
        lost = found.row_numbers[gone[of_file[gone]]]
        yield _rewritten(table, file, numbers, rows.take(differs.changed_new[replaced]), lost), file


def _first(old: pa.Table, new: pa.Table, differs: _Difference) -> dict[str, tuple[_Row, _Row]]:
    """The first sample of each point that has another value."""
    codes = new.take(pa.array(differs.changed_new)).unify_dictionaries().column("id").combine_chunks().indices
    firsts = np.unique(codes.to_numpy(), return_index=True)[1]  # of each point they are in order of time
    sides = (old, differs.changed_old), (new, differs.changed_new)
    pairs = zip(*(rows.take(pa.array(places[firsts])).to_pylist() for rows, places in sides), strict=True)
    return {pair[0]["id"]: pair for pair in pairs}


def _late(rows: pa.Table, places: _Places, known_us: Mapping[str, tuple[int, int]]) -> _Places:
    """Those of some places whose instants lie in the window that is known of their point."""
    some = rows.select(["id", "ts"]).take(pa.array(places if known_us else places[:0]))
    ts_us, found = instants(some), [places[:0]]
    for ident, begin, end in runs_of(some):
        since_us, until_us = known_us.get(ident, (0, 0))
        here, there = begin + np.searchsorted(ts_us[begin:end], (since_us, until_us))
        found.append(places[here:there])
    return np.concatenate(found)


def _counts(rows: pa.Table, places: _Places) -> Counter[str]:
    """How many of the rows at some places each point has."""
    counts: Counter[str] = Counter()  # rows of several files are not sorted: a point may have several runs
    for ident, begin, end in runs_of(rows if len(places) == len(rows) else rows.select(["id"]).take(pa.array(places))):
        counts[ident] += end - begin
    return counts


def _by_partition(layout: Layout, rows: pa.Table, young_us: int) -> list[tuple[Partition, pa.Table]]:
    """The rows of each partition, those from `young_us` on by themselves."""
    ts_us = instants(rows)
    found: dict[tuple[str, int, bool], list[list[int]]] = {}
    for ident, begin, end in runs_of(rows):
        first_us, end_us = int(ts_us[begin]), int(ts_us[end - 1]) + 1
        cut_us = min(max(young_us, first_us), end_us)
        for period, start_us, until_us in [*layout.parts(first_us, cut_us), *layout.parts(cut_us, end_us)]:
            here, there = (begin + np.searchsorted(ts_us[begin:end], (start_us, until_us))).tolist()
            slices = found.setdefault((period, layout.bucket(ident), start_us >= young_us), [])
            if slices and slices[-1][1] == here:
                slices[-1][1] = there
            elif here < there:
                slices.append([here, there])
    return [
        (key[:2], pa.concat_tables([rows.slice(here, there - here) for here, there in slices]))
        for key, slices in found.items()
        if slices
    ]


def _rewritten(table: SampleTable, file: DataFile, changed: _Places, values: pa.Table, lost: _Places) -> DataFile:
    """A new file in place of one: the rows of some numbers have others in their place, some are left out."""

    def parts() -> Iterator[pa.Table]:
        for begin, places, rows in read_rows(table.storage, file, None, START_US, END_US):
            here = (changed >= begin) & (changed < begin + len(places))
            numbers = np.arange(rows.num_rows)
            numbers[changed[here] - begin] = rows.num_rows + np.arange(int(here.sum()))
            mine = values.filter(pa.array(here)).cast(ROWS_SCHEMA)
            numbers = np.delete(numbers, lost[(lost >= begin) & (lost < begin + len(places))] - begin)
            if here.any() or len(numbers) < rows.num_rows:
                rows = pa.concat_tables([rows, mine]).unify_dictionaries().take(pa.array(numbers))
            yield rows

    return written(table.storage, file.partition, parts())


@dataclass(frozen=True, slots=True)
class _Difference:
    """Rows by their places: the `new` ones of the given table, of changed samples the pair, of the `gone` the old."""

    new: _Places
    changed_old: _Places
    changed_new: _Places
    gone: _Places


def _difference(old: pa.Table, new: pa.Table, *, nan_is_na: bool) -> _Difference:
    """Compare two tables of samples, where NaN equals NaN; with `nan_is_na` NA too, as pandas has one missing for both.

    The new one has an instant of a point once. Where another program put it twice into the old one, all but the last
    are gone.
    """
    count = old.num_rows
    if not count:
        none = np.empty(0, np.int64)
        return _Difference(np.arange(new.num_rows), none, none, none)
    both = pa.concat_tables([old.cast(ROWS_SCHEMA), new.cast(ROWS_SCHEMA)]).unify_dictionaries().combine_chunks()
    owner, text, unit = (_codes(both.column(name)) for name in ("id", "text", "unit"))
    ts_us = instants(both)
    order = np.lexsort((ts_us, owner))  # stable, so the old row of an instant comes before the new one
    is_twin = (np.diff(owner[order]) == 0) & (np.diff(ts_us[order]) == 0) & (order[1:] >= count)
    is_alone = ~(np.append(is_twin, False) | np.append(False, is_twin))
    alone, a, b = order[is_alone], order[:-1][is_twin], order[1:][is_twin]
    value, no_value = both.column("value").to_numpy(), bools_of(both.column("value").is_null())
    # Null is NaN in NumPy.
    same = (value[a] == value[b]) | (np.isnan(value[a]) & np.isnan(value[b]) & (no_value[a] == no_value[b]))
    same &= (text[a] == text[b]) & (unit[a] == unit[b])
    is_missing = np.isnan(value) & (text < 0)
    differs = ~(same | (is_missing[a] & is_missing[b] & nan_is_na))
    return _Difference(
        new=np.sort(alone[alone >= count]) - count,  # codes are not in the order of their texts
        changed_old=a[differs],
        changed_new=b[differs] - count,
        gone=alone[alone < count],
    )


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Numbers for texts, the same for the same text; -1 for null."""
    codes: npt.NDArray[np.int32] = column.combine_chunks().indices.fill_null(-1).to_numpy()
    return codes
