"""``df.hs.source``: what a frame was read from, which goes with it and never has a secret in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.arrow import arrow_to_frame, frame_to_arrow
from hsframe.frame.reads import note_source
from hsframe.testing.server import RunningServer

SPAN = ("2026-11-01", "2026-11-03")


@pytest.fixture
def session(server: RunningServer) -> Iterator[Session]:
    uri = server.uri.replace("http://", "http://demo:demo@") + "/"
    with hsframe.connect(uri, headers={"X-Key": "sesame"}) as session:
        yield session


@pytest.fixture
def df(session: Session) -> pd.DataFrame:
    return session.his_read("@kw", SPAN)


def test_a_frame_says_from_which_server_and_what_it_took(server: RunningServer, df: pd.DataFrame) -> None:
    source = df.hs.source
    assert source["kind"] == "server"
    assert source["uri"] == server.uri
    assert source["version"] is None
    assert (source["start"], source["end"]) == ("2026-11-01T04:00:00+00:00", "2026-11-04T05:00:00+00:00")
    assert abs(datetime.fromisoformat(source["at"]) - datetime.now(UTC)) < pd.Timedelta("1min")
    assert source["requests"] >= 2
    assert source["bytes"] > len(df)
    assert 0 < source["seconds"] < 60
    with pytest.raises(TypeError, match="frozen"):
        source["uri"] = "other"


def test_points_of_one_id_from_two_servers_are_put_together_with_one_warning(df: pd.DataFrame) -> None:
    other = df.copy(deep=True)
    note_source(other, {**df.hs.source, "uri": "http://other:8080/api"})
    with pytest.warns(
        ReadWarning, match=f"@kw is of the server {df.hs.source['uri']} in frame 0 and of http://oth"
    ) as told:
        both = hsframe.concat([df, other, other])
    assert len(both) == 3 * len(df)
    assert len(told) == 1
    hsframe.concat([df, other.rename(columns=lambda label: "other").iloc[:, :0]])  # which has no point of it


def test_each_verb_counts_its_own_requests(session: Session) -> None:
    counts = [session.his_read("@kw", "2026-11-01").hs.source["requests"] for _ in range(3)]
    assert counts[1] == counts[2]
    frames = session.his_read("power", SPAN, shape="dict")
    assert all(frame.hs.source["requests"] >= 2 for frame in frames.values())
    assert session.his_read("@kw", ("2026-11-01", None)).hs.source["end"] is None
    before_1970 = session.his_read("@kw", ("1969-12-01T00:00Z", "1970-01-01T00:00Z")).hs.source
    assert before_1970["end"] == "1970-01-01T00:00:00+00:00"
    matrix = session.matrix({"kw": "power"}, SPAN, by="id")
    # From London's midnight to that of New York.
    assert (matrix.hs.source["start"], matrix.hs.source["end"]) == (
        "2026-11-01T00:00:00+00:00",
        "2026-11-04T05:00:00+00:00",
    )
    latest = session.latest("@kw", max_age="2D").hs.source
    assert pd.Timestamp(latest["end"]) - pd.Timestamp(latest["start"]) == pd.Timedelta("2D")
    assert pd.DataFrame().hs.source is None


def test_it_goes_where_the_frame_goes(df: pd.DataFrame, tmp_path: Path) -> None:
    source = df.hs.source
    hsframe.write_parquet(df, tmp_path / "kw.parquet")
    for other in (
        df.iloc[5:],
        df.hs.to("si"),
        copy.deepcopy(df),
        arrow_to_frame(frame_to_arrow(df)),
        hsframe.read_parquet(tmp_path / "kw.parquet"),
    ):
        assert other.hs.source == source
    assert json.loads(json.dumps(source)) == source


def test_frames_put_together(session: Session, df: pd.DataFrame) -> None:
    later = session.his_read("@kw", "2026-11-04")
    assert pd.concat([df, later]).hs.catalog["id"].tolist() == ["kw"]
    united = hsframe.concat([df, later]).hs.source
    assert (united["start"], united["end"]) == (df.hs.source["start"], later.hs.source["end"])
    assert united["requests"] == df.hs.source["requests"] + later.hs.source["requests"]
    assert "spans" not in united
    last = session.his_read("@kw", "2026-11-06")
    for frames in ([df, later, last], [last, later, df], [hsframe.concat([last, df]), later]):
        spans = hsframe.concat(frames).hs.source["spans"]
        assert [list(map(str, span)) for span in spans] == [
            [united["start"], united["end"]],
            [last.hs.source["start"], last.hs.source["end"]],
        ]
    back = arrow_to_frame(frame_to_arrow(hsframe.concat([df, last])))
    assert back.hs.source == hsframe.concat([df, last]).hs.source
    between = session.his_read("@kw", "2026-11-05")
    assert "spans" not in hsframe.concat([df, last, between, later]).hs.source
    later.attrs.clear()
    assert hsframe.concat([df, later]).hs.source is None


def test_an_archive_names_its_version(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    archive = Archive("trends")
    archive.sync("@kw", session=session, since="2026-10-01")
    df = archive.his_read("@kw", SPAN)
    source = df.hs.source
    with archive.use():
        pd.testing.assert_frame_equal(df.hs.again(SPAN), df)
    assert (source["kind"], source["uri"], source["version"]) == ("archive", str(tmp_path / "trends"), 1)
    assert (source["requests"], source["start"]) == (0, "2026-11-01T04:00:00+00:00")
    with pytest.warns(ReadWarning, match="the archive has not read its history"):
        assert archive.at(0).his_read("@kw", SPAN).hs.source["version"] == 0
    assert hsframe.concat([archive.his_read("@kw", SPAN), session.his_read("@kw", SPAN)]).hs.source is None


def test_no_secret_is_in_it(session: Session, df: pd.DataFrame) -> None:
    text = json.dumps(df.attrs) + str(frame_to_arrow(df).schema.metadata)
    assert "demo" not in text.replace("demo building", "")
    assert "sesame" not in text
    for uri in ("s3://key:sesame@bucket/trends", "https://host/trends?sig=sesame"):
        with pytest.raises(MetadataError, match="without password, query") as caught:
            Archive(uri)
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "entry", [[], {}, {"kind": "server"}, {"uri": 3}, {"uri": "", "spans": 3}, {"uri": "", "spans": [["2026"]]}]
)
def test_a_damaged_note_is_named(df: pd.DataFrame, entry: object, tmp_path: Path) -> None:
    table = frame_to_arrow(df)
    content = json.loads(table.schema.metadata[b"hsframe"])
    if isinstance(entry, dict) and entry:
        entry = content["source"] | entry if "uri" in entry else entry
    damaged = json.dumps(content | {"source": entry}).encode()
    table = table.replace_schema_metadata({**table.schema.metadata, b"hsframe": damaged})
    with pytest.raises(MetadataError, match="what a frame was read from must have kind, uri"):
        arrow_to_frame(table)


def test_the_catalog_of_frames_put_together(session: Session, df: pd.DataFrame) -> None:
    later = session.his_read(["@kw", "@nope"], "2026-11-04", on_error="catalog")
    catalog = hsframe.concat([df, later]).hs.catalog
    assert catalog["rows"].tolist() == [len(df) + len(later), 0]
    assert catalog["status"].tolist() == ["ok", "failed"]
    other = session.his_read("@kw", "2026-11-05")
    assert hsframe.concat([later, other]).hs.catalog["rows"].tolist() == [len(later) + len(other), 0]
    empty = session.his_read("@kw", "1990-01-01")
    for frames in ([df, empty], [empty, df]):
        assert hsframe.concat(frames).hs.catalog["status"].tolist() == ["ok"]
    back = arrow_to_frame(frame_to_arrow(df))
    with pytest.raises(MetadataError, match="or was put together with such a frame"):
        _ = hsframe.concat([df, back]).hs.catalog


def test_the_catalog_of_matrices_put_together(session: Session) -> None:
    parts = [session.matrix({"kw": "@kw"}, day, by="tz") for day in ("2026-11-01", "2026-11-02")]
    catalog = hsframe.concat(parts).hs.catalog
    assert catalog["rows"].tolist() == [25 + 24]
    assert catalog.index.names == ["role", "group"]
    other = session.matrix({"x": "@kw"}, "2026-11-03", by="tz")
    with pytest.raises(MetadataError, match="does not know how it was read"):
        _ = hsframe.concat([parts[0], other]).hs.catalog


SETTINGS: list[dict[str, Any]] = [
    {"tz": "UTC"},
    {"header": ("dis", "id"), "tz": "UTC", "na": "flag"},
    {"header": lambda record: f"of {record['id']}", "tz": "UTC"},
    {"interval": timedelta(hours=1), "agg": ["min", "max"], "label": "end", "tz": ZoneInfo("Europe/London")},
    {"interval": "1D", "tz": "UTC", "agg": {"@kw": "mean"}, "units": "si", "min_coverage": 0.5, "max_gap": "1h"},
    {"interval": timedelta(days=1), "agg": "mean", "tz": "UTC", "max_gap": timedelta(days=40, seconds=0.5)},
    {"shape": "tidy", "tz": "UTC"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_same_is_read_again_over_another_span(session: Session, settings: dict[str, Any]) -> None:
    first, other = (session.his_read("power", span, **settings) for span in (SPAN, ("2026-11-05", "2026-11-06")))
    again = first.hs.again(("2026-11-05", "2026-11-06"))
    pd.testing.assert_frame_equal(again, other)
    assert again.hs.points.equals(first.hs.points)
    pd.testing.assert_frame_equal(again.hs.again(SPAN, session=session), first)
    assert json.loads(json.dumps(first.attrs))["hsframe"].keys() == first.attrs["hsframe"].keys()


def test_of_a_frame_of_a_dict_and_of_some_columns_those_are_read(session: Session) -> None:
    frames = session.his_read("power", SPAN, shape="dict")
    label, df = next(iter(frames.items()))
    pd.testing.assert_frame_equal(df.hs.again(SPAN), df)
    both = session.his_read("power", SPAN, tz="UTC")
    pd.testing.assert_frame_equal(both[[label]].hs.again(SPAN), both[[label]].dropna(how="all"), check_freq=False)


def test_settings_of_columns_that_were_dropped_are_left_out(session: Session) -> None:
    settings: dict[str, Any] = {
        "interval": "1h",
        "tz": "UTC",
        "agg": {"kW": ["integral", "max"], "@oat": "mean", "Fan": "last"},
        "max_gap": {"@oat": "2h", "kW": "1h"},
        "units": {"°F": "°C", "kWh": "MWh"},
    }
    df = session.his_read(["@kw", "@oat", "@fan"], SPAN, **settings)
    for points in ([0], [0, 1], [1, 2], [2]):
        part = df[list(df.hs.points.index[points])]
        if 0 not in points:  # the level tells several aggregations of a point apart
            part = part.droplevel("agg", axis=1).rename_axis(columns=None)
        pd.testing.assert_frame_equal(part.hs.again(SPAN), part, check_freq=False)
    flat = session.his_read(["@kw", "@oat"], SPAN, header="id", na="flag", tz="UTC")
    assert list(flat[["kw", "kw [na]"]].hs.again(SPAN)) == ["kw", "kw [na]"]
    assert list(flat.assign(total=1.0).hs.again(SPAN)) == list(flat)


def test_a_renamed_column_is_refused(session: Session) -> None:
    df = session.his_read(["@kw", "@oat"], SPAN, header="id", tz="UTC")
    for other in (df.rename(columns={"kw": "Meter"}), df[["oat"]].assign(Meter=1.0)):
        with pytest.raises(
            MetadataError, match=r"'Meter' is of no point .*, and 'kw' has no column: if it was renamed"
        ):
            other.hs.again(SPAN)
        assert list(other.drop(columns="Meter").hs.again(SPAN)) == ["oat"]


@pytest.mark.parametrize("settings", [{}, {"interval": "15min", "agg": "mean"}])
def test_what_was_done_with_a_frame_is_told_to_be_left_out(session: Session, settings: dict[str, Any]) -> None:
    df = session.his_read(["@kw", "@oat"], SPAN, header="id", tz="UTC", **settings)
    done: list[tuple[pd.DataFrame, str]] = [
        (df.resample("1h").mean(), "pandas has made its rows, by 'h'"),
        (df.groupby(df.index.hour).mean(), "its rows have no times"),  # type: ignore[attr-defined]
        (df.hs.to("si"), "'oat' is in °C, and was read in °F"),
        (df.diff(), "'oat' is in Δ°F, and was read in °F"),
        (df[["kw"]].hs.magnitude(), "'kw' is in no unit, and was read in kW"),
        (df[["kw"]] > hsframe.Number(5, "kW"), "'kw' is in no unit, and was read in kW"),
    ]
    for other, words in done:
        with pytest.warns(ReadWarning, match=f"done with the frame since its read .*{words}") as told:
            assert len(other.hs.again("2026-11-05")) == 96
        assert [one.filename for one in told] == [__file__]
    for same in (
        df.iloc[5:9],
        df[::7],
        df[["oat"]],
        df.dropna(),
        df.reset_index(),
        df.tz_convert("Europe/London"),
        df[:0],
    ):
        assert len(same.hs.again("2026-11-05")) == 96
    si = session.his_read(["@kw", "@oat"], SPAN, units="si", header="id", tz="UTC", **settings)
    assert si.hs.again("2026-11-05").hs.units == si.hs.units


def test_what_is_made_of_a_frame_has_its_source(session: Session, df: pd.DataFrame) -> None:
    runs = df.hs.episodes(("@kw", ">", 30.0))
    assert len(runs)
    made = [df.hs.resample("1h"), df.hs.integrate(), runs, df.hs.over(runs, "mean"), df.hs.describe(), df.hs.report()]
    assert all(other.hs.source == df.hs.source for other in made)
    oat = session.his_read("@oat", SPAN)
    assert hsframe.degree_days(oat, 65, "heating").hs.source == oat.hs.source


def test_records_and_inventories_have_a_source(session: Session, tmp_path: Path) -> None:
    Archive(tmp_path).sync("@kw", session=session, since="2026-10-01")
    for source in (session, Archive(tmp_path)):
        points = source.read("point and power")
        frames = [points, source.read_by_ids("@kw"), source.inventory(points, tz="UTC")]
        for df in frames:
            known = df.hs.source
            assert (known["kind"], known["start"], known["end"]) == (points.hs.source["kind"], None, None)
            assert known["seconds"] > 0
        assert source.inventory("@kw", SPAN).hs.source["start"] == "2026-11-01T04:00:00+00:00"
        assert len(source.his_read(points[points["id"] == "kw"], SPAN)) == len(source.his_read("@kw", SPAN))
        assert points.hs.points["id"].tolist() == points["id"].tolist()
        assert len(pd.concat([points, points])) == 2 * len(points)
    assert session.estimate("@kw", SPAN).hs.source["end"] == "2026-11-04T05:00:00+00:00"
    assert session.read("point").hs.source["requests"] == 1


def test_episodes_are_read_again(session: Session) -> None:
    episodes = pd.DataFrame({"start": pd.to_datetime(["2026-11-01T08:00Z", "2026-11-02T08:00Z"])})
    episodes["end"] = episodes["start"] + pd.Timedelta("1h")
    df = session.his_read("@kw", episodes, pad="1h", header="id", tz="UTC")
    assert len(df.loc[0]) > 4
    pd.testing.assert_frame_equal(df.hs.again(episodes), df)
    pd.testing.assert_frame_equal(df.hs.again(SPAN), session.his_read("@kw", SPAN, header="id", tz="UTC"))
    pd.testing.assert_frame_equal(df.hs.again(SPAN).hs.again(episodes, session=session).iloc[:1], df.iloc[:1])


def test_a_list_of_conditions_is_read_again(session: Session) -> None:
    hours = session.his_read("@kw", SPAN, interval="1h", agg="coverage", where=["@fan"])
    pd.testing.assert_frame_equal(hours.hs.again(SPAN), hours)


def test_settings_do_not_keep_pandas_from_putting_frames_together(session: Session) -> None:
    df = session.his_read("@kw", SPAN)
    both = pd.concat([df, df.hs.again("2026-11-05"), session.his_read("@kw", "2026-11-06", tz="New_York")])
    assert both.hs.points.equals(df.hs.points)


def test_what_cannot_be_read_again_is_told(session: Session, df: pd.DataFrame, tmp_path: Path) -> None:
    hsframe.write_parquet(df, tmp_path / "a.parquet")
    matrix = session.matrix({"kw": "@kw"}, SPAN, by="tz")
    for lost in (hsframe.read_parquet(tmp_path / "a.parquet"), pd.DataFrame({"a": [1.0]}), matrix):
        with pytest.raises(MetadataError, match=r"does not know how it was read: .* another verb .*, as matrix\(\)"):
            lost.hs.again(SPAN)
    where = ("@kw", ">", hsframe.Number(1, "kW"))
    hours = session.his_read("@kw", SPAN, interval="1h", agg="mean", where=where)
    with pytest.raises(MetadataError, match=r"does not keep such a value of where=; call his_read\(df, span, where="):
        hours.hs.again(SPAN)
    with hsframe.testing.serve(session.his_read("@kw", SPAN)) as uri, hsframe.connect(uri) as other:
        with pytest.raises(MetadataError, match=rf"read from the server {session.uri}, and the session .* {uri}; give"):
            df.hs.again("no span")  # nothing is read
        assert len(df.hs.again(SPAN, session=other)) == len(df)
    with pytest.raises(MetadataError, match="there is no session"):
        df.hs.again(SPAN)


def test_pictures_and_reports_say_where_a_frame_is_from(session: Session, df: pd.DataFrame) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    at = df.hs.source["at"][:16].replace("T", " ")
    assert df.hs.plot()[0].get_title(loc="right") == f"server {session.uri}, read {at} UTC"
    assert pd.DataFrame({"a": [1.0]}).hs.plot()[0].get_title(loc="right") == ""
    legend = pd.DataFrame({"a": [1.0], "b": [float("nan")]}).hs.plot()[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b (no values)"]
    pyplot.close("all")
    assert df.hs.report().hs.source == df.hs.source
