"""Which value an interval of a history has, by `agg` and by the record of its point.

``docs/explanation/intervals.md`` has the rules in words: what each aggregation is and which one is the default, what is
unknown, what `max_gap` and `min_coverage` decide, and the worst cases.
https://github.com/hsframe/hsframe/blob/main/docs/explanation/intervals.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from hsframe.arrays import Floats
from hsframe.caller_warnings import warn_caller
from hsframe.durations import HOUR_US, MINUTE_US, SECOND_US, Duration, duration_us
from hsframe.errors import MetadataError, ReadWarning, UnitError, check_choice
from hsframe.frame.per_point import per_point
from hsframe.frame.points import ColumnLabel, Point
from hsframe.intervals.samples import IntervalSamples
from hsframe.kinds import Number
from hsframe.protocol.answers import named
from hsframe.units import convert, convertible, delta, find, multiply

Aggregation = Literal[
    "step", "linear", "mean", "avg", "integral", "delta", "sum", "min", "max", "first", "last", "count", "coverage",
    "duration", "share", "starts",
]  # fmt: skip
Aggregations: TypeAlias = Aggregation | Sequence[Aggregation]
"""One, or several, whose columns have a level of their own."""
Edges = Literal["whole", "partial"]

_AGGREGATIONS: Final = frozenset(get_args(Aggregation))
_OF_SAMPLES: Final = frozenset({"sum", "avg", "first", "last", "count"})
_OF_STATES: Final = frozenset({"duration", "share", "starts"})
_OF_TEXT: Final = frozenset({"step", "first", "last", "count", "coverage", "duration", "share"})
_OF_BOOL: Final = _OF_TEXT | {"mean", "avg", "integral", "min", "max", "starts"}

_STEP_GAP_US: Final = 400 * 24 * HOUR_US
_LINEAR_GAP_US: Final = 3 * HOUR_US
_SAMPLES_PER_GAP: Final = 3
# An instant is an int64 of microseconds. A longer gap is cut to this; a longer interval of a record is not believed.
_LONGEST_US: Final = 1000 * 365 * 24 * HOUR_US

_AMOUNTS: Final = frozenset({"energy", "apparent energy", "reactive energy", "energy by area", "volume", "mass"})
_TIMES: Final = (("hr", HOUR_US), ("min", MINUTE_US), ("sec", SECOND_US))


@dataclass(frozen=True, slots=True)
class IntervalSettings:
    """The caller's settings of intervals; the parameters are those of :meth:`hsframe.Session.his_read`."""

    interval: Duration
    agg: Aggregations | Mapping[str, Aggregations] | None = None
    max_gap: Duration | Mapping[str, Duration] | None = None
    min_coverage: float | None = None
    rollover: float | Number | bool | Mapping[str, float | Number | bool] | None = None
    edges: Edges | None = None
    where: object = None

    def __post_init__(self) -> None:
        share: Any = self.min_coverage
        if share is not None and not (isinstance(share, Real) and 0 < float(share) <= 1):
            raise MetadataError(f"min_coverage must be more than 0 and at most 1; got {share!r}")
        if self.edges is not None:
            check_choice("edges", self.edges, get_args(Edges))

    @property
    def several(self) -> bool:
        """Whether the columns say which aggregation they are: where a list of them is given."""
        return any(isinstance(one, list | tuple) for one in self._given)

    @property
    def is_flat(self) -> bool:
        """Whether each point has one column."""
        return not self.several and not {"duration", "share"}.intersection(map(str, self._given))

    @property
    def _given(self) -> list[Aggregations | None]:
        return list(self.agg.values()) if isinstance(self.agg, Mapping) else [self.agg]


