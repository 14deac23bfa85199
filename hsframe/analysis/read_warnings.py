"""Warnings of the verbs on a frame that does not know what was read, or what has become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hsframe.analysis.frame_samples import FrameSamples, after_the_first
from hsframe.caller_warnings import warn_caller
from hsframe.errors import ReadWarning
from hsframe.frame.points import noted
from hsframe.frame.read_rows import is_of_unknown_read, warn_of_unknown_read, without
from hsframe.frame.stamps import interval_of
from hsframe.intervals.rules import PointSampling, Rule, rule_of_time
from hsframe.protocol.answers import named


def warn_of_read(samples: FrameSamples, places: Sequence[int]) -> None:
    """Warn, once, that the frame does not know its read, or that of some rows in which these columns may matter."""
    if samples.has_warned:
        return
    if samples.is_of_unknown_read:
        warn_of_unknown_read(samples.df)
    elif added := {place: rows for place in places if (rows := samples.is_added(place)).any()}:
        times = samples.df.index[np.logical_or.reduce([*added.values()])]
        columns = named([repr(samples.points[place].dis) for place in added])
        warn_caller(
            f"the read of {len(times)} rows, from {times[0].isoformat(timespec='minutes')} on, is not known, as "
            f"after pd.concat of several reads: {columns} may lack samples between the reads, or have NA; put "
            "reads together with hsframe.concat, which keeps what is known of each",
            ReadWarning,
        )
    elif sparse := [repr(samples.points[place].dis) for place in places if _is_thinned(samples, place)]:
        warn_caller(
            f"the rows of {named(sparse)} are further apart than those that were read, and what was taken out is "
            "not known up to the next sample. If pandas has made them (groupby, resample and dropna), take "
            "df.hs.resample of the read; if rows were chosen (df[::4]), take the whole read",
            ReadWarning,
        )
    elif taken := [samples.points[p].dis for p in places if not samples.idents[p] and len(samples.taken_out(p))]:
        warn_of_taken_out(named([repr(dis) for dis in taken]) + ", which was renamed or computed")
    else:
        return
    samples.has_warned = True


def warn_of_taken_out(what: str) -> None:
    """Warn that rows were taken out, in which `what` is computed or a mask may have had a value."""
    warn_caller(
        f"rows were taken out of the read, and the frame does not know which of them had a value of {what}: it is not "
        "known from each of them up to its next value. Find episodes and take values over intervals before rows are "
        "taken out",
        ReadWarning,
    )


def _is_thinned(samples: FrameSamples, place: int) -> bool:
    """Whether half of the samples of a column, or more, are gone, and each of the others is from a step of its own.

    So it is where pandas has made one row of several, which nothing else tells.
    """
    own_us, ts_us = samples.samples_read_us(samples.idents[place]), samples.ts_us[samples.has_value(place)]
    if min(len(ts_us), len(own_us)) < 4 or 2 * len(without(own_us, ts_us)) < len(own_us) - 1:
        return False
    return bool(np.diff(ts_us).min() >= 2 * np.median(np.diff(own_us)))


def warn_of_unknown(samples: FrameSamples, rules: Mapping[int, Sequence[Rule]]) -> None:
    """Warn of columns whose point is not known, where what their rules have to assume of it may be wrong."""
    if unknown := [repr(samples.points[one].dis) for one, own in rules.items() if _may_differ(samples, one, own)]:
        warn_caller(
            f"the frame does not know the point of {named(unknown)}, as after rename or where it was "
            "computed: its numbers count as on a line between samples at most three hours apart, and all its "
            "missing values as NA. Take values over intervals before you rename and compute (df.hs.resample, or "
            "interval= in the read); name columns in the read, with header=; or, where its missing values are no "
            f"samples, take df[[{unknown[0]}]].dropna()",
            ReadWarning,
        )


def _may_differ(samples: FrameSamples, place: int, rules: Sequence[Rule]) -> bool:
    """Whether a column that was renamed or computed may have other values, by the points that were read."""
    points = samples.points_read
    was_read = bool(points or samples.ids_read) and samples.interval is None
    if not was_read or samples.is_of_unknown_read or samples.is_known(place):
        return False
    by_time = [rule for rule in rules if replace(rule, is_step=True).bridges]
    column, usual = samples.df.iloc[:, place], rule_of_time(samples.sampling(place))
    is_there = samples.has_value(place)
    if after_the_first(~is_there).any():
        return bool(by_time) or not rules
    if column.dtype.kind not in "iuf":
        return False
    steps_us, numbers = np.diff(samples.ts_us[is_there]), [one for one in points if one.kind in (None, "Number")]
    return any(
        other.is_step or (rule.gap_us == usual.gap_us and ((steps_us > rule.gap_us) != (steps_us > other.gap_us)).any())
        for other in (rule_of_time(PointSampling.from_record(one.his_tags())) for one in numbers)
        for rule in by_time
        if rule.agg != "linear"
    )


def warn_of_start(samples: FrameSamples, place: int) -> None:
    """Warn where a column holds and lacks the sample that tells what it is at the start of the span, or of a part.

    So it is in a read without ``boundary=``, and may be in a part of any read.
    """
    read, sampling = samples.read_of(place), samples.sampling(place)
    if not read.spans or not sampling.is_step:
        return
    boundary = (noted(samples.given, "settings") or {}).get("boundary", "none")
    if samples.is_cut[0]:
        start_us, start = int(samples.ts_us[0]), "rows"
        advice = "find episodes before you take rows out, or fill before that, as in df.ffill().loc[...]"
    elif boundary == "none":
        start_us, start = read.spans[0][0], "span"
        advice = "read with boundary='before', for the sample that holds there"
    else:
        return
    ts_us = samples.ts_us[samples.has_value(place)]
    if not len(ts_us) or ts_us[0] - start_us > (sampling.interval_us or 0):
        until = "its first sample" if len(ts_us) else "the end, since it has no sample there"
        warn_caller(
            f"what {samples.points[place].dis!r} is at the start of the {start} is not known, up to {until}: no "
            "episode is found there, and where= counts that time as not known, or of these episodes as false; "
            + advice,
            ReadWarning,
        )


def warn_of_report(df: pd.DataFrame) -> None:
    """Warn where what was read is not known; rows that pandas made regular are due as they are, whatever was read."""
    index = df.index
    if not isinstance(index, pd.DatetimeIndex) or (index.freq is not None and index.name != "ts"):
        return
    if is_of_unknown_read(df):
        warn_of_unknown_read(df)
    elif index.freq is None and index.tz is not None and index.is_unique and interval_of(df) is None:
        samples = FrameSamples(df.sort_index())
        warn_of_read(samples, samples.places)
        known = [place for place in samples.places if samples.idents[place]]
        if not samples.has_warned and (taken := [place for place in known if len(samples.taken_out(place))]):
            warn_caller(
                f"samples of {named([repr(samples.points[place].dis) for place in taken])} were taken out since they "
                "were read (df[mask], dropna, cleared cells), and count as missing: take the report of the whole read",
                ReadWarning,
            )
        if samples.of_another:
            warn_caller(
                f"{named([*map(repr, samples.of_another)])}: the values are not those of the point that was read under "
                "this label, by whose record they are judged: name columns in the read, with header=, or say what they "
                "are with hsframe.with_points(df, {...})",
                ReadWarning,
            )
