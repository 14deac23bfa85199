"""Every op of the client's guide against the embedded server, in each format, over a real socket."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hsframe.client import Client
from hsframe.errors import AuthError, CallError, IncompleteError, MetadataError, UnknownRecError, ZoneError
from hsframe.grid import Grid, GridBuilder
from hsframe.kinds import MARKER, NA, Number, Ref
from hsframe.protocol.request_grids import OPS
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

SITE, TEMP, FLOW, RUN, SP, LONDON = (Ref(name) for name in ("site", "temp", "flow", "run", "sp", "london"))
FORMATS = ("zinc", "json", "json3")


def new_database() -> Database:
    point = {"point": MARKER, "his": MARKER, "siteRef": SITE, "kind": "Number", "tz": "New_York"}
    database = Database(
        [
            {"id": SITE, "dis": "Head Office", "site": MARKER, "tz": "New_York", "area": Number(1000, "m²")},
            {"id": TEMP, "dis": "Temp", "unit": "°F", "sensor": MARKER, **point},
            {"id": FLOW, "dis": "Flow", "unit": "L/s", "sensor": MARKER, **point},
            {"id": RUN, "dis": "Run", **point, "kind": "Bool"},
            {"id": SP, "dis": "Setpoint", "unit": "°F", "writable": MARKER, **point},
            {"id": LONDON, "dis": "London", "unit": "°C", **point, "tz": "London"},
        ]
    )

    def reset(db: Database, rec: Mapping[str, Any], args: Mapping[str, Any]) -> Grid:
        return Grid.from_rows({}, ["of", "duration"], [{"of": rec["id"], "duration": args.get("duration")}])

    database.actions["reset"] = reset
    return database


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(new_database()) as running:
        yield running


def run(server: RunningServer, work: Any, **options: Any) -> Any:
    async def main() -> Any:
        async with Client(server.uri, server.user, server.password, **options) as client:
            return await work(client)

    return asyncio.run(main())


every_format = pytest.mark.parametrize("format", FORMATS)


@pytest.mark.version4
@every_format
def test_about_ops_formats_defs(server: RunningServer, format: str) -> None:
    async def work(c: Client) -> None:
        (about,) = await c.about()
        assert about["tz"] == "UTC"
        assert isinstance(about["serverTime"], datetime)
        assert about["productName"]
        ops = await c.ops()
        names = {str(row.get("name", row.get("def", ""))).removeprefix("op:") for row in ops}
        assert {"about", "read", "hisRead", "hisWrite"} <= names
        assert any("text/zinc" in row.values() for row in await c.formats())
        assert await c.filetypes()
        assert isinstance(await c.defs("marker", limit=2), list)
        assert isinstance(await c.libs(raw=True), Grid)

    run(server, work, format=format)


@every_format
def test_read(server: RunningServer, format: str) -> None:
    async def work(c: Client) -> None:
        points = await c.read("point and sensor")
        assert [row["id"] for row in points] == [TEMP, FLOW]
        assert points[0]["point"] is True
        assert points[0]["id"].dis in (None, "Temp")
        assert len(await c.read("point", limit=2)) == 2
        assert await c.read("nothing") == []
        grid = await c.read("site", raw=True)
        assert isinstance(grid, Grid)
        assert grid[0]["site"] is MARKER
        assert (await c.read("site"))[0]["area"] == Number(1000, "m²"), "a Number with a unit stays one"
        with pytest.raises(CallError) as caught:
            await c.read("site and ((")
        assert caught.value.grid is not None
        assert caught.value.grid.is_error
        assert caught.value.dis

    run(server, work, format=format)


@every_format
def test_read_by_ids(server: RunningServer, format: str) -> None:
    async def work(c: Client) -> None:
        assert [row["dis"] for row in await c.read_by_ids([FLOW, "temp", "@site"])] == ["Flow", "Temp", "Head Office"]
        with pytest.raises(UnknownRecError) as caught:
            await c.read_by_ids([FLOW, Ref("nope"), Ref("nada")])
        assert caught.value.ids == ("nope", "nada")
        rows = await c.read_by_ids([Ref("nope"), FLOW], checked=False)
        assert rows[0] == {}
        assert rows[1]["id"] == FLOW
        with pytest.raises(UnknownRecError) as caught:
            await c.his_read("nope", "today")
        assert caught.value.ids == ("nope",)
        with pytest.raises(UnknownRecError) as caught:
            await c.his_read_batch([TEMP, "nope"], "today")
        assert caught.value.ids == ("nope",)

    run(server, work, format=format)


@every_format
def test_histories_there_and_back(server: RunningServer, format: str) -> None:
    """Any zone of the caller, the two hours that a clock repeats, NA; single and batch in both forms."""
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)
    instants = [start + timedelta(minutes=30 * step) for step in range(8)]
    values = [Number(70 + step / 4, "°F") for step in range(8)]

    async def work(c: Client) -> None:
        items = [{"ts": when, "val": value} for when, value in zip(instants, values, strict=True)]
        assert await c.his_write(TEMP, items) == []
        rows = await c.his_read(TEMP, "2026-11-01")
        assert [row["val"] for row in rows] == values
        assert [row["ts"].astimezone(UTC) for row in rows] == instants
        assert {str(row["ts"].tzinfo) for row in rows} == {"America/New_York"}

        batch = GridBuilder().set_meta({"id": FLOW, "id1": RUN}).add_col("ts").add_col("v0").add_col("v1")
        brisbane = ZoneInfo("Australia/Brisbane")
        for step, when in enumerate(instants):
            flow = NA if step == 3 else Number(step, "L/s")
            batch.add_row({"ts": when.astimezone(brisbane), "v0": flow, "v1": None if step == 5 else step % 2 == 0})
        await c.his_write_batch(batch.to_grid())
        grid = await c.his_read_batch([FLOW, RUN], "2026-11-01", raw=True)
        assert [col.meta.get("id") for col in grid.cols] == [None, FLOW, RUN]
        assert [row["ts"].astimezone(UTC) for row in grid] == instants
        assert grid[3]["v0"] is NA
        assert "v1" not in grid[5]
        assert c.dialect.his_read_batch is True
        rows = await c.his_read_batch([FLOW, RUN], "2026-11-01")
        assert rows[3]["v0"] is None
        assert rows[4] == {"ts": rows[4]["ts"], "v0": Number(4, "L/s"), "v1": True}

        # What was read can be written as it is.
        again = await c.his_read(TEMP, "2026-11-01", raw=True)
        await c.his_write(SP, again)
        assert [row["val"] for row in await c.his_read(SP, "2026-11-01")] == values

    run(server, work, format=format)


def test_ranges_of_dates_and_times(server: RunningServer) -> None:
    new_york = ZoneInfo("America/New_York")

    async def work(c: Client) -> None:
        for day in (1, 2, 3):
            await c.his_write(TEMP, [{"ts": datetime(2026, 6, day, 12, tzinfo=new_york), "val": Number(day, "°F")}])

        async def days(range: Any) -> list[int]:
            return [row["val"].val for row in await c.his_read(TEMP, range)]

        assert await days("2026-06-01,2026-06-02") == [1, 2]
        assert await days(date(2026, 6, 2)) == [2]
        assert await days((date(2026, 6, 2), date(2026, 6, 3))) == [2, 3]
        assert await days(datetime(2026, 6, 2, tzinfo=new_york)) == [2, 3]
        noon = datetime(2026, 6, 2, 12, tzinfo=new_york)
        assert await days((noon, noon + timedelta(days=1))) == [2], "start inclusive, end exclusive"

    run(server, work)


def test_a_batch_over_zones_is_written_in_each_points_own(server: RunningServer) -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)

    async def work(c: Client) -> None:
        batch = GridBuilder().add_col("ts").add_col("a", {"id": TEMP}).add_col("b", {"id": LONDON})
        batch.add_row({"ts": noon, "a": Number(70, "°F"), "b": Number(20, "°C")})
        await c.his_write_batch(batch)
        for of, value in ((TEMP, Number(70, "°F")), (LONDON, Number(20, "°C"))):
            (row,) = await c.his_read(of, "2026-07-01")
            assert row["ts"].astimezone(UTC) == noon
            assert row["val"] == value
        # The second of two requests is refused: the error says what was written.
        batch.add_row({"ts": noon + timedelta(hours=1), "a": Number(71, "°F"), "b": Number(21, "kW")})
        with pytest.raises(CallError) as caught:
            await c.his_write_batch(batch)
        assert caught.value.__notes__ == ["written before this: @temp"]

    run(server, work)


def test_refused_writes(server: RunningServer) -> None:
    now = datetime.now(UTC)

    async def work(c: Client) -> None:
        with pytest.raises(ZoneError, match="row 0"):
            await c.his_write(TEMP, [{"ts": datetime(2026, 1, 1), "val": 1}])
        with pytest.raises(CallError):
            await c.his_write(TEMP, [{"ts": now, "val": Number(1, "kW")}])
        with pytest.raises(UnknownRecError):
            await c.his_write("nope", [{"ts": now, "val": 1}])
        assert await c.his_read(TEMP, "today") == []
        # The client reads a point's zone once; a call of the op itself does no conversion.
        grid = Grid({"id": TEMP}, ["ts", "val"], [[now], [Number(1, "°F")]])
        with pytest.raises(CallError, match=r"(?i)zone|tz"):
            await c.call("hisWrite", grid)

    run(server, work)


@every_format
def test_point_writes(server: RunningServer, format: str) -> None:
    async def work(c: Client) -> None:
        await c.point_write(SP, 16, Number(72, "°F"))
        await c.point_write(SP, 8, Number(60, "°F"), who="operator", duration=Number(1, "hr"))
        rows = await c.point_write_array(SP)
        assert len(rows) == 17
        by_level = {row["level"]: row for row in rows}
        assert by_level[16]["val"] == Number(72, "°F")
        assert by_level[8]["val"] == Number(60, "°F")
        assert "operator" in by_level[8]["who"]
        assert "val" not in by_level[9]
        await c.point_write(SP, 8, None)
        assert "val" not in {row["level"]: row for row in await c.point_write_array(SP)}[8]
        with pytest.raises(CallError):
            await c.point_write(TEMP, 16, 1)
        with pytest.raises(MetadataError, match="level must be a whole number from 1"):
            await c.point_write(SP, 20, 1)

    run(server, work, format=format)


@every_format
def test_watches(server: RunningServer, format: str) -> None:
    async def work(c: Client) -> None:
        watch = await c.watch_sub([TEMP, Ref("nope")], watch_dis="My Watch", lease=Number(5, "min"), raw=True)
        watch_id = watch.meta["watchId"]
        assert watch.meta["lease"].unit
        assert watch[0]["id"] == TEMP
        assert not watch[1]
        await c.watch_poll(watch_id)
        assert await c.watch_poll(watch_id) == []
        server.database.update(TEMP, {"curVal": Number(71, "°F")})
        assert [row["curVal"] for row in await c.watch_poll(watch_id)] == [Number(71, "°F")]
        assert len(await c.watch_poll(watch_id, refresh=True)) == 1
        await c.watch_sub([FLOW], "My Watch", watch_id=watch_id)
        assert len(await c.watch_poll(watch_id, refresh=True)) == 2
        await c.watch_unsub(watch_id, [FLOW])
        assert len(await c.watch_poll(watch_id, refresh=True)) == 1
        await c.watch_close(watch_id)
        with pytest.raises(CallError) as caught:
            await c.watch_poll(watch_id)
        assert not isinstance(caught.value, UnknownRecError)

    run(server, work, format=format)


@every_format
def test_actions_nav_and_other_ops(server: RunningServer, format: str) -> None:
    async def work(c: Client) -> None:
        (row,) = await c.invoke_action(TEMP, "reset", {"duration": Number(30, "s")})
        assert row == {"of": TEMP, "duration": Number(30, "s")}
        with pytest.raises(CallError, match="there is no action"):
            await c.invoke_action(TEMP, "explode")
        roots = await c.nav()
        assert [row["dis"] for row in roots] == ["Head Office"]
        assert await c.nav(roots[0]["navId"])
        grid = await c.call("read", GridBuilder().add_col("filter").add_row({"filter": "site"}).to_grid())
        assert isinstance(grid, Grid)
        assert grid[0]["id"] == SITE
        assert len(await c.call("about")) == 1

    run(server, work, format=format)


def test_pythonic_is_the_clients_own_default(server: RunningServer) -> None:
    async def work(c: Client) -> None:
        assert isinstance(await c.read("site"), Grid)
        assert isinstance(await c.about(raw=True), Grid)

    run(server, work, pythonic=False)


def test_a_wrong_password_and_a_dropped_session(server: RunningServer) -> None:
    async def wrong() -> None:
        async with Client(server.uri, server.user, "hunter-2") as client:
            with pytest.raises(AuthError) as caught:
                await client.about()
        assert repr(server.user) in str(caught.value)
        assert server.uri in str(caught.value)
        assert "hunter-2" not in str(caught.value)

    asyncio.run(wrong())

    async def work(c: Client) -> None:
        assert len(await c.read("site")) == 1
        server.drop_sessions()
        answers = await asyncio.gather(*(c.read("site") for _ in range(8)))
        assert [len(rows) for rows in answers] == [1] * 8
        assert server.open_sessions == 1

    run(server, work)
    assert server.open_sessions == 0, "close ended the session"


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "plaintext"},
        {"scheme": "basic"},
        {"hash": "SHA-512"},
        {"users": {}},
        {"users": {"a=b,ç": "pässwörd"}},
    ],
)
def test_every_login(options: dict[str, Any]) -> None:
    with running_server(new_database(), **options) as server:

        async def work(c: Client) -> str:
            assert len(await c.read("site")) == 1
            return (await c.sender.log_in()).scheme

        expected = {"users": "none" if options.get("users") == {} else "scram"}.get(next(iter(options)), "")
        assert run(server, work) == (expected or options.get("scheme", "scram"))


BATCH_FAILS = {
    "haystack-py": IncompleteError,
    "first-id-only": IncompleteError,
    "shaystack": IncompleteError,
    "niagara": CallError,
    "no-batch": CallError,
}
BATCH_WORKS = [
    "haxall",
    "skyspark3",
    "widesky",
    "id0-batch",
    "get-only-about",
    "zinc-only",
    "json-v3",
    "bare-accept",
    "no-close",
]


@pytest.mark.version4
@pytest.mark.parametrize("quirk", [*BATCH_FAILS, *BATCH_WORKS])
@every_format
def test_other_servers_ways(quirk: str, format: str) -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with running_server(new_database(), quirks=[quirk]) as server:

        async def work(c: Client) -> None:
            for _ in range(2):
                assert (await c.about())[0]["haystackVersion"]
            await c.his_write(TEMP, [{"ts": noon, "val": Number(1, "°F")}])
            for _ in range(50):  # Haxall stores what was written a little later
                rows = await c.his_read(TEMP, "2026-07-01")
                if rows:
                    break
                await asyncio.sleep(0.02)
            assert [row["val"] for row in rows] == [Number(1, "°F")]
            server.drop_sessions()
            assert await c.read("nothing") == []
            with pytest.raises(UnknownRecError):
                await c.read_by_ids(["nope"])
            if quirk in BATCH_FAILS:
                with pytest.raises(BATCH_FAILS[quirk]):
                    await c.his_read_batch([TEMP, FLOW], "2026-07-01")
            else:
                for _ in range(2):
                    assert len((await c.his_read_batch([TEMP, FLOW], "2026-07-01", raw=True)).cols) == 3
                assert c.dialect.batch_form == ("id0" if quirk in ("widesky", "id0-batch") else "standard")

        run(server, work, format=format)


@pytest.mark.version4
@pytest.mark.parametrize("quirk", ["expired-403", "login-page", "cookie-trap", "empty-read-404"])
def test_other_servers_sessions(quirk: str) -> None:
    with running_server(new_database(), quirks=[quirk]) as server:

        async def work(c: Client) -> None:
            for _ in range(3):
                assert len(await c.read("site")) == 1
                assert await c.read("nothing") == []
                server.drop_sessions()

        run(server, work)

        async def nobody() -> None:
            async with Client(server.uri) as client:
                with pytest.raises(AuthError):
                    await client.about()

        asyncio.run(nobody())


def test_every_op_of_the_table_is_a_method_and_every_op_takes_raw() -> None:
    for op in OPS.values():
        if op.name in ("commit", "close", "openapi"):
            continue
        python_name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in op.name)
        signature = inspect.signature(getattr(Client, python_name))
        assert signature.parameters["raw"].default is False
        assert signature.parameters["raw"].kind is inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(Client).parameters
    assert list(parameters)[:3] == ["base_url", "username", "password"]
    assert {name: parameters[name].default for name in ("username", "password", "timeout", "connector", "tls")} == {
        "username": "", "password": "", "timeout": None, "connector": None, "tls": None,
    }  # fmt: skip
    assert (parameters["pythonic"].default, parameters["format"].default) == (True, "zinc")


@pytest.mark.parametrize("given", [[Ref("a")], {"id": Ref("a")}, "a", 0])
@pytest.mark.parametrize(
    ("op", "call"),
    [
        ("hisRead", lambda c, given: c.call("hisRead", given)),
        ("hisWrite of a batch", lambda c, given: c.his_write_batch(given)),
        ("invokeAction", lambda c, given: c.invoke_action("a", "run", given)),
    ],
)
def test_what_is_no_grid_is_named(server: RunningServer, op: str, call: Any, given: Any) -> None:
    if op == "invokeAction" and isinstance(given, dict):
        pytest.skip("these are its arguments by name")
    with pytest.raises(MetadataError, match=rf"{op}.*: expected a Grid, as .*; got {type(given).__name__}$"):
        run(server, lambda c: call(c, given))
