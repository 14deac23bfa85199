"""A server that is busy or away in the middle of a verb: few requests, exact windows, a word on what was read."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import CallError, HsFrameError, HTTPStatusError, NetworkError, RequestTimeoutError
from hsframe.grid import Grid
from hsframe.history import write
from hsframe.history.failures import likeness
from hsframe.history.write import read_back_until
from hsframe.kinds import MARKER, Ref
from hsframe.protocol.dialects import forget
from hsframe.server.app import make_app
from hsframe.server.database import Database
from hsframe.server.refusal import HttpRefusal, OpRefusal
from hsframe.server.run import listening
from hsframe.session import history_verbs
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import running_server
from tests import virtual_time

FIRST_US = 1_793_505_600_000_000  # 2026-11-01T04:00Z, the day of 25 hours in New York
STEP_US = 15 * 60_000_000
SPAN = "2026-11-01,2026-11-10"
CONCURRENCY = 4


def building(points: int, rows: int = 96) -> Database:
    database = Database(tz="New_York")
    for number in range(points):
        tags = {"id": Ref(f"p{number}"), "dis": f"P{number}", "point": MARKER, "his": MARKER}
        database.add({**tags, "kind": "Number", "unit": "kW", "tz": "New_York"})
        database.set_history(f"p{number}", FIRST_US + np.arange(rows) * STEP_US, np.arange(rows) + number / 8)
    return database


def ids(points: int) -> list[str]:
    return [f"@p{number}" for number in range(points)]


@dataclass
class Gateway:
    """What stands before the server: `fault` says of each request how it fails, or None to let it through."""

    fault: Callable[[str, int], Any]
    uri: str = ""
    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request, handler: Any) -> web.StreamResponse:
        op = request.match_info.get("op", "")
        how = self.fault(op, len(self.passed))
        if how is None:
            self.passed.append(op)
            answer: web.StreamResponse = await handler(request)
            if answer.status != 200:  # where the version of the protocol is found out
                self.passed.remove(op)
            return answer
        self.failed.append(op)
        if how == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if how == "hang":
            await self.over.wait()
            return web.Response()
        if isinstance(how, bytes):
            return web.Response(body=how, content_type="text/zinc")
        return web.Response(status=how, text="away\n")


@asynccontextmanager
async def gateway(database: Database, fault: Callable[[str, int], Any]) -> AsyncIterator[Gateway]:
    before = Gateway(fault)
    app = make_app(database, {})

    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        return await before.handle(request, handler)

    app.middlewares.append(middleware)
    async with listening(app) as uri:
        forget(uri)
        before.uri = uri
        try:
            yield before
        finally:
            before.over.set()


@pytest.mark.parametrize("points", [1, 200])
@pytest.mark.parametrize("how", [429, 502, 503, 504, "reset", "hang"])
@pytest.mark.parametrize("begins", ["at once", "after the records", "after the first look"])
@pytest.mark.parametrize("on_error", ["raise", "catalog"])
def test_a_server_that_is_down_gets_a_handful_of_requests(points: int, how: Any, begins: str, on_error: Any) -> None:
    good = {"at once": 0, "after the records": 1, "after the first look": 2}[begins]
    retries, timeout = 1, 0.3 if how == "hang" else 30

    async def main() -> None:
        async with (
            gateway(building(points, 8), lambda op, passed: how if passed >= good else None) as server,
            hsframe.AsyncSession(server.uri, max_concurrency=CONCURRENCY, retries=retries, timeout=timeout) as s,
        ):
            reading = s.his_read(ids(points), SPAN, chunk="1D", on_error=on_error, header="id")
            if good and on_error == "catalog":
                frame = await reading
                assert list(frame.columns) == []
                assert set(frame.hs.catalog["status"]) == {"failed"}
            else:
                with pytest.raises(NetworkError) as caught:
                    await reading
                assert caught.value.is_final == (good > 0 or how == 429)
            # Those under way, the repeats of one of them, and two questions whether the server is there at all.
            assert len(server.failed) <= CONCURRENCY + retries + 2
            assert Counter(server.failed)["about"] <= 2

    asyncio.run(main())


@pytest.mark.parametrize("points", [1, 200])
def test_nobody_there(points: int, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with gateway(building(1), lambda op, passed: None) as server:
            uri = server.uri
        async with hsframe.AsyncSession(uri, "demo", "demo", max_concurrency=CONCURRENCY, retries=1) as s:
            with caplog.at_level("INFO", "hsframe"), pytest.raises(NetworkError, match="nothing answers there"):
                await s.his_read(ids(points), SPAN)

    asyncio.run(main())
    assert [text.split()[0] for text in caplog.messages] == ["waits", "login", "read"]
    assert "retries=1" in caplog.messages[1]
    assert "retries=0" in caplog.messages[2]


# Only hisRead fails ---------------------------------------------------------------------------------------------------


def error_grid(words: str) -> bytes:
    return b'ver:"3.0" err dis:"%s"\nempty\n' % words.encode()


@pytest.mark.parametrize(
    ("points", "good", "on_error", "batches"),
    [
        (200, 0, "raise", None),
        (200, 0, "catalog", True),
        (200, 0, "catalog", False),
        (50, 9, "raise", None),
        (200, 9, "catalog", True),
    ],
)
@pytest.mark.parametrize(
    "how", [502, 503, 504, "reset", "hang", 404, 413, 500, error_grid("no rights"), error_grid("too many rows")]
)
def test_a_his_read_that_fails_for_good_gets_a_handful(
    points: int, how: Any, good: int, on_error: Any, batches: bool | None
) -> None:
    retries = 1

    async def main() -> None:
        async with (
            gateway(
                building(points, 8), lambda op, passed: how if op == "hisRead" and passed > good else None
            ) as server,
            hsframe.AsyncSession(
                server.uri, max_concurrency=CONCURRENCY, retries=retries, timeout=0.3 if how == "hang" else 30
            ) as s,
        ):
            s.client.dialect.his_read_batch = batches
            reading = s.his_read(ids(points), SPAN, chunk="1D", on_error=on_error, header="id")
            if on_error == "raise":
                with pytest.raises(HsFrameError) as caught:
                    await reading
                if good == 0:
                    assert "it is so for one second of @p0, @p" in str(caught.value)
            else:
                assert "failed" in set((await reading).hs.catalog["status"])
            # Those under way, each with a second form of the batch; the repeats of one of them, and three points alone.
            assert len(server.failed) <= 2 * CONCURRENCY + (good and CONCURRENCY) + 2 * retries + 3

    asyncio.run(main())


@pytest.mark.parametrize(
    "refusal", [HttpRefusal(500, "no"), HttpRefusal(502, "no"), OpRefusal("boom"), OpRefusal("ArgErr")]
)
@pytest.mark.parametrize(("bad", "batches"), [({0}, None), ({7}, True), ({3, 30}, None), ({49}, None)])
def test_a_bad_point_of_a_batch_is_found_by_halving(refusal: Exception, bad: set[int], batches: bool | None) -> None:
    points, sent = 50, []

    def spoiled(call: Any, run: Any) -> Any:
        asked = {row["id"].val for row in call.grid}
        sent.append(len(asked))
        if asked & {f"p{number}" for number in bad}:
            raise refusal
        return run(call)

    with running_server(building(points, 8)) as server, hsframe.connect(server.uri, "demo", "demo", retries=1) as s:
        wrap_op(server.app, "hisRead", spoiled)
        s.client.dialect.his_read_batch = batches
        with pytest.warns(hsframe.ReadWarning, match=f"{len(bad)} of 50"):
            df = s.his_read(ids(points), SPAN, on_error="warn", header="id")
        assert s.client.dialect.his_read_batch is True
    assert df.columns.tolist() == [f"p{number}" for number in range(points) if number not in bad]
    assert len(sent) <= 36 * len(bad), sent


@pytest.mark.parametrize("most", [1, 8])
@pytest.mark.parametrize("status", [413, 500, 504])
def test_a_limit_of_points_that_is_not_named_is_learned(most: int, status: int) -> None:
    """Only after the times were halved in vain: a limit of rows is more usual."""
    points, sent = 40, []

    def limited(call: Any, run: Any) -> Any:
        sent.append(len(call.grid))
        if len(call.grid) > most:
            raise HttpRefusal(status, "no")
        return run(call)

    database = building(points)
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo", retries=0) as s:
        wrap_op(server.app, "hisRead", limited)
        assert rows_of(s.his_read(ids(points), SPAN, shape="dict", header="id")) == truth(database, points)
    assert len(sent) < 8 * points / most + 40, sent


@pytest.mark.parametrize(("status", "later"), [(504, 200), (413, 8)])
def test_batches_do_not_stay_small_after_an_outage(status: int, later: int) -> None:
    """A limit that is named lasts for the session; one that is suspected, for ten minutes."""
    points, most, sent = 200, 8, []

    def limited(call: Any, run: Any) -> Any:
        sent.append(len(call.grid))
        if len(call.grid) > most:
            raise HttpRefusal(status, "no")
        return run(call)

    async def main() -> None:
        nonlocal most
        app = make_app(building(points), {"ann": "secret"}, iterations=4096)
        wrap_op(app, "hisRead", limited)
        async with listening(app) as uri, hsframe.AsyncSession(uri, "ann", "secret", retries=0) as s:
            await s.his_read(ids(points), SPAN)
            most = points  # the outage is over
            for pause_s, expected in [(0, 8), (500, 8), (200, later)]:
                sent.clear()
                await asyncio.sleep(pause_s)
                await s.his_read(ids(points), SPAN)
                assert max(sent) <= expected
                assert len(sent) <= points / expected * 2 + 2

    virtual_time.run(main())


# Until then, and all the same ----------------------------------------------------------------------------------------


def truth(database: Database, points: int, span: str = SPAN) -> dict[str, list[tuple[int, float]]]:
    samples = {f"p{number}": database.history(f"p{number}") for number in range(points)}
    return {name: list(zip(one.ts_us.tolist(), one.values.tolist(), strict=True)) for name, one in samples.items()}


def rows_of(frames: dict[str, pd.DataFrame]) -> dict[str, list[tuple[int, float]]]:
    return {
        name: list(zip(df.index.as_unit("us").asi8.tolist(), df[name].astype("float64").tolist(), strict=True))
        for name, df in frames.items()
    }


@given(
    outage=st.integers(1, 4),
    points=st.integers(1, 4),
    chunk=st.sampled_from([None, "1D", "3D"]),
    limit_rows=st.sampled_from([None, 40]),
    concurrency=st.integers(1, 6),
    more=st.sampled_from([(), ("rowcap-413=60",), ("niagara",), ("rowcap-cut=100",), ("haxall",)]),
)
@settings(max_examples=10)
def test_windows_are_exact_where_a_gateway_fails_for_a_while(
    outage: int, points: int, chunk: str | None, limit_rows: int | None, concurrency: int, more: tuple[str, ...]
) -> None:
    database = building(points)
    with (
        running_server(database, quirks=[f"outage={outage}", *more]) as server,
        hsframe.connect(server.uri, "demo", "demo") as s,
    ):
        frames = s.his_read(
            ids(points),
            SPAN,
            shape="dict",
            header="id",
            chunk=chunk,
            limit_rows=limit_rows,
            max_concurrency=concurrency,
        )
    assert rows_of(frames) == truth(database, points)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_is_too_large_is_made_smaller_all_the_same(status: int) -> None:
    """Some gateways answer so where the server behind them runs out of time."""
    database = building(3)
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo", retries=1) as s:

        def capped(call: Any, run: Any) -> Any:
            grid = run(call)
            if len(grid) > 40:
                raise HttpRefusal(status, "away")
            return grid

        wrap_op(server.app, "hisRead", capped)
        assert rows_of(s.his_read(ids(3), SPAN, shape="dict", header="id")) == truth(database, 3)


@pytest.mark.version4  # in 5 such a fault is that of an op
@pytest.mark.parametrize("words", ["sys::ArgErr: bad range", "IllegalArgumentException: id", "Invalid filter: site["])
def test_a_fault_of_the_request_is_neither_repeated_nor_halved(words: str) -> None:
    sent = []

    def refuse(call: Any, run: Any) -> Any:
        sent.append(len(call.grid))
        raise HttpRefusal(500, words)

    with running_server(building(3)) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        wrap_op(server.app, "hisRead", refuse)
        for points in (1, 3):
            sent.clear()
            with pytest.raises(HTTPStatusError, match=words[:11]):
                s.his_read(ids(points), SPAN)
            assert sent == ([1] if points == 1 else [3, 1, 1, 1])


# A deadline ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_error", ["raise", "catalog"])
def test_a_deadline_says_what_was_read_and_what_not(on_error: Any) -> None:
    async def main() -> None:
        async with (
            gateway(building(10), lambda op, passed: "hang" if passed >= 5 else None) as server,
            hsframe.AsyncSession(server.uri, deadline=2, max_concurrency=1, timeout=60) as s,
        ):
            s.client.dialect.his_read_batch = False  # each point alone: records, then four histories, then nothing more
            s.client.dialect.ignores_range = False
            reading = s.his_read(ids(10), SPAN, chunk="30D", on_error=on_error, header="id")
            if on_error == "raise":
                words = r"deadline of 2 s .*; (\d) of 10 points had been read, not (@p\d(, @p\d)*)$"
                with pytest.raises(RequestTimeoutError, match=words) as caught:
                    await reading
                told = re.search(words, str(caught.value))
                assert told is not None
                assert told[2] == ", ".join(ids(10)[int(told[1]) :])
            else:
                frame = await reading
                failed = frame.hs.catalog.query("status == 'failed'")
                assert [*frame.columns, *failed["id"]] == [f"p{number}" for number in range(10)]
                assert len(failed) >= 6
                assert failed["reason"].str.contains("deadline").all()
            assert len(server.failed) <= 1

    asyncio.run(main())


def test_a_write_that_meets_its_deadline_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent is read back after the deadline, which is over then for the write alone."""
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", (0.0, 0.1))
    index = pd.DatetimeIndex(FIRST_US + np.arange(10) * STEP_US, dtype="datetime64[us, UTC]", name="ts")
    df = pd.DataFrame({"a": pd.array(np.arange(10.0), dtype="unit[kW]")}, index=index)

    async def main() -> None:
        database = building(1, 0)
        async with (
            gateway(database, lambda op, passed: "hang" if op == "hisWrite" else None) as server,
            hsframe.AsyncSession(server.uri, deadline=0.4, timeout=60) as s,
        ):
            with pytest.raises(RequestTimeoutError, match="deadline") as caught:
                await s.his_write(df, points={"a": "@p0"})
            assert caught.value.report["written"].tolist() == [0]
            assert server.failed == ["hisWrite"], "a deadline is no reason to send less at once"

    asyncio.run(main())


