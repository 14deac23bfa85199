"""From what people call points to their records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from hsframe.errors import (
    MetadataError,
    UnknownRecError,
)
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.history.point_records import find_records, read_records
from hsframe.kinds import MARKER, Ref
from hsframe.spans import epoch_us
from tests.history.odd_server import NOW, OddServer


def find(server: OddServer, points: Any) -> list[str]:
    return [record.id for record in asyncio.run(find_records(server, points))]


@pytest.fixture
def building() -> OddServer:
    names = {"a": "New_York", "word": "London", "p:demo:r:1": "UTC"}
    return OddServer({name: [] for name in names}, dict(names))


@pytest.mark.parametrize(
    ("points", "ids"),
    [
        ("@a", ["a"]),
        (" @p:demo:r:1 ", ["p:demo:r:1"]),
        ("p:demo:r:1", ["p:demo:r:1"]),  # no filter parses like that
        ("point", ["a", "word", "p:demo:r:1"]),
        ("mixed", ["a"]),  # one of them has the tag his
        ("word", ["word"]),  # finds nothing as a filter
        (Ref("a"), ["a"]),
        ([Ref("word"), "@a", "p:demo:r:1", "a"], ["word", "a", "p:demo:r:1"]),
        (Point("a", "A"), ["a"]),
    ],
)
def test_points_are_ids_or_a_filter(building: OddServer, points: Any, ids: list[str]) -> None:
    assert find(building, points) == ids


def test_points_that_are_none(building: OddServer) -> None:
    with pytest.raises(UnknownRecError, match=r"2 of 3 points are not found: 'x', 'y'; of the first") as caught:
        find(building, ["x", "a", "y"])
    assert caught.value.ids == ("x", "y")
    with pytest.raises(UnknownRecError, match=r"no record has the tag 'nothing', and there is no point 'nothing'"):
        find(building, "nothing")
    with pytest.raises(MetadataError, match="no points to read"):
        find(building, [])
    with pytest.raises(MetadataError, match="is not a point"):
        find(building, 7)


def test_a_filter_that_finds_no_points(building: OddServer) -> None:
    class Sites(OddServer):
        async def read(self, filter: str, limit: int | None = None, *, raw: bool) -> Grid:
            rows = [{"id": Ref("s"), "site": MARKER}] if filter == "site" else []
            return Grid.from_rows({}, ["id", "site"], rows)

    with pytest.raises(MetadataError, match="'site' finds 1 records, none of them a point"):
        find(Sites({}, {}), "site")
    with pytest.raises(MetadataError, match="'site and point' finds no record"):
        find(Sites({}, {}), "site and point")


def test_records_are_known_by_the_id_that_was_asked_for() -> None:
    class LongIds(OddServer):
        async def read_by_ids(self, ids: Sequence[Ref], *, checked: bool, raw: bool) -> Grid:
            rows = [{"id": Ref(f"p:x:{ref.val}", "Meter"), "tz": "London"} for ref in ids]
            return Grid.from_rows({}, ["id", "tz"], rows)

    (record,) = asyncio.run(read_records(LongIds({}, {}), ["r:1"]))
    assert (record.id, record.point.dis, record.tz) == ("r:1", "Meter", "London")


def test_many_ids_are_read_in_several_requests() -> None:
    names = [str(number) for number in range(1201)]
    server = OddServer({}, dict.fromkeys(names, "UTC"))
    records = asyncio.run(read_records(server, names))
    assert [record.id for record in records] == names
    assert epoch_us(NOW) > 0
