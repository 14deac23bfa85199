"""An archive is brought in step by Dask workers: each reads groups of points and writes them into it by itself.

Commits are compared with what others have committed meanwhile, and what is read twice changes nothing. So workers need
not know of each other, and the group of a worker that was lost is simply read again.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import dask
from dask.delayed import delayed
from distributed import futures_of

from hsframe.archive.fill import Filling, Job
from hsframe.archive.samples import Changes
from hsframe.archive.server_identity import expect_noted_login
from hsframe.archive.storage import Storage
from hsframe.archive.sync import Fill
from hsframe.archive.tables import Tables
from hsframe.client import Client
from hsframe.client.in_thread import in_thread
from hsframe.dask.worker import Login, StoredVersion
from hsframe.errors import HsFrameError
from hsframe.history.concurrency import all_of
from hsframe.history.plan import ReadOptions
from hsframe.history.source import Progress
from hsframe.session.session import Session

# Groups for each of those that are read at a time: so small that no slow one is left at the end.
_GROUPS: Final = 4
_LEAST_POINTS: Final = 25  # of a group

_Filled: TypeAlias = tuple[Sequence[Job], Changes, dict[str, HsFrameError]]


def fill_on_workers(session: Session, max_concurrency: int | None, archive: Storage) -> Fill:
    """What reads windows of points into an archive on the workers of the caller's cluster."""
    login, stored = Login.of_session(session, max_concurrency), StoredVersion.of(archive.uri, archive.options)

    async def fill(tables: Tables, jobs: Sequence[Job], options: ReadOptions, young_us: int) -> Changes:
        jobs = sorted(jobs, key=lambda job: tables.samples.layout.sort_key(job.record.id))  # few files of a group
        size = max(-(-len(jobs) // (_GROUPS * login.at_once)), _LEAST_POINTS)
        limits = replace(options.limits, max_concurrency=1)
        failures: dict[str, HsFrameError] | None = None if options.failures is None else {}
        sent = replace(options, limits=limits, failures=failures, progress=Progress())
        turns = asyncio.Semaphore(login.at_once)

        async def filled(some: Sequence[Job]) -> _Filled:
            async with turns:  # what was not begun when this is interrupted never is
                run = delayed(functools.partial(login.run, _fill, stored, some, sent, young_us))
                held = await in_thread(dask.persist, run())
                try:
                    (result,) = await in_thread(dask.compute, *held)
                finally:
                    for future in futures_of(held):
                        future.cancel()
            found: _Filled = result
            return found

        groups = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        changes = Changes()
        for some, (done, its, failed) in zip(groups, await all_of(map(filled, groups)), strict=True):
            for job, found in zip(some, done, strict=True):
                job.first_us, job.last_us, job.reason = found.first_us, found.last_us, found.reason
            changes.add(its)
            if options.failures is not None:
                options.failures.update(failed)
        return changes

    return fill


async def _fill(
    client: Client, stored: StoredVersion, jobs: Sequence[Job], options: ReadOptions, young_us: int
) -> _Filled:
    tables = await in_thread(stored.opened)
    expect_noted_login(client, tables.points)  # a worker logs in by itself, and perhaps elsewhere than the caller
    filling = Filling(client, tables.samples, tables.points, options, young_us)
    await filling.run(jobs)
    return jobs, filling.changes, options.failures or {}
