"""Users, their logins and sessions (standard: chapter Auth): HELLO, SCRAM, bearer tokens; or PLAINTEXT, or Basic.

Passwords are not kept: a user is :class:`~hsframe.protocol.scram.ScramCredentials`. An unknown user gets the same
answers as a known one, with a salt that is the same each time, and fails at the proof. After some wrong passwords the
next try of that user from that address has to wait (HTTP 429), twice as long each time.
"""

from __future__ import annotations

import base64
import binascii
import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

from hsframe.errors import AuthError, MetadataError
from hsframe.protocol.scram import ScramCredentials, ScramServer, b64url_decode, b64url_encode
from hsframe.protocol.secret import HiddenStr
from hsframe.server import journal
from hsframe.server.clock import Clock
from hsframe.server.expiring import Expiring, network_of
from hsframe.server.refusal import HttpRefusal
from hsframe.server.users import ROLES, Role, Users, UsersFile

Scheme = Literal["scram", "plaintext", "basic"]

_HANDSHAKE_S: Final = 60.0
# Limits that only a flood of requests reaches: of all, and of one address. Clients of a proxy that `proxy`
# does not name share one address.
_MOST_HANDSHAKES: Final = (2_000, 500)
_MOST_SESSIONS: Final = (10_000, 2_000)
# Wrong passwords that cost nothing, and how long the longest wait is. An hour after the last one they are forgotten.
_FREE_TRIES: Final = 5
_LOCKED_OUT_S: Final = 300
_WRONG_S: Final = 3600.0
# Names share so many counts an address: no flood of names can push out a count, or tell those of users from others.
_COUNTS: Final = 4_096
_MOST_COUNTS: Final = 65_536


@dataclass
class LoggedIn:
    """A user who is logged in; the token is empty where there is no session, as with Basic."""

    user: str
    token: str = field(default="", repr=False)
    proved: ScramCredentials | None = None
    """What the user was known by: a session ends where that changes."""


class LoginOptions(TypedDict, total=False):
    scheme: Scheme
    hash: str
    iterations: int
    token_ttl_s: float
    roles: Mapping[str, Role]


