"""Reads windows of points into an archive, or into the stage of a tidy file.

The windows of a point are read in order of time. Samples are committed first, and then until when a point was read: a
program that is killed in between reads that part again, finds the samples there, and changes nothing. So the same
command goes on where it was, and two at once do no harm.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pandas as pd

from hsframe.archive.delta import SampleTable
from hsframe.archive.histories import rows_of
from hsframe.archive.parquet_file import END_US, ROW_GROUP, START_US, bounds_of
from hsframe.archive.points import ArchivedRecord, PointTable
from hsframe.archive.samples import Changes, merge
from hsframe.archive.stage import Stage
from hsframe.client.in_thread import in_thread, one_thread
from hsframe.durations import DAY_US, HOUR_US
from hsframe.errors import HsFrameError
from hsframe.frame.histories import History
from hsframe.history.estimate import dry_run_table, shares_of
from hsframe.history.his_answers import sample_count
from hsframe.history.plan import GUESSED_ROWS_A_DAY, POINTS_A_BATCH, ReadOptions
from hsframe.history.point_records import PointRecord
from hsframe.history.read import BOUNDARY_REACH_US, FIRST_DEPTH_US, nearest_samples, read_batches, span_of
from hsframe.history.source import Progress, Source, WholeSource
from hsframe.history.unread import part_read
from hsframe.spans import Span

# Samples that are put into the archive at once: 28 bytes each in memory, some copies of them, and one commit.
_ROWS_A_MERGE: Final = 7 * ROW_GROUP
# So that some requests are under way while their answers are put together; smaller ones cost more a sample.
_REQUESTS_A_MERGE: Final = 2
_ALONE_A_MERGE: Final = 10
# Of a point whose record does not tell, until some rows were seen: many, so that no window is too large. Each window
# without rows halves it.
_UNSEEN_ROWS_A_DAY: Final = 1440.0
# Of points without an interval some mostly have no sample within a day: so many requests look for those further away.
_FURTHER_SEARCHES: Final = 2
# The share of its time that a run takes to note until when points were read: what is not noted is read again after a
# kill.
_NOTING: Final = 0.01


@dataclass(slots=True)
class Job:
    """What is to be read of a point, and what became of it.

    `end_us` None: all that there is from `start_us` on. `since_us`: from when on it is known afterwards, and `until_us`
    until when. `earlier_us` is a window before, which is read last. `before_us`: the last sample before it is kept too,
    as it may hold until then. `known_us` is the window in which it had been read. One that has a `status` is not read.
    """

    record: PointRecord
    start_us: int
    end_us: int | None
    since_us: int
    first_us: int | None = None
    last_us: int | None = None
    status: str = ""
    reason: str = ""
    until_us: int = 0
    earlier_us: tuple[int, int] | None = None
    before_us: int | None = None
    known_us: tuple[int, int] | None = None


@dataclass(slots=True)
class Filling:
    """One run over some points, into the tables of an archive or what is staged of a file."""

    source: Source
    samples: SampleTable | Stage
    points: PointTable | None
    options: ReadOptions
    young_us: int = END_US
    changes: Changes = field(default_factory=Changes)
    _rows_a_day: dict[str, float] = field(default_factory=dict)
    _silent: Counter[str] = field(default_factory=Counter)
    _unnoted: dict[str, ArchivedRecord] = field(default_factory=dict)
    _noted_s: float = field(default_factory=time.monotonic)
    _note_s: float = 0.0  # how long it took to note it

    async def run(self, jobs: Sequence[Job]) -> None:
        windows = by_window(jobs)
        ends_us = {window: self.options.now_us if window[1] is None else window[1] for window in windows}
        sizes = (max(ends_us[window] - window[0], 0) * len(some) for window, some in windows.items())
        self.options.progress.expect_all(sum(sizes))
        with one_thread():
            if isinstance(self.samples, SampleTable):  # a file begins with its span
                await self._read_beside(self.samples, jobs)
            try:
                for (start_us, end_us), some in windows.items():
                    for irregular in (False, True):
                        alike = [job for job in some if job.record.irregular == irregular]
                        for window in self._windows(alike, start_us, end_us) if alike else ():
                            await self._read(alike, *window)
            finally:
                await in_thread(self._note)

    async def _read_beside(self, samples: SampleTable, jobs: Sequence[Job]) -> None:
        """Keep the last sample before the start of each point, which may hold there, and the first one after its end.

        They are samples like all others, at their instants beside the window, where no read of the window sees them.
        The first interval of a meter and the last one of any point need them.
        """
        failures: dict[str, HsFrameError] | None = None if self.options.failures is None else {}
        options = replace(self.options, failures=failures, progress=Progress())
        for (is_after, from_us, tz, due_us), some in _beside(jobs, self.options.now_us).items():
            how: dict[str, Any] = {"is_after": is_after} | ({"depths_us": (due_us,)} if due_us else {})
            reach_us = max(DAY_US, 3 * due_us) if due_us else BOUNDARY_REACH_US  # a line is drawn no further
            records = [job.record for job in some]
            if found := await nearest_samples(self.source, records, {tz: from_us}, reach_us, options, **how):
                times_us = [from_us, *(int(history.ts_us[0]) for history in found)]
                window = min(times_us), max(times_us) + 1
                ids = [history.point.id for history in found]
                await in_thread(functools.partial(merge, existing="replace"), samples, rows_of(found), ids, *window)
            for job in some:
                if failures and (error := failures.get(job.record.id)):
                    job.reason = f"what is beside its first and last sample could not be read: {error}"

    def _windows(self, jobs: Sequence[Job], start_us: int, end_us: int | None) -> Iterator[tuple[int, int | None]]:
        """The parts of a window, in order of time.

        No batch of points has more rows in one than are merged at once. Where all points together have as many, or the
        next period would be too much, a part ends with its period, so that few files are of two.
        """
        last_us = max(self.options.now_us, start_us) if end_us is None else end_us
        begin_us = start_us
        # Points with instants of their own are read one by one, several at the same time.
        width = _ALONE_A_MERGE if jobs[0].record.irregular else POINTS_A_BATCH
        for _, from_us, until_us in self.samples.layout.parts(start_us, last_us):
            if begin_us < from_us and until_us - begin_us > self._most_us(jobs, width):
                yield begin_us, from_us
                begin_us = from_us
            while until_us - begin_us > (most_us := self._most_us(jobs, width)):
                yield begin_us, begin_us + most_us
                begin_us += most_us
            if until_us - begin_us >= self._most_us(jobs, len(jobs)) and until_us < last_us:
                yield begin_us, until_us
                begin_us = until_us
        yield begin_us, end_us

    def _most_us(self, jobs: Sequence[Job], points: int) -> int:
        """The time in which the densest of some points have as many rows as are merged at once, in whole hours."""
        rows_a_day = [
            self._seen(job).rows_a_day
            or max(_UNSEEN_ROWS_A_DAY * 0.5 ** self._silent[job.record.id], GUESSED_ROWS_A_DAY)
            for job in jobs
        ]
        return max(int(_ROWS_A_MERGE * 24 / sum(sorted(rows_a_day)[-points:])), 1) * HOUR_US

    def _seen(self, job: Job) -> PointRecord:
        """The record of a point, with the rows a day that were seen where it does not tell them."""
        record = job.record
        return record if record.rows_a_day else replace(record, rows_a_day=self._rows_a_day.get(record.id))

    async def _read(self, jobs: Sequence[Job], start_us: int, end_us: int | None) -> None:
        left = {job.record.id: job for job in jobs if not self.options.has_failed(job.record.id)}
        records = sorted(map(self._seen, left.values()), key=lambda one: self.samples.layout.sort_key(one.id))
        waiting: list[History] = []
        span = Span(span_of(start_us, start_us).start, None) if end_us is None else span_of(start_us, end_us)
        options = _limited(self.options)
        # The batches of a server are planned; an archive gives all points at once that it is asked for.
        width = POINTS_A_BATCH if isinstance(self.source, WholeSource) else max(len(records), 1)
        for place in range(0, len(records), width):
            async with aclosing(read_batches(self.source, records[place : place + width], span, options)) as batches:
                async for histories in batches:
                    if waiting and sum(map(sample_count, [*waiting, *histories])) > _ROWS_A_MERGE:
                        await in_thread(self._merge, waiting, left, start_us, end_us)
                        waiting = []
                    waiting += histories
        await in_thread(self._merge, waiting, left, start_us, end_us)

    def _merge(self, histories: Sequence[History], left: Mapping[str, Job], start_us: int, end_us: int | None) -> None:
        histories = [history for history in histories if not self.options.has_failed(history.point.id)]
        ids = [*dict.fromkeys(history.point.id for history in histories)]
        rows = rows_of(histories)
        bounds = bounds_of(rows)
        until_us = END_US if end_us is None else end_us
        # What lies beyond the present has not been, whatever was asked for.
        done_us = min(until_us, self.options.now_us)
        window = start_us, done_us  # where the archive that is read lacks part of it, nothing counts as removed
        records = {ident: left[ident].record for ident in ids}
        lacking = [one for one in ids if one not in bounds or part_read(self.source, records[one], window) != window]
        if isinstance(self.samples, Stage):
            self.samples.put(rows, bounds, records.values(), (start_us, max(window)))
        else:
            known_us = {ident: known for ident in ids if (known := left[ident].known_us)}
            how: dict[str, Any] = {"add_only": lacking, "known_us": known_us, "young_us": self.young_us}
            self.changes.add(merge(self.samples, rows, ids, start_us, until_us, **how))
        self._silent.update(ident for ident in ids if ident not in bounds)
        for job in map(left.__getitem__, ids):
            if job.record.id in bounds:
                first_us, last_us, count = bounds[job.record.id]
                self._rows_a_day[job.record.id] = count * DAY_US / max(done_us - start_us, HOUR_US)
                job.first_us = min(job.first_us or first_us, first_us)
                job.last_us = max(job.last_us or last_us, last_us)
            if job.earlier_us and done_us <= job.earlier_us[1]:
                if done_us < job.earlier_us[1]:
                    continue  # there would be a hole
                job.since_us = job.earlier_us[0]
            else:
                # What is read once more had been read: half of it done, no less is. A clock ahead tells nothing.
                before_us = job.known_us[1] if job.known_us and job.known_us[1] <= self.options.now_us else done_us
                job.until_us = max(job.since_us, done_us, before_us)
            read_us = part_read(self.source, job.record, (job.since_us, job.until_us))
            self._unnoted[job.record.id] = ArchivedRecord({"tz": job.record.tz, **job.record.tags}, read_us)
        if (time.monotonic() - self._noted_s) * _NOTING > self._note_s:
            self._note()

    def _note(self) -> None:
        """Note until when the points were read; where nothing has changed the table stays as it is."""
        begun_s = time.monotonic()
        is_new = any((self.changes.new, self.changes.changed, self.changes.removed))
        if self.points is not None:
            # Where nothing was new, to have read less than an hour further is worth no version.
            self.points.put(self._unnoted.values(), slack_us=0 if is_new else HOUR_US)
        self._unnoted.clear()
        self._noted_s = time.monotonic()
        self._note_s = self._noted_s - begun_s


def _beside(jobs: Sequence[Job], now_us: int) -> dict[tuple[bool, int, str, int], list[Job]]:
    """The jobs that need a sample beside their window: after or before an instant, in a zone, due how far away."""
    found: dict[tuple[bool, int, str, int], list[Job]] = {}
    for job in jobs:
        due_us = 0 if job.record.irregular or "hisInterval" not in job.record.tags else job.record.due_us
        if job.before_us is not None and job.before_us > job.record.begin_us(START_US):
            found.setdefault((False, job.before_us, job.record.tz, due_us), []).append(job)
        if job.end_us is not None and job.end_us <= now_us:
            found.setdefault((True, job.end_us, job.record.tz, due_us), []).append(job)
    return found


def _limited(options: ReadOptions) -> ReadOptions:
    return replace(options, limits=replace(options.limits, cells=_ROWS_A_MERGE // _REQUESTS_A_MERGE))


def expected_table(jobs: Sequence[Job], options: ReadOptions, *, has_beside: bool = True) -> pd.DataFrame:
    """What jobs are expected to take, a row each; of requests that several points share each has its part.

    Only an archive has samples beside the windows.
    """
    wanted = [job for job in jobs if not job.status]
    windows = {window: [job.record for job in some] for window, some in by_window(wanted).items()}
    found = shares_of(windows, options, _limited(options).limits)
    for (is_after, from_us, _, due_us), some in (_beside(wanted, options.now_us) if has_beside else {}).items():
        depth_us = due_us or FIRST_DEPTH_US
        start_us = from_us if is_after else from_us - depth_us
        searched = shares_of({(start_us, start_us + depth_us): [job.record for job in some]}, options, options.limits)
        for ident, (_, requests) in searched.items():
            more = 0 if due_us else _FURTHER_SEARCHES / len(some)
            found[ident] = found[ident][0], found[ident][1] + requests + more
    return dry_run_table(((job.record, job.status, job.reason) for job in jobs), found)


def by_window(jobs: Sequence[Job]) -> dict[tuple[int, int | None], list[Job]]:
    """The jobs of each window; those before what is known are the last ones."""
    found: dict[tuple[int, int | None], list[Job]] = {}
    before = [(job.earlier_us, job) for job in jobs if job.earlier_us]
    for window, job in [*(((job.start_us, job.end_us), job) for job in jobs), *before]:
        found.setdefault(window, []).append(job)
    return found
