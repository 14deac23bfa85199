"""Reading histories: points grouped by zone, their spans resolved, and every sample given once.

How the requests are carried out, on servers that each have limits of their own, is in :mod:`hsframe.history.reader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from hsframe.errors import HsFrameError, MetadataError
from hsframe.frame.histories import History
from hsframe.history.progress import Progress
from hsframe.history.reader import Reader
from hsframe.history.windows import Limits, Target, groups_of
from hsframe.spans import SpanLike, epoch_us, resolve

if TYPE_CHECKING:
    from hsframe.client import Client

__all__ = ["HowToRead", "read_histories", "with_zones"]


class HowToRead(TypedDict, total=False):
    """The settings of a read that change no row of it.

    Parameters
    ----------
    limits : Limits
        How large one request may be.
    max_concurrency : int
        How many requests run at once; 6 by default.
    failures : dict of str to HsFrameError
        Where the errors of points that could not be read are put, by id. Such points have no history in what is
        returned, not even a part of one. Without it the first error is raised.
    progress : Progress
        Is told how far the read is.
    """

    limits: Limits
    max_concurrency: int
    failures: dict[str, HsFrameError]
    progress: Progress


async def read_histories(
    client: Client,
    targets: Sequence[Target],
    span: SpanLike,
    *,
    now: datetime | None = None,
    week_start: str = "monday",
    **how: Unpack[HowToRead],
) -> list[History]:
    """The histories of some points over a span, each sample once.

    Parameters
    ----------
    client : Client
    targets : sequence of Target
        From :func:`hsframe.history.targets.find_targets`.
    span : str, date, datetime, (start, end) or Span
        Half-open, in each point's own zone (:mod:`hsframe.spans`).
    now : datetime, optional
        Aware; the present by default.
    week_start : str
        The day on which weeks start.
    **how
        See :class:`HowToRead`.

    Returns
    -------
    list of History
        Point by point in the order of `targets`, each point's windows in order of time; at least one a point.

    Raises
    ------
    CallError
        The server refused to read a point; the message names it.
    NetworkError, CodecError
        No usable answer came.
    AuthError
        The login is refused: also with `failures`.
    SpanError, ZoneError
        The span or the zone of a point cannot be understood.
    """
    max_concurrency = how.get("max_concurrency", 6)
    if max_concurrency < 1:
        raise MetadataError(f"max_concurrency is {max_concurrency}; at least one request must run at a time")
    now = now or datetime.now(UTC)
    zoned = await with_zones(client, targets)
    groups = groups_of(zoned, lambda tz: resolve(span, tz, now, week_start=week_start))
    reader = Reader(client, epoch_us(now), max_concurrency, how)
    by_id: dict[str, list[History]] = {target.point.id: [] for target in zoned}
    for history in await reader.read_all(groups):
        by_id[history.point.id].append(history)
    empty = np.empty(0, dtype=np.int64)
    return [
        history
        for target in zoned
        if target.point.id not in reader.failed
        for history in by_id[target.point.id] or [History(target.point, empty, ())]
    ]


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
