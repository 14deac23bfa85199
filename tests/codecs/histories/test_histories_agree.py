"""The columns give what the exact parser gives, on every body, right or wrong."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.caller_warnings import DeferredWarnings
from hsframe.codecs import decode, decode_exact
from hsframe.codecs.histories import decode as decode_module
from hsframe.codecs.histories.decode import HistoryStream, try_decode
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.kinds import NA, Number, same

# Bodies that are made up or damaged have offsets that their zones do not have, and zones that are not known.
pytestmark = pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning", "ignore::hsframe.UnitWarning")

# ---- bodies ---------------------------------------------------------------------------------------------------------

OFFSETS = {
    "New_York": ["-05:00", "-04:00"],
    "London": ["Z", "+01:00"],
    "UTC": ["Z", "+00:00"],
    "Kolkata": ["+05:30"],
    "": ["Z"],
}
UNITS = [
    "",
    "",
    "°F",
    "E5",
    "x1f",
    "xyz",
    "kW",
    "%",
    "kWh/ft²",
    "m2",
    "e",
    "_x",
    "degree_Fahrenheit",
    "gal/min_per_square_foot_of_roof",
]
FRACTIONS = [".5", ".123", ".123456", ".123456789", ".0000001", ".12345678", ".1234567890"]
RETURNS = ["\r", "\r\r", "\n\r\r", "\r\r\n", "\n\r", "\n \r\n", "\n\n \n"]
ODD_NUMBERS = [
    *("0", "-0", "00", "-0.0", "1.0", "007", "-", "1.", "-.5", ".5", "1e5", "1.e5", "1E+3", "10_000.5", "--1", "1.2.3"),
    *(
        "9007199254740993",
        "12345678",
        "1234567.",
        "123456789",
        "1" * 30,
        "0." + "1" * 30,
        "1e999",
        "-1e-400",
        "1_",
        "1__0",
        "0xab",
        "+1",
    ),
]


# Texts that are wrong in themselves; a lone surrogate becomes an octet that is not UTF-8.
WRONG_ZINC = ['"C:\\q"', '"a\x01"', '"\udcff"', '"x', "1,2", '"a\nb"', "5kW\udcff", '"a"', "7.5"]
WRONG_JSON = [r'"C:\q"', '"a\tb"', '"\udcff"', '"x', "1,2", '{"_kind":"num\nber","val":1}', r'"\ud83d"', "[]", "7.5"]


def number_text(rnd: Random) -> str:
    return rnd.choice(
        [
            lambda: f"{rnd.uniform(-100, 100):.2f}",
            lambda: str(rnd.randint(-(10 ** rnd.randint(1, 19)), 10 ** rnd.randint(1, 19))),
            lambda: repr(rnd.uniform(-1e6, 1e6)),
            lambda: repr(rnd.uniform(0, 1) * 10 ** rnd.randint(-300, 300)),
            lambda: rnd.choice(ODD_NUMBERS),
        ]
    )()


def stamp_text(rnd: Random, tz: str, minute: int, *, odd: bool) -> tuple[str, str]:
    fraction = rnd.choice(FRACTIONS) if odd and rnd.random() < 0.3 else ""
    day = f"20{rnd.randint(0, 40):02d}-{rnd.randint(1, 12):02d}-{rnd.randint(1, 28):02d}"
    clock = f"{minute // 60 % 24:02d}:{minute % 60:02d}:{rnd.choice([0, 0, 30, 59]):02d}"
    return f"{day}T{clock}{fraction}{rnd.choice(OFFSETS[tz])}", tz


class Shape:
    """What one server's answer looks like."""

    def __init__(self, rnd: Random, *, late: bool) -> None:
        self.tz = rnd.choice(list(OFFSETS))
        self.width = rnd.choice([1, 1, 1, 2, 3, 5])
        self.kinds = [rnd.choice("nnnnbs") for _ in range(self.width)]
        self.units = [rnd.choice(UNITS) for _ in range(self.width)]
        self.rows = rnd.choice([1, 2, 3, 8, 30])
        self.nl = rnd.choice(["\n", "\n", "\n", "\r\n"])
        self.space = rnd.choice(["", "", "", " "])
        self.oddness = rnd.choice([0.0, 0.0, 0.1, 0.5])
        self.reordered = rnd.random() < 0.3
        # The rows in which a column has no number yet, and rows that are wrong in a cell.
        self.late = [0] * self.width
        self.wrong: set[int] = set()
        if late:
            self.width, self.rows = rnd.choice([2, 2, 3, 6]), rnd.choice([3, 8, 30])
            self.kinds = [rnd.choice("nnns") for _ in range(self.width)]
            self.units = [rnd.choice(["", "kW"]) for _ in range(self.width)]
            self.oddness = rnd.choice([0.0, 0.0, 0.1])
            self.late = [rnd.choice([0, 1, 2, 7]) for _ in range(self.width)]
            self.wrong = {
                rnd.choice([*self.late, 1, rnd.randrange(self.rows)]) for _ in range(rnd.choice([0, 1, 1, 2]))
            }

    def texts(self, rnd: Random, row: int, cell: Callable[[str, str], str], early: Sequence[str]) -> list[str]:
        """The cells of a row, by a function of their kind and unit; `early` ones where a column begins late."""
        kinds = zip(self.kinds, self.units, self.late, strict=True)
        return [rnd.choice(early) if row < late else cell(kind, unit) for kind, unit, late in kinds]


