"""No password, token or proof in a repr, a log line, an error or the local variables of a traceback."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from aiohttp import web

import hsframe
from hsframe.client import Client
from hsframe.client.tls import TLSConfig
from hsframe.errors import HsFrameError, MetadataError, SpanError
from hsframe.grid import Grid
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.scram import b64url_encode
from hsframe.protocol.secret import HiddenSetting, HiddenStr, Secret

USER, PASSWORD = "ann", "s3cret-pencil"
TOKEN, API_KEY, PROXY_PASSWORD, KEY_PASSWORD = "g1ven-t0ken", "ap1-k3y", "pr0xy-pw", "k3y-pw"
SECRETS = [PASSWORD, b64url_encode(PASSWORD), "tok-1-q8Zx", TOKEN, API_KEY, PROXY_PASSWORD, KEY_PASSWORD]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown(error: BaseException) -> str:
    """Everything that a debugger, a crash report or a notebook could show of an error, but the test's own frames."""
    parts = []
    for link in chain(error):
        parts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if "/tests/" not in frame.filename:
                parts += [frame.name, *(f"{name}={value}" for name, value in (frame.locals or {}).items())]
    return "\n".join(parts)


def check(error: BaseException, *, frames: str) -> None:
    text = shown(error)
    assert frames in text, "the frames were looked at"
    for secret in SECRETS:
        assert secret not in text


def failing(status: int) -> Callable[[Any], web.Response]:
    return lambda seen: web.Response(status=status)


async def hang(seen: Any) -> bytes:
    await asyncio.sleep(5)
    return b""


@pytest.mark.parametrize(
    "answer",
    [
        failing(500),
        failing(403),
        failing(401),
        b"no grid",
        b'ver:"3.0" err dis:"x"\nempty\n',
        lambda seen: web.Response(text="<html><title>Login</title>", content_type="text/html"),
        lambda seen: web.Response(status=302, headers={"Location": "/login"}),
        lambda seen: hang(seen),
    ],
)
def test_errors_of_a_call(serve: Any, fake: Any, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        async with serve(fake(answers={"read": answer})) as server:
            headers = {"X-Api-Key": API_KEY}
            async with Client(server.uri, USER, PASSWORD, timeout=0.5, headers=headers) as client:
                try:
                    await client.read("site")
                except HsFrameError as error:
                    errors.append(error)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    check(errors[0], frames="self=<Client http://")
    for secret in SECRETS:
        assert secret not in caplog.text
    assert "Authorization" not in caplog.text


def test_a_wrong_password(serve: Any, fake: Any) -> None:
    async def main() -> None:
        async with serve(fake()) as server, Client(server.uri, "bob", PASSWORD) as client:
            try:
                await client.about()
            except HsFrameError as error:
                check(error, frames="self=<Client http://")
                return
        raise AssertionError("the login was to fail")

    asyncio.run(main())


def test_a_refused_connection_and_a_cut_line() -> None:
    async def main() -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        uri = f"http://127.0.0.1:{port}/api/demo"
        proxy = f"http://pete:{PROXY_PASSWORD}@127.0.0.1:{port}"

        async def attempt(**options: Any) -> None:
            async with Client(uri, token=TOKEN, headers={"Cookie": API_KEY}, retries=0, **options) as client:
                try:
                    await client.about()
                except HsFrameError as error:
                    check(error, frames="fetch")
                    return
            raise AssertionError("the call was to fail")

        await attempt()
        await attempt(proxy=proxy)
        server.close()
        await server.wait_closed()
        await attempt()
        await attempt(proxy=proxy)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(b'ver:"3.0"\nempty\n')[:-3]),
        ({"Content-Encoding": "br"}, b"packed"),
        ({"Content-Length": "100"}, b"cut"),
        ({}, b'ver:"3.0"\nid\n@a'),
        ({}, b"x" * 2000),
    ],
    ids=["cut gzip", "br", "cut", "no line end", "too long"],
)
def test_an_answer_that_is_not_whole(headers: dict[str, str], body: bytes) -> None:
    """The headers of an answer hold a token, too: that of a login."""

    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            lines = {"Authentication-Info": f"authToken={TOKEN}", "Set-Cookie": API_KEY, **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/demo"
        async with Client(uri, limits=hsframe.Limits(answer_bytes=1000)) as client:
            with pytest.raises(HsFrameError) as caught:
                await client.call("eval")
            check(caught.value, frames="_send")
            with pytest.raises(HsFrameError) as caught:
                [batch async for batch in client.his_stream("a", "2026")]
            check(caught.value, frames="his_stream")
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_cancelled_call(serve: Any, fake: Any) -> None:
    """A cancelled call comes through the frames of the HTTP library, which hold the headers."""

    async def main() -> None:
        async with serve(fake(answers={"read": lambda seen: hang(seen)})) as server:
            headers = {"X-Api-Key": API_KEY}
            async with Client(server.uri, USER, PASSWORD, headers=headers) as client:
                await client.about()
                task = asyncio.create_task(client.read("site"))
                await asyncio.sleep(0.1)
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError as error:
                    text = shown(error)
        assert "'<secret>'" in text, "the headers were in a frame"
        for secret in SECRETS:
            assert secret not in text

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xml"},
        {"auth": "digest"},
        {"proxy": "nonsense"},
        {"tls": TLSConfig("none.crt", "none.key", key_password=KEY_PASSWORD)},
        {"timeout": object()},
        {"timeout": -1},
    ],
)
def test_a_constructor_that_fails(options: dict[str, Any]) -> None:
    try:
        Client("https://host/api", USER, PASSWORD, token=TOKEN, headers={"X-Api-Key": API_KEY}, **options)
    except (MetadataError, SpanError) as error:
        check(error, frames="__init__")
        return
    raise AssertionError("the constructor was to fail")


