"""Points by the names that people have for them."""

from __future__ import annotations

import string

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsframe.errors import MetadataError
from hsframe.frame.names import Names, find_frame
from hsframe.frame.points import Point

ROLES = (
    "DAT",
    "RAT Temp",
    "Supply Fan Status",
    "Cooling Valve Cmd",
    "Zone Temp",
    "Zone Temp SP",
    "Power kW",
    "Énergie",
)
CAMPUS = [
    Point(f"p:x:{site}-{unit}-{place}", f"Site {site} AHU-{unit} {role}")
    for site in ("North", "South")
    for unit in range(1, 41)
    for place, role in enumerate(ROLES)
]
NAMES = Names(CAMPUS)


@st.composite
def typing_errors(draw: st.DrawFn) -> tuple[str, Point]:
    """A name in which a letter lacks, is another, stands twice or is swapped with the next one; and the point."""
    point = draw(st.sampled_from(CAMPUS))
    name = point.dis or ""
    place = draw(st.sampled_from([at for at in range(len(name) - 1) if name[at].isalpha()]))
    how = draw(st.sampled_from(["lacks", "other", "twice", "swapped"]))
    before, letter, after = name[:place], name[place], name[place + 1 :]
    changed = {
        "lacks": "",
        "other": draw(st.sampled_from(string.ascii_letters)),
        "twice": letter * 2,
        "swapped": after[0] + letter,
    }[how]
    return before + changed + after[how == "swapped" :], point


@settings(max_examples=5)
@given(st.lists(typing_errors(), min_size=200, max_size=200))
def test_a_list_with_typing_errors_is_near_what_was_meant(asked: list[tuple[str, Point]]) -> None:
    df = find_frame(CAMPUS, [text for text, _ in asked])
    assert df["asked"].tolist() == [text for text, _ in asked]
    for (_, meant), row in zip(asked, df.itertuples(), strict=True):
        assert row.id == meant.id if row.status == "found" else meant.dis in row.nearest
        assert pd.isna(row.id) == (row.status != "found")


@given(
    st.sampled_from(CAMPUS), st.lists(st.sampled_from(["", " ", "-", "_", " - ", "\t", ": "]), min_size=9, max_size=9)
)
def test_case_blanks_and_punctuation_do_not_tell_names_apart(point: Point, between: list[str]) -> None:
    words = (point.dis or "").replace("-", " ").split()
    text = "".join(word + blank for word, blank in zip(words, between, strict=False))
    for spelling in (text, text.upper(), text.lower().replace("é", "e\u0301")):
        assert NAMES.alike(spelling) == [point]


def test_numbers_stay_apart_and_in_order() -> None:
    boxes = [Point(f"{floor}.{box}", f"VAV {floor}-{box} Flow") for floor in range(1, 13) for box in range(1, 13)]
    names = Names(boxes)
    for text, ids in (
        ("vav2-10flow", ["2.10"]),
        ("VAV 210 Flow", []),
        ("VAV 2-1 0 Flow", []),
        ("VAV 12 1 Flow", ["12.1"]),
    ):
        assert [one.id for one in names.alike(text)] == ids
    for box in boxes:
        for text in ((box.dis or "").replace("Flow", "Flwo"), (box.dis or "").replace("VAV ", "VA")):
            assert names.near(text)[0] == box.dis
    sensors = [Point(f"{ahu}.{place}", f"AHU-{ahu} Sensor {place} Temp") for ahu in range(200) for place in range(20)]
    assert Names(sensors).near("AHc-66 Sensor 16 Temp")[0] == "AHU-66 Sensor 16 Temp"


def test_what_is_equal_to_the_letter_goes_before() -> None:
    points = [Point("a", "KW"), Point("b", "kW"), Point("c", "k-W"), Point("kW2", "x"), Point("e", "--")]
    for text, ids in (
        ("kW", "b"),
        ("Kw", "a b c"),
        ("@kW2", "kW2"),
        ("kW2", "kW2"),
        ("...", ""),
        ("--", "e"),
        ("", ""),
    ):
        assert [one.id for one in Names([*points, Point("f", " ")]).alike(text)] == ids.split()
    assert Names([]).near("kW") == []


def test_a_word_is_near_to_each_name_that_has_it() -> None:
    sites = ("Harbor Tower", "Thames House", "The River Laboratory, East Wing")
    names = Names(Point(site, f"{site} Main Meter Power") for site in sites)
    assert sorted(names.near("power")) == [f"{site} Main Meter Power" for site in sites]
    assert names.near("flow") == []


def test_a_glob_has_a_row_for_each_match() -> None:
    df = find_frame(CAMPUS, "*SOUTH_ahu-1 *temp*")
    assert df["dis"].tolist() == [f"Site South AHU-1 {role}" for role in ("RAT Temp", "Zone Temp", "Zone Temp SP")]
    assert set(df["status"]) == {"found"}
    assert set(df["asked"]) == {"*SOUTH_ahu-1 *temp*"}
    assert find_frame(CAMPUS, "site north ahu-? dat")["id"].tolist() == [f"p:x:North-{unit}-0" for unit in range(1, 10)]
    assert find_frame(CAMPUS, "*chiller*")[["asked", "status"]].values.tolist() == [["*chiller*", "missing"]]
    assert find_frame(CAMPUS, "[a-z]*").loc[0, "status"] == "missing"
    in_a_list = find_frame(CAMPUS, ["Site North*", "*chiller*"])  # there it is a name
    assert in_a_list["status"].tolist() == ["missing"] * 2
    assert in_a_list.loc[0, "nearest"] == tuple(find_frame(CAMPUS, "Site North*")["dis"][:3])


def test_the_rows_are_those_of_the_frame() -> None:
    sheet = pd.DataFrame({"Tag": ["Site North AHU-1 DAT", None, 7, "@p:x:South-2-0"], "n": range(4)}, list("wxyz"))
    df = find_frame(CAMPUS, sheet, "Tag")
    assert df.index.tolist() == list("wxyz")
    assert df["status"].tolist() == ["found", "missing", "missing", "found"]
    assert sheet.join(df).loc["z", "dis"] == "Site South AHU-2 DAT"
    assert find_frame(CAMPUS, sheet["Tag"]).equals(df)
    blank = [Point("a", " "), Point("b", "")]
    assert (
        find_frame(blank, pd.Series([float("nan"), None, "", " ", "@"]))[["status", "nearest"]].values.tolist()
        == [["missing", ()]] * 5
    )
    assert find_frame(CAMPUS, []).columns.tolist() == df.columns.tolist()
    with pytest.raises(MetadataError, match=r"^5 is no name; expected a text"):
        find_frame(CAMPUS, 5)  # type: ignore[arg-type]
    twice = pd.concat([sheet, sheet], axis=1)
    for names, on in ((sheet, None), (sheet, "tag"), (["a"], "Tag"), (twice, "Tag")):
        with pytest.raises(MetadataError, match=r"must be the column of a frame that has the names, as on='Tag'"):
            find_frame(CAMPUS, names, on)  # type: ignore[arg-type]
