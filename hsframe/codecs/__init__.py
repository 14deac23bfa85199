"""Bytes to Grid and back: Zinc, JSON of both versions, Trio, CSV (standard: chapters Zinc, Json, Trio, Csv).

:mod:`hsframe.codecs.exact` is the law; a history or many records go a quicker way that gives the same.
"""

from __future__ import annotations

import re
from typing import Final

from hsframe.codecs.exact import (
    SHORT_NAMES,
    NeedsExactParserError,
    decode_exact,
    encode_exact,
    known_short,
    mime_of,
    short_of,
)
from hsframe.columns import TimeColumn
from hsframe.grid import Grid

__all__ = [
    "SHORT_NAMES",
    "NeedsExactParserError",
    "decode",
    "decode_exact",
    "encode",
    "encode_exact",
    "mime_of",
    "short_of",
]

# A history of fewer bytes is read before pyarrow has loaded; records of fewer bytes before their columns are set up.
_WORTH_COLUMNS: Final = 4096
_WORTH_RECORDS: Final = 200_000

# A history's first column is ts.
_ZINC_HISTORY: Final = re.compile(rb"[^\n]*\n[ \t]*ts[ \t,]")
_JSON_HISTORY: Final = re.compile(rb'"name"\s*:\s*"ts"')
_LOOK_BYTES: Final = 65_536


def decode(body: bytes | str, mime: str) -> Grid:
    r"""The grid of an answer's body.

    Parameters
    ----------
    body : bytes or str
        The whole body, in UTF-8.
    mime : str
        The MIME type that was asked for, or a short name. Which version a JSON body is, the body itself decides where
        it says so.

    Returns
    -------
    Grid
        Its columns may be those of :mod:`hsframe.columns`, where the body is a history.

    Raises
    ------
    CodecError
        The body is not what the format promises, or the format cannot be read (CSV is write-only).

    Examples
    --------
    >>> decode(b'ver:"3.0"\nid\n@a\n', "text/zinc")[0]["id"]
    Ref('a')
    """
    short = known_short(mime)
    grid = None
    if isinstance(body, bytes) and len(body) >= _WORTH_COLUMNS and _may_be_history(body, short):
        from hsframe.codecs.histories import try_decode

        grid = try_decode(body, short)
    elif isinstance(body, bytes) and len(body) >= _WORTH_RECORDS and short in ("zinc", "json4", "json3"):
        from hsframe.codecs.entities import try_records

        grid = try_records(body, short)
    return decode_exact(body, short) if grid is None else grid


def _may_be_history(body: bytes, short: str) -> bool:
    """Whether a look at the columns is worth loading Arrow: other answers never come here."""
    if short == "zinc":
        return _ZINC_HISTORY.match(body) is not None
    return short != "trio" and _JSON_HISTORY.search(body, 0, _LOOK_BYTES) is not None


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
    short = known_short(mime)
    if short in ("zinc", "json4") and grid.columns and isinstance(grid.columns[0], TimeColumn):
        from hsframe.codecs.histories import encode_history

        return encode_history(grid, short)
    return encode_exact(grid, mime)
