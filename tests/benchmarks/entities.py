"""Records side by side: 10,000 entities of thirty tags, bytes to an entity frame, against haystack-py to its dicts.

``python -m tests.benchmarks.entities`` prints a table and ends with 1 where a ratio is below 2.
Each figure is the median CPU time of several calls in a process of its own; the sides take turns, several rounds, and
the median of the rounds counts, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.entity_bodies import ENTITY_BODIES, entity_grid
from tests.benchmarks.peers import PEERS, python_of

WORKER = Path(__file__).with_name("entity_worker.py")
ROWS = 10_000
REPEATS = 5
ROUNDS = 3
LIMIT = 2.0


def cpu_s(python: Path | str, who: str, short: str, file: Path) -> float:
    """Median CPU seconds of one process."""
    command = [str(python), str(WORKER), who, short, str(file), str(REPEATS)]
    environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[2]) if who == "hsframe" else ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=file.parent)
    return statistics.median(json.loads(done.stdout))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.entities", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"records (default {ROWS:,})")
    parser.add_argument("--peer", type=Path, help="an interpreter with haystack-py; an environment is made without")
    options = parser.parse_args(arguments)
    peer = next(peer for peer in PEERS if peer.name == "haystack-py")
    python, reason = (options.peer.absolute(), "") if options.peer else python_of(peer)
    if python is None:
        print(f"haystack-py: {reason}", file=sys.stderr)
        return 1
    grid = entity_grid(options.rows)
    passed = True
    print(
        "| format | MB | hsframe to a frame, CPU s | haystack-py to dicts, CPU s | faster by |\n|---|--:|--:|--:|--:|"
    )
    with tempfile.TemporaryDirectory(prefix="hsframe-benchmarks-") as folder:
        for name, body_of in ENTITY_BODIES.items():
            file = Path(folder) / name
            file.write_bytes(body_of(grid))
            short = name.split(",")[0]
            rounds = [
                (cpu_s(sys.executable, "hsframe", short, file), cpu_s(python, "haystack-py", short, file))
                for _ in range(ROUNDS)
            ]
            ours, theirs = (statistics.median(side) for side in zip(*rounds, strict=True))
            size = file.stat().st_size / 1e6
            print(f"| {name} | {size:.1f} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f}x |", flush=True)
            passed &= theirs / ours >= LIMIT
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
