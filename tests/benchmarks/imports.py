"""What ``import hsframe`` takes above pandas and pyarrow: ``python -m tests.benchmarks.imports``.

Each import is a process of its own, both in turn, and what counts is CPU time: the middle of the ratios of pairs. It
ends with 1 where the limit is passed. Byte code is in place, as after an installation.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage

from tests.benchmarks.verdicts import verdict

_MOST = 1.1
_BEFORE = "import pandas, pyarrow"


def cpu_s(code: str) -> float:
    """The CPU time of a Python process that runs this."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print the ratio beside its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    pairs: int = parser.parse_args().pairs
    after = f"{_BEFORE}, hsframe"
    cpu_s(f"import sys; sys.dont_write_bytecode = False; {after}")
    ratio = statistics.median(cpu_s(after) / cpu_s(_BEFORE) for _ in range(pairs))
    return verdict([("CPU time of import hsframe over pandas and pyarrow", ratio, _MOST)])


if __name__ == "__main__":
    sys.exit(main())
