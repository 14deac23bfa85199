"""The bases of AsyncSession, without its verbs: settings, client, opening and closing, and the points read so far."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from hsframe.cards import card
from hsframe.client import Client
from hsframe.client.retries import DEFAULT_RETRIES
from hsframe.durations import Duration
from hsframe.errors import MetadataError
from hsframe.frame.points import Point
from hsframe.history.plan import check_count
from hsframe.history.source import Source
from hsframe.options import Limits
from hsframe.protocol.login_steps import AuthScheme
from hsframe.protocol.secret import check_texts, hidden, hidden_headers
from hsframe.protocol.uris import split_user
from hsframe.protocol.version5 import VersionSetting
from hsframe.session.completion import offer_choices
from hsframe.session.signatures import takes

if TYPE_CHECKING:
    import aiohttp

    from hsframe.client.tls import TLSConfig


@dataclass
class Settings:
    """The parameters of :class:`hsframe.AsyncSession`; :func:`hsframe.connect` says what they mean."""

    uri: str | None = None
    user: str | None = None
    password: str | None = None
    _: KW_ONLY
    token: str | None = None
    auth: AuthScheme = "auto"
    allow_insecure: bool = False
    format: str = "zinc"
    version: VersionSetting = "auto"
    tls: TLSConfig | None = None
    timeout: aiohttp.ClientTimeout | Duration | float | None = None
    retries: int = DEFAULT_RETRIES
    deadline: Duration | float | None = None
    proxy: str | None = None
    trust_env: bool = False
    headers: Mapping[str, str] | None = None
    max_concurrency: int = 6
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        # A traceback of a later error can show local variables, and these may be among them.
        self.uri, self.password, self.token, self.proxy = map(hidden, (self.uri, self.password, self.token, self.proxy))
        self.user = self.user if isinstance(self.user, str) else hidden(self.user)
        self.headers = hidden_headers(self.headers)

    def resolved(self, ask: Callable[[str], str | None] = lambda user: None) -> Self:
        """The same settings, completed from the environment; for a missing password `ask` is called with the user."""
        check_texts(
            self.headers, uri=self.uri, user=self.user, password=self.password, token=self.token, proxy=self.proxy
        )
        uri = self.uri if self.uri is not None else hidden(os.environ.get("HSFRAME_URI", ""))
        if not uri:
            raise MetadataError(
                "no uri to connect to was given: give one, as in hsframe.connect('http://127.0.0.1:8080/api', 'user', "
                "'password'), or set HSFRAME_URI"
            )
        split_user(uri, "uri")
        check_count(self.max_concurrency, "max_concurrency")
        user, password, token = self.user, self.password, self.token
        if token is None and user is None and password is None:
            token = os.environ.get("HSFRAME_TOKEN") or None
        if token is None:
            user = user if user is not None else os.environ.get("HSFRAME_USER", "")
            password = password if password is not None else os.environ.get("HSFRAME_PASSWORD") or None
        found = replace(self, uri=uri, user=user or "", password=password or "", token=token)
        if user and password is None and token is None and self.auth not in ("none", "bearer"):
            found.client()  # what is wrong with the others is told before a person types
            found = replace(found, password=ask(user))
            if found.password is None:
                raise MetadataError(
                    f"no password of {user!r} was given, and there is nobody to ask for it: give password=, or set "
                    "HSFRAME_PASSWORD; auth='none' is for a server that wants no login"
                )
        return found

    def of_session(self) -> dict[str, Any]:
        """The arguments of :class:`hsframe.AsyncSession`, by name: without the fields that a subclass adds."""
        return {field.name: getattr(self, field.name) for field in fields(Settings)}

    def client(self) -> Client:
        """A client with these settings, not open yet."""
        others = self.of_session()
        most_at_once = others.pop("max_concurrency")
        client = Client(others.pop("uri"), others.pop("user"), others.pop("password"), **others)
        client.max_concurrency = most_at_once
        return client


@dataclass(kw_only=True)
class SessionSettings(Settings):
    """The parameters of :func:`hsframe.connect`."""

    runner: Literal["thread", "nested"] = "thread"


class ReadingBase:
    """The base class of the verbs that only read: what they read from, and the points that were read."""

    def __init__(self) -> None:
        offer_choices()
        # The points that were read here: their display names may be labels of a frame that is written.
        self._known: dict[str, Point] = {}
        self._sites: set[str] = set()

    def _one_verb(self) -> AbstractContextManager[Source]:
        """A verb: what it reads from, which sees all that is asked in the block as one."""
        raise NotImplementedError

    @property
    def known_points(self) -> list[Point]:
        """The points that were read with this object."""
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
        raise TypeError(not_pickled("an AsyncSession", "AsyncSession()"))

    def __copy__(self) -> Self:
        """A session with the same settings and the same known points, not open yet."""
        if not hasattr(self, "_settings"):
            raise TypeError("this AsyncSession was not made: its constructor raised")
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

    def _repr_html_(self) -> str:
        return card_of(type(self).__name__, self, is_closed=self._closed)


def not_pickled(what: str, maker: str) -> str:
    """What pickling a session raises; it is mostly done to send it to a worker."""
    return (
        f"{what} is not pickled or deep-copied: it holds connections and a password; make a new one where it is "
        f"needed. In a worker {maker} takes HSFRAME_URI, HSFRAME_USER and HSFRAME_PASSWORD from the environment; for "
        "Dask hsframe.dask does all this"
    )


def shown(name: str, session: SessionBase, *, is_closed: bool) -> str:
    """What the repr of a session is, under the name of its class."""
    who = f" as {session.user}" if session.user else ""
    return f"<{name} {session.uri}{who}{', closed' if is_closed else ''}>"


def card_of(name: str, session: SessionBase, *, is_closed: bool) -> str:
    """What a notebook shows of a session, under the name of its class; nothing is asked for it."""
    read = {"points": session._known, "sites": session._sites}
    counts = {what: f"{len(ids):,} read so far" for what, ids in read.items() if ids}
    return card(name, {**session._client.known(), **counts, "state": "closed" if is_closed else ""})
