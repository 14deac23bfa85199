"""The real meters of notebooks/meters, read with the standard library only: the truth that the tests compare with."""

from __future__ import annotations

import csv
import gzip
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "meters"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Meter:
    """A point and its samples as the file has them: instants in epoch microseconds, values as doubles."""

    id: str
    dis: str
    unit: str
    tz: str
    zone: str
    ts_us: list[int]
    values: list[float]

    @property
    def record(self) -> dict[str, Any]:
        """The point's record, as a server keeps it."""
        return {
            "id": hsframe.Ref(self.id),
            "dis": self.dis,
            "point": hsframe.MARKER,
            "his": hsframe.MARKER,
            "sensor": hsframe.MARKER,
            "kind": "Number",
            "unit": self.unit,
            "tz": self.tz,
        }

    @property
    def series(self) -> pd.Series[Any]:
        """The samples as a column of a frame that a user would write."""
        index = pd.DatetimeIndex(np.array(self.ts_us, "datetime64[us]"), name="ts").tz_localize("UTC")
        return pd.Series(self.values, index.tz_convert(self.zone), name=self.dis).astype(hsframe.UnitDtype(self.unit))

    def between(self, start: datetime, end: datetime) -> tuple[list[int], list[float]]:
        """The samples in the half-open window."""
        first, last = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (start, end))
        rows = [(ts, val) for ts, val in zip(self.ts_us, self.values, strict=True) if first <= ts < last]
        return [ts for ts, _ in rows], [val for _, val in rows]


def load(file: str, time: str, value: str, **tags: str) -> Meter:
    """Read a file's instants by their own text: its offset, or UTC where it has none."""
    ts_us, values = [], []
    with gzip.open(FOLDER / file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            moment = datetime.fromisoformat(row[time])
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            ts_us.append((moment - EPOCH) // timedelta(microseconds=1))
            values.append(float(row[value]))
    assert len(ts_us) > 19_000
    assert all(map(math.isfinite, values))
    return Meter(ts_us=ts_us, values=values, **tags)


@pytest.fixture(scope="session")
def meters() -> dict[str, Meter]:
    """The four real trends by id."""
    chicago = {"tz": "Chicago", "zone": "America/Chicago"}
    london = {"tz": "London", "zone": "Europe/London"}
    loaded = (
        load(
            "il-electricity-cdd-hdd-hourly.csv.gz",
            "start",
            "value",
            id="il-kwh",
            dis="Illinois Electricity",
            unit="kWh",
            **chicago,
        ),
        load("il-tempF.csv.gz", "dt", "tempF", id="il-temp", dis="Illinois Outdoor Temp", unit="°F", **chicago),
        load(
            "uk-electricity-hdd-only-hourly-sample-0.csv.gz",
            "start",
            "value",
            id="uk-kwh",
            dis="UK Electricity",
            unit="kWh",
            **london,
        ),
        load("uk-tempC-sample-0.csv.gz", "dt", "tempC", id="uk-temp", dis="UK Outdoor Temp", unit="°C", **london),
    )
    return {meter.id: meter for meter in loaded}
