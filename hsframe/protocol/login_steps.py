"""The steps of a login as a generator: it yields what to send and is sent the answers; no socket, no thread.

The client runs it with aiohttp, tests run it against the server's half without a network (standard: Auth).
Every step is a GET of the server's uri with an ``Authorization`` header::

    HELLO -> 401 with the schemes that the server offers
    SCRAM, PLAINTEXT -> 200 with Authentication-Info: authToken=...
    Basic -> 200, and the same header on every request
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn, TypeAlias

from hsframe.errors import AuthError, HsFrameError, MetadataError, NetworkError, in_short
from hsframe.protocol.http import HttpAnswer, HttpRequest, http_failure
from hsframe.protocol.scram import HASHES, Derivation, ScramClient, ScramKeys, b64url_decode, b64url_encode
from hsframe.protocol.secret import HiddenStr, Secret, basic_authorization

AuthScheme: TypeAlias = Literal["auto", "scram", "plaintext", "basic", "bearer", "none"]
AUTH_SCHEMES: Final[tuple[AuthScheme, ...]] = ("auto", "scram", "plaintext", "basic", "bearer", "none")

_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# A challenge or a parameter of RFC 9110 section 11: a token, then `=value` if it is a parameter.
_PART: Final = re.compile(rf'\s*({_NAME})(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?\s*(,|\s|$)')
# As servers say that they do not know the handshake, after a restart or where another node answers.
_HANDSHAKE_GONE: Final = re.compile(
    r"\b(unknown|no such|expired|stale) handshake"
    r"|\bhandshake( ?token)?\W+((is|was|has|does|not|no longer) )*"
    r"(unknown|found|known|exist|expired|timed out|gone|lost)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Credentials:
    """Who logs in, and how; without a user name and a token nobody does.

    With ``"auto"`` SCRAM goes before PLAINTEXT before Basic, and a given bearer token before all. Schemes that send the
    password itself are `cleartext_allowed` where the connection is TLS or to this machine, or the user said so.
    """

    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    token: Secret = field(default_factory=lambda: Secret(""))
    auth: AuthScheme = "auto"
    cleartext_allowed: bool = False

    @property
    def sends_token(self) -> bool:
        """Whether the token is sent, and a password beside it is not."""
        return self.auth == "bearer" or (self.auth == "auto" and bool(self.token))

    def __post_init__(self) -> None:
        if self.auth == "bearer" and not self.token:
            raise MetadataError("auth='bearer' needs token=")
        if self.auth not in ("auto", "bearer", "none") and not self.username:
            raise MetadataError(f"auth={self.auth!r} needs a user name and a password")


@dataclass(frozen=True)
class LoginResult:
    """What a login gives: the headers that go on each request of the session.

    The scheme is one of `AUTH_SCHEMES` but ``"auto"``; ``"bearer"`` is a given token. `hash`, and how often it was
    applied to the password, are set by SCRAM. Of one `without_proof` the server has asked nobody who they are.
    """

    scheme: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    hash: str = ""
    iterations: int = 0
    without_proof: bool = False

    @property
    def on_server(self) -> bool:
        """Whether the server keeps a session that a login opened: it can be lost, renewed and closed."""
        return self.scheme in ("scram", "plaintext")


@dataclass(frozen=True)
class _Challenge:
    """A scheme that the server offers, by the name that it writes, with its parameters, whose names are lower case."""

    name: str
    params: Mapping[str, str] = field(repr=False)

    @property
    def scheme(self) -> str:
        return self.name.lower()


class ProvingRequest(HttpRequest):
    """A request that carries the password, or a proof of it."""


class _HandshakeGoneError(Exception):
    """The server does not know the handshake that it began: it has looked at no proof, and refused none."""

    def __init__(self, failure: HsFrameError) -> None:
        super().__init__()
        self.failure = failure


LoginSteps: TypeAlias = Generator[HttpRequest | Derivation, HttpAnswer | ScramKeys, LoginResult]


def _params(text: str) -> list[tuple[str, str | None]]:
    parts: list[tuple[str, str | None]] = []
    at = 0
    while at < len(text) and (found := _PART.match(text, at)):
        name, value, _ = found.groups()
        if value is not None and value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parts.append((name, value))
        at = found.end()
    return parts


def challenges(answer: HttpAnswer) -> list[_Challenge]:
    """The schemes of all ``WWW-Authenticate`` headers in order.

    Lenient about case, spaces and quotes; several challenges may share a header.
    """
    found: list[_Challenge] = []
    for header in answer.headers_of("WWW-Authenticate"):
        scheme, params = "", dict[str, str]()
        for name, value in _params(header):
            if value is None:
                if scheme:
                    found.append(_Challenge(scheme, params))
                scheme, params = name, {}
            else:
                params.setdefault(name.lower(), value)
        if scheme:
            found.append(_Challenge(scheme, params))
    return found


def _authentication_info(answer: HttpAnswer) -> dict[str, str]:
    parts = (part for header in answer.headers_of("Authentication-Info") for part in _params(header))
    # The token is among them, and a login that fails after this shows its locals.
    return {name.lower(): HiddenStr(value) for name, value in parts if value is not None}


def _authorization(scheme: str, **params: str) -> Mapping[str, str]:
    # Haystack parameters are bare tokens: quotes and padding are refused by servers.
    text = ", ".join(f"{name}={value}" for name, value in params.items() if value)
    return {"Authorization": HiddenStr(f"{scheme} {text}")}


def _bearer(token: Secret) -> Mapping[str, str]:
    return _authorization("BEARER", authToken=token.reveal())


def login_steps(credentials: Credentials, uri: str, *, scram_seen: bool = False) -> LoginSteps:
    """Log in: HELLO, then the best scheme that the server offers and the caller allows; AuthError if it is refused.

    An `HttpRequest` is sent its `HttpAnswer`, a `Derivation` the `ScramKeys`. Messages name the uri and the user, and
    never the password. Who was logged in by SCRAM before (`scram_seen`) is not by less: what is in between could offer
    it, and serve the records.
    """
    return (yield from _Steps(credentials, uri, scram_seen).steps())


class _Steps:
    """One login: the credentials, the uri and the errors that all steps share."""

    def __init__(self, credentials: Credentials, uri: str, scram_seen: bool) -> None:
        self._credentials = credentials
        self._scram_seen = scram_seen
        self._uri = uri
        self._where = f"login as {credentials.username!r} at {uri}"

    def steps(self) -> LoginSteps:
        who = self._credentials
        if who.auth == "none":
            return LoginResult("none")
        if who.sends_token:
            return LoginResult("bearer", _bearer(who.token))
        if not who.username:
            return LoginResult("none")
        if who.auth == "basic":
            return (yield from self._basic())
        if who.auth == "plaintext":
            return (yield from self._plaintext())
        with suppress(_HandshakeGoneError):
            return (yield from self._hello())
        try:
            return (yield from self._hello())
        except _HandshakeGoneError as gone:
            failure = gone.failure
        raise failure

    def _fail(self, what: str, answer: HttpAnswer | None = None, *, refused: bool = False) -> NoReturn:
        code = "" if answer is None else f" (HTTP {answer.status}{answer.words})"
        raise AuthError(f"{self._where}: {what}{code}", refused=refused)

    def _ask(
        self, headers: Mapping[str, str], kind: type[HttpRequest] = HttpRequest
    ) -> Generator[HttpRequest, HttpAnswer | ScramKeys, HttpAnswer]:
        answer = yield kind("GET", f"{self._uri}/about", "login", headers)
        assert isinstance(answer, HttpAnswer)
        if (answer.is_from_proxy or answer.wants_tls) and (failure := http_failure(answer)):
            raise failure
        return answer

    def _hello(self) -> LoginSteps:
        user = b64url_encode(self._credentials.username)
        answer = yield from self._ask(_authorization("HELLO", username=user))
        offered = challenges(answer) if answer.status == 401 else []
        usable = [c for c in offered if c.scheme == "scram" and c.params.get("hash", "SHA-256").upper() in HASHES]
        if usable:
            return (yield from self._scram(max(usable, key=lambda c: c.params.get("hash", ""))))
        schemes = [c.scheme for c in offered]
        named = in_short(answer.secrets.redacted(", ".join(c.name for c in offered)).lower()) or "no scheme"
        if "scram" in schemes:
            hashes = ", ".join(c.params.get("hash", "") for c in offered if c.scheme == "scram")
            hashes = in_short(answer.secrets.redacted(hashes))
            self._fail(f"the server offers SCRAM only with {hashes}; expected {' or '.join(HASHES)}")
        if self._credentials.auth == "scram":
            self._fail(f"auth='scram', and the server offers {named}", answer)
        if "plaintext" in schemes:
            self._check_not_less("PLAINTEXT", "plaintext", answer)
            return (yield from self._plaintext())
        if "basic" in schemes or _is_niagara(answer):
            self._check_not_less("Basic", "basic", answer)
            return (yield from self._basic())
        if answer.status == 401:
            self._fail(f"the server offers {named}; known are SCRAM, PLAINTEXT, Basic and a token", answer)
        if answer.refuses_version or (200 <= answer.status < 300 and not answer.is_html and not answer.refuses_login):
            self._check_not_less("no login", "none", answer)
            if token := _authentication_info(answer).get("authtoken"):
                return LoginResult("plaintext", _bearer(Secret(token)), without_proof=True)
            return LoginResult("none", without_proof=True)  # the server knows no login
        self._refuse(answer, "the login was refused")

    def _check_not_less(self, offered: str, auth: AuthScheme, answer: HttpAnswer) -> None:
        if self._scram_seen:
            self._fail(
                f"the server has asked for a login by SCRAM before, and now offers {offered}: something else may "
                "answer in its place, so nothing was sent to it; if the server was changed so on purpose, connect with "
                f"auth='{auth}'",
                answer,
            )

    def _refuse(self, answer: HttpAnswer, what: str = "") -> NoReturn:
        """Raise for an answer that is not a step of the login: refused, or not from a Haystack server.

        `what` says what was refused; by default it is the password, or a proof of it, which is not sent again then.
        """
        if answer.status in (400, 401, 403, 423) or (200 <= answer.status < 300 and not answer.is_html):
            wrong = "the user name or the password is wrong"
            if not self._credentials.password:
                wrong = "no password was given; give password="
            self._fail(what or wrong, answer, refused=not what)
        if page := answer.login_page:
            hint = "; on a Niagara station the user needs the HTTPBasicScheme" if "prelogin" in page else ""
            words = f"the server sends a Haystack login to its login page, {page}{hint}{answer.request.hint}"
            self._fail(words, answer, refused=not what)
        failure = http_failure(answer)
        raise failure or NetworkError(f"login at {self._uri}: found HTTP {answer.status}, not a step of a login")

    def _scram(self, offer: _Challenge) -> LoginSteps:
        who = self._credentials
        client = ScramClient(who.username, offer.params.get("hash", "SHA-256"))
        token = offer.params.get("handshaketoken", "")
        answer = yield from self._ask(_authorization("SCRAM", handshakeToken=token, data=b64url_encode(client.first())))
        self._check_handshake(answer)
        step = self._scram_step(answer, client.hash)
        # The newest token, if any: haystack-py gives another one at each step.
        token = step.get("handshaketoken", token)
        with self._named():
            derivation = client.challenge(b64url_decode(step["data"]), who.password)
        keys = yield derivation
        assert isinstance(keys, ScramKeys)
        answer = yield from self._ask(
            _authorization("SCRAM", handshakeToken=token, data=b64url_encode(client.final(keys))), ProvingRequest
        )
        self._check_handshake(answer)
        if who.password and answer.status == 401 and any(c.scheme == "scram" for c in challenges(answer)):
            words = "the user name or the password is wrong, or the server has forgotten the login on the way"
            self._fail(words, answer, refused=True)
        if not 200 <= answer.status < 300 or answer.is_html:
            self._refuse(answer)
        info = _authentication_info(answer)
        if not info.get("data"):
            words = "the server did not prove that it knows the password (no Authentication-Info)"
            self._fail(words, answer, refused=True)
        if info.get("hash", client.hash).upper() != client.hash:
            self._fail("the server changed the hash during the login")
        with self._named(refused=True):
            final = b64url_decode(info["data"])
            client.verify(answer.secrets.redacted(final) if final.startswith("e=") else final)
        if not info.get("authtoken"):
            self._fail("the server gave no authToken", answer)
        return LoginResult("scram", _bearer(Secret(info["authtoken"])), client.hash, derivation.iterations)

    def _check_handshake(self, answer: HttpAnswer) -> None:
        """Begin again where the server says in words that it has forgotten: another answer may refuse the proof."""
        if 400 <= answer.status < 500 and _HANDSHAKE_GONE.search(answer.text):
            words = f"{self._where}: the server forgot it on the way, twice{answer.words}; try again"
            raise _HandshakeGoneError(NetworkError(words))

    def _scram_step(self, answer: HttpAnswer, hash_name: str) -> Mapping[str, str]:
        for step in challenges(answer) if answer.status == 401 else ():
            if step.scheme == "scram" and step.params.get("data"):
                if step.params.get("hash", hash_name).upper() != hash_name:
                    self._fail("the server changed the hash during the login")
                return step.params
        try:
            self._refuse(answer, "the server did not go on with SCRAM")
        except HsFrameError as failure:
            if answer.status not in (400, 401, 403, 404, 410):
                raise
            gone = _HandshakeGoneError(failure)  # nothing was proved yet, so it costs nothing to begin again
        raise gone

    @contextmanager
    def _named(self, *, refused: bool = False) -> Iterator[None]:
        try:
            yield
        except AuthError as error:
            error.args = (f"{self._where}: {error}",)
            error.refused = refused
            raise

    def _check_cleartext(self, scheme: str) -> None:
        if not self._credentials.cleartext_allowed:
            self._fail(
                f"the server only takes {scheme}, which would send the password over a connection that is not "
                "protected, so nothing was sent; use https:// with a verified certificate, or say allow_insecure=True "
                "if you trust every machine in between"
            )

    def _plaintext(self) -> LoginSteps:
        self._check_cleartext("PLAINTEXT")
        who = self._credentials
        answer = yield from self._ask(
            _authorization(
                "PLAINTEXT", username=b64url_encode(who.username), password=b64url_encode(who.password.reveal())
            ),
            ProvingRequest,
        )
        if not 200 <= answer.status < 300 or answer.is_html:
            self._refuse(answer)
        token = _authentication_info(answer).get("authtoken")
        if not token:
            self._fail("the server gave no authToken", answer, refused=True)
        return LoginResult("plaintext", _bearer(Secret(token)))

    def _basic(self) -> LoginSteps:
        self._check_cleartext("Basic")
        who = self._credentials
        if ":" in who.username:
            self._fail("a user name with a colon cannot log in by Basic (RFC 7617)")
        headers = {"Authorization": basic_authorization(who.username, who.password)}
        answer = yield from self._ask(headers, ProvingRequest)
        if answer.refuses_version:
            return LoginResult("basic", headers)
        if not 200 <= answer.status < 300 or answer.is_html or answer.refuses_login:
            self._refuse(answer)
        if answer.body and (answer.is_other_json or not answer.start.startswith((b"ver:", b"{", b"["))):
            self._fail("the server answers with no grid, as where the password is wrong", answer, refused=True)
        return LoginResult("basic", headers)


def _is_niagara(answer: HttpAnswer) -> bool:
    """Whether this is a Niagara station with nHaystack, which wants Basic and does not say so (haystack-java)."""
    return (
        answer.header("Server").lower().startswith("niagara")
        or any(cookie.lower().startswith("niagara") for cookie in answer.headers_of("Set-Cookie"))
        or (answer.status == 500 and b"wrong 4-byte ending" in answer.body)
    )
