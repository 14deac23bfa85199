"""A damaged Parquet file is told as one: whatever the bytes are, a frame comes or an error of ours."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe import frame_to_his_grids
from hsframe.errors import CodecError, MetadataError
from hsframe.frame.arrow import arrow_to_frame, frame_to_arrow
from hsframe.frame.parquet import read_parquet, write_parquet
from hsframe.frame.points import Point, attach
from hsframe.frame.reads import Read, reads_of
from hsframe.frame.stamps import Interval
from hsframe.unit_array.dtype import UnitDtype

pytestmark = pytest.mark.filterwarnings("ignore:column .* was written in:hsframe.UnitWarning")


def small() -> pd.DataFrame:
    index = pd.date_range("2024-11-03", periods=4, freq="h", tz="America/New_York", unit="us", name="ts")
    df = pd.DataFrame({"Power": pd.array([1.0, 2.0, 3.0, 4.0], dtype=UnitDtype("kW"))}, index=index)
    attach(df, {"Power": Point("p:1", "Power", "MW", "New_York", "Number")}, differing={"Power": 1})
    return df


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet")


@pytest.fixture(scope="module")
def body(folder: Path) -> bytes:
    write_parquet(small(), folder / "good.parquet")
    return (folder / "good.parquet").read_bytes()


def read(body: bytes, folder: Path) -> pd.DataFrame | None:
    path = folder / "x.parquet"
    path.write_bytes(body)
    try:
        df = read_parquet(path)
    except (CodecError, MetadataError):
        return None
    # What is read can be looked at, too.
    assert repr(df)
    assert df.hs.units is not None
    assert df.hs.points is not None
    return df


def test_a_file_that_was_cut_anywhere_is_refused(body: bytes, folder: Path) -> None:
    for length in range(len(body)):
        assert read(body[:length], folder) is None
    path = folder / "x.parquet"
    path.write_bytes(body[:-1])
    with pytest.raises(CodecError, match=r"x\.parquet is not a Parquet file, or is a damaged one \(.*footer"):
        read_parquet(path)


def test_no_flipped_bit_changes_a_value(body: bytes, folder: Path) -> None:
    """The values are before the footer, and have checksums."""
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    noticed = 0
    for place in range(footer):
        df = read(body[:place] + bytes([body[place] ^ (1 << place % 8)]) + body[place + 1 :], folder)
        if df is None:
            noticed += 1
        else:
            pd.testing.assert_frame_equal(df, small(), check_freq=False)
    assert noticed > footer / 2


@pytest.mark.parametrize("first", range(0, 10, 2))
def test_no_flipped_bit_of_the_metadata_takes_a_unit_in_silence(body: bytes, folder: Path, first: int) -> None:
    """Parquet has no checksum of its metadata: only where all of ours is gone, a file is like one of others."""
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    told = 0
    for place in range(footer + first, len(body) - 8, 10):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", DeprecationWarning)  # what an older pyarrow uses of pandas
            df = read(body[:place] + bytes([body[place] ^ (1 << place % 8)]) + body[place + 1 :], folder)
        if caught:
            told += 1
            assert "the file is damaged, or another program has changed it" in str(caught[0].message)
        elif df is not None and b"hsframe" in (pq.read_schema(folder / "x.parquet").metadata or {}):
            assert UnitDtype("kW") in df.dtypes.tolist()
    assert told


@given(data=st.data())
def test_only_own_errors_come_of_wounded_files(body: bytes, folder: Path, data: st.DataObject) -> None:
    wounded = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(wounded) - 1))
        wounded[place : place + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    read(bytes(wounded), folder)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | st.just("Power"), inner, max_size=2)
    ),
    max_leaves=4,
)
contents = st.binary(max_size=5) | st.fixed_dictionaries(
    {"version": st.just(1) | json_values},
    optional={"recordUnits": json_values, "differing": json_values, "x": json_values},
).map(lambda content: json.dumps(content).encode())
# What pandas says of itself in a file: right but for one entry.
pandas_keys = st.sampled_from(["index_columns", "column_indexes", "columns", "attributes", "pandas_version", "creator"])


@given(contents, st.dictionaries(st.sampled_from(["unit", "id", "dis", "tz", "kind"]), st.binary(max_size=4)))
def test_only_own_errors_come_of_any_metadata_of_ours(content: bytes, entries: dict[str, bytes]) -> None:
    table = frame_to_arrow(small())
    field = table.schema.field("Power").with_metadata({f"hsframe:{name}": value for name, value in entries.items()})
    schema = pa.schema([field, *list(table.schema)[1:]], {**table.schema.metadata, b"hsframe": content})
    assert_frame_or_own_error(table.cast(schema))


@given(pandas_keys, json_values)
def test_only_own_errors_come_of_any_metadata_of_pandas(key: str, value: Any) -> None:
    table = frame_to_arrow(small())
    described = {**json.loads(table.schema.metadata[b"pandas"]), key: value}
    assert_frame_or_own_error(table.replace_schema_metadata({b"pandas": json.dumps(described)}))
    assert_frame_or_own_error(table.replace_schema_metadata({b"pandas": json.dumps(described).encode()[:-5]}))


def assert_frame_or_own_error(table: pa.Table) -> None:
    try:
        df = arrow_to_frame(table)
    except MetadataError:
        return
    assert repr(df)
    assert df.hs.units is not None
    assert df.hs.points is not None


def test_metadata_of_another_kind_is_named() -> None:
    table = frame_to_arrow(small())
    broken = table.replace_schema_metadata(
        {**table.schema.metadata, b"hsframe": b'{"version": 1, "differing": {"a": "b"}}'}
    )
    with pytest.raises(MetadataError, match="'differing' in the schema's key 'hsframe' must be an object of int"):
        arrow_to_frame(broken)
    with pytest.raises(MetadataError, match="the table cannot become a frame, its metadata may be damaged"):
        arrow_to_frame(table.replace_schema_metadata({b"pandas": b"{"}))


RIGHT: dict[str, Any] = {
    "interval": {"length": "1h", "label": "end"},
    "reads": {"p:1": {"aggs": {"mean": "kW"}, "spans": [[0, 9, [0, None], [8, None]]]}},
    "points": {"p:1": {"id": "p:1", "dis": "P", "unit": "kW", "tz": "New_York", "kind": "Str", "states": ["a", "b"]}},
    "tz": "America/New_York",
    "differing": {"Power": 1},
    "recordUnits": {"Power": "kW"},
    "units": {"Power": "kW"},
    "states": {"Power": ["a", "b"]},
}


def broken(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each entry of a value in turn as something that it cannot be; with the way to it."""
    for strange in (True, 5, 0.5, "x y", None, [], {}, [5], {"x": 5}):
        if type(strange) is not type(value):
            yield path, strange
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        for way, strange in broken(one, (*path, key)):
            copied: Any = value.copy()
            copied[key] = strange
            yield way, copied


