"""Regular intervals of local time: what ``interval="15min"`` or ``"1D"`` means in a zone.

Two sorts of interval:

- Steps below a day (``"10s"``, ``"15min"``, ``"1h"``, ``"6h"``): elapsed time, counted from each local midnight.
  The step must divide 24 hours, so that every ordinary day has whole ones. A day of 23 or 25 hours has 92 or 100
  quarters of an hour; in the hour that the clock repeats each label comes twice, with its two offsets. Where the day
  is no multiple of the step (``"1h"`` in Lord Howe, whose clock moves by half an hour; ``"6h"`` in a day of 25 hours)
  the last interval of the day is the rest of it.
- Days and longer (``"1D"``, ``"1W"``, ``"1M"``, ``"1Q"``, ``"1Y"``): the local calendar. A day lasts from midnight to
  midnight, 23 or 25 hours where a clock changes, and starts at the first instant that carries its date where there is
  no midnight. Several days or weeks at a time are counted from Monday, 1970-01-05 (weeks that start on another day:
  from that day of the same week), so that all points and all spans agree; months, quarters and years start at the first
  of January.

``"24h"`` is refused: in a day of 25 hours it would leave a day of one hour.

An interval is half-open and named by its start. The rows of a span are the intervals that start in it, each of them
whole; :doc:`Values over intervals </explanation/intervals>` says why, and what becomes of the edges and of the interval
of the present.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from hsframe.arrays import Instants
from hsframe.durations import DAY_US, LENGTHS_US, MONTHS, SECOND_US, Duration, amount_of
from hsframe.errors import SpanError
from hsframe.frame.stamps import Interval
from hsframe.spans import from_epoch_us, local_instant_us, weekday_of

_MONDAY: Final = date(1970, 1, 5).toordinal()
_EXPECTED: Final = "'15min', '1h', '1D', '1W', '1M' (a month), '1Q' or '1Y', or a timedelta"


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is from one interval to the next: less than a day of elapsed time, or local days, or months.

    Weeks start on `weekday`, 0 for Monday.
    """

    elapsed_us: int = 0
    days: int = 0
    months: int = 0
    weekday: int = 0


