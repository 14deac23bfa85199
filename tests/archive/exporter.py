"""A warm process whose children export, each from a line on its standard input: what kills one costs no start.

Little is read, put into the archive and passed at once, so that a kill finds many places between two commits.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, Self


class Exporter:
    """The process; :meth:`start` begins an export in a child of it, and :meth:`end` tells how it ended."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.archive.exporter"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        assert self._from.readline() == "ready\n"

    def start(self, **task: Any) -> int:
        """Begin `hsframe.export` with these arguments, and a `uri`; gives the number of the child."""
        self._to.write(json.dumps(task) + "\n")
        self._to.flush()
        return int(self._from.readline())

    def end(self, pid: int, *, kill_after_s: float | None = None) -> str:
        """Wait for a child, or kill it; gives the text of its error, "done", or "killed"."""
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            with suppress(ProcessLookupError):  # the exporter has not waited for it yet, so the number is still its own
                os.kill(pid, signal.SIGKILL)
        self._to.write("\n")
        self._to.flush()
        return self._from.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


def main() -> None:
    """Fork a child per task; an empty line waits for it."""
    import hsframe
    import hsframe.archive.export
    import hsframe.archive.fill
    from hsframe.history import plan

    hsframe.archive.fill._ROWS_A_MERGE = 50_000  # type: ignore[misc]
    hsframe.archive.fill._NOTE_S = 0.05  # type: ignore[misc]
    hsframe.archive.export._ROWS_A_PASS = 5_000  # type: ignore[misc]
    plan._LEAST_CELLS = plan._MOST_CELLS = 10_000  # type: ignore[misc]
    plan._MIN_POINTS_PER_BATCH = 1  # type: ignore[misc]
    plan.POINTS_A_BATCH = 2  # type: ignore[misc]
    print("ready", flush=True)
    pid, reading = 0, -1
    for line in sys.stdin:
        if line.strip():
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.write(writing, _run(hsframe, json.loads(line)).encode())
                os._exit(0)
            os.close(writing)
            print(pid, flush=True)
        else:
            with os.fdopen(reading) as pipe:
                text = pipe.read()
            _, status = os.waitpid(pid, 0)
            print("killed" if os.WIFSIGNALED(status) else text.replace("\n", " "), flush=True)


def _run(hsframe: Any, task: dict[str, Any]) -> str:
    if most := task.pop("most_bytes", None):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        with hsframe.connect(task.pop("uri"), "demo", "demo") as session:
            session.export(**task)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "done"


if __name__ == "__main__":
    main()
