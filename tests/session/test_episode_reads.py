"""Reads of episodes, and of the time in which a condition holds, over a real socket."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import HsFrameError, MetadataError, UnitError, UnknownRecError
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

HOUR_US = 3_600_000_000
FIRST_US = 1_793_332_800_000_000  # 2026-10-30T04:00Z, New York's midnight; its clock is set back on November 1
SPAN = "2026-10-30,2026-11-02"
DAYS_H = [24, 24, 25, 24]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    database = Database(tz="New_York")
    hours = np.arange(-24, 24 * 7)
    for name, tags, every, values in [
        ("kw", {"kind": "Number", "unit": "kW", "hisInterval": Number(1, "hr")}, 1, np.sqrt(hours + 25.0)),
        ("oat", {"kind": "Number", "unit": "°F", "tz": "London"}, 1, 60 + 10.0 * (hours % 5)),
        ("fan", {"kind": "Bool", "run": MARKER}, 5, hours % 3 == 0),
        ("mode", {"kind": "Str", "enum": "off,on"}, 7, np.where(hours % 4 == 0, "on", "off")),
    ]:
        record = {"id": Ref(name), "dis": name, "point": MARKER, "his": MARKER, "tz": "New_York", **tags}
        database.add(record)
        database.set_history(name, FIRST_US + hours[::every] * HOUR_US, values[::every])
    with running_server(database) as running:
        yield running


def episodes(pairs: Any, tz: str = "America/New_York") -> pd.DataFrame:
    """From and to in hours after the first day's start."""
    starts, ends = (FIRST_US + np.array([pair[n] for pair in pairs], dtype=np.int64) * HOUR_US for n in (0, 1))
    times = {"start": starts, "end": ends}
    return pd.DataFrame({name: pd.to_datetime(us, unit="us", utc=True).tz_convert(tz) for name, us in times.items()})


PAIRS = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 9)).map(lambda one: (one[0], sum(one))), max_size=5)


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(PAIRS, st.integers(0, 4))
def test_each_episode_has_the_rows_of_its_window(server: RunningServer, pairs: list[tuple[int, int]], pad: int) -> None:
    windows = episodes(pairs).set_axis([f"e{n}" for n in range(len(pairs))], axis=0)
    with hsframe.connect(server.uri, "demo", "demo") as session:
        whole = session.his_read(["@kw", "@oat", "@mode"], ("2026-10-29", "2026-11-06"), tz="New_York")
        read = session.his_read(["@kw", "@oat", "@mode"], windows, pad=f"{pad}h" if pad else None, tz="New_York")
    assert read.index.names == ["episode", "ts"]
    assert read.hs.units == whole.hs.units
    assert read.hs.points.equals(whole.hs.points)
    around = pd.Timedelta(pad, "h")
    expected = [
        whole[(whole.index >= row.start - around) & (whole.index < row.end + around)].assign(episode=name)
        for name, row in windows.iterrows()
    ]
    if expected:
        frame = pd.concat(expected).set_index("episode", append=True).swaplevel()
        pd.testing.assert_frame_equal(read, frame, check_index_type=False)


@settings(max_examples=8)
@given(PAIRS, st.integers(0, 4), st.sampled_from(["before", "both"]))
def test_each_episode_has_the_samples_around_its_window(
    server: RunningServer, pairs: list[tuple[int, int]], pad: int, boundary: Any
) -> None:
    points = ["@fan", "@mode", "@oat"]
    with hsframe.connect(server.uri, "demo", "demo") as session:
        read = session.his_read(
            points, episodes(pairs), pad=f"{pad}h" if pad else None, boundary=boundary, tz="New_York", na="flag"
        )
        assert read.index.get_level_values("episode").unique().tolist() == [*range(len(pairs))]
        around = pd.Timedelta(pad, "h")
        for name, row in episodes(pairs).iterrows():
            span = (row.start - around, row.end + around)
            own = session.his_read(points, span, boundary=boundary, tz="New_York", na="flag")
            pd.testing.assert_frame_equal(read.loc[name], own, check_freq=False)


