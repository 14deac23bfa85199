"""The lines of a picture: from sample to sample, or as steps, broken where nothing is known; of meters the growth."""

from __future__ import annotations

import numpy as np

from hsframe.analysis.frame_samples import FrameSamples
from hsframe.arrays import Floats, Instants
from hsframe.intervals.meters import false_readings, reading_deltas
from hsframe.intervals.resample import register_in
from hsframe.intervals.rules import IntervalSettings, rule_of_time, rules_of
from hsframe.intervals.samples import IntervalSamples


def line_of(samples: FrameSamples, place: int, codes: Floats | None = None) -> tuple[Instants, Floats, bool]:
    """The line of a column: its instants and values, NaN where it is broken, and whether each value holds.

    It is broken where nothing is known, and over a gap. `codes` are what is drawn in place of its values. A meter's
    line is what it has counted since its first reading.
    """
    ts_us, unknown_us, until_us = samples.known_of(place)
    given = samples.df.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan) if codes is None else codes
    values = given[~np.isnan(given)]
    rule = rule_of_time(samples.sampling(place))
    if codes is None and is_meter(samples, place):
        ts_us, values = _growth(samples, place, ts_us, values)
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


def is_meter(samples: FrameSamples, place: int) -> bool:
    """Whether a column has readings that count up."""
    return samples.sampling(place).agg == "delta"


def _growth(samples: FrameSamples, place: int, ts_us: Instants, values: Floats) -> tuple[Instants, Floats]:
    """What a meter has counted since its first reading, at its readings; false ones are left out."""
    point = samples.known[place]
    (rule,) = rules_of([point], [samples.sampling(place)], [point.dis], IntervalSettings("1D", "delta"))[0]
    register, kept = register_in(rule.rollover, point, point.unit), np.isfinite(values)
    ts_us, values = ts_us[kept], values[kept]
    kept = ~false_readings(ts_us, values, register, rule.spike_us)
    ts_us, values = ts_us[kept], values[kept]
    return ts_us, np.append(np.zeros(len(values[:1])), np.cumsum(reading_deltas(values, register)))
