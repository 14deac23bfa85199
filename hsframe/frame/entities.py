"""The answer of ``read`` as a frame: one row per entity, one column per tag, made column by column.

====================  ==========================================================================================
Tag of kind           Column
====================  ==========================================================================================
Marker                bool: whether the tag is there
Bool                  ``boolean``, missing ``pd.NA``
Number, one unit      ``UnitDtype``; without a unit float64; missing and NA are NaN
Number, several       object of ``Number``, missing NaN
Str, Uri, Symbol      ``str``, missing NaN
Ref                   ``str``: the id without ``@``; the display names are in the column ``siteRef->dis`` after it
DateTime              ``datetime64[us, zone]``; of several zones ``datetime64[us, UTC]``; missing NaT
Date, Time            object, missing None
all others, mixtures  object of the kinds, missing None
====================  ==========================================================================================

The column of display names is left out where no Ref has one, and for ``id`` where tag ``dis`` is equal.
It is a column, not an attribute, so that it lives through merge, concat and Parquet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.columns import DictionaryColumn, LazyColumn, RefColumn, StrColumn, TimeColumn
from hsframe.errors import ZoneError
from hsframe.frame.histories import NAT_US
from hsframe.frame.points import DIS_SUFFIX
from hsframe.frame.trend import time_index
from hsframe.frame.values import value_array
from hsframe.grid import Grid
from hsframe.kinds import NA, Marker, Na, Number, Ref, Symbol, Uri
from hsframe.spans import epoch_us
from hsframe.zones import haystack_name, zone

_MISSING = {type(None), Na}
_TEXTS = frozenset({Uri, Symbol})


def entity_frame(grid: Grid) -> pd.DataFrame:
    """The frame of the entities in the answer of ``read``, ``nav``, ``about`` or any op whose rows are records.

    Index: 0, 1, ... in the order of the answer. A column a tag, see the table at the head of this module; the id stays
    a column ``id``, so that the frame can be given to ``his_read`` and ``his_write`` as it is.

    >>> from hsframe.kinds import MARKER
    >>> grid = Grid.from_rows({}, ["id", "site"], [{"id": Ref("a", "HQ"), "site": MARKER}, {"id": Ref("b")}])
    >>> entity_frame(grid)
      id id->dis   site
    0  a      HQ   True
    1  b     NaN  False
    """
    columns: dict[str, Any] = {}
    for col, cells in zip(grid.cols, grid.columns, strict=True):
        array, names = _array_and_names(cells)
        columns[col.name] = array
        if names is not None and not (col.name == "id" and _says_the_same(names, grid)):
            columns[col.name + DIS_SUFFIX] = names
    return pd.DataFrame(columns, index=pd.RangeIndex(len(grid)), columns=pd.Index(list(columns), dtype="str"))


def _array_and_names(cells: Sequence[Any]) -> tuple[Any, Any]:
    """A column's array, and the display names of its Refs; None where no Ref has one."""
    if isinstance(cells, DictionaryColumn) and cells.shares_all:
        # What the column becomes, its different values tell.
        values = cells.values
        kinds = set(map(type, values)) - _MISSING
        if kinds == {str}:
            return _coded_texts([value if type(value) is str else None for value in values], cells.codes), None
        if kinds == {Ref}:
            ids = _coded_texts([value.val if type(value) is Ref else None for value in values], cells.codes)
            dis = [value.dis if type(value) is Ref else None for value in values]
            return ids, _coded_texts(dis, cells.codes) if any(dis) else None
        # A null at the end, because the code of a null is -1.
        return _array_and_names([*values, None])[0].take(cells.codes), None
    if isinstance(cells, RefColumn):
        has_names = cells.names is not None and (pc.max(pc.binary_length(cells.names)).as_py() or 0) > 0
        return _arrow_texts(cells.values), _arrow_texts(cells.names) if has_names else None
    if isinstance(cells, LazyColumn):
        column = cells.column
        if isinstance(column, StrColumn):
            return _arrow_texts(column.values), None
        if isinstance(column, TimeColumn):
            ts_us = column.values.fill_null(NAT_US).to_numpy(zero_copy_only=False)
            return time_index(ts_us, _zone_of({zone(column.tz)}), name=None), None
        return value_array([column]), None
    cells = cells if isinstance(cells, tuple | list) else list(cells)
    types = set(map(type, cells))
    if Ref in types and types <= {Ref, *_MISSING}:
        names = [cell.dis if type(cell) is Ref else None for cell in cells]
        return _column(cells, types), _texts(names) if any(names) else None
    return _column(cells, types), None


def _says_the_same(names: Any, grid: Grid) -> bool:
    if not grid.has_col("dis"):
        return False
    texts = _array_and_names(grid.column("dis"))[0]
    if not isinstance(texts.dtype, pd.StringDtype):  # pandas compares texts with nothing else
        return all(pd.isna(name) or name == dis for name, dis in zip(names, grid.column("dis"), strict=True))
    return bool(((names == texts) | names.isna()).all())


def _column(cells: Sequence[Any], types: set[type]) -> Any:
    kinds = types - _MISSING
    if not kinds:
        return _objects(cells)
    if kinds == {Marker} and Na not in types:
        return np.fromiter((cell is not None for cell in cells), dtype=bool, count=len(cells))
    if kinds in ({bool}, {Number}):
        return value_array([cells])
    if kinds == {str}:
        return _texts([cell if type(cell) is str else None for cell in cells])
    if kinds == {Ref}:
        return _texts([cell.val if type(cell) is Ref else None for cell in cells])
    if len(kinds) == 1 and kinds <= _TEXTS:
        return _texts([None if cell is None or cell is NA else cell.val for cell in cells])
    zones = {cell.tzinfo for cell in cells if type(cell) is datetime}
    if kinds == {datetime} and None not in zones:  # without one it is no Haystack DateTime, and kept as it is
        ts_us = np.array([epoch_us(cell) if type(cell) is datetime else NAT_US for cell in cells], dtype=np.int64)
        return time_index(ts_us, _zone_of(zones), name=None)
    return _objects(cells)


def _texts(texts: Sequence[str | None]) -> Any:
    return pd.array(texts, dtype="str")


def _coded_texts(texts: Sequence[str | None], codes: Any) -> Any:
    return _arrow_texts(pa.array(texts, pa.large_string()).take(pa.array(codes, mask=codes < 0)))


def _arrow_texts(texts: Any) -> Any:
    text_type: Any = pd.StringDtype(na_value=np.nan)  # __from_arrow__ is in the interface of dtypes, not in the stubs
    return text_type.__from_arrow__(texts)


def _objects(cells: Sequence[Any]) -> Any:
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def _zone_of(zones: set[Any]) -> ZoneInfo:
    try:
        names = {haystack_name(of) for of in zones}
    except ZoneError:
        return zone("UTC")  # a fixed offset without a name: the instant is what counts
    return zone(names.pop()) if len(names) == 1 else zone("UTC")
