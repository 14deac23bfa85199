"""SCRAM (RFC 5802, RFC 7677) as Haystack uses it: both halves, messages in and messages out, no I/O.

The rules of this file: all cryptography is done by ``cryptography``; comparisons take constant time; what a peer
sends is checked before it is used. Four messages, in the grammar of RFC 5802 section 7::

    client-first   "n,,n=" user ",r=" client-nonce
    server-first   "r=" client-nonce server-nonce ",s=" base64(salt) ",i=" iterations
    client-final   "c=biws,r=" whole nonce ",p=" base64(proof)
    server-final   "v=" base64(signature)

Two things differ from the RFC, because servers differ from it: the user name is sent raw (Haxall refuses ``=2C``
and ``=3D``), and neither name nor password goes through SASLprep.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from hsframe.errors import AuthError
from hsframe.protocol.secret import Secret

HASHES: Final[Mapping[str, type[hashes.SHA256] | type[hashes.SHA512]]] = {
    "SHA-256": hashes.SHA256,
    "SHA-512": hashes.SHA512,
}
# RFC 7677 section 4 asks for at least 4096; below it a man in the middle gets a proof that is cheap to guess from.
MIN_ITERATIONS: Final = 4096
# Above it a hostile server would keep the client's processor busy for seconds, which no time-out ends. Servers ask for
# 4,096 to 10,000; OWASP's counts for these hashes are 600,000 and 210,000.
MAX_ITERATIONS: Final = 1_000_000
# What new credentials are made with (the count that OWASP gives for PBKDF2-HMAC-SHA256).
_DEFAULT_ITERATIONS: Final = 600_000

_GS2_HEADER: Final = "n,,"  # no channel binding
_CHANNEL_BINDING: Final = "biws"  # base64 of the GS2 header
_NONCE_BYTES: Final = 24
_KEY_OF_NOBODY: Final = os.urandom(32)  # another one in each process


def b64url_encode(text: str) -> str:
    """Base64url without padding, as the Haystack headers carry every value: ``dXNlcg`` for ``user``."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> str:
    """The text of a base64url value, with or without padding, in either base64 alphabet."""
    raw = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, UnicodeError):
        pass  # raised below, outside of the handler: the cause would add nothing
    raise AuthError("a value of the login is not valid base64url; expected e.g. 'dXNlcg' for 'user'")


def _algorithm(hash_name: str) -> hashes.HashAlgorithm:
    make = HASHES.get(hash_name.upper())
    if make is None:
        raise AuthError(f"the hash {hash_name!r} is not trusted; expected {' or '.join(HASHES)}")
    return make()


def _hmac(algorithm: hashes.HashAlgorithm, key: bytes, message: bytes) -> bytes:
    mac = HMAC(key, algorithm)
    mac.update(message)
    return mac.finalize()


