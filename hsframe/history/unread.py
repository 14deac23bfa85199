"""What of a read an archive cannot know, because it has not read it from its server.

An archive answers for the window of each point that it was brought in step with. What lies outside may be empty there
and full on the server, so it is warned of, and the catalog has it for each point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hsframe.caller_warnings import warn_caller
from hsframe.durations import HOUR_US, Duration
from hsframe.errors import ReadWarning
from hsframe.frame.points import Point
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord, with_zones
from hsframe.history.source import Source, WholeSource
from hsframe.intervals.regular import intervals, parse_step
from hsframe.spans import FIRST, LAST, Span, epoch_us, from_epoch_us
from hsframe.zones import zone

# Up to the present: a sync that brings nothing new notes only each hour that it was there.
_RECENT_US: Final = 2 * HOUR_US
_EVER: Final = epoch_us(FIRST), epoch_us(LAST)


@dataclass(frozen=True, slots=True)
class Unread:
    """Why samples of a point may be lacking, and whether nothing at all of its window was read."""

    point: Point
    reason: str
    is_all: bool


async def unread_of(
    source: Source,
    records: Sequence[PointRecord],
    spans: Mapping[str, Span] | None,
    options: ReadOptions,
    interval: Duration | None = None,
) -> dict[str, Unread]:
    """By id the points of which a window was not read as far as it is past; none where a server knows all.

    `spans` are the windows by zone, None for the present alone. The rows of an `interval` are whole: the last one may
    end after its span. A part in which no sample is due is no lack, nor are the last two hours up to the present.
    """
    if not isinstance(source, WholeSource) and not any(record.read_us for record in records):
        return {}
    # Who reads from a server over an archive cannot sync it.
    sync = "archive.sync({})" if isinstance(source, WholeSource) else "sync({}) by whoever keeps the archive"
    windows = {} if spans is None else {tz: _window(span, tz, options, interval) for tz, span in spans.items()}
    found: dict[str, Unread] = {}
    for record in await with_zones(source, records):
        start_us, end_us = windows.get(record.tz, (options.now_us, options.now_us))
        if start_us >= end_us and spans is not None:
            continue  # nothing of it is past
        reasons, is_all = [], True
        if (read_us := part_read(source, record, _EVER)) is None:
            what = "has not read its history, or not since samples were lost (restore(), repair(), an older backup)"
            reasons = [f"the archive {what}: {sync.format('')} does"]
        else:
            since_us, until_us = read_us
            is_all = until_us <= start_us or since_us >= end_us
            first, last = (from_epoch_us(us, zone(record.tz)) for us in read_us)
            have = f"the archive has read it from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({record.tz})"
            if end_us - until_us >= (record.due_us if end_us < options.now_us else max(record.due_us, _RECENT_US)):
                reasons = [have, f"{sync.format('')} brings what is later"]
            elif record.id in options.open_ends and until_us < end_us + record.due_us <= options.now_us:
                reasons = [have, f"{sync.format('')} brings the sample after the end, which the last interval needs"]
            if since_us - max(start_us, record.begin_us(start_us)) >= record.due_us:
                since = f"since='{from_epoch_us(start_us, zone(record.tz)).date()}'"
                reasons = [have, *reasons[1:], f"{sync.format(since)} brings what is earlier"]
        if reasons:
            found[record.id] = Unread(record.point, "; ".join(reasons), is_all)
    return found


def part_read(source: Source, record: PointRecord, window_us: tuple[int, int]) -> tuple[int, int] | None:
    """The part of a window that a source knows of a point: of a server all, of an archive maybe nothing."""
    read_us = getattr(source, "read_us", None)  # isinstance() takes 50 us, and this is asked of each point
    since_us, until_us = (record.read_us if read_us is None else read_us(record.id)) or window_us
    start_us, end_us = max(window_us[0], since_us), min(window_us[1], until_us)
    return (start_us, end_us) if start_us < end_us else None


def _window(span: Span, tz: str, options: ReadOptions, interval: Duration | None) -> tuple[int, int]:
    """What is asked for, as far as it is past."""
    end_us = options.now_us if span.end_us is None else span.end_us
    if interval is not None and span.start_us < end_us:
        end_us = intervals(span.start_us, end_us, parse_step(interval, options.week_start), zone(tz)).end_us
    return span.start_us, min(end_us, options.now_us)


def warn_of_unread(unread: Mapping[str, Unread], total: int) -> None:
    """Warn once of all points that lack something."""
    if unread:
        first = next(iter(unread.values()))
        warn_caller(
            f"{len(unread)} of {total} points may lack samples: of the first, {first.point}, "
            f"{first.reason}. df.hs.catalog has the reason of each",
            ReadWarning,
        )
