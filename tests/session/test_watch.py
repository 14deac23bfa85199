"""Watches that outlive what befalls them, over a real socket."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

import hsframe
from hsframe.client import Client, watching
from hsframe.errors import AuthError, CallError, MetadataError, NetworkError, SpanError, UnknownRecError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.app import STATE
from hsframe.server.clock import ManualClock
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def building() -> Database:
    common = {"point": MARKER, "cur": MARKER, "tz": "New_York"}
    return Database(
        [
            {"id": Ref("kw"), "dis": "Power", "kind": "Number", "unit": "kW", "curVal": Number(1, "kW"), **common},
            {"id": Ref("oat"), "dis": "Outside", "kind": "Number", "unit": "°F", "curVal": Number(50, "°F"), **common},
            {"id": Ref("fan"), "dis": "Fan", "kind": "Bool", "curVal": False, **common},
            {"id": Ref("hq"), "dis": "HQ", "site": MARKER},
        ]
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def watched(clock: ManualClock) -> Iterator[RunningServer]:
    with running_server(building(), clock=clock) as running:
        yield running


@pytest.fixture
def s(watched: RunningServer) -> Iterator[hsframe.Session]:
    with hsframe.connect(watched.uri, "demo", "demo") as connected:
        yield connected


def set_kw(server: RunningServer, value: float) -> None:
    server.database.update("kw", {"curVal": Number(value, "kW")})


def values(frame: Any) -> dict[str, Any]:
    return dict(zip(frame["id"], frame["curVal"], strict=True))


# From synchronous code ---------------------------------------------------------------------------------------------


def test_frames_of_what_changes(s: hsframe.Session, watched: RunningServer) -> None:
    frames = []
    for frame in s.watch("point and cur", poll=0.02):
        frames.append(frame)
        if len(frames) == 3:
            break
        set_kw(watched, 10.0 + len(frames))
    assert [frame["id"].tolist() for frame in frames] == [["kw", "oat", "fan"], ["kw"], ["kw"]]
    assert [frame["curVal"].tolist()[0] for frame in frames] == [Number(1, "kW"), 11.0, 12.0]
    assert frames[1].dtypes["curVal"] == hsframe.UnitDtype("kW")
    assert frames[1]["dis"].tolist() == ["Power"]
    assert watched.open_watches == 0


@pytest.mark.parametrize("how", ["break", "error", "close", "del"])
def test_leaving_the_loop_closes_the_watch(s: hsframe.Session, watched: RunningServer, how: str) -> None:
    frames = s.watch(["kw"], poll=0.02)
    assert len(next(frames)) == 1
    assert watched.open_watches == 1
    if how == "break":
        for _ in s.watch("@kw", poll=0.02):
            assert watched.open_watches == 2
            break
        assert watched.open_watches == 1
    if how == "error":
        with suppress(ZeroDivisionError):
            for frame in s.watch("@kw", poll=0.02):
                frame["id"] = 1 / 0
        gc.collect()
        assert watched.open_watches == 1
    if how == "close":
        frames.close()  # type: ignore[attr-defined]
    del frames
    gc.collect()
    assert watched.open_watches == 0
    assert len(s.about()) == 1


def test_a_session_that_closes_first(watched: RunningServer) -> None:
    with hsframe.connect(watched.uri, "demo", "demo") as s:
        frames = s.watch("@kw", poll=0.02)
        next(frames)
    assert watched.open_watches == 0
    with pytest.raises(MetadataError, match="is closed"):
        next(frames)


def test_a_session_that_closes_while_a_thread_waits(watched: RunningServer) -> None:
    frames: list[Any] = []
    first = threading.Event()

    def follow() -> None:
        for frame in s.watch("@kw", poll=60):
            frames.append(frame)
            first.set()

    with hsframe.connect(watched.uri, "demo", "demo") as s:
        thread = threading.Thread(target=follow)
        thread.start()
        assert first.wait(10)
        time.sleep(0.05)  # it waits for a change
    thread.join(10)
    assert not thread.is_alive()
    assert (len(frames), watched.open_watches) == (1, 0)


def test_wrong_arguments_are_refused_at_the_call(s: hsframe.Session) -> None:
    for watch in (s.watch, hsframe.watch):
        with pytest.raises(TypeError, match=r"watch\(\) missing 1 required positional argument: 'points'"):
            watch()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"watch\(\) got an unexpected keyword argument 'pol'"):
            watch("@kw", pol=5)  # type: ignore[call-arg]


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to oneself on Windows")
@pytest.mark.parametrize("runner", ["thread", "nested"])
def test_ctrl_c_closes_the_watch(watched: RunningServer, runner: Any) -> None:
    with hsframe.connect(watched.uri, "demo", "demo", runner=runner) as s:
        frames = s.watch("@kw", poll=30)
        next(frames)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            next(frames)
        assert time.monotonic() - started < 5
        assert watched.open_watches == 0
        assert len(s.about()) == 1


def test_points_in_the_forms_of_a_read(s: hsframe.Session) -> None:
    found = s.read('point and kind == "Number"')
    for points in (found, ["kw", "oat"], [Ref("kw"), Ref("oat")], 'point and kind == "Number"'):
        frames = s.watch(points, poll=0.02)
        assert next(frames)["id"].tolist() == ["kw", "oat"]
        frames.close()  # type: ignore[attr-defined]
    for points in ("@kw", "kw", Ref("kw")):
        frames = hsframe.watch(points, poll=0.02)
        assert next(frames)["id"].tolist() == ["kw"]
        frames.close()


def test_what_cannot_be_watched(s: hsframe.Session, watched: RunningServer) -> None:
    with pytest.raises(UnknownRecError, match="@nobody, @nothing") as caught:
        next(s.watch(["kw", "nobody", "nothing"]))
    assert caught.value.ids == ("nobody", "nothing")
    assert watched.open_watches == 0
    frames = s.watch(["nobody", "kw"], checked=False)
    first = next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert first["id"].tolist() == ["nobody", "kw"]
    assert first["dis"].isna().tolist() == [True, False]
    for points, poll, match in (
        ("point and nothing", 1, "finds no record"),
        ([], 1, "no ids were given"),
        ("@kw", "soon", "poll='soon'"),
        ("@kw", 0, "poll=0"),
        ("@kw", -1, "poll=-1"),
    ):
        with pytest.raises(SpanError if "poll" in match else MetadataError, match=match):
            next(s.watch(points, poll))


# What befalls a watch ----------------------------------------------------------------------------------------------


async def until(grids: AsyncIterator[Any], done: Callable[[Any], bool]) -> list[Any]:
    seen = []
    async for grid in grids:
        seen.append(grid)
        if done(grid):
            return seen
    raise AssertionError("the watch ended")


def follow(server: RunningServer, befalls: Callable[[], None], **options: Any) -> list[list[dict[str, Any]]]:
    """What a watch gives from its opening until a change after something befell it."""

    async def main() -> list[list[dict[str, Any]]]:
        async with Client(server.uri, "demo", "demo") as client:
            async with aclosing(client.watch(["kw", "oat"], 0.02, **options)) as grids:
                first = await anext(grids)
                assert [row["id"].val for row in first] == ["kw", "oat"]
                befalls()
                set_kw(server, 42)
                seen = await asyncio.wait_for(until(grids, lambda rows: bool(rows)), 10)
            assert server.open_watches == 0
            return seen

    return asyncio.run(main())


def test_a_lease_that_ran_out(watched: RunningServer, clock: ManualClock) -> None:
    def expire() -> None:
        clock.advance(10_000)
        assert watched.open_watches == 0

    (rows,) = follow(watched, expire)
    assert [(row["id"].val, row["curVal"]) for row in rows] == [("kw", Number(42, "kW"))]


def test_a_watch_that_someone_closed(watched: RunningServer) -> None:
    watches = watched.app[STATE].watches
    (rows,) = follow(watched, lambda: [watches.close(ident) for ident in list(watches._watches)] and None)
    assert [row["id"].val for row in rows] == ["kw"]


def test_a_lost_session(watched: RunningServer) -> None:
    (rows,) = follow(watched, watched.drop_sessions)
    assert [row["id"].val for row in rows] == ["kw"]


def test_a_server_that_was_restarted(watched: RunningServer, clock: ManualClock) -> None:
    def restart() -> None:
        clock.advance(10_000)
        watched.drop_sessions()

    (rows,) = follow(watched, restart)
    assert [row["id"].val for row in rows] == ["kw"]


def test_polls_renew_the_lease(watched: RunningServer, clock: ManualClock) -> None:
    """Two polls a lease at least, however seldom someone wants to hear of changes."""

    async def main() -> None:
        async with (
            Client(watched.uri, "demo", "demo") as client,
            aclosing(client.watch(["kw"], 1.6, lease=1)) as grids,
        ):
            await anext(grids)
            polls: list[str] = []
            watches = watched.app[STATE].watches
            find = watches.find

            def counted(ident: Any) -> Any:
                polls.append(ident)
                return find(ident)

            watches.find = counted  # type: ignore[method-assign]
            set_kw(watched, 5)
            started = time.monotonic()
            rows = await anext(grids)
            assert time.monotonic() - started >= 1.59
            assert [row["curVal"] for row in rows] == [Number(5, "kW")]
            assert 3 <= len(polls) <= 4
            assert len(set(polls)) == 1

    asyncio.run(main())


def test_polls_without_changes_are_given_when_asked_for(s: hsframe.Session) -> None:
    frames = s.watch("@kw", poll=0.02, empty=True)
    assert [len(next(frames)) for _ in range(4)] == [1, 0, 0, 0]
    frames.close()  # type: ignore[attr-defined]


def test_raw_grids_say_which_watch(watched: RunningServer) -> None:
    async def main() -> None:
        async with Client(watched.uri, "demo", "demo") as client, aclosing(client.watch("kw", 1, raw=True)) as grids:
            grid = await anext(grids)
            assert isinstance(grid, Grid)
            assert grid.meta["watchId"].startswith("w-")

    asyncio.run(main())


# Servers of other habits -------------------------------------------------------------------------------------------

SUB = 'ver:"3.0" watchId:"w-1" lease:2min\nid,curVal\n@p:demo:r:a "A",1kW\n@p:demo:r:b "B",2kW\n'


def played(
    answers: dict[str, list[Any]], poll_s: float = 0.01, **options: Any
) -> tuple[list[list[dict[str, Any]]], list[tuple[str, str]]]:
    """What a watch on ``a`` and ``b`` gives of a server that plays some answers in order, the last one for ever."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        op = request.path.rsplit("/", 1)[1]
        asked.append((op, await request.text()))
        queue = answers.get(op, ['ver:"3.0"\nempty\n'])
        said = queue.pop(0) if len(queue) > 1 else queue[0]
        if said is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(said, int):
            return web.Response(status=said)
        return web.Response(text=said, content_type="text/zinc")

    async def main() -> list[list[dict[str, Any]]]:
        app = web.Application()
        app.router.add_route("*", "/{op}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            uri = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with (
                Client(uri, auth="none") as client,
                aclosing(client.watch(["a", "b"], poll_s, **options)) as grids,
            ):
                return await asyncio.wait_for(until(grids, lambda rows: any(r.get("last") for r in rows)), 10)
        finally:
            await runner.cleanup()

    return asyncio.run(main()), asked


