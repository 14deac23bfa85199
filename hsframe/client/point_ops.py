"""The ops about points as they are now: priority arrays and watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal, Unpack, overload

from hsframe.client.record_ops import AnswerT, Plain, Raw, RecordOps
from hsframe.client.watching import WatchOptions, watch_grids
from hsframe.durations import Duration
from hsframe.grid import Grid
from hsframe.protocol import request_grids
from hsframe.protocol.request_grids import Id, Ids, TimeLength


class PointOps(RecordOps[AnswerT]):
    """Values written to points, and records watched."""

    # fmt: off
    @overload
    async def point_write(
        self, id: Id, level: int, val: object, who: str = "", duration: TimeLength | None = None, *,
        inf: Literal["refuse", "send"] = "refuse", raw: Raw,
    ) -> Grid: ...
    @overload
    async def point_write(
        self, id: Id, level: int, val: object, who: str = "", duration: TimeLength | None = None, *,
        inf: Literal["refuse", "send"] = "refuse", raw: Plain = False,
    ) -> AnswerT: ...
    async def point_write(
        self, id: Id, level: int, val: object, who: str = "", duration: TimeLength | None = None, *,
        inf: Literal["refuse", "send"] = "refuse", raw: bool = False,
    ) -> AnswerT | Grid:
        """Write a value at a level of a point's priority array.

        All is as for :meth:`hsframe.AsyncSession.point_write`, but nothing is read or converted here: the unit of a
        number must be the point's. A MetadataError says what is wrong before anything is sent.
        """
        request = request_grids.point_write_request(id, level, val, who, duration, inf=inf)
        return await self._op("pointWrite", request, raw=raw)

    @overload
    async def point_write_array(self, id: Id, *, raw: Raw) -> Grid: ...
    @overload
    async def point_write_array(self, id: Id, *, raw: Plain = False) -> AnswerT: ...
    async def point_write_array(self, id: Id, *, raw: bool = False) -> AnswerT | Grid:
        """The priority array of a point: 17 rows of ``level``, ``levelDis``, ``val``, ``who``."""
        request = request_grids.point_write_array_request(id)
        return await self._op("pointWrite", request, raw=raw)

    @overload
    async def watch_sub(
        self, ids: Ids, watch_dis: str, lease: TimeLength | None = None, *,
        watch_id: str | None = None, raw: Raw,
    ) -> Grid: ...
    @overload
    async def watch_sub(
        self, ids: Ids, watch_dis: str, lease: TimeLength | None = None, *,
        watch_id: str | None = None, raw: Plain = False,
    ) -> AnswerT: ...
    async def watch_sub(
        self, ids: Ids, watch_dis: str, lease: TimeLength | None = None, *,
        watch_id: str | None = None, raw: bool = False,
    ) -> AnswerT | Grid:
        """Watch points: a new watch, or more points for the watch `watch_id`.

        ``raw=True`` gives the grid, whose meta ``watchId`` names the watch and ``lease`` says how long it lives
        between polls. The rows are the points as they are now, an empty one for an unknown id. Polls use the ids of
        these rows, which may be longer than those that were asked for.

        Parameters
        ----------
        ids : Ref, str or iterable of them
        watch_dis : str
            What the server's list of watches calls it.
        lease : str, number, timedelta or Number, optional
            The lease to ask for, as ``"2min"``, or in seconds; the server may give another one.
        watch_id : str, optional
        """
        request = request_grids.watch_sub_request(ids, watch_dis, lease, watch_id)
        return await self._op("watchSub", request, raw=raw)

    # fmt: on
    @overload
    async def watch_poll(self, watch_id: str, refresh: bool = False, *, raw: Raw) -> Grid: ...
    @overload
    async def watch_poll(self, watch_id: str, refresh: bool = False, *, raw: Plain = False) -> AnswerT: ...
    async def watch_poll(self, watch_id: str, refresh: bool = False, *, raw: bool = False) -> AnswerT | Grid:
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
            The watch does not exist any more; open a new one.
        """
        return await self._op("watchPoll", request_grids.watch_poll_request(watch_id, refresh), raw=raw)

    @overload
    async def watch_unsub(self, watch_id: str, ids: Ids, *, raw: Raw) -> Grid: ...
    @overload
    async def watch_unsub(self, watch_id: str, ids: Ids, *, raw: Plain = False) -> AnswerT: ...
    async def watch_unsub(self, watch_id: str, ids: Ids, *, raw: bool = False) -> AnswerT | Grid:
        """Take points out of a watch, by their ids as the rows of :meth:`watch_sub` have them."""
        request = request_grids.watch_unsub_request(watch_id, ids)
        return await self._op("watchUnsub", request, raw=raw)

    @overload
    async def watch_close(self, watch_id: str, *, raw: Raw) -> Grid: ...
    @overload
    async def watch_close(self, watch_id: str, *, raw: Plain = False) -> AnswerT: ...
    async def watch_close(self, watch_id: str, *, raw: bool = False) -> AnswerT | Grid:
        """End a watch."""
        return await self._op("watchUnsub", request_grids.watch_close_request(watch_id), raw=raw)

    @overload
    def watch(
        self, points: Ids, poll: Duration | float = "5s", *, raw: Raw, **more: Unpack[WatchOptions]
    ) -> AsyncGenerator[Grid, None]: ...
    @overload
    def watch(
        self, points: Ids, poll: Duration | float = "5s", *, raw: Plain = False, **more: Unpack[WatchOptions]
    ) -> AsyncGenerator[AnswerT, None]: ...
    async def watch(
        self,
        points: Ids,
        poll: Duration | float = "5s",
        *,
        dis: str = "hsframe",
        lease: Duration | float | None = None,
        checked: bool = True,
        empty: bool = False,
        patience: Duration | float = "1min",
        raw: bool = False,
    ) -> AsyncGenerator[AnswerT | Grid, None]:
        """Watch records as :meth:`hsframe.AsyncSession.watch` does: first all, then each time those that changed.

        Leave it early with ``contextlib.aclosing``, so that the watch is closed at once. What it gives are whole
        records, a list of dict or a Grid, under the ids that the server gives them.
        """
        more: WatchOptions = {"dis": dis, "lease": lease, "checked": checked, "empty": empty, "patience": patience}
        grids = watch_grids(self.sender, self._watches, points, poll, more)
        async with aclosing(grids):
            async for grid in grids:
                yield self._answer(grid, raw=raw)
