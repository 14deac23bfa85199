"""Gives the readers of what others wrote wrong bytes, and says which break the law of :mod:`tests.fuzz.fuzzing`.

python -m tests.fuzz                              each target for a minute
python -m tests.fuzz zinc json4 --inputs 100000   two targets
python -m tests.fuzz zinc --coverage              led by what inputs reach in hsframe, with Atheris
python -m tests.fuzz zinc --input .fuzz/zinc-0a1b2c3d
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.fuzzing import Check, failure_of, inputs, minimised, saved, warnings_are_errors
from tests.fuzz.targets import TARGETS, Target

_SLOW_S = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="target", help=f"one of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each target is tried (60)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--inputs", type=int, help="how many inputs each target is given, however long it takes")
    parser.add_argument("--seed", default=str(time.time_ns() % 10**6), help="what the inputs are drawn with")
    how.add_argument("--input", type=Path, help="a file with one input")
    how.add_argument("--coverage", action="store_true", help="inputs are led by what they reach, with Atheris")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if arguments.coverage and find_spec("atheris") is None:
        parser.error("--coverage needs Atheris (pip install atheris): CONTRIBUTING.md says how, under Wrong inputs")
    found = 0
    with warnings_are_errors():
        for name in arguments.targets or TARGETS:
            if arguments.coverage:  # a process each: the fuzzer ends the one that it runs in
                guided = [sys.executable, "-m", "tests.fuzz.guided", name, str(arguments.seconds)]
                found += subprocess.run(guided).returncode != 0
            elif arguments.input:
                found += tried(TARGETS[name], arguments.input.read_bytes())
            else:
                found += run(TARGETS[name], arguments.seed, arguments.seconds, arguments.inputs)
    return 1 if found else 0


def tried(target: Target, data: bytes) -> int:
    with target.open() as check:
        failure = failure_of(check, data, _SLOW_S)
    print(f"{target.name}: {failure.kind}\n{failure.trace}" if failure else f"{target.name}: it keeps the law")
    return failure is not None


def run(target: Target, seed: str, seconds: float, count: int | None) -> int:
    """Try a target; the number of places where it breaks the law, each of which is shown once."""
    seen: set[str] = set()
    start_s, given = time.monotonic(), 0
    with target.open() as check:
        for data in itertools.islice(inputs(seed, target.seeds(), target.tokens), count):
            given += 1
            show_failure(target, check, data, seen, _SLOW_S)
            if count is None and time.monotonic() - start_s > seconds:
                break
    took_s = time.monotonic() - start_s
    print(f"{target.name}: {given:,} inputs, {given / took_s:,.0f}/s, {len(seen)} findings, --seed {seed}", flush=True)
    return len(seen)


def show_failure(target: Target, check: Check, data: bytes, seen: set[str], slow_s: float) -> None:
    """Save an input that breaks the law and say how, if it does so at a place that is not among those seen."""
    failure = failure_of(check, data, slow_s)
    if failure is None or failure.kind in seen:
        return
    seen.add(failure.kind)
    shortest = minimised(check, data, failure, slow_s)
    path = saved(target.name, shortest)
    print(f"{target.name}: {failure.kind}\n{failure.trace}\n{shortest[:300]!r}")
    print(f"again: python -m tests.fuzz {target.name} --input {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
