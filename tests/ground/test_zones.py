"""Haystack zone names and IANA ids."""

import importlib.resources
import os
import re
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz as dateutil_tz
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import ZoneError, ZoneWarning
from hsframe.zones import check_offset, haystack_name, zone, zone_key

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


UNKNOWN = [
    "Nowhere",
    "",
    "new_york",
    "America/Nowhere",
    "../etc/passwd",
    "/etc/passwd",
    "a/\0",
    "a/" * 1000,
    "a/" + "b." * 999,
]


@pytest.mark.parametrize("name", UNKNOWN)
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


def warned_of(text: str, name: str) -> str:
    """The warning about an offset, empty where there is none."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_offset(datetime.fromisoformat(text), name)
    return str(told[0].message) if told else ""


@pytest.mark.parametrize(
    ("text", "name", "right"),
    [
        ("2022-01-21T00:03:11-00:00", "Amsterdam", r"\+01:00"),
        ("2022-07-21T00:03:11Z", "London", r"\+01:00"),
        ("2022-07-21T00:03:11+02:00", "London", r"\+01:00"),
        ("2022-01-21T12:00:00-04:00", "New_York", "-05:00"),
        ("2022-01-21T12:00:00-05:00", "UTC", r"\+00:00"),
        ("2022-01-21T12:00:00+05:00", "Kolkata", r"\+05:30"),
        ("2022-01-21T12:00:00+05:00", "GMT+5", "-05:00"),
    ],
)
def test_an_offset_that_the_zone_does_not_have_is_warned_of(text: str, name: str, right: str) -> None:
    with pytest.warns(ZoneWarning, match=f"with the zone {re.escape(name)}, which is at {right} on 2022-"):
        check_offset(datetime.fromisoformat(text), name)


@given(
    st.sampled_from([key.rsplit("/", 1)[-1] for key in KEYS if "/" in key and not key.startswith("Etc")]),
    st.datetimes(datetime(1800, 1, 1), datetime(2036, 1, 1)),
)
def test_no_offset_of_the_zone_itself_is_warned_of(name: str, when: datetime) -> None:
    stamp = when.replace(tzinfo=UTC).astimezone(zone(name))
    offset = stamp.utcoffset()
    assert offset is not None
    written = timezone(timedelta(minutes=int(offset / timedelta(minutes=1))))  # as writers do with seconds
    assert warned_of(stamp.astimezone(written).isoformat(), name) == ""


def test_what_tells_nothing_about_a_zone_is_not_warned_of() -> None:
    # On the day of a change either offset is the zone's, wherever the server sees the change.
    for clock in ("00:30", "01:30", "12:00"):
        for offset in ("-04:00", "-05:00"):
            assert warned_of(f"2026-11-01T{clock}:00{offset}", "New_York") == ""
    assert warned_of("2026-11-02T00:00:00-04:00", "New_York") != ""
    assert warned_of("2026-11-20T00:00:00+07:00", "Atlantis") == ""  # of an unknown zone others warn
    assert warned_of("9999-12-31T23:00:00+00:00", "New_York") == ""
    assert warned_of("0001-01-01T00:00:00+05:00", "New_York") == ""


OLD_FILES = """
import sys, warnings
import hsframe
from hsframe.spans import resolve
from hsframe.zones import zone_files
warnings.simplefilter("always")

def told(run):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        run()
    return [f"{warning.category.__name__}: {warning.message}" for warning in given]

def decode(*stamps):
    rows = "".join(f"{stamp},1kW\\n" for stamp in stamps)
    return lambda: hsframe.decode(f'ver:"3.0" id:@p\\nts,val\\n{rows}'.encode(), "zinc")

print(zone_files("America/Vancouver")[0])
print(resolve("2024-01-15", "Vancouver"))
for given in (
    told(decode("2024-01-15T00:00:00-08:00 Vancouver", "2024-01-16T00:00:00-08:00 Vancouver")),
    told(decode("2024-01-15T00:00:00-03:00 Vancouver")),
    told(decode("2024-07-15T00:00:00-07:00 Vancouver")),
    told(lambda: resolve("2024-01-15", "Vancouver")),
    told(lambda: resolve("2024-07-15", "Vancouver")),
    told(lambda: resolve("2024-01-15", "New_York")),
):
    print(given)
"""


def with_zone_files(folder: str) -> list[str]:
    environment = {**os.environ, "PYTHONTZPATH": folder}
    done = subprocess.run(
        [sys.executable, "-c", OLD_FILES], capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    return done.stdout.splitlines()


@pytest.mark.one_python
def test_old_zone_files_are_told_from_a_wrong_offset(tmp_path: Path) -> None:
    """Files in which Vancouver has no winter time, as newer ones have it from 2026 on, stand for outdated ones."""
    (tmp_path / "America").mkdir()
    phoenix = importlib.resources.files("tzdata").joinpath("zoneinfo", "America", "Phoenix").read_bytes()
    (tmp_path / "America" / "Vancouver").write_bytes(phoenix)
    (tmp_path / "tzdata.zi").write_text("# version 2019a\n# redo posix_only\n")
    version, day, stale, wrong, *others = with_zone_files(str(tmp_path))
    assert version == f"2019a in {tmp_path}"
    assert day == "[2024-01-15T00:00:00-07:00, 2024-01-16T00:00:00-07:00)"
    assert stale.count("ZoneWarning") == 1
    assert "America/Vancouver is at -08:00 on 2024-01-15, but Python has -07:00" in stale
    assert "2019a" in stale
    assert "days are cut and shown by the old files: update" in stale
    assert "the server writes -03:00 with the zone Vancouver, which is at -07:00" in wrong
    assert others[0] == "[]"
    assert "but Python has -07:00" in others[1]
    assert others[1].count("ZoneWarning") == 1
    assert others[2:] == ["[]", "[]"]


@pytest.mark.one_python
def test_the_packages_own_zone_files_are_never_old(tmp_path: Path) -> None:
    version, day, stale, wrong, *others = with_zone_files("")
    assert version == ""
    assert day == "[2024-01-15T00:00:00-08:00, 2024-01-16T00:00:00-08:00)"
    assert stale == "[]"
    assert "which is at -08:00" in wrong
    assert others == ["[]"] * 4
