"""An hour with a server and a line on which all that can fail does, for minutes each: 150 points, reads and writes.

The clock jumps where nothing else goes on, so the hour takes a quarter of a minute.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import HsFrameError, RequestTimeoutError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.server.app import LOGINS, make_app
from hsframe.server.database import Database
from hsframe.server.run import listening
from tests import virtual_time
from tests.client.faulty_line import Fault, FaultyLine, faulty_line, http

pytestmark = pytest.mark.one_python  # it takes a quarter of a minute

POINTS = 150
WRITTEN = 20
FIRST_US = 1_793_505_600_000_000  # 2026-11-01T04:00Z, the day of 25 hours in New York
HOUR_US = 3_600_000_000
MINUTE_S = 60.0
SPAN = "2026-11-01,2026-11-02"
IDS = [f"@p{number}" for number in range(POINTS)]

BUSY = Fault(http(503, b"starting", b"Retry-After: 20"))
SLOW_DOWN = Fault(http(429, b"", b"Retry-After: 2"))

# From minute to minute: what happens, to how many of the requests, and the faults that take turns.
WEATHER: list[tuple[int, int, str, float, list[Fault]]] = [
    (3, 5, "nobody listens", 1.0, []),
    (8, 12, "503", 1.0, [BUSY]),
    (14, 18, "429", 0.5, [SLOW_DOWN]),
    (20, 24, "reset", 0.2, [Fault("reset"), Fault("reset", ran=True), Fault("closed")]),
    (26, 30, "cut", 0.3, [Fault("cut", ran=True), Fault("chunks", ran=True)]),
    (32, 35, "sessions end", 0.0, []),
    (37, 39, "502 and 504", 0.5, [Fault(http(502)), Fault(http(504))]),
    (41, 45, "silence", 0.1, [Fault("silence"), Fault("silence", ran=True)]),
    (47, 49, "trickle", 0.1, [Fault("trickles", ran=True)]),
    (50, 56, "all of it", 0.3, [BUSY, SLOW_DOWN, Fault("reset"), Fault("cut", ran=True), Fault(http(502))]),
]


# Without a repr: asyncio makes that of what a task gave when it looks for the handler of Ctrl-C, and it has all frames.
@dataclass(repr=False)
class Hour:
    """What happened: of each weather the requests that failed, and what came of the verbs."""

    line: FaultyLine
    app: Any
    started_s: float
    random: random.Random = field(default_factory=lambda: random.Random(3))
    struck: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    writes: list[tuple[pd.DataFrame, pd.DataFrame | None]] = field(default_factory=list)
    actions: dict[int, bool] = field(default_factory=dict)

    @property
    def minute(self) -> float:
        return (asyncio.get_running_loop().time() - self.started_s) / MINUTE_S

    def fault(self, op: str, before: int) -> Fault | None:
        for begin, end, name, share, faults in WEATHER:
            if begin <= self.minute < end:
                self.came[name] += 1
                if faults and self.random.random() < share:
                    self.struck[name] += 1
                    return faults[self.struck[name] % len(faults)]
        return None

    async def turns(self) -> None:
        """Nobody listens for two minutes; later all sessions end every 20 s."""
        await asyncio.sleep(WEATHER[0][0] * MINUTE_S)
        await self.line.refuse()
        await asyncio.sleep((WEATHER[0][1] - WEATHER[0][0]) * MINUTE_S)
        await self.line.listen()
        await asyncio.sleep((32 - self.minute) * MINUTE_S)
        while self.minute < 35:
            self.app[LOGINS].end_all()
            await asyncio.sleep(20)

    async def read(self, s: hsframe.AsyncSession, truth: np.ndarray) -> None:
        while self.minute < 60:
            try:
                df = await s.his_read(IDS, SPAN, header="id")
            except RequestTimeoutError:
                self.reads["timed out"] += 1
            else:
                self.reads["whole"] += 1
                assert np.array_equal(df.hs.magnitude().to_numpy(), truth)
            await asyncio.sleep(120)

    async def write(self, s: hsframe.AsyncSession) -> None:
        while self.minute < 60:
            df = written(len(self.writes))
            try:
                self.writes.append((df, await s.his_write(df)))
            except HsFrameError as error:
                self.writes.append((df, error.report))
            await asyncio.sleep(40)

    def accounted(self, database: Database) -> list[bool]:
        """Of each write whether all is there; what its report says must be so."""
        found = []
        for number, (df, report) in enumerate(self.writes):
            ts_us = df.index.as_unit("us").asi8
            stored = {f"w{point}": database.history(f"w{point}").ts_us for point in range(WRITTEN)}
            there = {name: int(np.isin(ts_us, of).sum()) for name, of in stored.items()}
            found.append(set(there.values()) == {4})
            if report is None:  # the records of the points could not be read: nothing was sent
                assert set(there.values()) == {0}
            elif "written" not in report:  # nothing went wrong
                assert found[-1], f"write {number} was reported as written, and {there} is there"
            else:
                for row in report.itertuples():
                    assert row.written <= there[row.id] <= row.written + row.unknown
        return found

    async def act(self, s: hsframe.AsyncSession) -> None:
        while self.minute < 60:
            number = len(self.actions)
            self.actions[number] = False
            try:
                await s.invoke_action("@p0", "count", {"number": number})
                self.actions[number] = True
            except HsFrameError:
                pass
            await asyncio.sleep(15)


def written(number: int) -> pd.DataFrame:
    """Samples of a day of their own, for the points that are written."""
    ts_us = FIRST_US + (24 * (number + 10) + np.arange(4)) * HOUR_US
    index = pd.DatetimeIndex(ts_us, dtype="datetime64[us, UTC]", name="ts")
    return pd.DataFrame({f"@w{point}": pd.array(np.arange(4.0) + point, "unit[kW]") for point in range(WRITTEN)}, index)


def building(ran: Counter[int]) -> Database:
    database = Database(tz="New_York")
    point = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
    for number in range(POINTS):
        database.add({"id": Ref(f"p{number}"), "dis": f"P{number}", **point})
        database.set_history(f"p{number}", FIRST_US + np.arange(49) * HOUR_US, np.arange(49) + number / 8)
    for number in range(WRITTEN):
        database.add({"id": Ref(f"w{number}"), "dis": f"W{number}", **point})

    def count(database: Database, record: object, args: Any) -> Grid:
        ran[int(args["number"].val)] += 1
        return Grid.from_rows({}, ["done"], [{"done": True}])

    database.actions["count"] = count
    return database


def test_an_hour_of_faults_that_come_and_go() -> None:
    ran: Counter[int] = Counter()
    database = building(ran)
    app = make_app(database, {"ann": "secret"}, iterations=4096)
    truth = np.add.outer(np.arange(49.0), np.arange(POINTS) / 8)

    async def main() -> tuple[Hour, int]:
        async with (
            listening(app) as uri,
            faulty_line(uri) as line,
            hsframe.AsyncSession(line.uri, "ann", "secret", retries=1000, deadline="20min") as s,
        ):
            await s.his_write(written(-1))
            of_a_write = len(line.seen)
            await s.his_read(IDS, SPAN)
            of_a_read = len(line.seen) - of_a_write
            hour = Hour(line, app, asyncio.get_running_loop().time())
            line.fault = hour.fault
            async with asyncio.TaskGroup() as group:
                for task in (hour.turns(), hour.read(s, truth), hour.write(s), hour.act(s)):
                    group.create_task(task)
            for (df, _), there in zip(hour.writes, hour.accounted(database), strict=True):
                if not there:
                    await s.his_write(df)
            reads, writes = sum(hour.reads.values()) + 1, len(hour.writes) + 1
            return hour, of_a_read * reads + of_a_write * writes + len(hour.actions)

    hour, needed = virtual_time.run(main())
    assert set(hour.struck) == {name for _, _, name, _, faults in WEATHER if faults}, "there was each weather"
    assert hour.reads["whole"] >= 15
    assert hour.reads["timed out"] <= 2, "what times out is not repeated for longer than a minute"
    assert [len(database.history(f"w{number}")) for number in range(WRITTEN)] == [4 * (len(hour.writes) + 1)] * WRITTEN
    # What may do harm a second time has run once where it was answered, and at most once where it was not.
    assert all(ran[number] == 1 if done else ran[number] <= 1 for number, done in hour.actions.items())
    # A request that failed costs itself, and where it was made smaller its other half, or a question of the client.
    assert len(hour.line.seen) <= needed + 2 * sum(hour.struck.values())
    # Four minutes of 503, 20 s each time: one request of each verb that waits, and each action anew.
    assert hour.struck["503"] <= 2 * (240 / 20 + 2) + 240 / 15 + 2
