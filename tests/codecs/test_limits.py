"""What a hostile or broken body can make the decoders do: bounded, and refused before the memory is taken."""

from __future__ import annotations

import contextlib
import importlib
import json
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.codecs import decode, decode_exact, encode_exact, trio, zinc
from hsframe.codecs.entities import try_records
from hsframe.codecs.entities.split_cells import ColumnCells
from hsframe.codecs.histories import HistoryStream, try_decode, zinc_rows
from hsframe.codecs.histories import decode as decode_module
from hsframe.codecs.histories.row_reader import RowReader
from hsframe.codecs.zinc_ends import split_zinc
from hsframe.errors import CodecError, MetadataError
from hsframe.grid import Grid
from hsframe.kinds import NA, Number
from hsframe.options import Limits

STAMP = "2021-01-01T00:00:00-05:00 New_York"
FORMATS = ("zinc", "json4", "json3", "jeto", "trio")


def stamp_of(short: str, minute: int = 0) -> str:
    text = f"2021-01-01T00:{minute % 60:02}:00-05:00"
    if short == "json3":
        return f'"t:{text} New_York"'
    return f'{{"_kind":"dateTime","val":"{text}","tz":"New_York"}}'


def json_body(short: str, names: list[str], rows: str) -> str:
    kind = {"json4": '"_kind":"grid",', "jeto": '"spec":"sys::Grid",'}.get(short, "")
    cols = json.dumps([{"name": name} for name in names])
    return f'{{{kind}"meta":{{"ver":"3.0"}},"cols":{cols},"rows":[{rows}]}}'


def table(short: str, names: list[str], rows: int) -> bytes:
    """Rows that have a text in their first column, and nothing in all others; the last row has all."""
    if short == "zinc":
        lines = ['"x"' + "," * (len(names) - 1)] * (rows - 1) + [",".join('"x"' for _ in names)]
        return "\n".join(['ver:"3.0"', ",".join(names), *lines, ""]).encode()
    first, last = {names[0]: "x"}, dict.fromkeys(names, "x")
    if short == "trio":
        records = [*[first] * (rows - 1), last]
        return "---\n".join("".join(f"{name}:{value}\n" for name, value in one.items()) for one in records).encode()
    text = ",".join([*[json.dumps(first)] * (rows - 1), json.dumps(last)])
    return json_body(short, names, text).encode()


