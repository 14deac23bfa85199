"""Parquet files of frames: :mod:`hsframe.frame.arrow` says what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.errors import CodecError, HsFrameError, MetadataError, UnitError
from hsframe.frame.arrow import arrow_to_frame, data_names, frame_to_arrow, unit_of_field, zone_of_field, zone_or_offset
from hsframe.frame.combine import joined
from hsframe.frame.whole_file import local_path, whole_file
from hsframe.spans import from_epoch_us, local_instant_us
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.unit_array.scalars import is_missing
from hsframe.units import convert
from hsframe.units.scalars import UnitScalar

if TYPE_CHECKING:
    import pyarrow.compute as pc

FileLike: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
Filters: TypeAlias = "pc.Expression | Sequence[tuple[Any, str, Any]] | Sequence[Sequence[tuple[Any, str, Any]]]"

_COMPRESSIONS: Final = ("zstd", "snappy", "gzip", "brotli", "lz4", "none")


def write_parquet(df: pd.DataFrame, path: str | os.PathLike[str], *, compression: str | None = "zstd") -> None:
    """Write a frame to a Parquet file that keeps its units, and that every Parquet program reads.

    Parameters
    ----------
    df : DataFrame
        As for :func:`frame_to_arrow`.
    path : path-like
        The file. It is there whole or not at all, also if the program is killed or several write it at once.
    compression : {"zstd", "snappy", "gzip", "brotli", "lz4"} or None
        None: not compressed.

    Raises
    ------
    MetadataError
        See :func:`frame_to_arrow`; an unknown compression; no such folder, or the file cannot be written.

    Notes
    -----
    ``df.to_parquet(path)`` works too; its file names ``unit[°F]`` as the dtype, so pandas reads it only after
    ``import hsframe``. Files of this function need nothing.
    """
    import pyarrow.parquet as pq

    if str(compression).lower() not in _COMPRESSIONS:
        raise MetadataError(f"compression must be one of {', '.join(_COMPRESSIONS)}; got {compression!r}")
    table = frame_to_arrow(df)
    try:
        with whole_file(path) as file:
            pq.write_table(table, file, compression=str(compression), write_page_checksum=True)
    except pa.ArrowException as error:
        raise MetadataError(f"the frame cannot be written to {path}: {error}") from error


def read_parquet(
    path: FileLike | Iterable[FileLike], columns: Sequence[Any] | None = None, filters: Filters | None = None
) -> pd.DataFrame:
    """Read Parquet files with their units and points.

    Parameters
    ----------
    path : path-like, file object, folder, or iterable of these
        A file that :func:`write_parquet` wrote; of any other the frame that pandas would give. Of a folder its
        ``*.parquet`` files in the order of their names. The rows of several files, which have the same columns, come in
        the order of the files, each column in the unit that it has in the first one.
    columns : sequence of str, optional
        The labels of the columns to read; the index comes with them. Of columns in levels also the first levels, as
        ``["AHU-1"]`` for all columns below it.
    filters : list of (column, operator, value), list of such lists, or pyarrow expression, optional
        Which rows to read, as pyarrow has it: all of one list, any of several, as ``[("Zone Temp", ">", 75)]``. Columns
        are the labels, the index is ``"ts"``, with zone-aware times as values. A date is its whole day in the zone
        of the file, so ``("ts", "<=", date)`` has it: the zone in which that file alone comes back. A number is in the
        unit of the file; one that has its own unit, as ``hsframe.Number(24, "°C")``, is converted. An expression is
        taken as it is.

    Returns
    -------
    DataFrame

    Raises
    ------
    CodecError
        A file is not a Parquet file, or is damaged.
    MetadataError
        See :func:`hsframe.arrow_to_frame`; a column that is not there, or a filter that does not fit it; an empty list
        or folder; files with other columns, or whose columns of one label are of different points.
    UnitError
        The units of a column in two files do not convert; or they differ, and there are filters.
    OSError
        A file cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_parquet(pd.DataFrame({"Zone": pd.array([68.0, 77.0], dtype="unit[°F]")}), f"{folder}/zone.parquet")
    ...     read_parquet(folder, filters=[("Zone", ">", 70)])
       Zone
    0  77.0
    """
    files = parquet_files(path)
    frames = [_frame(file, columns, filters) for file in files]
    return frames[0] if len(frames) == 1 else _joined(frames, [_name(file) for file in files], filters is not None)


def _frame(file: FileLike, columns: Sequence[Any] | None, filters: Filters | None) -> pd.DataFrame:
    table = read_table(file, columns, filters)
    try:
        return arrow_to_frame(table)
    except MetadataError as error:
        raise MetadataError(f"{_name(file)}: {error}; pandas.read_parquet reads the plain numbers") from error


def parquet_files(path: Any) -> list[Any]:
    """The files that a path, a folder, a file object or several of these are."""
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "read"):
        if isinstance(path, bytes) or not isinstance(path, Iterable):
            raise MetadataError(f"{path!r} is no file; expected a path, a file object, a folder, or a list of these")
        if not (files := [file for one in path for file in parquet_files(one)]):
            raise MetadataError("the list of files is empty; expected one or more Parquet files")
        return files
    path = path if hasattr(path, "read") else local_path(path) or path
    if hasattr(path, "read") or not os.path.isdir(path):
        return [path]
    folder = Path(path)
    if (folder / "_delta_log").exists():
        raise MetadataError(f"{folder} is a Delta table, of whose files only its log tells which count; open it as one")
    # A name that begins with a dot is hidden, as a file that is still written.
    if not (found := sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))):
        advice = "hsframe.export(...) writes some, and hsframe.Archive(folder) opens an archive"
        raise MetadataError(f"there are no *.parquet files in the folder {folder}; {advice}")
    return [*found]


def _name(file: Any) -> str:
    if hasattr(file, "read"):
        return str(getattr(file, "name", f"the {type(file).__name__}"))
    return str(os.fspath(file))


def _joined(frames: Sequence[pd.DataFrame], names: Sequence[str], is_filtered: bool) -> pd.DataFrame:
    """The rows of several files; MetadataError or UnitError, with the files, where their columns are not the same."""
    first = frames[0]
    for frame, name in zip(frames, names, strict=True):
        if strange := first.columns.symmetric_difference(frame.columns).tolist():
            raise MetadataError(
                f"{names[0]} and {name} have not the same columns: {strange[0]!r} is in one of them only; read them one"
                " by one, and put them together with hsframe.concat"
            )
        for place, label in enumerate(frame.columns):
            unit, wanted = unit_of_dtype(frame.dtypes.iloc[place]), unit_of_dtype(first[label].dtype)
            if unit != wanted and is_filtered:
                raise UnitError(
                    f"column {label!r} is in {wanted or 'no unit'} in {names[0]} and in {unit or 'no unit'} in {name}; "
                    "read them without filters="
                )
    return joined(frames, names)


def read_table(file: FileLike, columns: Sequence[Any] | None = None, filters: Filters | None = None) -> pa.Table:
    """The table of one Parquet file; the other parameters and the errors are those of :func:`read_parquet`."""
    import pyarrow.parquet as pq

    name = _name(file)
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            wanted, schema = None, opened.schema_arrow
            if columns is not None:
                wanted = _names_of(columns, schema, name)
                wanted += [label for label in schema.names if label not in (*data_names(schema), *wanted)]
            if filters is None:
                return opened.read(columns=wanted)
            chosen = _expression(filters, schema, name)
            # Of row groups that cannot have such rows nothing is read.
            return pq.read_table(
                file, columns=wanted, filters=chosen, partitioning=None, page_checksum_verification=True
            )
    except HsFrameError:
        raise
    except Exception as error:  # damaged bytes make pyarrow raise errors of many kinds, OSError without a number too
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CodecError(
            f"{name} is not a Parquet file, or is a damaged one ({error})",
            expected="a frame of pd.read_csv" if ".csv" in name.lower() else "a file of hsframe.write_parquet",
            source="parquet",
        ) from error


def _names_of(columns: Sequence[Any], schema: pa.Schema, name: str) -> list[str]:
    """The columns of the table that labels mean, each once; of columns in levels also the first one or more levels."""
    labels = dict(zip(data_names(schema), schema.empty_table().to_pandas().columns, strict=True))
    wanted: dict[str, None] = {}
    for label in columns:
        levels = label if isinstance(label, tuple) else (label,)
        below = [known for known, own in labels.items() if isinstance(own, tuple) and own[: len(levels)] == levels]
        found = [str(label)] if str(label) in schema.names else below
        if not found:
            raise MetadataError(f"{name} has no column {label!r}; it has {', '.join(schema.names)}")
        wanted |= dict.fromkeys(found)
    return [*wanted]


def _expression(filters: Any, schema: pa.Schema, name: str) -> pc.Expression:
    import pyarrow.parquet as pq

    try:
        expression = pq.filters_to_expression(_plain(filters, schema))
        schema.empty_table().filter(expression)  # fails where a column is not there, or is of another type
    except HsFrameError:
        raise
    except Exception as error:
        problem = str(error).partition("\n")[0]
        raise MetadataError(
            f"the filters {filters!r} do not fit {name}: {problem}; expected as in [('Zone Temp', '>', 75)], with "
            f"zones of times; the columns are {', '.join(schema.names)}"
        ) from error
    return expression


def _plain(filters: Any, schema: pa.Schema) -> Any:
    """The filters with plain numbers in the unit of their column instead of values that have one."""
    if isinstance(filters, list):
        return [_plain(one, schema) for one in filters]
    if not isinstance(filters, tuple) or len(filters) != 3:
        return filters
    label, operator, value = filters
    column = str(label)
    if column not in schema.names:
        return filters
    if any(is_missing(one) for one in (value if isinstance(value, list | tuple | set) else [value])):
        raise MetadataError(
            f"the filter {filters!r} compares with a missing value, and no row is less, greater or equal; the rows "
            f"without a value are filters=pyarrow.compute.field({column!r}).is_null(), the others ~ of it"
        )
    if pa.types.is_timestamp(schema.field(column).type):
        return (column, *_instants(operator, value, zone_of_field(schema, column), column))
    unit = unit_of_field(schema, column)
    if isinstance(value, list | tuple | set):
        return (column, operator, [_in_unit(one, unit, column) for one in value])
    return (column, operator, _in_unit(value, unit, column))


def _instants(operator: str, value: Any, tz: str | None, column: str) -> tuple[str, Any]:
    """The operator and the value of a filter of times: a date is its whole day, by the zone of the column."""
    values = value if isinstance(value, list | tuple | set) else [value]
    times = [one for one in values if isinstance(one, datetime | np.datetime64 | str)]
    is_text = any(isinstance(one, str) for one in times)  # which pyarrow compares with no time
    if odd := [one for one in times if is_text or (getattr(one, "tzinfo", None) is None) != (tz is None)]:
        where = "" if tz is None else f", tz={tz!r}"
        raise MetadataError(
            f"the filter of column {column!r} has the time {odd[0]!r}, and the column's times are "
            f"{f'in {tz}' if tz else 'without a zone'}; expected as in pd.Timestamp('2026-01-02 06:00'{where})"
        )
    if not any(isinstance(one, date) and not isinstance(one, datetime) for one in values):
        return operator, value
    # The day after begins where "up to the date" ends.
    found = {">=": (">=", 0), "<": ("<", 0), ">": (">=", 1), "<=": ("<", 1)}.get(operator)
    if found is None or not isinstance(value, date):
        raise MetadataError(
            f"a filter of column {column!r} takes a date, which is a whole day, with >=, >, < and <=, not with "
            f"{operator!r}; of one day it is [({column!r}, '>=', day), ({column!r}, '<=', day)]"
        )
    operator, days = found
    wall = datetime(value.year, value.month, value.day) + timedelta(days=days)
    if tz is None:
        return operator, wall
    return operator, from_epoch_us(local_instant_us(wall, zone_or_offset(tz)), zone_or_offset(tz))


def _in_unit(value: Any, unit: str | None, column: str) -> Any:
    if not isinstance(value, UnitScalar):
        return value
    if value.unit is None or value.unit == unit:
        return float(value.val)
    if unit is None:
        raise UnitError(f"the filter of column {column!r} is in {value.unit}, and the column has no unit")
    return convert(float(value.val), value.unit, unit)
