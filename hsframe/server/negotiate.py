"""The formats of answer and request, by the headers Accept, Content-Type and Accept-Encoding.

Formats are named by their short names, as :mod:`hsframe.codecs.formats` has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hsframe.codecs.formats import FORMATS, media_type, mime_of, short_of

_WILDCARDS: Final = {"*/*": "text/zinc", "text/*": "text/zinc", "application/*": "application/json"}


@dataclass(frozen=True)
class MediaFormat:
    short: str
    mime: str


def _format(kind: str, params: dict[str, str]) -> MediaFormat | None:
    """The format of a media type; None where this server does not have it."""
    if params.get("charset", "utf-8") not in ("utf-8", "utf8"):
        return None
    if kind in _WILDCARDS:
        kind, params = _WILDCARDS[kind], {}
    short = short_of(f"{kind};version={params.get('version', '')}") if "/" in kind else None
    if short is None or kind == "application/json":
        return None if short is None else MediaFormat(short, kind)
    return MediaFormat(short, f"{kind}; charset=utf-8" if kind.startswith("text/") else mime_of(short))


def answer_format(accept: str | None) -> MediaFormat | None:
    """The best format for an Accept header; without one, Zinc. None where there is none (HTTP 406).

    A quality that is not a number counts as 1; among equal ones a named type goes before a wildcard, then the first.
    """
    if accept is None or not accept.strip():
        return _format("*/*", {})
    offers = []
    for kind, params in map(media_type, accept.split(",")):
        found, quality = _format(kind, params), _quality(params)
        if found is not None and quality > 0:
            offers.append((quality, "*" not in kind, found))
    return max(offers, key=lambda offer: offer[:2])[2] if offers else None


def request_format(content_type: str | None) -> str | None:
    """The short name of the format of a request body; None where the server does not read it (HTTP 415)."""
    kind, params = media_type(content_type or "")
    found = None if "*" in kind else _format(kind, params)
    return None if found is None or FORMATS[found.short].read is None else found.short


def accepts_gzip(accept_encoding: str | None) -> bool:
    for coding, params in map(media_type, (accept_encoding or "").split(",")):
        if coding in ("gzip", "x-gzip"):
            return _quality(params) > 0
    return False


def _quality(params: dict[str, str]) -> float:
    try:
        quality = float(params.get("q", "1"))
    except ValueError:
        return 1.0
    return quality if math.isfinite(quality) else 1.0
