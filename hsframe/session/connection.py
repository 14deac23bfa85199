"""One open client for synchronous code: made at need on a runner's loop, made anew after a fork, closed in the end."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Final, TypeVar

from hsframe.client import Client
from hsframe.errors import HsFrameError, MetadataError
from hsframe.grid import Grid
from hsframe.session.runners import Runner

__all__ = ["Connection"]

T = TypeVar("T")

_CLOSE_S: Final = 10.0


class Connection:
    """A client and the loop that it lives on.

    Parameters
    ----------
    make_client : callable
        Makes a client that is not open yet. It is called at once, so that a wrong setting shows early.
    runner : Runner
        Runs its coroutines.
    """

    def __init__(self, make_client: Callable[[], Client], runner: Runner) -> None:
        self._make_client = make_client
        self._runner = runner
        self._lock = threading.RLock()
        self._closed = False
        self._feeds: set[AsyncGenerator[Any, None]] = set()
        self._unopened: Client | None = make_client()
        self.uri = self._unopened.base_url
        self._open: tuple[Client, asyncio.AbstractEventLoop, int] | None = None
        self._at_collection: weakref.finalize[..., Any] | None = None
        _CONNECTIONS.add(self)

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    @property
    def client(self) -> Client:
        """The client, open, on the loop of the runner.

        Raises
        ------
        MetadataError
            The connection is closed.
        """
        with self._lock:
            if self._closed:
                raise MetadataError(f"the session with {self.uri} is closed: call hsframe.connect(...) first")
            if self._open is not None:
                client, loop, pid = self._open
                if loop is self._runner.current() and pid == os.getpid():
                    return client
                self._abandon()
            client = self._unopened or self._make_client()
            self._unopened = None
            loop = self._runner.hold()
            try:
                self._runner.run(client.__aenter__)
            except BaseException:
                self._runner.release()
                raise
            self._open = (client, loop, os.getpid())
            self._at_collection = weakref.finalize(self, _close_later, self._runner, *self._open)
            self._at_collection.atexit = False  # _close_all is there for that
            return client

    def another_client(self) -> Client:
        """A client of its own with the same settings, not open yet."""
        return self._make_client()

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, timeout_s: float | None = None) -> T:
        """Run ``await fn(*args)`` on the client's loop and wait for its result."""
        return self._runner.run(fn, *args, timeout_s=timeout_s)

    def ask(self, name: str, *args: Any) -> Grid:
        """The grid that a method of the client gives."""
        grid = self.run(functools.partial(getattr(self.client, name), *args, raw=True))
        assert isinstance(grid, Grid)
        return grid

    def each(self, make: Callable[[Client], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
        """What an asynchronous generator of the client gives, one by one, each waited for.

        However the loop over it ends, by ``break``, an exception or Ctrl-C, the generator is closed.
        """
        client = self.client
        items = make(client)
        self._feeds.add(items)
        try:
            while self.client is client and (item := self.run(_next_of, items)) is not None:
                yield item[0]
        finally:
            with suppress(HsFrameError, RuntimeError):  # closed already, or collected in the loop's own thread
                self.run(_close_of, items, timeout_s=_CLOSE_S)
            self._feeds.discard(items)

    def close(self) -> None:
        """Send the op ``close`` to the server and close every connection; a second time does nothing."""
        with self._lock:
            self._closed = True
            if self._open is None:
                return
            client, loop, pid = self._open
            if pid != os.getpid() or loop is not self._runner.current():
                self._abandon()
                return
            self._forget()
        try:
            for items in list(self._feeds):  # while there is a line to say good-bye on
                with suppress(HsFrameError, RuntimeError):
                    self._runner.run(_close_of, items, timeout_s=_CLOSE_S)
            self._runner.run(client.close)
        finally:
            self._runner.release()

    def _abandon(self) -> None:
        """Let go of a client that belongs to the parent process, or to a loop that is gone, without touching it."""
        assert self._open is not None
        _ABANDONED.append(self._open)
        self._forget()

    def _forget(self) -> None:
        self._open = None
        if self._at_collection is not None:
            self._at_collection.detach()


async def _next_of(items: AsyncGenerator[T, None]) -> tuple[T] | None:
    async for item in items:
        return (item,)
    return None


async def _close_of(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


_CONNECTIONS: weakref.WeakSet[Connection] = weakref.WeakSet()
# Kept for ever: collecting them would close sockets that another process uses.
_ABANDONED: list[tuple[Client, asyncio.AbstractEventLoop, int]] = []


def _close_later(runner: Runner, client: Client, loop: asyncio.AbstractEventLoop, pid: int) -> None:
    """A connection went out of use unclosed: close its client when the loop has time, then let go of the loop."""
    if pid != os.getpid() or not loop.is_running():
        return

    async def close() -> None:
        try:
            await client.close()
        finally:
            loop.call_soon(runner.release)

    with suppress(RuntimeError):  # the loop was closed meanwhile
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
