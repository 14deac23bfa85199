"""Answers as bytes on the wire, cut at every place: all of an answer or an error, and a read asks again."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import pytest

import hsframe
from hsframe.client import Client
from hsframe.codecs import encode
from hsframe.errors import CallError, CodecError, HTTPStatusError, MetadataError, NetworkError, TruncatedBodyError
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.options import Limits
from hsframe.protocol.dialects import forget

ROWS = 5
BODY = b'ver:"3.0"\nts,val\n' + b"".join(
    b"2026-01-01T%02d:%02d:00Z UTC,%dkW\n" % (row // 4, row % 4 * 15, 100 + row) for row in range(ROWS)
)
LAST = Number(100 + ROWS - 1, "kW")
EMPTY = b'ver:"3.0"\nempty\n'


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {"gzip": gzip.compress(BODY), "deflate": zlib.compress(BODY), "raw deflate": raw_deflate(BODY)}
CODING = {"gzip": "gzip", "deflate": "deflate", "raw deflate": "deflate"}


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: text/zinc", "Connection: close", *lines, "", ""]).encode()


def chunked(body: bytes) -> bytes:
    sizes = [body[at : at + 100] for at in range(0, len(body), 100)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in sizes) + b"0\r\n\r\n"


def framed(body: bytes, *lines: str) -> bytes:
    return head(f"Content-Length: {len(body)}", *lines) + body


# By the place of the cut: what is on the wire, and how many places there are.
CUTS: dict[str, tuple[Callable[[int], bytes], int]] = {
    **{
        f"{name}, well framed": (
            lambda cut, name=name: framed(PACKED[name][:cut], f"Content-Encoding: {CODING[name]}"),
            len(packed),
        )
        for name, packed in PACKED.items()
    },
    **{
        f"{name}, chunked": (
            lambda cut, name=name: (
                head(f"Content-Encoding: {CODING[name]}", "Transfer-Encoding: chunked") + chunked(PACKED[name][:cut])
            ),
            len(packed),
        )
        for name, packed in PACKED.items()
    },
    **{
        f"{name}, to the end of the connection": (
            lambda cut, name=name: head(f"Content-Encoding: {CODING[name]}") + PACKED[name][:cut],
            len(packed),
        )
        for name, packed in PACKED.items()
    },
    "Content-Length": (lambda cut: head(f"Content-Length: {len(BODY)}") + BODY[:cut], len(BODY)),
    "chunks": (
        lambda cut: head("Transfer-Encoding: chunked") + chunked(BODY)[:cut],
        len(chunked(BODY)) - 4,  # the last four bytes follow the end
    ),
}


@asynccontextmanager
async def wire(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers each request by bytes, then closes the connection; the uri, and the requests."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if length := re.search(rb"Content-Length: (\d+)", request):
                request += await reader.readexactly(int(length[1]))
            seen.append(request)
            writer.write(answer(request))
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        forget(uri)
        yield uri, seen
    finally:
        server.close()
        await server.wait_closed()


def by_place(make: Callable[[int], bytes]) -> Callable[[bytes], bytes]:
    """Cuts at the place that the id in the request tells; records are not there."""

    def answer(request: bytes) -> bytes:
        place = re.search(rb"@c(\d+)", request)
        return framed(EMPTY) if place is None or b"/read " in request else make(int(place[1]))

    return answer


@pytest.mark.parametrize("how", CUTS)
def test_a_cut_at_any_place_is_an_error(how: str) -> None:
    make, size = CUTS[how]

    async def main() -> None:
        async with wire(by_place(make)) as (uri, seen), Client(uri) as client:
            reads = (client.his_read(f"c{cut}", "2026-01-01") for cut in range(size))
            errors = await asyncio.gather(*reads, return_exceptions=True)
            assert {type(error) for error in errors} == {TruncatedBodyError}
            assert all(f"hisRead at {uri}/hisRead: " in str(error) for error in errors)
            assert len(seen) > size, "a read asks again"
            rows = await client.his_read("c99999", "2026-01-01")
            assert (len(rows), rows[-1]["val"]) == (ROWS, LAST)

    asyncio.run(main())


@pytest.mark.parametrize("how", CUTS)
def test_a_cut_stream_never_ends_as_if_it_were_whole(how: str) -> None:
    make, size = CUTS[how]

    async def rows(client: Client, cut: int) -> int:
        return sum([batch.num_rows async for batch in client.his_stream(f"c{cut}", "2026-01-01")])

    async def main() -> None:
        async with wire(by_place(make)) as (uri, _), Client(uri) as client:
            places = {*range(0, size, 3), size - 1}  # any other read is cut at each
            errors = await asyncio.gather(*(rows(client, cut) for cut in places), return_exceptions=True)
            assert {type(error) for error in errors} == {TruncatedBodyError}
            assert await rows(client, 99999) == ROWS

    asyncio.run(main())


def test_a_cut_answer_is_asked_for_again_and_the_next_one_taken() -> None:
    async def main() -> None:
        packed, tries = PACKED["gzip"], count()
        answer = lambda _: framed(packed[: -5 if next(tries) == 0 else None], "Content-Encoding: gzip")  # noqa: E731
        async with wire(answer) as (uri, seen), Client(uri) as client:
            assert len(await client.his_read("a", "2026-01-01")) == ROWS
            assert len(seen) == 2
            assert all(b"Accept-Encoding: gzip, deflate\r\n" in request for request in seen)

    asyncio.run(main())


def test_an_op_with_side_effects_is_not_repeated_after_a_cut() -> None:
    async def main() -> None:
        async with wire(lambda _: framed(PACKED["gzip"][:-1], "Content-Encoding: gzip")) as (uri, seen):
            async with Client(uri) as client:
                with pytest.raises(TruncatedBodyError, match="has no end"):
                    await client.invoke_action("a", "reset")
            assert len(seen) == 1

    asyncio.run(main())


# -- answers that end with the connection ------------------------------------------------------------------------------


def test_zinc_that_ends_with_the_connection_ends_its_last_line() -> None:
    """No other sign shows that it is whole: 'kW' may have been 'kWh', and 12 may have been 123."""

    async def main() -> None:
        async with wire(by_place(lambda cut: head() + BODY[:cut])) as (uri, seen), Client(uri) as client:
            assert len(await client.his_read("c99999", "2026-01-01")) == ROWS
            cuts = [cut for cut in range(10, len(BODY)) if BODY[cut - 1 : cut] != b"\n"]
            reads = (client.his_read(f"c{cut}", "2026-01-01") for cut in cuts)
            errors = await asyncio.gather(*reads, return_exceptions=True)
            assert {type(error) for error in errors} == {TruncatedBodyError}
            assert len(seen) > len(cuts) + 1, "a read asks again"
            for cut in (cuts[20], cuts[-1]):
                with pytest.raises(TruncatedBodyError, match="ends with the connection"):
                    [batch async for batch in client.his_stream(f"c{cut}", "2026-01-01")]

    asyncio.run(main())


def answers_without_a_line_end(first: bytes) -> Callable[[bytes], bytes]:
    tries = count()
    return lambda _: first if next(tries) == 0 else head() + BODY[:-1]


@pytest.mark.parametrize(
    "first",
    [
        framed(EMPTY[:-1]),
        framed(gzip.compress(EMPTY[:-1], mtime=0), "Content-Encoding: gzip"),
        head("Transfer-Encoding: chunked") + chunked(EMPTY[:-1]),
    ],
)
def test_a_server_that_writes_no_last_line_end(first: bytes) -> None:
    """An answer that was whole for sure has shown it."""

    async def main() -> None:
        async with wire(answers_without_a_line_end(first)) as (uri, seen), Client(uri) as client:
            await client.read("site")
            assert client.dialect.line_end is False
            rows = await client.his_read("a", "2026-01-01")
            assert (len(rows), rows[-1]["val"]) == (ROWS, LAST)
            assert sum([batch.num_rows async for batch in client.his_stream("a", "2026-01-01")]) == ROWS
            assert sum(b"hisRead " in request for request in seen) == 2

    asyncio.run(main())


@pytest.mark.parametrize("streamed", [False, True])
def test_the_first_answer_without_a_line_end_is_refused(streamed: bool) -> None:
    """A repeat within the same call proves nothing: what is cut at the same place every time is cut again."""

    async def main() -> None:
        async with wire(lambda _: head() + BODY[:-1]) as (uri, _), Client(uri) as client:
            client._facts[hsframe.Ref("a")] = hsframe.client.streams.PointFacts(None, None, None)

            async def rows() -> int:
                if streamed:
                    return sum([batch.num_rows async for batch in client.his_stream("a", "2026-01-01")])
                return len(await client.his_read("a", "2026-01-01"))

            with pytest.raises(TruncatedBodyError, match=r"ends with the connection.*ask again"):
                await rows()
            assert await rows() == ROWS

    asyncio.run(main())


def test_json_that_ends_with_the_connection_is_asked_for_again() -> None:
    whole = encode(Grid({}, ["n"], [[1, 2, 3]]), "json")

    async def main() -> None:
        tries = count()
        answer = lambda _: head() + whole[: -1 if next(tries) == 0 else None]  # noqa: E731
        async with wire(answer) as (uri, seen), Client(uri, format="json") as client:
            assert len(await client.read("site")) == 3
            assert len(seen) == 2

    asyncio.run(main())


# -- what HTTP says ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["206 Partial Content", "204 No Content"])
@pytest.mark.parametrize("op", ["hisRead", "read", "about"])
def test_a_part_is_not_the_whole_and_nothing_is_no_history(status: str, op: str) -> None:
    async def main() -> None:
        body = b"" if status.startswith("204") else BODY
        answer = head(f"Content-Length: {len(body)}", status=status) + body
        async with wire(lambda _: answer) as (uri, _), Client(uri) as client:
            with pytest.raises(HTTPStatusError, match=f"{op} at .*HTTP {status[:3]}") as caught:
                await client.call(op)
            assert caught.value.status == int(status[:3])
            if op == "hisRead":
                with pytest.raises(HTTPStatusError, match=f"HTTP {status[:3]}"):
                    [batch async for batch in client.his_stream("a", "2026-01-01")]

    asyncio.run(main())


def test_nothing_is_an_answer_to_a_write() -> None:
    async def main() -> None:
        async with wire(lambda _: head(status="204 No Content")) as (uri, _), Client(uri) as client:
            assert len(await client.call("hisWrite")) == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("400 Bad Request", "could not read the request"),
        ("403 Forbidden", "this user may not do that"),
        ("500 Internal Server Error", "its log says more"),
        ("503 Service Unavailable", "not available now"),
        ("418 I'm a teapot", None),
    ],
)
@pytest.mark.parametrize("op", ["hisRead", "eval", "evalAll"])
def test_the_status_of_an_error_grid_is_named(status: str, advice: str | None, op: str) -> None:
    grid = b'ver:"3.0" err dis:"boom"\nempty\n'

    async def main() -> None:
        answer = head(f"Content-Length: {len(grid)}", status=status) + grid
        async with wire(lambda _: answer) as (uri, _), Client(uri) as client:
            with pytest.raises(
                CallError, match=rf"boom \(HTTP {status[:3]}{f': .*{advice}' if advice else ''}"
            ) as caught:
                await (client.eval_all(["1", "2"]) if op == "evalAll" else client.call(op))
            assert caught.value.dis == "boom"
            if op == "hisRead":
                with pytest.raises(CallError, match=rf"boom \(HTTP {status[:3]}"):
                    [batch async for batch in client.his_stream("a", "2026-01-01")]

    asyncio.run(main())


def test_long_headers_are_read() -> None:
    async def main() -> None:
        lines = (f"Set-Cookie: session={'x' * 60_000}", f"Content-Security-Policy: {'y' * 20_000}")
        async with wire(lambda _: framed(BODY, *lines)) as (uri, _), Client(uri) as client:
            assert len(await client.his_read("a", "2026-01-01")) == ROWS

    asyncio.run(main())


BAD_HEADS = {
    "a control character": head("Set-Cookie: TOP\0SECRET"),
    "a name that is none": head("Set-Coo\1kie: TOPSECRET"),
    "a length that is none": head("Content-Length: TOPSECRET"),
    "too long": head(f"Set-Cookie: TOPSECRET{'x' * (2 << 20)}"),
    "a status that is none": head(status="TOPSECRET"),
    **{f"cut {cut}": head("Set-Cookie: TOPSECRET; Path=/")[:cut] for cut in range(1, 90, 7)},
}


@pytest.mark.parametrize("how", BAD_HEADS)
def test_no_header_is_in_a_message(how: str) -> None:
    async def main() -> None:
        async with wire(lambda _: BAD_HEADS[how]) as (uri, _), Client(uri) as client:
            with pytest.raises(NetworkError, match=r"not valid HTTP|connection broke|is longer than") as caught:
                await client.call("eval")
            assert "SECRET" not in str(caught.value)

    asyncio.run(main())


# -- limits ------------------------------------------------------------------------------------------------------------


@contextmanager
def refused(most: int) -> Iterator[None]:
    with pytest.raises(
        CodecError, match=rf"hisRead at .*: the answer has [0-9,]+ bytes.* {most:,} are allowed.*answer_bytes"
    ):
        yield


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
def test_a_limit_of_the_bytes_of_an_answer(coding: str) -> None:
    packed = PACKED.get(coding, BODY)

    async def main() -> None:
        answer = by_place(lambda _: framed(packed, *([f"Content-Encoding: {coding}"] if coding else [])))
        async with wire(answer) as (uri, seen):
            for most in (len(BODY), len(BODY) - 1):
                async with Client(uri, limits=Limits(answer_bytes=most)) as client:
                    if most == len(BODY):
                        assert len(await client.his_read("c1", "2026-01-01")) == ROWS
                        continue
                    seen.clear()
                    with refused(most):
                        await client.his_read("c1", "2026-01-01")
                    assert len(seen) == 1, "the same would come again"
                    with refused(most):
                        [batch async for batch in client.his_stream("c1", "2026-01-01")]
            settings: dict[str, Any] = {"limits": Limits(answer_bytes=len(BODY) - 1)}
            async with hsframe.AsyncSession(uri, **settings) as s:
                with refused(len(BODY) - 1):
                    await s.client.his_read("c1", "2026-01-01")

    asyncio.run(main())


def test_a_limit_is_of_what_is_unpacked() -> None:
    """What is short is longer when it is packed."""

    async def main() -> None:
        answer, limits = framed(gzip.compress(EMPTY), "Content-Encoding: gzip"), Limits(answer_bytes=len(EMPTY))
        async with wire(lambda _: answer) as (uri, _), Client(uri, limits=limits) as client:
            assert await client.read("site") == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "limit"), [(BODY, "cells"), (b'ver:"3.0"\na\n[[1]]\n', "nesting"), (BODY + b"x y", "")]
)
def test_where_a_first_answer_is_too_large_the_uri_is_right(body: bytes, limit: str) -> None:
    async def main() -> None:
        limits = Limits(cells=2 * ROWS - 1, nesting=1) if limit else Limits()
        async with wire(lambda _: framed(body)) as (uri, _), Client(uri, limits=limits, auth="none") as client:
            with pytest.raises(CodecError) as caught:
                await client.call("read")
            assert caught.value.limit == limit
            assert ("a Haystack uri ends in" in str(caught.value)) == (not limit)

    asyncio.run(main())


def test_a_long_answer_is_refused_before_it_comes() -> None:
    async def main() -> None:
        async with wire(lambda _: head("Content-Length: 9999999999")) as (uri, _), Client(uri) as client:
            with refused(1 << 30):
                await client.his_read("a", "2026-01-01")

    asyncio.run(main())


def test_decode_has_the_same_limit() -> None:
    assert len(hsframe.decode(BODY, "zinc", limits=Limits(answer_bytes=len(BODY)))) == ROWS
    with pytest.raises(CodecError, match=rf"has {len(BODY)} bytes, .*hsframe\.Limits\(answer_bytes={len(BODY)}\)"):
        hsframe.decode(BODY, "zinc", limits=hsframe.Limits(answer_bytes=len(BODY) - 1))


@pytest.mark.parametrize("count", [0, -1, 1.5, "1", True, None])
def test_a_limit_is_a_count(count: Any) -> None:
    with pytest.raises(MetadataError, match="answer_bytes must be a whole number above 0; got"):
        Limits(answer_bytes=count)


@pytest.mark.parametrize("make", [hsframe.connect, hsframe.AsyncSession, Client])
def test_limits_are_limits(make: Any) -> None:
    with pytest.raises(MetadataError, match=r"limits must be hsframe.Limits\(...\); got the type int"):
        make("http://127.0.0.1:9/api", limits=5)
