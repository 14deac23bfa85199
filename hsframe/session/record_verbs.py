"""The verbs of a session about the server itself."""

from __future__ import annotations

import pandas as pd

from hsframe.client.in_thread import in_thread
from hsframe.frame.entities import entity_frame
from hsframe.session.base import SessionBase
from hsframe.session.reading_verbs import ReadingVerbs


class RecordVerbs(ReadingVerbs, SessionBase):
    """The server itself, and its records as a tree."""

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

    async def nav(self, nav_id: object = None) -> pd.DataFrame:
        """The children of a node of the navigation tree, those of the root without `nav_id`; one row each."""
        return await self._records(await self.client.nav(nav_id, raw=True))
