"""Histories resampled to regular intervals by the rules of :mod:`hsframe.intervals.rules`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn
from hsframe.durations import HOUR_US
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.histories import History, OverIntervals
from hsframe.frame.in_units import in_units
from hsframe.frame.points import Point
from hsframe.frame.tracks import Track, tracks_of
from hsframe.frame.values import kind_of
from hsframe.intervals.meters import false_readings, reading_deltas
from hsframe.intervals.regular import Intervals
from hsframe.intervals.rules import Aggregation, Rule
from hsframe.intervals.samples import Floats, IntervalSamples, Places
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units import convert, convertible, delta

_EXTREMES = {"min": np.fmin, "max": np.fmax}
# The dtypes of what counts something; `starts` may be missing.
_DTYPES = {"count": "int64", "starts": "Int64"}


def interval_histories(
    histories: Iterable[History],
    grids: Mapping[str, Intervals],
    rules: Mapping[str, Sequence[Rule]],
    *,
    now_us: int,
    several: bool = False,
) -> list[tuple[Rule, History]]:
    """One value per interval for each rule of each point (for each state, where that is meant), each with its rule.

    They are in the order in which the points first appear, and in that of their rules.

    `histories` need the samples around the intervals, as far as :attr:`Rule.before_us` and :attr:`Rule.after_us`
    reach; a null cell is not a sample, whatever the form of the answer. `grids` are by the Haystack name of the points'
    zones, `rules` by the points' ids. The last sample of a step function holds up to `now_us`. With `several` the
    results have a level ``agg``. The unit and kind of a point are those of its result. A MetadataError or UnitError
    names the point whose values its rule does not fit.
    """
    tracks = tracks_of([replace(history, sparse=True) for history in histories], drop_null=True)
    # Points that were read together share their instants, and so the searches in them. Those take several arrays as
    # long as the history, so the points of one set of instants are computed one after the other.
    alike: dict[tuple[int, int], list[int]] = {}
    for place, track in enumerate(tracks):
        alike.setdefault((id(track.ts_us), id(grids[track.point.tz or "UTC"])), []).append(place)
    results: dict[int, list[tuple[Rule, History]]] = {}
    for places in alike.values():
        first = tracks[places[0]]
        grid = grids[first.point.tz or "UTC"]
        samples = IntervalSamples(first.ts_us, grid.edges_us)
        for place in places:
            results[place] = _resampled(tracks[place], samples, grid, rules[tracks[place].point.id], now_us, several)
    return [pair for place in range(len(tracks)) for pair in results[place]]


def _resampled(
    track: Track, samples: IntervalSamples, grid: Intervals, rules: Sequence[Rule], now_us: int, several: bool
) -> list[tuple[Rule, History]]:
    """The values of a point by each of its rules."""
    point, array = track.point, _of_one_unit(track)
    listed = point.states or ()
    if point.states and isinstance(array, pd.Categorical):
        point = replace(point, states=tuple(array.categories))  # those not in the record have been warned of
    kind = kind_of(array) or (None if isinstance(array, np.ndarray) and array.dtype == object else point.kind)
    if kind not in ("Number", "Bool", "Str"):
        kind = "Number" if array.dtype.kind == "f" else None
    if kind is None:
        raise MetadataError(
            f"{point} has samples of several kinds, or of a kind that has no value per interval; "
            "read it without interval="
        )
    unit: str | None = unit_of_dtype(array.dtype)
    found = []
    for rule in rules:
        agg = rule.agg_for(point, kind, unit)
        levels = (("agg", agg),) if several else ()
        for state, column, spikes in _columns(array, samples, rule, agg, point, listed, unit, kind, now_us):
            own = levels if state is None else (*levels, ("state", state))
            over = OverIntervals(track.point, grid.ends_us, own, _DTYPES.get(agg), spikes)
            one = replace(point, unit=None, kind=kind, his=None)  # whose tags are those of the samples
            if isinstance(column, NumberColumn):
                one = replace(one, unit=column.unit, kind="Number", states=None)
            found.append((rule, History(one, grid.labels_us, column, over=over)))
    return found


def _columns(
    array: Any,
    samples: IntervalSamples,
    rule: Rule,
    agg: Aggregation,
    point: Point,
    listed: Sequence[str],
    unit: str | None,
    kind: str,
    now_us: int,
) -> Iterator[tuple[str | None, ArrowColumn, int]]:
    """The columns of an aggregation: the state of each, or None, its values, and how many false readings it lacks."""
    if agg in ("duration", "share"):
        for state, values in _states(array, samples, rule, agg, listed, now_us):
            yield state, NumberColumn(pa.array(values), "hr" if agg == "duration" else None), 0
    elif agg == "delta":
        values, spikes = _deltas(_floats(array), samples, rule, point, unit, now_us)
        yield None, NumberColumn(pa.array(values), None if unit is None else delta(unit)), spikes
    elif kind == "Number" or agg not in ("step", "first", "last"):
        values, unit, kind = _numeric(array, samples, rule, agg, point, unit, kind, now_us)
        if kind == "Bool":
            yield None, BoolColumn(pa.array(values == 1, mask=np.isnan(values))), 0
        else:
            yield None, NumberColumn(pa.array(values), unit), 0
    else:
        yield None, _picked(array, _places(samples, ~pd.isna(array), rule, agg, now_us), kind), 0


def _states(
    array: Any, samples: IntervalSamples, rule: Rule, agg: Aggregation, listed: Sequence[str], now_us: int
) -> Iterator[tuple[str, Floats]]:
    """How long each state lasted in each interval, in hours or as a share of the known time."""
    codes, names = _codes(array)
    times = samples.state_times(codes, max(len(names), 1), rule.gap_us, now_us)
    known = times.sum(axis=1)
    enough = (known > 0) & (known >= rule.share_needed(agg) * np.diff(samples.edges_us))
    whole = np.full(samples.count, float(HOUR_US)) if agg == "duration" else known
    if isinstance(array, pd.Categorical):
        # Samples before the intervals have been read too: their states must not make columns.
        kept = [place for place, name in enumerate(names) if name in listed or times[:, place].any()]
        names, times = [names[place] for place in kept], times[:, kept]
    if not names:  # a column all the same, so that the point has its place in the frame
        names, times = [""], np.zeros((samples.count, 1))
    for state, lasted in zip(names, times.T, strict=True):
        yield state, np.divide(lasted, whole, out=np.full(samples.count, np.nan), where=enough)


def _codes(array: Any) -> tuple[Places, list[str]]:
    """For each sample the place of its state, -1 for none, and the names of the states in their order."""
    if isinstance(array, pd.Categorical):
        return array.codes.astype(np.intp), [str(name) for name in array.categories]
    return array.to_numpy(dtype=np.intp, na_value=-1), ["False", "True"]


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


def _floats(array: Any) -> Floats:
    if isinstance(array, UnitArray):
        return array.magnitudes
    if isinstance(array, np.ndarray):
        return array
    if isinstance(array, pd.Categorical):
        return np.where(array.codes >= 0, array.codes, np.nan)
    floats: Floats = array.to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def _numeric(
    array: Any,
    samples: IntervalSamples,
    rule: Rule,
    agg: Aggregation,
    point: Point,
    unit: str | None,
    kind: str,
    now_us: int,
) -> tuple[Floats, str | None, str]:
    """The values, their unit and kind, of an aggregation in numbers; a Bool counts as 0 and 1."""
    lengths_us, values = np.diff(samples.edges_us), _floats(array)
    counts = samples.sample_counts(~np.isnan(values)).astype(np.float64)
    if agg == "count":
        return counts, None, "Number"
    if agg == "coverage" and rule.by_samples:
        due = rule.samples_due(lengths_us)
        shares = np.divide(counts, due, out=np.full(samples.count, np.nan), where=due > 0)
        return np.minimum(shares, 1.0), None, "Number"
    if agg in ("mean", "integral", "coverage", "starts"):
        area, covered = (
            samples.step_area(values, rule.gap_us, now_us) if rule.is_step else samples.linear_area(values, rule.gap_us)
        )
        enough = (covered > 0) & (covered >= rule.share_needed(agg) * lengths_us)
        if agg == "coverage":
            return covered / lengths_us, None, "Number"
        if agg == "starts":
            rises = samples.rises(_codes(array)[0], rule.gap_us, now_us)
            return np.where(enough, rises, np.nan), None, "Number"
        if agg == "mean":
            means = np.divide(area, covered, out=np.full(samples.count, np.nan), where=enough)
            return means, None if kind == "Bool" else unit, "Number"
        product, time_us = rule.integral_unit(point, unit)
        return np.where(enough, area / time_us, np.nan), product, "Number"
    if agg in ("min", "max"):
        found = samples.reduced(_EXTREMES[agg], values)
        if rule.is_step:
            held = _taken(values, samples.step_places(rule.gap_us, now_us)[:-1])
            found = _EXTREMES[agg](found, held)
        if kind == "Bool":
            return found, None, "Bool"
    elif agg in ("sum", "avg"):
        enough = (counts > 0) & ((agg == "avg") | (counts >= rule.share_needed(agg) * rule.samples_due(lengths_us)))
        sums = samples.reduced(np.add, np.where(np.isnan(values), 0.0, values))
        found = np.divide(sums, counts if agg == "avg" else 1.0, out=np.full(samples.count, np.nan), where=enough)
        unit = None if kind == "Bool" else unit
    elif agg == "linear":
        found = samples.linear_at(values, rule.gap_us)[:-1]
    else:
        found = _taken(values, _places(samples, ~np.isnan(values), rule, agg, now_us))
    return found, unit, "Number"


def _deltas(
    values: Floats, samples: IntervalSamples, rule: Rule, point: Point, unit: str | None, now_us: int
) -> tuple[Floats, int]:
    """The deltas, and how many false readings within the intervals were left out."""
    whole, kept = samples, np.flatnonzero(np.isfinite(values))
    register = _register_in(rule.rollover, point, unit)
    spikes = false_readings(whole.ts_us[kept], values[kept], register, rule.spike_us)
    left_out = int(np.count_nonzero(spikes & (kept >= whole.bounds[0]) & (kept < whole.bounds[-1])))
    kept = kept[~spikes]
    readings = values[kept]
    if len(readings) and not isinstance(register, bool) and float(readings.max()) > register:
        raise MetadataError(
            f"{point} has a reading of {float(readings.max())}, more than its rollover of "
            f"{register}; expected the size of the register, which no reading exceeds"
        )
    if len(kept) < len(values):
        samples = IntervalSamples(whole.ts_us[kept], whole.edges_us)
    deltas = reading_deltas(readings, register)
    if not rule.is_step:
        unknown = np.cumsum(~np.isfinite(values))[kept]
        return samples.linear_deltas(deltas, np.diff(unknown) == 0, rule.gap_us), left_out
    places = whole.step_places(rule.gap_us, now_us)
    return samples.step_deltas(deltas, (places >= 0) & np.isfinite(_taken(values, places))), left_out


def _register_in(rollover: float | Number | bool, point: Point, unit: str | None) -> float | bool:
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


def _places(
    samples: IntervalSamples, valid: npt.NDArray[np.bool_], rule: Rule, agg: Aggregation, now_us: int
) -> Places:
    """The place of the sample that is the value of each interval, -1 for none."""
    if agg == "step":
        return samples.step_places(rule.gap_us, now_us)[:-1]
    return samples.first_or_last(np.asarray(valid, dtype=bool), last=agg == "last")


def _taken(values: Floats, places: Places) -> Floats:
    if not len(values):
        return np.full(len(places), np.nan)
    return np.where(places >= 0, values[places], np.nan)


def _picked(array: Any, places: Places, kind: str) -> ArrowColumn:
    taken = array.take(places, allow_fill=True)
    if kind == "Bool":
        missing = np.asarray(pd.isna(taken), dtype=bool)
        return BoolColumn(pa.array(taken.to_numpy(dtype=bool, na_value=False), mask=missing))
    return StrColumn(pa.array(taken).cast(pa.dictionary(pa.int32(), pa.string())))
