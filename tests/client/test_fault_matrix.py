"""Each op of the table of retries under each fault: how often it is sent, how often it has run, and what comes of it.

Between client and the embedded server is a line of real sockets; the pauses and time-outs are those that users have.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hsframe.client import Client
from hsframe.errors import HsFrameError, NetworkError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.version5 import Version, wire_of
from hsframe.server.app import SERVED_OPS, make_app
from hsframe.server.database import Database
from hsframe.server.ops import Op
from hsframe.server.run import listening
from hsframe.server.state import State
from hsframe.spans import from_epoch_us
from hsframe.zones import zone
from tests import virtual_time
from tests.client.faulty_line import EMPTY, Fault, FaultyLine, faulty_line, http

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "when-something-goes-wrong.md"
RETRIES = 3
FIRST_US = 1_793_505_600_000_000
HOUR_US = 3_600_000_000
DAY = "2026-11-01"
TIMEOUT_S = 10  # four tries are done in the minute after which nothing that times out is repeated


# The ops -------------------------------------------------------------------------------------------------------------

Call = Callable[[Client, str], Awaitable[Any]]


def samples() -> Grid:
    times = [from_epoch_us(FIRST_US + hour * HOUR_US, zone("New_York")) for hour in range(6)]
    return Grid({"id": Ref("p1")}, ["ts", "val"], [times, [Number(7, "kW")] * 6])


# Every op of each column of the table; all get the id of a watch that is open.
OPS: dict[str, dict[str, Call]] = {
    "ops that only read": {
        "about": lambda c, _: c.about(),
        "ops": lambda c, _: c.ops(),
        "filetypes": lambda c, _: c.filetypes(),
        "read": lambda c, _: c.read("point"),
        "nav": lambda c, _: c.nav(),
        "hisRead": lambda c, _: c.his_read("p0", DAY),
    },
    "hisWrite, watchUnsub": {
        "hisWrite": lambda c, _: c.call("hisWrite", samples()),
        "watchUnsub": lambda c, watch: c.watch_close(watch),
    },
    "all other ops": {
        "invokeAction": lambda c, _: c.invoke_action("p0", "count"),
        "pointWrite": lambda c, _: c.point_write("p2", 16, Number(1, "kW")),
        "watchSub": lambda c, _: c.watch_sub(["p0"], "more"),
        "watchPoll": lambda c, watch: c.watch_poll(watch, refresh=True),
        "eval": lambda c, _: c.eval("1"),
        "commit": lambda c, _: c.call("commit", Grid({"commit": "add"}, ["dis"], [["x"]])),
    },
}


def building() -> Database:
    database = Database(tz="New_York")
    point = {"point": MARKER, "his": MARKER, "writable": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
    for number in range(3):
        database.add({"id": Ref(f"p{number}"), "dis": f"P{number}", **point})
    database.set_history("p0", FIRST_US + np.arange(24) * HOUR_US, np.arange(24.0))
    database.actions["count"] = lambda *_: Grid.from_rows({}, ["done"], [{"done": True}])
    return database


# The faults ----------------------------------------------------------------------------------------------------------

AT_ONCE = b"Retry-After: 0"
AFTER_20_S = b"Retry-After: 20"
ERROR = b'ver:"3.0" err dis:"no"\nempty\n'


class Refused(NamedTuple):
    """Nobody listens, while so many connections are tried."""


REFUSED = Refused()

FAULTS: dict[str, dict[str, Fault | Refused]] = {
    "no connection is made to the server or the proxy": {"refused": REFUSED},
    "HTTP 429": {
        "at once": Fault(http(429, b"", AT_ONCE)),
        "after 20 s": Fault(http(429, b"slow down", AFTER_20_S)),
        "without a time": Fault(http(429)),
    },
    "HTTP 503": {"at once": Fault(http(503, b"", AT_ONCE)), "with a grid": Fault(http(503, EMPTY))},
    "HTTP 502": {"not run": Fault(http(502, b"bad gateway")), "run": Fault(http(502), ran=True)},
    "the connection breaks, or the body is cut": {
        "reset before it ran": Fault("reset"),
        "closed before it ran": Fault("closed"),
        "reset after it ran": Fault("reset", ran=True),
        "closed after it ran": Fault("closed", ran=True),
        "body cut": Fault("cut", ran=True),
        "chunks without an end": Fault("chunks", ran=True),
    },
    "HTTP 504": {"not run": Fault(http(504)), "run": Fault(http(504), ran=True)},
    "the time-out passes": {
        "silence": Fault("silence"),
        "silence after it ran": Fault("silence", ran=True),
        "a byte a second": Fault("trickles", ran=True),
    },
    "the session is lost (401, 403, a login page)": {
        "401": Fault(http(401, b"", b"WWW-Authenticate: scram hash=SHA-256")),
        "403": Fault(http(403)),
        "login page": Fault(http(200, b"<!DOCTYPE html><html></html>", b"Content-Type: text/html")),
    },
    "any other error, in HTTP (500, 404) or as a grid": {
        "500": Fault(http(500)),
        "404": Fault(http(404)),
        "501": Fault(http(501)),
        "500 with an error grid": Fault(http(500, ERROR)),
        "error grid": Fault(http(200, ERROR)),
        "no HTTP": Fault(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    },
}


def table() -> Mapping[str, Mapping[str, str]]:
    """The table of the page: of each fault the cell of each column."""
    found = re.search(r"^\| what happens \|.*\n(?:\|.*\n)+", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    lines = found[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}


def test_the_table_and_the_matrix_have_the_same_rows_and_columns() -> None:
    assert [*table()] == [*FAULTS]
    assert all([*cells] == [*OPS] and set(cells.values()) <= {"again", "once", "no"} for cells in table().values())


MATRIX = [
    pytest.param(op, call, fault, table()[row][column], id=f"{op}-{row.split(',')[0]}-{name}")
    for row, faults in FAULTS.items()
    for name, fault in faults.items()
    for column, ops in OPS.items()
    for op, call in ops.items()
]


@pytest.mark.parametrize("times", [1, 99], ids=["once", "always"])
@pytest.mark.parametrize(("op", "call", "fault", "cell"), MATRIX)
def test_each_op_under_each_fault(op: str, call: Call, fault: Fault | Refused, cell: str, times: int) -> None:
    most = {"again": RETRIES + 1, "once": 2, "no": 1}[cell]
    sent = min(times + 1, most)
    recovers = times < most
    version: Version = 4 if "4" in State.versions else 5
    op = wire_of(op, Grid(), version).name
    users = {"ann": "secret"} if cell == "once" else {}  # only who has logged in can have lost a session

    async def main() -> None:
        database = building()
        app = make_app(database, users, iterations=4096)
        for name in ("eval", "commit"):
            app[SERVED_OPS][name] = Op(name, lambda call: Grid.from_rows({}, ["done"], [{"done": True}]), False, "")
        who = ("ann", "secret") if users else ()
        async with (
            listening(app) as uri,
            Client(uri, *who) as other,
            faulty_line(uri, lambda name, _: None, listens=not isinstance(fault, Refused)) as line,
            Client(line.uri, *who, retries=RETRIES, timeout=TIMEOUT_S, version=version) as client,
        ):
            watch = (await other.watch_sub(["p0"], "open", raw=True)).meta["watchId"]
            outcome = await struck(line, call(client, watch), op, fault, times)
            if recovers:
                assert not isinstance(outcome, HsFrameError), outcome
            else:
                assert isinstance(outcome, HsFrameError)
            if isinstance(fault, Refused):
                assert line.seen == ([op] if recovers else [])
                assert line.ran == line.seen
            else:
                assert line.seen == [op] * sent
                assert len(line.ran) == sent - (0 if fault.ran else min(times, sent))
            if cell == "no":
                assert len(line.ran) <= 1, "what may do harm a second time ran twice"
            if isinstance(outcome, NetworkError):
                assert (f"(sent {sent} times in " in str(outcome)) == (sent > 1), outcome
            if op == "hisWrite":
                written = database.history("p1")
                assert written.values.tolist() == ([7.0] * 6 if line.ran else [])
            line.fault = lambda name, _: None
            if isinstance(fault, Refused) and not recovers:
                await line.listen()
            assert len(await client.read("point")) == 3, "the same client goes on"

    virtual_time.run(main())


async def struck(line: FaultyLine, call: Awaitable[Any], op: str, fault: Fault | Refused, times: int) -> object:
    """What comes of a call whose first requests meet a fault: its result, or its error."""
    if isinstance(fault, Refused):
        task = asyncio.ensure_future(call)
        if times == 1:
            await asyncio.sleep(0.05)  # the first pause is 0.1 s at least
            await line.listen()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        return outcome
    line.fault = lambda name, before: fault if name == op and before < times else None
    (outcome,) = await asyncio.gather(call, return_exceptions=True)
    return outcome
