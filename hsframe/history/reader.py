"""Requests of histories carried out on any server, so that every row comes once.

A server may refuse a batch, answer only a part of it, cap its rows, time out, answer more than it was asked for, or
leave out an end of the window. What comes back is therefore checked and not believed:

- where a read takes more than one request and little is known, a small one goes first: it tells how dense the
  histories are, whether batches are answered, and whether the range is looked at;
- a batch answer must have a column for each point that was asked for; else its points are read one by one;
- what smells of a limit (a time-out, 413, 5xx, ``incomplete``, a broken body, an error that speaks of a limit) halves
  the window, and then the points;
- any other error of a batch is tried again point by point, so that the one bad id is named;
- a server that answers everything, whatever the range is, is asked once a batch;
- answers are clipped to the exact half-open window, and of equal instants the later row wins.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hsframe.errors import AuthError, HsFrameError, IncompleteError
from hsframe.frame.histories import History
from hsframe.grid import Grid
from hsframe.history.answers import Part, answered, clipped, ignores_range, joined
from hsframe.history.concurrency import Slots
from hsframe.history.failures import (
    halvings_after,
    may_be_a_points,
    may_be_too_large,
    named,
    of_several,
    speaks_of_points,
)
from hsframe.history.progress import Progress
from hsframe.history.windows import DAY_US, Family, Group, Lane, Limits, Request, over
from hsframe.kinds import Ref

if TYPE_CHECKING:
    from hsframe.client import Client
    from hsframe.history.read import HowToRead

__all__ = ["Reader"]

_log = logging.getLogger("hsframe.history")

_T = TypeVar("_T")

# A batch is halved so often in time; then in points, until each is alone; then in time again.
_TIME_FIRST: Final = 3
# Points are said to share no instants where a batch of them has so many times the rows of the densest.
_APART: Final = 2.0
# Fewer rows say nothing about how dense a history is.
_ROWS_THAT_TELL: Final = 100


def _within(limits: Limits, row_cap: int | None) -> Limits:
    """The limits, and no more rows than the server is known to give at once."""
    if row_cap is None:
        return limits
    return replace(limits, rows=max(min(limits.rows, row_cap - 2), 1))  # a step more is asked for at both ends


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a request came about: how often one was halved in time, of which request that failed it is a half."""

    halvings: int = 0
    depth: int = 0
    of: Request | None = None

    def deeper(self, halvings: int = 0, of: Request | None = None) -> _Cut:
        return _Cut(self.halvings + halvings, self.depth + 1, of)


_WHOLE: Final = _Cut()


