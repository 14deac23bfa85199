"""Many clients at once on one server: how long requests take, what fails, and whether the memory of the server grows.

``python -m tests.benchmarks.load`` prints a table and ends with 1 where a limit is passed. The server is a process of
its own, over a database in memory; the clients are tasks of another one, logged in each by itself, which read bytes and
decode nothing. A quarter of them each reads a day of one point, a day of ten points, records by filter, and writes 100
samples; each sends its next request when the last one is answered. Requests of the first seconds, while clients log in,
do not count.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import numpy as np

from hsframe.kinds import MARKER, Ref
from hsframe.protocol.scram import ScramClient, b64url_decode, b64url_encode
from hsframe.protocol.secret import Secret
from tests.benchmarks.serving import serve_app, server_process
from tests.benchmarks.verdicts import verdict

POINTS = 200
FIRST_US = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
STEP_US = 300_000_000  # 5 minutes
ROWS = 60 * 288
USER, PASSWORD = "load", "s3cret"
WARM_S = 5.0

LIMIT_RATIO = 10.0  # the slowest hundredth over the median
LIMIT_GROWTH = 1.1  # of the memory, from the first half to the end


async def serve() -> None:
    """Serve the points until the standard input ends; prints the uri."""
    from hsframe.server.app import make_app
    from hsframe.server.database import Database

    database = Database(tz="UTC")
    ts_us = FIRST_US + STEP_US * np.arange(ROWS)
    values = np.round(50 + 20 * np.random.default_rng(7).normal(size=ROWS), 2)
    for number in range(POINTS):
        tags = {"id": Ref(f"p{number}"), "dis": f"Meter {number}", "point": MARKER, "his": MARKER, "tz": "UTC"}
        database.add(tags | {"kind": "Number", "unit": "kW", "elec": MARKER, "meter": MARKER})
        database.set_history(f"p{number}", ts_us, values)
    await serve_app(make_app(database, {USER: PASSWORD}, iterations=4096))


# The clients --------------------------------------------------------------------------------------------------------


def one_point(number: int, turn: int) -> tuple[str, str]:
    """A day of one point."""
    return "hisRead", f'ver:"3.0"\nid,range\n@p{number % POINTS},"2026-01-{turn % 28 + 1:02}"\n'


def ten_points(number: int, turn: int) -> tuple[str, str]:
    """A day of ten points."""
    ids = "".join(f"@p{(number * 10 + place) % POINTS}\n" for place in range(10))
    return "hisRead", f'ver:"3.0" range:"2026-01-{turn % 28 + 1:02}"\nid\n{ids}'


def records(number: int, turn: int) -> tuple[str, str]:
    """All records of points."""
    return "read", 'ver:"3.0"\nfilter\n"point and his and unit == \\"kW\\""\n'


def write(number: int, turn: int) -> tuple[str, str]:
    """100 samples of one point; the same ones again, so that what is stored does not grow."""
    rows = "".join(f"2026-02-01T{row // 12:02}:{row % 12 * 5:02}:00Z UTC,{turn % 100}kW\n" for row in range(100))
    return "hisWrite", f'ver:"3.0" id:@p{number % POINTS}\nts,val\n{rows}'


KINDS: dict[str, Callable[[int, int], tuple[str, str]]] = {
    "a day of one point": one_point,
    "a day of ten points": ten_points,
    "200 records": records,
    "100 samples written": write,
}


async def log_in(session: aiohttp.ClientSession, uri: str) -> str:
    """A bearer token."""

    async def step(header: str) -> str:
        async with session.get(f"{uri}/about", headers={"Authorization": header}) as answer:
            return answer.headers.get("WWW-Authenticate") or answer.headers["Authentication-Info"]

    def part(text: str, name: str) -> str:
        return text.split(f"{name}=")[1].split(",")[0]

    token = part(await step(f"HELLO username={b64url_encode(USER)}"), "handshakeToken")
    client = ScramClient(USER, "SHA-256")
    prefix = f"SCRAM handshakeToken={token}, data="
    first = part(await step(prefix + b64url_encode(client.first())), "data")
    keys = client.challenge(b64url_decode(first), Secret(PASSWORD)).run()
    return part(await step(prefix + b64url_encode(client.final(keys))), "authToken")


class Load:
    """What the clients have seen: the seconds of each answer by kind, and the errors."""

    def __init__(self, uri: str, start_s: float, end_s: float) -> None:
        self.uri, self.start_s, self.end_s = uri, start_s, end_s
        self.seconds: dict[str, list[float]] = {name: [] for name in KINDS}
        self.errors: list[str] = []

    async def client(self, session: aiohttp.ClientSession, number: int) -> None:
        """Requests of one kind, one after the other."""
        name = list(KINDS)[number % len(KINDS)]
        turn = number
        try:
            token = await log_in(session, self.uri)
            headers = {"Authorization": f"BEARER authToken={token}", "Content-Type": "text/zinc"}
            while (sent_s := time.monotonic()) < self.end_s:
                op, body = KINDS[name](number, turn := turn + 1)
                async with session.post(f"{self.uri}/{op}", data=body, headers=headers) as answer:
                    text = await answer.read()
                if answer.status != 200 or b" err" in text.partition(b"\n")[0]:
                    self.errors.append(f"{name}: {answer.status} {text[:200]!r}")
                elif sent_s > self.start_s:
                    self.seconds[name].append(time.monotonic() - sent_s)
        except (aiohttp.ClientError, OSError, IndexError) as error:
            self.errors.append(f"{name}: {error!r}")


async def measure(uri: str, server: int, clients: int, lasts_s: float) -> tuple[Load, list[float]]:
    """Run the clients; gives what they saw, and the memory of the server each second, in MB."""
    now_s = time.monotonic()
    load = Load(uri, now_s + WARM_S, now_s + WARM_S + lasts_s)
    memory: list[float] = []

    async def watch() -> None:
        while time.monotonic() < load.end_s:
            await asyncio.sleep(1)
            memory.append(resident_mb(server))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(watch(), *(load.client(session, number) for number in range(clients)))
    return load, memory[int(WARM_S) :]


def resident_mb(pid: int) -> float:
    """The memory that a process has, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def main() -> int:
    """Measure, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with server_process("tests.benchmarks.load") as uri:
        server = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text())
        load, memory = asyncio.run(measure(uri, server, options.clients, options.seconds))
    figures: list[tuple[str, float, float]] = [("errors", len(load.errors), 0)]
    print(f"{options.clients} clients for {options.seconds:g} s")
    for name, seconds in load.seconds.items():
        p50, p99 = np.percentile(seconds, [50, 99]) * 1000
        print(f"  {name:20} {len(seconds) / options.seconds:7.1f} a second, p50 {p50:7.0f} ms, p99 {p99:7.0f} ms")
        figures.append((f"{name}: p99 over p50", p99 / p50, LIMIT_RATIO))
    middle = len(memory) // 2
    print(
        f"  memory of the server {memory[0]:.0f} MB, {memory[middle]:.0f} in the middle, {memory[-1]:.0f} MB in the end"
    )
    for error in load.errors[:5]:
        print(f"  {error}")
    return verdict([*figures, ("memory, the end over the first half", memory[-1] / max(memory[:middle]), LIMIT_GROWTH)])


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        logging.disable(logging.CRITICAL)
        asyncio.run(serve())
    else:
        sys.exit(main())
