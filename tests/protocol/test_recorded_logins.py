"""Logins recorded on the wire of two real servers: every header that is sent is the one that they took."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest

from hsframe.errors import AuthError
from hsframe.protocol.http import HttpAnswer, HttpRequest
from hsframe.protocol.login_steps import Credentials, login_steps
from hsframe.protocol.scram import ScramCredentials, ScramServer, b64url_decode, b64url_encode
from hsframe.protocol.secret import Secret


@dataclass(frozen=True)
class Recording:
    """The Authorization headers of a login and the answers to them. The tokens have died long ago."""

    user: str
    password: str
    nonce: str
    asked: tuple[str, str, str]
    answered: tuple[HttpAnswer, HttpAnswer, HttpAnswer]
    bearer: str


HAXALL = Recording(  # Haxall 4.0.6
    user="su",
    password="su-secret",
    nonce="shyJbiGWtjb4N4ZWvWI4wi0h",
    asked=(
        "HELLO username=c3U",
        "SCRAM handshakeToken=c3U, data=biwsbj1zdSxyPXNoeUpiaUdXdGpiNE40Wld2V0k0d2kwaA",
        "SCRAM handshakeToken=c3U, data=Yz1iaXdzLHI9c2h5SmJpR1d0amI0TjRaV3ZXSTR3aTBoOTNmM2FhYTRmM2RiMmQxNDdmY2"
        "JjMTJkZGYyMGY5YjkscD1yRDBHVGN2RklLN2ZaYzl5UXYvY0NFTkxmSXhyNWY0bStjWkorYUVHbEtZPQ",
    ),
    answered=(
        HttpAnswer(401, "Auth challenge", (("WWW-Authenticate", "scram handshakeToken=c3U, hash=SHA-256"),)),
        HttpAnswer(
            401,
            "Auth challenge",
            (
                (
                    "WWW-Authenticate",
                    "scram data=cj1zaHlKYmlHV3RqYjRONFpXdldJNHdpMGg5M2YzYWFhNGYzZGIyZDE0N2ZjYmMxMmRkZjIwZjliOS"
                    "xzPWRRdGhJZEx0WlFKRDhuM0hjQzY5N2ZET0VyUmdUcEVnZzN2aG16ZHYwZkU9LGk9MTAwMDA, "
                    "handshakeToken=c3U, hash=SHA-256",
                ),
            ),
        ),
        HttpAnswer(
            200,
            "Auth successful",
            (
                (
                    "Authentication-Info",
                    "authToken=web-DujelB4YbcRAujAITyHdsSa4Jk1T4uL8AcPRtzrEq-I-25, "
                    "data=dj1rbjhMNVFlNC96WEgvRnZLMUs3SkwvVjFXWVhzODl2aThkdE9vRUg1dXMwPQ, hash=SHA-256",
                ),
                ("Set-Cookie", "hx-session-8085=web-DujelB4YbcRAujAITyHdsSa4Jk1T4uL8AcPRtzrEq-I-25;Path=/;HttpOnly"),
            ),
        ),
    ),
    bearer="web-DujelB4YbcRAujAITyHdsSa4Jk1T4uL8AcPRtzrEq-I-25",
)

HAYSTACK_PY = Recording(  # haystack-py 0.1.10: another handshake token at each step, no hash in the last answer
    user="admin",
    password="admin123",
    nonce="BHsXHQ9OUeW5lq4H",
    asked=(
        "HELLO username=YWRtaW4",
        "SCRAM handshakeToken=pBjTSV82GVo9sT0pgk4TdyeAdy5Tounh, data=biwsbj1hZG1pbixyPUJIc1hIUTlPVWVXNWxxNEg",
        "SCRAM handshakeToken=HFMsyU1VA6Rq1uaHNJFPA4Ued2eVwxJ6, data=Yz1iaXdzLHI9QkhzWEhROU9VZVc1bHE0SGMwa1I5c0"
        "Y3MTVZVmpBaTBINTFtWnBCcVB4UktGclhQLHA9dFNzUDRaK3RnYmloUWdwNEtubnVjRDMvK01NOFJyQ1ZXTkNab3ZBNGgwQT0",
    ),
    answered=(
        HttpAnswer(
            401,
            "Unauthorized",
            (("www-authenticate", "SCRAM hash=SHA-256, handshakeToken=pBjTSV82GVo9sT0pgk4TdyeAdy5Tounh"),),
        ),
        HttpAnswer(
            401,
            "Unauthorized",
            (
                (
                    "www-authenticate",
                    "SCRAM handshakeToken=HFMsyU1VA6Rq1uaHNJFPA4Ued2eVwxJ6, hash=SHA-256, data=cj1CSHNYSFE5T1VlVzVscTRI"
                    "YzBrUjlzRjcxNVlWakFpMEg1MW1acEJxUHhSS0ZyWFAscz04VTVjUm5rSjFTMytubm1MeGRJQlZnPT0saT02MDAwMDA",
                ),
            ),
        ),
        HttpAnswer(
            200,
            "OK",
            (
                (
                    "authentication-info",
                    "authToken=aZ9n6TjSKWqhKHozRI-lXN6OyrBWNdb644MDmEADCQw, "
                    "data=dj1rRUd6R2t4OTdXUEozTVlaK25ma2dTRFpJU2w2QU91QjJEYTlUZ2RTbkRRPQ",
                ),
            ),
        ),
    ),
    bearer="aZ9n6TjSKWqhKHozRI-lXN6OyrBWNdb644MDmEADCQw",
)

every_recording = pytest.mark.parametrize("of", [HAXALL, HAYSTACK_PY], ids=["haxall", "haystack-py"])


def replay(of: Recording, password: str) -> tuple[list[str], str]:
    steps = login_steps(Credentials(of.user, Secret(password)), "http://10.0.0.1/api")
    sent: list[str] = []
    try:
        step = next(steps)
        while True:
            if isinstance(step, HttpRequest):
                sent.append(str(step.headers["Authorization"]))
                step = steps.send(of.answered[len(sent) - 1])
            else:
                step = steps.send(step.run())
    except StopIteration as done:
        return sent, str(done.value.headers["Authorization"])


@every_recording
def test_a_recorded_login_is_sent_as_it_was(of: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsframe.protocol.scram._new_nonce", lambda: of.nonce)
    sent, bearer = replay(of, of.password)
    assert tuple(sent) == of.asked
    assert bearer == f"BEARER authToken={of.bearer}"


@every_recording
def test_another_password_finds_the_signature_wrong(of: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsframe.protocol.scram._new_nonce", lambda: of.nonce)
    with pytest.raises(AuthError, match="signature is wrong"):
        replay(of, of.password + "x")


@every_recording
def test_the_servers_half_says_what_the_real_server_said(of: Recording) -> None:
    def data(text: str) -> str:
        return b64url_decode(text.split("data=")[1].split(",")[0])

    server_first = data(of.answered[1].headers[0][1])
    nonce, salt, count = (part.partition("=")[2] for part in server_first.split(","))
    credentials = ScramCredentials.from_password(of.password, "SHA-256", base64.b64decode(salt), int(count))
    server = ScramServer({of.user: credentials}.get, nonce.removeprefix(of.nonce))
    assert server.first(data(of.asked[1])) == server_first
    final = server.final(data(of.asked[2]))
    assert b64url_encode(final) in of.answered[2].headers[0][1]
