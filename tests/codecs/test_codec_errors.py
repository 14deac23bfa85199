"""What is wrong with a body is said with its place; nothing but CodecError ever leaves a codec."""

import contextlib
import json
import pickle
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsframe.codecs import decode, decode_exact, encode
from hsframe.codecs.body_text import MAX_DEPTH
from hsframe.codecs.formats import FORMATS, formats_by_start, mime_of, short_of
from hsframe.codecs.zinc import parse_value
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import CodecError
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.testing.strategies import grids, history_grids

READ_FORMATS = [short for short, row in FORMATS.items() if row.read is not None]
HEAD = 'ver:"3.0"\n'
# A zone name that was damaged is a zone that is not known.
pytestmark = pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning", "ignore::hsframe.UnitWarning")

# body, line, column, part of the message
ZINC_ERRORS: list[tuple[str, int, int, str]] = [
    ("", 1, 1, "no Zinc grid"),
    ("<!DOCTYPE html>", 1, 1, "no Zinc grid"),
    ("this is { not a grid", 1, 1, 'expected ver:"3.0"'),
    ('ver:"4.0"\na\n', 1, 5, "version '4.0'"),
    ('ver:"3.0', 1, 5, "does not end"),
    ('ver:"3.0"', 1, 10, "text ends here"),
    ('ver:"3.0",a\nid\n', 1, 10, "a tag or the end of the line"),
    ('ver:"3.0" a:\nid\n', 1, 13, "no value begins here"),
    (HEAD, 2, 1, "before the columns"),
    (HEAD + "\n", 2, 1, "no column name"),
    (HEAD + "a,a\n1,2\n", 1, 1, "different names"),
    (HEAD + "a,\n", 2, 3, "no column name"),
    (HEAD + "a;b\n", 2, 2, "a comma, a tag"),
    (HEAD + "a,b\n1\n", 3, 1, "1 cells"),
    (HEAD + "a\n1,2\n", 3, 1, "2 cells"),
    (HEAD + "a,b\n1,2\n3,4,5\n", 4, 1, "3 cells"),
    (HEAD + 'a,b\n1,"x\n', 3, 3, "does not end in its line"),
    (HEAD + 'a,b\n1,"é\\q"\n', 3, 5, "no such escape"),
    (HEAD + 'a\n"\\u12G4"\n', 3, 2, "no such escape"),
    (HEAD + "a\n`x\n", 3, 1, "uri does not end"),
    (HEAD + "a,b\n1,`x\\q`\n", 3, 5, "no such escape: \\q"),
    (HEAD + "a\n`\\u12`\n", 3, 2, "no such escape: \\u"),
    (HEAD + "a\n`\\q`\n", 3, 2, r"one of \uXXXX \b \f \n \r \t \" \\ \$ \' \` \: \/ \? \# \[ \] \@ \& \= \;"),
    ('ver:"3.0" a:1 b a:2\nid\n', 1, 17, "the tag a stands here twice"),
    (HEAD + "a,b m m\n1,2\n", 2, 7, "the tag m stands here twice"),
    (HEAD + "a\n{b:1, c {b}}\n", 3, 9, "no tag begins here"),
    (HEAD + "a\n{b:1 c:{d} b}\n", 3, 12, "the tag b stands here twice"),
    (HEAD + "a\n@\n", 3, 1, "no id"),
    (HEAD + "a\n^\n", 3, 1, "no name"),
    (HEAD + "a\n-x\n", 3, 1, "no number"),
    (HEAD + "a\nMaybe\n", 3, 1, "no value is called Maybe"),
    (HEAD + "a\nfalse\n", 3, 1, "no value begins here"),
    (HEAD + "a\n1 kW\n", 3, 3, "end of the line"),
    (HEAD + 'a\n1 "1 kW"\n', 3, 3, "end of the line"),
    (HEAD + "a\n2021-13-01\n", 3, 1, "no such date or time"),
    (HEAD + "a\n2021-02-29\n", 3, 1, "no such date or time"),
    (HEAD + "a\n2021-01-01T24:00:00Z\n", 3, 1, "no such date or time"),
    (HEAD + "a\n2021-01-01T23:59:60Z\n", 3, 1, "no such date or time"),
    (HEAD + "a\n2021-01-01T00:00:00-05:60 UTC\n", 3, 1, "no such date or time"),
    (HEAD + "a\n2021-01-01T00:00:00\n", 3, 1, "no such date or time"),
    (HEAD + "a\n0001-01-01T00:00:00+05:00 UTC\n", 3, 1, "no such date or time"),
    (HEAD + "a\nC(1\n", 3, 2, "parentheses"),
    (HEAD + "a\nC(1,1e400)\n", 3, 2, "parentheses"),
    (HEAD + "a\n1e0E5\n", 3, 4, "does not belong here"),
    (HEAD + 'a\nFoo("x"\n', 3, 8, "not closed"),
    (HEAD + "a\n[1,2\n", 3, 1, "list is not closed"),
    (HEAD + "a\n{a:1\n", 3, 1, "dict is not closed"),
    (HEAD + "a\n{A:1 2}\n", 3, 6, "no tag begins here"),
    (HEAD + 'a\n<<\nver:"3.0"\nb\n1\n', 3, 1, "nested grid is not closed"),
    (HEAD + 'a\n<<\nver:"3.0"\nb\n1,2\n>>\n', 6, 1, "2 cells"),
    (HEAD + "a\n<x>\n", 3, 1, "no value begins here"),
    (HEAD + "a\n1\n\n2\n", 5, 1, "goes on"),
    (HEAD + "a\r\n1\r\n@\r\n", 4, 1, "no id"),
]


