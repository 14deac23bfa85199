"""The answer of a hisRead as Arrow record batches, while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self

from hsframe.caller_warnings import told_once
from hsframe.client.answered_rows import AnsweredRows
from hsframe.client.sender import RequestSender
from hsframe.errors import CallError, CodecError, IncompleteError, SpanError
from hsframe.grid import Grid, Row
from hsframe.kinds import Ref
from hsframe.protocol.answers import OtherPointError, check_answer, check_batch, limit_of, refuses_instants
from hsframe.protocol.request_grids import OPS
from hsframe.spans import Span, dates_text, range_text, resolve

if TYPE_CHECKING:
    import pyarrow as pa

    from hsframe.codecs.histories import HistoryStream


class PointFacts(NamedTuple):
    """What a point's record says of its history, as far as it does."""

    tz: str | None
    kind: str | None
    unit: str | None

    @classmethod
    def of(cls, record: Row) -> Self:
        return cls(*(tag if isinstance(tag := record.get(name), str) and tag else None for name in cls._fields))


@dataclass(frozen=True)
class HistoryStreams:
    """The answers of hisRead from one server, by what the points' records say.

    `check_point` raises `OtherPointError` if a history is of another point than the one that was asked for.
    """

    sender: RequestSender
    facts: Mapping[Ref, PointFacts]
    na_columns: bool
    check_point: Callable[[Grid, Ref], Awaitable[None]]

    async def batches(self, request_of: Callable[[str], Grid], range: str) -> AsyncGenerator[pa.RecordBatch, None]:
        """The record batches of a range; the errors are those of :meth:`hsframe.Client.his_stream`.

        If the server may have left out rows without a word, the ends of the range are asked for, and what is there
        follows. `request_of` makes the request for a range, of one point or of a batch.
        """
        first, whole, dialect = AnsweredRows(), AnsweredRows(), self.sender.dialect
        async with aclosing(self._asked(request_of(range), first)) as batches:
            async for batch in batches:
                whole.add(batch)
                yield batch
        span: Span | None = None
        with suppress(SpanError):  # a range that only this server knows
            span = resolve(range, first.tz)
        if span is None or not first.is_suspect(dialect.row_cap):
            return
        if dialect.ignores_range and first.reaches_outside(span):
            return  # the ends cannot be asked for
        for is_tail in (True, False):
            ends = first.ends_of(span, is_tail=is_tail)
            while ends:
                end = ends.pop()
                part, before = AnsweredRows(), replace(whole, columns=dict(whole.columns))
                asked = dates_text(*end) if dialect.dates_only else range_text(*end, first.tz)
                try:
                    async with aclosing(self._asked(request_of(asked), part)) as batches:
                        async for batch in batches:
                            if (more := before.missing(batch, span, is_tail=is_tail)).num_rows:
                                whole.add(more)
                                yield more
                except CallError as refused:
                    if dialect.dates_only or not refuses_instants(refused):
                        raise
                    dialect.dates_only = True
                    ends.append(end)
                    continue
                if whole.rows == before.rows:
                    if part.rows >= first.rows and before.adjoins(part, is_tail=is_tail):
                        raise first.cut_error("hisRead")
                    continue
                ends += part.ends_of(span, is_tail=is_tail)
                # Not of a server whose days may be other ones than the point's, nor because of what came just now.
                if not dialect.dates_only and whole.rows > before.rows + 2:
                    dialect.row_cap = first.rows

    async def _asked(self, request: Grid, answer: AnsweredRows) -> AsyncGenerator[pa.RecordBatch, None]:
        """The batches of one answer, counted; that of another point is asked for once more."""
        for is_last in (False, True):
            try:
                async with aclosing(self._answer(request, answer)) as batches:
                    async for batch in batches:
                        answer.add(batch)
                        yield batch
                return
            except OtherPointError:
                if is_last or answer.rows:
                    raise

    async def _answer(self, request: Grid, answer: AnsweredRows) -> AsyncGenerator[pa.RecordBatch, None]:
        op, url, is_batch = OPS["hisRead"], self.sender.url("hisRead"), bool(request.meta)
        refs = [of for of in request.column("id") if isinstance(of, Ref)]
        names = [f"v{number}" for number in range(len(refs))] if is_batch else ["val"]
        decoder: HistoryStream | None = None
        checked: Grid | None = None
        order: list[str] | None = None
        start, format = bytearray(), ""

        def fed(decoder: HistoryStream, data: bytes) -> tuple[list[pa.RecordBatch], CodecError | None]:
            try:
                with told_once(self.sender.dialect.told):
                    return decoder.feed(data) + ([] if piece else decoder.finish()), None
            except CodecError as error:
                return [], self.sender.decoder.with_source(error, op, data)

        async with aclosing(_with_end(self.sender.stream(op, request))) as pieces:
            async for piece in pieces:
                format = format or self.sender.decoder.format_of(piece)
                decoder = decoder or self._decoder(format, names, refs)
                batches, failure = fed(decoder, piece)
                if order is None:
                    start += piece
                # What the header says comes before what is wrong with rows: the grid of an error, for one, is no
                # history. In JSON the meta may come after the rows.
                if (header := decoder.header) is not None and header is not checked:
                    checked, was = header, order
                    check_answer(self.sender.decoder.secrets.redacted_error(header), op.name, url, refs)
                    answer.limit = limit_of(header)
                    if not is_batch:
                        await self.check_point(header, refs[0])
                    places = check_batch(header, refs, url) if is_batch else [0]
                    order = [header.col_names[place + 1] for place in places] if is_batch else names
                    if was is None and order != names:  # the hints were given to other columns: from the beginning
                        decoder = self._decoder(format, order, refs)
                        batches, failure = fed(decoder, bytes(start))
                    elif was not in (None, order):
                        raise IncompleteError(
                            f"hisRead at {url}: which column is which point came only after the rows", header
                        )
                if failure is not None:
                    raise failure
                for batch in batches:
                    yield batch if order is None else _in_order(batch, order, names)

    def _decoder(self, format: str, names: Sequence[str], refs: Sequence[Ref]) -> HistoryStream:
        """A decoder that knows the kinds and units of the columns, also of those that begin with nulls only."""
        from hsframe.codecs.histories import HistoryStream

        columns = {name: self.facts[of] for name, of in zip(names, refs, strict=True) if of in self.facts}
        kinds = {name: of.kind for name, of in columns.items() if of.kind in ("Number", "Bool", "Str")}
        units = {name: of.unit for name, of in columns.items() if of.kind == "Number"}
        return HistoryStream(format, kinds=kinds, units=units, na_columns=self.na_columns)


def _in_order(batch: pa.RecordBatch, order: Sequence[str], names: Sequence[str]) -> pa.RecordBatch:
    """The columns of a batch, and their flags, in the order in which the ids were asked for, under the names for it."""
    flags = [".na"] if f"{order[0]}.na" in batch.schema.names else []
    pairs = [("ts", "ts")]
    pairs += [(old + end, new + end) for old, new in zip(order, names, strict=True) for end in ["", *flags]]
    return batch.select([old for old, _ in pairs]).rename_columns([new for _, new in pairs])


async def _with_end(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The pieces that are not empty, then an empty one: the body has ended."""
    async with aclosing(pieces):
        async for piece in pieces:
            if piece:
                yield piece
    yield b""
