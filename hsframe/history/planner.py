"""Carries out a read on any server, so that each sample is returned exactly once.

A server may refuse batches, answer only some of the points, limit the rows of an answer, time out, answer more than was
asked for, or leave out the sample at one end of the window. So:

- If a read takes several requests and little is known of the server or the histories, a small request, the probe, goes
  first. It shows how many rows a day there are, and whether the server answers batches and respects the range.
- If a batch is refused (nHaystack on Niagara), or points are missing in its answer (haystack-py 0.1.10 and shaystack
  0.10.2 answer the first only), the points are read one by one. The client checks the answer: IncompleteError.
- If the request may have been too large (a time-out, 413, 5xx, ``incomplete``, a broken body, an error that mentions a
  limit), it is halved in time, and later in points.
- After any other error of a batch it is halved in points, so that the error names the bad ids.
- If one second of single points fails in the same words too, nothing more is sent (:mod:`hsframe.history.failures`).
- If an answer may have been cut without a word, the ends of its window are asked for
  (:mod:`hsframe.history.row_caps`), and what is missing is read.
- If a range of instants is refused (rusty-haystack), whole dates are asked for.
- A server that answers the whole history whatever the range is (haystack-py 0.1.10) gets one request per batch.
- Answers are clipped to the exact half-open window. Of several rows at one instant the last one is kept.
- A failed request is split here, never repeated: what is sent again is decided in the client (``client/retries.py``).
  Where that found the server down, no request is split and none is sent any more.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from hsframe.errors import AuthError, CallError, HsFrameError, IncompleteError
from hsframe.frame.histories import History
from hsframe.grid import Grid
from hsframe.history import failures
from hsframe.history.concurrency import ConcurrencyLimit, all_of
from hsframe.history.his_answers import Answer, Part, clipped, joined, sample_count
from hsframe.history.plan import Group, GroupKey, ReadOptions, Request
from hsframe.history.row_caps import MAY_BE_NEW, RowCaps, added, cut_error, warn_of_unproven
from hsframe.kinds import Ref
from hsframe.protocol.answers import refuses_instants
from hsframe.spans import dates_text

if TYPE_CHECKING:
    from hsframe.client import Client

_log = logging.getLogger("hsframe.history")

# A batch is halved this often in time, then in points until each is alone, then in time again.
_TIME_HALVINGS_FIRST: Final = 3
# How long batches stay small where larger ones failed, smaller ones did not, and no answer said why: after an outage
# they are not to stay small for the life of the session.
_SUSPICION_S: Final = 600.0
# So few points are read one by one at once.
_FEW_POINTS: Final = 4
# Points count as irregular if a batch of them has more than this many times the rows of its densest point.
_IRREGULAR_ROW_RATIO: Final = 2.0
# From fewer rows than this no rows per day are computed.
_MIN_ROWS_FOR_DENSITY: Final = 100


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a request comes from: `halvings` in time and splits (`depth`) so far, and the failed one it is half of."""

    halvings: int = 0
    depth: int = 0
    half_of: Request | None = None

    def deeper(self, halvings: int = 0, half_of: Request | None = None) -> _Origin:
        return _Origin(self.halvings + halvings, self.depth + 1, half_of)


