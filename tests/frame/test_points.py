"""Points, display names, the catalog in attrs."""

from __future__ import annotations

import copy
import json
import pickle
import time

import numpy as np
import pandas as pd
import pytest

from hsframe.errors import MetadataError
from hsframe.frame.entities import entity_frame
from hsframe.frame.labels import unique_labels
from hsframe.frame.points import ATTRS_KEY, Point, PointCatalog, attach, differing_of, display_name, note, points_of
from hsframe.frame.points_like import as_points, points_table
from hsframe.frame.reads import Read, note_reads
from hsframe.frame.stamps import Interval, note_interval
from hsframe.grid import Grid
from hsframe.kinds import NA, Number, Ref

METER = Point("a", "Main meter", "kW", "New_York", "Number")
FAN = Point("b", "Fan", None, "London", "Bool")


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"id": Ref("a", "of the ref"), "dis": "tag", "navName": "nav"}, "of the ref"),
        ({"id": Ref("a"), "dis": "tag", "disMacro": "$navName", "navName": "nav"}, "tag"),
        ({"id": Ref("a"), "disMacro": "$navName!", "navName": "nav"}, "nav!"),
        ({"id": Ref("a"), "disMacro": "$siteRef $equipRef", "siteRef": Ref("s", "HQ"), "equipRef": Ref("e")}, "HQ e"),
        ({"id": Ref("a"), "disMacro": "${siteRef}x $gone $<ph::kW>", "siteRef": Ref("s", "HQ")}, "HQx $gone $<ph::kW>"),
        ({"id": Ref("a"), "navName": "nav"}, "nav"),
        ({"id": Ref("a")}, "a"),
        ({"id": "a", "id->dis": "beside", "dis": "tag"}, "beside"),
        ({"id": "a", "id->dis": float("nan"), "dis": pd.NA, "navName": NA}, "a"),
        ({"id": "a", "disMacro": "$siteRef", "siteRef": "s", "siteRef->dis": "HQ"}, "HQ"),
        ({}, ""),
    ],
)
def test_the_order_of_display_names(record, name):
    assert display_name(record) == name


def test_a_point_of_a_record_keeps_what_is_there():
    record = {"id": Ref("a", "Main meter"), "unit": "kW", "tz": "New_York", "kind": "Number"}
    assert Point.from_record(record) == METER
    assert Point.from_record({"id": "@a", "dis": "x", "unit": None, "tz": float("nan"), "kind": ""}) == Point("a", "x")


def test_a_unit_that_cannot_be_written_stops_no_read():
    point = Point.from_record({"id": Ref("a"), "minVal": Number(0, "k W"), "maxVal": Number(9, "kW")})
    assert point.his_tags() == {"kind": None, "maxVal": Number(9, "kW")}


def test_a_record_without_an_id_is_refused():
    with pytest.raises(MetadataError, match=r"without an id.*dis, unit"):
        Point.from_record({"dis": "x", "unit": "kW"})


@pytest.mark.parametrize(
    "given",
    [
        METER,
        [METER],
        ({"id": Ref("a", "Main meter"), "unit": "kW", "tz": "New_York", "kind": "Number"},),
        Grid.from_rows(
            {},
            ["id", "dis", "unit", "tz", "kind"],
            [{"id": Ref("a"), "dis": "Main meter", "unit": "kW", "tz": "New_York", "kind": "Number"}],
        ),
    ],
)
def test_points_in_every_form(given):
    assert as_points(given) == [METER]


def test_lone_ids_know_nothing_else():
    points = as_points(["@a", "b", Ref("c", "See")])
    assert points == [Point("a", "a"), Point("b", "b"), Point("c", "See")]
    assert not any(point.is_known for point in points)
    assert METER.is_known
    assert FAN.is_known


def test_an_id_that_comes_twice_is_kept_once_and_the_record_is_kept():
    assert as_points(["a", METER, Ref("a")]) == [METER]
    assert as_points([Ref("a", "Mine"), METER]) == [Point("a", "Mine", "kW", "New_York", "Number")]


