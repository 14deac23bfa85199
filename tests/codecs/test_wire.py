"""The recorded answers of real servers decode, and one answer in several formats is one grid."""

import base64
import csv
import functools
import gzip
import io
import json
import re
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hsframe.codecs import decode, decode_exact, encode
from hsframe.codecs.formats import short_of
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, Number, Ref, XStr, same
from hsframe.zones import zone

WIRE = Path(__file__).parent.parent / "data" / "wire"

# What changes from one recording to the next; `dt` is now() in an eval.
CHANGING = {"serverTime", "watchId", "curVal", "expires", "errTrace", "hisEnd"}
# The Zinc answers were recorded first; these ask for what was written after them.
WRITE_STATE = {"writeVal", "writeDef", "writeLevel", "mod"}
BEFORE_A_WRITE = {
    ("nav", "navId of an equip"): WRITE_STATE,
    ("read", "filter with limit"): WRITE_STATE,
    ("watch", "watchSub open"): WRITE_STATE,
    ("watch", "poll 1"): WRITE_STATE,
    ("watch", "poll refresh"): WRITE_STATE,
    ("pointWrite", "read the array"): {*WRITE_STATE, "val", "valDis", "who"},
    ("eval", "dict of odd values"): {"dt"},
}
MORE_SAMPLES = {("hisRead", "today"), ("hisRead", "dateTime open end"), ("hisRead", "GET today")}
WATCH_ID = re.compile(r"w-[0-9a-f-]+")


