"""Records read by columns: what the exact parser gives, and nothing where it raises."""

import importlib
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsframe.codecs import decode, decode_exact, encode, encode_exact
from hsframe.codecs.entities import try_records
from hsframe.codecs.entities.split_cells import ByteIndex, block_of, escaped_places
from hsframe.codecs.entities.split_json import ColumnNames
from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.byte_words import PAD
from hsframe.codecs.json4 import Json4
from hsframe.columns import DictionaryColumn, LazyColumn, RefColumn, TagColumn
from hsframe.errors import CodecError
from hsframe.frame.entities import entity_frame
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, Coord, Number, Ref, Uri, XStr
from hsframe.testing import strategies
from tests.benchmarks.entity_bodies import ENTITY_BODIES, entity_grid

# A zone name that was damaged is a zone that is not known.
pytestmark = pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning", "ignore::hsframe.UnitWarning")

FORMS = ("zinc", "json4", "json3")
GRID = entity_grid(300, seed=3)
WOUNDED = {form: encode_exact(entity_grid(70, seed=1), form) for form in FORMS}


def spaced(grid: Grid) -> bytes:
    """A row a line and blanks behind commas, as Haxall writes it."""
    return ENTITY_BODIES["json4, spaced"](grid)


def law_of(body: bytes, short: str) -> Grid | CodecError:
    try:
        return decode_exact(body, short)
    except CodecError as error:
        return error


def assert_agrees(body: bytes, short: str) -> Grid | None:
    """The quick way gives what the exact one gives, as a grid and as a frame, or it declines."""
    fast = try_records(body, short)
    if fast is not None:
        law = decode_exact(body, short)
        assert fast == law
        assert encode_exact(fast, "json4") == encode_exact(law, "json4")
        pd.testing.assert_frame_equal(entity_frame(fast), entity_frame(law))
    return fast


@pytest.mark.parametrize("name", [name for name in ENTITY_BODIES if name.split(",")[0] in FORMS])
def test_realistic_records_are_read_by_columns(name: str) -> None:
    body = ENTITY_BODIES[name](GRID)
    grid = assert_agrees(body, name.split(",")[0])
    assert grid is not None
    assert grid == GRID
    kinds = set(map(type, grid.columns))
    assert DictionaryColumn in kinds
    assert (LazyColumn in kinds) == ("json" in name)
    assert (RefColumn in kinds) == ("json4" in name)


@pytest.mark.parametrize("name", [name for name in ENTITY_BODIES if name.split(",")[0] in FORMS])
def test_decode_takes_the_quick_way_for_large_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = name.split(",")[0]
    monkeypatch.setattr("hsframe.codecs._WORTH_RECORDS", 1000)
    monkeypatch.setattr("hsframe.codecs.decode_exact", lambda *_: pytest.fail("the exact way was taken"))
    grid = decode(ENTITY_BODIES[name](GRID), short)
    assert isinstance(grid.column("siteRef"), DictionaryColumn)
    assert grid == GRID


def test_columns_behave_like_lists() -> None:
    grid = try_records(encode_exact(GRID, "json4"), "json4")
    assert grid is not None
    for fast, law in zip(grid.columns, GRID.columns, strict=True):
        assert len(fast) == len(law)
        assert list(fast) == list(law)
        assert fast[-1] == law[-1]
        assert list(fast[10:20]) == list(law[10:20])
        if isinstance(fast, TagColumn):
            assert fast == law
            assert fast != law[1:]
            assert str(len(law)) in repr(fast)
    assert pickle.loads(pickle.dumps(grid)) == GRID
    assert dict(grid[7]) == dict(GRID[7])
    assert encode(grid, "zinc") == encode_exact(GRID, "zinc")


def test_rows_do_not_share_what_can_change() -> None:
    grid = try_records(encode_exact(GRID, "json4"), "json4")
    assert grid is not None
    column = grid.column("tags")
    lists = [cell for cell in column if isinstance(cell, list)]
    assert len({id(cell) for cell in lists}) == len(lists)
    nested = {"a": [Number(1)], "b": {"c": [MARKER]}}
    grid = try_records(encode_exact(Grid({}, ["x"], [[nested] * 200]), "json4"), "json4")
    assert grid is not None
    first, second = grid.column("x")[:2]
    first["a"].append(1)
    first["b"]["c"].append(2)
    assert second == nested
    assert first is grid.column("x")[0]


