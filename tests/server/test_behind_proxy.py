"""Whose address counts where a reverse proxy stands before the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hsframe import cli


def counted(raw: Any, caplog: pytest.LogCaptureFixture, forwarded: list[str]) -> str:
    """The address for which a wrong password counts."""
    caplog.clear()
    headers = [("X-Forwarded-For", one) for one in forwarded]
    answer = raw.send("GET", "about", headers=[("Authorization", "Basic YW5uOndyb25n"), *headers])
    assert answer.status == 403
    (message,) = caplog.messages
    return message.removeprefix("login of 'ann' from ").partition(" ")[0]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["203.0.113.9, 192.0.2.7"], "192.0.2.7"),  # the first is what the client claims
        (["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        (["2001:DB8:0::7"], "2001:db8::7"),
        (["192.0.2.7, unknown"], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_the_proxy_says_who_calls(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, forwarded: list[str], address: str
) -> None:
    raw = start(users={"ann": "s3cret"}, scheme="basic", proxy="127.0.0.1")
    assert counted(raw, caplog, forwarded) == address


@pytest.mark.parametrize("proxy", ["", "127.0.0.9"])
def test_nobody_else_is_believed(start: Callable[..., Any], caplog: pytest.LogCaptureFixture, proxy: str) -> None:
    raw = start(users={"ann": "s3cret"}, scheme="basic", proxy=proxy)
    assert counted(raw, caplog, ["192.0.2.7"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("own", "others"),
    [
        (["192.0.2.7"], ["192.0.2.8", "::ffff:192.0.2.9"]),
        (["2001:db8::7", "2001:db8::8", "2001:db8:0:0:ffff::"], ["2001:db8:0:1::7", "192.0.2.7"]),
    ],
    ids=["IPv4", "IPv6"],
)
def test_one_client_of_a_proxy_does_not_lock_out_another(
    start: Callable[..., Any], own: list[str], others: list[str]
) -> None:
    """Of IPv6 a client has not one address but a network of them."""
    raw = start(users={"ann": "s3cret"}, scheme="basic", proxy="127.0.0.1")

    def status(authorization: str, client: str) -> int:
        found: int = raw.get("about", {"Authorization": authorization, "X-Forwarded-For": client}).status
        return found

    wrong, right = "Basic YW5uOndyb25n", "Basic YW5uOnMzY3JldA=="
    assert [status(wrong, own[number % len(own)]) for number in range(6)] == [403] * 5 + [429]
    assert [status(right, client) for client in own] == [429] * len(own)
    assert [status(right, client) for client in others] == [200, 200]


def test_a_proxy_is_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--proxy", "front.example"]) == 2
    assert "expected an IP address, as 127.0.0.1; got 'front.example'" in capsys.readouterr().err
