"""What a folder that is served was written to, and keeps: also where the server is killed."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hsframe
from hsframe import cli
from hsframe.codecs import decode
from hsframe.errors import CallError, MetadataError
from hsframe.grid import Grid
from hsframe.server.folder import parquet_folder
from hsframe.server.written import FILE
from hsframe.testing.server import running_server
from tests.archive.test_disks import Disk
from tests.server.conftest import Raw

# As often is the server killed; HSFRAME_KILLS=50 takes three minutes.
KILLS = int(os.environ.get("HSFRAME_KILLS", "3"))
DAY = "2026-11-01"
ROWS = 50


def write(folder: Path, unit: str = "kW") -> None:
    times = (
        pa.array([f"{DAY}T0{hour}:00:00" for hour in range(3)]).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    )
    columns = {
        "ts": times,
        "a": [0.0, 1.0, 2.0],
        "b": [0.0, 1.0, 2.0],
        "on": [True, False, True],
        "mode": ["x", "y", ""],
    }
    table = pa.table(columns)
    told = {
        "a": {"hsframe:id": "a", "hsframe:unit": unit},
        **{name: {"hsframe:id": name} for name in ("b", "on", "mode")},
    }
    pq.write_table(
        table.cast(pa.schema([one.with_metadata(told.get(one.name)) for one in table.schema])), folder / "t.parquet"
    )


def cells(raw: Raw, point: str) -> list[str]:
    """The hours and the values of a day."""
    grid = raw.call("hisRead", f'ver:"3.0"\nid,range\n@{point},"{DAY}"\n')
    return [f"{row['ts'].hour} {row['val']}" for row in grid]


BATCH = f"""ver:"3.0"
ts,v0 id:@a,v1 id:@b,v2 id:@on,v3 id:@mode
{DAY}T00:00:00Z UTC,R,,F,NA
{DAY}T01:00:00Z UTC,NA,NaN,R,"a
"b
{DAY}T03:00:00Z UTC,-INF,1e300,NA,"é°😀"
{DAY}T04:00:00Z UTC,7kW,,T,R
""".replace('"a\n"b', '"a\\n\\"b"')


def test_what_was_written_is_there_after_a_restart_in_all_kinds(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "t.parquet").read_bytes()
    seen = []
    for _ in range(3):
        with running_server(parquet_folder(tmp_path), users={}) as server:
            raw = Raw(server)
            seen.append([cells(raw, point) for point in ("a", "b", "on", "mode")])
            if len(seen) == 1:
                assert sorted(os.listdir(tmp_path)) == ["t.parquet"]  # nothing is made for who only reads
                assert not raw.call("hisWrite", BATCH).is_error
                seen.append([cells(raw, point) for point in ("a", "b", "on", "mode")])
    assert seen[1] == seen[2] == seen[3] != seen[0]
    assert seen[1][0] == ["1 NA", "2 2 kW", "3 -inf", "4 7 kW"]
    assert seen[1][1] == ["0 0", "1 nan", "2 2", "3 1e+300"]
    assert seen[1][2] == ["0 False", "2 True", "3 NA", "4 True"]
    assert seen[1][3] == ["0 NA", '1 a\n"b', "2 ", "3 é°😀"]
    assert sorted(os.listdir(tmp_path)) == ["t.parquet", FILE]
    assert (tmp_path / "t.parquet").read_bytes() == before


def test_a_point_that_is_gone_waits_and_one_of_another_unit_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with running_server(parquet_folder(tmp_path), users={}) as server:
        assert not Raw(server).call("hisWrite", BATCH).is_error
    os.rename(tmp_path / "t.parquet", tmp_path / "t.old")
    pq.write_table(pq.read_table(tmp_path / "t.old").select(["ts", "b"]), tmp_path / "u.parquet")
    assert len(parquet_folder(tmp_path).history("b")) == 4
    os.remove(tmp_path / "u.parquet")
    write(tmp_path, "W")
    with pytest.raises(
        MetadataError, match=rf"{FILE} has samples of @a of the kind Number and the unit kW, and in the f"
    ):
        parquet_folder(tmp_path)
    write(tmp_path)
    assert len(parquet_folder(tmp_path).history("a")) == 4


def test_a_write_that_cannot_be_kept_is_refused_and_nothing_of_it_is_stored(tmp_path: Path) -> None:
    write(tmp_path)
    database = parquet_folder(tmp_path)
    with running_server(database, users={}) as server, hsframe.connect(server.uri) as session:
        assert not Raw(server).call("hisWrite", WRITE).is_error
        (tmp_path / FILE).write_bytes(b"this is no database of SQLite at all" * 100)
        before = session.his_read(["@a", "@b"], DAY)
        assert "IOErr" in Raw(server).refused("hisWrite", BATCH)
        with pytest.raises(CallError, match=rf"{FILE} cannot be written: .*; nothing was stored"):
            session.his_write(before + 1)
        assert session.his_read(["@a", "@b"], DAY).equals(before)
    with pytest.raises(
        MetadataError, match=rf"{FILE}, which has what was written here, cannot be read: .*; put a copy"
    ):
        parquet_folder(tmp_path)


WRITE = f'ver:"3.0" id:@a\nts,val\n{DAY}T05:00:00Z UTC,5kW\n'


@pytest.mark.parametrize("which", ["the file", "a file in its place", "the folder", "a folder in its place"])
def test_where_the_file_or_its_folder_is_away_nothing_is_called_kept(tmp_path: Path, which: str) -> None:
    folder, away = tmp_path / "served", tmp_path / "away"
    folder.mkdir()
    write(folder)
    place = folder / FILE if "file" in which else folder
    with running_server(parquet_folder(folder), users={}) as server:
        raw = Raw(server)
        assert not raw.call("hisWrite", BATCH).is_error
        before = cells(raw, "a")
        place.rename(away)
        if "in its place" in which:
            shutil.copy(away, place) if place.name == FILE else shutil.copytree(away, place)
        for _ in range(2):
            refused = raw.refused("hisWrite", WRITE)
            assert "was replaced or removed while it is served; nothing was stored; bring it back: writes" in refused
            assert "start the server" not in refused, "it would begin an empty file"
        assert place.exists() == ("in its place" in which), "none is made where it was"
        assert cells(raw, "a") == before
        if "in its place" in which:
            place.unlink() if place.name == FILE else shutil.rmtree(place)
        away.rename(place)
        assert not raw.call("hisWrite", WRITE).is_error, "it is there again"
        after = cells(raw, "a")
    with running_server(parquet_folder(folder), users={}) as server:
        assert cells(Raw(server), "a") == after != before


@pytest.mark.skipif(sys.platform == "win32", reason="files that are open")
def test_files_that_are_changed_or_removed_while_they_are_served_are_answered_as_at_the_start(tmp_path: Path) -> None:
    write(tmp_path)
    with running_server(parquet_folder(tmp_path), users={}) as server, hsframe.connect(server.uri) as session:
        before = session.his_read(["@a", "@on", "@mode"], DAY)
        assert not Raw(server).call("hisWrite", WRITE).is_error
        after = session.his_read(["@a", "@on", "@mode"], DAY)
        write(tmp_path, "W")
        assert session.his_read(["@a", "@on", "@mode"], DAY).equals(after)
        (tmp_path / "t.parquet").write_bytes(b"PAR1")
        assert session.his_read(["@a", "@on", "@mode"], DAY).equals(after)
        (tmp_path / "t.parquet").unlink()
        assert session.his_read(["@a", "@on", "@mode"], DAY).equals(after)
        assert len(after) == len(before) + 1


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform != "linux", reason="a file system of its own is mounted")
def test_on_a_full_disk_what_was_acknowledged_stays_and_the_rest_is_refused(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    disk.mount()
    try:
        write(disk.path)
        with running_server(parquet_folder(disk.path), users={}) as server:
            raw = Raw(server)
            assert not raw.call("hisWrite", BATCH).is_error
            disk.fill()
            acknowledged: list[str] = []
            for hour in range(5, 24):
                rows = "".join(f"{DAY}T{hour:02}:{minute:02}:00Z UTC,{hour}kW\n" for minute in range(60))
                answer = raw.call("hisWrite", f'ver:"3.0" id:@a\nts,val\n{rows}')
                if answer.is_error:
                    assert "disk is full; nothing was stored" in answer.meta["dis"]
                else:
                    acknowledged += [f"{hour} {hour} kW"] * 60
            assert len(acknowledged) < 19 * 60
            assert cells(raw, "a")[4:] == acknowledged, "what was refused is not answered"
            assert len(cells(raw, "b")) == 4, "others are read meanwhile"
            with running_server(parquet_folder(disk.path), users={}) as again:
                assert cells(Raw(again), "a") == cells(raw, "a")
            disk.make_room()
            assert not raw.call("hisWrite", WRITE).is_error, "it is written again where there is room"
    finally:
        subprocess.run(["umount", "-l", str(disk.path)], check=True, capture_output=True)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "hsframe", "serve", str(folder), "--anonymous", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def ask(uri: str, op: str, body: str) -> Grid:
    request = urllib.request.Request(f"{uri}/{op}", body.encode(), {"Content-Type": "text/zinc"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        grid = decode(answer.read(), "zinc")
    assert not grid.is_error, grid.meta
    return grid


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="locks of folders")
def test_a_folder_is_served_by_one_program_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    with serving(tmp_path) as (_, uri):
        assert uri.startswith("http://")
        assert cli.main(["serve", str(tmp_path), "--anonymous", "--port", "0"]) == 1
        assert f"another program serves {tmp_path}; neither would have what" in capsys.readouterr().err
    with serving(tmp_path) as (_, uri):
        assert uri.startswith("http://"), "it is free again, also after a kill"


@pytest.mark.one_python
def test_what_was_acknowledged_is_there_after_a_kill_and_no_half_of_a_write(tmp_path: Path) -> None:
    write(tmp_path)
    at_random = random.Random(7)
    acknowledged: dict[int, int] = {}  # the number of the last write of a block of rows that was answered
    sent: dict[int, set[int]] = {block: {0} for block in range(4)}
    number = 0

    def minute(block: int, row: int) -> str:
        return f"{DAY}T{block + 4:02}:{row:02}:00Z UTC"

    def client(uri: str, block: int, stop: threading.Event) -> None:
        nonlocal number
        while not stop.is_set():
            with lock:
                number += 1
                mine = number
            sent[block].add(mine)
            rows = "".join(f"{minute(block, row)},{mine}kW,{mine}\n" for row in range(ROWS))
            try:
                ask(uri, "hisWrite", f'ver:"3.0"\nts,v0 id:@a,v1 id:@b\n{rows}')
            except OSError:
                return
            acknowledged[block] = mine

    lock = threading.Lock()
    for _ in range(KILLS):
        stop = threading.Event()
        with serving(tmp_path) as (process, uri), ThreadPoolExecutor(4) as clients:
            for block in range(4):
                clients.submit(client, uri, block, stop)
            time.sleep(at_random.uniform(0.05, 0.5))
            process.kill()
            stop.set()
        with serving(tmp_path) as (_, uri):
            for block in range(4):
                window = f"{minute(block, 0)},{minute(block, 59)}"
                found = ask(uri, "hisRead", f'ver:"3.0" range:"{window}"\nid\n@a\n@b\n')
                values = {val.val for row in found for val in (row["v0"], row["v1"])} or {0}
                assert len(values) == 1  # all rows of one write, or none
                assert len(found) in (0, ROWS)
                assert values <= sent[block]
                assert values == {acknowledged.get(block, 0)} or min(values) > acknowledged.get(block, 0)
        assert set(os.listdir(tmp_path)) <= {"t.parquet", FILE, f"{FILE}-journal"}
    assert len(acknowledged) == 4
