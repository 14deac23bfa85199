"""The commands that ask a server and show its answer: about, ops, read, his-read, latest, doctor."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hsframe.cli.connecting import connect, points_of
from hsframe.cli.messages import in_commands, tell
from hsframe.cli.output import show
from hsframe.errors import MetadataError, UnitError

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.client import Client
    from hsframe.grid import Grid
    from hsframe.session import Session


def about(args: argparse.Namespace) -> int:
    """Show what a server says of itself: in a table a line for each thing."""
    with connect(args) as session:
        found = _records(args, session, session.about, lambda client: client.about(raw=True))
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
    with connect(args) as session:
        found = _records(args, session, session.ops, lambda client: client.ops(raw=True))
    if args.output == "table":
        found = found.filter(["name", "dis", "summary"]) if "name" in found else found
    show(args, found)
    return 0


def read(args: argparse.Namespace) -> int:
    """Show records."""
    ids, filter = args.points, " ".join(args.points)
    are_ids = all(word.startswith("@") for word in ids)
    if are_ids and args.limit is not None:
        raise MetadataError("--limit is for a filter; of ids each has its record")
    with connect(args) as session:
        if are_ids:
            answer = _records(
                args, session, lambda: session.read_by_ids(ids), lambda client: client.read_by_ids(ids, raw=True)
            )
        else:
            limit = args.limit
            answer = _records(
                args, session, lambda: session.read(filter, limit), lambda client: client.read(filter, limit, raw=True)
            )
    show(args, answer)
    return 0


def _records(
    args: argparse.Namespace,
    session: Session,
    frame: Callable[[], pd.DataFrame],
    grid: Callable[[Client], Awaitable[Grid]],
) -> Any:  # what `show` takes
    """Records as a frame; for Zinc as the grid that the server sent, whose kinds a frame has not all."""
    if args.output != "zinc":
        return frame()

    async def run(client: Client) -> Grid:
        with client.sender.retries.one_verb():
            return await grid(client)

    return session.run(run)


def his_read(args: argparse.Namespace) -> int:
    """Show histories, or their values over intervals."""
    units, unit = _units(args)
    over: dict[str, Any] = {"interval": args.interval} if args.interval else {}
    if args.agg and not args.interval:
        raise MetadataError("--agg says what an interval's value is: add --interval, as in --interval 1h")
    if args.agg:
        over["agg"] = args.agg[0] if len(args.agg) == 1 else args.agg
    with connect(args) as session:
        df = session.his_read(
            points_of(args), args.span, header=args.header, tz=args.tz, units=units, on_error=args.on_error, **over
        )
    show(args, df.hs.to(unit) if unit else df)
    return int(df.hs.catalog["status"].eq("failed").any())


def latest(args: argparse.Namespace) -> int:
    """Show the latest value of points, with its age in seconds and how far to trust it."""
    units, unit = _units(args)
    with connect(args) as session:
        df = session.latest(
            points_of(args), at=args.at, units=units, tz=args.tz, max_age=args.max_age, on_error=args.on_error
        )
    failed = int(df["status"].eq("failed").any())
    show(args, _plain_values(df, unit))
    return failed


def _plain_values(df: pd.DataFrame, target: str | None) -> pd.DataFrame:
    """Values as plain numbers, whose unit stands beside them, and the age in seconds."""
    import pandas as pd

    from hsframe.kinds import Number
    from hsframe.unit_array.array import UnitArray
    from hsframe.units import convert, convertible

    cells: list[Any] = df["value"].astype(object).tolist()
    values, units = [cell.val if isinstance(cell, Number) else cell for cell in cells], list[str | None]()
    for place, (value, unit) in enumerate(zip(values, df["unit"], strict=True)):
        own: str | None = None if pd.isna(unit) else str(unit)
        if own and target and convertible(own, target):
            own = target
            if not pd.isna(value):
                values[place] = convert(float(value), str(unit), target)
        units.append(own)
    if target and target not in units:
        raise UnitError(f"--units {target}: no value is in a unit that converts to it")
    age = UnitArray(df["age"].dt.total_seconds().round().to_numpy(), "s")
    return df.assign(value=pd.Series(values, dtype=object).infer_objects(), unit=pd.array(units, dtype="str"), age=age)


def _units(args: argparse.Namespace) -> tuple[str | dict[str, str], str | None]:
    """What to read in: a system, or a unit for each of some; and the unit for all that convert to it, if that is asked.

    Several pairs are allowed, as in ``--units °F=°C --units kW=MW``.
    """
    given: list[str] = args.units
    pairs = [text.partition("=") for text in given]
    if given and all(equals and old and new for old, equals, new in pairs):
        return {old: new for old, _, new in pairs}, None
    if len(given) > 1:
        raise MetadataError("--units: several are pairs, as in --units °F=°C --units kW=MW")
    if not given or given[0] in ("native", "si", "ip"):
        return given[0] if given else "native", None
    from hsframe.units.table import unit

    return "native", unit(given[0]).symbol  # an unknown one is told before anything is asked


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
        megabytes = args.record.stat().st_size / 1e6
        tell(
            args,
            f"{args.record} has {megabytes:,.1f} MB; records, names and values are in it, so look through it first",
        )
    if args.output == "table" and args.into is None:
        width = shutil.get_terminal_size((100, 24)).columns
        print(findings_text(df, min(max(width, 80), 160)))
    else:
        show(args, df)
    return 0 if len(df) > 2 else 1
