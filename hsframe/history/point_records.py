"""Finds the records of points, given as a filter, ids, names, Refs or a frame, and those that their Refs lead to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.durations import DAY_US, HOUR_US
from hsframe.errors import (
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    MetadataError,
    ReadWarning,
    UnknownRecError,
)
from hsframe.filters import is_word, means_filter, parse
from hsframe.filters.tree import And, Compare, Filter, Has
from hsframe.frame.labels import Header, Tags, labels_of, levels_of
from hsframe.frame.names import Names, is_glob
from hsframe.frame.points import ColumnLabel, Point, display_name
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.grid import Grid
from hsframe.history.source import Source
from hsframe.intervals.rules import PointSampling
from hsframe.kinds import ID, Number, Ref
from hsframe.protocol.answers import named
from hsframe.spans import epoch_us

IDS_A_READ: Final = 500
READ_TAGS: Final = ("archiveSince", "archiveUntil")
"""The tags by which a server over an archive says from when until when that has read the history of a point."""
HIS_ENDS: Final = ("hisStart", "hisEnd")
_LOOK_UP: Final = "look points up with read('point and his')"
_COMPARES: Final = re.compile("->|[=<>]")
_NEEDS_PATH: Final = " (a tag of its equip or site has a path there: equipRef->siteMeter, siteRef->dis)"


@dataclass(frozen=True, slots=True)
class PointRecord:
    """A point, and what its record says about its history; None if it says nothing.

    An `irregular` point, as one with change of value (COV), has timestamps that no other point has: a batch of many
    such points is a table of nulls. `most_rows` is the number of samples in the whole history (``hisSize``), `tags`
    the record as it was read. `read_us` is the window in which the archive that is served knows it; None of a server.
    """

    point: Point
    rows_a_day: float | None = None
    irregular: bool = False
    most_rows: int | None = None
    tags: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    read_us: tuple[int, int] | None = None

    @classmethod
    def of(cls, tags: Mapping[str, Any]) -> PointRecord:
        """From the tags of a record (``hisMode``, ``hisInterval``; ``hisSize`` between ``hisStart`` and ``hisEnd``)."""
        if read_us := instants_in(tags, READ_TAGS):
            tags = {name: tag for name, tag in tags.items() if name not in READ_TAGS}  # they are none of its own
        most, sampling, density = size_of(tags) or None, PointSampling.from_record(tags), None
        if sampling.interval_us is not None:
            density = DAY_US / sampling.interval_us
        elif most is not None and (ends_us := instants_in(tags, HIS_ENDS)) and ends_us[1] - ends_us[0] > DAY_US:
            density = most / ((ends_us[1] - ends_us[0]) / DAY_US)
        return cls(Point.from_record(tags), density, sampling.is_cov, most, tags, read_us)

    @property
    def id(self) -> str:
        return self.point.id

    @property
    def tz(self) -> str:
        """The Haystack name of the point's zone, once it is known (:func:`with_zones`)."""
        assert self.point.tz is not None, "the zones of points are known before anything is planned"
        return self.point.tz

    def begin_us(self, default_us: int) -> int:
        """When its history begins, where its record says so."""
        start = self.tags.get("hisStart")
        return epoch_us(start) if isinstance(start, datetime) else default_us

    def lasts_us(self, start_us: int, end_us: int) -> int:
        """For how much of a window there is history, where its record says so: up to when the next sample was due."""
        end = self.tags.get("hisEnd")
        last_us = epoch_us(end) + self.due_us if isinstance(end, datetime) else end_us
        return max(min(end_us, last_us) - max(start_us, self.begin_us(start_us)), 0)

    @property
    def due_us(self) -> int:
        """After how long its next sample is due; an hour where that is not known."""
        return HOUR_US if self.irregular or not self.rows_a_day else round(DAY_US / self.rows_a_day)


def instants_in(tags: Mapping[str, Any], names: tuple[str, str]) -> tuple[int, int] | None:
    """What two tags say, in epoch microseconds; None where one of them is no instant."""
    start, end = (tags.get(name) for name in names)
    return (epoch_us(start), epoch_us(end)) if isinstance(start, datetime) and isinstance(end, datetime) else None


def size_of(tags: Mapping[str, Any]) -> int | None:
    """The number of samples by ``hisSize``; None where it does not say, or cannot be true."""
    size = tags.get("hisSize")
    return int(size.val) if isinstance(size, Number) and 0 <= size.val < 2**63 else None


