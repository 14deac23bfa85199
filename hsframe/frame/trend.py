"""Histories to frames: one index, one column per point.

An index is built once, from epoch microseconds in UTC; its zone is a label put on afterwards, so the hour that a
clock repeats and the hour that it skips cannot go wrong. What is already in order is neither sorted nor copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Literal, overload
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning, ZoneWarning
from hsframe.frame.flags import FLAG_DTYPE, flag_codes, flag_label
from hsframe.frame.histories import History, Instants, places_in, union_of
from hsframe.frame.in_units import Units, in_units, targets_in_units
from hsframe.frame.points import Point, attach, unique_labels
from hsframe.frame.values import count_differing, kind_of, null_mask, object_array, value_array
from hsframe.kinds import Number
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.zones import haystack_name, zone, zone_key

Header = Literal["dis", "id"] | Callable[[Point], str]
Shape = Literal["wide", "long", "dict"]
Missing = Literal["nan", "flag"]

_COMPARED_ROWS = 1 << 18


@dataclass(slots=True)
class Track:
    """The whole history of one point: instants strictly increasing, and the values as pandas has them."""

    point: Point
    ts_us: Instants
    array: Any
    differing: int = 0
    flags: pd.Categorical | None = None

    def take(self, rows: npt.NDArray[np.intp]) -> Track:
        """The track of some of its rows, in their order."""
        flags = None if self.flags is None else self.flags.take(rows)
        return replace(self, ts_us=self.ts_us[rows], array=self.array.take(rows), flags=flags)


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
) -> pd.DataFrame | dict[str, pd.DataFrame]: ...
def trend_frame(
    histories: Iterable[History],
    *,
    header: Header = "dis",
    shape: Shape = "wide",
    tz: str | tzinfo = "point",
    units: Units = "native",
    na: Missing = "nan",
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """The frame of some histories, in the order of its columns; all settings are those of `AsyncSession.his_read`.

    Several histories of one point are its windows, in order: of equal instants the last row wins, in one window as
    across them. How often the values differed is in the catalog.

    `shape` is ``"wide"``: index ``ts``, ``datetime64[us, zone]``, strictly increasing, the union of all instants; one
    column per point (dtypes: :mod:`hsframe.frame.values`); ``"long"``: columns ``ts``, ``id``, ``dis``, ``value``, one
    row per sample, point by point; or ``"dict"``: label to the wide frame of that point alone, in its own zone. `tz` is
    ``"point"``, a Haystack name, an IANA id or a ``ZoneInfo``.
    """
    check_settings(header=header, shape=shape, tz=tz, units=units, na=na)
    tracks = tracks_of(histories, drop_null=shape != "wide", flags=na == "flag")
    points = [track.point for track in tracks]
    labels = labels_of(points, header)
    if na == "flag" and (clash := {flag_label(label) for label in labels}.intersection(labels)):
        raise MetadataError(f"a point is called {clash.pop()!r}, as a column of flags would be; use header='id'")
    for track, label, target in zip(tracks, labels, targets_in_units(units, points, labels), strict=True):
        if target is not None:
            track.array = in_units(track.array, target, label)
    if shape == "dict":
        return {
            label: _wide([track], [label], index_zone_of([track.point], tz))
            for label, track in zip(labels, tracks, strict=True)
        }
    index_zone = index_zone_of(points, tz)
    return _wide(tracks, labels, index_zone) if shape == "wide" else _long(tracks, labels, index_zone)


def check_settings(*, header: Header, shape: Shape, tz: str | tzinfo, units: Units, na: Missing) -> None:
    """Refuse what :func:`trend_frame` would, by the same errors, as far as that shows without histories."""
    if shape not in ("wide", "long", "dict"):
        raise MetadataError(f"shape={shape!r} is unknown; expected 'wide', 'long' or 'dict'")
    if na not in ("nan", "flag"):
        raise MetadataError(f"na={na!r} is unknown; expected 'nan' or 'flag'")
    labels_of([], header)
    index_zone_of([], tz)
    if not isinstance(units, Mapping):  # its keys name points
        targets_in_units(units, [], [])


def labels_of(points: Sequence[Point], header: Header) -> list[str]:
    """The labels of the columns of some points, all different."""
    if header == "dis":
        names = [point.dis or point.id for point in points]
    elif header == "id":
        names = [point.id or point.dis for point in points]
    elif callable(header):
        names = [header(point) for point in points]
        if bad := next(((p, name) for p, name in zip(points, names, strict=True) if not isinstance(name, str)), None):
            raise MetadataError(f"header gave {bad[1]!r} for {bad[0]}; expected a str")
    else:
        raise MetadataError(f"header={header!r} is unknown; expected 'dis', 'id' or a callable of a Point")
    return unique_labels(points, names)


def tracks_of(histories: Iterable[History], *, drop_null: bool, flags: bool = False) -> list[Track]:
    """The whole history of each point, its windows put together; `drop_null`: rows without a sample are left out."""
    by_point: dict[object, list[History]] = {}
    for history in histories:
        # Columns without an id are each a point of their own.
        by_point.setdefault(history.point.id or id(history), []).append(history)
    # The points of a batch share their instants: look at them once.
    batches: dict[tuple[int, ...], list[list[History]]] = {}
    for parts in by_point.values():
        batches.setdefault(tuple(id(part.ts_us) for part in parts), []).append(parts)
    clocks = {key: _clock(batch, drop_null=drop_null) for key, batch in batches.items()}
    tracks = [
        _track(parts, clocks[tuple(id(part.ts_us) for part in parts)], drop_null=drop_null, flags=flags)
        for parts in by_point.values()
    ]
    _check_numbers(tracks)
    _check_states(tracks)
    return tracks


def _check_numbers(tracks: Sequence[Track]) -> None:
    """Warn of texts among the samples of points whose records say that they are Numbers."""
    found = [track.point for track in tracks if track.point.kind == "Number" and _has_text(track.array)]
    if found:
        names = ", ".join(map(str, found[:3])) + (", ..." if len(found) > 3 else "")
        warn_caller(
            f"{len(found)} points of kind Number have texts among their samples: {names}; their columns are no numbers "
            "and have no unit: have the kind in their records checked, or what writes the texts",
            ReadWarning,
        )


def _check_states(tracks: Sequence[Track]) -> None:
    """Warn of texts that are no states of their points; they are kept, in categories of their own."""
    strange = {
        str(track.point): texts
        for track in tracks
        if isinstance(track.array, pd.Categorical)
        and track.point.states
        and (texts := track.array.categories[len(track.point.states) :].tolist())
    }
    if strange:
        names = "; ".join(f"{name}: {', '.join(map(repr, texts[:5]))}" for name, texts in list(strange.items())[:3])
        warn_caller(
            f"{len(strange)} points have values that the tag enum of their records does not list ({names}); they are "
            "categories after those of the tag: have the tag checked, or what writes the values",
            ReadWarning,
        )


def _has_text(array: Any) -> bool:
    if isinstance(array, pd.Categorical):
        return len(array.categories) > 0
    return array.dtype == object and any(isinstance(cell, str) for cell in array)


@dataclass(frozen=True, slots=True)
class _Clock:
    """The instants of all points of a batch; `kept` are the rows that they were taken from, None for all."""

    ts_us: Instants
    increasing: bool
    kept: npt.NDArray[np.intp] | None = None


def _clock(batch: Sequence[Sequence[History]], *, drop_null: bool) -> _Clock:
    parts = batch[0]
    ts_us = parts[0].ts_us if len(parts) == 1 else np.concatenate([part.ts_us for part in parts])
    if not _increasing(ts_us):
        return _Clock(ts_us, increasing=False)
    if not drop_null and (absent := _rows_without_sample(batch)).any():
        kept = np.flatnonzero(~absent)
        return _Clock(ts_us[kept], increasing=True, kept=kept)
    return _Clock(ts_us, increasing=True)


def _rows_without_sample(batch: Sequence[Sequence[History]]) -> npt.NDArray[np.bool_]:
    """Rows of a batch in which no point has a sample: a frame leaves them out."""
    absent: npt.NDArray[np.bool_] = _no_sample(batch[0])
    for parts in batch[1:]:
        if not absent.any():
            break
        absent = absent & _no_sample(parts)
    return absent


def _no_sample(parts: Sequence[History]) -> npt.NDArray[np.bool_]:
    masks = [null_mask(part.values) if part.sparse else np.zeros(len(part.values), dtype=bool) for part in parts]
    return np.concatenate(masks)


def _increasing(ts_us: Instants) -> bool:
    return bool(np.all(ts_us[1:] > ts_us[:-1]))


def _track(parts: Sequence[History], clock: _Clock, *, drop_null: bool, flags: bool) -> Track:
    point = parts[0].point
    array = value_array([part.values for part in parts], point.unit, point.kind, point.states)
    if point.kind is None:
        # There was no record: only the values tell the unit and kind.
        kind = kind_of(array)
        point = replace(point, kind=kind, unit=point.unit or unit_of_dtype(array.dtype))
    why = None
    if flags:
        codes = np.concatenate([flag_codes(part.values, sparse=part.sparse) for part in parts])
        why = pd.Categorical.from_codes(codes, dtype=FLAG_DTYPE)
    if clock.kept is not None:  # the clock's instants are those of the rows kept, one array for the whole batch
        return Track(point, clock.ts_us, array.take(clock.kept), flags=None if why is None else why.take(clock.kept))
    track, increasing = Track(point, clock.ts_us, array, flags=why), clock.increasing
    if (drop_null or not increasing) and (absent := _no_sample(parts)).any():
        track = track.take(np.flatnonzero(~absent))
        increasing = increasing or _increasing(track.ts_us)
    if increasing:
        return track
    if _increasing(track.ts_us[::-1]):
        # Newest first, as some servers write: turned round, not sorted.
        return track.take(np.arange(len(track.ts_us) - 1, -1, -1))
    order = np.argsort(track.ts_us, kind="stable")
    ts_us = track.ts_us[order]
    last = np.append(ts_us[1:] != ts_us[:-1], True)  # of a run of equal instants
    if not last.all():
        track.differing = _count_lost(track.array, order, last)
    return track.take(order[last])


def _count_lost(array: Any, order: npt.NDArray[np.intp], last: npt.NDArray[np.bool_]) -> int:
    """How many rows that are not the last of their instant have another value than that last one."""
    kept, lost = np.flatnonzero(last), np.flatnonzero(~last)
    differing = 0
    for begin in range(0, len(lost), _COMPARED_ROWS):  # few at a time, for they are copied
        here = lost[begin : begin + _COMPARED_ROWS]
        winner = kept[np.searchsorted(kept, here)]
        differing += count_differing(array, order[here], order[winner])
    return differing


def index_zone_of(points: Sequence[Point], tz: str | tzinfo) -> ZoneInfo:
    """The zone that some points are shown in together; UTC, with a ZoneWarning, where theirs are several."""
    if isinstance(tz, ZoneInfo):
        return tz
    if isinstance(tz, tzinfo):
        return zone(haystack_name(tz))
    if tz != "point":
        return zone(tz)
    names = sorted({point.tz for point in points if point.tz is not None})
    keys = {zone_key(name) for name in names}
    if len(keys) > 1:
        warn_caller(
            f"the points are in {len(keys)} time zones ({', '.join(names)}), so the index of their one frame is UTC; "
            "choose a zone with tz='New_York' (say), or take one frame a point, each in its own zone, with "
            "shape='dict'",
            ZoneWarning,
        )
        return zone("UTC")
    return zone(keys.pop() if keys else "UTC")


def time_index(ts_us: Instants, index_zone: ZoneInfo, name: str | None = "ts") -> pd.DatetimeIndex:
    """The index of instants: ``datetime64[us, zone]``, made of the integers, shown in `index_zone`."""
    # Integers under a dtype with a zone are instants, in the dtype's unit: no wall clock is looked at, nothing copied.
    return pd.DatetimeIndex(ts_us, dtype=pd.DatetimeTZDtype("us", index_zone), name=name, copy=False)


def _wide(tracks: Sequence[Track], labels: Sequence[str], index_zone: ZoneInfo) -> pd.DataFrame:
    distinct, which = _distinct([track.ts_us for track in tracks])
    union = union_of(distinct)
    places = [places_in(union, ts_us) for ts_us in distinct]
    columns = {}
    for label, track, vector in zip(labels, tracks, which, strict=True):
        place = places[vector]
        columns[label] = track.array if place is None else _take(track.array, place)
        if track.flags is not None:
            columns[flag_label(label)] = track.flags if place is None else _take(track.flags, place)
    # Plain columns are put into one block, which pandas wants when there are many; one alone needs no copy.
    plain = sum(isinstance(array, np.ndarray) for array in columns.values())
    index = time_index(union, index_zone)
    df = pd.DataFrame(columns, index=index, columns=pd.Index(list(columns), dtype="str"), copy=plain > 1)
    points = {label: track.point for label, track in zip(labels, tracks, strict=True)}
    attach(df, points, differing=_differing(tracks, labels))
    return df


def _differing(tracks: Sequence[Track], labels: Sequence[str]) -> dict[str, int]:
    return {label: track.differing for label, track in zip(labels, tracks, strict=True) if track.differing}


def _distinct(vectors: Sequence[Instants]) -> tuple[list[Instants], list[int]]:
    """The different time vectors, and which of them each is."""
    distinct: list[Instants] = []
    by_object: dict[int, int] = {}
    by_ends: dict[tuple[int, ...], list[int]] = {}
    which = []
    for ts_us in vectors:
        number = by_object.get(id(ts_us))
        if number is None:
            alike = by_ends.setdefault((len(ts_us), *ts_us[:1].tolist(), *ts_us[-1:].tolist()), [])
            number = next((other for other in alike if np.array_equal(distinct[other], ts_us)), None)
            if number is None:
                number = len(distinct)
                distinct.append(ts_us)
                alike.append(number)
            by_object[id(ts_us)] = number
        which.append(number)
    return distinct, which


def _take(array: Any, places: npt.NDArray[np.intp]) -> Any:
    return pd.api.extensions.take(array, places, allow_fill=True)


def _long(tracks: Sequence[Track], labels: Sequence[str], index_zone: ZoneInfo) -> pd.DataFrame:
    counts = [len(track.ts_us) for track in tracks]
    owner = np.repeat(np.arange(len(tracks)), counts)
    ts_us = np.concatenate([np.empty(0, np.int64), *(track.ts_us for track in tracks)])
    arrays = [track.array for track in tracks]
    columns = {
        "ts": time_index(ts_us, index_zone, name=None),
        "id": _repeated([track.point.id for track in tracks], owner),
        "dis": _repeated([track.point.dis for track in tracks], owner),
        "value": _stacked(arrays),
    }
    if tracks and all(track.flags is not None for track in tracks):
        columns["na"] = _stacked([track.flags for track in tracks])
    df = pd.DataFrame(columns)
    attach(df, {}, differing=_differing(tracks, labels))
    return df


def _repeated(texts: Sequence[str], owner: npt.NDArray[np.intp]) -> pd.Categorical:
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([numbers[text] for text in texts], dtype=np.intp)
    return pd.Categorical.from_codes(codes[owner], categories=pd.Index(list(numbers), dtype="str"))


def _stacked(arrays: Sequence[Any]) -> Any:
    """All values below one another: of one dtype, or object, a Number with its unit in each cell."""
    if not arrays:
        return np.empty(0, dtype=np.float64)
    if all(isinstance(array, pd.Categorical) for array in arrays):
        return pd.api.types.union_categoricals(list(arrays), sort_categories=True)
    if len({str(array.dtype) for array in arrays}) == 1:
        return pd.concat([pd.Series(array) for array in arrays], ignore_index=True).array
    return object_array(cell for array in arrays for cell in _as_kinds(array))


def _as_kinds(array: Any) -> list[Any]:
    unit = unit_of_dtype(array.dtype)
    if unit is not None or array.dtype == np.float64:
        return [Number(value, unit) for value in np.asarray(array, dtype=np.float64).tolist()]
    return [None if is_na else cell for cell, is_na in zip(array.tolist(), pd.isna(array).tolist(), strict=True)]
