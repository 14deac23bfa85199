"""The verbs of a session about the server itself and about its records."""

from __future__ import annotations

import pandas as pd

from hsframe.client.in_thread import in_thread
from hsframe.frame.entities import entity_frame
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.protocol.request_grids import Ids
from hsframe.session.base import SessionBase


class RecordVerbs(SessionBase):
    """The server itself, and its records."""

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

    async def read(self, filter: str, limit: int | None = None) -> pd.DataFrame:
        """Records by filter.

        Parameters
        ----------
        filter : str
            As ``'point and temp and siteRef->dis == "HQ"'``; a Number compares with its unit only: ``curVal > 20°C``.
        limit : int, optional
            The most records to give.

        Returns
        -------
        DataFrame
            One row per record, one column per tag (:func:`hsframe.frame.entities.entity_frame`); ``id`` and ``dis``
            also where no record is found. :meth:`his_read` takes it as its points.

        Raises
        ------
        CallError
            The server refused, for example a filter that it does not understand.
        IncompleteError
            The server says that there is more, and no `limit` was given.
        """
        return _with_names(await self._records(await self.client.read(filter, limit, raw=True)))

    async def read_by_ids(self, ids: Ids) -> pd.DataFrame:
        """Records by id, in the order of the ids.

        Parameters
        ----------
        ids : Ref, str or iterable of them

        Returns
        -------
        DataFrame
            One row per record, as :meth:`read` gives it.

        Raises
        ------
        UnknownRecError
            Ids that the server does not know; the message names them.
        """
        return _with_names(await self._records(await self.client.read_by_ids(ids, raw=True)))

    async def nav(self, nav_id: object = None) -> pd.DataFrame:
        """The children of a node of the navigation tree, those of the root without `nav_id`; one row each."""
        return await self._records(await self.client.nav(nav_id, raw=True))

    async def _records(self, grid: Grid) -> pd.DataFrame:
        points, df = await in_thread(_points_and_frame, grid)
        self._remember(points)
        return df


def record_frame(grid: Grid) -> pd.DataFrame:
    """The frame of records, one row each; without any it has the columns ``id`` and ``dis``."""
    return _with_names(entity_frame(grid))


def _with_names(df: pd.DataFrame) -> pd.DataFrame:
    """The frame of records; without rows it has at least the columns that a person goes on with."""
    if len(df):
        return df
    names = {name: pd.array([], dtype="str") for name in ("id", "dis")}
    return pd.DataFrame(names).join(df.drop(columns=[*names, "empty"], errors="ignore"))


def _points_and_frame(grid: Grid) -> tuple[list[Point], pd.DataFrame]:
    points = [Point.from_record(row) for row in grid if "id" in row and ("point" in row or "kind" in row)]
    return points, entity_frame(grid)
