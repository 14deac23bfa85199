"""How long what failed is sent again, and what ends that; what is sent again is in test_fault_matrix.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

import hsframe
from hsframe.client import Client
from hsframe.errors import AuthError, CallError, HTTPStatusError, MetadataError, NetworkError, SpanError

EMPTY = b'ver:"3.0"\nempty\n'
SITES = b'ver:"3.0"\nid,dis\n@a,"A"\n@b,"B"\n'


# -- how long ---------------------------------------------------------------------------------------------------------


def busy(status: int, seconds: str) -> Callable[[Any], web.Response]:
    return lambda seen: web.Response(status=status, headers={"Retry-After": seconds})


def test_the_server_says_how_long_to_wait(serve: Any, fake: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hsframe")

    async def main() -> None:
        date = "Wed, 21 Oct 2026 07:28:%02d GMT"
        later = {"Retry-After": date % 0, "Date": date % 1}
        answers: dict[str, Any] = {
            "read": [busy(429, "0"), busy(503, "0"), lambda seen: web.Response(status=503, headers=later), SITES],
            "nav": busy(429, "3600"),
            "eval": busy(429, "9" * 400),
            "ops": [busy(503, "Mon, 99 Foo 99999 99:99:99 +99999999999"), SITES],
        }
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri) as client:
            assert len(await client.read("site")) == 2
            assert len(await client.ops()) == 2
            for call in (client.nav, lambda: client.eval("1")):
                with pytest.raises(HTTPStatusError, match=r"wait (3600|1e\+09) s") as caught:
                    await call()
                assert caught.value.status == 429
            assert caught.value.retry_after_s == 1e9
            assert server.seen_ops().count("GET nav") == server.seen_ops().count("POST eval") == 1
            assert server.seen_ops().count("POST read") == 4

    asyncio.run(main())
    assert [
        text for text in caplog.messages if text.startswith("read ") and text.endswith("retries=3 after HTTP 503 ok")
    ]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_say_how_often(serve: Any, fake: Any, retries: int) -> None:
    async def main() -> None:
        async with serve(fake(anonymous=True, answers={"read": busy(503, "0")})) as server:
            async with Client(server.uri, retries=retries) as client:
                with pytest.raises(HTTPStatusError, match="503"):
                    await client.read("site")
            assert len(server.seen) == retries + 1

    asyncio.run(main())


def test_the_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    from hsframe.client import retries

    monkeypatch.setattr(retries, "_FIRST_PAUSE_S", 0.2)
    pauses = [[retries._pause_s(tries) for _ in range(50)] for tries in range(12)]
    for tries, some in enumerate(pauses):
        longest = min(0.2 * 2**tries, 10)
        assert all(longest / 2 <= pause <= longest for pause in some)
        assert len(set(some)) > 1


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"retries": -1}, MetadataError, r"retries must be a whole number, 0 or more; got -1"),
        ({"retries": 1.5}, MetadataError, r"retries must be .* got 1\.5"),
        ({"retries": None}, MetadataError, r"retries must be .* got None"),
        ({"retries": True}, MetadataError, r"retries must be .* got True"),
        ({"deadline": 0}, SpanError, "deadline=0 must be positive"),
        ({"deadline": "soon"}, SpanError, "deadline='soon'"),
        ({"deadline": "1mo"}, SpanError, "deadline='1mo'"),
    ],
)
@pytest.mark.parametrize("make", [hsframe.connect, hsframe.AsyncSession, Client])
def test_settings_that_cannot_be(
    make: Callable[..., Any], settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make("http://127.0.0.1:9/api", **settings)


@pytest.mark.parametrize("at", ["login", "read"])
def test_a_long_wait_needs_a_deadline_that_has_room(
    serve: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    from hsframe.client import retries

    monkeypatch.setattr(retries, "_LONGEST_WAIT_S", 0.05)

    class Server(fake):  # type: ignore[misc]
        busy = True

        async def handle(self, request: web.Request) -> web.StreamResponse:
            if self.busy and ("Authorization" in request.headers) and (at == "login" or "read" in request.path):
                self.busy = False
                return web.Response(status=503, headers={"Retry-After": "0.2"})
            return await super().handle(request)

    async def main() -> None:
        for deadline, words in [
            (60, ""),
            (None, r"\(sent once in 0\.. s; without a deadline= no pause is longer than 0\.05 s\)"),
            (0.1, r"\(sent once in 0\.. s; the next pause would pass the deadline of 0\.1 s\)"),
        ]:
            async with (
                serve(Server(answers={"read": SITES})) as server,
                Client(server.uri, "ann", "s3cret-pencil", deadline=deadline) as client,
            ):
                if not words:
                    assert len(await client.read("site")) == 2
                    continue
                with pytest.raises(NetworkError, match=f"^{at} at .*{words}|deadline of 0.1 s for the whole"):
                    await client.read("site")

    asyncio.run(main())


def test_what_ended_the_patience_is_said(serve: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hsframe.client import retries

    monkeypatch.setattr(retries, "_LONGEST_SLOW_S", 0.1)

    async def late(seen: Any) -> bytes:
        await asyncio.sleep(5)
        return SITES

    async def main() -> None:
        answers = {"read": busy(503, "0"), "nav": lambda seen: late(seen)}
        async with (
            serve(fake(anonymous=True, answers=answers)) as server,
            Client(server.uri, retries=2, timeout=0.2) as client,
        ):
            with pytest.raises(HTTPStatusError, match=r"\(sent 3 times in \d\.\d s; that is retries=2\)$"):
                await client.read("site")
            with pytest.raises(NetworkError, match=r"ask for less .*\(sent .*; what times out is not repeated for"):
                await client.nav()
        answers = {"hisRead": lambda seen: late(seen)}
        async with (
            serve(fake(anonymous=True, answers=answers)) as server,
            Client(server.uri, retries=0, timeout=0.2) as client,
        ):
            with pytest.raises(NetworkError, match=r"^hisRead .* at once, as his_read\(.*chunk='1D', limit_rows="):
                await client.his_read("@p", "2026-11-01")
        who = ("ann", "s3cret-pencil")
        async with serve(fake(login_delay_s=5)) as server, Client(server.uri, *who, timeout=0.1) as client:
            with pytest.raises(NetworkError, match=r"^login .* within 0\.1 s; give a longer timeout= \(sent .*; what"):
                await client.read("site")
            uri = server.uri
        async with Client(uri, retries=99, deadline=0.3) as client:
            # It passes in a pause that would be too long, or, on a slow machine, while a request runs.
            words = r"(nothing answers there.*\(sent .*; the next pause would pass the|the) deadline of 0\.3 s"
            with pytest.raises(NetworkError, match=words):
                await client.read("site")

    asyncio.run(main())


def test_a_server_that_hangs_does_not_hold_up_the_end(serve: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits no longer than a request may take, and no longer than two seconds."""
    from hsframe.client import sender

    over = asyncio.Event()
    assert sender._CLOSE_TIMEOUT_S == 2
    monkeypatch.setattr(sender, "_CLOSE_TIMEOUT_S", 60)  # a busy machine may take two seconds for the 0.2 s of below

    async def hang(seen: Any) -> bytes:
        await over.wait()
        return EMPTY

    async def main() -> None:
        async with serve(fake(answers={"close": lambda seen: hang(seen)})) as server:
            async with Client(server.uri, "ann", "s3cret-pencil", timeout=0.2) as client:
                await client.about()
                started = time.monotonic()
            took = time.monotonic() - started
            over.set()
        assert took < 30

    asyncio.run(main())


