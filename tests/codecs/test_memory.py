"""What a hostile body takes of memory, measured as the peak of a process: at most what is allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hsframe.codecs import decode
from hsframe.errors import CodecError
from hsframe.options import Limits

# The peak of getrusage() has that of the parent in it; that of Linux can be set back.
PROGRAM = """
import sys, warnings
from pathlib import Path
from hsframe.codecs import decode
from hsframe.errors import CodecError
from hsframe.options import Limits

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

short, begin, item, between, end = sys.argv[1:]
Limits._beside_bytes = 60_000_000
limits = Limits(answer_bytes=20_000_000)
read = 0
for size in (50_000, 2_000_000, 6_000_000):
    items = (item.replace("#", str(number)) for number in range(size // (len(item) + len(between))))
    body = (begin + between.join(items) + end).encode()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak() - len(body)
    try:
        decode(body, short, limits=limits)
        read += 1
    except CodecError as error:
        assert error.limit, error
    if size > 50_000:  # what is loaded on first use
        assert peak() - before < 100_000_000, (size, peak() - before)  # 20 do not grow with a body
assert read, "the smallest is allowed"
"""
ZINC = 'ver:"3.0"\na\n'
GRID4 = '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":['
GRID3 = '{"meta":{"ver":"3.0"},"cols":[{"name":"a"}],"rows":['
BODIES = {
    "a list of records": ("json4", "[", '{"a":1}', ",", "]"),
    "records that differ": ("json3", "[", '{"a":"n:#","b":"x#"}', ",", "]"),
    "dicts that say that they are": ("json4", GRID4 + '{"a":[', '{"_kind":"dict"}', ",", "]}]}"),
    "numbers": ("json4", GRID4 + '{"a":[', "1", ",", "]}]}"),
    "lists": ("json3", GRID3 + '{"a":[', "[1]", ",", "]}]}"),
    "dicts": ("json4", GRID4 + '{"a":[', '{"a":1}', ",", "]}]}"),
    "Refs": ("json3", GRID3 + '{"a":[', '"r:#"', ",", "]}]}"),
    "units": ("json4", GRID4, '{"a":{"_kind":"number","val":1,"unit":"u#"}}', ",", "]}"),
    "tags of a dict": ("json4", GRID4 + '{"a":{', '"a#":1', ",", "}}]}"),
    "tags of a column": ("json3", '{"meta":{"ver":"3.0"},"cols":[{"name":"a",', '"a#":1', ",", '}],"rows":[]}'),
    "tags of a grid of Zinc": ("zinc", 'ver:"3.0" ', "a#", " ", "\na\n1\n"),
    "tags of a column of Zinc": ("zinc", 'ver:"3.0"\na ', "a#:1", " ", "\n1\n"),
    "tags of a dict of Zinc": ("zinc", ZINC + "{", "a#", " ", "}\n"),
    "dicts of Zinc": ("zinc", ZINC, "{a:1 b:#}", "\n", "\n"),
    "lists of Zinc that differ": ("zinc", 'ver:"3.0"\na,b\n', "[" + "1," * 200 + "#],1", "\n", "\n"),
    "lists of Trio": ("trio", "", "a:[" + "1," * 200 + "#]\n", "---\n", ""),
    "Refs with names of Zinc": ("zinc", ZINC, '@a# "\u00e4#"', "\n", "\n"),
    "numbers with units of Zinc": ("zinc", ZINC, "#kW", "\n", "\n"),
    "Refs with names": ("json3", GRID3, '{"a":"r:# \u00e4#"}', ",", "]}"),
    "instants": ("json4", GRID4, '{"a":{"_kind":"dateTime","val":"2021-01-01T00:00:00.1#Z","tz":"UTC"}}', ",", "]}"),
    "symbols": ("json4", GRID4, '{"a":{"_kind":"symbol","val":"a#"}}', ",", "]}"),
    "dicts with names of their own": ("json4", GRID4 + '{"a":[', '{"a#":1}', ",", "]}]}"),
    "texts that look like kinds": ("json4", GRID4 + '{"a":[', '"ref","{","_kind",[]', ",", "]}]}"),
    "tags of Trio": ("trio", "a:{", "a#", " ", "}\n"),
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read as Linux has it")
@pytest.mark.one_python
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_memory_of_a_hostile_body(body: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, *body], check=True, timeout=120)


@pytest.mark.one_python
@pytest.mark.parametrize("text", ["{", "[", ",", ":", '{"', '\\"{', "\\\\", '"[', "\\", "r:{", '{"_kind"'])
@pytest.mark.parametrize("short", ["json4", "json3"])
def test_what_is_in_a_text_of_json_begins_nothing(short: str, text: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(Limits, "_beside_bytes", 10_000_000)
    kind = '"_kind":"grid",' if short == "json4" else ""

    def body(rows: list[str], more: str = "") -> bytes:
        cells = ",".join(f'{{"a":{json.dumps("_" + row)}}}' for row in rows)
        return f'{{{kind}"meta":{{"ver":"3.0"}},"cols":[{{"name":"a"}}],"rows":[{cells}{more}]}}'.encode()

    for rows in ([text * 400_000], [text * 1_000] * 400):
        allowed = body(rows)
        assert [row["a"] for row in decode(allowed, short, limits=Limits(answer_bytes=len(allowed)))] == [
            "_" + row for row in rows
        ]
        hostile = body(rows, ',{"a":[' + "[]," * 200_000 + "[]]}")
        with pytest.raises(CodecError, match="bytes of memory"):
            decode(hostile, short, limits=Limits(answer_bytes=len(hostile)))
