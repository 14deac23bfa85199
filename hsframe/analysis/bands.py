"""States over time as bands: a row a column, a colour a state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from hsframe.analysis.picture_style import COLOURS, GREY, LEGEND
from hsframe.arrays import Floats
from hsframe.frame.flags import FLAG_DTYPE
from hsframe.kinds import Ref

_HATCHES: Final = ("", "///")
_MOST_RUNS, _CELLS = 4000, 2000


class Band(NamedTuple):
    """A row: from `edges[i]` up to `edges[i + 1]` it is in the state `states[i]`, or nothing is known ("")."""

    name: str
    edges: Floats
    states: Sequence[str]


def state_codes(column: pd.Series[Any]) -> tuple[Floats, list[str]] | None:
    """The places of the states of a column, NaN where there is none, and their names; None where it has no states."""
    dtype = column.dtype
    if dtype == FLAG_DTYPE:
        return None
    if pd.api.types.is_bool_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), ["false", "true"]
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        if not column.notna().any() or not all(isinstance(cell, str | bool | Ref) for cell in column.dropna()):
            return None
        column = column.map(str, na_action="ignore")
    elif not isinstance(dtype, pd.CategoricalDtype | pd.StringDtype):
        return None
    codes, names = pd.factorize(column)
    return np.where(codes < 0, np.nan, codes), [str(name) or '""' for name in names]


def band(name: str, starts: Floats, codes: Floats, names: Sequence[str], last: float) -> Band:
    """The row of a column: a state holds up to the next start, the last one to `last`.

    Where it changes more often than a picture can show, a moment in which there are several states is "several".
    """
    edges, states = np.append(starts, last), np.where(np.isnan(codes), -1, codes).astype(np.int64)
    changes = np.append(True, states[1:] != states[:-1])[: len(states)]
    edges, states, names = np.append(edges[:-1][changes], edges[-1:]), states[changes], [*names, "several", ""]
    if len(states) > _MOST_RUNS:
        cells = np.linspace(edges[0], edges[-1], _CELLS + 1)
        first, after = np.searchsorted(edges, cells[:-1], side="right"), np.searchsorted(edges, cells[1:], side="left")
        edges, states = cells, np.where(first == after, states[first - 1], len(names) - 2)
    return Band(name, edges, [names[state] for state in states.tolist()])


def draw_bands(axis: Any, bands: Sequence[Band]) -> None:
    """Draw rows from above; frequent states have a colour each, and the others are one."""
    from matplotlib import patches

    counts = Counter(state for one in bands for state in one.states if state)
    named = {"false": (GREY, ""), "true": (COLOURS[0], ""), "several": ("#555555", "")}
    plain = [state for state, _ in counts.most_common() if state not in named]
    # In grey print every second one is told from its neighbours by its hatch.
    styles = [(colour, _HATCHES[(place + turn) % 2]) for turn in (0, 1) for place, colour in enumerate(COLOURS[1:])]
    named |= dict(zip(sorted(plain[: len(styles)], key=list(counts).index), styles, strict=False))
    looks = {state: look for state, look in named.items() if state in counts}
    others = (f"{len(plain) - len(styles)} others", ("#B0B0B0", "..."))
    ends = [edge for one in bands if len(one.edges) > 1 for edge in (one.edges[0], one.edges[-1])]
    width = (max(ends) - min(ends) if ends else 0.0) or 0.1
    for row, one in enumerate(bands):
        lengths = np.diff(one.edges)
        lengths[-1:] = np.maximum(lengths[-1:], width / 300)  # of rows that nobody read further
        drawn = [state if state in looks else others[0] if state else "" for state in one.states]
        for state in dict.fromkeys(filter(None, drawn)):
            colour, hatch = looks.get(state, others[1])
            bars = [(one.edges[place], lengths[place]) for place, own in enumerate(drawn) if own == state]
            axis.broken_barh(bars, (row - 0.38, 0.76), facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0)
    if len(plain) > len(styles):
        looks[others[0]] = others[1]
    axis.set_yticks(range(len(bands)), [one.name for one in bands], fontsize="small")
    axis.set_ylim(len(bands) - 0.5, -0.5)
    handles = [
        patches.Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=state)
        for state, (colour, hatch) in looks.items()
    ]
    axis.legend(handles=handles, **LEGEND)
