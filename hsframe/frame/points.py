"""Points: what a column of a trend frame is the history of, and the catalog that a frame carries about them.

The catalog is ``df.attrs["hsframe"]``. It is decoration: pandas drops attrs where it likes, so all that must
survive is in the dtype (the unit), in the labels or in the Parquet file. Because pandas deep-copies attrs at
every step and writes them as JSON, the catalog is frozen, its copy is itself, and it holds only what JSON holds::

    {"version": 1,
     "points": {label: {"id": ..., "dis": ..., "unit": ..., "tz": ..., "kind": ..., "states": (...),
                       "his": ...}},
     "differing": {label: n}}      # samples dropped at a repeated instant whose value was another

The label of a column in levels is there as its JSON, :func:`label_key`. The rows that were read are an attribute of the
catalog (:mod:`hsframe.frame.read_rows`): they go into a pickle, and not into JSON.

``pd.concat``, ``merge`` and ``join`` keep attrs where those of all frames are equal, and then those of the first. So
two catalogs are equal where the points and what the rows stand for are, whatever span each was read for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, NoReturn, TypeAlias, TypeVar

import pandas as pd

from hsframe.codecs.zinc import parse_value
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import CodecError, MetadataError
from hsframe.kinds import UNIT, Marker, Number, Ref
from hsframe.protocol.request_grids import as_kind
from hsframe.unit_array.scalars import is_missing

ATTRS_KEY = "hsframe"
_VERSION = 1
POINT_FIELDS = ("id", "dis", "unit", "tz", "kind")

# The levels of columns that tell several columns of one point apart; those above them are the label of the point.
COLUMN_LEVELS = ("agg", "state")

# In a frame of entities a Ref column holds ids, and its display names are in a column beside it with this suffix.
DIS_SUFFIX = "->dis"

# The first columns of a tidy frame, a row per sample (hsframe.frame.tidy); its points are in the catalog alone.
TIDY_COLUMNS = ("id", "ts", "value", "text", "unit")

ColumnLabel: TypeAlias = "str | tuple[str, ...]"
"""The label of a column, in levels where the header has several."""
AnyLabel = TypeVar("AnyLabel", bound=ColumnLabel)

# What the samples of a point mean, and the limits of its values: of each tag the kind.
HIS_TAGS: Mapping[str, type] = {
    **dict.fromkeys(("hisMode", "hisInterpolate"), str),
    **dict.fromkeys(("hisCov", "hisTotalized"), Marker),
    **dict.fromkeys(("hisInterval", "hisRollover", "minVal", "maxVal"), Number),
}
POINT_TAGS = frozenset({*POINT_FIELDS, *HIS_TAGS, "enum", "navName", "id" + DIS_SUFFIX})
"""What a point is made of; a macro may name more."""

# A macro names a tag, as $tag or ${tag}; $<pod::key> is a text in the server's own language and stays as it is.
_MACRO = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


@dataclass(frozen=True, slots=True)
class Point:
    """What is known of a point; None where it is not known.

    Parameters
    ----------
    id : str
        The id of its record, without ``@``; empty for a column without a record.
    dis : str
        The display name, see :func:`display_name`.
    unit : str or None
        The tag ``unit``: a symbol of the unit table, as the server writes it.
    tz : str or None
        The tag ``tz``: the Haystack name of the zone, as the server writes it.
    kind : str or None
        The tag ``kind``: ``"Number"``, ``"Bool"`` or ``"Str"``.
    states : tuple of str or None
        The names in the tag ``enum``, in its order: what the values of a Str may be.
    his : str or None
        The tags that say how its history is sampled and within which limits, as a Zinc dict; see :meth:`his_tags`.

    Examples
    --------
    >>> Point.from_record({"id": Ref("a", "Main meter"), "unit": "kW", "tz": "New_York", "kind": "Number"})
    Point(id='a', dis='Main meter', unit='kW', tz='New_York', kind='Number', states=None, his=None)
    """

    id: str
    dis: str = ""
    unit: str | None = None
    tz: str | None = None
    kind: str | None = None
    states: tuple[str, ...] | None = None
    his: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Point:
        """The point of a record: a row of a grid, a dict, or a row of the frame that ``read`` gave.

        MetadataError where it has no ``id``.
        """
        ident = record.get("id")
        if is_missing(ident):
            raise MetadataError(
                f"a record without an id is not a point; it has {', '.join(map(str, record)) or '(no tags)'}; "
                "expected a tag 'id' that is a Ref or its text"
            )
        return cls(
            id_text(ident),
            display_name(record),
            _text(record.get("unit")),
            _text(record.get("tz")),
            _text(record.get("kind")),
            _states(record.get("enum")),
            _his(record),
        )

    def __str__(self) -> str:
        return f"@{self.id}" if self.dis in ("", self.id) else f"@{self.id} ({self.dis})"

    def his_tags(self) -> Mapping[str, Any]:
        """The tags ``hisMode``, ``hisInterval``, ``hisTotalized``, ``minVal``, ... of its record; and ``kind``.

        >>> Point.from_record({"id": Ref("a"), "kind": "Number", "hisInterval": Number(15, "min")}).his_tags()
        {'kind': 'Number', 'hisInterval': Number(15, 'min')}
        """
        with suppress(CodecError):
            if isinstance(tags := parse_value(self.his or "{}"), dict):
                return {"kind": self.kind, **tags}
        raise MetadataError(f"the tags of {self} must be a Zinc dict, as {{hisInterval:15min}}; got {self.his!r}")

    @property
    def is_known(self) -> bool:
        """Whether its unit and kind are known; a lone id does not tell them, the zone may come from an answer."""
        return self.kind is not None or self.unit is not None


def display_name(record: Mapping[str, Any]) -> str:
    """The name of an entity for people, by its tags as kinds or as in the frame that ``read`` gave.

    The first of: the display name of its ``id`` Ref, tag ``dis``, ``disMacro`` with its tags filled in, ``navName``,
    the id.

    >>> display_name({"id": Ref("a"), "disMacro": "$siteRef ${navName}", "siteRef": Ref("s", "HQ"), "navName": "kW"})
    'HQ kW'
    >>> display_name({"id": Ref("a")})
    'a'
    """
    ident = record.get("id")
    for name in (_ref_dis(record, "id"), _text(record.get("dis"))):
        if name:
            return name
    if macro := _text(record.get("disMacro")):
        return _MACRO.sub(lambda match: _macro_text(record, match), macro)
    return _text(record.get("navName")) or ("" if is_missing(ident) else id_text(ident))


def _macro_text(record: Mapping[str, Any], match: re.Match[str]) -> str:
    tag = match[1] or match[2]
    value = record.get(tag)
    if is_missing(value):
        return match[0]
    return _ref_dis(record, tag) or (value.val if isinstance(value, Ref) else str(value))


def _ref_dis(record: Mapping[str, Any], tag: str) -> str | None:
    value = record.get(tag)
    return value.dis if isinstance(value, Ref) else _text(record.get(tag + DIS_SUFFIX))


def _text(value: Any) -> str | None:
    return None if is_missing(value) or value == "" else str(value)


def _states(enum: object) -> tuple[str, ...] | None:
    """The names of a tag ``enum``, in their order, each once.

    It is a Str, the names between commas or one a line, or a list of docs (``- off: Not running``); or, as Haxall and
    SkySpark have it too, a list of names or a dict by name. A lone word, like a Ref, names an enumeration that is
    defined elsewhere.
    """
    names: list[Any]
    if isinstance(enum, str):
        lines = [line.strip() for line in enum.strip().splitlines()]
        if enum.lstrip().startswith("-"):
            names = [line[1:].partition(":")[0] for line in lines if line.startswith("-")]
        else:
            names = lines if len(lines) > 1 else enum.split(",")
    else:
        names = list(enum) if isinstance(enum, Mapping | Sequence) else []
    found = tuple(dict.fromkeys(name.strip() for name in names if isinstance(name, str) and name.strip()))
    return found if len(found) > 1 else None


def _his(record: Mapping[str, Any]) -> str | None:
    found = {tag: as_kind(record[tag]) for tag in HIS_TAGS if not is_missing(record.get(tag))}
    kept = {tag: value for tag, value in found.items() if _is_kept(value)}
    return write_value(kept) if kept else None


def _is_kept(value: object) -> bool:
    if isinstance(value, Number):  # servers take any text as a unit, and none must stop a read
        return value.unit is None or UNIT.problem(value.unit) is None
    # In the frame that read() gave, a Marker is True, and False where a record has none.
    return isinstance(value, Marker | str) or value is True


def id_text(ident: Any) -> str:
    """The id of a Ref or of its text, without the ``@``; a MetadataError for anything else."""
    if isinstance(ident, Ref):
        return ident.val
    if isinstance(ident, str) and ident.strip("@"):
        return ident.removeprefix("@")
    raise MetadataError(f"{ident!r} is not a valid id; expected a Ref or its text, as in '@p:demo:r:1'")


class _Frozen(dict[str, Any]):
    """A dict that cannot be changed, so that a copy may be the thing itself."""

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("the catalog of points is frozen; make another with hsframe.frame.points.attach(df, points)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def copy(self) -> _Frozen:
        """The catalog itself: it cannot change."""
        return self

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> _Frozen:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (dict(self),))


class PointCatalog(_Frozen):
    """The catalog of a frame, see the head of this module: frozen with all that is in it, so its copy is itself.

    `rows` is what :mod:`hsframe.frame.read_rows` remembers of the read.
    """

    def __init__(self, content: Mapping[str, Any], rows: object = None) -> None:
        super().__init__({key: _freeze(value) for key, value in content.items()})
        self.rows = rows

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (dict(self), self.rows))

    @classmethod
    def of(cls, points: Mapping[AnyLabel, Point], differing: Mapping[AnyLabel, int] | None = None) -> PointCatalog:
        """The catalog of points by label; those without an id are left out."""
        known = {label_key(label): asdict(point) for label, point in points.items() if point.id}
        entries = {
            key: {name: value for name, value in tags.items() if value is not None or name in POINT_FIELDS}
            for key, tags in known.items()
        }
        content: dict[str, Any] = {"version": _VERSION, "points": entries}
        if differing:
            content["differing"] = {label_key(label): count for label, count in differing.items()}
        return cls(content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and _compared(self) == _compared(other)

    def __ne__(self, other: object) -> bool:  # that of dict would not ask __eq__
        return not self == other

    def __repr__(self) -> str:
        return f"<PointCatalog of {len(self.get('points', ()))} points>"


def _compared(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """A catalog without what is of one read alone: outcomes, source and settings, what it dropped, and its span."""
    reads = catalog.get("reads")
    entries = reads.items() if isinstance(reads, Mapping) else ()
    aggs = {ident: one["aggs"] for ident, one in entries if isinstance(one, Mapping) and one.get("aggs")}
    of_one = ("read", "differing", "reads", "source", "settings")
    return {key: value for key, value in catalog.items() if key not in of_one} | {"reads": aggs}


def _freeze(value: Any) -> Any:
    if type(value) is dict:
        return _Frozen({key: _freeze(item) for key, item in value.items()})
    return value


def attach(
    df: pd.DataFrame, points: Mapping[AnyLabel, Point], *, differing: Mapping[AnyLabel, int] | None = None
) -> None:
    """Give a frame its catalog of points by label, in place of the one that it has; only its attrs change.

    `differing` is how many samples at a repeated instant had another value than the one that was kept.
    """
    df.attrs[ATTRS_KEY] = PointCatalog.of(points, differing)


def note(df: pd.DataFrame, key: str, entry: Mapping[str, Any]) -> None:
    """Put an entry into a frame's catalog beside its points; only its attrs change."""
    known = _catalog(df)
    content = {**PointCatalog.of({}), **known, key: dict(entry)}
    df.attrs[ATTRS_KEY] = PointCatalog(content, getattr(known, "rows", None))