def zinc_body(rnd: Random, *, late: bool = False) -> bytes:
    shape = Shape(rnd, late=late)

    def cell(kind: str, unit: str) -> str:
        if kind == "b":
            return rnd.choice(["T", "F", "T", "F", "NA", ""])
        if kind == "s":
            return rnd.choice(['"a"', '"b c"', '"x, y"', "N", '"\\n°"', ""])
        if rnd.random() >= shape.oddness:
            return f"{rnd.uniform(-100, 100):.2f}{unit}"
        return rnd.choice(["NA", "N", "", "NaN", "INF", "-INF", "M", number_text(rnd) + unit, number_text(rnd) + unit])

    lines = [
        'ver:"3.0" id:@a hisStart:2020-01-01T00:00:00Z UTC',
        "ts," + ",".join(f'v{place} id:@p{place} "P {place}"' for place in range(shape.width)),
    ]
    for row in range(shape.rows):
        stamp, tz = stamp_text(rnd, shape.tz, row * 7, odd=shape.oddness > 0)
        cells = shape.texts(rnd, row, cell, ["", "", "N", "NA", "T", '"s"'])
        if row in shape.wrong:
            cells[rnd.randrange(shape.width)] = rnd.choice(WRONG_ZINC)
        lines.append(("," + shape.space).join([stamp + (f" {tz}" if tz else ""), *cells]))
    return (shape.nl.join(lines) + rnd.choice([shape.nl, "", shape.nl * 2, *RETURNS])).encode(errors="surrogateescape")