URI = "http://127.0.0.1:9/api"
WRONG_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"user": PASSWORD.encode()}, "user(name)? must be a text"),
    ({"password": PASSWORD.encode()}, "password must be a text"),
    ({"password": 5}, "password must be a text"),
    ({"token": TOKEN.encode()}, "token must be a text"),
    ({"proxy": PROXY_PASSWORD.encode()}, "proxy must be a text"),
    ({"proxy": f"foo:{PROXY_PASSWORD}"}, "proxy must be an http or https uri; check proxy='http://user"),
    ({"uri": f"http://u:{PASSWORD}@host".encode()}, "(uri|base_url) must be a text"),
    ({"headers": 5}, "headers must be a mapping"),
    ({"headers": [("X-Api-Key", API_KEY)]}, "headers must be a mapping"),
    ({"headers": {"X-Api-Key": API_KEY.encode()}}, "the header 'X-Api-Key' must be a text"),
    ({"headers": {5: API_KEY}}, "the name of a header must be a text"),
    ({"tls": 5}, "tls must be a TLSConfig; got the type int"),
    ({"format": None}, "format must be"),
    ({"timeout": float("inf")}, "timeout=inf must be positive"),
    ({"max_concurrency": "6"}, "max_concurrency must be a number, 1 or more; got '6'"),
    ({"max_concurrency": None}, "max_concurrency must be a number, 1 or more; got None"),
]


def of_client(uri: str, user: str, password: str, **more: Any) -> Client:
    return Client(uri, user, password, **more)


@pytest.mark.parametrize(("wrong", "message"), WRONG_SETTINGS, ids=[repr([*wrong]) for wrong, _ in WRONG_SETTINGS])
@pytest.mark.parametrize("make", [hsframe.connect, hsframe.AsyncSession, hsframe.doctor, of_client])
def test_a_setting_of_another_kind(make: Callable[..., object], wrong: dict[str, Any], message: str) -> None:
    """It is refused by its name before anything is sent, and no frame shows what was given."""
    if make is of_client and "max_concurrency" in wrong:
        pytest.skip("a client has no such setting")
    settings = {"uri": URI, "user": USER, "password": PASSWORD, "headers": {"X-Api-Key": API_KEY}} | wrong
    with pytest.raises((MetadataError, SpanError), match=message) as caught:
        make(**settings)
    check(caught.value, frames="__init__")


def test_limits_of_another_kind() -> None:
    with hsframe.connect(URI) as s:
        for wrong in ({"max_concurrency": "6"}, {"limit_rows": "x"}, {"limit_rows": 0}):
            with pytest.raises(MetadataError, match=next(iter(wrong))):
                s.his_read("kw", "today", **wrong)  # type: ignore[call-overload]


