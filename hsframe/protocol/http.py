"""HTTP requests and answers as values, and the errors for answers that are not grids.

The order of the checks matters (standard: HttpApi, section Errors): first an error grid, then the HTTP status, then
a JSON error body, then an HTML page; only then is a body decoded as the answer. Before all of them comes the ApiErr of
version 5, in which version 4 tells the faults of HTTP too: its `spec` says what is wrong, and its status not always.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Final

from hsframe.codecs.formats import body_start, decode_exact, formats_by_start, starts_like_grid
from hsframe.codecs.jeto import Jeto
from hsframe.durations import SECOND_US, duration_us
from hsframe.errors import AuthError, CodecError, HsFrameError, HTTPStatusError, NetworkError, SpanError, in_short
from hsframe.grid import Grid
from hsframe.kinds import MARKER
from hsframe.options import Limits
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.proxies import Proxy
from hsframe.protocol.uris import URI_HINT

# What an ApiErr of a fault of HTTP means as a status; each other one is of the op, as an error grid is in version 4.
_MEANT: Final = {
    "AuthErr": 401,
    "UnknownFuncErr": 404,
    "AmbiguousFuncErr": 404,
    "InvalidPathErr": 404,
    "UnknownProjErr": 404,
    "MethodNotAllowedErr": 405,
    "NotAcceptableErr": 406,
    "UnsupportedMediaTypeErr": 415,
    "RateLimitErr": 429,
    "NotImplementedErr": 501,
    "UnavailableErr": 503,
    "TimeoutErr": 504,
    "UnsupportedVersionErr": 505,
}
_API_ERR: Final = re.compile(r"[\w.]+::(\w*Err)")
_GIVE_LOGIN: Final = "give a user name and a password, or a token"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OF_ABOUT: Final = re.compile(rb'"(haystackVersion|serverName|serverTime|productName|productVersion|vendorName)"')
# Tried where a part begins, and nowhere in it: a long Location would take the square of its time.
_USER: Final = re.compile(r"(?<![^/@])[^/@]*+@")
# What a page for people to log in has, which may refuse a login: a field for a password, or a title that says so, as
# where a script makes the fields.
_OF_LOGIN_PAGE: Final = re.compile(
    rb"<input[^<>]*type\s*=\s*[\"']?password|<title[^<>]*>[^<]*\b(log|sign)[\s-]?(in|on)\b", re.IGNORECASE
)
# The address of one: a part of its path, or the beginning of its host, as in login.html or //sso.example.
_LOGIN_ADDRESS: Final = re.compile(
    r"(?<![^/])(pre-?login|log[-_]?in|sign[-_]?in|o?auth2?|authori[sz]e|authenticat(e|ion)|sso|saml2?)(?![^/.:])",
    re.IGNORECASE,
)
# RFC 6750, section 3.
_WHY_REFUSED: Final = re.compile(r'error_description="([^"]*)"')
# What servers say to http at a port of https: nginx, Jetty; Go; Apache; Tomcat.
_SPEAKS_TLS: Final = re.compile(r"HTTP request (was sent )?to (an )?HTTPS|HTTP to an SSL-enabled|requires TLS")
# RFC 9209, section 2.1.1; what is quoted may be any words (RFC 8941, section 3.3.3).
_PROXY_ERROR: Final = re.compile(r";\s*error\s*=")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+"')
# Of longer bodies the words are not looked for; a library would make hundreds of megabytes of some.
_LONGEST_ERROR: Final = 1 << 20
# An ApiErr may have a long trace; of JSON the reader sees beforehand how much memory it takes, but not how much time.
_OF_JSON_ERROR: Final = Limits(answer_bytes=1 << 22)
# A status line that repeats words with empty lines in them ends the headers too early: those left are in the body.
_LOST_HEADERS: Final = re.compile(rb"\r\n[A-Za-z][\w-]*: ")
# A reference to a character by a number that no character has; Python refuses to read thousands of digits.
_LONG_NUMBER: Final = re.compile(r"&#[0-9]{8,};?")
# As Haxall and SkySpark name the type of an error of a login.
_AUTH_ERR: Final = re.compile(rb"([a-zA-Z0-9]+::)?AuthErr\b")
_ERROR_BYTES: Final = 1 << 12
_LONGEST_WAIT_S: Final = 1e9  # for messages: float("9" * 400) would be infinite


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request: `url` without credentials and query, `op` and `hint` for messages, `params` for the query.

    The headers may hold a token, so the repr does not show them.
    """

    method: str
    url: str
    op: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] | None = None
    body: bytes | None = field(default=None, repr=False)
    hint: str = field(default=f"; {URI_HINT}", repr=False)


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer, whole, its body unpacked (gzip).

    `reason` is the text after the status; some servers put their whole message there. The headers are in the order
    received, a name may come twice. The repr does not show them: they may hold a token. One that came through a
    `proxy` may be the proxy's own. The `secrets` are those that its words are shown without; `request` is what it
    answers.
    """

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    proxy: Proxy | None = None
    secrets: KnownSecrets = field(default_factory=KnownSecrets, repr=False, compare=False)
    request: HttpRequest = field(default=HttpRequest("GET", "", ""), repr=False, compare=False)

    def header(self, name: str) -> str:
        return next(iter(self.headers_of(name)), "")

    def headers_of(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def start(self) -> bytes:
        """The first bytes of the body, after a byte order mark and white space."""
        return body_start(self.body)

    @property
    def media_type(self) -> str:
        return self.header("Content-Type").split(";", 1)[0].strip().lower()

    @property
    def has_proven_end(self) -> bool:
        """Whether HTTP, or what the body is packed in, shows where it ends; else it ends where the connection does."""
        is_packed = self.header("Content-Encoding").strip().lower() not in ("", "identity")
        return bool(is_packed or self.header("Content-Length") or self.header("Transfer-Encoding"))

    @property
    def is_grid(self) -> bool:
        """Whether the body begins as a grid does, in any format that this package reads an error from."""
        return starts_like_grid(self.body)

    @property
    def is_html(self) -> bool:
        """Whether the body is an HTML page, whatever its Content-Type says."""
        start = self.start.lower()
        return start.startswith((b"<!doctype html", b"<html")) or (
            self.media_type in ("text/html", "application/xhtml+xml") and start.startswith(b"<")
        )

    @property
    def is_other_json(self) -> bool:
        """Whether the body is JSON but not a grid: the answer of some other web API.

        nHaystack answers ``about`` with a bare dict; actions and expressions may answer with any JSON.
        """
        op = self.request.op
        if not self.start.startswith((b"{", b"[")) or self.is_grid or op in ("invokeAction", "eval"):
            return False
        return op not in ("about", "login") or _OF_ABOUT.search(self.body) is None

    @cached_property
    def _json_object(self) -> Mapping[str, Any]:
        """The body as an object of JSON that is no grid; empty for any other.

        It is read as Jeto, in which servers write all characters as they are.
        """
        found: dict[str, Any] = {}
        if self.start.startswith(b"{") and not self.is_grid and len(self.body) <= _OF_JSON_ERROR.answer_bytes:
            with suppress(CodecError):
                found = Jeto(_OF_JSON_ERROR).load(self.body)
        return found

    @property
    def err_name(self) -> str:
        """The name of the ApiErr that it is, as ``InternalErr``; empty for any other answer."""
        if b'Err"' not in self.body:  # so that no large value is read for this
            return ""
        found = _API_ERR.fullmatch(str(self._json_object.get("spec") or ""))
        return found[1] if found and {"status", "errTrace"} & self._json_object.keys() else ""

    @property
    def refuses_version(self) -> bool:
        """Whether the server does not speak the version that it was asked in; it looks for this after a login."""
        return self.err_name == "UnsupportedVersionErr"

    @property
    def allowed(self) -> list[str]:
        """What an ApiErr says is allowed in the place of what was asked."""
        found = self._json_object.get("allow")
        return [self.secrets.redacted(str(one)) for one in found] if isinstance(found, list) else []

    @property
    def meant_status(self) -> int:
        """The status that its ApiErr stands for, else its own."""
        return _MEANT.get(self.err_name, self.status)

    @property
    def error_grid(self) -> Grid | None:
        """The error grid that version 4 has for an ApiErr of the op; None for any other answer."""
        if not self.err_name or self.err_name in _MEANT:
            return None
        found = self._json_object
        texts = {"dis": found.get("dis"), "errType": found["spec"], "errTrace": found.get("errTrace")}
        return Grid({"err": MARKER} | {name: str(text) for name, text in texts.items() if text})

    @property
    def is_redirect(self) -> bool:
        return self.status in _REDIRECTS

    @property
    def asks_for_login(self) -> bool:
        """Whether a server answers so when it does not know the session.

        Haxall answers 403 for a closed token, others 401, a redirect to the login page, or that page itself.
        """
        if self.err_name:
            return self.err_name == "AuthErr"
        if self.status in (401, 403):
            return not self.is_grid
        return self.is_redirect or (self.status == 200 and self.is_html)

    @property
    def refuses_login(self) -> bool:
        """Whether the answer may refuse the password or token of the request; or it says that a right is missing.

        With 403 an error grid says that it is a right. A redirect or a page that is not for a login may come from a
        proxy, or from a wrong address.
        """
        if self.is_from_proxy:
            return False
        if self.err_name:
            return self.err_name == "AuthErr"
        if self.status in (401, 423) or (self.status == 403 and not self.is_grid):
            return True
        return bool(self.login_page) or (200 <= self.status < 300 and self._is_auth_error)

    @property
    def _is_auth_error(self) -> bool:
        """Whether this is an error grid of the type AuthErr, or whose words begin so."""
        if len(self.body) > _LONGEST_ERROR or not _AUTH_ERR.search(self.body[:_ERROR_BYTES]) or not self.is_grid:
            return False
        with suppress(CodecError):
            grid = decode_exact(self.body, formats_by_start(self.body)[0])
            said = (str(grid.meta.get(name) or "").encode() for name in ("errType", "dis"))
            return grid.is_error and any(_AUTH_ERR.match(text) for text in said)
        return False

    @property
    def json_error(self) -> str:
        """What a JSON error body says, of protocol version 5 (``dis``) or of a web framework; empty for any other."""
        found = self._json_object
        # Some servers answer `about` with a bare dict, which may have a `dis` and is not an error.
        names: tuple[str, ...] = ("detail", "message", "error_description", "error", "title")
        if not 200 <= self.status < 300 or {"errTrace", "spec"} & found.keys():
            names = ("dis", *names)
        text = next((found[name] for name in names if found.get(name)), "")
        return self.secrets.redacted(text if isinstance(text, str) else json.dumps(text))

    @property
    def text(self) -> str:
        """What the server says: an error grid, a JSON error, a page, a text, why it takes no token, or the reason."""
        text = self.json_error
        if self.is_grid:
            if len(self.body) <= _LONGEST_ERROR:
                with suppress(CodecError):
                    text = str(decode_exact(self.body, formats_by_start(self.body)[0]).meta.get("dis") or "")
        elif not text and self.is_html:
            text = _page_text(self.body)
        elif not text and (not self.media_type or self.media_type.startswith("text/")):
            said = self.body[:20_000] if self.media_type else _LOST_HEADERS.split(self.body[:20_000])[0]
            text = " ".join(said.decode("utf-8", "replace").split())
            text = text if self.media_type or text.isprintable() else ""
        if not text and (why := _WHY_REFUSED.search(" ".join(self.headers_of("WWW-Authenticate")))):
            text = why.group(1)
        if self.reason and self.status != 200 and self.reason.lower() not in text.lower():
            text = f"{self.reason}: {text}" if text else self.reason
        text = self.secrets.redacted(text)
        return in_short(text)

    @property
    def words(self) -> str:
        """The same as a part of a message, with the one who says it; empty where nothing is said."""
        who = f"the server or {self.proxy}" if self.proxy else "the server"
        if self.is_from_proxy:
            who = str(self.proxy or "a proxy")
        said = self.text
        return f"; {who} says {said!r}" if said else ""

    @property
    def is_from_proxy(self) -> bool:
        """Whether an error is that of a proxy: by its status or by a header (RFC 9110, RFC 9209, Squid)."""
        if self.status < 400 or self.status == 407:
            return self.status == 407
        # A proxy that passes on what the server answered names itself too, as in "gw; received-status=503".
        has_error = any(_PROXY_ERROR.search(_QUOTED.sub("", value)) for value in self.headers_of("Proxy-Status"))
        return has_error or bool(self.header("Proxy-Authenticate") or self.header("X-Squid-Error"))

    @property
    def wants_tls(self) -> bool:
        """Whether this is the answer of a port that speaks https to one who speaks http."""
        return self.status >= 400 and self.request.url.startswith("http:") and bool(_SPEAKS_TLS.search(self.text))

    @property
    def login_page(self) -> str:
        """The address of a page for people to log in, without its query: where the server redirects to, or this one.

        Empty where the answer is neither.
        """
        if self.status == 200 and self.is_html and _OF_LOGIN_PAGE.search(self.body[:20_000]):
            return self.request.url
        target = self.target if self.is_redirect else ""
        return target if _LOGIN_ADDRESS.search(target) else ""

    @property
    def target(self) -> str:
        target = _USER.sub("", re.split("[?#;]", self.header("Location"))[0])
        return in_short(self.secrets.redacted(target))

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that it asks to wait, in ``Retry-After``, as a count or a date, or in an ApiErr; None without."""
        text = self.header("Retry-After").strip()
        if not text:
            with suppress(SpanError):
                return duration_us(str(self._json_object.get("retryAfter")), "retryAfter", plain="s") / SECOND_US
            return None
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return min(float(text), _LONGEST_WAIT_S)
        until = _http_date(text)
        # The server's own clock, where it tells it: the two clocks may differ.
        now = _http_date(self.header("Date")) or datetime.now(UTC)
        return None if until is None else max((until - now).total_seconds(), 0.0)

    @property
    def advice(self) -> str:
        """What the status means for the one who called an op, and what to do; empty where it says enough itself."""
        if self.is_from_proxy:
            return f"{self.proxy.advice}, or ask who runs the proxy" if self.proxy else "ask who runs the proxy"
        if self.wants_tls:
            return "this port speaks TLS, so the uri begins with https://"
        op, hint = self.request.op, "" if self.is_grid else self.request.hint
        # An ApiErr says itself what there is not. An answer without headers has lost its ApiErr.
        if self.meant_status == 404 and (self.err_name not in ("", "UnknownFuncErr") or not self.headers):
            return ""
        advice = {
            206: "it is a part of the answer only, so nothing is returned; a proxy may be the reason",
            400: "the server could not read the request",
            403: "this user may not do that, or the session has ended",
            404: f"the server has no {'API' if op == 'login' else f'op {op!r}'} at this address{hint}",
            405: "the server takes neither GET nor POST for this op",
            406: "the server does not write this format; try another format=, 'zinc' is known by every server",
            413: "the request is too large; send it in smaller parts",
            415: "the server does not read this format; try another format=, 'zinc' is known by every server",
            429: "the server asks for fewer requests",
            500: "the server failed; its log says more",
            501: "the server does not know this method",
            502: "a gateway has no answer from the server behind it",
            503: "the server is not available now",
            504: "the server gave up waiting; ask for less at once",
        }.get(self.meant_status, "")
        wait = self.retry_after_s
        return advice + (f" (it asks to wait {wait:g} s)" if wait is not None else "")


