"""Logins driven with no network: the client's generator against the server's half, and against servers that lie."""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from hsframe.errors import AuthError, HTTPStatusError, MetadataError, NetworkError
from hsframe.protocol.http import HttpAnswer, HttpRequest
from hsframe.protocol.login_steps import AuthScheme, Credentials, LoginResult, challenges, login_steps
from hsframe.protocol.scram import (
    MIN_ITERATIONS,
    Derivation,
    ScramCredentials,
    ScramServer,
    b64url_decode,
    b64url_encode,
)
from hsframe.protocol.secret import Secret

URI = "http://10.1.2.3/api/demo"
PASSWORD = "pencil-5ecret"
USERS = {
    "user": ScramCredentials.from_password(PASSWORD, iterations=MIN_ITERATIONS),
    "u512": ScramCredentials.from_password(PASSWORD, "SHA-512", iterations=MIN_ITERATIONS),
}


class Server:
    """The server's side of the standard's login as a function of the Authorization header."""

    def __init__(self, **quirks: str) -> None:
        self.quirks = quirks
        self.seen: list[str] = []
        self.scram = ScramServer(USERS.get, unknown=lambda: USERS["user"])
        self.step = 0

    def __call__(self, headers: Mapping[str, str]) -> HttpAnswer:
        header = str(headers["Authorization"])
        self.seen.append(header)
        scheme, _, rest = header.partition(" ")
        params = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert not any(value.endswith("=") or value.startswith('"') for value in params.values())
        self.step += 1
        token = f"token{self.step}"
        if scheme == "HELLO":
            user = b64url_decode(params["username"])
            hash_name = USERS[user].hash if user in USERS else "SHA-256"
            offer = self.quirks.get("offer", f"scram handshakeToken={token}, hash={hash_name}")
            return HttpAnswer(401, "Auth challenge", (("WWW-Authenticate", offer),))
        if scheme == "SCRAM":
            assert params["handshakeToken"] == f"token{self.step - 1}", "the newest token must come back"
            data = b64url_decode(params["data"])
            if data.startswith("n,,"):
                first = self.scram.first(data)
                first = self.quirks.get("first", first)
                hash_name = self.quirks.get(
                    "second_hash", USERS[self.scram.username].hash if self.scram.username in USERS else "SHA-256"
                )
                text = f"SCRAM data={b64url_encode(first)}, handshakeToken={token}, hash={hash_name}"
                return HttpAnswer(401, "", (("www-authenticate", text),))
            try:
                final = self.scram.final(data)
            except AuthError:
                return HttpAnswer(403, "Auth failed: Invalid username or password")
            final = self.quirks.get("final", final)
            info = self.quirks.get(
                "info", f"authToken=web-1-abc, data={b64url_encode(final)}, hash={USERS[self.scram.username].hash}"
            )
            return HttpAnswer(200, "", (("Authentication-Info", info),) if info else ())
        if scheme == "PLAINTEXT":
            right = b64url_decode(params["username"]) in USERS and b64url_decode(params["password"]) == PASSWORD
            return HttpAnswer(200, "", (("Authentication-Info", "authToken=plain-1"),)) if right else HttpAnswer(401)
        raise AssertionError(f"unexpected scheme {scheme}")


def drive(
    serve: Callable[[Mapping[str, str]], HttpAnswer],
    user: str = "user",
    password: str = PASSWORD,
    *,
    token: str = "",
    auth: AuthScheme = "auto",
    cleartext_allowed: bool = False,
) -> LoginResult:
    steps = login_steps(Credentials(user, Secret(password), Secret(token), auth, cleartext_allowed), URI)
    try:
        step = next(steps)
        while True:
            if isinstance(step, HttpRequest):
                step = steps.send(replace(serve(step.headers), request=step))
            else:
                step = steps.send(step.run())
    except StopIteration as done:
        return done.value


@pytest.mark.parametrize("user", ["user", "u512"])
def test_scram_login_gives_the_bearer_header(user: str) -> None:
    server = Server()
    session = drive(server, user)
    assert session.scheme == "scram"
    assert session.on_server
    assert str(session.headers["Authorization"]) == "BEARER authToken=web-1-abc"
    assert [header.split(" ")[0] for header in server.seen] == ["HELLO", "SCRAM", "SCRAM"]
    assert server.scram.username == user


def test_the_user_name_goes_raw() -> None:
    seen = []

    def serve(headers: Mapping[str, str]) -> HttpAnswer:
        header = str(headers["Authorization"])
        seen.append(header)
        if header.startswith("HELLO"):
            return HttpAnswer(401, "", (("WWW-Authenticate", "scram hash=SHA-256"),))
        return HttpAnswer(403, "no")

    with pytest.raises(AuthError):
        drive(serve, "a=b,c")
    assert seen[0] == f"HELLO username={b64url_encode('a=b,c')}"
    assert "handshakeToken" not in seen[1]
    data = re.search(r"data=(\S+)", seen[1])
    assert data is not None
    assert b64url_decode(data[1]).startswith("n,,n=a=b,c,r=")


