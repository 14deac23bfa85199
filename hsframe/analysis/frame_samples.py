"""The columns of a frame as the samples that they are, and from when to when they are known by the read of the frame.

A missing value is no sample, since a frame does not tell it from NA. A value that holds does so to the end of the span
that was read, or else to the last sample of its column. Between spans that :func:`hsframe.concat` put together nothing
is known. Rows of intervals (``df.hs.interval``) hold for theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.durations import HOUR_US
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.convert import history_of
from hsframe.frame.flags import FLAG_DTYPE, flag_label
from hsframe.frame.histories import History, Instants
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.per_point import per_point
from hsframe.frame.points import Point, points_of
from hsframe.frame.reads import Read, reads_of
from hsframe.frame.stamps import interval_of
from hsframe.frame.trend import TIMES_OF_TEXT, is_of_text
from hsframe.intervals.conditions import parse_condition, truth_of, windows_of
from hsframe.intervals.regular import edges_around
from hsframe.intervals.rules import PointSampling, Rule, rule_of_time
from hsframe.intervals.samples import Mask
from hsframe.intervals.truth import Truth
from hsframe.kinds import NA, Ref
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.zones import haystack_name, zone

_NOTHING: Final = Read()


class FrameSamples:
    """A frame whose index has been checked, in one unit a column.

    A MetadataError or ZoneError where its index is not of zone-aware times in order, each once, or of the ends of
    intervals.
    """

    def __init__(self, df: pd.DataFrame) -> None:
        self._given = df
        interval = interval_of(df)
        if interval and interval.label == "both" and df.index.nlevels == 2:
            df = df.droplevel(1)
        elif interval and interval.label == "end":
            raise MetadataError("the rows are named by the ends of their intervals; read them with label='start'")
        index = df.index
        if not isinstance(index, pd.DatetimeIndex):
            advice = TIMES_OF_TEXT if is_of_text(index) else "df.set_index('ts'), or df.loc['Site']"
            raise MetadataError(f"the index must be of times, and is of {index.dtype}: {advice}")
        if index.tz is None:
            raise ZoneError("the times are naive, so no day of them is known; say their zone with df.tz_localize(...)")
        if not index.is_monotonic_increasing or not index.is_unique:
            raise MetadataError(
                "the index must be of times in order, each once: df.sort_index(), df.groupby(level=0).first()"
            )
        self.df, self.tz, self.interval = in_one_unit(df), index.tz, interval
        self.ts_us: Instants = index.as_unit("us").asi8
        self._reads, own_tz = reads_of(df), haystack_name(index.tz)
        catalog = points_of(df)
        # The point of each column by the catalog, or one of its own. Two columns may be of one point, so `points`, by
        # which they are computed, has the labels as ids.
        self.known = [
            replace(point, unit=unit_of_dtype(dtype), kind=_kind_of(dtype), tz=point.tz or own_tz)
            for label, dtype in zip(self.df.columns, self.df.dtypes, strict=True)
            for point in [catalog.get(label) or Point(str(label), str(label))]
        ]
        self.points = [replace(own, id=str(one), dis=str(one)) for own, one in zip(self.known, df.columns, strict=True)]

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

    def truth(self, condition: Any) -> Truth:
        """When a condition holds: a mask, one on a column, or the windows of a frame of episodes.

        What is missing is not known, unless the read of the frame says that its point has no NA.
        """
        if isinstance(condition, pd.DataFrame):
            return Truth.of_windows(windows_of(condition))
        if not len(self.ts_us):
            return Truth(self.ts_us, np.empty(0, np.int8))
        if isinstance(condition, pd.Series):
            return self._truth_of_mask(condition)
        name = parse_condition(condition)[0]
        name = f"@{name.val}" if isinstance(name, Ref) else name
        place = self._place_of(name)
        histories, until_us = self.column(place, na=True)
        truth = truth_of(histories, condition, rule_of_time(self.sampling(place)), until_us)
        return truth.clip(min(int(one.ts_us[0]) for one in histories if len(one.ts_us)), until_us)

    def _place_of(self, name: str) -> int:
        found = per_point({name: True}, self.known, [str(label) for label in self.df.columns], "condition")
        places = [place for place, named in enumerate(found) if named]
        if len(places) > 1:
            raise MetadataError(f"{name!r} names {len(places)} columns; name one by its label or id")
        return places[0]

    def _truth_of_mask(self, mask: pd.Series[Any]) -> Truth:
        if mask.dtype.kind != "b":
            raise MetadataError(f"a mask must be bool or boolean, and is {mask.dtype}; take mask.astype('boolean')")
        rows = pd.DataFrame({"condition": mask.array}, index=mask.index)
        rows.attrs = self._given.attrs if mask.index.equals(self._given.index) else mask.attrs
        own = FrameSamples(rows)
        if len(self.zones) == 1:  # whose days the rows may be, whatever zone the index is shown in
            own.points = [replace(own.points[0], tz=self.zones[0])]
        # A row holds to the end of the span that was read, which any of the columns may tell.
        reads = [one for one in self._reads.values() if one.spans and own.ts_us[-1] in one.spans[-1][3]]
        read = replace(reads[0], missing=None) if reads else _NOTHING
        histories, until_us = own.column(0, na=True, read=read)
        known = points_of(self.df)
        rules = [rule_of_time(self.sampling(n)) for n, label in enumerate(self.df.columns) if label in known]
        gap_us = min((rule.gap_us for rule in rules), default=rule_of_time(own.sampling(0)).gap_us)
        until_us = max(until_us, self.end_us)
        truth = truth_of(histories, ("condition", "==", True), Rule("coverage", True, gap_us), until_us)
        return truth.clip(int(own.ts_us[0]), until_us)

    def column(self, place: int, *, na: bool = False, read: Read | None = None) -> tuple[list[History], int]:
        """The samples of a column, and up to when the last one holds; with `na` a missing value may be that of one."""
        column, point = self.df.iloc[:, place], self.points[place]
        read = read or self._reads.get(self.known[place].id, _NOTHING)
        is_there = column.notna().to_numpy(dtype=bool)
        ts_us, is_na = self.ts_us[is_there], np.zeros(len(is_there), dtype=bool)
        if self.interval is not None:
            is_row, row_ends_us = self._rows_of(point.tz or "UTC")
            is_na, ends_us, until_us = ~is_there & is_row, row_ends_us[is_row | is_there], int(row_ends_us[-1])
        else:
            ends_us, until_us = self._ends_us(ts_us, read)
            if na and read.missing != 0:
                flag = flag_label(self.df.columns[place])
                is_na = self.df[flag].isin(["NA", "NaN"]).to_numpy() if flag in self.df.columns else ~is_there
        unknown_us = np.append(self.ts_us[is_na], ends_us)
        until_us = max([until_us, *self.ts_us[is_na][-1:].tolist()])
        histories = [History(point, unknown_us, (NA,) * len(unknown_us))] if len(unknown_us) else []
        return [*histories, History(point, ts_us, history_of(column[is_there], point.dis))], until_us

    def _ends_us(self, ts_us: Instants, read: Read) -> tuple[Instants, int]:
        """After which instants nothing is known until the next sample; and the last of them."""
        if not len(ts_us):
            return ts_us, int(self.ts_us[-1])
        parts = [(part.known_from(own_us)[1] or 0, own_us) for part, own_us in read.parts(ts_us) if len(own_us)]
        lasts_us = np.array([own_us[-1] for _, own_us in parts])
        ends_us = np.maximum([end_us for end_us, _ in parts], lasts_us)
        return np.maximum(ends_us, lasts_us + 1)[:-1], int(ends_us[-1])


def _kind_of(dtype: Any) -> str:
    return "Bool" if dtype.kind == "b" else "Number" if dtype.kind in "iuf" else "Str"
