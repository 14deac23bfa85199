"""Each row of the table of kinds, both ways in each format; and what readers must take besides."""

import json
import math
import re
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hsframe.codecs import decode, decode_exact, encode
from hsframe.codecs.json3 import Json3
from hsframe.codecs.json4 import Json4
from hsframe.codecs.zinc import parse_value
from hsframe.codecs.zinc_write import write_value
from hsframe.columns import TimeColumn
from hsframe.errors import CodecError, UnitWarning, ZoneWarning
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Number, Ref, Symbol, Uri, XStr, same
from hsframe.zones import zone

INF, NAN = math.inf, math.nan
NY = zone("New_York")
NESTED = Grid({"m": MARKER}, ["a", Col("b", {"dis": "B"})], [[Number(1)], ["x"]])

# value, Zinc, JSON v4, JSON v3: read and written exactly so.
KINDS: list[tuple[Any, str, Any, Any]] = [
    (None, "N", None, None),
    (MARKER, "M", {"_kind": "marker"}, "m:"),
    (REMOVE, "R", {"_kind": "remove"}, "-:"),
    (NA, "NA", {"_kind": "na"}, "z:"),
    (True, "T", True, True),
    (False, "F", False, False),
    (Number(0), "0", 0, "n:0"),
    (Number(-9.23, "kg"), "-9.23kg", {"_kind": "number", "val": -9.23, "unit": "kg"}, "n:-9.23 kg"),
    (Number(10000), "10000", 10000, "n:10000"),
    (Number(72.0), "72", 72, "n:72"),
    (Number(5.4e-45), "5.4e-45", 5.4e-45, "n:5.4e-45"),
    (Number(2.0**53), "9007199254740992.0", 2.0**53, "n:9007199254740992.0"),
    (Number(2**53 - 1), "9007199254740991", 9007199254740991, "n:9007199254740991"),
    (Number(-(2**53) + 1), "-9007199254740991", -9007199254740991, "n:-9007199254740991"),
    (Number(1e22), "1e+22", 1e22, "n:1e+22"),
    (Number(-0.0), "-0.0", -0.0, "n:-0.0"),
    (Number(INF), "INF", {"_kind": "number", "val": "INF"}, "n:INF"),
    (Number(-INF), "-INF", {"_kind": "number", "val": "-INF"}, "n:-INF"),
    (Number(NAN), "NaN", {"_kind": "number", "val": "NaN"}, "n:NaN"),
    (Number(73.2, "°F"), "73.2°F", {"_kind": "number", "val": 73.2, "unit": "°F"}, "n:73.2 °F"),
    (Number(50, "%"), "50%", {"_kind": "number", "val": 50, "unit": "%"}, "n:50 %"),
    (Number(1, "$"), "1$", {"_kind": "number", "val": 1, "unit": "$"}, "n:1 $"),
    (Number(1, "kWh/ft²"), "1kWh/ft²", {"_kind": "number", "val": 1, "unit": "kWh/ft²"}, "n:1 kWh/ft²"),
    (Number(0, "xab"), "0.0xab", {"_kind": "number", "val": 0, "unit": "xab"}, "n:0 xab"),
    (Number(10, "_foo"), "10_foo", {"_kind": "number", "val": 10, "unit": "_foo"}, "n:10 _foo"),
    (Number(1, "e"), "1e", {"_kind": "number", "val": 1, "unit": "e"}, "n:1 e"),
    (Number(1, "gH₂O/kgAir"), "1gH₂O/kgAir", {"_kind": "number", "val": 1, "unit": "gH₂O/kgAir"}, "n:1 gH₂O/kgAir"),
    ("", '""', "", ""),
    ("a\n\u00b0", '"a\\n\u00b0"', "a\n\u00b0", "a\n\u00b0"),
    ('\b\f\n\r\t"\\$', '"\\b\\f\\n\\r\\t\\"\\\\\\$"', '\b\f\n\r\t"\\$', '\b\f\n\r\t"\\$'),
    ("\x00\x1f\x7f\u2028", '"\\u0000\\u001f\x7f\u2028"', "\x00\x1f\x7f\u2028", "\x00\x1f\x7f\u2028"),
    ("\U0001f600", '"\U0001f600"', "\U0001f600", "\U0001f600"),
    ("16:30", '"16:30"', "16:30", "s:16:30"),
    ("m:", '"m:"', "m:", "s:m:"),
    (Uri("http://x/"), "`http://x/`", {"_kind": "uri", "val": "http://x/"}, "u:http://x/"),
    (Uri("a\\:b`c\\\\"), "`a\\:b\\u0060c\\\\`", {"_kind": "uri", "val": "a\\:b`c\\\\"}, "u:a\\:b`c\\\\"),
    (Uri("C:\\T\\"), "`C:\\u005cT\\u005c`", {"_kind": "uri", "val": "C:\\T\\"}, "u:C:\\T\\"),
    (Uri("é$\n"), "`é$\\u000a`", {"_kind": "uri", "val": "é$\n"}, "u:é$\n"),
    (Ref("a-b:c.d~e"), "@a-b:c.d~e", {"_kind": "ref", "val": "a-b:c.d~e"}, "r:a-b:c.d~e"),
    (Ref("a", "My Dis"), '@a "My Dis"', {"_kind": "ref", "val": "a", "dis": "My Dis"}, "r:a My Dis"),
    (Ref("a", ""), '@a ""', {"_kind": "ref", "val": "a", "dis": ""}, "r:a "),
    (Symbol("elec-meter"), "^elec-meter", {"_kind": "symbol", "val": "elec-meter"}, "y:elec-meter"),
    (Symbol("lib:ph"), "^lib:ph", {"_kind": "symbol", "val": "lib:ph"}, "y:lib:ph"),
    (date(2010, 3, 13), "2010-03-13", {"_kind": "date", "val": "2010-03-13"}, "d:2010-03-13"),
    (date(1, 1, 1), "0001-01-01", {"_kind": "date", "val": "0001-01-01"}, "d:0001-01-01"),
    (time(8, 12, 5), "08:12:05", {"_kind": "time", "val": "08:12:05"}, "h:08:12:05"),
    (time(8, 12, 5, 123000), "08:12:05.123", {"_kind": "time", "val": "08:12:05.123"}, "h:08:12:05.123"),
    (time(0, 0, 0, 1), "00:00:00.000001", {"_kind": "time", "val": "00:00:00.000001"}, "h:00:00:00.000001"),
    (Coord(37.55, -77.45), "C(37.55,-77.45)", {"_kind": "coord", "lat": 37.55, "lng": -77.45}, "c:37.55,-77.45"),
    (Coord(1e-7, 0.0), "C(0.0000001,0.0)", {"_kind": "coord", "lat": 1e-7, "lng": 0.0}, "c:0.0000001,0.0"),
    (XStr("Span", "to(day)"), 'Span("to(day)")', {"_kind": "xstr", "type": "Span", "val": "to(day)"}, "x:Span:to(day)"),
    (XStr("C", "1,2"), 'C("1,2")', {"_kind": "xstr", "type": "C", "val": "1,2"}, "x:C:1,2"),
    (XStr("T", "a:b"), 'T("a:b")', {"_kind": "xstr", "type": "T", "val": "a:b"}, "x:T:a:b"),
    (Bin("text/plain"), 'Bin("text/plain")', {"_kind": "xstr", "type": "Bin", "val": "text/plain"}, "b:text/plain"),
    ([], "[]", [], []),
    ([Number(1), None, [MARKER]], "[1,N,[M]]", [1, None, [{"_kind": "marker"}]], ["n:1", None, ["m:"]]),
    ({}, "{}", {}, {}),
    ({"a": Number(1), "b": MARKER}, "{a:1 b}", {"a": 1, "b": {"_kind": "marker"}}, {"a": "n:1", "b": "m:"}),
    (
        NESTED,
        '<<\nver:"3.0" m\na,b dis:"B"\n1,"x"\n>>',
        {
            "_kind": "grid",
            "meta": {"ver": "3.0", "m": {"_kind": "marker"}},
            "cols": [{"name": "a"}, {"name": "b", "meta": {"dis": "B"}}],
            "rows": [{"a": 1, "b": "x"}],
        },
        {
            "meta": {"ver": "3.0", "m": "m:"},
            "cols": [{"name": "a"}, {"name": "b", "dis": "B"}],
            "rows": [{"a": "n:1", "b": "x"}],
        },
    ),
]

