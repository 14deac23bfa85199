"""The client over real sockets, against servers that behave as real servers do, and worse."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import re
import socket
import struct
import threading
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hsframe.client import Client
from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    HTTPStatusError,
    IncompleteError,
    MetadataError,
    NetworkError,
    RequestTimeoutError,
    UnknownRecError,
)
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.session import AsyncSession

USER, PASSWORD = "ann", "s3cret-pencil"
EMPTY = b'ver:"3.0"\nempty\n'
SITES = b'ver:"3.0"\nid,dis\n@a,"A"\n@b,"B"\n'
JSON4 = "application/vnd.haystack+json;version=4"


# -- login and sessions -----------------------------------------------------------------------------------------------


def test_one_login_for_many_calls_at_once(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake(login_delay_s=0.05, answers={"read": SITES})) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                answers = await asyncio.gather(*(client.read("site") for _ in range(50)))
            assert all(len(rows) == 2 for rows in answers)
            assert server.logins == 1
            assert server.login_steps == ["HELLO", "SCRAM", "SCRAM"]
            assert server.tokens == set(), "close ended the session"

    asyncio.run(main())


def test_one_failed_login_for_many_calls_at_once(serve: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers lock a user out: what was refused is sent again after a pause that grows, by whichever client."""

    async def main() -> None:
        async with serve(fake(login_delay_s=0.05)) as server:
            async with Client(server.uri, USER, "wrong") as client:
                answers = await asyncio.gather(*(client.read("site") for _ in range(50)), return_exceptions=True)
                assert {type(answer) for answer in answers} == {AuthError}
                assert server.login_steps == ["HELLO", "SCRAM", "SCRAM"], "a wrong password must not be tried again"
                words = r"password is wrong.*Invalid username.*does not send the same again for (60|59) s.*connect anew"
                for _ in range(20):
                    with pytest.raises(AuthError, match=words):
                        await client.about()
                assert len(server.login_steps) == 3
            for _ in range(5):
                async with Client(server.uri, USER, "wrong") as client:
                    with pytest.raises(AuthError, match=words):
                        await client.about()
            assert len(server.login_steps) == 3, "a loop that connects anew each time"
            # It may have been set on the server meanwhile.
            for later_s, steps in ((61.0, 6), (122.0, 6), (182.0, 9)):  # the second pause is longer
                now_s = partial(lambda later_s: time.monotonic() + later_s, later_s)
                monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", now_s)
                async with Client(server.uri, USER, "wrong") as client:
                    with pytest.raises(AuthError, match="ann"):
                        await client.about()
                assert len(server.login_steps) == steps
            assert server.seen == [], "who never logged in sends no close"
            for who in ({"username": USER, "password": PASSWORD}, {"username": "bob", "password": "wrong"}):
                async with Client(server.uri, **who) as client:
                    with suppress(AuthError):
                        await client.about()
            assert len(server.login_steps) == 15, "others are asked"
            async with Client(server.uri, USER, "wrong", auth="scram") as client:
                with pytest.raises(AuthError, match="ann"):
                    await client.about()
            assert len(server.login_steps) == 18, "what is given with it is another way to log in"

    asyncio.run(main())


def test_a_login_that_is_refused_before_a_password_was_sent_is_tried_again(serve: Any, fake: Any) -> None:
    """A gateway that starts up, or a list of addresses: nobody is locked out by it."""

    at = ["HELLO", "SCRAM", "SCRAM"]  # SCRAM begins again once

    class Starting(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            if at[:1] == [scheme]:
                at.pop(0)
                return web.Response(status=403, text="not yet")
            return await super()._login(scheme, params)

    async def main() -> None:
        async with serve(Starting()) as server, Client(server.uri, USER, PASSWORD) as client:
            for _ in range(2):
                with pytest.raises(AuthError, match="not yet") as caught:
                    await client.about()
                assert not caught.value.refused
            await client.about()

    asyncio.run(main())


EACH_REQUEST_CARRIES = [
    {"token": "t0ken"},
    {"token": "t0ken", "username": USER, "auth": "bearer"},
    {"username": USER, "password": PASSWORD, "auth": "basic"},
]


UNAUTHORIZED = {
    "text": lambda seen: web.Response(status=401, text="not you"),
    "grid": lambda seen: web.Response(
        status=401, text='ver:"3.0" err dis:"not you"\nempty\n', content_type="text/zinc"
    ),
}


@pytest.mark.parametrize("who", EACH_REQUEST_CARRIES)
@pytest.mark.parametrize("said", UNAUTHORIZED)
def test_what_each_request_carries_is_not_sent_again_once_it_is_refused(
    serve: Any, fake: Any, who: dict[str, str], said: str
) -> None:
    async def main() -> None:
        async with serve(fake(anonymous=True)) as server, Client(server.uri, **who) as client:
            server.answers.update(about=UNAUTHORIZED[said], read=UNAUTHORIZED[said])
            with pytest.raises(AuthError, match="not you") as caught:
                await client.read("site")
            assert caught.value.refused
            before = len(server.seen)
            answers = await asyncio.gather(*(client.read("site") for _ in range(50)), return_exceptions=True)
            assert {type(answer) for answer in answers} == {AuthError}
            assert all("not send the same again for" in str(answer) for answer in answers)
            assert len(server.seen) == before
        async with serve(fake(anonymous=True)) as server, Client(server.uri, **who) as client:
            server.answers["read"] = lambda seen: web.Response(status=403, text="not yours")
            for _ in range(2):
                with pytest.raises((AuthError, HTTPStatusError), match="not yours"):
                    await client.read("site")
            await client.about()  # what this user may not do says nothing of the login

    asyncio.run(main())


@pytest.mark.parametrize("who", EACH_REQUEST_CARRIES)
@pytest.mark.parametrize("said", UNAUTHORIZED)
def test_an_op_that_is_refused_does_not_shut_out_a_login_that_was_accepted(
    serve: Any, fake: Any, who: dict[str, str], said: str
) -> None:
    """A right that is missing is answered with 401 by some servers: about shows it where the op was accepted before."""

    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"read": SITES})) as server:
            async with Client(server.uri, **who) as client:
                await client.read("site")
                for refused in (["eval", "evalAll"], ["eval", "evalAll", "read"]):
                    server.answers.update(dict.fromkeys(refused, UNAUTHORIZED[said]))
                    for attempt in range(1, 4):
                        before = len(server.seen)
                        with pytest.raises((AuthError, CallError), match="not you"):
                            await (client.read("site") if "read" in refused else client.eval("now()"))
                        asks_about = "read" in refused or "token" not in who  # a login asks about first
                        assert len(server.seen) == before + 1 + asks_about, f"attempt {attempt} is sent once"
                    server.answers["read"] = SITES
                    assert len(await client.read("site")) == 2
            async with Client(server.uri, **who) as client:  # in which it is the first op
                with pytest.raises((AuthError, CallError), match="not you"):
                    await client.eval("now()")
                assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize("said", UNAUTHORIZED)
