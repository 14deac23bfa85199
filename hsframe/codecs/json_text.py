"""JSON as a text: the objects that Python's own library makes of it, the items of a list, and where a value ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn

from hsframe.codecs.body_text import GRID_BYTES, check_objects, error_at, escape_parts, excerpt, text_of, too_deep
from hsframe.errors import CodecError
from hsframe.options import Limits

# json.loads joins surrogates of two escapes, and makes a lone one of one; group 1 is such a one.
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_HALF: Final = r"\\u[dD][{}][0-9a-fA-F]{{2}}"
_ESCAPE = re.compile(rf"{_HALF.format('89abAB')}{_HALF.format('c-fC-F')}|({_HALF.format('89a-fA-F')})|\\.", re.DOTALL)
_BLANKS = re.compile(r"[ \t\r\n]*")
#: The value that begins at a position of a text, and the position after it.
scan_json = json.JSONDecoder().raw_decode


def skip_json_blanks(text: str, at: int) -> int:
    return _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # it matches everywhere


def json_value_length(body: bytes, at: int = 0) -> int | None:
    """The bytes of the value at a place of a body that goes on after it; None where none ends within some mebibytes."""
    size = 512
    while True:
        text = body[at : at + size].decode("utf-8", "ignore")
        with suppress(ValueError, RecursionError):
            _, end = scan_json(text)
            if end < len(text):
                return len(text[:end].encode())
        if at + size >= len(body) or size > 1 << 20:
            return None
        size *= 8


def load_json(
    text: str, source: str, limits: Limits, object_of: Callable[[list[tuple[str, Any]]], Any], *, strict: bool = True
) -> Any:
    """What ``json.loads`` gives; `object_of` makes each object of its pairs.

    Where it is not `strict`, texts may have control characters that are not escaped.
    """

    def no_constant(name: str) -> NoReturn:
        raise CodecError(f"{name} is not JSON", expected=f'"{name}" in quotes, as a number', source=source)

    if _SURROGATE_ESCAPE.search(text):
        parts = escape_parts(text)
        text = "".join(_ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], part) for part in parts)
    loads = partial(json.loads, parse_constant=no_constant, object_pairs_hook=object_of, strict=strict)
    try:
        try:
            return loads(text)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python refuses to make an int of thousands of digits; as a float it is what the standard has anyway.
            return loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        problem = "the text ends here" if error.pos >= len(text.rstrip()) else f"not JSON: {error.msg}"
        raise error_at(text, error.pos, problem, "a grid as a JSON object", source) from None
    except RecursionError:
        raise CodecError(**too_deep(limits), snippet=excerpt(text, 0), source=source) from None


def split_json(body: bytes, limits: Limits = Limits()) -> list[bytes] | None:
    """The texts of the items of a list; None where the body is no list.

    >>> split_json(b'[{"a": 1}, {"a": 2}]')
    [b'{"a": 1}', b'{"a": 2}']
    """
    text = text_of(body, "json").lstrip()
    if not text.startswith("["):
        return None
    check_objects(text, "json", limits)
    items: list[bytes] = []
    at, mark = 1, ","
    try:
        while mark == ",":
            _, end = scan_json(text, at := skip_json_blanks(text, at))
            items.append(text[at:end].encode())
            limits.check_memory(len(text) + GRID_BYTES * len(items), "json")
            at = skip_json_blanks(text, end)
            mark, at = text[at : at + 1], at + 1
    except (ValueError, RecursionError):
        return None  # the reader of one grid says what is wrong
    return None if mark != "]" or text[at:].strip() else items
