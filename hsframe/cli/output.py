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
        if suffix in FORMATS and args.output != suffix:
            raise MetadataError(f"--file {args.into} says {suffix}, and --output {args.output}: leave one of them out")
        if args.output not in FORMATS:
            raise MetadataError(f"--file {args.into}: its name does not say in what format; add --output csv, for one")
    args.output = args.output or "table"
    if args.output == "parquet" and args.into is None:
        raise MetadataError("--output parquet goes into a file: add --file FILE.parquet")


def show(args: argparse.Namespace, answer: pd.DataFrame | Grid) -> None:
    """Write a frame, or for Zinc a grid too, in the format that `settle_output` found."""
    import pandas as pd

    with _opened(args) as file:
        if args.output == "zinc":
            from hsframe.codecs import encode

            file.write(encode(answer.hs.to_grid() if isinstance(answer, pd.DataFrame) else answer, "zinc"))
            return
        assert isinstance(answer, pd.DataFrame)
        df, has_times = answer, isinstance(answer.index, pd.DatetimeIndex)
        if args.output == "json":
            file.write(_json(df.reset_index() if has_times else df).encode())
        elif args.output == "parquet":
            from hsframe.frame.parquet import write_parquet

            # A column has one kind there: of several, as values of records have, it is of texts.
            texts = {
                str(name): cells.map(str, na_action="ignore").astype("str")
                for name, cells in df.items()
                if cells.dtype == object
            }
            write_parquet(df.assign(**texts), args.into)
        else:
            titled = df.set_axis([f"{name} [{unit}]" if unit else name for name, unit in _titles(df)], axis=1)
            for place in range(len(titled.columns)):
                if (cells := titled.iloc[:, place]).dtype == object:
                    titled.isetitem(place, cells.map(_text).array)
            in_utf8 = codecs.getwriter("utf-8")(file)
            if args.output == "csv":
                titled.to_csv(in_utf8, index=has_times)
                return
            text = sys.stdout if args.into is None else in_utf8  # a table follows the terminal
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


def _text(cell: Any) -> Any:
    """A cell of a table: a list, a dict or a grid as Zinc writes it."""
    from hsframe.codecs.zinc_write import write_value
    from hsframe.grid import Grid

    return write_value(cell) if isinstance(cell, list | dict | Grid) else cell


def _titles(df: pd.DataFrame) -> list[tuple[str, str | None]]:
    """The name of each column, in one row, and its unit; over intervals the name says what the values are.

    So a delta of a meter that is written to a file does not come back as a reading of the meter.
    """
    from hsframe.frame.points import points_of
    from hsframe.frame.reads import reads_of
    from hsframe.unit_array.dtype import unit_of_dtype

    points, reads, titles = points_of(df), reads_of(df), list[tuple[str, str | None]]()
    labels: list[Any] = list(df.columns)
    for label, dtype in zip(labels, df.dtypes, strict=True):
        names = [*map(str, label)] if isinstance(label, tuple) else [str(label)]
        if (point := points.get(label)) and point.id in reads and df.columns.nlevels == 1:
            names += reads[point.id].aggs
        titles.append((" ".join(filter(None, names)), unit_of_dtype(dtype)))
    return titles


def _json(df: pd.DataFrame) -> str:
    """An object of the columns, with names and units, and of the rows, one in a line."""
    titles = _titles(df)
    columns = [{"name": name, "unit": unit} if unit else {"name": name} for name, unit in titles]
    cells = [map(_json_cell, df.iloc[:, place].array) for place in range(len(titles))]
    rows = [dict(zip((name for name, _ in titles), row, strict=True)) for row in zip(*cells, strict=True)]
    head, *lines = [json.dumps(one, ensure_ascii=False, allow_nan=False) for one in (columns, *rows)]
    return f'{{"columns": {head},\n "rows": [{",".join(f"{chr(10)}  {line}" for line in lines)}\n]}}\n'


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
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        cell = Number(cell)
    return Json4.scalars.get(type(cell), str)(cell)
