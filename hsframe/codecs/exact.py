"""The exact codecs, which are the law, and the names of their formats.

A format is named by its MIME type or by a short name. The modules of the formats load on first use.
"""

from __future__ import annotations

from typing import Final

from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["SHORT_NAMES", "NeedsExactParserError", "decode_exact", "encode_exact", "known_short", "mime_of", "short_of"]

_MIMES: Final = {
    "zinc": "text/zinc",
    "json4": "application/vnd.haystack+json;version=4",
    "json3": "application/vnd.haystack+json;version=3",
    "trio": "text/trio",
    "csv": "text/csv",
}

_SHORTS: Final = {mime: short for short, mime in _MIMES.items()} | {
    "application/vnd.haystack+zinc": "zinc",
    "text/plain": "zinc",
}

#: The short names of the formats; ``json`` is another name of ``json4``.
SHORT_NAMES: Final = tuple(_MIMES)


class NeedsExactParserError(Exception):
    """The body is so unusual, or so wrong, that only the exact parser can say what it is; raised by the quick ways."""


def mime_of(short: str) -> str:
    """The MIME type to ask a server for.

    Parameters
    ----------
    short : str
        ``"zinc"``, ``"json4"`` or ``"json"``, ``"json3"``, ``"trio"``, ``"csv"``; a MIME type of one of these too.

    Raises
    ------
    CodecError
        No such format.

    Examples
    --------
    >>> mime_of("json3")
    'application/vnd.haystack+json;version=3'
    """
    return _MIMES[known_short(short)]


def short_of(mime: str) -> str | None:
    """The short name of a MIME type, with or without parameters; None for one that is no format of Haystack.

    Parameters
    ----------
    mime : str
        In any case. ``application/json`` is version 4, as the standard has it; ``text/plain`` is Zinc, as old servers
        send it. A short name gives itself.

    Examples
    --------
    >>> short_of("text/zinc; charset=utf-8"), short_of("application/vnd.haystack+json; version=3")
    ('zinc', 'json3')
    """
    name, *parameters = (part.strip() for part in mime.lower().split(";"))
    if name in _MIMES:
        return name
    if name in ("json", "application/json", "application/vnd.haystack+json"):
        values = dict(part.replace(" ", "").replace('"', "").partition("=")[::2] for part in parameters)
        version = values.get("version") or values.get("v") or "4"
        return {"3": "json3", "3.0": "json3", "4": "json4", "4.0": "json4"}.get(version)
    return _SHORTS.get(name)


def known_short(mime: str) -> str:
    """The short name of a MIME type, or an error that lists the formats."""
    short = short_of(mime)
    if short is None:
        raise CodecError(
            f"{mime!r} is no format of Haystack",
            expected=f"one of {', '.join(SHORT_NAMES)}, or a MIME type: {', '.join(_MIMES.values())}",
        )
    return short


def decode_exact(body: bytes | str, mime: str) -> Grid:
    """The same as :func:`hsframe.codecs.decode` by the exact codecs alone, every cell a Python object.

    The exact codecs are the law: where :func:`hsframe.codecs.decode` takes a quicker way, it gives what this gives.
    """
    short = known_short(mime)
    if short == "zinc":
        from hsframe.codecs.zinc import decode_zinc

        return decode_zinc(body)
    if short == "trio":
        from hsframe.codecs.trio import decode_trio

        return decode_trio(body)
    if short == "csv":
        raise CodecError(
            "CSV is write-only: it does not keep the kinds of its values", expected="Zinc, JSON or Trio", source="csv"
        )
    from hsframe.codecs.json3 import Json3
    from hsframe.codecs.json4 import Json4
    from hsframe.codecs.json_common import has_kinds

    # A grid of version 4 says "_kind", so what does not is of version 3, whatever was asked. A bare dict may say
    # nothing, and is then what was asked.
    if has_kinds(body):
        return Json4().decode(body)
    codec = Json4() if short == "json4" else Json3()
    value = codec.load(body)
    bare = isinstance(value, dict) and "cols" not in value
    return (codec if bare else Json3()).grid_from(value)


def encode_exact(grid: Grid, mime: str) -> bytes:
    """The same as :func:`hsframe.codecs.encode` by the exact writers alone.

    Where :func:`hsframe.codecs.encode` takes a quicker way, its body decodes to the same grid as this one's.
    """
    short = known_short(mime)
    if short == "zinc":
        from hsframe.codecs.zinc_write import encode_zinc as write
    elif short == "json4":
        from hsframe.codecs.json4 import Json4

        write = Json4().encode
    elif short == "json3":
        from hsframe.codecs.json3 import Json3

        write = Json3().encode
    elif short == "trio":
        from hsframe.codecs.trio import encode_trio as write
    else:
        from hsframe.codecs.csv import encode_csv as write
    return write(grid)
