"""The ops that read and write histories."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, overload

from hsframe.client.record_ops import AnswerT, Plain, Raw, RecordOps
from hsframe.client.streams import HistoryStreams, PointFacts
from hsframe.errors import (
    CallError,
    CodecError,
    HTTPStatusError,
    IncompleteError,
    OtherPointError,
    UnknownRecError,
    in_short,
)
from hsframe.grid import Grid, GridBuilder
from hsframe.kinds import Ref
from hsframe.protocol import request_grids
from hsframe.protocol.answers import check_batch, in_asked_order, is_one_record, other_id
from hsframe.protocol.request_grids import OPS, Id, Ids, Range, as_ref, as_refs, ids_of
from hsframe.protocol.writes import his_write_batch_requests, his_write_request, points_of_batch, samples_of

if TYPE_CHECKING:
    import pyarrow as pa

Samples: TypeAlias = Grid | GridBuilder | Iterable[Mapping[str, object]]


class HistoryOps(RecordOps[AnswerT]):
    """Histories as a server answers and accepts them; the zones of points come from their records."""

    @overload
    async def his_read(self, id: Id, range: Range, *, raw: Raw) -> Grid: ...
    @overload
    async def his_read(self, id: Id, range: Range, *, raw: Plain = False) -> AnswerT: ...
    async def his_read(self, id: Id, range: Range, *, raw: bool = False) -> AnswerT | Grid:
        """The history of one point, rows of ``ts`` and ``val``, as the server gives it.

        Servers differ in what they give at the ends of a range, and some leave out rows of a long one without a word,
        which is not noticed here: :func:`hsframe.his_read` gives the exact window, and all of it.

        Parameters
        ----------
        id : Ref or str
        range : str, date, datetime or a pair
            ``"today"``, ``"yesterday"``, ``"2026-01-01"``, ``"2026-01-01,2026-01-31"``, a date, an aware datetime
            (from there on) or two of either. Days are the point's own; start inclusive, end exclusive.

        Raises
        ------
        UnknownRecError
            The server does not know the point.
        IncompleteError
            The server says that this is not all.
        CallError
            The answer is the history of another point, also when asked again.
        """
        of = as_ref(id)
        request = request_grids.his_read_request(of, range)
        try:
            grid = await self._history_of(of, request)
        except OtherPointError:
            grid = await self._history_of(of, request)
        return self._answer(grid, raw=raw)

    async def _history_of(self, asked: Ref, request: Grid) -> Grid:
        grid = await self.sender.call(OPS["hisRead"], request)
        await self._check_point(grid, asked)
        return grid

    async def _check_point(self, grid: Grid, asked: Ref) -> None:
        """Raise `OtherPointError` if a history is of another record than the one asked for; ids may have two forms."""
        other = other_id(grid, asked)
        if other is None or (asked, other) in self._same_records:
            return
        with suppress(CallError, HTTPStatusError, CodecError):  # who does not know one of the ids may refuse both
            if is_one_record(await self.sender.call(OPS["read"], request_grids.read_by_ids_request([asked, other]))):
                self._same_records.add((asked, other))
                return
        raise OtherPointError(
            f"hisRead at {self.sender.url('hisRead')}: {asked} was asked for, and the answer is the history of "
            f"{in_short(str(other))}, which is another record; nothing is returned. Something on the way may mix up "
            "answers, as a cache does that ignores the bodies of requests: go round it, or tell who runs it",
            grid,
        )

    @overload
    async def his_read_batch(self, ids: Ids, range: Range, *, tz: str | None = None, raw: Raw) -> Grid: ...
    @overload
    async def his_read_batch(self, ids: Ids, range: Range, *, tz: str | None = None, raw: Plain = False) -> AnswerT: ...
    async def his_read_batch(
        self, ids: Ids, range: Range, *, tz: str | None = None, raw: bool = False
    ) -> AnswerT | Grid:
        """The histories of several points, joined on ``ts``: columns ``v0``, ``v1``, ... in the order asked.

        The column's meta ``id`` (with ``raw=True``) says whose it is. A missing key or null: no sample at that time.

        Parameters
        ----------
        ids : Ref, str or iterable of them
            Points of one zone, unless `tz` says in which zone to answer.
        range
            As :meth:`his_read`.
        tz : str, optional
            A Haystack zone name, as ``"New_York"``.

        Raises
        ------
        IncompleteError
            The answer has no column for some of the ids (this server does not know batches), or the server says that
            it is not whole.
        UnknownRecError
            The server does not know some of the points.
        """
        refs = as_refs(ids, "hisRead")
        request = request_grids.his_read_batch_request(refs, range, tz)
        if tz is None and self.dialect.batch_form == "id0":
            request = request_grids.his_read_id0_request(refs, range)
        try:
            grid = await self.sender.call(OPS["hisRead"], request)
        except (UnknownRecError, IncompleteError):
            raise
        except CallError as refused:
            if tz is not None or len(refs) < 2 or self.dialect.his_read_batch is not None:
                raise
            grid = await self._his_read_id0(refs, range, refused)
        try:
            order = check_batch(grid, refs, self.sender.url("hisRead"))
        except IncompleteError:
            self.dialect.his_read_batch = False
            raise
        if len(refs) > 1:
            self.dialect.his_read_batch = True
        return self._answer(in_asked_order(grid, order), raw=raw)

    async def _his_read_id0(self, refs: Sequence[Ref], range: Range, refused: CallError) -> Grid:
        """A batch in the older form, where no batch has worked yet; where it fails too, `refused` is raised."""
        request = request_grids.his_read_id0_request(refs, range)
        try:
            grid = await self.sender.call(OPS["hisRead"], request)
            check_batch(grid, refs, self.sender.url("hisRead"))
        except (CallError, HTTPStatusError, CodecError):
            raise refused from None
        self.dialect.batch_form = "id0"
        return grid

    async def his_stream(
        self, ids: Ids, range: Range, *, na_columns: bool = False
    ) -> AsyncGenerator[pa.RecordBatch, None]:
        """Histories as Arrow record batches, while the answer arrives.

        Memory stays at a few pieces, however long the history is. The batches are the whole only if the loop ends
        without an error. Leave early with ``contextlib.aclosing``. The time-out counts from one piece to the next.
        The points' records are read first, once: they give the kinds and units of columns that begin with nulls.

        After 100 rows or more the ends of the range are asked for once more, since some servers give the first or the
        newest rows of a range and leave out the others without a word: these follow then, the older ones last.

        Parameters
        ----------
        ids : Ref, str or iterable of them
            One point, or several in one batch.
        range
            As :meth:`his_read`.
        na_columns : bool
            Whether each value column is followed by a boolean column ``<name>.na``, true where the value is NA.
            Otherwise NA becomes null, like a missing value.

        Yields
        ------
        pyarrow.RecordBatch
            ``ts`` as ``timestamp[us, tz=<IANA zone>]``, then ``val``, or ``v0``, ``v1``, ...: double, bool or string,
            with ``hsframe:unit``, ``hsframe:id``, ``hsframe:kind`` in the fields' metadata. All of one schema, rows
            as the server wrote them.

        Raises
        ------
        CodecError
            The body is malformed, or a column holds several units (or another one than its record says), which an
            Arrow column cannot.
        CallError, IncompleteError
            As :meth:`his_read` and :meth:`his_read_batch`, before the first batch. IncompleteError also at the end, if
            the server left out rows of some points of a batch.
        """
        refs = as_refs(ids, "hisRead")
        request_of = partial(request_grids.his_read_batch_request, refs)
        if isinstance(ids, str | Ref):
            request_of = partial(request_grids.his_read_request, refs[0])
        facts: Mapping[Ref, PointFacts] = {}
        # Records only help where a column begins with nulls: without them the history can still be read.
        with suppress(CallError, HTTPStatusError, CodecError):
            facts = await self._facts_of(refs, checked=False)
        streams = HistoryStreams(self.sender, facts, na_columns, self._check_point)
        async with aclosing(streams.batches(request_of, request_grids.as_range(range))) as batches:
            async for batch in batches:
                yield batch

    @overload
    async def his_write(self, id: Id, items: Samples, *, raw: Raw) -> Grid: ...
    @overload
    async def his_write(self, id: Id, items: Samples, *, raw: Plain = False) -> AnswerT: ...
    async def his_write(self, id: Id, items: Samples, *, raw: bool = False) -> AnswerT | Grid:
        """Write samples of one point.

        Parameters
        ----------
        id : Ref or str
        items : iterable of mappings, or Grid
            ``ts`` an aware datetime of any zone, ``val`` the value with the point's unit (or without one). The same
            instants are sent in the point's own zone, which is read once and remembered. Samples whose value is None
            are left out.

        Raises
        ------
        ZoneError
            A time without a zone; the message names the row. Nothing is sent.
        UnknownRecError
            The server does not know the point. Nothing is written.
        CallError
            The server refuses the samples: another kind or unit than the point's.
        """
        of = as_ref(id)
        times, values = samples_of(of, items.to_grid() if isinstance(items, GridBuilder) else items)
        facts = await self._facts_of([of], checked=True)
        request = his_write_request(of, times, values, facts[of].tz)
        return await self._op("hisWrite", request, raw=raw)

    @overload
    async def his_write_batch(self, grid: Grid | GridBuilder, *, raw: Raw) -> Grid: ...
    @overload
    async def his_write_batch(self, grid: Grid | GridBuilder, *, raw: Plain = False) -> AnswerT: ...
    async def his_write_batch(self, grid: Grid | GridBuilder, *, raw: bool = False) -> AnswerT | Grid:
        """Write samples of several points that share their times.

        Parameters
        ----------
        grid : Grid
            Columns ``ts``, ``v0``, ``v1``, ...; a null means no sample. The ids are in each column's meta ``id``, or in
            the grid's meta ``id``, ``id1``, ``id2``, ... Points of several zones are sent in one request per zone.

        Raises
        ------
        MetadataError
            A column has no id.
        ZoneError, UnknownRecError, CallError
            As :meth:`his_write`. Where several requests are needed, a note on the error says which points were
            written before it.
        """
        grid = request_grids.as_grid(grid, "hisWrite of a batch")
        points = points_of_batch(grid)
        facts = await self._facts_of(points, checked=True)
        batches = his_write_batch_requests(grid, points, {of: fact.tz for of, fact in facts.items()})
        answer = Grid()
        written: list[str] = []
        for batch in batches:
            try:
                answer = await self.sender.call(OPS["hisWrite"], batch)
            except Exception as error:
                if written:
                    error.add_note(f"written before this: {', '.join(written)}")
                raise
            written += map(str, ids_of(batch))
        return self._answer(answer, raw=raw)

    async def _facts_of(self, points: Sequence[Ref], *, checked: bool) -> Mapping[Ref, PointFacts]:
        """What the points' records say; each record is read once, an unknown one is left out unless `checked`."""
        missing = [of for of in points if of not in self._facts]
        if missing:
            records = await self.read_by_ids(missing, checked=checked, raw=True)
            for of, record in zip(missing, records, strict=True):
                if record:
                    self._facts[of] = PointFacts.of(record)
        return {of: self._facts[of] for of in points if of in self._facts}
