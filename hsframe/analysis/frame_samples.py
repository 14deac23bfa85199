"""The columns of a frame as the samples that they are, and from when to when they are known by the read of the frame.

A missing value is NA where a column of ``na="flag"`` says so, or the note that the read has left. In a row without any
value one was cleared, by the user, unless the note says that none is lacking: it is not known either. Elsewhere a
missing value is no sample. Of a column that was not read, that was renamed or computed since, or in whose place another
quantity stands, nothing is noted: all its missing values are NA, and its numbers are on a line. A value that holds does
so to the end of the span that was read, in a part of a read to its last row, and else to the last sample of its column.
Between spans that :func:`hsframe.concat` put together nothing is known. ``pd.concat`` keeps the note of its first frame
alone: the rows of the others are in none of the spans, and of them nothing is known but that they are there. Rows of
intervals (``df.hs.interval``) hold for theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.durations import HOUR_US
from hsframe.errors import MetadataError, ReadWarning, ZoneError
from hsframe.frame.convert import history_of
from hsframe.frame.flags import FLAG_DTYPE, flag_label
from hsframe.frame.histories import History, Instants
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.points import Point, noted, points_from, points_of
from hsframe.frame.reads import Read, checksum, extent, reads_of, source_of
from hsframe.frame.stamps import interval_of
from hsframe.frame.trend import TIMES_OF_TEXT, is_of_text
from hsframe.intervals.meters import false_readings, reading_deltas
from hsframe.intervals.regular import edges_around
from hsframe.intervals.resample import register_in
from hsframe.intervals.rules import IntervalSettings, PointSampling, Rule, rule_of_time, rules_of
from hsframe.intervals.samples import Floats, IntervalSamples, Mask
from hsframe.kinds import NA
from hsframe.protocol.answers import named
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units import convertible
from hsframe.zones import haystack_name, zone

NOTHING_READ: Final = Read()
LAST_US: Final = np.iinfo(np.int64).max


class FrameSamples:
    """A frame whose index has been checked, in one unit a column.

    A MetadataError or ZoneError where its index is not of zone-aware times in order, each once, or of the ends of
    intervals.
    """

    def __init__(self, df: pd.DataFrame) -> None:
        self.given = df
        interval = interval_of(df)
        if interval and interval.label == "both" and df.index.nlevels == 2:
            df = df.droplevel(1)
        elif interval and interval.label == "end":
            raise MetadataError("the rows are named by the ends of their intervals; read them with label='start'")
        index = df.index
        if not isinstance(index, pd.DatetimeIndex):
            if index.nlevels > 1:
                raise MetadataError(f"the index has the levels {', '.join(map(str, index.names))}: {one_of(index)}")
            advice = TIMES_OF_TEXT if is_of_text(index) else "df.set_index('ts')"
            raise MetadataError(f"the index must be of times, and is of {index.dtype}: {advice}")
        if index.tz is None:
            raise ZoneError("the times are naive, so no day of them is known; say their zone with df.tz_localize(...)")
        if not index.is_monotonic_increasing or not index.is_unique:
            raise MetadataError(
                "the index must be of times in order, each once: df.sort_index(), df.groupby(level=0).first()"
            )
        self.df, self.tz, self.interval = in_one_unit(df), index.tz, interval if len(index) else None
        self.ts_us: Instants = index.as_unit("us").asi8
        self.reads, own_tz = reads_of(df), haystack_name(index.tz)
        units: dict[Any, str | None] = dict(zip(self.df.columns, map(unit_of_dtype, self.df.dtypes), strict=True))
        catalog = points_of(df)
        self.catalog = {label: own for label, own in catalog.items() if _may_be_in(own.unit, units.get(label))}
        # The point of each column by the catalog, or one of its own: without an id where another quantity stands in its
        # place, which is not what was read by that id. Two columns may be of one point, so `points`, by which they are
        # computed, has the labels as ids.
        self.known = [
            replace(point, unit=unit_of_dtype(dtype), kind=_kind_of(dtype), tz=point.tz or own_tz)
            for label, dtype in zip(self.df.columns, self.df.dtypes, strict=True)
            for point in [self.catalog.get(label) or Point("" if label in catalog else str(label), str(label))]
        ]
        self.points = [replace(own, id=str(one), dis=str(one)) for own, one in zip(self.known, df.columns, strict=True)]

    @cached_property
    def left(self) -> set[str]:
        """The ids of the points that are columns; that of a mask has those of its frame."""
        return {point.id for point in self.known}

    @property
    def places(self) -> list[int]:
        """The places of the columns of points; those of ``na="flag"`` say why values are missing."""
        return [place for place, dtype in enumerate(self.df.dtypes) if dtype != FLAG_DTYPE]

    @property
    def zones(self) -> list[str]:
        """The zones of the columns, each once."""
        return list(dict.fromkeys(point.tz or "UTC" for point in self.points))

    @property
    def end_us(self) -> int:
        """The last row, or the end of its interval."""
        return int(self.ts_us[-1]) if self.interval is None else max(int(self._rows_of(tz)[1][-1]) for tz in self.zones)

    @cached_property
    def read_us(self) -> int:
        """The instant of the read, after which only forecasts have values; where it is not known, the end of time."""
        source = source_of(self.given)
        return LAST_US if source is None else pd.Timestamp(source["at"]).value // 1000

    @property
    def is_to_come(self) -> Mask:
        """The rows of intervals that begin after the read, in which no column has a value."""
        return self._is_empty & (self.interval is not None) & (self.ts_us >= self.read_us)

    def sampling(self, place: int) -> PointSampling:
        """How a column is sampled: by its record, but rows of intervals hold, and those of pandas are as far apart."""
        point, index = self.points[place], self.df.index
        if self.interval is not None:
            return PointSampling(is_step=True)
        sampling = PointSampling.from_record(point.his_tags())
        has_usual = sampling.interval_us is not None or not sampling.is_step  # else a value holds for as long as it may
        if has_usual and getattr(index, "freq", None) is not None and len(index) > 1:
            usual_us = int(np.median(np.diff(self.ts_us)))
            if usual_us > (sampling.interval_us or HOUR_US):
                return replace(sampling, interval_us=usual_us)
        return sampling

    def _rows_of(self, tz: str) -> tuple[Mask, Instants]:
        """Which rows are the starts of intervals of a zone, beside which there may be others, and the end of each."""
        assert self.interval is not None
        edges_us = edges_around(self.interval, int(self.ts_us[0]), int(self.ts_us[-1]), zone(tz))
        return np.isin(self.ts_us, edges_us), edges_us[np.searchsorted(edges_us, self.ts_us, side="right")]

    def is_known(self, place: int) -> bool:
        """Whether a column is a point that the catalog of the frame has."""
        return self.df.columns[place] in self.catalog

    def holes(self, place: int) -> Mask:
        """The rows in which a column has no sample."""
        is_missing: Mask = self.df.iloc[:, place].isna().to_numpy(dtype=bool)
        return is_missing & ~self._na_rows(place)[0]

    @cached_property
    def _is_added(self) -> Mask:
        """The rows with values that are in no span that was read; none where it is not known what was."""
        spans = tuple(span for read in self.reads.values() for span in read.spans)
        if self.interval is not None or not all(read.spans for read in self.reads.values()) or not spans:
            return np.zeros(len(self.ts_us), dtype=bool)
        is_outside: Mask = ~Read(spans=spans).has(self.ts_us)
        if is_outside.any():  # a row of boundary= without a value is in none either
            is_outside &= self.df.iloc[:, self.places].notna().any(axis=1).to_numpy()
        return is_outside

    def _na_rows(self, place: int) -> tuple[Mask, bool]:
        """The rows in which a column has NA or NaN, or had a value that was cleared, and whether these are all.

        In a wide frame a value is missing too where other points have samples. Which ones are NA is said by a column of
        flags, or by the checksum that the read has noted. Of what was not read all are.
        """
        label, read = self.df.columns[place], self.reads.get(self.known[place].id)
        is_missing: Mask = self.df.iloc[:, place].isna().to_numpy(dtype=bool)
        none = np.zeros_like(is_missing)
        if self.interval is not None:
            return is_missing & self._rows_of(self.points[place].tz or "UTC")[0], True
        is_cleared = None if read is None else self._is_cleared(read, place, is_missing)
        empty = none if is_cleared is False or not self._is_of_all else is_missing & self._is_empty
        is_alone = len(self.reads) == 1
        if isinstance(label, str | tuple) and (flag := flag_label(label)) in self.df.columns:
            flagged = self.df[flag].isin(["NA", "NaN"]).to_numpy()
            is_told = is_alone or not is_cleared or read is None or checksum(self.ts_us[flagged]) != read.missing
            return flagged | (empty & self.df[flag].isna().to_numpy()), is_told
        if read is None or read.missing is None:
            return is_missing, True
        if is_alone:
            return is_missing if read.missing else empty, True
        has_no_na = all(one.missing == 0 for one in self.reads.values())  # so each empty row has lost a value
        if is_cleared is not True:
            if has_no_na and empty.any():
                return empty, not is_missing[self._is_added].any()
            for rows in (none, is_missing, is_missing & self._is_empty):
                if checksum(self.ts_us[rows]) == read.missing:
                    return rows, not is_missing[self._is_added].any()
        return empty if has_no_na else none, not is_missing.any()

    def _is_cleared(self, read: Read, place: int, is_missing: Mask) -> bool | None:
        """Whether some of the values of a column are no longer there, though their rows are; None where nothing tells.

        A frame that has lost the first or the last of them with their rows is a part of the read. In one that has lost
        others with theirs this tells a point with a value at each of its steps alone.
        """
        ends_us = [us for *_, firsts_us, lasts_us in read.spans for us in (*firsts_us, *lasts_us) if us is not None]
        before, until = (np.searchsorted(self.ts_us, ends_us, side) for side in ("left", "right"))
        if read.rows is None or not (before < until).all():
            return None
        is_less, step_us = np.count_nonzero(~is_missing & ~self._is_added) < read.rows, self.sampling(place).interval_us
        if is_less and step_us and max(ends_us) - min(ends_us) == step_us * (read.rows - 1):
            is_step = (self.ts_us - min(ends_us)) % step_us == 0
            if is_step[~is_missing].all():
                within = (self.ts_us >= min(ends_us)) & (self.ts_us <= max(ends_us))
                return bool((is_missing & is_step & within).any())
        return bool(is_less)

    @property
    def _is_of_all(self) -> bool:
        """Whether all points that were read are still columns."""
        return self.reads.keys() <= self.left

    @cached_property
    def _is_empty(self) -> Mask:
        """The rows in which no column has a value, nor a flag that says why it has none."""
        empty: Mask = self.df.isna().all(axis=1).to_numpy()
        return empty

    def column(self, place: int, *, read: Read | None = None) -> tuple[list[History], int]:
        """The samples of a column, and up to when the last one holds."""
        column, point = self.df.iloc[:, place], self.points[place]
        is_na, _ = self._na_rows(place)
        ts_us, unknown_us, until_us = self._known(place, is_na, read)
        histories = [History(point, unknown_us, (NA,) * len(unknown_us))] if len(unknown_us) else []
        return [*histories, History(point, ts_us, history_of(column[column.notna()], point.dis))], until_us

    def warn_of_missing(self, places: Sequence[int]) -> None:
        """Warn where nothing tells which of the missing values of some columns are no samples, or all count as NA."""
        if joined := [repr(self.points[place].dis) for place in places if self.seems_joined(place)]:
            warn_caller(
                f"values of {named(joined)} are missing in rows of other columns, and count as NA, since "
                "the frame does not know what was read, as after df.join or pd.concat(..., axis=1) of several reads; "
                "read the points in one his_read, or take values over the same intervals before you join, with "
                "interval= in the reads or df.hs.resample",
                ReadWarning,
            )
        if added := [repr(self.points[place].dis) for place in places if self._is_doubtful_where_added(place)]:
            rows = self.df.index[self._is_added]
            warn_caller(
                f"the read of {len(rows)} rows, from {rows[0].isoformat(timespec='minutes')} on, is not known, as "
                f"after pd.concat of several reads: {named(added)} may lack samples between the reads, or have NA; put "
                "reads together with hsframe.concat, which keeps what is known of each",
                ReadWarning,
            )
        elif untold := [repr(self.points[place].dis) for place in places if not self._na_rows(place)[1]]:
            warn_caller(
                "a wide frame does not tell which missing values are NA or were cleared, where other points have "
                f"samples then: those of {named(untold)} may be, and count as no samples here; read with "
                "na='flag', and set the flags of what you clear to 'NA'",
                ReadWarning,
            )

    def _is_doubtful_where_added(self, place: int) -> bool:
        """Whether it matters that the read of some rows is not known: a value may hold there, or one be NA."""
        return bool(self._is_added.any()) and (self.sampling(place).is_step or not self._na_rows(place)[1])

    def seems_joined(self, place: int) -> bool:
        """Whether a column of a frame that was not read lacks values in rows of others that are not of its own steps.

        So it is too where it lacks most. What it lacks at one of its steps, in UTC or by the clock, is NA.
        """
        if self.reads or self.interval is not None:
            return False
        is_there = self.df.iloc[:, place].notna().to_numpy(dtype=bool)
        holes = after_the_first(~is_there) & ~self._is_empty
        if not holes.any():
            return False
        between = holes & after_the_first(~is_there[::-1])[::-1]
        clock_us = pd.DatetimeIndex(self.df.index).tz_localize(None).as_unit("us").asi8
        return bool(between.sum() > is_there.sum()) or all(
            _are_beside(us[holes], us[is_there]) for us in (self.ts_us, clock_us)
        )

    def warn_of_unknown(self, rules: Mapping[int, Sequence[Rule]]) -> None:
        """Warn of columns whose point is not known, where what their rules have to assume of it may be wrong."""
        if unknown := [repr(self.points[one].dis) for one, own in rules.items() if self._is_doubtful(one, own)]:
            warn_caller(
                f"the frame does not know the point of {named(unknown)}, as after rename or where it was "
                "computed: its numbers count as on a line between samples at most three hours apart, and all its "
                "missing values as NA. Take values over intervals before you rename and compute (df.hs.resample, or "
                "interval= in the read); name columns in the read, with header=; or, where its missing values are no "
                f"samples, take df[[{unknown[0]}]].dropna()",
                ReadWarning,
            )

    def _is_doubtful(self, place: int, rules: Sequence[Rule]) -> bool:
        """Whether a column that was renamed or computed may have other values, by the points that were read."""
        points = points_from(entries := noted(self.given, "points") or {}, entries).values()
        if not points or self.interval is not None or self.is_known(place):
            return False
        by_time = [rule for rule in rules if replace(rule, is_step=True).bridges]
        column, usual = self.df.iloc[:, place], rule_of_time(self.sampling(place))
        is_there = column.notna().to_numpy(dtype=bool)
        if after_the_first(~is_there).any():
            return bool(by_time) or not rules
        if column.dtype.kind not in "iuf":
            return False
        steps_us, numbers = np.diff(self.ts_us[is_there]), [one for one in points if one.kind in (None, "Number")]
        return any(
            other.is_step
            or (rule.gap_us == usual.gap_us and ((steps_us > rule.gap_us) != (steps_us > other.gap_us)).any())
            for other in (rule_of_time(PointSampling.from_record(one.his_tags())) for one in numbers)
            for rule in by_time
            if rule.agg != "linear"
        )

    def warn_of_start(self, place: int) -> None:
        """Warn where a column holds and lacks the sample that tells what it is at the start of the span, or of a part.

        So it is in a read without ``boundary=``, and may be in a part of any read.
        """
        read, sampling = self.reads.get(self.known[place].id, NOTHING_READ), self.sampling(place)
        if self.interval is not None or not read.spans or not sampling.is_step:
            return
        is_there = self.df.iloc[:, place].notna().to_numpy(dtype=bool)
        parts = [(part, own_us, self.ts_us[part.has(self.ts_us)]) for part, own_us in read.parts(self.ts_us[is_there])]
        part, ts_us, rows_us = next((one for one in parts if len(one[2])), parts[0])
        if self._is_added[:1].any():
            part, ts_us, rows_us = NOTHING_READ, self.ts_us[is_there], self.ts_us
        boundary = (noted(self.given, "settings") or {}).get("boundary", "none")
        start_us, start = part.known_from(ts_us)[0], "span"
        advice = "read with boundary='before', for the sample that holds there"
        if start_us is None and len(rows_us):
            start_us, start = int(rows_us[0]), "rows"
            advice = "find episodes before you take rows out, or fill before that, as in df.ffill().loc[...]"
        elif boundary != "none":
            return
        if start_us is not None and (not len(ts_us) or ts_us[0] - start_us > (sampling.interval_us or 0)):
            until = "its first sample" if len(ts_us) else "the end, since it has no sample there"
            warn_caller(
                f"what {self.points[place].dis!r} is at the start of the {start} is not known, up to {until}: no "
                "episode is found there, and where= counts that time as not known, or of these episodes as false; "
                + advice,
                ReadWarning,
            )

    def drawn(self, place: int, codes: Floats | None = None) -> tuple[Instants, Floats, bool]:
        """The line of a column: its instants and values, NaN where it is broken, and whether each value holds.

        It is broken where nothing is known, and over a gap. `codes` are what is drawn in place of its values. A meter's
        line is what it has counted since its first reading.
        """
        ts_us, unknown_us, until_us = self._known(place, self._na_rows(place)[0])
        given = self.df.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan) if codes is None else codes
        values = given[~np.isnan(given)]
        rule = rule_of_time(self.sampling(place))
        if codes is None and self.is_meter(place):
            ts_us, values = self._growth(place, ts_us, values)
        if rule.is_step:
            every_us = np.sort(np.append(ts_us, unknown_us))
            held_us = IntervalSamples(every_us, every_us[:0]).held_until(rule.gap_us, until_us)
            is_cut = np.append(held_us[:-1] < every_us[1:], held_us[-1:] > every_us[-1:])
            unknown_us = np.append(unknown_us, held_us[is_cut])
        elif len(ts_us) > 1:
            apart_us = np.diff(ts_us)
            unknown_us = np.append(unknown_us, ts_us[:-1][apart_us > max(rule.gap_us, 3 * np.median(apart_us))] + 1)
        ts_us, values = np.append(ts_us, unknown_us), np.append(values, np.full(len(unknown_us), np.nan))
        order = np.argsort(ts_us, kind="stable")
        return ts_us[order], values[order], rule.is_step

    def is_meter(self, place: int) -> bool:
        """Whether a column has readings that count up."""
        return self.sampling(place).agg == "delta"

    def _growth(self, place: int, ts_us: Instants, values: Floats) -> tuple[Instants, Floats]:
        """What a meter has counted since its first reading, at its readings; false ones are left out."""
        point = self.known[place]
        (rule,) = rules_of([point], [self.sampling(place)], [point.dis], IntervalSettings("1D", "delta"))[0]
        register, kept = register_in(rule.rollover, point, point.unit), np.isfinite(values)
        ts_us, values = ts_us[kept], values[kept]
        kept = ~false_readings(ts_us, values, register, rule.spike_us)
        ts_us, values = ts_us[kept], values[kept]
        return ts_us, np.append(np.zeros(len(values[:1])), np.cumsum(reading_deltas(values, register)))

    def _known(self, place: int, is_na: Mask, read: Read | None = None) -> tuple[Instants, Instants, int]:
        """The instants of the samples of a column, those from which it is not known, and until when the last holds."""
        is_there = self.df.iloc[:, place].notna().to_numpy(dtype=bool)
        ts_us, na_us = self.ts_us[is_there], self.ts_us[is_na]
        if self.interval is not None:
            is_row, row_ends_us = self._rows_of(self.points[place].tz or "UTC")
            if len(ts_us) and ts_us[-1] < self.read_us:  # the interval of the present goes on, and nothing tells how
                row_ends_us = np.where(self.ts_us < ts_us[-1], row_ends_us, np.minimum(row_ends_us, self.read_us))
            ends_us, until_us = row_ends_us[is_row | is_there], int(row_ends_us[-1])
        else:
            ends_us, until_us = self._ends_us(ts_us, place, read)
        return ts_us, np.append(na_us, ends_us), max([until_us, *na_us[-1:].tolist()])

    def _ends_us(self, ts_us: Instants, place: int, given: Read | None) -> tuple[Instants, int]:
        """After which instants nothing is known until the next sample; and the last of them."""
        if not len(ts_us):
            return ts_us, int(self.ts_us.max(initial=0))
        read = given or self.reads.get(self.known[place].id, NOTHING_READ)
        nexts_us = [*(extent(span)[0] for span in read.spans[1:]), LAST_US]
        parts = [(*one, next_us) for one, next_us in zip(read.parts(ts_us), nexts_us, strict=True) if len(one[1])]
        lasts_us = np.array([own_us[-1] for _, own_us, _ in parts])
        ends_us = np.maximum([self._end_us(*one, is_whole=given is not None) for one in parts], lasts_us)
        return np.maximum(ends_us, lasts_us + 1)[:-1], int(ends_us[-1])

    def _end_us(self, part: Read, ts_us: Instants, next_us: int, *, is_whole: bool) -> int:
        """Up to when a column is known in one span, before the next one.

        Where rows at its end are left out, or others were added, that is the last that is there. It is not known, and 0
        here, where rows after its last sample are there and that is not.
        """
        if not part.spans:
            return 0
        row_us, end_us = _last_before(self.ts_us, next_us), part.known_from(ts_us)[1]
        last_us = max((us or 0 for us in part.spans[0][3]), default=0)
        if ts_us[-1] < last_us:
            return row_us if row_us < last_us else 0
        if self._is_added[self.ts_us == row_us].any():
            return row_us
        if is_whole or end_us is None:
            return end_us or 0
        return end_us if self.has_end(row_us, next_us) else row_us

    def has_end(self, row_us: int, next_us: int) -> bool:
        """Whether a row is the last of a span, before the next one, and none after it was left out.

        It is the last of all that was read, or, without the rows of columns that are left out, of what is left.
        """
        last_of_all_us, last_of_left_us = (_last_before(us, next_us) for us in self._lasts_us)
        return row_us >= last_of_all_us or row_us == last_of_left_us

    @cached_property
    def _lasts_us(self) -> tuple[Instants, Instants]:
        """The last samples in the spans of all that was read, and of what is still a column."""
        lasts = [
            (us, ident in self.left) for ident, read in self.reads.items() for span in read.spans for us in span[3]
        ]
        of_all, of_left = (
            np.sort(np.array([us for us, is_left in lasts if us is not None and (is_left or every)], np.int64))
            for every in (True, False)
        )
        return of_all, of_left


def _are_beside(us: Instants, others_us: Instants) -> bool:
    """Whether some instants are no whole number of the shortest step between others away from them."""
    steps_us = np.diff(others_us)
    step_us = steps_us[steps_us > 0].min(initial=LAST_US)  # a clock that goes back an hour has a step of less than 0
    return bool(((us - others_us[0]) % step_us != 0).any())


def _last_before(ts_us: Instants, limit_us: int) -> int:
    return int(ts_us[: np.searchsorted(ts_us, limit_us)][-1:].max(initial=0))


def after_the_first(holes: Mask) -> Mask:
    """The rows without a sample that are after the first one; none where there is none."""
    return holes & np.logical_or.accumulate(~holes)


def one_of(index: pd.Index) -> str:
    """How to take the rows of one of those that are the first level of an index, for a message."""
    name, first = index.names[0] or "of them", index.get_level_values(0)[0] if len(index) else ""
    return f"take one {name}, as in df.loc[{getattr(first, 'item', lambda: first)()!r}]"


def _may_be_in(unit: str | None, other: str | None) -> bool:
    return unit is None or other is None or convertible(unit, other)


def _kind_of(dtype: Any) -> str:
    return "Bool" if dtype.kind == "b" else "Number" if dtype.kind in "iuf" else "Str"
