"""Version 5 of the protocol: what was recorded of Haxall is answered in the same shape, and what is ours alone."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from hsframe.codecs import decode
from hsframe.codecs.jeto import decode_jeto
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.clock import Clock
from hsframe.server.database import Database
from hsframe.server.ops import OPS
from hsframe.server.ops.his_write import his_write
from hsframe.server.ops.typed import OPS5
from hsframe.server.state import Call, State
from hsframe.testing.server import running_server
from tests.server.conftest import Raw

WIRE: Final = Path(__file__).parent.parent / "data" / "wire" / "haxall-v5.jsonl.gz"
EXCHANGES: Final[list[dict[str, Any]]] = [json.loads(line) for line in gzip.decompress(WIRE.read_bytes()).splitlines()]
JSON: Final = {"Xeto-Version": "5", "Content-Type": "application/json"}
ZINC: Final = {"Xeto-Version": "5", "Content-Type": "text/zinc", "Accept": "text/zinc"}

# Ops that this server has not, and logins, which need a server with users.
LEFT_OUT: Final = ("eval", "kinds", "text", "openapi", "auth", "close")
# What is otherwise here, and why.
OTHERWISE: Final = {
    "Accept: text/xeto": "not a format of this server",
    "Accept: text/xml": "not a format of this server",
    "expr is a number": "there is no eval",
    "eval that throws, Zinc": "there is no eval",
    "GET on a POST-only op: eval": "there is no eval",
    "invokeAction, no op of version 5": "an op of this server",
    "file": "there is no file",
    "ext": "there is no ext",
    "not UTF-8": "the client is to blame: 400",
    "gzip body": "a packed request is not read",
    "no op in the path": "a page for people",
    "unknown project": "there are none",
    "HEAD is not implemented, and is answered with a body": "without a body, as HTTP has it",
    "an unescaped [ in the query: refused before the API": "refused by the API",
    "== not escaped in the query": "read as what it can only mean",
    "an HTTP fault without a version header: still this JSON, and still Xeto-Version: 5": "a line of text",
    "no tz name": "the offset says it",
    "ts without a tz name": "the offset says it",
    "tz of the points mixed, no tz: that of the first": "refused, for all times would be in another zone",
    "tz of the points mixed, tz given": "not all of those samples were recorded",
    "duration as a JSON number": "in seconds",
    "watchPoll, first: everything": "only what has changed since watchSub sent it",
    "watchPoll, curVal changed": "nobody changes it here",
}


def bytes_of(text: dict[str, str]) -> bytes:
    return text["text"].encode() if "text" in text else base64.b64decode(text["base64"])


@cache
def recorded_records() -> list[dict[str, Any]]:
    """The records that were recorded, and those of which only the history was."""
    found: dict[str, dict[str, Any]] = {}
    for one in EXCHANGES:
        if one["file"].endswith(".zinc") and one["file"].startswith(("read", "nav", "watch")) and one["status"] == 200:
            for row in decode(bytes_of(one["body"]), "zinc"):
                rec: dict[str, Any] = dict(row)
                if len(rec) > 4 and "id" in rec:
                    rec.pop("navId", None)
                    found.setdefault(rec["id"].val, rec)
    point = {"point": MARKER, "tz": "London", "siteRef": Ref("site-lon")}
    kinds = {"p-lon-t": "Number", "p-lon-run": "Bool", "p-lon-alarm": "Str", "p-empty": "Number", "p-nohis": "Number"}
    for id, kind in kinds.items():
        his = {} if id == "p-nohis" else {"his": MARKER, "unit": "°C" if id == "p-lon-t" else None}
        found.setdefault(id, {"id": Ref(id), "dis": id, "kind": kind, **point, **his})
    meter = {"id": Ref("meter-1"), "dis": "BNE Main Meter", "equip": MARKER, "siteRef": Ref("site-bne")}
    found.setdefault("meter-1", meter)
    first = ["site-ny", "site-lon", "site-bne"]  # the first one that a filter finds
    return [found[id] for id in dict.fromkeys([*first, *found])]


@cache
def recorded_histories() -> list[Grid]:
    return [
        decode(bytes_of(one["body"]), "zinc")
        for one in EXCHANGES
        if one["file"] == "hisRead.zinc" and one["headers"].get("content-type", "").startswith("text/zinc")
    ]


@pytest.fixture
def recorded() -> Iterator[Raw]:
    """A server with what was recorded."""
    database = Database(recorded_records())
    state = State(database, Clock())
    for read in recorded_histories():
        his_write(Call("hisWrite", Grid({"id": read.meta["id"]}, ["ts", "val"], read.columns), state, ""))
    with running_server(database, users={}) as server:
        yield Raw(server)


def shape(status: int, headers: Any, body: bytes) -> Any:
    """What a client sees of an answer, but for the columns and the values of records that change."""
    mime, told = headers.get("content-type", ""), (status, headers.get("content-type"), headers.get("xeto-version"))
    if status != 200:
        told_in_body = json.loads(body)
        assert told_in_body["status"] == status
        assert told_in_body["dis"]
        return *told, told_in_body["spec"], sorted(told_in_body.keys() - {"errTrace", "dis"})
    value: Any = decode(body, "zinc") if "zinc" in mime else None
    if mime == "application/json":
        value = decode(body, "json4") if b"_kind" in body else decode_jeto(body) if b'"ver"' not in body else None
    if isinstance(value, Grid):
        rows: list[dict[str, Any]] = list(map(dict, value))
        of = value.meta.get("of")
        if of is not None or value.has_col("serverName"):
            return *told, "grid", of, rows[0].get("spec") if told[2] else None
        sites = [row for row in rows if str(row.get("id", "")).startswith("@site")]
        if value.has_col("navId"):
            sites.sort(key=lambda row: str(row["id"]))
        return *told, "grid", len(rows), sites, [row.get("val") for row in rows if "ts" in row]
    if isinstance(value, dict):
        return *told, "dict", value.get("spec"), value if "site" in value else None
    return *told, type(value).__name__


FILES: Final = [file for file in dict.fromkeys(one["file"] for one in EXCHANGES) if file.split(".")[0] not in LEFT_OUT]
# Of a watch and of a record that were made.
OURS: Final = [
    re.compile(rb"w-[0-9a-f-]{8,}"),
    re.compile(rb"\b[0-9a-f]{8}-[0-9a-f-]{8,}"),
    re.compile(rb"20[\d:.T-]{15,24}Z"),
]


@pytest.mark.parametrize("file", FILES)
def test_what_was_recorded_is_answered_alike(recorded: Raw, file: str) -> None:
    instead: dict[bytes, bytes] = {}
    for one in EXCHANGES:
        if one["file"] != file or one["name"] in OTHERWISE:
            continue
        body, path = bytes_of(one["request"]), one["path"].removeprefix("/api/sys/")
        for theirs, ours in instead.items():
            body, path = body.replace(theirs, ours), path.replace(theirs.decode(), ours.decode())
        headers = {name: text for name, text in one["request_headers"].items() if name != "connection"}
        answer = recorded.send(one["method"], path, body if one["method"] == "POST" else None, headers)
        expected = bytes_of(one["body"])
        if one["status"] == answer.status == 200 and file.startswith(("watch", "commit")):
            for pattern in OURS:
                if (theirs := pattern.search(expected)) and (ours := pattern.search(answer.body)):
                    instead[theirs[0]] = ours[0]
        got = shape(answer.status, answer.headers, answer.body)
        assert got == shape(one["status"], one["headers"], expected), one["name"]


# ---- what is ours


def asked(raw: Raw, op: str, args: dict[str, Any] | str, **headers: str) -> Any:
    """The answer to arguments in Jeto, or the error as a dict."""
    body = args if isinstance(args, str) else json.dumps(args)
    answer = raw.send("POST", op, body, {**JSON, "Accept": "application/json", **headers})
    assert answer.headers["Xeto-Version"] == "5"
    assert answer.headers["Content-Type"] == "application/json"
    value: Any = json.loads(answer.body) if answer.status != 200 else decode_jeto(answer.body)
    return value


def test_every_op_does_the_work_of_one_of_version_4(raw: Raw) -> None:
    assert {op.op for op in OPS5} == set(OPS) - {"formats", "defs"} | {"eval"}
    listed = {row["qname"]: row for row in asked(raw, "ops", {})}
    served = [op for op in OPS5 if op.op in OPS]
    assert listed.keys() == {op.qname for op in served}
    for op in served:
        assert ("noSideEffects" in listed[op.qname]) == OPS[op.op].get
        assert listed[op.qname]["doc"]


@pytest.mark.parametrize("version", ["4", "5"])
def test_a_token_that_is_known_no_more(start: Callable[..., Raw], version: str) -> None:
    raw = start(users={"ann": "s3cret"})
    raw.scram("ann", "s3cret")
    headers = {"Xeto-Version": version}
    assert raw.get("about", headers).status == 200
    raw.server.drop_sessions()
    answer = raw.get("about", headers)
    assert answer.status == (401 if version == "4" else 403)
    if version == "5":
        assert json.loads(answer.body)["spec"] == "sys.api::AuthErr"
        assert "WWW-Authenticate" not in answer.headers


def test_a_login_is_the_same_in_both_versions(start: Callable[..., Raw]) -> None:
    raw = start(users={"ann": "s3cret"})
    for authorization, status in (("", 401), ("HELLO username=YW5u", 401), ("Bearer 12", 400), ("HELLO x=1", 400)):
        answer = raw.get("about", {"Xeto-Version": "5", "Authorization": authorization})
        assert answer.status == status, authorization
        if status == 401:
            assert "WWW-Authenticate" in answer.headers
        else:
            assert json.loads(answer.body)["spec"] == "sys.api::AuthErr"


def test_close_ends_the_session(start: Callable[..., Raw]) -> None:
    raw = start(users={"ann": "s3cret"})
    raw.scram("ann", "s3cret")
    assert asked(raw, "sys.api::close", {}) is None
    assert asked(raw, "close", {})["spec"] == "sys.api::AuthErr"


def test_who_may_not_is_told_so_with_403(start: Callable[..., Raw]) -> None:
    raw = start(users={"ann": "s3cret"}, roles={"ann": "viewer"})
    raw.scram("ann", "s3cret")
    error = asked(raw, "hisWrite", {"req": {"cols": [{"name": "ts"}, {"name": "val"}], "rows": []}})
    assert (error["spec"], error["status"]) == ("sys.api::PermissionErr", 403)
    assert "ph.api::hisWrite" not in [row["qname"] for row in asked(raw, "ops", {})]


def test_how_long_to_wait_is_told_twice(start: Callable[..., Raw]) -> None:
    raw = start(users={"ann": "s3cret"}, scheme="basic")
    for _ in range(6):
        answer = raw.get("about", {"Xeto-Version": "5", "Authorization": "Basic YW5uOng="})
    assert answer.status == 429
    error = json.loads(answer.body)
    assert (error["spec"], error["retryAfter"]) == ("sys.api::RateLimitErr", answer.headers["Retry-After"] + "sec")


@pytest.mark.parametrize(
    ("quirk", "version", "spoken"),
    [
        ("only-4", "5", ["4"]),
        ("only-4", "4", None),
        ("only-5", "4", ["5"]),
        ("only-5", "5", None),
        ("no-versions", "5", None),
    ],
)
def test_a_server_of_one_version(start: Callable[..., Raw], quirk: str, version: str, spoken: list[str] | None) -> None:
    raw = start(quirks=[quirk])
    answer = raw.get("about", {"Xeto-Version": version, "Accept": "text/zinc"})
    if spoken is not None:
        assert answer.status == 400
        error = json.loads(answer.body)
        assert (error["spec"], error["allow"]) == ("sys.api::UnsupportedVersionErr", spoken)
        assert answer.headers["Xeto-Version"] == spoken[0]
    else:
        versions = {"only-4": ["4"], "only-5": ["5"], "no-versions": None}[quirk]
        assert answer.grid[0].get("protocolVersions") == versions
        assert ("Xeto-Version" in answer.headers) == (quirk == "only-5")


def test_a_query_of_version_4_may_name_its_version(raw: Raw) -> None:
    assert len(raw.get("read", filter="point", limit="2", **{"xeto-version": "4"}).grid) == 2


def test_what_an_of_types_is_a_number_and_what_nothing_types_is_none(raw: Raw) -> None:
    noon = "2026-11-09T12:00:00-05:00 New_York"
    for of, status in (({"of": "sys::Number"}, None), ({}, 500)):
        req = {
            "meta": {"id": {"val": "kw", "spec": "sys::Ref"}},
            "cols": [{"name": "ts", "of": "sys::DateTime"}, {"name": "val", **of}],
            "rows": [{"ts": noon, "val": 4.5}],
        }
        answer = asked(raw, "hisWrite", {"req": req})
        assert (None if isinstance(answer, Grid) else answer["status"]) == status
    read = asked(
        raw,
        "hisRead",
        {
            "req": {
                "cols": [{"name": "id", "of": "sys::Ref"}, {"name": "range"}],
                "rows": [{"id": "kw", "range": "2026-11-09"}],
            }
        },
    )
    assert read.column("val") == [Number(4.5, "kW")]


def test_a_search_comes_before_the_limit(raw: Raw) -> None:
    one = {"val": "1", "spec": "sys::Number"}
    found = asked(raw, "readAll", {"filter": "point", "opts": {"search": "power", "limit": one}})
    assert found.column("dis") == ["Power"]
    assert len(asked(raw, "readAll", {"filter": "point", "opts": {"search": "no such"}})) == 0


@pytest.mark.parametrize(
    ("args", "status"),
    [
        ({"filter": "point", "opts": {"limit": {"val": "-1", "spec": "sys::Number"}}}, 500),
        ({"filter": "point", "opts": {"search": "a", "limit": {"val": "NaN", "spec": "sys::Number"}}}, 500),
        ({"filter": " or ".join(["a"] * 1_001)}, 400),
        ({"opts": {}}, 400),
        ({"filter": "point", "opts": {"a b": 1}}, 400),
        ('{"filter":"point","filter":"site"}', 400),
        ("[" * 100_000, 400),
        ({"filter": "point", "opts": {"x": {"spec": "sys::Grid", "cols": 5}}}, 400),
    ],
)
def test_what_is_wrong_with_arguments(raw: Raw, args: Any, status: int) -> None:
    assert asked(raw, "readAll", args)["status"] == status


def test_of_an_op_for_viewers_so_many_cells_are_read(raw: Raw) -> None:
    req = {"cols": [{"name": "a"}], "rows": [{"a": "x"}] * 100_001}
    answer = raw.send("POST", "nav", json.dumps({"req": req}), JSON)
    assert answer.status == 413
    assert "the body has more than 100,000 cells" in answer.text


def test_an_answer_is_packed_where_that_is_asked_for(raw: Raw) -> None:
    answer = raw.send("GET", "ops", None, {"Xeto-Version": "5", "Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(decode_jeto(gzip.decompress(answer.body))) == sum(op.op in OPS for op in OPS5)
