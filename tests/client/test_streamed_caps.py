"""Streams from servers that leave out rows without a word: the rest follows, or an error ends the stream."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hsframe.client import Client
from hsframe.errors import IncompleteError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.protocol.dialects import remembered
from hsframe.server.database import Database
from hsframe.testing.quirk_wrappers import SILENT_CAPS
from hsframe.testing.server import running_server

FIRST_US = 1_767_225_600_000_000
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def building() -> Database:
    """Three points: every quarter of an hour, at the same times as that one, and at random in the first half."""
    database = Database(tz="UTC")
    quarters = FIRST_US + np.arange(2000, dtype=np.int64) * 900_000_000
    at_random = FIRST_US + np.unique(np.random.default_rng(3).integers(1, 10 * 86_400, 1500)) * 1_000_000
    for name, ts_us in {"a": quarters, "b": quarters, "c": at_random}.items():
        tags = {"id": Ref(name), "point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
        database.add(tags)
        database.set_history(name, ts_us, np.arange(len(ts_us)) / 4)
    return database


async def stream(uri: str, ids: Any, span: str, **options: Any) -> Any:
    async with Client(uri, "demo", "demo") as client:
        return pa.Table.from_batches([one async for one in client.his_stream(ids, span, **options)])


def truth(database: Database, name: str, start_us: int, end_us: int | None) -> list[int]:
    ts_us = database.history(name).ts_us
    return [us for us in ts_us.tolist() if start_us <= us and (end_us is None or us < end_us)]


RANGES = {
    "2026-01-02,2026-01-15": (FIRST_US + DAY_US + 5 * 3_600_000_000, FIRST_US + 15 * DAY_US + 5 * 3_600_000_000),
    "2026-01-03T00:00:00-05:00 New_York": (FIRST_US + 2 * DAY_US + 5 * 3_600_000_000, None),
}


@pytest.mark.parametrize("cap", SILENT_CAPS)
@pytest.mark.parametrize("ids", ["a", "c", ["a", "b"]], ids=str)
@pytest.mark.parametrize("span", RANGES)
def test_the_rest_follows(building: Database, cap: str, ids: Any, span: str) -> None:
    with running_server(building, quirks=[f"{cap}=150"]) as server:
        table = asyncio.run(stream(server.uri, ids, span, na_columns=span in RANGES and cap == "cap-first"))
        assert remembered(server.uri).row_cap == 150
    rows = table["ts"].cast(pa.int64()).to_pylist()
    assert sorted(rows) == truth(building, ids if isinstance(ids, str) else "a", *RANGES[span])
    assert rows == sorted(rows) or "newest" in cap
    assert not table.column(1).null_count


@pytest.mark.parametrize("knows_fractions", [True, False])
def test_more_rows_in_a_second_than_the_server_gives(knows_fractions: bool) -> None:
    async def main(uri: str) -> int:
        async with Client(uri, "demo", "demo") as client:
            send = client.sender.stream

            def sent(op: Any, request: Any) -> Any:
                (id,), (span,) = request.columns
                return send(op, Grid({}, request.cols, [[id], [re.sub(r"[.][0-9]+", "", span)]]))

            if not knows_fractions:
                client.sender.stream = sent  # type: ignore[method-assign]
            return sum([one.num_rows async for one in client.his_stream("a", "2026-01-01")])

    database = Database([{"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"}], tz="UTC")
    database.set_history("a", FIRST_US + np.arange(3000, dtype=np.int64) * 1000, np.arange(3000.0))
    with running_server(database, quirks=["cap-first=500"]) as server:
        if knows_fractions:
            assert asyncio.run(main(server.uri)) == 3000
        else:
            with pytest.raises(IncompleteError, match="500 rows at most"):
                asyncio.run(main(server.uri))


def test_reversed_rows_of_a_limit_that_is_named(building: Database) -> None:
    with running_server(building, quirks=["cap-first=80", "his-limit", "reversed-rows"]) as server:
        table = asyncio.run(stream(server.uri, "c", "2026-01-02,2026-01-15"))
    assert sorted(table["ts"].cast(pa.int64()).to_pylist()) == truth(building, "c", *RANGES["2026-01-02,2026-01-15"])


@pytest.mark.parametrize("cap", ["point-cap-first", "point-cap-newest"])
def test_points_that_are_cut_at_different_times_are_an_error(building: Database, cap: str) -> None:
    with running_server(building, quirks=[f"{cap}=200"]) as server, pytest.raises(
        IncompleteError, match=r"not whole.*one by one"
    ):  # fmt: skip
        asyncio.run(stream(server.uri, ["a", "c"], "2026-01-02,2026-01-15"))


@pytest.mark.parametrize("cap", ["point-cap-first", "point-cap-newest"])
@pytest.mark.parametrize("first_day", [20, -20])
def test_points_with_samples_at_different_times(cap: str, first_day: int) -> None:
    database = Database(tz="UTC")
    for name, day, count in ("p", 0, 446), ("q", first_day, 187):
        database.add({"id": Ref(name), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"})
        ts_us = FIRST_US + day * DAY_US + np.arange(count, dtype=np.int64) * 900_000_000
        database.set_history(name, ts_us, np.arange(count) / 4)
    span = "2025-12-01,2026-02-20"
    with running_server(database) as server:
        assert asyncio.run(stream(server.uri, ["p", "q"], span)).num_rows == 633
    with running_server(database, quirks=[f"{cap}=150"]) as server, pytest.raises(IncompleteError, match="one by one"):
        asyncio.run(stream(server.uri, ["p", "q"], span))


def test_that_a_server_ignored_the_range_is_doubted_again(building: Database) -> None:
    with running_server(building, quirks=["cap-first=150"]) as server:
        remembered(server.uri).ignores_range = True
        assert asyncio.run(stream(server.uri, "a", "2025-01-01,2026-12-31")).num_rows == 2000
    with running_server(building, quirks=["ignore-range"]) as server:
        remembered(server.uri).ignores_range = True
        assert asyncio.run(stream(server.uri, "a", "2026-01-02,2026-01-03")).num_rows == 2000


def test_a_healthy_server_is_asked_for_the_ends_once(building: Database) -> None:
    async def main(uri: str) -> list[int]:
        async with Client(uri, "demo", "demo") as client:
            send, asked, counts = client.sender.stream, [], []

            def noting(op: Any, request: Any) -> Any:
                asked.append(request)
                return send(op, request)

            client.sender.stream = noting  # type: ignore[method-assign]
            for span in ("2026-01-02", "2026-01-02,2026-01-15", "2025-01-01,2026-12-31"):
                asked.clear()
                assert sum([one.num_rows async for one in client.his_stream("a", span)])
                counts.append(len(asked))
            return counts

    with running_server(building) as server:
        # A day is short; the first row of a range is at its start, so only what follows the last one is asked for.
        assert asyncio.run(main(server.uri)) == [1, 2, 3]


def test_many_rows_within_a_second_and_nothing_else() -> None:
    database = Database([{"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"}], tz="UTC")
    database.set_history("a", FIRST_US + 5_000_000 + np.arange(150, dtype=np.int64) * 1000, np.arange(150.0))
    with running_server(database) as server:
        assert asyncio.run(stream(server.uri, "a", "2026-01-01")).num_rows == 150
