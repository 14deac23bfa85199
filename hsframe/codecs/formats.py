"""The table of the wire formats: their names, how a body in one begins, its exact reader and writer.

A new format is a row of :data:`FORMATS`. The exact codecs are the reference: whatever reads or writes faster gives what
these give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hsframe.caller_warnings import DeferredWarnings
from hsframe.codecs.body_text import guarded
from hsframe.codecs.csv import encode_csv
from hsframe.codecs.jeto import Jeto
from hsframe.codecs.json3 import Json3
from hsframe.codecs.json4 import Json4
from hsframe.codecs.json_common import JsonCodec
from hsframe.codecs.json_text import split_json
from hsframe.codecs.trio import decode_trio, encode_trio
from hsframe.codecs.zinc import decode_zinc
from hsframe.codecs.zinc_ends import split_zinc
from hsframe.codecs.zinc_write import encode_zinc
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.options import Limits

_LOOK_BYTES: Final = 200
_KIND_KEY: Final = re.compile(rb'"_kind"\s*:')
# A grid, or a list of grids or of records; those of version 3 have a Ref, a Marker or a Number near their beginning.
_JSON_START: Final = re.compile(rb'[\[{](.*"(?:_kind|meta|cols|rows)"|\s*\{.*:\s*"[rmn]:)?', re.DOTALL)
# What is no grid may begin like any JSON: what was asked for decides.
_JETO_START: Final = re.compile(rb'[\[{](\s*"spec"\s*:\s*"sys::Grid")?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    #: Its name in this package.
    short: str
    #: The MIME type to ask a server for.
    mime: str
    #: What people call it.
    title: str
    #: Of the name of a file, without the dot.
    extension: str
    #: The exact writer.
    write: Callable[[Grid], bytes]
    #: The exact reader; None: the format does not keep the kinds of values, so it is only written.
    read: Callable[[bytes | str, Limits], Grid] | None = None
    #: Further MIME types that servers use for it, and short names that people do.
    other_names: tuple[str, ...] = ()
    #: Whether a client may send its requests, and ask for the answers, in this format.
    carries_calls: bool = False
    #: What the first 200 bytes of a body match, its group 1 only those of a grid; None: the format is not recognized.
    start: re.Pattern[bytes] | None = None
    #: Whether a body that begins so is in this version of the format; None: there is one version.
    is_version: Callable[[bytes], bool] | None = None
    #: The texts of the grids in a body of several, None where it is one; None: the format has no such bodies.
    split: Callable[[bytes, Limits], list[bytes] | None] | None = None


def has_kinds(body: bytes | str) -> bool:
    """Whether a JSON text has a key ``_kind``, which only version 4 has; every grid of version 4 has it.

    A quote within a string is escaped, so this is no part of a text; and after a text that is "_kind" no colon follows.
    """
    if isinstance(body, str):
        return '"_kind"' in body and _KIND_KEY.search(body.encode("utf-8", "replace")) is not None
    return b'"_kind"' in body and _KIND_KEY.search(body) is not None


def _is_jeto(body: bytes) -> bool:
    """Whether a body begins as a grid of Jeto, which says first what it is."""
    match = _JETO_START.match(body_start(body))
    return match is not None and match[1] is not None


def may_be_jeto(body: bytes | str) -> bool:
    """Whether a JSON text has the text that a grid of Jeto has, in whatever place."""
    return '"sys::Grid"' in body if isinstance(body, str) else b'"sys::Grid"' in body


def _read_json(body: bytes | str, limits: Limits, asked: type[JsonCodec]) -> Grid:
    # A grid of version 4 has "_kind", so one without it is of version 3 or Jeto, whatever was asked for. Bare dicts may
    # be of any, and are read as the one that was asked for.
    if has_kinds(body):
        return Json4(limits).decode(body)
    if may_be_jeto(body):
        value = Jeto(limits).load(body)
        if any(grid.get("spec") == "sys::Grid" for grid in _grids_in(value)):
            return Jeto(limits).grid_from(value)
    value = Json3(limits).load(body)
    return (Json3 if _grids_in(value) else asked)(limits).grid_from(value)


def _grids_in(value: Any) -> list[Mapping[str, Any]]:
    """The grids that a body is: one, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict) and "cols" in item]


_ROWS: Final = (
    Format(
        short="zinc",
        mime="text/zinc",
        title="Zinc",
        extension="zinc",
        read=decode_zinc,
        write=encode_zinc,
        # Old servers send it as plain text.
        other_names=("application/vnd.haystack+zinc", "text/plain"),
        carries_calls=True,
        start=re.compile(b"(ver:)"),
        split=split_zinc,
    ),
    Format(
        short="json4",
        mime="application/vnd.haystack+json;version=4",
        title="JSON v4",
        extension="json",
        read=lambda body, limits: _read_json(body, limits, Json4),
        write=lambda grid: Json4().encode(grid),
        # Without a version it is this one (standard: chapter Json).
        other_names=("json", "application/json", "application/json;version=4", "application/vnd.haystack+json"),
        carries_calls=True,
        start=_JSON_START,
        is_version=has_kinds,
        split=split_json,
    ),
    Format(
        short="json3",
        mime="application/vnd.haystack+json;version=3",
        title="JSON v3",
        extension="json",
        read=lambda body, limits: _read_json(body, limits, Json3),
        write=lambda grid: Json3().encode(grid),
        other_names=("application/json;version=3",),
        carries_calls=True,
        start=_JSON_START,
        is_version=lambda body: not has_kinds(body) and not _is_jeto(body),
        split=split_json,
    ),
    Format(
        short="jeto",
        mime="text/jeto",
        title="Jeto",
        extension="json",
        read=lambda body, limits: Jeto(limits).decode(body),
        write=lambda grid: Jeto().encode(grid),
        start=_JETO_START,
        is_version=lambda body: _is_jeto(body),
    ),
    Format(short="trio", mime="text/trio", title="Trio", extension="trio", read=decode_trio, write=encode_trio),
    Format(short="csv", mime="text/csv", title="CSV", extension="csv", write=encode_csv),
)

