"""Trio as people publish it: files of our own in the forms of public ones."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from hsframe.codecs import decode, encode
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, Coord, Number, Ref, Symbol, Uri, XStr, same
from hsframe.zones import zone

FOLDER = Path(__file__).resolve().parent.parent / "data" / "trio"
LA = zone("Los_Angeles")

FILES: dict[str, list[dict[str, Any]]] = {
    "definitions": [
        {
            "def": Symbol("serverRoom"),
            "is": Symbol("space"),
            "mandatory": MARKER,
            "wikipedia": Uri("https://en.wikipedia.org/wiki/Server_room"),
            "doc": "Room for servers and what cools them.\n\nIt may hold:\n  - racks\n  - cooling units",
            "children": [
                {"serverRack": MARKER, "equip": MARKER},
                {"crac": MARKER, "fcu": MARKER, "equip": MARKER, "dis": "Cooling, in the room"},
            ],
        },
        {
            "def": Symbol("cooledBy"),
            "is": [Symbol("association"), Symbol("ref")],
            "tagOn": [Symbol("serverRack"), Symbol("crac")],
            "inverse": Symbol("cools"),
            "children": "discharge-duct\nreturn-duct",
            "doc": "How a rack gets rid of its heat",
        },
    ],
    "points": [
        {
            "id": Ref("p:site:r:1a2b-3c4d", "Tower Vav-1 Damper"),
            "actions": 'ver:"2.0"\ndis,expr\n"Set","pointSetDef(\\$self, \\$val)"\n"Null","pointSetDef(\\$self, null)"',
            "curStatus": "ok",
            "curVal": Number(84.5012531545132, "%"),
            "cmd": MARKER,
            "disMacro": "$equipRef $navName",
            "enum": "off,on",
            "hisEnd": datetime(2026, 2, 3, 8, tzinfo=LA),
            "kind": "Number",
            "mod": datetime(2026, 8, 4, 0, 59, 3, 970_000, tzinfo=UTC),
            "navName": "Damper 2nd floor",
            "phase": "N",
            "runTime": Number(168, "h"),
            "maxVal": Number(float("-inf")),
            "tz": "Los_Angeles",
            "unit": "%",
            "size": "M",
            "empty": "",
        },
        {
            "id": Ref("p:site:r:5e6f"),
            "installed": date(2019, 4, 30),
            "opens": time(8, 30),
            "closes": time(17, 45),
            "alarm": time(6, 15, 30, 250_000),
            "lastFault": NA,
            "enabled": True,
            "hidden": False,
            "geoCoord": Coord(37.55, -77.45),
            "span": XStr("Span", "today"),
            "manual": Uri("file:\\#1 $ é"),
            "note": "8:30 or later",
            "street": "15 Main Street, 2nd floor",
        },
    ],
    "functions": [
        {
            "name": "trend",
            "func": MARKER,
            "src": "(point, span) =>\ndo\n\tpoint.hisRead(span)  // all of it\n\n\t-- not a separator\nend",
        },
        {"name": "odd", "src": "    deepest first\n// foo\n   bar"},
        {"name": "flat", "src": "() => null", "doc": ""},
        {"name": "last", "doc": ""},
    ],
    "nested": [
        {
            "dis": "CRLF, and values within values",
            "grid": Grid({}, ["id", "list"], [[Ref("a", "A")], [[Number(1), Number(2)]]]),
            "rec": {"a": Number(5, "kW"), "text": "  one\ntwo", "nested": {"b": [Number(1)]}, "c": MARKER},
            "last": [{"a": MARKER}, Ref("r", "dis")],
        }
    ],
}


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.trio"))])
def test_a_file_as_published(name: str) -> None:
    grid = decode((FOLDER / f"{name}.trio").read_bytes(), "trio")
    for row, record in zip(grid, FILES[name], strict=True):
        assert row.keys() == record.keys()
        assert {tag: row[tag] for tag in record if not same(row[tag], record[tag])} == {}
    # What was read can be written, and is the same again.
    again = decode(encode(grid, "trio"), "trio")
    assert [dict(row) for row in again] == [dict(row) for row in grid]


@pytest.mark.parametrize(
    "text", ["M", "N", "T", "F", "R", "NA", "true", "NaN", "INF", "8:30", "C(1,2)", "Zinc:", "[", ""]
)
def test_a_text_that_looks_like_a_value_is_written_in_quotes(text: str) -> None:
    assert encode(Grid({}, ["a"], [[text]]), "trio").decode() == f'a:"{text}"\n'
