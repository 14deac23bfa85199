"""Histories side by side: this package, the peers and the floors, in one run.

``python -m tests.benchmarks`` prints one table; ``--json`` prints the same for machines. Each figure comes from a
process of its own, in the peer's own environment: the median CPU time of several calls, and the most memory above
imports and the body. Bodies differ in length where a peer has a cap, so all are compared by rows a second. Reading goes
from bytes to a DataFrame with a zone-aware index, for peers by way of their own objects; writing goes from instants and
numbers (here: Arrow columns) to bytes. The floors do less than what is asked for:
``newlines`` counts lines, ``csv`` is pyarrow.csv to strings on the Zinc body of the same rows, ``msgspec`` a typed
parse of the JSON.

With names, as in ``python -m tests.benchmarks archive_reads archive_sync``, it runs those instead. Each is a module
with options of its own (``python -m tests.benchmarks.archive --points=200``), and ends with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.bodies import WIDTH, body_file
from tests.benchmarks.peers import PEERS, Peer, python_of

WORKER = Path(__file__).with_name("worker.py")
OTHERS = (
    "archive", "archive_reads", "archive_sync", "client", "dask_workers", "entities", "imports", "load",
    "memory", "planner", "unit_arrays",
)  # fmt: skip
_MOST_S = 900
WIDE_SHARE = WIDTH  # rows of a wide body are so many times fewer


@dataclass(frozen=True, slots=True)
class Case:
    """A body and what is done with it; `floor` is the Zinc body that pyarrow.csv reads."""

    name: str
    operation: str
    short: str
    body: str
    floor: str
    peers: bool = True


CASES = (
    Case("Zinc", "decode", "zinc", "zinc", "zinc"),
    Case("Zinc, 2 % holes", "decode", "zinc", "zinc_holes", "zinc_holes"),
    Case("Zinc, London, fractions", "decode", "zinc", "zinc_london", "zinc_london"),
    Case("Zinc, 50 points", "decode", "zinc", "zinc_wide", "zinc_wide"),
    Case("JSON v4", "decode", "json4", "json4", "zinc"),
    Case("JSON v4, 50 points", "decode", "json4", "json4_wide", "zinc_wide"),
    Case("JSON v3", "decode", "json3", "json3", "zinc"),
    Case("JSON v3, 50 points", "decode", "json3", "json3_wide", "zinc_wide"),
    Case("Zinc, streamed", "stream", "zinc", "zinc", "zinc"),
    Case("write Zinc", "encode", "zinc", "zinc", "zinc"),
    Case("write JSON v4", "encode", "json4", "zinc", "zinc"),
    Case("write Zinc, 50 points", "encode", "zinc", "zinc_wide", "zinc_wide", peers=False),
)


@dataclass(slots=True)
class Figure:
    """One measurement."""

    case: str
    who: str
    rows: int = 0
    cells: int = 0
    cpu_s: float | None = None
    rows_a_second: float | None = None
    peak_mb: float | None = None
    ratio_to_csv: float | None = None
    times_slower: float | None = None
    note: str = ""


class Run:
    """All measurements of one run."""

    def __init__(self, folder: Path, rows: int, repeats: int) -> None:
        self.folder = folder
        self.rows = rows
        self.repeats = repeats
        self.figures: list[Figure] = []

    def measure(self, case: Case, who: str, python: Path | str, body: str, short: str, rows: int) -> Figure:
        """Measure in a process of its own; what goes wrong becomes the figure's note."""
        wide = body.endswith("_wide")
        count = max(rows // WIDE_SHARE, 1) if wide else rows
        figure = Figure(case.name, who, count, count * (WIDTH if wide else 1))
        operation = case.operation if who not in ("csv", "newlines") else "decode"
        file = body_file(self.folder, body, count)
        repeats = self.repeats if who in ("hsframe", "csv", "newlines") else min(self.repeats, 3)
        command = [str(python), str(WORKER), who, operation, short, str(file), str(repeats)]
        environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[2]) if who == "hsframe" else ""}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=environment, timeout=_MOST_S, cwd=self.folder
            )
        except subprocess.TimeoutExpired:
            figure.note = f"not ready after {_MOST_S} s"
        else:
            if done.returncode:
                figure.note = (done.stderr.strip().splitlines() or ["no message"])[-1][:100]
            else:
                result = json.loads(done.stdout)
                figure.cpu_s = statistics.median(result["cpu_s"])
                figure.rows_a_second = count / max(figure.cpu_s, 1e-9)
                figure.peak_mb = None if result["peak_kb"] is None else result["peak_kb"] / 1024
        self.figures.append(figure)
        return figure

    def case(self, case: Case, peers: list[tuple[Peer, Path | None, str]]) -> None:
        """Measure a case: this package and the floors in turn, then the peers."""
        ours = self.measure(case, "hsframe", sys.executable, case.body, case.short, self.rows)
        floor = self.measure(case, "csv", sys.executable, case.floor, "zinc", self.rows)
        lines = self.measure(case, "newlines", sys.executable, case.body, case.short, self.rows)
        figures = [ours, floor, lines]
        for peer, python, reason in peers:
            can = peer.encodes if case.operation == "encode" else peer.formats if case.operation == "decode" else ()
            if not case.peers or case.short not in can or (peer.name == "msgspec" and case.body.endswith("_wide")):
                continue
            if python is None:
                self.figures.append(Figure(case.name, peer.name, note=reason))
                continue
            rows = min(peer.most_rows, self.rows)
            figures.append(self.measure(case, peer.name, python, case.body, case.short, rows))
        for figure in figures:
            if figure.cpu_s and floor.cpu_s:
                figure.ratio_to_csv = figure.cpu_s / figure.rows / (floor.cpu_s / floor.rows)
            if figure.rows_a_second and ours.rows_a_second:
                figure.times_slower = ours.rows_a_second / figure.rows_a_second


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    import numpy
    import pyarrow

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": model,
        "python": platform.python_version(),
        "pyarrow": pyarrow.__version__,
        "numpy": numpy.__version__,
    }


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| case | who | rows | CPU s | rows/s | / csv | hsframe is faster by | peak MB | |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    before = ""
    for figure in figures:
        name = figure.case if figure.case != before else ""
        before = figure.case
        cells = [
            name,
            figure.who,
            f"{figure.rows:,}" if figure.rows else "",
            "" if figure.cpu_s is None else f"{figure.cpu_s:.3f}",
            "" if figure.rows_a_second is None else f"{figure.rows_a_second:,.0f}",
            "" if figure.ratio_to_csv is None else f"{figure.ratio_to_csv:.2f}",
            "" if figure.times_slower is None or figure.who == "hsframe" else f"{figure.times_slower:.1f}x",
            "" if figure.peak_mb is None else f"{figure.peak_mb:.0f}",
            figure.note,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(OTHERS)}")
    parser.add_argument("--json", action="store_true", help="print JSON and no table")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of one point (default 1,000,000)")
    parser.add_argument("--repeats", type=int, default=5, help="calls of which the median counts (default 5)")
    parser.add_argument("--only", help="only cases whose name holds this text")
    parser.add_argument("--no-peers", action="store_true", help="only this package and the floors")
    options = parser.parse_args(arguments)
    if strange := set(options.names) - set(OTHERS):
        parser.error(f"there is no {', '.join(sorted(strange))}; expected some of {', '.join(OTHERS)}")
    if options.names:
        commands = [[sys.executable, "-m", f"tests.benchmarks.{name}"] for name in options.names]
        return max(subprocess.run(command, check=False).returncode for command in commands)
    peers = [] if options.no_peers else [(peer, *python_of(peer)) for peer in PEERS]
    with tempfile.TemporaryDirectory(prefix="hsframe-benchmarks-") as folder:
        run = Run(Path(folder), options.rows, options.repeats)
        for case in CASES:
            if not options.only or options.only in case.name:
                if not options.json:
                    print(f"measuring {case.name} ...", file=sys.stderr, flush=True)
                run.case(case, peers)
    about = machine()
    if options.json:
        print(json.dumps({"machine": about, "figures": [asdict(figure) for figure in run.figures]}, indent=1))
    else:
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        print(table(run.figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
