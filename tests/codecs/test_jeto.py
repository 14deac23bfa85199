"""Jeto: recorded answers, the types of texts, boxes, and errors with their place."""

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.codecs import decode, decode_exact, encode
from hsframe.codecs.formats import format_of_body, formats_by_start
from hsframe.codecs.histories import HistoryStream
from hsframe.codecs.jeto import Box, Jeto, decode_jeto, encode_jeto
from hsframe.errors import CodecError
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Number, Ref, Symbol, Uri, XStr, same
from hsframe.options import Limits
from hsframe.testing import strategies
from hsframe.zones import zone
from tests.codecs.test_wire import body_of, recorded

pytestmark = pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning", "ignore::hsframe.UnitWarning")

BOXES: dict[str, Box] = {"json": "auto", "json-all": "all", "json-none": "none"}
# What changes from one recording to the next: `id` and `mod` are those of a new record.
CHANGING = {"serverTime", "hisEnd", "expires", "watchId"}
# What Jeto cannot say: an XStr of a type that has no spec; and what only one who knows the specs can read.
LOSSES = {
    ("kinds", "json"): {"xstrFoo"},
    ("kinds", "json-all"): {"xstrFoo"},
    ("about", "json-all"): {"protocolVersions", "tz"},
    ("commit", "json"): {"id", "mod"},
}
LOSING = ("XStr: Jeto makes it a Str", "dict with spec", "dict with val and spec: in Jeto the same as a boxed Str")


def answers() -> list[tuple[str, str, str, bytes]]:
    """The op, what was tried, the format and the body of each answer of version 5 that is no error."""
    return [
        (op, one["name"].removesuffix(", JSON body"), form, body_of(one))
        for one in recorded("haxall-v5")
        for op, _, form in [one["file"].partition(".")]
        if one["status"] == 200 and one["request_headers"].get("xeto-version") == "5" and form in (*BOXES, "zinc")
        # Some requests in the files of JSON ask for Zinc.
        if one["headers"]["content-type"].startswith("text/zinc") == (form == "zinc")
    ]


JETO = [answer for answer in answers() if answer[2] != "zinc"]


def test_recorded_answers_decode_and_round_trip() -> None:
    forms: Counter[str] = Counter()
    for op, name, form, body in JETO:
        value = decode_jeto(body)
        grid = decode(body, "jeto")
        assert decode_exact(encode(grid, "jeto"), "jeto") == grid, (op, name)
        for box in ("auto", "all"):
            written = encode_jeto(value, box)
            assert same(decode_jeto(written), value), (op, name, written)
            assert encode_jeto(decode_jeto(written), box) == written
        forms[form] += 1
    assert set(forms) == set(BOXES)
    assert min(forms.values()) > 50, forms