def noted(df: pd.DataFrame, key: str) -> Mapping[str, Any] | None:
    """An entry of a frame's catalog, None where it has none."""
    entry = _catalog(df).get(key)
    return entry if isinstance(entry, Mapping) else None


def is_tidy(df: pd.DataFrame) -> bool:
    """Whether a frame has a row per sample, as ``shape="tidy"`` gives it."""
    return tuple(df.columns[: len(TIDY_COLUMNS)]) == TIDY_COLUMNS


def _catalog(df: pd.DataFrame) -> Mapping[str, Any]:
    # After a way through JSON, as in a Parquet file of pandas, the catalog is a plain dict.
    catalog = df.attrs.get(ATTRS_KEY)
    return catalog if isinstance(catalog, Mapping) else {}


def point_labels(columns: pd.Index) -> pd.Index:
    """For each column the label of its point: without the levels that tell several columns of a point apart."""
    below: list[Any] = [name for name in columns.names if name in COLUMN_LEVELS]
    return columns.droplevel(below) if 0 < len(below) < columns.nlevels else columns


def label_key(label: ColumnLabel) -> str:
    """What stands for a label in the catalog, whose keys must be texts: of levels, their JSON."""
    return label if isinstance(label, str) else json.dumps(label, ensure_ascii=False, default=str)