# value, instant and offset, zone: in JSON v4 apart, in Zinc and JSON v3 with a space.
DATETIMES: list[tuple[datetime, str, str]] = [
    (datetime(2010, 3, 11, 23, 55, tzinfo=NY), "2010-03-11T23:55:00-05:00", "New_York"),
    (datetime(2010, 3, 11, 23, 55, tzinfo=zone("UTC")), "2010-03-11T23:55:00Z", "UTC"),
    (datetime(2010, 3, 11, 23, 55, tzinfo=zone("London")), "2010-03-11T23:55:00Z", "London"),
    (datetime(2010, 7, 11, 23, 55, 0, 250000, tzinfo=zone("London")), "2010-07-11T23:55:00.250+01:00", "London"),
    (datetime(2010, 3, 11, tzinfo=zone("GMT+5")), "2010-03-11T00:00:00-05:00", "GMT+5"),
    (datetime(2010, 3, 11, tzinfo=zone("GMT-3")), "2010-03-11T00:00:00+03:00", "GMT-3"),
    (datetime(2010, 3, 11, tzinfo=zone("Port-au-Prince")), "2010-03-11T00:00:00-05:00", "Port-au-Prince"),
    (datetime(2010, 3, 11, tzinfo=zone("Kathmandu")), "2010-03-11T00:00:00+05:45", "Kathmandu"),
    (datetime(2010, 3, 11, tzinfo=zone("St_Johns")), "2010-03-11T00:00:00-03:30", "St_Johns"),
    (datetime(2021, 11, 7, 1, 30, tzinfo=NY), "2021-11-07T01:30:00-04:00", "New_York"),
    (datetime(2021, 11, 7, 1, 30, fold=1, tzinfo=NY), "2021-11-07T01:30:00-05:00", "New_York"),
]


