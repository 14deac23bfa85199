"""The demo building: what its users rely on."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from hsframe import units
from hsframe.kinds import Number, Ref
from hsframe.server.clock import ManualClock
from hsframe.server.database import Database
from hsframe.server.demo import demo_building
from hsframe.spans import epoch_us
from hsframe.testing.server import running_server
from hsframe.zones import zone

END = datetime(2026, 11, 22, 12, 37, 41, tzinfo=UTC)
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def demo() -> Database:
    return demo_building(END)


def points(demo: Database, filter: str = "point") -> list[Mapping[str, Any]]:
    return demo.query(filter)


def values(demo: Database, id: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Instants and values of a Number point, without NA."""
    history = demo.history(id)
    assert history.values is not None
    assert history.na is not None
    return history.ts_us[~history.na], history.values[~history.na]


def test_three_sites_in_their_zones(demo: Database) -> None:
    assert sorted(rec["tz"] for rec in points(demo, "site")) == ["Brisbane", "London", "New_York"]


def test_the_points(demo: Database) -> None:
    found = points(demo)
    assert len(found) >= 40
    assert len({rec["dis"] for rec in found}) == len(found)
    assert {rec["kind"] for rec in found} == {"Number", "Bool", "Str"}
    for rec in found:
        assert {"dis", "kind", "tz", "siteRef", "equipRef", "his"} <= set(rec), rec["id"]
        site, equip = demo.get(rec["siteRef"]), demo.get(rec["equipRef"])
        assert site is not None
        assert equip is not None
        assert ("site" in site, "equip" in equip, equip["siteRef"], site["tz"]) == (
            True,
            True,
            rec["siteRef"],
            rec["tz"],
        )
        assert ("unit" in rec) == (rec["kind"] == "Number"), rec["id"]
        assert ("enum" in rec) == (rec["kind"] != "Number"), rec["id"]
        if rec["kind"] != "Number":
            assert rec["hisMode"] == "cov"
    assert len({rec["unit"] for rec in points(demo, "point and unit")}) >= 8
    assert points(demo, 'hisMode == "cov" and kind == "Number"')


def test_units_are_those_of_the_table(demo: Database) -> None:
    for rec in points(demo, "point and unit"):
        found = units.find(rec["unit"])
        assert found is not None
        assert found.symbol == rec["unit"], rec["id"]


def test_writable_points(demo: Database) -> None:
    found = points(demo, "writable and unit")
    assert len(found) >= 5
    for rec in found:
        assert "sp" in rec or "cmd" in rec
        assert rec["writeVal"].unit == rec["unit"]
        assert demo.priorities(rec["id"]).effective(0.0) == (17, rec["writeVal"])


def test_over_a_year_up_to_now(demo: Database) -> None:
    last = epoch_us(datetime(2026, 11, 22, 12, 30, tzinfo=UTC))
    for rec in points(demo, 'hisMode == "sampled"'):
        history = demo.history(rec["id"])
        assert history.ts_us[-1] == last, rec["id"]
        assert history.ts_us[-1] - history.ts_us[0] > 395 * DAY_US
        assert (history.ts_us % 900_000_000 == 0).all()
        assert (np.diff(history.ts_us) > 0).all()
        assert len(history) > 37_000
    for rec in points(demo):
        assert demo.history(rec["id"]).ts_us[-1] <= last


