"""Deletes samples: sends Remove for their instants, and reads back whether they are gone.

The standard has no op for it. Haxall (seen with 4.0.6 and a build of version 5) deletes a sample whose value is Remove;
another server may ignore it, or store something in its place. So one sample of a point of each kind goes first, and
the others follow only when it is gone; where something else was put in its place, the sample is written again.

A server that writes whole seconds alone takes the Remove of 00:00:00.5 for one of 00:00:00, where a sample may be that
is to stay. So the first is one at a fraction of a second where there is such a one; where it stays, the sample at its
whole second is written again.

What is removed is never guessed: a frame of samples does not stand for its points, a lone time not for all after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.arrays import Bools, Instants
from hsframe.client.in_thread import in_thread
from hsframe.columns import StrColumn, TimeColumn
from hsframe.durations import SECOND_US
from hsframe.errors import CallError, HsFrameError, MetadataError, SpanError, ZoneError
from hsframe.frame.his_grids import PointSamples
from hsframe.frame.histories import History
from hsframe.frame.points import is_tidy
from hsframe.frame.points_like import PointsLike
from hsframe.history.compare import compare
from hsframe.history.his_answers import sample_instants
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord, find_records, with_zones
from hsframe.history.read import read_histories, span_of
from hsframe.history.write import check_sent, read_back, read_back_until, write_histories
from hsframe.history.write_report import NOT_STORED, STORED, PointWrite, WriteReport, counts_of, texts_of
from hsframe.kinds import Ref, same
from hsframe.protocol.writes import his_write_request
from hsframe.spans import SpanLike, from_epoch_us
from hsframe.zones import zone

if TYPE_CHECKING:
    from hsframe.client import Client

Times: TypeAlias = "pd.DatetimeIndex | pd.Series[Any] | Sequence[datetime]"
"""Instants that are listed one by one."""

# How often to look, after an interruption, whether something else was put in place of the sample that was tried.
_CHECK_PAUSES_S: Final = (0.0, 0.25, 0.75)


@dataclass(eq=False)
class Removal:
    """The samples of some points in a span, or at some instants, to be removed; `report` has what became of each."""

    client: Client
    report: WriteReport
    instants: Instants | None
    trial: _Trial | None = None

    @classmethod
    async def of(cls, client: Client, points: PointsLike, span: SpanLike | Times, *, week_start: str) -> Removal:
        """Read which samples there are in a span, or at some instants; nothing is sent."""
        _refuse_samples(points)
        window, instants = _window_of(span)
        records = await with_zones(client, await find_records(client, points))
        found: dict[str, list[History]] = {record.id: [] for record in records}
        for history in await read_histories(client, records, window, ReadOptions(week_start=week_start)):
            found[history.point.id].append(history)
        report = await in_thread(_report_of, records, found, instants)
        return cls(client, report, instants)

    async def run(self) -> None:
        """Remove one sample of a point of each kind, then the others; a CallError where one is still there."""
        by_kind: dict[str | None, PointWrite] = {}
        for entry in self.report.entries:
            known = by_kind.setdefault(entry.point.kind, entry)
            if not _at_fractions(known).any() and _at_fractions(entry).any():
                by_kind[entry.point.kind] = entry
        for entry in by_kind.values():
            self.trial = _Trial(self.client, entry)
            await self.trial.run()
            self.trial = None
        await write_histories(self.client, self.report)
        left = await read_back_until(self.client, self.report.entries)
        if left:
            raise CallError(
                f"the server still has samples that it was to remove: {len(left[0].status) - left[0].count(STORED)} of "
                f"{len(left[0].status)} of {left[0].point}"
                + (f", and some of {len(left) - 1} more points" if left[1:] else "")
                + "; read them again in a while, it may be busy"
            )

    async def check(self) -> None:
        """After an interruption: find out what is gone, and put back what a trial has left something else for."""
        if self.trial is not None and (self.trial.sample.unknown or self.trial.beside_was is not None):
            await self.trial.check()
        await check_sent(self.client, self.report)

    def table(self, status: Literal["dry run", "removed"]) -> pd.DataFrame:
        """One row per point; :meth:`hsframe.session.Session.his_remove` explains the columns."""
        df = self.report.facts().drop(columns=["unit", "tz"])
        df["removed"] = counts_of(entry.count(STORED) for entry in self.report.all)
        if self.instants is not None:
            df["absent"] = len(self.instants) - df["rows"]
        df["status"] = texts_of(status if rows else "no samples" for rows in df["rows"])
        return df


class _Trial:
    """The sample of a point that is removed before any other; `was` is its value, `there` what was found at last.

    `beside` is what a server of whole seconds would remove in its place; None where it is at a whole second.
    """

    def __init__(self, client: Client, entry: PointWrite) -> None:
        self.client, self.entry = client, entry
        self.at = np.arange(len(entry.status)) == int(np.argmax(_at_fractions(entry)))
        first = entry.samples.only(self.at)
        self.report = WriteReport([first], {entry.point.id: entry.record})
        self.sample = self.report.entries[0]
        self.beside: PointWrite | None = None
        if _at_fractions(self.sample).any():
            floored = replace(first, ts_us=first.ts_us // SECOND_US * SECOND_US)
            self.beside = PointWrite(floored, entry.record)
        self.was: Any = None
        self.beside_was: Any = None  # until it is known whether it has to be written again

    @property
    def what(self) -> str:
        return f"the sample of {self.entry.point} at {_when(self.sample)}, which was {self.was}"

    async def run(self) -> None:
        """Remove the sample; a CallError where it does not go, or something else is there then."""
        both = [one for one in (self.sample, self.beside) if one is not None]
        await read_back(self.client, both)
        self.was = _there(self.sample)
        if self.was is None:
            raise CallError(f"{self.what} is gone since it was found; nothing was sent: call it again")
        self.beside_was = None if self.beside is None else _there(self.beside)
        try:
            await write_histories(self.client, self.report)
            left = await read_back_until(self.client, [self.sample])
            if not left:
                return
            self.sample.status[:] = NOT_STORED
        finally:
            self.entry.status[self.at], self.entry.error = self.sample.status, self.sample.error
        if not same(_there(self.sample), self.was):
            await self.put_back()
            assert self.entry.error is not None
            raise self.entry.error
        self.entry.error = CallError(
            f"this server does not remove samples whose value is written as Remove: it answered, and has "
            f"{self.what}, still{await self.beside_put_back()}; nothing else was sent"
            + ("" if self.beside is None else "; if it keeps whole seconds alone, remove those at such by instants")
        )
        raise self.entry.error

    async def check(self) -> None:
        """After an interruption: put the sample back where something else is in its place."""
        await read_back_until(
            self.client,
            [self.sample],
            there=lambda _: not same(_there(self.sample), self.was),
            pauses_s=_CHECK_PAUSES_S,
        )
        if _there(self.sample) is not None and not same(_there(self.sample), self.was):
            await self.put_back()
            self.sample.status[:] = NOT_STORED
        elif _there(self.sample) is not None and (beside := await self.beside_put_back()):
            self.entry.error = self.entry.error or CallError(f"the server has {self.what}, still{beside}")
        self.entry.status[self.at] = self.sample.status

    async def put_back(self) -> None:
        """Write the value that there was again; what became of it is the error of the point."""
        self.beside_was = None
        found, ending = _there(self.sample), await self.written(self.sample, self.was)
        self.entry.error = CallError(
            f"this server does not remove samples whose value is written as Remove: in place of {self.what}, it had "
            f"{found}; the sample {ending}; nothing else was sent"
        )

    async def beside_put_back(self) -> str:
        """Write the sample at the whole second again, where there was one; in words what became of it."""
        if self.beside is None or self.beside_was is None:
            return ""
        ending = await self.written(self.beside, self.beside_was)
        self.beside_was = None
        return f"; that at {_when(self.beside)}, which a server of whole seconds removes in its place, {ending}"

    async def written(self, sample: PointWrite, value: Any) -> str:
        """Write a value again; in words what became of it."""
        times = TimeColumn(pa.array(sample.samples.ts_us), sample.samples.tz)
        request = his_write_request(Ref(sample.point.id), times, [value], sample.samples.tz)
        try:
            await self.client.call("hisWrite", request)
            left = await read_back_until(self.client, [sample], there=lambda _: same(_there(sample), value))
            return f"could not be put back: write {value} there again" if left else "was put back"
        except HsFrameError as error:
            return f"could not be put back ({error}): write {value} there again"


def _there(sample: PointWrite) -> Any:
    return None if sample.comparison is None else sample.comparison.there


def _when(sample: PointWrite) -> str:
    return from_epoch_us(int(sample.samples.ts_us[0]), zone(sample.samples.tz)).isoformat()


def _at_fractions(entry: PointWrite) -> Bools:
    fractions: Bools = entry.samples.ts_us % SECOND_US != 0
    return fractions


def _refuse_samples(points: object) -> None:
    """Samples are no points: those of their points in a span would be gone, and not those in the frame alone."""
    for one in points if isinstance(points, list | tuple) else ():
        _refuse_samples(one)
    is_frame = isinstance(points, pd.DataFrame) and ("id" not in points.columns or is_tidy(points))
    if is_frame or (isinstance(points, pd.Series) and isinstance(points.index, pd.DatetimeIndex)):
        raise MetadataError(
            f"points= is a {type(points).__name__} of samples, and all samples of its points in the span would be "
            "removed, not those in it alone; name the points, and give the instants in place of a span, as in "
            "his_remove('@a', bad.index)"
        )


def _window_of(span: Any) -> tuple[SpanLike, Instants | None]:
    """The span; of instants that are listed in its place the one around them, and the instants, increasing."""
    if isinstance(span, datetime):
        raise SpanError(
            f"{span} alone would be all time from then on; for the sample at it write [time], for all from then on "
            "(time, None)"
        )
    if isinstance(span, list):
        if not all(isinstance(cell, datetime) for cell in span):
            return span, None
        if len(span) == 2:
            raise SpanError(
                "a list of two times could be a span or two instants; for the span write (start, end), for the "
                "samples at these instants pd.DatetimeIndex([first, second])"
            )
        span = np.array(span, dtype=object)
    if not isinstance(span, pd.Index | pd.Series | np.ndarray):
        return span, None
    times: Any = pd.Index(span)
    if times.dtype == object and all(isinstance(cell, datetime) and cell.tzinfo is not None for cell in times):
        times = pd.to_datetime(times, utc=True)  # of several zones
    elif isinstance(times.dtype, pd.ArrowDtype) and times.dtype.kind == "M":
        times = pd.DatetimeIndex(times)
    if not isinstance(times, pd.DatetimeIndex) or times.tz is None:
        raise ZoneError(
            f"the instants to remove must be times with a zone, as bad.index; got a {type(span).__name__} of "
            f"{times.dtype}; times without a zone get it with .tz_localize('America/New_York')"
        )
    if times.hasnans:
        raise SpanError("the instants to remove hold a time that is missing (NaT); drop it, as with .dropna()")
    instants: Instants = np.unique(times.as_unit("us").asi8)
    start_us, last_us = instants[[0, -1]].tolist() if len(instants) else (0, -1)
    return span_of(start_us, last_us + 1), instants


def _report_of(
    records: Sequence[PointRecord], found: Mapping[str, Sequence[History]], instants: Instants | None
) -> WriteReport:
    """The samples that were found, NA among them, as such that are to be removed, each with what is there."""
    samples = []
    for record in records:
        ts_us = np.unique(np.concatenate([np.empty(0, np.int64), *map(sample_instants, found[record.id])]))
        if instants is not None:
            ts_us = np.intersect1d(ts_us, instants)
        samples.append(PointSamples(record.point, record.tz, ts_us, StrColumn(pa.nulls(len(ts_us), pa.string()))))
    report = WriteReport(samples, {record.id: record for record in records}, done="removed")
    for entry in report.entries:
        entry.comparison = compare(found[entry.point.id], entry.samples)
    return report