@pytest.mark.parametrize(("value", "zinc", "json4", "json3"), KINDS, ids=[repr(row[0]) for row in KINDS])
def test_kinds_both_ways(value: Any, zinc: str, json4: Any, json3: Any) -> None:
    assert write_value(value) == zinc
    assert same(parse_value(zinc), value)
    assert json.dumps(Json4().write(value)) == json.dumps(json4)
    assert same(Json4().read(json4, 0), value)
    assert json.dumps(Json3().write(value)) == json.dumps(json3)
    assert same(Json3().read(json3, 0), value)
    grid = Grid({"tag": value}, [Col("v", {"tag": value}), "w"], [[value, None], [None, value]])
    for form in ("zinc", "json4", "json3"):
        assert decode_exact(encode(grid, form), form) == grid


@pytest.mark.parametrize(("value", "text", "name"), DATETIMES, ids=[f"{row[1]} {row[2]}" for row in DATETIMES])
def test_datetimes_both_ways(value: datetime, text: str, name: str) -> None:
    json4 = {"_kind": "dateTime", "val": text, "tz": name}
    assert write_value(value) == f"{text} {name}"
    assert Json4().write(value) == json4
    assert Json3().write(value) == f"t:{text} {name}"
    for read in (parse_value(f"{text} {name}"), Json4().read(json4, 0), Json3().read(f"t:{text} {name}", 0)):
        assert same(read, value)
        assert read.fold == value.fold
        assert read.utcoffset() == value.utcoffset()


