"""What servers send goes by columns, not the exact way: a property that compares the two must not be an empty one."""

from __future__ import annotations

import pytest

from hsframe.codecs import decode, decode_exact
from hsframe.codecs.histories.decode import try_decode
from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn

ZINC = 'ver:"3.0" id:@a\nts,val\n'
Z2 = 'ver:"3.0"\nts,v0 id:@a,v1 id:@b\n'
AT = [f"2021-01-01T0{hour}:00:00-05:00 New_York" for hour in range(8)]
V4 = '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"val"}],"rows":['
V4_WIDE = '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"v0"},{"name":"v1"}],"rows":['
V3 = '{"meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"val"}],"rows":['
V3_WIDE = '{"meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"v0"},{"name":"v1"}],"rows":['


def zinc(*cells: str, head: str = ZINC, nl: str = "\n", end: str = "\n") -> str:
    return head.replace("\n", nl) + nl.join(f"{at},{cell}" for at, cell in zip(AT, cells, strict=False)) + end


def v4(*values: str, when: str = '{{"_kind":"dateTime","val":"{}","tz":"{}"}}') -> str:
    rows = [f'{{"ts":{when.format(*at.split(" "))},"val":{v}}}' for at, v in zip(AT, values, strict=False)]
    return V4 + ",".join(rows) + "]}"


def v3(*values: str) -> str:
    return V3 + ",".join(f'{{"ts":"t:{at}","val":{v}}}' for at, v in zip(AT, values, strict=False)) + "]}"


