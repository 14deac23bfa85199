"""The commands that bring histories into files: export, sync."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from hsframe.cli.connecting import connect, points_of
from hsframe.cli.messages import in_commands, origin, tell
from hsframe.cli.silence import EXIT_CODE, silent_points

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client

# What of a sync is not as it should be; only the first two are errors of it.
_PROBLEMS: Final = ("failed", "changed", "gone", "kept")
_SHOWN: Final = 5  # points of one problem on stderr
_NAMED: Final = 100  # points with changes in a line of JSON


def export(args: argparse.Namespace) -> int:
    """Export histories, and say what was written."""
    from hsframe.session import exporting

    started_s = time.monotonic()
    request = exporting.ExportRequest(
        points_of(args),
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

    silent: list[dict[str, Any]] = []
    with connect(args) as session:
        done = session.run(run)
        if isinstance(done, exporting.Exported):
            silent = silent_points(args, session, [point.id for point in done.points if point.id not in done.failures])
    if not isinstance(done, exporting.Exported):
        found: dict[str, Any] = {name: round(done[name].sum()) for name in ("rows", "requests", "bytes")}
        if os.path.isfile(request.target):
            found["replaces"] = str(request.target)
        return _say(args, {"points": len(done), **found}, started_s)
    failed = len(done.failures)
    found = {"path": str(request.target), "points": len(done.points), "rows": done.rows, "failed": failed}
    return _say(args, found, started_s, int(failed > 0), silent)


def _say(
    args: argparse.Namespace,
    found: dict[str, Any],
    started_s: float,
    code: int = 0,
    silent: Sequence[dict[str, Any]] = (),
    **more: Any,
) -> int:
    """One line of what was done, in JSON with `more`; of problems only those that there are. Gives the exit code."""
    if args.silent_after is not None and not args.dry_run:
        found["silent"], more["silent_points"] = len(silent), silent
    args.code = code = code or (EXIT_CODE if silent else 0)  # also where nobody reads the line
    found["seconds"] = round(time.monotonic() - started_s, 1)
    if args.json:
        print(json.dumps({**origin(args), **found, **more, "exit": code}, default=lambda time: time.isoformat()))
    elif not args.quiet:
        shown = {name: value for name, value in found.items() if value or name not in (*_PROBLEMS, "silent")}
        texts = [value if isinstance(value, str) else f"{value:,}" for value in shown.values()]
        print(", ".join(f"{name.replace('_', ' ')} {text}" for name, text in zip(shown, texts, strict=True)))
    return code


def sync(args: argparse.Namespace) -> int:
    """Bring an archive in step, and say what has changed and what went wrong."""
    from hsframe.archive.sync import ASSUMED
    from hsframe.session.archive import Archive

    started_s = time.monotonic()
    archive = Archive(args.archive, storage_options=dict(args.storage_option))
    with connect(args) as session:
        table = archive.sync(
            points_of(args) or None,
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
    there = table.loc[~table["status"].isin(_PROBLEMS), "id"]
    silent = [] if args.dry_run else silent_points(args, archive, there)
    version = None if args.dry_run else int(archive.versions["version"].iloc[0])
    code = int(bool(found["failed"] or found["changed"]))
    more = {"version": version, "points_differing": len(differing), "changes": changes, "problems": problems}
    return _say(args, found, started_s, code, silent, **more)
