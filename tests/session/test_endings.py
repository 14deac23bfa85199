"""Programs that end, however they do, while something of a session is still open: they end, and nothing stays behind.

Each program is a process of its own with a time-out, forked from one that has imported hsframe. On Python 3.11 a thread
that is started while the interpreter ends never runs, and who waits for it waits for ever.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

import hsframe
from hsframe.testing.server import RunningServer
from tests.session.programs import Program

TIMEOUT_S = 60


Start: TypeAlias = Callable[[RunningServer, str], Program]


@pytest.fixture
def started(line: socket.socket) -> Start:
    def start(server: RunningServer, text: str) -> Program:
        return Program(line, "import hsframe, os, sys\nuri = sys.argv[1]\n" + textwrap.dedent(text), server.uri)

    return start


def check(process: Program, server: RunningServer, code: int = 0, last_line: str = "") -> str:
    """The program has ended by itself, with this code and no other complaint, and the server has nothing open."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == code, err
    if last_line:
        assert err.splitlines()[-1] == last_line
        assert "Exception ignored" not in err
    else:
        assert err == ""
    assert (server.open_watches, server.open_sessions) == (0, 0)
    return out


WAYS = {
    "end": ("pass", 0, ""),
    "sys.exit": ("sys.exit(3)", 3, ""),
    "error": ("1 / 0", 1, "ZeroDivisionError: division by zero"),
    "Ctrl-C": ("raise KeyboardInterrupt", 130 if os.name == "nt" else -signal.SIGINT, "KeyboardInterrupt"),
}
# What is still held when the program ends; {end} is how it does.
HELD = {
    "a watch": """
        frames = s.watch("@kw", poll=0.05)
        next(frames)
        {end}
        """,
    "a watch that was never begun": """
        frames = s.watch("@kw", poll=0.05)
        s.about()
        {end}
        """,
    "a watch, in its loop": """
        for frame in s.watch("@kw", poll=0.05):
            {end}
            break
        """,
    "two watches, one of them of the module": """
        frames = s.watch("@kw", poll=0.05), hsframe.watch("@oat", poll=0.05)
        [next(each) for each in frames]
        {end}
        """,
    "a watch in a cycle, with its session": """
        class Page: pass
        page = Page()
        page.me, page.session, page.frames = page, s, s.watch("@kw", poll=0.05)
        next(page.frames)
        del s
        {end}
        """,
    "a watch of a function that did not return": """
        def follow():
            frames = s.watch("@kw", poll=0.05)
            next(frames)
            {end}
        follow()
        """,
    "a generator inside connect": """
        def frames():
            with hsframe.connect(uri, "demo", "demo", runner=runner) as mine:
                for frame in mine.watch("@kw", poll=0.05):
                    yield frame
        held = frames()
        next(held)
        {end}
        """,
    "a generator inside an exit stack": """
        import contextlib
        stack = contextlib.ExitStack()
        mine = stack.enter_context(hsframe.connect(uri, "demo", "demo", runner=runner))
        frames = stack.enter_context(contextlib.closing(mine.watch("@kw", poll=0.05)))
        next(frames)
        {end}
        """,
    "a stream of the client": """
        streams = []
        async def begin(client):
            streams.append(client.his_stream(hsframe.Ref("kw"), "2026-11-01"))
            return (await anext(streams[0])).num_rows
        assert s.run(begin) > 0
        {end}
        """,
    "a session that was closed while its watch was held": """
        frames = s.watch("@kw", poll=0.05)
        next(frames)
        s.close()
        {end}
        """,
    "an export that failed": """
        try:
            s.export("@kw", "2026-11-01", "/no/such/folder/x.parquet")
        except hsframe.MetadataError as error:
            held = error
        {end}
        """,
}


# Each thing once, and a watch in all ways, with both runners.
PAIRS = [(held, list(WAYS)[place % len(WAYS)], "thread") for place, held in enumerate(HELD)]
PAIRS += [("a watch", way, "thread") for way in list(WAYS)[1:]] + [("a watch", way, "nested") for way in WAYS]


