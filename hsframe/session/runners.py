"""How a coroutine is run from synchronous code.

Two ways, chosen by ``connect(runner=...)``:

``"thread"``
    One daemon thread with one event loop for the whole process. It works in scripts, under Jupyter, under uvloop, from
    any thread and after a fork. Ctrl-C and time-outs cancel the task; they do not leave it running.
``"nested"``
    On the caller's own running loop, made re-entrant by nest-asyncio: for code that mixes ``await client...`` and
    synchronous calls on one connection in a notebook. Nothing is patched before the first call.

Both run ``await fn(*args)`` and wait for its result; they raise :class:`hsframe.RequestTimeoutError` when `timeout_s`
ran out and the task was cancelled, and :class:`hsframe.HsFrameError` where it cannot be run. A runner takes a function
and its arguments rather than a coroutine: Python warns of a coroutine that was made and then not run.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Generic, TypeAlias, TypeVar

from hsframe.client.in_thread import Workers
from hsframe.errors import HsFrameError, MetadataError, RequestTimeoutError
from hsframe.tracebacks import shorten

T = TypeVar("T")

_POLL_S = 0.25  # on Windows a waiting thread sees Ctrl-C only when its wait ends
_CANCEL_GRACE_S = 5.0  # how long a cancelled task may take to clean up after itself


class _Call(Generic[T]):
    """One function that runs on the loop; the caller waits for `done`."""

    def __init__(self, fn: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...]) -> None:
        self.fn = fn
        self.args = args
        self.done: Future[T] = Future()
        self.task: asyncio.Task[T] | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start it; the loop calls this in the caller's context."""
        try:
            self.task = loop.create_task(self.fn(*self.args))
        except BaseException as error:  # a function that fails before its first await; the caller gets it
            self.done.set_exception(error)
        else:
            self.task.add_done_callback(self.finish)

    def finish(self, task: asyncio.Task[T]) -> None:
        try:
            self.done.set_result(task.result())
        except asyncio.CancelledError as cancelled:
            error = HsFrameError("the call was cancelled, because its session or its runner was closed")
            _copy_report(cancelled, error)
            self.done.set_exception(error)
        except BaseException as error:
            self.done.set_exception(error)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


def _copy_report(error: BaseException | None, to: BaseException) -> None:
    """Copy the notes and attributes of the error that ended a task, above all a write's report, to the one raised."""
    if error is not None:
        vars(to).update(vars(error))


