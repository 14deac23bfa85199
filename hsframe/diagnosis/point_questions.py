"""Questions about the points: what their records lack, and how that affects a frame."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from hsframe import units
from hsframe.diagnosis.examination import Answer, Examination
from hsframe.errors import UnitError, ZoneError
from hsframe.frame.points import Point
from hsframe.protocol.answers import named
from hsframe.protocol.request_grids import read_request
from hsframe.zones import NEWER_FILES, is_outdated, zone, zone_files

# Enough to see what is wrong with the records; a large server has a hundred thousand of them.
_POINTS: Final = 5000
_SHOWN: Final = 6


def _listed(found: Counter[str]) -> str:
    # By name where counts are equal: servers give records in any order, and two runs should print the same.
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return named([f"{name} ({count})" for name, count in ranked], _SHOWN)


def _few_ids(points: list[Point]) -> str:
    return ", ".join("@" + point.id for point in points[:3]) + (", ..." if len(points) > 3 else "")


async def points(exam: Examination) -> Answer:
    """Read their records, which the other questions use too."""
    reply = await exam.ask("read", read_request("point", _POINTS))
    if reply.status == 404:
        reply = await exam.ask("read", read_request("his", _POINTS))
    exam.records = [dict(row) for row in reply.rows() if row.get("id") is not None]
    his = sum("his" in record for record in exam.records)
    if not exam.records:
        return "none", "this user may not be allowed to read them, or the uri may be that of another project"
    first = "the first " if len(exam.records) >= _POINTS else ""
    advice = "" if his else "no record has the tag his: histories are read from ids, not from filters with his"
    return f"{first}{len(exam.records):,}, of them {his:,} with a history (tag his)", advice


def _points(exam: Examination) -> list[Point]:
    marked = [record for record in exam.records if "his" in record]
    return [Point.from_record(record) for record in marked or exam.records]


async def zones(exam: Examination) -> Answer:
    """Points of several zones, without a zone, and of unknown zones."""
    found = _points(exam)
    without = [point for point in found if point.tz is None]
    told = Counter(point.tz for point in found if point.tz is not None)
    unknown = sorted(name for name in told if not _is_zone(name))
    answer = _listed(told) or "none"
    if without:
        answer += f"; {len(without):,} points without tz"
    if unknown:
        return answer, f"not an IANA zone: {', '.join(unknown)}; such points cannot be read: set their tz"
    if without:
        server = exam.dialect.tz or "UTC"
        advice = f"those without are read in the server's zone, {server}; nHaystack refuses them: set tz on "
        return answer, advice + _few_ids(without)
    if len(told) > 1:
        return answer, "a wide frame of several zones is in UTC: give tz=, or shape='dict'"
    return answer, ""


async def rules_of_zones(exam: Examination) -> Answer:
    """The zone files of this machine against the package's: by old ones days are cut wrong."""
    machine, package = zone_files()
    if not machine:
        return f"from the package tzdata, {package}", ""
    answer = f"from this machine's files, {machine}; the package tzdata has {package}"
    names = {point.tz for point in _points(exam) if point.tz is not None and _is_zone(point.tz)}
    years = range(2000, datetime.now(UTC).year + 3)
    months = [(year, month) for year in years for month in range(1, 13)]
    old = [name for name in sorted(names) if any(is_outdated(datetime(*ym, 15, tzinfo=zone(name))) for ym in months)]
    if not old:
        return answer, ""
    return f"{answer}, with newer rules for {', '.join(old)}", f"days there are cut by old rules: {NEWER_FILES}"


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except ZoneError:
        return False
    return True


async def unit_names(exam: Examination) -> Answer:
    found = [point for point in _points(exam) if point.kind in ("Number", None)]
    without = sum(point.unit is None for point in found)
    told = Counter(point.unit for point in found if point.unit is not None)
    unknown = Counter({name: count for name, count in told.items() if units.find(name) is None})
    answer = f"{len(told)} units"
    if without:
        answer += f"; {without:,} Number points without"
    if unknown:
        nearest = "; ".join(filter(None, map(_nearest, unknown)))
        advice = f"unknown units are kept but not converted, nor multiplied{'; ' + nearest if nearest else ''}"
        return f"{answer}; not in the table: {_listed(unknown)}", advice
    return answer, "points without a unit are plain numbers, and nothing checks them: set their unit" if without else ""


def _nearest(symbol: str) -> str:
    try:
        units.unit(symbol)
    except UnitError as error:
        _, did, names = str(error).partition("did you mean ")
        return f"for {symbol}, {did}{names.split('?')[0]}?" if did else ""
    return ""


async def kinds(exam: Examination) -> Answer:
    """Points that do not say whether they are numbers."""
    found = _points(exam)
    without = [point for point in found if point.kind is None]
    answer = _listed(Counter(point.kind for point in found if point.kind is not None)) or "none"
    if not without:
        return answer, ""
    return (
        f"{answer}; {len(without):,} points without kind",
        f"the kind is guessed from their values: set kind on {_few_ids(without)}",
    )


async def names(exam: Examination) -> Answer:
    """Display names that several points share: they cannot be labels of columns as they are."""
    found = Counter(point.dis for point in _points(exam))
    twice = Counter({name: count for name, count in found.items() if count > 1})
    if not twice:
        return "each point has a different name", ""
    return (
        f"{len(twice):,} names belong to several points: {_listed(twice)}",
        "columns of one name get the id after it: header='id' gives names that do not change",
    )
