"""Histories as record batches while they arrive: the same as at once, in little memory, or an error."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from aiohttp import web

from hsframe.client import Client
from hsframe.codecs import encode
from hsframe.codecs.formats import CALL_FORMATS
from hsframe.columns import NumberColumn, TimeColumn
from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    IncompleteError,
    NetworkError,
    RequestTimeoutError,
    UnknownRecError,
)
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import running_server

USER, PASSWORD = "ann", "s3cret-pencil"
A, B = Ref("a"), Ref("b")
ROWS = 60_000
START_US = 1_767_225_600_000_000


def columns(points: int) -> list[Any]:
    times = TimeColumn(pa.array(range(START_US, START_US + ROWS * 900_000_000, 900_000_000), pa.int64()), "New_York")
    values = [
        NumberColumn(pa.array([(row * 7 + point) % 1000 / 4 for row in range(ROWS)], pa.float64()), "kW")
        for point in range(points)
    ]
    return [times, *values]


SINGLE = Grid({"id": A}, ["ts", "val"], columns(1))
BATCH = Grid({}, ["ts", Col("v0", {"id": A}), Col("v1", {"id": B})], columns(2))


class Slowly(web.StreamResponse):
    """A body in pieces, with a look at what the client has done between them."""

    def __init__(self, body: bytes, *, pieces: int = 40, pause_s: float = 0.0, cut: bool = False) -> None:
        super().__init__()
        self.content_type = "text/zinc"
        self.body_bytes, self.pieces, self.pause_s, self.cut = body, pieces, pause_s, cut

    async def write_eof(self, data: bytes = b"") -> None:
        size = len(self.body_bytes) // self.pieces + 1
        for at in range(0, len(self.body_bytes), size):
            await self.write(self.body_bytes[at : at + size])
            await asyncio.sleep(self.pause_s)
            if self.cut and at > len(self.body_bytes) // 2:
                assert self._req is not None
                assert self._req.transport is not None
                self._req.transport.abort()
                return
        await super().write_eof(data)


async def collect(client: Client, ids: Any, **options: Any) -> list[Any]:
    return [batch async for batch in client.his_stream(ids, "2026", **options)]


@pytest.mark.parametrize("format", ["zinc", "json", "json3"])
@pytest.mark.parametrize(("ids", "grid"), [(A, SINGLE), ([A, B], BATCH)])
def test_the_batches_are_the_history(serve: Any, fake: Any, format: str, ids: Any, grid: Grid) -> None:
    async def main() -> None:
        body = encode(grid, format)
        async with (
            serve(fake(answers={"hisRead": lambda seen: Slowly(body)})) as server,
            Client(server.uri, USER, PASSWORD, format=format) as client,
        ):
            batches = await collect(client, ids)
            table = pa.Table.from_batches(batches)
            assert len(batches) > 1, "they came while the body arrived"
            assert table.column_names == grid.col_names
            assert table.schema.field("ts").type == pa.timestamp("us", "America/New_York")
            assert table["ts"].cast(pa.int64()).to_pylist() == grid.columns[0].values.to_pylist()
            for number, name in enumerate(grid.col_names[1:], 1):
                assert table[name].to_pylist() == grid.columns[number].values.to_pylist()
                assert table.schema.field(name).metadata[b"hsframe:unit"] == b"kW"
            server.forget_sessions()
            assert sum(batch.num_rows for batch in await collect(client, ids, na_columns=True)) == ROWS
            assert server.logins == 2

    asyncio.run(main())


@pytest.mark.parametrize("format", ["zinc", "json", "json3"])
@pytest.mark.parametrize("name", ["val", "v0", "kW"])
def test_the_column_of_one_point_may_have_any_name(serve: Any, fake: Any, format: str, name: str) -> None:
    async def main() -> None:
        body = encode(Grid({"id": A}, ["ts", name], columns(1)), format)
        async with (
            serve(fake(answers={"hisRead": lambda seen: Slowly(body)})) as server,
            Client(server.uri, USER, PASSWORD, format=format) as client,
        ):
            for options in ({}, {"na_columns": True}):
                batches = await collect(client, A, **options)
                assert sum(batch.num_rows for batch in batches) == ROWS
                assert batches[0].schema.names[:2] == ["ts", "val"]

    asyncio.run(main())


def test_the_first_batch_comes_before_the_last_byte(serve: Any, fake: Any) -> None:
    async def main() -> None:
        sent_all = asyncio.Event()
        may_go_on = asyncio.Event()

        class Waiting(web.StreamResponse):
            async def write_eof(self, data: bytes = b"") -> None:
                body = encode(SINGLE, "zinc")
                await self.write(body[: len(body) - 100])
                await may_go_on.wait()
                await self.write(body[len(body) - 100 :])
                sent_all.set()
                await super().write_eof(data)

        async with (
            serve(fake(answers={"hisRead": lambda seen: Waiting()})) as server,
            Client(server.uri, USER, PASSWORD) as client,
        ):
            rows = 0
            async for batch in client.his_stream(A, "2026"):
                if not rows:
                    assert not sent_all.is_set()
                    may_go_on.set()
                rows += batch.num_rows
            assert rows == ROWS

    asyncio.run(main())


def test_an_empty_history_and_a_short_one(serve: Any, fake: Any) -> None:
    async def main() -> None:
        short = b'ver:"3.0" id:@a\nts,val\n2026-01-01T00:00:00Z UTC,1kW\n'
        answers = {"hisRead": [b'ver:"3.0" id:@a\nts,val\n', short]}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            assert sum(batch.num_rows for batch in await collect(client, A)) == 0
            (batch,) = await collect(client, "a")
            assert batch["ts"].to_pylist()[0] == datetime(2026, 1, 1, tzinfo=UTC)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b'ver:"3.0" err dis:"boom"\nempty\n', CallError),
        (b'ver:"3.0" err errType:"UnknownRecErr" dis:"unknown rec @a"\nempty\n', UnknownRecError),
        (b'ver:"3.0" id:@a incomplete:{limit:3}\nts,val\n2026-01-01T00:00:00Z UTC,1\n', IncompleteError),
        (b'ver:"3.0" id:@a\nts,val\n2026-01-01T25:00:00Z UTC,1\n', CodecError),
        (b'ver:"3.0" id:@a\nts,val\n2026-01-01T00:00:00Z UTC,1', None),
        (b"what?", CodecError),
        (b"", CodecError),
        (lambda seen: web.Response(status=500, reason="Oops"), NetworkError),
        (lambda seen: web.Response(text="<html>hello</html>", content_type="text/html"), NetworkError),
        (lambda seen: web.Response(status=401), AuthError),
        (lambda seen: Slowly(encode(SINGLE, "zinc"), cut=True), CodecError),
    ],
)
def test_errors_are_raised(serve: Any, fake: Any, answer: Any, kind: type[Exception] | None) -> None:
    async def main() -> None:
        async with (
            serve(fake(answers={"hisRead": answer})) as server,
            Client(server.uri, USER, PASSWORD) as client,
        ):
            if kind is None:
                assert len(await collect(client, A)) == 1
                return
            with pytest.raises(kind) as caught:
                await collect(client, A)
            assert f"hisRead at {server.uri}/hisRead" in str(caught.value)

    asyncio.run(main())


COLS = '"cols":[{"name":"ts"},{"name":"v0","id":"r:a"}]'
ROW = '{"ts":"t:2026-01-01T00:00:00Z UTC","v0":"n:1 kW"}'
FIRST_ID_ONLY = {
    "zinc": encode(SINGLE, "zinc"),
    "zinc, no rows": b'ver:"3.0"\nts,v0 id:@a\n',
    "zinc, no end": b'ver:"3.0"\nts,v0 id:@a',
    "zinc, no columns": b'ver:"3.0"\nempty\n',
    "json3": f'{{"meta":{{"ver":"3.0"}},{COLS},"rows":[{ROW},{ROW}]}}'.encode(),
    "json3, no rows": f'{{"meta":{{"ver":"3.0"}},{COLS},"rows":[]}}'.encode(),
    "json3, rows first": f'{{"rows":[{ROW}],{COLS},"meta":{{"ver":"3.0"}}}}'.encode(),
    "json3, no columns": b'{"meta":{"ver":"3.0"},"cols":[{"name":"empty"}],"rows":[]}',
}


@pytest.mark.parametrize("name", FIRST_ID_ONLY)
def test_a_batch_for_the_first_id_only(serve: Any, fake: Any, name: str) -> None:
    async def main() -> None:
        format = name.split(",")[0]
        async with (
            serve(fake(answers={"hisRead": FIRST_ID_ONLY[name]})) as server,
            Client(server.uri, USER, PASSWORD, format=format) as client,
        ):
            with pytest.raises(IncompleteError, match="@b") as at_once:
                await client.his_read_batch([A, B], "2026")
            with pytest.raises(IncompleteError) as caught:
                await collect(client, [A, B])
            assert str(caught.value) == str(at_once.value)

    asyncio.run(main())


@pytest.mark.parametrize("format", CALL_FORMATS)
@pytest.mark.parametrize("span", ["2026-01-01", "2020-01-01"])
def test_a_batch_that_the_embedded_server_answers_for_the_first_id_only(format: str, span: str) -> None:
    """On the second day there are no rows."""
    point = {"point": MARKER, "his": MARKER, "tz": "UTC", "kind": "Number"}
    database = Database([{"id": A, **point}, {"id": B, **point}])
    database.set_history(A, START_US + np.arange(10) * 60_000_000, np.arange(10.0))

    async def main(uri: str) -> None:
        async with Client(uri, "demo", "demo", format=format) as client:
            with pytest.raises(IncompleteError, match="@b"):
                await client.his_read_batch([A, B], span)
            with pytest.raises(IncompleteError, match="@b"):
                _ = [batch async for batch in client.his_stream([A, B], span)]

    with running_server(database, quirks=["first-id-only"]) as server:
        asyncio.run(main(server.uri))


@pytest.mark.parametrize("meta", ['"incomplete":"m:"', '"err":"m:","dis":"boom"', '"id":"r:boom"'])
def test_what_the_meta_says_after_the_rows(serve: Any, fake: Any, meta: str) -> None:
    rows = ",".join([ROW.replace("v0", "val")] * 2000)
    body = f'{{"cols":[{{"name":"ts"}},{{"name":"val"}}],"rows":[{rows}],"meta":{{"ver":"3.0",{meta}}}}}'.encode()

    async def main() -> None:
        async with (
            serve(fake(answers={"hisRead": body})) as server,
            Client(server.uri, USER, PASSWORD, format="json3") as client,
        ):
            for read in (client.his_read(A, "2026"), collect(client, A)):
                with pytest.raises((IncompleteError, CallError), match=r"incomplete|boom"):
                    await read

    asyncio.run(main())


def test_which_column_is_which_point_must_be_known_before_the_rows(serve: Any, fake: Any) -> None:
    rows = ",".join(['{"ts":"t:2026-01-01T00:00:00Z UTC","v0":"n:1 kW","v1":"n:2 kW"}'] * 2000)
    cols = '[{"name":"ts"},{"name":"v0"},{"name":"v1"}]'
    body = f'{{"cols":{cols},"rows":[{rows}],"meta":{{"ver":"3.0","id0":"r:b","id1":"r:a"}}}}'.encode()

    async def main() -> None:
        async with (
            serve(fake(answers={"hisRead": body})) as server,
            Client(server.uri, USER, PASSWORD, format="json3") as client,
        ):
            rows = await client.his_read_batch([A, B], "2026")
            assert rows[0]["v0"] == Number(2, "kW")
            with pytest.raises(IncompleteError, match="only after the rows"):
                await collect(client, [A, B])

    asyncio.run(main())


def test_the_time_out_counts_between_pieces(serve: Any, fake: Any) -> None:
    body = encode(SINGLE, "zinc")

    async def main() -> None:
        answers = {
            "hisRead": [
                lambda seen: Slowly(body, pieces=10, pause_s=0.1),
                lambda seen: Slowly(body, pieces=2, pause_s=2),
            ]
        }
        async with (
            serve(fake(answers=answers)) as server,
            Client(server.uri, USER, PASSWORD, timeout=0.5) as client,
        ):
            assert sum(batch.num_rows for batch in await collect(client, A)) == ROWS
            with pytest.raises(RequestTimeoutError, match=r"nothing more was received within 0\.5 s"):
                await collect(client, A)

    asyncio.run(main())


def test_leaving_early_ends_the_request(serve: Any, fake: Any) -> None:
    body = encode(SINGLE, "zinc")

    async def main() -> None:
        async with (
            serve(fake(answers={"hisRead": lambda seen: Slowly(body, pieces=50, pause_s=0.02)})) as server,
            Client(server.uri, USER, PASSWORD) as client,
        ):
            async with aclosing(client.his_stream(A, "2026")) as batches:
                async for _ in batches:
                    break
            assert await client.read("site") == []

    asyncio.run(main())


# -- what only the records know ---------------------------------------------------------------------------------------

KW, MODE, SILENT = Ref("kw"), Ref("mode"), Ref("silent")
LONG = 300_000  # rows of some 37 bytes: well over the 8 MB that a stream waits for a value


@pytest.fixture(scope="module")
def building() -> Database:
    """A Str point that says nothing before the end of a long batch, and a Number point that says nothing at all."""
    point = {"point": MARKER, "his": MARKER, "tz": "UTC"}
    database = Database(
        [
            {"id": KW, **point, "kind": "Number", "unit": "kW"},
            {"id": MODE, **point, "kind": "Str"},
            {"id": SILENT, **point, "kind": "Number", "unit": "°F"},
        ]
    )
    times = START_US + np.arange(LONG) * 60_000_000
    database.set_history(KW, times, np.arange(LONG) % 1000 / 4)
    database.set_history(MODE, times[-2:], ["auto", "off"])
    return database


def test_records_tell_what_a_silent_column_holds(building: Database) -> None:
    async def main(uri: str) -> None:
        async with Client(uri, "demo", "demo") as client:
            for _ in range(2):
                batches = [batch async for batch in client.his_stream([KW, MODE, SILENT], "2026-01-01,2026-12-31")]
                assert len(batches) > 1
                table = pa.Table.from_batches(batches)
                assert table.schema.types[1:] == [pa.float64(), pa.string(), pa.float64()]
                units = [field.metadata.get(b"hsframe:unit", b"").decode() for field in table.schema][1:]
                assert units == ["kW", "", "°F"]
                assert table.num_rows == LONG
                assert table["v1"].to_pylist()[-3:] == [None, "auto", "off"]
            assert {of: facts.tz for of, facts in client._facts.items()} == dict.fromkeys((KW, MODE, SILENT), "UTC")

    with running_server(building) as server:
        asyncio.run(main(server.uri))


def test_the_records_are_read_once(serve: Any, fake: Any) -> None:
    record = b'ver:"3.0"\nid,kind,unit,tz\n@a,"Number","kW","New_York"\n'
    body = b'ver:"3.0" id:@a\nts,val\n2026-01-01T00:00:00-05:00 New_York,\n'

    async def main() -> None:
        answers = {"hisRead": body, "read": record}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            for _ in range(2):
                (batch,) = await collect(client, "a")
                assert batch.schema.field("val").metadata[b"hsframe:unit"] == b"kW"
            await client.his_write("a", [{"ts": datetime(2026, 1, 1, tzinfo=UTC), "val": 1}])
            assert server.seen_ops() == ["POST read", "POST hisRead", "POST hisRead", "POST hisWrite"]
            assert b"New_York" in server.seen[-1].body, "the same record tells the zone of a write"

    asyncio.run(main())


SPEAKS_LATE = (
    b'ver:"3.0" id:@a\nts,val\n' + b"2026-01-01T00:00:00Z UTC,\n" * (9 << 20 >> 4) + b"2026-01-02T00:00:00Z UTC,1kW\n"
)


@pytest.mark.parametrize(
    "record",
    [
        b'ver:"3.0" err dis:"no reads here"\nempty\n',
        b"what?",
        lambda seen: web.Response(status=403, reason="No reads"),
    ],
)
def test_a_history_comes_where_records_do_not(serve: Any, fake: Any, record: Any) -> None:
    async def main() -> None:
        answers = {"hisRead": lambda seen: Slowly(SPEAKS_LATE, pieces=9), "read": record}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            batches = await collect(client, A)
            assert batches[-1]["val"].to_pylist()[-1] == 1
            assert batches[-1].schema.field("val").metadata[b"hsframe:unit"] == b"kW"

    asyncio.run(main())


def test_a_record_with_another_unit_labels_no_number(serve: Any, fake: Any) -> None:
    async def main() -> None:
        answers = {
            "hisRead": lambda seen: Slowly(SPEAKS_LATE, pieces=9),
            "read": b'ver:"3.0"\nid,kind,unit\n@a,"Number","W"\n',
        }
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(CodecError, match="from numbers in W to numbers in kW"):
                await collect(client, A)

    asyncio.run(main())
