"""Which samples there are: of each point the first and the last one, how many, and how far apart, before they are read.

A record may tell it (``hisStart``, ``hisEnd``, ``hisSize``). An archive is counted. Of other servers it is found by
small reads: the last sample is looked for further and further back, the first one by halving the time before it. That
takes for granted that samples came without a long hole once they had begun, and how many there are is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

import numpy as np
import pandas as pd

from hsframe.arrays import Instants
from hsframe.durations import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from hsframe.errors import HsFrameError
from hsframe.frame.histories import NAT_US, or_nat
from hsframe.frame.points import Point
from hsframe.frame.trend import index_zone_of, time_index
from hsframe.history.his_answers import sample_instants
from hsframe.history.plan import POINTS_A_BATCH, ReadOptions
from hsframe.history.point_records import HIS_ENDS, PointRecord, instants_in, size_of
from hsframe.history.read import nearest_samples, read_histories, span_of
from hsframe.history.source import Source, WholeSource
from hsframe.intervals.rules import PointSampling
from hsframe.spans import Span

# How far back samples are looked for where nobody says when they began: ten years.
_REACH_US: Final = 3653 * DAY_US
# How much time is looked at at once: of points with fewer than four samples a day a longer one.
_LOOK_US: Final = DAY_US
_LONG_LOOK_US: Final = 40 * DAY_US
_SELDOM_US: Final = 6 * HOUR_US
# How far back the last sample is looked for, step by step: no step is much longer than what was empty before.
_DEPTHS_US: Final = tuple(days * DAY_US for days in (1, 8, 40, 200, 400, 800, 1600))


@dataclass(slots=True)
class PointInventory:
    """What there is of a point; None where that is not known, or nothing is there."""

    source: str | None
    rows: int | None = None
    first_us: int | None = None
    last_us: int | None = None
    period_us: int | None = None

    @property
    def expected_rows(self) -> int | None:
        """How many samples there are, by their period where that is not known."""
        if self.rows is None and self.first_us is not None and self.last_us is not None and self.period_us:
            return round((self.last_us - self.first_us) / self.period_us) + 1
        return self.rows

    @property
    def told_period_us(self) -> int | None:
        """The period in whole seconds, from a minute on: a mean or median of changes has digits that say nothing."""
        us = self.period_us
        return us if us is None or us < MINUTE_US else round(us / SECOND_US) * SECOND_US


async def inventories_of(
    source: Source, records: Sequence[PointRecord], spans: Mapping[str, Span] | None, options: ReadOptions
) -> dict[str, PointInventory]:
    """By id what there is of some points, in a span of each zone, or up to now."""
    now_us = options.now_us + 1
    windows = {record.tz: (now_us - _REACH_US, now_us) for record in records}
    for tz, span in (spans or {}).items():
        windows[tz] = span.start_us, now_us if span.end_us is None else span.end_us
    if isinstance(source, WholeSource):
        return await _by_reading_all(source, records, windows, options)
    found = {record.id: _by_record(record, None if spans is None else windows[record.tz]) for record in records}
    told = {ident: one for ident, one in found.items() if one is not None}
    return told | await _by_probes(source, [record for record in records if record.id not in told], windows, options)


def _by_record(record: PointRecord, window_us: tuple[int, int] | None) -> PointInventory | None:
    """What a record tells, where all of it is in the window."""
    rows, ends_us = size_of(record.tags), instants_in(record.tags, HIS_ENDS)
    if rows == 0:
        return PointInventory("record", 0)
    if ends_us is None or (window_us is not None and not window_us[0] <= ends_us[0] <= ends_us[1] < window_us[1]):
        return None
    (first_us, last_us), period_us = ends_us, _period_of(record)
    if period_us is None and rows is not None and rows > 1:
        period_us = (last_us - first_us) // (rows - 1)
    return PointInventory("record", rows, first_us, last_us, period_us)


def _period_of(record: PointRecord) -> int | None:
    return None if record.irregular else PointSampling.from_record(record.tags).interval_us


async def _by_reading_all(
    source: Source, records: Sequence[PointRecord], windows: Mapping[str, tuple[int, int]], options: ReadOptions
) -> dict[str, PointInventory]:
    """All samples are read, some points together: of an archive, and of a server that gives no less."""
    name = "archive" if isinstance(source, WholeSource) else "probe"
    spans = {tz: span_of(*window) for tz, window in windows.items()}
    found = {record.id: PointInventory(name, 0) for record in records}
    for place in range(0, len(records), POINTS_A_BATCH):
        some = records[place : place + POINTS_A_BATCH]
        for ident, ts_us in (await _samples(source, some, spans, options)).items():
            found[ident] = PointInventory(name, len(ts_us), int(ts_us.min()), int(ts_us.max()), _median_gap(ts_us))
    return found


async def _by_probes(
    source: Source, records: Sequence[PointRecord], windows: Mapping[str, tuple[int, int]], options: ReadOptions
) -> dict[str, PointInventory]:
    found = {record.id: PointInventory("probe", 0) for record in records}
    ends_us = {tz: end_us for tz, (_, end_us) in windows.items()}
    reach_us = max((end_us - start_us for start_us, end_us in windows.values()), default=0)
    lasts = await nearest_samples(source, records, ends_us, reach_us, options, depths_us=_DEPTHS_US)
    lasts_us = {one.point.id: int(one.ts_us[0]) for one in lasts}
    if source.dialect.ignores_range:
        return await _by_reading_all(source, records, windows, options)
    by_day: dict[tuple[str, int], list[PointRecord]] = {}
    for record in records:
        if (last_us := lasts_us.get(record.id, NAT_US)) >= windows[record.tz][0]:
            found[record.id] = PointInventory("probe", None, None, last_us, _period_of(record))
            by_day.setdefault((record.tz, last_us // DAY_US * DAY_US), []).append(record)
    todo: list[tuple[list[PointRecord], int, int, int, bool]] = []
    for (tz, day_us), some in by_day.items():
        # How far apart samples are is seen on the last day that has some, and the one before it.
        unknown = [record for record in some if found[record.id].period_us is None]
        span = span_of(max(day_us - DAY_US, windows[tz][0]), min(day_us + DAY_US, windows[tz][1]))
        for ident, ts_us in (await _samples(source, unknown, span, options)).items():
            found[ident].period_us = _median_gap(ts_us)
        for look_us in (_LOOK_US, _LONG_LOOK_US):
            own = [one for one in some if _look_us(found[one.id]) == look_us]
            todo += [(own, windows[tz][0], day_us, look_us, True)] if own else []
    while todo:  # of some points: from `until_us` on there is one, and before `start_us` none
        some, start_us, until_us, look_us, is_new = todo.pop()
        is_rest = until_us - start_us <= 2 * look_us
        # First where the window begins, then in the middle of what is left, and at last all of it.
        at_us = start_us if is_new or is_rest else (start_us + until_us) // 2
        end_us = until_us + look_us + DAY_US if is_rest else at_us + look_us
        seen = await _samples(source, some, span_of(at_us, end_us), options)
        hits, misses = ([one for one in some if (one.id in seen) == is_hit] for is_hit in (True, False))
        if is_new or is_rest:
            for one in hits:
                found[one.id].first_us = int(seen[one.id].min())
        elif hits:
            todo.append((hits, start_us, at_us, look_us, False))
        if misses and not is_rest:
            todo.append((misses, at_us + look_us, until_us, look_us, False))
    return found


def _look_us(inventory: PointInventory) -> int:
    return _LONG_LOOK_US if (inventory.period_us or _SELDOM_US) >= _SELDOM_US else _LOOK_US


async def _samples(
    source: Source, records: Sequence[PointRecord], span: Span | Mapping[str, Span], options: ReadOptions
) -> dict[str, Instants]:
    """By id the instants of those that have samples in a span."""
    found: dict[str, Instants] = {}
    for history in await read_histories(source, records, span, options) if records else ():
        if len(ts_us := sample_instants(history)):
            found[history.point.id] = np.append(found.get(history.point.id, ts_us[:0]), ts_us)
    return found


def _median_gap(ts_us: Instants) -> int | None:
    return int(np.median(np.diff(np.unique(ts_us)))) if len(ts_us) > 1 else None


def inventory_table(
    points: Sequence[Point],
    inventories: Mapping[str, PointInventory],
    failures: Mapping[str, HsFrameError],
    now_us: int,
    tz: str | tzinfo,
) -> pd.DataFrame:
    """The table of :meth:`hsframe.Session.inventory`."""
    rows = [PointInventory(None) if point.id in failures else inventories[point.id] for point in points]
    last_us = or_nat(one.last_us for one in rows)
    known = [point for point in points if point.id not in failures]
    index_zone = index_zone_of(known, tz, times=None)
    reasons = [str(failures.get(point.id, "")) for point in points]
    return pd.DataFrame(
        {
            "id": pd.array([point.id for point in points], dtype="str"),
            "dis": pd.array([point.dis for point in points], dtype="str"),
            "first": time_index(or_nat(one.first_us for one in rows), index_zone, name=None),
            "last": time_index(last_us, index_zone, name=None),
            "rows": pd.array([one.expected_rows for one in rows], dtype="Int64"),
            "period": or_nat(one.told_period_us for one in rows).view("timedelta64[us]"),
            "age": np.where(last_us == NAT_US, NAT_US, now_us - last_us).view("timedelta64[us]"),
            "source": pd.array([one.source for one in rows], dtype="str"),
            "status": pd.array(
                [
                    "failed" if reason else "empty" if one.rows == 0 else "ok"
                    for one, reason in zip(rows, reasons, strict=True)
                ],
                dtype="str",
            ),
            "reason": pd.array(reasons, dtype="str"),
        }
    )
