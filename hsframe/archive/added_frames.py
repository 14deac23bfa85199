"""The samples of each point of a frame that is added to an archive, checked as those of a write to a server are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.archive.histories import histories_of
from hsframe.archive.layout import ROWS_SCHEMA
from hsframe.arrays import Instants
from hsframe.columns import BoolColumn, NumberColumn, StrColumn
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.his_grids import frame_columns
from hsframe.frame.histories import History
from hsframe.frame.match import frame_of
from hsframe.frame.points import TIDY_COLUMNS, Point, is_tidy, points_of
from hsframe.frame.points_like import as_points
from hsframe.frame.reads import Read, checksum
from hsframe.frame.trend import is_of_text
from hsframe.frame.values import value_array
from hsframe.kinds import MARKER, NA, Na, Number, Ref
from hsframe.unit_array.dtype import unit_of_dtype

_KINDS: Final = {NumberColumn: "Number", BoolColumn: "Bool", StrColumn: "Str"}


@dataclass(frozen=True, slots=True)
class Added:
    """The samples of one point that a frame has, and a note on how they were made.

    At `na_us` there is NA, and at `holes_us` NA or no sample. With `lost_na` there were samples without a value, or may
    have been, of which nothing tells when.
    """

    history: History
    note: str
    na_us: Instants
    holes_us: Instants
    lost_na: bool

    @property
    def histories(self) -> list[History]:
        """All of its samples."""
        na = replace(self.history, ts_us=self.na_us, values=[NA] * len(self.na_us))
        return [one for one in (self.history, na) if len(one.ts_us)]


def added_samples(
    df: Any,
    points: Any,
    known: Mapping[str, Point],
    reads: Mapping[str, Read],
    *,
    any_kind: bool,
    convert: bool,
) -> Iterator[Added]:
    """The samples of each point of a frame, with the note of its reads.

    With `any_kind` those that were read may be of another kind than the record of their point says.
    """
    df = frame_of(_with_all_columns(df), tidy=True)
    for part, of_part, candidates, tidy_na_us in _parts(df, points, known, reads):
        found: list[tuple[History, str, Instants]] = []
        if isinstance(part, History):
            found.append((part, "", np.empty(0, np.int64)))
        else:
            for column in frame_columns(part, of_part, candidates, inf="send", convert=convert, samples_only=True):
                point = known.get(column.point.id, column.point)
                is_other = any_kind and point.id in reads and column.kind != point.kind
                one = column.samples(replace(point, kind=None, unit=None) if is_other else point)
                found.append((History(replace(point, tz=one.tz), one.ts_us, one.values), one.note, column.missing_us))
        for history, note, missing_us in found:
            read = reads.get(history.point.id, Read())
            na_us = missing_us[read.has(missing_us)] if tidy_na_us is None else tidy_na_us
            # Others are holes of other columns, or were made missing since.
            are_na = (tidy_na_us is not None) if read.missing is None else checksum(na_us) == read.missing
            lost_na = not are_na and bool(len(na_us) if read.missing is None else read.missing)
            yield Added(history, note, na_us if are_na else na_us[:0], missing_us, lost_na)


def tags_of(samples: History) -> dict[str, Any]:
    """The record of a point, by what a frame says of it."""
    point, unit = samples.point, samples.values.unit if isinstance(samples.values, NumberColumn) else None
    tags = {
        **point.his_tags(),
        "id": Ref(point.id, point.dis or None),
        "dis": point.dis or point.id,
        "point": MARKER,
        "his": MARKER,
        "kind": point.kind or _KINDS.get(type(samples.values)),
        "unit": point.unit or unit,
        "tz": point.tz,
        "enum": ",".join(point.states or ()),
    }
    return {name: tag for name, tag in tags.items() if tag}


def _with_all_columns(df: Any) -> Any:
    """A frame with a row per sample as other programs write it, with id, ts and value at least, as a tidy one."""
    if not isinstance(df, pd.DataFrame) or not {"id", "value"} <= {*df.columns} or is_tidy(df):
        return df
    if df.index.name == "ts":
        df = df.reset_index()
    if "ts" not in df:
        raise MetadataError("a frame with a row per sample has the columns id, ts and value; this one has no ts")
    is_text, unit = df["value"].dtype.kind not in "biuf", unit_of_dtype(df["value"].dtype)
    values = np.nan if is_text else df["value"].hs.magnitude() if unit else df["value"]
    text = df.get("text", df["value"] if is_text else None)
    return df.assign(value=values, text=text, unit=df.get("unit", unit))[[*TIDY_COLUMNS]]


def _parts(
    df: pd.DataFrame, points: Any, known: Mapping[str, Point], reads: Mapping[str, Read]
) -> Iterator[tuple[pd.DataFrame | History, Any, Collection[Point], Instants | None]]:
    """A wide frame whole, a tidy one point by point, each with the points that it may be; a History needs no check.

    The last of each are the instants at which a tidy one has NA, None of a wide one.
    """
    if not is_tidy(df):
        yield df, points, known.values(), None
        return
    own = [] if points is None else as_points(points)
    catalog = {point.id: point for point in points_of(df).values()}
    given = {point.id: point for point in as_points([*own, *known.values(), *catalog.values()])}
    given |= {ident: replace(given[ident], kind=point.kind) for ident, point in catalog.items()}  # which its rows mean
    if df["id"].isna().any():
        raise MetadataError(f"row {int(df['id'].isna().argmax())} of this tidy frame has no id; nothing was added")
    if any(str(ident).startswith("@") for ident in df["id"].unique()):
        df = df.assign(id=df["id"].astype("str").str.removeprefix("@"))
    if is_of_text(pd.Index(df["ts"])):
        raise MetadataError(
            "the column ts of this tidy frame has texts, expected times with a zone; make them times with "
            "df.assign(ts=pd.to_datetime(df['ts'], utc=True).dt.tz_convert('America/New_York')); nothing was added"
        )
    if df["ts"].dtype.kind == "M" and not isinstance(df["ts"].dtype, pd.DatetimeTZDtype):
        raise ZoneError(
            "the times in the column ts of this tidy frame have no zone, so their instants are not known; say which "
            "zone they are in with df.assign(ts=df['ts'].dt.tz_localize('America/New_York')); nothing was added"
        )
    is_timed = isinstance(df["ts"].dtype, pd.DatetimeTZDtype) and df["ts"].notna().all()
    made = df["id"][df["text"].notna() & df["unit"].notna() & (df["unit"] != "")]  # no text that was read has a unit
    as_read = reads.keys() - {*made} if is_timed else ()
    df = df.sort_values(["id", "ts"] if is_timed else "id", kind="stable")
    ids = pa.array(df["id"].astype("str"))
    # The place of a row stands for its time, which is checked with the others.
    places = pa.array(np.arange(len(df))).view(pa.timestamp("us", "UTC"))
    try:
        columns = {  # one without values has any type in pandas, as that of numbers in what read_csv gives
            name: pa.array(df[name], from_pandas=True) if df[name].notna().any() else pa.nulls(len(df))
            for name in ("value", "text", "unit")
        }
        rows = pa.table({"id": ids, "ts": places, **columns}).cast(ROWS_SCHEMA)
    except pa.ArrowException as error:
        raise MetadataError(
            f"a tidy frame has numbers in 'value', and texts in 'text' and 'unit': {error}; nothing was added"
        ) from error
    others = df[df["unit"].eq("") & df["value"].notna() & ~df["value"].isin([0, 1])]["id"]
    if strange := [ident for ident in others.unique() if ident not in given or given[ident].kind != "Bool"]:
        raise MetadataError(f"@{strange[0]} has numbers with the unit '', which means true and false; none is None")
    kind = "Bool" if df["value"].dtype.kind == "b" else None
    named = [given.get(ident, Point(ident, ident, kind=kind)) for ident in pc.unique(ids).to_pylist()]
    for history in histories_of(rows, named):
        point, values, times = history.point, history.values, pd.Index(df["ts"].iloc[history.ts_us])
        kind = _KINDS.get(type(values)) or ("Number" if {*map(type, values)} <= {Number, Na} else None)
        array = value_array([values])
        # Of what was read, a row without a value is NA; else nothing tells it from the hole of a wide frame.
        is_na = np.asarray(pd.isna(array), dtype=bool) & (point.id in as_read)
        na_us = times[is_na].as_unit("us").asi8 if is_na.any() else np.empty(0, np.int64)
        if point.id in as_read and (kind is None or point.kind not in (None, kind)):
            cells = [one for one in values if one is not NA]
            yield History(point, times[~is_na].as_unit("us").asi8, cells), None, (), na_us
        else:
            own_df = pd.Series(array, times, name=f"@{point.id}").to_frame()
            yield own_df[~is_na] if times.is_unique else own_df, {own_df.columns[0]: point}, (), na_us
