"""The arithmetic of samples over intervals, in NumPy: no units, no points, no zones.

Here a history is a function of time. A step function has the value of the last sample; a linear one goes straight
from a sample to the next. Where it is not known it has no value: before the first sample, after one that is not a
number (NA), and over a gap that is too long. Each interval is summed by itself, never as the difference of two
running totals: one absurd sample (1e38, as a broken sensor sends) must not eat the digits of all that follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hsframe.arrays import Bools, Floats, Instants, Places
from hsframe.intervals.truth import FALSE, TRUE, Truth


class _Segments(NamedTuple):
    """Where each piece lies on the line between two samples; its middle is left * (1 - share) + right * share."""

    left: Places  # the sample before, 0 where `inside` is False
    inside: Bools  # whether the piece is between two samples
    share: Floats
    part: Floats  # the share of the piece in the time between the two samples
    apart_us: Instants  # that time


@dataclass(eq=False)
class IntervalSamples:
    """Samples, their instants strictly increasing, and the intervals that they fall into: [edges[i], edges[i + 1]).

    Points that were read together share their instants and one of these, so that each search is done once. With `where`
    only that part of each interval counts in which it is true.
    """

    ts_us: Instants
    edges_us: Instants
    where: Truth | None = None

    @property
    def count(self) -> int:
        """How many intervals there are."""
        return len(self.edges_us) - 1

    @cached_property
    def bounds(self) -> Places:
        """The samples of interval `i` are those from bounds[i] up to bounds[i + 1]."""
        return np.searchsorted(self.ts_us, self.edges_us, side="left")

    @cached_property
    def sample_at(self) -> Places:
        """For each edge the last sample at or before it, -1 where there is none."""
        return np.searchsorted(self.ts_us, self.edges_us, side="right") - 1

    @cached_property
    def parts(self) -> tuple[IntervalSamples, Places, Bools, Bools]:
        """The intervals divided where `where` changes: these, the interval of each, if it counts, and if it may.

        Where nothing is known of `where`, a part may count.
        """
        if self.where is None:
            every = np.ones(self.count, dtype=bool)
            return self, np.arange(self.count), every, every
        where = self.where.clip(int(self.edges_us[0]), int(self.edges_us[-1]))
        edges_us = np.unique(np.append(self.edges_us, where.edges_us))
        codes = where.at(edges_us[:-1])
        owner = np.searchsorted(self.edges_us, edges_us[:-1], side="right") - 1
        return IntervalSamples(self.ts_us, edges_us), owner, codes == TRUE, codes != FALSE

    @cached_property
    def lengths_us(self) -> Instants:
        """For how long each interval counts, or may count."""
        parts, owner, _, may = self.parts
        found: Instants = np.zeros(self.count, dtype=np.int64)
        np.add.at(found, owner[may], np.diff(parts.edges_us)[may])
        return found

    @cached_property
    def _counts(self) -> Bools:
        """Whether each piece counts."""
        if self.where is None:
            return np.ones(len(self._pieces[1]), dtype=bool)
        counts: Bools = self.where.at(self._pieces[0][:-1]) == TRUE
        return counts

    @cached_property
    def is_counted(self) -> Bools:
        """Whether each sample counts."""
        return np.ones(len(self.ts_us), dtype=bool) if self.where is None else self.where.at(self.ts_us) == TRUE

    @cached_property
    def _pieces(self) -> tuple[Instants, Places, Places]:
        """The intervals divided at the samples: the edges of the pieces, sample before each, interval of each."""
        first, last = int(self.bounds[0]), int(self.bounds[-1])
        breaks = np.concatenate([self.parts[0].edges_us, self.ts_us[first:last]])
        breaks.sort(kind="stable")  # two sorted runs: this merges them
        if (breaks[1:] == breaks[:-1]).any():
            breaks = breaks[np.append(True, breaks[1:] != breaks[:-1])]
        before = np.searchsorted(self.ts_us, breaks[:-1], side="right") - 1
        owner = np.searchsorted(self.edges_us, breaks[:-1], side="right") - 1
        return breaks, before, owner

    @cached_property
    def _segments(self) -> _Segments:
        breaks, before, _ = self._pieces
        inside = (before >= 0) & (before < len(self.ts_us) - 1)
        left = np.where(inside, before, 0)
        apart_us = np.diff(self.ts_us)[left]
        piece = np.diff(breaks)
        share = (breaks[:-1] - self.ts_us[left] + piece / 2) / apart_us
        return _Segments(left, inside, share, piece / apart_us, apart_us)

    def held_until(self, gap_us: int | Instants, now_us: int) -> Instants:
        """Up to where each sample holds: the next one or, for the last, `now_us`; at most `gap_us` long (each)."""
        ends = np.empty_like(self.ts_us)
        if len(ends):
            ends[:-1] = self.ts_us[1:]
            ends[-1] = max(now_us, int(self.ts_us[-1]))
        held: Instants = np.minimum(ends, self.ts_us + gap_us)
        return held

    def step_places(self, gap_us: int, now_us: int) -> Places:
        """For each edge the place of the sample that holds there, -1 where none does."""
        place = self.sample_at
        if not len(self.ts_us):
            return place
        held = self.held_until(gap_us, now_us)[place]
        holds = (place >= 0) & ((self.edges_us < held) | (self.edges_us == self.ts_us[place]))
        return np.where(holds, place, -1)

    def linear_at(self, values: Floats, gap_us: int) -> Floats:
        """The value of the linear function at each edge, NaN where it has none."""
        place = self.sample_at
        result = np.full(len(place), np.nan)
        if not len(self.ts_us):
            return result
        exact = (place >= 0) & (self.ts_us[place] == self.edges_us)
        result[exact] = values[place[exact]]
        between = np.flatnonzero(~exact & (place >= 0) & (place < len(self.ts_us) - 1))
        left = place[between]
        length = self.ts_us[left + 1] - self.ts_us[left]
        share = (self.edges_us[between] - self.ts_us[left]) / length
        a, b = values[left], values[left + 1]
        known = (length <= gap_us) & np.isfinite(a) & np.isfinite(b)
        result[between[known]] = (a * (1 - share) + b * share)[known]
        return result

    def _step_lengths(self, known: Bools, gap_us: int | Instants, now_us: int) -> Instants:
        """For how many microseconds of each piece a sample holds that is known."""
        breaks, before, _ = self._pieces
        if not len(self.ts_us):
            return np.zeros(len(before), dtype=np.int64)
        held = np.minimum(breaks[1:], self.held_until(gap_us, now_us)[before]) - breaks[:-1]
        return np.where((before >= 0) & known[before] & self._counts, np.maximum(held, 0), 0)

    def step_area(self, values: Floats, gap_us: int | Instants, now_us: int) -> tuple[Floats, Floats]:
        """Value x microseconds of the step function in each interval, and over how many microseconds it is known."""
        _, before, owner = self._pieces
        if not len(self.ts_us):
            return np.zeros(self.count), np.zeros(self.count)
        lengths = self._step_lengths(np.isfinite(values), gap_us, now_us)
        return self._summed(np.where(lengths > 0, values[before], 0.0) * lengths, owner), self._summed(lengths, owner)

    def state_times(self, codes: Places, states: int, gap_us: int, now_us: int) -> Floats:
        """How many microseconds of each interval (row) each state (column) holds; a code of -1 is not known."""
        _, before, owner = self._pieces
        lengths = self._step_lengths(codes >= 0, gap_us, now_us)
        held = lengths > 0
        cells = owner[held] * states + codes[before[held]]
        times = np.bincount(cells, weights=lengths[held], minlength=self.count * states)
        return times.reshape(self.count, states).astype(np.float64, copy=False)

    def rises(self, codes: Places, gap_us: int, now_us: int) -> Instants:
        """How many samples of each interval have code 1 where 0 had held up to them."""
        joined = self.held_until(gap_us, now_us)[:-1] == self.ts_us[1:]
        rising = np.append(False, joined & (codes[:-1] == 0) & (codes[1:] == 1))
        return self.sample_counts(rising[: len(codes)] & self.is_counted)

    def linear_area(self, values: Floats, gap_us: int) -> tuple[Floats, Floats]:
        """Value x microseconds of the linear function in each interval, and over how many microseconds it is known."""
        breaks, _, owner = self._pieces
        if len(self.ts_us) < 2:
            return np.zeros(self.count), np.zeros(self.count)
        pieces = self._segments
        left, right = values[pieces.left], values[pieces.left + 1]
        known = pieces.inside & (pieces.apart_us <= gap_us) & np.isfinite(left) & np.isfinite(right) & self._counts
        lengths = np.where(known, np.diff(breaks), 0)
        middle = np.where(known, left, 0.0) * (1 - pieces.share) + np.where(known, right, 0.0) * pieces.share
        return self._summed(middle * lengths, owner), self._summed(lengths, owner)

    def _summed(self, weights: Any, owner: Places) -> Floats:
        return np.bincount(owner, weights=weights, minlength=self.count).astype(np.float64, copy=False)

    def linear_deltas(self, deltas: Floats, joined: Bools, gap_us: int) -> Floats:
        """The delta of each interval, NaN without a reading at both edges; between samples they are spread evenly.

        `deltas` are those from each sample to the next; `joined` is False where an unknown sample lies between the
        two. More than `gap_us` between two samples is not divided: an edge within has no reading.
        """
        if len(self.ts_us) < 2:
            return np.full(self.count, np.nan)
        _, _, owner = self._pieces
        pieces = self._segments
        sums = self._summed(np.where(pieces.inside, deltas[pieces.left] * pieces.part, 0.0), owner)
        place = self.sample_at
        exact = (place >= 0) & (self.ts_us[place] == self.edges_us)
        within = (place >= 0) & (place < len(self.ts_us) - 1)
        start = np.where(within, place, 0)
        known = exact | (within & joined[start] & (np.diff(self.ts_us)[start] <= gap_us))
        return np.where(known[:-1] & known[1:], sums, np.nan)

    def step_deltas(self, deltas: Floats, known: Bools) -> Floats:
        """As :meth:`linear_deltas`, where a reading holds up to the next; `known` is whether one holds at each edge."""
        # A reading at the end of an interval is the one that it ends with.
        owner = np.searchsorted(self.edges_us, self.ts_us[1:], side="left") - 1
        inside = (owner >= 0) & (owner < self.count)
        sums = self._summed(deltas[inside], owner[inside])
        return np.where(known[:-1] & known[1:], sums, np.nan)

    def sample_counts(self, valid: Bools) -> Instants:
        """How many samples with a value each interval has."""
        running = np.append(0, np.cumsum(valid))
        return np.diff(running[self.bounds])

    def reduced(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """The samples of each interval reduced by a ufunc, NaN where there are none."""
        starts, end = self.bounds[:-1], int(self.bounds[-1])
        filled = starts < self.bounds[1:]
        result = np.full(self.count, np.nan)
        if filled.any():
            with np.errstate(invalid="ignore"):  # inf - inf in a sum is NaN, and that is the answer
                result[filled] = ufunc.reduceat(values[:end], starts[filled])
        return result

    def first_or_last(self, valid: Bools, *, last: bool) -> Places:
        """The place of the first or last sample with a value in each interval, -1 where there is none."""
        places = np.flatnonzero(valid)
        bounds = np.searchsorted(places, self.bounds, side="left")
        found = np.full(self.count, -1, dtype=np.intp)
        filled = bounds[:-1] < bounds[1:]
        found[filled] = places[bounds[1:][filled] - 1 if last else bounds[:-1][filled]]
        return found
