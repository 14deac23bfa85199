"""A frame is written by a coroutine: looked at before anything is asked, and looked after however it ends."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.client import Client
from hsframe.errors import MetadataError, NetworkError, UnitError, ZoneError
from hsframe.frame.points import Point
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.session import history_verbs
from hsframe.testing.server import RunningServer, running_server
from tests.history.bad_line import Fault, bad_line

FIRST_US = 1_793_505_600_000_000  # 2026-11-01T04:00Z, the day of 25 hours in New York
ROWS = 90  # fewer than a silent cap could be, which would be asked for
POINTS = {"a": "@a", "b": "@b"}


@pytest.fixture
def building() -> Iterator[RunningServer]:
    database = Database(tz="New_York")
    for name in POINTS:
        tags = {"point": MARKER, "his": MARKER, "tz": "New_York", "kind": "Number", "unit": "kW"}
        database.add({"id": Ref(name), "dis": f"Point {name}", **tags})
    with running_server(database) as running:
        yield running


def frame(rows: int = ROWS) -> pd.DataFrame:
    index = pd.DatetimeIndex(FIRST_US + np.arange(rows) * 900_000_000, dtype="datetime64[us, UTC]", name="ts")
    return pd.DataFrame(dict.fromkeys(POINTS, pd.array(np.arange(rows, dtype=np.float64), dtype="unit[kW]")), index)


async def write(
    client: Client, df: pd.DataFrame, known: Sequence[Point] = (), body_limit: int | None = 4_000, **settings: Any
) -> Any:
    client.dialect.body_limit = body_limit  # 4,000 bytes: some requests a point
    request = history_verbs.WriteRequest(df, **{"points": POINTS, **settings})
    report = await history_verbs.checked(client, request, known)
    return await history_verbs.write_checked(client, request, report)


# Before anything is sent ---------------------------------------------------------------------------------------------


class Mute:
    """Stands for a client; who asks its server anything fails."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the server is asked: {name}")


