"""Windows of time and the arrays behind a history, against simple models."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.histories import union_of
from hsframe.kinds import MARKER, NA, Number, Ref
from hsframe.server.database import Database
from hsframe.server.ops.his_read import parse_range
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Samples, placed
from hsframe.server.state import duration_s
from hsframe.spans import epoch_us
from hsframe.zones import zone

NOW = datetime(2026, 11, 10, 17, 7, tzinfo=UTC)

ZONES = ["New_York", "London", "Brisbane", "Lord_Howe", "Kathmandu", "GMT+5", "UTC", "Sao_Paulo", "Apia", "Havana"]


@given(st.dates(date(1975, 1, 1), date(2037, 1, 1)), st.integers(0, 40), st.sampled_from(ZONES))
def test_a_range_of_dates_is_every_instant_of_those_days(first: date, more: int, tz: str) -> None:
    last = first + timedelta(days=more)
    window = parse_range(f"{first},{last}", zone(tz), NOW)
    assert window.end_us is not None

    # The first instant is of the first day and the one before it is not; at the end likewise.
    def day_of(us: int) -> date:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).astimezone(zone(tz)).date()

    assert day_of(window.start_us) >= first
    assert day_of(window.start_us - 1) < first
    assert day_of(window.end_us) > last
    assert day_of(window.end_us - 1) <= last


def test_a_day_whose_midnight_is_skipped_begins_later() -> None:
    window = parse_range("2018-11-04", zone("Sao_Paulo"), NOW)
    assert window.start.isoformat() == "2018-11-04T01:00:00-02:00"


def test_a_day_that_was_left_out_is_empty() -> None:
    window = parse_range(date(2011, 12, 30), zone("Apia"), NOW)
    assert window.start_us == window.end_us


def test_a_range_that_is_a_value_already() -> None:
    when = datetime(2026, 11, 1, 6, 30, tzinfo=UTC).astimezone(zone("London"))
    window = parse_range(when, zone("New_York"), NOW)
    assert (window.start.isoformat(), window.end) == ("2026-11-01T01:30:00-05:00", None)


@given(st.text(max_size=30) | st.none() | st.booleans() | st.integers().map(Number))
def test_whatever_is_no_range_is_refused(text: Any) -> None:
    try:
        window = parse_range(text, zone("New_York"), NOW)
    except OpRefusal as caught:
        refusal: OpRefusal | None = caught
    else:
        refusal = None
        assert window.end_us is None or window.start_us <= window.end_us
    assert refusal is None or refusal.err_type == "RangeErr"


instants = st.lists(st.integers(-50, 50), max_size=30)


@given(st.lists(instants, max_size=4), st.sampled_from(["Number", "Bool", "Str"]), st.data())
def test_samples_are_a_dictionary_in_order(batches: list[list[int]], kind: Any, data: st.DataObject) -> None:
    cell = {"Number": st.floats(allow_nan=False), "Bool": st.booleans(), "Str": st.sampled_from("abc")}[kind]
    samples, model = Samples(kind), dict[int, Any]()
    for batch in batches:
        values: list[Any] = data.draw(st.lists(cell, min_size=len(batch), max_size=len(batch)))
        na = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))), np.bool_)
        samples.merge(np.array(batch, np.int64), values, na)
        for us, value, is_na in zip(batch, values, na.tolist(), strict=True):
            model[us] = NA if is_na else Number(value) if kind == "Number" else value
    gone = data.draw(instants)
    samples.remove(np.array(gone, np.int64))
    model = {us: value for us, value in model.items() if us not in gone}
    assert samples.ts_us.tolist() == sorted(model)
    assert list(samples.column(slice(None), None)) == [model[us] for us in sorted(model)]
    start, end = sorted(data.draw(st.tuples(st.integers(-60, 60), st.integers(-60, 60))))
    inside = samples.ts_us[samples.between(start, end)].tolist()
    assert inside == [us for us in sorted(model) if start <= us < end]
    assert samples.ts_us[samples.between(start, None)].tolist() == [us for us in sorted(model) if start <= us]


@given(st.lists(st.lists(st.integers(-20, 20), unique=True).map(sorted), max_size=6))
def test_the_rows_of_a_batch_are_every_instant_once(parts: list[list[int]]) -> None:
    found = union_of(np.array(part, np.int64) for part in parts)
    assert found.tolist() == sorted(set().union(*parts))


def test_a_wider_column_has_nulls_between() -> None:
    samples = Samples("Str")
    samples.merge(np.array([10, 20, 30]), ["a", "", "b"], np.array([False, True, False]))
    column = samples.column(slice(1, 3), None)
    assert list(placed(column, np.array([0, 3]), 4)) == [NA, None, None, "b"]
    kw, w = Number(1, "kW"), Number(1, "W")
    assert list(placed([kw, w], np.array([0, 2]), 3)) == [kw, None, w]


def test_a_database_refuses_what_it_cannot_serve() -> None:
    with pytest.raises(ZoneError):
        Database(tz="Atlantis")
    with pytest.raises(ZoneError):
        Database([{"id": Ref("a"), "point": MARKER, "tz": "Atlantis"}])
    with pytest.raises(MetadataError, match="needs an id"):
        Database([{"dis": "nameless"}])
    database = Database([{"id": Ref("a"), "point": MARKER, "kind": "Coord"}])
    with pytest.raises(MetadataError, match="kind 'Coord'"):
        database.history("a")
    with pytest.raises(MetadataError, match="no record @b"):
        database.history("@b")
    with pytest.raises(MetadataError, match="no record @b"):
        database.update("b", {})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(Number(5), 5), (Number(1500, "ms"), 1.5), (Number(2, "hr"), 7200), (Number(1, "week"), 604_800)],
)
def test_durations(value: Number, seconds: float) -> None:
    assert duration_s(value, "lease") == seconds


def test_midnight_in_micros() -> None:
    assert epoch_us(datetime.combine(date(1970, 1, 2), time(), UTC)) == 86_400_000_000
