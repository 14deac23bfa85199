"""Filters as people write them: sent as they are, and where a server refuses one, what is wrong with it is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

import hsframe
from hsframe.codecs import decode
from hsframe.errors import CallError, HsFrameError, HTTPStatusError
from hsframe.testing.server import running_server

USER, PASSWORD = "ann", "s3cret-pencil"
ERROR = b'ver:"3.0" err dis:"Bad filter, sorry" errType:"sys::ParseErr"\nempty\n'
POINT = b'ver:"3.0"\nid,point,his,kind,tz\n@a,M,M,"Bool","UTC"\n'
HISTORY = b'ver:"3.0" id:@a\nts,val\n2026-01-01T00:00:00Z UTC,T\n'

# filter, column of the mistake, hint
MALFORMED = [
    ("point and temp = 5", 16, "'==' means equal"),
    ("point && his", 7, "'and' joins two terms"),
    ("point || his", 7, "'or' joins two terms"),
    ("point and @a", 11, "an id is compared, as in id == @nyc"),
    ("point and !his", 11, "'not' before a path"),
    ("dis == 'Main'", 8, "a text stands in double quotes"),
    ("dis == \u201cMain\u201d", 8, "a text stands in double quotes"),
    ("point and", 10, "a tag name"),
    ("point temp", 7, "'and', 'or' or the end"),
    ("a/b", 2, "'and', 'or' or the end"),
    ("(point", 7, "'and', 'or' or ')'"),
]


async def tried(session: hsframe.AsyncSession, filter: str) -> list[HsFrameError]:
    """What each verb raises that takes a filter."""

    async def watch() -> None:
        async with aclosing(session.watch(filter)) as frames:
            await anext(frames)

    calls = (
        lambda: session.read(filter),
        lambda: session.his_read(filter, "2026-01-01"),
        lambda: session.client.read(filter),
        watch,
    )
    errors = []
    for call in calls:
        with pytest.raises((CallError, HTTPStatusError)) as caught:
            await call()
        errors.append(caught.value)
    return errors


@pytest.mark.parametrize(("filter", "column", "hint"), MALFORMED, ids=[row[0] for row in MALFORMED])
def test_a_malformed_filter_is_told_alike_by_every_verb(filter: str, column: int, hint: str) -> None:
    async def main() -> None:
        with running_server() as server:
            async with hsframe.AsyncSession(server.uri, server.user, server.password) as session:
                errors = await tried(session, filter)
        assert len({str(error) for error in errors}) == 1
        message = str(errors[0])
        assert f"line 1, column {column}" in message
        assert hint in message
        assert message.count("at line 1") == 1

    asyncio.run(main())


@pytest.mark.parametrize("status", [200, 400])
def test_a_server_that_says_no_place_is_helped_out(serve: Callable[..., Any], fake: type[Any], status: int) -> None:
    async def main() -> None:
        answer = ERROR if status == 200 else (lambda seen: web.Response(status=400, reason="Bad filter, sorry"))
        server = fake(answers={"read": answer})
        async with serve(server), hsframe.AsyncSession(server.uri, USER, PASSWORD) as session:
            for error in await tried(session, "point and temp = 5"):
                assert "Bad filter, sorry" in str(error)
                assert "filter: found '=' after the filter at line 1, column 16" in str(error)
                assert "'==' means equal" in str(error)
                assert isinstance(error, CallError if status == 200 else HTTPStatusError)
            # A filter by the grammar is not blamed.
            for error in await tried(session, "point and temp"):
                assert "filter: " not in str(error)

    asyncio.run(main())


@pytest.mark.parametrize(
    "filter",
    [
        "^elec-meter",
        "point and ^elec-meter",
        "inputs? ^air @ahu",
        "siteRef *== @a",
        "point // and more",
        "his // all\nand point",
        "point\xa0and his",
        "point and temp ~= 5",  # of a server that knows more than anyone else
        "search(meter)",
    ],
)
def test_what_is_plainly_a_filter_is_sent_as_it_is(serve: Callable[..., Any], fake: type[Any], filter: str) -> None:
    async def main() -> None:
        server = fake(answers={"read": POINT, "hisRead": HISTORY})
        async with serve(server), hsframe.AsyncSession(server.uri, USER, PASSWORD) as session:
            frame = await session.his_read(filter, "2026-01-01", tz="UTC")
        assert frame.iloc[:, 0].tolist() == [True]
        asked = [decode(seen.body, "zinc") for seen in server.seen if seen.op == "read"]
        assert [dict(row) for grid in asked for row in grid] == [{"filter": filter}]

    asyncio.run(main())