@pytest.mark.parametrize(("held", "way", "runner"), PAIRS)
def test_a_program_ends_whatever_it_holds(
    started: Start, server: RunningServer, held: str, way: str, runner: str
) -> None:
    end, code, last_line = WAYS[way]
    text = f'runner = {runner!r}\ns = hsframe.connect(uri, "demo", "demo", runner=runner)\n'
    check(started(server, text + textwrap.dedent(HELD[held]).replace("{end}", end)), server, code, last_line)


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one child on Windows")
@pytest.mark.parametrize("runner", ["thread", "nested"])
def test_ctrl_c_while_a_watch_waits(started: Start, server: RunningServer, runner: str) -> None:
    process = started(
        server,
        f"""
        import threading
        s = hsframe.connect(uri, "demo", "demo", runner={runner!r})
        frames, others = s.watch("@kw", poll=30), s.watch("@oat", poll=30)
        next(frames), next(others)
        threading.Timer(0.2, lambda: print("waiting", flush=True)).start()
        for frame in frames:
            pass
        """,
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    check(process, server, -signal.SIGINT, "KeyboardInterrupt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("how", ["pass", "s.about(); frames.close()", "next(frames, None); s.close()", "del frames"])
def test_forked_children_end_and_leave_the_parents_watch_alone(started: Start, server: RunningServer, how: str) -> None:
    process = started(
        server,
        f"""
        s = hsframe.connect(uri, "demo", "demo")
        frames = s.watch("@kw", poll=0.05, empty=True)
        next(frames)
        if os.fork() == 0:
            {how}
            sys.exit()
        print(os.waitstatus_to_exitcode(os.wait()[1]), len(next(frames)), len(s.read("point")))
        """,
    )
    assert check(process, server).split() == ["0", "0", "5"]


def test_a_thread_that_waits_in_a_watch_when_the_program_ends(started: Start, server: RunningServer) -> None:
    process = started(
        server,
        """
        import threading
        s = hsframe.connect(uri, "demo", "demo")
        first = threading.Event()
        def follow():
            for frame in s.watch("@kw", poll=60):
                first.set()
        threading.Thread(target=follow, daemon=True).start()
        first.wait()
        """,
    )
    check(process, server)


@pytest.mark.parametrize(
    ("runner", "way"), [("thread", "end"), ("thread", "sys.exit"), ("nested", "error"), ("nested", "end")]
)
def test_a_program_that_ends_in_its_running_loop(started: Start, server: RunningServer, way: str, runner: str) -> None:
    end, code, last_line = WAYS[way]
    process = started(
        server,
        f"""
        import asyncio, warnings
        warnings.simplefilter("ignore", RuntimeWarning)  # a synchronous verb in a coroutine
        held = []
        async def cell():
            s = hsframe.connect(uri, "demo", "demo", runner={runner!r})
            held.append(s.watch("@kw", poll=0.05))
            next(held[0])
            if {runner!r} == "nested":
                s.close()  # its loop ends with the coroutine
            {end}
        asyncio.run(cell())
        """,
    )
    check(process, server, code, last_line)


@pytest.mark.parametrize("way", ["sys.exit", "error"])
def test_a_coroutine_that_ends_in_its_watch(started: Start, server: RunningServer, way: str) -> None:
    end, code, last_line = WAYS[way]
    process = started(
        server,
        f"""
        import asyncio
        async def follow():
            async with hsframe.AsyncSession(uri, "demo", "demo") as s:
                async for frame in s.watch("@kw", poll=0.05):
                    {end}
                    break
        asyncio.run(follow())
        """,
    )
    check(process, server, code, last_line)


def test_a_notebooks_kernel_ends_with_a_watch_open(server: RunningServer, tmp_path: Path) -> None:
    """By itself: a kernel that hangs is killed by who has started it, after some seconds."""
    program = """
        import json
        from jupyter_client.manager import start_new_kernel
        manager, kernel = start_new_kernel()
        for cell in json.loads(sys.argv[2]):
            reply = kernel.execute_interactive(cell, timeout=60)
            assert reply["content"]["status"] == "ok", reply["content"]
        kernel.shutdown()
        print(manager.provisioner.process.wait(30))
        manager.cleanup_resources()
        kernel.stop_channels()
        """
    cells = [
        f"import hsframe; s = hsframe.connect({server.uri!r}, 'demo', 'demo')",
        "frames = s.watch('@kw', poll=0.05); first = next(frames)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + textwrap.dedent(program), "", json.dumps(cells)],
        capture_output=True, text=True, timeout=2 * TIMEOUT_S, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(hsframe.__file__).parents[1])},
    )  # fmt: skip
    assert done.stdout.split()[-1:] == ["0"], done.stderr
    assert (server.open_watches, server.open_sessions) == (0, 0)


# While the interpreter ends -------------------------------------------------------------------------------------------


def test_a_session_is_closed_at_exit_although_its_servers_name_must_be_looked_up(
    started: Start, server: RunningServer
) -> None:
    """Servers that close each connection (Haxall) are connected to once more, to end the watch and the session."""
    process = started(
        server,
        """
        import aiohttp
        forget = aiohttp.TCPConnector.__init__
        def no_memory(self, *args, **more):
            forget(self, *args, **more | {"force_close": True, "use_dns_cache": False})
        aiohttp.TCPConnector.__init__ = no_memory
        s = hsframe.connect(uri.replace("127.0.0.1", "localhost"), "demo", "demo")
        frames = s.watch("@kw", poll=0.05)
        next(frames)
        """,
    )
    check(process, server)


def test_a_program_may_do_its_last_work_at_exit(started: Start, server: RunningServer) -> None:
    """What was registered after the import runs before the sessions are closed; what was before it, after."""
    process = started(
        server,
        """
        import atexit
        s = hsframe.connect(uri, "demo", "demo")
        s.about()
        atexit.register(lambda: print(len(s.read("point")), len(s.his_read("@kw", "2026-11-01"))))
        """,
    )
    assert check(process, server).split() == ["5", "100"]


def test_nothing_is_started_once_the_interpreter_ends(server: RunningServer) -> None:
    text = """
        import atexit, hsframe, sys
        def late():
            try:
                hsframe.connect(sys.argv[1], "demo", "demo").about()
            except hsframe.HsFrameError as error:
                print(error)
        atexit.register(late)  # before the modules are loaded that close the sessions, so it runs after them
        s = hsframe.connect(sys.argv[1], "demo", "demo")
        s.about()
        """
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", textwrap.dedent(text), server.uri]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    said = "the interpreter is ending, and hsframe starts no event loop any more\n"
    assert (done.stdout, done.stderr) == (said, "")
    assert server.open_sessions == 0
