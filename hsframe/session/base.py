"""The bases of AsyncSession, without its verbs: settings, client, opening and closing, and the points read so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Self

from hsframe.client import Client
from hsframe.errors import MetadataError
from hsframe.frame.points import Point
from hsframe.history.source import Source
from hsframe.session.settings import Settings
from hsframe.session.signatures import takes


class ReadingBase:
    """The base class of the verbs that only read: what they read from, and the points that were read."""

    def __init__(self) -> None:
        # The points that were read here: their display names may be labels of a frame that is written.
        self._known: dict[str, Point] = {}

    def _one_verb(self) -> AbstractContextManager[Source]:
        """A verb: what it reads from, which sees all that is asked in the block as one."""
        raise NotImplementedError

    @property
    def known_points(self) -> list[Point]:
        """The points that were read in this session."""
        return list(self._known.values())

    def _remember(self, points: Iterable[Point]) -> None:
        self._known.update((point.id, point) for point in points)


class SessionBase(ReadingBase):
    """The base class of all verbs of :class:`hsframe.AsyncSession`: the state that they share."""

    @takes(Settings)
    def __init__(self, settings: Settings) -> None:
        self._settings = settings.resolved()
        self._client = self._settings.client()
        self._client.sender.caller = type(self).__name__
        self._opened = self._closed = False
        super().__init__()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an AsyncSession is not pickled or deep-copied: it holds connections; make a new one")

    def __copy__(self) -> Self:
        """A session with the same settings and the same known points, not open yet."""
        session = type(self)(**self._settings.of_session())
        session._known = self._known
        return session

    @property
    def uri(self) -> str:
        """Where the API is, without credentials."""
        return self._client.base_url

    @property
    def settings(self) -> Settings:
        """How it was made; what is secret is hidden in its repr."""
        return self._settings

    @property
    def user(self) -> str:
        """The name of the user; empty for anonymous access."""
        return self._settings.user or ""

    @property
    def client(self) -> Client:
        """The client that the verbs use: grids in and grids out, with the login of this session."""
        return self._client

    @contextmanager
    def _one_verb(self) -> Iterator[Source]:
        with self._client.sender.retries.one_verb():
            yield self._client

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is sent yet."""
        if self._opened and not self._closed:
            raise MetadataError(
                f"the {type(self).__name__} of {self.uri} is open already; enter it once: leaving closes it"
            )
        await self._client.__aenter__()
        self._opened = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the session: its watches, then the op ``close``, then every connection. It may be called twice."""
        self._closed = True
        await self._client.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # a traceback of the constructor shows half a session
            return f"<{type(self).__name__}>"
        return shown(type(self).__name__, self, is_closed=self._closed)


def shown(name: str, session: SessionBase, *, is_closed: bool) -> str:
    """What the repr of a session is, under the name of its class."""
    who = f" as {session.user}" if session.user else ""
    return f"<{name} {session.uri}{who}{', closed' if is_closed else ''}>"