async def find_records(
    source: Source,
    points: PointsLike,
    *,
    tags: Sequence[str] = ("his", "point"),
    failures: dict[str, HsFrameError] | None = None,
) -> list[PointRecord]:
    """The records of some points, in the order given, or in that of the server's answer to a filter; each point once.

    A str is a filter or an id as :func:`hsframe.filters.means_filter` has it; one that as a filter finds nothing, or is
    refused, is tried as an id. A text that is no id either, alone or in a list, is looked for among the names of all
    points. Of the records that a filter finds, or that have one name, those with the first of `tags` are used, or if
    there are none, those with the next. Errors of unknown ids and names are put in `failures`; if that is None, they
    are raised, with what came near. Of rows without an id a ReadWarning tells.
    """
    if isinstance(points, str) and means_filter(points):
        return await _by_filter(source, points.strip(), tags)
    points = points.strip() if isinstance(points, str) else list(points) if isinstance(points, Iterator) else points
    ids = [point.id for point in as_points(points)]
    if isinstance(points, pd.DataFrame) and ids and "id" in points and (lost := int(points["id"].isna().sum())):
        warn_caller(
            f"{lost} of {len(points)} rows of the frame have no id, as those that find() has not found, so nothing is "
            "read for them; dropna(subset='id') leaves them out without this warning",
            ReadWarning,
        )
    if not ids:
        raise MetadataError(
            "there are no points to read: what was given is empty, or has no ids; find some with read('point')"
        )
    records = await _by_id_or_name(source, ids, _texts(points), tags, failures)
    return _without_sites(records, tags) if isinstance(points, pd.DataFrame) else records


def _without_sites(records: list[PointRecord], tags: Collection[str]) -> list[PointRecord]:
    """The points of a frame that has sites and equips beside them, as read("siteRef == @nyc") gives; with a warning."""
    others = [one for one in records if not one.tags.keys() & {*tags, "kind"}]
    if not 0 < len(others) < len(records):
        return records
    warn_caller(
        f"{len(others)} of {len(records)} records of the frame are no points and have no history, so nothing is read "
        f"for them: {named([Ref(one.id) for one in others])}; read('point and ...') gives points alone",
        ReadWarning,
    )
    return [one for one in records if one.tags.keys() & {*tags, "kind"}]


def _texts(points: PointsLike) -> set[str]:
    """The texts among some points that may be names; an ``@`` says that it is an id."""
    if isinstance(points, str):
        points = [points]
    if isinstance(points, pd.DataFrame | Mapping) or not isinstance(points, Iterable):
        return set()
    return {one for one in points if isinstance(one, str) and not one.startswith("@")}


async def _by_filter(source: Source, text: str, tags: Sequence[str]) -> list[PointRecord]:
    """The points of a filter; where it finds nothing, or is refused, of an id or a name."""
    found, refusal = list[Mapping[str, Any]](), None
    try:
        found = [row for row in await source.read(text, raw=True) if "id" in row]
    except (CallError, CodecError, HTTPStatusError) as error:
        if error.is_final or isinstance(error, IncompleteError):
            raise
        refusal = error
    if not found:
        try:
            return await _by_id_or_name(source, [text], {text}, tags)
        except UnknownRecError as error:
            why = "" if refusal or is_word(text) else await _parts_without_points(source, text)
            if why and _COMPARES.search(text):  # no name looks so
                raise MetadataError(f"the filter {text!r} finds no record{why}") from None
            if "did you mean" in str(error):
                refused = f"{error} As a filter it is refused: {refusal}"
                error.args = (refused if refusal else f"as a filter it finds no record{why}, and {error}",)
                raise error from refusal and (refusal.__cause__ or refusal)
            if refusal is not None:  # it says what is wrong with the filter
                if not text[:1].isupper() or _COMPARES.search(text):  # as tags begin, and filters
                    raise refusal from refusal.__cause__
                error.args = (f"{error}; as a filter it is refused: {refusal}",)
                raise error from refusal.__cause__ or refusal
            if is_word(text):
                raise UnknownRecError(f"no record has the tag {text!r}, and {error}", ids=[text]) from error
            raise MetadataError(f"the filter {text!r} finds no record{why}, and {error}") from error
        except HsFrameError as error:  # of several points of that name, or of what is neither
            if refusal is None or isinstance(error, MetadataError):
                raise
            raise refusal from refusal.__cause__
    for tag in tags:
        marked = [row for row in found if tag in row]
        if marked:
            return _each_once(marked)
    what = f"{len(found)} records, none of them a point"
    raise MetadataError(f"the filter {text!r} finds {what}; expected points, as in 'point and his and temp'")