@pytest.mark.parametrize("who", EACH_REQUEST_CARRIES[-1:])
def test_a_login_that_is_refused_counts_also_where_it_was_accepted_before(
    serve: Any, fake: Any, who: dict[str, str], said: str
) -> None:
    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"read": SITES})) as server:
            async with Client(server.uri, **who) as client:
                await client.read("site")
            server.answers.update(about=UNAUTHORIZED[said], read=UNAUTHORIZED[said])  # the password was changed
            for words in ("password is wrong", "not send the same again for", "not send the same again for"):
                async with Client(server.uri, **who) as client:
                    before = len(server.seen)
                    with pytest.raises(AuthError, match=words):
                        await client.read("site")
                    assert len(server.seen) == before + (words == "password is wrong")

    asyncio.run(main())


@pytest.mark.parametrize("who", EACH_REQUEST_CARRIES)
@pytest.mark.parametrize("said", UNAUTHORIZED)
def test_what_was_accepted_is_not_sent_again_once_the_server_knows_another(
    serve: Any, fake: Any, who: dict[str, str], said: str
) -> None:
    """The password was changed while a program runs: each call would be one more attempt."""

    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"read": SITES})) as server, Client(server.uri, **who) as client:
            await client.read("site")
            server.answers.update(about=UNAUTHORIZED[said], read=UNAUTHORIZED[said])
            before = len(server.seen)
            answers = await asyncio.gather(*(client.read("site") for _ in range(5)), return_exceptions=True)
            assert {type(answer) for answer in answers} == {AuthError}
            assert len(server.seen) <= before + 6, "what was under way, and about once"
            before = len(server.seen)
            for _ in range(3):
                with pytest.raises(AuthError, match="not send the same again for") as caught:
                    await client.read("site")
                assert caught.value.refused
            async with Client(server.uri, **who) as another:
                with pytest.raises(AuthError, match="not send the same again for"):
                    await another.read("site")
            assert len(server.seen) == before

    asyncio.run(main())