def _digest(algorithm: hashes.HashAlgorithm, message: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(message)
    return digest.finalize()


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def _new_nonce() -> str:
    # token_urlsafe is printable and holds no comma, which is all that RFC 5802 asks of a nonce.
    return secrets.token_urlsafe(_NONCE_BYTES)


def _attributes(message: str, whose: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in message.split(","):
        letter, equals, value = part.partition("=")
        if not equals or len(letter) != 1 or letter in found:
            raise AuthError(f"the {whose} message of the login is malformed; expected attributes such as 'r=...,s=...'")
        found[letter] = value
    if "m" in found:  # RFC 5802 section 5.1: an unknown mandatory extension ends the exchange
        raise AuthError(f"the {whose} message of the login asks for a mandatory extension that is not known here")
    return found


def _attribute(found: Mapping[str, str], letter: str, whose: str) -> str:
    value = found.get(letter)
    if not value:
        raise AuthError(f"the {whose} message of the login lacks the attribute '{letter}='")
    return value


def _b64_bytes(value: str, what: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        pass  # raised below, outside of the handler: the cause would add nothing
    raise AuthError(f"the {what} of the login is not valid base64")


@dataclass(frozen=True, repr=False)
class ScramKeys:
    """What a password becomes once salted: ClientKey and ServerKey (RFC 5802 section 3)."""

    client_key: bytes
    server_key: bytes


@dataclass(frozen=True, repr=False)
class Derivation:
    """The slow step, PBKDF2, as a value: the driver of a login runs it where it does not block others."""

    password: Secret
    salt: bytes
    iterations: int
    hash: str

    def run(self) -> ScramKeys:
        """Derive the keys; 600,000 iterations take some 0.1 to 0.5 s of processor time, without the GIL."""
        algorithm = _algorithm(self.hash)
        derive = PBKDF2HMAC(algorithm, algorithm.digest_size, self.salt, self.iterations)
        # No local variable holds the salted password: it would show in a traceback.
        return _keys_of(algorithm, derive.derive(self.password.reveal().encode()))


def _keys_of(algorithm: hashes.HashAlgorithm, salted_password: bytes) -> ScramKeys:
    return ScramKeys(
        client_key=_hmac(algorithm, salted_password, b"Client Key"),
        server_key=_hmac(algorithm, salted_password, b"Server Key"),
    )


class ScramClient:
    """The client's half of one login, by the hash that the server offers; a given nonce is for test vectors.

    Every method raises `AuthError` where what the server sent is malformed, out of bounds or not of this login.
    """

    def __init__(self, username: str, hash: str = "SHA-256", nonce: str | None = None) -> None:
        self._algorithm = _algorithm(hash)
        self.hash = hash.upper()
        self._nonce = _new_nonce() if nonce is None else nonce
        self._first_bare = f"n={username},r={self._nonce}"
        self._server_first = ""
        self._whole_nonce = ""
        self._signature = b""

    def first(self) -> str:
        return _GS2_HEADER + self._first_bare

    def challenge(self, server_first: str, password: Secret) -> Derivation:
        """Check the server-first message; gives the derivation to run for :meth:`final`."""
        whose = "server-first"
        found = _attributes(server_first, whose)
        nonce = _attribute(found, "r", whose)
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise AuthError("the server's nonce does not extend the client's: this answer belongs to another login")
        salt = _b64_bytes(_attribute(found, "s", whose), "salt")
        count = _attribute(found, "i", whose)
        iterations = int(count) if count.isascii() and count.isdigit() and len(count) <= 12 else 0
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            asked = f"{iterations:,}" if iterations else "no valid number of"
            raise AuthError(
                f"the server asks for {asked} iterations of the password hash; expected {MIN_ITERATIONS:,} to "
                f"{MAX_ITERATIONS:,}. Less would make the password easy to guess, more would keep this machine busy"
            )
        self._server_first = server_first
        self._whole_nonce = nonce
        return Derivation(password, salt, iterations, self.hash)

    def final(self, keys: ScramKeys) -> str:
        """The client-final message, from the keys that the derivation gave."""
        without_proof = f"c={_CHANNEL_BINDING},r={self._whole_nonce}"
        auth_message = f"{self._first_bare},{self._server_first},{without_proof}".encode()
        stored_key = _digest(self._algorithm, keys.client_key)
        proof = _xor(keys.client_key, _hmac(self._algorithm, stored_key, auth_message))
        self._signature = _hmac(self._algorithm, keys.server_key, auth_message)
        return f"{without_proof},p={base64.b64encode(proof).decode('ascii')}"

    def verify(self, server_final: str) -> None:
        """Check the server-final message: only who knows the password's hash can have made it."""
        found = _attributes(server_final, "server-final")
        if "e" in found:
            raise AuthError(f"the server ended the login: {found['e'][:80]!r}")
        signature = _b64_bytes(_attribute(found, "v", "server-final"), "server's signature")
        if not self._signature or not constant_time.bytes_eq(signature, self._signature):
            raise AuthError(
                "the server's signature is wrong: it does not know the password, so it is not the server that it "
                "claims to be; nothing more was sent to it"
            )


@dataclass(frozen=True, repr=False)
class ScramCredentials:
    """What a server keeps of a password: enough to check a proof, not enough to make one.

    The keys are StoredKey and ServerKey of RFC 5802 section 3.
    """

    hash: str
    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def from_password(
        cls, password: str, hash: str = "SHA-256", salt: bytes | None = None, iterations: int = _DEFAULT_ITERATIONS
    ) -> ScramCredentials:
        """Hash a password, with 16 random bytes of salt if none are given."""
        secret = Secret(password)
        del password  # the checks below raise, and a traceback shows locals
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise AuthError(f"{iterations} iterations; expected {MIN_ITERATIONS} to {MAX_ITERATIONS}")
        algorithm = _algorithm(hash)
        salt = os.urandom(16) if salt is None else salt
        keys = Derivation(secret, salt, iterations, hash.upper()).run()
        return cls(hash.upper(), salt, iterations, _digest(algorithm, keys.client_key), keys.server_key)

    def fit(self, password: str) -> bool:
        """Whether they are of this password; it takes as long as to hash one."""
        tried = ScramCredentials.from_password(password, self.hash, self.salt, self.iterations)
        return constant_time.bytes_eq(tried.stored_key, self.stored_key)

    @classmethod
    def of_nobody(cls, username: str, hash: str = "SHA-256", iterations: int = _DEFAULT_ITERATIONS) -> ScramCredentials:
        """Credentials that no password fits, for a name that does not exist; hash and count as the real ones have.

        The salt is the same each time the name is asked for, so an unknown name looks like a known one.
        """
        algorithm = _algorithm(hash)
        salt = _hmac(hashes.SHA256(), _KEY_OF_NOBODY, username.encode())[:16]
        size = algorithm.digest_size
        return cls(hash.upper(), salt, iterations, os.urandom(size), os.urandom(size))


class ScramServer:
    """The server's half of one login; its `username` is known after :meth:`first` and proved after :meth:`final`.

    A name that `lookup` does not know is answered like a known one, with the hash and the count of `unknown()`, and
    fails at the proof. A given nonce is for test vectors.

    >>> users = {"user": ScramCredentials.from_password("pencil", iterations=4096)}
    >>> client, server = ScramClient("user"), ScramServer(users.get)
    >>> derivation = client.challenge(server.first(client.first()), Secret("pencil"))
    >>> client.verify(server.final(client.final(derivation.run())))
    >>> server.username
    'user'
    """

    def __init__(
        self,
        lookup: Callable[[str], ScramCredentials | None],
        nonce: str | None = None,
        unknown: Callable[[], ScramCredentials] | None = None,
    ) -> None:
        self._lookup = lookup
        self._nonce = _new_nonce() if nonce is None else nonce
        self._unknown = unknown or (lambda: ScramCredentials.of_nobody(""))
        self.username = ""
        self._credentials: ScramCredentials | None = None
        self._found: ScramCredentials | None = None
        self._whole_nonce = ""
        self._so_far = ""

    @property
    def is_current(self) -> bool:
        """Whether the user is known by the same as at :meth:`first`."""
        return not self.username or self._lookup(self.username) == self._found

    def first(self, client_first: str) -> str:
        if not client_first.startswith(_GS2_HEADER):
            raise AuthError("the client-first message of the login does not begin with 'n,,'")
        bare = client_first.removeprefix(_GS2_HEADER)
        # The name is raw and may hold commas and '='; a nonce holds no comma.
        name, marker, nonce = bare.rpartition(",r=")
        if not marker or not name.startswith("n=") or not nonce or "," in nonce:
            raise AuthError("the client-first message of the login is malformed; expected 'n,,n=<user>,r=<nonce>'")
        self.username = name.removeprefix("n=")
        self._found = found = self._lookup(self.username)
        if found is None:
            like = self._unknown()
            found = ScramCredentials.of_nobody(self.username, like.hash, like.iterations)
        self._credentials = found
        self._whole_nonce = nonce + self._nonce
        salt = base64.b64encode(found.salt).decode("ascii")
        server_first = f"r={self._whole_nonce},s={salt},i={found.iterations}"
        self._so_far = f"{bare},{server_first}"
        return server_first

    def final(self, client_final: str) -> str:
        """Take the client-final message, give the server-final message; `AuthError` unless the proof is right."""
        credentials, self._credentials = self._credentials, None  # one try a login
        if credentials is None:
            raise AuthError("the client-final message of the login came before the client-first message, or twice")
        without_proof, marker, proof_text = client_final.rpartition(",p=")
        found = _attributes(without_proof, "client-final") if marker else {}
        if found.get("c") != _CHANNEL_BINDING:
            raise AuthError("the client-final message of the login is malformed; expected 'c=biws,r=...,p=...'")
        if not constant_time.bytes_eq(found.get("r", "").encode(), self._whole_nonce.encode()):
            raise AuthError("the nonce of the client-final message belongs to another login")
        algorithm = _algorithm(credentials.hash)
        proof = _b64_bytes(proof_text, "proof")
        auth_message = f"{self._so_far},{without_proof}".encode()
        signature = _hmac(algorithm, credentials.stored_key, auth_message)
        if len(proof) != len(signature):
            raise AuthError("the user name or the password is wrong")
        stored_key = _digest(algorithm, _xor(proof, signature))
        if not (constant_time.bytes_eq(stored_key, credentials.stored_key) and self._found is not None):
            raise AuthError("the user name or the password is wrong")
        server_signature = _hmac(algorithm, credentials.server_key, auth_message)
        return f"v={base64.b64encode(server_signature).decode('ascii')}"
