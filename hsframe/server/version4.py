"""A request in version 4 of the protocol: its op, its arguments, and the format of its answer (chapter HttpApi).

Formats go by the headers Accept, Content-Type and Accept-Encoding.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from aiohttp import web

from hsframe.caller_warnings import unsaid
from hsframe.codecs import decode, encode
from hsframe.codecs.formats import FORMATS, media_type, mime_of, short_of
from hsframe.codecs.zinc import parse_value
from hsframe.errors import CodecError, HsFrameError
from hsframe.grid import Grid
from hsframe.options import Limits
from hsframe.server.ops import Op
from hsframe.server.refusal import HttpRefusal, OpRefusal, error_grid

# Below this, a gzip header and a second copy cost more than the bytes.
_MIN_GZIP: Final = 1024
_WILDCARDS: Final = {"*/*": "text/zinc", "text/*": "text/zinc", "application/*": "application/json"}


@dataclass(frozen=True)
class MediaFormat:
    short: str
    mime: str


@dataclass(frozen=True)
class Written:
    """An answer as it is sent; `rows` for the log."""

    body: bytes
    headers: Mapping[str, str]
    rows: int
    status: int = 200


class Asked4:
    """What a request asks; a refusal where it asks for an op, a method or a format that is not served.

    `ops` are those that the application serves, by name.
    """

    headers: ClassVar[Mapping[str, str]] = {}
    """What each answer has."""

    def __init__(self, request: web.Request, name: str, ops: dict[str, Op]) -> None:
        self.query = dict(request.query.items())
        self.op = self.find(name, ops)
        if request.method == "GET" and not self.op.get:
            raise HttpRefusal(
                405, f"GET is not allowed for the op {name!r}: use POST", {"Allow": "POST"}, allow=["POST"]
            )
        self.chosen = self.choose(request.headers.get("Accept"))
        self.packs = accepts_gzip(request.headers.get("Accept-Encoding"))
        self.short = "" if request.method == "GET" else self._body_format(request)

    def find(self, name: str, ops: dict[str, Op]) -> Op:
        """The op of a name; a refusal where there is none."""
        if name not in ops:
            what = f"there is no op {name!r}; the ops are listed by the op 'ops'"
            raise HttpRefusal(404, what, spec="UnknownFuncErr", funcName=name)
        return ops[name]

    def choose(self, accept: str | None) -> MediaFormat:
        """The format of the answer; a refusal where there is none that the client takes."""
        chosen = answer_format(accept)
        if chosen is None:
            formats = ", ".join(["application/json", *(known.mime for known in FORMATS.values())])
            raise HttpRefusal(406, f"nothing in 'Accept: {accept}' is a format of this server; the formats: {formats}")
        return chosen

    def reads(self, content_type: str) -> str | None:
        """The short name of the format of a body; None where it is not read."""
        return request_format(content_type)

    def _body_format(self, request: web.Request) -> str:
        content_type = request.headers.get("Content-Type")
        short = self.reads(content_type or "")
        if short is None:
            what = "without a Content-Type" if content_type is None else f"of 'Content-Type: {content_type}'"
            raise HttpRefusal(415, f"a request {what} is not read here; the formats: text/zinc, text/trio, JSON")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            # The standard has none, and a packed megabyte unpacks to a gigabyte.
            raise HttpRefusal(415, "a packed request is not read here: send it without Content-Encoding")
        return short

    @unsaid()
    def grid(self, body: bytes, limits: Limits) -> Grid:
        """The request grid of the arguments, in the body or in the query of a GET; a refusal where it is wrong."""
        try:
            return self.read(body, limits)
        except HsFrameError as error:
            if isinstance(error, HttpRefusal):
                raise
            if isinstance(error, CodecError) and error.limit == "cells":
                what = f"the body has more than {limits.cells:,} cells, and of this op no more are read"
                raise HttpRefusal(413, what) from None
            raise HttpRefusal(400, f"the request cannot be read: {error}") from None

    def read(self, body: bytes, limits: Limits) -> Grid:
        if self.short:
            return decode(body, self.short, limits=limits)
        row = {name: _argument(text) for name, text in self.query.items() if not name.startswith("xeto-")}
        return Grid.from_rows(None, list(row), [row]) if row else Grid()

    def written(self, grid: Grid) -> Written:
        """The answer of the op, or its error grid, as it is sent."""
        try:
            status, mime, body = self.encoded(grid)
        except (CodecError, OverflowError) as error:
            # Some formats cannot carry some kinds, and none a year after 9999; the client can ask for another.
            refusal = OpRefusal(f"the answer cannot be written as {self.chosen.mime}: {error}", "CodecErr")
            status, mime, body = self.encoded(error_grid(self.op.name, refusal))
        # Caches must not keep answers: the same request has another answer tomorrow.
        headers = {"Content-Type": mime, "Cache-Control": "no-cache, no-store", "Vary": "Accept, Accept-Encoding"}
        if self.packs and len(body) >= _MIN_GZIP:
            # Level 1 is four times as fast as the default, and histories shrink to a tenth all the same.
            body, headers = gzip.compress(body, compresslevel=1, mtime=0), headers | {"Content-Encoding": "gzip"}
        return Written(body, {**headers, **self.headers}, len(grid), status)

    def encoded(self, grid: Grid) -> tuple[int, str, bytes]:
        """The status, MIME type and body of an answer; CodecError where the format cannot carry it."""
        return 200, self.chosen.mime, encode(grid, self.chosen.short)


def refused4(refusal: HttpRefusal) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.reason + "\n", headers=refusal.headers)


def _argument(text: str) -> Any:
    """A query parameter: a value in Zinc, else a Str."""
    try:
        return parse_value(text)
    except CodecError:
        return text


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
