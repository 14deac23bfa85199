"""How his_read is told to read: what to do about errors, how large requests are, and who sees how far it is."""

from __future__ import annotations

import asyncio
import io
import re
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hsframe
from hsframe import Grid
from hsframe.frame.points import ATTRS_KEY
from hsframe.history.source import Progress
from hsframe.kinds import Number
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call
from hsframe.session.progress_bar import progress_of
from hsframe.session.reading import ReadRequest
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import RunningServer, running_server
from tests.client.faulty_line import Fault, faulty_line, http
from tests.session.conftest import small_building
from tests.session.connected import break_point

SPAN = "2026-11-01"  # 25 hours in New York


@pytest.fixture
def broken(server: RunningServer) -> RunningServer:
    """Reading one point of the building fails."""
    break_point(server.database, "oat")
    return server


# Errors -----------------------------------------------------------------------------------------------------------


def test_an_error_is_raised_by_default(broken: RunningServer, session: hsframe.Session) -> None:
    with pytest.raises(hsframe.CallError, match=r"@oat \(Outside\).*the disk is broken"):
        session.his_read(["@kw", "@oat", "@fan"], SPAN)
    with pytest.raises(hsframe.UnknownRecError, match="@nope"):
        session.his_read(["@kw", "@nope"], SPAN)


