"""Texts of a point with a tag enum: categories that are the tag's, from a read to Parquet, a concat and a write."""

from __future__ import annotations

import warnings
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import ReadWarning
from hsframe.frame.points import Point, points_of
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from tests.session.connected import connected

HOUR_US = 3_600_000_000
# 2026-01-05T05:00Z, New York's midnight.
FIRST_US = 1_767_589_200_000_000
STATES = ["off", "slow", "fast", "auto"]
TEXTS = ["slow", "off", "slow", "fast", "fast", "off"]


def building(texts, enum="off,slow,fast,auto", kind="Str"):
    database = Database([{"id": Ref("hq"), "site": MARKER, "tz": "New_York"}], tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "siteRef": Ref("hq"), "kind": kind, "tz": "New_York"}
    database.add({"id": Ref("mode"), "dis": "Mode", "enum": enum, **tags})
    ts_us = FIRST_US + np.arange(len(texts), dtype=np.int64) * 12 * HOUR_US
    database.set_history(Ref("mode"), ts_us, texts)
    return database


def categories(df, label="Mode"):
    return df[label].cat.categories.tolist()


@pytest.mark.parametrize("span", ["2026-01-05", "2026-01-06,2026-01-07", "2026-02"])
def test_the_states_are_those_of_the_tag_whatever_the_span_has(span):
    with connected(building(TEXTS)) as session:
        df = session.his_read("point", span)
        assert categories(df) == STATES
        assert df["Mode"].tolist() == {"2026-01-05": TEXTS[:2], "2026-02": []}.get(span, TEXTS[2:])
        assert categories(session.his_read("point", span, shape="dict")["Mode"]) == STATES
        assert categories(session.his_read("point", span, na="flag")) == STATES


@pytest.mark.parametrize("agg", ["step", "first", "last"])
def test_the_states_of_intervals_are_those_of_the_tag(agg):
    with connected(building(TEXTS)) as session:
        df = session.his_read("point", "2026-01-05,2026-01-07", interval="1D", agg=agg)
        assert categories(df) == STATES
        assert df["Mode"].tolist() == [TEXTS[n + (agg == "last")] for n in (0, 2, 4)]


@pytest.mark.parametrize(
    "enum",
    [
        " off, slow ,fast,,auto,off",
        "off\nslow\nfast\nauto\n",
        "- off: Not running\n  at all\n- slow: 30 %\n- fast:\n- auto",
        ["off", "slow", "fast", "auto"],
        {"off": {"doc": "-"}, "slow": {}, "fast": {}, "auto": {}},
    ],
)
def test_every_form_of_the_tag_is_understood(enum):
    assert Point.from_record({"id": Ref("a"), "enum": enum}).states == tuple(STATES)
    with connected(building(TEXTS, enum)) as session:
        assert categories(session.his_read("point", "2026-01-05")) == STATES


@pytest.mark.parametrize("enum", ["FanModeEnum", Ref("ph::FanModeEnum"), "", 3.0, MARKER])
def test_an_enumeration_that_is_defined_elsewhere_leaves_what_occurs(enum):
    with connected(building(TEXTS, enum)) as session:
        assert categories(session.his_read("point", "2026-01-05,2026-01-07")) == ["fast", "off", "slow"]


@pytest.mark.parametrize("settings", [{}, {"interval": "12h", "agg": "last"}])
def test_what_is_no_state_is_kept_after_them_and_named_once(settings):
    with connected(building([*TEXTS, "manual", "fault"])) as session:
        with pytest.warns(ReadWarning, match=r"@mode \(Mode\): 'fault', 'manual'") as caught:
            df = session.his_read("point", "2026-01-05,2026-01-08", **settings)
        assert len(caught) == 1
        assert categories(df) == [*STATES, "fault", "manual"]
        assert df["Mode"].tolist() == [*TEXTS, "manual", "fault"]


def test_the_names_of_false_and_true_make_no_categories_of_a_bool():
    with connected(building([True, False], "off,on", "Bool")) as session:
        assert str(session.his_read("point", "2026-01-05")["Mode"].dtype) == "boolean"


@pytest.mark.parametrize("span", ["2026-01-05", "2026-02"])
def test_parquet_keeps_the_states_and_a_write_takes_them(span, tmp_path):
    with connected(building(TEXTS)) as session:
        df = session.his_read("point", span)
        hsframe.write_parquet(df, tmp_path / "mode.parquet")
        again = hsframe.read_parquet(tmp_path / "mode.parquet")
        pd.testing.assert_frame_equal(again, df, check_freq=False)
        assert categories(again) == STATES
        assert points_of(again) == points_of(df)
        if len(df):
            again["Mode"] = again["Mode"].cat.set_categories(STATES).mask(again["Mode"] == "slow", "auto")
            assert session.his_write(again, verify=True)["status"].tolist() == ["verified"]
            assert session.his_read("point", span)["Mode"].tolist() == ["auto", "off"]


