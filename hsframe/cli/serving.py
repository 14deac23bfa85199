"""The commands that need no server: demo, serve, set-user, notebooks."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from hsframe.cli.messages import logged
from hsframe.errors import MetadataError

if TYPE_CHECKING:
    from pathlib import Path

    from hsframe.server.database import Database


def _new_password(user: str) -> str:
    from hsframe.session.asking import asked_password

    if (given := asked_password(user)) is None:
        raise MetadataError("there is no terminal to ask for the password; set HSFRAME_PASSWORD")
    return given


def demo(args: argparse.Namespace) -> int:
    """Serve the demo building, or with ``--once`` run the short demonstration."""
    if not args.once:
        return serve(args)
    from hsframe.demo_run import demo_once

    return demo_once(args.out)


def serve(args: argparse.Namespace) -> int:
    """Serve an archive, Parquet files or the demo building until Ctrl-C."""
    from hsframe.frame.whole_file import alone_in, local_path
    from hsframe.server import run
    from hsframe.testing.quirk_wrappers import with_quirks

    users: dict[str, str] | Path | None = args.users
    if args.anonymous:
        users = {}
    elif args.user:
        users = {args.user: os.environ.get("HSFRAME_PASSWORD") or _new_password(args.user)}
    database: Database | None = None
    with ExitStack() as alone:
        alone.enter_context(logged(logging.WARNING if args.quiet else logging.INFO))
        folder = None if args.folder is None else local_path(args.folder)
        if args.folder is not None and (folder is None or (folder / "samples").is_dir()):
            from hsframe.archive.served import ArchiveDatabase
            from hsframe.archive.storage import Storage

            database = ArchiveDatabase(Storage(args.folder, dict(args.storage_option)))
        elif folder is not None:
            from hsframe.server.folder import parquet_folder

            if folder.is_dir():
                refusal = f"another program serves {folder}; neither would have what is written to the other: stop one"
                alone.enter_context(alone_in(folder, refusal))
            database = parquet_folder(folder)
        quirks, proxy = with_quirks(args.quirk), args.proxy or ""
        run.serve(args.host, args.port, database, users=users, prepare=quirks, proxy=proxy)
    return 0


def notebooks(args: argparse.Namespace) -> int:
    """Copy the notebooks that come with the package, and say how to open them."""
    from hsframe.notebook_copies import copy_notebooks

    for path in copy_notebooks(args.folder, overwrite=args.overwrite):
        print(path)
    print("they read a demo building: leave `hsframe demo` running in another terminal, then open them in Jupyter")
    return 0


def set_user(args: argparse.Namespace) -> int:
    """Add a user to a file for ``serve --users``, change one, or take one out."""
    from hsframe.server.users import remove_user, set_user

    if args.remove:
        remove_user(args.file, args.name)
        print(f"{args.file}: {args.name} is removed; a server that runs takes it with its next request")
        return 0
    if sys.stdin.isatty():
        password = getpass.getpass(f"password for {args.name}{', empty for the one of before' if args.role else ''}: ")
        if password and getpass.getpass("once more: ") != password:
            raise MetadataError("the two passwords differ; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    before, now = set_user(args.file, args.name, args.role, password)
    which = "with the password that was given" if password else "with the password of before"
    what = f"{args.name} is now {now}, {which}" if before else f"{args.name} is a new {now}"
    print(f"{args.file}: {what}; a server that runs takes it with its next request")
    return 0