@pytest.mark.parametrize("who", EACH_REQUEST_CARRIES)
def test_what_was_accepted_is_sent_once_by_all_sessions_once_the_server_knows_another(
    serve: Any, fake: Any, who: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refusal counts once, however many requests were under way: the pause does not grow with the sessions."""

    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"read": SITES})) as server, AsyncExitStack() as opened:
            clients = [await opened.enter_async_context(Client(server.uri, **who)) for _ in range(10)]
            for client in clients:
                await client.read("site")
            server.answers.update(about=UNAUTHORIZED["text"], read=UNAUTHORIZED["text"])
            before = len(server.seen)
            for client in clients:
                with pytest.raises(AuthError):
                    await client.read("site")
            assert [seen.op for seen in server.seen[before:]] == ["read", "about"]
            # Later on many are under way at once; a password that is right by then is sent again.
            later_s = 61.0
            monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + later_s)
            await asyncio.gather(*(client.read("site") for client in clients * 3), return_exceptions=True)
            with pytest.raises(AuthError, match=r"again for (120|119) s.* or wait if this one is right by now"):
                await clients[0].read("site")
            server.answers.update(about=EMPTY, read=SITES)
            later_s += 121.0
            for client in clients:
                assert len(await client.read("site")) == 2

    asyncio.run(main())


def test_five_lost_sessions_in_fifty_tasks_are_five_logins(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake(answers={"read": SITES})) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                await client.about()
                for lost in range(1, 6):
                    server.forget_sessions()
                    answers = await asyncio.gather(*(client.read("site") for _ in range(50)))
                    assert [len(rows) for rows in answers] == [2] * 50
                    assert server.logins == 1 + lost
            assert server.tokens == set()

    asyncio.run(main())


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))


async def logins_and_goodbyes(uri: str, rounds: int) -> list[tuple[int, int, int]]:
    """The tasks, threads and open files after each round of a login, about and close."""
    left = []
    for _ in range(rounds):
        async with Client(uri, USER, PASSWORD) as client:
            await client.about()
        await asyncio.sleep(0)
        left.append((len(asyncio.all_tasks()), threading.active_count(), _open_files()))
    return left


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the files of a process are not to be seen there")
def test_logins_and_goodbyes_leave_nothing_behind(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server:
            left = await logins_and_goodbyes(server.uri, 40)
            assert server.logins == 40
            assert server.tokens == set()
            for kind in zip(*left[5:], strict=True):
                assert max(kind[-10:]) <= max(kind[:10]), kind  # the server's half ends its sockets a little later

    asyncio.run(main())


def login_page() -> web.Response:
    return web.Response(text="<!DOCTYPE html><html><title>Login</title><form></form></html>", content_type="text/html")


LOST = {
    "401": lambda: web.Response(status=401, headers={"WWW-Authenticate": "scram hash=SHA-256"}),
    "403": lambda: web.Response(status=403, reason="Invalid or expired authToken"),
    "page": login_page,
    "redirect": lambda: web.Response(status=303, headers={"Location": "/user/login"}),
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_session_logs_in_again_and_repeats_once(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        async with (
            serve(fake(answers={"read": SITES}, lost=LOST[how])) as server,
            Client(server.uri, USER, PASSWORD) as client,
        ):
            await client.read("site")
            server.forget_sessions()
            answers = await asyncio.gather(*(client.read("site") for _ in range(10)))
            assert all(len(rows) == 2 for rows in answers)
            assert server.logins == 2
            # An op that may not be repeated is, too: the server refused it before it ran.
            server.forget_sessions()
            await client.invoke_action(Ref("a"), "reset")
            assert server.logins == 3

    asyncio.run(main())


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("401", AuthError, "login is not accepted"),
        ("403", HTTPStatusError, "Invalid or expired authToken"),
        ("page", NetworkError, "found an HTML page.*Login"),
        ("redirect", NetworkError, "redirect.*/user/login"),
    ],
)
def test_a_session_that_is_lost_each_time_ends(serve: Any, fake: Any, how: str, kind: type, words: str) -> None:
    async def main() -> None:
        async with (
            serve(fake(answers={"read": lambda seen: LOST[how]()})) as server,
            Client(server.uri, USER, PASSWORD) as client,
        ):
            with pytest.raises(kind, match=words) as caught:
                await client.read("site")
            assert type(caught.value) is kind
            assert server.logins == 2
            assert server.seen_ops() == ["POST read", "POST read"]

    asyncio.run(main())


def test_a_refusal_by_an_error_grid_is_no_lost_session(serve: Any, fake: Any) -> None:
    grid = b'ver:"3.0" err dis:"permission denied"\nempty\n'

    async def main() -> None:
        answer = lambda seen: web.Response(status=403, body=grid, content_type="text/zinc")  # noqa: E731
        async with serve(fake(answers={"read": answer})) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(CallError, match="permission denied"):
                await client.read("site")
            assert server.logins == 1

    asyncio.run(main())


def test_nobody_at_a_server_that_wants_a_login(serve: Any, fake: Any) -> None:
    async def main() -> None:
        for how, words in (("redirect", "login page"), ("401", "schemes: scram"), ("403", "refused")):
            async with serve(fake(lost=LOST[how])) as server, Client(server.uri) as client:
                with pytest.raises(AuthError, match=words) as caught:
                    await client.about()
                assert "user name and a password" in str(caught.value)

    asyncio.run(main())


def test_a_given_token(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake(tokens={"given"}, answers={"about": SITES})) as server:
            async with Client(server.uri, token="given") as client:
                assert len(await client.about()) == 2
            assert server.tokens == {"given"}, "a session that the client did not open is not its to close"
            assert server.login_steps == []
            async with Client(server.uri, token="stale-t0ken") as client:
                with pytest.raises(AuthError, match="the token is not accepted") as caught:
                    await client.about()
                assert "t0ken" not in str(caught.value)
            # With a password beside it, a token that is not taken any more is no end.
            async with Client(server.uri, USER, PASSWORD, token="stale") as client:
                assert len(await client.about()) == 2
            assert server.logins == 1

    asyncio.run(main())


def test_an_authorization_header_of_ones_own(serve: Any, fake: Any) -> None:
    """OAuth servers (WideSky) and gateways: the caller knows the header, the client sends it."""

    async def main() -> None:
        async with serve(fake(anonymous=True)) as server:
            async with Client(server.uri, headers={"Authorization": "Bearer eyJ.own"}) as client:
                await client.about()
                await client.read("site")
            assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer eyJ.own"] * 2

    asyncio.run(main())


def test_no_cookie_ever_goes_back(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, Client(server.uri, USER, PASSWORD) as client:
            for _ in range(3):
                await client.about()
            assert server.seen
            assert not any("Cookie" in seen.headers for seen in server.seen)

    asyncio.run(main())


def test_a_login_that_is_cancelled_leaves_it_to_the_next(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake(login_delay_s=1.0)) as server, Client(server.uri, USER, PASSWORD) as client:
            first = asyncio.create_task(client.about())
            await asyncio.sleep(0.05)
            second = asyncio.create_task(client.about())
            await asyncio.sleep(0.05)
            first.cancel()
            assert await second == []
            assert first.cancelled()
            assert server.logins == 1

    asyncio.run(main())


# -- methods and headers ----------------------------------------------------------------------------------------------


def test_get_where_there_is_nothing_to_send_and_post_otherwise(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                await client.about()
                await client.read("site")
                await client.nav()
                await client.nav(Ref("a"))
                await client.watch_poll("w")
            assert server.seen_ops() == [
                "GET about",
                "POST read",
                "GET nav",
                "POST nav",
                "POST watchPoll",
                "POST close",
            ]
            for seen in server.seen:
                assert seen.headers["Accept"] == "text/zinc"
                assert "Xeto-Version" not in seen.headers
                assert ("Content-Type" in seen.headers) == (seen.method == "POST")
            assert server.seen[1].headers["Content-Type"] == "text/zinc"
            assert server.seen[1].body == b'ver:"3.0"\nfilter\n"site"\n'

    asyncio.run(main())


def test_405_teaches_the_other_method_once(serve: Any, fake: Any) -> None:
    """haystack-py 0.1.10 serves about, ops, formats and close by GET only; others take no GET at all."""
    refuse = lambda method: lambda seen: web.Response(status=405) if seen.method == method else EMPTY  # noqa: E731

    async def main() -> None:
        answers = {"about": refuse("GET"), "close": refuse("POST"), "read": refuse("POST"), "hisWrite": refuse("POST")}
        async with serve(fake(answers=answers)) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                await client.about()
                await client.about()
                await client.read('dis == "a+b & c"', limit=2)
                assert client.dialect.methods == {"about": "POST", "read": "GET"}
                # Ids of several records fit no query.
                with pytest.raises(HTTPStatusError, match="405"):
                    await client.read_by_ids(["a", "b"])
            assert server.seen_ops()[:4] == ["GET about", "POST about", "POST about", "POST read"]
            assert server.seen_ops()[-2:] == ["POST close", "GET close"]
            (got,) = [seen for seen in server.seen if seen.method == "GET" and seen.op == "read"]
            assert got.query == {"filter": '"dis == \\"a+b & c\\""', "limit": "2"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("format", "accept", "start"),
    [
        ("zinc", "text/zinc", b'ver:"3.0"'),
        ("json", JSON4, b"{"),
        ("json3", "application/vnd.haystack+json;version=3", b"{"),
    ],
)
def test_formats_of_requests_and_answers(serve: Any, fake: Any, format: str, accept: str, start: bytes) -> None:
    from hsframe.codecs import decode, encode

    grid = decode(SITES, "zinc")

    async def main() -> None:
        # Haxall calls either version of JSON application/json.
        answer = lambda seen: web.Response(body=encode(grid, format), content_type="application/json")  # noqa: E731
        async with serve(fake(answers={"read": answer})) as server:
            for name in {"format", "accept_format"}:
                async with Client(server.uri, USER, PASSWORD, **{name: format}) as client:
                    assert await client.read("site", raw=True) == grid
            assert {seen.headers["Accept"] for seen in server.seen} == {accept}
            assert server.seen[0].headers["Content-Type"] == accept
            assert server.seen[0].body.startswith(start)
            assert decode(server.seen[0].body, format)[0]["filter"] == "site"

    asyncio.run(main())


def test_the_body_decides_over_what_was_asked(serve: Any, fake: Any) -> None:
    """nHaystack answers JSON of version 3 whatever was asked; some servers only know Zinc."""
    v3 = b'{"meta":{"ver":"3.0"},"cols":[{"name":"id"}],"rows":[{"id":"r:a A"}]}'

    async def main() -> None:
        async with (
            serve(fake(answers={"read": [v3, SITES]})) as server,
            Client(server.uri, USER, PASSWORD, format="json") as client,
        ):
            assert (await client.read("site"))[0]["id"] == Ref("a")
            assert (await client.read("site"))[0]["id"] == Ref("a")

    asyncio.run(main())


def test_a_bare_dict_is_one_row(serve: Any, fake: Any) -> None:
    """nHaystack answers about so."""

    async def main() -> None:
        body = b'{"productName":"nhaystack","dis":"Station","haystackVersion":"3.0"}'
        for format in ("json", "json3", "zinc"):
            async with (
                serve(fake(answers={"about": body})) as server,
                Client(server.uri, USER, PASSWORD, format=format) as client,
            ):
                (about,) = await client.about()
                assert (about["productName"], about["dis"]) == ("nhaystack", "Station")

    asyncio.run(main())


def test_gzip_extra_headers_and_connection_close(serve: Any, fake: Any) -> None:
    def packed(seen: Any) -> web.Response:
        response = web.Response(body=gzip.compress(SITES), content_type="text/zinc")
        response.headers["Content-Encoding"] = "gzip"
        response.force_close()
        return response

    async def main() -> None:
        async with serve(fake(answers={"read": packed})) as server:
            async with Client(server.uri, USER, PASSWORD, headers={"X-Site": "7", "X-Api-Key": "k3y"}) as client:
                for _ in range(3):
                    assert len(await client.read("site")) == 2
                assert "k3y" not in repr(client)
            assert all(seen.headers["X-Site"] == "7" and seen.headers["X-Api-Key"] == "k3y" for seen in server.seen)
            assert "gzip" in server.seen[0].headers["Accept-Encoding"]

    asyncio.run(main())


def test_redirects_are_not_followed(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as other:
            moved = lambda seen: web.Response(status=308, headers={"Location": f"{other.uri}/read"})  # noqa: E731
            async with serve(fake(answers={"read": moved})) as server, Client(server.uri, USER, PASSWORD) as client:
                with pytest.raises(NetworkError, match="Redirects are not followed") as caught:
                    await client.read("site")
                assert other.uri in str(caught.value)
            assert other.seen == []
            assert other.login_steps == []

    asyncio.run(main())


# -- broken lines and slow servers ------------------------------------------------------------------------------------


class Line:
    """A server that writes no HTTP of its own: each connection gets the next script."""

    def __init__(self, *scripts: bytes | None) -> None:
        self.scripts = list(scripts)
        self.requests: list[bytes] = []
        self.uri = ""

    async def __aenter__(self) -> Line:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.uri = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/api/demo"
        return self

    async def __aexit__(self, *args: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                head += await reader.readexactly(int(line.split(b":")[1]))
        self.requests.append(head)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if script is None:  # reset the connection
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            writer.write(script)
            await writer.drain()
        writer.close()


def http(body: bytes, length: int | None = None, *more: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/zinc\r\nContent-Length: %d\r\n" % (
        len(body) if length is None else length
    )
    return head + b"".join(line + b"\r\n" for line in more) + b"Connection: close\r\n\r\n" + body


def test_a_reset_line_is_tried_again_where_that_is_harmless() -> None:
    async def main() -> None:
        async with Line(None, None, http(SITES)) as line, Client(line.uri) as client:
            assert len(await client.read("site")) == 2
            assert len(line.requests) == 3

    asyncio.run(main())


WITHOUT_COLUMNS = [
    b'ver:"3.0"\n',
    b'ver:"3.0"\n\n',
    b'ver:"3.0" projName:"demo"',
    b'{"meta":{"ver":"3.0"},"cols":[],"rows":[]}',
    b'{"_kind":"grid","meta":{"ver":"3.0"},"cols":[],"rows":[]}',
]


@pytest.mark.parametrize("body", WITHOUT_COLUMNS)
@pytest.mark.parametrize("format", ["zinc", "json", "json3"])
def test_an_answer_without_columns_to_a_write_is_an_empty_one(body: bytes, format: str) -> None:
    grid = Grid({"id": Ref("a")}, ["ts", "val"], [[], []])

    async def main() -> None:
        for call in (
            lambda c: c.call("hisWrite", grid),
            lambda c: c.point_write("a", 16, 1, raw=True),
            lambda c: c.watch_unsub("w", "a", raw=True),
        ):
            async with Line(http(body)) as line, Client(line.uri, format=format) as client:
                answer = await call(client)
                assert (len(answer), answer.col_names) == (0, [])
        if body.startswith(b"ver:"):  # a read wants its columns
            async with Line(http(body)) as line, Client(line.uri, format=format) as client:
                with pytest.raises(CodecError, match="column"):
                    await client.read("site")

    asyncio.run(main())


def test_an_error_without_columns_is_an_error() -> None:
    async def main() -> None:
        async with Line(http(b'ver:"3.0" err dis:"no space"\n')) as line, Client(line.uri) as client:
            with pytest.raises(CallError, match="no space"):
                await client.call("hisWrite", Grid({"id": Ref("a")}, ["ts", "val"], [[], []]))
        for body in (b"", b"{", b"[]", b'{"cols":3,"meta":{}}'):
            async with Line(http(body)) as line, Client(line.uri) as client:
                with pytest.raises((CodecError, NetworkError)):
                    await client.call("hisWrite", Grid({"id": Ref("a")}, ["ts", "val"], [[], []]))

    asyncio.run(main())


@pytest.mark.parametrize(
    "script",
    [
        http(SITES, len(SITES) + 100),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nver:"3.0"\nid,dis\r\n',
        http(gzip.compress(SITES)[:-12], None, b"Content-Encoding: gzip"),
        http(b"no gzip at all", None, b"Content-Encoding: gzip"),
    ],
)
def test_a_body_that_breaks_off_gives_nothing(script: bytes) -> None:
    async def main() -> None:
        async with Line(script) as line, Client(line.uri, retries=0) as client:
            with pytest.raises(CodecError, match=r"read at .*broke off|read at .*end") as caught:
                await client.read("site")
            assert isinstance(caught.value, CodecError)

    asyncio.run(main())


def test_a_body_that_broke_off_is_asked_for_again() -> None:
    async def main() -> None:
        async with Line(http(SITES, 999), http(SITES)) as line, Client(line.uri) as client:
            assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "body", [b'ver:"3.0"\nid,dis\n@a,"A', b'ver:"3.0"\nid\n@a,@b,@c\n', b"hello", b"", b'{"meta":']
)
def test_a_malformed_body_says_where(body: bytes) -> None:
    async def main() -> None:
        async with Line(http(body)) as line, Client(line.uri) as client:
            with pytest.raises(CodecError) as caught:
                await client.read("site")
            assert f"read at {line.uri}/read" in str(caught.value)
            assert caught.value.line is not None
            assert len(line.requests) == 1, "the same body would come again"

    asyncio.run(main())


def test_what_speaks_no_http() -> None:
    async def main() -> None:
        async with Line(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as line, Client(line.uri) as client:
            with pytest.raises(NetworkError, match="not valid HTTP"):
                await client.about()

    asyncio.run(main())


def test_nobody_there() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

    async def main() -> None:
        async with Client(f"http://127.0.0.1:{port}/api/demo", USER, PASSWORD, retries=0) as client:
            with pytest.raises(NetworkError, match=r"nothing answers there.*is the server running") as caught:
                await client.about()
            assert f"127.0.0.1:{port}" in str(caught.value)

    asyncio.run(main())


@pytest.mark.parametrize(
    "timeout", [0.1, aiohttp.ClientTimeout(total=0.1), aiohttp.ClientTimeout(total=5, sock_read=0.1)]
)
def test_a_slow_server(serve: Any, fake: Any, timeout: Any) -> None:
    async def slow(seen: Any) -> bytes:
        await asyncio.sleep(60)
        return SITES

    async def main() -> None:
        async with (
            serve(fake(answers={"read": lambda seen: slow(seen)})) as server,
            Client(server.uri, USER, PASSWORD, timeout=timeout, retries=0) as client,
        ):
            started = time.perf_counter()
            with pytest.raises(RequestTimeoutError) as caught:
                await client.read("site")
            assert time.perf_counter() - started < 30
            assert f"read at {server.uri}/read" in str(caught.value)
            assert "0.1 s" in str(caught.value)

    asyncio.run(main())


def test_a_body_that_trickles_in_runs_out_of_time(serve: Any, fake: Any) -> None:
    class Trickle(web.StreamResponse):
        async def write_eof(self, data: bytes = b"") -> None:
            for _ in range(20):
                await self.write(b"@a,1\n")
                await asyncio.sleep(0.05)
            await super().write_eof(data)

    async def main() -> None:
        async with (
            serve(fake(answers={"read": lambda seen: Trickle()})) as server,
            Client(server.uri, USER, PASSWORD, timeout=0.2, retries=0) as client,
        ):
            with pytest.raises(RequestTimeoutError, match=r"0\.2 s"):
                await client.read("site")

    asyncio.run(main())


def test_404_of_a_read(serve: Any, fake: Any) -> None:
    """WideSky says so that nothing was found; a gateway's page says that something is wrong."""

    def missing(**body: str) -> Any:
        return lambda seen: web.Response(status=404, **body)

    async def main() -> None:
        page, framework = (
            {"text": "<html>nginx</html>", "content_type": "text/html"},
            {"text": '{"detail":"Not Found"}'},
        )
        answers: dict[str, Any] = {"read": [missing(), SITES, missing(), missing(**page), missing(**framework)]}
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri) as client:
            with pytest.raises(HTTPStatusError, match="404"):
                await client.read("site")  # nothing has shown yet that there is an API here
            assert len(await client.read("site")) == 2
            assert await client.read("nothing") == []
            for _ in range(2):
                with pytest.raises(HTTPStatusError, match="404"):
                    await client.read("site")

    asyncio.run(main())


