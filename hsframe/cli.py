"""The command line: ``hsframe`` and ``python -m hsframe`` are the same program.

Passwords are asked for, or come from ``HSFRAME_PASSWORD``: an argument can be seen by everybody on the machine.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NoReturn

import pyarrow as pa

from hsframe import commands
from hsframe.command_messages import discard, tell, waits_told
from hsframe.errors import AuthError, HsFrameError, MetadataError, NetworkError, SpanError, ZoneError
from hsframe.frame.whole_file import advised
from hsframe.options import Limits
from hsframe.version import __version__

_SPAN_HELP: Final = (
    "today, lastWeek, -7d, 2026-01, 2026-01-01,2026-01-31, ...: dates are whole days, in each point's zone"
)

# argparse takes what looks like this for a negative number and not for an option: a span such as -7d.
_SPAN: Final = re.compile(r"-\d")

_LIMITS: Final = [limit.name for limit in fields(Limits)]

_EXIT_CODES: Final = (
    "The exit code is 0 where all went well, 1 where something could not be read or written (also a full disk, or "
    "another export of the same file), 2 for wrong arguments, 3 where the server did not answer or refused the login, "
    "130 after Ctrl-C or SIGTERM. Errors are told on stderr alone."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with these arguments (without the program's name), or with those of the process.

    Returns the exit code, as `_EXIT_CODES` says it. An error is one line on stderr, and stdout has results alone.
    """
    args = argparse.Namespace()

    def show_warning(message: Warning | str, *_: object, **__: object) -> None:
        tell(args, str(message))

    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed, as by `hsframe sync ... >&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for a terminal that cannot show °F
    if argv is None:  # as systemd and timeout(1) end a program
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Arrow's usual allocator keeps 20 to 40 MB more of an export after they are freed.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        args = _parser().parse_args(argv)
        run: Callable[[argparse.Namespace], int] = args.run
        if argv is None and "port" in args:
            _interrupt_once()
        with warnings.catch_warnings(), waits_told(args):
            warnings.showwarning = show_warning
            code = run(args)
        sys.stdout.flush()  # a disk that is full may be noticed only now
        return code
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
        if not isinstance(error, BrokenPipeError):  # the reader has seen enough, as in `hsframe read point | head`
            tell(args, f"{where}{advised(error)}")
        return 1


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
    if isinstance(error, MetadataError | ZoneError) and not hasattr(args, "session"):
        return error.__cause__ is None
    return isinstance(error, SpanError) or getattr(error.__cause__, "source", "") == "filter"


class _Command(argparse.ArgumentParser):
    """The arguments of a command in any order: argparse ends a list of names at the first option."""

    _is_intermixed = False

    def error(self, message: str) -> NoReturn:
        raise MetadataError(f"{message}; see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file, flush=True)  # what is wrong with stdout is told by `main`; argparse is silent

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._is_intermixed:
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            found, strange = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False
        if strange:  # argparse would say so of the program, and not of this command
            self.error(f"unrecognized arguments: {' '.join(strange)}")
        return found, strange


def _parser() -> argparse.ArgumentParser:
    parser = _Command(prog="hsframe", description="Project Haystack servers to pandas.")
    parser._is_intermixed = True  # it has commands, which argparse does not intermix
    parser.add_argument("--version", action="version", version=f"hsframe {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Command)

    from hsframe.server.users import ROLES

    server, table = _server(), _Command(add_help=False)
    table.add_argument("--csv", action="store_true", help="write CSV, to stdout too: --csv > FILE")

    demo = subparsers.add_parser("demo", parents=[server], help="serve a demo building, or run a short demonstration")
    demo.add_argument("--once", action="store_true", help="read a week of it, write a Parquet file and a plot, and end")
    demo.add_argument("--out", type=Path, metavar="DIR", default=Path("hsframe-demo"), help="where --once writes to")
    demo.set_defaults(run=commands.demo, folder=None, user=None, users=None, anonymous=False, storage_option=[])

    serve = subparsers.add_parser(
        "serve", parents=[server, _store()], help="serve an archive, Parquet files, or the demo building"
    )
    serve.add_argument("folder", nargs="?", help="an archive or a folder of *.parquet files; else the demo building")
    who = serve.add_mutually_exclusive_group()
    who.add_argument(
        "--user",
        metavar="NAME",
        help="one user, who may do all, until the server ends; the password is asked for, or HSFRAME_PASSWORD",
    )
    who.add_argument(
        "--users", type=Path, metavar="FILE", help="users with roles, who last: the file that hsframe set-user writes"
    )
    who.add_argument("--anonymous", action="store_true", help="let everybody call without a login")
    serve.set_defaults(run=commands.serve)

    set_user = subparsers.add_parser(
        "set-user",
        help="add a user to a file for serve --users, change one, or remove one",
        description="The password is asked for, or is the first line of the standard input. The file does not have it, "
        "but what SCRAM needs to check it. Who gets another --role keeps the password where it is left empty. A server "
        "that runs takes a change with its next request; sessions of who has another password, or is removed, end.",
    )
    set_user.add_argument("file", type=Path, help="made where there is none; only its owner may read it")
    set_user.add_argument("name", help="of the user")
    change = set_user.add_mutually_exclusive_group()
    change.add_argument("--remove", action="store_true", help="take the user out of the file")
    change.add_argument(
        "--role",
        choices=ROLES,
        help="viewer: reads and watches; operator: writes and commands too; admin: changes records too; "
        "who is there keeps it by default",
    )
    set_user.set_defaults(run=commands.set_user)
    for command in (demo, serve):
        command.epilog, command.formatter_class = server.epilog, argparse.RawDescriptionHelpFormatter

    connection = _connection()
    subparsers.add_parser("about", parents=[connection], help="what a server says of itself").set_defaults(
        run=commands.about
    )

    read = subparsers.add_parser("read", parents=[connection, table], help="records by filter or id")
    read.add_argument("points", nargs="+", metavar="FILTER", help="as 'point and temp', or ids that start with @")
    read.add_argument("--limit", type=_count, help="the most records to give")
    read.set_defaults(run=commands.read)

    his_read = subparsers.add_parser("his-read", parents=[connection, table], help="histories as a table")
    _add_history(his_read)
    his_read.set_defaults(run=commands.his_read)

    export = subparsers.add_parser(
        "export",
        parents=[connection, _outcome(), _store()],
        help="histories into a Parquet file or an archive",
        description=f"The same command goes on where it was interrupted, but for a wide file. {_EXIT_CODES}",
    )
    _add_history(export)
    export.add_argument("path", help="the file to write, if it ends in .parquet; else the folder or uri of an archive")
    export.add_argument("--layout", choices=("wide", "tidy"), help="of a file: a column a point, or a row a sample")
    export.add_argument("--on-error", choices=("raise", "warn"), default="raise", help="warn: leave points out")
    export.set_defaults(run=commands.export, goes_on="the same command goes on, but for a wide file")

    sync = subparsers.add_parser(
        "sync",
        parents=[connection, _outcome(), _store()],
        help="bring an archive in step with a server",
        description=f"Two at once do no harm, and the same command goes on where it was interrupted. {_EXIT_CODES} "
        "Points that the server no longer has are named, and are no error.",
    )
    sync.add_argument("archive", help="its folder or uri; made where there is none")
    sync.add_argument("points", nargs="*", metavar="FILTER", help="or ids that start with @; else all of the archive")
    sync.add_argument("--since", metavar="DATE", help="from when on points are read; a later one reads again")
    sync.add_argument("--on-error", choices=("catalog", "raise"), default="catalog", help="raise: end at the first one")
    sync.add_argument("--other-server", action="store_true", help="the archive's server has moved: it is this one now")
    sync.add_argument("--overlap", metavar="DURATION", default="2D", help="how much is read once more; 2D by default")
    sync.set_defaults(run=commands.sync, goes_on="the same command goes on")
    sync._negative_number_matcher = _SPAN

    notebooks = subparsers.add_parser("notebooks", help="copy the notebooks that come with hsframe into a folder")
    notebooks.add_argument("folder", metavar="DIR", help="made where there is none")
    notebooks.add_argument("--overwrite", action="store_true", help="replace notebooks there that were changed")
    notebooks.set_defaults(run=commands.notebooks)

    doctor = subparsers.add_parser(
        "doctor", parents=[connection, table], help="what a server can do, with advice; writes nothing"
    )
    doctor.add_argument("address", nargs="?", metavar="URI", help="the same as --uri")
    doctor.add_argument("--point", metavar="ID", help="a point with a history to test reads with")
    doctor.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write what was asked and answered, without logins, passwords and tokens; hsframe.testing.replay reads it",
    )
    doctor.add_argument("--rename", action="store_true", help="in that file, other names for ids, hosts and the user")
    doctor.set_defaults(run=commands.doctor)
    return parser


def _server() -> _Command:
    from hsframe.testing.quirks import BUNDLES, NUMBERS, QUIRKS

    quirks = [f"  {name}{'=N' * (name in NUMBERS)}: {text}" for name, text in QUIRKS.items()]
    parser = _Command(add_help=False, epilog="\n".join(["quirks to test clients:", *quirks]))
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; this machine only by default")
    parser.add_argument("--port", type=_port, default=8080, help="the port to listen on, 0 for a free one")
    parser.add_argument(
        "--proxy",
        type=_address,
        metavar="ADDRESS",
        help="the address from which a reverse proxy calls; the last one in its X-Forwarded-For counts as the client's",
    )
    parser.add_argument("--quiet", action="store_true", help="log nothing but what was refused or went wrong")
    parser.add_argument_group("to test clients").add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME",
        help=f"behave like another server: {', '.join(BUNDLES)}; or differ in one thing, see below; may be given "
        "several times",
    )
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"the port must be a number from 0 to 65535; got {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up; got {text!r}")
    return int(text)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an IP address, as 127.0.0.1; got {text!r}") from None


def _connection() -> _Command:
    from hsframe.codecs.formats import CALL_FORMATS
    from hsframe.protocol.login_steps import AUTH_SCHEMES

    parser = _Command(add_help=False)
    parser.add_argument("--uri", help="where the API is, as http://127.0.0.1:8080/api; else HSFRAME_URI")
    parser.add_argument("--user", help="else HSFRAME_USER")
    parser.add_argument(
        "--password", help="everybody on this machine can see an argument; else HSFRAME_PASSWORD, or it is asked for"
    )
    parser.add_argument(
        "--auth",
        default="auto",
        choices=AUTH_SCHEMES,
        help="scram: nothing less; none: no login; bearer: HSFRAME_TOKEN",
    )
    parser.add_argument("--format", default="zinc", choices=CALL_FORMATS, help="the wire format")
    parser.add_argument("--timeout", metavar="DURATION", help="of one request, as 2min; 30s by default")
    parser.add_argument("--retries", type=int, metavar="COUNT", help="how often a request is sent again; 4 by default")
    parser.add_argument("--deadline", metavar="DURATION", help="of all requests together, as 5min; none by default")
    parser.add_argument(
        "--allow",
        action="append",
        type=_limit,
        default=[],
        metavar="NAME=COUNT",
        help=f"how much an answer may hold: {', '.join(_LIMITS)}; may be given several times",
    )
    parser.add_argument(
        "--trust-env", action="store_true", help="use HTTP_PROXY, HTTPS_PROXY, NO_PROXY of the environment"
    )
    parser.add_argument("--ca", metavar="FILE", help="trust the authorities of this PEM file, not those of the machine")
    parser.add_argument("--certificate", metavar="FILE", help="of the client, with its key, where the server wants one")
    return parser


def _outcome() -> _Command:
    parser = _Command(add_help=False)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing, and say what would be read; requests that prove that answers are whole come on top",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but what went wrong, with when and where")
    shown.add_argument("--json", action="store_true", help="print the summary as one line of JSON, and nothing else")
    return parser


def _store() -> _Command:
    parser = _Command(add_help=False)
    parser.add_argument(
        "--storage-option",
        action="append",
        type=_storage_option,
        default=[],
        metavar="KEY=VALUE",
        help="of an object store, as AWS_REGION=eu-west-1; may be given several times. Variables of the environment "
        "count too, and are the place for keys: everybody on this machine can see an argument",
    )
    return parser


def _storage_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("expected KEY=VALUE, as in AWS_REGION=eu-west-1")  # the text may be a secret
    return name, value


def _limit(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if name not in _LIMITS or not (count.isascii() and count.isdigit() and int(count)):
        raise argparse.ArgumentTypeError(
            f"expected NAME=COUNT, where NAME is {', '.join(_LIMITS)} and COUNT a whole number above 0, as in "
            f"columns={Limits.columns}; got {text!r}"
        )
    return name, int(count)


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser._negative_number_matcher = _SPAN
    parser.add_argument("points", nargs="+", help="a filter, or ids that start with @")
    parser.add_argument("span", help=_SPAN_HELP)
    parser.add_argument("--header", default="dis", help="what columns are called: dis, id, a tag, or equipRef->dis")
    parser.add_argument("--tz", default="point", help="the zone of the times: a name, or point for that of the points")
