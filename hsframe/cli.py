"""The command line: ``hsframe`` and ``python -m hsframe`` are the same program.

Passwords are asked for, or come from ``HSFRAME_PASSWORD``: an argument can be seen by everybody on the machine.
"""

from __future__ import annotations

import argparse
import getpass
import io
import json
import os
import re
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hsframe.errors import AuthError, HsFrameError, MetadataError, NetworkError, SpanError
from hsframe.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client
    from hsframe.server.database import Database
    from hsframe.session import Session

_SPAN_HELP: Final = (
    "today, lastWeek, -7d, 2026-01, 2026-01-01,2026-01-31, ...: dates are whole days, in each point's zone"
)

# argparse takes what looks like this for a negative number and not for an option: a span such as -7d.
_SPAN: Final = re.compile(r"-\d")

# What of a sync is not as it should be; only the first two are errors of it.
_PROBLEMS: Final = ("failed", "changed", "gone", "kept")
_SHOWN: Final = 5  # points of one problem on stderr
_EXIT_CODES: Final = (
    "The exit code is 0 where all went well, 1 where something could not be read, 2 for wrong arguments, 3 where the "
    "server did not answer or refused the login."
)
# Words of Python in messages, and those of the command line.
_IN_COMMANDS: Final = {r"since='([^']+)'": r"--since \1", "other_server=True": "--other-server"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with these arguments (without the program's name), or with those of the process.

    Returns the exit code, as `_EXIT_CODES` says it, or 130 after Ctrl-C. An error is one line on stderr.
    """
    given = sys.argv[1:] if argv is None else argv
    args = argparse.Namespace(json="--json" in given)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for a terminal that cannot show °F
    try:
        args = _parser().parse_args(given)
        run: Callable[[argparse.Namespace], int] = args.run
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print(f"hsframe: {message}", file=sys.stderr)
            return run(args)
    except HsFrameError as error:
        code = 2 if _is_wrong(error, args) else 3 if isinstance(error, NetworkError | AuthError) else 1
        text = _in_commands(str(error))
        print(f"hsframe: {text}", file=sys.stderr)
    except KeyboardInterrupt:
        code, text = 130, "interrupted"
    except BrokenPipeError:
        # The reader has closed the pipe, as in `hsframe read point | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if getattr(args, "json", False):
        print(json.dumps({**_origin(args), "error": text, "exit": code}))
    return code


def _in_commands(text: str) -> str:
    for pattern, words in _IN_COMMANDS.items():
        text = re.sub(pattern, words, text)
    return text


def _is_wrong(error: HsFrameError, args: argparse.Namespace) -> bool:
    """Whether an error is of the arguments; one that has a cause is of a disk or a store."""
    if isinstance(error, MetadataError) and not hasattr(args, "session"):
        return error.__cause__ is None
    return isinstance(error, SpanError) or getattr(error.__cause__, "source", "") == "filter"


class _Command(argparse.ArgumentParser):
    """The arguments of a command in any order: argparse ends a list of names at the first option."""

    _is_intermixed = False

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise MetadataError(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._is_intermixed:
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False


def _parser() -> argparse.ArgumentParser:
    parser = _Command(prog="hsframe", description="Project Haystack servers to pandas.")
    parser._is_intermixed = True  # it has commands, which argparse does not intermix
    parser.add_argument("--version", action="version", version=f"hsframe {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Command)

    server, table = _server(), _Command(add_help=False)
    table.add_argument("--csv", action="store_true", help="write CSV")

    demo = commands.add_parser("demo", parents=[server], help="serve a demo building, or run a short demonstration")
    demo.add_argument("--once", action="store_true", help="read a week of it, write a Parquet file and a plot, and end")
    demo.add_argument("--out", type=Path, metavar="DIR", default=Path("hsframe-demo"), help="where --once writes to")
    demo.set_defaults(run=_serve, folder=None, user=None, anonymous=False, storage_option=[])

    serve = commands.add_parser(
        "serve", parents=[server, _store()], help="serve an archive, Parquet files, or the demo building"
    )
    serve.add_argument("folder", nargs="?", help="an archive or a folder of *.parquet files; else the demo building")
    serve.add_argument("--user", help="who may log in; the password is asked for, or HSFRAME_PASSWORD")
    serve.add_argument("--anonymous", action="store_true", help="let everybody call without a login")
    serve.set_defaults(run=_serve, once=False)
    for command in (demo, serve):
        command.epilog, command.formatter_class = server.epilog, argparse.RawDescriptionHelpFormatter

    connection = _connection()
    commands.add_parser("about", parents=[connection], help="what a server says of itself").set_defaults(run=_about)

    read = commands.add_parser("read", parents=[connection, table], help="records by filter")
    read.add_argument("filter", help="as 'point and temp'")
    read.add_argument("--limit", type=int, help="the most records to give")
    read.set_defaults(run=_read)

    his_read = commands.add_parser("his-read", parents=[connection, table], help="histories as a table")
    _add_history(his_read)
    his_read.set_defaults(run=_his_read)

    export = commands.add_parser(
        "export",
        parents=[connection, _outcome(), _store()],
        help="histories into a Parquet file or an archive",
        description=f"The same command goes on where it was interrupted, but for a wide file. {_EXIT_CODES}",
    )
    _add_history(export)
    export.add_argument("path", help="the file to write, if it ends in .parquet; else the folder or uri of an archive")
    export.add_argument("--layout", choices=("wide", "tidy"), help="of a file: a column a point, or a row a sample")
    export.add_argument("--on-error", choices=("raise", "warn"), default="raise", help="warn: leave points out")
    export.set_defaults(run=_export)

    sync = commands.add_parser(
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
    sync.set_defaults(run=_sync)
    sync._negative_number_matcher = _SPAN

    doctor = commands.add_parser(
        "doctor", parents=[connection, table], help="what a server can do, with advice; writes nothing"
    )
    doctor.add_argument("address", nargs="?", metavar="URI", help="the same as --uri")
    doctor.add_argument("--point", metavar="ID", help="a point with a history to test reads with")
    doctor.set_defaults(run=_doctor)
    return parser


def _server() -> _Command:
    from hsframe.testing.quirks import BUNDLES, NUMBERS, QUIRKS

    quirks = [f"  {name}{'=N' * (name in NUMBERS)}: {text}" for name, text in QUIRKS.items()]
    parser = _Command(add_help=False, epilog="\n".join(["quirks to test clients:", *quirks]))
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; this machine only by default")
    parser.add_argument("--port", type=_port, default=8080, help="the port to listen on, 0 for a free one")
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


def _connection() -> _Command:
    from hsframe.codecs.formats import CALL_FORMATS

    parser = _Command(add_help=False)
    parser.add_argument("--uri", help="where the API is, as http://127.0.0.1:8080/api; else HSFRAME_URI")
    parser.add_argument("--user", help="else HSFRAME_USER")
    parser.add_argument(
        "--password", help="everybody on this machine can see an argument; else HSFRAME_PASSWORD, or it is asked for"
    )
    parser.add_argument("--format", default="zinc", choices=CALL_FORMATS, help="the wire format")
    parser.add_argument("--timeout", metavar="DURATION", help="of one request, as 2min; 30s by default")
    parser.add_argument("--retries", type=int, metavar="COUNT", help="how often a request is sent again; 4 by default")
    parser.add_argument("--deadline", metavar="DURATION", help="of all requests together, as 5min; none by default")
    return parser


def _outcome() -> _Command:
    parser = _Command(add_help=False)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing, and say what would be read; requests that prove that answers are whole come on top",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but what went wrong")
    shown.add_argument("--json", action="store_true", help="print the summary as one line of JSON")
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


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser._negative_number_matcher = _SPAN
    parser.add_argument("points", nargs="+", help="a filter, or ids that start with @")
    parser.add_argument("span", help=_SPAN_HELP)
    parser.add_argument("--header", default="dis", help="what columns are called: dis, id, a tag, or equipRef->dis")
    parser.add_argument("--tz", default="point", help="the zone of the times: a name, or point for that of the points")


def _connect(args: argparse.Namespace) -> Session:
    from hsframe.session import connect

    user, password, args.password = args.user, args.password, None
    who = os.environ.get("HSFRAME_USER") if user is None else user
    given = password is not None or "HSFRAME_PASSWORD" in os.environ or (user is None and "HSFRAME_TOKEN" in os.environ)
    if who and not given:
        password = _asked_password(f"password of {who}: ")
    options: dict[str, Any] = {name: getattr(args, name) for name in ("format", "timeout", "retries", "deadline")}
    options = {name: value for name, value in options.items() if value is not None}
    args.session = session = connect(args.uri, user, password, **options)
    return session


def _asked_password(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise MetadataError("there is no terminal to ask for the password; set HSFRAME_PASSWORD")
    return getpass.getpass(prompt)


def _points(args: argparse.Namespace) -> str | list[str]:
    points: list[str] = args.points
    return points[0] if len(points) == 1 else points


def _serve(args: argparse.Namespace) -> int:
    if args.once:
        from hsframe.demo_run import demo_once

        return demo_once(args.out)
    from hsframe.frame.whole_file import local_path
    from hsframe.server.run import serve
    from hsframe.testing.quirk_wrappers import with_quirks

    users: dict[str, Any] | None = {} if args.anonymous else None
    if args.user and not args.anonymous:
        users = {args.user: os.environ.get("HSFRAME_PASSWORD") or _asked_password(f"password for {args.user}: ")}
    database: Database | None = None
    folder = args.folder and local_path(args.folder)
    if args.folder is not None and (folder is None or (folder / "samples").is_dir()):
        from hsframe.archive.served import ArchiveDatabase
        from hsframe.archive.storage import Storage

        database = ArchiveDatabase(Storage(args.folder, dict(args.storage_option)))
    elif args.folder is not None:
        from hsframe.server.folder import parquet_folder

        database = parquet_folder(folder or args.folder)
    serve(args.host, args.port, database, users=users, prepare=with_quirks(args.quirk))
    return 0


def _about(args: argparse.Namespace) -> int:
    with _connect(args) as session:
        row = session.about().iloc[0]
    width = max(map(len, row.index))
    print("\n".join(f"{name:{width}}  {value}" for name, value in row.items()))
    return 0


def _read(args: argparse.Namespace) -> int:
    with _connect(args) as session:
        _print(session.read(args.filter, args.limit), csv=args.csv, index=False)
    return 0


def _his_read(args: argparse.Namespace) -> int:
    with _connect(args) as session:
        df = session.his_read(_points(args), args.span, header=args.header, tz=args.tz)
    df = df.rename(columns={label: f"{label} [{unit}]" for label, unit in df.hs.units.items() if unit})
    _print(df, csv=args.csv, index=True)
    return 0


def _export(args: argparse.Namespace) -> int:
    from hsframe.session.exporting import Exported, ExportRequest, export

    started_s = time.monotonic()
    request = ExportRequest(
        _points(args),
        args.span,
        args.path,
        layout=args.layout,
        header=args.header,
        tz=args.tz,
        on_error=args.on_error,
        dry_run=args.dry_run,
        progress=False if args.quiet or args.json else None,
        storage_options=dict(args.storage_option),
    )

    async def run(client: Client) -> pd.DataFrame | Exported:
        with client.sender.retries.one_verb():
            return await export(client, request)

    with _connect(args) as session:
        done = session.run(run)
    if not isinstance(done, Exported):
        sums = {name: round(done[name].sum()) for name in ("rows", "requests", "bytes")}
        return _say(args, {"points": len(done), **sums}, started_s)
    failed = len(done.failures)
    found = {"path": str(request.target), "points": len(done.points), "rows": done.rows, "failed": failed}
    return _say(args, found, started_s, int(failed > 0))


def _origin(args: argparse.Namespace) -> dict[str, Any]:
    """When, with which server and where; no password that is in the uri."""
    uri = re.sub(r"//[^/]*@", "//", getattr(args, "uri", None) or os.environ.get("HSFRAME_URI", ""))
    where = {name: getattr(args, name) for name in ("archive", "path") if hasattr(args, name)}
    return {"time": datetime.now(UTC).isoformat(timespec="seconds"), "uri": uri, **where}


def _say(args: argparse.Namespace, found: dict[str, Any], started_s: float, code: int = 0, **more: Any) -> int:
    """One line of what was done, in JSON with `more`; of problems only those that there are. Gives the exit code."""
    found["seconds"] = round(time.monotonic() - started_s, 1)
    if args.json:
        print(json.dumps({**_origin(args), **found, **more, "exit": code}))
    elif not args.quiet:
        shown = {name: value for name, value in found.items() if value or name not in _PROBLEMS}
        texts = [value if isinstance(value, str) else f"{value:,}" for value in shown.values()]
        print(", ".join(f"{name.replace('_', ' ')} {text}" for name, text in zip(shown, texts, strict=True)))
    return code


def _sync(args: argparse.Namespace) -> int:
    from hsframe.archive.sync import ASSUMED
    from hsframe.session.archive import Archive

    started_s = time.monotonic()
    archive = Archive(args.archive, storage_options=dict(args.storage_option))
    with _connect(args) as session:
        table = archive.sync(
            _points(args) or None,
            session=session,
            since=args.since,
            overlap=args.overlap,
            on_error=args.on_error,
            other_server=args.other_server,
            dry_run=args.dry_run,
            progress=False if args.quiet or args.json else None,
        )
    counted = [str(name) for name in table if str(name).startswith(("rows", "requests", "bytes"))]
    found: dict[str, Any] = {"points": len(table), **{name: round(table[name].sum()) for name in counted}}
    corrected = table[:0] if args.dry_run else table[table["rows_changed"] > 0]
    corrections = [{"id": one.id, "dis": one.dis, "rows": one.rows_changed} for one in corrected.itertuples()]
    if corrections and not args.json:
        names = [f"@{one.id} ({one.dis}) {one.rows_changed}" for one in corrected[:_SHOWN].itertuples()]
        found["corrected"] = "; ".join(names + ["..."] * (len(corrections) > _SHOWN))
    if assumed := int((table["reason"] == ASSUMED).sum()):
        found["assuming"] = f"ten years of {assumed} points whose records have no hisStart; --since says from when"
    problems = []
    for name in _PROBLEMS:
        own = table[table["status"] == name]
        found[name] = len(own)
        rows = [(one.id, one.dis, _in_commands(str(one.reason))) for one in own.itertuples()]
        problems += [{"id": ident, "status": name, "reason": reason} for ident, _, reason in rows]
        for ident, dis, reason in rows[:_SHOWN]:
            print(f"hsframe: @{ident} ({dis}) {name}: {reason}", file=sys.stderr)
        if len(rows) > _SHOWN:
            print(f"hsframe: {len(rows) - _SHOWN} more points {name}; --json names all", file=sys.stderr)
    version = None if args.dry_run else int(archive.versions["version"].iloc[0])
    code = int(bool(found["failed"] or found["changed"]))
    return _say(args, found, started_s, code, version=version, corrections=corrections, problems=problems)


def _doctor(args: argparse.Namespace) -> int:
    from hsframe.diagnosis.doctor import findings_text

    args.uri = args.address or args.uri
    with _connect(args) as session:
        df = session.doctor(args.point)
    if args.csv:
        _print(df, csv=True, index=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        print(findings_text(df, min(max(width, 80), 160)))
    return 0 if len(df) > 2 else 1


def _print(df: pd.DataFrame, *, csv: bool, index: bool) -> None:
    if csv:
        df.to_csv(sys.stdout, index=index)
        return
    width = shutil.get_terminal_size().columns
    print(df.to_string(index=index, max_rows=60, line_width=width if sys.stdout.isatty() else None))
    print(f"{len(df)} rows x {len(df.columns)} columns")