@pytest.mark.parametrize(("body", "line", "column", "words"), ZINC_ERRORS, ids=[row[0][-25:] for row in ZINC_ERRORS])
def test_zinc_errors_say_where(body: str, line: int, column: int, words: str) -> None:
    for form in (body, body.encode(), "\ufeff" + body):
        with pytest.raises(CodecError) as caught:
            decode_exact(form, "zinc")
        error = caught.value
        assert (error.line, error.column) == (line, column), str(error)
        assert words in str(error)
        assert error.source == "zinc"
        assert error.expected


def test_columns_count_characters() -> None:
    with pytest.raises(CodecError) as caught:
        decode_exact((HEAD + 'a,b\n"日本😀",@\n').encode(), "zinc")
    assert (caught.value.line, caught.value.column) == (3, 7)
    assert caught.value.snippet == '"日本😀",@'


@pytest.mark.parametrize("form", READ_FORMATS)
def test_bytes_that_are_not_utf8(form: str) -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        with pytest.raises(CodecError) as caught:
            decode_exact(mark + 'ver:"3.0"\né'.encode() + b"\xff\n", form)
        assert (caught.value.line, caught.value.column) == (2, 2)
        assert "0xff" in str(caught.value)


JSON_TEXT_ERRORS = [
    ("", 1, 1),
    ("{", 1, 2),
    ('{"meta":\n {"ver" "3.0"}}', 2, 9),
    ('{"meta": {}} x', 1, 14),
    ("<html>", 1, 1),
]


@pytest.mark.parametrize("form", ["json3", "json4", "jeto"])
@pytest.mark.parametrize(("body", "line", "column"), JSON_TEXT_ERRORS)
def test_json_text_errors_say_where(form: str, body: str, line: int, column: int) -> None:
    with pytest.raises(CodecError) as caught:
        decode_exact(body, form)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)


