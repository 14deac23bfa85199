"""The rows of a read, as a frame remembers them: where each point had a sample, and where NA, whatever pandas does.

They are an attribute of the catalog (:mod:`hsframe.frame.points`), and no entry of it. So they go where attrs go, also
into a pickle, but not into a file: a frame from a file has them again if it has all that was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.arrays import Bools, Instants
from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.flags import FLAG_DTYPE, rows_of_na
from hsframe.frame.histories import union_of
from hsframe.frame.points import ATTRS_KEY, Point, PointCatalog, attach, column_points, listed_columns, points_of
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.frame.reads import Read, checksum, reads_of
from hsframe.frame.stamps import interval_of
from hsframe.protocol.answers import named
from hsframe.unit_array.dtype import unit_of_dtype

_Bits: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ReadRows:
    """The instants of a read, in order, and at which of them each point had a value, by its id, a bit an instant.

    `missing` is the same of NA and NaN, for points that had some.
    """

    ts_us: Instants
    samples: Mapping[str, _Bits]
    missing: Mapping[str, _Bits]

    @classmethod
    def of(cls, ts_us: Instants, samples: Mapping[str, Bools], missing: Mapping[str, Bools]) -> ReadRows:
        """From masks of the instants."""
        bits = {ident: np.packbits(rows) for ident, rows in samples.items()}
        return cls(ts_us, bits, {ident: np.packbits(rows) for ident, rows in missing.items() if rows.any()})

    def equals(self, other: ReadRows | None) -> bool:
        """Whether it is the same read."""
        if other is None or not np.array_equal(self.ts_us, other.ts_us):
            return False
        pairs = ((self.samples, other.samples), (self.missing, other.missing))
        return all(a.keys() == b.keys() and all(np.array_equal(a[one], b[one]) for one in a) for a, b in pairs)

    def has(self, idents: Iterable[str], *, values_only: bool = False) -> Bools:
        """At which instants one of some points had a value, or NA."""
        found = np.zeros(len(self.ts_us), dtype=bool)
        for ident in idents:
            for bits in (self.samples,) if values_only else (self.samples, self.missing):
                if ident in bits:
                    found |= np.unpackbits(bits[ident], count=len(found)).view(bool)
        return found

    def lost(self, idents: Iterable[str], ts_us: Instants) -> Instants:
        """The instants at which one of some points had a value or NA, without those of `ts_us`, which are in order."""
        return without(self.ts_us[self.has(idents)], ts_us)


def are_in(ts_us: Instants, others_us: Instants) -> Bools:
    """Which of some instants are among others; both are in order."""
    if not len(others_us):
        return np.zeros(len(ts_us), dtype=bool)
    found: Bools = others_us[np.minimum(np.searchsorted(others_us, ts_us), len(others_us) - 1)] == ts_us
    return found


def without(ts_us: Instants, others_us: Instants) -> Instants:
    """Instants but for those that are among others; both are in order."""
    return ts_us[~are_in(ts_us, others_us)]


def note_rows(df: pd.DataFrame, rows: ReadRows) -> None:
    """Have a frame remember what was read; only its attrs change."""
    df.attrs[ATTRS_KEY] = PointCatalog({**PointCatalog.of({}), **df.attrs.get(ATTRS_KEY, {})}, rows)


def rows_of(df: pd.DataFrame | pd.Series[Any]) -> ReadRows | None:
    """What was read, as a frame or a column of it remembers it; None where it does not."""
    rows = getattr(df.attrs.get(ATTRS_KEY), "rows", None)
    return rows if isinstance(rows, ReadRows) else None


def united_rows(frames: Sequence[pd.DataFrame]) -> ReadRows | None:
    """What was read into some frames together; None where one of them does not know its read, or none has one."""
    if any(map(is_of_unknown_read, frames)):
        return None
    parts = [*{id(rows): rows for df in frames if (rows := rows_of(df)) is not None}.values()]
    if len(parts) < 2:
        return parts[0] if parts else None
    ts_us = union_of([rows.ts_us for rows in parts])
    places = [np.searchsorted(ts_us, rows.ts_us) for rows in parts]

    def united(bits: Sequence[Mapping[str, _Bits]]) -> dict[str, Bools]:
        found: dict[str, Bools] = {}
        for own, where in zip(bits, places, strict=True):
            for ident, packed in own.items():
                mask = found.setdefault(ident, np.zeros(len(ts_us), dtype=bool))
                mask[where] |= np.unpackbits(packed, count=len(where)).view(bool)
        return found

    return ReadRows.of(ts_us, united([rows.samples for rows in parts]), united([rows.missing for rows in parts]))


def rows_of_whole(df: pd.DataFrame) -> ReadRows | None:
    """The rows of a frame that has all that was read of its points; None where its note does not prove that.

    The note has of each how many values it had, the first and the last in each span, and the checksum of where NA was.
    """
    points, reads, ts_us, labels = column_points(df), reads_of(df), _instants_of(df), [*df.columns]
    if not any(points) or ts_us is None:
        return None
    is_empty = df.isna().all(axis=1).to_numpy()
    samples, missing = dict[str, Bools](), dict[str, Bools]()
    for place, point in enumerate(points):
        if point is None:
            continue
        read = reads.get(point.id, Read())
        if read.rows is None or read.missing is None or point.id in samples:
            return None
        has = df.iloc[:, place].notna().to_numpy(dtype=bool)
        ends = [[us[0], us[-1]] if len(us) else [None, None] for _, us in read.parts(ts_us[has])]
        if has.sum() != read.rows or ends != [[*firsts, *lasts] for *_, firsts, lasts in read.spans]:
            return None
        flagged = rows_of_na(df, labels[place])
        candidates = [np.zeros_like(has), ~has, is_empty] if flagged is None else [flagged]
        na = next((rows for rows in candidates if checksum(ts_us[rows]) == read.missing), None)
        if na is None:
            return None
        samples[point.id], missing[point.id] = has, na
    return ReadRows.of(ts_us, samples, missing)


def with_points(df: pd.DataFrame, points: Mapping[Any, PointsLike]) -> pd.DataFrame:
    """A frame of your own, as if its columns had been read as the histories of these points, with all of its rows.

    ``df.hs.episodes``, ``over``, ``resample``, ``integrate`` and ``report`` go by the records of the points, and by the
    samples that were read. They warn of a frame that seems to come from a read, and does not know it.

    Parameters
    ----------
    df : DataFrame
        With zone-aware times as its index, in order, each once. A missing value is no sample; it is NA where a column
        ``"<label> [na]"`` says so, as that of ``na="flag"``.
    points : mapping
        By the label of a column the id or the record of its point, as ``{"id": "kw", "hisInterval": Number(15,
        "min")}``; each column is another point. Of a column that is not named here, numbers are on a line and missing
        values are NA.

    Returns
    -------
    DataFrame
        The same values, with these points in place of those that the frame has.

    Raises
    ------
    MetadataError
        The index is another one; there is no such column, or several; what is given is not one point, or that of
        another column too.

    Examples
    --------
    >>> index = pd.DatetimeIndex(["2026-11-02T00:00", "2026-11-02T06:00"], tz="America/New_York")
    >>> df = pd.DataFrame({"setpoint": pd.array([68.0, 70.0], dtype="unit[°F]")}, index)
    >>> df = with_points(df, {"setpoint": {"id": "sp", "kind": "Number", "unit": "°F", "hisMode": "cov"}})
    >>> df.hs.episodes(("setpoint", "<", 69.0))["duration"].tolist()
    [Timedelta('0 days 06:00:00')]
    """
    if (ts_us := _instants_of(df)) is None:
        raise MetadataError(
            "the index must be of zone-aware times in order, each once and none NaT: df.tz_localize(...).sort_index()"
        )
    known: dict[Any, Point] = {}
    samples, missing = dict[str, Bools](), dict[str, Bools]()
    for label, given in points.items():
        column, found = df.get(label) if isinstance(label, str | tuple) else None, as_points(given)
        if not isinstance(column, pd.Series) or len(found) != 1 or found[0].id in samples:
            raise MetadataError(
                f"{label!r} must be a text that names one column, and {given!r} one point, which no other column is; "
                f"the columns are {listed_columns(df)}"
            )
        (known[label],) = found
        has, flagged = column.notna().to_numpy(dtype=bool), rows_of_na(df, label)
        samples[found[0].id] = has
        if flagged is not None:
            missing[found[0].id] = flagged & ~has
    result = df.copy(deep=False)
    attach(result, known)
    note_rows(result, ReadRows.of(ts_us, samples, missing))
    return result


def _instants_of(df: pd.DataFrame) -> Instants | None:
    """The times of the rows where they have a zone and are in order, each once; else None."""
    index = df.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        return None
    return index.as_unit("us").asi8 if index.is_monotonic_increasing and index.is_unique else None


def is_of_unknown_read(df: pd.DataFrame) -> bool:
    """Whether a frame shows that it comes from a read, and does not know what was read.

    It shows that by points, flags, an index called ``ts``, or by units. But where the index has another name and a
    frequency, and no value is missing, such a frame is somebody's own. Rows of intervals do not need it.
    """
    if rows_of(df) is not None or interval_of(df) is not None or not len(df):
        return False
    is_named = df.index.name == "ts" and isinstance(df.index, pd.DatetimeIndex)
    has_flags = any(dtype == FLAG_DTYPE for dtype in df.dtypes)
    has_units = any(unit_of_dtype(dtype) is not None for dtype in df.dtypes)
    if is_named or has_flags or points_of(df):
        return True
    return has_units and (getattr(df.index, "freq", None) is None or bool(df.isna().to_numpy().any()))


def warn_of_unknown_read(df: pd.DataFrame) -> None:
    """Warn that a frame does not know what was read, and say what that means."""
    labels = [repr(label) for label, dtype in df.dtypes.items() if dtype != FLAG_DTYPE]
    warn_caller(
        f"the frame does not know what was read of {named(labels)}, as after join, merge or pd.concat, or where a file "
        "has a part of a read: all missing values count as NA, rows that were taken out go unnoticed, and "
        "numbers without a point are on a line between samples at most three hours apart. Read the points in one "
        "his_read, or put reads together with hsframe.concat([a, b], axis=1); of a frame of your own say what its "
        "columns are with hsframe.with_points(df, {...})",
        ReadWarning,
    )
