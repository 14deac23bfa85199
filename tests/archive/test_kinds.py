"""What a server has in a history is in the archive, of whatever kind it is, and of whatever kind its point."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import hsframe
from hsframe import Archive, Session
from hsframe.archive.histories import cell_of, histories_of, rows_of
from hsframe.archive.layout import ROWS_SCHEMA
from hsframe.archive.served import ArchiveDatabase
from hsframe.columns import ArrowColumn
from hsframe.errors import HsFrameError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.kinds import MARKER, NA, Coord, Number, Ref, Uri, same
from hsframe.server.database import Database
from hsframe.server.samples import Samples
from tests.archive.building import NOW_US, QUARTER_US, SINCE, add_point, assert_in_step

TEXTS = st.sampled_from(["", "on", "@a", "T", "NA", "2024-01-31", '"x"', "1kW", "not a ref!", "`x"])
NUMBERS = st.sampled_from([0.0, 1.0, -0.5, float("nan"), float("inf")])
CELLS = st.one_of(
    TEXTS,
    st.booleans(),
    NUMBERS.map(Number),
    st.sampled_from([Number(0, "%"), Number(1.0, "kW"), Number(2.0, "kW")]),
    st.sampled_from([Ref("a"), date(2024, 1, 31), time(8, 30), Uri("x"), Coord(1, 2), MARKER, NA, None]),
)
KINDS = st.sampled_from(["Number", "Bool", "Str", "Ref", "Date", "Coord", "Obj", None])


@example("Bool", [Number(0), Number(1), NA])
@example("Bool", [True, Number(1)])
@example("Number", [True, False, NA])
@example("Ref", ["@a", Ref("a")])
@example(None, [Ref("a"), "@a"])
@given(KINDS, st.one_of(st.lists(CELLS, max_size=6), st.lists(TEXTS, max_size=3), st.lists(NUMBERS.map(Number))))
def test_a_sample_is_what_it_was(kind: str | None, cells: list[Any]) -> None:
    point = Point("p", "p", None, "UTC", kind)
    rows = rows_of([History(point, np.arange(len(cells), dtype=np.int64), cells)])
    (found,) = histories_of(rows, [point])
    wanted = [(place, cell) for place, cell in enumerate(cells) if cell is not None]
    assert found.ts_us.tolist() == [place for place, _ in wanted]
    for one, (_, cell) in zip(found.values, wanted, strict=True):
        assert type(one) is type(cell)
        assert same(one, cell)


UNITS = st.sampled_from([None, "", "kW", "%"])
VALUES = st.sampled_from([None, 0.0, 1.0, -0.5, float("nan")])


@example("Number", [(1.0, None, "kW"), (None, None, None), (None, None, "kW"), (2.0, None, "kW")])
@example("Bool", [(1.0, None, None), (None, None, "kW")])
@example("Bool", [(1.0, None, ""), (None, None, None)])
@example("Number", [(1.0, None, ""), (None, None, None)])
@example("Str", [(None, "on", None), (None, None, "kW")])
@example("Ref", [(None, "on", ""), (None, None, None)])
@example("Number", [(1.0, None, None), (None, None, "kW")])
@given(KINDS, st.lists(st.one_of(st.tuples(VALUES, st.none(), UNITS), st.tuples(st.none(), TEXTS, UNITS)), max_size=5))
def test_columns_have_the_cells_that_rows_have_one_by_one(kind: str | None, cells: list[Any]) -> None:
    columns = [[cell[place] for cell in cells] for place in range(3)]
    table = [["p"] * len(cells), range(len(cells)), *columns]
    rows = pa.table([pa.array(one, field.type) for one, field in zip(table, ROWS_SCHEMA, strict=True)], ROWS_SCHEMA)
    (found,) = histories_of(rows, [Point("p", "p", None, "UTC", kind)])
    for one, cell in zip(found.values, cells, strict=True):
        wanted = cell_of(*cell, kind)
        assert type(one) is type(wanted)
        assert same(one, wanted)
    known = [cell for cell in cells if cell[:2] != (None, None)]
    if len({unit for *_, unit in known}) <= 1 and all(text is None for _, text, _ in known):
        assert isinstance(found.values, ArrowColumn)  # one object a sample is many times slower, and NA is no reason


OF_OTHER_KIND = {
    "boolNum": ("Bool", [Number(float(one)) for one in range(6)]),
    "boolFew": ("Bool", [Number(0.0), Number(1.0)] * 3),
    "boolUnit": ("Bool", [Number(float(one), "%") for one in range(6)]),
    "boolMix": ("Bool", [True, Number(5), False, Number(1), True, False]),
    "numBool": ("Number", [True, False] * 3),
    "strBool": ("Str", [True, False] * 3),
    "strRef": ("Str", [Ref("a"), Ref("b")] * 3),
    "refStr": ("Ref", ["hello world", "@x", "N", "1kW"]),
    "dateStr": ("Date", ["n/a", "2020-01-01"]),
    "coordStr": ("Coord", ["somewhere", Coord(1, 2)]),
    "noneRef": (None, [Ref("a"), Ref("b")] * 3),
    "noneBool": (None, [True, False] * 3),
    "noneDate": (None, [date(2020, 1, 1)] * 3),
}


@pytest.fixture
def database() -> Database:
    database = Database(name="works", tz="UTC")
    database.his_kinds = ArchiveDatabase.his_kinds
    for name, (kind, cells) in OF_OTHER_KIND.items():
        add_point(database, name, kind or "Number", tz="UTC")
        database._histories[name] = Cells(cells)
        if kind is None:
            database.update(name, {"kind": None})
    return database


class Cells(Samples):
    """Samples of any kinds."""

    def __init__(self, cells: Sequence[Any]) -> None:
        super().__init__("Number")
        self.ts_us = NOW_US - QUARTER_US * np.arange(len(cells), 0, -1)
        self._cells = cells

    def column(self, part: slice, unit: str | None) -> Sequence[Any]:
        return self._cells[part]


@pytest.mark.one_python
@pytest.mark.filterwarnings("ignore:.*have texts among their samples")
def test_samples_of_other_kinds_than_their_records_are_those_of_the_server(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path / "trends")
    archive.sync("point", session=session, since=SINCE)
    for name in OF_OTHER_KIND:
        assert_in_step(archive, session, f"@{name}")
    again = archive.sync("point", session=session, since=SINCE)
    assert set(again["status"]) == {"same"}
    session.export("point", (SINCE, None), tmp_path / "t.parquet", layout="tidy", tz="UTC")
    read = [one.his_read("point", (SINCE, None), shape="tidy") for one in (archive, session)]
    wide = archive.his_read(["boolUnit", "numBool", "strBool", "noneBool"], (SINCE, None))
    hsframe.write_parquet(wide, tmp_path / "w.parquet")
    for place, taken in enumerate([*read, tmp_path / "t.parquet", tmp_path / "w.parquet"]):
        other = Archive(tmp_path / str(place))
        other.add(taken)
        assert set(other.add(taken)["status"]) == {"same"}
        for name in OF_OTHER_KIND.keys() & set(other.points["id"]):
            frames = (one.his_read(f"@{name}", (SINCE, None), shape="tidy") for one in (other, archive))
            pd.testing.assert_frame_equal(*frames)
    assert len(other.points) == 4
    for wrong in (wide, read[0].assign(text="on", unit="kW"), pd.DataFrame(read[0])):
        wrong.attrs = {} if wrong is not wide else wide.attrs
        with pytest.raises(HsFrameError, match="the column holds"):
            Archive(tmp_path / "none").add(wrong, points=archive.read("point") if wrong is not wide else None)
    file = hsframe.read_parquet(tmp_path / "t.parquet").drop(columns="id")
    ids = hsframe.read_parquet(tmp_path / "t.parquet")["id"]
    for name, (kind, _) in OF_OTHER_KIND.items():
        if kind is not None:  # a frame takes the kind of values for that of a point without one
            tidy = session.his_read(f"@{name}", (SINCE, None), shape="tidy", tz="UTC").drop(columns="id")
            own = file[ids == name].reset_index(drop=True)
            pd.testing.assert_frame_equal(own, tidy, check_categorical=False)


def test_null_is_no_sample_however_it_was_asked_for(tmp_path: Path, session: Session, database: Database) -> None:
    cells = [Number(float(one), "kW") if one % 3 else None for one in range(24)]
    for name in ("n", "m"):
        add_point(database, name, "Number", unit="kW", tz="UTC")
        database._histories[name] = Cells(cells)
    archive = Archive(tmp_path / "trends")
    for points, status in {"@n": "synced", ("n", "m"): "same", "@m": "same"}.items():
        table = archive.sync(list(points) if isinstance(points, tuple) else points, session=session, since=SINCE)
        assert table["status"].iloc[0] == status
        assert table["rows_new"].iloc[0] in (0, 16)
    assert len(archive.his_read("@n", (SINCE, None))) == 16
    for points in ("@n", ["n", "m"]):
        assert_in_step(archive, session, points, interval="1h", na="nan")
        tidy = session.his_read(points, (SINCE, None), shape="tidy")
        pd.testing.assert_frame_equal(archive.his_read(points, (SINCE, None), shape="tidy"), tidy)
        assert tidy["value"].notna().all()


@pytest.mark.filterwarnings("ignore:.*may lack samples")
def test_a_frame_says_of_what_kind_a_point_without_a_record_is(tmp_path: Path) -> None:
    ts = pd.date_range("2026-01-01", periods=3, freq="1h", tz="UTC")
    df = pd.DataFrame({"run": pd.array([True, False, None], dtype="boolean")}, index=ts)
    archive = Archive(tmp_path / "trends")
    archive.add(df, points={"run": "@run"})
    assert archive.points["kind"].tolist() == ["Bool"]
    assert archive.his_read("@run", "2026-01-01").iloc[:, 0].tolist() == [True, False]
