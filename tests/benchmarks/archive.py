"""What an export takes: CPU time a sample beside decoding and streaming the same samples, memory, and bytes on disk.

``python -m tests.benchmarks.archive`` prints a table and ends with 1 where a limit is passed; ``--points=200`` reads a
hundred million samples. The server is a process of its own, and so is each reader; CPU is that of the reader alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from hsframe.archive.fill import _REQUESTS_A_MERGE, _ROWS_A_MERGE
from hsframe.kinds import MARKER, Number, Ref
from hsframe.spans import from_epoch_us, resolve
from tests.benchmarks.serving import figures_of, serve_app, server_process
from tests.benchmarks.verdicts import verdict

MODULE = "tests.benchmarks.archive"
MINUTE_US = 60_000_000
YEAR = resolve("2025", "UTC")
MINUTES = len(range(YEAR.start_us, YEAR.end_us or 0, MINUTE_US))
MISSED = MINUTES // 100
BATCH = 50
WINDOW_US = _ROWS_A_MERGE // _REQUESTS_A_MERGE // BATCH * MINUTE_US
BYTES_A_SAMPLE = 16  # of files and memory while a tidy file is made
ROUNDS = 3
LIMIT_OF_DECODING, LIMIT_OF_STREAMING, LIMIT_MB, LIMIT_NS_OF_OWN, LIMIT_BYTES = 4.0, 2.5, 300.0, 250.0, 1.5


# The server ---------------------------------------------------------------------------------------------------------


async def serve(points: int, what: str) -> None:
    """Serve some points until the standard input ends; prints the uri.

    Of `own` each has instants of its own, one in a hundred minutes without any: answers that all have as many rows look
    as if they were cut, and each would be proven whole.
    """
    from hsframe.server.app import make_app
    from hsframe.server.database import Database

    database = Database(tz="UTC")
    regular_us = np.arange(YEAR.start_us, YEAR.end_us, MINUTE_US, dtype=np.int64)
    rng = np.random.default_rng(7)
    for number in range(points):
        ts_us = regular_us
        if what == "own":
            ts_us = np.delete(ts_us, rng.choice(MINUTES, MISSED, replace=False))
            ts_us = ts_us + rng.integers(0, 59_000, len(ts_us)) * 1000
        tags: dict[str, Any] = {"id": Ref(f"p{number:04}"), "point": MARKER, "his": MARKER, "kind": "Number"}
        tags |= {"unit": "kW", "tz": "UTC", "hisInterval": Number(1, "min")}
        database.add(tags if what == "regular" else tags | {"hisMode": "cov"})
        day = np.sin(np.arange(len(ts_us)) / 230) * 20 + 50
        database.set_history(f"p{number:04}", ts_us, np.round(day + rng.normal(size=len(ts_us)) * 0.1, 1))
    await serve_app(make_app(database, {}))


# The readers, each in a process of its own --------------------------------------------------------------------------


def exported(uri: str, points: int, path: str) -> dict[str, float]:
    """``hsframe export`` of all points into an archive, or into one tidy file."""
    from hsframe.cli import main

    how = ["--uri", uri, "--user", "", "--quiet"]
    main(["export", *how, "p0000", "2025-01-01", str(Path(path).with_name("first"))])  # all is loaded
    # A virtual machine may give freed memory back to its host at once, as Linux does with free page reporting, and the
    # first write to it costs 2 ns a byte then: half a gigabyte more or less of files would be what is measured.
    subprocess.run([sys.executable, "-c", f"b'x' * {points * MINUTES * BYTES_A_SAMPLE}"], check=True)
    start_s = time.process_time()
    one = path.endswith(".parquet")
    main(["export", *how, "point", "2025", path, *(["--layout", "tidy"] if one else [])])
    cpu_s = time.process_time() - start_s
    files = [Path(path)] if one else [*Path(path).rglob("*.parquet")]
    return {"cpu_s": cpu_s, "bytes": sum(file.stat().st_size for file in files), "peak_mb": peak_mb()}


def windows() -> Iterator[tuple[Any, Any]]:
    """The windows of the other readers: their answers are as large as those that an export asks for."""
    for begin_us in range(YEAR.start_us, YEAR.end_us or 0, WINDOW_US):
        until_us = min(begin_us + WINDOW_US, YEAR.end_us or 0)
        yield from_epoch_us(begin_us, UTC), from_epoch_us(until_us, UTC)


def decoded(uri: str, points: int, path: str) -> dict[str, float]:
    """The bodies of the same samples, decoded and dropped; what else a client does is not counted."""
    from hsframe.client import Client
    from hsframe.codecs import decode
    from hsframe.protocol.request_grids import OPS, his_read_batch_request

    async def run() -> float:
        cpu_s = 0.0
        async with Client(uri, pythonic=False) as client:
            for some in batches(points):
                for window in windows():
                    body = (
                        await client.sender.raw_exchange(OPS["hisRead"].name, his_read_batch_request(some, window))
                    ).body
                    start_s = time.process_time()
                    decode(body, "zinc")
                    cpu_s += time.process_time() - start_s
        return cpu_s

    return {"cpu_s": asyncio.run(run()), "peak_mb": peak_mb()}


def streamed(uri: str, points: int, path: str) -> dict[str, float]:
    """`Client.his_stream` of the same samples, as record batches that are dropped."""
    from hsframe.client import Client

    async def run() -> None:
        async with Client(uri) as client:
            for some in batches(points):
                for window in windows():
                    async with aclosing(client.his_stream(some, window)) as pieces:
                        async for _ in pieces:
                            pass

    start_s = time.process_time()
    asyncio.run(run())
    return {"cpu_s": time.process_time() - start_s, "peak_mb": peak_mb()}


def batches(points: int) -> list[list[Ref]]:
    """The points, so many at once as a read asks for."""
    refs = [Ref(f"p{number:04}") for number in range(points)]
    return [refs[place : place + BATCH] for place in range(0, points, BATCH)]


def least(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The figures of the round that took least CPU, as other programs only add to it; and the most memory of all."""
    return min(rounds, key=lambda one: one["cpu_s"]) | {"peak_mb": max(one["peak_mb"] for one in rounds)}


def peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


READERS = {"export": exported, "decode": decoded, "stream": streamed}


# The report ---------------------------------------------------------------------------------------------------------


def main() -> int:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=4, help="each of a year of minutes")
    points = parser.parse_args().points
    verdicts: list[tuple[str, float, float]] = []
    for what, samples in ("regular", points * MINUTES), ("own", points * (MINUTES - MISSED)):
        with server_process(MODULE, points, what) as uri, tempfile.TemporaryDirectory() as folder:
            readers = {"archive": ("export", "archive"), "tidy file": ("export", "all.parquet")}
            if what == "regular":
                readers |= {"decode": ("decode", ""), "stream": ("stream", "")}
            rounds: dict[str, list[dict[str, float]]] = {name: [] for name in readers}
            for number in range(ROUNDS):
                for name, (verb, path) in readers.items():
                    rounds[name].append(figures_of(MODULE, verb, uri, points, f"{folder}/{number}/{path}"))
            figures = {name: least(some) for name, some in rounds.items()}
        print(f"{samples:,} samples of {points} points, {what} instants")
        for name, one in figures.items():
            size = f"{one['bytes'] / samples:6.2f} bytes a sample" if "bytes" in one else ""
            print(f"  {name:10} {one['cpu_s'] / samples * 1e9:6.0f} ns a sample  {one['peak_mb']:5.0f} MB  {size}")
        for name in ("archive", "tidy file"):
            one = figures[name]
            verdicts.append((f"{name}, {what}: MB", one["peak_mb"], LIMIT_MB))
            if what == "own":
                verdicts.append((f"{name}, {what}: ns a sample", one["cpu_s"] / samples * 1e9, LIMIT_NS_OF_OWN))
                continue
            verdicts.append((f"{name}: of decoding", one["cpu_s"] / figures["decode"]["cpu_s"], LIMIT_OF_DECODING))
            verdicts.append((f"{name}: of streaming", one["cpu_s"] / figures["stream"]["cpu_s"], LIMIT_OF_STREAMING))
            verdicts.append((f"{name}: bytes a sample", one["bytes"] / samples, LIMIT_BYTES))
    return verdict(verdicts)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), sys.argv[3]))
    elif sys.argv[1:] and sys.argv[1] in READERS:
        print(json.dumps(READERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), sys.argv[4])))
    else:
        sys.exit(main())
