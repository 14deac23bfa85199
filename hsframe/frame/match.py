"""Which point a column of a frame belongs to.

In this order: what the caller says with ``points=``, the frame's catalog, a label that is an id, a display name
that is unique among the known points. A column without a point is an error: values are never written on a guess.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.flags import FLAG_DTYPE
from hsframe.frame.names import Names
from hsframe.frame.points import Point, is_tidy, listed_columns, merged, points_of
from hsframe.frame.points_like import as_points
from hsframe.frame.reads import amount_in, made_of, reads_of
from hsframe.frame.stamps import noted_interval
from hsframe.kinds import Ref

# Ids are made of these characters (standard: Zinc, section Ref); a label that was made unique ends in ' @id'.
_MARKED_ID = re.compile(r"(?:.* )?@([A-Za-z0-9_:\-.~]+)\Z", re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9_:\-.~]+")
# Any word could be an id. Without the @ only forms count that nobody uses as a display name: 'p:demo:r:2a', and the
# two groups of eight hexadecimal digits that Folio makes.
_BARE_ID = re.compile(r"([A-Za-z0-9_\-.~]+(?::[A-Za-z0-9_:\-.~]+)|[0-9a-f]{8}-[0-9a-f]{8})\Z")


def frame_of(df: Any, *, tidy: bool = False) -> pd.DataFrame:
    """A frame as it is, a Series as a frame of one column; anything else is refused, and a tidy one unless `tidy`."""
    if isinstance(df, pd.Series):
        return df.to_frame()
    if not isinstance(df, pd.DataFrame):
        raise MetadataError(
            f"a {type(df).__name__} cannot be written; expected a DataFrame or Series with times in its index"
        )
    if is_tidy(df):
        what = amount_in(df)
        if (interval := noted_interval(df)) and (interval.label == "end" or (tidy and not what)):
            what = f"values {'at the ends of' if interval.label == 'end' else 'over'} intervals of {interval.length}"
        if what:
            raise MetadataError(
                f"this tidy frame has {what}, and in a history each would be read as a sample from its time on; read "
                "with label='start' and shape='wide' (pivot would lose the note of what it is), and where the values "
                "are no samples of their point give another with points={label: '@the-id'}; nothing was written"
            )
        if tidy:
            return df
        raise MetadataError(
            "a tidy frame, a row per sample, cannot be written; expected a column per point, as shape='wide' gives it, "
            "or, of rows in the units of their points, as with his_write(df.pivot(index='ts', columns='id', "
            "values='value'), points=df['id'].unique())"
        )
    return df


def match_columns(
    df: pd.DataFrame, points: Any = None, known: Iterable[Point] = (), *, words_are_ids: bool = False
) -> dict[Hashable, Point]:
    """The point of each column, in order, found by the labels and the catalog of the frame.

    `points` is a mapping of label to id, Ref, record or Point, which may leave columns out; or a list of points or the
    frame that ``read`` gave, whose display names and ids may be labels; then no column may be of another point, and one
    column with one point needs no matching label. The display names of `known`, the points that this session has read,
    may be labels too. A column with no point or with several possible ones is an error, and so are two columns of one
    point. A point that is found only by the form of its id has no other properties. With `words_are_ids` any label that
    could be an id is one where nothing else tells its point: for callers who look it up.
    """
    twice = df.columns[df.columns.duplicated()]
    if len(twice):
        raise MetadataError(f"two columns are called {twice[0]!r}; rename one, so that each has its own point")
    # A mapping with an id is a record, unless a column is called so.
    by_column = isinstance(points, Mapping) and ("id" in df.columns or not isinstance(points.get("id"), Ref | str))
    given: Mapping[Any, Any] = points if by_column else {}
    if stray := [label for label in given if label not in df.columns]:
        raise MetadataError(f"points= names {stray[0]!r}, which is not a column; the columns are {listed_columns(df)}")
    each = {label: as_points(one) for label, one in given.items()}
    for label, several in each.items():
        if len(several) != 1:
            raise MetadataError(f"points= gives {len(several)} points for the column {label!r}; expected one")
    explicit: dict[Hashable, Point] = {label: one for label, (one,) in each.items()}
    listed = [] if by_column or points is None else as_points(points)
    catalog, reads = points_of(df), reads_of(df)
    session = list(known)
    # The points that the caller gives come last, and win; then those that the session has read.
    by_id = {point.id: point for point in [*catalog.values(), *session, *listed]}
    found: dict[Hashable, Point] = {}
    for label in df.columns:
        said = explicit.get(label) or _by_label(label, listed) or catalog.get(label)
        if listed and len(listed) == len(df.columns) == 1:
            said = listed[0]
        point = said or _by_text(label, by_id, session)
        if point is None and words_are_ids and could_be_id(label):
            point = Point(str(label), str(label))
        if point is None:
            raise unknown_column(label, df, by_id.values())
        # Without a note it may be anything that was read of the point; a label with an @ that no read has given was
        # given by a person.
        made = made_of(label if isinstance(label, str) and label.startswith("@") else point.id)
        if said is None and made and point.id not in reads:
            raise MetadataError(
                f"column {label!r} has lost the note of what it is (many operations of pandas drop it), and this "
                f"program has read {made} of the point @{point.id}, which its name means; if these values are its "
                f"samples, say so with points={{{label!r}: '@{point.id}'}}, or of all columns with points= and the "
                "list of their ids; nothing was written"
            )
        if listed and point.id not in {one.id for one in listed}:
            raise MetadataError(
                f"column {label!r} is of the point @{point.id}, which points= does not name; say which point it is to "
                f"be written to with points={{{label!r}: '@{listed[0].id}'}}, or leave points= out"
            )
        best = by_id.get(point.id, point)
        found[label] = merged(point, best) if label in explicit else merged(best, point)
    owner: dict[str, Hashable] = {}
    for name, point in found.items():
        if (first := owner.setdefault(point.id, name)) is not name:
            raise MetadataError(
                f"the columns {first!r} and {name!r} both belong to the point @{point.id}; leave one out"
            )
    return found


def _by_label(label: Hashable, points: list[Point]) -> Point | None:
    """The point with this id, or with this display name if only one of them has it."""
    if not isinstance(label, str):
        return None
    for point in points:
        if label.removeprefix("@") == point.id:
            return point
    named = [point for point in points if point.dis == label]
    if len(named) > 1:
        raise MetadataError(
            f"column {label!r} could be any of {', '.join('@' + point.id for point in named)}, which are all called "
            f"so; say which with points={{{label!r}: '@{named[0].id}'}}"
        )
    return named[0] if named else None


def _by_text(label: Hashable, by_id: Mapping[str, Point], session: list[Point]) -> Point | None:
    if not isinstance(label, str):
        return None
    if label in by_id:
        return by_id[label]
    if match := _MARKED_ID.match(label) or _BARE_ID.match(label):
        return by_id.get(match[1]) or Point(match[1], match[1])
    return _by_label(label, session)


def could_be_id(label: Hashable) -> bool:
    """Whether a label could be an id without its @; so could any word."""
    return isinstance(label, str) and _WORD.fullmatch(label) is not None


def of_amounts(df: pd.DataFrame) -> str:
    """What to say of amounts in a frame to one who is about to give its columns points; empty without any."""
    what = amount_in(df)
    return f"; it has {what}, and what is no sample of a point goes to a point of its own, not to that one" * bool(what)


def unknown_column(label: Hashable, df: pd.DataFrame, known: Iterable[Point] = ()) -> MetadataError:
    """The error of a column for which no point is found."""
    if df[label].dtype == FLAG_DTYPE:
        return MetadataError(
            f"column {label!r} is of na='flag', and says why values are missing; a history has no such flags: write "
            f"the values alone, as with df.drop(columns=[{label!r}]); nothing was written"
        )
    return MetadataError(
        f"column {label!r} belongs to no known point: it is not in the catalog, not an id, and not a display name; say "
        f"which point it is with points={{{label!r}: '@the-id'}}, or leave it out; the columns are {listed_columns(df)}"
        + (f"; did you mean {' or '.join(map(repr, near))}?" if (near := Names(known).near(str(label))) else "")
        + of_amounts(df)
    )
