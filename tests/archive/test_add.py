"""Frames and files come into an archive as they were read, and what is no sample of a point does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.archive.samples import merge
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.errors import CodecError, HsFrameError, MetadataError, ReadWarning, UnitError, ZoneError
from tests.archive.test_sync import SINCE, assert_in_step

SPAN = (SINCE, None)


def assert_same_values(archive: Archive, session: Session, span: Any = SPAN) -> None:
    """Missing values are not in a frame, so they are not in an archive that was made of one."""
    ids = ["@temp", "@power", "@plain", "@run", "@mode"]
    found, wanted = (one.his_read(ids, span, shape="tidy", tz="UTC") for one in (archive, session))
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
    assert_same_values(archive, session)
    version = archive.versions["version"].iloc[0]
    assert set(archive.add(df)["status"]) == {"same"}
    assert archive.versions["version"].iloc[0] == version
    archive.sync(session=session, overlap="30D")
    assert_in_step(archive, session, ["@temp", "@power", "@plain", "@run", "@mode"])
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
        assert caught.value.__notes__ == [f"in {folder}/a.parquet; nothing was added"]
        assert not (tmp_path / "trends").exists()
    archive.add([folder / "b.parquet", folder / "a.parquet"], convert=True)
    found = archive.his_read("@temp", SPAN, tz="UTC")["TEMP"].hs.magnitude()
    wanted = session.his_read("@temp", SPAN, tz="UTC")["TEMP"].hs.magnitude().dropna()
    pd.testing.assert_series_equal(found, wanted, rtol=1e-12)
    if shape == "tidy":
        assert_same_values(archive, session)


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
    assert caught.value.__notes__ == [f"in {files[2]}; the files before it are added"]
    assert failing.calls == 3
    read = half.points.set_index("id")["until"]  # of the samples that are there
    assert read.to_dict() == {"temp": days[2].tz_localize("UTC"), "plain": read["plain"]}
    assert half.points.set_index("id").loc["temp", "since"] == days[1].tz_localize("UTC")
    monkeypatch.undo()
    other = Archive(tmp_path / "other")
    (tmp_path / "bad.parquet").write_text("no file of Parquet")
    with pytest.raises(CodecError, match="is not a Parquet file") as caught:
        other.add([*files, tmp_path / "bad.parquet"])
    assert caught.value.__notes__[-1] == f"in {tmp_path}/bad.parquet; nothing was added"
    assert not (tmp_path / "other").exists()


def test_what_becomes_of_samples_that_are_there(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    old = archive.his_read("@temp", SPAN)
    half, rest = old.iloc[:100], old.iloc[100:]
    kept = archive.add(half + 1, existing="keep").iloc[0]
    known = int(half["TEMP"].notna().sum())
    assert kept[["rows_new", "rows_changed", "rows_removed", "status"]].tolist() == [0, 0, 0, "kept"]
    assert kept["reason"] == (
        f"rows without a value, which write and remove nothing: 1; {known} samples are others in the archive, and stay"
    )
    pd.testing.assert_frame_equal(archive.his_read("@temp", SPAN), old)
    replaced = archive.add(half.iloc[::-1] + 1).iloc[0]
    assert replaced[["rows_new", "rows_changed", "rows_removed", "status"]].tolist() == [0, known, 0, "added"]
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


def refused(archive: Archive, session: Session, what: str) -> Any:
    """Frames that are no samples of the points, each by its name."""
    hourly = {"interval": "1h", "span": "yesterday", "points": "@power"}
    if what == "naive":
        return session.his_read("@temp", "yesterday").tz_localize(None)
    if what == "amounts":
        return session.his_read(**hourly, agg="integral")
    if what == "tidy amounts":
        return session.his_read(**hourly, agg="integral", shape="tidy")
    if what == "ends":
        return session.his_read(**hourly, label="end")
    if what == "tidy ends":
        return session.his_read(**hourly, label="end", shape="tidy")
    df = session.his_read("@temp", "yesterday", shape="tidy", tz="UTC")
    if what == "another unit":
        return df.assign(unit="kW")
    if what == "naive tidy":
        return df.assign(ts=df["ts"].dt.tz_localize(None))
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
        ("naive tidy", ZoneError, "are naive"),
        ("amounts", MetadataError, "integral"),
        ("tidy amounts", MetadataError, "this tidy frame has the integral over intervals of the point @power"),
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
    tmp_path: Path, session: Session, what: str, kind: type[HsFrameError], words: str
) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    version = archive.versions["version"].iloc[0]
    with pytest.raises(kind, match=words):
        archive.add(refused(archive, session, what))
    assert archive.versions["version"].iloc[0] == version
    with pytest.raises(MetadataError, match="open it without version="):
        archive.at(version - 1).add(refused(archive, session, what))