@pytest.mark.parametrize(("user", "password"), [("user", "hunter-2"), ("nobody", PASSWORD)])
def test_a_refused_login_names_user_and_uri_and_no_secret(user: str, password: str) -> None:
    with pytest.raises(AuthError) as caught:
        drive(Server(), user, password)
    text = str(caught.value)
    assert repr(user) in text
    assert URI in text
    assert "user name or the password is wrong" in text
    assert "Invalid username or password" in text
    assert password not in text


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ({"first": "r=stolen,s=c2FsdA==,i=5000"}, "does not extend"),
        ({"first": "garbage"}, "malformed"),
        ({"second_hash": "SHA-1"}, "changed the hash"),
        ({"final": "v=" + base64.b64encode(bytes(32)).decode()}, "signature is wrong"),
        ({"final": "e=other-error"}, "ended the login"),
        ({"info": ""}, "did not prove"),
        ({"info": "authToken=evil"}, "did not prove"),
        ({"info": "authToken=evil, data=!!"}, "base64url"),
        ({"offer": "scram handshakeToken=token1, hash=SHA-1"}, "SHA-1"),
        ({"offer": "Negotiate"}, "negotiate"),
        ({"offer": ""}, "no scheme"),
        ({"offer": "PLAINTEXT"}, "allow_insecure=True"),
        ({"offer": 'Basic realm="x"'}, "allow_insecure=True"),
    ],
)
def test_a_server_that_lies_or_weakens_the_login_is_refused(quirks: dict[str, str], words: str) -> None:
    server = Server(**quirks)
    with pytest.raises(AuthError, match=words) as caught:
        drive(server)
    assert "'user'" in str(caught.value)
    assert URI in str(caught.value)
    # Nothing that holds the password in clear was sent.
    sent = " ".join(server.seen)
    assert PASSWORD not in sent
    assert b64url_encode(PASSWORD) not in sent


def test_the_token_of_a_server_without_proof_is_not_used() -> None:
    server = Server(final="v=" + base64.b64encode(bytes(32)).decode())
    with pytest.raises(AuthError):
        drive(server)
    assert not any("BEARER" in header for header in server.seen)


def test_plaintext_where_it_is_allowed() -> None:
    session = drive(Server(offer="plaintext"), cleartext_allowed=True)
    assert (session.scheme, session.on_server) == ("plaintext", True)
    assert str(session.headers["Authorization"]) == "BEARER authToken=plain-1"
    with pytest.raises(AuthError, match="user name or the password is wrong"):
        drive(Server(offer="plaintext"), password="wrong", cleartext_allowed=True)


def test_scram_goes_before_plaintext_and_basic_and_sha512_before_sha256() -> None:
    offer = 'Basic realm="a, b", PLAINTEXT, SCRAM hash=SHA-256, handshakeToken=no'
    offer += ", scram hash=SHA-512, handshakeToken=token1"
    server = Server(offer=offer)
    assert drive(server, "u512", cleartext_allowed=True).scheme == "scram"
    assert "handshakeToken=token1" in server.seen[1]


def basic_server(headers: Mapping[str, str]) -> HttpAnswer:
    scheme, _, text = str(headers["Authorization"]).partition(" ")
    if scheme == "Basic" and base64.b64decode(text).decode() == f"user:{PASSWORD}":
        return HttpAnswer(200, body=b'ver:"3.0"\nempty\n')
    return HttpAnswer(401, "", (("WWW-Authenticate", 'Basic realm="station"'),))


def test_basic() -> None:
    session = drive(basic_server, cleartext_allowed=True)
    assert (session.scheme, session.on_server) == ("basic", False)
    assert base64.b64decode(str(session.headers["Authorization"]).split()[1]).decode() == f"user:{PASSWORD}"
    assert drive(basic_server, auth="basic", cleartext_allowed=True).scheme == "basic"
    with pytest.raises(AuthError, match="password is wrong"):
        drive(basic_server, password="wrong", cleartext_allowed=True)
    with pytest.raises(AuthError, match="colon"):
        drive(basic_server, "a:b", cleartext_allowed=True)


