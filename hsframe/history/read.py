"""Reading histories: the plan carried out on any server, so that every row comes once.

A server may refuse a batch, answer only a part of it, cap its rows, time out, or leave out an end of the window. What
comes back is therefore checked and not believed:

- a batch answer must have a column for each point that was asked for; else its points are read one by one;
- what smells of a limit (a time-out, 413, 5xx, ``incomplete``, a broken body, an error that speaks of a limit) halves
  the window, and at last the points;
- any other error of a batch is tried again point by point, so that the one bad id is named;
- answers are clipped to the exact half-open window, and of equal instants the later row wins.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from hsframe.errors import (
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    MetadataError,
    RequestTimeoutError,
    UnknownRecError,
)
from hsframe.frame.histories import History, grid_histories
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.history.windows import Limits, Request, Target, plan
from hsframe.kinds import Ref
from hsframe.protocol.http import LineCutError, TruncatedBodyError
from hsframe.spans import SpanLike, epoch_us, resolve

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["read_histories", "with_zones"]

_log = logging.getLogger("hsframe.history")

_LIMIT_WORDS: Final = re.compile(r"limit|too many|too large|exceed|time[d ]*-?out", re.IGNORECASE)
# How often a window is halved before the error is the answer. A limit is found soon or never; a server that is down
# must not be asked a thousand times.
_HALVINGS: Final = 24
_HALVINGS_WITHOUT_A_WORD: Final = 5


def _listed(ids: Sequence[str]) -> str:
    return ", ".join("@" + ident for ident in ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")


async def read_histories(
    client: Client,
    targets: Sequence[Target],
    span: SpanLike,
    *,
    now: datetime | None = None,
    week_start: str = "monday",
    limits: Limits | None = None,
    max_concurrency: int = 6,
) -> list[History]:
    """The histories of some points over a span, each sample once.

    Parameters
    ----------
    client : Client
    targets : sequence of Target
        From :func:`hsframe.history.points.find_targets`.
    span : str, date, datetime, (start, end) or Span
        Half-open, in each point's own zone (:mod:`hsframe.spans`).
    now : datetime, optional
        Aware; the present by default.
    week_start : str
        The day on which weeks start.
    limits : Limits, optional
        How large one request may be.
    max_concurrency : int
        How many requests run at once.

    Returns
    -------
    list of History
        Point by point in the order of `targets`, each point's windows in order of time; at least one a point.

    Raises
    ------
    CallError
        The server refused to read a point; the message names it.
    NetworkError, CodecError, AuthError
        No usable answer came.
    SpanError, ZoneError
        The span or the zone of a point cannot be understood.
    """
    if max_concurrency < 1:
        raise MetadataError(f"max_concurrency is {max_concurrency}; at least one request must run at a time")
    now = now or datetime.now(UTC)
    zoned = await with_zones(client, targets)
    requests = plan(
        zoned,
        lambda tz: resolve(span, tz, now, week_start=week_start),
        now_us=epoch_us(now),
        batch=client.dialect.his_read_batch is not False,
        limits=_within(limits or Limits(), client.dialect.row_cap),
    )
    reader = _Reader(client, epoch_us(now), max_concurrency)
    by_id: dict[str, list[tuple[int, History]]] = {target.point.id: [] for target in zoned}
    for start_us, history in await reader.read_all(requests):
        by_id[history.point.id].append((start_us, history))
    empty = np.empty(0, dtype=np.int64)
    ordered: list[History] = []
    for target in zoned:
        parts = sorted(by_id[target.point.id], key=lambda part: part[0])
        ordered += [history for _, history in parts] or [History(target.point, empty, ())]
    return ordered


async def with_zones(client: Client, targets: Sequence[Target]) -> list[Target]:
    """The targets, those without a ``tz`` in the server's own zone, as the standard's default has it."""
    if all(target.point.tz is not None for target in targets):
        return list(targets)
    dialect = client.dialect
    if dialect.tz is None:
        about = await client.about(raw=True)
        tz = about[0].get("tz") if len(about) else None
        dialect.tz = tz if isinstance(tz, str) else "UTC"
    return [
        target if target.point.tz is not None else replace(target, point=replace(target.point, tz=dialect.tz))
        for target in targets
    ]


def _within(limits: Limits, row_cap: int | None) -> Limits:
    """The limits, and no more rows than the server is known to give at once."""
    if row_cap is None:
        return limits
    return replace(limits, rows=max(min(limits.rows, row_cap - 2), 1))  # a step more is asked for at both ends


Part = tuple[int, History]
"""A history with the start of the window that it was read for."""


class _Reader:
    """Carries requests out, a bounded number at once."""

    def __init__(self, client: Client, now_us: int, max_concurrency: int) -> None:
        self.client = client
        self.dialect = client.dialect
        self.now_us = now_us
        self.slots = asyncio.Semaphore(max_concurrency)
        # The smallest request, by group, that was too large: what is as large is cut before it is sent.
        self.too_large: dict[tuple[str, float], int] = {}

    async def read_all(self, requests: Sequence[Request]) -> list[Part]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.read(request)) for request in requests]
        except BaseExceptionGroup as errors:
            # The first failure cancelled the others; more than one is a coincidence of timing.
            raise _first(errors) from None
        return [part for task in tasks for part in task.result()]

    async def read(self, request: Request, halvings: int = 0) -> list[Part]:
        """The histories of a request, however often it has to be cut."""
        failure: HsFrameError | None = None
        many = len(request.targets) > 1
        async with self.slots:
            # Looked at when its turn comes: what was found out meanwhile spares requests that would fail.
            one_by_one = many and self.dialect.his_read_batch is False
            halves = None if one_by_one else self.halves_of_too_large(request)
            if halves is None and not one_by_one:
                try:
                    histories = await (self.batch(request) if many else self.single(request))
                except HsFrameError as error:
                    failure = error
                else:
                    if histories is not None:
                        return [(request.window.start_us, history) for history in histories]
                    one_by_one, failure = True, None
        if one_by_one:
            return await self.one_by_one(request)
        if halves is not None:
            return [part for half in halves for part in await self.read(half, halvings)]
        assert failure is not None
        return await self.after(failure, request, halvings)

    def halves_of_too_large(self, request: Request) -> tuple[Request, Request] | None:
        """The halves of a request that is as large as one that failed for its size; else None."""
        size = request.size(self.now_us)
        if size < self.too_large.get(self.group(request), size + 1):
            return None
        return request.in_time(self.now_us) or request.in_points()

    async def after(self, error: HsFrameError, request: Request, halvings: int) -> list[Part]:
        """What to do about an error: halve, go point by point, or give up."""
        halves = request.in_time(self.now_us) or request.in_points()
        if halves is not None and halvings < _halvings_after(error):
            _log.info("hisRead of %d points over %s: %s; halved", len(request.targets), request.asked, error)
            group = self.group(request)
            size = request.size(self.now_us)
            self.too_large[group] = min(size, self.too_large.get(group, size))
            # One after the other: where the first half fails for good, the second is not asked for.
            return [part for half in halves for part in await self.read(half, halvings + 1)]
        if len(request.targets) > 1 and isinstance(error, CallError | HTTPStatusError | CodecError):
            parts = await self.one_by_one(request)
            if self.dialect.his_read_batch is None:  # no batch has worked yet, and each of its points does
                self.dialect.his_read_batch = False
            return parts
        if len(request.targets) == 1 and isinstance(error, CallError):
            raise _naming(error, request) from error
        raise error

    async def one_by_one(self, request: Request) -> list[Part]:
        """The points of a batch in a request each; those that fail are named together."""
        results = await asyncio.gather(*(self.read(single) for single in request.singles()), return_exceptions=True)
        bad = [
            (target.point.id, result)
            for target, result in zip(request.targets, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if len(bad) > 1 and all(isinstance(error, CallError) for _, error in bad):
            ids = [ident for ident, _ in bad]
            raise CallError(
                f"the server refused to read {len(bad)} of {len(results)} points: {_listed(ids)}; of the first it "
                f"says: {bad[0][1]}",
                getattr(bad[0][1], "grid", None),
            ) from bad[0][1]
        if bad:
            raise bad[0][1]
        return [part for result in results if not isinstance(result, BaseException) for part in result]

    async def single(self, request: Request) -> list[History]:
        (target,) = request.targets
        point = target.point
        grid = await self.client.his_read(Ref(point.id), request.asked, raw=True)
        histories = grid_histories(grid, ids=[point.id])
        if len(histories) > 1:
            raise CodecError(
                f"the history of @{point.id} came with {len(histories)} columns of values",
                expected="one column, val",
                source="hisRead",
            )
        return _clipped([replace(history, point=point) for history in histories], request)

    async def batch(self, request: Request) -> list[History] | None:
        """The histories of a batch, None where the answer does not have them all."""
        points = [target.point for target in request.targets]
        refs = [Ref(point.id) for point in points]
        try:
            grid = await self.client.his_read_batch(refs, request.asked, raw=True)
        except IncompleteError as error:
            # Cut short by the server: a smaller request helps. Points left out: reading them one by one does.
            if error.grid is None or "incomplete" in error.grid.meta or "more" in error.grid.meta:
                raise
            _log.info("%s; reading point by point", error)
            return None
        histories = _matched(grid, points)
        pairs = zip(histories, points, strict=True)
        return _clipped([replace(history, point=point) for history, point in pairs], request)

    @staticmethod
    def group(request: Request) -> tuple[str, float]:
        target = request.targets[0]
        return target.tz, target.rows_a_day


def _clipped(histories: Sequence[History], request: Request) -> list[History]:
    """The samples inside the exact window; columns that share their instants still do."""
    window = request.window
    shared: dict[int, History] = {}
    clipped = []
    for history in histories:
        inside = history.clip(window.start_us, window.end_us)
        first = shared.setdefault(id(history.ts_us), inside)
        clipped.append(replace(inside, ts_us=first.ts_us))
    return clipped


def _matched(grid: Grid, points: Sequence[Point]) -> list[History]:
    """The histories of a batch answer in the order of the points.

    The client has made sure that they are all there. An id may come back in another form (absolute for relative), or
    not at all; then the order tells.
    """
    histories = grid_histories(grid)
    by_id = {history.point.id: history for history in histories if history.point.id}
    if not all(point.id in by_id for point in points):
        if len(histories) == len(points):
            return histories
        by_id |= {point.id: h for point in points for ident, h in by_id.items() if _one_record(ident, point.id)}
    return [by_id[point.id] for point in points]


def _one_record(one: str, other: str) -> bool:
    return one.endswith(":" + other) or other.endswith(":" + one)


def _halvings_after(error: HsFrameError) -> int:
    """How many halvings an error is worth: none where a smaller request would fail in the same way."""
    if isinstance(error, UnknownRecError):
        return 0
    if isinstance(error, IncompleteError):
        return _HALVINGS
    if isinstance(error, CallError):
        return _HALVINGS if _LIMIT_WORDS.search(f"{error.err_type} {error.dis}") else 0
    if isinstance(error, HTTPStatusError):
        return _HALVINGS if error.status == 413 else _HALVINGS_WITHOUT_A_WORD if error.status >= 500 else 0
    if isinstance(error, RequestTimeoutError | CodecError | TruncatedBodyError | LineCutError):
        return _HALVINGS_WITHOUT_A_WORD
    return 0


def may_be_too_large(error: HsFrameError) -> bool:
    """Whether an error may come from the size of what was asked for."""
    return _halvings_after(error) > 0


def _naming(error: CallError, request: Request) -> CallError:
    """The error with the point in its message."""
    point = request.targets[0].point
    if f"@{point.id}" in str(error):
        return error
    text = f"hisRead of @{point.id} ({point.dis}) over {request.asked}: {error}"
    if isinstance(error, UnknownRecError):
        return UnknownRecError(text, ids=error.ids, grid=error.grid)
    return type(error)(text, error.grid)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
