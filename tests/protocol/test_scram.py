"""SCRAM against the RFC's vectors, against the other half, and against every kind of tampering."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import AuthError
from hsframe.protocol.scram import (
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    Derivation,
    ScramClient,
    ScramCredentials,
    ScramServer,
    b64url_decode,
    b64url_encode,
)
from hsframe.protocol.secret import Secret

# RFC 7677 section 3.
RFC_CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
RFC_SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
RFC_SERVER_FIRST = f"r={RFC_CLIENT_NONCE}{RFC_SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
RFC_PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
RFC_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def run(client: ScramClient, server: ScramServer, password: str) -> None:
    derivation = client.challenge(server.first(client.first()), Secret(password))
    client.verify(server.final(client.final(derivation.run())))


def test_rfc7677_client() -> None:
    client = ScramClient("user", "SHA-256", RFC_CLIENT_NONCE)
    assert client.first() == f"n,,n=user,r={RFC_CLIENT_NONCE}"
    derivation = client.challenge(RFC_SERVER_FIRST, Secret("pencil"))
    assert (derivation.salt, derivation.iterations, derivation.hash) == (RFC_SALT, 4096, "SHA-256")
    final = client.final(derivation.run())
    assert final == f"c=biws,r={RFC_CLIENT_NONCE}{RFC_SERVER_NONCE},p={RFC_PROOF}"
    client.verify(f"v={RFC_SIGNATURE}")


def test_rfc7677_server() -> None:
    credentials = ScramCredentials.from_password("pencil", "SHA-256", RFC_SALT, 4096)
    server = ScramServer({"user": credentials}.get, RFC_SERVER_NONCE)
    assert server.first(f"n,,n=user,r={RFC_CLIENT_NONCE}") == RFC_SERVER_FIRST
    assert server.final(f"c=biws,r={RFC_CLIENT_NONCE}{RFC_SERVER_NONCE},p={RFC_PROOF}") == f"v={RFC_SIGNATURE}"


def stdlib_scram(user: str, password: str, hash_name: str, cnonce: str, snonce: str, salt: bytes, count: int):
    """Proof and signature by hashlib and hmac, written from RFC 5802 section 3 alone."""
    h = hash_name.lower().replace("-", "")

    def mac(key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, h).digest()

    salted = hashlib.pbkdf2_hmac(h, password.encode(), salt, count)
    client_key = mac(salted, b"Client Key")
    stored = hashlib.new(h, client_key).digest()
    server_first = f"r={cnonce}{snonce},s={base64.b64encode(salt).decode()},i={count}"
    auth = f"n={user},r={cnonce},{server_first},c=biws,r={cnonce}{snonce}".encode()
    proof = bytes(a ^ b for a, b in zip(client_key, mac(stored, auth), strict=True))
    signature = mac(mac(salted, b"Server Key"), auth)
    return server_first, base64.b64encode(proof).decode(), base64.b64encode(signature).decode()


@pytest.mark.parametrize("hash_name", ["SHA-256", "SHA-512"])
@pytest.mark.parametrize(("user", "password"), [("user", "pencil"), ("zoë, =x", "pässwörd ✓"), ("a", "")])
def test_agrees_with_an_independent_implementation(hash_name: str, user: str, password: str) -> None:
    server_first, proof, signature = stdlib_scram(user, password, hash_name, "cn", "sn", b"0123456789abcdef", 5000)
    client = ScramClient(user, hash_name, "cn")
    derivation = client.challenge(server_first, Secret(password))
    assert client.final(derivation.run()) == f"c=biws,r=cnsn,p={proof}"
    client.verify(f"v={signature}")
    server = ScramServer(
        {user: ScramCredentials.from_password(password, hash_name, b"0123456789abcdef", 5000)}.get, "sn"
    )
    assert server.first(f"n,,n={user},r=cn") == server_first
    assert server.final(f"c=biws,r=cnsn,p={proof}") == f"v={signature}"
    assert server.username == user


def test_sha512_vector_is_frozen() -> None:
    # Made by the independent implementation above; a change of both at once would show here.
    _, proof, signature = stdlib_scram("user", "pencil", "SHA-512", RFC_CLIENT_NONCE, "srv", RFC_SALT, 4096)
    client = ScramClient("user", "SHA-512", RFC_CLIENT_NONCE)
    keys = client.challenge(f"r={RFC_CLIENT_NONCE}srv,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", Secret("pencil")).run()
    assert client.final(keys).endswith(f"p={proof}")
    client.verify(f"v={signature}")
    assert proof == SHA512_PROOF
    assert signature == SHA512_SIGNATURE


SHA512_PROOF = "1OpsFyi+KRPH1j6CW9CTCpXgzUv72cJ1LLQ/JGYEYimzrqu/avvs9S6Cpyyn1Ip87CJ1WXDKoSe1eHO0mkZTGg=="
SHA512_SIGNATURE = "KfzSWRSp+3+Uza9r1b2yBlm45M8RViLDpcA3wXt/VGiZRUHtOx42jlFGwE24+Mei6T5Kuk0ofRrJyFdZNwfQrA=="


@given(
    user=st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20),
    password=st.text(st.characters(codec="utf-8"), max_size=20),
    hash_name=st.sampled_from(["SHA-256", "SHA-512", "sha-256"]),
)
def test_both_halves_meet(user: str, password: str, hash_name: str) -> None:
    server = ScramServer({user: ScramCredentials.from_password(password, hash_name, iterations=MIN_ITERATIONS)}.get)
    run(ScramClient(user, hash_name), server, password)
    assert server.username == user


def test_a_wrong_password_and_an_unknown_name_look_alike() -> None:
    users = {"u": ScramCredentials.from_password("right", iterations=MIN_ITERATIONS)}
    messages = []
    for name, password in [("u", "wrong"), ("nobody", "right")]:
        with pytest.raises(AuthError) as caught:
            run(ScramClient(name), ScramServer(users.get, unknown=lambda: users["u"]), password)
        messages.append(str(caught.value))
    assert messages == ["the user name or the password is wrong"] * 2


def test_an_unknown_name_has_the_same_salt_each_time() -> None:
    like = ScramCredentials.from_password("x", iterations=MIN_ITERATIONS)

    def salt_and_count(name: str) -> str:
        return ScramServer({}.get, unknown=lambda: like).first(f"n,,n={name},r=abc").split(",s=")[1]

    assert salt_and_count("ann") == salt_and_count("ann") != salt_and_count("bob")
    assert salt_and_count("ann").endswith(f",i={MIN_ITERATIONS}")


@pytest.mark.parametrize(
    ("server_first", "words"),
    [
        ("r=abcSRV,s=c2FsdA==,i=4095", "iterations"),
        ("r=abcSRV,s=c2FsdA==,i=0", "iterations"),
        ("r=abcSRV,s=c2FsdA==,i=-5000", "iterations"),
        ("r=abcSRV,s=c2FsdA==,i=5e3", "iterations"),
        ("r=abcSRV,s=c2FsdA==,i=٥٠٠٠", "iterations"),
        (f"r=abcSRV,s=c2FsdA==,i={MAX_ITERATIONS + 1}", "iterations"),
        ("r=abcSRV,s=c2FsdA==,i=" + "9" * 5000, "iterations"),
        ("r=abc,s=c2FsdA==,i=5000", "does not extend"),
        ("r=abXSRV,s=c2FsdA==,i=5000", "does not extend"),
        ("r=SRVabc,s=c2FsdA==,i=5000", "does not extend"),
        ("r=abcSRV,s=,i=5000", "lacks the attribute 's='"),
        ("r=abcSRV,s=!!!!,i=5000", "not valid base64"),
        ("r=abcSRV,i=5000", "lacks the attribute 's='"),
        ("r=abcSRV,s=c2FsdA==", "lacks the attribute 'i='"),
        ("s=c2FsdA==,i=5000", "lacks the attribute 'r='"),
        ("m=x,r=abcSRV,s=c2FsdA==,i=5000", "mandatory extension"),
        ("r=abcSRV,r=abcSRV,s=c2FsdA==,i=5000", "malformed"),
        ("", "malformed"),
        ("hello", "malformed"),
    ],
)
def test_a_bad_challenge_is_refused_before_the_password_is_used(server_first: str, words: str) -> None:
    client = ScramClient("user", nonce="abc")
    with pytest.raises(AuthError, match=words):
        client.challenge(server_first, Secret("pencil"))


@pytest.mark.parametrize(
    "server_final",
    [
        "v=" + base64.b64encode(bytes(32)).decode(),
        "v=" + RFC_SIGNATURE.replace("6", "7", 1),
        "v=",
        "v=x!",
        "v=" + base64.b64encode(base64.b64decode(RFC_SIGNATURE)[:-1]).decode(),
        "e=other-error",
        "",
        f"v={RFC_SIGNATURE},v={RFC_SIGNATURE}",
    ],
)
def test_a_server_that_cannot_prove_itself_is_refused(server_final: str) -> None:
    client = ScramClient("user", "SHA-256", RFC_CLIENT_NONCE)
    client.final(client.challenge(RFC_SERVER_FIRST, Secret("pencil")).run())
    with pytest.raises(AuthError):
        client.verify(server_final)


def test_no_signature_is_accepted_before_a_proof_was_made() -> None:
    with pytest.raises(AuthError, match="signature is wrong"):
        ScramClient("user").verify("v=" + base64.b64encode(b"").decode() + "AAAA")


@pytest.mark.parametrize("name", ["SHA-1", "MD5", "", "SHA-256,SHA-1", "sha256"])
def test_other_hashes_are_refused(name: str) -> None:
    with pytest.raises(AuthError, match="is not trusted"):
        ScramClient("user", name)
    with pytest.raises(AuthError, match="is not trusted"):
        ScramCredentials.from_password("x", name, iterations=MIN_ITERATIONS)


@pytest.mark.parametrize(
    "client_first",
    ["", "n=user,r=abc", "y,,n=user,r=abc", "p=tls-unique,,n=user,r=abc", "n,,r=abc", "n,,n=user", "n,,n=user,r="],
)
def test_the_server_refuses_a_bad_first_message(client_first: str) -> None:
    with pytest.raises(AuthError):
        ScramServer({}.get).first(client_first)


def test_the_server_refuses_each_changed_part_of_the_final_message() -> None:
    credentials = ScramCredentials.from_password("pencil", "SHA-256", RFC_SALT, 4096)
    nonce = RFC_CLIENT_NONCE + RFC_SERVER_NONCE
    bad = [
        f"c=biws,r={nonce}x,p={RFC_PROOF}",
        f"c=eSws,r={nonce},p={RFC_PROOF}",
        f"r={nonce},p={RFC_PROOF}",
        f"c=biws,r={nonce},p={RFC_PROOF[4:]}",
        f"c=biws,r={nonce},p=d{RFC_PROOF[1:].replace('H', 'I', 1)}",
        f"c=biws,r={nonce},x=1,p={RFC_PROOF}",
        f"c=biws,r={nonce},p=",
        f"c=biws,r={nonce}",
        "",
    ]
    for final in bad:
        server = ScramServer({"user": credentials}.get, RFC_SERVER_NONCE)
        server.first(f"n,,n=user,r={RFC_CLIENT_NONCE}")
        with pytest.raises(AuthError):
            server.final(final)


def test_one_try_a_login() -> None:
    credentials = ScramCredentials.from_password("pencil", "SHA-256", RFC_SALT, 4096)
    server = ScramServer({"user": credentials}.get, RFC_SERVER_NONCE)
    with pytest.raises(AuthError, match="before the client-first"):
        server.final("c=biws,r=x,p=x")
    server.first(f"n,,n=user,r={RFC_CLIENT_NONCE}")
    final = f"c=biws,r={RFC_CLIENT_NONCE}{RFC_SERVER_NONCE},p={RFC_PROOF}"
    server.final(final)
    with pytest.raises(AuthError, match="twice"):
        server.final(final)


@given(st.data())
def test_any_flipped_character_on_the_way_ends_the_login(data: st.DataObject) -> None:
    """A man in the middle changes one character of one of the four messages."""
    server = ScramServer({"user": ScramCredentials.from_password("pencil", iterations=MIN_ITERATIONS)}.get)
    client = ScramClient("user")
    which = data.draw(st.integers(0, 3))

    def wire(number: int, message: str) -> str:
        if number != which:
            return message
        at = data.draw(st.integers(0, len(message) - 1))
        # Base64 has bits that do not count at its end; a change there changes nothing.
        other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != message[at]))
        return message[:at] + other + message[at + 1 :]

    sent = []

    def both(number: int, message: str) -> str:
        changed = wire(number, message)
        sent.append((message, changed))
        return changed

    try:
        keys = client.challenge(both(1, server.first(both(0, client.first()))), Secret("pencil")).run()
        client.verify(both(3, server.final(both(2, client.final(keys)))))
    except AuthError:
        return
    message, changed = sent[which]
    # Only a change that leaves the decoded bytes alone may pass.
    old, new = (base64.b64decode((m[2:] if which == 3 else m.rpartition(",p=")[2]) + "==") for m in (message, changed))
    assert which in (2, 3)
    assert old == new


@given(st.text(st.characters(codec="utf-8")))
def test_base64url_round_trip_has_no_padding(text: str) -> None:
    encoded = b64url_encode(text)
    assert "=" not in encoded
    assert "+" not in encoded
    assert "/" not in encoded
    assert b64url_decode(encoded) == text


@pytest.mark.parametrize("bad", ["*", "a", "_w", "dXNlcg dXNlcg"])
def test_base64url_of_garbage_is_an_auth_error(bad: str) -> None:
    with pytest.raises(AuthError, match="base64url"):
        b64url_decode(bad)


def test_nothing_secret_in_a_repr() -> None:
    secret = Secret("hunter2")
    derivation = Derivation(secret, b"saltsaltsalt", 4096, "SHA-256")
    credentials = ScramCredentials.from_password("hunter2", iterations=MIN_ITERATIONS)
    text = " ".join(map(repr, (secret, derivation, derivation.run(), credentials))) + str(secret) + f"{secret}"
    assert "hunter2" not in text
    assert credentials.stored_key.hex() not in text
    assert repr(credentials.stored_key) not in text
