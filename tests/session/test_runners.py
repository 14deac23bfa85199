"""Synchronous code over the loop: threads, running loops, Ctrl-C, time-outs, forks."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import pytest

from hsframe.errors import HsFrameError, MetadataError, RequestTimeoutError
from hsframe.session.runners import BackgroundRunner, NestedRunner, runner_named
from tests.session.programs import Program


@pytest.fixture
def runner() -> Iterator[BackgroundRunner]:
    runner = BackgroundRunner()
    yield runner
    runner.close()


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


class Done(NamedTuple):
    """A program that has ended."""

    returncode: int | None
    stdout: str
    stderr: str


@pytest.fixture
def run_script(script: Callable[[str], Program]) -> Callable[[str], Done]:
    def run(text: str) -> Done:
        process = script(text)
        out, err = process.communicate(timeout=30)
        return Done(process.returncode, out, err)

    return run


RunScript: TypeAlias = Callable[[str], Done]


def test_result_and_error_come_back(runner: BackgroundRunner) -> None:
    assert runner.run(add, 1, 2) == 3
    with pytest.raises(ZeroDivisionError, match="mine"):
        runner.run(fail, ZeroDivisionError("mine"))
    # An error before the first await, even one that is no coroutine at all.
    with pytest.raises(TypeError):
        runner.run(add, 1)


def test_one_loop_and_one_thread_for_all_who_hold_it(runner: BackgroundRunner) -> None:
    loop = runner.hold()
    loops: list[asyncio.AbstractEventLoop] = []
    names: set[str] = set()

    async def note() -> None:
        loops.append(asyncio.get_running_loop())
        names.add(threading.current_thread().name)
        await asyncio.sleep(0.01)

    threads = [threading.Thread(target=runner.run, args=(note,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 8
    assert set(loops) == {loop}
    assert names == {"hsframe-loop"}
    runner.release()


def test_the_thread_ends_with_the_last_holder(runner: BackgroundRunner) -> None:
    first, second = runner.hold(), runner.hold()
    assert first is second
    runner.release()
    assert runner.run(add, 1, 1) == 2
    assert not first.is_closed()
    runner.release()
    assert first.is_closed()
    assert not any(thread.name == "hsframe-loop" and thread.is_alive() for thread in _threads_of(runner))
    # It starts again at need.
    assert runner.run(add, 2, 2) == 4


def _threads_of(runner: BackgroundRunner) -> list[threading.Thread]:
    return [] if runner._thread is None else [runner._thread]


def test_inside_a_running_loop(runner: BackgroundRunner) -> None:
    async def cell() -> int:
        return runner.run(add, 20, 22)  # as a notebook's cell calls it

    assert asyncio.run(cell()) == 42


def test_called_from_its_own_loop_it_refuses_instead_of_hanging(runner: BackgroundRunner) -> None:
    async def inner() -> int:
        return runner.run(add, 1, 2)

    with pytest.raises(HsFrameError, match=r"own event loop.*await the verb of hsframe.AsyncSession"):
        runner.run(inner)


def test_a_timeout_cancels_the_task(runner: BackgroundRunner) -> None:
    cancelled = threading.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    started = time.monotonic()
    with pytest.raises(RequestTimeoutError, match=r"longer than 0\.05 s and was cancelled"):
        runner.run(slow, timeout_s=0.05)
    assert cancelled.is_set()
    assert time.monotonic() - started < 5


def test_a_time_out_of_the_coroutine_is_its_own_error(runner: BackgroundRunner) -> None:
    with pytest.raises(TimeoutError, match="inside"):
        runner.run(fail, TimeoutError("inside"), timeout_s=10)


def test_closing_cancels_what_runs(runner: BackgroundRunner) -> None:
    errors: list[BaseException] = []
    begun = threading.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    def call() -> None:
        try:
            runner.run(slow)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(5)
    runner.close()
    thread.join(5)
    assert [type(error) for error in errors] == [HsFrameError]
    assert "cancelled" in str(errors[0])


def test_the_callers_context_reaches_the_task(runner: BackgroundRunner) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    request.set("mine")

    async def read() -> str:
        return request.get()

    assert runner.run(read) == "mine"


def test_no_task_is_left(runner: BackgroundRunner) -> None:
    loop = runner.hold()
    for _ in range(50):
        runner.run(add, 1, 2)

    async def count() -> int:
        return len(asyncio.all_tasks(loop))

    assert runner.run(count) == 1  # the one that counts
    runner.release()


def test_names() -> None:
    assert runner_named("thread") is runner_named("thread")
    assert isinstance(runner_named("nested"), NestedRunner)
    with pytest.raises(MetadataError, match=r"'fast'.*'thread'.*'nested'"):
        runner_named("fast")


CTRL_C = """
    import asyncio, os, signal, sys, threading
    from hsframe.session.runners import BackgroundRunner, NestedRunner

    async def slow():
        # Said by a timer, when the task waits: a signal inside the task's own code would end it at once.
        asyncio.get_running_loop().call_later(0.1, lambda: print("begun", flush=True))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)  # cleans up behind itself
            print("cancelled", flush=True)
            raise

    async def five():
        return 5

    runner = {runner}()
    {wrap}
