"""A setting that may differ from point to point: one value for all, or a mapping by id, label or unit."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hsframe.errors import MetadataError
from hsframe.frame.points import ColumnLabel, Point


def per_point(setting: Any, points: Sequence[Point], labels: Sequence[ColumnLabel], name: str) -> list[Any]:
    """A setting for each point: one for all, or from a mapping, and None for a point that it does not name.

    The keys of a mapping are ids (with ``@`` or without), labels of columns, display names or units, looked up in this
    order; a MetadataError, which calls the setting `name`, for a key that names no point.

    >>> points = [Point("a", "Fan", "kW"), Point("b", "Meter", "kWh")]
    >>> per_point({"kWh": "delta", "@a": "max"}, points, ["Fan", "Meter"], "agg")
    ['max', 'delta']
    """
    if not isinstance(setting, Mapping):
        return [setting] * len(points)
    found, used = [], set()
    for point, label in zip(points, labels, strict=True):
        named = [key for key in keys_of(point, label) if key in setting]
        used.update(named)
        found.append(setting[named[0]] if named else None)
    if stray := [key for key in setting if key not in used]:
        what = "values, as they are read" if name == "units" else "points"
        known = dict.fromkeys([*map(str, labels), *(p.unit for p in points if p.unit), *("@" + p.id for p in points)])
        raise MetadataError(
            f"{name}= names {stray[0]!r}, which is not an id, label or unit of these {what}; "
            + did_you_mean(stray[0], known)
        )
    return found


def keys_of(point: Point, label: ColumnLabel) -> list[ColumnLabel]:
    """What may stand for a point in a mapping, the first before the others."""
    return [key for key in ("@" + point.id, point.id, label, point.dis, point.unit) if key is not None]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: those that are nearest to it, or the first ones."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=3) or names[:5]
    return f"did you mean {' or '.join(map(repr, near))}?"