def test_what_held_when_a_window_began_is_known(session: hsframe.Session) -> None:
    windows = episodes([(1, 3), (12, 25), (80, 86)])
    df = session.his_read(["@fan", "@kw"], windows, pad="1h", boundary="before")
    assert df.hs.catalog["rows"].tolist() == [df[name].notna().sum() for name in ("fan", "kw")]
    sizes = []
    for name in windows.index:
        runs = df.loc[name].hs.episodes("@fan")
        assert not (runs["open_start"] & (runs["start"] > windows["start"][name] - pd.Timedelta("1h"))).any()
        sizes.append(len(runs))
    assert sizes == [0, 2, 1]
    assert len(session.his_read("@fan", windows.iloc[:0], boundary="before")) == 0


def test_only_the_windows_are_read(session: hsframe.Session, caplog: pytest.LogCaptureFixture) -> None:
    windows = episodes([(100, 103), (2, 4), (3, 5)])
    session.his_read("@kw", "2026-10-30")  # so the server is known
    with caplog.at_level(logging.INFO, logger="hsframe"):
        df = session.his_read("@kw", windows)
    asked = [text for record in caplog.records if "hisRead" in (text := record.getMessage())]
    assert len(asked) == 2, asked
    assert df.hs.source["requests"] == 3  # and that of the record
    assert len(df.hs.source["spans"]) == 2
    assert df.loc[1].index.equals(session.his_read("@kw", ("2026-10-30T02:00", "2026-10-30T04:00")).index)
    assert len(df.loc[2]) == 2
    assert df.hs.catalog["rows"].tolist() == [6]
    grid = session.his_read("@kw", windows, interval="30min", agg="linear", pad="1h")
    assert grid.groupby(level="episode").size().tolist() == [10, 8, 8]


@pytest.mark.parametrize(("interval", "sizes"), [("1h", {0: 2, 2: 1}), ("2h", {0: 1, 2: 1}), ("1D", {2: 1})])
def test_an_episode_in_which_no_interval_begins_has_no_rows(
    session: hsframe.Session, interval: str, sizes: dict[int, int]
) -> None:
    windows = episodes([(2, 4), (5, 6), (24, 25)])
    windows["start"] += pd.to_timedelta([0, 10, -10], "min")
    windows["end"] -= pd.Timedelta("20min")
    df = session.his_read("@kw", windows, interval=interval, agg="mean")
    assert df.groupby(level="episode").size().to_dict() == sizes
    span = session.his_read("@kw", SPAN, interval=interval, agg="mean")["kw"]
    assert df["kw"].tolist() == span.loc[df.index.get_level_values("ts")].tolist()
    none = session.his_read("@kw", windows.iloc[:0], interval=interval, agg="mean")
    assert (none.columns.tolist(), len(none)) == (["kw"], 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shape": "tidy"}, "shape='tidy' is not for a read of episodes"),
        ({"interval": "1h", "edges": "partial"}, "edges='partial'"),
        ({"interval": "1D", "tz": "local"}, "tz='local'"),
        ({"interval": "1D", "label": "end"}, "label='end'"),
    ],
)
def test_what_is_not_for_episodes_is_refused(session: hsframe.Session, settings: Any, words: str) -> None:
    with pytest.raises(MetadataError, match=re.escape(words)):
        session.his_read("@kw", episodes([(1, 2)]), **settings)


def test_a_pad_and_episodes_belong_together(session: hsframe.Session) -> None:
    with pytest.raises(MetadataError, match="pad= is how far"):
        session.his_read("@kw", "2026-10-30", pad="1h")
    with pytest.raises(MetadataError, match="episodes are for his_read"):
        list(session.his_iter("@kw", episodes([(1, 2)])))
    with pytest.raises(MetadataError, match="'start' is not there"):
        session.his_read("@kw", pd.DataFrame({"ts": [1]}))
    with pytest.raises(UnknownRecError):
        session.his_read("@nothing", episodes([(1, 2), (5, 6)]))
    df = session.his_read(["@kw", "@nothing"], episodes([(1, 2), (5, 6)]), on_error="catalog")
    assert df.hs.catalog["status"].tolist() == ["ok", "failed"]


# While a condition holds ----------------------------------------------------------------------------------------------

CONDITIONS: dict[str, Any] = {
    "fan": "@fan",
    "filter": "run and point",
    "not": ("@fan", "==", False),
    "warm": ("@oat", ">", Number(65, "°F")),
    "metric": (Ref("oat"), "<=", Number(25, "°C")),
    "text": ("@mode", "==", "on"),
}


