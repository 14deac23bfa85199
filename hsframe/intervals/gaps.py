"""The warning about points whose samples are further apart than `max_gap`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from hsframe.caller_warnings import warn_caller
from hsframe.columns import NumberColumn
from hsframe.errors import GapWarning
from hsframe.frame.histories import History, Instants
from hsframe.frame.values import null_mask
from hsframe.intervals.rules import Rule


def warn_of_gaps(histories: Sequence[History], results: Sequence[History], rules: Mapping[str, Rule]) -> None:
    """Warn of points that have samples but no value, because no two samples are within `max_gap` of each other.

    `histories` are as they were read, `results` what :func:`hsframe.intervals.resample.interval_histories` made of them
    by the rules of the ids.
    """
    empty = {
        result.point.id: result.point
        for result in results
        if rules[result.point.id].after_us
        and isinstance(result.values, NumberColumn)
        and bool(np.isnan(result.values.values.to_numpy(zero_copy_only=False)).all())
    }
    instants: dict[str, list[Instants]] = {ident: [] for ident in empty}
    for history in histories:
        if history.point.id in empty:
            instants[history.point.id].append(history.ts_us[~null_mask(history.values)])
    apart = []
    for ident, parts in instants.items():
        steps = np.diff(np.unique(np.concatenate(parts)))
        if len(steps) and int(steps.min()) > rules[ident].gap_us:
            apart.append((empty[ident], timedelta(microseconds=int(np.median(steps)))))
    if apart:
        point, usual = apart[0]
        warn_caller(
            f"{len(apart)} of {len(results)} points have samples and no value in any interval, since their samples are "
            f"further apart than max_gap: {', '.join('@' + point.id for point, _ in apart[:5])}"
            f"{', ...' if len(apart) > 5 else ''}; those of @{point.id} are {usual} apart, so give a longer one, as in "
            f"max_gap={{'@{point.id}': '7D'}}",
            GapWarning,
        )