LAST = 'ver:"3.0" watchId:"w-1"\nid,curVal,last\n@p:demo:r:b "B",9kW,M\n'
LOST = 'ver:"3.0" err dis:"hx::UnknownWatchErr: w-1" errType:"hx::UnknownWatchErr"\nempty\n'


def test_a_first_poll_that_repeats_everything_and_canonical_ids() -> None:
    repeated = SUB.replace(" lease:2min", "")
    changed = 'ver:"3.0" watchId:"w-1"\nid,curVal\n@p:demo:r:b "B",3kW\n@p:demo:r:a "A",1kW\n'
    seen, asked = played({"watchSub": [SUB], "watchPoll": [repeated, changed, LAST]})
    assert [[row["id"].val for row in rows] for rows in seen] == [
        ["p:demo:r:a", "p:demo:r:b"], ["p:demo:r:b"], ["p:demo:r:b"]
    ]  # fmt: skip
    assert seen[1][0]["curVal"] == Number(3, "kW")
    assert [op for op, _ in asked] == ["watchSub", "watchPoll", "watchPoll", "watchPoll", "watchUnsub"]
    assert "@a\n@b" in asked[0][1]
    assert "lease:120sec" in asked[0][1]
    assert 'watchId:"w-1"' in asked[-1][1]
    assert "close" in asked[-1][1]


