"""The commands that ask a server and show its answer: about, read, his-read, doctor."""

from __future__ import annotations

import argparse
import shutil
from contextlib import ExitStack

from hsframe.cli.connecting import connect, points_of
from hsframe.cli.messages import in_commands, tell
from hsframe.cli.output import show
from hsframe.errors import MetadataError


def about(args: argparse.Namespace) -> int:
    """Print what a server says of itself."""
    with connect(args) as session:
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
    with connect(args) as session:
        df = session.read_by_ids(args.points) if are_ids else session.read(" ".join(args.points), args.limit)
    show(df, csv=args.csv, index=False)
    return 0


def his_read(args: argparse.Namespace) -> int:
    """Print histories."""
    with connect(args) as session:
        df = session.his_read(points_of(args), args.span, header=args.header, tz=args.tz)
    df = df.rename(columns={label: f"{label} [{unit}]" for label, unit in df.hs.units.items() if unit})
    show(df, csv=args.csv, index=True)
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Print what a server can do."""
    from hsframe.diagnosis.doctor import findings_text

    args.uri = args.address or args.uri
    with ExitStack() as opened:
        if args.record:
            from hsframe.testing.recording import record

            opened.enter_context(record(args.record, rename=args.rename))
        df = opened.enter_context(connect(args)).doctor(args.point).map(in_commands)
    if args.record:
        megabytes = args.record.stat().st_size / 1e6
        tell(
            args,
            f"{args.record} has {megabytes:,.1f} MB; records, names and values are in it, so look through it first",
        )
    if args.csv:
        show(df, csv=True, index=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        print(findings_text(df, min(max(width, 80), 160)))
    return 0 if len(df) > 2 else 1
