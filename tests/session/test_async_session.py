"""AsyncSession over real sockets: frames for coroutines, and nothing left running."""

from __future__ import annotations

import asyncio
import gc
import linecache
import logging
import operator
import pickle
import threading
import traceback
import warnings
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from copy import copy, deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pandas as pd
import pytest
from aiohttp import web

import hsframe
from hsframe.kinds import MARKER, Number
from hsframe.testing.server import RunningServer, running_server

from .conftest import small_building

DAY = "2026-11-01"  # 25 hours in New York


@asynccontextmanager
async def connected(server: RunningServer, **settings: Any) -> AsyncIterator[hsframe.AsyncSession]:
    """A session that leaves no task behind."""
    async with hsframe.AsyncSession(server.uri, server.user, server.password, **settings) as s:
        yield s
    assert asyncio.all_tasks() <= {asyncio.current_task()}


def without_age(df: pd.DataFrame) -> pd.DataFrame:
    """How old the latest values are depends on when they were read."""
    return df.drop(columns="age", errors="ignore")


def test_frames_are_those_of_the_synchronous_verbs(server: RunningServer, session: hsframe.Session) -> None:
    async def main() -> list[Any]:
        async with connected(server) as s:
            return [
                await s.about(),
                await s.read("point"),
                await s.read_by_ids("kw"),
                await s.nav(),
                await s.his_read(["kw", "oat"], DAY),
                await s.his_read(["kw", "oat"], DAY, shape="tidy"),
                await s.his_read("kw", DAY, interval="1h"),
                await s.latest(["kw", "fan"]),
            ]

    awaited = asyncio.run(main())
    waited = [
        session.about(),
        session.read("point"),
        session.read_by_ids("kw"),
        session.nav(),
        session.his_read(["kw", "oat"], DAY),
        session.his_read(["kw", "oat"], DAY, shape="tidy"),
        session.his_read("kw", DAY, interval="1h"),
        session.latest(["kw", "fan"]),
    ]
    for one, other in zip(awaited[1:], waited[1:], strict=True):
        pd.testing.assert_frame_equal(without_age(one), without_age(other))
    assert awaited[0].columns.tolist() == waited[0].columns.tolist()
    assert awaited[4].hs.catalog["rows"].tolist() == [100, 100]
    assert server.open_sessions == 1  # the synchronous one


