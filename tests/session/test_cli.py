"""The command line, as a program of its own where that matters."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import hsframe
from hsframe import cli
from hsframe.cli.messages import in_commands
from hsframe.client.transport import LISTENERS
from hsframe.grid import Grid
from hsframe.protocol.version5 import HEADER
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call
from hsframe.testing.quirk_wrappers import Run, wrap_op
from hsframe.testing.quirks import QUIRKS
from hsframe.testing.server import RunningServer, running_server

NO_SERVER = ("--uri", "http://127.0.0.1:1/api", "--retries", "0")


@pytest.mark.one_python
def test_demo_once_writes_the_frame_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    assert cli.main(["demo", "--once", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert sorted(path.name for path in out.iterdir()) == ["trends.parquet", "trends.png"]
    assert (out / "trends.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "trends.png").stat().st_size > 20_000
    schema = pq.read_schema(out / "trends.parquet")
    units = {field.metadata[b"hsframe:unit"].decode() for field in schema if b"hsframe:unit" in (field.metadata or {})}
    assert {"°F", "kW"} <= units
    df = hsframe.read_parquet(out / "trends.parquet")
    assert 600 <= len(df) <= 680  # a week of quarter hours
    assert df.notna().any().all()
    assert "[6" in told.out
    assert "rows x" in told.out


@pytest.mark.one_python
def test_demo_once_without_matplotlib_is_one_line_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["demo", "--once", "--out", str(tmp_path / "out")]) == 1
    needs = "hsframe demo --once draws a plot, which needs matplotlib: pip install hsframe[demo]\n"
    assert capsys.readouterr() == ("", needs)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def away(server: RunningServer) -> list[str]:
    """Arguments for a server that does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    return ["--uri", uri, "--user", "ann", "--password", "pw", "--retries", "1000", "--deadline", "2s"]


WAITS = r"hsframe: waits \(login: NotConnectedError\), try 2 of 1001 at .*\d\d:\d\d, until .*\d\d:\d\d\n"


@pytest.mark.parametrize("command", [["sync", "trends", "point"], ["export", "point", "today", "a.parquet"]])
def test_a_log_shows_that_a_command_waits(
    away: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command, *away]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert re.match(WAITS, told.err)
    assert len(told.err.splitlines()) == 2
    assert cli.main([*command, "--quiet", *away]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing answers there" in line or "the deadline of 2 s" in line  # as a busy machine decides
    where = command[-1] if command[0] == "export" else command[1]
    assert re.match(rf"hsframe: \d{{4}}-\d\d-\d\dT[\d:+]+ {where}: \w", line)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is of POSIX")
def test_a_terminal_shows_that_a_command_waits_while_it_does(away: list[str], tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "hsframe", "sync", tmp_path / "trends", "point", *away], stdout=theirs, stderr=theirs
    ) as program:
        os.close(theirs)
        seen, was_running = "", False
        try:
            while piece := os.read(ours, 4096):
                if "waits" not in seen:
                    was_running = program.poll() is None
                seen += piece.decode()
        except OSError:  # so Linux says that nobody has the terminal open any more
            pass
        finally:
            os.close(ours)
    assert re.search(WAITS, seen.replace("\r\n", "\n"))
    assert was_running
    assert program.returncode == 3