# cell, path, part of the message
JSON4_ERRORS: list[tuple[Any, str, str]] = [
    ({"_kind": "nope"}, "rows[1].v._kind", "no such kind"),
    ({"_kind": 5}, "rows[1].v._kind", "no such kind"),
    ({"_kind": None}, "rows[1].v._kind", "no such kind"),
    ({"_kind": None, "a": 1}, "rows[1].v._kind", "no such kind"),
    ({"_kind": "ref", "val": "a/b"}, "rows[1].v.val", "'a/b' cannot be the id of a ref"),
    ({"_kind": "ref", "val": ""}, "rows[1].v.val", "'' cannot be the id of a ref"),
    ({"_kind": "symbol", "val": ""}, "rows[1].v.val", "'' cannot be a symbol"),
    ({"_kind": "xstr", "type": "a", "val": ""}, "rows[1].v.type", "'a' cannot be a type name"),
    ({"_kind": "coord", "lat": 1, "lng": 10**400}, "rows[1].v.lng", "a finite number"),
    ({"a-b": 1}, "rows[1].v", "'a-b' cannot be the name"),
    ({"a": {"": 1}}, "rows[1].v.a", "'' cannot be the name"),
    (
        {"_kind": "grid", "meta": {"_kind": "ref", "val": 5}, "cols": [{"name": "a"}]},
        "rows[1].v.meta._kind",
        "no value of another kind",
    ),
    (
        {"_kind": "grid", "cols": [{"name": "a", "meta": {"_kind": None}}]},
        "rows[1].v.cols[0]._kind",
        "no value of another kind",
    ),
    ({"_kind": "ref"}, "rows[1].v.val", "without the text 'val'"),
    ({"_kind": "ref", "val": "a", "dis": 5}, "rows[1].v.dis", "not a text"),
    ({"_kind": "number"}, "rows[1].v.val", "without a val"),
    ({"_kind": "number", "val": "12"}, "rows[1].v.val", "without a val"),
    ({"_kind": "number", "val": True}, "rows[1].v.val", "without a val"),
    ({"_kind": "number", "val": 1, "unit": 5}, "rows[1].v.unit", "not a text"),
    ({"_kind": "number", "val": {"_kind": "marker"}}, "rows[1].v.val", "without a val"),
    ({"_kind": "date", "val": "2021-02-29"}, "rows[1].v.val", "not in the calendar"),
    ({"_kind": "time", "val": "24:00:00"}, "rows[1].v.val", "not a date or time"),
    ({"_kind": "dateTime", "val": "2021-01-01"}, "rows[1].v.val", "not a date or time"),
    ({"_kind": "dateTime", "val": "2021-01-01T00:00:00Z", "tz": 5}, "rows[1].v.tz", "not a text"),
    ({"_kind": "coord", "lat": 1}, "rows[1].v.lng", "without lng"),
    ({"_kind": "xstr", "type": "A"}, "rows[1].v.val", "without the text"),
    ({"_kind": "grid"}, "rows[1].v.cols", "without a list of columns"),
    ({"_kind": "grid", "cols": [], "rows": [5]}, "rows[1].v.rows[0]", "not an object"),
    ([1, {"a": {"_kind": "nope"}}], "rows[1].v[1].a._kind", "no such kind"),
]

JSON3_ERRORS: list[tuple[Any, str, str]] = [
    ("n:", "rows[1].v", "not a number"),
    ("n:abc", "rows[1].v", "not a number"),
    ("m:x", "rows[1].v", "text after a code"),
    ("r:", "rows[1].v", "cannot be the id of a ref"),
    ("r:a/b A", "rows[1].v", "'a/b' cannot be the id of a ref"),
    ("y:a b", "rows[1].v", "'a b' cannot be a symbol"),
    ("x:a:b", "rows[1].v", "'a' cannot be a type name"),
    ("c:1,1e400", "rows[1].v", "not a coordinate"),
    ({"a b": "n:1"}, "rows[1].v", "'a b' cannot be the name"),
    ({"": "n:1"}, "rows[1].v", "'' cannot be the name"),
    ("d:2021-02-29", "rows[1].v", "not in the calendar"),
    ("h:24:00:00", "rows[1].v", "not a date or time"),
    ("t:2021-0:00-05:00 New_York", "rows[1].v", """near '"2021-0:00-05:00 New_York"'; expected"""),
    ("c:1", "rows[1].v", "not a coordinate"),
    ("x:Foo", "rows[1].v", "not a typed text"),
    (["n:1", {"a": "n:x"}], "rows[1].v[1].a", "not a number"),
]