NUMBER = '{"_kind":"number","val":%s,"unit":"kW"}'
BODIES = {
    "numbers": ("zinc", zinc("72.5°F", "-3°F", "0.25°F", "7°F"), NumberColumn),
    "no unit": ("zinc", zinc("72.5", "-3", "0"), NumberColumn),
    "long numbers": ("zinc", zinc("72.52999877929688°F", "0.9399999976°F", "-123456789.125°F"), NumberColumn),
    "exponents": ("zinc", zinc("5.4e-45kW", "1E3kW", "1.5e+10kW"), NumberColumn),
    "underscores": ("zinc", zinc("10_000kW", "1_0.5kW", "7kW"), NumberColumn),
    "NA, null, NaN, INF": ("zinc", zinc("NA", "N", "", "NaN", "INF", "-INF", "1kW"), NumberColumn),
    "INF with a unit": ("zinc", zinc("1kW", "INFkW", "-INFkW"), NumberColumn),
    "only nulls": ("zinc", zinc("", "N", ""), NumberColumn),
    "CRLF": ("zinc", zinc("1kW", "2kW", nl="\r\n", end="\r\n"), NumberColumn),
    "no final line end": ("zinc", zinc("1kW", "2kW", end=""), NumberColumn),
    "blank lines at the end": ("zinc", zinc("1kW", "2kW", end="\n\n\n"), NumberColumn),
    "blanks": ("zinc", zinc(" 1kW", " 2kW", head='ver:"3.0"\nts, val\n'), NumberColumn),
    "byte order mark": ("zinc", "\ufeff" + zinc("1kW", "2kW"), NumberColumn),
    "version 2.0": ("zinc", zinc("1kW", "2kW", head='ver:"2.0"\nts,val\n'), NumberColumn),
    "Bool": ("zinc", zinc("T", "F", "NA", "T"), BoolColumn),
    "Str": ("zinc", zinc('"a, b"', '"on"', "NA", "N"), StrColumn),
    "batch": ("zinc", zinc("1kW,T", ",F", "3kW,", "NA,T", head=Z2), NumberColumn),
    "batch with texts that hold commas": ("zinc", zinc('1kW,"a, b"', '2kW,"c"', head=Z2), NumberColumn),
    "Z and offsets": (
        "zinc",
        ZINC
        + "2021-10-31T00:30:00+01:00 London,1\n2021-10-31T01:30:00+01:00 London,2\n2021-10-31T01:30:00Z London,3\n",
        NumberColumn,
    ),
    "fractions": (
        "zinc",
        ZINC + "2021-01-01T00:00:00.5Z UTC,1\n2021-01-01T00:00:01Z UTC,2\n2021-01-01T00:00:01.123456789Z UTC,3\n",
        NumberColumn,
    ),
    "no zone name": ("zinc", ZINC + "2021-01-01T00:00:00Z,1\n2021-01-01T00:00:01Z,2\n", NumberColumn),
    "v4": ("json4", v4(NUMBER % 1, NUMBER % -2.5, NUMBER % 3), NumberColumn),
    "v4 kinds in capitals": (
        "json4",
        v4(*[NUMBER.replace("number", "Number") % 1] * 3, when='{{"_kind":"DateTime","val":"{}","tz":"{}"}}'),
        NumberColumn,
    ),
    "v4 bare numbers": ("json4", v4("1", "-2.5", "1e-7"), NumberColumn),
    "v4 NA, null, NaN, INF": (
        "json4",
        v4('{"_kind":"na"}', "null", NUMBER % '"NaN"', NUMBER % '"INF"', NUMBER % '"-INF"', NUMBER % 1),
        NumberColumn,
    ),
    "v4 Bool": ("json4", v4("true", "false", "null"), BoolColumn),
    "v4 Str": ("json4", v4('"a"', '"b\\"c"', '"\\u00b0"'), StrColumn),
    "v4 no tz": ("json4", v4("1", "2", when='{{"_kind":"dateTime","val":"{}","tz":"{}"}}'), NumberColumn),
    "v4 sorted keys": (
        "json4",
        v4(NUMBER % 1, NUMBER % 2, when='{{"_kind":"dateTime","tz":"New_York","val":"{}"}}'),
        NumberColumn,
    ),
    "v4 spaces and lines": (
        "json4",
        v4(NUMBER % 1, NUMBER % 2, NUMBER % 3).replace(",", ", ").replace("}, {", "},\n{"),
        NumberColumn,
    ),
    "v4 with cells left out": (
        "json4",
        V4_WIDE
        + ",".join(
            f'{{"ts":{{"_kind":"dateTime","val":"{at[:25]}","tz":"New_York"}}{cells}}}'
            for at, cells in zip(AT, (',"v1":1', ',"v0":2,"v1":3', "", ',"v0":4'), strict=False)
        )
        + "]}",
        NumberColumn,
    ),
    "v3": ("json3", v3('"n:1 kW"', '"n:-2.5 kW"', '"n:3 kW"'), NumberColumn),
    "v3 no unit": ("json3", v3('"n:1"', '"n:-2.5"'), NumberColumn),
    "v3 escaped unit": ("json3", v3('"n:1 \\u00b0F"', '"n:2 \\u00b0F"'), NumberColumn),
    "v3 NA, null, NaN, INF": (
        "json3",
        v3('"z:"', "null", '"n:NaN"', '"n:INF"', '"n:-INF kW"', '"n:1 kW"'),
        NumberColumn,
    ),
    "v3 Bool": ("json3", v3("true", "false", '"z:"'), BoolColumn),
    "v3 Str": ("json3", v3('"a"', '"s:b:c"'), StrColumn),
    "v3 values before timestamps": (
        "json3",
        V3_WIDE + ",".join(f'{{"v0":"n:{hour}","v1":true,"ts":"t:{at}"}}' for hour, at in enumerate(AT)) + "]}",
        NumberColumn,
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_goes_by_columns(name: str) -> None:
    short, text, kind = BODIES[name]
    grid = try_decode(text.encode(), short)
    assert grid is not None, "the exact parser had to read it"
    assert isinstance(grid.columns[0], TimeColumn)
    assert isinstance(grid.columns[1], kind)
    assert grid == decode_exact(text, short)


MIXED = {
    "two units": ("zinc", zinc("1kW", "2kWh")),
    "a unit and none": ("zinc", zinc("1kW", "2")),
    "number and Bool": ("zinc", zinc("1kW", "T")),
    "a Ref": ("zinc", zinc("@a", "@b")),
    "two zones": ("zinc", zinc("1", "2").replace("-05:00 New_York,2", "-05:00 UTC,2")),
    "no timestamp": ("zinc", zinc("1", "2") + ",3\n"),
    "v4 two units": ("json4", v4(NUMBER % 1, NUMBER.replace("kW", "W") % 2)),
    "v3 two units": ("json3", v3('"n:1 kW"', '"n:2 W"')),
    "not ts": ("zinc", 'ver:"3.0"\nid,val\n@a,1\n'),
    "no rows": ("zinc", ZINC),
}


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")  # two zones, one offset
@pytest.mark.parametrize("name", MIXED)
def test_what_arrow_cannot_hold_goes_the_exact_way(name: str) -> None:
    short, text = MIXED[name]
    assert try_decode(text.encode(), short) is None


def test_several_units_stay_numbers_with_their_own() -> None:
    text = zinc(*(["1kW"] * 7)) + f"{AT[7]},2kWh\n"
    cells = decode(text.encode(), "zinc").column("val")
    assert [cell.unit for cell in cells] == ["kW"] * 7 + ["kWh"]


def test_decode_hands_long_histories_to_the_columns() -> None:
    lines = "".join(f"2021-01-01T{i // 60:02d}:{i % 60:02d}:00Z UTC,{i}kW\n" for i in range(600))
    grid = decode((ZINC + lines).encode(), "text/zinc")
    assert isinstance(grid.column("val"), NumberColumn)
    assert grid == decode_exact(ZINC + lines, "zinc")


@pytest.mark.parametrize("rows", [9, 2_000, 4_000])
def test_rows_of_long_numbers_that_all_repeat_go_by_columns_to_the_last(rows: int) -> None:
    width = 24
    head = 'ver:"3.0"\nts,' + ",".join(f"v{place} id:@p{place}" for place in range(width)) + "\n"
    cells = ",".join(f"{place}1.23456789012345kW" for place in range(1, width + 1))
    at = (f"2021-01-{1 + n // 1440:02d}T{n // 60 % 24:02d}:{n % 60:02d}:00Z UTC" for n in range(rows))
    text = head + "".join(f"{stamp},{cells}\n" for stamp in at)
    grid = try_decode(text.encode(), "zinc")
    assert grid is not None
    assert len(grid) == rows
    assert grid.column("v23")[-1] == grid.column("v23")[0]


def test_the_offset_decides_the_instant_in_the_hour_that_repeats() -> None:
    text = ZINC + "2021-11-07T01:30:00-04:00 New_York,1\n2021-11-07T01:30:00-05:00 New_York,2\n"
    grid = try_decode(text.encode(), "zinc")
    assert grid is not None
    first, second = grid.column("ts")
    assert (first.fold, second.fold) == (0, 1)
    assert second.timestamp() - first.timestamp() == 3600


def test_null_under_a_hole_is_nan_in_the_buffer() -> None:
    """A frame may take the doubles as they are: what is missing is NaN there."""
    grid = try_decode(zinc("1kW", "", "NA", "3kW").encode(), "zinc")
    assert grid is not None
    column = grid.column("val")
    assert isinstance(column, NumberColumn)
    doubles = memoryview(column.values.buffers()[1]).cast("d")
    assert doubles[0] == 1
    assert doubles[1] != doubles[1]
    assert doubles[2] != doubles[2]
    assert column.na.to_pylist() == [False, False, True, False]
