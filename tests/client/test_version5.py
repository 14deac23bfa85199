"""Version 5 of the protocol: every verb against the recorded answers of Haxall, over a real socket."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

import hsframe
from hsframe.client import Client
from hsframe.codecs import decode_exact, encode
from hsframe.codecs.formats import mime_of
from hsframe.diagnosis.doctor import examine
from hsframe.errors import (
    AuthError,
    CallError,
    HsFrameError,
    HTTPStatusError,
    LoginWarning,
    MetadataError,
    UnknownRecError,
)
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.dialects import forget
from hsframe.server.app import STATE
from hsframe.server.database import Database
from hsframe.testing.quirk_wrappers import VERSIONS, wrap_op
from hsframe.testing.server import running_server
from tests.client.recorded_v5 import EXCHANGES, Recorded, answer_of, bytes_of, op_of
from tests.client.versions_page import PAGE, page

Serve = Callable[..., Any]
FORMATS = pytest.mark.parametrize("format", ["zinc", "json"])
BNE = "+10:00 Brisbane"
SITE = [
    {"id": Ref("a"), "dis": "A", "site": MARKER},
    {"id": Ref("p"), "point": MARKER, "writable": MARKER, "siteRef": Ref("a"), "kind": "Number", "unit": "kW"},
]


@pytest.fixture
def ask(fake: type[Any], serve: Serve) -> Callable[..., Any]:
    """Runs work with a client of a server that has the recorded answers, and others in their place."""

    def run(work: Callable[[Client[Any]], Any], answers: dict[str, object] | None = None, **settings: Any) -> Any:
        async def main() -> Any:
            recorded = Recorded()
            server = fake(answers=dict.fromkeys(recorded.ops, recorded) | (answers or {}))
            async with serve(server):
                settings.setdefault("version", 5)
                async with Client(server.uri, "ann", "s3cret-pencil", **settings) as client:
                    client.server = server  # type: ignore[attr-defined]
                    return await work(client)

        return asyncio.run(main())

    return run


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    forget()
    yield
    forget()


@FORMATS
def test_read(ask: Any, format: str) -> None:
    async def work(client: Client[Any]) -> None:
        sites = await client.read("site")
        assert [site["id"].val for site in sites] == ["site-ny", "site-lon", "site-bne"]
        assert sites[1]["area"] == Number(1200.5, "m²")
        assert len(await client.read("point and elec", 2)) == 2
        assert await client.read("nosuchtag") == []
        assert {request.op for request in client.server.seen} == {"readAll"}

    ask(work, format=format)


@FORMATS
def test_read_by_ids(ask: Any, format: str) -> None:
    async def work(client: Client[Any]) -> None:
        both = await client.read_by_ids(["site-ny", "site-lon"])
        assert [site["dis"] for site in both] == ["New York HQ", "London Office"]
        found = await client.read_by_ids(["site-ny", "nope"], checked=False)
        assert found[0]["dis"] == "New York HQ"
        assert found[1] == {}
        if format == "zinc":  # which is recorded in it alone
            assert await client.read_by_ids("nope", checked=False) == [{}]
        with pytest.raises(UnknownRecError) as raised:
            await client.read_by_ids(["site-ny", "nope"])
        assert raised.value.ids == ("nope",)
        # An answer without rows is not asked for anew.
        assert len(client.server.seen) == (4 if format == "zinc" else 3)

    ask(work, format=format)


@FORMATS
def test_nav(ask: Any, format: str) -> None:
    async def work(client: Client[Any]) -> None:
        assert [site["dis"] for site in await client.nav()] == ["Brisbane Depot", "London Office", "New York HQ"]
        assert [equip["dis"] for equip in await client.nav(Ref("site-ny"))] == ["NY AHU-1"]
        with pytest.raises(UnknownRecError) as raised:
            await client.nav(Ref("nope"))
        assert raised.value.ids == ("nope",)
        assert {request.method for request in client.server.seen} == {"POST"}

    ask(work, format=format)


@FORMATS
def test_his_read(ask: Any, format: str) -> None:
    async def work(client: Client[Any]) -> None:
        rows = await client.his_read("p-fan", "2026-11-01")
        assert [row["val"] for row in rows[:3]] == [False, True, False]
        with pytest.raises(UnknownRecError):
            await client.his_read("nope", f"2026-11-02T00:00:00{BNE},2026-11-02T03:00:00{BNE}")

    ask(work, format=format)


def test_what_describes_a_server(ask: Any) -> None:
    async def work(client: Client[Any]) -> None:
        assert (await client.about())[0]["protocolVersions"] == ["4", "5"]
        assert "readAll" in {op["name"] for op in await client.ops()}
        assert len(await client.libs()) > 10
        mimes = {row["mime"]: row for row in await client.formats()}  # which asks for filetypes
        assert mimes["text/zinc"]["receive"]
        assert mimes["text/zinc"]["send"]
        with pytest.raises(MetadataError, match="libs takes no filter"):
            await client.libs("lib")

    no_such_op = next(one for one in EXCHANGES if op_of(one) == "formats")
    ask(work, {"formats": lambda seen: answer_of(no_such_op)})


def test_watches(ask: Any) -> None:
    async def work(client: Client[Any]) -> None:
        grid = await client.watch_sub(["p-kw", "unknown-id"], "v5 test", Number(2, "min"), raw=True)
        watch = grid.meta["watchId"]
        assert len(grid) == 2
        assert dict(grid[1]) == {}
        polled = [len(await client.watch_poll(watch)) for _ in range(3)]
        assert polled == [1, 0, 1]
        assert await client.watch_unsub(watch, "p-fan") == []
        assert await client.watch_close(watch) == []
        with pytest.raises(CallError, match=watch) as raised:
            await client.watch_poll(watch)
        assert not isinstance(raised.value, UnknownRecError)  # a watch is no record

    ask(work)


def test_points_axon_and_records(ask: Any) -> None:
    async def work(client: Client[Any]) -> None:
        assert await client.point_write("p-datsp", 8, Number(60, "°F"), "v5", Number(10, "min")) == []
        array = await client.point_write_array("p-datsp")
        assert len(array) == 17
        assert array[7]["val"] == Number(60, "°F")
        assert (await client.eval("[].toGrid")) == []
        with pytest.raises(CallError, match="Unexpected token eof") as raised:
            await client.eval("1 +")
        assert raised.value.trace.startswith("axon::SyntaxErr")
        assert raised.value.err_type == "sys.api::InternalErr"
        added = await client.call(
            "commit", Grid.from_rows({"commit": "add"}, ["dis", "tmpV5"], [{"dis": "tmp v5", "tmpV5": MARKER}])
        )
        assert added[0]["dis"] == "tmp v5"

    ask(work)


WHOLE = ("nav", "hisRead", "hisWrite", "watchSub", "watchUnsub", "commit", "pointWrite", "eval")
SENT = [
    exchange
    for exchange in EXCHANGES
    if exchange["file"].endswith((".zinc", ".hayson")) and exchange["method"] == "POST" and op_of(exchange) in WHOLE
]


@FORMATS
def test_the_grids_of_version_4_are_those_of_5(ask: Any, format: str) -> None:
    """Each request that was recorded as a grid: what comes is what was recorded, or the error that it means."""
    ending = {"zinc": ".zinc", "json": ".hayson"}[format]
    sent = [
        one
        for one in SENT
        if one["file"].endswith(ending)
        and all(
            one["request_headers"].get(name, "").startswith(mime_of(format).partition(";")[0])
            for name in ("accept", "content-type")
        )
    ]
    assert len(sent) > 30

    async def work(client: Client[Any]) -> int:
        failed = 0
        for exchange in sent:
            request = decode_exact(bytes_of(exchange["request"]), exchange["request_headers"]["content-type"])
            try:
                answer = await client.call(op_of(exchange), request)
            except CallError as error:
                failed += 1
                assert exchange["status"] != 200, (exchange["name"], error)  # noqa: PT017 - of many
            else:
                if exchange["status"] == 200:  # equal requests may have had other answers
                    assert answer.col_names == decode_exact(bytes_of(exchange["body"]), format).col_names
        assert not [seen.op for seen in client.server.seen if seen.headers["Xeto-Version"] != "5"]
        return failed

    assert ask(work, format=format) > 5 or format == "json"  # faults were recorded with Zinc


# What each ApiErr of a recorded answer is, whatever its status is.
ERRORS = {
    "AuthErr": AuthError,
    "UnknownEntityErr": CallError,
    "InvalidArgsErr": CallError,
    "InternalErr": CallError,
    "UnsupportedVersionErr": MetadataError,
}
FAULTS = {
    (op_of(one), one["status"], json.loads(bytes_of(one["body"]))["spec"].partition("::")[2]): one
    for one in EXCHANGES
    if one["status"] >= 400 and one["headers"].get("content-type") == "application/json"
}


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=map(str, FAULTS))
def test_an_api_err_is_known_by_its_spec(ask: Any, fault: dict[str, Any], version: int) -> None:
    name = json.loads(bytes_of(fault["body"]))["spec"].partition("::")[2]

    async def work(client: Client[Any]) -> None:
        with pytest.raises(ERRORS.get(name, HTTPStatusError)) as raised:
            await client.call("op", Grid.from_rows({}, ["a"], [{"a": 1}]))
        asked = [seen for seen in client.server.seen if seen.op == "op"]
        assert len(asked) == (2 if name == "AuthErr" else 1)
        assert client.server.logins == len(asked)
        if isinstance(raised.value, HTTPStatusError):
            assert raised.value.status == fault["status"]
        if isinstance(raised.value, MetadataError):
            assert "but 4 and 5" in str(raised.value)

    ask(work, {"op": lambda seen: answer_of(fault)}, version=version, retries=0)


def test_any_op_by_its_arguments(ask: Any) -> None:
    async def work(client: Client[Any]) -> None:
        site = await client.call("readById", id=Ref("site-ny"))
        assert site["area"] == Number(10000, "ft²")
        assert await client.call("readById", id=Ref("nope"), checked=False) is None
        found = await client.call("readAll", filter="point and elec", opts={"limit": 2})
        assert isinstance(found, Grid)
        assert len(found) == 2
        kinds = await client.call("readById", id=Ref("kinds"))
        assert isinstance(kinds["xstrFoo"], str), "the server has no spec for it"
        # What looks like a box, and tags whose spec is that of a dict: each value says its type.
        assert await client.call("eval", expr='{val:"x", spec:@sys::Str}') == {"val": "x", "spec": Ref("sys::Str")}
        assert (await client.call("eval", expr="{spec:@ph::Site, site}"))["site"] is MARKER
        assert await client.call("eval", expr='[1, "two", [3kW], null]') == [Number(1), "two", [Number(3, "kW")], None]
        with pytest.raises(UnknownRecError) as raised:
            await client.call("readById", id=Ref("nope"))
        assert raised.value.ids == ("nope",)
        with pytest.raises(MetadataError, match="not both"):
            await client.call("eval", Grid(), expr="1")  # type: ignore[call-overload]

    ask(work)


@pytest.mark.version4
def test_any_op_by_its_arguments_in_version_4() -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo") as session:
        sites = session.call("read", filter="site", limit=1)
        assert isinstance(sites, Grid)
        assert len(sites) == 1


@pytest.mark.parametrize("version", [4, 5])
def test_openapi(ask: Any, version: int) -> None:
    document = {"openapi": "3.1.0", "paths": {"/api/about": {"get": {"spec": "sys::Ref", "val": "x"}}}}

    async def work(client: Client[Any]) -> None:
        assert await client.openapi() == document
        assert client.server.seen[0].method == "GET"
        assert client.server.seen[0].headers["Xeto-Version"] == "5"

    ask(work, {"openapi": lambda seen: web.json_response(document)}, version=version)
    ask(work, {"openapi": lambda seen: web.json_response(document)}, version=version, format="json")


def api_err(name: str, status: int, **more: object) -> web.Response:
    return web.json_response({"spec": f"sys.api::{name}", "status": status, "dis": "so it is", **more}, status=status)


def grid_of(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="text/zinc", headers={"Xeto-Version": "5"})


def only_5(recorded: Recorded) -> Callable[[Any], web.Response]:
    """A server that speaks version 5 alone."""

    def answer(seen: Any) -> web.Response:
        if seen.headers.get("Xeto-Version") != "5":
            return api_err("UnsupportedVersionErr", 400, allow=["5"])
        return recorded(seen)

    return answer


def test_auto_speaks_5_where_it_must_and_remembers_it(ask: Any) -> None:
    recorded = Recorded()

    async def work(client: Client[Any]) -> None:
        server = client.server
        assert len(await client.read("site")) == 3
        assert [seen.op for seen in server.seen] == ["read", "readAll"]
        assert len(await client.nav()) == 3
        async with Client(server.uri, "ann", "s3cret-pencil") as other:
            assert (await other.about())[0]["whoami"] == "su"
        assert [seen.op for seen in server.seen if seen.op != "close"] == ["read", "readAll", "nav", "about"]
        assert server.logins == 2

    ask(work, dict.fromkeys(recorded.ops | {"read"}, only_5(recorded)), version="auto")


def test_auto_speaks_5_where_about_does_not_name_4(ask: Any) -> None:
    about = b'ver:"3.0"\nserverName,protocolVersions\n"s",["5"]\n'

    async def work(client: Client[Any]) -> None:
        await client.about()
        assert len(await client.read("site")) == 3

    ask(work, {"about": about}, version="auto")


@pytest.mark.parametrize(("version", "allow"), [(4, ["5"]), (5, ["4"])])
def test_a_version_that_the_server_has_not(ask: Any, version: int, allow: list[str]) -> None:
    async def work(client: Client[Any]) -> None:
        with pytest.raises(MetadataError, match=f"does not speak version {version} of the protocol, but {allow[0]}"):
            await client.eval("1")

    ask(work, {"eval": lambda seen: api_err("UnsupportedVersionErr", 400, allow=allow)}, version=version)


def test_version_5_of_a_server_that_does_not_know_of_versions() -> None:
    with (
        running_server(quirks=["no-versions"]) as server,
        hsframe.connect(server.uri, "demo", "demo", version=5) as session,
    ):
        for verb in (session.about, lambda: session.read("site"), lambda: session.his_read("power", "yesterday")):
            with pytest.raises(MetadataError, match=r"does not speak version 5 .* version=.auto."):
                verb()
    for wrong, found in ((6, "the int 6"), ("5", "the str '5'")):
        with pytest.raises(MetadataError, match=f"version must be one of 'auto', 4, 5, .*found {found}"):
            hsframe.connect(server.uri, "demo", "demo", version=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["auto", 5])
@pytest.mark.parametrize("options", [{"scheme": "basic"}, {"scheme": "plaintext"}, {"users": {}}])
def test_a_login_at_a_server_that_speaks_5_alone(options: dict[str, Any], version: Any) -> None:
    """A login has no version: where it is a request of an op, the version is refused, and not the password."""
    with running_server(Database(SITE), quirks=["only-5"], **options) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", LoginWarning)  # where the server wants none
        with hsframe.connect(server.uri, "demo", "demo", version=version) as session:
            assert session.read("site")["dis"].tolist() == ["A"]
        if options != {"users": {}}:
            with hsframe.connect(server.uri, "demo", "wrong", version=version) as session:
                for _ in range(2):
                    with pytest.raises(AuthError) as raised:
                        session.read("site")
                    assert raised.value.refused


@pytest.mark.parametrize(("before", "after"), [("only-5", "only-4"), ("only-5", "no-versions"), ("only-4", "only-5")])
def test_a_server_that_was_replaced_by_one_of_another_version(before: str, after: str) -> None:
    """What was remembered of the address is found to be wrong by the first request, whichever it is."""
    writes = [0]

    def write(call: Any, run: Any) -> Grid:
        writes[0] += "level" in call.one_row()
        return run(call)  # type: ignore[no-any-return]

    verbs: list[Callable[[hsframe.Session], Any]] = [
        lambda s: s.read("site")["dis"].tolist() == ["A"],
        lambda s: len(s.read_by_ids("a")) == 1,
        lambda s: s.about()["productName"].item() == "hsframe",
        lambda s: len(s.nav()) == 1,
        lambda s: s.run(lambda c: c.point_write("p", 8, Number(1, "kW"))) is not None,
        lambda s: s.run(lambda c: c.watch_sub(["a"], "w")) is not None,
    ]
    with running_server(Database(SITE), quirks=[before]) as server:
        wrap_op(server.app, "pointWrite", write)
        for number, verb in enumerate(verbs, 1):
            server.app[STATE].versions = VERSIONS[before]
            with hsframe.connect(server.uri, "demo", "demo") as session:
                session.about()
                server.app[STATE].versions = VERSIONS[after]
                assert verb(session), number
            with hsframe.connect(server.uri, "demo", "demo") as session:
                assert len(session.read("point")) == 1
    assert writes == [1], "what an older server has run is not run again"


def test_json_that_a_server_does_not_write_is_asked_for_once(ask: Any) -> None:
    async def work(client: Client[Any]) -> None:
        with pytest.raises(HTTPStatusError, match="another format="):
            await client.about()
        assert len(client.server.seen) == 1

    ask(work, {"about": lambda seen: web.Response(status=406)}, format="json")


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize(
    ("name", "status", "op"),
    [
        ("RateLimitErr", 429, "eval"),
        ("RateLimitErr", 400, "eval"),
        # It may have run already, so it is sent again only where that does no harm.
        ("UnavailableErr", 503, "hisRead"),
    ],
)
def test_a_busy_server_is_waited_for(ask: Any, name: str, status: int, op: str, version: int) -> None:
    async def work(client: Client[Any]) -> None:
        assert len(await client.call(op, Grid.from_rows({}, ["a"], [{"a": 1}]))) == 1
        assert len(client.server.seen) == 2

    ask(
        work,
        {op: [lambda seen: api_err(name, status, retryAfter="0.01sec"), lambda seen: grid_of(b'ver:"3.0"\nval\n1\n')]},
        version=version,
    )


@pytest.mark.parametrize("name", ["InternalErr", "InvalidArgsErr"])
def test_what_the_op_has_failed_at_is_sent_once(ask: Any, name: str) -> None:
    async def work(client: Client[Any]) -> None:
        with pytest.raises(CallError, match="so it is") as raised:
            await client.his_read("a", "today")
        assert raised.value.trace == "at a"
        assert len(client.server.seen) == 1

    for status in (400, 503):
        ask(work, {"hisRead": lambda seen: api_err(name, status, errTrace="at a")}, format="json")  # noqa: B023


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("status", [401, 403])
def test_a_right_that_is_missing_is_no_lost_login(ask: Any, status: int, version: int) -> None:
    async def work(client: Client[Any]) -> None:
        for _ in range(2):
            with pytest.raises(CallError, match="PermissionErr"):
                await client.eval("1")
        assert client.server.logins == 1
        assert len(client.server.seen) == 2
        await client.call("commit")

    ok = b'ver:"3.0"\nempty\n'
    answers = {"eval": lambda seen: api_err("PermissionErr", status), "commit": lambda seen: grid_of(ok)}
    ask(work, answers, version=version)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_lost_login_is_made_anew_once(ask: Any, status: int) -> None:
    async def work(client: Client[Any]) -> None:
        assert len(await client.read("site")) == 3
        assert client.server.logins == 2

    ask(work, {"readAll": [lambda seen: api_err("AuthErr", status), Recorded()]})


@pytest.mark.parametrize("status", [400, 403])
def test_a_token_that_is_refused_and_one_that_lacks_a_right(fake: type[Any], serve: Serve, status: int) -> None:
    async def main(name: str, kind: type[HsFrameError], asked: list[str]) -> Any:
        server = fake(anonymous=True, answers=dict.fromkeys(("about", "eval"), lambda seen: api_err(name, status)))
        async with serve(server), Client(server.uri, token="t0ken-1234", version=5) as client:
            for _ in range(2):
                with pytest.raises(kind) as raised:
                    await client.eval("1")
        assert [seen.op for seen in server.seen] == asked
        return raised.value

    assert asyncio.run(main("AuthErr", AuthError, ["eval", "about"])).refused
    asyncio.run(main("PermissionErr", CallError, ["eval", "eval"]))


@pytest.mark.parametrize("words", ["first line\nsecond line", "日本 é 😀\n\nkey: value"])
def test_a_status_line_that_is_broken_in_two(words: str) -> None:
    """The server repeats the words of an error there, unescaped; the body cannot be read then."""

    async def main() -> HTTPStatusError:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 500 Internal error: {words}\r\nXeto-Version: 5\r\n".encode())
            writer.write(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api", version=5) as client:
            with pytest.raises(HTTPStatusError) as raised:
                await client.eval("throw")
        return raised.value

    error = asyncio.run(main())
    assert error.status == 500
    assert error.reason.startswith(f"Internal error: {words.partition(chr(10))[0]}")


def test_the_doctor_names_the_versions(ask: Any) -> None:
    async def work(client: Client[Any]) -> None:
        df = (await examine(client)).set_index("question")
        assert df.loc["protocol", "answer"] == "4 and 5; version 5 is used"
        assert "readAll" in df.loc["ops", "answer"]

    ask(work)


@pytest.mark.one_python
def test_the_page_of_versions_says_what_is_sent() -> None:
    text = PAGE.read_text("utf-8")
    assert text == page(text), "run: python -m tests.client.versions_page"


def tree(by_ref: bool) -> Callable[[Any], web.Response]:
    """The op nav over three levels: by Refs, where any other navId is taken for none, or by texts alone."""

    def nav(seen: Any) -> web.Response:
        request = decode_exact(seen.body, "zinc") if seen.body else Grid()
        asked = request[0].get("navId") if len(request) else None
        depth = {"a": 1, "a/b": 2}.get(asked.val.replace("-", "/") if isinstance(asked, Ref) else asked or "", 0)
        if isinstance(asked, Ref) is not by_ref:
            depth = 0
        name = ["a", "a-b" if by_ref else "a/b", None][depth]
        node = None if name is None else Ref(name) if by_ref else name
        body = encode(Grid({}, ["id", "dis", "navId"], [[Ref(f"r{depth}")], [f"Level {depth}"], [node]]), "zinc")
        version = {"Xeto-Version": "5"} if "Xeto-Version" in seen.headers else {}
        return web.Response(body=body, content_type="text/zinc", headers=version)

    return nav


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("by_ref", [True, False])
def test_nav_goes_down_by_the_texts_of_its_frames(fake: type[Any], serve: Serve, version: Any, by_ref: bool) -> None:
    """The frames have the ids of Refs as texts; a Str would be the root there, at Haxall too."""

    async def main() -> None:
        server = fake(anonymous=True, answers={"nav": tree(by_ref)})
        async with (
            serve(server),
            hsframe.AsyncSession(server.uri, auth="none", version=version) as session,
        ):
            levels, node = [], None
            for _ in range(3):
                df = await session.nav(node)
                levels += df["dis"].tolist()
                node = df["navId"].iloc[0] if "navId" in df else None
            assert levels == ["Level 0", "Level 1", "Level 2"]
            assert len(server.seen) == 3
            forget(server.uri)  # another process has the frame: the root shows what a navId is
        async with serve(server), Client(server.uri, version=version) as client:
            assert [row["dis"] for row in await client.nav("a")] == ["Level 1"]
            assert [row["dis"] for row in await client.nav("@a" if by_ref else "a")] == ["Level 1"]

    asyncio.run(main())