@pytest.mark.parametrize(("cell", "path", "words"), JSON4_ERRORS, ids=[str(row[0]) for row in JSON4_ERRORS])
def test_json4_errors_say_the_path(cell: Any, path: str, words: str) -> None:
    value = {"_kind": "grid", "meta": {"ver": "3.0"}, "cols": [{"name": "v"}], "rows": [{"v": 1}, {"v": cell}]}
    with pytest.raises(CodecError) as caught:
        decode_exact(json.dumps(value), "json4")
    assert caught.value.problem.startswith(path + ": "), str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(("cell", "path", "words"), JSON3_ERRORS, ids=[str(row[0]) for row in JSON3_ERRORS])
def test_json3_errors_say_the_path(cell: Any, path: str, words: str) -> None:
    value = {"meta": {"ver": "3.0"}, "cols": [{"name": "v"}], "rows": [{"v": "n:1"}, {"v": cell}]}
    with pytest.raises(CodecError) as caught:
        decode_exact(json.dumps(value), "json3")
    assert caught.value.problem.startswith(path + ": "), str(caught.value)
    assert words in str(caught.value)


STRUCTURES: list[tuple[Any, str]] = [
    ([1], "the body is not an object"),
    ([{}, None], "the body is not an object"),
    ([{"a": 1}, {"": 1}], "[1]: '' cannot be the name"),
    ({"cols": [{"name": ""}]}, "cols[0]: a column without a name"),
    ({"cols": [{"name": "a"}], "meta": {"": 1}}, "meta: '' cannot be the name"),
    ({"cols": [{"name": "a"}], "rows": [{"": 1}]}, "rows[0].: a cell without a column"),
    ([], "the body is not an object"),
    (5, "the body is not an object"),
    ({"cols": 5}, "cols: "),
    ({"cols": [5]}, "cols[0]: "),
    ({"cols": [{"name": 5}]}, "cols[0]: "),
    ({"cols": [{"name": "a"}, {"name": "a"}]}, "cols: "),
    ({"cols": [{"name": "a"}], "rows": 5}, "rows: "),
    ({"cols": [{"name": "a"}], "rows": [5]}, "rows[0]: "),
    ({"cols": [{"name": "a"}], "rows": [{}, {"a": 1, "b": 2}]}, "rows[1].b: a cell without a column"),
    ({"cols": [{"name": "a"}], "meta": 5}, "meta: "),
    ({"cols": [{"name": "a b"}]}, "cols[0]: 'a b' cannot be the name"),
]


@pytest.mark.parametrize(("value", "words"), STRUCTURES, ids=[str(row[0]) for row in STRUCTURES])
@pytest.mark.parametrize("form", ["json3", "json4", "jeto"])
def test_json_structure_errors(form: str, value: Any, words: str) -> None:
    if isinstance(value, dict):
        value = {"json4": {"_kind": "grid"}, "jeto": {"spec": "sys::Grid"}}.get(form, {}) | value
    elif form == "jeto" and words.startswith("the body is not"):
        assert decode_exact(json.dumps(value), form).col_names == ["val"]
        return
    with pytest.raises(CodecError) as caught:
        decode_exact(json.dumps(value), form)
    assert caught.value.problem.startswith(words), str(caught.value)


@pytest.mark.parametrize("form", ["json3", "json4"])
@pytest.mark.parametrize("body", ['{"rows":[]}', '{"meta":{"ver":"3.0"},"rows":[{"a":5}]}', '{"meta":{"ver":"3.0"}}'])
def test_a_grid_without_columns_is_no_record(form: str, body: str) -> None:
    with pytest.raises(CodecError, match="a grid without a list of columns"):
        decode(body.encode(), form)


