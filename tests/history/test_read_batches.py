"""Each batch of points comes when it is done, and whoever leaves leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given

from hsframe.errors import (
    CallError,
)
from hsframe.frame.histories import History
from hsframe.grid import Grid
from hsframe.history.plan import ReadOptions, RequestLimits
from hsframe.history.read import read_batches
from hsframe.protocol.dialects import Dialect
from hsframe.spans import Span, from_epoch_us
from tests.history.odd_server import BASE_S, NOW, OddServer, S, cases, records_of, rows_of, some_limits, spread, truth


def batches_of(server: OddServer, span: Any, **options: Any) -> AsyncGenerator[list[History], None]:
    return read_batches(server, records_of(server), span, ReadOptions(NOW, **options))


def forty(**habits: Any) -> OddServer:
    names = [f"p{number:02}" for number in range(40)]
    server = OddServer(dict.fromkeys(names, spread("a", 90, 900)["a"]), dict.fromkeys(names, "UTC"), **habits)
    server.dialect = Dialect(his_read_batch=True, ignores_range=False)
    return server


WEEK = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 7 * 86_400) * S, UTC))


@given(cases(), some_limits)
def test_each_point_comes_in_one_batch_and_whole(case: tuple[OddServer, Span], limits: RequestLimits) -> None:
    server, span = case

    async def run() -> list[list[History]]:
        return [histories async for histories in batches_of(server, span, limits=limits)]

    found = asyncio.run(run())
    points = [ident for histories in found for ident in {history.point.id for history in histories}]
    assert sorted(points) == sorted(server.zones)
    assert rows_of([history for histories in found for history in histories]) == truth(server, span)


def test_a_batch_is_given_before_all_are_read_and_no_more_than_wanted_are_read_ahead() -> None:
    server = forty()

    async def run() -> list[int]:
        asked = []
        limits = RequestLimits(points=1, max_concurrency=2)
        async with aclosing(batches_of(server, WEEK, limits=limits)) as batches:
            async for _ in batches:
                await asyncio.sleep(0.001)  # the consumer is slow: what is under way comes to its end
                asked.append(len(server.asked))
        return asked

    asked = asyncio.run(run())
    assert len(server.asked) == 40
    assert [max(count - number, 4) for number, count in enumerate(asked)] == [4] * 40


def test_who_leaves_early_leaves_nothing_behind() -> None:
    server = forty()

    async def run() -> int:
        async with aclosing(batches_of(server, WEEK, limits=RequestLimits(points=1))) as batches:
            async for histories in batches:
                assert len(histories) == 1
                break
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(run()) == 0
    assert server.running == 0
    assert len(server.asked) < 20


def test_who_is_cancelled_cancels_the_requests() -> None:
    server = forty()

    async def never(*args: Any, **kwargs: Any) -> Grid:
        server.running += 1
        try:
            return await asyncio.Future()
        finally:
            server.running -= 1

    server.answer = never  # type: ignore[method-assign]

    async def run() -> None:
        task = asyncio.create_task(anext(batches_of(server, WEEK, limits=RequestLimits(points=1))))
        await asyncio.sleep(0.01)
        assert server.running == 6
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.running == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_failure_comes_after_what_was_given_and_ends_the_read() -> None:
    server = forty(bad_ids=frozenset(["p07"]))

    async def run() -> list[str]:
        given: list[str] = []
        batches = batches_of(server, WEEK, limits=RequestLimits(points=1, max_concurrency=2))
        for _ in range(7):
            given += [history.point.id for history in await anext(batches)]
        with pytest.raises(CallError, match="@p07"):
            await anext(batches)
        assert len(asyncio.all_tasks()) == 1
        return given

    assert asyncio.run(run()) == [f"p{number:02}" for number in range(7)]
    assert server.running == 0
    assert len(server.asked) < 15