# -- wrong uris -------------------------------------------------------------------------------------------------------


def test_wrong_uris_say_what_was_found(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server:
            root = server.uri.removesuffix("/api/demo")
            for uri in (root, root + "/nothing/here", server.uri + "/read/x"):
                async with Client(uri, USER, PASSWORD) as client:
                    with pytest.raises(HTTPStatusError, match="404") as caught:
                        await client.about()
                    assert "http://host:port/api/demo/" in str(caught.value)
        async with serve(fake(anonymous=True, answers={"about": lambda seen: login_page()})) as server:
            async with Client(server.uri) as client:
                with pytest.raises(NetworkError, match=r"found an HTML page.*Login.*http://host:port/api/demo/"):
                    await client.about()
            async with Client(server.uri, USER, PASSWORD) as client:
                with pytest.raises(AuthError, match=r"to its login page, .*http://host:port/api/demo/.*says 'Login'"):
                    await client.about()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"status":"ok","version":"1.2"}', 'the body is JSON, but no grid, near \'{"status":"ok"'),
        (b"[1,2]", "not an object"),
        (b"OK", "no Zinc grid begins here"),
        (b"\x89PNG\r\n", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("op", ["about", "read"])
def test_another_web_api_is_no_haystack_server(serve: Any, fake: Any, op: str, body: bytes, shown: str) -> None:
    async def main() -> None:
        async with serve(fake(anonymous=True, answers={op: body})) as server, Client(server.uri) as client:
            with pytest.raises(CodecError) as caught:
                await (client.about() if op == "about" else client.read("site"))
            assert shown in str(caught.value)
            assert "http://host:port/api/demo/" in str(caught.value)

    asyncio.run(main())


def test_a_server_that_has_answered_needs_no_advice_about_its_uri(serve: Any, fake: Any) -> None:
    async def main() -> None:
        answers = {"read": [SITES, b"hello"]}
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri) as client:
            await client.read("site")
            with pytest.raises(CodecError, match="no Zinc grid") as caught:
                await client.read("site")
            assert "api/demo/" not in str(caught.value).replace(server.uri, "")

    asyncio.run(main())