class Logins:
    """The users of a server and their sessions.

    Passwords are hashed at once, with ``SHA-256`` or ``SHA-512``, and forgotten; without users there is no login. A
    session ends when it was not used for `token_ttl_s`. A user without one of the `roles` is admin.

    A file of users has the roles too, and is followed: who is taken out of it, or has another password, is logged out,
    and another role counts at once.
    """

    def __init__(
        self,
        users: Mapping[str, str | ScramCredentials] | UsersFile,
        clock: Clock,
        *,
        scheme: Scheme = "scram",
        hash: str = "SHA-256",
        iterations: int = 100_000,
        token_ttl_s: float = 3600.0,
        roles: Mapping[str, Role] | None = None,
    ) -> None:
        roles = dict(roles or {})
        self._file = None
        if isinstance(users, UsersFile):
            self._file = users
            users, roles = users.users
        if wrong := [f"{name!r}: {role!r}" for name, role in roles.items() if role not in ROLES or name not in users]:
            raise MetadataError(
                f"roles has {', '.join(wrong)}; expected names of users, each with {' or '.join(ROLES)}"
            )
        known = {
            name: ScramCredentials.from_password(one, hash, iterations=iterations) if isinstance(one, str) else one
            for name, one in users.items()
        }
        self._clock = clock
        self._scheme = scheme
        self._hash = hash
        self._iterations = iterations
        self._take(Users(known, roles))
        self._handshakes: Expiring[str, ScramServer] = Expiring(clock, _HANDSHAKE_S, *_MOST_HANDSHAKES)
        # How many, and until when the next try has to wait.
        self._wrong: Expiring[tuple[int, str], tuple[int, float]] = Expiring(clock, _WRONG_S, _MOST_COUNTS, _COUNTS)
        self._sessions: Expiring[str, LoggedIn] = Expiring(clock, token_ttl_s, *_MOST_SESSIONS)

    def _take(self, users: Users) -> None:
        self._users, self._roles = users
        # Its count of iterations must not tell a name that exists.
        usual = max((known.iterations for known in self._users.values()), default=self._iterations)
        self._nobody = ScramCredentials.of_nobody("", self._hash, usual)

    def keep_up(self) -> None:
        """Take the users of the file, where it has changed."""
        if self._file is not None and self._file.read_again():
            self._take(self._file.users)

    @property
    def are_needed(self) -> bool:
        return bool(self._users)

    def role_of(self, user: str) -> Role:
        return self._roles.get(user, "admin")

    @property
    def open_sessions(self) -> int:
        return len(self._sessions)

    def admit(self, authorization: str | None, address: str) -> LoggedIn | HiddenStr:
        """Take the next step of a login by its Authorization header: a session, or the header of one just granted.

        Every other step is a refusal: 401 with a challenge, 400 for a malformed header, 403 for a wrong proof. The
        `address` is that of the client.
        """
        self.keep_up()
        if not authorization:
            raise self._challenge("no login: there is no Authorization header")
        scheme, _, rest = authorization.strip().partition(" ")
        scheme = scheme.lower()
        if scheme == "bearer":
            return self._bearer(_params(rest).get("authtoken", ""))
        if scheme == "basic" and self._scheme == "basic":
            return self._basic(rest.strip(), address)
        if self._scheme != "basic":
            if scheme == "hello":
                raise self._hello(_params(rest), address)
            if scheme == "scram" and self._scheme == "scram":
                return self._scram(_params(rest), address)
            if scheme == "plaintext" and self._scheme == "plaintext":
                return self._plaintext(_params(rest), address)
        raise self._challenge(f"the login scheme {scheme[:20]!r} is not offered here")

    def end(self, session: LoggedIn) -> None:
        self._sessions.pop(session.token)

    def end_all(self) -> None:
        """End every session: the next request of each client finds its token unknown."""
        self._sessions.clear()

    def _challenge(self, reason: str) -> HttpRefusal:
        challenge = 'Basic realm="hsframe"' if self._scheme == "basic" else "HELLO"
        return HttpRefusal(401, reason, {"WWW-Authenticate": challenge})

    def _hello(self, params: Mapping[str, str], address: str) -> HttpRefusal:
        _text(params, "username")
        if self._scheme == "plaintext":
            return HttpRefusal(401, "log in by PLAINTEXT", {"WWW-Authenticate": "PLAINTEXT"})
        # Hexadecimal: phable 0.1.29 cuts a handshake token off at "-" or "_".
        token = secrets.token_hex(16)
        # Of the users of now at each step: a file of them may change on the way.
        server = ScramServer(lambda name: self._users.get(name), unknown=lambda: self._nobody)
        self._handshakes.put(token, server, address)
        return self._step(token)

    def _step(self, token: str, data: str = "") -> HttpRefusal:
        more = f", data={b64url_encode(data)}" if data else ""
        header = f"SCRAM handshakeToken={token}, hash={self._hash}{more}"
        return HttpRefusal(401, "log in by SCRAM", {"WWW-Authenticate": header})

    def _scram(self, params: Mapping[str, str], address: str) -> HiddenStr:
        token = params.get("handshaketoken", "")
        server = self._handshakes.get(token)
        if server is None or not server.is_current:
            self._handshakes.pop(token)
            raise self._challenge("the handshake is unknown or took too long; begin again with HELLO")
        data = _text(params, "data")
        if not server.username:
            try:
                answer = server.first(data)
            except AuthError as error:
                self._handshakes.pop(token)
                raise HttpRefusal(400, str(error)) from None
            raise self._step(token, answer)
        self._handshakes.pop(token)  # one try per handshake
        with self._counted_try(server.username, address):
            signature = server.final(data)
        return self._grant(server.username, address, f", hash={self._hash}, data={b64url_encode(signature)}")

    def _plaintext(self, params: Mapping[str, str], address: str) -> HiddenStr:
        user = _text(params, "username")
        self._check(user, _text(params, "password"), address)
        return self._grant(user, address)

    def _basic(self, encoded: str, address: str) -> LoggedIn:
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise HttpRefusal(400, "the Basic header must be base64 of user:password") from None
        self._check(user, password, address)
        return LoggedIn(user)

    def _check(self, user: str, password: str, address: str) -> None:
        """Compare a password by its hash; an unknown user takes as long."""
        with self._counted_try(user, address):
            if not self._users.get(user, self._nobody).fit(password):
                raise AuthError("the password is wrong")

    @contextmanager
    def _counted_try(self, user: str, address: str) -> Iterator[None]:
        """A try of a password, where an AuthError says that it is wrong; a refusal where it comes too early."""
        count = hash(user) % _COUNTS, network_of(address)
        wrong, until_s = self._wrong.get(count) or (0, 0.0)
        if (wait_s := math.ceil(until_s - self._clock.monotonic_s())) > 0:
            raise HttpRefusal(
                429, f"there were {wrong} wrong passwords; try again in {wait_s} s", {"Retry-After": str(wait_s)}
            )
        try:
            yield
        except AuthError:
            wait_s = 0 if wrong + 1 < _FREE_TRIES else min(2 ** (wrong + 1 - _FREE_TRIES), _LOCKED_OUT_S)
            journal.refused_login(user, address, wrong + 1, wait_s, is_known=user in self._users)
            self._wrong.put(count, (wrong + 1, self._clock.monotonic_s() + wait_s), address)
            raise HttpRefusal(403, "the user name or the password is wrong") from None
        self._wrong.pop(count)

    def _grant(self, user: str, address: str, more: str = "") -> HiddenStr:
        token = secrets.token_urlsafe(32)
        self._sessions.put(token, LoggedIn(user, token, self._users[user]), address)
        return HiddenStr(f"authToken={token}{more}")

    def _bearer(self, token: str) -> LoggedIn:
        session = self._sessions.renew(token)
        if session is None or session.proved != self._users.get(session.user):
            self._sessions.pop(token)
            raise self._challenge("the session is unknown or has ended; log in again")
        return session


def _params(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in text.split(","))
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def _text(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if not value:
        raise HttpRefusal(400, f"the Authorization header lacks {name}=")
    try:
        return b64url_decode(value)
    except AuthError as error:
        raise HttpRefusal(400, f"{name} of the Authorization header: {error}") from None
