"""The commands that ask a server and show its answer: about, ops, read, his-read, latest, doctor."""

from __future__ import annotations

import argparse
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hsframe.cli.connecting import connect, points_of
from hsframe.cli.messages import in_commands, tell
from hsframe.cli.output import show
from hsframe.cli.silence import EXIT_CODE, silent_points
from hsframe.errors import MetadataError

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client
    from hsframe.grid import Grid


def about(args: argparse.Namespace) -> int:
    """Show what a server says of itself: in a table a line for each thing."""
    found = _records(args, "about")
    if not len(found):
        raise MetadataError("the server's answer to 'about' has no row; hsframe doctor looks into it")
    if args.output != "table" or args.into is not None:
        show(args, found)
        return 0
    row = found.iloc[0]
    width = max(map(len, row.index))
    print("\n".join(f"{name:{width}}  {value}" for name, value in row.items()))
    return 0


def ops(args: argparse.Namespace) -> int:
    """Show the operations that a server has: in a table their names and what they do."""
    found = _records(args, "ops")
    show(args, found.filter(["name", "dis", "summary"]) if args.output == "table" and "name" in found else found)
    return 0


def read(args: argparse.Namespace) -> int:
    """Show records."""
    if not all(word.startswith("@") for word in args.points):
        show(args, _records(args, "read", " ".join(args.points), args.limit))
    elif args.limit is None:
        show(args, _records(args, "read_by_ids", args.points))
    else:
        raise MetadataError("--limit is for a filter; of ids each has its record")
    return 0


def _records(args: argparse.Namespace, verb: str, *given: object) -> Any:  # what `show` takes
    """Records as a frame; for Zinc as the grid that the server sent, whose kinds a frame has not all."""

    async def grid(client: Client) -> Grid:
        with client.sender.retries.one_verb():
            found: Grid = await getattr(client, verb)(*given, raw=True)
            return found

    with connect(args) as session:
        return session.run(grid) if args.output == "zinc" else getattr(session, verb)(*given)


def his_read(args: argparse.Namespace) -> int:
    """Show histories, or their values over intervals."""
    units = _units(args.units)
    over: dict[str, Any] = {"interval": args.interval} if args.interval else {}
    if args.agg and not over:
        raise MetadataError("--agg says what an interval's value is: add --interval, as in --interval 1h")
    if args.agg:
        if len({*args.agg}) < len(args.agg):
            raise MetadataError(f"--agg is given once for each; got {' '.join(f'--agg {agg}' for agg in args.agg)}")
        over["agg"] = args.agg[0] if len(args.agg) == 1 else args.agg
    with connect(args) as session:
        df = session.his_read(
            points_of(args), args.span, header=args.header, tz=args.tz, units=units, on_error=args.on_error, **over
        )
        outcomes = df.hs.catalog
        has_failed = outcomes["status"].eq("failed")
        silent = silent_points(args, session, outcomes.loc[~has_failed, "id"].unique())
    show(args, df)
    return 1 if has_failed.any() else EXIT_CODE if silent else 0


def latest(args: argparse.Namespace) -> int:
    """Show the latest value of points, with its age in seconds and how far to trust it."""
    units = _units(args.units)
    with connect(args) as session:
        df = session.latest(
            points_of(args), at=args.at, units=units, tz=args.tz, max_age=args.max_age, on_error=args.on_error
        )
    failed = int(df["status"].eq("failed").any())
    show(args, _plain_values(df))
    return failed


def _plain_values(df: pd.DataFrame) -> pd.DataFrame:
    """Values as plain numbers, whose unit stands beside them, and the age in seconds."""
    import pandas as pd

    from hsframe.kinds import Number
    from hsframe.unit_array.array import UnitArray

    values = [value.val if isinstance(value, Number) else value for value in df["value"].astype(object)]
    age = UnitArray(df["age"].dt.total_seconds().round().to_numpy(), "s")
    return df.assign(value=pd.Series(values, dtype=object).infer_objects(), age=age)


def _units(given: list[str]) -> str | dict[str, str]:
    """What to read in: a system, a unit, or a unit for each of some, as ``--units °F=°C --units kW=MW``."""
    from hsframe.frame.in_units import check_units

    pairs = [text.partition("=") for text in given]
    if all(equals and old and new for old, equals, new in pairs):
        return {old: new for old, _, new in pairs} or "native"
    if len(given) > 1:
        raise MetadataError("--units: several are pairs, as in --units °F=°C --units kW=MW")
    check_units(given[0])  # an unknown one is told before anything is asked
    return given[0]


def doctor(args: argparse.Namespace) -> int:
    """Show what a server can do."""
    from hsframe.diagnosis.doctor import findings_text

    args.uri = args.address or args.uri
    with ExitStack() as opened:
        if args.record:
            from hsframe.testing.recording import record

            opened.enter_context(record(args.record, rename=args.rename))
        df = opened.enter_context(connect(args)).doctor(args.point).map(in_commands)
    if args.record:
        size = f"{args.record.stat().st_size / 1e6:,.1f} MB"
        tell(args, f"{args.record} has {size}; records, names and values are in it, so look through it first")
    if args.output == "table" and args.into is None:
        width = shutil.get_terminal_size((100, 24)).columns
        print(findings_text(df, min(max(width, 80), 160)))
    else:
        show(args, df)
    return 0 if len(df) > 2 else 1
