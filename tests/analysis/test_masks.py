"""When a mask of the rows of a frame holds, and where it tells nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.points import Point
from hsframe.kinds import Number
from hsframe.spans import resolve
from hsframe.zones import zone
from tests.analysis.one_day import DAY, FIRST, FIRST_US, HOUR_US, frame, windows
from tests.intervals.clock_changes import CHANGES
from tests.intervals.test_truth import slow_episodes


@given(
    st.sampled_from(CHANGES),
    st.lists(st.sampled_from([True, False, None]), min_size=60, max_size=60),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_rows_of_a_mask_hold_until_the_next_over_clock_changes(
    change: tuple[str, str], cells: list[bool | None], merge: int, least: int
) -> None:
    tz, day = change
    start_us = resolve(day, tz).start_us - 24 * HOUR_US
    df = frame(start_us + np.arange(61) * HOUR_US, zone(tz), mask=pd.array([*cells, None], dtype="boolean"))
    how = {"merge": f"{merge}h" if merge else None, "min": f"{least}h" if least else None}
    found = df.hs.episodes(df["mask"], **how)
    codes = [-1 if cell is None else int(cell) for cell in cells]
    known = [place for place, code in enumerate(codes) if code >= 0] or [0]
    own = slow_episodes(codes[known[0] : known[-1] + 1], merge, least)
    expected = [(known[0] + a, known[0] + b) for a, b in own]
    assert windows(found, start_us) == expected
    assert found["open_start"].tolist() == [a == known[0] for a, _ in expected]
    assert found["open_end"].tolist() == [b == known[-1] + 1 for _, b in expected]
    assert (found["duration"] == found["end"] - found["start"]).all()
    assert [str(one) for one in found.dtypes] == [
        *[f"datetime64[us, {zone(tz)}]"] * 2, "timedelta64[us]", "bool", "bool"
    ]  # fmt: skip
    pd.testing.assert_frame_equal(df.hs.episodes("mask", **how), found)


def test_a_mask_is_known_for_as_long_as_its_points_are() -> None:
    """A Number of which the record says nothing is on a line for three hours; what is no point holds on."""
    df = frame(FIRST_US + np.array([0, 1, 9, 10]) * HOUR_US, P=np.array([1.0, 2, 2, 1]))
    assert windows(df.hs.episodes(df["P"] > 1)) == [(1, 10)]
    df = hsframe.with_points(df, {"P": Point("p", "P", None, "New_York", "Number")})
    assert windows(df.hs.episodes(df["P"] > 1)) == [(1, 4), (9, 10)]


def test_a_mask_of_a_column_has_the_rows_of_its_samples(session: hsframe.Session) -> None:
    """What is missing where others have samples is no row, in the frame and beside it."""
    df = session.his_read(["@kw", "@sp", "@fan"], DAY, boundary="before")
    fan = [(-5, 2), (9, 24)]
    for where in (df, df[["Sp"]]):
        assert windows(where.hs.episodes(df["Fan"])) == fan
        assert windows(where.hs.episodes(~df["Fan"])) == windows(where.hs.episodes(df["Fan"] == False)) == [(2, 9)]  # noqa: E712
        by_mask = where.hs.resample("1D", {"Sp": "mean"}, where=df["Fan"])
        assert by_mask.columns.tolist() == ["Sp"]
        pd.testing.assert_frame_equal(by_mask, df.hs.resample("1D", {"Sp": "mean"}, where="@fan"))
    with pytest.warns(hsframe.errors.ReadWarning, match="'Fan' is at the start of the rows"):
        assert windows(df.loc[DAY].hs.episodes(df["Fan"].loc[DAY])) == [(9, 24)]


def test_a_mask_that_is_false_where_its_column_has_no_sample_warns(session: hsframe.Session) -> None:
    """Nothing tells that it is of the column alone: beside the hours of the day only rows of samples would count."""
    df = session.his_read(["@kw", "@sp", "@fan"], DAY, boundary="before")
    filled, cold, late = df.ffill(), [(-10, 3), (20, 24)], np.array(df.index.hour) >= 21
    limit = Number(65, "°F")
    advice = r"\('Sp', '>', Number\(\.\.\.\)\), or a list .* df\[\[\.\.\.\]\]\.ffill"
    words = rf"in 1\d rows of the mask 'Sp' has no sample.* {advice}"
    with pytest.warns(hsframe.errors.ReadWarning, match=words):
        assert windows(df.hs.episodes(df["Sp"] < limit)) == cold
    for mask in ((df["Sp"] < limit) & late, late & (df["Sp"] < limit), (df["Sp"].hs.magnitude() < 65) & late):
        with pytest.warns(hsframe.errors.ReadWarning, match=words) as told:
            df.hs.episodes(mask)
        assert len(told) == 1
        with pytest.warns(hsframe.errors.ReadWarning, match=words):
            df.hs.resample("1D", {"@kw": "mean"}, where=mask, min_coverage=0.1)
    with pytest.warns(hsframe.errors.ReadWarning, match="the mask 'Fan' has no sample"):
        df.hs.episodes(df["Fan"].fillna(False) & late)
    for others in (df[["Kw"]], df[["Kw", "Fan"]], filled[["Kw"]]):  # without the column
        with pytest.warns(hsframe.errors.ReadWarning, match=words):
            others.hs.episodes(df["Sp"] < limit)
    for others in (filled[["Kw"]], df[["Kw"]]):
        assert windows(others.hs.episodes(filled["Sp"] < limit)) == cold
    assert windows(df.hs.episodes(("Sp", "<", limit))) == windows(filled.hs.episodes(filled["Sp"] < limit)) == cold
    assert windows(filled.hs.episodes((filled["Sp"] < limit) & late)) == [(21, 24)]
    assert windows(filled.loc[DAY].hs.episodes(filled["Sp"].loc[DAY] < limit)) == [(0, 3), (20, 24)]


def test_a_mask_of_columns_with_samples_at_other_times_warns(session: hsframe.Session) -> None:
    df = session.his_read(["@sp", "@fan"], DAY, boundary="before")
    with pytest.warns(hsframe.errors.ReadWarning, match=r"in 6 rows .* filled = df\[\[\.\.\.\]\]\.ffill\(\)"):
        assert df.hs.episodes((df["Sp"] < Number(65, "°F")) & df["Fan"]).empty
    by_clock = np.array(df.index.hour) > 5
    for mask in (df["Fan"] & by_clock, df["Fan"] | by_clock):
        with pytest.warns(hsframe.errors.ReadWarning, match=r"in 3 rows of the mask 'Fan' has no sample"):
            df.hs.episodes(mask)
    filled = df.ffill().dropna()
    assert windows(filled.hs.episodes((filled["Sp"] < Number(65, "°F")) & filled["Fan"])) == [(-5, 2), (20, 24)]


@pytest.mark.parametrize("is_so", [True, False])
@pytest.mark.parametrize("step", ["15min", "1h", "1D"])
def test_a_mask_with_rows_of_its_own_is_not_known_after_its_end(is_so: bool, step: str) -> None:
    """Its last row holds for its own step, true and false alike."""
    df = frame(FIRST_US + np.arange(4 * 96 + 5) * HOUR_US // 4, P=np.full(4 * 96 + 5, 10.0))
    mask = pd.Series(is_so, pd.date_range(FIRST, FIRST + pd.Timedelta("2D"), freq=step, inclusive="left"))
    found = df.hs.resample("1D", ["integral", "coverage"], where=mask)["P"]
    assert found["coverage"].fillna(-1).tolist() == ([1, 1, 0, 0] if is_so else [-1, -1, 0, 0])
    assert found["integral"].fillna(-1).tolist() == ([240, 240, -1, -1] if is_so else [0, 0, -1, -1])
    assert windows(df.hs.episodes(mask)) == [(0, 48)] * is_so


IS_ANOTHERS = "rows of a read( of '.*'|, as its index ts says), and is not of the frame, .* other.hs.episodes"


def test_a_mask_is_of_the_frame_that_it_is_used_on(session: hsframe.Session) -> None:
    """Of another frame it has other rows, or the rows of other points; its episodes are a condition for any frame."""
    df = session.his_read(["@sp", "@fan"], "2026-10-30,2026-11-03", boundary="before")
    one = session.his_read(["@sp", "@fan"], DAY, boundary="before").ffill().dropna()
    kw = session.his_read("@kw", DAY, interval="1h", agg="step")
    cold, fan = one["Sp"] < Number(65, "°F"), one["Fan"]
    expected = [(cold, [(-5, 3), (20, 24)]), (fan, [(-5, 2), (9, 24)]), (cold & fan, [(-5, 2), (20, 24)])]
    for mask, found in expected:
        episodes = one.hs.episodes(mask)
        assert windows(episodes) == found
        assert episodes["open_end"].tolist() == [False, True]
        assert windows(df.hs.episodes([episodes, ("@sp", "<", 1000)])) == found
        same_rows, same_hours = mask.reindex(df.index, fill_value=False), mask.reindex(kw.index, method="ffill")
        for frame_of_others, wrong in (
            (df, mask), (df, same_rows.loc[DAY]), (one, mask.iloc[:-1]), (one.iloc[:-1], mask), (kw, same_hours),
            (kw, kw["Kw"].iloc[3:] > 2), (df, pd.Series(True, one.index)), (df, kw["Kw"] > 2),
        ):  # fmt: skip
            with pytest.raises(MetadataError, match=IS_ANOTHERS):
                frame_of_others.hs.episodes(wrong)
            with pytest.raises(MetadataError, match=IS_ANOTHERS):
                frame_of_others.hs.resample("1D", where=wrong)


def test_a_mask_knows_its_column_though_the_frame_has_not_kept_it(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@sp", "@fan"], DAY, boundary="before")
    light, hours = df[["Sp"]], df.hs.resample("1h", "mean", min_coverage=0.01)
    for mask in (~(df["Kw"] > 2), df["Kw"] != 2):  # true at eight, where it is NA
        with pytest.warns(ReadWarning, match="rows of the mask 'Kw' has no sample"):
            light.hs.episodes(mask)
    # After the last sample before the gap nothing is known, as in a frame with the column.
    high = df["Kw"].dropna() > 2
    assert windows(df[["Kw"]].dropna().hs.episodes(high)) == windows(df[["Kw"]].dropna().hs.episodes(high.rename("x")))
    with pytest.warns(ReadWarning, match="has no column 'Kw', so it does not know in which intervals"):
        hours[["Sp"]].hs.episodes(hours["Kw"] > 2)


def test_a_schedule_is_false_where_a_column_has_no_value(session: hsframe.Session) -> None:
    hours = session.his_read("@kw", DAY, interval="1h", agg="mean", tz="New_York")  # the gap is from 14 to 20
    assert hours["Kw"].isna().sum() > 3
    early = pd.Series(np.array(hours.index.hour) < 4, hours.index)
    for mask in (early, early.rename_axis(None), early.iloc[::4].rename_axis(None)):
        found = hours.hs.resample("1D", ["mean", "coverage"], where=mask)["Kw"]
        assert found.iloc[0].tolist() == [Number(1, "kW"), 1]
    with pytest.raises(MetadataError, match=r"index ts says.* take mask\.rename_axis\(None\)"):
        hours.hs.episodes(early.iloc[:-1])


def test_a_mask_of_the_same_instants_in_another_zone_is_of_the_frame(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@fan"], DAY, boundary="before")
    fan = [(-5, 2), (9, 24)]
    assert (
        windows(df.hs.episodes(df["Fan"].tz_convert("UTC")))
        == windows(df.tz_convert("UTC").hs.episodes(df["Fan"]))
        == fan
    )