def json_body(rnd: Random, version: int, *, late: bool = False) -> bytes:
    shape = Shape(rnd, late=late)
    comma, colon = "," + shape.space, ":" + shape.space
    omitting, ts_last, escaped = rnd.random() < 0.3, rnd.random() < 0.1, rnd.random() < 0.5

    def item(*pairs: tuple[str, str]) -> str:
        return "{" + comma.join(f'"{name}"{colon}{text}' for name, text in pairs) + "}"

    def cell(kind: str, unit: str) -> str:
        na = '{"_kind":"na"}' if version == 4 else '"z:"'
        if kind == "b":
            return rnd.choice(["true", "false", "true", "null", na])
        if kind == "s":
            return json.dumps(rnd.choice(["a", "b c", 'x"y', "°", "s:7", "7"]), ensure_ascii=escaped)
        odd = rnd.random() < shape.oddness
        text = number_text(rnd) if odd else f"{rnd.uniform(-100, 100):.2f}"
        if version == 3:
            if odd and rnd.random() < 0.5:
                return rnd.choice([na, "null", '"n:NaN"', '"n:INF"', '"n:-INF kW"', '"m:"', "7.5"])
            return json.dumps(f"n:{text} {unit}" if unit else f"n:{text}", ensure_ascii=escaped)
        if odd and rnd.random() < 0.5:
            return rnd.choice([na, "null", '{"_kind":"number","val":"NaN"}', '{"_kind":"number","val":"INF"}', "3"])
        if not unit:
            return text
        pairs = [("_kind", '"number"'), ("val", text), ("unit", json.dumps(unit, ensure_ascii=escaped))]
        return item(*(pairs[i] for i in ((0, 2, 1) if shape.reordered else (0, 1, 2))))

    rows = []
    for row in range(shape.rows):
        stamp, tz = stamp_text(rnd, shape.tz, row * 7, odd=shape.oddness > 0)
        if version == 3:
            when = f'"t:{stamp} {tz}"' if tz else f'"t:{stamp}"'
        else:
            pairs = [("_kind", '"dateTime"'), ("val", f'"{stamp}"')] + ([("tz", f'"{tz}"')] if tz else [])
            when = item(*(sorted(pairs) if shape.reordered else pairs))
        cells = [
            (f"v{place}", text)
            for place, text in enumerate(shape.texts(rnd, row, cell, ["null", "null", "true", '"s"']))
            if not (omitting and rnd.random() < 0.3)
        ]
        if row in shape.wrong and cells:
            place = rnd.randrange(len(cells))
            name, text = cells[place]
            cells[place] = rnd.choice([*((name, wrong) for wrong in WRONG_JSON), ("v\n0", text), ("v\udcff", text)])
            cells += rnd.choice([[], [], [("v0", text)]])
        rows.append(item(*cells, ("ts", when)) if ts_last else item(("ts", when), *cells))
    names = [{"name": "ts"}] + [{"name": f"v{place}"} for place in range(shape.width)]
    kind = '"_kind":"grid",' if version == 4 else ""
    nl = rnd.choice(["", shape.nl])
    head = f'{{{kind}"meta":{{"ver":"3.0"}},"cols":{json.dumps(names)},"rows":[{nl}'
    return (head + f",{nl}".join(rows) + f"{nl}]}}{nl}").encode(errors="surrogateescape")


# A few texts, most of which stand on a border of the grammar, each with one of two units: so the first number of a
# column, from which its unit is learned, is often an odd one.
BORDER_NUMBERS = ["0", "1", "15", "-0", "1e0", "1e5", "1E", "1e400", "-1e400", "0x", "0xa", "1_", "1__0", "1_0", "7."]
BORDER_UNITS = ["", "kW", "e", "E5", "e5", "x", "xa", "xyz", "x1f", "_", "_5", "m2", "INF"]


@st.composite
def border_bodies(draw: st.DrawFn) -> tuple[bytes, str]:
    """Short histories of texts on a border of the grammar."""
    short = draw(st.sampled_from(["zinc", "json4", "json3"]))
    usual = st.sampled_from(draw(st.lists(st.sampled_from(BORDER_UNITS), min_size=1, max_size=2)))
    width = draw(st.integers(1, 2))
    cell = st.tuples(st.sampled_from(BORDER_NUMBERS), usual)
    names = ["v", "w"][:width]
    lines = []
    for row, cells in enumerate(draw(st.lists(st.tuples(*[cell] * width), min_size=1, max_size=5))):
        stamp = f"2021-01-01T00:{row:02d}:00Z"
        if short == "zinc":
            lines.append(",".join([f"{stamp} UTC", *map("".join, cells)]))
        elif short == "json3":
            texts = [f'"{name}":"n:{" ".join(filter(None, cell))}"' for name, cell in zip(names, cells, strict=True)]
            lines.append(",".join([f'{{"ts":"t:{stamp}"', *texts]) + "}")
        else:
            texts = [f'"val":{number}' + (f',"unit":"{unit}"' if unit else "") for number, unit in cells]
            texts = [f'"{name}":{{"_kind":"number",{text}}}' for name, text in zip(names, texts, strict=True)]
            lines.append(",".join([f'{{"ts":{{"_kind":"dateTime","val":"{stamp}"}}', *texts]) + "}")
    if short == "zinc":
        nl = draw(st.sampled_from(["\n", "\r\n"]))
        lines = ['ver:"3.0"', ",".join(["ts", *names]), *lines]
        return (nl.join(lines) + draw(st.sampled_from([nl, "", *RETURNS]))).encode(), short
    cols = json.dumps([{"name": name} for name in ["ts", *names]])
    return f'{{"cols":{cols},"rows":[{",".join(lines)}]}}'.encode(), short


