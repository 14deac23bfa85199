"""Haystack zone names and IANA zones (standard: chapter TimeZones).

A Haystack zone name is the last segment of an IANA id: ``New_York``, ``Port-au-Prince``, ``GMT+5`` (which is
``Etc/GMT+5``; its sign is inverted, as IANA has it). IANA repeats some last segments, mostly in backward aliases
(``America/Louisville``, ``US/Eastern``), so the way back is a table: canonical zones first. The arithmetic of
repeated and skipped hours is in :mod:`hsframe.spans` (``local_instant_us``).
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hsframe.caller_warnings import warn_caller
from hsframe.errors import ZoneError, ZoneWarning

__all__ = ["haystack_name", "zone", "zone_key", "zone_or_utc"]

# Areas in which IANA keeps cities; everything else in the data base is an alias by country or a fixed offset.
_CITY_AREAS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific Etc".split()  # noqa: SIM905 - reads better
)


@functools.cache
def _links() -> Mapping[str, str]:
    """Alias to canonical id, of the backward names in the IANA data base."""
    text = importlib.resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text("utf-8")
    pairs = (line.split() for line in text.splitlines() if line.startswith("L "))
    return {alias: target for _, target, alias in pairs}


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

    Examples
    --------
    >>> zone_key("New_York"), zone_key("GMT+5"), zone_key("Louisville")
    ('America/New_York', 'Etc/GMT+5', 'America/Kentucky/Louisville')
    """
    key = _keys().get(name)
    if key is not None:
        return key
    if "/" in name:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # the error below says more
    raise ZoneError(
        f"no time zone is called {name!r}; expected the last segment of an IANA id, as in 'New_York', or the whole "
        "id, as in 'America/New_York'"
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
            f"no time zone is called {name!r} here; its times are right by their offsets, and shown in UTC. A newer "
            "package tzdata may know the zone",
            ZoneWarning,
        )
        return zone("UTC")


def haystack_name(of: tzinfo | str) -> str:
    """The Haystack name of a zone or of an IANA id, for a point without a ``tz`` tag.

    A fixed offset of other than whole hours, and a zone that is not in the IANA data base, raise ZoneError.

    Examples
    --------
    >>> haystack_name("America/New_York"), haystack_name("US/Eastern"), haystack_name("Etc/GMT-3")
    ('New_York', 'New_York', 'GMT-3')
    """
    return _name_of_key(of) if isinstance(of, str) else _name_of_tzinfo(of)


def _name_of_tzinfo(of: tzinfo) -> str:
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
