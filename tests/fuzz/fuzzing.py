"""Runs a target on many inputs: the law, and what is done with an input that breaks it.

The law: of any bytes comes a value or an error that is documented, all of them of the tree of HsFrameError; nothing
takes longer than a second of this process (30 in CI); and what a target compares is the same.
"""

from __future__ import annotations

import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

import hsframe
from hsframe.errors import HsFrameError
from tests.fuzz.mutations import mutated

FINDINGS = Path(".fuzz")
_WARNINGS = (hsframe.ZoneWarning, hsframe.UnitWarning, hsframe.GapWarning, hsframe.LoginWarning, hsframe.ReadWarning)
_MINIMISING_S = 20.0

T = TypeVar("T")

Check = Callable[[bytes], None]


@dataclass(frozen=True)
class Failure:
    """How an input breaks the law; `kind` is the same for inputs that break it at one place."""

    kind: str
    trace: str = ""


def saved(target: str, data: bytes, folder: Path = FINDINGS) -> Path:
    """The file in which an input is that breaks the law."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{target}-{zlib.crc32(data):08x}"
    path.write_bytes(data)
    return path


@contextmanager
def warnings_are_errors() -> Iterator[None]:
    """All but those that readers are documented to give."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in (*_WARNINGS, DeprecationWarning):  # an older pyarrow uses what pandas deprecates
            warnings.simplefilter("ignore", category)
        yield


def must(read: Callable[[], T], what: object) -> T:
    """What is read of something right: an error that is documented breaks the law there."""
    try:
        return read()
    except HsFrameError as error:
        raise AssertionError(what) from error


def failure_of(check: Check, data: bytes, slow_s: float) -> Failure | None:
    """How an input breaks the law, if it does; the time is that of the processor, in all threads."""
    start_s = time.process_time()
    try:
        check(data)
    except HsFrameError:
        pass
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        return Failure(f"{type(error).__name__} at {place}", "".join(traceback.format_exception(error)))
    took_s = time.process_time() - start_s
    return Failure("slow", f"it took {took_s:.1f} s") if took_s > slow_s else None


def inputs(seed: str, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> Iterator[bytes]:
    """The seeds as they are, and then what is made of them: the same for a seed."""
    yield from seeds
    rnd = Random(seed)
    while True:
        yield mutated(rnd, seeds, tokens)


def minimised(check: Check, data: bytes, failure: Failure, slow_s: float) -> bytes:
    """A shorter input that breaks the law at the same place."""
    until_s = time.monotonic() + _MINIMISING_S
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data) and time.monotonic() < until_s:
            shorter = data[:at] + data[at + size :]
            found = failure_of(check, shorter, slow_s)
            if found is not None and found.kind == failure.kind:
                data = shorter
            else:
                at += size
        size //= 2
    return data
