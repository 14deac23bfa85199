"""What the demo building is made of: a time axis, noise, weather, occupancy, first-order lag.

Everything is a function of the absolute time step, not of where the data begin: a server that is started tomorrow has
the same data for last week.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hsframe.arrays import Bools, Floats, Instants
from hsframe.durations import MINUTE_US
from hsframe.spans import epoch_us
from hsframe.zones import zone

STEP_MIN: Final = 15
LEAD: Final = 96
"""Steps before the first sample that lags and averages need to settle; they are cut off at the end."""

_STEP_US: Final = STEP_MIN * MINUTE_US
_PER_DAY: Final = 24 * 60 // STEP_MIN


@dataclass(frozen=True)
class Axis:
    """Time steps of 15 minutes, counted from 1970: the first one and their number, :data:`LEAD` included.

    The noise comes from `seed`.
    """

    first: int
    count: int
    seed: int

    @classmethod
    def ending(cls, end: datetime, days: int, seed: int) -> Axis:
        """The axis of this many days whose last step is `end`, cut to 15 minutes."""
        last = epoch_us(end) // _STEP_US
        return cls(last - days * _PER_DAY - LEAD, days * _PER_DAY + LEAD + 1, seed)

    @property
    def steps(self) -> NDArray[np.int64]:
        return np.arange(self.first, self.first + self.count, dtype=np.int64)

    @property
    def ts_us(self) -> Instants:
        return self.steps * _STEP_US

    @property
    def end_us(self) -> int:
        return (self.first + self.count - 1) * _STEP_US


@dataclass(frozen=True)
class Local:
    """The wall clock of a zone at each step; `day` counts local days since 1970, for what happens once a day."""

    hour: Floats
    weekday: NDArray[np.int64]  # 0 is Monday
    day_of_year: Floats
    day: NDArray[np.int64]

    @classmethod
    def of(cls, axis: Axis, tz: str) -> Local:
        local = zone(tz)
        # Clocks change at whole hours of UTC in the zones of the demo: one offset per hour is enough.
        per_hour = 60 // STEP_MIN
        hours = np.arange(axis.first // per_hour, (axis.first + axis.count) // per_hour + 1)
        start = datetime(1970, 1, 1, tzinfo=zone("UTC"))
        offsets = [(start + timedelta(hours=int(h))).astimezone(local).utcoffset() or timedelta(0) for h in hours]
        offset_min = np.array([offset // timedelta(minutes=1) for offset in offsets])
        minutes = axis.steps * STEP_MIN + offset_min[axis.steps // per_hour - hours[0]]
        day = minutes // (24 * 60)
        months = day.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        return cls((minutes % (24 * 60)) / 60.0, (day + 3) % 7, (day - months).astype(np.float64), day)

    @property
    def occupancy(self) -> Floats:
        """The share of people who are there: a working week, a dip at noon, few at weekends, nobody at Christmas."""
        arrive = np.clip((self.hour - 7.0) / 2.0, 0, 1)
        leave = np.clip((19.0 - self.hour) / 2.5, 0, 1)
        lunch = 1 - 0.3 * np.exp(-(((self.hour - 12.5) / 0.6) ** 2))
        working = np.where(self.weekday < 5, 1.0, 0.06) * np.where(self.is_holiday, 0.03, 1.0)
        return np.asarray(np.minimum(arrive, leave) * lunch * working, np.float64)

    @property
    def is_holiday(self) -> Bools:
        return np.asarray((self.day_of_year >= 358) | (self.day_of_year < 1))

    def working_hours(self, start: float, end: float) -> Bools:
        """The hours of the working week in which the plant runs."""
        return np.asarray((self.weekday < 5) & ~self.is_holiday & (self.hour >= start) & (self.hour < end))


def _uniform(seed: int, name: str, first: int, count: int) -> Floats:
    """Uniform numbers in [-0.5, 0.5), each a function of its absolute index."""
    # Philox is a counter: the generator can begin anywhere. It makes four numbers per count.
    bits = np.random.Philox(key=np.array([seed, zlib.crc32(name.encode())], np.uint64), counter=first // 4)
    skip = first % 4
    return np.random.Generator(bits).random(count + skip)[skip:] - 0.5


def noise(axis: Axis, name: str, hours: float) -> Floats:
    """Random wandering with mean 0 and deviation 1 that changes over about this many hours."""
    width = max(1, round(hours * 60 / STEP_MIN))
    raw = _uniform(axis.seed, name, axis.first - 2 * width, axis.count + 2 * width)
    # Two moving averages after each other: no corners. Each is a difference of running sums.
    for _ in range(2):
        total = np.concatenate([[0.0], np.cumsum(raw)])
        raw = (total[width:] - total[:-width]) / width
    smooth = raw[-axis.count :]
    # The variance of a triangular average of n + n uniform numbers.
    scale = np.sqrt((2 * width * width + 1) / (3 * width**3) / 12)
    return np.asarray(smooth / scale, np.float64)


def daily_chance(axis: Axis, local: Local, name: str) -> Floats:
    """A random number in [0, 1) that holds for a local day."""
    first = int(local.day[0])
    draws = _uniform(axis.seed, name, first, int(local.day[-1]) - first + 1) + 0.5
    return np.asarray(draws[local.day - first], np.float64)


def lag(signal: Floats, hours: float) -> Floats:
    """What follows a signal with a time constant: the temperature of a room, the air in a duct."""
    per_step = STEP_MIN / 60 / hours
    kernel = np.exp(-per_step * np.arange(LEAD))
    padded = np.concatenate([np.full(LEAD - 1, signal[0]), signal])
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def weather(
    axis: Axis, local: Local, name: str, *, mean_c: float, season_c: float, day_c: float, warmest_day: float
) -> tuple[Floats, Floats]:
    """The outdoor temperature (°C) and relative humidity (%RH) of a place: seasons, hours of the day, fronts of days.

    `season_c` and `day_c` are half the swing around the mean of the year, in °C; the warmest day of the year is about
    the 200th north of the equator and the 20th south of it.
    """
    season = np.cos(2 * np.pi * (local.day_of_year - warmest_day) / 365.25)
    clear = np.clip(1 + 0.35 * noise(axis, name + "/clouds", 30), 0.25, 1.75)
    diurnal = np.cos(2 * np.pi * (local.hour - 15.0) / 24) * clear
    fronts = 3.2 * noise(axis, name + "/fronts", 60) + 0.5 * noise(axis, name + "/gusts", 2)
    temp = mean_c + season_c * season + day_c * diurnal + fronts
    damp = 68 - 16 * diurnal - 2.0 * 3.2 * noise(axis, name + "/fronts", 60) + 7 * noise(axis, name + "/damp", 20)
    return temp, np.clip(damp, 18, 100)
