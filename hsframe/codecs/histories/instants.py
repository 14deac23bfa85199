"""A DateTime of the exact parser to epoch microseconds, if it carries the zone that the column has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

__all__ = ["instant_us"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def instant_us(value: Any, label: ZoneInfo) -> int | None:
    """Epoch microseconds of a DateTime labelled with the zone; None for anything else."""
    if not isinstance(value, datetime) or value.tzinfo is not label:
        return None
    return (value - _EPOCH) // _MICROSECOND
