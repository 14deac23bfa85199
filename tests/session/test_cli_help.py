"""The helps and the page of the command line tell the truth: their examples and spans are run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsframe import cli
from hsframe.cli.parser import parser
from hsframe.testing.server import RunningServer, running_server

pytestmark = pytest.mark.one_python

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "command-line.md"
ELSEWHERE = ("demo", "serve")  # test_cli.py runs these


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit, match="0"):
        cli.main([*command, "--help"])
    return capsys.readouterr().out


def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return re.findall(r"^    ([a-z-]+)  ", help_of(capsys), re.MULTILINE)


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def at_demo(demo: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunningServer:
    monkeypatch.chdir(tmp_path)
    for name, value in {"URI": demo.uri, "USER": demo.user, "PASSWORD": demo.password}.items():
        monkeypatch.setenv(f"HSFRAME_{name}", value)
    (tmp_path / "edited.csv").write_text("ts,@nyc-meter-kw [kW]\n2026-06-01T12:00:00-04:00,250.5\n")
    return demo


def run(line: str, server: RunningServer) -> int:
    _, *words = shlex.split(line.replace("http://127.0.0.1:8080/api", server.uri))
    if words[0] in ELSEWHERE:
        parser().parse_args(words)
        return 0
    return cli.main(words)


@pytest.mark.filterwarnings("always")
def test_each_command_has_examples_that_run(
    at_demo: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = commands(capsys)
    assert len(names) >= 13
    for name in names:
        examples = re.findall(rf"^  (hsframe {name}\b.*)$", help_of(capsys, name), re.MULTILINE)
        assert examples, name
        for example in examples:
            with monkeypatch.context() as patch:
                patch.setattr("sys.stdin.readline", lambda: "a password\n", raising=False)
                assert run(example, at_demo) == 0, (example, capsys.readouterr().err)


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("command", ["his-read", "export"])
def test_each_span_of_the_help_is_one(at_demo: RunningServer, capsys: pytest.CaptureFixture[str], command: str) -> None:
    text = " ".join(help_of(capsys, command).split())
    spans = re.search(r"\bspan (today, .*?), \.\.\.: dates", text)
    assert spans, text
    words = spans[1].split(", ")
    assert {"today", "lastWeek", "-7d", "2026-01"} < set(words)
    file = ["a.parquet"] if command == "export" else []
    for span in words:
        for args in (["@nyc-meter-kw", span, *file], ["--tz", "UTC", "@nyc-meter-kw", span, *file]):
            assert cli.main([command, *args]) == 0, (args, capsys.readouterr().err)


@pytest.mark.parametrize("command", ["latest --at", "sync trends power --since", "his-read --tz UTC @nyc-meter-kw"])
def test_a_span_that_begins_with_a_minus_is_no_option(
    at_demo: RunningServer, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    more = ["@nyc-meter-kw"] if command.startswith("latest") else []
    for span in ("-2d", "-90min", "-1.5h"):
        assert cli.main([*command.split(), span, *more]) == 0, capsys.readouterr().err


def test_the_page_shows_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    """tests/test_docs.py runs what it shows."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert set(commands(capsys)) - set(re.findall(r"hsframe ([a-z-]+)", "".join(blocks))) == set()
