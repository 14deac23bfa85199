"""What planning costs and what it saves: ``his_read`` against requests sent by hand, over sockets.

``python -m tests.benchmarks.planner`` prints a table and ends with 1 where a limit is passed. The server is a process
of its own, and so is every reader; each figure is the best of several rounds, both sides in turn, so that a busy
machine slows both.

- 1,000 points, a month of quarter hours: the time of ``his_read`` over that of the same samples by ``his_read_batch``,
  sent by hand at the best of several batch sizes and as many at once; by hand there is no frame in the end. Beside it
  the bodies alone, not even decoded.
- the same read: the most memory above what was there before, over the memory of the frame.
- 100 points, a year, a server that takes 200 ms to answer: the time of ``his_read`` over that of a request a point, one
  after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hsframe.kinds import MARKER, Number, Ref
from tests.benchmarks.serving import serve_app, server_process

STEP_US = 900_000_000
YEAR_ROWS = 365 * 96
FIRST_US = int(datetime(2026, 1, 1, 5, tzinfo=UTC).timestamp()) * 1_000_000  # New York's new year
MONTH, YEAR = "2026-03", "2026"
SIZES = (10, 50, 100, 250)
AT_ONCE = 6
DELAY_S = 0.2

LIMIT_TIME = 1.3
LIMIT_MEMORY = 2.0
LIMIT_LATENCY = 0.2


# The server ---------------------------------------------------------------------------------------------------------


async def serve(points: int, delay_s: float, interval: bool) -> None:
    """Serve some points until the standard input ends; prints the uri."""
    from hsframe.server.app import make_app
    from hsframe.server.database import Database
    from hsframe.testing.quirk_wrappers import with_quirks

    database = Database(tz="New_York")
    ts_us = FIRST_US + STEP_US * np.arange(YEAR_ROWS, dtype=np.int64)
    rng = np.random.default_rng(7)
    for number in range(points):
        tags: dict[str, Any] = {"id": Ref(f"p{number}"), "dis": f"Meter {number}", "point": MARKER, "his": MARKER}
        tags |= {"kind": "Number", "unit": "kW", "tz": "New_York"}
        if interval:
            tags["hisInterval"] = Number(15, "min")
        database.add(tags)
        values = np.round(50 + 20 * np.sin(np.arange(YEAR_ROWS) / 96) + rng.normal(size=YEAR_ROWS), 2)
        database.set_history(f"p{number}", ts_us, values)
    quirks = [f"slow={delay_s}"] if delay_s else []
    app = make_app(database, {})
    with_quirks(quirks)(app)
    await serve_app(app)
    print(json.dumps({"cpu_s": time.process_time()}), flush=True)


# The readers, each in a process of its own --------------------------------------------------------------------------


def planned(uri: str, points: int, span: str) -> dict[str, float]:
    """``his_read``: seconds, CPU seconds, the most memory above the start, and the memory of the frame."""
    import hsframe

    with hsframe.connect(uri, "", "") as session:
        ids = [f"@p{number}" for number in range(points)]
        session.his_read(ids[:2], "2026-01-01")  # the records' codecs, pandas and Arrow are loaded
        before = memory()
        figures = timed(lambda: session.his_read(ids, span))
        df = figures.pop("result")
    values = int(df.memory_usage(index=True).sum())
    assert df.shape == (rows_of(span), points), df.shape
    assert not df.isna().any().any()
    return {**figures, "peak_mb": (memory(peak=True) - before) / 1e6, "frame_mb": values / 1e6}


def by_hand(uri: str, points: int, span: str, size: int, at_once: int, decode: bool) -> dict[str, float]:
    """The same samples by a request a batch: grids, or bodies only."""
    from hsframe.client import Client
    from hsframe.protocol.request_grids import OPS, his_read_batch_request, his_read_request
    from hsframe.spans import resolve

    window = resolve(span, "New_York")
    assert window.end is not None

    async def run() -> dict[str, Any]:
        refs = [Ref(f"p{number}") for number in range(points)]
        slots = asyncio.Semaphore(at_once)
        async with Client(uri, pythonic=False) as client:

            async def one(some: list[Ref]) -> int:
                asked = (window.start, window.end)
                async with slots:
                    if not decode:
                        many = len(some) > 1
                        request = his_read_batch_request(some, asked) if many else his_read_request(some[0], asked)
                        answer = await client.sender.raw_exchange(OPS["hisRead"].name, request)
                        return len(answer.body)
                    batch = client.his_read_batch(some, asked) if len(some) > 1 else client.his_read(some[0], asked)
                    grid = await batch
                return len(grid) * len(some)

            await one(refs[:1])
            start, cpu = time.perf_counter(), time.process_time()
            parts = [refs[place : place + size] for place in range(0, points, size)]
            found = await asyncio.gather(*(one(part) for part in parts))
            took = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
        assert not decode or sum(found) == points * rows_of(span)
        return {**took, "answer": sum(found)}

    return asyncio.run(run())


def rows_of(span: str) -> int:
    """The samples of a point in a span."""
    from hsframe.spans import resolve

    window = resolve(span, "New_York")
    assert window.end_us is not None
    return min(math.ceil((window.end_us - window.start_us) / STEP_US), YEAR_ROWS)


def timed(run: Callable[[], Any]) -> dict[str, Any]:
    """What a call gave, and its seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    result = run()
    return {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu, "result": result}