def test_about_and_read(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["about"]) == 0
    assert "serverName" in capsys.readouterr().out
    assert cli.main(["read", "power", "--csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["id"].tolist() == ["kw", "lon"]
    assert cli.main(["read", "point", "--limit", "2"]) == 0
    assert "2 rows x" in capsys.readouterr().out
    assert cli.main(["read", "@kw", "@oat", "--csv"]) == 0
    assert pd.read_csv(io.StringIO(capsys.readouterr().out))["id"].tolist() == ["kw", "oat"]
    assert cli.main(["read", "@kw", "@nobody"]) == 1
    assert "@nobody" in capsys.readouterr().err
    assert cli.main(["read", "@kw", "--limit", "1"]) == 2
    assert "--limit is for a filter" in capsys.readouterr().err


def test_the_words_of_a_filter_may_come_one_by_one(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As they do where a shell was given no quotes."""
    for words in (["power and point"], ["power", "and", "point"]):
        assert cli.main(["read", *words, "--csv"]) == 0
        assert pd.read_csv(io.StringIO(capsys.readouterr().out))["id"].tolist() == ["kw", "lon"]
        assert cli.main(["his-read", *words, "2026-11-01", "--tz", "UTC", "--csv", "--header", "id"]) == 0
        assert pd.read_csv(io.StringIO(capsys.readouterr().out)).columns.tolist() == ["ts", "kw [kW]", "lon [kW]"]
        for command in (["export", *words, "2026-11-01", str(tmp_path / "a")], ["sync", str(tmp_path / "b"), *words]):
            assert cli.main([*command, "--dry-run", "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["points"] == 2
    assert cli.main(["read", "power", "point"]) == 2
    assert "expected 'and', 'or' or the end" in capsys.readouterr().err


def test_csv_goes_to_stdout(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["read", "point"], ["his-read", "@kw", "today"]):
        assert cli.main([*command, "--csv", "a.csv"]) == 2
        assert capsys.readouterr() == ("", "hsframe: --csv writes to stdout and takes no file; write --csv > a.csv\n")


def test_an_answer_without_a_row_is_told(
    login: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hsframe.Session, "about", lambda self: pd.DataFrame())
    assert cli.main(["about"]) == 1
    assert "answer to 'about' has no row; hsframe doctor" in capsys.readouterr().err


def test_his_read_and_export(login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["his-read", "kw", "@oat", "2026-11-01", "--header", "id", "--csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(table.columns) == ["ts", "kw [kW]", "oat [°F]"]
    assert len(table) == 100
    assert cli.main(["his-read", 'power and tz == "London"', "2026-11-01", "--tz", "UTC"]) == 0
    assert "96 rows x 1 columns" in capsys.readouterr().out
    path = tmp_path / "kw.parquet"
    assert cli.main(["export", "kw", "2026-11-01", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"path {path}, points 1, rows 100, seconds ")
    assert hsframe.read_parquet(path).hs.units == {"Power": "kW"}


@pytest.mark.parametrize(
    "args", [["@kw", "-90d"], ["@kw", "--tz", "UTC", "-90d", "--csv"], ["--csv", "@kw", "@oat", "-90d"]]
)
def test_a_span_may_begin_with_a_minus(
    login: RunningServer, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    """For argparse it looks like an option."""
    assert cli.main(["his-read", *args]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 5


@pytest.mark.filterwarnings("always::hsframe.ReadWarning")
def test_an_export_says_in_one_line_what_it_did(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tidy, folder = str(tmp_path / "kw.parquet"), str(tmp_path / "trends")
    assert cli.main(["export", "kw", "2026-11-01", tidy, "--layout", "tidy", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["points"], found["rows"] > 0, found["requests"], os.listdir(tmp_path)) == (1, True, 1, [])
    assert cli.main(["export", "kw", "2026-11-01", tidy, "--layout", "tidy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    del found["seconds"]
    assert found.items() >= {"path": tidy, "points": 1, "rows": 100, "failed": 0, "exit": 0}.items()
    assert len(hsframe.read_parquet(tidy)) == 100
    for layout in ("wide", "tidy"):
        assert cli.main(["export", "kw", "2026-11-01", tidy, "--layout", layout, "--dry-run"]) == 0
        assert f", replaces {tidy}, seconds " in capsys.readouterr().out
    assert cli.main(["export", "@kw", "@nobody", "2026-11-01", folder, "--quiet", "--on-error", "warn"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "1 of 2 points could not be read, and are not all in" in told.err
    assert len(hsframe.Archive(folder).points) == 1
    assert cli.main(["export", "kw", "2026-11-01", folder, "--layout", "wide"]) == 2
    assert "--layout wide is one file" in capsys.readouterr().err
    assert cli.main(["export", "kw", "2026-11-01", f"{folder}.CSV"]) == 2
    assert "for CSV take hsframe his-read --csv" in capsys.readouterr().err
    assert not os.path.exists(f"{folder}.CSV")


@pytest.mark.parametrize("command", [["export", "power", "today"], ["sync"], ["serve"]], ids=lambda given: given[0])
def test_options_of_a_store_go_to_it_and_are_not_shown(
    command: list[str], login: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the option says better
    for option in ("hush", "=hush"):
        assert cli.main([*command, "s3://bucket/works", "--storage-option", option]) == 2
    options = ["region=eu-west-1", "AWS_ENDPOINT_URL=not a=place", "AWS_SECRET_ACCESS_KEY=hush"]
    arguments = [part for option in options for part in ("--storage-option", option)]
    assert cli.main([*command, "s3://bucket/works", *arguments]) == 1
    told = capsys.readouterr().err
    assert "hush" not in told
    assert told.splitlines()[-1].startswith("hsframe: s3://bucket/works ")


def test_an_export_of_the_last_days(login: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "days.parquet"
    assert cli.main(["export", "@kw", "-90d", str(path)]) == 0
    assert len(hsframe.read_parquet(path)) > 0
    assert cli.main(["export", "@kw", "-x", str(path)]) == 2


def test_errors_are_one_line_and_a_code(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["his-read", "@nobody", "today"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("hsframe: ")
    assert "@nobody" in told.err
    assert cli.main(["his-read", "kw", "tomorow"]) == 2
    assert cli.main(["his-read", "kw", "today", "--tz", "Mars"]) == 2
    assert "'tomorow'" in capsys.readouterr().err
    assert cli.main(["about", "--deadline", "1 month"]) == 2
    assert cli.main(["about", "--timeout", "1 month"]) == 2
    told = capsys.readouterr().err
    assert "--deadline 1 month: " in told
    assert "timedelta" not in told
    assert cli.main(["read", "point and"]) == 2
    assert cli.main(["read", "point", "--uri", "trends"]) == 2
    assert cli.main(["serve", "no such folder"]) == 2
    assert "uri must be an http" in capsys.readouterr().err
    for args in (["fly"], ["export", "--bogus", "--json"], ["sync", "x", "--overlap"], ["--json"], ["serve", "a", "b"]):
        assert cli.main(args) == 2
        told = capsys.readouterr()
        (line,) = told.err.splitlines()
        command = " ".join(["hsframe", *args[: args[0] in ("export", "sync", "serve")]])
        assert re.fullmatch(rf"hsframe: .+; see {command} --help", line)
        assert told.out == ""


def test_wrong_arguments_are_told_before_anything_is_done(
    login: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An empty path is a variable of a script that is not set: it took the present folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HSFRAME_TOKEN", raising=False)
    for args, words in (
        (["export", "kw", "yesterday", ""], "a path is empty"),
        (["sync", ""], "a path is empty"),
        (["sync"], "required: archive; see"),
        (["notebooks", ""], "a path is empty"),
        (["notebooks", __file__], "test_cli.py cannot be used: File exists"),
        (["about", "--passwrd", "secret"], "unrecognized arguments: --passwrd; see"),
        (["about", "--passwrd=secret"], "unrecognized arguments: --passwrd; see"),
        (["sync", "x", "", *NO_SERVER], "'' names no point"),
        (["read", "@", *NO_SERVER], "'@' names no point; expected a filter"),
        (["his-read", "", "today", *NO_SERVER], "'' names no point"),
        (["his-read", "kw", "today", "--interval", "1h", "--agg=min", "--agg=min", *NO_SERVER], "--agg is given once"),
        (["read", "site", "--file", "x.json", "--csv", *NO_SERVER], "--file x.json says json, and --output csv"),
        (["his-write", "no.csv", *NO_SERVER], "no.csv cannot be used: No such file"),
        (["serve", "--port", "0", ""], "a path is empty"),
        (["read", "--limit", "-3", "site"], "argument --limit: .* from 0 up; got '-3'"),
        (["read", "--limit", "x", "site"], "argument --limit: .* from 0 up; got 'x'"),
        (["about", "--auth", "bearer"], "--auth bearer needs HSFRAME_TOKEN"),
        (["about", "--auth", "scram", "--user", ""], "--auth scram needs a user name"),
        (["sync", "x", "kw", "--since", "2026-13-01", *NO_SERVER], "'2026-13-01' is not a day of the calendar"),
        (["his-read", "@kw", "2026-13", *NO_SERVER], "'2026-13' is not a day of the calendar"),
        (["export", "kw", "2026-01,tomorow", "x.parquet", *NO_SERVER], "'tomorow' is not a valid span"),
        (["his-read", "kw", "", *NO_SERVER], "'' is not a valid span"),
    ):
        assert cli.main(args) == 2, args
        told = capsys.readouterr()
        (line,) = told.err.splitlines()
        assert re.search(words, line)
        assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_retries_and_the_deadline_are_those_of_connect(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
        assert cli.main(["about", "--uri", uri, "--retries", "1", "--deadline", "30s"]) == 3
        assert "(sent 2 times" in capsys.readouterr().err
        assert cli.main(["about", "--uri", uri, "--retries", "-1"]) == 2
        assert "argument --retries: expected a whole number" in capsys.readouterr().err


@pytest.mark.version4
@pytest.mark.parametrize(("protocol", "header"), [("auto", ""), ("4", ""), ("5", "5")])
def test_the_version_of_the_protocol(protocol: str, header: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    with running_server() as server:
        LISTENERS.append(lambda answer, _: asked.append(answer.request.headers.get(HEADER, "")))
        words = ["read", "site", "--uri", server.uri, "--user", server.user, "--password", server.password]
        try:
            assert cli.main([*words, "--protocol", protocol]) == 0
        finally:
            LISTENERS.pop()
    assert header in asked
    assert ("5" in asked) is (header == "5")
    assert cli.main([*words, "--protocol", "6"]) == 2
    assert "--protocol: invalid choice: '6'" in capsys.readouterr().err


def test_a_server_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(call: Call, run: Run) -> Grid:
        raise OpRefusal("\x1b[31mred\x07 \x9b1m\tdone", "Err")

    with running_server() as server:
        wrap_op(server.app, "read", refuse)
        words = ["read", "site", "--uri", server.uri, "--user", server.user, "--password", server.password]
        assert cli.main(words) == 1
    assert r"\x1b[31mred\x07 \x9b1m" + "\tdone" in capsys.readouterr().err


def test_advice_is_of_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HSFRAME_URI", raising=False)
    assert cli.main(["about"]) == 2
    assert "give one, as in --uri http://127.0.0.1:8080/api, or set HSFRAME_URI" in capsys.readouterr().err
    https = ["about", "--uri", "https://127.0.0.1:9/api", "--user", ""]
    for option in ("--ca", "--certificate"):
        assert cli.main([*https, option, "nowhere.pem"]) == 2
        assert f"{option} 'nowhere.pem' cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("(that is retries=4)", "(that is --retries 4)"),
        ("give a longer deadline=, or ask for less", "give a longer --deadline, or ask for less"),
        ("give a longer timeout=", "give a longer --timeout"),
        ("less at once, as his_read(..., chunk='1D', limit_rows=10_000) does, or", "less at once, or"),
        ("try another format=, 'zinc' is known", "try another --format, 'zinc' is known"),
        ("Zinc is the default: connect(..., format='json')", "Zinc is the default: --format json"),
        ("in another zone (tz='UTC')", "in another zone (--tz UTC)"),
        ("as connect(retries=) says", "as --retries says"),
        (
            "no record of @a; look points up with read('point and his')",
            "no record of @a; look points up with hsframe read 'point and his'",
        ),
        ("Archive('/a b').sync('point') makes one", "hsframe sync /a b point makes one"),
        ("all later versions, and sync(), which reads", "all later versions, and hsframe sync, which reads"),
        ("; hsframe.Archive(...).check() says", "; in Python hsframe.Archive(...).check() says"),
        (
            "at most 64; limits=hsframe.Limits(nesting=...) sets how deep",
            "at most 64; --allow nesting=... sets how deep",
        ),
        ("allow more by limits=hsframe.Limits(columns=80)", "allow more by --allow columns=80"),
        ("is in UTC: give tz=, or shape='dict'", "is in UTC: give --tz"),
        (
            "2 of 3 points may lack samples: why. df.hs.catalog has the reason of each",
            "2 of 3 points may lack samples: why",
        ),
        ("version='auto', as by default, speaks 4", "--protocol auto, as by default, speaks 4"),
        (
            "files that belong together, and key_password if the key is encrypted",
            "files that belong together, and a key that is not encrypted",
        ),
        ("http://host/api/read?format=zinc&timeout=3", "http://host/api/read?format=zinc&timeout=3"),
        (
            "lists 'x'; hsframe.units.all_units() lists what there is",
            "lists 'x'; units are written as Project Haystack does: kW, °F, m³/h",
        ),
    ],
)
def test_words_of_python_become_options(words: str, expected: str) -> None:
    assert in_commands(words) == expected


def test_the_password_is_asked_for(
    login: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HSFRAME_PASSWORD", "")  # as CI sets a secret that it has not
    for _ in range(2):
        assert cli.main(["about"]) == 2  # no terminal here
        said = capsys.readouterr().err
        assert "give --password, or set HSFRAME_PASSWORD; --auth none is for a server that wants no login" in said
        monkeypatch.delenv("HSFRAME_PASSWORD", raising=False)
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return "demo"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", getpass)
    assert cli.main(["about"]) == 0
    assert asked == ["password of demo: "]
    assert cli.main(["about", "--password", "demo"]) == 0
    assert len(asked) == 1
    capsys.readouterr()


def test_a_terminal_that_knows_no_degrees_still_shows_something(
    login: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, "ascii"))
    assert cli.main(["read", "temp"]) == 0
    assert b"\\xb0F" in shown.getvalue()
    for form in ("csv", "json", "zinc"):  # programs read these, and would take the escape for a unit
        assert cli.main(["read", "temp", "--output", form]) == 0
        assert "°F" in shown.getvalue().decode()
        shown.seek(0)
        shown.truncate()


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="a locale of POSIX")
def test_arguments_in_utf_8_are_taken_in_a_locale_that_knows_ascii_alone(
    login: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [os.fsdecode("°C"), "°C".encode().decode("ascii", "surrogateescape")]
    for unit in given:
        assert cli.main(["his-read", "@oat", "2026-11-01", "--units", unit, "--csv"]) == 0
        assert capsys.readouterr().out.startswith("ts,Outside [°C]\n")


@pytest.mark.filterwarnings("always::hsframe.ZoneWarning")
def test_a_warning_is_one_line_whose_advice_helps(login: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["his-read", "power", "2026-11-01", "--csv"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hsframe: the points are in 2 time zones (London, New_York)")
    assert line.endswith("choose a zone with --tz New_York (say), or say --tz UTC")
    for zone in ("New_York", "UTC"):
        assert cli.main(["his-read", "power", "2026-11-01", "--csv", "--tz", zone]) == 0
        assert capsys.readouterr().err == ""


def test_what_an_option_can_do_is_advised_as_that_option(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "kw.parquet")
    for command in (["export", "kw", "2026-11-01", path], ["his-read", "kw", "2026-11-01"]):
        assert cli.main([*command, "--tz", "local"]) == 2
        told = capsys.readouterr().err
        assert "--tz local is for hsframe his-read with --interval of a day or more" in told
        assert "take --tz point or a zone" in told
    assert cli.main(["read", "point", "--allow", "columns=5", "--retries", "0"]) == 1
    told = capsys.readouterr().err
    assert "--allow columns=" in told
    assert "names a project" not in told  # the uri is right
    assert cli.main(["read", "point", "--allow", "columns=5", "--allow", "columns=500"]) == 0
    for wrong in ("rows=5", "rows=1e9", "=5"):
        assert cli.main(["read", "point", "--allow", wrong]) == 2
        assert "NAME is answer_bytes, cells, columns, nesting" in capsys.readouterr().err
    for wrong in ("columns=many", "columns", "cells=1e9", "answer_bytes=10MB", "cells=1.5", "columns=0", "columns=-1"):
        assert cli.main(["read", "point", "--allow", wrong]) == 2
        assert f"COUNT a whole number above 0, as in columns=50000; got {wrong!r}" in capsys.readouterr().err
    assert cli.main(["read", "point", "--allow", "nesting=101"]) == 2
    assert capsys.readouterr().err == "hsframe: --allow: nesting must be at most 100; got 101\n"


def shell(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'hs() {{ "{sys.executable}" -m hsframe "$@"; }}; {text}'],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.one_python
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        ("read point", ""),
        ("his-read point today --csv --tz UTC", "1"),
        ("serve --port 0", ""),
        ("--help", ""),
        ("--version", "1"),
    ],
)
def test_a_full_disk_behind_stdout_is_one_line(
    login: RunningServer, monkeypatch: pytest.MonkeyPatch, command: str, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = shell(f"hs {command} > /dev/full")
    assert done.returncode == 1
    why = "No space left on device; make room and repeat it"
    assert done.stderr == f"hsframe: stdout cannot be written: {why}\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b"),
            "/a/b cannot be used: Permission denied; give this",
        ),
        (
            PermissionError(errno.EACCES, "Failed to open '/a/b': Permission denied"),
            "Failed to open '/a/b': Permission",
        ),
        (OSError("what has no number"), "what has no number\n"),
    ],
)
def test_a_file_that_the_system_refuses_is_not_called_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, told: str
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("hsframe.cli.reading.about", fail)
    assert cli.main(["about"]) == 1
    assert capsys.readouterr().err.startswith(f"hsframe: {told}")


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("hs his-write no.csv >&-", 2),
        ("hs set-user users.txt ann <&-", 2),
        ("hs about >&- 2>&- <&-", 1),
        ("hs read 'point and' 2>&-", 2),
        ("hs fly 2>/dev/full", 2),
    ],
)
def test_streams_that_are_closed_or_full_change_no_exit_code(
    login: RunningServer, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    done = shell(command)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == ("set-user" in command or "no.csv" in command)
    assert "Traceback" not in done.stderr


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("command", ["read point", "his-read @kw today --csv", "about"])
def test_a_closed_stdout_is_told_by_what_shows_something(login: RunningServer, command: str) -> None:
    done = shell(f"hs {command} >&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hsframe: stdout cannot be written: Bad file descriptor\n"


@pytest.mark.one_python
def test_the_program_and_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("hsframe ")
    commands = ("demo", "serve", "about", "read", "his-read", "latest", "his-write", "export", "doctor")
    for args in (["--help"], *([command, "--help"] for command in commands)):
        with pytest.raises(SystemExit, match="0"):
            cli.main(args)
        told = capsys.readouterr().out
        assert "usage" in told
        assert (f"\n  slow=N: {QUIRKS['slow']}\n" in told) == (args[0] in ("demo", "serve"))
        if len(args) == 1:
            assert [command for command in commands if command not in told] == []


@pytest.mark.one_python
@pytest.mark.skipif(os.name == "nt", reason="a console Ctrl-C cannot be sent to one child on Windows")
def test_the_demo_building_is_served_to_a_user_until_ctrl_c() -> None:
    """test_cli_doctor.py has a demo with a quirk, and a folder."""
    with subprocess.Popen(
        [sys.executable, "-m", "hsframe", "serve", "--user", "eve", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "HSFRAME_PASSWORD": "s3cret"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        uri = process.stdout.readline().strip()
        assert uri.startswith("http://127.0.0.1:")
        assert uri.endswith("/api")
        with hsframe.connect(uri, "eve", "s3cret") as s:
            assert len(s.read("site")) == 3
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
        assert "s3cret" not in out


@pytest.mark.one_python
@pytest.mark.skipif(os.name == "nt", reason="a signal cannot be sent to one child on Windows")
def test_a_server_that_ends_is_not_interrupted() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "hsframe", "demo", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while "Ctrl-C" not in process.stdout.readline():
            pass
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
        assert (process.returncode, *process.communicate()) == (0, "stopped\n", "")


@pytest.mark.one_python
@pytest.mark.skipif(os.name == "nt", reason="a signal cannot be sent to one child on Windows")
def test_a_sync_that_is_stopped_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        with subprocess.Popen(
            [sys.executable, "-m", "hsframe", "sync", tmp_path / "a", "point", "--json", "--uri", uri, "--user", ""],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            connection, _ = listener.accept()
            with connection:  # it never answers
                process.send_signal(signal.SIGTERM)
                out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(rf"hsframe: \S+ {re.escape(str(tmp_path / 'a'))}: interrupted; the same command goes on\n", err)


@pytest.mark.filterwarnings("always::UserWarning")
def test_a_folder_that_is_served_without_users_says_how_to_set_one(
    login: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "trends"
    for path in (tmp_path / "kw.parquet", archive):
        assert cli.main(["export", "kw", "2026-11-01", str(path)]) == 0
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for folder in (tmp_path, archive):
            assert cli.main(["serve", str(folder), "--port", str(taken.getsockname()[1])]) == 3
            warning, error = capsys.readouterr().err.splitlines()
            advice = "give a user of your own: hsframe serve --user NAME, or --users FILE"
            assert warning == f"hsframe: the password of the user demo is demo; {advice}"
            assert "another program listens there" in error


def test_the_demo_is_for_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--host", "0.0.0.0"]) == 2
    err = capsys.readouterr().err
    assert "listen on 127.0.0.1, or give a user of your own: hsframe serve --user NAME, or --users FILE\n" in err


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", f"--port={port}"]) == 2
    assert f"argument --port: expected a number from 0 to 65535; got {port!r}" in capsys.readouterr().err
