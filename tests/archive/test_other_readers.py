"""Other programs read the tables of an archive without hsframe, by the list of files that the log has, and agree."""

from __future__ import annotations

from pathlib import Path

import deltalake
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import END_US, START_US
from hsframe.archive.samples import merge, read_samples
from hsframe.archive.storage import Storage
from tests.archive.test_samples import CELLS, DAY_US, JANUARY_US, rows


@pytest.fixture
def table(tmp_path: Path) -> SampleTable:
    """A table of several partitions and versions; files of older versions lie beside those that count."""
    table = SampleTable.create(Storage(str(tmp_path / "samples")), Layout("month", 2))
    cells = [CELLS[place % len(CELLS)] for place in range(240)]
    samples = {(f"p{place % 6}", JANUARY_US + place * DAY_US // 3): cell for place, cell in enumerate(cells)}
    ids = [f"p{place}" for place in range(6)]
    merge(table, rows(samples), ids, START_US, END_US)
    merge(table, rows(samples | {("p0", JANUARY_US): (7.0, None, "kW")}), ids, START_US, END_US)
    return table


def test_duckdb_polars_pandas_and_pyarrow_agree(table: SampleTable) -> None:
    wanted = read_samples(table, None, START_US, END_US)
    plain = pa.schema([(name, pa.string()) for name in ("id", "text", "unit")])
    expected = wanted.cast(pa.schema([plain.field(f.name) if f.name in plain.names else f for f in wanted.schema]))
    files = deltalake.DeltaTable(table.storage.uri).file_uris()
    assert len(files) == 6
    assert len(list(Path(table.storage.uri).rglob("*.parquet"))) > 6
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        sql = (
            f"SELECT id, ts, value, text, unit FROM read_parquet({files!r}, hive_partitioning = false) ORDER BY id, ts"
        )
        found = connection.sql(sql).to_arrow_table()
        means = connection.execute(
            f"SELECT unit, max(value) FROM read_parquet({files!r}) WHERE NOT isnan(value) GROUP BY 1"
        )
        assert dict(means.fetchall()) == {"kW": 7.0, "W": 1.5, None: 2.0}
    assert_same(found, expected)
    assert_same(pl.read_parquet(files, hive_partitioning=False).sort("id", "ts").to_arrow(), expected)
    assert_same(
        pa.concat_tables(pq.ParquetFile(file).read() for file in files).sort_by(
            [("id", "ascending"), ("ts", "ascending")]
        ),
        expected,
    )
    df = pd.concat(pd.read_parquet(file, partitioning=None) for file in files).sort_values(["id", "ts"])
    assert_same(pa.Table.from_pandas(df, expected.schema, preserve_index=False), expected, pandas=True)


def test_the_schema_of_the_table_says_what_its_files_have(table: SampleTable) -> None:
    found = deltalake.DeltaTable(table.storage.uri)
    types = {field.name: str(pa.field(field).type) for field in found.schema().fields}
    assert types == {
        "id": "string", "ts": "timestamp[us, tz=UTC]", "value": "double", "text": "string", "unit": "string",
        "period": "string", "bucket": "int32",
    }  # fmt: skip


def assert_same(found: pa.Table, expected: pa.Table, *, pandas: bool = False) -> None:
    for name in expected.column_names:
        a, b = (column.to_pylist() for column in (found.column(name), expected.column(name)))
        if name == "value" and pandas:  # which has one missing for null and NaN
            a, b = ([None if cell != cell else cell for cell in cells] for cells in (a, b))
        assert list(map(repr, a)) == list(map(repr, b)), name
