"""What the readings of a meter have counted: resets, roll-overs, and false readings, which are left out.

``docs/explanation/intervals.md`` has the rules in words, with the worst case of each.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hsframe.arrays import Bools, Floats, Instants, Places
from hsframe.durations import DAY_US, HOUR_US

# The growth per time that a false reading implies is more than this many times that of the steps around it.
_SPIKE_RATIO: Final = 10
# What is usual is learned from so many changes of the reading before and after; so many of these may be false too.
_CHANGES_BESIDE: Final = 8
_FALSE_BESIDE: Final = 4
# So few resets tell no time of day; a clock changes by an hour, and a reading may come an hour later.
_FEW_RESETS: Final = 3
_SAME_TIME_US: Final = 2 * HOUR_US


def reading_deltas(readings: Floats, rollover: float | bool) -> Floats:
    """The deltas of a running total from each reading to the next; all readings are finite.

    A number as `rollover` is the size of the register, which counts up to it and goes on from 0: a drop by more than
    half of it is such a roll-over. With True, and with a number where the drop is smaller, a reading below half of the
    one before it is a reset: it has counted from 0 since. A smaller drop is a correction, and a negative delta. With
    False every drop is a negative delta.

    >>> reading_deltas(np.array([990.0, 998.0, 3.0, 2.5]), 1000.0)
    array([ 8. ,  5. , -0.5])
    >>> reading_deltas(np.array([990.0, 998.0, 3.0]), True)
    array([8., 3.])
    """
    before, after = readings[:-1], readings[1:]
    deltas: Floats = after - before
    if rollover is False:
        return deltas
    rolled = np.zeros(len(deltas), dtype=bool) if rollover is True else deltas < -rollover / 2
    reset = ~rolled & (after >= 0) & (after < before / 2)
    return np.where(rolled, deltas + float(rollover), np.where(reset, after, deltas))


def false_readings(ts_us: Instants, readings: Floats, rollover: float | bool, reach_us: int) -> Bools:
    """Which readings are spikes: zeros and other absurd values that a meter which only counts up cannot have shown.

    Each flat run is judged by the readings around it as they came, none of them further than `reach_us` from the next,
    so that they are the same whatever the span of a read is. With a `rollover` of False none are false.

    >>> hours = np.arange(5) * 3_600_000_000
    >>> false_readings(hours, np.array([1000.0, 1001, 0, 1003, 1004]), True, 3 * 3_600_000_000)
    array([False, False,  True, False, False])
    """
    result, falls = np.zeros(len(readings), dtype=bool), readings[1:] < readings[:-1] / 2
    if rollover is False or not (falls | (readings[1:] / 2 > readings[:-1])).any():
        return result
    starts = np.flatnonzero(np.diff(readings, prepend=np.nan) != 0)  # of the flat runs
    first, after = starts[1:-1], starts[2:]
    held, odd, found = readings[first - 1], readings[first], readings[after]
    across_us = ts_us[after] - ts_us[first - 1]
    # A high one comes back down, as a meter exchanged for one that shows more does not. From 0 up and back to 0 goes a
    # counter that is set back each day.
    leaps = (odd < held / 2) | ((odd / 2 > held) & (found < odd) & (held > 0))
    near = leaps & (held >= 0) & (found >= held) & (across_us <= reach_us)
    first, after, is_low = first[near], after[near], (odd < held)[near]
    apart_us = np.diff(ts_us)
    rates = reading_deltas(readings, rollover) / apart_us
    implied = np.maximum(rates[first - 1], rates[after - 1])
    # Of the steps beside it, one over a long time is not looked at, and one that falls is not compared.
    falls &= apart_us <= reach_us
    rates[falls | (apart_us > reach_us)] = -np.inf
    falls, rates = np.append(falls, [False] * 2), np.append(rates, [-np.inf] * 2)  # index -1: before the first reading
    usual = np.maximum(np.maximum(rates[first - 2], rates[after]), ((found - held) / across_us)[near])
    is_set_back = np.where(is_low, falls[after], falls[first - 2])  # as a counter that falls again and again
    for place in np.flatnonzero((implied > _SPIKE_RATIO * usual) & ~is_set_back):
        result[first[place] : after[place]] = True
    return result


def doubtful_steps(ts_us: Instants, readings: Floats, rollover: float | bool) -> Places:
    """The steps that add far more than the meter usually does, near a drop that was taken for a reset or a roll-over.

    Step `i` is that from reading `i` to the next. It is such a drop, or more than doubles the reading: a rise after a
    drop that reaches the reading before it, or one before a drop that does not lead below where it began. And it adds
    over ten times what most changes of the reading around it do, in all and per time. Where there are too few changes
    nothing is usual, and no step is doubtful; nor is one near a drop of a meter that is set back each day.

    >>> hours = np.arange(20)
    >>> doubtful_steps(hours * 3_600_000_000, np.where((hours == 8) | (hours == 10), 0, 1000.0 + hours), True)
    array([ 8, 10])
    """
    if not (readings[1:] < readings[:-1]).any():  # as of most meters
        return np.empty(0, dtype=np.intp)
    changed = np.flatnonzero(np.diff(readings) != 0)
    deltas = reading_deltas(readings, rollover)[changed]
    is_drop = deltas != np.diff(readings)[changed]
    drops = np.flatnonzero(is_drop)
    if not len(drops):
        return drops
    before, after = readings[changed], readings[changed + 1]
    leaps = after / 2 > before
    # The levels between which a drop lies; a leap right beside it is part of what may be false (0, 1e7).
    held = before[drops - np.append(False, leaps)[drops]]
    found = after[np.minimum(drops + np.append(leaps, False)[drops + 1], len(changed) - 1)]
    suspect = np.flatnonzero(is_drop | leaps)
    later = np.searchsorted(drops, suspect)
    last, following = np.maximum(later - 1, 0), np.minimum(later, len(drops) - 1)
    is_back = (later > 0) & (suspect - drops[last] <= _CHANGES_BESIDE) & (after[suspect] >= held[last])
    is_high = (abs(drops[following] - suspect) <= _CHANGES_BESIDE) & (found[following] >= before[suspect])
    # Before a true reset all is above where it begins anew, and after it all is below what was; false ones jump back.
    since, until = np.maximum(drops - _CHANGES_BESIDE, 0), np.minimum(drops + _CHANGES_BESIDE, len(changed) - 1)
    is_apart = np.diff(drops) > _CHANGES_BESIDE
    is_reset = np.append(True, is_apart) & np.append(is_apart, True) & (before[since] > found) & (after[until] < held)
    is_reset &= (deltas == after)[drops]
    is_odd = ~_set_back_daily(ts_us[changed + 1][drops], is_reset, int(np.ptp(ts_us)))
    is_back &= is_odd[last]
    is_high &= is_odd[following] & (later < len(drops))
    suspect = suspect[(is_drop[suspect] & is_odd[following]) | is_back | is_high]
    is_doubtful = np.ones(len(suspect), dtype=bool)
    for growth in (deltas, deltas / np.diff(ts_us)[changed]):
        padded = np.pad(np.where(is_drop, -np.inf, growth), _CHANGES_BESIDE, constant_values=-np.inf)
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _CHANGES_BESIDE + 1)[suspect]
        usual = np.partition(around, -_FALSE_BESIDE - 1, axis=1)[:, -_FALSE_BESIDE - 1]
        is_doubtful &= (usual > 0) & (growth[suspect] > _SPIKE_RATIO * usual)
    steps: Places = changed[suspect[is_doubtful]]
    return steps


def _set_back_daily(ts_us: Instants, is_reset: Bools, length_us: int) -> Bools:
    """Which drops are at the time of day at which most of several resets are; all, where there is one on most days."""
    times_us = np.sort(ts_us[is_reset] % DAY_US)
    if (count := len(times_us)) <= _FEW_RESETS:
        return np.zeros(len(ts_us), dtype=bool)
    two_days_us = np.append(times_us, times_us + DAY_US)
    alike = np.searchsorted(two_days_us, times_us + _SAME_TIME_US, side="right") - np.arange(count)
    if 2 * alike.max() <= count:
        return np.full(len(ts_us), 2 * count * DAY_US > length_us)
    usual: Bools = (ts_us - times_us[alike.argmax()]) % DAY_US <= _SAME_TIME_US
    return usual
