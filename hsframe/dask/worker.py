"""What a worker needs to read by itself: a session of its own, and its turn among all workers.

Nothing that is sent to workers is secret: a password is in their environment, or a function gives it there.
"""

from __future__ import annotations

import functools
import pkgutil
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from multiprocessing import util
from typing import Any, Final, NoReturn, Self, TypeAlias
from urllib.parse import urlsplit

import distributed

from hsframe.archive.source import ArchiveSource
from hsframe.archive.storage import OPTION_PREFIX, Storage
from hsframe.archive.tables import State, Tables
from hsframe.client import Client
from hsframe.errors import AuthError, HsFrameError, MetadataError
from hsframe.session.base import SessionSettings, Settings
from hsframe.session.runners import runner_named
from hsframe.session.session import Session
from hsframe.session.signatures import T

Verb: TypeAlias = Callable[..., Coroutine[Any, Any, T]]

_OWN: Final = ("uri", "user", "password", "token", "headers", "proxy", "max_concurrency")
_SENT: Final = [field.name for field in fields(Settings) if field.name not in _OWN]

# The options of an object store that are not secret, without the prefix.
_OPEN_OPTIONS: Final = (
    *("region", "default_region", "endpoint_url", "endpoint", "allow_http", "account_name"),
    *("virtual_hosted_style_request", "skip_signature", "conditional_put"),
)

_IN_WORKER: Final = "a worker has the password from HSFRAME_PASSWORD in its environment"

_LOCK: Final = threading.Lock()
_SESSIONS: Final[dict[Login, Session]] = {}
_TURNS: Final[dict[tuple[str, str, int], Any]] = {}


@dataclass(frozen=True)
class Login:
    """A server, from which all workers together read at most `at_once` partitions at a time.

    What is None is in the environment of the worker. `password` names a function, as ``"module:function"``.
    """

    uri: str | None = None
    user: str | None = None
    password: str | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    at_once: int = Settings.max_concurrency

    @classmethod
    def of(
        cls, uri: str | None, user: str | None, password: object, settings: Mapping[str, Any], at_once: int | None
    ) -> Self:
        """From what a person gives; MetadataError where a secret would be sent."""
        stray = next((name for name in settings if name not in _SENT), None)
        if stray is not None or getattr(settings.get("tls"), "key_password", None):
            raise MetadataError(
                f"connect={{{stray or 'tls'!r}: ...}} is not sent to workers, as it may be secret or has a parameter "
                f"of its own; expected some of {', '.join(_SENT)}, and tls without a key_password"
            )
        place = urlsplit(uri or "")
        if "@" in place.netloc or place.query:
            raise MetadataError(
                "uri= has a user, a password or a query, which would be sent to workers; leave them out"
            )
        name = None if password is None else _name_of(password)
        return cls(uri, user, name, tuple(sorted(settings.items())), at_once or cls.at_once)

    @classmethod
    def of_session(cls, session: Session, at_once: int | None) -> Self:
        """That of a session, whose password the workers have in their environment."""
        own, usual = session.settings, Settings()
        if own.headers or own.proxy:
            raise MetadataError("the session has headers= or proxy=, which may be secret and are not sent to workers")
        sent = {name: given for name in _SENT if (given := getattr(own, name)) != getattr(usual, name)}
        return cls.of(session.uri, own.user or None, None, sent, at_once or own.max_concurrency)

    def run(self, fn: Verb[T], *args: object) -> T:
        """Run ``await fn(client, *args)`` in this process's session, when it is its turn."""

        async def verb(client: Client) -> T:
            with client.sender.retries.one_verb():
                return await fn(client, *args)

        session = self._session()
        with _turn(session.uri, self.at_once):
            try:
                return session.run(verb)
            except HsFrameError as error:
                # Distributed sends what led to an error with it, and replaces all where a part cannot be sent.
                error.__cause__ = error.__context__ = None
                if isinstance(error, AuthError) and error.refused and self.password is None:
                    error.args = (f"{error}; {_IN_WORKER}",)
                raise

    def _session(self) -> Session:
        own = replace(self, at_once=0)  # one session, whatever its frames may do at a time
        with _LOCK:
            if own not in _SESSIONS:
                password = None if self.password is None else pkgutil.resolve_name(self.password)()
                settings = SessionSettings(self.uri, self.user, password, **dict(self.settings))
                _SESSIONS[own] = Session(settings, _no_password)
                util.Finalize(None, close, exitpriority=1)  # a worker that was forked runs no functions of atexit
            return _SESSIONS[own]


def _no_password(user: str) -> NoReturn:
    raise AuthError(f"no password of {user!r} was given; {_IN_WORKER}")


def _name_of(password: object) -> str:
    if isinstance(password, str):
        raise MetadataError(
            "a password given as a text would be sent to the scheduler and to all workers, and may be shown there; set "
            "HSFRAME_PASSWORD where the workers run, or give a function of a module of yours that returns it"
        )
    module, name = (getattr(password, part, None) for part in ("__module__", "__qualname__"))
    found = None
    with suppress(ImportError, AttributeError, ValueError):
        found = pkgutil.resolve_name(f"{module}:{name}")
    if found is None or found is not password or module in ("__main__", "__mp_main__"):
        raise MetadataError(
            f"password={module}.{name} cannot be imported by workers, and would be sent to them with all that it uses, "
            "secrets too; put the function into a module that they have"
        )
    return f"{module}:{name}"


@contextmanager
def _turn(uri: str, count: int) -> Generator[None]:
    """A block that at most `count` threads are in: of all workers, or without a cluster of this process."""
    try:
        worker = str(distributed.get_worker().id)
    except ValueError:
        worker = ""
    key = worker, uri, count
    with _LOCK:
        if key not in _TURNS:
            of_all = functools.partial(distributed.Semaphore, name=f"hsframe {count} {uri}")
            _TURNS[key] = (of_all if worker else threading.BoundedSemaphore)(count)
    with _TURNS[key]:
        yield


@dataclass(frozen=True)
class StoredVersion:
    """A version of an archive, by the state of its tables, and the options of its object store without secret ones."""

    uri: str
    options: tuple[tuple[str, str], ...]
    state: State | None = None

    @classmethod
    def of(cls, uri: str, options: Mapping[str, str], state: State | None = None) -> Self:
        """With the options that are not secret; the others are in the environment of the workers."""
        known = {name: OPTION_PREFIX.sub("", name.lower(), count=1) in _OPEN_OPTIONS for name in options}
        return cls(uri, tuple((name, text) for name, text in options.items() if known[name]), state)

    def opened(self) -> Tables:
        """The tables of the archive."""
        return Tables.open(Storage(self.uri, dict(self.options)), self.state and self.state[0][0])

    def run(self, fn: Verb[T], *args: object) -> T:
        """Run ``await fn(source, *args)``."""
        return runner_named("thread").run(fn, _source(self), *args)


@functools.lru_cache(maxsize=4)
def _source(stored: StoredVersion) -> ArchiveSource:
    return ArchiveSource(stored.opened())


Origin: TypeAlias = Login | StoredVersion
"""Where partitions come from; workers are sent it."""


def close() -> None:
    """Close the sessions with servers that this process has for Dask; those of a worker are closed when it ends."""
    with _LOCK:
        sessions = list(_SESSIONS.values())
        _SESSIONS.clear()
    for session in sessions:
        session.close()