# Zinc that is read but not written so.
ZINC_READ: list[tuple[str, Any]] = [
    ("", None),
    ("  7 ", Number(7)),
    ("10_000", Number(10000)),
    ("1__0", Number(10)),
    ("1__0.5__0e1__0kW", Number(10.5e10, "kW")),
    ("1_", Number(1, "_")),
    # Haxall's tokenizer reads hexadecimal digits, times without seconds or with one digit of the hour, names that
    # begin with an underscore, the zone Rel, and writes control characters with braces.
    ("0xabcd", Number(0xABCD)),
    ("0xAB_cd", Number(0xABCD)),
    ("0x" + "f" * 16, Number(2.0**64)),
    ("0x" + "f" * 5000, Number(INF)),
    ("0xbar", Number(0, "xbar")),
    ("5xa", Number(5, "xa")),
    ("00xa", Number(0, "xa")),
    ("13:45", time(13, 45)),
    ("8:30", time(8, 30)),
    ("8:30:01.5", time(8, 30, 1, 500000)),
    ("[8:30 9:00]", [time(8, 30), time(9)]),
    ("{_a:8:30 _b}", {"_a": time(8, 30), "_b": MARKER}),
    ('<<ver:"3.0" _m\n_a _b:1\n1>>', Grid({"_m": MARKER}, [Col("_a", {"_b": Number(1)})], [[Number(1)]])),
    ("2000-01-01T00:00:00Z Rel", datetime(2000, 1, 1, tzinfo=UTC)),
    ('"\\u{0}\\u{1f}\\u{00e9}\\u{10ffff}"', "\x00\x1f\xe9\U0010ffff"),
    ('"\\u{d83d}\\u{de00}"', "\U0001f600"),
    ("1_0.2_5e1_0kW", Number(10.25e10, "kW")),
    ("5.4E-45", Number(5.4e-45)),
    ("5E+3kW", Number(5000, "kW")),
    ("5e3", Number(5000.0)),
    ("12345678901234567890", Number(12345678901234567890.0)),
    ("1e400", Number(INF)),
    ("9" * 5000, Number(INF)),
    ("007", Number(7)),
    ("INFkW", Number(INF)),
    ("-INF°F", Number(-INF)),
    ("1m2", Number(1, "m2")),
    ("72.0degree_Fahrenheit", Number(72.0, "degree_Fahrenheit")),
    ('"\\ud83d\\ude00"', "\U0001f600"),
    ('"\\ud83d!"', "\ufffd!"),
    ('"\\u00B0"', "°"),
    ('"\t"', "\t"),
    ('"\\\'\\`"', "'`"),
    (r"`\:\/\?\#\[\]\@\\\&\=\;`", Uri(r"\:\/\?\#\[\]\@\\\&\=\;")),
    (r"`\$\u00e9\`\n\r\t\b\f\"\'$`", Uri("$é`\n\r\t\b\f\"'$")),
    (r"`\\u0041\u005c:\ud83d\ude00`", Uri("\\\\u0041\\:\U0001f600")),
    ("8:30", time(8, 30)),
    ("13:45", time(13, 45)),
    ("8:30:15.5", time(8, 30, 15, 500_000)),
    ('@a   "x"', Ref("a", "x")),
    ("Bin(text/plain; charset=utf-8)", Bin("text/plain; charset=utf-8")),
    ("C( 37.55 , -77.45 )", Coord(37.55, -77.45)),
    ('Foo( "x" )', XStr("Foo", "x")),
    ("[ 1 , 2 , ]", [Number(1), Number(2)]),
    ("[1 2\n3]", [Number(1), Number(2), Number(3)]),
    ('[@a "x" @b]', [Ref("a", "x"), Ref("b")]),
    ("[2010-03-11T23:55:00Z NA M]", [datetime(2010, 3, 11, 23, 55, tzinfo=UTC), NA, MARKER]),
    ("{a:1, b, }", {"a": Number(1), "b": MARKER}),
    ("{a b:{c}}", {"a": MARKER, "b": {"c": MARKER}}),
    ('<<ver:"3.0"\na\n1>>', Grid({}, ["a"], [[Number(1)]])),
    ('<<\nver:"2.0"\na\nBin(x/y)\n\n>>', Grid({}, ["a"], [[Bin("x/y")]])),
    ("2010-03-11T23:55:00Z", datetime(2010, 3, 11, 23, 55, tzinfo=UTC)),
    ("2010-03-11T23:55:00-05:00", datetime(2010, 3, 12, 4, 55, tzinfo=UTC)),
    ("2010-03-11T23:55:00.1234567899Z", datetime(2010, 3, 11, 23, 55, 0, 123456, tzinfo=UTC)),
    # rusty-haystack 0.7.2: the offset decides the instant, the zone only labels it
    ("2010-03-11T23:55:00-05:00 UTC", datetime(2010, 3, 12, 4, 55, tzinfo=zone("UTC"))),
    ("2010-03-11T23:55:00-05:00 America/New_York", datetime(2010, 3, 11, 23, 55, tzinfo=NY)),
]


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")
@pytest.mark.parametrize(("text", "value"), ZINC_READ, ids=[row[0][:30] for row in ZINC_READ])
def test_zinc_that_is_read(text: str, value: Any) -> None:
    assert same(parse_value(text), value)


