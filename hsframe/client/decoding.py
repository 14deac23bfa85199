"""Turns the body of an HTTP answer into its grids, or into the error that it means."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

from hsframe.caller_warnings import cleaned, told_once
from hsframe.client.in_thread import in_thread
from hsframe.codecs import decode
from hsframe.codecs.formats import format_named, formats_by_start, short_of
from hsframe.codecs.jeto import decode_jeto
from hsframe.errors import CodecError, HTTPStatusError
from hsframe.grid import Grid
from hsframe.options import Limits
from hsframe.protocol.dialects import Dialect
from hsframe.protocol.http import HttpAnswer, http_failure
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.request_grids import Op
from hsframe.protocol.version5 import HEADER, refused_version

# Above this a body is decoded in a thread, so that the event loop goes on with other requests.
_THREAD_BYTES: Final = 1 << 20
_SHOWN_BYTES: Final = 60


class Decoder:
    """Decodes the answers of one server, which was asked for the format `mime`; `secrets` are taken out of errors."""

    def __init__(self, base: str, mime: str, dialect: Dialect, limits: Limits, secrets: KnownSecrets) -> None:
        self.secrets = secrets
        self.limits = limits
        self._decode = partial(decode, limits=limits)
        self._base = base
        self._mime = mime
        self._dialect = dialect
        self._one_at_a_time = asyncio.Lock()

    @contextmanager
    def telling(self) -> Generator[None]:
        """A block that decodes: its warnings hold no secret, and are given once where they are of the server."""
        with told_once(self._dialect.told), cleaned(self.secrets.redacted_message):
            yield

    async def grid(self, answer: HttpAnswer, op: Op) -> Grid:
        """The grid of an answer, also an error grid, whatever the HTTP status is; raises for any other body.

        An ApiErr of the op is an error grid too.
        """
        if refused := refused_version(answer):
            raise refused
        if (api_err := answer.error_grid) is not None:
            return self.secrets.redacted_error(api_err)
        failure = http_failure(answer)
        if failure is not None and not answer.is_grid:
            # WideSky answers so in version 4 when nothing was found; a page or JSON comes from a gateway.
            is_own_404 = answer.status == 404 and not answer.is_html and not answer.json_error
            if is_own_404 and op.name == "read" and self._dialect.answered and HEADER not in answer.request.headers:
                return Grid()
            raise failure
        if answer.status == 204:
            if op.get:
                url, found = answer.request.url, "found HTTP 204, no content; an empty answer is a grid too"
                raise HTTPStatusError(f"{op.name} at {url}: {found}", status=204, url=url)
            return Grid()
        if op.writes:  # some servers leave the columns out of an empty answer
            answer = replace(answer, body=_with_columns(answer.body))
        try:
            grid = await self._decoded(answer)
            if failure is None and answer.is_other_json:
                raise CodecError(
                    "the body is JSON, but no grid",
                    snippet=answer.body[:_SHOWN_BYTES].decode("utf-8", "replace"),
                    expected="a grid",
                    source=self._format_of(answer),
                )
            if failure is None or grid.is_error:
                return self.secrets.redacted_error(grid)
        except CodecError as error:
            failure = failure or self.with_source(error, op, answer.body)
        raise failure

    async def value(self, answer: HttpAnswer, op: Op, read: Callable[[bytes], Any] | None = None) -> Any:
        """The value of an answer in Jeto, or as `read` gives it."""
        if failure := refused_version(answer) or (http_failure(answer) if answer.is_html else None):
            raise failure
        try:
            with self.telling():
                return await in_thread(read or partial(decode_jeto, limits=self.limits), answer.body)
        except CodecError as error:
            problem = self.with_source(error, op, answer.body)
        raise problem

    async def grids(self, answer: HttpAnswer, op: Op) -> list[Grid]:
        """The grids of an answer that may hold several; raises as :meth:`grid`."""
        format = self._format_of(answer)
        split = format_named(format).split if answer.status == 200 else None
        failure: CodecError | None = None
        try:
            texts = None if split is None else await in_thread(split, answer.body, self.limits)
            if texts is not None:
                with self.telling():
                    grids = await in_thread(lambda: [self._decode(text, format) for text in texts])
                return [self.secrets.redacted_error(grid) for grid in grids]
        except CodecError as error:
            failure = self.with_source(error, op, answer.body)
        if failure is not None:
            raise failure
        return [await self.grid(answer, op)]

    async def _decoded(self, answer: HttpAnswer) -> Grid:
        with self.telling():
            if len(answer.body) <= _THREAD_BYTES:
                return self._decode(answer.body, self._format_of(answer))
            # One at a time: decoding holds the GIL and takes several times the memory of the body.
            async with self._one_at_a_time:
                return await in_thread(self._decode, answer.body, self._format_of(answer))

    def with_source(self, problem: CodecError, op: Op, body: bytes) -> CodecError:
        """The same error with the op and the url; if no answer was a grid yet, also with what a uri looks like.

        Nothing of the body is shown where it holds a secret: its parts are cut off anywhere.
        """
        if self.secrets.is_in(body):
            what = "the body is malformed; it holds a secret and is not shown"
            problem = CodecError(
                what, line=problem.line, column=problem.column, source=problem.source, limit=problem.limit
            )
        # What is only too large is an answer of such a server.
        hint = "" if problem.limit else self._dialect.uri_hint
        source = f"{op.name} at {self._base}/{op.name}: {problem.source}"
        return problem.changed(expected=f"{problem.expected or 'a grid'}{hint}", source=source)

    def _format_of(self, answer: HttpAnswer) -> str:
        return self.format_of(answer.body, answer.header("Content-Type"))

    def format_of(self, body: bytes, content_type: str = "") -> str:
        """The short name of the format that a body is in, from its first bytes and from what was asked for.

        Servers' Content-Types come last: some call either version of JSON ``application/json``, some call all text.
        """
        possible = formats_by_start(body)
        for mime in (self._mime, content_type):
            if (short := short_of(mime)) in possible:
                return short
        return possible[0] if possible else format_named(self._mime).short


def _with_columns(body: bytes) -> bytes:
    """A Zinc grid that ends after its first line with the column ``empty``; other bodies as they are."""
    head = body.strip()
    return head + b"\nempty\n" if head.startswith(b"ver:") and b"\n" not in head else body
