"""The demo building: three sites, forty-odd points, 400 days of plausible data up to now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hsframe.durations import DAY_US
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.server.database import Database
from hsframe.server.demo.signals import Axis
from hsframe.server.demo.sites import brisbane, london, new_york
from hsframe.server.refusal import OpRefusal
from hsframe.spans import from_epoch_us

__all__ = ["demo_building"]

# A building of few days agrees with one of many only after this long: lags and averages settle.
_SETTLE_DAYS = 2


def demo_building(end: datetime | None = None, *, seed: int = 1, days: int = 400, live: bool = False) -> Database:
    """The demo: Harbor Tower in New York, Thames House in London, River Laboratory in Brisbane.

    The last sample is at `end`, zone-aware and cut to 15 minutes, by default now; the histories are `days` long.
    Another `seed` is another year of weather and people. The same seed and end give the same data; with a later end,
    the days before it have the same data (but meters count from the start of the data). With `live`, new samples come
    every 15 minutes while it is served.

    Sampled points have a value every 15 minutes, with gaps and runs of NA before the last ten days; COV points
    (``hisMode`` is ``"cov"``: Bool, Str and setpoints) have one sample per change. The action ``reset`` puts a writable
    point back to its default.
    """
    database = Database(tz="UTC", name="Demo building")
    database.tells_samples = True
    axis = Axis.ending(end or datetime.now(UTC), days, seed)
    database.mod = from_epoch_us(axis.end_us, UTC)
    for site in (new_york, london, brisbane):
        site(database, axis)
    database.actions["reset"] = _reset
    if live:
        database.keep_up = LiveBuilding(database, axis, lambda end, days: demo_building(end, seed=seed, days=days))
    return database


def _reset(database: Database, rec: Mapping[str, Any], args: Mapping[str, Any]) -> Grid:
    """Put every level of a writable point but its default on auto; the answer is the value that holds then."""
    if "writable" not in rec:
        raise OpRefusal(f"{rec['id']} ({rec.get('dis')}) is not writable: there is nothing to reset", "NotWritableErr")
    levels = database.priorities(rec["id"])
    levels.release()
    _, val = levels.effective(0.0) or (None, None)
    return Grid.from_rows(None, ["id", "writeVal"], [{"id": rec["id"], "writeVal": val}])


class LiveBuilding:
    """Extends the histories of a demo building; `make` makes the same one for another end and number of days."""

    def __init__(self, database: Database, axis: Axis, make: Callable[[datetime, int], Database]) -> None:
        self._database = database
        self._seed = axis.seed
        self._make = make
        self._end_us = axis.end_us
        # A meter counts on from its last value, whatever was written into its history since.
        self._counters = {rec["id"].val: rec["curVal"].val for rec in database.query("hisTotalized") if "curVal" in rec}

    def __call__(self, now: datetime) -> None:
        axis = Axis.ending(now, 0, self._seed)
        if axis.end_us <= self._end_us:
            return
        days = (axis.end_us - self._end_us) // DAY_US + _SETTLE_DAYS
        fresh = self._make(now, days)
        for rec in fresh.query("point"):
            self._extend(fresh, rec["id"].val)
        self._end_us = axis.end_us

    def _extend(self, fresh: Database, key: str) -> None:
        rec, made = self._database.get(key), fresh.get(key)
        if rec is None or made is None:
            return  # someone removed the point
        new = fresh.history(key)
        values, na = new.values, new.na
        tail = new.between(self._end_us + 1, None)
        current = made["curVal"]
        if key in self._counters:
            before = values[new.between(self._end_us, self._end_us + 1)][0]
            values = np.round(values + (self._counters[key] - before), 2)
            self._counters[key] = float(values[-1])
            current = Number(float(values[-1]), made["unit"])
        self._database.history(key).merge(new.ts_us[tail], values[tail], na[tail])
        # A commanded value holds until it is released.
        if "writable" not in rec and rec.get("curVal") != current:
            self._database.update(key, {"curVal": current})