JSON4_READ: list[tuple[Any, Any]] = [
    ({"_kind": "time", "val": "8:30"}, time(8, 30)),
    ({"_kind": "dateTime", "val": "2000-01-01T00:00:00Z", "tz": "Rel"}, datetime(2000, 1, 1, tzinfo=UTC)),
    # Hayson before it was standard wrote kinds with capitals.
    ({"_kind": "Marker"}, MARKER),
    ({"_kind": "NA"}, NA),
    ({"_kind": "Number", "val": 1, "unit": "kW"}, Number(1, "kW")),
    ({"_kind": "DateTime", "val": "2010-03-11T23:55:00Z", "tz": "UTC"}, datetime(2010, 3, 11, 23, 55, tzinfo=UTC)),
    ({"_kind": "XStr", "type": "Span", "val": "today"}, XStr("Span", "today")),
    ({"_kind": "Dict", "a": {"_kind": "Ref", "val": "x"}}, {"a": Ref("x")}),
    ({"_kind": "Grid", "cols": [{"name": "a"}], "rows": [{"_kind": "Dict", "a": 1}]}, Grid({}, ["a"], [[Number(1)]])),
    ({"_kind": "number", "val": 1}, Number(1)),
    ({"_kind": "number", "val": 1, "unit": ""}, Number(1)),
    ({"_kind": "number", "val": "INF", "unit": "kW"}, Number(INF)),
    ({"_kind": "dict", "a": 1}, {"a": Number(1)}),
    (
        {
            "meta": {"ver": "3.0", "_kind": "dict", "a": 1},
            "cols": [{"meta": {"_kind": "dict", "a": 1}, "name": "b"}],
            "rows": [{"_kind": "dict", "b": 1}],
            "_kind": "grid",
        },
        Grid({"a": Number(1)}, [Col("b", {"a": Number(1)})], [[Number(1)]]),
    ),
    ({"_kind": "dateTime", "val": "2010-03-11T23:55:00Z"}, datetime(2010, 3, 11, 23, 55, tzinfo=UTC)),
    ({"_kind": "dateTime", "val": "2010-03-11T23:55:00-05:00 New_York"}, datetime(2010, 3, 11, 23, 55, tzinfo=NY)),
    ({"_kind": "ref", "val": "@a"}, Ref("a")),
    ({"val": "a", "dis": "x", "_kind": "ref"}, Ref("a", "x")),
    ({"_kind": "grid", "cols": [{"name": "a"}]}, Grid({}, ["a"], [[]])),
    ({"_kind": "coord", "lat": 1, "lng": 2}, Coord(1.0, 2.0)),
    (2**53, Number(2.0**53)),
    (10**400, Number(INF)),
    (-(10**400), Number(-INF)),
]

JSON3_READ: list[tuple[Any, Any]] = [
    ("h:8:30", time(8, 30)),
    ("h:13:45", time(13, 45)),
    ("n:0xabcd kW", Number(0xABCD, "kW")),
    ("n:1__0", Number(10)),
    ("c:1__0,0x2", Coord(10.0, 2.0)),
    ("t:2000-01-01T00:00:00Z Rel", datetime(2000, 1, 1, tzinfo=UTC)),
    ({"_a": "n:1"}, {"_a": Number(1)}),
    ("n:INF kW", Number(INF)),
    ("n:10_000 kW", Number(10000, "kW")),
    ("n:1 ", Number(1)),
    (5, Number(5)),
    (5.5, Number(5.5)),
    ("s:x", "x"),
    ("C:\\Temp", "C:\\Temp"),
    (":", ":"),
    ("a", "a"),
    ("x:Bin:text/plain", Bin("text/plain")),
    ("c:1, 2", Coord(1.0, 2.0)),
    ("t:2010-03-11T23:55:00Z", datetime(2010, 3, 11, 23, 55, tzinfo=UTC)),
    ("t:2010-03-11T23:55:00-05:00 UTC", datetime(2010, 3, 12, 4, 55, tzinfo=zone("UTC"))),
    ({"cols": [], "rows": []}, {"cols": [], "rows": []}),
]


@pytest.mark.parametrize(("raw", "value"), JSON4_READ, ids=[str(row[0])[:30] for row in JSON4_READ])
def test_json4_that_is_read(raw: Any, value: Any) -> None:
    # Through the text, leaves are made while the JSON is read.
    body = json.dumps({"_kind": "grid", "meta": {"ver": "3.0"}, "cols": [{"name": "v"}], "rows": [{"v": raw}]})
    assert same(Json4().read(deepcopy(raw), 0), value)  # it is read in place
    assert same(decode_exact(body, "json4")[0]["v"], value)


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")
@pytest.mark.parametrize(("raw", "value"), JSON3_READ, ids=[str(row[0])[:30] for row in JSON3_READ])
def test_json3_that_is_read(raw: Any, value: Any) -> None:
    assert same(Json3().read(deepcopy(raw), 0), value)
    body = json.dumps({"meta": {"ver": "3.0"}, "cols": [{"name": "v"}], "rows": [{"v": raw}]})
    assert same(decode_exact(body, "json3")[0]["v"], value)


def test_numbers_of_python_and_numpy_are_written() -> None:
    values = [3, 2.5, np.float64(2.5), np.int64(3), np.float32(0.5)]
    assert [write_value(value) for value in values] == ["3", "2.5", "2.5", "3", "0.5"]
    assert write_value(Number(np.float64(2.5), "kW")) == "2.5kW"
    assert Json4().write(np.int64(3)) == 3
    assert Json3().write(2.5) == "n:2.5"
    assert write_value((1, "a")) == '[1,"a"]'


