"""Servers that are doubted: their answers are read as they are written, with one warning."""

from __future__ import annotations

import asyncio
import gzip
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from aiohttp import web

import hsframe
from hsframe.testing.server import RunningServer, running_server
from tests.session.conftest import small_building

# In winter the building writes +00:00 in place of New York's offset, and means New York's clock.
WRONG = "the server writes +00:00 with the zone New_York, which is at -0"


@web.middleware
async def wrong_offsets(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        body = response.body
        if response.headers.pop("Content-Encoding", None):
            body = gzip.decompress(body)
        response.body = body.replace(b"-05:00", b"+00:00")
    return response


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setattr(
        "hsframe.testing.server.with_quirks", lambda _: lambda app: app.middlewares.append(wrong_offsets)
    )
    with running_server(small_building()) as server:
        yield server


def told(run: Callable[[], object]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        run()
    return given


@pytest.mark.parametrize("format", ["zinc", "json", "json3"])
def test_a_server_is_warned_of_once(wrong: RunningServer, format: str) -> None:
    with hsframe.connect(wrong.uri, wrong.user, wrong.password, format=format) as session:
        frames = []
        given = told(lambda: frames.append(session.his_read("@kw", "2026-11-02,2026-11-06", chunk="1D")))
        assert [str(warning.message).count(WRONG) for warning in given] == [1]
        assert given[0].category is hsframe.ZoneWarning
        assert given[0].filename == __file__
        assert told(lambda: session.his_read(["@kw", "@oat"], "2026-11-03")) == []
    # Another session of the same server knows what was said; the instants are those of the offsets.
    with hsframe.connect(wrong.uri, wrong.user, wrong.password, format=format) as session:
        assert told(lambda: session.his_read("@kw", "2026-11-03")) == []
    assert frames[0].index[0] == pd.Timestamp("2026-11-02T00:00-05:00")


def test_a_failed_read_does_not_use_the_warning_up(wrong: RunningServer) -> None:
    with hsframe.connect(wrong.uri, wrong.user, wrong.password) as session:
        with pytest.raises(hsframe.UnitError):
            session.his_read("@kw", "2026-11-02", units={"kW": "°C"})
        assert len(told(lambda: session.his_read("@kw", "2026-11-02"))) == 1


def test_every_face_warns_at_the_line_of_its_caller(wrong: RunningServer) -> None:
    async def with_session() -> None:
        async with hsframe.AsyncSession(wrong.uri, wrong.user, wrong.password) as session:
            await session.his_read("@kw", "2026-11-02")

    async def with_client() -> None:
        async with hsframe.Client(wrong.uri, wrong.user, wrong.password) as client:
            await client.his_read("kw", "2026-11-02", raw=True)

    async def with_stream() -> None:
        async with hsframe.Client(wrong.uri, wrong.user, wrong.password) as client:
            async for _ in client.his_stream("kw", "2026-11-02,2026-11-06"):
                pass

    for face in (with_session, with_client, with_stream):
        hsframe.protocol.dialects.forget(wrong.uri)
        given = told(lambda face=face: asyncio.run(face()))
        assert [(warning.category, warning.filename) for warning in given] == [(hsframe.ZoneWarning, __file__)]
        assert WRONG in str(given[0].message)
