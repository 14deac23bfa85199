"""Durations: one grammar wherever a person says how long, and one error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.durations import DAY_US, HOUR_US, LENGTHS_US, MINUTE_US, SECOND_US, amount_of, duration_us
from hsframe.errors import SpanError
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.session.session import Session
from hsframe.spans import resolve
from hsframe.testing.server import RunningServer, running_server

SPAN = ("2026-11-01T10:00", "2026-11-01T10:00:10")
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)

# What is written, and its length in microseconds; None where it has none.
LENGTHS: list[tuple[Any, int | None]] = [
    ("2s", 2 * SECOND_US),
    ("2 secs", 2 * SECOND_US),
    ("2000ms", 2 * SECOND_US),
    ("1500ms", 1_500_000),
    ("2min", 2 * MINUTE_US),
    (" 2 Min ", 2 * MINUTE_US),
    ("1.5h", 90 * MINUTE_US),
    ("1.5 hours", 90 * MINUTE_US),
    ("h", HOUR_US),
    ("2hr", 2 * HOUR_US),
    ("1D", DAY_US),
    ("1day", DAY_US),
    ("1W", 7 * DAY_US),
    ("2wk", 14 * DAY_US),
    (timedelta(minutes=2), 2 * MINUTE_US),
    (pd.Timedelta("90min"), 90 * MINUTE_US),
    (timedelta(days=1), DAY_US),
    (Number(90, "min"), 90 * MINUTE_US),
    (Number(0.5, "h"), 30 * MINUTE_US),
    (Number(1, "day"), DAY_US),
    (Number(1, "wk"), 7 * DAY_US),
    *((text, None) for text in ("1M", "1MS", "1ME", "3mo", "month", "1Q", "1QS", "1Y", "2YE", "2 years")),
    (Number(1, "mo"), None),
    (Number(1, "yr"), None),
]
NEVER: list[Any] = [
    *("", "soon", "1 fortnight", "-5s", "+5s", "5s5", "1e3s", "5 min 3s", "1,5h", "7", "5m", "m", "1Ms", "0h", "0D"),
    *(5, 0.5, True, None, [], float("nan"), float("inf"), pd.NaT),
    *(timedelta(0), timedelta(seconds=-1), timedelta(days=-1), Number(5), Number(5, "kW"), Number(-1, "h")),
    Number(float("nan")),
]


def first(frames: Any) -> object:
    with closing(frames):
        return next(frames)


# How a server's histories are read with a value; each place is called so in its error.
PLACES: dict[str, Callable[[Session, Any], object]] = {
    "max_gap": lambda session, value: session.his_read("@kw", SPAN, interval="5s", max_gap=value),
    "chunk": lambda session, value: session.his_read("@kw", SPAN, chunk=value),
    "max_age": lambda session, value: session.latest("@kw", max_age=value),
    "poll": lambda session, value: first(session.watch("@kw", value)),
    "lease": lambda session, value: first(session.watch("@kw", lease=value)),
    "patience": lambda session, value: first(session.watch("@kw", patience=value)),
    "interval": lambda session, value: session.his_read("@kw", SPAN, interval=value),
}
WATCH = ("poll", "lease", "patience")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    record = {"id": Ref("kw"), "point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
    database = Database([record])
    start_us = int(pd.Timestamp(SPAN[0], tz="America/New_York").timestamp()) * SECOND_US
    database.set_history("kw", np.arange(10) * SECOND_US + start_us, np.ones(10))
    with running_server(database) as running:
        yield running


@pytest.fixture
def session(server: RunningServer) -> Iterator[Session]:
    with hsframe.connect(server.uri, server.user, server.password) as connected:
        yield connected


@pytest.mark.parametrize(("value", "length_us"), LENGTHS)
def test_a_length_is_the_same_length_everywhere(session: Session, value: Any, length_us: int | None) -> None:
    if length_us is None:
        for what in PLACES.keys() - {"interval"}:
            with pytest.raises(SpanError, match=rf"^{what}=.*differ in length.*expected .*'90s', '2 min' or '1.5h'"):
                PLACES[what](session, value)
        return
    assert duration_us(value, "poll") == length_us
    for what in PLACES.keys() - {"interval"}:
        PLACES[what](session, value)
    if isinstance(value, str) and value[0].isdigit() and length_us < DAY_US:
        assert resolve(f"-{value}", "UTC", NOW).start == NOW - timedelta(microseconds=length_us)
        assert resolve(f"last {value}", "UTC", NOW).end == NOW


@pytest.mark.parametrize("bad", NEVER)
def test_what_is_no_duration_is_refused_everywhere_by_one_error(session: Session, bad: Any) -> None:
    for what, use in PLACES.items():
        if what == "lease" and bad is None:
            continue  # the setting's default
        if what in ("max_gap", "chunk", "interval") and bad is None:
            continue
        if what == "max_gap" and isinstance(bad, list):
            continue
        if what in WATCH and ((bad in ("7", 5, 0.5) and bad is not True) or bad == Number(5)):
            use(session, bad)  # a number alone is seconds
            continue
        with pytest.raises(SpanError, match=rf"^{what}={re.escape(repr(bad))}.*(expected|write) "):
            use(session, bad)


@pytest.mark.parametrize(
    ("span", "start"),
    [
        ("-1M", "2026-10-18T12:00"),
        ("-1mo", "2026-10-18T12:00"),
        ("last 2 quarters", "2026-05-18T12:00"),
        ("-1Y", "2025-11-18T12:00"),
        ("-1W", "2026-11-11T12:00"),
        ("-1.5h", "2026-11-18T10:30"),
        ("-500ms", "2026-11-18T11:59:59.5"),
    ],
)
def test_a_span_of_so_long(span: str, start: str) -> None:
    assert resolve(span, "UTC", NOW).start == datetime.fromisoformat(start).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ("-7m", "^the span '-7m': 'm' could be minutes or months"),
        ("-0.0000001s", "^the span '-0.0000001s' is shorter than a microsecond"),
        ("-7 fortnights", "'-7 fortnights': .*not a unit of time; expected s, min, h"),
        ("-1.5d", "'-1.5d': days, weeks, months and years must be whole"),
        ("last 1.5 months", "must be whole"),
    ],
)
def test_a_span_of_no_such_length(span: str, message: str) -> None:
    with pytest.raises(SpanError, match=message):
        resolve(span, "UTC", NOW)


def test_both_letters_that_look_like_micro_are_read() -> None:
    lengths = [duration_us(f"250{mu}s", "chunk") for mu in ("\xb5", "\u03bc", "u")]
    assert lengths == [250, 250, 250]
    assert resolve("-250\u03bcs", "UTC", NOW) == resolve("-250us", "UTC", NOW)


def test_what_is_too_long_for_an_instant_is_refused() -> None:
    for long in (timedelta.max, "999999999999W"):
        with pytest.raises(SpanError, match="at most 10,000 years"):
            duration_us(long, "max_gap")


def test_a_number_alone_counts_only_where_its_unit_is_named() -> None:
    assert duration_us(1.5, "poll", plain="s") == duration_us("1.5", "poll", plain="s") == 1_500_000
    with pytest.raises(SpanError, match=r"poll=-1 must be positive.*or a number alone, in s"):
        duration_us(-1, "poll", plain="s")
    with pytest.raises(SpanError, match=r"chunk=5: it has no unit of time; expected a number and a unit of time"):
        duration_us(5, "chunk")


@given(st.integers(1, 10**5), st.sampled_from(sorted(LENGTHS_US)), st.sampled_from(["", " "]))
def test_text_number_and_timedelta_say_the_same(count: int, unit: str, between: str) -> None:
    length_us = count * LENGTHS_US[unit]
    assert duration_us(f"{count}{between}{unit}", "poll") == length_us
    assert duration_us(Number(count, unit), "poll") == length_us
    assert duration_us(timedelta(microseconds=length_us), "poll") == length_us
    assert amount_of(f"{count}{between}{unit.upper()}" if unit != "ms" else f"{count}ms", "poll") == (count, unit)


@given(st.decimals(0, 10**5, places=3), st.sampled_from(sorted(LENGTHS_US)))
def test_a_fraction_is_taken_to_the_microsecond(count: Any, unit: str) -> None:
    exact = count * LENGTHS_US[unit]
    if exact < 1:
        return
    assert abs(duration_us(f"{count}{unit}", "poll") - exact) <= 0.5 + float(exact) * 2**-52


@given(st.text(max_size=12) | st.from_regex(r"\d{1,3}[ .]?\d?[a-zA-Zµ]{0,5}", fullmatch=True))
def test_any_text_is_a_length_or_that_error(text: str) -> None:
    length_us, problem = 1, f"max_gap={text!r}"
    try:
        length_us = duration_us(text, "max_gap")
    except SpanError as error:
        problem = str(error)
    assert length_us >= 1
    assert problem.startswith(f"max_gap={text!r}")
