"""Frames put together: their rows below one another, or their columns side by side, with what each knows."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning, UnitError, ZoneError
from hsframe.frame.points import ATTRS_KEY, ColumnLabel, Point, attach, differing_of, points_of
from hsframe.frame.read_rows import note_rows, united_rows
from hsframe.frame.reads import (
    Read,
    note_outcomes,
    note_reads,
    note_source,
    reads_of,
    source_of,
    united_outcomes,
    united_reads,
    united_source,
)
from hsframe.frame.stamps import Interval, interval_of, note_interval, noted_interval
from hsframe.unit_array.dtype import UnitDtype, unit_of_dtype
from hsframe.units import convertible


def concat(
    frames: Iterable[pd.DataFrame], *, axis: Literal[0, 1] = 0, ignore_index: bool = False, sort_index: bool = False
) -> pd.DataFrame:
    """Rows of several frames below one another, each column in the unit that it has first, its categories united.

    pandas makes plain text of a column whose categories are not the same everywhere. Here they are those of the first
    frame in its order, then those that come new; sorted, if all frames have them sorted. Times with a zone, of the
    index too, are shown in that of the first frame; pandas makes objects of times in different zones.

    Parameters
    ----------
    frames : iterable of DataFrame
        A column that a frame lacks is missing there; a state of a duration or share is 0 where another one of its
        point is known, as it is in the read of all.
    axis : {0, 1}, default 0
        1: the columns of frames of different points beside one another, over all of their instants, in order.
        ``df.join`` and ``pd.concat`` lose what is known of each read: what holds, and where NA is.
    ignore_index : bool, default False
        Number the rows from 0.
    sort_index : bool, default False
        Sort the rows by the index (by instant).

    Returns
    -------
    DataFrame
        With the points of all frames in its catalog, the samples that were dropped at repeated instants, and what
        became of each point, where all frames know it: counts are added, and a failure stands. It knows what was read
        where all frames that were read do.

    Raises
    ------
    MetadataError
        There is no frame, or something else; the rows of two frames stand for different intervals (``hs.interval``), or
        are samples of points in one and values over intervals in the other; a column is of other aggregations or
        points in two. Beside one another: two have a column of one label, or of one point; an instant comes twice.
    UnitError
        Two columns of one label have units that do not convert, or one has a unit and the other has none.
    ZoneError
        The times of one frame have a zone, and those of another have none.

    Warns
    -----
    ReadWarning
        A point of the same id was read from two servers.

    Examples
    --------
    >>> a = pd.DataFrame({"Zone": pd.array([72.5], dtype=UnitDtype("°F"))})
    >>> b = pd.DataFrame({"Zone": pd.array([20.0], dtype=UnitDtype("°C"))})
    >>> concat([a, b], ignore_index=True)
       Zone
    0  72.5
    1  68.0
    >>> concat([a, b.set_axis(["Hall"], axis=1)], axis=1)
       Zone  Hall
    0  72.5  20.0
    """
    parts = list(frames)
    if not parts:
        raise MetadataError("there are no frames to put together; expected one or more")
    if strange := [type(part).__name__ for part in parts if not isinstance(part, pd.DataFrame)]:
        raise MetadataError(f"concat takes several frames; got a {strange[0]} among them")
    if axis not in (0, 1):
        raise MetadataError(f"axis={axis!r} is unknown; expected 0, rows below one another, or 1, columns side by side")
    names = [f"frame {number}" for number in range(len(parts))]
    if axis == 1:
        return _beside(parts, names)
    result = joined(parts, names, ignore_index=ignore_index)
    return result.sort_index() if sort_index else result


def _beside(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """The columns of frames beside one another."""
    parts = [part.set_axis(_in_zone_of(frames[0].index, part.index)) for part in frames]
    owners: dict[Any, str] = {}
    for name, part in zip(names, parts, strict=True):
        if not part.index.is_unique:
            raise MetadataError(
                f"{name} has {part.index[part.index.duplicated()][0]} twice; expected each instant once"
            )
        points = [f"the point @{point.id}" for point in {one.id: one for one in points_of(part).values()}.values()]
        for what in [*(f"a column {label!r}" for label in dict.fromkeys(part.columns)), *points]:
            if owners.setdefault(what, name) != name:
                raise MetadataError(
                    f"{owners[what]} and {name} both have {what}, and are to stand beside one another; rename or leave "
                    "out one, or put their rows below one another, with axis=0"
                )
        if (count := part.columns.nlevels) != parts[0].columns.nlevels:
            raise MetadataError(
                f"the columns have {parts[0].columns.nlevels} levels in {names[0]} and {count} in {name}; read both "
                "with one header= and as many aggregations"
            )
    interval = _interval_of_all(parts, names)
    holding = {"b": "boolean", "i": "Int64"}  # what has missing values; pandas makes objects and floats of the others
    whole = [
        part.astype({one: holding[own.kind] for one, own in part.dtypes.items() if own.kind in "bi"}) for part in parts
    ]
    result = pd.concat(whole, axis=1, sort=True)
    result.index.name, result.columns.names = parts[0].index.name, parts[0].columns.names
    result.attrs = dict(parts[0].attrs)
    known, differing = dict[ColumnLabel, Point](), dict[ColumnLabel, int]()
    for part in parts:
        known |= points_of(part)
        differing |= differing_of(part)
    _note_all(result, parts, known, differing, interval)
    return result


def _note_all(
    result: pd.DataFrame,
    parts: Sequence[pd.DataFrame],
    points: Mapping[ColumnLabel, Point],
    differing: Mapping[ColumnLabel, int],
    interval: Interval | None,
) -> None:
    """Note in a frame what is known of those that it was made of."""
    if points or ATTRS_KEY in result.attrs:  # what the catalog of the first says of its read alone is not of all
        attach(result, points, differing=differing)
    note_reads(result, united_reads(parts, interval.longest_us if interval else 0))
    note_source(result, united_source(parts))
    note_interval(result, interval)
    if (outcomes := united_outcomes(parts)) is not None:
        note_outcomes(result, outcomes)
    if (rows := united_rows(parts)) is not None:
        note_rows(result, rows)


def joined(frames: Sequence[pd.DataFrame], names: Sequence[str], *, ignore_index: bool = False) -> pd.DataFrame:
    """The rows of frames as :func:`concat` has them; its errors call each by its name."""
    _warn_of_two_servers(frames, names)
    parts = [part.set_axis(_in_zone_of(frames[0].index, part.index)) for part in frames]
    labels = dict.fromkeys(label for part in parts if _has_states(part) for label in part.columns)
    parts = [_with_states(part, labels) if _has_states(part) else part for part in parts]
    interval = _interval_of_all(parts, names)
    common = _common_dtypes(parts)
    units: dict[Hashable, tuple[str, str | None]] = {}
    rules: dict[ColumnLabel, tuple[str, str]] = {}
    points: dict[ColumnLabel, tuple[str, Point]] = {}
    differing = Counter[ColumnLabel]()
    aligned = []
    for name, frame in zip(names, parts, strict=True):
        changed: dict[Hashable, Any] = {label: common[label] for label in frame.columns if label in common}
        for label, dtype in frame.dtypes.items():
            unit = unit_of_dtype(dtype)
            first, wanted = units.setdefault(label, (name, unit))
            if unit == wanted:
                continue
            if unit is None or wanted is None or not convertible(unit, wanted):
                raise UnitError(
                    f"column {label!r} is in {wanted or 'no unit'} in {first} and in {unit or 'no unit'} in {name}; "
                    "convert one of them first (df.hs.to), or give it its unit (astype(UnitDtype(...)))"
                )
            changed[label] = UnitDtype(wanted)
        reads = reads_of(frame)
        for label, point in points_of(frame).items():
            first, owner = points.setdefault(label, (name, point))
            if owner.id != point.id:
                raise MetadataError(
                    f"column {label!r} is of the point @{owner.id} in {first} and of @{point.id} in {name}; rename "
                    "one, or, where one goes on as the other, take the note of one off first, with .attrs.clear()"
                )
            aggs = [*reads.get(point.id, Read()).aggs]
            if len(aggs) > 1 or not aggs or "agg" in frame.columns.names:
                continue  # of several the label says which it is, or after df.xs nothing
            first, wanted = rules.setdefault(label, (name, aggs[0]))
            if wanted != aggs[0]:
                raise MetadataError(
                    f"column {label!r} is the {wanted} over intervals in {first} and the {aggs[0]} in {name}; read "
                    "both with one agg=, or rename one column"
                )
        differing.update(differing_of(frame))
        aligned.append(frame.astype(changed) if changed else frame)
    result = pd.concat(aligned, ignore_index=ignore_index)
    result.attrs = dict(parts[0].attrs)
    _note_all(result, parts, {label: point for label, (_, point) in points.items()}, differing, interval)
    return result


def _has_states(part: pd.DataFrame) -> bool:
    return part.columns.nlevels > 1 and "state" in part.columns.names


def _with_states(part: pd.DataFrame, labels: Iterable[Any]) -> pd.DataFrame:
    """A frame with the states that others have of its points: 0 in a row where another state of the point is known."""
    place, result = part.columns.names.index("state"), part
    own: dict[Any, list[Any]] = {}
    for label in part.columns:
        own.setdefault((*label[:place], *label[place + 1 :]), []).append(label)
    for label in (one for one in labels if one[place] and one not in part.columns):
        beside = own.get((*label[:place], *label[place + 1 :]), [])
        if known := [one for one in beside if one[place]]:
            result = result.copy(deep=False)
            result[label] = functools.reduce(lambda zero, more: zero.fillna(more), (part[one] * 0 for one in known))
        else:  # the column without a state says that none was known
            result = result.drop(columns=[one for one in beside if one in result.columns])
    return result


def _interval_of_all(parts: Sequence[pd.DataFrame], names: Sequence[str]) -> Interval | None:
    """What a row of all frames stands for; a MetadataError where it is not one thing."""
    found = {(one.label, one.longest_us): one for part in parts if (one := interval_of(part))}
    if len(found) > 1:
        which = " and ".join(f"interval={one.length!r}, label={one.label!r}" for one in found.values())
        raise MetadataError(f"the rows stand for different intervals: {which}; expected frames that were read alike")
    noted = [(name, part, noted_interval(part)) for name, part in zip(names, parts, strict=True)]
    intervals = [(name, one) for name, _, one in noted if one is not None]
    # What has no note of its points, as pd.DataFrame makes it, may be rows of either.
    samples = [name for name, part, one in noted if one is None and points_of(part)]
    if samples and intervals:
        raise MetadataError(
            f"the rows of {samples[0]} are samples, and those of {intervals[0][0]} values over intervals of "
            f"{intervals[0][1].length}: nothing would tell them apart; read both alike, or, where these samples are "
            "such values by now, as resample makes them, take their note off first, with .attrs.clear()"
        )
    return next(iter([*found.values(), *(one for _, one in intervals)]), None)


def _warn_of_two_servers(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> None:
    """Say once where a point of two frames is of two servers, which count their ids each for itself."""
    first: dict[str, tuple[str, str]] = {}
    for name, frame in zip(names, frames, strict=True):
        source = source_of(frame) or {}
        for point in points_of(frame).values() if source.get("kind") == "server" else ():
            before, uri = first.setdefault(point.id, (name, source["uri"]))
            if uri != source["uri"]:
                warn_caller(
                    f"the point @{point.id} is of the server {uri} in {before} and of {source['uri']} in {name}: the "
                    "ids of two servers may be equal by chance, and its rows are put together as those of one point; "
                    "if they are two, rename the column of one first",
                    ReadWarning,
                )
                return


def _in_zone_of(first: Any, index: Any) -> Any:
    """The index with its times in the zone of the first: of times in several zones pandas makes objects."""
    if isinstance(index, pd.MultiIndex) and isinstance(first, pd.MultiIndex) and index.nlevels == first.nlevels:
        return index.set_levels([_in_zone_of(*pair) for pair in zip(first.levels, index.levels, strict=True)])
    if not isinstance(index, pd.DatetimeIndex) or not isinstance(first, pd.DatetimeIndex):
        return index
    if (index.tz is None) != (first.tz is None):
        raise ZoneError(
            "the times of one frame have a zone and those of another have none; say it with df.tz_localize(...)"
        )
    return index if index.tz is None else index.tz_convert(first.tz)


def _common_dtypes(frames: Sequence[pd.DataFrame]) -> dict[Hashable, Any]:
    """By label the dtype for all frames: of times the first one, of categories the union, also with texts beside."""
    columns: dict[Hashable, list[pd.Series[Any]]] = {}
    for frame in frames:
        for label, column in frame.items():
            columns.setdefault(label, []).append(column)
    common: dict[Hashable, Any] = {}
    for label, parts in columns.items():
        dtypes = [part.dtype for part in parts]
        if all(isinstance(dtype, pd.DatetimeTZDtype) for dtype in dtypes):
            common[label] = dtypes[0]
        if not any(map(_has_categories, dtypes)) or all(dtype == dtypes[0] for dtype in dtypes):
            continue
        found = [pd.Index(p.cat.categories if _has_categories(p.dtype) else p.dropna().unique()) for p in parts]
        found = [index.astype(object) for index in found if len(index)]
        texts = all(isinstance(text, str) for index in found for text in index)
        if not texts and not all(map(_has_categories, dtypes)):
            continue
        names = pd.Index(list(dict.fromkeys(name for index in found for name in index)), dtype="str" if texts else None)
        in_order = all(index.is_monotonic_increasing for index in found)
        common[label] = pd.CategoricalDtype(names.sort_values() if in_order else names)
    return common


def _has_categories(dtype: object) -> bool:
    return isinstance(dtype, pd.CategoricalDtype)
