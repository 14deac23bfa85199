"""The tree of sites, equipment and points."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hsframe.frame.tree import Tree
from hsframe.kinds import MARKER, Ref


def site(ident: str, dis: str) -> dict[str, Any]:
    return {"id": Ref(ident, dis), "site": MARKER}


def equip(ident: str, dis: str, **refs: Ref) -> dict[str, Any]:
    return {"id": Ref(ident, dis), "equip": MARKER, **refs}


def point(ident: str, dis: str, **tags: Any) -> dict[str, Any]:
    return {"id": Ref(ident, dis), "point": MARKER, "kind": "Number", **tags}


HQ, AHU = Ref("hq", "HQ"), Ref("ahu", "AHU 1")
RECORDS = [
    point("sp", "HQ AHU 1 Supply Temp", equipRef=AHU, siteRef=HQ, unit="°F"),
    point("fan10", "HQ AHU 1 Fan 10", equipRef=AHU, siteRef=HQ),
    point("fan2", "HQ AHU 1 Fan 2", equipRef=AHU, siteRef=HQ),
    point("oat", "Outside", siteRef=HQ, unit="°F"),
    equip("ahu", "HQ AHU 1", siteRef=HQ),
    site("hq", "HQ"),
    point("lone", "Lone"),
    point("far", "Far", siteRef=Ref("else", "Elsewhere")),
]


class Shape(HTMLParser):
    """The tags of some HTML, and how deep its branches are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.opened = 0
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.opened += tag == "details" and ("open", None) in [(name, value or None) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_record_stands_below_its_equipment_or_site() -> None:
    assert repr(Tree(RECORDS, "", 100)).splitlines() == [
        "1 site, 1 equip, 6 points",
        "Elsewhere  @else",
        "  Far, Number  @far",
        "HQ  @hq",
        "  AHU 1  @ahu",
        "    Fan 2, Number  @fan2",
        "    Fan 10, Number  @fan10",
        "    Supply Temp, °F  @sp",
        "  Outside, °F  @oat",
        "Lone, Number  @lone",
    ]


def test_a_text_finds_records_with_what_is_above_and_below_them() -> None:
    assert repr(Tree(RECORDS, "supply", 100)).splitlines() == [
        "1 site, 1 equip, 6 points; 1 with 'supply'",
        "HQ  @hq",
        "  AHU 1  @ahu",
        "    Supply Temp, °F  @sp",
    ]
    assert Tree(RECORDS, "hq-ahu*fan*", 100).found == ["fan10", "fan2"]
    assert {"ahu", "sp", "hq"} <= set(re.findall(r"@(\w+)", repr(Tree(RECORDS, "AHU-1", 100))))
    assert repr(Tree(RECORDS, "nothing", 100)) == "1 site, 1 equip, 6 points; 0 with 'nothing'"


def test_a_notebook_gets_branches_to_open_and_no_markup_of_names() -> None:
    html = Tree([*RECORDS, site("x", "<script>x</script>")], "", 100)._repr_html_()
    shape = Shape(html)
    assert set(shape.tags) == {"div", "b", "details", "summary", "code"}
    assert shape.tags.count("details") == 3
    assert shape.opened == 1  # the site, not its equipment
    assert Shape(Tree(RECORDS, "supply", 100)._repr_html_()).opened == 2
    assert "&lt;script&gt;" in html


def test_a_large_site_is_shown_by_its_upper_levels_and_the_rest_is_counted() -> None:
    many = [site("hq", "HQ"), *(equip(f"e{n}", f"E {n}", siteRef=HQ) for n in range(50))]
    many += [point(f"p{n}", f"Temp {n}", equipRef=Ref(f"e{n % 50}"), siteRef=HQ) for n in range(20_000)]
    lines = repr(Tree(many, "", 60)).splitlines()
    assert lines[0] == "1 site, 50 equips, 20,000 points"
    assert sum(" @" in line for line in lines) == 60
    left = [int(text.replace(",", "")) for text in re.findall(r"\.\.\. and ([\d,]+) more", "\n".join(lines))]
    assert sum(left) == 20_051 - 60
    assert len(Tree(many, "", 60)._repr_html_()) < 30_000
    assert "\n  ... and 16,441 more" in repr(Tree(many, "", 10))  # 41 of the 50, with their 400 each


IDS = st.sampled_from([*"abcdefgh"])
REFS = st.dictionaries(st.sampled_from(["equipRef", "spaceRef", "siteRef"]), IDS.map(Ref))
ANY = st.dictionaries(IDS, st.tuples(st.sampled_from(["site", "equip", "point", "other"]), REFS))


@given(ANY, st.integers(1, 12))
def test_each_record_is_there_once_whatever_the_refs_say(records: dict[str, Any], limit: int) -> None:
    """Also where equipment is below itself."""
    rows = [{"id": Ref(ident), what: MARKER, **refs} for ident, (what, refs) in records.items()]
    whole = re.findall(r"@(\w)$", repr(Tree(rows, "", 100)), re.MULTILINE)
    # A record that is only named by a Ref is there too, where something stands below it.
    assert len(whole) == len(set(whole))
    assert set(whole) >= set(records)
    part = repr(Tree(rows, "", limit))
    shown = re.findall(r"@(\w)$", part, re.MULTILINE)
    left = sum(map(int, re.findall(r"\.\.\. and (\d+) more", part)))
    assert len(shown) == min(limit, len(whole))
    assert len(shown) + left == len(whole)
    Shape(Tree(rows, "a", limit)._repr_html_())