def label_of(key: str) -> ColumnLabel:
    """The label that a key of the catalog stands for."""
    if key.startswith('["'):
        with suppress(ValueError):
            return tuple(json.loads(key))
    return key


def label_index(labels: Sequence[Any], columns: pd.Index) -> pd.Index:
    """An index of the labels of points; levels have the names that they have in `columns`."""
    if not labels or not isinstance(labels[0], tuple):
        return pd.Index(labels, name="point", dtype=None) if labels else pd.Index([], name="point", dtype="str")
    found, names = pd.MultiIndex.from_tuples(labels), point_labels(columns).names
    return found.set_names(names) if len(names) == found.nlevels else found


def points_of(df: pd.DataFrame) -> dict[ColumnLabel, Point]:
    """The points of a frame's columns by label, in their order, from its catalog; only those that the catalog knows.

    Of a tidy frame all points of its catalog, those without samples too.
    """
    if (entries := noted(df, "points")) is None:
        return {}
    return points_from(entries, entries if is_tidy(df) else dict.fromkeys(point_labels(df.columns)))


def points_read(df: pd.DataFrame) -> list[Point]:
    """The points of a read, whether the frame still has their columns or not."""
    entries = noted(df, "points") or {}
    return [*points_from(entries, entries).values()]


def column_points(df: pd.DataFrame) -> list[Point | None]:
    """The point of each column, None where the catalog knows none; the columns of a tidy frame have none."""
    known = {} if is_tidy(df) else points_of(df)
    return [known.get(label) for label in point_labels(df.columns)]


