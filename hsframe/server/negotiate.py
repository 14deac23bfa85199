"""Which format the answer has, and which the request: Accept, Content-Type, Accept-Encoding.

Formats are named by their short names, as :mod:`hsframe.codecs` has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["Format", "accepts_gzip", "answer_format", "media", "request_format"]

_VND: Final = "application/vnd.haystack+json"


@dataclass(frozen=True)
class Format:
    """A format and the MIME type that it goes by in one exchange."""

    short: str
    mime: str


def media(text: str) -> tuple[str, dict[str, str]]:
    """A media type and its parameters, lower case.

    Examples
    --------
    >>> media("application/vnd.haystack+json; version=3;q=0.5")
    ('application/vnd.haystack+json', {'version': '3', 'q': '0.5'})
    """
    kind, *rest = text.split(";")
    params: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        params[name.strip().lower()] = value.strip().strip('"').lower()
    return kind.strip().lower(), params


def _format(kind: str, params: dict[str, str]) -> Format | None:
    """What one media type means; None where this server does not speak it."""
    if params.get("charset", "utf-8") not in ("utf-8", "utf8"):
        return None
    if kind == _VND:
        version = params.get("version", "4")
        return Format(f"json{version}", f"{_VND};version={version}") if version in ("3", "4") else None
    if kind == "application/json":
        version = params.get("version", "4")
        return Format(f"json{version}", kind) if version in ("3", "4") else None
    return {
        "text/zinc": Format("zinc", "text/zinc; charset=utf-8"),
        "text/plain": Format("zinc", "text/plain; charset=utf-8"),
        "text/trio": Format("trio", "text/trio; charset=utf-8"),
        "text/csv": Format("csv", "text/csv; charset=utf-8"),
        "text/*": Format("zinc", "text/zinc; charset=utf-8"),
        "*/*": Format("zinc", "text/zinc; charset=utf-8"),
        "application/*": Format("json4", "application/json"),
    }.get(kind)


def answer_format(accept: str | None) -> Format | None:
    """The format that suits an Accept header best; without one, Zinc.

    A quality that is not a number counts as 1; of equal qualities a named type goes before a wildcard, then the first.

    Parameters
    ----------
    accept : str or None
        The header.

    Returns
    -------
    Format or None
        None: nothing that the client takes is spoken here (HTTP 406).

    Examples
    --------
    >>> answer_format("text/html, application/json;q=0.9, */*;q=0.1").short
    'json4'
    """
    if accept is None or not accept.strip():
        return _format("*/*", {})
    best: tuple[float, bool, int] | None = None
    chosen: Format | None = None
    for number, item in enumerate(accept.split(",")):
        kind, params = media(item)
        quality = _quality(params.pop("q", "1"))
        found = _format(kind, params)
        if found is None or quality <= 0:
            continue
        rank = (quality, "*" not in kind, -number)
        if best is None or rank > best:
            best, chosen = rank, found
    return chosen


def request_format(content_type: str | None) -> str | None:
    """The short name of the format of a request body; None where it is not read here (HTTP 415).

    Examples
    --------
    >>> request_format("text/zinc; charset=utf-8"), request_format("text/csv")
    ('zinc', None)
    """
    if not content_type:
        return None
    kind, params = media(content_type)
    found = None if "*" in kind else _format(kind, params)
    return None if found is None or found.short == "csv" else found.short


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding header takes gzip.

    Examples
    --------
    >>> accepts_gzip("gzip, deflate"), accepts_gzip("gzip;q=0"), accepts_gzip(None)
    (True, False, False)
    """
    for item in (accept_encoding or "").split(","):
        coding, params = media(item)
        if coding in ("gzip", "x-gzip"):
            return _quality(params.get("q", "1")) > 0
    return False


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return quality if math.isfinite(quality) else 1.0