def test_the_frame_comes_with_a_table(broken: RunningServer, session: hsframe.Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        df = session.his_read(["@kw", "@oat", "@nope", "@fan"], SPAN, on_error="catalog")
    assert list(df.columns) == ["Power", "Fan"]
    assert len(df) == 100
    catalog = df.hs.catalog
    assert catalog.index.tolist() == ["Power", "Outside", "Fan", "nope"]
    assert catalog.index.name == "point"
    assert catalog["id"].tolist() == ["kw", "oat", "fan", "nope"]
    assert catalog["rows"].tolist() == [100, 0, 100, 0]
    assert catalog["status"].tolist() == ["ok", "failed", "ok", "failed"]
    assert "the disk is broken" in catalog.loc["Outside", "reason"]
    assert "there is no record of @nope" in catalog.loc["nope", "reason"]
    assert catalog["reason"].isna().tolist() == [True, False, True, False]
    assert catalog["rows"].dtype == catalog["differing"].dtype == "int64"
    # The good columns are those of a read of the good points, and so are the labels of two that are called the same.
    alone = session.his_read(["@kw", "@fan"], SPAN)
    pd.testing.assert_frame_equal(df, alone)
    assert alone.hs.catalog["status"].tolist() == ["ok", "ok"]


@pytest.mark.parametrize("shape", ["wide", "tidy"])
def test_nothing_could_be_read(session: hsframe.Session, shape: Any) -> None:
    df = session.his_read("@nope", SPAN, on_error="catalog", shape=shape)
    assert len(df) == 0
    assert df.hs.catalog["status"].tolist() == ["failed"]


def test_a_frame_a_point_has_the_failed_ones_without_a_column(broken: RunningServer, session: hsframe.Session) -> None:
    frames = session.his_read(["@oat", "@kw"], SPAN, on_error="catalog", shape="dict")
    assert list(frames) == ["Outside", "Power"]
    assert frames["Outside"].shape == (0, 0)
    assert frames["Power"].shape == (100, 1)
    for df in frames.values():
        assert df.hs.catalog["status"].tolist() == ["failed", "ok"]


def test_a_warning_names_them_at_the_users_line(broken: RunningServer, session: hsframe.Session) -> None:
    with pytest.warns(hsframe.ReadWarning, match=r"2 of 3 points could not be read.*@nope, @oat.*df\.hs\.catalog") as w:
        df = session.his_read(["@kw", "@oat", "@nope"], SPAN, on_error="warn")
    assert list(df.columns) == ["Power"]
    assert w[0].filename == __file__


@pytest.mark.parametrize("version", [4, 5])
def test_a_point_that_the_user_may_not_read_is_one_point(version: Any) -> None:
    def guarded(call: Call, run: Callable[[Call], Grid]) -> Grid:
        if hsframe.Ref("oat") in call.ids() if call.grid.meta else call.one_row()["id"] == hsframe.Ref("oat"):
            raise OpRefusal("no right to read @oat", "PermissionErr")
        return run(call)

    with running_server(small_building(), quirks=[f"only-{version}"]) as server:
        wrap_op(server.app, "hisRead", guarded)
        with hsframe.connect(server.uri, "demo", "demo") as session:
            with pytest.warns(hsframe.ReadWarning, match=r"1 of 3 points could not be read.*@oat"):
                df = session.his_read(["@kw", "@oat", "@fan"], SPAN, on_error="warn")
            assert list(df.columns) == ["Power", "Fan"]
            assert "no right to read @oat" in df.hs.catalog.loc["Outside", "reason"]
            with pytest.raises(hsframe.CallError, match="no right to read @oat"):
                session.his_read("@oat", SPAN)


def test_settings_by_point_do_no_harm_where_no_point_is_known(session: hsframe.Session) -> None:
    df = session.his_read("@nope", SPAN, on_error="catalog", interval="1h", agg={"@nope": "max"})
    assert df.hs.catalog["status"].tolist() == ["failed"]


def test_a_request_is_checked_before_there_is_anyone_to_ask() -> None:
    with pytest.raises(hsframe.ZoneError, match="Nowhere"):
        ReadRequest("@kw", SPAN, tz="Nowhere")
    with pytest.raises(hsframe.MetadataError, match="header='my name' is unknown"):
        ReadRequest("@kw", SPAN, header="my name")
    request = ReadRequest("@kw", SPAN, limit_rows=5, chunk="1D")
    assert (request.limits.rows, request.limits.window_us, request.limits.max_concurrency) == (5, 86_400_000_000, None)
    with pytest.raises(AttributeError):
        request.span = "today"  # type: ignore[misc]


def test_an_empty_history_is_no_failure(session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@oat"], "2020-01-01", on_error="catalog")
    assert list(df.columns) == ["Power", "Outside"]
    assert df.hs.catalog["status"].tolist() == ["empty", "empty"]


def test_intervals_of_points_some_of_which_fail(broken: RunningServer, session: hsframe.Session) -> None:
    df = session.his_read(["@kw", "@oat", "@nope"], SPAN, on_error="catalog", interval="1h")
    assert df.shape == (25, 1)
    assert df.hs.catalog["status"].tolist() == ["ok", "failed", "failed"]
    assert df.hs.catalog["rows"].tolist() == [25, 0, 0]


def test_samples_that_differ_at_one_instant_are_counted(server: RunningServer, session: hsframe.Session) -> None:
    read = session.client.his_read

    async def twice(*args: Any, **kwargs: Any) -> Any:
        grid = await read(*args, **kwargs)
        times, values = list(grid.column("ts")), list(grid.column("val"))
        values[5] = Number(values[5].val + 1, values[5].unit)
        return hsframe.Grid(dict(grid.meta), grid.cols, [[*grid.column("ts"), *times], [*grid.column("val"), *values]])

    session.client.his_read = twice  # type: ignore[method-assign]
    for shape in ("wide", "tidy"):
        df = session.his_read("@kw", SPAN, shape=shape)
        label = "Power" if shape == "wide" else "kw"
        assert df.hs.catalog.loc[label, ["rows", "differing"]].tolist() == [100, 1]


def test_a_frame_that_was_not_read_has_no_table(session: hsframe.Session) -> None:
    with pytest.raises(hsframe.MetadataError, match=r"his_read.*dropped its attrs"):
        pd.DataFrame({"a": [1.0]}).hs.catalog  # noqa: B018
    df = session.his_read("@kw", SPAN)
    assert df.copy().head(3).hs.catalog["rows"].tolist() == [100]
    assert hash(str(df.attrs[ATTRS_KEY])) is not None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"on_error": "ignore"}, "on_error='ignore' is unknown"),
        ({"limit_rows": 0}, "limit_rows must be a number, 1 or more; got 0"),
        ({"chunk": "0.5s"}, "chunk"),
        ({"max_concurrency": 0}, "max_concurrency must be a number, 1 or more; got 0"),
    ],
)
def test_settings_that_are_none(session: hsframe.Session, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(hsframe.HsFrameError, match=words):
        session.his_read("@kw", SPAN, **wrong)


def test_a_limit_of_rows_that_is_too_small_is_not_the_servers(session: hsframe.Session) -> None:
    for boundary in ("none", "both"):
        with pytest.raises(hsframe.IncompleteError, match=r"with limit_rows=1 .*Give a larger limit_rows") as caught:
            session.his_read("@kw", SPAN, limit_rows=1, boundary=boundary)
        assert "server" not in str(caught.value)


# Requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "least"),
    [({}, 1), ({"chunk": "1D"}, 10), ({"limit_rows": 96}, 10), ({"chunk": "1D", "max_concurrency": 1}, 10)],
)
def test_requests_are_as_large_as_is_said(
    session: hsframe.Session, caplog: pytest.LogCaptureFixture, how: dict[str, Any], least: int
) -> None:
    whole = session.his_read(["@kw", "@oat"], "2026-10-30,2026-11-08")
    caplog.clear()
    with caplog.at_level("INFO", logger="hsframe"):
        df = session.his_read(["@kw", "@oat"], "2026-10-30,2026-11-08", **how)
    reads = [record for record in caplog.records if record.name == "hsframe" and "hisRead" in record.getMessage()]
    # An answer of as many rows as the limit may have been cut there: then the ends of its window are asked for too.
    assert least <= len(reads) <= (3 if "limit_rows" in how else 1) * least + 2
    pd.testing.assert_frame_equal(df, whole)


