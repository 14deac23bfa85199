"""Session: the verbs of an asynchronous session, which is opened on a runner's loop when needed, run and waited for."""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from copy import copy
from typing import Any, Concatenate, Final, Self, overload

from hsframe.caller_warnings import DeferredWarnings, warn_caller
from hsframe.client import Client
from hsframe.errors import HsFrameError, MetadataError
from hsframe.frame.points import Point
from hsframe.session.async_session import AsyncSession
from hsframe.session.base import SessionSettings, Settings, card_of, not_pickled, shown
from hsframe.session.progress_bar import in_notebook
from hsframe.session.runners import Runner, runner_named
from hsframe.session.signatures import Overloaded, P, Q, R, S, T

_CLOSE_S: Final = 10.0


@overload
def _waiting(
    verb: Callable[Concatenate[AsyncSession, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Any, P], R]: ...
@overload
def _waiting(verb: Overloaded[P, Coroutine[Any, Any, R], Q, Coroutine[Any, Any, S]]) -> Overloaded[P, R, Q, S]: ...
@overload
def _waiting(
    verb: Callable[Concatenate[AsyncSession, P], AsyncGenerator[R, None]],
) -> Callable[Concatenate[Any, P], Generator[R, None, None]]: ...
def _waiting(verb: Any) -> Any:
    """A verb of :class:`AsyncSession` as a method of :class:`Session`, with its signature and documentation.

    Those that only read are methods of an archive too, so `self` is anything that has `_run` and `_each`.
    """
    iterates = inspect.isasyncgenfunction(inspect.unwrap(verb))

    @functools.wraps(verb)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if iterates:
            verb(self, *args, **kwargs)  # wrong arguments are refused here, not by the first next(); nothing begins
        run = self._each if iterates else self._run
        return run(lambda session: verb(session, *args, **kwargs))

    method.__qualname__ = f"Session.{verb.__name__}"
    if iterates:
        signature = inspect.signature(verb)
        given = signature.return_annotation.replace("AsyncGenerator[", "Generator[").replace(", None]", ", None, None]")
        method.__signature__ = signature.replace(return_annotation=given)  # type: ignore[attr-defined]
        method.__annotations__ = {**verb.__annotations__, "return": given}
    return method


class Session:
    """A connection to one server, made by :func:`connect`; use it as a context manager, or call :meth:`close`.

    Its verbs are those of :class:`AsyncSession`, each run until it is done. They may be called from any thread, and in
    a notebook; inside a coroutine of your own await those of an `AsyncSession`.
    """

    def __init__(self, settings: SessionSettings, ask: Callable[[str], str | None]) -> None:
        self._runner = runner_named(settings.runner)
        # Open or not: of this only what works without a loop is used.
        self._inner = AsyncSession(**settings.resolved(ask).of_session())
        self._lock = threading.RLock()
        self._is_closed = self._warned = False
        self._open: tuple[AsyncSession, asyncio.AbstractEventLoop, int] | None = None
        self._at_collection: weakref.finalize[..., Any] | None = None
        _SESSIONS.add(self)

    about = _waiting(AsyncSession.about)
    ops = _waiting(AsyncSession.ops)
    formats = _waiting(AsyncSession.formats)
    defs = _waiting(AsyncSession.defs)
    libs = _waiting(AsyncSession.libs)
    filetypes = _waiting(AsyncSession.filetypes)
    specs = _waiting(AsyncSession.specs)
    doctor = _waiting(AsyncSession.doctor)
    read = _waiting(AsyncSession.read)
    read_by_ids = _waiting(AsyncSession.read_by_ids)
    find = _waiting(AsyncSession.find)
    tree = _waiting(AsyncSession.tree)
    nav = _waiting(AsyncSession.nav)
    inventory = _waiting(AsyncSession.inventory)
    estimate = _waiting(AsyncSession.estimate)
    his_read = _waiting(AsyncSession.his_read)
    his_iter = _waiting(AsyncSession.his_iter)
    latest = _waiting(AsyncSession.latest)
    matrix = _waiting(AsyncSession.matrix)
    commit = _waiting(AsyncSession.commit)
    his_write = _waiting(AsyncSession.his_write)
    his_remove = _waiting(AsyncSession.his_remove)
    export = _waiting(AsyncSession.export)
    point_write = _waiting(AsyncSession.point_write)
    point_write_array = _waiting(AsyncSession.point_write_array)
    watch = _waiting(AsyncSession.watch)
    watch_sub = _waiting(AsyncSession.watch_sub)
    watch_poll = _waiting(AsyncSession.watch_poll)
    watch_unsub = _waiting(AsyncSession.watch_unsub)
    watch_close = _waiting(AsyncSession.watch_close)
    invoke_action = _waiting(AsyncSession.invoke_action)
    eval = _waiting(AsyncSession.eval)
    eval_all = _waiting(AsyncSession.eval_all)
    call = _waiting(AsyncSession.call)

    @property
    def uri(self) -> str:
        """Where the API is, without credentials."""
        return self._inner.uri

    @property
    def settings(self) -> Settings:
        """How it was made; what is secret is hidden in its repr."""
        return self._inner.settings

    @property
    def client(self) -> Client:
        """The asynchronous client, open, on the loop of the session's runner.

        With ``runner="nested"`` its methods can be awaited in the notebook. With ``runner="thread"`` its loop is
        another one: use :meth:`run`.
        """
        return self._session.client

    @property
    def known_points(self) -> list[Point]:
        """The points that were read in this session."""
        return self._inner.known_points

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, timeout_s: float | None = None) -> T:
        """Run a coroutine function of yours on the session's loop and wait for its result.

        Parameters
        ----------
        fn : coroutine function
            Called with the client and `args`.
        *args
        timeout_s : float, optional
            Seconds after which it is cancelled.

        Examples
        --------
        >>> async def both(client):                             # doctest: +SKIP
        ...     return await asyncio.gather(client.about(), client.ops())
        >>> about, ops = session.run(both)                      # doctest: +SKIP
        """
        return self._run(lambda session: fn(session.client, *args), timeout_s=timeout_s)

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._is_closed

    def close(self) -> None:
        """End the session: send the op ``close`` to the server and close every connection. It may be called twice."""
        with self._lock:
            self._is_closed = True
            if self._open is None:
                return
            if not self._is_current():
                self._abandon()
                return
            self._forget()
        try:
            self._runner.run(self._inner.close)
        finally:
            self._runner.release()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(not_pickled("a Session", "hsframe.connect()"))

    def __copy__(self) -> Self:
        """The same connection once more."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_inner"):  # a traceback of the constructor shows half a session
            return "<Session>"
        return shown("Session", self._inner, is_closed=self.is_closed)

    def _repr_html_(self) -> str:
        return card_of("Session", self._inner, is_closed=self.is_closed)

    @property
    def _session(self) -> AsyncSession:
        """The session, open on the loop of the runner."""
        with self._lock:
            if self._is_closed:
                raise MetadataError(f"the session with {self._inner.uri} is closed: call hsframe.connect(...) first")
            if self._is_current():
                return self._inner
            if self._open is not None:
                self._abandon()
                self._inner = copy(self._inner)
            session = self._inner
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

    def _run(self, verb: Callable[[AsyncSession], Coroutine[Any, Any, T]], *, timeout_s: float | None = None) -> T:
        """Run ``await verb(session)`` on the session's loop and wait for its result.

        Its warnings point at the caller's line, although the loop runs in another thread.
        """
        session = self._session
        self._warn_of_blocked_loop()
        with DeferredWarnings():
            return self._runner.run(verb, session, timeout_s=timeout_s)

    def _each(self, verb: Callable[[AsyncSession], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
        """The items of an asynchronous generator of the session; each step waits for the next one.

        However the loop over it ends, by ``break``, an exception or Ctrl-C, the generator is closed. So it is with the
        session, which the end of the program closes too.
        """
        session = self._session
        items = verb(session)
        try:
            while self._session is session and (item := self._run(lambda _: next_of(items))) is not None:
                yield item[0]
        finally:
            if self._is_current() and self._inner is session:  # else it was closed with its session
                with suppress(HsFrameError, RuntimeError):  # collected in the loop's own thread
                    self._runner.run(items.aclose, timeout_s=_CLOSE_S)

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


_SESSIONS: weakref.WeakSet[Session] = weakref.WeakSet()
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
    for session in list(_SESSIONS):
        with suppress(HsFrameError, RuntimeError):
            session.close()


def _after_fork() -> None:
    for session in list(_SESSIONS):
        session._lock = threading.RLock()  # another thread of the parent may have held it


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
