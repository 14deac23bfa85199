"""When something is so: a function of time that is true, false or not known, and the episodes in which it is true.

All is NumPy on one shape, instants and a code for each piece between two of them: no points, no units, no zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hsframe.arrays import Codes, Instants

Windows: TypeAlias = tuple[Instants, Instants]
"""The starts and the ends of half-open windows [start, end)."""

TRUE, FALSE, UNKNOWN = 1, 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Piece `i` is [edges_us[i], edges_us[i + 1]), and `codes[i]` is TRUE, FALSE or UNKNOWN; beyond it is UNKNOWN."""

    edges_us: Instants
    codes: Codes

    @classmethod
    def of_pieces(cls, starts_us: Instants, ends_us: Instants, codes: npt.ArrayLike) -> Truth:
        """Of pieces in order that do not overlap; what is between two of them is not known.

        >>> Truth.of_pieces(np.array([0, 5]), np.array([5, 7]), [1, 0]).codes
        array([1, 0], dtype=int8)
        """
        edges_us = np.stack([starts_us, ends_us], axis=1).ravel()
        found = np.stack([codes, np.full(len(starts_us), UNKNOWN)], axis=1).ravel().astype(np.int8)
        has_length = np.diff(edges_us) > 0
        return cls(np.append(edges_us[:-1][has_length], edges_us[-1:]), found[:-1][has_length])

    @classmethod
    def of_windows(cls, windows: Windows) -> Truth:
        """True within some windows in any order, which may overlap, and false between and around them."""
        starts_us, ends_us = union(windows)
        ever = np.iinfo(np.int64)
        edges_us = np.unique([ever.min, *np.stack([starts_us, ends_us], axis=1).ravel().tolist(), ever.max])
        return cls(edges_us, (np.arange(len(edges_us) - 1) % 2).astype(np.int8))

    @classmethod
    def all_of(cls, truths: Sequence[Truth]) -> Truth:
        """True where all are, and false where one of them is, whatever is known of the others.

        >>> Truth.all_of([Truth(np.array([0, 4, 9]), np.array([1, 0])), Truth(np.array([2, 7]), np.array([1]))])
        Truth(edges_us=array([0, 2, 4, 7, 9]), codes=array([-1,  1,  0,  0], dtype=int8))
        """
        edges_us = np.unique(np.concatenate([one.edges_us for one in truths]))
        codes = np.stack([one.at(edges_us[:-1]) for one in truths])
        is_false = (codes == FALSE).any(axis=0)
        return cls(edges_us, np.where(is_false, FALSE, codes.min(axis=0)).astype(np.int8))

    def at(self, ts_us: Instants) -> Codes:
        """The code at each of some instants."""
        places = np.searchsorted(self.edges_us, ts_us, side="right") - 1
        return np.append(self.codes, np.int8(UNKNOWN))[np.where(places < len(self.codes), places, -1)]

    def clip(self, start_us: int, end_us: int) -> Truth:
        """What it is in [start, end), with one piece from each change to the next."""
        inside = self.edges_us[(self.edges_us > start_us) & (self.edges_us < end_us)]
        edges_us = np.unique(np.append(inside, [start_us, max(start_us, end_us)]))
        codes = self.at(edges_us[:-1])
        changes = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
        return Truth(np.append(edges_us[:-1][changes], edges_us[-1:]), codes[changes])

    def trimmed(self) -> Truth:
        """From the first to the last instant at which it is known."""
        known = np.flatnonzero(self.codes != UNKNOWN)
        first, end = (known[0], known[-1] + 1) if len(known) else (0, 0)
        return Truth(self.edges_us[first : end + 1], self.codes[first:end])

    @classmethod
    def all_known(cls, truths: Sequence[Truth]) -> Truth:
        """True where all are, from the first to the last instant at which each of them is known."""
        known = [one.trimmed() for one in truths]
        if not all(len(one.codes) for one in known):
            return known[0].clip(0, 0)
        return cls.all_of(known).clip(max(one.edges_us[0] for one in known), min(one.edges_us[-1] for one in known))

    def episodes(self, merge_us: int = 0, least_us: int = 0) -> Windows:
        """The windows in which it is true: those at most `merge_us` apart are one, and shorter ones are left out then.

        One at either end was cut there, so nobody knows how long it is: it stays however short.

        >>> truth = Truth(np.array([0, 3, 4, 6, 20, 21, 30]), np.array([1, 0, 1, 0, 1, -1], dtype=np.int8))
        >>> truth.episodes(merge_us=1, least_us=2)
        (array([0]), array([6]))
        """
        is_true = np.concatenate([[False], self.codes == TRUE, [False]])
        starts_us, ends_us = self.edges_us[np.flatnonzero(is_true[1:] != is_true[:-1])].reshape(-1, 2).T
        starts_us, ends_us = union((starts_us, ends_us), merge_us)
        is_cut = np.isin(starts_us, self.edges_us[:1]) | np.isin(ends_us, self.edges_us[-1:])
        kept = (ends_us - starts_us >= least_us) | is_cut
        return starts_us[kept], ends_us[kept]


def union(windows: Windows, merge_us: int = 0) -> Windows:
    """Windows in any order, which may overlap, as those in order that are more than `merge_us` apart."""
    order = np.argsort(windows[0], kind="stable")
    starts_us, ends_us = windows[0][order], np.maximum.accumulate(windows[1][order])
    is_apart = starts_us[1:] - ends_us[:-1] > merge_us
    first, last = np.append(True, is_apart)[: len(order)], np.append(is_apart, True)[: len(order)]
    return starts_us[first], ends_us[last]
