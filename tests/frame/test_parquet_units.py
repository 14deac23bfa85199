"""Parquet and Arrow: units kept, plain for everyone else, version 1 for ever."""

import json
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hsframe.errors import CodecError, MetadataError
from hsframe.frame.arrow import arrow_to_frame, frame_to_arrow
from hsframe.frame.histories import History
from hsframe.frame.parquet import read_parquet, write_parquet
from hsframe.frame.points import Point, attach, differing_of
from hsframe.frame.trend import trend_frame
from hsframe.kinds import NA, Number
from hsframe.unit_array.dtype import UnitDtype

VERSION_1 = Path(__file__).parent.parent / "data" / "parquet" / "version-1.parquet"


def trend():
    """Two clock changes' worth of everything that a trend frame holds."""
    index = pd.date_range("2024-11-03", periods=5, freq="h", tz=ZoneInfo("America/New_York"), unit="us", name="ts")
    df = pd.DataFrame(
        {
            "Zone Temp": pd.array([70.0, 71.5, np.nan, 73.0, 75.25], dtype=UnitDtype("°F")),
            "Meter": pd.array([1.0, 2.0, np.inf, -4.0, 5.0], dtype=UnitDtype("kW")),
            "Own": pd.array([1.0, 2.0, 3.0, 4.0, 5.0], dtype=UnitDtype("furlong")),
            "COP": [1.0, 2.0, 3.0, 4.0, np.nan],
            "Fan": pd.array([True, None, False, True, True], dtype="boolean"),
            "Mode": pd.Categorical(["off", "heat", None, "heat", "off"]),
        },
        index=index,
    )
    points = {
        "Zone Temp": Point("p:zone", "Zone Temp", "°C", "New_York", "Number"),
        "Meter": Point("p:meter", "Main Meter", "kW", "New_York", "Number"),
        "Fan": Point("p:fan", "Fan", None, "New_York", "Bool"),
        "Mode": Point("p:mode", "Mode", None, "New_York", "Str"),
    }
    attach(df, points, differing={"Meter": 3})
    return df


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "trend.parquet"
    write_parquet(trend(), file)
    return file


def assert_same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_freq=False)
    assert isinstance(found.index.tz, ZoneInfo)
    assert found.hs.points.to_dict() == expected.hs.points.to_dict()
    assert differing_of(found) == differing_of(expected)


def test_there_and_back(path):
    assert_same(read_parquet(path), trend())


def test_arrow_there_and_back():
    assert_same(arrow_to_frame(trend().hs.to_arrow()), trend())


def test_the_frame_that_is_written_stays_as_it_is(tmp_path):
    df = trend()
    write_parquet(df, tmp_path / "x.parquet")
    assert_same(df, trend())


def test_what_is_read_can_be_written_into(path):
    df = read_parquet(path)
    df.iloc[0, 0] = 1.0
    df.iloc[0, 3] = 2.0
    assert (df.iloc[0, 0], df.iloc[0, 3]) == (1.0, 2.0)


def test_what_stands_in_the_file(path):
    schema = pq.read_schema(path)
    types = {field.name: str(field.type) for field in schema}
    assert types["Zone Temp"] == types["Meter"] == types["COP"] == "double"
    assert types["ts"] == "timestamp[us, tz=America/New_York]"
    assert schema.field("Zone Temp").metadata == {
        b"hsframe:unit": "°F".encode(),
        b"hsframe:id": b"p:zone",
        b"hsframe:dis": b"Zone Temp",
        b"hsframe:tz": b"New_York",
        b"hsframe:kind": b"Number",
    }
    assert schema.field("COP").metadata is None
    assert json.loads(schema.metadata[b"hsframe"]) == {
        "version": 1,
        "recordUnits": {"Zone Temp": "°C"},
        "differing": {"Meter": 3},
        "units": {"Zone Temp": "°F", "Meter": "kW", "Own": "furlong"},
    }
    described = {column["name"]: column["numpy_type"] for column in schema.pandas_metadata["columns"]}
    assert described["Zone Temp"] == described["Meter"] == "float64"
    assert pq.read_table(path).column("Zone Temp").null_count == 1


