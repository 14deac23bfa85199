"""Request bodies of some megabytes, which a write is allowed to have, over a real socket."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from hsframe.client import Client
from hsframe.errors import CodecError, RequestTimeoutError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.options import Limits
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


def test_an_error_that_is_too_long_names_its_status(serve: Any, fake: Any) -> None:
    async def main() -> None:
        long = web.Response(status=500, body=b"x" * 2000)
        async with (
            serve(fake(anonymous=True, answers={"read": long})) as server,
            Client(server.uri, limits=Limits(answer_bytes=1000)) as client,
        ):
            with pytest.raises(
                CodecError, match=r"read \(HTTP 500\): the answer has 2,000 bytes or more, and 1,000 are allowed"
            ):
                await client.read("site")

    asyncio.run(main())


@pytest.mark.parametrize("timeout", [0.2, "200ms", timedelta(seconds=0.2), Number(200, "ms")])
def test_a_timeout_is_a_duration_as_others(serve: Any, fake: Any, timeout: Any) -> None:
    async def main() -> None:
        async def slow(seen: Any) -> bytes:
            await asyncio.sleep(5)
            return b""

        async with (
            serve(fake(anonymous=True, answers={"read": slow})) as server,
            Client(server.uri, timeout=timeout, retries=0) as client,
        ):
            with pytest.raises(RequestTimeoutError, match=r"within 0\.2 s"):
                await client.read("site")

    asyncio.run(main())