@pytest.mark.parametrize(
    "uri", ["", "host", "ftp://host/api", "http://", "http://host:99999/x", "//host/api", "api/demo"]
)
def test_what_is_no_uri(uri: str) -> None:
    with pytest.raises(
        MetadataError, match=rf"base_url must be an http or https uri; got '{re.escape(uri)}'; .*api/demo/"
    ):
        Client(uri)
    with pytest.raises(MetadataError, match="base_url must be an http or https uri; a") as caught:
        Client("ftp://ann:" + PASSWORD + "@host/api")
    assert PASSWORD not in str(caught.value)


def test_settings_that_do_not_exist() -> None:
    with pytest.raises(MetadataError, match=r"format must be one of zinc, [^']*$"):
        Client("http://host/api", format="csv")
    with pytest.raises(MetadataError, match=r"auth must be one of auto, [^']*$"):
        Client("http://host/api", auth="digest")  # type: ignore[arg-type]


# -- life cycle -------------------------------------------------------------------------------------------------------


def test_enter_and_close_by_hand(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake(answers={"read": SITES})) as server:
            client = Client(server.uri + "/", USER, PASSWORD)
            with pytest.raises(NetworkError, match="not open"):
                await client.read("site")
            assert await client.__aenter__() is client
            assert len(await client.read("site")) == 2
            assert repr(client) == f"<Client {server.uri} as 'ann', open>"
            await client.close()
            await client.close()
            assert server.seen_ops() == ["POST read", "POST close"]
            assert "closed" in repr(client)
            with pytest.raises(NetworkError, match="a closed Client stays closed"):
                await client.about()
            with pytest.raises(NetworkError, match="make a new one"):
                await client.__aenter__()

    asyncio.run(main())