def points_from(entries: Mapping[str, Any], labels: Iterable[ColumnLabel]) -> dict[ColumnLabel, Point]:
    """The points of some labels, from the entries of a catalog; what has no id is left out."""
    known = ((label, entries.get(label_key(label))) for label in labels if isinstance(label, str | tuple))
    found: dict[ColumnLabel, Point] = {}
    for label, entry in known:
        if isinstance(entry, Mapping) and "id" in entry:
            ident, dis, unit, tz, kind, his = texts = [entry.get(name) for name in (*POINT_FIELDS, "his")]
            if ident is None or not all(isinstance(text, str | None) for text in texts):
                raise MetadataError(f"the catalog's point of {label!r} must have texts, and an 'id'; got {entry!r}")
            found[label] = Point(ident, dis or "", unit, tz, kind, _states(entry.get("states")), his)
    return found


def differing_of(df: pd.DataFrame) -> dict[ColumnLabel, int]:
    """How many samples at a repeated instant had another value than the one kept, by label; none: not listed."""
    counts = noted(df, "differing") or {}
    labels = counts if is_tidy(df) else point_labels(df.columns)
    keys = {label: label_key(label) for label in labels if isinstance(label, str | tuple)}
    return {label: counts[key] for label, key in keys.items() if key in counts}


def listed_columns(df: pd.DataFrame) -> str:
    """The labels of the first columns of a frame, for a message."""
    names = ", ".join(map(repr, df.columns[:8]))
    return f"{names}, ..." if len(df.columns) > 8 else names or "(none)"


def merged(point: Point, record: Point) -> Point:
    """`point` with what only `record` knows."""
    blanks = {
        field: getattr(record, field)
        for field in ("unit", "tz", "kind", "states", "his")
        if getattr(point, field) is None
    }
    named = point.dis if point.dis and point.dis != point.id else record.dis
    return replace(point, dis=named, **blanks)