# What servers write, and what they should not; whatever comes, the exact parser is the law.
CELLS = st.sampled_from(
    [
        '{"_kind":"marker"}',
        '{"_kind":"Marker"}',
        '{"_kind":"Ref","val":"a","dis":"A"}',
        '{"_kind":"Grid","cols":[{"name":"a"}],"rows":[{"_kind":"Dict","a":1}]}',
        '{"_kind":"number","val":-0.0,"unit":"kW"}',
        '{"_kind":"number","val":1e400,"unit":"kW"}',
        '{"_kind": "marker"}',
        '{"_kind":"marker","x":{"y":"}"}}',
        '{"val":"a","_kind":"ref"}',
        '{"_kind":"ref","val":"a","dis":"A, \\"b\\" {c}"}',
        '{"_kind":"ref","val":"@a"}',
        '{"_kind":"ref","val":"b","dis":null}',
        '{"_kind":"ref","val":"b","dis":"x","dis":"y"}',
        '{"_kind":"ref","val":7}',
        '{"_kind":"ref","val":"\\ud83d\\ude00","dis":"\\ud83d"}',
        '{"_kind":"number","val":1.5,"unit":"kW"}',
        '{"_kind":"number","val":2,"unit":"°F"}',
        '{"_kind":"number","val":"INF"}',
        '{"_kind":"number","val":"INF","unit":"kW"}',
        '{"_kind":"number","val":1e400,"unit":"kW"}',
        '{"_kind":"number","val":12345678901234567890,"unit":"kW"}',
        '{"_kind":"number","val":NaN,"unit":"kW"}',
        '{"_kind":"number","val":1,"unit":""}',
        '{"_kind":"number","val":[1],"unit":"kW"}',
        '{"_kind":"dateTime","val":"2024-03-01T00:00:00-05:00","tz":"New_York"}',
        '{"_kind":"dateTime","val":"2024-03-01T00:00:00.125Z","tz":"New_York"}',
        '{"_kind":"dateTime","val":"2024-11-03T01:30:00-05:00 New_York"}',
        '{"_kind":"dateTime","val":"2024-03-01T00:00:00Z"}',
        '{"_kind":"dateTime","val":"2024-02-30T00:00:00Z","tz":"UTC"}',
        '{"_kind":"dateTime","val":"2024-03-01T24:00:00Z","tz":"UTC"}',
        '{"_kind":"dateTime","val":"2024-03-01T00:00:00Z","tz":"Atlantis"}',
        '{"_kind":"date","val":"2024-03-01"}',
        '{"_kind":"dict","a":{"_kind":"marker"}}',
        '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":1},{"a":2}]}',
        '{"_kind":"xyz"}',
        '{"_kind":"na"}',
        '{"a":1,"id":"}","b":{"c":[]}}',
        '{"_kind":null}',
        "{}",
        "[]",
        '[{"id":1},{"id":2}]',
        '[{"a":1}, {"b":"],["}]',
        '["a]",[1,["x"]],{"a":"}"}]',
        '[["a"],"id":1]',
        '"text"',
        '"te\\"xt, \\\\"',
        '"\\u00e4"',
        '"ä, }{"',
        '"a\tb"',
        '"\\x"',
        '"a},{\\"id\\":1"',
        "1",
        "-0",
        "-0.0",
        "1.50",
        "1e3",
        "01",
        "1.",
        "-",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "nul",
        "",
        "NaN",
        "1 ",
        '"a" ',
        "[1,2] ",
    ]
)
GAPS = st.sampled_from(["", " ", "\n", "  "])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bodies of version 4 of cells that are mostly alike, some of them wrong."""
    names = draw(st.lists(st.sampled_from(["id", "dis", "a", "val", "siteRef", "b"]), min_size=1, unique=True))
    usual = {name: draw(CELLS) for name in names}
    colon, comma = ":" + draw(GAPS), "," + draw(GAPS)
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        cells = {name: usual[name] for name in names if draw(st.integers(0, 4))}
        if not draw(st.integers(0, 6)):
            cells[draw(st.sampled_from([*names, "stray", "_kind"]))] = draw(CELLS)
        parts = [f'"{name}"{colon}{cell}' for name, cell in cells.items()]
        if not draw(st.integers(0, 12)):
            parts = draw(st.permutations(parts))
        if parts and not draw(st.integers(0, 30)):
            parts.append(parts[0])
        rows.append("{" + comma.join(parts) + "}")
    cols = ",".join(f'{{"name":"{name}"}}' for name in names)
    between = "," + draw(GAPS)
    tail = draw(st.sampled_from(["]}", "\n]\n}\n", "] }", "],}", '],"rows":[]}', "]}{}", "]"]))
    return f'{{"_kind":"grid","meta":{{"ver":"3.0"}},"cols":[{cols}],"rows":[{between.join(rows)}{tail}'.encode()


@given(body=bodies(), data=st.data())
def test_the_quick_way_is_the_exact_way(body: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = data.draw(st.integers(0, len(body)))
        piece = data.draw(
            st.sampled_from([b'"', b"\\", b",", b"}", b"{", b"]", b"[", b" ", b"\n", b"\xff", b"1", b":"])
        )
        body = body[:place] + piece + body[place + data.draw(st.integers(0, 2)) :]
    assert_agrees(body, "json4")


ZINC_CELLS = st.sampled_from(
    [
        *("", "", "M", "N", "NA", "R", "T", "F", "INF", "-INF", "NaN", "MM", "TF", "-", " ", " M", "M ", "\t", "\r"),
        *("@a", '@a "A, b"', '@a  "A"', '@a "A\\", b"', '@a "A', '@a"A"', "@", '@a "A" "B"', "@a b", "@a-b:c.d~e"),
        *('"text"', '"a, b"', '"a\\"", "b"', '"a\\\\"', '"\\u00e4"', '"ä`"', '"a\tb"', '"\\x"', '"', '""', '"a"b'),
        *("1", "-1.5kW", "1_000", "1e3°F", "12345678901234567890", "1kW/ft²", "1,5", "1 kW", "01", "10_foo"),
        *("2024-03-01", "08:15:00", "2024-03-01T00:00:00-05:00 New_York", "2024-03-01T00:00:00Z", "2024-02-30"),
        *("2024-03-01T00:00:00Z Atlantis", "2024-03-01T24:00:00Z", "2024-03-01T00:00:00-05:00"),
        *("^sym", "`http://x/`", "`a\\`, b`", "`a, b`", "`", "C(1.5,-2)", "C(1,2", "C( 1 , 2 )", "C()"),
        *('Span("today, or")', 'Foo("a\\", (b)")', 'Bin("text/plain")', "Bin(text/plain)", 'Span("x', "Span()"),
        *("[]", "[1, 2]", '["]", "a, b"]', "[[1], [2]]", '[@a "A, b", {x:"}"}]', "[1", "[1] 2", "[M,]", '["], "]'),
        *("{}", "{a b:1}", '{a:"}, {" b:[1,2]}', "{a:{b:{c}}}", "{a", "{1}", '{a:"x"} b'),
        *("<<", '<<\nver:"3.0"\na\n1\n>>', "(", ")", "]", "}", "\\"),
    ]
)


@st.composite
def zinc_bodies(draw: st.DrawFn) -> bytes:
    """Bodies of Zinc of cells that are mostly alike, some of them wrong."""
    names = draw(st.lists(st.sampled_from(["id", "dis", "a", "val", "siteRef"]), min_size=1, unique=True))
    usual = [draw(ZINC_CELLS) for _ in names]
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        cells = [cell if draw(st.integers(0, 3)) else "" for cell in usual]
        if not draw(st.integers(0, 5)):
            cells[draw(st.integers(0, len(cells) - 1))] = draw(ZINC_CELLS)
        if not draw(st.integers(0, 25)):
            cells.append(draw(ZINC_CELLS))
        rows.append(",".join(cells))
    version = draw(st.sampled_from(["3.0", "3.0", "3.0", "2.0", "4.0"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    tail = draw(st.sampled_from(["\n", "", "\r\n", "\n\n", "\n \n", "\n\nx", "\n>>", " ", "\r", "\r\r", "\r \n"]))
    return (end.join([f'ver:"{version}"', ",".join(names), *rows]) + tail).encode()


@given(body=zinc_bodies(), data=st.data())
def test_the_quick_way_is_the_exact_way_in_zinc(body: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = data.draw(st.integers(0, len(body)))
        piece = data.draw(
            st.sampled_from([b'"', b"\\", b",", b"}", b"{", b"]", b"[", b" ", b"\n", b"\xff", b"1", b"`"])
        )
        body = body[:place] + piece + body[place + data.draw(st.integers(0, 2)) :]
    assert_agrees(body, "zinc")


VERSION_3_CELLS = st.sampled_from(
    [
        *(
            '"m:"',
            '"-:"',
            '"z:"',
            '"n:1.5 kW"',
            '"n:INF"',
            '"n:1 "',
            '"n:x"',
            '"r:a A, \\"b\\""',
            '"r:"',
            '"s:x"',
            '"x"',
        ),
        *('"d:2024-03-01"', '"d:2024-13-01"', '"t:2024-03-01T00:00:00Z UTC"', '"t:x"', '"u:http://x/"', '"y:site"'),
        *('"c:1,2"', '"x:Span:a:b"', '"b:text/plain"', "true", "null", "1", "1.5", '["n:1", "m:"]', '{"a":"m:"}', "{}"),
        *('{"meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":"n:1"}]}', '"\\ud83d"', '"m:x"', '"a', "NaN", ""),
        *('[{"id":"m:"},{"id":"r:x"}]', '{"_":{"x":"}"}}', '"},{"', '[["]"]]'),
    ]
)


@given(data=st.data())
def test_the_quick_way_is_the_exact_way_in_version_3(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(["id", "dis", "a", "val"]), min_size=1, unique=True))
    usual = {name: data.draw(VERSION_3_CELLS) for name in names}
    gap = data.draw(GAPS)
    rows = []
    for _ in range(data.draw(st.integers(1, 12))):
        cells = {name: usual[name] for name in names if data.draw(st.integers(0, 4))}
        if not data.draw(st.integers(0, 6)):
            cells[data.draw(st.sampled_from([*names, "_kind"]))] = data.draw(VERSION_3_CELLS)
        rows.append("{" + f",{gap}".join(f'"{name}":{cell}' for name, cell in cells.items()) + "}")
    cols = ",".join(f'{{"name":"{name}","dis":"n:1"}}' for name in names)
    body = f'{{"meta":{{"ver":"3.0"}},"cols":[{cols}],"rows":[{f",{gap}".join(rows)}]}}'.encode()
    short = data.draw(st.sampled_from(["json3", "json4"]))
    assert_agrees(body, short)


@given(grid=strategies.grids(max_rows=12, max_cols=6), form=st.sampled_from(FORMS))
def test_generated_grids(grid: Grid, form: str) -> None:
    assert_agrees(encode_exact(grid, form), form)
    assert_agrees(spaced(grid), "json4") if not grid.meta else None


@given(
    cells=st.lists(st.none() | strategies.kinds(), min_size=1, max_size=8),
    picks=st.lists(st.integers(0, 7), min_size=100, max_size=140),
    form=st.sampled_from(FORMS),
)
def test_repeated_cells_of_any_kind(cells: list[Any], picks: list[int], form: str) -> None:
    column = [cells[pick % len(cells)] for pick in picks]
    assert_agrees(encode_exact(Grid({}, ["id", "x"], [[Ref("a")] * len(column), column]), form), form)


RICH = {
    "refs": strategies.refs(),
    "instants": strategies.datetimes(),
    "instants of a zone": strategies.datetimes(strategies.zones().filter(lambda zone: "York" in zone.key)),
    "numbers": strategies.numbers(),
    "numbers of a unit": strategies.numbers(st.just("kW")),
    "numbers without": strategies.numbers(st.none()),
    "texts": strategies.texts(),
}


@pytest.mark.parametrize("what", RICH)
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(data=st.data(), form=st.sampled_from(FORMS))
def test_columns_that_differ_from_row_to_row(what: str, data: st.DataObject, form: str) -> None:
    usual = data.draw(st.lists(RICH[what], min_size=23, max_size=28)) * 4
    others = data.draw(st.lists(st.tuples(st.integers(0, 80), strategies.kinds() | st.none()), max_size=3))
    for place, other in others:
        usual[place] = other
    assert_agrees(encode_exact(Grid({}, ["x"], [usual]), form), form)


@given(data=st.data(), form=st.sampled_from(FORMS))
def test_wounded_bodies(data: st.DataObject, form: str) -> None:
    """Whatever is done to a body, the quick way declines or agrees; the error is then the exact parser's own."""
    body = bytearray(WOUNDED[form])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                body[place] ^= 1 << data.draw(st.integers(0, 7))
            case 1:
                del body[place : place + data.draw(st.integers(1, 40))]
            case 2:
                body[place:place] = data.draw(st.sampled_from([b'"', b"}", b"\\", b"},{", b"\xc3", b"null", b"\n"]))
            case _:
                other = data.draw(st.integers(0, len(body) - 1))
                body[place:place] = body[other : other + 30]
    law = law_of(bytes(body), form)
    fast = assert_agrees(bytes(body), form)
    if isinstance(law, CodecError):
        assert fast is None
        with pytest.raises(CodecError) as error:
            decode(bytes(body), form)
        assert str(error.value) == str(law)