class Reader:
    """Carries requests out, a bounded number at once.

    Parameters
    ----------
    client : Client
    now_us : int
        The present, where a window without an end ends.
    max_concurrency : int
        How many requests run at once.
    how : HowToRead
        The other settings.

    Attributes
    ----------
    failed : dict of str to HsFrameError
        The errors of points that were given up, by id.
    """

    def __init__(self, client: Client, now_us: int, max_concurrency: int, how: HowToRead) -> None:
        self.client = client
        self.dialect = client.dialect
        self.now_us = now_us
        self.slots = Slots(max_concurrency)
        self.limits = _within(how.get("limits") or Limits(), client.dialect.row_cap)
        self.cells = self.limits.cells_of(0)
        self.progress = how.get("progress") or Progress()
        failures = how.get("failures")
        self.collecting = failures is not None
        self.failed: dict[str, HsFrameError] = {} if failures is None else failures
        # What was found out: it spares requests that would fail.
        self.answers = 0
        self.most_points = self.limits.points
        self.too_large: dict[Family, int] = {}  # the size of the smallest request that was
        self.seen: dict[Family, tuple[int, float]] = {}  # rows a point, in so many days
        self.hopeless: HsFrameError | None = None

    # -- from groups to requests ---------------------------------------------------------------------------------

    async def read_all(self, groups: Sequence[Group]) -> list[History]:
        """The histories of groups of points, inside their windows."""
        self.cells = self.limits.cells_of(sum(group.cells(self.now_us) for group in groups))
        return _flat(await _all(self.group(group) for group in groups))

    async def group(self, group: Group) -> list[History]:
        """The histories of a group, after a first look where that is worth a request."""
        lanes = self.lanes(group)
        if self.little_is_known(group) and self.takes_several(group, lanes):
            group = await self.look(group)
            if self.limits.cells is None:
                self.cells = max(self.cells, self.limits.cells_of(group.cells(self.now_us)))
            lanes = self.lanes(group)
        self.progress.expect(sum(self.size(lane) for lane in lanes))
        return _flat(await _all(self.lane(lane) for lane in lanes))

    def little_is_known(self, group: Group) -> bool:
        """Whether a small request could tell something that larger ones depend on."""
        dialect = self.dialect
        batches = len(group.targets) == 1 or dialect.his_read_batch is not None
        return group.rows_a_day is None or dialect.ignores_range is None or not batches

    def lanes(self, group: Group) -> list[Lane]:
        """The group as sets of points that are asked for together."""
        batch = self.dialect.his_read_batch is not False
        return group.lanes(self.limits, self.cells, self.now_us, batch=batch)

    def takes_several(self, group: Group, lanes: Sequence[Lane]) -> bool:
        """Whether reading the group is more than one request."""
        return group.cells(self.now_us) > self.cells or len(self.requests(lanes[0])) > 1

    def requests(self, lane: Lane) -> list[Request]:
        """The requests of a lane: one where the server looks at no range."""
        if self.dialect.ignores_range:
            return [Request(lane.targets, lane.window)]
        return lane.requests(self.limits, self.cells, self.now_us)

    def size(self, lane: Lane) -> int:
        """How large a lane is, for the progress."""
        return Request(lane.targets, lane.window).size(self.now_us)

    async def look(self, group: Group) -> Group:
        """The group with what a small request tells; its samples are read again with the others."""
        scout = group.scout(self.now_us)
        if self.dialect.his_read_batch is False:
            scout = scout.narrow()[0]
        async with self.slots.turn(0):
            try:
                histories = await self.send(scout)
            except HsFrameError as error:
                _log.info("a first look at %d points over %s: %s", len(scout.targets), scout.asked, error)
                return group
        if histories is None:  # no batches here
            if len(scout.targets) == 1:
                return group
            one = await self.look(replace(group, targets=group.targets[:1]))
            return group.with_density(one.rows_a_day)
        days = scout.window.length_us(self.now_us) / DAY_US
        rows = [_samples(history) for history in histories]
        if group.irregular or not max(rows) or days <= 0:
            return group
        union = len(histories[0].ts_us)
        irregular = len(histories) > 1 and union > _APART * max(rows)
        return group.with_density(max(rows) / days, irregular=irregular)

    async def lane(self, lane: Lane) -> list[History]:
        """All windows of some points, put together."""
        requests = self.requests(lane)
        partial = len(requests) > 1
        found = await _all(self.read(request, partial=partial) for request in requests)
        if any(parts is None for parts in found):  # meanwhile it showed that the server answers everything each time
            found = [await self.read(Request(lane.targets, lane.window))]
        return joined(part for parts in found for part in parts or () if part[1].point.id not in self.failed)

    # -- one request ---------------------------------------------------------------------------------------------

    async def read(self, request: Request, cut: _Cut = _WHOLE, *, partial: bool = False) -> list[Part] | None:
        """The histories of a request, however often it has to be cut.

        None: it is a part of a lane, which is better read as a whole.
        """
        failure: HsFrameError | None = None
        one_by_one = False
        smaller: list[Request] = []
        async with self.slots.turn(cut.depth):
            # Looked at when its turn comes: what was found out meanwhile spares requests that would fail.
            if partial and self.dialect.ignores_range:
                return None
            alive = tuple(target for target in request.targets if target.point.id not in self.failed)
            if not alive:
                return []
            request = replace(request, targets=alive)
            if self.hopeless is not None:
                return self.fail(self.hopeless, request)
            if len(alive) > 1 and self.dialect.his_read_batch is False:
                one_by_one = True
            else:
                smaller = self.smaller(request)
            if not (one_by_one or smaller):
                try:
                    histories = await self.send(request)
                except HsFrameError as error:
                    failure = error
                else:
                    if histories is not None:
                        if cut.of is not None and cut.of.targets == request.targets:
                            size = cut.of.size(self.now_us)  # it was the size that made it fail
                            self.too_large[request.family] = min(size, self.too_large.get(request.family, size))
                        return self.took(request, histories)
                    one_by_one = True
        if one_by_one:
            return await self.one_by_one(request, cut)
        if smaller:
            return await self.one_after_another(smaller, cut.deeper())
        assert failure is not None
        return await self.after(failure, request, cut)

    async def send(self, request: Request) -> list[History] | None:
        """The histories inside the window; None where a batch is not answered for all of its points."""
        refs = [Ref(target.point.id) for target in request.targets]
        if len(refs) == 1:
            grid = await self.client.his_read(refs[0], request.asked, raw=True)
        else:
            try:
                grid = await self.client.his_read_batch(refs, request.asked, raw=True)
            except IncompleteError as error:
                # Cut short by the server: a smaller request helps. Points left out: reading them one by one does.
                if error.grid is None or "incomplete" in error.grid.meta or "more" in error.grid.meta:
                    raise
                _log.info("%s; reading point by point", error)
                return None
        assert isinstance(grid, Grid)
        histories = answered(grid, request)
        self.answers += 1
        if ignores_range(histories, request):
            self.dialect.ignores_range = True
        elif self.dialect.ignores_range is None and any(len(history.ts_us) for history in histories):
            self.dialect.ignores_range = False
        return clipped(histories, request)

    def took(self, request: Request, histories: Sequence[History]) -> list[Part]:
        """Take an answer: tell of it, learn how dense the histories are, and keep it."""
        size = request.size(self.now_us)
        rows = max(len(history.ts_us) for history in histories)
        days = request.window.length_us(self.now_us) / DAY_US
        seen_rows, seen_days = self.seen.get(request.family, (0, 0.0))
        a_point = rows // len(histories) if request.targets[0].irregular else rows
        self.seen[request.family] = (seen_rows + a_point, seen_days + days)
        self.progress.advance(size, sum(_samples(history) for history in histories))
        return [(request.window.start_us, history) for history in histories]

    def smaller(self, request: Request) -> list[Request]:
        """What to send in place of a request that would be too large; nothing where it would not."""
        if len(request.targets) > self.most_points:
            return request.narrow(self.most_points)
        size = request.size(self.now_us)
        if size >= self.too_large.get(request.family, size + 1):
            return list(request.in_time(self.now_us) or request.in_points() or ())
        width = len(request.targets)
        seen_rows, seen_days = self.seen.get(request.family, (0, 0.0))
        if seen_rows < _ROWS_THAT_TELL or not seen_days:
            return []
        a_day = seen_rows / seen_days * (width if request.targets[0].irregular else 1)
        rows = a_day * request.window.length_us(self.now_us) / DAY_US
        times = over(rows, request.targets, self.limits, self.cells)
        if times <= 2 or self.dialect.ignores_range:
            return []
        parts = request.windows(math.ceil(times), self.now_us)
        return parts if len(parts) > 1 else []

    async def after(self, error: HsFrameError, request: Request, cut: _Cut) -> list[Part] | None:
        """What to do about an error: halve, go point by point, or give up."""
        many = len(request.targets) > 1
        worth = halvings_after(error)
        of_points = speaks_of_points(error)
        # Points are halved at most until each is alone; that is not counted.
        in_points = many and worth > 0 and (of_points or (cut.halvings >= _TIME_FIRST and self.answers > 0))
        halves = request.in_points() if in_points else request.in_time(self.now_us) or request.in_points()
        if halves is not None and (in_points or cut.halvings < worth):
            _log.info("hisRead of %d points over %s: %s; halved", len(request.targets), request.asked, error)
            if of_points:
                self.most_points = min(self.most_points, len(request.targets) // 2)
            if in_points:
                return await self.one_after_another(halves, cut.deeper())
            return await self.one_after_another(halves, cut.deeper(1, request))
        if many and may_be_a_points(error):
            parts = await self.one_by_one(request, cut)
            if self.dialect.his_read_batch is None:  # no batch has worked yet, and each of its points does
                self.dialect.his_read_batch = False
            return parts
        return self.fail(error, request)

    async def one_after_another(self, requests: Iterable[Request], cut: _Cut) -> list[Part]:
        """Several in place of one: where the first fails for good, the next is not asked for."""
        return [part for request in requests for part in await self.read(request, cut) or ()]

    async def one_by_one(self, request: Request, cut: _Cut) -> list[Part]:
        """The points of a batch in a request each; those that fail are named together."""
        singles = request.narrow()
        results = await asyncio.gather(
            *(self.read(single, _Cut(depth=cut.depth + 1)) for single in singles), return_exceptions=True
        )
        bad = [
            (single.targets[0].point.id, result)
            for single, result in zip(singles, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if len(bad) > 1:
            raise of_several(bad, len(results)) from bad[0][1]
        if bad:
            raise bad[0][1]
        return [part for result in results if not isinstance(result, BaseException) for part in result or ()]

    def fail(self, error: HsFrameError, request: Request) -> list[Part]:
        """Give up a request: raise, or keep the error with its points."""
        error = named(error, request)
        if not self.collecting or isinstance(error, AuthError):
            raise error
        if not self.answers and may_be_too_large(error):
            self.hopeless = error  # the server has answered nothing at all
        for target in request.targets:
            self.failed.setdefault(target.point.id, error)
        return []


def _samples(history: History) -> int:
    """How many samples there are; in a batch a null is none."""
    if not history.sparse:
        return len(history.ts_us)
    values: Any = getattr(history.values, "values", None)
    if values is None:
        return sum(value is not None for value in history.values)
    na: Any = getattr(history.values, "na", None)
    return int(len(values) - values.null_count + (0 if na is None else na.true_count))


async def _all(coroutines: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """What they give; the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        # The first failure cancelled the others; more than one is a coincidence of timing.
        raise _first(errors) from None
    return [task.result() for task in tasks]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _flat(parts: Iterable[Sequence[_T]]) -> list[_T]:
    return [item for some in parts for item in some]