def test_an_answer_that_is_lost_is_asked_for_with_refresh() -> None:
    everything = 'ver:"3.0" watchId:"w-1"\nid,curVal,last\n@p:demo:r:a "A",1kW,\n@p:demo:r:b "B",9kW,M\n'
    seen, asked = played({"watchSub": [SUB], "watchPoll": [None, 503, everything]})
    assert [[row["id"].val for row in rows] for rows in seen[1:]] == [["p:demo:r:b"]]
    polls = [body for op, body in asked if op == "watchPoll"]
    assert ["refresh" in body for body in polls] == [False, True, True]


def test_a_watch_that_cannot_be_opened_anew_at_once() -> None:
    again = SUB.replace("w-1", "w-2").replace("2kW", "3kW")
    last = LAST.replace("w-1", "w-2")
    seen, asked = played({"watchSub": [SUB, LOST, 500, again], "watchPoll": [LOST, last]})
    assert [[row["curVal"].val for row in rows] for rows in seen] == [[1, 2], [3], [9]]
    assert 'watchId:"w-2"' in asked[-1][1]


@pytest.mark.parametrize(("status", "watches"), [(404, 2), (410, 2), (400, 1), (406, 1), (409, 1), (422, 1), (500, 1)])
def test_only_a_status_that_means_that_the_watch_is_gone_opens_a_new_one(status: int, watches: int) -> None:
    seen, asked = played({"watchSub": [SUB], "watchPoll": [status, LAST]})
    assert [row["curVal"].val for rows in seen for row in rows] == [1, 2, 9]
    assert [op for op, _ in asked].count("watchSub") == watches


