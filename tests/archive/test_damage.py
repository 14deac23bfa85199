"""An archive that was damaged, taken back, made anew or is not there: said in words, and mended by what is advised."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.errors import CodecError, HsFrameError, MetadataError, ReadWarning
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import FIRST_US, NOW_US, QUARTER_US, SINCE, assert_in_step

pytestmark = pytest.mark.one_python


def synced(folder: Path, session: Session) -> Archive:
    """An archive that was synced as if on two days."""
    archive = Archive(folder)
    archive.sync("temp", session=session, since=SINCE)
    return archive


def more(database: Database) -> None:
    """A day of samples that a correction of all days before is in, too."""
    ts_us = FIRST_US + np.arange(20 * 96) * QUARTER_US
    database.set_history("temp", ts_us, np.round(np.cos(np.arange(len(ts_us)) / 50) * 20, 1))


def without_last_version(folder: Path) -> None:
    logs = sorted((folder / "samples" / "_delta_log").glob("*.json"))
    logs[-1].unlink()


def taken_back(folder: Path) -> None:
    table = deltalake.DeltaTable(str(folder / "samples"))
    table.restore(table.version() - 1)


def repaired(folder: Path) -> None:
    table = deltalake.DeltaTable(str(folder / "samples"))
    for file in table.file_uris():
        Path(file).unlink()
    table.repair()


@pytest.mark.parametrize("lose", [without_last_version, taken_back, repaired])
def test_samples_that_are_older_than_their_points_are_read_anew(
    lose: Callable[[Path], None], tmp_path: Path, session: Session, database: Database
) -> None:
    folder = tmp_path / "trends"
    archive = Archive(folder)
    archive.sync("temp", session=session, since="yesterday")
    archive.sync("temp", session=session, since=SINCE)
    lose(folder)
    archive = Archive(folder)
    assert archive.to_arrow().count_rows() < 500
    assert "sync() reads anew what is missing" in archive.check()["what_to_do"].tolist()
    with pytest.warns(
        ReadWarning, match=r"has not read .*, or not since samples were lost \(.*\): archive\.sync\(\) does"
    ):
        archive.his_read("temp", "yesterday")
    assert set(archive.sync(session=session)["status"]) == {"synced"}
    assert_in_step(archive, session, "temp")
    assert archive.check().empty or archive.check()["problem"].str.startswith("no version counts it").all()
    assert set(archive.sync(session=session)["status"]) == {"same"}


def test_an_archive_that_was_made_anew_is_opened_anew(tmp_path: Path, session: Session) -> None:
    folder, other = tmp_path / "trends", tmp_path / "other"
    archive = synced(folder, session)
    assert list(archive.his_read("point", "yesterday")) == ["TEMP"]
    Archive(other).sync("power", session=session, since=SINCE)
    shutil.rmtree(folder)
    for verb in (archive.check, archive.vacuum, archive.compact, lambda: archive.points, lambda: archive.versions):
        with pytest.raises(MetadataError, match="there is no archive in"):
            verb()
    other.rename(folder)  # of the same version
    assert list(archive.his_read("point", "yesterday")) == ["POWER"]
    for _ in range(2):
        archive.add(session.his_read("power", "2020-01-01"), existing="keep")
    shutil.rmtree(folder)
    Archive(folder).sync("plain", session=session, since=SINCE)  # of an older version
    assert list(archive.his_read("point", "yesterday")) == ["PLAIN"]
    assert set(archive.sync(session=session)["status"]) == {"same"}


@pytest.mark.skipif(sys.platform == "win32", reason="it has other rights")
def test_what_cannot_be_written_is_said_in_words(tmp_path: Path, session: Session) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone" / "away")
    long = "x" * 300
    for folder in (Path("/proc/trends"), tmp_path / long, tmp_path / "link" / "trends"):
        with pytest.raises(HsFrameError, match=r"cannot be reached|cannot be opened") as caught:
            Archive(folder).sync("temp", session=session, since=SINCE)
        assert "\x1b" not in str(caught.value)
        assert "Os {" not in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(MetadataError, match="cannot be"):
        session.export("temp", "yesterday", tmp_path / f"{'x' * 245}.parquet", layout="tidy")


@pytest.mark.parametrize(
    ("table", "place", "left"),
    [
        ("samples", -1, lambda whole: b""),
        ("samples", -2, lambda whole: b""),
        ("samples", -2, lambda whole: whole[: len(whole) // 2]),
        ("samples", -1, lambda whole: bytes(500)),
        ("points", -1, lambda whole: whole[: len(whole) // 2]),
        ("points", -2, lambda whole: b"\n"),
    ],
)
def test_a_log_of_which_a_power_cut_has_taken_an_entry_is_named_and_mended_by_what_is_advised(
    table: str, place: int, left: Callable[[bytes], bytes], tmp_path: Path, session: Session
) -> None:
    archive = synced(tmp_path / "trends", session)
    archive.sync("power", session=session, since=SINCE)
    assert len(archive.his_read("power", "yesterday"))  # it is open
    files = [*(tmp_path / "trends" / "samples").glob("*/*/*.parquet")]
    for file in files:
        os.utime(file, (0, 0))  # vacuum() leaves young ones
    entries = sorted((tmp_path / "trends" / table / "_delta_log").glob("*.json"))[place:]
    entries[0].write_bytes(left(entries[0].read_bytes()))
    for verb in (
        lambda: Archive(tmp_path / "trends").his_read("temp", "yesterday"),
        lambda: Archive(tmp_path / "trends").vacuum(),
        lambda: archive.sync(session=session),
        # One that was open knows what an entry before the last one told.
        *((archive.check, archive.vacuum, lambda: archive.his_read("power", (SINCE, None))) if place == -1 else ()),
        *((lambda: archive.versions,) if table == "samples" else ()),
    ):
        with pytest.raises(
            MetadataError,
            match=rf"{table}.*, or remove _delta_log/{entries[0].name}, which is .*, and all .*, and sync\(",
        ) as caught:
            verb()
        assert "unknown" not in str(caught.value)
        assert "\n" not in str(caught.value)
    if place != -1:
        assert_in_step(archive, session, "power or temp")
        assert f"{table}/_delta_log" in archive.check()["path"].tolist()
    if (table, place) == ("samples", -2) and not entries[0].stat().st_size:
        deltalake.DeltaTable(str(tmp_path / "trends" / table)).create_checkpoint()  # from then on it is not seen
        Archive(tmp_path / "trends").vacuum("1ms")
        assert all(file.exists() for file in files)
        for checkpoint in (tmp_path / "trends" / table / "_delta_log").glob("*checkpoint*"):
            checkpoint.unlink()
    for entry in entries:
        entry.unlink()
    archive = Archive(tmp_path / "trends")
    archive.sync("power or temp", session=session)
    assert_in_step(archive, session, "power or temp")
    assert archive.check()["problem"].str.startswith("no version counts it").all()


@pytest.mark.parametrize("left", [lambda whole: b"", lambda whole: whole[:-3], None])
@pytest.mark.parametrize("others", ["all", "checkpoint", "none"])
def test_a_damaged_checkpoint_is_needless_where_the_log_is_whole_without_it(
    left: Callable[[bytes], bytes] | None, others: str, tmp_path: Path, session: Session
) -> None:
    archive = synced(tmp_path / "trends", session)
    log = tmp_path / "trends" / "samples" / "_delta_log"
    if others == "checkpoint":
        deltalake.DeltaTable(str(log.parent)).create_checkpoint()
    archive.sync("power", session=session, since=SINCE)
    deltalake.DeltaTable(str(log.parent)).create_checkpoint()
    if others != "all":
        sorted(log.glob("*.json"))[0].unlink()
    expected, versions = archive.his_read("point", (SINCE, None), tz="UTC"), archive.versions
    damaged = sorted(log.glob("*.checkpoint.parquet"))[-1]
    if left is None:
        damaged.unlink()
    else:
        damaged.write_bytes(left(damaged.read_bytes()))
    with pytest.raises(MetadataError, match="cannot be opened") as caught:
        Archive(tmp_path / "trends")
    if others == "none":
        assert str(caught.value).endswith("put the archive back from a backup, or sync to another folder")
        return
    advised = re.findall(r"_delta_log/[\w.]+", str(caught.value).partition("or remove ")[2])
    assert "nothing is lost" in str(caught.value)
    assert advised == [*([] if left is None else [f"_delta_log/{damaged.name}"]), "_delta_log/_last_checkpoint"]
    for path in advised:
        (log.parent / path).unlink()
    again = Archive(tmp_path / "trends")
    pd.testing.assert_frame_equal(again.his_read("point", (SINCE, None), tz="UTC"), expected)
    assert again.versions.equals(versions)
    assert again.check().empty


def test_a_log_without_its_first_entry_is_told_in_words(tmp_path: Path, session: Session) -> None:
    synced(tmp_path, session)
    assert not (tmp_path / "samples" / "_delta_log" / "_last_checkpoint").exists()
    sorted((tmp_path / "samples" / "_delta_log").glob("*.json"))[0].unlink()
    with pytest.raises(MetadataError, match=r"put the archive back from a backup, or sync to another folder$"):
        Archive(tmp_path)


def test_to_remove_an_entry_is_not_advised_where_the_version_before_it_has_lost_its_files(
    tmp_path: Path, session: Session
) -> None:
    archive = synced(tmp_path, session)
    assert len(archive.compact("0D"))
    assert len(archive.vacuum("0D"))
    sorted((tmp_path / "samples" / "_delta_log").glob("*.json"))[-1].write_text("")
    with pytest.raises(MetadataError, match=r"put the archive back from a backup, or sync to another folder$"):
        Archive(tmp_path).his_read("temp", "yesterday")


def test_an_empty_entry_that_comes_while_an_archive_is_open_is_refused(tmp_path: Path, session: Session) -> None:
    archive = synced(tmp_path, session)
    assert len(archive.his_read("temp", "yesterday"))
    Archive(tmp_path).sync("power", session=session, since=SINCE)
    entry = sorted((tmp_path / "samples" / "_delta_log").glob("*.json"))[-1]
    entry.write_text("")
    for _ in range(2):
        with pytest.raises(MetadataError, match=f"remove _delta_log/{entry.name}"):
            archive.his_read("temp", "yesterday")


@pytest.mark.parametrize(
    ("left", "problem"),
    [
        (None, "not there"),
        (lambda whole: b"", "damaged"),
        (lambda whole: whole[:-200], "damaged"),
        (lambda whole: whole[:900] + bytes(byte ^ 255 for byte in whole[900:950]) + whole[950:], "damaged"),
    ],
    ids=["gone", "empty", "cut", "other bytes"],
)
def test_a_file_that_is_damaged_is_named_by_all_that_reads_it(
    left: Callable[[bytes], bytes] | None,
    problem: str,
    tmp_path: Path,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    span = SINCE, datetime.now(UTC).date()
    archive = synced(tmp_path / "a", session)
    archive.compact(overlap="0D")
    (counted,) = archive._opened().samples.files()
    file = tmp_path / "a" / "samples" / counted.path
    whole = file.read_bytes()
    file.unlink()
    if left is not None:
        file.write_bytes(left(whole))
    verbs: list[Callable[[], Any]] = [
        lambda: archive.his_read("temp", span),
        lambda: archive.latest("temp"),
        lambda: list(archive.his_iter("temp", span, by="1W")),
        lambda: archive.export("temp", span, tmp_path / "b.parquet"),
        lambda: archive.export("temp", span, tmp_path / "c"),
        lambda: archive.sync(session=session),
        lambda: archive.add(session.his_read("temp", span), existing="keep"),
    ]
    if left is None or len(left(whole)) < len(whole):
        verbs += [lambda: archive.to_arrow(), lambda: archive.to_arrow("temp", span)]
    for verb in verbs:
        with pytest.raises(CodecError, match=rf"{file.name} is {problem}.*check\(\) says what to do"):
            verb()
    assert "put it back from a backup; or" in archive.check().set_index("path")["what_to_do"].iloc[0]
    with pytest.raises((HsFrameError, OSError)):  # within a file pyarrow says it, which knows no name
        archive.to_arrow().to_table()
    with monkeypatch.context() as patch:
        patch.setattr(pq, "ParquetFile", lambda *args, **settings: os.read(10_000, 1))
        with pytest.raises(HsFrameError, match=rf"{file.name} (is not there|cannot be read: Bad file descriptor)"):
            archive.his_read("temp", span)


def test_points_that_are_lost_or_damaged_are_named_and_read_anew(tmp_path: Path, session: Session) -> None:
    folder = tmp_path / "trends"
    synced(folder, session)
    (file,) = {one.path for one in Archive(folder)._opened().points.files()}
    path = folder / "points" / file
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(HsFrameError, match=r"check\(\) says what to do"):
        Archive(folder).his_read("temp", "yesterday")
    path.unlink()
    with pytest.raises(HsFrameError, match=r"check\(\) says what to do"):
        Archive(folder).his_read("temp", "yesterday")
    shutil.rmtree(folder / "points")
    with pytest.raises(MetadataError, match=r"has lost its table of points: .*sync\('point', since=\.\.\.\)"):
        Archive(folder).his_read("temp", "yesterday")
    archive = Archive(folder)
    archive.sync("temp", session=session, since=SINCE)
    assert_in_step(archive, session, "temp")


def test_what_is_no_archive_is_refused_before_anything_is_made(tmp_path: Path, session: Session) -> None:
    strange = tmp_path / "strange"
    deltalake.DeltaTable.create(str(strange / "samples"), pa.schema([("x", pa.int64())]))
    with pytest.raises(MetadataError, match="is a Delta table, but no archive"):
        Archive(strange).sync("temp", session=session, since=SINCE)
    assert os.listdir(strange) == ["samples"]
    newer = tmp_path / "newer"
    for name in ("samples", "points"):
        deltalake.DeltaTable.create(
            str(newer / name),
            pa.schema([("x", pa.int64())]),
            configuration={"hsframe.version": "9"},
            raise_if_key_not_exists=False,
        )
    with pytest.raises(MetadataError, match="archive of version 9"):
        Archive(newer)
    with pytest.raises(MetadataError, match=r"there is no file .*nofile\.parquet"):
        Archive(tmp_path / "a").add(tmp_path / "nofile.parquet")


def test_a_sync_needs_a_session(tmp_path: Path, session: Session) -> None:
    archive = synced(tmp_path / "trends", session)
    for other in (archive, "http://x"):
        with pytest.raises(MetadataError, match=r"session must be one with a server, of hsframe\.connect"):
            archive.sync(session=other)  # type: ignore[arg-type]
    with archive.use(), pytest.raises(MetadataError, match="session must be one with a server"):
        archive.sync()
    with pytest.raises(hsframe.errors.UnknownRecError, match="there is no record of @nope"):
        archive.his_read("@nope", "yesterday")


def test_sites_and_equips_follow_the_server(tmp_path: Path, session: Session, database: Database) -> None:
    archive = synced(tmp_path / "trends", session)
    before = archive._opened().points.version
    assert len(archive.read('equipRef->siteRef->dis == "Works"')) == 1
    database.update("site", {"dis": "New works", "geoCity": "Oslo"})
    database.update("equip", {"dis": "New boiler"})
    archive.sync(session=session)
    assert archive._opened().points.version > before
    for where in ('dis == "New works"', 'geoCity == "Oslo"'):
        assert_in_step(archive, session, f"temp and equipRef->siteRef->{where}", "yesterday")
    df = archive.his_read("temp", "yesterday", header=("equipRef->dis", "dis"))
    assert list(df) == [("New boiler", "TEMP")]
    assert archive.points["id"].tolist() == ["temp"]


def test_a_sync_with_nothing_new_makes_no_version(tmp_path: Path, session: Session) -> None:
    archive = synced(tmp_path / "trends", session)
    state = archive._opened().state
    for _ in range(2):
        assert set(archive.sync(session=session)["status"]) == {"same"}
    assert archive._opened().state == state


def test_workers_read_the_records_of_now(tmp_path: Path, session: Session, database: Database) -> None:
    dask = pytest.importorskip("dask")
    archive = synced(tmp_path / "trends", session)
    with dask.config.set(scheduler="sync"):
        first = archive.to_dask("temp", (SINCE, SINCE)).compute()
        database.update("temp", {"dis": "Renamed", "hisInterval": Number(15, "min")})
        archive.sync(session=session)
        assert list(first) == ["TEMP"]
        assert list(archive.to_dask("temp", (SINCE, SINCE)).compute()) == ["Renamed"]


def test_a_served_archive_that_was_made_anew_has_the_new_records(tmp_path: Path, session: Session) -> None:
    from hsframe.archive.served import ArchiveDatabase
    from hsframe.archive.storage import Storage

    folder = tmp_path / "trends"
    synced(folder, session)
    with (
        running_server(ArchiveDatabase(Storage(str(folder)))) as server,
        hsframe.connect(server.uri, "demo", "demo") as served,
    ):
        assert len(served.read("point")) == 1
        shutil.rmtree(folder)
        Archive(folder).sync("power", session=session, since=SINCE)
        assert served.read("point")["id"].tolist() == ["power"]
        assert len(served.his_read("power", "yesterday")) > 0
    assert NOW_US


def test_columns_are_in_the_order_of_the_server(tmp_path: Path, session: Session, database: Database) -> None:
    archive = synced(tmp_path / "trends", session)
    archive.sync(["plain", "power"], session=session, since=SINCE)
    assert archive.points["id"].tolist() == ["temp", "plain", "power"]
    archive.sync("point", session=session, since=SINCE)
    assert archive.points["id"].tolist() == session.read("point")["id"].tolist()
    # They are read, and noted, in the order in which they lie in the files.
    for name in ("b", "a"):
        tags = {"point": MARKER, "his": MARKER, "kind": "Number", "tz": "London", "hisInterval": Number(15, "min")}
        database.add({"id": Ref(name), "lone": MARKER} | tags)
        database.set_history(name, FIRST_US + np.arange(9) * QUARTER_US, np.arange(9.0))
    for _ in range(2):
        Archive(tmp_path / "new").sync("lone", session=session, since=SINCE)
        assert Archive(tmp_path / "new").points["id"].tolist() == ["b", "a"]


def test_a_change_that_fails_leaves_what_was_there(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = synced(tmp_path / "trends", session)
    archive.sync("temp", session=session, since="yesterday", overlap="30D")
    orphan = next((tmp_path / "trends" / "samples").glob("period=*/bucket=0/*.parquet")).with_name(
        "f" * 32 + ".parquet"
    )
    orphan.write_bytes(b"1")
    os.utime(orphan, (1e9, 1e9))

    class ReadOnly(pafs.LocalFileSystem):
        def delete_file(self, path: str) -> None:
            raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(archive._opened().samples.storage, "arrow", (ReadOnly(), str(tmp_path / "trends" / "samples")))
    with pytest.raises(MetadataError, match=r"samples cannot be reached: Permission denied"):
        archive.vacuum()
    assert_in_step(archive, session, "temp")
