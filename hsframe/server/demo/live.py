"""New samples for the demo building while it is served, every quarter of an hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np

from hsframe.durations import DAY_US
from hsframe.kinds import Number
from hsframe.server.database import Database
from hsframe.server.demo.signals import Axis

# A building of few days agrees with one of many only after this long: lags and averages settle.
_SETTLE_DAYS = 2


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
