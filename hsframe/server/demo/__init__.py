"""The demo building: three sites, forty-odd points, 400 days of plausible data up to now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hsframe.grid import Grid
from hsframe.server.database import Database
from hsframe.server.demo.live import LiveBuilding
from hsframe.server.demo.signals import Axis
from hsframe.server.demo.sites import brisbane, london, new_york
from hsframe.server.refusal import OpRefusal

__all__ = ["demo_building"]


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
    axis = Axis.ending(end or datetime.now(UTC), days, seed)
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
