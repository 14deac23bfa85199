"""The command his-write: a CSV or Parquet file into histories, as his-read and export write it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from hsframe.cli.connecting import connect, points_of
from hsframe.cli.messages import tell
from hsframe.cli.output import show
from hsframe.errors import MetadataError
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

if TYPE_CHECKING:
    from hsframe.frame.points import Point
    from hsframe.session import Session

_WITH_UNIT: Final = re.compile(r"(.+) \[([^\[\]]+)\]", re.DOTALL)
_WITH_ID: Final = re.compile(r"(?:.* )?(@[A-Za-z0-9_:\-.~]+)", re.DOTALL)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")
_OFFSET: Final = re.compile(r".*(?:Z|[+-]\d\d:?\d\d)", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|-?INF")
_BOOLS: Final = {"true": True, "false": False}


def his_write(args: argparse.Namespace) -> int:
    """Compare a file with the server, and with ``--yes`` write it and read it back."""
    if args.tz is not None:
        zone(args.tz)
    is_parquet = Path(args.data).suffix.lower() == ".parquet"
    table = None if is_parquet else _table(args.data)
    with connect(args) as session:
        if table is None:
            from hsframe.frame.parquet import read_parquet

            df, points = read_parquet(args.data), None
        else:
            df, points = _frame(session, table, args)
        report = session.his_write(
            df, points=points, dry_run=not args.yes, verify=args.yes, existing=args.existing, convert=args.convert
        )
    if args.output == "table" and args.into is None:
        for row in report.to_dict("records"):
            print(_verdict(row))
    else:
        show(args, report.assign(**{name: report[name].astype("str") for name in ("on_server", "in_frame")}))
    if not args.yes:
        tell(args, "nothing was written; the same command with --yes writes it")
    return int(report["status"].isin(["differs", "refused"]).any())


def _verdict(row: Mapping[Any, Any]) -> str:
    """What becomes of one point's samples, in a line, with times in its zone."""
    tz = zone(row["tz"]) if isinstance(row["tz"], str) else zone("UTC")
    said = f"@{row['id']} ({row['dis']}) {row['status']}: {row['rows']:,} samples"
    if row["rows"]:
        said += f" from {row['first'].tz_convert(tz)} to {row['last'].tz_convert(tz)}"
    counts = [f"{row[name]:,} {name}" for name in ("new", "missing", "same", "different", "kept") if row.get(name)]
    said = ": ".join([said, ", ".join(counts)]) if counts else said
    if row["different"]:
        when = row["first_difference"].tz_convert(tz)
        said += f", first at {when}: {row['on_server']} on the server, {row['in_frame']} in the file"
    note = row.get("note")
    return f"{said}; {note}" if isinstance(note, str) and note else said


def _table(path: str) -> pd.DataFrame:
    """The texts of a CSV file, with its header as the names of the columns."""
    try:
        table = pd.read_csv(path, header=None, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise MetadataError(f"{path} is no CSV file as his-read --csv writes it: {str(error).strip()}") from None
    if len(table.columns) < 2 or len(table) < 2:
        raise MetadataError(f"{path} has no samples; expected a header, as ts,Power [kW], and a row for each time")
    return table


def _frame(session: Session, table: pd.DataFrame, args: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, Point]]:
    """The frame of a file, and the point of each column."""
    header = [str(text) for text in table.iloc[0]]
    if twice := [text for text in header if header.count(text) > 1]:
        raise MetadataError(f"{args.data}: two columns are called {twice[0]!r}; leave one out")
    rows = table.iloc[1:]
    columns: dict[str, Any] = {}
    found: dict[str, Point] = {}
    for place, (label, (point, unit)) in enumerate(zip(header[1:], _points(session, header[1:], args), strict=True), 1):
        where = f"{args.data}, column {label!r}"
        if (reader := _READERS.get(point.kind or "")) is None:
            raise MetadataError(f"{where}: the kind of @{point.id} is {point.kind}; expected {', '.join(_READERS)}")
        cells = pd.Series(reader(rows.iloc[:, place].fillna("").tolist(), where), dtype=_DTYPES[point.kind or ""])
        columns[label] = (cells.astype(UnitDtype(unit)) if unit and point.kind == "Number" else cells).array
        found[label] = point
    index = _times(rows.iloc[:, 0].fillna("").tolist(), args)
    return pd.DataFrame(columns, index=index), found