def test_a_wrong_cell_is_the_exact_parsers_error() -> None:
    body = encode_exact(entity_grid(500), "json4").replace(b"2023-", b"2023-13-", 1)
    assert len(body) > 200_000
    assert try_records(body, "json4") is None
    with pytest.raises(CodecError, match=r"rows\[") as error:
        decode(body, "json4")
    assert str(error.value) == str(law_of(body, "json4"))


def test_values_that_hide_brackets_are_split_right() -> None:
    """Nested values, and texts full of marks, are found one by one; not so many that it takes long."""
    column = [{"a": {"b": [Number(n), "]},{"]}, "c": "}"} for n in range(100)]
    grid = Grid({}, ["id", "x"], [[Ref(f"r{n}") for n in range(100)], column])
    for body in (encode_exact(grid, "json4"), spaced(grid)):
        fast = assert_agrees(body, "json4")
        assert fast is not None
        assert fast == grid


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("unit", [None, "kW"])
@pytest.mark.parametrize("zeros", [1, 30, 100])
def test_a_minus_zero_keeps_its_sign(form: str, unit: str | None, zeros: int) -> None:
    """Among numbers that hardly repeat, and where it is most of the column."""
    column = [Number(-0.0 if row < zeros else row, unit) for row in range(100)]
    grid = Grid({}, ["id", "x"], [[Ref(f"r{row}") for row in range(100)], column])
    fast = assert_agrees(encode_exact(grid, form), form)
    assert fast is not None
    assert list(map(repr, fast.column("x"))) == list(map(repr, column))


