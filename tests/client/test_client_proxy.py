"""Through an HTTP proxy, with and without a password of its own."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hsframe.client import Client
from hsframe.errors import AuthError, HsFrameError, HTTPStatusError, MetadataError, NetworkError
from hsframe.protocol.proxies import Proxy
from hsframe.session import AsyncSession

USER, PASSWORD = "ann", "s3cret-pencil"


@asynccontextmanager
async def proxy(login: str = "") -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that knows absolute uris only: each connection carries one request and its answer."""
    seen: list[str] = []
    want = f"Proxy-Authorization: Basic {b64encode(login.encode()).decode()}" if login else ""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        method, uri, version = request.split(" ")
        seen.append(f"{method} {uri}")
        if want and want not in lines:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        else:
            lines = [line for line in lines if not line.startswith(("Proxy-", "Connection:"))]
            length = next((int(line.split(":")[1]) for line in lines if line.startswith("Content-Length")), 0)
            body = await reader.readexactly(length)
            host, _, path = uri.removeprefix("http://").partition("/")
            to_server, from_server = None, None
            from_server, to_server = await asyncio.open_connection(*host.split(":"))
            head = "\r\n".join([f"{method} /{path} {version}", "Connection: close", *lines])
            to_server.write(head.encode() + body)
            writer.write(await from_server.read())
            to_server.close()
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        await server.wait_closed()