def test_datetimes_of_pandas_and_fixed_offsets_are_written() -> None:
    repeated = pd.DatetimeIndex(["2021-11-07T05:30Z", "2021-11-07T06:30Z"]).tz_convert("America/New_York")
    assert [write_value(when) for when in repeated] == [
        "2021-11-07T01:30:00-04:00 New_York",
        "2021-11-07T01:30:00-05:00 New_York",
    ]
    assert write_value(datetime(2021, 1, 1, tzinfo=UTC)) == "2021-01-01T00:00:00Z UTC"
    assert write_value(datetime(2021, 1, 1, tzinfo=timezone(timedelta(hours=-5)))) == "2021-01-01T00:00:00-05:00 GMT+5"


def test_an_offset_with_seconds_keeps_its_instant() -> None:
    when = datetime(1800, 1, 1, tzinfo=UTC).astimezone(NY)  # local mean time, -04:56:02
    assert write_value(when) == "1799-12-31T19:04:00-04:56 New_York"
    for form in ("zinc", "json4", "json3"):
        grid = Grid({}, ["ts"], [[when]])
        assert decode_exact(encode(grid, form), form) == grid


def test_zinc_grid_forms() -> None:
    expected = Grid({"a": MARKER, "dis": "x y"}, [Col("id", {"m": MARKER}), "v"], [[Ref("a"), None], [None, Number(1)]])
    unix = 'ver:"3.0" a dis:"x y"\nid m,v\n@a,\n,1\n'
    assert encode(expected, "zinc").decode() == unix
    for text in (
        unix,
        unix.replace("\n", "\r\n"),
        unix.rstrip("\n"),
        unix + "\n\n\n",
        "\ufeff" + unix,
        *(unix.rstrip("\n") + end for end in ("\r", "\r\r", " \r \n", "\r\r\n\r")),
        'ver : "3.0"  a  dis : "x y" \nid  m , v \n @a , \n , 1 \n',
        'ver:"2.0" a dis:"x y"\nid m,v\n@a,\nN,1 "1 kW"\n',
        'ver:"3.0" a dis:"x y" ver:"3.0"\nid m,v\n@a,N\nN,1',
    ):
        assert decode_exact(text, "zinc") == expected
        assert decode_exact(text.encode(), "zinc") == expected


def test_a_lone_column_writes_null_as_a_word() -> None:
    grid = Grid({}, ["a"], [[None, Number(1), None]])
    assert encode(grid, "zinc") == b'ver:"3.0"\na\nN\n1\nN\n'
    assert decode_exact(encode(grid, "zinc"), "zinc") == grid


def test_a_grid_without_columns() -> None:
    for form, body in (
        ("zinc", b'ver:"3.0" err dis:"no"\nempty\n'),
        (
            "json4",
            b'{"_kind":"grid","meta":{"ver":"3.0","err":{"_kind":"marker"},"dis":"no"},"cols":[{"name":"empty"}],"rows":[]}',
        ),
        ("json3", b'{"meta":{"ver":"3.0","err":"m:","dis":"no"},"cols":[{"name":"empty"}],"rows":[]}'),
    ):
        grid = decode_exact(body, form)
        assert grid.is_error
        assert grid.cols == ()
        assert encode(grid, form) == body


def test_nested_grids_span_lines_also_in_meta() -> None:
    inner = Grid({"g": NESTED}, ["x"], [[None, "a,b\n>>"]])
    grid = Grid({"err": MARKER, "cause": inner}, [Col("a", {"g": NESTED}), "b"], [[inner, NESTED], ["1,2", None]])
    for form in ("zinc", "json4", "json3"):
        assert decode_exact(encode(grid, form), form) == grid


def test_commas_and_brackets_within_cells() -> None:
    texts = ["a,b", '"', "[", "{", "<<", ">>", "(", ")", "`", "@a", "\\", "a\\,", ",", '","', "M", "x,\\"]
    row: dict[str, Any] = {f"c{place}": text for place, text in enumerate(texts)}
    row |= {
        "u": Uri("a,b"),
        "r": Ref("a", "b,c"),
        "c": Coord(1.0, 2.0),
        "x": XStr("X", 'a,")'),
        "l": [Number(1), "a,b"],
    }
    grid = Grid.from_rows({}, list(row), [row, {}, row])
    for form in ("zinc", "json4", "json3"):
        assert decode_exact(encode(grid, form), form) == grid


