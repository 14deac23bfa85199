"""Where grids, lists and dicts of Zinc end, by their brackets alone: nothing is read of what is between them."""

from __future__ import annotations

import re
from typing import Final

from hsframe.codecs.body_text import GRID_BYTES
from hsframe.options import Limits

# Texts and uris may hold anything, and what is not closed goes to the end of its line; grids within grids begin with a
# version line of their own.
_TOKENS: Final = re.compile(
    rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?|`[^`\\\n]*+(?:\\.[^`\\\n]*+)*+`?|<<|>>|^ver:', re.MULTILINE
)

# A text or a uri, or a bracket outside of them.
_BRACKETS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|`[^`\\]*+(?:\\.[^`\\]*+)*+`|[][{}]')


def bracket_end(text: bytes) -> int:
    """Where the list or dict ends that a text begins with; 0 where it begins with neither, or none ends.

    >>> bracket_end(b'[1,{a:"]"}],2')
    11
    """
    depth = 0
    for token in _BRACKETS.finditer(text) if text[:1] in (b"[", b"{") else ():
        depth += (token[0] in (b"[", b"{")) - (token[0] in (b"]", b"}"))
        if depth == 0:
            return token.end()
    return 0


def split_zinc(body: bytes, limits: Limits = Limits()) -> list[bytes] | None:
    r"""The texts of the grids one below the other, as SkySpark answers ``evalAll``; None where there is one.

    >>> split_zinc(b'ver:"3.0"\nval\n1\n\nver:"3.0"\nval\n"x"\n')
    [b'ver:"3.0"\nval\n1\n\n', b'ver:"3.0"\nval\n"x"\n']
    """
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
            limits.check_memory(len(body) + GRID_BYTES * len(starts), "zinc")
    if len(starts) < 2:
        return None
    return [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]
