"""A day's sync of a thousand points by quarters of an hour, some of them corrected; then one with nothing new.

``python -m tests.benchmarks.archive_sync`` prints each figure and ends with 1 where a limit is passed. The archive has
a year, the last week of it as seven syncs have left it. CPU and memory are those of the process that syncs, less those
of one that asks for the same samples, and decodes and drops them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import sys
import tempfile
import time
from collections import Counter

import numpy as np

from hsframe.archive.samples import merge
from hsframe.durations import DAY_US
from hsframe.history.read import span_of
from tests.benchmarks.archive import peak_mb
from tests.benchmarks.archive_data import QUARTER_US, ident_of, quarters, record, rows, values, write_archive
from tests.benchmarks.serving import figures_of, serve_app, server_process
from tests.benchmarks.verdicts import verdict

MODULE = "tests.benchmarks.archive_sync"
CORRECTED = 37
# Corrected samples of each: an hour, 30 hours before the end of the archive.
CORRECTED_ROWS = 4
BATCH = 100  # what a sync asks for at once here
LIMIT_S, LIMIT_MB, LIMIT_POINTS_A_REQUEST = 1.5, 300.0, 100
# Both ends of the largest answer are asked for: a limit on rows might have cut it.
PROOFS = 2


async def serve(points: int, now_us: int) -> None:
    """Serve the last days of some points until the standard input ends; prints the uri."""
    from hsframe.server.app import make_app
    from hsframe.server.database import Database

    database, ts_us = Database(tz="UTC"), quarters(now_us - 5 * DAY_US, now_us)
    wrong = np.searchsorted(ts_us, now_us - DAY_US - 30 * 4 * QUARTER_US)
    for number in range(points):
        database.add(record(ident_of(number)))
        (own,) = values(np.array([number]), ts_us)
        if number < CORRECTED:
            own[wrong : wrong + CORRECTED_ROWS] += 1
        database.set_history(ident_of(number), ts_us, own)
    await serve_app(make_app(database, {}))


# The steps, each in a process of its own ----------------------------------------------------------------------------


def until_yesterday(uri: str, points: int, now_us: int, path: str) -> dict[str, float]:
    """The archive of a year as it was a day ago: the last of its daily syncs have left a file each."""
    until_us = now_us - DAY_US
    week_us = [until_us - day * DAY_US for day in range(7, -1, -1)]
    table = write_archive(path, points, until_us - 365 * DAY_US, week_us[0], until_us).samples
    numbers = np.arange(points)
    for start_us, end_us in itertools.pairwise(week_us):
        part = rows(numbers, quarters(start_us, end_us))
        merge(table, part, map(ident_of, range(points)), start_us, end_us, young_us=start_us)
    return {}


def requests(uri: str, points: int, now_us: int, path: str) -> dict[str, float]:
    """The records and samples that the sync asks for, decoded and dropped."""
    from hsframe.client import Client
    from hsframe.kinds import Ref

    span = span_of(now_us - 3 * DAY_US, now_us)
    refs = [Ref(ident_of(number)) for number in range(points)]

    async def run() -> float:
        async with Client(uri) as client:
            await client.his_read_batch(refs[:1], (span.start, span.end), raw=True)  # all is loaded
            start_s = time.process_time()
            await client.read("point", raw=True)
            for place in range(0, points, BATCH):
                await client.his_read_batch(refs[place : place + BATCH], (span.start, span.end), raw=True)
            return time.process_time() - start_s

    return {"cpu_s": asyncio.run(run()), "peak_mb": peak_mb()}


class Requests(logging.Handler):
    """Counts the requests of each op."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """One line of this log is one request."""
        if record.name == "hsframe":
            self.counts[record.getMessage().partition(" ")[0]] += 1


def synced(uri: str, points: int, now_us: int, path: str) -> dict[str, float]:
    """The day's sync, and one more."""
    import hsframe

    logging.disable(logging.NOTSET)
    log, counting = logging.getLogger("hsframe"), Requests()
    log.setLevel(logging.INFO)
    log.addHandler(counting)
    with hsframe.connect(uri) as session:
        hsframe.Archive(f"{path}-other").sync(ident_of(0), session=session, since="yesterday")  # all is loaded
        archive, found = hsframe.Archive(path), {}
        for name in ("day", "again"):
            counting.counts = Counter()
            version, start_s = archive.versions["version"].max(), time.process_time()
            table = archive.sync(session=session, progress=False)
            found[f"{name}_cpu_s"] = time.process_time() - start_s
            found[f"{name}_requests"] = counting.counts["hisRead"]
            found[f"{name}_versions"] = int(archive.versions["version"].max() - version)
            found |= {f"{name}_{rows}": int(table[rows].sum()) for rows in ("rows_new", "rows_changed", "rows_removed")}
    return found | {"peak_mb": peak_mb()}


STEPS = {"until_yesterday": until_yesterday, "requests": requests, "synced": synced}


# The report ---------------------------------------------------------------------------------------------------------


def main() -> int:
    """Measure both syncs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1000)
    points = parser.parse_args().points
    now_us = time.time_ns() // 1000 // QUARTER_US * QUARTER_US
    with (
        server_process(MODULE, points, now_us) as uri,
        tempfile.TemporaryDirectory() as folder,
    ):
        figures = {name: figures_of(MODULE, name, uri, points, now_us, f"{folder}/archive") for name in STEPS}
    asked, one = figures["requests"], figures["synced"]
    expected = {"rows_new": points * DAY_US // QUARTER_US, "rows_changed": min(CORRECTED, points) * CORRECTED_ROWS}
    found = {name: one[f"day_{name}"] for name in expected}
    assert found == expected, f"the day's sync found {found}, and not {expected}"
    print(f"the requests alone: {asked['cpu_s']:.2f} s of CPU, {asked['peak_mb']:.0f} MB")
    print(f"the day's sync with them: {one['day_cpu_s']:.2f} s, {one['peak_mb']:.0f} MB")
    print(f"nothing new, with them: {one['again_cpu_s']:.2f} s")
    return verdict(
        [
            ("a day's sync: s of CPU beside the requests", one["day_cpu_s"] - asked["cpu_s"], LIMIT_S),
            ("a day's sync: MB beside the requests", one["peak_mb"] - asked["peak_mb"], LIMIT_MB),
            ("nothing new: requests", one["again_requests"], points / LIMIT_POINTS_A_REQUEST + PROOFS),
            ("nothing new: versions", one["again_versions"], 0),
        ]
    )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3])))
    elif sys.argv[1:] and sys.argv[1] in STEPS:
        print(json.dumps(STEPS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])))
    else:
        sys.exit(main())
