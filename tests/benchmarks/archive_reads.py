"""One point's year out of 100 million rows: ``Archive.his_read`` beside DuckDB on the same rows of the same files.

``python -m tests.benchmarks.archive_reads`` prints both and ends with 1 where the limit is passed. Both read the same
points in turn, each for the first time, from files that the system has in memory: hsframe gives a frame, DuckDB a table
of Arrow. CPU is the median; DuckDB has one thread, with which it takes the least.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import duckdb
import numpy as np

import hsframe
from hsframe.spans import resolve
from tests.benchmarks.archive_data import ident_of, write_archive
from tests.benchmarks.verdicts import verdict

YEAR = resolve("2025", "UTC")
END_US = YEAR.end_us or 0
READS = 20
LIMIT_TIMES, LIMIT_MORE_MS = 1.5, 10.0
SQL = """
    select ts, value, unit from read_parquet($files)
    where id = $id and ts >= '2025-01-01' and ts < '2026-01-01' order by ts
"""


def medians_ms(readers: dict[str, Callable[[str], int]], idents: Sequence[str]) -> dict[str, float]:
    """The CPU time of each reader, which gives the number of rows; the first read loads what is needed."""
    took_ms: dict[str, list[float]] = {name: [] for name in readers}
    for ident in idents:
        for name, read in readers.items():
            start_s = time.process_time()
            assert read(ident) == 365 * 96, name
            took_ms[name].append((time.process_time() - start_s) * 1e3)
    return {name: statistics.median(some[1:]) for name, some in took_ms.items()}


def main() -> int:
    """Write the archive, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=2_860, help="each of a year by quarters of an hour")
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as connection:
        start_s = time.process_time()
        table = write_archive(folder, points, YEAR.start_us, END_US, END_US).samples
        count, size = (sum(getattr(file, name) for file in table.files()) for name in ("rows", "size"))
        ns = (time.process_time() - start_s) / count * 1e9
        print(f"{count:,} rows in {len(table.files())} files, {size / count:.2f} bytes and {ns:.0f} ns of CPU a row")
        archive = hsframe.Archive(folder)
        files = [f"{table.storage.uri}/{file.path}" for file in table.files()]
        connection.execute("set TimeZone = 'UTC'")
        readers: dict[str, Callable[[str], int]] = {
            "hsframe": lambda ident: len(archive.his_read(ident, "2025")),
            "DuckDB": lambda ident: connection.sql(SQL, params={"files": files, "id": ident}).to_arrow_table().num_rows,
        }
        numbers = np.random.default_rng(7).choice(points, READS + 1, replace=False).tolist()
        took_ms = medians_ms(readers, [ident_of(number) for number in numbers])
    print(f"a point's year: DuckDB {took_ms['DuckDB']:.0f} ms of CPU")
    limit_ms = LIMIT_TIMES * took_ms["DuckDB"] + LIMIT_MORE_MS
    return verdict([("archive.his_read of a point's year: ms of CPU", took_ms["hsframe"], limit_ms)])


if __name__ == "__main__":
    sys.exit(main())
