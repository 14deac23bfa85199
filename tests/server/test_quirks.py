"""Each quirk over a real socket: it does what its name says."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hsframe.errors import MetadataError
from hsframe.kinds import Number, Ref
from hsframe.server.clock import ManualClock
from hsframe.testing import quirk_wrappers
from hsframe.testing.quirks import BUNDLES, QUIRKS, quirks_named

HOURS = 5
NOW = datetime(2026, 11, 10, 17, 7, tzinfo=UTC)


def filled(start: Callable[..., Any], *quirks: str, **options: Any) -> Any:
    """A server whose points kw and temp have samples at 0 to 4 o'clock of the 9th."""
    raw = start(quirks=quirks, **options)
    for id in ("kw", "temp"):
        rows = "".join(f"2026-11-09T{hour:02}:00:00-05:00 New_York,{hour}.1\n" for hour in range(HOURS))
        assert not raw.call("hisWrite", f'ver:"3.0" id:@{id}\nts,val\n{rows}').is_error
    return raw


def hours(raw: Any, span: str) -> list[int]:
    grid = raw.call("hisRead", f'ver:"3.0"\nid,range\n@kw,"{span}"\n')
    assert not grid.is_error, grid
    return [row["ts"].hour for row in grid]


ONE_TO_THREE = "2026-11-09T01:00:00-05:00 New_York,2026-11-09T03:00:00-05:00 New_York"
BATCH = 'ver:"3.0" range:"2026-11-09"\nid\n@kw\n@temp\n'


def test_none(start: Callable[..., Any]) -> None:
    assert hours(filled(start), ONE_TO_THREE) == [1, 2]


@pytest.mark.parametrize(
    ("quirk", "expected"),
    [
        ("start-exclusive", [2, 3]),
        ("ignore-range", [0, 1, 2, 3, 4]),
        ("extra-samples", [0, 1, 2, 3]),
        ("reversed-rows", [2, 1]),
        ("niagara", [2, 3]),
        ("skyspark3", [0, 1, 2, 3]),
        ("haystack-py", [0, 1, 2, 3, 4]),
    ],
)
def test_windows(start: Callable[..., Any], quirk: str, expected: list[int]) -> None:
    assert hours(filled(start, quirk), ONE_TO_THREE) == expected


