"""What a frame was read from, as what, and with which outcome for each point.

All is in the catalog (:mod:`hsframe.frame.points`), so it goes where attrs go, and but for the outcomes into Parquet::

    {"source": {"kind": "server", "uri": "http://127.0.0.1:8080/api", "version": None,
                "start": "2026-01-01T05:00:00+00:00", "end": "2026-02-01T05:00:00+00:00", "at": ...,
                "requests": 3, "bytes": 51234, "seconds": 0.8},
     "reads": {id: {"aggs": {"delta": "kWh"}, "spans": [(start, end, firsts, lasts)], "rows": 96,
                   "missing": 0}}}

Times of the reads are epoch microseconds, of local time those that it would be in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from hsframe.arrays import Bools, Instants
from hsframe.errors import MetadataError
from hsframe.frame.histories import History
from hsframe.frame.points import ColumnLabel, label_index, label_key, label_of, note, noted, points_of
from hsframe.frame.values import null_mask

_READS: Final = "reads"
_SOURCE: Final = "source"

_SOURCE_FIELDS: Final = {
    **{"kind": str, "uri": str, "version": int | None, "start": str | None, "end": str | None},
    **{"at": str, "requests": int, "bytes": int, "seconds": int | float},
}
_OF_ONE: Final = ("kind", "uri", "version")

_CHECKSUMS: Final = 1 << 62
_OUTCOMES: Final = "read"
_COUNTS = ("rows", "differing", "spikes")
_STATUSES = {"ok": 1, "unread": 2, "empty": 3}  # of several reads of a point; all others are failures, and come first

# The aggregations whose values could be samples of the point.
_LIKE_SAMPLES: Final = frozenset({"mean", "avg", "min", "max", "step", "linear", "first", "last"})
_Ends: TypeAlias = "tuple[int | None, ...]"
_Span: TypeAlias = "tuple[int, int, _Ends, _Ends]"

# What this program has read of points that is no sample of theirs, in words: by id, and by label if that is an id with
# its @. pandas drops the note of a frame in many operations, and any session may write back what is from another one,
# an archive or a file.
_MADE: Final[dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a point.

    `aggs` has the unit of the values for each aggregation; of samples there is none. Each of `spans` is half-open, of
    intervals from the first row to the last that was over at the present of the read; and then the first and the last
    rows with a value, or None, of each of its columns. They are in order, and those that touch are one. `rows` is how
    many values there were, None where that is not known: a frame that has fewer has lost some since. `missing` is the
    checksum of the instants of samples without a value, NA or NaN, None where that is not known: in a wide frame from a
    file nothing else tells them from the holes of other columns.
    """

    aggs: Mapping[str, str | None] = field(default_factory=dict)
    spans: tuple[_Span, ...] = ()
    rows: int | None = None
    missing: int | None = None

    @property
    def made(self) -> str:
        """The aggregations whose values are no samples of the point, in words; empty without any."""
        amounts = [agg for agg in self.aggs if agg not in _LIKE_SAMPLES]
        return f"the {' and '.join(amounts)} over intervals" if amounts else ""

    def parts(self, ts_us: Instants) -> list[tuple[Read, Instants]]:
        """What was read in each span, and those instants of a column that are of it."""
        if len(self.spans) < 2:
            return [(self, ts_us)]
        own = np.split(ts_us, np.searchsorted(ts_us, [extent(span)[0] for span in self.spans[1:]]))
        return [(Read(self.aggs, (span,)), part) for span, part in zip(self.spans, own, strict=True)]

    def has(self, ts_us: Instants) -> Bools:
        """Which instants are of one of the spans; a note may be that of one of several frames alone."""
        ends_us = np.sort(np.array([extent(span) for span in self.spans], np.int64).reshape(-1, 2), axis=0)
        return np.searchsorted(ends_us[:, 0], ts_us, side="right") > np.searchsorted(ends_us[:, 1], ts_us, side="right")

    def known_from(self, ts_us: Instants) -> tuple[int | None, int | None]:
        """From where up to where nothing is unknown, of a column in one span; None on a side that was cut.

        Whether it was cut is told by its first and last value alone, so never by the columns beside it.
        """
        start_us, end_us, firsts_us, lasts_us = self.spans[0] if self.spans else (0, 0, (), ())
        first, last = (int(ts_us[0]), int(ts_us[-1])) if len(ts_us) else (None, None)
        return start_us if first in firsts_us else None, end_us if last in lasts_us else None


