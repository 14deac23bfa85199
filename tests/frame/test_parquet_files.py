"""Several Parquet files as one frame, and parts of them: a folder, a list, file objects, columns and filters."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

import hsframe
from hsframe.errors import CodecError, MetadataError, UnitError
from hsframe.frame.histories import History
from hsframe.frame.parquet import read_parquet, write_parquet
from hsframe.frame.points import Point, attach, differing_of
from hsframe.frame.trend import trend_frame
from hsframe.kinds import Number
from hsframe.unit_array.dtype import UnitDtype


def month(
    number: int, unit: str = "°F", *, ident: str = "z", tz: str = "America/New_York", label: str = "Zone", rows: int = 3
) -> pd.DataFrame:
    index = pd.date_range(f"2024-{number:02}-01", periods=rows, freq="h", tz=tz, unit="us", name="ts")
    values = np.arange(rows) + 10.0 * number
    df = pd.DataFrame(
        {label: pd.array(values, dtype=UnitDtype(unit)), "Fan": pd.array([True] * rows, "boolean")}, index
    )
    points = {
        label: Point(ident, "Zone", "°F", "New_York", "Number"),
        "Fan": Point("f", "Fan", None, "New_York", "Bool"),
    }
    attach(df, points, differing={label: 1})
    return df


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        write_parquet(month(number), tmp_path / f"month-{number}.parquet")
    (tmp_path / "notes.txt").write_text("no table")
    return tmp_path


def test_a_folder_a_list_and_file_objects_are_one_frame(folder: Path) -> None:
    expected = hsframe.concat([month(1), month(2), month(3)])
    files = sorted(folder.glob("*.parquet"))
    for path in (folder, str(folder), files, [files[0], files[1], io.BytesIO(files[2].read_bytes())]):
        df = read_parquet(path)
        pd.testing.assert_frame_equal(df, expected)
        assert df.hs.points["id"].tolist() == ["z", "f"]
        assert differing_of(df) == {"Zone": 3}
    backwards = hsframe.concat([month(3), month(2), month(1)])
    pd.testing.assert_frame_equal(read_parquet(files[::-1]), backwards)
    pd.testing.assert_frame_equal(read_parquet([folder, files[0]]), hsframe.concat([expected, month(1)]))


def test_a_file_object_is_as_the_file(folder: Path) -> None:
    with (folder / "month-1.parquet").open("rb") as file:
        df = read_parquet(file, columns=["Zone"], filters=[("Zone", ">", 11)])
        assert df["Zone"].tolist() == [12]
        pd.testing.assert_frame_equal(read_parquet(file), month(1), check_freq=False)
    with pytest.raises(CodecError, match="the BytesIO is not a Parquet file"):
        read_parquet(io.BytesIO(b"PAR1"))


def test_units_convert_and_are_told_apart_by_file(folder: Path) -> None:
    write_parquet(month(4, "°C"), folder / "month-4.parquet")
    df = read_parquet(folder)
    assert df.hs.units["Zone"] == "°F"
    assert df["Zone"].iloc[-3].val == pytest.approx(40 * 1.8 + 32)
    with pytest.raises(UnitError, match=r"'Zone' is in °F in .*month-1.* and in °C in .*month-4.*without filters="):
        read_parquet(folder, filters=[("Zone", ">", 20)])
    write_parquet(month(5, "kW"), folder / "month-5.parquet")
    with pytest.raises(UnitError, match=r"'Zone' is in °F in .*month-1\.parquet and in kW in .*month-5\.parquet"):
        read_parquet(folder)


def test_files_of_other_columns_or_points_are_refused(folder: Path) -> None:
    write_parquet(month(4, ident="other"), folder / "month-4.parquet")
    with pytest.raises(MetadataError, match=r"'Zone' is of the point @z in .*month-1.* and of @other in .*month-4"):
        read_parquet(folder)
    assert read_parquet(folder, columns=["Fan"]).shape == (12, 1)
    write_parquet(month(4, label="Room"), folder / "month-4.parquet")
    with pytest.raises(
        MetadataError, match=r"month-1\.parquet and .*month-4\.parquet have not the same columns: 'Room'"
    ):
        read_parquet(folder)


def test_rows_of_other_zones_are_shown_in_the_first(folder: Path) -> None:
    write_parquet(month(4, tz="Europe/London"), folder / "month-4.parquet")
    df = read_parquet(folder)
    assert str(df.index.dtype) == "datetime64[us, America/New_York]"
    assert df.index[-1] == pd.Timestamp("2024-04-01 02:00", tz="Europe/London")


def test_what_is_no_file_is_named(tmp_path: Path, folder: Path) -> None:
    (folder / "x.parquet").write_text("ts,val\n")
    with pytest.raises(CodecError, match=r"x\.parquet is not a Parquet file"):
        read_parquet(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MetadataError, match=r"no \*\.parquet files in the folder .*empty"):
        read_parquet(empty)
    (empty / "_delta_log").mkdir()
    with pytest.raises(MetadataError, match="a Delta table"):
        read_parquet(empty)
    with pytest.raises(MetadataError, match="the list of files is empty"):
        read_parquet([])
    with pytest.raises(FileNotFoundError, match="none"):
        read_parquet([folder / "month-1.parquet", tmp_path / "none.parquet"])


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ([("Zone", ">", 20)], [21, 22, 30, 31, 32]),
        ([("Zone", ">", 20), ("Zone", "<", 31)], [21, 22, 30]),
        ([[("Zone", "<", 11)], [("Zone", ">=", 32)]], [10, 32]),
        ([("Zone", "in", [10, hsframe.Number(32, "°F")])], [10, 32]),
        ([("Zone", "<", hsframe.Number(-12, "°C"))], [10]),
        ([("ts", ">=", pd.Timestamp("2024-03-01 06:30", tz="UTC"))], [32]),
        # A date is its whole day, in New York.
        ([("ts", ">=", date(2024, 3, 1))], [30, 31, 32]),
        ([("ts", ">", date(2024, 2, 1))], [30, 31, 32]),
        ([("ts", "<=", date(2024, 2, 1))], [10, 11, 12, 20, 21, 22]),
        ([("ts", "<", date(2024, 2, 1))], [10, 11, 12]),
        ([("ts", ">=", date(2024, 2, 1)), ("ts", "<=", date(2024, 2, 1))], [20, 21, 22]),
        ([("Fan", "==", False)], []),
        (pc.field("Zone") == 21, [21]),
    ],
)
def test_filters(folder: Path, filters: Any, rows: list[float]) -> None:
    assert read_parquet(folder, filters=filters)["Zone"].tolist() == rows
    df = read_parquet(folder, columns=["Fan"], filters=filters)
    assert df.columns.tolist() == ["Fan"]
    assert len(df) == len(rows)
    assert df.index.name == "ts"


def tidy(tz: str) -> pd.DataFrame:
    """Samples of every three hours from six in the evening of the first of March: two, and four from midnight on."""
    ts = pd.date_range("2024-03-01 18:00", periods=6, freq="3h", tz=tz).as_unit("us")
    values = [Number(n, "kW") for n in range(6)]
    point = Point("a", "Meter", "kW", tz.partition("/")[2], "Number")
    return trend_frame([History(point, ts.asi8, values)], shape="tidy")


@pytest.mark.parametrize(
    ("filters", "values"),
    [
        ([("ts", ">=", date(2024, 3, 2))], [2, 3, 4, 5]),
        ([("ts", ">", date(2024, 3, 1))], [2, 3, 4, 5]),
        ([("ts", "<=", date(2024, 3, 1))], [0, 1]),
        ([("ts", "<", date(2024, 3, 2)), ("id", "==", "a")], [0, 1]),
        ([[("ts", "<", date(2024, 3, 2))], [("value", ">=", 5)]], [0, 1, 5]),
    ],
)
def test_a_date_is_a_day_of_the_zone_that_a_tidy_file_says(tmp_path: Path, filters: Any, values: list[float]) -> None:
    write_parquet(tidy("America/New_York"), tmp_path / "1.parquet")
    for columns in (None, ["value"]):
        assert read_parquet(tmp_path, columns, filters)["value"].tolist() == values
    write_parquet(tidy("Asia/Tokyo"), tmp_path / "2.parquet")  # in a folder it is the day of each file
    assert read_parquet(tmp_path, filters=filters)["value"].tolist() == values * 2


def test_a_date_is_a_day_of_a_fixed_offset(tmp_path: Path) -> None:
    df = tidy("America/New_York")
    df = df.assign(ts=df["ts"].dt.tz_convert(timezone(timedelta(hours=-5))))
    for name, frame in (("tidy", df), ("wide", df[["ts", "value"]].set_index("ts"))):
        write_parquet(frame, tmp_path / f"{name}.parquet")
        back = read_parquet(tmp_path / f"{name}.parquet", filters=[("ts", ">=", date(2024, 3, 2))])
        pd.testing.assert_frame_equal(back, frame.iloc[2:].reset_index(drop=True) if name == "tidy" else frame.iloc[2:])


def test_times_in_a_filter_of_a_tidy_file_have_a_zone(tmp_path: Path) -> None:
    write_parquet(tidy("America/New_York"), tmp_path / "tidy.parquet")
    for tz in ("America/New_York", "UTC", "Asia/Tokyo"):
        limit = pd.Timestamp("2024-03-02", tz="America/New_York").tz_convert(tz)
        assert read_parquet(tmp_path, filters=[("ts", ">=", limit)])["value"].tolist() == [2, 3, 4, 5]
    for time in ("2024-03-02", pd.Timestamp("2024-03-02"), np.datetime64("2024-03-02")):
        with pytest.raises(MetadataError, match=r"has the time .*in America/New_York; .*, tz='America/New_York'"):
            read_parquet(tmp_path, filters=[("ts", ">=", time)])
    naive = tidy("America/New_York")
    write_parquet(naive.assign(ts=naive["ts"].dt.tz_localize(None)), tmp_path / "tidy.parquet")
    assert read_parquet(tmp_path, filters=[("ts", ">=", date(2024, 3, 2))])["value"].tolist() == [2, 3, 4, 5]


def test_times_without_a_zone_are_compared_with_such(tmp_path: Path) -> None:
    index = pd.DatetimeIndex(["2024-01-01", "2024-01-01 12:00", "2024-01-02"], name="ts")
    write_parquet(pd.DataFrame({"x": [1.0, 2, 3]}, index), tmp_path / "local.parquet")
    assert read_parquet(tmp_path, filters=[("ts", "<=", date(2024, 1, 1))])["x"].tolist() == [1, 2]
    assert read_parquet(tmp_path, filters=[("ts", ">", pd.Timestamp("2024-01-01"))])["x"].tolist() == [2, 3]
    for operator, value in ((">=", "2024-01-02"), ("in", ["2024-01-02"]), ("not in", ["2024-01-02"])):
        with pytest.raises(
            MetadataError, match=r"has the time '2024-01-02', .*without a zone; expected as in pd.Times"
        ):
            read_parquet(tmp_path, filters=[("ts", operator, value)])
    with pytest.raises(MetadataError, match="the column's times are without a zone"):
        read_parquet(tmp_path, filters=[("ts", ">", pd.Timestamp("2024-01-01", tz="UTC"))])


def test_a_filter_knows_the_units_of_files_that_pandas_wrote(tmp_path: Path) -> None:
    month(1).to_parquet(tmp_path / "pandas.parquet")
    for limit in (11, hsframe.Number(11, "°F"), hsframe.Number(-11.6, "°C")):
        df = read_parquet(tmp_path, filters=[("Zone", ">", limit)])
        assert df["Zone"].tolist() == [12]
        assert df["Zone"].dtype == UnitDtype("°F")


def test_what_is_no_file(folder: Path) -> None:
    for path in (None, 3, b"month-1.parquet", [None]):
        with pytest.raises(MetadataError, match="is no file; expected a path"):
            read_parquet(path)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(read_parquet(folder.glob("month-1.*")), month(1), check_freq=False)
    with pytest.raises(MetadataError, match="the list of files is empty"):
        read_parquet(folder.glob("none*"))
    (folder / ".month-0.parquet").write_text("half a file")
    assert len(read_parquet(folder)) == 9
    for table in ("x", month(1), None):
        with pytest.raises(MetadataError, match="is not an Arrow table; expected"):
            hsframe.arrow_to_frame(table)


def test_an_interval_that_is_none_is_refused(tmp_path: Path) -> None:
    table = hsframe.frame_to_arrow(month(1))
    for interval in ({"length": "1h", "label": "mid"}, {"length": "1 fortnight", "label": "end"}):
        content = json.loads(table.schema.metadata[b"hsframe"]) | {"interval": interval}
        strange = table.replace_schema_metadata({**table.schema.metadata, b"hsframe": json.dumps(content).encode()})
        with pytest.raises(hsframe.HsFrameError, match=r"label='mid' is unknown|'fortnight' is not a unit"):
            hsframe.arrow_to_frame(strange)


def test_the_categories_of_an_empty_text_stay_texts(tmp_path: Path) -> None:
    df = pd.DataFrame({"Mode": pd.Categorical([], categories=pd.Index([], dtype="str"))})
    back = hsframe.arrow_to_frame(hsframe.frame_to_arrow(df))
    pd.testing.assert_frame_equal(back, df, check_index_type=False)


def test_a_filter_takes_a_value_with_a_unit_as_it_is_computed(folder: Path) -> None:
    limit = month(1).hs.to("si")["Zone"].max()
    assert str(limit) == f"{limit.val} °C"
    assert read_parquet(folder / "month-1.parquet", filters=[("Zone", ">=", limit + 0.0)])["Zone"].tolist() == [12]


@pytest.mark.parametrize(
    ("filters", "error", "words"),
    [
        ([("Zoen", ">", 20)], MetadataError, r"Zoen.*do not fit .*month-1\.parquet.*the columns are Zone, Fan, ts"),
        ([("ts", ">", "2024-01-01")], MetadataError, r"has the time '2024-01-01', .*America/New_York; expected"),
        (
            [("ts", ">", pd.Timestamp("2024-01-01"))],
            MetadataError,
            r"expected as in pd\.Timestamp\('2026.*, tz='America",
        ),
        ([("ts", "in", [np.datetime64("2024-01-01")])], MetadataError, "has the time"),
        ([("ts", "==", date(2024, 1, 1))], MetadataError, r"a whole day.*\('ts', '<=', day\)"),
        ([("ts", "in", [date(2024, 1, 1)])], MetadataError, "a whole day"),
        ([("Zone", "~", 1)], MetadataError, "not a valid operator"),
        ([("Zone", "==", None)], MetadataError, r"compares with a missing value, .*field\('Zone'\)\.is_null\(\)"),
        ([[("Fan", "in", [True, pd.NA])]], MetadataError, "compares with a missing value"),
        ([("ts", ">", pd.NaT)], MetadataError, "compares with a missing value"),
        ("Zone > 71", MetadataError, "expected as in"),
        ([("Zone", ">", hsframe.Number(1, "kW"))], UnitError, "kW"),
        ([("Fan", "==", hsframe.Number(1, "kW"))], UnitError, "the column has no unit"),
    ],
)
def test_filters_that_do_not_fit(folder: Path, filters: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_parquet(folder, filters=filters)


def test_a_filter_never_gives_the_rows_of_a_damaged_file(folder: Path) -> None:
    file = folder / "month-1.parquet"
    body = bytearray(file.read_bytes())
    body[60] ^= 0xFF
    file.write_bytes(body)
    with pytest.raises(CodecError, match=r"month-1\.parquet"):
        read_parquet(file, filters=[("Zone", ">", 0)])


def test_tidy_files_of_different_points_are_one_table(tmp_path: Path) -> None:
    def history(ident: str, unit: str) -> History:
        return History(
            Point(ident, "Zone", unit, "UTC", "Number"), np.array([0, 1]), [Number(1, unit), Number(2, unit)]
        )

    write_parquet(trend_frame([history("b", "kW"), history("c", "kW")], shape="tidy"), tmp_path / "1.parquet")
    write_parquet(trend_frame([history("a", "°F")], shape="tidy"), tmp_path / "2.parquet")
    df = read_parquet(tmp_path).reset_index(drop=True)
    assert df["id"].tolist() == ["b", "b", "c", "c", "a", "a"]
    assert df["id"].cat.categories.tolist() == ["a", "b", "c"]
    assert df["unit"].tolist() == ["kW"] * 4 + ["°F"] * 2
    assert df.hs.points["id"].tolist() == ["b", "c", "a"]
    part = read_parquet(tmp_path, filters=[("id", "==", "b"), ("ts", ">", pd.Timestamp(0, tz="UTC"))])
    assert part[["id", "value"]].to_numpy().tolist() == [["b", 2.0]]