def memory(*, peak: bool = False) -> int:
    """The bytes in memory now, or the most since the last call without `peak`."""
    try:
        if not peak:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the peak starts again from here
        with open("/proc/self/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM" if peak else "VmRSS"].split()[0]) * 1024
    except OSError:  # not Linux: the peak of the whole process
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reader(*arguments: object) -> dict[str, float]:
    """The figures of a reader."""
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


# The measurements ---------------------------------------------------------------------------------------------------


def least(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The least of each figure."""
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


def month(rounds: int, points: int = 1000) -> list[tuple[str, float, float]]:
    """1,000 points, a month: time against requests by hand, and memory."""
    with server_process(__spec__.name, f"--points={points}") as uri:
        hand = {size: least([reader("hand", uri, points, MONTH, size, AT_ONCE)]) for size in SIZES}
        best = min(hand, key=lambda size: hand[size]["seconds"])
        plans, hands, bodies = [], [], []
        for _ in range(rounds):
            plans.append(reader("plan", uri, points, MONTH))
            hands.append(reader("hand", uri, points, MONTH, best, AT_ONCE))
            bodies.append(reader("body", uri, points, MONTH, best, AT_ONCE))
    plan, by, body = least(plans), least([*hands, hand[best]]), least(bodies)
    print(f"{points:,} points, a month of quarter hours, {points * rows_of(MONTH):,} samples")
    for size in SIZES:
        print(f"  by hand, {size:4} a batch {hand[size]['seconds']:8.2f} s {hand[size]['cpu_s']:8.2f} s CPU")
    print(f"  bodies only, {best:4} a batch {body['seconds']:5.2f} s {body['cpu_s']:8.2f} s CPU")
    print(f"  by hand, the best       {by['seconds']:6.2f} s {by['cpu_s']:8.2f} s CPU  ({best} a batch)")
    print(f"  his_read                {plan['seconds']:6.2f} s {plan['cpu_s']:8.2f} s CPU")
    print(f"  memory: frame {plan['frame_mb']:.1f} MB, most above the start {plan['peak_mb']:.1f} MB")
    return [
        ("time over that by hand", plan["seconds"] / by["seconds"], LIMIT_TIME),
        ("time over that of the bodies alone", plan["seconds"] / body["seconds"], math.inf),
        ("memory over that of the frame", plan["peak_mb"] / plan["frame_mb"], LIMIT_MEMORY),
    ]


def latency(rounds: int, points: int = 100) -> list[tuple[str, float, float]]:
    """100 points, a year, 200 ms a request: time against one request a point, one after the other."""
    with server_process(__spec__.name, f"--points={points}", f"--delay={DELAY_S}") as uri:
        plans, hands = [], [reader("hand", uri, points, YEAR, 1, 1)]
        plans += [reader("plan", uri, points, YEAR) for _ in range(rounds)]
    plan, hand = least(plans), least(hands)
    print(f"{points} points, a year, {DELAY_S:g} s a request, {points * rows_of(YEAR):,} samples")
    print(f"  one after the other     {hand['seconds']:6.2f} s {hand['cpu_s']:8.2f} s CPU")
    print(f"  his_read                {plan['seconds']:6.2f} s {plan['cpu_s']:8.2f} s CPU")
    print(f"  memory: frame {plan['frame_mb']:.1f} MB, most above the start {plan['peak_mb']:.1f} MB")
    return [("time over that of one after the other", plan["seconds"] / hand["seconds"], LIMIT_LATENCY)]


def main() -> int:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("month", "latency"))
    rounds = (options := parser.parse_args()).rounds
    verdicts = [] if options.only == "latency" else month(rounds)
    verdicts += [] if options.only == "month" else latency(rounds)
    for name, ratio, limit in verdicts:
        bound = "" if limit == math.inf else f"(limit {limit:g}){'' if ratio <= limit else '  OVER'}"
        print(f"{name:42} {ratio:6.2f}  {bound}")
    return int(any(ratio > limit for _, ratio, limit in verdicts))


def worker(what: str, arguments: list[str]) -> None:
    """One of the processes: the server, or a reader."""
    if what == "serve":
        logging.disable(logging.CRITICAL)
        parser = argparse.ArgumentParser()
        parser.add_argument("--points", type=int)
        parser.add_argument("--delay", type=float, default=0.0)
        parser.add_argument("--interval", action="store_true")
        options = parser.parse_args(arguments)
        asyncio.run(serve(options.points, options.delay, options.interval))
        return
    uri, points, span, *rest = arguments
    if what == "plan":
        figures = planned(uri, int(points), span)
    else:
        size, at_once = map(int, rest)
        figures = by_hand(uri, int(points), span, size, at_once, what == "hand")
    print(json.dumps(figures))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("serve", "plan", "hand", "body"):
        os.environ.setdefault("PYTHONWARNINGS", "error")
        worker(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(main())
