"""Histories resampled to regular intervals by the rules of :mod:`hsframe.intervals.rules`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.arrays import Bools, Floats, Instants, Places
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.durations import HOUR_US
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.histories import History, OverIntervals
from hsframe.frame.in_units import in_units
from hsframe.frame.points import Point
from hsframe.frame.tracks import Track, tracks_of, warn_of_values
from hsframe.frame.values import kind_of
from hsframe.intervals.meters import doubtful_steps, false_readings, reading_deltas
from hsframe.intervals.regular import Intervals
from hsframe.intervals.rules import Aggregation, Rule
from hsframe.intervals.samples import IntervalSamples
from hsframe.intervals.truth import Truth
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units import convert, convertible, delta

_EXTREMES = {"min": np.fmin, "max": np.fmax}
_OF_SAMPLES = frozenset({"sum", "avg", "min", "max"})
# What says something of all of an interval, and so depends on where that ends.
_TO_THE_END = frozenset({"mean", "integral", "coverage", "delta", "sum", "duration", "share", "starts"})
# The dtypes of what counts something; `starts` may be missing.
_DTYPES = {"count": "int64", "starts": "Int64"}
# Of a meter: how many readings were left out, and the instants of those that may be false.
_Doubts: TypeAlias = tuple[int, tuple[int, ...]]
_NO_DOUBTS: Final[_Doubts] = 0, ()


def interval_histories(
    histories: Iterable[History],
    grids: Mapping[str, Intervals],
    rules: Mapping[str, Sequence[Rule]],
    *,
    now_us: int | Mapping[str, int],
    several: bool = False,
    where: Truth | None = None,
) -> list[tuple[Rule, History]]:
    """One value per interval for each rule of each point (for each state, where that is meant), each with its rule.

    They are in the order in which the points first appear, and in that of their rules.

    `histories` need the samples around the intervals, as far as :attr:`Rule.before_us` and :attr:`Rule.after_us`
    reach; a null cell is not a sample, whatever the form of the answer. `grids` are by the Haystack name of the points'
    zones, `rules` by the points' ids. The last sample of a step function holds up to `now_us`, of all or by id. With
    `several` the results have a level ``agg``. With `where` only the time counts in which it is true. The unit and kind
    of a point are those of its result. A MetadataError or UnitError names the point whose values its rule does not fit.
    """
    tracks = tracks_of([replace(history, sparse=True) for history in histories], drop_null=True)
    warn_of_values(tracks)
    # Points that were read together share their instants, and so the searches in them. Those take several arrays as
    # long as the history, so the points of one set of instants are computed one after the other.
    alike: dict[tuple[int, int], list[int]] = {}
    for place, track in enumerate(tracks):
        alike.setdefault((id(track.ts_us), id(grids[track.point.tz or "UTC"])), []).append(place)
    results: dict[int, list[tuple[Rule, History]]] = {}
    for places in alike.values():
        first = tracks[places[0]]
        grid = grids[first.point.tz or "UTC"]
        samples = IntervalSamples(first.ts_us, grid.edges_us, where)
        for place in places:
            ident = tracks[place].point.id
            until_us = now_us[ident] if isinstance(now_us, Mapping) else now_us
            results[place] = _resampled(tracks[place], samples, grid, rules[ident], until_us, several)
    return [pair for place in range(len(tracks)) for pair in results[place]]


def _resampled(
    track: Track, times: IntervalSamples, grid: Intervals, rules: Sequence[Rule], now_us: int, several: bool
) -> list[tuple[Rule, History]]:
    point, (array, kind) = track.point, values_of(track)
    values = _Values(point, array, kind, unit_of_dtype(array.dtype), times, now_us, cut_us=grid.cut_us)
    plain = replace(point, unit=None, kind=kind)
    if point.states and isinstance(array, pd.Categorical):
        plain = replace(plain, states=tuple(array.categories))  # those not in the record have been warned of
    found = []
    for rule in rules:
        agg = rule.agg_for(point, kind, values.unit)
        for state, column, doubts in values.as_far_as_known(rule, agg, grid.unfinished).columns(rule, agg):
            levels = [("agg", agg)] * several + [("state", state or "")] * (state is not None)
            over = OverIntervals(point, grid.ends_us, tuple(levels), _DTYPES.get(agg), *doubts, agg=agg)
            one = plain
            if isinstance(column, NumberColumn):
                one = replace(point, unit=column.unit, kind="Number", states=None)
            found.append((rule, History(one, grid.labels_us, column, over=over)))
    return found


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a point, their kind and unit, and `times`, the intervals that they fall into.

    The interval `unknown` is the rest of the unfinished one, and makes no row.
    """

    point: Point
    array: Any
    kind: str
    unit: str | None
    times: IntervalSamples
    now_us: int
    unknown: int | None = None
    cut_us: tuple[int, ...] = ()

    def as_far_as_known(self, rule: Rule, agg: Aggregation, row: int | None) -> _Values:
        """The values with the unfinished interval, number `row`, divided where ``docs/explanation/intervals.md`` says.

        Where the samples reach beyond it, it is whole. What samples alone decide, such as the largest, needs no end.
        """
        if row is None or agg not in _TO_THE_END:
            return self
        ts_us, edges_us = self.times.ts_us, self.times.edges_us
        start_us, stop_us = edges_us[row : row + 2].tolist()
        known_us = ts_us[np.isfinite(self._floats)]
        last_us = int(known_us[-1]) if len(known_us) else start_us - 1
        is_recent, end_us = self.now_us - last_us <= rule.gap_us, self.now_us
        if agg == "sum" or (agg == "coverage" and rule.by_samples):
            if rule.interval_us is None:
                return self
            if is_recent:
                end_us = start_us + ((last_us - start_us) // rule.interval_us + 1) * rule.interval_us
        elif rule.is_step and agg != "delta":
            end_us = max(last_us, end_us)
        elif is_recent:
            end_us = last_us
        if last_us >= stop_us or not start_us < end_us < stop_us:
            return self
        times = IntervalSamples(ts_us, np.insert(edges_us, row + 1, end_us), self.times.where)
        return replace(self, times=times, unknown=row + 1)

    def _rows(self, values: Floats) -> Floats:
        return values if self.unknown is None else np.delete(values, self.unknown)

    def columns(self, rule: Rule, agg: Aggregation) -> Iterator[tuple[str | None, ArrowColumn, _Doubts]]:
        """The columns of an aggregation: the state of each or None, the values, the doubts about readings."""
        if agg in ("duration", "share"):
            for state, values in self._states(rule, agg):
                yield state, NumberColumn(pa.array(self._rows(values)), "hr" if agg == "duration" else None), _NO_DOUBTS
        elif agg == "delta":
            values, doubts = self._deltas(rule)
            unit = None if self.unit is None else delta(self.unit)
            yield None, NumberColumn(pa.array(self._rows(values)), unit), doubts
        elif self.kind == "Number" or agg not in ("step", "first", "last"):
            numbers, unit = self._numbers(rule, agg)
            values = self._rows(numbers)
            if self.kind == "Bool" and agg in ("min", "max"):
                yield None, BoolColumn(pa.array(values == 1, mask=np.isnan(values))), _NO_DOUBTS
            else:
                yield None, NumberColumn(pa.array(values), unit), _NO_DOUBTS
        else:
            taken = self.array.take(self._places(rule, agg), allow_fill=True)
            if self.kind == "Bool":
                missing = np.asarray(pd.isna(taken), dtype=bool)
                yield None, BoolColumn(pa.array(taken.to_numpy(dtype=bool, na_value=False), mask=missing)), _NO_DOUBTS
            else:
                yield None, StrColumn(pa.array(taken).cast(pa.dictionary(pa.int32(), pa.string()))), _NO_DOUBTS

    def _states(self, rule: Rule, agg: Aggregation) -> Iterator[tuple[str, Floats]]:
        """How long each state lasted in each interval, in hours or as a share of the known time."""
        names = ["False", "True"] if self.kind == "Bool" else [str(name) for name in self.array.categories]
        lasted = self.times.state_times(self._codes, max(len(names), 1), rule.gap_us, self.now_us)
        known = lasted.sum(axis=1)
        enough = self._enough(known, rule, agg)
        # Samples before the intervals have been read too: their states must not make columns, but for those of the
        # record. Without any there is a column all the same, so that the point has its place in the frame.
        listed = names if self.kind == "Bool" else self.point.states or ()
        kept = [place for place, name in enumerate(names) if name in listed or lasted[:, place].any()]
        for state, time_us in [(names[place], lasted[:, place]) for place in kept] or [("", known)]:
            yield state, _ratio(time_us, float(HOUR_US) if agg == "duration" else known, enough)

    @property
    def _codes(self) -> Places:
        """For each sample the place of its state, -1 for none."""
        if isinstance(self.array, pd.Categorical):
            return self.array.codes.astype(np.intp)
        codes: Places = self.array.to_numpy(dtype=np.intp, na_value=-1)
        return codes

    @property
    def _floats(self) -> Floats:
        """The values as numbers; a Bool counts as 0 and 1, a Str as the place of its state."""
        if isinstance(self.array, UnitArray):
            return self.array.magnitudes
        if isinstance(self.array, np.ndarray):
            return self.array
        return np.where(self._codes >= 0, self._codes, np.nan)

    def _enough(self, known: Floats, rule: Rule, agg: Aggregation) -> Bools:
        """Whether enough microseconds of each interval are known; of none of it all that there is to know is known."""
        lengths_us = self.times.lengths_us
        enough: Bools = (known >= rule.share_needed(agg) * lengths_us) & ((known > 0) | (lengths_us == 0))
        return enough

    def _numbers(self, rule: Rule, agg: Aggregation) -> tuple[Floats, str | None]:
        times, values = self.times, self._floats
        if times.where is not None and agg in _OF_SAMPLES:
            values = np.where(times.is_counted, values, np.nan)
        if agg in ("count", "sum", "avg") or (agg == "coverage" and rule.by_samples):
            counts = times.sample_counts(~np.isnan(values) & times.is_counted).astype(np.float64)
            due = rule.samples_due(times, self.cut_us)
            if agg == "count":
                return counts, None
            if agg == "coverage":
                return np.minimum(_ratio(counts, due, due > 0), 1.0), None
            sums = times.reduced(np.add, np.where(np.isnan(values), 0.0, values))
            if agg == "avg":
                return _ratio(sums, counts, counts > 0), self.unit
            return np.where((counts > 0) & (counts >= rule.share_needed(agg) * due), sums, np.nan), self.unit
        if agg in ("mean", "integral", "coverage", "starts"):
            area, known = (
                times.step_area(values, rule.gap_us, self.now_us)
                if rule.is_step
                else times.linear_area(values, rule.gap_us)
            )
            enough = self._enough(known, rule, agg)
            if agg == "coverage":
                return _ratio(known, times.lengths_us, times.lengths_us > 0), None
            if agg == "mean":
                return _ratio(area, known, enough), self.unit
            if agg == "starts":
                return np.where(enough, times.rises(self._codes, rule.gap_us, self.now_us), np.nan), None
            product, time_us = rule.integral_unit(self.point, self.unit)
            return np.where(enough, area / time_us, np.nan), product
        if agg == "linear":
            return times.linear_at(values, rule.gap_us)[:-1], self.unit
        if agg not in ("min", "max"):
            return _taken(values, self._places(rule, agg)), self.unit
        found = times.reduced(_EXTREMES[agg], values)
        if rule.is_step:
            parts, owner, is_counted, _ = times.parts
            held = _taken(self._floats, parts.step_places(rule.gap_us, self.now_us)[:-1])
            _EXTREMES[agg].at(found, owner[is_counted], held[is_counted])
        return found, self.unit

    def _deltas(self, rule: Rule) -> tuple[Floats, _Doubts]:
        """The deltas, and of the readings within the intervals those that were left out and those that may be false."""
        (parts, owner, counts, may), values = self.times.parts, self._floats
        found, doubts = self._part_deltas(rule, parts, values)
        found = np.where(counts, found, np.where(may, np.nan, 0.0))
        rows = np.bincount(owner, weights=found, minlength=self.times.count)
        return rows.astype(np.float64, copy=False), doubts

    def _part_deltas(self, rule: Rule, whole: IntervalSamples, values: Floats) -> tuple[Floats, _Doubts]:
        kept = np.flatnonzero(np.isfinite(values))
        register = register_in(rule.rollover, self.point, self.unit)
        spikes = false_readings(whole.ts_us[kept], values[kept], register, rule.spike_us)
        left_out = int(np.count_nonzero(spikes & (kept >= whole.bounds[0]) & (kept < whole.bounds[-1])))
        kept = kept[~spikes]
        readings = values[kept]
        if len(readings) and not isinstance(register, bool) and float(readings.max()) > register:
            raise MetadataError(
                f"{self.point} has a reading of {float(readings.max())}, more than its rollover of "
                f"{register}; expected the size of the register, which no reading exceeds"
            )
        times = IntervalSamples(whole.ts_us[kept], whole.edges_us) if len(kept) < len(values) else whole
        deltas = reading_deltas(readings, register)
        doubtful = doubtful_steps(times.ts_us, readings, register) + 1
        within = doubtful[(doubtful >= times.bounds[0]) & (doubtful < times.bounds[-1])]
        doubts = left_out, tuple(times.ts_us[within].tolist())
        if not rule.is_step:
            unknown = np.cumsum(~np.isfinite(values))[kept]
            return times.linear_deltas(deltas, np.diff(unknown) == 0, rule.gap_us), doubts
        places = whole.step_places(rule.gap_us, self.now_us)
        return times.step_deltas(deltas, (places >= 0) & np.isfinite(_taken(values, places))), doubts

    def _places(self, rule: Rule, agg: Aggregation) -> Places:
        """The place of the sample that is the value of each interval, -1 for none."""
        if agg == "step":
            return self.times.step_places(rule.gap_us, self.now_us)[:-1]
        valid = ~np.asarray(pd.isna(self.array), dtype=bool) & self.times.is_counted
        return self.times.first_or_last(valid, last=agg == "last")


def values_of(track: Track) -> tuple[Any, str]:
    """The values of a point in one unit, and their kind; a MetadataError or UnitError where they have no such."""
    array = _of_one_unit(track)
    kind = kind_of(array) or (None if isinstance(array, np.ndarray) and array.dtype == object else track.point.kind)
    if kind not in ("Number", "Bool", "Str"):
        kind = "Number" if array.dtype.kind == "f" else None
    if kind is None:
        raise MetadataError(
            f"{track.point} has samples of several kinds, or of a kind that has no value per interval; "
            "read it without interval="
        )
    return array, kind


def _of_one_unit(track: Track) -> Any:
    """The values; numbers of several units that convert to one another in the record's unit, or the first."""
    array, point = track.array, track.point
    if not isinstance(array, np.ndarray) or array.dtype != object:
        return array
    numbers = [cell for cell in array if isinstance(cell, Number)]
    if len(numbers) + sum(cell != cell for cell in array) < len(array) or not numbers:
        return array
    units = {cell.unit for cell in numbers if np.isfinite(cell.val)}
    wanted = point.unit or next((cell.unit for cell in numbers if cell.unit), None)
    if wanted is None or any(unit is None or not convertible(unit, wanted) for unit in units):
        raise UnitError(
            f"{point} has samples in {', '.join(sorted(str(unit) for unit in units))}, which do not "
            "convert to one unit; read it without interval="
        )
    return in_units(array, wanted, point.dis)


def register_in(rollover: float | Number | bool, point: Point, unit: str | None) -> float | bool:
    """The register of a meter in the unit of its samples; False where they are no readings of one."""
    if unit is not None and delta(unit) != unit:
        return False  # from 70 °F to 30 °F is not a meter that was set back
    if isinstance(rollover, bool):
        return rollover
    size = float(rollover)
    if isinstance(rollover, Number) and rollover.unit is not None and rollover.unit != unit:
        if unit is None or not convertible(rollover.unit, unit):
            raise UnitError(f"the rollover of {point} is {rollover}, and its samples are in {unit or 'no unit'}")
        size = convert(size, rollover.unit, unit)
    return size


def _taken(values: Floats, places: Places) -> Floats:
    if not len(values):
        return np.full(len(places), np.nan)
    return np.where(places >= 0, values[places], np.nan)


def _ratio(values: Floats, whole: Floats | Instants | float, where: Bools) -> Floats:
    known = where & np.not_equal(whole, 0)
    found: Floats = np.divide(values, whole, out=np.full(len(values), np.nan), where=known)
    return found
