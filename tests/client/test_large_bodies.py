"""Request bodies of some megabytes, which a write is allowed to have, over a real socket."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from hsframe.client import Client
from hsframe.errors import CodecError, NetworkError, RequestTimeoutError
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
                CodecError, match=r"read \(HTTP 500\): the answer has 2,000 bytes, and 1,000 are .*answer_bytes=2000"
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


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/zinc\r\n"
LONG = b'ver:"3.0"\na\n' + b'"a text of forty bytes, or of some more."\n' * 240_000


def asked(answer: bytes) -> int:
    """The rows of an answer that comes in pieces of 1,500 bytes, as they cross a network."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the client has seen enough
            await reader.readuntil(b"\r\n\r\n")
            for at in range(0, len(answer), 1_500):
                writer.write(answer[at : at + 1_500])
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async def main() -> int:
        async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(f"http://127.0.0.1:{port}/api/demo", auth="none", retries=0) as client:
                return len(await client.read("site", raw=True))

    return asyncio.run(main())


PACKED = zlib.compress(LONG, 0)
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (len(LONG[at : at + 999]), LONG[at : at + 999]) for at in range(0, len(LONG), 999))
BODIES = {
    "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG,
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"0\r\n\r\n",
    "packed": HEAD + b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
}


@pytest.mark.one_python
@pytest.mark.parametrize("form", BODIES)
def test_ten_megabytes_in_small_pieces(form: str) -> None:
    """Nothing looks again at what came before: the square of this would be 30 GB, far beyond the time-out."""
    assert asked(BODIES[form]) == 240_000


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"X-A: " + b"y" * 10_000_000 + b"\r\n\r\n",
        HEAD + b"X-A: " + b"y\r\n " * 300_000 + b"\r\n\r\n",
    ],
    ids=["ten megabytes", "folded"],
)
def test_a_header_that_is_too_long_is_told_as_one(answer: bytes) -> None:
    with pytest.raises(
        NetworkError, match=r"a header or the first line.* longer than the 262,144 bytes.* shortened"
    ) as caught:
        asked(answer)
    assert "yyy" not in str(caught.value)


def test_a_header_of_a_quarter_of_a_mebibyte_is_read() -> None:
    assert asked(HEAD + b"X-A: " + b"y" * 250_000 + b'\r\nContent-Length: 15\r\n\r\nver:"3.0"\na\n1\n\n') == 1


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"X secret\r\n\r\n", "Invalid header token"),
        (b"Content-Length: secret\r\n\r\n", "Content-Length"),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length"),
    ],
)
def test_what_is_wrong_with_http_is_named_and_not_shown(head: bytes, words: str) -> None:
    with pytest.raises(NetworkError, match=rf"not valid HTTP \(ClientResponseError: .*{words}") as caught:
        asked(HEAD + head)
    assert "secret" not in str(caught.value)
