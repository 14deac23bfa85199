"""When a condition holds in a frame: a mask of its rows, one on a column, or the windows of a frame of episodes.

In a wide frame a column has no value in the rows in which only other points have a sample. There a mask of Bool is
missing, and a comparison of numbers is False. A mask with the name of a column is of that alone if it is missing in all
these rows. If it is False in them it may be of several columns, and nothing tells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hsframe.analysis.frame_samples import FrameSamples, after_the_first
from hsframe.analysis.read_warnings import warn_of_read, warn_of_start, warn_of_taken_out, warn_of_unknown
from hsframe.arrays import Bools, Instants
from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.per_point import per_point
from hsframe.frame.points import points_of
from hsframe.frame.read_rows import are_in, is_of_unknown_read, rows_of, warn_of_unknown_read, without
from hsframe.intervals.conditions import conditions_of, parse_condition, truth_of, windows_of
from hsframe.intervals.rules import Rule, rule_of_time
from hsframe.intervals.truth import Truth
from hsframe.kinds import Ref


def truths_in(samples: FrameSamples, where: object) -> list[Truth]:
    """When a condition holds, or each of a list."""
    return [_truth_in(samples, condition) for condition in conditions_of(where)]


def _truth_in(samples: FrameSamples, condition: Any) -> Truth:
    if isinstance(condition, pd.DataFrame):
        return Truth.of_windows(windows_of(condition))
    if isinstance(condition, pd.Series):
        return _truth_of_mask(samples, condition)
    place = _column_of(samples, condition)
    if isinstance(condition, str) and samples.is_mask(place):
        return _truth_of_mask(samples, samples.df.iloc[:, place].rename(None))
    warn_of_start(samples, place)
    warn_of_read(samples, [place])
    if not len(samples.ts_us):  # nor do its columns tell their kind
        return Truth(samples.ts_us, np.empty(0, np.int8))
    rule = rule_of_time(samples.sampling(place))
    histories, until_us = samples.column(place)
    truth = truth_of(histories, condition, rule, until_us)
    warn_of_unknown(samples, {place: [rule]})
    return truth


def _column_of(samples: FrameSamples, condition: Any) -> int:
    """The place of the column that a condition names."""
    named = parse_condition(condition)[0]
    name = f"@{named.val}" if isinstance(named, Ref) else named
    found = per_point({name: True}, samples.known, [str(label) for label in samples.df.columns], "condition")
    places = [place for place, is_named in enumerate(found) if is_named]
    if len(places) > 1:
        raise MetadataError(f"{name!r} names {len(places)} columns; name one by its label or id")
    return places[0]


def _truth_of_mask(samples: FrameSamples, mask: pd.Series[Any]) -> Truth:
    if mask.dtype.kind != "b":
        raise MetadataError(f"a mask must be bool or boolean, and is {mask.dtype}; take mask.astype('boolean')")
    if samples.interval is not None and mask.index.isin(samples.given.index).all():
        mask = mask.astype("boolean").reindex(samples.given.index)  # what was cut off is not known
    is_own, is_true = mask.index.equals(samples.given.index), _is_true(mask)
    rows = pd.DataFrame({"condition": mask.astype("boolean").array}, index=mask.index)
    rows.attrs = samples.given.attrs if is_own else mask.attrs
    is_unknown_read = not is_own and is_of_unknown_read(alone := mask.to_frame("the mask"))
    # A mask of another read is known for as long as the points of that read, and one of no read up to its next row.
    own_places = samples.places if is_own or is_unknown_read else []
    rules = [rule_of_time(samples.sampling(place)) for place in own_places if samples.is_known(place)]
    idents: Collection[str] | None = samples.ids if is_own else None
    if (made_of := _made_of(samples, mask, is_own)) is not None:
        of, place = made_of
        warn_of_start(of, place)
        warn_of_read(of, [place])
        warn_of_unknown(of, {place: []})
        rows.attrs, idents = of.given.attrs, of.idents[place]
        holes = of.holes(place) if of is samples else of.holes_of_read(place)
        if _may_be_of_several(mask, of, place, holes, of is samples):
            _warn_of_holes(int((holes | (is_true & ~of.has_value(place))).sum()), repr(mask.name))
        is_blank = ~of.has_value(place) if of is samples else holes
        rows["condition"] = rows["condition"].mask(is_blank & ~is_true)
        rules = [rule_of_time(of.sampling(place))] if of.is_known(place) else rules
    elif is_unknown_read:
        warn_of_unknown_read(alone)
    elif count := _count_holes(samples, mask):
        _warn_of_holes(count)
    warn_of_read(samples, samples.places if is_own else [])
    own = FrameSamples(rows[~samples.is_to_come] if is_own else rows)
    if len(samples.zones) == 1:  # whose days the rows may be, whatever zone the index is shown in
        own.points = [replace(own.points[0], tz=samples.zones[0])]
    if own.rows is not None:
        own.idents = [own.ids_read if idents is None else idents]
        gone_us = without(own.samples_read_us(own.idents[0]), own.ts_us)
        if made_of is None and not samples.has_warned and len(gone_us):
            warn_of_taken_out("the mask")
    histories, until_us = own.column(0)
    if len(own.ts_us) and own.interval is None and not own.is_known_to_end(0):
        until_us = max(until_us, _held_until(samples, own.ts_us))
    gap_us = min((rule.gap_us for rule in rules), default=rule_of_time(own.sampling_of_mask).gap_us)
    return truth_of(histories, ("condition", "==", True), Rule("coverage", True, gap_us), until_us)


def _is_true(mask: pd.Series[Any]) -> Bools:
    found: Bools = mask.fillna(False).to_numpy(dtype=bool)
    return found


def _may_be_of_several(mask: pd.Series[Any], of: FrameSamples, place: int, holes: Bools, is_own: bool) -> bool:
    """Whether nothing tells if a mask is of its column alone, since it is false where that has no sample.

    It is of a filled column if it equals that, or, in another frame, is true where the column had no sample.
    """
    is_true = _is_true(mask)
    between = after_the_first(holes)  # before its first sample it has none if filled too
    if is_own:  # what was negated is true before that, and where a value is NA
        between |= is_true & ~of.has_value(place)
    if mask.isna()[between].all():
        return False
    if is_own:
        return not mask.equals(of.df.iloc[:, place].ffill())
    return bool(is_true.any()) and not is_true[between].any()


def _held_until(samples: FrameSamples, ts_us: Instants) -> int:
    """Until when the last row of a mask holds where no read tells it: to the next row of the frame, if all are in it.

    Else it holds for as long as the shortest of the steps between its rows.
    """
    first = int(np.searchsorted(samples.ts_us, ts_us[0]))
    end = first + len(ts_us)
    if np.array_equal(samples.ts_us[first:end], ts_us):
        return samples.end_us if end == len(samples.ts_us) else int(samples.ts_us[end])
    return int(ts_us[-1] + (np.diff(ts_us).min() if len(ts_us) > 1 else 0))


def _made_of(samples: FrameSamples, mask: pd.Series[Any], is_own: bool) -> tuple[FrameSamples, int] | None:
    """The column that a mask was made of, by its name: of the frame, or the mask itself where that is a point."""
    called = [place for place, label in enumerate(samples.df.columns) if label == mask.name]
    if is_own and len(called) == 1:
        return None if samples.is_mask(called[0]) else (samples, called[0])
    is_point = mask.name is not None and points_of(alone := mask.to_frame())
    return (FrameSamples(alone), 0) if is_point else None


def _count_holes(samples: FrameSamples, mask: pd.Series[Any]) -> int:
    """In how many rows of a mask some column of the frame has no value, or some point that was read no sample.

    There a mask of that column tells nothing, and which columns it was made of, nothing tells. Points that were read
    count where the frame has no column of a point, or not the rows of the mask, and those of another read. Of
    intervals, most of which have a value, those alone count in which the mask is true, as what was negated is.
    """
    index = pd.DatetimeIndex(mask.index.get_level_values(0))  # of rows named by both ends the starts
    ts_us, read = index.as_unit("us").asi8, rows_of(mask) or samples.rows
    has_hole, own = np.zeros(len(mask), dtype=bool), frozenset[str]()
    if are_in(ts_us, samples.ts_us).all() and (samples.rows is not None or samples.interval is not None):
        own = samples.ids_read if any(samples.idents) else own
        at = np.searchsorted(samples.ts_us, ts_us)
        for place in samples.places:
            has_hole |= ~(samples.has_value(place) | samples.is_to_come)[at]
        if samples.interval is not None:
            return int(np.count_nonzero(has_hole & _is_true(mask)))
    if read is not None:
        for ident in frozenset(read.samples) - own:
            has_hole |= ~are_in(ts_us, read.ts_us[read.has([ident], values_only=True)])
    return int(np.count_nonzero(has_hole))


def warn_of_masks(samples: FrameSamples, places: Sequence[int]) -> None:
    """Warn of columns that are masks, and tell nothing in some rows."""
    for place in filter(samples.is_mask, places):
        if count := _count_holes(samples, samples.given.iloc[:, place]):
            _warn_of_holes(count)
            return


def _warn_of_holes(count: int, label: str = "") -> None:
    """Say in how many rows of a mask the column of a label, or of some column, has no sample."""
    warn_caller(
        f"in {count} rows of the mask {label or 'a column'} has no sample, and the mask tells nothing of it there. "
        f"Give a condition, as ({label or 'column'}, '>', Number(...)), or a list of those that all have to hold. For "
        "any other mask read with boundary='before', and take the episodes of its columns alone, filled = "
        "df[[...]].ffill().dropna() and filled.hs.episodes(a mask of filled), whose windows where= takes too",
        ReadWarning,
    )
