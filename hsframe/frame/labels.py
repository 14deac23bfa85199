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
from typing import Any, cast

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.points import COLUMN_LEVELS, AnyLabel, ColumnLabel, Point
from hsframe.kinds import NAME, Marker, Ref
from hsframe.protocol.answers import named, python_value

Tags = Mapping[str, Any]
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


def labels_of(points: Sequence[Point], header: Header, records: Mapping[str, Tags] | None = None) -> list[ColumnLabel]:
    """The labels of the columns of some points, all different.

    `records` are their tags by id, and what the paths of the header lead to under the text of each path.
    """
    levels = levels_of(header)
    # Where there are no records, a record is what the point has; where some could not be read, theirs is None.
    tags = [_known(point) if records is None else records.get(point.id) for point in points]
    if callable(header):
        names = _given(points, header, tags)
    elif isinstance(header, str):
        names = [*_texts(points, header, tags)]
    else:
        names = [*zip(*(_texts(points, level, tags) for level in levels), strict=True)]
    return unique_labels(points, names)


def _known(point: Point) -> Tags:
    return {"id": Ref(point.id) if point.id else None, "unit": point.unit, "tz": point.tz, "kind": point.kind}


def _given(
    points: Sequence[Point], header: Callable[[dict[str, Any]], ColumnLabel], tags: Sequence[Tags | None]
) -> list[ColumnLabel]:
    names: list[ColumnLabel | None] = []
    depths: set[int] = set()
    for point, known in zip(points, tags, strict=True):
        if known is None:
            names.append(None)
            continue
        values = {name: python_value(value) for name, value in known.items() if value is not None}
        try:
            name = header({"dis": point.dis or point.id, **values})
        except Exception as error:  # whatever the function of the caller raises
            raise MetadataError(
                f"header= failed for the record of {point}: {error!r}; a tag that not every record has is "
                "record.get('navName', record['dis'])"
            ) from error
        depths.add(len(name) if isinstance(name, tuple) else 0)
        texts = name if isinstance(name, tuple) else (name,)
        if not all(isinstance(text, str) for text in texts) or depths & {1} or len(depths) > 1 or not texts:
            raise MetadataError(
                f"header= gave {name!r} for {point}; expected a text of each point, or of each a tuple of as many texts"
                ", two or more"
            )
        names.append(name)
    depth = next(iter(depths), 0)
    own = [point.dis or point.id for point in points]
    return [
        name if name is not None else (text,) * depth if depth else text for name, text in zip(names, own, strict=True)
    ]


def _texts(points: Sequence[Point], level: str, tags: Sequence[Tags | None]) -> list[str]:
    if level in ("dis", "id"):
        return [point.dis or point.id if level == "dis" else point.id or point.dis for point in points]
    texts = [None if known is None else _text(level, known.get(level)) for known in tags]
    # A point whose record could not be read has no column, and so needs no label of its own.
    missing = [p for p, text, known in zip(points, texts, tags, strict=True) if text is None and known is not None]
    if missing:
        warn_caller(
            f"{len(missing)} of {len(points)} points have no {level!r}, which header= asks for, and have their display "
            f"names in its place: {named(missing)}",
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


def with_suffix(label: AnyLabel, suffix: str) -> AnyLabel:
    """A label with something after it, in levels after the last one."""
    return cast(AnyLabel, label + suffix if isinstance(label, str) else (*label[:-1], label[-1] + suffix))


def unique_labels(points: Iterable[Point], names: Iterable[AnyLabel]) -> list[AnyLabel]:
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
    seen: set[AnyLabel] = set()
    for place, label in enumerate(labels):
        number = 2
        while labels[place] in seen:
            labels[place] = with_suffix(label, f" ({number})")
            number += 1
        seen.add(labels[place])
    return labels
