"""The server of the PyPI package haystack-py 0.1.10, with real meters.

What it does that others do not, and what every test here must get past: a new handshake token at each step of the
login and 600,000 iterations; ``about``, ``ops``, ``formats`` and ``close`` by GET only; hisRead ignores its range; a
batch hisRead is answered for the first id only, without an error; a batch hisWrite is answered 200 and dropped; Zinc
and JSON v3 answers have six significant digits (Python's "%g"), JSON v4 has them all; the answer of a read by id is
kept and given to the next one, whatever that asks for, until something is written.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import hsframe

pytestmark = [pytest.mark.interop, pytest.mark.one_python]

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / ".peers" / "haystack-py-server" / "bin" / "python"
USER, PASSWORD = "engineer", "a pass:word, with = signs"


@pytest.fixture(scope="module")
def uri(meters: dict[str, Any]) -> Iterator[str]:
    """The server in a process of its own, with the records of the meters and no history."""
    if not PYTHON.exists():
        pytest.skip(
            f"haystack-py is not installed in {PYTHON.parent.parent}: scripts/peers.py does it (Python >= 3.13)"
        )
    records = hsframe.Grid.from_rows({}, list(meters["il-kwh"].record), [meter.record for meter in meters.values()])
    with subprocess.Popen(
        [str(PYTHON), str(HERE / "haystack_py_server.py"), USER, PASSWORD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(hsframe.encode(records, "json").replace(b"\n", b"") + b"\n")
        server.stdin.flush()
        port = server.stdout.readline().decode().strip()
        assert port.isdigit(), "the server did not start; what it said stands above"
        yield f"http://127.0.0.1:{port}/api"
        server.stdin.close()
        assert server.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def loaded(uri: str, meters: dict[str, Any]) -> str:
    """The server with all samples written by hsframe: the two zones' frames as a user has them, two columns each."""
    with hsframe.connect(uri, USER, PASSWORD) as session:
        for pair in (("il-kwh", "il-temp"), ("uk-kwh", "uk-temp")):
            frame = pd.concat([meters[key].series for key in pair], axis=1)
            report = session.his_write(frame, points={meters[key].dis: key for key in pair})
            assert list(report["rows"]) == [len(meters[key].values) for key in pair]
            assert list(report["status"]) == ["written", "written"]
    return uri


def as_sent(values: list[float], format_: str) -> list[float]:
    """What the server makes of the doubles that it keeps, in its answers of that format."""
    return values if format_ == "json" else [float(f"{value:g}") for value in values]


def assert_same(column: pd.Series[Any], ts_us: list[int], values: list[float], unit: str) -> None:
    """Every instant and every value, bit for bit, and the unit."""
    present = column[column.notna()]
    assert present.dtype.unit == unit
    np.testing.assert_array_equal(present.index.as_unit("us").asi8, np.array(ts_us))
    np.testing.assert_array_equal(present.to_numpy("float64"), np.array(values))


def test_login_and_about(uri: str) -> None:
    async def about() -> dict[str, Any]:
        async with hsframe.Client(uri, USER, PASSWORD) as client:
            return dict((await client.about(raw=True))[0])

    assert asyncio.run(about())["productName"] == "hs-py"


def test_a_wrong_password_is_an_auth_error_without_the_secret(uri: str) -> None:
    async def about() -> None:
        async with hsframe.Client(uri, USER, "not-the-secret") as client:
            await client.about()

    with pytest.raises(hsframe.AuthError) as caught:
        asyncio.run(about())
    assert USER in str(caught.value)
    assert uri in str(caught.value)
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize("format_", ["zinc", "json", "json3"])
def test_records_read_the_same_in_every_format(uri: str, format_: str, meters: dict[str, Any]) -> None:
    with hsframe.connect(uri, USER, PASSWORD, format=format_) as session:
        frame = session.read("point and his")
    assert sorted(frame["dis"]) == sorted(meter.dis for meter in meters.values())
    assert set(frame["unit"]) == {"kWh", "°F", "°C"}


@pytest.mark.parametrize("format_", ["zinc", "json", "json3"])
def test_every_sample_comes_back(loaded: str, format_: str, meters: dict[str, Any]) -> None:
    """All four points in one call: two zones, a server that knows no batch."""
    with hsframe.connect(loaded, USER, PASSWORD, format=format_) as session:
        frames = session.his_read(
            list(meters), (pd.Timestamp("2015-01-01", tz="UTC"), pd.Timestamp("2023-01-01", tz="UTC")), shape="dict"
        )
    assert len(frames) == len(meters)
    for meter in meters.values():
        frame = next(frame for frame in frames.values() if frame.columns[0] == meter.dis)
        assert str(frame.index.tz) == meter.zone
        assert frame.index.is_monotonic_increasing
        assert frame.index.is_unique
        assert_same(frame[meter.dis], meter.ts_us, as_sent(meter.values, format_), meter.unit)


