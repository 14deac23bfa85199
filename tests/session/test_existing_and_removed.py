"""Samples that are on the server: kept, replaced or refused by a write, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import CallError, MetadataError, NetworkError, UnknownRecError
from hsframe.grid import Grid
from hsframe.history import write
from hsframe.kinds import MARKER, NA, REMOVE, Ref
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import RunningServer, running_server
from tests.history.bad_line import bad_line

HOUR_US = 3_600_000_000
FIRST_US = 1_793_505_600_000_000  # 2026-11-01T04:00Z, the day of 25 hours in New York
DAY = "2026-11-01"


def building() -> Database:
    """Two meters, a fan and a mode, each with the samples of three days, an hour apart."""
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "tz": "New_York"}
    ts_us = FIRST_US + np.arange(-24, 49) * HOUR_US
    numbers = np.arange(73, dtype=np.float64)
    for name, kind in {"kw": "Number", "kwh": "Number", "fan": "Bool", "mode": "Str"}.items():
        unit = {"unit": "kW"} if kind == "Number" else {}
        database.add({"id": Ref(name), "dis": f"The {name}", "kind": kind, **unit, **tags})
        others: dict[str, Any] = {"Bool": numbers % 2 == 0, "Str": ["on" if n % 2 else "off" for n in range(73)]}
        database.set_history(name, ts_us, others.get(kind, numbers))
    return database


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_CHECK_PAUSES_S", (0.0, 0.01))


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(building()) as running:
        yield running


def session_of(server: RunningServer) -> hsframe.Session:
    return hsframe.connect(server.uri, "demo", "demo")


def frame(values: list[float], start: int = 0) -> pd.DataFrame:
    index = pd.DatetimeIndex(FIRST_US + (start + np.arange(len(values))) * HOUR_US, dtype="datetime64[us, UTC]")
    return pd.DataFrame({"kw": values}, index)


def samples(server: RunningServer, name: str = "kw") -> dict[int, Any]:
    history = server.database.history(name)
    return dict(zip(((history.ts_us - FIRST_US) / HOUR_US).tolist(), history.values.tolist(), strict=True))


# What a write does to samples that are there -------------------------------------------------------------------------

# The hours from 47 on are 71 and 72 on the server; 49 and 50 are new.
BACKFILL = frame([71.0, 99.0, 1.0, 2.0], 47)


@pytest.mark.parametrize(("existing", "there"), [("replace", [71.0, 99.0, 1.0, 2.0]), ("keep", [71.0, 72.0, 1.0, 2.0])])
def test_a_backfill_keeps_and_a_correction_replaces(server: RunningServer, existing: Any, there: list[float]) -> None:
    before = samples(server)
    with session_of(server) as s:
        dry = s.his_write(BACKFILL, existing=existing, dry_run=True)
        assert samples(server) == before
        report = s.his_write(BACKFILL, existing=existing, verify=True)
        assert [samples(server)[hour] for hour in (47, 48, 49, 50)] == there
    assert dry[["new", "same", "different"]].iloc[0].tolist() == [2, 1, 1]
    assert (report["rows"].tolist(), report["status"].tolist()) == ([4], ["verified"])
    assert report.get("kept", pd.Series(dtype=int)).tolist() == ([2] if existing == "keep" else [])
    assert dry.get("kept", pd.Series(dtype=int)).tolist() == ([2] if existing == "keep" else [])


def test_a_kept_sample_is_not_sent(server: RunningServer) -> None:
    sent: list[int] = []
    wrap_op(server.app, "hisWrite", lambda call, run: (sent.append(len(call.grid)), run(call))[1])
    with session_of(server) as s:
        assert s.his_write(BACKFILL, existing="keep")["kept"].tolist() == [2]
        again = s.his_write(BACKFILL, existing="keep", verify=True)
        assert (again["kept"].tolist(), again["status"].tolist()) == ([4], ["kept"])
        assert s.his_write(BACKFILL.iloc[2:], existing="refuse")["kept"].tolist() == [2]
    assert sent == [2]


def test_another_value_is_refused_and_nothing_is_sent(server: RunningServer) -> None:
    before = samples(server)
    df = BACKFILL.assign(fan=[False, True, True, True])
    with session_of(server) as s:
        dry = s.his_write(df, existing="refuse", dry_run=True)
        with pytest.raises(MetadataError) as caught:
            s.his_write(df, existing="refuse")
    assert (dry["status"].tolist(), dry["kept"].tolist()) == (["refused", "dry run"], [1, 2])
    text = str(caught.value)
    for words in ("1 of 2 points", "@kw (The kw) 1 of 4 samples", "2026-11-02T23:00:00-05:00", "72 kW", "99 kW"):
        assert words in text
    assert "othing was sent" in text
    pd.testing.assert_frame_equal(caught.value.report, dry)  # type: ignore[attr-defined]
    assert samples(server) == before
    assert len(server.database.history("fan")) == 73


@pytest.mark.parametrize("existing", ["overwrite", None])
def test_another_way_is_refused_before_the_server_is_asked(existing: Any) -> None:
    with hsframe.connect("http://127.0.0.1:1/api", "", "") as s, pytest.raises(MetadataError, match="'keep'"):
        s.his_write(BACKFILL, existing=existing)


@pytest.mark.parametrize("quirks", [("haxall",), ("drop-batch-write",)])
@pytest.mark.parametrize("existing", ["keep", "refuse"])
def test_what_a_server_has_rounded_is_the_same(quirks: tuple[str, ...], existing: Any) -> None:
    """Single precision, whole seconds: what was written from a frame is there, not different."""
    index = pd.DatetimeIndex(FIRST_US + np.arange(60) * 1_250_000 + 400_000, dtype="datetime64[us, UTC]")
    numbers = np.arange(60) / 7
    df = pd.DataFrame({"kw": numbers, "kwh": numbers, "fan": numbers > 3}, index)
    with running_server(building(), quirks=quirks) as server, session_of(server) as s:
        s.his_write(df, verify=True)
        report = s.his_write(df, existing=existing)
    assert report["kept"].tolist() == [60] * 3


def test_an_interrupted_backfill_says_what_was_kept(server: RunningServer) -> None:
    with (
        bad_line(server.uri, 0, "swallow") as line,
        hsframe.connect(line.uri, "demo", "demo", deadline=2) as s,
        pytest.raises(NetworkError) as caught,
    ):
        s.his_write(BACKFILL, existing="keep")
    report = caught.value.report  # type: ignore[attr-defined]
    assert report[["rows", "kept", "written", "unknown"]].to_numpy().tolist() == [[4, 2, 0, 2]]


VALUES = st.dictionaries(st.integers(0, 9), st.sampled_from([1.0, 2.0]), min_size=1)


@pytest.fixture(scope="module")
def one_server() -> Iterator[RunningServer]:
    with running_server(building()) as running:
        yield running


@given(VALUES, VALUES, st.sampled_from(["replace", "keep", "refuse"]))
def test_the_server_has_the_union_and_one_side_wins(
    one_server: RunningServer, old: dict[int, float], new: dict[int, float], existing: Any
) -> None:
    one_server.database.set_history("kw", np.array(list(old)) * HOUR_US + FIRST_US, np.array(list(old.values())))
    index = pd.DatetimeIndex(np.array(list(new)) * HOUR_US + FIRST_US, dtype="datetime64[us, UTC]")
    wanted = new | old if existing == "keep" else old | new
    with session_of(one_server) as s:
        try:
            s.his_write(pd.DataFrame({"kw": list(new.values())}, index), existing=existing)
        except MetadataError:
            assert existing == "refuse"
            assert new | old != old | new
            wanted = old
        else:
            assert existing != "refuse" or new | old == old | new
    assert samples(one_server) == {float(hour): value for hour, value in wanted.items()}


# Removed -------------------------------------------------------------------------------------------------------------

NAMES = ["kw", "kwh", "fan", "mode"]


@pytest.mark.parametrize("quirks", [(), ("haxall",), ("body-limit=1000",), ("dates-only",), ("no-batch",)], ids=str)
def test_the_samples_of_a_span_are_removed_and_no_others(quirks: tuple[str, ...]) -> None:
    """A day of 25 hours, in the points' own zone; of all kinds, NA among them."""
    database = building()
    na = np.arange(73) == 30
    database.set_history("kwh", FIRST_US + np.arange(-24, 49) * HOUR_US, np.zeros(73), na)
    with running_server(database, quirks=quirks) as server, session_of(server) as s:
        dry = s.his_remove("point", DAY, dry_run=True)
        assert [len(database.history(name)) for name in NAMES] == [73] * 4
        report = s.his_remove("point", DAY)
        again = s.his_remove("point", DAY)
        left = [samples(server, name) for name in NAMES]
    assert report.columns.tolist() == ["id", "dis", "first", "last", "rows", "removed", "status"]
    assert report["id"].tolist() == NAMES
    assert report["dis"].iloc[0] == "The kw"
    assert report["rows"].tolist() == report["removed"].tolist() == dry["rows"].tolist() == [25] * 4
    assert dry["removed"].tolist() == [0] * 4
    assert (set(dry["status"]), set(report["status"]), set(again["status"])) == (
        {"dry run"},
        {"removed"},
        {"no samples"},
    )
    assert report["first"].tolist() == [pd.Timestamp("2026-11-01T04:00Z")] * 4
    assert report["last"].tolist() == [pd.Timestamp("2026-11-02T04:00Z")] * 4
    assert again["rows"].tolist() == [0] * 4
    assert again["first"].isna().all()
    assert [list(one) for one in left] == [[hour for hour in range(-24, 49) if not 0 <= hour < 25]] * 4


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(st.integers(-30, 50), st.integers(0, 30))
def test_a_span_is_half_open_here_too(one_server: RunningServer, start: int, length: int) -> None:
    one_server.database.set_history("kwh", FIRST_US + np.arange(-24, 49) * HOUR_US, np.arange(73.0))
    ends = [pd.Timestamp((FIRST_US + hour * HOUR_US) * 1000, tz="UTC") for hour in (start, start + length)]
    with session_of(one_server) as s:
        read = len(s.his_read("@kwh", (ends[0], ends[1])))
        assert s.his_remove("@kwh", (ends[0], ends[1]))["removed"].tolist() == [read]
    left = [hour for hour in range(-24, 49) if not start <= hour < start + length]
    assert list(samples(one_server, "kwh")) == left


