"""What each command of the command line does with its arguments; it gives the exit code."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import os
import shutil
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from hsframe.command_messages import in_commands, logged, origin, tell
from hsframe.errors import MetadataError
from hsframe.options import Limits

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hsframe.client import Client
    from hsframe.server.database import Database
    from hsframe.session import Session

# What of a sync is not as it should be; only the first two are errors of it.
_PROBLEMS: Final = ("failed", "changed", "gone", "kept")
_SETTINGS: Final = ("auth", "format", "timeout", "retries", "deadline", "trust_env")
_SHOWN: Final = 5  # points of one problem on stderr
_NAMED: Final = 100  # points with changes in a line of JSON


def _connect(args: argparse.Namespace) -> Session:
    from hsframe.frame.trend import index_zone_of
    from hsframe.session import connect
    from hsframe.spans import resolve

    # What is wrong is told before anything is asked.
    index_zone_of([], getattr(args, "tz", "point"))
    words = [*getattr(args, "points", ()), getattr(args, "span", "")]
    if getattr(args, "csv", False) and (file := next((word for word in words if word.endswith(".csv")), "")):
        raise MetadataError(f"--csv writes to stdout and takes no file; write --csv > {file}")
    for given in (getattr(args, "span", None), getattr(args, "since", None)):
        for part in () if given is None else given.split(","):
            resolve(part.strip(), "UTC")  # which end of a span is the first depends on the zones of the points
    user, password, args.password = args.user, args.password, None
    options: dict[str, Any] = {name: getattr(args, name) for name in _SETTINGS}
    options = {name: value for name, value in options.items() if value is not None}
    if args.allow:
        options["limits"] = Limits(**dict(args.allow))
    if args.ca or args.certificate:
        from hsframe.client.tls import TLSConfig

        options["tls"] = TLSConfig(args.certificate, ca_certificates_path=args.ca)
    args.session = session = connect(args.uri, user, password, **options)
    return session


def _new_password(user: str) -> str:
    from hsframe.session.asking import asked_password

    if (given := asked_password(user)) is None:
        raise MetadataError("there is no terminal to ask for the password; set HSFRAME_PASSWORD")
    return given


def _points(args: argparse.Namespace) -> str | list[str]:
    """A filter, also one whose words came one by one; or ids and names."""
    points: list[str] = args.points
    return " ".join(points) if len(points) == 1 or {"and", "or", "not"} & {*points} else points


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


def about(args: argparse.Namespace) -> int:
    """Print what a server says of itself."""
    with _connect(args) as session:
        df = session.about()
    if df.empty:
        raise MetadataError("the server's answer to 'about' has no row; hsframe doctor looks into it")
    row = df.iloc[0]
    width = max(map(len, row.index))
    print("\n".join(f"{name:{width}}  {value}" for name, value in row.items()))
    return 0


def read(args: argparse.Namespace) -> int:
    """Print records."""
    are_ids = all(word.startswith("@") for word in args.points)
    if are_ids and args.limit is not None:
        raise MetadataError("--limit is for a filter; of ids each has its record")
    with _connect(args) as session:
        df = session.read_by_ids(args.points) if are_ids else session.read(" ".join(args.points), args.limit)
    _print(df, csv=args.csv, index=False)
    return 0


def his_read(args: argparse.Namespace) -> int:
    """Print histories."""
    with _connect(args) as session:
        df = session.his_read(_points(args), args.span, header=args.header, tz=args.tz)
    df = df.rename(columns={label: f"{label} [{unit}]" for label, unit in df.hs.units.items() if unit})
    _print(df, csv=args.csv, index=True)
    return 0


def export(args: argparse.Namespace) -> int:
    """Export histories, and say what was written."""
    from hsframe.session import exporting

    started_s = time.monotonic()
    request = exporting.ExportRequest(
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

    async def run(client: Client) -> pd.DataFrame | exporting.Exported:
        with client.sender.retries.one_verb():
            return await exporting.export(client, request)

    with _connect(args) as session:
        done = session.run(run)
    if not isinstance(done, exporting.Exported):
        found: dict[str, Any] = {name: round(done[name].sum()) for name in ("rows", "requests", "bytes")}
        if os.path.isfile(request.target):
            found["replaces"] = str(request.target)
        return _say(args, {"points": len(done), **found}, started_s)
    failed = len(done.failures)
    found = {"path": str(request.target), "points": len(done.points), "rows": done.rows, "failed": failed}
    return _say(args, found, started_s, int(failed > 0))


def _say(args: argparse.Namespace, found: dict[str, Any], started_s: float, code: int = 0, **more: Any) -> int:
    """One line of what was done, in JSON with `more`; of problems only those that there are. Gives the exit code."""
    found["seconds"] = round(time.monotonic() - started_s, 1)
    if args.json:
        print(json.dumps({**origin(args), **found, **more, "exit": code}, default=lambda time: time.isoformat()))
    elif not args.quiet:
        shown = {name: value for name, value in found.items() if value or name not in _PROBLEMS}
        texts = [value if isinstance(value, str) else f"{value:,}" for value in shown.values()]
        print(", ".join(f"{name.replace('_', ' ')} {text}" for name, text in zip(shown, texts, strict=True)))
    return code


def sync(args: argparse.Namespace) -> int:
    """Bring an archive in step, and say what has changed and what went wrong."""
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
    kinds = ["rows_late", "rows_changed", "rows_removed"]
    differing = table[:0] if args.dry_run else table[table[kinds].any(axis=1)]
    changes = differing[:_NAMED].filter(["id", "dis", *kinds, "first_change", "last_change"]).to_dict("records")
    if changes and not args.json:
        names = [f"@{one['id']} ({one['dis']}) {sum(one[name] for name in kinds)}" for one in changes[:_SHOWN]]
        found["differing"] = "; ".join(names + ["..."] * (len(differing) > _SHOWN))
    if assumed := int((table["reason"] == ASSUMED).sum()):
        found["assuming"] = f"ten years of {assumed} points whose records have no hisStart; --since says from when"
    problems = []
    for name in _PROBLEMS:
        own = table[table["status"] == name]
        found[name] = len(own)
        rows = [(one.id, one.dis, in_commands(str(one.reason))) for one in own.itertuples()]
        problems += [{"id": ident, "status": name, "reason": reason} for ident, _, reason in rows]
        for ident, dis, reason in rows[:_SHOWN]:
            tell(args, f"@{ident} ({dis}) {name}: {reason}")
        if len(rows) > _SHOWN:
            tell(args, f"{len(rows) - _SHOWN} more points {name}; --json names all")
    version = None if args.dry_run else int(archive.versions["version"].iloc[0])
    code = int(bool(found["failed"] or found["changed"]))
    more = {"version": version, "points_differing": len(differing), "changes": changes, "problems": problems}
    return _say(args, found, started_s, code, **more)


def doctor(args: argparse.Namespace) -> int:
    """Print what a server can do."""
    from hsframe.diagnosis.doctor import findings_text

    args.uri = args.address or args.uri
    with ExitStack() as opened:
        if args.record:
            from hsframe.testing.recording import record

            opened.enter_context(record(args.record, rename=args.rename))
        df = opened.enter_context(_connect(args)).doctor(args.point).map(in_commands)
    if args.record:
        megabytes = args.record.stat().st_size / 1e6
        tell(
            args,
            f"{args.record} has {megabytes:,.1f} MB; records, names and values are in it, so look through it first",
        )
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