def test_every_sampled_point_is_whole_in_the_last_week(demo: Database) -> None:
    for rec in points(demo, 'hisMode == "sampled"'):
        history = demo.history(rec["id"])
        midnight = END.astimezone(zone(rec["tz"])).replace(hour=0, minute=0, second=0, microsecond=0)
        assert history.na is not None
        for back in range(8):
            start = midnight - timedelta(days=back)
            day = history.between(epoch_us(start), epoch_us(start + timedelta(days=1)))
            assert day.stop - day.start == (96 if back else (epoch_us(END) - epoch_us(midnight)) // 900_000_000 + 1)
            assert not history.na[day].any()


def test_there_are_gaps_and_na(demo: Database) -> None:
    sampled = [demo.history(rec["id"]) for rec in points(demo, 'hisMode == "sampled"')]
    for history in sampled:
        assert (np.diff(history.ts_us) > 900_000_000).any()
    with_na = [history for history in sampled if history.na is not None and history.na.any()]
    assert len(with_na) > len(sampled) / 2


def test_cov_points_change_at_each_sample(demo: Database) -> None:
    for rec in points(demo, 'hisMode == "cov"'):
        history = demo.history(rec["id"])
        assert history.values is not None
        assert (history.values[1:] != history.values[:-1]).all(), rec["id"]
        assert 3 <= len(history) < 3_000, (rec["id"], len(history))
        if rec["kind"] == "Str":
            assert set(history.values) <= set(rec["enum"].split(","))


@pytest.mark.parametrize(("site", "tz", "day"), [("nyc", "New_York", "2026-11-01"), ("lon", "London", "2026-10-25")])
def test_the_repeated_hour_is_there_twice(demo: Database, site: str, tz: str, day: str) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone(tz))
    for rec in points(demo, f'hisMode == "sampled" and siteRef == @{site}'):
        history = demo.history(rec["id"])
        hours = history.between(epoch_us(midnight), epoch_us(midnight.replace(hour=3)))
        if hours.stop - hours.start == 16:  # three hours of the clock are four: not a point with a gap that day
            return
    pytest.fail(f"no point of {site} is whole in the night of {day}")


@pytest.mark.parametrize("site", ["nyc", "lon", "bne"])
def test_meters_count_up_what_the_power_was(demo: Database, site: str) -> None:
    ts, energy = values(demo, f"{site}-meter-kwh")
    assert (np.diff(energy) > 0).all()
    power_ts, power = values(demo, f"{site}-meter-kw")
    both, at_energy, at_power = np.intersect1d(ts, power_ts, return_indices=True)
    steps = np.diff(both) == 900_000_000
    counted = np.diff(energy[at_energy])[steps]
    assert np.allclose(counted, power[at_power][1:][steps] * 0.25, atol=0.011)
    assert power.min() > 0


def test_the_gas_meter_counts_up(demo: Database) -> None:
    assert (np.diff(values(demo, "lon-boiler-gas")[1]) >= 0).all()


def month_mean(demo: Database, id: str, tz: str, month: int) -> float:
    ts, temps = values(demo, id)
    local = np.array([datetime.fromtimestamp(us / 1e6, zone(tz)).month for us in ts[::48].tolist()])
    return float(temps[::48][local == month].mean())


@pytest.mark.parametrize(
    ("site", "tz", "summer", "winter"), [("nyc", "New_York", 7, 1), ("lon", "London", 7, 1), ("bne", "Brisbane", 1, 7)]
)
def test_seasons_are_those_of_the_hemisphere(demo: Database, site: str, tz: str, summer: int, winter: int) -> None:
    warm, cold = (month_mean(demo, f"{site}-weather-oat", tz, month) for month in (summer, winter))
    assert warm > cold + 5


@pytest.mark.parametrize(("site", "tz"), [("nyc", "New_York"), ("lon", "London"), ("bne", "Brisbane")])
def test_people_come_by_the_local_clock(demo: Database, site: str, tz: str) -> None:
    ts, power = values(demo, f"{site}-meter-kw")
    when = [datetime.fromtimestamp(us / 1e6, zone(tz)) for us in ts.tolist()]
    weekday = np.array([local.weekday() for local in when])
    hour = np.array([local.hour for local in when])
    noon = power[(weekday < 5) & (hour == 11)].mean()
    night = power[(weekday < 5) & (hour == 3)].mean()
    sunday = power[(weekday == 6) & (hour == 11)].mean()
    assert noon > 1.7 * night
    assert noon > 1.5 * sunday


def test_values_are_plausible(demo: Database) -> None:
    bounds = {
        "°F": (0, 110),
        "°C": (-15, 85),
        "%RH": (15, 100),
        "%": (0, 100),
        "ppm": (380, 1500),
        "kW": (0, 700),
        "Hz": (0, 60),
        "V": (220, 260),
        "cfm": (0, 26_000),
        "L/s": (0, 4_500),
        "inH₂O": (0, 2),
        "Pa": (0, 350),
        "kPa": (0, 130),
    }
    for rec in points(demo, "point and unit"):
        _, found = values(demo, rec["id"].val)
        assert np.isfinite(found).all()
        if rec["unit"] in bounds:
            low, high = bounds[rec["unit"]]
            assert low <= found.min() <= found.max() <= high, (rec["id"], found.min(), found.max())


