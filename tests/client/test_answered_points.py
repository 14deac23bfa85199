"""Whose history an answer is: that of the point that was asked for, or an error."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest

import hsframe
from hsframe.client import Client
from hsframe.codecs import decode, encode
from hsframe.errors import CallError
from hsframe.grid import Col, Grid
from hsframe.kinds import Number, Ref

USER, PASSWORD = "ann", "s3cret-pencil"
ROW = "2026-01-01T00:00:00Z UTC,1kW\n"
EMPTY = b'ver:"3.0"\nid,dis\n,\n,\n'


def history(of: str) -> bytes:
    return f'ver:"3.0"{of}\nts,val\n{ROW}'.encode()


def records(*ids: str) -> bytes:
    return ('ver:"3.0"\nid,dis\n' + "".join(f'{of},"x"\n' for of in ids)).encode()


async def both(client: Client, of: str) -> int:
    """The rows by his_read, and by his_stream, which must be as many."""
    rows = len(await client.his_read(of, "2026", raw=True))
    assert rows == sum([batch.num_rows async for batch in client.his_stream(of, "2026")])
    return rows


@pytest.mark.parametrize(
    ("asked", "answered", "read"),
    [
        ("a", "", EMPTY),
        ("a", " id:@a", EMPTY),
        ("a", " id:@p:demo:a", EMPTY),
        ("p:demo:a", " id:@a", EMPTY),
        # The record's own id is another than the one that it was asked for by, and the other way round.
        ("S.site.a", " id:@C.a", records("@C.a", "@C.a")),
        ("S.site.a", " id:@C.a", records("@S.site.a", "@S.site.a")),
    ],
)
def test_the_point_that_was_asked_for(serve: Any, fake: Any, asked: str, answered: str, read: bytes) -> None:
    async def main() -> None:
        answers = {"hisRead": history(answered), "read": read}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            for _ in range(2):
                assert await both(client, asked) == 1
            asked_ids = [seen for seen in server.seen if seen.op == "read" and b"@C.a" in seen.body]
            assert len(asked_ids) == ("C.a" in answered), "what two ids mean is asked once"
            assert server.seen_ops().count("POST hisRead") == 4

    asyncio.run(main())


REFUSING = [
    records("@a", "@b"),
    records("@a"),
    EMPTY,
    b'ver:"3.0"\nid\n@a\n@b\n@b\n',
    b'ver:"3.0" err dis:"unknown rec @b"\nempty\n',
    b'ver:"3.0"\nempty\n',
]


@pytest.mark.parametrize("read", REFUSING)
@pytest.mark.parametrize("format", ["zinc", "json"])
@pytest.mark.parametrize("is_text", [False, True])
def test_another_point_is_asked_once_more_and_then_refused(
    serve: Any, fake: Any, read: bytes, format: str, is_text: bool
) -> None:
    async def main() -> None:
        ids = ('"@b"', '"@a"') if is_text else ("@b", "@a")
        wrong, right = (encode(decode(history(f" id:{of}"), "zinc"), format) for of in ids)
        fake_server = fake(answers={"hisRead": [wrong, right], "read": read})
        async with serve(fake_server) as server, Client(server.uri, USER, PASSWORD, format=format) as client:
            assert len(await client.his_read("a", "2026", raw=True)) == 1
            server.answers["hisRead"] = [wrong, right]
            assert sum([batch.num_rows async for batch in client.his_stream("a", "2026")]) == 1
            server.answers["hisRead"] = wrong
            before = server.seen_ops().count("POST hisRead")
            with pytest.raises(CallError, match=r"@a was asked for.*the history of @b.*nothing is returned"):
                await client.his_read("a", "2026")
            with pytest.raises(CallError, match=r"@a was asked for"):
                await anext(client.his_stream("a", "2026"))
            assert server.seen_ops().count("POST hisRead") == before + 4

    asyncio.run(main())


def test_a_frame_has_no_column_of_another_point(serve: Any, fake: Any) -> None:
    """The gateway in front of two servers that answers by the address alone."""
    point = b'ver:"3.0"\nid,point,his,kind,unit,tz\n@a,M,M,"Number","kW","UTC"\n'

    async def main() -> None:
        fake_server = fake(answers={"hisRead": history(" id:@b"), "read": point})
        async with serve(fake_server) as server, hsframe.AsyncSession(server.uri, USER, PASSWORD) as session:
            for read in (session.his_read("@a", "2026"), session.latest("@a")):
                with pytest.raises(CallError, match="the history of @b"):
                    await read

    asyncio.run(main())


# -- batches -----------------------------------------------------------------------------------------------------------

A, B, C = Ref("a"), Ref("b"), Ref("c")


def batch(*ids: Ref | None, names: str = "v{}", meta: dict[str, Any] | None = None) -> bytes:
    """A value is the place of its id in the alphabet; the ids are in the columns' meta, or nowhere."""
    ts = decode(history(""), "zinc").column("ts")
    cols = [Col("ts"), *(Col(names.format(n), {} if of is None else {"id": of}) for n, of in enumerate(ids))]
    values = ["abc".index(of.val) if of else place for place, of in enumerate(ids)]
    return encode(Grid(meta, cols, [ts, *([Number(value, "kW")] for value in values)]), "zinc")


