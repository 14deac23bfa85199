"""The samples of an archive as a scanner of pyarrow, which filters while it reads."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import FILE_SCHEMA
from hsframe.archive.parquet_file import Ids
from hsframe.errors import MetadataError


def scanner(
    table: SampleTable, wanted: Sequence[tuple[Sequence[str] | None, int, int]], columns: Sequence[str] | None
) -> ds.Scanner:
    """The samples of some points, of all for None, each in a half-open window."""
    if strange := [name for name in columns or () if name not in FILE_SCHEMA.names]:
        raise MetadataError(f"columns must be of {', '.join(FILE_SCHEMA.names)}; got {strange[0]!r}")
    filters, paths = [], set()
    for ids, start_us, end_us in wanted:
        some = None if ids is None else Ids(ids)
        paths |= {file.path for file in table.files() if file.may_have(some, start_us, end_us)}
        bounds = (pa.scalar(us, pa.int64()).cast(pa.timestamp("us", "UTC")) for us in (start_us, end_us))
        start, end = bounds
        one = (ds.field("ts") >= start) & (ds.field("ts") < end)
        filters.append(one if ids is None else one & ds.field("id").isin(list(ids)))
    filesystem, base = table.storage.arrow
    # Not that of delta-rs: after it the interpreter may abort at its end (deltalake 1.6.6).
    form = ds.ParquetFileFormat()
    files = [form.make_fragment(f"{base}/{path}", filesystem) for path in sorted(paths)]
    dataset = ds.FileSystemDataset(files, FILE_SCHEMA, form, filesystem)
    return dataset.scanner(columns=columns, filter=functools.reduce(operator.or_, filters))
