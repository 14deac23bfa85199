"""Spans: every form, in every kind of zone, over every kind of clock change."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import SpanError, ZoneError
from hsframe.spans import Span, epoch_us, from_epoch_us, local_instant_us, range_text, resolve
from hsframe.zones import zone

# What is true here is so whatever the machine's zone files are; tests/ground/test_zones.py has their warnings.
pytestmark = pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")

ZONES = [
    "UTC",
    "New_York",
    "London",
    "Brisbane",
    "Lord_Howe",  # half an hour of summer time
    "Kathmandu",  # +05:45
    "Sao_Paulo",  # clocks changed at midnight, so some days had none
    "Havana",  # clocks go back at 01:00: midnight comes twice
    "St_Johns",  # until 2011 clocks went back at 00:01
    "Apia",  # 2011-12-30 never was
    "Casablanca",  # summer time is interrupted by Ramadan
    "Chatham",
    "GMT+5",
    "GMT-14",
    "Toronto",  # 1919-03-30 23:30 was followed by 00:30
    "Beirut",
    "Kolkata",
]
NOW = datetime(2026, 11, 18, 17, 30, tzinfo=UTC)  # a Wednesday

zones = st.sampled_from(ZONES)
days = st.dates(date(1919, 1, 2), date(2037, 12, 30))


def iso(span: Span) -> tuple[str, str | None]:
    return span.start.isoformat(), None if span.end is None else span.end.isoformat()


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [
        ("today", "2026-11-18T00:00:00-05:00", "2026-11-19T00:00:00-05:00"),
        ("yesterday", "2026-11-17T00:00:00-05:00", "2026-11-18T00:00:00-05:00"),
        ("2026-01-15", "2026-01-15T00:00:00-05:00", "2026-01-16T00:00:00-05:00"),
        ("2026-01", "2026-01-01T00:00:00-05:00", "2026-02-01T00:00:00-05:00"),
        ("2026-12", "2026-12-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00"),
        ("2026", "2026-01-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00"),
        ("2026-01-15,2026-01-20", "2026-01-15T00:00:00-05:00", "2026-01-21T00:00:00-05:00"),
        ("2026-01-15, 2026-01-20", "2026-01-15T00:00:00-05:00", "2026-01-21T00:00:00-05:00"),
        ("2026-01,2026-03", "2026-01-01T00:00:00-05:00", "2026-04-01T00:00:00-04:00"),
        (
            "2026-01-15T08:00:00-05:00 New_York,2026-01-15T09:00:00-05:00 New_York",
            "2026-01-15T08:00:00-05:00",
            "2026-01-15T09:00:00-05:00",
        ),
        ("2026-01-15T13:00:00Z UTC,2026-01-15T14:00:00Z", "2026-01-15T08:00:00-05:00", "2026-01-15T09:00:00-05:00"),
        ("2026-01-15T08:00:00-05:00 New_York", "2026-01-15T08:00:00-05:00", None),
        ("2026-01-15T08:00", "2026-01-15T08:00:00-05:00", None),
        ("2026-01-15 08:00,2026-01-15 09:30:15.5", "2026-01-15T08:00:00-05:00", "2026-01-15T09:30:15.500000-05:00"),
        # A name without an offset: the time is local there.
        ("2026-01-15T08:00:00 London,2026-01-16", "2026-01-15T03:00:00-05:00", "2026-01-17T00:00:00-05:00"),
        ("thisWeek", "2026-11-16T00:00:00-05:00", "2026-11-23T00:00:00-05:00"),
        ("lastWeek", "2026-11-09T00:00:00-05:00", "2026-11-16T00:00:00-05:00"),
        ("last_week".replace("_", " "), "2026-11-09T00:00:00-05:00", "2026-11-16T00:00:00-05:00"),
        ("pastWeek", "2026-11-11T00:00:00-05:00", "2026-11-19T00:00:00-05:00"),
        ("thisMonth", "2026-11-01T00:00:00-04:00", "2026-12-01T00:00:00-05:00"),
        ("lastMonth", "2026-10-01T00:00:00-04:00", "2026-11-01T00:00:00-04:00"),
        ("pastMonth", "2026-10-18T00:00:00-04:00", "2026-11-19T00:00:00-05:00"),
        ("thisQuarter", "2026-10-01T00:00:00-04:00", "2027-01-01T00:00:00-05:00"),
        ("lastQuarter", "2026-07-01T00:00:00-04:00", "2026-10-01T00:00:00-04:00"),
        ("pastQuarter", "2026-08-18T00:00:00-04:00", "2026-11-19T00:00:00-05:00"),
        ("thisYear", "2026-01-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00"),
        ("lastYear", "2025-01-01T00:00:00-05:00", "2026-01-01T00:00:00-05:00"),
        ("pastYear", "2025-11-18T00:00:00-05:00", "2026-11-19T00:00:00-05:00"),
        ("last14wholeDays", "2026-11-04T00:00:00-05:00", "2026-11-18T00:00:00-05:00"),
        ("last 1 whole day", "2026-11-17T00:00:00-05:00", "2026-11-18T00:00:00-05:00"),
        ("last2wholeWeeks", "2026-11-02T00:00:00-05:00", "2026-11-16T00:00:00-05:00"),
        ("last 12 whole months", "2025-11-01T00:00:00-04:00", "2026-11-01T00:00:00-04:00"),
        ("LAST5WHOLEQUARTERS", "2025-07-01T00:00:00-04:00", "2026-10-01T00:00:00-04:00"),
        ("last2wholeYears", "2024-01-01T00:00:00-05:00", "2026-01-01T00:00:00-05:00"),
        (("last2wholeWeeks", "today"), "2026-11-02T00:00:00-05:00", "2026-11-19T00:00:00-05:00"),
        ("today 08:30", "2026-11-18T08:30:00-05:00", None),
        ("yesterday 08:00,yesterday 17:00", "2026-11-17T08:00:00-05:00", "2026-11-17T17:00:00-05:00"),
        ("-7d", "2026-11-11T12:30:00-05:00", "2026-11-18T12:30:00-05:00"),
        ("-30d", "2026-10-19T12:30:00-04:00", "2026-11-18T12:30:00-05:00"),
        ("-2w", "2026-11-04T12:30:00-05:00", "2026-11-18T12:30:00-05:00"),
        ("-1mo", "2026-10-18T12:30:00-04:00", "2026-11-18T12:30:00-05:00"),
        ("-1y", "2025-11-18T12:30:00-05:00", "2026-11-18T12:30:00-05:00"),
        ("-90min", "2026-11-18T11:00:00-05:00", "2026-11-18T12:30:00-05:00"),
        ("last24hr", "2026-11-17T12:30:00-05:00", "2026-11-18T12:30:00-05:00"),
        ("past 7 days", "2026-11-11T12:30:00-05:00", "2026-11-18T12:30:00-05:00"),
        (("-7d", "-1d"), "2026-11-11T12:30:00-05:00", "2026-11-17T12:30:00-05:00"),
        (("lastMonth", "today"), "2026-10-01T00:00:00-04:00", "2026-11-19T00:00:00-05:00"),
        (("2026-01", "now"), "2026-01-01T00:00:00-05:00", "2026-11-18T12:30:00-05:00"),
        (["2026-01-01", "2026-01-02"], "2026-01-01T00:00:00-05:00", "2026-01-03T00:00:00-05:00"),
        ((date(2026, 1, 1), date(2026, 1, 2)), "2026-01-01T00:00:00-05:00", "2026-01-03T00:00:00-05:00"),
        ((date(2026, 1, 1), None), "2026-01-01T00:00:00-05:00", None),
        ((datetime(2026, 1, 1), datetime(2026, 1, 2)), "2026-01-01T00:00:00-05:00", "2026-01-02T00:00:00-05:00"),
        (
            (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02", tz="UTC")),
            "2026-01-01T00:00:00-05:00",
            "2026-01-01T19:00:00-05:00",
        ),
        (date(2026, 1, 1), "2026-01-01T00:00:00-05:00", "2026-01-02T00:00:00-05:00"),
        (pd.Timestamp("2026-01-01 08:00"), "2026-01-01T08:00:00-05:00", None),
        (datetime(2026, 1, 1, 8, tzinfo=UTC), "2026-01-01T03:00:00-05:00", None),
    ],
)
def test_every_form(span: object, start: str, end: str | None) -> None:
    assert iso(resolve(span, "New_York", NOW)) == (start, end)


def test_now_is_the_present_by_default() -> None:
    before = datetime.now(UTC)
    start = resolve("now", "UTC").start
    assert before <= start <= datetime.now(UTC)


def test_today_is_the_points_today() -> None:
    # At this instant it is the 18th in London and the 19th in Brisbane.
    assert resolve("today", "London", NOW).start.date() == date(2026, 11, 18)
    assert resolve("today", "Brisbane", NOW).start.date() == date(2026, 11, 19)


@pytest.mark.parametrize(
    ("week_start", "first", "after"),
    [("monday", "2026-11-16", "2026-11-23"), ("Sunday", "2026-11-15", "2026-11-22"), ("saturday", "2026-11-14", None)],
)
def test_week_start_is_selectable(week_start: str, first: str, after: str | None) -> None:
    span = resolve("thisWeek", "UTC", NOW, week_start=week_start)
    assert span.start.date().isoformat() == first
    assert span.end is not None
    assert after is None or span.end.date().isoformat() == after
    # On the day that starts the week, this week starts today.
    on_the_day = span.start + timedelta(hours=12)
    assert resolve("thisWeek", "UTC", on_the_day, week_start=week_start) == span


@pytest.mark.parametrize(
    ("tz", "day", "start_utc", "hours"),
    [
        ("New_York", "2026-03-08", "2026-03-08T05:00:00+00:00", 23),
        ("New_York", "2026-11-01", "2026-11-01T04:00:00+00:00", 25),
        ("Lord_Howe", "2026-04-05", "2026-04-04T13:00:00+00:00", 24.5),
        ("Lord_Howe", "2026-10-04", "2026-10-03T13:30:00+00:00", 23.5),
        ("Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00+00:00", 23),  # starts at 01:00
        ("Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00+00:00", 25),  # 23:00 comes twice
        ("Havana", "2024-11-03", "2024-11-03T04:00:00+00:00", 25),  # midnight comes twice; the first one starts it
        ("Apia", "2011-12-30", "2011-12-30T10:00:00+00:00", 0),
        ("Apia", "2011-12-31", "2011-12-30T10:00:00+00:00", 24),
        ("Toronto", "1919-03-31", "1919-03-31T04:30:00+00:00", 23.5),  # starts at 00:30
        ("Kathmandu", "2026-06-01", "2026-05-31T18:15:00+00:00", 24),
        ("GMT+5", "2026-06-01", "2026-06-01T05:00:00+00:00", 24),
    ],
)
def test_days_on_which_a_clock_changes(tz: str, day: str, start_utc: str, hours: float) -> None:
    span = resolve(day, tz)
    assert span.start.astimezone(UTC).isoformat() == start_utc
    assert span.end_us is not None
    assert (span.end_us - span.start_us) / 3.6e9 == hours


@given(zones, days)
def test_a_day_starts_at_the_first_instant_of_its_date(tz: str, day: date) -> None:
    start_us = resolve(day, tz).start_us
    assert from_epoch_us(start_us, zone(tz)).date() >= day
    assert from_epoch_us(start_us - 1, zone(tz)).date() < day


@given(zones, days)
def test_days_tile_time(tz: str, day: date) -> None:
    assert resolve(day, tz).end_us == resolve(day + timedelta(days=1), tz).start_us
    month = resolve(f"{day:%Y-%m}", tz)
    assert resolve(day, tz).start in month
    assert resolve(f"{day:%Y}", tz).start_us <= month.start_us


@given(zones, st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), st.integers(0, 400))
def test_named_spans_hold_now_or_end_before_it(tz: str, wall: datetime, ago: int) -> None:
    now = wall.replace(tzinfo=UTC)
    for unit in ("Week", "Month", "Quarter", "Year"):
        this, last, past = (resolve(f"{which}{unit}", tz, now) for which in ("this", "last", "past"))
        assert now in this
        assert now in past
        assert last.end_us == this.start_us
    back = resolve(f"-{ago}d", tz, now)
    assert back.end_us == epoch_us(now)
    assert abs((back.end_us or 0) - back.start_us - ago * 86_400_000_000) <= 25 * 3_600_000_000


@given(zones, st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)), st.integers(0, 1))
def test_a_wall_time_gives_an_instant_that_shows_it_or_the_end_of_the_gap(tz: str, wall: datetime, fold: int) -> None:
    place = zone(tz)
    us = local_instant_us(wall.replace(fold=fold), place)
    shown = from_epoch_us(us, place)
    if shown.replace(tzinfo=None, fold=0) == wall:
        twice = epoch_us(wall.replace(tzinfo=place, fold=1)) != epoch_us(wall.replace(tzinfo=place, fold=0))
        assert shown.fold == (fold if twice else 0)
    else:
        assert shown.replace(tzinfo=None) > wall
        assert from_epoch_us(us - 1, place).replace(tzinfo=None) < wall


def test_the_repeated_hour_is_told_apart() -> None:
    first = resolve("2026-11-01T01:30:00-04:00 New_York,2026-11-01T01:30:00-05:00 New_York", "New_York")
    assert first.end_us is not None
    assert first.end_us - first.start_us == 3_600_000_000
    # pandas and datetime say it with fold.
    eastern = ZoneInfo("America/New_York")
    by_fold = (datetime(2026, 11, 1, 1, 30, tzinfo=eastern), datetime(2026, 11, 1, 1, 30, tzinfo=eastern, fold=1))
    assert resolve(by_fold, "New_York") == first
    stamps = tuple(
        pd.Timestamp(text).tz_convert("America/New_York") for text in ("2026-11-01T05:30Z", "2026-11-01T06:30Z")
    )
    assert resolve(stamps, "New_York") == first
    assert datetime(2026, 11, 1, 1, 30, tzinfo=eastern) in first
    assert datetime(2026, 11, 1, 1, 30, tzinfo=eastern, fold=1) not in first


def test_spans_compare_by_instants() -> None:
    eastern = ZoneInfo("America/New_York")
    one, two = (Span(datetime(2026, 11, 1, 1, 30, tzinfo=eastern, fold=fold), None) for fold in (0, 1))
    assert one != two
    assert one == Span(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), None)
    assert hash(one) == hash(Span(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), None))
    assert one != "today"


def test_nanoseconds_bound_the_same_samples() -> None:
    span = resolve((pd.Timestamp("2026-01-01T00:00:00.000001500Z"), pd.Timestamp("2026-01-02T00:00:00.000002Z")), "UTC")
    assert (span.start.microsecond, span.end and span.end.microsecond) == (2, 2)


@pytest.mark.parametrize(
    ("tz", "us", "text"),
    [
        ("New_York", 1_793_509_200_000_000, "2026-11-01T01:00:00-04:00 New_York"),
        ("New_York", 1_793_512_800_000_000, "2026-11-01T01:00:00-05:00 New_York"),
        ("UTC", 1_500_000, "1970-01-01T00:00:01.500000Z UTC"),
        ("London", 0, "1970-01-01T01:00:00+01:00 London"),
        ("GMT+5", 0, "1969-12-31T19:00:00-05:00 GMT+5"),
        ("Kathmandu", 0, "1970-01-01T05:30:00+05:30 Kathmandu"),
    ],
)
def test_range_text_is_zinc_with_the_zone_name(tz: str, us: int, text: str) -> None:
    assert range_text(us, None, tz) == text


@given(zones, st.integers(-2_500_000_000, 2_500_000_000), st.integers(0, 10**9))
def test_range_text_reads_back_as_the_same_window(tz: str, start_s: int, length_s: int) -> None:
    start_us, end_us = start_s * 1_000_000, (start_s + length_s) * 1_000_000
    again = resolve(range_text(start_us, end_us, tz), "Lord_Howe")
    assert (again.start_us, again.end_us) == (start_us, end_us)


@pytest.mark.parametrize(
    "span",
    [
        "", "tomorow", "2026-13", "2026-02-30", "2026-1-1", "7d", "-7", "-7 fortnights", "lastDecade",
        "2026-01-15T25:00", ("2026-01-15", "2026-01-14"),
        "2026-01-15T08:00:00-05:00 Nowhere", "2026,2025", "2026,", "a,b", "2026,2027,2028", "9999", "0000", "-9999y",
        None, 7, 7.5, (), ("2026",), (None, "2026"), ("2026", 3), pd.NaT, (pd.NaT, None),
        (date(2026, 1, 2), datetime(2026, 1, 1)), timedelta(days=1),
    ],
)  # fmt: skip
def test_what_is_no_span_is_refused(span: object) -> None:
    with pytest.raises(SpanError):
        resolve(span, "New_York", NOW)


@pytest.mark.parametrize("tz", ["New_York", "UTC", "Kolkata"])
@pytest.mark.parametrize("span", ["0001-01-01", "0001", ("0001-01-01", None), date(1, 1, 1), "9999-12-31", "9999-12"])
def test_the_ends_of_the_calendar_are_refused_in_words(span: Any, tz: str) -> None:
    with pytest.raises(SpanError, match=r"reaches to the ends of the calendar; expected one .* 0001-01-02T00:00Z"):
        resolve(span, tz)
    for near in ("0001-02", "9999-11"):
        assert resolve(near, tz).start


@pytest.mark.parametrize(("text", "hint"), [("7d", "-7d"), (" 24 hr", "-24 hr"), ("1.5h", "-1.5h"), ("2w", "-2w")])
def test_a_length_of_time_is_told_from_a_span(text: str, hint: str) -> None:
    with pytest.raises(
        SpanError, match=f"is a length of time, not a span; '{hint}' reaches from then up to now"
    ) as error:
        resolve(text, "UTC", NOW)
    assert len(str(error.value)) < 120
    with pytest.raises(SpanError, match=f"in .*'{hint}'"):
        resolve((text, "now"), "UTC", NOW)


def test_the_last_whole_units_are_those_of_lastweek_and_so_on() -> None:
    for unit in ("week", "month", "quarter", "year"):
        assert resolve(f"last1whole{unit}", "New_York", NOW) == resolve(f"last{unit}", "New_York", NOW)
    assert resolve("last1wholeWeek", "UTC", NOW, week_start="sunday").start.date() == date(2026, 11, 8)
    for text in ("last0wholeDays", "last wholeDays", "last-1wholeDays", "last1.5wholeDays", "past2wholeDays"):
        with pytest.raises(SpanError, match="expected"):
            resolve(text, "UTC", NOW)
    with pytest.raises(SpanError, match=r"'lastTwoWeeks' is not a valid span; .* 'last2wholeWeeks'"):
        resolve("lastTwoWeeks", "UTC", NOW)
    for text in ("last999999wholeDays", "last99999wholeYears"):
        with pytest.raises(SpanError, match="ends of the calendar"):
            resolve(text, "UTC", NOW)


def test_a_time_of_today_or_yesterday_is_by_the_clock_of_the_zone() -> None:
    assert iso(resolve("yesterday 12:00", "Kolkata", NOW)) == ("2026-11-17T12:00:00+05:30", None)
    for text in ("yesterday 8:00", "yesterday 24:00", "yesterday noon", "today  12:00", "yesterday,12:00"):
        with pytest.raises(SpanError, match=r"is not a valid (span|time)"):
            resolve(text, "UTC", NOW)


def test_the_message_shows_the_ways_out() -> None:
    with pytest.raises(SpanError, match=r"'tomorow' is not a valid span.*'lastWeek'.*'-7d'.*'2026-01-15,2026-01-20'"):
        resolve("tomorow", "UTC")
    with pytest.raises(SpanError, match="minutes or months"):
        resolve("-5m", "UTC")
    with pytest.raises(SpanError, match=r"ends before it starts: 2026-01-02"):
        resolve("2026-01-02,2025-01-01", "UTC")
    with pytest.raises(SpanError, match=r"ends before it starts: 2026-11-03T00:00:00\+00:00 to 2026-11-02T00:00:00"):
        resolve(("2026-11-03", "2026-11-02"), "UTC")


def test_a_wrong_zone_now_or_week_start_is_named() -> None:
    with pytest.raises(ZoneError, match="Nowhere"):
        resolve("today", "Nowhere")
    with pytest.raises(SpanError, match="now must be an aware"):
        resolve("today", "UTC", datetime(2026, 1, 1))
    with pytest.raises(SpanError, match="monday, tuesday"):
        resolve("today", "UTC", week_start="mon")
    with pytest.raises(SpanError, match="naive"):
        Span(datetime(2026, 1, 1), None)
    with pytest.raises(SpanError, match="before it starts"):
        Span(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def test_a_span_stays_what_it_is() -> None:
    span = resolve("2026-01", "Brisbane")
    again = resolve(span, "London")
    assert again == span
    assert again.start.utcoffset() == timedelta(0)
    assert str(span) == "[2026-01-01T00:00:00+10:00, 2026-02-01T00:00:00+10:00)"
    assert str(resolve("2026-01-01T00:00", "UTC")) == "[2026-01-01T00:00:00+00:00, ...)"
    assert span.end not in span
    assert span.start in span


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (pd.date_range("2026", periods=1000, tz="UTC"), "a DatetimeIndex of 1000 is not a valid span"),
        (("2026", pd.date_range("2026", periods=9, tz="UTC")), "a DatetimeIndex of 9 in a tuple of 2 is not a valid"),
        (["2026"] * 1000, "and a list of 1000 has 1000 parts"),
        (["2026", "2027", "2028"], "and ['2026', '2027', '2028'] has 3 parts"),
    ],
    ids=["index", "pair", "list", "three"],
)
def test_a_span_that_is_none_is_not_printed_at_length(given: Any, shown: str) -> None:
    with pytest.raises(SpanError, match=re.escape(shown)):
        resolve(given, "UTC")