@pytest.mark.parametrize(
    ("day", "keys", "hours"),
    [
        ("2016-11-06", ("il-kwh", "il-temp"), 25),  # Chicago sets its clocks back
        ("2017-03-12", ("il-kwh", "il-temp"), 23),  # and forward
        ("2021-03-28", ("uk-kwh", "uk-temp"), 23),  # London forward
        ("2021-10-31", ("uk-kwh", "uk-temp"), 25),  # and back
        ("2017-07-01", ("il-kwh", "il-temp"), 24),
    ],
)
def test_a_day_is_the_points_own_day_although_the_server_ignores_the_range(
    loaded: str, day: str, keys: tuple[str, ...], hours: int, meters: dict[str, Any]
) -> None:
    zone = ZoneInfo(meters[keys[0]].zone)
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = start + timedelta(days=1)  # by the clock on the wall: the next midnight of that zone
    with hsframe.connect(loaded, USER, PASSWORD, format="json") as session:
        frame = session.his_read(list(keys), day)
    assert len(frame) == hours
    for key in keys:
        ts_us, values = meters[key].between(start, end)
        assert len(ts_us) == hours
        assert_same(frame[meters[key].dis], ts_us, values, meters[key].unit)


def test_an_unknown_id_is_named(loaded: str) -> None:
    with (
        hsframe.connect(loaded, USER, PASSWORD) as session,
        pytest.raises(hsframe.UnknownRecError, match="no-such-point"),
    ):
        session.his_read(["il-kwh", "no-such-point"], "2017-07-01")


def test_parquet_keeps_what_was_read(loaded: str, tmp_path: Path, meters: dict[str, Any]) -> None:
    with hsframe.connect(loaded, USER, PASSWORD) as session:
        frame = session.his_read(["uk-kwh", "uk-temp"], "2021-10")
    hsframe.write_parquet(frame, tmp_path / "uk.parquet")
    back = hsframe.read_parquet(tmp_path / "uk.parquet")
    pd.testing.assert_frame_equal(back, frame)
    assert dict(back.hs.units) == {meters["uk-kwh"].dis: "kWh", meters["uk-temp"].dis: "°C"}


def test_the_doctor_sees_what_this_server_does(loaded: str) -> None:
    answers = hsframe.doctor(loaded, USER, PASSWORD, point="@il-kwh").set_index("question")["answer"]
    assert answers["login"] == "SCRAM SHA-256, 600,000 iterations"
    assert answers["formats"] == "Zinc: yes; JSON v4: yes; JSON v3: yes"
    assert answers["methods"] == "about by GET; ops by GET; read by GET and POST"
    assert answers["zones of points"] == "Chicago (2), London (2)"
    assert answers["hisRead of a point"].startswith("yes: 19,417 rows of @il-kwh")
    assert answers["rows outside a range"].startswith("all: the range is ignored")
    assert answers["hisRead of a batch"] == "none: answered for some points only, without an error"
    assert answers["rows at once"] == "no limit found: 19,417 rows in one answer"
    assert answers["request body"] == "2 MiB are accepted; hsframe never sends more"


@pytest.mark.parametrize("format_", ["zinc", "json"])
def test_a_write_is_verified_although_zinc_answers_have_six_digits(
    loaded: str, format_: str, meters: dict[str, Any]
) -> None:
    # The last test here: a write changes the order of the records that this server answers with.
    key = "uk-temp"
    series = meters[key].series.iloc[:200]
    with hsframe.connect(loaded, USER, PASSWORD, format=format_) as session:
        (told,) = session.his_write(series, points={series.name: key}, dry_run=True).to_dict("records")
        assert (told["new"], told["same"], told["different"]) == (0, 200, 0)
        changed = series.copy()
        changed.iloc[7] = 99.5
        (told,) = session.his_write(changed, points={series.name: key}, dry_run=True).to_dict("records")
        assert (told["same"], told["different"]) == (199, 1)
        assert told["first_difference"] == series.index[7]
        (report,) = session.his_write(series, points={series.name: key}, verify=True).to_dict("records")
    assert (report["status"], report["same"]) == ("verified", 200)
