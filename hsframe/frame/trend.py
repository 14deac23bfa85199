"""Histories to frames: one index, one column per point.

An index is built once, from epoch microseconds in UTC; its zone is a label put on afterwards, so the hour that a
clock repeats and the hour that it skips cannot go wrong. What is already in order is neither sorted nor copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Any, Final, Literal, get_args, overload
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from hsframe.arrays import Bools, Instants, Places
from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ZoneWarning, check_choice
from hsframe.frame.flags import flag_label
from hsframe.frame.histories import History, places_in, union_of
from hsframe.frame.in_units import Units, check_units, in_units, targets_in_units
from hsframe.frame.labels import Header, column_index, labels_of, levels_of
from hsframe.frame.points import ColumnLabel, Point, attach
from hsframe.frame.read_rows import ReadRows, note_rows
from hsframe.frame.reads import note_reads
from hsframe.frame.stamps import Label, ends_of, stamped
from hsframe.frame.tidy import tidy_frame, tidy_table
from hsframe.frame.tracks import Track, reads_of_tracks, tracks_of, warn_of_values
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units import convertible
from hsframe.units.systems import system_of
from hsframe.zones import haystack_name, zone, zone_key

Shape = Literal["wide", "tidy", "dict"]
Missing = Literal["nan", "flag"]

# A wide frame of more bytes than a laptop spares without a thought, of whose cells fewer than this share are samples,
# is more likely an accident than a wish.
_LARGE_BYTES: Final = 1 << 30
_LEAST_FILL: Final = 0.1
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
TIMES_OF_TEXT: Final = (
    "a CSV file has its times as texts: make them times again with "
    "df.set_axis(pd.to_datetime(df.index, utc=True).tz_convert('America/New_York'), axis=0)"
)


@overload
def trend_frame(histories: Iterable[History], *, tz: str | tzinfo = ...) -> pd.DataFrame: ...
@overload
def trend_frame(
    histories: Iterable[History],
    *,
    header: Header = ...,
    shape: Shape,
    tz: str | tzinfo = ...,
    units: Units = ...,
    na: Missing = ...,
    label: Label = ...,
    names: Mapping[str, ColumnLabel] | None = ...,
) -> pd.DataFrame | dict[str, pd.DataFrame]: ...
def trend_frame(
    histories: Iterable[History],
    *,
    header: Header = "dis",
    shape: Shape = "wide",
    tz: str | tzinfo = "point",
    units: Units = "native",
    na: Missing = "nan",
    label: Label = "start",
    names: Mapping[str, ColumnLabel] | None = None,
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """The frame of some histories, in the order of its columns; all settings are those of `AsyncSession.his_read`.

    Several histories of one point are its windows, in order: of equal instants the last row wins, in one window as
    across them. How often the values differed is in the catalog.

    `shape` is ``"wide"``: index ``ts``, ``datetime64[us, zone]``, strictly increasing, the union of all instants; one
    column per point (dtypes: :mod:`hsframe.frame.values`); ``"tidy"``: one row per sample
    (:mod:`hsframe.frame.tidy`), for which no `header` is taken; or ``"dict"``: label to the wide frame of that point
    alone, in its own zone. `tz` is ``"point"``, a Haystack name, an IANA id or a ``ZoneInfo``. `names` are the labels
    by id, where they have been made of the header already.
    """
    check_settings(header=header, shape=shape, tz=tz, units=units, na=na, label=label)
    if shape == "tidy" and na != "flag":  # null is no sample; with flags it shows where an answer had one
        histories = [replace(history, sparse=True) for history in histories]
    tracks = tracks_of(histories, drop_null=shape != "wide", flags=na == "flag")
    warn_of_values(tracks)
    if tz == "local" or label != "start":
        tracks = stamped(tracks, label, local=tz == "local")
    points = {track.point.id or id(track): track.point for track in tracks}
    by_point: Mapping[Any, ColumnLabel] = names or dict(
        zip(points, labels_of(list(points.values()), "id" if shape == "tidy" else header), strict=True)
    )
    labels = [by_point[track.point.id or id(track)] for track in tracks]
    if na == "flag" and shape != "tidy" and (clash := {flag_label(label) for label in labels}.intersection(labels)):
        raise MetadataError(f"a point is called {clash.pop()!r}, as a column of flags would be; use header='id'")
    _convert(tracks, labels, units)
    if shape == "dict":
        own: dict[Any, list[Track]] = {}
        for name, track in zip(labels, tracks, strict=True):
            own.setdefault(name, []).append(track)
        return {
            name: _wide(some, [name] * len(some), _index_zone([some[0].point], tz), label, header)
            for name, some in own.items()
        }
    index_zone = _index_zone(list(points.values()), tz, "column ts" if shape == "tidy" else "its index")
    if shape == "wide" or index_zone is None:
        return _wide(tracks, labels, index_zone, label, header)
    df = tidy_frame(tidy_table(tracks, [*map(str, labels)]), index_zone)
    _attach(df, tracks, labels)
    return df


def _convert(tracks: Sequence[Track], labels: Sequence[ColumnLabel], units: Units) -> None:
    """Put the values into the units that are wanted; of several columns of a point those that convert, one at least."""
    targets = targets_in_units(units, [track.point for track in tracks], labels, [track.array for track in tracks])
    wanted = [(track, label, to) for track, label, to in zip(tracks, labels, targets, strict=True) if to is not None]
    some = {label for track, label, target in wanted if _converts(track, target)}
    for track, label, target in wanted:
        if label not in some or _converts(track, target):
            track.array = in_units(track.array, target, label)


def _converts(track: Track, target: str) -> bool:
    unit = unit_of_dtype(track.array.dtype)
    return system_of(target) is not None or (unit is not None and convertible(unit, target))


def check_settings(
    *, header: Header, shape: Shape, tz: str | tzinfo, units: Units, na: Missing, label: Label = "start"
) -> None:
    """Refuse what :func:`trend_frame` would, by the same errors, as far as that shows without histories."""
    if shape not in ("wide", "tidy", "dict"):
        raise MetadataError(f"shape={shape!r} is unknown; expected 'wide', 'tidy' (long: a row per sample) or 'dict'")
    check_choice("na", na, get_args(Missing))
    levels_of(header)
    _index_zone([], tz)
    check_choice("label", label, get_args(Label))
    if shape == "tidy" and header not in ("dis", "id"):
        raise MetadataError(
            f"header={header!r} names columns, and a tidy frame has a row per sample, whose point is its id; add names "
            "from the records, as in df.merge(points[['id', 'navName']], on='id') with points = read(...)"
        )
    if shape == "tidy" and (tz == "local" or label == "both"):
        raise MetadataError("a tidy row has one instant as its time; tz='local' and label='both' are for wide frames")
    check_units(units)


def _index_zone(points: Sequence[Point], tz: str | tzinfo, times: str = "its index") -> ZoneInfo | None:
    """The zone of an index; None for local wall times, which have none."""
    return None if tz == "local" else index_zone_of(points, tz, times=times)


def index_zone_of(points: Sequence[Point], tz: str | tzinfo, *, times: str | None = "its index") -> ZoneInfo:
    """The zone that some points share; UTC of several, with a ZoneWarning that the `times` of a frame have it."""
    if isinstance(tz, ZoneInfo):
        return tz
    if isinstance(tz, tzinfo):
        return zone(haystack_name(tz))
    if tz == "local":
        raise MetadataError(
            "tz='local' is for his_read with interval= of a day or more: the wall times of samples are no instants, "
            "since a clock that is set back shows 01:00 twice; take tz='point' or a zone, or "
            "matrix(..., index='local'), which gives hours by each site's own clock"
        )
    if tz != "point":
        return zone(tz)
    names = sorted({point.tz for point in points if point.tz is not None})
    keys = {zone_key(name) for name in names}
    if len(keys) > 1 and times is not None:
        message = (
            f"the points are in {len(keys)} time zones ({', '.join(names)}), so their one frame has "
            f"{times} in UTC; choose a zone with tz='New_York' (say), or say tz='UTC'"
            + ", or take one frame a point, each in its own zone, with shape='dict'; tz='local' has days and months of "
            "each zone side by side, as index='local' has them in matrix()" * (times == "its index")
        )
        warn_caller(message, ZoneWarning, message)  # once a server: the next read of the same points says nothing new
    return zone(keys.pop() if len(keys) == 1 else "UTC")


def time_index(ts_us: Instants, index_zone: tzinfo | None, name: str | None = "ts") -> pd.DatetimeIndex:
    """The index of instants: ``datetime64[us, zone]``, made of the integers, shown in `index_zone`; naive for None."""
    if index_zone is None:
        return pd.DatetimeIndex(ts_us.view("M8[us]"), name=name)
    # Integers under a dtype with a zone are instants, in the dtype's unit: no wall clock is looked at, nothing copied.
    return pd.DatetimeIndex(ts_us, dtype=pd.DatetimeTZDtype("us", index_zone), name=name, copy=False)


def is_of_text(index: pd.Index) -> bool:
    """Whether an index has times as texts, as a CSV file gives them; also in one of its levels."""
    cells = index[0] if isinstance(index, pd.MultiIndex) and len(index) else index[:1]
    return any(isinstance(cell, str) and _DATE.match(cell) for cell in cells)


def check_times(index: pd.DatetimeIndex) -> None:
    """Refuse a row without a time."""
    if index.hasnans:
        raise MetadataError(
            f"row {index.isna().argmax()} has no time (NaT): leave such rows out, as with df[df.index.notna()]"
        )


def in_order_of_time(df: pd.DataFrame) -> pd.DataFrame:
    """The rows by time, the first level of their index; as they are where that is none.

    A MetadataError where a row has no time.
    """
    index = df.index.get_level_values(0)
    if not isinstance(index, pd.DatetimeIndex) or index.is_monotonic_increasing:
        return df
    check_times(index)
    if index.is_monotonic_decreasing and index.is_unique:
        return df.iloc[::-1]  # with the freq that rows of pandas have
    return df.iloc[np.argsort(index.asi8, kind="stable")]


def _wide(
    tracks: Sequence[Track], labels: Sequence[ColumnLabel], index_zone: ZoneInfo | None, label: Label, header: Header
) -> pd.DataFrame:
    distinct, which = _distinct([track.ts_us for track in tracks])
    union = union_of(distinct)
    _check_size(union, distinct, tracks)
    places = [places_in(union, ts_us) for ts_us in distinct]
    levels = list(dict.fromkeys(name for track in tracks if track.over for name, _ in track.over.levels))
    arrays: list[Any] = []
    keys: list[tuple[str, ...]] = []
    for name, track, vector in zip(labels, tracks, which, strict=True):
        place = places[vector]
        arrays.append(track.array if place is None else _take(track.array, place))
        below = dict(track.over.levels) if track.over else {}
        keys.append((*_parts(name), *(below.get(level, "") for level in levels)))
        if track.flags is not None:
            arrays.append(track.flags if place is None else _take(track.flags, place))
            keys.append(_parts(flag_label(name)))
    # Plain columns are put into one block, which pandas wants when there are many; one alone needs no copy.
    plain = sum(isinstance(array, np.ndarray) for array in arrays)
    index: pd.Index = time_index(union, index_zone)
    if label == "both":
        ends = time_index(ends_of(union, tracks, local=index_zone is None), index_zone, "end")
        index = pd.MultiIndex.from_arrays([index.rename("start"), ends])
    df = pd.DataFrame(dict(enumerate(arrays)), index=index, copy=plain > 1)
    df.columns = column_index(keys, header, levels)
    _attach(df, tracks, labels)
    if not any(track.over for track in tracks):
        note_rows(df, _read_rows(union, tracks, [places[vector] for vector in which]))
    return df


def _read_rows(union: Instants, tracks: Sequence[Track], places: Sequence[Places | None]) -> ReadRows:
    samples, missing = dict[str, Bools](), dict[str, Bools]()
    for track, place in zip(tracks, places, strict=True):
        has = ~np.asarray(pd.isna(track.array), dtype=bool)
        for found, rows in ((samples, has), (missing, track.missing)):
            if rows is not None:
                found[track.point.id] = rows if place is None else np.append(rows, False)[place]
    return ReadRows.of(union, samples, missing)


def _parts(label: ColumnLabel) -> tuple[str, ...]:
    return label if isinstance(label, tuple) else (label,)


def _attach(df: pd.DataFrame, tracks: Sequence[Track], labels: Sequence[ColumnLabel]) -> None:
    points = {
        label: track.over.point if track.over and track.over.levels else track.point
        for label, track in zip(labels, tracks, strict=True)
    }
    differing = {label: track.differing for label, track in zip(labels, tracks, strict=True) if track.differing}
    attach(df, points, differing=differing)
    note_reads(df, reads_of_tracks(tracks))


def _check_size(union: Instants, distinct: Sequence[Instants], tracks: Sequence[Track]) -> None:
    """Refuse a frame that is large because each point has instants of its own: nearly all of it would be missing.

    Points of one clock are never refused, however many and whatever their intervals: there the instants of the densest
    are nearly all that there are.
    """
    cells, samples = len(union) * len(tracks), sum(len(track.ts_us) for track in tracks)
    own = len(union) - max((len(ts_us) for ts_us in distinct), default=0)
    if cells * 8 <= _LARGE_BYTES or samples >= _LEAST_FILL * cells or own <= _LEAST_FILL * len(union):
        return
    raise MetadataError(
        f"one frame of {len(tracks)} points, most with instants of their own, would have {len(union):,} rows and take "
        f"{cells * 8 / (1 << 30):,.1f} GiB ({cells * 8:,} bytes) for {samples:,} samples; read a row per sample with "
        "shape='tidy', a frame per point with shape='dict', or values at common times with interval='15min' (say)"
    )


def _distinct(vectors: Sequence[Instants]) -> tuple[list[Instants], list[int]]:
    """The different time vectors, and which of them each is."""
    distinct: list[Instants] = []
    numbers: dict[int, int] = {}
    by_ends: dict[tuple[int, ...], list[int]] = {}
    for ts_us in {id(ts_us): ts_us for ts_us in vectors}.values():
        alike = by_ends.setdefault((len(ts_us), *ts_us[:1].tolist(), *ts_us[-1:].tolist()), [])
        number = next((other for other in alike if np.array_equal(distinct[other], ts_us)), len(distinct))
        if number == len(distinct):
            distinct.append(ts_us)
            alike.append(number)
        numbers[id(ts_us)] = number
    return distinct, [numbers[id(ts_us)] for ts_us in vectors]


def _take(array: Any, places: Places) -> Any:
    """The cells at some places, missing for -1; counts stay whole numbers."""
    if array.dtype.kind == "i" and not isinstance(array.dtype, pd.Int64Dtype):
        array = pd.array(array, dtype="Int64")
    return pd.api.extensions.take(array, places, allow_fill=True)
