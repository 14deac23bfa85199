"""Axon, on a server that plays what Haxall and SkySpark answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

import hsframe
from hsframe.codecs import decode, encode
from hsframe.codecs.formats import CALL_FORMATS, format_named
from hsframe.codecs.json_text import split_json
from hsframe.codecs.zinc_ends import split_zinc
from hsframe.errors import CallError, CodecError, HTTPStatusError, IncompleteError, MetadataError
from hsframe.grid import Grid
from hsframe.kinds import NA, Number
from hsframe.testing.server import RunningServer

WIRE = Path(__file__).parent.parent / "data" / "wire" / "haxall.jsonl.gz"
FORMATS = ("zinc", "json", "json3")


def recorded() -> dict[tuple[str, str], Mapping[str, Any]]:
    """What Haxall answered to an expression, by format and expression."""
    found = {}
    for line in gzip.decompress(WIRE.read_bytes()).decode().splitlines():
        entry = json.loads(line)
        file, _, format = entry["file"].partition(".")
        if file == "eval" and format in FORMATS:
            expr = decode(entry["request"]["text"], format)[0]["expr"]
            found[format, expr] = entry
    return found


ANSWERS = recorded()

HISTORY = """ver:"3.0" hisStart:2026-11-01T00:00:00-04:00 New_York hisEnd:2026-11-02T00:00:00-05:00 New_York
ts disKey:"ui::timestamp" tz:"New_York",v0 id:@kw "Power" kind:"Number" unit:"kW",v1 id:@fan "Fan" kind:"Bool"
2026-11-01T01:30:00-04:00 New_York,1.5kW,T
2026-11-01T01:30:00-05:00 New_York,2.5kW,
2026-11-01T02:00:00-05:00 New_York,NA,F
"""
FAILED = 'ver:"3.0" errType:"axon::EvalErr" err dis:"axon::EvalErr: no such func"\nempty\n'


def one(value: str) -> str:
    return f'ver:"3.0"\nval\n{value}\n'


@contextmanager
def playing(eval_all: list[str | bytes | int], evals: Mapping[str, str] = {}) -> Iterator[tuple[str, list[str]]]:
    """A server that knows ``eval`` and ``evalAll`` (with answers of its own, one after the other, or a status)."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        op = request.path.rsplit("/", 1)[1]
        format = {"text/zinc": "zinc", "application/vnd.haystack+json;version=3": "json3"}.get(
            request.headers["Accept"], "json"
        )
        asked.append(op)
        grid = decode(await request.read(), format)
        if op == "eval":
            expr = grid[0]["expr"]
            if expr in evals:
                body = encode(decode(evals[expr], "zinc"), format)
                return web.Response(body=body, content_type="text/zinc" if format == "zinc" else "application/json")
            entry = ANSWERS[format, expr]
            content_type = entry["headers"]["content-type"].split(";")[0]
            return web.Response(text=entry["body"]["text"], status=entry["status"], content_type=content_type)
        if op == "evalAll" and eval_all:
            said = eval_all.pop(0)
            if isinstance(said, int):
                return web.Response(status=said)
            text = said if isinstance(said, str) else said.decode()
            return web.Response(text=text, content_type="application/json" if text.startswith("[") else "text/zinc")
        return web.Response(status=404)

    loop = asyncio.new_event_loop()

    async def start() -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_route("*", "/api/{op}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/api"

    runner, uri = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield uri, asked
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def connected(uri: str, format: str = "zinc") -> hsframe.Session:
    return hsframe.connect(uri, "", format=format, auth="none")


def expression(start: str) -> str:
    (found,) = {expr for _, expr in ANSWERS if expr.startswith(start)}
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_what_haxall_answered(format: str) -> None:
    with playing([]) as (uri, _), connected(uri, format) as s:
        odd = s.eval(expression("{na:"))
        assert odd["na"][0] is NA
        assert math.isnan(odd["nan"][0])
        assert odd["inf"][0] == math.inf
        assert odd["num"].dtype == hsframe.UnitDtype("kW")
        assert odd["list"][0][2] == [Number(3)]
        assert odd["dt"].dtype == "datetime64[us, UTC]"
        sites = s.eval("site")
        assert sites["id"].tolist() == ["site-bne", "site-ny", "site-lon"]
        assert s.eval("1 + 1")["val"].tolist() == [2]
        assert s.eval('"a\\nb"')["val"].tolist() == ["a\nb"]
        assert s.eval("null").shape == (1, 1)
        assert s.eval("[].toGrid").shape == (0, 0)
        # Dates are no instants: no history, although the columns are called so.
        dated = s.eval(expression("[{ts:"))
        assert list(dated.columns) == ["ts", "val"]
        nested = s.eval(expression("[{g:"))["g"][0]
        assert isinstance(nested, Grid)
        assert [row["a"] for row in nested] == [Number(1), Number(2)]


@pytest.mark.parametrize("format", FORMATS)
def test_what_haxall_refused(format: str) -> None:
    with playing([]) as (uri, _), connected(uri, format) as s:
        with pytest.raises(CallError, match="Unexpected token eof") as caught:
            s.eval("1 +")
        assert caught.value.err_type == "axon::SyntaxErr"
        assert "axon::Parser" in caught.value.trace
        with pytest.raises(CallError, match="nope"):
            s.eval("readById(@nope)")
        with pytest.raises(CallError, match="custom err"):
            s.eval(expression("throw"))
        with pytest.raises(IncompleteError, match="incomplete"):
            s.eval(expression("[{a:1}].toGrid({inc"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_history_becomes_a_trend_frame(format: str) -> None:
    with playing([], {"hisRead": HISTORY}) as (uri, _), connected(uri, format) as s:
        df = s.eval("hisRead")
        again = hsframe.eval("hisRead")
    assert list(df.columns) == ["Power", "Fan"]
    assert df.index.name == "ts"
    assert df.index.dtype == "datetime64[us, America/New_York]"
    assert df.index.tz_convert("UTC").strftime("%H:%M").tolist() == ["05:30", "06:30", "07:00"]
    assert df.dtypes["Power"] == hsframe.UnitDtype("kW")
    np.testing.assert_array_equal(df["Power"].to_numpy(dtype=float), [1.5, 2.5, math.nan])
    assert df["Fan"].tolist()[0] is True
    assert df.hs.points["id"].tolist() == ["kw", "fan"]
    assert again.equals(df)


NESTED = 'ver:"3.0"\ng\n<<\nver:"3.0"\na\n1\n\n>>\n'
BODIES = {"zinc": "\n".join([one("1kW"), HISTORY, NESTED, one('"ver:"')]).encode()}
GRIDS = [decode(text, "zinc") for text in split_zinc(BODIES["zinc"]) or []]
BODIES |= {name: b"[" + b",".join(encode(grid, name) for grid in GRIDS) + b"]" for name in ("json", "json3")}


@pytest.mark.parametrize("format", FORMATS)
def test_several_expressions_in_one_request(format: str) -> None:
    with playing([BODIES[format]]) as (uri, asked), connected(uri, format) as s:
        lone, history, nested, text = s.eval_all(["a", "b", "c", "d"])
    assert asked == ["evalAll"]
    assert lone["val"].dtype == hsframe.UnitDtype("kW")
    assert history.hs.units == {"Power": "kW", "Fan": None}
    assert isinstance(nested["g"][0], Grid)
    assert text["val"].tolist() == ["ver:"]


def test_a_server_without_eval_all_is_asked_one_by_one() -> None:
    evals = {"a": one("1"), "b": HISTORY, "c": FAILED, "d": one("4")}
    with playing([], evals) as (uri, asked), connected(uri) as s:
        assert [len(df) for df in s.eval_all(["a", "b"])] == [1, 3]
        assert asked == ["evalAll", "eval", "eval"]
        with pytest.raises(CallError, match="expression 1, 'c'"):
            s.eval_all(["a", "c", "d"])
        assert asked[3:] == ["evalAll", "eval", "eval"]


def test_the_expression_that_failed_is_named() -> None:
    bodies: list[Any] = [
        f"{one('1')}\n{FAILED}\n{one('3')}",
        FAILED,
        one("1"),
        500,
        "no grid at all",
        f"{one('1')}\nver:",
    ]
    with playing(bodies) as (uri, asked), connected(uri) as s:
        with pytest.raises(CallError, match=r"expression 1, 'two'.*no such func") as caught:
            s.eval_all(["one", "two", "three"])
        assert caught.value.err_type == "axon::EvalErr"
        with pytest.raises(CallError, match="no such func"):
            s.eval_all(["one", "two"])
        with pytest.raises(IncompleteError, match="2 expressions were sent and 1 grids"):
            s.eval_all(["one", "two"])
        with pytest.raises(HTTPStatusError, match="500"):
            s.eval_all(["one"])
        for _ in range(2):
            with pytest.raises(CodecError):
                s.eval_all(["one", "two"])
    assert asked == ["evalAll"] * 6  # what may change something is never sent twice


@pytest.mark.parametrize("bad", [[], [1], ["a", None]])
def test_what_is_no_expression(bad: Any) -> None:
    with connected("http://127.0.0.1:9/api") as s, pytest.raises(MetadataError, match="evalAll"):
        s.eval_all(bad)


def test_the_embedded_server_has_no_axon(session: hsframe.Session, server: RunningServer) -> None:
    with pytest.raises(HTTPStatusError, match="no op 'eval'"):
        session.eval_all(["1 + 1"])


@pytest.mark.parametrize("name", CALL_FORMATS)
def test_a_lone_grid_is_not_split(name: str) -> None:
    split = format_named(name).split
    assert split is not None
    for grid in GRIDS:
        assert split(encode(grid, name)) is None
        listed = split(b"[ " + encode(grid, name) + b"]")
        assert listed is None if name == "zinc" else [decode(text, name) for text in listed or []] == [grid]


@pytest.mark.parametrize("body", [b"[1", b"[1,]", b"[1]2", b"[1 2]", b"[", b"[]", b"[" * 100_000])
def test_what_is_no_list_of_json_is_left_to_the_reader_of_one_grid(body: bytes) -> None:
    assert split_json(body) is None
    with pytest.raises(CodecError):
        decode(body, "json")