@pytest.mark.parametrize(
    "hello",
    [
        HttpAnswer(500, body=b"Input byte array has wrong 4-byte ending unit"),
        HttpAnswer(200, headers=(("Server", "Niagara Web Server/3.0"),)),
        HttpAnswer(302, headers=(("Set-Cookie", "niagara_session=1"), ("Location", "/login"))),
    ],
)
def test_niagara_wants_basic_and_does_not_say_so(hello: HttpAnswer) -> None:
    def serve(headers: Mapping[str, str]) -> HttpAnswer:
        return hello if str(headers["Authorization"]).startswith("HELLO") else basic_server(headers)

    assert drive(serve, cleartext_allowed=True).scheme == "basic"


def test_a_server_without_login_needs_none() -> None:
    session = drive(lambda headers: HttpAnswer(200, body=b'ver:"3.0"\nempty\n'))
    assert (session.scheme, dict(session.headers), session.on_server) == ("none", {}, False)


def test_a_token_and_nobody_need_no_request() -> None:
    def never(headers: Mapping[str, str]) -> HttpAnswer:
        raise AssertionError("nothing is to be sent")

    given = drive(never, token="my-t0ken")
    assert str(given.headers["Authorization"]) == "BEARER authToken=my-t0ken"
    assert (given.scheme, given.on_server) == ("bearer", False)
    assert drive(never, "", "").scheme == "none"
    assert drive(never, auth="none").scheme == "none"


def test_auth_names_the_only_scheme() -> None:
    with pytest.raises(AuthError, match="auth='scram', and the server offers plaintext"):
        drive(Server(offer="PLAINTEXT"), auth="scram", cleartext_allowed=True)
    with pytest.raises(MetadataError, match="token="):
        drive(Server(), auth="bearer")
    with pytest.raises(MetadataError, match="needs a user name"):
        drive(Server(), "", auth="scram")
    with pytest.raises(AuthError, match="allow_insecure"):
        drive(Server(), auth="plaintext")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            HttpAnswer(404, "Proj not found", body=b"<html><title>404 Not Found</title></html>"),
            HTTPStatusError,
            "api/demo/",
        ),
        (
            HttpAnswer(200, headers=(("Content-Type", "text/html"),), body=b"<html><title>Welcome</title>"),
            NetworkError,
            "Welcome",
        ),
        (HttpAnswer(301, headers=(("Location", "https://10.1.2.3/api/demo/about"),)), NetworkError, "https://10.1.2.3"),
        (HttpAnswer(500, "Oops"), HTTPStatusError, "Oops"),
        (HttpAnswer(403, "Account locked"), AuthError, "Account locked"),
        (HttpAnswer(400, "Missing username"), AuthError, "Missing username"),
    ],
)
def test_what_is_no_haystack_server(answer: HttpAnswer, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        drive(lambda headers: answer)
    assert type(caught.value) is kind
    assert URI in str(caught.value)


def test_challenges_in_every_spelling() -> None:
    def parsed(*values: str) -> list[tuple[str, dict[str, str]]]:
        answer = HttpAnswer(401, headers=tuple(("WWW-Authenticate", value) for value in values))
        return [(c.scheme, dict(c.params)) for c in challenges(answer)]

    assert parsed("scram handshakeToken=c3U, hash=SHA-256") == [("scram", {"handshaketoken": "c3U", "hash": "SHA-256"})]
    assert parsed("SCRAM  hash=SHA-256 ,handshakeToken=a") == [("scram", {"hash": "SHA-256", "handshaketoken": "a"})]
    assert parsed('Basic realm="a, \\"b\\"", PLAINTEXT') == [("basic", {"realm": 'a, "b"'}), ("plaintext", {})]
    assert parsed("Basic", "Bearer") == [("basic", {}), ("bearer", {})]
    assert parsed("", ",", "=", '"') == []


def test_no_secret_in_a_traceback_of_a_failed_login() -> None:
    for server, words in [
        (Server(), "wrong"),
        (Server(info="authToken=t0p, data=!!"), "base64url"),
        (Server(offer="Basic"), "Basic"),
    ]:
        password = "wr0ng-secret" if words == "wrong" else PASSWORD
        try:
            drive(server, password=password)
        except AuthError as error:
            lines = [
                line
                for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack
                if "/hsframe/" in frame.filename
                for line in (frame.line, *(frame.locals or {}).values())
            ]
        text = "\n".join(map(str, lines))
        assert "steps" in text
        assert "wr0ng-secret" not in text
        assert PASSWORD not in text
        assert b64url_encode(password) not in text
        assert "t0p" not in text


def test_derivations_are_steps() -> None:
    """The slow step comes out of the generator, so that the driver can run it elsewhere."""
    steps = login_steps(Credentials("user", Secret(PASSWORD)), URI)
    server = Server()
    step = next(steps)
    assert isinstance(step, HttpRequest)
    step = steps.send(server(step.headers))
    assert isinstance(step, HttpRequest)
    step = steps.send(server(step.headers))
    assert isinstance(step, Derivation)
    assert step.iterations == MIN_ITERATIONS