def test_every_request_goes_through_the_proxy(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, proxy() as (uri, seen):
            async with Client(server.uri, USER, PASSWORD, proxy=uri) as client:
                assert await client.about() == []
                assert await client.read("site") == []
            assert seen == [
                *[f"GET {server.uri}/about"] * 4,
                f"POST {server.uri}/read",
                f"POST {server.uri}/close",
            ]
            assert server.seen_ops() == ["GET about", "POST read", "POST close"]

    asyncio.run(main())


def test_a_proxy_with_a_password(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, proxy("pete:pr0xy-pw") as (uri, _):
            good = uri.replace("://", "://pete:pr0xy-pw@")
            async with Client(server.uri, USER, PASSWORD, proxy=good) as client:
                assert await client.about() == []
                assert "pr0xy-pw" not in repr(client)
            assert not any("Proxy-Authorization" in request.headers for request in server.seen)
            async with Client(server.uri, USER, PASSWORD, proxy=uri) as client:
                with pytest.raises(HTTPStatusError, match="407"):
                    await client.about()

    asyncio.run(main())


def test_a_tunnel_to_an_https_server_carries_the_proxys_password_only_outside(serve: Any, fake: Any) -> None:
    heads: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        uri = f"http://pete:pr0xy-pw@127.0.0.1:{port}"
        async with Client("https://station.example/api", USER, PASSWORD, proxy=uri) as client:
            with pytest.raises(NetworkError, match=r"the proxy http:\S+ of proxy= cannot be used .*port'$"):
                await client.about()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert heads[0].startswith("CONNECT station.example:443 ")
    assert f"Proxy-Authorization: Basic {b64encode(b'pete:pr0xy-pw').decode()}" in heads[0]
    assert "HELLO" not in heads[0]


def test_a_proxy_that_is_not_there(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with proxy() as (uri, _):
            pass
        async with Client("http://127.0.0.1:9/api", USER, PASSWORD, proxy=uri, retries=1) as client:
            words = r"the proxy http:\S+ of proxy= cannot be used .*port' \(sent 2 times in .*"
            with pytest.raises(NetworkError, match=words):
                await client.about()

    asyncio.run(main())


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One without any proxy."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_the_proxy_of_the_environment(serve: Any, fake: Any, environment: pytest.MonkeyPatch, name: str) -> None:
    async def main() -> None:
        async with serve(fake()) as server, proxy("pete:pr0xy-pw") as (uri, seen), proxy() as (other, others):
            environment.setenv(name, uri.replace("http://", "pete:pr0xy-pw@"))  # without a scheme, as curl takes it
            for settings, count in (({}, 0), ({"trust_env": True}, 5), ({"trust_env": True, "proxy": other}, 0)):
                seen.clear()
                async with Client(server.uri, USER, PASSWORD, **settings) as client:
                    assert await client.about() == []
                assert len(seen) == count
            assert len(others) == 5
            environment.setenv("NO_PROXY", "example.org,127.0.0.1")
            seen.clear()
            async with AsyncSession(server.uri, USER, PASSWORD, trust_env=True) as session:
                await session.read("site")
            assert not seen

    asyncio.run(main())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_environment_that_does_not_work(environment: pytest.MonkeyPatch, scheme: str) -> None:
    """A message names it and where it comes from, and no password."""
    name = f"{scheme.upper()}_PROXY"
    where = rf"the proxy http://127\.0\.0\.1:\d+ of {name} in the environment"
    todo = rf"check {name}='http://user:password@host:port', or leave trust_env=True out"

    async def main() -> None:
        async with proxy("pete:other-pw") as (uri, seen):
            environment.setenv(name, uri.replace("://", "://pete:pr0xy-pw@"))
            async with Client(f"{scheme}://station.example/api", USER, PASSWORD, trust_env=True, retries=0) as client:
                with pytest.raises(NetworkError, match=rf"(407.*{where}|{where}.*407).*{todo}") as caught:
                    await client.about()
                assert "pr0xy-pw" not in str(caught.value)
            assert len(seen) == 1
        async with Client(f"{scheme}://station.example/api", USER, PASSWORD, trust_env=True, retries=0) as client:
            with pytest.raises(NetworkError, match=rf"{where} cannot be used.*{todo}") as caught:
                await client.about()
            assert "pr0xy-pw" not in str(caught.value)

    asyncio.run(main())


def test_a_proxy_of_the_environment_that_is_not_used_is_named_where_nothing_answers(
    environment: pytest.MonkeyPatch,
) -> None:
    async def main(uri: str, words: str) -> None:
        async with Client(uri, USER, PASSWORD, retries=0, timeout=0.2) as client:
            with pytest.raises(NetworkError, match=words) as caught:
                await client.about()
            assert "ssl:" not in str(caught.value)
            assert ("trust_env=True" in str(caught.value)) == ("not used" in words)

    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for listener, words in ((silent, "give a longer timeout="), (closed, "is the server running")):
            uri = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
            environment.delenv("HTTP_PROXY", raising=False)
            asyncio.run(main(uri, words))
            environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
            asyncio.run(main(uri, f"{words}.*; HTTP_PROXY in the environment is not used"))


def test_a_proxy_of_the_environment_that_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("https_proxy", "socks5://pete:pr0xy-pw@host")
    words = r"^https_proxy must be an http or https uri; check https_proxy='http://\S+', or leave trust_env=True out$"
    with pytest.raises(MetadataError, match=words) as caught:
        Client("https://host/api", trust_env=True)
    assert "pr0xy-pw" not in str(caught.value)
    Client("https://host/api")


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        *((scheme, answer) for scheme in ("http", "https") for answer in (b"", b"\0\1garbage\r\n\r\n", None)),
        ("https", b"HTTP/1.1 200 OK\r\n\r\ngarbage"),
    ],
)
def test_what_goes_wrong_behind_a_proxy_names_it(scheme: str, answer: bytes | None) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        writer.write(answer or b"")
        writer.close()
        has_said.set()

    has_said = asyncio.Event()

    async def main() -> None:
        server = await asyncio.start_server(say, "127.0.0.1", 0)
        uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(f"{scheme}://station.example/api", proxy=uri, retries=0, timeout=1.0) as client:
            with pytest.raises(HsFrameError, match=r"the proxy http://127\.0\.0\.1:\d+ of proxy=") as caught:
                await client.about()
            assert "begins with" not in str(caught.value)
        await has_said.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_proxy_whose_name_nobody_knows() -> None:
    async def main() -> None:
        async with Client("http://127.0.0.1:9/api", proxy="http://no-such-proxy.invalid:3128", retries=0) as client:
            words = r"the proxy http://no-such-proxy\S+ of proxy= cannot be used.*check proxy="
            with pytest.raises(NetworkError, match=words):
                await client.about()

    asyncio.run(main())


def test_what_is_no_proxy() -> None:
    with pytest.raises(MetadataError, match="proxy must be an http or https uri") as caught:
        Client("http://host/api", proxy="socks5://u:pr0xy-pw@host")
    assert "pr0xy-pw" not in str(caught.value)


def test_a_proxy_without_a_user_is_sent_no_login() -> None:
    found = Proxy.of("http://gw.example:3128", "http://host/api", trust_env=False)
    assert found is not None
    assert found.headers == {}


def test_loopback_behind_a_proxy_is_another_machine(serve: Any, fake: Any) -> None:
    from aiohttp import web

    class Plain(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            self.login_steps.append(scheme)
            if scheme == "HELLO":
                return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})
            raise AssertionError(scheme)

    async def main() -> None:
        async with serve(Plain()) as server, proxy() as (uri, seen):
            async with Client(server.uri, USER, PASSWORD, proxy=uri) as client:
                with pytest.raises(AuthError, match="not protected"):
                    await client.about()
            assert len(seen) == 1

    asyncio.run(main())