def _points(session: Session, labels: Sequence[str], args: argparse.Namespace) -> list[tuple[Point, str | None]]:
    """The point and the unit of each column; a MetadataError where a label could be several points, or is none."""
    from hsframe.frame.names import Names
    from hsframe.frame.points_like import as_points

    chosen = points_of(args) if args.points else "point and his"
    are_ids = not isinstance(chosen, str) or chosen.startswith("@")
    points = as_points(session.read_by_ids(chosen) if are_ids else session.read(str(chosen)))
    names = Names(points)
    found: list[tuple[Point, str | None]] = []
    for label in labels:
        # A name may itself end like a unit, as 'Fan [2]'.
        texts: dict[str, str | None] = {label: None}
        if match := _WITH_UNIT.fullmatch(label):
            texts[match[1]] = match[2]
        fitting: dict[str, tuple[Point, str | None]] = {}
        for text, unit in texts.items():
            marked = _WITH_ID.fullmatch(text)
            fitting |= {point.id: (point, unit) for point in names.of(text) or (names.of(marked[1]) if marked else [])}
        if len(fitting) != 1:
            near = [f"@{ident}" for ident in fitting] or names.near(texts.popitem()[0])
            what = "could be several points" if fitting else f"is no id or name of the {len(points)} points"
            raise MetadataError(
                f"{args.data}: column {label!r} {what} of {chosen!r}{': ' * bool(near)}{', '.join(near)}; call it by "
                "the id of its point, as '@the-id [kW]', or leave it out; --points says which points to look among"
            )
        found.extend(fitting.values())
    return found


def _times(texts: Sequence[str], args: argparse.Namespace) -> pd.DatetimeIndex:
    """The instants of the first column; local times only where ``--tz`` says of which zone they are."""
    naive = [line for line, text in enumerate(texts, 2) if not _OFFSET.fullmatch(text)]
    if naive and args.tz is None:
        raise MetadataError(
            f"{args.data}, line {naive[0]}: the time {texts[naive[0] - 2]!r} has no offset, as in "
            "2026-11-01T01:30:00-04:00; --tz New_York says (for one) in which zone such times are"
        )
    times: Any = [pd.NaT] * len(texts)
    for place, text in enumerate(texts):
        try:
            when: Any = pd.Timestamp(text) if _TIME.fullmatch(text) else pd.NaT
            times[place] = when.tz_localize(zone(args.tz)) if when.tzinfo is None and args.tz else when
        except ValueError as error:
            raise MetadataError(f"{args.data}, line {place + 2}: the time {text!r} cannot be taken: {error}") from None
        if pd.isna(times[place]):
            raise MetadataError(
                f"{args.data}, line {place + 2}: {text!r} is no time; expected one as 2026-11-01T01:30:00-04:00"
            )
    return pd.DatetimeIndex(pd.to_datetime(times, utc=True), name="ts")


def _cells(expected: str, value: Callable[[str], Any]) -> Callable[[Sequence[str], str], list[Any]]:
    """A reader of the cells of a column; an empty cell is no sample."""

    def read(texts: Sequence[str], where: str) -> list[Any]:
        values = [value(text) if text.strip() else None for text in texts]
        for line, (text, found) in enumerate(zip(texts, values, strict=True), 2):
            if found is None and text.strip():
                raise MetadataError(f"{where}, line {line}: expected {expected}; got {text!r}")
        return values

    return read


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


_READERS: Final = {
    "Number": _cells("a number, as 21.5, or an empty cell", _number),
    "Bool": _cells("True, False or an empty cell", lambda text: _BOOLS.get(text.strip().lower())),
    "Str": _cells("a text", str),
}
_DTYPES: Final = {"Number": "float64", "Bool": "boolean", "Str": "str"}
