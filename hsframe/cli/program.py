"""The program: runs a command, tells its errors in a line, and gives the exit code."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence

import pyarrow as pa

from hsframe.cli.messages import discard, tell, waits_told
from hsframe.cli.parser import parser
from hsframe.errors import AuthError, HsFrameError, MetadataError, NetworkError, SpanError, UnitError, ZoneError
from hsframe.frame.whole_file import advised


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with these arguments (without the program's name), or with those of the process.

    Returns the exit code, as `EXIT_CODES` says it. An error is one line on stderr, and stdout has results alone.
    """
    args = argparse.Namespace()

    def show_warning(message: Warning | str, *_: object, **__: object) -> None:
        tell(args, str(message))

    is_closed = False
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed, as by `hsframe sync ... >&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
            is_closed |= name == "stdout"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for a terminal that cannot show °F
    if argv is None:  # as systemd and timeout(1) end a program
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Arrow's usual allocator keeps 20 to 40 MB more of an export after they are freed.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        args = parser().parse_args(argv)
        if is_closed and "output" in args and args.into is None:  # what it shows is all that it does
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        run: Callable[[argparse.Namespace], int] = args.run
        if argv is None and "port" in args:
            _interrupt_once()
        with warnings.catch_warnings(), waits_told(args):
            warnings.showwarning = show_warning
            args.code = run(args)
        sys.stdout.flush()  # a disk that is full may be noticed only now
        return int(args.code)
    except HsFrameError as error:
        tell(args, str(error))
        return 2 if _is_wrong(error, args) else 3 if isinstance(error, NetworkError | AuthError) else 1
    except KeyboardInterrupt:
        tell(args, "; ".join(filter(None, ["interrupted", getattr(args, "goes_on", "")])))
        return 130
    except OSError as error:
        where = f"{error.filename} cannot be used: " if error.filename else ""
        if not where and error.strerror == os.strerror(error.errno or 0):  # Arrow names a file in its text
            where = "stdout cannot be written: "
            discard(sys.stdout)
        if isinstance(error, BrokenPipeError):  # the reader has seen enough, as in `hsframe read point | head`
            return int(getattr(args, "code", 0))
        tell(args, f"{where}{advised(error)}")
        return (
            2
            if isinstance(error, FileNotFoundError | FileExistsError | NotADirectoryError)
            and not hasattr(args, "session")
            else 1
        )


def _interrupt_once() -> None:
    """Let a signal end a server, and no other one interrupt that: it takes a second, in which some send more."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32":
        numbers.append(signal.SIGHUP)
        # A closed terminal stops a server, in words. One without a terminal is told so to read its settings anew: it
        # follows the file of users anyhow.
        if not os.isatty(0):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
    taken = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # as nohup has it ignored

    def end(number: int, frame: object) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in taken:
        signal.signal(number, end)


def _is_wrong(error: HsFrameError, args: argparse.Namespace) -> bool:
    """Whether an error is of the arguments; one that has a cause is of a disk or a store."""
    if isinstance(error, MetadataError | UnitError | ZoneError) and not hasattr(args, "session"):
        return error.__cause__ is None
    if getattr(args, "units", None) and (isinstance(error, UnitError) or str(error).startswith("units=")):
        return True
    return isinstance(error, SpanError) or getattr(error.__cause__, "source", "") == "filter"
