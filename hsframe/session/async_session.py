"""AsyncSession: all verbs together, each a coroutine; here those about the server itself, Axon and calls of any op."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, overload

import pandas as pd

from hsframe.client.in_thread import in_thread
from hsframe.frame.entities import entity_frame
from hsframe.frame.histories import grid_histories, is_history
from hsframe.frame.trend import trend_frame
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.request_grids import as_ref
from hsframe.session.history_verbs import HistoryVerbs
from hsframe.session.inventory_verbs import InventoryVerbs
from hsframe.session.matrix_verb import MatrixVerb
from hsframe.session.point_verbs import PointVerbs
from hsframe.session.reading_verbs import ReadingVerbs
from hsframe.session.record_verbs import RecordVerbs
from hsframe.session.specs import read_specs


class AsyncSession(ReadingVerbs, InventoryVerbs, HistoryVerbs, MatrixVerb, PointVerbs, RecordVerbs):
    """A connection to one server for asynchronous code: the verbs of :class:`hsframe.Session`, each awaited.

    Frames in and frames out, with all that the synchronous verbs guarantee, on the caller's own event loop. ``watch``
    is looped over with ``async for``; in ``contextlib.aclosing`` a loop that is left early closes the watch at once,
    else it is closed soon after. Closing the session ends its watches, also those that a task waits in: their loops
    end as if there were no more to come. Any number of verbs may run at the same time; they share one login. When a
    verb is cancelled, so are its requests. For grids in place of frames there is `client`.

    Use it as an asynchronous context manager. Nothing is sent before the first verb.

    Parameters
    ----------
    uri, user, password, token, auth, allow_insecure, format, version, tls
    timeout, retries, deadline, proxy, trust_env, headers, max_concurrency, limits
        As for :func:`hsframe.connect`, environment included.

    Raises
    ------
    MetadataError
        No uri is given, or a setting has a value that does not exist.

    Examples
    --------
    >>> import asyncio, hsframe
    >>> from hsframe.testing.server import running_server
    >>> async def yesterday(uri):
    ...     async with hsframe.AsyncSession(uri, "demo", "demo") as s:
    ...         points = await s.read('power and siteRef->dis == "Harbor Tower"')
    ...         return await s.his_read(points, "yesterday", interval="1h")
    >>> with running_server() as server:
    ...     df = asyncio.run(yesterday(server.uri))
    >>> len(df) >= 23, set(df.hs.units.values())
    (True, {'kW'})
    """

    async def about(self) -> pd.DataFrame:
        """What the server says of itself.

        Returns
        -------
        DataFrame
            One row: ``serverName``, ``haystackVersion``, ``tz``, ``productName``, ...
        """
        return await in_thread(entity_frame, await self.client.about(raw=True))

    async def ops(self) -> pd.DataFrame:
        """The operations that the server has, one row each."""
        return await in_thread(entity_frame, await self.client.ops(raw=True))

    async def formats(self) -> pd.DataFrame:
        """The formats that the server reads and writes, one row each: ``mime``, ``receive``, ``send``.

        A server of Haystack 4 that has ``filetypes`` in place of this op is asked for those.
        """
        return await in_thread(entity_frame, await self.client.formats(raw=True))

    async def defs(self, filter: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """The server's definitions, one row each.

        Parameters
        ----------
        filter : str, optional
            Which of them; all without it.
        limit : int, optional
            The most rows to give.
        """
        return await in_thread(entity_frame, await self.client.defs(filter, limit, raw=True))

    async def libs(self, filter: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """The server's libraries of definitions, one row each; `filter` and `limit` as for :meth:`defs`."""
        return await in_thread(entity_frame, await self.client.libs(filter, limit, raw=True))

    async def filetypes(self, filter: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """The file types that the server knows, one row each; `filter` and `limit` as for :meth:`defs`."""
        return await in_thread(entity_frame, await self.client.filetypes(filter, limit, raw=True))

    async def specs(self, names: str | Iterable[str]) -> pd.DataFrame:
        """Specs of Xeto, the types of records: what each is, and its slots, which are the tags that its records have.

        Servers tell them that know Axon and specs (Haxall, SkySpark 4), in both versions of the protocol.
        A record says in its tag ``spec`` which one it is of, and a spec is a filter (:meth:`read`).

        Parameters
        ----------
        names : str or iterable of str
            Names with their library, as ``"ph.points::ZoneAirTempSensor"``; or without, as ``"ZoneAirTempSensor"``:
            that of every library. ``*`` stands for any text and ``?`` for any character: ``"ph.points::*AirTemp*"``.

        Returns
        -------
        DataFrame
            Of each spec one row of its own, without `slot`, and then a row per slot, those that it inherits included:
            ``spec`` and ``slot``; ``type``, of the spec itself what it is derived from; ``optional`` (bool), whether a
            record may be without it; ``value`` (object), which a slot has where nothing else is said, a text or a kind
            of Haystack; ``unit`` and ``quantity``, which a value must be of; ``doc``. Texts are missing where nothing
            is said. A slot of type ``sys::Marker`` is a tag that is there. Slots that other libraries add to a spec by
            mixins (``+Site { ... }``) are not among them.

        Raises
        ------
        MetadataError
            The server knows no such spec (the message has what comes near), or no specs.
        CallError, NetworkError, AuthError
            The server refused, or gave no usable answer.

        Examples
        --------
        >>> df = hsframe.specs("ph.points::ZoneAirTempSensor")  # doctest: +SKIP
        >>> df.loc[~df["optional"], ["slot", "type", "value"]]  # doctest: +SKIP
        >>> hsframe.specs("ph.points::*Sp")["spec"].unique()  # doctest: +SKIP
        """
        with self._one_verb():
            return await read_specs(self.client, names)

    async def nav(self, nav_id: object = None) -> pd.DataFrame:
        """The children of a node of the navigation tree, those of the root without `nav_id`; one row each.

        A row's ``navId`` is what to ask next; a row without one is a leaf.
        """
        return await self._records(lambda _: self.client.nav(nav_id, raw=True))

    async def doctor(self, point: Ref | str | None = None) -> pd.DataFrame:
        """What the server can do, asked question by question, with advice.

        Nothing is written to the server. The doctor logs in with a session of its own and closes it at the end. What it
        finds out is remembered for all sessions of this process with the same uri; nothing is kept on disk. Later
        reads may need fewer requests for it; their results are the same.

        Parameters
        ----------
        point : Ref or str, optional
            The id of a point with a history to test reads with; by default the doctor looks for one.

        Returns
        -------
        DataFrame
            One row per question: ``question``, ``answer``, ``advice`` (empty where there is none). A server that cannot
            be reached, or refuses the login, is an answer too.
        """
        from hsframe.diagnosis.doctor import examine

        ident = None if point is None else as_ref(point).val
        async with self._settings.client() as client:
            return await examine(client, ident)

    async def invoke_action(
        self, id: Ref | str, action: str, args: Mapping[str, object] | Grid | None = None
    ) -> pd.DataFrame:
        """Call an action of a record; the answer is what the action gives."""
        return await in_thread(self._frame, await self.client.invoke_action(id, action, args, raw=True))

    async def eval(self, expr: str) -> pd.DataFrame:
        """Evaluate an Axon expression (SkySpark, Haxall).

        Returns
        -------
        DataFrame
            A trend frame where the answer is shaped like a history (``hisRead``, ``hisRollup``), in the units that
            the answer names, or else those of points that this session has read; else one row per record. A single
            value is the one cell of a column ``val``.

        Raises
        ------
        CallError
            The expression failed; ``error.trace`` has the server's stack trace.
        IncompleteError
            The server says that its answer is not whole.
        HTTPStatusError
            404: the server has no Axon.
        """
        return await in_thread(self._frame, await self.client.eval(expr, raw=True))

    async def eval_all(self, exprs: Iterable[str]) -> list[pd.DataFrame]:
        """Evaluate several Axon expressions in one request (SkySpark); on Haxall one after the other.

        Parameters
        ----------
        exprs : iterable of str

        Returns
        -------
        list of DataFrame
            In the order of the expressions, each as :meth:`eval` gives it.

        Raises
        ------
        CallError
            An expression failed; the message says which.
        """
        return [await in_thread(self._frame, grid) for grid in await self.client.eval_all(exprs, raw=True)]

    @overload
    async def call(self, op: str, grid: Grid | None = None, /) -> Grid: ...
    @overload
    async def call(self, op: str, /, **args: object) -> Any: ...
    async def call(self, op: str, grid: Grid | None = None, /, **args: object) -> Any:
        """Send a request grid to any op of the server, by its name on the wire; gives the answer's grid.

        Parameters
        ----------
        op : str
            As in the uri: ``"hisRead"``.
        grid : Grid, optional
            The request; empty by default.
        **args
            Arguments by name in place of a grid, as ``call("readById", id=Ref("a"))``. In version 5 of the protocol
            these are those of the op itself, and in version 4 a row of a grid.

        Returns
        -------
        Grid, or any value
            With arguments by name in version 5 what the op gives: a Grid, a dict, a list, a value or None.

        Raises
        ------
        CallError
            The server answered with an error grid.
        """
        return await self.client.call(op, grid, **args)

    def _frame(self, grid: Grid) -> pd.DataFrame:
        """The frame of any answer; of a history with the names and units of known points."""
        if is_history(grid):
            return trend_frame(grid_histories(grid, self._known))
        return entity_frame(grid)
