"""Histories as Dask DataFrames, fetched by the workers, with their units: the extra ``dask``.

Importing this package registers :class:`hsframe.UnitDtype` with Dask: frames keep their units in means, sums, groups,
joins, ``resample``, ``set_index`` and ``to_parquet``. Dask makes the scalars of a column by itself and loses the unit,
so ``ddf["kW"].sum()`` is a plain number; :func:`statistic` gives it with its unit.
"""

import importlib.util

if importlib.util.find_spec("distributed") is None:
    raise ImportError("hsframe.dask needs Dask: pip install 'hsframe[dask]'")

from hsframe.dask.dtypes import statistic
from hsframe.dask.frames import his_read
from hsframe.dask.worker import close

__all__ = ["close", "his_read", "statistic"]
