"""A password or a token that a server has refused, in whichever way, is sent once by all clients of the process."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from hsframe.client import Client
from hsframe.errors import AuthError, CallError, HsFrameError
from hsframe.protocol.login_steps import Credentials
from hsframe.protocol.refused_logins import RefusedLogins
from hsframe.protocol.scram import b64url_decode, b64url_encode
from hsframe.protocol.secret import Secret

USER, PASSWORD = "ann", "s3cret-pencil"
SITES = b'ver:"3.0"\nid,dis\n@a,"A"\n@b,"B"\n'
FORM = '<html><title>Welcome</title><form><input name="p" type="password"></form></html>'
BY_SCRIPT = '<html><head><title>Sign in to your account</title></head><div id="app"></div></html>'

Answer = Callable[[], web.StreamResponse]


def redirect(to: str) -> Answer:
    return lambda: web.Response(status=302, headers={"Location": to})


def page(text: str) -> Answer:
    return lambda: web.Response(text=text, content_type="text/html")


LOGIN_PAGES = {
    "a redirect": redirect("/login"),
    "of Niagara": redirect("/prelogin?x=1"),
    "a page": page(FORM),
    "a page whose form is made by a script": page(BY_SCRIPT),
}
FORBIDDEN: Answer = lambda: web.Response(status=403, text="not you")  # noqa: E731
BAD: Answer = lambda: web.Response(status=400, text="bad credentials")  # noqa: E731
REFUSED = {"403": FORBIDDEN, **LOGIN_PAGES}
UNAUTHORIZED: dict[str, Answer] = {
    "401": lambda: web.Response(status=401, text="no right"),
    "401 and a grid": lambda: web.Response(
        status=401, text='ver:"3.0" err dis:"no right"\nempty\n', content_type="text/zinc"
    ),
}
NO_REFUSALS = {
    "a maintenance page": page("<html><title>Back soon</title></html>"),
    "another address": redirect("https://station.example/haystack/about"),
    "an authority": redirect("https://status.port-authority.example/maintenance"),
    "a proxy": lambda: web.Response(status=403, headers={"X-Squid-Error": "ERR_ACCESS_DENIED 0"}),
    "too many": lambda: web.Response(status=429),
}


class Guard:
    """Answers what carries credentials as a test says, and counts them; `right` is taken whatever is said."""

    def __init__(self, refuse: Answer | None, offer: str = "", right: str = "") -> None:
        self.refuse, self.offer, self.right = refuse, offer, right
        self.sent: Counter[str] = Counter()

    def __call__(self, seen: Any) -> web.StreamResponse:
        header = seen.headers.get("Authorization", "")
        scheme = header.partition(" ")[0]
        if scheme in ("", "HELLO"):
            return web.Response(status=401, headers={"WWW-Authenticate": self.offer})
        self.sent[scheme] += 1
        if self.refuse is None or scheme == self.right:
            return web.Response(body=SITES, headers={"Authentication-Info": "authToken=t1"}, content_type="text/zinc")
        return self.refuse()


async def failures(uri: str, clients: int, **who: Any) -> list[HsFrameError]:
    """What clients of one uri fail with that read twice each."""
    found = []
    for _ in range(clients):
        async with Client(uri, retries=0, **who) as client:
            for _ in range(2):
                with pytest.raises(HsFrameError) as caught:
                    await client.read("site")
                found.append(caught.value)
    return found


def answers(guard: Guard) -> dict[str, object]:
    return {"about": guard, "read": guard, "eval": guard}


@pytest.mark.parametrize("how", [*REFUSED, "400"])
@pytest.mark.parametrize(
    ("auth", "offer"), [("basic", ""), ("plaintext", ""), ("auto", 'Basic realm="x"'), ("auto", "PLAINTEXT")]
)
def test_a_password_is_sent_once_however_it_is_refused(serve: Any, fake: Any, how: str, auth: Any, offer: str) -> None:
    async def main() -> None:
        guard = Guard({**REFUSED, "400": BAD}[how], offer)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            who = {"username": USER, "auth": auth}
            found = await failures(server.uri, 3, password="wrong", **who)
            assert guard.sent.total() == 1
            assert all(isinstance(error, AuthError) and error.refused for error in found)
            assert all("not send the same again for" in str(error) for error in found[1:])
            guard.refuse = None
            async with Client(server.uri, password=PASSWORD, **who) as client:
                assert len(await client.read("site")) == 2, "another password is sent at once"

    asyncio.run(main())


@pytest.mark.parametrize("body", ["wrong password", "", '{"message": "wrong password"}', SITES.decode()])
def test_a_password_that_is_answered_without_a_token_is_sent_once(serve: Any, fake: Any, body: str) -> None:
    async def main() -> None:
        guard = Guard(lambda: web.Response(text=body))
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            found = await failures(server.uri, 3, username=USER, password="wrong", auth="plaintext")
            assert guard.sent.total() == 1
            assert "the server gave no authToken (HTTP 200" in str(found[0])
            assert all("not send the same again for" in str(error) for error in found[1:])

    asyncio.run(main())


@pytest.mark.parametrize("how", REFUSED)
def test_a_token_is_sent_once_however_it_is_refused(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        guard = Guard(REFUSED[how])
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            found = await failures(server.uri, 3, token="t0ken")
            assert guard.sent.total() == 2, "it may be a right that is missing: about shows that it is not"
            assert all(isinstance(error, AuthError) and error.refused for error in found)

    asyncio.run(main())


@pytest.mark.parametrize("how", NO_REFUSALS)
@pytest.mark.parametrize("who", [{"username": USER, "password": PASSWORD, "auth": "basic"}, {"token": "t0ken"}])
def test_what_says_nothing_of_the_login_shuts_nobody_out(serve: Any, fake: Any, how: str, who: Any) -> None:
    async def main() -> None:
        guard = Guard(NO_REFUSALS[how])
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            await failures(server.uri, 2, **who)
            guard.refuse = None
            async with Client(server.uri, **who) as client:
                assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize("who", [{"username": USER, "password": PASSWORD, "auth": "basic"}, {"token": "t0ken"}])
def test_what_is_refused_later_is_sent_again_after_a_pause(
    serve: Any, fake: Any, how: str, who: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that starts may show its login page to all for a while."""

    async def main() -> None:
        guard = Guard(None)
        async with (
            serve(fake(anonymous=True, answers=answers(guard))) as server,
            Client(server.uri, **who) as one,
            Client(server.uri, **who) as another,
        ):
            for client in (one, another):
                await client.read("site")
            guard.sent.clear()
            guard.refuse = REFUSED[how]
            for client in (one, another) * 5:
                with pytest.raises(AuthError) as caught:
                    await client.read("site")
                assert caught.value.refused
            assert guard.sent.total() == 2, "the op, and about"
            guard.refuse = None
            monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + 61.0)
            for client in (one, another):
                assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize("who", [{"username": USER, "password": PASSWORD, "auth": "basic"}, {"token": "t0ken"}])