def checksum(ts_us: Instants, value: int = 0) -> int:
    """The checksum of instants in any order, after those of `value`; 0 of none.

    It is a sum of hashes, so that two groups add up, of 62 bits, which each JSON and Parquet reader has as a number.
    """
    return (value + int(pd.util.hash_array(ts_us).sum(dtype=np.uint64))) % _CHECKSUMS if len(ts_us) else value


def extent(span: _Span) -> tuple[int, int]:
    """From where up to where a span has samples; those around it, of boundary=, show that there is none between."""
    start_us, end_us, firsts_us, lasts_us = span
    known = [us for us in (*firsts_us, *lasts_us) if us is not None]
    return min([start_us, *known]), max([end_us, *(us + 1 for us in known)])


def note_reads(df: pd.DataFrame, reads: Mapping[str, Read | Mapping[str, Any]] | None) -> None:
    """Put into a frame's catalog what was read, or the entry of another one; only the attrs change."""
    if reads:
        found = {ident: _read_of(ident, one) for ident, one in reads.items()}
        note(df, _READS, {ident: asdict(one) for ident, one in found.items()})
        remember(df, {ident: one.made for ident, one in found.items() if one.made})


def remember(df: pd.DataFrame, made: Mapping[str, str]) -> None:
    """Remember what the values of some points in a frame are that are no samples of theirs, in words by id."""
    _MADE.update(made)
    labels = points_of(df).items() if made else ()
    _MADE.update((str(label), made[one.id]) for label, one in labels if one.id in made and str(label).startswith("@"))


def made_of(ident: str) -> str:
    """What this program has read of a point that is no sample of it, in words; of its id, or of a label with its @."""
    return _MADE.get(ident, "")


def reads_of(df: pd.DataFrame) -> dict[str, Read]:
    """What the catalog of a frame says was read of its points, by their ids."""
    return {ident: _read_of(ident, entry) for ident, entry in (noted(df, _READS) or {}).items()}


def amount_in(df: pd.DataFrame) -> str:
    """The first values of a frame that are no samples of their point, in words; empty without any."""
    return next((f"{one.made} of the point @{ident}" for ident, one in reads_of(df).items() if one.made), "")


def _read_of(ident: str, entry: Any) -> Read:
    """A read, or that of an entry, of which JSON has made lists; what else is in it is passed over."""
    match entry:
        case Read():
            return entry
        case {"aggs": {**aggs}, "spans": [*spans]}:
            found = [_span_of(span) for span in spans]
            if {type(unit) for unit in aggs.values()} <= {str, type(None)} and None not in found:
                rows = entry["rows"] if isinstance(entry.get("rows"), int) else None
                missing = entry["missing"] if isinstance(entry.get("missing"), int) else None
                return Read(entry["aggs"], tuple(span for span in found if span), rows, missing)
    raise MetadataError(f"the note of what was read of the point @{ident} has not its 'aggs' and 'spans': {entry!r}")


def _span_of(entry: Any) -> _Span | None:
    match entry:
        case [int(start_us), int(end_us), [*firsts_us], [*lasts_us]]:
            if {type(us) for us in (*firsts_us, *lasts_us)} <= {int, type(None)}:
                return start_us, end_us, tuple(firsts_us), tuple(lasts_us)
    return None


def united_reads(frames: Iterable[pd.DataFrame], reach_us: float = 0) -> dict[str, Read]:
    """What was read in some frames together; rows of intervals that begin `reach_us` from one another touch."""
    found: dict[str, Read] = {}
    for df in frames:
        for ident, one in reads_of(df).items():
            found[ident] = _united(found[ident], one, reach_us) if ident in found else one
    return found


