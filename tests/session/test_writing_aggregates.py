"""What goes back into a history: values over intervals, with and without the note of what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import MetadataError
from hsframe.frame import reads
from tests.session.conftest import small_building
from tests.session.connected import connected

DAY = "2026-11-01"  # 25 hours in New York


@pytest.fixture
def metered() -> Iterator[hsframe.Session]:
    building = small_building()
    meter = {"unit": "kWh", "hisTotalized": hsframe.MARKER}
    for ident, tags in {"kwh": meter, "other": {"unit": "kW"}, "plain": {}, "day": {"unit": "kWh"}}.items():
        common = {"point": hsframe.MARKER, "his": hsframe.MARKER, "kind": "Number", "tz": "New_York"}
        building.add({"id": hsframe.Ref(ident), "dis": ident, **common, **tags})
    index = pd.date_range("2026-10-30", "2026-11-04", freq="15min", tz="UTC", unit="us")
    for ident in ("kwh", "kw", "plain"):
        building.set_history(ident, index.asi8, np.arange(len(index)) * 10.0)
    with connected(building) as session:
        yield session


AMOUNTS = [("@kwh", "delta"), ("@kw", "integral"), ("@kw", "count"), ("@kw", "coverage"), ("@fan", "count")]


@pytest.mark.parametrize(("ident", "agg"), AMOUNTS)
@pytest.mark.parametrize("keep", ["frame", "xs", "renamed", "parquet", "concat", "integrate"])
def test_what_is_no_sample_of_a_point_is_not_written_among_its_samples(
    metered: hsframe.Session, tmp_path: Path, ident: str, agg: Any, keep: str
) -> None:
    if keep == "integrate":
        if agg != "integral":
            return
        df = metered.his_read(ident, DAY, header="id").hs.integrate("1h")
    else:
        several = [agg, "last"] if keep == "xs" and agg != "delta" else agg
        df = metered.his_read(ident, DAY, interval="1h", agg=several, header="id")
    if keep == "xs" and agg != "delta":
        assert metered.his_write(df.xs("last", axis=1, level="agg"), dry_run=True)["status"].tolist() == ["dry run"]
        df = df.xs(agg, axis=1, level="agg")
    elif keep == "renamed":
        df = (df * 1).rename(columns={ident[1:]: ident})
    elif keep == "parquet":
        hsframe.write_parquet(df, tmp_path / "a.parquet")
        df = hsframe.read_parquet(tmp_path / "a.parquet")
    elif keep == "concat":
        df = hsframe.concat([df.iloc[:5], df.iloc[5:]])
    before = metered.his_read(ident, DAY)
    for points in (None, {df.columns[0]: ident}):
        with pytest.raises(MetadataError, match=rf"{agg}.* over intervals of the point {ident} itself"):
            metered.his_write(df, points=points)
    pd.testing.assert_frame_equal(metered.his_read(ident, DAY), before)
    if agg == "count" and ident == "@kw":
        assert metered.his_write(df, points={df.columns[0]: "@other"}, dry_run=True)["status"].tolist() == ["dry run"]


def test_several_of_one_unit_do_not_say_which_they_are(metered: hsframe.Session) -> None:
    df = metered.his_read("@kwh", DAY, interval="1h", agg=["delta", "last"], header="id").xs(
        "last", axis=1, level="agg"
    )
    with pytest.raises(MetadataError, match="is the delta or last over intervals"):
        metered.his_write(df, dry_run=True)


@pytest.mark.parametrize("agg", ["mean", "avg", "min", "max", "first", "last", "linear"])
def test_values_like_the_samples_are_written(metered: hsframe.Session, agg: Any) -> None:
    df = metered.his_read("@kw", DAY, interval="1h", agg=agg, header="id")
    assert metered.his_write(df, dry_run=True)["status"].tolist() == ["dry run"]


# Frames whose note pandas has lost ------------------------------------------------------------------------------------

LOSSES: dict[str, Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]] = {
    "joined with samples": lambda df, raw: df.join(raw, suffixes=("", " of samples"))[[*df.columns]],
    "merged with samples": lambda df, raw: df.merge(raw.add_prefix("raw "), on="ts")[[*df.columns]],
    "beside samples": lambda df, raw: pd.concat([df, raw.add_prefix("r")], axis=1, sort=True)[[*df.columns]].dropna(),
    "below samples": lambda df, raw: pd.concat([raw.iloc[:0], df]),
    "one by one": lambda df, raw: pd.DataFrame({label: df[label] for label in df}),
    "as numbers": lambda df, raw: pd.DataFrame(df.to_numpy(dtype=float), df.index, df.columns),
    "through a file": lambda df, raw: pd.DataFrame(df.to_dict("list"), df.index),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("header", ["dis", "id"])
@pytest.mark.parametrize(("ident", "settings"), [("@kwh", {}), ("@kw", {"label": "end"}), ("@kw", {"agg": "count"})])
def test_without_its_note_a_name_alone_does_not_write_it(
    metered: hsframe.Session, loss: str, header: str, ident: str, settings: dict[str, Any]
) -> None:
    raw = metered.his_read(ident, DAY, header=header)
    df = LOSSES[loss](metered.his_read(ident, DAY, interval="1h", header=header, **settings), raw)
    assert not df.attrs
    what = "label='end'" if settings.get("label") else "the (delta|count) over intervals"
    with pytest.raises(
        MetadataError, match=rf"this program has read .*{what}.* of the point {ident}, .*points=.*{ident}"
    ):
        metered.his_write(df)
    with pytest.raises(MetadataError, match="this program has read"):
        metered.his_write(df.iloc[:, 0])
    pd.testing.assert_frame_equal(metered.his_read(ident, DAY, header=header), raw)
    # Whoever says which point it is knows what it is.
    for points in ({df.columns[0]: ident}, ident, metered.read_by_ids(ident)):
        assert metered.his_write(df, points=points, dry_run=True)["id"].tolist() == [ident[1:]]


def test_what_is_like_samples_is_written_by_its_name(metered: hsframe.Session) -> None:
    df = metered.his_read("@kw", DAY, interval="1h")
    assert metered.his_write(pd.DataFrame({"Power": df["Power"]}), dry_run=True)["id"].tolist() == ["kw"]
    raw = metered.his_read("@kwh", DAY)
    assert metered.his_write(pd.DataFrame({"kwh": raw["kwh"]}), dry_run=True)["id"].tolist() == ["kwh"]


def test_samples_that_have_their_note_are_written_though_amounts_were_read(metered: hsframe.Session) -> None:
    metered.his_read("@kwh", DAY, interval="1h")
    raw = metered.his_read("@kwh", DAY)
    for df in (raw, raw.rename(columns={"kwh": "@kwh"}), raw * 1, pd.concat([raw.iloc[:5], raw.iloc[5:]])):
        assert metered.his_write(df, dry_run=True)["rows"].tolist() == [len(raw)]
    metered.his_read("@kw", DAY, interval="1h", agg="count")
    by_id = metered.his_read("@kw", DAY).rename(columns={"Power": "kw"})
    assert metered.his_write(by_id, dry_run=True)["id"].tolist() == ["kw"]


MATRICES: dict[str, tuple[str, Any]] = {
    "delta": ("@kwh", None),
    "count": ("@kw", {"x": "count"}),
    "integral": ("@kw", {"x": "integral"}),
}


@pytest.mark.parametrize("agg", MATRICES)
@pytest.mark.parametrize("of", ["session", "archive", "parquet", "concat"])
def test_amounts_of_a_matrix_are_not_written_among_the_samples_that_they_are_of(
    metered: hsframe.Session, tmp_path: Path, agg: str, of: str
) -> None:
    ident, aggs = MATRICES[agg]
    source: Any = metered
    if of == "archive":
        source = hsframe.Archive(tmp_path / "a")
        source.sync(["@kwh", "@kw"], session=metered)
    df = source.matrix({"x": ident, "like": "@kw"}, DAY, by="tz", agg=aggs)
    if of == "parquet":
        hsframe.write_parquet(df, tmp_path / "m.parquet")
        df = hsframe.read_parquet(tmp_path / "m.parquet")
    elif of == "concat":
        df = hsframe.concat([df, source.matrix({"x": ident, "like": "@kw"}, "2026-11-02", by="tz", agg=aggs)])
    what = f"{agg}.* over intervals of the point {ident}"
    with pytest.raises(MetadataError, match=rf"df\.xs\(.*, level='tz'\).*{what}"):
        metered.his_write(df)
    one = df.xs("New_York", level="tz")
    with pytest.raises(MetadataError, match=f"points=.*{what}.* a point of its own"):
        metered.his_write(one)
    before = metered.his_read(ident, DAY)
    for points in ({"x": ident}, metered.read_by_ids(ident), ident):
        with pytest.raises(MetadataError, match=f"{what} itself"):
            metered.his_write(one[["x"]], points=points)
    pd.testing.assert_frame_equal(metered.his_read(ident, DAY), before)
    assert metered.his_write(one[["like"]], points={"like": "@kw"}, dry_run=True)["id"].tolist() == ["kw"]
    to = "@day" if agg == "delta" else "@plain"
    plain = one[["x"]] if agg != "integral" else one[["x"]].hs.magnitude()
    assert metered.his_write(plain, points={"x": to}, dry_run=True)["id"].tolist() == [to[1:]]


def test_local_times_of_one_group_are_read_in_utc_to_be_written(metered: hsframe.Session) -> None:
    df = metered.matrix({"kw": "@kw"}, DAY, by="tz", index="local")
    with pytest.raises(MetadataError, match=r"read it with index='utc', and write .*df\.xs\('New_York'"):
        metered.his_write(df)
    with pytest.raises(MetadataError, match=r"alone; read it with index='utc', with points="):
        metered.his_write(df.loc["New_York"])


def test_a_point_in_two_roles_is_written_from_the_one_that_is_like_samples(metered: hsframe.Session) -> None:
    df = metered.matrix({"n": "@kw", "kw": "@kw"}, DAY, by="tz", agg={"n": "count"}).droplevel("tz")
    assert metered.his_write(df[["kw"]], points={"kw": "@kw"}, dry_run=True)["rows"].tolist() == [25]
    with pytest.raises(MetadataError, match="count over intervals of the point @kw itself"):
        metered.his_write(df[["n"]], points={"n": "@kw"})


@pytest.mark.parametrize("of", ["archive", "parquet", "arrow", "another session"])
def test_amounts_that_lost_their_note_are_refused_whatever_they_were_read_from(
    metered: hsframe.Session, tmp_path: Path, of: str
) -> None:
    settings: dict[str, Any] = {"interval": "1h", "header": "id"}
    if of == "archive":
        archive = hsframe.Archive(tmp_path / "a")
        archive.sync("@kwh", session=metered)
        df = archive.his_read("@kwh", DAY, **settings)
    else:
        with hsframe.connect(metered.uri, "demo", "demo") as other:
            df = other.his_read("@kwh", DAY, **settings)
        table = hsframe.frame_to_arrow(df)
        hsframe.write_parquet(df, tmp_path / "d.parquet")
        if of != "another session":
            forget()
            df = hsframe.read_parquet(tmp_path / "d.parquet") if of == "parquet" else hsframe.arrow_to_frame(table)
    with pytest.raises(MetadataError, match="this program has read the delta over intervals of the point @kwh"):
        metered.his_write(pd.DataFrame({"kwh": df["kwh"]}))


def forget() -> None:
    """As if the program had begun anew."""
    reads._MADE.clear()


def test_a_label_with_an_at_sign_that_a_read_gave_was_not_given_by_a_person(metered: hsframe.Session) -> None:
    def by_hand(record: Any) -> str:
        return f"@{record['id'].val}"

    metered.his_read("@kw", DAY, interval="1h", agg="count")
    given = pd.DataFrame({"@kw": [1.0]}, pd.DatetimeIndex(["2026-11-01"], tz="America/New_York"))
    assert metered.his_write(given, dry_run=True)["id"].tolist() == ["kw"]
    df = metered.his_read("@kwh", DAY, interval="1h", header=by_hand)
    assert df.columns.tolist() == ["@kwh"]
    with pytest.raises(MetadataError, match="this program has read the delta over intervals of the point @kwh"):
        metered.his_write(pd.DataFrame({"@kwh": df["@kwh"]}))


def test_tidy_samples_are_written_as_the_message_says_though_amounts_were_read(metered: hsframe.Session) -> None:
    metered.his_read("@kwh", DAY, interval="1h")
    df = metered.his_read(["@kwh", "@kw"], DAY, shape="tidy")
    with pytest.raises(MetadataError, match=r"his_write\(df\.pivot\(.*points=df\['id'\]\.unique\(\)\)"):
        metered.his_write(df)
    wide = df.pivot(index="ts", columns="id", values="value")
    report = metered.his_write(wide, points=df["id"].unique(), dry_run=True)
    assert report["id"].tolist() == ["kw", "kwh"]
    with pytest.raises(MetadataError, match="of all columns with points= and the list of their ids"):
        metered.his_write(wide)


def test_flags_say_why_they_are_not_written(metered: hsframe.Session) -> None:
    df = metered.his_read("@kw", DAY, na="flag")
    with pytest.raises(MetadataError, match=r"'Power \[na\]' is of na='flag'.*df\.drop\(columns=\['Power \[na\]'\]\)"):
        metered.his_write(df)
    assert metered.his_write(df.drop(columns=["Power [na]"]), dry_run=True)["id"].tolist() == ["kw"]


def test_concat_of_pandas_keeps_the_note_of_reads_of_other_spans(metered: hsframe.Session) -> None:
    parts = [metered.his_read(["@kwh", "@kw"], day, interval="1h") for day in ("2026-11-01", "2026-11-02")]
    both = pd.concat(parts)
    assert both.hs.interval == parts[0].hs.interval
    pd.testing.assert_frame_equal(both.hs.points, parts[0].hs.points)
    with pytest.raises(MetadataError, match="is the delta over intervals of the point @kwh itself"):
        metered.his_write(both)
    assert metered.his_write(both[["Power"]], dry_run=True)["rows"].tolist() == [25 + 24]
    # Other rules and other points are another thing.
    others = [
        metered.his_read(["@kwh", "@kw"], DAY),
        metered.his_read(["@kwh", "@kw"], DAY, interval="1h", agg={"@kwh": "last"}),
        metered.his_read(["@kwh", "@kw"], DAY, interval="2h"),
        metered.his_read(["@kwh", "@kw"], DAY, interval="1h", label="end"),
        metered.his_read(["@kwh"], DAY, interval="1h"),
    ]
    for other in others:
        assert not pd.concat([parts[0], other]).attrs


def test_the_report_of_reads_that_were_put_together_misses_nothing(metered: hsframe.Session) -> None:
    parts = [metered.his_read("@kw", day) for day in ("2026-11-01", "2026-11-02")]
    with pytest.warns(hsframe.ReadWarning, match="the read of 96 rows"):
        by_pandas = pd.concat(parts).hs.report()
    assert by_pandas.loc["Power", "missing"] == hsframe.concat(parts).hs.report().loc["Power", "missing"] == 0


def test_concat_of_columns_of_one_name_of_two_points(metered: hsframe.Session) -> None:
    first, other = (metered.his_read(ident, DAY, tz="New_York") for ident in ("@kw", "@lon"))
    assert first.columns.tolist() == other.columns.tolist() == ["Power"]
    with pytest.raises(MetadataError, match="'Power' is of the point @kw in frame 0 and of @lon in frame 1"):
        hsframe.concat([first, other])
    assert hsframe.concat([first, other.rename(columns={"Power": "London"})]).columns.tolist() == ["Power", "London"]
    other.attrs.clear()
    assert hsframe.concat([first, other]).hs.points["id"].tolist() == ["kw"]


def test_concat_of_values_made_otherwise(metered: hsframe.Session) -> None:
    """A register is no delta, though both are in kWh; other columns of a point may stand beside one another."""
    ids = ["@kwh", "@kw"]
    delta, last = (metered.his_read(ids, DAY, interval="1h", agg={"@kwh": agg}) for agg in ("delta", "last"))
    with pytest.raises(MetadataError, match="'kwh' is the delta over intervals in frame 0 and the last in frame 1"):
        hsframe.concat([delta, last])
    assert hsframe.concat([delta[["Power"]], last]).hs.interval == delta.hs.interval
    several = [metered.his_read("@kw", DAY, interval="1h", agg=agg) for agg in (["mean", "max"], ["mean"], ["count"])]
    assert hsframe.concat(several).columns.tolist() == [("Power", agg) for agg in ("mean", "max", "count")]
    mean = metered.his_read("@kw", DAY, interval="1h", agg="mean")
    assert hsframe.concat([mean, several[0].xs("mean", axis=1, level="agg")]).columns.tolist() == ["Power"]
    assert hsframe.concat([delta, pd.DataFrame({"kwh": last["kwh"]})]).shape == (50, 2)


# To other points, and several aggregations ----------------------------------------------------------------------------


def test_an_amount_goes_to_another_point_that_was_read_beside_it(metered: hsframe.Session) -> None:
    df = metered.his_read(["@kwh", "@day"], DAY, interval="1h", agg="delta")
    report = metered.his_write(df[["kwh"]], points={"kwh": "@day"}, dry_run=True)
    assert report["id"].tolist() == ["day"]
    for frame in (df[["kwh"]], df[["kwh"]].rename(columns={"kwh": "x"})):
        with pytest.raises(MetadataError, match="is the delta over intervals of the point @kwh itself"):
            metered.his_write(frame, points={frame.columns[0]: "@kwh"})


def test_without_a_unit_the_values_tell_a_mean_from_a_count(metered: hsframe.Session) -> None:
    df = metered.his_read("@plain", DAY, interval="1h", agg=["mean", "count", "coverage", "last"])
    for agg in ("mean", "last"):
        one = df.xs(agg, axis=1, level="agg")
        assert metered.his_write(one, dry_run=True)["id"].tolist() == ["plain"]
    for agg in ("count", "coverage"):
        one = df.xs(agg, axis=1, level="agg")
        for frame in (one, one.reindex(one.index.union(one.index + pd.Timedelta("1min")))):
            with pytest.raises(MetadataError, match=f"{agg}.* over intervals of the point @plain itself"):
                metered.his_write(frame)
    fan = metered.his_read("@fan", DAY, interval="1h", agg=["last", "count", "starts"])
    assert metered.his_write(fan.xs("last", axis=1, level="agg"), dry_run=True)["id"].tolist() == ["fan"]


@pytest.mark.parametrize("label", ["start", "end"])
def test_a_tidy_frame_of_amounts_is_not_written_by_way_of_pivot(metered: hsframe.Session, label: Any) -> None:
    tidy = metered.his_read("@kwh", DAY, interval="1h", shape="tidy", label=label)
    with pytest.raises(MetadataError, match=r"shape='wide'") as caught:
        metered.his_write(tidy)
    assert "pivot(" not in str(caught.value)
    wide = tidy.pivot(index="ts", columns="id", values="value")
    before = metered.his_read("@kwh", DAY)
    with pytest.raises(MetadataError):
        metered.his_write(wide)
    with pytest.raises(MetadataError):
        metered.his_write(pd.DataFrame(wide.to_numpy(), wide.index, wide.columns))
    pd.testing.assert_frame_equal(metered.his_read("@kwh", DAY), before)
    with pytest.raises(MetadataError, match=r"df\.pivot\("):
        metered.his_write(metered.his_read("@kwh", DAY, shape="tidy"))
