"""Grid, Col, GridBuilder: by column, read-only, rows as views."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given

from hsframe.errors import MetadataError
from hsframe.grid import Col, Grid, GridBuilder, Row
from hsframe.kinds import MARKER, Number, Ref, same
from hsframe.testing import strategies


def sample() -> Grid:
    return Grid.from_rows(
        {"dis": "G"}, ["id", Col("area", {"unit": "m²"}), "site"], [{"id": Ref("a"), "site": MARKER}, {}, {"area": 5}]
    )


def test_rows_are_views_where_null_is_absent() -> None:
    grid = sample()
    first, second, third = grid
    assert dict(first) == {"id": Ref("a"), "site": MARKER}
    assert "area" not in first
    assert first.get("area") is None
    assert first.get("area", 7) == 7
    assert first.get("nope", 7) == 7
    assert first["id"] == Ref("a")
    assert len(first) == 2
    assert first
    assert not second
    assert dict(third) == {"area": 5}
    for name in ("area", "nope"):
        with pytest.raises(KeyError):
            first[name]
    assert repr(third) == "Row({'area': 5})"


def test_rows_by_index_and_slice() -> None:
    grid = sample()
    assert len(grid) == len(grid.rows) == 3
    assert dict(grid[-1]) == {"area": 5}
    assert [dict(row) for row in grid[1:]] == [{}, {"area": 5}]
    assert all(isinstance(row, Row) for row in grid[:2])
    for index in (3, -4):
        with pytest.raises(IndexError, match="3 rows"):
            grid[index]


def test_rows_are_equal_to_a_list_of_the_same_mappings() -> None:
    grid = Grid.from_rows({}, ["a", "b"], [{"a": 1, "b": MARKER}, {"a": 2}])
    assert grid.rows == [{"a": 1, "b": MARKER}, {"a": 2}]
    assert grid.rows == Grid({"x": 1}, grid.cols, grid.columns).rows
    assert grid.rows != [{"a": 1, "b": MARKER}]
    assert grid.rows != [{"a": 1, "b": MARKER}, {"a": 3}]
    assert grid.rows[0]["a"] == 1
    assert grid.rows[1:] == [{"a": 2}]
    assert repr(grid.rows) == "[Row({'a': 1, 'b': MARKER}), Row({'a': 2})]"
    assert repr(Grid({}, ["a"], [range(1000)]).rows).endswith("Row({'a': 9}), ...]")


def test_columns_by_name() -> None:
    grid = sample()
    assert grid.col_names == ["id", "area", "site"]
    assert grid.has_col("area")
    assert not grid.has_col("nope")
    assert grid.col("area").meta == {"unit": "m²"}
    assert list(grid.column("area")) == [None, None, 5]
    for ask in (grid.col, grid.column):
        with pytest.raises(MetadataError, match=r"'nope'.*id, area, site"):
            ask("nope")


def test_flags() -> None:
    assert Grid().is_empty
    assert not sample().is_empty
    assert Grid({"err": MARKER}).is_error
    assert not sample().is_error


def test_everything_is_read_only() -> None:
    grid = sample()
    with pytest.raises(TypeError):
        grid.meta["dis"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        grid.cols[0].meta["x"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError, match="frozen"):
        grid.cols[0].name = "x"
    with pytest.raises(TypeError):
        grid[0]["id"] = 1  # type: ignore[index]
    meta = {"a": 1}
    made = Grid(meta)
    meta["a"] = 2
    assert made.meta["a"] == 1


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(MetadataError, match="one sequence per column"):
        Grid({}, ["a", "b"], [[1]])
    with pytest.raises(MetadataError, match="one sequence per column"):
        Grid({}, ["a", "b"], [[1], [1, 2]])
    with pytest.raises(MetadataError, match="twice: a"):
        Grid({}, ["a", "a"], [[1], [2]])
    with pytest.raises(MetadataError, match="row 1 has tags without a column: b"):
        Grid.from_rows({}, ["a"], [{}, {"b": 1}])


def test_the_column_that_stands_for_none() -> None:
    assert Grid({}, ["empty"], [[]]) == Grid()
    assert Grid({}, ["empty"], [[]]).cols == ()
    assert Grid({}, ["empty"], [[1]]).col_names == ["empty"]
    assert Grid({}, [Col("empty", {"a": 1})], [[]]).col_names == ["empty"]


def test_equality_is_exact_and_not_about_storage() -> None:
    assert sample() == sample()
    assert Grid({}, ["a"], [(1, None)]) == Grid({}, ["a"], [[1, None]])
    for other in (
        Grid({}, sample().cols, sample().columns),
        Grid(sample().meta, ["id", "area", "site"], sample().columns),
        Grid.from_rows({"dis": "G"}, sample().cols, [{"id": Ref("a", "x"), "site": MARKER}, {}, {"area": 5}]),
        Grid.from_rows({"dis": "G"}, sample().cols, [{"id": Ref("a"), "site": MARKER}, {}]),
    ):
        assert sample() != other
    assert sample() != "grid"
    with pytest.raises(TypeError):
        hash(sample())


def test_col() -> None:
    assert Col("a") == Col("a", {})
    assert Col("a", {"r": Ref("x")}) != Col("a", {"r": Ref("x", "dis")})
    assert Col("a") != "a"
    assert hash(Col("a")) == hash(Col("a", {"x": 1}))
    assert repr(Col("a")) == "Col('a')"
    assert repr(Col("a", {"x": 1})) == "Col('a', {'x': 1})"


@given(grid=strategies.grids())
def test_grids_copy_and_pickle(grid: Grid) -> None:
    assert pickle.loads(pickle.dumps(grid)) == grid
    assert copy.deepcopy(grid) == grid
    assert Grid.from_rows(grid.meta, grid.cols, grid.rows) == grid
    assert [dict(row) for row in grid] == [dict(grid[place]) for place in range(len(grid))]


def test_the_builder_chains() -> None:
    builder = GridBuilder().set_meta({"old": 1}).set_meta({"dis": "x"}).add_meta("err")
    grid = builder.add_col("a").add_col("b", {"unit": "kW"}).add_row({"a": 1}).add_row({"b": Number(2)}).to_grid()
    assert grid == Grid({"dis": "x", "err": MARKER}, ["a", Col("b", {"unit": "kW"})], [[1, None], [None, Number(2)]])
    with pytest.raises(MetadataError, match="'a' already"):
        builder.add_col("a")
    with pytest.raises(MetadataError, match="row has tags without a column: z"):
        builder.add_row({"z": 1})


def test_repr_is_short() -> None:
    assert repr(sample()) == "<Grid meta {'dis': 'G'}, 3 rows x 3 cols: id, area, site>"
    wide = Grid({}, [f"c{place}" for place in range(20)], [[1]] * 20)
    assert repr(wide).endswith("c11, ...>")


def test_html_escapes_and_stops() -> None:
    rows: list[dict[str, Any]] = [
        {"a": "<b>"},
        {"a": MARKER},
        {"a": Ref("x", "Name & Co")},
        *({"a": 7} for _ in range(30)),
    ]
    text = Grid.from_rows({"dis": "<i>"}, ["a"], rows)._repr_html_()
    for tag in ("b", "i"):
        assert f"&lt;{tag}&gt;" in text
        assert f"<{tag}>" not in text
    assert "\N{CHECK MARK}" in text
    assert "Name &amp; Co" in text
    assert text.count("<tr>") == 21
    assert "33 rows, the first 20 shown" in text


def test_same_compares_grids_within_values() -> None:
    assert same([sample()], [sample()])
    assert not same([sample()], [Grid()])
