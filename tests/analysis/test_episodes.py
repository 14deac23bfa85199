"""When something was so, on frames: over clock changes, gaps, NA and points with change of value; and what was then."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import MetadataError, ReadWarning, UnitError, ZoneError
from hsframe.frame.points import Point
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.spans import resolve
from hsframe.testing.server import RunningServer, running_server
from tests.analysis.one_day import DAY, FIRST, FIRST_US, HOUR_US, MINUTE_US, frame, windows
from tests.intervals.test_where import model


def test_conditions_go_by_the_kind_of_the_point(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@sp", "@fan", "@mode"], DAY, na="flag", boundary="before")
    # A line crosses 2 kW a quarter of an hour after 5:00; NA is at 8:00, a gap from 13:00 to 20:00.
    assert windows(df.hs.episodes(("@kw", ">", Number(2000, "W")))) == [(5.25, 7), (9, 13), (20, 23)]
    assert windows(df.hs.episodes(("Kw", ">", 4.0))) == [(5.75, 7), (9, 11.5)]
    # What holds does so to the end of the day, also where other points have samples.
    assert windows(df.hs.episodes(("@sp", "<", Number(20, "°C")))) == [(-10, 3), (20, 24)]
    assert windows(df.hs.episodes("@fan")) == [(-5, 2), (9, 24)]
    assert windows(df.hs.episodes(("Fan", "==", False))) == [(2, 9)]
    assert windows(df.hs.episodes((Ref("mode"), "==", "on"))) == [(4, 24)]
    # A state that is in no tag and no sample is misspelt, or has not occurred.
    for sign, windows_of_it in (("==", []), ("!=", [(-5, 24)])):
        with pytest.warns(ReadWarning, match="'onn', which is none of the 2 states .* of @Mode, .* did you mean 'on'"):
            assert windows(df.hs.episodes(("@mode", sign, "onn"))) == windows_of_it
    with pytest.warns(ReadWarning, match="'onn', which is none of the 2 states") as told:
        hours = session.his_read("@kw", DAY, interval="1h", agg="mean", where=("@mode", "==", "onn"))
    assert (len(told), told[0].filename, hours["Kw"].notna().sum()) == (1, __file__, 0)
    fan = df.hs.episodes("@fan")
    assert fan[["open_start", "open_end"]].to_numpy().tolist() == [[True, False], [False, True]]
    # A mask is as often known as the point with the most samples: up to three hours after each.
    mask = df["Kw"].ffill() > 2
    with pytest.warns(ReadWarning, match="in 3 rows of the mask 'Kw' has no sample"):  # NA, as if it was negated
        assert windows(df.hs.episodes(mask)) == [(6, 16), (20, 24)]
    with pytest.raises(UnitError, match=r"compares with °F, and @Kw is in kW"):
        df.hs.episodes(("@kw", ">", Number(2, "°F")))
    with pytest.raises(MetadataError, match=r"condition= names '@km'.*did you mean '@kw'"):
        df.hs.episodes(("@km", ">", 2))
    with pytest.raises(MetadataError, match=r"object; take mask.astype\('boolean'\)"):
        df.hs.episodes(df["Fan"].astype(object))
    with pytest.raises(MetadataError, match="of a frame also a Series of bool"):
        df.hs.episodes(df["Fan"].to_numpy())
    with pytest.raises(MetadataError, match="names no column; the columns are 'Kw', "):
        df.hs.over(fan, {})
    assert df.hs.episodes(("@fan", "==", np.True_)).equals(fan)


@pytest.mark.filterwarnings("error")
def test_a_list_holds_where_each_of_its_conditions_does(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@sp", "@fan", "@mode"], DAY, na="flag", boundary="before")
    above = ("@kw", ">", Number(2, "kW"))
    both = df.hs.episodes([above, "@fan"])
    assert windows(both) == [(9, 13), (20, 23)]
    # The span ends at 24:00, but of the power nothing is known after its last sample.
    assert both[["open_start", "open_end"]].to_numpy().tolist() == [[False, False], [False, True]]
    fan, dawn = df.hs.episodes("@fan"), pd.DataFrame({"start": [FIRST], "end": [FIRST + pd.Timedelta("6h")]})
    assert windows(df.hs.episodes([("@kw", "<=", 4.0), fan])) == [(0, 2), (11.5, 13), (20, 23)]
    assert windows(df.hs.episodes([df["Fan"], above, dawn])) == []
    assert windows(df.hs.episodes([~df["Fan"], above, dawn])) == [(5.25, 6)]
    pd.testing.assert_frame_equal(df.hs.episodes(["@fan"]), fan)
    how: dict[str, Any] = {"interval": "6h", "agg": ["integral", "coverage", "max"]}
    found = session.his_read("@kw", DAY, where=[above, "@fan"], **how)
    # NA is known to be left out while the fan is off; from 13:00 to 20:00 it is on, and the power is not known.
    nothing = float("nan")
    assert found["Kw", "integral"].tolist() == pytest.approx([0, 14.0, nothing, nothing], nan_ok=True)
    pd.testing.assert_frame_equal(session.his_read("@kw", DAY, where=[("Kw", ">", 2.0), fan], **how), found)
    resampled = df.hs.resample("6h", {"Kw": how["agg"]}, where=[above, "@fan"])
    pd.testing.assert_frame_equal(resampled[FIRST:], found, check_freq=False)
    named = session.his_read("@kw", DAY, where=["@fan", "@night"], **how)
    assert named.hs.again(DAY, session=session).equals(named)
    for wrong in ([], ["@fan", ("@kw", ">")], ["@fan", ["@kw"]]):
        for read in (
            lambda where: df.hs.episodes(where),
            lambda where: session.his_read("@kw", DAY, where=where, **how),
        ):
            with pytest.raises(MetadataError, match="is no condition; expected"):
                read(wrong)


def test_a_missing_value_is_na_unless_the_read_had_none(session: hsframe.Session) -> None:
    alone, both = session.his_read("@kw", DAY), session.his_read(["@kw", "@sp"], DAY, boundary="before")
    assert windows(alone.hs.episodes(("@kw", ">", 4))) == [(5.75, 7), (9, 11.5)]
    assert windows(alone.iloc[2:].hs.episodes(("@kw", ">", 4))) == [(5.75, 7), (9, 11.5)]
    assert windows(both.hs.episodes(("@sp", ">", 65))) == [(3, 20)]  # it has no NA
    alone.attrs.clear()
    with pytest.warns(ReadWarning, match="does not know what was read of 'Kw'"):
        assert windows(alone.hs.episodes(("Kw", ">", 4))) == [(5.75, 7), (9, 11.5)]


def test_na_is_not_known_where_the_frame_tells_it(session: hsframe.Session) -> None:
    """By flags, or by the note of the read: as the read of the same intervals has it."""
    rule: Any = {"interval": "1h", "agg": ["integral", "coverage"]}
    expected = session.his_read("@kw", DAY, **rule)["Kw"].iloc[:23]
    assert expected["coverage"].tolist()[6:10] == [1, 0, 0, 1]
    for points, na in (("@kw", "flag"), ("@kw", "nan"), (["@kw", "@fan"], "flag"), (["@kw", "@fan"], "nan")):
        df = session.his_read(points, DAY, na=na, boundary="both")
        found = df.loc[DAY].hs.resample("1h", {"@kw": ["integral", "coverage"]})["Kw"].iloc[:23]
        pd.testing.assert_frame_equal(found, expected, check_freq=False, check_names=False)
        hour = pd.DataFrame({"start": expected.index[7:8], "end": expected.index[8:9]})
        assert df.hs.over(hour, {"@kw": ["coverage"]}).iloc[0, 0] == 0


@pytest.fixture(scope="module")
def small() -> Iterator[RunningServer]:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "tz": "New_York"}
    database.add({"id": Ref("kw"), "dis": "Kw", "kind": "Number", "unit": "kW", **tags})
    database.add({"id": Ref("fan"), "dis": "Fan", "kind": "Bool", **tags})
    with running_server(database) as running:
        yield running


def store(running: RunningServer, **histories: dict[int, Any]) -> None:
    """Give points their samples, by the half hour; None is NA."""
    for name, cells in histories.items():
        places = np.array(sorted(cells))
        values = np.array([cells[place] for place in places], dtype=object)
        is_na = np.array([cell is None for cell in values])
        kind = bool if name == "fan" else np.float64
        running.database.set_history(
            name, FIRST_US + places * HOUR_US // 2, np.where(is_na, 0, values).astype(kind), is_na
        )


CELLS = st.dictionaries(st.integers(0, 47), st.sampled_from([0, 1, 1, None]), min_size=1, max_size=12)


@pytest.mark.filterwarnings("ignore:what 'Fan' is at the start", "ignore::hsframe.errors.GapWarning")
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(CELLS, CELLS, st.sampled_from(["nan", "flag"]))
def test_na_is_never_taken_for_known(small: RunningServer, kw: dict[int, Any], fan: dict[int, Any], na: Any) -> None:
    """Samples and NA at any half hours of two points: over the hours of a day it is what the read of these gives."""
    store(small, kw=kw, fan=fan)
    how: dict[str, Any] = {"agg": ["coverage", "mean", "integral"], "min_coverage": 0.1}
    hours = pd.date_range(DAY, periods=24, freq="1h", tz="America/New_York")
    windows_of_hours = pd.DataFrame({"start": hours, "end": hours + pd.Timedelta("1h")}, hours)
    with hsframe.connect(small.uri, "demo", "demo") as session:
        expected = session.his_read(["@kw", "@fan"], DAY, interval="1h", **how)
        df = session.his_read(["@kw", "@fan"], DAY, na=na)
        found = df.hs.over(windows_of_hours, how["agg"], min_coverage=0.1)
        episodes = df.hs.episodes("@fan"), df.hs.episodes(("Fan", "==", False))
    expected.columns = [" ".join(label) for label in expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_freq=False)
    known = pd.concat(episodes)["duration"].sum() / pd.Timedelta("1h")
    assert known == pytest.approx(expected["Fan coverage"].sum())


@pytest.mark.parametrize("na", ["nan", "flag"])
def test_na_among_the_samples_of_other_points_is_known(session: hsframe.Session, na: Any) -> None:
    points = ["@kw", "@fan", "@late"]  # the fan that runs late has NA where there are samples of kW
    df = session.his_read(points, DAY, na=na, boundary="before")
    assert windows(df.hs.episodes("@late")) == windows(df.hs.episodes(df["Late"])) == [(-5, 20), (21, 24)]
    late = df.hs.over(df.hs.episodes("@fan"), {"@late": "coverage", "@kw": "max"})["Late"]
    assert late.tolist() == [1, pytest.approx(14 / 15)]
    assert windows(df.hs.episodes("@fan")) == [(-5, 2), (9, 24)]


@pytest.mark.parametrize("na", ["nan", "flag"])
def test_in_a_frame_of_one_point_what_was_cleared_is_not_known(session: hsframe.Session, na: Any) -> None:
    fan = session.his_read("@fan", DAY, boundary="before", na=na)
    part = fan.iloc[1:].copy()
    for df in (fan, part):
        df.loc[df.index[-1], "Fan"] = None
        assert windows(df.hs.episodes(("@fan", "==", False))) == windows(df.hs.episodes(~df["Fan"])) == [(2, 9)]
        day = pd.DataFrame({"start": df.index[-2:-1], "end": df.index[-2:-1] + pd.Timedelta("14h")})
        assert df.hs.over(day, {"@fan": "coverage"})["Fan"].tolist() == [0.5]
        where = df.hs.resample("1h", {"@fan": "coverage"}, where="@fan", edges="partial")
        assert where["Fan"].fillna(0).iloc[-3:].tolist() == [0, 0, 0]
    assert windows(fan.hs.episodes("@fan")) == [(-5, 2)]


@pytest.mark.filterwarnings("ignore:what 'Fan' is at the start", "ignore::hsframe.errors.GapWarning")
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(CELLS, CELLS, st.sampled_from(["nan", "flag"]), st.data())
def test_cells_that_were_cleared_are_na(
    small: RunningServer, kw: dict[int, Any], fan: dict[int, Any], na: Any, data: Any
) -> None:
    """What a frame with cleared cells gives is what the read with NA there gives."""
    cleared = {name: data.draw(st.sets(st.sampled_from(sorted(own)))) for name, own in (("kw", kw), ("fan", fan))}
    points = data.draw(st.sampled_from([["kw", "fan"], ["fan"], ["kw"]]))
    ids = [f"@{name}" for name in points]
    how: dict[str, Any] = {"agg": ["coverage", "mean", "integral"], "min_coverage": 0.1}
    with hsframe.connect(small.uri, "demo", "demo") as session:
        store(small, kw=kw, fan=fan)
        df = session.his_read(ids, DAY, na=na)
        for name in points:
            df.loc[[FIRST + pd.Timedelta("30min") * place for place in cleared[name]], name.title()] = None
        hours = pd.date_range(DAY, periods=24, freq="1h", tz="America/New_York")
        found = df.hs.over(pd.DataFrame({"start": hours, "end": hours + pd.Timedelta("1h")}, hours), **how)
        masks = [df["Fan"], ~df["Fan"]] if "fan" in points else []
        conditions: list[Any] = ["@fan", ("Fan", "==", False)] if "fan" in points else []
        lengths = [[df.hs.episodes(one)["duration"].sum() for one in some] for some in (masks, conditions)]
        store(small, kw=kw | dict.fromkeys(cleared["kw"]), fan=fan | dict.fromkeys(cleared["fan"]))
        expected = session.his_read(ids, DAY, interval="1h", **how)
    expected.columns = [" ".join(label) for label in expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_freq=False)
    for of_masks_or_conditions in lengths if "fan" in points else ():
        known = sum(of_masks_or_conditions, pd.Timedelta(0)) / pd.Timedelta("1h")
        assert known == pytest.approx(expected["Fan coverage"].sum())


@pytest.mark.parametrize("na", ["nan", "flag"])
def test_cells_that_were_cleared_among_those_of_other_points_are_not_known(session: hsframe.Session, na: Any) -> None:
    """Flags that the user sets where there was no sample say it too."""
    df = session.his_read(["@sp", "@fan", "@mode"], DAY, boundary="before", na=na)
    df.loc[df["Fan"].notna() & (df["Fan"] == False), "Fan"] = None  # noqa: E712
    assert windows(df.hs.episodes("@fan")) == [(-5, 2), (9, 24)]
    assert df.hs.episodes(("Fan", "==", False)).empty
    if na == "flag":
        df.loc[df.index[-1], "Fan [na]"] = "NA"  # a sample of the setpoint alone
        assert windows(df.hs.episodes("@fan")) == [(-5, 2), (9, 20)]
    df.loc[df["Sp"].notna(), "Sp"] = None
    assert df.hs.over(df.hs.episodes("@fan"), {"Sp": "coverage"})["Sp"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "kept",
    [
        lambda df: df.index.hour != 12,
        lambda df: df.index.hour < 20,
        lambda df: df["b"].notna(),
        lambda df: np.arange(len(df)) % 7 < 5,
    ],
)
def test_rows_that_were_taken_out_are_not_cells_that_were_cleared(kept: Any) -> None:
    """Neither is known up to the next sample."""
    minutes = {"a": 15, "b": 10}
    stored = [
        pd.DataFrame({name: 4.0}, pd.date_range(FIRST, periods=1440 // step, freq=f"{step}min"))
        for name, step in minutes.items()
    ]
    records: Any = [{"id": name, "hisInterval": Number(step, "min")} for name, step in minutes.items()]
    with hsframe.testing.serve(*stored, records=records) as uri, hsframe.connect(uri) as session:
        df = session.his_read(["@a", "@b"], DAY, header="id")
    less = df[kept(df) | df.index.isin(df.index[[0, -2, -1]])].copy()
    assert less["a"].count() < df["a"].count()
    less.loc[less.dropna().index[1], "a"] = None
    steps = pd.date_range(FIRST, periods=94, freq="15min")
    quarters = pd.DataFrame({"start": steps, "end": steps + pd.Timedelta("15min")})
    is_there = less["a"].reindex([*steps, steps[-1] + pd.Timedelta("15min")]).notna().to_numpy()
    coverage = less.hs.over(quarters, "coverage")["a"]
    assert coverage.tolist() == (is_there[:-1] & is_there[1:]).astype(float).tolist()


def test_parts_of_one_read_put_together_know_what_it_knew(session: hsframe.Session) -> None:
    whole = session.his_read(["@kw", "@fan"], DAY, boundary="before")
    df = hsframe.concat([whole.iloc[:12], whole.iloc[12:]])
    hours = {"interval": "1h", "agg": "coverage"}
    pd.testing.assert_frame_equal(df.hs.resample(**hours), whole.hs.resample(**hours))
    assert df.hs.resample(**hours)["Kw"].loc[DAY].tolist()[6:10] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda df, _: df.rename(columns={"Kw": "p"}),
        lambda df, _: df.set_axis(["p"], axis=1),
        lambda df, _: df.assign(p=df["Kw"] * 2)[["p"]],
        lambda df, _: df.assign(p=df["Kw"] * 2),
        lambda df, other: df.join(other),
        lambda df, other: df.merge(other, left_index=True, right_index=True),
        lambda df, other: pd.concat([df, other], axis=1),
        lambda df, _: pd.DataFrame({"p": df["Kw"]}),
    ],
)
def test_na_stays_na_in_a_frame_that_was_changed(session: hsframe.Session, change: Any) -> None:
    """Resample, over and episodes have one answer; a frame that knows that it was read says what it does not know."""
    read = session.his_read("@kw", DAY, boundary="both")
    df = change(read, pd.DataFrame({"q": 1.0}, read.index))
    label = "p" if "p" in df else "Kw"
    words = f"does not know {'the point' if df.attrs else 'what was read'} of '{label}'"
    is_told = label == "p" or not df.attrs
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        hours = df.hs.resample("1h", {label: "coverage"})[label]
        window = pd.DataFrame({"start": hours.index[7:8], "end": hours.index[9:10]})
        over = df.hs.over(window, {label: ["coverage", "integral"]})
        known = [df.hs.episodes((label, sign, 0.5)) for sign in ("<", ">")]
    assert hours.tolist()[6:10] == [1, 0, 0, 1]
    assert over[f"{label} coverage"].tolist() == [0]
    assert over[f"{label} integral"].isna().all()
    assert windows(pd.concat(known)) == [(0, 7), (9, 13), (20, 23)]
    assert len(told) == 4 * is_told
    assert all(words in str(one.message) for one in told)


@pytest.mark.filterwarnings("ignore::hsframe.errors.GapWarning")  # a line is not known over so many hours
def test_a_number_whose_point_is_not_known_warns_where_one_that_was_read_holds(session: hsframe.Session) -> None:
    """It counts as on a line; of samples and of a line that the user asks for this is no matter."""
    df = session.his_read("@sp", DAY, boundary="before").rename(columns={"Sp": "s"})
    words = r"does not know the point of 's', .* on a line .* with header=;"
    day = pd.DataFrame({"start": [FIRST], "end": [FIRST + pd.Timedelta("1D")]})
    for ask in (
        lambda: df.hs.resample("1D", "mean"),
        lambda: df.hs.resample("1D", "max"),
        lambda: df.hs.over(day, "coverage"),
        lambda: df.hs.episodes(("s", ">", 65)),
    ):
        with pytest.warns(hsframe.errors.ReadWarning, match=words) as told:
            ask()
        assert [one.category for one in told].count(hsframe.errors.ReadWarning) == 1
    assert df.hs.resample("1D", {"s": ["avg", "last", "count"]})["s", "count"].tolist() == [2]
    df.hs.resample("1D", "linear")
    assert windows(df.hs.episodes(df["s"] > 65)) == [(3, 20)]  # a row of a mask holds
    mixed = session.his_read(["@kw", "@sp"], DAY).assign(p=lambda df: df["Kw"].ffill())
    with pytest.warns(hsframe.errors.ReadWarning, match="the point of 'p'"):
        mixed.hs.resample("1D", {"p": "coverage"})
    mixed.hs.resample("1D", {"Kw": "coverage"})


def test_a_quantity_in_place_of_a_column_is_not_its_point(session: hsframe.Session) -> None:
    """It is as a column that was computed; one that was converted is the point."""
    read = session.his_read(["@kw", "@sp"], DAY, boundary="before", header="id")
    df = read.assign(sp=read["kw"], x=read["kw"])
    day: Any = {"interval": "1D", "edges": "partial"}
    with pytest.warns(ReadWarning, match="does not know the point of 'sp'") as told:
        found = df.hs.resample(agg={"sp": "coverage"}, **day)
    assert len(told) == 1
    with pytest.warns(ReadWarning, match="does not know the point of 'x'"):
        assert found["sp"].tolist() == df.hs.resample(agg={"x": "coverage"}, **day)["x"].tolist()
    assert "sp" not in found.hs.points.index
    converted = read.assign(sp=read["sp"].hs.to("°C")).hs.resample(agg={"sp": "coverage"}, **day)
    assert converted["sp"].tolist() == read.hs.resample(agg={"sp": "coverage"}, **day)["sp"].tolist()


@pytest.mark.parametrize(("minutes", "apart", "is_told"), [(15, 15, False), (15, 60, True), (None, 60, False)])
def test_a_gap_of_a_renamed_column_warns_where_its_record_would_not_bridge_it(
    minutes: int | None, apart: int, is_told: bool
) -> None:
    index = pd.date_range(DAY, periods=97, freq="15min", tz="America/New_York")
    kept = index[(np.arange(97) < 20) | (np.arange(97) >= 19 + apart // 15)]
    df = pd.DataFrame({"x": pd.array(np.ones(len(kept)), dtype="unit[kW]")}, kept)
    his = None if minutes is None else f"{{hisInterval:{minutes}min}}"
    df = hsframe.with_points(df, {"x": Point("x", "x", "kW", "New_York", "Number", None, his)})
    assert (df.hs.resample("1D", "coverage")["x"].iloc[0] < 1) == is_told
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert df.rename(columns={"x": "p"}).hs.resample("1D", "coverage")["p"].iloc[0] == 1
    assert [str(one.message)[:39] for one in told] == ["the frame does not know the point of 'p"] * is_told


@pytest.mark.filterwarnings("ignore::hsframe.errors.GapWarning")
@pytest.mark.filterwarnings("ignore:in \\d+ rows of the mask:hsframe.ReadWarning")
def test_reads_that_pandas_has_joined_warn_once_a_call(session: hsframe.Session) -> None:
    """Their attrs differ and are gone, so all of the missing ones count as NA; hsframe.concat keeps what is known."""
    one, other = (session.his_read(point, DAY, boundary="before") for point in ("@kw", "@fan"))
    day = pd.DataFrame({"start": [FIRST], "end": [FIRST + pd.Timedelta("1D")]})
    asked: list[Any] = [
        lambda df: df.hs.episodes("Fan"),
        lambda df: df.hs.episodes(df["Fan"]),
        lambda df: df.hs.episodes((df["Kw"] > Number(0, "kW")).rename(None)),
        lambda df: df.hs.over(day, {"Fan": "coverage"}),
        lambda df: df.hs.resample("1h", {"Kw": "coverage"}, where="Fan"),
        lambda df: df.hs.resample("1h", {"Kw": "coverage"}, where=df["Fan"]),
        lambda df: df[["Kw"]].hs.integrate("1h"),
        lambda df: df.hs.report(),
    ]
    for df in (
        one.join(other, how="outer"),
        pd.concat([one, other], axis=1, sort=True),
        pd.merge(one, other, left_index=True, right_index=True, how="inner"),
        one.join(other, how="outer").ffill(),
    ):
        for ask in asked:
            with pytest.warns(ReadWarning, match=r"does not know what was read of 'Kw'.*hsframe\.concat") as told:
                ask(df)
            assert [(one.category, one.filename) for one in told if one.category is ReadWarning] == [
                (ReadWarning, __file__)
            ]
    together, at_once = hsframe.concat([one, other], axis=1), session.his_read(["@kw", "@fan"], DAY, boundary="before")
    pd.testing.assert_frame_equal(together, at_once)
    for ask in asked:
        pd.testing.assert_frame_equal(ask(together), ask(at_once))


def test_a_read_without_a_sample_warns_that_the_start_is_not_known(session: hsframe.Session) -> None:
    df = session.his_read("@fan", (f"{DAY}T10:00", f"{DAY}T11:00"))
    assert df.empty
    words = "'Fan' is at the start of the span is not known, up to the end.*boundary='before'"
    with pytest.warns(ReadWarning, match=words):
        assert df.hs.episodes("@fan").empty


@pytest.mark.parametrize("is_false", [True, False])
def test_an_episode_is_not_open_where_a_sample_says_that_it_began_or_ended(is_false: bool) -> None:
    """At the last sample that is known, and where a line is at its limit there; by a condition and by masks."""
    end = 0.0 if is_false else 10.0
    df = frame(FIRST_US + np.arange(3) * HOUR_US, fan=[False, True, not is_false], kW=[0.0, 10.0, end])
    for condition in ("fan", df["fan"], ("kW", ">", 0.0), ("kW", ">", 5.0)):
        found = df.hs.episodes(condition)
        assert found[["open_start", "open_end"]].to_numpy().tolist() == [[False, not is_false]]
        assert len(df.hs.episodes(condition, min="3h")) == (not is_false)
    apart = pd.concat([df, df.shift(freq="9h")]).astype({"fan": "boolean"})
    apart = hsframe.with_points(apart, {"kW": Point("p", "kW", None, "New_York", "Number")})
    found = apart.hs.episodes(("kW", ">", 5.0), min="3h")
    assert windows(found) == ([] if is_false else [(9.5, 11)])  # of the first it is not known when it ended


def test_what_ended_at_the_sample_after_the_span_is_not_open(session: hsframe.Session) -> None:
    df = session.his_read("@fan", (f"{DAY}T10:00", f"{DAY}T11:00"), boundary="both")
    found = df.hs.episodes("@fan")
    assert windows(found) == [(9, 30)]
    assert found[["open_start", "open_end"]].to_numpy().tolist() == [[True, False]]
    days = [session.his_read(["@kw", "@fan"], day, boundary="before") for day in (DAY, "2026-10-31")]
    both = pd.concat(days)
    both = both[~both.index.duplicated()].sort_index()
    with pytest.warns(ReadWarning, match="as after pd.concat"):
        found = both.hs.episodes("@fan")
    assert windows(found) == [(-5, 2), (9, 30)]
    assert found["open_end"].tolist() == [False, False]


@pytest.mark.filterwarnings("ignore::hsframe.errors.GapWarning")
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("na", ["nan", "flag"])
def test_rows_that_pandas_has_added_to_a_read_hold_to_the_last_one_and_it_warns(
    session: hsframe.Session, order: int, na: Any
) -> None:
    """pd.concat keeps the note of its first frame alone; what hsframe.concat keeps is known without a warning."""
    spans = "2026-10-29", DAY, "2026-10-31"
    reads = [session.his_read(["@kw", "@sp", "@fan"], span, na=na, boundary="before") for span in spans[::order]]
    once = [df[~df.index.duplicated()].sort_index() for df in (pd.concat(reads), hsframe.concat(reads))]
    for df, is_told in zip(once, (True, False), strict=True):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ReadWarning)
            assert windows(df.hs.episodes("@fan")) == [(-5, 2), (9, 30)]
            assert windows(df.hs.episodes(("@sp", ">", Number(65, "°F")))) == [(3, 20)]
            over = df.hs.over(df.hs.episodes("@fan"), {"Fan": ["duration", "coverage"]}).astype(float)
            assert over[["Fan duration True", "Fan coverage"]].to_numpy().tolist() == [[7, 1], [21, 1]]
        first = r"the read of \d+ rows, from .* on, is not known, as after pd\.concat .* hsframe\.concat"
        own = [one for one in told if re.match(first, str(one.message))]
        assert (len(own), {one.filename for one in own}) == (4 * is_told, {__file__} if is_told else set())


def test_what_holds_at_the_start_is_asked_for_where_the_read_does_not_know_it(session: hsframe.Session) -> None:
    """By a condition and a mask, with no sample in the span too; not of a part of a read, nor of a line."""
    words = "what 'Fan' is at the start of the span is not known, up to {}.*: no episode .* boundary='before'"
    points, at_work = ["@kw", "@fan"], (f"{DAY}T10:00", f"{DAY}T13:00")
    for span, until, expected in [(DAY, "its first sample", [(9, 24)]), (at_work, "the end, since", [])]:
        df = session.his_read(points, span)
        for condition in ("@fan", df["Fan"]):
            with pytest.warns(hsframe.errors.ReadWarning, match=words.format(until)) as told:
                assert windows(df.hs.episodes(condition)) == expected
            assert len(told) == 1
        with pytest.warns(hsframe.errors.ReadWarning, match=words.format(until)):
            assert df.hs.resample("1h", {"Kw": "coverage"}, where="@fan")["Kw"].iloc[0] == 0
        df.hs.episodes(("@kw", ">", 2))
    part = session.his_read("@fan", DAY).iloc[1:]
    assert windows(part.hs.episodes("@fan")) == [(9, 24)]
    known = session.his_read(points, at_work, boundary="before")
    assert windows(known.hs.episodes("@fan")) == windows(known.hs.episodes(known["Fan"])) == [(9, 13)]


PARTS: list[tuple[Any, list[tuple[float, float]], bool]] = [
    (lambda df: df.loc[:"2026-10-30T12:00"], [(-5, 2), (9, 12)], False),
    (lambda df: df[["Fan", "Kw"]].loc[:"2026-10-30T12:00"], [(-5, 2), (9, 12)], False),
    (lambda df: df.head(4), [(-5, 1)], False),
    (lambda df: df.loc["2026-10-30T01:00":"2026-10-30T12:00"], [(9, 12)], True),
    (lambda df: df.loc["2026-10-30T05:00":], [(9, 30)], True),
    (lambda df: df.loc["2026-10-30T10:00":"2026-10-30T12:00"], [], True),
    (lambda df: df.loc["2026-10-30T09:00":"2026-10-30T12:00"], [(9, 12)], False),
    (lambda df: df.ffill().loc["2026-10-30T01:00":"2026-10-30T12:00"], [(1, 2), (9, 12)], False),
    (lambda df: df[(df.index.hour != 6) & (df.index.hour != 9)], [(-5, 2)], False),
]


@pytest.mark.parametrize(("part", "expected", "is_told"), PARTS)
def test_a_part_of_a_read_is_known_from_its_first_sample_to_its_last_row(
    session: hsframe.Session, part: Any, expected: list[tuple[float, float]], is_told: bool
) -> None:
    """By condition and by mask, for where= and for values over the episodes too."""
    df = part(session.his_read(["@kw", "@sp", "@fan"], "2026-10-30,2026-10-31", boundary="before"))
    for condition in ("@fan", df["Fan"]):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ReadWarning)
            found = df.hs.episodes(condition)
            df.hs.resample("1h", {"Fan": "coverage"}, where=condition, edges="partial")
        start = r"what 'Fan' is at the start of the rows .* as in df\.ffill\(\)"
        assert [bool(re.match(start, str(one.message))) for one in told] == [True] * (2 * is_told)
        assert windows(found) == expected
        assert found["open_end"].tolist()[-1:] == [end in (1, 12) for _, end in expected[-1:]]
        over = df.hs.over(found, {"@fan": ["duration", "coverage"]}).astype(float)
        assert (over["Fan coverage"] == 1).all()
        assert not expected or over["Fan duration True"].tolist() == [end - start for start, end in expected]


@pytest.mark.parametrize("span", [DAY, "2026-10-30,2026-10-31"])
def test_a_part_whose_last_sample_is_lost_among_its_rows_is_known_to_the_one_before(
    session: hsframe.Session, span: str
) -> None:
    df = session.his_read(["@kw", "@fan"], span, boundary="before")
    less = df[(df.index.hour != 9) & (df.index < df.index[-1])]
    found = less.hs.episodes(("@fan", "==", False))
    assert windows(found) == [(2, 9)]


def test_each_day_of_a_read_is_known_to_its_last_row(session: hsframe.Session) -> None:
    """Of a Number that holds too."""
    df = session.his_read(["@kw", "@sp"], DAY, boundary="before")
    halves = [half for _, half in df.loc[DAY].groupby(df.loc[DAY].index.hour < 12)]
    with pytest.warns(hsframe.errors.ReadWarning, match="'Sp' is at the start of the rows"):
        known = [windows(half.hs.episodes(("@sp", ">", Number(65, "°F")))) for half in halves]
    assert known == [[], [(3, 11)]]


@pytest.mark.parametrize(
    ("part", "until"),
    [
        (lambda df: df.head(12), 11),
        (lambda df: df.loc[:"2026-10-30T12:00"], 12),
        (lambda df: df[df.index.hour < 11], 10),
        (lambda df: df[["Fan"]].loc[:"2026-10-30T12:00"], 12),
        (lambda df: df[["Fan"]].dropna(), 24),  # of what is left, that is all of the read
        (lambda df: df.iloc[3:], 24),
    ],
)
def test_a_part_with_the_last_sample_of_a_column_is_known_to_its_own_last_row(
    session: hsframe.Session, part: Any, until: int
) -> None:
    df = part(session.his_read(["@kw", "@fan"], DAY, boundary="before").loc["2026-10-30":])
    for condition in ("@fan", df["Fan"]):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "what 'Fan' is at the start of the rows", ReadWarning)
            found = df.hs.episodes(condition)
        assert windows(found) == [(9, until)]
        assert found["open_end"].tolist() == [True]
    start = df.index[df["Fan"].fillna(False)][0]
    found = df.hs.resample("1h", {"Fan": "coverage"}, edges="partial")["Fan"].loc[start:]
    assert found.eq(1).all()


@pytest.mark.parametrize(
    "part", [lambda df: df.head(11), lambda df: df.iloc[1:], lambda df: df[df.index.hour < 8], lambda df: df]
)
def test_a_flag_of_one_point_says_nothing_of_the_others(session: hsframe.Session, part: Any) -> None:
    """At an instant of its own, in a part and in the whole of a read."""
    points = ["@kw", "@sp", "@night"]
    df = part(session.his_read(points, DAY, na="flag"))
    hours = df.hs.resample("1h", {"Kw": "coverage", "Night": "coverage"}, edges="partial")
    assert hours["Kw"].between_time("02:00", "05:59").eq(1).all()
    assert hours["Night"].between_time("03:00", "03:59").lt(1).all()


def test_days_that_were_not_read_are_not_known(session: hsframe.Session) -> None:
    days = [session.his_read("@fan", day, boundary="before") for day in (DAY, "2026-11-01")]
    df = hsframe.concat(days, sort_index=True)
    df = df[~df.index.duplicated()]
    assert windows(df.hs.episodes("@fan")) == windows(df.hs.episodes(df["Fan"])) == [(-5, 2), (9, 24)]
    assert df.hs.episodes("@fan")["open_end"].tolist() == [False, False]


@pytest.mark.parametrize("label", ["start", "both"])
def test_rows_of_intervals_hold_for_their_interval(session: hsframe.Session, label: Any) -> None:
    df = session.his_read(["@kw", "@fan"], DAY, interval="30min", agg={"@kw": "mean"}, label=label)
    assert windows(df.hs.episodes(df["Kw"] > 4)) == windows(df.hs.episodes(("@kw", ">", 4))) == [(6, 7), (9, 11.5)]
    unnamed = (df["Kw"] > 4).rename(None)
    for mask in (unnamed, pd.Series(unnamed.to_numpy(), df.index)):
        assert windows(df.hs.episodes(mask)) == [(6, 7), (9, 11.5)]
    assert windows(df.assign(on=unnamed).hs.episodes("on")) == [(6, 7), (9, 11.5)]
    less = df.drop(df.index[21])
    assert windows(less.hs.episodes(less["Kw"] > 4)) == [(6, 7), (9, 10.5), (11, 11.5)]
    assert windows(df.hs.episodes("@fan")) == [(0, 2), (9, 24)]
    found = df.hs.over(df.hs.episodes("@fan"), {"kW": ["mean", "coverage"], "Fan": "integral"})
    assert found["Fan integral"].tolist() == [2, 15]
    assert found["Kw coverage"].tolist() == [1, 7 / 15]
    ends = session.his_read("@kw", DAY, interval="30min", agg="mean", label="end")
    with pytest.raises(MetadataError, match="label='start'"):
        ends.hs.episodes(("@kw", ">", 4))


def test_what_goes_on_in_the_interval_of_the_present_ends_at_the_read_and_is_open() -> None:
    """By a condition and by masks, which may be false in the rows of the days to come."""
    today = pd.Timestamp.now("UTC").floor("D")
    index = pd.DatetimeIndex([today - pd.Timedelta("3D"), today - pd.Timedelta("2D")]).as_unit("us")
    stored = pd.DataFrame({"fan": [False, True]}, index)
    with hsframe.testing.serve(stored) as uri, hsframe.connect(uri) as session:
        df = session.his_read("fan", (index[0], today + pd.Timedelta("4D")), interval="1D", agg="step")
    assert df["fan"].isna().tolist()[-2:] == [True] * 2
    for condition in ("fan", df["fan"], df["fan"].fillna(False).astype(bool)):
        found = df.hs.episodes(condition)
        assert found["start"].tolist() == [index[1]]
        assert found["end"].tolist() == [pd.Timestamp(df.hs.source["at"])]
        assert found["open_end"].tolist() == [True]
        assert df.hs.resample("1D", "coverage", where=condition)["fan"].tolist()[-2:] == [0, 0]


def test_rows_of_days_and_weeks_hold_for_theirs() -> None:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "tz": "New_York", "kind": "Number", "hisInterval": Number(1, "day")}
    database.add({"id": Ref("kw"), "dis": "Kw", "unit": "kW", "hisMode": "cov", **tags})
    database.set_history("kw", FIRST_US + np.arange(-405, -325) * 24 * HOUR_US, np.arange(80.0))
    with running_server(database) as running, hsframe.connect(running.uri, "demo", "demo") as session:
        steps = [("1D", "monday", {"days": 1}), ("1W", "sunday", {"weeks": 1}), ("1M", "monday", {"months": 1})]
        steps += [("10D", "monday", {"days": 10})]
        for interval, weeks, length in steps:
            how: Any = {"interval": interval, "week_start": weeks, "agg": "avg", "edges": "whole"}
            df = session.his_read("@kw", "2025-10-01,2025-11-20", **how)
            found = df.hs.episodes(df["Kw"] > 0)
            assert found["start"].tolist() == [df.index[0]]
            assert found["end"].tolist() == [df.index[-1] + pd.DateOffset(**length)]


def test_days_of_two_zones_in_one_frame_are_those_of_each_point() -> None:
    database = Database(tz="UTC")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "hisInterval": Number(1, "hr")}
    for name, tz in (("ny", "New_York"), ("lon", "London")):
        database.add({"id": Ref(name), "dis": name, "tz": tz, **tags})
        values = np.where(np.arange(-60, 200) < 24, 1.0, 2.0)
        database.set_history(name, FIRST_US + np.arange(-60, 200) * HOUR_US, values, values > 9)
    with running_server(database) as running, hsframe.connect(running.uri, "demo", "demo") as session:
        df = session.his_read(["@ny", "@lon"], "2026-10-30,2026-11-02", interval="1D", agg="max", tz="UTC")
        alone = session.his_read("@ny", "2026-10-30,2026-11-02", interval="1D", agg="max", tz="UTC", header="id")
    assert len(df) == 8  # a row for each midnight
    assert windows(df.hs.episodes(("@ny", ">", 1))) == [(24, 97)]
    assert windows(alone.hs.episodes(alone["ny"] > 1)) == [(24, 97)]
    assert windows(df.hs.episodes(("@lon", ">", 1))) == [(20, 92)]
    found = df.hs.over(df.hs.episodes(("@ny", ">", 0)), {"@ny": ["mean", "coverage"]}, min_coverage=0.1)
    assert found["ny coverage"].tolist() == [1.0]
    assert found["ny mean"].tolist() == [pytest.approx((24 * 1 + 73 * 2) / 97)]


# What was then --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::hsframe.errors.GapWarning")  # a sample may be far from all others
@given(
    st.lists(st.tuples(st.integers(-30, 300), st.integers(1, 120)), min_size=1, max_size=8),
    st.sets(st.integers(0, 240), min_size=1, max_size=20),
    st.booleans(),
    st.data(),
)
def test_windows_in_any_order_and_overlap_have_the_values_of_their_minutes(
    given_windows: list[tuple[int, int]], minutes: set[int], is_step: bool, data: Any
) -> None:
    instants = sorted(minutes)
    cell = st.sampled_from([1.0, 2.0, 5.0])
    values = data.draw(st.lists(cell, min_size=len(instants), max_size=len(instants)))
    df = frame(FIRST_US + np.array(instants) * MINUTE_US, P=pd.array(values, dtype="unit[kW]"))
    df = hsframe.with_points(
        df, {"P": Point("p", "P", "kW", "New_York", "Number", None, '{hisMode:"cov"}' if is_step else None)}
    )
    starts_us = FIRST_US + np.array([a for a, _ in given_windows]) * MINUTE_US
    ends_us = starts_us + np.array([n for _, n in given_windows]) * MINUTE_US
    times = {"start": starts_us, "end": ends_us}
    episodes = pd.DataFrame({name: pd.to_datetime(us, unit="us", utc=True) for name, us in times.items()})
    episodes.index += 5
    aggs = ["mean", "integral", "coverage", "avg", "min", "max", "first", "last"]
    found = df.hs.over(episodes, {"P": aggs}, max_gap="50min")
    assert found.index.tolist() == episodes.index.tolist()
    # A frame knows nothing after its last row, not even what held.
    known = [*instants, instants[-1] + Fraction(1, 4)], [*values, None]
    for row, (a, n) in enumerate(given_windows):
        own = model(*known, range(a, a + n), dict.fromkeys(range(-100, 500), 1), is_step, 50)
        for agg in aggs:
            value = found[f"P {agg}"].iloc[row]
            assert math.isnan(value) if own[agg] is None else float(value) == pytest.approx(float(own[agg])), agg


def test_columns_of_flags_are_left_out(session: hsframe.Session) -> None:
    flagged, plain = (session.his_read(["@kw", "@fan"], DAY, na=na, boundary="both") for na in ("flag", "nan"))
    fan = plain.hs.episodes("@fan")
    pd.testing.assert_frame_equal(flagged.hs.over(fan, "mean"), plain.hs.over(fan, "mean"))
    pd.testing.assert_frame_equal(flagged.hs.resample("1h", "avg"), plain.hs.resample("1h", "avg"))


def test_what_a_mapping_names_is_joined_to_its_episodes(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@sp", "@fan"], DAY, boundary="before")
    fan = df.hs.episodes("@fan").iloc[::-1]
    found = fan.join(df.hs.over(fan, {"kW": "mean", "@sp": "min"}, min_coverage=0.1))
    assert found.columns.tolist() == [*fan.columns, "Kw", "Sp"]
    assert found.index.equals(fan.index)
    assert found.index.name == "episode"
    assert found["Kw"].tolist() == [pytest.approx(26 / 7), 1.0]  # of what is known: seven hours and two
    assert found["Sp"].tolist() == [60.0, 60.0]
    assert found[["Kw", "Sp"]].hs.units == {"Kw": "kW", "Sp": "°F"}
    assert df.hs.over(fan, "max").hs.points["id"].tolist() == ["kw", "sp", "fan"]
    assert df.hs.over(fan, {"@fan": ["duration", "starts"]}).columns.tolist() == [
        "Fan duration False", "Fan duration True", "Fan starts"
    ]  # fmt: skip
    several = fan.join(df.hs.over(fan, {"kW": ["integral", "max"], "@fan": "mean"}, min_coverage=0.1))
    assert several.columns.tolist()[5:] == ["Kw integral", "Kw max", "Fan mean"]
    assert several[["Kw integral", "Kw max"]].hs.units == {"Kw integral": "kWh", "Kw max": "kW"}
    assert df.hs.over(fan, {"kW": ["mean", "max"]}, min_coverage=0.1).hs.points["id"].tolist() == ["kw", "kw"]
    none = df.hs.over(fan.iloc[:0], {"kW": ["mean", "max"]})
    assert (none.columns.tolist(), len(none)) == (["Kw mean", "Kw max"], 0)


@pytest.mark.filterwarnings("ignore:what 'Fan' is at the start of the span:hsframe.ReadWarning")
@pytest.mark.parametrize("how", [{}, {"interval": "1h", "agg": "step"}])
def test_of_no_rows_there_is_nothing_but_the_columns(session: hsframe.Session, how: Any) -> None:
    df = session.his_read(["@kw", "@fan"], DAY, boundary="before")
    fan, none = df.hs.episodes("@fan"), session.his_read(["@kw", "@fan"], DAY, **how).iloc[:0]
    pd.testing.assert_frame_equal(none.hs.episodes("@fan"), fan.iloc[:0], check_index_type=False)
    found = none.hs.over(fan, {"kW": ["integral", "coverage"], "@fan": "max"})
    assert found.index.equals(fan.index)
    assert found[["Kw integral", "Fan max"]].isna().all(axis=None)
    assert found["Kw coverage"].tolist() == [0, 0]
    for where in (None, "@fan", none["Fan"]):
        days = none.hs.resample("1D", {"@kw": "integral", "@fan": "mean"}, where=where)
        pd.testing.assert_frame_equal(
            days, df.hs.resample("1D", {"@kw": "integral", "@fan": "mean"}).iloc[:0], check_freq=False
        )


def test_rows_of_several_episodes_are_taken_one_by_one(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@fan"], DAY, boundary="before")
    around = session.his_read(["@kw", "@fan"], df.hs.episodes("@fan"), pad="1h", boundary="before")
    for verb in (lambda: around.hs.episodes("@fan"), lambda: around.hs.resample("1D"), around.hs.plot):
        with pytest.raises(MetadataError, match=r"levels episode, ts: take one episode, as in df\.loc\[0\]"):
            verb()
    assert windows(around.loc[1].hs.episodes("@fan")) == [(9, 25)]


def test_a_limit_of_a_difference_says_which_unit_it_is_in(session: hsframe.Session) -> None:
    df = session.his_read(["@sp", "@fan"], DAY, boundary="before").assign(d=lambda df: df["Sp"] - df["Sp"].iloc[0])
    for compare in (lambda: df.hs.episodes(("d", ">", Number(5, "K"))), lambda: df["d"] > Number(5, "K")):
        with pytest.raises(UnitError, match="a difference is in ΔK"):
            compare()
    with pytest.raises(MetadataError, match=r"^a value of type bool is no condition; .*pd\.Series\(mask, df\.index\)"):
        df.hs.episodes([True] * 600)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda e: e.drop(columns="end"), MetadataError, "'end' is not there"),
        (lambda e: e.assign(end=e["end"].dt.tz_localize(None)), ZoneError, r"'end' is datetime64\[us\]"),
        (lambda e: e.assign(end=e["start"]), MetadataError, "episode 0 must end after it starts"),
        (lambda e: e.assign(end=e["end"].where(e.index > 0)), MetadataError, "episode 0 must end .* NaT"),
    ],
)
def test_what_are_no_episodes_is_refused(session: hsframe.Session, change: Any, error: Any, words: str) -> None:
    df = session.his_read("@fan", DAY, boundary="before")
    with pytest.raises(error, match=words):
        df.hs.over(change(df.hs.episodes("@fan")), "mean")


def test_means_while_something_holds(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@fan"], DAY, boundary="both")
    fan = df["Fan"].ffill()
    # Of 17 hours: 0:00 to 2:00 with 1 kW, and from 9:00 what is known of 5 kW, then 3 kW.
    expected = (2 * 1 + 2 * 5 + 4 + 3 + 3 * 3) / 9
    for where in ("@fan", fan, df.hs.episodes("@fan"), ("@fan", "==", True)):
        found = df.hs.resample("1D", ["mean", "coverage"], where=where)["Kw"]
        assert found["mean"].tolist()[:1] == [pytest.approx(expected)]
        assert found["coverage"].tolist()[:1] == [pytest.approx(9 / 17)]
        assert found["mean"].dtype == "unit[kW]"
    assert df.hs.resample("1D", "integral", where="@fan")["Fan"].tolist()[:1] == [17.0]
    with pytest.raises(MetadataError, match="one instant"):
        df.hs.resample("1D", where="@fan")


def test_episodes_are_shaded_where_they_are() -> None:
    """Over the hour that is skipped too, and those far from the rows do not widen the picture."""
    pytest.importorskip("matplotlib")
    from matplotlib import dates, pyplot

    start_us = resolve("2026-03-08", "New_York").start_us
    hours = np.arange(24)
    fan = pd.array((hours > 1) & (hours < 5), dtype="boolean")
    fan[12:] = pd.NA
    df = frame(start_us + hours * HOUR_US, Fan=fan, P=pd.array(hours * 1.0, dtype="unit[kW]"))
    far = pd.DataFrame({"start": df.index[:1] - pd.Timedelta("99D"), "end": df.index[:1] - pd.Timedelta("98D")})
    plain, axes = df.hs.plot(), df.hs.plot(episodes=hsframe.concat([df.hs.episodes("Fan"), far], ignore_index=True))
    for before, axis in zip(plain, axes, strict=True):
        (shaded,) = (one for one in axis.collections if one.get_gid() == "episodes")
        near, _ = (path.get_extents() for path in shaded.get_paths())
        expected = dates.date2num((start_us + np.array([2, 5]) * HOUR_US).astype("M8[us]"))  # type: ignore[no-untyped-call]
        assert [near.x0, near.x1] == pytest.approx(expected.tolist(), abs=1e-9)
        assert axis.get_xlim() == before.get_xlim()
    shaded = df.hs.plot(episodes=far.iloc[:0])[0].collections
    assert [one.get_paths() for one in shaded if one.get_gid() == "episodes"] == [[]]
    with pytest.raises(MetadataError, match="no zone"):
        df.tz_localize(None).hs.plot(episodes=far)
    pyplot.close("all")


def test_what_holds_is_drawn_where_it_does(session: hsframe.Session) -> None:
    """Also where other points have samples, up to the end of the span, and not from NA on."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    df = session.his_read(["@kw", "@sp", "@fan", "@late"], DAY, boundary="before", na="flag")
    lines = {line.get_label(): line for axis in df.hs.plot() for line in axis.lines}
    nan = math.nan
    ts_us = lines["Sp"].get_xdata(orig=True).astype("M8[us]").astype(np.int64)
    assert ((ts_us - FIRST_US) / HOUR_US).tolist() == [-10, 3, 20, 24]
    np.testing.assert_array_equal(lines["Sp"].get_ydata(), [60, 70, 60, nan])
    assert lines["Sp"].get_drawstyle() == "steps-post"
    # The samples that boundary= has added are before the span, and the axis begins with it.
    (states,) = (
        axis for axis in df.hs.plot() if [text.get_text() for text in axis.get_yticklabels()] == ["Fan", "Late"]
    )
    bars = {
        (round(box.y0 + 0.38), *(round((x * 24 * HOUR_US - FIRST_US) / HOUR_US, 6) for x in (box.x0, box.x1)))
        for box in (path.get_extents() for one in states.collections for path in one.get_paths())
    }
    assert bars == {(0, -5, 2), (0, 2, 9), (0, 9, 24), (1, -5, 20), (1, 21, 24)}
    assert states.get_xlim()[0] * 24 > FIRST_US / HOUR_US - 1
    power = lines["Kw"].get_ydata()
    assert np.flatnonzero(np.isnan(power)).tolist() == [8, 14]  # NA, and the gap of seven hours
    assert len(power) == 19
    pyplot.close("all")


def test_rows_of_intervals_that_hold_are_drawn_as_steps(session: hsframe.Session) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    steps, line = "steps-post", "default"
    for agg, styles in (
        ({"@sp": "step", "@kw": "mean"}, {"Sp": steps, "Kw": line}),
        ({"@sp": "last", "@kw": "max"}, {"Sp": steps, "Kw": line}),
        ({"@sp": ["step", "mean"], "@kw": "max"}, {"Sp, step": steps, "Sp, mean": line, "Kw, max": line}),
    ):
        df = session.his_read(["@sp", "@kw", "@fan"], DAY, interval="1h", agg=agg)
        lines = [line for axis in df.hs.plot() for line in axis.lines]
        assert {str(line.get_label()): line.get_drawstyle() for line in lines}.items() >= styles.items()
    pyplot.close("all")
