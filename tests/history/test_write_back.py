"""A write is accounted for: before it, after it, and where it breaks off."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import CallError, HsFrameError, NetworkError, RequestTimeoutError
from hsframe.history import write
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.server.refusal import HttpRefusal, OpRefusal
from hsframe.session import history_verbs
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import RunningServer, running_server
from tests.history.bad_line import Fault, bad_line

FIRST_US = 1_793_505_600_000_000  # 2026-11-01T04:00Z, the day of 25 hours in New York
STEP_US = 15 * 60_000_000
NAMES = ("a", "b", "c", "lon", "fan", "mode")
IDS = {name: "@" + name for name in NAMES}
IDS_OF_THREE = {name: IDS[name] for name in ("a", "b", "fan")}
ROWS = 100


def empty_building() -> Database:
    database = Database(tz="New_York")
    common = {"point": MARKER, "his": MARKER, "tz": "New_York"}
    for name, tz in (("a", "New_York"), ("b", "New_York"), ("c", "New_York"), ("lon", "London")):
        tags = {"id": Ref(name), "dis": f"Point {name}", "kind": "Number", "unit": "kW"}
        database.add({**common, **tags, "tz": tz})
    database.add({**common, "id": Ref("fan"), "dis": "Fan", "kind": "Bool"})
    database.add({**common, "id": Ref("mode"), "dis": "Mode", "kind": "Str"})
    return database


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(empty_building()) as running:
        yield running


def frame(rows: int = ROWS, names: tuple[str, ...] = NAMES) -> pd.DataFrame:
    index = pd.DatetimeIndex(FIRST_US + np.arange(rows) * STEP_US, dtype="datetime64[us, UTC]", name="ts")
    numbers = pd.array(np.arange(rows, dtype=np.float64) / 7, dtype="unit[kW]")
    columns: dict[str, Any] = dict.fromkeys(("a", "b", "c", "lon"), numbers)
    columns["fan"] = pd.array(np.arange(rows) % 2 == 0, dtype="boolean")
    columns["mode"] = pd.Categorical(["auto" if n % 2 else "off" for n in range(rows)])
    return pd.DataFrame({name: columns[name] for name in names}, index=index)


def ids_of(df: pd.DataFrame) -> dict[str, str]:
    return {str(label): IDS[str(label)] for label in df.columns}


def storing(server: RunningServer, store: Callable[[Callable[[], None]], None]) -> None:
    """Have a function store, or not store, what the server was given to write."""
    wrap_op(server.app, "hisWrite", lambda call, run: run(replace(call, store=store)))


# Before ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_tells_new_from_same_from_different(server: RunningServer) -> None:
    df = frame()
    with hsframe.connect(server.uri, "demo", "demo") as s:
        s.his_write(df.iloc[:60], points=IDS)
        changed = df.copy()
        changed.iloc[10, 0] = 99.0
        changed.iloc[12, 0] = 98.0
        changed.iloc[20, 4] = not changed.iloc[20, 4]
        changed.iloc[30, 5] = "auto" if changed.iloc[30, 5] == "off" else "off"
        report = s.his_write(changed, points=IDS, dry_run=True).set_index("id")
    assert report["rows"].tolist() == [ROWS] * 6
    assert report["new"].tolist() == [40] * 6
    assert report["same"].tolist() == [58, 60, 60, 60, 59, 59]
    assert report["different"].tolist() == [2, 0, 0, 0, 1, 1]
    assert set(report["status"]) == {"dry run"}
    assert report.loc["a", "first_difference"] == df.index[10]
    assert report.loc["a", "on_server"] == Number(10 / 7, "kW")
    assert report.loc["a", "in_frame"] == Number(99, "kW")
    assert pd.isna(report.loc["b", "first_difference"])
    assert report.loc["b", "on_server"] is None
    assert (report.loc["fan", "on_server"], report.loc["fan", "in_frame"]) == (True, False)
    assert (report.loc["mode", "on_server"], report.loc["mode", "in_frame"]) == ("off", "auto")
    assert report["first_difference"].dtype == "datetime64[us, UTC]"
    assert [len(server.database.history(name)) for name in NAMES] == [60] * 6


def test_a_dry_run_over_years_reads_where_the_samples_are(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    index = pd.DatetimeIndex(["2012-01-01", "2026-01-01"], tz="UTC", name="ts")
    df = pd.DataFrame({"a": [1.0, 2.0]}, index=index)
    middle_us = np.arange(1_500_000_000, 1_500_050_000) * 1_000_000
    server.database.set_history("a", middle_us, np.zeros(len(middle_us)))
    with hsframe.connect(server.uri, "demo", "demo") as s, caplog.at_level("INFO", "hsframe"):
        report = s.his_write(df, points=ids_of(df), dry_run=True)
    assert report["new"].tolist() == [2]
    lengths = [int(text.split("bytes=")[1].split()[0]) for text in caplog.messages if text.startswith("hisRead")]
    assert lengths
    assert max(lengths) < 2_000


def test_an_na_on_the_server_is_different(server: RunningServer) -> None:
    df = frame(2, ("a",))
    na = np.array([True, False])
    server.database.set_history("a", df.index.as_unit("us").asi8, np.array([0.0, 1 / 7]), na)
    with hsframe.connect(server.uri, "demo", "demo") as s:
        report = s.his_write(df, points=ids_of(df), dry_run=True)
    assert report[["new", "same", "different"]].to_numpy().tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("unit", [None, "kW"])
def test_numbers_without_a_unit_are_noted(server: RunningServer, unit: str | None) -> None:
    df = frame(3, ("a", "fan"))
    numbers = df["a"].hs.magnitude() if unit is None else df["a"]
    infinite = [Number(1, "kW"), Number(float("inf")), None]  # INF has no unit in any case
    with hsframe.connect(server.uri, "demo", "demo") as s:
        for dry_run in (True, False):
            report = s.his_write(df.assign(a=numbers, b=infinite), points=IDS_OF_THREE, dry_run=dry_run, inf="send")
            left_out = "rows without a value, which write and remove nothing: 1"
            assert report["note"].tolist() == ["" if unit else "without a unit: taken to be in kW", "", left_out]


# After -------------------------------------------------------------------------------------------------------------

SERVERS = [(), ("haxall",), ("haystack-py",), ("niagara",), ("shaystack",), ("late-write=0.2",), ("body-limit=3000",)]


@pytest.mark.parametrize("quirks", SERVERS, ids=str)
@pytest.mark.parametrize("format", ["zinc", "json"])
def test_what_was_written_is_verified(quirks: tuple[str, ...], format: str) -> None:
    df = frame()
    df.index += pd.Timedelta("250ms")  # for servers that keep whole seconds
    with (
        running_server(empty_building(), quirks=quirks) as server,
        hsframe.connect(server.uri, "demo", "demo", format=format) as s,
    ):
        report = s.his_write(df, points=IDS, verify=True)
        again = s.his_write(df, points=IDS, dry_run=True)
        assert report["status"].tolist() == ["verified"] * 6
        assert report["same"].tolist() == report["rows"].tolist() == [ROWS] * 6
        assert report["missing"].tolist() == report["different"].tolist() == [0] * 6
        assert again["same"].tolist() == [ROWS] * 6
        assert [len(server.database.history(name)) for name in NAMES] == [ROWS] * 6


def test_what_a_server_does_not_keep_is_found_out(server: RunningServer) -> None:
    df = frame(10, ("a", "b"))

    def forgetting(do: Callable[[], None]) -> None:
        do()
        samples = server.database.history("b")
        if len(samples):
            server.database.set_history("b", samples.ts_us[:7], np.full(7, 5.0))

    storing(server, forgetting)
    with hsframe.connect(server.uri, "demo", "demo") as s:
        report = s.his_write(df, points=ids_of(df), verify=True).set_index("id")
    assert report["status"].tolist() == ["verified", "differs"]
    assert report.loc["b", ["missing", "same", "different"]].tolist() == [3, 0, 7]
    assert report.loc["b", "on_server"] == Number(5, "kW")


def test_a_frame_of_another_unit_and_zone_is_verified_in_the_points_own(server: RunningServer) -> None:
    df = frame(20, ("a", "lon")).hs.to("W").tz_convert("Asia/Kathmandu")
    with hsframe.connect(server.uri, "demo", "demo") as s:
        report = s.his_write(df, points=ids_of(df), convert=True, verify=True)
        assert report["status"].tolist() == ["verified", "verified"]
        assert s.his_read("a", "2026-11-01").hs.units == {"Point a": "kW"}
    assert server.database.history("a").values.tolist() == pytest.approx((np.arange(20) / 7).tolist())


def test_only_what_is_missing_is_sent_again(server: RunningServer) -> None:
    """A batch of which some rows got lost: these rows are written point by point, and no others."""
    df = frame(10, ("a", "b", "c"))
    sent = []

    def losing(do: Callable[[], None]) -> None:
        before = {name: len(server.database.history(name)) for name in "abc"}
        do()
        sent.append({name: len(server.database.history(name)) - before[name] for name in "abc"})
        if len(sent) == 1:
            samples = server.database.history("b")
            server.database.set_history("b", samples.ts_us[:6], samples.values[:6])

    storing(server, losing)
    with hsframe.connect(server.uri, "demo", "demo") as s:
        assert set(s.his_write(df, points=ids_of(df))["status"]) == {"written"}
    assert sent == [{"a": 10, "b": 10, "c": 10}, {"a": 0, "b": 4, "c": 0}]
    assert [len(server.database.history(name)) for name in "abc"] == [10, 10, 10]


# Where it breaks off -----------------------------------------------------------------------------------------------


def check(report: pd.DataFrame, server: RunningServer) -> None:
    """What is said to be stored is; and nothing else, but for what is said to be unknown."""
    assert set(report["status"]) <= {"written", "partly written", "not written", "unknown"}
    for row in report.to_dict("records"):
        there = len(server.database.history(row["id"]))
        assert row["written"] <= there <= row["written"] + row["unknown"], row
        assert (row["status"] == "written") == (row["written"] == row["rows"])


def small_bodies(s: hsframe.Session) -> None:
    s.client.dialect.body_limit = 4_000


@pytest.mark.parametrize("fault", ["cut", "swallow"])
@pytest.mark.parametrize("good", [0, 1, 5, 9])
@pytest.mark.parametrize("names", [("a", "b"), NAMES], ids=["single", "batch"])
def test_a_line_that_breaks(
    server: RunningServer, fault: Fault, good: int, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", (0.0, 0.01))
    df = frame(ROWS, names)
    with bad_line(server.uri, good, fault) as line, hsframe.connect(line.uri, "demo", "demo") as s:
        small_bodies(s)
        with pytest.raises(NetworkError) as caught:
            s.his_write(df, points=ids_of(df))
    report = caught.value.report
    check(report, server)
    # Reading still works, so what is there was found; what was swallowed on the way could be stored at any time.
    assert (report["unknown"].sum() > 0) == (fault == "swallow")
    assert report["written"].tolist() == [len(server.database.history(name)) for name in report["id"]]
    assert "safe to repeat this write" in caught.value.__notes__[0]
    with hsframe.connect(server.uri, "demo", "demo") as s:
        assert set(s.his_write(df, points=ids_of(df), verify=True)["status"]) == {"verified"}
    assert [len(server.database.history(name)) for name in names] == [ROWS] * len(names)


def test_a_server_that_is_gone(server: RunningServer) -> None:
    df = frame(ROWS, ("a", "b"))
    with bad_line(server.uri, 3, "gone") as line, hsframe.connect(line.uri, "demo", "demo") as s:
        small_bodies(s)
        with pytest.raises(NetworkError) as caught:
            s.his_write(df, points=ids_of(df))
    check(caught.value.report, server)
    assert caught.value.report["unknown"].sum() > 0
    assert "unknown" in caught.value.__notes__[0]


def test_a_server_that_does_not_answer(server: RunningServer) -> None:
    df = frame(ROWS, ("a", "b"))
    with bad_line(server.uri, 3, "hang") as line, hsframe.connect(line.uri, "demo", "demo", timeout=0.4) as s:
        small_bodies(s)
        with pytest.raises(RequestTimeoutError) as caught:
            s.his_write(df, points=ids_of(df))
    check(caught.value.report, server)
    assert caught.value.report["unknown"].sum() == 0
    assert 0 < caught.value.report["written"].sum() < 2 * ROWS


def slow_writes(seconds: float, pauses_s: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
    """The error of a write that timed out, of a server that stores `seconds` later, and how much it has at the end."""
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", pauses_s)
    with (
        running_server(empty_building(), quirks=["slow-write=60", f"late-write={seconds}"]) as server,
        hsframe.connect(server.uri, "demo", "demo", timeout=1.0) as s,
    ):
        with pytest.raises(RequestTimeoutError) as caught:
            s.his_write(frame(ROWS, ("a",)), points={"a": "@a"})
        deadline = time.monotonic() + 20
        while not len(server.database.history("a")) and time.monotonic() < deadline:
            time.sleep(0.05)
            s.about()  # late samples are stored when something is asked
        return caught.value, len(server.database.history("a"))


def test_a_server_that_is_still_at_it_is_not_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that are stored after they were looked for are unknown, and it is said how long was looked."""
    error, there = slow_writes(3.0, (0.0, 0.02), monkeypatch)
    assert there == ROWS
    report = error.report.set_index("id")
    assert report.loc["a", ["status", "written", "unknown"]].tolist() == ["unknown", 0, ROWS]
    assert report.loc["a", "looked_s"] >= 0.02
    words = f"not there after {report.loc['a', 'looked_s']:.1f} s"
    assert f"unknown: @a (0 of 100 rows, 100 unknown: {words})" in error.__notes__[0]


