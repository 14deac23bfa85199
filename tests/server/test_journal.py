"""What the log of the server tells, and what it does not."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hsframe
from hsframe.cli.messages import LogLines
from hsframe.protocol.scram import MIN_ITERATIONS, ScramCredentials
from hsframe.server.refusal import OpRefusal
from hsframe.server.users import UsersFile, remove_user, set_user

WRITE = 'ver:"3.0" id:@kw\nts,val\n2026-11-09T00:00:00-05:00 New_York,1kW\n'


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The lines that a server logs by default, since it was asked last."""
    caplog.set_level(logging.INFO, "hsframe.server")

    def lines() -> list[str]:
        said = [record.getMessage() for record in caplog.records if record.name == "hsframe.server"]
        caplog.clear()
        return said

    return lines


def test_wrong_passwords_are_told_with_user_and_address_and_from_when_on_they_wait(
    start: Callable[..., Any], told: Callable[[], list[str]]
) -> None:
    raw = start(users={"ann": "s3cret"})
    for name, why in (("ann", "wrong password"), ("bob", "no such user")):
        for _ in range(6):
            raw.scram(name, "hunter-2")
        said = told()
        assert said[0] == f"login of '{name}' from 127.0.0.1 refused: {why} (1)"
        assert said[4:] == [f"login of '{name}' from 127.0.0.1 refused: {why} (5); the next try has to wait 1 s"]
        assert "hunter-2" not in str(said)