def test_the_fan_moves_the_air(demo: Database) -> None:
    run = demo.history("nyc-ahu1-fanrun")
    assert run.values is not None
    ts, flow = values(demo, "nyc-ahu1-flow")
    on = run.values[np.searchsorted(run.ts_us, ts, "right") - 1]
    assert (flow[on] > 5_000).mean() > 0.99
    assert (flow[~on] == 0).mean() > 0.99


def test_the_same_seed_and_end_give_the_same_data(demo: Database) -> None:
    again = demo_building(END + timedelta(minutes=7))  # the same quarter of an hour
    for rec in points(demo):
        one, two = demo.history(rec["id"]), again.history(rec["id"])
        assert np.array_equal(one.ts_us, two.ts_us)
        assert np.array_equal(one.values, two.values)  # type: ignore[arg-type]
        assert np.array_equal(one.na, two.na)  # type: ignore[arg-type]
        assert again.get(rec["id"]) == rec
    other = demo_building(END, seed=2, days=30)
    assert not np.array_equal(values(other, "nyc-weather-oat")[1], values(demo, "nyc-weather-oat")[1][-30 * 96 :])


def test_a_later_start_tells_the_same_story(demo: Database) -> None:
    later = demo_building(END + timedelta(days=3, hours=5), days=100)
    for id in ("nyc-weather-oat", "lon-meter-kw", "bne-chiller1-flow"):
        ts, old = values(demo, id)
        new_ts, new = values(later, id)
        both, at_old, at_new = np.intersect1d(ts, new_ts, return_indices=True)
        settled = both > new_ts[0] + DAY_US  # a lag forgets where it began
        assert settled.sum() > 9_000
        assert np.allclose(old[at_old][settled], new[at_new][settled], atol=0.11)


def test_it_is_made_quickly() -> None:
    started = time.process_time()
    demo_building()
    assert time.process_time() - started < 1.5


def test_reset_puts_a_point_back(demo: Database) -> None:
    with running_server(demo_building(END, days=2), users={}) as server:
        database = server.database
        before = database.get("nyc-vav101-zatsp")
        assert before is not None
        default = before["writeVal"]
        levels = database.priorities("nyc-vav101-zatsp")
        levels.write(8, Number(80, "°F"), "someone")
        answer = database.actions["reset"](database, before, {})
        assert answer[0]["writeVal"] == default
        assert levels.effective(0.0) == (17, default)
    assert Ref("nyc") == before["siteRef"]


def test_a_building_that_is_served_goes_on(demo: Database) -> None:
    clock = ManualClock(END)
    with running_server(demo_building(END, days=20, live=True), users={}, clock=clock) as server:
        database = server.database
        lengths = {rec["id"]: len(database.history(rec["id"])) for rec in points(database)}
        fetch(server.uri + "/about")
        assert {rec["id"]: len(database.history(rec["id"])) for rec in points(database)} == lengths
        revision = database.revision("nyc-meter-kwh")
        for _ in range(5):
            clock.advance(6 * 3600 + 1)
            fetch(server.uri + "/about")
        whole = demo_building(clock.now(), days=20)
        for rec in points(database, 'hisMode == "sampled"'):
            assert len(database.history(rec["id"])) == lengths[rec["id"]] + 120
            ts, found = values(database, rec["id"].val)
            assert (np.diff(ts[-200:]) == 900_000_000).all()
            expected = values(whole, rec["id"].val)[1][-121:]
            if "hisTotalized" in rec:
                found, expected = np.diff(found[-121:]), np.diff(expected)
            # A resolution step of the coarsest point, the cfm of a large fan, apart from how the lags settled.
            assert np.allclose(found[-120:], expected[-120:], atol=0.11, rtol=0.01), rec["id"]
            current = rec["curVal"].val
            if "writable" not in rec:
                assert current == values(database, rec["id"].val)[1][-1]
        assert database.revision("nyc-meter-kwh") > revision
        for rec in points(database, 'hisMode == "cov"'):
            history = database.history(rec["id"])
            assert (np.diff(history.ts_us) > 0).all()
            assert history.values is not None
            assert (history.values[1:] != history.values[:-1]).all(), rec["id"]


def fetch(uri: str) -> bytes:
    with urllib.request.urlopen(uri) as answer:
        return bytes(answer.read())
