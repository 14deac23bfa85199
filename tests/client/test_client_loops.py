"""A client belongs to the event loop in which it was opened; from any other one every call is refused at once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

import hsframe
from hsframe.client import Client
from hsframe.errors import HsFrameError, NetworkError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

KW = Ref("p:kw")


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(Database([{"id": KW, "dis": "Power", "point": True, "his": True, "tz": "UTC"}])) as running:
        yield running


async def first_of(items: Any) -> Any:
    return await anext(items)


CALLS: dict[str, Any] = {
    "about": lambda c: c.about(),
    "read": lambda c: c.read("point"),
    "read_by_ids": lambda c: c.read_by_ids([KW]),
    "his_read": lambda c: c.his_read(KW, "today"),
    "his_read_batch": lambda c: c.his_read_batch([KW], "today"),
    "his_write": lambda c: c.his_write(KW, [{"ts": datetime(2026, 1, 1, tzinfo=UTC), "val": 1}]),
    "his_stream": lambda c: first_of(c.his_stream(KW, "today")),
    "watch": lambda c: first_of(c.watch("point", patience="1min")),
    "call": lambda c: c.call("about", Grid()),
    "eval_all": lambda c: c.eval_all(["1"]),
}


@contextmanager
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def refused(client: Any, calls: dict[str, Any]) -> list[str]:
    """What each of the calls says, all of them made at once."""
    async with asyncio.timeout(10):
        errors = await asyncio.gather(*(call(client) for call in calls.values()), return_exceptions=True)
    assert [type(error) for error in errors] == [HsFrameError] * len(calls)
    return [str(error) for error in errors]


async def opened(uri: str, make: Any = Client) -> Any:
    client = await make(uri, "demo", "demo").__aenter__()
    await client.about()
    return client


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("make", [Client, hsframe.AsyncSession])
def test_a_client_of_a_loop_that_is_closed(server: RunningServer, make: Any) -> None:
    client = asyncio.run(opened(server.uri, make))
    calls = CALLS if make is Client else {name: CALLS[name] for name in ("about", "read", "his_read", "watch")}
    for message in asyncio.run(refused(client, calls)):
        assert message.startswith(
            f"the {make.__name__} of {server.uri} belongs to the event loop in which it was opened"
        )
        assert f"which is closed; open one in each loop, by 'async with {make.__name__}(...) as ...:'" in message
    asyncio.run(client.close())  # there is nothing that could be sent
    asyncio.run(client.close())
    with pytest.raises(NetworkError, match="is closed; make a new one"):
        asyncio.run(client.__aenter__())
    gc.collect()  # here, where it is allowed: the loop was closed with the sockets of the client open


def test_a_client_of_another_loop_that_runs(server: RunningServer) -> None:
    """Where calls would wait for ever for a future of the other loop."""
    with other_loop() as loop:
        client = asyncio.run_coroutine_threadsafe(opened(server.uri), loop).result(10)
        for message in asyncio.run(refused(client, CALLS | {"close": lambda c: c.close()})):
            assert "belongs to the event loop in which it was opened, which is another one" in message
        # It goes on where it belongs.
        assert len(asyncio.run_coroutine_threadsafe(client.about(), loop).result(10)) == 1
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(10)
    assert server.open_sessions == 0


def test_the_client_of_a_session_is_awaited_in_a_notebook(server: RunningServer) -> None:
    with hsframe.connect(server.uri, "demo", "demo") as session:
        (message,) = asyncio.run(refused(session.client, {"about": CALLS["about"]}))
        assert "which is another one" in message
        assert message.endswith("call that of a Session by its run()")
        assert len(session.run(lambda client: client.about())) == 1


def test_a_client_may_be_made_outside_and_opened_in_the_loop_that_uses_it(server: RunningServer) -> None:
    client = Client(server.uri, "demo", "demo")

    async def main() -> int:
        async with client as c:
            return len(await c.about())

    assert asyncio.run(main()) == 1
