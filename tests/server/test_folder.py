"""A folder of Parquet files, served."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hsframe.errors import CodecError, MetadataError, ReadWarning
from hsframe.frame.parquet import write_parquet
from hsframe.frame.trend import trend_frame
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.folder import parquet_folder
from hsframe.testing.server import running_server

START = datetime(2026, 11, 1, 4, tzinfo=UTC)


def write(
    path: Path, columns: dict[str, Any], meta: dict[str, dict[str, str]] | None = None, tz: Any = "America/New_York"
) -> None:
    rows = len(next(iter(columns.values())))
    times = pa.array([START + timedelta(hours=hour) for hour in range(rows)], pa.timestamp("us", tz))
    table = pa.table({"ts": times, **columns})
    told = meta or {}
    fields = [field.with_metadata(told.get(field.name, {})) for field in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), path)


KW = {
    "hsframe:unit": "kW",
    "hsframe:id": "kw",
    "hsframe:dis": "Power",
    "hsframe:tz": "New_York",
    "hsframe:kind": "Number",
    "hsframe:his": "{hisInterval:15min hisTotalized}",
}


def test_of_points_in_several_zones_the_server_is_in_utc(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"Power": [1.0]}, tz="America/New_York")
    write(tmp_path / "b.parquet", {"Power": [1.0]}, tz="Europe/London")
    database = parquet_folder(tmp_path)
    assert (database.tz, [site["tz"] for site in database.query("site")]) == ("UTC", ["UTC"])


def test_files_with_metadata_and_without(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"Power": [1.0, None, math.nan, math.inf]}, {"Power": KW})
    write(
        tmp_path / "b c.parquet", {"Fan °": [True, None, False, True], "n": [1, 2, 3, 4], "text": ["x", "y", None, ""]}
    )
    database = parquet_folder(tmp_path)
    assert database.tz == "New_York"
    power = database.get("kw")
    assert power is not None
    assert (power["dis"], power["unit"], power["tz"], power["kind"]) == ("Power", "kW", "New_York", "Number")
    assert (power["hisInterval"], power["hisTotalized"], power["equipRef"]) == (
        Number(15, "min"),
        MARKER,
        Ref("file-a"),
    )
    samples = database.history("kw")
    assert list(samples.column(slice(None), "kW")) == [Number(1, "kW"), Number(math.inf)]
    assert [us // 3_600_000_000 for us in samples.ts_us - samples.ts_us[0]] == [0, 3]
    assert list(database.history("file-b_c-Fan_").column(slice(None), None)) == [True, False, True]
    assert list(database.history("file-b_c-n").column(slice(None), None)) == [Number(n) for n in (1, 2, 3, 4)]
    assert list(database.history("file-b_c-text").column(slice(None), None)) == ["x", "y", ""]
    assert [rec["dis"] for rec in database.query("point and equipRef == @file-b_c")] == ["Fan °", "n", "text"]
    assert [rec["id"] for rec in database.query("site")] == [Ref("site")]


def test_tags_that_are_none_are_named_with_their_point(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"Power": [1.0]}, {"Power": KW | {"hsframe:his": "{"}})
    with pytest.raises(MetadataError, match=r"the tags of @kw \(Power\) must be a Zinc dict"):
        parquet_folder(tmp_path)


def test_a_point_in_two_files_is_one_point(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"Power": [1.0, 2.0]}, {"Power": KW})
    write(tmp_path / "b.parquet", {"Power": [None, 20.0, 30.0]}, {"Power": KW})
    database = parquet_folder(tmp_path)
    assert [cell.val for cell in database.history("kw").column(slice(None), "kW")] == [1, 20, 30]
    write(tmp_path / "c.parquet", {"Power": [1.0]}, {"Power": {**KW, "hsframe:unit": "W"}})
    with pytest.raises(MetadataError, match=r"@kw .*c\.parquet.*unit 'kW' and 'W'"):
        parquet_folder(tmp_path)


def test_what_cannot_be_served_is_named(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match=r"no \*\.parquet files"):
        parquet_folder(tmp_path)
    write(tmp_path / "a.parquet", {"Power": [1.0]}, tz=None)
    with pytest.raises(MetadataError, match=r"a\.parquet has no column of times with a zone; it has ts \(timestamp"):
        parquet_folder(tmp_path)
    times = pa.array([START, None], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"ts": times, "Power": [1.0, 2.0]}), tmp_path / "a.parquet")
    with pytest.raises(MetadataError, match=r"a\.parquet has rows without a time, in its column 'ts'"):
        parquet_folder(tmp_path)
    write_parquet(trend_frame([], shape="tidy"), tmp_path / "a.parquet")
    with pytest.raises(MetadataError, match=r"a\.parquet has a row per sample"):
        parquet_folder(tmp_path)


def test_pandas_own_files(tmp_path: Path) -> None:
    index = pd.date_range("2026-11-01", periods=5, freq="h", tz="Europe/London", name="ts")
    mode = pd.Categorical(["off", "on", "on", "off", "on"])
    price = [Decimal("1.50")] * 5
    columns = {"a": [1.0, 2, 3, 4, 5], "mode": mode, "price": price, "day": [date(2026, 11, 1)] * 5}
    pd.DataFrame(columns, index=index).to_parquet(tmp_path / "a.parquet")
    with pytest.warns(ReadWarning, match=r"a\.parquet: the column 'day' is not served; no history has date32"):
        database = parquet_folder(tmp_path)
    with running_server(database, users={}) as server:
        rec = server.database.get("file-a-a")
        assert rec is not None
        assert rec["tz"] == "London"
        assert server.database.history("file-a-a").ts_us[0] == index[0].value // 1000
        assert server.database.history("file-a-mode").values.tolist() == list(mode)
        assert server.database.history("file-a-price").values.tolist() == [1.5] * 5
        assert server.database.get("file-a-day") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"x": [1.0]})
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(CodecError, match=r"b\.parquet is not a Parquet file, or is a damaged one"):
        parquet_folder(tmp_path)
    write(tmp_path / "b.parquet", {"x": [1.0]}, {"x": {"hsframe:unit": b"\xff"}})
    with pytest.raises(MetadataError, match="hsframe:unit of column 'x' is not valid UTF-8"):
        parquet_folder(tmp_path)
