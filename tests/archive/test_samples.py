"""The table of samples is a dict from (id, instant) to a value, whatever is merged into it in which order."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import END_US, START_US
from hsframe.archive.samples import Changes, merge, read_samples
from hsframe.archive.storage import Storage
from hsframe.errors import MetadataError

DAY_US = 86_400_000_000
JANUARY_US = 1_767_225_600_000_000  # 2026-01-01T00:00Z
Cell = tuple[float | None, str | None, str | None]
NA: Cell = (None, None, None)
CELLS: list[Cell] = [
    (1.5, None, "kW"),
    (2.0, None, None),
    (math.nan, None, "kW"),
    NA,
    (None, "on", None),
    (1.5, None, "W"),
]
IDS = ["a", "b", "ü", "p:demo:r:1"]


def rows(samples: dict[tuple[str, int], Cell]) -> pa.Table:
    """A table of samples, sorted by id and ts, as a read gives it."""
    keys = sorted(samples)
    values, texts, units = zip(*(samples[key] for key in keys), strict=True) if keys else ((), (), ())
    return pa.table(
        {
            "id": pa.array([ident for ident, _ in keys], pa.string()).dictionary_encode(),
            "ts": pa.array([us for _, us in keys], pa.int64()).view(pa.timestamp("us", "UTC")),
            "value": pa.array(values, pa.float64()),
            "text": pa.array(texts, pa.string()),
            "unit": pa.array(units, pa.string()).dictionary_encode(),
        }
    )


def content(
    table: SampleTable, ids: list[str] | None = None, start_us: int = START_US, end_us: int = END_US
) -> dict[Any, Any]:
    found = read_samples(table, ids, start_us, end_us)
    keys = list(zip(found["id"].to_pylist(), found["ts"].cast(pa.int64()).to_pylist(), strict=True))
    assert keys == sorted(set(keys))
    cells = zip(*(found[name].to_pylist() for name in ("value", "text", "unit")), strict=True)
    return dict(zip(keys, map(repr, cells), strict=True))


def shown(samples: dict[tuple[str, int], Cell]) -> dict[tuple[str, int], str]:
    return {key: repr(cell) for key, cell in samples.items()}


INSTANTS = st.sampled_from([JANUARY_US + day * DAY_US + odd for day in (0, 1, 30, 31, 58) for odd in (-1, 0, 1, 999)])
SAMPLES = st.dictionaries(st.tuples(st.sampled_from(IDS), INSTANTS), st.sampled_from(CELLS), max_size=12)


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(data=st.data(), layout=st.sampled_from([Layout("month", 1), Layout("month", 4), Layout("year", 2)]))
def test_a_merge_makes_a_window_exactly_what_was_given(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, layout: Layout
) -> None:
    table = SampleTable.create(Storage(str(tmp_path_factory.mktemp("samples"))), layout)
    model: dict[tuple[str, int], Cell] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        ids = data.draw(st.lists(st.sampled_from(IDS), min_size=1, unique=True))
        start_us, end_us = sorted(data.draw(st.tuples(INSTANTS, INSTANTS)))
        given_rows = {
            key: cell for key, cell in data.draw(SAMPLES).items() if key[0] in ids and start_us <= key[1] < end_us
        }
        before = dict(model)
        inside = {key for key in model if key[0] in ids and start_us <= key[1] < end_us}
        model = {key: cell for key, cell in model.items() if key not in inside} | given_rows
        version = table.version
        changes = merge(table, rows(given_rows), ids, start_us, end_us, young_us=data.draw(INSTANTS))
        assert content(table) == shown(model)
        assert (table.version == version) == (shown(before) == shown(model))
        common = inside & given_rows.keys()
        assert changes.new.total() == len(given_rows) - len(common)
        assert changes.removed.total() == len(inside) - len(common)
        assert changes.changed.total() == sum(repr(before[key]) != repr(given_rows[key]) for key in common)
        one, cut_us = data.draw(st.sampled_from(IDS)), data.draw(INSTANTS)
        assert content(table, [one], cut_us) == shown(
            {k: v for k, v in model.items() if k[0] == one and k[1] >= cut_us}
        )
    assert content(SampleTable(table.storage)) == shown(model)


def test_what_a_server_no_longer_gives_of_a_point_at_all_is_kept_and_counted(tmp_path: Path) -> None:
    table = SampleTable.create(Storage(str(tmp_path)), Layout())
    old = {("a", JANUARY_US): CELLS[0], ("b", JANUARY_US): CELLS[1], ("b", JANUARY_US + 1): CELLS[1]}
    merge(table, rows(old), ["a", "b"], START_US, END_US)
    changes = merge(table, rows({("b", JANUARY_US): CELLS[1]}), ["a", "b"], START_US, END_US, add_only=["a"])
    assert content(table) == shown({key: old[key] for key in (("a", JANUARY_US), ("b", JANUARY_US))})
    assert changes == Changes(removed=changes.removed, kept=changes.kept, spans={"b": (JANUARY_US + 1, JANUARY_US + 1)})
    assert dict(changes.removed) == {"b": 1}
    assert dict(changes.kept) == {"a": 1}


def test_young_samples_lie_in_files_of_their_own(tmp_path: Path) -> None:
    table = SampleTable.create(Storage(str(tmp_path)), Layout("year"))
    samples = {("a", JANUARY_US + day * DAY_US): CELLS[0] for day in range(10)}
    merge(table, rows(samples), ["a"], START_US, END_US, young_us=JANUARY_US + 8 * DAY_US)
    assert sorted(file.rows for file in table.files()) == [2, 8]
    corrected = {("a", JANUARY_US + 9 * DAY_US): CELLS[1]}
    old = {file.path for file in table.files() if file.rows == 8}
    merge(table, rows(corrected), ["a"], JANUARY_US + 9 * DAY_US, END_US)
    assert old < {file.path for file in table.files()}
    assert content(table) == shown(samples | corrected)


@pytest.mark.parametrize("young", [True, False])
def test_samples_before_1970_and_far_in_the_future(tmp_path: Path, young: bool) -> None:
    table = SampleTable.create(Storage(str(tmp_path)), Layout())
    samples = {("a", us): CELLS[0] for us in (-1, -DAY_US * 400, 4_102_444_800_000_000)}
    merge(table, rows(samples), ["a"], START_US, END_US, young_us=START_US if young else END_US)
    assert content(table) == shown(samples)
    assert content(table, ["a"], 0) == shown({("a", 4_102_444_800_000_000): CELLS[0]})


def test_a_large_table_has_many_row_groups_and_a_rewrite_keeps_the_others(tmp_path: Path) -> None:
    table = SampleTable.create(Storage(str(tmp_path)), Layout("year"))
    ids = [f"p{number}" for number in range(8)]
    ts_us = JANUARY_US + np.arange(40_000) * 60_000_000
    big = pa.table(
        {
            "id": pa.array(np.repeat(ids, len(ts_us))).dictionary_encode(),
            "ts": pa.array(np.tile(ts_us, len(ids))).view(pa.timestamp("us", "UTC")),
            "value": np.arange(len(ids) * len(ts_us)) / 10,
            "text": pa.nulls(len(ids) * len(ts_us), pa.string()),
            "unit": pa.array(np.repeat(["kW"], len(ids) * len(ts_us))).dictionary_encode(),
        }
    )
    merge(table, big, ids, START_US, END_US)
    values = big["value"].to_numpy().copy()
    values[[5, 131_072, 319_999]] = -1.0
    changed = big.set_column(2, "value", pa.array(values)).filter(pa.array(np.arange(len(values)) != 200_000))
    changes = merge(table, changed, ids, START_US, END_US)
    assert (changes.changed.total(), changes.removed.total(), changes.new.total()) == (3, 1, 0)
    found = read_samples(table, None, START_US, END_US)
    assert found["value"].equals(changed["value"])
    assert found["ts"].equals(changed["ts"])


def test_a_table_of_another_program_or_version_is_refused(tmp_path: Path) -> None:
    import deltalake

    other = tmp_path / "other"
    deltalake.write_deltalake(other, pa.table({"id": ["a"]}))
    with pytest.raises(MetadataError, match=r"other is a Delta table, but no archive of hsframe"):
        SampleTable(Storage(str(other)))
    with pytest.raises(MetadataError, match=r"there is no archive in .*nothing"):
        SampleTable(Storage(str(tmp_path / "nothing")))
    newer = str(tmp_path / "newer")
    SampleTable.create(Storage(newer), Layout())
    log = tmp_path / "newer" / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('"hsframe.version":"1"', '"hsframe.version":"2"'))
    with pytest.raises(
        MetadataError, match=r"newer is an archive of version 2, and this hsframe reads up to 1; update"
    ):
        SampleTable(Storage(newer))