def _united(one: Read, other: Read, reach_us: float) -> Read:
    if one == other:  # two parts of one read
        return one
    # Where one has fewer columns, nothing tells where another was cut.
    if not one.spans or not other.spans or list(one.aggs) != list(other.aggs):
        return Read({**one.aggs, **other.aggs})
    spans: list[_Span] = []
    for span in sorted([*one.spans, *other.spans], key=extent):
        if spans and extent(span)[0] <= extent(spans[-1])[1] + max(reach_us - 1, 0):
            spans[-1] = _joined(spans[-1], span)
        else:
            spans.append(span)
    # What both have counts twice, and so seems to be lost: whoever adds the frame reads it once more.
    rows = None if one.rows is None or other.rows is None else one.rows + other.rows
    missing = None if one.missing is None or other.missing is None else (one.missing + other.missing) % _CHECKSUMS
    return Read(one.aggs, tuple(spans), rows, missing)


def _joined(one: _Span, other: _Span) -> _Span:
    (start_us, end_us, *ends), (other_start_us, other_end_us, *other_ends) = one, other
    firsts, lasts = (
        tuple(pick((us for us in pair if us is not None), default=None) for pair in zip(own, others, strict=False))
        for pick, own, others in zip((min, max), ends, other_ends, strict=True)
    )
    first_us, spans = min(start_us, other_start_us), ((start_us, end_us), (other_start_us, other_end_us))
    last_us = max((end for start, end in spans if end > start), default=first_us)  # an empty one reaches nowhere
    return first_us, last_us, firsts, lasts


def note_source(df: pd.DataFrame, entry: Mapping[str, Any] | None) -> None:
    """Put into a frame's catalog what it was read from; only its attrs change."""
    if entry is not None:
        known = entry if isinstance(entry, Mapping) else {}
        spans = known.get("spans", ())
        are_spans = isinstance(spans, list | tuple) and all(list(map(type, span)) == [str, str] for span in spans)
        if not are_spans or not all(isinstance(known.get(name, ...), kind) for name, kind in _SOURCE_FIELDS.items()):
            raise MetadataError(
                f"the note of what a frame was read from must have {', '.join(_SOURCE_FIELDS)}; got {entry!r}"
            )
        more = {"spans": tuple(map(tuple, spans))} if spans else {}
        note(df, _SOURCE, {name: entry[name] for name in _SOURCE_FIELDS} | more)


def source_of(df: pd.DataFrame) -> Mapping[str, Any] | None:
    """What a frame was read from; None where that is not known."""
    return noted(df, _SOURCE)


def read_at_us(df: pd.DataFrame) -> int:
    """The instant of the read of a frame, in epoch microseconds; where that is not known, the end of time."""
    source = source_of(df)
    return int(np.iinfo(np.int64).max) if source is None else pd.Timestamp(source["at"]).value // 1000


def source_text(df: pd.DataFrame) -> str:
    """What a frame was read from and when, in words for people; empty where that is not known."""
    if (known := source_of(df)) is None:
        return ""
    version = "" if known["version"] is None else f", version {known['version']}"
    return f"{known['kind']} {known['uri']}{version}, read {known['at'][:16].replace('T', ' ')} UTC"


def united_source(frames: Iterable[pd.DataFrame]) -> Mapping[str, Any] | None:
    """What some frames together were read from; None where it was not one server, or one version of an archive."""
    entries = [source_of(df) or {} for df in frames]
    if not all(entries) or any(one[name] != entries[0][name] for one in entries for name in _OF_ONE):
        return None
    united = {name: sum(one[name] for one in entries) for name in ("requests", "bytes", "seconds")}
    for name, pick in (("start", min), ("end", max), ("at", max)):  # in UTC, so the order of texts is that of times
        values = [one[name] for one in entries]
        united[name] = None if None in values else pick(values)
    return {**entries[0], **united, "spans": _separate(entries)}


