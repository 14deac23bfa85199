"""Haystack zone names and IANA zones (standard: chapter TimeZones).

A Haystack zone name is the last segment of an IANA id: ``New_York``, ``Port-au-Prince``, ``GMT+5`` (which is
``Etc/GMT+5``; its sign is inverted, as IANA has it). IANA repeats some last segments, mostly in backward aliases
(``America/Louisville``, ``US/Eastern``), so the way back is a table: canonical zones first. The arithmetic of
repeated and skipped hours is in :mod:`hsframe.spans` (``local_instant_us``).

Python takes a zone's rules from the machine's files (``zoneinfo.TZPATH``) before the package tzdata's. Where they are
years older, days are cut an hour off. That is warned of, not mended: a zone with other rules than ``ZoneInfo(key)``
would not be the zone of the user's own frames.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hsframe.caller_warnings import warn_caller
from hsframe.errors import ZoneError, ZoneWarning, in_short

_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
#: What to do about zone files of the machine that are older than the package's.
NEWER_FILES: Final = (
    "update the machine's zone files, or set the environment variable PYTHONTZPATH to an empty text before Python "
    "starts, so that it uses the package's"
)

# Of these names Python looks for a file, in packages too: each part of a longer one would be imported in turn.
_IANA_ID: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){1,3}")

# Areas in which IANA keeps cities; everything else in the data base is an alias by country or a fixed offset.
_CITY_AREAS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific Etc".split()  # noqa: SIM905 - reads better
)


@functools.cache
def _links() -> Mapping[str, str]:
    """Alias to canonical id, of the backward names in the IANA data base."""
    pairs = (line.split() for line in _source_of_package().splitlines() if line.startswith("L "))
    return {alias: target for _, target, alias in pairs}


def _source_of_package() -> str:
    return importlib.resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text("utf-8")


@functools.cache
def _keys() -> Mapping[str, str]:
    """Haystack name to IANA id."""
    links = _links()
    text = importlib.resources.files("tzdata").joinpath("zones").read_text("utf-8")

    def rank(key: str) -> tuple[bool, bool, int, str]:
        city = key.split("/", 1)[0] in _CITY_AREAS
        return (not city, key in links, -key.count("/"), key)

    table: dict[str, str] = {}
    for key in sorted(text.split(), key=rank):
        table.setdefault(key.rsplit("/", 1)[-1], key)
    # Etc/UTC and UTC are one zone; the bare id is what pandas, pyarrow and people write.
    table["UTC"] = "UTC"
    table["GMT"] = "GMT"
    # The reference server's zone of relative times, which has no offset.
    table["Rel"] = "UTC"
    return table


def zone_key(name: str) -> str:
    """The IANA id of a zone, from its Haystack name or its IANA id; ZoneError for an unknown one.

    >>> zone_key("New_York"), zone_key("GMT+5"), zone_key("Louisville")
    ('America/New_York', 'Etc/GMT+5', 'America/Kentucky/Louisville')
    """
    key = _keys().get(name)
    if key is not None:
        return key
    if _IANA_ID.fullmatch(name):
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # the error below says more
    raise ZoneError(
        f"no time zone is called {in_short(name)!r}; expected the last segment of an IANA id, as in 'New_York', or "
        "the whole id, as in 'America/New_York'"
    )


@functools.cache
def zone(name: str) -> ZoneInfo:
    """The zone of a Haystack name or an IANA id, one object per zone; ZoneError for an unknown one."""
    return ZoneInfo(zone_key(name))


def zone_or_utc(name: str) -> ZoneInfo:
    """The zone of a DateTime whose offset is known: for a name that is not known UTC, with a ZoneWarning."""
    try:
        return zone(name)
    except ZoneError:
        warn_caller(
            f"no time zone is called {in_short(name)!r} here; its times are right by their offsets, and shown in UTC. "
            "A newer package tzdata may know the zone",
            ZoneWarning,
            f"unknown zone {name}",
        )
        return zone("UTC")


def haystack_name(of: tzinfo | str) -> str:
    """The Haystack name of a zone or of an IANA id, for a point without a ``tz`` tag.

    A fixed offset of other than whole hours, and a zone that is not in the IANA data base, raise ZoneError.

    >>> haystack_name("America/New_York"), haystack_name("US/Eastern"), haystack_name("Etc/GMT-3")
    ('New_York', 'New_York', 'GMT-3')
    """
    if isinstance(of, str):
        return _name_of_key(of)
    key = getattr(of, "key", None) or getattr(of, "zone", None)
    if isinstance(key, str):
        return _name_of_key(key)
    if of is UTC:
        return "UTC"
    offset = of.utcoffset(None)
    if offset is None:
        # dateutil's and the machine's local zone have neither a name nor a fixed offset.
        offset = of.utcoffset(datetime(2000, 1, 1))
        if offset != of.utcoffset(datetime(2000, 7, 1)):
            raise ZoneError(f"{of!r} does not tell its IANA name; use zoneinfo.ZoneInfo('America/New_York')")
    hours, rest = divmod(offset or timedelta(0), timedelta(hours=1))
    if rest:
        raise ZoneError(f"the fixed offset {of} has no zone name; use a zoneinfo.ZoneInfo")
    return "UTC" if hours == 0 else f"GMT{-hours:+d}"


@functools.cache
def _name_of_key(key: str) -> str:
    name = key.rsplit("/", 1)[-1]
    if key in ("Etc/UTC", "Etc/GMT"):
        return name  # the table has their bare ids
    if zone_key(name if name in _keys() else key) == key:
        return name
    target = _links().get(key)
    if target is None:
        # A canonical zone whose last segment another canonical zone has first; none today (2026f).
        raise ZoneError(f"the zone {key!r} has no unambiguous Haystack name")
    return _name_of_key(target)


def check_offset(stamp: datetime, name: str) -> None:
    """Warn where a timestamp has an offset that the zone of a Haystack name does not have on that day.

    The offset decides the instant all the same. On the day of a change both offsets are the zone's.
    """
    try:
        doubt = _doubt(stamp.toordinal(), stamp.utcoffset() or timedelta(0), name)
    except (ZoneError, OverflowError):  # no zone that is known, or the end of the calendar
        return
    if doubt is not None:
        warn_caller(doubt[0], ZoneWarning, doubt[1])


@functools.lru_cache(1 << 14)
def _doubt(day: int, offset: timedelta, name: str) -> tuple[str, str] | None:
    """The warning about an offset on a day, and its topic."""
    start, label = datetime.fromordinal(day).replace(tzinfo=timezone(offset)), zone(name)
    if _has_offset_of(label, start):
        return None
    newer = _newer(label.key)
    if newer is not None and _has_offset_of(newer, start):
        return _old_files(start.astimezone(label))
    text = (
        f"the server writes {_offset(start)} with the zone {name}, which is at {_offset(start.astimezone(label))} on "
        f"{start.date()}. The offset decides: instants are as they are written. If the server means the clock time "
        "instead, all of them are wrong by the difference, and its days are not those that are cut here: have the "
        "zone that it writes in checked"
    )
    return text, "offset against zone"


def _has_offset_of(label: ZoneInfo, start: datetime) -> bool:
    """Whether a zone has the offset of the start of a day, then or a day later."""
    times = (start, start + _DAY)
    clocks = ((when.astimezone(label).replace(tzinfo=None), when.replace(tzinfo=None)) for when in times)
    # In local mean time, before there were zones, an offset has seconds, which no format can write.
    return any(abs(own - written) < _MINUTE for own, written in clocks)


def check_zone_files(*cuts: datetime | None) -> None:
    """Warn where old zone files of the machine give a time, at which a day is cut, another offset."""
    outdated = (when for when in cuts if when is not None and isinstance(when.tzinfo, ZoneInfo) and is_outdated(when))
    if (first := next(outdated, None)) is not None:
        message, topic = _old_files(first)
        warn_caller(message, ZoneWarning, topic)


def is_outdated(when: datetime) -> bool:
    """Whether newer zone files than those that Python uses have another offset at a time in a ``ZoneInfo``."""
    newer = _newer(str(when.tzinfo))
    return newer is not None and when.astimezone(newer).utcoffset() != when.utcoffset()


def _old_files(when: datetime) -> tuple[str, str]:
    key = str(when.tzinfo)
    machine, package = zone_files(key)
    text = (
        f"{key} is at {_offset(when.astimezone(_newer(key)))} on {when.date()}, but Python has {_offset(when)} from "
        f"this machine's zone files ({machine}), which are older than the package tzdata ({package}). Instants are "
        f"right, but days are cut and shown by the old files: {NEWER_FILES}"
    )
    return text, "old zone files"


def _offset(when: datetime) -> str:
    return when.isoformat(timespec="seconds")[19:]


def zone_files(key: str = "UTC") -> tuple[str, str]:
    """The version and folder of the machine's files of an IANA id, empty where Python uses none; and the package's."""
    package = _version(_source_of_package())
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / key).is_file():
            named = (folder / name for name in ("tzdata.zi", "+VERSION"))
            text = next((file.read_text("utf-8") for file in named if file.is_file()), "")
            return f"{_version(text) or 'no version'} in {folder}", package
    return "", package


def _version(source: str) -> str:
    """The version in the first line of a source, as 2026f."""
    return source.partition("\n")[0].removeprefix("# version ").strip()


@functools.cache
def _newer(key: str) -> ZoneInfo | None:
    """The package's zone of an IANA id, where Python uses an older file of the machine."""
    machine, package = zone_files(key)
    file = importlib.resources.files("tzdata").joinpath("zoneinfo", *key.split("/"))
    if not machine or (machine[0].isdigit() and machine.split()[0] >= package) or not file.is_file():
        return None
    with file.open("rb") as opened:
        return ZoneInfo.from_file(opened, key=key)
