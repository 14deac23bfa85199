"""Several grids in one body, as SkySpark answers ``evalAll``: Zinc grids one below the other, a list of JSON grids."""

from __future__ import annotations

import re
from typing import Final

from hsframe.codecs import decode
from hsframe.codecs.formats import body_start, format_named, has_kinds
from hsframe.grid import Grid

__all__ = ["decode_all"]

# Texts and uris may hold anything; grids within grids begin with a version line of their own.
_TOKENS: Final = re.compile(rb'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`|<<|>>|^ver:', re.MULTILINE)


def decode_all(body: bytes, mime: str) -> list[Grid]:
    r"""The grids of a body.

    Parameters
    ----------
    body : bytes
        In UTF-8. Zinc grids are separated by empty lines; in JSON a list holds the grids. A lone grid is a list of one.
    mime : str
        As for :func:`hsframe.codecs.decode`.

    Returns
    -------
    list of Grid

    Raises
    ------
    CodecError
        The body is not what the format promises.

    Examples
    --------
    >>> grids = decode_all(b'ver:"3.0"\nval\n1\n\nver:"3.0"\nval\n"x"\n', "zinc")
    >>> [grid[0]["val"] for grid in grids]
    [Number(1), 'x']
    """
    short = format_named(mime).short
    if short == "zinc":
        return [decode(piece, mime) for piece in _zinc_pieces(body)]
    if short in ("json4", "json3") and body_start(body).startswith(b"["):
        return _json_grids(body)
    return [decode(body, mime)]


def _zinc_pieces(body: bytes) -> list[bytes]:
    starts: list[int] = []
    depth = 0
    for token in _TOKENS.finditer(body):
        text = token[0]
        if text == b"<<":
            depth += 1
        elif text == b">>":
            depth -= 1
        elif text == b"ver:" and depth == 0:
            starts.append(token.start())
    if len(starts) < 2:
        return [body]
    return [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]


def _json_grids(body: bytes) -> list[Grid]:
    from hsframe.codecs.json3 import Json3
    from hsframe.codecs.json4 import Json4

    codec = Json4() if has_kinds(body) else Json3()
    return [codec.grid_from(item) for item in codec.load(body)]
