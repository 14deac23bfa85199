"""What holds for every test: Hypothesis profiles, and that nothing is left running.

``HYPOTHESIS_PROFILE`` picks the profile: ``dev`` (the default) is random, ``ci`` takes the same examples each time.

A test that leaves something behind fails, whatever it asserted:

- a thread that was not there before it;
- an asyncio task that was still pending when ``asyncio.run`` ended (it would be cancelled in silence);
- what asyncio and aiohttp only log: a pending task destroyed, an exception never retrieved, a session not closed.

Sockets and files that nobody closed raise ``ResourceWarning`` when they are collected, and warnings are errors here;
so garbage is collected at the end of each test file, to find them near the place.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import random
import signal
import threading
import time
import zoneinfo
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from hsframe.history.write import read_back_until
from hsframe.protocol.dialects import forget
from hsframe.server.state import State

# Tests share the machine with other work; a slow draw says nothing about the code.
_QUIET = (HealthCheck.too_slow,)
# Where CI is set, Hypothesis itself takes no random examples: said here, so that the leg with a random seed does.
settings.register_profile("dev", max_examples=16, deadline=None, derandomize=False, suppress_health_check=_QUIET)
settings.register_profile(
    "ci", max_examples=12, deadline=None, derandomize=True, print_blob=True, suppress_health_check=_QUIET
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# The zone files of a machine may be older than the package tzdata, of which hsframe warns, and a warning is an error
# here: so the tests use those of the package.
zoneinfo.reset_tzpath(to=())

# A shell that starts this run in the background (`... &`, nohup, some CI runners) has it ignore Ctrl-C, and every child
# would inherit that: programs that a test stops by Ctrl-C would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads that nobody leaves behind: they end with something that is still wanted.
_LASTING_THREADS = (
    "asyncio_",  # the workers of a loop's default executor (name look-ups); they end with their loop
    "execnet",  # pytest-xdist
)
_GRACE_S = 3.0


class _AsyncioLog(logging.Handler):
    """Keeps what the logger of asyncio says at level ERROR; aiohttp reports unclosed sessions there too."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _new_threads(before: set[threading.Thread]) -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread not in before and thread.is_alive() and not thread.name.startswith(_LASTING_THREADS)
    ]


@pytest.fixture(autouse=True)
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has read of a point says nothing of the point of that id in another test."""
    monkeypatch.setattr("hsframe.frame.reads._MADE", {})


@pytest.fixture(autouse=True, scope="session")
def short_pauses() -> Iterator[None]:
    """What is sent again is sent after a tenth of the pause; what was written is looked for as often, but sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsframe.client.retries._FIRST_PAUSE_S", 0.02)
        patch.setattr("hsframe.history.write._BATCH_PAUSES_S", (0.0, 0.05, 0.1, 0.2))
        patch.setitem(read_back_until.__kwdefaults__, "pauses_s", (0.0, 0.05, 0.1, 0.2, 0.2))
        yield


@pytest.fixture(autouse=True)
def _nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = set(threading.enumerate())
    log = _AsyncioLog()
    logger = logging.getLogger("asyncio")
    logger.addHandler(log)
    tasks: list[str] = []
    # asyncio.run cancels what is left over and says nothing; this is the one place that knows.
    cancel_all = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def noting(loop: asyncio.AbstractEventLoop) -> None:
        tasks.extend(repr(task) for task in asyncio.all_tasks(loop))
        cancel_all(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", noting)
    yield
    logger.removeHandler(log)
    deadline = time.monotonic() + _GRACE_S
    while (left := _new_threads(threads)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"the test left threads behind: {', '.join(left)}"
    assert not tasks, f"the test left asyncio tasks behind: {'; '.join(tasks)}"
    assert not log.messages, f"asyncio reported: {'; '.join(log.messages)}"


@pytest.fixture(autouse=True)
def _no_server_is_known() -> None:
    # Ports come round: what one test's server could do is not what the next one's can.
    forget()


# Nothing of what is collected is garbage: to look for it, again and again, is a quarter of the time it takes.
gc.disable()


def pytest_itemcollected(item: pytest.Item) -> None:
    is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    if is_property and item.get_closest_marker("one_python"):
        raise pytest.UsageError(
            f"{item.nodeid}: a property test is run in both legs: new examples in one, the same each time in the other"
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sets", type=int, metavar="N", help="N of the parameter sets of each test function")
    parser.addoption(
        "--protocol", type=int, choices=(4, 5), default=4, help="the version that the embedded server speaks"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """With ``--protocol 5`` the embedded server speaks nothing else, but to its own tests, which say the version.

    A test of what only version 4 has, or that speaks both itself, is marked version4. This comes before the first
    fixture, which may be a server of many tests.
    """
    is_forced = item.config.getoption("--protocol") == 5 and item.path.parent.name != "server"
    State.versions = ("5",) if is_forced and item.get_closest_marker("version4") is None else ("4", "5")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--sets N``, of the parameter sets of each function N: those that stand furthest apart.

    With ``--hypothesis-seed`` they are drawn by it, and are an eighth where that is more: so each comes in one run of
    eight or oftener, however many there are.
    """
    least = config.getoption("sets")
    if not least:
        return
    seed = config.getoption("--hypothesis-seed")
    by_function: dict[str, list[pytest.Item]] = {}
    for item in items:
        by_function.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = {item for item in items if item.get_closest_marker("every_set")}
    for function, sets in by_function.items():
        if seed is None:
            kept |= {sets[round(number * (len(sets) - 1) / max(least - 1, 1))] for number in range(least)}
        else:
            most = min(max(least, math.ceil(len(sets) / 8)), len(sets))
            kept.update(random.Random(f"{seed} {function}").sample(sets, most))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end, and need not be walked after each file: 0.2 s each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _garbage_shows_itself() -> Iterator[None]:
    yield
    gc.collect()
