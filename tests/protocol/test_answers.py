"""Answers: errors told by their class, rows by id, batches that are whole, plain Python rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from hsframe.errors import CallError, IncompleteError, UnknownRecError
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, REMOVE, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.protocol.answers import by_ids, check_answer, check_batch, history_ids, python_rows, rows_of_ids

URL = "http://host/api/demo/hisRead"
A, B, C = Ref("a"), Ref("b"), Ref("c")


def check(meta: dict[str, Any], ids: tuple[Ref, ...] = (), limit: int | None = None, rows: int = 0) -> None:
    check_answer(Grid(meta, ["id"], [[A] * rows]), "hisRead", URL, ids, limit)


def error_of(meta: dict[str, Any], ids: tuple[Ref, ...] = ()) -> CallError:
    with pytest.raises(CallError) as caught:
        check({"err": MARKER, **meta}, ids)
    return caught.value


def test_an_error_grid_says_what_the_server_said() -> None:
    error = error_of(
        {"dis": "Invalid history range: foo", "errTrace": "sys::ParseErr: x\n at y", "errType": "sys::ParseErr"}
    )
    assert type(error) is CallError
    assert str(error) == (
        f"hisRead at {URL}: the server answers with an error: Invalid history range: foo (sys::ParseErr)"
    )
    assert error.dis == "Invalid history range: foo"
    assert error.trace.startswith("sys::ParseErr")
    assert error.err_type == "sys::ParseErr"
    assert error.grid is not None
    assert error.grid.is_error


def test_an_error_grid_without_dis() -> None:
    assert "hx::UnknownWatchErr: w-1" in str(error_of({"errTrace": "hx::UnknownWatchErr: w-1\n at x"}))
    assert "no text" in str(error_of({}))


@pytest.mark.parametrize(
    ("meta", "asked", "unknown"),
    [
        # Haxall 4.0.6
        ({"errType": "haystack::UnknownRecErr", "dis": "haystack::UnknownRecErr: @nope"}, (A, Ref("nope")), ("nope",)),
        ({"errType": "haystack::UnknownRecErr", "errTrace": "haystack::UnknownRecErr: @b\n folio"}, (A, B), ("b",)),
        ({"dis": 'UnknownRecErr: @p:demo:r:1 "x"'}, (), ("p:demo:r:1",)),
        ({"dis": "Unknown id: @a"}, (A,), ("a",)),
        ({"dis": "Record not found"}, (A,), ("a",)),
        ({"dis": "Unknown rec @a."}, (A,), ("a",)),
        ({"dis": "Unknown id: @p:demo:r:a"}, (A, B), ("a",)),
        # An action on one record that looks for another.
        ({"dis": "UnknownRecErr: @other"}, (A,), ("other",)),
        ({"errType": "haystack::UnknownRecErr"}, (A, B), ()),
    ],
)
def test_unknown_records(meta: dict[str, Any], asked: tuple[Ref, ...], unknown: tuple[str, ...]) -> None:
    error = error_of(meta, asked)
    assert isinstance(error, UnknownRecError)
    assert error.ids == unknown


@pytest.mark.parametrize(
    "meta",
    [
        {"errType": "hx::UnknownWatchErr", "dis": "hx::UnknownWatchErr: w-1"},
        {"errType": "xeto::UnknownNameErr", "dis": "xeto::UnknownNameErr: range"},
        {"dis": "Internal server error"},
    ],
)
def test_other_unknowns_are_no_unknown_records(meta: dict[str, Any]) -> None:
    assert type(error_of(meta, (A,))) is CallError


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"incomplete": {"dis": "too many rows", "limit": Number(100)}}, "too many rows"),
        ({"incomplete": {"limit": Number(100)}}, "limit 100"),
        ({"incomplete": MARKER, "limit": Number(7)}, "limit 7"),
        ({"incomplete": "row cap"}, "row cap"),
        ({"more": MARKER}, "more"),
    ],
)
def test_incomplete_answers_are_not_returned(meta: dict[str, Any], words: str) -> None:
    with pytest.raises(IncompleteError, match=words) as caught:
        check(meta, rows=3)
    assert "answer of 3 rows" in str(caught.value)
    assert caught.value.grid is not None


def test_a_limit_that_was_asked_for_is_no_incomplete_answer() -> None:
    check({"more": MARKER}, limit=3, rows=3)
    with pytest.raises(IncompleteError):
        check({"more": MARKER}, limit=3, rows=2)
    check({"incomplete": False})
    check({})


def test_a_limit_of_records_that_is_reached_and_was_not_asked_for() -> None:
    grid = Grid({"limit": Number(3)}, ["id"], [[A] * 3])
    with pytest.raises(IncompleteError, match=r"answer of 3 rows is incomplete \(limit"):
        check_answer(grid, "read", URL)
    check_answer(grid, "read", URL, limit=3)
    check_answer(Grid({"limit": Number(4)}, ["id"], [[A] * 3]), "read", URL)
    check_answer(grid, "hisRead", URL)  # there the ends of the range show it


def rows_of(ids: list[Ref | None]) -> Grid:
    return Grid({}, ["id", "dis"], [ids, [None if of is None else of.val.upper() for of in ids]])


@pytest.mark.parametrize(
    ("answered", "unknown"),
    [
        ([A, B, C], []),
        ([C, A, B], []),  # haystack-py answers in the order of a set
        ([A, None, C], ["b"]),  # the standard
        ([C, A], ["b"]),  # haystack-py leaves unknown ids out
        ([None, None, None], ["a", "b", "c"]),
        ([], ["a", "b", "c"]),
        ([Ref("p:demo:r:a"), Ref("p:demo:r:b"), Ref("p:demo:r:c")], []),  # the canonical, longer form
        ([Ref("p:demo:r:c"), Ref("p:demo:r:a")], ["b"]),
    ],
)
def test_rows_by_id(answered: list[Ref | None], unknown: list[str]) -> None:
    grid = rows_of(answered)
    if unknown:
        with pytest.raises(UnknownRecError) as caught:
            by_ids(grid, [A, B, C], URL, checked=True)
        assert list(caught.value.ids) == unknown
        assert all("@" + of in str(caught.value) for of in unknown)
    else:
        assert by_ids(grid, [A, B, C], URL, checked=True) == by_ids(grid, [A, B, C], URL, checked=False)
    found = by_ids(grid, [A, B, C], URL, checked=False)
    assert len(found) == 3
    for want, row in zip([A, B, C], found, strict=True):
        if want.val in unknown:
            assert not row
        else:
            assert row["id"].val.endswith(want.val)
            assert row["dis"].endswith(want.val.upper())


@pytest.mark.parametrize(
    ("ids", "asked", "rows", "final"),
    [
        ([A, B], [A, B], [0, 1], True),
        ([B, A], [A, B], [1, 0], True),
        ([A, None], [A, B], [0, None], True),
        ([Ref("p:demo:r:a")], [A], [0], True),
        ([B], [A], [None], False),  # another one's record, in the place of the one that was asked for
        ([A], [A, B], [0, None], False),
        ([C, B], [A, B], [None, 1], False),
        ([], [A], [None], False),
    ],
)
def test_what_a_read_by_id_has_answered(ids: list[Ref | None], asked: list[Ref], rows: Any, final: bool) -> None:
    assert rows_of_ids(rows_of(ids), asked) == (rows, final)


def test_a_row_of_nothing_but_an_id_is_an_unknown_one() -> None:
    grid = Grid({}, ["id", "dis"], [[A, B], ["A", None]])
    assert rows_of_ids(grid, [A, B]) == ([0, None], True)
    assert rows_of_ids(Grid({}, ["id"], [[B]]), [B]) == ([None], True)
    assert rows_of_ids(Grid({}, ["id"], [[B]]), [B], of_read=False) == ([0], True)
    with pytest.raises(UnknownRecError, match="@b"):
        by_ids(grid, [A, B], URL, checked=True)


def test_a_record_that_was_not_asked_for_is_no_answer() -> None:
    with pytest.raises(UnknownRecError) as caught:
        by_ids(rows_of([B]), [A], URL, checked=True)
    assert list(caught.value.ids) == ["a"]
    assert not by_ids(rows_of([C, B]), [A, B], URL, checked=False)[0]


def test_one_unknown_id_of_an_empty_grid() -> None:
    # Haxall 4.0.6 answers a grid without columns.
    with pytest.raises(UnknownRecError):
        by_ids(Grid(), [A], URL, checked=True)
    found = by_ids(Grid(), [A], URL, checked=False)
    assert [dict(row) for row in found] == [{}]


def test_the_same_id_twice() -> None:
    assert [row["id"] for row in by_ids(rows_of([A, B]), [A, B, A], URL, checked=True)] == [A, B, A]


def test_many_unknown_ids_make_a_short_message() -> None:
    asked = [Ref(f"p{n}") for n in range(500)]
    with pytest.raises(UnknownRecError) as caught:
        by_ids(Grid(), asked, URL, checked=True)
    assert len(caught.value.ids) == 500
    assert "and 490 more" in str(caught.value)


def batch(*ids: Ref | None, meta: dict[str, Any] | None = None) -> Grid:
    cols = ["ts", *(Col(f"v{n}", None if of is None else {"id": of}) for n, of in enumerate(ids))]
    return Grid(meta, cols, [()] * len(cols))


def test_ids_of_histories_in_each_form() -> None:
    assert history_ids(batch(A, B)) == [A, B]
    assert history_ids(Grid({"id": A}, ["ts", "val"], [(), ()])) == [A]
    assert history_ids(batch(None, None, meta={"id0": A, "id1": B})) == [A, B]
    assert history_ids(batch(None, None, meta={"id": A, "id1": B})) == [A, B]
    assert history_ids(batch(None, None)) == [None, None]


def test_a_batch_that_is_whole() -> None:
    check_batch(batch(A, B), [A, B], URL)
    check_batch(batch(B, A), [A, B], URL)
    check_batch(batch(None, None), [A, B], URL)
    check_batch(batch(Ref("p:demo:r:a"), Ref("p:demo:r:b")), [A, B], URL)
    check_batch(batch(A), [A, A], URL)
    check_batch(Grid({"id": A}, ["ts", "val"], [(), ()]), [A], URL)


@pytest.mark.parametrize(
    ("grid", "missing"),
    [
        (Grid({"id": A}, ["ts", "val"], [(), ()]), "@b, @c"),  # haystack-py 0.1.10
        (batch(A, B), "@c"),
        (batch(A, B, Ref("z")), "@c"),
        (batch(None, None), "@a, @b, @c"),
        (Grid(), "@a, @b, @c"),
    ],
)
def test_a_batch_that_is_not_whole_names_the_missing(grid: Grid, missing: str) -> None:
    with pytest.raises(IncompleteError) as caught:
        check_batch(grid, [A, B, C], URL)
    assert missing in str(caught.value)
    assert "nothing is returned" in str(caught.value)


def test_python_rows() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    inner = Grid.from_rows({}, ["x"], [{"x": Number(1)}])
    row = {
        "marker": MARKER,
        "na": NA,
        "remove": REMOVE,
        "int": Number(3),
        "float": Number(2.5),
        "unit": Number(72.5, "°F"),
        "symbol": Symbol("site"),
        "uri": Uri("http://x/"),
        "ref": A,
        "text": "x",
        "bool": False,
        "date": date(2026, 1, 1),
        "when": when,
        "coord": Coord(1.0, 2.0),
        "xstr": XStr("T", "v"),
        "list": [MARKER, NA, REMOVE, Number(1)],
        "dict": {"a": MARKER, "b": REMOVE, "c": Number(1, "kW")},
        "grid": inner,
    }
    (found,) = python_rows(Grid.from_rows({}, [*row, "null"], [row]))
    assert found == {
        "marker": True,
        "na": None,
        "int": 3,
        "float": 2.5,
        "unit": Number(72.5, "°F"),
        "symbol": "site",
        "uri": "http://x/",
        "ref": A,
        "text": "x",
        "bool": False,
        "date": date(2026, 1, 1),
        "when": when,
        "coord": Coord(1.0, 2.0),
        "xstr": XStr("T", "v"),
        "list": [True, None, 1],
        "dict": {"a": True, "c": Number(1, "kW")},
        "grid": [{"x": 1}],
    }
    assert type(found["int"]) is int
    assert type(found["float"]) is float
    assert python_rows(Grid()) == []