def calls_of(monkeypatch: Any, owner: Any, name: str) -> list[tuple[Any, ...]]:
    """The arguments of each call of a function from now on; it is run all the same."""
    calls: list[tuple[Any, ...]] = []
    real = getattr(owner, name)

    def noted(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(owner, name, noted)
    return calls


def peak_of(run: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("short", FORMATS)
@pytest.mark.parametrize("rows", [20, 4_000])
def test_cells_and_columns_are_bounded_in_each_format(short: str, rows: int) -> None:
    names = [f"a{number}" for number in range(30)]
    body = table(short, names, rows)
    assert len(decode(body, short, limits=Limits(cells=30 * rows, columns=30))) == rows
    with pytest.raises(
        CodecError, match=r"has [0-9,]+ cells or more, and [0-9,]+ are allowed; .*Limits\(cells=[1-9]\d+\)"
    ) as cells:
        decode(body, short, limits=Limits(cells=30 * rows - 1))
    with pytest.raises(
        CodecError, match=r"has 30 columns or more, and 29 are allowed; .*hsframe.Limits\(columns="
    ) as columns:
        decode(body, short, limits=Limits(columns=29))
    assert (cells.value.limit, columns.value.limit) == ("cells", "columns")


MANY_ROWS = {
    "nulls": "a\n" + "N\n" * 300_000,
    "line ends of two bytes": "a\n" + "N\r\n" * 300_000,
    "two columns": "a,b\n" + "N,\n" * 150_000,
    "no history": "ts,v0\n" + ",\n" * 150_000,
    "a history": "ts,v0\n" + f"{STAMP},N\n" * 150_000,
    "a list at the end": "a\n" + "N\n" * 300_000 + "[1,\n2]\n",
}


@pytest.mark.parametrize("rows", MANY_ROWS.values(), ids=MANY_ROWS)
def test_the_rows_of_zinc_are_counted_before_they_are_read(rows: str, monkeypatch: Any) -> None:
    body = f'ver:"3.0"\n{rows}'.encode()
    assert len(decode(body, "zinc", limits=Limits(cells=300_010))) >= 150_000
    for method in ("plain_rows", "row", "value"):
        monkeypatch.setattr(zinc.ZincReader, method, lambda *_: pytest.fail("a row was read"))
    with pytest.raises(CodecError, match="cells or more, and 200,000 are allowed"):
        decode_exact(body, "zinc", Limits(cells=200_000))


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n \r\n", "\n" * 50])
@pytest.mark.parametrize("row", ["1", '"["', "[1,\n2\n]", '<<ver:"3.0"\nx\n>>', '<<ver:"3.0"\nx\n\n>>'])
def test_lines_that_are_no_rows_do_not_count(row: str, end: str) -> None:
    for columns, cell in (("a", row), ("a,b", f"{row},2")):
        body = f'ver:"3.0"\n{columns}\n' + "\n".join([cell] * 40) + end
        assert len(decode(body, "zinc", limits=Limits(cells=40 * len(columns.split(","))))) == 40


ZINC_ROWS = [
    "1,2",
    "N,",
    ",",
    '"a,b",1',
    '"a,b',
    "[],1",
    "[1,2],3",
    "[1,\n2],3",
    " 1 ,T ",
    "1,2\r",
    "1",
    "",
    "1,2 kW",
    "x>>,1",
]


@pytest.mark.parametrize("version", ["3.0", "2.0"])
@given(st.lists(st.sampled_from(ZINC_ROWS) | st.just("1,2"), max_size=30), st.sampled_from(["a", "a,b"]), st.booleans())
def test_many_lines_at_once_are_read_as_line_by_line(version: str, rows: list[str], columns: str, nested: bool) -> None:
    text = "\n".join([f'ver:"{version}"', columns, *rows, ""])
    text = f'ver:"3.0"\na\n<<{text}>>\n' if nested else text

    def outcome() -> object:
        try:
            return decode_exact(text, "zinc")
        except CodecError as error:
            return str(error)

    at_once = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zinc, "_LINES_AHEAD", 0)
        assert outcome() == at_once


def test_records_of_trio_with_tags_of_their_own_are_refused_while_they_are_read(monkeypatch: Any) -> None:
    body = "---\n".join(f"a{number}\n" for number in range(2_000)).encode()
    assert len(decode(body, "trio", limits=Limits(cells=4_000_000))) == 2_000
    read = calls_of(monkeypatch, trio._Reader, "tag")
    for limits in (Limits(cells=10_000), Limits(columns=100)):
        read.clear()
        with pytest.raises(CodecError, match=r"or more, and 10,?0+ are allowed"):
            decode(body, "trio", limits=limits)
        assert len(read) == 101


def test_the_cells_of_many_columns_are_counted_once(monkeypatch: Any) -> None:
    """Counting those of all columns before, for each column, takes the square of their number."""
    looked: list[str] = []

    class Counted(ColumnCells):
        def __getattribute__(self, name: str) -> Any:
            looked.append(name)
            return super().__getattribute__(name)

    monkeypatch.setattr(importlib.import_module("hsframe.codecs.entities.split_zinc"), "ColumnCells", Counted)
    width = 500
    body = table("zinc", [f"a{number}" for number in range(width)], 20)
    grid = try_records(body, "zinc")
    assert grid == decode_exact(body, "zinc")
    assert len(looked) < 50 * width


@pytest.mark.one_python
def test_lists_and_dicts_of_records_are_read_once(monkeypatch: Any) -> None:
    """To find where one ends, its brackets are enough; in a text or a uri they are none."""
    item = '{a:"]}\\"[" b:`}\\`]` c:[1,{d}]}'
    rows = [f"@a{number},[" + ",".join([item] * 1_000) + "]" for number in range(20)]
    body = "\n".join(['ver:"3.0"', "id,list", *rows, ""]).encode()
    exact = decode_exact(body, "zinc")
    read = calls_of(monkeypatch, zinc.ZincReader, "value")
    assert try_records(body, "zinc") == exact
    values = 20 * (1 + 1_000 * 6)  # the list, and of each item the dict, two texts, a list and its two items
    assert len(read) <= values


@pytest.mark.parametrize("short", FORMATS)
def test_nesting_is_bounded_in_each_format(short: str) -> None:
    def body(depth: int) -> bytes:
        lists = "[" * depth + "]" * depth
        if short == "trio":
            return f"a:{lists}\n".encode()
        return (
            f'ver:"3.0"\na\n{lists}\n'.encode()
            if short == "zinc"
            else json_body(short, ["a"], f'{{"a":{lists}}}').encode()
        )

    for limits in (Limits(), Limits(nesting=3), Limits(nesting=100)):
        decode(body(limits.nesting), short, limits=limits)
        for depth in (limits.nesting + 1, 100_000):
            with pytest.raises(
                CodecError, match=rf"more than {limits.nesting} deep.*hsframe.Limits\(nesting="
            ) as caught:
                decode(body(depth), short, limits=limits)
            assert caught.value.limit == "nesting"


@pytest.mark.parametrize("short", FORMATS)
def test_a_caller_deep_in_the_stack_gets_an_error_of_ours(short: str) -> None:
    """What Python's stack has left may be less than the limit."""
    body = table(short, ["a"], 1).replace(b'"x"', b"[" * 60 + b"]" * 60).replace(b"a:x", b"a:" + b"[" * 60 + b"]" * 60)

    def deep(frames: int) -> None:
        decode(body, short) if frames == 0 else deep(frames - 1)

    found = set()
    for frames in range(600, 900, 5):
        try:
            deep(frames)
            found.add("read")
        except CodecError as error:
            found.add("refused" if "deep" in str(error) else str(error))
        except RecursionError:
            break  # before the decoder was reached
    assert found <= {"read", "refused"}
    assert "refused" in found


def test_nesting_that_the_stack_cannot_hold_is_no_setting() -> None:
    with pytest.raises(MetadataError, match="nesting must be at most 100; got 101"):
        Limits(nesting=101)


@pytest.mark.one_python
@pytest.mark.parametrize("short", ["json4", "json3"])
@pytest.mark.parametrize(
    "rows",
    [",".join(["{}"] * 700_000), ",".join(['{"a":[[]]}'] * 300_000), '{"a":[' + ",".join(["[]"] * 700_000) + "]}"],
    ids=["empty rows", "lists", "one list"],
)
def test_what_json_would_make_is_known_before_it_is_made(short: str, rows: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(Limits, "_beside_bytes", 20_000_000)
    body = json_body(short, ["a"], rows).encode()
    limits = Limits(answer_bytes=len(body))

    def refused() -> None:
        with pytest.raises(CodecError, match=r"would take about [0-9,]+ bytes of memory.*answer_bytes="):
            decode(body, short, limits=limits)

    # By columns a value is looked for in a mebibyte or two.
    assert peak_of(refused) < len(body) + 60_000_000
    as_list = b"[" + rows.encode() + b"]"
    with pytest.raises(CodecError, match="bytes of memory"):
        decode(as_list, short, limits=limits)


SMALL_ROWS = {
    "one cell": lambda number: '{"a":1}',
    "two cells": lambda number: '{"a":1,"b":2}',
    "all different": lambda number: f'{{"a":"r:{number}","b":{number}}}',
}


@pytest.mark.one_python
@pytest.mark.parametrize("row", SMALL_ROWS.values(), ids=SMALL_ROWS)
@pytest.mark.parametrize("short", ["json4", "json3"])
def test_the_places_of_small_rows_are_counted_before_they_are_taken(short: str, row: Any, monkeypatch: Any) -> None:
    """A row of eight bytes takes eighty more while all are split at once, and a value that is an object 240."""
    body = json_body(short, ["a", "b"], ",".join(map(row, range(200_000)))).encode()
    assert try_records(body, short) is not None
    monkeypatch.setattr(Limits, "_beside_bytes", 15_000_000)
    limits = Limits(answer_bytes=len(body))

    def refused() -> None:
        with pytest.raises(CodecError, match=r"would take about [0-9,]+ bytes of memory.*answer_bytes="):
            decode(body, short, limits=limits)

    assert peak_of(refused) < 15_000_000  # beside the body


# Of each the tail is repeated.
LONG_SCALARS = {
    "number": ("zinc", "1", "_1", ""),
    "number in a list": ("zinc", "[1", "_1", "]"),
    "coordinate": ("zinc", "C(1", "_1", ",2)"),
    "code points": ("zinc", '"', "\\u0041", '"'),
    "characters": ("zinc", '"', "\\n", '"'),
    "escapes in a text": ("zinc", '"', "ab\\n", '"'),
    "escaped commas": ("zinc", '"', "\\\\,", '"'),
    "not closed": ("zinc", '"', '\\"', ""),
    "uri": ("zinc", "`", "\\:", "`"),
    "typed text": ("zinc", 'X("', "\\n", '")'),
    "text in a dict": ("zinc", '{a:"', "\\n", '"}'),
    "name of a ref": ("zinc", '@a "', "\\n", '"'),
    "text of Trio": ("trio", '"', "\\n", '"'),
    "number of JSON": ("json3", '"n:1', "_1", '"'),
    "surrogates of JSON": ("json4", r'"\ud83d', "\\n", '"'),
}


@pytest.mark.one_python
@pytest.mark.parametrize(("short", "begin", "tail", "end"), LONG_SCALARS.values(), ids=LONG_SCALARS)
def test_a_long_scalar_takes_a_few_times_its_bytes(short: str, begin: str, tail: str, end: str) -> None:
    scalar = begin + tail * (600_000 // len(tail)) + end
    bodies = {"zinc": f'ver:"3.0"\na\n{scalar}\n', "trio": f"a:{scalar}\n"}
    body = (bodies.get(short) or json_body(short, ["a"], f'{{"a":{scalar}}}')).encode()

    def read() -> None:
        with contextlib.suppress(CodecError):
            decode(body, short)
        if short == "zinc":
            split_zinc(body)

    read()  # what is loaded on first use
    assert peak_of(read) < 12 * len(body)


def test_escapes_are_read_some_at_a_time() -> None:
    r"""With the same result as all at once; ``\ud83d\ude00`` is one character."""
    text = "a\\\\n\n\N{GRINNING FACE}b\\u0041" * 3_000 + "\\"
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\N{GRINNING FACE}", "\\ud83d\\ude00")
    for begin in ("", "x\\t", "\\ud83dx"):
        expected = begin.replace("\\t", "\t").replace("\\ud83d", "\ufffd") + text
        assert decode(f'ver:"3.0"\na\n"{begin}{escaped}"\n', "zinc")[0]["a"] == expected
        assert decode(json_body("json4", ["a"], f'{{"a":"{begin}{escaped}"}}'), "json4")[0]["a"] == expected
    with pytest.raises(CodecError, match=r"no such escape: \\q") as caught:
        decode(f'ver:"3.0"\na\n"{escaped}\\q"\n', "zinc")
    assert caught.value.column == len(escaped) + 2
    with pytest.raises(CodecError, match="not JSON"):
        decode(json_body("json4", ["a"], f'{{"a":"\\ud83d{escaped}"}}') + "\\", "json4")


VALUES = {
    "grids": '<<ver:"3.0"\na,b,c,d,e,f\n>>\n' * 12_000,
    "columns": ('<<ver:"3.0"\n' + ",".join(f"a{number}" for number in range(1_000)) + "\n>>\n") * 100,
    "lists": "[" + "[]," * 700_000 + "]",
    "dicts": "[" + "{a}," * 400_000 + "]",
    "tags": "{" + " ".join(f"a{number}" for number in range(300_000)) + "}",
    "numbers": "\n".join(map(str, range(300_000))),
}


@pytest.mark.one_python
@pytest.mark.parametrize("cells", VALUES.values(), ids=VALUES)
def test_values_of_zinc_are_counted_while_they_are_made(cells: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(Limits, "_beside_bytes", 20_000_000)
    body = f'ver:"3.0"\na\n{cells}\n'.encode()
    limits = Limits(answer_bytes=len(body))

    def refused() -> None:
        with pytest.raises(CodecError, match="bytes of memory"):
            decode_exact(body, "zinc", limits)

    assert peak_of(refused) < 1.5 * (len(body) + 20_000_000)


def test_empty_cells_of_trio_are_counted_before_they_are_made(monkeypatch: Any) -> None:
    """A record of many tags makes as many columns of each short one after it."""
    monkeypatch.setattr(Limits, "_beside_bytes", 20_000_000)
    body = ("\n".join(f"a{number}" for number in range(5_000)) + "\n---\na1" * 999).encode()

    def refused() -> None:
        with pytest.raises(CodecError, match=r"trio: the answer would take about [0-9,]+ bytes of memory"):
            decode(body, "trio", limits=Limits(answer_bytes=len(body)))

    assert peak_of(refused) < 20_000_000
    assert len(decode(body, "trio")) == 1_000


def test_names_of_tags_are_in_memory_once() -> None:
    rows = decode('ver:"3.0"\na\n{tag:1 marker}\n{tag:2 marker}\n', "zinc")
    records = decode("tag:1\nmarker\n---\ntag:{tag marker}\n", "trio")
    names = [list(tags) for tags in (rows[0]["a"], rows[1]["a"], records[1]["tag"])]
    assert names == [["tag", "marker"]] * 3
    assert all(one is other for one, other in zip(names[0], names[1], strict=True))


def test_a_text_takes_the_bytes_of_its_widest_character(monkeypatch: Any) -> None:
    monkeypatch.setattr(Limits, "_beside_bytes", 1000)
    limits = Limits(answer_bytes=302_000)  # the body, its text and the value
    body = f'ver:"3.0"\na\n"{"x" * 100_000}"\n'.encode()
    assert len(decode(body, "zinc", limits=limits)) == 1
    for char in ("€", "\N{GRINNING FACE}"):
        with pytest.raises(CodecError, match="bytes of memory"):
            decode(body.replace(b"xx", char.encode(), 1), "zinc", limits=limits)


def test_a_text_of_wide_characters_is_refused_before_it_is_made(monkeypatch: Any) -> None:
    monkeypatch.setattr(Limits, "_beside_bytes", 1000)
    body = f'ver:"3.0"\nid,dis\n@a,"{"x" * 4_000_000}\N{GRINNING FACE}"\n'.encode()

    def refused() -> None:
        with pytest.raises(CodecError, match="bytes of memory"):
            decode(body, "zinc", limits=Limits(answer_bytes=len(body) + 1))

    assert peak_of(refused) < len(body)


@pytest.mark.parametrize("short", ["json4", "json3"])
def test_empty_cells_take_no_memory(short: str) -> None:
    """Rows without a value, and rows of one value each: what is not there is not looked at."""
    names = [f"a{number}" for number in range(1_000)]
    empty = json_body(short, names, ",".join(["{}"] * 10_000)).encode()
    assert peak_of(lambda: decode(empty, short)) < 12_000_000  # ten million cells
    rows = [json.dumps({name: f"x{name}"}) for name in names]
    grid = decode(json_body(short, names, ",".join(rows)), short)
    assert [dict(row) for row in grid] == [{name: f"x{name}"} for name in names]


@pytest.mark.parametrize("short", ["json4", "json3"])
def test_an_error_in_a_sparse_grid_names_its_row(short: str) -> None:
    names = [f"a{number}" for number in range(100)]
    wrong = '{"_kind":"ref"}' if short == "json4" else '"n:x"'
    rows = ['{"a0":"x"}', *["{}"] * 200, f'{{"a0":{wrong}}}', "{}"]
    with pytest.raises(CodecError, match=r"rows\[201\]\.a0"):
        decode(json_body(short, names, ",".join(rows)), short)


@pytest.mark.parametrize("short", ["json4", "json3"])
def test_a_history_of_many_columns_and_few_values(short: str) -> None:
    """By columns each row would take as much as it has columns."""
    names = ["ts", *(f"v{number}" for number in range(3_000))]
    rows = ",".join(f'{{"ts":{stamp_of(short, n)},"v0":"n:1"}}' for n in range(3_000))
    body = json_body(short, names, rows.replace('"n:1"', "1") if short == "json4" else rows).encode()
    assert peak_of(lambda: decode(body, short)) < 120_000_000
    with pytest.raises(CodecError, match="cells or more, and 8,000,000 are allowed"):
        decode(body, short, limits=Limits(cells=8_000_000))


@pytest.mark.parametrize("short", ["zinc", "json4", "json3"])
def test_rows_are_read_some_at_a_time(short: str, monkeypatch: Any) -> None:
    """With the same result as all at once."""
    names = [f"v{number}" for number in range(4)]
    values = [Number(1.5), Number(2), NA, None]
    zone = ZoneInfo("America/New_York")
    times = [datetime(2021, 1, 1, minute // 60, minute % 60, tzinfo=zone) for minute in range(300)]
    columns = [[values[(row + place) % 4] for row in range(300)] for place in range(4)]
    body = encode_exact(Grid({}, ["ts", *names], [times, *columns]), short)
    monkeypatch.setattr("hsframe.codecs.histories.row_reader._CELLS_AT_ONCE", 1_000)
    exact = decode_exact(body, short)
    assert try_decode(body, short) == exact
    assert len(exact) == 300


def test_the_texts_of_a_wide_row_are_read_together(monkeypatch: Any) -> None:
    """A row of its own for each text would take the square of the columns."""
    width = 3_000
    body = f'ver:"3.0"\nts,{",".join(f"v{n}" for n in range(width))}\n{STAMP}'
    body += "".join(f',"t{n % 1500}"' for n in range(width)) + "\n"
    seen = calls_of(monkeypatch, zinc_rows, "decode_zinc")
    grid = try_decode(body.encode(), "zinc")
    assert grid is not None
    assert grid == decode_exact(body, "zinc")
    assert sum(len(text) for text, _ in seen) < 4 * len(body)


@pytest.mark.parametrize("short", ["json4", "json3"])
def test_a_wide_row_is_learned_in_one_pass(short: str) -> None:
    width = 500
    names = ["ts", *(f"v{number}" for number in range(width))]
    value = "1.5" if short == "json4" else '"n:1.5"'
    some = ",".join(f'"v{n}":{value}' for n in range(0, width, 2))
    more = ",".join(f'"v{n}":{value}' for n in range(width))
    rows = [f'{{"ts":{stamp_of(short, n)},{more if n > 3 else some}}}' for n in range(9)]
    body = json_body(short, names, ",".join(rows)).encode()
    grid = try_decode(body, short)
    assert grid is not None
    assert grid == decode_exact(body, short)
    assert grid.columns[2][8] == Number(1.5)


@pytest.mark.parametrize("short", ["zinc", "json4"])
def test_a_long_head_in_small_pieces_is_looked_for_seldom(short: str, monkeypatch: Any) -> None:
    looked: list[int] = []
    real = decode_module.head_length
    monkeypatch.setattr(decode_module, "head_length", lambda body, short: looked.append(len(body)) or real(body, short))
    note, names = "x" * 1_500_000, ["ts", "v0"]
    row = f'{{"ts":{stamp_of(short)},"v0":1}}'
    body = json_body(short, names, row).replace('"ver":"3.0"', f'"ver":"3.0","a":"{note}"')
    if short == "zinc":
        body = f'ver:"3.0" a:"{note}"\nts,v0\n{STAMP},1\n'
    stream = HistoryStream(short)
    data = body.encode()
    batches = [one for at in range(0, len(data), 1_500) for one in stream.feed(data[at : at + 1_500])]
    assert sum(batch.num_rows for batch in batches + stream.finish()) == 1
    assert sum(looked) < 8 * len(data)


def test_rows_that_wait_for_a_value_are_looked_at_once(monkeypatch: Any) -> None:
    settled: list[int] = []
    real = RowReader.settle
    monkeypatch.setattr(RowReader, "settle", lambda reader, *tail: settled.append(0) or real(reader, *tail))
    body = ('ver:"3.0"\nts,v0\n' + f"{STAMP},\n" * 100_000).encode()
    stream = HistoryStream("zinc")
    for at in range(0, len(body), 1_500):
        stream.feed(body[at : at + 1_500])
    stream.finish()
    assert len(settled) < 10


def test_what_a_stream_holds_for_the_exact_parser_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(Limits, "_beside_bytes", 1_000_000)
    stream = HistoryStream("zinc", limits=Limits(answer_bytes=3_000_000))
    stream.feed(f'ver:"3.0"\nts,v0\n{STAMP},"'.encode())
    for _ in range(1_900):
        stream.feed(b"x" * 1_000)
    with pytest.raises(CodecError, match="bytes of memory"):
        stream.feed(b"x" * 200_000)


def test_the_cells_that_a_stream_holds_are_bounded() -> None:
    body = ('ver:"3.0"\nts,v0\n' + f"{STAMP},1\n" * 200_000).encode()
    stream = HistoryStream("zinc", limits=Limits(cells=100_000))  # a batch of a mebibyte has 50,000 cells
    rows = 0
    for at in range(0, len(body), 1 << 16):
        rows += sum(batch.num_rows for batch in stream.feed(body[at : at + (1 << 16)]))
    assert rows + sum(batch.num_rows for batch in stream.finish()) == 200_000
    with pytest.raises(CodecError, match=r"cells or more, and 10,000 are allowed"):
        HistoryStream("zinc", limits=Limits(cells=10_000)).feed(body)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_after_the_rows_of_a_history(end: str) -> None:
    body = ('ver:"3.0"\nts,v0\n' + f"{STAMP},1\n" * 200 + end * 5_000).encode()
    grid = try_decode(body, "zinc")
    assert grid is not None
    assert grid == decode_exact(body, "zinc")
