"""Turns to send: never too many, the deeper first, and none is lost when somebody stops waiting."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hsframe.history.concurrency import ConcurrencyLimit


@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_never_too_many_and_all_in_the_end(count: int, wanted: list[tuple[int, bool]]) -> None:
    async def run() -> tuple[int, int]:
        limit, inside, most, done = ConcurrencyLimit(count), 0, 0, 0

        async def one(depth: int) -> None:
            nonlocal inside, most, done
            async with limit.turn(depth):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(0)
                finally:
                    inside -= 1
            done += 1

        tasks = [asyncio.create_task(one(depth)) for depth, _ in wanted]
        await asyncio.sleep(0)
        for task, (_, stops) in zip(tasks, wanted, strict=True):
            if stops:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(5):
            await asyncio.gather(*(one(0) for _ in range(count)))  # every place is there again
        return most, done

    most, done = asyncio.run(run())
    assert most <= count
    assert done >= count + sum(not stops for _, stops in wanted)


def test_what_was_begun_goes_before_what_waits() -> None:
    order: list[str] = []

    async def run() -> None:
        limit = ConcurrencyLimit(1)

        async def request(name: str) -> None:
            async with limit.turn(0):
                order.append(name)
                await asyncio.sleep(0)
            async with limit.turn(1):
                order.append(name + " again")

        await asyncio.gather(*(request(name) for name in "abc"))

    asyncio.run(run())
    assert order == ["a", "a again", "b", "b again", "c", "c again"]


def test_quiet_is_when_no_request_runs_or_waits() -> None:
    async def main() -> list[str]:
        limit, order = ConcurrencyLimit(1), []

        async def request(name: str) -> None:
            async with limit.turn(0):
                await asyncio.sleep(0.001)
                order.append(name)

        async def rest(name: str) -> None:
            order.append(f"{name} {await limit.quiet()}")

        async with asyncio.TaskGroup() as group:
            group.create_task(request("a"))
            group.create_task(rest("woken"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            limit.wake()
            await asyncio.sleep(0)
            group.create_task(rest("quiet"))
            group.create_task(request("b"))
        assert await limit.quiet()
        return order

    assert asyncio.run(main()) == ["woken False", "a", "b", "quiet True"]