"""
CALL = """
    try:
        runner.run(slow)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(runner.run(five), flush=True)
"""


def interrupted(process: Program) -> tuple[list[str], str]:
    lines = [process.stdout.readline().strip()]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return lines + out.split(), err


@pytest.mark.skipif(os.name == "nt", reason="a console Ctrl-C cannot be sent to one child on Windows")
@pytest.mark.parametrize("runner", ["BackgroundRunner", "NestedRunner"])
def test_ctrl_c_cancels_the_task_and_the_runner_goes_on(runner: str, script: Callable[[str], Program]) -> None:
    lines, err = interrupted(script(CTRL_C.format(runner=runner, wrap=CALL)))
    assert lines == ["begun", "cancelled", "interrupted", "5"], err
    assert err == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_gets_a_loop_of_its_own(run_script: RunScript) -> None:
    done = run_script(
        """
        import asyncio, os, sys
        from hsframe.session.runners import BackgroundRunner

        async def answer():
            return threading_name()

        def threading_name():
            import threading
            return threading.current_thread().name

        runner = BackgroundRunner()
        loop = runner.hold()
        assert runner.run(answer) == "hsframe-loop"
        pid = os.fork()
        if pid == 0:
            ok = runner.run(answer) == "hsframe-loop" and runner.hold() is not loop
            os._exit(0 if ok else 1)
        _, status = os.waitpid(pid, 0)
        assert runner.run(answer) == "hsframe-loop" and runner.hold() is loop
        print("child", os.waitstatus_to_exitcode(status))
        """
    )
    assert done.stdout.split() == ["child", "0"], done.stderr


def test_at_exit_nothing_complains(run_script: RunScript) -> None:
    done = run_script(
        """
        import asyncio
        from hsframe.session.runners import BackgroundRunner

        async def forever():
            await asyncio.sleep(60)

        async def begin():
            global task
            task = asyncio.ensure_future(forever())

        runner = BackgroundRunner()
        runner.hold()
        runner.run(begin)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# nest-asyncio patches the whole process, so each of these has one of its own.


def test_nested_runs_on_the_callers_loop(run_script: RunScript) -> None:
    done = run_script(
        """
        import asyncio, sys
        from hsframe.session.runners import NestedRunner

        assert not any(name.startswith("nest_asyncio") for name in sys.modules)
        runner = NestedRunner()

        async def where():
            await asyncio.sleep(0)
            return asyncio.get_running_loop()

        async def cell():
            assert runner.run(where) is asyncio.get_running_loop()
            assert await where() is asyncio.get_running_loop()

        asyncio.run(cell())
        patchers = [name for name in ("nest_asyncio", "nest_asyncio2") if name in sys.modules]
        assert len(patchers) == 1, patchers
        print(patchers[0])
        """
    )
    assert done.returncode == 0, done.stderr
    import importlib.util

    best = "nest_asyncio2" if importlib.util.find_spec("nest_asyncio2") else "nest_asyncio"
    assert done.stdout.split() == [best]


@pytest.mark.parametrize("first", ["nest_asyncio", "nest_asyncio2"])
def test_nested_keeps_to_the_package_that_patched_first(first: str, run_script: RunScript) -> None:
    pytest.importorskip(first)
    done = run_script(
        f"""
        import asyncio, sys
        import {first}
        from hsframe.session.runners import NestedRunner

        async def five():
            await asyncio.sleep(0)
            return 5

        async def cell():
            {first}.apply()
            return NestedRunner().run(five)

        print(asyncio.run(cell()), [name for name in ("nest_asyncio", "nest_asyncio2") if name in sys.modules])
        """
    )
    assert done.stdout.strip() == f"5 ['{first}']", done.stderr


def test_nested_without_a_running_loop_patches_nothing(run_script: RunScript) -> None:
    done = run_script(
        """
        import asyncio, sys
        from hsframe.session.runners import NestedRunner

        async def five():
            await asyncio.sleep(0)
            return 5

        runner = NestedRunner()
        print(runner.run(five), runner.run(five), any(name.startswith("nest_asyncio") for name in sys.modules))
        runner.release()
        """
    )
    assert done.stdout.split() == ["5", "5", "False"], done.stderr
    assert done.stderr == ""


def test_nested_timeout_cancels(run_script: RunScript) -> None:
    done = run_script(
        """
        import asyncio
        from hsframe.errors import RequestTimeoutError
        from hsframe.session.runners import NestedRunner

        async def slow():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                print("cancelled")
                raise

        async def cell():
            try:
                NestedRunner().run(slow, timeout_s=0.05)
            except RequestTimeoutError as error:
                print("late")

        asyncio.run(cell())
        """
    )
    assert done.stdout.split() == ["cancelled", "late"], done.stderr


def test_nested_refuses_a_loop_that_is_not_asyncios_own() -> None:
    class OtherLoop:
        """Stands for uvloop.Loop: a loop that does not derive from asyncio.BaseEventLoop."""

    from hsframe.session.runners import _make_reentrant

    with pytest.raises(HsFrameError, match=r"OtherLoop.*runner='thread'"):
        _make_reentrant(OtherLoop())  # type: ignore[arg-type]
    assert not hasattr(asyncio, "_nest_patched")
