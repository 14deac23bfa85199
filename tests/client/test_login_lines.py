"""Logins over a real socket whose line breaks, whose server refuses, or that a proxy answers."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web

import hsframe
from hsframe.client import Client
from hsframe.errors import AuthError, HTTPStatusError, LoginWarning, MetadataError, NetworkError
from hsframe.protocol.scram import b64url_decode

USER, PASSWORD = "ann", "s3cret-pencil"
EMPTY = b'ver:"3.0"\nempty\n'


class Lines:
    """Passes connections on to a server, and cuts the answer to one step of the login."""

    def __init__(self, uri: str, step: int, times: int) -> None:
        self.host, self.port = uri.removeprefix("http://").split("/")[0].split(":")
        self.path = uri.split(self.port, 1)[1]
        self.step, self.times = step, times
        self.steps = 0

    async def __aenter__(self) -> str:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}{self.path}"

    async def __aexit__(self, *args: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                if length := re.search(rb"Content-Length: (\d+)", request):
                    request += await reader.readexactly(int(length[1]))
                from_server, to_server = await asyncio.open_connection(self.host, self.port)
                to_server.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                answer = await from_server.read()
                to_server.close()
                if b"HELLO" in request:
                    self.steps = 0
                self.steps += 1
                if self.steps == self.step and self.times:
                    self.times -= 1
                    return
                writer.write(answer.replace(b"Connection: close", b"X-Kept: open"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_line_that_breaks_starts_the_login_again(serve: Any, fake: Any, step: int) -> None:
    """No step is sent twice: the server has used up its handshake token, and would call the password wrong."""

    async def main() -> None:
        async with serve(fake()) as server, Lines(server.uri, step, 1) as uri, Client(uri, USER, PASSWORD) as client:
            assert await client.about() == []
            assert server.login_steps == [*["HELLO", "SCRAM", "SCRAM"][:step], "HELLO", "SCRAM", "SCRAM"]

    asyncio.run(main())


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_line_that_always_breaks_is_told_as_that(serve: Any, fake: Any, step: int) -> None:
    """In the last step, which proves the password, it is tried once more; before, as often as any request."""

    async def main() -> None:
        async with serve(fake()) as server, Lines(server.uri, step, 99) as uri:
            async with Client(uri, USER, PASSWORD, retries=2) as client:
                with pytest.raises(NetworkError, match=r"login at .*the connection broke") as caught:
                    await client.about()
            assert "password" not in str(caught.value)
            assert server.login_steps == ["HELLO", "SCRAM", "SCRAM"][:step] * (2 if step == 3 else 3)

    asyncio.run(main())


def test_a_wrong_password_is_sent_once_nevertheless(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, Lines(server.uri, 2, 1) as uri, Client(uri, USER, "wrong") as client:
            with pytest.raises(AuthError, match="password is wrong"):
                await client.about()
            assert server.login_steps == ["HELLO", "SCRAM", "HELLO", "SCRAM", "SCRAM"]

    asyncio.run(main())


@pytest.mark.parametrize("step", [2, 3])
def test_a_login_that_the_server_has_forgotten_begins_again(serve: Any, fake: Any, step: int) -> None:
    """It was restarted, or another node answers: no proof was looked at, so none was refused."""
    gone = 0

    class Restarting(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            nonlocal gone
            if gone and scheme == "SCRAM" and (step == 2 or b64url_decode(params["data"]).startswith("c=")):
                gone -= 1
                self.login_steps.append(scheme)
                words = "the handshake is unknown or took too long; begin again with HELLO"
                return web.Response(status=401, text=words, headers={"WWW-Authenticate": "HELLO"})
            return await super()._login(scheme, params)

    async def main() -> None:
        nonlocal gone
        async with serve(Restarting()) as server:
            for gone in (1, 2, 3):
                server.login_steps.clear()
                async with Client(server.uri, USER, PASSWORD, retries=0) as client:
                    if gone > 1:
                        with pytest.raises(NetworkError, match=r"forgot it on the way, twice; .*is unknown"):
                            await client.about()
                        assert server.login_steps == ["HELLO", "SCRAM", "SCRAM"][:step] * 2
                    else:
                        assert await client.about() == []
                    assert await client.about() == [], "the password is not called wrong"

    asyncio.run(main())


FORGOTTEN = [
    (403, "unknown handshake", {}),
    (400, "Unknown handshakeToken", {}),
    (404, "handshake token not found", {}),
    (401, "the handshake has expired", {"WWW-Authenticate": "SCRAM hash=SHA-256"}),
]


@pytest.mark.parametrize(
    ("step", "status", "words", "headers"),
    [
        *((step, *said) for step in (2, 3) for said in FORGOTTEN),
        (2, 401, "", {"WWW-Authenticate": "SCRAM hash=SHA-256, handshakeToken=n3w"}),
        *((2, status, "no", {}) for status in (400, 403, 404, 410)),
    ],
)
def test_a_forgotten_login_begins_again_in_whichever_words(
    serve: Any, fake: Any, step: int, status: int, words: str, headers: dict[str, str]
) -> None:
    """Before the proof each refusal may be that, as it costs nothing to begin again; then it is by words alone."""
    is_gone = True

    class Restarting(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            nonlocal is_gone
            if is_gone and scheme == "SCRAM" and (step == 2 or b64url_decode(params["data"]).startswith("c=")):
                is_gone = False
                self.login_steps.append(scheme)
                return web.Response(status=status, text=words, headers=headers)
            return await super()._login(scheme, params)

    async def main() -> None:
        async with serve(Restarting()) as server, Client(server.uri, USER, PASSWORD, retries=0) as client:
            assert await client.about() == []
            assert server.login_steps == [*["HELLO", "SCRAM", "SCRAM"][:step], "HELLO", "SCRAM", "SCRAM"]

    asyncio.run(main())


@pytest.mark.parametrize("words", ["", "begin with HELLO", "SCRAM handshake failed: bad password"])
@pytest.mark.parametrize("offer", ["HELLO", "SCRAM hash=SHA-256, handshakeToken=n3w"])
def test_a_proof_that_is_refused_by_asking_for_a_login_is_sent_once(
    serve: Any, fake: Any, words: str, offer: str
) -> None:
    class Refusing(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            answer = await super()._login(scheme, params)
            if answer.status != 403:
                return answer
            return web.Response(status=401, text=words, headers={"WWW-Authenticate": offer})

    async def main() -> None:
        async with serve(Refusing()) as server, Client(server.uri, USER, "wrong") as client:
            for _ in range(2):
                with pytest.raises(AuthError, match="password is wrong") as caught:
                    await client.about()
                assert ("or the server has forgotten" in str(caught.value)) == offer.startswith("SCRAM")
            assert server.login_steps == ["HELLO", "SCRAM", "SCRAM"]

    asyncio.run(main())


@pytest.mark.parametrize("password", ["", None])
def test_no_password_is_told_as_that(serve: Any, fake: Any, password: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, Client(server.uri, USER, password) as client:
            with pytest.raises(AuthError, match="no password was given") as caught:
                await client.about()
            assert "wrong" not in str(caught.value)

    asyncio.run(main())


@pytest.mark.parametrize("offer", ["", "PLAINTEXT", 'Basic realm="x"'])
def test_who_was_logged_in_by_scram_is_not_by_less(serve: Any, fake: Any, offer: str) -> None:
    """What comes in between may offer it, to serve records or to get the password."""
    server = fake()

    class Downgraded(fake):  # type: ignore[misc]
        async def handle(self, request: web.Request) -> web.StreamResponse:
            server.seen_headers.append(request.headers.get("Authorization", ""))
            if server.is_changed and not offer:
                return web.Response(body=EMPTY, content_type="text/zinc")
            if server.is_changed:
                return web.Response(status=401, headers={"WWW-Authenticate": offer})
            return await super().handle(request)

    server.__class__ = Downgraded
    server.seen_headers, server.is_changed = [], False

    async def main() -> None:
        async with serve(server) as running, Client(running.uri, USER, PASSWORD) as client:
            await client.about()
            server.forget_sessions()
            server.is_changed = True
            client.sender._session.forget()
            server.seen_headers.clear()
            for _ in range(2):
                with pytest.raises(AuthError, match=r"by SCRAM before, and now offers (no login|PLAINTEXT|Basic)"):
                    await client.read("site")
            assert {header.partition(" ")[0] for header in server.seen_headers} == {"HELLO"}
            server.is_changed = False
            await client.about()
            server.is_changed = True  # on closing nothing is said any more

    asyncio.run(main())


@pytest.mark.parametrize("offer", ["", "a token", "PLAINTEXT", 'Basic realm="x"'])
def test_where_scram_was_seen_once_no_client_of_the_process_logs_in_by_less(serve: Any, fake: Any, offer: str) -> None:
    class Impostor(fake):
        is_there = False

        async def handle(self, request: web.Request) -> web.StreamResponse:
            if not self.is_there:
                return await super().handle(request)
            scheme = request.headers.get("Authorization", "").partition(" ")[0]
            self.login_steps.append(scheme)
            if scheme != "HELLO" or offer in ("", "a token"):
                token = {"Authentication-Info": "authToken=t1"} if offer != "" else {}
                return web.Response(body=EMPTY, content_type="text/zinc", headers=token)
            return web.Response(status=401, headers={"WWW-Authenticate": offer})

    async def main() -> None:
        async with serve(Impostor()) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                await client.about()
            server.is_there = True
            server.login_steps.clear()
            async with Client(server.uri, USER, PASSWORD) as client:
                with pytest.raises(AuthError, match=r"by SCRAM before, and now offers (no login|PLAINTEXT|Basic)"):
                    await client.read("site")
            assert server.login_steps == ["HELLO"]
            auth: Any = {"PLAINTEXT": "plaintext", "": "none", "a token": "none"}.get(offer, "basic")
            async with Client(server.uri, USER, PASSWORD, auth=auth) as client:
                assert await client.read("site") == []

    asyncio.run(main())


def test_a_server_that_is_busy_when_a_lost_session_logs_in_is_waited_for(serve: Any, fake: Any) -> None:
    """It offers no scheme either, and is no other one."""

    class Busy(fake):  # type: ignore[misc]
        times = 0

        async def handle(self, request: web.Request) -> web.StreamResponse:
            if self.times and request.headers.get("Authorization", "").startswith("HELLO"):
                self.times -= 1
                return web.Response(status=503)
            return await super().handle(request)

    async def main() -> None:
        async with serve(Busy()) as server, Client(server.uri, USER, PASSWORD) as client:
            await client.about()
            server.forget_sessions()
            server.times = 2
            await client.read("site")
            assert (server.times, server.logins) == (0, 2)

    asyncio.run(main())


def test_a_server_that_wants_no_login_of_a_named_user_is_warned_of(serve: Any, fake: Any) -> None:
    async def main(**how: Any) -> None:
        async with serve(fake(anonymous=True)) as server, Client(server.uri, USER, PASSWORD, **how) as client:
            await client.about()
            await client.about()

    with pytest.warns(
        LoginWarning, match="wants no login of 'ann'.*say auth='none' if that is meant, or auth='scram' to refuse"
    ) as told:
        asyncio.run(main())
    assert len(told) == 1
    asyncio.run(main(auth="none"))


def test_a_server_that_gives_a_token_and_asks_for_no_password_is_warned_of(serve: Any, fake: Any) -> None:
    class Open(fake):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            answer = await super().handle(request)
            answer.headers["Authentication-Info"] = "authToken=t1"
            return answer

    async def main() -> None:
        async with serve(Open(anonymous=True)) as server, Client(server.uri, USER, PASSWORD) as client:
            await client.read("site")
            assert server.seen[-1].token == "t1"

    with pytest.warns(LoginWarning, match="wants no login of 'ann'"):
        asyncio.run(main())


REFUSALS = {
    "an error grid": {"body": b'ver:"3.0" err dis:"account locked"\nempty\n', "content_type": "text/zinc"},
    "json": {"text": '{"message": "account locked"}', "content_type": "application/json"},
    "a page": {"text": "<html><body>account locked</body></html>", "content_type": "text/html"},
    "plain text": {"text": "account locked"},
    "a reason": {"reason": "account locked"},
    "no content type": {"body": b"account locked", "headers": {"Content-Type": ""}},
}


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("how", REFUSALS)
def test_a_refused_login_has_the_servers_words(serve: Any, fake: Any, how: str, status: int) -> None:
    class Refusing(fake):  # type: ignore[misc]
        async def handle(self, request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, **REFUSALS[how])

    async def main() -> None:
        async with serve(Refusing()) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(AuthError, match=rf"HTTP {status}; the server says '.*account locked'"):
                await client.about()

    asyncio.run(main())


# -- tokens ------------------------------------------------------------------------------------------------------------

EXPIRED = {
    "401": lambda: web.Response(
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="x", error="invalid_token", error_description="The token expired"'},
    ),
    "403": lambda: web.Response(status=403, text="The token expired"),
    "json": lambda: web.json_response({"error": {"message": "The token expired"}}, status=401),
    "grid": lambda: web.Response(
        status=401, body=b'ver:"3.0" err dis:"The token expired"\nempty\n', content_type="text/zinc"
    ),
}


@pytest.mark.parametrize("how", EXPIRED)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_token_that_expired_is_told_in_the_servers_words(serve: Any, fake: Any, how: str, streamed: bool) -> None:
    async def main() -> None:
        answers = {op: lambda seen: EXPIRED[how]() for op in ("about", "read", "hisRead")}
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri, token="t0ken") as client:
            batches = client.his_stream("a", "2026-01-01")
            with pytest.raises(AuthError, match=r"The token expired") as caught:
                await (anext(batches) if streamed else client.read("site"))
            assert "the token is not accepted" in str(caught.value)
            assert "t0ken" not in str(caught.value)
            assert "password" not in str(caught.value)

    asyncio.run(main())


# -- login pages -------------------------------------------------------------------------------------------------------


def prelogin(request: object = None) -> web.Response:
    return web.Response(status=302, headers={"Location": "https://station/prelogin?target=secret"})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"found a redirect \(HTTP 302\) to https://station/prelogin, a login page: give a user name"),
        ({"username": USER, "password": PASSWORD}, r"sends a Haystack login to its login page.*HTTPBasicScheme"),
        ({"username": USER, "password": PASSWORD, "auth": "basic"}, r"to its login page.*HTTPBasicScheme"),
        ({"token": "t0ken"}, r"the token is not accepted: .*prelogin, a login page"),
    ],
)
def test_a_redirect_to_a_login_page_is_told_as_that(serve: Any, fake: Any, settings: Any, words: str) -> None:
    class Niagara(fake):  # type: ignore[misc]
        async def handle(self, request: web.Request) -> web.StreamResponse:
            return prelogin()

    async def main() -> None:
        async with serve(Niagara()) as server, Client(server.uri, **settings) as client:
            with pytest.raises(AuthError, match=words) as caught:
                await client.read("site")
            assert "secret" not in str(caught.value)
            assert "wrong" not in str(caught.value)

    asyncio.run(main())


def test_a_session_that_ends_at_a_login_page(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake(answers={"read": prelogin})) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(NetworkError, match="a login page: the login is not accepted"):
                await client.read("site")

    asyncio.run(main())


# -- proxies -----------------------------------------------------------------------------------------------------------

PROXY_ANSWERS = [
    (
        b"407 Proxy Authentication Required",
        b"",
        r"HTTP 407; the proxy http://127\.0\.0\.1:\d+ of proxy= says .*check proxy='http://user:password@host:port'",
    ),
    (b"403 Forbidden", b"X-Squid-Error: ERR_ACCESS_DENIED 0\r\n", r"HTTP 403; the proxy http:\S+ of proxy= says"),
    (b"502 Bad Gateway", b"Proxy-Status: gw; error=dns_error\r\n", r"HTTP 502; the proxy http:\S+ of proxy= says"),
    (b"503 Service Unavailable", b"", r"HTTP 503; the server or the proxy http:\S+ of proxy= says"),
    (
        b"503 Service Unavailable",
        b"Proxy-Status: gw; received-status=503\r\n",
        r"HTTP 503; the server or the proxy http",
    ),
    (b"502 Bad Gateway", b'Proxy-Status: gw; details="it; error=x"\r\n', r"HTTP 502; the server or the proxy http"),
    (b"502 Bad Gateway", b'Proxy-Status: a, "b";details="\\"" ;  error=dns_error\r\n', r"HTTP 502; the proxy http"),
]


@pytest.mark.parametrize(("status", "headers", "words"), PROXY_ANSWERS)
@pytest.mark.parametrize("user", ["", USER])
def test_the_words_of_a_proxy_are_told_as_its_own(status: bytes, headers: bytes, words: str, user: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"not from here"
        writer.write(
            b"HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\nContent-Length: %d\r\n" % (status, headers, len(body))
        )
        writer.write(b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client("http://station.example/api", user, PASSWORD, proxy=uri) as client:
            with pytest.raises(HTTPStatusError, match=words) as caught:
                await client.read("site")
            assert "not from here" in str(caught.value)
            assert "wrong" not in str(caught.value)
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_the_words_of_a_proxy_about_a_tunnel() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client("https://station.example/api", proxy=uri) as client:
            words = r"the proxy http:\S+ of proxy= cannot be used \(it answers HTTP 407 and says 'Who are you'\); check"
            with pytest.raises(NetworkError, match=words):
                await client.about()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


# -- settings that cannot be sent --------------------------------------------------------------------------------------

URI = "http://127.0.0.1:9/api"
HALF = "half-\ud83d"


@pytest.mark.parametrize("make", [hsframe.connect, hsframe.AsyncSession, hsframe.doctor, Client])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"user": HALF}, "user(name)? holds half of a surrogate pair"),
        ({"password": HALF}, "password holds half of a surrogate pair"),
        ({"token": HALF}, "token holds half of a surrogate pair"),
        ({"uri": f"http://u:{HALF}@host/"}, "(uri|base_url) holds half of a surrogate pair"),
        ({"proxy": f"http://u:{HALF}@host"}, "proxy holds half of a surrogate pair"),
        ({"headers": {"X-Key": HALF}}, "the header 'X-Key' holds half of a surrogate pair"),
        ({"token": "abc-secret\n"}, "token must be one line"),
        ({"token": "abc-secret\r\nX: y"}, "token must be one line"),
        ({"headers": {"X-Key": "abc-secret\n"}}, "the header 'X-Key' must be one line"),
        ({"headers": {"X-Key\r\nX": "abc-secret"}}, "the header .* must be one line"),
        ({"headers": {"X-Key": "abc-secret\0"}}, "the header 'X-Key' must be one line"),
        ({"uri": "ftp://host/api"}, "(uri|base_url) must be an http or https uri; got 'ftp://host/api'"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(make: Any, settings: dict[str, Any], words: str) -> None:
    settings = {"uri": URI, **settings}
    if make is Client:
        names = {"uri": "base_url", "user": "username"}
        settings = {names.get(name, name): value for name, value in settings.items()}
    else:
        words = words.replace("(uri|base_url)", "uri").replace("user(name)?", "user")
    with pytest.raises(MetadataError, match=words) as caught:
        make(**settings)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None, "which would hold the text"