# -- logins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("how", ["429", "502", "503", "504", "cut"])
def test_a_login_is_repeated_from_its_first_step(serve: Any, fake: Any, step: int, how: str) -> None:
    class Server(fake):  # type: ignore[misc]
        async def handle(self, request: web.Request) -> web.StreamResponse:
            self.steps = getattr(self, "steps", -1) + ("Authorization" in request.headers)
            if self.steps != step:
                return await super().handle(request)
            if how != "cut":
                return web.Response(status=int(how), headers={"Retry-After": "0"})
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

    async def main() -> None:
        async with serve(Server(answers={"read": SITES})) as server:
            async with Client(server.uri, "ann", "s3cret-pencil") as client:
                assert len(await client.read("site")) == 2
            assert server.logins == 1
            assert server.login_steps[-3:] == ["HELLO", "SCRAM", "SCRAM"]

    asyncio.run(main())


def test_a_login_that_stays_refused_by_a_busy_server_says_so(serve: Any, fake: Any) -> None:
    class Server(fake):  # type: ignore[misc]
        async def handle(self, request: web.Request) -> web.StreamResponse:
            self.login_steps.append(request.headers["Authorization"].split()[0])
            return web.Response(status=503, headers={"Retry-After": "0"}, text="starting")

    async def main() -> None:
        async with serve(Server()) as server, Client(server.uri, "ann", "s3cret-pencil", retries=2) as client:
            answers = await asyncio.gather(*(client.read("site") for _ in range(5)), return_exceptions=True)
            assert {type(answer) for answer in answers} == {HTTPStatusError}
            assert all("login" in str(answer) and "starting" in str(answer) for answer in answers)
            assert server.login_steps == ["HELLO"] * 3, "all calls waited for one login"

    asyncio.run(main())