@pytest.mark.filterwarnings("ignore:the frame does not know what was read:hsframe.errors.ReadWarning")
@pytest.mark.parametrize("shape", ["wide", "tidy"])
@pytest.mark.parametrize("key", RIGHT)
def test_each_entry_of_the_catalog_of_another_type_is_left_out_or_refused_by_file(
    tmp_path: Path, key: str, shape: str
) -> None:
    path, df = tmp_path / "odd.parquet", small()
    if shape == "tidy":
        df = pd.DataFrame({"id": ["p:1"], "ts": df.index[:1], "value": [1.0], "text": [None], "unit": ["kW"]})
        df["text"] = df["text"].astype("str")
        attach(df, {"p:1": Point("p:1", "P", "kW", "New_York", "Number")})
    table, right = frame_to_arrow(df), {**RIGHT, "interval": {"length": "1h", "label": "start"}}
    content = {**json.loads(table.schema.metadata[b"hsframe"]), **right}
    refused = 0
    for way, value in [((), right[key]), *broken(right[key])]:
        text = json.dumps({**content, key: value})
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"hsframe": text}), path)
        try:
            back = read_parquet(path)
        except MetadataError as error:
            words = str(error)
        else:
            # What was read can be used, and be written once more.
            assert back.hs.points is not None, way
            write_parquet(back, tmp_path / "again.parquet")
            if shape == "wide":
                assert back.hs.report() is not None, way
                frame_to_his_grids(back)
            continue
        assert value != right[key]
        assert words.startswith(f"{path}: ")
        assert "pandas.read_parquet" in words
        refused += 1
    assert refused


