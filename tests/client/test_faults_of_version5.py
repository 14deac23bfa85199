"""Answers of version 5 that are not as they should be: errors that are hard to read, values that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hsframe.client import Client
from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    MetadataError,
    TruncatedBodyError,
    UnknownRecError,
)
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.dialects import forget

ABOUT = b'ver:"3.0"\nserverName,protocolVersions\n"s",["4","5"]\n'


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    forget()
    yield
    forget()


def answer(
    body: str | bytes = b"", status: str | bytes = "200 OK", kind: str = "application/json", *, ends: bool = True
) -> bytes:
    """An answer in version 5; with `ends` it says where its body does."""
    body, status = (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text for text in (body, status))
    length = b"Content-Length: %d\r\n" % len(body) if ends else b""
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nXeto-Version: 5\r\n%sConnection: close\r\n\r\n"
    return head % (status, kind.encode(), length) + body


@asynccontextmanager
async def serving(whole: bytes, asked: list[str], **settings: Any) -> AsyncIterator[Client[Any]]:
    """A client in version 5 of a server that gives the same bytes to every op but about."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if length := [line for line in head.splitlines() if line.lower().startswith("content-length:")]:
            await reader.readexactly(int(length[0].partition(":")[2]))
        asked.append(head.split()[1].rpartition("/")[2])
        writer.write(answer(ABOUT, kind="text/zinc") if asked[-1] == "about" else whole)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    async with server, Client(uri, version=5, retries=0, **settings) as client:
        yield client


def given(whole: bytes, work: Callable[[Client[Any]], Awaitable[Any]], **settings: Any) -> Any:
    """What the work gives, after something was answered; its error where it fails."""

    async def main() -> Any:
        async with serving(whole, [], **settings) as client:
            await client.about()
            try:
                return await work(client)
            except HsFrameError as error:
                return error

    return asyncio.run(main())


def api_err(name: str, status: int, dis: str, trace: str = "at a", before: str = "") -> bytes:
    """An ApiErr whose words are not escaped."""
    body = f'{before}{{"spec":"sys.api::{name}","status":{status},"dis":"{dis}","errTrace":"{trace}"}}'
    return answer(body, f"{status} X")


UNREADABLE = {
    "control characters": api_err("UnknownProjErr", 404, "a\tb"),
    "byte order mark": api_err("UnknownProjErr", 404, "a", before="\ufeff"),
    "white space": api_err("UnknownProjErr", 404, "a", before="\n "),
    "long trace": api_err("UnknownProjErr", 404, "a", "x" * 1_100_000),
    "broken status line": b"HTTP/1.1 404 no\nproj\r\nContent-Type: application/json\r\nXeto-Version: 5\r\n\r\n{}",
    "text": answer("Not found", "404 X", "text/plain"),
    "nothing": answer("", "404 X", "text/plain"),
    "other JSON": answer('{"a":1}', "404 X"),
    "cut JSON": answer('{"spec":"sys.api::Unk', "404 X"),
}


@pytest.mark.parametrize("whole", UNREADABLE.values(), ids=UNREADABLE)
def test_a_404_never_means_that_nothing_was_found(whole: bytes) -> None:
    for work in (
        lambda client: client.read("site"),
        lambda client: client.read_by_ids("a", checked=False),
        lambda client: client.read_by_ids("a"),
    ):
        error = given(whole, work)
        assert isinstance(error, HTTPStatusError), error
        assert error.status == 404


DIS = {
    "control characters": ("a\tb\x01", "a\tb\x01"),
    "a character as two surrogates": ("\ud83d\ude00", "😀"),
    "half of one": ("\ud83d", "\ufffd"),
    "half of one, escaped": (r"\ud83d", "\ufffd"),
}


@pytest.mark.parametrize(("dis", "read"), DIS.values(), ids=DIS)
@pytest.mark.parametrize("before", ["", "\ufeff", "\r\n\t "])
def test_an_api_err_is_read_as_leniently_as_jeto(dis: str, read: str, before: str) -> None:
    error = given(api_err("PermissionErr", 403, dis, before=before), lambda client: client.eval("x"))
    assert isinstance(error, CallError)
    assert error.err_type == "sys.api::PermissionErr"
    assert error.dis == read
    str(error).encode()


def test_an_api_err_with_a_long_trace() -> None:
    error = given(api_err("UnknownEntityErr", 404, "@nope", "x" * 1_100_000), lambda client: client.eval("x"))
    assert isinstance(error, UnknownRecError)
    assert error.ids == ("nope",)


@pytest.mark.parametrize(
    ("status", "read"),
    [(b"500 \xed\xa0\xbd\xed\xb8\x80", "😀"), (b"500 \xed\xa0\xbd", "\ufffd"), (b"500 Gr\xfc\xdfe", "Gr\ufffd\ufffde")],
)
def test_a_status_line_in_other_bytes(status: bytes, read: str) -> None:
    error = given(answer("", status), lambda client: client.eval("x"))
    assert read in str(error)
    str(error).encode()


@pytest.mark.parametrize(
    ("whole", "is_of_op"),
    [
        (api_err("UnknownFuncErr", 404, "no such"), True),
        (api_err("UnknownProjErr", 404, "no such"), False),
        (answer("no such", "404 X", "text/plain"), True),
        (b"HTTP/1.1 404 @no\nsuch\r\nContent-Type: application/json\r\n\r\n{}", False),
    ],
)
def test_what_a_404_says_of_the_op(whole: bytes, is_of_op: bool) -> None:
    error = given(whole, lambda client: client.point_write("a", 8, Number(1)))
    assert isinstance(error, HTTPStatusError)
    assert "such" in str(error)
    assert ("has no op" in str(error)) is is_of_op


