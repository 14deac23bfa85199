"""about, ops, formats, defs, libs, filetypes, read, nav, invokeAction over a real socket."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref, Symbol
from hsframe.server.database import Database
from hsframe.spans import epoch_us


def ids(grid: Grid) -> list[str]:
    assert not grid.is_error, grid
    return [row["id"].val for row in grid]


def test_about(raw: Any) -> None:
    (row,) = raw.call("about")
    assert row["haystackVersion"] == "4.0"
    assert row["tz"] == "New_York"
    assert row["serverTime"].isoformat() == "2026-11-10T12:07:00-05:00"
    assert row["serverTime"] - row["serverBootTime"] == timedelta(0)
    assert {"serverName", "productName", "productVersion", "vendorName", "moduleName"} <= set(row)


def test_ops_lists_what_can_be_called(raw: Any) -> None:
    rows = raw.call("ops")
    for row in rows:
        assert row["def"] == Symbol("op:" + row["name"])
        expected = 200 if row.get("noSideEffects") is MARKER else 405
        assert raw.get(row["name"]).status == expected, row["name"]
    queries = {"about", "ops", "formats", "defs", "libs", "filetypes", "read", "nav", "hisRead"}
    commands = {"watchSub", "watchPoll", "watchUnsub", "pointWrite", "hisWrite", "invokeAction", "commit", "close"}
    assert {row["name"] for row in rows} == queries | commands


def test_formats(raw: Any) -> None:
    rows = {row["mime"]: row for row in raw.call("formats")}
    assert rows["text/zinc"].get("receive") is MARKER
    assert rows["text/csv"].get("receive") is None
    for mime, row in rows.items():
        assert row["send"] is MARKER
        assert raw.get("about", {"Accept": mime}).status == 200


@pytest.mark.parametrize("op", ["ops", "defs", "libs", "filetypes"])
def test_definitions_take_filter_and_limit(raw: Any, op: str) -> None:
    rows = raw.call(op)
    assert all(isinstance(row["def"], Symbol) for row in rows)
    assert len(raw.call(op, 'ver:"3.0"\nfilter,limit\n"def",1\n')) == 1
    assert raw.call(op, 'ver:"3.0"\nlimit\n1e30\n') == raw.call(op, 'ver:"3.0"\nempty\n')
    wanted = rows[-1]["def"]
    assert [row["def"] for row in raw.call(op, f'ver:"3.0"\nfilter\n"def == ^{wanted}"\n')] == [wanted]
    assert "FilterErr" in raw.refused(op, 'ver:"3.0"\nfilter\n"def =="\n')


def test_a_database_may_tell_which_samples_there_are(raw: Any) -> None:
    database: Database = raw.server.database
    tags = ["hisStart", "hisEnd", "hisSize"]
    assert not {*tags} & {*raw.call("read", 'ver:"3.0"\nfilter\n"his"\n').col_names}
    database.tells_samples = True
    database.set_history("temp", np.arange(3) * 2_000_000, np.zeros(3))
    rows = raw.call("read", 'ver:"3.0"\nfilter\n"his or site"\n')
    for row in rows:
        samples = database.history(row["id"]).ts_us if "his" in row else []
        assert row.get("hisSize") == (Number(len(samples)) if "his" in row else None)
        ends = [epoch_us(row[tag]) for tag in tags[:2]] if len(samples) else []
        assert ends == [samples[at] for at in ((0, -1) if len(samples) else ())]
        by_id = raw.call("read", f'ver:"3.0"\nid\n@{row["id"].val}\n@nobody\n')
        assert [by_id[0].get(tag) for tag in tags] == [row.get(tag) for tag in tags]
        assert dict(by_id[1]) == {}
    assert any("hisStart" in row for row in rows)
    assert any("his" not in row for row in rows)


def test_read_by_filter(raw: Any) -> None:
    assert ids(raw.call("read", 'ver:"3.0"\nfilter\n"point and siteRef->site and unit == \\"kW\\""\n')) == ["kw", "lon"]
    assert ids(raw.call("read", 'ver:"3.0"\nfilter,limit\n"point",3\n')) == ["temp", "kw", "plain"]
    assert ids(raw.call("read", 'ver:"3.0"\nfilter,limit\n"point",0\n')) == []
    assert raw.call("read", 'ver:"3.0"\nfilter\n"missingTag"\n').is_empty


@pytest.mark.parametrize("op", ["read", "defs"])
@pytest.mark.parametrize(
    ("filter", "words"),
    [
        (" or ".join(f"a{number}" for number in range(1_001)), "more than 1,000 names of tags"),
        ("a" + "->a" * 1_000, "more than 1,000 names of tags"),
        (" and ".join(["not a", "A", "^a"] * 334), "more than 1,000 names of tags"),
        (f"a == `{'x' * 2**16}`", "65,543 characters, and the limit is 65,536"),
    ],
    ids=["terms", "a path", "specs", "a long text"],
)
def test_a_filter_is_bounded(raw: Any, op: str, filter: str, words: str) -> None:
    assert words in raw.refused(op, f'ver:"3.0"\nfilter\n"{filter}"\n')


def test_ids_of_a_filter_and_of_a_request_are_bounded(raw: Any) -> None:
    some = " or ".join(f"id==@p:somewhere:r:1f2e3d4c-{number:08d}" for number in range(999))
    assert ids(raw.call("read", f'ver:"3.0"\nfilter\n"{some} or id==@kw"\n')) == ["kw"]
    assert len(raw.call("read", 'ver:"3.0"\nid\n' + "@kw\n" * 10_000)) == 10_000
    for op, meta in (("read", ""), ("hisRead", 'range:"today"'), ("watchSub", 'watchDis:"w"')):
        words = raw.refused(op, f'ver:"3.0" {meta}\nid\n' + "@kw\n" * 10_001)
        assert words == "LimitErr: the request has 10,001 ids, and the limit is 10,000; ask in several requests"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ('ver:"3.0"\nfilter\n"point and"\n', "column 10"),
        ('ver:"3.0"\nfilter\n"ph::Meter"\n', "no specs"),
        ('ver:"3.0"\nfilter\n5\n', "expected a Str"),
        ('ver:"3.0"\nfilter\n"a"\n"b"\n', "2"),
        ('ver:"3.0"\nfilter,limit\n"point",-1\n', "limit"),
        ('ver:"3.0"\nfilter,limit\n"point",1.5\n', "limit"),
        ('ver:"3.0"\nfilter,limit\n"point",NaN\n', "limit"),
        ('ver:"3.0"\nempty\n', "neither"),
        ('ver:"3.0"\nid\n5\n', "expected a Ref"),
    ],
)
def test_a_read_that_makes_no_sense(raw: Any, request_: str, words: str) -> None:
    assert words in raw.refused("read", request_)


def test_read_by_id_keeps_the_order_and_shows_what_is_unknown(raw: Any) -> None:
    grid = raw.call("read", 'ver:"3.0"\nid\n@kw\n@nowhere\n@site\n@kw\n')
    assert [row.get("id") for row in grid] == [Ref("kw"), None, Ref("site"), Ref("kw")]
    assert not grid[1]
    alone = raw.call("read", 'ver:"3.0"\nid\n@nowhere\n')
    assert (len(alone), bool(alone[0])) == (1, False)


def test_the_columns_of_a_read_are_the_tags_that_are_there(raw: Any) -> None:
    grid = raw.call("read", 'ver:"3.0"\nid\n@site\n')
    assert grid.col_names == ["id", "dis", "area", "mod", "site", "tz"]
    assert grid[0]["area"] == Number(1000, "ft²")


def test_nav(raw: Any) -> None:
    root = raw.call("nav")
    assert ids(root) == ["site"]
    under_site = raw.get("nav", navId="@site").grid
    assert ids(under_site) == ["ahu", "nohis"]
    assert [row.get("navId") for row in under_site] == [Ref("ahu"), None]
    points = raw.call("nav", 'ver:"3.0"\nnavId\n@ahu\n')
    assert "temp" in ids(points)
    assert not points.has_col("navId")  # leaves
    assert "UnknownRecErr" in raw.refused("nav", 'ver:"3.0"\nnavId\n@nowhere\n')


def test_invoke_action(raw: Any) -> None:
    seen: list[Any] = []

    def action(database: Database, rec: Any, args: Any) -> Grid:
        seen.append((rec["id"], args))
        return Grid({"done": MARKER})

    raw.server.database.actions["doIt"] = action
    answer = raw.call("invokeAction", 'ver:"3.0" id:@site action:"doIt"\nduration\n30s\n')
    assert answer.meta["done"] is MARKER
    raw.call("invokeAction", 'ver:"3.0" id:@site action:"doIt"\nempty\n')
    assert seen == [(Ref("site"), {"duration": Number(30, "s")}), (Ref("site"), {})]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ('ver:"3.0" id:@site action:"other"\nempty\n', "UnknownActionErr: there is no action 'other'"),
        ('ver:"3.0" id:@site\nempty\n', "there is no action None"),
        ('ver:"3.0" id:@nowhere action:"doIt"\nempty\n', "UnknownRecErr"),
        ('ver:"3.0" action:"doIt"\nempty\n', "expected a Ref"),
        ('ver:"3.0" id:@site action:"doIt"\na\n1\n2\n', "at most one row"),
    ],
)
def test_an_action_that_cannot_run(raw: Any, request_: str, words: str) -> None:
    raw.server.database.actions["doIt"] = lambda database, rec, args: Grid()
    assert words in raw.refused("invokeAction", request_)