def _page_text(body: bytes) -> str:
    """The title and the text of an HTML page, in one line."""
    page = body[:20_000].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<(script|style|head|title)\b.*?</\1>", " ", page, flags=re.DOTALL | re.IGNORECASE)
    page = _LONG_NUMBER.sub(" ", page)
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
    name = " ".join(html.unescape(title.group(1)).split()) if title else ""
    return text if text.startswith(name) else ": ".join(part for part in (name, text) if part)


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def http_failure(answer: HttpAnswer) -> HsFrameError | None:
    """The error for an answer that is not a grid, or None where the body is to be decoded."""
    if answer.status == 200 and answer.is_grid:
        return None  # before its words are looked for, which reads it whole
    words = answer.words
    url, logged_in, hint = answer.request.url, "Authorization" in answer.request.headers, answer.request.hint
    where, status = f"{answer.request.op} at {url}", answer.meant_status
    if answer.is_redirect:
        return _redirected(answer, where)
    if status == 401:
        schemes = ", ".join(value.split(" ", 1)[0] for value in answer.headers_of("WWW-Authenticate")) or "none named"
        todo = "the login is not accepted" if logged_in else _GIVE_LOGIN
        schemes = in_short(answer.secrets.redacted(schemes))
        return AuthError(
            f"{where}: the server asks for a login (HTTP {answer.status}, schemes: {schemes}){words}; {todo}"
        )
    if status == 403 and not logged_in and not answer.is_from_proxy:
        return AuthError(f"{where}: refused (HTTP {answer.status}){words}; {_GIVE_LOGIN}")
    if not 200 <= answer.status < 300 or answer.status == 206 or status != answer.status:
        advice = answer.advice
        found = "an HTML page, " if answer.is_html else ""
        return HTTPStatusError(
            f"{where}: found {found}HTTP {answer.status}{words}" + (f"; {advice}" if advice else ""),
            status=status,
            url=url,
            reason=answer.text,
            retry_after_s=answer.retry_after_s,
        )
    code = "" if answer.status == 200 else f" (HTTP {answer.status})"
    if answer.is_html:
        hint = hint or "; a proxy or a login page may have answered in the place of the server"
        return NetworkError(f"{where}: found an HTML page instead of a grid{code}{words}{hint}")
    if answer.status != 204 and (text := answer.json_error):
        return HTTPStatusError(
            f"{where}: found a JSON error instead of a grid{code}; the server says {in_short(text)!r}",
            status=answer.status,
            url=url,
            reason=text,
        )
    return None


def _redirected(answer: HttpAnswer, where: str) -> HsFrameError:
    request = answer.request
    found = f"{where}: found a redirect (HTTP {answer.status}) to {answer.target or 'nowhere'}"
    if answer.login_page:
        logged_in = "Authorization" in request.headers
        kind, todo = (NetworkError, "the login is not accepted") if logged_in else (AuthError, _GIVE_LOGIN)
        return kind(f"{found}, a login page: {todo}{request.hint}")
    return NetworkError(
        f"{found}. Redirects are not followed, because credentials must not go where nobody sent them; if that "
        f"address is the right one, connect to it directly{request.hint}"
    )
