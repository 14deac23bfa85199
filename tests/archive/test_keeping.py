"""An archive is kept in order: compacted, cleaned and checked, whatever killed writers and other programs did to it."""

from __future__ import annotations

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsframe import Archive
from hsframe.archive import compact as compacting
from hsframe.archive.compact import compact
from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import END_US, START_US
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.samples import merge
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.errors import CodecError, MetadataError, ReadWarning, SpanError
from hsframe.kinds import MARKER, Ref
from hsframe.spans import SpanLike
from tests.archive.test_samples import CELLS, DAY_US, JANUARY_US, SAMPLES, Cell, content, rows, shown


def day(ident: str, number: int, cell: Cell = CELLS[0]) -> dict[tuple[str, int], Cell]:
    """Four samples of a point on a day of January."""
    return {(ident, JANUARY_US + number * DAY_US + hour * DAY_US // 4): cell for hour in range(4)}


def add(table: SampleTable, samples: dict[tuple[str, int], Cell]) -> None:
    merge(table, rows(samples), {ident for ident, _ in samples}, START_US, END_US, existing="replace")


def is_missing(cell: Cell) -> bool:
    return cell[1] is None and (cell[0] is None or cell[0] != cell[0])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An archive of two points, whose samples of January came in by three versions."""
    tables = Tables.open_or_create(Storage(str(tmp_path / "works"), {}), Layout("month", 1))
    for number in range(3):
        add(tables.samples, day("a", number) | day("b", number, CELLS[1]))
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "UTC"}
    window = JANUARY_US, JANUARY_US + 3 * DAY_US
    tables.points.put(ArchivedRecord({"id": Ref(ident), **tags}, window) for ident in ("a", "b"))
    return tmp_path / "works"


def samples_of(place: Path) -> SampleTable:
    return SampleTable(Storage(str(place / "samples")))


def assert_sorted(table: SampleTable) -> None:
    for file in table.files():
        found = pq.read_table(Path(table.storage.uri) / file.path, partitioning=None)
        keys = list(zip(found["id"].to_pylist(), found["ts"].to_pylist(), strict=True))
        assert keys == sorted(set(keys))


def vacuumed(archive: Archive) -> pd.DataFrame:
    """What is removed when no older version is to stay."""
    time.sleep(0.01)
    return archive.vacuum("1ms")


@settings(max_examples=settings.default.max_examples // 4)  # each takes long
@given(
    parts=st.lists(SAMPLES, min_size=1, max_size=4),
    layout=st.sampled_from([Layout("month", 1), Layout("month", 4), Layout("year", 1)]),
    most=st.sampled_from([1, 2, 1000]),
)
def test_compacting_leaves_the_samples_and_one_sorted_file_a_partition(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[tuple[str, int], Cell]], layout: Layout, most: int
) -> None:
    table = SampleTable.create(Storage(str(tmp_path_factory.mktemp("samples"))), layout)
    model: dict[tuple[str, int], Cell] = {}
    for part in parts:
        add(table, part)
        # NaN and NA are the same where a frame is added.
        same = {key for key in part.keys() & model.keys() if is_missing(part[key]) and is_missing(model[key])}
        model |= {key: cell for key, cell in part.items() if key not in same}
        assert_sorted(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compacting, "_MOST_ROWS", most)
        df = compact(table, END_US)
    assert content(table) == shown(model)
    assert df["files_after"].tolist() == [1] * len(df)
    assert len(table.files()) == len(df)
    assert_sorted(table)
    version = table.version
    compact(table, END_US)
    assert table.version == version


def test_a_file_is_sorted_where_only_some_of_the_samples_are_new(tmp_path: Path) -> None:
    table = SampleTable.create(Storage(str(tmp_path)), Layout())
    add(table, day("b", 0))
    add(table, day("b", 0) | day("a", 0) | day("b", 1))
    assert_sorted(table)


def test_compacting_leaves_young_files_and_says_what_it_did(place: Path) -> None:
    table = samples_of(place)
    sizes = {file.path: file.size for file in table.files()}
    df = compact(table, JANUARY_US + 2 * DAY_US)
    assert sorted(file.rows for file in table.files()) == [8, 16]
    row = df.iloc[0]
    assert row.tolist() == ["2026-01", 0, 3, 2, sum(sizes.values()), sum(file.size for file in table.files())]
    assert Archive(place).compact()["files_after"].tolist() == [1]
    assert Archive(place).check().empty


@pytest.mark.parametrize("other", ["new samples", "a correction", "a compaction"])
def test_compacting_beside_others(place: Path, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    table, model = samples_of(place), content(samples_of(place))
    commit, done = SampleTable.commit, []

    def meanwhile(self: SampleTable, *args: Any, **how: Any) -> bool:
        if not done:
            done.append(True)
            beside = samples_of(place)
            if other == "a compaction":
                compact(beside, END_US)
            else:
                more = day("a", 9) if other == "new samples" else day("a", 1, CELLS[2])
                add(beside, more)
                model.update(shown(more))
        return commit(self, *args, **how)

    monkeypatch.setattr(SampleTable, "commit", meanwhile)
    compact(table, END_US)
    assert done
    assert content(samples_of(place)) == model
    assert Archive(place).check().empty


def test_vacuum_removes_what_only_old_versions_need(place: Path) -> None:
    archive = Archive(place)
    before = archive.versions
    assert before["version"].tolist() == [3, 2, 1, 0]
    assert before["rows"].tolist() == [24, 16, 8, 0]
    assert before["readable"].all()
    archive.compact()
    version = deltalake.DeltaTable(place / "samples").version()
    assert archive.vacuum().empty
    assert archive.at(3).to_arrow().count_rows() == 24
    removed = vacuumed(archive)
    assert removed["path"].str.startswith("samples/period=2026-01/bucket=0/").sum() == 3
    assert removed["reason"].iloc[-1] == "only versions up to 3 have it"
    assert deltalake.DeltaTable(place / "samples").version() == version
    assert archive.to_arrow().count_rows() == 24
    assert vacuumed(archive).empty
    after = archive.versions
    assert after["readable"].tolist() == [True, False, False, False, True]
    assert after["operation"].tolist() == ["compact", "write", "write", "write", "create table"]
    with pytest.raises(MetadataError, match=r"version 2 of .* can no longer be read.*vacuum\(\) has removed"):
        archive.at(2)
    with pytest.raises(MetadataError, match=r"has no version 9; the newest is 4"):
        archive.at(9)
    assert archive.check().empty


def test_nothing_but_the_newest_version_is_kept_of_no_days_at_all(place: Path) -> None:
    archive = Archive(place)
    assert set(archive.compact(overlap="0D")["files_after"]) == {1}
    time.sleep(0.01)
    assert len(archive.vacuum("0D")) >= 3
    assert archive.versions["readable"].tolist()[:2] == [True, False]
    assert archive.check().empty
    for wrong in ("-1D", "1mo", "soon"):
        with pytest.raises(SpanError, match="older_than="):
            archive.vacuum(wrong)
        with pytest.raises(SpanError, match="overlap="):
            archive.compact(overlap=wrong)


def test_a_version_is_kept_for_90_days_and_its_log_for_400(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [deltalake.DeltaTable(place / name).metadata().configuration for name in ("samples", "points")]
    assert [one["delta.logRetentionDuration"] for one in settings] == ["interval 400 days"] * 2
    archive = Archive(place)
    archive.compact("0D")
    now_us = time.time_ns() // 1000
    for days, count in ((89, 0), (91, 3)):
        monkeypatch.setattr("hsframe.session.archive._now_us", lambda days=days: now_us + days * DAY_US)
        assert archive.vacuum()["path"].str.startswith("samples/").sum() == count


def test_a_version_by_the_time_at_which_it_was_the_newest(place: Path) -> None:
    archive, df = Archive(place), Archive(place).versions.set_index("version")
    for version, when in df["at"].items():
        assert archive.at(when)._version == version
        assert archive.at(when.isoformat())._version == version
        if version:
            assert archive.at(when.to_pydatetime() - timedelta(microseconds=1))._version == version - 1
    first = df["at"].min()
    for when in (str(first.date()), first.date(), "now", "today", f"{first:%Y-%m}", f"{first:%Y}"):
        assert archive.at(when)._version == 3
    assert archive.at(first.tz_convert("Asia/Tokyo"))._version == 0
    before = rf"^no version of .*samples was there at .*; the oldest is 0, of {first.isoformat()[:19]}"
    for when in ("2026-01-01", "yesterday", "-1d", first - timedelta(microseconds=1)):
        with pytest.raises(MetadataError, match=before):
            archive.at(when)
    for wrong in ("39", "soon", 1.5, None, True, "2999-01-01", first + timedelta(days=3), first.tz_localize(None)):
        with pytest.raises(SpanError):
            archive.at(wrong)  # type: ignore[arg-type]


def test_what_an_archive_is_is_seen_at_a_glance(place: Path, tmp_path: Path) -> None:
    size = sum(path.stat().st_size for path in (place / "samples").rglob("*.parquet"))
    shown = f"<Archive {place}: 2 points, 24 samples from 2026-01-01 to 2026-01-03, {size / 1e6:,.2f} MB, version 3>"
    assert repr(Archive(place)) == shown
    assert repr(Archive(place).at(1)).endswith(
        f"8 samples from 2026-01-01 to 2026-01-01, {size / 3e6:,.2f} MB, version 1>"
    )
    assert repr(Archive(tmp_path / "none")) == f"<Archive {tmp_path / 'none'}>"
    Tables.open_or_create(Storage(str(tmp_path / "new"), {}), Layout())
    assert repr(Archive(tmp_path / "new")) == f"<Archive {tmp_path / 'new'}: 0 points, 0 samples, 0.00 MB, version 0>"
    shutil.rmtree(place)
    assert repr(Archive(place)) == f"<Archive {place}>"


def test_versions_that_the_log_has_forgotten(place: Path) -> None:
    archive = Archive(place)
    deltalake.DeltaTable(place / "samples").create_checkpoint()
    log = place / "samples" / "_delta_log"
    for number in range(3):
        (log / f"{number:020}.json").unlink()
    add(samples_of(place), day("a", 1, CELLS[1]))
    assert archive.versions["version"].tolist() == [4, 3]
    assert archive.versions["readable"].all()
    with pytest.raises(MetadataError, match=r"version 1 of .* can no longer be read; its versions say which can"):
        archive.at(1)
    assert archive.at(3).to_arrow().count_rows() == 24
    assert len(vacuumed(archive)) == 1
    assert archive.check().empty


def test_vacuum_removes_what_killed_writers_left_and_nothing_that_one_writes(place: Path) -> None:
    archive, folder = Archive(place), place / "samples" / "period=2026-01" / "bucket=0"
    some = next(folder.glob("*.parquet"))
    orphan, young, foreign = (folder / name for name in ("1.parquet", "2.parquet", "part-0.parquet#1"))
    for path in (orphan, young, foreign):
        shutil.copy(some, path)
    for path in (orphan, foreign):
        os.utime(path, (1e9, 1e9))
    (folder / ".x.parquet.0.part").write_bytes(b"1234")
    (folder / "notes.txt").write_text("mine")
    strange = {Path(path).name for path in archive.check()["path"]}
    assert strange == {path.name for path in (orphan, young, foreign)}
    removed = archive.vacuum()
    assert {Path(path).name for path in removed["path"]} == {"1.parquet", "part-0.parquet#1", ".x.parquet.0.part"}
    assert removed["reason"].str.contains("no version counts it|a writer that was killed left it").all()
    assert {path.name for path in folder.iterdir()} == {young.name, "notes.txt"} | {
        Path(file.path).name for file in samples_of(place).files()
    }


def damage(place: Path, how: str) -> None:
    """Do to the first file of samples what happens to files."""
    path = place / "samples" / min(samples_of(place).files(), key=lambda file: file.ts_us).path
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif how == "flipped":
        data = bytearray(path.read_bytes())
        data[60:68] = bytes(byte ^ 0xFF for byte in data[60:68])  # some bytes of a page's head mean nothing
        path.write_bytes(data)
    else:
        table = pq.read_table(path, partitioning=None)
        if how == "no value":
            pq.write_table(table.drop_columns("value"), path)
        elif how == "other rows":
            shifted = table["ts"].cast(pa.int64()).to_numpy() - 400 * DAY_US
            ts = pa.array(shifted).view(pa.timestamp("us", "UTC"))
            pq.write_table(table.set_column(1, "ts", ts), path)
        size = next(file.size for file in samples_of(place).files() if file.path.endswith(path.name))
        for log in (place / "samples" / "_delta_log").glob("*.json"):
            log.write_text(log.read_text().replace(f'"size":{size}', f'"size":{path.stat().st_size}'))


@pytest.mark.parametrize(
    ("how", "problem", "advice"),
    [
        ("missing", "it is not there, and the table counts", r"backup.*repair\(\), and sync\(\)"),
        ("cut", "it has 500 bytes, and the table counts", r"backup.*repair\(\), and sync\(\)"),
        ("flipped", "is damaged or has not the columns", r"backup.*repair\(\), and sync\(\)"),
        ("no value", r"is damaged or has not the columns of its table \(its columns are id, ts, text", r"backup"),
        ("other rows", "its statistics are not those of its rows", r"compact\(\) writes"),
        ("other rows", "8 of its rows are of another partition", r"restore\(version\)"),
    ],
)
def test_check_says_what_is_wrong_with_a_file_and_what_to_do(place: Path, how: str, problem: str, advice: str) -> None:
    damage(place, how)
    found = Archive(place).check()
    assert not found["problem"].str.contains("what to do").any()
    one = found[found["problem"].str.contains(problem)]
    assert len(one) == 1
    assert one["what_to_do"].str.contains(advice).all()
    assert one["path"].str.startswith("samples/period=2026-01/bucket=0/").all()


def test_what_check_says_helps(place: Path) -> None:
    model = content(samples_of(place))
    damage(place, "flipped")
    archive = Archive(place)
    path = place / archive.check()["path"].item()
    with pytest.raises(CodecError, match=r"is damaged.*check\(\) says what to do"):
        content(samples_of(place))
    path.unlink()
    deltalake.DeltaTable(place / "samples").repair()
    assert archive.check()["what_to_do"].tolist() == ["sync() reads anew what is missing"]
    add(samples_of(place), day("a", 0) | day("b", 0, CELLS[1]))  # as a sync does
    assert content(samples_of(place)) == model
    assert vacuumed(archive)["path"].tolist() == []


def test_check_knows_points_without_a_record_and_wrong_clocks(place: Path) -> None:
    tables = Tables.open(Storage(str(place), {}))
    add(tables.samples, day("c", 0))
    ahead = ArchivedRecord({"id": Ref("a")}, (JANUARY_US, JANUARY_US + 40_000 * DAY_US))
    tables.points.put([ahead])
    assert Archive(place).check()["problem"].tolist() == [
        "there are samples of @c, and no record",
        "@a is noted as read from 2026-01-01T00:00:00+00:00 until 2135-07-09T00:00:00+00:00: a clock was wrong",
    ]
    (place / "points" / tables.points.files()[0].path).write_bytes(b"")
    assert Archive(place).check()["what_to_do"].str.contains(r"restore\(version\)").any()


def appended(place: Path, samples: dict[tuple[str, int], Cell], **partition: Any) -> None:
    """What another program appends to the table."""
    table = rows(samples)
    for name, value in {"period": "2026-01", "bucket": 0, **partition}.items():
        table = table.append_column(name, pa.array([value] * len(table), pa.int32() if name == "bucket" else None))
    deltalake.write_deltalake(place / "samples", table.take(np.arange(len(table))[::-1]), mode="append")


def test_rows_that_another_program_put_in_are_read_named_and_put_in_order(place: Path) -> None:
    model, archive = content(samples_of(place)), Archive(place)
    late = ("a", JANUARY_US + 20 * DAY_US + 999)  # its log has milliseconds, cut off
    appended(place, day("a", 1) | {late: CELLS[1]})
    wanted = model | shown({late: CELLS[1]})
    table = samples_of(place)
    assert content(table, ["a"], late[1], late[1] + 1) == shown({late: CELLS[1]})
    problems = archive.check()
    assert problems["problem"].tolist() == [
        "its rows are not sorted by id and ts: another program wrote it",
        "4 samples are there twice, the first of @a: another program put them in",
    ]
    assert problems["what_to_do"].iloc[1] == "sync(since='2026-01-02T00:00:00Z') leaves each once, as the server has it"
    archive.compact()
    assert len(archive.check()) == 1
    assert archive.to_arrow().count_rows() == len(wanted) + 4
    merge(table, rows(day("a", 1)), ["a"], JANUARY_US + DAY_US, JANUARY_US + 2 * DAY_US)  # as a sync does
    assert content(table) == wanted
    assert archive.check().empty


def test_a_file_without_statistics_is_read_and_put_in_order(place: Path) -> None:
    model, archive = content(samples_of(place)), Archive(place)
    for log in (place / "samples" / "_delta_log").glob("*3.json"):
        text = log.read_text()
        begin = text.index('"stats":"') + 9
        log.write_text(text[:begin] + text[text.index('","tags"') :])
    assert content(samples_of(place), ["a"]) == {key: cell for key, cell in model.items() if key[0] == "a"}
    assert archive.check()["problem"].str.contains("the log has no statistics").sum() == 1
    archive.compact()
    assert content(samples_of(place)) == model
    assert archive.check().empty


@pytest.mark.parametrize("what", ["delete", "optimize", "z-order", "restore", "vacuum"])
def test_what_other_programs_do_with_delta_is_not_lost_and_does_no_harm(place: Path, what: str) -> None:
    model, archive = content(samples_of(place)), Archive(place)
    other = deltalake.DeltaTable(place / "samples")
    if what == "delete":
        other.delete("id = 'a'")
        model = {key: cell for key, cell in model.items() if key[0] != "a"}
    elif what == "optimize":
        other.optimize.compact()
    elif what == "z-order":
        other.optimize.z_order(["value"])
    elif what == "restore":
        other.restore(2)
        model = {key: cell for key, cell in model.items() if key[1] < JANUARY_US + 2 * DAY_US}
    else:
        other.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert content(samples_of(place)) == model
    assert archive.to_arrow().count_rows() == len(model)
    more = day("b", 5, CELLS[2]) | day("b", 1, CELLS[2])
    add(samples_of(place), more)
    archive.compact()
    assert content(samples_of(place)) == model | shown(more)
    assert archive.check()["what_to_do"].tolist() == ["sync() reads anew what is missing"] * (what == "restore")
    assert archive.versions["rows"].iloc[0] == len(model | shown(more))
    vacuumed(archive)
    assert content(samples_of(place)) == model | shown(more)


def test_rows_in_another_partition_are_named(place: Path) -> None:
    appended(place, day("a", 5), bucket=3)
    appended(place, day("a", 6), period="may")
    found = Archive(place).check()["problem"]
    assert found.str.contains("4 of its rows are of another partition").sum() == 1
    assert found.str.contains("of another partition").sum() == 2
    Archive(place).compact()


def test_compacting_loses_no_rows_that_another_program_put_into_the_wrong_bucket(tmp_path: Path) -> None:
    table = SampleTable.create(Storage(str(tmp_path / "samples")), Layout("month", 4))
    for number in range(3):
        add(table, day("a", number))
    wrong = next(bucket for bucket in range(4) if bucket != table.layout.bucket("a"))
    for number in range(3, 5):
        appended(tmp_path, day("a", number), bucket=wrong)
    table.refresh()
    df = compact(table, END_US)
    assert df["files_after"].tolist() == [1, 1]
    assert sum(file.rows for file in table.files()) == 20


def test_an_older_version_has_the_records_of_its_time(place: Path) -> None:
    tables = Tables.open(Storage(str(place), {}))
    add(tables.samples, day("a", 0, CELLS[5]))
    tags = {"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "unit": "W", "tz": "UTC"}
    tables.points.put([ArchivedRecord(tags, (JANUARY_US, JANUARY_US + 9 * DAY_US))])
    archive = Archive(place)
    span = ("2026-01-01", "2026-01-09")
    assert archive.points["unit"].tolist() == ["W", "kW"]
    assert {one.unit for one in archive.his_read("@a", span)["a"]} == {"W", "kW"}
    assert archive.at(3).points["unit"].tolist() == ["kW", "kW"]
    assert archive.at(4).points["unit"].tolist() == ["W", "kW"]
    assert archive.at(3).his_read("@a", ("2026-01-01", "2026-01-03")).hs.units == {"a": "kW"}
    for verb in (archive.at(3).compact, archive.at(3).vacuum):
        with pytest.raises(MetadataError, match=r"is version 3; open it without version="):
            verb()


def test_a_scanner_has_the_samples_of_points_and_spans(place: Path) -> None:
    archive = Archive(place)
    assert archive.to_arrow().count_rows() == 24
    table = archive.to_arrow("@a", "2026-01-02", ["ts", "value"]).to_table()
    assert table.schema.types == [pa.timestamp("us", "UTC"), pa.float64()]
    assert table["value"].to_pylist() == [1.5] * 4
    assert archive.to_arrow(["@a", "@b"]).to_reader().read_all().num_rows == 24
    spans: list[tuple[SpanLike, int]] = [(("2026-01-03", None), 8), ("2025", 0)]
    for span, count in spans:
        with pytest.warns(ReadWarning, match="points may lack samples"):
            assert archive.to_arrow(span=span).count_rows() == count
    with pytest.raises(MetadataError, match=r"columns must be of id, ts, value, text, unit; got 'bucket'"):
        archive.to_arrow(columns=["bucket"])


def test_a_table_that_needs_more_than_its_files_is_refused(place: Path) -> None:
    other = deltalake.DeltaTable(place / "samples")
    other.alter.add_feature([deltalake.TableFeatures.DeletionVectors], allow_protocol_versions_increase=True)
    with pytest.raises(MetadataError, match=r"its files alone do not tell its rows \(deletionVectors\)"):
        Archive(place).to_arrow()


def test_a_relative_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.parent)
    archive = Archive(place.name)
    assert archive.to_arrow().count_rows() == 24
    assert archive.check().empty
    assert archive.compact()["files_after"].tolist() == [1]
    assert len(vacuumed(archive)) == 3