@dataclass(frozen=True, slots=True)
class PointSampling:
    """How a point is sampled, by its record: `is_step`, where a value holds up to the next sample; else it is linear.

    One of change of value, `is_cov`, has no sample for as long as it does not change. `agg` is None where the record
    does not decide. `interval_us` is the time between two samples (``hisInterval``), `rollover` the size of the meter's
    register (``hisRollover``).
    """

    is_step: bool = False
    is_cov: bool = False
    agg: Aggregation | None = None
    interval_us: int | None = None
    rollover: Number | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> PointSampling:
        """The sampling that a record describes (tags ``kind``, ``hisMode``, ``hisTotalized``, ...).

        >>> from hsframe.kinds import MARKER
        >>> PointSampling.from_record({"kind": "Number", "unit": "kWh", "hisTotalized": MARKER}).agg
        'delta'
        """
        modes = {str(record[tag]).lower() for tag in ("hisMode", "hisInterpolate") if record.get(tag) is not None}
        is_cov = "cov" in modes or record.get("hisCov") is not None
        is_step = record.get("kind") in ("Bool", "Str") or is_cov
        agg: Aggregation | None = "step" if is_step else None
        if record.get("kind") not in ("Bool", "Str"):
            if record.get("hisTotalized"):
                agg = "delta"
            elif "consumption" in modes:
                agg = "sum"
        interval, rollover, interval_us = record.get("hisInterval"), record.get("hisRollover"), 0.0
        if isinstance(interval, Number) and interval.unit is not None and convertible(interval.unit, "sec"):
            interval_us = convert(float(interval.val), interval.unit, "sec") * 1e6
        known_us = round(interval_us) if 1 <= interval_us < _LONGEST_US else None
        return cls(is_step, is_cov, agg, known_us, rollover if isinstance(rollover, Number) else None)


@dataclass(frozen=True, slots=True)
class Rule:
    """How the history of one point becomes one row per interval.

    Where `agg` is None, the samples decide (:meth:`agg_for`). `is_step` is which function of time the samples make,
    `gap_us` is `max_gap`, and a `min_coverage` of None is the default of `agg`. For `rollover` see
    :func:`hsframe.intervals.meters.reading_deltas`; a plain number is in the unit of the samples. `interval_us` is the
    time between two samples by the record, None where it does not say. `by_samples` says which `coverage` is meant:
    that of amounts, or that of a function of time. `in_part`: only the time counts in which a condition holds.
    """

    agg: Aggregation | None
    is_step: bool
    gap_us: int
    min_coverage: float | None = None
    rollover: float | Number | bool = True
    interval_us: int | None = None
    by_samples: bool = False
    in_part: bool = False

    @property
    def holds(self) -> bool:
        """Whether a value holds until the next sample, however far away that is."""
        return self.is_step and self.agg != "linear"

    @property
    def bridges(self) -> bool:
        """Whether `max_gap` counts: the value depends on what the samples say of the time between them."""
        of_samples = self.agg in _OF_SAMPLES or (self.agg == "coverage" and self.by_samples)
        return not of_samples and (self.holds or self.agg not in ("min", "max"))

    @property
    def covers(self) -> bool:
        """Whether `min_coverage` counts: how much of an interval is known decides whether it has a value."""
        by_time = self.agg in (None, "mean", "integral") or self.agg in _OF_STATES
        return by_time or (self.agg == "sum" and self.interval_us is not None)

    @property
    def spike_us(self) -> int:
        """How far apart the readings around a false one may be."""
        return _LINEAR_GAP_US if self.is_step else max(self.gap_us, _LINEAR_GAP_US)

    @property
    def before_us(self) -> int:
        """How far before an interval the samples reach that its value depends on."""
        return max(self.gap_us if self.bridges else 0, self._spikes_us)

    @property
    def after_us(self) -> int:
        """How far after an interval the samples reach that its value depends on."""
        return max(self.gap_us if self.bridges and not self.holds and self.agg != "step" else 0, self._spikes_us)

    @property
    def _spikes_us(self) -> int:
        # A spike at the edge reaches that far beyond it, one that touches it as far again, and then comes the last
        # step that they are compared with.
        return min(3 * self.spike_us, _LONGEST_US) if self.agg == "delta" else 0

    def share_needed(self, agg: Aggregation) -> float:
        """The share of an interval that must be known: of a part an integral or a sum would be too small."""
        return self.min_coverage if self.min_coverage is not None else 0.5 if agg in ("mean", "share") else 1.0

    def samples_due(self, times: IntervalSamples, cut_us: Collection[int]) -> Floats:
        """How many samples some intervals should have, in whole numbers; 0 where the record is silent.

        A part of an interval, which ends at one of `cut_us`, has at least as many as fit in it.
        """
        edges_us, lengths_us = times.edges_us, np.diff(times.edges_us)
        if self.interval_us is None:
            return np.zeros(len(lengths_us))
        if times.where is not None:
            parts, owner, _, may = times.parts
            due = np.diff(parts.edges_us) // self.interval_us * may
            return np.bincount(owner, due, minlength=times.count).astype(np.float64, copy=False)
        is_cut = np.isin(edges_us, list(cut_us))
        whole, rounded = lengths_us // self.interval_us, np.ceil(lengths_us / self.interval_us - 0.5)
        return np.maximum(np.where(is_cut[:-1] | is_cut[1:], whole, rounded), 1)

    def agg_for(self, point: Point, kind: str | None, unit: str | None) -> Aggregation:
        """The aggregation for values of a kind and unit.

        A MetadataError where it does not fit the kind, or neither record nor caller decides; a UnitError where it does
        not fit the unit.
        """
        if self.agg is None and kind not in ("Bool", "Str"):
            _refuse_ambiguous([(point, unit)])
            return "mean"
        if self.in_part and self.agg in (None, "step", "linear"):
            raise MetadataError(
                f"agg={self.agg or 'step'!r} of {point} is the value at one instant, and where= is about the time in "
                f"which something holds; expected one over time, as in agg={{'@{point.id}': 'mean'}}"
            )
        if self.agg is None:
            return "step"
        allowed = {"Bool": _OF_BOOL, "Str": _OF_TEXT}.get(kind or "", _AGGREGATIONS - _OF_STATES)
        if self.agg not in allowed:
            raise MetadataError(
                f"agg={self.agg!r} of {point} has no meaning: its values are {kind}; expected "
                f"{', '.join(sorted(allowed))}, for example with agg={{'@{point.id}': 'step'}}"
            )
        if self.agg == "sum" and unit is not None and (delta(unit) != unit or _with_time(unit)):
            raise UnitError(
                f"agg='sum' of {point}, which is in {unit}, has no meaning: it would depend on how often it "
                f"was sampled; expected {'mean or ' + repr('integral') if _with_time(unit) else 'mean'}"
            )
        return self.agg

    def integral_unit(self, point: Point, unit: str | None) -> tuple[str, float]:
        """The unit of the integral over time, and how many microseconds its unit of time has.

        A UnitError where the unit table has no such product.
        """
        if unit is None:
            return "hr", _TIMES[0][1]
        found = _with_time(unit)
        if found is None:
            raise UnitError(
                f"agg='integral' of {point}: the unit table has no unit of {unit} x time; take the mean"
                + (", or hsframe.degree_days" if delta(unit) != unit else "")
            )
        return found


