"""The faults that a notebook finds, checked by hand: sample by sample and minute by minute."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hsframe.server.database import Database
from hsframe.spans import epoch_us, from_epoch_us

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "05-faults.ipynb"
NEW_YORK = ZoneInfo("America/New_York")
MINUTE = 60_000_000
START, END = (epoch_us(datetime(2026, month, 1, tzinfo=NEW_YORK)) for month in (11, 12))


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    """The names of the notebook after its cells have run."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    *cells, last = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    try:
        for cell in cells:
            exec(compile(cell, str(NOTEBOOK), "exec"), names)
        yield names
    finally:
        exec(compile(last, str(NOTEBOOK), "exec"), names)
        pyplot.close("all")


def samples(database: Database, ident: str) -> list[tuple[int, Any]]:
    """Each with its instant; None for NA."""
    history = database.history(ident.removeprefix("@"))
    columns = (history.ts_us.tolist(), history.values.tolist(), history.na.tolist())
    return [(us, None if na else value) for us, value, na in zip(*columns, strict=True)]


def episodes_of(holds: Callable[[int], bool], step: int, *, merge: int = 0, least: int = 0) -> list[tuple[int, int]]:
    """From and to of each, looking every `step`."""
    runs: list[tuple[int, int]] = []
    for us in range(START, END, step):
        if holds(us):
            joins = runs and us - runs[-1][1] <= merge
            runs[-1:] = [(runs[-1][0], us + step)] if joins else [*runs[-1:], (us, us + step)]
    return [(a, b) for a, b in runs if b - a >= least]


def windows(frame: Any) -> list[tuple[int, int]]:
    return [(epoch_us(row.start), epoch_us(row.end)) for row in frame.itertuples()]


def test_heating_and_cooling(found: dict[str, Any]) -> None:
    cooling, heating = (dict(samples(found["building"], found[name])) for name in ("COOL", "HEAT"))

    def held(values: dict[int, Any], us: int, reach: int) -> Any:
        last = max((own for own in values if us - reach < own <= us), default=None)
        return None if last is None else values[last]

    def holds(us: int) -> bool:
        cool, heat = held(cooling, us, 180 * MINUTE), held(heating, us, 40 * 1440 * MINUTE)
        return cool is not None and heat is not None and cool > 5 and heat > 5

    expected = episodes_of(holds, 15 * MINUTE, merge=30 * MINUTE, least=30 * MINUTE)
    assert windows(found["fighting"]) == expected
    assert len(expected) >= 2


def test_a_fan_out_of_schedule(found: dict[str, Any]) -> None:
    states = samples(found["building"], found["FAN"])

    def holds(us: int) -> bool:
        clock = from_epoch_us(us, NEW_YORK)
        due = clock.weekday() < 5 and 6 <= clock.hour < 19
        return not due and [state for own, state in states if own <= us][-1]

    assert windows(found["unscheduled"]) == episodes_of(holds, 15 * MINUTE, least=60 * MINUTE)
    (row,) = found["unscheduled"].itertuples()
    assert (row.start.isoformat(), row.end.isoformat()) == ("2026-11-13T19:00:00-05:00", "2026-11-16T06:00:00-05:00")


def test_a_stuck_sensor(found: dict[str, Any]) -> None:
    own = [(us, value) for us, value in samples(found["building"], found["ZONE"]) if START <= us < END]
    runs: list[list[int]] = []
    for (us, value), (after, following) in itertools.pairwise(own):
        if value is not None and value == following:
            until = min(after, us + 180 * MINUTE)  # a value is known for three hours
            if runs and runs[-1][1] == us:
                runs[-1][1] = until
            else:
                runs.append([us, until])
    assert windows(found["stuck"]) == [(a, b) for a, b in runs if b - a >= 360 * MINUTE]
    (row,) = found["stuck"].itertuples()
    assert row.start.isoformat() == "2026-11-20T10:00:00-05:00"  # the first sample of 71.3


def test_the_supply_temperature_while_the_fan_runs(found: dict[str, Any]) -> None:
    """The weights made by hand: each minute in which the fan runs, and the line between the samples around it."""
    temps, states = samples(found["building"], found["SUPPLY"]), samples(found["building"], found["FAN"])
    days = found["running"]["Discharge Air Temp"]
    edges = [*map(epoch_us, days.index), END]
    assert len(days) == 30
    for (_, row), start, end in zip(days.iterrows(), edges[:-1], edges[1:], strict=True):
        total, known, ran = 0.0, 0, 0
        fan = [(us, state) for us, state in states if us < end]
        near = [(us, value) for us, value in temps if start - 180 * MINUTE <= us <= end + 180 * MINUTE]
        for us in range(start, end, MINUTE):
            while len(fan) > 1 and fan[1][0] <= us:
                fan.pop(0)
            while len(near) > 1 and near[1][0] <= us:
                near.pop(0)
            if not fan[0][1]:
                continue
            ran += 1
            (left, a), (right, b) = near[:2]
            if left <= us < right <= left + 180 * MINUTE and a is not None and b is not None:
                share = (us + MINUTE / 2 - left) / (right - left)
                total, known = total + a * (1 - share) + b * share, known + 1
        assert math.isnan(row["coverage"]) if not ran else row["coverage"] == pytest.approx(known / ran)
        is_known = ran and 2 * known >= ran
        assert float(row["mean"]) == pytest.approx(total / known) if is_known else math.isnan(row["mean"])
    assert days["mean"].isna().sum() == 7  # the Saturdays and Sundays but two