@pytest.mark.parametrize(
    "body",
    [
        batch(A, B, C),
        batch(C, A, B),
        batch(B, C, A, names="val{}"),
        batch(None, None, None, names="id{}", meta={"id0": A, "id1": B, "id2": C}),
        batch(*map(Ref, ()), A, B, C, names="x{}"),
        batch(None, None, None),
        batch(None, None, None).replace(b"ts,v0,v1,v2", b"ts,v2,v0,v1").replace(b"0kW,1kW,2kW", b"2kW,0kW,1kW"),
        batch(C, A, B).replace(b"@c", b'"@c"').replace(b"@a", b'"@a"'),
    ],
)
def test_columns_are_in_the_order_asked(serve: Any, fake: Any, body: bytes) -> None:
    async def main() -> None:
        async with serve(fake(answers={"hisRead": body})) as server, Client(server.uri, USER, PASSWORD) as client:
            (row,) = await client.his_read_batch([A, B, C], "2026")
            assert {name: value for name, value in row.items() if name != "ts"} == {
                f"v{number}": Number(number, "kW") for number in range(3)
            }
            grid = await client.his_read_batch([A, B, C], "2026", raw=True)
            assert grid.col_names == ["ts", "v0", "v1", "v2"]
            assert [col.meta.get("id", of) for col, of in zip(grid.cols[1:], (A, B, C), strict=True)] == [A, B, C]
            for flags in (False, True):
                batches = [one async for one in client.his_stream([A, B, C], "2026", na_columns=flags)]
                table = pa.Table.from_batches(batches)
                assert [table[f"v{number}"].to_pylist() for number in range(3)] == [[0], [1], [2]]
                names = ["v0", "v0.na", "v1", "v1.na", "v2", "v2.na"] if flags else ["v0", "v1", "v2"]
                assert table.column_names == ["ts", *names]

    asyncio.run(main())


def test_records_tell_what_a_column_holds_in_whatever_order_it_comes(serve: Any, fake: Any) -> None:
    point = b'ver:"3.0"\nid,kind,unit,tz\n@a,"Number","kW","UTC"\n@b,"Str",,"UTC"\n'
    silent = b'ver:"3.0"\nts,v0 id:@b,v1 id:@a\n2026-01-01T00:00:00Z UTC,,\n'

    async def main() -> None:
        answers = {"hisRead": silent, "read": point}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            (one,) = [one async for one in client.his_stream([A, B], "2026")]
            assert one.schema.types[1:] == [pa.float64(), pa.string()]
            assert one.schema.field("v0").metadata[b"hsframe:unit"] == b"kW"

    asyncio.run(main())


# -- the frame ---------------------------------------------------------------------------------------------------------


def read_of(serve: Any, fake: Any, unit: str, bodies: list[bytes], span: str = "2026-01-01") -> Any:
    """The frame of a point of this unit, and how many requests it took."""
    point = f'ver:"3.0"\nid,point,his,kind,unit,tz\n@a,M,M,"Number","{unit}","UTC"\n'.encode()

    async def main() -> Any:
        fake_server = fake(answers={"hisRead": bodies, "read": point})
        async with serve(fake_server) as server, hsframe.AsyncSession(server.uri, USER, PASSWORD) as session:
            df = await session.his_read("@a", span)
            return df, server.seen_ops().count("POST hisRead")

    return asyncio.run(main())


@pytest.mark.parametrize(("unit", "warns"), [("kW", False), ("W", False), ("°F", True), ("kWh", True), ("_own", False)])
def test_a_unit_of_another_quantity_warns(serve: Any, fake: Any, unit: str, warns: bool) -> None:
    bodies = [history(" id:@a")]
    if not warns:
        df, _ = read_of(serve, fake, unit, bodies)
    else:
        with pytest.warns(hsframe.UnitWarning, match=rf"@a are in kW, its record says {unit}"):
            df, _ = read_of(serve, fake, unit, bodies)
    assert df.dtypes.iloc[0].unit == "kW"


OTHER_TIME = " id:@a hisStart:2025-03-01T00:00:00Z UTC hisEnd:2025-03-02T00:00:00Z UTC"
NEXT_TO_IT = " id:@a hisStart:2025-12-30T23:59:59Z UTC hisEnd:2026-01-01T00:00:01Z UTC"
NOTHING = 'ver:"3.0"{}\nts,val\n'


@pytest.mark.parametrize("meta", [OTHER_TIME, NEXT_TO_IT])
def test_an_answer_of_another_time_is_asked_once_more(serve: Any, fake: Any, meta: str) -> None:
    old = NOTHING.format(meta).encode()
    row = history(" id:@a hisStart:2025-12-31T23:59:59Z UTC hisEnd:2026-01-02T00:00:01Z UTC")
    df, requests = read_of(serve, fake, "kW", [old, row])
    assert (len(df), requests) == (1, 2)
    df, requests = read_of(serve, fake, "kW", [old, old])
    assert (len(df), requests) == (0, 2), "then it is empty"
    df, requests = read_of(serve, fake, "kW", [old + b"2025-03-01T00:00:00Z UTC,1kW\n", row])
    assert (len(df), requests) == (1, 2)
    # A row inside of the window counts, whatever the meta says.
    inside = old + b"2026-01-01T12:00:00Z UTC,1kW\n"
    df, requests = read_of(serve, fake, "kW", [inside])
    assert (len(df), requests) == (1, 1)
    # One that adjoins the window does not: it may be the answer of the window before.
    at_edge = old + b"2026-01-01T00:00:00Z UTC,5kW\n"
    df, requests = read_of(serve, fake, "kW", [at_edge, row])
    assert (df.iloc[0, 0], requests) == (1, 2)
