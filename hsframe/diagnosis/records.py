"""Questions about the points: what their records lack, and what that does to a frame."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hsframe import units
from hsframe.diagnosis.examination import Answer, Examination
from hsframe.errors import UnitError, ZoneError
from hsframe.frame.points import Point
from hsframe.protocol.request_grids import read_request
from hsframe.zones import zone

__all__ = ["kinds", "names", "points", "unit_names", "zones"]

# Enough to see what is wrong with the records; a large server has a hundred thousand of them.
_POINTS: Final = 5000
_SHOWN: Final = 6


def _listed(found: Counter[str]) -> str:
    # By name where counts are equal: servers give records in any order, and two runs should read the same.
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} ({count})" for name, count in ranked[:_SHOWN])
    return shown + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _some(points: list[Point]) -> str:
    return ", ".join("@" + point.id for point in points[:3]) + (", ..." if len(points) > 3 else "")


async def points(x: Examination) -> Answer:
    """Read them; the other questions look at the same records."""
    seen = await x.ask("read", read_request("point", _POINTS))
    if seen.status == 404:
        seen = await x.ask("read", read_request("his", _POINTS))
    x.records = [dict(row) for row in seen.rows() if row.get("id") is not None]
    his = sum("his" in record for record in x.records)
    if not x.records:
        return "none", "this user may have no rights to them, or the uri may be that of another project"
    first = "the first " if len(x.records) >= _POINTS else ""
    advice = "" if his else "no record has the tag his: histories are read from ids, not from filters with his"
    return f"{first}{len(x.records):,}, of them {his:,} with a history (tag his)", advice


def _points(x: Examination) -> list[Point]:
    marked = [record for record in x.records if "his" in record]
    return [Point.from_record(record) for record in marked or x.records]


async def zones(x: Examination) -> Answer:
    """Points of several zones, of none, and of zones that are unknown here."""
    found = _points(x)
    without = [point for point in found if point.tz is None]
    named = Counter(point.tz for point in found if point.tz is not None)
    unknown = sorted(name for name in named if not _is_zone(name))
    answer = _listed(named) or "none"
    if without:
        answer += f"; {len(without):,} points without tz"
    if unknown:
        return answer, f"{', '.join(unknown)} is no zone of the IANA database: such points cannot be read; set their tz"
    if without:
        server = x.dialect.tz or "UTC"
        advice = f"those without are read in the server's zone, {server}; nHaystack refuses them: set tz on "
        return answer, advice + _some(without)
    if len(named) > 1:
        return answer, "a wide frame of several zones is in UTC: give tz=, or shape='dict'"
    return answer, ""


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except ZoneError:
        return False
    return True


async def unit_names(x: Examination) -> Answer:
    """Units that the table does not have."""
    found = [point for point in _points(x) if point.kind in ("Number", None)]
    without = sum(point.unit is None for point in found)
    named = Counter(point.unit for point in found if point.unit is not None)
    unknown = Counter({name: count for name, count in named.items() if units.find(name) is None})
    answer = f"{len(named)} units"
    if without:
        answer += f"; {without:,} Number points without"
    if unknown:
        nearest = "; ".join(filter(None, map(_nearest, unknown)))
        advice = f"unknown units are kept but not converted, nor multiplied{'; ' + nearest if nearest else ''}"
        return f"{answer}; not in the table: {_listed(unknown)}", advice
    return answer, "points without a unit are plain numbers, which nothing guards: set unit on them" if without else ""


def _nearest(symbol: str) -> str:
    try:
        units.unit(symbol)
    except UnitError as error:
        _, did, names = str(error).partition("did you mean ")
        return f"for {symbol}, {did}{names.split('?')[0]}?" if did else ""
    return ""


async def kinds(x: Examination) -> Answer:
    """Points that do not say whether they are numbers."""
    found = _points(x)
    without = [point for point in found if point.kind is None]
    answer = _listed(Counter(point.kind for point in found if point.kind is not None)) or "none"
    if not without:
        return answer, ""
    return (
        f"{answer}; {len(without):,} points without kind",
        f"what they are is seen from their values: set kind on {_some(without)}",
    )


async def names(x: Examination) -> Answer:
    """Display names that several points share: they cannot be labels of columns as they are."""
    found = Counter(point.dis for point in _points(x))
    twice = Counter({name: count for name, count in found.items() if count > 1})
    if not twice:
        return "each point has a name of its own", ""
    return (
        f"{len(twice):,} names belong to several points: {_listed(twice)}",
        "columns of one name get the id behind it: header='id', or header=function, gives names that stay",
    )