def test_an_outage_of_an_hour_keeps_nobody_out_for_another(
    serve: Any, fake: Any, who: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was never accepted waits for up to an hour, what was for five minutes."""

    async def main() -> None:
        guard, later_s = Guard(None), 0.0
        monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + later_s)
        wrong = {name: "wrong" if value in (PASSWORD, "t0ken") else value for name, value in who.items()}
        async with (
            serve(fake(anonymous=True, answers=answers(guard))) as server,
            Client(server.uri, **who) as accepted,
            Client(server.uri, **wrong) as never,
        ):
            await accepted.read("site")
            guard.refuse = FORBIDDEN
            for _ in range(65):
                for client in (accepted, never):
                    with pytest.raises(AuthError):
                        await client.read("site")
                later_s += 61.0
            guard.refuse = None
            later_s += 300.0
            assert len(await accepted.read("site")) == 2
            with pytest.raises(AuthError, match=r"not send the same again for \d{4} s"):
                await never.read("site")

    asyncio.run(main())


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize("who", [{"username": USER, "password": PASSWORD, "auth": "basic"}, {"token": "t0ken"}])
def test_a_right_that_is_missing_shuts_nobody_out(serve: Any, fake: Any, how: str, who: Any) -> None:
    """Also where a web framework sends to its login page for it."""

    async def main() -> None:
        guard = Guard(None)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server, Client(server.uri, **who) as client:
            await client.about()
            server.answers["eval"] = lambda seen: REFUSED[how]()
            for _ in range(2):
                with pytest.raises(HsFrameError) as caught:
                    await client.eval("now()")
                assert not getattr(caught.value, "refused", False)
                assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize("how", [*REFUSED, "401"])
def test_a_refused_token_beside_a_password_is_sent_once(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        guard = Guard({**REFUSED, "401": lambda: web.Response(status=401)}[how], "Basic", right="Basic")
        who = {"username": USER, "password": PASSWORD, "token": "expired"}
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            async with Client(server.uri, **who) as first, Client(server.uri, **who) as second:
                await first.sender.log_in()
                await second.sender.log_in()  # by the token, which nobody has sent yet
                for client in (first, second):
                    assert len(await client.read("site")) == 2
            for _ in range(3):
                async with Client(server.uri, **who) as client:
                    assert len(await client.read("site")) == 2
            assert guard.sent["BEARER"] == 2, "the op, and about"
            found = await failures(server.uri, 1, token="expired")
            assert "not send the same again" in str(found[0]), "nor by who has no password"

    asyncio.run(main())


@pytest.mark.parametrize("how", [*REFUSED, *NO_REFUSALS, "401"])
@pytest.mark.parametrize("offer", ["Basic", "Bearer"])
def test_a_token_that_is_not_refused_stays_beside_a_password(serve: Any, fake: Any, how: str, offer: str) -> None:
    """The password may be for people, and not for this API."""

    async def main() -> None:
        guard = Guard(lambda: web.Response(status=401), offer, right="BEARER")
        answer = {**REFUSED, **NO_REFUSALS, "401": guard.refuse}[how]
        who = {"username": USER, "password": PASSWORD, "token": "t0ken"}
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            async with Client(server.uri, **who, retries=0) as client:
                await client.read("site")
                server.answers["eval"] = lambda seen: answer()
                for _ in range(2):
                    with pytest.raises(HsFrameError):
                        await client.eval("now()")
                    assert len(await client.read("site")) == 2
            assert set(guard.sent) == {"BEARER"}

    asyncio.run(main())


def test_a_refused_token_is_sent_again_after_a_pause_where_the_password_is_refused_too(
    serve: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        guard = Guard(FORBIDDEN, "Basic")
        who = {"username": USER, "password": PASSWORD, "token": "t0ken"}
        async with serve(fake(anonymous=True, answers=answers(guard))) as server, Client(server.uri, **who) as client:
            for _ in range(3):
                with pytest.raises(AuthError, match="password is wrong"):
                    await client.read("site")
            assert guard.sent == {"BEARER": 2, "Basic": 1}
            guard.right = "BEARER"
            monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + 61.0)
            assert len(await client.read("site")) == 2
            assert guard.sent["Basic"] == 1

    asyncio.run(main())


@pytest.mark.parametrize("how", [*REFUSED, *UNAUTHORIZED])
def test_a_right_that_is_missing_at_first_shuts_out_no_token(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        guard = Guard(None)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            server.answers["eval"] = lambda seen: {**REFUSED, **UNAUTHORIZED}[how]()
            async with Client(server.uri, token="t0ken") as client:
                with pytest.raises(HsFrameError):
                    await client.eval("now()")
                assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize("how", [*REFUSED, *UNAUTHORIZED])
def test_a_token_that_may_read_and_not_ask_about_is_not_refused(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        guard = Guard(None)
        refusal = {**REFUSED, **UNAUTHORIZED}[how]
        server = fake(anonymous=True, answers=answers(guard))
        async with serve(server), Client(server.uri, token="t0ken") as client:
            await client.read("site")
            server.answers["about"] = lambda seen: refusal()
            for _ in range(2):
                with pytest.raises(HsFrameError) as caught:
                    await client.about()
                assert isinstance(caught.value, CallError) or "token is not accepted for this op" in str(caught.value)
                assert not getattr(caught.value, "refused", False)
                assert len(await client.read("site")) == 2
            server.answers["read"] = lambda seen: refusal()
            with pytest.raises(AuthError) as caught:
                await client.read("site")
            assert caught.value.refused, "by both"

    asyncio.run(main())


@pytest.mark.parametrize("how", [*REFUSED, *UNAUTHORIZED])
def test_a_token_that_may_not_ask_about_goes_on_where_another_op_is_refused(serve: Any, fake: Any, how: str) -> None:
    """Until an op is refused that was accepted before: then it counts for all."""

    async def main() -> None:
        guard = Guard(None)
        refuse = {**REFUSED, **UNAUTHORIZED}[how]
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            server.answers["about"] = server.answers["eval"] = lambda seen: refuse()
            async with Client(server.uri, token="t0ken", retries=0) as client:
                for _ in range(2):
                    assert len(await client.read("site")) == 2
                    with pytest.raises(HsFrameError) as caught:
                        await client.call("eval")
                    assert not (isinstance(caught.value, AuthError) and caught.value.refused)
                assert "GET about" not in server.seen_ops(), "it would tell nothing"
                guard.refuse = refuse
                sent = guard.sent["BEARER"]
                for _ in range(3):
                    with pytest.raises(AuthError) as revoked:
                        await client.read("site")
                    assert revoked.value.refused
                assert guard.sent["BEARER"] == sent + 1

    asyncio.run(main())


def test_a_token_that_is_refused_by_about_which_was_answered_is_not_sent_again(serve: Any, fake: Any) -> None:
    async def main() -> None:
        guard = Guard(None)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            async with Client(server.uri, token="t0ken") as client:
                await client.about()
                await client.read("site")
                guard.refuse = FORBIDDEN
                for _ in range(3):
                    with pytest.raises(AuthError):
                        await client.about()
            assert guard.sent["BEARER"] == 3

    asyncio.run(main())


def test_what_is_accepted_is_known_while_another_thread_notes_it_again() -> None:
    logins, who = RefusedLogins(), Credentials(token=Secret("t0ken"))
    logins.accept(who, "about")
    is_over, before_s = threading.Event(), sys.getswitchinterval()

    def note() -> None:
        while not is_over.is_set():
            logins.accept(who, "read")

    thread = threading.Thread(target=note)
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        assert all(logins.are_accepted(who) for _ in range(20_000))
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(before_s)


@pytest.mark.parametrize("how", [*REFUSED, *UNAUTHORIZED])
@pytest.mark.parametrize("is_new", [False, True])
def test_what_about_alone_is_refused_holds_for_about_alone(
    serve: Any, fake: Any, how: str, is_new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where about is the first op of a token, and however often it is asked."""
    later_s = 0.0
    monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + later_s)

    async def main() -> None:
        nonlocal later_s
        guard = Guard(None)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server, AsyncExitStack() as opened:
            server.answers["about"] = lambda seen: {**REFUSED, **UNAUTHORIZED}[how]()
            client = await opened.enter_async_context(Client(server.uri, token="t0ken"))
            for _ in range(20):
                if is_new:
                    client = await opened.enter_async_context(Client(server.uri, token="t0ken"))
                for _ in range(2):
                    with pytest.raises(HsFrameError):
                        await client.about()
                assert len(await client.read("site")) == 2
                later_s += 30.0
            assert 2 <= server.seen_ops().count("GET about") <= 5, "it is not asked each time"

    asyncio.run(main())


