"""What IPython shows, as a notebook does: errors in a few lines, and the whole of them on demand."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hsframe
from hsframe.protocol.secret import Secret
from hsframe.session import runners
from hsframe.testing.server import RunningServer

interactiveshell = pytest.importorskip("IPython.core.interactiveshell")

SECRET = "a-Pass-that-nobody-sees"


@pytest.fixture
def cell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Runs a cell and gives what IPython prints for it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell puts its own there
    from traitlets.config import Config

    quiet = Config(HistoryManager={"enabled": False}, InteractiveShell={"colors": "nocolor"})  # no thread, no file
    shell = interactiveshell.InteractiveShell.instance(config=quiet)
    shell.user_ns["hsframe"] = hsframe

    def run(source: str) -> str:
        capsys.readouterr()
        shell.run_cell(source, store_history=True)
        return capsys.readouterr().out

    yield run
    shell.reset(new_session=False)
    shell.restore_sys_module_state()
    interactiveshell.InteractiveShell.clear_instance()


def lines_of(shown: str) -> list[str]:
    """The lines without the rule above them."""
    return [line for line in shown.splitlines() if line and not line.startswith("-----")]


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("hsframe.read('point and')", "hsframe.read('point and')", "CallError: read at "),
        ("hsframe.his_read('@nope', 'yesterday')", "'@nope'", "UnknownRecError: there is no record of @nope"),
        ("hsframe.his_read('point', 'lastWek')", "'lastWek'", "SpanError: 'lastWek' is not a valid span"),
        ("hsframe.his_read('point', 'today', shap=1)", "shap=1", r"TypeError: his_read\(\) got an unexpected"),
        ("hsframe.his_read('point')", "his_read('point')", r"TypeError: his_read\(\) missing 1 required"),
        ("s.read(1, 2, 3, 4)", "read(1, 2", r"TypeError: .*read\(\) takes from 2 to 3 positional arguments but 5"),
        ("hsframe.nav(foo=2)", "foo=2", r"TypeError: .*nav\(\) got an unexpected keyword argument 'foo'"),
        ("s.tree(5)", "s.tree(5)", "TypeError: "),
        ("await s.client.about()", "await s.client.about()", "HsFrameError: the AsyncSession .* its run"),
        ("async with hsframe.AsyncSession(s.uri, 'demo', 'no') as a:\n    await a.about()", "a.about()", "AuthError: "),
        ("s.run(lambda client: client.read('point and'))", "client.read", "CallError: read at "),
        ("hsframe.connect(format='sinc', uri=s.uri, token='t')", "sinc", "MetadataError: "),
    ],
)
def test_an_error_is_its_message_and_ones_own_line(
    session: hsframe.Session, cell: Callable[[str], str], source: str, line: str, said: str
) -> None:
    cell("s = hsframe.session.default.default_session()")
    shown = cell(source)
    head, *_, message = lines_of(shown)
    assert head.split(None, 1) == [message.partition(":")[0], "%tb shows the whole traceback"]
    assert re.match(said, message)
    assert any("-> " in text and line in text for text in lines_of(shown)[1:-1])
    assert "hsframe/" not in shown
    assert len(shown.splitlines()) <= 9


def test_each_line_of_ones_own_is_there(session: hsframe.Session, cell: Callable[[str], str]) -> None:
    cell("def load(span):\n    return hsframe.his_read('point', span)")
    shown = cell("data = [\n    load('lastWek')]")
    assert "load('lastWek')" in shown
    assert "return hsframe.his_read('point', span)" in shown


def test_the_whole_traceback_is_there_on_demand(session: hsframe.Session, cell: Callable[[str], str]) -> None:
    short = cell("hsframe.read('point and')")
    long = cell("%tb")
    assert len(short.splitlines()) < 8
    assert len(long.splitlines()) > 50
    assert "\nCodecError" not in short
    assert "\nCodecError: " in long  # what led to it
    assert "The above exception was the direct cause" in long
    try:
        cell("hsframe.options.tracebacks = 'long'")
        assert cell("hsframe.his_read('@nope', 'yesterday')").count("hsframe/") > 5
        with hsframe.options.using(tracebacks="short"):
            assert "hsframe/" not in cell("hsframe.his_read('@nope', 'yesterday')")
        assert hsframe.options.tracebacks == "long"
        assert "expected one of short, long" in cell("hsframe.options.tracebacks = 'none'")
    finally:
        hsframe.options.tracebacks = "short"


def test_points_that_fail_at_once_are_one_error(session: hsframe.Session, cell: Callable[[str], str]) -> None:
    """IPython shows an error that has met an ExceptionGroup as Python does, by all its frames."""
    from hsframe.history.concurrency import all_of

    async def refused() -> None:
        try:
            raise OSError("the cause")
        except OSError as error:
            raise hsframe.NetworkError("no answer") from error

    interactiveshell.InteractiveShell.instance().user_ns["both"] = lambda: all_of([refused(), refused()])
    shown = cell("await both()")
    assert lines_of(shown)[-1] == "NetworkError: no answer"
    assert "ExceptionGroup" not in shown + cell("%tb")
    assert "OSError: the cause" in cell("%tb")


def test_ctrl_c_is_a_line_too(
    session: hsframe.Session, cell: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = runners._wait

    def interrupted(*args: Any) -> bool:
        monkeypatch.setattr(runners, "_wait", wait)  # not when the call is cancelled
        raise KeyboardInterrupt

    monkeypatch.setattr(runners, "_wait", interrupted)
    shown = cell("hsframe.read('point')")
    assert lines_of(shown)[0].split(None, 1) == ["KeyboardInterrupt", "%tb shows the whole traceback"]
    assert "hsframe/" not in shown


@pytest.mark.parametrize("form", ["short", "long"])
def test_no_form_shows_a_secret(server: RunningServer, cell: Callable[[str], str], form: str) -> None:
    interactiveshell.InteractiveShell.instance().user_ns["asked"] = lambda: SECRET
    cell("%xmode Verbose")  # which shows variables too
    with hsframe.options.using(tracebacks=form):
        shown = cell(f"with hsframe.connect({server.uri!r}, 'demo', asked()) as s:\n    s.about()")
        assert "AuthError" in shown
        again = cell(f"with hsframe.connect({server.uri!r}, token=asked()) as s:\n    s.about()")
    assert SECRET not in shown + again + cell("%tb")
    cell("%xmode Context")


def test_another_program_gets_what_python_shows() -> None:
    error = hsframe.SpanError("no span")
    try:
        raise error
    except hsframe.SpanError:
        assert error._render_traceback_()[-1] == "hsframe.errors.SpanError: no span\n"


# What objects show --------------------------------------------------------------------------------------------------


def test_a_session_shows_what_it_knows_and_asks_nothing(
    server: RunningServer, session: hsframe.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(shown: str) -> dict[str, str]:
        return dict(re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", shown))

    assert told(session._repr_html_()) == {"uri": server.uri, "user": "demo", "format": "zinc"}
    session.about()
    session.read("site or point")
    asked: list[object] = []
    monkeypatch.setattr("hsframe.client.transport.Transport.fetch", lambda *args, **named: asked.append(args))
    shown = told(session._repr_html_())
    assert shown["server"].startswith("hsframe")
    assert (shown["zone"], shown["points"], shown["sites"]) == ("New_York", "5 read so far", "1 read so far")
    assert re.fullmatch(r"[\d,]+ ms", shown["latency"])
    assert told(session.client._repr_html_())["state"] == "open"
    assert told(hsframe.AsyncSession(server.uri, "demo", "demo")._repr_html_())["server"] == shown["server"]
    assert asked == []
    monkeypatch.undo()
    session.close()
    assert told(session._repr_html_())["state"] == "closed"


def test_a_session_shows_no_secret_that_a_server_repeats(server: RunningServer, session: hsframe.Session) -> None:
    session.client.sender.decoder.secrets.add_own(Secret(SECRET))
    server.database.name = f"answers {SECRET} to all"
    assert SECRET in session.about()["serverName"][0]  # what the user asked for
    assert "answers " in session._repr_html_()
    assert SECRET not in session._repr_html_()


def test_a_tree_is_had_of_a_session_and_of_an_archive(session: hsframe.Session, tmp_path: Path) -> None:
    tree = session.tree()
    assert repr(tree).splitlines()[:3] == ["1 site, 0 equips, 5 points", "HQ  @hq", "  Fan, Bool  @fan"]
    assert {point.id for point in session.known_points} == {"kw", "oat", "fan", "lon", "p:bne:1"}
    assert hsframe.tree("power").found == ["kw", "lon"]
    assert repr(hsframe.tree(filter="temp")).splitlines()[1:] == ["hq  @hq", "  Outside, °F  @oat"]
    with pytest.raises(hsframe.MetadataError, match="limit"):
        session.tree(limit=0)
    session.export("power", "2026-11-01", tmp_path / "archive")
    assert hsframe.Archive(tmp_path / "archive").tree().found >= ["kw"]
    shown = hsframe.Archive(tmp_path / "archive")._repr_html_()
    assert f">{tmp_path / 'archive'}</td>" in shown
    assert "2 points, " in shown


def test_hs_lists_what_it_can(session: hsframe.Session) -> None:
    df = session.his_read("@kw", "2026-11-01")
    lines = repr(df.hs).splitlines()
    names = [line.split()[0] for line in lines]
    assert names == [name for name in dir(df.hs) if not name.startswith("_")]
    assert all(len(line.split(None, 1)[1]) > 10 for line in lines)
    assert "`" not in repr(df.hs)
    assert "<td" in df.hs._repr_html_()
    assert "unit" in {line.split()[0] for line in repr(df["Power"].hs).splitlines()}