def test_what_a_server_stores_while_it_is_looked_for_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    error, there = slow_writes(2.0, (0.0, *[0.25] * 50), monkeypatch)
    assert there == ROWS
    assert error.report["status"].tolist() == ["written"]
    assert error.report["unknown"].tolist() == [0]
    assert error.report["looked_s"].tolist()[0] > 0.25  # more than one look


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    late_s=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    names=st.sampled_from([("a",), ("a", "lon"), ("a", "b", "c", "fan")]),
    pauses_s=st.sampled_from([(0.0,), (0.0, 0.05), (0.0, 0.05, 0.1, 0.2)]),
    body_limit=st.sampled_from([2_000, 2**21]),
)
def test_no_sample_that_is_called_not_written_is_stored_later(
    monkeypatch: pytest.MonkeyPatch,
    late_s: float,
    names: tuple[str, ...],
    pauses_s: tuple[float, ...],
    body_limit: int,
) -> None:
    """However late the server stores what it did not answer: written, then there, then written and unknown."""
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", pauses_s)
    df = frame(40, names)
    with (
        running_server(empty_building(), quirks=["slow-write=60", f"late-write={late_s}"]) as server,
        hsframe.connect(server.uri, "demo", "demo", timeout=0.5) as s,
    ):
        s.read("point")  # logged in, and the connection is there
        s.client.dialect.body_limit = body_limit
        with pytest.raises(RequestTimeoutError) as caught:
            s.his_write(df, points=ids_of(df))
        report = caught.value.report
        if report is None:
            return  # the machine is so slow that the records could not be read
        time.sleep(late_s)
        s.about()
        check(report, server)
        assert report["unknown"].sum() + report["written"].sum() > 0


