"""The notebooks run from top to bottom against the embedded server, and read well without being run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hsframe
from hsframe.testing.server import running_server

pytestmark = pytest.mark.one_python

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
DEMO = "http://127.0.0.1:8080/api"  # where `hsframe demo` is, which they read
# A kernel is slow to start on a busy machine.
CELL_TIMEOUT_S = 120


def code_cells(path: Path) -> list[dict[str, Any]]:
    """The notebook's code cells."""
    notebook = json.loads(path.read_text("utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def output_kinds(cell: dict[str, Any]) -> list[str]:
    """What a cell shows: text, table, picture; a text that came in two pieces is one."""
    kinds: list[str] = []
    stream = None
    for output in cell["outputs"]:
        data, before, stream = output.get("data", {}), stream, output.get("name")
        if stream is not None and stream == before:
            continue
        kinds.append("picture" if "image/png" in data else "table" if "text/html" in data else "text")
    return kinds


def test_there_are_notebooks() -> None:
    assert "01-first-trend.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_shows_what_its_file_shows(name: str, tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    # In a process of its own: nbclient and its kernel bring event loops, sockets and warnings that are theirs.
    code = (
        "import sys, nbformat; from nbclient import NotebookClient; "
        "notebook = nbformat.read(sys.argv[1], as_version=4); "
        # On a slow machine some reads would show a bar.
        "no_bar = 'import hsframe.session.progress_bar as bar; bar._DELAY_S = float(\"inf\")'; "
        "notebook.cells.insert(0, nbformat.v4.new_code_cell(no_bar)); "
        f"NotebookClient(notebook, timeout={CELL_TIMEOUT_S}, kernel_name='python3', "
        "resources={'metadata': {'path': sys.argv[3]}}).execute(); "
        "del notebook.cells[0]; "
        "nbformat.write(notebook, sys.argv[2])"
    )
    hsframe.copy_notebooks(tmp_path)  # the data that it reads is then beside it, and what it writes in nobody's way
    with running_server() as server:
        (tmp_path / name).write_text((FOLDER / name).read_text("utf-8").replace(DEMO, server.uri), "utf-8")
        env = os.environ | {"PYTHONPATH": str(FOLDER.parent)}  # the package of this checkout, installed or not
        env["OMP_NUM_THREADS"] = "1"  # threads of scikit-learn that wait for a core do so by computing, 20 s of it
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name), str(executed), str(tmp_path)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    shown, stored = code_cells(executed), code_cells(FOLDER / name)
    assert [output_kinds(cell) for cell in shown] == [output_kinds(cell) for cell in stored], (
        f"{name} shows other things than its file: run it again against `hsframe demo` and save it"
    )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_reads_well_unexecuted(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    cells = code_cells(FOLDER / name)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell["outputs"]) for cell in cells) > len(cells) / 2
    assert any("picture" in output_kinds(cell) for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data", "stream"}
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    paths = re.findall(r"(?:/home/|/root/|/tmp/|/work/|/Users/|[A-Z]:\\\\)[\w./-]*", text)
    assert paths == [], "paths of somebody's machine"
    linked = {other for other in re.findall(r"\]\(([\w./-]*\.ipynb)\)", text) if not (FOLDER / other).exists()}
    assert linked == set(), "links that lead nowhere"
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    assert [line for line in lines if len(line) > 92] == [], "lines that are cut on a page"
    assert len(text) < 400_000
