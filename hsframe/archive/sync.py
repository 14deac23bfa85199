"""Brings an archive in step with a server: which windows of which points are read, and what became of each point."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date
from typing import Any, Final, TypeAlias

import pandas as pd

from hsframe.archive.fill import Filling, Job, expected_table
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import END_US
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.samples import Changes, young_from
from hsframe.archive.server_identity import expect_login, known_records, note_server, server_of
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.client.in_thread import in_thread
from hsframe.durations import DAY_US
from hsframe.errors import CodecError, HsFrameError, MetadataError, SpanError
from hsframe.filters import means_filter, parse
from hsframe.frame.histories import NAT_US
from hsframe.frame.points_like import PointsLike
from hsframe.frame.trend import time_index
from hsframe.history.plan import GUESSED_ROWS_A_DAY, ReadOptions
from hsframe.history.point_records import PointRecord, find_records, read_records, with_zones
from hsframe.history.source import Source
from hsframe.history.unread import unread_of
from hsframe.kinds import Ref
from hsframe.spans import SpanLike, from_epoch_us
from hsframe.units.table import find
from hsframe.zones import zone

Fill: TypeAlias = Callable[[Tables, Sequence[Job], ReadOptions, int], Awaitable[Changes]]
"""Reads the windows of some points into the tables; the last is from when on samples are young."""

# How far back a new point is read, where its record does not say when its history began.
_FIRST_REACH_US: Final = 3653 * DAY_US
ASSUMED: Final = "its record does not say when its history began (hisStart): ten years are assumed"
# Points refer to equips, these to spaces, these to sites.
_MOST_STEPS: Final = 4


async def sync_archive(
    source: Source,
    storage: Storage,
    points: PointsLike | None,
    options: ReadOptions,
    *,
    since: SpanLike | None,
    overlap_us: int,
    dry_run: bool,
    other_server: bool = False,
    fill: Fill | None = None,
) -> pd.DataFrame:
    """Bring an archive in step with a server; gives a row per point of what became of it."""
    if not other_server:
        await expect_login(source, storage)
    server = await server_of(source)
    known = await in_thread(known_records, storage, "" if other_server else server)
    if points is None:
        points = [Ref(one.id) for one in known.values() if one.read_us is not None]
        if not points:
            raise MetadataError(f"the archive {storage.uri} has no points yet; name some, as 'point and his'")
    unknown: dict[str, HsFrameError] | None = None if options.failures is None else {}
    records = await with_zones(source, await find_records(source, points, failures=unknown))
    if isinstance(points, str) and means_filter(points):
        lost: list[str] = []
        with suppress(CodecError, MetadataError):  # a filter that only the server understands
            wanted, tags = parse(points), {ident: one.tags for ident, one in known.items()}
            own = [one for one in known.values() if one.read_us is not None]
            lost = [one.id for one in own if wanted.matches(one.tags, lambda ref: tags.get(ref.val))]
        # By id: a record that is there all the same has other tags now.
        await read_records(source, sorted({*lost} - {one.id for one in records}), unknown)
    given_us = {} if since is None else _starts(since, records, options)
    jobs = [_job(one, known.get(one.id), given_us.get(one.tz), overlap_us, options.now_us) for one in records]
    unread, later = await unread_of(source, records, None, options), list[Job]()
    for job in jobs:
        if job.record.read_us:  # of a server over an archive: what that has not read was not removed
            job.end_us = max(job.start_us, job.record.read_us[1])
            later.append(replace(job, start_us=job.end_us, end_us=None, before_us=None, earlier_us=None))
        job.reason = job.reason or (unread[job.record.id].reason if job.record.id in unread else "")
    for ident, error in (unknown or {}).items():
        record = PointRecord.of({"id": Ref(ident)} if ident not in known else known[ident].tags)
        jobs.append(Job(record, 0, 0, 0, status="gone" if ident in known else "failed", reason=str(error)))
    if dry_run:
        for job in jobs:
            if not job.status and job.since_us == options.now_us - _FIRST_REACH_US:
                job.reason = ASSUMED
        return expected_table(jobs, options)
    young_us = young_from(options.now_us, overlap_us)
    changes = await fill_archive(
        source, storage, records, [*jobs, *later], options, server=server, young_us=young_us, fill=fill
    )
    return outcome_table(jobs, changes, options.failures or {})


async def fill_archive(
    source: Source,
    storage: Storage,
    records: Sequence[PointRecord],
    jobs: Sequence[Job],
    options: ReadOptions,
    *,
    server: str,
    young_us: int = END_US,
    fill: Fill | None = None,
) -> Changes:
    """Read windows of some points into an archive, which is made where there is none; by `fill` if not here."""
    a_day = sum(record.rows_a_day or GUESSED_ROWS_A_DAY for record in records)
    tables = await in_thread(Tables.open_or_create, storage, Layout.of_density(a_day))
    await note_server(source, tables.points, server)
    for log in (tables.samples, tables.points):
        await in_thread(log.storage.remove_left_parts)
    known, were_taken_back = await in_thread(tables.records), await in_thread(tables.were_taken_back)
    others = await _referenced(source, records, {one.id for one in known.values() if one.read_us})
    wanted = [job for job in jobs if not job.status]
    # In the order of the server, which is that of the columns of a frame, where it gave all points.
    found = {one.id: ArchivedRecord({"tz": one.tz, **one.tags}) for one in records}
    before = known if any(one.read_us and one.id not in found for one in known.values()) else {}
    # Without windows, which are noted already, and by others too meanwhile; unless samples were taken back.
    noted = known if were_taken_back else {ident: ArchivedRecord(one.tags) for ident, one in known.items()}
    found = before | found | noted | {one["id"].val: ArchivedRecord(one) for one in others}
    # What was asked for is noted before it is read: a point that fails now is one of the archive all the same.
    asked = {job.record.id: (job.since_us, job.since_us) for job in wanted}
    await in_thread(functools.partial(tables.points.put, asked=asked, in_order=True), found.values())
    if fill is not None:
        return await fill(tables, wanted, options, young_us)
    filling = Filling(source, tables.samples, tables.points, options, young_us)
    await filling.run(wanted)
    return filling.changes


def _job(record: PointRecord, known: ArchivedRecord | None, given_us: int | None, overlap_us: int, now_us: int) -> Job:
    """The window of a point, and a status where it must not be read."""
    if known is None or known.known_us is None:
        first_us = now_us - _FIRST_REACH_US
        begin_us = known.read_us[0] if known and known.read_us else record.begin_us(first_us)
        if begin_us > now_us:  # the server's clock was wrong
            begin_us = first_us
        start_us = begin_us if given_us is None else given_us
        return Job(record, start_us, None, start_us, before_us=start_us)
    since_us, until_us = known.known_us
    start_us = max(since_us, min(until_us, now_us) - overlap_us)
    if until_us - overlap_us > now_us:  # a clock was wrong, and until when it was read is not known
        start_us = since_us
    differing, earlier_us = differences(known, record), None
    if given_us is not None and given_us < since_us and not differing:
        earlier_us = given_us, since_us
    elif given_us is not None and (given_us > since_us or differing):
        start_us = min(given_us, start_us)
    known_us = None if differing else (since_us, until_us)
    job = Job(record, start_us, None, min(since_us, start_us), earlier_us=earlier_us, known_us=known_us)
    if earlier_us or (differing and start_us <= since_us):
        job.before_us = earlier_us[0] if earlier_us else start_us
    if differing and start_us > since_us:
        job.status = "changed"
        day = from_epoch_us(since_us, zone(record.tz)).date()
        job.reason = f"{differing}: not read, so as not to mix them; since='{day}', or earlier, reads all of it anew"
    elif differing:
        job.reason = f"{differing}: all of it was read anew"
    return job


def _starts(since: SpanLike, records: Sequence[PointRecord], options: ReadOptions) -> dict[str, int]:
    """From when on points are read, by zone."""
    spans = options.spans(since, (record.tz for record in records))
    is_pair = "," in since if isinstance(since, str) else not isinstance(since, date)
    for span in spans.values():
        if is_pair and span.end_us is not None:
            raise SpanError(f"since must be one date or instant, and what is later is read up to now; got {since!r}")
        if span.start_us > options.now_us:
            raise SpanError(f"since must be in the past; got {since!r}, and it is {options.now:%Y-%m-%d %H:%M %Z}")
    return {tz: span.start_us for tz, span in spans.items()}


def differences(known: ArchivedRecord, record: PointRecord) -> str:
    """What of a point is another than in the archive, so that its samples must not be mixed; mostly nothing."""
    old, new = known.point, record.point
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in ("unit", "kind", "tz")]
    if (known_unit := find(old.unit or "")) and known_unit == find(new.unit or ""):
        pairs = pairs[1:]  # a unit has a symbol and a long name
    return "; ".join(f"its {name} was {a or 'none'} and is {b or 'none'}" for name, a, b in pairs if a != b)


async def _referenced(
    source: Source, records: Sequence[PointRecord], points: Collection[str]
) -> list[Mapping[str, Any]]:
    """The records that points refer to, directly or by others, without points of the archive itself.

    They are read each time: filters and headers by a site or an equip are to follow the server.
    """
    seen = {*points, *(record.id for record in records)}
    found: list[Mapping[str, Any]] = []
    tags: list[Mapping[str, Any]] = [record.tags for record in records]
    for _ in range(_MOST_STEPS):
        wanted = dict.fromkeys(value.val for one in tags for value in one.values() if isinstance(value, Ref))
        ids = [ident for ident in wanted if ident not in seen]
        if not ids:
            break
        seen.update(ids)
        tags = [record.tags for record in await read_records(source, ids, {})]
        found += tags
    return found


def outcome_table(jobs: Sequence[Job], changes: Changes, failures: Mapping[str, HsFrameError]) -> pd.DataFrame:
    """One row per point: what was new, changed and removed, and how it ended."""
    rows = [_outcome(job, changes, failures.get(job.record.id)) for job in jobs]
    times = ["first_change", "last_change", "first", "last"]
    names = ["id", "dis", "rows_new", "rows_late", "rows_changed", "rows_removed", *times, "status", "reason"]
    df = pd.DataFrame(rows, columns=names, dtype=object)
    for name in times:
        df[name] = time_index(df[name].where(df[name].notna(), NAT_US).to_numpy("int64"), UTC, None)
    kinds = {name: "int64" if name.startswith("rows") else "str" for name in names if name not in times}
    return df.astype(kinds)


def _outcome(job: Job, changes: Changes, failure: HsFrameError | None) -> tuple[object, ...]:
    ident = job.record.id
    counts = [of[ident] for of in (changes.new, changes.late, changes.changed, changes.removed)]
    status, reason = job.status, job.reason
    if failure is not None:
        status, reason = "failed", str(failure)
    elif not status and (kept := changes.kept[ident]):
        status, reason = "kept", f"the server gave no samples where the archive has {kept}: they stay"
    elif counts[-1] and not reason:
        reason = f"the server no longer has {counts[-1]} samples that the archive had: an older version has them"
    status = status or ("synced" if any(counts) else "same")
    span = changes.spans.get(ident, (None, None))
    return ident, job.record.point.dis, *counts, *span, job.first_us, job.last_us, status, reason