def test_a_key_of_later_days_in_an_entry_is_passed_over() -> None:
    table = frame_to_arrow(small())
    content = {**json.loads(table.schema.metadata[b"hsframe"]), "interval": {**RIGHT["interval"], "colour": 1}}
    content["reads"] = {"p:1": {**RIGHT["reads"]["p:1"], "colour": 1}}
    back = arrow_to_frame(table.replace_schema_metadata({**table.schema.metadata, b"hsframe": json.dumps(content)}))
    assert back.hs.interval == Interval("1h", "end")
    assert reads_of(back) == {"p:1": Read({"mean": "kW"}, ((0, 9, (0, None), (8, None)),))}


@pytest.mark.parametrize("his", ["5", "{hisInterval:", "[1]", "x"])
def test_tags_of_samples_that_are_no_dict_are_named(tmp_path: Path, his: str) -> None:
    table = frame_to_arrow(small())
    field = table.schema.field("Power").with_metadata({"hsframe:id": "p:1", "hsframe:his": his})
    pq.write_table(
        table.cast(pa.schema([field, *list(table.schema)[1:]], table.schema.metadata)), tmp_path / "x.parquet"
    )
    with pytest.raises(MetadataError, match=r"x\.parquet: the tags of @p:1 must be a Zinc dict, as {hisInterval"):
        read_parquet(tmp_path / "x.parquet")


ODD_READS: list[Any] = [
    3,
    {"aggs": {"delta": 5}, "spans": []},
    {"aggs": {}, "spans": [[0, 1, [0], "x"]]},
    {"aggs": {}, "spans": [[0, 1, [0], ["x"]]]},
    {"aggs": {}},
]


@pytest.mark.filterwarnings("ignore:the frame does not know what was read:hsframe.errors.ReadWarning")
def test_what_pandas_has_kept_of_a_catalog_may_be_of_another_type_too(tmp_path: Path) -> None:
    for entry in ODD_READS:
        df = small()
        df.attrs["hsframe"] = {**df.attrs["hsframe"], "reads": {"p:1": entry}}
        df.to_parquet(tmp_path / "x.parquet")
        back = pd.read_parquet(tmp_path / "x.parquet")
        for use in (frame_to_his_grids, lambda one: one.hs.report(), frame_to_arrow):
            with pytest.raises(MetadataError, match="what was read of the point @p:1"):
                use(back)


def test_a_zone_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    times = pa.array([0, 1], pa.timestamp("us", "Mars/Olympus"))
    pq.write_table(pa.table({"ts": times, "a": [1.0, 2.0]}), path)
    with pytest.raises(MetadataError, match="the table cannot become a frame"):
        read_parquet(path)


@pytest.mark.parametrize("compression", ["rar", "zstd ", "", 3])
def test_an_unknown_compression_is_refused(tmp_path: Path, compression: Any) -> None:
    with pytest.raises(MetadataError, match="compression must be one of zstd, snappy, gzip, brotli, lz4, none; got"):
        write_parquet(small(), tmp_path / "x.parquet", compression=compression)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", ["zstd", "SNAPPY", "gzip", "brotli", "lz4", "none", None])
def test_every_compression_reads_back(tmp_path: Path, compression: str | None) -> None:
    write_parquet(small(), tmp_path / "x.parquet", compression=compression)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "x.parquet"), small(), check_freq=False)


@pytest.mark.parametrize("offset", ["+01:00", "-03:30", "+00:00", "+14:00", "-00:15"])
def test_an_index_with_a_fixed_offset_reads_back(tmp_path: Path, offset: str) -> None:
    csv = f"ts,a\n2024-01-01T00:00:00{offset},1.0\n2024-01-01T01:00:00{offset},2.0\n"
    df = pd.read_csv(io.StringIO(csv), parse_dates=["ts"], index_col="ts").astype({"a": UnitDtype("kW")})
    write_parquet(df, tmp_path / "x.parquet")
    back = read_parquet(tmp_path / "x.parquet")
    assert (back.index == df.index).all()
    assert back.index[0].isoformat() == f"2024-01-01T00:00:00{offset}"
    assert back.hs.units == {"a": "kW"}
    write_parquet(back, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "x.parquet"), back)