def test_the_frame_of_read_gives_its_points():
    rows = [
        {"id": Ref("a", "Main meter"), "unit": "kW", "tz": "New_York", "kind": "Number"},
        {},
        {"id": Ref("b", "Fan"), "tz": "London", "kind": "Bool"},
    ]
    frame = entity_frame(Grid.from_rows({}, ["id", "unit", "tz", "kind"], rows))
    assert as_points(frame) == [METER, FAN]
    assert as_points(frame.iloc[:0]) == []
    assert as_points(frame.iloc[0]) == [METER]
    assert as_points([row for _, row in frame.iloc[[2, 0]].iterrows()]) == [FAN, METER]


def test_a_trend_frame_gives_its_points():
    df = pd.DataFrame({"x": [1.0], "y": [2.0]})
    attach(df, {"x": METER, "y": FAN})
    assert as_points(df[["y", "x"]]) == [FAN, METER]


@pytest.mark.parametrize("given", [7, [None], "", "@", pd.DataFrame({"x": [1]})])
def test_what_is_no_point_is_refused(given):
    with pytest.raises(MetadataError, match="expected"):
        as_points(given)


# The catalog --------------------------------------------------------------------------------------------------------


def frame_with_catalog():
    df = pd.DataFrame({"Main meter": [1.0, 2.0], "Fan": [0.0, 1.0], "other": [5.0, 6.0]})
    attach(df, {"Main meter": METER, "Fan": FAN, "other": Point("", "other")}, differing={"Fan": 3})
    return df


def test_points_of_a_frame_follow_its_columns():
    df = frame_with_catalog()
    assert points_of(df) == {"Main meter": METER, "Fan": FAN}
    assert list(points_of(df[["Fan", "Main meter"]])) == ["Fan", "Main meter"]
    assert points_of(df.rename(columns={"Fan": "Blower"})) == {"Main meter": METER}
    assert differing_of(df) == {"Fan": 3}
    assert differing_of(df[["other"]]) == {}
    assert points_of(pd.DataFrame({"x": [1]})) == {}


def test_the_table_of_points():
    table = points_table(frame_with_catalog())
    expected = pd.DataFrame(
        {
            "id": ["a", "b"],
            "dis": ["Main meter", "Fan"],
            "unit": ["kW", None],
            "tz": ["New_York", "London"],
            "kind": ["Number", "Bool"],
        },
        index=pd.Index(["Main meter", "Fan"], name="point"),
        dtype="str",
    )
    pd.testing.assert_frame_equal(table, expected)
    assert points_table(pd.DataFrame({"x": [1]})).columns.tolist() == ["id", "dis", "unit", "tz", "kind"]


def test_the_table_of_a_frame_of_entities():
    frame = entity_frame(Grid.from_rows({}, ["id", "unit"], [{"id": Ref("a", "M"), "unit": "kW"}, {"id": Ref("b")}]))
    table = points_table(frame)
    assert table["id"].tolist() == ["a", "b"]
    assert table["dis"].tolist() == ["M", "b"]
    assert table.index.tolist() == [0, 1]


def test_the_catalog_is_frozen_to_its_depths():
    catalog = frame_with_catalog().attrs[ATTRS_KEY]
    for spoil in (
        lambda: catalog.update(x=1),
        lambda: catalog.__setitem__("x", 1),
        lambda: catalog.pop("points"),
        lambda: catalog.clear(),
        lambda: catalog.setdefault("x", 1),
        lambda: catalog["points"].pop("Fan"),
        lambda: catalog["points"]["Fan"].__setitem__("unit", "kW"),
        lambda: catalog["differing"].__delitem__("Fan"),
    ):
        with pytest.raises(TypeError, match="frozen"):
            spoil()
    with pytest.raises(TypeError, match="frozen"):
        catalog |= {"x": 1}
    assert points_of(frame_with_catalog())["Fan"] == FAN


