"""Conditions: ``"@fan-run"``, true where the point is, or ``("@oat", ">", Number(65, "°F"))``.

They are about time and not about samples: a value holds, or is on the line between two samples, as its point's kind
and record say (``docs/explanation/intervals.md``), and the condition with it. So a line crosses a limit between two
samples.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning, UnitError, ZoneError, check_choice
from hsframe.frame.histories import History
from hsframe.frame.per_point import did_you_mean
from hsframe.frame.tracks import tracks_of
from hsframe.intervals.resample import values_of
from hsframe.intervals.rules import Rule
from hsframe.intervals.samples import IntervalSamples
from hsframe.intervals.truth import FALSE, UNKNOWN, Truth, Windows
from hsframe.kinds import ID, Number, Ref
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.unit_array.scalars import unit_of
from hsframe.units import convert, convertible, delta

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Condition: TypeAlias = "str | Ref | tuple[str | Ref, Operator, Number | float | str | bool]"
"""A point that is true, or one, an operator and what its value is compared with."""
Where: TypeAlias = "Condition | pd.Series[Any] | pd.DataFrame | list[Condition | pd.Series[Any] | pd.DataFrame]"
"""When something holds: a condition, a mask, the windows of a frame of episodes, or a list of these that all hold."""

_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt},
    **{"<=": operator.le, ">": operator.gt, ">=": operator.ge},
}


def conditions_of(where: object) -> list[object]:
    """The conditions of a list, which all have to hold, or the only one."""
    if not isinstance(where, list):
        return [where]
    if not where:
        raise MetadataError("an empty list is no condition; expected one or several, as ['@fan-run', '@occupied']")
    return where


def parse_condition(condition: object) -> tuple[str | Ref, str, Any]:
    """The point of a condition, its operator and what its value is compared with; a MetadataError for anything else."""
    is_no_id = isinstance(condition, str) and condition.startswith("@") and not ID.pattern.fullmatch(condition[1:])
    if isinstance(condition, str | Ref) and not is_no_id:
        return condition, "==", True
    if not isinstance(condition, tuple) or len(condition) != 3 or not isinstance(condition[0], str | Ref):
        given = repr(condition) if isinstance(condition, str | tuple) else f"a value of type {type(condition).__name__}"
        raise MetadataError(
            f"{given} is no condition; expected a point of kind Bool, as '@fan-run', or a point, an operator and a "
            "value, as ('@oat', '>', hsframe.Number(65, '°F')); a list of conditions that all hold; of a frame also a "
            "Series of bool, as pd.Series(mask, df.index)"
        )
    check_choice("the operator of a condition", condition[1], list(_OPERATORS))
    return condition


def truth_of(histories: Iterable[History], condition: object, rule: Rule, now_us: int) -> Truth:
    """When a condition holds, by the samples of its point; the last one that holds does so up to `now_us`.

    A null cell is not a sample. NA, and a gap that is too long for `rule`, is not known. Where it does not hold at a
    sample, that is known for a microsecond at least, so that an episode which ends or begins there is not cut there.
    """
    _, sign, wanted = parse_condition(condition)
    (track,) = tracks_of([replace(history, sparse=True) for history in histories], drop_null=True)
    point, (array, kind) = track.point, values_of(track)
    if kind != ("Str" if isinstance(wanted, str) else "Bool" if isinstance(wanted, bool | np.bool_) else "Number"):
        raise MetadataError(f"{condition!r} compares {wanted!r} with {point}, whose values are {kind}; {_advice(kind)}")
    compare, known = _OPERATORS[sign], ~np.asarray(pd.isna(array), dtype=bool)
    if kind == "Str":
        if sign not in ("==", "!="):
            raise MetadataError(f"{condition!r} compares texts, which are equal or not; {_advice(kind)}")
        states = point.states or ()
        if states and wanted not in states and wanted not in array:
            warn_caller(
                f"{condition!r} compares with {wanted!r}, which is none of the {len(states)} states in the tag enum of "
                f"{point}, nor among its values; {did_you_mean(wanted, states)}",
                ReadWarning,
            )
        holds = compare(np.asarray(array, dtype=object), wanted)
        values, limit = np.zeros(len(known)), 0.0
    else:
        values = pd.Series(array).to_numpy(dtype=np.float64, na_value=np.nan)
        limit, unit = float(wanted), unit_of_dtype(array.dtype)
        if (own := unit_of(wanted)) is not None and own != unit:
            if unit is None or not convertible(own, unit):
                hint = f"; a difference is in {delta(own)}" if unit and convertible(delta(own), unit) else ""
                raise UnitError(f"{condition!r} compares with {own}, and {point} is in {unit or 'no unit'}{hint}")
            limit = convert(limit, own, unit)
        known &= np.isfinite(values)
        values = np.where(known, values, np.nan)
        holds = compare(values, limit)
    ts_us, is_false = track.ts_us, known & ~np.asarray(holds, dtype=bool)
    if rule.is_step or kind != "Number":
        held_us = IntervalSamples(ts_us, ts_us[:0]).held_until(rule.gap_us, now_us)
        return Truth.of_pieces(ts_us, np.maximum(held_us, ts_us + is_false), np.where(known, holds, UNKNOWN))
    # On the line from one sample to the next it changes once at most: where that crosses the limit.
    begin, end = values[:-1], values[1:]
    starts_us, apart_us = ts_us[:-1], np.diff(ts_us)
    is_line = known[:-1] & known[1:] & (apart_us <= rule.gap_us)
    crosses = is_line & (holds[:-1] != holds[1:])
    share = np.divide(limit - begin, end - begin, out=np.ones(len(begin)), where=crosses)
    # Of a false sample at the limit a microsecond at least.
    until_us = np.maximum(np.round(share * apart_us).astype(np.int64), is_false[:-1])
    middle_us = starts_us + np.where(is_line, until_us, 1)
    first = np.where(is_line | is_false[:-1], holds[:-1], UNKNOWN)
    between_us = np.stack([starts_us, middle_us], axis=1).ravel()
    edges_us = np.concatenate([ts_us[:1] - 1, between_us, ts_us[-1:], ts_us[-1:] + 1])
    codes = np.stack([first, np.where(is_line, holds[1:], UNKNOWN)], axis=1).ravel()
    ends = np.where(is_false, FALSE, UNKNOWN)
    return Truth.of_pieces(edges_us[:-1], edges_us[1:], np.concatenate([ends[:1], codes, ends[-1:]]))


def _advice(kind: str) -> str:
    examples = {"Bool": "'@fan-run' or ('@fan-run', '==', False)", "Str": "('@mode', '==', 'occupied')"}
    return f"expected a condition like {examples.get(kind, '''('@oat', '>', hsframe.Number(65, '°F'))''')}"


def windows_of(episodes: pd.DataFrame) -> Windows:
    """The starts and ends of a frame of episodes, in their order; a MetadataError or ZoneError where it is none."""
    found = []
    for name in ("start", "end"):
        times = episodes.get(name) if isinstance(episodes, pd.DataFrame) else None
        if times is None or not isinstance(times.dtype, pd.DatetimeTZDtype):
            error = ZoneError if times is not None and times.dtype.kind == "M" else MetadataError
            raise error(
                f"episodes are a frame with zone-aware times in its columns 'start' and 'end', as df.hs.episodes(...) "
                f"gives it; {name!r} is {'not there' if times is None else times.dtype}"
            )
        found.append(pd.DatetimeIndex(times).as_unit("us").asi8)
    if len(wrong := np.flatnonzero((found[0] >= found[1]) | episodes[["start", "end"]].isna().any(axis=1).to_numpy())):
        row = episodes.iloc[wrong[0]]
        raise MetadataError(
            f"episode {episodes.index[wrong[0]]!r} must end after it starts: {row['start']}, {row['end']}"
        )
    return found[0], found[1]
