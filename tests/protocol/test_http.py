"""What an HTTP answer that is not a grid is taken for, and what the error says."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import AuthError, HTTPStatusError, NetworkError, TruncatedBodyError
from hsframe.grid import Grid
from hsframe.protocol.http import HttpAnswer, HttpRequest, http_failure

URL = "http://host/api/demo/read"
HAXALL_404 = (
    b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"\n "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">'
    b"\n<html xmlns='http://www.w3.org/1999/xhtml'>\n<head>\n<title>404 Not Found</title>\n</head>\n<body>\n"
    b"<h1>Not Found</h1>\nProj not found\n</body>\n</html>\n"
)
HTML = (("Content-Type", "text/html; charset=UTF-8"),)
JSON = (("Content-Type", "application/json"),)


def failure(answer: HttpAnswer, *, logged_in: bool = True) -> Exception | None:
    headers = {"Authorization": "BEARER authToken=a"} if logged_in else {}
    return http_failure(replace(answer, request=HttpRequest("POST", URL, "read", headers)))


@pytest.mark.parametrize(
    "body",
    [
        b'ver:"3.0"\nempty\n',
        b'\xef\xbb\xbfver:"3.0" err\nempty\n',
        b'{"_kind":"grid","cols":[],"rows":[]}',
        b'{"meta":{"ver":"3.0","err":"m:"},"cols":[],"rows":[]}',
        b"",
    ],
)
def test_a_grid_is_no_failure(body: bytes) -> None:
    assert failure(HttpAnswer(200, "OK", body=body)) is None


def test_codes_carry_the_servers_words_and_advice() -> None:
    error = failure(HttpAnswer(404, "Proj not found", HTML, HAXALL_404))
    assert isinstance(error, HTTPStatusError)
    assert (error.status, error.url) == (404, URL)
    assert "Proj not found" in str(error)
    assert "an HTML page" in str(error)
    assert "http://host:port/api/demo/" in str(error)
    assert "read at http://host/api/demo/read" in str(error)
    error = failure(HttpAnswer(415, "Content-Type not specified"))
    assert "'zinc' is known by every server" in str(error)


def test_json_errors_of_version_5_and_of_frameworks() -> None:
    v5 = b'{"spec":"sys.api::Err","status":429,"dis":"Too many requests","errTrace":"x"}'
    error = failure(HttpAnswer(429, "", (*JSON, ("Retry-After", "7")), v5))
    assert isinstance(error, HTTPStatusError)
    assert (error.reason, error.retry_after_s) == ("Too many requests", 7.0)
    assert "it asks to wait 7 s" in str(error)
    error = failure(HttpAnswer(404, "Not Found", JSON, b'{"detail":"Not Found"}'))
    assert "Not Found" in str(error)
    # As a 200 too.
    error = failure(HttpAnswer(200, "OK", JSON, v5))
    assert isinstance(error, HTTPStatusError)
    assert "Too many requests" in str(error)
    # A bare dict is how some servers answer about.
    assert failure(HttpAnswer(200, "OK", JSON, b'{"dis":"My server","tz":"London"}')) is None
    assert HttpAnswer(500, body=b'{"error":{"code":3}}').json_error == '{"code": 3}'
    assert HttpAnswer(500, body=b"{nonsense").json_error == ""


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype HTML><title>Log in</title>",
        b"  \n<html><head><title>Log in</title>",
        b"\xef\xbb\xbf<HTML><title>Log in</title>",
    ],
)
def test_a_page_instead_of_a_grid_is_named(page: bytes) -> None:
    answer = HttpAnswer(200, "OK", (("Content-Type", "text/plain"),), page)
    assert answer.is_html
    error = failure(answer)
    assert type(error) is NetworkError
    assert "found an HTML page instead of a grid" in str(error)
    assert "Log in" in str(error)
    assert "http://host:port/api/demo/" in str(error)


def test_a_long_error_grid_is_not_read_for_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    monkeypatch.setattr(
        "hsframe.protocol.http.decode_exact", lambda body, _: reads.append(len(body)) or Grid({"dis": "no"})
    )
    for size in (0, 1 << 20):
        body = b'ver:"3.0" err dis:"no"\na,b\n' + b"<<>>," * size
        assert HttpAnswer(500, "", (("Content-Type", "text/zinc"),), body).text == ("" if size else "no")
    assert len(reads) == 1


def test_redirects() -> None:
    to_login = HttpAnswer(303, "See Other", (("Location", "/user/login?from=secret"),))
    error = failure(to_login, logged_in=False)
    assert isinstance(error, AuthError)
    assert "give a user name and a password" in str(error)
    assert "/user/login" in str(error)
    assert "secret" not in str(error)
    assert type(failure(to_login)) is NetworkError
    elsewhere = failure(HttpAnswer(301, "", (("Location", "https://u:pw@other/api/"),)), logged_in=False)
    assert type(elsewhere) is NetworkError
    assert "https://other/api/" in str(elsewhere)
    assert "pw" not in str(elsewhere)
    for target in ("https:/u:pw@other/api/", "//u:pw@other/api/", "/login;jsessionid=pw", "/login#pw"):
        assert "pw" not in str(failure(HttpAnswer(301, "", (("Location", target),))))


def test_401_and_403() -> None:
    answer = HttpAnswer(401, "", (("WWW-Authenticate", "scram hash=SHA-256"),))
    assert "schemes: scram" in str(failure(answer, logged_in=False))
    assert isinstance(failure(answer, logged_in=False), AuthError)
    assert isinstance(failure(HttpAnswer(403), logged_in=False), AuthError)
    assert isinstance(failure(HttpAnswer(403, "no rights")), HTTPStatusError)


def test_text_of_the_server_is_one_short_line() -> None:
    plain = (("Content-Type", "text/plain"),)
    assert HttpAnswer(500, "Internal", plain, b"line 1\nline 2").text == "Internal: line 1 line 2"
    assert len(HttpAnswer(500, body=b"<html>" + b"x" * 9999, headers=HTML).text) < 400
    assert HttpAnswer(404, "Not Found", HTML, HAXALL_404).text == "404 Not Found: Not Found Proj not found"
    twice = b"<html><title>404 Not Found</title><h1>404 Not Found</h1></html>"
    assert HttpAnswer(404, "Not Found", HTML, twice).text == "404 Not Found"
    assert HttpAnswer(200, "OK", HTML, b"<html>Welcome</html>").text == "Welcome"
    assert "alert" not in HttpAnswer(500, body=b"<html><script>alert(1)</script>Broken</html>").text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        ((("Retry-After", "120"),), 120.0),
        ((("Retry-After", "soon"),), None),
        (
            (("Retry-After", "Wed, 21 Oct 2026 07:28:30 GMT"), ("Date", "Wed, 21 Oct 2026 07:28:00 GMT")),
            30.0,
        ),
        ((("Retry-After", "Wed, 21 Oct 2020 07:28:30 GMT"),), 0.0),
        # No zone means UTC; a Date that is none is not used.
        ((("Retry-After", "21 Oct 2026 07:28:30 -0000"), ("Date", "21 Oct 2026 07:28:00 +0000")), 30.0),
        ((("Retry-After", "Wed, 21 Oct 2020 07:28:30 GMT"), ("Date", "today")), 0.0),
        ((("Retry-After", "0.5"),), 0.5),
        ((("Retry-After", "9" * 400),), 1e9),
        ((("Retry-After", "-1"),), None),
        ((("Retry-After", "Fri, 31 Dec 9999 23:59:59 -9959"),), None),
        ((("Retry-After", "Wed, 21 Oct 99999 07:28:30 +99999999999999999999"),), None),
    ],
)
def test_retry_after(headers: tuple[tuple[str, str], ...], seconds: float | None) -> None:
    assert HttpAnswer(503, headers=headers).retry_after_s == seconds


@given(
    st.text()
    | st.text("0123456789.+-eE:, ")
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d\d(:\d\d)? ([+-]\d{1,20}|GMT)"),
    st.sampled_from(["", "Wed, 21 Oct 2026 07:28:00 GMT", "?"]),
)
def test_any_retry_after_is_seconds_or_nothing(text: str, date: str) -> None:
    seconds = HttpAnswer(503, headers=(("Retry-After", text), ("Date", date))).retry_after_s
    assert seconds is None or 0 <= seconds < 1e12


def test_headers_are_found_in_any_case_and_not_shown() -> None:
    answer = HttpAnswer(200, headers=(("authentication-INFO", "authToken=abc"),), body=b"secret")
    assert answer.header("Authentication-Info") == "authToken=abc"
    assert "abc" not in repr(answer)
    assert "secret" not in repr(answer)
    assert not answer.is_grid


def test_a_body_that_broke_off_is_the_same_error_in_another_process() -> None:
    error = TruncatedBodyError("the body broke off", line=3, expected="the rest", source="zinc")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is TruncatedBodyError
    assert (str(again), again.line) == (str(error), 3)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://ann:secret@host/login?x=1", "http://host/login"),
        ("http://a@b@host/c@d/e", "http://host/d/e"),
        ("@", ""),
        ("//x@", "//"),
        ("/" + "(" * 300_000, "/" + "(" * 299 + "..."),  # by the square this would take minutes
    ],
)
def test_where_a_redirect_leads_is_shown_without_who(location: str, target: str) -> None:
    assert HttpAnswer(302, headers=(("Location", location),)).target == target


LOGIN_ADDRESSES = """
    /login login /user/Login?from=x /login.jsp /Account/LogIn.aspx /accounts/log-in/ /users/sign_in /signin
    https://station/prelogin?x=1 /auth/realms/x /oauth2/start https://login.example/t/oauth2/v2.0/authorize?client_id=x
    https://sso.example https://auth:8443/ /saml2/start /authenticate