def _with_time(unit: str) -> tuple[str, float] | None:
    for name, time_us in _TIMES:
        product = multiply(unit, name)
        if product is not None:
            return product, time_us
    return None


def _warn_of_rates(points: Iterable[Point]) -> None:
    """Warn of points whose delta is asked for as of a meter, and whose values are amounts per time."""
    for point in points:
        if point.unit and delta(point.unit) == point.unit and (found := _with_time(point.unit)):
            warn_caller(
                f"agg='delta' of {point} is how much its {point.unit} have risen or fallen in each interval, since its "
                f"record does not say that it is a meter (hisTotalized); 'integral' is in {found[0]}",
                ReadWarning,
            )


def _refuse_ambiguous(points: Sequence[tuple[Point, str | None]]) -> None:
    """Raise for points, given with their units, that may be running totals or amounts."""
    unclear = [(point, unit) for point, unit in points if unit and (found := find(unit)) and found.quantity in _AMOUNTS]
    if unclear:
        names = named([f"{point} in {unit}" for point, unit in unclear])
        point, unit = unclear[0]
        raise MetadataError(
            f"nothing says what the samples of {names} are: readings of a meter that counts up (agg='delta'), "
            "amounts of one interval each (agg='sum'), or a level (agg='mean')? Their records have neither "
            f"hisTotalized nor hisMode 'consumption' or 'cov'; say it, as in agg={{'@{point.id}': 'delta'}} or "
            f"agg={{{unit!r}: 'delta'}}"
        )