def test_version_1_is_read_for_ever():
    assert_same(read_parquet(VERSION_1), trend())


def test_columns_by_name(path):
    assert read_parquet(path, columns=["Meter"]).hs.units == {"Meter": "kW"}
    assert list(read_parquet(path, columns=["Meter", "Mode"]).columns) == ["Meter", "Mode"]
    assert read_parquet(path, columns=["Meter"]).index.name == "ts"
    with pytest.raises(MetadataError, match="no column 'Mter'; it has Zone Temp"):
        read_parquet(path, columns=["Mter"])


READERS = {
    "pandas": """
import pandas as pd
df = pd.read_parquet(PATH)
assert str(df["Zone Temp"].dtype) == "float64", df.dtypes
assert df["Zone Temp"].isna().sum() == 1 and df["Meter"].iloc[0] == 1.0
assert str(df.index.tz) == "America/New_York"
print(df["Zone Temp"].sum())
""",
    "polars": """
import polars as pl
df = pl.read_parquet(PATH)
assert df.schema["Zone Temp"] == pl.Float64, df.schema
assert df.schema["ts"] == pl.Datetime("us", "America/New_York"), df.schema
assert df["Zone Temp"].null_count() == 1
assert df["Mode"].to_list() == ["off", "heat", None, "heat", "off"]
print(df["Zone Temp"].sum())
""",
    "duckdb": """
import duckdb
counts = 'sum("Zone Temp"), count("Zone Temp"), count(*), min(epoch_us(ts))'
(row,) = duckdb.sql(f"select {counts} from '{PATH}'").fetchall()
assert row[1:3] == (4, 5), row
assert row[3] == 1730606400000000, row
print(row[0])
""",
    "pyarrow": """
import pyarrow.parquet as pq
field = pq.read_schema(PATH).field("Zone Temp")
assert field.metadata[b"hsframe:unit"].decode() == chr(176) + "F"
print(289.75)
""",
}


@pytest.mark.one_python
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("file", ["new", "version 1"])
def test_others_read_it_without_hsframe(path, reader, file):
    pytest.importorskip(reader)
    target = path if file == "new" else VERSION_1
    code = f"PATH = {str(target)!r}\n{READERS[reader]}\nimport sys\nassert 'hsframe' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == 289.75


@pytest.mark.parametrize(
    ("reader", "code"),
    [
        ("polars", "pl.read_parquet(PATH).cast({'id': str, 'unit': str}).select('id', 'value', 'text', 'unit').rows()"),
        ("duckdb", "duckdb.sql(f\"select id, value, text, unit from '{PATH}'\").fetchall()"),
    ],
)
def test_others_read_the_columns_of_a_tidy_file(tmp_path, reader, code):
    module = pytest.importorskip(reader)
    parts = [
        History(Point("b", "b", "kW", "UTC", "Number"), np.array([0, 1]), [Number(1, "kW"), NA]),
        History(Point("a", "a", None, "UTC", "Str"), np.array([0]), ["x"]),
    ]
    write_parquet(trend_frame(parts, shape="tidy"), tmp_path / "tidy.parquet")
    rows = eval(code, {"PATH": str(tmp_path / "tidy.parquet"), "pl": module, "duckdb": module})
    assert rows == [("a", None, "x", None), ("b", 1.0, None, "kW"), ("b", None, None, "kW")]


def test_to_parquet_of_pandas_works_too(tmp_path):
    df = trend()
    file = tmp_path / "pandas.parquet"
    df.to_parquet(file)
    back = pd.read_parquet(file)
    pd.testing.assert_frame_equal(back, df, check_freq=False)
    assert back.hs.points.to_dict() == df.hs.points.to_dict()
    assert pq.read_schema(file).field("Meter").type == pa.float64()
    assert read_parquet(file).hs.units == df.hs.units


def test_a_file_of_others_is_what_pandas_makes_of_it(tmp_path):
    file = tmp_path / "plain.parquet"
    plain = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    plain.to_parquet(file)
    pd.testing.assert_frame_equal(read_parquet(file), plain)
    pq.write_table(pa.table({"a": [1.0], "b": ["x"]}), file)
    assert list(read_parquet(file).columns) == ["a", "b"]