def test_lists_of_dicts_are_no_rows() -> None:
    column = [[{"id": Ref("inner")}, {"id": Ref("inner2"), "x": MARKER}, {}] for _ in range(100)]
    grid = Grid({}, ["id", "x"], [[Ref(f"r{n}", "R") for n in range(100)], column])
    assert assert_agrees(encode_exact(grid, "json4"), "json4") == grid


def test_rows_without_cells_and_columns_without_cells() -> None:
    grid = Grid.from_rows({}, ["id", "none", "a"], [{}, {"id": Ref("x")}, {}, {"a": NA}] * 30)
    assert assert_agrees(encode_exact(grid, "json4"), "json4") == grid
    assert assert_agrees(spaced(grid), "json4") == grid


def test_zinc_values_that_hide_brackets_are_split_right() -> None:
    columns = [
        [Ref(f"r{n}", f"a, {n}") if n % 3 else Ref(f"r{n}") for n in range(100)],
        [[Number(n), "]", {"a": "}, {"}] for n in range(100)],
        [{"a": {"b": Number(n)}} if n % 2 else None for n in range(100)],
        [XStr("Span", f'a, "{n}"') if n % 5 else Coord(n, -n) for n in range(100)],
        [Uri(f"http://x/`,{n}".replace("`", "\\`")) for n in range(100)],
    ]
    grid = Grid({"a": [MARKER]}, [Col("id", {"dis": "x"}), "a", "b", "c", "d"], columns)
    body = encode_exact(grid, "zinc")
    for other in (body, body.replace(b"\n", b"\r\n"), body.rstrip(), body + b"\n\r\n", b"\xef\xbb\xbf" + body):
        assert assert_agrees(other, "zinc") == grid


