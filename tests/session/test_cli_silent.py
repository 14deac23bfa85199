"""``--silent-after``: a job whose points send nothing any more says so, and which."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hsframe import cli
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import running_server


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Of five points "ok" alone has sent today; "old" has not for 30 days, and "never" had nothing at all."""
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "V", "tz": "New_York"}
    today = pd.Timestamp.now("UTC").floor("h")
    sent = {"ok": 0, "old": 30, "never": None, "setpoint": 30, "switch": 30}
    other = {"setpoint": {"hisMode": "cov"}, "switch": {"kind": "Bool", "unit": None}}
    for ident, days_ago in sent.items():
        more = {"hisInterval": Number(1, "hr"), **other.get(ident, {})}
        database.add({"id": Ref(ident), "dis": ident.title(), **tags, **more})
        if days_ago is not None:
            index = pd.date_range(end=today - pd.Timedelta(days=days_ago), periods=24, freq="1h", unit="us")
            values = [True] * 24 if ident == "switch" else np.ones(24)
            database.set_history(ident, index.asi8, values)
    monkeypatch.chdir(tmp_path)
    with running_server(database) as server:
        for name in ("uri", "user", "password"):
            monkeypatch.setenv(f"HSFRAME_{name.upper()}", getattr(server, name))
        yield tmp_path


OLD = r"@old \(Old\) has no sample of the last 2d: its last sample is of 20\d\d-\d\d-\d\dT\d\d:00:00\+00:00\n"
NEVER = r"@never \(Never\) has no sample of the last 2d: it has none\n"
COMMANDS = [
    ["export", "point", "yesterday", "a.parquet", "--quiet"],
    ["export", "point", "yesterday", "a", "--quiet"],
    ["sync", "trends", "point", "--quiet"],
    ["his-read", "point", "-1d", "--csv"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_points_that_are_silent_are_named_and_have_an_exit_code(
    plant: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert cli.main(command) == 0  # nothing went wrong, and nobody asked
    assert "no sample of" not in capsys.readouterr().err
    assert cli.main([*command, "--silent-after", "2d"]) == 4
    told = re.sub(r"hsframe: (\S+ \S+: )?", "", capsys.readouterr().err)
    assert re.fullmatch(OLD + NEVER, told) or re.fullmatch(NEVER + OLD, told)
    fine = [word if word != "point" else "@ok" for word in command]
    assert cli.main([*fine, "--silent-after", "2d"]) == 0
    assert cli.main([*(word if word != "point" else "@old" for word in command), "--silent-after", "40d"]) == 0


def test_json_has_the_points_that_are_silent(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["sync", "trends", "point"], ["export", "point", "-1d", "a.parquet"]):
        assert cli.main([*command, "--json", "--silent-after", "2d"]) == 4
        line = json.loads(capsys.readouterr().out)
        assert (line["silent"], line["exit"], line["failed"]) == (2, 4, 0)
        assert {one["id"]: one["last"] is None for one in line["silent_points"]} == {"old": False, "never": True}
    assert cli.main(["sync", "trends", "--json"]) == 0
    assert "silent" not in json.loads(capsys.readouterr().out)
    assert cli.main(["sync", "trends", "--silent-after", "2d"]) == 4  # of all points of the archive
    assert "silent 2" in capsys.readouterr().out
    assert cli.main(["sync", "new", "point", "--dry-run", "--silent-after", "2d"]) == 0


def test_a_wrong_length_of_time_is_told_before_anything_is_asked(
    plant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["sync", "trends", "point", "--silent-after", "soon", "--uri", "http://127.0.0.1:1/api"]) == 2
    assert "--silent-after soon" in capsys.readouterr().err
