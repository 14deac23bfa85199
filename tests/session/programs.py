"""Programs that are forked from one that has imported hsframe already, which takes a second of each.

A program runs its text in ``__main__``, and ends as the interpreter ends it, as with `python -c`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType

SERVE = """
import sys
from tests.session.programs import serve
if (code := serve(int(sys.argv[1]))) is not None:
    exec(code)
"""


class Program:
    """One that was started, as `subprocess.Popen` has it; what it says is less than a pipe holds."""

    def __init__(self, line: socket.socket, text: str, *args: str) -> None:
        self._line = line
        self.returncode: int | None = None
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        socket.send_fds(line, [json.dumps([text, *args]).encode()], [its_out, its_err])
        self.pid = int(line.recv(100))
        for fd in (its_out, its_err):
            os.close(fd)
        self.stdout, self._stderr = os.fdopen(out), os.fdopen(err)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait until it has ended; gives what it said."""
        self._line.send(json.dumps(self.pid).encode())
        self._line.settimeout(timeout)
        try:
            self.returncode = int(self._line.recv(100))
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            self._line.settimeout(None)
            self._line.recv(100)
            raise
        with self.stdout, self._stderr:
            return self.stdout.read(), self._stderr.read()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


@contextmanager
def warm(*options: str) -> Iterator[socket.socket]:
    """The program that others are forked from, by a line to it."""
    line, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    command = [sys.executable, *options, "-c", SERVE, str(its.fileno())]
    with line, subprocess.Popen(command, pass_fds=[its.fileno()]) as process:
        its.close()
        try:
            yield line
        finally:
            line.send(b"null")
            process.wait()


def serve(fd: int) -> CodeType | None:
    """Fork a program for each text that comes in; gives its code in that program, and None at the end."""
    import hsframe

    assert hsframe.connect
    assert hsframe.Client
    gc.freeze()  # or each program, as it ends, looks for garbage among all that was imported: 0.3 s
    with socket.socket(fileno=fd) as line:
        while True:
            data, streams, *_ = socket.recv_fds(line, 1 << 16, 2)
            asked = json.loads(data)
            if asked is None:
                return None
            if isinstance(asked, int):
                _, status = os.waitpid(asked, 0)
                line.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            pid = os.fork()
            if pid == 0:
                for standard, stream in enumerate(streams, 1):
                    os.dup2(stream, standard)
            for stream in streams:
                os.close(stream)
            if pid == 0:
                sys.argv[1:] = asked[1:]
                return compile(asked[0], "<string>", "exec")
            line.send(str(pid).encode())