GLYPHS = b'0123456789,.-:TZNA\n\r "<>{}[]_eE+\\'
LINES = [
    *(
        b"",
        b"  ",
        b"2021-02-30T00:00:00Z UTC,5",
        b'ver:"3.0"',
        b">>",
        b"ts,<<",
        b"2021-13-01T00:00:00-05:00 New_York,7",
    ),
    *(b"2021-01-01T24:00:00-05:00 New_York,72.53", b"2021-01-01T00:60:00-05:00 New_York,1", b'{"ts":1},', b'{"v0":[{'),
]
WORDS = [
    *(
        b"New_York",
        b"London",
        "°F".encode(),
        b"kW",
        b"T0",
        b"-05:00",
        b"T",
        b'"ts"',
        b'"rows"',
        b'"_kind"',
        b'"n:',
        b"},",
    ),
]
OTHER_WORDS = [*(b"London", b"UTC", b"kW", b"T2", b"-15:00", b"Foo", b"+05:60", b'"v0"', b'"val"', b"T24", b"}", b"")]


def mutated(rnd: Random, body: bytes) -> bytes:
    """The body with a few wounds: bits, cuts, wrong digits, wrong dates, wrong zones, wrong units."""
    for _ in range(rnd.choice([0, 1, 1, 1, 2, 3])):
        if not body:
            break
        at = rnd.randrange(len(body))
        wound = rnd.randrange(8)
        if wound == 0:
            body = body[:at] + bytes([body[at] ^ (1 << rnd.randrange(8))]) + body[at + 1 :]
        elif wound == 1:
            body = body[:at]
        elif wound == 2:
            body = body[:at] + bytes([rnd.choice(GLYPHS)]) + body[at:]
        elif wound == 3:
            body = body[:at] + body[at + rnd.randint(1, 3) :]
        elif wound == 4:
            body = body[:at] + bytes([rnd.choice(GLYPHS)]) + body[at + 1 :]
        elif wound == 5:
            other = rnd.randrange(len(body))
            body = body[:at] + body[other : other + rnd.randint(1, 60)] + body[at:]
        elif wound == 6:
            lines = body.split(b"\n")
            place = rnd.randrange(len(lines))
            lines.insert(place, rnd.choice([lines[place], *LINES]))
            body = b"\n".join(lines)
        else:
            body = body.replace(rnd.choice(WORDS), rnd.choice(OTHER_WORDS), rnd.choice([1, 2, -1]))
    return body


@st.composite
def bodies(draw: st.DrawFn, wounds: bool = True) -> tuple[bytes, str]:
    rnd = draw(st.randoms(use_true_random=False))
    short = draw(st.sampled_from(["zinc", "json4", "json3"]))
    late = draw(st.booleans())
    body = zinc_body(rnd, late=late) if short == "zinc" else json_body(rnd, int(short[-1]), late=late)
    return mutated(rnd, body) if wounds and not (late and rnd.random() < 0.7) else body, short


# ---- agreement ------------------------------------------------------------------------------------------------------


def outcome(decoder: Any, body: bytes, short: str) -> Grid | tuple[type, int | None, int | None]:
    try:
        grid: Grid = decoder(body, short)
    except CodecError as error:
        return CodecError, error.line, error.column
    return grid


