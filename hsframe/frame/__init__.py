"""Grids to pandas and back. Importing this package registers the unit dtype.

A short tour, from the bottom:

- ``points``: a point, its display name, the catalog in ``df.attrs["hsframe"]``
- ``points_like``: what is taken for points
- ``values``: one column of a history to one pandas array, without one object per row
- ``histories``: the history of each point in an answer of hisRead
- ``tracks``: the whole history of each point, its windows put together; ``tidy``: as one table, a row per sample
- ``labels``: what columns are called
- ``trend``: histories to a frame: one index, one column per point; wide, tidy or one frame each
- ``entities``: the answer of ``read`` to a frame
- ``convert``: any grid to a frame, and back
- ``match``: which point a column belongs to; ``his_grids``: a frame to samples and to the grids of hisWrite
- ``arrow``: Arrow tables with units; ``parquet``: files of them; ``df.hs`` is in :mod:`hsframe.analysis.accessor`
"""

from __future__ import annotations

from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype

__all__ = ["UnitArray", "UnitDtype"]
