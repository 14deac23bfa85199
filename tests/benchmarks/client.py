"""A history from a server to a DataFrame: the CPU time of this package's client and of haystack-py's, side by side.

``python -m tests.benchmarks.client`` prints a table and ends with 1 where the limit is passed. The server is the
embedded one, in a process of its own; each client is a process of its own too, in its own environment. Both have read
once before, and connected; each figure is the median of several reads, all of the client's threads counted. This
package reads the record and the history, and gives a frame; haystack-py reads the history, and its rows are made a
frame as its users do. It is measured in both formats that it speaks; the better one counts.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROWS = 100_000
# New York's new year; minutes from there on.
FIRST_US = int(datetime(2026, 1, 1, 5, tzinfo=UTC).timestamp()) * 1_000_000
MINUTE_US = 60_000_000
LIMIT = 0.15
FORMATS = ("zinc", "json")


# The server ---------------------------------------------------------------------------------------------------------


async def serve(rows: int) -> None:
    """Serve one point until the standard input ends; prints the uri."""
    import numpy as np

    from hsframe.kinds import MARKER, Ref
    from hsframe.server.app import make_app
    from hsframe.server.database import Database
    from tests.benchmarks.serving import serve_app

    database = Database(tz="New_York")
    tags: dict[str, Any] = {"id": Ref("p0"), "dis": "Meter", "point": MARKER, "his": MARKER}
    database.add(tags | {"kind": "Number", "unit": "kW", "tz": "New_York"})
    values = np.round(50 + 20 * np.random.default_rng(7).normal(size=rows), 2)
    database.set_history("p0", FIRST_US + MINUTE_US * np.arange(rows, dtype=np.int64), values)
    await serve_app(make_app(database, {}))


# The clients, each in a process of its own --------------------------------------------------------------------------


def hsframe_client(uri: str, rows: int, repeats: int, form: str) -> list[float]:
    """CPU seconds of each read by this package; it chooses the format."""
    import hsframe

    with hsframe.connect(uri, "", "") as session:
        session.his_read("@p0", "2026-01-01")
        times = []
        for _ in range(repeats):
            gc.collect()
            start = time.process_time()
            df = session.his_read("@p0", "2026")
            times.append(time.process_time() - start)
            assert df.shape == (rows, 1), df.shape
    return times


def haystack_py_client(uri: str, rows: int, repeats: int, form: str) -> list[float]:
    """CPU seconds of each read by haystack-py."""
    import pandas as pd
    from hs_py.client import Client
    from hs_py.kinds import Ref

    async def run() -> list[float]:
        async with Client(uri, accept_format=form, pythonic=False) as client:
            await client.his_read(Ref("p0"), "2026-01-01")
            times = []
            for _ in range(repeats):
                gc.collect()
                start = time.process_time()
                found = (await client.his_read(Ref("p0"), "2026-01-01,2026-12-31")).rows
                index = pd.to_datetime([row["ts"] for row in found], utc=True).tz_convert("America/New_York")
                df = pd.DataFrame({"val": [row["val"].val for row in found]}, index=index)
                times.append(time.process_time() - start)
                assert df.shape == (rows, 1), df.shape
        return times

    return asyncio.run(run())


def client(python: Path | str, who: str, *arguments: object) -> float:
    """The median of a client's figures."""
    # By its path: where haystack-py lives, nothing of this package can be imported.
    start = ["-m", "tests.benchmarks.client"] if who == "hsframe" else [__file__]
    done = subprocess.run([str(python), *start, who, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    times: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
    return statistics.median(times)


def main() -> int:
    """Measure both."""
    from tests.benchmarks.peers import PEERS, python_of
    from tests.benchmarks.serving import server_process

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="at most 100,000, the cap of haystack-py")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    peer = next(peer for peer in PEERS if peer.name == "haystack-py")
    python, reason = python_of(peer)
    with server_process("tests.benchmarks.client", options.rows) as uri:
        ours = client(sys.executable, "hsframe", uri, options.rows, options.repeats, "")
        print(f"{options.rows:,} rows of one point, a server to a DataFrame, CPU seconds of the client")
        print(f"  hsframe            {ours:8.4f}")
        if python is None:
            print(f"  haystack-py: {reason}")
            return 0
        theirs = {}
        for form in FORMATS:
            theirs[form] = client(python, "haystack-py", uri, options.rows, options.repeats, form)
            print(f"  haystack-py, {form:5} {theirs[form]:8.4f}")
    ratio = ours / min(theirs.values())
    print(f"share of haystack-py's CPU time {ratio:.3f}  (limit {LIMIT:g}){'' if ratio <= LIMIT else '  OVER'}")
    return int(ratio > LIMIT)


def worker(who: str, arguments: list[str]) -> None:
    """One of the processes: the server, or a client."""
    logging.disable(logging.CRITICAL)
    if who == "serve":
        asyncio.run(serve(int(arguments[0])))
        return
    uri, rows, repeats, form = arguments
    read = hsframe_client if who == "hsframe" else haystack_py_client
    print(json.dumps(read(uri, int(rows), int(repeats), form)))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("serve", "hsframe", "haystack-py"):
        worker(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(main())