# Where warnings point ---------------------------------------------------------------------------------------------


def test_warnings_point_at_the_users_line(session: hsframe.Session) -> None:
    for read, points in ((session.his_read, ["@kw", "@lon"]), (hsframe.his_read, ["@kw", "@p:bne:1"])):
        with pytest.warns(hsframe.ZoneWarning) as caught:
            read(points, SPAN)
        line = Path(caught[0].filename).read_text("utf-8").splitlines()[caught[0].lineno - 1]
        assert (caught[0].filename, line.strip()) == (__file__, "read(points, SPAN)")
    with pytest.warns(hsframe.GapWarning) as caught:
        session.his_read("@kw", SPAN, interval="1min", max_gap="1min")
    assert caught[0].filename == __file__


# The bar ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the bar takes for the time."""
    now = [100.0]
    monkeypatch.setattr(
        "hsframe.session.progress_bar.time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])})
    )
    return now


def test_a_bar_is_drawn_after_two_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with progress_of(True, "his_read") as progress:
            progress.expect(200.0)
            clock[0] += 1.9
            progress.advance(50.0, 1000)
            assert capsys.readouterr().err == ""
            clock[0] += 0.2
            progress.advance(50.0, 1000)
            drawn = capsys.readouterr().err
            assert "his_read" in drawn
            assert "50%" in drawn
            assert "2 requests, 2,000 rows" in drawn
            assert "left" in drawn
            clock[0] += 0.1
            progress.advance(50.0, 1000)
            assert capsys.readouterr().err == ""  # not more often than one can see
        assert "75%" not in capsys.readouterr().err

    asyncio.run(main())


