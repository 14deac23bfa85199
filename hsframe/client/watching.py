"""A watch as an asynchronous generator: opened, polled, opened again when it is lost, closed at the end.

A watch can be lost in many ways: its lease runs out while the caller is busy, the server restarts, an answer is an
error grid, after which the standard calls it dead. The caller notices none of that. Servers also differ in what
they repeat: Haxall's first poll gives every record again. So the last state of each record is kept here, and only what
differs from it goes out. It has a patience of its own: a poll that fails is not sent again, the next one is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict

from hsframe.client.retries import Patience
from hsframe.client.sender import RequestSender
from hsframe.durations import SECOND_US, Duration, duration_us
from hsframe.errors import (
    AuthError,
    CallError,
    HsFrameError,
    HTTPStatusError,
    MetadataError,
    SpanError,
    UnknownRecError,
    in_short,
)
from hsframe.filters import explained, is_word, means_filter
from hsframe.grid import Grid, Value
from hsframe.kinds import Number, Ref, same
from hsframe.protocol import request_grids
from hsframe.protocol.answers import named, rows_of_ids
from hsframe.protocol.request_grids import OPS, Ids, as_refs

_log = logging.getLogger("hsframe.watch")

# Long enough that some polls may fail.
_LEAST_LEASE_S: Final = 120.0
_POLLS_PER_LEASE: Final = 4
_LEAST_STEP_S: Final = 0.25
# With these statuses a server means that it has no such watch; by the standard it says so in an error grid.
_GONE: Final = (404, 410)
_FIRST_RETRY_S: Final = 0.25
_LONGEST_RETRY_S: Final = 10.0
_CLOSE_S: Final = 5.0


class WatchOptions(TypedDict, total=False):
    """What may be given by name; :meth:`hsframe.Client.watch` describes each."""

    dis: str
    lease: Duration | float | None
    checked: bool
    empty: bool
    patience: Duration | float


async def watch_grids(
    sender: RequestSender, watches: set[Watch], points: Ids, poll: Duration | float, options: WatchOptions
) -> AsyncGenerator[Grid, None]:
    """The records of a watch as they are, then each time what has changed; see :meth:`hsframe.Client.watch`.

    Until it ends the watch is one of the `watches`: closed from there, it ends here, whatever it is waiting for.
    """
    poll_s = _seconds(poll, "poll")
    lease, patience_s = options["lease"], _seconds(options["patience"], "patience")
    lease_s = max(_LEAST_LEASE_S, _POLLS_PER_LEASE * poll_s) if lease is None else _seconds(lease, "lease")
    watch = Watch(sender, poll_s, lease_s, patience_s, options["dis"])
    watches.add(watch)
    try:
        watch.refs = await _refs_of(sender, points)
        yield await watch.opened(checked=options["checked"])
        while (changes := await watch.changes()) is not None:
            if len(changes) or options["empty"]:
                yield changes
    except HsFrameError:
        if not watch.closing.is_set():  # else it fails because it was closed
            raise
    finally:
        await watch.close()
        watches.discard(watch)


def _seconds(duration: Duration | float, what: str) -> float:
    return duration_us(duration, what, plain="s") / SECOND_US


async def _refs_of(sender: RequestSender, points: Ids) -> list[Ref]:
    """The ids to watch; a filter means the records that it finds now."""
    if isinstance(points, str) and means_filter(points):
        with explained(points):
            found = await sender.call(OPS["read"], request_grids.read_request(points))
        refs = [of for row in found if isinstance(of := row.get("id"), Ref)]
        if refs or not is_word(points):
            if not refs:
                raise MetadataError(f"the filter {points!r} finds no record to watch")
            return refs
    return list(dict.fromkeys(Ref(of.val) for of in as_refs(points, "watchSub")))


@dataclass(eq=False)
class Watch:
    """One watch on the server, or those that follow each other where it is lost."""

    sender: RequestSender
    poll_s: float
    lease_s: float
    patience_s: float
    dis: str
    refs: list[Ref] = field(default_factory=list)
    id: str | None = None
    step_s: float = 0.0
    failing_since_s: float | None = None
    retry_s: float = _FIRST_RETRY_S
    last: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    # One request at a time: a watch that is closed from elsewhere is not opened anew by a poll that is under way.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def opened(self, *, checked: bool) -> Grid:
        """All records, in the order of the ids; an unknown one has only its id."""
        async with self.lock:
            grid = await self.subscribe()
        places, _ = rows_of_ids(grid, self.refs, of_read=False)
        rows = [{"id": ref} if row is None else dict(grid[row]) for ref, row in zip(self.refs, places, strict=True)]
        unknown = [ref for ref, row in zip(self.refs, places, strict=True) if row is None]
        if unknown and checked:
            raise UnknownRecError(
                f"watchSub at {self.sender.base}: the server does not know {named(unknown)}; the watch is closed. "
                "Leave them out, or pass checked=False",
                ids=[ref.val for ref in unknown],
                grid=grid,
            )
        return self.grid_of(self.changed_only(rows))

    async def subscribe(self, patience: Patience | None = None) -> Grid:
        lease = Number(round(self.lease_s, 3), "sec")
        grid = await self.sender.call(
            OPS["watchSub"], request_grids.watch_sub_request(self.refs, self.dis, lease), patience
        )
        watch_id = grid.meta.get("watchId")
        if not isinstance(watch_id, str):
            raise CallError(
                f"watchSub at {self.sender.base}: the answer has no watchId in its meta but {in_short(repr(watch_id))}",
                grid,
            )
        self.id, self.step_s = watch_id, self.poll_s
        given = grid.meta.get("lease")
        if isinstance(given, Number):
            with contextlib.suppress(SpanError):  # a lease that is not a length of time is ignored
                # Polls are what renews a lease. One that ran out all the same is a lost watch, which is opened again.
                self.step_s = min(self.poll_s, max(_seconds(given, "lease") / 2, _LEAST_STEP_S))
        return grid

    async def changes(self) -> Grid | None:
        """What has changed when the poll interval ends; None once it is closed. Short leases are polled more often."""
        clock = asyncio.get_running_loop().time
        due_s = clock() + self.poll_s
        changed: dict[str, Mapping[str, Value]] = {}
        while True:
            if self.failing_since_s is None:
                pause_s = min(self.step_s, due_s - clock())
            else:
                pause_s = self.retry_s
                self.retry_s = min(2 * self.retry_s, _LONGEST_RETRY_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause_s, 0)):
                    await self.closing.wait()
            async with self.lock:
                if self.closing.is_set():
                    return None
                changed |= await self.poll()
            if self.failing_since_s is None and clock() >= due_s - 0.001:
                return self.grid_of(changed)

    async def poll(self) -> dict[str, Mapping[str, Value]]:
        """The records that changed; nothing while the server cannot be reached."""
        try:
            if self.id is not None:
                try:
                    # All records after a poll whose answer was lost: the server does not send those changes again.
                    request = request_grids.watch_poll_request(self.id, self.failing_since_s is not None)
                    rows = [dict(row) for row in await self.sender.call(OPS["watchPoll"], request, Patience(0))]
                except (CallError, HTTPStatusError) as error:
                    if isinstance(error, HTTPStatusError) and error.status not in _GONE:
                        raise
                    _log.info("the watch %s is lost: %s; opening a new one", self.id, error)
                    self.id = None
            if self.id is None:
                rows = [dict(row) for row in await self.subscribe(Patience(0))]
        except AuthError:
            raise
        except HsFrameError as error:
            now_s = asyncio.get_running_loop().time()
            if self.failing_since_s is None:
                self.failing_since_s = now_s
            elif now_s - self.failing_since_s > self.patience_s:
                raise
            _log.info("watching %d records: %s; trying again", len(self.refs), error)
            return {}
        self.failing_since_s = None
        self.retry_s = _FIRST_RETRY_S
        return self.changed_only(rows)

    def changed_only(self, rows: Iterable[Mapping[str, Value]]) -> dict[str, Mapping[str, Value]]:
        """The records that differ from their last known state."""
        changed = {}
        for row in rows:
            ref = row.get("id")
            if isinstance(ref, Ref) and not (ref.val in self.last and same(row, self.last[ref.val])):
                changed[ref.val] = self.last[ref.val] = row
        return changed

    def grid_of(self, changed: Mapping[str, Mapping[str, Value]]) -> Grid:
        """Records by their ids as a grid that names the watch."""
        names = dict.fromkeys(name for row in changed.values() for name in row)
        return Grid.from_rows({"watchId": self.id}, names, changed.values())

    async def close(self) -> None:
        """End the watch here and on the server; failures are only logged: the lease ends it."""
        self.closing.set()
        try:
            async with asyncio.timeout(_CLOSE_S), self.lock:
                watch_id, self.id = self.id, None
                if watch_id is not None:
                    await self.sender.call(OPS["watchUnsub"], request_grids.watch_close_request(watch_id), Patience(0))
        except (HsFrameError, TimeoutError) as error:
            _log.info("a watch of %d records was not closed: %s", len(self.refs), error)
