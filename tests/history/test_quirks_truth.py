"""Every quirk by its name, over a real socket: what is read is the truth, what is written is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.kinds import MARKER, Ref
from hsframe.protocol.dialects import remembered
from hsframe.server.database import Database
from hsframe.testing import quirks
from hsframe.testing.quirk_wrappers import SILENT_CAPS
from hsframe.testing.quirks import BUNDLES, QUIRKS
from hsframe.testing.server import running_server

MINUTE_US = 60_000_000
# Over the end of summer time in Europe and North America; whole windows of it are longer than any cap below.
SPAN = ("2026-10-24", "2026-11-03")
START = pd.Timestamp("2026-10-20", tz="UTC")
ROWS = 20 * 96
POINTS = {"a": "New_York", "b": "New_York", "c": "New_York", "d": "London", "e": "Kathmandu"}

# What a quirk needs to be felt by these reads.
NUMBERS = {
    "rowcap": "400",
    "rowcap-incomplete": "400",
    "rowcap-413": "400",
    "rowcap-500": "400",
    "rowcap-cut": "400",
    "rowcap-hang": "600",
    "cap-first": "400",
    "cap-newest": "400",
    "point-cap-first": "400",
    "point-cap-newest": "400",
    "mixed-up": "3",
    "rowcap-gzip": "400",
    "idcap": "2",
    "slow": "0.02",
    "outage": "3",
    "late-write": "0.1",
    "slow-write": "0.02",
    "body-limit": "20000",
}
# A server that says nothing costs its time-out.
TIMEOUTS_S = {"rowcap-hang": 0.4}


def building() -> Database:
    """Points of three zones with a sample every quarter of an hour, on the quarters: ends of windows are samples."""
    database = Database(tz="New_York")
    ts_us = int(START.timestamp()) * 1_000_000 + np.arange(ROWS, dtype=np.int64) * 15 * MINUTE_US
    for number, (name, tz) in enumerate(POINTS.items()):
        tags: dict[str, Any] = {"id": Ref(name), "dis": name.upper(), "point": MARKER, "his": MARKER}
        database.add(tags | {"kind": "Number", "unit": "kW", "tz": tz})
        # Sums of powers of two: they come through single precision as they are.
        database.set_history(name, ts_us, np.arange(ROWS) + number / 8)
    return database


def truth(name: str, number: int) -> tuple[list[int], list[float]]:
    """Instants and values of a point in the span, by pandas alone."""
    zone = {"New_York": "America/New_York", "London": "Europe/London", "Kathmandu": "Asia/Kathmandu"}[POINTS[name]]
    start = pd.Timestamp(SPAN[0]).tz_localize(zone)
    end = (pd.Timestamp(SPAN[1]) + pd.Timedelta(days=1)).tz_localize(zone)  # the last day belongs to a span of days
    index = pd.date_range(START, periods=ROWS, freq="15min").as_unit("us")
    inside = np.asarray((index >= start) & (index < end))
    return index[inside].asi8.tolist(), (np.flatnonzero(inside) + number / 8).tolist()


def with_number(name: str) -> str:
    return f"{name}={NUMBERS[name]}" if name in NUMBERS else name


CASES = [*map(with_number, QUIRKS), *BUNDLES]
# haystack-py answers whole histories: with a cap there is nothing to be had, see the last test. Nor is there with less
# than three days of rows where these are the least that can be asked for.
PAIRS = [f"{bundle}+rowcap-incomplete=300" for bundle in BUNDLES if bundle not in ("haystack-py", "rusty-haystack")]
PAIRS += ["niagara+slow=0.01", "widesky+idcap=2"]
# A silent cap beside each other habit that changes which rows come, and in which order.
PAIRS += [
    f"{cap}=400+{habit}" for cap in SILENT_CAPS for habit in ("his-limit", "reversed-rows", "skyspark3", "niagara")
]


@pytest.mark.parametrize("quirks", [*CASES, *PAIRS])
def test_what_is_read_is_the_truth(quirks: str) -> None:
    names = quirks.split("+")
    timeout = next((TIMEOUTS_S[name.partition("=")[0]] for name in names if name.partition("=")[0] in TIMEOUTS_S), 30.0)
    with running_server(building(), quirks=names) as server, hsframe.connect(
        server.uri, "demo", "demo", timeout=timeout
    ) as session:  # fmt: skip
        # The second time with all that was found out.
        for _ in range(2):
            frames = session.his_read(list(POINTS), SPAN, shape="dict", header="id")
            assert list(frames) == list(POINTS)
            for number, (name, df) in enumerate(frames.items()):
                ts_us, values = truth(name, number)
                assert df.index.as_unit("us").asi8.tolist() == ts_us, name
                assert df[name].to_numpy("float64").tolist() == values, name
                assert str(df[name].dtype) == "unit[kW]"


# Around the hour that comes twice, at samples and beside them; far apart; before the first sample and after the last.
INSTANTS = [pd.Timestamp("2026-11-01T05:59:59.999999Z"), pd.Timestamp("2026-11-01T05:45Z")] + [
    pd.Timestamp(text, tz="UTC")
    for text in ("2026-11-01T06:07", "2026-10-25", "2026-10-20", "2026-10-19T23:59", "2026-11-10", "2026-10-28")
]


@pytest.mark.parametrize("quirks", CASES)
def test_a_value_at_an_instant_is_the_last_one_of_the_truth(quirks: str) -> None:
    times = pd.date_range(START, periods=ROWS, freq="15min")
    with running_server(building(), quirks=[quirks]) as server, hsframe.connect(
        server.uri, "demo", "demo", timeout=TIMEOUTS_S.get(quirks.partition("=")[0], 30.0)
    ) as session:  # fmt: skip
        df = session.latest(list(POINTS), at=INSTANTS, tz="UTC")
    assert df["at"].tolist() == INSTANTS * len(POINTS)
    assert df["id"].tolist() == [name for name in POINTS for _ in INSTANTS]
    for number, (_, own) in enumerate(df.groupby("id", sort=False)):
        places = times.searchsorted(INSTANTS, side="right") - 1
        wanted = [place + number / 8 if place >= 0 else np.nan for place in places]
        np.testing.assert_array_equal(own["value"].to_numpy("float64"), wanted)
        assert [None if pd.isna(ts) else ts for ts in own["ts"]] == [times[p] if p >= 0 else None for p in places]
        assert ((own["at"] - own["ts"]).dropna() == own["age"].dropna()).all()


@pytest.mark.parametrize(
    "quirks", ["drop-batch-write", "late-write=0.1", "floor-1s", "float32", "body-limit=20000", *BUNDLES]
)
def test_what_is_written_is_there(quirks: str) -> None:
    index = pd.date_range("2026-12-01", periods=400, freq="15min", tz="America/New_York", unit="us", name="ts")
    df = pd.DataFrame({name: np.arange(400.0) + number for number, name in enumerate("abc")}, index)
    database = building()
    with running_server(database, quirks=[quirks]) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        report = session.his_write(df, points={name: name for name in "abc"})
        # What is stored later is there when it is asked for, at the latest.
        back = _until_there(session, 400)
    assert report["rows"].tolist() == [400, 400, 400]
    for number, name in enumerate("abc"):
        assert back[name].index.as_unit("us").asi8.tolist() == index.as_unit("us").asi8.tolist()
        assert back[name].to_numpy("float64").tolist() == (np.arange(400.0) + number).tolist()
        assert len(database.history(name).ts_us) == ROWS + 400
    if quirks in ("haystack-py", "shaystack", "drop-batch-write"):
        assert remembered(server.uri).his_write_batch is False


def _until_there(session: hsframe.Session, rows: int) -> pd.DataFrame:
    for _ in range(50):
        df = session.his_read(["a", "b", "c"], ("2026-12-01", "2026-12-10"), header="id")
        if len(df) == rows:
            break
    return df


def test_what_cannot_be_read_is_an_error_and_no_part_of_it() -> None:
    with running_server(building(), quirks=["haystack-py", "rowcap-incomplete=100"]) as server, hsframe.connect(
        server.uri, "demo", "demo"
    ) as session, pytest.raises(hsframe.IncompleteError, match="nothing is returned"):  # fmt: skip
        session.his_read(["a"], SPAN)


def test_each_quirk_with_a_number_is_given_one() -> None:
    assert set(NUMBERS) == set(quirks.NUMBERS)