#: The formats by their short names.
FORMATS: Final[Mapping[str, Format]] = {row.short: row for row in _ROWS}

_SHORTS: Final = {name: row.short for row in _ROWS for name in (row.short, row.mime, *row.other_names)}
_WITH_VERSIONS: Final = {name.partition(";")[0] for name in _SHORTS if ";" in name}

#: The short names of the formats that carry requests and answers, those that people use too.
CALL_FORMATS: Final = tuple(name for name in _SHORTS if "/" not in name and FORMATS[_SHORTS[name]].carries_calls)


def short_of(mime: str) -> str | None:
    """The short name of a MIME type, in any case, or of a short name; None for one that is not a format of Haystack.

    ``application/json`` is version 4, as the standard has it; ``text/plain`` is Zinc, as old servers send it.

    >>> short_of("text/zinc; charset=utf-8"), short_of("application/vnd.haystack+json; version=3")
    ('zinc', 'json3')
    """
    name, parameters = media_type(mime)
    version = parameters.get("version") or parameters.get("v")
    if version and name in _WITH_VERSIONS:
        name = f"{name};version={version.removesuffix('.0')}"
    return _SHORTS.get(name)


def media_type(text: str) -> tuple[str, dict[str, str]]:
    name, *parameters = text.lower().split(";")
    pairs = (part.partition("=") for part in parameters)
    return name.strip(), {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def format_named(name: str) -> Format:
    """The format of a short name or a MIME type; CodecError, which lists the formats, where there is none."""
    short = short_of(name)
    if short is None:
        mimes = ", ".join(row.mime for row in _ROWS)
        raise CodecError(
            f"{name!r} is not a format of Haystack", expected=f"one of {', '.join(FORMATS)}, or a MIME type: {mimes}"
        )
    return FORMATS[short]


class NeedsExactParserError(Exception):
    """The body is so unusual, or so wrong, that only the exact parser can read or refuse it.

    Raised by the faster readers, and caught within :mod:`hsframe.codecs`.
    """


def decode_exact(body: bytes | str, mime: str, limits: Limits = Limits()) -> Grid:
    """The same as :func:`hsframe.codecs.decode` by the exact codecs alone, every cell a Python object."""
    format = format_named(mime)
    if format.read is None:
        readable = ", ".join(other.title for other in FORMATS.values() if other.read is not None)
        raise CodecError(
            f"{format.title} is write-only: it does not keep the kinds of its values",
            expected=readable,
            source=format.short,
        )
    # A warning that many cells give is given once.
    with DeferredWarnings(), guarded(body, format.short, limits):
        return format.read(body, limits)


def encode_exact(grid: Grid, mime: str) -> bytes:
    """The same as :func:`hsframe.codecs.encode` by the exact writers alone; the bodies of both decode alike."""
    return format_named(mime).write(grid)


def mime_of(name: str) -> str:
    """The MIME type to ask a server for; raises as :func:`format_named`."""
    return format_named(name).mime


def formats_by_start(body: bytes) -> list[str]:
    """The short names of the formats that a body may be in, by its first bytes; all kinds of JSON begin alike.

    >>> formats_by_start(b'ver:"3.0"'), formats_by_start(b' {"meta"'), formats_by_start(b"<html>")
    (['zinc'], ['json4', 'json3', 'jeto'], [])
    """
    return [row.short for row, _ in _starts(body)]


def format_of_body(body: bytes) -> str | None:
    """The short name of the format that a whole body is in, by what it holds; None for an unknown one.

    >>> format_of_body(b'{"meta":{"ver":"3.0"},"cols":[]}'), format_of_body(b"<html>")
    ('json3', None)
    """
    return next((row.short for row, _ in _starts(body) if row.is_version is None or row.is_version(body)), None)


def starts_like_grid(body: bytes) -> bool:
    """Whether a body begins as a grid does, in a format that is recognized by its first bytes."""
    return any(match[1] is not None for _, match in _starts(body))


def _starts(body: bytes) -> list[tuple[Format, re.Match[bytes]]]:
    start = body_start(body)
    return [(row, match) for row in _ROWS if row.start is not None and (match := row.start.match(start))]


def body_start(body: bytes) -> bytes:
    """The first bytes of a body, after a byte order mark and white space."""
    return body[:_LOOK_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