def instants(*hours: int, tz: str = "UTC") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(
        FIRST_US + np.array(hours, dtype=np.int64) * HOUR_US, dtype="datetime64[us, UTC]"
    ).tz_convert(tz)


@pytest.mark.parametrize(
    "form",
    [
        lambda times: times,
        lambda times: times.tz_convert("America/New_York")[::-1],
        lambda times: times.append(times),
        lambda times: times.to_series().reset_index(drop=True),
        list,
        lambda times: times.to_pydatetime(),
        lambda times: times.astype("timestamp[us, tz=America/New_York][pyarrow]"),
        lambda times: [times[0].tz_convert("Asia/Tokyo"), *times[1:]],
    ],
)
def test_the_samples_at_instants_are_removed_and_no_others(server: RunningServer, form: Callable[..., Any]) -> None:
    times = instants(3, 4, 17, 60)  # at 60 there is no sample
    with session_of(server) as s:
        dry = s.his_remove(["@kw", "@fan"], form(times), dry_run=True)
        report = s.his_remove(["@kw", "@fan"], form(times))
        again = s.his_remove("@kw", form(times))
        one = s.his_remove("@kw", [times[0] + pd.Timedelta("2h")])
        none = s.his_remove("@kw", times[:0])
    assert report.columns.tolist() == ["id", "dis", "first", "last", "rows", "removed", "absent", "status"]
    assert dry["rows"].tolist() == report["removed"].tolist() == [3, 3]
    assert report["absent"].tolist() == [1, 1]
    assert report["last"].tolist() == [times[2]] * 2
    assert (again["status"].tolist(), again["absent"].tolist()) == (["no samples"], [4])
    assert (one["removed"].tolist(), none["rows"].tolist(), none["absent"].tolist()) == ([1], [0], [0])
    assert list(samples(server)) == [hour for hour in range(-24, 49) if hour not in (3, 4, 5, 17)]


