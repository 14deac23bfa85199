"""What is new, changed and gone between the samples that an archive has and those that a server gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
    if not old.num_rows:
        none = np.empty(0, np.int64)
        return Difference(np.arange(new.num_rows), none, none, none)
    owner = _codes([old.column("id"), new.column("id")])
    ts_us = np.concatenate([instants(old), instants(new)])
    order = np.lexsort((ts_us, owner))  # stable, so the old row of an instant comes before the new one
    is_twin = (np.diff(owner[order]) == 0) & (np.diff(ts_us[order]) == 0)
    is_twin &= order[1:] >= old.num_rows
    both_old, both_new = order[:-1][is_twin], order[1:][is_twin] - old.num_rows
    is_alone = ~(np.append(is_twin, False) | np.append(False, is_twin))
    alone = order[is_alone]
    differs = ~_same(old.take(both_old), new.take(both_new))
    return Difference(
        new=np.sort(alone[alone >= old.num_rows]) - old.num_rows,  # codes are not in the order of their texts
        changed_old=both_old[differs],
        changed_new=both_new[differs],
        gone=alone[alone < old.num_rows],
    )


def _same(old: pa.Table, new: pa.Table) -> npt.NDArray[np.bool_]:
    same = np.ones(old.num_rows, dtype=bool)
    for name in ("value", "text", "unit"):
        a, b = old.column(name), new.column(name)
        no_a, no_b = bools_of(a.is_null()), bools_of(b.is_null())
        if name == "value":
            x, y = a.to_numpy(), b.to_numpy()
            equal = (x == y) | (np.isnan(x) & np.isnan(y))
        else:
            codes = _codes([a, b])
            equal = codes[: len(a)] == codes[len(a) :]
        same &= np.where(no_a | no_b, no_a & no_b, equal)
    return same


def _codes(columns: list[pa.ChunkedArray]) -> npt.NDArray[np.int32]:
    """Numbers for texts, the same for the same text; -1 for null."""
    chunks: list[Any] = []
    for column in columns:
        encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
        chunks += encoded.cast(pa.dictionary(pa.int32(), pa.string())).chunks
    whole = pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
    parts = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in whole.chunks]
    return np.concatenate([np.empty(0, np.int32), *parts])