def test_settings_from_the_environment(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(hsframe.MetadataError, match="HSFRAME_URI"):
        hsframe.AsyncSession()
    with pytest.raises(hsframe.MetadataError, match="max_concurrency"):
        hsframe.AsyncSession(server.uri, max_concurrency=0)
    monkeypatch.setenv("HSFRAME_URI", server.uri + "/")
    monkeypatch.setenv("HSFRAME_USER", server.user)
    monkeypatch.setenv("HSFRAME_PASSWORD", server.password)

    async def main() -> None:
        async with hsframe.AsyncSession() as s:
            assert (s.uri, s.user, len(await s.about())) == (server.uri, "demo", 1)
            assert repr(s) == f"<AsyncSession {server.uri} as demo>"
        assert repr(s) == f"<AsyncSession {server.uri} as demo, closed>"
        await s.close()
        with pytest.raises(hsframe.NetworkError, match="not open"):
            await s.about()
        with pytest.raises(hsframe.AuthError):
            async with hsframe.AsyncSession(password="wrong") as s:
                await s.about()

    asyncio.run(main())
    with pytest.raises(hsframe.MetadataError, match="there is no session"):  # it is nobody's default
        hsframe.about()


def test_a_wrong_setting_does_not_show_the_password() -> None:
    secret = "-".join(("hunter", "two"))
    with pytest.raises(hsframe.MetadataError) as caught:
        hsframe.AsyncSession("http://127.0.0.1:9/api", "demo", secret, format="yaml", headers={"X-Api-Key": secret})
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames.stack = traceback.StackSummary.from_list([f for f in frames.stack if f.filename != __file__])
    assert len(frames.stack) >= 2
    assert secret not in "".join(frames.format())


def test_what_is_written_is_read_back(server: RunningServer) -> None:
    async def main() -> None:
        async with connected(server) as s:
            df = await s.his_read("kw", DAY)
            raised = (df + Number(1, "kW")).rename(columns={"Power": "Power"})
            dry = await s.his_write(raised, dry_run=True)
            assert dry[["status", "different"]].to_numpy().tolist() == [["dry run", 100]]
            done = await s.his_write(raised, verify=True)
            assert done["status"].tolist() == ["verified"]
            again = await s.his_read("kw", DAY)
            assert again["Power"].iloc[0] == df["Power"].iloc[0] + 1
            with pytest.raises(hsframe.UnitError, match="Power"):
                await s.his_write(raised.hs.to("W"))

    asyncio.run(main())


def test_display_names_are_known_that_were_read(server: RunningServer) -> None:
    async def main() -> None:
        async with connected(server) as s:
            assert s.known_points == []
            await s.read("power or temp")
            assert [point.id for point in s.known_points] == ["kw", "oat", "lon"]
            # A synchronous session takes another one after a fork or on another loop.
            another = copy(s)
            assert another.known_points == s.known_points
            assert (another.uri, another.user) == (s.uri, s.user)
            assert another.client is not s.client
            frame = (await s.his_read("oat", DAY)).copy()
            frame.attrs.clear()
            assert (await s.his_write(frame, dry_run=True))["id"].tolist() == ["oat"]

    asyncio.run(main())


def test_errors_come_where_they_are_awaited(server: RunningServer) -> None:
    async def main() -> None:
        async with connected(server) as s:
            with pytest.raises(hsframe.UnknownRecError, match="no point 'nobody'"):
                await s.his_read(["kw", "nobody"], DAY)
            with pytest.raises(hsframe.MetadataError, match="header"):
                await s.his_read("kw", DAY, header="my name")
            with pytest.raises(hsframe.HTTPStatusError, match="no op 'eval'"):
                await s.eval("1 + 1")
            found = await asyncio.gather(s.read("point and and"), s.read("site"), return_exceptions=True)
            assert isinstance(found[0], hsframe.CallError)
            assert len(found[1]) == 1  # type: ignore[arg-type]

    asyncio.run(main())


def test_a_warning_points_at_the_line_that_awaits(server: RunningServer) -> None:
    async def main() -> None:
        async with connected(server) as s:
            with pytest.warns(hsframe.ZoneWarning) as caught:
                await s.his_read(["kw", "lon"], DAY)
            line = linecache.getline(caught[0].filename, caught[0].lineno)
            assert (caught[0].filename, line.strip()) == (__file__, 'await s.his_read(["kw", "lon"], DAY)')
            for category, read in (
                (hsframe.GapWarning, s.his_read("kw", DAY, interval="1min", max_gap="1min")),
                (hsframe.ReadWarning, s.his_read(["kw", "none"], DAY, on_error="warn")),
                (hsframe.ReadWarning, s.latest(["kw", "none"], on_error="warn")),
            ):
                with pytest.warns(category) as caught:
                    await read
                assert [warning.filename for warning in caught] == [__file__]

    asyncio.run(main())


def three_raised(df: pd.DataFrame) -> pd.DataFrame:
    return df.assign(Power=df["Power"] + Number(1, "kW"))


# What takes long with large answers and frames, and a verb that does it.
SLOW_WORK: dict[str, Any] = {
    "hsframe.session.reading_verbs.entity_frame": lambda s, df: s.read("point"),
    "hsframe.session.point_verbs.entity_frame": lambda s, df: s.watch_sub("kw", "mine"),
    "hsframe.session.async_session.trend_frame": lambda s, df: s.eval("hisRead"),
    "hsframe.session.reading.trend_frame": lambda s, df: s.his_read("kw", DAY),
    "hsframe.session.reading_verbs.latest_frame": lambda s, df: s.latest("point"),
    "hsframe.history.read.interval_histories": lambda s, df: s.his_read("kw", DAY, interval="1h"),
    "hsframe.history.read.warn_of_gaps": lambda s, df: s.his_read("kw", DAY, interval="1h"),
    "hsframe.session.history_verbs.frame_columns": lambda s, df: s.his_write(df, dry_run=True),
    "hsframe.history.write.batch_grid": lambda s, df: s.his_write(three_raised(df)),
    "hsframe.history.write.compare": lambda s, df: s.his_write(df, dry_run=True),
}


@pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning")
@pytest.mark.parametrize("name", SLOW_WORK)
def test_the_callers_loop_goes_on_while_frames_are_made(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The work waits for a tick of the loop: on the loop itself it would wait in vain."""
    ticks = threading.Event()
    seen: list[bool] = []
    work = operator.attrgetter(name.removeprefix("hsframe."))(hsframe)

    def waiting(*args: Any, **kwargs: Any) -> Any:
        ticks.clear()
        seen.append(ticks.wait(5))
        return work(*args, **kwargs)

    async def tick() -> None:
        while True:
            ticks.set()
            await asyncio.sleep(0)

    async def history(self: hsframe.Client, expr: str, *, raw: bool) -> hsframe.Grid:
        return await self.his_read("kw", DAY, raw=True)

    async def main() -> None:
        async with connected(server) as s:
            df = await s.his_read(["kw", "oat", "fan"], DAY)
            ticking = asyncio.create_task(tick())
            monkeypatch.setattr(name, waiting)
            await SLOW_WORK[name](s, df)
            ticks.clear()
            seen.append(ticks.wait(0.05))  # what a call that blocks the loop sees
            ticking.cancel()
            await asyncio.wait([ticking])

    monkeypatch.setattr(hsframe.Client, "eval", history)
    asyncio.run(main())
    assert len(seen) >= 2
    assert seen == [True] * (len(seen) - 1) + [False]


def test_export_and_doctor(server: RunningServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with connected(server) as s:
            path = await s.export("kw", DAY, tmp_path / "day.parquet")
            assert len(hsframe.read_parquet(path)) == 100
            table = (await s.doctor()).set_index("question")["answer"]
            assert table["formats"] == "Zinc: yes; JSON v4: yes; JSON v3: yes"
            assert (await s.call("about"))[0]["serverName"] == "hsframe"

    asyncio.run(main())


def test_cancelled_reads_leave_nothing_behind() -> None:
    async def main(server: RunningServer) -> None:
        async with connected(server) as s:
            await s.about()
            task = asyncio.create_task(s.his_read(["kw", "oat", "fan"], DAY, chunk="1h"))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await s.his_read("kw", DAY)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert len(await s.read("point")) == 5  # the session goes on
        assert server.open_sessions == 0

    with running_server(small_building(), quirks=["slow=0.2"]) as slow:
        asyncio.run(main(slow))


@pytest.mark.parametrize("by", ["cancel", "timeout"])
def test_a_cancelled_write_says_what_was_stored(by: str) -> None:
    async def main(server: RunningServer) -> None:
        async with connected(server) as s:
            df = await s.his_read(["kw", "oat"], DAY)
            error: BaseException | None
            if by == "timeout":
                with pytest.raises(TimeoutError) as late:
                    async with asyncio.timeout(0.3):
                        await s.his_write(df)
                error = late.value.__cause__
            else:
                task = asyncio.create_task(s.his_write(df))
                await asyncio.sleep(0.3)
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                error = caught.value
            assert error is not None
            assert error.report["id"].tolist() == ["kw", "oat"]  # type: ignore[attr-defined]
            assert "error.report" in error.__notes__[0]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with running_server(small_building(), quirks=["slow=0.2"]) as slow:
        asyncio.run(main(slow))


def test_two_sessions_on_one_loop(server: RunningServer) -> None:
    async def main(other: RunningServer) -> None:
        async with connected(server) as one, hsframe.AsyncSession(other.uri, "demo", "demo", format="json") as two:
            frames = await asyncio.gather(*(s.his_read("kw", DAY) for s in (one, two) for _ in range(3)))
            assert [len(df) for df in frames] == [100] * 6
            assert (server.open_sessions, other.open_sessions) == (1, 1)
            await one.close()
            assert len(await two.about()) == 1

    with running_server(small_building()) as other:
        asyncio.run(main(other))
        assert (server.open_sessions, other.open_sessions) == (0, 0)


# Watches ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(server: RunningServer) -> RunningServer:
    server.database.update("kw", {"cur": MARKER, "curVal": Number(1, "kW")})
    return server


def test_a_watch_gives_what_changes(watched: RunningServer) -> None:
    async def main() -> None:
        async with connected(watched) as s:
            frames = []
            async with aclosing(s.watch("cur", poll=timedelta(milliseconds=20))) as changes:
                async for frame in changes:
                    frames.append(frame)
                    if len(frames) == 3:
                        break
                    watched.database.update("kw", {"curVal": Number(10 + len(frames), "kW")})
            assert [frame["curVal"].tolist() for frame in frames] == [[1.0], [11.0], [12.0]]
            assert frames[0].dtypes["curVal"] == hsframe.UnitDtype("kW")
            assert watched.open_watches == 0
            with pytest.raises(hsframe.UnknownRecError, match="@nobody"):
                async for _ in s.watch(["kw", "nobody"]):
                    pass

    asyncio.run(main())


@pytest.mark.parametrize("how", ["break", "cancel", "close"])
def test_a_watch_ends_with_its_loop_or_its_session(watched: RunningServer, how: str) -> None:
    async def follow(s: hsframe.AsyncSession, begun: asyncio.Event) -> None:
        async for _ in s.watch("kw", poll=0.02):
            begun.set()

    async def main() -> None:
        async with connected(watched) as s:
            if how == "break":
                async for _ in s.watch("kw", poll=0.02):
                    break  # without aclosing: it is closed soon, or with the session
            if how == "cancel":
                begun = asyncio.Event()
                task = asyncio.create_task(follow(s, begun))
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert watched.open_watches == 0
            if how == "close":
                left = s.watch("kw", poll=0.02)
                await anext(left)
                assert watched.open_watches == 1
        assert watched.open_watches == 0
        if how == "close":
            with pytest.raises(StopAsyncIteration):
                await anext(left)
        gc.collect()

    asyncio.run(main())


@pytest.mark.parametrize("begun", [1, 0], ids=["between polls", "while it is opened"])
@pytest.mark.parametrize("make", [hsframe.AsyncSession, hsframe.Client])
def test_a_watch_that_a_task_waits_in_ends_with_its_session(watched: RunningServer, make: Any, begun: int) -> None:
    async def follow(s: Any, seen: asyncio.Queue[int]) -> str:
        async for changed in s.watch("@kw", poll=60):
            seen.put_nowait(len(changed))
        return "ended"

    async def main() -> None:
        async with make(watched.uri, "demo", "demo") as s:
            await s.about()
            seen: asyncio.Queue[int] = asyncio.Queue()
            tasks = [asyncio.create_task(follow(s, seen)) for _ in range(2)]
            if begun:
                assert [await seen.get(), await seen.get()] == [1, 1]
                assert watched.open_watches == 2
            else:
                await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.gather(*tasks), 5) == ["ended", "ended"]
        assert (watched.open_watches, watched.open_sessions) == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_session_that_is_not_open_says_so(server: RunningServer) -> None:
    async def main() -> None:
        s = hsframe.AsyncSession(server.uri, "demo", "demo")
        says = f"^the AsyncSession of {server.uri} is not open; use it inside 'async with AsyncSession"
        with pytest.raises(hsframe.NetworkError, match=says):
            await s.about()
        with pytest.raises(hsframe.NetworkError, match=says):
            await anext(s.watch("kw"))
        async with s:
            with pytest.raises(hsframe.MetadataError, match=r"AsyncSession .* is open already; enter it once"):
                await s.__aenter__()
            assert len(await s.about()) == 1
        with pytest.raises(hsframe.NetworkError, match=says):
            await s.about()
        with pytest.raises(hsframe.NetworkError, match=r"AsyncSession .* is closed; make a new one"):
            await s.__aenter__()

    asyncio.run(main())


def test_what_it_is_called_in_messages(server: RunningServer, session: hsframe.Session) -> None:
    with pytest.raises(TypeError, match=r"^AsyncSession\(\) got an unexpected keyword argument 'nonsense'"):
        hsframe.AsyncSession(nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^connect\(\) got an unexpected keyword argument 'nonsense'"):
        hsframe.connect(nonsense=1)  # type: ignore[call-arg]
    for copying in (pickle.dumps, deepcopy):
        with pytest.raises(TypeError, match=r"^an AsyncSession is not pickled"):
            copying(hsframe.AsyncSession(server.uri))
        with pytest.raises(TypeError, match=r"^a Session is not pickled"):
            copying(session)
    assert len(copy(session).about()) == 1


# Where it is used -------------------------------------------------------------------------------------------------


def test_in_a_handler_of_a_web_service(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """One session for the life of the application; handlers run at the same time and share its login."""
    key = web.AppKey("session", hsframe.AsyncSession)

    async def session_of(app: web.Application) -> AsyncIterator[None]:
        async with hsframe.AsyncSession(server.uri, "demo", "demo") as s:
            app[key] = s
            yield

    async def mean(request: web.Request) -> web.Response:
        df = await request.app[key].his_read(request.query["id"], DAY)
        return web.json_response({"rows": len(df), "unit": df.dtypes.iloc[0].unit, "mean": float(df.mean().iloc[0])})

    async def main() -> list[Any]:
        app = web.Application()
        app.cleanup_ctx.append(session_of)
        app.router.add_get("/mean", mean)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]

            async def asked(http: aiohttp.ClientSession, ident: str) -> Any:
                async with http.get(f"http://127.0.0.1:{port}/mean", params={"id": ident}) as response:
                    return await response.json()

            async with aiohttp.ClientSession() as http:
                return await asyncio.gather(*(asked(http, ident) for ident in ("kw", "oat", "kw")))
        finally:
            await runner.cleanup()

    with caplog.at_level(logging.INFO, "hsframe"), warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = asyncio.run(main())
    assert [answer["unit"] for answer in answers] == ["kW", "°F", "kW"]
    assert {answer["rows"] for answer in answers} == {100}
    logins = [record for record in caplog.records if record.getMessage().startswith("login")]
    assert len(logins) == 1
    assert server.open_sessions == 0