async def _parts_without_points(source: Source, text: str) -> str:
    """Which terms of a filter that finds nothing find no point even alone, and what comes near to the first of them."""
    why = ""
    with suppress(HsFrameError):  # of the grammar, or of what the server does not take: then nothing is told
        tree = parse(text)
        terms = tree.terms if isinstance(tree, And) else (tree,)
        lost = [term for term in terms if len(terms) == 1 or not await _points_with(source, term, 1)]
        if not lost:
            return ": some points have each of its terms, and none has all"
        why = ": no point has " + ", and none has ".join(map(str, lost))
        equal = [term for term in lost if isinstance(term, Compare) and term.op == "=="]
        paths = [term.path for term in lost if isinstance(term, Has)]
        if any(len(path) == 1 for path in (*paths, *(term.path for term in equal if type(term.value) is str))):
            why += _NEEDS_PATH
        if term := next((term for term in equal if isinstance(term.value, Ref | str)), None):
            why += await _near_value(source, term)
    return why


async def _points_with(source: Source, term: Filter, limit: int | None = None) -> list[Mapping[str, Any]]:
    grid = await source.read(str(And((Has(("point",)), term))), limit, raw=True)
    return [row for row in grid if "id" in row]


async def _near_value(source: Source, term: Compare) -> str:
    """What to write in place of the text or the Ref that a term compares with, or what there is."""
    records: dict[str, Tags] = {
        Point.from_record(row).id: row for row in await _points_with(source, Has(term.path[:1]))
    }
    found = (await followed(source, records, list(records), term.path)).values()
    values = {one for one in found if isinstance(one, type(term.value))}
    if isinstance(term.value, Ref):
        near = Names(Point(ref.val) for ref in values).near(f"@{term.value.val}")
    else:
        near = [one for one in Names(Point("", one) for one in values).near(term.value) if one in values]
        near = [f'"{one}"' for one in near]
    path, most = "->".join(term.path), sorted(map(str, values))
    return f"; did you mean {path} == {' or '.join(near)}?" if near else f"; {path} is {named(most)}" * bool(most)


async def _by_id_or_name(
    source: Source,
    ids: Sequence[str],
    texts: Collection[str],
    tags: Sequence[str],
    failures: dict[str, HsFrameError] | None = None,
) -> list[PointRecord]:
    """The records of some ids, of which `texts` may be names; the points are read for what is unknown."""
    unknown: dict[str, HsFrameError] = {}
    may_be_ids = [ident for ident in ids if ID.pattern.fullmatch(ident) or ident not in texts]
    found = {record.id: record for record in await read_records(source, may_be_ids, unknown)}
    names = [ident for ident in ids if ident in texts and ident not in found]
    if names or (unknown and failures is None):
        # Where only ids are unknown, the points are read for the hint of the error: what fails then is no error.
        with nullcontext() if names else suppress(HsFrameError):
            lost = [ident for ident in unknown if ident not in texts]
            named_points, errors = await in_thread(_by_name, await source.read("point", raw=True), names, lost, tags)
            found |= named_points
            unknown = {ident: error for ident, error in unknown.items() if ident not in named_points} | errors
    if failures is not None:
        failures.update(unknown)
    elif unknown:
        error = next(iter(unknown.values()))
        if len(unknown) > 1:
            error.args = (
                f"{len(unknown)} of {len(ids)} points are not found: {named([*map(repr, unknown)])}; of the first: "
                f"{error}",
            )
        if isinstance(error, UnknownRecError):
            error.ids = tuple(unknown)
        raise error
    return list({found[ident].id: found[ident] for ident in ids if ident in found}.values())


def _by_name(
    grid: Grid, names: Sequence[str], lost: Sequence[str], tags: Sequence[str]
) -> tuple[dict[str, PointRecord], dict[str, HsFrameError]]:
    """By each name the point that has it, of the records of a grid; what is wrong with the name, and with lost ids."""
    records = {record.id: record for record in map(PointRecord.of, grid)}
    known = Names(record.point for record in records.values())
    found: dict[str, PointRecord] = {}
    errors: dict[str, HsFrameError] = {
        ident: UnknownRecError(f"there is no record of @{ident}; {_hint(known, f'@{ident}')}", ids=[ident])
        for ident in lost
    }
    for name in names:
        same = known.of(name)
        own = next(filter(None, ([one for one in same if tag in records[one.id].tags] for tag in tags)), same)
        if len(own) == 1:
            found[name] = records[own[0].id]
        elif own:
            several = named([Ref(point.id) for point in own])
            errors[name] = MetadataError(f"{name!r} is the name of {len(own)} points: {several}; give the id")
        else:
            text = f"there is no point {name!r}, by id or by name; {_hint(known, name)}"
            errors[name] = UnknownRecError(text, ids=[name])
    return found, errors


def _hint(known: Names, text: str) -> str:
    if is_glob(text) and known.like(text):
        return f"did you mean find({text!r}), whose frame can be given in its place?"
    near = " or ".join(map(repr, known.near(text)))
    return f"did you mean {near}?" if near else _LOOK_UP


