"""connect(check=True) logs in at once and says what answers."""

from __future__ import annotations

import pytest

import hsframe
from hsframe.testing.server import running_server


def test_connect_says_what_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo", check=True):
        says = capsys.readouterr().out
        assert says.startswith(
            f"connected to Demo building hsframe {hsframe.__version__} at {server.uri} as demo (UTC, "
        )
        with hsframe.connect(server.uri, "demo", "demo"):
            assert capsys.readouterr().out == ""


def test_a_login_that_is_refused_leaves_the_session_of_before() -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo"):
        with pytest.raises(hsframe.AuthError, match="wrong"):
            hsframe.connect(server.uri, "demo", "hunter2", check=True)
        assert len(hsframe.read("site")) == 3


def test_where_nothing_answers_an_error_says_so() -> None:
    with pytest.raises(hsframe.NetworkError, match="nothing answers there"):
        hsframe.connect("http://127.0.0.1:9/api", "demo", "demo", retries=0, check=True)


def test_a_token_that_may_not_ask_about_connects(capsys: pytest.CaptureFixture[str]) -> None:
    with running_server() as server, hsframe.connect(server.uri, token="none-of-this-server", check=True):
        assert capsys.readouterr().out.startswith(f"{server.uri} says nothing of itself: the token is not accepted")
