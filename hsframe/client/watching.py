"""A watch as an asynchronous generator: opened, polled, opened anew when it is lost, closed in the end.

A watch can be lost in many ways: its lease runs out while the reader is busy, the server restarts, an answer is an
error grid, after which the standard calls it dead. The reader sees none of that. Servers also differ in what they
repeat: Haxall's first poll gives every record again. So the last state of each record is kept here, and only what
differs from it goes out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from hsframe.durations import SECOND_US, Duration, duration_us
from hsframe.errors import (
    AuthError,
    CallError,
    HsFrameError,
    HTTPStatusError,
    MetadataError,
    SpanError,
    UnknownRecError,
)
from hsframe.filters import means_filter
from hsframe.grid import Grid
from hsframe.kinds import Number, Ref, same
from hsframe.protocol.request_grids import Id, as_ref

if TYPE_CHECKING:
    from hsframe.client.point_ops import PointOps

__all__ = ["watch_grids"]

_log = logging.getLogger("hsframe.watch")

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A lease that outlives some polls that fail.
_LEAST_LEASE_S: Final = 120.0
_POLLS_A_LEASE: Final = 4
_FIRST_RETRY_S: Final = 0.25
_LONGEST_RETRY_S: Final = 10.0
_CLOSE_S: Final = 5.0


async def watch_grids(
    client: PointOps,
    points: str | Ref | Iterable[Id],
    *,
    poll: Duration | float = "5s",
    dis: str = "hsframe",
    lease: Duration | float | None = None,
    checked: bool = True,
    empty: bool = False,
    patience: Duration | float = "1min",
) -> AsyncGenerator[Grid, None]:
    """The records of a watch as they are, then each time what has changed; see :meth:`hsframe.Client.watch`."""
    poll_s = _seconds(poll, "poll")
    lease_s = max(_LEAST_LEASE_S, _POLLS_A_LEASE * poll_s) if lease is None else _seconds(lease, "lease")
    patience_s = _seconds(patience, "patience")
    watch = _Watch(client, await _refs_of(client, points), poll_s, lease_s, patience_s, dis)
    try:
        yield await watch.opened(checked=checked)
        while True:
            changes = await watch.changes()
            if len(changes) or empty:
                yield changes
    finally:
        await watch.close()


def _seconds(duration: Duration | float, what: str) -> float:
    return duration_us(duration, what, plain="s") / SECOND_US


async def _refs_of(client: PointOps, points: str | Ref | Iterable[Id]) -> list[Ref]:
    """The ids to watch; a text that is a filter stands for the records that it finds now."""
    if isinstance(points, str) and means_filter(points):
        found = await client.read(points, raw=True)
        refs = [row["id"] for row in found if isinstance(row.get("id"), Ref)]
        if refs or not _WORD.fullmatch(points.strip()):
            if not refs:
                raise MetadataError(f"the filter {points!r} finds no record to watch")
            return refs
    refs = [as_ref(points)] if isinstance(points, str | Ref) else [as_ref(of) for of in points]
    if not refs:
        raise MetadataError("there is nothing to watch: no ids were given")
    return list(dict.fromkeys(Ref(ref.val) for ref in refs))


class _Watch:
    def __init__(
        self, client: PointOps, refs: list[Ref], poll_s: float, lease_s: float, patience_s: float, dis: str
    ) -> None:
        self.client = client
        self.refs = refs
        self.poll_s = poll_s
        self.lease_s = lease_s
        self.patience_s = patience_s
        self.dis = dis
        self.id: str | None = None
        self.step_s = poll_s
        # After a poll whose answer was lost: it took its changes with it.
        self.refresh = False
        self.failing_since_s: float | None = None
        self.retry_s = _FIRST_RETRY_S
        self.last: dict[str, Mapping[str, Any]] = {}

    async def opened(self, *, checked: bool) -> Grid:
        """All records, in the order of the ids; of an unknown one nothing but its id."""
        grid = await self.subscribe()
        rows = [dict(row) for row in grid]
        if len(rows) == len(self.refs):  # in the order of the request, as the standard has it
            unknown = [ref for ref, row in zip(self.refs, rows, strict=True) if not row]
            rows = [row or {"id": ref} for ref, row in zip(self.refs, rows, strict=True)]
        else:
            answered = {row["id"].val for row in rows if isinstance(row.get("id"), Ref)}
            unknown = [ref for ref in self.refs if not _is_among(ref.val, answered)]
            rows = [row for row in rows if row] + [{"id": ref} for ref in unknown]
        if unknown and checked:
            names = ", ".join(map(str, unknown[:10])) + (f" and {len(unknown) - 10} more" if unknown[10:] else "")
            raise UnknownRecError(
                f"watchSub at {self.client.base_url}: the server does not know {names}; the watch is closed. Leave "
                "them out, or pass checked=False",
                ids=[ref.val for ref in unknown],
                grid=grid,
            )
        return self.grid_of(self.news(rows))

    async def subscribe(self) -> Grid:
        """Open a watch on the server; its answer."""
        lease = Number(round(self.lease_s, 3), "sec")
        grid: Grid = await self.client.watch_sub(self.refs, self.dis, lease, raw=True)
        watch_id = grid.meta.get("watchId")
        if not isinstance(watch_id, str):
            raise CallError(
                f"watchSub at {self.client.base_url}: the answer has no watchId in its meta but {watch_id!r}", grid
            )
        self.id = watch_id
        given = grid.meta.get("lease")
        if isinstance(given, Number):
            with contextlib.suppress(SpanError):  # what is no length of time says nothing
                # Polls are what renews a lease.
                self.step_s = min(self.poll_s, _seconds(given, "lease") / 2)
        self.refresh = False
        return grid

    async def changes(self) -> Grid:
        """What has changed when the time for it has come; polled more often than that where the lease wants it."""
        clock = asyncio.get_running_loop().time
        due_s = clock() + self.poll_s
        changed: dict[str, Mapping[str, Any]] = {}
        while True:
            if self.failing_since_s is None:
                pause_s = min(self.step_s, due_s - clock())
            else:
                pause_s = self.retry_s
                self.retry_s = min(2 * self.retry_s, _LONGEST_RETRY_S)
            await asyncio.sleep(max(pause_s, 0))
            changed |= await self.poll()
            if self.failing_since_s is None and clock() >= due_s - 0.001:
                return self.grid_of(changed)

    async def poll(self) -> dict[str, Mapping[str, Any]]:
        """The records that changed; nothing while the server cannot be reached."""
        try:
            if self.id is not None:
                try:
                    rows = [dict(row) for row in await self.client.watch_poll(self.id, self.refresh, raw=True)]
                except (CallError, HTTPStatusError) as error:
                    if isinstance(error, HTTPStatusError) and not 400 <= error.status < 500:
                        raise
                    _log.info("the watch %s is lost: %s; opening a new one", self.id, error)
                    self.id = None
            if self.id is None:
                rows = [dict(row) for row in await self.subscribe()]
        except AuthError:
            raise
        except HsFrameError as error:
            now_s = asyncio.get_running_loop().time()
            self.refresh = True
            if self.failing_since_s is None:
                self.failing_since_s = now_s
            elif now_s - self.failing_since_s > self.patience_s:
                raise
            _log.info("watching %d records: %s; trying again", len(self.refs), error)
            return {}
        self.failing_since_s = None
        self.retry_s = _FIRST_RETRY_S
        self.refresh = False
        return self.news(rows)

    def news(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """The records that are not as they were last."""
        changed = {}
        for row in rows:
            ref = row.get("id")
            if isinstance(ref, Ref) and not (ref.val in self.last and same(row, self.last[ref.val])):
                changed[ref.val] = self.last[ref.val] = row
        return changed

    def grid_of(self, changed: Mapping[str, Mapping[str, Any]]) -> Grid:
        names = dict.fromkeys(name for row in changed.values() for name in row)
        return Grid.from_rows({"watchId": self.id}, names, changed.values())

    async def close(self) -> None:
        """End the watch on the server; what goes wrong is logged only: its lease ends it."""
        if self.id is None:
            return
        watch_id, self.id = self.id, None
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self.client.watch_close(watch_id)
        except (HsFrameError, TimeoutError) as error:
            _log.info("the watch %s was not closed: %s", watch_id, error)


def _is_among(ident: str, answered: Iterable[str]) -> bool:
    """Whether a record was answered, be it by a longer or a shorter form of its id."""
    return any(have == ident or have.endswith(":" + ident) or ident.endswith(":" + have) for have in answered)