def test_writes_and_actions_are_told_and_reads_are_not(
    start: Callable[..., Any], told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = start(users={"ann": "s3cret", "bob": "s3cret"}, roles={"bob": "viewer"})
    raw.scram("ann", "s3cret")
    raw.get("read", filter="point")
    raw.get("hisRead", id="@kw", range="2026-11-09")
    raw.call("pointWrite", 'ver:"3.0"\nid\n@fan\n')
    assert told() == []
    raw.call("hisWrite", WRITE)
    raw.call("pointWrite", 'ver:"3.0"\nid,level,val\n@fan,10,T\n')
    raw.call("invokeAction", 'ver:"3.0" id:@kw action:"nine"\nempty\n')
    stored, commanded, refused = told()
    assert stored == "hisWrite of 'ann' from 127.0.0.1 done: 1 rows; @kw"
    assert commanded == "pointWrite of 'ann' from 127.0.0.1 done: 1 rows; @fan; level 10; val True"
    assert refused.startswith("invokeAction of 'ann' from 127.0.0.1 refused: there is no action 'nine'; ")
    assert refused.endswith("; @kw; action 'nine'")

    def full(*_: object) -> None:
        raise OpRefusal("written.sqlite cannot be written: the disk is full; nothing was stored", "IOErr")

    monkeypatch.setattr(raw.server.database, "store", full)
    raw.call("hisWrite", WRITE)
    assert told() == [
        "hisWrite of 'ann' from 127.0.0.1 refused: written.sqlite cannot be written: the disk is full; nothing was "
        "stored; 1 rows; @kw"
    ]
    raw.scram("bob", "s3cret")
    raw.call("hisWrite", WRITE)
    raw.call("commit", 'ver:"3.0" commit:"add"\ndis\n"new"\n')
    refused, other = told()
    assert other.endswith("who runs this server may give it")
    assert refused.startswith("hisWrite of 'bob' from 127.0.0.1 refused: the user 'bob' has the role viewer")
    assert refused.endswith("who runs this server may give it"), "of what was not read it tells nothing"


def test_a_commit_is_told_with_its_mode_its_records_and_its_tags(
    start: Callable[..., Any], told: Callable[[], list[str]]
) -> None:
    raw = start(users={})
    (added,) = raw.call("commit", 'ver:"3.0" commit:"add"\ndis,area\n"new",3m²\n')
    id, mod = added["id"], added["mod"]
    row = hsframe.Grid.from_rows({"commit": "update"}, ["id", "mod", "area"], [{"id": id, "mod": mod, "area": "x"}])
    (changed,) = raw.call("commit", row)
    assert raw.call("commit", row).is_error, "its mod is another one now"
    gone = {"id": id, "mod": changed["mod"]}
    raw.call("commit", hsframe.Grid.from_rows({"commit": "remove"}, ["id", "mod"], [gone]))
    first, second, refused, last = told()
    assert first == f"commit from 127.0.0.1 done: 1 rows; @{id.val}; add dis, area"
    assert second == f"commit from 127.0.0.1 done: 1 rows; @{id.val}; update area"
    assert refused.startswith("commit from 127.0.0.1 refused: ")
    assert refused.endswith(f"; 1 rows; @{id.val}; update area")
    assert last == f"commit from 127.0.0.1 done: 1 rows; @{id.val}; remove"


def test_what_is_changed_in_the_file_of_users_is_told(
    start: Callable[..., Any], told: Callable[[], list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "users"
    kept, other = (ScramCredentials.from_password(one, iterations=MIN_ITERATIONS) for one in ("s3cret", "n3w"))
    for name in ("ann", "bob", "carl"):
        set_user(path, name, "viewer", kept)
    raw = start(users=UsersFile(path))
    set_user(path, "ann", "operator", None)
    set_user(path, "bob", None, other)
    set_user(path, "dora", "admin", kept)
    remove_user(path, "carl")
    raw.hello("ann")
    what = ["'ann' is now operator, and was viewer", "'bob' has another password", "'carl' is removed"]
    assert told() == [f"{path}: {one}" for one in (*what, "'dora' is a new admin")]
    raw.hello("ann")
    assert told() == []


def test_of_many_points_some_are_told_and_without_a_login_nobody(
    start: Callable[..., Any], told: Callable[[], list[str]]
) -> None:
    raw = start(users={})
    cols = ",".join(f"v{number} id:@p{number}" for number in range(5))
    assert raw.call("hisWrite", f'ver:"3.0"\nts,{cols}\n2026-11-09T00:00:00Z UTC,1,2,3,4,5\n').is_error
    (line,) = told()
    assert line.startswith("hisWrite from 127.0.0.1 refused: ")
    assert line.endswith("; 1 rows; @p0, @p1, @p2 and 2 more")


@pytest.mark.parametrize(("error", "has_trace"), [(OSError(5, "it is away"), False), (KeyError("a bug"), True)])
def test_an_op_that_fails_is_told_with_a_trace_where_it_is_a_bug(
    start: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    has_trace: bool,
) -> None:
    raw = start(users={})

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(raw.server.database, "store", fail)
    assert raw.call("hisWrite", WRITE).is_error
    (record,) = (one for one in caplog.records if one.levelno == logging.ERROR)
    assert record.getMessage() == f"the op hisWrite failed: {type(error).__name__}: {error}"
    assert bool(record.exc_info) == has_trace


def test_a_client_forges_no_line(start: Callable[..., Any], told: Callable[[], list[str]]) -> None:
    raw = start(users={"ann": "s3cret"})
    forged = "x\n2026-11-09T00:00:00+0000 INFO hisWrite of 'bob' \x1b[2J\u202e\u2028"
    raw.scram(forged, "hunter-2")
    raw.scram("y" * 5_000, "hunter-2")
    raw.scram("ann", "s3cret")
    raw.call("invokeAction", hsframe.Grid({"id": hsframe.Ref("kw"), "action": forged}, ["a"], [["1"]]))
    raw.call(
        "pointWrite",
        hsframe.Grid.from_rows(
            {}, ["id", "level", "val"], [{"id": hsframe.Ref("fan"), "level": hsframe.Number(10), "val": forged}]
        ),
    )
    said = told()
    assert len(said) == 4
    assert all(line.isprintable() and len(line) < 1_000 for line in said)


def test_a_trace_begins_no_line_with_a_time() -> None:
    record = logging.LogRecord("hsframe.server", logging.ERROR, "", 0, "failed\r2026 INFO\n2026 INFO", None, None)
    assert LogLines("%(message)s").format(record).splitlines() == ["failed", "    2026 INFO", "    2026 INFO"]


@pytest.mark.one_python
@pytest.mark.parametrize("quiet", [False, True])
def test_serve_logs_to_stderr(tmp_path: Path, quiet: bool) -> None:
    path = tmp_path / "users"
    set_user(path, "ann", "operator", ScramCredentials.from_password("s3cret", iterations=MIN_ITERATIONS))
    command = [sys.executable, "-m", "hsframe", "serve", "--users", str(path), "--port", "0", *["--quiet"] * quiet]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            uri = process.stdout.readline().strip()
            with pytest.raises(hsframe.AuthError), hsframe.connect(uri, "ann", "hunter-2") as session:
                session.about()
            with hsframe.connect(uri, "ann", "s3cret") as session:
                point = session.read('point and writable and kind=="Bool"')["id"].iloc[0]
                session.point_write(point, 10, True)
        finally:
            process.terminate()
        said = process.communicate()[1].splitlines()
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
    assert re.fullmatch(rf"{time} WARNING login of 'ann' from 127.0.0.1 refused: wrong password \(1\)", said[0])
    assert len(said) == 2 - quiet, said
    assert quiet or re.fullmatch(rf"{time} INFO pointWrite of 'ann' from 127.0.0.1 done: 1 rows; @.*val True", said[1])
