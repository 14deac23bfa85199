"""Reads the windows of episodes, each sample of them once, and puts the rows of each under its episode."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from hsframe.caller_warnings import DeferredWarnings, told_once
from hsframe.client.in_thread import in_thread
from hsframe.durations import duration_us
from hsframe.frame.again import note_settings
from hsframe.frame.combine import joined
from hsframe.frame.points import Point
from hsframe.frame.reads import note_source, source_of
from hsframe.frame.stamps import Interval
from hsframe.history.concurrency import all_of
from hsframe.history.read import span_of
from hsframe.history.source import Source
from hsframe.intervals.conditions import windows_of
from hsframe.intervals.rules import Edges
from hsframe.intervals.truth import Windows, union
from hsframe.session.progress_bar import progress_of
from hsframe.session.reading import ReadRequest, find, read_frame
from hsframe.spans import Span


async def read_episodes(
    source: Source, request: ReadRequest, episodes: pd.DataFrame
) -> tuple[pd.DataFrame, list[Point]]:
    """Read as :meth:`hsframe.Session.his_read` describes; gives also the points whose records were read.

    Windows that touch or overlap are read as one, but with the samples around them each by itself. The first is read
    before all others, which know then what the server can do; of these as many are read at once as requests may be.
    """
    begun, (starts_us, ends_us) = datetime.now(UTC), windows_of(episodes)
    if request.pad is not None:
        pad_us = duration_us(request.pad, "pad")
        starts_us, ends_us = starts_us - pad_us, ends_us + pad_us
    # In a span as long as an interval one begins; rows that begin after the end of a shorter episode are left out.
    least_us = 0 if request.interval is None else int(Interval.of(request.interval, "start").longest_us)
    read_us = starts_us, np.maximum(ends_us, starts_us + least_us)
    boundary = request.boundary if len(episodes) else "none"
    if boundary == "none":
        read_us = union(read_us)
    spans = [span_of(*ends) for ends in np.transpose(read_us).tolist()] or [span_of(0, least_us)]
    edges: Edges | None = "whole" if request.interval is not None else None  # without a warning of what is in no row
    at_once: int = request.max_concurrency or getattr(source, "max_concurrency", None) or 1
    limit = asyncio.Semaphore(at_once)

    async def read(span: Span, max_concurrency: int) -> pd.DataFrame:
        async with limit:
            own = replace(request, span=span, pad=None, boundary=boundary, edges=edges)
            frame, _ = await read_frame(source, replace(own, max_concurrency=max_concurrency), found, progress)
        assert isinstance(frame, pd.DataFrame)
        return frame

    windows = (starts_us, ends_us) if boundary == "none" else None
    with DeferredWarnings(), told_once(source.dialect.told):
        found = await find(source, request)
        async with progress_of(request.progress, "his_read") as progress:
            progress.expect_all(float(np.subtract(*read_us[::-1]).sum()) * len(found.records))
            frames = [await read(spans[0], at_once), *await all_of(read(span, 1) for span in spans[1:])]
        frame = await in_thread(_by_episode, frames, episodes.index, windows)
    # Each frame has noted what the verb had asked for by then, and all of them together would count that many times.
    if (noted := source_of(frame)) is not None:
        note_source(frame, {**noted, **source.origin, "seconds": (datetime.now(UTC) - begun).total_seconds()})
    note_settings(frame, request.of_frame)
    return frame, [record.point for record in found.records]


def _by_episode(frames: list[pd.DataFrame], names: pd.Index, windows: Windows | None) -> pd.DataFrame:
    """The rows of each episode below its name; those of two that overlap are there twice.

    Of a frame for each episode, without `windows`, they are all of its rows.
    """
    found = joined(frames, [f"window {number}" for number in range(len(frames))])
    if windows is None:
        counts = np.array([*map(len, frames)])
    else:
        ts_us = pd.DatetimeIndex(found.index).as_unit("us").asi8
        first, last = (np.searchsorted(ts_us, own_us) for own_us in windows)
        counts = last - first
        found = found.iloc[np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)]
    levels = [names.repeat(counts), found.index]
    found.index = pd.MultiIndex.from_arrays(levels, names=[names.name or "episode", found.index.name])
    return found
