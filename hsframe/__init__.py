"""Project Haystack servers to pandas: trends with units and time zones that are right.

::

    import hsframe
    hsframe.connect("http://127.0.0.1:8080/api", "demo", "demo")
    points = hsframe.read("point and temp")
    df = hsframe.his_read(points, "lastWeek")

Importing this package registers the unit dtype and the accessor ``df.hs`` with pandas. What stands behind them, and
everything that speaks to a server, is loaded when it is first used.
"""

# ruff: noqa: F405 - the names of the verbs stand in __all__; type checkers find them by the star import
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import pandas as _pd

from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    ConnectionLostError,
    GapWarning,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    LoginWarning,
    MetadataError,
    NetworkError,
    NotConnectedError,
    OtherPointError,
    ReadWarning,
    RequestTimeoutError,
    SpanError,
    TruncatedBodyError,
    UnitError,
    UnitWarning,
    UnknownRecError,
    WriteWarning,
    ZoneError,
    ZoneWarning,
)
from hsframe.grid import Col, Grid, GridBuilder, Row
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr
from hsframe.unit_array import array as _array  # noqa: F401 - registers the dtype with its array
from hsframe.unit_array.dtype import UnitDtype
from hsframe.version import __version__ as __version__

if TYPE_CHECKING:
    from hsframe import options, spans, testing, units
    from hsframe.analysis.accessor import FrameAccessor, SeriesAccessor
    from hsframe.analysis.degree_days import degree_days
    from hsframe.client import Client
    from hsframe.client.tls import TLSConfig
    from hsframe.codecs import decode, encode
    from hsframe.frame.arrow import arrow_to_frame, frame_to_arrow
    from hsframe.frame.combine import concat
    from hsframe.frame.convert import grid_to_frame
    from hsframe.frame.parquet import read_parquet, write_parquet
    from hsframe.frame.read_rows import with_points
    from hsframe.frame.tables import table
    from hsframe.frame.unit_results import with_units
    from hsframe.notebook_copies import copy_notebooks
    from hsframe.options import Limits
    from hsframe.session import AsyncSession, Session
    from hsframe.session.archive import Archive
    from hsframe.session.default import close, connect, doctor, frame_to_his_grids
    from hsframe.session.verbs import *  # noqa: F403 - see above

# What comes from which module when it is first used (PEP 562); all others are verbs.
_LAZY: Final = {
    "analysis.degree_days": "degree_days",
    "client": "Client",
    "client.tls": "TLSConfig",
    "codecs": "decode encode",
    "frame.arrow": "arrow_to_frame frame_to_arrow",
    "frame.combine": "concat",
    "frame.convert": "grid_to_frame",
    "frame.parquet": "read_parquet write_parquet",
    "frame.read_rows": "with_points",
    "frame.tables": "table",
    "frame.unit_results": "with_units",
    "notebook_copies": "copy_notebooks",
    "options": "Limits",
    "session": "AsyncSession Session",
    "session.archive": "Archive",
    "session.default": "close connect doctor frame_to_his_grids",
}
_LAZY_MODULES: Final = ("options", "spans", "testing", "units")

__all__ = [
    "MARKER", "NA", "REMOVE", "Archive", "AsyncSession", "AuthError", "Bin", "CallError", "Client", "CodecError", "Col",
    "ConnectionLostError", "Coord", "GapWarning", "Grid", "GridBuilder", "HTTPStatusError", "HsFrameError",
    "IncompleteError", "Limits", "LoginWarning", "Marker", "MetadataError", "Na", "NetworkError", "NotConnectedError",
    "Number", "OtherPointError", "ReadWarning", "Ref", "Remove", "RequestTimeoutError", "Row", "Session", "SpanError",
    "Symbol", "TLSConfig", "TruncatedBodyError", "UnitDtype", "UnitError", "UnitWarning", "UnknownRecError", "Uri",
    "WriteWarning", "XStr", "ZoneError", "ZoneWarning", "about", "arrow_to_frame", "call", "close", "commit", "concat",
    "connect", "copy_notebooks", "decode", "defs", "degree_days", "doctor", "encode", "estimate", "eval", "eval_all",
    "export", "filetypes", "find", "formats", "frame_to_arrow", "frame_to_his_grids", "grid_to_frame", "his_iter",
    "his_read", "his_remove", "his_write", "inventory", "invoke_action", "latest", "libs", "matrix", "nav", "ops",
    "options", "point_write", "point_write_array", "read", "read_by_ids", "read_parquet", "spans", "specs", "table",
    "testing", "tree", "units", "watch", "watch_close", "watch_poll", "watch_sub", "watch_unsub", "with_points",
    "with_units", "write_parquet",
]  # fmt: skip


@_pd.api.extensions.register_dataframe_accessor("hs")  # type: ignore[type-var]  # the stubs take classes alone
def _df_hs(df: _pd.DataFrame) -> FrameAccessor:
    from hsframe.analysis.accessor import FrameAccessor

    return FrameAccessor(df)


@_pd.api.extensions.register_series_accessor("hs")  # type: ignore[type-var]  # the stubs take classes alone
def _series_hs(series: _pd.Series[Any]) -> SeriesAccessor:
    from hsframe.analysis.accessor import SeriesAccessor

    return SeriesAccessor(series)


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        return importlib.import_module(f"hsframe.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'hsframe' has no attribute {name!r}")
    module = next((module for module, names in _LAZY.items() if name in names.split()), "session.verbs")
    value = getattr(importlib.import_module(f"hsframe.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
