"""The PyPI client phable against the embedded server: another reading of the same standard."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import phable
import pytest

from hsframe.testing.server import running_server

pytestmark = [pytest.mark.interop, pytest.mark.version4]  # phable speaks no other

DAYS = itertools.count()


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with running_server() as server:
        yield server.uri


@pytest.fixture(params=["json", "zinc"])
def client(uri: str, request: pytest.FixtureRequest) -> Iterator[phable.HaystackClient]:
    """Logged in by phable's own SCRAM; closed with the op close, which it posts."""
    with phable.open_haystack_client(uri, "demo", "demo", content_type=request.param) as opened:
        yield opened


def a_number_point(client: phable.HaystackClient, zone: str) -> Any:
    return client.read(f'point and his and kind == "Number" and unit and tz == "{zone}" and not cov')


def rows_of(grid: phable.Grid, column: str = "val") -> list[tuple[datetime, Any]]:
    return [(row["ts"], row[column]) for row in grid.rows if column in row]


def test_a_wrong_password_is_refused(uri: str) -> None:
    with pytest.raises(phable.AuthError):
        phable.HaystackClient.open(uri, "demo", "wrong")


def test_about(client: phable.HaystackClient) -> None:
    about = client.about()
    assert about["haystackVersion"] == "4.0"
    assert about["productName"]


def test_read(client: phable.HaystackClient) -> None:
    sites = client.read_all("site")
    assert sorted(row["tz"] for row in sites.rows) == ["Brisbane", "London", "New_York"]
    by_id = client.read_by_ids([row["id"] for row in sites.rows])
    assert [row["id"].val for row in by_id.rows] == [row["id"].val for row in sites.rows]
    with pytest.raises(phable.CallError):
        client.read_all("site and and")


@pytest.mark.parametrize("zone", ["New_York", "London", "Brisbane"])
def test_his_read(client: phable.HaystackClient, zone: str) -> None:
    point = a_number_point(client, zone)
    yesterday = datetime.now(ZoneInfo({"New_York": "America", "London": "Europe"}.get(zone, "Australia") + "/" + zone))
    yesterday -= timedelta(days=1)
    rows = rows_of(client.his_read_by_id(point["id"], yesterday.date()))
    assert len(rows) > 24
    assert [ts for ts, _ in rows] == sorted(ts for ts, _ in rows)
    assert {ts.date() for ts, _ in rows} == {yesterday.date()}
    assert {value.unit for _, value in rows if isinstance(value, phable.Number)} == {point["unit"]}


def test_a_batch_his_read_is_the_single_ones_side_by_side(client: phable.HaystackClient) -> None:
    points = client.read_all('point and his and kind == "Number" and tz == "London"', 3).rows
    span = phable.DateRange(date.today() - timedelta(days=3), date.today() - timedelta(days=2))
    batch = client.his_read_by_ids([point["id"] for point in points], span)
    assert [col.meta["id"].val for col in batch.cols[1:]] == [point["id"].val for point in points]
    for number, point in enumerate(points):
        single = rows_of(client.his_read_by_id(point["id"], span))
        assert single
        assert rows_of(batch, f"v{number}") == single


def test_his_write_single_and_batch(client: phable.HaystackClient) -> None:
    first, second = client.read_all('point and his and kind == "Number" and unit and tz == "New_York"', 2).rows
    zone = ZoneInfo("America/New_York")
    # Long before the demo's own history, and a day of its own for each run against the same server.
    day = date(2001, 2, 3) + timedelta(days=next(DAYS))
    start = datetime(day.year, day.month, day.day, 4, tzinfo=zone)
    rows = [{"ts": start + timedelta(hours=n), "val": phable.Number(n + 0.25, first["unit"])} for n in range(5)]
    client.his_write_by_id(first["id"], rows)
    span = phable.DateRange(day, day)
    assert rows_of(client.his_read_by_id(first["id"], span)) == [(row["ts"], row["val"]) for row in rows]

    later = start + timedelta(hours=9)
    batch = [
        {"ts": start, "v0": phable.Number(-1.5, first["unit"])},  # overwrites
        {
            "ts": start + timedelta(hours=9),
            "v0": phable.Number(9.5, first["unit"]),
            "v1": phable.Number(7.5, second["unit"]),
        },
    ]
    client.his_write_by_ids([first["id"], second["id"]], batch)
    written = dict(rows_of(client.his_read_by_id(first["id"], span)))
    assert len(written) == 6
    assert written[start] == phable.Number(-1.5, first["unit"])
    assert rows_of(client.his_read_by_id(second["id"], span)) == [(later, batch[1]["v1"])]


def test_a_wrong_zone_is_refused(client: phable.HaystackClient) -> None:
    point = a_number_point(client, "London")
    row = {"ts": datetime(2001, 2, 3, tzinfo=ZoneInfo("America/New_York")), "val": phable.Number(1.0, point["unit"])}
    with pytest.raises(phable.CallError):
        client.his_write_by_id(point["id"], [row])
