"""Puts the files of each partition together to one, with bounded memory.

The rows stay as they are, so a sync may add files meanwhile: the new file is committed if all those that it replaces
are still there. Young files, which the next syncs rewrite, are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pandas as pd

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Partition
from hsframe.archive.parquet_file import END_US, START_US, DataFile, count_ids, written
from hsframe.archive.samples import read_samples

# Rows in memory at once: 28 bytes each, in some five copies.
_MOST_ROWS: Final = 1_000_000


def compact(table: SampleTable, young_us: int) -> pd.DataFrame:
    """Put the files that end before `young_us` together; gives a row per partition."""
    rows = []
    table.refresh()
    for partition in sorted({file.partition for file in table.files() if table.layout.has(file.partition)}):
        before = [file.size for file in table.files() if file.partition == partition]
        while not _compacted(table, partition, young_us):
            table.refresh()
        after = [file.size for file in table.files() if file.partition == partition]
        rows.append((*partition, len(before), len(after), sum(before), sum(after)))
    names = ["period", "bucket", "files_before", "files_after", "bytes_before", "bytes_after"]
    return pd.DataFrame(rows, columns=names).astype({"period": "str"} | dict.fromkeys(names[1:], "int64"))


def _compacted(table: SampleTable, partition: Partition, young_us: int) -> bool:
    """Whether a partition has been compacted; False if another program has changed one of its files meanwhile."""
    old = [
        file for file in table.files() if file.partition == partition and (file.ts_us[1] < young_us or not file.is_own)
    ]
    if len(old) < 2 and all(file.is_own for file in old):
        return True
    some = pieces(table, old, table.layout.bounds_us(partition[0]))
    new = written(table.storage, partition, (read_samples(table, *piece, old) for piece in some))
    while {file.path for file in old} <= {file.path for file in table.files()}:
        if table.commit([new] if new.rows else [], old, changes_rows=False):
            return True
        table.refresh()
    table.discard([new])
    return False


def pieces(
    table: SampleTable, files: Iterable[DataFile], bounds_us: tuple[int, int]
) -> Iterator[tuple[list[str], int, int]]:
    """The rows of some files in parts that memory may hold, in order: the ids of each, and its half-open window.

    A point that has more than that alone is cut within some bounds.
    """
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(count_ids(table.storage, file))
    some: list[str] = []
    rows = 0
    for ident in sorted(counts):
        if some and rows + counts[ident] > _MOST_ROWS:
            yield some, START_US, END_US
            some, rows = [], 0
        if (parts := -(-counts[ident] // _MOST_ROWS)) > 1:
            cuts = np.linspace(*bounds_us, parts + 1).astype(np.int64).tolist()[1:-1]
            yield from (([ident], *window) for window in zip([START_US, *cuts], [*cuts, END_US], strict=True))
        else:
            some.append(ident)
            rows += counts[ident]
    if some:
        yield some, START_US, END_US
