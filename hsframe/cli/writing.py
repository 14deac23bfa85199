"""The command his-write: a CSV or Parquet file into histories, as his-read and export write it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from hsframe.cli.connecting import connect, points_of
from hsframe.cli.messages import tell
from hsframe.errors import MetadataError
from hsframe.frame.match import match_columns
from hsframe.frame.parquet import read_parquet
from hsframe.frame.points_like import as_points
from hsframe.frame.reads import reads_of
from hsframe.frame.stamps import interval_of
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

if TYPE_CHECKING:
    from hsframe.frame.points import Point
    from hsframe.session import Session

_WITH_UNIT: Final = re.compile(r"(.+) \[([^\[\]]+)\]", re.DOTALL)
_BOOLS: Final = {"true": True, "false": False}


def his_write(args: argparse.Namespace) -> int:
    """Compare a file with the server, and with ``--yes`` write it and read it back."""
    if args.tz is not None:
        zone(args.tz)
    points: dict[Any, Point] | None = None
    is_parquet = Path(args.data).suffix.lower() == ".parquet"
    df = read_parquet(args.data) if is_parquet else _texts(args.data)
    if is_parquet and (interval := interval_of(df)) is not None:
        aggs = sorted({agg for read in reads_of(df).values() for agg in read.aggs})
        raise MetadataError(
            f"{args.data} has values over intervals of {interval.length} ({', '.join(aggs)}), which would replace the "
            "samples at the same instants. If you want that, write them in Python, with hsframe.his_write"
        )
    with connect(args) as session:
        if not is_parquet:
            df, points = _frame(session, df, args)
        report = session.his_write(
            df, points=points, dry_run=not args.yes, verify=args.yes, existing=args.existing, convert=args.convert
        )
    for row in report.to_dict("records"):
        print(_verdict(row))
    if not args.yes:
        tell(args, "nothing was written; the same command with --yes writes it")
    return int(report["status"].isin(["differs", "refused"]).any())


def _verdict(row: Mapping[Any, Any]) -> str:
    """What becomes of one point's samples, in a line, with times in its zone."""
    tz = zone(row["tz"]) if isinstance(row["tz"], str) else zone("UTC")
    said = f"@{row['id']} ({row['dis']}) {row['status']}"
    if row["rows"]:
        said += f": {row['rows']:,} samples from {row['first'].tz_convert(tz)} to {row['last'].tz_convert(tz)}"
    if counts := [f"{row[name]:,} {name}" for name in ("new", "missing", "same", "different", "kept") if row.get(name)]:
        said += f": {', '.join(counts)}"
    if row["different"]:
        when = row["first_difference"].tz_convert(tz)
        said += f", first at {when}: {row['on_server']} on the server, {row['in_frame']} in the file"
    note = row.get("note")
    return f"{said}; {note}" if isinstance(note, str) and note else said


