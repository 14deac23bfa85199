"""What IPython's completer offers of settings with fixed values."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import hsframe
from hsframe.codecs.formats import CALL_FORMATS
from hsframe.session.completion import choices_of, offer_choices
from hsframe.session.reading import OnError

interactiveshell = pytest.importorskip("IPython.core.interactiveshell")
completer = pytest.importorskip("IPython.core.completer")


@pytest.mark.parametrize(
    ("verb", "name", "choices"),
    [
        ("connect", "format", CALL_FORMATS),
        ("connect", "auth", ("auto", "scram", "plaintext", "basic", "bearer", "none")),
        ("connect", "runner", ("thread", "nested")),
        ("his_read", "shape", ("wide", "tidy", "dict")),
        ("his_read", "boundary", ("none", "before", "both")),
        ("his_read", "on_error", get_args(OnError)),
        ("his_iter", "shape", ("wide", "tidy")),
        ("his_write", "inf", ("refuse", "send")),
        ("matrix", "edges", ("whole", "partial")),
        ("resample", "edges", ("whole", "partial")),
        ("options", "unit_mixing", ("convert", "raise")),
        ("his_read", "interval", ()),
        ("his_read", "nothing", ()),
        ("Session", "x", ()),
        ("no_verb", "shape", ()),
    ],
)
def test_the_choices_are_those_of_the_types(verb: str, name: str, choices: tuple[str, ...]) -> None:
    assert choices_of(verb, name) == choices


def test_what_is_offered_is_taken() -> None:
    for agg in choices_of("his_read", "agg"):
        hsframe.session.reading.ReadRequest("p", "today", interval="1h", agg=agg)
    assert "mean" in choices_of("his_read", "agg")
    for units in choices_of("his_read", "units"):
        hsframe.session.reading.ReadRequest("p", "today", units=units)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("hsframe.his_read(p, 'today', shape='", ["wide", "tidy", "dict"]),
        ("hsframe.his_read(p, 'today', shape=\"wi", ["wide"]),
        ("df = s.his_read(p, 'today', shape=", ['"wide"', '"tidy"', '"dict"']),
        ("hsframe.connect(uri('x'),\n    user,\n    format='js", ["json4", "json", "json3"]),
        ("s.his_read(p, d, interval='1h', agg=['mean', 'mi", ["min"]),
        ("hsframe.options.tracebacks = '", ["short", "long"]),
        ("hsframe.his_read(p, 'today', sha", ["shape="]),
    ],
)
def test_ipython_offers_them_and_nothing_else(text: str, offered: list[str], shell: Any) -> None:
    with completer.provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    assert [one.text for one in found if not one.text.startswith("%")] == offered
    assert all(one.text.startswith(text[one.start : one.end]) for one in found)  # what is typed is replaced


@pytest.mark.parametrize("text", ["other(shape='", "hsframe.his_read(p, 'today')['", "print('shape=", "x = his_read('"])
def test_elsewhere_nothing_changes(text: str, shell: Any) -> None:
    with completer.provisionalcompleter():
        found = [one.text for one in shell.Completer.completions(text, len(text))]
    assert not {"wide", "tidy", "dict"} <= set(found)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    from traitlets.config import Config

    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.chdir(tmp_path)
    quiet = Config(HistoryManager={"enabled": False}, IPCompleter={"use_jedi": False})
    made = interactiveshell.InteractiveShell.instance(config=quiet)
    made.user_ns["hsframe"] = hsframe
    offer_choices()
    offer_choices()  # once is enough
    assert len(made.Completer.custom_matchers) == 1
    yield made
    made.restore_sys_module_state()
    interactiveshell.InteractiveShell.clear_instance()
