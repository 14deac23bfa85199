"""The verbs of a session for the present state of points: priority arrays and watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

import pandas as pd

from hsframe.client.in_thread import in_thread
from hsframe.durations import Duration
from hsframe.frame.entities import entity_frame
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.request_grids import Ids, TimeLength, point_write_request
from hsframe.session.base import SessionBase
from hsframe.session.point_writing import write_point


class PointVerbs(SessionBase):
    """Values written to points, and records watched."""

    async def point_write(
        self,
        id: Ref | str,
        level: int,
        val: object,
        who: str = "",
        duration: TimeLength | None = None,
        *,
        dry_run: bool = False,
        inf: Literal["refuse", "send"] = "refuse",
        convert: bool = False,
    ) -> pd.DataFrame:
        """Write a value at a level of a point's priority array; None clears the level.

        The value is first checked against the point's record: if it cannot be written correctly, an error says so and
        nothing is sent. Then the level is read back.

        Parameters
        ----------
        id : Ref or str
        level : int
            1 (strongest) to 17 (the default value).
        val : number, bool, str or None
            A number of any class goes out with its unit: a `Number`, a value of a unit column or its mean, a quantity
            of pint. A number without a unit is taken to be in the point's unit, and the report says so.
        who : str
            Who writes; the user by default.
        duration : str, number, timedelta or Number, optional
            How long it holds, as ``"30min"``, or in seconds; at level 8 only (standard: Ops, pointWrite).
        dry_run : bool
            Check everything, read what the server has, and send nothing.
        inf : {"refuse", "send"}
            What to do with infinite values and NaN.
        convert : bool
            Whether a value in another unit is converted to its point's; else it is refused.

        Returns
        -------
        DataFrame
            One row: ``id``, ``dis``, ``unit`` (str), ``level`` (int64), ``value`` (as it goes out: a `Number` in the
            point's unit, a bool, a text, or None), ``status``: ``"written"``, ``"dry run"`` or ``"differs"`` (the
            server took it, and has another value at this level); what the server has now: ``on_server`` (at this
            level), ``effective_level`` and ``effective`` (the strongest level with a value, and that value); ``note``:
            that the value had no unit, or why the level could not be read back.

        Raises
        ------
        UnitError, MetadataError
            Another unit; another kind than the point's; a level outside of 1 to 17; a value that is not finite.
        UnknownRecError
            The server does not know the point.
        CallError, NetworkError, AuthError
            The server refused, or gave no usable answer. A note says if it may have written the value nevertheless.
        """
        request = point_write_request(id, level, val, who, duration, inf=inf)
        with self.client.sender.retries.one_verb():
            point, report = await write_point(self.client, request, dry_run=dry_run, convert=convert)
        self._remember([point])
        return report

    async def point_write_array(self, id: Ref | str) -> pd.DataFrame:
        """The priority array of a point: one row per level, with ``level``, ``levelDis``, ``val``, ``who``."""
        return await in_thread(entity_frame, await self.client.point_write_array(id, raw=True))

    async def watch_sub(self, ids: Ids, watch_dis: str, lease: TimeLength | None = None) -> pd.DataFrame:
        """Open a watch on some records.

        Parameters
        ----------
        ids : Ref, str or iterable of them
        watch_dis : str
            What the server's list of watches calls it.
        lease : str, number, timedelta or Number, optional
            ``"2min"``, or seconds: how long the server shall keep the watch; it may choose another time.

        Returns
        -------
        DataFrame
            The records as they are now; ``df.attrs["watchId"]`` is what :meth:`watch_poll` needs.
        """
        return await in_thread(_watched, await self.client.watch_sub(ids, watch_dis, lease, raw=True))

    async def watch_poll(self, watch_id: str, refresh: bool = False) -> pd.DataFrame:
        """The records of a watch that changed since the last poll.

        Parameters
        ----------
        watch_id : str
            ``df.attrs["watchId"]`` of what :meth:`watch_sub` gave.
        refresh : bool
            All records, changed or not.
        """
        return await in_thread(_watched, await self.client.watch_poll(watch_id, refresh, raw=True))

    async def watch_unsub(self, watch_id: str, ids: Ids) -> None:
        """Take some records out of a watch.

        Parameters
        ----------
        watch_id : str
        ids : Ref, str or iterable of them
            As the frame of :meth:`watch_sub` has them.
        """
        await self.client.watch_unsub(watch_id, ids)

    async def watch_close(self, watch_id: str) -> None:
        """Close a watch."""
        await self.client.watch_close(watch_id)

    async def watch(
        self,
        points: PointsLike,
        poll: Duration | float = "5s",
        *,
        dis: str = "hsframe",
        lease: Duration | float | None = None,
        checked: bool = True,
        empty: bool = False,
        patience: Duration | float = "1min",
    ) -> AsyncGenerator[pd.DataFrame, None]:
        """Watch records: first a frame of all of them as they are, then frames of those that changed.

        A loop over it waits between the frames. A watch that is lost (an error grid, a lease that ran out, a lost
        session, a server that was restarted) is opened again, and all changes in between come in one frame. Leaving
        the loop, by ``break``, an exception or Ctrl-C, closes the watch. So does closing the session: a loop
        that waits ends as if there were no more to come.

        Parameters
        ----------
        points : str, Ref, list of these, or DataFrame
            A filter, for the records that it finds now; ids; or the frame that :meth:`read` gave.
        poll : str, number or timedelta
            How long to wait between polls: ``"5s"``, ``"1min"``, seconds as a number.
        dis : str
            What the server's list of watches calls it.
        lease : same as `poll`, optional
            How long the server shall keep the watch between polls. Where it keeps it for less than two polls, it is
            polled more often.
        checked : bool
            False: an unknown id gives a record that has only this id.
        empty : bool
            Whether a poll without changes gives a frame too, without rows.
        patience : same as `poll`
            How long the server may be unreachable.

        Yields
        ------
        DataFrame
            One row per record, as :meth:`read` gives it, with the id as the server writes it; ``curVal`` is in its unit
            where all rows have one, else of ``Number``.

        Raises
        ------
        UnknownRecError
            `checked`, and the server does not know some of the ids.
        CallError, NetworkError
            The watch cannot be opened, or the server was unreachable for longer than `patience`.
        MetadataError
            A filter that finds nothing.
        SpanError
            `poll`, `lease` or `patience` is not a length of time.
        """
        wanted = points if isinstance(points, str) else [Ref(point.id) for point in as_points(points)]
        grids = self.client.watch(
            wanted, poll, dis=dis, lease=lease, checked=checked, empty=empty, patience=patience, raw=True
        )
        async with aclosing(grids):
            async for grid in grids:
                yield await in_thread(_watched, grid)


def _watched(grid: Grid) -> pd.DataFrame:
    df = entity_frame(grid)
    df.attrs["watchId"] = str(grid.meta.get("watchId", ""))
    return df