def rules_of(
    points: Sequence[Point],
    samplings: Sequence[PointSampling],
    labels: Sequence[ColumnLabel],
    settings: IntervalSettings,
) -> list[list[Rule]]:
    """The rules of each point, one for each of its aggregations: what the caller says, else what its record says.

    What the records alone forbid is refused here, before anything is read: a point whose samples may be readings or
    amounts, an `agg` that does not fit its kind or unit.
    """
    min_coverage = settings.min_coverage
    aggs = [_checked(given) for given in per_point(settings.agg, points, labels, "agg")]
    gaps = per_point(settings.max_gap, points, labels, "max_gap")
    rollovers = per_point(settings.rollover, points, labels, "rollover")
    rules = [
        [
            Rule(
                one or sampling.agg,
                sampling.is_step or one in _OF_STATES,
                _gap_us(gap, sampling, one),
                min_coverage,
                _register(sampling.rollover if register is None else register, point),
                sampling.interval_us,
                by_samples="sum" in (*chosen, sampling.agg),
                in_part=settings.where is not None,
            )
            for one in chosen
        ]
        for point, sampling, chosen, gap, register in zip(points, samplings, aggs, gaps, rollovers, strict=True)
    ]
    pairs = [(point, rule) for point, own in zip(points, rules, strict=True) for rule in own]
    _refuse_ambiguous([(point, point.unit) for point, rule in pairs if rule.agg is None])
    for point, rule in pairs:
        if rule.agg is not None and point.kind is not None:
            rule.agg_for(point, point.kind, point.unit)
    _warn_of_rates(
        point
        for point, sampling, own in zip(points, samplings, rules, strict=True)
        if sampling.agg != "delta" and any(rule.agg == "delta" for rule in own)
    )
    _refuse_unused("max_gap", gaps, rules, lambda rule: rule.bridges, "bridges time without samples")
    _refuse_unused("rollover", rollovers, rules, lambda rule: rule.agg == "delta", "is for agg='delta'")
    covers = "is for means, integrals and states, and for sums of points whose record has hisInterval"
    _refuse_unused("min_coverage", [min_coverage] * len(rules), rules, lambda rule: rule.covers, covers)
    return rules


def rule_of_time(sampling: PointSampling) -> Rule:
    """The rule of a point of which is asked when something holds, and nothing of its intervals."""
    return Rule("coverage", sampling.is_step, _gap_us(None, sampling, None))


def _checked(given: Any) -> tuple[Aggregation | None, ...]:
    """The aggregations of one point; None is that of its record."""
    several = tuple(given) if isinstance(given, list | tuple) else (given,)
    if strange := [one for one in several if given is not None and str(one) not in _AGGREGATIONS]:
        raise MetadataError(
            f"agg={strange[0]!r} is unknown; expected one of {', '.join(sorted(_AGGREGATIONS))}; "
            "'mean' is that over time, 'avg' that of the samples"
        )
    if not several or len(set(several)) < len(several):
        raise MetadataError(f"agg must list one aggregation or more, each once; got {given!r}")
    return several


def _refuse_unused(
    name: str, given: Sequence[Any], rules: Sequence[Sequence[Rule]], uses: Callable[[Rule], bool], purpose: str
) -> None:
    """Raise where a setting is given and no point uses it; where one does, it may stand for all."""
    here = [rule for own, setting in zip(rules, given, strict=True) if setting is not None for rule in own]
    if here and not any(uses(rule) for rule in here):
        aggs = ", ".join(sorted({str(rule.agg) for rule in here}))
        raise MetadataError(f"{name}= {purpose}, and none of its points is one of these (agg: {aggs}); leave it out")


def _gap_us(gap: Duration | None, sampling: PointSampling, agg: Aggregation | None) -> int:
    if gap is not None:
        return min(duration_us(gap, "max_gap"), _LONGEST_US)
    holds = (sampling.is_step and agg != "linear") or agg in _OF_STATES
    if sampling.interval_us is None or (holds and sampling.is_cov):
        return _STEP_GAP_US if holds else _LINEAR_GAP_US
    return _SAMPLES_PER_GAP * sampling.interval_us


def _register(size: Any, point: Point) -> float | Number | bool:
    if size is None:
        return True  # neither the record nor the caller says one
    if size is False:
        return False
    if isinstance(size, int | float | Number) and size is not True and 0 < float(size) < float("inf"):
        return size if isinstance(size, Number) else float(size)
    raise MetadataError(
        f"rollover of {point} must be a register's size (above 0, as in 1e6) or False; where it is left out it is the "
        f"record's hisRollover; got {size!r}"
    )
