"""A history's answer as record batches, while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from hsframe.client.calls import Calls
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.answers import check_answer, check_batch
from hsframe.protocol.request_grids import OPS

if TYPE_CHECKING:
    from hsframe.codecs.histories import HistoryStream

__all__ = ["record_batches"]


async def record_batches(calls: Calls, request: Grid, *, na_columns: bool) -> AsyncGenerator[Any, None]:
    """The record batches of one hisRead; its errors are those of :meth:`hsframe.Client.his_stream`.

    Parameters
    ----------
    calls : Calls
    request : Grid
        Of hisRead, single or batch.
    na_columns : bool
        As :class:`hsframe.codecs.histories.HistoryStream` takes it.
    """
    op = OPS["hisRead"]
    refs: Sequence[Ref] = request.column("id")
    decoder: HistoryStream | None = None
    checked = False
    async with aclosing(_with_end(calls.stream(op, request, ids=refs, points=len(refs)))) as pieces:
        async for piece in pieces:
            if decoder is None:
                from hsframe.codecs.histories import HistoryStream

                decoder = HistoryStream(calls.format_of(piece), na_columns=na_columns)
            problem: CodecError | None = None
            batches: list[Any] = []
            try:
                batches = decoder.feed(piece) if piece else decoder.finish()
            except CodecError as error:
                problem = error
            if problem is not None:
                raise calls.placed(problem, op)
            if decoder.header is not None and not checked:
                checked = True
                check_answer(decoder.header, op.name, calls.url(op.name), refs)
                if request.meta:
                    check_batch(decoder.header, refs, calls.url(op.name))
            for batch in batches:
                yield batch


async def _with_end(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The pieces that are not empty, then an empty one: the body has ended."""
    async with aclosing(pieces):
        async for piece in pieces:
            if piece:
                yield piece
    yield b""
