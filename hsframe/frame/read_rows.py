"""The rows of a read, as a frame remembers them: where each point had a sample, and where NA, whatever pandas does.

They are beside the content of the catalog (:mod:`hsframe.frame.points`), so they go where attrs go, a pickle too, but
not into a file: a frame that comes from one has them where it is as whole as its note says that the read was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.flags import FLAG_DTYPE, flag_label
from hsframe.frame.histories import Instants, union_of
from hsframe.frame.points import ATTRS_KEY, Point, PointCatalog, attach, column_points, listed_columns, points_of
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.frame.reads import Read, checksum, reads_of
from hsframe.frame.stamps import interval_of
from hsframe.protocol.answers import named
from hsframe.unit_array.dtype import unit_of_dtype

Mask: TypeAlias = npt.NDArray[np.bool_]
_Bits: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ReadRows:
    """The instants of a read, in order, and by the id of a point in bits at which of them it had a value (`samples`).

    `missing` has those at which it had NA or NaN, of points that have some.
    """

    ts_us: Instants
    samples: Mapping[str, _Bits]
    missing: Mapping[str, _Bits]

    @classmethod
    def of(cls, ts_us: Instants, samples: Mapping[str, Mask], missing: Mapping[str, Mask]) -> ReadRows:
        """By masks of the instants."""
        bits = {ident: np.packbits(rows) for ident, rows in samples.items()}
        return cls(ts_us, bits, {ident: np.packbits(rows) for ident, rows in missing.items() if rows.any()})

    def told(self, idents: Iterable[str], *, values_only: bool = False) -> Mask:
        """At which instants one of some points had a value, or else NA."""
        found = np.zeros(len(self.ts_us), dtype=bool)
        for ident in idents:
            for bits in (self.samples, *[self.missing] * (not values_only)):
                if ident in bits:
                    found |= np.unpackbits(bits[ident], count=len(found)).view(bool)
        return found

    def lost(self, idents: Iterable[str], ts_us: Instants) -> Instants:
        """The instants at which one of some points had a value or NA, without those of `ts_us`, which are in order."""
        told_us = self.ts_us[self.told(idents)]
        return told_us[~are_in(told_us, ts_us)]


def are_in(ts_us: Instants, others_us: Instants) -> Mask:
    """Which of some instants are among others; both are in order."""
    if not len(others_us):
        return np.zeros(len(ts_us), dtype=bool)
    found: Mask = others_us[np.minimum(np.searchsorted(others_us, ts_us), len(others_us) - 1)] == ts_us
    return found


def note_rows(df: pd.DataFrame, rows: ReadRows | None) -> None:
    """Have a frame remember what was read; only its attrs change."""
    df.attrs[ATTRS_KEY] = PointCatalog({**PointCatalog.of({}), **df.attrs.get(ATTRS_KEY, {})}, rows)


def rows_of(df: pd.DataFrame) -> ReadRows | None:
    """What was read, as a frame remembers it; None where it does not."""
    rows = getattr(df.attrs.get(ATTRS_KEY), "rows", None)
    return rows if isinstance(rows, ReadRows) else None


def united_rows(frames: Sequence[pd.DataFrame]) -> ReadRows | None:
    """What was read into some frames together; None where one of them comes from a read that it does not know."""
    if any(map(is_of_unknown_read, frames)):
        return None
    parts = [*{id(rows): rows for df in frames if (rows := rows_of(df)) is not None}.values()]
    if len(parts) < 2:
        return parts[0] if parts else None
    ts_us = union_of([rows.ts_us for rows in parts])
    places = [np.searchsorted(ts_us, rows.ts_us) for rows in parts]

    def united(bits: Sequence[Mapping[str, _Bits]]) -> dict[str, Mask]:
        found: dict[str, Mask] = {}
        for own, where in zip(bits, places, strict=True):
            for ident, packed in own.items():
                mask = found.setdefault(ident, np.zeros(len(ts_us), dtype=bool))
                mask[where] |= np.unpackbits(packed, count=len(where)).view(bool)
        return found

    return ReadRows.of(ts_us, united([rows.samples for rows in parts]), united([rows.missing for rows in parts]))


def rows_of_whole(df: pd.DataFrame) -> ReadRows | None:
    """The rows of a frame that has all that its note says was read of its points; None where that does not show.

    The note has how many values each had, the first and the last of each span, and the checksum of where it had NA.
    """
    points, reads, index, labels = column_points(df), reads_of(df), df.index, [*df.columns]
    if not any(points) or not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        return None
    if not (index.is_monotonic_increasing and index.is_unique):
        return None
    ts_us: Instants = index.as_unit("us").asi8
    is_empty = df.isna().all(axis=1).to_numpy()
    samples, missing = dict[str, Mask](), dict[str, Mask]()
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
        told = [np.zeros_like(has), ~has, is_empty]
        if (flag := flag_label(labels[place])) in labels:
            told = [_is_na(df.iloc[:, labels.index(flag)])]
        na = next((rows for rows in told if checksum(ts_us[rows]) == read.missing), None)
        if na is None:
            return None
        samples[point.id], missing[point.id] = has, na
    return ReadRows.of(ts_us, samples, missing)


def with_points(df: pd.DataFrame, points: Mapping[Any, PointsLike]) -> pd.DataFrame:
    """A frame of one's own with the points that its columns are: it is as a read of these, with all of its rows.

    Methods like ``df.hs.episodes`` go by the records, and need to know which samples there are: of rows with units at
    irregular times, where nothing says it, they warn.

    Parameters
    ----------
    df : DataFrame
        With zone-aware times as its index, in order, each once. A missing value is no sample; it is NA where a column
        ``"<label> [na]"`` says so, as that of ``na="flag"``.
    points : mapping
        For the label of a column the id or the record of its point, as ``{"id": "kw", "hisInterval": Number(15,
        "min")}``. In a column that it does not name numbers are on a line and missing values NA.

    Returns
    -------
    DataFrame
        With these points in place of those that the frame has; the values are the same.

    Raises
    ------
    MetadataError
        The index is another one, there is no such column, or what is given of it is not one point.

    Examples
    --------
    >>> index = pd.DatetimeIndex(["2026-11-02T00:00", "2026-11-02T06:00"], tz="America/New_York")
    >>> df = pd.DataFrame({"setpoint": pd.array([68.0, 70.0], dtype="unit[°F]")}, index)
    >>> df = with_points(df, {"setpoint": {"id": "sp", "kind": "Number", "unit": "°F", "hisMode": "cov"}})
    >>> df.hs.episodes(("setpoint", "<", 69.0))["duration"].tolist()
    [Timedelta('0 days 06:00:00')]
    """
    index = df.index
    if (
        not isinstance(index, pd.DatetimeIndex)
        or index.tz is None
        or not (index.is_monotonic_increasing and index.is_unique)
    ):
        raise MetadataError(
            "the index must be of zone-aware times in order, each once: df.tz_localize(...).sort_index()"
        )
    known: dict[Any, Point] = {}
    samples, missing = dict[str, Mask](), dict[str, Mask]()
    for label, given in points.items():
        if label not in df.columns or len(found := as_points(given)) != 1:
            raise MetadataError(
                f"{label!r} must be a column, and {given!r} one point; the columns are {listed_columns(df)}"
            )
        (known[label],) = found
        ident, column, flags = found[0].id, df[label], df.get(flag_label(label))
        samples[ident] = column.notna().to_numpy(dtype=bool)
        missing[ident] = _is_na(flags) & ~samples[ident] if flags is not None else np.zeros(len(df), dtype=bool)
    result = df.copy(deep=False)
    attach(result, known)
    note_rows(result, ReadRows.of(index.as_unit("us").asi8, samples, missing))
    return result


def _is_na(flags: Any) -> Mask:
    found: Mask = flags.isin(["NA", "NaN"]).to_numpy(dtype=bool)
    return found


def is_of_unknown_read(df: pd.DataFrame) -> bool:
    """Whether a frame shows that it comes from a read, and does not know what that was.

    That is so where it has points and neither the rows of the read nor intervals, or, after ``join`` and the like,
    units, flags or an index called ``ts``. One whose index has a frequency is of regular rows that somebody made.
    """
    if rows_of(df) is not None or interval_of(df) is not None or not len(df):
        return False
    if getattr(df.index, "freq", None) is not None:
        return False
    is_named = df.index.name == "ts" and isinstance(df.index, pd.DatetimeIndex)
    has_trace = any(unit_of_dtype(dtype) is not None or dtype == FLAG_DTYPE for dtype in df.dtypes)
    return is_named or has_trace or bool(points_of(df))


def warn_of_unknown_read(df: pd.DataFrame) -> None:
    """Say of a frame that it does not know its read, and what that means."""
    labels = [repr(label) for label, dtype in df.dtypes.items() if dtype != FLAG_DTYPE]
    warn_caller(
        f"the frame does not know what was read of {named(labels)}, as after join, merge or pd.concat, or where a file "
        "has a part of a read: all missing values count as NA, rows that are not there are not missed, and numbers "
        "without a point are on a line between samples at most three hours apart. Read the points in one his_read, or "
        "put reads together with hsframe.concat([a, b], axis=1); of a frame of your own say what its columns are with "
        "hsframe.with_points(df, {...})",
        ReadWarning,
    )
