"""Records corrected in a frame: only what was edited is sent, and nothing over what another has committed meanwhile."""

from __future__ import annotations

import asyncio
import re
import warnings
from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES  # type: ignore[import-untyped]  # no stubs

import hsframe
from hsframe.codecs import decode, encode
from hsframe.frame.entities import entity_frame
from hsframe.frame.parquet import write_parquet
from hsframe.frame.record_changes import _READ_AS_MISSING, kinds_of, record_changes
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, REMOVE, Coord, Number, Ref, Symbol, Uri
from hsframe.server.database import Database
from hsframe.server.folder import parquet_folder
from hsframe.server.run import listening
from hsframe.server.state import Call
from hsframe.server.written import FILE
from hsframe.testing import strategies
from hsframe.testing.quirk_wrappers import Run, wrap_op
from hsframe.testing.server import RunningServer, on_thread, running_server

MOD = datetime(2026, 11, 25, 20, 28, 44, 816000, UTC)
RECORDS: list[dict[str, Any]] = [
    {
        "id": Ref("s", "HQ"),
        "dis": "HQ",
        "site": MARKER,
        "area": Number(1500, "ft²"),
        "uri": Uri("http://a/"),
        "tz": "UTC",
        "mod": MOD,
    },
    {
        **{
            "mod": MOD,
            "id": Ref("p"),
            "dis": "kW",
            "point": MARKER,
            "his": MARKER,
            "kind": "Number",
            "unit": "kW",
            "tz": "UTC",
        },
        **{"mod": MOD, "siteRef": Ref("s", "HQ"), "enabled": True, "def": Symbol("x")},
        "since": datetime(2026, 11, 1, tzinfo=UTC),
    },
    {
        **{"id": Ref("q"), "dis": "°F", "point": MARKER, "kind": "Number", "unit": "°F", "tz": "UTC"},
        **{"mod": MOD, "siteRef": Ref("s")},
    },
]


@pytest.fixture
def server() -> Any:
    database = Database(RECORDS)
    database.set_history("p", np.array([0]), np.array([1.0]))
    with running_server(database, {}) as running:
        yield running


def edited(session: hsframe.Session) -> pd.DataFrame:
    df = session.read("site or point").set_index("id", drop=False)
    df.loc["p", "dis"] = "Main kW"
    df.loc["p", "siteRef"] = "s2"
    df.loc["p", "enabled"] = False
    df.loc["p", "def"] = None
    df.loc["q", "his"] = True
    df.loc["p", "his"] = False
    df.loc["s", "area"] = Number(1600)
    df["ahuRef"] = ["@ahu", None, None]
    df["note"] = [None, "new", None]
    df["checked"] = [True, False, False]
    return df


CHANGES = {
    ("s", "area", Number(1500, "ft²"), Number(1600, "ft²")),
    ("s", "ahuRef", None, Ref("ahu")),
    ("s", "checked", None, MARKER),
    ("p", "dis", "kW", "Main kW"),
    ("p", "siteRef", Ref("s"), Ref("s2")),
    ("p", "enabled", True, False),
    ("p", "def", Symbol("x"), None),
    ("p", "his", MARKER, None),
    ("p", "note", None, "new"),
    ("q", "his", None, MARKER),
}


def told(report: pd.DataFrame) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in report[["id", "tag", "old", "new"]].itertuples(index=False)}


