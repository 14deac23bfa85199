"""What a server says is cut in a message, wherever it says it; the whole text is in the attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hsframe.codecs import decode
from hsframe.errors import CallError, CodecError, HsFrameError, HTTPStatusError, UnknownRecError, in_short
from hsframe.frame.convert import grid_to_frame
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.protocol.answers import check_answer
from hsframe.protocol.http import HttpAnswer, HttpRequest, http_failure
from hsframe.protocol.known_secrets import KnownSecrets

LONG = "word " * 200_000
REQUEST = HttpRequest("GET", "http://h/api/read", "read", hint="")


def refused(meta: dict[str, Any]) -> HsFrameError:
    with pytest.raises(CallError) as caught:
        check_answer(Grid(meta), "read", "http://h/api/read", [Ref("a")])
    return caught.value


def answered(status: int, reason: str = "", body: str = "", **headers: str) -> HsFrameError:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    failure = http_failure(HttpAnswer(status, reason, named, body.encode(), request=REQUEST))
    assert failure is not None
    return failure


def malformed(body: str, short: str) -> HsFrameError:
    with pytest.raises(CodecError) as caught:
        decode(body.encode(), short)
    return caught.value


def no_frame() -> HsFrameError:
    with pytest.raises(CallError) as caught:
        grid_to_frame(Grid({"err": MARKER, "dis": LONG}))
    return caught.value


NAME = "a" * 100_000


def grid_of(column: str, cell: str) -> str:
    return f'{{"_kind":"grid","cols":[{{"name":"{column}"}}],"rows":[{{"{NAME}":{cell}}}]}}'


SAYINGS: dict[str, Callable[[], HsFrameError]] = {
    "dis": lambda: refused({"err": MARKER, "dis": LONG}),
    "trace": lambda: refused({"err": MARKER, "errTrace": LONG}),
    "type": lambda: refused({"err": MARKER, "dis": "no", "errType": LONG}),
    "unknown": lambda: refused({"err": MARKER, "dis": "unknown rec " + LONG}),
    "incomplete": lambda: refused({"incomplete": LONG}),
    "incomplete dict": lambda: refused({"incomplete": {"a": LONG}}),
    "frame": no_frame,
    "reason": lambda: answered(500, LONG),
    "text": lambda: answered(500, "", LONG, Content_Type="text/plain"),
    "page": lambda: answered(502, "", f"<html><body>{LONG}", Content_Type="text/html"),
    "page of 200": lambda: answered(200, "", f"<html><body>{LONG}", Content_Type="text/html"),
    "json": lambda: answered(500, "", f'{{"message": "{LONG[:50_000]}"}}', Content_Type="application/json"),
    "json of 200": lambda: answered(200, "", f'{{"detail": "{LONG[:50_000]}"}}', Content_Type="application/json"),
    "schemes": lambda: answered(401, WWW_Authenticate="x" * 100_000),
    "why": lambda: answered(401, WWW_Authenticate=f'Bearer error_description="{LONG}"'),
    "redirect": lambda: answered(302, Location="http://h/" + NAME),
    "error grid": lambda: answered(500, "", f'ver:"3.0" err dis:"{LONG}"\nempty\n'),
    "zinc word": lambda: malformed(f'ver:"3.0"\na,b\n{NAME.upper()},1\n', "zinc"),
    "zinc version": lambda: malformed(f'ver:"{LONG}"\na\n', "zinc"),
    "zinc tag": lambda: malformed(f'ver:"3.0" {NAME} {NAME}\na\n', "zinc"),
    "zinc column": lambda: malformed(f'ver:"3.0"\n{NAME},{NAME}\n', "zinc"),
    "json cell": lambda: malformed(grid_of("a", "1"), "json4"),
    "json path": lambda: malformed(grid_of(NAME, '{"_kind":"x"}'), "json4"),
    "json twice": lambda: malformed(f'{{"{NAME}":1,"{NAME}":2}}', "json3"),
}


@pytest.mark.parametrize("saying", SAYINGS.values(), ids=SAYINGS)
def test_a_message_holds_a_part_of_it(saying: Callable[[], HsFrameError]) -> None:
    assert len(str(saying())) < 1_200


def test_what_is_short_is_shown_whole() -> None:
    assert in_short("x" * 300) == "x" * 300
    assert in_short("x" * 301) == "x" * 300 + "..."


def test_the_whole_text_is_in_the_error() -> None:
    error = refused({"err": MARKER, "dis": LONG})
    assert isinstance(error, CallError)
    assert error.dis == LONG


def test_ids_in_long_words_are_found_once() -> None:
    error = refused({"err": MARKER, "dis": "unknown rec @a " * 100_000})
    assert isinstance(error, UnknownRecError)
    assert error.ids == ("a",)


def test_a_long_json_body_is_no_error_that_is_read(monkeypatch: Any) -> None:
    """The library would make hundreds of megabytes of it."""
    monkeypatch.setattr("hsframe.protocol.http.json.loads", lambda body: pytest.fail("it was read"))
    error = answered(500, "Oops", '{"detail":[' + "{}," * 1_000_000 + "{}]}", Content_Type="application/json")
    assert isinstance(error, HTTPStatusError)
    assert "says 'Oops'" in str(error)


def test_many_secrets_are_hidden_in_one_pass() -> None:
    secrets = KnownSecrets()
    secrets.learn([("Authorization", "Bearer abcdefghijklmnopqrstuvwxyz")])
    text = "abcdefghijklmnopqrstuvwxyz, abcdefghijklmnopqrs; "
    shown = 20_000 // len(text)
    assert secrets.redacted(text * shown) == "<secret>, <secret>; " * shown
    assert secrets.redacted(text * 20_000).startswith("<secret>, <secret>; " * shown)