def _texts(path: str) -> pd.DataFrame:
    """The texts of a CSV file, with its header as the first row: pandas would rename columns that are called alike."""
    try:
        table = pd.read_csv(path, header=None, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        why = "expected UTF-8, commas between columns, not semicolons, and points, not commas, in numbers"
        raise MetadataError(
            f"{path} is no CSV file as his-read --csv writes it ({str(error).strip()}); {why}"
        ) from None
    if len(table.columns) < 2 and ";" in str(table.iloc[0, 0]):
        raise MetadataError(
            f"{path} has semicolons between its columns; expected commas, as his-read --csv writes them"
        )
    if len(table.columns) < 2 or len(table) < 2:
        raise MetadataError(f"{path} has no samples; expected a header, as ts,Power [kW], and a row for each time")
    return table.fillna("")


def _frame(session: Session, table: pd.DataFrame, args: argparse.Namespace) -> tuple[pd.DataFrame, dict[Any, Point]]:
    """The frame of a file, and the point of each column."""
    index = _times(table.iloc[1:, 0].tolist(), args)
    chosen = points_of(args) if args.points else "point and his"
    are_ids = not isinstance(chosen, str) or chosen.startswith("@")
    known = as_points(session.read_by_ids(chosen) if are_ids else session.read(str(chosen)))
    header, names, units = table.iloc[0, 1:].tolist(), list[str](), list[str | None]()
    own = {point.dis for point in known}
    for text in header:
        found = _WITH_UNIT.fullmatch(text)
        if found and text in own:  # a name may itself end like a unit, as 'Fan [2]'
            if found[1] in own:
                raise MetadataError(f"{args.data}: column {text!r} could be two points; call it by an id, as '@the-id'")
            found = None
        names.append(found[1] if found else text)
        units.append(found[2] if found else None)
    cells = table.iloc[1:, 1:].set_axis(names, axis=1)
    points = match_columns(cells, known=known)
    columns = {}
    for (name, point), text, unit in zip(points.items(), header, units, strict=True):
        where = f"{args.data}, column {text!r}"
        if (kind := point.kind) is None or kind not in _KINDS:
            has = f"the kind of @{point.id} is {kind}" if point.is_known else f"@{point.id} is not among them"
            raise MetadataError(f"{where}: expected a point of {chosen!r} of kind {', '.join(_KINDS)}; {has}")
        values = _values(cells[name].tolist(), kind, where)
        columns[name] = (values.astype(UnitDtype(unit)) if unit and kind == "Number" else values).array
    return pd.DataFrame(columns, index=index), points


def _times(texts: Sequence[str], args: argparse.Namespace) -> pd.DatetimeIndex:
    """The instants of the first column; local times only where ``--tz`` says of which zone they are."""
    times, is_local = list[pd.Timestamp](), False
    for line, text in enumerate(texts, 2):
        why = "is no time; expected times, as 2026-11-01T01:30:00-04:00, in the first column"
        try:
            when = pd.Timestamp(datetime.fromisoformat(text.strip()))
            if when.tzinfo is None and args.tz:
                why = f"comes twice or never in {args.tz}, where clocks change; add its offset, as -04:00"
                when, is_local = when.tz_localize(zone(args.tz)), True
            elif when.tzinfo is None:
                why = "has no offset, as in 2026-11-01T01:30:00-04:00; --tz New_York (say) is for local times"
                raise ValueError
            times.append(when)
        except ValueError:
            raise MetadataError(f"{args.data}, line {line}: the time {text!r} {why}") from None
    index = pd.DatetimeIndex(pd.to_datetime(times, utc=True), name="ts")
    if (twice := index.duplicated()).any():
        place = int(twice.argmax())
        raise MetadataError(f"{args.data}, line {place + 2}: the time {texts[place]!r} comes twice; leave one line out")
    if is_local and not args.yes:
        tell(args, f"times without an offset are taken as those of {zone(args.tz)}, by --tz")
    return index


def _number(text: str) -> float:
    if "_" in text:  # Python takes 1_5 for 15
        raise ValueError
    return float(text)


_KINDS: Final[Mapping[str, tuple[Callable[[str], Any], str, str]]] = {
    "Number": (_number, "float64", "a number, as 21.5,"),
    "Bool": (lambda text: _BOOLS[text.strip().lower()], "boolean", "True, False"),
    "Str": (str, "str", "a text"),
}


def _values(texts: Sequence[str], kind: str, where: str) -> pd.Series[Any]:
    """The values of a column; an empty cell is no sample."""
    value, dtype, expected = _KINDS[kind]
    values: list[Any] = [None] * len(texts)
    for place, text in enumerate(texts):
        try:
            values[place] = value(text) if text.strip() else None
        except (ValueError, KeyError):
            raise MetadataError(
                f"{where}, line {place + 2}: expected {expected} or an empty cell; got {text!r}"
            ) from None
    return pd.Series(values, dtype=dtype)
