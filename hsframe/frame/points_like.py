"""Points as a person has them: ids, records, and the frames that ``read`` and ``his_read`` gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.points import (
    POINT_FIELDS,
    POINT_TAGS,
    Point,
    id_text,
    is_tidy,
    label_index,
    listed_columns,
    merged,
    points_of,
)
from hsframe.kinds import Ref
from hsframe.unit_array.scalars import is_missing

PointsLike: TypeAlias = (
    "Point | Ref | str | Mapping[str, Any] | pd.DataFrame | pd.Series[Any] | Iterable[PointsLike]"  # one or several
)
"""What :func:`as_points` takes: ids, records, the frame that ``read`` gave, one or several."""


def as_points(points: PointsLike) -> list[Point]:
    """Points in any of the forms in which a person has them, one or several, in the order given, each once.

    A str is an id, with or without ``@``. A mapping is a record, and so is a row of the frame that ``read`` gave. A
    frame is one of entities (a column ``id``) or a trend frame (its catalog). From a lone id nothing else is known:
    :attr:`Point.is_known` is False. MetadataError where something is none of these.
    """
    found: dict[str, Point] = {}
    for point in _each_point(points):
        found[point.id] = merged(found[point.id], point) if point.id in found else point
    return list(found.values())


def _each_point(points: PointsLike) -> Iterable[Point]:
    if isinstance(points, Point):
        return [points]
    if isinstance(points, Ref):
        return [Point(points.val, points.dis or points.val)]
    if isinstance(points, str):
        ident = id_text(points)
        return [Point(ident, ident)]
    if isinstance(points, pd.DataFrame):
        known = points_of(points)
        if "id" in points.columns and not (known and is_tidy(points)):
            return [point for _, point in _entity_points(points)]
        if not known and len(points.columns):
            raise MetadataError(
                "the frame has neither a column 'id' nor a catalog of points; its columns are "
                f"{listed_columns(points)}; expected the frame that read() gave, or a trend frame"
            )
        return known.values()
    if isinstance(points, Mapping):
        return [Point.from_record(points)]
    if isinstance(points, pd.Series) and "id" in points.index:
        return [Point.from_record({str(tag): cell for tag, cell in points.items()})]
    if isinstance(points, Iterable):
        return [point for item in points for point in _each_point(item)]
    raise MetadataError(
        f"{points!r} is not a point; expected an id, a Ref, a record, a Point, a list of these, or the "
        "frame that read() gave"
    )


def _entity_points(df: pd.DataFrame) -> list[tuple[Any, Point]]:
    """Index label and point of each row that has an id; of tidy rows, of the first of each id."""
    if is_tidy(df):
        df = df.loc[~df["id"].duplicated(), ["id"]]
    # A macro may name any tag; without one few columns matter.
    wanted = None if "disMacro" in df.columns and df["disMacro"].notna().any() else POINT_TAGS
    tags = [tag for tag in df.columns if isinstance(tag, str) and (wanted is None or tag in wanted)]
    columns = [df[tag].tolist() for tag in tags]
    rows = zip(df.index.tolist(), zip(*columns, strict=True), strict=True)
    records = ((label, dict(zip(tags, cells, strict=True))) for label, cells in rows)
    return [(label, Point.from_record(record)) for label, record in records if not is_missing(record["id"])]


def points_table(df: pd.DataFrame) -> pd.DataFrame:
    """The points of a frame as a table: of a trend frame, or of the frame of entities that ``read`` gave.

    Index: the label of the column (of an entity: the index of `df`). Columns ``id``, ``dis``, ``unit``, ``tz`` (the
    Haystack name) and ``kind``, all str, missing where not known. The unit is the record's; a column that was converted
    since has its own in the dtype.
    """
    known = points_of(df)
    labelled = _entity_points(df) if not known and "id" in df.columns else list(known.items())
    table = {field: pd.array([getattr(point, field) for _, point in labelled], dtype="str") for field in POINT_FIELDS}
    return pd.DataFrame(table, index=label_index([label for label, _ in labelled], df.columns))
