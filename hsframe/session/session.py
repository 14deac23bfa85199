"""Session: the verbs of an asynchronous session, run and waited for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Concatenate, Self, overload

from hsframe.client import Client
from hsframe.frame.points import Point
from hsframe.session.async_session import AsyncSession
from hsframe.session.base import shown
from hsframe.session.connection import Connection
from hsframe.session.runners import runner_named
from hsframe.session.settings import SessionSettings, Settings
from hsframe.session.signatures import Overloaded, P, Q, R, S, T


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

    def __init__(self, settings: SessionSettings) -> None:
        self._connection = Connection(AsyncSession(**settings.of_session()), runner_named(settings.runner))

    def _run(self, verb: Callable[[AsyncSession], Coroutine[Any, Any, T]]) -> T:
        return self._connection.run(verb)

    def _each(self, verb: Callable[[AsyncSession], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
        return self._connection.each(verb)

    about = _waiting(AsyncSession.about)
    ops = _waiting(AsyncSession.ops)
    formats = _waiting(AsyncSession.formats)
    defs = _waiting(AsyncSession.defs)
    libs = _waiting(AsyncSession.libs)
    filetypes = _waiting(AsyncSession.filetypes)
    doctor = _waiting(AsyncSession.doctor)
    read = _waiting(AsyncSession.read)
    read_by_ids = _waiting(AsyncSession.read_by_ids)
    nav = _waiting(AsyncSession.nav)
    his_read = _waiting(AsyncSession.his_read)
    his_iter = _waiting(AsyncSession.his_iter)
    latest = _waiting(AsyncSession.latest)
    matrix = _waiting(AsyncSession.matrix)
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
        return self._connection.inner.uri

    @property
    def settings(self) -> Settings:
        """How it was made; what is secret is hidden in its repr."""
        return self._connection.inner.settings

    @property
    def client(self) -> Client:
        """The asynchronous client, open, on the loop of the session's runner.

        With ``runner="nested"`` its methods can be awaited in the notebook. With ``runner="thread"`` its loop is
        another one: use :meth:`run`.
        """
        return self._connection.session.client

    @property
    def known_points(self) -> list[Point]:
        """The points that were read in this session."""
        return self._connection.inner.known_points

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
        return self._connection.run(lambda session: fn(session.client, *args), timeout_s=timeout_s)

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._connection.is_closed

    def close(self) -> None:
        """End the session: send the op ``close`` to the server and close every connection. It may be called twice."""
        self._connection.close()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Session is not pickled or deep-copied: it holds connections; make a new one with connect()")

    def __copy__(self) -> Self:
        """The same connection once more."""
        twin = object.__new__(type(self))
        twin._connection = self._connection
        return twin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_connection"):  # a traceback of the constructor shows half a session
            return "<Session>"
        return shown("Session", self._connection.inner, is_closed=self.is_closed)
