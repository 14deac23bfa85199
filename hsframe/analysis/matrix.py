"""The matrix of a portfolio: one column a role, across sites whose points are named differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning, UnitError, ZoneWarning
from hsframe.frame.combine import concat
from hsframe.frame.points import Point
from hsframe.frame.trend import time_index
from hsframe.protocol.answers import named
from hsframe.unit_array.dtype import UnitDtype, unit_of_dtype
from hsframe.units import convertible
from hsframe.zones import zone

IndexZone = Literal["utc", "local"]


@dataclass(frozen=True, slots=True)
class Cell:
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


def cells_of(
    points: Mapping[str, Sequence[Point]], groups: Mapping[str, str], chosen: Mapping[str, Mapping[str, str]], by: str
) -> list[Cell]:
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
                cells.append(Cell(role, label, Point(ident, ident)))
            elif len(own) == 1:
                cells.append(Cell(role, label, own[0]))
            elif own:
                which = f"{len(own)} points could be it: {named(own)}"
                cells.append(Cell(role, label, None, "ambiguous", which))
            else:
                cells.append(Cell(role, label, None, "missing", "no point was found"))
        lost = [point for point in found if point.id not in groups and point.id not in chosen[role].values()]
        cells += [Cell(role, None, point, "no group", f"its record has no {by}") for point in lost]
    return cells


def warn_of_cells(cells: Sequence[Cell]) -> None:
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


def matrix_frame(
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
    own = {group: _plain(one) for (name, group), one in sorted(columns.items()) if name == role}
    kinds: dict[Hashable, str] = {group: _kind(one) for group, one in own.items()}
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


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """A Bool as 1 and 0: libraries of statistics take no ``boolean``."""
    return column.astype("float64") if column.dtype == "boolean" else column


def _kind(column: pd.Series[Any]) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "text"
    return unit_of_dtype(column.dtype) or "without a unit"
