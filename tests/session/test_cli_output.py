"""What the commands that read write: tables, CSV, JSON, Zinc and Parquet; in which units; over which intervals."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import cli
from hsframe.cli.output import show
from hsframe.kinds import NA, Coord, Number, Ref, Uri
from hsframe.testing.server import RunningServer

DAY = "2026-11-01"  # has the repeated hour of New York


def out(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    code = cli.main(args)
    told = capsys.readouterr()
    assert (code, told.err) == (0, ""), args
    return told.out


def test_json_has_columns_with_units_and_a_row_a_line(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "his-read", "@kw", "@oat", "@fan", DAY, "--output", "json")
    table = json.loads(text)
    assert table["columns"] == [
        {"name": "ts"}, {"name": "Power", "unit": "kW"}, {"name": "Outside", "unit": "°F"}, {"name": "Fan"},
    ]  # fmt: skip
    assert len(table["rows"]) == 100
    assert table["rows"][0] == {"ts": "2026-11-01T00:00:00-04:00", "Power": 192.0, "Outside": 192.0, "Fan": True}
    assert [row["ts"] for row in table["rows"]].count("2026-11-01T01:00:00-05:00") == 1
    assert json.loads(text.splitlines()[2].rstrip(",")) == table["rows"][0]
    (latest,) = json.loads(out(capsys, "latest", "@kw", "--output", "json", "--max-age", "9000D"))["rows"]
    assert latest.keys() == {"id", "dis", "ts", "age", "value", "unit", "source", "status"}
    assert json.loads(out(capsys, "ops", "--output", "json"))["rows"]


class _Args:
    output, into = "json", None


def test_json_of_what_json_has_no_form_for(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cells: list[Any] = [math.inf, math.nan, NA, Number(2, "kW"), Ref("a", "A"), Coord(1.0, 2.0), Uri("http://a/"), "°"]
    cells += [pd.Timestamp("2026-11-01T00:00-04:00").date(), [1, None], {"a": Number(-math.inf)}, np.float64(2.5), True]
    show(_Args(), pd.DataFrame({"v": pd.Series(cells, dtype=object)}))  # type: ignore[arg-type]
    sys.stdout.flush()
    rows = json.loads(capfdbinary.readouterr().out, parse_constant=lambda name: pytest.fail(name))["rows"]
    assert [row["v"] for row in rows] == [
        {"_kind": "number", "val": "INF"},
        None,
        None,
        {"_kind": "number", "val": 2, "unit": "kW"},
        {"_kind": "ref", "val": "a", "dis": "A"},
        {"_kind": "coord", "lat": 1.0, "lng": 2.0},
        {"_kind": "uri", "val": "http://a/"},
        "°",
        "2026-11-01",
        [1, None],
        {"a": {"_kind": "number", "val": "-INF"}},
        2.5,
        True,
    ]


def test_zinc_is_the_grid_of_the_standard(
    login: RunningServer, capsys: pytest.CaptureFixture[str], session: hsframe.Session
) -> None:
    grid = hsframe.decode(out(capsys, "his-read", "@kw", "@fan", DAY, "--output", "zinc"), "zinc")
    assert grid == session.his_read(["@kw", "@fan"], DAY).hs.to_grid()

    async def read(client: Any) -> Any:
        return await client.read("point", raw=True)

    assert hsframe.decode(out(capsys, "read", "point", "--output", "zinc"), "zinc") == session.run(read)
    for command in (["about"], ["ops"], ["read", "@kw"], ["latest", "point", "--tz", "UTC"]):
        assert len(hsframe.decode(out(capsys, *command, "--output", "zinc"), "zinc"))


def test_a_file_says_its_format_and_is_whole(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, session: hsframe.Session
) -> None:
    for name in ("a.csv", "a.json", "a.zinc", "a.parquet", "a.txt"):
        assert out(capsys, "his-read", "@kw", DAY, "--file", str(tmp_path / name)) == ""
    expected = session.his_read("@kw", DAY)
    pd.testing.assert_frame_equal(hsframe.read_parquet(tmp_path / "a.parquet"), expected)
    assert hsframe.decode((tmp_path / "a.zinc").read_bytes(), "zinc") == expected.hs.to_grid()
    assert len(json.loads((tmp_path / "a.json").read_text("utf-8"))["rows"]) == 100
    for command in (["read", "point"], ["latest", "@kw", "@fan"], ["ops"]):
        assert out(capsys, *command, "--file", str(tmp_path / "a.parquet")) == ""
        assert len(hsframe.read_parquet(tmp_path / "a.parquet")) >= 2
    assert (tmp_path / "a.csv").read_text("utf-8").startswith("ts,Power [kW]\n2026-11-01 00:00:00-04:00,192.0\n")
    assert "100 rows x 1 columns" in (tmp_path / "a.txt").read_text("utf-8")
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.json", "a.parquet", "a.txt", "a.zinc"]


def test_lists_in_a_table_are_zinc(capsys: pytest.CaptureFixture[str]) -> None:
    df = pd.DataFrame({"is": [[hsframe.Symbol("op")], {"a": hsframe.Number(1, "kW")}, None], "n": [1, 2, 3]})
    show(argparse.Namespace(output="csv", into=None), df)
    assert capsys.readouterr().out == "is,n\n[^op],1\n{a:1kW},2\n,3\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["his-read", "@kw", DAY, "--output", "parquet"], "--output parquet goes into a file: add --file FILE.parquet"),
        (["his-read", "@kw", DAY, "--file", "a.xls"], "--file a.xls: its name does not say in what format"),
        (["read", "point", "--file", "no/such/a.csv"], "no/such"),
        (
            ["his-read", "@kw", DAY, "--units", "furlongs"],
            "--units furlongs is not si, ip, a unit or pairs as °F=°C: the unit table",
        ),
        (["his-read", "@kw", DAY, "--units", "kW=MW", "--units", "si"], "several are pairs"),
        (["latest", "@kw", "--units", "nothing"], "nothing"),
        (["his-read", "@kw", DAY, "--interval", "1 fortnight"], "--interval 1 fortnight"),
        (["his-read", "@kw", DAY, "--interval", "1h", "--agg", "middle"], "invalid choice: 'middle' (choose from"),
        (["his-read", "@kw", DAY, "--agg", "mean"], "add --interval"),
        (["latest", "@kw", "--max-age", "long"], "--max-age long"),
        (["latest", "@kw", "--at", "noon"], "--at noon is not an instant"),
        (["latest", "@kw", "--proxy", "gateway"], "--proxy http://user:password@host:port"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    login: RunningServer, capsys: pytest.CaptureFixture[str], args: list[str], words: str
) -> None:
    assert cli.main(args) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_units(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    def header(*units: str) -> str:
        given = [part for unit in units for part in ("--units", unit)]
        return out(capsys, "his-read", "@kw", "@oat", DAY, "--csv", *given).splitlines()[0]

    assert header() == "ts,Power [kW],Outside [°F]"
    assert header("si") == "ts,Power [kW],Outside [°C]"
    assert header("°C") == "ts,Power [kW],Outside [°C]"
    assert header("°F=K", "kW=W") == "ts,Power [W],Outside [K]"
    table = pd.read_csv(
        io.StringIO(out(capsys, "latest", "@kw", "@oat", "--units", "MW", "--csv", "--max-age", "9000D"))
    )
    assert table["unit"].tolist() == ["MW", "°F"]
    assert table["value"].tolist() == [0.959, 959.0]
    for args in (["latest", "@oat", "--max-age", "9000D"], ["his-read", "@oat", DAY]):
        assert cli.main([*args, "--units", "kW"]) == 2
        assert "no column converts to 'kW' (kilowatt); the units are °F" in capsys.readouterr().err
        assert cli.main([*args, "--units", "kW=MW"]) == 2
        assert "--units names 'kW', which is not" in capsys.readouterr().err


def test_values_over_intervals_say_what_they_are(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    table = out(capsys, "his-read", "@kw", "@fan", DAY, "--interval", "1h", "--csv").splitlines()
    assert table[0] == "ts,Power mean [kW],Fan step"
    assert len(table) == 26  # a day of 25 hours
    table = out(
        capsys, "his-read", "@kw", DAY, "--interval", "1D", "--agg", "min", "--agg", "max", "--csv"
    ).splitlines()
    assert table[0] == "ts,Power min [kW],Power max [kW]"
    several = ["--interval", "1D", "--agg", "min", "--agg", "max", "--output", "json"]
    answer = json.loads("\n".join(out(capsys, "his-read", "@kw", DAY, *several).splitlines()))
    assert [column["name"] for column in answer["columns"]] == ["ts", "Power min", "Power max"]
    table = out(capsys, "his-read", "@kw", "@lon", DAY, "--interval", "1D", "--tz", "local", "--csv").splitlines()
    assert [line[:10] for line in table[1:]] == [DAY]


def test_a_point_that_cannot_be_read_is_left_out_and_is_no_success(
    login: RunningServer, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    for command in (["his-read", "@kw", "@nobody", DAY], ["latest", "@kw", "@nobody"]):
        assert cli.main([*command, "--csv"]) == 1
        assert capsys.readouterr().out == ""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.filters", [])
            assert cli.main([*command, "--csv", "--on-error", "warn"]) == 1
        told = capsys.readouterr()
        assert "Power" in told.out
        assert "@nobody" in told.err


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_head_ends_no_command_with_an_error(login: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    commands = {
        "ops --output json": "true",
        "his-read point 2026-10-30,2026-11-08 --tz UTC --csv": "head -n 1",
        "doctor": "true",
    }
    script = "; ".join(
        f'{{ "{sys.executable}" -m hsframe {command}; echo $? >&2; }} | {reader}'
        for command, reader in commands.items()
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.split() == ["0"] * len(commands)
