"""Synchronous verbs where an event loop runs already: silent in a notebook, a warning in a coroutine of one's own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

import hsframe
from hsframe.testing.server import RunningServer

DAY = "2026-11-01"


def test_a_coroutine_is_told_once_what_to_await(session: hsframe.Session) -> None:
    async def handler() -> int:
        return len(session.read("point")) + len(hsframe.his_read("@kw", DAY))

    with pytest.warns(RuntimeWarning, match=r"await the same verb of hsframe\.AsyncSession") as caught:
        assert asyncio.run(handler()) == 105
    assert [warning.filename for warning in caught] == [__file__]


def test_a_watch_in_a_coroutine_says_so_too(session: hsframe.Session) -> None:
    async def handler() -> None:
        for _ in hsframe.watch("@kw", poll=0.01):
            break

    with pytest.warns(RuntimeWarning, match=r"hsframe\.AsyncSession") as caught:
        asyncio.run(handler())
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(("kernel", "warns"), [(object(), False), (None, True)])
def test_a_kernel_is_what_makes_a_notebook(
    session: hsframe.Session, monkeypatch: pytest.MonkeyPatch, kernel: object, warns: bool
) -> None:
    """IPython in a terminal has none: a loop that runs there is somebody's own."""
    shell = types.SimpleNamespace(kernel=kernel)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))

    async def cell() -> int:
        return len(session.read("point"))

    if warns:
        with pytest.warns(RuntimeWarning, match="AsyncSession"):
            asyncio.run(cell())
    else:
        assert asyncio.run(cell()) == 5


@pytest.mark.one_python
def test_a_script_shows_the_warning_at_its_own_line(server: RunningServer, tmp_path: Path) -> None:
    script = tmp_path / "service.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import asyncio, hsframe

            async def handler(s):
                return [len(s.read("point")) for _ in range(3)]

            with hsframe.connect({server.uri!r}, "demo", "demo") as s:
                print(asyncio.run(handler(s)), len(s.read("point")))
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[5, 5, 5] 5"
    assert done.stderr.count("RuntimeWarning") == 1
    assert done.stderr.startswith(f"{script}:5: RuntimeWarning: a synchronous verb of hsframe inside a coroutine")


@pytest.mark.one_python
def test_a_notebook_is_silent_and_may_await_too(server: RunningServer, tmp_path: Path) -> None:
    cells = [
        "import warnings; warnings.simplefilter('error'); import hsframe",
        f"s = hsframe.connect({server.uri!r}, 'demo', 'demo')",
        "print(len(s.read('point')), len(hsframe.his_read('@kw', '2026-11-01')))",
        "async def mine():\n    return len(hsframe.read('point'))\nprint(await mine())",
        "for frame in hsframe.watch('@kw', poll=0.01):\n    print(len(frame)); break",
        f"async with hsframe.AsyncSession({server.uri!r}, 'demo', 'demo') as a:\n"
        "    print(len(await a.his_read('@kw', '2026-11-01')))",
        "1\nhsframe.his_read('@nope', '2026-11-01')",
        "s.close()",
    ]
    code = (
        "import json, sys, nbformat; from nbclient import NotebookClient; "
        "failing = {'tags': ['raises-exception']}; "
        "cells = [nbformat.v4.new_code_cell(source, metadata=failing if '@nope' in source else {}) "
        "for source in json.loads(sys.argv[1])]; "
        "notebook = nbformat.v4.new_notebook(cells=cells); "
        "NotebookClient(notebook, timeout=120, kernel_name='python3').execute(); "
        "print(json.dumps([output for cell in notebook.cells for output in cell.outputs]))"
    )
    env = os.environ | {"PYTHONPATH": str(Path(hsframe.__file__).parents[1])}
    # In a process of its own: nbclient and its kernel bring event loops, sockets and warnings that are theirs.
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(cells)],
        capture_output=True, text=True, check=False, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *outputs, error = json.loads(done.stdout)
    shown = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"])).splitlines()
    assert [line for line in shown[1:] if line] == [
        "UnknownRecError                               %tb shows the whole traceback",
        "Cell In[7], line 2",
        "      1 1",
        "----> 2 hsframe.his_read('@nope', '2026-11-01')",
        "UnknownRecError: there is no record of @nope; look points up with read('point and his')",
    ]
    assert {output["name"] for output in outputs} == {"stdout"}
    says, *numbers = "".join(output["text"] for output in outputs).splitlines()
    assert says.startswith("connected to ")
    assert numbers == ["5 100", "5", "1", "100"]
    assert server.open_sessions == 0
