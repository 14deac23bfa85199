"""Runs slow work outside of the event loop's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar, TypeVarTuple

from hsframe.caller_warnings import DeferredWarnings

__all__ = ["in_thread"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


async def in_thread(run: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
    """Run a slow function in a thread of its own, which ends with it; its warnings point at the caller's line.

    The threads of asyncio's default pool would live as long as the loop; a client leaves no thread running. The
    work must be bounded: a cancelled caller does not wait for it, and nothing can stop it.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="hsframe-work")
    with DeferredWarnings():
        future = asyncio.get_running_loop().run_in_executor(pool, copy_context().run, run, *args)
        try:
            return await future
        finally:
            pool.shutdown(wait=future.done() and not future.cancelled(), cancel_futures=True)
