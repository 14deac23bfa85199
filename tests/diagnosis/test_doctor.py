"""The doctor against servers of every habit, over real sockets: what it finds, what it is for, that it is harmless."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.client import Client
from hsframe.diagnosis import history_questions
from hsframe.diagnosis.doctor import findings_text
from hsframe.diagnosis.examination import Examination
from hsframe.diagnosis.point_questions import zones
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.dialects import Dialect, forget, remembered
from hsframe.server.auth import Logins
from hsframe.server.database import Database
from hsframe.server.refusal import HttpRefusal
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.quirks import BUNDLES
from hsframe.testing.server import RunningServer, running_server

pytestmark = pytest.mark.one_python

READ_ONLY = {"about", "ops", "formats", "read", "readAll", "readByIds", "hisRead", "close"}
MINUTE_US = 60_000_000
ROWS = 30 * 96


def building() -> Database:
    """Three points of one zone and one of another, a sample every quarter of an hour, in a month that has passed."""
    database = Database(tz="London")
    start_us = int(pd.Timestamp("2026-03-20", tz="UTC").timestamp()) * 1_000_000
    ts_us = start_us + np.arange(ROWS, dtype=np.int64) * 15 * MINUTE_US
    last = pd.Timestamp(int(ts_us[-1]), unit="us", tz="Europe/London").to_pydatetime()
    for number, (name, tz) in enumerate({"a": "London", "b": "London", "c": "London", "d": "New_York"}.items()):
        database.add(
            {"id": Ref(name), "dis": name.upper(), "point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW"}
            | {"tz": tz}
            | ({"hisEnd": last} if tz == "London" else {})
        )  # fmt: skip
        database.set_history(name, ts_us, np.arange(ROWS) + number / 8 + 0.001)
    return database


def visit(
    *quirks: str, database: Database | None = None, **options: Any
) -> tuple[dict[str, str], dict[str, str], Dialect]:
    """The answers and the advice of the doctor, and what is remembered afterwards."""
    with running_server(building() if database is None else database, quirks=quirks, **options) as server:
        df = hsframe.doctor(server.uri, server.user, server.password)
        assert server.open_sessions == (1 if {"no-close", "niagara"} & set(quirks) else 0)
        dialect = remembered(server.uri)
    assert list(df.columns) == ["question", "answer", "advice"]
    assert df["question"].is_unique
    assert not df["answer"].str.contains("not found out").any(), df
    by_question = df.set_index("question")
    return by_question["answer"].to_dict(), by_question["advice"].to_dict(), dialect


def test_a_server_as_the_standard_wants_it() -> None:
    answer, advice, dialect = visit(iterations=20_000)
    assert {question for question, words in advice.items() if words} == {"zones of points"}
    assert answer["reachable"].startswith("yes, a request takes ")
    assert answer["connection"] == "http, within this machine"
    assert answer["login"] == "SCRAM SHA-256, 20,000 iterations"
    assert answer["product"].startswith("hsframe ")
    assert answer["zone of the server"] == "London"
    assert answer["clock"] == "within 5 s of this machine's"
    assert "hisRead, hisWrite" in answer["ops"]
    assert answer["formats"] == "Zinc: yes; JSON v4: yes; JSON v3: yes"
    assert answer["methods"] == "about by GET and POST; ops by GET and POST; read by GET and POST"
    assert answer["points"] == "4, of them 4 with a history (tag his)"
    assert answer["zones of points"] == "London (3), New_York (1)"
    assert answer["hisRead of a point"] == "yes: 96 rows of @a (A) over 1 day"
    assert answer["values"] == "the same in Zinc and JSON"
    assert answer["rows outside a range"] == "none"
    assert answer["ends of a range"] == "[start, end), as in the standard"
    assert answer["zone of a range"] == "may be in any zone"
    assert answer["hisRead of a batch"] == "as in the standard"
    assert answer["rows at once"] == f"no limit found: {ROWS:,} rows in one answer"
    assert answer["gzip"] == "yes"
    assert answer["request body"].startswith("2 MiB are accepted")
    as_it_should = "401, as in the standard" if answer["protocol"][0] == "4" else "403, as in version 5 of the protocol"
    assert answer["lost session"] == (
        f"a session that has ended is answered with HTTP {as_it_should}; hsframe then logs in again"
    )
    assert (dialect.his_read_batch, dialect.batch_form, dialect.row_cap) == (True, "standard", None)


# What a habit changes: the question, a part of the answer, and what is remembered.
HABITS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("zinc-only", "formats", "request bodies not in JSON v4 or JSON v3", {"zinc_requests": True}),
    ("plain-json", "formats", "JSON v4: yes, asked for as application/json", {"plain_json": True}),
    ("plain-json", "values", "the same in Zinc and JSON", {}),
    ("shaystack", "formats", "JSON v3: yes, asked for as application/json", {"plain_json": True}),
    ("json-v3", "formats", "JSON v4: no, answered in JSON v3; JSON v3: yes", {}),
    ("get-only-about", "methods", "about by GET; ops by GET; read by GET and POST", {"methods": {"about": "GET"}}),
    ("empty-read-404", "empty read", "HTTP 404", {}),
    ("start-exclusive", "ends of a range", "(start, end]: the start is left out", {}),
    ("extra-samples", "rows outside a range", "2 of 4 rows come from outside", {}),
    ("ignore-range", "rows outside a range", "all: the range is ignored", {}),
    ("zone-of-range", "zone of a range", "must be the point's own (UTC for London", {}),
    ("no-batch", "hisRead of a batch", "none: an error: UnknownName", {"his_read_batch": False}),
    ("first-id-only", "hisRead of a batch", "none: answered for some points only", {"his_read_batch": False}),
    ("id0-batch", "hisRead of a batch", "as one row with id0, id1", {"his_read_batch": True, "batch_form": "id0"}),
    ("rowcap=500", "rows at once", "at most 500 rows, by the server's own words", {"row_cap": 500}),
    ("rowcap-incomplete=700", "rows at once", "at most 700 rows, by the server's own words", {"row_cap": 700}),
    ("cap-first=500", "rows at once", "at most 500 rows, and no word of the others", {"row_cap": 500}),
    (
        "point-cap-newest=700",
        "rows at once",
        "at most 700 rows, and no word of the others: the halves",
        {"row_cap": 700},
    ),
    ("rowcap-413=1000", "rows at once", "rows in one answer, but not more: HTTP 413", {}),
    ("rowcap-500=1000", "rows at once", "rows in one answer, but not more: HTTP 500", {"row_cap": None}),
    ("rowcap-cut=1000", "rows at once", "rows in one answer, but not more: the connection broke", {"row_cap": None}),
    ("body-limit=300000", "request body", "256 KiB are accepted, 1 MiB not: HTTP 413", {"body_limit": 262_144}),
    ("expired-403", "lost session", "a session that has ended is answered with HTTP 403", {}),
    ("no-close", "lost session", "the session stays open after the op close", {}),
    ("float32", "values", "in single precision", {}),
    ("reversed-rows", "ends of a range", "[start, end), as in the standard", {}),
    ("mixed-zones", "hisRead of a batch", "as in the standard", {}),
    ("text-times", "hisRead of a point", "yes: 96 rows", {}),
    ("bare-accept", "formats", "Zinc: yes", {}),
    ("only-5", "lost session", "HTTP 403, as in version 5 of the protocol; hsframe then logs in again", {"version": 5}),
]


# The habit is of the formats of version 4, or of the status of its errors.
OF_4 = {"plain-json", "shaystack", "empty-read-404", "rowcap-500=1000", "expired-403"}


@pytest.mark.parametrize(
    ("quirk", "question", "part", "known"),
    [pytest.param(*habit, id=habit[0], marks=[pytest.mark.version4] * (habit[0] in OF_4)) for habit in HABITS],
)
def test_a_habit_is_found(quirk: str, question: str, part: str, known: dict[str, Any]) -> None:
    answer, _, dialect = visit(quirk)
    assert part in answer[question]
    for name, value in known.items():
        found = getattr(dialect, name)
        assert (value.items() <= found.items()) if isinstance(value, dict) else (found == value), name


@pytest.mark.version4  # which these servers speak
@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_server_has_its_findings(bundle: str) -> None:
    answer, advice, _ = visit(bundle)
    assert len(answer) == 27
    surprises = {
        "niagara": {"formats", "ends of a range", "zone of a range", "hisRead of a batch", "lost session"},
        "skyspark3": {"rows outside a range"},
        "haystack-py": {"methods", "rows outside a range", "hisRead of a batch"},
        "widesky": {"empty read", "hisRead of a batch"},
        "haxall": {"values", "lost session"},
        "rusty-haystack": {"hisRead of a point", "request body"},
        "shaystack": {"formats", "hisRead of a batch"},
    }[bundle]
    always = {"login", "zones of points"}  # few iterations, points in two zones
    silent = {"formats"}  # Zinc works, so there is nothing to do
    assert {question for question, words in advice.items() if words} == surprises - silent | always


def test_a_cap_by_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_questions, "_TIMEOUT_S", 0.3)
    answer, _, dialect = visit("rowcap-hang=1000")
    rows = re.match(r"(\d+) rows in one answer, but not more: no answer in time", answer["rows at once"])
    assert rows is not None, answer["rows at once"]
    assert 96 <= int(rows[1]) <= 1000
    assert dialect.row_cap is None  # a slow moment is no limit


def test_what_records_lack() -> None:
    database = building()
    his = {"point": MARKER, "his": MARKER}
    database.add({"id": Ref("e"), "dis": "A", **his, "kind": "Number", "unit": "furlong_per_day", "tz": "London"})
    database.add({"id": Ref("f"), "dis": "A", **his, "kind": "Number"})
    database.add({"id": Ref("g"), "dis": "G", **his, "tz": "London"})
    answer, advice, _ = visit(database=database)
    assert answer["zones of points"] == "London (5), New_York (1); 1 points without tz"
    assert advice["zones of points"].endswith("set tz on @f")
    assert answer["units of points"] == ("2 units; 2 Number points without; not in the table: furlong_per_day (1)")
    assert "not converted" in advice["units of points"]
    assert answer["kinds of points"] == "Number (6); 1 points without kind"
    assert advice["kinds of points"].endswith("set kind on @g")
    assert answer["names of points"] == "1 names belong to several points: A (3)"
    assert "header='id'" in advice["names of points"]


def test_a_zone_that_is_none() -> None:
    record = {"id": Ref("a"), "his": MARKER, "tz": "Atlantis"}
    x = Examination(Client("http://127.0.0.1:1/api"), records=[record, {**record, "id": Ref("b"), "tz": "London"}])
    answer, advice = asyncio.run(zones(x))
    assert answer == "Atlantis (1), London (1)"
    assert advice == "not an IANA zone: Atlantis; such points cannot be read: set their tz"


def test_without_points_or_samples_the_rest_is_found_all_the_same() -> None:
    answer, advice, _ = visit(database=Database())
    assert answer["points"] == "none"
    assert answer["hisRead of a point"] == "not tried: there are no points"
    assert answer["ends of a range"] == answer["rows at once"] == "not known: there is no history to test it with"
    assert answer["formats"].startswith("Zinc: yes")
    database = Database([{"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"}])
    answer, advice, _ = visit(database=database)
    assert answer["hisRead of a point"] == "yes, but @a has hardly any samples"
    assert "name a point that has samples, by point=" in advice["hisRead of a point"]
    with running_server(database) as server:
        named = hsframe.doctor(server.uri, server.user, server.password, point="@a").set_index("question")
    assert "name another point" in named["advice"]["hisRead of a point"]


@pytest.mark.parametrize("point", [None, "@old"])
def test_a_history_that_ended_years_ago_is_found(point: str | None) -> None:
    database = Database(tz="London")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "London"}
    for name in ("old", "odd"):
        database.add({"id": Ref(name), **tags})
        database.set_history(name, 1_656_000_000_000_000 + np.arange(9000) * 15 * MINUTE_US, np.arange(9000) + 0.5)
    with running_server(database) as server:
        df = hsframe.doctor(server.uri, server.user, server.password, point=point).set_index("question")
    answer = df["answer"]
    assert re.fullmatch(r"yes: \d,\d+ rows of @(old|odd) over 366 days up to 2022-09-25", answer["hisRead of a point"])
    assert answer["ends of a range"] == "[start, end), as in the standard"
    assert answer["hisRead of a batch"] == "as in the standard"
    assert answer["rows at once"].startswith("no limit found: 9,000 rows")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_and_not_taken_for_a_habit(status: int) -> None:
    calls = 0

    def busy(call: Any, run: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 3 == 2:
            raise HttpRefusal(status, "gateway busy", {"Retry-After": "0"})
        return run(call)

    with running_server(building(), quirks=["cap-first=500"]) as server:
        wrap_op(server.app, "hisRead", busy)
        df = hsframe.doctor(server.uri, server.user, server.password).set_index("question")
    answer = df["answer"]
    assert answer["values"] == "the same in Zinc and JSON"
    assert answer["rows at once"].startswith("at most 500 rows, and no word of the others")
    assert re.fullmatch(r"the server was busy \d times .*", answer["busy"])


def test_a_server_that_stays_busy_has_no_habits() -> None:
    calls = 0

    def busy(call: Any, run: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise HttpRefusal(503, "gateway busy", {"Retry-After": "0"})
        return run(call)

    with running_server(building()) as server:
        wrap_op(server.app, "hisRead", busy)
        df = hsframe.doctor(server.uri, server.user, server.password, retries=2).set_index("question")
    for question in ("values", "rows outside a range", "hisRead of a batch", "rows at once"):
        assert df["answer"][question].startswith("not found out: HTTP 503"), df
    assert calls < 20


def test_the_point_can_be_named() -> None:
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.doctor("@b").set_index("question")
        assert "@b (B)" in df["answer"]["hisRead of a point"]
        gone = session.doctor(Ref("nope")).set_index("question")
        assert "there is no record of @nope" in gone["answer"]["hisRead of a point"]


def test_who_logs_in_by_a_password_in_the_clear_is_told() -> None:
    answer, advice, _ = visit(scheme="plaintext")
    assert answer["login"] == "PLAINTEXT: the password itself is sent"
    assert "https://" in advice["login"]
    answer, _, _ = visit(scheme="basic")
    assert answer["login"] == "Basic: the password itself is sent"
    assert answer["lost session"] == "there are no sessions: each request carries the credentials"
    answer, advice, _ = visit(users={})
    assert answer["login"] == "none: everybody may call"
    assert answer["lost session"] == "no login"


def test_a_lost_session_that_the_client_does_not_recognize(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Logins, "_challenge", lambda self, reason: HttpRefusal(500, reason))
    answer, advice, _ = visit()
    assert answer["lost session"] == "a session that has ended is answered with HTTP 500"
    assert "does not log in again" in advice["lost session"]


def test_no_server_and_no_login_are_findings_too() -> None:
    with running_server(building()) as server:
        df = hsframe.doctor(server.uri, "demo", "wrong")
        assert df["question"].tolist() == ["reachable", "login"]
        assert df["answer"][1].startswith("no: login as 'demo'")
        assert "wrong" not in df.to_string().replace("is wrong", "")
        assert "check the user name" in df["advice"][1]
        df = hsframe.doctor(server.uri + "/nope/deeper", "demo", "demo")
        assert df["question"].tolist() == ["reachable"]
        assert "404" in df["answer"][0]
    df = hsframe.doctor(server.uri, "demo", "demo")
    assert df["question"].tolist() == ["reachable"]
    assert "nothing answers there" in df["answer"][0]


def test_nothing_is_written_and_the_default_session_stays(caplog: pytest.LogCaptureFixture) -> None:
    database = building()
    before = {name: database.history(name).ts_us.copy() for name in "abcd"}
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        records = session.read("id")
        with caplog.at_level(logging.DEBUG, "hsframe.server"):
            hsframe.doctor()
        ops = {found[1] for line in caplog.messages if (found := re.match(r"(?:GET|POST) '(\w+)':", line))}
        assert "hisRead" in ops
        assert ops <= READ_ONLY
        pd.testing.assert_frame_equal(session.read("id"), records)
        hsframe.doctor(server.uri, "demo", "demo")
        assert hsframe.session.default_session() is session
    for name, ts_us in before.items():
        np.testing.assert_array_equal(database.history(name).ts_us, ts_us)


# What was found out is used -----------------------------------------------------------------------------------------


def requests(caplog: pytest.LogCaptureFixture, op: str) -> list[int]:
    """The HTTP status of each request of an op that a server has logged."""
    found = (re.match(rf"(?:GET|POST) '{op}': (\d+)", line) for line in caplog.messages)
    return [int(one[1]) for one in found if one]


def his_reads(server: RunningServer, caplog: pytest.LogCaptureFixture, points: list[str]) -> list[int]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "hsframe.server"), hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read(points, "2026-03-25,2026-04-07", tz="UTC")
    assert len(df) == 14 * 96 - 4  # the clocks go forward
    return requests(caplog, "hisRead")


def test_a_cap_that_is_known_is_kept_within(caplog: pytest.LogCaptureFixture) -> None:
    with running_server(building(), quirks=["rowcap-413=500"]) as server:
        unknown = his_reads(server, caplog, ["a"])
        assert 413 in unknown
        hsframe.doctor(server.uri, "demo", "demo")
        assert set(his_reads(server, caplog, ["a"])) == {200}


def test_a_second_session_knows_that_batches_are_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    with running_server(building(), quirks=["first-id-only"]) as server:
        first = his_reads(server, caplog, ["a", "b", "c"])
        second = his_reads(server, caplog, ["a", "b", "c"])
        assert len(first) > len(second) == 3
        forget(server.uri)
        assert len(his_reads(server, caplog, ["a", "b", "c"])) == len(first)


def test_the_older_batch_is_one_request(caplog: pytest.LogCaptureFixture) -> None:
    with running_server(building(), quirks=["widesky"]) as server:
        his_reads(server, caplog, ["a", "b", "c"])
        assert len(his_reads(server, caplog, ["a", "b", "c"])) == 1


def test_a_limit_of_bodies_is_kept_within(caplog: pytest.LogCaptureFixture) -> None:
    index = pd.date_range("2026-05-01", periods=2000, freq="1min", tz="Europe/London", unit="us", name="ts")
    df = pd.DataFrame({"a": np.arange(2000.0)}, index)
    database = building()
    with running_server(database, quirks=["body-limit=30000"]) as server:
        for refused in (True, False):
            caplog.clear()
            with caplog.at_level(logging.INFO, "hsframe"), hsframe.connect(server.uri, "demo", "demo") as session:
                session.his_write(df, points={"a": "a"})
            sent = [line.rpartition(" ")[2] for line in caplog.messages if line.startswith("hisWrite ")]
            assert "ok" in sent
            assert ("HTTPStatusError" in sent) is refused
        limit = remembered(server.uri).body_limit
    assert limit is not None
    assert limit > 2_000
    assert len(database.history("a").ts_us) == ROWS + 2000


# The table in plain text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_text_is_aligned_and_fits(width: int) -> None:
    with running_server(building(), quirks=["niagara", "rowcap=500"]) as server:
        df = hsframe.doctor(server.uri, "demo", "demo")
    text = findings_text(df, width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    second = lines[0].index("answer")
    third = lines[0].index("advice")
    assert all(line[second - 1 : second] in ("", " ") and line[third - 1 : third] in ("", " ") for line in lines[2:])
    words = " ".join(text.split())
    for question in df["question"]:
        assert question in words
    assert Number(500).val == remembered(server.uri).row_cap


def test_old_zone_files_are_named_with_the_zones_that_they_cut_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = "hsframe.diagnosis.point_questions"
    monkeypatch.setattr(f"{questions}.zone_files", lambda: ("2019a in /zones", "2026f"))
    monkeypatch.setattr(f"{questions}.is_outdated", lambda when: str(when.tzinfo) == "Europe/London")
    answer, advice, _ = visit()
    assert answer["rules of zones"] == (
        "from this machine's files, 2019a in /zones; the package tzdata has 2026f, with newer rules for London"
    )
    assert advice["rules of zones"].startswith("days there are cut by old rules: update the machine's zone files, or")
    monkeypatch.setattr(f"{questions}.zone_files", lambda: ("", "2026f"))
    answer, advice, _ = visit()
    assert (answer["rules of zones"], advice["rules of zones"]) == ("from the package tzdata, 2026f", "")