def test_a_wrong_password_is_no_busy_server(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, Client(server.uri, "ann", "wrong") as client:
            with pytest.raises(AuthError):
                await client.about()
            assert len(server.login_steps) == 3

    asyncio.run(main())


# -- streams ----------------------------------------------------------------------------------------------------------

# Few rows, which nobody takes for a limit, and long ones: what is looked at first is not all of them.
HISTORY = b'ver:"3.0"\nts,val\n' + b"".join(
    b'2026-11-01T%02d:%02d:00Z UTC,"%s"\n' % (minute // 60, minute % 60, b"x" * 200) for minute in range(90)
)


def test_a_stream_is_begun_again_until_rows_were_given_out(serve: Any, fake: Any) -> None:
    async def cut(seen: Any) -> web.StreamResponse:
        class Cut(web.StreamResponse):
            async def prepare(self, request: Any) -> Any:
                await super().prepare(request)
                await self.write(HISTORY[:9000])
                await asyncio.sleep(0.05)
                assert request.transport is not None
                request.transport.abort()

        return Cut(headers={"Content-Length": str(len(HISTORY))})

    async def rows(client: Client) -> int:
        return sum([batch.num_rows async for batch in client.his_stream("a", "2026-11-01")])

    async def main() -> None:
        answers: dict[str, Any] = {"hisRead": [busy(503, "0"), busy(429, "0"), HISTORY, cut, HISTORY]}
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri) as client:
            assert await rows(client) == 90
            assert server.seen_ops().count("POST hisRead") == 3
            with pytest.raises(NetworkError, match="broke off"):
                await rows(client)  # rows were given out: they must not come twice
            assert server.seen_ops().count("POST hisRead") == 4

    asyncio.run(main())


# -- a deadline -------------------------------------------------------------------------------------------------------


def test_the_deadline_of_an_op_covers_its_tries_and_its_login(serve: Any, fake: Any) -> None:
    async def late(seen: Any) -> bytes:
        await asyncio.sleep(60)
        return SITES

    async def main() -> None:
        answers = {"read": lambda seen: late(seen), "nav": busy(503, "30"), "hisRead": busy(503, "0")}
        user = ("ann", "s3cret-pencil")
        async with (
            serve(fake(answers=answers)) as server,
            Client(server.uri, *user, deadline=0.3, timeout=60, retries=10**6) as client,
        ):
            with pytest.raises(hsframe.RequestTimeoutError, match=r"deadline of 0\.3 s for the whole verb") as caught:
                await client.read("site")
            assert caught.value.is_final
            with pytest.raises(NetworkError, match=r"deadline of 0\.3 s|HTTP 503.*\(sent \d+ times\)"):
                await client.his_read("a", "today")
            # A wait that would end after the deadline is not begun.
            with pytest.raises(HTTPStatusError, match="wait 30 s"):
                await client.nav()
        async with serve(fake(login_delay_s=60)) as server, Client(server.uri, *user, deadline="200ms") as client:
            with pytest.raises(NetworkError, match=r"read at .*deadline of 0\.2 s"):
                await client.read("site")

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 30, "the server takes 60 s to answer"


def test_a_server_that_trickles_meets_the_deadline_of_a_stream(serve: Any, fake: Any) -> None:
    class Trickle(web.StreamResponse):
        async def write_eof(self, data: bytes = b"") -> None:
            await self.write(HISTORY[:9000])
            for place in range(9000, len(HISTORY), 100):
                await self.write(HISTORY[place : place + 100])
                await asyncio.sleep(0.05)
            await super().write_eof(data)

    async def main() -> None:
        answers = {"hisRead": lambda seen: Trickle()}
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri, deadline=0.4) as client:
            with pytest.raises(NetworkError, match="deadline"):
                async for _ in client.his_stream("a", "2026-11-01"):
                    pass

    asyncio.run(main())