class Planner:
    """One read: sends its requests, and uses each answer to choose the size of the next ones.

    A probe reads samples before the present time.
    """

    def __init__(self, source: Client[Any], options: ReadOptions) -> None:
        limits = options.limits
        self.source = source
        self.dialect = source.dialect
        self.limits = limits.with_row_cap(source.dialect.row_cap)
        self.caps = RowCaps(source.dialect, limits.rows)
        self.most_at_once = limits.max_concurrency or source.max_concurrency
        self.concurrency = ConcurrencyLimit(self.most_at_once)
        self.now_us = options.now_us
        self.progress = options.progress
        self.raises = options.failures is None
        self.failed = {} if options.failures is None else options.failures
        # Learned from the answers; avoids requests that would fail.
        if asyncio.get_running_loop().time() > self.dialect.most_points_until_s:
            self.dialect.most_points = None
        self.most_points = min(limits.points, self.dialect.most_points or limits.points)
        self.refuses_dates = False  # as it refuses instants
        self.too_large: dict[GroupKey, int] = {}  # the size of the smallest request that was too large
        self.seen: dict[GroupKey, tuple[int, float]] = {}  # rows of one point so far, and the days that they cover
        self.fatal_error: HsFrameError | None = None
        self.doubts = failures.Doubts()

    async def batches(self, groups: Sequence[Group]) -> AsyncGenerator[list[History], None]:
        """The histories of each batch of points, clipped to the window, as soon as the batch is complete.

        The number of batches in memory is limited, also if the consumer is slow. The first failure, or closing the
        generator, cancels the running requests and waits until they have ended.
        """
        self.limits = replace(self.limits, total_cells=sum(group.cells for group in groups))
        self.doubts.wholes = [group.whole for group in groups]
        # No TaskGroup: if one of its tasks fails, it cancels the task that runs it, which at a yield is the consumer.
        dividing = [asyncio.create_task(self.divided(group)) for group in groups]
        reading: list[asyncio.Task[list[History]]] = []
        waiting: deque[Group] = deque()
        try:
            while dividing or waiting or reading:
                for divided in [task for task in dividing if task.done()]:
                    dividing.remove(divided)
                    waiting += divided.result()
                # Twice as many batches as requests: the next request is sent while an answer is put together.
                while waiting and len(reading) < 2 * self.most_at_once:
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

    async def divided(self, group: Group) -> list[Group]:
        """The batches of a group; after a probe, if they are several requests and little is known of what comes."""
        batches = self.batches_of(group)
        are_batches_known = len(group.records) == 1 or self.dialect.his_read_batch is not None
        is_known = group.rows_a_day is not None and self.dialect.ignores_range is not None and are_batches_known
        # Points that share no instants must not be in large batches, however few samples they have.
        is_wide = len(batches) > 1 and len(batches[0].records) > 1 and group.rows_a_day is None
        are_many = is_wide or group.cells > self.limits.most_cells
        if not is_known and (are_many or len(self.requests_of(batches[0])) > 1):
            group = await self.probed(group)
            self.limits = replace(self.limits, total_cells=max(self.limits.total_cells, group.cells))
            batches = self.batches_of(group)
        self.progress.expect(sum(batch.whole.size for batch in batches))
        return batches

    def batches_of(self, group: Group) -> list[Group]:
        return group.batches(self.limits, one_by_one=self.dialect.his_read_batch is False)

    def requests_of(self, batch: Group) -> list[Request]:
        """The requests of a batch; only one if the server ignores the range."""
        return [batch.whole] if self.dialect.ignores_range else batch.requests(self.limits)

    async def probed(self, group: Group) -> Group:
        """The group with what a probe shows about it; the samples of the probe are read again later."""
        probe = group.probe(self.now_us).in_points(1 if self.dialect.his_read_batch is False else self.most_points)[0]
        async with self.concurrency.turn(0):
            try:
                answer = await self.send(probe)
            except HsFrameError as error:
                if error.is_final:
                    self.give_up(error, probe)
                _log.info("the probe of %d points over %s failed: %s", len(probe.records), probe.asked, error)
                await self.doubt(error, probe)
                return group
        if answer is None:  # the server does not answer batches
            if len(probe.records) == 1:
                return group
            one = await self.probed(replace(group, records=group.records[:1]))
            return group.with_density(one.rows_a_day)
        histories = answer.inside
        most_rows = max(map(sample_count, histories))
        if group.irregular or not most_rows or not probe.window.days:
            return group
        irregular = len(histories) > 1 and len(histories[0].ts_us) > _IRREGULAR_ROW_RATIO * most_rows
        return group.with_density(most_rows / probe.window.days, irregular=irregular)

    async def batch(self, batch: Group) -> list[History]:
        requests = self.requests_of(batch)
        is_part = len(requests) > 1
        found = await all_of(self.read(request, is_part=is_part) for request in requests)
        if any(parts is None for parts in found):  # one of the answers showed that the server ignores the range
            found = [await self.read(batch.whole)]
        return joined(part for parts in found for part in parts or () if part[1].point.id not in self.failed)

    async def read(self, request: Request, origin: _Origin = _Origin(), *, is_part: bool = False) -> list[Part] | None:
        """The histories of a request, which is split as often as needed.

        With `is_part` it is one window of several; None says to read the whole span instead (the range is ignored).
        """
        failure: HsFrameError | None = None
        answer: Answer | None = None
        async with self.concurrency.turn(origin.depth):
            async with self.doubts.looking:
                pass
            # Decided when its turn has come: answers that came while it waited may show that it would fail.
            if is_part and self.dialect.ignores_range:
                return None
            request = replace(request, records=tuple(one for one in request.records if one.id not in self.failed))
            if not request.records:
                return []
            if self.fatal_error is not None:
                return self.give_up(self.fatal_error, request)
            has_batches = len(request.records) == 1 or self.dialect.his_read_batch is not False
            smaller = self.smaller_requests(request) if has_batches else []
            if has_batches and not smaller:
                try:
                    answer = await self.send(request)
                except HsFrameError as error:
                    failure = error
                    await self.doubt(error, request)  # it has its turn still, so nothing new is sent
        if answer is not None:
            return await self.whole(answer, origin)
        if failure is not None:
            return await self.handle_failure(failure, request, origin)
        if smaller:
            return await self.one_after_another(smaller, origin.deeper())
        return await self.apart(request, origin)

    async def send(self, request: Request) -> Answer | None:
        """The answer; None if the server left out points of a batch."""
        for is_second in (False, True):
            if (grid := await self.ask(request)) is None:
                return None
            answer = Answer.of(grid, request)
            # An answer to another request, as of a cache between: the same again is then taken for an empty history.
            if is_second or not answer.is_of_another_time(grid.meta):
                break
        self.doubts.failures = 0
        if not self.dialect.dates_only and answer.ignores_range:
            self.dialect.ignores_range = True
        elif self.dialect.ignores_range is None and any(len(history.ts_us) for history in answer.raw):
            self.dialect.ignores_range = False
        return answer

    async def ask(self, request: Request) -> Grid | None:
        """Send the request; None if the server left out points of a batch."""
        try:
            if self.dialect.dates_only:
                return await self.ask_for(request, dates_text(*request.window.ends_us))
            grid = await self.ask_for(request, request.asked)
        except CallError as error:
            if self.refuses_dates or not refuses_instants(error):
                raise
            try:
                grid = await self.ask_for(request, dates_text(*request.window.ends_us))
            except CallError as dates_error:
                self.refuses_dates = refuses_instants(dates_error)
                raise
            self.dialect.dates_only = True
        else:
            self.dialect.dates_only = None if grid is None else False
        return grid

    async def ask_for(self, request: Request, range: str) -> Grid | None:
        """Send the request with this range; None as :meth:`ask`."""
        refs = [Ref(record.id) for record in request.records]
        if len(refs) == 1:
            return await self.source.his_read(refs[0], range, raw=True)
        try:
            return await self.source.his_read_batch(refs, range, raw=True)
        except IncompleteError as error:
            # An answer cut short by the server needs a smaller request; points left out are read one by one.
            if error.grid is None or "incomplete" in error.grid.meta or "more" in error.grid.meta:
                raise
            _log.info("%s; reading point by point", error)
            return None

    async def doubt(self, error: HsFrameError, request: Request) -> None:
        """After a failure: find out whether all others would fail too."""
        found = await self.doubts.look(error, request, self.ask)
        self.fatal_error = self.fatal_error or found  # others may have looked meanwhile

    async def whole(self, answer: Answer, origin: _Origin) -> list[Part]:
        """All rows of the window, of which the server may have left out some without a word."""
        failed, request = origin.half_of, answer.request
        if failed is not None and failed.records == request.records:  # its half worked: the whole was too large
            self.too_large[request.group_key] = min(failed.size, self.too_large.get(request.group_key, failed.size))
        self.progress.advance(request.size, sum(map(sample_count, answer.inside)))
        self.caps.note(answer)
        self.concurrency.wake()
        if not self.caps.is_suspect(answer):
            return self.parts(answer)
        if self.dialect.ignores_range and answer.reaches_outside:  # then the ends cannot be asked for
            if self.caps.is_at_limit(answer):
                return self.give_up(cut_error(answer), request)
            warn_of_unproven(answer)
            return self.parts(answer)
        found = await all_of(self.proven(part, origin) for part in answer.overlapping_parts())
        return [part for parts in found for part in parts]

    async def proven(self, answer: Answer, origin: _Origin) -> list[Part]:
        """All rows of the window: the ends of an answer that may have been cut are asked for."""
        ends = answer.unproven_ends()
        if ends and not self.caps.is_at_limit(answer):
            while self.caps.is_suspect(answer) and not await self.concurrency.quiet():
                pass  # a larger one has come
            async with self.caps.turns.turn(answer.rows), self.concurrency.turn(origin.depth):
                if not self.caps.is_suspect(answer):
                    return self.parts(answer)
                if not self.caps.is_at_limit(answer):
                    ends = [end for end in ends if await self.caps.has_more(self.send, end, answer)]
                    self.caps.note_proof(answer, is_whole=not ends)
                    if not ends and self.dialect.dates_only:
                        warn_of_unproven(answer, of_day=True)
        if any(end.window == answer.request.window for end in ends):
            return self.give_up(cut_error(answer, self.caps.own_limit(answer)), answer.request)
        found = await all_of(self.read(piece, origin.deeper()) for end in ends for piece in answer.pieces(end))
        rest = [part for some in found for part in some or ()]
        more = added([history for _, history in rest], answer.inside, [end.window for end in ends])
        if more <= 0:
            self.caps.note_proof(answer, is_whole=True)
            return self.parts(answer)
        if more > MAY_BE_NEW:  # if the limit is one of each point, this is too high, which the next cut answer mends
            self.dialect.row_cap = min(answer.rows, self.dialect.row_cap or answer.rows)
            self.limits = self.limits.with_row_cap(self.dialect.row_cap)
        return [*rest, *self.parts(answer.without(ends))]

    def parts(self, answer: Answer) -> list[Part]:
        """The histories of an answer in a window that it is known to fill; notes the rows per day."""
        request, histories = answer.request, clipped(answer.inside, answer.request)
        rows = max(len(history.ts_us) for history in histories)
        seen_rows, seen_days = self.seen.get(request.group_key, (0, 0.0))
        rows_per_point = rows // len(histories) if request.records[0].irregular else rows
        self.seen[request.group_key] = (seen_rows + rows_per_point, seen_days + request.window.days)
        return [(request.window.start_us, history) for history in histories]

    def smaller_requests(self, request: Request) -> list[Request]:
        """What to send in place of a request that would be too large; empty if it is not too large."""
        if len(request.records) > self.most_points:
            return request.in_points(self.most_points)
        if request.size >= self.too_large.get(request.group_key, request.size + 1):
            return request.halves()
        seen_rows, seen_days = self.seen.get(request.group_key, (0, 0.0))
        if seen_rows < _MIN_ROWS_FOR_DENSITY or not seen_days or self.dialect.ignores_range:
            return []
        rows_a_day = seen_rows / seen_days * (len(request.records) if request.records[0].irregular else 1)
        times = self.limits.times_too_large(rows_a_day * request.window.days, request.records)
        parts = request.in_time(math.ceil(times)) if times > 2 else []
        return parts if len(parts) > 1 else []

    async def handle_failure(self, error: HsFrameError, request: Request, origin: _Origin) -> list[Part] | None:
        """Halve the request that failed, read its points one by one, or give it up."""
        many = len(request.records) > 1
        most_halvings = failures.halvings_after(error)
        of_points = failures.is_limit_of_points(error)
        if self.fatal_error is not None:
            return self.give_up(self.fatal_error, request)
        # Halvings in points are not counted: they end when each point is alone.
        in_points = many and most_halvings > 0 and (of_points or origin.halvings >= _TIME_HALVINGS_FIRST)
        halves = request.halves(in_points=in_points)
        if halves and (in_points or origin.halvings < most_halvings):
            _log.info("hisRead of %d points over %s: %s; sending halves", len(request.records), request.asked, error)
            if not in_points:
                return await self.one_after_another(halves, origin.deeper(1, request))
            parts = await self.one_after_another(halves, origin.deeper())
            if of_points or not self.has_failed(request):  # no point is bad: they were too many
                self.most_points = min(self.most_points, len(halves[0].records))
            if not self.has_failed(request):
                self.dialect.most_points = self.most_points
                now_s = asyncio.get_running_loop().time()
                self.dialect.most_points_until_s = now_s + _SUSPICION_S if failures.is_suspicion(error) else math.inf
            return parts
        if many and failures.may_come_from_a_point(error):
            parts = await self.apart(request, origin)
            if self.dialect.his_read_batch is None and not self.has_failed(request):
                self.dialect.his_read_batch = False  # no batch has worked so far, but each point alone has
            return parts
        return self.give_up(error, request)

    def has_failed(self, request: Request) -> bool:
        return any(record.id in self.failed for record in request.records)

    async def one_after_another(self, requests: Iterable[Request], origin: _Origin) -> list[Part]:
        """Read the parts of a request in order; if one fails for good, the rest are not sent."""
        return [part for request in requests for part in await self.read(request, origin) or ()]

    async def apart(self, request: Request, origin: _Origin) -> list[Part]:
        """Read each point of a batch, or each half of a large one; one error names all points that failed."""
        few = len(request.records) <= _FEW_POINTS or self.dialect.his_read_batch is False
        smaller = request.in_points() if few else request.halves(in_points=True)
        results: list[list[Part] | BaseException | None] = []
        # Halves go one after the other: the first may show that this server takes no batches.
        for some in [smaller] if few else [[half] for half in smaller]:
            reading = [self.read(one, _Origin(depth=origin.depth + 1)) for one in some]
            results += await asyncio.gather(*reading, return_exceptions=True)
        error = next((result for result in results if isinstance(result, BaseException)), None)
        if error is not None:
            bad = {record.id: self.failed[record.id] for record in request.records if record.id in self.failed}
            raise (
                failures.combined_error(bad, len(request.records)) if bad and isinstance(error, HsFrameError) else error
            )
        return [part for result in results if not isinstance(result, BaseException) for part in result or ()]

    def give_up(self, error: HsFrameError, request: Request) -> list[Part]:
        """Raise the error, or note it for each point of the request."""
        error = failures.with_point(error, request)
        if error.is_final:
            self.fatal_error = error
        for record in request.records:
            self.failed.setdefault(record.id, error)
        if self.raises or isinstance(error, AuthError):
            raise error
        return []