def test_copies_of_the_catalog_are_itself_and_pickles_are_equal():
    catalog = frame_with_catalog().attrs[ATTRS_KEY]
    assert copy.deepcopy(catalog) is catalog
    assert copy.copy(catalog) is catalog
    assert catalog.copy() is catalog
    again = pickle.loads(pickle.dumps(catalog))
    assert again == catalog
    assert type(again) is PointCatalog
    with pytest.raises(TypeError, match="frozen"):
        again["points"].clear()


def test_the_catalog_lives_through_pandas_steps_pickle_json_and_parquet(tmp_path):
    df = frame_with_catalog()
    assert points_of(df.head(1).copy()) == points_of(df)
    assert points_of(pickle.loads(pickle.dumps(df))) == points_of(df)
    assert json.loads(json.dumps(df.attrs))["hsframe"] == df.attrs["hsframe"]
    df.to_parquet(tmp_path / "x.parquet")
    back = pd.read_parquet(tmp_path / "x.parquet")
    assert points_of(back) == points_of(df)
    assert differing_of(back) == {"Fan": 3}


def test_what_is_of_one_read_alone_is_not_compared():
    """pandas keeps attrs in concat, merge and join where those of all frames are equal."""
    frames = [frame_with_catalog() for _ in range(3)]
    for number, df in enumerate(frames):
        note(df, "read", {"Fan": {"id": "b", "rows": number}})
        note_reads(
            df, {"a": Read({"mean": "kW"}, ((number, 9, (number,), (8,)),)), "b": Read({}, ((number, 9, (), ()),))}
        )
    note(frames[0], "differing", {"Fan": 4})
    first = frames[0].attrs[ATTRS_KEY]
    for other in [frame.attrs[ATTRS_KEY] for frame in frames[1:]]:
        assert first == other == dict(first)
        assert (first != other) is False
        assert frames[0].attrs == {ATTRS_KEY: other}
    assert pd.concat(frames, ignore_index=True).attrs[ATTRS_KEY] is first
    note_reads(frames[1], {"a": Read({"max": "kW"}, ((1, 9, (1,), (8,)),))})
    note_interval(frames[2], Interval("1h"))
    others = [frame.attrs[ATTRS_KEY] for frame in frames[1:]]
    for other in [*others, PointCatalog.of({"Fan": FAN}), {}, {"reads": 3}, 3]:
        assert first != other
        assert (first == other) is False


@pytest.mark.parametrize("attrs", [{"hsframe": 1}, {"hsframe": {"points": 1}}, {"hsframe": {"points": {"x": {}}}}])
def test_attrs_that_someone_else_wrote_are_no_catalog(attrs):
    df = pd.DataFrame({"x": [1]})
    df.attrs.update(attrs)
    assert points_of(df) == {}
    assert differing_of(df) == {}


def test_two_thousand_points_cost_a_step_less_than_a_millisecond():
    labels = [f"Point {number}" for number in range(2000)]
    df = pd.DataFrame(np.zeros((10, 2000)), columns=labels)
    attach(df, {label: Point(f"p:demo:r:{label}", label, "kW", "New_York", "Number") for label in labels})
    took = []
    for _ in range(20):
        start = time.perf_counter()
        df.head()
        took.append(time.perf_counter() - start)
    assert min(took) < 0.001
    assert len(points_of(df.head())) == 2000


def test_labels_are_made_unique_with_the_id_and_stay_unique():
    points = [Point("a"), Point("b"), Point("c"), Point("d")]
    assert unique_labels(points, ["T", "T", "U", "V"]) == ["T @a", "T @b", "U", "V"]
    # A name that looks like one that was made unique must not take its place.
    labels = unique_labels(points, ["T", "T", "T @a", "V"])
    assert len(set(labels)) == 4
    assert labels[0] == "T @a"
    assert unique_labels([Point(""), Point("")], ["x", "x"]) == ["x", "x (2)"]