@pytest.mark.parametrize("deadline", [2, 3])
def test_the_deadline_bounds_the_reading_back_of_a_write(deadline: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server has confirmed, and what is not there each time that it is looked for, is unknown."""
    monkeypatch.setitem(read_back_until.__kwdefaults__, "pauses_s", (0.0, 0.25, 0.75, 1.5, 3.0))  # as users have it
    index = pd.DatetimeIndex(FIRST_US + np.arange(5) * STEP_US, dtype="datetime64[us, UTC]", name="ts")
    df = pd.DataFrame({"a": pd.array(np.arange(5.0), dtype="unit[kW]")}, index=index)
    with (
        running_server(building(1, 0), quirks=["late-write=60"]) as server,
        hsframe.connect(server.uri, "demo", "demo", deadline=deadline) as s,
    ):
        with pytest.raises(RequestTimeoutError, match=f"deadline of {deadline:g} s") as caught:
            s.his_write(df, points={"a": "@p0"}, verify=True)
        (row,) = caught.value.report.to_dict("records")
        assert (row["status"], row["written"], row["unknown"]) == ("unknown", 0, 5)
        assert 0.2 < row["looked_s"] <= deadline
        assert f"not there after {row['looked_s']:.1f} s" in caught.value.__notes__[0]


def test_the_deadline_bounds_the_looking_after_a_time_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_verbs, "_CHECK_WHEN_CANCELLED_S", 0.2)
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", (0.0, *[0.1] * 100))
    index = pd.DatetimeIndex(FIRST_US + np.arange(5) * STEP_US, dtype="datetime64[us, UTC]", name="ts")
    df = pd.DataFrame({"a": pd.array(np.arange(5.0), dtype="unit[kW]")}, index=index)

    async def main() -> None:
        async with (
            gateway(building(1, 0), lambda op, passed: "hang" if op == "hisWrite" else None) as server,
            hsframe.AsyncSession(server.uri, deadline=2.5, timeout=1.5) as s,
        ):
            with pytest.raises(RequestTimeoutError, match=r"within 1\.5 s") as caught:
                await s.his_write(df, points={"a": "@p0"})
            (row,) = caught.value.report.to_dict("records")
            assert row["unknown"] == 5
            assert row["looked_s"] < 5  # of 10 without the deadline

    asyncio.run(main())


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("java.lang.Object@361d52e3", "java.lang.Object@5e9f23b4", True),
        ("ref 45ad8fc37c07: no history of p1", "ref 0b7d1144e2aa: no history of p2", True),
        ("no history of p1", "not allowed for p1", False),
    ],
)
def test_what_a_server_makes_up_for_each_error_does_not_count(one: str, other: str, alike: bool) -> None:
    errors = [CallError(words, Grid({"err": MARKER, "dis": words})) for words in (one, other)]
    assert (likeness(errors[0], ["p1"]) == likeness(errors[1], ["p2"])) is alike


def test_a_write_to_a_busy_server_is_written_once() -> None:
    index = pd.DatetimeIndex(FIRST_US + np.arange(10) * STEP_US, dtype="datetime64[us, UTC]", name="ts")
    df = pd.DataFrame({"a": pd.array(np.arange(10.0), dtype="unit[kW]")}, index=index)

    async def main() -> None:
        database, faults = building(1, 0), [429, 503]
        async with (
            gateway(database, lambda op, passed: faults.pop() if op == "hisWrite" and faults else None) as server,
            hsframe.AsyncSession(server.uri) as s,
        ):
            assert (await s.his_write(df, points={"a": "@p0"}))["status"].tolist() == ["written"]
            assert server.failed == ["hisWrite"] * 2
            assert Counter(server.passed)["hisWrite"] == 1
        assert len(database.history("p0")) == 10

    asyncio.run(main())


def test_a_deadline_covers_the_record_and_the_reading_back_of_a_point_write() -> None:
    async def main() -> None:
        async with (
            gateway(building(1), lambda op, passed: "hang" if op == "pointWrite" else None) as server,
            hsframe.AsyncSession(server.uri, deadline=1.0, timeout=60) as s,
        ):
            with pytest.raises(RequestTimeoutError, match=r"pointWrite at .*deadline of 1 s"):
                await s.point_write("@p0", 16, hsframe.Number(1, "kW"))
            assert server.failed == ["pointWrite"]

    asyncio.run(main())
