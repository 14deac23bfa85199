"""Histories to a frame from synchronous code: settings checked, read, made a frame, with what became of each point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import Any, Literal

import pandas as pd

from hsframe.caller_warnings import Held, caution, holding
from hsframe.client import Client
from hsframe.durations import SECOND_US, duration_us
from hsframe.errors import HsFrameError, MetadataError, ReadWarning
from hsframe.frame.histories import History
from hsframe.frame.in_units import Units
from hsframe.frame.outcomes import note_outcomes, outcomes_of
from hsframe.frame.points import ATTRS_KEY, Point
from hsframe.frame.trend import Header, Missing, Shape, labels_of, trend_frame
from hsframe.history.intervals import Shaping, read_intervals
from hsframe.history.progress import Progress
from hsframe.history.read import HowToRead, read_histories
from hsframe.history.targets import find_targets
from hsframe.history.windows import Limits
from hsframe.session.progress import progress_of, ticking
from hsframe.spans import SpanLike

__all__ = ["OnError", "Reading", "limits_of", "read_frame"]

OnError = Literal["raise", "warn", "catalog"]


def limits_of(limit_rows: int | None, chunk: str | timedelta | None) -> Limits:
    """The limits of a request that a caller sets.

    Raises
    ------
    MetadataError, SpanError
        Less than one row; no length of time.
    """
    if limit_rows is not None and limit_rows < 1:
        raise MetadataError(f"limit_rows is {limit_rows}; a request must be allowed a row at least")
    window_us = None if chunk is None else duration_us(chunk, "chunk")
    if window_us is not None and window_us < SECOND_US:
        raise MetadataError(f"chunk is {chunk!r}; a request reaches over a second at least")
    return Limits(window_us=window_us) if limit_rows is None else Limits(rows=limit_rows, window_us=window_us)


@dataclass
class Reading:
    """One read: what is asked for, and what came.

    Parameters
    ----------
    points, span, week_start, header
        As for :meth:`hsframe.Session.his_read`.
    shaping : Shaping or None
        What is said of intervals.
    how : HowToRead
        With ``failures`` where errors of points are not raised.
    """

    points: Any
    span: SpanLike
    week_start: str
    header: Header
    shaping: Shaping | None
    how: HowToRead
    progress: Progress = field(default_factory=Progress)
    targets: list[Point] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    held: Held = field(default_factory=list)

    async def run(self, client: Client) -> None:
        """Read."""
        failures = self.how.get("failures")
        with holding(self.held):
            async with ticking(self.progress):
                targets = await find_targets(client, self.points, failures=failures)
                self.targets = [target.point for target in targets]
                how: Any = {**self.how, "progress": self.progress, "week_start": self.week_start}
                if not targets:
                    return
                if self.shaping is None:
                    found = await read_histories(client, targets, self.span, **how)
                else:
                    found = await read_intervals(client, targets, self.span, self.shaping, header=self.header, **how)
        failed = failures or {}
        self.histories = [history for history in found if history.point.id not in failed]


def read_frame(
    run: Callable[..., Any],
    reading: Reading,
    *,
    remember: Callable[[Iterable[Point]], None],
    shape: Shape,
    tz: str | tzinfo,
    units: Units,
    na: Missing,
    on_error: OnError,
    progress: bool | None,
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Read a frame as :meth:`hsframe.Session.his_read` tells.

    Parameters
    ----------
    run : callable
        Runs a coroutine function with the session's client: :meth:`hsframe.Session.run`.
    reading : Reading
    remember : callable
        Takes the points whose records were read here.
    shape, tz, units, na, on_error, progress
        As for ``his_read``.
    """
    if on_error not in ("raise", "warn", "catalog"):
        raise MetadataError(f"on_error={on_error!r} is unknown; expected 'raise', 'warn' or 'catalog'")
    failures: dict[str, HsFrameError] = {}
    if on_error != "raise":
        reading.how["failures"] = failures
    with progress_of(progress, "his_read") as reading.progress:
        run(reading.run)
    for message, category in reading.held:
        caution(message, category)
    remember(reading.targets)
    unknown = [Point(ident, ident) for ident in failures if ident not in {point.id for point in reading.targets}]
    asked = [*reading.targets, *unknown]
    # Labels are those that the columns would have if all points had been read.
    labels = dict(zip([point.id for point in asked], labels_of(asked, reading.header), strict=True))
    if failures and on_error == "warn":
        caution(_failure_text(failures, len(asked)), ReadWarning)
    result = trend_frame(
        reading.histories, header=lambda point: labels[point.id], shape=shape, tz=tz, units=units, na=na
    )
    if isinstance(result, dict):
        for label in labels.values():
            result.setdefault(label, trend_frame([], tz=tz))  # no column: nothing is known of its samples
        result = {label: result[label] for label in labels.values()}
    frames = list(result.values()) if isinstance(result, dict) else [result]
    differing: dict[str, int] = {}
    for df in frames:
        differing |= df.attrs[ATTRS_KEY].get("differing", {})
    outcomes = outcomes_of(
        labels, reading.histories, {ident: str(error) for ident, error in failures.items()}, differing
    )
    for df in frames:
        note_outcomes(df, outcomes)
    return result


def _failure_text(failures: Mapping[str, HsFrameError], total: int) -> str:
    ids = ", ".join("@" + ident for ident in list(failures)[:10])
    more = f" and {len(failures) - 10} more" if len(failures) > 10 else ""
    first = next(iter(failures.values()))
    return (
        f"{len(failures)} of {total} points could not be read and have no column: {ids}{more}; of the first: {first}. "
        "df.hs.catalog has the reason of each"
    )
