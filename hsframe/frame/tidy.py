"""Histories as tidy rows: a row per sample, of points of any units and kinds; memory grows with the samples alone.

=========  =============================  =========================================================================
column     in Arrow and Parquet           what it holds
=========  =============================  =========================================================================
``id``     dictionary of strings          the id of the point; one without samples is a category that has no rows
``ts``     ``timestamp[us, UTC]``         the instant; in a frame, read back too, in its zone
``value``  double                         a Number; a Bool as 1 and 0
``text``   string, in Arrow a dictionary  a Str as it is; other kinds as Zinc writes them, as ``2024-01-31`` or ``@a``
``unit``   dictionary of strings          the unit of the number in this row, or ``""``: see below
=========  =============================  =========================================================================

Rows are sorted by id and instant. In Arrow a sample that is NA ('not available') has neither value nor text, and NaN is
a value. pandas has one missing for both, so what is written from a frame has null for both. Null is no sample.

A row is read by the kind in the record of its point: without a unit, a `value` is a Bool where that is Bool, else a
Number, and a `text` is a Str where that is Str, Number, Bool or none, else Zinc. Where a sample is of another kind, so
that this would make it the other of the two, its unit is ``""``: a Number 1 of a Bool, a Bool of a Number, a Ref of a
point without a kind, a Str of a Ref.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.codecs.zinc_write import write_value
from hsframe.frame.flags import FLAG_DTYPE
from hsframe.frame.tracks import Track
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray

OF_OTHER_KIND: Final = ""
"""The unit of a sample that is of another kind than the record of its point says."""


def texts_are_strs(kind: str | None) -> bool:
    """Whether texts of a point of this kind are Str, and not Zinc."""
    return kind in ("Str", "Number", "Bool", None)


def tidy_table(tracks: Sequence[Track], ids: Sequence[str]) -> pa.Table:
    """The rows of some points under their ids, which all differ; where the tracks have flags, with a column ``na``."""
    owned = sorted(zip(ids, tracks, strict=True), key=lambda pair: pair[0])
    counts = [len(track.ts_us) for _, track in owned]
    rows = _Rows(sum(counts))
    for (_, track), end in zip(owned, np.cumsum(counts), strict=True):
        rows.put(slice(int(end) - len(track.ts_us), int(end)), track.array, track.point.kind)
    absent = np.isnan(rows.values)
    columns: dict[str, Any] = {}
    if tracks and all(track.flags is not None for track in tracks):
        codes = np.concatenate([track.flags.codes for _, track in owned if track.flags is not None])
        absent &= codes != FLAG_DTYPE.categories.get_loc("NaN")
        columns["na"] = _dictionary(codes, FLAG_DTYPE.categories.tolist())
    if rows.is_other.any() and (other := rows.is_other & ~(absent & (rows.text_codes < 0))).any():
        rows.unit_codes[other] = rows.units[OF_OTHER_KIND]
    ts_us = np.concatenate([np.empty(0, np.int64), *(track.ts_us for _, track in owned)])
    owner = np.repeat(np.arange(len(owned), dtype=np.int32), counts)
    return pa.table(
        {
            "id": _dictionary(owner, [name for name, _ in owned]),
            "ts": pa.array(ts_us).view(pa.timestamp("us", "UTC")),
            "value": pa.array(rows.values, mask=absent if absent.any() else None),
            "text": _dictionary(rows.text_codes, list(rows.texts)),
            "unit": _dictionary(rows.unit_codes, list(rows.units)),
            **columns,
        }
    )


def _dictionary(codes: Any, texts: Sequence[str]) -> pa.DictionaryArray:
    if not texts:
        return pa.nulls(len(codes), pa.dictionary(pa.int32(), pa.string()))
    absent = codes < 0
    found = pa.array(codes, mask=absent if absent.any() else None)
    return pa.DictionaryArray.from_arrays(found, pa.array(texts, pa.string()))


class _Rows:
    """The values, and by number the texts and units, of rows that are put in point by point; -1 for none."""

    def __init__(self, count: int) -> None:
        self.values = np.full(count, np.nan)
        self.text_codes, self.unit_codes = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
        self.is_other = np.zeros(count, dtype=bool)
        self.texts: dict[str, int] = defaultdict(itertools.count().__next__)
        self.units: dict[str, int] = defaultdict(itertools.count().__next__)

    def put(self, rows: slice, array: Any, kind: str | None) -> None:
        """The values of one point, as :func:`hsframe.frame.values.value_array` gives them."""
        if isinstance(array, UnitArray):
            self.values[rows] = array.magnitudes
            self.unit_codes[rows] = self.units[array.unit]
        elif isinstance(array, pd.Categorical):
            numbers = [*(self.texts[text] for text in array.categories), -1]  # -1: the code of missing
            self.text_codes[rows] = np.array(numbers, dtype=np.int32)[array.codes]
            self.is_other[rows] = not texts_are_strs(kind)
        elif array.dtype == object:
            for row, cell in enumerate(array, rows.start):
                if isinstance(cell, Number) and cell.unit is not None:
                    self.values[row] = cell.val
                    self.unit_codes[row] = self.units[cell.unit]
                elif isinstance(cell, Number | bool | int | float):  # a missing cell is NaN
                    self.values[row] = cell.val if isinstance(cell, Number) else cell
                    self.is_other[row] = isinstance(cell, bool) != (kind == "Bool")
                else:
                    text = cell if isinstance(cell, str) else write_value(cell)
                    self.text_codes[row] = self.texts[text]
                    self.is_other[row] = isinstance(cell, str) != texts_are_strs(kind)
        elif isinstance(array, np.ndarray):
            self.values[rows] = array
            self.is_other[rows] = kind == "Bool"
        else:
            self.values[rows] = array.to_numpy(dtype=np.float64, na_value=np.nan)
            self.is_other[rows] = kind != "Bool"


def tidy_frame(table: pa.Table, index_zone: ZoneInfo) -> pd.DataFrame:
    """The frame of the rows of :func:`tidy_table`, its times in a zone."""
    for name, dtype in (("ts", pa.timestamp("us", index_zone.key)), ("text", pa.string())):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(place).cast(dtype))
    return with_categories(table.to_pandas())


def with_categories(df: pd.DataFrame, ids: Sequence[str] = (), units: Sequence[str] = ()) -> pd.DataFrame:
    """The frame, its ids and units categories of str in order, those of `ids` and `units` without rows among them.

    Parquet keeps no categories without rows, and none at all of a table without rows.
    """
    for name, more in (("id", ids), ("unit", units)):
        column = df[name]
        found = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna().unique()
        categories = pd.Index(sorted({*found, *more}), dtype="str")
        df[name] = pd.Categorical(column, categories=categories)
    return df
