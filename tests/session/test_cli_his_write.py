"""his-write: what his-read wrote into a file goes back to the same samples."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import hsframe
from hsframe import cli
from hsframe.kinds import NA
from hsframe.testing.server import RunningServer

ALL = ["@kw", "@oat", "@fan", "@lon", "@p:bne:1"]
SPAN = "2026-11-01"


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert cli.main(args) == code, capsys.readouterr().err
    told = capsys.readouterr()
    return told.out if code == 0 else told.err


@pytest.mark.parametrize("header", ["dis", "id"])
@pytest.mark.parametrize("tz", ["UTC", "New_York"])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_file_goes_round(
    login: RunningServer,
    session: hsframe.Session,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    header: str,
    tz: str,
    name: str,
) -> None:
    """Over the repeated hour of autumn, of several kinds, units and zones, with an NA and texts that look otherwise."""
    texts = pd.DataFrame({"@p:bne:1": ["007", "NaN", "true", ' a, "b"\n']}, session.his_read("@kw", SPAN).index[4:8])
    session.his_write(texts)
    session.his_write(pd.DataFrame({"@oat": [NA]}, texts.index[:1], dtype=object))
    before = session.his_read(ALL, SPAN, tz="UTC")
    path = str(tmp_path / name)
    assert run(capsys, "his-read", *ALL, SPAN, "--tz", tz, "--header", header, "--file", path) == ""
    said = run(capsys, "his-write", path).splitlines()
    assert len(said) == 5
    assert all(" dry run: " in line and " same" in line and "different" not in line for line in said)
    assert not any(" new" in line for line in said)
    assert run(capsys, "his-write", path, "--yes").count(" verified: ") == 5
    pd.testing.assert_frame_equal(session.his_read(ALL, SPAN, tz="UTC"), before)


def test_what_was_edited_is_shown_and_written_with_yes(
    login: RunningServer, session: hsframe.Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    run(capsys, "his-read", "@kw", SPAN, "--file", str(path), "--header", "id")
    lines = path.read_text("utf-8").splitlines()
    assert lines[6:11:4] == ["2026-11-01 01:15:00-04:00,197.0", "2026-11-01 01:15:00-05:00,201.0"]
    lines[10] = "2026-11-01 01:15:00-05:00,5000.5"
    path.write_text("\n".join([*lines, "2027-01-01T00:00:00Z,1"]), "utf-8")
    assert cli.main(["his-write", str(path)]) == 0
    told = capsys.readouterr()
    assert "dry run: 101 samples from 2026-11-01 00:00:00-04:00 to 2026-12-31 19:00:00-05:00" in told.out
    assert "1 new, 99 same, 1 different, first at 2026-11-01 01:15:00-05:00" in told.out
    assert told.err == "hsframe: nothing was written; the same command with --yes writes it\n"
    assert session.his_read("@kw", SPAN)["Power"].max() < hsframe.Number(1000, "kW")
    assert run(capsys, "his-write", str(path), "--existing", "refuse", code=1).startswith("hsframe: nothing")
    assert "has other values" in run(capsys, "his-write", str(path), "--existing", "refuse", "--yes", code=1)
    assert "verified" in run(capsys, "his-write", str(path), "--yes")
    after = session.his_read("@kw", SPAN)["Power"]
    assert after.loc["2026-11-01 01:15:00-05:00"] == hsframe.Number(5000.5, "kW")
    assert after.loc["2026-11-01 01:15:00-04:00"] == hsframe.Number(197, "kW")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ts,Power [kW]\n2026-11-01T00:00Z,1\n", "could be any of @kw, @lon.* as '@the-id .kW.'"),
        ("ts,Nobody [kW]\n2026-11-01T00:00Z,1\n", "belongs to no known point: it is neither an id nor a name"),
        ("ts,Outsite [°F]\n2026-11-01T00:00Z,1\n", "did you mean 'Outside'"),
        ("ts,kw @lon [°F]\n2026-11-01T00:00Z,1\n", "°F"),
        ("ts,kw mean [kW]\n2026-11-01T00:00Z,1\n", "belongs to no known point"),
        ("ts,kw [kW]\n2026-11-01 01:30,1\n", r"line 2: the time '2026-11-01 01:30' has no offset.*--tz New_York"),
        ("ts,kw [kW]\n1/11/2026 01:30Z,1\n", "line 2: .*is no time; expected times, as"),
        ("ts,@gone [kW]\n2026-11-01T00:00Z,1\n", "column '@gone .kW.': .* 'point and his' .*@gone is not among them"),
        ("ts,kw [kW]\n2026-11-01T00:00Z,1_5\n", "line 2: expected a number"),
        ("ts,kw [kW]\n2026-11-01T00:00Z,1\n2026-13-01T00:00Z,1\n", "line 3: the time '2026-13-01T00:00Z' is no"),
        ('ts,kw [kW]\n2026-11-01T00:00Z,"1,5"\n', "column 'kw .kW.', line 2: expected a number, .* got '1,5'"),
        ("ts,kw [kW]\n2026-11-01T00:00Z,NA\n", "line 2: expected a number"),
        ("ts,fan\n2026-11-01T00:00Z,yes\n", "line 2: expected True, False or an empty cell; got 'yes'"),
        ("ts,kw [°C]\n2026-11-01T00:00Z,1\n", "°C"),
        ("kw [kW],ts\n1,2026-11-01T00:00Z\n", "line 2: the time '1' is no time; .* in the first column"),
        ("ts,kw [W]\n2026-11-01T00:00Z,1\n", "--convert"),
        ("ts,kw [kW],@kw [kW]\n2026-11-01T00:00Z,1,1\n", "both belong to the point @kw"),
        ("ts,kw,kw\n2026-11-01T00:00Z,1,1\n", "two columns are called 'kw'"),
        ("ts,kw\n2026-11-01T00:00Z,1\n2026-11-01T00:00Z,2\n", "line 3: the time '2026-11-01T00:00Z' comes twice"),
    ],
)
def test_what_could_be_written_wrongly_is_refused(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    assert cli.main(["his-write", str(path), "--yes"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert pd.Series([line]).str.contains(words).all(), line
    assert "points=" not in line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ts,kw\n",
        "ts;kw\n2026-11-01T00:00Z;1,5\n",
        "ts;kw\n2026-11-01T00:00Z;1\n",
        "\x00\xff",
        "ts\n2026-11-01T00:00Z\n",
    ],
)
def test_what_is_no_table_is_refused(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    assert cli.main(["his-write", str(path), "--yes"]) == 2
    told = capsys.readouterr().err
    assert "a.csv" in told
    assert ";" not in text or "semicolons" in told


def test_times_of_a_zone_points_and_other_units(
    login: RunningServer, session: hsframe.Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("when,Power [MW]\n2026-11-02 01:07,0.25\n2026-11-03 00:07,\n", "utf-8")
    args = ["his-write", str(path), "--tz", "New_York", "--points", "@kw", "--convert"]
    assert cli.main(args) == 0
    told = capsys.readouterr()
    assert "1 new" in told.out
    assert "hsframe: times without an offset are taken as those of America/New_York, by --tz\n" in told.err
    assert "1 samples from 2026-11-02 01:07:00-05:00" in run(capsys, *args, "--yes")
    assert session.his_read("@kw", "2026-11-02")["Power"].loc["2026-11-02 01:07-05:00"] == hsframe.Number(250, "kW")
    path.write_text("when,Power [MW]\n2026-11-01 01:30,0.25\n", "utf-8")
    assert "line 2: the time '2026-11-01 01:30' comes twice or never in New_York" in run(capsys, *args, code=1)
    run(capsys, "his-write", str(path), "--tz", "Mars", code=2)


@pytest.mark.parametrize("agg", ["integral", "mean", "step"])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_values_over_intervals_do_not_come_back_as_samples(
    login: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, agg: str
) -> None:
    path = str(tmp_path / name)
    run(capsys, "his-read", "@kw", SPAN, "--interval", "1h", "--agg", agg, "--file", path)
    told = run(capsys, "his-write", path, "--yes", code=1 if name == "a.csv" else 2)
    assert agg in told
    assert "points=" not in told
    assert "df." not in told
