"""Request grids of hisWrite: both forms are accepted, the standard one is sent, times in the points' own zones.

A server refuses samples whose zone is not the point's (standard: Ops, hisWrite). The instant is what counts here: the
same instants are written in the zone that the record names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hsframe.columns import ArrowColumn, TimeColumn
from hsframe.errors import MetadataError, ZoneError
from hsframe.grid import Col, Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import history_ids
from hsframe.protocol.request_grids import ID_NAME, as_kind
from hsframe.zones import zone


def samples_of(of: Ref, items: Grid | Iterable[Mapping[str, Any]]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The times and values of one point's samples, null values left out; refuses naive times and other columns."""
    if isinstance(items, Grid):
        names = items.col_names
        if len(names) != 2 or names[0] != "ts":
            raise MetadataError(f"hisWrite of {of}: the grid has the columns {', '.join(names)}; expected ts and val")
        times, values = items.columns
    else:
        rows = list(items)
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping) or set(row) - {"ts", "val"} or "ts" not in row:
                found = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
                raise MetadataError(f"hisWrite of {of}: sample {number} has {found or 'nothing'}; expected ts and val")
        times, values = [row["ts"] for row in rows], [row.get("val") for row in rows]
    _check_times(times, f"hisWrite of {of}")
    if any(value is None for value in values):
        kept = [number for number, value in enumerate(values) if value is not None]
        times, values = [times[number] for number in kept], [values[number] for number in kept]
    return times, values


def _check_times(times: Sequence[Any], where: str) -> None:
    if isinstance(times, TimeColumn):
        return
    for number, when in enumerate(times):
        if not isinstance(when, datetime):
            raise MetadataError(
                f"{where}: row {number} has no time in ts but {when!r}; expected an aware datetime such as "
                "datetime(2026, 1, 1, tzinfo=ZoneInfo('America/New_York'))"
            )
        if when.tzinfo is None:
            raise ZoneError(
                f"{where}: row {number}, {when.isoformat(sep=' ')}, has no time zone, so it names no instant; nothing "
                "was sent. Give aware datetimes, e.g. when.replace(tzinfo=ZoneInfo('America/New_York'))"
            )


def _in_zone(times: Sequence[Any], tz: str | None) -> Sequence[Any]:
    """The same instants in the zone `tz` (a Haystack name); as they are where the record names none."""
    if tz is None:
        return times
    if isinstance(times, TimeColumn):
        return TimeColumn(times.values, tz)
    to = zone(tz)
    return [_plain(when).astimezone(to) for when in times]


def _plain(when: datetime) -> datetime:
    """A datetime of the standard library, also from a pandas Timestamp; digits below a microsecond are cut off."""
    to_plain = getattr(when, "to_pydatetime", None)
    plain: datetime = when if to_plain is None else to_plain(warn=False)
    return plain


def _kinds(values: Sequence[Any]) -> Sequence[Any]:
    return values if isinstance(values, ArrowColumn) else [as_kind(value) for value in values]


def his_write_request(of: Ref, times: Sequence[Any], values: Sequence[Any], tz: str | None) -> Grid:
    """The samples of one point, as the standard wants them: id in the grid's meta, columns ts and val."""
    return Grid({"id": of}, ["ts", "val"], [_in_zone(times, tz), _kinds(values)])


def points_of_batch(grid: Grid) -> list[Ref]:
    """The points of a batch: from the columns' meta ``id``, or from the grid's meta ``id``, ``id1``, ``id2``, ..."""
    names = grid.col_names
    if len(names) < 2 or names[0] != "ts":
        raise MetadataError(
            f"hisWrite of a batch: the grid has the columns {', '.join(names) or '(none)'}; expected ts, v0, v1, ..."
        )
    _check_times(grid.columns[0], "hisWrite of a batch")
    ids = history_ids(grid)
    nameless = [name for name, of in zip(names[1:], ids, strict=True) if of is None]
    if nameless:
        raise MetadataError(
            f"hisWrite of a batch: the columns {', '.join(nameless)} have no id; put it into the column's meta, "
            "add_col('v0', {'id': Ref('a')}), or into the grid's: id, id1, id2, ..."
        )
    refs = [of for of in ids if of is not None]
    twice = sorted({str(of) for of in refs if refs.count(of) > 1})
    if twice:
        raise MetadataError(f"hisWrite of a batch: {', '.join(twice)} has more than one column")
    return refs


def his_write_batch_requests(grid: Grid, points: Sequence[Ref], zones: Mapping[Ref, str | None]) -> list[Grid]:
    """The standard's batch grids: ``ts``, ``v0``, ``v1``, ..., ids in the columns' meta; one grid per zone."""
    meta = {name: value for name, value in grid.meta.items() if not ID_NAME.fullmatch(name)}
    by_zone: dict[str | None, list[int]] = {}
    for number, of in enumerate(points):
        by_zone.setdefault(zones.get(of), []).append(number)
    return [
        Grid(
            meta,
            ["ts", *(Col(f"v{place}", {"id": points[number]}) for place, number in enumerate(numbers))],
            [_in_zone(grid.columns[0], tz), *(_kinds(grid.columns[1 + number]) for number in numbers)],
        )
        for tz, numbers in by_zone.items()
    ]
