"""Which point a column belongs to."""

from __future__ import annotations

import pandas as pd
import pytest

from hsframe.errors import MetadataError
from hsframe.frame.entities import entity_frame
from hsframe.frame.match import match_columns
from hsframe.frame.points import Point, attach
from hsframe.grid import Grid
from hsframe.kinds import Ref

METER = Point("a", "Meter", "kW", "New_York", "Number")
FAN = Point("b", "Fan", None, "London", "Bool")


def frame(*labels):
    return pd.DataFrame([[0.0] * len(labels)], columns=list(labels))


@pytest.mark.parametrize("given", ["@a", "a", Ref("a"), METER, [METER], {"id": Ref("a")}])
def test_the_caller_says_which(given):
    assert match_columns(frame("x"), {"x": given})["x"].id == "a"


def test_what_the_caller_says_goes_first():
    df = frame("Meter")
    attach(df, {"Meter": METER})
    assert match_columns(df, {"Meter": "@z"})["Meter"] == Point("z", "z")
    assert match_columns(df)["Meter"] == METER


def test_a_mapping_may_leave_columns_to_the_rest():
    df = frame("x", "Fan")
    found = match_columns(df, {"x": METER}, known=[FAN])
    assert found == {"x": METER, "Fan": FAN}
    assert list(found) == ["x", "Fan"]


@pytest.mark.parametrize("points", [[METER, FAN], (METER, FAN)])
def test_a_list_of_points_is_looked_through_by_name_and_id(points):
    assert match_columns(frame("Fan", "a"), points) == {"Fan": FAN, "a": METER}
    assert match_columns(frame("Fan", "@a"), points) == {"Fan": FAN, "@a": METER}


def test_the_frame_of_read_is_looked_through():
    read = entity_frame(
        Grid.from_rows(
            {},
            ["id", "unit", "tz", "kind"],
            [{"id": Ref("a", "Meter"), "unit": "kW", "tz": "New_York", "kind": "Number"}, {"id": Ref("b", "Fan")}],
        )
    )
    assert match_columns(frame("Meter", "b"), read) == {"Meter": METER, "b": Point("b", "Fan")}


@pytest.mark.parametrize("label", ["@a", "Any name @a", "@p:demo:r:2a-b.c~d", "p:demo:r:2a", "2a1b3c4d-00ff00ff"])
def test_a_label_that_is_an_id(label):
    ident = label.rsplit("@", 1)[-1]
    assert match_columns(frame(label)) == {label: Point(ident, ident)}


def test_a_bare_word_is_an_id_only_where_it_is_known():
    with pytest.raises(MetadataError, match="'a'"):
        match_columns(frame("a"))
    assert match_columns(frame("a"), known=[METER]) == {"a": METER}


def test_an_id_takes_what_is_known_of_it():
    assert match_columns(frame("x"), {"x": "@a"}, known=[METER])["x"] == METER
    assert match_columns(frame("Twice @a"), known=[METER])["Twice @a"] == METER
    df = frame("Meter")
    attach(df, {"Meter": Point("a", "Meter", tz="New_York")})
    assert match_columns(df, known=[METER])["Meter"] == METER


def test_a_record_that_was_read_knows_better_than_an_old_catalog():
    df = frame("Meter")
    attach(df, {"Meter": METER})
    fresh = Point("a", "Meter", "MW", "New_York", "Number")
    assert match_columns(df, known=[fresh])["Meter"] == fresh
    assert match_columns(df, [fresh])["Meter"] == fresh


def test_a_record_that_the_caller_gives_knows_best_of_all():
    mine = Point("a", "Meter", "MW", None, "Number")
    assert match_columns(frame("x"), {"x": mine}, known=[METER])["x"] == Point("a", "Meter", "MW", "New_York", "Number")


def test_a_display_name_that_several_have_is_no_answer():
    other = Point("c", "Meter")
    with pytest.raises(MetadataError, match=r"@a, @c.*points=\{'Meter': '@a'\}"):
        match_columns(frame("Meter"), known=[METER, other])
    assert match_columns(frame("Meter"), {"Meter": "@c"}, known=[METER, other])["Meter"].id == "c"


@pytest.mark.parametrize("label", ["nobody", "", 7, ("a", "b")])
def test_a_column_without_a_point_is_refused_by_name(label):
    df = frame("x")
    df.columns = pd.Index([label], tupleize_cols=False)
    with pytest.raises(MetadataError, match="belongs to no known point") as caught:
        match_columns(df, known=[METER])
    assert repr(label) in str(caught.value)
    assert "points={" in str(caught.value)


def test_a_name_in_points_that_is_no_column_is_refused():
    with pytest.raises(MetadataError, match=r"'Metre', which is not a column; the columns are 'Meter'"):
        match_columns(frame("Meter"), {"Metre": "@a"})


def test_two_points_for_one_column_are_refused():
    with pytest.raises(MetadataError, match="2 points for the column 'x'"):
        match_columns(frame("x"), {"x": ["@a", "@b"]})


def test_two_columns_of_one_point_are_refused():
    with pytest.raises(MetadataError, match="'x' and 'y' both belong to the point @a"):
        match_columns(frame("x", "y"), {"x": "@a", "y": "a"})


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(MetadataError, match="two columns are called 'x'"):
        match_columns(frame("x", "x"), {"x": "@a"})


def test_a_column_that_is_called_id():
    assert match_columns(frame("id"), {"id": "@a"})["id"].id == "a"
    assert match_columns(frame("Meter"), {"id": "@a", "dis": "Meter"})["Meter"].id == "a"


@pytest.mark.parametrize("points", ["@b", Ref("b"), [FAN], [FAN, Point("c", "C")]])
def test_points_that_leave_out_where_a_column_came_from_are_not_passed_over(points):
    """The catalog said Meter, and the samples went there, whatever a list said."""
    df = frame("Meter", "Fan")
    attach(df, {"Meter": METER, "Fan": FAN})
    with pytest.raises(MetadataError, match=r"'Meter' is of the point @a, which points= does not name.*'Meter': '@b'"):
        match_columns(df, points)


@pytest.mark.parametrize("points", ["@b", Ref("b"), [FAN]])
def test_one_column_goes_to_the_one_point_that_is_named(points):
    df = frame("Meter")
    attach(df, {"Meter": METER})
    assert match_columns(df, points)["Meter"].id == "b"
    assert match_columns(frame("x"), points)["x"].id == "b"
