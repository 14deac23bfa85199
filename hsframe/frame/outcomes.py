"""The outcome for each point of a read, as a table that comes with the frame: ``df.hs.catalog``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.histories import History
from hsframe.frame.points import ColumnLabel, label_index, label_key, label_of, note, noted
from hsframe.frame.values import null_mask

_KEY = "read"
_COUNTS = ("rows", "differing", "spikes")
_STATUSES = {"ok": 1, "empty": 2}  # of several reads of a point; all others are failures, and come first


def outcomes_of(
    labels: Mapping[str, ColumnLabel],
    histories: Iterable[History],
    failures: Mapping[str, str],
    differing: Mapping[str, int],
) -> dict[str, dict[str, Any]]:
    """The outcome for each point, by what stands for its label in the catalog.

    `labels` are by id, in order, `failures` the reason why an id could not be read, and `differing` how many samples at
    a repeated instant had another value than the one that was kept.
    """
    parts: dict[str, list[History]] = {}
    for history in histories:
        parts.setdefault(history.point.id, []).append(history)
    rows = {ident: _rows(own) for ident, own in parts.items() if ident not in failures}
    return {
        label_key(label): {
            "id": ident,
            "rows": rows.get(ident, 0),
            "status": "failed" if ident in failures else "ok" if rows.get(ident) else "empty",
            "reason": failures.get(ident),
            "differing": differing.get(label_key(label), 0),
            "spikes": sum(one.over.spikes for one in parts.get(ident, ()) if one.over),
        }
        for ident, label in labels.items()
    }


def _rows(parts: Sequence[History]) -> int:
    """The instants of a point at which there is a sample, NA being one."""
    times = [part.ts_us[~null_mask(part.values)] if part.sparse else part.ts_us for part in parts]
    ts_us = times[0] if len(times) == 1 else np.concatenate(times)
    return len(ts_us) if bool(np.all(ts_us[1:] > ts_us[:-1])) else len(np.unique(ts_us))


def note_outcomes(df: pd.DataFrame, outcomes: Mapping[str, Any]) -> None:
    """Put the outcomes of a read into a frame's catalog; only its attrs change."""
    note(df, _KEY, outcomes)


def outcomes_in(df: pd.DataFrame) -> Mapping[str, Mapping[str, Any]]:
    """The outcomes that :func:`note_outcomes` put into a frame; a MetadataError where there are none."""
    if (outcomes := noted(df, _KEY)) is None:
        raise MetadataError(
            "the frame does not know how it was read: it is not from his_read, or is from a file, or was put together "
            "with such a frame, or an operation of pandas dropped its attrs; take df.hs.catalog from the frame that "
            "his_read gave"
        )
    return outcomes


def united_outcomes(frames: Iterable[pd.DataFrame]) -> dict[str, Any] | None:
    """The outcomes of the reads of some frames together: counts added, and a failure stands.

    None where a frame has no outcomes, or where a label, or a cell of a matrix, is another one in two.
    """
    united: dict[str, dict[str, Any]] = {}
    for df in frames:
        for key, row in (noted(df, _KEY) or {"": {}}).items():
            one = united.get(key, {})
            if not row or (one and any(one.get(name) != row.get(name) for name in ("id", "role", "group"))):
                return None
            first = min((one or row, row), key=lambda some: _STATUSES.get(some.get("status"), 0))
            united[key] = {**first, **{count: one.get(count, 0) + row.get(count, 0) for count in _COUNTS}}
    return united


def outcomes_table(df: pd.DataFrame) -> pd.DataFrame:
    """The outcome for each point of the read that made a frame.

    Returns
    -------
    DataFrame
        One row per point that was asked for, also those that have no column. Index ``point``: the label of its column;
        of a matrix ``role`` and ``group``, and a row for each cell.
        ``id`` (str); ``rows`` (int64): its samples or intervals in the frame, also those without a value; ``status``
        (str): ``"ok"``, ``"empty"`` or ``"failed"``; ``reason`` (str): why it failed, else missing; ``differing``
        (int64): how many samples at a repeated instant had another value than the one that was kept; ``spikes``
        (int64): how many false readings of a meter the values over intervals leave out.

    Raises
    ------
    MetadataError
        The frame has no outcomes.
    """
    outcomes = outcomes_in(df)
    rows = list(outcomes.values())
    columns: dict[str, Any] = {}
    for name in ("id", "rows", "status", "reason", "differing", "spikes"):
        # A cell of a matrix without a point has no counts.
        cells = [row.get(name, 0) for row in rows]
        columns[name] = np.array(cells, dtype=np.int64) if name in _COUNTS else pd.array(cells, dtype="str")
    index = label_index([*map(label_of, outcomes)], df.columns)
    if rows and "role" in rows[0]:
        levels = {name: pd.array([row[name] for row in rows], dtype="str") for name in ("role", "group")}
        index = pd.MultiIndex.from_frame(pd.DataFrame(levels))
    return pd.DataFrame(columns, index=index)