def parse_step(interval: Duration, week_start: str = "monday") -> Step:
    """The step that a person wrote; a timedelta of whole days means local days, weeks start on the day `week_start`.

    A SpanError where `interval` is not a valid step or does not divide a day, or `week_start` is not a day.

    >>> parse_step("15min")
    Step(elapsed_us=900000000, days=0, months=0, weekday=0)
    >>> parse_step("1W", "sunday")
    Step(elapsed_us=0, days=7, months=0, weekday=6)
    """
    weekday = weekday_of(week_start)
    count, unit = amount_of(interval, f"interval={interval!r}", _EXPECTED)
    if not 0 < count < float("inf"):
        raise SpanError(f"interval={interval!r} must be positive; expected {_EXPECTED}")
    if unit not in ("d", "w") and unit not in MONTHS:
        length_us = count * LENGTHS_US[unit]
        if length_us == DAY_US:
            raise SpanError(
                f"interval={interval!r} is 24 hours of elapsed time, and a local day may have 23 or 25; for days write "
                "'1D'"
            )
        if length_us < SECOND_US:
            raise SpanError(f"interval={interval!r} is shorter than a second; expected {_EXPECTED}")
        if DAY_US % length_us:
            raise SpanError(
                f"interval={interval!r} does not divide a day, so its steps from midnight to midnight would not be "
                "even; expected 1, 2, 3, 4, 6, 8 or 12 h, or minutes or seconds that divide a day"
            )
        return Step(elapsed_us=int(length_us))
    if count != int(count):
        raise SpanError(
            f"interval={interval!r} must be a whole number of days, weeks, months or years, which differ in "
            "length; for half a day of elapsed time write '12h'"
        )
    if unit in ("d", "w"):
        return Step(days=int(count) * (7 if unit == "w" else 1), weekday=weekday if unit == "w" else 0)
    months = int(count) * MONTHS[unit]
    if 12 % months and months % 12:
        raise SpanError(f"interval={interval!r} does not divide a year; expected 1, 2, 3, 4, 6 or 12 months")
    return Step(months=months)


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Intervals that follow one another: number `i` is [edges_us[i], edges_us[i + 1]), its label the start.

    Starts and ends are one array each for all points, so that frames need not compare them. `unfinished` is the number
    of the one that is taken as far as it is known, since the present is in it. `cut_us` are the edges at which the span
    has cut an interval.
    """

    edges_us: Instants
    labels_us: Instants
    ends_us: Instants
    unfinished: int | None = None
    cut_us: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.labels_us)

    @classmethod
    def of(cls, edges_us: Instants, unfinished: int | None = None, cut_us: tuple[int, ...] = ()) -> Intervals:
        """The intervals between some edges."""
        return cls(edges_us, edges_us[:-1], edges_us[1:], unfinished, cut_us)

    @property
    def start_us(self) -> int:
        """The start of the first."""
        return int(self.edges_us[0])

    @property
    def end_us(self) -> int:
        """The end of the last."""
        return int(self.edges_us[-1])


def intervals(
    start_us: int, end_us: int, step: Step, tz: ZoneInfo, *, partial: bool = False, now_us: int | None = None
) -> Intervals:
    """The intervals that start in [start, end), each of them whole; a SpanError where there is none.

    With `partial` those that the span divides are cut at its start and end, and with `now_us` one is unfinished, if its
    whole is not over then.

    A day of 25 hours:

    >>> from hsframe.spans import resolve
    >>> from hsframe.zones import zone
    >>> day = resolve("2026-11-01", "New_York")
    >>> len(intervals(day.start_us, day.end_us, parse_step("15min"), zone("New_York")))
    100
    >>> np.diff(intervals(day.start_us, day.end_us, parse_step("1D"), zone("New_York")).edges_us / 3.6e9)
    array([25.])
    """
    try:
        edges = _sub_daily(start_us, end_us, step, tz) if step.elapsed_us else _calendar(start_us, end_us, step, tz)
    except (OverflowError, ValueError) as error:
        raise SpanError("the span and its intervals reach beyond the years 1 to 9999") from error
    edges = np.unique(edges)  # a day that the zone skipped has no length
    first = int(np.searchsorted(edges, start_us, side="left"))
    last = int(np.searchsorted(edges, end_us, side="left"))  # the first edge that is not in the span ends the last row
    found = edges[first : last + 1]
    if partial and start_us < end_us:
        found = np.unique([start_us, *edges[first:last], end_us])
    if len(found) < 2:
        here, there = (from_epoch_us(us, tz).isoformat() for us in (start_us, end_us))
        raise SpanError(
            f"no interval starts in the span [{here}, {there}): its rows are the whole intervals that start in it; "
            "take a longer span, a shorter interval, or edges='partial' in df.hs.resample or the read"
        )
    unfinished = None
    if partial and now_us is not None and found[0] < now_us:
        row = min(int(np.searchsorted(found, now_us, side="left")) - 1, len(found) - 2)
        whole_end_us = edges[np.searchsorted(edges, found[row], side="right")]
        unfinished = row if whole_end_us > now_us else None
    return Intervals.of(np.ascontiguousarray(found), unfinished, tuple(np.setdiff1d(found, edges).tolist()))


def edges_around(rows: Interval, first_us: int, last_us: int, tz: ZoneInfo) -> Instants:
    """The edges of the intervals that rows from one stamp to another stand for, with some before and after these.

    Weeks begin on the day of a row that no span has cut.
    """
    step, reach_us = parse_step(rows.length), int(rows.longest_us) + DAY_US
    if step.days and step.days % 7 == 0:
        step = replace(step, weekday=from_epoch_us(first_us if rows.label == "end" else last_us, tz).weekday())
    return intervals(first_us - reach_us, last_us + reach_us, step, tz).edges_us


def _sub_daily(start_us: int, end_us: int, step: Step, tz: ZoneInfo) -> Instants:
    first, last = _local_date(start_us, tz) - 1, _local_date(end_us, tz) + 1
    midnights = np.array([_midnight_us(day, tz) for day in range(first, last + 2)], dtype=np.int64)
    lengths = np.diff(midnights)
    counts = -(-lengths // step.elapsed_us)
    owner = np.repeat(np.arange(len(lengths)), counts)
    within = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    edges: Instants = midnights[owner] + within * step.elapsed_us
    return np.append(edges, midnights[-1])


def _calendar(start_us: int, end_us: int, step: Step, tz: ZoneInfo) -> Instants:
    first, last = _local_date(start_us, tz), _local_date(end_us, tz)
    if step.days:
        origin = _MONDAY + step.weekday
        number, stop = (first - origin) // step.days, (last - origin) // step.days + 3
        days = range(origin + number * step.days, origin + stop * step.days, step.days)
        return np.array([_midnight_us(day, tz) for day in days], dtype=np.int64)
    ends = map(date.fromordinal, (first, last))
    begin, stop = ((day.year * 12 + day.month - 1) // step.months * step.months for day in ends)
    months = range(begin, stop + 3 * step.months, step.months)
    firsts = (date(month // 12, month % 12 + 1, 1) for month in months)
    return np.array([_midnight_us(day.toordinal(), tz) for day in firsts], dtype=np.int64)


def _local_date(us: int, tz: ZoneInfo) -> int:
    return from_epoch_us(us, tz).date().toordinal()


@functools.lru_cache(maxsize=8192)
def _midnight_us(ordinal: int, tz: ZoneInfo) -> int:
    return local_instant_us(datetime.fromordinal(ordinal), tz)
