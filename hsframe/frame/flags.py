"""Why a value is missing: ``na="flag"``.

In a column of numbers NA ('not available'), NaN and null are all NaN. With ``na="flag"`` a second
column follows each point's, labelled ``"<label> [na]"`` (in the tidy shape it is the column ``na``): ``"NA"``,
``"NaN"`` or ``"null"``, and missing where there is a value or no sample at all. It is a column, so it is sliced,
filtered, joined and stored with the values. By default there is one column per point.

``"null"`` is a row with an empty cell in the answer of a single read. In a batch an empty cell means that the point has
no sample at that instant, and such a cell is not flagged.

::

    df = hsframe.his_read("temp", "lastWeek", na="flag")
    values, flags = hsframe.frame.flags.split_flags(df)     # two frames of one shape, one column per point in each
    values[flags == "NA"]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from hsframe.arrays import Bools, Codes
from hsframe.columns import ArrowColumn, NumberColumn
from hsframe.errors import MetadataError
from hsframe.frame.labels import with_suffix
from hsframe.frame.points import AnyLabel
from hsframe.frame.values import bools_of, is_nan
from hsframe.kinds import NA

_SUFFIX: Final = " [na]"
FLAG_DTYPE: Final = pd.CategoricalDtype(pd.Index(["NA", "NaN", "null"], dtype="str"))

_VALUE, _NA, _NAN, _NULL = -1, 0, 1, 2


def flag_label(label: AnyLabel) -> AnyLabel:
    """The label of the column of flags that follows a point's."""
    return with_suffix(label, _SUFFIX)


def rows_of_na(df: pd.DataFrame, label: Any) -> Bools | None:
    """The rows in which the flags of a column are NA or NaN; None where it has no flags."""
    flag = flag_label(label) if isinstance(label, str | tuple) else None
    places = [place for place, own in enumerate(df.columns) if own == flag]  # several, as of a file with labels twice
    if not places:
        return None
    flags = df.iloc[:, places[0]]
    found: Bools = flags.isin(["NA", "NaN"]).to_numpy(dtype=bool)
    return found


def flag_codes(cells: Sequence[Any], *, sparse: bool = False) -> Codes:
    """The flags of cells as codes of :data:`FLAG_DTYPE`, -1 for none; with `sparse` null is no sample and has none."""
    if isinstance(cells, ArrowColumn):
        codes = np.full(len(cells), _VALUE, np.int8)
        if not sparse:
            codes[bools_of(cells.values.is_null())] = _NULL
        if isinstance(cells, NumberColumn):
            codes[bools_of(cells.values.is_nan())] = _NAN
        if cells.na is not None:
            codes[bools_of(cells.na)] = _NA
        return codes
    return np.fromiter((_code(cell, sparse) for cell in cells), dtype=np.int8, count=len(cells))


def has_missing(cells: Sequence[Any]) -> bool:
    """Whether a cell may be a sample without a value, NA or NaN."""
    if not isinstance(cells, ArrowColumn):
        return True
    return cells.na is not None or (isinstance(cells, NumberColumn) and pc.any(pc.is_nan(cells.values)).as_py() is True)


def _code(cell: Any, sparse: bool) -> int:
    if cell is None:
        return _VALUE if sparse else _NULL
    if cell is NA:
        return _NA
    return _NAN if is_nan(cell) else _VALUE


def split_flags(df: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The values and the flags of a wide frame that was read with ``na="flag"``, in two frames.

    Both have the same index and the same labels. MetadataError where the frame does not have a column of flags for each
    point.
    """
    labels = [label for label in df.columns if isinstance(label, str | tuple)]
    named = {flag_label(label) for label in labels}
    flagged = [label for label in labels if label in named and df[label].dtype == FLAG_DTYPE]
    points = [label for label in df.columns if label not in flagged]
    if not flagged or [flag_label(label) for label in points] != flagged:
        raise MetadataError(
            "the frame does not have a column of flags for each point; expected what his_read(..., na='flag') gave"
        )
    return df[points], df[flagged].set_axis(df[points].columns, axis=1)
