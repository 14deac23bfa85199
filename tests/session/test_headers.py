"""What columns are called: tags, paths through other records, levels, functions; and the ways on with such labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

HOUR_US = 3_600_000_000
FIRST_US = 1_793_332_800_000_000  # midnight of 2026-10-30 in New York
SPAN = "2026-10-30"
AHU = "equipRef->dis"


def two_air_handlers() -> Database:
    database = Database([{"id": Ref("hq"), "dis": "HQ", "site": MARKER, "area": Number(900, "m²")}], tz="New_York")
    for number in (1, 2):
        equip = {"id": Ref(f"ahu{number}"), "navName": f"AHU-{number}", "disMacro": "$navName", "equip": MARKER}
        database.add({**equip, "siteRef": Ref("hq")})
        for name, unit in (("Temp", "°F"), ("Power", "kW")):
            database.add({
                "id": Ref(f"{name[0].lower()}{number}"), "navName": name, "dis": f"HQ AHU-{number} {name}",
                "point": MARKER, "his": MARKER, "kind": "Number", "unit": unit, "tz": "New_York",
                "equipRef": Ref(f"ahu{number}"),
            })  # fmt: skip
    lone = {"id": Ref("x"), "dis": "Lone", "kind": "Bool", "tz": "New_York", "point": MARKER, "his": MARKER}
    database.add(lone)
    ts_us = FIRST_US + np.arange(24, dtype=np.int64) * HOUR_US
    for point in database.query("point"):
        values = np.arange(24) % 2 == 0 if point["kind"] == "Bool" else np.arange(24.0)
        database.set_history(point["id"], ts_us, values)
    return database


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(two_air_handlers()) as running:
        yield running


@pytest.fixture
def s(session: hsframe.Session) -> hsframe.Session:
    return session


POINTS = "point and equipRef"


@pytest.mark.parametrize(
    ("header", "labels"),
    [
        ("navName", ["Temp @t1", "Power @p1", "Temp @t2", "Power @p2"]),
        ("id", ["t1", "p1", "t2", "p2"]),
        ("equipRef->navName", ["AHU-1 @t1", "AHU-1 @p1", "AHU-2 @t2", "AHU-2 @p2"]),
        ("equipRef->siteRef->dis", ["HQ @t1", "HQ @p1", "HQ @t2", "HQ @p2"]),
        ("equipRef->siteRef->area", ["900 m² @t1", "900 m² @p1", "900 m² @t2", "900 m² @p2"]),
        ("equipRef->id", ["ahu1 @t1", "ahu1 @p1", "ahu2 @t2", "ahu2 @p2"]),
        ((AHU, "navName"), [("AHU-1", "Temp"), ("AHU-1", "Power"), ("AHU-2", "Temp"), ("AHU-2", "Power")]),
        (("equipRef->siteRef->dis", "id"), [("HQ", "t1"), ("HQ", "p1"), ("HQ", "t2"), ("HQ", "p2")]),
        (lambda r: f"{r['navName']} {r['unit']}", ["Temp °F @t1", "Power kW @p1", "Temp °F @t2", "Power kW @p2"]),
        (
            lambda r: (r["equipRef"].val, r["dis"][-4:]),
            [("ahu1", "Temp"), ("ahu1", "ower"), ("ahu2", "Temp"), ("ahu2", "ower")],
        ),
        (lambda r: r["id"].val if r["his"] is True else "?", ["t1", "p1", "t2", "p2"]),
    ],
)
def test_headers(s: hsframe.Session, header: Any, labels: list[Any]) -> None:
    df = s.his_read(POINTS, SPAN, header=header)
    assert df.columns.tolist() == labels
    assert df.hs.points["id"].tolist() == ["t1", "p1", "t2", "p2"]
    for table in (df.hs.points, df.hs.catalog):
        assert table.index.tolist() == labels
    assert list(df.hs.units.values()) == ["°F", "kW"] * 2
    assert s.his_read(POINTS, SPAN, header=header, interval="4h").columns.tolist() == labels
    assert list(s.his_read(POINTS, SPAN, header=header, shape="dict")) == labels
    if isinstance(header, tuple):
        assert df.columns.names == df.hs.points.index.names == df.hs.catalog.index.names == list(header)
    if header != "id":
        with pytest.raises(hsframe.MetadataError, match="names columns, and a tidy frame has a row per sample"):
            s.his_read(POINTS, SPAN, header=header, shape="tidy")
    tidy = s.his_read(POINTS, SPAN, shape="tidy")
    assert tidy["id"].unique().tolist() == ["p1", "p2", "t1", "t2"]


def test_a_ref_is_shown_by_its_display_name_also_where_only_its_record_has_that(s: hsframe.Session) -> None:
    assert s.his_read(POINTS, SPAN, header="equipRef").columns.tolist() == [
        "AHU-1 @t1", "AHU-1 @p1", "AHU-2 @t2", "AHU-2 @p2"
    ]  # fmt: skip
    with pytest.warns(hsframe.ReadWarning, match="1 of 2 points have no 'equipRef'"):
        df = s.his_read(["@t1", "@x"], SPAN, header=("equipRef", "id"))
    assert df.columns.tolist() == [("AHU-1", "t1"), ("Lone", "x")]


def test_a_header_that_fails_names_the_point(s: hsframe.Session) -> None:
    with pytest.raises(hsframe.MetadataError, match=r"header= failed for the record of .*@x.*KeyError\('navName'\)"):
        s.his_read(["@t1", "@x"], SPAN, header=lambda r: r["navName"])


def test_the_records_on_the_way_are_read_once_and_together(server: RunningServer, s: hsframe.Session) -> None:
    asked: list[list[str]] = []
    read = s.client.read_by_ids

    async def counted(ids: Any, **options: Any) -> Any:
        asked.append([ref.val for ref in ids])
        return await read(ids, **options)

    s.client.read_by_ids = counted  # type: ignore[method-assign]
    s.his_read(POINTS, SPAN, header=(AHU, "equipRef->siteRef->dis", "equipRef->navName", "navName"))
    assert asked == [["ahu1", "ahu2"], ["hq"]]


def test_where_a_tag_is_not_there_the_display_name_is_and_it_is_said(s: hsframe.Session) -> None:
    with pytest.warns(hsframe.ReadWarning) as warned:
        df = s.his_read(["@t1", "@x"], SPAN, header=("equipRef->siteRef->dis", "navName"))
    assert df.columns.tolist() == [("HQ", "Temp"), ("Lone", "Lone")]
    assert [str(one.message).partition(",")[0] for one in warned] == [
        "1 of 2 points have no 'equipRef->siteRef->dis'", "1 of 2 points have no 'navName'",
    ]  # fmt: skip
    assert all(one.filename == __file__ for one in warned)


def test_a_record_that_the_server_does_not_give_is_as_one_without_tags(server: RunningServer) -> None:
    database = two_air_handlers()
    database.add({**database.get(Ref("t1")), "equipRef": Ref("hidden", "AHU-9")})
    database.add({**database.get(Ref("p1")), "equipRef": Ref("gone")})
    with running_server(database) as other, hsframe.connect(other.uri, "demo", "demo") as s:
        df = s.his_read(POINTS, SPAN, header=AHU)
        assert df.columns.tolist() == ["AHU-9", "gone", "AHU-2 @t2", "AHU-2 @p2"]
        with pytest.warns(hsframe.ReadWarning, match="2 of 4 points have no 'equipRef->navName'"):
            s.his_read(POINTS, SPAN, header="equipRef->navName")


def test_points_that_fail_keep_their_place(s: hsframe.Session) -> None:
    df = s.his_read(["@t1", "@nope", "@t2"], SPAN, header=(AHU, "navName"), on_error="catalog")
    assert df.columns.tolist() == [("AHU-1", "Temp"), ("AHU-2", "Temp")]
    assert df.hs.catalog.index.tolist() == [("AHU-1", "Temp"), ("AHU-2", "Temp"), ("nope", "nope")]
    assert df.hs.catalog["status"].tolist() == ["ok", "ok", "failed"]
    by_function = s.his_read(["@t1", "@nope"], SPAN, header=lambda r: (r["navName"], r["unit"]), on_error="catalog")
    assert by_function.hs.catalog.index.tolist() == [("Temp", "°F"), ("nope", "nope")]
    none = s.his_read("@nope", SPAN, header=(AHU, "navName"), on_error="catalog")
    assert none.shape == (0, 0)
    assert none.columns.names == [AHU, "navName"]


def test_settings_may_use_the_labels(s: hsframe.Session) -> None:
    power = ("AHU-2", "Power")
    df = s.his_read(POINTS, SPAN, header=(AHU, "navName"), units={power: "W", "°F": "°C"})  # type: ignore[dict-item]
    assert list(df.hs.units.values()) == ["°C", "kW", "°C", "W"]
    df = s.his_read(POINTS, SPAN, header=(AHU, "navName"), interval="12h", agg={power: "max", "°F": "min"})  # type: ignore[dict-item]
    assert df[power].tolist() == [11, 23]
    with pytest.raises(hsframe.MetadataError, match=r"units= names \('AHU-2', 'Powr'\).*'Power'"):
        s.his_read(POINTS, SPAN, header=(AHU, "navName"), units={("AHU-2", "Powr"): "W"})  # type: ignore[dict-item]
    several = s.his_read(POINTS, SPAN, header=(AHU, "navName"), interval="12h", agg=["min", "max"])
    assert several.columns.names == [AHU, "navName", "agg"]
    assert several["AHU-2", "Power", "max"].tolist() == [11, 23]
    assert several.hs.points.index.tolist()[-1] == power
    assert several.hs.points.index.names == [AHU, "navName"]


def test_flags_stand_beside_their_columns(s: hsframe.Session) -> None:
    df = s.his_read(["@t1", "@t2"], SPAN, header=(AHU, "navName"), na="flag")
    assert df.columns.tolist() == [(ahu, name) for ahu in ("AHU-1", "AHU-2") for name in ("Temp", "Temp [na]")]
    values, flags = hsframe.frame.flags.split_flags(df)
    assert values.columns.tolist() == flags.columns.tolist() == [("AHU-1", "Temp"), ("AHU-2", "Temp")]
    assert values.hs.points["id"].tolist() == ["t1", "t2"]


@pytest.mark.parametrize("interval", [{}, {"interval": "12h"}, {"interval": "12h", "agg": ["min", "max"]}])
def test_parquet_keeps_the_levels(s: hsframe.Session, tmp_path: Path, interval: dict[str, Any]) -> None:
    df = s.his_read(POINTS, SPAN, header=(AHU, "navName"), **interval)
    hsframe.write_parquet(df, tmp_path / "a.parquet")
    back = hsframe.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(back, df)
    pd.testing.assert_frame_equal(back.hs.points, df.hs.points)
    label = df.columns[1]
    one = hsframe.read_parquet(tmp_path / "a.parquet", columns=[label], filters=[(label, ">=", 0)])
    assert one.columns.tolist() == [label]
    assert one.hs.points["id"].tolist() == ["p1" if not interval.get("agg") else "t1"]
    below = hsframe.read_parquet(tmp_path / "a.parquet", columns=[label[0], label])
    pd.testing.assert_frame_equal(below, df[[label[0]]])
    assert hsframe.read_parquet(tmp_path / "a.parquet", columns=[label[:2]]).columns.tolist() == [
        one for one in df.columns if one[:2] == label[:2]
    ]
    with pytest.raises(hsframe.MetadataError, match="has no column 'AHU'; it has "):
        hsframe.read_parquet(tmp_path / "a.parquet", columns=["AHU"])
    two = hsframe.read_parquet([tmp_path / "a.parquet"] * 2)
    assert len(two) == 2 * len(df)
    assert two.hs.points["id"].tolist() == df.hs.points["id"].tolist()


def test_what_was_read_in_levels_is_written(s: hsframe.Session) -> None:
    df = s.his_read(POINTS, SPAN, header=(AHU, "navName"))
    report = s.his_write(df * 2, dry_run=True)
    assert report["id"].tolist() == ["t1", "p1", "t2", "p2"]
    assert report["same"].tolist() == [1] * 4
    assert s.his_write(df, verify=True)["status"].tolist() == ["verified"] * 4
    assert s.his_write(df["AHU-1"], points={"Temp": "@t1", "Power": "@p1"}, dry_run=True)["id"].tolist() == ["t1", "p1"]
    assert hsframe.frame_to_his_grids(df)[0].cols[1].meta["id"] == Ref("t1")
    assert df.hs.to_grid().cols[4].meta["id"] == Ref("p2")


def test_export_takes_a_header(s: hsframe.Session, tmp_path: Path) -> None:
    path = s.export(POINTS, SPAN, tmp_path / "a.parquet", header=(AHU, "navName"))
    assert hsframe.read_parquet(path)["AHU-2"].columns.tolist() == ["Temp", "Power"]