# -- a watch has its own ----------------------------------------------------------------------------------------------


def test_a_watch_is_closed_without_patience(serve: Any, fake: Any) -> None:
    async def main() -> None:
        watch = b'ver:"3.0" watchId:"w" lease:60sec\nid,dis\n@a,"A"\n'
        answers: dict[str, Any] = {"watchSub": watch, "watchUnsub": busy(503, "20"), "watchPoll": busy(429, "20")}
        async with serve(fake(anonymous=True, answers=answers)) as server, Client(server.uri) as client:
            async for _ in client.watch(["a"], poll="20ms"):
                break
            await client.close()
            assert server.seen_ops().count("POST watchUnsub") == 1

    asyncio.run(main())


# -- the uri ----------------------------------------------------------------------------------------------------------


def test_no_doubt_about_a_uri_where_an_op_was_answered(serve: Any, fake: Any) -> None:
    hint = "a Haystack uri ends in"
    page = {"text": "<!DOCTYPE html><html>proxy</html>", "content_type": "text/html"}

    async def main() -> None:
        answers: dict[str, Any] = {
            "ops": [lambda seen: web.Response(status=404)],
            "read": [lambda seen: web.Response(**page)],
            "nav": [lambda seen: web.Response(status=308, headers={"Location": "http://elsewhere/"})],
            "eval": b"{}",
        }
        async with serve(fake(anonymous=True, answers=answers)) as server:
            for is_known in (False, True):
                async with Client(server.uri, retries=0) as client:
                    if is_known:
                        await client.about()
                    for call in (client.ops(), client.read("site"), client.nav()):
                        with pytest.raises(NetworkError) as caught:
                            await call
                        assert (hint in str(caught.value)) != is_known
                    uri = client.base_url
        async with Client(uri, retries=0) as client:
            with pytest.raises(NetworkError, match=r"is the server running\?$"):
                await client.about()

    asyncio.run(main())


def test_an_error_grid_is_none_of_these(serve: Any, fake: Any) -> None:
    async def main() -> None:
        error = b'ver:"3.0" err dis:"server busy, retry later"\nempty\n'
        async with serve(fake(anonymous=True, answers={"read": error})) as server:
            async with Client(server.uri) as client:
                with pytest.raises(CallError):
                    await client.read("site")
            assert len(server.seen) == 1

    asyncio.run(main())