def test_no_bar_where_nobody_looks(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        for wanted in (None, False):
            async with progress_of(wanted, "his_read") as progress:
                assert type(progress) is Progress
        terminal = io.StringIO()
        terminal.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", terminal)
        async with progress_of(None, "his_read") as progress:
            assert type(progress) is not Progress
        async with progress_of(False, "his_read") as progress:
            assert type(progress) is Progress
        monkeypatch.setattr("hsframe.session.progress_bar._is_installed", lambda package: False)
        async with progress_of(None, "his_read") as progress:
            assert type(progress) is Progress
        with pytest.raises(hsframe.MetadataError, match=r"pip install 'hsframe\[progress\]'"):
            async with progress_of(True, "x"):
                pass

    asyncio.run(main())


def test_a_slow_read_draws_a_bar_and_leaves_nothing(
    server: RunningServer, session: hsframe.Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hsframe.session.progress_bar._DELAY_S", 0.0)
    monkeypatch.setattr("hsframe.session.progress_bar._EVERY_S", 0.01)
    read = session.client.his_read_batch

    async def slow(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.1)
        return await read(*args, **kwargs)

    session.client.his_read_batch = slow  # type: ignore[method-assign]
    started = time.monotonic()
    df = session.his_read(["@kw", "@oat"], "2026-10-30,2026-11-08", chunk="1D", progress=True)
    assert time.monotonic() - started < 30
    assert len(df) == 960
    drawn = capsys.readouterr().err
    assert "his_read" in drawn
    assert "rows" in drawn
    session.his_read(["@kw", "@oat"], "2026-10-30,2026-11-08", chunk="1D")
    assert capsys.readouterr().err == ""


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The bars that are drawn, at once."""
    drawn: list[Bar] = []
    monkeypatch.setattr("hsframe.session.progress_bar._DELAY_S", 0.0)
    monkeypatch.setattr("hsframe.session.progress_bar._EVERY_S", 0.0)
    monkeypatch.setattr(
        "hsframe.session.progress_bar._bar_of", lambda what, total: drawn.append(Bar(what)) or drawn[-1]
    )
    return drawn


class Bar:
    """What tqdm's is for hsframe; that of a notebook turns red where it is closed with less than its total."""

    def __init__(self, text: str) -> None:
        self.text, self.n, self.start_t = text, 0.0, 0.0
        self.at_close: list[float] = []
        self.shown: list[float] = []

    def set_description_str(self, text: str, refresh: bool) -> None:
        self.text = text

    def refresh(self) -> None:
        self.shown.append(self.n)

    def close(self) -> None:
        self.at_close.append(self.n)


def test_what_succeeds_ends_with_a_full_bar(session: hsframe.Session, bars: list[Bar], tmp_path: Path) -> None:
    points, span = ["@kw", "@oat"], "2026-10-30,2026-11-08"
    session.his_read(points, span, chunk="1D", progress=True)
    session.his_read(points, span, interval="1h", boundary="none", progress=True)
    episodes = pd.DataFrame({"start": ["2026-11-01", "2026-11-03"], "end": ["2026-11-02", "2026-11-04"]}).apply(
        lambda column: pd.to_datetime(column).dt.tz_localize("America/New_York")
    )
    session.his_read(points, episodes, progress=True)
    session.export(points, span, tmp_path / "folder", progress=True)
    hsframe.Archive(tmp_path / "archive").sync(points, since="2026-10-30", progress=True, session=session)
    whole = list(session.his_iter(points, span, by="1D", progress=True))
    assert [bar.at_close for bar in bars] == [[1.0]] * 6
    assert [bar.text.partition(",")[0] for bar in bars] == [*["his_read"] * 3, "export", "sync", "his_iter"]
    assert bars[0].text == "his_read, 11 requests, 1,920 rows"
    assert bars[-1].text.endswith(" 1,920 rows")
    assert sum(map(len, whole)) == 960
    assert all(bar.shown == sorted(bar.shown) for bar in bars)
    assert bars[-1].shown[len(bars[-1].shown) // 2] < 1.0


def test_a_loop_that_is_left_early_has_not_failed_and_a_read_that_fails_has(
    session: hsframe.Session, bars: list[Bar]
) -> None:
    for _ in session.his_iter("@kw", "2026-10-30,2026-11-08", by="1D", progress=True):
        break
    with pytest.raises(hsframe.UnknownRecError):
        session.his_read(["@kw", "@nope"], "2026-10-30,2026-11-08", progress=True)
    session._run(lambda _: asyncio.sleep(0))
    assert [bar.at_close for bar in bars] == [[1.0], [0.0]]


def test_who_looks_on_sees_until_when_a_read_waits(
    server: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "hsframe")
    monkeypatch.setattr("hsframe.session.progress_bar._DELAY_S", 0.0)
    monkeypatch.setattr("hsframe.session.progress_bar._EVERY_S", 0.01)
    busy = Fault(http(503, b"", b"Retry-After: 0.2"))  # three times, and said once

    async def main() -> None:
        async with (
            faulty_line(server.uri, lambda op, before: busy if op == "hisRead" and before < 4 else None) as line,
            hsframe.AsyncSession(line.uri, "demo", "demo", retries=9, deadline="1h") as session,
        ):
            await session.his_read("@kw", SPAN, progress=True)
            assert line.seen.count("hisRead") > 1

    asyncio.run(main())
    words = r"waits \(hisRead: HTTP 503\), try 2 of 10 at .*\d\d:\d\d, until .*\d\d:\d\d"
    assert re.search(f"his_read, {words}", capsys.readouterr().err)
    (waits,) = (text for text in caplog.messages if text.startswith("waits"))
    assert re.fullmatch(words, waits)
