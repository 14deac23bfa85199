"""Histories read from any server, so that every row comes once.

A server may refuse a batch, answer only a part of it, cap its rows, time out, answer more than it was asked for, or
leave out an end of the window. What comes back is therefore checked and not believed:

- where a read takes more than one request and little is known, a small one goes first, the probe: it tells how dense
  the histories are, whether batches are answered, and whether the range is looked at;
- a batch answer must have a column for each point that was asked for; else its points are read one by one
  (haystack-py 0.1.10 and shaystack 0.10.2 answer the first only; nHaystack on Niagara refuses batches);
- what may come from a limit (a time-out, 413, 5xx, ``incomplete``, a broken body, an error that speaks of a limit)
  halves the window, and then the points;
- any other error of a batch is tried again point by point, so that the one bad id is named;
- a server that answers everything, whatever the range is (haystack-py 0.1.10), is asked once a batch;
- answers are clipped to the exact half-open window, and of equal instants the later row wins.

A request that failed is split, never sent again as it was: whether that is worth trying is for the client to say.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from hsframe.errors import AuthError, HsFrameError, IncompleteError
from hsframe.frame.histories import History
from hsframe.history.answers import Part, answered, clipped, ignores_range, joined, sample_count
from hsframe.history.concurrency import ConcurrencyLimit
from hsframe.history.failures import (
    combined_error,
    halvings_after,
    is_limit_of_points,
    may_be_too_large,
    may_come_from_a_point,
    with_point,
)
from hsframe.history.plan import Batch, BatchKey, Group, Request, RequestLimits
from hsframe.history.progress import Progress
from hsframe.history.source import Source
from hsframe.kinds import Ref

__all__ = ["Planner"]

_log = logging.getLogger("hsframe.history")

_T = TypeVar("_T")

# A batch is halved so often in time; then in points, until each is alone; then in time again.
_TIME_FIRST: Final = 3
# Points are said to share no instants where a batch of them has so many times the rows of the densest.
_APART: Final = 2.0
# Fewer rows say nothing about how dense a history is.
_ROWS_THAT_TELL: Final = 100


@dataclass(frozen=True, slots=True)
class _Origin:
    """How a request came about: how often one was halved in time, of which request that failed it is a half."""

    halvings: int = 0
    depth: int = 0
    half_of: Request | None = None

    def deeper(self, halvings: int = 0, half_of: Request | None = None) -> _Origin:
        return _Origin(self.halvings + halvings, self.depth + 1, half_of)


class Planner:
    """One read: what is still to be asked for, and what the answers have taught.

    Probes look for samples before `now_us`, the present. The errors of points that could not be read are put in
    `failures`, by id; without it the first error is raised.
    """

    def __init__(
        self,
        source: Source,
        limits: RequestLimits,
        now_us: int,
        failures: dict[str, HsFrameError] | None,
        progress: Progress,
    ) -> None:
        self.source = source
        self.dialect = source.dialect
        # The second has the samples of an answer as they suit what is read, where the first says nothing of them.
        self.wanted = self.limits = limits.with_row_cap(source.dialect.row_cap)
        self.concurrency = ConcurrencyLimit(limits.max_concurrency)
        self.now_us = now_us
        self.progress = progress
        self.raises = failures is None
        self.failed = {} if failures is None else failures
        # What the answers have taught: it spares requests that would fail.
        self.answers = 0
        self.most_points = limits.points
        self.too_large: dict[BatchKey, int] = {}  # the size of the smallest request that was
        self.seen: dict[BatchKey, tuple[int, float]] = {}  # rows a point, in so many days
        self.hopeless: HsFrameError | None = None

    # -- from groups to batches ----------------------------------------------------------------------------------

    async def batches(self, groups: Sequence[Group]) -> AsyncGenerator[list[History], None]:
        """The histories of each batch of points, inside their window, as soon as it is done.

        Only so many batches are under way or wait to be taken, so a slow consumer does not gather all in memory. The
        first failure, and a consumer that closes the generator, cancels what is under way and waits for its end.
        """
        self.limits = self.wanted.for_cells(sum(group.cells for group in groups))
        # No task group: when a task of it fails, it cancels whoever runs it, and at a yield that is the consumer.
        dividing = [asyncio.create_task(self.divided(group)) for group in groups]
        reading: list[asyncio.Task[list[History]]] = []
        waiting: deque[Batch] = deque()
        try:
            while dividing or waiting or reading:
                for divided in [task for task in dividing if task.done()]:
                    dividing.remove(divided)
                    waiting += divided.result()
                # More than requests may run: the next one is sent while an answer is put together.
                while waiting and len(reading) < 2 * self.limits.max_concurrency:
                    reading.append(asyncio.create_task(self.batch(waiting.popleft())))
                done = next((task for task in reading if task.done()), None)
                if done is not None:
                    reading.remove(done)
                    yield done.result()
                elif dividing or reading:
                    await asyncio.wait([*dividing, *reading], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in [*dividing, *reading]:
                task.cancel()
            await asyncio.gather(*dividing, *reading, return_exceptions=True)

    async def divided(self, group: Group) -> list[Batch]:
        """A group in batches, after a probe where that is worth a request."""
        batches = self.batches_of(group)
        if self.little_is_known(group) and self.takes_several(group, batches):
            group = await self.probed(group)
            grown = self.wanted.for_cells(group.cells)
            if grown.most_cells > self.limits.most_cells:
                self.limits = grown
            batches = self.batches_of(group)
        self.progress.expect(sum(batch.whole.size for batch in batches))
        return batches

    def batches_of(self, group: Group) -> list[Batch]:
        """The group as sets of points that are read together."""
        return group.batches(self.limits, one_by_one=self.dialect.his_read_batch is False)

    def requests_of(self, batch: Batch) -> list[Request]:
        """The requests of a batch: one where the server looks at no range."""
        return [batch.whole] if self.dialect.ignores_range else batch.requests(self.limits)

    def little_is_known(self, group: Group) -> bool:
        """Whether a small request could tell something that larger ones depend on."""
        are_batches_known = len(group.records) == 1 or self.dialect.his_read_batch is not None
        return group.rows_a_day is None or self.dialect.ignores_range is None or not are_batches_known

    def takes_several(self, group: Group, batches: Sequence[Batch]) -> bool:
        """Whether reading the group is more than one request."""
        return group.cells > self.limits.most_cells or len(self.requests_of(batches[0])) > 1

    async def probed(self, group: Group) -> Group:
        """The group with what a small request tells; its samples are read again with the others."""
        probe = group.probe(self.now_us)
        if self.dialect.his_read_batch is False:
            probe = probe.in_points()[0]
        async with self.concurrency.turn(0):
            try:
                histories = await self.send(probe)
            except HsFrameError as error:
                _log.info("a probe of %d points over %s: %s", len(probe.records), probe.asked, error)
                return group
        if histories is None:  # no batches here
            if len(probe.records) == 1:
                return group
            one = await self.probed(replace(group, records=group.records[:1]))
            return group.with_density(one.rows_a_day)
        most_rows = max(map(sample_count, histories))
        if group.irregular or not most_rows or not probe.window.days:
            return group
        irregular = len(histories) > 1 and len(histories[0].ts_us) > _APART * most_rows
        return group.with_density(most_rows / probe.window.days, irregular=irregular)

    async def batch(self, batch: Batch) -> list[History]:
        """All windows of some points, put together."""
        requests = self.requests_of(batch)
        is_part = len(requests) > 1
        found = await _all(self.read(request, is_part=is_part) for request in requests)
        if any(parts is None for parts in found):  # meanwhile it showed that the server answers everything each time
            found = [await self.read(batch.whole)]
        return joined(part for parts in found for part in parts or () if part[1].point.id not in self.failed)

    # -- one request ---------------------------------------------------------------------------------------------

    async def read(self, request: Request, origin: _Origin = _Origin(), *, is_part: bool = False) -> list[Part] | None:
        """The histories of a request, however often it has to be split.

        None: it is a part of a batch that is better read as a whole.
        """
        failure: HsFrameError | None = None
        async with self.concurrency.turn(origin.depth):
            # Looked at when its turn comes: what was found out meanwhile spares requests that would fail.
            if is_part and self.dialect.ignores_range:
                return None
            request = replace(request, records=tuple(one for one in request.records if one.id not in self.failed))
            if not request.records:
                return []
            if self.hopeless is not None:
                return self.fail(self.hopeless, request)
            has_batches = len(request.records) == 1 or self.dialect.his_read_batch is not False
            smaller = self.smaller(request) if has_batches else []
            if has_batches and not smaller:
                try:
                    histories = await self.send(request)
                except HsFrameError as error:
                    failure = error
                else:
                    if histories is not None:
                        return self.took(request, histories, origin)
        if failure is not None:
            return await self.after(failure, request, origin)
        if smaller:
            return await self.one_after_another(smaller, origin.deeper())
        return await self.one_by_one(request, origin)

    async def send(self, request: Request) -> list[History] | None:
        """The histories inside the window; None where a batch is not answered for all of its points."""
        refs = [Ref(record.id) for record in request.records]
        if len(refs) == 1:
            grid = await self.source.his_read(refs[0], request.asked, raw=True)
        else:
            try:
                grid = await self.source.his_read_batch(refs, request.asked, raw=True)
            except IncompleteError as error:
                # Cut short by the server: a smaller request helps. Points left out: reading them one by one does.
                if error.grid is None or "incomplete" in error.grid.meta or "more" in error.grid.meta:
                    raise
                _log.info("%s; reading point by point", error)
                return None
        histories = answered(grid, request)
        self.answers += 1
        if ignores_range(histories, request):
            self.dialect.ignores_range = True
        elif self.dialect.ignores_range is None and any(len(history.ts_us) for history in histories):
            self.dialect.ignores_range = False
        return clipped(histories, request)

    def took(self, request: Request, histories: Sequence[History], origin: _Origin) -> list[Part]:
        """Take an answer: tell of it, and learn how dense the histories are and how large a request may be."""
        failed = origin.half_of
        if failed is not None and failed.records == request.records:  # it was the size that made it fail
            self.too_large[request.key] = min(failed.size, self.too_large.get(request.key, failed.size))
        rows = max(len(history.ts_us) for history in histories)
        seen_rows, seen_days = self.seen.get(request.key, (0, 0.0))
        a_point = rows // len(histories) if request.records[0].irregular else rows
        self.seen[request.key] = (seen_rows + a_point, seen_days + request.window.days)
        self.progress.advance(request.size, sum(map(sample_count, histories)))
        return [(request.window.start_us, history) for history in histories]

    def smaller(self, request: Request) -> list[Request]:
        """What to send in place of a request that would be too large; nothing where it would not."""
        if len(request.records) > self.most_points:
            return request.in_points(self.most_points)
        if request.size >= self.too_large.get(request.key, request.size + 1):
            return request.halves()
        seen_rows, seen_days = self.seen.get(request.key, (0, 0.0))
        if seen_rows < _ROWS_THAT_TELL or not seen_days or self.dialect.ignores_range:
            return []
        a_day = seen_rows / seen_days * (len(request.records) if request.records[0].irregular else 1)
        times = self.limits.times_too_large(a_day * request.window.days, request.records)
        parts = request.in_time(math.ceil(times)) if times > 2 else []
        return parts if len(parts) > 1 else []

    async def after(self, error: HsFrameError, request: Request, origin: _Origin) -> list[Part] | None:
        """What to do about an error: halve, go point by point, or give up."""
        many = len(request.records) > 1
        worth = halvings_after(error)
        of_points = is_limit_of_points(error)
        # Points are halved at most until each is alone; that is not counted.
        in_points = many and worth > 0 and (of_points or (origin.halvings >= _TIME_FIRST and self.answers > 0))
        halves = request.halves(in_points=in_points)
        if halves and (in_points or origin.halvings < worth):
            _log.info("hisRead of %d points over %s: %s; halved", len(request.records), request.asked, error)
            if of_points:
                self.most_points = min(self.most_points, len(halves[0].records))
            if in_points:
                return await self.one_after_another(halves, origin.deeper())
            return await self.one_after_another(halves, origin.deeper(1, request))
        if many and may_come_from_a_point(error):
            parts = await self.one_by_one(request, origin)
            if self.dialect.his_read_batch is None:  # no batch has worked yet, and each of its points does
                self.dialect.his_read_batch = False
            return parts
        return self.fail(error, request)

    async def one_after_another(self, requests: Iterable[Request], origin: _Origin) -> list[Part]:
        """Several in place of one: where the first fails for good, the next is not asked for."""
        return [part for request in requests for part in await self.read(request, origin) or ()]

    async def one_by_one(self, request: Request, origin: _Origin) -> list[Part]:
        """The points of a batch in a request each; those that fail are named together."""
        singles = request.in_points()
        results = await asyncio.gather(
            *(self.read(single, _Origin(depth=origin.depth + 1)) for single in singles), return_exceptions=True
        )
        bad = {
            single.records[0].id: result
            for single, result in zip(singles, results, strict=True)
            if isinstance(result, BaseException)
        }
        if bad:
            raise combined_error(bad, len(results))
        return [part for result in results if not isinstance(result, BaseException) for part in result or ()]

    def fail(self, error: HsFrameError, request: Request) -> list[Part]:
        """Give up a request: raise, or keep the error with its points."""
        error = with_point(error, request)
        if self.raises or isinstance(error, AuthError):
            raise error
        if not self.answers and may_be_too_large(error):
            self.hopeless = error  # the server has answered nothing at all
        for record in request.records:
            self.failed.setdefault(record.id, error)
        return []


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