# concat ------------------------------------------------------------------------------------------------------------


def column(values, names=None):
    return pd.DataFrame({"a": pd.Categorical(values, categories=names)})


def test_concat_unites_categories_in_their_order():
    parts = [column(["on"], ["on", "off"]), column(["auto"], ["off", "on", "auto"]), column(["x"], ["x"])]
    df = hsframe.concat(parts, ignore_index=True)
    assert categories(df, "a") == ["on", "off", "auto", "x"]
    assert df["a"].tolist() == ["on", "auto", "x"]


def test_concat_of_sorted_categories_is_sorted_like_a_read_of_all():
    assert categories(hsframe.concat([column(["b", "d"]), column(["c", "a"])]), "a") == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"a": ["z"]}),
        pd.DataFrame({"a": pd.array(["z"], dtype="string")}),
        pd.DataFrame({"a": np.array(["z"], dtype=object)}),
    ],
)
def test_concat_with_texts_makes_categories_of_them(other):
    for parts in permutations([column(["on"], ["on", "off"]), other, column(["q"])]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            df = hsframe.concat(parts, ignore_index=True)
        assert sorted(df["a"].astype(str)) == ["on", "q", "z"]
        assert set(categories(df, "a")) == {"on", "off", "q", "z"}


@pytest.mark.parametrize(
    "other", [pd.DataFrame({"a": [np.nan]}), pd.DataFrame({"b": [1.0]}), column([]), column([None])]
)
def test_concat_with_nothing_leaves_the_categories(other):
    for parts in permutations([column(["on"], ["on", "off"]), other]):
        assert categories(hsframe.concat(parts, ignore_index=True), "a") == ["on", "off"]


def test_concat_leaves_other_things_beside_categories_to_pandas():
    df = hsframe.concat([column(["on"]), pd.DataFrame({"a": [3.5]})], ignore_index=True)
    assert df["a"].tolist() == ["on", 3.5]
    numbers = hsframe.concat([column([3, 1]), column([2])], ignore_index=True)
    assert categories(numbers, "a") == [1, 2, 3]


@given(st.lists(st.lists(st.sampled_from("dcba") | st.none(), max_size=4), min_size=1, max_size=4))
def test_concat_loses_no_value(values):
    df = hsframe.concat([column(some) for some in values], ignore_index=True)
    assert [None if pd.isna(text) else text for text in df["a"]] == [text for some in values for text in some]
    assert categories(df, "a") == sorted({text for some in values for text in some if text})


SOME = st.lists(st.sampled_from(TEXTS), min_size=8, max_size=8)


BUILDING = building(TEXTS, enum="")


@pytest.fixture(scope="module")
def one_session():
    with connected(BUILDING) as session:
        yield session


@settings(max_examples=settings.default.max_examples // 4)  # each takes long
@given(SOME, st.sampled_from(["share", "duration"]), st.booleans())
def test_days_put_together_are_the_read_of_all(one_session, texts, agg, several):
    BUILDING.set_history("mode", FIRST_US + np.arange(8) * 12 * HOUR_US, texts)
    how = {"interval": "1D", "agg": [agg, "count"] if several else agg}
    whole = one_session.his_read("@mode", "2026-01-04,2026-01-09", **how)
    days = [one_session.his_read("@mode", f"2026-01-{day:02}", **how) for day in range(4, 10)]
    df = hsframe.concat(days)
    assert set(df.columns) == set(whole.columns)
    pd.testing.assert_frame_equal(df[whole.columns], whole, check_freq=False)


def test_a_state_that_is_not_known_of_another_point_stays_missing():
    with connected(building(["a", "a", "b", "b"], enum="")) as session:
        first, second, none = (
            session.his_read("point", f"2026-01-{day}", interval="1D", agg="share") for day in ("05", "06", "01")
        )
    df = hsframe.concat([first, second.rename(columns={"Mode": "Other"}, level="point")])
    assert df[("Other", "b")].isna().tolist() == [True, False]
    assert none.columns.tolist() == [("Mode", "")]
    assert hsframe.concat([first, none])["Mode"].fillna(-1).to_numpy().tolist() == [[1.0], [-1.0]]
    assert hsframe.concat([none, none]).columns.tolist() == [("Mode", "")]