@pytest.mark.parametrize("form", ["json3", "json4"])
def test_a_bare_dict_is_one_row(form: str) -> None:
    """nHaystack answers `about` with a dict and no grid."""
    grid = decode_exact('{"haystackVersion": "2.0", "tz": "UTC"}', form)
    assert [dict(row) for row in grid] == [{"haystackVersion": "2.0", "tz": "UTC"}]


def test_the_body_decides_the_version_of_json() -> None:
    grid = Grid({"a": MARKER}, ["id", "n"], [[Ref("a")], [Number(1, "kW")]])
    for body_form in ("json3", "json4"):
        for asked in ("json3", "json4", "json", "application/json", "application/json;v=3"):
            assert decode_exact(encode(grid, body_form), asked) == grid
    assert decode_exact('{"_kind":"dict","a":{"_kind":"marker"}}', "json3")[0]["a"] is MARKER
    assert decode_exact('{"a":"m:"}', "json4")[0]["a"] == "m:"
    assert decode_exact('{"a":"m:"}', "json3")[0]["a"] is MARKER
    # A text is no key.
    named = Grid({"dis": "_kind"}, ["a", "b"], [[Number(1, "kW")], ["_kind"]])
    assert decode_exact(encode(named, "json3"), "json3") == decode(encode(named, "json3"), "json4") == named


def test_surrogates_in_json() -> None:
    body = (
        '{"_kind":"grid","cols":[{"name":"a"}],"rows":[{"a":{"_kind":"ref","val":"x","dis":"\\ud83d\\ude00\\ud83d"}}]}'
    )
    assert decode_exact(body, "json4")[0]["a"].dis == "\U0001f600\ufffd"
    assert (
        decode_exact('{"meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":[{"a":"\\ude00"}]}', "json3")[0]["a"]
        == "\ufffd"
    )


UNKNOWN_ZONE = {
    "zinc": 'ver:"3.0"\nid,mod\n@a,2026-01-01T00:00:00-03:00 Newer_Zone\n@b,2026-01-02T00:00:00-03:00 Newer_Zone\n',
    "json4": json.dumps(
        [
            {"id": name, "mod": {"_kind": "dateTime", "val": f"2026-01-0{day}T00:00:00-03:00", "tz": "Newer_Zone"}}
            for day, name in enumerate("ab", 1)
        ]
    ),
    "json3": json.dumps(
        [{"id": f"r:{name}", "mod": f"t:2026-01-0{day}T00:00:00-03:00 Newer_Zone"} for day, name in enumerate("ab", 1)]
    ),
    "jeto": json.dumps(
        [
            {"id": name, "mod": {"val": f"2026-01-0{day}T00:00:00-03:00 Newer_Zone", "spec": "sys::DateTime"}}
            for day, name in enumerate("ab", 1)
        ]
    ),
    "trio": "id:@a\nmod:2026-01-01T00:00:00-03:00 Newer_Zone\n---\nid:@b\nmod:2026-01-02T00:00:00-03:00 Newer_Zone\n",
}


@pytest.mark.parametrize("form", UNKNOWN_ZONE)
def test_a_zone_that_is_not_known_stops_nothing(form: str) -> None:
    expected = [datetime(2026, 1, day, 3, tzinfo=zone("UTC")) for day in (1, 2)]
    for read in (decode, decode_exact):
        with pytest.warns(ZoneWarning, match="Newer_Zone") as caught:
            grid = read(UNKNOWN_ZONE[form], form)
        assert same(list(grid.column("mod")), expected)
        assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("form", ["zinc", "json4", "json3"])
def test_a_long_history_in_a_zone_that_is_not_known(form: str) -> None:
    times = [datetime(2026, 1, 1, hour % 24, tzinfo=NY) for hour in range(500)]
    known = Grid({}, ["ts", "val"], [times, [Number(1)] * 500])
    body = encode(known, form).replace(b"New_York", b"Newer_Zone")
    with pytest.warns(ZoneWarning, match="Newer_Zone") as caught:
        grid = decode(body, form)
    assert isinstance(grid.columns[0], TimeColumn)
    assert [when.timestamp() for when in grid.columns[0]] == [when.timestamp() for when in times]
    assert len(caught) == 1


ODD_UNIT = {
    "zinc": 'ver:"3.0" max:1kW\nid,v\n@a,%s\n@b,[T]\n@c,<<\nver:"3.0"\na,b\n[1,2],%s\n>>\n',
    "json4": json.dumps(
        {
            "_kind": "grid",
            "meta": {"max": {"_kind": "number", "val": 1, "unit": "UNIT"}},
            "cols": [{"name": "v"}],
            "rows": [{"v": {"_kind": "number", "val": 2, "unit": "UNIT"}}, {"v": [{"_kind": "marker"}]}],
        }
    ),
    "json3": '{"meta":{"ver":"3.0","max":"n:1 UNIT"},"cols":[{"name":"v"}],"rows":[{"v":"n:2 UNIT"},{"v":["m:"]}]}',
}


