"""Daily, weekly and monthly values of four real trends: those of pandas on local dates, to the last bit."""

from __future__ import annotations

import functools
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from tests.session.connected import connected, floats

METERS = Path(__file__).resolve().parents[2] / "notebooks" / "meters"
TRENDS = {
    "il-kwh": ("il-electricity-cdd-hdd-hourly.csv.gz", "kWh", "America/Chicago", "2015-11-22", "2018-02-07"),
    "il-temp": ("il-tempF.csv.gz", "°F", "America/Chicago", "2015-11-22", "2018-02-07"),
    "uk-kwh": ("uk-electricity-hdd-only-hourly-sample-0.csv.gz", "kWh", "Europe/London", "2020-04-02", "2022-12-05"),
    "uk-temp": ("uk-tempC-sample-0.csv.gz", "°C", "Europe/London", "2020-04-02", "2022-12-05"),
}


def hours_of(ident: str) -> pd.Series[Any]:
    """The hours as the file has them, read without this package, in local time."""
    file, _, tz, *_ = TRENDS[ident]
    with gzip.open(METERS / file, "rt", encoding="utf-8") as text:
        table = pd.read_csv(text)
    instants = pd.DatetimeIndex(pd.to_datetime(table.iloc[:, -2], utc=True)).tz_convert(tz)
    return pd.Series(table.iloc[:, -1].to_numpy(dtype=np.float64), index=instants)


@functools.cache
def database() -> Database:
    made = Database(tz="UTC")
    for ident, (_, unit, tz, *_) in TRENDS.items():
        tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": unit, "tz": tz.split("/")[1]}
        amounts = {"hisMode": "consumption"} if unit == "kWh" else {}
        made.add({"id": Ref(ident), "dis": ident, "hisInterval": Number(1, "hr"), **tags, **amounts})
        hours = hours_of(ident)
        made.set_history(Ref(ident), pd.DatetimeIndex(hours.index).as_unit("us").asi8, hours.to_numpy())
    return made


@pytest.mark.parametrize("ident", TRENDS)
@pytest.mark.parametrize(("interval", "period"), [("1D", "D"), ("1W", "W-SUN"), ("1M", "M")])
def test_values_of_real_trends_are_those_of_pandas_by_local_date(ident: str, interval: str, period: str) -> None:
    _, unit, _, first, last = TRENDS[ident]
    hours = hours_of(ident)
    grouped = hours.groupby(pd.DatetimeIndex(hours.index).tz_localize(None).to_period(period))
    names = {"sum": "sum", "avg": "mean", "min": "min", "max": "max", "count": "count"}
    if unit != "kWh":
        del names["sum"]  # of temperatures it has no meaning
    with connected(database()) as session:
        found = session.his_read(ident, f"{first},{last}", interval=interval, agg=list(names), edges="whole")
    starts = pd.DatetimeIndex(found.index).tz_localize(None).to_period(period)
    assert len(found) >= {"D": 800, "W-SUN": 115, "M": 26}[period]
    for agg, name in names.items():
        truth = grouped.agg(name).reindex(starts).astype(np.float64)
        if agg == "sum" and period != "D":
            truth.iloc[-1] = np.nan  # the file ends before that week and month do: a part is not passed off as whole
        np.testing.assert_array_equal(np.array(floats(found[ident][agg])), truth.to_numpy(), err_msg=agg)
