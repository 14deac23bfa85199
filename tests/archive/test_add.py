"""Frames and files come into an archive as they were read, and what is no sample of a point does not."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Number, Ref, Session
from hsframe.archive.samples import merge
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.errors import CodecError, HsFrameError, MetadataError, ReadWarning, UnitError, ZoneError
from hsframe.frame.points import Point
from hsframe.testing.server import running_server
from tests.archive.building import DAY_US, NOW_US, SINCE, add_point, assert_in_step, building

SPAN = (SINCE, None)
LACKING = pytest.mark.filterwarnings("ignore:.* may lack samples:hsframe.errors.ReadWarning")


def assert_same_values(archive: Archive, session: Session, shape: str, span: Any = SPAN) -> None:
    """Missing values of a wide frame of several points may be holes: they are not there, and the archive says so."""
    ids = ["@temp", "@power", "@plain", "@run", "@mode"]
    wanted = session.his_read(ids, span, shape="tidy", tz="UTC")
    with pytest.warns(ReadWarning, match="3 of 5 points may lack samples") if shape == "wide" else nullcontext():
        found = archive.his_read(ids, span, shape="tidy", tz="UTC")
    if shape == "wide":
        wanted = wanted[wanted["value"].notna() | wanted["text"].notna()].reset_index(drop=True)
    wanted["unit"] = wanted["unit"].cat.remove_unused_categories()
    pd.testing.assert_frame_equal(found, wanted)
    points = archive.read("point").set_index("id")
    assert points.loc["temp", ["dis", "unit", "tz", "kind"]].tolist() == ["TEMP", "°C", "London", "Number"]


@pytest.mark.parametrize("shape", ["wide", "tidy"])
def test_a_frame_is_an_archive_that_can_be_synced(tmp_path: Path, session: Session, shape: Any) -> None:
    archive = Archive(tmp_path / "trends")
    df = session.his_read("point", SPAN, shape=shape, tz="UTC")
    table = archive.add(df).set_index("id")
    assert table["status"].to_dict() == dict.fromkeys(("temp", "power", "plain", "run", "mode"), "added") | (
        {"empty": "same"} if shape == "wide" else {}
    )
    assert table.loc["mode", "rows_new"] == 1920
    assert_same_values(archive, session, shape)
    version = archive.versions["version"].iloc[0]
    assert set(archive.add(df)["status"]) == {"same"}
    assert archive.versions["version"].iloc[0] == version
    archive.sync(session=session, overlap="2D" if shape == "wide" else "30D")
    assert_in_step(archive, session, ["@temp", "@power", "@plain", "@run", "@mode"])
    if shape == "tidy":
        assert set(archive.add(df)["status"]) == {"same"}  # NaN is missing in a frame, as NA is
    assert archive.check().empty


@pytest.mark.parametrize("shape", ["wide", "tidy"])
def test_files_and_folders_of_old_exports(tmp_path: Path, session: Session, shape: Any) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    middle = pd.Timestamp(SINCE) + pd.Timedelta("9D")
    for name, span in (("a", (SINCE, middle.date())), ("b", ((middle + pd.Timedelta("1D")).date(), None))):
        units: Any = {"@temp": "°F"} if shape == "wide" else "native"
        df = session.his_read("point", span, shape=shape, tz="UTC", units=units)
        hsframe.write_parquet(df, folder / f"{name}.parquet")
    archive = Archive(tmp_path / "trends")
    if shape == "wide":
        with pytest.raises(UnitError, match=r"the column is in °F, the point in °C.*nothing was written") as caught:
            archive.add(folder)
        assert str(caught.value).startswith(f"nothing was added, because of {folder}/a.parquet: column 'TEMP'")
        assert not (tmp_path / "trends").exists()
    archive.add([folder / "b.parquet", folder / "a.parquet"], convert=True)
    with pytest.warns(ReadWarning, match="may lack samples") if shape == "wide" else nullcontext():
        found = archive.his_read("@temp", SPAN, tz="UTC")["TEMP"].hs.magnitude()
    wanted = session.his_read("@temp", SPAN, tz="UTC")["TEMP"].hs.magnitude()
    wanted = wanted if shape == "tidy" else wanted.dropna()
    pd.testing.assert_series_equal(found, wanted, rtol=1e-12)
    if shape == "tidy":
        assert_same_values(archive, session, shape)


class _Failing:
    """Merges that fail after some."""

    def __init__(self, after: int) -> None:
        self.after, self.calls = after, 0

    def __call__(self, *args: Any, **how: Any) -> Any:
        self.calls += 1
        if self.calls > self.after:
            raise MetadataError("the disk is full")
        return merge(*args, **how)


def test_the_layout_and_the_window_are_those_of_all_files(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsframe.archive.layout._ROWS_A_PARTITION", 96 * 366 * 1.5)  # a year of one point and a half
    files, days = [], pd.date_range(pd.Timestamp(SINCE) + pd.Timedelta("9D"), periods=3, freq="D")
    for point, day in [("temp", days[1]), ("plain", days[0]), ("temp", days[0]), ("power", days[2])]:
        files.append(tmp_path / f"{point}{day:%d}.parquet")
        hsframe.write_parquet(session.his_read(f"@{point}", str(day.date()), tz="UTC"), files[-1])
    archive = Archive(tmp_path / "trends")
    archive.add(files)
    assert Tables.open(Storage(str(tmp_path / "trends"), {})).samples.layout.period == "month"
    read = archive.points.set_index("id").loc["temp", ["since", "until"]]
    assert read.tolist() == [days[0].tz_localize("UTC"), days[2].tz_localize("UTC")]
    monkeypatch.setattr("hsframe.archive.add.merge", failing := _Failing(2))
    half = Archive(tmp_path / "half")
    with pytest.raises(MetadataError, match="full") as caught:
        half.add(files)
    assert str(caught.value).startswith(f"2 of 4 files were added whole, and no more, because of {files[2]}: ")
    assert failing.calls == 3
    read = half.points.set_index("id")["until"]  # of the samples that are there
    assert read.to_dict() == {"temp": days[2].tz_localize("UTC"), "plain": read["plain"]}
    assert half.points.set_index("id").loc["temp", "since"] == days[1].tz_localize("UTC")
    monkeypatch.undo()
    other = Archive(tmp_path / "other")
    (tmp_path / "bad.csv").write_text("id,ts,value")
    with pytest.raises(CodecError, match=r"expected a frame of pd.read_csv"):
        other.add(str(tmp_path / "bad.csv"))
    (tmp_path / "bad.parquet").write_text("no file of Parquet")
    with pytest.raises(CodecError, match="is not a Parquet file") as caught:
        other.add([*files, tmp_path / "bad.parquet"])
    assert str(caught.value).startswith(f"nothing was added, because of {tmp_path}/bad.parquet: ")
    assert not (tmp_path / "other").exists()


def test_what_becomes_of_samples_that_are_there(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    old = archive.his_read("@temp", SPAN)
    half, rest = old.iloc[:100], old.iloc[100:]
    kept = archive.add(half + 1, existing="keep").iloc[0]
    known = int(half["TEMP"].notna().sum())
    counts = ["rows_new", "rows_changed", "rows_removed", "rows_kept", "status"]
    assert kept[counts].tolist() == [0, 0, 0, known, "kept"]
    assert kept["reason"] == "rows without a value, which write and remove nothing: 1"
    first = half["TEMP"].dropna().index[0]
    others = [first, *(Number(df["TEMP"].hs.magnitude()[first], "°C") for df in (half, half + 1))]
    assert kept[["first_difference", "in_archive", "in_frame"]].tolist() == others
    pd.testing.assert_frame_equal(archive.his_read("@temp", SPAN), old)
    version = archive.versions["version"].iloc[0]
    with pytest.raises(MetadataError) as caught:
        archive.add(half + 1)
    assert re.match(
        rf"{known} samples of @temp \(TEMP\) are others than in the archive, the first at {first.isoformat()}".replace(
            "+", r"\+"
        ),
        str(caught.value).replace("Z", "+00:00"),
    )
    tables = [caught.value.report, *(archive.add(half + 1, existing=how, dry_run=True) for how in ("refuse", "keep"))]
    assert [one.iloc[0][counts].tolist() for one in tables] == [
        [0, 0, 0, known, how] for how in ["refused", "refused", "kept"]
    ]
    planned = archive.add(half + 1, existing="replace", dry_run=True)
    assert archive.versions["version"].iloc[0] == version
    table = archive.add(half.iloc[::-1] + 1, existing="replace")
    pd.testing.assert_frame_equal(table, planned)
    replaced = table.iloc[0]
    assert replaced[counts].tolist() == [0, known, 0, 0, "added"]
    assert replaced[["first_difference", "in_archive", "in_frame"]].tolist() == others
    assert (replaced["first"], replaced["last"]) == (half.index[0], half["TEMP"].dropna().index[-1])
    found = archive.his_read("@temp", SPAN)
    pd.testing.assert_frame_equal(found.iloc[100:], rest)
    pd.testing.assert_frame_equal(found.dropna(), pd.concat([half + 1, rest]).dropna())
    assert archive.at(archive.versions["version"].iloc[1]).his_read("@temp", SPAN).equals(old)


def test_values_without_a_unit_are_those_of_the_point(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    times = pd.DatetimeIndex(["2025-01-01T00:00", "2025-01-01T00:15"], tz="UTC")
    table = archive.add(pd.Series([1.0, float("inf")], times, name="TEMP"))
    assert table["reason"].tolist() == ["without a unit: taken to be in °C"]
    with pytest.warns(ReadWarning, match="1 of 1 points may lack samples"):  # of the day it has a part
        assert archive.his_read("@temp", "2025-01-01").hs.units == {"TEMP": "°C"}


@LACKING
def test_a_mean_goes_to_a_point_of_its_own(tmp_path: Path, session: Session) -> None:
    means = session.his_read("@power", date.fromtimestamp(NOW_US / 1e6) - timedelta(days=3), interval="1h")
    record = {"id": Ref("mean"), "dis": "Mean power", "kind": "Number", "unit": "kW", "tz": "London"}
    archive = Archive(tmp_path)
    assert archive.add(means, points={means.columns[0]: record})["id"].tolist() == ["mean"]
    assert len(archive.his_read("@mean", SPAN)) == len(means)


@LACKING
def test_several_files_are_added_all_or_none(tmp_path: Path, session: Session) -> None:
    archive, files = Archive(tmp_path / "trends"), [tmp_path / f"{name}.parquet" for name in "abc"]
    archive.sync("power", session=session, since=SINCE)
    version = archive.versions["version"].iloc[0]
    df = session.his_read("@temp", SPAN, tz="UTC")
    for file, frame in zip(files, (df.iloc[:96], df.iloc[96:192], df.iloc[:192] + 1), strict=True):
        hsframe.write_parquet(frame, file)
    hsframe.write_parquet(session.his_read("@power", "yesterday") * 2, bad := tmp_path / "z.parquet")
    with pytest.raises(MetadataError, match=r"samples of @power .* are others than in the archive"):
        archive.add([*files, bad])
    assert archive.versions["version"].iloc[0] == version
    with pytest.raises(
        MetadataError, match=r"^2 of 3 files were added whole, and no more, because of .*c.parquet: "
    ) as caught:
        archive.add(files)
    known = df.iloc[:192].count().sum()
    assert caught.value.report.iloc[0][["id", "rows_new", "rows_kept"]].tolist() == ["temp", known, known]
    pd.testing.assert_frame_equal(archive.his_read("@temp", SPAN, tz="UTC"), df.iloc[:192].dropna(), check_freq=False)


RECORD = {"id": Ref("old"), "dis": "Old meter", "kind": "Number", "unit": "kW", "tz": "London"}


@pytest.mark.parametrize(
    "points",
    [
        pd.DataFrame([RECORD]),
        pd.Series(RECORD),
        RECORD,
        [RECORD],
        Point.from_record(RECORD),
        pd.DataFrame([RECORD, RECORD]),
    ],
    ids=["frame", "row", "record", "list", "point", "twice"],
)
def test_records_of_the_points_of_a_tidy_frame(tmp_path: Path, points: Any) -> None:
    times = pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC")
    tidy = pd.DataFrame({"id": "old", "ts": times, "value": [1.0, 2, 3], "text": None, "unit": "kW"})
    archive = Archive(tmp_path)
    assert archive.add(tidy, points)["rows_new"].tolist() == [3]
    assert archive.points[["id", "dis", "unit", "tz"]].to_numpy().tolist() == [["old", "Old meter", "kW", "London"]]
    assert archive.add(tidy, points)["status"].tolist() == ["same"]
    tidy.to_csv(tmp_path / "tidy.csv", index=False)  # without a text: pandas reads a column of NaN
    assert archive.add(pd.read_csv(tmp_path / "tidy.csv", parse_dates=["ts"]), points)["status"].tolist() == ["same"]
    holes = archive.add(tidy.assign(value=float("nan")), points)["reason"].tolist()  # not noted as read
    assert holes == ["rows without a value, which write and remove nothing: 3"]


@pytest.mark.parametrize("point", ["run", "mode"])
def test_a_read_that_was_resampled_since_is_read_again(tmp_path: Path, session: Session, point: str) -> None:
    df = session.his_read(f"@{point}", SPAN)
    archive = Archive(tmp_path)
    archive.add(df.resample("7min").ffill())  # more values than were read, at other times
    archive.sync(session=session)
    assert_in_step(archive, session, f"@{point}", (df.index[1], None))


def test_ids_of_a_tidy_frame_may_have_the_at_of_zinc(tmp_path: Path, session: Session) -> None:
    df = session.his_read("temp", SPAN, shape="tidy", tz="UTC")
    bare = pd.DataFrame({name: df[name] for name in ("ts", "value", "unit")}).assign(id="@" + df["id"].astype("str"))
    table = Archive(tmp_path).add(bare)
    assert table["id"].tolist() == df["id"].cat.categories.tolist()
    assert table["rows_new"].tolist() == [df["value"].notna().sum()]


@pytest.mark.parametrize("points", ["@old", Ref("old"), ["old"], [], None])
def test_ids_of_the_points_of_a_tidy_frame_add_nothing_to_what_is_known(tmp_path: Path, points: Any) -> None:
    times = pd.date_range("2026-01-01", periods=3, freq="h", tz="Europe/London")
    tidy = pd.DataFrame({"id": "old", "ts": times, "value": [1.0, 2, 3], "text": None, "unit": "kW"})
    archive = Archive(tmp_path)
    assert archive.add(tidy, points)["rows_new"].tolist() == [3]
    archive.add(tidy.assign(value=9.0), points, existing="replace")
    assert archive.points[["id", "unit", "tz"]].to_numpy().tolist() == [["old", "kW", "London"]]


@LACKING
def test_rows_of_samples_as_other_programs_write_them(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path / "trends")
    archive.sync("point", session=session, since=SINCE)
    times = pd.date_range("2025-01-01", periods=2, freq="h", tz="UTC", name="ts")
    given: dict[str, list[Any]] = {"temp": [1.5, 2], "run": [True, False], "mode": ["on", "off"]}
    for ident, values in given.items():
        df = pd.DataFrame({"ts": times, "value": values, "id": ident})
        df.to_parquet(file := tmp_path / f"{ident}.parquet")
        assert archive.add(file)["rows_new"].tolist() == [2]
        assert archive.add(df.set_index("ts"))["status"].tolist() == ["same"]
        found = archive.his_read(ident, "2025-01-01", tz="UTC").iloc[:, 0]
        assert (found.hs.magnitude() if ident == "temp" else found).tolist() == values
    note = archive.add(tmp_path / "temp.parquet")["reason"].tolist()
    assert note == ["without a unit: taken to be in °C"]
    flags = pd.DataFrame({"id": "new", "ts": times, "value": [True, False]})
    archive.add(flags)
    watts = pd.DataFrame({"id": "power", "ts": times, "value": pd.array([1.0, 2], dtype="unit[W]")})
    with pytest.raises(UnitError, match="the column is in W, the point in kW"):
        archive.add(watts)
    archive.add(watts, convert=True)
    assert archive.his_read("power", "2025-01-01", tz="UTC").iloc[:, 0].hs.magnitude().tolist() == [0.001, 0.002]
    assert archive.points.set_index("id").loc["new", "kind"] == "Bool"


def refused(archive: Archive, session: Session, what: str) -> Any:
    """Frames that are no samples of the points, each by its name."""
    hourly = {"interval": "1h", "span": "yesterday", "points": "@power"}
    if what == "naive":
        return session.his_read("@temp", "yesterday").tz_localize(None)
    if what == "amounts":
        return session.his_read(**hourly, agg="integral")
    if what == "tidy amounts":
        return session.his_read(**hourly, agg="integral", shape="tidy")
    if what in ("mean", "max", "first"):
        return session.his_read(**hourly, agg=what)
    if what == "tidy max":
        return session.his_read(**hourly, agg="max", shape="tidy")
    if what == "a part of maxima":
        return session.his_read(**hourly, agg="max").iloc[3:, 0].rename("@power")
    if what == "texts":
        df = session.his_read("@temp", "yesterday", shape="tidy", tz="UTC")
        return df.assign(value="warm")
    if what == "no times":
        return session.his_read("@temp", "yesterday", shape="tidy", tz="UTC")[["id", "value"]]
    if what == "ends":
        return session.his_read(**hourly, label="end")
    if what == "tidy ends":
        return session.his_read(**hourly, label="end", shape="tidy")
    df = session.his_read("@temp", "yesterday", shape="tidy", tz="UTC")
    if what == "another unit":
        return df.assign(unit="kW")
    if what == "naive tidy":
        return df.assign(ts=df["ts"].dt.tz_localize(None))
    if what == "tidy of a CSV":
        return df.assign(ts=df["ts"].astype("str"))
    if what == "twice":
        return pd.concat([df, df.iloc[:1]])
    if what == "another kind":
        return df.assign(text="on", value=float("nan"))
    if what == "no id":
        return df.assign(id=pd.Categorical([None] * len(df)))
    return session.his_read("@temp", "yesterday").rename(columns={"TEMP": "unheard of"})


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("naive", ZoneError, "are naive"),
        ("naive tidy", ZoneError, r"in the column ts .*have no zone.*df\['ts'\].dt.tz_localize"),
        ("tidy of a CSV", MetadataError, r"the column ts .*has texts.*df.assign\(ts=pd.to_datetime"),
        ("amounts", MetadataError, "integral"),
        ("tidy amounts", MetadataError, "this tidy frame has the integral over intervals of the point @power"),
        ("mean", MetadataError, "is the mean over intervals of the point @power itself"),
        ("max", MetadataError, "is the max over intervals of the point @power itself"),
        ("first", MetadataError, "is the first over intervals of the point @power itself"),
        ("tidy max", MetadataError, "this tidy frame has values over intervals of 1h"),
        ("a part of maxima", MetadataError, "over intervals of the point @power itself"),
        ("texts", MetadataError, "a tidy frame has numbers in 'value'"),
        ("no times", MetadataError, "this one has no ts"),
        ("ends", MetadataError, "ends of the intervals"),
        ("tidy ends", MetadataError, "at the ends of intervals"),
        ("another unit", UnitError, "the column is in kW, the point in °C"),
        ("another kind", MetadataError, "the column holds Str values, the point is of kind Number"),
        ("twice", MetadataError, "comes twice"),
        ("no id", MetadataError, "row 0 of this tidy frame has no id"),
        ("unheard of", MetadataError, "belongs to no known point"),
    ],
)
def test_what_is_no_sample_is_refused_and_nothing_is_added(
    whole: Path, session: Session, what: str, kind: type[HsFrameError], words: str
) -> None:
    archive = Archive(whole)
    version = archive.versions["version"].iloc[0]
    with pytest.raises(kind, match=words):
        archive.add(refused(archive, session, what))
    assert archive.versions["version"].iloc[0] == version
    with pytest.raises(MetadataError, match="open it without version="):
        archive.at(version - 1).add(refused(archive, session, what))


@LACKING
@pytest.mark.parametrize(
    ("how", "point"),
    [(how, point) for how in ("pandas", "by hand", "csv") for point in ("temp", "run", "mode")]  # of each regularity
    + [(how, "temp") for how in ("concat", "tidy", "plain file", "files")],
)
def test_what_is_between_two_parts_comes_with_the_next_sync(
    tmp_path: Path, session: Session, how: str, point: str
) -> None:
    ends = [pd.Timestamp(SINCE) + pd.Timedelta(days=days) for days in (12, 13, 4, 5)]
    shape: Any = "tidy" if how == "tidy" else "wide"
    later, earlier = (session.his_read(f"@{point}", (ends[at], ends[at + 1]), shape=shape, tz="UTC") for at in (0, 2))
    archive = Archive(tmp_path / "trends")
    plain = pd.concat([earlier, later])
    plain.attrs.clear()
    if how == "concat":
        archive.add(hsframe.concat([earlier, later]))
    elif how == "pandas":
        archive.add(pd.concat([earlier, later]))
    elif how in ("by hand", "tidy"):
        archive.add(plain, points=session.read(point))
    elif how == "csv":
        values = plain.hs.magnitude() if point == "temp" else plain
        values.to_csv(tmp_path / "a.csv", date_format="%Y-%m-%dT%H:%M:%S.%f%z")
        df = pd.read_csv(tmp_path / "a.csv", index_col=0, parse_dates=[0])
        archive.add(df.astype("boolean") if point == "run" else df, points={df.columns[0]: f"@{point}"})
    elif how == "plain file":
        hsframe.write_parquet(plain, tmp_path / "a.parquet")
        archive.add(tmp_path / "a.parquet", points=session.read(point))
    else:
        for name, df in (("a", later), ("b", earlier)):
            hsframe.write_parquet(df, tmp_path / f"{name}.parquet")
        archive.add([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    archive.sync(session=session)
    assert_in_step(archive, session, f"@{point}", (ends[2], None))


@LACKING
@pytest.mark.parametrize(
    ("tags", "step", "lost", "read"),
    [
        ({"hisInterval": Number(15, "min")}, "15min", 3, 197),
        ({"hisInterval": Number(15, "min")}, "15min", 4, 100),
        ({"hisInterval": Number(15, "min")}, "1D", 0, 1),  # a sample of each day is not all of a day
        ({}, "1D", 3, 197),
        ({}, "1D", 4, 100),
        ({}, "7D", 0, 1),  # readings by hand prove no interval
        ({}, "1min", 59, 141),
        ({}, "1min", 60, 100),
        ({"hisMode": "cov"}, "15min", 3, 197),
        ({"hisMode": "cov"}, "1D", 0, 1),
    ],
)
def test_a_frame_without_a_note_is_read_up_to_its_first_gap(
    tmp_path: Path, tags: dict[str, Any], step: str, lost: int, read: int
) -> None:
    times = pd.date_range("2026-01-01", periods=200, freq=step, tz="UTC").delete(range(100, 100 + lost))
    archive = Archive(tmp_path)
    archive.add(pd.DataFrame({"old": 1.0}, index=times), points={"old": RECORD | tags})
    assert archive.points["until"].tolist() == [times[read - 1] + pd.Timedelta("1us")]


def test_what_is_added_in_part_has_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    df = session.his_read(["@temp", "@power"], SPAN, tz="UTC")
    hsframe.write_parquet(df, tmp_path / "a.parquet")
    archive = Archive(tmp_path / "trends")
    with monkeypatch.context() as patch:
        patch.setattr("hsframe.archive.add._ROWS_A_COMMIT", 150)
        patch.setattr("hsframe.archive.add.merge", _Failing(1))
        with pytest.raises(MetadataError, match=r"^0 of 1 files were added whole, and no more, .*a\.parquet: "):
            archive.add(tmp_path / "a.parquet")
    archive = Archive(tmp_path / "trends")
    assert archive.check().empty
    assert archive.points["id"].tolist() == ["power"]
    archive.sync(["@temp", "@power"], session=session, since=SINCE)
    assert_in_step(archive, session, ["@temp", "@power"])


@LACKING
@pytest.mark.parametrize("points", ["@cov", ["@cov", "@temp"], ["@cov", "@run"]])
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("how", ["wide", "tidy", "wide file", "tidy file", "tidy export"])
def test_samples_without_a_value_are_added_or_read_again(tmp_path: Path, how: str, lost: bool, points: Any) -> None:
    database = building()
    add_point(database, "cov", "Number", unit="kW", hisMode="cov")
    ts_us = NOW_US - 5 * DAY_US + np.arange(400) * 400_000_000
    database.set_history("cov", ts_us, np.arange(400.0), np.isin(np.arange(400), [0, 30, 31, 77, 399]))
    archive, path = Archive(tmp_path / "trends"), tmp_path / "a.parquet"
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        shape: Any = how.split()[0]
        if how == "tidy export":
            session.export(points, SPAN, path, layout="tidy")
            df = hsframe.read_parquet(path)
        else:
            df = session.his_read(points, SPAN, shape=shape, tz="UTC")
        df = df.dropna(subset="value" if shape == "tidy" else "COV") if lost else df
        if "file" in how:
            hsframe.write_parquet(df, path)
        archive.add(path if "file" in how or (how == "tidy export" and not lost) else df)
        is_known = not lost and (points == "@cov" or shape == "tidy")  # others make holes in a wide frame
        assert len(archive.his_read("@cov", SPAN)) == (400 if is_known else 395)
        archive.sync(session=session, since=SINCE)  # the first rows were those of the other point, too
        assert_in_step(archive, session, points)


def _changed(df: pd.DataFrame, how: str) -> pd.DataFrame:
    match how:
        case "filled":
            return df.ffill()
        case "a row lost":
            return df.drop(df.index[100])
        case "a value masked":
            return df.mask(df.index.to_series() == df.index[100])
        case "means":
            return df.resample("30min").mean()
        case "put together":
            return pd.concat([df.iloc[:150], df.iloc[150:].dropna()])
        case "old":
            note = df.attrs["hsframe"]
            reads = {ident: {**read, "missing": None} for ident, read in note["reads"].items()}
            df.attrs["hsframe"] = {**note, "reads": reads}
    return df


@LACKING
@pytest.mark.parametrize("points", [["@cov"], ["@cov", "@temp"]])
@pytest.mark.parametrize(
    "how",
    ["filled", "a row lost", "a value masked", "means", "put together by pandas", "an old note", "from an archive"],
)
def test_what_was_changed_since_it_was_read_counts_as_read_nowhere(tmp_path: Path, how: str, points: list[str]) -> None:
    database = building()
    add_point(database, "cov", "Number", unit="kW", hisMode="cov")
    ts_us = NOW_US - 5 * DAY_US + np.arange(400) * 400_000_000
    database.set_history("cov", ts_us, np.arange(400.0), np.isin(np.arange(400), [0, 30, 31, 77, 399]))
    archive = Archive(tmp_path / "trends")
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read(points, SPAN, tz="UTC")
        if how == "archive":
            between = Archive(tmp_path / "between")
            between.add(df.dropna(subset="COV"))
            df = between.his_read(points, SPAN, tz="UTC")
        archive.add(_changed(df, how))
        archive.sync(session=session)
        since, until = archive.points.set_index("id").loc["cov", ["since", "until"]]
        span = (since, until)
        found, wanted = (one.his_read("@cov", span, tz="UTC", na="flag") for one in (archive, session))
        pd.testing.assert_frame_equal(found, wanted, check_freq=False)
        assert since <= pd.Timestamp(int(ts_us[1]), unit="us", tz="UTC")


def test_a_point_that_has_but_na_is_one_of_the_archive(tmp_path: Path) -> None:
    database = building()
    add_point(database, "none", "Number", unit="kW", hisMode="cov")
    database.set_history("none", NOW_US - np.arange(50, 0, -1) * 400_000_000, np.zeros(50), np.ones(50, bool))
    archive = Archive(tmp_path)
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        archive.add(session.his_read(["@none", "@temp"], SPAN, tz="UTC"))
        assert {*archive.points["id"]} == {"none", "temp"}
        archive.sync(session=session)
        assert_in_step(archive, session, ["@none", "@temp"])


def test_values_that_were_masked_in_a_tidy_frame_replace_none_in_the_archive(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    df = session.his_read("@temp", SPAN, shape="tidy", tz="UTC")
    archive.add(df)
    df.loc[100:160, "value"] = np.nan
    archive.add(df, existing="replace")
    assert_in_step(archive, session, "@temp")


@LACKING
@pytest.mark.parametrize(
    ("how", "point"),
    [(how, point) for how in ("wide", "tidy", "file") for point in ("temp", "run", "mode")]  # of each regularity
    + [("old file", "temp")],  # of the others nothing tells without a count that there was a sample
)
def test_rows_that_were_taken_out_of_a_read_are_read_again(
    tmp_path: Path, session: Session, how: str, point: str
) -> None:
    df = session.his_read(f"@{point}", SPAN, shape="tidy" if how == "tidy" else "wide", tz="UTC")
    if how == "old file":
        attrs = df.attrs["hsframe"]
        reads = {ident: {"aggs": {}, "spans": one["spans"]} for ident, one in attrs["reads"].items()}
        df.attrs["hsframe"] = {**attrs, "reads": reads}
    whole, ago = Archive(tmp_path / "whole"), pd.Timestamp(SINCE, tz="UTC")
    times = pd.Series(df["ts"] if how == "tidy" else df.index, index=df.index)
    part = df[~times.between(ago + pd.Timedelta("9D"), ago + pd.Timedelta("12D"))]
    archive, data = Archive(tmp_path / "trends"), part
    if "file" in how:
        data = tmp_path / "a.parquet"
        hsframe.write_parquet(part, data)
    archive.add(data)
    archive.sync(session=session)
    frames = (one.his_read(f"@{point}", SPAN, tz="UTC").dropna() for one in (archive, session))
    pd.testing.assert_frame_equal(*frames)
    whole.add(df)
    # It has all of its rows; but an old note does not tell the NA among them from what was lost.
    is_whole = whole.points["until"][0] > times.max() - pd.Timedelta("1h")
    assert is_whole == (how != "old file")


def test_what_is_of_another_server_than_the_archive_is_warned_of(tmp_path: Path, session: Session) -> None:
    span = "yesterday"
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as other:
        files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        for one, file in zip((session, other), files, strict=True):
            one.export("temp", span, file, layout="tidy")
        for name, data in (("files", files), ("frame", other.his_read("temp", span))):
            archive = Archive(tmp_path / name)
            if name == "frame":
                archive.add(files[0])
            with pytest.warns(ReadWarning, match=f"is from {other.uri}, and .*{name} from {session.uri}:"):
                archive.add(data)
            assert archive._opened().points.server == session.uri
            archive.add(session.his_read("temp", span))


def test_numbers_with_the_unit_of_true_and_false_are_refused_in_words(tmp_path: Path, session: Session) -> None:
    df = session.his_read("plain", "yesterday", shape="tidy").assign(unit="")
    for frame in (df, pd.DataFrame(df)[["id", "ts", "value", "unit"]]):
        with pytest.raises(MetadataError, match="@plain has numbers with the unit '', which means true and false"):
            Archive(tmp_path).add(frame)


def test_texts_that_all_differ_are_packed_in_a_file(tmp_path: Path) -> None:
    index = pd.date_range("2026-01-01", periods=5_000, freq="1min", tz="UTC", unit="us", name="ts")
    texts = [f"Alarm {number} of boiler {number % 7} acknowledged by an operator" for number in range(5_000)]
    Archive(tmp_path).add(pd.DataFrame({"@alarms": pd.array(texts, "str")}, index))
    size = sum(file.stat().st_size for file in (tmp_path / "samples").rglob("*.parquet"))
    assert size < 5_000 * 15  # the texts alone have 50 bytes each
