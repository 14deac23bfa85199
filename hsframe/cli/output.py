"""What commands write to stdout or into a file: a table, CSV, JSON, Zinc or Parquet."""

from __future__ import annotations

import argparse
import codecs
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from hsframe.errors import MetadataError

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.grid import Grid

FORMATS: Final = ("table", "csv", "json", "zinc", "parquet")


def settle_output(args: argparse.Namespace) -> None:
    """Find the format of what a command writes, before a server is asked; a MetadataError says what cannot be."""
    from hsframe.frame.whole_file import checked_path

    if args.into is not None:
        checked_path(args.into)
        suffix = Path(args.into).suffix.lower().removeprefix(".")
        args.output = args.output or {"txt": "table"}.get(suffix, suffix)
        if args.output not in FORMATS:
            raise MetadataError(f"--file {args.into}: its name does not say in what format; add --output csv, for one")
    args.output = args.output or "table"
    if args.output == "parquet" and args.into is None:
        raise MetadataError("--output parquet goes into a file: add --file FILE.parquet")


def show(args: argparse.Namespace, answer: pd.DataFrame | Grid) -> None:
    """Write a frame, or for Zinc a grid too, in the format that `settle_output` found."""
    import pandas as pd

    if args.output == "zinc":
        from hsframe.codecs import encode

        body = encode(answer.hs.to_grid() if isinstance(answer, pd.DataFrame) else answer, "zinc")
        with _opened(args) as file:
            file.write(body)
        return
    assert isinstance(answer, pd.DataFrame)
    df, has_times = answer, isinstance(answer.index, pd.DatetimeIndex)
    with _opened(args) as file:
        match args.output:
            case "parquet":
                from hsframe.frame.parquet import write_parquet

                # A column has one kind there: of several, as values of records have, it is of texts.
                texts = {
                    str(name): cells.map(str, na_action="ignore").astype("str")
                    for name, cells in df.items()
                    if cells.dtype == object
                }
                write_parquet(df.assign(**texts), args.into)
            case "json":
                for line in _json_lines(df.reset_index() if has_times else df):
                    file.write(line.encode())
            case form:
                titled = df.set_axis(_titles(df), axis=1)
                text = sys.stdout if args.into is None else codecs.getwriter("utf-8")(file)
                if form == "csv":
                    titled.to_csv(text, index=has_times)
                    return
                width = shutil.get_terminal_size().columns if args.into is None and sys.stdout.isatty() else None
                print(titled.to_string(index=has_times, max_rows=60, line_width=width), file=text)
                print(f"{len(df)} rows x {len(df.columns)} columns", file=text)


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[BinaryIO]:
    """Where bytes go: stdout, or a file that is there whole or not at all."""
    from hsframe.frame.whole_file import whole_file

    if args.into is None or args.output == "parquet":  # which writes its file by itself
        sys.stdout.flush()
        yield sys.stdout.buffer
    else:
        with whole_file(args.into) as file:
            yield file


def _names(df: pd.DataFrame) -> list[str]:
    """What columns are called, in one row; over intervals the name says what the values are.

    So a delta of a meter that is written to a file does not come back as a reading of the meter.
    """
    from hsframe.frame.points import points_of
    from hsframe.frame.reads import reads_of

    points, reads = points_of(df), reads_of(df)
    labels: list[Any] = list(df.columns)
    names = [" ".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels]
    for place, label in enumerate(labels):
        if (point := points.get(label)) and point.id in reads and df.columns.nlevels == 1:
            names[place] = " ".join([names[place], *reads[point.id].aggs])
    return names


def _titles(df: pd.DataFrame) -> list[str]:
    """The names of columns with their units, as ``Power [kW]``."""
    from hsframe.unit_array.dtype import unit_of_dtype

    units = [unit_of_dtype(dtype) for dtype in df.dtypes]
    return [f"{name} [{unit}]" if unit else name for name, unit in zip(_names(df), units, strict=True)]


def _json_lines(df: pd.DataFrame) -> Iterator[str]:
    """An object of the columns, with names and units, and of the rows, one in a line."""
    from hsframe.unit_array.dtype import unit_of_dtype

    names = _names(df)
    units = [unit_of_dtype(dtype) for dtype in df.dtypes]
    columns = [
        {"name": name, "unit": unit} if unit else {"name": name} for name, unit in zip(names, units, strict=True)
    ]
    yield f'{{"columns": {json.dumps(columns, ensure_ascii=False)},\n "rows": ['
    cells = [[_json_cell(cell) for cell in df.iloc[:, place].array] for place in range(df.shape[1])]
    for number, row in enumerate(zip(*cells, strict=True)):
        shown = json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, allow_nan=False)
        yield f"{',' * (number > 0)}\n  {shown}"
    yield "\n]}\n"


def _json_cell(cell: Any) -> Any:
    """A value as JSON has it; what JSON has no form for as version 4 of Haystack's JSON, but times as their text."""
    from hsframe.codecs.json4 import Json4
    from hsframe.kinds import Number
    from hsframe.unit_array.scalars import is_missing

    if isinstance(cell, list | tuple):
        return [_json_cell(one) for one in cell]
    if isinstance(cell, dict):
        return {name: _json_cell(one) for name, one in cell.items()}
    if is_missing(cell):
        return None
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if hasattr(cell, "item"):  # of NumPy
        cell = cell.item()
    if isinstance(cell, bool | str | int):
        return cell
    if isinstance(cell, float):
        cell = Number(float(cell))
    write = Json4.scalars.get(type(cell))
    return str(cell) if write is None else write(cell)
