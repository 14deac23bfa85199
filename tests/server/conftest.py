"""A small building, a server that serves it, and raw requests over a real socket."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hsframe.codecs import decode, encode
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.scram import ScramClient, b64url_decode, b64url_encode
from hsframe.protocol.secret import Secret
from hsframe.server.clock import ManualClock
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

NOW = datetime(2026, 11, 10, 17, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What came back, byte for byte."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def grid(self) -> Grid:
        assert self.status == 200, (self.status, self.text)
        return decode(self.body, self.headers["Content-Type"])


class Raw:
    """Requests as they stand on the wire; a new connection each."""

    def __init__(self, server: RunningServer, address: str = "127.0.0.1") -> None:
        self.server = server
        self.address = address
        self.token = ""

    def send(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        params: Mapping[str, str] | None = None,
        *,
        auth: bool = True,
        timeout_s: float = 30.0,
    ) -> Answer:
        all_headers = CIMultiDict(headers or {})
        if auth and self.token:
            all_headers.setdefault("Authorization", f"BEARER authToken={self.token}")
        raw_body = body.encode() if isinstance(body, str) else body
        data = None if raw_body is None else io.BytesIO(raw_body)

        async def once() -> Answer:
            skip = {"Accept", "Content-Type", "Accept-Encoding"} - set(all_headers)
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(local_addr=(self.address, 0)),
                    auto_decompress=False,
                    skip_auto_headers=skip,
                ) as session,
                session.request(
                    method,
                    f"{self.server.uri}/{path}",
                    data=data,
                    headers=all_headers,
                    params=params,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(timeout_s),
                ) as response,
            ):
                return Answer(response.status, response.headers, await response.read())

        async def whole() -> Answer:
            answer = await once()
            # A body that was refused halfway is still in the connection: it closes when the server resets it,
            # of which no event tells.
            while len(asyncio.get_running_loop()._selector.get_map()) > 1:  # noqa: ASYNC110  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
            return answer

        return asyncio.run(whole())

    def get(self, path: str, headers: Mapping[str, str] | None = None, **params: str) -> Answer:
        return self.send("GET", path, headers=headers, params=params)

    def post(self, op: str, text: str, **headers: str) -> Answer:
        """A Zinc body; the keywords are headers with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", op, text, {"Content-Type": "text/zinc", **named})

    def call(self, op: str, request: Grid | str = 'ver:"3.0"\nempty\n') -> Grid:
        text = request if isinstance(request, str) else encode(request, "zinc").decode()
        return self.post(op, text).grid

    def refused(self, op: str, request: str) -> str:
        """The words of the error grid."""
        grid = self.call(op, request)
        assert grid.is_error, grid
        assert grid.meta["errTrace"]
        return f"{grid.meta['errType']}: {grid.meta['dis']}"

    def hello(self, user: str) -> Answer:
        return self.send("GET", "about", headers={"Authorization": f"HELLO username={b64url_encode(user)}"}, auth=False)

    def scram(self, user: str, password: str) -> list[Answer]:
        """The whole login, step by step, as far as the server goes along."""
        answers = [self.hello(user)]
        hash_name = header_value(answers[-1], "hash")
        token = header_value(answers[-1], "handshakeToken")
        client = ScramClient(user, hash_name)

        def step(message: str) -> str:
            header = f"SCRAM handshakeToken={token}, data={b64url_encode(message)}"
            answers.append(self.send("GET", "about", headers={"Authorization": header}, auth=False))
            return b64url_decode(header_value(answers[-1], "data"))

        derivation = client.challenge(step(client.first()), Secret(password))
        try:
            client.verify(step(client.final(derivation.run())))
        except LookupError:
            return answers
        self.token = header_value(answers[-1], "authToken")
        return answers


def header_value(answer: Answer, name: str) -> str:
    """A parameter of the challenge or of the authentication info."""
    text = answer.headers.get("WWW-Authenticate", "") + answer.headers.get("Authentication-Info", "")
    found = re.search(rf"\b{name}=([^, ]+)", text)
    if found is None:
        raise LookupError(f"{name} is not in {text!r} ({answer.status})")
    return found.group(1)


def small_building() -> Database:
    def point(key: str, dis: str, kind: str, tz: str = "New_York", **more: Any) -> dict[str, Any]:
        return {
            "id": Ref(key),
            "dis": dis,
            "point": MARKER,
            "his": MARKER,
            "cur": MARKER,
            "kind": kind,
            "tz": tz,
            "siteRef": Ref("site"),
            "equipRef": Ref("ahu"),
            **more,
        }

    return Database(
        [
            {"id": Ref("site"), "dis": "Site", "site": MARKER, "tz": "New_York", "area": Number(1000, "ft²")},
            {"id": Ref("ahu"), "dis": "AHU", "equip": MARKER, "ahu": MARKER, "siteRef": Ref("site")},
            point("temp", "Temp", "Number", unit="°F", temp=MARKER, sensor=MARKER),
            point("kw", "Power", "Number", unit="kW"),
            point("plain", "Plain", "Number"),
            point("fan", "Fan", "Bool", writable=MARKER, cmd=MARKER),
            point("mode", "Mode", "Str", enum="off,on", writable=MARKER),
            point("sp", "Setpoint", "Number", unit="°F", sp=MARKER, writable=MARKER),
            point("lon", "London Power", "Number", tz="London", unit="kW"),
            {"id": Ref("nohis"), "dis": "No history", "point": MARKER, "kind": "Number", "siteRef": Ref("site")},
        ],
        tz="New_York",
        name="Small building",
    )


def serve_small(stack: ExitStack, **options: Any) -> Raw:
    options.setdefault("clock", ManualClock(NOW))
    return Raw(stack.enter_context(running_server(small_building(), **options)))


@pytest.fixture
def start() -> Iterator[Callable[..., Raw]]:
    """Starts servers with options of their own; without users where none are named."""
    with ExitStack() as stack:

        def one(**options: Any) -> Raw:
            options.setdefault("users", {})
            return serve_small(stack, **options)

        yield one


@pytest.fixture
def raw(start: Callable[..., Raw]) -> Raw:
    """A server of its own, without a login, whose clock a test moves."""
    return start()


@pytest.fixture(scope="session")
def building() -> Callable[[], Database]:
    """Makes small buildings, for tests that need one an example."""
    return small_building