def test_row_caps(start: Callable[..., Any]) -> None:
    raw = filled(start, "rowcap=2")
    assert "LimitErr: the answer exceeds the limit of 2 rows" in raw.refused(
        "hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n'
    )
    assert hours(raw, ONE_TO_THREE) == [1, 2]
    assert "LimitErr" in raw.refused("hisRead", BATCH)
    raw = filled(start, "rowcap-incomplete=2")
    grid = raw.call("hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n')
    assert len(grid) == 2
    assert grid.meta["incomplete"]["limit"] == Number(2)


@pytest.mark.parametrize("code", [413, 500])
def test_row_caps_by_http(start: Callable[..., Any], code: int) -> None:
    raw = filled(start, f"rowcap-{code}=2")
    assert raw.post("hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n').status == code
    assert hours(raw, ONE_TO_THREE) == [1, 2]


def test_a_body_that_breaks_off(start: Callable[..., Any]) -> None:
    raw = filled(start, "rowcap-cut=2")
    assert hours(raw, ONE_TO_THREE) == [1, 2]
    with pytest.raises(aiohttp.ClientPayloadError):
        hours(raw, "2026-11-09")
    assert raw.get("about").status == 200


def test_a_packed_body_that_was_cut(start: Callable[..., Any]) -> None:
    raw = filled(start, "rowcap-gzip=2")
    assert hours(raw, ONE_TO_THREE) == [1, 2]
    answer = raw.post("hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n')
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    unpacker = zlib.decompressobj(31)
    assert unpacker.decompress(answer.body).startswith(b"ver:")
    assert not unpacker.eof


def test_an_answer_that_never_comes(start: Callable[..., Any]) -> None:
    raw = filled(start, "rowcap-hang=2")
    assert hours(raw, ONE_TO_THREE) == [1, 2]
    with pytest.raises(TimeoutError):
        raw.send("GET", "hisRead", params={"id": "@kw", "range": "2026-11-09"}, timeout_s=0.2)


def test_too_many_points(start: Callable[..., Any]) -> None:
    raw = filled(start, "idcap=1")
    assert "LimitErr: too many points: the limit is 1" in raw.refused("hisRead", BATCH)


def test_a_write_that_is_stored_later(start: Callable[..., Any]) -> None:
    clock = ManualClock(NOW)
    raw = start(quirks=["late-write=2"], clock=clock)
    raw.call("hisWrite", 'ver:"3.0" id:@kw\nts,val\n2026-11-09T00:00:00-05:00 New_York,1kW\n')
    assert hours(raw, "2026-11-09") == []
    clock.advance(2)
    assert hours(raw, "2026-11-09") == [0]


def test_batches(start: Callable[..., Any]) -> None:
    grid = filled(start, "first-id-only").call("hisRead", BATCH)
    assert (grid.col_names, grid.meta["id"]) == (["ts", "val"], Ref("kw"))
    assert "UnknownNameException: range" in filled(start, "no-batch").refused("hisRead", BATCH)
    raw = filled(start, "id0-batch")
    assert "UnknownNameException" in raw.refused("hisRead", BATCH)
    grid = raw.call("hisRead", 'ver:"3.0"\nrange,id0,id1\n"2026-11-09",@kw,@temp\n')
    assert grid.col_names == ["ts", "v0", "v1"]
    assert (grid.meta["id0"], grid.meta["id1"]) == (Ref("kw"), Ref("temp"))
    assert not any(col.meta for col in grid.cols)


def test_a_batch_write_that_is_dropped(start: Callable[..., Any]) -> None:
    raw = start(quirks=["drop-batch-write"])
    request = 'ver:"3.0"\nts,v0 id:@kw\n2026-11-09T00:00:00-05:00 New_York,1kW\n'
    assert not raw.call("hisWrite", request).is_error
    assert hours(raw, "2026-11-09") == []


def test_text_times(start: Callable[..., Any]) -> None:
    grid = filled(start, "text-times").call("hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n')
    assert grid.meta["hisStart"] == "2026-11-09T00:00:00-05:00"


def test_lost_precision(start: Callable[..., Any]) -> None:
    raw = start(quirks=["float32", "floor-1s"])
    raw.call("hisWrite", 'ver:"3.0" id:@kw\nts,val\n2026-11-09T00:00:00.750-05:00 New_York,0.94kW\n')
    (row,) = raw.call("hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n')
    assert row["ts"].microsecond == 0
    assert row["val"].val == pytest.approx(0.9399999976, abs=1e-10)
    assert row["val"].val != 0.94


def test_mixed_zones_are_answered_in_the_first(start: Callable[..., Any]) -> None:
    raw = filled(start, "mixed-zones")
    grid = raw.call("hisRead", 'ver:"3.0" range:"2026-11-09"\nid\n@kw\n@lon\n')
    assert len(grid) == HOURS


def test_the_zone_of_the_range(start: Callable[..., Any]) -> None:
    raw = filled(start, "zone-of-range")
    assert hours(raw, ONE_TO_THREE) == [1, 2]
    assert "RangeErr" in raw.refused("hisRead", 'ver:"3.0"\nid,range\n@kw,"2026-11-09T06:00:00Z UTC"\n')


def test_ops_by_get_only_and_ops_that_are_not_there(start: Callable[..., Any]) -> None:
    raw = start(quirks=["get-only-about"])
    for op in ("about", "ops", "formats", "close"):
        assert raw.post(op, 'ver:"3.0"\nempty\n').status == 405
        assert raw.get(op).status == 200
    assert start(quirks=["no-close"]).post("close", 'ver:"3.0"\nempty\n').status == 404


def test_formats(start: Callable[..., Any]) -> None:
    raw = start(quirks=["zinc-only", "json-v3", "bare-accept"])
    json_body = '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"empty"}],"rows":[]}'
    assert raw.send("POST", "about", json_body, {"Content-Type": "application/json"}).status == 415
    answer = raw.get("read", {"Accept": "application/json"}, filter="site")
    assert "_kind" not in answer.text
    assert "n:1000 ft²" in answer.text
    assert raw.get("about", {"Accept": "text/zinc; charset=utf-8"}).status == 406


def test_slow(start: Callable[..., Any]) -> None:
    import time

    raw = start(quirks=["slow=0.05"])
    started = time.perf_counter()
    raw.get("about")
    assert time.perf_counter() - started >= 0.05


def test_login_pages_and_cookies(start: Callable[..., Any]) -> None:
    raw = start(quirks=["haxall"], users={"demo": "demo"})
    answer = raw.get("about")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert "<h1>" in raw.send("GET", "../login").text
    login = raw.scram("demo", "demo")[-1]
    cookie = login.headers["Set-Cookie"].split(";")[0]
    assert raw.post("about", 'ver:"3.0"\nempty\n').status == 200
    trapped = raw.post("about", 'ver:"3.0"\nempty\n', Cookie=cookie)
    assert (trapped.status, "Attest-Key" in trapped.text) == (400, True)
    raw.server.drop_sessions()
    assert raw.get("about").status == 403


def test_a_read_that_finds_nothing(start: Callable[..., Any]) -> None:
    raw = start(quirks=["widesky"])
    assert raw.get("read", filter="nothingHasThis").status == 404
    assert raw.get("read", filter="site").status == 200


def test_names() -> None:
    assert quirks_named([]) == {}
    assert quirks_named(["rowcap=10", "rowcap=20"]) == {"rowcap": 20}
    assert quirks_named(["niagara", "slow=1.5", "body-limit"]).items() >= {"slow": 1.5, "body-limit": 2**21}.items()
    for bad, words in (("rowcap", "needs a number"), ("rowcap=many", "needs a number"), ("nigara", "niagara")):
        with pytest.raises(MetadataError, match=words):
            quirks_named([bad])
    for parts in BUNDLES.values():
        assert list(quirks_named(parts)) == [part.partition("=")[0] for part in parts]


def test_the_names_in_the_code_are_those_of_the_table() -> None:
    """A quirk that is looked up by a name that nobody can give would never be there."""
    source = Path(quirk_wrappers.__file__).read_text("utf-8")
    looked_up = set(re.findall(r'"([\w-]+)" in quirks|quirks(?:\.get\(|\[)"([\w-]+)"', source))
    looked_up = {name for pair in looked_up for name in pair if name}
    looked_up |= {"rowcap-413", "rowcap-500", "rowcap-cut", "rowcap-hang"}  # in loops
    looked_up |= {*quirk_wrappers.SILENT_CAPS, *quirk_wrappers.VERSIONS}
    assert looked_up == set(QUIRKS)


ALL = "2026-11-09"


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        (["cap-first=2"], [0, 1]),
        (["cap-newest=2"], [3, 4]),
        (["cap-first=2", "reversed-rows"], [1, 0]),
        (["cap-newest=9"], [0, 1, 2, 3, 4]),
        (["point-cap-first=2"], [0, 1]),
        (["point-cap-newest=2"], [3, 4]),
    ],
)
def test_silent_caps(start: Callable[..., Any], quirks: list[str], expected: list[int]) -> None:
    raw = filled(start, *quirks)
    assert hours(raw, ALL) == expected
    assert "hisLimit" not in raw.call("hisRead", BATCH).meta
    limited = filled(start, *quirks, "his-limit").call("hisRead", BATCH)
    assert limited.meta["hisLimit"] == Number(float(quirks[0].partition("=")[2]))


def test_a_silent_cap_of_a_batch(start: Callable[..., Any]) -> None:
    later = 'ver:"3.0" id:@temp\nts,val\n2026-11-09T06:00:00-05:00 New_York,6\n2026-11-09T07:00:00-05:00 New_York,7\n'
    for quirk, expected in [
        ("cap-first=5", ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])),
        ("cap-newest=3", ([4], [4, 6, 7])),
        ("point-cap-newest=2", ([3, 4], [6, 7])),
        ("point-cap-first=6", ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 6])),
    ]:
        raw = filled(start, quirk)
        raw.call("hisWrite", later)
        rows = list(raw.call("hisRead", BATCH))
        found = tuple([row["ts"].hour for row in rows if row.get(name) is not None] for name in ("v0", "v1"))
        assert found == expected, quirk


def test_mixed_up_answers(start: Callable[..., Any]) -> None:
    raw = filled(start, "mixed-up=2")
    assert hours(raw, ALL) == [0, 1, 2, 3, 4]
    assert hours(raw, ONE_TO_THREE) == [0, 1, 2, 3, 4], "the answer of the one before"
    assert hours(raw, ONE_TO_THREE) == [1, 2]
    assert hours(raw, ALL) == [0, 1, 2, 3, 4]