def test_the_rows_of_a_frame_are_removed_by_its_index_and_not_all_that_its_points_have(server: RunningServer) -> None:
    with session_of(server) as s:
        raw = s.his_read("@kw", DAY)
        bad = raw[raw["The kw"] > hsframe.Number(40, "kW")]
        tidy = s.his_read("@kw", DAY, shape="tidy")
        for points in (bad, tidy, bad["The kw"], ["@fan", bad]):
            with pytest.raises(MetadataError, match=r"of samples, and all samples .*his_remove\('@a', bad.index\)"):
                s.his_remove(points, DAY)
        assert len(samples(server)) == 73
        entities = s.read("power or id==@kw")
        assert s.his_remove(entities, bad.index)["removed"].tolist() == [len(bad)] == [8]
    assert max(hour for hour, value in samples(server).items() if hour < 25) == 16


@pytest.mark.parametrize(
    ("span", "error", "words"),
    [
        (
            instants(1, 2).tz_localize(None),
            hsframe.ZoneError,
            r"times with a zone, .*; got a DatetimeIndex of datetime64",
        ),
        (pd.RangeIndex(5), hsframe.ZoneError, "got a RangeIndex of int64"),
        (pd.Series(["2026-11-01T04:00Z"]), hsframe.ZoneError, "got a Series of str"),
        (pd.DatetimeIndex([*instants(1), pd.NaT]), hsframe.SpanError, r"missing \(NaT\)"),
        (instants(1)[0], hsframe.SpanError, r"all time from then on; .* write \[time\]"),
        (list(instants(1, 2)), hsframe.SpanError, r"a span or two instants; for the span write \(start, end\)"),
        ([time.replace(tzinfo=None) for time in instants(1, 2, 3)], hsframe.ZoneError, "got a ndarray of datetime64"),
        (
            [("2026-11-01", "2026-11-02")] * 40,
            hsframe.SpanError,
            "and a list of 40 has 40 parts",
        ),
    ],
    ids=["naive", "numbers", "texts", "NaT", "one", "two", "naive list", "pairs"],
)
def test_what_is_neither_a_span_nor_instants_is_refused(
    server: RunningServer, span: Any, error: type[Exception], words: str
) -> None:
    with session_of(server) as s, pytest.raises(error, match=words) as caught:
        s.his_remove("@kw", span)
    assert len(str(caught.value)) < 400
    assert len(samples(server)) == 73


