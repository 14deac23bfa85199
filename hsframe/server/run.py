"""Run the server: for a person (:func:`serve`), or inside a program that has an event loop (:func:`listening`)."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from hsframe.errors import MetadataError, NetworkError
from hsframe.protocol.scram import ScramCredentials
from hsframe.protocol.uris import is_loopback
from hsframe.server.app import PREFIX, make_app
from hsframe.server.database import Database
from hsframe.server.users import Role, UsersFile

_DEMO_USERS: Final = {"demo": "demo"}
# How long open requests may take to end when the server stops.
_GRACE_S: Final = 1.0
# How long a connection may be idle, the time for the head of the next request included.
_IDLE_S: Final = 60.0

_log = logging.getLogger("hsframe.server")


class _Connection(web.RequestHandler):
    """Shows nothing of wrong HTTP, which may have a token in it; aiohttp does, in its log and in the answer."""

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
    loop = asyncio.get_running_loop()
    try:
        manager = runner.server
        assert manager is not None
        try:
            server = await loop.create_server(
                lambda: _Connection(
                    manager,
                    loop=loop,
                    keepalive_timeout=_IDLE_S,
                    auto_decompress=False,  # it would unpack what no handler reads, on the event loop
                    access_log=None,  # type: ignore[arg-type]  # AppRunner gives it too: there is none then
                ),
                host,
                port,
                ssl=tls,
            )
        except OSError as error:
            raise NetworkError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; "
                "another program may have the port: choose another one"
            ) from error
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
    try:
        asyncio.run(_serve(app, host, port, f"{len(database)} records; {who}"))
    except KeyboardInterrupt:
        print("stopped")


def _refuse_demo(host: str, users: Mapping[str, str | ScramCredentials]) -> None:
    if not is_loopback(host) and any(_is_known(users.get(name), password) for name, password in _DEMO_USERS.items()):
        raise MetadataError(
            f"other machines reach {host!r}, and everybody knows the password of the user demo; listen on 127.0.0.1, "
            "or give a user of your own: users={'NAME': 'PASSWORD'}"
        )


def _is_known(kept: str | ScramCredentials | None, password: str) -> bool:
    if isinstance(kept, ScramCredentials):
        return kept == ScramCredentials.from_password(password, kept.hash, kept.salt, kept.iterations)
    return kept == password


async def _serve(app: web.Application, host: str, port: int, what: str) -> None:
    async with listening(app, host, port) as uri:
        print(f"{uri}\n{what}\nCtrl-C stops the server", flush=True)
        await asyncio.Event().wait()