@pytest.mark.filterwarnings("ignore:agg='delta' of @kw:hsframe.errors.ReadWarning")
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_read_is_what_the_samples_give(session: hsframe.Session, name: str) -> None:
    """By a frame that has all samples around the span, and by the episodes of the condition."""
    where = CONDITIONS[name]
    how: dict[str, Any] = {"interval": "1D", "agg": ["mean", "integral", "coverage", "max", "delta"]}
    how["max_gap"] = {"@kw": "2h"}
    read = session.his_read("@kw", SPAN, where=where, **how)
    around = session.his_read(["@kw", "@fan", "@oat", "@mode"], ("2026-10-29", "2026-11-05"), tz="New_York")
    on_frame = "@fan" if name == "filter" else where
    found = around[["kw", "fan", "oat", "mode"]].hs.episodes(on_frame)
    by_episodes = session.his_read("@kw", SPAN, where=found, **how)
    pd.testing.assert_frame_equal(read, by_episodes)
    frame = around.hs.resample("1D", {"kw": how["agg"]}, where=on_frame, max_gap={"kw": "2h"})
    pd.testing.assert_frame_equal(frame.loc[read.index], read, check_freq=False, check_column_type=False)
    # Both parts together are the whole.
    held = session.his_read("@kw", SPAN, interval="1D", agg="integral", where=where)["kw"]
    starts, ends = found["start"].tolist(), found["end"].tolist()
    edges = [around.index[0], *[t for pair in zip(starts, ends, strict=True) for t in pair], around.index[-1]]
    rest = pd.DataFrame({"start": edges[::2], "end": edges[1::2]})
    other = session.his_read("@kw", SPAN, interval="1D", agg="integral", where=rest[rest["start"] < rest["end"]])["kw"]
    whole = session.his_read("@kw", SPAN, interval="1D", agg="integral")["kw"]
    np.testing.assert_allclose((held + other).hs.magnitude(), whole.hs.magnitude(), rtol=1e-12)


def test_what_held_before_the_span_is_searched() -> None:
    database = Database(tz="UTC")
    tags = {"point": MARKER, "his": MARKER, "tz": "UTC"}
    database.add({"id": Ref("kw"), "dis": "kw", "kind": "Number", "unit": "kW", **tags})
    database.add({"id": Ref("fan"), "dis": "fan", "kind": "Bool", **tags})
    database.set_history("kw", FIRST_US + np.arange(-30, 60) * HOUR_US, np.full(90, 2.0))
    database.set_history("fan", FIRST_US + np.array([-100 * 24, 14]) * HOUR_US, [True, False])
    with running_server(database) as running, hsframe.connect(running.uri, "demo", "demo") as session:
        df = session.his_read("@kw", "2026-10-30,2026-10-31", interval="1D", agg=["integral", "coverage"], where="@fan")
    assert df["kw", "integral"].tolist() == [36.0, 0.0]  # until 18:00Z
    assert df["kw", "coverage"].fillna(-1).tolist() == [1.0, -1]


@pytest.mark.parametrize(
    ("where", "error", "words"),
    [
        ("@kw", MetadataError, "compares True with @kw, whose values are Number"),
        ("point", MetadataError, r"where='point' is of 4 points: @kw, .*name one"),
        (("@oat", ">", Number(2, "kW")), UnitError, "compares with kW, and @oat is in °F"),
        (("@oat", "above", 5), MetadataError, "operator of a condition='above' is unknown"),
        (("@oat", 5), MetadataError, "is no condition"),
        ("@oat and @fan", MetadataError, "is no condition.*a list of conditions that all hold"),
        ("@nothing", HsFrameError, "nothing"),
    ],
)
@pytest.mark.parametrize("on_error", ["raise", "catalog"])
def test_a_condition_without_a_meaning_is_refused(
    session: hsframe.Session, where: Any, error: Any, words: str, on_error: Any
) -> None:
    with pytest.raises(error, match=words):
        session.his_read("@kw", SPAN, interval="1D", where=where, on_error=on_error)


def test_a_condition_is_for_intervals(session: hsframe.Session) -> None:
    with pytest.raises(MetadataError, match="no interval for where="):
        session.his_read("@kw", SPAN, where="@fan")
    with pytest.raises(MetadataError, match="no interval for where="):
        session.his_read("@kw", SPAN, where=episodes([(1, 2)]))
    with pytest.raises(MetadataError, match="one instant"):
        session.his_read("@kw", SPAN, interval="1D", agg="step", where="@fan")