class BackgroundRunner:
    """Runs coroutines on the loop of a daemon thread, which starts when needed.

    The thread ends when the last holder has released it, so a program that closes its sessions leaves none behind. A
    forked child gets a loop of its own: threads do not survive a fork. Once the interpreter ends, none is started: on
    Python 3.11 who waits for such a thread waits for ever.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self._after_fork)
        self._is_over = False
        atexit.register(self.close, for_good=True)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._holders = 0

    def _after_fork(self) -> None:
        if self._loop is not None:
            # The parent goes on using its sockets and its epoll, which the child shares: closing or unregistering
            # anything here would reach into the parent. So they are kept, untouched.
            _INHERITED.append(self._loop)
        self._forget()

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, timeout_s: float | None = None) -> T:
        """Run ``await fn(*args)``; refused on the loop's own thread, where waiting would be a deadlock."""
        if threading.current_thread() is self._thread:
            raise HsFrameError(
                "a synchronous verb was called from hsframe's own event loop, which would be a deadlock; inside a "
                "coroutine await the verb of hsframe.AsyncSession, or the Client's method"
            )
        call = _Call(fn, args)
        loop = self.hold()
        try:
            try:
                loop.call_soon_threadsafe(call.begin, loop)
                if not _wait(call.done, timeout_s):
                    raise RequestTimeoutError(f"the call took longer than {timeout_s:g} s and was cancelled")
            except BaseException as error:  # KeyboardInterrupt, above all
                try:
                    self._cancel(loop, call)
                except KeyboardInterrupt:  # a second one: the task stops cleaning up
                    self._cancel(loop, call)
                _copy_report(call.done.exception() if call.done.done() else None, error)
                shorten(error)
                raise
        finally:
            self.release()
        try:
            return call.done.result()
        except TypeError as error:  # a verb was called with what it does not take
            shorten(error)
            raise
        finally:
            del call  # no cycle of frames through the traceback

    def _cancel(self, loop: asyncio.AbstractEventLoop, call: _Call[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing runs on it
            loop.call_soon_threadsafe(call.cancel)
            _wait(call.done, _CANCEL_GRACE_S)

    def current(self) -> asyncio.AbstractEventLoop | None:
        """The loop; None while there is none: at first, after the last release, in a forked child."""
        return self._loop

    def hold(self) -> asyncio.AbstractEventLoop:
        """The loop, started if it is not running; it runs at least until :meth:`release`."""
        with self._lock:
            if self._loop is None:
                if self._is_over:
                    raise HsFrameError("the interpreter is ending, and hsframe starts no event loop any more")
                self._loop, self._thread = _started_loop()
            self._holders += 1
            return self._loop

    def release(self) -> None:
        """Undo one :meth:`hold`; with the last one the loop stops and its thread ends."""
        with self._lock:
            self._holders = max(self._holders - 1, 0)
            if self._holders:
                return
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            with suppress(RuntimeError):  # closed already
                loop.call_soon_threadsafe(loop.stop)
            if thread is not threading.current_thread():
                thread.join(_CANCEL_GRACE_S)

    def close(self, *, for_good: bool = False) -> None:
        """Stop the loop even if it is held: running tasks are cancelled and awaited. `for_good`: start no other one."""
        with self._lock:
            self._is_over |= for_good
            self._holders = 0
        self.release()


_INHERITED: list[asyncio.AbstractEventLoop] = []


def _wait(done: Future[Any], timeout_s: float | None) -> bool:
    until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    while not done.done() and (rest := until - time.monotonic()) > 0:
        wait((done,), min(_POLL_S, rest))
    return done.done()


def _new_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(Workers(thread_name_prefix="asyncio"))
    return loop


def _started_loop() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    loop = _new_loop()
    started = threading.Event()

    def main() -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(started.set)
        try:
            loop.run_forever()
            _cancel_leftovers(loop)
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    thread = threading.Thread(target=main, name="hsframe-loop", daemon=True)
    thread.start()
    started.wait()
    return loop, thread


def _cancel_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


class NestedRunner:
    """Runs coroutines on the caller's running loop, made re-entrant by nest-asyncio.

    Where no loop runs (a plain script), the runner makes its own loop and nothing is patched.
    """

    def __init__(self) -> None:
        self._own: asyncio.AbstractEventLoop | None = None

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, timeout_s: float | None = None) -> T:
        """Run ``await fn(*args)``; refused where the running loop is not asyncio's own (as uvloop's)."""
        loop = self.hold()
        task = loop.create_task(fn(*args))
        late = False

        def expire() -> None:
            nonlocal late
            late = True
            task.cancel()

        timer = None if timeout_s is None else loop.call_later(timeout_s, expire)
        try:
            return loop.run_until_complete(task)
        except BaseException as error:
            if late and isinstance(error, asyncio.CancelledError):
                too_late = RequestTimeoutError(f"the call took longer than {timeout_s:g} s and was cancelled")
                _copy_report(error, too_late)
                raise too_late from None
            for _ in range(2):  # Ctrl-C while the loop waited; after a second one the task stops cleaning up
                if not task.done():
                    task.cancel()
                    try:
                        loop.run_until_complete(task)
                    except BaseException as ended:
                        _copy_report(ended, error)
            if task.done() and not task.cancelled():
                task.exception()  # marks it as retrieved: Ctrl-C inside the task is raised by the loop
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def current(self) -> asyncio.AbstractEventLoop | None:
        """The caller's running loop; where none runs, the runner's own, if there is one already."""
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return None if self._own is None or self._own.is_closed() else self._own

    def hold(self) -> asyncio.AbstractEventLoop:
        """The caller's running loop, made re-entrant; where none runs, a loop of the runner's own."""
        loop = self.current()
        if loop is None:
            loop = self._own = _new_loop()
        elif loop.is_running():
            _make_reentrant(loop)
        return loop

    def release(self) -> None:
        """Close the runner's own loop, if it made one."""
        if self._own is not None and not (self._own.is_closed() or self._own.is_running()):
            _cancel_leftovers(self._own)
            self._own.close()
        self._own = None


def _make_reentrant(loop: asyncio.AbstractEventLoop) -> None:
    """Apply nest-asyncio to a running loop, once; if one of the two such packages is in use, the same one."""
    if not isinstance(loop, asyncio.BaseEventLoop):
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise HsFrameError(
            f"runner='nested' cannot be used on this event loop ({kind}): only asyncio's own loops can be made "
            "re-entrant; connect with runner='thread', which works beside any loop"
        )
    if getattr(loop, "_nest_patched", False):
        return
    if hasattr(asyncio, "_nest_patched"):
        # asyncio itself is patched for another loop; only the package that did it can patch this one.
        names = ["nest_asyncio2" if hasattr(asyncio, "_nest_asyncio2") else "nest_asyncio"]
    else:
        # nest-asyncio2 first: it knows that ipykernel 7 runs each cell in one shared context.
        names = ["nest_asyncio2", "nest_asyncio"]
    for name in names:
        try:
            package = importlib.import_module(name)
        except ImportError:
            continue
        package.apply(loop)
        return
    raise HsFrameError(f"runner='nested' needs {' or '.join(names)}; pip install nest-asyncio, or use runner='thread'")


Runner: TypeAlias = BackgroundRunner | NestedRunner

_SHARED = BackgroundRunner()


def runner_named(name: str) -> Runner:
    """The runner of that name, as ``connect(runner=...)`` takes it."""
    if name == "thread":
        return _SHARED
    if name == "nested":
        return NestedRunner()
    raise MetadataError(f"there is no runner {name!r}; expected 'thread' (the default) or 'nested'")
