"""The command line's doctor, and servers of other habits to try it on."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import cli
from hsframe.testing.server import RunningServer


def test_the_doctor_prints_a_table(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HSFRAME_PASSWORD", server.password)
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(["doctor", server.uri, "--user", server.user]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["question", "answer", "advice"]
    assert lines[2].startswith("reachable")
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("hisRead of a point    yes") for line in lines)
    assert cli.main(["doctor", "--uri", server.uri, "--user", server.user, "--point", "@uk 1"]) == 1
    assert capsys.readouterr().err.startswith("hsframe: 'uk 1' cannot be the id of a ref: expected letters")
    assert cli.main(["doctor", "--uri", server.uri, "--user", server.user, "--point", "@kw", "--csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.columns.tolist() == ["question", "answer", "advice"]
    assert len(table) == 27


def test_no_server_is_told_and_a_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HSFRAME_USER", raising=False)
    assert cli.main(["doctor", "http://127.0.0.1:1/api"]) == 1
    told = capsys.readouterr()
    assert "reachable" in told.out
    assert "nothing answers there" in " ".join(told.out.split())
    assert all(line.startswith("hsframe: waits") for line in told.err.splitlines())


def test_an_unknown_quirk_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--port", "0", "--quirk", "nigara"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("hsframe: there is no quirk 'nigara'; did you mean niagara")
    assert len(told.splitlines()) == 1


@pytest.mark.one_python
@pytest.mark.skipif(os.name == "nt", reason="a console Ctrl-C cannot be sent to one child on Windows")
def test_demo_with_a_quirk_and_serve_with_a_folder(tmp_path: Path) -> None:
    index = pd.date_range("2026-06-01", periods=96, freq="15min", tz="Europe/Berlin", unit="us", name="ts")
    df = pd.DataFrame({"Meter": np.arange(96.0)}, index).astype({"Meter": hsframe.UnitDtype("kW")})
    hsframe.write_parquet(df, tmp_path / "meter.parquet")
    for args, quirky in ((["demo", "--quirk", "niagara"], True), (["serve", str(tmp_path), "--anonymous"], False)):
        with subprocess.Popen(
            [sys.executable, "-m", "hsframe", *args, "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            uri = process.stdout.readline().strip()
            user = "demo" if quirky else ""
            found = hsframe.doctor(uri, user, user).set_index("question")["answer"]
            assert found["ends of a range"].startswith("(start, end]") is quirky
            if not quirky:
                with hsframe.connect(uri, user) as session:
                    back = session.his_read("point", "2026-06-01")
                assert back.iloc[:, 0].to_numpy("float64").tolist() == list(range(96))
                assert back.iloc[:, 0].dtype.unit == "kW"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
            assert (process.returncode, err) == (0, "")