@pytest.mark.parametrize("how", ["500", "reset", "slow"])
def test_closing_never_hides_the_error_of_the_block(
    serve: Any, fake: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsframe.client.sender._CLOSE_TIMEOUT_S", 0.1)

    async def close(seen: Any) -> web.StreamResponse:
        if how == "slow":
            await asyncio.sleep(1)
        return web.Response(status=500)

    async def main() -> None:
        async with serve(fake(answers={"close": lambda seen: close(seen)})) as server:
            connector = aiohttp.TCPConnector(limit=2)
            with pytest.raises(ZeroDivisionError) as caught:  # noqa: PT012 - the block is what is tested
                async with Client(server.uri, USER, PASSWORD, connector=connector) as client:
                    await client.about()
                    if how == "reset":
                        server.answers["close"] = lambda seen: seen.missing
                    1 / 0  # noqa: B018
            assert caught.value.__context__ is None
            assert connector.closed, "the client owns its connector"
            # And without an error of the block nothing comes out either.
            async with Client(server.uri, USER, PASSWORD) as client:
                await client.about()

    asyncio.run(main()) if how != "reset" else _quiet(main)


def _quiet(main: Any) -> None:
    logger = logging.getLogger("aiohttp.server")
    logger.disabled = True  # it reports the error that the fake server makes on purpose
    try:
        asyncio.run(main())
    finally:
        logger.disabled = False


def test_a_cancelled_block_still_closes(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server:
            inside = asyncio.Event()

            async def work() -> None:
                async with Client(server.uri, USER, PASSWORD) as client:
                    await client.about()
                    inside.set()
                    await asyncio.sleep(60)

            task = asyncio.create_task(work())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.seen_ops() == ["GET about", "POST close"]
            assert server.tokens == set()

    asyncio.run(main())


def test_fifty_rounds_ten_at_once_leave_nothing_behind(serve: Any, fake: Any) -> None:
    import gc
    import os
    import threading

    def sockets() -> int:
        count = 0
        for fd in os.listdir("/proc/self/fd"):
            try:
                count += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
            except OSError:
                continue
        return count

    async def main() -> None:
        async with serve(fake()) as server:

            async def one_round() -> None:
                async with Client(server.uri, USER, PASSWORD) as client:
                    await client.about()

            await one_round()
            await asyncio.sleep(0.05)
            tasks, threads, socks = len(asyncio.all_tasks()), threading.active_count(), sockets()
            for _ in range(5):
                await asyncio.gather(*(one_round() for _ in range(10)))
            await asyncio.sleep(0.05)
            gc.collect()
            assert server.logins == 51
            assert server.tokens == set()
            assert len(server.seen) == 102
            assert len(asyncio.all_tasks()) == tasks
            assert threading.active_count() == threads
            assert sockets() <= socks

    asyncio.run(main())


# -- logs -------------------------------------------------------------------------------------------------------------


def test_one_log_line_a_request(serve: Any, fake: Any, caplog: pytest.LogCaptureFixture) -> None:
    batch = b'ver:"3.0"\nts,v0 id:@a,v1 id:@b\n2026-01-01T00:00:00Z UTC,1,2\n'

    async def main() -> None:
        busy = lambda seen: web.Response(status=429, headers={"Retry-After": "0"})  # noqa: E731
        answers: dict[str, Any] = {"hisRead": [busy, batch], "read": b'ver:"3.0" err dis:"x"\nempty\n'}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            await client.his_read_batch(["a", "b"], "today")
            with pytest.raises(CallError):
                await client.read("site")

    with caplog.at_level(logging.INFO, logger="hsframe"):
        asyncio.run(main())
    lines = [record.getMessage() for record in caplog.records if record.name == "hsframe"]
    assert len(lines) == 4
    assert lines[0].startswith("login points=0")
    assert lines[0].endswith("scram")
    assert lines[1].startswith(f"hisRead points=2 bytes={len(batch)} ms=")
    assert lines[1].endswith("retries=1 after HTTP 429 ok")
    assert lines[2].startswith("read points=0")
    assert lines[2].endswith("CallError")
    assert lines[3].startswith("close ")
    text = "\n".join(lines)
    assert PASSWORD not in text
    assert "tok-" not in text
    assert "BEARER" not in text


def test_any_op_by_name_counts_its_points_and_names_the_unknown(
    serve: Any, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = b'ver:"3.0" err dis:"UnknownRecErr" errType:"haystack::UnknownRecErr"\nempty\n'

    async def main() -> None:
        async with serve(fake(answers={"hisWrite": unknown})) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(UnknownRecError) as caught:
                await client.call("hisWrite", Grid({"id": Ref("a")}, ["ts", "val"], [[], []]))
            assert caught.value.ids == ("a",)

    with caplog.at_level(logging.INFO, logger="hsframe"):
        asyncio.run(main())
    assert [text for text in caplog.messages if text.startswith("hisWrite points=1 ")]


def test_a_server_that_repeats_its_last_read_by_id(serve: Any, fake: Any) -> None:
    """haystack-py 0.1.10 keeps the answer of a read by id, and gives it to the next one whatever that asks for."""
    stale = b'ver:"3.0"\nid,unit\n@a,"kW"\n'

    def answer(seen: Any) -> Any:
        if b"filter" not in seen.body:
            return web.Response(body=stale, content_type="text/zinc")
        assert b"id == @b" in seen.body
        assert b"id == @a" not in seen.body
        return web.Response(text='ver:"3.0"\nid,dis\n@b,"B"\n', content_type="text/zinc")

    async def main() -> None:
        async with serve(fake(answers={"read": answer})) as server, Client(server.uri, USER, PASSWORD) as client:
            assert await client.read_by_ids(["b"]) == [{"id": Ref("b"), "dis": "B"}]
            a, b = await client.read_by_ids(["a", "b"])
            assert (a, b) == ({"id": Ref("a"), "unit": "kW"}, {"id": Ref("b"), "dis": "B"})
            with pytest.raises(UnknownRecError) as caught:
                await client.read_by_ids(["a", "b", "c"])
            assert caught.value.ids == ("c",)

    asyncio.run(main())


def test_incomplete_answers(serve: Any, fake: Any) -> None:
    async def main() -> None:
        answers = {
            "read": b'ver:"3.0" incomplete:{dis:"row cap" limit:2}\nid\n@a\n@b\n',
            "hisRead": b'ver:"3.0" id:@a\nts,val\n2026-01-01T00:00:00Z UTC,1\n',
        }
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(IncompleteError, match="row cap"):
                await client.read("site")
            assert len(await client.read("site", limit=2)) == 2
            assert client.dialect.his_read_batch is None
            with pytest.raises(IncompleteError, match="@b") as caught:
                await client.his_read_batch(["a", "b"], "today")
            assert client.dialect.his_read_batch is False
            assert caught.value.grid is not None
            assert len(await client.his_read("a", "today")) == 1

    asyncio.run(main())


# -- ops of other versions --------------------------------------------------------------------------------------------

HAXALL_4 = """ver:"3.0"
def,mime,reader,writer
^filetype:turtle,"text/turtle",,"def::TurtleWriter"
^filetype:zinc,"text/zinc","haystack::ZincReader","haystack::ZincWriter"
^filetype:none,,,
"""
HAXALL_5 = """ver:"3.0"
name,mime,canRead,canWrite
"turtle","text/turtle",F,T
"zinc","text/zinc",T,T
"""


@pytest.mark.parametrize("status", [404, 501])
@pytest.mark.parametrize("filetypes", [HAXALL_4, HAXALL_5])
def test_a_server_without_formats_is_asked_for_its_filetypes(
    serve: Any, fake: Any, status: int, filetypes: str
) -> None:
    """Haxall has no formats, which Haystack 4 dropped."""

    def no_such_op(seen: Any) -> web.Response:
        return web.Response(status=status, text="<html><title>Not Found</title></html>", content_type="text/html")

    async def main() -> None:
        answers = {"formats": no_such_op, "filetypes": filetypes.encode()}
        async with serve(fake(answers=answers)) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                assert await client.formats() == [
                    {"mime": "text/turtle", "send": True},
                    {"mime": "text/zinc", "receive": True, "send": True},
                ]
                assert (await client.formats(raw=True)).col_names == ["mime", "receive", "send"]
            async with AsyncSession(server.uri, USER, PASSWORD) as session:
                frame = await session.formats()
                assert frame["mime"].tolist() == ["text/turtle", "text/zinc"]
                assert frame["receive"].tolist() == [False, True]

    asyncio.run(main())


V3 = b'{"meta":{"ver":"3.0"},"cols":[{"name":"id"}],"rows":[{"id":"r:a A"},{"id":"r:b"}]}'
V4 = b'{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"id"}],"rows":[{"id":{"_kind":"ref","val":"a"}},{}]}'


@pytest.mark.parametrize("format", ["json", "json3"])
@pytest.mark.parametrize("body", [V3, V4])
@pytest.mark.parametrize("refused", ["Accept", "Content-Type", "both", "both, by 415"])
def test_json_by_its_plain_name_where_the_other_is_refused(
    serve: Any, fake: Any, format: str, body: bytes, refused: str
) -> None:
    """shaystack answers 406 for either header, rusty-haystack and servers of Haystack 3 know application/json alone."""

    def answer(seen: Any) -> web.Response:
        if refused != "Content-Type" and "vnd." in seen.headers["Accept"]:
            return web.Response(status=406)
        if refused != "Accept" and "vnd." in seen.headers.get("Content-Type", ""):
            # shaystack's error is a grid, in Zinc.
            return web.Response(status=415 if "415" in refused else 406, body=b'ver:"3.0" err dis:"Error"\nid\n')
        plain = "application/json" in seen.headers["Accept"]
        return web.Response(body=body, content_type="application/json" if plain else "text/plain")

    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"about": answer, "read": answer})) as server:
            async with Client(server.uri, format=format) as client:
                for _ in range(2):
                    assert (await client.read("site"))[0]["id"] == Ref("a")
            first = len(server.seen) - 1
            assert first <= 3, "each refusal is met once"
            async with Client(server.uri, format=format) as client:
                await client.read("site")
                await client.about()
            assert server.seen_ops()[first + 1 :] in (
                ["POST read", "GET about"],
                ["POST read", "GET about", "GET about"],
            )

    asyncio.run(main())