@pytest.mark.parametrize(
    ("change", "settings", "error", "words"),
    [
        (lambda df: df.tz_localize(None), {}, ZoneError, "naive"),
        (lambda df: pd.concat([df, df.iloc[:1]]), {}, MetadataError, "comes twice"),
        (lambda df: df.assign(**{"x y": 1.0}), {}, MetadataError, "'x y' belongs to no known point"),
        (lambda df: df.assign(b=hsframe.REMOVE), {}, MetadataError, r"'b'.*Remove is not a value; .* his_remove"),
        (lambda df: df.assign(b=[1, "x"] * (ROWS // 2)), {}, MetadataError, r"'b' \(point @b\), row 1.*Number and str"),
        (lambda df: df, {"inf": "drop"}, MetadataError, "inf='drop'"),
        (lambda df: df, {"points": {"c": "@a"}}, MetadataError, "'c', which is not a column"),
    ],
)
def test_what_needs_no_record_is_refused_before_the_server_is_asked(
    change: Callable[[pd.DataFrame], pd.DataFrame], settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    request = history_verbs.WriteRequest(change(frame()), **{"points": POINTS, **settings})
    with pytest.raises(error, match=words):
        asyncio.run(history_verbs.checked(Mute(), request, ()))  # type: ignore[arg-type]


def test_what_needs_the_records_is_judged_by_them_alone(building: RunningServer) -> None:
    """Not by an older catalog, nor by the zone of the index where the record names one."""
    old = [Point("a", "Point a", "MW", "London", "Bool"), Point("b", "Point b")]
    df = frame().tz_convert("+05:45").set_axis(["Point a", "Point b"], axis=1)

    async def run() -> Any:
        async with Client(building.uri, "demo", "demo") as client:
            with pytest.raises(UnitError, match=r"'Point a' \(point @a\), row 0.*in MW, the point in kW"):
                await write(client, df.astype("unit[MW]"), points=None, known=old)
            return await write(client, df, points=None, known=old, verify=True)

    report = asyncio.run(run())
    assert report["tz"].tolist() == ["New_York"] * 2
    assert report["status"].tolist() == ["verified"] * 2


def test_a_label_that_is_an_id_of_the_server_needs_no_at(building: RunningServer) -> None:
    """Any word may be an id: the server says, and where it does not the column has no point."""
    df = frame()

    async def run() -> Any:
        async with hsframe.AsyncSession(building.uri, "demo", "demo") as session:
            with pytest.raises(MetadataError, match="'c' belongs to no known point"):
                await session.his_write(df.rename(columns={"b": "c"}))
            return await session.his_write(df, verify=True)

    assert asyncio.run(run())["status"].tolist() == ["verified"] * 2
    assert len(building.database.history("a")) == ROWS


def test_rows_without_a_value_are_said_to_remove_nothing(building: RunningServer) -> None:
    df = frame()
    df.iloc[:3] = np.nan

    async def run() -> Any:
        async with Client(building.uri, "demo", "demo") as client:
            await write(client, frame())
            return await write(client, df)

    assert asyncio.run(run())["note"].tolist() == ["rows without a value, which write and remove nothing: 3"] * 2
    assert len(building.database.history("a")) == ROWS


def test_a_column_without_a_value_has_its_row_in_the_report(building: RunningServer) -> None:
    df = frame()
    df["a"] = np.nan

    async def run() -> list[pd.DataFrame]:
        async with Client(building.uri, "demo", "demo") as client:
            ways: list[dict[str, Any]] = [{"dry_run": True}, {}, {"verify": True}, {"existing": "keep"}]
            return [await write(client, df, **way) for way in ways] + [await write(client, df[["a"]], points=None)]

    *reports, alone = asyncio.run(run())
    for report, status in zip(reports, ["dry run", "written", "verified", "kept"], strict=True):
        assert report["status"].tolist() == ["no samples", status]
        assert report["rows"].tolist() == [0, ROWS]
        assert report["first"].isna().tolist() == report["last"].isna().tolist() == [True, False]
        assert report["note"].tolist() == [f"rows without a value, which write and remove nothing: {ROWS}", ""]
    assert alone["status"].tolist() == ["no samples"]
    assert len(building.database.history("a")) == 0


@pytest.mark.parametrize("rows", [ROWS, 0])
def test_a_session_knows_the_points_that_it_wrote(building: RunningServer, rows: int) -> None:
    """Also those that had nothing to write, and where the write failed."""

    async def run() -> list[Point]:
        async with hsframe.AsyncSession(building.uri, "demo", "demo") as session:
            await session.his_write(frame(rows), points=POINTS, dry_run=True)
            return session.known_points

    assert asyncio.run(run()) == [Point(name, f"Point {name}", "kW", "New_York", "Number") for name in "ab"]


def test_each_step_is_done_once(building: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """The records are read once, the samples sent once, and read back once."""

    async def run() -> None:
        async with Client(building.uri, "demo", "demo") as client:
            await client.about()
            with caplog.at_level("INFO", "hsframe"):
                await write(client, frame(), verify=True, body_limit=None)

    asyncio.run(run())
    ops = [record.getMessage().split()[0] for record in caplog.records if record.name == "hsframe"]
    assert ops == ["read", "hisWrite", "hisWrite", "hisRead"]


# Where it breaks off -------------------------------------------------------------------------------------------------


def check(error: BaseException, server: RunningServer, *, known: bool = True) -> None:
    """The report on an error says what the server has; `known`: reading works, so all that is there was found."""
    report = error.report  # type: ignore[attr-defined]
    there = [len(server.database.history(name)) for name in report["id"]]
    assert (there <= report["written"] + report["unknown"]).all()
    assert (report["status"] == "unknown").tolist() == (report["unknown"] > 0).tolist()
    if known:
        assert report["written"].tolist() == there
        assert report["looked_s"].notna().any()
        assert 0 < sum(there) < 2 * ROWS
    else:
        assert (report["written"] <= there).all()
        assert report["unknown"].sum() > 0
    assert "error.report" in error.__notes__[0]
    assert len(error.__notes__) == 1


def struck(server: RunningServer, fault: Fault, end: Callable[[asyncio.Task[Any]], object], **options: Any) -> Any:
    """What a write ends with whose line is struck; `end` is called when that happens."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30), Client(line.uri, "demo", "demo", **options) as client:
            task = asyncio.create_task(write(client, frame()))
            line.at_fault = lambda: loop.call_soon_threadsafe(end, task)
            try:
                await task
            finally:
                line.good = 10**9  # it answers again, so that the client can be closed

    with bad_line(server.uri, 3, fault) as line, pytest.raises((asyncio.CancelledError, NetworkError)) as caught:
        asyncio.run(run())
    return caught.value


def test_a_broken_line(building: RunningServer) -> None:
    error = struck(building, "cut", lambda task: None)
    assert isinstance(error, NetworkError)
    check(error, building)


def test_a_cancelled_write_is_read_back(building: RunningServer) -> None:
    error = struck(building, "hang", lambda task: task.cancel())
    assert isinstance(error, asyncio.CancelledError)
    check(error, building)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_server_that_says_nothing_more_is_not_asked_for_ever(
    building: RunningServer, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    monkeypatch.setattr(history_verbs, "_CHECK_S", 0.5)
    monkeypatch.setattr(history_verbs, "_CHECK_WHEN_CANCELLED_S", 0.2)
    options = {} if cancelled else {"timeout": 0.5}
    error = struck(building, "mute", lambda task: cancelled and task.cancel(), **options)
    assert isinstance(error, asyncio.CancelledError if cancelled else NetworkError)
    check(error, building, known=False)


def no_end(monkeypatch: pytest.MonkeyPatch, begun: Callable[[], Any]) -> None:
    """Looking after a write takes as long as the server does; `begun` is called when it begins."""
    check_sent = history_verbs.check_sent

    async def noted(*args: Any, **kwargs: Any) -> None:
        begun()
        await check_sent(*args, **kwargs)

    monkeypatch.setattr(history_verbs, "_CHECK_WHEN_CANCELLED_S", 600.0)
    monkeypatch.setattr(history_verbs, "check_sent", noted)


def test_a_second_cancellation_ends_it_at_once(building: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[asyncio.Task[Any]] = []
    no_end(monkeypatch, lambda: asyncio.get_running_loop().call_later(0.1, tasks[0].cancel))

    def end(task: asyncio.Task[Any]) -> None:
        tasks.append(task)
        task.cancel()

    error = struck(building, "mute", end)
    assert isinstance(error, asyncio.CancelledError)
    check(error, building, known=False)


@pytest.mark.parametrize("ends", ["cancelled", "failing"])
def test_a_cancellation_while_the_check_ends_is_not_lost(
    building: RunningServer, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The time for the check is over and it is being cancelled: who cancels the write now must see it cancelled."""
    tasks: list[asyncio.Task[Any]] = []

    async def slow_to_end(*args: Any, **kwargs: Any) -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            tasks[0].cancel()
            await asyncio.sleep(0)
            if ends == "failing":
                raise NetworkError("it could not be asked") from None
            raise

    monkeypatch.setattr(history_verbs, "_CHECK_S", 0.05)
    monkeypatch.setattr(history_verbs, "check_sent", slow_to_end)
    error = struck(building, "cut", tasks.append)
    assert isinstance(error, asyncio.CancelledError)
    check(error, building, known=False)


def test_a_time_out_around_it(building: RunningServer) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with Client(line.uri, "demo", "demo") as client, asyncio.timeout(None) as limit:
            line.at_fault = lambda: loop.call_soon_threadsafe(limit.reschedule, loop.time())
            await write(client, frame())

    with bad_line(building.uri, 3, "hang") as line, pytest.raises(TimeoutError) as caught:
        asyncio.run(run())
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    check(caught.value.__cause__, building)


def press() -> None:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to oneself on Windows")
@pytest.mark.parametrize("runner", ["thread", "nested"])
@pytest.mark.parametrize("twice", [False, True])
def test_ctrl_c(building: RunningServer, monkeypatch: pytest.MonkeyPatch, runner: Any, twice: bool) -> None:
    if twice:
        no_end(monkeypatch, press)
    with (
        bad_line(building.uri, 3, "mute" if twice else "hang", press) as line,
        hsframe.connect(line.uri, "demo", "demo", runner=runner, timeout=60) as session,
    ):
        session.client.dialect.body_limit = 4_000
        with pytest.raises(KeyboardInterrupt) as caught:
            session.his_write(frame(), points=POINTS)
        check(caught.value, building, known=not twice)
        line.good = 10**9  # it answers again, so that the session can be closed
        with suppress(NetworkError):
            session.about()


@pytest.mark.parametrize("runner", ["thread", "nested"])
def test_a_time_out_of_the_runner(building: RunningServer, runner: Any) -> None:
    with (
        bad_line(building.uri, 3, "hang") as line,
        hsframe.connect(line.uri, "demo", "demo", runner=runner, timeout=60) as session,
    ):
        with pytest.raises(hsframe.RequestTimeoutError, match="longer than 2 s") as caught:
            session.run(functools.partial(write, df=frame()), timeout_s=2.0)
        check(caught.value, building)