@pytest.mark.parametrize("lease", ["1ms", "0.001sec", "1ns", "0sec", "-1sec"])
def test_a_lease_too_short_to_be_kept_is_not_polled_for(lease: str) -> None:
    nothing = 'ver:"3.0" watchId:"w-1"\nempty\n'
    seen, asked = played(
        {"watchSub": [SUB.replace("2min", lease)], "watchPoll": [nothing, LOST, LAST]}, poll_s=0.7, lease=0.001
    )
    assert [row["curVal"].val for rows in seen for row in rows] == [1, 2, 9]
    ops = [op for op, _ in asked]
    assert 1 <= ops.count("watchPoll") <= 3
    assert ops.count("watchSub") <= 2


def test_patience_ends() -> None:
    started = time.monotonic()
    with pytest.raises(NetworkError, match="watchPoll"):
        played({"watchSub": [SUB], "watchPoll": [None]}, patience=0.3)
    assert 0.3 < time.monotonic() - started < 8
    with pytest.raises(CallError, match="UnknownWatchErr"):
        played({"watchSub": [SUB, LOST], "watchPoll": [LOST]}, patience=0.3)


def test_what_is_refused_at_first_is_refused() -> None:
    with pytest.raises(CallError, match="no more"):
        played({"watchSub": ['ver:"3.0" err dis:"no more watches"\nempty\n']})
    with pytest.raises(CallError, match="no watchId"):
        played({"watchSub": ['ver:"3.0"\nid\n@a\n@b\n']})
    with pytest.raises(AuthError):
        played({"watchSub": [SUB], "watchPoll": [401]}, patience=0.3)


@pytest.mark.parametrize("make", [Client, hsframe.AsyncSession])
@pytest.mark.parametrize("asks", ["read", "watchSub", "watchPoll"])
def test_a_watch_ends_when_it_is_closed_whatever_it_waits_for(
    make: Any, asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is under way when client or session close ends the loop, and not with its own error."""
    monkeypatch.setattr(watching, "_CLOSE_S", 0.2)
    answers = {"read": 'ver:"3.0"\nid\n@a\n@b\n', "watchSub": SUB}

    async def main() -> int:
        under_way, over = asyncio.Event(), asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            op = request.path.rsplit("/", 1)[1]
            if op == asks:
                under_way.set()
                await over.wait()
            return web.Response(text=answers.get(op, 'ver:"3.0"\nempty\n'), content_type="text/zinc")

        app = web.Application()
        app.router.add_route("*", "/{op}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        client = await make(f"http://127.0.0.1:{runner.addresses[0][1]}", auth="none").__aenter__()

        async def follow() -> int:
            return len([rows async for rows in client.watch("point and cur", 0.01)])

        try:
            async with asyncio.timeout(10):
                task = asyncio.create_task(follow())
                await under_way.wait()
                await client.close()
                return await task
        finally:
            over.set()
            await runner.cleanup()

    assert asyncio.run(main()) == (asks == "watchPoll")


def test_unknown_ids_that_are_left_out_are_named() -> None:
    with pytest.raises(UnknownRecError, match="@b") as caught:
        played({"watchSub": ['ver:"3.0" watchId:"w-1"\nid,curVal\n@p:demo:r:a "A",1kW\n']})
    assert caught.value.ids == ("b",)
