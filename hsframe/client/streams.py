"""The answer of a hisRead as Arrow record batches, while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple, Self

from hsframe.client.sender import RequestSender
from hsframe.errors import CodecError
from hsframe.grid import Grid, Row
from hsframe.kinds import Ref
from hsframe.protocol.answers import check_answer, check_batch
from hsframe.protocol.request_grids import OPS

if TYPE_CHECKING:
    import pyarrow as pa

    from hsframe.codecs.histories import HistoryStream

__all__ = ["PointFacts", "record_batches"]


class PointFacts(NamedTuple):
    """What a point's record says of its history, as far as it does."""

    tz: str | None
    kind: str | None
    unit: str | None

    @classmethod
    def of(cls, record: Row) -> Self:
        """The facts in a record; a tag that is empty or not a text is None."""
        return cls(*(tag if isinstance(tag := record.get(name), str) and tag else None for name in cls._fields))


async def record_batches(
    sender: RequestSender, request: Grid, *, facts: Mapping[Ref, PointFacts], na_columns: bool
) -> AsyncGenerator[pa.RecordBatch, None]:
    """The record batches of one hisRead, single or batch; its errors are those of :meth:`hsframe.Client.his_stream`."""
    op, is_batch = OPS["hisRead"], bool(request.meta)
    refs = [of for of in request.column("id") if isinstance(of, Ref)]
    decoder: HistoryStream | None = None
    checked = False
    async with aclosing(_with_end(sender.stream(op, request))) as pieces:
        async for piece in pieces:
            decoder = decoder or _decoder(sender.decoder.format_of(piece), refs, facts, is_batch, na_columns)
            try:
                batches = decoder.feed(piece) if piece else decoder.finish()
            except CodecError as error:
                raise sender.decoder.with_source(error, op) from None
            if decoder.header is not None and not checked:
                checked = True
                check_answer(decoder.header, op.name, sender.url(op.name), refs)
                if is_batch:
                    check_batch(decoder.header, refs, sender.url(op.name))
            for batch in batches:
                yield batch


def _decoder(
    format: str, refs: list[Ref], facts: Mapping[Ref, PointFacts], is_batch: bool, na_columns: bool
) -> HistoryStream:
    """A decoder that knows the kinds and units of the columns, also of those that begin with nulls only."""
    from hsframe.codecs.histories import HistoryStream

    columns = {f"v{number}" if is_batch else "val": facts.get(of) for number, of in enumerate(refs)}
    kinds = {name: of.kind for name, of in columns.items() if of is not None and of.kind in ("Number", "Bool", "Str")}
    units = {name: of.unit for name, of in columns.items() if of is not None and of.kind == "Number"}
    return HistoryStream(format, kinds=kinds, units=units, na_columns=na_columns)


async def _with_end(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The pieces that are not empty, then an empty one: the body has ended."""
    async with aclosing(pieces):
        async for piece in pieces:
            if piece:
                yield piece
    yield b""