def test_the_async_and_the_module_verbs_do_it_too(server: RunningServer) -> None:
    async def run() -> pd.DataFrame:
        async with hsframe.AsyncSession(server.uri, "demo", "demo") as session:
            return await session.his_remove(["@kw"], DAY)

    assert asyncio.run(run())["removed"].tolist() == [25]
    with hsframe.connect(server.uri, "demo", "demo"):
        assert hsframe.his_remove(hsframe.read("point"), DAY)["removed"].tolist() == [0, 25, 25, 25]
        with pytest.raises(UnknownRecError):
            hsframe.his_remove("@nobody", DAY)


def kept(call: Call, run: Callable[[Call], Grid]) -> Grid:
    """The answer of a server that has kept the value Remove, where ours has NA."""
    grid = run(call)
    return Grid(grid.meta, grid.cols, [[REMOVE if cell is NA else cell for cell in column] for column in grid.columns])


@pytest.mark.parametrize("shown", ["NA", "REMOVE"])
def test_where_something_else_is_stored_one_sample_is_put_back_and_it_ends(shown: str) -> None:
    with running_server(building(), quirks=["remove-na"]) as server, session_of(server) as s:
        if shown == "REMOVE":
            wrap_op(server.app, "hisRead", kept)
        before = samples(server)
        with pytest.raises(CallError) as caught:
            s.his_remove("point", DAY)
        assert samples(server) == before
        assert not any(server.database.history(name).na.any() for name in NAMES)
    text = str(caught.value)
    for words in ("does not remove", "@kw (The kw) at 2026-11-01T00:00:00-04:00, which was 24 kW", f"it had {shown}"):
        assert words in text
    assert "was put back; nothing else was sent" in text
    report = caught.value.report  # type: ignore[attr-defined]
    assert (report["removed"].sum(), report["unknown"].sum()) == (0, 0)
    assert set(report["status"]) == {"not removed"}


