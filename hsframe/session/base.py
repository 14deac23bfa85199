"""A session before it has verbs: its connection, its end, and the points that it has read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Self, TypeVar

from hsframe.client import Client
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.session.connection import Connection
from hsframe.session.default import forget_default

__all__ = ["SessionBase"]

T = TypeVar("T")


class SessionBase:
    """What the verbs of :class:`hsframe.Session` stand on."""

    def __init__(self, connection: Connection, *, user: str, max_concurrency: int) -> None:
        self.uri = connection.uri
        self._connection = connection
        self._user = user
        self._max_concurrency = max_concurrency
        # The points that were read here: their display names may be labels of a frame that is written.
        self._known: dict[str, Point] = {}

    @property
    def client(self) -> Client:
        """The asynchronous client, open, on the loop of the session's runner.

        With ``runner="nested"`` it can be awaited in the notebook. With ``runner="thread"`` its loop is another one:
        use :meth:`run`.
        """
        return self._connection.client

    @property
    def known_points(self) -> list[Point]:
        """The points that were read in this session."""
        return list(self._known.values())

    def run(self, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, timeout_s: float | None = None) -> T:
        """Run a coroutine function of one's own on the session's loop and wait for its result.

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
        return self._connection.run(fn, self.client, *args, timeout_s=timeout_s)

    def close(self) -> None:
        """End the session: send the op ``close`` to the server and close every connection. Twice does no harm."""
        forget_default(self)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        who = f" as {self._user}" if self._user else ""
        return f"<Session {self.uri}{who}{', closed' if self._connection.is_closed else ''}>"

    def _ask(self, name: str, *args: Any) -> Grid:
        return self._connection.ask(name, *args)

    def _remember(self, points: Iterable[Point]) -> None:
        self._known.update((point.id, point) for point in points)