def test_entities_and_other_indexes(tmp_path):
    file = tmp_path / "x.parquet"
    df = pd.DataFrame({"id": ["a", "b"], "area": pd.array([1.0, 2.0], dtype=UnitDtype("m²")), "site": [True, False]})
    write_parquet(df, file)
    pd.testing.assert_frame_equal(read_parquet(file), df)
    numbered = df.set_axis(pd.Index([5, 7], name="k"))
    write_parquet(numbered, file)
    pd.testing.assert_frame_equal(read_parquet(file), numbered)
    write_parquet(df.iloc[:0], file)
    pd.testing.assert_frame_equal(read_parquet(file), df.iloc[:0])


def test_time_below_the_microsecond_is_cut_off():
    df = trend()
    df.index = df.index.as_unit("ns") + pd.Timedelta("1ns")
    table = frame_to_arrow(df)
    assert str(table.schema.field("ts").type) == "timestamp[us, tz=America/New_York]"
    assert_same(arrow_to_frame(table), trend())


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"version": 2}', "written in version 2 of the format, and this hsframe reads up to 1"),
        (b'{"version": "1"}', "no whole number 'version'"),
        (b"[]", "no whole number 'version'"),
        (b'{"version": 1, "recordUnits": 3}', "'recordUnits' in the schema's key 'hsframe' must be an object"),
    ],
)
def test_a_schema_key_that_is_not_ours_is_refused(key, message):
    table = frame_to_arrow(trend())
    broken = table.replace_schema_metadata({**table.schema.metadata, b"hsframe": key})
    with pytest.raises(MetadataError, match=message):
        arrow_to_frame(broken)


def test_a_key_of_later_days_is_passed_over():
    table = frame_to_arrow(trend())
    content = {**json.loads(table.schema.metadata[b"hsframe"]), "colour": "green"}
    later = table.replace_schema_metadata({**table.schema.metadata, b"hsframe": json.dumps(content).encode()})
    assert_same(arrow_to_frame(later), trend())


def test_a_field_that_is_not_what_it_says_is_refused_by_name():
    texts = pa.table([pa.array(["x"])], schema=pa.schema([pa.field("a", pa.string(), metadata={"hsframe:unit": "kW"})]))
    with pytest.raises(MetadataError, match="column 'a' has the metadata hsframe:unit = 'kW', but holds string"):
        arrow_to_frame(texts)
    bad = pa.table(
        [pa.array([1.0])], schema=pa.schema([pa.field("a", pa.float64(), metadata={"hsframe:unit": b"\xff"})])
    )
    with pytest.raises(MetadataError, match="hsframe:unit of column 'a' is not valid UTF-8"):
        arrow_to_frame(bad)


def test_what_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "x.parquet"
    twice = pd.concat([trend()[["COP"]], trend()[["COP"]]], axis=1)
    with pytest.raises(MetadataError, match="twice: COP"):
        write_parquet(twice, file)
    mixed = pd.DataFrame({"m": pd.concat([trend()["Meter"], trend()["Zone Temp"]], ignore_index=True)})
    with pytest.raises(MetadataError, match="columns of objects cannot be written: m"):
        write_parquet(mixed, file)
    for strange in (
        pd.DataFrame({"a": [1j, 2.0]}),
        pd.DataFrame({"a": pd.arrays.SparseArray([1.0, 0.0])}),
        pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)}),
        pd.DataFrame({"a": [2**70]}),
        pd.DataFrame([[1.0, 2.0]], columns=[0, "0"]),
    ):
        with pytest.raises(MetadataError):
            write_parquet(strange, file)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_parquet_file_says_so(tmp_path):
    file = tmp_path / "x.parquet"
    file.write_text("ts,val\n")
    with pytest.raises(CodecError, match=r"x\.parquet is not a Parquet file"):
        read_parquet(file)
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "none.parquet")


def test_a_series_is_no_frame(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match=r"a Series is not a frame; .*to_frame"):
        write_parquet(trend()["COP"], tmp_path / "x.parquet")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
