"""The commands and their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from hsframe.cli import archiving, reading, serving
from hsframe.cli.options import Command, add_history, connection_options, count, outcome, server_options, store
from hsframe.version import __version__

EXIT_CODES: Final = (
    "The exit code is 0 where all went well, 1 where something could not be read or written (also a full disk, or "
    "another export of the same file), 2 for wrong arguments, 3 where the server did not answer or refused the login, "
    "130 after Ctrl-C or SIGTERM. Errors are told on stderr alone."
)


def parser() -> argparse.ArgumentParser:
    parser = Command(prog="hsframe", description="Project Haystack servers to pandas.")
    parser._is_intermixed = True  # it has commands, which argparse does not intermix
    parser.add_argument("--version", action="version", version=f"hsframe {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Command)

    from hsframe.server.users import ROLES

    server, table = server_options(), Command(add_help=False)
    table.add_argument("--csv", action="store_true", help="write CSV, to stdout too: --csv > FILE")

    demo = subparsers.add_parser("demo", parents=[server], help="serve a demo building, or run a short demonstration")
    demo.add_argument("--once", action="store_true", help="read a week of it, write a Parquet file and a plot, and end")
    demo.add_argument("--out", type=Path, metavar="DIR", default=Path("hsframe-demo"), help="where --once writes to")
    demo.set_defaults(run=serving.demo, folder=None, user=None, users=None, anonymous=False, storage_option=[])

    serve = subparsers.add_parser(
        "serve", parents=[server, store()], help="serve an archive, Parquet files, or the demo building"
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
    serve.set_defaults(run=serving.serve)

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
    set_user.set_defaults(run=serving.set_user)
    for command in (demo, serve):
        command.epilog, command.formatter_class = server.epilog, argparse.RawDescriptionHelpFormatter

    connection = connection_options()
    subparsers.add_parser("about", parents=[connection], help="what a server says of itself").set_defaults(
        run=reading.about
    )

    read = subparsers.add_parser("read", parents=[connection, table], help="records by filter or id")
    read.add_argument("points", nargs="+", metavar="FILTER", help="as 'point and temp', or ids that start with @")
    read.add_argument("--limit", type=count, help="the most records to give")
    read.set_defaults(run=reading.read)

    his_read = subparsers.add_parser("his-read", parents=[connection, table], help="histories as a table")
    add_history(his_read)
    his_read.set_defaults(run=reading.his_read)

    export = subparsers.add_parser(
        "export",
        parents=[connection, outcome(), store()],
        help="histories into a Parquet file or an archive",
        description=f"The same command goes on where it was interrupted, but for a wide file. {EXIT_CODES}",
    )
    add_history(export)
    export.add_argument("path", help="the file to write, if it ends in .parquet; else the folder or uri of an archive")
    export.add_argument("--layout", choices=("wide", "tidy"), help="of a file: a column a point, or a row a sample")
    export.add_argument("--on-error", choices=("raise", "warn"), default="raise", help="warn: leave points out")
    export.set_defaults(run=archiving.export, goes_on="the same command goes on, but for a wide file")

    sync = subparsers.add_parser(
        "sync",
        parents=[connection, outcome(), store()],
        help="bring an archive in step with a server",
        description=f"Two at once do no harm, and the same command goes on where it was interrupted. {EXIT_CODES} "
        "Points that the server no longer has are named, and are no error.",
    )
    sync.add_argument("archive", help="its folder or uri; made where there is none")
    sync.add_argument("points", nargs="*", metavar="FILTER", help="or ids that start with @; else all of the archive")
    sync.add_argument("--since", metavar="DATE", help="from when on points are read; a later one reads again")
    sync.add_argument("--on-error", choices=("catalog", "raise"), default="catalog", help="raise: end at the first one")
    sync.add_argument("--other-server", action="store_true", help="the archive's server has moved: it is this one now")
    sync.add_argument("--overlap", metavar="DURATION", default="2D", help="how much is read once more; 2D by default")
    sync.set_defaults(run=archiving.sync, goes_on="the same command goes on")

    notebooks = subparsers.add_parser("notebooks", help="copy the notebooks that come with hsframe into a folder")
    notebooks.add_argument("folder", metavar="DIR", help="made where there is none")
    notebooks.add_argument("--overwrite", action="store_true", help="replace notebooks there that were changed")
    notebooks.set_defaults(run=serving.notebooks)

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
    doctor.set_defaults(run=reading.doctor)
    return parser