def test_the_default_looks_more_than_once_within_the_time_of_the_check() -> None:
    assert len(write._CHECK_PAUSES_S) > 3
    assert 3.0 < sum(write._CHECK_PAUSES_S) < history_verbs._CHECK_S


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_gives_up_is_no_answer_of_the_server(
    server: RunningServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", (0.0, 0.01))

    def failing(do: Callable[[], None]) -> None:
        raise HttpRefusal(status, "upstream")

    storing(server, failing)
    with hsframe.connect(server.uri, "demo", "demo") as s, pytest.raises(NetworkError) as caught:
        s.his_write(frame(ROWS, ("a",)), points={"a": "@a"})
    assert caught.value.report["status"].tolist() == ["unknown"]


@pytest.mark.parametrize("status", [None, 500, 503])
@pytest.mark.parametrize("stored", [False, True])
def test_a_server_that_fails_in_the_middle(server: RunningServer, status: int | None, stored: bool) -> None:
    df = frame()
    calls = []

    def failing(do: Callable[[], None]) -> None:
        calls.append(do)
        if len(calls) < 4 or stored:
            do()
        if len(calls) >= 4:
            raise OpRefusal("the disk is full", "IOErr") if status is None else HttpRefusal(status, "the disk is full")

    storing(server, failing)
    with hsframe.connect(server.uri, "demo", "demo") as s:
        small_bodies(s)
        s.client.dialect.his_write_batch = False
        with pytest.raises((CallError, NetworkError), match="the disk is full") as caught:
            s.his_write(df, points=IDS)
    report = caught.value.report
    check(report, server)
    assert report["unknown"].sum() == 0
    assert report["written"].sum() == sum(len(server.database.history(name)) for name in NAMES)
    assert any("the disk is full" in reason for reason in report["reason"])


def test_a_refused_point_does_not_keep_others_of_any_zone_from_being_written(server: RunningServer) -> None:
    df = frame()
    server.database.update("a", {"his": None})
    with hsframe.connect(server.uri, "demo", "demo") as s, pytest.raises(CallError, match=r"@a \(Point a\)") as caught:
        s.his_write(df, points=IDS)
    report = caught.value.report.set_index("id")
    assert report["status"].tolist() == ["not written"] + ["written"] * 5
    assert report["reason"].tolist()[1:] == [""] * 5
    assert "Point a" in report.loc["a", "reason"]
    assert [len(server.database.history(name)) for name in NAMES[1:]] == [ROWS] * 5


@pytest.mark.parametrize("there", [0, 3, 5])
@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")], ids=["single", "batch"])
@pytest.mark.parametrize("refused", ["role", "read only"])
def test_what_was_there_before_a_refused_write_is_not_called_written(
    there: int, names: tuple[str, ...], refused: str
) -> None:
    df, database = frame(5, names), empty_building()
    for name in names if there else ():
        database.set_history(name, df.index.as_unit("us").asi8[:there], df[name].to_numpy(float)[:there])
    if refused == "read only":
        database.refusal = "it is read-only"
    roles: Any = {"demo": "viewer"} if refused == "role" else {}
    with (
        running_server(database, roles=roles) as server,
        hsframe.connect(server.uri, "demo", "demo") as s,
        pytest.raises(CallError, match="role operator" if refused == "role" else "read-only") as caught,
    ):
        s.his_write(df, points=ids_of(df))
    assert caught.value.report["status"].tolist() == ["not written"] * len(names)
    assert caught.value.report["written"].tolist() == [0] * len(names)
    told = f"{caught.value} {caught.value.__notes__[0]}"
    assert "not written: @a (0 of 5 rows)" in told
    assert "repeat" not in told


@pytest.mark.parametrize("existing", ["replace", "keep"])
@pytest.mark.parametrize("words", ["the disk is full", "a value that is not allowed, or unsupported, in row 6"])
def test_what_is_found_after_an_error_may_be_from_before(server: RunningServer, words: str, existing: Any) -> None:
    df = frame(5, ("a",))

    def failing(do: Callable[[], None]) -> None:
        do()
        raise OpRefusal(words, "IOErr")

    storing(server, failing)
    with hsframe.connect(server.uri, "demo", "demo") as s, pytest.raises(CallError) as caught:
        s.his_write(df, points=ids_of(df), existing=existing)
    assert "written: @a (5 of 5 rows, found after an error: perhaps from before)" in caught.value.__notes__[0]


def nothing_sent(error: BaseException) -> pd.DataFrame:
    (note,) = error.__notes__
    assert "no sample was sent" in note
    report: pd.DataFrame = error.report  # type: ignore[attr-defined]
    assert ("error.report" in note) == bool(len(report))
    assert set(report["status"]) <= {"not written"}
    assert report[["written", "unknown"]].to_numpy().sum() == 0
    return report


@pytest.mark.parametrize(
    ("down", "how"),
    [
        *((down, how) for down in ("all", "login") for how in ({}, {"existing": "keep"}, {"dry_run": True})),
        *(("hisRead", how) for how in ({"existing": "keep"}, {"existing": "refuse"}, {"dry_run": True})),
    ],
    ids=str,
)
def test_an_error_before_anything_is_sent_says_so(server: RunningServer, down: str, how: dict[str, Any]) -> None:
    def refuse(call: Any, run: Any) -> Any:
        raise OpRefusal("no", "IOErr")

    wrap_op(server.app, "hisRead", refuse)
    uri = "http://127.0.0.1:9/api" if down == "all" else server.uri
    password = "wrong" if down == "login" else "demo"
    with hsframe.connect(uri, "demo", password, retries=0) as s, pytest.raises(HsFrameError) as caught:
        s.his_write(frame(5, ("a", "b")), points={"a": "@a", "b": "@b"}, **how)
    report = nothing_sent(caught.value)
    assert report["id"].tolist() == ["a", "b"]
    assert report["rows"].tolist() == [5, 5]
    assert report["first"].tolist() == [frame().index[0]] * 2


def test_a_frame_that_cannot_be_written_says_that_nothing_was_sent(server: RunningServer) -> None:
    df = frame(5, ("a", "b"))
    wrong = {
        "naive": (df.tz_localize(None), {}),
        "no frame": (3, {}),
        "unit": (df.hs.to("W"), {}),
        "unknown": (df, {"points": {"a": "@a", "b": "@nobody"}}),
    }
    with hsframe.connect(server.uri, "demo", "demo") as s:
        for name, (given_df, settings_) in wrong.items():
            with pytest.raises(HsFrameError) as caught:
                s.his_write(given_df, **{"points": {"a": "@a", "b": "@b"}, **settings_})
            assert len(nothing_sent(caught.value)) == (2 if name in ("unit", "unknown") else 0)
    down = hsframe.connect("http://127.0.0.1:9/api", "demo", "demo", retries=0)
    with down, pytest.raises(NetworkError) as failed:
        down.his_remove("@a", "today")
    assert failed.value.__notes__ == ["nothing was removed: no sample was sent."]


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to oneself on Windows")
@pytest.mark.parametrize("runner", ["thread", "nested"])
@pytest.mark.parametrize("good", [0, 4])
def test_ctrl_c_in_the_middle(server: RunningServer, runner: Any, good: int) -> None:
    df = frame(ROWS, ("a", "b", "c"))

    def press() -> None:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    with (
        bad_line(server.uri, good, "hang", press) as line,
        hsframe.connect(line.uri, "demo", "demo", runner=runner) as s,
    ):
        small_bodies(s)
        s.client.dialect.his_write_batch = False
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            s.his_write(df, points=ids_of(df))
        assert time.monotonic() - started < 8
        check(caught.value.report, server)
        assert caught.value.report["written"].tolist() == [len(server.database.history(name)) for name in "abc"]
        assert "not written" in caught.value.__notes__[0] or "partly written" in caught.value.__notes__[0]
        assert len(s.about()) == 1  # the session goes on
