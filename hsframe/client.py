"""The asynchronous client: every op of the standard as a method, rows or grids out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hsframe.errors import CallError, CodecError, HTTPStatusError, IncompleteError, UnknownRecError
from hsframe.grid import Grid, GridBuilder
from hsframe.kinds import Number, Ref
from hsframe.lifecycle import Answer, ClientLifecycle
from hsframe.protocol import ops as requests
from hsframe.protocol.answers import answered_of, by_ids, check_batch, check_evaluated
from hsframe.protocol.ops import OPS, Id, Range, as_ref, ids_of, op_of
from hsframe.protocol.writes import his_write_batch_requests, his_write_request, points_of_batch, samples_of
from hsframe.streams import record_batches
from hsframe.watching import Duration, watch_grids

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Client"]

# A filter stands in one line of a request; servers parse it by recursion.
_IDS_A_FILTER: Final = 100


class Client(ClientLifecycle):
    """A Haystack server, asynchronously: logs in by itself, one method an op.

    Use it as a context manager: leaving it sends the op ``close`` and closes every connection. Any number of calls
    may run at once; they share one login. A lost session logs in again and repeats the request once.

    Every op gives a list of dicts with plain Python values (a Number with a unit stays a `Number`, so do Ref, dates
    and times), or a :class:`~hsframe.Grid` with ``raw=True`` or in a client with ``pythonic=False``.

    Parameters
    ----------
    base_url : str
        The API's uri, like ``http://host:port/api/demo/``. A user and password in it are taken out of it.
    username, password : str
        For SCRAM (SHA-256, SHA-512), PLAINTEXT or Basic, whichever the server offers; empty for anonymous access.
        They are kept for a new login, and never shown.
    timeout : aiohttp.ClientTimeout or float, optional
        Of each request, seconds if a number; 30 s in all by default.
    connector : aiohttp.BaseConnector, optional
        For limits and pooling of your own; it is closed with the client.
    tls : TLSConfig, optional
        Own authorities, a client certificate.
    pythonic : bool
        False: every op gives the Grid.
    format : str
        The wire format of requests and answers: ``"zinc"`` (which every server speaks), ``"json"`` (version 4),
        ``"json3"``. `accept_format` is another name of it.
    token : str, optional
        A bearer token, in place of a user and password (or tried before them).
    auth : str
        ``"auto"``, or the only scheme to use: ``"scram"``, ``"plaintext"``, ``"basic"``, ``"bearer"``, ``"none"``.
    allow_insecure : bool
        Allow PLAINTEXT and Basic over http to another machine: whoever is on the way can read the password.
    proxy : str, optional
        ``http://user:password@host:port``. Nothing is taken from the environment.
    headers : mapping, optional
        Go on every request.

    Raises
    ------
    MetadataError
        A setting that is none; nothing is sent before the first op.

    Notes
    -----
    Each op raises `AuthError` (the login is refused, or the server cannot prove itself), `NetworkError` and its
    subclasses (no connection, time-out, an HTTP error, a page that is no grid), `CallError` and its subclasses (the
    server answers with an error grid, which is ``error.grid``) and `CodecError` (the body is malformed). Nothing
    partial is returned. No cookie is ever sent and no redirect followed. One line a request is logged under the logger
    ``hsframe``, at INFO.

    Examples
    --------
    >>> import asyncio
    >>> from hsframe.server.database import Database
    >>> from hsframe.testing.server import running_server
    >>> async def sites(uri):
    ...     async with Client(uri, "demo", "demo") as c:
    ...         return await c.read("site")
    >>> with running_server(Database([{"id": Ref("hq"), "site": True, "area": Number(1000, "m²")}])) as server:
    ...     asyncio.run(sites(server.uri))
    [{'id': Ref('hq'), 'area': Number(1000, 'm²'), 'site': True}]
    """

    # -- about the server ----------------------------------------------------------------------------------------

    async def about(self, *, raw: bool = False) -> Answer:
        """What the server is: one row with ``haystackVersion``, ``tz``, ``serverName``, ``productName``, ..."""
        return await self._op("about", Grid(), raw=raw)

    async def ops(self, *, raw: bool = False) -> Answer:
        """The ops that the server has, a row each."""
        return await self._op("ops", Grid(), raw=raw)

    async def formats(self, *, raw: bool = False) -> Answer:
        """The MIME types that the server reads and writes (Haystack 3)."""
        return await self._op("formats", Grid(), raw=raw)

    async def defs(self, filter: str | None = None, limit: int | None = None, *, raw: bool = False) -> Answer:
        """The definitions in use, all or those that a filter finds.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return await self._op("defs", requests.defs_request(filter, limit), raw=raw, limit=limit)

    async def libs(self, filter: str | None = None, limit: int | None = None, *, raw: bool = False) -> Answer:
        """The libraries of definitions in use.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return await self._op("libs", requests.defs_request(filter, limit), raw=raw, limit=limit)

    async def filetypes(self, filter: str | None = None, limit: int | None = None, *, raw: bool = False) -> Answer:
        """The file types that the server reads and writes.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return await self._op("filetypes", requests.defs_request(filter, limit), raw=raw, limit=limit)

    # -- records -------------------------------------------------------------------------------------------------

    async def read(self, filter: str, limit: int | None = None, *, raw: bool = False) -> Answer:
        """The records that a filter finds.

        Parameters
        ----------
        filter : str
            As ``'point and sensor and siteRef->geoCity == "London"'`` (standard: chapter Filters).
        limit : int, optional
            The most rows to give.
        """
        return await self._op("read", requests.read_request(filter, limit), raw=raw, limit=limit)

    async def read_by_ids(self, ids: Iterable[Id], *, checked: bool = True, raw: bool = False) -> Answer:
        """The records of these ids, in their order.

        Parameters
        ----------
        ids : iterable of Ref or str
        checked : bool
            False: an unknown id gives an empty row in its place.

        Raises
        ------
        UnknownRecError
            Some ids are unknown; ``error.ids`` has all of them.
        """
        request = requests.read_by_ids_request(ids)
        refs: Sequence[Ref] = request.column("id")
        grid = await self._calls.call(OPS["read"], request, ids=refs, points=len(refs))
        answered, final = answered_of(grid, refs)
        if not final:
            grid = await self._with_missing(grid, [of for of in refs if of not in set(answered)])
        return self._give(by_ids(grid, refs, self._calls.url("read"), checked=checked), raw)

    async def _with_missing(self, grid: Grid, missing: Sequence[Ref]) -> Grid:
        """The answer of a read by id, with the records that it left out where a filter finds them."""
        rows = [row for row in grid if isinstance(row.get("id"), Ref)]
        for start in range(0, len(missing), _IDS_A_FILTER):
            filter = " or ".join(f"id == @{of.val}" for of in missing[start : start + _IDS_A_FILTER])
            try:
                found = await self._calls.call(OPS["read"], requests.read_request(filter))
            except CallError:  # a server that cannot compare ids; its first word stands
                break
            rows += [row for row in found if isinstance(row.get("id"), Ref)]
        names = dict.fromkeys(["id", *(name for row in rows for name in row)])
        return Grid.from_rows(dict(grid.meta), names, rows)

    async def nav(self, nav_id: Any = None, *, raw: bool = False) -> Answer:
        """The children of a node of the navigation tree, of its root without `nav_id`.

        A row's ``navId`` is what to ask next, of whatever kind it is; a row without one is a leaf.
        """
        return await self._op("nav", requests.nav_request(nav_id), raw=raw)

    # -- histories -----------------------------------------------------------------------------------------------

    async def his_read(self, id: Id, range: Range, *, raw: bool = False) -> Answer:
        """The history of one point, rows of ``ts`` and ``val``, as the server gives it.

        Servers differ in what they give at the ends of a range: :func:`hsframe.his_read` gives the exact window.

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
        """
        request = requests.his_read_request(id, range)
        grid = await self._calls.call(OPS["hisRead"], request, ids=request.column("id"), points=1)
        return self._give(grid, raw)

    async def his_read_batch(
        self, ids: Iterable[Id], range: Range, *, tz: str | None = None, raw: bool = False
    ) -> Answer:
        """The histories of several points, joined on ``ts``: columns ``v0``, ``v1``, ... in the order asked.

        The column's meta ``id`` (with ``raw=True``) says whose it is. A missing key or null is no sample at that time.

        Parameters
        ----------
        ids : iterable of Ref or str
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
        request = requests.his_read_batch_request(ids, range, tz)
        refs: Sequence[Ref] = request.column("id")
        if tz is None and self.dialect.batch_form == "id0":
            request = requests.his_read_id0_request(refs, range)
        try:
            grid = await self._calls.call(OPS["hisRead"], request, ids=refs, points=len(refs))
        except (UnknownRecError, IncompleteError):
            raise
        except CallError as refused:
            if tz is not None or len(refs) < 2 or self.dialect.his_read_batch is not None:
                raise
            grid = await self._his_read_id0(refs, range, refused)
        try:
            check_batch(grid, refs, self._calls.url("hisRead"))
        except IncompleteError:
            self.dialect.his_read_batch = False
            raise
        if len(refs) > 1:
            self.dialect.his_read_batch = True
        return self._give(grid, raw)

    async def _his_read_id0(self, refs: Sequence[Ref], range: Range, refused: CallError) -> Grid:
        """A batch in the older form, where no batch has worked yet: what comes, else the refusal of the standard's."""
        request = requests.his_read_id0_request(refs, range)
        try:
            grid = await self._calls.call(OPS["hisRead"], request, ids=refs, points=len(refs))
            check_batch(grid, refs, self._calls.url("hisRead"))
        except (CallError, HTTPStatusError, CodecError):
            raise refused from None
        self.dialect.batch_form = "id0"
        return grid

    async def his_stream(
        self, ids: Id | Iterable[Id], range: Range, *, na_columns: bool = False
    ) -> AsyncGenerator[pa.RecordBatch, None]:
        """Histories as Arrow record batches, while the answer arrives.

        Memory stays at a few pieces, however long the history is. The batches are the whole only if the loop ends
        without an error. Leave early with ``contextlib.aclosing``. The time-out counts from one piece to the next.

        Parameters
        ----------
        ids : Ref, str or iterable of them
            One point, or several in one batch.
        range
            As :meth:`his_read`.
        na_columns : bool
            Whether each value column is followed by a boolean column ``<name>.na``, true where the value is NA.
            Otherwise NA is null, as no value is.

        Yields
        ------
        pyarrow.RecordBatch
            ``ts`` as ``timestamp[us, tz=<IANA zone>]``, then ``val``, or ``v0``, ``v1``, ...: double, bool or string,
            with ``hsframe:unit``, ``hsframe:id``, ``hsframe:kind`` in the fields' metadata. All of one schema, rows
            as the server wrote them.

        Raises
        ------
        CodecError
            The body is malformed, or a column holds several units, which no Arrow column can.
        """
        if isinstance(ids, str | Ref):
            request = requests.his_read_request(ids, range)
        else:
            request = requests.his_read_batch_request(ids, range)
        async with aclosing(record_batches(self._calls, request, na_columns=na_columns)) as batches:
            async for batch in batches:
                yield batch

    async def his_write(
        self, id: Id, items: Grid | GridBuilder | Iterable[Mapping[str, Any]], *, raw: bool = False
    ) -> Answer:
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
        zones = await self._zones_of([of])
        request = his_write_request(of, times, values, zones[of])
        return self._give(await self._calls.call(OPS["hisWrite"], request, ids=[of], points=1), raw)

    async def his_write_batch(self, grid: Grid | GridBuilder, *, raw: bool = False) -> Answer:
        """Write samples of several points that share their times.

        Parameters
        ----------
        grid : Grid
            Columns ``ts``, ``v0``, ``v1``, ...; a null is no sample. The ids stand in each column's meta ``id``, or in
            the grid's meta ``id``, ``id1``, ``id2``, ... Points of several zones are sent in one request a zone.

        Raises
        ------
        MetadataError
            A column has no id.
        ZoneError, UnknownRecError, CallError
            As :meth:`his_write`. Where several requests are needed, a note on the error says which points were
            written before it.
        """
        grid = grid.to_grid() if isinstance(grid, GridBuilder) else grid
        points = points_of_batch(grid)
        batches = his_write_batch_requests(grid, points, await self._zones_of(points))
        answer = Grid()
        written: list[str] = []
        for batch in batches:
            refs = [col.meta["id"] for col in batch.cols[1:]]
            try:
                answer = await self._calls.call(OPS["hisWrite"], batch, ids=refs, points=len(refs))
            except Exception as error:
                if written:
                    error.add_note(f"written before this: {', '.join(written)}")
                raise
            written += map(str, refs)
        return self._give(answer, raw)

    async def _zones_of(self, points: Sequence[Ref]) -> Mapping[Ref, str | None]:
        """The points' ``tz``; None where the record has none."""
        missing = [of for of in points if of not in self._zones]
        if missing:
            records = await self.read_by_ids(missing, raw=True)
            for of, record in zip(missing, records, strict=True):
                tz = record.get("tz")
                self._zones[of] = tz if isinstance(tz, str) and tz else None
        return {of: self._zones[of] for of in points}

    # -- points and watches --------------------------------------------------------------------------------------

    async def point_write(
        self,
        id: Id,
        level: int,
        val: Any,
        who: str = "",
        duration: Number | timedelta | None = None,
        *,
        raw: bool = False,
    ) -> Answer:
        """Write a value at a level of a point's priority array.

        Parameters
        ----------
        id : Ref or str
        level : int
            1 (strongest) to 17 (the default); 16 is the usual one for a program.
        val : any kind
            With the point's unit; None takes the level's value away.
        who : str
            Shown beside the value; servers take the logged-in user where it is empty.
        duration : Number or timedelta, optional
            How long the value holds; servers take it for level 8 only.
        """
        request = requests.point_write_request(id, level, val, who, duration)
        grid = await self._calls.call(OPS["pointWrite"], request, ids=request.column("id"), points=1)
        return self._give(grid, raw)

    async def point_write_array(self, id: Id, *, raw: bool = False) -> Answer:
        """The priority array of a point: 17 rows of ``level``, ``levelDis``, ``val``, ``who``."""
        request = requests.point_write_array_request(id)
        grid = await self._calls.call(OPS["pointWrite"], request, ids=request.column("id"), points=1)
        return self._give(grid, raw)

    async def watch_sub(
        self,
        ids: Iterable[Id],
        watch_dis: str,
        lease: Number | timedelta | None = None,
        *,
        watch_id: str | None = None,
        raw: bool = False,
    ) -> Answer:
        """Watch points: a new watch, or more points for the watch `watch_id`.

        ``raw=True`` gives the grid, whose meta ``watchId`` names the watch and ``lease`` says how long it lives
        between polls. The rows are the points as they are now, an empty one for an unknown id. Polls use the ids of
        these rows, which may be longer than those that were asked for.

        Parameters
        ----------
        ids : iterable of Ref or str
        watch_dis : str
            What the server's list of watches calls it.
        lease : Number or timedelta, optional
            The lease to ask for; the server may give another one.
        watch_id : str, optional
        """
        request = requests.watch_sub_request(ids, watch_dis, lease, watch_id)
        return await self._op("watchSub", request, raw=raw, points=len(request))

    async def watch_poll(self, watch_id: str, refresh: bool = False, *, raw: bool = False) -> Answer:
        """The points of a watch that changed since the last poll; with `refresh` all of them.

        Parameters
        ----------
        watch_id : str
            As :meth:`watch_sub` with ``raw=True`` gave it, in meta ``watchId``.
        refresh : bool
            All points, changed or not.

        Raises
        ------
        CallError
            The watch is not there any more; open a new one.
        """
        return await self._op("watchPoll", requests.watch_poll_request(watch_id, refresh), raw=raw)

    async def watch_unsub(self, watch_id: str, ids: Iterable[Id], *, raw: bool = False) -> Answer:
        """Take points out of a watch.

        Parameters
        ----------
        watch_id : str
        ids : iterable of Ref or str
            As the rows of :meth:`watch_sub` have them.
        """
        request = requests.watch_unsub_request(watch_id, ids)
        return await self._op("watchUnsub", request, raw=raw, points=len(request))

    async def watch_close(self, watch_id: str, *, raw: bool = False) -> Answer:
        """End a watch."""
        return await self._op("watchUnsub", requests.watch_close_request(watch_id), raw=raw)

    async def watch(
        self,
        points: Id | Iterable[Id],
        poll: Duration = "5s",
        *,
        dis: str = "hsframe",
        lease: Duration | None = None,
        checked: bool = True,
        empty: bool = False,
        patience: Duration = "1min",
        raw: bool = False,
    ) -> AsyncGenerator[Answer, None]:
        """Watch records: first all of them as they are, then each time those that changed.

        A watch that is lost (an error grid, a lease that ran out, a lost session, a server that was restarted) is
        opened anew, and what changed meanwhile comes once. The watch is closed when the loop ends; leave it early
        with ``contextlib.aclosing``, so that this happens at once.

        Parameters
        ----------
        points : str, Ref or iterable of them
            Ids, or one text that is a filter, for the records that it finds now.
        poll : str, number, timedelta or Number
            How long to wait between polls: ``"5s"``, ``"1min"``, seconds as a number.
        dis : str
            What the server's list of watches calls it.
        lease : same, optional
            How long the server shall keep the watch between polls. Where it keeps it for less than two polls, it is
            polled more often.
        checked : bool
            False: an unknown id gives a record of nothing but that id.
        empty : bool
            Whether a poll without changes is given too, as no rows.
        patience : same as `poll`
            How long the server may be out of reach.

        Yields
        ------
        list of dict, or Grid
            Whole records, under the ids that the server gives them.

        Raises
        ------
        UnknownRecError
            `checked`, and the server does not know some of the ids.
        CallError, NetworkError
            The watch cannot be opened, or the server was out of reach for longer than `patience`.
        MetadataError
            A duration that is none; a filter that finds nothing.
        """
        grids = watch_grids(
            self, points, poll=poll, dis=dis, lease=lease, checked=checked, empty=empty, patience=patience
        )
        async with aclosing(grids):
            async for grid in grids:
                yield self._give(grid, raw)

    # -- the rest ------------------------------------------------------------------------------------------------

    async def invoke_action(
        self, id: Id, action: str, args: Mapping[str, Any] | Grid | None = None, *, raw: bool = False
    ) -> Answer:
        """Call an action that a record defines.

        Parameters
        ----------
        id : Ref or str
            The record.
        action : str
            The name of the action.
        args : mapping or Grid, optional
            Its arguments by name.
        """
        return await self._op("invokeAction", requests.invoke_action_request(id, action, args), raw=raw, points=1)

    async def eval(self, expr: str, *, raw: bool = False) -> Answer:
        """What an Axon expression gives (SkySpark, Haxall)."""
        return await self._op("eval", requests.eval_request(expr), raw=raw)

    async def eval_all(self, exprs: Iterable[str], *, raw: bool = False) -> list[Answer]:
        """What several Axon expressions give, in their order, in one request (SkySpark).

        Where the server has no ``evalAll``, as Haxall, they go one after the other, up to the first that fails.

        Parameters
        ----------
        exprs : iterable of str

        Raises
        ------
        CallError
            An expression failed; the message says which. With ``evalAll`` all of them were evaluated nevertheless.
        IncompleteError
            The server did not answer each of them.
        """
        request = requests.eval_all_request(exprs)
        texts: Sequence[str] = request.column("expr")
        url = self._calls.url("evalAll")
        try:
            grids = await self._calls.call_all(OPS["evalAll"], request)
        except HTTPStatusError as error:
            if error.status not in (404, 501):
                raise
            url = self._calls.url("eval")
            answers = []
            for number, text in enumerate(texts):
                grid = await self._calls.call_all(OPS["eval"], requests.eval_request(text))
                check_evaluated(grid, [text], url, first=number)
                answers.append(self._give(grid[0], raw))
            return answers
        check_evaluated(grids, texts, url)
        return [self._give(grid, raw) for grid in grids]

    async def call(self, op: str, grid: Grid | GridBuilder | None = None) -> Grid:
        """Any op by its wire name, grid in and grid out: ``commit``, or what a server adds.

        Parameters
        ----------
        op : str
            As in the uri: ``"hisRead"``.
        grid : Grid, optional
            The request; empty by default.
        """
        request = grid.to_grid() if isinstance(grid, GridBuilder) else Grid() if grid is None else grid
        ids = ids_of(request)
        return await self._calls.call(op_of(op), request, ids=ids, points=len(ids))
