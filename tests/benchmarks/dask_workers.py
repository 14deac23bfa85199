"""Two Dask workers against one: samples a CPU second of the busiest worker, and whether the frames are the same.

``python -m tests.benchmarks.dask_workers`` prints both and their ratio, and ends with 1 where it is below the limit.
The server is the embedded one, in a process of its own. The CPU time is that of the whole worker process while it
reads: where other programs use the cores too, the work is divided less evenly and the ratio is smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

FIRST_US = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
ROWS = 35_040
LIMIT = 1.7


async def serve(points: int) -> None:
    """Serve some points over a year by quarters of an hour, until the standard input ends; prints the uri."""
    from hsframe.kinds import MARKER, Number, Ref
    from hsframe.server.app import make_app
    from hsframe.server.database import Database
    from hsframe.server.run import listening

    database, random = Database(tz="UTC"), np.random.default_rng(7)
    ts_us = FIRST_US + 900_000_000 * np.arange(ROWS, dtype=np.int64)
    for number in range(points):
        tags: dict[str, Any] = {"id": Ref(f"p{number:03}"), "dis": f"Meter {number}", "point": MARKER, "his": MARKER}
        database.add(tags | {"kind": "Number", "unit": "kW", "tz": "UTC", "hisInterval": Number(15, "min")})
        database.set_history(f"p{number:03}", ts_us, np.round(50 + 20 * random.normal(size=ROWS), 2))
    async with listening(make_app(database, {})) as uri:
        print(uri, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def server(points: int) -> Iterator[str]:
    """A server in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.dask_workers", "serve", str(points)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def read(uri: str, workers: int) -> tuple[pd.DataFrame, float, float]:
    """The frame, the CPU seconds of the busiest worker, and how long it took."""
    from distributed import Client, LocalCluster, wait

    import hsframe.dask

    how: dict[str, Any] = {"processes": True, "dashboard_address": None, "threads_per_worker": 1}
    with LocalCluster(n_workers=workers, **how) as cluster, Client(cluster) as client:
        year = ("2026-01-01T00:00Z", "2027-01-01T00:00Z")
        first = hsframe.dask.his_read("point", (year[0], "2026-01-03T00:00Z"), uri, by="12h")
        client.compute(first).result()  # logged in, and all is imported
        before, begin = client.run(time.process_time), time.monotonic()
        held = hsframe.dask.his_read("point", year, uri, by="1W").persist()
        wait(held)  # where they were read: one worker would put them together
        took_s = time.monotonic() - begin
        after = client.run(time.process_time)
        df = held.compute()
    hsframe.dask.close()
    return df, max(after[name] - before[name] for name in after), took_s


def main() -> int:
    """Measure one worker, then two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100)
    points = parser.parse_args().points
    rates, frames = [], []
    with server(points) as uri:
        for workers in (1, 2):
            df, cpu_s, took_s = read(uri, workers)
            rates.append(df.size / cpu_s)
            frames.append(df)
            print(f"{workers} worker(s): {df.size:,} samples, busiest {cpu_s:.2f} CPU s, {took_s:.1f} s in all")
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    ratio = rates[1] / rates[0]
    print(f"the same frame; samples a CPU second of the busiest worker: {ratio:.2f} times as many (at least {LIMIT})")
    return int(ratio < LIMIT)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        sys.exit(main())