@functools.cache
def recorded(server: str) -> list[dict[str, Any]]:
    text = gzip.decompress((WIRE / f"{server}.jsonl.gz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def body_of(exchange: dict[str, Any]) -> bytes:
    body = exchange["body"]
    return body["text"].encode() if "text" in body else base64.b64decode(body["base64"])


def in_another_format(exchange: dict[str, Any]) -> bool:
    return "format=" in exchange["path"] or "filetype=" in exchange["path"]


def haxall_answers() -> list[dict[str, Any]]:
    """Answers to ops, in the format that the name of the file says."""
    return [
        exchange
        for exchange in recorded("haxall")
        if exchange["status"] == 200
        and exchange["file"].partition(".")[2] in ("zinc", "json", "json3", "json4")
        and not in_another_format(exchange)
        and exchange["headers"].get("content-type", "").startswith(("text/zinc", "application/"))
    ]


def steady(grid: Grid, changing: set[str]) -> Grid:
    """The grid without what changes between recordings."""
    meta = {name: tag for name, tag in grid.meta.items() if name not in changing}
    if isinstance(dis := meta.get("dis"), str):
        meta["dis"] = WATCH_ID.sub("w-x", dis)
    kept = [place for place, col in enumerate(grid.cols) if col.name not in changing]
    return Grid(meta, [grid.cols[place] for place in kept], [grid.columns[place] for place in kept])


def test_recordings_are_there() -> None:
    assert len(haxall_answers()) > 400
    assert len(recorded("haystack-py")) > 50


@pytest.mark.parametrize("form", ["zinc", "json", "json3", "json4"])
def test_haxall_answers_decode_and_round_trip(form: str) -> None:
    answers = [answer for answer in haxall_answers() if answer["file"].endswith("." + form)]
    assert len(answers) > 100
    for answer in answers:
        grid = decode_exact(body_of(answer), form)
        assert decode(body_of(answer), form) == grid, answer["name"]
        for other in ("zinc", "json4", "json3"):
            assert decode_exact(encode(grid, other), other) == grid, (answer["file"], answer["name"], other)


def test_haxall_formats_agree() -> None:
    # The same request is made again in some files: the n-th of a name in one format is the n-th in another.
    seen: Counter[tuple[str, str]] = Counter()
    answers: dict[tuple[str, str, int], dict[str, Grid]] = {}
    for answer in haxall_answers():
        op, _, form = answer["file"].partition(".")
        seen[answer["file"], answer["name"]] += 1
        key = (op, answer["name"], seen[answer["file"], answer["name"]])
        changing = CHANGING | BEFORE_A_WRITE.get(key[:2], set())
        answers.setdefault(key, {})[form] = steady(decode_exact(body_of(answer), form), changing)
    compared: Counter[str] = Counter()
    for key, by_form in answers.items():
        for form, grid in by_form.items():
            if form == "zinc" and key[:2] in MORE_SAMPLES:
                assert len(grid) < len(by_form["json4"])
                continue
            assert grid == by_form["json4"], (key, form)
            compared[form] += 1
    assert min(compared.values()) > 100, compared
    assert set(compared) == {"zinc", "json", "json3", "json4"}


def test_the_kitchen_sink() -> None:
    """A record that holds every kind, in every format."""
    sinks = [answer for answer in haxall_answers() if "kinds" in answer["path"] + answer["request"].get("text", "")]
    assert {answer["file"].partition(".")[2] for answer in sinks} == {"zinc", "json", "json3", "json4"}
    for answer in sinks:
        row = decode_exact(body_of(answer), answer["file"].partition(".")[2])[0]
        assert row["str"] == 'quote " slash \\ nl \n tab \t dollar $ uni é 日本 \U0001f600 end'
        assert row["nDollar"] == Number(99.95, "$")
        assert row["nNegInf"] == Number(float("-inf"))
        assert row["xstr"] == XStr("Span", "today")
        assert same(row["refDis"], Ref("ahu-1", "NY AHU-1"))
        assert same(row["dtGmt5"], datetime(2026, 7, 4, 9, 30, tzinfo=zone("GMT+5")))
        assert row["grid"] == Grid({"gm": MARKER}, ["a", Col("b", {"dis": "Bee"})], [[Number(1), NA], ["x", None]])


def test_haxall_answers_in_the_format_that_the_query_asks() -> None:
    others = [
        answer
        for answer in recorded("haxall")
        if answer["status"] == 200 and answer["file"].startswith("errors.") and in_another_format(answer)
    ]
    assert others
    decoded = 0
    for answer in others:
        short = short_of(answer["headers"]["content-type"])
        if short is not None and short != "csv":
            decode(body_of(answer), short)
            decoded += 1
    assert decoded


def test_haxall_accept_table() -> None:
    """Every answer decodes by the type that it says it has; a version 4 body may call itself version 5."""
    decoded: Counter[str] = Counter()
    for answer in recorded("haxall"):
        if answer["file"] != "accept-table" or answer["status"] != 200:
            continue
        mime = answer["headers"]["content-type"].replace("version=5", "version=4")
        short = short_of(mime)
        if short is None or short == "csv":
            continue
        grid = decode(body_of(answer), mime)
        assert grid[0]["id"].val == "kinds", answer["name"]
        decoded[short] += 1
    assert set(decoded) == {"zinc", "json4", "json3", "trio"}


def test_csv_of_haxall_and_ours_have_the_same_cells() -> None:
    """Cell by cell but for what Haxall writes in a way of its own: nested values, a Span, wrong UTF-8."""
    answers = {answer["name"]: answer for answer in recorded("haxall") if answer["file"] == "accept-table"}
    theirs = body_of(answers["Accept: text/csv"]).decode("utf-8", "replace")
    ours = encode(decode(body_of(answers["Accept: text/zinc"]), "zinc"), "csv").decode()
    their_head, their_row = list(csv.reader(io.StringIO(theirs, newline="")))[:2]
    our_head, our_row = csv.reader(io.StringIO(ours, newline=""))
    assert sorted(their_head) == sorted(our_head)
    ours_by_name, theirs_by_name = (
        dict(zip(our_head, our_row, strict=True)),
        dict(zip(their_head, their_row, strict=False)),  # the recording was cut within the last cell
    )
    for name, text in theirs_by_name.items():
        if name not in ("dict", "list", "listEmpty", "str", "grid", "mod", "nExp", "xstr"):
            assert ours_by_name[name] == text, name


HAYSTACK_PY_FORMATS = {
    "text/zinc": "zinc",
    "application/json": "json4",
    "text/trio": "trio",
}


def test_haystack_py_answers_decode() -> None:
    decoded: Counter[str] = Counter()
    for answer in recorded("haystack-py"):
        mime = answer["headers"].get("content-type", "").partition(";")[0]
        if answer["status"] != 200 or mime not in HAYSTACK_PY_FORMATS:
            continue
        short = HAYSTACK_PY_FORMATS[mime]
        grid = decode(body_of(answer), short)
        if short != "trio":
            assert decode_exact(encode(grid, short), short) == grid
        decoded[short] += 1
    assert decoded["zinc"] > 25
    assert decoded["json4"] > 5
    assert decoded["trio"] == 1


def test_haystack_py_formats_agree() -> None:
    by_file = {answer["file"]: answer for answer in recorded("haystack-py")}
    sites = {form: decode(body_of(by_file[f"read_site_{form}"]), form) for form in ("zinc", "json", "trio")}
    assert sites["zinc"] == sites["json"]
    assert [dict(row) for row in sites["trio"]] == [dict(row) for row in sites["zinc"]]
    zinc = decode(body_of(by_file["hisRead_single_zinc"]), "zinc")
    assert len(zinc) == 10
    assert decode(body_of(by_file["hisRead_single_json"]), "json") == zinc
    assert zinc.meta["hisStart"] == "start"


def test_an_hour_that_the_clock_repeats() -> None:
    answer = next(answer for answer in recorded("haystack-py") if answer["file"] == "hisRead_dst")
    grid = decode(body_of(answer), "zinc")
    instants = [when.timestamp() for when in grid.column("ts")]
    assert [later - earlier for earlier, later in pairwise(instants)] == [1800.0] * 5
    assert [when.fold for when in grid.column("ts")] == [0, 0, 0, 1, 1, 0]
