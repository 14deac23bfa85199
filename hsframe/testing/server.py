"""The embedded server beside a test: on a thread of its own, or on the loop that runs already.

>>> from hsframe.server.database import Database
>>> with running_server(Database()) as server:
...     server.user, server.uri.startswith("http://127.0.0.1:")
('demo', True)
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar, Unpack

from aiohttp import web

from hsframe.protocol.dialects import forget  # a free port may have been another server's
from hsframe.protocol.scram import MIN_ITERATIONS, ScramCredentials
from hsframe.server.app import LOGINS, STATE, make_app
from hsframe.server.auth import LoginOptions
from hsframe.server.clock import Clock
from hsframe.server.database import Database
from hsframe.server.run import listening
from hsframe.server.users import UsersFile
from hsframe.testing.quirk_wrappers import with_quirks

T = TypeVar("T")

_USERS: Final = {"demo": "demo"}


class Options(LoginOptions, total=False):
    """The options of the server, for those who start one."""

    clock: Clock
    proxy: str


@dataclass(frozen=True)
class RunningServer:
    """A running server.

    Parameters
    ----------
    uri : str
        The uri to connect to.
    database : Database
        The database that it serves; a test may change it while the server runs.
    user, password : str
        The first of its users; empty where it asks for no login, or they are in a file.
    app : aiohttp.web.Application
        The application itself.
    """

    uri: str
    database: Database
    user: str
    password: str = field(repr=False)
    app: web.Application = field(repr=False)

    @property
    def open_sessions(self) -> int:
        """The number of sessions that have not ended."""
        return self.app[LOGINS].open_sessions

    @property
    def open_watches(self) -> int:
        """The number of watches whose lease has not run out."""
        return len(self.app[STATE].watches)

    def drop_sessions(self) -> None:
        """Forget every session, as a server that was restarted: each client has to log in again."""
        self.app[LOGINS].end_all()


@contextmanager
def running_server(
    database: Database | None = None,
    users: Mapping[str, str | ScramCredentials] | UsersFile | None = None,
    quirks: Iterable[str] = (),
    *,
    tls: ssl.SSLContext | None = None,
    **options: Unpack[Options],
) -> Iterator[RunningServer]:
    """The embedded server on a thread of its own, on a free port of the loopback address, while the block runs.

    No thread, task or socket is left after the block.

    Parameters
    ----------
    database : Database, optional
        The demo building by default.
    users : mapping or UsersFile, optional
        Names and passwords; by default the user ``demo`` with the password ``demo``. An empty one means no login. Of a
        file of users, each change counts with the next request.
    quirks : iterable of str
        Behaviours of other servers, see :mod:`hsframe.testing.quirks`.
    tls : ssl.SSLContext, optional
        Serve HTTPS with this context.
    **options
        ``clock``, ``proxy``, ``scheme``, ``hash``, ``iterations``,
        ``token_ttl_s``, and the ``roles`` of users, as ``{"ann": "viewer"}``.

    Yields
    ------
    RunningServer
    """
    with on_thread(lambda: async_running_server(database, users, quirks, tls=tls, **options)) as server:
        yield server


@contextmanager
def on_thread(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What an asynchronous context manager gives, while it is entered on a thread and an event loop of its own."""
    started: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        async with make() as given:
            stop = asyncio.Event()
            started.set_result((given, asyncio.get_running_loop(), stop))
            await stop.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=main, name="hsframe-test-server", daemon=True)
    thread.start()
    try:
        given, loop, stop = started.result()
        try:
            yield given
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


@asynccontextmanager
async def async_running_server(
    database: Database | None = None,
    users: Mapping[str, str | ScramCredentials] | UsersFile | None = None,
    quirks: Iterable[str] = (),
    *,
    tls: ssl.SSLContext | None = None,
    **options: Unpack[Options],
) -> AsyncIterator[RunningServer]:
    """The embedded server on the running loop; otherwise as :func:`running_server`."""
    if database is None:
        from hsframe.server.demo import demo_building  # takes a second, so only when needed

        database = demo_building()
    users = _USERS if users is None else users
    options.setdefault("iterations", MIN_ITERATIONS)
    app = make_app(database, users, **options)
    with_quirks(quirks)(app)
    user, password = next(iter(() if isinstance(users, UsersFile) else users.items()), ("", ""))
    async with listening(app, tls=tls) as uri:
        forget(uri)
        yield RunningServer(uri, database, user, password if isinstance(password, str) else "", app)
