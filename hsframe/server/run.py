"""Run the server: for a person (:func:`serve`), or inside a program that has an event loop (:func:`listening`)."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
import sys
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from hsframe.errors import MetadataError, NetworkError
from hsframe.protocol.scram import ScramCredentials
from hsframe.protocol.uris import is_loopback
from hsframe.server.app import PREFIX, PROXY, make_app
from hsframe.server.database import Database
from hsframe.server.expiring import network_of
from hsframe.server.users import Role, UsersFile

_DEMO_USERS: Final = {"demo": "demo"}
_OWN_USER: Final = "give a user of your own: users={'NAME': 'PASSWORD'}"
# How long open requests may take to end when the server stops.
_GRACE_S: Final = 1.0
# How long a connection may be idle, the time for the head of the next request included.
_IDLE_S: Final = 60.0
# Each connection takes a file of the process, idle ones too; some systems give it 1,024. Of those with one address few
# enough that others get in. A proxy's are all clients'.
_MOST_OF_ADDRESS: Final = 500
_FILES: Final = 16_384

_UNBOUND: Final = {
    errno.EADDRINUSE: "another program listens there; choose another port",
    errno.EACCES: "the system gives ports below 1024, and some others, to few programs; choose another port, and let a "
    "reverse proxy have that one",
    errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is for this machine alone, 0.0.0.0 for all that "
    "reach it",
}

_log = logging.getLogger("hsframe.server")


class _Connection(web.RequestHandler):
    """Closed at once where its address has too many, whose numbers are in `open_of`; that of a `proxy` may have more.

    It shows nothing of wrong HTTP, which may have a token in it; aiohttp does, in its log and in the answer.
    """

    __slots__ = ("_network", "_open_of", "_proxy")

    def __init__(self, manager: web.Server, open_of: Counter[str], proxy: str, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._open_of, self._proxy, self._network = open_of, proxy, ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = str((transport.get_extra_info("peername") or [""])[0])
        self._network = network_of(address)
        self._open_of[self._network] += 1
        if self._open_of[self._network] > _MOST_OF_ADDRESS and address not in ("", self._proxy):
            _log.info("%s has %d connections; another one is closed", self._network, _MOST_OF_ADDRESS)
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._open_of[self._network] -= 1
        if not self._open_of[self._network]:
            del self._open_of[self._network]
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        _log.info("what %s sends is not valid HTTP: %s", request.remote, type(exc).__name__)
        response = web.Response(status=400, text=f"the request is not valid HTTP: {type(exc).__name__}\n")
        response.force_close()
        return response


@asynccontextmanager
async def listening(
    app: web.Application, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve an application while the block runs; gives its uri. The port 0 is any free one.

    With `tls` it serves HTTPS with that certificate; a context that verifies clients asks for theirs.
    """
    # Cancels the handler of a closed connection: it would outlive its connection, and the server.
    runner = web.AppRunner(app, handle_signals=False, handler_cancellation=True, shutdown_timeout=_GRACE_S)
    await runner.setup()
    loop, open_of = asyncio.get_running_loop(), Counter[str]()
    try:
        manager = runner.server
        assert manager is not None
        try:
            server = await loop.create_server(
                lambda: _Connection(
                    manager,
                    open_of,
                    app.get(PROXY, ""),
                    loop=loop,
                    keepalive_timeout=_IDLE_S,
                    auto_decompress=False,  # it would unpack what no handler reads, on the event loop
                    access_log=None,  # AppRunner gives it too: there is none then
                ),
                host,
                port,
                ssl=tls,
            )
        except OSError as error:
            # No number: asyncio of 3.12 and newer, which tells only that no address could be had.
            what = _UNBOUND.get(error.errno or errno.EADDRNOTAVAIL, f"{error.strerror or error}; choose another port")
            if isinstance(error, socket.gaierror):
                what = "no host has that name; give an address of this machine, as 127.0.0.1"
            raise NetworkError(f"cannot listen on {host} port {port}: {what}") from error
        bound = server.sockets[0].getsockname()
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        try:
            yield f"{'http' if tls is None else 'https'}://{name}:{bound[1]}{PREFIX}"
        finally:
            server.close()
    finally:
        await runner.cleanup()


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    database: Database | None = None,
    users: Mapping[str, str | ScramCredentials] | str | os.PathLike[str] | None = None,
    *,
    roles: Mapping[str, Role] | None = None,
    prepare: Callable[[web.Application], None] | None = None,
    proxy: str = "",
) -> None:
    """Serve until Ctrl-C, and print the address; NetworkError where it cannot be bound.

    MetadataError where others than this machine could log in with the password of the demo, or `roles` has a name that
    is no user's; a user that it does not have is admin. `users` may be a file as ``hsframe set-user`` writes it, which
    has the roles too: what is changed in it counts from the next request on.

    The default `host` can be reached from this machine only; the `port` 0 is any free one. By default the database is
    the demo building, with new samples while it is served, and the user is ``demo`` with the password ``demo``.
    `prepare` is called with the application before it is served; :func:`hsframe.testing.quirk_wrappers.with_quirks`
    makes one. `proxy` is the address from which a reverse proxy calls: the last address in its X-Forwarded-For counts
    as the client's.
    """
    if users is None:
        users = _DEMO_USERS
        if database is not None and is_loopback(host):
            warnings.warn(f"the password of the user demo is demo; {_OWN_USER}", UserWarning, stacklevel=2)
    file = None
    if isinstance(users, str | os.PathLike):
        file = UsersFile(users, lambda read: _refuse_demo(host, read.credentials))
        users = file.users.credentials
    else:
        _refuse_demo(host, users)
    if not is_loopback(host) and not users:
        what = f"everybody who reaches {host} can call without a login; give users of your own"
        warnings.warn(what, UserWarning, stacklevel=2)
    if database is None:
        from hsframe.server.demo import demo_building  # takes a second, so only when needed

        database = demo_building(live=True)
    app = make_app(database, file or users, roles=roles or {}, proxy=proxy)
    if prepare is not None:
        prepare(app)
    # Only the password of the demo, which everybody knows, is shown.
    who = "user demo, password demo" if users is _DEMO_USERS else f"users {', '.join(users) or '(anybody)'}"
    _take_files()
    try:
        asyncio.run(_serve(app, host, port, f"{len(database)} records; {who}"))
    except KeyboardInterrupt:
        print("stopped")


def _refuse_demo(host: str, users: Mapping[str, str | ScramCredentials]) -> None:
    if not is_loopback(host) and any(_is_known(users.get(name), password) for name, password in _DEMO_USERS.items()):
        raise MetadataError(
            f"other machines reach {host!r}, and everybody knows the password of the user demo; listen on 127.0.0.1, "
            f"or {_OWN_USER}"
        )


def _is_known(kept: str | ScramCredentials | None, password: str) -> bool:
    return kept.fit(password) if isinstance(kept, ScramCredentials) else kept == password


def _take_files() -> None:
    """Let this process have as many open files, and so connections, as the system allows it, up to some thousands."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(ValueError, OSError):  # macOS says that there is no bound, and has one
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(app: web.Application, host: str, port: int, what: str) -> None:
    async with listening(app, host, port) as uri:
        print(f"{uri}\n{what}\nCtrl-C stops the server", flush=True)
        await asyncio.Event().wait()