@pytest.mark.parametrize("form", ["json3", "json4"])
def test_a_bare_dict_whose_tag_has_no_name(form: str) -> None:
    with pytest.raises(CodecError, match="'' cannot be the name"):
        decode_exact('{"": 1}', form)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_python_words_are_no_json(word: str) -> None:
    with pytest.raises(CodecError, match=word):
        decode_exact(f'{{"meta":{{"ver":"3.0"}},"cols":[{{"name":"a"}}],"rows":[{{"a":{word}}}]}}', "json3")


def test_a_body_of_thousands_of_digits() -> None:
    body = '{"_kind":"grid","cols":[{"name":"a"}],"rows":[{"a":' + "9" * 10_000 + "}]}"
    assert decode_exact(body, "json4")[0]["a"] == Number(float("inf"))


@pytest.mark.parametrize("form", ["json3", "json4"])
@pytest.mark.parametrize(
    "body",
    [
        '{"a":1,"a":2}',
        '{"meta":{"dis":"x","a":1,"dis":"x"},"cols":[{"name":"a"}],"rows":[]}',
        '{"cols":[{"name":"a","name":"b"}],"rows":[]}',
        '{"cols":[{"name":"a"}],"rows":[{"a":1,"a":2}]}',
        '{"cols":[{"name":"a"}],"rows":[{"a":[{"b":{},"b":{}}]}]}',
        '{"cols":[{"name":"a"}],"rows":[{"a":{"_kind":"ref","val":"x","val":"y"}}]}',
        '{"cols":[{"name":"a"}],"rows":[{"a":"\\ud800","a":' + "9" * 5000 + "}]}",
    ],
)
def test_a_key_twice_is_an_error_and_no_loss(form: str, body: str) -> None:
    for text in (body, '{"_kind":"grid",' + body[1:]):
        with pytest.raises(CodecError, match="twice in one object"):
            decode(text, form)