async def read_records(
    source: Source, ids: Sequence[str], failures: dict[str, HsFrameError] | None = None
) -> list[PointRecord]:
    """The records of some ids, in order; errors of unknown ids are put in `failures`, or raised if it is None."""
    found: list[Mapping[str, Any]] = []
    unknown: list[str] = []
    waiting = [list(ids[place : place + IDS_A_READ]) for place in range(0, len(ids), IDS_A_READ)]
    while waiting:
        some = waiting.pop(0)
        try:
            grid = await source.read_by_ids([Ref(ident) for ident in some], checked=False, raw=True)
        except UnknownRecError as error:
            # Some servers refuse all ids because of one: then the others are read again, if the error is not raised.
            lost = [ident for ident in some if ident in error.ids]
            if not lost:
                raise
            unknown += lost
            if failures is not None and len(lost) < len(some):
                waiting.insert(0, [ident for ident in some if ident not in error.ids])
            continue
        # The rows are in the order of the ids; an unknown id has an empty row.
        for ident, row in zip(some, grid, strict=True):
            if row:  # under the id that was asked for: a server may answer with a longer or a shorter form of it
                answered = row.get("id")
                found.append({**row, "id": Ref(ident, answered.dis if isinstance(answered, Ref) else None)})
            else:
                unknown.append(ident)
    if unknown and failures is None:
        names = named([Ref(ident) for ident in unknown])
        raise UnknownRecError(f"there is no record of {names}; {_LOOK_UP}", ids=unknown)
    if failures is not None:
        failures.update((ident, UnknownRecError(f"there is no record of @{ident}")) for ident in unknown)
    return _each_once(found)


def _each_once(rows: Sequence[Mapping[str, Any]]) -> list[PointRecord]:
    found: dict[str, PointRecord] = {}
    for row in rows:
        record = PointRecord.of(row)
        found.setdefault(record.id, record)
    return list(found.values())


async def with_zones(source: Source, records: Sequence[PointRecord]) -> list[PointRecord]:
    """The records; those without a ``tz`` get the server's own zone, which is the standard's default."""
    if all(record.point.tz is not None for record in records):
        return list(records)
    dialect = source.dialect
    if dialect.tz is None:
        about = await source.about(raw=True)
        tz = about[0].get("tz") if len(about) else None
        dialect.tz = tz if isinstance(tz, str) else "UTC"
    return [
        record if record.point.tz is not None else replace(record, point=replace(record.point, tz=dialect.tz))
        for record in records
    ]


async def read_labels(
    source: Source, records: Sequence[PointRecord], points: Sequence[Point], header: Header
) -> dict[str, ColumnLabel]:
    """By id the labels of some points (:mod:`hsframe.frame.labels`); `records` are those that are known.

    Each record that a path leads through is read once, together with others, and so are those whose display name a Ref
    does not tell. One that the server does not give is as one without tags. A spec is no record, and has no other name.
    """
    known: dict[str, Tags] = {record.id: record.tags for record in records}
    found: dict[str, Tags] = dict(known)
    for path in levels_of(header):
        if "->" in path:
            values = await followed(source, known, [record.id for record in records], path.split("->"))
            found = {ident: {**tags, path: values[ident]} for ident, tags in found.items()}
        elif path not in ("id", "spec") and any(
            isinstance(ref := tags.get(path), Ref) and not ref.dis for tags in known.values()
        ):
            names = await followed(source, dict(known), [record.id for record in records], [path, "dis"])
            found = {ident: {**tags, path: names[ident] or tags.get(path)} for ident, tags in found.items()}
    return dict(zip([point.id for point in points], labels_of(points, header, found), strict=True))


async def followed(source: Source, known: dict[str, Tags], ids: Sequence[str], path: Sequence[str]) -> dict[str, Any]:
    """What a path leads to from each record; the records on the way are added to `known`."""
    *steps, last = path
    at = {ident: known[ident] for ident in ids}
    for step in steps:
        refs = {ident: tags.get(step) for ident, tags in at.items()}
        wanted = {ref.val: ref for ref in refs.values() if isinstance(ref, Ref) and ref.val not in known}
        if wanted:
            read = {record.id: record.tags for record in await read_records(source, list(wanted), failures={})}
            # What is not given away has at least the name that is in the Ref.
            known.update({ident: read.get(ident, {"id": ref}) for ident, ref in wanted.items()})
        at = {ident: known[ref.val] if isinstance(ref, Ref) else {} for ident, ref in refs.items()}
    if last == "dis":
        return {ident: display_name(tags) or None for ident, tags in at.items()}
    return {ident: tags.get(last) for ident, tags in at.items()}
