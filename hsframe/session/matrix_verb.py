"""The verb that reads a portfolio: roles instead of points, one column each across all sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from hsframe.caller_warnings import DeferredWarnings, told_once, warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.durations import Duration
from hsframe.errors import CodecError, MetadataError, ReadWarning, UnitError, UnknownRecError, ZoneWarning, check_choice
from hsframe.filters import means_filter
from hsframe.frame.combine import concat
from hsframe.frame.in_units import Units
from hsframe.frame.labels import unique_labels
from hsframe.frame.per_point import did_you_mean
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.frame.reads import Read, note_outcomes, note_reads, outcomes_in, united_reads
from hsframe.frame.stamps import Interval, note_interval
from hsframe.frame.trend import time_index
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord, find_records, followed, read_records
from hsframe.history.source import Source
from hsframe.intervals.rules import Aggregation, Edges, IntervalSettings
from hsframe.kinds import ID, Number, Ref
from hsframe.protocol.answers import named
from hsframe.session.base import ReadingBase
from hsframe.session.reading import OnError, ReadRequest, note_origin, read_frame
from hsframe.session.signatures import takes
from hsframe.spans import SpanLike
from hsframe.unit_array.dtype import UnitDtype, unit_of_dtype
from hsframe.units import convertible
from hsframe.zones import zone

IndexZone = Literal["utc", "local"]
RolePoints: TypeAlias = "PointsLike | Mapping[str, PointsLike]"
"""The points of a role: a filter, ids, what ``read`` gave, or one of these by the name of each group."""

_PER_ROLE: Final = ("agg", "max_gap", "rollover", "units")
_AS_READ: Final = ("span", "interval", "min_coverage", "edges", "week_start", "on_error", "progress")


@dataclass(frozen=True, slots=True)
class MatrixRequest:
    """The parameters of :meth:`hsframe.Session.matrix`, checked when it is made."""

    roles: Mapping[str, RolePoints]
    span: SpanLike
    _: KW_ONLY
    by: str = "siteRef"
    interval: Duration = "1h"
    units: Units = "si"
    index: IndexZone = "utc"
    agg: Aggregation | Mapping[str, Aggregation] | None = None
    max_gap: Duration | Mapping[str, Duration] | None = None
    min_coverage: float | None = None
    rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = None
    edges: Edges | None = None
    week_start: str = "monday"
    on_error: OnError = "raise"
    progress: bool | None = None

    def __post_init__(self) -> None:
        names = list(self.roles) if isinstance(self.roles, Mapping) else []
        if not names or not all(isinstance(name, str) for name in names):
            raise MetadataError(
                f"roles must be like {{'oat': 'outside and temp'}}, a filter by name; got {self.roles!r}"
            )
        if not isinstance(self.by, str) or not all(self.by.split("->")):
            raise MetadataError(f"by must be a tag or a path, as 'siteRef' or 'equipRef->siteRef'; got {self.by!r}")
        if self.interval is None:
            raise MetadataError("interval must be a length of time, as '1h' or '1D': sites share no other instants")
        check_choice("index", self.index, get_args(IndexZone))
        if not IntervalSettings(self.interval, self.agg).is_flat:
            raise MetadataError(
                f"agg={self.agg!r} gives a point several columns, and a role is one; name several roles, as in "
                "matrix({'low': 'temp', 'high': 'temp'}, span, agg={'low': 'min', 'high': 'max'})"
            )
        for name in _PER_ROLE:
            given = getattr(self, name)
            if isinstance(given, Mapping) and (stray := [key for key in given if key not in self.roles]):
                end = did_you_mean(stray[0], self.roles)
                raise MetadataError(f"{name}= names {stray[0]!r}, which is not a role; {end}")
        _ = self.read_of({})  # raises where a setting is not valid

    def read_of(self, roles: Mapping[str, str]) -> ReadRequest:
        """The read of some points, given as roles by id."""
        settings: dict[str, Any] = {name: getattr(self, name) for name in _AS_READ}
        for name in _PER_ROLE:
            settings[name] = given = getattr(self, name)
            if isinstance(given, Mapping):
                settings[name] = {f"@{ident}": given[role] for ident, role in roles.items() if role in given} or None
        settings["units"] = settings["units"] or "native"
        return ReadRequest([Ref(ident) for ident in roles], header="id", shape="dict", **settings)


class MatrixVerb(ReadingBase):
    """Portfolios."""

    @takes(MatrixRequest)
    async def matrix(self, request: MatrixRequest) -> pd.DataFrame:
        """Read what plays the same roles at many sites: one row per site and interval, one column per role.

        Parameters
        ----------
        roles : mapping of name to points
            A column each, as ``{"oat": "outside and temp", "kw": "power and equipRef->siteMeter"}``: anything that
            names points for :meth:`his_read`; an empty frame of ``read`` where no site has it: a column without values.
            Or by group, its name or id, an id or what finds one point of the group, and under ``"*"`` the points of all
            others: ``{"oat": {"Harbor Tower": "@p:oat-2", "*": "outside and temp"}}``. A group without a point in any
            role is not known, and so neither in the matrix nor in its catalog.
        span : str, date, datetime, or (start, end)
            As for :meth:`his_read`, in each point's own zone.
        by : str
            The tag by which records are of one group: ``"siteRef"``, or a path such as ``"equipRef->siteRef"`` or
            ``"siteRef->geoCity"``. A Ref is shown by its display name, made unique with the id.
        interval : str or timedelta
            As for :meth:`his_read`.
        units : {"si", "ip", "native"}, unit, or mapping of role to unit
            The units of the columns. A role is in one unit; where sites still differ (always with ``"native"``) it is
            that of most of them, and the others are converted.
        index : {"utc", "local"}
            Levels of the index: `by` and ``ts``, in UTC; or `by`, ``ts`` as naive local times of each site, and
            ``fold``: 0, or 1 for the second of two equal times in the hour that a clock repeats.
        agg, max_gap, rollover
            As for :meth:`his_read`; a mapping is by role: ``agg={"fan": "mean", "kwh": "delta"}``.
        min_coverage, edges, week_start, on_error, progress
            As for :meth:`his_read`.

        Returns
        -------
        DataFrame
            Sorted by group and time. Numbers have the unit of their role; a Bool is 1.0 and 0.0, so that libraries of
            statistics take it (its mean, ``agg={"fan": "mean"}``, is the share of time); texts are categories.

            ``df.hs.catalog`` has a row per role and group: the ``id`` of the point that fills it, ``status`` and
            ``reason`` (``"missing"``: no point was found; ``"ambiguous"``: several were, and none is taken; ``"no
            group"``: a point without the tag `by`), and what :meth:`his_read` notes of a point. It is in ``df.attrs``.
            ``df.hs.report()`` (of ``index="utc"``) says of each role and group what is missing.

        Raises
        ------
        MetadataError
            A filter finds no point; no cell can be filled; a mapping names what is neither a role nor a group.
        UnitError
            The points of a role do not convert to one unit. Else as :meth:`his_read`.

        Warns
        -----
        ReadWarning
            Cells that have no point, and points that are in no group.
        ZoneWarning
            The points of a group are in several zones. Else as :meth:`his_read`.

        Notes
        -----
        ``LinearRegression().fit(df.dropna()[["oat"]], df.dropna()["kw"])`` of scikit-learn and
        ``statsmodels.formula.api.ols("kw ~ oat", df)`` take the frame as it is.
        """
        with self._one_verb() as source:
            frame, points = await _read_matrix(source, request)
        self._remember(points)
        return frame


async def _read_matrix(source: Source, request: MatrixRequest) -> tuple[pd.DataFrame, list[Point]]:
    columns: dict[tuple[str, str], pd.Series[Any]] = {}
    known: dict[str, Point] = {}
    outcomes: dict[_Cell, Mapping[str, Any]] = {}
    parts: list[pd.DataFrame] = []
    options = ReadOptions(week_start=request.week_start)
    with DeferredWarnings(), told_once(source.dialect.told):
        cells = await _cells(source, request)
        _warn_of_cells(cells)
        waiting = [cell for cell in cells if cell.status == "ok"]
        while waiting:
            # A point in two roles is read for one after the other, since their aggregations may differ.
            roles: dict[str, str] = {}
            for cell in waiting:
                roles.setdefault(cell.id, cell.role)
            frames, points = await read_frame(source, request.read_of(roles))
            assert isinstance(frames, dict)
            known.update((point.id, point) for point in points)
            for cell in (one for one in waiting if roles[one.id] == one.role):
                df = frames[cell.id]
                parts.append(df)
                outcomes[cell] = outcomes_in(df)[cell.id]
                if cell.group is not None and len(df.columns):
                    columns[cell.role, cell.group] = df.iloc[:, 0]
            waiting = [cell for cell in waiting if cell not in outcomes]
        frame = await in_thread(_matrix_frame, columns, list(request.roles), request.by, request.index)
    # A row has several points, so what was read of each is known by its id alone, and no span of a column.
    note_reads(frame, {ident: Read(one.aggs) for ident, one in united_reads(parts).items()})
    note_interval(frame, Interval.of(request.interval, "start"))
    zones = (point.tz for point in known.values() if point.tz)
    note_origin([frame], source, options, options.spans(request.span, zones).values())
    note_outcomes(frame, {str(number): cell.outcome(outcomes.get(cell, {})) for number, cell in enumerate(cells)})
    return frame, list(known.values())


async def _cells(source: Source, request: MatrixRequest) -> list[_Cell]:
    found: dict[str, list[PointRecord]] = {}
    named: dict[tuple[str, str], tuple[list[Point], bool]] = {}
    for role, points in request.roles.items():
        by_name: dict[Any, Any] = dict(points) if isinstance(points, Mapping) and "id" not in points else {}
        filters = by_name.pop("*", None) if by_name else points
        try:
            is_empty = isinstance(filters, pd.DataFrame) and filters.empty  # which one has looked at, unlike a filter
            found[role] = [] if (by_name and filters is None) or is_empty else await find_records(source, filters)
        except (CodecError, MetadataError, UnknownRecError) as error:
            optional = "; read(filter) in its place may be empty" if isinstance(filters, str) else ""
            raise MetadataError(f"roles= for {role!r}: {error}{optional}") from error
        for name, some in by_name.items():
            try:
                if not isinstance(name, str | Ref):
                    raise MetadataError("a group is named by a text or a Ref")
                named[role, f"@{name.val}" if isinstance(name, Ref) else name] = await _find_named(source, some)
            except (CodecError, MetadataError, UnknownRecError) as error:
                raise MetadataError(f"roles= for {role!r} of {name!r}: {error}") from error
    records = {record.id: record for some in found.values() for record in some}
    ids = list(dict.fromkeys(point.id for some, _ in named.values() for point in some if point.id not in records))
    more = await read_records(source, ids, failures={})  # what is unknown fails as the read of a point does
    groups, labels = await _groups(source, [*records.values(), *more], request.by)
    chosen: dict[str, dict[str, str]] = {role: {} for role in found}
    for (role, name), (given, is_explicit) in named.items():
        label = labels.get(name.removeprefix("@"), name)
        if records and label not in labels.values():
            raise MetadataError(
                f"roles= names {name!r} for {role!r}, and no point of any role is of that {request.by}; "
                + did_you_mean(name, labels.values())
            )
        if label in chosen[role]:
            raise MetadataError(f"roles= names {label!r} twice for {role!r}, as {name!r} too; expected it once")
        own = [point for point in given if groups.get(point.id) == label]
        # A point that is named itself may be elsewhere, as the weather station at the airport.
        if len(own) != 1 and not (is_explicit and len(own := given) == 1):
            raise MetadataError(
                f"roles= gives {len(given)} points for {role!r} of {name!r}, and {len(own)} are of that group; "
                "expected one: an id, or a filter that finds one there"
            )
        chosen[role][label] = own[0].id
    groups = {ident: label for ident, label in groups.items() if ident in records}
    return _cells_of({role: [one.point for one in some] for role, some in found.items()}, groups, chosen, request.by)


async def _find_named(source: Source, points: PointsLike) -> tuple[list[Point], bool]:
    """The points that are given for a role of one group, and whether that is by their ids."""
    if not isinstance(points, str) or not means_filter(points):
        named = as_points(points)
        for point in named:
            ID.checked(point.id, "id")
        return named, True
    found = [record.point for record in await find_records(source, points)]
    return found, [point.id for point in found] == [points.strip()]  # a word may be an id


async def _groups(source: Source, records: Sequence[PointRecord], by: str) -> tuple[dict[str, str], dict[str, str]]:
    """The label of the group of each point, by id, and of each group, by the id of its record or by its text."""
    known = {record.id: record.tags for record in records}
    ids, path = list(known), by.split("->")
    values = await followed(source, known, ids, path)
    names = await followed(source, known, ids, [*path, "dis"])
    keys = {ident: one.val if isinstance(one, Ref) else str(one) for ident, one in values.items() if one is not None}
    named = {key: names[ident] for ident, key in keys.items()}
    distinct = list(named)
    labels = unique_labels(list(map(Point, distinct)), [named[key] or key for key in distinct])
    by_key = dict(zip(distinct, labels, strict=True))
    return {ident: by_key[key] for ident, key in keys.items()}, by_key


@dataclass(frozen=True, slots=True)
class _Cell:
    """What fills a role of a group: a point, or no point and the reason; `group` is None for a point without one."""

    role: str
    group: str | None
    point: Point | None
    status: str = "ok"
    reason: str | None = None

    @property
    def id(self) -> str:
        """The id of the point, empty where there is none."""
        return "" if self.point is None else self.point.id

    def outcome(self, read: Mapping[str, Any]) -> dict[str, Any]:
        """Its entry in the catalog; `read` is that of the point, if it was read."""
        own = {"id": self.id or None, "rows": 0, "status": self.status, "reason": self.reason}
        return {**own, **read, "role": self.role, "group": self.group}


def _cells_of(
    points: Mapping[str, Sequence[Point]], groups: Mapping[str, str], chosen: Mapping[str, Mapping[str, str]], by: str
) -> list[_Cell]:
    """The cells of a matrix, role by role: none of several points is chosen in silence.

    `points` are those that were found for each role, `groups` the label of the group of each id, and `chosen` the ids
    that the caller names for a role, by label of the group.
    """
    labels = sorted({*groups.values(), *(label for some in chosen.values() for label in some)})
    cells = []
    for role, found in points.items():
        for label in labels:
            own = [point for point in found if groups.get(point.id) == label]
            if label in chosen[role]:
                ident = chosen[role][label]
                cells.append(_Cell(role, label, Point(ident, ident)))
            elif len(own) == 1:
                cells.append(_Cell(role, label, own[0]))
            elif own:
                which = f"{len(own)} points could be it: {named(own)}"
                cells.append(_Cell(role, label, None, "ambiguous", which))
            else:
                cells.append(_Cell(role, label, None, "missing", "no point was found"))
        lost = [point for point in found if point.id not in groups and point.id not in chosen[role].values()]
        cells += [_Cell(role, None, point, "no group", f"its record has no {by}") for point in lost]
    return cells


def _warn_of_cells(cells: Sequence[_Cell]) -> None:
    """Warn of cells that no point fills; a MetadataError where that is so of all."""
    if not cells:
        raise MetadataError("no point can fill the matrix: each role was given without one")
    open_cells = [cell for cell in cells if cell.status != "ok"]
    if not open_cells:
        return
    texts = [f"{cell.role!r} of {cell.group or cell.point} ({cell.status}: {cell.reason})" for cell in open_cells[:5]]
    names = "; ".join(texts) + "; ..." * (len(open_cells) > 5)
    first = min(open_cells, key=lambda cell: cell.group is None)
    how = f"{{{first.role!r}: {{{first.group or 'the group'!r}: '@{first.id or 'id'}', '*': 'the filter'}}}}"
    advice = f"choose other filters, or say which point it is, as in {how}"
    if len(open_cells) == len(cells):
        raise MetadataError(f"no point can fill the matrix: {names}; {advice}")
    warn_caller(
        f"{len(open_cells)} of {len(cells)} cells of the matrix have no point, and are missing: {names}; {advice}. "
        "df.hs.catalog has them all",
        ReadWarning,
    )


def _matrix_frame(
    columns: Mapping[tuple[str, str], pd.Series[Any]], roles: Sequence[str], by: str, index: IndexZone
) -> pd.DataFrame:
    """The matrix of some columns by role and group, each over instants in the zone of its point.

    Levels of the index: `by`, ``ts``, and with ``index="local"`` ``fold``. A column has one unit, a Bool is 1 and 0.
    """
    alike: dict[tuple[str, str], pd.Series[Any]] = {}
    for role in roles:
        alike.update({(role, group): one for group, one in _of_one_unit(role, columns).items()})
    frames, parts = [], []
    several_zones = {}
    for group in sorted({group for _, group in alike}):
        own = {role: alike[role, group] for role in roles if (role, group) in alike}
        zones = list(dict.fromkeys(str(pd.DatetimeIndex(one.index).tz) for one in own.values()))
        if len(zones) > 1:
            several_zones[group] = zones
        frame = pd.DataFrame({role: one.tz_convert(zone(zones[0])) for role, one in own.items()})
        frames.append(frame)
        parts.append(_levels(group, pd.DatetimeIndex(frame.index), index))
    if several_zones:
        group, zones = next(iter(several_zones.items()))
        warn_caller(
            f"{len(several_zones)} groups have points in several zones ({group}: {', '.join(zones)}); their intervals "
            "start at other instants where days are meant, and local times are those of the first",
            ZoneWarning,
        )
    if not frames:
        frames, parts = [pd.DataFrame()], [_levels("", time_index(np.empty(0, dtype=np.int64), zone("UTC")), index)]
    result = concat(frames, ignore_index=True).reindex(columns=list(roles))
    levels = pd.concat(parts, ignore_index=True)
    result.index = pd.MultiIndex.from_frame(levels.rename(columns={"group": by}))
    result.attrs = {}
    return result


def _levels(group: str, instants: pd.DatetimeIndex, index: IndexZone) -> pd.DataFrame:
    names = pd.array([group], dtype="str").repeat(len(instants))
    if index == "utc":
        return pd.DataFrame({"group": names, "ts": time_index(instants.asi8, zone("UTC"))})
    local = instants.tz_localize(None)
    first = local.tz_localize(instants.tz, ambiguous=np.ones(len(local), dtype=bool))
    return pd.DataFrame({"group": names, "ts": local, "fold": (first != instants).astype(np.int8)})


def _of_one_unit(role: str, columns: Mapping[tuple[str, str], pd.Series[Any]]) -> dict[str, pd.Series[Any]]:
    """The columns of a role by group, in the unit that most of them have."""
    # A Bool as 1 and 0: libraries of statistics take no ``boolean``.
    own = {
        group: one.astype("float64") if one.dtype == "boolean" else one
        for (name, group), one in sorted(columns.items())
        if name == role
    }
    kinds: dict[Hashable, str] = {
        group: "text" if isinstance(one.dtype, pd.CategoricalDtype) else unit_of_dtype(one.dtype) or "without a unit"
        for group, one in own.items()
    }
    units = Counter(unit for one in own.values() if (unit := unit_of_dtype(one.dtype)) is not None)
    if len(set(kinds.values())) <= 1:
        return own
    target = units.most_common(1)[0][0] if units else ""
    if units.total() < len(own) or not all(convertible(unit, target) for unit in units):
        where = ", ".join(f"{kind} in {group}" for group, kind in list(kinds.items())[:5])
        raise UnitError(
            f"the role {role!r} is {where}, which do not convert to one unit; use a narrower filter, or several roles"
        )
    return {group: one.astype(UnitDtype(target)) for group, one in own.items()}
