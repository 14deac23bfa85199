"""Values at instants: those of the whole history, by any server."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.errors import SpanError
from hsframe.history.latest import Latest, read_latest
from hsframe.history.plan import ReadOptions, RequestLimits
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.spans import epoch_us, from_epoch_us
from tests.history.odd_server import BASE_S, NOW, OddServer, S, odd_servers, spread
from tests.session.connected import connected

HOUR, DAY, NOW_US = 3600 * S, 86400 * S, epoch_us(NOW)


def at(server: OddServer, instants: Sequence[int], reach_us: int, **options: Any) -> list[Latest]:
    moments = [from_epoch_us(us, UTC) for us in instants]
    points = [Ref(ident) for ident in server.zones]
    return asyncio.run(read_latest(server, points, reach_us, ReadOptions(NOW, **options), moments))


@st.composite
def asked(draw: st.DrawFn) -> tuple[OddServer, list[int]]:
    """A server and some instants, mostly those of samples, and beside them."""
    server = draw(odd_servers())
    samples = sorted({us for own in server.samples.values() for us, _ in own}) or [BASE_S * S]
    beside = st.builds(int.__add__, st.sampled_from(samples), st.sampled_from([0, -1, 1, S, -S]))
    far = st.integers(BASE_S - 50 * 86400, BASE_S + 25 * 86400).map(lambda s: s * S)
    return server, draw(st.lists(beside | far, min_size=1, max_size=6))


few = st.builds(RequestLimits, rows=st.integers(100, 500), points=st.integers(1, 5))


@given(asked(), st.sampled_from([40 * DAY, 3 * DAY, HOUR]), few)
def test_it_is_what_the_whole_history_has(
    case: tuple[OddServer, list[int]], reach_us: int, limits: RequestLimits
) -> None:
    server, instants = case
    step = S if server.floor else 1
    found = at(server, instants, reach_us, limits=limits)
    wanted = []
    for ident, samples in server.samples.items():
        times = [us // step * step for us, _ in samples]
        for us in instants:
            last = bisect_right(times, us) - 1
            is_near = last >= 0 and us - times[last] < reach_us
            is_future = us > NOW_US and not (is_near and times[last] > NOW_US)
            wanted.append(
                (ident, us, times[last], us - times[last], Number(samples[last][1], "kW"), "ok")
                if is_near and not is_future
                else (ident, us, None, None, None, "future" if is_future else "none")
            )
    assert [(row.point.id, row.at_us, row.ts_us, row.age_us, row.cell, row.status) for row in found] == wanted


def test_instants_that_are_near_are_read_together() -> None:
    server = OddServer(spread("ab", 4000, 900), {"a": "UTC", "b": "UTC"})
    mornings = [(BASE_S // 86400 + day) * DAY + 8 * HOUR for day in range(1, 30)]
    assert all(row.status == "ok" for row in at(server, mornings, 400 * DAY))
    assert len(server.asked) == 4, "the day before the first, all up to the last, and whether that is whole"
    server.asked.clear()
    at(server, [mornings[0], mornings[10], mornings[20]], 400 * DAY)
    assert len(server.asked) == 3
    server.asked.clear()
    at(server, mornings[:10], HOUR)
    assert len(server.asked) == 10, "where no value may be old, nothing between is read"


def test_instants_in_all_forms() -> None:
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW"}
    database = Database([{**tags, "id": Ref("ny"), "tz": "New_York"}, {**tags, "id": Ref("bne"), "tz": "Brisbane"}])
    database.add({**tags, "id": Ref("cur"), "tz": "New_York", "curVal": Number(7, "kW")})
    start = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp()) * S
    for ident in ("ny", "bne"):
        database.set_history(ident, start + np.arange(480) * HOUR, np.arange(480.0), np.arange(480) == 100)
    with connected(database) as s:

        def values(when: Any, point: str = "@ny") -> list[float]:
            df = s.latest(point, at=when)
            return [float(value) for value in df["value"]]

        assert values("2026-10-21T08:30") == [36]  # 8:30 in New York is 12:30Z
        assert values("2026-10-21T08:30", "@bne") == [22]
        assert (
            values("2026-10-21") == values(datetime(2026, 10, 21)) == values(pd.Timestamp("2026-10-21T04:00Z")) == [28]
        )
        assert values(["2026-10-21", "2026-10-20T20:30", "2026-10-21"]) == [28, 24, 28]
        assert values(iter(pd.date_range("2026-10-21", periods=2, tz="UTC"))) == [24, 48]
        # A sample a fraction of a microsecond after the instant is after it.
        hour = pd.Timestamp("2026-10-21T04:00Z")
        assert values([hour, hour - pd.Timedelta(1, "ns")]) == [28, 27]
        # Each of the two hours that New York's clock shows in that night, in all forms.
        two = pd.date_range("2026-11-01T05:30Z", periods=2, freq="1h").tz_convert("America/New_York")
        database.set_history("bne", two.as_unit("us").asi8, np.array([1.0, 2.0]))
        for night in (two, list(two), [one.to_pydatetime() for one in two], [one.isoformat() for one in two]):
            assert values(night, "@bne") == [1, 2]
        assert [values(one, "@bne") for one in two] == [[1], [2]]
        row = s.latest("@ny", at="2026-10-24T00:10").iloc[0]
        assert (row["status"], row["ts"]) == ("NA", pd.Timestamp("2026-10-24T04:00Z"))
        df = s.latest(["@ny", "@cur", "@no"], at="2026-10-21T08:30", on_error="catalog")
        assert df.columns.tolist() == ["id", "dis", "at", "ts", "age", "value", "unit", "source", "status"]
        assert df["status"].tolist() == ["ok", "none", "failed"]
        assert df["at"].tolist() == [pd.Timestamp("2026-10-21T08:30", tz="America/New_York")] * 3
        assert df["age"].iloc[0] == pd.Timedelta("30min")
        assert s.latest("@ny", at=[]).columns.tolist() == df.columns.tolist()
        assert s.latest("@ny", at=["2026-10-21", "2020"]).hs.catalog["rows"].tolist() == [1]
        assert s.latest("@ny", at="-1min", max_age="9000D")["value"].tolist() == [479]
        for wrong in (
            "2026-01-01,2026-01-02",
            7,
            [None],
            "soon",
            pd.NaT,
            "yesterday 8:00",
            ["-1h", "2026-13-01"],
            "0000",
        ):
            one = wrong[-1] if isinstance(wrong, list) else wrong
            said = f"^at={re.escape(repr(one))} is not an instant; expected '2026-11-01T08:00' or .* '-2h'"
            with pytest.raises(SpanError, match=said):
                s.latest("@ny", at=wrong)
        for right in (
            "2026-11-01T08:00:00-05:00",
            "now",
            "yesterday",
            "yesterday 08:00",
        ):  # those that the message names
            assert len(s.latest("@ny", at=right)) == 1
        stamps = pd.DatetimeIndex(["2026-10-21T00:10", "2026-10-22T00:10"])
        assert s.latest("@ny", at=stamps.to_numpy())["value"].equals(s.latest("@ny", at=stamps)["value"])


def test_what_is_not_yet_has_no_value_but_a_forecast(tmp_path: Any) -> None:
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "UTC"}
    database = Database([{**tags, "id": Ref("kw")}, {**tags, "id": Ref("forecast")}])
    now = int(datetime.now(UTC).timestamp()) // 3600 * HOUR
    database.set_history("kw", now + np.arange(-48, 1) * HOUR, np.arange(49.0))
    database.set_history("forecast", now + np.arange(-48, 49) * HOUR, np.arange(97.0))
    instants = [pd.Timestamp(now + hours * HOUR, unit="us", tz="UTC") for hours in (-1, 4, 2000)]
    with connected(database) as s:
        hsframe.Archive(tmp_path).sync("point", session=s)
        for source in (s, hsframe.Archive(tmp_path)):
            df = source.latest("point", at=instants)
            assert df["status"].tolist() == ["ok", "future", "future", "ok", "ok", "ok"]
            assert df["value"].fillna(-1).tolist() == [47, -1, -1, 47, 52, 96]
            reason = f"{instants[1]:%Y-%m-%dT%H:%MZ} is later than now, and there is no forecast for it"
            assert df.hs.catalog["reason"].fillna("").tolist() == [reason, ""]
            assert source.latest("@kw", at=instants[2]).hs.catalog["status"].tolist() == ["empty"]


def test_an_archive_has_the_same(tmp_path: Any) -> None:
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
    database = Database([{**tags, "id": Ref("a")}, {**tags, "id": Ref("b")}])
    start = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp()) * S
    for ident in ("a", "b"):
        database.set_history(ident, start + np.arange(480) * HOUR, np.arange(480.0))
    instants = ["2026-10-21T08:30", "2026-10-29", "2026-11-01T01:30"]
    with connected(database) as s:
        s.export("point", ("2026-10-20", "2026-11-10"), tmp_path)
        df = s.latest("point", at=instants)
    archive = hsframe.Archive(tmp_path)
    pd.testing.assert_frame_equal(archive.latest("point", at=instants), df)
    with pytest.warns(hsframe.ReadWarning, match=r"2 of 2 points may lack samples.* brings what is earlier"):
        archive.latest("point", at="2025-01-01")
