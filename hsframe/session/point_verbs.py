"""The verbs of a session for the present state of points: priority arrays, which are checked and read back; watches."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

import pandas as pd

from hsframe.client import Client
from hsframe.client.in_thread import in_thread
from hsframe.durations import Duration
from hsframe.errors import HsFrameError, MetadataError, UnitError
from hsframe.frame.entities import entity_frame
from hsframe.frame.his_grids import taken_to_be_in
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.frame.values import same_unit
from hsframe.grid import Grid, Value
from hsframe.history.failures import may_still_run
from hsframe.history.point_records import read_records
from hsframe.kinds import Number, Ref
from hsframe.protocol.request_grids import Ids, TimeLength, point_write_request
from hsframe.session.base import SessionBase
from hsframe.units import convert as convert_value

_KINDS: Final = {Number: "Number", bool: "Bool", str: "Str"}
# How long to wait for the value to appear: a server may answer before it has written.
_PAUSES_S: Final = (0.0, 0.25, 0.75)
# Servers keep numbers in single precision or write six significant digits.
_SIX_DIGITS: Final = 1e-5

Levels = dict[int, Value]


async def _write_point(client: Client, request: Grid, *, dry_run: bool, convert: bool) -> tuple[Point, pd.DataFrame]:
    """Write as :meth:`hsframe.AsyncSession.point_write` describes; gives the point of the record, and the report.

    `request` is a checked request of pointWrite, whose value is in any unit.
    """
    row = dict(request[0])
    of, level = row["id"], row["level"]
    assert isinstance(of, Ref)
    assert isinstance(level, Number)
    point = (await read_records(client, [of.val]))[0].point
    value, note = _checked(row.get("val"), point, convert=convert)
    place = int(level.val)
    if dry_run:
        return point, _report(point, place, value, "dry run", await _levels(client, of), note)
    request = Grid(request.meta, request.cols, [*request.columns[:2], (value,), *request.columns[3:]])
    try:
        await client.call("pointWrite", request)
    except HsFrameError as error:
        if may_still_run(error):
            error.add_note(
                f"it is not known whether the server has written level {place} of {of}, or will write it later; "
                f"point_write_array('{of}') shows what it has"
            )
        raise
    there: Levels = {}
    try:
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            there = await _levels(client, of)
            if is_written := _is_same(there.get(place), value):
                break
    except HsFrameError as error:  # it is written all the same
        note = "; ".join(filter(None, (note, f"the level could not be read back: {error}")))
        is_written = True
    return point, _report(point, place, value, "written" if is_written else "differs", there, note)


def _checked(value: Value | None, point: Point, *, convert: bool) -> tuple[Value | None, str]:
    """The value of the point's kind and in its unit, and a note about it; an error where it cannot be that."""
    if value is None:
        return None, ""
    where = f"the value {value} for {point}"
    kind = _KINDS.get(type(value))
    if kind is None or point.kind not in (None, kind):
        wanted = point.kind or "Number, Bool or Str"
        raise MetadataError(f"{where} must be of kind {wanted}; got {value!r}; nothing was sent")
    if not isinstance(value, Number) or not point.is_known or not math.isfinite(value.val):
        return value, ""
    if value.unit is None or same_unit(value.unit, point.unit):
        return Number(value.val, point.unit), "" if value.unit else taken_to_be_in(point.unit)
    way_out = "pass convert=True" if point.unit else "write float(value) if the number alone is meant"
    if point.unit is not None:
        try:
            converted = Number(convert_value(float(value.val), value.unit, point.unit), point.unit)
            if convert:
                return converted, ""
        except UnitError as error:
            way_out = str(error)
    raise UnitError(f"{where} is in {value.unit}, the point in {point.unit or 'none'}; {way_out}; nothing was sent")


async def _levels(client: Client, of: Ref) -> Levels:
    array = await client.point_write_array(of, raw=True)
    found = ((row.get("level"), row.get("val")) for row in array)
    return {int(level.val): val for level, val in found if isinstance(level, Number) and val is not None}


def _is_same(there: Value | None, meant: Value | None) -> bool:
    if isinstance(there, Number) and isinstance(meant, Number):
        is_own = there.unit is None or same_unit(there.unit, meant.unit)
        return there == meant or (is_own and math.isclose(there.val, meant.val, rel_tol=_SIX_DIGITS))
    return type(there) is type(meant) and there == meant


def _report(point: Point, level: int, value: Value | None, status: str, there: Levels, note: str) -> pd.DataFrame:
    strongest = min(there, default=None)
    row = {"id": point.id, "dis": point.dis, "unit": point.unit, "level": level, "value": value, "status": status}
    row |= {"on_server": there.get(level), "effective_level": strongest, "effective": there.get(strongest or 0)}
    texts = dict.fromkeys(("id", "dis", "unit", "status", "note"), "str")
    table = pd.DataFrame([{**row, "note": note}], dtype=object)
    return table.astype({**texts, "level": "int64", "effective_level": "Int64"})


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
            point, report = await _write_point(self.client, request, dry_run=dry_run, convert=convert)
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
