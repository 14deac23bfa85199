"""Request bodies of some megabytes, which a write is allowed to have, over a real socket."""

from __future__ import annotations

import asyncio

import pytest

from hsframe.client import Client
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.protocol.request_grids import read_request
from hsframe.server.database import Database
from hsframe.testing.server import running_server


@pytest.mark.parametrize("size", [100, 1 << 18, (1 << 21) + 1])
def test_a_long_request_is_sent_without_a_warning(size: int) -> None:
    request = read_request("site")
    request = Grid({"padding": "x" * size}, request.cols, request.columns)

    async def read(uri: str) -> Grid:
        async with Client(uri, "demo", "demo") as client:
            return await client.call("read", request)

    with running_server(Database([{"id": Ref("hq"), "site": MARKER}])) as server:
        assert [row["id"] for row in asyncio.run(read(server.uri))] == [Ref("hq")]