def test_words_with_empty_lines_in_the_status_line() -> None:
    """The headers follow the words as a body does."""
    head = "500 Axon\r\nHeader: x\r\n\r\nmore words"
    error = given(answer('{"dis":"x"}', head), lambda client: client.eval("x"))
    assert isinstance(error, HTTPStatusError)
    assert error.reason == "Axon: more words"


FAILED = {
    '{"spec":"sys.api::InternalErr","status":500,"dis":"so it is"}': CallError,
    '{"spec":"sys.api::UnknownEntityErr","status":404,"dis":"@so it is"}': CallError,
    '{"spec":"sys.api::AuthErr","status":403,"dis":"so it is"}': AuthError,
    '{"spec":"sys.api::TimeoutErr","status":504,"dis":"so it is"}': HTTPStatusError,
    '{"spec":"sys::Grid","meta":{"err":{"val":"✓","spec":"sys::Marker"},"dis":"so it is"},"cols":[{"name":"empty"}],'
    '"rows":[]}': CallError,
    '{"spec":"sys::Grid","meta":{"incomplete":"so it is"},"cols":[{"name":"a"}],"rows":[{"a":1}]}': IncompleteError,
}


@pytest.mark.parametrize("body", FAILED, ids=map(str, range(len(FAILED))))
def test_an_error_with_the_status_200(body: str) -> None:
    for work in (
        lambda client: client.call("readAll", filter="site"),
        lambda client: client.call("readAll", rows(filter=["site"])),
        lambda client: client.read("site"),
    ):
        error = given(answer(body), work)
        assert type(error) is FAILED[body], error
        assert "so it is" in str(error)
    error = given(answer(body), lambda client: client.openapi())
    assert type(error) is (CodecError if "Grid" in body else FAILED[body]), error  # a grid is no document
    assert "Grid" in body or "so it is" in str(error)


@pytest.mark.parametrize("body", ["5", "[]", "null", '"x"', '{"a":1}', "{", ""])
def test_openapi_is_a_document(body: str) -> None:
    assert isinstance(given(answer(body), lambda client: client.openapi()), CodecError)


def test_an_op_that_answers_with_nothing() -> None:
    assert given(answer(status="204 No Content"), lambda client: client.call("commit", a=1)) is None


@pytest.mark.parametrize("number", ["123456.75", "-1", "1e-5"])
def test_a_number_at_the_end_of_the_connection(number: str) -> None:
    async def work(client: Client[Any]) -> Any:
        return await client.call("eval", expr="x")

    assert isinstance(given(answer(number, ends=False), work), TruncatedBodyError)
    assert given(answer(number, ends=True), work) == Number(float(number))
    assert given(answer(number + "\n", ends=False), work) == Number(float(number))
    assert given(answer('"text"', ends=False), work) == "text"
    assert isinstance(given(answer('{"a":1', ends=False), work), TruncatedBodyError)


def rows(**cells: list[Any]) -> Grid:
    return Grid({}, list(cells), list(cells.values()))


LOST = {
    "pointWrite": rows(id=[Ref("a"), Ref("a")], level=[8, 9], val=[1, 2]),
    "eval": rows(expr=["1", "2"]),
    "watchPoll": Grid({"watchId": "w"}, ["a"], [[1, 2]]),
    "read": rows(filter=["site", "equip"]),
}
LOST_IN_ONE = [
    rows(id=[Ref("a")], filter=["site"]),
    rows(filter=["site"], limit=["1"]),
    Grid({"filter": "site", "limit": MARKER}, ["empty"], [[]]),
]


@pytest.mark.parametrize(("op", "request_grid"), [*LOST.items(), *(("read", grid) for grid in LOST_IN_ONE)])
def test_what_of_a_request_would_be_lost_is_refused_before(op: str, request_grid: Grid) -> None:
    async def main() -> None:
        asked: list[str] = []
        async with serving(answer(), asked) as client:
            with pytest.raises(MetadataError, match=f"^{op}"):
                await client.call(op, request_grid)
        assert not asked

    asyncio.run(main())


@pytest.mark.parametrize("limit", [1, 1.0, Number(1)])
def test_a_limit_of_any_number(limit: object) -> None:
    grid = b'ver:"3.0"\nid\n@a\n'
    got = given(answer(grid, kind="text/zinc"), lambda client: client.call("read", rows(filter=["a"], limit=[limit])))
    assert len(got) == 1


def test_arguments_that_nest_too_deep() -> None:
    deep: list[Any] = []
    for _ in range(3_000):
        deep = [deep]
    own: dict[str, Any] = {}
    own["a"] = own
    for arg in (deep, own):
        error = given(answer(), lambda client: client.call("readAll", filter="site", opts=arg))  # noqa: B023
        assert isinstance(error, CodecError)
        assert "nest more than" in str(error)


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        ('["4"]', "but 4; version='auto'"),
        ('"4"', "and names none that it does; "),
        ("[]", "and names none that it does; "),
    ],
)
def test_the_words_of_a_version_that_is_refused(allow: str, words: str) -> None:
    body = f'{{"spec":"sys.api::UnsupportedVersionErr","status":400,"dis":"no","allow":{allow}}}'
    error = given(answer(body, "400 X"), lambda client: client.eval("x"))
    assert isinstance(error, MetadataError)
    assert f"does not speak version 5 of the protocol, {words}" in str(error)
