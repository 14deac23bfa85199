"""HELLO, SCRAM, bearer tokens: what a login looks like on the wire, and what an intruder sees."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from hsframe.errors import AuthError, MetadataError
from hsframe.protocol.scram import ScramCredentials, b64url_decode, b64url_encode
from hsframe.server.auth import Logins
from hsframe.server.clock import ManualClock
from hsframe.server.database import Database
from hsframe.testing.server import running_server

USERS = {"demo": "s3cret", "a,b=c": "pass,word=Ω"}


def test_no_login_no_answer(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    for op in ("about", "noSuchOp", "hisWrite"):  # who is not in learns nothing of the ops
        answer = raw.get(op)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "HELLO")


@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-512"])
@pytest.mark.parametrize("user", list(USERS))
def test_scram(start: Callable[..., Any], user: str, hash_name: str) -> None:
    raw = start(users=USERS, hash=hash_name)
    hello, first, final = raw.scram(user, USERS[user])
    assert (hello.status, first.status, final.status) == (401, 401, 200)
    assert hello.headers["WWW-Authenticate"].startswith("SCRAM ")
    assert f"hash={hash_name}" in hello.headers["WWW-Authenticate"]
    assert raw.get("about").grid[0]["whoami"] == user
    for answer in (hello, first, final):
        assert "=" not in answer.headers.get("Authentication-Info", "").partition("data=")[2]  # base64 without padding


def test_a_wrong_password_is_403(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    answers = raw.scram("demo", "wrong")
    assert [answer.status for answer in answers] == [401, 401, 403]
    assert "s3cret" not in answers[-1].text
    assert raw.server.open_sessions == 0


def test_an_unknown_user_looks_like_a_known_one(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)

    def shape(user: str) -> tuple[list[int], list[str], list[set[str]], list[int], str]:
        answers = raw.scram(user, "wrong")
        first = dict(part.split("=", 1) for part in b64url_decode(_data(answers[1])).split(","))
        return (
            [answer.status for answer in answers],
            [answer.text for answer in answers],
            [set(answer.headers) for answer in answers],
            [len(base64.b64decode(first["s"])), int(first["i"]), len(first["r"])],
            first["s"],
        )

    known, unknown, again, other = shape("demo"), shape("nobody"), shape("nobody"), shape("somebody")
    assert known[:4] == unknown[:4]
    assert unknown[4] == again[4]  # the salt of a name stays
    assert unknown[4] != other[4]


def _data(answer: Any) -> str:
    return str(answer.headers["WWW-Authenticate"]).partition("data=")[2]


def test_passwords_are_not_kept() -> None:
    with running_server(Database(), USERS) as server:
        reachable = repr(vars(server.app[_logins_key(server.app)])) + repr(server)
    assert "s3cret" not in reachable


def _logins_key(app: Any) -> Any:
    return next(key for key in app if isinstance(app[key], Logins))


def test_hashed_credentials_are_taken_as_they_are(start: Callable[..., Any]) -> None:
    raw = start(users={"demo": ScramCredentials.from_password("other", iterations=5000)})
    assert raw.scram("demo", "other")[-1].status == 200


def test_iterations_below_the_rfc_are_refused() -> None:
    with pytest.raises(AuthError, match="4096"), running_server(Database(), USERS, iterations=1000):
        pass


def test_a_token_ends_when_it_is_not_used(start: Callable[..., Any]) -> None:
    clock = ManualClock(_start())
    raw = start(users=USERS, clock=clock, token_ttl_s=60)
    raw.scram("demo", "s3cret")
    for _ in range(3):
        clock.advance(59)
        assert raw.get("about").status == 200  # each use moves the end on
    clock.advance(60)
    answer = raw.get("about")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "HELLO")
    assert raw.server.open_sessions == 0


def _start() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 11, 1, tzinfo=UTC)


def test_close_ends_the_session(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    raw.scram("demo", "s3cret")
    assert not raw.call("close").is_error
    assert raw.get("about").status == 401
    assert raw.server.open_sessions == 0


def test_a_server_that_forgets(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    raw.scram("demo", "s3cret")
    raw.server.drop_sessions()
    assert raw.get("about").status == 401


def test_a_handshake_has_one_try_and_a_minute(start: Callable[..., Any]) -> None:
    clock = ManualClock(_start())
    raw = start(users=USERS, clock=clock)
    token = raw.hello("demo").headers["WWW-Authenticate"].split("handshakeToken=")[1].split(",")[0]

    def step(message: str, handshake: str = token) -> Any:
        header = f"SCRAM handshakeToken={handshake}, data={b64url_encode(message)}"
        return raw.send("GET", "about", headers={"Authorization": header})

    assert step("n,,n=demo,r=abc", "unknown").status == 401
    first = step("n,,n=demo,r=abc")
    nonce = b64url_decode(_data(first)).split(",")[0].removeprefix("r=")
    proof = base64.b64encode(b"x" * 32).decode()
    assert step(f"c=biws,r={nonce},p={proof}").status == 403
    again = step(f"c=biws,r={nonce},p={proof}")
    assert (again.status, again.headers["WWW-Authenticate"]) == (401, "HELLO")
    late = raw.hello("demo").headers["WWW-Authenticate"].split("handshakeToken=")[1].split(",")[0]
    clock.advance(60)
    assert step("n,,n=demo,r=abc", late).status == 401


@pytest.mark.parametrize(
    "header",
    [
        "HELLO",
        "HELLO username=",
        "HELLO username=*",
        "hello user=eA",
        "SCRAM",
        "SCRAM data=eA",
        "BEARER",
        "Basic eDp5",
        "X",
    ],
)
def test_malformed_headers_are_400_or_401(start: Callable[..., Any], header: str) -> None:
    answer = start(users=USERS).send("GET", "about", headers={"Authorization": header})
    assert answer.status in (400, 401)
    assert answer.text


def test_a_malformed_first_message_is_400(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    token = raw.hello("demo").headers["WWW-Authenticate"].split("handshakeToken=")[1].split(",")[0]
    header = f"SCRAM handshakeToken={token}, data={b64url_encode('p=tls-unique,,n=demo,r=a')}"
    assert raw.send("GET", "about", headers={"Authorization": header}).status == 400


def test_scheme_names_come_in_any_case(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    raw.scram("demo", "s3cret")
    answer = raw.send("GET", "about", headers={"Authorization": f"bearer AuthToken={raw.token}"})
    assert answer.status == 200


def test_plaintext(start: Callable[..., Any]) -> None:
    raw = start(users=USERS, scheme="plaintext")
    assert raw.hello("demo").headers["WWW-Authenticate"] == "PLAINTEXT"

    def login(user: str, password: str) -> Any:
        header = f"PLAINTEXT username={b64url_encode(user)}, password={b64url_encode(password)}"
        return raw.send("GET", "about", headers={"Authorization": header})

    assert login("demo", "wrong").status == 403
    assert login("nobody", "s3cret").status == 403
    answer = login("demo", "s3cret")
    raw.token = answer.headers["Authentication-Info"].removeprefix("authToken=")
    assert raw.get("about").grid[0]["whoami"] == "demo"


def test_basic(start: Callable[..., Any]) -> None:
    raw = start(users=USERS, scheme="basic")
    assert raw.get("about").headers["WWW-Authenticate"] == 'Basic realm="hsframe"'

    def about(text: str) -> Any:
        header = "Basic " + base64.b64encode(text.encode()).decode()
        return raw.send("GET", "about", headers={"Authorization": header})

    assert about("demo:wrong").status == 403
    assert about("demo:s3cret").grid[0]["whoami"] == "demo"
    assert raw.send("GET", "about", headers={"Authorization": "Basic ?"}).status == 400


def test_no_header_is_logged(start: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "hsframe")
    raw = start(users=USERS)
    raw.scram("demo", "s3cret")
    raw.get("about")
    assert "GET 'about': 200, 1 rows, " in caplog.text
    assert "GET 'about': 401, no grid, " in caplog.text
    assert raw.token not in caplog.text
    assert "BEARER" not in caplog.text


def test_an_unknown_quirk_is_named() -> None:
    with pytest.raises(MetadataError, match="did you mean niagara"), ExitStack() as stack:
        stack.enter_context(running_server(Database(), quirks=["niagra"]))


def test_many_logins_leave_nothing(start: Callable[..., Any]) -> None:
    raw = start(users=USERS)
    for _ in range(40):
        assert raw.scram("demo", "s3cret")[-1].status == 200
        assert raw.get("about").status == 200
        assert raw.post("close", 'ver:"3.0"\nempty\n').status == 200
    logins = raw.server.app[_logins_key(raw.server.app)]
    assert (logins.open_sessions, len(logins._handshakes)) == (0, 0)
