"""The servers that pages of docs/how-to are about, for the test that runs their code: with quirks, TLS or a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from aiohttp import web

from hsframe.kinds import Ref
from hsframe.protocol.dialects import forget
from hsframe.server.app import make_app
from hsframe.server.demo import demo_building
from hsframe.server.run import listening
from hsframe.testing.quirk_wrappers import with_quirks
from hsframe.testing.server import on_thread, running_server
from tests.client.test_client_proxy import proxy
from tests.client.test_client_tls import Authority, server_context
from tests.session.spec_server import give_specs

Places: TypeAlias = dict[str, str]
"""What a page writes, and what stands in its place while the page runs."""

_USERS: Final = {"ann": "demo", "demo": "demo"}


@contextmanager
def _like(uri: str, quirks: str, folder: Path) -> Iterator[Places]:
    with running_server(users=_USERS, quirks=quirks.split()) as server:
        yield {uri: server.uri}


@contextmanager
def _haxall(folder: Path) -> Iterator[Places]:
    database = demo_building()
    for rec in database.query("sensor and zone and air and temp"):
        database.update(rec["id"], {"spec": Ref("ph.points::ZoneAirTempSensor")})
    with running_server(database, _USERS, ["haxall"]) as server:
        give_specs(server.app)
        yield {"http://127.0.0.1:8080/api/sys": server.uri}


@contextmanager
def _niagara(folder: Path) -> Iterator[Places]:
    with running_server(users=_USERS, quirks=["niagara"], scheme="basic") as server:
        yield {"https://station.example.org/haystack": server.uri}


@contextmanager
def _own_certificates(folder: Path) -> Iterator[Places]:
    authority = Authority(folder, "ca")
    authority.path.rename(folder / "ca.pem")
    authority.path = folder / "ca.pem"
    certificate, key = (path.read_text() for path in authority.issue("ann"))
    (folder / "client.pem").write_text(certificate + key)
    with ExitStack() as open_servers:
        uris = [
            open_servers.enter_context(
                running_server(users=_USERS, tls=server_context(authority, wants_client=wants_client))
            ).uri
            for wants_client in (False, True)
        ]
        yield dict(zip(("https://haystack.example.org/api", "https://strict.example.org/api"), uris, strict=True))


@contextmanager
def _behind_a_proxy(folder: Path) -> Iterator[Places]:
    with running_server(users=_USERS) as server, on_thread(lambda: proxy("pete:pr0xy")) as (uri, seen):
        yield {"http://haystack.example.org/api": server.uri, "gw.example.org:3128": uri.removeprefix("http://")}
        assert any("hisRead" in line for line in seen)


@asynccontextmanager
async def _with_tokens() -> AsyncIterator[str]:
    """A server like WideSky: a token for a password, and no answer without one."""

    @web.middleware
    async def tokens_only(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path == "/oauth2/token":
            asked = await request.json()
            known = {"username": "ann", "password": "demo", "grant_type": "password"}
            if asked != known or not request.headers["Authorization"].startswith("Basic "):
                return web.Response(status=401)
            return web.json_response({"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600})
        if request.headers.get("Authorization") != "Bearer t0ken":
            return web.Response(status=401)
        return await handler(request)

    app = make_app(demo_building(), {})
    with_quirks(["widesky"])(app)
    app.middlewares.insert(0, tokens_only)
    async with listening(app) as uri:
        forget(uri)
        yield uri


@contextmanager
def _widesky(folder: Path) -> Iterator[Places]:
    with on_thread(_with_tokens) as uri:
        yield {"https://widesky.example.org": uri.removesuffix("/api")}


_SERVERS: Final[dict[str, Callable[[Path], AbstractContextManager[Places]]]] = {
    "connect-to-skyspark": partial(_like, "https://skyspark.example.org/api/demo", "skyspark3"),
    "connect-to-haxall": _haxall,
    "connect-to-fin": partial(_like, "https://fin.example.org/api/demo", "skyspark3"),
    "connect-to-niagara": _niagara,
    "connect-to-widesky": _widesky,
    "certificates": _own_certificates,
    "proxies": _behind_a_proxy,
}


def served(document: str, folder: Path) -> AbstractContextManager[Places]:
    """The server of a page, which is the demo building by default; `folder` is where the page runs."""
    return _SERVERS.get(Path(document).stem, partial(_like, "http://127.0.0.1:8080/api", ""))(folder)