@pytest.mark.parametrize("form", ODD_UNIT)
@pytest.mark.parametrize("unit", ["deg C", "m^3", "k W h", "kW-h", "W.s"])
def test_a_unit_that_no_unit_can_be_called_is_kept_as_it_is_written(form: str, unit: str) -> None:
    body = ODD_UNIT[form].replace("%s", f"2{unit}").replace("UNIT", unit)
    for read in (decode, decode_exact):
        with pytest.warns(UnitWarning, match=re.escape(repr(unit))) as caught:
            grid = read(body, form)
        assert len(caught) == 1
        assert grid[0]["v"] == Number(2, unit)
        if form == "zinc":
            inner = grid[2]["v"]
            assert isinstance(inner, Grid)
            assert dict(inner[0]) == {"a": [Number(1), Number(2)], "b": Number(2, unit)}
        else:
            assert grid.meta["max"] == Number(1, unit)
        for other in ("zinc", "json4", "json3", "trio"):
            with pytest.raises(CodecError, match=f"{re.escape(repr(unit))} cannot be a unit"):
                encode(grid, other)


@pytest.mark.parametrize("form", ["zinc", "json4", "json3"])
@pytest.mark.parametrize("ids", [True, False], ids=["records", "history"])
def test_many_rows_in_a_unit_that_no_unit_can_be_called(form: str, ids: bool) -> None:
    times = [datetime(2026, 1, 1, hour % 24, tzinfo=NY) for hour in range(5000)]
    first = [Ref(f"p{number}") for number in range(5000)] if ids else times
    numbers = [Number(number % 700 / 4, "qqq") for number in range(5000)]
    body = encode(Grid({}, ["id" if ids else "ts", "val"], [first, numbers]), form).replace(b"qqq", b"deg C")
    with pytest.warns(UnitWarning, match="'deg C'") as caught:
        grid = decode(body, form)
    assert len(caught) == 1
    with pytest.warns(UnitWarning, match="'deg C'"):
        assert grid == decode_exact(body, form)
    assert list(grid.column("val")) == [Number(number.val, "deg C") for number in numbers]


NOT_ODD_UNITS = ["2 kW", "2^3", "2021-1-1", "72e5 kW", "1e0E5", "1e0E5 x", "0xab c", "12:3x", "2m\t3", "2x:3"]


@pytest.mark.parametrize("cell", [*NOT_ODD_UNITS, "2kW @a", '2kW "2 kW"', "2kW(a)"])
def test_zinc_that_only_looks_like_a_number_in_an_odd_unit(cell: str) -> None:
    with pytest.raises(CodecError):
        decode(f'ver:"3.0"\nid,v\n@a,{cell}\n', "zinc")


@pytest.mark.parametrize("form", ["json4", "json3"])
def test_a_list_of_records_is_a_row_each_and_a_list_of_grids_a_column(form: str) -> None:
    """As the reference server makes a grid of a list."""
    records = [{"id": Ref("a"), "site": MARKER}, {"id": Ref("b"), "area": Number(1, "m²")}]
    grids = [Grid.from_rows({"n": Number(number)}, list(row), [row]) for number, row in enumerate(records)]
    write = Json4() if form == "json4" else Json3()
    assert decode(json.dumps(write.write(records)), form) == Grid.from_rows({}, ["id", "site", "area"], records)
    listed = decode(b"[" + b",".join(encode(grid, form) for grid in grids) + b"]", form)
    assert list(listed.column("val")) == grids
    assert decode(b"[" + encode(grids[0], form) + b"]", form) == grids[0]


def test_surrogates_of_three_bytes_each_are_joined() -> None:
    """Haxall writes what is beyond U+FFFF so in some of its formats."""
    pair = b"\xed\xa0\xbd\xed\xb8\x80"
    assert decode(b'ver:"3.0"\na\n"' + pair + b'"\n', "zinc")[0]["a"] == "\U0001f600"
    for form in ("json4", "json3"):
        assert decode(b'{"a":"' + pair + b'","b":"\xed\xa0\xbd"}', form)[0] == {"a": "\U0001f600", "b": "\ufffd"}
    assert decode(b"a: " + pair + b"\n", "trio")[0]["a"] == "\U0001f600"