def test_reprs_and_copies() -> None:
    client = Client(
        f"http://url-user:{PASSWORD}@host/api",
        token=TOKEN,
        headers={"Authorization": API_KEY},
        proxy=f"http://u:{PROXY_PASSWORD}@proxy",
    )
    seen: set[int] = set()

    def walk(value: object, depth: int = 0) -> Iterator[object]:
        if id(value) in seen or depth > 4:
            return
        seen.add(id(value))
        yield value
        for inner in getattr(value, "__dict__", {}).values():
            yield from walk(inner, depth + 1)
        if isinstance(value, dict):
            for inner in value.values():
                yield from walk(inner, depth + 1)

    text = "\n".join(repr(value) for value in walk(client))
    assert "<Client http://host/api as 'url-user', not open>" in text
    for secret in SECRETS:
        assert secret not in text
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            copying(client)


LONG_TOKEN = "eyJhbGciOiJIUzI1NiJ9.S3cretClaims.S1gnature-of-it"
WAYS: dict[str, Callable[[str], web.Response]] = {
    "text 400": lambda said: web.Response(status=400, text=f"bad request: {said} cookie"),
    "text 500 cut": lambda said: web.Response(status=500, text=f"bad request: {said[:-6]}... cookie"),
    "json 403": lambda said: web.json_response({"message": said}, status=403),
    "json error 200": lambda said: web.json_response({"errTrace": said, "dis": said}),
    "page 401": lambda said: web.Response(status=401, text=f"<html><p>{said}", content_type="text/html"),
    "page 200": lambda said: web.Response(text=f"<html><title>{said}</title>", content_type="text/html"),
    "challenge": lambda said: web.Response(status=401, headers={"WWW-Authenticate": f'x error_description="{said}"'}),
    "scheme": lambda said: web.Response(status=401, headers={"WWW-Authenticate": said.split("=")[-1].split()[-1]}),
    "redirect": lambda said: web.Response(status=302, headers={"Location": "/at/" + said.split()[-1]}),
    "reason": lambda said: web.Response(status=502, reason=said),
    "error grid": lambda said: zinc(
        f'ver:"3.0" err dis:"{said}" errTrace:"a\\n{said}" tags:{{x:["{said}"]}}\nx\n"{said}"\n'
    ),
    "error grid 400": lambda said: zinc(f'ver:"3.0" err dis:"{said}"\nempty\n', 400),
    "incomplete": lambda said: zinc(f'ver:"3.0" incomplete:"{said}"\nid\n'),
    "malformed": lambda said: zinc(f'ver:"3.0"\nid\n{said}\n'),
    "malformed, cut": lambda said: zinc(f'ver:"3.0"\nid\n@a {said}\n'),
}


