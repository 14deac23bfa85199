"""What is new, changed and gone between the samples that an archive has and those that a server gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hsframe.archive.layout import ROWS_SCHEMA
from hsframe.archive.parquet_file import instants
from hsframe.frame.values import bools_of

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows by their places: the `new` ones of the given table, of changed samples the pair, of the `gone` the old."""

    new: Places
    changed_old: Places
    changed_new: Places
    gone: Places


def difference(old: pa.Table, new: pa.Table) -> Difference:
    """Compare two tables of samples, where NaN equals NaN, and is not NA.

    The new one has an instant of a point once. Where another program put it twice into the old one, all but the last
    are gone.
    """
    count = old.num_rows
    if not count:
        none = np.empty(0, np.int64)
        return Difference(np.arange(new.num_rows), none, none, none)
    both = pa.concat_tables([old.cast(ROWS_SCHEMA), new.cast(ROWS_SCHEMA)]).unify_dictionaries().combine_chunks()
    owner, text, unit = (_codes(both.column(name)) for name in ("id", "text", "unit"))
    ts_us = instants(both)
    order = np.lexsort((ts_us, owner))  # stable, so the old row of an instant comes before the new one
    is_twin = (np.diff(owner[order]) == 0) & (np.diff(ts_us[order]) == 0) & (order[1:] >= count)
    is_alone = ~(np.append(is_twin, False) | np.append(False, is_twin))
    alone, a, b = order[is_alone], order[:-1][is_twin], order[1:][is_twin]
    value, no_value = both.column("value").to_numpy(), bools_of(both.column("value").is_null())
    # Null is NaN in NumPy.
    same = (value[a] == value[b]) | (np.isnan(value[a]) & np.isnan(value[b]) & (no_value[a] == no_value[b]))
    differs = ~(same & (text[a] == text[b]) & (unit[a] == unit[b]))
    return Difference(
        new=np.sort(alone[alone >= count]) - count,  # codes are not in the order of their texts
        changed_old=a[differs],
        changed_new=b[differs] - count,
        gone=alone[alone < count],
    )


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Numbers for texts, the same for the same text; -1 for null."""
    codes: npt.NDArray[np.int32] = column.combine_chunks().indices.fill_null(-1).to_numpy()
    return codes
