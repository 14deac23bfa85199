"""What was asked and answered, in a file: the same frame in another process, and no secret in its bytes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from aiohttp import web
from hypothesis import example, given, settings

import hsframe
from hsframe import Grid, cli
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.dialects import forget
from hsframe.server.database import Database
from hsframe.server.demo import demo_building
from hsframe.server.run import listening
from hsframe.server.state import Call
from hsframe.testing import serve
from hsframe.testing.quirk_wrappers import Run, wrap_op
from hsframe.testing.recording import record, replay
from hsframe.testing.server import on_thread, running_server
from tests.protocol.test_secrets import ENCODINGS, ESCAPES, PASSWORDS
from tests.session.connected import break_point

SPAN = "2026-10-30,2026-11-03"
QUIRKS = [
    (),
    ("haystack-py",),
    ("niagara",),
    ("haxall",),
    ("rowcap-cut=100",),
    ("skyspark3", "rowcap=100"),
    ("outage",),
]

READ = """
import sys, hsframe
from hsframe.testing import replay
file, points, format, target = sys.argv[1:]
with replay(file) as uri, hsframe.connect(uri, "ann", "any", format=format):
    df = hsframe.his_read(points, "2026-10-30,2026-11-03", tz="UTC")
hsframe.write_parquet(df, target)
"""


@pytest.fixture(scope="module")
def building() -> Any:
    return demo_building(pd.Timestamp("2026-11-10", tz="UTC").to_pydatetime(), days=20)


@pytest.mark.parametrize("quirks", QUIRKS, ids=",".join)
@pytest.mark.parametrize(("format", "rename"), [("zinc", False), ("json", True)])
def test_a_replay_gives_the_same_frame(
    building: Any, quirks: tuple[str, ...], format: str, rename: bool, tmp_path: Path
) -> None:
    file, who = tmp_path / "case.jsonl", {"ann": "S3cret-Pencil24"}
    with (
        running_server(building, who, quirks) as server,
        record(file, rename=rename) as names,
        hsframe.connect(server.uri, "ann", "S3cret-Pencil24", format=format) as session,
    ):
        about = session.about()
        df = session.his_read("power", SPAN, tz="UTC")
    ids = df.hs.points["id"]
    with replay(file) as uri, hsframe.connect(uri, format=format) as session:
        again = session.his_read("power", SPAN, tz="UTC")
        assert session.about().shape == about.shape
    pd.testing.assert_frame_equal(again, df)
    assert again.hs.points["id"].tolist() == [names.get(id, id) for id in ids]
    assert rename == bool(names)
    text = file.read_text()
    for told in (*(f"@{id}" for id in ids), f'"{next(iter(ids))}', "Demo building", '\\"ann\\"'):
        assert told not in text or not rename, told
    assert "S3cret" not in text


@pytest.mark.one_python
def test_a_replay_in_another_process(building: Any, tmp_path: Path) -> None:
    file, target = tmp_path / "case.jsonl", tmp_path / "again.parquet"
    with running_server(building) as server, record(file), hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read("power", SPAN, tz="UTC")
    subprocess.run([sys.executable, "-W", "error", "-c", READ, file, "power", "zinc", target], check=True, timeout=60)
    again = hsframe.read_parquet(target)
    pd.testing.assert_frame_equal(again, df, check_freq=False)
    assert again.hs.points.equals(df.hs.points)


def forms_of(secret: str) -> list[str]:
    return [
        *("".join(map(escape, secret)) for escape in ESCAPES.values()),
        *(encode(secret) for encode in ENCODINGS.values()),
    ]


class Telling:
    """A server that logs in by PLAINTEXT, and says all that it knows, in each way to write it."""

    def __init__(self, password: str, token: str) -> None:
        self.secrets = [password, token, "a-key-0f-the-api"]
        self.asked: list[str] = []

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        self.asked.append(authorization)
        if authorization.startswith("HELLO"):
            return web.Response(status=401, headers={"WWW-Authenticate": "PLAINTEXT"})
        if authorization.startswith("PLAINTEXT"):
            return web.Response(headers={"Authentication-Info": f"authToken={self.secrets[1]}"})
        told = [authorization, *(form for secret in self.secrets for form in forms_of(secret))]
        texts = [text.encode("utf-8", "replace").decode() for text in told]
        if request.match_info["op"] == "read":
            grid = hsframe.Grid({}, ["dis"], [texts])
            return web.Response(
                body=hsframe.encode(grid, "zinc"), content_type="text/zinc", headers={"Set-Cookie": "a=b"}
            )
        reason = "it says " + texts[1] if texts[1].isprintable() and texts[1].isascii() else None
        return web.Response(status=500, reason=reason, text="\n|".join(texts))

    @asynccontextmanager
    async def running(self) -> Any:
        app = web.Application()
        app.router.add_route("*", "/api/{op}", self._handle)
        async with listening(app) as uri:
            yield uri


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings_in([*value, *value.values()])
    elif isinstance(value, list):
        for one in value:
            yield from strings_in(one)


@example("S3cret-Pencil24")
@example("pénc1l +/%?!%41")
@given(PASSWORDS.map(lambda text: text + "pass1"))
@settings(max_examples=5)
def test_no_secret_is_in_the_bytes(password: str) -> None:
    """In a file of requests that fail and of data, whatever the server says, and however it writes it."""
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"hsframe-recording-{os.getpid()}-{threading.get_ident()}.jsonl"
    server = Telling(password, token := "tok-1-q8Zx" + base64.urlsafe_b64encode(password.encode()).decode().rstrip("="))
    options: dict[str, Any] = {"headers": {"X-Api-Key": server.secrets[2]}, "retries": 0}
    try:
        with (
            on_thread(server.running) as uri,
            record(file),
            hsframe.connect(uri, "ann", password, **options) as session,
        ):
            session.read("point")
            with pytest.raises(hsframe.HTTPStatusError):
                session.call("eval", hsframe.Grid({}, ["expr"], [[f"login({password})"]]))
        found = file.read_bytes()
    finally:
        file.unlink()
    assert any(token in asked for asked in server.asked)
    lines = [json.loads(line) for line in found.splitlines()]
    assert [line.get("op") for line in lines[1:]] == ["read", "eval", "close"]
    texts = [found.decode(), *(text for line in lines for text in strings_in(line))]
    assert "<secret>" in texts[0]
    for secret in server.secrets:
        for form in forms_of(secret):
            part = form[4:-4] if len(form) > 16 else form
            assert not [text for text in texts if form in text or (len(part) > 12 and part in text)], form
    assert "X-Api-Key" not in texts[0]
    assert "Authorization" not in texts[0]


def test_what_was_not_recorded_is_named_with_what_is_nearest(building: Any, tmp_path: Path) -> None:
    file = tmp_path / "case.jsonl"
    with running_server(building) as server, record(file), hsframe.connect(server.uri, "demo", "demo") as session:
        meter = session.read("siteMeter and equip").id[0]
        point = session.read(f"power and equipRef == @{meter}", 1)
        session.his_read(point, SPAN)
    with replay(file) as uri, hsframe.connect(uri) as session:
        with pytest.raises(
            hsframe.HTTPStatusError, match=r"not recorded: read(All)? filter,\w+ \"power and .*nearest is read"
        ):
            session.read(f"power and equipRef == @{meter}", 2)
        with pytest.raises(
            hsframe.HTTPStatusError, match=r"not recorded: hisRead .*2026-10-04T23.*; nearest is hisRead .*2026-10-29"
        ):
            session.his_read(point, "2026-10-05")
        with pytest.raises(hsframe.HTTPStatusError, match=r"not recorded: nav .*; nothing of nav is"):
            session.nav()


def test_a_session_that_was_lost_is_replayed_without_a_login(building: Any, tmp_path: Path) -> None:
    file = tmp_path / "case.jsonl"
    with running_server(building) as server, record(file), hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.read("site")
        server.drop_sessions()
        session.read("equip")
    with replay(file) as uri, hsframe.connect(uri) as session:
        pd.testing.assert_frame_equal(session.read("site"), df)
        assert len(session.read("equip"))
    with replay(file) as uri, hsframe.connect(uri, "demo", "demo") as session:
        assert len(session.read("equip"))


@pytest.mark.parametrize(
    ("quirk", "recorded", "replayed"), [("only-4", "auto", "auto"), ("only-5", "auto", "auto"), ("only-5", 5, "auto")]
)
def test_a_replay_speaks_the_version_that_was_recorded(
    building: Any, tmp_path: Path, quirk: str, recorded: Any, replayed: Any
) -> None:
    def read(uri: str, version: Any, limit: int) -> tuple[list[str], pd.DataFrame]:
        with hsframe.connect(uri, "demo", "demo", version=version) as session:
            session.about()  # which is asked alike in both versions: the refused one is not replayed
            return session.read("site", limit=limit)["dis"].tolist(), session.his_read("power", SPAN, tz="UTC")

    with running_server(building, quirks=[quirk]) as server, record(tmp_path / "case.jsonl"):
        names, seen = read(server.uri, recorded, 1)
    with replay(tmp_path / "case.jsonl") as uri:
        for version in (replayed, 4 if quirk == "only-4" else 5):
            forget(uri)
            again, df = read(uri, version, 1)
            assert again == names
            pd.testing.assert_frame_equal(df, seen)
        if quirk == "only-5":
            with pytest.raises(hsframe.MetadataError, match=r"but 5; version=.auto."):
                read(uri, 4, 1)
        else:
            said = "recorded in version 4 .*, and this is version 5"
            with hsframe.connect(uri, version=5) as other, pytest.raises(hsframe.HTTPStatusError, match=said):
                other.read("site")
        forget(uri)
        with pytest.raises(hsframe.HTTPStatusError, match="not recorded: read"):
            read(uri, "auto", 2)


def test_equal_requests_get_their_answers_in_order(tmp_path: Path) -> None:
    file = tmp_path / "case.jsonl"
    database = demo_building(days=1)
    with running_server(database) as server, record(file), hsframe.connect(server.uri, "demo", "demo") as session:
        first = session.read("site")
        database.update(first.id[0], {"dis": "changed"})
        assert session.read("site").dis[0] == "changed"
    with replay(file) as uri, hsframe.connect(uri) as session:
        found = [session.read("site").dis[0] for _ in range(3)]
    assert found == [first.dis[0], "changed", "changed"]


def test_what_broke_off_breaks_off_again(building: Any, tmp_path: Path) -> None:
    file = tmp_path / "case.jsonl"
    with (
        running_server(building, quirks=["rowcap-cut=1"]) as server,
        record(file),
        hsframe.connect(server.uri, "demo", "demo", retries=0) as session,
        pytest.raises(hsframe.HsFrameError) as first,
    ):
        session.his_read("@bne-meter-kw", "2026-11-01", tz="UTC")
    with replay(file) as uri, hsframe.connect(uri, retries=0) as session, pytest.raises(type(first.value)):
        session.his_read("@bne-meter-kw", "2026-11-01", tz="UTC")
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    assert False in {line["whole"] for line in lines if line["op"] == "hisRead"}


@pytest.mark.parametrize("quirks", [(), ("no-batch",), ("rowcap=100",)], ids=",".join)
def test_a_read_of_several_points_fails_again(quirks: tuple[str, ...], tmp_path: Path) -> None:
    """What was asked beside the request that failed, and has no answer since, is not what fails."""
    file, database = tmp_path / "case.jsonl", demo_building(days=20)
    break_point(database, "lon-meter-kw")

    def read(uri: str) -> str:
        with hsframe.connect(uri, "demo", "demo", retries=0) as session, pytest.raises(hsframe.CallError) as caught:
            session.his_read("power", ("2026-10-30", "2026-11-03"), tz="UTC")
        return str(caught.value).replace(uri, "")

    with running_server(database, quirks=quirks) as server, record(file):
        first = read(server.uri)
    assert "the disk is broken" in first
    for _ in range(3):
        with replay(file) as uri:
            assert read(uri) == first


@pytest.mark.parametrize("begins", ["before", "within"])
def test_a_request_at_either_end_of_a_recording_goes_on_and_is_left_out(begins: str, tmp_path: Path) -> None:
    file, runs, may_end = tmp_path / "case.jsonl", threading.Event(), threading.Event()

    def wait(call: Call, run: Run) -> Grid:
        runs.set()
        assert may_end.wait(30)
        return run(call)

    with running_server(demo_building(days=1)) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        session.about()
        wrap_op(server.app, "read", wait)
        with ThreadPoolExecutor(1) as pool, ExitStack() as recording:
            if begins == "within":
                recording.enter_context(record(file))
            reading = pool.submit(session.read, "site")
            assert runs.wait(30)
            if begins == "before":
                recording.enter_context(record(file))
            else:
                recording.close()
            may_end.set()
            assert len(reading.result()) > 1
    assert len(file.read_text().splitlines()) == 1


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    file = tmp_path / "case.jsonl"
    with pytest.raises(hsframe.MetadataError, match=r"case\.jsonl cannot be read"), replay(file):
        pass
    for text, line in (("", 1), ("{}", 1), ('{"recording": 1}\n{"op": 1}', 2), ('{"recording": 1}\nno', 2), ("é", 0)):
        file.write_text(text, "utf-8")
        told = f"line {line}, is not of a recording" if line else "cannot be read"
        with pytest.raises(hsframe.MetadataError, match=told), replay(file):
            pass
    file.write_text('{"recording": 7}')
    with pytest.raises(hsframe.MetadataError, match="format 7"), replay(file):
        pass
    with pytest.raises(hsframe.MetadataError, match="cannot be written"), record(tmp_path / "no" / "case.jsonl"):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_disk_is_named_when_the_block_ends(building: Any) -> None:
    words = "^/dev/full cannot be written: No space left on device; make room and repeat it$"
    with (
        pytest.raises(hsframe.MetadataError, match=words),
        running_server(building) as server,
        record("/dev/full"),
        hsframe.connect(server.uri, server.user, server.password) as session,
    ):
        assert len(session.read("site")) == 3
    with pytest.raises(FileNotFoundError), record("/dev/full"):
        os.stat("/nowhere")  # an error of the block is its own


@pytest.mark.one_python
def test_the_doctor_records_what_it_asks(
    building: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "case.jsonl"
    monkeypatch.setenv("HSFRAME_PASSWORD", "S3cret-Pencil24")
    with running_server(building, {"ann": "S3cret-Pencil24"}) as server:
        assert cli.main(["doctor", server.uri, "--user", "ann", "--record", str(file), "--rename"]) == 0
    told = capsys.readouterr()
    assert "reachable" in told.out
    assert f"{file} has {file.stat().st_size / 1e6:,.1f} MB; records, names and values are in it" in told.err
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    assert {"about", "read", "hisRead", "ops"} <= {line["op"].removesuffix("All") for line in lines}
    assert "S3cret" not in file.read_text()
    assert "127.0.0.1" not in file.read_text()
    with replay(file) as uri, hsframe.connect(uri, format="zinc") as session:
        assert session.about().serverName[0] == "server"


def everything(session: Any, name_of: Any) -> list[Any]:
    """What is asked and answered, in each way in which an id may be written."""
    site, point = (Ref(name_of(id)) for id in ("a-site", "a-point"))
    asked = [
        lambda: session.read_by_ids([site.val])["dis"].tolist(),
        lambda: session.nav(site.val)["dis"].tolist(),
        lambda: session.run(lambda client: client.read(f"siteRef == @{site.val}", raw=True)).column("dis"),
        lambda: session.call("readById", id=site)["dis"],
        lambda: session.call("readById", id=point.val)["dis"],
        lambda: session.call("readByIds", ids=[point, site], checked=False).column("dis"),
        lambda: session.call("readByIds", ids=[point.val], checked=False).column("dis"),
        lambda: session.call("readAll", filter="point", opts={"limit": 1, "nearRef": Ref(point.val, "near")}),
        lambda: session.call("hisRead", req=Grid({}, ["id", "range"], [[point], ["2026-11-01"]])).col_names,
        lambda: session.call("pointWrite", id=Ref(name_of("a-point")), level=8, val=Number(1, "kW")),
        lambda: session.call("pointWrite", Grid({}, ["id", "level"], [[point.val], [8]])),
        lambda: session.call("readById", id=Ref(name_of("a-missing"))),
        lambda: session.call("readById", id=name_of("a-lost")),
        lambda: session.call("read", filter="site", checked=False),
    ]
    answers: list[Any] = []
    for ask in asked:
        try:
            answer = ask()
            answers.append(len(answer) if isinstance(answer, Grid | dict) else answer)
        except hsframe.HsFrameError as error:
            answers.append(type(error))
    return answers


@pytest.mark.version4
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("format", ["zinc", "json", "json3"])
def test_ids_are_renamed_however_they_are_written(tmp_path: Path, version: Any, format: str) -> None:
    records = [
        {"id": Ref("a-site", "A site"), "dis": "A site", "site": MARKER, "tz": "New_York"},
        {
            "id": Ref("a-point"), "dis": "A point", "point": MARKER, "his": MARKER, "writable": MARKER,
            "kind": "Number", "unit": "kW", "tz": "New_York", "siteRef": Ref("a-site"), "spec": Ref("lib.a-b::Point"),
        },
    ]  # fmt: skip
    file = tmp_path / "case.jsonl"
    with running_server(Database(records)) as server, record(file, rename=True) as names:
        settings: dict[str, Any] = {"version": version, "format": format}
        with hsframe.connect(server.uri, "demo", "demo", **settings) as session:
            seen = everything(session, str)
    assert set(names) == {"a-site", "a-point", "a-missing", "a-lost"}
    assert sorted(names.values()) == ["id-1", "id-2", "id-3", "id-4"]
    text = file.read_text()
    for id in names:
        assert id not in text
    assert "lib.a-b::Point" in text
    with replay(file) as uri, hsframe.connect(uri, **settings) as session:
        assert everything(session, names.get) == seen


@pytest.mark.parametrize("format", ["json", "json3"])
def test_a_user_who_is_called_as_a_tag_is_no_other_column(tmp_path: Path, format: str) -> None:
    file = tmp_path / "case.jsonl"
    records = [{"id": Ref("a"), "kind": "Number", "site": MARKER, "dis": "kind"}]
    with (
        running_server(Database(records), {"kind": "pencil-24"}) as server,
        record(file, rename=True),
        hsframe.connect(server.uri, "kind", "pencil-24", format=format) as session,
    ):
        session.about()
        seen = session.read("site")
    with replay(file) as uri, hsframe.connect(uri, format=format) as session:
        assert session.about()["whoami"].tolist() == ["user"]
        again = session.read("site")
    assert again.columns.tolist() == seen.columns.tolist()
    assert again["kind"].tolist() == ["Number"]


def test_a_point_that_is_called_as_its_unit_is_read_as_before(tmp_path: Path) -> None:
    file = tmp_path / "case.jsonl"
    df = pd.DataFrame({"kW": [1.0, 2.0]}, pd.date_range("2026-11-01", periods=2, freq="1h", tz="UTC"))
    with serve(df) as uri, record(file, rename=True) as names, hsframe.connect(uri) as session:
        seen = session.his_read(["kW"], "2026-11-01")
    with replay(file) as uri, hsframe.connect(uri) as session:
        again = session.his_read([names["kW"]], "2026-11-01")
    assert again.dtypes.tolist() == seen.dtypes.tolist()
    assert again.to_numpy().tolist() == seen.to_numpy().tolist()
