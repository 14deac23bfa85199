"""Frames whose units are a level of the header, for spreadsheets and CSV."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.in_units import in_one_unit, magnitudes
from hsframe.unit_array.dtype import UnitDtype, unit_of_dtype

_UNIT: Final = "unit"
# What pandas reads of a CSV file in place of a blank cell of the header.
_BLANK: Final = re.compile(r"Unnamed: \d+_level_\d+")


def with_unit_header(df: pd.DataFrame) -> pd.DataFrame:
    """What ``df.hs.with_unit_header()`` gives."""
    df = in_one_unit(df)
    names = list(df.columns.names) if df.columns.nlevels > 1 else ["point"]
    if _UNIT in names:
        raise MetadataError("the columns have a level 'unit' already, as df.hs.with_unit_header() makes it")
    result = magnitudes(df)
    levels = [df.columns.get_level_values(level) for level in range(df.columns.nlevels)]
    units = [unit_of_dtype(dtype) or "" for dtype in df.dtypes]
    result.columns = pd.MultiIndex.from_arrays([*levels, units], names=[*names, _UNIT])
    return result


def from_unit_header(df: pd.DataFrame) -> pd.DataFrame:
    """What ``df.hs.from_unit_header()`` gives."""
    columns = df.columns
    if columns.nlevels < 2 or columns.names[-1] not in (_UNIT, None):
        raise MetadataError(
            "the columns have no level 'unit', which df.hs.with_unit_header() adds as the last; of a CSV file all "
            "levels are read with header=[0, 1], or as many rows as it has"
        )
    *levels, units = [
        ["" if isinstance(text, str) and _BLANK.fullmatch(text) else text for text in columns.get_level_values(level)]
        for level in range(columns.nlevels)
    ]
    result = df.copy(deep=False)
    for place, unit in enumerate(units):
        if unit:
            result.isetitem(place, df.iloc[:, place].astype(UnitDtype(unit)).array)
    if len(levels) == 1:
        result.columns = pd.Index(levels[0])
    else:
        result.columns = pd.MultiIndex.from_arrays(levels, names=columns.names[:-1])
    return result
