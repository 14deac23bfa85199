"""The answer of a hisRead as Arrow record batches, while it arrives, and whether it lacks rows.

That it may is found out by the rule of :mod:`hsframe.history.row_caps`, for one answer at a time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self

from hsframe.client.sender import RequestSender
from hsframe.durations import SECOND_US
from hsframe.errors import CallError, CodecError, IncompleteError, OtherPointError, SpanError
from hsframe.grid import Grid, Row
from hsframe.kinds import Ref
from hsframe.protocol import answers
from hsframe.protocol.request_grids import OPS
from hsframe.spans import Span, dates_text, range_text, resolve

if TYPE_CHECKING:
    import pyarrow as pa

    from hsframe.arrays import Instants
    from hsframe.codecs.histories import HistoryStream


@dataclass
class AnsweredRows:
    """The rows so far, and of each column of values the samples: how many, the first and the last instant.

    `limit` is one that the answer names.
    """

    limit: int | None = None
    tz: str = "UTC"
    columns: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.columns["ts"][0] if self.columns else 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.tz = batch.schema.field("ts").metadata[b"hsframe:tz"].decode()
        for name, own in _samples(batch).items():
            if len(own):
                count, first_us, last_us = self.columns.get(name, (0, int(own[0]), int(own[0])))
                self.columns[name] = count + len(own), min(first_us, int(own.min())), max(last_us, int(own.max()))

    def is_suspect(self, row_cap: int | None) -> bool:
        """Whether rows may be missing; `row_cap` is a limit that is known."""
        counts = {count for count, _, _ in self.columns.values()}
        return max(counts, default=0) >= answers.SUSPECT_FROM_ROWS or not counts.isdisjoint({self.limit, row_cap})

    def ends_of(self, span: Span, *, is_tail: bool) -> list[tuple[int, int | None]]:
        """From the last row on, or up to the first one, if the span has more.

        Of a batch the samples of its longest points count too: more than one end, if they are at different times.
        """
        extents = {name: (first_us, last_us) for name, (_, first_us, last_us) in self.columns.items()}
        counts = {name: count for name, (count, _, _) in self.columns.items() if name != "ts"}
        longest = {name: extents[name] for name, count in counts.items() if count == max(counts.values())}
        ends: list[tuple[int, int | None]] = []
        for names in answers.overlapping(longest) or [[]]:
            firsts, lasts = zip(extents["ts"], *map(extents.get, names), strict=True)
            end = (min(lasts), span.end_us) if is_tail else (span.start_us, max(firsts))
            if end[1] is None or end[0] < end[1]:
                ends.append(end)
        return ends

    def reaches_outside(self, span: Span) -> bool:
        """Whether there are rows from before or after the span, and of the seconds beside it."""
        _, first_us, last_us = self.columns["ts"]
        is_late = span.end_us is not None and last_us > span.end_us + SECOND_US
        return is_late or first_us < span.start_us - SECOND_US

    def missing(self, batch: pa.RecordBatch, span: Span, *, is_tail: bool) -> pa.RecordBatch:
        """The rows of a batch after the last row so far, or before the first, in a span.

        A sample between the rows that have been given is an error: the limit is one of each point, and cuts some before
        others.
        """
        _, first_us, last_us = self.columns["ts"]
        samples = _samples(batch)
        ts_us = samples["ts"]
        is_new = (ts_us > last_us if is_tail else ts_us < first_us) & (ts_us >= span.start_us)
        if span.end_us is not None:
            is_new &= ts_us < span.end_us
        for name, own in samples.items():
            _, own_first, own_last = self.columns.get(name, (0, last_us + 1, first_us - 1))
            if ((own > own_last) & (own <= last_us) if is_tail else (own < own_first) & (own >= first_us)).any():
                raise self.cut_error(f"hisRead, column {name}")
        return batch.filter(is_new)

    def adjoins(self, part: AnsweredRows, *, is_tail: bool) -> bool:
        """Whether all rows of a part are at the end that it was asked for; some servers know whole seconds only."""
        _, first_us, last_us = self.columns["ts"]
        _, part_first, part_last = part.columns["ts"]
        return part_first >= last_us // SECOND_US * SECOND_US if is_tail else part_last < first_us

    def cut_error(self, where: str) -> IncompleteError:
        """The error for rows that cannot be asked for."""
        return IncompleteError(
            f"{where}: the server gives {self.rows} rows at most and left out others without a word, which cannot be "
            "asked for; what was given before this error is not whole. Stream points one by one, or use his_read of a "
            "session"
        )


def _samples(batch: pa.RecordBatch) -> dict[str, Instants]:
    """The instants of the rows, under ``ts``, and of the samples of each column of values."""
    ts_us = batch.column("ts").cast("int64").to_numpy()
    names = [name for name in batch.schema.names if not name.endswith(".na")]
    return {name: ts_us[batch.column(name).is_valid().to_numpy(zero_copy_only=False)] for name in names}


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
        first, dialect = AnsweredRows(), self.sender.dialect
        async with aclosing(self._asked(request_of(range), first)) as batches:
            async for batch in batches:
                yield batch
        span: Span | None = None
        with suppress(SpanError):  # a range that only this server knows
            span = resolve(range, first.tz)
        if span is None or not first.is_suspect(dialect.row_cap):
            return
        if dialect.ignores_range and first.reaches_outside(span):
            return  # the ends cannot be asked for
        whole = replace(first, columns=dict(first.columns))
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
                    if dialect.dates_only or not answers.refuses_instants(refused):
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
                with self.sender.decoder.telling():
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
                    answers.check_answer(self.sender.decoder.secrets.redacted_error(header), op.name, url, refs)
                    answer.limit = answers.limit_of(header)
                    if not is_batch:
                        await self.check_point(header, refs[0])
                    places = answers.check_batch(header, refs, url) if is_batch else [0]
                    if is_batch or "val" not in header.col_names:  # some servers call the one column otherwise
                        order = [header.col_names[place + 1] for place in places if place + 1 < len(header.cols)]
                    order = order or names
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
        limits = self.sender.decoder.limits
        return HistoryStream(format, kinds=kinds, units=units, na_columns=self.na_columns, limits=limits)


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
