"""What reads are expected to take, from the records alone: the one way for ``estimate``, dry runs and large reads.

A record tells by its ``hisInterval``, or by ``hisSize`` between ``hisStart`` and ``hisEnd``; of one that does not, a
sample each quarter of an hour is assumed. Nothing is expected before ``hisStart`` and after ``hisEnd``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from hsframe import options as settings
from hsframe.caller_warnings import warn_caller
from hsframe.errors import ReadWarning
from hsframe.history.plan import ReadOptions, RequestLimits, Window, expected, groups_of
from hsframe.history.point_records import PointRecord
from hsframe.history.source import Source
from hsframe.spans import Span

Windows: TypeAlias = Mapping[tuple[int, int | None], Sequence[PointRecord]]
Shares: TypeAlias = dict[str, tuple[float, float]]
"""By id the rows that are expected of a point, and its share of the requests."""

# Of a file. Rounded up from 1.7 for the demo building by quarters of an hour, and from 4.7 for changes of value.
_BYTES_A_ROW: Final = 2.0
_BYTES_OF_CHANGES: Final = 5.0
_BYTES_IN_MEMORY: Final = 16  # an instant and a value
# The speed of a smaller read is that of its requests, which take as long whatever they answer.
_SAMPLES_OF_A_SPEED: Final = 100_000


def shares_of(windows: Windows, options: ReadOptions, limits: RequestLimits) -> Shares:
    """What the points that are read in some windows are expected to take; nothing is expected of the future."""
    found: Shares = {}
    for (start_us, end_us), records in windows.items():
        window = Window(start_us, max(options.now_us if end_us is None else min(end_us, options.now_us), start_us))
        groups = groups_of(records, {record.tz: window for record in records}.__getitem__)
        for ident, (rows, requests) in expected(groups, limits).items():
            before = found.get(ident, (0.0, 0.0))
            found[ident] = before[0] + rows, before[1] + requests
    return found


def shares_of_read(records: Iterable[PointRecord], spans: Mapping[str, Span], options: ReadOptions) -> Shares:
    """What a read of some points is expected to take, whose span in each zone is given."""
    windows: dict[tuple[int, int | None], list[PointRecord]] = {}
    for record in records:
        windows.setdefault((spans[record.tz].start_us, spans[record.tz].end_us), []).append(record)
    return shares_of(windows, options, options.limits)


def dry_run_table(points: Iterable[tuple[PointRecord, str, str]], shares: Shares) -> pd.DataFrame:
    """The table of a dry run: what files of some points are expected to take; each has a status and a reason."""
    rows = []
    for record, status, reason in points:
        count, requests = shares.get(record.id, (0.0, 0.0))
        size = round(count * (_BYTES_OF_CHANGES if record.irregular else _BYTES_A_ROW))
        rows.append((record.id, record.point.dis, round(count), requests, size, status or "dry run", reason))
    names = ["id", "dis", "rows", "requests", "bytes", "status", "reason"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(("id", "dis", "status", "reason"), "str"))


def estimate_table(records: Sequence[PointRecord], shares: Shares, source: Source) -> pd.DataFrame:
    """The table of :meth:`hsframe.Session.estimate`."""
    found = [shares[record.id] for record in records]
    counts = np.array([rows for rows, _ in found], np.float64)
    samples, seconds = source.dialect.largest_read
    return pd.DataFrame(
        {
            "id": pd.array([record.id for record in records], dtype="str"),
            "dis": pd.array([record.point.dis for record in records], dtype="str"),
            "rows": counts.round().astype(np.int64),
            "requests": np.array([requests for _, requests in found], np.float64),
            "bytes": (counts * _BYTES_IN_MEMORY).round().astype(np.int64),
            "seconds": counts * (seconds / samples if samples >= _SAMPLES_OF_A_SPEED else np.nan),
            "source": pd.array(
                ["assumed" if one.rows_a_day is one.most_rows is None else "record" for one in records], dtype="str"
            ),
        }
    )


def warn_of_large_read(shares: Shares) -> None:
    """Say what a read is expected to take, where that is more than ``hsframe.options.large_read``."""
    rows, requests = (sum(some) for some in zip(*shares.values(), strict=True)) if shares else (0, 0)
    if rows > settings.large_read:
        size = rows * _BYTES_IN_MEMORY
        memory = f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
        warn_caller(
            f"this read is expected to give {rows:,.0f} samples in {requests:,.0f} requests, which take "
            f"{memory} of memory; his_iter() gives one frame after the other, export() "
            "writes files, and estimate() has each point. hsframe.options.large_read is from how many on this is said",
            ReadWarning,
        )
