"""How rows of values over intervals are stamped: by the start of their interval, its end or both; in local time too.

``df.hs.interval`` says what a row stands for. It is in the catalog (:mod:`hsframe.frame.points`), so it goes where
attrs go, and into Parquet::

    {"interval": {"length": "1h", "label": "end"}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd

from hsframe.arrays import Instants
from hsframe.durations import DAY_US, HOUR_US, LENGTHS_US, MONTHS, Duration, amount_of
from hsframe.errors import MetadataError, check_choice
from hsframe.frame.histories import NAT_US
from hsframe.frame.points import note, noted, points_of
from hsframe.frame.reads import remember
from hsframe.frame.tracks import Track
from hsframe.spans import EPOCH, local_instant_us
from hsframe.zones import zone

Label = Literal["start", "end", "both"]

_KEY: Final = "interval"


@dataclass(frozen=True, slots=True)
class Interval:
    """What a row of a frame of values over intervals stands for.

    Parameters
    ----------
    length : str
        The length of the interval as it was given to ``his_read``, as ``"1h"``.
    label : {"start", "end", "both"}
        Whether the index is the start of the interval, its end, or both.
    """

    length: str
    label: Label = "start"

    def __post_init__(self) -> None:
        check_choice("label", self.label, get_args(Label))
        amount_of(self.length, "the length of the interval")

    @classmethod
    def of(cls, length: Duration, label: Label) -> Interval:
        """The interval of a length as a person gives it: a text as it is, a timedelta as ``"15min"``."""
        if isinstance(length, str):
            return cls(length.strip(), label)
        count, unit = amount_of(length, "interval")
        if unit == "us":
            unit = next(name for name in ("h", "min", "s", "ms", "us") if count % LENGTHS_US[name] == 0)
            count /= LENGTHS_US[unit]
        return cls(f"{count:g}{unit}", label)

    @property
    def longest_us(self) -> float:
        """The longest that it lasts: a day has up to 25 hours, a month up to 31 days."""
        count, unit = amount_of(self.length, "the length of the interval")
        longest_us = count * (LENGTHS_US[unit] if unit in LENGTHS_US else MONTHS[unit] * 31 * DAY_US)
        return longest_us + HOUR_US * (longest_us >= DAY_US)


def note_interval(df: pd.DataFrame, interval: Interval | Mapping[str, Any] | None) -> None:
    """Put into a frame's catalog what its rows stand for, or its entry in another one; only the attrs change."""
    if interval is not None:
        found = interval if isinstance(interval, Interval) else _interval_from(interval)
        note(df, _KEY, asdict(found))
        if found.label != "start":
            ends = f"values at the ends of their intervals (label={found.label!r})"
            remember(df, {point.id: ends for point in points_of(df).values()})


def noted_interval(df: pd.DataFrame) -> Interval | None:
    """What the catalog of a frame says of its rows."""
    entry = noted(df, _KEY)
    return None if entry is None else _interval_from(entry)


def _interval_from(entry: Mapping[str, Any]) -> Interval:
    return Interval(entry.get("length", ""), entry.get("label", "start"))  # no length is refused in words


def interval_of(df: pd.DataFrame) -> Interval | None:
    """What a row of a frame stands for; None for samples, and where that cannot be said any more.

    pandas keeps attrs when it makes other rows, as ``resample`` does: rows that are all further apart than the
    intervals are long stand for something else.
    """
    interval, times = noted_interval(df), df.index.get_level_values(0)
    if interval is None or len(df) < 2 or not isinstance(times, pd.DatetimeIndex):
        return interval
    return interval if np.abs(np.diff(times.as_unit("us").asi8)).min() <= interval.longest_us else None


def has_both_ends(index: pd.Index) -> bool:
    """Whether rows are labelled with both ends of their interval, in two levels."""
    return list(index.names) == ["start", "end"]


def stamped(tracks: Sequence[Track], label: Label, *, local: bool) -> list[Track]:
    """The tracks of values over intervals with the times of the rows that are wanted; `local`: as local wall time."""
    made: dict[tuple[int, str | None], Instants] = {}

    def times(ts_us: Instants, tz: str | None) -> Instants:
        # Points of one zone share their instants, and shall share these.
        key = (id(ts_us), tz)
        if key not in made:
            made[key] = _wall_us(ts_us, tz or "UTC") if local else ts_us
        return made[key]

    found = []
    for track in tracks:
        if track.over is None:
            raise MetadataError("tz='local' and label= are for values over intervals, and these are samples")
        ends_us = times(track.over.ends_us, track.point.tz)
        starts_us = ends_us if label == "end" else times(track.ts_us, track.point.tz)
        found.append(replace(track, ts_us=starts_us, over=replace(track.over, ends_us=ends_us)))
    return found


def _wall_us(ts_us: Instants, tz: str) -> Instants:
    """The local wall time as microseconds; of a day that has no midnight the midnight, so that days have one stamp."""
    instants = pd.DatetimeIndex(ts_us, dtype=pd.DatetimeTZDtype("us", zone(tz)))
    walls: Instants = instants.tz_localize(None).asi8.copy()
    for place in np.flatnonzero(walls % DAY_US).tolist():
        midnight = int(walls[place] // DAY_US * DAY_US)
        date = datetime.fromordinal(EPOCH.toordinal() + midnight // DAY_US)
        if local_instant_us(date, zone(tz)) == ts_us[place]:
            walls[place] = midnight
    return walls


def ends_of(union: Instants, tracks: Sequence[Track], *, local: bool) -> Instants:
    """For each start the end of its interval; a MetadataError where two zones end theirs at different instants."""
    ends_us = np.full(len(union), NAT_US)
    for ts_us, own in {id(track.ts_us): (track.ts_us, track.over.ends_us) for track in tracks if track.over}.values():
        rows = np.searchsorted(union, ts_us)
        if ((ends_us[rows] != NAT_US) & (ends_us[rows] != own)).any():
            raise MetadataError(
                f"label='both': intervals that start at one {'local time' if local else 'instant'} end at different "
                "ones in the zones of the points; take one frame a point, with shape='dict', or "
                + ("label='start'" if local else "tz='local'")
            )
        ends_us[rows] = own
    return ends_us