"""
OTHER_ADDRESSES = """
    https://status.port-authority.example/maintenance https://x.example/catalog-index /authors /author/log-index
    https://blog-index.example/ /api/login-free/about /loginfo /about?to=/login https://login@status.example/
"""


@pytest.mark.parametrize("location", LOGIN_ADDRESSES.split())
def test_addresses_of_login_pages(location: str) -> None:
    assert HttpAnswer(302, headers=(("Location", location),)).login_page


@pytest.mark.parametrize("location", OTHER_ADDRESSES.split())
def test_addresses_that_are_of_no_login_page(location: str) -> None:
    assert not HttpAnswer(302, headers=(("Location", location),)).login_page


LOGIN_TITLES = ["Login", "SkySpark - Log in", "Sign-On required", "Login failed", "\n Please sign in\n"]
OTHER_TITLES = ["", "Back soon", "Catalog in maintenance", "The log of the station", "Design on hold"]


@pytest.mark.parametrize("title", LOGIN_TITLES + OTHER_TITLES)
def test_titles_of_login_pages(title: str) -> None:
    page = HttpAnswer(200, body=f"<!DOCTYPE html><head><title lang=en>{title}</title>Login".encode())
    page = replace(page, request=HttpRequest("GET", "http://h/about", "about"))
    assert bool(page.login_page) == (title in LOGIN_TITLES)
