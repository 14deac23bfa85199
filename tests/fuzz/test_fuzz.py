"""Some inputs of each target, the same each time: `python -m tests.fuzz` takes more, and others."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hsframe.durations import duration_us
from hsframe.errors import HsFrameError
from tests.fuzz.fuzzing import Failure, failure_of, inputs, minimised, must, saved, warnings_are_errors
from tests.fuzz.targets import TARGETS

# Of the processor: a machine with much else to do is not taken for slow code.
SLOW_S = 30.0


@pytest.mark.parametrize("name", TARGETS)
def test_wrong_inputs_give_documented_errors(name: str) -> None:
    target = TARGETS[name]
    with target.open() as check, warnings_are_errors():
        for data in itertools.islice(inputs("ci", target.seeds(), target.tokens), target.in_ci):
            failure = failure_of(check, data, SLOW_S)
            if failure is not None:
                path = saved(name, minimised(check, data, failure, SLOW_S))
                pytest.fail(f"{failure.trace}\nagain: python -m tests.fuzz {name} --input {path}")


@pytest.mark.parametrize("name", ["zinc", "json3", "json4", "trio", "histories", "records", "streams", "parquet"])
def test_most_seeds_are_read(name: str) -> None:
    """What is made of texts that no reader takes would show little."""
    target, refused = TARGETS[name], 0
    with target.open() as check, warnings_are_errors():
        for data in target.seeds():
            try:
                check(data)
            except HsFrameError:
                refused += 1
    assert refused <= len(target.seeds()) / 20


def test_an_input_that_breaks_the_law_is_found_and_made_short(tmp_path: Path) -> None:
    def check(data: bytes) -> None:
        if b"x" in data:
            raise KeyError(data)

    failure = failure_of(check, b"a long one, with x and more", SLOW_S)
    assert failure is not None
    assert failure.kind.startswith("KeyError at test_fuzz.py:")
    shortest = minimised(check, b"a long one, with x and more", failure, SLOW_S)
    assert shortest == b"x"
    assert saved("any", shortest, tmp_path).read_bytes() == b"x"
    assert failure_of(lambda _: None, b"", -1.0) == Failure("slow", "it took 0.0 s")


def test_an_error_where_something_right_is_read_breaks_the_law() -> None:
    def check(data: bytes) -> None:
        assert must(lambda: data, "as it is") == data
        must(lambda: duration_us(data.decode(), "interval"), data)

    assert failure_of(check, b"1min", SLOW_S) is None
    failure = failure_of(check, b"one", SLOW_S)
    assert failure is not None
    assert failure.kind.startswith("AssertionError at fuzzing.py:")