@pytest.mark.parametrize("form", ["zinc", "json4", "json3"])
@pytest.mark.parametrize(("name", "count"), [("ts", 3_000), ("ts", 3), ("id", 3_000)])
def test_a_tag_twice_is_an_error_among_many_rows_too(form: str, name: str, count: int) -> None:
    """Where histories and records are read by columns."""
    first: list[Any] = [Ref(f"r{row}") for row in range(count)]
    if name == "ts":
        first = [datetime(2021, 1, 1, tzinfo=UTC) + timedelta(minutes=row) for row in range(count)]
    second = [{"a": Number(row), "b": MARKER} for row in range(count)]
    body = encode(Grid({}, [name, "v"], [first, second]), form)
    assert len(decode(body, form)) == count
    old = {"zinc": b"{a:%d b}", "json4": b'{"a":%d,"b":{"_kind":"marker"}}', "json3": b'{"a":"n:%d","b":"m:"}'}[form]
    old = old % (count // 2)
    assert old in body
    with pytest.raises(CodecError, match="twice"):
        decode(body.replace(old, old.replace(b"b", b"a", 1)), form)


TRIO_ERRORS = [
    ("dis: Site\n5\n", 2, 1),
    ('dis: "x\n', 1, 6),
    ("a\n---\nref: @\n", 3, 6),
    ("x: Foo(1)\n", 1, 7),
    ("list: [1, 2\n", 1, 7),
    ("list: [\n  1,\n  2\nx\n", 1, 7),
    ("a\nlist: [\r\n  // {no}\r\n  {b c,\r\n   b},\r\n]\r\n", 5, 4),
    ("a\n\nid: @x\n\nid: @y\n", 5, 1),
    ("a\nb: {c:1 c:2}\n", 2, 9),
]


@pytest.mark.parametrize(("body", "line", "column"), TRIO_ERRORS)
def test_trio_errors_say_where(body: str, line: int, column: int) -> None:
    with pytest.raises(CodecError) as caught:
        decode_exact(body, "trio")
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert caught.value.source == "trio"


def test_trio_errors_in_a_nested_grid_count_in_the_whole_text() -> None:
    with pytest.raises(CodecError) as caught:
        decode_exact('a: 1\ng: Zinc:\n  ver:"3.0"\n  a\n  @\nb\n', "trio")
    assert caught.value.line == 5


def nested_list(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("form", ["zinc", "json4", "json3", "jeto"])
def test_depth_is_bounded_alike_on_reading_and_writing(form: str) -> None:
    good = Grid({}, ["a"], [[nested_list(MAX_DEPTH)]])
    body = encode(good, form)
    assert decode_exact(body, form) == good
    with pytest.raises(CodecError, match="deep"):
        encode(Grid({}, ["a"], [[nested_list(MAX_DEPTH + 1)]]), form)
    with pytest.raises(CodecError, match="deep"):
        decode_exact(body.replace(b"[]", b"[[]]"), form)
    grid = Grid({}, ["a"], [[Number(1)]])
    for _ in range(MAX_DEPTH):
        grid = Grid({"g": grid}, ["a"], [[Number(1)]])
    assert decode_exact(encode(grid, form), form) == grid
    with pytest.raises(CodecError, match="deep"):
        encode(Grid({"g": grid}, ["a"], [[Number(1)]]), form)


@pytest.mark.parametrize("piece", ["[", "{a:", '<<ver:"3.0"\na\n', '<<ver:"3.0" a:'])
def test_a_hostile_depth_is_an_error_in_zinc(piece: str) -> None:
    with pytest.raises(CodecError, match="deep"):
        decode_exact(HEAD + "a\n" + piece * 100_000, "zinc")


@pytest.mark.parametrize("form", ["json4", "json3"])
@pytest.mark.parametrize(
    "piece", ["[", '{"a":', '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":']
)
def test_a_hostile_depth_is_an_error_in_json(form: str, piece: str) -> None:
    for depth in (100, 500, 100_000):
        close = {"[": "]", '{"a":': "}"}.get(piece, "}]}")
        body = f'{{"meta":{{"ver":"3.0"}},"cols":[{{"name":"a"}}],"rows":[{{"a":{piece * depth}1{close * depth}}}]}}'
        with pytest.raises(CodecError, match="deep"):
            decode_exact(body, form)


def test_a_hostile_depth_is_an_error_in_trio() -> None:
    lines = ["  " * depth + "a: Trio:" for depth in range(200)]
    with pytest.raises(CodecError, match="deep"):
        decode_exact("\n".join(lines), "trio")


UNWRITABLE: list[tuple[Any, tuple[str, ...]]] = [
    (datetime(2021, 1, 1), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (pd.NaT, ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (object(), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (b"x", ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (1j, ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    ("\ud800", ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (time(1, tzinfo=datetime.now().astimezone().tzinfo), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (Coord(float("nan"), 0.0), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (Ref("a b"), ("zinc", "json4", "json3", "jeto", "trio")),
    (Ref(""), ("zinc", "json4", "json3", "jeto", "trio")),
    (Symbol("a b"), ("zinc", "json4", "json3", "jeto", "trio")),
    (XStr("lower", "x"), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (XStr("A:b", "x"), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (Number(1, "a b"), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (Number(1, "e5"), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    (Number(1, "k\nW"), ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    ({"a b": 1}, ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    ({"_kind": 1}, ("zinc", "json4", "json3", "jeto", "trio", "csv")),
    ({"meta": {"ver": "3.0"}, "cols": [], "rows": []}, ("json3",)),
]


@pytest.mark.parametrize(
    ("value", "forms"), UNWRITABLE, ids=[repr(row[0])[:30].split(" at 0x")[0] for row in UNWRITABLE]
)
def test_what_cannot_be_written_is_refused(value: Any, forms: tuple[str, ...]) -> None:
    for form in forms:
        with pytest.raises(CodecError) as caught:
            encode(Grid({}, ["a"], [[value]]), form)
        assert caught.value.expected


def test_names_that_cannot_be_written_are_refused() -> None:
    for form in ("zinc", "json4", "json3", "jeto"):
        for name in ("a,b", "a b", "", "9a", "é", "_kind"):
            with pytest.raises(CodecError, match=f"'{name}' cannot be the name"):
                encode(Grid({}, [name], [[]]), form)
            with pytest.raises(CodecError, match=f"'{name}' cannot be the name"):
                encode(Grid({name: 1}, ["a"], [[]]), form)
    with pytest.raises(CodecError, match="'name'"):
        encode(Grid({}, [Col("a", {"name": "x"})], [[]]), "json3")


def test_a_uri_never_breaks_out_of_its_quotes() -> None:
    for val in ("a`,M", "a\n@b", "a\\", "\\", "\\\n", "`"):
        text = write_value([Uri(val), MARKER])
        assert "\n" not in text
        read = parse_value(text)
        assert isinstance(read[0], Uri)
        assert read[1:] == [MARKER]


def test_formats_and_their_names() -> None:
    for short in FORMATS:
        assert short_of(short) == short_of(mime_of(short)) == short
    assert mime_of("json") == mime_of("json4")
    assert short_of("text/html") is None
    assert short_of("application/json;version=9") is None
    assert formats_by_start(b"\xef\xbb\xbf\n[") == ["json4", "json3", "jeto"]
    assert formats_by_start(b"") == formats_by_start(b"a,b\n1,2\n") == []
    with pytest.raises(CodecError, match="'text/html'"):
        decode("<html>", "text/html")
    with pytest.raises(CodecError, match="application/pdf"):
        encode(Grid(), "application/pdf")
    with pytest.raises(CodecError, match="write-only"):
        decode("a\n1\n", "text/csv")


def test_the_error_survives_pickling() -> None:
    with pytest.raises(CodecError) as caught:
        decode_exact(HEAD + "a\n@\n", "zinc")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.line, again.column) == (str(caught.value), 3, 1)


def only_codec_errors(body: bytes | str, form: str) -> None:
    with contextlib.suppress(CodecError):
        assert isinstance(decode(body, form), Grid)


@pytest.mark.parametrize("form", READ_FORMATS)
@given(body=st.binary() | st.text())
@example(b"\xef\xbb")
@example('ver:"3.0"\na\n\ud800')
@example('{"cols":[{"name":"a"}],"rows":[{"a":"\\ud800"}]}')
def test_nothing_else_escapes_from_any_bytes(form: str, body: bytes | str) -> None:
    only_codec_errors(body, form)


PIECES = st.sampled_from(
    [
        '"',
        "\\",
        "`",
        "@",
        "^",
        "[",
        "]",
        "{",
        "}",
        "<<",
        ">>",
        "(",
        ")",
        ",",
        ":",
        "\n",
        "\r\n",
        " ",
        "-",
        "T",
        "9",
        "e",
        "INF",
        "NaN",
        "24:00:00",
        "-13-",
        "0000-",
        "\\u",
        "\\ud83d",
        '"_kind":',
        '"val":',
        "null",
        "true",
        "n:",
        "\x00",
        "é",
    ]
)


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")
@pytest.mark.parametrize("form", READ_FORMATS)
@settings(max_examples=settings.default.max_examples // 4)  # grids take long to draw: each is damaged again and again
@given(data=st.data(), grid=grids() | history_grids())
def test_nothing_else_escapes_from_a_damaged_body(form: str, data: st.DataObject, grid: Grid) -> None:
    body = encode(grid, form).decode()
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(body)))
        length = data.draw(st.integers(0, 3))
        body = body[:place] + data.draw(PIECES | st.just("")) + body[place + length :]
        only_codec_errors(body.encode(), form)
    only_codec_errors(body[: data.draw(st.integers(0, len(body)))], form)


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")
@pytest.mark.parametrize("form", READ_FORMATS)
@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data(), grid=grids())
def test_nothing_else_escapes_from_flipped_bits(form: str, data: st.DataObject, grid: Grid) -> None:
    body = encode(grid, form)
    for _ in range(4 * bool(body)):
        flipped = bytearray(body)
        flipped[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        only_codec_errors(bytes(flipped), form)
