"""No result depends on how a span is cut: for every aggregation and kind, over a real socket, edges whole."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.kinds import MARKER, Number
from hsframe.server.database import Database
from hsframe.spans import from_epoch_us, resolve
from hsframe.zones import zone
from tests.session.connected import connected

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
# Days on which clocks change, by an hour, by half of one, and at midnight; and an ordinary one.
PLACES = [("New_York", "2026-11-01"), ("New_York", "2026-03-08"), ("Lord_Howe", "2026-04-05"), ("UTC", "2026-06-01")]
OF_NUMBERS = ["step", "linear", "mean", "avg", "integral", "delta", "min", "max", "first", "last", "count", "coverage"]
OF_STATES = ["step", "first", "last", "count", "coverage", "duration", "share"]
RECORDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "level": ({"kind": "Number", "unit": "kW"}, OF_NUMBERS),
    "cov": ({"kind": "Number", "unit": "kW", "hisMode": "cov"}, OF_NUMBERS),
    "reading": ({"kind": "Number", "unit": "kWh", "hisTotalized": MARKER}, ["delta", "step", "linear", "coverage"]),
    "register": (
        {"kind": "Number", "unit": "kWh", "hisTotalized": MARKER, "hisRollover": Number(500, "kWh")},
        ["delta"],
    ),
    "amount": (
        {"kind": "Number", "unit": "kWh", "hisMode": "consumption", "hisInterval": Number(30, "min")},
        ["sum", "avg", "count", "coverage"],
    ),
    "fan": ({"kind": "Bool"}, [*OF_STATES, "mean", "avg", "integral", "min", "max", "starts"]),
    "mode": ({"kind": "Str", "enum": "off,heat,cool"}, OF_STATES),
}
BRIDGING = {"step", "linear", "mean", "integral", "delta", "duration", "share", "starts"}
DATABASE = Database([], tz="UTC")


@pytest.fixture(scope="module")
def s() -> Iterator[hsframe.Session]:
    for name, (record, _) in RECORDS.items():
        for tz in {tz for tz, _ in PLACES}:
            ident = hsframe.Ref(f"{name}-{tz}")
            DATABASE.add({**record, "point": MARKER, "his": MARKER, "id": ident, "dis": name, "tz": tz})
    with connected(DATABASE) as session:
        yield session


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[str], str, dict[str, Any], list[Any]]:
    """A point whose samples are on the server, aggregations of it, an interval, settings, and where spans are cut."""
    name, (tz, day) = draw(st.sampled_from(sorted(RECORDS))), draw(st.sampled_from(PLACES))
    record, aggs = RECORDS[name]
    start_us = resolve(day, tz).start_us
    gaps = st.sampled_from([10, 30, 30, 60, 300, 1500, 9000])
    minutes = np.cumsum([draw(st.integers(-12000, 0)), *draw(st.lists(gaps, max_size=60))])
    cell: Any = st.sampled_from([True, False])
    if record["kind"] == "Str":
        cell = st.sampled_from(["off", "heat", "cool"])
    elif record["kind"] == "Number":
        cell = st.sampled_from([0.0, 1.0, 5.0, 100.0, 110.0, 120.0, 130.0, 250.0])
    values = draw(st.lists(cell, min_size=len(minutes), max_size=len(minutes)))
    na = draw(st.lists(st.sampled_from([False] * 9 + [True]), min_size=len(minutes), max_size=len(minutes)))
    DATABASE.set_history(hsframe.Ref(f"{name}-{tz}"), start_us + minutes.astype(np.int64) * MINUTE, values, na)
    chosen = draw(st.lists(st.sampled_from(aggs), min_size=1, max_size=4, unique=True))
    given_settings: dict[str, Any] = {}
    if draw(st.booleans()) and BRIDGING.intersection(chosen):
        given_settings["max_gap"] = draw(st.sampled_from(["20min", "2h", "2D"]))
    cuts = sorted({0, 3 * 24 * 60, *draw(st.lists(st.integers(1, 3 * 24 * 60 - 1), max_size=3))})
    instants = [from_epoch_us(start_us + cut * MINUTE, zone(tz)) for cut in cuts]
    return f"@{name}-{tz}", chosen, draw(st.sampled_from(["20min", "1h", "6h", "1D"])), given_settings, instants


@settings(
    max_examples=settings.default.max_examples // 2,  # each takes long
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(case=cases())
def test_no_result_depends_on_how_the_span_is_cut(s: hsframe.Session, case: Any) -> None:
    ident, aggs, interval, more, instants = case

    def read(begin: Any, end: Any, agg: Any = aggs) -> pd.DataFrame:
        return s.his_read(ident, (begin, end), interval=interval, agg=agg, edges="whole", **more)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        whole = read(instants[0], instants[-1])
        parts = []
        for begin, end in itertools.pairwise(instants):
            with contextlib.suppress(hsframe.SpanError):  # no interval starts in it
                parts.append(read(begin, end))
        pd.testing.assert_frame_equal(pd.concat(parts), whole, check_freq=False)
        # Each aggregation of a list is what it is alone.
        one = next((agg for agg in aggs if agg in BRIDGING), aggs[0])
        listed = whole.xs(one, axis=1, level="agg")
        if "state" in whole.columns.names and one not in ("duration", "share"):
            listed = listed.droplevel("state", axis=1)
        pd.testing.assert_frame_equal(read(instants[0], instants[-1], one), listed, check_names=False)