def _separate(entries: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The spans of some sources, those that touch as one; none where that is all, or where one has no end."""
    found: list[tuple[str, str]] = []
    spans = [span for one in entries for span in one.get("spans", ((one["start"], one["end"]),))]
    for start, end in sorted(map(tuple, spans)) if all(map(all, spans)) else ():
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found) if len(found) > 1 else ()


def outcomes_of(
    labels: Mapping[str, ColumnLabel],
    histories: Iterable[History],
    failures: Mapping[str, str],
    differing: Mapping[str, int],
) -> dict[str, dict[str, Any]]:
    """The outcome for each point, by what stands for its label in the catalog.

    `labels` are by id, in order, `failures` the reason why an id could not be read, and `differing` how many samples at
    a repeated instant had another value than the one that was kept.
    """
    parts: dict[str, list[History]] = {}
    for history in histories:
        parts.setdefault(history.point.id, []).append(history)
    rows = {ident: _rows(own) for ident, own in parts.items() if ident not in failures}
    return {
        label_key(label): {
            "id": ident,
            "rows": rows.get(ident, 0),
            "status": "failed" if ident in failures else "ok" if rows.get(ident) else "empty",
            "reason": failures.get(ident),
            "differing": differing.get(label_key(label), 0),
            "spikes": sum(one.over.spikes for one in parts.get(ident, ()) if one.over),
        }
        for ident, label in labels.items()
    }


def _rows(parts: Sequence[History]) -> int:
    """The instants of a point at which there is a sample, NA being one."""
    times = [part.ts_us[~null_mask(part.values)] if part.sparse else part.ts_us for part in parts]
    ts_us = times[0] if len(times) == 1 else np.concatenate(times)
    return len(ts_us) if bool(np.all(ts_us[1:] > ts_us[:-1])) else len(np.unique(ts_us))


def note_outcomes(df: pd.DataFrame, outcomes: Mapping[str, Any]) -> None:
    """Put the outcomes of a read into a frame's catalog; only its attrs change."""
    note(df, _OUTCOMES, outcomes)


def outcomes_in(df: pd.DataFrame) -> Mapping[str, Mapping[str, Any]]:
    """The outcomes that :func:`note_outcomes` put into a frame; a MetadataError where there are none."""
    if (outcomes := noted(df, _OUTCOMES)) is None:
        raise MetadataError(
            "the frame does not know how it was read: it is not from his_read, or is from a file, or was put together "
            "with such a frame, or an operation of pandas dropped its attrs; take df.hs.catalog from the frame that "
            "his_read gave"
        )
    return outcomes


def united_outcomes(frames: Iterable[pd.DataFrame]) -> dict[str, Any] | None:
    """The outcomes of the reads of some frames together: counts added, and a failure stands.

    None where a frame has no outcomes, or where a label, or a cell of a matrix, is another one in two.
    """
    united: dict[str, dict[str, Any]] = {}
    for df in frames:
        for key, row in (noted(df, _OUTCOMES) or {"": {}}).items():
            one = united.get(key, {})
            if not row or (one and any(one.get(name) != row.get(name) for name in ("id", "role", "group"))):
                return None
            first = min((one or row, row), key=lambda some: _STATUSES.get(some.get("status"), 0))
            reason = first.get("reason") or one.get("reason") or row.get("reason")
            united[key] = {
                **first,
                "reason": reason,
                **{count: one.get(count, 0) + row.get(count, 0) for count in _COUNTS},
            }
    return united


def outcomes_table(df: pd.DataFrame) -> pd.DataFrame:
    """What ``df.hs.catalog`` gives."""
    outcomes = outcomes_in(df)
    rows = list(outcomes.values())
    columns: dict[str, Any] = {}
    for name in ("id", "rows", "status", "reason", "differing", "spikes"):
        # A cell of a matrix without a point has no counts.
        cells = [row.get(name, 0) for row in rows]
        columns[name] = np.array(cells, dtype=np.int64) if name in _COUNTS else pd.array(cells, dtype="str")
    index = label_index([*map(label_of, outcomes)], df.columns)
    if rows and "role" in rows[0]:
        levels = {name: pd.array([row[name] for row in rows], dtype="str") for name in ("role", "group")}
        index = pd.MultiIndex.from_frame(pd.DataFrame(levels))
    return pd.DataFrame(columns, index=index)
