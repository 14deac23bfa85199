"""Several grids in one body, as SkySpark answers ``evalAll``: Zinc grids one below the other, a list of JSON grids."""

from __future__ import annotations

import re
from typing import Final

from hsframe.codecs.body_text import text_of
from hsframe.codecs.json_common import scan_json, skip_json_blanks

# Texts and uris may hold anything; grids within grids begin with a version line of their own.
_TOKENS: Final = re.compile(rb'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`|<<|>>|^ver:', re.MULTILINE)


def split_zinc(body: bytes) -> list[bytes] | None:
    r"""The texts of the grids; None where there is one.

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
    if len(starts) < 2:
        return None
    return [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]


def split_json(body: bytes) -> list[bytes] | None:
    """The texts of the items of a list; None where the body is no list.

    >>> split_json(b'[{"a": 1}, {"a": 2}]')
    [b'{"a": 1}', b'{"a": 2}']
    """
    text = text_of(body, "json").lstrip()
    if not text.startswith("["):
        return None
    items = []
    at, mark = 1, ","
    try:
        while mark == ",":
            _, end = scan_json(text, at := skip_json_blanks(text, at))
            items.append(text[at:end].encode())
            at = skip_json_blanks(text, end)
            mark, at = text[at : at + 1], at + 1
    except (ValueError, RecursionError):
        return None  # the reader of one grid says what is wrong
    return None if mark != "]" or text[at:].strip() else items