def zinc(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, body=text.encode(), content_type="text/zinc")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("op", "login"),
    [
        ("read", "token"),
        ("read", "basic"),
        ("read", "header"),
        ("read", "cookie"),
        ("stream", "token"),
        ("doctor", "basic"),
    ],
)
def test_a_server_that_repeats_what_it_was_sent(
    serve: Any, fake: Any, way: str, login: str, op: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As some proxies do in their debugging mode."""
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    who = (USER, PASSWORD) if login == "basic" else ()
    shown_by, options, secrets = {
        "token": ("Authorization", {"token": LONG_TOKEN}, [LONG_TOKEN[:16]]),
        "basic": ("Authorization", {"auth": "basic"}, [basic[:16], PASSWORD]),
        "header": ("X-Api-Key", {"headers": {"X-Api-Key": LONG_TOKEN}}, [LONG_TOKEN[:16]]),
        "cookie": ("Cookie", {"headers": {"Cookie": f"id={LONG_TOKEN}"}}, [LONG_TOKEN[:16]]),
    }[login]
    errors: list[BaseException] = []
    told: list[str] = []

    def repeat(seen: Any) -> web.Response:
        said = seen.headers[shown_by]
        if login == "basic":
            said += " = " + base64.b64decode(said.split()[1]).decode()
        told.append(said)
        return WAYS[way](said)

    async def main() -> None:
        answers = dict.fromkeys(("read", "hisRead", "evalAll", "eval", "ops", "formats"), repeat)
        async with serve(fake(anonymous=True, answers=answers)) as server:
            if op == "doctor":
                async with hsframe.AsyncSession(server.uri, *who, retries=0, **options) as session:
                    text = (await session.doctor()).to_csv()
                    assert not [secret for secret in secrets if secret in text]
                return
            async with Client(server.uri, *who, retries=0, **options) as client:
                for call in (client.read("site") if op == "read" else streamed(client), client.eval_all(["1", "2"])):
                    try:
                        await call
                    except HsFrameError as error:
                        errors.append(error)

    async def streamed(client: Client) -> None:
        async for _ in client.his_stream("@a", "2026-01-01"):
            pass

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert told
    assert errors or op == "doctor"
    for error in errors:
        grid = getattr(error, "grid", None)
        text = shown(error) + caplog.text + (repr([grid.meta, *grid.columns]) if grid is not None else "")
        assert not [secret for secret in secrets if secret in text], text


def test_what_is_taken_out_of_a_text() -> None:
    known = KnownSecrets()
    known.learn([("Authorization", "Basic " + base64.b64encode(b"ann:secret").decode()), ("Accept", "text/zinc")])
    known.learn([("X-Key", HiddenStr("abc")), ("set-cookie", "id=do-not-return; Path=/there; HttpOnly")])
    assert known.redacted("ann:secret, secretsecret, abc") == "ann:<secret>, <secret>, abc", "abc is in too many words"
    assert known.redacted("HELLO text/zinc /there HttpOnly") == "HELLO text/zinc /there HttpOnly"
    assert known.redacted("id=do-not-return;") == "id=<secret>;"
    known.add_own(Secret("ab/cd ef&g"))
    assert known.redacted("é ab%2Fcd%20ef%26g é%") == "é <secret> é%"
    assert known.redacted("ab/cd+ef&g, ab%2fcd") == "<secret>, ab%2fcd"
    assert known.is_in(b"key=ab%2Fcd%20ef%26g")
    assert not known.is_in(b"key=ab%2Fcd")
    data = Grid({"dis": "a secret"}, ["val"], [["secret"]])
    assert known.redacted_error(data) is data


ODD_PASSWORD = "pénc1l +/%?!%41" * 3
ODD_FORMS = [
    ODD_PASSWORD,
    quote(ODD_PASSWORD),
    quote(ODD_PASSWORD, safe=""),
    quote(ODD_PASSWORD, safe="!'()*"),  # JavaScript's encodeURIComponent
    quote_plus(ODD_PASSWORD),
    quote_plus(ODD_PASSWORD).replace("%C3%A9", "%c3%a9").replace("%2F", "%2f"),  # .NET's UrlEncode
    "".join(f"%{byte:02x}" for byte in ODD_PASSWORD.encode()),
    base64.b64encode(ODD_PASSWORD.encode()).decode(),
    base64.urlsafe_b64encode(ODD_PASSWORD.encode()).decode().rstrip("="),
]


@pytest.mark.parametrize("secret", ["password", "token"])
def test_a_server_that_knows_the_secret_and_shows_it(serve: Any, fake: Any, secret: str) -> None:
    """By SCRAM it was never sent; a server that keeps it may show it nevertheless, in any form."""
    who: dict[str, Any] = (
        {"token": ODD_PASSWORD} if secret == "token" else {"username": "bob", "password": ODD_PASSWORD}
    )

    async def main() -> None:
        saying = fake(anonymous=True)
        saying.answers["about"] = lambda seen: web.Response(status=500, text="; ".join(["wrong:", *ODD_FORMS]))
        async with serve(saying) as server, Client(server.uri, **who, retries=0) as client:
            for call in (client.about(), client.call("about")):
                with pytest.raises(HsFrameError, match="<secret>; <secret>") as caught:
                    await call
                text = shown(caught.value)
                assert not [form for form in ODD_FORMS if form in text or form[:20] in text]

    asyncio.run(main())


def test_a_proof_is_a_secret_by_itself(serve: Any, fake: Any) -> None:
    told: list[str] = []

    class Telling(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            data = base64.urlsafe_b64decode(params.get("data", "") + "==").decode()
            if ",p=" not in data:
                return await super()._login(scheme, params)
            proof = data.rpartition(",p=")[2]
            told.extend([proof, quote(proof, safe="")])
            return web.Response(status=403, text=f"proof {told[0]} or {told[1]} is wrong")

    async def main() -> None:
        async with serve(Telling()) as server, Client(server.uri, USER, PASSWORD) as client:
            # A proof may begin with a plus sign, which a form writes as a blank.
            with pytest.raises(HsFrameError, match=r"proof ?<secret> or ?<secret> is wrong") as caught:
                await client.about()
            text = shown(caught.value)
            assert not [proof for proof in told if proof in text]

    asyncio.run(main())
    assert told


@pytest.mark.parametrize("end", ["2024/Summer", "2024?Summer", "2024#Summer", "Su/mmer", "1/Summer@x"])
def test_a_password_in_a_uri_that_ends_too_early_is_not_shown(end: str) -> None:
    for settings in ({}, {"proxy": f"http://bob:{end}@host/"}):
        uri = "http://host/api" if settings else f"http://bob:{end}@host/api"
        with pytest.raises(MetadataError, match=r"must be an http or https uri; ") as caught:
            Client(uri, **settings)
        assert "mmer" not in shown(caught.value)
        if "2024" in end:
            assert "%2F %3F %23 or %40" in str(caught.value)


def test_a_password_that_is_the_users_name_hides_no_words() -> None:
    client = Client("http://host/api", "demo", "demo")
    assert client.sender.decoder.secrets.redacted("no project demo") == "no project demo"


def test_settings_are_hidden_however_they_are_shown() -> None:
    settings = hsframe.connect(URI, USER, PASSWORD, proxy=f"http://u:{PROXY_PASSWORD}@proxy").settings
    tls = TLSConfig(key_password=KEY_PASSWORD)
    fields = [settings.password, settings.proxy, tls.key_password]
    texts = [repr(settings), repr(tls), repr([asdict(tls), astuple(tls), asdict(settings)]), repr(fields)]
    for one in fields:
        for again in (one, copy.copy(one), copy.deepcopy(one)):
            texts += [f"{again}", f"{again!s:>20}", f"{again:>20}", str(again), "%s %r" % (again, again)]  # noqa: UP031
    for secret in SECRETS:
        assert secret not in "\n".join(texts)
    for one in (settings, tls, settings.password, HiddenStr("x")):
        with pytest.raises(TypeError, match=r"not pickled.*HSFRAME_PASSWORD"):
            pickle.dumps(one)
    assert Secret(HiddenSetting("abc")).reveal() == "abc"
    assert pickle.loads(pickle.dumps(TLSConfig("a.crt"))) == TLSConfig("a.crt")
    hsframe.close()


@pytest.mark.parametrize("kind", [Client, hsframe.AsyncSession, hsframe.Session])
def test_a_half_made_one(kind: type[Any]) -> None:
    """As a debugger has it, or the traceback of a constructor that raised."""
    half = kind.__new__(kind)
    assert repr(half) in (f"<{kind.__name__}>", f"<{kind.__name__} that is being made>")
    assert f"{half}" == str(half) == repr(half)
    for copying in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"worker.*environment"):
            copying(half)


def test_a_session_that_is_pickled_says_what_to_do_in_a_worker() -> None:
    with hsframe.connect(URI, USER, PASSWORD) as session:
        for one in (session, hsframe.AsyncSession(URI, USER, PASSWORD), session.client):
            with pytest.raises(
                TypeError, match=r"make a new one where it is needed.*In a worker|needed, in a worker"
            ) as caught:
                pickle.dumps(one)
            assert PASSWORD not in shown(caught.value)


def test_a_session_that_is_repeated(serve: Any, fake: Any) -> None:
    async def main() -> None:
        said: list[str] = []

        def refuse(seen: Any) -> web.Response:
            said.append(seen.headers["Authorization"])
            return web.Response(status=500, text=f"found {seen.headers['Authorization']}")

        async with serve(fake(answers={"read": refuse})) as server, Client(server.uri, USER, PASSWORD) as client:
            with pytest.raises(HsFrameError, match="BEARER authToken=<secret>"):
                await client.read("site")
            assert "tok-1-q8Zx" in said[0]

    asyncio.run(main())