def test_only_what_was_edited_is_sent(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = edited(session)
        lost = r"no records of these new Refs: @ahu \(HQ, tag ahuRef\), @s2 \(kW, tag siteRef\); expected ids"
        with pytest.warns(hsframe.WriteWarning, match=lost):
            dry = session.commit(df, dry_run=True)
        assert told(dry) == CHANGES
        assert set(dry["status"]) == {"dry run"}
        assert [dict(rec) for rec in server.database] == RECORDS
        with pytest.warns(hsframe.WriteWarning, match=lost):
            done = session.commit(df)
        assert told(done) == CHANGES
        assert set(done["status"]) == {"changed"}
        assert hsframe.commit(session.read("site or point")).empty
    for id in ("s", "p", "q"):
        (old,) = [rec for rec in RECORDS if rec["id"].val == id]
        new = {tag: value for of, tag, _, value in CHANGES if of == id}
        expected = {tag: value for tag, value in {**old, **new}.items() if value is not None}
        assert {**(server.database.get(id) or {}), "mod": None} == {**expected, "mod": None}


def test_what_another_has_committed_meanwhile_is_not_overwritten(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        first, second = (session.read("site").assign(dis=dis) for dis in ("one", "two"))
        third = first.assign(mod=None, dis="three")
        session.commit(first)
        with pytest.raises(hsframe.MetadataError, match=r"@s .* was changed on the server since the frame was read"):
            session.commit(second)
        for unsure in (third, third.drop(columns="mod")):
            with pytest.raises(hsframe.MetadataError, match=r"@s .* has no mod in the frame.*; nothing was sent"):
                session.commit(unsure)
        # Between the read and the commit nobody but the server can tell.
        mod = server.database.get("s")["mod"]  # type: ignore[index]
        row = {"id": Ref("s"), "mod": mod - timedelta(seconds=1), "dis": "two"}
        with pytest.raises(hsframe.CallError, match=r"s: .* != .*") as refused:
            session.call("commit", Grid.from_rows({"commit": "update"}, list(row), [row]))
        assert refused.value.err_type in ("ConcurrentChangeErr", "sys.api::InternalErr")
        again = session.read("site").assign(dis="three")
        assert session.commit(again)["new"].tolist() == ["three"]
        assert server.database.get("s")["mod"] > mod  # type: ignore[index]


def test_records_are_added_and_removed_only_where_it_is_said(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point")
        more = pd.concat(
            [df, pd.DataFrame([{"id": None, "dis": "new", "point": True, "siteRef": "s", "kind": "Bool"}])]
        )
        with pytest.raises(hsframe.MetadataError, match="row 2 of the frame has no id; add=True"):
            session.commit(more)
        with pytest.raises(hsframe.MetadataError, match="remove= names @nope, which the server does not have"):
            session.commit(df, remove="nope")
        with pytest.raises(hsframe.MetadataError, match="two rows of @p with changes"):
            session.commit(pd.concat([df, df.assign(dis="x"), df.assign(dis="y")]))
        report = session.commit(more, add=True, remove=["@q", "q"])
        assert set(report["status"]) == {"added", "removed"}
        assert report[report.status == "removed"][["id", "tag"]].values.tolist() == [["q", ""]]
        points = session.read("point").set_index("dis")
        assert points.index.tolist() == ["kW", "new"]
        assert points.loc["new", "siteRef"] == "s"


def test_what_was_sent_before_a_refusal_is_in_the_report(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point").assign(tz="Nowhere")
        new = pd.DataFrame([{"id": "new", "dis": "new", "site": True}])
        with pytest.raises(hsframe.CallError, match="Nowhere") as refused:
            session.commit(pd.concat([df, new]), add=True)
        assert refused.value.report.set_index("id")["status"].to_dict() == {
            "new": "added",
            "p": "not sent",
            "q": "not sent",
        }
        assert server.database.get("p") == RECORDS[1]


@pytest.mark.parametrize("limit", [None, 30_000])
@pytest.mark.parametrize("format", ["zinc", "json"])
def test_many_records_are_sent_in_requests_of_bounded_size(limit: int | None, format: str) -> None:
    """What was sent before a refusal is done, and the rest of the same edit goes when its cause is mended."""
    sizes = list[int]()

    def count(call: Call, run: Run) -> Grid:
        sizes.append(len(encode(call.grid, format)))
        return run(call)

    tags = {"point": MARKER, "tz": "UTC", "doc": "x" * 2000}
    database = Database([{"id": Ref(f"r{n:04}"), "dis": f"R{n}", **tags} for n in range(1200)])
    quirks = [f"body-limit={limit}"] if limit else []  # as of a proxy before a server
    with running_server(database, {}, quirks) as server, hsframe.connect(server.uri, format=format) as session:
        wrap_op(server.app, "commit", count)
        df = session.read("point").assign(note="looked at, and found to be right")
        if limit is None:
            df["doc"] += "y"
        bad = df.assign(tz=df["tz"].mask(df["id"] == "r1100", "Nowhere"))
        with pytest.raises(hsframe.CallError, match="Nowhere") as refused:
            session.commit(bad)
        report = refused.value.report.drop_duplicates("id").set_index("id")["status"]
        assert set(report) == {"changed", "not sent"}
        assert [rec["id"].val for rec in database if "note" in rec] == report[report == "changed"].index.tolist()
        assert set(session.commit(session.read("point").assign(note="looked at, and found to be right"))["status"]) == {
            "changed"
        }
        assert all("note" in rec for rec in database)
    assert max(sizes) <= (limit or 2 * 2**20)


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_who_may_not_and_servers_that_cannot_say_so(role: Any) -> None:
    server = running_server(Database(RECORDS), {"ann": "pw"}, roles={"ann": role})
    with server as running, hsframe.connect(running.uri, "ann", "pw") as session:
        df = session.read("site").assign(dis="x")
        for dry_run in (True, False):
            with pytest.raises(hsframe.MetadataError, match="lists no op 'commit' for this user; SkySpark, Haxall"):
                session.commit(df, dry_run=dry_run)
        with pytest.raises(hsframe.CallError, match="commit needs the role admin"):
            session.call("commit", Grid({"commit": "add"}, ["dis"], [["x"]]))
        with pytest.raises(hsframe.MetadataError, match="a row a record and a column 'id'"):
            session.commit(df[["dis"]])


def frame_and_records(grid: Grid) -> tuple[pd.DataFrame, dict[str, Any]]:
    return entity_frame(grid), {row["id"].val: dict(row) for row in grid}  # type: ignore[union-attr]


TAGS = st.dictionaries(
    st.sampled_from("abcde"), strategies.kinds().filter(lambda value: value is not REMOVE), max_size=5
)


def test_two_that_read_before_the_first_commit_do_not_undo_each_other() -> None:
    records = [{tag: value for tag, value in rec.items() if tag != "mod"} for rec in RECORDS]
    with running_server(Database(records), {}) as server, hsframe.connect(server.uri) as session:
        first, second = session.read("site or point"), session.read("site or point")
        session.commit(first.assign(dis="A's name"))
        with pytest.raises(
            hsframe.MetadataError, match=r"@s \(A's name\) was changed on the server since the frame was read"
        ):
            session.commit(second.assign(note="B's note"))
        assert session.read("site or point")["dis"].tolist() == ["A's name"] * 3


def test_the_mod_of_a_csv_file_is_the_same_instant(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("site").assign(dis="x")
        for mod in ("25 20:28:44.816+00:00", "25T20:28:44.816000+00:00", "25T15:28:44.816-05:00", "25T20:28:44.816Z"):
            assert len(session.commit(df.assign(mod="2026-11-" + mod), dry_run=True)) == 1
        for mod in ("25 20:28:44.817+00:00", "25 20:28", "25 15:28-05:00", "25 20:28:44", "25 20:28:45"):
            says = (
                "was changed on the server since" if "817" in mod else "has the mod '2026-11-.*no timestamp in full.*"
            )
            with pytest.raises(hsframe.MetadataError, match=says):
                session.commit(df.assign(mod="2026-11-" + mod), dry_run=True)
        for cell in ("25.11.2026 20:28", "28:44.8", "yesterday", 46351.8):
            with pytest.raises(
                hsframe.MetadataError, match=f"has the mod '{cell}' .*no timestamp in full.*read it again"
            ):
                session.commit(df.assign(mod=cell), dry_run=True)
        with pytest.raises(hsframe.MetadataError, match="was changed on the server since"):
            session.commit(df.assign(mod="2026-11-25 20:27"), dry_run=True)


def test_times_without_a_zone_are_by_the_clock_of_the_tag() -> None:
    """As of Excel, which has no zones, and keeps milliseconds."""
    since = datetime(2026, 11, 1, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    record = {**RECORDS[1], "mod": MOD.replace(microsecond=816123), "since": since}
    with running_server(Database([record]), {}) as server, hsframe.connect(server.uri) as session:
        df = session.read("point")
        bare = df.assign(**{tag: df[tag].dt.tz_localize(None).dt.floor("ms") for tag in ("mod", "since")}, dis="x")
        for frame in (bare, bare.astype({"mod": "str", "since": "str"})):
            assert told(session.commit(frame, dry_run=True)) == {("p", "dis", "kW", "x")}
        stale = bare.assign(mod=bare["mod"] - pd.Timedelta("1ms"))
        with pytest.raises(
            hsframe.MetadataError, match=r"in the frame .*44.815000, taken as of the same zone; read it again"
        ):
            session.commit(stale)
        moved = bare.assign(since=bare["since"] - pd.Timedelta("1h"))  # what the clock of UTC has
        for frame in (moved, moved.astype({"since": "str"})):
            with pytest.raises(hsframe.MetadataError, match=r"tag since: .*has no time zone"):
                session.commit(frame)


@pytest.mark.parametrize(
    ("id", "tag", "cell", "new"),
    [
        ("s", "area", "1600 ft²", Number(1600, "ft²")),
        ("s", "area", "1600", Number(1600, "ft²")),
        ("s", "area", pd.array([150.0], dtype="unit[m²]")[0], Number(150.0, "m²")),
        ("s", "area", Number(5, "kW"), Number(5, "kW")),
        ("s", "area", "big", "it is a Number, 1500 ft², and the frame has 'big', which cannot stand for one"),
        ("s", "area", "5 kW", "it is a Number, 1500 ft², and the frame has 5 kW"),
        ("s", "area", True, "the frame has True"),
        ("s", "uri", "http://b/", Uri("http://b/")),
        ("s", "dis", 5.0, "it is a Str, HQ, and the frame has 5.0, which cannot stand for one; digits are read"),
        ("s", "dis", 5.0, "pd.read_csv(path, dtype=str)"),
        ("s", "siteRef", 12.0, Ref("12")),
        ("s", "siteRef", 12.5, "the frame has 12.5"),
        ("s", "siteRef", 2.0**53, "the frame has 9007199254740992.0"),
        ("p", "enabled", 0.0, False),
        ("p", "enabled", 0.5, "it is a Bool, True, and the frame has 0.5"),
        ("s", "dis", Number(5), Number(5)),
        ("s", "siteRef", "t", Ref("t")),
        ("s", "siteRef", "a b", "'a b' cannot be the id of a ref"),
        ("s", "enabled", "False", False),
        ("s", "enabled", "maybe", "it is a Bool, and the frame has 'maybe'"),
        ("s", "since", "2026-11-01 06:30:00+01:00", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("s", "since", "2026-11-01T05:30:00Z UTC", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("s", "his", "true", MARKER),
        ("p", "his", "False", None),
        ("p", "def", "^y", Symbol("y")),
        ("p", "since", pd.Timestamp("2026-11-02"), "has no time zone"),
        # What is known of other records of the server, and what is of nobody.
        ("p", "place", "C(1.5,2)", Coord(1.5, 2)),
        ("p", "opened", pd.Timestamp("2026-11-01"), date(2026, 11, 1)),
        ("p", "opened", "2026-11-01", date(2026, 11, 1)),
        ("p", "opens", "07:30:00", time(7, 30)),
        ("p", "floors", "12", Number(12)),
        ("p", "floors", "twelve", "it is a Number, and the frame has 'twelve'"),
        ("p", "newRef", "b", Ref("b")),
        ("p", "hisInterval", "15min", Number(15, "min")),
        ("p", "hisInterval", "quarterly", "it is a Number, and the frame has 'quarterly'"),
        ("p", "hisTotalized", "✓", MARKER),
        ("p", "hisMode", "cov", "cov"),
        *(("s", "his", mark, MARKER) for mark in ("TRUE", "M", "MARKER", "✓", 1.0, True)),
        *(("p", "his", mark, None) for mark in ("FALSE", "false", 0, False, None, REMOVE)),
        *(
            ("p", "his", mark, "expected True, M, MARKER or ✓ to set it, False or")
            for mark in ("x", "1", "WAHR", "", 2)
        ),
        ("p", "dis", REMOVE, None),
        ("p", "dis", NA, NA),
        ("p", "new", NA, NA),
        ("p", "floors", "", ""),
        ("p", "new", "@b", "@b"),
        ("p", "new", 12, Number(12)),
    ],
)
def test_a_cell_is_of_the_kind_that_the_tag_has(id: str, tag: str, cell: Any, new: Any) -> None:
    more = [
        {"id": Ref("u"), "place": Coord(0, 0), "opened": date(2020, 1, 1)},
        {"id": Ref("v"), "opens": time(8), "floors": Number(3), "place": Coord(0, 0)},
        *({"id": Ref(id)} for id in ("12", "t", "b")),
    ]
    with running_server(Database([*RECORDS, *more]), {}) as server, hsframe.connect(server.uri) as session:
        df = session.read_by_ids(["s", "p"]).set_index("id", drop=False)
        df = df.reindex(columns=[*df, *({tag} - {*df})]).astype({tag: object} if tag in df else {})
        df[tag] = df[tag].astype(object)
        df.at[id, tag] = cell
        if isinstance(new, str) and new != cell:  # the words of a refusal
            with pytest.raises(
                hsframe.MetadataError, match=rf"@{id} \(.*\), tag {tag}: .*{re.escape(new)}.*nothing was sent"
            ):
                session.commit(df)
            return
        if new == "":
            assert session.commit(df).empty
            return
        (change,) = session.commit(df).to_dict("records")
        assert (change["new"], type(change["new"])) == (new, type(new))
        if isinstance(new, datetime):
            assert change["new"].utcoffset() == new.utcoffset()
        assert (server.database.get(id) or {}).get(tag) == new


def test_a_spreadsheet_of_records_comes_back_unchanged(tmp_path: Path) -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.read("site or equip or point")
        df.to_csv(tmp_path / "records.csv", index=False)
        back = pd.read_csv(tmp_path / "records.csv")
        assert session.commit(back).empty
        edited = back.assign(yearBuilt=back["yearBuilt"].astype(object).mask(back["id"] == "nyc", "1988"))
        assert told(session.commit(edited)) == {("nyc", "yearBuilt", Number(1987), Number(1988))}
        # A row that is copied is a new record with the same kinds.
        copy = session.read_by_ids(["nyc-ahu1-dat"]).assign(id="copy", dis="Copy")
        session.commit(copy, add=True)
        old, new = (dict(server.database.get(id) or {}) for id in ("nyc-ahu1-dat", "copy"))
        assert {tag for tag in old if new.get(tag) != old[tag]} == {"id", "dis", "mod", "curVal", "curStatus"}
        assert new.keys() == old.keys() - {"curVal", "curStatus"}


@pytest.mark.parametrize(
    ("texts", "ids"),
    [
        (["10004", None, "4000"], ["a", "b", "c"]),
        (["01234", "00501", "02134"], ["901", "902", "903"]),
        (["1.50", "-2", None], ["007", "8", "9"]),
        (["123456789012345678", "2", "3"], ["1", "2", "3"]),
    ],
)
def test_digits_that_a_csv_file_made_numbers_are_texts(texts: list[str | None], ids: list[str]) -> None:
    flags = [True, None, False]
    rows = [
        {"id": Ref(id), "site": MARKER, "dis": "d", "code": text, "siteRef": Ref(ids[0]), "flag": flag}
        for id, text, flag in zip(ids, texts, flags, strict=True)
    ]
    records = [{tag: value for tag, value in row.items() if value is not None} for row in rows]
    with running_server(Database(records), {}) as server, hsframe.connect(server.uri) as session:
        text = session.read("site").to_csv(index=False)
        back = pd.read_csv(StringIO(text), dtype={"id": str} if ids[0].startswith("0") else None)
        back["flag"] = [1.0, None, 0.0]  # as read_excel has a Bool with blanks
        assert session.commit(back).empty
        assert told(session.commit(back.assign(dis=["new", "d", "d"]), dry_run=True)) == {(ids[0], "dis", "d", "new")}
        edited = back.assign(code=back["code"].mask(back.index == 0, 20004))
        with pytest.raises(hsframe.MetadataError, match=r"tag code: it is a Str.*20004.*read_csv\(path, dtype=str\)"):
            session.commit(edited)
        texts_alone = pd.read_csv(StringIO(text), dtype=str)
        assert session.commit(texts_alone).empty
        texts_alone.loc[0, "code"] = "20004"
        assert told(session.commit(texts_alone, dry_run=True)) == {(ids[0], "code", texts[0], "20004")}


def test_digits_that_a_float_cannot_tell_apart_are_not_taken_for_the_same() -> None:
    records = [{"id": Ref("a"), "code": "123456789012345678"}, {"id": Ref("b")}]
    df, there = frame_and_records(Grid.from_rows({}, ["id", "code"], records))
    back = pd.read_csv(StringIO(df.to_csv(index=False)))
    with pytest.raises(hsframe.MetadataError, match="dtype=str"):
        record_changes(back, there, kinds_of(there.values()))


def test_a_column_that_was_converted_to_one_unit_keeps_the_units_of_the_records() -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.read("site")
        text = df.hs.with_unit_header().to_csv(index=False)
        back = pd.read_csv(StringIO(text), header=[0, 1]).hs.from_unit_header()
        assert session.commit(back).empty
        back.loc[back["id"] == "lon", "area"] += 10
        assert session.commit(back, dry_run=True)[["id", "tag"]].values.tolist() == [["lon", "area"]]
        own = df.assign(
            area=[Number(58125.12, "ft²") if id == "lon" else area for id, area in df[["id", "area"]].values]
        )
        assert session.commit(own, dry_run=True)["id"].tolist() == ["lon"]  # it says its own unit


def test_the_dry_run_tells_a_marker_from_a_bool(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point")
        df.loc[1, "vip"] = True
        df.loc[1, "spare"] = MARKER
        kinds = session.commit(df, dry_run=True).set_index("tag")["kind"]
        assert kinds.to_dict() == {"vip": "Bool", "spare": "Marker"}


@pytest.mark.filterwarnings("ignore::hsframe.WriteWarning")
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(st.lists(TAGS, max_size=5))
def test_no_text_of_a_csv_file_changes_a_kind(rows: list[dict[str, Any]]) -> None:
    records = [{"id": Ref(f"r{number}"), **row} for number, row in enumerate(rows)]
    df, there = frame_and_records(Grid.from_rows({}, ["id", *"abcde"], records))
    back = pd.read_csv(StringIO(df.to_csv(index=False)), dtype={"id": "str"})
    for place in range(len(back)):
        try:
            changes = record_changes(back.iloc[[place]], there, kinds_of(there.values()))
        except hsframe.MetadataError:
            continue
        assert all(type(old) is type(new) or None in (old, new) for one in changes for old, new in one.tags.values())
        lost = [old for one in changes for old, new in one.tags.values() if new is None]
        assert not any(isinstance(old, str | Ref | Uri | Symbol | Number | bool) for old in lost)


@pytest.mark.parametrize(
    ("column", "cells", "says"),
    [
        ("Bad Tag", [1, 2], "the column 'Bad Tag' cannot be a tag: expected a lower-case letter"),
        (3, [1, 2], "the column 3 cannot be a tag"),
        ("note", [object(), None], r"@p \(kW\), tag note: zinc: a value of type builtins.object cannot be written"),
        ("note", ["\ud800", None], r"@p \(kW\), tag note: zinc: the character U\+D800 is half of a surrogate pair"),
        ("at", [pd.Timestamp("2026-11-01")] * 2, r"@p \(kW\), tag at: .* has no time zone"),
        ("load", [Number(1, "k W"), None], r"@p \(kW\), tag load: .*'k W' cannot be a unit"),
        ("id", ["p", "p"], "the frame has two rows of @p with changes; expected one"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_cannot_be_sent_is_refused_before_anything_is(
    server: RunningServer, column: Any, cells: list[Any], says: str, dry_run: bool
) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point").assign(note="n")
        df[column] = pd.Series(cells, dtype=object)
        df = pd.concat([pd.DataFrame([{"id": "new", "dis": "new", "site": True}]), df])
        with pytest.raises(hsframe.MetadataError, match=f"(?s){says}.*; nothing was sent"):
            session.commit(df, add=True, dry_run=dry_run)
        assert server.database.get("new") is None


def test_what_moves_by_itself_is_not_sent_and_an_unknown_unit_is_told() -> None:
    moving = {"curVal": Number(5, "kW"), "curStatus": "ok", "hisSize": Number(9), "writeVal": Number(1)}
    with running_server(Database([{**RECORDS[1], **moving}]), {}) as server, hsframe.connect(server.uri) as session:
        df = session.read("point")
        server.database.update("p", {"curVal": Number(7, "kW")})
        assert session.commit(df.assign(curStatus="down", hisSize=0)).empty
        with pytest.warns(hsframe.UnitWarning, match=r"@p \(kW\) gets the unit 'kilowat': .*did you mean 'kilowatt'"):
            assert told(session.commit(df.assign(unit="kilowat"), dry_run=True)) == {("p", "unit", "kW", "kilowat")}
        with pytest.warns(
            hsframe.UnitWarning, match=r"@p \(kW\) gets the unit '°C' in place of 'kW', .*another quantity"
        ):
            session.commit(df.assign(unit="°C"), dry_run=True)
        with warnings.catch_warnings(action="error"):
            session.commit(df.assign(unit="W"), dry_run=True)
        with pytest.warns(hsframe.ZoneWarning, match=r"@p \(kW\) gets the tz 'Bogus'"):
            session.commit(df.assign(tz="Bogus"), dry_run=True)


def test_a_record_that_gets_another_name_is_found_by_it_everywhere(server: RunningServer) -> None:
    """The Refs that lead to it have the present name too, as SkySpark and Haxall write them."""
    with hsframe.connect(server.uri) as session:
        assert session.read("id == @p")["siteRef->dis"].tolist() == ["HQ"]
        session.commit(session.read("site").assign(dis="Tower"))
        session.commit(session.read("id == @p").assign(dis="New kW"))
        assert session.read("id == @p")["siteRef->dis"].tolist() == ["Tower"]
        assert session.find(["New kW", "kW"])["status"].tolist() == ["found", "missing"]
        assert session.latest("@p")["dis"].tolist() == ["New kW"]


def test_who_refers_to_what_goes_is_counted(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point").set_index("id", drop=False)
        for frame, gone, referrers in [
            (None, "s", [2]),
            (None, ["s", "q"], [1, 0]),
            (df.assign(siteRef=["s2", "s"], spaceRef=[None, "s"]), "s", [1]),
        ]:
            with nullcontext() if frame is None else pytest.warns(hsframe.WriteWarning, match="@s2 .*, @s "):
                report = session.commit(frame, remove=gone, dry_run=True)
            assert report[report["tag"] == ""]["referrers"].tolist() == referrers
            assert report[report["tag"] != ""]["referrers"].isna().all()
        assert session.commit(remove="s")["referrers"].tolist() == [2]


def test_a_removal_needs_no_frame_and_a_new_record_no_id(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        report = session.commit(pd.DataFrame({"dis": ["a", "b"], "site": [True, True]}), add=True)
        sites = session.read("site").set_index("id")["dis"]
        assert dict(zip(report["id"], report["dis"], strict=True)) == sites[sites != "HQ"].to_dict()
        assert session.commit(remove=["@q"])[["id", "dis", "status"]].values.tolist() == [["q", "°F", "removed"]]
        assert server.database.get("q") is None
        stale = session.read("point")
        session.commit(stale.assign(dis="x"))
        with pytest.raises(hsframe.MetadataError, match=r"@p .* was changed on the server since the frame was read"):
            session.commit(stale, remove="p")
        with pytest.raises(hsframe.MetadataError, match="or remove= alone"):
            session.commit()


READ_AS_MISSING = ["", "NA", "None", "null", "nan", "N/A", "#N/A"]


@pytest.mark.parametrize("how", [{}, {"dtype": "str"}, {"dtype_backend": "pyarrow"}, {"keep_default_na": False}])
def test_texts_that_pandas_reads_as_missing_cells_stay(how: Any) -> None:
    assert set(READ_AS_MISSING) < STR_NA_VALUES == _READ_AS_MISSING
    records = [
        {
            **RECORDS[1],
            "id": Ref(f"r{place}", "R"),
            "dis": "R",
            "note": text,
            "xRef": Ref(text or "x"),
            "uri": Uri(text),
        }
        for place, text in enumerate(READ_AS_MISSING)
        if text.isalpha() or not text
    ]
    with running_server(Database([*records, *RECORDS]), {}) as server, hsframe.connect(server.uri) as session:
        text = session.read("point or site").to_csv(index=False)
        back = pd.read_csv(StringIO(text), **how)
        says = r"stay: .*@r1 \(R\), tag note: 'NA'.*hsframe.REMOVE takes such a tag away"
        with nullcontext() if "keep_default_na" in how else pytest.warns(hsframe.WriteWarning, match=says):
            assert session.commit(back, dry_run=True).empty
        if "keep_default_na" not in how:
            gone = back.assign(note=back["note"].astype(object).mask(back["id"] == "r1", hsframe.REMOVE))
            with pytest.warns(hsframe.WriteWarning, match="stay: "):
                assert told(session.commit(gone, dry_run=True)) == {("r1", "note", "NA", None)}
        missing = session.read("id == @r1").assign(note=hsframe.REMOVE)
        assert told(session.commit(missing)) == {("r1", "note", "NA", None)}


def test_true_and_false_alone_in_a_column_of_texts_are_texts() -> None:
    records = [{**RECORDS[2], "id": Ref("true"), "dis": "false", "uri": Uri("TRUE")}]
    df, there = frame_and_records(Grid.from_rows({}, list(records[0]), records))
    back = pd.read_csv(StringIO(df.to_csv(index=False)), dtype={"id": str})
    assert back["dis"].dtype == back["uri"].dtype == bool
    assert record_changes(back, there, kinds_of(there.values())) == []
    with pytest.raises(hsframe.MetadataError, match="tag dis: it is a Str, false, and the frame has True"):
        record_changes(back.assign(dis=True), there, kinds_of(there.values()))


def test_names_of_other_records_are_not_sent_and_that_is_said(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point")
        assert df["siteRef->dis"].dropna().tolist() == ["HQ"]
        with pytest.warns(hsframe.WriteWarning, match=r"the column 'ahuRef->dis' has other names .* not sent: @q \("):
            session.commit(df.assign(**{"ahuRef": None, "ahuRef->dis": [None, "AHU"]}), dry_run=True)
        for names in (["Renamed", None], ["HQ", "Renamed"], ["true", 7]):
            says = r"the column 'siteRef->dis' has other names than the server, and they are not sent: @p|q \("
            with pytest.warns(hsframe.WriteWarning, match=says):
                assert session.commit(df.assign(**{"siteRef->dis": names}), dry_run=True).empty
        without = df.drop(columns="siteRef")  # the names alone are not sent either
        assert session.commit(without, dry_run=True).empty
        with pytest.warns(hsframe.WriteWarning, match=says):
            assert session.commit(without.assign(**{"siteRef->dis": "Renamed"}), dry_run=True).empty
        moved = df.assign(siteRef=["p", "s"], **{"siteRef->dis": ["kW", ""]})
        assert told(session.commit(moved, dry_run=True)) == {("p", "siteRef", Ref("s"), Ref("p"))}


def test_refs_to_records_of_the_same_commit_are_known(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        new = pd.DataFrame([{"id": "new", "dis": "new", "site": True, "weatherRef": "new"}])
        df = pd.concat([session.read("point").assign(siteRef="new"), new])
        assert len(session.commit(df, add=True)) == 5


def test_all_wrong_cells_are_named_in_one_error(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("point").assign(**{f"n{n}": "x" for n in range(5)}, his=["x", "y"])
        server.database.update("s", {f"n{n}": Number(n) for n in range(5)})
        with pytest.raises(hsframe.MetadataError) as refused:
            session.commit(df)
        *lines, last = str(refused.value).split("\n")
        assert last == "and 2 more; nothing was sent"
        assert len(lines) == 10
        assert lines[0].startswith("@p (kW), tag his: it is a Marker, MARKER, and the frame has 'x'")


def test_a_frame_is_not_taken_for_the_ids_to_remove(server: RunningServer) -> None:
    with hsframe.connect(server.uri) as session:
        df = session.read("site")
        with pytest.raises(hsframe.MetadataError, match=r"commit: a frame has more than ids; .*df\['id'\]"):
            session.commit(remove=df)
        assert len(session.commit(remove=df["id"], dry_run=True)) == 1


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(st.lists(TAGS, max_size=5))
def test_a_frame_that_was_not_edited_changes_nothing(rows: list[dict[str, Any]]) -> None:
    """Whatever kinds stand in a column, and whatever the frame of all makes of them."""
    records = [{"id": Ref(f"r{number}"), **row} for number, row in enumerate(rows)]
    df, there = frame_and_records(Grid.from_rows({}, ["id", *"abcde"], records))
    assert record_changes(df, there, kinds_of(there.values())) == []


def test_an_hour_and_its_repeat_are_two(server: RunningServer) -> None:
    first = pd.Timestamp("2026-11-01T05:30Z").tz_convert("America/New_York")
    grid = Grid.from_rows({}, ["id", "at"], [{"id": Ref("a"), "at": first.to_pydatetime()}])
    df, there = frame_and_records(grid)
    kinds = kinds_of(there.values())
    (change,) = record_changes(df.assign(at=df["at"] + pd.Timedelta("1h")), there, kinds)
    assert change.tags["at"][1].utcoffset() == timedelta(hours=-5)  # type: ignore[union-attr]


# As Haxall of August 2026 was asked and has answered.
RECORD = 'ver:"3.0"\nid,tmpV5,dis,mod\n@329a017c-005a9ed2 "tmp v5",M,"tmp v5",2026-11-25T20:28:44.816Z\n'
ASKED = 'ver:"3.0" commit:"update"\nid,mod,dis\n@329a017c-005a9ed2,2026-11-25T20:28:44.816Z UTC,"tmp v5 é"\n'
CHANGED = RECORD.replace('"tmp v5"', '"tmp v5 é"').replace("816Z", "817Z")
OPS = 'ver:"3.0"\ndef,doc,is,lib\n^op:commit,"Commit one or more diffs to the Folio database",[^op],^lib:hx\n'
CONFLICT = "329a017c-005a9ed2: 2026-11-25T20:28:44.817Z UTC != 2026-01-01T00:00:00Z UTC"
REFUSED = f'ver:"3.0" err dis:"{CONFLICT}" errTrace:"folio::ConcurrentChangeErr: {CONFLICT}"\nempty\n'


@pytest.mark.parametrize("refuses", [False, True])
def test_as_haxall_was_asked_and_has_answered(refuses: bool) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((await request.read()).decode())
        answers = {"ops": OPS, "read": RECORD, "commit": REFUSED if refuses else CHANGED}
        return web.Response(text=answers[request.match_info["op"]], content_type="text/zinc")

    app = web.Application()
    app.router.add_route("*", "/api/{op}", handle)
    with on_thread(lambda: listening(app)) as uri, hsframe.connect(uri) as session:
        df = session.read("tmpV5").assign(dis="tmp v5 é")
        if refuses:
            with pytest.raises(hsframe.CallError, match="817Z UTC != 2026-01-01") as refused:
                session.commit(df)
            assert refused.value.report["status"].tolist() == ["not sent"]
        else:
            assert session.commit(df)["status"].tolist() == ["changed"]
    assert asked[-1] == ASKED


def test_a_served_folder_keeps_what_is_committed(tmp_path: Path) -> None:
    ts = pd.date_range("2026-11-01", periods=3, freq="1h", tz="UTC", name="ts")
    write_parquet(
        pd.DataFrame({"a": pd.array([1.0, 2, 3], dtype="unit[kW]"), "b": [1.0, 2, 3]}, index=ts), tmp_path / "f.parquet"
    )
    with running_server(parquet_folder(tmp_path), {}) as server, hsframe.connect(server.uri) as session:
        points = session.read("point")
        session.his_write(session.his_read(points.iloc[:1], "2026-11-01") * 2)
        changed = points.assign(dis=["A", "B"], unit=["MW", None], ahu=[False, True])
        session.commit(changed, remove=points.id[1])
    for _ in range(2):
        with running_server(parquet_folder(tmp_path), {}) as server, hsframe.connect(server.uri) as session:
            (row,) = session.read("point").to_dict("records")
            assert (row["dis"], row["unit"]) == ("A", "MW")
            assert session.his_read("point", "2026-11-01")["A"].hs.magnitude().tolist() == [2, 4, 6]
            assert session.commit(session.read("point or site or equip")).empty
    write_parquet(pd.DataFrame({"a": ["x", "y", "z"]}, index=ts), tmp_path / "f.parquet")
    with pytest.raises(
        hsframe.MetadataError, match=rf"{FILE} has a record .* now: @file-f-a .* kind Str, which.* has 'N"
    ):
        parquet_folder(tmp_path)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ('ver:"3.0" commit:"foo"\ndis\n"x"\n', "Unknown commit mode: foo"),
        ('ver:"3.0"\ndis\n"x"\n', "Unknown commit mode: None"),
        ('ver:"3.0" commit:"add"\nid\n@s\n', "there is a record @s already"),
        ('ver:"3.0" commit:"update"\nid,mod,dis\n@s,2026-11-25T20:28:44.816Z,"x"\n@s,,"y"\n', "@s has two rows"),
        ('ver:"3.0" commit:"update"\nid,dis\n@nope,"x"\n', "@nope"),
        ('ver:"3.0" commit:"update"\ndis\n"x"\n', "the id of row 0 is None"),
        ('ver:"3.0" commit:"update"\nid,mod,kind\n@p,2026-11-25T20:28:44.816Z,"Str"\n', "has a history of kind Number"),
        ('ver:"3.0" commit:"remove"\nid,mod\n@s,2026-11-25T20:28:44.817Z\n', "s: 2026-11-25.* != 2026-11-25"),
        ('ver:"3.0" commit:"update"\nid,mod,his,kind\n@p,2026-11-25T20:28:44.816Z,R,R\n', "the record has None"),
        ('ver:"3.0" commit:"update"\nid,dis\n@s,"x"\n', "s: 2026-11-25.* != none"),
        ('ver:"3.0" commit:"update"\nid,mod\n@s,"x"\n', "s: 2026-11-25.* != 'x'"),
        ('ver:"3.0" commit:"add"\nid,point,tz\n@n,M,3\n', r"@n \(None\) has the tz Number\(3\); expected a Str"),
        ('ver:"3.0" commit:"add"\nid,his,tz\n@n,M,"Mars"\n', r"@n \(None\): no time zone is called 'Mars'; expected"),
        ('ver:"3.0" commit:"add"\nid,unit\n@n,3\n', r"@n \(None\) has the unit Number\(3\); expected a Str"),
    ],
)
def test_what_the_server_refuses_changes_nothing(server: RunningServer, request_: str, told: str) -> None:
    async def main() -> None:
        async with hsframe.AsyncSession(server.uri) as session:
            with pytest.raises(hsframe.CallError, match=told):
                await session.call("commit", decode(request_, "zinc"))

    asyncio.run(main())
    assert [dict(rec) for rec in server.database] == RECORDS