def test_where_it_is_ignored_nothing_more_is_sent() -> None:
    sent: list[int] = []
    with running_server(building(), quirks=["remove-ignored"]) as server, session_of(server) as s:
        wrap_op(server.app, "hisWrite", lambda call, run: (sent.append(len(call.grid)), run(call))[1])
        with pytest.raises(CallError, match=r"it answered, and has the sample of @kw .* still; nothing else was sent"):
            s.his_remove("point", DAY)
        assert len(server.database.history("kw")) == 73
    assert sent == [1]


def test_a_server_that_refuses_remove(server: RunningServer) -> None:
    def refuse(call: Call, run: Callable[[Call], Grid]) -> Grid:
        raise OpRefusal("hisWrite: cannot write Remove", "ArgErr")

    wrap_op(server.app, "hisWrite", refuse)
    with (
        session_of(server) as s,
        pytest.raises(CallError, match=r"refused to remove samples of @kw .*cannot write") as caught,
    ):
        s.his_remove("point", DAY)
    assert caught.value.report[["removed", "unknown"]].to_numpy().sum() == 0
    assert "cannot write Remove" in caught.value.report.set_index("id")["reason"]["kw"]


@pytest.mark.parametrize("quirks", [(), ("floor-1s",), ("remove-na",), ("floor-1s", "remove-na")])
@pytest.mark.parametrize("others", [(), (0,), (0, 2_000_000)])
def test_a_sample_beside_those_to_remove_stays(quirks: tuple[str, ...], others: tuple[int, ...]) -> None:
    """A server of whole seconds takes the Remove of a sample at half a second for that of the one before it."""
    meant = [500_000, 1_500_000]
    with running_server(building(), quirks=quirks) as server, session_of(server) as s:
        first_us = FIRST_US + 1000 * HOUR_US
        instants = sorted([*meant, *others, 900_000_000])  # 15 minutes later is a sample at a whole second
        values = np.arange(1.0, 1 + len(instants))
        server.database.set_history("kw", first_us + np.array(instants), values)
        span = tuple(pd.Timestamp(first_us + us, unit="us", tz="UTC") for us in (500_000, 3_600_000_000))
        if others == (0, 2_000_000):
            span = (span[0], pd.Timestamp(first_us + 2_000_000, unit="us", tz="UTC"))
        inside = [us for us in instants if span[0].value <= (first_us + us) * 1000 < span[1].value]
        if not quirks:
            assert s.his_remove("@kw", span)["removed"].tolist() == [len(inside)]
        else:
            with pytest.raises(CallError, match="does not remove") as caught:
                s.his_remove("@kw", span)
            report = caught.value.report  # type: ignore[attr-defined]
            assert report["removed"].tolist() == [0]
            assert "does not remove" in report["reason"].iloc[0]
            assert ("remove those at such by instants" in str(caught.value)) == ("floor-1s" in quirks)
            assert "safe to repeat" not in caught.value.__notes__[0]
            assert ("in its place, was put back" in str(caught.value)) == (bool(others) and "floor-1s" in quirks)
        left = server.database.history("kw")
        there = dict(zip((np.asarray(left.ts_us) - first_us).tolist(), np.asarray(left.values).tolist(), strict=True))
    for us, value in zip(instants, values.tolist(), strict=True):
        assert there.get(us) == (value if quirks or us not in inside else None)