@pytest.mark.parametrize("length", [0, 1, 7, 50, 63, 64, 65, 1000, 70_000])
def test_long_texts(length: int) -> None:
    text = "x" * length
    rows = [{"dis": text, "b": Number(1)}, {"dis": text + "y"}, {"b": Number(2)}]
    grid = Grid.from_rows({}, ["dis", "b"], rows)
    for form in FORMS:
        assert assert_agrees(encode_exact(grid, form), form) == grid


def test_many_rows_are_split_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("hsframe.codecs.entities.split_json"), "_MOST_ROWS", 7)
    inner = [[{"id": Ref("inner")}, {"id": Ref("inner2")}] for _ in range(100)]
    for grid in (GRID, Grid({}, ["id", "x"], [[Ref(f"r{n}", "R") for n in range(100)], inner])):
        assert assert_agrees(encode_exact(grid, "json4"), "json4") == grid


@given(text=st.text('"\\ab\n', max_size=200))
def test_byte_index(text: str) -> None:
    """The next quote that no backslash escapes, counted from the first backslash of a run."""
    body = text.encode()
    block = block_of(body)
    escaped, awkward = escaped_places(block)
    index = ByteIndex(block, (b"b", b'"'), escaped)
    is_escaped = False
    quotes = []
    for place, char in enumerate(body):
        if char == ord('"') and not is_escaped:
            quotes.append(place)
        is_escaped = char == ord("\\") and not is_escaped
    places = np.arange(len(body)) + PAD
    found = (index.find(1, places) - PAD).tolist()
    for place, next_place in enumerate(found):
        expected = next((quote for quote in quotes if quote >= place), None)
        assert next_place == expected if expected is not None else next_place >= len(body)
    ends = np.minimum(places + 3, len(body) + PAD)
    within = index.within(places + index.stride, ends + index.stride).tolist()
    assert within == [any(place <= quote < min(place + 3, len(body)) for quote in quotes) for place in range(len(body))]
    assert (awkward - PAD).tolist() == [place for place, char in enumerate(body) if char in b"\\\n"]


