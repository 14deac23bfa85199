"""Who sends a password first speaks for all that wait, and for no longer than two seconds.

The first one may never say anything: its event loop stands still while a synchronous verb runs in it, after Ctrl-C, or
for good. The server here answers the first proof only after a second one has come: who waited for it would for ever.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from aiohttp import web

import hsframe
from hsframe.client import Client
from hsframe.protocol.login_steps import Credentials
from hsframe.protocol.refused_logins import RefusedLogins
from hsframe.protocol.scram import b64url_decode
from hsframe.protocol.secret import Secret

USER, PASSWORD = "ann", "s3cret-pencil"
SITES = b'ver:"3.0"\nid,dis\n@a,"A"\n@b,"B"\n'


@pytest.fixture(autouse=True)
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RefusedLogins, "longest_turn_s", 0.05)


@pytest.fixture
def slow(serve: Any, fake: Any) -> Iterator[Any]:
    """A server in a thread that answers the first proof when a second one has come; it tells when the first came."""

    class Slow(fake):
        first, second = threading.Event(), asyncio.Event()

        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            if scheme == "SCRAM" and b64url_decode(params["data"]).startswith("c="):
                if self.first.is_set():
                    self.second.set()
                self.first.set()
                await self.second.wait()
            return await super()._login(scheme, params)

    server, is_up, is_over = Slow(answers={"read": SITES}), threading.Event(), threading.Event()

    async def main() -> None:
        async with serve(server):
            is_up.set()
            await asyncio.to_thread(is_over.wait)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, main())
        assert is_up.wait(10)
        try:
            yield server
        finally:
            is_over.set()
            running.result()


async def sites(server: Any, **how: Any) -> int:
    async with Client(server.uri, USER, PASSWORD, **how) as client:
        return len(await client.read("site"))


def in_a_thread(run: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@contextmanager
def stopped_in_mid_login(server: Any) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that was stopped, as by Ctrl-C in run_until_complete, while the answer to a proof was awaited."""
    with closing(asyncio.new_event_loop()) as loop:
        task = loop.create_task(sites(server))
        loop.run_until_complete(asyncio.to_thread(server.first.wait))
        yield loop
        assert loop.run_until_complete(task) == 2


def test_a_synchronous_verb_in_the_loop_of_a_login_ends(slow: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(sites(slow))
        await asyncio.to_thread(slow.first.wait)
        with hsframe.connect(slow.uri, USER, PASSWORD) as session:
            assert len(session.read("site")) == 2
        assert await task == 2

    with pytest.warns(RuntimeWarning, match="event loop"):
        asyncio.run(main())


def test_nobody_waits_long_for_a_loop_that_was_stopped(slow: Any) -> None:
    with stopped_in_mid_login(slow):
        assert in_a_thread(lambda: asyncio.run(sites(slow))) == 2


def test_two_loops_that_run_by_turns_do_not_wait_for_each_other(slow: Any) -> None:
    with stopped_in_mid_login(slow), closing(asyncio.new_event_loop()) as other:
        assert other.run_until_complete(sites(slow)) == 2


@pytest.mark.parametrize("how", [{"timeout": 2}, {"deadline": 2}])
def test_who_has_little_time_does_not_wait_for_who_has_much(
    slow: Any, how: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time-out of its requests and by the deadline of its verb, of which half is left for its own request."""
    monkeypatch.setattr(RefusedLogins, "longest_turn_s", 3600.0)

    async def main() -> None:
        first = asyncio.create_task(sites(slow, timeout=600))
        await asyncio.to_thread(slow.first.wait)
        assert await sites(slow, **how) == 2
        assert await first == 2

    asyncio.run(main())


def test_a_wait_that_ends_leaves_no_task_and_no_thread(slow: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        assert await sites(slow) == 2
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with stopped_in_mid_login(slow) as stopped:
        stopped.run_until_complete(stopped.shutdown_default_executor())
        before = threading.active_count()
        asyncio.run(main())
        assert threading.active_count() == before
    assert not caplog.records, "the first one is done, and tells no loop that is closed"


def test_who_comes_after_the_longest_turn_has_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    logins, who, later_s = RefusedLogins(), Credentials(token=Secret("t0ken")), 0.0
    monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + later_s)
    with logins.turn(who) as first:
        assert first is None
        later_s = 3.0
        with logins.turn(who) as second:
            assert second is None
            with logins.turn(who) as third:
                assert third is not None
        with logins.turn(who) as fourth:
            assert fourth is None, "the second one is done, and left no turn"


def test_who_waits_for_another_to_send_may_give_up() -> None:
    logins, who = RefusedLogins(), Credentials(token=Secret("t0ken"))

    async def main() -> None:
        with logins.turn(who) as first:
            assert first is None
            with logins.turn(who) as other:
                assert other is not None
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(other), 0.01)
        with logins.turn(who) as first:
            assert first is None, "the turn of the one who sent is over"

    asyncio.run(main())
