"""Two Dask workers against one: samples a CPU second of the busiest worker, and whether the frames are the same.

``python -m tests.benchmarks.dask_workers`` prints both and their ratio, and ends with 1 where it is below the limit.
The server is the embedded one, in a process of its own. The CPU time is that of the whole worker process while it
reads: where other programs use the cores too, the work is divided less evenly and the ratio is smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.serving import serve_app, server_process

FIRST_US = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
ROWS = 35_040
LIMIT = 1.7


async def serve(points: int) -> None:
    """Serve some points over a year by quarters of an hour, until the standard input ends; prints the uri."""
    from hsframe.kinds import MARKER, Number, Ref
    from hsframe.server.app import make_app
    from hsframe.server.database import Database

    database, random = Database(tz="UTC"), np.random.default_rng(7)
    ts_us = FIRST_US + 900_000_000 * np.arange(ROWS, dtype=np.int64)
    for number in range(points):
        tags: dict[str, Any] = {"id": Ref(f"p{number:03}"), "dis": f"Meter {number}", "point": MARKER, "his": MARKER}
        database.add(tags | {"kind": "Number", "unit": "kW", "tz": "UTC", "hisInterval": Number(15, "min")})
        database.set_history(f"p{number:03}", ts_us, np.round(50 + 20 * random.normal(size=ROWS), 2))
    await serve_app(make_app(database, {}))


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
    with server_process("tests.benchmarks.dask_workers", points) as uri:
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