@given(names=st.lists(strategies.tag_names(), min_size=1, unique=True), others=st.lists(strategies.tag_names()))
@example(names=["a" * 20 + "x" + "a" * 9, "a" * 20 + "y" + "a" * 9], others=["a" * 20 + "z" + "a" * 9])
@example(names=["abcdefgh"], others=["abcdefghi", "abcdefg"])
def test_names_are_found(names: list[str], others: list[str]) -> None:
    try:
        table = ColumnNames(names)
    except NeedsExactParserError:
        assert len({name[:16] for name in names}) < len(names)
        return
    asked = [*names, *others]
    block = block_of(b"".join(b'"' + name.encode() for name in asked) + b'"')
    lengths = np.array([len(name) for name in asked])
    starts = PAD + 1 + np.concatenate(([0], np.cumsum(lengths + 1)[:-1]))
    expected = [names.index(name) if name in names else -1 for name in asked]
    assert table.find(block, starts).tolist() == expected
    assert table.lengths.tolist() == [len(name) for name in names]


def test_names_of_another_kind_go_the_exact_way_which_refuses_them() -> None:
    rows = ",".join(json.dumps({"a b": Json4().write(Number(n))}) for n in range(50))
    body = f'{{"_kind":"grid","cols":[{{"name":"a b"}}],"rows":[{rows}]}}'.encode()
    assert try_records(body, "json4") is None
    with pytest.raises(CodecError, match="'a b' cannot be the name"):
        decode(body, "json4")


@pytest.mark.parametrize("form", ["json4", "json3"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("r1234", "r/234", "'r/234' cannot be the id"),
    ],
)
def test_ids_that_no_other_format_could_write(form: str, old: str, new: str, words: str) -> None:
    """In a column that is read at once."""
    ids = [Ref(f"r{n}", f"Point {n}") for n in range(1000, 4000)]
    grid = Grid({}, ["id", "v"], [ids, [Number(n + 0.5, "kW") for n in range(3000)]])
    body = encode(grid, form)
    assert decode(body, form) == grid
    assert try_records(body, form) == grid
    with pytest.raises(CodecError, match=words):
        decode(body.replace(old.encode(), new.encode()), form)


@pytest.mark.parametrize("blanks", [10, 58, 59, 60, 1_100, 5_000])
@pytest.mark.parametrize("mark", [",", ":"])
def test_many_blanks_within_a_row(mark: str, blanks: int) -> None:
    """At the end of a body, too, where what comes after a comma may be beyond it."""
    row = '{"a":1,"b":2}'.replace(mark, mark + " " * blanks)
    for rows in (f"{row},{row}", f'{row},{{"a":1,"c":2}}', f'{row},{{"a":1'):
        body = f'{{"meta":{{"ver":"3.0"}},"cols":[{{"name":"a"}},{{"name":"b"}}],"rows":[{rows}'.encode()
        for end in (b"]}", b"", b","):
            grid = try_records(body + end, "json3")
            assert grid is None or grid == decode_exact(body + end, "json3")
