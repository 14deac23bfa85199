"""Runs a notebook in a real JupyterLab, in a headless Chromium, and looks at what is on its page.

``python -m tests.jupyter FOLDER``, by hand, as a machine that tests has no browser mostly. The environment needs
jupyterlab, ipywidgets, tqdm, playwright and this package, and Chromium is on the path. Saves a picture of each part of
the page into FOLDER; ends with a 1, and says what is wrong, where a cell shows an error that is not meant or a bar that
is not green.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from hsframe.server.demo import demo_building
from hsframe.testing.server import running_server

PORT, TOKEN = 18888, "of-this-run-only"
# Each is a cell; one that is meant to fail begins with its error.
CELLS = [
    "import hsframe\nsession = hsframe.connect()\nsession",
    "hsframe.about()\nsession",
    "points = hsframe.read('point and temp')\npoints.iloc[:3, :6]",
    "df = hsframe.his_read(points, '2026-08-01,2026-10-31', chunk='5D', tz='UTC')\nlen(df)",
    "sum(len(part) for part in hsframe.his_iter('point and power', '2026-08-01,2026-10-31', by='1W'))",
    "hsframe.export('point and temp', '2026-08-01,2026-10-31', 'archive')",
    "hsframe.Archive('archive').sync('point', since='2026-08-01').iloc[:2, :4]",
    "# SpanError\nhsframe.his_read(points, 'lastWek')",
    "# HsFrameError\nawait session.client.about()",
    "# CallError\nasync with hsframe.AsyncSession() as other:\n    await other.read('point and')",
    "session.tree()",
    "session.tree('supply')",
    "df.hs",
    "hsframe.Archive('archive')",
    "session.client",
    "hsframe.Ref('p:demo:r:1', 'Harbor Tower')",
    "session.call('about')",
    "hsframe.close()\nsession",
]
BARS = ("chunk=", "his_iter", "export", ".sync(")
CHOICES = ['"dict"', '"tidy"', '"wide"']  # which JupyterLab sorts
EXPECTED = [cell[2:].partition("\n")[0] for cell in CELLS if cell.startswith("# ")]


def write_notebook(path: Path) -> None:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code", "id": f"cell-{number}", "source": source, "outputs": [], "execution_count": None,
            "metadata": {"tags": ["raises-exception"]} if source.startswith("# ") else {},
        }
        for number, source in enumerate(CELLS)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )


def wait_for_lab(process: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        if process.poll() is not None:
            raise RuntimeError("JupyterLab has ended; see lab.log")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api?token={TOKEN}", timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError("JupyterLab did not start in a minute")


def look(folder: Path) -> list[str]:
    """Run all cells in the browser; gives what is wrong with what they show."""
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"http://127.0.0.1:{PORT}/lab/tree/look.ipynb?token={TOKEN}")
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=90_000)
        time.sleep(3)
        page.click("text=Run")
        page.click("text=Run All Cells")
        time.sleep(6)
        page.screenshot(path=folder / "running.png")
        with contextlib.suppress(Exception):  # a newer JupyterLab may ask nothing
            page.click(".Toastify button:has-text('No')", timeout=5000)
        for _ in range(120):
            page.keyboard.press("Control+s")
            time.sleep(2)
            if cells_of(folder)[-1]["execution_count"]:
                break
        else:
            wrong.append("not all cells were run in four minutes")
        for number in range(len(CELLS)):
            cell = page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{number}']")
            try:
                cell.scroll_into_view_if_needed(timeout=5000)
                time.sleep(0.4)
                cell.screenshot(path=folder / f"cell-{number:02}.png")
            except Exception as error:
                wrong.append(f"cell {number} is not on the page: {str(error)[:100]}")
            bars = cell.locator(".widget-hprogress .progress-bar")
            if (styles := [bars.nth(n).get_attribute("class") or "" for n in range(bars.count())]) and not all(
                "success" in style for style in styles
            ):
                wrong.append(f"cell {number} ends with a bar that is not green: {styles}")
            if bool(styles) != any(verb in CELLS[number] for verb in BARS):
                wrong.append(f"cell {number} has {len(styles)} bars")
            is_meant = CELLS[number].startswith("# ")
            if not is_meant and cell.locator("[data-mime-type='application/vnd.jupyter.stderr']").count():
                wrong.append(f"cell {number} shows something on stderr")
        # Tab offers the values of a setting.
        page.locator(".jp-Notebook .jp-Cell .cm-content").last.click()
        page.keyboard.press("Control+End")
        page.keyboard.type("\nhsframe.his_read(points, 'today', shape=", delay=20)
        page.keyboard.press("Tab")
        with contextlib.suppress(Exception):
            page.wait_for_selector(".jp-Completer-item", timeout=20_000)
        page.screenshot(path=folder / "tab.png")
        if (offered := page.locator(".jp-Completer-item .jp-Completer-match").all_inner_texts()) != CHOICES:
            wrong.append(f"Tab offers {offered}; expected {CHOICES}")
        browser.close()
    outputs = [output for cell in cells_of(folder) for output in cell["outputs"]]
    errors = {output["ename"]: "\n".join(output["traceback"]) for output in outputs if "ename" in output}
    if list(errors) != EXPECTED:
        wrong.append(f"errors are {list(errors)}; expected {EXPECTED}")
    wrong += [f"{name} has {len(text.splitlines())} lines" for name, text in errors.items() if text.count("\n") > 9]
    wrong += [f"{name} does not show its line" for name, text in errors.items() if "---->" not in text]
    return wrong


def cells_of(folder: Path) -> list[dict[str, Any]]:
    """The cells of the notebook as it was saved."""
    cells: list[dict[str, Any]] = json.loads((folder / "look.ipynb").read_text())["cells"]
    return cells


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    write_notebook(folder / "look.ipynb")
    database = demo_building()
    histories = database.histories

    def slow(*args: Any) -> Any:
        time.sleep(0.1)
        return histories(*args)

    database.histories = slow  # type: ignore[method-assign]
    with running_server(database) as server, (folder / "lab.log").open("wb") as log:
        env = os.environ | {"HSFRAME_URI": server.uri, "HSFRAME_USER": "demo", "HSFRAME_PASSWORD": "demo"}
        env |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "JUPYTER_CONFIG_DIR": str(folder / "config")}
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={PORT}", "--allow-root",
             f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"],
            env=env, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for_lab(lab)
            wrong = look(folder)
        finally:
            lab.terminate()
            lab.wait(20)
    print("\n".join(wrong) or f"{len(CELLS)} cells, nothing red but {len(EXPECTED)} errors that are meant")
    return bool(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.jupyter", description=__doc__)
    parser.add_argument("folder", type=Path, help="where pictures go; made where there is none")
    sys.exit(main(parser.parse_args().folder.resolve()))
