"""Inputs led by what they reach in hsframe, with Atheris: ``python -m tests.fuzz TARGET --coverage`` starts it.

The targets, seeds, mutations and the law are those of any run, but an input may take ten seconds. An input that reaches
what none did before is kept in ``.fuzz/reached-TARGET``, and others are made of it, the next time too.
"""

from __future__ import annotations

import io
import os
import sys
import time
import zlib
from contextlib import ExitStack, redirect_stderr
from random import Random

import atheris

with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["hsframe"]):  # which tells of each module
    from tests.fuzz.__main__ import show_failure
    from tests.fuzz.fuzzing import FINDINGS, warnings_are_errors
    from tests.fuzz.mutations import mutated
    from tests.fuzz.targets import TARGETS

_SLOW_S = 10.0  # code that notes where it is takes longer
_OURS = 0.7  # of the mutations; the others are libFuzzer's, which joins two inputs and knows what was compared


def main(name: str, seconds: float) -> None:
    target, opened, seen, given = TARGETS[name], ExitStack(), set[str](), 0
    opened.enter_context(warnings_are_errors())
    check = opened.enter_context(target.open())
    reached = FINDINGS / f"reached-{name}"
    reached.mkdir(parents=True, exist_ok=True)
    for data in target.seeds():
        (reached / f"seed-{zlib.crc32(data):08x}").write_bytes(data)

    def mutant(data: bytes, longest: int, seed: int) -> bytes:
        rnd = Random(seed)
        ours = rnd.random() < _OURS
        return mutated(rnd, [data], target.tokens)[:longest] if ours else atheris.Mutate(data, longest)

    def take(data: bytes) -> None:
        nonlocal given
        given += 1
        show_failure(target, check, data, seen, _SLOW_S)
        if time.monotonic() - start_s > seconds:
            print(f"{name}: {given:,} inputs led by coverage, {len(seen)} findings", flush=True)
            opened.close()
            os._exit(bool(seen))  # libFuzzer would end the process without a word of what was found

    options = ["-max_len=20000", "-verbosity=0", f"-artifact_prefix={FINDINGS}/{name}-"]
    atheris.Setup([sys.argv[0], str(reached), *options], take, custom_mutator=mutant)
    start_s = time.monotonic()
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