@pytest.mark.parametrize("odd", ["fan", "mode"])
def test_each_kind_of_point_is_tried_by_itself(odd: str) -> None:
    """A server that removes Numbers may do something else with the others."""

    def change(call: Call, run: Callable[[Call], Grid]) -> Grid:
        return Grid() if call.grid.meta.get("id") == Ref(odd) else run(call)

    with running_server(building()) as server, session_of(server) as s:
        wrap_op(server.app, "hisWrite", change)
        with pytest.raises(CallError, match=f"the sample of @{odd}") as caught:
            s.his_remove("point", DAY)
        report = caught.value.report  # type: ignore[attr-defined]
        there = [len(server.database.history(name)) for name in NAMES]
    assert all(count >= 72 for count in there)
    assert (73 - np.array(there)).tolist() == report["removed"].tolist()


def test_a_sample_that_cannot_be_put_back_is_told(server: RunningServer) -> None:
    writes = iter(range(9))

    def change(call: Call, run: Callable[[Call], Grid]) -> Grid:
        return Grid() if next(writes) else run(call)

    with running_server(building(), quirks=["remove-na"]) as odd, session_of(odd) as s:
        wrap_op(odd.app, "hisWrite", change)
        with pytest.raises(CallError, match=r"could not be put back: write 24 kW there again") as caught:
            s.his_remove("@kw", DAY)
    assert "24 kW" in caught.value.report["reason"].iloc[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("good", [0, 1, 2])
@pytest.mark.parametrize("fault", ["cut", "swallow"])
def test_an_interrupted_removal_says_what_is_gone(server: RunningServer, good: int, fault: Any) -> None:
    with (
        bad_line(server.uri, good, fault) as line,
        hsframe.connect(line.uri, "demo", "demo", deadline=2) as s,
        pytest.raises(NetworkError) as caught,
    ):
        s.his_remove(["@kw", "@kwh"], DAY)
    report = caught.value.report  # type: ignore[attr-defined]
    gone = [73 - len(server.database.history(name)) for name in report["id"]]
    assert report["removed"].tolist() == gone
    assert "safe to repeat this call: it removes what is left" in caught.value.__notes__[0]
    with session_of(server) as s:
        assert s.his_remove(["@kw", "@kwh"], DAY)["rows"].tolist() == [25 - count for count in gone]
    assert list(samples(server)) == list(samples(server, "kwh"))


@pytest.mark.parametrize("quirk", ["remove-na", "floor-1s"])
def test_a_trial_that_is_cancelled_is_put_back(quirk: str) -> None:
    """While it was waited for, the server had stored something else, or removed the sample at the whole second."""
    with running_server(building(), quirks=[quirk]) as server:
        if quirk == "floor-1s":
            server.database.set_history("kw", FIRST_US + np.array([0, 500_000]), np.array([24.0, 25.0]))
            span: Any = (pd.Timestamp(FIRST_US + 500_000, unit="us", tz="UTC"), pd.Timestamp("2026-11-02", tz="UTC"))
        else:
            span = DAY

        async def run() -> Any:
            loop, stored = asyncio.get_running_loop(), asyncio.Event()

            def tell(call: Call, run: Callable[[Call], Grid]) -> Grid:
                loop.call_soon_threadsafe(stored.set)
                return run(call)

            wrap_op(server.app, "hisWrite", tell)
            async with hsframe.AsyncSession(server.uri, "demo", "demo") as session:
                task = asyncio.create_task(session.his_remove("@kw", span))
                await stored.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                return caught.value

        error = asyncio.run(run())
        assert not server.database.history("kw").na.any()
        assert server.database.history("kw").values[-2 if quirk == "floor-1s" else 24] == 24.0
    assert "was put back" in error.report["reason"].iloc[0]


def test_samples_that_stay_are_told(server: RunningServer) -> None:
    def change(call: Call, run: Callable[[Call], Grid]) -> Grid:
        few = Grid(call.grid.meta, call.grid.cols, [list(column)[:10] for column in call.grid.columns])
        return run(replace(call, grid=few))

    wrap_op(server.app, "hisWrite", change)
    with session_of(server) as s, pytest.raises(CallError, match=r"14 of 25 of @kw \(The kw\)") as caught:
        s.his_remove("@kw", DAY)
    assert caught.value.report["removed"].tolist() == [11]  # type: ignore[attr-defined]