def with_warnings(decoder: Any, body: bytes, short: str) -> tuple[Any, set[str]]:
    """The outcome, and the texts of its warnings, of a topic the first one, as decode() gives them."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        with DeferredWarnings():
            out = outcome(decoder, body, short)
    # Of the days whose offsets are not the zone's one is named, the first that the parser meets.
    return out, {re.sub("^the server writes .*", "an offset is not the zone's", str(one.message)) for one in given}


STAMPED = '"ts":"t:2021-01-0{}T00:00:00Z"'
NO_VALUE = (
    '{"cols":[{"name":"ts"},{"name":"v"}],"rows":['
    + ",".join("{" + STAMPED.format(day) + value + "}" for day, value in ((1, ',"v":"n:1"'), (2, ',"v":'), (3, "")))
    + "]}"
).encode()

# Two days, the later one first: of both, one warning is given.
OFFSETS_OF_ANOTHER_ZONE = (
    b'ver:"3.0"\nts,val\n2000-01-02T00:00:00-04:00 New_York,T\n2000-01-01T00:07:00-05:00 New_York,T\n'
    b"2000-01-01T00:14:00-04:00 New_York,T\n"
)


def late_body(short: str, second: str, first: str = "null") -> tuple[bytes, str]:
    """A column b that begins without a number; nothing is learned of the second row, which has the first one."""
    ts, number, kind = '{"_kind":"dateTime","val":"2026-01-01T00:%02d:00Z"}', "%d", '"_kind":"grid",'
    if short == "json3":
        ts, number, kind = '"t:2026-01-01T00:%02d:00Z"', '"n:%d kW"', ""
    cells = [f'"a":"on","b":{first}', second % (number % 1)]
    cells += [f'"a":"on","b":{number}' % row for row in range(2, 60)]
    head = f'{{{kind}"meta":{{"ver":"3.0"}},"cols":[{{"name":"ts"}},{{"name":"a"}},{{"name":"b"}}],"rows":['
    text = head + ",".join(f'{{"ts":{ts % row},{cell}}}' for row, cell in enumerate(cells)) + "]}"
    return text.encode(errors="surrogateescape"), short


def late_zinc(second: str) -> tuple[bytes, str]:
    """The same as lines."""
    cells = ['"on",', second, *(f'"on",{row}' for row in range(2, 60))]
    lines = ['ver:"3.0"', "ts,a,b", *(f"2021-01-01T00:{row:02d}:00Z UTC,{cell}" for row, cell in enumerate(cells))]
    return ("\n".join(lines) + "\n").encode(errors="surrogateescape"), "zinc"


LATE = [
    late_body(short, second, first)
    for short in ("json4", "json3")
    for second in (
        r'"a":"C:\q","b":%s',
        '"a":"x\ty","b":%s',
        '"a":"\udcff","b":%s',
        '"a\n":"on","b":%s',
        '"a":"on","b":%s,"a":"off"',
        '"a":"on","b":%s,"b":5',
    )
    for first in ("null", "true", '"s"')
] + [late_zinc(f"{wrong},1") for wrong in (r'"C:\q"', '"\udcff"', '"a,b"', '"x')]


@pytest.mark.parametrize(("body", "short"), LATE)
def test_no_cell_is_lost_where_the_row_of_the_first_number_is_wrong(body: bytes, short: str) -> None:
    assert_decodes_as_exactly(body, short, 1 << 20)
    assert_streams_as_exactly(body, short, Random(0), 1 << 20)


@given(bodies(), st.sampled_from([1 << 20, 700, 2500]))
@example((b'ver:"3.0"\nts,val\n2021-02-30T00:00:00Z UTC,5\n', "zinc"), 700)
@example(
    (b'{"cols":[{"name":"ts"},{"name":"v"}],"rows":[{"ts":"t:2021-01-01T00:00:00Z","v":"a"}\n{"ts":', "json3"), 700
)
@example((NO_VALUE, "json3"), 700)
@example((OFFSETS_OF_ANOTHER_ZONE, "zinc"), 1 << 20)
def test_columns_never_say_anything_else_than_the_exact_parser(body_and_short: tuple[bytes, str], block: int) -> None:
    assert_decodes_as_exactly(*body_and_short, block)


@given(border_bodies())
def test_what_is_learned_is_what_the_exact_parser_says(body_and_short: tuple[bytes, str]) -> None:
    assert_decodes_as_exactly(*body_and_short, 1 << 20)
    assert_streams_as_exactly(*body_and_short, Random(0), 1 << 20)


def assert_decodes_as_exactly(body: bytes, short: str, block: int) -> None:
    exact, exact_warnings = with_warnings(decode_exact, body, short)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "BLOCK_BYTES", block)
        fast, fast_warnings = with_warnings(try_decode, body, short)
    if fast is not None:
        assert fast == exact
        assert exact == fast
        assert fast_warnings == exact_warnings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsframe.codecs._WORTH_COLUMNS", 0)
        assert outcome(decode, body, short) == exact


def rows_of(batches: list[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def streamed(body: bytes, short: str, rnd: Random) -> list[pa.RecordBatch]:
    stream = HistoryStream(short, na_columns=True)
    batches = []
    while body:
        size = rnd.choice([1, 20, 300, 2000])
        batches += stream.feed(body[:size])
        body = body[size:]
    return batches + stream.finish()


def assert_same_rows(batches: list[pa.RecordBatch], grid: Grid) -> None:
    rows = rows_of(batches)
    assert len(rows) == len(grid)
    for mine, theirs in zip(rows, grid, strict=True):
        assert same(mine["ts"], theirs["ts"])
        for col in grid.cols[1:]:
            value, cell = mine[col.name], theirs.get(col.name)
            assert mine[f"{col.name}.na"] is (cell is NA)
            if isinstance(cell, Number):
                assert cell == Number(value, cell.unit)
            else:
                assert value == (None if cell is NA else cell)


@given(bodies(), st.randoms(use_true_random=False), st.sampled_from([700, 2500, 1 << 20]))
@example((b'ver:"3.0"\nus,v\n2021-01-01T00:00:00Z UTC,5\n', "zinc"), Random(0), 700)
def test_a_stream_gives_the_same_rows_or_the_same_error(
    body_and_short: tuple[bytes, str], rnd: Random, block: int
) -> None:
    assert_streams_as_exactly(*body_and_short, rnd, block)


def assert_streams_as_exactly(body: bytes, short: str, rnd: Random, block: int) -> None:
    exact = outcome(decode_exact, body, short)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_module, "BLOCK_BYTES", block)
        try:
            batches: list[pa.RecordBatch] | CodecError = streamed(body, short, rnd)
        except CodecError as error:
            batches = error
    if isinstance(batches, CodecError):
        not_for_arrow = re.search("one Arrow column|not a history|no timestamp", str(batches))
        assert not_for_arrow if isinstance(exact, Grid) else (CodecError, batches.line, batches.column) == exact
    else:
        assert isinstance(exact, Grid)
        assert_same_rows(batches, exact)
        assert len({tuple(batch.schema.types) for batch in batches}) <= 1


@given(bodies(wounds=False))
def test_a_body_without_wounds_streams_as_it_decodes(body_and_short: tuple[bytes, str]) -> None:
    body, short = body_and_short
    exact = outcome(decode_exact, body, short)
    if isinstance(exact, Grid) and (columns := try_decode(body, short)) is not None:
        assert_same_rows(streamed(body, short, Random(0)), columns)


def test_a_minus_before_zero_stays() -> None:
    body = b'ver:"3.0"\nts,v\n2021-01-01T00:00:00Z UTC,-0.0kW\n2021-01-01T00:01:00Z UTC,0kW\n'
    grid = try_decode(body, "zinc")
    assert grid is not None
    assert list(map(repr, grid.columns[1])) == list(map(repr, decode_exact(body, "zinc").columns[1]))
