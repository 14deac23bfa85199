"""Frames as Arrow tables, and what their metadata, in Parquet files too, says of units and points.

A file is plain for everyone: numbers are doubles (missing: null), times are ``timestamp[us, tz=...]``, Bool is
boolean, Str a dictionary of strings, and the pandas metadata names float64. What makes it ours is metadata beside
the data, version 1:

In each **field**, as UTF-8 texts, each left out where it is not known:

=================  ====================================================================================
``hsframe:unit``   the symbol of the unit that the column's values are in
``hsframe:id``     the id of the point, without ``@``
``hsframe:dis``    the point's display name
``hsframe:tz``     the Haystack name of the point's zone
``hsframe:kind``   ``Number``, ``Bool`` or ``Str``
``hsframe:his``    tags of the record such as ``hisInterval`` and ``minVal``, as a Zinc dict
=================  ====================================================================================

In the **schema** one key, ``hsframe``, a JSON object:

=================  ====================================================================================
``version``        1. A reader refuses a greater one; it ignores keys that it does not know.
``recordUnits``    optional, {column: unit}: the unit in the point's record, where the column is in another
``differing``      optional, {column: count}: samples dropped at a repeated instant whose value was another
``units``          optional, {column: unit}: the units once more, since Parquet has no checksum of its metadata
``states``         optional, {column: [text, ...]}: the states of a Str, and the units of a tidy table, as Parquet has
                   no dictionary of what is in no row
``interval``       optional, {"length": text, "label": text}: what a row stands for (:mod:`hsframe.frame.stamps`)
``reads``          optional, {id: {"aggs": ..., "spans": ...}}: what was read of it (:mod:`hsframe.frame.reads`)
``source``         optional, {"kind": ..., "uri": ...}: what it was read from (:mod:`hsframe.frame.reads`)
``points``         optional, {label: {"id": ...}}: the points of a tidy table, as :mod:`hsframe.frame.points` has them
``tz``             optional, the zone of the frame of a tidy table, whose ``ts`` is in UTC
=================  ====================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import tzinfo
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from hsframe.caller_warnings import warn_caller
from hsframe.errors import HsFrameError, MetadataError, UnitWarning, ZoneError
from hsframe.frame.points import (
    ColumnLabel,
    Point,
    PointCatalog,
    attach,
    column_points,
    differing_of,
    is_tidy,
    label_key,
    point_labels,
    points_from,
    points_of,
)
from hsframe.frame.read_rows import note_rows, rows_of_whole
from hsframe.frame.reads import note_reads, note_source, reads_of, source_of
from hsframe.frame.stamps import note_interval, noted_interval
from hsframe.frame.tidy import with_categories
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype, from_arrow, unit_of_dtype
from hsframe.zones import zone

VERSION: Final = 1
_KEY: Final = b"hsframe"
_PREFIX: Final = "hsframe:"
_POINT_FIELDS: Final = ("id", "dis", "tz", "kind", "his")


def frame_to_arrow(df: pd.DataFrame) -> pa.Table:
    r"""A frame as an Arrow table that any Arrow program reads, with its units and points in the metadata.

    Parameters
    ----------
    df : DataFrame
        A trend frame, or any frame whose columns Arrow can hold. Time below the microsecond is cut off.

    Returns
    -------
    pyarrow.Table
        The index is a column, unless it is a plain range.

    Raises
    ------
    MetadataError
        Not a frame, two columns of one name, or a column of objects, as one of several units is.

    Examples
    --------
    >>> df = pd.DataFrame({"Zone": pd.array([72.5], dtype="unit[°F]")})
    >>> table = frame_to_arrow(df)
    >>> table.schema.field("Zone").type, table.schema.field("Zone").metadata
    (DataType(double), {b'hsframe:unit': b'\xc2\xb0F'})
    """
    if not isinstance(df, pd.DataFrame):
        raise MetadataError(f"a {type(df).__name__} is not a frame; a Series becomes one with .to_frame()")
    names = pd.Index([str(label) for label in df.columns])
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        raise MetadataError(f"a table needs different column names; twice: {', '.join(twice)}")
    has_zone = is_tidy(df) and isinstance(df["ts"].dtype, pd.DatetimeTZDtype)
    try:
        table = pa.Table.from_pandas(_plain_frame(df.assign(ts=df["ts"].dt.tz_convert("UTC")) if has_zone else df))
    except Exception as error:  # pyarrow has many for what it cannot hold
        columns = [str(label) for label, dtype in df.dtypes.items() if str(dtype) == "object"]
        if not columns:
            raise MetadataError(f"a table cannot hold this frame: {error}") from error
        raise MetadataError(
            f"columns of objects cannot be written: {', '.join(columns)}; convert those of several units with "
            "df.hs.to(...), and make texts of the others, as with df[label].astype('str')"
        ) from error
    points = {str(label): point for label, point in zip(df.columns, column_points(df), strict=True) if point}
    units = {str(label): unit_of_dtype(dtype) for label, dtype in df.dtypes.items()}
    fields = []
    for field in table.schema:
        point = points.get(field.name)
        known = {} if point is None else {name: getattr(point, name) for name in _POINT_FIELDS}
        entries = {_PREFIX + name: value for name, value in {"unit": units.get(field.name), **known}.items() if value}
        fields.append(field.with_metadata(entries or None))
    content: dict[str, Any] = {"version": VERSION}
    states = {name: list(point.states) for name, point in points.items() if point.states}
    if is_tidy(df):
        content |= {"tz": str(df["ts"].dt.tz)} if has_zone else {}
        content["points"] = PointCatalog.of(points_of(df))["points"]
        if isinstance(df["unit"].dtype, pd.CategoricalDtype):
            states["unit"] = df["unit"].cat.categories.tolist()
    interval = noted_interval(df)
    optional = {
        "units": {name: unit for name, unit in units.items() if unit},
        "recordUnits": {name: p.unit for name, p in points.items() if p.unit and p.unit != units.get(name)},
        "states": states,
        "interval": interval and asdict(interval),
        "reads": {ident: asdict(one) for ident, one in reads_of(df).items()},
        "source": source_of(df),
        "differing": {label_key(label): count for label, count in differing_of(df).items()},
    }
    content |= {key: entry for key, entry in optional.items() if entry}
    metadata = {**(table.schema.metadata or {}), _KEY: json.dumps(content, ensure_ascii=False).encode()}
    return table.cast(pa.schema(fields, metadata=metadata))


def _plain_frame(df: pd.DataFrame) -> pd.DataFrame:
    """The frame with doubles instead of unit columns and microseconds instead of other times; without attrs."""
    columns: dict[int, Any] = {}
    for place, array in enumerate(df[label].array for label in df.columns):
        is_time = isinstance(array.dtype, pd.DatetimeTZDtype) or array.dtype.kind == "M"
        columns[place] = array.magnitudes if isinstance(array, UnitArray) else array.as_unit("us") if is_time else array
    index = df.index
    if isinstance(index, pd.DatetimeIndex):
        index = index.as_unit("us")
    plain = pd.DataFrame(columns, index=index, copy=False)
    plain.columns = df.columns
    return plain


def arrow_to_frame(table: pa.Table) -> pd.DataFrame:
    """The frame of an Arrow table, with the units and points of its metadata; without ours, what pandas makes of it.

    The zone of a time index is a ``zoneinfo.ZoneInfo``. MetadataError, which names the key and the column, where the
    metadata is of a later version, or is not what it should be.
    """
    if not isinstance(table, pa.Table):
        raise MetadataError(f"a {type(table).__name__} is not an Arrow table; expected a pyarrow.Table")
    content = _content(table.schema)
    try:
        return _frame_of(table, content)
    except MetadataError:
        raise
    except Exception as error:  # the metadata that pandas made may hold anything
        raise MetadataError(f"the table cannot become a frame, its metadata may be damaged: {error!r}") from error


def _frame_of(table: pa.Table, content: Mapping[str, Any]) -> pd.DataFrame:
    df = table.to_pandas()
    if is_tidy(df) and "points" in content:
        points = points_from(content["points"], content["points"])
        units = content.get("states", {}).get("unit", ())
        df = with_categories(df, [point.id for point in points.values()], units)
        if "tz" in content:
            df["ts"] = df["ts"].dt.tz_convert(zone_or_offset(content["tz"]))
        return _with_catalog(df, points, content)
    if isinstance(df.index, pd.MultiIndex):
        levels: list[Any] = [_in_zone(level) for level in df.index.levels]
        df.index = df.index.set_levels(levels)
    else:
        df.index = _in_zone(df.index)
    labels = dict(zip(data_names(table.schema), df.columns, strict=True))
    owners = dict(zip(labels, point_labels(df.columns), strict=True))
    arrays: dict[int, Any] = {}
    points = {}
    for place, (name, label) in enumerate(labels.items()):
        entries = field_entries(table.schema.field(name))
        unit = entries.get("unit") or None
        if (written := content.get("units", {}).get(name, unit)) != unit:
            warn_caller(
                f"column {name!r} was written in {written}, and says {unit or 'no unit'} now: the file is damaged, or "
                "another program has changed it",
                UnitWarning,
            )
        column = table.column(name)
        if unit and not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise MetadataError(
                f"column {name!r} has the metadata {_PREFIX}unit = {unit!r}, but holds {column.type}; expected numbers"
            )
        arrays[place] = UnitArray(from_arrow(column), unit) if unit else df[label].array
        states = tuple(content.get("states", {}).get(name, ())) or None
        if states and not all(isinstance(text, str) for text in states):
            raise MetadataError(f"the states of column {name!r} must be texts; got {states!r}")
        if states and isinstance(arrays[place], pd.Categorical):
            arrays[place] = arrays[place].set_categories(dict.fromkeys([*states, *arrays[place].categories]))
        elif isinstance(arrays[place], pd.Categorical) and not len(arrays[place].categories):
            # pandas makes objects of a dictionary without texts.
            arrays[place] = arrays[place].set_categories(pd.Index([], dtype="str"))
        if "id" in entries and isinstance(owner := owners[name], str | tuple):
            kind = entries.get("kind")
            record_unit = content.get("recordUnits", {}).get(name, None if kind in ("Bool", "Str") else unit)
            tz, his = entries.get("tz"), entries.get("his")
            points[owner] = Point(entries["id"], entries.get("dis", ""), record_unit, tz, kind, states, his)
    frame = pd.DataFrame(arrays, index=df.index, copy=False)
    frame.columns = df.columns
    frame.attrs = df.attrs
    return _with_catalog(frame, points, content)


def _with_catalog(df: pd.DataFrame, points: Mapping[ColumnLabel, Point], content: Mapping[str, Any]) -> pd.DataFrame:
    for point in {one.his: one for one in points.values()}.values():
        point.his_tags()  # fails here, where the file is known, and not in a report
    if points or "points" in content:
        attach(df, points, differing=content.get("differing"))
    note_reads(df, content.get("reads"))
    note_source(df, content.get("source"))
    note_interval(df, content.get("interval"))
    if (rows := rows_of_whole(df)) is not None:
        note_rows(df, rows)
    return df


def _in_zone(index: pd.Index) -> pd.Index:
    """The index; times that have a zone in a ZoneInfo of it."""
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        with suppress(ZoneError):  # a fixed offset has no name
            return index.tz_convert(zone(str(index.tz)))
    return index


def zone_or_offset(name: str) -> tzinfo:
    """The zone of a name, or the fixed offset that ``-05:00`` and ``UTC-05:00`` are; ZoneError for an unknown name."""
    is_offset = re.fullmatch(r"(UTC)?[+-]\d\d:\d\d", name) is not None
    return pd.Timestamp(0, tz=name).tz if is_offset else zone(name)  # type: ignore[return-value]  # it has a zone


def data_names(schema: pa.Schema) -> list[str]:
    """The fields that are columns of the frame; the others are its index."""
    if schema.pandas_metadata is None:
        return list(schema.names)
    index = {entry for entry in schema.pandas_metadata["index_columns"] if isinstance(entry, str)}
    return [name for name in schema.names if name not in index]


def _content(schema: pa.Schema) -> Mapping[str, Any]:
    text = (schema.metadata or {}).get(_KEY)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"the schema's key 'hsframe' is not JSON: {text[:80]!r}; the file is damaged") from error
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise MetadataError(f"the schema's key 'hsframe' has no whole number 'version': {text[:80]!r}")
    if version > VERSION:
        raise MetadataError(
            f"the table was written in version {version} of the format, and this hsframe reads up to {VERSION}; "
            "update hsframe"
        )
    if not isinstance(content.get("tz", ""), str):
        raise MetadataError(f"'tz' in the schema's key 'hsframe' must be a text; got {content['tz']!r}")
    kinds: dict[str, type] = {
        **dict.fromkeys(("recordUnits", "units"), str),
        **dict.fromkeys(("points", "reads"), dict),
        "differing": int,
        "states": list,
    }
    for key, kind in kinds.items():
        found = content.get(key, {})
        if not isinstance(found, dict) or not all(isinstance(value, kind) for value in found.values()):
            raise MetadataError(
                f"{key!r} in the schema's key 'hsframe' must be an object of {kind.__name__}; got {found!r}"
            )
    known: Mapping[str, Any] = content
    return known


def unit_of_field(schema: pa.Schema, name: str) -> str | None:
    """The unit of a column: by our metadata or, where pandas wrote the file, by the dtype in its own."""
    if unit := field_entries(schema.field(name)).get("unit"):
        return unit
    for column in (schema.pandas_metadata or {}).get("columns", ()):
        if column.get("field_name") == name:
            with suppress(TypeError, HsFrameError):
                return UnitDtype.construct_from_string(column.get("numpy_type")).unit
    return None


def zone_of_field(schema: pa.Schema, name: str) -> str | None:
    """The zone of a column of times, None of times without: of a tidy table, whose ``ts`` is in UTC, the frame's."""
    tz: str | None = schema.field(name).type.tz
    return tz if name != "ts" or tz is None else _content(schema).get("tz", tz)


def field_entries(field: pa.Field) -> dict[str, str]:
    """What the metadata of a field says of the point, by its names without ``hsframe:``."""
    entries = {}
    for key, value in (field.metadata or {}).items():
        name = key.decode("utf-8", "replace")
        if not name.startswith(_PREFIX):
            continue
        try:
            entries[name.removeprefix(_PREFIX)] = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MetadataError(f"{name} of column {field.name!r} is not valid UTF-8: {value!r}") from error
    return entries
