"""The leak checks of conftest.py can fail: each kind of leak, in a run of pytest of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_each_kind_of_leak_fails_its_test(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA", "-q", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        check=False,
    )
    failed = set(re.findall(r"^(?:ERROR|FAILED) \S+::(\w+)", done.stdout, re.MULTILINE))
    assert failed == {"test_thread", "test_task", "test_exception_never_retrieved", "test_socket"}, done.stdout
    for words in ("threads behind: forgotten", "tasks behind", "never retrieved", "unclosed"):
        assert words in done.stdout
