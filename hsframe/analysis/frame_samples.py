"""The columns of a frame as samples, and from when to when they are known, by what was read into the frame.

A frame remembers its read (``hsframe.frame.read_rows``). Where a point had a value or NA in the read, and the frame
has no value now, since pandas has taken out the row or cleared the cell, the point is not known until its next sample.
Any other missing value is no sample. Values that were filled in or computed are samples. A value that holds does so to
the end of the span that was read, or to the last row where rows after it were cut off. Between spans that
:func:`hsframe.concat` put together nothing is known.

In a frame that does not know its read (it warns), and in one that was not read, all missing values are NA, and the last
value tells of its own instant alone. In a column that was renamed or computed since, or that is now of another
quantity, they are NA too, and what holds does so to the end of the read. Rows of the read that are gone count as NA in
a renamed or computed column too, and it warns; they do not where the column is alone and seems to be made of one point,
which had no sample in them (``FrameSamples.taken_out``). ``pd.concat`` keeps what its first frame remembers; that the
rows of the others are of another read is seen, and it warns. Rows of intervals (``df.hs.interval``) hold for theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.arrays import Bools, Instants
from hsframe.durations import HOUR_US
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.convert import history_of
from hsframe.frame.flags import FLAG_DTYPE, rows_of_na
from hsframe.frame.histories import History
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.points import Point, points_of, points_read
from hsframe.frame.read_rows import are_in, is_of_unknown_read, rows_of, without
from hsframe.frame.reads import Read, read_at_us, reads_of
from hsframe.frame.stamps import interval_of
from hsframe.frame.trend import TIMES_OF_TEXT, check_times, is_of_text
from hsframe.intervals.regular import edges_around
from hsframe.intervals.rules import PointSampling
from hsframe.kinds import NA, Number
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units import convertible
from hsframe.zones import haystack_name, zone

_LAST_US: Final = np.iinfo(np.int64).max


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
        check_times(index)
        if not index.is_monotonic_increasing or not index.is_unique:
            raise MetadataError(
                "the index must be of times in order, each once: df.sort_index(), df.groupby(level=0).first()"
            )
        self.df, self.interval = in_one_unit(df), interval if len(index) else None
        self.tz, self.freq = index.tz, index.freq
        self.ts_us: Instants = index.as_unit("us").asi8
        self.reads, own_tz = reads_of(df), haystack_name(index.tz)
        units: dict[Any, str | None] = dict(zip(self.df.columns, map(unit_of_dtype, self.df.dtypes), strict=True))
        catalog, places = points_of(df), {label: place for place, label in reversed([*enumerate(self.df.columns)])}
        self.rows = None if self.interval is not None or self._is_made_anew else rows_of(df)
        # The columns with the values of another point than the one that was read under their label.
        self.of_another = [
            label for label, own in catalog.items() if label in places and self._is_of_another(places[label], own.id)
        ]
        self.catalog = {
            label: own
            for label, own in catalog.items()
            if _may_be_in(own.unit, units.get(label)) and label not in self.of_another
        }
        # The point of each column by the catalog, or one of its own: without an id where another quantity stands in its
        # place, which is not what was read by that id. Two columns may be of one point, so `points`, by which they are
        # computed, has the labels as ids.
        self.known = [
            replace(point, unit=unit_of_dtype(dtype), kind=_kind_of(dtype), tz=point.tz or own_tz)
            for label, dtype in zip(self.df.columns, self.df.dtypes, strict=True)
            for point in [self.catalog.get(label) or Point("" if label in catalog else str(label), str(label))]
        ]
        self.points = [replace(own, id=str(one), dis=str(one)) for own, one in zip(self.known, df.columns, strict=True)]
        self.is_of_unknown_read, self.has_warned = is_of_unknown_read(df) or self._is_made_anew, False
        self.ids_read = frozenset(self.rows.samples if self.rows is not None else ())
        # The ids of the points by whose samples each column is known: of a mask those of the columns it was made of.
        self.idents: list[Collection[str]] = [
            (point.id,) if label in self.catalog and point.id in self.ids_read else ()
            for label, point in zip(self.df.columns, self.known, strict=True)
        ]

    def samples_read_us(self, idents: Iterable[str]) -> Instants:
        """The instants from the first row to the last at which the read had a value of one of some points."""
        if self.rows is None or not len(self.ts_us):
            return self.ts_us[:0]
        own_us = self.rows.ts_us[self.rows.has(idents, values_only=True)]
        found: Instants = own_us[(own_us >= self.ts_us[0]) & (own_us <= self.ts_us[-1])]
        return found

    @cached_property
    def _gone_us(self) -> Instants:
        """The instants from the first row to the last at which the read had a sample, and the frame has no row."""
        return without(self.samples_read_us(self.ids_read), self.ts_us)

    def taken_out(self, place: int) -> Instants:
        """The instants from the first row to the last at which a column had a sample in the read, and has none now.

        In a renamed or computed column these are all rows that are gone. There are none if it is alone in the frame
        and seems to be made of one point: it has values at the samples of a point of its kind and nowhere else, and
        each point that had samples in the rows that are gone had none at one of these values.
        """
        if self.rows is None or not len(self.ts_us):
            return self.ts_us[:0]
        ts_us = self.ts_us[self.has_value(place)]
        if self.idents[place]:
            return without(self.samples_read_us(self.idents[place]), ts_us)
        gone_us = self._gone_us
        if not len(gone_us) or len(self.places) > 1:
            return gone_us
        kind, kinds = self.points[place].kind, {point.id: point.kind for point in points_of(self.given).values()}
        read_us = {ident: self.samples_read_us([ident]) for ident in self.ids_read}
        for ident, own_us in read_us.items():
            others = (us for other, us in read_us.items() if other != ident and are_in(gone_us, us).any())
            may_be_of_it = (kinds.get(ident) or "Number") == kind and np.array_equal(ts_us, own_us)
            if may_be_of_it and not any(are_in(ts_us, us).all() for us in others):
                return self.ts_us[:0]
        return gone_us

    def _is_of_another(self, place: int, ident: str) -> bool:
        """Whether a column has its values where its point had none, and none where that had: those of another one."""
        if not len(own_us := self.samples_read_us([ident])):
            return False
        ts_us = self.ts_us[self.has_value(place)]
        is_foreign = 2 * np.count_nonzero(are_in(ts_us, own_us)) < len(ts_us)
        return bool(is_foreign and 2 * np.count_nonzero(are_in(own_us, ts_us)) < len(own_us))

    @cached_property
    def _is_made_anew(self) -> bool:
        """Whether pandas has made regular rows, as ``resample`` does, in place of those that were read."""
        rows = rows_of(self.given)
        if rows is None or self.interval is not None or self.freq is None or not len(self.ts_us):
            return False
        within_us = rows.ts_us[(rows.ts_us >= self.ts_us[0]) & (rows.ts_us < self.ts_us[-1])]
        return not are_in(within_us, self.ts_us).all()

    @property
    def points_read(self) -> list[Point]:
        """The points that were read, whether the frame still has their columns or not."""
        return points_read(self.given)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the points by whose samples the columns are known; without such columns, of all that were read."""
        return tuple(ident for own in self.idents for ident in own) or tuple(self.ids_read)

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
        return (
            int(self.ts_us[-1])
            if self.interval is None
            else max(int(self._intervals_in(tz)[1][-1]) for tz in self.zones)
        )

    @cached_property
    def read_at_us(self) -> int:
        """The instant of the read, after which only forecasts have values; where it is not known, the end of time."""
        return read_at_us(self.given)

    @property
    def is_to_come(self) -> Bools:
        """The rows of intervals that begin after the read, in which no column has a value."""
        is_empty: Bools = self.df.isna().all(axis=1).to_numpy()
        return is_empty & (self.interval is not None) & (self.ts_us >= self.read_at_us)

    def sampling(self, place: int) -> PointSampling:
        """How a column is sampled: by its record, but rows of intervals hold, and those of pandas are as far apart."""
        if self.interval is not None:
            return PointSampling(is_step=True)
        if self.is_mask(place):
            return self.sampling_of_mask()
        point, own = self.points[place], self.catalog.get(self.df.columns[place])
        sampling = PointSampling.from_record(point.his_tags())
        if (size := sampling.rollover) is not None and own is not None and point.unit is not None:
            # Without a unit it is in that of the record, whatever the column is in by now.
            sampling = replace(sampling, rollover=Number(size.val, size.unit or own.unit))
        has_usual = sampling.interval_us is not None or not sampling.is_step  # else a value holds for as long as it may
        if has_usual and self.freq is not None and len(self.ts_us) > 1:
            usual_us = int(np.median(np.diff(self.ts_us)))
            if usual_us > (sampling.interval_us or HOUR_US):
                return replace(sampling, interval_us=usual_us)
        return sampling

    def sampling_of_mask(self, idents: Collection[str] | None = None) -> PointSampling:
        """How a mask of what was read is sampled: it is known for as long as each of some points, or all of them."""
        points = [one for one in self.points_read if self.interval is None and (idents is None or one.id in idents)]
        known = [PointSampling.from_record(one.his_tags()) for one in points]
        steps_us = [one.interval_us or (None if one.is_step else HOUR_US) for one in known]
        return PointSampling(is_step=True, interval_us=min((us for us in steps_us if us), default=None))

    def _intervals_in(self, tz: str) -> tuple[Bools, Instants]:
        """Which rows are the starts of intervals of a zone, beside which there may be others, and the end of each."""
        assert self.interval is not None
        edges_us = edges_around(self.interval, int(self.ts_us[0]), int(self.ts_us[-1]), zone(tz))
        return np.isin(self.ts_us, edges_us), edges_us[np.searchsorted(edges_us, self.ts_us, side="right")]

    def is_known(self, place: int) -> bool:
        """Whether a column is a point that the catalog of the frame has."""
        return self.df.columns[place] in self.catalog

    def is_mask(self, place: int) -> bool:
        """Whether a column is a mask of the rows of a read: Bool, with a value in each, and of no point."""
        column, is_read = self.df.iloc[:, place], self.rows is not None or self.interval is not None
        is_of_point = self.is_known(place) or bool(self.idents[place])
        return bool(is_read and not is_of_point and column.dtype.kind == "b" and column.notna().all())

    def has_value(self, place: int) -> Bools:
        """The rows in which a column has a value."""
        found: Bools = self.df.iloc[:, place].notna().to_numpy(dtype=bool)
        return found

    def holes(self, place: int) -> Bools:
        """The rows in which a column has no sample."""
        return ~self.has_value(place) & ~are_in(self.ts_us, self._lost_us(place))

    def was_read(self, place: int) -> tuple[Bools, Bools]:
        """The rows in which a column had a value when it was read, whatever it has now, and those without a sample."""
        if self.rows is None:
            return self.has_value(place), self.holes(place)
        us = {only: self.rows.ts_us[self.rows.has(self.idents[place], values_only=only)] for only in (True, False)}
        return are_in(self.ts_us, us[True]), ~are_in(self.ts_us, us[False])

    def _lost_us(self, place: int) -> Instants:
        """The instants at which a column has NA, or had a value that is no longer there."""
        has_value, label = self.has_value(place), self.df.columns[place]
        if self.interval is not None:
            return self.ts_us[~has_value & self._intervals_in(self.points[place].tz or "UTC")[0]]
        if self.rows is None or not self.idents[place]:
            return np.union1d(self.ts_us[~has_value], self.taken_out(place))
        lost_us = self.rows.lost(self.idents[place], self.ts_us[has_value])
        flagged = rows_of_na(self.df, label)  # the user may have set some
        return lost_us if flagged is None else np.union1d(lost_us, self.ts_us[flagged & ~has_value])

    def read_of(self, place: int) -> Read:
        """What was read of a column, as far as the frame knows it."""
        known = (self.reads.get(ident, Read()) for ident in self.idents[place] or self.ids)
        return next((read for read in known if read.spans), Read())

    def is_added(self, place: int) -> Bools:
        """The rows that are not of the read of a column that the frame remembers, as those of another read are."""
        if self.rows is None or not (rows_us := self.rows.ts_us).size:
            return np.zeros(len(self.ts_us), dtype=bool)
        read = self.read_of(place)
        is_within = read.has(self.ts_us) if read.spans else (self.ts_us >= rows_us[0]) & (self.ts_us <= rows_us[-1])
        return ~is_within & ~are_in(self.ts_us, rows_us)

    @cached_property
    def is_cut(self) -> tuple[bool, bool]:
        """Whether rows were cut off before the first one, and after the last one.

        Rows in which only columns have samples that are not in the frame now do not count, if none of them is left.
        """
        if self.rows is None or not len(self.ts_us):
            return False, False
        due_us = self.rows.ts_us[self.rows.has(self.ids)]
        if not are_in(self.ts_us[are_in(self.ts_us, self.rows.ts_us)], due_us).all():
            due_us = self.rows.ts_us
        return bool((due_us[:1] < self.ts_us[0]).any()), bool((due_us[-1:] > self.ts_us[-1]).any())

    def known_of(self, place: int) -> tuple[Instants, Instants, int]:
        """The instants of the samples of a column, those from which it is not known, and until when the last holds."""
        is_there, lost_us = self.has_value(place), self._lost_us(place)
        ts_us = self.ts_us[is_there]
        if self.interval is not None:
            is_row, row_ends_us = self._intervals_in(self.points[place].tz or "UTC")
            if len(ts_us) and ts_us[-1] < self.read_at_us:  # the interval of the present goes on, and nothing tells how
                row_ends_us = np.where(self.ts_us < ts_us[-1], row_ends_us, np.minimum(row_ends_us, self.read_at_us))
            return ts_us, np.append(lost_us, row_ends_us[is_row | is_there]), int(row_ends_us[-1])
        ends_us, until_us = self._ends_us(ts_us, lost_us, place)
        return ts_us, np.append(lost_us[lost_us <= until_us], ends_us[ends_us < until_us]), until_us

    def _ends_us(self, ts_us: Instants, lost_us: Instants, place: int) -> tuple[Instants, int]:
        """The ends of the spans that have samples: nothing is known from each up to the next span; and the last end."""
        read = self.read_of(place)
        if not len(ts_us) or self.is_added(place).any():
            return ts_us[:0], int(self.ts_us.max(initial=0))
        if not read.spans:
            return ts_us[:0], int(self.ts_us[-1]) if self.idents[place] else int(max([ts_us[-1], *lost_us[-1:]]))
        last_us = int(self.ts_us[-1]) if self.is_cut[1] else _LAST_US
        parts = [(min(part.spans[0][1], last_us), int(us[-1])) for part, us in read.parts(ts_us) if len(us)]
        ends_us = np.array([max(end_us, own_us + 1) for end_us, own_us in parts[:-1]], np.int64)
        return ends_us, max(parts[-1])

    def column(self, place: int) -> tuple[list[History], int]:
        """The samples of a column, and up to when the last one holds."""
        column, point = self.df.iloc[:, place], self.points[place]
        ts_us, unknown_us, until_us = self.known_of(place)
        histories = [History(point, unknown_us, (NA,) * len(unknown_us))] if len(unknown_us) else []
        return [*histories, History(point, ts_us, history_of(column[column.notna()], point.dis))], until_us


def after_the_first(holes: Bools) -> Bools:
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
