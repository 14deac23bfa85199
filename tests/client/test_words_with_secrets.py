"""A server that knows the password or the token, and puts it where nobody expects it, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import traceback
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import pytest

import hsframe
from hsframe.errors import CallError, HsFrameError, SpanError
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.scram import MAX_ITERATIONS
from hsframe.protocol.secret import Secret
from hsframe.spans import resolve
from tests.protocol.test_secrets import ENCODINGS, ESCAPES

USER, SECRET = "ann", "S3cret-Pencil24"
HISTORY = 'ver:"3.0" id:@{id} hisStart:2020-01-01T00:00:00Z UTC hisEnd:2020-01-02T00:00:00Z UTC\nts,val\n{row}\n'


def raw(body: str = "", status: str = "200 OK", **headers: str) -> bytes:
    given = {"Content_Type": "text/zinc", "Content_Length": str(len(body.encode())), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", body]).encode()


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def scram_of(
    first: str = "r={nonce}x,s=c2FsdHNhbHQ=,i=4096", final: str = "", offer: str = "hash=SHA-256"
) -> Callable[[str, str], bytes]:
    """The answers of a login: `first` and `final` are what the server sends in its two steps."""

    def answer(path: str, authorization: str) -> bytes:
        if "data=" not in authorization:
            return raw("", "401 Who", WWW_Authenticate=f"SCRAM {offer}, handshakeToken=aa")
        data = authorization.rpartition("data=")[2]
        said = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)).decode()
        if said.startswith("n,,"):
            step = b64(first.format(nonce=said.partition("r=")[2]))
            return raw("", "401 Go on", WWW_Authenticate=f"SCRAM hash=SHA-256, handshakeToken=aa, data={step}")
        return raw("", "200 OK", Authentication_Info=f"authToken=abc, data={b64(final)}")

    return answer


async def asked(answer: Callable[[str, str], bytes], call: Callable[[str], Awaitable[None]]) -> None:
    """Serve raw answers by the path and the Authorization of each request, while `call` runs with the uri."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                names = {name.lower(): value for name, _, value in (li.partition(": ") for li in head.split("\r\n"))}
                await reader.readexactly(int(names.get("content-length", "0")))
                writer.write(answer(head.split()[1], names.get("authorization", "")))
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        await call(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api")


def told(answer: Callable[[str, str], bytes], *, token: str = "", password: str = "") -> tuple[str, str]:
    """The message of the error, or else the warnings; and what a traceback and a repr show of an error."""
    found: list[str] = []

    async def read(uri: str) -> None:
        session = hsframe.AsyncSession(uri, USER if password else "", password, token=token, retries=0, timeout=20)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                async with session:
                    await session.his_read("@a", "2020-01-01")
                found.extend(["; ".join(str(warning.message) for warning in caught), ""])
            except HsFrameError as error:
                shown = "".join(traceback.format_exception(error))
                found.extend([str(error), f"{shown} {error!r} {vars(error)}"])

    asyncio.run(asked(answer, read))
    return found[0], found[1]


def point(tz: str = "UTC", id: str = "a", row: str = "2020-01-01T05:00:00Z UTC,1") -> Callable[[str, str], bytes]:
    def answer(path: str, authorization: str) -> bytes:
        if path.startswith("/api/hisRead"):
            return raw(HISTORY.format(id=id, row=row))
        if path.startswith("/api/read"):
            return raw(f'ver:"3.0"\nid,his,point,kind,tz\n@a,M,M,"Number","{tz}"\n')
        return raw('ver:"3.0"\nhaystackVersion\n"3.0"\n')

    return answer


PLACES: dict[str, Callable[[str], Callable[[str, str], bytes]]] = {
    "coding": lambda said: lambda path, _: raw("x", Content_Encoding=said),
    "end of a login": lambda said: scram_of(final=f"e={said}"),
    "iterations": lambda said: scram_of(f"r={{nonce}}x,s=c2FsdHNhbHQ=,i={said}"),
    "hash": lambda said: scram_of(offer=f"hash={said}"),
    "scheme": lambda said: lambda path, _: raw("", "401 Who", WWW_Authenticate=f"{said} realm=x"),
    "zone of a record": lambda said: point(said),
    "zone of a sample": lambda said: point(row=f"2020-01-01T05:00:00Z {said},1"),
    "id of a history": lambda said: point(id=said),
    "zinc version": lambda said: lambda path, _: raw(f'ver:"{said}"\na\n1\n'),
}
OF_LOGINS = ("end of a login", "iterations", "hash", "scheme")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("who", ["password", "token"])
def test_a_secret_is_not_shown_wherever_a_server_puts_it(place: str, who: str) -> None:
    if who == "token" and place in OF_LOGINS[:3]:
        pytest.skip("a token needs no login")
    message, shown = told(PLACES[place](SECRET), **{who: SECRET})
    assert message, "the place was looked at"
    assert SECRET.lower() not in (message + shown).lower()


@pytest.mark.parametrize("place", PLACES)
def test_what_is_long_is_cut_wherever_a_server_puts_it(place: str) -> None:
    password = "" if place not in OF_LOGINS else SECRET
    message, _ = told(PLACES[place]("Zz" * 50_000), token="" if password else SECRET, password=password)
    assert message
    assert len(message) < 1_200


async def first_of(items: AsyncGenerator[object, None]) -> object:
    async with aclosing(items):
        return await anext(items)


BATCH = HISTORY.replace(" hisStart", f' dis:"{SECRET}" hisStart').format(id=SECRET, row="2020-01-01T05:00:00Z UTC,1")
# What a client looks for in an answer that was decoded without an error.
AFTER_ANSWERS: dict[str, tuple[Callable[[str, str], bytes], Callable[[hsframe.Client], Awaitable[object]]]] = {
    "id of a history": (point(id=SECRET), lambda c: c.his_read("a", "2020-01-01")),
    "id of a stream": (point(id=SECRET), lambda c: first_of(c.his_stream("a", "2020-01-01"))),
    "ids of a batch": (lambda path, _: raw(BATCH), lambda c: c.his_read_batch(["a", "b"], "2020-01-01")),
    "zone of a write": (
        point(SECRET),
        lambda c: c.his_write("a", [{"ts": datetime(2020, 1, 1, tzinfo=UTC), "val": 1}]),
    ),
    "id of a watch": (
        lambda path, _: raw(f'ver:"3.0" watchId:@{SECRET}\nid\n@a\n'),
        lambda c: first_of(c.watch(["a"])),
    ),
}


@pytest.mark.parametrize("place", AFTER_ANSWERS)
def test_a_client_shows_no_secret_of_what_it_looks_for_in_an_answer(place: str) -> None:
    answer, call = AFTER_ANSWERS[place]

    async def read(uri: str) -> None:
        async with hsframe.Client(uri, token=SECRET, retries=0) as client:
            with pytest.raises(HsFrameError) as caught:
                await call(client)
        error = caught.value
        meta = error.grid.meta if isinstance(error, CallError) and error.grid is not None else {}
        shown = "".join(traceback.format_exception(error)) + repr((error, vars(error), meta))
        assert "<secret>" in shown
        assert SECRET not in shown

    asyncio.run(asked(answer, read))


def test_many_schemes_are_cut() -> None:
    message, _ = told(lambda path, _: raw("", "401 Who", WWW_Authenticate="a " * 100_000), password=SECRET)
    assert message.count("a, a") > 10
    assert len(message) < 1_200


ODD = 'Pa/ss&w"rd+2024ä'


@pytest.mark.parametrize("type", ["text/plain", "text/html"])
@pytest.mark.parametrize("form", [*ESCAPES, *ENCODINGS])
def test_a_secret_is_known_in_each_form(form: str, type: str) -> None:
    said = "".join(map(ESCAPES[form], ODD)) if form in ESCAPES else ENCODINGS[form](ODD)
    answer = raw(f"<p>wrong: {said}.</p>" if type == "text/html" else f"wrong: {said}.", "500 X", Content_Type=type)
    message, _ = told(lambda path, _: answer, password=ODD)
    assert "<secret>" in message
    assert said[-12:-4] not in message
    assert ODD[-5:] not in message


def test_words_of_our_own_and_the_uri_are_no_secrets() -> None:
    """A password of letters alone could be known by what is missing in a message."""
    for password in ("server", "password", "127.0.0.1"):
        message, _ = told(lambda path, _: raw("", "403 No"), password=password)
        assert "<secret>" not in message
    message, _ = told(lambda path, _: raw("", "403 the server"), password="server")
    assert "says 'the <secret>'" in message, "what a server says is its own"


@pytest.mark.parametrize("login", [True, False])
def test_a_page_with_a_number_of_no_character(login: bool) -> None:
    """Python refuses to read thousands of digits by a ValueError."""
    page = raw("<html><p>Bad &#" + "9" * 5_000 + "; gateway", "502 Bad", Content_Type="text/html")
    message, _ = told(lambda path, _: page, **({"password": SECRET} if login else {"token": SECRET}))
    assert "Bad gateway" in message


def test_a_login_that_would_take_seconds_is_refused() -> None:
    message, _ = told(scram_of(f"r={{nonce}}x,s=c2FsdHNhbHQ=,i={MAX_ITERATIONS + 1}"), password=SECRET)
    assert "asks for 1,000,001 iterations" in message
    assert "expected 4,096 to 1,000,000" in message


def test_a_span_is_cut() -> None:
    for span in ("x" * 100_000, "-" + "9" * 300 + "y" * 100_000, ("2026-01-02", "z" * 100_000)):
        with pytest.raises(SpanError) as caught:
            resolve(span, "UTC")
        assert len(str(caught.value)) < 1_500


def test_errors_that_are_causes_of_each_other_are_cleaned_once() -> None:
    known, first, second = KnownSecrets(), HsFrameError("pass 123 word"), HsFrameError("with pass 123 word")
    known.add_own(Secret("pass 123 word"))
    first.__cause__, second.__cause__ = second, first
    with pytest.raises(HsFrameError, match=r"^<secret>$"), known.out_of_errors():
        raise first
    assert str(second) == "with <secret>"
