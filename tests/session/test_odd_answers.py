"""Answers that no standard has, over a socket: read all the same, or one of our own errors."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Mapping

import pandas as pd
import pytest
from aiohttp import web

import hsframe
from hsframe.errors import CodecError, HsFrameError, UnitError, UnitWarning, ZoneWarning

RECORDS = b'ver:"3.0"\nid,dis,point,his,tz,kind,unit,mod\n'
RECORDS += b'@a,"\\u{0}A",M,M,"New_York","Number","kW",2026-01-01T00:00:00-03:00 Newer_Zone\n'
OLD_RECORDS = RECORDS.replace(b"-03:00 Newer_Zone", b"-05:00 New_York")
HISTORY = b'ver:"3.0" id:@a\nts,val\n'


def asked(
    answers: Mapping[str, bytes],
    ask: Callable[[hsframe.AsyncSession], Awaitable[object]],
    status: int = 200,
    format: str = "zinc",
) -> object:
    """What a question gives, on a server with one answer for each op."""

    async def answer(request: web.Request) -> web.Response:
        body = answers.get(request.path.rsplit("/", 1)[1], b'ver:"3.0"\nempty\n')
        kind = "application/json" if body.startswith((b"{", b"[")) else "text/zinc"
        return web.Response(body=body, content_type=kind, status=status)

    async def main() -> object:
        app = web.Application()
        app.router.add_route("*", "/api/{op}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            uri = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
            async with hsframe.AsyncSession(uri, "", auth="none", format=format) as session:
                return await ask(session)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


@pytest.mark.parametrize("body", [b'ver:"3.0" id:@a\nts\n', b'ver:"3.0" id:@a\nts\n2026-01-01T00:00:00Z UTC\n'])
@pytest.mark.parametrize("verb", ["his_read", "latest"])
def test_a_history_of_timestamps_alone(verb: str, body: bytes) -> None:
    async def ask(session: hsframe.AsyncSession) -> object:
        return await (session.his_read("@a", "2026-01-01") if verb == "his_read" else session.latest("@a"))

    with pytest.raises(CodecError, match="0 columns of values"):
        asked({"read": OLD_RECORDS, "hisRead": body}, ask)


def test_a_zone_that_is_not_known_is_warned_of_once_a_read() -> None:
    with pytest.warns(ZoneWarning, match="Newer_Zone") as caught:
        df = asked({"read": RECORDS}, lambda session: session.read("point"))
    assert isinstance(df, pd.DataFrame)
    assert df["mod"].iloc[0] == pd.Timestamp("2026-01-01T03:00:00Z")
    assert df["dis"].iloc[0] == "\0A"
    assert len(caught) == 1, [(str(one.message), one.filename) for one in caught]


def test_a_history_in_a_zone_that_is_not_known_has_its_instants() -> None:
    rows = b"".join(b"2026-01-01T%02d:00:00-03:00 Newer_Zone,%dkW\n" % (hour, hour) for hour in range(2, 24))
    with pytest.warns(ZoneWarning, match="Newer_Zone") as caught:
        df = asked(
            {"read": OLD_RECORDS, "hisRead": HISTORY + rows},
            lambda session: session.his_read("@a", "2026-01-01"),
        )
    assert isinstance(df, pd.DataFrame)
    assert df.index[0] == pd.Timestamp("2026-01-01T05:00:00Z")
    assert df.iloc[:, 0].tolist()[0] == 2
    assert len(df) == 22
    assert len(caught) == 1, [(str(one.message), one.filename) for one in caught]


ODD_UNITS = {
    "json3": (
        b'{"meta":{"ver":"3.0"},"cols":[{"name":"id"},{"name":"his"},{"name":"tz"},{"name":"kind"},{"name":"unit"},'
        b'{"name":"curVal"}],"rows":[{"id":"r:a A","his":"m:","tz":"New_York","kind":"Number","unit":"deg C",'
        b'"curVal":"n:20.5 deg C"}]}',
        b'{"meta":{"ver":"3.0","id":"r:a","max":"n:30 deg C"},"cols":[{"name":"ts"},{"name":"val"}],"rows":['
        b'{"ts":"t:2026-01-01T05:00:00-05:00 New_York","val":"n:20 deg C"}]}',
    ),
    "json4": (
        b'{"_kind":"grid","cols":[{"name":"id"},{"name":"his"},{"name":"tz"},{"name":"kind"},{"name":"unit"},'
        b'{"name":"curVal"}],"rows":[{"id":{"_kind":"ref","val":"a","dis":"A"},"his":{"_kind":"marker"},'
        b'"tz":"New_York","kind":"Number","unit":"deg C","curVal":{"_kind":"number","val":20.5,"unit":"deg C"}}]}',
        b'{"_kind":"grid","meta":{"id":{"_kind":"ref","val":"a"},"max":{"_kind":"number","val":30,"unit":"deg C"}},'
        b'"cols":[{"name":"ts"},{"name":"val"}],"rows":[{"ts":{"_kind":"dateTime","val":"2026-01-01T05:00:00-05:00",'
        b'"tz":"New_York"},"val":{"_kind":"number","val":20,"unit":"deg C"}}]}',
    ),
    "zinc": (
        b'ver:"3.0"\nid,his,tz,kind,unit,curVal\n@a "A",M,"New_York","Number","deg C",20.5deg C\n',
        HISTORY + b"2026-01-01T05:00:00-05:00 New_York,20deg C\n",
    ),
}


@pytest.mark.parametrize("form", ODD_UNITS)
def test_a_unit_with_a_blank_stops_no_read_and_is_warned_of_once_a_server(form: str) -> None:
    records, history = ODD_UNITS[form]

    async def ask(session: hsframe.AsyncSession) -> object:
        recs, df = await session.read("his"), await session.his_read("@a", "2026-01-01")
        return recs, df, await session.his_read("@a", "2026-01-01")

    with pytest.warns(UnitWarning, match="'deg C' cannot be a unit") as caught:
        recs, df, again = asked({"read": records, "hisRead": history}, ask, format=form)  # type: ignore[misc]
    assert [(one.filename, str(one.message).count("deg C")) for one in caught] == [(caught[0].filename, 1)]
    assert str(recs.dtypes["curVal"]) == str(df.dtypes["A"]) == "unit[deg C]"
    assert recs["curVal"].tolist() == [20.5]
    assert df["A"].tolist() == [20.0]
    pd.testing.assert_frame_equal(df, again)
    with pytest.raises(CodecError, match=r"'deg C' cannot be a unit; expected letters"):
        hsframe.encode(df.hs.to_grid(), form)
    with pytest.raises(UnitError, match=r"column 'A' \(point @a\).*: 'deg C' cannot be a unit.*nothing was written"):
        hsframe.frame_to_his_grids(df)


@pytest.mark.parametrize("rows", [1, 1440], ids=["by the exact parser", "by columns"])
@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("9007199254740993", "9,007,199,254,740,992"),
        ("-9223372036854775807", "-9,223,372,036,854,775,808"),
        ("18446744073709551615", "18,446,744,073,709,551,616"),
        ("9007199254740991", ""),
        ("3.4028234663852886E38", ""),
        ("INF", ""),
    ],
)
def test_whole_numbers_that_a_double_rounds_are_warned_of(number: str, shown: str, rows: int) -> None:
    records = b'ver:"3.0"\nid,his,tz,kind\n@a "A",M,"New_York","Number"\n@b "B",M,"New_York","Number"\n'
    stamps = [f"2026-01-01T{row // 60:02}:{row % 60:02}:00-05:00 New_York" for row in range(rows)]
    lines = "".join(f"{stamp},{number if row == rows // 2 else 1},1\n" for row, stamp in enumerate(stamps))
    history = f'ver:"3.0"\nts,v0 id:@a,v1 id:@b\n{lines}'.encode()

    async def ask(session: hsframe.AsyncSession) -> object:
        return await session.his_read(["@a", "@b"], "2026-01-01")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        df = asked({"read": records, "hisRead": history}, ask)
    assert len(df) == rows  # type: ignore[arg-type]
    told = [str(one.message) for one in caught]
    assert len(told) == bool(shown)
    assert all(
        f"1 histories have numbers of 2**53 (9,007,199,254,740,992) or more: @a; @a (A) has {shown}. " in one
        for one in told
    ), told


@pytest.mark.parametrize(
    "body",
    [
        b'[{"_kind":"Dict","id":{"_kind":"Ref","val":"a"},"site":{"_kind":"Marker"}},{"id":{"_kind":"ref","val":"b"}}]',
        b'[{"dis":"A", "id":"r:a","site":"m:"},{"id":"r:b"}]',
        b'[{"_kind":"grid","cols":[{"name":"id"}],"rows":[{"id":{"_kind":"ref","val":"a"}},{}]}]',
    ],
)
def test_a_list_of_records_or_of_a_grid(body: bytes) -> None:
    df = asked({"read": body}, lambda session: session.read("site"), format="json3")
    assert isinstance(df, pd.DataFrame)
    assert len(df) == 2
    with pytest.raises(HsFrameError, match="HTTP 500"):
        asked({"read": body}, lambda session: session.read("site"), 500, format="json3")


@pytest.mark.parametrize("body", [b'[{"id":1,"name":"x"}]', b"[]", b'["r:a"]', b'[[{"a":"r:a"}]]'])
def test_a_list_of_another_web_api(body: bytes) -> None:
    with pytest.raises(CodecError):
        asked({"read": body}, lambda session: session.read("site"), format="json3")


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("depth", [100, 900, 990, 100_000])
@pytest.mark.parametrize("piece", ["[", '{"a":'])
def test_an_error_that_is_nested_deep(piece: str, depth: int, status: int) -> None:
    body = '{"error":' + piece * depth + "1" + {"[": "]"}.get(piece, "}") * depth + "}"
    with pytest.raises(HsFrameError):
        asked({"read": body.encode()}, lambda session: session.read("site"), status)