def plain(value: Any) -> Any:
    """JSON with each number as Python writes it, in a text too."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    is_number = isinstance(value, str) and re.fullmatch(r"-?[0-9.]+E-?[0-9]+", value)
    return repr(float(value)) if is_number else value


def test_answers_are_written_as_the_server_writes_them() -> None:
    """But for `of` of columns, which it does not use, and for what it cannot say."""
    compared: Counter[str] = Counter()
    unboxed = {(op, name): body for op, name, form, body in JETO if form == "json-none"}
    for op, name, form, body in JETO:
        if form == "json-none" or b'"cols"' in body or b"Foo(" in body or b"ApiVersion" in body or name in LOSING:
            continue
        value = decode_jeto(body)
        assert plain(json.loads(encode_jeto(value, BOXES[form]))) == plain(Jeto().load(body)), (op, name)
        compared[form] += 1
        if (op, name) in unboxed and op != "about":
            assert plain(json.loads(encode_jeto(value, "none"))) == plain(Jeto().load(unboxed[op, name])), (op, name)
            compared["none"] += 1
    for op, name, form, body in JETO:
        if form == "json-all" and b'"cols"' in body and op != "kinds":
            assert json.loads(encode_jeto(decode_jeto(body), "all")) == json.loads(body), (op, name)
            compared["grids"] += 1
    assert min(compared.values()) > 20, compared


def content(grid: Grid, changing: set[str]) -> Any:
    """What a grid says, whatever the order of its columns."""

    def steady(tags: Any) -> dict[str, Any]:
        return {name: tag for name, tag in tags.items() if name not in changing}

    return [steady(grid.meta), {col.name: dict(col.meta) for col in grid.cols}, [steady(dict(row)) for row in grid]]


def test_the_answers_in_zinc_say_the_same() -> None:
    zinc = {(op, name): decode_exact(body, "zinc") for op, name, form, body in answers() if form == "zinc"}
    compared: Counter[str] = Counter()
    for op, name, form, body in JETO:
        if form == "json-none" or (op, name) not in zinc or (op == "eval" and name in LOSING):
            continue
        changing = CHANGING | LOSSES.get((op, form), set())
        ours, theirs = (content(grid, changing) for grid in (decode_exact(body, "jeto"), zinc[op, name]))
        assert same(ours, theirs), (op, name, form)
        compared[form] += 1
    assert compared["json"] > 100
    assert compared["json-all"] > 60


def test_recorded_requests_are_read() -> None:
    found = 0
    for one in recorded("haxall-v5"):
        text = one["request"].get("text", "")
        if one["request_headers"].get("content-type") == "application/json" and one["status"] == 200 and text:
            value = decode_jeto(text)
            assert same(decode_jeto(encode_jeto(value)), value), text
            found += 1
    assert found > 100
    request = (
        '{"req":{"spec":"sys::Grid","cols":[{"name":"id","of":"sys::Ref"},{"name":"range"}],'
        '"rows":[{"id":"p-kw","range":"2026-11-02"}]}}'
    )
    grid = Grid({}, ["id", "range"], [[Ref("p-kw")], ["2026-11-02"]])
    assert decode_jeto(request) == {"req": grid}
    assert encode_jeto({"req": grid}).decode() == request
    assert encode_jeto({"limit": 2}) == b'{"limit":{"val":"2","spec":"sys::Number"}}'  # a bare one is taken for none


TEXTS: list[tuple[str, str, Any]] = [
    ("sys::Str", "✓", "✓"),
    ("sys::Bool", "true", True),
    ("sys::Number", "72.5°F", Number(72.5, "°F")),
    ("sys::Number", "-5.4E-45kWh/ft²", Number(-5.4e-45, "kWh/ft²")),
    ("sys::Number", "10_custom", Number(10, "_custom")),
    ("sys::Number", "5deg C, mean", Number(5, "deg C, mean")),
    ("sys::Number", "NaN", Number(float("nan"))),
    ("sys::Number", "-INF", Number(float("-inf"))),
    ("sys::Int", "3", Number(3)),
    ("sys::Date", "2026-02-28", date(2026, 2, 28)),
    ("sys::Time", "23:59:59.123", time(23, 59, 59, 123_000)),
    (
        "sys::DateTime",
        "2026-11-01T01:30:00-05:00 New_York",
        datetime(2026, 11, 1, 1, 30, fold=1, tzinfo=zone("New_York")),
    ),
    ("sys::DateTime", "2026-11-22T01:02:03Z UTC", datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)),
    ("sys::Uri", "http://x/a b#f", Uri("http://x/a b#f")),
    ("sys::Ref", "a-1", Ref("a-1")),
    ("sys::Marker", "✓", MARKER),
    ("sys::NA", "NA", NA),
    ("sys::None", "∅", REMOVE),
    ("sys::Span", "today", XStr("Span", "today")),
    ("ph::Symbol", "elec-meter", Symbol("elec-meter")),
    ("ph::Coord", "C(37.55,-77.45)", Coord(37.55, -77.45)),
    ("xstr::Foo", "bar", XStr("Foo", "bar")),
    ("xstr::Bin", "text/plain", Bin("text/plain")),
]


@pytest.mark.parametrize(("spec", "text", "value"), TEXTS)
def test_a_text_is_what_its_spec_says(spec: str, text: str, value: Any) -> None:
    boxed = {"val": text, "spec": spec}
    assert same(decode_jeto(json.dumps(boxed)), value)
    assert same(decode_jeto(json.dumps(text), spec), value)
    assert decode_jeto(json.dumps(text)) == text
    grid = {"spec": "sys::Grid", "cols": [{"name": "a", "of": spec}, {"name": "b"}], "rows": [{"a": text, "b": text}]}
    read = decode_jeto(json.dumps(grid))
    assert isinstance(read, Grid)
    assert same(read[0]["a"], value)
    assert read[0]["b"] == text
    assert not read.cols[0].meta
    grid["cols"] = [{"name": "a"}, {"name": "b"}]
    grid["rows"] = [{"a": boxed, "b": [boxed, {"c": boxed}]}]
    assert same(dict(decode_jeto(json.dumps(grid))[0]), {"a": value, "b": [value, {"c": value}]})  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("null", None),
        ("true", True),
        ("2", Number(2)),
        ("4.5", Number(4.5)),
        ('"2026-11-01"', "2026-11-01"),
        ('{"val":2,"spec":"sys::Number"}', Number(2)),
        ('{"val":true,"spec":"sys::Bool"}', True),
        ('{"val":"a","spec":"sys::Ref","dis":"A"}', Ref("a", "A")),
        ('{"val":"a","spec":"sys::Ref","dis":null}', Ref("a")),
        ('{"val":"x","spec":"sys::Str","dis":"A"}', {"val": "x", "spec": Ref("sys::Str"), "dis": "A"}),
        ('{"val":"4","spec":"sys.api::ApiVersion"}', {"val": "4", "spec": Ref("sys.api::ApiVersion")}),
        ('{"val":{"val":"x","spec":"sys::Str"},"spec":"sys::Str"}', {"val": "x", "spec": Ref("sys::Str")}),
        ('{"spec":"ph::Site","site":"✓"}', {"spec": Ref("ph::Site"), "site": "✓"}),
        ('{"spec":"sys.api::OpInfo","noSideEffects":"✓"}', {"spec": Ref("sys.api::OpInfo"), "noSideEffects": MARKER}),
    ],
)
def test_bare_values(body: str, value: Any) -> None:
    assert same(decode_jeto(body), value)
    for box in ("auto", "all"):
        assert same(decode_jeto(encode_jeto(value, box)), value)


AMBIGUOUS: list[dict[str, Any]] = [
    {"val": "x", "spec": Ref("sys::Str")},
    {"val": True, "spec": Ref("sys::Bool")},
    {"val": Number(2), "spec": Ref("sys::Number")},
    {"val": "a", "dis": "A", "spec": Ref("sys::Ref")},
    {"val": "a", "spec": Ref("xstr::Foo")},
    {"spec": Ref("sys::Grid")},
    {"spec": Ref("sys::Grid"), "cols": [], "rows": []},
    {"spec": "sys::Number", "val": "x"},
    {"spec": Ref("ph::Site", "Site")},
    {"spec": "not a ref at all"},
    {"spec": Ref("sys.api::AboutInfo"), "serverTime": "noon", "vendorUri": Uri("x")},
    {"spec": Ref("sys.api::AboutInfo", "About"), "serverTime": datetime(2026, 1, 1, tzinfo=UTC)},
    {"spec": Ref("foo::Enum"), "val": "x"},
    {"spec": None, "val": None},
]


@pytest.mark.parametrize("box", ["auto", "all"])
@pytest.mark.parametrize("tags", AMBIGUOUS, ids=str)
def test_dicts_that_look_like_something_else(box: Box, tags: dict[str, Any]) -> None:
    for value in (tags, [tags], {"a": tags}, Grid(tags, [Col("a", tags)], [[tags]])):
        assert same(decode_jeto(encode_jeto(value, box)), value)
    # A row is never a box.
    rows = [{name: tag for name, tag in tags.items() if tag is not None}] * 2
    grid = Grid.from_rows({}, list(tags), rows)
    assert decode_jeto(encode_jeto(grid, box)) == grid


def test_the_spec_of_a_column_and_of_rows() -> None:
    of_known, of_other = {"of": Ref("sys::Number")}, {"of": Ref("ph::Enum")}
    grid = Grid(
        {"of": Ref("sys.api::OpInfo")},
        ["noSideEffects", Col("a", of_known), Col("b", of_other), Col("c", {"of": "x"}), "spec"],
        [[MARKER, "✓"], ["x", Number(1)], ["on", Number(1)], [Number(1), Number(2, "kW")], [Ref("x"), "y"]],
    )
    for box in ("auto", "all"):
        assert decode_jeto(encode_jeto(grid, box)) == grid
    written = json.loads(encode_jeto(grid))
    assert written["of"] == "sys.api::OpInfo"
    assert [col.get("of") for col in written["cols"]] == [None, None, "ph::Enum", "sys::Number", None]
    assert written["cols"][1]["meta"] == {"of": {"val": "sys::Number", "spec": "sys::Ref"}}
    assert written["rows"][0] == {
        "noSideEffects": "✓",
        "a": "x",
        "b": "on",
        "c": 1,
        "spec": "x",
    }


def test_a_column_says_its_type_once_where_it_has_one() -> None:
    columns: dict[str, tuple[list[Any], str | None]] = {
        "n": ([Number(1), Number(float("nan")), None], "sys::Number"),
        "mixed": ([Number(1), NA, None], None),
        "named": ([Ref("a", "A"), Ref("b"), None], "sys::Ref"),
        "names": ([Ref("a", "A"), Ref("b", "B"), None], None),
        "text": (["x", "✓", None], None),
        "flag": ([True, False, None], None),
        "list": ([[MARKER], [], None], None),
        "empty": ([None, None, None], None),
        "x": ([XStr("Foo", "a"), XStr("Foo", "b"), None], None),
    }
    grid = Grid({}, list(columns), [cells for cells, _ in columns.values()])
    written = json.loads(encode_jeto(grid))
    assert {col["name"]: col.get("of") for col in written["cols"]} == {name: of for name, (_, of) in columns.items()}
    assert written["rows"][0]["n"] == 1
    assert written["rows"][1]["n"] == "NaN"
    assert written["rows"][1]["named"] == "b"
    assert written["rows"][0]["mixed"] == {"val": "1", "spec": "sys::Number"}
    for box in ("all", "none"):
        assert not any("of" in col for col in json.loads(encode_jeto(grid, box))["cols"])


def test_box_none_is_plain() -> None:
    value = {"a": Number(1), "b": Ref("x", "X"), "c": XStr("Foo", "bar"), "d": NA, "e": {"spec": Ref("ph::Site")}}
    assert json.loads(encode_jeto(value, "none")) == {
        "a": 1,
        "b": "x",
        "c": 'Foo("bar")',
        "d": "NA",
        "e": {"spec": "ph::Site"},
    }


def test_no_such_box() -> None:
    with pytest.raises(CodecError, match="'foo' is no way to box; expected auto or all or none"):
        encode_jeto(1, "foo")  # type: ignore[arg-type]


@given(value=st.none() | strategies.kinds() | strategies.grids(), box=st.sampled_from(["auto", "all"]))
def test_values_read_back(value: Any, box: Box) -> None:
    body = encode_jeto(value, box)
    read = decode_jeto(body)
    assert same(read, value)
    assert encode_jeto(read, box) == body
    encode_jeto(value, "none")


def test_bytes_that_are_no_json() -> None:
    """As Haxall writes them: two surrogates of three bytes each, and control characters as they are."""
    body = b'{"a":"x\x00\x01\x1f\n\x7f","b":"' + "\ud83d\ude00".encode("utf-8", "surrogatepass") + b'"}'
    assert decode_jeto(body) == {"a": "x\x00\x01\x1f\n\x7f", "b": "\U0001f600"}
    assert json.loads(encode_jeto(decode_jeto(body))) == decode_jeto(body)
    with pytest.raises(CodecError, match="control character"):
        decode_exact(body, "json4")


@pytest.mark.parametrize(
    ("body", "grid"),
    [
        ("null", Grid({}, ["empty"], [[]])),
        ("2", Grid({}, ["val"], [[Number(2)]])),
        ('{"val":"✓","spec":"sys::Marker"}', Grid({}, ["val"], [[MARKER]])),
        ('{"val":"4","spec":"foo::Bar"}', Grid({}, ["val", "spec"], [["4"], [Ref("foo::Bar")]])),
        ('{"spec":"ph::Site","dis":"A"}', Grid({}, ["spec", "dis"], [[Ref("ph::Site")], ["A"]])),
        ('[1,"two",[3],null]', Grid({}, ["val"], [[Number(1), "two", [Number(3)], None]])),
        ("[]", Grid({}, ["val"], [[]])),
        ('[{"a":1},{"spec":"a::B"}]', Grid({}, ["a", "spec"], [[Number(1), None], [None, Ref("a::B")]])),
        ('[{"val":"1","spec":"sys::Number"}]', Grid({}, ["val"], [[Number(1)]])),
    ],
)
def test_the_grid_of_a_bare_value(body: str, grid: Grid) -> None:
    assert decode(body, "jeto") == grid
    assert decode_exact(body.encode(), "text/jeto;box=all") == grid


def test_a_grid_of_jeto_is_known_by_its_start() -> None:
    body = encode(Grid({}, ["a"], [[1]]), "jeto")
    assert "jeto" in formats_by_start(body)
    assert format_of_body(b"\n" + body) == "jeto"
    assert format_of_body(b'{"meta":{"ver":"3.0"},"cols":[]}') == "json3"


OTHER_JSON = pytest.mark.parametrize("name", ["json4", "json3"])


def spec_last(body: bytes) -> bytes:
    """A grid that says at its end what it is, and not first."""
    return b"{" + body.removeprefix(b'{"spec":"sys::Grid",').removesuffix(b"}") + b',"spec":"sys::Grid"}'


@OTHER_JSON
@given(grid=strategies.grids(), box=st.sampled_from(["auto", "all"]), first=st.booleans())
def test_a_grid_of_jeto_is_read_so_whatever_was_asked_for(name: str, grid: Grid, box: Box, first: bool) -> None:
    body = encode_jeto(grid, box)
    if not first:
        body = spec_last(body)
    body = b"[" + body + b"]" if name == "json3" else b"\xef\xbb\xbf\n " + body
    assert same(decode(body if first else body.decode(), name), grid)


@OTHER_JSON
@pytest.mark.parametrize("first", ["ts", "id"])
def test_a_large_grid_of_jeto_is_read_so_too(name: str, first: str) -> None:
    """A history of so many rows, and so many records, are read by columns in other formats."""
    count = 2_000
    firsts: dict[str, list[Any]] = {
        "ts": [datetime.fromtimestamp(1_800_000_000 + 900 * number, UTC) for number in range(count)],
        "id": [Ref(f"a-{number}") for number in range(count)],
    }
    grid = Grid(
        {},
        [first, "val", "dis"],
        [firsts[first], [Number(number, "kW") for number in range(count)], ["\t" * 50] * count],
    )
    body = encode_jeto(grid)
    assert len(body) > 200_000
    assert decode(body, name) == grid
    at_the_end = spec_last(body)
    assert decode(at_the_end, name) == grid
    if first == "ts":
        for whole in (body, at_the_end):
            stream = HistoryStream(name)
            batches = [batch for at in range(0, len(whole), 50_000) for batch in stream.feed(whole[at : at + 50_000])]
            batches += stream.finish()
            assert sum(batch.num_rows for batch in batches) == count
            assert {batch.schema.field("val").metadata[b"hsframe:unit"] for batch in batches} == {b"kW"}


def test_what_only_looks_like_a_grid_of_jeto_is_what_was_asked_for() -> None:
    body = '{"dis":"sys::Grid","spec":"sys::Grid"}'
    assert decode(body, "json3")[0] == {"dis": "sys::Grid", "spec": "sys::Grid"}
    grid = Grid({}, ["spec"], [["sys::Grid"]])
    for name in ("json3", "json4"):
        assert decode(encode(grid, name), name) == grid


ERRORS: list[tuple[Any, str, str]] = [
    ({"val": "x", "spec": "sys::Number"}, "rows[1].v.val", "not a number"),
    ({"val": "2026-01-01", "spec": "sys::Number"}, "rows[1].v.val", "not a number"),
    ({"val": "yes", "spec": "sys::Bool"}, "rows[1].v.val", "not a Bool"),
    ({"val": "x", "spec": "sys::Marker"}, "rows[1].v.val", 'expected "✓"'),
    ({"val": "a/b", "spec": "sys::Ref"}, "rows[1].v.val", "cannot be the id"),
    ({"val": "a", "spec": "sys::Ref", "dis": 5}, "rows[1].v.dis", "not a text"),
    ({"val": "a b", "spec": "ph::Symbol"}, "rows[1].v.val", "cannot be a symbol"),
    ({"val": "2021-02-29", "spec": "sys::Date"}, "rows[1].v.val", "not in the calendar"),
    ({"val": "24:00:00", "spec": "sys::Time"}, "rows[1].v.val", "not a date or time"),
    ({"val": "2021-01-01", "spec": "sys::DateTime"}, "rows[1].v.val", "not a date or time"),
    ({"val": "37.5,-77", "spec": "ph::Coord"}, "rows[1].v.val", "not a coordinate"),
    ({"val": "C(1,1e400)", "spec": "ph::Coord"}, "rows[1].v.val", "not a coordinate"),
    ({"spec": "a b"}, "rows[1].v.spec", "cannot be the id"),
    ({"spec": "sys.api::AboutInfo", "serverTime": "noon"}, "rows[1].v.serverTime", "not a date or time"),
    ({"a-b": 1}, "rows[1].v", "cannot be the name"),
    ([1, {"a": {"val": "x", "spec": "sys::Number"}}], "rows[1].v[1].a.val", "not a number"),
    ({"spec": "sys::Grid"}, "rows[1].v.cols", "without a list of columns"),
    ({"spec": "sys::Grid", "cols": [], "of": 5}, "rows[1].v.of", "not a text"),
    ({"spec": "sys::Grid", "cols": [], "of": ["x"], "meta": 5}, "rows[1].v.meta", "not an object"),
    ({"spec": "sys::Grid", "cols": [{"name": "a", "of": [1]}]}, "rows[1].v.cols[0].of", "not a text"),
    (
        {"spec": "sys::Grid", "cols": [{"name": "a", "of": "sys::Date"}], "rows": [{"a": "x"}]},
        "rows[1].v.rows[0].a",
        "",
    ),
    ({"spec": "sys::Grid", "cols": [5], "rows": [5]}, "rows[1].v.cols[0]", "without a name"),
    ({"spec": "sys::Grid", "cols": 5, "rows": 5}, "rows[1].v.cols", "list of columns"),
]


@pytest.mark.parametrize(("cell", "path", "words"), ERRORS, ids=[str(row[0]) for row in ERRORS])
def test_errors_say_the_path(cell: Any, path: str, words: str) -> None:
    body = json.dumps({"spec": "sys::Grid", "cols": [{"name": "v"}], "rows": [{"v": 1}, {"v": cell}]})
    for read in (decode_jeto, lambda body: decode_exact(body, "jeto")):
        with pytest.raises(CodecError) as caught:
            read(body)
        assert caught.value.problem.startswith(path + ": "), str(caught.value)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('[{"val":"x","spec":"sys::Number"}]', "[0].val: not a number"),
        ('[{"spec":"a b"}]', "[0].spec: "),
        ('{"a":1,"a":2}', "'a' stands twice"),
        ("NaN", "NaN is not JSON"),
        ("", "the text ends here"),
        ('"x" 1', "not JSON"),
    ],
)
def test_errors_of_bare_bodies(body: str, problem: str) -> None:
    for read in (decode_jeto, lambda body: decode_exact(body, "jeto")):
        with pytest.raises(CodecError) as caught:
            read(body)
        assert caught.value.problem.startswith(problem), str(caught.value)
    with pytest.raises(CodecError, match="not a number"):
        decode_jeto('"x"', "sys::Number")


@pytest.mark.parametrize("value", [{"val": [1], "spec": ["x"]}, {"val": 1, "spec": {}}, {"spec": {"a": 1}}])
def test_a_spec_that_is_no_text_is_any_tag(value: Any) -> None:
    assert same(decode_jeto(encode_jeto(decode_jeto(json.dumps(value)))), decode_jeto(json.dumps(value)))


def test_what_a_body_may_hold_is_bounded() -> None:
    with pytest.raises(CodecError) as caught:
        decode_jeto(b"[" + b"0," * 1000 + b"0]", limits=Limits(answer_bytes=100))
    assert caught.value.limit == "answer_bytes"
    for body in ("[" * 70 + "]" * 70, '{"a":' * 70 + "1" + "}" * 70, "[" * 100_000):
        with pytest.raises(CodecError, match="deep"):
            decode_jeto(body)
    nested: Any = []
    for _ in range(64):
        nested = [nested]
    assert decode_jeto(encode_jeto(nested)) == nested
    with pytest.raises(CodecError, match="deep"):
        encode_jeto([nested])


def test_an_empty_row_is_not_searched_for_every_column() -> None:
    class Counting(dict[str, Any]):
        looked = 0

        def get(self, name: str, default: Any = None) -> Any:
            Counting.looked += 1
            return super().get(name, default)

    cols = [{"name": f"c{number}", "of": "sys::Number"} for number in range(1_000)]
    with pytest.raises(CodecError, match="cells"):
        Jeto(Limits(cells=10)).read_grid({"cols": cols, "rows": [Counting()] * 1_000}, 0)
    assert Counting.looked == 0