@pytest.mark.parametrize("how", [*REFUSED, *UNAUTHORIZED])
@pytest.mark.parametrize("ops", [["eval"], ["about", "eval"], ["eval", "about"]])
def test_what_a_right_token_may_not_call_first_shuts_out_no_other_op(
    serve: Any, fake: Any, how: str, ops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later_s = 0.0
    monkeypatch.setattr("hsframe.protocol.refused_logins._now_s", lambda: time.monotonic() + later_s)

    async def main() -> None:
        nonlocal later_s
        async with serve(fake(anonymous=True, answers=answers(Guard(None)))) as server:
            for op in ("about", "eval"):
                server.answers[op] = lambda seen: {**REFUSED, **UNAUTHORIZED}[how]()
            for _ in range(6):
                async with Client(server.uri, token="t0ken") as client:
                    for op in ops:
                        with pytest.raises(HsFrameError):
                            await client.call(op)
                    assert len(await client.read("site")) == 2
                later_s += 30.0

    asyncio.run(main())


@pytest.mark.parametrize("ops", [["about", "read"], ["read", "about"], ["about", "about"], ["read", "eval"]])
def test_a_wrong_token_is_sent_once_with_each_op(serve: Any, fake: Any, ops: list[str]) -> None:
    async def main() -> None:
        guard = Guard(FORBIDDEN)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            for _ in range(3):
                async with Client(server.uri, token="wrong") as client:
                    for op in ops * 2:
                        with pytest.raises(AuthError) as caught:
                            await client.call(op)
                        assert caught.value.refused
            assert guard.sent["BEARER"] == len({*ops, "about"})

    asyncio.run(main())


def test_a_password_takes_the_place_of_a_token_that_is_refused_for_about(serve: Any, fake: Any) -> None:
    """As that of an archive, which asks about before all else; a token that may read goes on where it is refused."""

    async def main(right: str) -> None:
        guard = Guard(FORBIDDEN, "Basic", right=right)
        who = {"username": USER, "password": PASSWORD, "token": "t0ken"}
        async with serve(fake(anonymous=True, answers=answers(guard))) as server, Client(server.uri, **who) as client:
            if right:
                assert len(await client.call("about")) == 2
                assert guard.sent["BEARER"] == 1
            else:
                server.answers["read"] = SITES
                for _ in range(3):
                    with pytest.raises(AuthError, match="password is wrong"):
                        await client.about()
                    assert len(await client.read("site")) == 2
                assert guard.sent == {"BEARER": 1, "Basic": 1}

    asyncio.run(main("Basic"))
    asyncio.run(main(""))


ERRORS_OF_LOGINS = {
    "AuthErr": lambda: web.Response(text='ver:"3.0" err dis:"AuthErr bad password"\nempty\n', content_type="text/zinc"),
    "its type": lambda: web.Response(
        text='{"_kind":"grid","meta":{"ver":"3.0","err":{"_kind":"marker"},"errType":"haystack::AuthErr","dis":"no"},'
        '"cols":[{"name":"empty"}],"rows":[]}',
        content_type="application/json",
    ),
    "text": lambda: web.Response(text="wrong password"),
    "json": lambda: web.Response(text='{"message": "wrong password"}', content_type="application/json"),
    "locked": lambda: web.Response(status=423, text="locked"),
}


@pytest.mark.parametrize("how", ERRORS_OF_LOGINS)
@pytest.mark.parametrize("offer", ["PLAINTEXT", "Basic"])
def test_a_password_that_is_refused_in_other_words_is_sent_once(serve: Any, fake: Any, how: str, offer: str) -> None:
    async def main() -> None:
        guard = Guard(ERRORS_OF_LOGINS[how], offer)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            found = await failures(server.uri, 3, username=USER, password="wrong")
            assert guard.sent.total() == 1
            assert all(isinstance(error, AuthError) and error.refused for error in found)

    asyncio.run(main())


@pytest.mark.parametrize("about", [b'{"serverName":"nHaystack","haystackVersion":"3.0"}', b"", SITES])
def test_what_a_server_answers_to_a_right_password_is_no_refusal(serve: Any, fake: Any, about: bytes) -> None:
    """nHaystack answers about with a bare dict, and offers Basic."""

    async def main() -> None:
        guard = Guard(lambda: web.Response(body=about, content_type="application/json"), "Basic")
        server = fake(anonymous=True, answers={"about": guard, "read": SITES})
        async with serve(server), Client(server.uri, USER, PASSWORD) as client:
            assert len(await client.read("site")) == 2

    asyncio.run(main())


@pytest.mark.parametrize("how", ["AuthErr", "its type"])
def test_an_error_of_a_login_later_on_counts_as_a_refusal(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        guard = Guard(None, "Basic")
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            async with Client(server.uri, USER, PASSWORD) as client:
                await client.read("site")
                guard.refuse = ERRORS_OF_LOGINS[how]
                guard.sent.clear()
                for _ in range(3):
                    for ask in (client.about, lambda: client.read("site")):
                        with pytest.raises(HsFrameError):
                            await ask()
            assert guard.sent["Basic"] == 2

    asyncio.run(main())


@pytest.mark.parametrize("how", ["AuthErr", "locked"])
def test_a_token_that_is_refused_in_other_words_is_sent_twice(serve: Any, fake: Any, how: str) -> None:
    async def main() -> None:
        guard = Guard(ERRORS_OF_LOGINS[how])
        async with serve(fake(anonymous=True, answers=answers(guard))) as server:
            for _ in range(3):
                async with Client(server.uri, token="wrong") as client:
                    with pytest.raises(AuthError, match=r"token is not accepted: read at .*(bad password|locked)"):
                        await client.read("site")
            assert guard.sent["BEARER"] == 2

    asyncio.run(main())


FORMS_OF_THE_LAST_STEP = {
    **REFUSED,
    **ERRORS_OF_LOGINS,
    "400": BAD,
    "no data": lambda: web.Response(body=SITES, content_type="text/zinc"),
    "another server": lambda: web.Response(
        headers={"Authentication-Info": f"authToken=t1, data={b64url_encode('v=' + 'A' * 43 + '=')}"}
    ),
}


@pytest.mark.parametrize("how", FORMS_OF_THE_LAST_STEP)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_proof_is_sent_once_however_it_is_refused(serve: Any, fake: Any, how: str, at_once: bool) -> None:
    """By one client after the other, and by nine at once, of which the first one speaks for all."""
    proofs = 0

    class Refusing(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            nonlocal proofs
            if scheme == "SCRAM" and b64url_decode(params["data"]).startswith("c="):
                proofs += 1
                await asyncio.sleep(0.02)
                return FORMS_OF_THE_LAST_STEP[how]()
            return await super()._login(scheme, params)

    async def main() -> None:
        async with serve(Refusing()) as server:
            if at_once:
                found = await asyncio.gather(
                    *(failures(server.uri, 1, username=USER, password="bad") for _ in range(9))
                )
            else:
                found = [await failures(server.uri, 3, username=USER, password="bad")]
            assert proofs == 1
            assert all(isinstance(error, AuthError) and error.refused for errors in found for error in errors)

    asyncio.run(main())


def test_open_sessions_share_one_refusal_of_a_password_that_was_changed(serve: Any, fake: Any) -> None:
    """Each in a thread and an event loop of its own."""
    proofs = 0

    class Changed(fake):
        is_changed = False

        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            nonlocal proofs
            if self.is_changed and scheme == "SCRAM" and b64url_decode(params["data"]).startswith("c="):
                proofs += 1
                await asyncio.sleep(0.02)
                return web.Response(status=403)
            return await super()._login(scheme, params)

    server = Changed(answers={"read": SITES})
    everyone = threading.Barrier(5, timeout=60)  # where one failed, the others say so

    async def session() -> None:
        async with Client(server.uri, USER, PASSWORD) as client:
            await client.read("site")
            await asyncio.to_thread(everyone.wait)
            server.is_changed = True
            server.forget_sessions()
            await asyncio.to_thread(everyone.wait)
            for _ in range(2):
                with pytest.raises(AuthError, match="password is wrong"):
                    await client.read("site")

    async def main() -> None:
        async with serve(server):
            await asyncio.gather(*(asyncio.to_thread(asyncio.run, session()) for _ in range(5)))
        assert proofs == 1

    asyncio.run(main())


def test_open_sessions_ask_once_whether_their_token_was_revoked(serve: Any, fake: Any) -> None:
    async def main() -> None:
        guard = Guard(None)
        async with serve(fake(anonymous=True, answers=answers(guard))) as server, AsyncExitStack() as opened:
            clients = [await opened.enter_async_context(Client(server.uri, token="t0ken")) for _ in range(10)]
            for client in clients:
                await client.read("site")
            guard.sent.clear()
            guard.refuse = FORBIDDEN
            for _ in range(3):
                found = await asyncio.gather(*(one.read("site") for one in clients), return_exceptions=True)
                assert {type(error) for error in found} == {AuthError}
            assert guard.sent["BEARER"] <= 11, "what was under way, and about once"

    asyncio.run(main())
