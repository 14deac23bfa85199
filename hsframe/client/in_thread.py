"""Runs slow work outside of the event loop's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar, TypeVarTuple

from hsframe.caller_warnings import DeferredWarnings

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Workers(ThreadPoolExecutor):
    """Threads that do slow work; when the interpreter ends, and none may start any more, it is done where it is asked.

    Sessions are closed then, and who closes one may have to look up the address of its server.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            done: Future[_T] = Future()
            done.set_result(fn(*args, **kwargs))
            return done


_shared: ContextVar[Workers | None] = ContextVar("one_thread", default=None)


@contextmanager
def one_thread() -> Generator[None]:
    """A block whose slow work takes turns in one thread: each keeps the memory that it has used (glibc)."""
    if _shared.get() is not None:
        yield
        return
    pool = Workers(1, thread_name_prefix="hsframe-work")
    token = _shared.set(pool)
    try:
        yield
        pool.shutdown()
    finally:
        _shared.reset(token)
        pool.shutdown(wait=False, cancel_futures=True)


async def in_thread(run: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
    """Run a slow function in a thread that ends with it, or with :func:`one_thread`; it warns at the caller's line.

    The threads of asyncio's default pool would live as long as the loop; a client leaves no thread running. The
    work must be bounded: a cancelled caller does not wait for it, and nothing can stop it.
    """
    shared = _shared.get()
    pool = shared or Workers(1, thread_name_prefix="hsframe-work")
    with DeferredWarnings():
        context = copy_context()
        context.run(_shared.set, None)  # what runs there may wait for slow work of its own
        future = asyncio.get_running_loop().run_in_executor(pool, context.run, run, *args)
        try:
            return await future
        finally:
            if shared is None:
                pool.shutdown(wait=future.done() and not future.cancelled(), cancel_futures=True)
