"""Filters: the grammar, what each form means, and where errors point."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import CodecError, MetadataError
from hsframe.filters import parse
from hsframe.filters.parsing import MAX_DEPTH
from hsframe.filters.tree import And, Compare, Filter, Has, Missing, Or, Spec
from hsframe.kinds import MARKER, Number, Ref, Symbol, Uri
from hsframe.testing import strategies
from hsframe.zones import zone

NEW_YORK = zone("New_York")

RECS = {
    "site": {"id": Ref("site"), "site": MARKER, "geoCity": "London", "area": Number(100, "m²")},
    "other": {"id": Ref("other"), "site": MARKER, "geoCity": "Paris"},
    "equip": {"id": Ref("equip"), "equip": MARKER, "siteRef": Ref("site"), "ahu": MARKER},
    "both": {"id": Ref("both"), "siteRef": [Ref("other"), Ref("site")]},
    "lost": {"id": Ref("lost"), "siteRef": Ref("nowhere")},
    "point": {"id": Ref("point"), "equipRef": Ref("equip"), "spec": {"maker": {"name": "ACME"}, "year": Number(1999)}},
}


def resolve(ref: Ref) -> dict[str, object] | None:
    return RECS.get(ref.val)


def matches(text: str, rec: dict[str, object]) -> bool:
    return parse(text).matches(rec, resolve)


# text, tree, canonical text
VECTORS = [
    ("site", Has(("site",)), "site"),
    ("  not  site ", Missing(("site",)), "not site"),
    ("not a->b", Missing(("a", "b")), "not a->b"),
    ("a -> b->c", Has(("a", "b", "c")), "a->b->c"),
    ("notSite", Has(("notSite",)), "notSite"),
    ("orange and android", And((Has(("orange",)), Has(("android",)))), "orange and android"),
    ("a and b or c", Or((And((Has(("a",)), Has(("b",)))), Has(("c",)))), "a and b or c"),
    ("a and (b or c)", And((Has(("a",)), Or((Has(("b",)), Has(("c",)))))), "a and (b or c)"),
    ("(a and b) and c", And((Has(("a",)), Has(("b",)), Has(("c",)))), "a and b and c"),
    ("((a))", Has(("a",)), "a"),
    ("a==true", Compare(("a",), "==", True), "a == true"),
    ("a != false", Compare(("a",), "!=", False), "a != false"),
    ("a == @x-1:b.c~d_e", Compare(("a",), "==", Ref("x-1:b.c~d_e")), "a == @x-1:b.c~d_e"),
    (r'a == "q\"\\\n\t$\$\u00b0"', Compare(("a",), "==", 'q"\\\n\t$$°'), r'a == "q\"\\\n\t\$\$°"'),
    (r'a == "\ud83d\ude00"', Compare(("a",), "==", "😀"), 'a == "😀"'),
    (r"a == `http://x/\#\`\$y`", Compare(("a",), "==", Uri(r"http://x/\#`$y")), r"a == `http://x/\#\u0060$y`"),
    ("a < 5", Compare(("a",), "<", Number(5)), "a < 5"),
    ("a<=-10_000.5kW", Compare(("a",), "<=", Number(-10000.5, "kW")), "a <= -10000.5kW"),
    ("a > 5.4e-45", Compare(("a",), ">", Number(5.4e-45)), "a > 5.4e-45"),
    ("a >= 70°F", Compare(("a",), ">=", Number(70, "°F")), "a >= 70°F"),
    ("a == 5_gasket", Compare(("a",), "==", Number(5, "_gasket")), "a == 5_gasket"),
    ("a == 1_0.2_5_u", Compare(("a",), "==", Number(10.25, "_u")), "a == 10.25_u"),
    ("a == 5$", Compare(("a",), "==", Number(5, "$")), "a == 5$"),
    ("a == 9gal/min", Compare(("a",), "==", Number(9, "gal/min")), "a == 9gal/min"),
    ("a == 3%RH and b", And((Compare(("a",), "==", Number(3, "%RH")), Has(("b",)))), "a == 3%RH and b"),
    ("a == 2026-03-08", Compare(("a",), "==", date(2026, 3, 8)), "a == 2026-03-08"),
    ("a == 08:12:05.1234567", Compare(("a",), "==", time(8, 12, 5, 123456)), "a == 08:12:05.123456"),
    ("a == 08:12", Compare(("a",), "==", time(8, 12)), "a == 08:12:00"),
    ("a == 8:12", Compare(("a",), "==", time(8, 12)), "a == 08:12:00"),
    ("_a and not _b", And((Has(("_a",)), Missing(("_b",)))), "_a and not _b"),
    ("a == ^hot-water", Compare(("a",), "==", Symbol("hot-water")), "a == ^hot-water"),
    (
        "a > 2026-11-01T01:30:00-05:00 New_York and b",
        And((Compare(("a",), ">", datetime(2026, 11, 1, 6, 30, tzinfo=UTC).astimezone(NEW_YORK)), Has(("b",)))),
        "a > 2026-11-01T01:30:00-05:00 New_York and b",
    ),
    ("a < 2026-11-01T06:30:00Z or b", None, "a < 2026-11-01T06:30:00Z UTC or b"),
    ("a == 8:12", Compare(("a",), "==", time(8, 12)), "a == 08:12:00"),
    ("a\xa0== // the same\n 5//", Compare(("a",), "==", Number(5, "//")), "a == 5//"),
    ("// all points\npoint // but not\n and b // those", And((Has(("point",)), Has(("b",)))), "point and b"),
    ("Meter", Spec("Meter"), "Meter"),
    ("ph::Meter and a", And((Spec("ph::Meter"), Has(("a",)))), "ph::Meter and a"),
    ("ph.points::Point", Spec("ph.points::Point"), "ph.points::Point"),
    ("^ahu", Spec("^ahu"), "^ahu"),
    (
        "(^hot-water or ^lib:ph.x~y)and a",
        And((Or((Spec("^hot-water"), Spec("^lib:ph.x~y"))), Has(("a",)))),
        "(^hot-water or ^lib:ph.x~y) and a",
    ),
    ("inputs?", Spec("inputs?"), "inputs?"),
    ("inputs? ^air @a:b and c", And((Spec("inputs? ^air @a:b"), Has(("c",)))), "inputs? ^air @a:b and c"),
    ("air-inputs?@a or b", Or((Spec("air-inputs?@a"), Has(("b",)))), "air-inputs?@a or b"),
    ("siteRef *==@a and b", And((Spec("siteRef *== @a"), Has(("b",)))), "siteRef *== @a and b"),
    ("a->siteRef*== @b", Spec("a->siteRef *== @b"), "a->siteRef *== @b"),
    ("*==@b", Spec("*== @b"), "*== @b"),
]


@pytest.mark.parametrize(("text", "tree", "canonical"), VECTORS, ids=[text for text, _, _ in VECTORS])
def test_the_grammar(text: str, tree: Filter | None, canonical: str) -> None:
    parsed = parse(text)
    if tree is not None:
        assert parsed == tree
    assert str(parsed) == canonical
    assert parse(canonical) == parsed


# text, line, column, a word of the message
BAD = [
    ("", 1, 1, "end of the filter"),
    ("a and", 1, 6, "end of the filter"),
    ("a or or b", 1, 6, "keyword"),
    ("and", 1, 1, "keyword"),
    ("not (a)", 1, 5, "only a path"),
    ("(a or b", 1, 8, "not closed"),
    ("a)", 1, 2, "after the filter"),
    ("a b", 1, 3, "after the filter"),
    ("a =  5", 1, 3, "after the filter"),
    ("a == ", 1, 6, "end of the filter"),
    ("a == b", 1, 6, "expected true, false"),
    ("a == INF", 1, 6, "expected true, false"),
    ("a == NaN", 1, 6, "expected true, false"),
    ("a == -INF", 1, 6, "expected true, false"),
    ("a == 1e999", 1, 6, "1e999 is not a finite number"),
    ("a == N", 1, 6, "expected true, false"),
    ("a == M", 1, 6, "expected true, false"),
    ("a == [1]", 1, 6, "expected true, false"),
    ('a == "x', 1, 6, "does not end"),
    ('a ==\n "x\ny"', 2, 2, "does not end"),
    (r'a == "\q"', 1, 7, "no such escape"),
    (r'a == "\u12"', 1, 7, "no such escape"),
    ("a == `x", 1, 6, "does not end"),
    (r"a == `\q`", 1, 7, "no such escape"),
    ("a == @", 1, 6, "no id"),
    ("a == ^", 1, 6, "no name"),
    ("a == 2026-02-30", 1, 6, "calendar"),
    ("a == 25:00:00", 1, 8, "after the filter"),
    ("a *== 5", 1, 7, "a Ref only"),
    ("not ^ahu", 1, 5, "only a path"),
    # what people write who know another language
    ("a and b = 5", 1, 9, "'==' means equal"),
    ("a && b", 1, 3, "'and' joins"),
    ("a || b", 1, 3, "'or' joins"),
    ("a and !b", 1, 7, "'not' before a path"),
    ("a == 'London'", 1, 6, 'double quotes, as in "London"'),
    ("a == \u201cLondon\u201d", 1, 6, "double quotes"),
    ("a->", 1, 4, "after '->'"),
    ("a->not", 1, 4, "keyword"),
    ("a ->B", 1, 5, "after '->'"),
    ("a and\n  b and\n  9", 3, 3, "tag name"),
    ("a == 5 6", 1, 8, "after the filter"),
    ("-a", 1, 1, "tag name"),
    ("a != Meter", 1, 6, "expected true, false"),
]


@pytest.mark.parametrize(("text", "line", "column", "word"), BAD, ids=[text for text, *_ in BAD])
def test_an_error_names_its_place(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(CodecError) as caught:
        parse(text)
    error = caught.value
    assert (error.source, error.line, error.column) == ("filter", line, column)
    assert word in str(error)


def test_depth_has_an_end() -> None:
    assert parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == Has(("a",))
    assert parse(" and ".join(["(a)"] * (MAX_DEPTH + 1))) == And((Has(("a",)),) * (MAX_DEPTH + 1)), "side by side"
    with pytest.raises(CodecError, match="nested more than") as caught:
        parse("(" * 100_000 + "a" + ")" * 100_000)
    assert caught.value.column == MAX_DEPTH + 1


def test_a_long_filter_needs_no_recursion() -> None:
    many = parse(" or ".join(f"id == @p{i}" for i in range(5_000)))
    assert many.matches({"id": Ref("p4999")})
    assert not many.matches({"id": Ref("p5000")})


def test_a_number_of_many_digits_is_no_problem() -> None:
    assert parse("a == " + "0" * 6000 + "7") == Compare(("a",), "==", Number(7))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n == 5kW", True),
        ("n == 5", False),
        ("n == 5W", False),
        ("n != 5W", True),
        ("n != 5kW", False),
        ("n < 6W", False),
        ("n >= 0W", False),
        ("n < 6kW", True),
        ("n <= 5kW", True),
        ("n > 5kW", False),
        ("n >= 5.0kW", True),
        ("s == 5", False),
        ("s != 5", True),
        ("s < 5", False),
        ('s < "b"', True),
        ("s == `a`", False),
        ("missing == 5", False),
        ("missing != 5", False),
        ("missing < 5", False),
        ("missing", False),
        ("not missing", True),
        ("flag", True),
        ("flag == false", True),
        ("flag < true", True),
        ("flag == 0", False),
        ("marker == true", False),
        ("marker != true", True),
        ("day >= 2026-03-08", True),
        ("day < 2026-03-08", False),
        ("day == 2026-03-08T00:00:00Z", False),
        ("clock > 08:00:00", True),
        ("nan < 5", False),
        ("nan == 5", False),
        ("nan != 5", True),
        ("uri == `a`", True),
        ("symbol == ^ahu", True),
        ("ref == @x", True),
        ("refs == @x", True),
        ("refs == @z", False),
        ("refs", True),
    ],
)
def test_comparisons(text: str, expected: bool) -> None:
    rec = {
        "n": Number(5, "kW"),
        "s": "a",
        "flag": False,
        "marker": MARKER,
        "day": date(2026, 3, 8),
        "clock": time(9, 0),
        "nan": Number(float("nan")),
        "uri": Uri("a"),
        "symbol": Symbol("ahu"),
        "ref": Ref("x", "with a name"),
        "refs": [Ref("y"), Ref("x")],
        "gone": None,
    }
    assert matches(text, rec) is expected
    assert not matches("gone", rec)


def test_datetimes_compare_by_instant_in_the_repeated_hour() -> None:
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC).astimezone(NEW_YORK)
    second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC).astimezone(NEW_YORK)
    assert first == second  # Python, by wall clock
    assert matches("t < 2026-11-01T01:30:00-05:00 New_York", {"t": first})
    assert not matches("t == 2026-11-01T01:30:00-05:00 New_York", {"t": first})
    assert matches("t == 2026-11-01T01:30:00-05:00 New_York", {"t": second})
    assert matches("t == 2026-11-01T06:30:00Z", {"t": second.astimezone(timezone(timedelta(hours=-5)))})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("siteRef", {"equip", "both", "lost"}),
        ("siteRef->site", {"equip", "both"}),
        ('siteRef->geoCity == "London"', {"equip", "both"}),
        ('siteRef->geoCity == "Paris"', {"both"}),
        ('siteRef->geoCity != "Paris"', {"equip", "both"}),
        ("not siteRef->site", {"site", "other", "lost", "point"}),
        ("equipRef->siteRef->area >= 100m²", {"point"}),
        ("equipRef->siteRef->area >= 100ft²", set()),
        ('spec->maker->name == "ACME"', {"point"}),
        ("spec->year < 2000 and equipRef->ahu", {"point"}),
        ("id->id->site", {"site", "other"}),
        ("geoCity->x", set()),
    ],
)
def test_paths(text: str, found: set[str]) -> None:
    assert {key for key, rec in RECS.items() if matches(text, rec)} == found


def test_refs_that_lead_in_circles_end() -> None:
    circle = {f"r{i}": {"next": [Ref(f"r{j}") for j in range(30)]} for i in range(30)}
    path = "->".join(["next"] * 40)
    assert parse(f"{path}->next").matches(circle["r0"], lambda ref: circle[ref.val])
    assert not parse(f"{path}->end").matches(circle["r0"], lambda ref: circle[ref.val])


def test_a_spec_is_parsed_and_not_evaluated() -> None:
    for text in ("ph::Meter", "^meter", "inputs? ^air", "equipRef *== @a"):
        with pytest.raises(MetadataError, match=rf"{re.escape(repr(text))}.*no specs"):
            parse(text).matches({"meter": MARKER})


def test_the_display_name_of_a_ref_is_not_written() -> None:
    assert str(Compare(("siteRef",), "==", Ref("a", "Site A"))) == "siteRef == @a"


def test_what_no_filter_can_hold_is_refused() -> None:
    for value in (Number(float("inf")), MARKER, [1], None):
        with pytest.raises(MetadataError, match="a filter cannot hold"):
            str(Compare(("a",), "==", value))


KEYWORDS = {"and", "or", "not", "true", "false"}
names = st.from_regex(r"[a-z][A-Za-z0-9_]{0,5}", fullmatch=True).filter(lambda name: name not in KEYWORDS)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
units = st.sampled_from([None, "kW", "°F", "%RH", "$", "gal/min", "inH₂O", "_x"])
aware = st.datetimes(datetime(1970, 1, 2), datetime(2090, 1, 1)).flatmap(
    lambda when: st.sampled_from(["New_York", "London", "GMT+5", "UTC", "Kathmandu"]).map(
        lambda tz: when.replace(tzinfo=UTC).astimezone(zone(tz))
    )
)
values = st.one_of(
    st.booleans(),
    st.text(max_size=8),
    st.from_regex(r"[A-Za-z0-9_:\-.~]{1,6}", fullmatch=True).map(Ref),
    strategies.uris(),
    st.from_regex(r"[a-z][A-Za-z0-9_:\-.~]{0,6}", fullmatch=True).map(Symbol),
    st.builds(Number, st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False), units),
    st.dates(),
    st.times(),
    aware,
)
terms: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Has, paths),
    st.builds(Missing, paths),
    st.builds(Compare, paths, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), values),
    st.from_regex(r"([a-z]{1,3}(\.[a-z]{1,3})?::)?[A-Z][A-Za-z0-9_]{0,4}", fullmatch=True).map(Spec),
)
filters = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@given(filters)
def test_text_and_back(tree: Filter) -> None:
    assert parse(str(tree)) == tree


@given(st.text(alphabet='ab ()->=!<>"`@^\\u019.-:TZ\n°', max_size=24))
def test_any_text_is_a_filter_or_an_error_with_a_place(text: str) -> None:
    try:
        parsed = parse(text)
    except CodecError as caught:
        error = caught
    else:
        assert parse(str(parsed)) == parsed
        return
    lines = text.split("\n")
    assert error.line is not None
    assert error.column is not None
    assert 1 <= error.line <= len(lines)
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    assert error.expected
