"""The commands and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

from hsframe.cli import archiving, reading, serving, writing
from hsframe.cli.options import (
    TZ_HELP,
    Command,
    add_history,
    add_silent_after,
    checked,
    connection_options,
    count_to,
    in_utf8,
    outcome,
    output_options,
    server_options,
    store,
    value_options,
)
from hsframe.intervals.rules import Aggregation
from hsframe.version import __version__

# Each line is run by a test, against the demo building.
_EXAMPLES: Final = {
    "demo": ["hsframe demo", "hsframe demo --once --out week"],
    "serve": ["hsframe serve trends --users users.json", "hsframe serve --anonymous --quirk skyspark3"],
    "set-user": ["hsframe set-user users.json ann --role operator"],
    "about": ["hsframe about --uri http://127.0.0.1:8080/api --user demo"],
    "ops": ["hsframe ops", "hsframe ops --output json"],
    "read": ["hsframe read 'point and temp'", "hsframe read @nyc-meter-kw @nyc-meter-kwh --output zinc"],
    "his-read": [
        "hsframe his-read 'point and power' -7d",
        "hsframe his-read 'temp and zone' yesterday --tz UTC --units °C --csv",
        "hsframe his-read @nyc-meter-kwh lastMonth --interval 1D --agg delta --file days.csv",
    ],
    "latest": ["hsframe latest 'point and temp' --tz UTC", "hsframe latest @nyc-meter-kw --at -2h --output json"],
    "his-write": ["hsframe his-write edited.csv", "hsframe his-write edited.csv --yes"],
    "export": [
        "hsframe export 'point and power' -7d week.parquet --tz UTC",
        "hsframe export 'power or temp' -2d trends",
    ],
    "sync": [
        "hsframe sync trends 'point and power' --since -7d",
        "hsframe sync trends --json",
        "hsframe sync trends --quiet --silent-after 2d",
    ],
    "notebooks": ["hsframe notebooks my-notebooks"],
    "doctor": ["hsframe doctor http://127.0.0.1:8080/api --user demo", "hsframe doctor --record case.jsonl --rename"],
}

EXIT_CODES: Final = (
    "The exit code is 0 where all went well, 1 where something could not be read or written (also a full disk, or "
    "another export of the same file), 2 for wrong arguments, 3 where the server did not answer or refused the login, "
    "4 where all went well but --silent-after has found a point that is silent, 130 after Ctrl-C or SIGTERM. Errors "
    "are told on stderr alone."
)

_EPILOG: Final = f"""\
Set HSFRAME_URI, HSFRAME_USER and HSFRAME_PASSWORD once, and no command needs --uri, --user and --password.
{EXIT_CODES}
hsframe COMMAND --help has examples of each command."""


def parser() -> argparse.ArgumentParser:
    parser = Command(
        prog="hsframe",
        description="Reads, writes, archives and serves histories of Project Haystack servers.",
        epilog=_EPILOG,
    )
    parser._is_intermixed = True  # it has commands, which argparse does not intermix
    parser.add_argument("--version", action="version", version=f"hsframe {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Command)

    from hsframe.server.users import ROLES

    server, table, connection = server_options(), output_options(), connection_options()

    def add(name: str, run: Callable[[argparse.Namespace], int], *parents: Command, **texts: Any) -> Command:
        command = commands.add_parser(name, parents=parents, **texts)
        command.set_defaults(run=run)
        more = f"\n\n{server.epilog}" if server in parents else ""
        command.epilog = "\n  ".join(["for example:", *_EXAMPLES[name]]) + more
        return command

    demo = add("demo", serving.demo, server, help="serve a demo building, or run a short demonstration")
    demo.add_argument("--once", action="store_true", help="read a week of it, write a Parquet file and a plot, and end")
    demo.add_argument("--out", type=Path, metavar="DIR", default=Path("hsframe-demo"), help="where --once writes to")
    demo.set_defaults(folder=None, user=None, users=None, anonymous=False, storage_option=[])

    serve = add("serve", serving.serve, server, store(), help="serve an archive, Parquet files, or the demo building")
    serve.add_argument("folder", nargs="?", help="an archive or a folder of *.parquet files; else the demo building")
    who = serve.add_mutually_exclusive_group()
    who.add_argument(
        "--user", metavar="NAME", help="the one user, who may do all; asks for the password, or takes HSFRAME_PASSWORD"
    )
    who.add_argument("--users", type=Path, metavar="FILE", help="the users of a file that hsframe set-user writes")
    who.add_argument("--anonymous", action="store_true", help="let everybody call without a login")

    set_user = add(
        "set-user",
        serving.set_user,
        help="add a user to a file for serve --users, change one, or remove one",
        description="The password is asked for, or is the first line of the standard input. Leave it empty to change "
        "the --role alone. The file keeps what a login is checked with, and not the password. A server that runs takes "
        "the change with its next request: who was removed or has a new password must log in again.",
    )
    set_user.add_argument("file", type=Path, help="made where there is none; only its owner may read it")
    set_user.add_argument("name", help="the user's name")
    change = set_user.add_mutually_exclusive_group()
    change.add_argument("--remove", action="store_true", help="take the user out of the file")
    change.add_argument(
        "--role",
        choices=ROLES,
        help="viewers read, operators write and command too, admins change records too; an old user keeps the role",
    )

    add("about", reading.about, connection, table, help="what a server says of itself")

    add("ops", reading.ops, connection, table, help="the operations that a server has")

    read = add("read", reading.read, connection, table, help="records, by filter or ids")
    read.add_argument(
        "points", nargs="+", type=in_utf8, metavar="FILTER", help="as 'point and temp', or ids that start with @"
    )
    read.add_argument("--limit", type=checked(count_to(10**9), "a whole number from 0 up"), help="the most to give")

    his_read = add("his-read", reading.his_read, connection, table, help="histories, or their values over intervals")
    add_history(his_read)
    value_options(his_read)
    add_silent_after(his_read)
    his_read.add_argument("--interval", metavar="DURATION", help="a row for each 15min, 1h, 1D, 1M, ... of local time")
    his_read.add_argument(
        "--agg",
        action="append",
        choices=get_args(Aggregation),
        help="what an interval's value is; may be given several times; by default what fits each point",
    )

    latest = add(
        "latest", reading.latest, connection, table, help="the latest value of points, and how far to trust it"
    )
    latest.add_argument(
        "points", nargs="+", type=in_utf8, metavar="FILTER", help="as 'point and temp', or ids that start with @"
    )
    value_options(latest)
    latest.add_argument(
        "--at", metavar="TIME", help="the value at an instant: -2h, 2026-11-01T08:00, 'yesterday 08:00', ..."
    )
    latest.add_argument("--max-age", metavar="DURATION", default="400D", help="how far to look back; 400D by default")

    his_write = add(
        "his-write",
        writing.his_write,
        connection,
        help="write a CSV or Parquet file into histories: shows what would change; --yes writes it",
        description="The file is as his-read --csv or export writes it: times with their offset in the first column, "
        "then a column for each point, called by its name or id and its unit, as 'Power [kW]' or '@kw [kW]'. An empty "
        "cell is no sample; nothing is removed. What is written is read back and compared.",
    )
    his_write.add_argument("data", metavar="FILE", help="FILE.csv, or FILE.parquet of his-read or export")
    his_write.add_argument("--yes", action="store_true", help="write; without it the file and the server are compared")
    his_write.add_argument(
        "--points",
        type=in_utf8,
        action="append",
        metavar="FILTER",
        help="among which points to look, else all with a history; may be given several times",
    )
    his_write.add_argument(
        "--tz", metavar="ZONE", help="the zone of times without an offset, as New_York; else they are refused"
    )
    his_write.add_argument(
        "--existing",
        choices=("replace", "keep", "refuse"),
        default="replace",
        help="what to do with samples that the server has; refuse: write nothing where one differs",
    )
    his_write.add_argument("--convert", action="store_true", help="convert a column in another unit than its point's")
    his_write.set_defaults(goes_on="it is safe to repeat the command")

    export = add(
        "export",
        archiving.export,
        connection,
        outcome(),
        store(),
        help="histories into a Parquet file or an archive",
        description=f"The same command goes on where it was interrupted, but for a wide file. {EXIT_CODES}",
    )
    add_history(export)
    export.add_argument("--tz", default="point", help=TZ_HELP)
    export.add_argument("path", help="the file to write, if it ends in .parquet; else the folder or uri of an archive")
    export.add_argument(
        "--layout", choices=("wide", "tidy"), help="of a file: a column for each point, or a row for each sample"
    )
    export.add_argument(
        "--on-error", choices=("raise", "warn"), default="raise", help="warn: leave out what cannot be read"
    )
    add_silent_after(export)
    export.set_defaults(goes_on="the same command goes on, but for a wide file")

    sync = add(
        "sync",
        archiving.sync,
        connection,
        outcome(),
        store(),
        help="bring an archive in step with a server",
        description=f"Two at once do no harm, and the same command goes on where it was interrupted. {EXIT_CODES} "
        "Points that the server no longer has are named, and are no error.",
    )
    sync.add_argument("archive", help="its folder or uri; made where there is none")
    sync.add_argument(
        "points", nargs="*", type=in_utf8, metavar="FILTER", default=[], help="or ids; else all of the archive"
    )
    sync.add_argument("--since", metavar="DATE", help="from when on points are read; by default their hisStart")
    sync.add_argument("--on-error", choices=("catalog", "raise"), default="catalog", help="raise: end at the first")
    sync.add_argument("--other-server", action="store_true", help="the archive's server has moved: it is this one now")
    sync.add_argument(
        "--overlap", metavar="DURATION", default="2D", help="how much is read again, for late values; 2D by default"
    )
    add_silent_after(sync)
    sync.set_defaults(goes_on="the same command goes on")

    notebooks = add("notebooks", serving.notebooks, help="copy the notebooks that come with hsframe into a folder")
    notebooks.add_argument("folder", metavar="DIR", help="made where there is none")
    notebooks.add_argument("--overwrite", action="store_true", help="replace notebooks there that were changed")

    doctor = add("doctor", reading.doctor, connection, table, help="what a server can do, with advice; writes nothing")
    doctor.add_argument("address", nargs="?", metavar="URI", help="the same as --uri")
    doctor.add_argument("--point", metavar="ID", help="a point with a history to test reads with")
    doctor.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write what was asked and answered, without logins, passwords and tokens",
    )
    doctor.add_argument("--rename", action="store_true", help="with --record: other names for ids, hosts and the user")
    return parser
