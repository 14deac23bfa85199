"""When a condition holds in a frame: a mask of its rows, one on a column, or the windows of a frame of episodes.

In a wide frame a column has no value in the rows in which only other points have a sample. There a mask of Bool is
missing, and a comparison of numbers is False. A mask with the name of a column is of that alone if it is missing in all
these rows. If it is False in them it may be of several columns, and nothing tells.

A mask is of the frame that it is used on; what another frame knows is in its episodes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hsframe.analysis.frame_samples import FrameSamples, after_the_first
from hsframe.analysis.read_warnings import warn_of_read, warn_of_start, warn_of_taken_out, warn_of_unknown
from hsframe.arrays import Bools
from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.per_point import per_point
from hsframe.frame.points import points_of, points_read
from hsframe.frame.read_rows import are_in, is_of_unknown_read, rows_of, without
from hsframe.frame.stamps import interval_of
from hsframe.intervals.conditions import conditions_of, parse_condition, truth_of, windows_of
from hsframe.intervals.rules import PointSampling, Rule, rule_of_time
from hsframe.intervals.truth import Truth
from hsframe.kinds import Ref
from hsframe.protocol.answers import named


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
        return _truth_of_mask(samples, samples.given.iloc[:, place].rename(None))
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
    if not _is_of(samples, mask):
        return _truth_of_own_rows(samples, mask)
    mask = mask.set_axis(samples.given.index)  # the same instants, shown in its zone
    cells, is_true = mask.astype("boolean"), _is_true(mask)
    idents: Collection[str] = samples.ids
    rules = [rule_of_time(samples.sampling(place)) for place in samples.places if samples.is_known(place)]
    if (made_of := _made_of(samples, mask)) is not None:
        of, place = made_of
        warn_of_start(of, place)
        warn_of_read(of, [place])
        warn_of_unknown(of, {place: []})
        idents, has_value, holes = of.idents[place], of.has_value(place), of.holes(place)
        if of is not samples:
            has_value, holes = of.was_read(place)
            rules = [rule_of_time(of.sampling_of_mask(idents))]
        elif of.is_known(place):
            rules = [rule_of_time(of.sampling(place))]
        # Nothing tells if it is of the column alone where it says something and that has no sample. What was negated is
        # true there, also before the first one and where it is NA.
        doubtful = after_the_first(holes) | (is_true & ~has_value)
        is_filled = cells.equals(of.df.iloc[:, place].ffill()) if of is samples else _is_held(cells, has_value, holes)
        if not is_filled and not cells.isna()[doubtful].all():
            _warn_of_holes(int((holes | (is_true & ~has_value)).sum()), repr(mask.name))
        cells = cells.mask(~has_value & ~is_true)
    else:
        has_hole = _has_hole(samples, cells)
        # Of intervals, most of which have a value, those alone in which it is true, as what was negated is.
        if count := int(np.count_nonzero(has_hole & is_true if samples.interval is not None else has_hole)):
            _warn_of_holes(count)
    warn_of_read(samples, samples.places)
    rows = pd.DataFrame({"the mask": cells.array}, index=mask.index)
    rows.attrs = samples.given.attrs
    own = FrameSamples(rows[~samples.is_to_come])
    if len(samples.zones) == 1:  # whose days the rows may be, whatever zone the index is shown in
        own.points = [replace(own.points[0], tz=samples.zones[0])]
    if made_of is None:
        warn_of_start(own, 0)
    own.idents = [idents]
    if made_of is None and not samples.has_warned and len(without(own.samples_read_us(idents), own.ts_us)):
        warn_of_taken_out("the mask")
    histories, until_us = own.column(0)
    gap_us = min((rule.gap_us for rule in rules), default=rule_of_time(own.sampling_of_mask()).gap_us)
    return truth_of(histories, ("the mask", "==", True), Rule("coverage", True, gap_us), until_us)


def _truth_of_own_rows(samples: FrameSamples, mask: pd.Series[Any]) -> Truth:
    """Of a mask with rows of its own, as a schedule: each holds up to the next, the last one for the shortest step."""
    points = points_read(alone := mask.to_frame("the mask"))
    if points or is_of_unknown_read(alone) or interval_of(alone) is not None:
        of = f" of {named([repr(point.dis) for point in points])}" if points else ", as its index ts says"
        raise MetadataError(
            f"the mask has {len(mask)} rows of a read{of}, and is not of the frame, which has "
            f"{len(samples.given)}: use a mask with the frame that it was made of, and a part of it with the same part."
            " For another frame take its episodes, other.hs.episodes(mask): they are a condition for any frame"
            + ("" if points else ". For rows of your own, as a schedule, take mask.rename_axis(None)")
        )
    own = FrameSamples(mask.astype("boolean").to_frame("the mask"))
    histories, _ = own.column(0)
    shortest_us = int(np.diff(own.ts_us).min()) if len(own.ts_us) > 1 else 0
    until_us = int(own.ts_us[-1]) + shortest_us if len(own.ts_us) else 0
    return truth_of(histories, ("the mask", "==", True), rule_of_time(PointSampling(is_step=True)), until_us)


def _is_true(mask: pd.Series[Any]) -> Bools:
    found: Bools = mask.fillna(False).to_numpy(dtype=bool)
    return found


def _is_held(cells: pd.Series[Any], has_value: Bools, holes: Bools) -> bool:
    """Whether a mask is that of a filled column: as in the row before wherever that has no value, and true in some."""
    held = cells.where(has_value).ffill()
    return bool((_is_true(cells) & after_the_first(holes)).any()) and cells[held.notna()].equals(held[held.notna()])


def _is_of(samples: FrameSamples, mask: pd.Series[Any]) -> bool:
    """Whether a mask has the rows of the frame, and is not of another read, as far as it tells."""
    if not _is_same(mask.index, samples.given.index):
        return False
    alone = mask.to_frame("the mask")
    ids, own_ids = ({point.id for point in points_read(df)} for df in (alone, samples.given))
    rows, own_rows = rows_of(alone), rows_of(samples.given)
    return not ids or (ids == own_ids and (rows is own_rows or (rows is not None and rows.equals(own_rows))))


def _is_same(index: pd.Index, other: pd.Index) -> bool:
    """Whether two indexes are equal, or of the same instants in two zones."""
    if isinstance(index, pd.DatetimeIndex) and isinstance(other, pd.DatetimeIndex) and index.tz and other.tz:
        other = other.tz_convert(index.tz)
    return index.equals(other)


def _made_of(samples: FrameSamples, mask: pd.Series[Any]) -> tuple[FrameSamples, int] | None:
    """The column that a mask was made of, by its name: of the frame, or of the read if the frame has not kept it."""
    called = [place for place, label in enumerate(samples.df.columns) if label == mask.name]
    if len(called) == 1:
        return None if samples.is_mask(called[0]) else (samples, called[0])
    if mask.name is None or not points_of(alone := mask.to_frame()):
        return None
    if samples.interval is not None:
        warn_caller(
            f"the frame has no column {mask.name!r}, so it does not know in which intervals that has no value, where "
            "the mask tells nothing: keep the column in the frame",
            ReadWarning,
        )
        return None
    return FrameSamples(alone), 0


def _has_hole(samples: FrameSamples, cells: pd.Series[Any]) -> Bools:
    """The rows of a mask in which some column of the frame has no value, or in which the mask is missing otherwise.

    There a mask of that column tells nothing, and which columns it was made of, nothing tells. Where the frame has no
    column of a point, all points count that were read.
    """
    found = np.zeros(len(cells), dtype=bool)
    if samples.rows is None and samples.interval is None:
        return found
    for place in samples.places:
        found |= ~(samples.has_value(place) | samples.is_to_come)
    if samples.rows is not None:
        found |= cells.isna().to_numpy()
        for ident in frozenset[str]() if any(samples.idents) else samples.ids_read:
            found |= ~are_in(samples.ts_us, samples.samples_read_us([ident]))
    return found


def warn_of_masks(samples: FrameSamples, places: Sequence[int]) -> None:
    """Warn of columns that are masks, and tell nothing in some rows."""
    for place in filter(samples.is_mask, places):
        if count := int(_has_hole(samples, samples.given.iloc[:, place]).sum()):
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
