"""Bytes to Grid and back: Zinc, JSON of both versions, Jeto, Trio, CSV (standard: chapters Zinc, Json, Trio, Csv).

:mod:`hsframe.codecs.formats` is the table of the formats and of their exact codecs: a history or many records are read
faster, with the same result.
"""

from __future__ import annotations

import re
from typing import Final

from hsframe.caller_warnings import DeferredWarnings
from hsframe.codecs.formats import decode_exact, encode_exact, format_named
from hsframe.columns import TimeColumn
from hsframe.grid import Grid
from hsframe.options import Limits

__all__ = ["decode", "decode_exact", "encode", "encode_exact"]

# A history of fewer bytes is read before pyarrow has loaded; records of fewer bytes before their columns are set up.
_WORTH_COLUMNS: Final = 4096
_WORTH_RECORDS: Final = 200_000

# The formats that are read by columns too, and what the beginning of a history in them holds: its first column is ts.
_JSON_HISTORY: Final = re.compile(rb'"name"\s*:\s*"ts"')
_HISTORY: Final = {
    "zinc": re.compile(rb"\A[^\n]*\n[ \t]*ts[ \t,]"),
    "json4": _JSON_HISTORY,
    "json3": _JSON_HISTORY,
}
_LOOK_BYTES: Final = 65_536


def decode(body: bytes | str, mime: str, *, limits: Limits = Limits()) -> Grid:
    r"""The grid of an answer's body.

    Parameters
    ----------
    body : bytes or str
        The whole body, in UTF-8.
    mime : str
        The MIME type that was asked for, or a short name. Which version a JSON body is, the body itself decides where
        it says so.
    limits : Limits
        How much the body may hold.

    Returns
    -------
    Grid
        Its columns may be those of ``hsframe.columns``, where the body is a history. A JSON list of records is a
        row each; of several grids, a column ``val`` of them.

    Raises
    ------
    CodecError
        The body is not what the format promises, holds more than is allowed, or the format cannot be read (CSV).

    Warns
    -----
    ZoneWarning
        A timestamp has an offset that its zone does not have on that day, or is in a zone that is not known here. The
        offset gives its instant; that of an unknown zone is shown in UTC.

    Examples
    --------
    >>> decode(b'ver:"3.0"\nid\n@a\n', "text/zinc")[0]["id"]
    Ref('a')
    """
    short = format_named(mime).short
    limits.check("answer_bytes", len(body), short, is_all=True)
    grid = None
    with DeferredWarnings():
        if short in _HISTORY and isinstance(body, bytes) and len(body) >= _WORTH_COLUMNS:
            if _HISTORY[short].search(body, 0, _LOOK_BYTES):
                from hsframe.codecs.histories import try_decode

                grid = try_decode(body, short, limits)
            elif len(body) >= _WORTH_RECORDS:
                from hsframe.codecs.entities import try_records

                grid = try_records(body, short, limits)
        return decode_exact(body, short, limits) if grid is None else grid


def encode(grid: Grid, mime: str) -> bytes:
    r"""The grid as a body, in UTF-8 without byte order mark.

    Parameters
    ----------
    grid : Grid
        The grid.
    mime : str
        A MIME type or a short name.

    Returns
    -------
    bytes

    Raises
    ------
    CodecError
        The format cannot write something in the grid, or there is no such format.

    Examples
    --------
    >>> encode(Grid({}, ["n"], [[1, 2]]), "zinc")
    b'ver:"3.0"\nn\n1\n2\n'
    """
    short = format_named(mime).short
    if grid.columns and isinstance(grid.columns[0], TimeColumn):
        from hsframe.codecs.histories import encode_history

        return encode_history(grid, short)
    return encode_exact(grid, short)
