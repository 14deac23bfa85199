"""Haystack zone names and IANA ids."""

import importlib.resources
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz as dateutil_tz

from hsframe.errors import ZoneError
from hsframe.zones import haystack_name, zone, zone_key

KEYS = importlib.resources.files("tzdata").joinpath("zones").read_text("utf-8").split()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("New_York", "America/New_York"),
        ("Port-au-Prince", "America/Port-au-Prince"),
        ("GMT+5", "Etc/GMT+5"),
        ("GMT-14", "Etc/GMT-14"),
        ("UTC", "UTC"),
        ("GMT", "GMT"),
        ("Louisville", "America/Kentucky/Louisville"),
        ("Indianapolis", "America/Indiana/Indianapolis"),
        ("Mendoza", "America/Argentina/Mendoza"),
        ("Knox", "America/Indiana/Knox"),
        ("America/New_York", "America/New_York"),
        ("US/Eastern", "US/Eastern"),
    ],
)
def test_names_to_keys(name: str, key: str) -> None:
    assert zone_key(name) == key
    assert zone(name) == ZoneInfo(key)
    assert zone(name) is zone(name)


def test_the_sign_of_etc_is_inverted() -> None:
    when = datetime(2021, 1, 1)
    assert zone("GMT+5").utcoffset(when) == timedelta(hours=-5)
    assert zone("GMT-3").utcoffset(when) == timedelta(hours=3)


@pytest.mark.parametrize("name", ["Nowhere", "", "new_york", "America/Nowhere", "../etc/passwd", "/etc/passwd", "a/\0"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ZoneError, match="no time zone is called"):
        zone(name)


@pytest.mark.parametrize("key", KEYS)
def test_every_iana_id_has_a_name_that_leads_back_to_its_clock(key: str) -> None:
    again = zone(haystack_name(key))
    assert haystack_name(again) == haystack_name(key)
    for month in (1, 7):
        when = datetime(2024, month, 15, 12)
        assert again.utcoffset(when) == ZoneInfo(key).utcoffset(when)


def test_names_of_tzinfo() -> None:
    assert haystack_name(ZoneInfo("America/New_York")) == "New_York"
    assert haystack_name(UTC) == "UTC"
    assert haystack_name(timezone(timedelta(hours=-5))) == "GMT+5"
    assert haystack_name(timezone(timedelta(hours=3))) == "GMT-3"
    assert haystack_name(timezone(timedelta(0))) == "UTC"
    with pytest.raises(ZoneError, match="fixed offset"):
        haystack_name(timezone(timedelta(hours=5, minutes=30)))
    with pytest.raises(ZoneError, match="ZoneInfo"):
        haystack_name(dateutil_tz.tzstr("EST5EDT"))
