"""What the columns of a frame are called: ``header=``.

=======================================  ==============================================================================
`header`                                 the labels
=======================================  ==============================================================================
``"dis"``, ``"id"``                      display names, ids
``"navName"`` or any tag                 what the tag says; of a Ref the display name
``"equipRef->dis"``                      a tag of the record that a Ref points to, and so on, as in a filter
``("equipRef->dis", "navName")``         several of these: columns in levels, named by them
a function of the record                 what it gives, a text, or a tuple of texts for levels; see below
=======================================  ==============================================================================

Where a point has no such tag its label is the display name, and a ReadWarning says so. Labels that are equal are made
unique with the id, in levels at the last one. A function is given the tags of the record as a dict of Python values, as
:meth:`hsframe.Client.read` gives them; ``dis``, the display name, is always in it. Where only the grid of a history is
known, it has ``id``, ``dis``, ``unit``, ``tz`` and ``kind``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.points import COLUMN_LEVELS, ColumnLabel, Point
from hsframe.kinds import NAME, Marker, Ref
from hsframe.protocol.answers import python_value

_Label = TypeVar("_Label", bound=ColumnLabel)
Header = str | tuple[str, ...] | Callable[[dict[str, Any]], ColumnLabel]

_EXPECTED = "expected 'dis', 'id', a tag, a path such as 'equipRef->dis', a tuple of these, or a function of the record"


def levels_of(header: Header) -> tuple[str, ...]:
    """The tags and paths of a header, none of a function; a MetadataError for what is no header."""
    if callable(header):
        return ()
    levels = (header,) if isinstance(header, str) else header
    if not isinstance(levels, tuple | list) or not levels or not all(map(_is_path, levels)):
        raise MetadataError(f"header={header!r} is unknown; {_EXPECTED}")
    if not isinstance(header, str) and (taken := [level for level in levels if level in COLUMN_LEVELS]):
        raise MetadataError(f"header= cannot have a level {taken[0]!r}: it would be that of interval= with agg=")
    return tuple(levels)


def _is_path(level: object) -> bool:
    return isinstance(level, str) and all(NAME.pattern.fullmatch(step) for step in level.split("->"))


def labels_of(
    points: Sequence[Point], header: Header, records: Mapping[str, Mapping[str, Any]] | None = None
) -> list[ColumnLabel]:
    """The labels of the columns of some points, all different.

    `records` are their tags by id, and what the paths of the header lead to under the text of each path.
    """
    levels = levels_of(header)
    # Of a point of which nothing more is known, the record is what the point has.
    known = {point.id: _known(point) for point in points} if records is None else records
    if callable(header):
        names = [header({"dis": point.dis or point.id, **_python(known.get(point.id, {}))}) for point in points]
        _check_names(points, names)
    elif isinstance(header, str):
        names = [*_texts(points, header, known)]
    else:
        names = [*zip(*(_texts(points, level, known) for level in levels), strict=True)]
    return unique_labels(points, names)


def _known(point: Point) -> dict[str, Any]:
    return {"id": Ref(point.id) if point.id else None, "unit": point.unit, "tz": point.tz, "kind": point.kind}


def _python(tags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: python_value(value) for name, value in tags.items() if value is not None}


def _check_names(points: Sequence[Point], names: Sequence[object]) -> None:
    depths = set()
    for point, name in zip(points, names, strict=True):
        parts = name if isinstance(name, tuple) else (name,)
        depths.add(len(parts) if isinstance(name, tuple) else 0)
        if not parts or not all(isinstance(part, str) for part in parts) or len(depths) > 1:
            raise MetadataError(
                f"header= gave {name!r} for {point}; expected a text of each point, or of each a tuple of as many texts"
            )


def _texts(points: Sequence[Point], level: str, records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if level in ("dis", "id"):
        return [point.dis or point.id if level == "dis" else point.id or point.dis for point in points]
    texts = [_text(level, records.get(point.id, {}).get(level)) for point in points]
    # A point of which no record could be read has no column, and so needs no label of its own.
    missing = [point for point, text in zip(points, texts, strict=True) if text is None and point.id in records]
    if missing:
        names = ", ".join(map(str, missing[:3])) + (", ..." if len(missing) > 3 else "")
        warn_caller(
            f"{len(missing)} of {len(points)} points have no {level!r}, which header= asks for, and have their display "
            f"names in its place: {names}",
            ReadWarning,
        )
    return [text or point.dis or point.id for text, point in zip(texts, points, strict=True)]


def _text(level: str, value: object) -> str | None:
    if isinstance(value, Ref):
        return value.val if level.endswith("->id") else value.dis or value.val
    if isinstance(value, Marker):
        return level
    return None if value is None or value == "" else str(value)


def column_index(keys: Sequence[tuple[str, ...]], header: Header, below: Sequence[str]) -> pd.Index:
    """The columns of a frame: flat, or the levels of the header and those `below` them."""
    if isinstance(header, tuple | list):
        names: list[str | None] = list(header)
    elif keys and len(keys[0]) - len(below) > 1:  # a function that gives tuples
        names = [None] * (len(keys[0]) - len(below))
    elif not below and not any(len(key) > 1 for key in keys):
        return pd.Index([name for (name,) in keys], dtype="str")
    else:
        names = ["point"]
    names += below
    return pd.MultiIndex.from_arrays(
        [pd.Index([key[place] for key in keys], dtype="str") for place in range(len(names))], names=names
    )


def with_suffix(label: _Label, suffix: str) -> _Label:
    """A label with something after it, in levels after the last one."""
    return cast(_Label, label + suffix if isinstance(label, str) else (*label[:-1], label[-1] + suffix))


def unique_labels(points: Iterable[Point], names: Iterable[_Label]) -> list[_Label]:
    """Labels for columns: each name as it is, or with its point's id after it where two names are equal.

    >>> unique_labels([Point("a"), Point("b"), Point("c")], ["Zone", "Zone", "Fan"])
    ['Zone @a', 'Zone @b', 'Fan']
    """
    ids, wanted = [point.id for point in points], list(names)
    counts = Counter(wanted)
    labels = [
        with_suffix(name, f" @{ident}") if counts[name] > 1 and ident else name
        for ident, name in zip(ids, wanted, strict=True)
    ]
    seen: set[_Label] = set()
    for place, label in enumerate(labels):
        number = 2
        while labels[place] in seen:
            labels[place] = with_suffix(label, f" ({number})")
            number += 1
        seen.add(labels[place])
    return labels
