"""A warm process whose children do a verb that writes, each from a line of its input: what kills one costs no start.

Little is read, put into the archive and passed at once, so that a kill finds many places between two commits.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self


class Warm:
    """The process; :meth:`start` begins a child of it, and :meth:`end` tells how it ended.

    Children stay until this process ends, or :meth:`end` waits for them: so the number of none is another's when it is
    killed.
    """

    def __init__(self, rows_a_merge: int = 5_000) -> None:
        command = [sys.executable, "-m", "tests.archive.warm", str(rows_a_merge)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        assert self._from.readline() == "ready\n"

    def _ask(self, line: object) -> str:
        self._to.write(json.dumps(line) + "\n")
        self._to.flush()
        return self._from.readline().strip()

    def start(self, verb: str, uri: str, **task: Any) -> int:
        """Begin a verb of a session, or of the archive in `path`; gives the number of the child."""
        return int(self._ask({"verb": verb, "uri": uri, **task}))

    @staticmethod
    def kill(pid: int) -> None:
        """Kill a child, if it has not ended."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def end(self, pid: int) -> str:
        """Wait for a child; gives the text of its error, "done", or "killed"."""
        return self._ask(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


def main() -> None:
    """Fork a child per task; a number waits for it."""
    import hsframe.archive.compact
    import hsframe.archive.export
    import hsframe.archive.fill
    from hsframe.history import plan

    hsframe.archive.compact._MOST_ROWS = 5_000  # type: ignore[misc]
    hsframe.archive.export.ROW_GROUP = 5_000  # type: ignore[misc]
    hsframe.archive.fill._ROWS_A_MERGE = int(sys.argv[1])  # type: ignore[misc]
    plan._LEAST_CELLS = plan._MOST_CELLS = 10_000  # type: ignore[misc]
    plan._MIN_POINTS_PER_BATCH = 1  # type: ignore[misc]
    plan.POINTS_A_BATCH = 2  # type: ignore[misc]
    print("ready", flush=True)
    pipes: dict[int, int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            with os.fdopen(pipes[asked]) as pipe:
                text = pipe.read()
            _, status = os.waitpid(asked, 0)
            print("killed" if os.WIFSIGNALED(status) else text.replace("\n", " "), flush=True)
            continue
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            os.write(writing, _run(**asked).encode())
            os._exit(0)
        os.close(writing)
        pipes[pid] = reading
        print(pid, flush=True)


def _run(verb: str, uri: str, most_bytes: int | None = None, **task: Any) -> str:
    import hsframe

    if most_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        with hsframe.connect(uri, "demo", "demo") as session:
            if verb == "export":
                session.export(**task)
            elif verb == "sync":
                hsframe.Archive(task.pop("path")).sync(session=session, **task)
            elif "://" in task["path"] or (Path(task["path"]) / "samples" / "_delta_log").exists():
                archive = hsframe.Archive(task["path"])
                if verb == "add":
                    archive.add(task["file"], existing="replace")
                else:
                    {"compact": archive.compact, "vacuum": archive.vacuum}[verb]()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "done"


if __name__ == "__main__":
    main()