@pytest.mark.parametrize(
    ("formats", "filetypes", "words"), [(500, 200, r"formats.*500"), (404, 404, r"filetypes.*404")]
)
def test_formats_that_cannot_be_read_are_an_error(
    serve: Any, fake: Any, formats: int, filetypes: int, words: str
) -> None:
    async def main() -> None:
        statuses = {"formats": formats, "filetypes": filetypes}
        answers = {op: lambda seen: web.Response(status=statuses[seen.op]) for op in statuses}
        async with serve(fake(answers=answers)) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(HTTPStatusError, match=words):
                await client.formats()

    asyncio.run(main())


def test_a_request_that_cannot_be_decoded_is_written_in_zinc_once(serve: Any, fake: Any) -> None:
    def answer(seen: Any) -> Any:
        if not seen.body.startswith(b"ver:") or b"bad" in seen.body:
            return web.Response(status=400, text="cannot read this grid")
        return SITES

    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"read": answer})) as server:
            async with Client(server.uri, format="json") as client:
                assert len(await client.read("site")) == 2
                with pytest.raises(HTTPStatusError, match="cannot read"):
                    await client.read("bad")
            assert server.seen_ops() == ["POST read"] * 3
        # Where JSON was read before, a 400 has another reason.
        answers = {"read": lambda seen: web.Response(status=400) if b"bad" in seen.body else V4}
        async with serve(fake(anonymous=True, answers=answers)) as server:
            async with Client(server.uri, format="json") as client:
                await client.read("site")
                with pytest.raises(HTTPStatusError, match="400"):
                    await client.read("bad")
            assert server.seen_ops() == ["POST read"] * 2

    asyncio.run(main())


def test_a_format_that_is_refused_by_every_name(serve: Any, fake: Any) -> None:
    async def main() -> None:
        answers = {"read": lambda seen: web.Response(status=406), "nav": lambda seen: web.Response(status=415)}
        async with serve(fake(anonymous=True, answers=answers)) as server:
            for format in ("json", "zinc"):
                async with Client(server.uri, format=format) as client:
                    with pytest.raises(HTTPStatusError, match="406"):
                        await client.read("site")
                    with pytest.raises(HTTPStatusError, match="415"):
                        await client.nav(Ref("a"))
            assert server.seen_ops() == ["POST read", "POST read", "POST nav", "POST read", "POST nav"]

    asyncio.run(main())
