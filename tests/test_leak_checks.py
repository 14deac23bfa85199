"""What conftest.py promises, in runs of pytest of their own: each kind of leak fails its test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

LEAKS = """
import asyncio, gc, socket, threading

RELEASE = threading.Event()

def test_thread():
    threading.Thread(target=RELEASE.wait, name="forgotten", daemon=True).start()

def test_task():
    async def main():
        asyncio.get_running_loop().create_task(asyncio.sleep(60))
    asyncio.run(main())

def test_exception_never_retrieved():
    async def fail():
        raise RuntimeError("nobody asked")
    async def main():
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del task
        gc.collect()
    asyncio.run(main())

def test_socket():
    socket.socket()
    gc.collect()

def test_clean():
    async def main():
        await asyncio.gather(asyncio.sleep(0), asyncio.to_thread(int))
    asyncio.run(main())
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    RELEASE.set()
"""


CTRL_C = """
import signal, subprocess, sys

def test_a_child_hears_ctrl_c():
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
"""


def run_with_our_conftest(folder: Path, source: str, before: str = "") -> str:
    """What pytest says of `source` beside a copy of conftest.py; `before` runs in its process first."""
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_inner.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    code = f"import sys, pytest; {before or 'pass'}; sys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "-p", "no:cacheprovider", "-p", "no:xdist", "-rA", "-q", str(folder)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        check=False,
    )
    return done.stdout


def test_each_kind_of_leak_fails_its_test(tmp_path: Path) -> None:
    said = run_with_our_conftest(tmp_path, LEAKS)
    failed = set(re.findall(r"^(?:ERROR|FAILED) \S+::(\w+)", said, re.MULTILINE))
    assert failed == {"test_thread", "test_task", "test_exception_never_retrieved", "test_socket"}, said
    for words in ("threads behind: forgotten", "tasks behind", "never retrieved", "unclosed"):
        assert words in said


def test_programs_hear_ctrl_c_also_in_a_run_that_ignores_it(tmp_path: Path) -> None:
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    said = run_with_our_conftest(tmp_path, CTRL_C, before=ignoring)
    assert "1 passed" in said, said
