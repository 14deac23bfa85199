"""One open session for synchronous code: opened on a runner's loop when needed, opened again after a fork, closed."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from copy import copy
from typing import Any, Final

from hsframe.caller_warnings import DeferredWarnings, warn_caller
from hsframe.errors import HsFrameError, MetadataError
from hsframe.session.async_session import AsyncSession
from hsframe.session.progress_bar import in_notebook
from hsframe.session.runners import Runner
from hsframe.session.signatures import T

_CLOSE_S: Final = 10.0


class Connection:
    """An asynchronous session, opened on the loop of a runner by the first use of :attr:`session`.

    `inner` is the same session, open or not: use only what works without a loop.
    """

    def __init__(self, session: AsyncSession, runner: Runner) -> None:
        self.inner = session
        self._runner = runner
        self._lock = threading.RLock()
        self.is_closed = False
        self._warned = False
        self._open: tuple[AsyncSession, asyncio.AbstractEventLoop, int] | None = None
        self._at_collection: weakref.finalize[..., Any] | None = None
        _CONNECTIONS.add(self)

    @property
    def session(self) -> AsyncSession:
        """The session, open on the loop of the runner."""
        with self._lock:
            if self.is_closed:
                raise MetadataError(f"the session with {self.inner.uri} is closed: call hsframe.connect(...) first")
            if self._is_current():
                return self.inner
            if self._open is not None:
                self._abandon()
                self.inner = copy(self.inner)
            session = self.inner
            loop = self._runner.hold()
            try:
                self._runner.run(session.__aenter__)
            except BaseException:
                self._runner.release()
                raise
            self._open = (session, loop, os.getpid())
            self._at_collection = weakref.finalize(self, _close_later, self._runner, *self._open)
            self._at_collection.atexit = False  # _close_all does that
            return session

    def run(self, fn: Callable[[AsyncSession], Coroutine[Any, Any, T]], *, timeout_s: float | None = None) -> T:
        """Run ``await fn(session)`` on the session's loop and wait for its result.

        Its warnings point at the caller's line, although the loop runs in another thread.
        """
        session = self.session
        self._warn_of_blocked_loop()
        with DeferredWarnings():
            return self._runner.run(fn, session, timeout_s=timeout_s)

    def each(self, make: Callable[[AsyncSession], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
        """The items of an asynchronous generator of the session; each step waits for the next one.

        However the loop over it ends, by ``break``, an exception or Ctrl-C, the generator is closed. So it is with the
        session, which the end of the program closes too.
        """
        session = self.session
        items = make(session)
        try:
            while self.session is session and (item := self.run(lambda _: next_of(items))) is not None:
                yield item[0]
        finally:
            if self._is_current() and self.inner is session:  # else it was closed with its session
                with suppress(HsFrameError, RuntimeError):  # collected in the loop's own thread
                    self._runner.run(items.aclose, timeout_s=_CLOSE_S)

    def close(self) -> None:
        """Send the op ``close`` to the server and close every connection; a second time does nothing."""
        with self._lock:
            self.is_closed = True
            if self._open is None:
                return
            if not self._is_current():
                self._abandon()
                return
            self._forget()
        try:
            self._runner.run(self.inner.close)
        finally:
            self._runner.release()

    def _warn_of_blocked_loop(self) -> None:
        """Warn once, outside of notebooks, that this thread's own event loop is blocked until the answer is there."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is not self._runner.current() and not self._warned and not in_notebook():
            self._warned = True
            warn_caller(
                "a synchronous verb of hsframe inside a coroutine stops this thread's event loop until the server has "
                "answered; await the same verb of hsframe.AsyncSession instead",
                RuntimeWarning,
            )

    def _is_current(self) -> bool:
        """Whether the session is open, in this process and on the loop that the runner has now."""
        return self._open is not None and self._open[1:] == (self._runner.current(), os.getpid())

    def _abandon(self) -> None:
        """Drop a session of the parent process, or of a loop that is gone, without closing anything of it."""
        assert self._open is not None
        _ABANDONED.append(self._open)
        self._forget()

    def _forget(self) -> None:
        self._open = None
        if self._at_collection is not None:
            self._at_collection.detach()


async def next_of(items: AsyncGenerator[T, None]) -> tuple[T] | None:
    """The next item in a tuple; None where there are no more."""
    async for item in items:
        return (item,)
    return None


_CONNECTIONS: weakref.WeakSet[Connection] = weakref.WeakSet()
# Never freed: collecting them would close sockets that another process uses.
_ABANDONED: list[tuple[AsyncSession, asyncio.AbstractEventLoop, int]] = []


def _close_later(runner: Runner, session: AsyncSession, loop: asyncio.AbstractEventLoop, pid: int) -> None:
    """Of a connection that was collected unclosed: close the session on its loop, then release the loop."""
    if pid != os.getpid() or not loop.is_running():
        return

    async def close() -> None:
        try:
            await session.close()
        finally:
            loop.call_soon(runner.release)

    with suppress(RuntimeError):  # the loop was closed in between
        asyncio.run_coroutine_threadsafe(close(), loop)


def _close_all() -> None:
    for connection in list(_CONNECTIONS):
        with suppress(HsFrameError, RuntimeError):
            connection.close()


def _after_fork() -> None:
    for connection in list(_CONNECTIONS):
        connection._lock = threading.RLock()  # another thread of the parent may have held it


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
